//! Transfers from requests to records, without a socket.

use std::collections::BTreeSet;

use super::{tsig::Signer, *};
use crate::{
    limits::TRANSFERS_MAX,
    page::{
        entry::{Entry, RecordSets},
        entry_key,
        name::Owner,
        rdata,
        trie::Trie,
    },
};

const NOW: u64 = 1_700_000_000;

/// The state that has these entries: lines of an owner, a type and data.
fn state(page: &str, lines: &[&str]) -> Trie {
    let page = Name::parse(page).unwrap();
    let mut owners: Vec<&str> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    owners.sort_unstable();
    owners.dedup();
    Trie::from_pairs(owners.into_iter().map(|label| {
        let owner = Owner::parse(label, &page).unwrap();
        let loose = lines.iter().filter_map(|line| {
            let mut words = line.splitn(4, ' ');
            let (here, ttl) = (words.next()?, words.next()?.parse().unwrap());
            let rtype: RecordType = words.next()?.parse().unwrap();
            let data = rdata::parse_text(rtype, words.next()?, &page).unwrap();
            (here == label).then_some((rtype, ttl, data))
        });
        let sets = RecordSets::gather(loose, &owner, &page).unwrap();
        leaf(&owner, sets)
    }))
}

fn leaf(owner: &Owner, sets: RecordSets) -> (Id, Box<[u8]>) {
    let entry = Entry::initial(owner.clone(), sets);
    (entry_key(owner), [&[0][..], &entry].concat().into())
}

fn key() -> Key {
    Key::new(Name::parse("mirror").unwrap(), Algorithm::Sha256, &[5; 32]).unwrap()
}

fn transfers() -> Transfers {
    let transfers = Transfers::new(|| NOW);
    let allow = vec!["192.0.2.0/24".parse().unwrap()];
    transfers.set_rules(Some(Rules::new(key(), allow)));
    transfers
}

fn put(transfers: &Transfers, page: &str, serial: u32, lines: &[&str]) {
    let name = Name::parse(page).unwrap();
    let sealed = Sealed { serial, state: state(page, lines) };
    transfers.put(Id::hash(&[name.wire()]), &name, sealed, None);
}

/// A request for a transfer, before it is signed; of changes since `serial`.
fn request(page: &str, qtype: RecordType, serial: Option<u32>) -> Vec<u8> {
    let name = Name::parse(page).unwrap();
    let mut request = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, u8::from(serial.is_some()), 0, 0];
    request.extend_from_slice(name.wire());
    request.extend_from_slice(&qtype.0.to_be_bytes());
    request.extend_from_slice(&[0, 1]);
    if let Some(serial) = serial {
        let rdata = apex::soa_rdata(serial);
        request.extend_from_slice(&[0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 0, 0, rdata.len() as u8]);
        request.extend_from_slice(&rdata);
    }
    request
}

fn signed(mut request: Vec<u8>, key: Key, now: u64) -> Vec<u8> {
    Signer::of_request(Arc::new(key)).sign(&mut request, now);
    request
}

const CLIENT: Client =
    Client { address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), transport: Transport::Stream };

fn handle(transfers: &Transfers, message: &[u8], client: Client) -> Handled {
    transfers.handle(&View::new(), message, client)
}

/// All records of a transfer, as one writes them: owner, TTL, type and data.
fn records(transfer: &mut Transfer) -> Vec<String> {
    let mut records = Vec::new();
    while let Some(message) = transfer.next(NOW) {
        let read = hickory_proto::op::Message::from_vec(&message).unwrap();
        records.extend(read.answers.iter().map(|record| {
            let data = record.data.to_string();
            format!("{} {} {} {data}", record.name, record.ttl, record.record_type())
        }));
    }
    records
}

fn transferred(transfers: &Transfers, page: &str, since: Option<u32>) -> Vec<String> {
    let qtype = if since.is_some() { RecordType::IXFR } else { RecordType::AXFR };
    let request = signed(request(page, qtype, since), key(), NOW);
    match handle(transfers, &request, CLIENT) {
        Handled::Transfer(mut transfer) => records(&mut transfer),
        Handled::Answer(_, answer, Signing::Signer(_)) => {
            vec![format!("{} {}", answer.rcode, answer.answer.len())]
        }
        _ => panic!("neither"),
    }
}

fn soa(page: &str, serial: u32) -> String {
    format!("{page} 3600 SOA localhost. nobody.invalid. {serial} 3600 600 604800 60")
}

