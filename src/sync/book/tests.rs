//! What the address book keeps, whatever strangers tell it.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;
use crate::key::SecretKey;

const NOW: Moment = Moment { unix: 1_000_000, ticks: 1000 };

fn later(ticks: u64) -> Moment {
    Moment { unix: NOW.unix + ticks / 1000, ticks: NOW.ticks + ticks }
}

fn secret(n: u32) -> SecretKey {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&n.to_be_bytes());
    SecretKey::from_seed(&seed)
}

fn key(n: u32) -> PublicKey {
    secret(n).public()
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn beacon_until(n: u32, address: &str, expires: u64) -> Beacon {
    Beacon::sign(&secret(n), &[at(address)], expires).unwrap()
}

fn beacon(n: u32, address: &str) -> Beacon {
    beacon_until(n, address, NOW.unix + 1000)
}

fn by(how: How) -> Source {
    Source { how, teller: None }
}

fn told_by(teller: u32) -> Source {
    Source { how: How::Exchange, teller: Some(key(teller)) }
}

fn book() -> Book {
    Book::new(key(0), 42)
}

fn link(n: u32, address: &str) -> Link {
    Link { key: Some(key(n)), address: at(address), outbound: true }
}

/// As many beacons of invented nodes, in as many networks. They are made once, for signing takes long.
fn bogus() -> &'static [Beacon] {
    static BOGUS: OnceLock<Vec<Beacon>> = OnceLock::new();
    BOGUS.get_or_init(|| {
        let address = |n: u32| format!("{}.{}.0.1:31415", 11 + n / 200, n % 200);
        (0..200).map(|n| beacon(1_000_000 + n, &address(n))).collect()
    })
}

fn met(book: &mut Book, n: u32, address: &str, how: How) {
    book.hear(&beacon(n, address), by(how), NOW);
    book.joined(key(n), at(address), true, NOW);
}

fn keys(candidates: &[Candidate]) -> Vec<Option<PublicKey>> {
    candidates.iter().map(|candidate| candidate.key).collect()
}

#[test]
fn a_node_is_heard_of_once_and_again_when_it_has_moved() {
    let mut book = book();
    let mut check =
        |beacon: &Beacon, how, expect| assert_eq!(book.hear(beacon, by(how), NOW), expect);
    check(&beacon(1, "192.0.2.1:1"), How::Lan, Heard::New);
    check(&beacon(1, "192.0.2.1:1"), How::Broadcast, Heard::Known);
    check(&beacon_until(1, "192.0.2.1:1", NOW.unix + 2000), How::Lan, Heard::Known);
    check(&beacon_until(1, "192.0.2.9:1", NOW.unix + 3000), How::Page, Heard::Newer);
    check(&beacon(1, "192.0.2.1:1"), How::Lan, Heard::Known);
    check(&beacon(0, "192.0.2.1:1"), How::Lan, Heard::Ignored);
    // Dated by a wrong clock: it hides none that is right.
    let far = NOW.unix + 2 * BEACON_LIFE_MAX.as_secs();
    check(&beacon_until(2, "192.0.2.2:1", far), How::Lan, Heard::New);
    check(&beacon(2, "192.0.2.3:1"), How::Lan, Heard::Newer);
    check(&beacon_until(2, "192.0.2.2:1", far), How::Lan, Heard::Known);
    let known = book.get(&key(1)).unwrap();
    assert_eq!(known.addresses(), [at("192.0.2.9:1")]);
    assert_eq!(known.hows, BTreeSet::from([How::Lan, How::Broadcast, How::Page]));
    assert_eq!(known.source.how, How::Lan);
}

