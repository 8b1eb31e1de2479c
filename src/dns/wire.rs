//! Writes an answer as a DNS message: header, question as it was asked, compressed names, EDNS.
//!
//! The size decides what is left out: record sets asked for are whole or absent (RFC 2181
//! section 9), additional ones are dropped first. What the answer *is* was decided before.

use super::{
    answer::{Answer, ExtendedError, Part, Rcode, target_at},
    names::Names,
    node::{RECORD_HEAD, records},
    query::{PADDING_OPTION, Query, skip_name},
};
use crate::limits::{DNS_PADDING_BLOCK, UDP_ANSWER_BYTES_MAX, UDP_ANSWER_BYTES_PLAIN};

/// How a message travels, which limits its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp,
    /// TCP, with nothing around it.
    Stream,
    /// TLS (RFC 7858).
    Tls,
    /// HTTPS (RFC 8484).
    Https,
    /// QUIC (RFC 9250).
    Quic,
}

impl Transport {
    /// All of them, in the order of their declaration.
    pub const ALL: [Transport; 5] =
        [Transport::Udp, Transport::Stream, Transport::Tls, Transport::Https, Transport::Quic];

    /// As numbers and logs name it.
    pub fn word(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Stream => "tcp",
            Transport::Tls => "dot",
            Transport::Https => "doh",
            Transport::Quic => "doq",
        }
    }

    /// Whether nobody on the way reads it, so that its length is all that tells something.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Transport::Tls | Transport::Https | Transport::Quic)
    }

    /// Whether a client may ask by EDNS how long it may be silent (RFC 7828; HTTP and QUIC have ways of
    /// their own).
    pub fn has_keepalive(self) -> bool {
        matches!(self, Transport::Stream | Transport::Tls)
    }

    /// Bytes that an answer to this query may have: over UDP what the client can take, at least
    /// 512 (RFC 6891 section 6.2.3) and at most what no path fragments.
    pub fn answer_bytes_max(self, query: &Query<'_>) -> usize {
        match (self, query.edns) {
            (Transport::Udp, None) => usize::from(UDP_ANSWER_BYTES_PLAIN),
            (Transport::Udp, Some(edns)) => {
                usize::from(edns.payload.clamp(UDP_ANSWER_BYTES_PLAIN, UDP_ANSWER_BYTES_MAX))
            }
            _ => usize::from(u16::MAX),
        }
    }
}

/// An option of an OPT record (RFC 6891 section 6.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdnsOption {
    pub code: u16,
    pub data: Vec<u8>,
}

/// Writes the whole response to `query`.
pub fn write(query: &Query<'_>, answer: &Answer<'_>, transport: Transport) -> Vec<u8> {
    write_with(query, answer, transport, &[])
}

/// Writes the whole response to `query`, with these EDNS options before those of the answer, if the
/// client speaks EDNS.
pub fn write_with(
    query: &Query<'_>,
    answer: &Answer<'_>,
    transport: Transport,
    options: &[EdnsOption],
) -> Vec<u8> {
    let max = transport.answer_bytes_max(query);
    let mut message = Message::begin(query, answer, max, options);
    if !message.push_sections(answer) {
        message.truncate();
    }
    if transport.is_encrypted() && query.edns.is_some_and(|edns| edns.padded) {
        message.pad(max);
    }
    message.finish(query, answer)
}

/// Leaves of a written response to a question of so many octets only that there is more.
pub(super) fn truncate(response: &mut Vec<u8>, question: usize) {
    response.truncate(HEADER + question);
    if let Some(counts) = response.get_mut(ANCOUNT..HEADER) {
        counts.fill(0);
        response[FLAGS] |= TC;
    }
}

const HEADER: usize = 12;
const FLAGS: usize = 2;
const QDCOUNT: usize = 4;
const ANCOUNT: usize = 6;
const NSCOUNT: usize = 8;
const ARCOUNT: usize = 10;
const TC: u8 = 0x02;
const OPT_HEAD: usize = 11;
const OPTION_HEAD: usize = 4;
/// The code of extended errors (RFC 8914 section 2).
pub(super) const EDE_OPTION: u16 = 15;

/// Seconds for which a whole response holds: the smallest TTL of what answers, or else of what says that
/// there is nothing (RFC 8484 section 5.1). 0 where nothing says so.
pub fn smallest_ttl(response: &[u8]) -> u32 {
    let mut at = HEADER;
    for _ in 0..count(response, QDCOUNT) {
        let Some(name) = response.get(at..).and_then(skip_name) else { return 0 };
        at += name + 4;
    }
    for counter in [ANCOUNT, NSCOUNT] {
        let mut smallest = None;
        for _ in 0..count(response, counter) {
            let Some((ttl, end)) = ttl_at(response, at) else { return 0 };
            smallest = Some(smallest.map_or(ttl, |smallest: u32| smallest.min(ttl)));
            at = end;
        }
        if let Some(ttl) = smallest {
            return ttl;
        }
    }
    0
}

