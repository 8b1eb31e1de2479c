//! One zone, exported from a page, served by djdns, NSD and Knot: what they say to the same questions.

use std::{fs, path::Path, thread};

use djdns::page::name::Name;

use super::{
    compare::Verdict,
    questions::{Question, Questions},
};
use crate::support::{
    daemon::Home,
    message::{Client, Said, read},
    random::Random,
    tools::Server,
};

const ZONE: &str = "diff.peers.";
const ZONE_WIRE: &[u8] = b"\x04diff\x05peers\0";
const PEERS: [&str; 2] = ["nsd", "knot"];
const QUESTIONS: usize = 10_000;
/// Every so many-th question goes over TCP.
const TCP_EVERY: usize = 8;

/// Founds the page, trusts it, and writes the zone file that it exports.
fn found(home: &Home, export: &Path) {
    let zone = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zones/differential.zone");
    let data_dir = home.data_dir();
    let run = |arguments: &[&str]| {
        let mut command = home.program(Path::new(env!("CARGO_BIN_EXE_djdns")));
        let output = command.arg("--data-dir").arg(&data_dir).args(arguments).output();
        let output = output.expect("the program starts");
        assert!(output.status.success(), "djdns {arguments:?} fails");
        String::from_utf8(output.stdout).expect("text")
    };
    let path = |path: &Path| path.to_str().expect("text").to_owned();
    run(&["key", "new", "ann"]);
    let said = run(&["page", "create", ZONE, "--participant", "ann", "--zone", &path(&zone)]);
    let id = said.lines().next().expect("the page's id");
    run(&["page", "join", ZONE, id]);
    run(&["page", "export", ZONE, "--format", "zone", "--output", &path(export)]);
}

fn nsd(export: &Path) -> Server {
    Server::start(["nsd", "nsd"], &["-d", "-c"], ZONE_WIRE, |folder, port| {
        let (folder, export) = (folder.display(), export.display());
        // Without `minimal-responses` the zone's NS goes with every answer, which nobody asked for.
        format!(
            "server:\n ip-address: 127.0.0.1@{port}\n username: \"\"\n database: \"\"\n \
             zonesdir: \"{folder}\"\n pidfile: \"{folder}/pid\"\n xfrdir: \"{folder}\"\n \
             xfrdfile: \"{folder}/xfrd\"\n zonelistfile: \"{folder}/zones\"\n \
             server-count: 1\n minimal-responses: yes\n rrl-ratelimit: 0\n\
             remote-control:\n control-enable: no\n\
             zone:\n name: {ZONE}\n zonefile: \"{export}\"\n"
        )
    })
}

fn knot(export: &Path) -> Server {
    Server::start(["knotd", "knot"], &["-c"], ZONE_WIRE, |folder, port| {
        let (folder, export) = (folder.display(), export.display());
        format!(
            "server:\n  rundir: \"{folder}\"\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n  \
             tcp-workers: 1\n  background-workers: 1\nlog:\n  - target: \"{folder}/log\"\n    \
             any: warning\ndatabase:\n  storage: \"{folder}\"\nzone:\n  - domain: {ZONE}\n    \
             file: \"{export}\"\n    zonefile-sync: -1\n    journal-content: none\n"
        )
    })
}

/// What one server says to all of the questions, over UDP or TCP.
fn ask(
    client: &Client,
    questions: &[(usize, &Question)],
    tcp: impl Fn(usize) -> bool,
) -> Vec<Said> {
    let ask = |(index, question): &(usize, &Question)| {
        let query = question.message(*index as u16);
        let answer = if tcp(*index) { client.over_tcp(&query) } else { client.over_udp(&query) };
        read(&answer).unwrap_or_else(|| panic!("not well formed: {query:02x?} {answer:02x?}"))
    };
    questions.iter().map(ask).collect()
}

/// What all servers say, each asked by a thread.
fn ask_all(
    clients: &[Client],
    questions: &[(usize, &Question)],
    tcp: impl Fn(usize) -> bool + Copy + Send,
) -> Vec<Vec<Said>> {
    thread::scope(|scope| {
        let asked: Vec<_> =
            clients.iter().map(|client| scope.spawn(move || ask(client, questions, tcp))).collect();
        asked.into_iter().map(|asked| asked.join().expect("it answers")).collect()
    })
}

#[test]
fn djdns_says_of_a_page_what_nsd_and_knot_say_of_its_export() {
    let home = Home::new();
    let folder = tempfile::tempdir().expect("a directory");
    let export = folder.path().join("zone");
    found(&home, &export);
    let (nsd, knot) = (nsd(&export), knot(&export));
    let daemon = home.start();
    let about = Questions::about(
        &Name::parse(ZONE).expect("a name"),
        &fs::read_to_string(&export).expect("it was written"),
    );
    let mut random = Random::new(Random::seed(1));
    let questions: Vec<Question> = (0..QUESTIONS).map(|_| about.draw(&mut random)).collect();
    let numbered: Vec<(usize, &Question)> = questions.iter().enumerate().collect();
    let clients = [daemon.address(), nsd.address, knot.address].map(Client::new);
    let mut said = ask_all(&clients, &numbered, |index| index % TCP_EVERY == 0);
    let is_short = |index: usize| {
        let first = &said[0][index];
        let differs =
            |said: &Said| said.authority != first.authority || said.additional != first.additional;
        said.iter().any(|said| said[index].truncated || differs(&said[index]))
    };
    let again: Vec<_> = numbered.into_iter().filter(|(index, _)| is_short(*index)).collect();
    let whole = ask_all(&clients, &again, |_| true);
    for (said, whole) in said.iter_mut().zip(whole) {
        for ((index, _), whole) in again.iter().zip(whole) {
            said[*index] = whole;
        }
    }
    println!("{} of {QUESTIONS} asked again over TCP", again.len());
    let mut verdict = Verdict::default();
    for (peer, theirs) in PEERS.iter().zip(&said[1..]) {
        for ((question, ours), theirs) in questions.iter().zip(&said[0]).zip(theirs) {
            verdict.compare(peer, question, ours, theirs);
        }
    }
    verdict.pass(&PEERS);
}
