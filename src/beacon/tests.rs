//! Beacons as bytes and as codes: whole, broken, forged, of the wrong time.

use proptest::prelude::*;

use super::*;
use crate::{
    governance::{
        Governance,
        presence::Presence,
        statement::{Body, Statement},
    },
    page::{
        Page,
        entry::RecordSets,
        genesis::{Parameters, RawGenesis},
        name::{Name, Owner},
        record::{PageLink, RecordType},
        roster_rows,
    },
};

const EXPIRES: u64 = 1_800_000_000;

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Four addresses of IPv4, or more.
fn addresses(count: u8) -> Vec<SocketAddr> {
    (1..=count).map(|n| address(&format!("192.0.2.{n}:31415"))).collect()
}

fn beacon(n: u8, expires: u64) -> Beacon {
    Beacon::sign(&key(n), &addresses(2), expires).unwrap()
}

fn refused(text: &str) -> String {
    text.parse::<Code>().expect_err(text).to_string()
}

/// D1 accepts: both forms, in capitals or not, and they are of one node.
#[test]
fn a_code_is_read_back_and_its_short_form_is_that_of_its_key() {
    let beacon = beacon(1, EXPIRES);
    let (long, short) = (beacon.to_string(), beacon.short().to_string());
    assert!(long.starts_with(&format!("{short}/")), "{long}");
    assert_eq!(long.parse(), Ok(Code::Long(beacon.clone())));
    assert_eq!(long.to_ascii_lowercase().parse(), Ok(Code::Long(beacon.clone())));
    assert_eq!(format!(" {}\n", long.to_ascii_uppercase()).parse(), Ok(Code::Long(beacon.clone())));
    assert_eq!(short.parse(), Ok(Code::Short(beacon.short())));
    assert_eq!(Beacon::admit(beacon.bytes()), Ok(beacon.clone()));
    assert!(beacon.short().matches(&key(1).public()));
    assert!(!beacon.short().matches(&key(2).public()));
    assert_eq!(beacon.addresses(), addresses(2));
    assert_eq!((beacon.short().port(), beacon.expires()), (31415, EXPIRES));
}

/// D1 accepts: the example of the rule.
#[test]
fn a_short_code_has_a_phase_a_port_and_an_id() {
    let text = "DMCT:0.5428:31415:a3f2c8b9";
    let short: Short = text.parse().unwrap();
    assert_eq!(short.to_string(), text);
    assert_eq!((short.phase(), short.port(), short.id()), (5428, 31415, [0xa3, 0xf2, 0xc8, 0xb9]));
}

/// D1 refuses: what is no code, one sentence for each fault.
#[test]
fn every_fault_of_a_code_has_its_sentence() {
    let long = beacon(1, EXPIRES).to_string();
    let other = beacon(2, EXPIRES).to_string();
    let (short, signed) = long.split_once('/').unwrap();
    let check = |text: &str, expect: &str| {
        let said = refused(text);
        assert!(said.contains(expect), "{text}: {said}");
        assert!(!said.contains('\n'), "{said}");
    };
    check("", "this is no beacon");
    check("magnet:?xt=urn", "this is no beacon");
    check("DMC", "this is no beacon");
    check("DMCT:", "cut off or damaged");
    check("DMCT:0.5428:31415", "cut off or damaged");
    check("DMCT:1.0000:31415:a3f2c8b9", "no phase");
    check("DMCT:0.542:31415:a3f2c8b9", "no phase");
    check("DMCT:0.+542:31415:a3f2c8b9", "no phase");
    check("DMCT:0.5428:0:a3f2c8b9", "no port");
    check("DMCT:0.5428:031415:a3f2c8b9", "no port");
    check("DMCT:0.5428:65536:a3f2c8b9", "no port");
    check("DMCT:0.5428:31415:a3f2c8b", "no id of a node");
    check("DMCT:0.5428:31415:a3f2c8bx", "no id of a node");
    check(&format!("{short}/"), "cut off");
    check(&format!("{short}/{}", &signed[..signed.len() - 8]), "cut off");
    check(&format!("{short}/{}", &signed[..signed.len() - 1]), "cut off");
    check(&format!("{short}/1{}", &signed[1..]), "letter 1 after the `/`");
    check(&format!("{short}/{}", other.split_once('/').unwrap().1), "different nodes");
    check(&format!("{short}/{}", "A".repeat(400)), "letters are more than");
    assert_eq!(long.parse::<Short>(), Err(CodeRefusal::NotShort));
}