#[test]
fn a_node_that_was_reached_is_tried_where_it_was_seen_first() {
    let mut book = book();
    book.hear(&beacon(1, "192.0.2.1:1"), by(How::Lan), NOW);
    book.hint(&key(1), at("192.0.2.2:1"));
    let addresses = |book: &Book| book.get(&key(1)).unwrap().addresses();
    assert_eq!(addresses(&book), [at("192.0.2.1:1"), at("192.0.2.2:1")]);
    book.joined(key(1), at("192.0.2.3:1"), true, NOW);
    assert_eq!(addresses(&book), ["192.0.2.3:1", "192.0.2.1:1", "192.0.2.2:1"].map(at));
    for port in 1..100 {
        book.hint(&key(1), at(&format!("192.0.2.4:{port}")));
    }
    assert_eq!(book.get(&key(1)).unwrap().hints.len(), BOOK_HINTS_MAX);
}

#[test]
fn who_comes_by_itself_does_not_show_where_it_is() {
    let mut book = book();
    for n in 1..1000 {
        book.joined(key(n), at("192.0.2.1:1"), false, NOW);
    }
    assert!(book.is_empty());
    met(&mut book, 1, "192.0.2.1:1", How::Lan);
    book.joined(key(1), at("192.0.2.1:50000"), false, later(5000));
    let known = book.get(&key(1)).unwrap();
    assert_eq!(known.addresses(), [at("192.0.2.1:1")]);
    assert_eq!(known.met, NOW.unix + 5);
}

/// N7 accepts: outbound peers from every way in which somebody was found, and from many networks.
#[test]
fn connections_are_spread_over_ways_and_over_networks() {
    let mut book = book();
    for bogus in bogus() {
        book.hear(bogus, by(How::Dht), NOW);
    }
    let honest =
        [(1, "10.0.0.1:1", How::Lan), (2, "20.0.0.1:1", How::Page), (3, "30.0.0.1:1", How::Told)];
    for (n, address, how) in honest {
        book.hear(&beacon(n, address), by(how), NOW);
    }
    let chosen = keys(&book.candidates(&[], 4, NOW));
    assert!((1..=3).all(|n| chosen.contains(&Some(key(n)))), "{chosen:?}");
    // Those that there are already count.
    let links = [link(1, "10.0.0.1:1"), link(2, "20.0.0.1:1")];
    let chosen = keys(&book.candidates(&links, 2, NOW));
    assert!(chosen.contains(&Some(key(3))), "{chosen:?}");
    // Of one way, those in networks of their own come first.
    let mut book = Book::new(key(0), 7);
    for n in 1..=50 {
        book.hear(&beacon(n, &format!("10.0.0.{n}:1")), by(How::Lan), NOW);
    }
    book.hear(&beacon(51, "10.1.0.1:1"), by(How::Lan), NOW);
    book.hear(&beacon(52, "[2001:db8::1]:1"), by(How::Lan), NOW);
    let chosen = keys(&book.candidates(&[], 3, NOW));
    assert!(chosen.contains(&Some(key(51))) && chosen.contains(&Some(key(52))), "{chosen:?}");
}

/// N7 refuses: to be filled by one teller, or to call who proved to lie.
#[test]
fn a_teller_fills_its_share_only_and_a_liar_is_not_called() {
    let mut book = book();
    for bogus in bogus() {
        book.hear(bogus, told_by(666), NOW);
    }
    assert_eq!(book.len(), BOOK_HEARD_PER_TELLER_MAX);
    assert_eq!(book.hear(&beacon(1, "10.0.0.1:1"), told_by(5), NOW), Heard::New);
    let chosen = keys(&book.candidates(&[], 2, NOW));
    assert!(chosen.contains(&Some(key(1))), "{chosen:?}");
    book.lied(key(1), "a seal that is forged", NOW);
    assert_eq!(book.lie(&key(1)).map(|lie| lie.what.as_str()), Some("a seal that is forged"));
    assert_eq!(book.hear(&beacon(1, "10.0.0.2:1"), by(How::Told), NOW), Heard::Ignored);
    book.joined(key(1), at("10.0.0.1:1"), true, NOW);
    let everybody = keys(&book.candidates(&[], 1000, NOW));
    assert!(!everybody.is_empty() && !everybody.contains(&Some(key(1))));
}

