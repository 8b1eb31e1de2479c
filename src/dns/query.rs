//! Reads a query's bytes: what is asked, by whom to what size, and what is wrong with it.
//!
//! Only what an answer depends on is kept; the question stays as it was written (RFC 4343).
//! Whether anything is known about the question is [`super::answer`]'s business.

use super::{
    answer::Rcode,
    cookie::{self, Cookie},
    path::Path,
};
use crate::page::record::RecordType;

/// A message that deserves a reply.
#[derive(Clone, Debug)]
pub struct Query<'q> {
    pub id: u16,
    /// As sent, 0 to 15.
    pub opcode: u8,
    /// RD, to be copied (RFC 1035 section 4.1.1); like CD it means nothing but in a question.
    pub recursion_desired: bool,
    /// CD, to be copied (RFC 4035 section 3.2.2).
    pub checking_disabled: bool,
    /// The one question. `None` only when `fault` says why, or for an opcode of another shape.
    pub question: Option<Question<'q>>,
    /// The one OPT record, if there is one (RFC 6891).
    pub edns: Option<Edns>,
    /// Why this cannot be answered, whatever is asked.
    pub fault: Option<Fault>,
}

/// What keeps a message from being answered, whatever it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is no standard query, but something that is done to a server.
    Opcode,
    /// Bytes are missing or left over, or a record stands where it must not.
    Form,
    /// It has no question, or more than one (RFC 9619).
    Questions,
    /// An option of its OPT has a wrong length (RFC 6891 section 7, RFC 7873 section 5.2.2).
    Option,
    /// It is of another version of EDNS (RFC 6891 section 6.1.3).
    Version,
}

impl Fault {
    /// The response code that it gets.
    pub fn rcode(self) -> Rcode {
        match self {
            Fault::Opcode => Rcode::NOTIMP,
            Fault::Form | Fault::Questions | Fault::Option => Rcode::FORMERR,
            Fault::Version => Rcode::BADVERS,
        }
    }

    /// What to tell whoever sent it.
    pub fn text(self) -> &'static str {
        match self {
            Fault::Opcode => "only standard queries are answered",
            Fault::Form => "the message is malformed",
            Fault::Questions => "a query has one question",
            Fault::Option => "an EDNS option has a wrong length",
            Fault::Version => "only version 0 of EDNS is spoken",
        }
    }
}

/// The question section of a query.
#[derive(Clone, Debug)]
pub struct Question<'q> {
    /// Name, type and class exactly as they were sent.
    pub raw: &'q [u8],
    pub path: Path,
    pub qtype: RecordType,
    pub class: u16,
}

impl Question<'_> {
    /// The name in the letters that the client used (RFC 4343 section 4.1).
    pub fn spelling(&self) -> &[u8] {
        &self.raw[..self.path.wire().len()]
    }
}

/// What an OPT record says (RFC 6891 section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// Bytes of UDP payload that the client can take.
    pub payload: u16,
    pub version: u8,
    /// DO, to be copied (RFC 3225).
    pub dnssec_ok: bool,
    /// The first COOKIE option (RFC 7873 section 5.2).
    pub cookie: Option<Cookie>,
    pub keepalive: Keepalive,
    /// It hides its length, and wants the answer to do so (RFC 7830 section 4).
    pub padded: bool,
    /// An option has a wrong length; what it says is not known.
    malformed: bool,
}

/// Whether the client asks how long an idle connection is kept (RFC 7828).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keepalive {
    NotAsked,
    Asked,
    /// With data, which only a response has (RFC 7828 section 3.2.1).
    Malformed,
}

/// The edns-tcp-keepalive option's code (RFC 7828 section 3.1).
pub const KEEPALIVE_OPTION: u16 = 11;
/// The padding option's code (RFC 7830 section 3).
pub const PADDING_OPTION: u16 = 12;
const HEADER: usize = 12;
const OPCODE_QUERY: u8 = 0;

