//! What fuzzing begins with: the golden files, the sample zones, the DNS face's messages.

use std::{fs, path::PathBuf};

use djdns::{
    beacon::Beacon,
    control::request::Request,
    discovery::Packet,
    dns::transfer::{Algorithm, Key, tsig::Signer},
    key::SecretKey,
    page::{bundle, name::Name, record::RecordType},
    sync::{Book, How, Moment, Source},
};

use super::bodies::golden_page;

/// The seeds of one target.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "codec_decode" => hex_files("golden/entry-v1"),
        "statement_admit" => {
            [hex_files("golden/statement-v1"), hex_files("golden/refused-v1")].concat()
        }
        "attestation_admit" => hex_files("golden/attestation-v1"),
        "petition_admit" => {
            let letters = hex_files("golden/inbox-v1");
            // A row stands in its file after a word of eight bytes and a hash.
            let rows = letters.iter().map(|letter| letter[40..].to_vec()).collect();
            [hex_files("golden/petition-v1"), hex_files("golden/refusal-v1"), rows].concat()
        }
        "sync_message" => hex_files("golden/message-v1"),
        "lan_packet" => packets(),
        "address_book" => books(),
        "beacon_read" => {
            let golden = hex_files("golden/beacon-v1");
            let codes = golden.iter().map(|bytes| Beacon::admit(bytes).unwrap());
            let codes: Vec<Vec<u8>> = codes
                .flat_map(|one| [one.to_string(), one.short().to_string()])
                .map(String::into)
                .collect();
            [golden, codes, hex_files("golden/outbox-v1")].concat()
        }
        "page_admit" => pages(),
        "page_image" => hex_files("golden/image-v1"),
        "snapshot_read" => {
            let mut seeds = hex_files("golden/piece-v1");
            for jump in hex_files("golden/jump-v1") {
                for (kind, bytes) in bundle::read(&jump).unwrap() {
                    let head = if kind == bundle::PASSAGE { 8 } else { 0 };
                    seeds.push(bytes[head..].to_vec());
                }
            }
            seeds
        }
        "bundle_read" => {
            let mut seeds = hex_files("golden/bundle-v1");
            seeds.push(bundle::write([(1, &[0x91][..]), (bundle::ENTRIES, &[0x90])]).unwrap());
            seeds
        }
        "zonefile_read" => [files("zones", "zone"), files("zones/bad", "zone")].concat(),
        "rdata_text" => texts(),
        "dns_respond" => messages(),
        "signed_request" => [messages(), signed_requests()].concat(),
        "control_request" => requests(),
        "upstream_response" => responses(),
        "dot_stream" => {
            let framed = |response: &Vec<u8>| {
                [&(response.len() as u16).to_be_bytes()[..], response].concat()
            };
            responses()
                .iter()
                .map(framed)
                .chain([responses().iter().flat_map(framed).collect()])
                .collect()
        }
        "network_frames" => vec![
            b"\0\0\0\x64\0\0\0\x05hello".to_vec(),
            b"\0\0\0\0\x05hello\x02\0\0\0\0\x01\0\0\0\0".to_vec(),
            b"\0\0\0\x05hello\0\0\0\x01.\0\0\0\x02..".to_vec(),
        ],
        "upstream_text" => lines(
            "192.0.2.53\n192.0.2.53:5353\n[2001:db8::53]:5353\n2001:db8::53\n\
             tls://192.0.2.1#dns.example\ntls://[2001:db8::1]:8853\n\
             https://dns.example:8443/dns-query#192.0.2.1\nhttps://[2001:db8::1]/q",
        ),
        "resolv_conf" => lines(
            "# made by nobody\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nsearch a.example b\n\
             domain example\noptions timeout:3 attempts:2 edns0 trust-ad\nnonsense",
        ),
        "hosts_file" => {
            lines("127.0.0.1 localhost\n::1 a b # c\nfe80::1%lo x\n192.0.2.1\nrubbish y")
        }
        "config_file" => {
            let example = include_str!("../../src/config/example.toml");
            let full: Vec<&str> =
                example.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).collect();
            // Short ones: a long text is read a long time, for the same faults.
            let parts = full.chunks(6).map(|part| part.join("\n").into_bytes());
            parts.chain(full.iter().map(|line| line.as_bytes().to_vec())).collect()
        }
        other => panic!("there is no target {other}"),
    }
}

