//! The vote journal: the highest seal of each page that this node signed (S5).
//!
//! A small file for each page, beside the pages and not in them: it outlives a page that is forgotten,
//! and a log whose end was lost. It does not know what a seal is.

use super::aside::{self, Magic};
use super::report::{StoreError, failed};
use super::{Store, lock};
use crate::id::Id;

const VOTES: &str = "votes";
const MAGIC: Magic = *b"djdnsvo1";

/// The highest seal that this node signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    pub height: u64,
    pub seal: Id,
}

impl Store {
    /// What this node signed last of a page; `None` if nothing.
    ///
    /// # Errors
    /// [`StoreError::JournalDamaged`], or the disk's.
    pub fn vote(&self, page: &Id) -> Result<Option<Vote>, StoreError> {
        let path = self.dir.join(VOTES).join(page.to_string());
        if !self.disk.exists(&path).map_err(failed("look for", &path))? {
            return Ok(None);
        }
        let content = aside::read(&*self.disk, &path, &MAGIC)?;
        let vote = content.as_deref().and_then(|content| content.split_first_chunk::<8>());
        match vote.and_then(|(height, seal)| Some((height, <[u8; 32]>::try_from(seal).ok()?))) {
            Some((height, seal)) => {
                let (height, seal) = (u64::from_be_bytes(*height), Id::from_bytes(seal));
                Ok(Some(Vote { height, seal }))
            }
            None => Err(StoreError::JournalDamaged(path)),
        }
    }

    /// Notes what this node signed, durably when this returns.
    ///
    /// # Errors
    /// [`StoreError`]: what was noted before is still there.
    pub fn note_vote(&self, page: &Id, vote: Vote) -> Result<(), StoreError> {
        let _one_at_a_time = lock(&self.owner()?.structure);
        let dir = self.dir.join(VOTES);
        if !self.disk.exists(&dir).map_err(failed("look for", &dir))? {
            self.disk.create_dir(&dir).map_err(failed("create", &dir))?;
            self.disk.sync_dir(&self.dir).map_err(failed("sync", &self.dir))?;
        }
        let content = [&vote.height.to_be_bytes()[..], vote.seal.as_bytes()].concat();
        aside::write(&*self.disk, &dir, &page.to_string(), &MAGIC, &content)
    }
}
