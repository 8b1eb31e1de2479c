//! The image of a page: what its log comes to, as the caller wrote it down, to begin with while the log is
//! read. It may be removed at any time; one that is damaged, or of another state of the log, is none.
//!
//! ```text
//! "djdnsim1" | page id 32 | where the log ends: bytes u64, sequence u64, chain digest 32 | content |
//! SHA-256 of all before
//! ```
//! Integers are little-endian. It is written beside its place, synced and renamed. What the content is,
//! is not known here.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::aside::{NEW_SUFFIX, remove_if_there};
use super::disk::{Access, Disk, DiskFile};
use super::frame::{DIGEST_BYTES, Place};
use super::report::{StoreError, failed};
use super::{IMAGE, LOG, Store, lock};
use crate::id::Id;
use crate::limits::{IMAGE_BYTES_MAX, IMAGE_SPARES, IMAGE_WRITE_BYTES};

const MAGIC: [u8; 8] = *b"djdnsim1";
const HEAD_BYTES: usize = MAGIC.len() + 32 + 8 + 8 + DIGEST_BYTES;

/// A state of a page's log: another one after each change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(Place);

impl Store {
    /// The state that a page's log is in.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPage`], [`StoreError::NotRead`] or [`StoreError::Damaged`].
    pub fn mark(&self, page: &Id) -> Result<Mark, StoreError> {
        Ok(Mark(self.owner()?.page(page)?.log()?.end()))
    }

    /// Of which state of its log the image of a page is, if there is one.
    pub fn image_mark(&self, page: &Id) -> Option<Mark> {
        let file = self.disk.open(&self.page_dir(page).join(IMAGE), Access::Read).ok()?;
        read_mark(&*file, page).map(Mark)
    }

    /// Replaces the image of a page by this content, of this state of its log, unless there is one of that
    /// already. One of another state than the log is in at the next opening is of no use.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPage`], [`StoreError::ImageTooLarge`], [`StoreError::LittleSpace`] and those of
    /// the disk: the old image is still there.
    pub fn set_image<'c>(
        &self,
        page: &Id,
        mark: &Mark,
        content: impl Iterator<Item = &'c [u8]>,
    ) -> Result<(), StoreError> {
        let owner = self.owner()?;
        let _one_at_a_time = lock(&owner.images);
        owner.page(page)?;
        if self.image_mark(page) == Some(*mark) {
            return Ok(());
        }
        let dir = self.page_dir(page);
        let (path, new) = (dir.join(IMAGE), new_path(&dir));
        let written = write(&*self.disk, &new, page, &mark.0, content).and_then(|()| {
            self.disk.rename(&new, &path).map_err(failed("replace", &path))?;
            self.disk.sync_dir(&dir).map_err(failed("sync", &dir))
        });
        if written.is_err() {
            // A full disk is given its room back.
            let _ = self.disk.remove(&new);
        }
        written
    }

    /// Removes the image of a page, if there is one.
    ///
    /// # Errors
    /// The disk's.
    pub fn remove_image(&self, page: &Id) -> Result<(), StoreError> {
        let _one_at_a_time = lock(&self.owner()?.images);
        remove(&*self.disk, &self.page_dir(page))
    }
}

/// Where the log in the directory of a page ends, and the image of exactly that log, if there is one. What
/// the index knows of the page must not be more.
pub fn of_log(
    disk: &dyn Disk,
    dir: &Path,
    page: &Id,
    known: Option<Place>,
) -> Option<(Place, Bytes)> {
    let path = dir.join(IMAGE);
    if !disk.exists(&path).ok()? {
        return None;
    }
    let file = disk.open(&path, Access::Read).ok()?;
    let fits = |place: &Place| {
        // The index may lack the newest changes, and is told of none that was not acknowledged.
        known.is_none_or(|known| known.offset <= place.offset)
            && ends_at(disk, &dir.join(LOG), place)
    };
    let Some(end) = read_mark(&*file, page).filter(fits) else {
        tracing::debug!(%page, "the image is of another state of the log");
        return None;
    };
    let content = read(&*file).ok().flatten();
    if content.is_none() {
        tracing::info!(%page, "the image is damaged, and is not used");
        // So that one is written anew.
        let _ = remove(disk, dir);
    }
    Some((end, content?))
}

