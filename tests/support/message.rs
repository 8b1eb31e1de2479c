//! DNS messages as far as two servers can be compared by them: what was said, in one spelling.
//!
//! Names are written out and in lower case, in owners and in the data of those types whose names may
//! be compressed (RFC 3597 section 4); records of a section are a set. Which differences matter is
//! not known here.

// Each test crate uses a part of this.
#![allow(dead_code, reason = "several tests share it, and each uses a part")]

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

/// A record without its TTL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub owner: Vec<u8>,
    pub rtype: u16,
    pub class: u16,
    pub rdata: Vec<u8>,
}

/// The records of a section, each with its TTL.
pub type Section = BTreeMap<Row, u32>;

/// What a response says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub rcode: u16,
    pub authoritative: bool,
    pub truncated: bool,
    pub authentic: bool,
    /// As it was spelled.
    pub question: Vec<u8>,
    pub answer: Section,
    pub authority: Section,
    /// Without OPT.
    pub additional: Section,
    /// Whether there is an OPT, and its DO.
    pub opt: Option<bool>,
    pub octets: usize,
}

const NAPTR: u16 = 35;
const OPT: u16 = 41;

/// Reads a response. `None` when it is not well formed.
pub fn read(message: &[u8]) -> Option<Said> {
    let header = message.first_chunk::<12>()?;
    let count = |at: usize| usize::from(u16::from_be_bytes([header[at], header[at + 1]]));
    let mut at = 12;
    for _ in 0..count(4) {
        at = name(message, at)?.1 + 4;
    }
    let question = message.get(12..at)?.to_vec();
    let mut sections = [Section::new(), Section::new(), Section::new()];
    for (section, counter) in sections.iter_mut().zip([6, 8, 10]) {
        for _ in 0..count(counter) {
            let (row, ttl, next) = record(message, at)?;
            section.insert(row, ttl);
            at = next;
        }
    }
    if at != message.len() {
        return None;
    }
    let [answer, authority, mut additional] = sections;
    let opt = additional.iter().find(|(row, _)| row.rtype == OPT).map(|(_, ttl)| *ttl);
    additional.retain(|row, _| row.rtype != OPT);
    Some(Said {
        rcode: u16::from(header[3] & 15) | opt.map_or(0, |ttl| (ttl >> 24) as u16) << 4,
        authoritative: header[2] & 4 != 0,
        truncated: header[2] & 2 != 0,
        authentic: header[3] & 0x20 != 0,
        question,
        answer,
        authority,
        additional,
        opt: opt.map(|ttl| ttl & 0x8000 != 0),
        octets: message.len(),
    })
}

fn record(message: &[u8], at: usize) -> Option<(Row, u32, usize)> {
    let (owner, at) = name(message, at)?;
    let fixed = message.get(at..at + 10)?;
    let number = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
    let ttl = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
    let (start, end) = (at + 10, at + 10 + usize::from(number(8)));
    message.get(start..end)?;
    let rdata = rdata(message, start, end, number(0))?;
    Some((Row { owner, rtype: number(0), class: number(2), rdata }, ttl, end))
}

/// Octets before each name in the data of a type.
fn names_of(rtype: u16) -> &'static [usize] {
    match rtype {
        2 | 5 | 12 | NAPTR | 39 => &[0],
        6 | 17 => &[0, 0],
        15 | 18 | 36 => &[2],
        33 => &[6],
        46 => &[18],
        _ => &[],
    }
}

fn rdata(message: &[u8], mut at: usize, end: usize, rtype: u16) -> Option<Vec<u8>> {
    let mut rdata = Vec::new();
    if rtype == NAPTR {
        // Order and preference, three texts, and then the name.
        let texts = |at: usize, _| Some(at + 1 + usize::from(*message.get(at)?));
        let name = (0..3).try_fold(at + 4, texts)?;
        rdata.extend_from_slice(message.get(at..name)?);
        at = name;
    }
    for before in names_of(rtype) {
        rdata.extend_from_slice(message.get(at..at + before)?);
        let (name, next) = name(message, at + before)?;
        rdata.extend_from_slice(&name);
        at = next;
    }
    rdata.extend_from_slice(message.get(at..end)?);
    Some(rdata)
}

/// A name, and where the octets after it begin.
fn name(message: &[u8], at: usize) -> Option<(Vec<u8>, usize)> {
    let (mut name, mut next, mut from) = (Vec::new(), None, at);
    // A name has at most 127 labels, and each may be pointed to.
    for _ in 0..256 {
        match usize::from(*message.get(from)?) {
            0 => {
                name.push(0);
                return Some((name, next.unwrap_or(from + 1)));
            }
            len @ 1..=63 => {
                name.extend(message.get(from..from + 1 + len)?.to_ascii_lowercase());
                from += 1 + len;
            }
            len @ 0xc0.. => {
                next.get_or_insert(from + 2);
                from = (len & 0x3f) << 8 | usize::from(*message.get(from + 1)?);
            }
            _ => return None,
        }
    }
    None
}

/// A name as people read it, for failures.
pub fn show_name(wire: &[u8]) -> String {
    let (mut text, mut at) = (String::new(), 0);
    while let Some(len @ 1..=63) = wire.get(at).map(|len| usize::from(*len)) {
        for byte in &wire[at + 1..at + 1 + len] {
            match byte {
                b'!'..=b'~' if ![b'.', b'\\'].contains(byte) => text.push(char::from(*byte)),
                _ => text.push_str(&format!("\\{byte:03}")),
            }
        }
        text.push('.');
        at += 1 + len;
    }
    if text.is_empty() { ".".to_owned() } else { text }
}

/// A section as people read it, for failures.
pub fn show(section: &Section) -> String {
    let row = |(row, ttl): (&Row, &u32)| {
        let data = match row.rtype {
            2 | 5 | 12 | 39 => show_name(&row.rdata),
            _ => data_encoding::HEXLOWER.encode(&row.rdata[..row.rdata.len().min(32)]),
        };
        format!("      {} {ttl} TYPE{} {data}\n", show_name(&row.owner), row.rtype)
    };
    section.iter().map(row).collect()
}

/// Asks a server on loopback.
pub struct Client {
    address: SocketAddr,
    udp: UdpSocket,
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

impl Client {
    pub fn new(address: SocketAddr) -> Client {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        udp.connect(address).expect("loopback");
        udp.set_read_timeout(Some(PATIENCE)).expect("a time");
        Client { address, udp }
    }

    /// The response to a query over UDP.
    pub fn over_udp(&self, query: &[u8]) -> Vec<u8> {
        self.udp.send(query).expect("loopback");
        let mut answer = vec![0; 65535];
        loop {
            let len = self.udp.recv(&mut answer).expect("an answer in time");
            if answer[..2] == query[..2] {
                answer.truncate(len);
                return answer;
            }
        }
    }

    /// The response to a query over a TCP connection of its own.
    pub fn over_tcp(&self, query: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        let framed = [&(query.len() as u16).to_be_bytes()[..], query].concat();
        stream.write_all(&framed).expect("it reads");
        let mut len = [0; 2];
        stream.read_exact(&mut len).expect("an answer in time");
        let mut answer = vec![0; usize::from(u16::from_be_bytes(len))];
        stream.read_exact(&mut answer).expect("the rest");
        answer
    }
}
