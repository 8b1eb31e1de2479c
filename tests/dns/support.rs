//! Pages and records from text, as the replay files and the stories write them.

use djdns::{
    dns::{PageMeta, View},
    id::Id,
    page::{
        entry::RecordSets,
        name::{Name, Owner},
        record::{PageLink, RecordType},
    },
};

/// The id of the page with this name, for tests.
pub fn page_id(name: &str) -> Id {
    Id::hash(&[Name::parse(name).unwrap().wire()])
}

pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A loose record: owner, type, TTL, data.
pub type Loose = (String, RecordType, u32, Vec<u8>);

/// Reads `owner ttl type data…`. Names in data are absolute.
pub fn record(line: &str) -> Loose {
    let mut words = line.split_whitespace();
    let mut word = || words.next().unwrap_or_else(|| panic!("too few words: {line}"));
    let (owner, ttl, rtype) = (word().to_owned(), word().parse().unwrap(), word());
    let rest: Vec<&str> = words.collect();
    (owner, rtype.parse().unwrap(), ttl, rdata(rtype, &rest))
}

/// The data of a record in wire form.
pub fn rdata(rtype: &str, words: &[&str]) -> Vec<u8> {
    let number = |i: usize| words[i].parse::<u16>().unwrap().to_be_bytes().to_vec();
    let wire = |i: usize| name(words[i]).wire().to_vec();
    let string = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    match rtype {
        "A" => words[0].parse::<std::net::Ipv4Addr>().unwrap().octets().to_vec(),
        "AAAA" => words[0].parse::<std::net::Ipv6Addr>().unwrap().octets().to_vec(),
        "CNAME" | "NS" | "DNAME" | "PTR" => wire(0),
        "MX" | "HTTPS" => [number(0), wire(1)].concat(),
        "SRV" => [number(0), number(1), number(2), wire(3)].concat(),
        "TXT" | "BEACON" => words.iter().flat_map(|word| string(word)).collect(),
        "PAGE" => PageLink { page: page_id(words[0]), beacons: Vec::new() }.to_rdata().unwrap(),
        _ => data_encoding::HEXLOWER.decode(words.concat().as_bytes()).unwrap(),
    }
}

/// The entries of a page from loose records.
pub fn entries(records: &[Loose], page: &Name) -> Vec<(Owner, RecordSets)> {
    let owner = |record: &Loose| Owner::parse(&record.0, page).unwrap();
    let mut owners: Vec<Owner> = records.iter().map(owner).collect();
    owners.sort();
    owners.dedup();
    let sets = |at: &Owner| {
        let here = records.iter().filter(|record| owner(record) == *at);
        let loose = here.map(|(_, rtype, ttl, data)| (*rtype, *ttl, data.clone()));
        RecordSets::gather(loose, at, page).unwrap_or_else(|error| panic!("{at}: {error}"))
    };
    owners.iter().map(|at| (at.clone(), sets(at))).collect()
}

/// The view with one more page made of these lines.
pub fn with_page(view: &View, page: &str, lines: &str) -> View {
    let records: Vec<Loose> =
        lines.lines().filter(|line| !line.trim().is_empty()).map(record).collect();
    let meta = PageMeta {
        name: name(page),
        id: page_id(page),
        serial: 1,
        fresh: true,
        absence_ttl: u32::MAX,
    };
    view.with_page(meta, entries(&records, &name(page)))
}

/// The bytes of a query as a stub resolver sends it: RD set, the name in the case given.
pub fn query(name: &str, qtype: u16, edns: Option<u16>) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns.is_some())];
    let labels = djdns::page::name::parse_labels(name.strip_suffix('.').unwrap_or(name)).unwrap();
    bytes.extend([&labels[..], &[0], &qtype.to_be_bytes(), &[0, 1]].concat());
    if let Some(payload) = edns {
        bytes.extend([&[0, 0, 41][..], &payload.to_be_bytes(), &[0; 6]].concat());
    }
    bytes
}