#[test]
fn liars_are_remembered_up_to_a_limit_and_with_a_sentence() {
    let mut book = book();
    let most = BOOK_LIARS_MAX as u32;
    for n in 1..=most + 1 {
        book.lied(key(n), &"x".repeat(1000), later(u64::from(n) * 1000));
        assert_eq!(book.liars().count(), BOOK_LIARS_MAX.min(n as usize));
    }
    assert_eq!(book.lie(&key(1)), None);
    let lie = book.lie(&key(most + 1)).unwrap();
    assert_eq!(lie.what.len(), BOOK_LIE_CHARACTERS_MAX);
}

#[test]
fn who_cannot_be_reached_is_left_alone_longer_and_longer() {
    let mut book = book();
    met(&mut book, 1, "10.0.0.1:1", How::Lan);
    let (mut now, mut pauses) = (NOW, Vec::new());
    for _ in 0..12 {
        assert_eq!(keys(&book.candidates(&[], 1, now)), [Some(key(1))]);
        book.failed(Some(&key(1)), &[], now);
        assert_eq!(book.candidates(&[], 1, now), []);
        let next = book.next_try(&[], now).unwrap();
        pauses.push(next - now.ticks);
        assert_eq!(book.candidates(&[], 1, Moment { ticks: next - 1, ..now }), []);
        now = Moment { ticks: next, ..now };
    }
    let (first, most) = (BOOK_RETRY_FIRST.as_millis() as u64, BOOK_RETRY_MAX.as_millis() as u64);
    assert!((first * 3 / 4..=first * 5 / 4).contains(&pauses[0]), "{pauses:?}");
    assert!(pauses[..8].is_sorted(), "{pauses:?}");
    assert!((most * 3 / 4..=most * 5 / 4).contains(&pauses[11]), "{pauses:?}");
    book.joined(key(1), at("10.0.0.1:1"), true, now);
    book.parted(&key(1), BOOK_LASTED.as_millis() as u64, now);
    assert_eq!(book.get(&key(1)).unwrap().failures(), 0);
    // Two nodes that failed at one moment are not tried at one moment.
    let tries = [1, 2].map(|seed| {
        let mut tries = Tries::default();
        tries.fail(seed, b"node", NOW);
        tries.next
    });
    assert_ne!(tries[0], tries[1]);
}

#[test]
fn who_sends_this_node_away_is_left_alone_longer_and_longer() {
    let mut book = book();
    let (address, mut now, mut pauses) = (at("10.0.0.1:1"), NOW, Vec::new());
    book.hear_place(address, How::Told);
    for _ in 0..4 {
        book.joined(key(1), address, true, now);
        book.parted(&key(1), 5, now);
        assert!(book.candidates(&[], 9, now).is_empty());
        let next = book.next_try(&[], now).unwrap();
        pauses.push(next - now.ticks);
        now = later(next - NOW.ticks + BOOK_RETRY_MAX.as_millis() as u64);
    }
    assert!(pauses.windows(2).all(|two| two[0] < two[1]), "{pauses:?}");
    book.joined(key(1), address, true, now);
    book.parted(&key(1), BOOK_LASTED.as_millis() as u64, now);
    assert!(keys(&book.candidates(&[], 9, now)).contains(&Some(key(1))));
    book.lied(key(1), "x", now);
    assert!(book.candidates(&[], 9, now).is_empty(), "its address is not called either");
}

#[test]
fn a_node_that_was_never_reached_is_forgotten_after_some_failures_unless_a_person_named_it() {
    let mut book = book();
    book.hear(&beacon(1, "10.0.0.1:1"), by(How::Lan), NOW);
    book.hear(&beacon(2, "10.0.0.2:1"), by(How::Told), NOW);
    for n in 1..=BOOK_FAILURES_MAX {
        assert!(book.get(&key(1)).is_some(), "{n}");
        [1, 2].iter().for_each(|n| book.failed(Some(&key(*n)), &[], NOW));
    }
    assert!(book.get(&key(1)).is_none());
    assert!(book.get(&key(2)).is_some());
}

