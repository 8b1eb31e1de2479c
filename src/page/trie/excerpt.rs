//! Excerpts: some leaves of a trie with their values, and what it takes to compute its root (P9).
//!
//! A proof for each of thousands of keys would repeat the upper nodes thousands of times; here every
//! node stands once. An excerpt shows what is there; that something is not, only a
//! [`super::Proof`] can show.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{DEPTH_MAX, Leaf, Node, ProofRefusal, Trie, leaf_hash, nibble, node_hash};
use crate::{
    id::Id,
    page::{codec::tagged, entry::Rdata},
};

/// Some leaves of a trie, checked by [`Excerpt::read`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// Node by node, each before what hangs below it.
    parts: Vec<Part>,
}

tagged! {
    /// A node of an excerpt.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Part {
        /// The hash of a subtree that is left out.
        0 => Hidden(Id),
        /// A branch: bit n is set when there is a child for nibble n. The children follow.
        1 => Branch(u16),
        /// The key and value of a leaf.
        2 => Leaf((Id, Rdata)),
    }
}

impl Trie {
    /// The leaves of those of `keys` that are there.
    pub fn excerpt(&self, keys: impl IntoIterator<Item = Id>) -> Excerpt {
        let mut keys: Vec<Id> = keys.into_iter().collect();
        keys.sort_unstable();
        let mut parts = Vec::new();
        if let Some(root) = &self.root {
            show(root, &keys, 0, &mut parts);
        }
        Excerpt { parts }
    }
}

/// Appends a node at `depth`: what lies on the way to the sorted `keys`, and hashes of the rest.
fn show(node: &Node, keys: &[Id], depth: usize, parts: &mut Vec<Part>) {
    match node {
        Node::Leaf(Leaf { key, value, .. }) if keys.binary_search(key).is_ok() => {
            parts.push(Part::Leaf((*key, Rdata(value.clone()))));
        }
        Node::Branch(branch) if !keys.is_empty() => {
            parts.push(Part::Branch(branch.mask));
            for n in (0..16).filter(|n| branch.has(*n)) {
                // They agree up to here, so that those with one nibble stand side by side.
                let from = keys.partition_point(|key| nibble(key, depth) < n);
                let to = keys.partition_point(|key| nibble(key, depth) <= n);
                show(&branch.children[branch.place(n)], &keys[from..to], depth + 1, parts);
            }
        }
        node => parts.push(Part::Hidden(node.hash())),
    }
}

impl Excerpt {
    /// The values that it shows under `root`, by their keys.
    ///
    /// # Errors
    /// Any [`ProofRefusal`].
    pub fn read(&self, root: &Id) -> Result<BTreeMap<Id, &[u8]>, ProofRefusal> {
        let mut reader =
            Reader { rest: self.parts.iter(), path: Vec::new(), leaves: BTreeMap::new() };
        let found = reader.node()?;
        if reader.rest.next().is_some() {
            return Err(ProofRefusal::Siblings);
        }
        if found != *root {
            return Err(ProofRefusal::OtherRoot);
        }
        Ok(reader.leaves)
    }
}

impl Excerpt {
    /// The same with only those of `keys` shown that it shows. Nothing is checked.
    #[must_use]
    pub fn narrowed(&self, keys: impl IntoIterator<Item = Id>) -> Excerpt {
        let keys = keys.into_iter().collect();
        let mut narrower = Narrower { rest: self.parts.iter(), keys, parts: Vec::new() };
        narrower.node();
        Excerpt { parts: narrower.parts }
    }
}

struct Narrower<'e> {
    rest: std::slice::Iter<'e, Part>,
    keys: BTreeSet<Id>,
    parts: Vec<Part>,
}

impl Narrower<'_> {
    /// The hash of the next node, and whether anything below it stays; none where parts are lacking.
    fn node(&mut self) -> Option<(Id, bool)> {
        let start = self.parts.len();
        let part = self.rest.next()?;
        self.parts.push(part.clone());
        let (hash, stays) = match part {
            Part::Hidden(hash) => (*hash, false),
            Part::Leaf((key, value)) => {
                (leaf_hash(key, &Id::hash(&[&value.0])), self.keys.contains(key))
            }
            Part::Branch(mask) => {
                let children = (0..mask.count_ones()).map(|_| self.node());
                let children: Vec<(Id, bool)> = children.collect::<Option<_>>()?;
                let stays = children.iter().any(|(_, stays)| *stays);
                (node_hash(*mask, children.into_iter().map(|(hash, _)| hash)), stays)
            }
        };
        if !stays {
            self.parts.truncate(start);
            self.parts.push(Part::Hidden(hash));
        }
        Some((hash, stays))
    }
}

struct Reader<'e> {
    rest: std::slice::Iter<'e, Part>,
    /// The nibbles that lead to the node being read.
    path: Vec<usize>,
    leaves: BTreeMap<Id, &'e [u8]>,
}

