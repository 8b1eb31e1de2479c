//! Pieces: a part of a trie below a path, shown from the top as far as so many bytes reach (P9, N5).
//!
//! A trie travels in pieces, from whoever has it: each is checked by itself against the hash that is
//! known for its path, and names the subtrees that it leaves out by theirs. Who asks for which piece
//! when is [`super::Fetch`]'s business.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    Branch, DEPTH_MAX, Leaf, Node, ProofRefusal, Trie, empty_hash, excerpt::Part, nibble, node_hash,
};
use crate::{id::Id, page::entry::Rdata};

/// The way from the root to a subtree: the first nibbles of all keys below it. It travels as `bin`,
/// one octet for each nibble.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<u8>);

/// A part of a trie below a path, checked by [`Piece::read`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Node by node, each before what hangs below it; none: the trie is empty.
    parts: Vec<Part>,
}

/// What a piece shows, once it was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    pub leaves: Vec<(Id, Vec<u8>)>,
    /// Where the subtrees hang that are left out, and their hashes.
    pub hidden: Vec<(Path, Id)>,
}

/// Bytes of a subtree that is left out: its tag and its hash.
const HIDDEN_BYTES: usize = 36;
/// Bytes of a leaf beside its value: its tag, its key and the heads of both.
const LEAF_BYTES: usize = 44;

impl Path {
    /// The whole trie.
    pub const ROOT: Path = Path(Vec::new());

    /// The path of the first `len` nibbles of a key, at most 64.
    pub fn of(key: &Id, len: usize) -> Path {
        Path((0..len.min(DEPTH_MAX)).map(|depth| nibble(key, depth) as u8).collect())
    }

    /// The path one nibble longer; of `n` the lowest four bits count.
    #[must_use]
    pub fn child(&self, n: usize) -> Path {
        let mut nibbles = Vec::with_capacity(self.0.len() + 1);
        nibbles.extend_from_slice(&self.0);
        nibbles.push((n & 15) as u8);
        Path(nibbles)
    }

    /// How many nibbles it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it leads to the root.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a key lies below it.
    pub fn leads_to(&self, key: &Id) -> bool {
        self.nibbles().enumerate().all(|(depth, n)| nibble(key, depth) == n)
    }

    pub(super) fn nibbles(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|n| usize::from(*n))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("/")?;
        self.0.iter().try_for_each(|n| write!(f, "{n:x}"))
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Path, D::Error> {
        let Rdata(nibbles) = Rdata::deserialize(deserializer)?;
        if nibbles.len() > DEPTH_MAX || nibbles.iter().any(|n| *n > 15) {
            return Err(de::Error::custom("a path has at most 64 nibbles"));
        }
        Ok(Path(nibbles.into()))
    }
}

impl Trie {
    /// What hangs at a path, from the top as far as about `bytes_max` bytes reach: level by level, so
    /// that a small subtree is there whole. The uppermost node is shown in any case. `None`: nothing
    /// hangs there, and the path is not the root's.
    pub fn piece(&self, path: &Path, bytes_max: usize) -> Option<Piece> {
        let Some(node) = self.at(path) else {
            return path.is_empty().then(Piece::default);
        };
        let shown = shown(node, bytes_max);
        let mut parts = Vec::with_capacity(shown.len());
        write(&shown, 0, &mut parts);
        Some(Piece { parts })
    }

    /// The hash of what hangs at a path: at the root that of the whole, elsewhere none if there is
    /// nothing.
    pub fn hash_at(&self, path: &Path) -> Option<Id> {
        match self.at(path) {
            Some(node) => Some(node.hash()),
            None => path.is_empty().then(empty_hash),
        }
    }

    /// All pairs below a path, in the order of their keys.
    pub fn leaves_below(&self, path: &Path) -> impl Iterator<Item = (&Id, &[u8])> {
        super::leaves(self.at(path).map(|node| &**node))
    }

