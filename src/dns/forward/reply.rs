//! A response of an upstream: checked against the question, and kept without what nobody asked for.
//!
//! Only what answers the question is taken: the records of its name, and of those that aliases lead
//! to from there. All else that a response brings is dropped, so that nobody can tell us of one name
//! by an answer about another. Names in record data are written out (RFC 3597 section 4), so that
//! what is kept can be written into any message. No clock and no socket is known here.

use std::sync::Arc;

use crate::{
    dns::{
        answer::{Answer, Part, Rcode},
        node::push_record,
        path::Path,
        source::Told,
    },
    limits::{FORWARD_TTL_MAX, NAME_BYTES_MAX},
    page::record::RecordType,
};

/// A question as it was sent upstream.
#[derive(Clone, Debug)]
pub struct Asked {
    pub id: u16,
    /// Name, type and class, the name's letters in random case (0x20).
    pub question: Vec<u8>,
}

/// Why a message is not the response to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("it is no response")]
    NoResponse,
    #[error("it has another id")]
    OtherId,
    #[error("it answers another question")]
    OtherQuestion,
    #[error("it does not keep the question's letters")]
    OtherCase,
    #[error("what it says is not about the question")]
    BesideTheQuestion,
    #[error("it names others to ask: that server does not resolve names for this machine")]
    Referral,
    #[error("it is not well formed")]
    Malformed,
}

/// A response that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// TC: the whole of it is to be had over TCP.
    Truncated,
    Whole(Kept),
}

/// What is kept of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub rcode: Rcode,
    /// AD: the upstream says that it validated it.
    pub authentic: bool,
    pub answer: Box<[Record]>,
    /// For a negative answer the SOA, and proofs.
    pub authority: Box<[Record]>,
    /// It has no record of the type that was asked for.
    pub negative: bool,
    /// The upstream that said it, once that is known.
    pub from: Option<Arc<str>>,
}

/// One record, nothing in it compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Lower-case wire form.
    pub owner: Box<[u8]>,
    pub rtype: RecordType,
    pub ttl: u32,
    pub rdata: Box<[u8]>,
}

const HEADER: usize = 12;
/// Aliases that are followed in one response (choice: as in pages).
const CHAIN_MAX: usize = crate::limits::CNAME_CHAIN_MAX;

