//! Golden address books: how they are made, and what they say (N7).

use djdns::{
    beacon::Beacon,
    key::SecretKey,
    sync::{Book, How, Moment, Source},
};

use super::make::{Sample, key};

const EXPIRES: u64 = 1_800_000_000;

/// An empty book, and one with something of everything.
pub fn books() -> Vec<Sample> {
    let empty = Book::new(key(9).public(), 1);
    let mut full = empty.clone();
    let now = Moment { unix: 1_700_000_000, ticks: 1000 };
    let (one, two) = (beacon(&key(1), "192.0.2.1:31415"), beacon(&key(2), "[2001:db8::2]:31415"));
    full.hear(&one, Source { how: How::Lan, teller: None }, now);
    full.hear(&one, Source { how: How::Page, teller: None }, now);
    full.joined(one.key(), "192.0.2.11:4242".parse().unwrap(), true, now);
    full.hear(&two, Source { how: How::Exchange, teller: Some(one.key()) }, now);
    full.hear_place("192.0.2.3:31415".parse().unwrap(), How::Told);
    full.lied(key(4).public(), "it forged a seal", now);
    vec![
        Sample { name: "empty", what: "nobody is known", bytes: empty.write() },
        Sample {
            name: "full",
            what: "node 1 was reached, node 2 was heard of, node 4 lied",
            bytes: full.write(),
        },
    ]
}

fn beacon(key: &SecretKey, address: &str) -> Beacon {
    Beacon::sign(key, &[address.parse().unwrap()], EXPIRES).unwrap()
}

/// Everything that a book is read as.
pub fn describe(bytes: &[u8]) -> String {
    let book = Book::read(bytes, key(9).public(), 1).unwrap();
    assert_eq!(book.write(), bytes);
    let mut out = format!("nodes {}\n", book.len());
    for (key, known) in book.nodes() {
        let expires = known.beacon.as_ref().map(Beacon::expires);
        out += &format!(
            "node {key:?}\n  at {:?}\n  found {:?} {:?} at {}, met {}, beacon until {expires:?}\n",
            known.addresses(),
            known.source,
            known.hows,
            known.found,
            known.met
        );
    }
    let mut book = book;
    let candidates = book.candidates(&[], 10, Moment { unix: 1_700_000_001, ticks: 0 });
    let places = candidates.iter().filter(|candidate| candidate.key.is_none());
    places.for_each(|place| out += &format!("place {:?}\n", place.addresses));
    for (key, lie) in book.liars() {
        out += &format!("liar {key:?} at {}: {}\n", lie.at, lie.what);
    }
    out
}
