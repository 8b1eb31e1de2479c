//! Zone files in and out: sample files as data, random pages, and the programs that other people
//! check their zones with.
//!
//! `tests/zones/*.zone` must be read, each as the page its first line names (`; page ct.`);
//! `tests/zones/bad/*.zone` must be refused with the sentence in the `.err` file beside it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

mod support {
    pub mod tools;
}

use support::tools::tool;

use djdns::page::{
    entry::RecordSets,
    name::{Name, Owner},
    rdata::{self, Style},
    record::RecordType,
    zonefile::{self, ZoneContents, ZoneError},
};

type Entries = Vec<(Owner, RecordSets)>;

fn samples(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "zone"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} holds no zone files", folder.display());
    files
}

/// Reads a file as the page that its first line names.
fn read_sample(path: &Path) -> (Name, Result<ZoneContents, ZoneError>) {
    let text = fs::read(path).unwrap();
    let first = String::from_utf8_lossy(&text[..text.iter().position(|b| *b == b'\n').unwrap()]);
    let (_, name) = first.trim_end().split_once("; page ").expect("the first line names the page");
    let page = Name::parse(name).unwrap();
    let contents = zonefile::read(&text, &page, &mut |_| {});
    (page, contents)
}

fn export(page: &Name, entries: &Entries) -> String {
    let mut text = String::new();
    let borrowed = entries.iter().rev().map(|(owner, sets)| (owner.clone(), sets));
    zonefile::write(page, 7, borrowed, &mut text);
    text
}

/// Export, then import, is the same page.
fn check_round_trip(page: &Name, entries: &Entries) {
    let text = export(page, entries);
    let again = zonefile::read(text.as_bytes(), page, &mut |_| {})
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(&again.entries, entries, "{text}");
}

#[test]
fn every_sample_is_read_and_written_and_read_as_the_same_page() {
    for path in samples("zones") {
        let (page, contents) = read_sample(&path);
        let contents = contents.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        check_round_trip(&page, &contents.entries);
        check_texts(&contents.entries);
    }
}

/// Every record's text, in both styles, is read as the same octets.
fn check_texts(entries: &Entries) {
    let elsewhere = Name::parse("elsewhere").unwrap();
    for set in entries.iter().flat_map(|(_, sets)| sets.iter()) {
        for data in &set.rdata {
            for style in [Style::GenericPrivate, Style::Mnemonic] {
                let mut text = String::new();
                rdata::write_text(set.rtype, &data.0, style, &mut text);
                let again = rdata::parse_text(set.rtype, &text, &elsewhere);
                assert_eq!(again.as_deref(), Ok(&*data.0), "{} {text}", set.rtype);
            }
        }
    }
}

#[test]
fn every_bad_sample_is_refused_with_its_sentence() {
    for path in samples("zones/bad") {
        let error = read_sample(&path).1.expect_err(&path.display().to_string()).to_string();
        let expect = fs::read_to_string(path.with_extension("err")).unwrap_or_default();
        assert_eq!(error, expect.trim_end(), "{}", path.display());
    }
}

/// Both programs accept the page's export.
fn check_accepted(page: &Name, entries: &Entries) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export.zone");
    let text = export(page, entries);
    fs::write(&file, &text).unwrap();
    let knot = Command::new(tool("kzonecheck", "knot-dnssecutils"))
        .args(["-o", &page.to_string()])
        .arg(&file)
        .output()
        .unwrap();
    // Only with what the zone says itself: asking the network would make the result depend on it.
    let bind = Command::new(tool("named-checkzone", "bind9-utils"))
        .args(["-i", "local", &page.to_string()])
        .arg(&file)
        .output()
        .unwrap();
    for (name, output) in [("kzonecheck", knot), ("named-checkzone", bind)] {
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success(), "{name} refuses {page}: {said}\n{text}");
    }
}

#[test]
fn other_software_accepts_the_export_of_every_sample() {
    for path in samples("zones") {
        let (page, contents) = read_sample(&path);
        check_accepted(&page, &contents.unwrap().entries);
    }
}