/// Reads a message as the response to `asked`. The letters of the question are lower-case afterwards: names in
/// records are often compressed into it, and nobody else need see how it was asked.
///
/// # Errors
/// The first [`Fault`] found: with [`Fault::OtherId`], [`Fault::OtherQuestion`] and
/// [`Fault::BesideTheQuestion`] the true response may still come; with [`Fault::OtherCase`] it is a
/// server that writes names in its own way, or a guess.
pub fn read(message: &mut [u8], asked: &Asked) -> Result<Response, Fault> {
    let header = *message.first_chunk::<HEADER>().ok_or(Fault::Malformed)?;
    // QR, and the opcode of a query.
    if header[2] & 0xf8 != 0x80 {
        return Err(Fault::NoResponse);
    }
    if u16::from_be_bytes([header[0], header[1]]) != asked.id {
        return Err(Fault::OtherId);
    }
    let count = |at: usize| usize::from(u16::from_be_bytes([header[at], header[at + 1]]));
    let end = HEADER + asked.question.len();
    match message.get(HEADER..end).filter(|_| count(4) == 1) {
        Some(question) if question == asked.question => {}
        Some(question) if question.eq_ignore_ascii_case(&asked.question) => {
            return Err(Fault::OtherCase);
        }
        _ => return Err(Fault::OtherQuestion),
    }
    // Type and class, which follow the name, are no letters.
    message[HEADER..end.saturating_sub(4).max(HEADER)].make_ascii_lowercase();
    let message = &*message;
    if header[2] & 0x02 != 0 {
        return Ok(Response::Truncated);
    }
    let mut at = end;
    let mut section = |records: usize| -> Option<Vec<Record>> {
        let mut read = Vec::new();
        for _ in 0..records {
            let (record, next) = read_record(message, at)?;
            at = next;
            read.extend(record);
        }
        Some(read)
    };
    let answer = section(count(6)).ok_or(Fault::Malformed)?;
    let authority = section(count(8)).ok_or(Fault::Malformed)?;
    let additional = section(count(10)).ok_or(Fault::Malformed)?;
    if answer.iter().chain(&authority).any(|record| is_meta(record.rtype)) {
        return Err(Fault::Malformed);
    }
    let extended = additional.iter().find(|record| record.rtype == RecordType::OPT);
    let extended = extended.map_or(0, |opt| (opt.ttl >> 24) as u16);
    let rcode = Rcode(extended << 4 | u16::from(header[3] & 0x0f));
    let is_there = |rtype: RecordType| authority.iter().any(|record| record.rtype == rtype);
    if rcode == Rcode::NOERROR
        && answer.is_empty()
        && is_there(RecordType::NS)
        && !is_there(RecordType::SOA)
    {
        return Err(Fault::Referral);
    }
    let name = Path::read(&asked.question).ok_or(Fault::Malformed)?;
    let qtype = asked.question.get(name.wire().len()..).and_then(|rest| rest.first_chunk());
    let qtype = RecordType(u16::from_be_bytes(*qtype.ok_or(Fault::Malformed)?));
    let is_beside = !answer.is_empty();
    let names = chain(&answer, name.wire());
    let answer: Box<[Record]> =
        answer.into_iter().filter(|record| answers(record, qtype, &names)).collect();
    if answer.is_empty() && is_beside {
        return Err(Fault::BesideTheQuestion);
    }
    let zones = zones(&authority, &names);
    let of_type = |record: &Record| record.rtype == qtype || qtype == RecordType::ANY;
    let kept = Kept {
        rcode,
        authentic: header[3] & 0x20 != 0,
        negative: !answer.iter().any(of_type),
        answer,
        authority: authority.into_iter().filter(|record| proves(record, &zones)).collect(),
        from: None,
    };
    Ok(Response::Whole(kept))
}

/// A type that is never data, and has no place where records are told (RFC 6895 section 3.1).
fn is_meta(rtype: RecordType) -> bool {
    rtype == RecordType::OPT || (128..=255).contains(&rtype.0)
}

/// `name`, and what it leads to, in their order.
fn chain(records: &[Record], name: &[u8]) -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = vec![name.to_vec()];
    for _ in 0..CHAIN_MAX {
        let Some(last) = names.last().cloned() else { break };
        let alias = records
            .iter()
            .find(|record| record.rtype == RecordType::CNAME && *record.owner == last[..])
            .map(|record| record.rdata.to_ascii_lowercase());
        match alias.filter(|target| !names.contains(target)) {
            Some(target) => names.push(target),
            None => break,
        }
    }
    names
}

/// Whether a record is of a type that was asked for, or an alias, of one of these names; or a DNAME,
/// which stands above the name that it redirects. A signature is of the type that it covers.
fn answers(record: &Record, qtype: RecordType, names: &[Vec<u8>]) -> bool {
    let covered = match (record.rtype, record.rdata.first_chunk()) {
        (RecordType::RRSIG, Some(covered)) => RecordType(u16::from_be_bytes(*covered)),
        (rtype, _) => rtype,
    };
    let is_asked = names.iter().any(|name| *record.owner == name[..]);
    let redirects = || names.iter().any(|name| is_below(name, &record.owner));
    match covered {
        RecordType::DNAME => is_asked || redirects(),
        RecordType::CNAME => is_asked,
        _ => is_asked && [record.rtype, covered, RecordType::ANY].contains(&qtype),
    }
}