/// What mirrors ask, signed and not: for the SOA, the page, and what changed.
fn signed_requests() -> Vec<Vec<u8>> {
    let soa = djdns::page::apex::soa_rdata(1);
    let changes = [&[0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 0, 0, soa.len() as u8][..], &soa].concat();
    let ask = |qtype: u8, rest: &[u8]| {
        let counts = [0, 7, 0, 0, 0, 1, 0, 0, 0, u8::from(!rest.is_empty()), 0, 0];
        [&counts[..], b"\x02ct\0\0", &[qtype, 0, 1], rest].concat()
    };
    let plain = [ask(6, &[]), ask(1, &[]), ask(252, &[]), ask(251, &changes)];
    let name = Name::parse("mirror").unwrap();
    let key = Key::new(name, Algorithm::Sha256, &[5; 32]).unwrap();
    let sign = |request: &Vec<u8>| {
        let mut request = request.clone();
        Signer::of_request(key.clone().into()).sign(&mut request, 1_700_000_000);
        request
    };
    let signed: Vec<Vec<u8>> = plain.iter().map(sign).collect();
    [&plain[..], &signed].concat()
}

fn files(folder: &str, extension: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The bytes of hex files, without their comments.
fn hex_files(folder: &str) -> Vec<Vec<u8>> {
    let bytes = |file: Vec<u8>| {
        let text = String::from_utf8(file).unwrap();
        let digits: String = text.lines().filter(|line| !line.starts_with(';')).collect();
        data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap()
    };
    files(folder, "hex").into_iter().map(bytes).collect()
}

/// A beacon that asks and one that tells.
fn packets() -> Vec<Vec<u8>> {
    let beacon = beacon(1);
    [true, false].map(|asks| Packet { asks, beacon: beacon.bytes() }.write()).into()
}

/// An empty address book, and one with something of everything.
fn books() -> Vec<Vec<u8>> {
    let now = Moment { unix: 1, ticks: 1 };
    let mut book = Book::new(beacon(0).key(), 1);
    let empty = book.write();
    let teller = Some(beacon(1).key());
    book.hear(&beacon(1), Source { how: How::Lan, teller: None }, now);
    book.hear(&beacon(2), Source { how: How::Exchange, teller }, now);
    book.joined(beacon(1).key(), beacon(1).addresses()[0], true, now);
    book.hear_place(beacon(3).addresses()[0], How::Told);
    book.lied(beacon(4).key(), "it forged a seal", now);
    vec![empty, book.write()]
}

fn beacon(n: u8) -> Beacon {
    let addresses = ["192.0.2.1:31415", "[2001:db8::1]:31415"].map(|at| at.parse().unwrap());
    Beacon::sign(&SecretKey::from_seed(&[n; 32]), &addresses, 1000).unwrap()
}

/// A genesis and entries, each after its length.
fn pages() -> Vec<Vec<u8>> {
    let (_, raw) = golden_page();
    let part = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
    let entries: Vec<u8> = raw.entries.iter().flat_map(|entry| part(entry)).collect();
    let genesis = part(&raw.genesis);
    let golden = hex_files("golden/genesis-v1");
    let mut seeds: Vec<Vec<u8>> = golden.iter().map(|genesis| part(genesis)).collect();
    seeds.extend([[genesis.clone(), entries].concat(), genesis]);
    seeds
}

/// Types and data in text, from the sample zones; each also in wire form.
fn texts() -> Vec<Vec<u8>> {
    let zones = files("zones", "zone");
    let mut seeds = Vec::new();
    for line in zones.iter().flat_map(|zone| str::from_utf8(zone).unwrap().lines()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let rtype = |word: &&str| word.parse::<RecordType>().ok();
        let Some(at) = words.iter().position(|word| rtype(word).is_some()) else { continue };
        let (rtype, text) = (rtype(&words[at]).unwrap(), words[at + 1..].join(" "));
        let head = rtype.0.to_be_bytes();
        seeds.push([&head, text.as_bytes()].concat());
        if let Ok(data) = djdns::page::rdata::parse_text(rtype, &text, &Name::root()) {
            seeds.push([&head[..], &data].concat());
        }
    }
    seeds
}

/// Queries for what the fuzzed view holds, and messages that are none.
fn messages() -> Vec<Vec<u8>> {
    let malformed = include_str!("../dns/malformed.txt").lines();
    let mut seeds: Vec<Vec<u8>> = malformed
        .filter_map(|line| line.split_once('|'))
        .map(|(_, hex)| {
            let digits: String = hex.split_whitespace().collect();
            data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap()
        })
        .collect();
    for name in
        ["ct", "A.ct", "alias.ct", "loop.ct", "x.w.ct", "x.cut.ct", "mail.dn.ct", "gone.ct", "org"]
    {
        let labels = djdns::page::name::parse_labels(name).unwrap();
        for (qtype, opt) in [(1u16, 0u8), (16, 1), (255, 1), (65280, 1)] {
            let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, opt];
            query.extend([&labels[..], &[0], &qtype.to_be_bytes(), &[0, 1]].concat());
            query.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0].iter().take(11 * usize::from(opt)));
            if opt == 1 {
                let head = query.len() - 2;
                let cookie = [&[0, 12, 0, 10, 0, 8][..], &[1; 8]].concat();
                seeds.push([&query[..head], &cookie].concat());
            }
            seeds.push(query);
        }
    }
    seeds
}

