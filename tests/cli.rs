//! The command line as documents show it: every `console` block of README.md and of
//! `tests/cli/*.md` is run, in order, and must print what it shows.
//!
//! Each document has a data directory and keys of its own, and may type `sh` where one command needs
//! what another printed. `TRYCMD=overwrite cargo test --release
//! --test cli` writes what was printed into the documents: read the diff.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let stories = std::fs::read_dir(root.join("tests/cli")).expect("tests/cli is there");
    let mut documents: Vec<PathBuf> = stories
        .map(|story| story.expect("a directory entry is read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .chain([root.join("README.md")])
        .collect();
    documents.sort();
    documents
}

/// Where the shell finds djdns, and everything else.
fn path() -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_djdns"));
    let folder = program.parent().expect("a program is in a directory").display();
    format!("{folder}:{}", std::env::var("PATH").unwrap_or_default())
}

/// Makes a data directory, as a daemon does that is started and ended.
fn begin(folder: &str) {
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_djdns"));
    daemon.args(["serve", "--dns", "127.0.0.1:0", "--http", "off", "--listen", "off"]);
    daemon.args(["--data-dir", folder]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut daemon = daemon.spawn().expect("the program starts");
    let said = BufReader::new(daemon.stdout.take().expect("it is piped"));
    assert!(said.lines().map_while(Result::ok).any(|line| line.starts_with("try: ")));
    let pid = Pid::from_raw(daemon.id() as i32).expect("a process");
    kill_process(pid, Signal::TERM).expect("it runs");
    daemon.wait().expect("it is a child");
}

#[test]
fn documents_show_what_the_program_prints() {
    for document in documents() {
        let home = tempfile::tempdir().expect("a temporary directory is made");
        let at = |name: &str| home.path().join(name).display().to_string();
        std::fs::create_dir(at("home")).expect("a home is made");
        begin(&at("data"));
        trycmd::TestCases::new()
            .register_bin("sh", Path::new("/bin/sh"))
            .env("PATH", path())
            .env("DJDNS_DATA_DIR", at("data"))
            .env("DJDNS_KEYS", at("keys"))
            .env("XDG_CONFIG_HOME", at("config"))
            .env("HOME", at("home"))
            .env("COLUMNS", "100")
            .env("NO_COLOR", "1")
            .case(&document)
            .run();
    }
}
