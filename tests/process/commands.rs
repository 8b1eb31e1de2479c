//! Commands with something in their way: a damaged key, a terminal, a limit on files, a taken port.

use std::{
    fs::{self, File, OpenOptions},
    io::Read,
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStringExt, fs::PermissionsExt},
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use crate::support::daemon::Home;

/// A home with the demonstration, as a daemon makes it that was started and ended.
pub fn with_data() -> Home {
    let home = Home::new();
    home.start().terminate();
    home
}

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

/// The end of a new terminal that a program has, and the other.
fn terminal() -> (OwnedFd, File) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).expect("it is ours");
    unlockpt(&ours).expect("it is ours");
    let path = ptsname(&ours, Vec::new()).expect("it has a name").into_bytes();
    let path = PathBuf::from(std::ffi::OsString::from_vec(path));
    (ours, OpenOptions::new().read(true).write(true).open(path).expect("the other end"))
}

#[test]
fn a_bundle_goes_to_a_pipe_and_to_a_file_but_to_no_terminal() {
    let home = with_data();
    let export = ["page", "export", "ff.ct", "--format", "bundle"];
    let piped = run(&home, &export);
    assert_eq!(piped.status.code(), Some(0), "{}", text(&piped.stderr));
    assert!(djdns::page::bundle::is_bundle(&piped.stdout));
    let (_ours, theirs) = terminal();
    let shown = command(&home, &export).stdout(theirs).output().expect("the program starts");
    assert_eq!(shown.status.code(), Some(1));
    assert!(text(&shown.stderr).contains("-o FILE"), "{}", text(&shown.stderr));
    let file = home.data_dir().with_file_name("ff.bundle");
    let (ours, theirs) = terminal();
    let written = command(&home, &export).arg("-o").arg(&file).stdout(theirs).output();
    assert_eq!(written.expect("the program starts").status.code(), Some(0));
    assert_eq!(fs::read(&file).expect("it is written"), piped.stdout);
    // Nobody has the other end any more: reading ends at once, with an error or with nothing.
    assert_eq!(File::from(ours).read(&mut [0; 1]).unwrap_or_default(), 0);
}

#[test]
fn a_narrow_terminal_gets_lines_that_fit_and_a_pipe_whole_ones() {
    let home = with_data();
    for arguments in [&["page", "participants", "ff.ct"][..], &["page", "history", "ff.ct"]] {
        let (ours, theirs) = terminal();
        let size = Winsize { ws_row: 50, ws_col: 60, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&ours, size).expect("it has a size");
        let mut narrow = command(&home, arguments);
        let ended = narrow.env("NO_COLOR", "1").env("PAGER", "cat").stdout(theirs).status();
        assert_eq!(ended.expect("the program starts").code(), Some(0));
        drop(narrow);
        let mut shown = Vec::new();
        // Nobody has the other end any more: reading ends with an error.
        let _ = File::from(ours).read_to_end(&mut shown);
        let shown = text(&shown);
        assert!(shown.lines().all(|line| line.chars().count() <= 60), "{shown}");
        assert!(shown.lines().count() > 1, "{shown}");
        let piped = text(&run(&home, arguments).stdout);
        assert!(piped.lines().any(|line| line.chars().count() > 60), "{piped}");
    }
}

#[test]
fn a_page_brought_by_hand_comes_with_what_makes_it_used() {
    let (from, to) = (Home::new(), Home::new());
    let founded = run(&from, &["page", "create", "club.ff.ct", "--participant", "demo:alice"]);
    let id = text(&founded.stdout).trim().to_owned();
    let file = from.data_dir().with_file_name("club.bundle").display().to_string();
    run(&from, &["page", "export", "club.ff.ct", "--format", "bundle", "-o", &file]);
    let imported = run(&to, &["page", "import", "club.ff.ct", &file]);
    let said = text(&imported.stderr);
    assert_eq!(text(&imported.stdout), format!("{id}\n"), "{said}");
    for way in [format!("page join club.ff.ct {id}"), format!("propose ff.ct link club {id}")] {
        assert!(said.contains(&way), "{said}");
    }
    let joined = run(&to, &["page", "join", "club.ff.ct", &id[..6]]);
    assert!(text(&joined.stdout).ends_with(&format!("from {id}\n")), "{}", text(&joined.stderr));
}