/// A record's type and text, `NAME` standing for a name.
const TEXTS: &[(&str, &str)] = &[
    ("A", "192.0.2.1"),
    ("A", "192.0.2.77"),
    ("AAAA", "2001:db8::7"),
    ("NS", "NAME"),
    ("CNAME", "NAME"),
    ("DNAME", "NAME"),
    ("PTR", "NAME"),
    ("MX", "10 NAME"),
    ("TXT", "\"some \\200 words\" more"),
    ("SRV", "1 2 3 NAME"),
    ("HINFO", "a b"),
    ("RP", "NAME NAME"),
    ("AFSDB", "1 NAME"),
    ("KX", "1 NAME"),
    ("LOC", "1 2 3.004 S 5 6 7.891 W 99.5 1 2 3"),
    ("NAPTR", "1 2 \"s\" \"http+E2U\" \"\" NAME"),
    ("CERT", "1 2 3 AQID"),
    ("DS", "1 13 2 0000000000000000000000000000000000000000000000000000000000000000"),
    ("DS", "1 13 9 0000"),
    ("SSHFP", "4 9 0123"),
    ("TLSA", "3 1 1 00ff"),
    ("OPENPGPKEY", "AQID"),
    ("HIP", "2 00 AQID NAME"),
    ("SVCB", "1 NAME alpn=\"a\\\\,b,c\" key7=\"/{?dns}\" key99=x"),
    ("HTTPS", "2 NAME port=1 ipv4hint=192.0.2.1"),
    ("EUI48", "00-00-5e-00-53-2a"),
    ("URI", "1 2 \"http://x/\""),
    ("CAA", "0 issue \"x\""),
    ("APL", "!1:192.0.2.0/24"),
    ("DNSKEY", "256 3 13 AQID"),
    ("NSEC", "NAME A NSEC"),
    ("IPSECKEY", "1 0 0 ."),
    ("PAGE", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f \"b\""),
    ("BEACON", "\"DMCT:0.5:1:00\""),
    ("TYPE3", "NAME"),
    ("TYPE731", "\\# 3 010203"),
];

/// Labels that meet each other often, and some that are hard to write.
const LABELS: &[&str] = &[
    "a",
    "b",
    "ns",
    "*",
    "_x",
    "localhost",
    "\\000",
    "a\\.b",
    "\\032\\\"",
    "\\255\\;",
    "$x",
    "in",
    "3600",
];

fn name_text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(LABELS), 1..4).prop_map(|labels| labels.join("."))
}

fn random_entries() -> impl Strategy<Value = (Name, Entries)> {
    let text =
        (prop::sample::select(TEXTS), name_text(), any::<bool>()).prop_map(|(t, name, out)| {
            let name = if out { format!("{name}.Elsewhere.") } else { name };
            (t.0, t.1.replace("NAME", &name), 60 * t.1.len() as u32)
        });
    let owner = prop_oneof![1 => Just("@".to_owned()), 9 => name_text()];
    let entry = (owner, prop::collection::vec(text, 1..5));
    let page = prop::sample::select(&[".", "ct.", "ff.ct."][..]);
    (page, prop::collection::vec(entry, 0..30)).prop_map(|(page, raw)| {
        let page = Name::parse(page).unwrap();
        let mut entries = std::collections::BTreeMap::new();
        for (owner, records) in raw {
            let Ok(owner) = Owner::parse(&owner, &page) else { continue };
            let records = records.into_iter().map(|(rtype, text, ttl)| {
                let rtype = rtype.parse().unwrap();
                (rtype, ttl, rdata::parse_text(rtype, &text, &page).unwrap())
            });
            // What cannot stand together there is no entry.
            if let Ok(sets) = RecordSets::gather(records, &owner, &page) {
                entries.insert(owner, sets);
            }
        }
        let mut entries: Entries = entries.into_iter().collect();
        entries.sort_by_key(|(owner, _)| canonical(owner));
        (page, entries)
    })
}

/// Labels from the right, which compare as names do (RFC 4034 section 6.1).
fn canonical(owner: &Owner) -> Vec<Vec<u8>> {
    owner.labels().rev().map(<[u8]>::to_vec).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn export_then_import_is_the_same_page((page, entries) in random_entries()) {
        check_round_trip(&page, &entries);
        check_texts(&entries);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = zonefile::read(&bytes, &Name::root(), &mut |_| {});
    }

    #[test]
    fn any_octets_of_any_type_that_pass_have_a_text(rtype in 1u16..300, bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let rtype = RecordType(rtype);
        if rdata::check(rtype, &bytes).is_ok() {
            for style in [Style::GenericPrivate, Style::Mnemonic] {
                let mut text = String::new();
                rdata::write_text(rtype, &bytes, style, &mut text);
                prop_assert_eq!(rdata::parse_text(rtype, &text, &Name::root()), Ok(bytes.clone()), "{} {}", rtype, text);
            }
        }
    }
}

