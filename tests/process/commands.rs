//! Commands with something in their way: a damaged key, a terminal, a limit on files, a taken port.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use crate::support::daemon::Home;

fn command(home: &Home, arguments: &[&str]) -> Command {
    let mut command = home.program(Path::new(env!("CARGO_BIN_EXE_djdns")));
    command.args(arguments).arg("--data-dir").arg(home.data_dir()).stderr(Stdio::piped());
    command
}

fn run(home: &Home, arguments: &[&str]) -> Output {
    command(home, arguments).output().expect("the program starts")
}

/// The same command in a process whose files may not grow over so many blocks of 512 bytes.
fn limited(home: &Home, blocks: u32, arguments: &[&str]) -> Output {
    let whole = command(home, arguments);
    let mut limited = home.program(Path::new("/bin/sh"));
    limited.arg("-c").arg(format!("ulimit -f {blocks}; exec \"$0\" \"$@\""));
    limited.arg(whole.get_program()).args(whole.get_args()).stderr(Stdio::piped());
    limited.output().expect("the shell starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn key_file(home: &Home, name: &str) -> PathBuf {
    let shown = text(&run(home, &["key", "new", name, "--json"]).stdout);
    // The last field: `"file":"…"}`.
    PathBuf::from(shown.rsplit('"').nth(1).expect("its file"))
}

#[test]
fn a_damaged_key_is_named_and_the_others_are_listed() {
    let home = Home::new();
    let [ann, ben] = ["ann", "ben"].map(|name| key_file(&home, name));
    fs::write(&ben, "djdns-key 1\n").expect("it is there");
    let listed = run(&home, &["key", "list"]);
    let (shown, said) = (text(&listed.stdout), text(&listed.stderr));
    assert_eq!(listed.status.code(), Some(0), "{said}");
    assert!(shown.contains("\nann ") && !shown.contains("\nben "), "{shown}");
    let begin = format!("warning: the key file {} is damaged: line 2", ben.display());
    assert!(said.starts_with(&begin) && said.lines().count() == 1, "{said}");
    fs::write(&ann, "").expect("it is there");
    let listed = run(&home, &["key", "list"]);
    assert_eq!((listed.status.code(), text(&listed.stdout)), (Some(1), String::new()));
    assert_eq!(text(&listed.stderr).lines().count(), 2, "{}", text(&listed.stderr));
}

#[test]
fn a_limit_on_the_size_of_files_is_said_in_a_sentence() {
    let home = Home::new();
    for arguments in [&["key", "new", "ann"][..], &["status"]] {
        let output = limited(&home, 0, arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {:?} {said}", output.status);
        assert!(said.starts_with("djdns: ") && said.contains("File too large"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let shown = run(&home, &["key", "list", "--json"]);
    assert_eq!(text(&shown.stdout), "[]\n", "nothing half is left");
    assert_eq!(run(&home, &["status"]).status.code(), Some(0));
}
