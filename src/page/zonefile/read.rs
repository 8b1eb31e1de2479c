//! Reads the lines of a zone file: directives and records (RFC 1035 section 5.1).

use super::{Located, TTL_DEFAULT, ZoneContents, ZoneFault, foreign::server, records::Records};
use crate::{
    limits::TTL_SECONDS_MAX,
    page::{
        apex,
        entry::EntryRefusal,
        name::{Name, NameRefusal},
        rdata::{self, Token},
        record::RecordType,
    },
};

/// What the lines so far have said.
pub(super) struct Reader<'a> {
    /// Whether the line is a comment that djdns wrote for itself: all of it is an entry's.
    pub marked: bool,
    page: &'a Name,
    origin: Name,
    /// The `$TTL` in force, and where it stands.
    default_ttl: Option<(u32, usize)>,
    /// The last TTL that a record stated (RFC 1035 section 5.1).
    stated_ttl: Option<u32>,
    soa_minimum: Option<u32>,
    /// Whether a record has named an owner.
    named: bool,
    /// The owner's text in the last line that had one, since many lines repeat it.
    owner_text: Vec<u8>,
    /// The owner's wire form, lower-case and absolute: scratch space.
    scratch: Vec<u8>,
    /// Which of the root page's own addresses were seen (see [`apex::server_addresses`]).
    made_seen: [bool; 2],
    records: Records,
    contents: ZoneContents,
}

/// The part of a line before its data.
struct Head {
    rtype: RecordType,
    ttl: Option<(u32, usize)>,
    /// Index of the first token of data.
    data: usize,
}