/// The zones that may speak in the authority section: those that these names lie in, by their SOA or
/// as signers (RFC 4034 section 3.1.7).
fn zones(authority: &[Record], names: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let zone = |record: &Record| match record.rtype {
        RecordType::SOA => Some(record.owner.to_vec()),
        RecordType::RRSIG => {
            let signer = record.rdata.get(SIGNER..)?;
            Some(signer[..name_len(signer)?].to_ascii_lowercase())
        }
        _ => None,
    };
    let is_above = |zone: &Vec<u8>| names.iter().any(|name| name == zone || is_below(name, zone));
    let mut zones: Vec<Vec<u8>> = authority.iter().filter_map(zone).filter(is_above).collect();
    zones.sort();
    zones.dedup();
    zones
}

/// What an authority section says about the answer itself, and not about who else answers.
fn proves(record: &Record, zones: &[Vec<u8>]) -> bool {
    let is_in = |zone: &Vec<u8>| *record.owner == zone[..] || is_below(&record.owner, zone);
    match record.rtype {
        RecordType::SOA => zones.iter().any(|zone| *record.owner == zone[..]),
        RecordType::RRSIG | RecordType::NSEC | RecordType::NSEC3 => zones.iter().any(is_in),
        _ => false,
    }
}

/// Where the signer's name begins in an RRSIG.
const SIGNER: usize = 18;

/// Octets of the name that these bytes begin with.
fn name_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match usize::from(*bytes.get(at)?) {
            0 => return Some(at + 1),
            len => at += 1 + len,
        }
    }
}

fn is_below(name: &[u8], above: &[u8]) -> bool {
    let mut at = 0;
    while let Some(len @ 1..) = name.get(at).copied() {
        at += 1 + usize::from(len);
        if name.get(at..) == Some(above) {
            return true;
        }
    }
    false
}

/// A record and where the next begins. Of another class than IN none is kept, but for OPT, whose
/// class is a size.
fn read_record(message: &[u8], at: usize) -> Option<(Option<Record>, usize)> {
    let (owner, at) = read_name(message, at)?;
    let fixed = message.get(at..at + 10)?;
    let number = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
    let (rtype, class) = (RecordType(number(0)), number(2));
    let ttl = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
    let (start, end) = (at + 10, at + 10 + usize::from(number(8)));
    message.get(start..end)?;
    if class != 1 && rtype != RecordType::OPT {
        return Some((None, end));
    }
    let rdata = read_rdata(message, start, end, rtype)?.into();
    let owner = owner.to_ascii_lowercase().into();
    // RFC 2181 section 8: with the topmost bit a TTL is zero.
    let ttl = if rtype != RecordType::OPT && ttl > i32::MAX as u32 { 0 } else { ttl };
    Some((Some(Record { owner, rtype, ttl, rdata }), end))
}

/// What record data is made of, as far as names in it may be compressed (RFC 3597 section 4, and
/// those that RFC 1035 servers compress all the same).
enum Field {
    Octets(usize),
    Text,
    Name,
}

fn layout(rtype: RecordType) -> &'static [Field] {
    use Field::{Name, Octets, Text};
    match rtype.0 {
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME; NXT and NSEC go on behind the name.
        2..=5 | 7..=9 | 12 | 39 | 30 | 47 => &[Name],
        // SOA, MINFO, RP; a SOA goes on behind the names.
        6 | 14 | 17 => &[Name, Name],
        // MX, AFSDB, RT, KX.
        15 | 18 | 21 | 36 => &[Octets(2), Name],
        // PX.
        26 => &[Octets(2), Name, Name],
        // SRV.
        33 => &[Octets(6), Name],
        // NAPTR.
        35 => &[Octets(4), Text, Text, Text, Name],
        // SIG, RRSIG; the signature follows.
        24 | 46 => &[Octets(18), Name],
        _ => &[],
    }
}