/// D1 refuses: addresses at which nobody can be, none, too many, and one twice.
#[test]
fn a_beacon_names_addresses_that_somebody_can_be_at() {
    let check = |texts: &[&str], expect: Option<BeaconRefusal>| {
        let addresses: Vec<SocketAddr> = texts.iter().map(|text| address(text)).collect();
        assert_eq!(Beacon::sign(&key(1), &addresses, EXPIRES).err(), expect, "{texts:?}");
    };
    check(&["127.0.0.1:1"], None);
    check(&["[2001:db8::1]:31415", "192.0.2.1:31415"], None);
    check(&[], Some(BeaconRefusal::NoAddress));
    for nobody in ["192.0.2.1:0", "0.0.0.0:1", "[::]:1", "224.0.0.251:1", "[ff02::1]:1"] {
        check(&[nobody], Some(BeaconRefusal::Unreachable(address(nobody))));
    }
    for nobody in ["255.255.255.255:1", "[::ffff:192.0.2.1]:1"] {
        check(&[nobody], Some(BeaconRefusal::Unreachable(address(nobody))));
    }
    let twice = ["192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:1"];
    check(&twice, Some(BeaconRefusal::Twice(address("192.0.2.1:1"))));
}

/// P5 accepts: so many addresses, and so many bytes.
/// P5 refuses: one more.
#[test]
fn addresses_and_bytes_of_a_beacon_are_limited() {
    let sign = |count: usize| Beacon::sign(&key(1), &addresses(count as u8), EXPIRES);
    let most = BEACON_ADDRESSES_MAX;
    assert!(sign(most - 1).is_ok());
    assert!(sign(most).is_ok());
    assert_eq!(sign(most + 1), Err(BeaconRefusal::ManyAddresses(most + 1)));
    let many = raw(&[[1u8; 6]; 9].iter().map(|raw| raw.to_vec()).collect::<Vec<_>>());
    assert_eq!(Beacon::admit(&many), Err(BeaconRefusal::ManyAddresses(9)));
    // 110 bytes and 20 for each address of IPv6, 8 for each of IPv4.
    let mixed = |six: u8, four: u8, expires| {
        let six = (0..six).map(|n| address(&format!("[2001:db8::{n}]:31415")));
        let all: Vec<SocketAddr> = six.chain(addresses(four)).collect();
        Beacon::sign(&key(1), &all, expires).map(|beacon| beacon.bytes().len())
    };
    assert_eq!(mixed(5, 2, EXPIRES), Ok(226));
    assert_eq!(mixed(6, 0, EXPIRES), Ok(230));
    assert_eq!(mixed(6, 0, u64::MAX), Err(BeaconRefusal::TooLong(234)));
    assert_eq!(BEACON_BYTES_MAX, 233);
    let longest = Beacon::admit(&[0; BEACON_BYTES_MAX + 1]);
    assert!(matches!(longest, Err(BeaconRefusal::Codec(CodecRefusal::Oversize { .. }))));
}

/// A beacon of key 1 with these addresses, whatever they are.
fn raw(addresses: &[Vec<u8>]) -> Vec<u8> {
    let addresses = addresses.iter().map(|raw| Rdata(raw.clone().into())).collect();
    let body =
        codec::encode(&RawBeacon { key: key(1).public().raw(), addresses, expires: EXPIRES });
    let signature = key(1).sign(Kind::Beacon, &Id::ZERO, &body);
    codec::encode(&Signed { body: Rdata(body.into()), signature })
}

