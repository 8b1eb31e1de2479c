//! The anchors file: a few bytes that are replaced as a whole, old or new, never a mixture.
//!
//! It does not know what an anchor is.

use std::path::Path;

use super::disk::{Access, Disk};
use super::report::{StoreError, failed};
use crate::id::Id;

const NAME: &str = "anchors";
const NEW_NAME: &str = "anchors.new";
const MAGIC: [u8; 8] = *b"djdnsan1";

/// The bytes that were set last; empty if none ever were.
///
/// # Errors
/// [`StoreError::AnchorsDamaged`], or the disk's.
pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Vec<u8>, StoreError> {
    let path = dir.join(NAME);
    let io = failed("read", &path);
    if !disk.exists(&path).map_err(&io)? {
        return Ok(Vec::new());
    }
    let file = disk.open(&path, Access::Read).map_err(&io)?;
    let mut bytes = vec![0; file.length().map_err(&io)? as usize];
    let count = file.read_at(0, &mut bytes).map_err(&io)?;
    bytes.truncate(count);
    decode(&bytes).ok_or(StoreError::AnchorsDamaged(path))
}

/// Replaces the bytes, durably when this returns.
///
/// # Errors
/// [`StoreError`]; the old bytes are still there, unless only the last sync failed.
pub fn write(disk: &dyn Disk, dir: &Path, anchors: &[u8]) -> Result<(), StoreError> {
    let (path, new) = (dir.join(NAME), dir.join(NEW_NAME));
    let file = disk.open(&new, Access::Create).map_err(failed("create", &new))?;
    let bytes = [&MAGIC[..], Id::hash(&[anchors]).as_bytes(), anchors].concat();
    let written = file.write_at(0, &bytes).and_then(|()| file.sync());
    if let Err(error) = written {
        // A full disk is given its room back; what stays is removed at the next opening.
        let _ = disk.remove(&new);
        return Err(failed("write to", &new)(error));
    }
    disk.rename(&new, &path).map_err(failed("replace", &path))?;
    disk.sync_dir(dir).map_err(failed("sync", dir))
}

/// Removes what an interrupted [`write`] left.
pub fn tidy(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    let new = dir.join(NEW_NAME);
    if disk.exists(&new).map_err(failed("look for", &new))? {
        disk.remove(&new).map_err(failed("remove", &new))?;
    }
    Ok(())
}

fn decode(bytes: &[u8]) -> Option<Vec<u8>> {
    let rest = bytes.strip_prefix(&MAGIC)?;
    let (digest, anchors) = rest.split_first_chunk::<32>()?;
    (Id::hash(&[anchors]).as_bytes() == digest).then(|| anchors.to_vec())
}
