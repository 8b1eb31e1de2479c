//! A small file that is replaced as a whole: old or new, never a mixture.
//!
//! Written beside its place, synced and then renamed; what it holds is checked against a hash when it
//! is read. It does not know what that is.

use std::path::Path;

use super::disk::{Access, Disk};
use super::report::{StoreError, failed};
use crate::id::Id;

/// What stands at the beginning of a file, and tells which kind it is.
pub type Magic = [u8; 8];

/// Ends the name of a file that is being written.
pub const NEW_SUFFIX: &str = ".new";

/// What was written last; `None` if the file is damaged. It must be there.
///
/// # Errors
/// The disk's.
pub fn read(disk: &dyn Disk, path: &Path, magic: &Magic) -> Result<Option<Vec<u8>>, StoreError> {
    let io = failed("read", path);
    let file = disk.open(path, Access::Read).map_err(&io)?;
    let mut bytes = vec![0; file.length().map_err(&io)? as usize];
    let count = file.read_at(0, &mut bytes).map_err(&io)?;
    bytes.truncate(count);
    Ok(decode(&bytes, magic))
}

/// Replaces the content, durably when this returns.
///
/// # Errors
/// [`StoreError`]; the old content is still there, unless only the last sync failed.
pub fn write(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
    magic: &Magic,
    content: &[u8],
) -> Result<(), StoreError> {
    let (path, new) = (dir.join(name), dir.join(format!("{name}{NEW_SUFFIX}")));
    let file = disk.open(&new, Access::Create).map_err(failed("create", &new))?;
    let bytes = [&magic[..], Id::hash(&[content]).as_bytes(), content].concat();
    let written = file.write_at(0, &bytes).and_then(|()| file.sync());
    if let Err(error) = written {
        // A full disk is given its room back; what stays is removed at the next opening.
        let _ = disk.remove(&new);
        return Err(failed("write to", &new)(error));
    }
    disk.rename(&new, &path).map_err(failed("replace", &path))?;
    disk.sync_dir(dir).map_err(failed("sync", dir))
}

/// Removes a file if there is one, not durably yet.
///
/// # Errors
/// The disk's.
pub fn remove_if_there(disk: &dyn Disk, path: &Path) -> Result<(), StoreError> {
    if disk.exists(path).map_err(failed("look for", path))? {
        disk.remove(path).map_err(failed("remove", path))?;
    }
    Ok(())
}

fn decode(bytes: &[u8], magic: &Magic) -> Option<Vec<u8>> {
    let rest = bytes.strip_prefix(magic)?;
    let (digest, content) = rest.split_first_chunk::<32>()?;
    (Id::hash(&[content]).as_bytes() == digest).then(|| content.to_vec())
}
