//! The anchors file: a few bytes that are replaced as a whole, old or new, never a mixture.
//!
//! It does not know what an anchor is.

use std::path::Path;

use super::aside::{self, Magic, NEW_SUFFIX};
use super::disk::Disk;
use super::report::{StoreError, failed};

const NAME: &str = "anchors";
const MAGIC: Magic = *b"djdnsan1";

/// The bytes that were set last; empty if none ever were.
///
/// # Errors
/// [`StoreError::AnchorsDamaged`], or the disk's.
pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Vec<u8>, StoreError> {
    let path = dir.join(NAME);
    if !disk.exists(&path).map_err(failed("read", &path))? {
        return Ok(Vec::new());
    }
    aside::read(disk, &path, &MAGIC)?.ok_or(StoreError::AnchorsDamaged(path))
}

/// Replaces the bytes, durably when this returns.
///
/// # Errors
/// [`StoreError`]; the old bytes are still there, unless only the last sync failed.
pub fn write(disk: &dyn Disk, dir: &Path, anchors: &[u8]) -> Result<(), StoreError> {
    aside::write(disk, dir, NAME, &MAGIC, anchors)
}

/// Removes what an interrupted [`write`] left.
pub fn tidy(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    let new = dir.join(format!("{NAME}{NEW_SUFFIX}"));
    if disk.exists(&new).map_err(failed("look for", &new))? {
        disk.remove(&new).map_err(failed("remove", &new))?;
    }
    Ok(())
}
