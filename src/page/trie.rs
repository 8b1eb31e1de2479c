//! The state trie (P9): a persistent Merkle trie of radix 16 with one root for one content.
//!
//! Keys are hashes, so the shape depends on the contents alone and not on the order of
//! insertion. A clone costs nothing; a change copies one path. What the values mean is not known
//! here. Its parts travel between nodes as pieces (N5).
//!
//! ```text
//! leaf = H(0x00, key, H(value))    node = H(0x01, 16 children)    empty = H(0x02)
//! ```
//! A subtree that holds one leaf is that leaf, wherever it hangs.

use std::sync::Arc;

use crate::id::Id;

mod excerpt;
mod fetch;
mod piece;
mod proof;

pub use excerpt::{Excerpt, Part};
pub use fetch::{Fetch, WHOLE, Want};
pub use piece::{Path, Piece, Read};
pub use proof::{Proof, ProofRefusal};

/// Nibbles of a key, and so the deepest that a leaf can hang.
const DEPTH_MAX: usize = 64;

/// A map from 32 byte keys to bytes with a Merkle root.
#[derive(Clone, Default)]
pub struct Trie {
    root: Option<Arc<Node>>,
    len: usize,
}

#[derive(Clone)]
enum Node {
    Leaf(Leaf),
    Branch(Branch),
}

#[derive(Clone)]
struct Leaf {
    key: Id,
    /// H(0x00, key, H(value)).
    hash: Id,
    value: Box<[u8]>,
}

#[derive(Clone)]
struct Branch {
    hash: Id,
    /// Bit n is set when there is a child for nibble n.
    mask: u16,
    /// The children that exist, in the order of their nibbles.
    children: Vec<Arc<Node>>,
}

/// One difference between two tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference<'a> {
    pub key: Id,
    pub left: Option<&'a [u8]>,
    pub right: Option<&'a [u8]>,
}

impl Trie {
    /// The trie of these pairs. Of equal keys the later pair counts. Hashes every node once.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (Id, Box<[u8]>)>) -> Trie {
        let mut pairs: Vec<(Id, Box<[u8]>)> = pairs.into_iter().collect();
        // Before they become leaves: keys side by side sort in half the time that keys behind
        // pointers take. Stable, so that the later of two equal keys stays behind the earlier.
        pairs.sort_by_key(|(key, _)| *key);
        pairs.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        let leaf = |(key, value): (Id, Box<[u8]>)| Arc::new(Node::Leaf(Leaf::new(key, value)));
        let leaves: Vec<Arc<Node>> = pairs.into_iter().map(leaf).collect();
        let len = leaves.len();
        Trie { root: build(&leaves, 0), len }
    }

    /// The trie of leaves that are hashed already. Of equal keys the later counts.
    fn from_leaves<'n>(leaves: impl Iterator<Item = &'n Arc<Node>>) -> Trie {
        let mut leaves: Vec<(Id, &Arc<Node>)> = leaves.map(|n| (n.first_key(), n)).collect();
        leaves.sort_by_key(|(key, _)| *key);
        leaves.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                *earlier = *later;
            }
            same
        });
        let leaves: Vec<Arc<Node>> = leaves.into_iter().map(|(_, node)| node.clone()).collect();
        Trie { root: build(&leaves, 0), len: leaves.len() }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The root hash: equal for equal contents, and only for them.
    pub fn root(&self) -> Id {
        self.root.as_ref().map_or_else(empty_hash, |node| node.hash())
    }

    /// The value of `key`.
    pub fn get(&self, key: &Id) -> Option<&[u8]> {
        let mut node = self.root.as_deref()?;
        for depth in 0.. {
            match node {
                Node::Leaf(leaf) => return (leaf.key == *key).then_some(&leaf.value),
                Node::Branch(branch) => node = branch.child(nibble(key, depth))?,
            }
        }
        None
    }

    /// Sets the value of `key`.
    pub fn insert(&mut self, key: Id, value: impl Into<Box<[u8]>>) {
        let leaf = Leaf::new(key, value.into());
        match &mut self.root {
            None => {
                self.root = Some(Arc::new(Node::Leaf(leaf)));
                self.len = 1;
            }
            Some(root) => self.len += usize::from(insert(root, leaf, 0)),
        }
    }

    /// Removes `key`; returns whether it was there.
    pub fn remove(&mut self, key: &Id) -> bool {
        if self.get(key).is_none() {
            return false;
        }
        self.root = self.root.take().and_then(|root| remove(root, key, 0));
        self.len -= 1;
        true
    }

    /// All pairs, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Id, &[u8])> {
        leaves(self.root.as_deref())
    }

    /// All pairs after this key, in the order of their keys; all there are, where it is none.
    pub fn after(&self, key: Option<&Id>) -> impl Iterator<Item = (&Id, &[u8])> {
        walk(self.root.as_deref().map_or_else(Vec::new, |root| after(root, key)))
    }

    /// Reports every key on which two tries differ, descending only where hashes differ.
    pub fn diff<'a>(&'a self, right: &'a Trie, report: &mut dyn FnMut(Difference<'a>)) {
        diff(self.root.as_deref(), right.root.as_deref(), 0, report);
    }

    /// A proof that `key` has its value, or has none, under [`Trie::root`].
    pub fn prove(&self, key: &Id) -> Proof {
        let mut steps = Vec::new();
        let mut next = self.root.as_deref();
        while let Some(Node::Branch(branch)) = next {
            let nibble = nibble(key, steps.len());
            steps.push(branch.step(nibble));
            next = branch.child(nibble);
        }
        let end = match next {
            Some(Node::Leaf(leaf)) => Some((leaf.key, Id::hash(&[&leaf.value]))),
            _ => None,
        };
        Proof::new(steps, end)
    }
}