#[test]
fn a_whole_page_is_between_its_soa_and_its_soa() {
    let transfers = transfers();
    put(&transfers, "ct", 4, &["@ 60 MX 10 mail", "www 60 A 192.0.2.1", "www 60 A 192.0.2.2"]);
    let mut records = transferred(&transfers, "ct", None);
    assert_eq!((records.remove(0), records.pop()), (soa("ct.", 4), Some(soa("ct.", 4))));
    records.sort();
    let expect = [
        "ct. 3600 NS localhost.",
        "ct. 60 MX 10 mail.ct.",
        "www.ct. 60 A 192.0.2.1",
        "www.ct. 60 A 192.0.2.2",
    ];
    assert_eq!(records, expect);
}

#[test]
fn what_changed_is_taken_away_first_and_then_added() {
    let transfers = transfers();
    let before =
        ["a 60 A 192.0.2.1", "a 60 A 192.0.2.2", "b 60 A 192.0.2.3", "c 60 TXT x", "d 1 A 1.1.1.1"];
    put(&transfers, "ct", 4, &before);
    put(
        &transfers,
        "ct",
        5,
        &["a 60 A 192.0.2.1", "b 61 A 192.0.2.3", "c 60 TXT x", "d 1 A 1.1.1.1"],
    );
    let [new, old] = [soa("ct.", 5), soa("ct.", 4)];
    let expect = [
        &new,
        &old,
        "a.ct. 60 A 192.0.2.2",
        "b.ct. 60 A 192.0.2.3",
        &new,
        "b.ct. 61 A 192.0.2.3",
        &new,
    ];
    let mut found = transferred(&transfers, "ct", Some(4));
    found[2..4].sort();
    assert_eq!(found, expect);
    assert_eq!(transferred(&transfers, "ct", Some(5)), ["NOERROR 1"]);
    assert_eq!(transferred(&transfers, "ct", Some(6)), ["NOERROR 1"]);
    // Never seen: all of it.
    assert_eq!(transferred(&transfers, "ct", Some(3)), transferred(&transfers, "ct", None));
}

#[test]
fn an_alias_of_a_subtree_is_no_change_of_its_own() {
    let transfers = transfers();
    let rest = ["x 1 A 1.1.1.1", "y 1 A 1.1.1.1", "z 1 A 1.1.1.1", "www.d 60 A 192.0.2.1"];
    put(&transfers, "ct", 1, &rest);
    put(&transfers, "ct", 2, &[&rest[..], &["d 60 DNAME e.ct."]].concat());
    let found = transferred(&transfers, "ct", Some(1));
    assert!(found.iter().any(|record| record.starts_with("d.ct. 60 DNAME ")), "{found:?}");
    assert!(!found.iter().any(|record| record.starts_with("www.d.ct.")), "{found:?}");
    put(&transfers, "ct", 3, &rest);
    let found = transferred(&transfers, "ct", Some(2));
    assert!(found.contains(&"www.d.ct. 60 A 192.0.2.1".to_owned()), "{found:?}");
}

#[test]
fn the_root_page_has_the_addresses_of_its_server_once() {
    let transfers = transfers();
    put(
        &transfers,
        ".",
        1,
        &["ct 60 TXT x", "www 60 A 192.0.2.1", "a 1 A 1.1.1.1", "b 1 A 1.1.1.1"],
    );
    let of_server = |records: Vec<String>| -> BTreeSet<String> {
        records.into_iter().filter(|record| record.starts_with("localhost. ")).collect()
    };
    let made = ["localhost. 3600 A 127.0.0.1", "localhost. 3600 AAAA ::1"].map(str::to_owned);
    assert_eq!(of_server(transferred(&transfers, ".", None)), made.into());
    let entry =
        ["ct 60 TXT x", "localhost 60 A 127.0.0.1", "localhost 60 A 127.0.0.2", "a 1 A 1.1.1.1"];
    put(&transfers, ".", 2, &entry);
    let both =
        ["localhost. 3600 AAAA ::1", "localhost. 60 A 127.0.0.1", "localhost. 60 A 127.0.0.2"];
    assert_eq!(of_server(transferred(&transfers, ".", None)), both.map(str::to_owned).into());
}

