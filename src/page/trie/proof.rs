//! Proofs of presence and absence under a state root (P9).
//!
//! A proof is checked without the trie. It says what hangs at the end of the key's path: the
//! key's own leaf, nothing, or a lone other leaf whose key takes the same path so far.

use serde::{Deserialize, Serialize};

use super::{DEPTH_MAX, empty_hash, leaf_hash, nibble, node_hash};
use crate::id::Id;

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofRefusal {
    #[error("the path is longer than a key")]
    TooLong,
    #[error("a node of the path names other children than it has hashes for")]
    Siblings,
    #[error("a node of the path has fewer than two children, or one leaf alone")]
    NotCompact,
    #[error("the piece shows nothing but a hash")]
    Nothing,
    #[error("the leaf at the end does not lie on the key's path")]
    ForeignLeaf,
    #[error("the proof leads to another root")]
    OtherRoot,
    #[error("the proof shows another value")]
    OtherValue,
}

/// The nodes on the way from the root to where a key is, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    pub(super) steps: Vec<Step>,
    /// Empty, or the key and the value's hash of the leaf that ends the path.
    pub(super) end: Vec<Id>,
}

/// One node of the path: all its children but the one that the path takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) others: u16,
    pub(super) siblings: Vec<Id>,
}

impl Proof {
    pub(super) fn new(steps: Vec<Step>, end: Option<(Id, Id)>) -> Proof {
        Proof { steps, end: end.into_iter().flat_map(|(key, value)| [key, value]).collect() }
    }

    /// Checks that under `root` the key has exactly this value (`None`: has none).
    ///
    /// # Errors
    /// Any [`ProofRefusal`].
    pub fn check(&self, root: &Id, key: &Id, value: Option<&[u8]>) -> Result<(), ProofRefusal> {
        let shown = self.shown(root, key)?;
        if shown == value.map(|value| Id::hash(&[value])) {
            return Ok(());
        }
        Err(ProofRefusal::OtherValue)
    }

    /// The hash of the key's value under `root`; `None` when the proof shows its absence.
    fn shown(&self, root: &Id, key: &Id) -> Result<Option<Id>, ProofRefusal> {
        if self.steps.len() > DEPTH_MAX {
            return Err(ProofRefusal::TooLong);
        }
        let (mut hash, shown) = match self.end.as_slice() {
            [] => (None, None),
            [leaf, value] if leaf == key => (Some(leaf_hash(leaf, value)), Some(*value)),
            [leaf, value] if (0..self.steps.len()).all(|d| nibble(leaf, d) == nibble(key, d)) => {
                (Some(leaf_hash(leaf, value)), None)
            }
            _ => return Err(ProofRefusal::ForeignLeaf),
        };
        for (depth, step) in self.steps.iter().enumerate().rev() {
            hash = Some(step.hash(nibble(key, depth), hash)?);
        }
        if hash.unwrap_or_else(empty_hash) != *root {
            return Err(ProofRefusal::OtherRoot);
        }
        Ok(shown)
    }
}

impl Step {
    /// The node's hash, given the child that the path takes.
    fn hash(&self, taken: usize, child: Option<Id>) -> Result<Id, ProofRefusal> {
        let others = self.others & !(1 << taken);
        if others != self.others || others.count_ones() as usize != self.siblings.len() {
            return Err(ProofRefusal::Siblings);
        }
        if self.siblings.is_empty() && child.is_none() {
            return Err(ProofRefusal::NotCompact);
        }
        let before = (others & ((1 << taken) - 1)).count_ones() as usize;
        let (left, right) = self.siblings.split_at(before);
        let mask = others | u16::from(child.is_some()) << taken;
        Ok(node_hash(mask, left.iter().copied().chain(child).chain(right.iter().copied())))
    }
}
