//! The vote journal: the highest seal of each page that each key of this node signed (S5).
//!
//! A small file for each page, beside the pages and not in them: it outlives a page that is forgotten,
//! and a log whose end was lost. A vote binds the key that gave it, also when another key came in between:
//! so a data directory that was copied without its key, or has a new one, signs what only the other key may
//! not sign again. It does not know what a seal is.

use super::aside::{self, Magic};
use super::report::{StoreError, failed};
use super::{Store, lock};
use crate::id::Id;
use crate::key::RawKey;
use crate::limits::JOURNAL_KEYS_MAX;

const VOTES: &str = "votes";
const MAGIC: Magic = *b"djdnsvo2";
/// One vote without a key: it is read as one of whichever key asks.
const MAGIC_KEYLESS: Magic = *b"djdnsvo1";

/// The highest seal that a node key signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    pub height: u64,
    pub seal: Id,
}

impl Store {
    /// What this key signed last of a page; `None` if nothing.
    ///
    /// # Errors
    /// [`StoreError::JournalDamaged`], or the disk's.
    pub fn vote(&self, page: &Id, key: &RawKey) -> Result<Option<Vote>, StoreError> {
        let votes = self.votes(page, key)?;
        Ok(votes.into_iter().find(|(signer, _)| signer == key).map(|(_, vote)| vote))
    }

    /// Notes what this key signed, durably when this returns, in place of what it signed before. Of more than
    /// [`JOURNAL_KEYS_MAX`] keys those are forgotten that signed nothing for longest.
    ///
    /// # Errors
    /// [`StoreError`]: what was noted before is still there. Of a damaged journal nothing is known any more, and
    /// it stays as it is.
    pub fn note_vote(&self, page: &Id, key: &RawKey, vote: Vote) -> Result<(), StoreError> {
        let _one_at_a_time = lock(&self.owner()?.structure);
        let mut votes = self.votes(page, key)?;
        votes.retain(|(signer, _)| signer != key);
        votes.insert(0, (*key, vote));
        votes.truncate(JOURNAL_KEYS_MAX);
        let dir = self.dir.join(VOTES);
        if !self.disk.exists(&dir).map_err(failed("look for", &dir))? {
            self.disk.create_dir(&dir).map_err(failed("create", &dir))?;
            self.disk.sync_dir(&self.dir).map_err(failed("sync", &self.dir))?;
        }
        aside::write(&*self.disk, &dir, &page.to_string(), &MAGIC, &encode(&votes))
    }

    /// What every key signed last of a page, the one that signed last first.
    fn votes(&self, page: &Id, key: &RawKey) -> Result<Vec<(RawKey, Vote)>, StoreError> {
        let path = self.dir.join(VOTES).join(page.to_string());
        if !self.disk.exists(&path).map_err(failed("look for", &path))? {
            return Ok(Vec::new());
        }
        let votes = match aside::read(&*self.disk, &path, &MAGIC)? {
            Some(content) => decode(&content),
            None => {
                let keyless = aside::read(&*self.disk, &path, &MAGIC_KEYLESS)?;
                keyless.and_then(|content| Some(vec![(*key, decode_vote(&content)?)]))
            }
        };
        votes.ok_or(StoreError::JournalDamaged(path))
    }
}

fn encode(votes: &[(RawKey, Vote)]) -> Vec<u8> {
    let row = |(key, vote): &(RawKey, Vote)| {
        [&key.0[..], &vote.height.to_be_bytes(), vote.seal.as_bytes()].concat()
    };
    votes.iter().flat_map(row).collect()
}

/// A key, a height and a seal each, at least one and at most [`JOURNAL_KEYS_MAX`], of different keys.
fn decode(content: &[u8]) -> Option<Vec<(RawKey, Vote)>> {
    const ROW_BYTES: usize = 32 + 8 + 32;
    let row = |row: &[u8]| {
        let (key, vote) = row.split_first_chunk::<32>()?;
        Some((RawKey(*key), decode_vote(vote)?))
    };
    let votes: Vec<(RawKey, Vote)> = content.chunks(ROW_BYTES).map(row).collect::<Option<_>>()?;
    let is_new = |n: usize| votes[..n].iter().all(|(key, _)| *key != votes[n].0);
    let is_sound = (1..=JOURNAL_KEYS_MAX).contains(&votes.len()) && (0..votes.len()).all(is_new);
    is_sound.then_some(votes)
}

fn decode_vote(bytes: &[u8]) -> Option<Vote> {
    let (height, seal) = bytes.split_first_chunk::<8>()?;
    let seal = Id::from_bytes(seal.try_into().ok()?);
    Some(Vote { height: u64::from_be_bytes(*height), seal })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_read_as_it_was_written_and_nothing_else_is() {
        let votes = |keys: usize| -> Vec<(RawKey, Vote)> {
            let vote = |n| Vote { height: n, seal: Id::from_bytes([9; 32]) };
            (0..keys).map(|n| (RawKey([n as u8; 32]), vote(n as u64))).collect()
        };
        let check = |keys: usize, is_read: bool| {
            let votes = votes(keys);
            assert_eq!(decode(&encode(&votes)), is_read.then_some(votes), "{keys}");
        };
        check(0, false);
        check(1, true);
        check(JOURNAL_KEYS_MAX, true);
        check(JOURNAL_KEYS_MAX + 1, false);
        let bytes = encode(&votes(2));
        assert_eq!(bytes[..72], [[0; 32].as_slice(), &[0; 8], &[9; 32]].concat());
        for length in 1..bytes.len() {
            assert_eq!(decode(&bytes[..length]).is_some(), length == 72, "{length}");
        }
        assert_eq!(decode(&[&bytes[..72], &bytes[..72]].concat()), None, "one key twice");
    }
}