/// D1 refuses: addresses of no length, and a signature of another kind or page.
#[test]
fn what_is_signed_is_read_strictly() {
    for length in [0, 1, 5, 7, 17, 19] {
        let refusal = Beacon::admit(&raw(&[vec![7; length]]));
        assert_eq!(refusal, Err(BeaconRefusal::AddressLength(length)));
    }
    let of_kind = |kind: Kind, page: &Id| {
        let Signed { body, .. } = codec::decode(beacon(1, EXPIRES).bytes(), 300).unwrap();
        let signature = key(1).sign(kind, page, &body.0);
        Beacon::admit(&codec::encode(&Signed { body, signature }))
    };
    assert!(of_kind(Kind::Beacon, &Id::ZERO).is_ok());
    let wrong = Err(BeaconRefusal::Signature(WrongSignature));
    assert_eq!(of_kind(Kind::Vote, &Id::ZERO), wrong);
    assert_eq!(of_kind(Kind::Beacon, &Id::hash(&[b"page"])), wrong);
}

/// D1 refuses: an expired beacon, and one that holds for too long.
#[test]
fn a_beacon_holds_until_it_expires_and_for_90_days_at_most() {
    let life = BEACON_LIFE_MAX.as_secs();
    let beacon = beacon(1, EXPIRES);
    let check = |now: u64, expect: Option<BeaconRefusal>| {
        assert_eq!(beacon.check_time(now).err(), expect, "{now}");
    };
    check(EXPIRES - 1, None);
    check(EXPIRES, Some(BeaconRefusal::Expired(EXPIRES)));
    check(EXPIRES - life, None);
    check(EXPIRES - life - 1, Some(BeaconRefusal::TooFarAhead(EXPIRES)));
    let said = beacon.check_time(EXPIRES).unwrap_err().to_string();
    assert!(said.contains("expired on 2027-01-15T08:00:00Z"), "{said}");
}

#[test]
fn as_many_addresses_are_signed_as_there_is_room_for() {
    let within = |addresses: &[SocketAddr], letters: usize| {
        let beacon = Beacon::sign_within(&key(1), addresses, EXPIRES, letters)?;
        assert!(beacon.to_string().len() <= letters);
        Ok::<_, BeaconRefusal>(beacon.addresses().len())
    };
    // A character-string of DNS has room for four of IPv4.
    assert_eq!(within(&addresses(9), 255), Ok(4));
    assert_eq!(within(&addresses(9), PRESENCE_BEACON_BYTES_MAX), Ok(8));
    let six = address("[2001:db8::1]:31415");
    assert_eq!(within(&[&[six], &addresses(3)[..]].concat(), 255), Ok(2));
    let mapped = [address("0.0.0.0:1"), address("[::ffff:192.0.2.1]:7"), address("192.0.2.1:7")];
    assert_eq!(within(&mapped, 255), Ok(1));
    assert_eq!(within(&mapped[..1], 255), Err(BeaconRefusal::NoAddress));
    assert!(matches!(within(&addresses(1), 100), Err(BeaconRefusal::TooLong(_))));
}

proptest! {
    /// D1 refuses: any byte changed.
    #[test]
    fn no_byte_of_a_beacon_can_be_changed(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut bytes = beacon(1, EXPIRES).bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(Beacon::admit(&bytes).is_err());
    }

    /// D1 refuses: any letter changed, in whatever part of the code.
    #[test]
    fn no_letter_of_a_code_can_be_changed(at in any::<prop::sample::Index>(), letter in " -~") {
        let code = beacon(1, EXPIRES).to_string();
        let at = at.index(code.len());
        let changed = format!("{}{letter}{}", &code[..at], &code[at + 1..]);
        prop_assume!(!changed.eq_ignore_ascii_case(&code));
        prop_assert!(changed.parse::<Code>().is_err(), "{changed}");
    }

    /// D1 refuses: any end of a code left out.
    #[test]
    fn no_code_can_be_cut(at in any::<prop::sample::Index>()) {
        let code = beacon(1, EXPIRES).to_string();
        let cut = &code[..at.index(code.len())];
        prop_assert!(!matches!(cut.parse(), Ok(Code::Long(_))), "{cut}");
    }
}

