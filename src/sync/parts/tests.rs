//! Parts of any trie: restored as they were, and nothing else restored.

use proptest::prelude::*;

use super::*;
use crate::page::{
    entry_key,
    name::{Name, Owner},
    trie::{Fetch, Path, Trie},
};

const MAX: usize = 1 << 20;

/// Entries as founded and as changed, and leaves that are something else.
fn pairs() -> impl Strategy<Value = Vec<(Id, Box<[u8]>)>> {
    let sets = prop::collection::vec(any::<u8>(), 0..20);
    let row = ("[a-c]{1,3}", 0u8..3, 0u8..2, sets).prop_map(|(label, kind, version, sets)| {
        let owner = [&[label.len() as u8], label.as_bytes()].concat();
        let leaf = Page::entry_leaf(&owner, &Id::from_bytes([version; 32]), &sets);
        let (key, value) = leaf.unwrap();
        match kind {
            0 => (Id::hash(&[&sets]), Box::from(sets)),
            1 => (Id::hash(&[&owner]), value),
            _ => (key, value),
        }
    });
    prop::collection::vec(row, 0..60)
}

proptest! {
    #[test]
    fn a_piece_is_restored_as_it_was(pairs in pairs(), budget in 0usize..3000) {
        let trie = Trie::from_pairs(pairs);
        let piece = trie.piece(&Path::ROOT, budget).unwrap();
        let bytes = write(&piece);
        prop_assert_eq!(read(&bytes, MAX), Ok(piece));
        for len in 0..bytes.len() {
            prop_assert_ne!(read(&bytes[..len], MAX).map(|piece| write(&piece)), Ok(bytes.clone()));
        }
    }

    /// N5 refuses: a piece with any bit changed; what it was to show is still lacking.
    #[test]
    fn a_piece_with_one_bit_changed_is_refused(
        pairs in pairs(),
        budget in 0usize..900,
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let trie = Trie::from_pairs(pairs);
        let mut bytes = write(&trie.piece(&Path::ROOT, budget).unwrap());
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        let mut fetch = Fetch::new(trie.root(), Trie::default());
        if let Ok(other) = read(&bytes, MAX) {
            prop_assert_eq!(&write(&other), &bytes);
            let taken = fetch.take(&Path::ROOT, other);
            prop_assert!(taken.is_err() || trie.is_empty(), "{:?}", taken);
            prop_assert_eq!(fetch.lacking(), usize::from(!trie.is_empty()));
        }
    }

    #[test]
    fn any_bytes_are_refused_or_have_one_spelling(
        bytes in prop::collection::vec(prop_oneof![0u8..6, any::<u8>()], 0..120),
    ) {
        if let Ok(piece) = read(&bytes, MAX) {
            prop_assert_eq!(write(&piece), bytes);
            let _ = piece.read(&Path::ROOT, &Id::ZERO);
        }
    }
}

#[test]
fn entries_that_are_alike_take_few_bytes() {
    let owner = |n: u32| Owner::parse(&format!("n{n:07}"), &Name::parse("bench").unwrap()).unwrap();
    let pair = |n: u32| {
        let mut sets = vec![0x91, 0x93, 1, 0xcd, 0x0e, 0x10, 0x91, 0xc4, 4, 10];
        sets.extend(&n.to_be_bytes()[1..]);
        let (key, value) = Page::entry_leaf(owner(n).wire(), &Id::ZERO, &sets).unwrap();
        assert_eq!(key, entry_key(&owner(n)));
        (key, value)
    };
    let trie = Trie::from_pairs((0..1000).map(pair));
    let bytes = write(&trie.piece(&Path::ROOT, MAX).unwrap());
    assert!(bytes.len() < 20 * 1000, "{} bytes", bytes.len());
}

/// N6 refuses: a few bytes that would be many.
#[test]
fn what_is_told_in_few_bytes_has_a_limit_restored() {
    let mut bytes = vec![ORIGIN, 0, 1, b'a', 0];
    write_length(ENTRY_BYTES_MAX, &mut bytes);
    bytes.resize(bytes.len() + ENTRY_BYTES_MAX, 7);
    let mut same = vec![ORIGIN, 1, 0];
    write_length(ENTRY_BYTES_MAX, &mut same);
    same.push(0);
    (0..20).for_each(|_| bytes.extend(&same));
    assert_eq!(read(&bytes, MAX), Err(PartsRefusal::TooLarge(MAX)));
    assert!(read(&bytes, 21 * (ENTRY_BYTES_MAX + 100)).is_ok());
}

#[test]
fn second_spellings_are_refused() {
    let check = |bytes: &[u8], expect| assert_eq!(read(bytes, MAX), Err(expect), "{bytes:?}");
    let zeros = [0; 32];
    check(&[&[ENTRY][..], &zeros, &[0, 1, b'a', 0, 0]].concat(), PartsRefusal::SecondSpelling);
    check(&[ORIGIN, 0, 1, b'a', 0, 0, ORIGIN, 0, 1, b'a', 0, 0], PartsRefusal::SecondSpelling);
    check(&[ORIGIN, 0x80, 0, 1, b'a', 0, 0], PartsRefusal::Length);
    check(&[ORIGIN, 1, 0, 0, 0], PartsRefusal::Length);
    check(&[9], PartsRefusal::UnknownKind(9));
    check(&[HIDDEN, 1], PartsRefusal::Truncated);
    let (key, value) = Page::entry_leaf(b"\x01a", &Id::ZERO, &[0x90]).unwrap();
    let plain = [&[LEAF][..], key.as_bytes(), &[value.len() as u8], &value[..]].concat();
    check(&plain, PartsRefusal::SecondSpelling);
}