impl Leaf {
    fn new(key: Id, value: Box<[u8]>) -> Leaf {
        let hash = leaf_hash(&key, &Id::hash(&[&value]));
        Leaf { key, hash, value }
    }
}

impl Branch {
    fn new(mask: u16, children: Vec<Arc<Node>>) -> Branch {
        let mut branch = Branch { hash: Id::ZERO, mask, children };
        branch.rehash();
        branch
    }

    fn rehash(&mut self) {
        let children = self.children.iter().map(|child| child.hash());
        self.hash = node_hash(self.mask, children);
    }

    fn has(&self, nibble: usize) -> bool {
        self.mask & 1 << nibble != 0
    }

    /// Where the child of `nibble` is, or would be.
    fn place(&self, nibble: usize) -> usize {
        (self.mask & ((1 << nibble) - 1)).count_ones() as usize
    }

    fn child(&self, nibble: usize) -> Option<&Node> {
        self.has(nibble).then(|| &*self.children[self.place(nibble)])
    }

    /// What a proof needs to hash this node again from its child at `nibble`.
    fn step(&self, nibble: usize) -> proof::Step {
        let others = self.mask & !(1 << nibble);
        let hash = |n: usize| self.child(n).filter(|_| n != nibble).map(Node::hash);
        proof::Step { others, siblings: (0..16).filter_map(hash).collect() }
    }
}

impl Node {
    fn hash(&self) -> Id {
        match self {
            Node::Leaf(leaf) => leaf.hash,
            Node::Branch(branch) => branch.hash,
        }
    }

    /// The key of the leftmost leaf: it shares its first nibbles with all others below.
    fn first_key(&self) -> Id {
        let mut node = self;
        loop {
            match node {
                Node::Leaf(leaf) => return leaf.key,
                Node::Branch(branch) => node = &branch.children[0],
            }
        }
    }
}

/// All pairs below a node, in the order of their keys.
fn leaves(node: Option<&Node>) -> impl Iterator<Item = (&Id, &[u8])> {
    walk(node.into_iter().collect())
}

/// All pairs below these nodes, the last of them first.
fn walk(mut stack: Vec<&Node>) -> impl Iterator<Item = (&Id, &[u8])> {
    std::iter::from_fn(move || {
        loop {
            match stack.pop()? {
                Node::Leaf(leaf) => return Some((&leaf.key, &*leaf.value)),
                Node::Branch(branch) => {
                    stack.extend(branch.children.iter().rev().map(|child| &**child));
                }
            }
        }
    })
}

/// The nodes that hold what comes after this key, the first of them last.
fn after<'n>(root: &'n Node, key: Option<&Id>) -> Vec<&'n Node> {
    let Some(key) = key else { return vec![root] };
    let (mut later, mut next) = (Vec::new(), Some(root));
    for depth in 0.. {
        match next {
            Some(Node::Branch(branch)) => {
                let nibble = nibble(key, depth);
                let before = branch.place(nibble) + usize::from(branch.has(nibble));
                later.extend(branch.children[before..].iter().rev().map(|child| &**child));
                next = branch.child(nibble);
            }
            Some(leaf @ Node::Leaf(Leaf { key: there, .. })) => {
                later.extend((there > key).then_some(leaf));
                break;
            }
            None => break,
        }
    }
    later
}

/// All leaves below a node as nodes.
fn leaf_nodes(node: &Arc<Node>) -> impl Iterator<Item = &Arc<Node>> {
    let mut stack = vec![node];
    std::iter::from_fn(move || {
        loop {
            let node = stack.pop()?;
            match &**node {
                Node::Leaf(_) => return Some(node),
                Node::Branch(branch) => stack.extend(branch.children.iter().rev()),
            }
        }
    })
}