fn name() -> Name {
    Name::parse("ff.ct").unwrap()
}

fn owner(text: &str) -> Owner {
    Owner::parse(text, &name()).unwrap()
}

/// A page of participant 1 with BEACON records and a link at these owners.
fn page(records: &[(&str, &[String])], linked: Vec<String>) -> Governance {
    let strings = |texts: &[String]| -> Vec<u8> {
        texts.iter().flat_map(|text| [&[text.len() as u8][..], text.as_bytes()].concat()).collect()
    };
    let entry = |at: &str, rtype, rdata: Vec<u8>| {
        let sets = RecordSets::gather([(rtype, 60, rdata)], &owner(at), &name()).unwrap();
        (owner(at), sets)
    };
    let mut entries: Vec<_> =
        records.iter().map(|(at, texts)| entry(at, RecordType::BEACON, strings(texts))).collect();
    let link = PageLink { page: Id::ZERO, beacons: linked }.to_rdata().unwrap();
    entries.push(entry("sub", RecordType::PAGE, link));
    let roster = roster_rows([(key(1).public(), 1)]);
    let raw = RawGenesis::new(name(), roster, Parameters::default(), 1, Id::ZERO);
    Governance::new(Page::found(raw, entries).unwrap().0)
}

/// D6 accepts: beacons in presence, BEACON records and PAGE links, of each node the newest.
/// D6 refuses: what is no long beacon is passed over.
#[test]
fn a_page_holds_beacons_in_presences_records_and_links() {
    let code = |n: u8, expires: u64| beacon(n, expires).to_string();
    let (old, new) = (code(2, EXPIRES), code(2, EXPIRES + 1));
    let forged = code(4, EXPIRES).replace("/", "/A");
    let records: &[(&str, &[String])] = &[
        ("@", &[old.clone(), "abc".to_owned()]),
        ("node", &[new, "DMCT:0.5428:31415:a3f2c8b9".to_owned(), forged]),
    ];
    let mut page = page(records, vec![code(3, EXPIRES)]);
    let keys = |beacons: &[Beacon]| -> Vec<PublicKey> { beacons.iter().map(Beacon::key).collect() };
    let [two, three, five] = [2, 3, 5].map(|n| key(n).public());
    let verified = &mut Verified::default();
    let found = beacons_of(&page, verified);
    assert_eq!(keys(&found), [two, three]);
    assert_eq!(found[0].expires(), EXPIRES + 1);
    let said = Presence { beacons: vec![code(5, 9)], ..Presence::new(key(1).public().raw(), 1) };
    let said = Statement::sign(&page.page().id(), Body::Presence(said), &key(1)).unwrap();
    page.admit(&said).unwrap();
    assert_eq!(keys(&beacons_of(&page, verified)), [five, two, three]);
    assert_eq!(beacons_at(&page, &owner("@"), verified), [beacon(2, EXPIRES)]);
    assert_eq!(beacons_at(&page, &owner("nobody"), verified), []);
    let link = page.ratified(&owner("sub")).0.page_link().unwrap();
    assert_eq!(keys(&beacons_of_link(&link, verified)), [three]);
    let read = verified.read_count();
    assert_eq!(keys(&beacons_of(&page, verified)), [five, two, three]);
    assert_eq!(verified.read_count(), read, "each text is read once");
}

#[test]
fn so_many_texts_of_a_page_are_read_and_no_more() {
    let texts = |before: usize| {
        let rubbish = std::iter::repeat_n("DMCT:/".to_owned(), before);
        let texts = rubbish.chain([beacon(1, EXPIRES).to_string()]);
        beacons_among(texts, &mut Verified::default()).len()
    };
    assert_eq!(texts(BEACON_TEXTS_READ_MAX - 1), 1);
    assert_eq!(texts(BEACON_TEXTS_READ_MAX), 0);
}
