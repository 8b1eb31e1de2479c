//! The names of a page with what stands at them, packed together by the hash of the name.
//!
//! A page may have a million names: kept each by itself they cost several times their octets, and each
//! lookup a row of jumps through memory. Here a bucket holds some two dozen of them in one piece, and
//! buckets come and go one by one as names do (linear hashing: Litwin, VLDB 1980), so that no change
//! ever moves more than two. A table is a value: a clone costs nothing, and a change of it copies one
//! bucket and the way to it. What the names mean is not known here.

use std::{
    hash::{BuildHasher, Hasher},
    mem,
};

use bytes::Bytes;
use foldhash::{
    SharedSeed,
    quality::{FoldHasher, RandomState},
};
use imbl::Vector;

use super::node::Node;

/// A map from owner names to their nodes.
#[derive(Clone)]
pub struct Table {
    /// At least one.
    buckets: Vector<Bucket>,
    len: usize,
    hashing: Hashing,
}

/// How a table hashes names, which others choose: each does it in its own way, by two numbers that
/// nobody else knows.
#[derive(Clone)]
struct Hashing {
    seeds: Seeds,
    shared: SharedSeed,
}

/// What a table's way of hashing follows from.
pub type Seeds = [u64; 2];

/// Nodes in one piece, numbers in little-endian order:
///
/// ```text
/// nodes u16, of each node one octet of its hash, of each where it ends u32, the nodes
/// ```
///
/// It may be a part of a larger piece, which is there as long as any part of it.
#[derive(Clone)]
struct Bucket(Bytes);

/// Names a bucket has when a table is built (choice: as many tags as one line of a cache has room for
/// beside the rest).
const BUILT: usize = 16;
/// Names a bucket has on average at most, and at least (choice: a change copies a page of memory).
const FULL: usize = 24;
const SPARSE: usize = 8;

const HEAD: usize = 2;
const END: usize = 4;

impl Table {
    /// A table without names.
    pub fn new() -> Table {
        let empty = Bucket::of(&[]);
        Table { buckets: Vector::unit(empty), len: 0, hashing: Hashing::new() }
    }

    /// A table of these nodes. Of two with one owner the later counts.
    pub fn gather(nodes: impl Iterator<Item = Vec<u8>>) -> Table {
        let hashing = Hashing::new();
        // All in one piece until the number of buckets is known.
        let (mut octets, mut places) = (Vec::new(), Vec::new());
        for node in nodes {
            places.push((hashing.hash(Node(&node).owner()), octets.len()));
            octets.extend_from_slice(&node);
        }
        let count = places.len().div_ceil(BUILT).max(1);
        let mut ends = places.iter().skip(1).map(|(_, start)| *start).collect::<Vec<_>>();
        ends.push(octets.len());
        let mut sorted: Vec<(usize, u64, usize, usize)> = places
            .iter()
            .zip(ends)
            .map(|((hash, start), end)| (index(*hash, count), *hash, *start, end))
            .collect();
        // Stable: the later of two stays behind the earlier.
        sorted.sort_by_key(|(index, ..)| *index);
        let mut rest = sorted.into_iter().peekable();
        let (mut buckets, mut len) = (Vector::new(), 0);
        for number in 0..count {
            let mut kept: Vec<(u8, &[u8])> = Vec::with_capacity(2 * BUILT);
            while let Some((_, hash, start, end)) = rest.next_if(|(index, ..)| *index == number) {
                let node = &octets[start..end];
                let tag = tag(hash);
                kept.retain(|(other, at)| *other != tag || Node(at).owner() != Node(node).owner());
                kept.push((tag, node));
            }
            len += kept.len();
            buckets.push_back(Bucket::of(&kept));
        }
        Table { buckets, len, hashing }
    }

