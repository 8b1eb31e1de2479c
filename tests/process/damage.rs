//! Damaged files and a full disk: what is lost is named, and everything else goes on.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use djdns::{
    control::request::{Answer, FailureKind, Request},
    id::Id,
    page::{
        name::{Name, Owner},
        origin_version,
    },
};

use crate::support::{
    daemon::{Daemon, Home, Resolver},
    people::{approval, proposal, submission},
};

/// The id of the demonstration page of this name.
fn page(daemon: &Daemon, name: &str) -> Id {
    match daemon.ask(&Request::Page { page: name.to_owned() }) {
        Ok(Answer::Page(page)) => Id::from_hex(&page.summary.page_id).expect("an id"),
        other => panic!("{name}: {other:?}"),
    }
}

/// Alice proposes an address for a new name of `ct.` and approves it together with Bob.
fn ratify(slot: u32, owner: &str, page: &Id) -> Request {
    let owner = Owner::parse(owner, &Name::parse("ct.").expect("a name")).expect("a name");
    let parent = origin_version(page, &owner);
    let statement = proposal(page, "alice", slot, &owner, parent, ADDRESS);
    let sequence = u64::from(slot) + 1;
    let ballots = ["alice", "bob"].map(|p| approval(page, p, sequence, &statement.id()));
    submission(&[&statement, &ballots[0], &ballots[1]])
}

const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

/// A daemon that ran, ratified `kept.ct.`, and was killed.
fn a_killed_daemon(home: &Home) -> Id {
    let daemon = home.start();
    let page = page(&daemon, "ct.");
    daemon.ask(&ratify(0, "kept", &page)).expect("it is ratified");
    daemon.kill();
    page
}

fn expect_notice(daemon: &Daemon, words: &[&str]) {
    let is_it = |text: &String| words.iter().all(|word| text.contains(word));
    let Ok(Answer::Status(status)) = daemon.ask(&Request::Status) else { panic!("no status") };
    assert!(status.notices.iter().any(is_it), "{words:?} in {:?}", status.notices);
    assert!(daemon.said.iter().any(is_it), "{words:?} in {:?}", daemon.said);
}

#[test]
fn a_daemon_starts_without_its_index_and_with_a_torn_one_and_says_so() {
    let delete = |index: &Path| fs::remove_dir_all(index).expect("it is there");
    let tear = |index: &Path| {
        let names = fs::read_dir(index).expect("it is there").map(|entry| entry.expect("a file"));
        let snapshots: Vec<PathBuf> = names
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("snap."))
            .map(|entry| entry.path())
            .collect();
        // sled may not have written one yet; a torn one of its own making looks like this.
        let made = index.join("snap.0000000000000001");
        for snapshot in if snapshots.is_empty() { vec![made] } else { snapshots } {
            fs::write(snapshot, b"").expect("it can be torn");
        }
    };
    let check = |what: &str, spoil: &dyn Fn(&Path)| {
        let home = Home::new();
        a_killed_daemon(&home);
        spoil(&home.data_dir().join("index"));
        let daemon = home.start();
        expect_notice(&daemon, &["index was rebuilt", "nothing is lost"]);
        assert_eq!(daemon.resolver().addresses("kept.ct."), [ADDRESS], "{what}");
        daemon.kill();
        let said = home.start().said.clone();
        assert!(!said.iter().any(|line| line.contains("rebuilt")), "{what}, again: {said:?}");
    };
    check("deleted", &delete);
    check("torn", &tear);
}

#[test]
fn an_end_that_was_cut_off_is_told_of_by_whoever_opens_and_by_verify() {
    let home = Home::new();
    let page = a_killed_daemon(&home);
    let log = home.data_dir().join("pages").join(page.to_string()).join("log");
    fs::remove_dir_all(home.data_dir().join("index")).expect("it is there");
    let mut bytes = fs::read(&log).expect("the log");
    *bytes.last_mut().expect("it holds something") ^= 1;
    fs::write(&log, &bytes).expect("it can be damaged");
    let mut verify = home.program(Path::new(env!("CARGO_BIN_EXE_djdns")));
    verify.args(["page", "verify", "ct", "--data-dir"]).arg(home.data_dir());
    let output = verify.stderr(std::process::Stdio::piped()).output().expect("it runs");
    let [shown, said] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("text"));
    assert!(shown.contains("but of its end: ") && shown.contains("were removed"), "{shown}");
    assert!(said.contains("note: ") && said.contains("the last change was cut off"), "{said}");
}

