//! A large page across ends and starts of the daemon: answered from its image, and the same page.

use std::{fs, net::Ipv4Addr, os::unix::fs::PermissionsExt, path::PathBuf};

use djdns::{
    control::request::{Answer, Request},
    id::Id,
    limits::IMAGE_NAMES_MIN,
    page::{
        name::{Name, Owner},
        origin_version,
    },
};

use crate::support::{
    daemon::{Daemon, Home},
    people::{address, approval, found, proposal, staging, submission},
};

const WORDS: &str = "answered from their images";

/// A page of its own, trusted, with enough names for an image.
fn a_large_page(daemon: &Daemon) -> Id {
    let name = Name::parse("large.").expect("a name");
    let owner = |n: usize| Owner::parse(&format!("n{n}"), &name).expect("a name");
    let (page, raw) = found("large.", (0..IMAGE_NAMES_MIN).map(|n| (owner(n), address(n as u32))));
    let mut client = daemon.client();
    let id = page.id();
    for request in [staging(raw), Request::Commit, Request::Join { name, page: id }] {
        client.ask(&request, &mut |_, _, _| {}).expect("it is taken");
    }
    id
}

fn image(home: &Home, page: &Id) -> PathBuf {
    home.data_dir().join("pages").join(page.to_string()).join("image")
}

fn entries(daemon: &Daemon) -> usize {
    match daemon.ask(&Request::Page { page: "large.".to_owned() }) {
        Ok(Answer::Page(page)) => page.summary.entries,
        other => panic!("{other:?}"),
    }
}

/// What the daemon remembers of its log.
fn said(daemon: &Daemon) -> String {
    match daemon.ask(&Request::Log { from: 0, wait: false }) {
        Ok(Answer::Log(part)) => format!("{part:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_daemon_that_ended_answers_from_images_and_commands_wait_for_the_log() {
    let home = Home::new();
    let daemon = home.start();
    let page = a_large_page(&daemon);
    assert!(daemon.terminate().success());
    let mode = fs::metadata(image(&home, &page)).expect("it was written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let daemon = home.start();
    assert_eq!(daemon.resolver().addresses("n7.large."), [address(7)]);
    // Asked at once: it is of the whole page all the same.
    assert_eq!(entries(&daemon), IMAGE_NAMES_MIN);
    assert!(said(&daemon).contains(WORDS), "{}", said(&daemon));
    let name = Name::parse("large.").expect("a name");
    let owner = Owner::parse("new", &name).expect("a name");
    let change = proposal(&page, "alice", 0, &owner, origin_version(&page, &owner), ADDRESS);
    let ballots = ["alice", "bob"].map(|person| approval(&page, person, 1, &change.id()));
    daemon.ask(&submission(&[&change, &ballots[0], &ballots[1]])).expect("it is ratified");
    let before = fs::read(image(&home, &page)).expect("it is there");
    daemon.kill();

    // What was said after the image was written is not in it.
    assert_eq!(fs::read(image(&home, &page)).expect("it is there"), before);
    let daemon = home.start();
    assert_eq!(daemon.resolver().addresses("new.large."), [ADDRESS]);
    assert!(!said(&daemon).contains(WORDS), "{}", said(&daemon));
    assert!(daemon.terminate().success());

    let daemon = home.start();
    assert_eq!(daemon.resolver().addresses("new.large."), [ADDRESS]);
    assert_eq!(entries(&daemon), IMAGE_NAMES_MIN);
    assert!(said(&daemon).contains(WORDS), "{}", said(&daemon));
    daemon
        .ask(&Request::Forget { page: page.to_string(), untrust: true })
        .expect("it is let go of");
    assert!(!image(&home, &page).exists());
    assert!(daemon.terminate().success());
    let daemon = home.start();
    assert_eq!(daemon.resolver().addresses("n7.large."), [] as [Ipv4Addr; 0]);
}

const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