    /// A table of buckets that one like it had; none where they are not: each name must be where it is
    /// looked for, and once.
    pub fn restore(seeds: Seeds, buckets: impl Iterator<Item = Bytes>) -> Option<Table> {
        let hashing = Hashing::of(seeds);
        let buckets: Vector<Bucket> = buckets.map(Bucket).collect();
        let (mut len, count) = (0, buckets.len());
        for (place, bucket) in buckets.iter().enumerate() {
            let is_here = |tag_here, owner: &[u8]| {
                let hash = hashing.hash(owner);
                index(hash, count) == place && tag(hash) == tag_here
            };
            len += bucket.check(is_here)?;
        }
        (count > 0).then_some(Table { buckets, len, hashing })
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// What [`Table::restore`] makes the same table of.
    pub fn seeds(&self) -> Seeds {
        self.hashing.seeds
    }

    /// The octets of each bucket, for [`Table::restore`].
    pub fn buckets(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.buckets.iter().map(|bucket| &bucket.0[..])
    }

    /// The node of this owner (lower-case wire form).
    pub fn get(&self, owner: &[u8]) -> Option<Node<'_>> {
        let hash = self.hashing.hash(owner);
        let bucket = self.buckets.get(index(hash, self.buckets.len()))?;
        bucket.find(tag(hash), owner).map(|(_, node)| node)
    }

    /// All nodes, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Node<'_>> {
        self.buckets.iter().flat_map(|bucket| bucket.nodes().map(|(_, node)| Node(node)))
    }

    /// Puts a node, in place of the one of its owner if there is one.
    pub fn put(&mut self, node: &[u8]) {
        let owner = Node(node).owner();
        let hash = self.hashing.hash(owner);
        let place = index(hash, self.buckets.len());
        let bucket = &self.buckets[place];
        let known = bucket.find(tag(hash), owner).map(|(n, _)| n);
        let mut kept: Vec<(u8, &[u8])> = bucket.nodes().collect();
        match known {
            Some(n) => kept[n] = (tag(hash), node),
            None => kept.push((tag(hash), node)),
        }
        let bucket = Bucket::of(&kept);
        self.buckets.set(place, bucket);
        if known.is_none() {
            self.len += 1;
            if self.len > FULL * self.buckets.len() {
                self.split();
            }
        }
    }

    /// Takes the node of this owner away, if there is one.
    pub fn remove(&mut self, owner: &[u8]) {
        let hash = self.hashing.hash(owner);
        let place = index(hash, self.buckets.len());
        let bucket = &self.buckets[place];
        let Some((n, _)) = bucket.find(tag(hash), owner) else { return };
        let mut kept: Vec<(u8, &[u8])> = bucket.nodes().collect();
        kept.swap_remove(n);
        let bucket = Bucket::of(&kept);
        self.buckets.set(place, bucket);
        self.len -= 1;
        if self.buckets.len() > 1 && self.len < SPARSE * self.buckets.len() {
            self.merge();
        }
    }

    /// Notes how many children the node of this owner has; false when there is none.
    pub fn set_children(&mut self, owner: &[u8], children: u32) -> bool {
        let hash = self.hashing.hash(owner);
        let place = index(hash, self.buckets.len());
        let Some(bucket) = self.buckets.get_mut(place) else { return false };
        let Some((n, node)) = bucket.find(tag(hash), owner) else { return false };
        if node.children() == children {
            return true;
        }
        let end = bucket.end(n);
        let start = end - node.octets().len();
        bucket.change(|octets| Node::set_children(&mut octets[start..end], children));
        true
    }

    /// One more bucket, for half of what is in one of the others.
    fn split(&mut self) {
        let new = self.buckets.len();
        let source = index(new as u64, new);
        let parted = self.buckets[source].clone();
        let hash = |node: &[u8]| self.hashing.hash(Node(node).owner());
        let (stay, go): (Vec<_>, Vec<_>) =
            parted.nodes().partition(|(_, node)| index(hash(node), new + 1) == source);
        self.buckets.set(source, Bucket::of(&stay));
        self.buckets.push_back(Bucket::of(&go));
    }

    /// One bucket less: what is in the last goes back to where it came from.
    fn merge(&mut self) {
        let Some(last) = self.buckets.pop_back() else { return };
        let left = self.buckets.len();
        let source = index(left as u64, left);
        let both = self.buckets[source].clone();
        let all: Vec<_> = both.nodes().chain(last.nodes()).collect();
        self.buckets.set(source, Bucket::of(&all));
    }
}

