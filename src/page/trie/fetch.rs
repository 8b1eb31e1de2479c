//! Fetching a trie of which only the root is known, piece by piece (N5).
//!
//! What is there already is found by its hash and not asked for; of the rest different subtrees can be
//! asked of different peers at once, and their answers come in any order. Every piece is checked when
//! it comes, so that memory holds what was verified and nothing else. Who is asked, how often and for
//! how long is not known here.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Branch, Node, Path, Piece, ProofRefusal, Trie, nibble};
use crate::{id::Id, limits::PIECE_BYTES_MAX};

/// A subtree to ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    pub path: Path,
    /// The hash of what hangs there.
    pub hash: Id,
    /// Bytes that the piece should have at most: 0 shows one level, for who has most of it already.
    pub bytes_max: u32,
}

/// A trie that is on its way.
#[derive(Clone)]
pub struct Fetch {
    root: Id,
    /// What may have subtrees of it: what was there before, and what was fetched for an earlier root.
    sources: [Trie; 2],
    /// Subtrees that are lacking, and their hashes: those nobody is asked for, and the others.
    waiting: BTreeMap<Path, Id>,
    asked: BTreeMap<Path, Id>,
    /// Verified leaves, and subtrees that were there already, with the depth at which each hangs.
    parts: Vec<(usize, Arc<Node>)>,
    fetched_bytes: u64,
}

/// Of the whole trie, in [`Fetch::share`].
pub const WHOLE: u64 = 1 << 60;

impl Fetch {
    /// Begins to fetch the trie with this root. What `mine` has of it is not asked for.
    pub fn new(root: Id, mine: Trie) -> Fetch {
        Fetch::resumed(root, mine, Trie::default())
    }

    /// [`Fetch::new`] with leaves that were fetched before and kept, for this root or another.
    pub fn resumed(root: Id, mine: Trie, stashed: Trie) -> Fetch {
        let mut fetch = Fetch {
            root,
            sources: [mine, stashed],
            waiting: BTreeMap::new(),
            asked: BTreeMap::new(),
            parts: Vec::new(),
            fetched_bytes: 0,
        };
        if root != Trie::default().root() {
            fetch.lack(Path::ROOT, root);
        }
        fetch
    }

    /// The root of what is fetched.
    pub fn root(&self) -> Id {
        self.root
    }

    /// Subtrees to ask for next, at most `most`. They are not named again unless they failed.
    pub fn next(&mut self, most: usize) -> Vec<Want> {
        let mut wants = Vec::new();
        while wants.len() < most
            && let Some((path, hash)) = self.waiting.pop_first()
        {
            wants.push(Want { bytes_max: self.bytes_max(&path), path: path.clone(), hash });
            self.asked.insert(path, hash);
        }
        wants
    }

    /// Where something else was there before, it is found out level by level what of it differs.
    fn bytes_max(&self, path: &Path) -> u32 {
        let is_branch = |trie: &Trie| matches!(trie.at(path).map(|n| &**n), Some(Node::Branch(_)));
        if self.sources.iter().any(is_branch) { 0 } else { PIECE_BYTES_MAX }
    }

    /// Takes in what somebody answered. Returns the leaves that are new, to be kept: nothing, if this
    /// subtree was there already.
    ///
    /// # Errors
    /// A [`ProofRefusal`]: the piece is another one than that asked for, which is still lacking.
    pub fn take(&mut self, path: &Path, piece: Piece) -> Result<Vec<(Id, Vec<u8>)>, ProofRefusal> {
        let Some(expected) = self.asked.get(path).or_else(|| self.waiting.get(path)).copied()
        else {
            return Ok(Vec::new());
        };
        let grown = piece.grow(path, &expected).inspect_err(|_| self.failed(path))?;
        self.asked.remove(path);
        self.waiting.remove(path);
        let mut leaves = Vec::new();
        for (key, value) in grown.nodes.iter().flat_map(|(_, node)| super::leaves(Some(node))) {
            self.fetched_bytes += (value.len() + key.as_bytes().len()) as u64;
            leaves.push((*key, value.to_vec()));
        }
        self.parts.extend(grown.nodes);
        for (path, hash) in grown.hidden {
            self.fetched_bytes += hash.as_bytes().len() as u64;
            self.lack(path, hash);
        }
        Ok(leaves)
    }

