//! Reads the files that people and this machine write settings into: regular ones, and so much of them.
//!
//! A named pipe would be waited for without end, and a device read without end. What the text means is
//! not known here.

use std::{
    fs::OpenOptions,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::OFlags;

use crate::limits::CONFIG_BYTES_MAX;

/// The bytes of a regular file that has at most `bytes_max`.
///
/// # Errors
/// What the system says; that it is something else than a file, or a longer one.
pub fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    // A device may do something as soon as it is opened.
    if !path.metadata()?.is_file() {
        return Err(no_file());
    }
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
    // It may have been replaced since.
    if !file.metadata()?.is_file() {
        return Err(no_file());
    }
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > bytes_max {
        true => Err(io::Error::other(format!("it is longer than {} KiB", bytes_max / 1024))),
        false => Ok(bytes),
    }
}

/// The text of a configuration, of at most [`CONFIG_BYTES_MAX`].
///
/// # Errors
/// As [`read`]; bytes that are no UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let text = String::from_utf8(read(path, CONFIG_BYTES_MAX)?);
    text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"))
}

fn no_file() -> io::Error {
    io::Error::other("it is no regular file, which could be read again at any time: name one")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_a_regular_file_is_read_and_only_so_much_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let check = |path: &Path, expect: Result<usize, &str>| {
            let found = read(path, CONFIG_BYTES_MAX)
                .map(|bytes| bytes.len())
                .map_err(|error| error.to_string());
            match (&found, expect) {
                (Err(said), Err(words)) => assert!(said.contains(words), "{said}"),
                (found, expect) => {
                    assert_eq!(found.as_ref().ok(), expect.as_ref().ok(), "{path:?}");
                }
            }
        };
        let pipe = dir.path().join("pipe");
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, 0o600.into(), 0).unwrap();
        check(&pipe, Err("no regular file"));
        check(dir.path(), Err("no regular file"));
        check(Path::new("/dev/zero"), Err("no regular file"));
        check(&dir.path().join("absent"), Err("No such file"));
        let file = dir.path().join("file");
        fs::write(&file, vec![b'#'; CONFIG_BYTES_MAX as usize]).unwrap();
        check(&file, Ok(CONFIG_BYTES_MAX as usize));
        fs::write(&file, vec![b'#'; CONFIG_BYTES_MAX as usize + 1]).unwrap();
        check(&file, Err("longer than 1024 KiB"));
        fs::write(&file, b"# \xff").unwrap();
        assert!(read_text(&file).is_err_and(|error| error.to_string().contains("UTF-8")));
    }
}
