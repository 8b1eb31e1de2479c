//! Ballots and batches: who approves or rejects what (G5, G5b).
//!
//! Only their shape, and which of two ballots counts, is known here.

use std::cmp::Reverse;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::{id::Id, key::RawKey};

/// What a voter says about one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Choice {
    Approve = 1,
    Reject = 2,
    /// Takes an earlier ballot on this operation back: its power abstains again.
    Withdraw = 3,
}

/// A ballot as its voter signs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ballot {
    pub voter: RawKey,
    /// The voter's own count; for one operation the highest counts.
    pub sequence: u64,
    /// Operations or batches, sorted, each once.
    pub rows: Vec<(Id, Choice)>,
    /// Words for the other participants; empty for none.
    pub reason: String,
}

/// An author's own operations, so that one row of a ballot can name all of them (G5b).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    pub author: RawKey,
    /// Which of the author's [`BATCH_SLOTS`](crate::limits::BATCH_SLOTS) it occupies (G5b).
    pub slot: u32,
    /// A seal that its author knew: it counts for thirty days of seal time from there (G10).
    pub base: Id,
    /// Sorted, each once.
    pub operations: Vec<Id>,
}

/// Orders what one voter said about one operation: the greatest counts. Of equal sequences the
/// smaller ballot id (G5), of one ballot the row that names the operation itself, then the
/// smaller batch id.
pub type Precedence = (u64, Reverse<Id>, Reverse<Option<Id>>);

impl Ballot {
    /// The precedence of a row of the ballot `id` that names an operation through `batch`.
    pub fn precedence(&self, id: Id, batch: Option<Id>) -> Precedence {
        (self.sequence, Reverse(id), Reverse(batch))
    }

    /// What the ballot says about exactly this operation or batch.
    pub fn choice(&self, target: &Id) -> Option<Choice> {
        let row = self.rows.binary_search_by_key(target, |(id, _)| *id).ok()?;
        Some(self.rows[row].1)
    }
}

impl Serialize for Choice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            1 => Ok(Choice::Approve),
            2 => Ok(Choice::Reject),
            3 => Ok(Choice::Withdraw),
            other => Err(D::Error::custom(format!("{other} is no choice"))),
        }
    }
}