impl Reader<'_> {
    /// The hash of the next node.
    fn node(&mut self) -> Result<Id, ProofRefusal> {
        match self.rest.next().ok_or(ProofRefusal::Siblings)? {
            Part::Hidden(hash) => Ok(*hash),
            Part::Leaf((key, value)) => {
                let mut path = self.path.iter().enumerate();
                if !path.all(|(depth, n)| nibble(key, depth) == *n) {
                    return Err(ProofRefusal::ForeignLeaf);
                }
                self.leaves.insert(*key, &value.0);
                Ok(leaf_hash(key, &Id::hash(&[&value.0])))
            }
            Part::Branch(0) => Err(ProofRefusal::NotCompact),
            Part::Branch(_) if self.path.len() == DEPTH_MAX => Err(ProofRefusal::TooLong),
            Part::Branch(mask) => {
                let mut children = Vec::with_capacity(mask.count_ones() as usize);
                for n in (0..16).filter(|n| mask & 1 << n != 0) {
                    self.path.push(n);
                    children.push(self.node()?);
                    self.path.pop();
                }
                Ok(node_hash(*mask, children))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::page::codec;

    fn key(n: u16) -> Id {
        Id::hash(&[&n.to_be_bytes()])
    }

    fn trie(len: u16) -> Trie {
        Trie::from_pairs((0..len).map(|n| (key(n), Box::from(n.to_be_bytes()))))
    }

    proptest! {
        /// P9 accepts: leaves shown together under their root, and nothing else.
        #[test]
        fn an_excerpt_shows_what_there_is_of_its_keys(
            len in 1u16..300,
            keys in prop::collection::vec(0u16..400, 0..20),
        ) {
            let trie = trie(len);
            let excerpt = trie.excerpt(keys.iter().map(|n| key(*n)));
            let bytes = codec::encode(&excerpt);
            let excerpt: Excerpt = codec::decode(&bytes, bytes.len()).unwrap();
            let shown = excerpt.read(&trie.root()).unwrap();
            let there: BTreeMap<Id, Vec<u8>> = keys
                .iter()
                .filter(|n| **n < len)
                .map(|n| (key(*n), n.to_be_bytes().to_vec()))
                .collect();
            prop_assert!(shown.iter().map(|(key, value)| (*key, value.to_vec())).eq(there));
        }

        /// P9 refuses: an excerpt with any part changed, left out or added, and another root.
        #[test]
        fn an_excerpt_of_another_trie_is_refused(len in 2u16..99, at in any::<prop::sample::Index>()) {
            let trie = trie(len);
            let excerpt = trie.excerpt([key(0), key(1)]);
            prop_assert_eq!(excerpt.read(&key(0)), Err(ProofRefusal::OtherRoot));
            let at = at.index(excerpt.parts.len());
            let refused = |change: &dyn Fn(&mut Vec<Part>)| {
                let mut changed = excerpt.clone();
                change(&mut changed.parts);
                changed.read(&trie.root()).is_err()
            };
            prop_assert!(refused(&|parts| drop(parts.remove(at))));
            let hidden = || Part::Hidden(key(len));
            prop_assert!(refused(&|parts| parts.push(hidden())));
            prop_assert!(refused(&|parts| parts[at] = hidden()));
            prop_assert!(refused(&|parts| parts[at] = Part::Branch(0)));
        }
    }

    #[test]
    fn a_value_changed_is_another_root_and_no_depth_exhausts_the_reader() {
        let trie = trie(9);
        let mut excerpt = trie.excerpt([key(3)]);
        for part in &mut excerpt.parts {
            if let Part::Leaf((_, value)) = part {
                value.0[0] ^= 1;
            }
        }
        assert_eq!(excerpt.read(&trie.root()), Err(ProofRefusal::OtherRoot));
        let deep = Excerpt { parts: vec![Part::Branch(1); 100_000] };
        assert_eq!(deep.read(&trie.root()), Err(ProofRefusal::TooLong));
        let misplaced = Excerpt {
            parts: vec![
                Part::Branch(1),
                Part::Branch(2),
                Part::Leaf((key(0), Rdata(Box::new([])))),
            ],
        };
        assert_eq!(misplaced.read(&trie.root()), Err(ProofRefusal::ForeignLeaf));
        assert_eq!(Excerpt::default().read(&trie.root()), Err(ProofRefusal::Siblings));
    }

    #[test]
    fn an_excerpt_goes_no_deeper_than_to_its_keys() {
        let trie = trie(300);
        assert_eq!(trie.excerpt([]).parts, [Part::Hidden(trie.root())]);
        let branches = |part: &&Part| matches!(part, Part::Branch(_));
        let one = trie.excerpt([key(3)]);
        // 300 leaves stand two or three branches deep, of which only those on the way are shown.
        assert!(one.parts.iter().filter(branches).count() <= 4, "{:?}", one.parts);
    }
}