fn read_rdata(message: &[u8], mut at: usize, end: usize, rtype: RecordType) -> Option<Vec<u8>> {
    let mut rdata = Vec::with_capacity(end - at);
    for field in layout(rtype) {
        let octets = match field {
            Field::Octets(count) => *count,
            Field::Text => 1 + usize::from(*message.get(at)?),
            Field::Name => {
                let (name, next) = read_name(message, at)?;
                rdata.extend_from_slice(&name);
                at = next;
                continue;
            }
        };
        rdata.extend_from_slice(message.get(at..at + octets)?);
        at += octets;
    }
    // What a name took past the record's end is no record.
    let rest = message.get(at..end)?;
    rdata.extend_from_slice(rest);
    (rdata.len() <= usize::from(u16::MAX) && has_its_size(rtype, rest.len())).then_some(rdata)
}

/// Whether so many octets may follow the names in record data of this type, or be all of it: for the
/// types of which that is one number.
fn has_its_size(rtype: RecordType, octets: usize) -> bool {
    match rtype.0 {
        // A, AAAA, and SOA behind its names.
        1 => octets == 4,
        28 => octets == 16,
        6 => octets == 20,
        // NS, CNAME, PTR, MX, SRV, DNAME.
        2 | 5 | 12 | 15 | 33 | 39 => octets == 0,
        _ => true,
    }
}

/// A name, whole, and where the bytes after it begin. Pointers only go back, so that there are no
/// circles.
fn read_name(message: &[u8], at: usize) -> Option<(Vec<u8>, usize)> {
    let (mut name, mut next, mut from) = (Vec::new(), None, at);
    let mut lowest = at;
    loop {
        let len = usize::from(*message.get(from)?);
        match len {
            0 => {
                name.push(0);
                return Some((name, next.unwrap_or(from + 1)));
            }
            1..=63 => {
                name.extend_from_slice(message.get(from..from + 1 + len)?);
                if name.len() >= NAME_BYTES_MAX {
                    return None;
                }
                from += 1 + len;
            }
            0xc0.. => {
                let low = usize::from(*message.get(from + 1)?);
                next.get_or_insert(from + 2);
                from = (len & 0x3f) << 8 | low;
                if from >= lowest {
                    return None;
                }
                lowest = from;
            }
            _ => return None,
        }
    }
}

impl Kept {
    /// Seconds for which it may be answered: the least TTL of what it holds, of a negative answer the
    /// SOA's TTL or MINIMUM, whichever is less (RFC 2308 section 5); zero where it has none.
    pub fn ttl(&self) -> u32 {
        let least = |records: &[Record]| records.iter().map(|record| record.ttl).min();
        if self.is_negative() {
            let soa = self.authority.iter().find(|record| record.rtype == RecordType::SOA);
            let minimum = |soa: &Record| {
                let bytes = soa.rdata.last_chunk::<4>().copied().unwrap_or_default();
                soa.ttl.min(u32::from_be_bytes(bytes))
            };
            let aliases = least(&self.answer).unwrap_or(u32::MAX);
            return soa.map_or(0, minimum).min(aliases);
        }
        least(&self.answer).unwrap_or(0)
    }

    /// Lowers its TTLs by so many seconds, which it spent on its way.
    pub fn age(&mut self, seconds: u32) {
        for record in self.answer.iter_mut().chain(&mut self.authority) {
            record.ttl = record.ttl.saturating_sub(seconds);
        }
    }

    /// Whether it says that there is no such name, or nothing of the type that was asked for.
    pub fn is_negative(&self) -> bool {
        self.rcode == Rcode::NXDOMAIN || self.negative || self.answer.is_empty()
    }

    /// Whether it answers the question, be it by saying that there is nothing.
    pub fn is_answer(&self) -> bool {
        [Rcode::NOERROR, Rcode::NXDOMAIN, Rcode::YXDOMAIN].contains(&self.rcode)
    }

    /// What it takes in memory, about.
    pub fn bytes(&self) -> usize {
        let of = |record: &Record| {
            size_of::<Record>() + allocated(record.owner.len()) + allocated(record.rdata.len())
        };
        let records = self.answer.iter().chain(&self.authority).map(of).sum::<usize>();
        allocated(size_of::<Kept>() + 16) + records
    }