#[test]
fn a_limit_on_the_size_of_files_is_said_in_a_sentence() {
    let home = Home::new();
    let create = ["page", "create", "club.ct", "--participant", "demo:alice", "-q"];
    for arguments in [&["key", "new", "ann"][..], &create] {
        let output = limited(&home, 0, arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {:?} {said}", output.status);
        assert!(said.starts_with("djdns: ") && said.contains("File too large"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let shown = run(&home, &["key", "list", "--json"]);
    assert_eq!(text(&shown.stdout), "[]\n", "nothing half is left");
    assert_eq!(run(&home, &create).status.code(), Some(0));
}

#[test]
fn who_has_the_port_is_said_with_a_way_out() {
    let (home, other) = (Home::new(), Home::new());
    let first = home.start();
    let taken = first.said[0].rsplit(' ').next().expect("an address").to_owned();
    let refused = run(&other, &["serve", "--dns", &taken]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    let by = format!("{taken} (udp) is taken by djdns (pid {}): ", first.pid());
    assert!(said.contains(&by) && said.contains("--dns") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_command_gives_up_a_daemon_that_is_stopped() {
    let home = Home::new();
    let daemon = home.start();
    let pid = Pid::from_raw(daemon.pid() as i32).expect("a process");
    kill_process(pid, Signal::STOP).expect("it runs");
    let given_up = run(&home, &["status"]);
    let said = text(&given_up.stderr);
    assert_eq!(given_up.status.code(), Some(4), "{said}");
    assert!(said.contains("is it stopped?") && said.lines().count() == 1, "{said}");
    kill_process(pid, Signal::CONT).expect("it runs");
    assert_eq!(run(&home, &["status"]).status.code(), Some(0));
}

#[test]
fn a_node_key_that_cannot_be_used_stops_what_signs_and_nothing_else() {
    let home = with_data();
    assert_eq!(run(&home, &["page", "list"]).status.code(), Some(0));
    let key = home.data_dir().join("node.key");
    let whole = fs::read(&key).expect("the node's key");
    let open = || fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("it is ours");
    let damage = || fs::write(&key, "abc").expect("it is ours");
    for (spoil, words) in [(&open as &dyn Fn(), "others can read"), (&damage, "is no node key")] {
        spoil();
        for reading in [&["status"][..], &["page", "list"], &["resolve", "brickwindows.ff.ct"]] {
            let output = run(&home, reading);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{reading:?}: {said}");
            assert!(said.starts_with("note: this node seals nothing: "), "{said}");
            assert!(said.contains(words) && said.lines().count() == 1, "{said}");
        }
        let named = run(&home, &["host", "ff.ct", "--as", "demo:alice"]);
        assert_eq!(named.status.code(), Some(1), "{}", text(&named.stderr));
        assert!(text(&named.stderr).contains("nobody can name it"), "{}", text(&named.stderr));
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("it is ours");
    }
    fs::write(&key, whole).expect("it is ours");
    assert_eq!(run(&home, &["host", "ff.ct", "--as", "demo:alice"]).status.code(), Some(0));
}

#[test]
fn whoever_only_reads_makes_no_data_directory() {
    let home = Home::new();
    let reading = [
        &["status"][..],
        &["page", "list"],
        &["page", "show", "club"],
        &["page", "forget", "club", "--yes"],
        &["resolve", "brickwindows.ff.ct"],
        &["explain", "brickwindows.ff.ct"],
        &["field", "ff.ct"],
        &["beacon"],
        &["proposals", "ff.ct"],
        &["inbox", "--as", "demo:alice"],
        &["audit", "ff.ct"],
        &["host", "ff.ct", "--as", "demo:alice"],
    ];
    let expect = format!("there is no data directory at {}", home.data_dir().display());
    for arguments in reading {
        let asked = run(&home, arguments);
        let said = text(&asked.stderr);
        assert_eq!(asked.status.code(), Some(3), "{arguments:?}: {said}");
        assert!(said.contains(&expect) && said.contains("`djdns serve`"), "{arguments:?}: {said}");
        assert!(!home.data_dir().exists(), "{arguments:?}");
    }
    assert_eq!(run(&home, &["peers"]).status.code(), Some(4));
    assert!(!home.data_dir().exists());
    fs::create_dir(home.data_dir()).expect("it is made");
    let said = text(&run(&home, &["page", "list"]).stderr);
    assert!(said.contains("there is nothing of a node yet in"), "{said}");
    assert_eq!(fs::read_dir(home.data_dir()).expect("it is there").count(), 0);
}
