//! Replay files: pages, then questions with the answers they must get.
//!
//! ```text
//! page NAME [serial=N] [stale]     a page; the lines after it are its records
//!   owner ttl TYPE data…
//! anchor NAME                      trusts that page for its name
//! damaged NAME                     that page is here, and cannot be read
//! except NAME                      the name is nothing special, nor is what is below it
//! allow NAME                       served from pages though the public DNS has it
//! cap PAGE OWNER SECONDS           what stands there is soft: no TTL above this
//! ask NAME TYPE [noedns] [payload=N] [tcp] [do] [cd] [version=N] [class=N] [opcode=N]
//!   RCODE flags…                   the answer: exactly these lines follow
//!   answer|authority|additional owner ttl TYPE data
//!   ede CODE text
//! ```

use djdns::{
    dns::{PageMeta, Special, Transport, Trouble, View, respond},
    page::record::RecordType,
};
use hickory_proto::{
    op::Message,
    rr::{Record, rdata::opt::EdnsOption},
};

use super::support::{self, Loose};

/// One file, read.
pub struct Replay {
    pub view: View,
    pub asks: Vec<Ask>,
}

pub struct Ask {
    /// The line in the file, for messages.
    pub line: usize,
    pub bytes: Vec<u8>,
    pub tcp: bool,
    pub expect: Vec<String>,
}

pub fn read(text: &str) -> Replay {
    let mut replay = Replay { view: View::new(), asks: Vec::new() };
    let mut page: Option<(PageMeta, Vec<Loose>)> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.split(" ;").next().unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let indented = line.starts_with(' ');
        match (&words[..], indented) {
            ([], _) => {}
            ([first, ..], _) if first.starts_with(';') => {}
            (_, true) => match (replay.asks.last_mut(), &mut page) {
                (Some(ask), _) => ask.expect.push(words.join(" ")),
                (None, Some((_, records))) => records.push(support::record(line)),
                (None, None) => panic!("line {}: nothing to belong to", number + 1),
            },
            (["page", name, options @ ..], _) => {
                close(&mut replay.view, page.take());
                let serial = options.iter().find_map(|word| word.strip_prefix("serial="));
                let meta = PageMeta {
                    name: support::name(name),
                    id: support::page_id(name),
                    serial: serial.map_or(1, |serial| serial.parse().unwrap()),
                    fresh: !options.contains(&"stale"),
                    absence_ttl: u32::MAX,
                };
                page = Some((meta, Vec::new()));
            }
            (["anchor", name], _) => {
                let (name, id) = (support::name(name), support::page_id(name));
                replay.view = replay.view.with_anchor(&name, id);
            }
            (["damaged", name], _) => {
                let id = support::page_id(name);
                replay.view = replay.view.with_trouble(&id, Trouble::Damaged);
            }
            (["except", name], _) => {
                let special = Special::except([support::name(name)]);
                replay.view = replay.view.with_special(special);
            }
            (["allow", name], _) => {
                replay.view = replay.view.allowing([support::name(name)]);
            }
            (["cap", of, owner, seconds], _) => {
                let (meta, records) = page.clone().unwrap();
                close(&mut replay.view, page.clone());
                assert_eq!(meta.name, support::name(of), "cap follows its page");
                let found = support::entries(&records, &meta.name);
                let (owner, sets) = found.iter().find(|(at, _)| at.to_string() == *owner).unwrap();
                page = None;
                let cap = Some(seconds.parse().unwrap());
                replay.view = replay.view.with_entry(&meta.id, owner, sets, cap);
            }
            (["ask", name, qtype, options @ ..], _) => {
                close(&mut replay.view, page.take());
                replay.asks.push(ask(number + 1, name, qtype, options));
            }
            _ => panic!("line {}: `{line}`", number + 1),
        }
    }
    replay
}

fn close(view: &mut View, page: Option<(PageMeta, Vec<Loose>)>) {
    if let Some((meta, records)) = page {
        let entries = support::entries(&records, &meta.name);
        *view = view.with_page(meta, entries);
    }
}