impl<'a> Reader<'a> {
    pub fn new(page: &'a Name, text_len: usize) -> Reader<'a> {
        Reader {
            marked: false,
            page,
            origin: page.clone(),
            default_ttl: None,
            stated_ttl: None,
            soa_minimum: None,
            named: false,
            owner_text: Vec::new(),
            scratch: Vec::new(),
            made_seen: [false; 2],
            records: Records::for_text(text_len),
            contents: ZoneContents::default(),
        }
    }

    /// Reads one line of at least one token; `blank` when it starts with white space.
    pub fn line(&mut self, line: &[Token<'_>], blank: bool) -> Result<(), Located> {
        let first = line[0];
        if !blank && !first.quoted && first.raw.starts_with(b"$") {
            return self.directive(line);
        }
        let head = if blank { line } else { &line[1..] };
        if !blank {
            self.owner(first)?;
        } else if !self.named {
            return Err((first.at, ZoneFault::NoOwner));
        }
        self.record(head, line)
    }

    /// Admits all that was read.
    pub fn finish(self, text: &[u8]) -> Result<ZoneContents, Located> {
        let mut contents = self.contents;
        self.records.gather(self.page, text, &mut contents)?;
        Ok(contents)
    }

    fn directive(&mut self, line: &[Token<'_>]) -> Result<(), Located> {
        let word = lossy(line[0].raw);
        let value = match line {
            [_, value] => Ok(*value),
            _ => Err((line[0].at, ZoneFault::DirectiveValue(word.clone()))),
        };
        match word.to_ascii_uppercase().as_str() {
            "$ORIGIN" => self.set_origin(value?),
            "$TTL" => {
                let value = value?;
                let ttl = rdata::seconds(value.raw)
                    .ok_or_else(|| (value.at, ZoneFault::DefaultTtl(lossy(value.raw))))?;
                self.default_ttl = Some((ttl, value.at));
                Ok(())
            }
            "$INCLUDE" => Err((line[0].at, ZoneFault::Include)),
            _ => Err((line[0].at, ZoneFault::Directive(word))),
        }
    }

    fn set_origin(&mut self, value: Token<'_>) -> Result<(), Located> {
        let mut wire = Vec::new();
        let origin = rdata::push_name(value.raw, &self.origin, &mut wire)
            .and_then(|()| Name::from_wire(&wire))
            .map_err(|refusal| (value.at, ZoneFault::Origin(refusal)))?;
        self.origin = origin;
        // The same text now means another owner.
        self.owner_text.clear();
        Ok(())
    }

    /// Makes the line's owner the current one.
    fn owner(&mut self, token: Token<'_>) -> Result<(), Located> {
        if self.named && !self.owner_text.is_empty() && self.owner_text == token.raw {
            return Ok(());
        }
        let refuse = |refusal| (token.at, ZoneFault::Owner(refusal));
        self.scratch.clear();
        rdata::push_name(token.raw, &self.origin, &mut self.scratch).map_err(refuse)?;
        self.scratch.make_ascii_lowercase();
        let labels = below(&self.scratch, self.page)
            .ok_or_else(|| refuse(not_below(&self.scratch, self.page)))?;
        if !self.named || self.records.owner() != Some(labels) {
            self.records.start_run(labels);
        }
        self.named = true;
        self.owner_text.clear();
        self.owner_text.extend_from_slice(token.raw);
        Ok(())
    }

    /// Reads `[TTL] [class] type data` of the current owner.
    fn record(&mut self, tokens: &[Token<'_>], line: &[Token<'_>]) -> Result<(), Located> {
        let head = head(tokens, end(line))?;
        let rtype = head.rtype;
        if let Some((ttl, _)) = head.ttl {
            self.stated_ttl = Some(ttl);
        }
        if rtype.is_dnssec_made() && !self.marked {
            self.leave_aside(rtype);
            return Ok(());
        }
        let data = &tokens[head.data..];
        let start = self.records.rdata.len();
        rdata::parse_into(rtype, data, &self.origin, &mut self.records.rdata).map_err(
            |(index, refusal)| {
                let at = data.get(index).map_or_else(|| end(line), |token| token.at);
                (at, ZoneFault::Rdata { rtype, refusal })
            },
        )?;
        if self.is_made(rtype, start) {
            self.records.drop_data();
            self.leave_aside(rtype);
            return Ok(());
        }
        let (ttl, at) = self.ttl(head.ttl, line[0].at);
        if ttl > TTL_SECONDS_MAX {
            return Err((at, ZoneFault::Record(EntryRefusal::TtlTooLong(ttl))));
        }
        self.records.push(rtype, ttl, line[0].at);
        Ok(())
    }

    /// The record's TTL: its own, else `$TTL` (RFC 2308 section 4), else the last one stated
    /// (RFC 1035 section 5.1), else the SOA's minimum (as servers before `$TTL` did).
    fn ttl(&self, own: Option<(u32, usize)>, at: usize) -> (u32, usize) {
        let inherited = || self.stated_ttl.or(self.soa_minimum).unwrap_or(TTL_DEFAULT);
        own.or(self.default_ttl).unwrap_or_else(|| (inherited(), at))
    }

    fn leave_aside(&mut self, rtype: RecordType) {
        *self.contents.left_aside.entry(rtype).or_default() += 1;
    }

    /// Whether the page makes this record by itself, so that it is not stored (P8). Of the root
    /// page's own addresses only the first of each is: a second one is an entry's.
    fn is_made(&mut self, rtype: RecordType, start: usize) -> bool {
        let owner = self.records.owner().unwrap_or_default();
        let rdata = &self.records.rdata[start..];
        if owner.is_empty() && rtype == RecordType::SOA {
            // A checked SOA ends in its minimum.
            self.soa_minimum = rdata.last_chunk().map(|octets| u32::from_be_bytes(*octets));
            return true;
        }
        if owner.is_empty() && rtype == RecordType::NS {
            return true;
        }
        if !self.page.is_root() || owner != server() {
            return false;
        }
        let made = apex::server_addresses().iter().position(|(t, r)| *t == rtype && r == rdata);
        made.is_some_and(|i| !std::mem::replace(&mut self.made_seen[i], true))
    }
}

/// Reads TTL and class in either order and the type after them; `end` is where the line ends.
fn head(tokens: &[Token<'_>], end: usize) -> Result<Head, Located> {
    let mut ttl = None;
    let mut class = false;
    for (i, token) in tokens.iter().enumerate() {
        let raw = token.raw;
        let refuse = |fault| (token.at, fault);
        if raw.first().is_some_and(u8::is_ascii_digit) && ttl.is_none() {
            let seconds = rdata::seconds(raw).ok_or_else(|| refuse(ZoneFault::Ttl(lossy(raw))))?;
            ttl = Some((seconds, token.at));
        } else if !class && is_class(raw) {
            if !raw.eq_ignore_ascii_case(b"IN") && !raw.eq_ignore_ascii_case(b"CLASS1") {
                return Err(refuse(ZoneFault::Class(lossy(raw))));
            }
            class = true;
        } else {
            return Ok(Head { rtype: rtype(raw).map_err(refuse)?, ttl, data: i + 1 });
        }
    }
    Err((end, ZoneFault::NoType))
}

fn is_class(raw: &[u8]) -> bool {
    let known = [&b"IN"[..], b"CH", b"HS", b"CS", b"NONE"];
    known.iter().any(|class| class.eq_ignore_ascii_case(raw))
        || raw.get(..5).is_some_and(|word| word.eq_ignore_ascii_case(b"CLASS"))
}

fn rtype(raw: &[u8]) -> Result<RecordType, ZoneFault> {
    match raw {
        b"A" => Ok(RecordType::A),
        b"AAAA" => Ok(RecordType::AAAA),
        b"NS" => Ok(RecordType::NS),
        b"DS" => Ok(RecordType::DS),
        b"TXT" => Ok(RecordType::TXT),
        b"CNAME" => Ok(RecordType::CNAME),
        _ => Ok(lossy(raw).parse()?),
    }
}

/// The labels that `name` has below `page`; `None` when it is not below.
fn below<'n>(name: &'n [u8], page: &Name) -> Option<&'n [u8]> {
    let cut = name.len().checked_sub(page.wire().len())?;
    let mut at = 0;
    while at < cut {
        at += 1 + usize::from(name[at]);
    }
    (at == cut && name[cut..] == *page.wire()).then_some(&name[..cut])
}

fn not_below(name: &[u8], page: &Name) -> NameRefusal {
    let mut text = String::new();
    rdata::write_name(name, &mut text);
    NameRefusal::NotBelow(text, page.to_string())
}

/// The offset after the last token of a line.
fn end(line: &[Token<'_>]) -> usize {
    line.last().map_or(0, |token| token.at + token.raw.len() + 2 * usize::from(token.quoted))
}

fn lossy(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw).into_owned()
}