/// A counter of the header.
fn count(response: &[u8], at: usize) -> u16 {
    response.get(at..at + 2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]))
}

/// Where the last record of a response begins.
pub(super) fn last_record(response: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    for _ in 0..count(response, QDCOUNT) {
        at += skip_name(response.get(at..)?)? + 4;
    }
    let counts = [ANCOUNT, NSCOUNT, ARCOUNT].map(|counter| u32::from(count(response, counter)));
    let records: u32 = counts.iter().sum();
    for _ in 1..records {
        (_, at) = ttl_at(response, at)?;
    }
    (records > 0).then_some(at)
}

/// The TTL of the record that begins there, and where it ends.
fn ttl_at(response: &[u8], at: usize) -> Option<(u32, usize)> {
    let fixed = at + skip_name(response.get(at..)?)?;
    let head = response.get(fixed..)?.first_chunk::<10>()?;
    let ttl = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    Some((ttl, fixed + head.len() + usize::from(u16::from_be_bytes([head[8], head[9]]))))
}

struct Message {
    bytes: Vec<u8>,
    /// Bytes that the sections may fill; what OPT needs is kept aside.
    limit: usize,
    /// Where the question ends: what is left when truncated.
    question_end: usize,
    /// What later names may point to.
    names: Names,
    options: Option<Vec<u8>>,
}