/// Responses to the questions of the fuzzed connection: an address, an alias with its target, a
/// denial with a SOA, and types whose data has names.
fn responses() -> Vec<Vec<u8>> {
    let message = |id: u8, counts: [u8; 2], records: &[u8]| {
        let head = [0, id, 0x81, 0xa0, 0, 1, 0, counts[0], 0, counts[1], 0, 0];
        [&head[..], b"\x01a\x07example\0\0", &[id + 1, 0, 1], records].concat()
    };
    let record = |rtype: u8, rdata: &[u8]| {
        [&[0xc0, 12, 0, rtype, 0, 1, 0, 0, 0, 60, 0, rdata.len() as u8][..], rdata].concat()
    };
    let soa = [&b"\x02ns\xc0\x0e\x04host\xc0\x0e"[..], &[0, 0, 0, 9].repeat(5)].concat();
    let alias = record(5, b"\x01b\xc0\x0e");
    let target = b"\x01b\x07example\0\0\x01\0\x01\0\0\0\x09\0\x04\xc0\0\x02\x01";
    let named = [record(15, b"\0\x0a\xc0\x0c"), record(33, b"\0\0\0\0\0\x35\xc0\x0c")].concat();
    vec![
        message(0, [1, 0], &record(1, &[192, 0, 2, 1])),
        message(1, [2, 0], &[&alias[..], target].concat()),
        message(0, [0, 1], &record(6, &soa)),
        message(
            1,
            [2, 1],
            &[named, record(46, &[&[0; 18][..], b"\xc0\x0c\x01\x02"].concat())].concat(),
        ),
    ]
}

/// Each line, and all of them.
fn lines(text: &str) -> Vec<Vec<u8>> {
    text.lines().chain([text]).map(|line| line.as_bytes().to_vec()).collect()
}

fn requests() -> Vec<Vec<u8>> {
    let page = || "ff.ct".to_owned();
    let requests = [
        Request::Status,
        Request::Contents { page: page(), after: None },
        Request::Bundle { page: page(), from: 7 },
        Request::Verify { page: page(), full: true },
        Request::Submit { statements: vec![] },
        Request::Petitions { page: page(), all: true },
        Request::Petition { prefix: "012345".to_owned() },
        Request::Resolve { name: Name::root(), rtype: RecordType::A, offline: true },
    ];
    requests.iter().map(|request| rmp_serde::to_vec_named(request).unwrap()).collect()
}

/// A row of numbers that is the same every time (xorshift64*, Vigna 2016).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }

    pub fn pick<'s>(&mut self, seeds: &'s [Vec<u8>]) -> &'s Vec<u8> {
        &seeds[self.below(seeds.len() as u64) as usize]
    }

    /// Changes the input a little: a byte, a length, a piece of another seed.
    pub fn change(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(input.len() as u64 + 1) as usize;
        let to = at + self.below((input.len() - at) as u64 + 1) as usize;
        match self.below(7) {
            0 | 1 if at < input.len() => input[at] ^= 1 << self.below(8),
            2 if at < input.len() => {
                input[at] = [0, 1, 0x7f, 0x80, 0xc0, 0xff][self.below(6) as usize];
            }
            3 => input.truncate(at),
            4 => drop(input.drain(at..to)),
            5 => {
                let copy = input[at..to.min(at + 64)].to_vec();
                input.splice(at..at, copy);
            }
            _ => {
                let other = self.pick(seeds);
                let from = self.below(other.len() as u64 + 1) as usize;
                input.splice(at..to, other[from..].iter().copied());
            }
        }
    }
}
