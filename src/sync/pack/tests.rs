//! Anything packed is restored, byte for byte, and what repeats itself takes little room.

use proptest::prelude::*;

use super::*;
use crate::{
    governance::{
        ballot::Batch,
        operation::{Change, Operation, SetEntry},
        statement::{Body, Statement},
    },
    key::SecretKey,
    page::{entry::Rdata, entry::RecordSet, name::Name, record::RecordType},
};

const MAX: usize = 1 << 20;

fn page() -> Id {
    Id::hash(&[b"page"])
}

fn common() -> Common {
    Common::page(&page())
}

fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32])
}

fn operation(n: u32) -> Statement {
    let owner = Owner::parse(&format!("n{n:07}"), &Name::parse("bench").unwrap()).unwrap();
    let parent = origin_version(&page(), &owner);
    let rdata = vec![Rdata(n.to_be_bytes().into())];
    let sets = vec![RecordSet { rtype: RecordType::A, ttl: 3600, rdata }];
    let change = Change::SetEntry(SetEntry { owner, parent, sets });
    let base = Id::hash(&[b"seal"]);
    let operation = Operation { author: key().public().raw(), slot: n, base, change };
    Statement::sign(&page(), Body::Operation(operation), &key()).unwrap()
}

/// Operations in the order of their ids, and the batch of them.
fn batch(count: u32) -> Vec<Statement> {
    let mut said: Vec<Statement> = (0..count).map(operation).collect();
    said.sort_by_key(Statement::id);
    let operations = said.iter().map(Statement::id).collect();
    let (author, base) = (key().public().raw(), Id::hash(&[b"seal"]));
    let batch = Batch { author, slot: 0, base, operations };
    said.push(Statement::sign(&page(), Body::Batch(batch), &key()).unwrap());
    said
}

fn check(items: &[Vec<u8>]) -> usize {
    let packed = pack(items.iter().map(Vec::as_slice), common());
    assert_eq!(unpack(&packed, common(), MAX, items.len()), Ok(items.to_vec()));
    packed.len()
}

fn bytes(said: &[Statement]) -> Vec<Vec<u8>> {
    said.iter().map(|statement| statement.bytes().to_vec()).collect()
}

/// N4: each of many changes takes little more than its signature, and a batch of them next to nothing.
#[test]
fn a_batch_takes_little_more_than_its_signatures() {
    let said = bytes(&batch(500));
    let (whole, operations) = (check(&said), check(&said[..500]));
    assert!(operations < 500 * 100, "{operations} bytes");
    assert!(whole - operations < 200, "{} bytes", whole - operations);
    // As one by itself it lists what it lists.
    assert!(check(&said[500..]) > 500 * 32);
}

#[test]
fn what_both_sides_have_is_not_told() {
    let said = batch(100);
    let ids: Vec<Id> = said[..100].iter().map(Statement::id).collect();
    let id = said[100].id();
    let known = || common().with_batches([(&id, &ids[..])]);
    let item = codec::encode(&(&page(), &ids, &id));
    let packed = pack([&item[..]], known());
    assert!(packed.len() < 60, "{} bytes", packed.len());
    assert_eq!(unpack(&packed, known(), MAX, 1), Ok(vec![item.clone()]));
    assert_ne!(unpack(&packed, common(), MAX, 1), Ok(vec![item]));
}

proptest! {
    #[test]
    fn anything_is_restored(
        items in prop::collection::vec(prop::collection::vec(prop_oneof![0u8..3, any::<u8>()], 0..300), 0..9),
    ) {
        check(&items);
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(prop_oneof![0u8..20, any::<u8>()], 0..200)) {
        if let Ok(items) = unpack(&bytes, common(), 5000, 8) {
            prop_assert!(items.len() <= 8 && items.iter().map(Vec::len).sum::<usize>() <= 5000);
        }
    }

    #[test]
    fn a_packed_answer_that_is_cut_or_changed_never_passes_for_the_same(
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let said = bytes(&batch(4));
        let mut packed = pack(said.iter().map(Vec::as_slice), common());
        let at = at.index(packed.len());
        prop_assert_ne!(unpack(&packed[..at], common(), MAX, 9), Ok(said.clone()));
        packed[at] ^= 1 << bit;
        let _ = unpack(&packed, common(), MAX, 9);
    }
}

/// N6 refuses: a few bytes that would be many, and more items than were asked for.
#[test]
fn what_is_told_in_few_bytes_has_a_limit_restored() {
    let item = vec![7; 1000];
    let packed = pack([&item[..], &item[..]], common());
    assert_eq!(unpack(&packed, common(), 2000, 2), Ok(vec![item.clone(), item]));
    assert_eq!(unpack(&packed, common(), 1999, 2), Err(PackRefusal::TooLarge(1999)));
    assert_eq!(unpack(&packed, common(), 2000, 1), Err(PackRefusal::TooMany(1)));
}

#[test]
fn steps_that_lead_nowhere_are_refused() {
    let check = |bytes: &[u8], expect| {
        assert_eq!(unpack(bytes, common(), MAX, 9), Err(expect), "{bytes:?}");
    };
    check(&[10, 4 << 2 | 1, 99], PackRefusal::NoCopy);
    check(&[10, 4 << 2 | 1, 3], PackRefusal::NoCopy);
    check(&[10, 9 << 2, 0], PackRefusal::NoCopy);
    check(&[200, 1, 3 << 2 | 2], PackRefusal::NoOwner);
    check(&[10, 0], PackRefusal::NoStep);
    check(&[10, 4 << 2 | 3], PackRefusal::NoStep);
    check(&[10, 1 << 2], PackRefusal::Numbers(PartsRefusal::Truncated));
}
