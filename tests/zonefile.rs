//! Zone files in and out: sample files as data, random pages, and the programs that other people
//! check their zones with.
//!
//! `tests/zones/*.zone` must be read, each as the page its first line names (`; page ct.`);
//! `tests/zones/bad/*.zone` must be refused with the sentence in the `.err` file beside it.

use std::{fs, path::PathBuf, time::Instant};

use djdns::page::{name::Name, zonefile};

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