#[test]
fn an_address_that_a_person_named_is_called_until_somebody_is_there() {
    let mut book = book();
    let address = at("10.0.0.1:1");
    book.hear_place(address, How::Told);
    assert_eq!(book.candidates(&[], 9, NOW), [Candidate { key: None, addresses: vec![address] }]);
    book.failed(None, &[address], NOW);
    assert_eq!(book.candidates(&[], 9, NOW), []);
    let now = Moment { ticks: book.next_try(&[], NOW).unwrap(), ..NOW };
    assert_eq!(book.candidates(&[], 9, now).len(), 1);
    book.joined(key(1), address, true, now);
    assert_eq!(book.candidates(&[link(1, "10.0.0.1:1")], 9, now), []);
    for port in 1..=BOOK_PLACES_MAX as u16 * 2 {
        book.hear_place(SocketAddr::new(address.ip(), port), How::Told);
    }
    assert_eq!(book.places.len(), BOOK_PLACES_MAX);
}

/// D5 accepts: beacons of nodes that were reached, the last first.
/// D5 refuses: beacons that have expired, of nodes only heard of, or of the one who asks.
#[test]
fn beacons_that_are_handed_on_are_of_nodes_that_were_reached_lately_and_hold() {
    let mut book = book();
    met(&mut book, 1, "10.0.0.1:1", How::Lan);
    met(&mut book, 2, "10.0.0.2:1", How::Lan);
    book.joined(key(2), at("10.0.0.2:1"), true, later(9000));
    book.hear(&beacon(3, "10.0.0.3:1"), by(How::Lan), NOW);
    book.hear(&beacon_until(4, "10.0.0.4:1", NOW.unix + 1), by(How::Lan), NOW);
    book.joined(key(4), at("10.0.0.4:1"), true, NOW);
    let handed = |peer, count| -> Vec<PublicKey> {
        let beacons = book.to_hand_on(&key(peer), count, later(2000));
        beacons.iter().map(Beacon::key).collect()
    };
    assert_eq!(handed(9, 9), [key(2), key(1)]);
    assert_eq!(handed(9, 1), [key(2)]);
    assert_eq!(handed(2, 9), [key(1)]);
}

#[test]
fn a_book_is_read_back_and_other_bytes_are_refused() {
    let mut book = book();
    met(&mut book, 1, "10.0.0.1:1", How::Lan);
    book.hear(&beacon(2, "[2001:db8::1]:1"), told_by(1), NOW);
    book.hear_place(at("10.0.0.9:9"), How::Told);
    book.lied(key(3), "it forged a seal", NOW);
    let bytes = book.write();
    let read = Book::read(&bytes, key(0), 42).unwrap();
    assert_eq!(read.write(), bytes);
    assert_eq!(read.nodes().collect::<Vec<_>>(), book.nodes().collect::<Vec<_>>());
    assert!(read.lie(&key(3)).is_some());
    // Read by another node, which it may be about.
    assert!(Book::read(&bytes, key(1), 42).unwrap().get(&key(1)).is_none());
    let refuse = |bytes: &[u8]| Book::read(bytes, key(0), 42).unwrap_err();
    assert!(matches!(refuse(b""), BookRefusal::Codec(_)));
    assert!(matches!(refuse(&bytes[..bytes.len() - 1]), BookRefusal::Codec(_)));
    let mut other = bytes.clone();
    other[1] = 2;
    assert_eq!(refuse(&other), BookRefusal::Version(2));
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 0x55;
        // Whatever it is taken for, nothing panics.
        let _ = Book::read(&other, key(0), 42);
    }
}

#[test]
fn a_full_book_fits_its_file() {
    let longest = 4 * 1024 + 17;
    let node = BEACON_BYTES_MAX + BOOK_HINTS_MAX * 20 + 34 + 34 + 40;
    let nodes = (BOOK_MET_MAX + 8 * BOOK_HEARD_MAX) * node;
    let liars = BOOK_LIARS_MAX * (34 + 4 * BOOK_LIE_CHARACTERS_MAX + 5 + 9);
    assert!(nodes + liars + BOOK_PLACES_MAX * 22 + longest < BOOK_BYTES_MAX);
    const { assert!(BOOK_BYTES_MAX < NOTE_BYTES_MAX) };
}

