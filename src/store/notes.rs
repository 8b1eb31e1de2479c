//! Small files that help and that nothing rests on: the address book, wishes for pages, and when pages were
//! asked for (N7, N8, N2).
//!
//! Each is replaced as a whole, durably; one that is damaged is told of, and begins anew. What is in
//! them is not known here.

use std::path::Path;

use super::aside::{self, Magic, NEW_SUFFIX};
use super::disk::{Access, Disk};
use super::report::{StoreError, failed};
use super::{Store, lock};
use crate::limits::NOTE_BYTES_MAX;

/// One of these files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// The nodes that this one knows of.
    Peers,
    /// How each page is followed.
    Wishes,
    /// When pages that questions brought were asked for.
    Asked,
}

impl Note {
    const ALL: [Note; 3] = [Note::Peers, Note::Wishes, Note::Asked];

    fn name(self) -> &'static str {
        match self {
            Note::Peers => "peers",
            Note::Wishes => "wishes",
            Note::Asked => "asked",
        }
    }

    fn magic(self) -> Magic {
        match self {
            Note::Peers => *b"djdnspe1",
            Note::Wishes => *b"djdnswi1",
            Note::Asked => *b"djdnsas1",
        }
    }

    /// What is lost with it.
    fn held(self) -> &'static str {
        match self {
            Note::Peers => "the addresses of other nodes, and which of them lied",
            Note::Wishes => "the wishes of how closely each page is followed",
            Note::Asked => "when pages that questions brought were asked for",
        }
    }
}

impl Store {
    /// What was noted last; empty if nothing ever was.
    ///
    /// # Errors
    /// [`StoreError::NoteDamaged`], after which the next [`Store::set_note`] begins anew; or the disk's.
    pub fn note(&self, note: Note) -> Result<Vec<u8>, StoreError> {
        let path = self.dir.join(note.name());
        if !self.disk.exists(&path).map_err(failed("read", &path))? {
            return Ok(Vec::new());
        }
        let length = self.disk.open(&path, Access::Read).and_then(|file| file.length());
        let fits = length.map_err(failed("read", &path))? <= NOTE_BYTES_MAX as u64;
        let content = if fits { aside::read(&*self.disk, &path, &note.magic())? } else { None };
        content.ok_or_else(|| StoreError::NoteDamaged { path, held: note.held() })
    }

    /// Replaces it, durably when this returns.
    ///
    /// # Errors
    /// [`StoreError`]; the old content is still there, unless only the last sync failed.
    pub fn set_note(&self, note: Note, content: &[u8]) -> Result<(), StoreError> {
        let _one_at_a_time = lock(&self.owner()?.structure);
        if content.len() + 40 > NOTE_BYTES_MAX {
            return Err(StoreError::NoteTooLarge(content.len()));
        }
        aside::write(&*self.disk, &self.dir, note.name(), &note.magic(), content)
    }
}

/// Removes what interrupted writes left.
///
/// # Errors
/// The disk's.
pub fn tidy(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    for note in Note::ALL {
        let new = dir.join(format!("{}{NEW_SUFFIX}", note.name()));
        if disk.exists(&new).map_err(failed("look for", &new))? {
            disk.remove(&new).map_err(failed("remove", &new))?;
        }
    }
    Ok(())
}