impl Default for Table {
    fn default() -> Table {
        Table::new()
    }
}

impl Hashing {
    fn new() -> Hashing {
        let number = || RandomState::default().hash_one(0u8);
        Hashing::of([number(), number()])
    }

    fn of(seeds: Seeds) -> Hashing {
        Hashing { seeds, shared: SharedSeed::from_u64(seeds[1]) }
    }

    fn hash(&self, owner: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seeds[0], &self.shared);
        hasher.write(owner);
        hasher.finish()
    }
}

/// Which of `count` buckets a name of this hash is in: as many of its low bits as count the buckets, or
/// one less where there is no such bucket yet.
fn index(hash: u64, count: usize) -> usize {
    let mask = count.next_power_of_two() - 1;
    let index = hash as usize & mask;
    if index < count { index } else { index & (mask >> 1) }
}

/// The octet of a hash by which most other names of a bucket are told apart without being looked at.
fn tag(hash: u64) -> u8 {
    (hash >> 56) as u8
}

impl Bucket {
    fn of(nodes: &[(u8, &[u8])]) -> Bucket {
        let octets: usize = nodes.iter().map(|(_, node)| node.len()).sum();
        let mut bytes = Vec::with_capacity(HEAD + nodes.len() * (1 + END) + octets);
        bytes.extend_from_slice(&(nodes.len() as u16).to_le_bytes());
        bytes.extend(nodes.iter().map(|(tag, _)| *tag));
        let mut end = 0;
        for (_, node) in nodes {
            end += node.len() as u32;
            bytes.extend_from_slice(&end.to_le_bytes());
        }
        nodes.iter().for_each(|(_, node)| bytes.extend_from_slice(node));
        Bucket(bytes.into())
    }

    /// The tags, the ends, and the nodes.
    fn parts(&self) -> (&[u8], &[[u8; END]], &[u8]) {
        let count = usize::from(u16::from_le_bytes([self.0[0], self.0[1]]));
        let (tags, rest) = self.0[HEAD..].split_at(count);
        let (ends, nodes) = rest.split_at(END * count);
        (tags, ends.as_chunks().0, nodes)
    }

    /// How many nodes there are, if all is as [`Bucket::of`] writes it and each node is where it belongs.
    fn check(&self, is_here: impl Fn(u8, &[u8]) -> bool) -> Option<usize> {
        let (count, rest) = self.0.split_first_chunk()?;
        let count = usize::from(u16::from_le_bytes(*count));
        let (tags, rest) = rest.split_at_checked(count)?;
        let (ends, nodes) = rest.split_at_checked(END * count)?;
        let (ends, mut start) = (ends.as_chunks::<END>().0, 0);
        for (n, tag) in tags.iter().enumerate() {
            let node = Node::read(nodes.get(start..end(ends, n))?)?;
            // No two of one name: the first would hide the other.
            if !is_here(*tag, node.owner()) || self.find(*tag, node.owner())?.0 != n {
                return None;
            }
            start = end(ends, n);
        }
        (start == nodes.len()).then_some(count)
    }

    /// Changes the octets where they are, if nobody else has them.
    fn change(&mut self, change: impl FnOnce(&mut [u8])) {
        let mut octets = match mem::take(&mut self.0).try_into_mut() {
            Ok(octets) => octets,
            Err(shared) => shared[..].into(),
        };
        change(&mut octets);
        self.0 = octets.freeze();
    }

