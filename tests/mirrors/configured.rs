//! A daemon whose configuration has mirrors.

use std::{
    collections::BTreeSet, fs, net::UdpSocket, os::unix::fs::PermissionsExt, sync::Arc,
    time::Duration,
};

use djdns::{
    ambient,
    control::{
        report::Status,
        request::{Answer, Request},
    },
    dns::transfer::{Algorithm, Key, tsig},
    page::name::Name,
};
use rustix::process::Signal;

use super::sealed::{PATIENCE, SECRET, axfr, count, key, messages, signed};
use crate::support::daemon::{Daemon, Home};

/// A daemon that tells this mirror of its pages.
fn start(home: &Home, mirror: &UdpSocket) -> (Daemon, std::path::PathBuf) {
    let secret = home.write("mirror.key", &data_encoding::BASE64.encode(&SECRET));
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let mirror = mirror.local_addr().expect("it is bound");
    let config = home.write(
        "djdns.toml",
        &format!(
            "[transfer]\nkey = \"mirror\"\nsecret-file = \"mirror.key\"\nnotify = [\"{mirror}\"]\n"
        ),
    );
    let daemon = home.start_as(home.serve().arg("--config").arg(&config));
    (daemon, config)
}

#[test]
fn a_daemon_tells_its_mirrors_and_gives_them_its_pages() {
    let home = Home::new();
    let mirror = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    mirror.set_read_timeout(Some(PATIENCE)).expect("a time");
    let (daemon, config) = start(&home, &mirror);
    let mut message = [0; 2048];
    let len = mirror.recv(&mut message).expect("it is told");
    let told = tsig::take(&message[..len]).expect("well formed").expect("it is signed");
    assert_eq!(told.check(&key(), &[], ambient::now()), Ok(()));
    assert_eq!(message[2] >> 3, 4, "NOTIFY");
    let page = Name::parse("ff.ct").expect("a name");
    let rcode = |request: Vec<u8>| messages(daemon.dns(), &request, 2)[0][3] & 15;
    let now = ambient::now();
    let found = messages(daemon.dns(), &signed(axfr(&page), key(), now), 2);
    assert!(count(&found) > 10 && found[0][3] & 15 == 0);
    let strange = Key::new(key().name().clone(), key().algorithm(), &[6; 32]).expect("long enough");
    assert_eq!(rcode(axfr(&page)), 5);
    assert_eq!(rcode(signed(axfr(&page), strange.clone(), now)), 9);
    assert_eq!(rcode(signed(axfr(&page), key(), now - 1000)), 9);
    let unknown = Name::parse("no.such.page").expect("a name");
    assert_eq!(rcode(signed(axfr(&unknown), key(), now)), 9);
    // Another secret in the same file.
    home.write("mirror.key", &data_encoding::BASE64.encode(&[6; 32]));
    daemon.signal(Signal::HUP);
    logged(&daemon, "the configuration was read again: changed: the secret of [transfer]");
    assert_eq!(rcode(signed(axfr(&page), key(), now)), 9);
    assert_eq!(rcode(signed(axfr(&page), strange, now)), 0);
    // Nobody may any more, once the section is gone.
    fs::write(&config, "").expect("it is ours");
    daemon.signal(Signal::HUP);
    let begun = ambient::ticks();
    while rcode(signed(axfr(&page), key(), now)) != 5 {
        assert!(ambient::ticks() - begun < PATIENCE.as_millis() as u64, "it is still given");
        ambient::pause(Duration::from_millis(10));
    }
}

/// Answers as a mirror of one page, until it was told of all four of the demonstration.
fn answer_as_mirror_of(page: &str, mirror: &UdpSocket) {
    let key = Arc::new(key());
    let mut told = BTreeSet::new();
    while told.len() < 4 {
        let mut message = [0; 2048];
        let (len, daemon) = mirror.recv_from(&mut message).expect("it is told");
        let asked = tsig::take(&message[..len]).expect("well formed").expect("it is signed");
        let read = hickory_proto::op::Message::from_vec(&message[..len]).expect("well formed");
        let name = read.queries[0].name().to_string();
        let mut answer = asked.message.clone();
        (answer[2], answer[3]) = (answer[2] | 0x80, if name == page { 0 } else { 9 });
        asked.signer(key.clone()).sign(&mut answer, ambient::now());
        mirror.send_to(&answer, daemon).expect("loopback");
        told.insert(name);
    }
}