#[test]
fn what_other_servers_refuse_stays_here_and_private_types_go_as_they_are() {
    let transfers = transfers();
    let page = format!("p 60 PAGE {}", Id::hash(&[b"x"]));
    put(&transfers, "ct", 1, &["a 60 TYPE3 \\# 1 00", "a 60 A 192.0.2.1", &page]);
    let found = transferred(&transfers, "ct", None);
    assert_eq!(found.len(), 6, "{found:?}");
    assert!(found.iter().any(|record| record.starts_with("p.ct. 60 Unknown ")), "{found:?}");
    // Where it is delegated, nobody who mirrors this page alone denies what is below.
    assert!(found.contains(&"p.ct. 3600 NS localhost.".to_owned()), "{found:?}");
    // An entry that was deleted stands for nothing.
    let owner = Owner::parse("a", &Name::parse("ct").unwrap()).unwrap();
    let mut gone = state("ct", &[&page]);
    let (key, value) = leaf(&owner, RecordSets::NONE);
    gone.insert(key, value);
    let name = Name::parse("ct").unwrap();
    transfers.put(Id::hash(&[name.wire()]), &name, Sealed { serial: 2, state: gone }, None);
    assert_eq!(transferred(&transfers, "ct", None).len(), 5);
}

/// Who may not, and why: with the response code and the error of the signature.
#[test]
fn only_a_request_that_is_signed_and_allowed_gets_a_page() {
    let transfers = transfers();
    put(&transfers, "ct", 1, &["a 60 A 192.0.2.1"]);
    let plain = |page: &str| request(page, RecordType::AXFR, None);
    let check = |message: &[u8], client: Client, expect: &str| {
        let found = match handle(&transfers, message, client) {
            Handled::Not => "not".to_owned(),
            Handled::Unsigned(..) => "unsigned".to_owned(),
            Handled::Transfer(_) => "transfer".to_owned(),
            Handled::Answer(_, answer, signing) => {
                let signing = match signing {
                    Signing::None => "none".to_owned(),
                    Signing::Signer(_) => "signed".to_owned(),
                    Signing::Fault(_, fault, _) => format!("{}", fault as u16),
                };
                format!("{} {signing}", answer.rcode)
            }
        };
        assert_eq!(found, expect, "{message:02x?}");
    };
    let from = |address: &str| Client { address: address.parse().unwrap(), ..CLIENT };
    let good = signed(plain("ct"), key(), NOW);
    check(&good, CLIENT, "transfer");
    check(&good, from("192.0.2.9"), "transfer");
    check(&good, from("198.51.100.1"), "REFUSED none");
    check(&good, Client { transport: Transport::Udp, ..CLIENT }, "FORMERR signed");
    check(&plain("ct"), CLIENT, "REFUSED none");
    check(&good[..good.len() - 1], CLIENT, "FORMERR none");
    check(&signed(plain("other"), key(), NOW), CLIENT, "NOTAUTH signed");
    check(&signed(plain("a.ct"), key(), NOW), CLIENT, "NOTAUTH signed");
    let other = Key::new(Name::parse("mirror").unwrap(), Algorithm::Sha256, &[6; 32]).unwrap();
    check(&signed(plain("ct"), other, NOW), CLIENT, "NOTAUTH 16");
    let unknown = Key::new(Name::parse("who").unwrap(), Algorithm::Sha256, &[5; 32]).unwrap();
    check(&signed(plain("ct"), unknown, NOW), CLIENT, "NOTAUTH 17");
    check(&signed(plain("ct"), key(), NOW - 301), CLIENT, "NOTAUTH 18");
    check(&signed(request("ct", RecordType::SOA, None), key(), NOW), CLIENT, "NOERROR signed");
    check(&signed(request("ct", RecordType::A, None), key(), NOW), CLIENT, "unsigned");
    check(&request("ct", RecordType::A, None), CLIENT, "not");
    let ixfr = |serial| signed(request("ct", RecordType::IXFR, serial), key(), NOW);
    check(&ixfr(None), CLIENT, "FORMERR signed");
    check(&ixfr(Some(0)), CLIENT, "transfer");
    check(&ixfr(Some(0)), Client { transport: Transport::Udp, ..CLIENT }, "NOERROR signed");
    let mut update = good.clone();
    update[2] |= 5 << 3;
    check(&update, CLIENT, "not");
    transfers.set_rules(None);
    check(&good, CLIENT, "not");
}

#[test]
fn a_page_that_is_let_go_of_is_transferred_no_more() {
    let transfers = transfers();
    put(&transfers, "ct", 1, &["a 60 A 192.0.2.1"]);
    transfers.keep(|_| false);
    assert_eq!(transferred(&transfers, "ct", None), ["NOTAUTH 0"]);
}

