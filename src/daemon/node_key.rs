//! The key of this node: what it signs seals with, and is known by (P4).
//!
//! It belongs to the data directory, is made with it, and is no person's: whoever authorises this
//! node to seal for them names its public half (G6).

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use anyhow::{Context, bail};
use zeroize::Zeroizing;

use crate::{ambient, key::SecretKey};

/// A key that is there and cannot be used. Nothing but sealing needs it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UnfitKey(String);

const FILE: &str = "node.key";

/// The key of the node whose data directory this is; made at the first call.
///
/// # Errors
/// When it cannot be read or written, is damaged, or others can read it.
pub fn of(data_dir: &Path) -> anyhow::Result<SecretKey> {
    let path = data_dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => read(&path, &Zeroizing::new(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

fn read(path: &Path, text: &str) -> anyhow::Result<SecretKey> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
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
fn make(path: &Path) -> anyhow::Result<SecretKey> {
    let seed = Zeroizing::new(ambient::random::<32>());
    let aside = path.with_extension("key.new");
    let write = || {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(data_encoding::HEXLOWER.encode(&*seed).as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        path.parent().map_or(Ok(()), |dir| fs::File::open(dir)?.sync_all())
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
