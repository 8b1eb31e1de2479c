//! The key of this node: what it signs seals with, and is known by (P4).
//!
//! It belongs to the data directory, is made with it, and is no person's: whoever authorises this
//! node to seal for them names its public half (G6).

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use zeroize::Zeroizing;

use super::surroundings::Surroundings;
use crate::{
    key::SecretKey,
    store::disk::{Access, Disk},
};

/// A key that is there and cannot be used. Nothing but sealing needs it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UnfitKey(String);

const FILE: &str = "node.key";

/// Bytes of the file that are read at most: the seed as digits is 64 and a line end (choice).
const FILE_BYTES_MAX: usize = 1024;

/// The key of the node whose data directory this is; made at the first call.
///
/// # Errors
/// When it cannot be read or written, is damaged, or others can read it.
pub fn of(surroundings: &Surroundings, data_dir: &Path) -> anyhow::Result<SecretKey> {
    let disk = &*surroundings.disk;
    let path = data_dir.join(FILE);
    match text(disk, &path) {
        Ok(text) => read(disk.on_host(&path), &path, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(surroundings, &path),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

fn text(disk: &dyn Disk, path: &Path) -> io::Result<Zeroizing<String>> {
    let file = disk.open(path, Access::Read)?;
    let mut bytes = Zeroizing::new(vec![0; FILE_BYTES_MAX]);
    let count = file.read_at(0, &mut bytes)?;
    Ok(Zeroizing::new(String::from_utf8_lossy(&bytes[..count]).into_owned()))
}

/// `host` is where the operating system has the file, if it does.
fn read(host: Option<PathBuf>, path: &Path, text: &str) -> anyhow::Result<SecretKey> {
    let mode = host.map(fs::metadata).transpose()?;
    if mode.is_some_and(|metadata| metadata.permissions().mode() & 0o077 != 0) {
        bail!(UnfitKey(format!(
            "others can read the node's key {0}: `chmod 600 {0}`, and if they may have, stop this \
             node, remove the file, and have every participant name the new key (`djdns host`)",
            path.display()
        )));
    }
    let seed = data_encoding::HEXLOWER.decode(text.trim().as_bytes()).ok();
    match seed.and_then(|seed| <[u8; 32]>::try_from(Zeroizing::new(seed).as_slice()).ok()) {
        Some(seed) => Ok(SecretKey::from_seed(&Zeroizing::new(seed))),
        None => bail!(UnfitKey(format!(
            "{} is no node key: restore it from a backup; without it this node cannot seal where it \
             was named, until its participants name another with `djdns host`",
            path.display()
        ))),
    }
}

/// Makes a key, written aside and renamed: there is never half of one.
fn make(surroundings: &Surroundings, path: &Path) -> anyhow::Result<SecretKey> {
    let disk = &*surroundings.disk;
    let seed = Zeroizing::new((surroundings.random)());
    let aside = path.with_extension("key.new");
    let write = || {
        // What an interrupted start left may be readable by others.
        if disk.exists(&aside)? {
            disk.remove(&aside)?;
        }
        let file = disk.open(&aside, Access::Create)?;
        let digits = Zeroizing::new(data_encoding::HEXLOWER.encode(&*seed) + "\n");
        file.write_at(0, digits.as_bytes())?;
        file.sync()?;
        disk.rename(&aside, path)?;
        path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))
    };
    write().with_context(|| format!("writing the node's key {}", path.display()))?;
    Ok(SecretKey::from_seed(&seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_keeps_its_key_and_refuses_one_that_others_can_read() {
        let dir = tempfile::tempdir().unwrap();
        let of = |dir: &Path| of(&Surroundings::real(), dir);
        let key = of(dir.path()).unwrap();
        assert_eq!(of(dir.path()).unwrap().public(), key.public());
        let path = dir.path().join(FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(of(dir.path()).unwrap_err().to_string().contains("others can read"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "abc").unwrap();
        assert!(of(dir.path()).unwrap_err().to_string().contains("is no node key"));
    }
}
