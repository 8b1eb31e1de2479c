//! One daemon per data directory: a lock file that says who holds it.
//!
//! The lock is the operating system's (`flock`) and goes with the process, however it ends; the
//! words in the file are for whoever comes second.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A held lock. It is released when this is dropped; the file stays, because removing it would
/// let two openers lock two files of one name.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why a lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Somebody has it: the words of the holder.
    Held(String),
    Io(io::Error),
}

impl Lock {
    /// Takes the lock at `path` and writes down who holds it.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn take(path: &Path, holder: &str) -> Result<Lock, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path).map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held(words(&mut file))),
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        let line = format!("{holder} (process {})\n", std::process::id());
        // The lock holds without the words, as on a full disk.
        let _ = write(&mut file, &line);
        Ok(Lock { _file: file })
    }
}

fn write(file: &mut File, line: &str) -> io::Result<()> {
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(line.as_bytes())
}

fn words(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(1000).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        // The other one has the lock, but has not written yet.
        _ => "another process".to_owned(),
    }
}