fn ask(line: usize, name: &str, qtype: &str, options: &[&str]) -> Ask {
    let qtype: RecordType = qtype.parse().unwrap();
    let option =
        |key: &str| options.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    let payload = option("payload").map_or(1232, |number| number.parse().unwrap());
    let edns = (!options.contains(&"noedns")).then_some(payload);
    let mut bytes = support::query(name, qtype.0, edns);
    let opt = bytes.len() - 6;
    if options.contains(&"do") {
        bytes[opt + 2] |= 0x80;
    }
    if options.contains(&"cd") {
        bytes[3] |= 0x10;
    }
    if let Some(version) = option("version") {
        bytes[opt + 1] = version.parse().unwrap();
    }
    if let Some(opcode) = option("opcode") {
        bytes[2] |= opcode.parse::<u8>().unwrap() << 3;
    }
    if let Some(class) = option("class") {
        let at = bytes.len() - if edns.is_some() { 13 } else { 2 };
        bytes[at..at + 2].copy_from_slice(&class.parse::<u16>().unwrap().to_be_bytes());
    }
    Ask { line, bytes, tcp: options.contains(&"tcp"), expect: Vec::new() }
}

/// Runs a file against the pure function and compares every line.
pub fn check(file: &str, text: &str) {
    let replay = read(text);
    assert!(!replay.asks.is_empty(), "{file} asks nothing");
    for ask in &replay.asks {
        let transport = if ask.tcp { Transport::Stream } else { Transport::Udp };
        let response = respond(&replay.view, &ask.bytes, transport).unwrap();
        let place = format!("{file}:{}", ask.line);
        assert_eq!(render(&response).join("\n"), ask.expect.join("\n"), "{place}");
        let end = question_end(&ask.bytes);
        assert_eq!(response.get(12..end), ask.bytes.get(12..end), "{place}: the question");
    }
}

/// Where the question section of a well-formed query ends.
pub fn question_end(query: &[u8]) -> usize {
    let mut at = 12;
    while query[at] != 0 {
        at += 1 + usize::from(query[at]);
    }
    at + 5
}

/// A response as the lines of a replay file.
pub fn render(bytes: &[u8]) -> Vec<String> {
    let message = Message::from_vec(bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
    let meta = &message.metadata;
    let rcode = match meta.response_code.low() as u16 | u16::from(meta.response_code.high()) << 4 {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        16 => "BADVERS",
        23 => "BADCOOKIE",
        _ => "unexpected",
    };
    let flags = [
        (meta.authoritative, " aa"),
        (meta.truncation, " tc"),
        (meta.recursion_desired, " rd"),
        (meta.recursion_available, " ra"),
        (meta.authentic_data, " ad"),
        (meta.checking_disabled, " cd"),
        (message.edns.is_some(), " edns"),
        (message.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok), " do"),
    ];
    let set = flags.iter().filter(|(on, _)| *on).map(|(_, text)| *text);
    let mut lines = vec![std::iter::once(rcode).chain(set).collect::<String>()];
    let mut section = |title: &str, records: &[Record]| {
        lines.extend(records.iter().map(|record| format!("{title} {}", show(record))));
    };
    section("answer", &message.answers);
    section("authority", &message.authorities);
    section("additional", &message.additionals);
    for (_, option) in message.edns.iter().flat_map(|edns| edns.options().as_ref()) {
        if let EdnsOption::Unknown(15, data) = option {
            let code = u16::from_be_bytes([data[0], data[1]]);
            lines.push(format!("ede {code} {}", String::from_utf8_lossy(&data[2..])));
        }
    }
    lines
}

fn show(record: &Record) -> String {
    let rtype = RecordType(record.record_type().into());
    let data = match &record.data {
        // hickory does not know DNAME.
        hickory_proto::rr::RData::Unknown { rdata, .. } if rtype == RecordType::DNAME => {
            djdns::page::name::Name::from_wire(&rdata.anything).unwrap().to_string()
        }
        hickory_proto::rr::RData::Unknown { rdata, .. } => {
            data_encoding::HEXLOWER.encode(&rdata.anything)
        }
        data => data.to_string(),
    };
    format!("{} {} {rtype} {data}", record.name, record.ttl)
}
