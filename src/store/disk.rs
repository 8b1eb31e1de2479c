//! The disk as the store uses it: a dozen calls, small enough that a test can stand in for it.
//!
//! [`RealDisk`] is the operating system's; [`FakeDisk`](super::fake::FakeDisk) forgets what was
//! not synced and crashes where it is told to. Nothing here knows what is written.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

/// A tree of directories and files, addressed by absolute path.
///
/// A change lasts through a crash of the machine only after the matching sync: of the file for
/// its bytes and length, of the directory for the names in it.
pub trait Disk: Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>>;
    /// Makes one directory, readable by its owner alone. It must not exist.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Moves a file over another, or a directory to a free name, in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file, or a directory with all that is in it (not in one step).
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, sorted; such as are not UTF-8 are left out.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Bytes that may be written where this file is before there is no space.
    fn free(&self, path: &Path) -> io::Result<u64>;
    /// Whether there is anything at this path.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Where the operating system finds this path, or `None` if only this trait reaches it: then
    /// what needs real files does without (the lock), or is in memory (the index).
    fn on_host(&self, path: &Path) -> Option<PathBuf>;
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading what is there.
    Read,
    /// Reading and changing what is there.
    Write,
    /// Writing from nothing: the file is made, or emptied if it exists.
    Create,
}

/// An open file.
pub trait DiskFile: Send {
    /// Its bytes.
    fn length(&self) -> io::Result<u64>;
    /// Fills `buffer` from `offset` as far as the file goes; says how many bytes that was.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes all of `bytes` at `offset`. After an error any part of them may be there.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file to `length` bytes.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// Makes bytes and length durable. After an error it is unknown what is.
    fn sync(&self) -> io::Result<()>;
}

/// The operating system's disk. Files get mode 0600, directories 0700.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).mode(0o600);
        match access {
            Access::Read => &mut options,
            Access::Write => options.write(true),
            Access::Create => options.write(true).create(true).truncate(true),
        };
        Ok(Box::new(options.open(path)?))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if fs::symlink_metadata(path)?.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        let mut names: Vec<String> =
            names.filter_map(Result::transpose).collect::<io::Result<_>>()?;
        names.sort();
        Ok(names)
    }

    fn free(&self, path: &Path) -> io::Result<u64> {
        let counts = statvfs(path)?;
        Ok(counts.f_bavail.saturating_mul(counts.f_frsize))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn on_host(&self, path: &Path) -> Option<PathBuf> {
        Some(path.to_owned())
    }
}

impl DiskFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match FileExt::read_at(self, &mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }
}