/// The daemon's log, each line with its level, once it says this.
fn logged(daemon: &Daemon, words: &str) -> String {
    let (mut log, mut from, begun) = (String::new(), 0, ambient::ticks());
    while !log.contains(words) {
        assert!(ambient::ticks() - begun < PATIENCE.as_millis() as u64, "no `{words}`: {log}");
        let Ok(Answer::Log(part)) = daemon.ask(&Request::Log { from, wait: true }) else {
            panic!("it has a log")
        };
        from = part.next;
        let lines = part.lines.iter().map(|line| format!("{} {}\n", line.level, line.message));
        log.extend(lines);
    }
    log
}

/// What the newcomer reads who set up a mirror of one page, and what each mistake says.
#[test]
fn what_becomes_of_mirrors_is_said_in_the_log_the_status_and_the_numbers() {
    let home = Home::new();
    let mirror = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    mirror.set_read_timeout(Some(PATIENCE)).expect("a time");
    let (daemon, _) = start(&home, &mirror);
    let address = mirror.local_addr().expect("it is bound");
    answer_as_mirror_of("ff.ct.", &mirror);
    let page = Name::parse("ff.ct").expect("a name");
    let now = ambient::now();
    let ask = |request: &[u8]| messages(daemon.dns(), request, 2);
    let named = |name: &str, algorithm| {
        Key::new(Name::parse(name).expect("a name"), algorithm, &SECRET).expect("long enough")
    };
    let strange = Key::new(key().name().clone(), key().algorithm(), &[6; 32]).expect("long enough");
    let (sha256, sha512) = (Algorithm::Sha256, Algorithm::Sha512);
    ask(&signed(axfr(&page), strange.clone(), now));
    ask(&signed(axfr(&page), strange, now));
    ask(&signed(axfr(&page), named("mirror", sha512), now));
    ask(&signed(axfr(&page), named("miror", sha256), now));
    ask(&signed(axfr(&page), key(), now - 1000));
    ask(&signed(axfr(&Name::parse("no.page").expect("a name")), key(), now));
    ask(&axfr(&page));
    let sum = |status: &Status| {
        let mirrors = status.mirrors.as_ref().expect("there is a key");
        (mirrors[0].pages, mirrors[0].troubles.clone())
    };
    let status = || match daemon.ask(&Request::Status) {
        Ok(Answer::Status(status)) => status,
        answer => panic!("{answer:?}"),
    };
    let (pages, troubles) = sum(&status());
    assert_eq!((pages, troubles.len()), (1, 1), "{troubles:?}");
    assert!(troubles[0].contains("127.0.0.1 may not mirror ff.ct.: its request is not signed"));
    assert!(status().health.contains("something needs attention"), "{}", status().health);
    ask(&signed(axfr(&page), key(), now));
    assert_eq!(sum(&status()), (1, vec![]));
    let log =
        logged(&daemon, &format!("info the mirror {address} takes 1 of 4 pages; of the others"));
    assert!(log.contains("info ff.ct. at height 0 to 127.0.0.1 (AXFR, 28 records, "), "{log}");
    assert!(!log.contains("warn the mirror"), "it need not have them all: {log}");
    for words in [
        "it has another secret for the key mirror (BADSIG)",
        "it signs by hmac-sha512, and here the key mirror is one of hmac-sha256 (BADKEY)",
        "it signs with the key miror, which is not known here (BADKEY): the key of [transfer] is mirror",
        "its clock is 1000 s behind this one (BADTIME)",
        "127.0.0.1 may not mirror no.page.: no page of that name is here",
        "127.0.0.1 may not mirror ff.ct.: its request is not signed; the key is mirror (hmac-sha256)",
    ] {
        assert_eq!(log.matches(words).count(), 1, "{words}\n{log}");
    }
    let Ok(Answer::Stats(stats)) = daemon.ask(&Request::Stats) else { panic!("it counts") };
    let numbers = stats.mirrors.expect("there is a key");
    assert_eq!((numbers.transfers["axfr"], numbers.refused["other-secret"]), (1, 2));
}

#[test]
fn a_secret_that_others_can_read_is_not_used() {
    let home = Home::new();
    let secret = home.write("mirror.key", &data_encoding::BASE64.encode(&SECRET));
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).expect("it is ours");
    let text = "[transfer]\nkey = \"mirror\"\nsecret-file = \"mirror.key\"\n";
    let config = home.write("djdns.toml", text);
    let mut command = home.program(env!("CARGO_BIN_EXE_djdns").as_ref());
    let output = command.args(["config", "check"]).arg(&config).status().expect("it runs");
    assert_eq!(output.code(), Some(1));
    home.errors_until("chmod 600");
}