/// A hundred thousand times, or as often, somebody hears of an invented node by one way.
fn invent(book: &mut Book, way: How, tellers: u32, order: u64, times: u64) {
    // The same few hundred over and over are as good: one that was forgotten comes anew.
    for n in 0..times {
        let bogus = &bogus()[(n.wrapping_mul(order | 1) % bogus().len() as u64) as usize];
        let teller = (way == How::Exchange).then(|| teller(n as u32 % tellers));
        book.hear(bogus, Source { how: way, teller }, later(n));
        if n % 100 == 0 {
            book.failed(Some(&bogus.key()), &[], later(n));
        }
    }
}

/// Keys of tellers, made once.
fn teller(n: u32) -> PublicKey {
    static KEYS: OnceLock<Vec<PublicKey>> = OnceLock::new();
    KEYS.get_or_init(|| (0..50).map(|n| key(5000 + n)).collect())[n as usize]
}

/// Honest nodes are there before, invented ones come in one way: who is there after it?
fn check_inventions(seed: u64, way: How, tellers: u32, order: u64, times: u64) {
    let mut book = Book::new(key(0), seed);
    let ways = [How::Lan, How::Broadcast, How::Exchange, How::Page, How::Dht, How::Told];
    let address = |n: u32| format!("192.{n}.2.1:1");
    for n in 1..=12 {
        met(&mut book, n, &address(n), ways[n as usize % ways.len()]);
    }
    let others: Vec<How> = ways.into_iter().filter(|other| *other != way).collect();
    for n in 13..=22 {
        book.hear(&beacon(n, &address(n)), by(others[n as usize % others.len()]), NOW);
    }
    invent(&mut book, way, tellers, order, times);
    for n in 1..=22 {
        assert!(book.get(&key(n)).is_some(), "{n} was pushed out");
    }
    assert!(book.len() <= 22 + BOOK_HEARD_MAX);
    assert_eq!(book.met.len(), 12);
    // Of eight connections over six ways no more than two go to them.
    let chosen = keys(&book.candidates(&[], 8, later(times)));
    let is_bogus = |key: &Option<PublicKey>| bogus().iter().any(|b| Some(b.key()) == *key);
    let invented = chosen.iter().filter(|key| is_bogus(key)).count();
    assert!(chosen.len() == 8 && invented <= 2, "{chosen:?}");
}

/// N7 refuses: a hundred thousand invented nodes push out neither those that were reached nor those that
/// were found in other ways.
#[test]
fn a_hundred_thousand_invented_nodes_push_nobody_out() {
    check_inventions(1, How::Exchange, 7, 12_345, 100_000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    #[test]
    fn invented_nodes_push_nobody_out_by_any_way(
        seed in any::<u64>(),
        way in prop::sample::select(vec![How::Lan, How::Broadcast, How::Exchange, How::Page, How::Dht]),
        tellers in 1u32..50,
        order in any::<u64>(),
    ) {
        check_inventions(seed, way, tellers, order, 1000);
    }

    #[test]
    fn reached_nodes_of_many_networks_are_not_pushed_out_by_many_of_one(seed in any::<u64>()) {
        let mut book = Book::new(key(0), seed);
        for n in 1..=20 {
            met(&mut book, n, &format!("192.{n}.2.1:1"), How::Told);
        }
        for n in 0..BOOK_MET_MAX as u32 * 2 {
            let address = at(&format!("6.6.{}.{}:1", n / 250, n % 250));
            book.joined(many(n), address, true, later(1000 + u64::from(n) * 1000));
            prop_assert!(book.met.len() <= BOOK_MET_MAX);
        }
        for n in 1..=20 {
            prop_assert!(book.get(&key(n)).is_some(), "{n} was pushed out");
        }
    }
}

fn many(n: u32) -> PublicKey {
    static KEYS: OnceLock<Vec<PublicKey>> = OnceLock::new();
    let most = BOOK_MET_MAX as u32 * 2;
    KEYS.get_or_init(|| (0..most).map(|n| key(10_000 + n)).collect())[n as usize]
}