/// Removes the image in the directory of a page, and what an interrupted write left of one.
///
/// # Errors
/// The disk's.
pub fn remove(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    remove_if_there(disk, &dir.join(IMAGE))?;
    tidy(disk, dir)?;
    disk.sync_dir(dir).map_err(failed("sync", dir))
}

/// Removes what an interrupted write of an image left in the directory of a page.
///
/// # Errors
/// The disk's.
pub fn tidy(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    remove_if_there(disk, &new_path(dir))
}

fn new_path(dir: &Path) -> PathBuf {
    dir.join(format!("{IMAGE}{NEW_SUFFIX}"))
}

fn head(page: &Id, place: &Place) -> Vec<u8> {
    let Place { offset, sequence, digest } = place;
    let numbers = [*offset, *sequence].map(u64::to_le_bytes);
    [&MAGIC, &page.as_bytes()[..], numbers.as_flattened(), digest].concat()
}

/// Where the log of `page` ended when this was written.
fn read_mark(file: &dyn DiskFile, page: &Id) -> Option<Place> {
    let mut bytes = [0; HEAD_BYTES];
    let count = file.read_at(0, &mut bytes).ok()?;
    let mut rest = bytes.get(..count)?.strip_prefix(&MAGIC)?.strip_prefix(page.as_bytes())?;
    let mut number = || {
        let (number, after) = rest.split_first_chunk()?;
        rest = after;
        Some(u64::from_le_bytes(*number))
    };
    let (offset, sequence) = (number()?, number()?);
    Some(Place { offset, sequence, digest: *rest.first_chunk()? })
}

/// The content, if all of it is as it was written.
fn read(file: &dyn DiskFile) -> io::Result<Option<Bytes>> {
    let length = file.length()?;
    let Some(length) = usize::try_from(length).ok().filter(|length| *length <= IMAGE_BYTES_MAX)
    else {
        return Ok(None);
    };
    let mut bytes = vec![0; length];
    let count = file.read_at(0, &mut bytes)?;
    bytes.truncate(count);
    let Some((content, digest)) = bytes.split_last_chunk::<32>() else { return Ok(None) };
    if content.len() < HEAD_BYTES || Id::hash(&[content]).as_bytes() != digest {
        return Ok(None);
    }
    let end = content.len();
    Ok(Some(Bytes::from(bytes).slice(HEAD_BYTES..end)))
}

/// Whether a log ends at this place: its last bytes are the digest of all before them, so that no
/// other log does.
fn ends_at(disk: &dyn Disk, log: &Path, place: &Place) -> bool {
    let mut digest = [0; DIGEST_BYTES];
    let found = disk.open(log, Access::Read).and_then(|file| {
        let length = file.length()?;
        let start = length.saturating_sub(DIGEST_BYTES as u64);
        Ok((length, file.read_at(start, &mut digest)?))
    });
    found.is_ok_and(|found| found == (place.offset, DIGEST_BYTES)) && digest == place.digest
}

fn write<'c>(
    disk: &dyn Disk,
    new: &Path,
    page: &Id,
    place: &Place,
    content: impl Iterator<Item = &'c [u8]>,
) -> Result<(), StoreError> {
    let io = failed("write to", new);
    let file = disk.open(new, Access::Create).map_err(failed("create", new))?;
    let (mut hash, mut offset) = (Sha256::new(), 0);
    let mut piece = head(page, place);
    let mut flush = |piece: &mut Vec<u8>, hash: Option<&mut Sha256>| {
        hash.into_iter().for_each(|hash| hash.update(&piece));
        let end = offset + piece.len();
        if end > IMAGE_BYTES_MAX {
            return Err(StoreError::ImageTooLarge);
        }
        if disk.free(new).map_err(&io)? < IMAGE_SPARES + piece.len() as u64 {
            return Err(StoreError::LittleSpace);
        }
        file.write_at(offset as u64, piece).map_err(&io)?;
        offset = end;
        piece.clear();
        Ok(())
    };
    for part in content {
        piece.extend_from_slice(part);
        if piece.len() >= IMAGE_WRITE_BYTES {
            flush(&mut piece, Some(&mut hash))?;
        }
    }
    flush(&mut piece, Some(&mut hash))?;
    piece.extend_from_slice(&hash.finalize());
    flush(&mut piece, None)?;
    file.sync().map_err(&io)
}