#[test]
fn so_many_transfers_at_a_time_and_one_more_when_one_ends() {
    let transfers = transfers();
    put(&transfers, "ct", 1, &["a 60 A 192.0.2.1"]);
    let request = signed(request("ct", RecordType::AXFR, None), key(), NOW);
    let mut held: Vec<Handled> =
        (0..TRANSFERS_MAX).map(|_| handle(&transfers, &request, CLIENT)).collect();
    assert_eq!(transferred(&transfers, "ct", None), ["SERVFAIL 0"]);
    held.pop();
    assert_eq!(transferred(&transfers, "ct", None).len(), 4);
}

/// 100,000 names, and a seal while they are read: the reader has the page as it was when it began.
#[test]
fn a_long_transfer_is_of_one_state_and_fits_its_messages() {
    let transfers = transfers();
    let name = Name::parse("ct").unwrap();
    let sets = |n: u32| {
        let data = (n + 1).to_be_bytes().to_vec();
        let owner = Owner::parse(&format!("host-{n}"), &name).unwrap();
        let sets = RecordSets::gather([(RecordType::A, 60, data)], &owner, &name).unwrap();
        leaf(&owner, sets)
    };
    let mut state = Trie::from_pairs((0..100_000).map(sets));
    let id = Id::hash(&[b"long"]);
    transfers.put(id, &name, Sealed { serial: 1, state: state.clone() }, None);
    let request = signed(request("ct", RecordType::AXFR, None), key(), NOW);
    let Handled::Transfer(mut transfer) = handle(&transfers, &request, CLIENT) else {
        panic!("it is allowed");
    };
    let (mut messages, mut octets, mut count) = (0, 0, 0);
    while let Some(message) = transfer.next(NOW) {
        if messages == 1 {
            (0..100).for_each(|n| assert!(state.remove(&sets(n).0)));
            transfers.put(id, &name, Sealed { serial: 2, state: state.clone() }, None);
        }
        let answers = u16::from_be_bytes([message[6], message[7]]);
        assert!(message.len() <= 65535 && tsig::take(&message).unwrap().is_some());
        (messages, octets, count) =
            (messages + 1, octets + message.len(), count + u64::from(answers));
    }
    assert_eq!(count, 100_000 + 3);
    // A label, a pointer, and 14 octets of an address.
    assert!(octets < 100_000 * 28 && messages < 50, "{octets} {messages}");
    assert_eq!(transferred(&transfers, "ct", Some(1)).len(), 4 + 100);
}

/// A record that no message has room for is left out, and what is beside it is not.
#[test]
fn a_record_that_is_too_long_for_any_message_is_left_out() {
    let transfers = transfers();
    let name = Name::parse("ct").unwrap();
    let owner = Owner::parse("a", &name).unwrap();
    let opaque = RecordType(65_400);
    let long = |len: usize| (opaque, 60, vec![7; len]);
    let sealed = |len| {
        let sets = RecordSets::gather([long(len)], &owner, &name).unwrap();
        Sealed { serial: len as u32, state: Trie::from_pairs([leaf(&owner, sets)]) }
    };
    transfers.put(Id::ZERO, &name, sealed(65_300), None);
    assert_eq!(transferred(&transfers, "ct", None).len(), 4);
    transfers.put(Id::ZERO, &name, sealed(65_450), None);
    assert_eq!(transferred(&transfers, "ct", None).len(), 3);
}

/// The names that are written as pointers are those of the types that everybody reads so.
#[test]
fn names_are_pointers_only_where_all_software_follows_them() {
    let transfers = transfers();
    put(&transfers, "ct", 1, &["a 60 NS ns.x.ct.", "b 60 SRV 1 2 3 ns.x.ct.", "c 60 CNAME ct."]);
    let request = signed(request("ct", RecordType::AXFR, None), key(), NOW);
    let Handled::Transfer(mut transfer) = handle(&transfers, &request, CLIENT) else {
        panic!("it is allowed");
    };
    let message = transfer.next(NOW).unwrap();
    let has = |octets: &[u8]| message.windows(octets.len()).any(|window| window == octets);
    assert!(has(b"\x00\x07\x02ns\x01x\xc0\x0c"), "{message:02x?}");
    assert!(has(b"\x00\x0f\0\x01\0\x02\0\x03\x02ns\x01x\x02ct\0"), "{message:02x?}");
    assert!(has(b"\x00\x02\xc0\x0c"), "{message:02x?}");
}