    /// Whether a subtree with this hash is lacking there. Another may be, or none, where it was asked of two
    /// or for an earlier root.
    pub fn lacks(&self, path: &Path, hash: &Id) -> bool {
        self.asked.get(path).or_else(|| self.waiting.get(path)) == Some(hash)
    }

    /// A subtree that was not answered: it is asked for again.
    pub fn failed(&mut self, path: &Path) {
        if let Some(hash) = self.asked.remove(path) {
            self.waiting.insert(path.clone(), hash);
        }
    }

    fn lack(&mut self, path: Path, hash: Id) {
        let found = self.sources.iter().filter_map(|trie| trie.at(&path));
        match found.into_iter().find(|node| node.hash() == hash).cloned() {
            Some(node) => self.parts.push((path.len(), node)),
            None => drop(self.waiting.insert(path, hash)),
        }
    }

    /// Goes on to another root, with all that was there and was fetched.
    #[must_use]
    pub fn retarget(self, root: Id) -> Fetch {
        let [mine, fetched] = self.sources;
        let new = self.parts.iter().flat_map(|(_, node)| super::leaf_nodes(node));
        let fetched = Trie::from_leaves(fetched.root.iter().flat_map(super::leaf_nodes).chain(new));
        let fetched_bytes = self.fetched_bytes;
        Fetch { fetched_bytes, ..Fetch::resumed(root, mine, fetched) }
    }

    /// Whether nothing is lacking.
    pub fn is_complete(&self) -> bool {
        self.waiting.is_empty() && self.asked.is_empty()
    }

    /// The trie.
    ///
    /// # Errors
    /// The fetch itself, to go on with. If it [is complete](Fetch::is_complete), the root names
    /// something that is no trie: whoever made it did not do so by inserting.
    pub fn finish(self) -> Result<Trie, Box<Fetch>> {
        if !self.is_complete() {
            return Err(Box::new(self));
        }
        let mut parts: Vec<(Id, usize, Arc<Node>)> =
            self.parts.iter().map(|(at, node)| (node.first_key(), *at, node.clone())).collect();
        parts.sort_unstable_by_key(|(first, ..)| *first);
        let root = assemble(&parts, 0);
        let len = parts.iter().map(|(.., node)| super::leaves(Some(node)).count()).sum();
        let trie = Trie { root, len };
        if trie.root() == self.root { Ok(trie) } else { Err(Box::new(self)) }
    }

    /// Subtrees that are lacking and that nobody is asked for.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Subtrees that are lacking, asked for or not.
    pub fn lacking(&self) -> usize {
        self.waiting.len() + self.asked.len()
    }

    /// Bytes of keys, values and hashes that came and were verified, for this root and earlier ones.
    pub fn done_bytes(&self) -> u64 {
        self.fetched_bytes
    }

    /// About how much of the trie is there, out of [`WHOLE`].
    pub fn share(&self) -> u64 {
        let lacking = self.waiting.keys().chain(self.asked.keys());
        // A deeper one is less than can be told.
        WHOLE - lacking.map(|path| WHOLE >> (4 * path.len().min(15))).sum::<u64>().min(WHOLE)
    }
}

/// The subtree at `depth` of sorted parts that agree in their first `depth` nibbles.
fn assemble(parts: &[(Id, usize, Arc<Node>)], depth: usize) -> Option<Arc<Node>> {
    if let [(_, at, node)] = parts
        && (*at <= depth || matches!(**node, Node::Leaf(_)))
    {
        return Some(node.clone());
    }
    // Parts that are two at one place would be none of one trie; the root tells.
    if depth == super::DEPTH_MAX {
        return parts.first().map(|(.., node)| node.clone());
    }
    let mut mask = 0;
    let mut children = Vec::new();
    for group in parts.chunk_by(|(a, ..), (b, ..)| nibble(a, depth) == nibble(b, depth)) {
        mask |= 1 << nibble(&group[0].0, depth);
        children.extend(assemble(group, depth + 1));
    }
    children.shrink_to_fit();
    (mask != 0).then(|| Arc::new(Node::Branch(Branch::new(mask, children))))
}

#[cfg(test)]
mod tests;
