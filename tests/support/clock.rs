//! A clock that is off, for a whole process: a small library of C that stands before the system's.
//!
//! Whoever builds this program has a C compiler to link it (`cc`), which builds the library.

use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// A clock that can be set while a process runs by it.
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// A clock that is so many seconds ahead; its files are in `folder`.
    pub fn new(folder: &Path, seconds: i64) -> Clock {
        let (library, file) = (folder.join("clock.so"), folder.join("clock"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/clock.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source);
        let built = compiler.output().expect("a C compiler, which links this program too");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let clock = Clock { library, file };
        clock.set(seconds);
        clock
    }

    /// It is so many seconds ahead from now on.
    pub fn set(&self, seconds: i64) {
        // Written in place: the process has the file mapped, and never sees it shorter.
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&self.file);
        let written = file.and_then(|mut file| file.write_all(&seconds.to_ne_bytes()));
        written.expect("the folder is there");
    }

    /// What a command's environment needs for it.
    pub fn environment(&self) -> [(&'static str, &Path); 2] {
        [("LD_PRELOAD", &self.library), ("DJDNS_TEST_CLOCK", &self.file)]
    }
}