impl<'q> Query<'q> {
    /// Reads a message. `None` when it must not be answered: shorter than a header, or itself a
    /// response, which would make two servers talk for ever.
    pub fn read(bytes: &'q [u8]) -> Option<Query<'q>> {
        let header = bytes.first_chunk::<HEADER>()?;
        if header[2] & 0x80 != 0 {
            return None;
        }
        let mut query = Query {
            id: u16::from_be_bytes([header[0], header[1]]),
            opcode: header[2] >> 3 & 0x0f,
            recursion_desired: false,
            checking_disabled: false,
            question: None,
            edns: None,
            fault: None,
        };
        if query.is_question() {
            query.recursion_desired = header[2] & 0x01 != 0;
            query.checking_disabled = header[3] & 0x10 != 0;
        }
        let whole = query.read_sections(header, &bytes[HEADER..]).is_some();
        let questions = u16::from_be_bytes([header[4], header[5]]);
        query.fault = if !query.is_question() {
            Some(Fault::Opcode)
        } else if !whole {
            Some(if questions > 1 { Fault::Questions } else { Fault::Form })
        } else if query.edns.is_some_and(|edns| edns.version != 0) {
            Some(Fault::Version)
        } else if query.edns.is_some_and(|edns| edns.malformed) {
            Some(Fault::Option)
        } else if questions == 0 {
            Some(Fault::Questions)
        } else {
            None
        };
        Some(query)
    }

    /// Whether this is a standard query (opcode 0), and not something that is done to a server.
    pub fn is_question(&self) -> bool {
        self.opcode == OPCODE_QUERY
    }

    /// Reads everything after the header. `None` where a query is not well formed: more than one
    /// question (RFC 9619), records cut short, two OPTs or one that is not at the root
    /// (RFC 6891 section 6.1.1), or bytes left over.
    fn read_sections(&mut self, header: &[u8; HEADER], mut rest: &'q [u8]) -> Option<()> {
        let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        match count(4) {
            0 => {}
            1 => {
                let (question, after) = read_question(rest)?;
                self.question = Some(question);
                rest = after;
            }
            _ => return None,
        }
        for _ in 0..u32::from(count(6)) + u32::from(count(8)) {
            let (record, after) = read_record(rest)?;
            if record.rtype == RecordType::OPT {
                return None;
            }
            rest = after;
        }
        let mut edns = None;
        for _ in 0..count(10) {
            let (record, after) = read_record(rest)?;
            rest = after;
            if record.rtype == RecordType::OPT && edns.replace(read_opt(&record)?).is_some() {
                return None;
            }
        }
        if !rest.is_empty() {
            return None;
        }
        self.edns = edns;
        Some(())
    }
}

fn read_question(bytes: &[u8]) -> Option<(Question<'_>, &[u8])> {
    // Nothing stands before the question that a pointer could mean: `Path` refuses them.
    let path = Path::read(bytes)?;
    let (raw, rest) = bytes.split_at_checked(path.wire().len() + 4)?;
    let (qtype, class) = raw[path.wire().len()..].split_at(2);
    let number = |bytes: &[u8]| u16::from_be_bytes([bytes[0], bytes[1]]);
    let question = Question { raw, path, qtype: RecordType(number(qtype)), class: number(class) };
    Some((question, rest))
}

/// A record of a query, as far as an OPT needs it.
struct RawRecord<'q> {
    at_root: bool,
    rtype: RecordType,
    class: u16,
    ttl: [u8; 4],
    rdata: &'q [u8],
}

fn read_record(bytes: &[u8]) -> Option<(RawRecord<'_>, &[u8])> {
    let name = skip_name(bytes)?;
    let (fixed, rest) = bytes[name..].split_first_chunk::<10>()?;
    let (rdata, rest) =
        rest.split_at_checked(usize::from(u16::from_be_bytes([fixed[8], fixed[9]])))?;
    let record = RawRecord {
        at_root: bytes[0] == 0,
        rtype: RecordType(u16::from_be_bytes([fixed[0], fixed[1]])),
        class: u16::from_be_bytes([fixed[2], fixed[3]]),
        ttl: [fixed[4], fixed[5], fixed[6], fixed[7]],
        rdata,
    };
    Some((record, rest))
}

/// The octets of a name that may end in a compression pointer. Pointers are never followed, so
/// that loops of them cost nothing.
pub(super) fn skip_name(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match usize::from(*bytes.get(at)?) {
            0 => return Some(at + 1),
            len if len >= 0xc0 => return (at + 2 <= bytes.len()).then_some(at + 2),
            len if len > 63 => return None,
            len => at += 1 + len,
        }
    }
}

/// `None` when it is not at the root (RFC 6891 section 6.1.1). A broken option is no reason to
/// overlook the record: the response to it has one too (RFC 6891 section 7).
fn read_opt(record: &RawRecord<'_>) -> Option<Edns> {
    let [_, version, flags, _] = record.ttl;
    let mut edns = Edns {
        payload: record.class,
        version,
        dnssec_ok: flags & 0x80 != 0,
        cookie: None,
        keepalive: Keepalive::NotAsked,
        padded: false,
        malformed: false,
    };
    edns.malformed = edns.read_options(record.rdata).is_none();
    record.at_root.then_some(edns)
}

impl Edns {
    fn read_options(&mut self, mut options: &[u8]) -> Option<()> {
        while !options.is_empty() {
            let (head, after) = options.split_first_chunk::<4>()?;
            let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let (data, after) = after.split_at_checked(len)?;
            match u16::from_be_bytes([head[0], head[1]]) {
                // The first one counts (RFC 7873 section 5.2).
                cookie::OPTION if self.cookie.is_none() => self.cookie = Some(Cookie::read(data)?),
                KEEPALIVE_OPTION if data.is_empty() => self.keepalive = Keepalive::Asked,
                KEEPALIVE_OPTION => self.keepalive = Keepalive::Malformed,
                PADDING_OPTION => self.padded = true,
                _ => {}
            }
            options = after;
        }
        Some(())
    }
}