    /// The node that hangs at a path; a leaf that hangs higher stands at every path to its key.
    pub(super) fn at(&self, path: &Path) -> Option<&Arc<Node>> {
        let mut node = self.root.as_ref()?;
        for n in path.nibbles() {
            match &**node {
                Node::Leaf(leaf) => return path.leads_to(&leaf.key).then_some(node),
                Node::Branch(branch) if branch.has(n) => node = &branch.children[branch.place(n)],
                Node::Branch(_) => return None,
            }
        }
        Some(node)
    }
}

/// Bytes of a subtree that is shown whole or not at all (choice): asking for each of its leaves would cost
/// more.
const SMALL_BYTES: usize = 4096;

/// A node that is chosen for a piece, or its hash.
#[derive(Clone, Copy)]
struct Shown<'t> {
    node: &'t Node,
    /// Where its children stand, if more than its hash is shown.
    below: Option<usize>,
}

/// Chooses level by level what is shown, the uppermost node first.
fn shown(node: &Node, bytes_max: usize) -> Vec<Shown<'_>> {
    let mut shown = vec![Shown { node, below: None }];
    let mut room = bytes_max;
    let mut next = 0;
    while next < shown.len() && (next == 0 || room > HIDDEN_BYTES) {
        let Shown { node, below } = shown[next];
        let whole = whole(node, room.min(SMALL_BYTES));
        let cost = whole.unwrap_or_else(|| match node {
            Node::Leaf(leaf) => leaf_bytes(leaf),
            Node::Branch(branch) => branch.children.len() * HIDDEN_BYTES,
        });
        if below.is_none() && (next == 0 || cost <= room) {
            room = room.saturating_sub(cost);
            let mut at = shown.len();
            expand(&mut shown, next);
            while whole.is_some() && at < shown.len() {
                expand(&mut shown, at);
                at += 1;
            }
        }
        next += 1;
    }
    shown
}

fn expand(shown: &mut Vec<Shown>, at: usize) {
    shown[at].below = Some(shown.len());
    if let Node::Branch(branch) = shown[at].node {
        shown.extend(branch.children.iter().map(|node| Shown { node, below: None }));
    }
}

/// How many bytes a subtree takes whole, if no more than these.
fn whole(node: &Node, bytes_max: usize) -> Option<usize> {
    match node {
        Node::Leaf(leaf) => Some(leaf_bytes(leaf)).filter(|bytes| *bytes <= bytes_max),
        Node::Branch(branch) => branch
            .children
            .iter()
            .try_fold(0, |bytes, child| Some(bytes + whole(child, bytes_max.checked_sub(bytes)?)?)),
    }
}

fn leaf_bytes(leaf: &Leaf) -> usize {
    LEAF_BYTES + leaf.value.len()
}

fn write(shown: &[Shown], at: usize, parts: &mut Vec<Part>) {
    let Shown { node, below } = &shown[at];
    match (node, below) {
        (node, None) => parts.push(Part::Hidden(node.hash())),
        (Node::Leaf(leaf), _) => parts.push(Part::Leaf((leaf.key, Rdata(leaf.value.clone())))),
        (Node::Branch(branch), Some(below)) => {
            parts.push(Part::Branch(branch.mask));
            (0..branch.children.len()).for_each(|n| write(shown, below + n, parts));
        }
    }
}

impl Piece {
    /// A piece of these nodes, in preorder; nothing is checked.
    pub fn of_parts(parts: Vec<Part>) -> Piece {
        Piece { parts }
    }

    /// Its nodes, in preorder.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// What it shows, if it is what hangs at `path` with the hash `expected`.
    ///
    /// # Errors
    /// Any [`ProofRefusal`].
    pub fn read(&self, path: &Path, expected: &Id) -> Result<Read, ProofRefusal> {
        let Grown { nodes, hidden } = self.clone().grow(path, expected)?;
        let leaves = nodes.iter().flat_map(|(_, node)| super::leaves(Some(node)));
        let leaves = leaves.map(|(key, value)| (*key, value.to_vec())).collect();
        Ok(Read { leaves, hidden })
    }

