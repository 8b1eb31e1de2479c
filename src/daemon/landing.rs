//! Jumps as a log or a bundle holds them: leaves of a state, the passage that shows its seal, and the
//! landing that ends it (N5). Whether any of it is true is not known here.

use super::adopt;
use crate::{
    governance::{jump::Snapshot, seal::Seal},
    id::Id,
    limits::{LOG_ENTRIES_CHUNK_BYTES, PASSAGE_BYTES_MAX},
    page::{
        Page,
        bundle::{self, Landing, StateLeaf},
        codec::CodecRefusal,
        trie::Trie,
    },
    store::Record,
};

/// What stands in a log that no landing follows yet: a download that goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Download {
    pub leaves: Vec<StateLeaf>,
    pub passage: Vec<u8>,
}

/// A jump, at its place among what was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jump {
    /// How many statements and seals stand before it.
    pub at: usize,
    pub arrived: Download,
    pub landing: Landing,
}

/// Why records are no jump.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LandingRefusal {
    #[error("its encoding: {0}")]
    Codec(#[from] CodecRefusal),
    #[error("a part of the way to a seal is lacking")]
    Gap,
    #[error("the way to a seal of {0} bytes is more than {PASSAGE_BYTES_MAX}")]
    TooLong(usize),
    #[error("the way to the seal at height {0} is another one than that written down")]
    OtherPassage(u64),
}

impl Download {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty() && self.passage.is_empty()
    }

    /// Takes a record of the kind [`bundle::LEAVES`] in.
    ///
    /// # Errors
    /// Any [`LandingRefusal`].
    pub fn take_leaves(&mut self, bytes: &[u8]) -> Result<(), LandingRefusal> {
        self.leaves.extend(bundle::read_leaves(bytes)?);
        Ok(())
    }

    /// Takes a record of the kind [`bundle::PASSAGE`] in. The first part of one begins anew.
    ///
    /// # Errors
    /// Any [`LandingRefusal`].
    pub fn take_passage(&mut self, bytes: &[u8]) -> Result<(), LandingRefusal> {
        let (at, part) = bytes.split_first_chunk::<8>().ok_or(LandingRefusal::Gap)?;
        let at = u64::from_be_bytes(*at);
        if at == 0 {
            self.passage.clear();
        }
        if at != self.passage.len() as u64 {
            return Err(LandingRefusal::Gap);
        }
        let len = self.passage.len() + part.len();
        if len > PASSAGE_BYTES_MAX {
            return Err(LandingRefusal::TooLong(len));
        }
        self.passage.extend_from_slice(part);
        Ok(())
    }

    /// Takes a record of the kind [`bundle::JUMP`] in, which ends this.
    ///
    /// # Errors
    /// Any [`LandingRefusal`].
    pub fn land(&mut self, at: usize, bytes: &[u8]) -> Result<Jump, LandingRefusal> {
        let landing = bundle::read_landing(bytes)?;
        let arrived = std::mem::take(self);
        if Id::hash(&[&arrived.passage]) != landing.passage {
            return Err(LandingRefusal::OtherPassage(landing.height));
        }
        Ok(Jump { at, arrived, landing })
    }
}

impl Jump {
    /// The snapshot that was jumped to from a state.
    ///
    /// # Errors
    /// When the passage is none.
    pub fn snapshot(&self, genesis: &[u8], before: &Trie) -> Result<Snapshot, LandingRefusal> {
        let mut state = laid_over(before, &self.arrived.leaves);
        for key in &self.landing.gone {
            state.remove(key);
        }
        Ok(Snapshot::from_passage(genesis.to_vec(), &self.arrived.passage, state)?)
    }

    /// Of a jump to height 0: the entries that the page was founded with.
    pub fn entries(self) -> Vec<Box<[u8]>> {
        let mut leaves = self.arrived.leaves;
        adopt::sort_kept(&mut leaves);
        leaves.retain(|(key, _)| self.landing.gone.binary_search(key).is_err());
        leaves.iter().filter_map(|(_, value)| Page::entry_of(&value.0)).map(Box::from).collect()
    }

    /// The seal that its passage shows; nothing is checked.
    pub fn newest(&self) -> Option<Seal> {
        let snapshot = self.snapshot(&[], &Trie::default()).ok()?;
        snapshot.proofs.last().map(|proof| proof.seal.clone())
    }

    /// The records that are written for it, in order.
    pub fn records(self) -> impl Iterator<Item = Record> {
        let Jump { arrived: Download { leaves, passage }, landing, .. } = self;
        let leaves: Vec<Record> = leaves_records(&leaves).collect();
        let parts = passage_records(&passage);
        leaves.into_iter().chain(parts).chain([landing_record(&landing)])
    }
}

/// A state with these leaves instead of its own.
fn laid_over(before: &Trie, leaves: &[StateLeaf]) -> Trie {
    let leaves = leaves.iter().map(|(key, value)| (*key, value.0.clone()));
    if before.is_empty() {
        return Trie::from_pairs(leaves);
    }
    let mut state = before.clone();
    leaves.for_each(|(key, value)| state.insert(key, value));
    state
}

/// Leaves in records of moderate size.
pub fn leaves_records(leaves: &[StateLeaf]) -> impl Iterator<Item = Record> {
    let mut rest = leaves;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let is_room = |(_, value): &&StateLeaf| {
            let is_room = bytes < LOG_ENTRIES_CHUNK_BYTES;
            bytes += value.0.len();
            is_room
        };
        let (part, later) = rest.split_at(rest.iter().take_while(is_room).count());
        rest = later;
        (!part.is_empty()).then(|| Record::unnamed(bundle::LEAVES, bundle::write_leaves(part)))
    })
}

/// The way to a seal in records of moderate size.
pub fn passage_records(passage: &[u8]) -> Vec<Record> {
    let part = |(n, part): (usize, &[u8])| {
        let at = (n * LOG_ENTRIES_CHUNK_BYTES) as u64;
        Record::unnamed(bundle::PASSAGE, [&at.to_be_bytes(), part].concat())
    };
    passage.chunks(LOG_ENTRIES_CHUNK_BYTES).enumerate().map(part).collect()
}

/// The record that ends a jump.
pub fn landing_record(landing: &Landing) -> Record {
    Record::unnamed(bundle::JUMP, bundle::write_landing(landing))
}