#[test]
fn a_flipped_byte_in_a_log_costs_that_page_alone_and_it_is_named() {
    let home = Home::new();
    let page = a_killed_daemon(&home);
    let log = home.data_dir().join("pages").join(page.to_string()).join("log");
    let mut bytes = fs::read(&log).expect("the log");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&log, &bytes).expect("it can be damaged");
    let daemon = home.start();
    expect_notice(&daemon, &["is not available", "is damaged at byte", &page.to_string()]);
    assert_eq!(daemon.resolver().addresses("kept.ct."), [] as [Ipv4Addr; 0]);
    let Ok(Answer::Pages(pages)) = daemon.ask(&Request::Pages) else { panic!("no pages") };
    let names: Vec<&str> = pages.iter().map(|page| page.name.as_str()).collect();
    assert_eq!(names, [".", "ct.", "ff.ct.", "music.ct."], "its genesis still reads");
    let damaged: Vec<bool> = pages.iter().map(|page| page.damaged.is_some()).collect();
    assert_eq!(damaged, [false, true, false, false]);
    assert_eq!(daemon.resolver().addresses("localhost."), [Ipv4Addr::LOCALHOST]);
    assert_eq!(fs::read(&log).expect("the log"), bytes, "evidence is left as it is");
}

#[test]
fn on_a_full_disk_a_change_is_refused_in_a_sentence_and_everything_else_goes_on() {
    let home = Home::new();
    let page = a_killed_daemon(&home);
    let log = home.data_dir().join("pages").join(page.to_string()).join("log");
    let length = || fs::metadata(&log).expect("the log").len();
    // The log may grow by some frames, and is then as full as if the disk were. dash counts 512
    // byte blocks. The limit's signal, SIGXFSZ, is as a service manager leaves it.
    let blocks = length() / 512 + 4;
    let serve = home.serve();
    let mut limited = home.program(Path::new("/bin/sh"));
    limited.arg("-c").arg(format!("ulimit -f {blocks}; exec \"$0\" \"$@\""));
    limited.arg(serve.get_program()).args(serve.get_args());
    let daemon = home.start_as(&mut limited);
    let resolver = daemon.resolver();
    let mut ratified = 1;
    let refusal = loop {
        match daemon.ask(&ratify(ratified, &format!("name-{ratified}"), &page)) {
            Ok(_) => ratified += 1,
            Err(failure) => break failure,
        }
        assert!(ratified < 100, "the limit is never met");
    };
    assert_eq!(refusal.kind, FailureKind::Refused);
    assert!(refusal.message.contains("the disk is full: nothing was changed"), "{refusal}");
    let full = length();
    let refused = daemon.ask(&ratify(ratified, "again", &page)).expect_err("it is still full");
    assert!(refused.message.contains("the disk is full"), "{refused}");
    assert_eq!(length(), full, "a refused change leaves nothing behind");
    let check = |resolver: &Resolver| {
        assert_eq!(resolver.addresses("kept.ct."), [ADDRESS]);
        for n in 1..ratified {
            assert_eq!(resolver.addresses(&format!("name-{n}.ct.")), [ADDRESS], "{n}");
        }
        let gone = resolver.addresses(&format!("name-{ratified}.ct."));
        assert_eq!(gone, [] as [Ipv4Addr; 0], "a refused change is not served");
    };
    check(&resolver);
    daemon.kill();
    let daemon = home.start();
    check(&daemon.resolver());
    daemon.ask(&ratify(ratified, "again", &page)).expect("there is room again");
    assert_eq!(daemon.resolver().addresses("again.ct."), [ADDRESS]);
}