    /// The same as nodes, which were hashed while it was checked, and are hashed no more.
    pub(super) fn grow(self, path: &Path, expected: &Id) -> Result<Grown, ProofRefusal> {
        let is_nothing = match self.parts.first() {
            None if path.is_empty() => true,
            None | Some(Part::Hidden(_)) => return Err(ProofRefusal::Nothing),
            Some(_) => false,
        };
        let mut reader =
            Reader { rest: self.parts.into_iter(), path: path.0.clone(), grown: Grown::default() };
        let found = if is_nothing {
            empty_hash()
        } else {
            let seen = reader.node()?;
            let hash = seen.hash();
            reader.keep(seen);
            hash
        };
        if reader.rest.next().is_some() {
            return Err(ProofRefusal::Siblings);
        }
        if found != *expected {
            return Err(ProofRefusal::OtherRoot);
        }
        Ok(reader.grown)
    }
}

/// What a piece shows, as parts of a trie.
#[derive(Default)]
pub(super) struct Grown {
    /// Subtrees that are shown whole, with the depth at which each hangs, in the order of their keys.
    pub nodes: Vec<(usize, Arc<Node>)>,
    /// Where the subtrees hang that are left out, and their hashes.
    pub hidden: Vec<(Path, Id)>,
}

struct Reader {
    rest: std::vec::IntoIter<Part>,
    /// Where the next node hangs.
    path: Vec<u8>,
    grown: Grown,
}

/// A node of a piece.
enum Seen {
    Whole(Arc<Node>),
    /// Something is left out below it.
    Part(Id),
}

impl Seen {
    fn hash(&self) -> Id {
        match self {
            Seen::Whole(node) => node.hash(),
            Seen::Part(hash) => *hash,
        }
    }
}

impl Reader {
    /// The next node, which hangs at `path`.
    fn node(&mut self) -> Result<Seen, ProofRefusal> {
        match self.rest.next().ok_or(ProofRefusal::Siblings)? {
            Part::Hidden(hash) => {
                self.grown.hidden.push((Path(self.path.clone()), hash));
                Ok(Seen::Part(hash))
            }
            Part::Leaf((key, Rdata(value))) => {
                let is_here = |(depth, n): (usize, &u8)| nibble(&key, depth) == usize::from(*n);
                if !self.path.iter().enumerate().all(is_here) {
                    return Err(ProofRefusal::ForeignLeaf);
                }
                Ok(Seen::Whole(Arc::new(Node::Leaf(Leaf::new(key, value)))))
            }
            Part::Branch(0) => Err(ProofRefusal::NotCompact),
            Part::Branch(_) if self.path.len() == DEPTH_MAX => Err(ProofRefusal::TooLong),
            Part::Branch(mask) => self.branch(mask),
        }
    }

    fn branch(&mut self, mask: u16) -> Result<Seen, ProofRefusal> {
        let mut children = Vec::with_capacity(mask.count_ones() as usize);
        for n in (0..16).filter(|n| mask & 1 << n != 0) {
            self.path.push(n);
            let child = self.node();
            self.path.pop();
            children.push(child?);
        }
        if let [Seen::Whole(node)] = &children[..]
            && matches!(**node, Node::Leaf(_))
        {
            return Err(ProofRefusal::NotCompact);
        }
        if children.iter().any(|child| matches!(child, Seen::Part(_))) {
            let hash = node_hash(mask, children.iter().map(Seen::hash));
            self.path.push(0);
            children.into_iter().for_each(|child| self.keep(child));
            self.path.pop();
            return Ok(Seen::Part(hash));
        }
        let whole = |child| match child {
            Seen::Whole(node) => Some(node),
            Seen::Part(_) => None,
        };
        let children = children.into_iter().filter_map(whole).collect();
        Ok(Seen::Whole(Arc::new(Node::Branch(Branch::new(mask, children)))))
    }

    /// Keeps a node that hangs as deep as the path leads, if all of it is there.
    fn keep(&mut self, seen: Seen) {
        if let Seen::Whole(node) = seen {
            self.grown.nodes.push((self.path.len(), node));
        }
    }
}
