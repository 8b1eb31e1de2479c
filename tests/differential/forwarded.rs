//! Names in no page: what djdns says of them after asking Unbound, and what Unbound says itself.
//!
//! The world behind is Knot's on loopback: a root without anything, the zone of [`super::authoritative`]
//! without its delegations, a signed one of the same contents, and a signed one whose keys Unbound
//! knows wrongly, so that nothing in it validates. Nothing leaves the machine.

use std::{fmt::Write, fs, path::Path};

use djdns::page::name::Name;

use super::{
    asking::ask_all,
    authoritative::{ZONE, found},
    compare::{Verdict, forwarded_differences},
    questions::{Question, Questions},
};
use crate::support::{
    daemon::Home,
    message::{Client, read},
    random::Random,
    tools::Server,
};

const SIGNED: [&str; 2] = ["signed.peers.", "bogus.peers."];
const QUESTIONS: usize = 10_000;
const ROOT_ZONE: &str = ". 3600 SOA ns.peers. host.peers. 1 3600 600 86400 60\n. 3600 NS ns.peers.\n\
                         ns.peers. 3600 A 127.0.0.1\n";

/// Writes the zones' files: the root, the export without delegations, the same under other names.
fn write_zones(folder: &Path, export: &str) {
    let is_cut = |line: &str| {
        let words: Vec<&str> = line.split('\t').collect();
        matches!(words[..], [owner, _, _, rtype, ..] if owner != "@" && ["NS", "DS"].contains(&rtype))
    };
    let lines = export.lines().filter(|line| !is_cut(line));
    let zone: String = lines.map(|line| format!("{line}\n")).collect();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("it is written");
    write("root", ROOT_ZONE);
    for name in SIGNED.into_iter().chain([ZONE]) {
        write(name, &zone.replace(ZONE, name));
    }
}

fn knot(zones: &Path) -> Server {
    Server::start(["knotd", "knot"], &["-c"], b"\0", |folder, port| {
        let (folder, zones) = (folder.display(), zones.display());
        let mut config = format!(
            "server:\n  rundir: \"{folder}\"\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n  \
             tcp-workers: 1\n  background-workers: 1\nlog:\n  - target: \"{folder}/log\"\n    \
             any: warning\ndatabase:\n  storage: \"{folder}\"\nzone:\n"
        );
        for name in [".", ZONE, SIGNED[0], SIGNED[1]] {
            let file = if name == "." { "root" } else { name };
            let signing = if SIGNED.contains(&name) { "on" } else { "off" };
            // Writing into a String cannot fail.
            let _ = write!(
                config,
                "  - domain: {name}\n    file: \"{zones}/{file}\"\n    zonefile-sync: -1\n    \
                 journal-content: none\n    dnssec-signing: {signing}\n"
            );
        }
        config
    })
}

/// The key that signs a zone's keys, as text.
fn trust_anchor(client: &Client, zone: &str) -> String {
    let name = Name::parse(zone).expect("a name").wire().to_vec();
    let (qtype, edns) = (48, Some((1232, false)));
    let question =
        Question { name, qtype, edns, recursive: false, unchecked: false, wants_ad: false };
    let said = read(&client.over_tcp(&question.message(1))).expect("well formed");
    let key = said.answer.keys().find(|row| row.rdata[..2] == 257u16.to_be_bytes());
    let rdata = &key.unwrap_or_else(|| panic!("{zone} is not signed")).rdata;
    data_encoding::BASE64.encode(&rdata[4..])
}

fn unbound(knot: &Server) -> Server {
    let client = Client::new(knot.address);
    let right = trust_anchor(&client, SIGNED[0]);
    // The other zone has other keys than this one.
    let anchors = SIGNED.map(|zone| format!(" trust-anchor: \"{zone} DNSKEY 257 3 13 {right}\"\n"));
    let stub = |zone: &str| {
        let (address, port) = (knot.address.ip(), knot.address.port());
        format!("stub-zone:\n name: \"{zone}\"\n stub-addr: {address}@{port}\n")
    };
    let stubs = [".", ZONE, SIGNED[0], SIGNED[1]].map(stub).concat();
    Server::start(["unbound", "unbound"], &["-d", "-c"], b"\0", |folder, port| {
        // Without qname-minimisation: with it Unbound 1.17 sends the alias of a name above along.
        let (folder, anchors) = (folder.display(), anchors.concat());
        format!(
            "server:\n interface: 127.0.0.1\n port: {port}\n directory: \"{folder}\"\n chroot: \"\"\n \
             username: \"\"\n pidfile: \"{folder}/pid\"\n use-syslog: no\n num-threads: 1\n \
             do-not-query-localhost: no\n outgoing-interface: 127.0.0.1\n do-ip6: no\n \
             module-config: \"validator iterator\"\n ratelimit: 0\n \
             qname-minimisation: no\n{anchors}\
             remote-control:\n control-enable: no\n{stubs}"
        )
    })
}

#[test]
fn djdns_says_of_names_outside_the_pages_what_the_resolver_it_asks_says() {
    let folder = tempfile::tempdir().expect("a directory");
    let export = folder.path().join("export");
    found(&Home::new(), &export);
    let export = fs::read_to_string(&export).expect("it was written");
    write_zones(folder.path(), &export);
    let knot = knot(folder.path());
    let unbound = unbound(&knot);
    // This one has no such pages.
    let home = Home::new();
    let upstream = unbound.address.to_string();
    let daemon = home.start_as(home.serve().args(["--upstream", &upstream]));

    let about: Vec<Questions> = [ZONE, SIGNED[0], SIGNED[1]]
        .into_iter()
        .map(|zone| {
            let text = fs::read_to_string(folder.path().join(zone)).expect("it was written");
            Questions::about(&Name::parse(zone).expect("a name"), &text)
        })
        .collect();
    let mut random = Random::new(Random::seed(1));
    let draw = |_| {
        let about = &about[[0, 0, 1, 1, 1, 2][random.below(6)]];
        about.draw_recursive(&mut random)
    };
    let questions: Vec<Question> = (0..QUESTIONS).map(draw).collect();
    // One after the other: what djdns has is never younger than what Unbound said before.
    println!("Unbound itself");
    let [theirs] = &ask_all(&[Client::new(unbound.address)], &questions, |_, _| false)[..] else {
        unreachable!("one server, one list")
    };
    println!("djdns, which asks it");
    let [ours] = &ask_all(&[Client::new(daemon.dns())], &questions, |_, _| false)[..] else {
        unreachable!("one server, one list")
    };
    let mut verdict = Verdict::by(forwarded_differences);
    for ((question, ours), theirs) in questions.iter().zip(ours).zip(theirs) {
        // With CD nobody need validate: AD is there if that happened to be done before.
        let mut theirs = theirs.clone();
        if question.unchecked {
            theirs.authentic = ours.authentic;
        }
        verdict.compare("unbound", question, ours, &theirs);
    }
    let authentic = ours.iter().filter(|said| said.authentic).count();
    let failed = ours.iter().filter(|said| said.rcode == 2).count();
    println!("{authentic} validated, {failed} failed");
    assert!(authentic > QUESTIONS / 10 && failed > QUESTIONS / 20, "the world behind is broken");
    verdict.pass(&["unbound"]);
}