#[test]
fn other_software_accepts_the_export_of_random_pages() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..60 {
        let (page, entries) = random_entries().new_tree(&mut runner).unwrap().current();
        check_accepted(&page, &entries);
    }
}

#[test]
fn other_software_accepts_random_octets_that_are_valid_of_their_type() {
    let mut runner = TestRunner::deterministic();
    let octets = prop::collection::vec(prop_oneof![any::<u8>(), 0u8..4], 0..40);
    let page = Name::parse("ct").unwrap();
    let mut entries = Entries::new();
    for number in (1..300).chain([32_768, 32_769, 65_280, 65_282, 65_400]) {
        let rtype = RecordType(number);
        for i in 0..40 {
            let rdata = octets.new_tree(&mut runner).unwrap().current();
            let owner = Owner::parse(&format!("t{number}x{i}"), &page).unwrap();
            entries.extend(
                RecordSets::gather([(rtype, 60, rdata)], &owner, &page).ok().map(|s| (owner, s)),
            );
        }
    }
    check_accepted(&page, &entries);
    entries.sort_by_key(|(owner, _)| canonical(owner));
    check_round_trip(&page, &entries);
}

/// The data of a message that holds nothing but this record's data, as hickory decodes it.
fn hickory_reads(rtype: u16, rdata: &[u8]) -> bool {
    use hickory_proto::{
        rr::{RData, RecordType as Type},
        serialize::binary::{BinDecoder, Restrict},
    };
    let mut decoder = BinDecoder::new(rdata);
    let len = Restrict::new(rdata.len() as u16);
    RData::read(&mut decoder, Type::from(rtype), len).is_ok() && decoder.is_empty()
}

#[test]
fn another_library_reads_the_data_of_every_sample_and_refuses_it_cut_short() {
    for path in samples("zones") {
        let contents = read_sample(&path).1.unwrap();
        for set in contents.entries.iter().flat_map(|(_, sets)| sets.iter()) {
            for data in &set.rdata {
                let whole = (set.rtype, &data.0);
                assert!(hickory_reads(set.rtype.0, &data.0), "{whole:?}");
            }
        }
    }
    // Types whose data has a fixed shape: what is missing its last octet is no data to either.
    for (rtype, text) in TEXTS {
        let rtype: RecordType = rtype.parse().unwrap();
        let mut rdata =
            rdata::parse_text(rtype, &text.replace("NAME", "a.b."), &Name::root()).unwrap();
        rdata.pop();
        let fixed = ["A", "AAAA", "NS", "CNAME", "PTR", "MX", "TXT", "SRV", "HINFO", "NAPTR"];
        if fixed.contains(&rtype.to_string().as_str()) {
            assert!(!hickory_reads(rtype.0, &rdata), "{rtype} {rdata:?}");
            assert!(rdata::check(rtype, &rdata).is_err(), "{rtype} {rdata:?}");
        }
    }
}

fn speed_file(names: usize) -> String {
    let mut text =
        String::from("$ORIGIN ct.\n$TTL 300\n@ SOA localhost. nobody.invalid. 1 1 1 1 1\n");
    for i in 0..names {
        text.push_str(&format!(
            "name{:x}\tIN A 192.0.{}.{}\n",
            i * 2_654_435_761 % (1 << 32),
            i >> 8 & 255,
            i & 255
        ));
    }
    text
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it says how long the reading took")]
fn a_million_names_are_read_in_a_moment() {
    // In a debug build the figure says nothing, so fewer names will do.
    let names = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };
    let text = speed_file(names);
    let page = Name::parse("ct").unwrap();
    let mut told = 0;
    let start = Instant::now();
    let contents = zonefile::read(text.as_bytes(), &page, &mut |bytes| told = bytes).unwrap();
    let read = start.elapsed();
    assert_eq!(contents.entries.len(), names);
    assert_eq!(told, text.len());
    let start = Instant::now();
    let mut out = String::new();
    zonefile::write(&page, 1, contents.entries.iter().map(|(o, s)| (o.clone(), s)), &mut out);
    let written = start.elapsed();
    let start = Instant::now();
    let again = zonefile::read(out.as_bytes(), &page, &mut |_| {}).unwrap();
    println!(
        "{names} names: read {read:?}, written {written:?}, read sorted {:?}",
        start.elapsed()
    );
    assert!(again.entries == contents.entries);
}