    /// The answer to the question for `name`, `age` seconds later, its TTLs lowered by that.
    pub fn answer(&self, name: &Path, age: u32) -> Answer<'static> {
        let most = FORWARD_TTL_MAX.as_secs() as u32;
        self.with_ttls(name, age, |ttl| ttl.min(most).saturating_sub(age))
    }

    /// The same for longer than its TTLs allow, with this one (RFC 8767 section 4).
    pub fn stale(&self, name: &Path, age: u32, ttl: u32) -> Answer<'static> {
        self.with_ttls(name, age, |_| ttl)
    }

    fn with_ttls(&self, name: &Path, age: u32, ttl: impl Fn(u32) -> u32) -> Answer<'static> {
        let parts = |records: &[Record]| -> Vec<Part<'static>> {
            let same =
                |one: &Record, other: &Record| one.rtype == other.rtype && one.owner == other.owner;
            records.chunk_by(same).map(|set| part(set, name, &ttl)).collect()
        };
        Answer {
            rcode: self.rcode,
            authentic: self.authentic,
            answer: parts(&self.answer),
            authority: parts(&self.authority),
            told: self.from.clone().map(|by| Told { by, age }),
            ..Answer::default()
        }
    }
}

/// What so many bytes take on the heap: a head, and steps of 16 (glibc's malloc).
pub fn allocated(bytes: usize) -> usize {
    (bytes + 8).next_multiple_of(16).max(32)
}

