//! The trie against a BTreeMap.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::page::codec;

type Map = BTreeMap<Id, Vec<u8>>;

/// Keys that share long prefixes, so that deep paths occur.
fn key() -> impl Strategy<Value = Id> {
    (0u8..4, 0u8..4, 0u8..3, any::<bool>()).prop_map(|(a, b, c, deep)| {
        let mut bytes = [a << 4; 32];
        bytes[if deep { 31 } else { 1 }] ^= b;
        bytes[2] ^= c;
        Id::from_bytes(bytes)
    })
}

fn map() -> impl Strategy<Value = Map> {
    prop::collection::btree_map(key(), prop::collection::vec(any::<u8>(), 0..4), 0..40)
}

fn trie(map: &Map) -> Trie {
    Trie::from_pairs(map.iter().map(|(key, value)| (*key, value.clone().into())))
}

proptest! {
    #[test]
    fn any_history_with_the_same_contents_has_the_same_root(
        map in map(),
        strays in prop::collection::vec(key(), 0..20),
        shuffle in any::<prop::sample::Index>(),
    ) {
        let mut grown = Trie::default();
        let mut pairs: Vec<_> = map.iter().collect();
        if !pairs.is_empty() {
            let middle = shuffle.index(pairs.len());
            pairs.rotate_left(middle);
        }
        strays.iter().for_each(|key| grown.insert(*key, *b"stray"));
        pairs.iter().for_each(|(key, value)| grown.insert(**key, value.as_slice()));
        for key in strays.iter().filter(|key| !map.contains_key(key)) {
            grown.remove(key);
        }
        prop_assert_eq!(grown.root(), trie(&map).root());
        prop_assert_eq!(grown.len(), map.len());
        prop_assert_eq!(grown.is_empty(), map.is_empty());
        let pairs: Map = grown.iter().map(|(key, value)| (*key, value.to_vec())).collect();
        prop_assert_eq!(pairs, map);
    }

    #[test]
    fn a_walk_goes_on_after_any_key(map in map(), key in key()) {
        let trie = trie(&map);
        let found: Map = trie.after(Some(&key)).map(|(key, value)| (*key, value.to_vec())).collect();
        let mut expect = map.clone();
        expect.retain(|other, _| *other > key);
        prop_assert_eq!(found, expect);
        let order: Vec<Id> = trie.after(None).map(|(key, _)| *key).collect();
        prop_assert!(order.is_sorted() && order.len() == map.len());
    }

    #[test]
    fn a_proof_shows_the_value_or_its_absence_and_nothing_else(map in map(), key in key()) {
        let trie = trie(&map);
        let proof = trie.prove(&key);
        let value = map.get(&key).map(Vec::as_slice);
        prop_assert_eq!(trie.get(&key), value);
        prop_assert_eq!(proof.check(&trie.root(), &key, value), Ok(()));
        prop_assert_eq!(
            proof.check(&trie.root(), &key, Some(b"other value")),
            Err(ProofRefusal::OtherValue)
        );
        if value.is_some() {
            prop_assert_eq!(
                proof.check(&trie.root(), &key, None),
                Err(ProofRefusal::OtherValue)
            );
        }
        prop_assert!(proof.check(&Id::hash(&[b"no root"]), &key, value).is_err());
        let bytes = codec::encode(&proof);
        prop_assert_eq!(codec::decode::<Proof>(&bytes, bytes.len()), Ok(proof));
    }

    #[test]
    fn a_proof_for_one_key_proves_no_absence_of_another(map in map(), key in key()) {
        let trie = trie(&map);
        for other in map.keys().filter(|other| **other != key) {
            let proof = trie.prove(&key);
            prop_assert_ne!(proof.check(&trie.root(), other, None), Ok(()));
        }
    }

    #[test]
    fn a_diff_is_the_difference_of_the_maps(left in map(), right in map()) {
        let (a, b) = (trie(&left), trie(&right));
        let mut found = BTreeMap::new();
        a.diff(&b, &mut |d| {
            found.insert(d.key, (d.left.map(<[u8]>::to_vec), d.right.map(<[u8]>::to_vec)));
        });
        let keys = left.keys().chain(right.keys());
        let expect: BTreeMap<_, _> = keys
            .map(|key| (*key, (left.get(key).cloned(), right.get(key).cloned())))
            .filter(|(_, (l, r))| l != r)
            .collect();
        prop_assert_eq!(found, expect);
    }
}

#[test]
fn a_million_entries_agree_with_a_map_and_one_change_copies_one_path() {
    let key = |n: u32| Id::hash(&[&n.to_be_bytes()]);
    let value = |n: u32| Box::from(n.to_be_bytes());
    let all = Trie::from_pairs((0..1_000_000).map(|n| (key(n), value(n))));
    assert_eq!(all.len(), 1_000_000);
    assert!((0..1_000_000).step_by(997).all(|n| all.get(&key(n)) == Some(&n.to_be_bytes())));
    assert!(all.iter().map(|(key, _)| key).is_sorted());

    let mut changed = all.clone();
    changed.insert(key(7), *b"new");
    assert!(changed.remove(&key(8)));
    let mut differences = Vec::new();
    all.diff(&changed, &mut |difference| differences.push(difference.key));
    differences.sort_unstable();
    let mut expect = [key(7), key(8)];
    expect.sort_unstable();
    assert_eq!(differences, expect);
    changed.insert(key(7), value(7));
    changed.insert(key(8), value(8));
    assert_eq!(changed.root(), all.root());
}

#[test]
fn of_equal_keys_the_later_counts() {
    let key = Id::hash(&[b"k"]);
    let twice = Trie::from_pairs([(key, Box::from(*b"1")), (key, Box::from(*b"2"))]);
    assert_eq!(twice.get(&key), Some(b"2".as_slice()));
    assert_eq!(twice.len(), 1);
}

#[test]
fn forged_proofs_are_refused() {
    let keys: Vec<Id> = (0u8..20).map(|n| Id::hash(&[&[n]])).collect();
    let trie = Trie::from_pairs(keys.iter().map(|key| (*key, Box::from(*b"v"))));
    let (root, key) = (trie.root(), keys[3]);
    let proof = trie.prove(&key);
    let foreign = Proof { end: vec![keys[4], Id::hash(&[b"v"])], ..proof.clone() };
    assert_eq!(foreign.check(&root, &key, None), Err(ProofRefusal::ForeignLeaf));
    let no_end = Proof { end: Vec::new(), ..proof.clone() };
    assert!(no_end.check(&root, &key, None).is_err());
    let mut longer = proof.clone();
    longer.steps = vec![longer.steps[0].clone(); 65];
    assert_eq!(longer.check(&root, &key, None), Err(ProofRefusal::TooLong));
    let mut short = proof;
    short.steps[0].siblings.pop();
    assert_eq!(short.check(&root, &key, Some(b"v")), Err(ProofRefusal::Siblings));
}