    /// The node of this owner, and which of the bucket's it is.
    fn find(&self, tag: u8, owner: &[u8]) -> Option<(usize, Node<'_>)> {
        let (tags, ends, nodes) = self.parts();
        let node = |n| (n, Node(node(ends, nodes, n)));
        memchr::memchr_iter(tag, tags).map(node).find(|(_, node)| node.owner() == owner)
    }

    fn nodes(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let (tags, ends, nodes) = self.parts();
        tags.iter().enumerate().map(move |(n, tag)| (*tag, node(ends, nodes, n)))
    }

    /// Where a node ends, counted from the beginning of all.
    fn end(&self, n: usize) -> usize {
        let (tags, ends, _) = self.parts();
        HEAD + (1 + END) * tags.len() + end(ends, n)
    }
}

fn end(ends: &[[u8; END]], n: usize) -> usize {
    u32::from_le_bytes(ends[n]) as usize
}

fn node<'b>(ends: &[[u8; END]], nodes: &'b [u8], n: usize) -> &'b [u8] {
    let start = n.checked_sub(1).map_or(0, |before| end(ends, before));
    &nodes[start..end(ends, n)]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::page::entry::RecordSets;

    fn node(owner: &[u8], children: u32) -> Vec<u8> {
        Node::build(owner, children, &RecordSets::NONE, 0)
    }

    fn owner(n: u16) -> Vec<u8> {
        let label = format!("n{n}");
        [&[label.len() as u8], label.as_bytes()].concat()
    }

    /// Every name is in the bucket in which it is looked for, and their number is right.
    fn invariant(table: &Table, expect: &BTreeMap<Vec<u8>, u32>) {
        assert_eq!(table.len, expect.len());
        assert_eq!(table.iter().count(), expect.len());
        for (owner, children) in expect {
            let found = table.get(owner).map(|node| (node.owner().to_vec(), node.children()));
            assert_eq!(found, Some((owner.clone(), *children)));
        }
        let count = table.buckets.len();
        assert!(table.len <= FULL * count && (count == 1 || table.len >= SPARSE * count));
    }

    proptest! {
        #[test]
        fn a_table_after_any_history_holds_what_was_put_last(
            built in prop::collection::vec((0u16..400, 0u32..9), 0..400),
            deeds in prop::collection::vec((0u16..400, prop::option::weighted(0.6, 0u32..9)), 0..600),
        ) {
            let first = built.iter().map(|(n, children)| node(&owner(*n), *children));
            let mut table = Table::gather(first);
            let mut expect: BTreeMap<Vec<u8>, u32> =
                built.iter().map(|(n, children)| (owner(*n), *children)).collect();
            let before = (table.clone(), expect.clone());
            for (n, children) in deeds {
                match children {
                    Some(children) if children % 3 == 0 => {
                        let is_known = expect.contains_key(&owner(n));
                        prop_assert_eq!(table.set_children(&owner(n), children), is_known);
                        expect.entry(owner(n)).and_modify(|known| *known = children);
                    }
                    Some(children) => {
                        table.put(&node(&owner(n), children));
                        expect.insert(owner(n), children);
                    }
                    None => {
                        table.remove(&owner(n));
                        expect.remove(&owner(n));
                    }
                }
            }
            invariant(&table, &expect);
            // What was cloned is as it was.
            for (owner, children) in &before.1 {
                prop_assert_eq!(before.0.get(owner).map(Node::children), Some(*children));
            }
        }
    }

    #[test]
    fn buckets_come_and_go_with_the_names() {
        let mut table = Table::new();
        let mut expect = BTreeMap::new();
        for n in 0..5000 {
            table.put(&node(&owner(n), u32::from(n)));
            expect.insert(owner(n), u32::from(n));
        }
        invariant(&table, &expect);
        assert!(table.buckets.len() > 200);
        for n in 0..4990 {
            table.remove(&owner(n));
            expect.remove(&owner(n));
        }
        invariant(&table, &expect);
        assert_eq!(table.buckets.len(), 1);
        assert!(table.get(&owner(1)).is_none());
    }
}