fn part(set: &[Record], name: &Path, ttl: &impl Fn(u32) -> u32) -> Part<'static> {
    let mut records = Vec::new();
    for record in set {
        push_record(&mut records, record.rtype, ttl(record.ttl), &record.rdata);
    }
    Part {
        owner: (*set[0].owner != *name.wire()).then(|| set[0].owner.clone()),
        rtype: set[0].rtype,
        count: set.len() as u16,
        records: records.into(),
        ttl_max: u32::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked { id: 7, question: b"\x03wWw\x07eXample\0\0\x01\0\x01".to_vec() }
    }

    /// A response to `asked` with these counts and sections.
    fn response(flags: [u8; 2], counts: [u8; 3], sections: &[&[u8]]) -> Vec<u8> {
        let [an, ns, ar] = counts;
        let head = [0, 7, flags[0], flags[1], 0, 1, 0, an, 0, ns, 0, ar];
        [&head[..], &asked().question, &sections.concat()].concat()
    }

    const ADDRESS: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\xc0\0\x02\x01";
    /// www.example CNAME (points to `web` in front of `example`).
    const ALIAS: &[u8] = b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x06\x03web\xc0\x10";
    const BAIT: &[u8] = b"\x04bank\0\0\x01\0\x01\0\0\x01\x2c\0\x04\xcb\0\x71\x01";

    fn whole(message: &[u8]) -> Kept {
        match read(&mut message.to_vec(), &asked()).unwrap() {
            Response::Whole(kept) => kept,
            Response::Truncated => panic!("it is whole"),
        }
    }

    #[test]
    fn the_letters_in_which_it_was_asked_are_in_no_record() {
        let kept = whole(&response([0x81, 0xa0], [1, 0, 0], &[ALIAS]));
        assert_eq!(*kept.answer[0].rdata, *b"\x03web\x07example\0");
    }

    #[test]
    fn an_answer_is_kept_and_bait_is_not() {
        let kept = whole(&response([0x81, 0xa0], [2, 1, 1], &[ADDRESS, BAIT, BAIT, BAIT]));
        assert_eq!(kept.answer.len(), 1);
        assert_eq!(&*kept.answer[0].owner, b"\x03www\x07example\0");
        assert_eq!((&*kept.answer[0].rdata, kept.ttl()), (&[192, 0, 2, 1][..], 300));
        assert!(kept.authentic && kept.authority.is_empty() && !kept.is_negative());
    }

    #[test]
    fn aliases_are_followed_and_their_names_written_out() {
        let target = b"\x03WEB\x07example\0\0\x01\0\x01\0\0\0\x09\0\x04\xc0\0\x02\x02";
        let kept = whole(&response([0x81, 0x80], [3, 0, 0], &[target, ALIAS, BAIT]));
        assert_eq!(kept.answer.len(), 2);
        assert_eq!(&*kept.answer[1].rdata, b"\x03web\x07example\0");
        assert_eq!(kept.ttl(), 9);
    }

    #[test]
    fn a_negative_answer_lasts_as_long_as_its_soa_says() {
        let soa = |ttl: u8, minimum: u8| {
            let data = [&b"\0\0"[..], &[0; 16], &[0, 0, 0, minimum]].concat();
            [&b"\xc0\x10\0\x06\0\x01\0\0\0"[..], &[ttl, 0, 22], &data].concat()
        };
        for (ttl, minimum, expect) in [(60, 30, 30), (20, 30, 20)] {
            let kept = whole(&response([0x81, 0x83], [0, 1, 0], &[&soa(ttl, minimum)]));
            assert_eq!(
                (kept.rcode, kept.ttl(), kept.is_negative()),
                (Rcode::NXDOMAIN, expect, true)
            );
        }
        // Without a SOA it is not kept at all.
        assert_eq!(whole(&response([0x81, 0x83], [0, 0, 0], &[])).ttl(), 0);
    }

    /// Of an SOA with `owner`, and names and numbers that say nothing.
    fn soa(owner: &[u8]) -> Vec<u8> {
        [owner, b"\0\x06\0\x01\0\0\0\x3c\0\x16", &[0; 18], b"\0\0\0\x1e"].concat()
    }

    /// An RRSIG of `owner` over `covered`, signed by `signer`.
    fn signature(owner: &[u8], covered: u8, signer: &[u8]) -> Vec<u8> {
        let rdata = [&[0, covered], &[0; 16][..], signer, b"sig"].concat();
        let head = [owner, b"\0\x2e\0\x01\0\0\0\x3c\0", &[rdata.len() as u8]].concat();
        [head, rdata].concat()
    }

    #[test]
    fn who_says_that_there_is_nothing_is_a_zone_that_the_name_lies_in() {
        let check = |records: &[Vec<u8>], expect: &[&[u8]]| {
            let parts: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
            let kept = whole(&response([0x81, 0x80], [0, records.len() as u8, 0], &parts));
            let owners: Vec<&[u8]> = kept.authority.iter().map(|record| &*record.owner).collect();
            assert_eq!(owners, expect);
        };
        let example: &[u8] = b"\x07example\0";
        check(&[soa(example), soa(b"\x02ct\0")], &[example]);
        check(&[soa(b"\x05other\x07example\0")], &[]);
        check(&[soa(b"\0")], &[b"\0"]);
        // A proof in the zone, and one about another; who signs for a page does not count.
        let inside: &[u8] = b"\x01a\x07example\0";
        let proofs = [
            signature(inside, 47, example),
            signature(b"\x02ct\0", 47, example),
            signature(b"\x01a\x02ct\0", 47, b"\x02ct\0"),
        ];
        check(&proofs, &[inside]);
    }

    #[test]
    fn records_of_other_types_are_not_kept_and_some_have_no_place_in_a_response() {
        let signed = |covered| signature(b"\xc0\x0c", covered, b"\x07example\0");
        let kept = |records: &[&[u8]]| {
            let message = response([0x81, 0x80], [records.len() as u8, 0, 0], records);
            let kept = match read(&mut message.to_vec(), &asked())? {
                Response::Whole(kept) => kept,
                Response::Truncated => panic!("it is whole"),
            };
            Ok(kept.answer.iter().map(|record| record.rtype.0).collect::<Vec<_>>())
        };
        let text = b"\xc0\x0c\0\x10\0\x01\0\0\x01\x2c\0\x02\x01a";
        assert_eq!(kept(&[ADDRESS, text, &signed(1), &signed(16)]), Ok(vec![1, 46]));
        assert_eq!(kept(&[ALIAS, &signed(5)]), Ok(vec![5, 46]));
        assert_eq!(kept(&[text]), Err(Fault::BesideTheQuestion));
        assert_eq!(kept(&[BAIT]), Err(Fault::BesideTheQuestion));
        for rtype in [41, 250] {
            let meta = [b"\0\0", &[rtype][..], b"\0\x01\0\0\0\0\0\0"].concat();
            assert_eq!(kept(&[ADDRESS, &meta]), Err(Fault::Malformed), "{rtype}");
        }
        let short = b"\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x02\xc0\0";
        assert_eq!(kept(&[ADDRESS, short]), Err(Fault::Malformed));
        let trailing = b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x03\xc0\x10\0";
        assert_eq!(kept(&[trailing]), Err(Fault::Malformed));
    }

    /// Else a response of thousands of records made an entry of the cache of hundreds of kilobytes.
    #[test]
    fn what_is_dropped_takes_no_memory() {
        let empty = b"\0\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01";
        let mut records = vec![&empty[..]; 200];
        records[7] = ADDRESS;
        let kept = whole(&response([0x81, 0x80], [200, 0, 0], &records));
        assert_eq!((kept.answer.len(), kept.negative), (1, false));
        let one = whole(&response([0x81, 0x80], [1, 0, 0], &[ADDRESS]));
        assert_eq!(kept.bytes(), one.bytes());
    }

    #[test]
    fn what_does_not_fit_the_question_is_refused_by_name() {
        let good = response([0x81, 0x80], [1, 0, 0], &[ADDRESS]);
        let check = |at: usize, to: u8, expect: Fault| {
            let mut message = good.clone();
            message[at] = to;
            assert_eq!(read(&mut message.to_vec(), &asked()), Err(expect), "{at}");
        };
        check(2, 0x01, Fault::NoResponse);
        check(2, 0xa9, Fault::NoResponse);
        check(1, 8, Fault::OtherId);
        check(13, b'W', Fault::OtherCase);
        check(13, b'v', Fault::OtherQuestion);
        check(5, 0, Fault::OtherQuestion);
        check(7, 2, Fault::Malformed);
        for len in 0..good.len() {
            assert!(read(&mut good[..len].to_vec(), &asked()).is_err(), "{len}");
        }
        let cut = response([0x83, 0x80], [0, 0, 0], &[]);
        assert_eq!(read(&mut cut.to_vec(), &asked()), Ok(Response::Truncated));
    }

    #[test]
    fn pointers_go_back_only() {
        let forwards = b"\xc0\x30\0\x01\0\x01\0\0\x01\x2c\0\x04\xc0\0\x02\x01";
        let message = response([0x81, 0x80], [1, 0, 0], &[forwards]);
        assert_eq!(read(&mut message.to_vec(), &asked()), Err(Fault::Malformed));
        let to_itself = b"\xc0\x1d\0\x01\0\x01\0\0\x01\x2c\0\x04\xc0\0\x02\x01";
        let message = response([0x81, 0x80], [1, 0, 0], &[to_itself]);
        assert_eq!(read(&mut message.to_vec(), &asked()), Err(Fault::Malformed));
    }

    #[test]
    fn an_answer_ages() {
        let kept = whole(&response([0x81, 0x80], [1, 0, 0], &[ADDRESS]));
        let name = Path::read(b"\x03www\x07example\0").unwrap();
        let ttl = |answer: Answer<'_>| answer.answer[0].iter().map(|record| record.ttl).max();
        assert_eq!(ttl(kept.answer(&name, 100)), Some(200));
        assert_eq!(ttl(kept.answer(&name, 301)), Some(0));
        assert_eq!(ttl(kept.stale(&name, 500, 30)), Some(30));
    }
}