fn nibble(key: &Id, depth: usize) -> usize {
    let byte = key.as_bytes()[depth / 2];
    usize::from(if depth.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
}

fn leaf_hash(key: &Id, value_hash: &Id) -> Id {
    Id::hash(&[&[0], key.as_bytes(), value_hash.as_bytes()])
}

fn empty_hash() -> Id {
    Id::hash(&[&[2]])
}

/// H(0x01, 16 children), where `children` are those of the set bits in `mask`.
fn node_hash(mask: u16, children: impl IntoIterator<Item = Id>) -> Id {
    use std::sync::LazyLock;
    static EMPTY: LazyLock<Id> = LazyLock::new(empty_hash);
    let mut bytes = [1; 1 + 16 * 32];
    let mut children = children.into_iter();
    for (n, place) in bytes[1..].chunks_exact_mut(32).enumerate() {
        let present = if mask & 1 << n != 0 { children.next() } else { None };
        place.copy_from_slice(present.unwrap_or(*EMPTY).as_bytes());
    }
    Id::hash(&[&bytes])
}

/// Builds the subtree of sorted, distinct leaves that agree in their first `depth` nibbles.
fn build(leaves: &[Arc<Node>], depth: usize) -> Option<Arc<Node>> {
    if leaves.len() <= 1 {
        return leaves.first().cloned();
    }
    let mut mask = 0;
    let mut children = Vec::new();
    let same = |a: &Arc<Node>, b: &Arc<Node>| {
        nibble(&a.first_key(), depth) == nibble(&b.first_key(), depth)
    };
    for group in leaves.chunk_by(same) {
        mask |= 1 << nibble(&group[0].first_key(), depth);
        children.extend(build(group, depth + 1));
    }
    children.shrink_to_fit();
    Some(Arc::new(Node::Branch(Branch::new(mask, children))))
}

/// Inserts below `node`, which hangs at `depth`; returns whether the key is new.
fn insert(node: &mut Arc<Node>, leaf: Leaf, depth: usize) -> bool {
    debug_assert!(depth <= DEPTH_MAX);
    if let Node::Leaf(present) = &**node {
        let is_new = present.key != leaf.key;
        let leaf = Arc::new(Node::Leaf(leaf));
        *node = if is_new { join(node.clone(), leaf, depth) } else { leaf };
        return is_new;
    }
    let Node::Branch(branch) = Arc::make_mut(node) else { unreachable!("leaves returned above") };
    let nibble = nibble(&leaf.key, depth);
    let place = branch.place(nibble);
    let is_new = if branch.has(nibble) {
        insert(&mut branch.children[place], leaf, depth + 1)
    } else {
        branch.mask |= 1 << nibble;
        branch.children.insert(place, Arc::new(Node::Leaf(leaf)));
        true
    };
    branch.rehash();
    is_new
}

/// The subtree at `depth` of two leaves with different keys.
fn join(a: Arc<Node>, b: Arc<Node>, depth: usize) -> Arc<Node> {
    let (left, right) = (nibble(&a.first_key(), depth), nibble(&b.first_key(), depth));
    let mask = 1 << left | 1 << right;
    let children = match left.cmp(&right) {
        std::cmp::Ordering::Less => vec![a, b],
        std::cmp::Ordering::Greater => vec![b, a],
        std::cmp::Ordering::Equal => vec![join(a, b, depth + 1)],
    };
    Arc::new(Node::Branch(Branch::new(mask, children)))
}

/// Removes a key that is there; returns what is left of the subtree.
fn remove(mut node: Arc<Node>, key: &Id, depth: usize) -> Option<Arc<Node>> {
    let Node::Branch(branch) = Arc::make_mut(&mut node) else { return None };
    let nibble = nibble(key, depth);
    let place = branch.place(nibble);
    match remove(branch.children.remove(place), key, depth + 1) {
        Some(rest) => branch.children.insert(place, rest),
        None => branch.mask &= !(1 << nibble),
    }
    if let [only] = branch.children.as_slice()
        && matches!(**only, Node::Leaf(_))
    {
        return Some(only.clone());
    }
    branch.rehash();
    Some(node)
}

fn diff<'a>(
    left: Option<&'a Node>,
    right: Option<&'a Node>,
    depth: usize,
    report: &mut dyn FnMut(Difference<'a>),
) {
    if left.map(Node::hash) == right.map(Node::hash) {
        return;
    }
    let both_end = [left, right].iter().all(|node| !matches!(node, Some(Node::Branch(_))));
    if both_end {
        return diff_leaves(left, right, report);
    }
    for n in 0..16 {
        diff(below(left, n, depth), below(right, n, depth), depth + 1, report);
    }
}

/// The part of `node`, which hangs at `depth`, that belongs to nibble `n`.
fn below(node: Option<&Node>, n: usize, depth: usize) -> Option<&Node> {
    match node? {
        Node::Branch(branch) => branch.child(n),
        leaf @ Node::Leaf(Leaf { key, .. }) => (nibble(key, depth) == n).then_some(leaf),
    }
}

fn diff_leaves<'a>(
    left: Option<&'a Node>,
    right: Option<&'a Node>,
    report: &mut dyn FnMut(Difference<'a>),
) {
    let leaf = |node: Option<&'a Node>| match node {
        Some(Node::Leaf(leaf)) => Some((leaf.key, &*leaf.value)),
        _ => None,
    };
    match (leaf(left), leaf(right)) {
        (Some((key, a)), Some((other, b))) if key == other => {
            report(Difference { key, left: Some(a), right: Some(b) });
        }
        (left, right) => {
            if let Some((key, value)) = left {
                report(Difference { key, left: Some(value), right: None });
            }
            if let Some((key, value)) = right {
                report(Difference { key, left: None, right: Some(value) });
            }
        }
    }
}

#[cfg(test)]
mod tests;