impl Message {
    fn begin(query: &Query<'_>, answer: &Answer<'_>, max: usize, first: &[EdnsOption]) -> Message {
        let question = query.question.as_ref().map_or(&[][..], |question| question.raw);
        let mut bytes = Vec::with_capacity(UDP_ANSWER_BYTES_PLAIN.into());
        bytes.extend_from_slice(&query.id.to_be_bytes());
        let authoritative = u8::from(answer.authoritative) << 2;
        bytes.push(0x80 | query.opcode << 3 | authoritative | u8::from(query.recursion_desired));
        // Z stays 0 whatever was asked (RFC 1035 section 4.1.1); pages are not proved by DNSSEC, so that
        // only what comes from elsewhere has AD.
        let recursive = answer.recursive && query.is_question();
        let flags = [recursive, false, answer.authentic, query.checking_disabled];
        let flags = flags.iter().fold(0, |bits, flag| bits << 1 | u8::from(*flag));
        bytes.push(flags << 4 | (answer.rcode.0 & 0x0f) as u8);
        bytes.extend_from_slice(&[0, u8::from(!question.is_empty()), 0, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(question);
        let room = max.saturating_sub(bytes.len() + OPT_HEAD);
        let options = query.edns.map(|_| options(first, &answer.errors, room));
        let kept = options.as_ref().map_or(0, |options| OPT_HEAD + options.len());
        let question_end = bytes.len();
        let mut message = Message {
            bytes,
            limit: max.saturating_sub(kept),
            question_end,
            names: Names::new(),
            options,
        };
        if !question.is_empty() {
            message.names.remember(&message.bytes, HEADER);
        }
        message
    }

    /// Writes the three sections. False when something that was asked for has no room.
    fn push_sections(&mut self, answer: &Answer<'_>) -> bool {
        let asked = [(ANCOUNT, &answer.answer), (NSCOUNT, &answer.authority)];
        for (counter, parts) in asked {
            if !parts.iter().all(|part| self.push(counter, part)) {
                return false;
            }
        }
        for (i, part) in answer.additional.iter().enumerate() {
            if !self.push(ARCOUNT, part) && i < answer.needed {
                // The referral stands; who wants the missing glue asks over TCP (RFC 9471).
                self.bytes[FLAGS] |= TC;
                break;
            }
        }
        true
    }

    /// Appends a whole record set, or nothing and false.
    fn push(&mut self, counter: usize, part: &Part<'_>) -> bool {
        let (start, known) = (self.bytes.len(), self.names.count());
        match &part.owner {
            None if part.ttl_max == u32::MAX => self.push_prebuilt(part),
            None => self.push_records(part, &[0xc0, HEADER as u8]),
            Some(name) => {
                let at = self.bytes.len();
                let owner = self.names.compress(&self.bytes, name);
                let first = [owner.own, owner.pointer()].concat();
                match owner.again(at) {
                    Some(pointer) => self.push_records_as(part, &first, &pointer),
                    None => self.push_records(part, &first),
                }
                self.names.remember(&self.bytes, at);
            }
        }
        let count = u16::from_be_bytes([self.bytes[counter], self.bytes[counter + 1]]);
        let total = count.checked_add(part.count);
        let Some(total) = total.filter(|_| self.bytes.len() <= self.limit) else {
            self.bytes.truncate(start);
            self.names.forget_after(known);
            return false;
        };
        self.bytes[counter..counter + 2].copy_from_slice(&total.to_be_bytes());
        true
    }

    /// The usual case: the question's own records, ready to be copied.
    fn push_prebuilt(&mut self, part: &Part<'_>) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&part.records);
        self.remember_target(part, at + RECORD_HEAD);
    }

    fn push_records(&mut self, part: &Part<'_>, owner: &[u8]) {
        self.push_records_as(part, owner, owner);
    }

    fn push_records_as(&mut self, part: &Part<'_>, first: &[u8], later: &[u8]) {
        for (i, record) in part.iter().enumerate() {
            self.bytes.extend_from_slice(if i == 0 { first } else { later });
            self.bytes.extend_from_slice(&part.rtype.0.to_be_bytes());
            self.bytes.extend_from_slice(&[0, 1]);
            self.bytes.extend_from_slice(&record.ttl.to_be_bytes());
            self.bytes.extend_from_slice(&(record.rdata.len() as u16).to_be_bytes());
            if i == 0 {
                let at = self.bytes.len();
                self.bytes.extend_from_slice(record.rdata);
                self.remember_target(part, at);
            } else {
                self.bytes.extend_from_slice(record.rdata);
            }
        }
    }

    /// Lets later names point into the first record's data, as a CNAME's target is the next owner.
    fn remember_target(&mut self, part: &Part<'_>, rdata_at: usize) {
        let Some(first) = records(&part.records).next() else { return };
        if let Some(at) = target_at(part.rtype, first.rdata) {
            self.names.remember(&self.bytes, rdata_at + at);
        }
    }

    /// Says only that there is more.
    fn truncate(&mut self) {
        self.bytes.truncate(self.question_end);
        self.bytes[ANCOUNT..HEADER].fill(0);
        self.bytes[FLAGS] |= TC;
    }

    /// Makes the message as long as others are, with the last option of its OPT (RFC 8467 section 4.1).
    fn pad(&mut self, max: usize) {
        let Some(options) = &mut self.options else { return };
        let needed = self.bytes.len() + OPT_HEAD + options.len() + OPTION_HEAD;
        if needed <= max {
            let padded = needed.next_multiple_of(DNS_PADDING_BLOCK).min(max);
            push_option(options, PADDING_OPTION, &[&vec![0; padded - needed]], max);
        }
    }

    fn finish(mut self, query: &Query<'_>, answer: &Answer<'_>) -> Vec<u8> {
        let (Some(options), Some(edns)) = (self.options, query.edns) else {
            return self.bytes;
        };
        let count = u16::from_be_bytes([self.bytes[ARCOUNT], self.bytes[ARCOUNT + 1]]) + 1;
        self.bytes[ARCOUNT..HEADER].copy_from_slice(&count.to_be_bytes());
        self.bytes.extend_from_slice(&[0, 0, 41]);
        self.bytes.extend_from_slice(&UDP_ANSWER_BYTES_MAX.to_be_bytes());
        let rcode_high = (answer.rcode.0 >> 4) as u8;
        self.bytes.extend_from_slice(&[rcode_high, 0, u8::from(edns.dnssec_ok) << 7, 0]);
        self.bytes.extend_from_slice(&(options.len() as u16).to_be_bytes());
        self.bytes.extend_from_slice(&options);
        self.bytes
    }
}

/// The data of an OPT: these options, and one for each extended error (RFC 8914 section 2), as far as
/// there is room.
fn options(first: &[EdnsOption], errors: &[ExtendedError], room: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for option in first {
        push_option(&mut bytes, option.code, &[&option.data], room);
    }
    for error in errors {
        let parts = [&error.code.to_be_bytes()[..], error.text.as_bytes()];
        push_option(&mut bytes, EDE_OPTION, &parts, room);
    }
    bytes
}

fn push_option(bytes: &mut Vec<u8>, code: u16, data: &[&[u8]], room: usize) {
    let len: usize = data.iter().map(|part| part.len()).sum();
    if bytes.len() + OPTION_HEAD + len <= room {
        bytes.extend_from_slice(&code.to_be_bytes());
        bytes.extend_from_slice(&(len as u16).to_be_bytes());
        data.iter().for_each(|part| bytes.extend_from_slice(part));
    }
}

const _: () = assert!(QDCOUNT + 2 == ANCOUNT && Rcode::BADVERS.0 >> 4 == 1);
