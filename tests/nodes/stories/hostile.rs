//! A node under attack: those who attack it are named and let go, take no more room than the limits say, and
//! keep no honest node from being served meanwhile.

use std::thread::JoinHandle;

use djdns::{
    demo,
    id::Id,
    limits::{
        ANSWER_BYTES_MAX, DUE_MAX, DUE_PER_PEER_MAX, JOBS_NOTICES_BYTES_MAX,
        NETWORK_ANSWERS_BYTES_PER_PEER, NETWORK_NOTICES_QUEUED_BYTES, NETWORK_NOTICES_TAKEN_BYTES,
        NETWORK_REQUEST_BYTES_MAX, NETWORK_STREAMS_MAX, NETWORK_WINDOW_BYTES,
        NETWORK_WORKED_ON_PER_PEER_MAX, PIECE_BYTES_MAX,
    },
    page::{
        Page,
        entry::{Rdata, RecordSets},
        genesis::{Parameters, RawGenesis},
        name::{Name, Owner},
        record::RecordType,
        roster_rows,
        trie::Path as TriePath,
    },
    sync::message::Part,
};
use tokio::sync::oneshot;

use super::*;
use crate::people;
use attacks::Target;

mod attacks;

/// How long a change may take from one honest node to the other while a third attacks (choice: "within
/// some seconds", on a machine that does other things as well).
const SERVED_WITHIN: Duration = Duration::from_secs(5);
/// Nodes that hoard answers at one time.
const HOARDERS: usize = 4;
/// Nodes that say at one time that they have what does not exist, and never answer.
const STALLERS: usize = DUE_MAX / DUE_PER_PEER_MAX + 1;

/// Two honest nodes that keep a page in step, and the one of them that is attacked.
struct Town {
    one: Node,
    two: Node,
    target: Target,
    changes: u32,
}

/// An attack that goes on until it is ended: who is let go comes again with another key.
struct Siege {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Siege {
    fn begin(target: &Target, attack: impl AsyncFn(&Target) + Send + 'static) -> Siege {
        let (stop, stopped) = oneshot::channel();
        let target = target.clone();
        let thread = std::thread::spawn(move || {
            let again = async {
                loop {
                    attack(&target).await;
                    tokio::time::sleep(attacks::PAUSE).await;
                }
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                tokio::select! {
                    () = again => {}
                    _ = stopped => {}
                }
            });
        });
        Siege { stop: Some(stop), thread: Some(thread) }
    }

    fn goes_on(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Siege {
    fn drop(&mut self) {
        self.stop.take();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_some_and(|ended| ended.is_ok()));
    }
}

/// A page of two with a seal every second, and 6 MB of text in it.
fn large_page() -> (Page, djdns::page::RawPage) {
    let name = Name::parse("club").unwrap();
    let roster = roster_rows(["alice", "bob"].map(|who| (demo::key(who).unwrap().public(), 1)));
    let parameters = Parameters { seal_interval: 1, ..Parameters::default() };
    let salt = Id::hash(&[b"a page under attack"]);
    let genesis = RawGenesis::new(name.clone(), roster, parameters, ambient::now() - 10, salt);
    let entry = |owner: &str, rtype, data: Vec<u8>| {
        let owner = Owner::parse(owner, &name).unwrap();
        let sets = RecordSets::gather([(rtype, 60, data)], &owner, &name).unwrap();
        (owner, sets)
    };
    let text = |n: usize| [&[255][..], &[n as u8; 255]].concat().repeat(234);
    let texts = (0..100).map(|n| entry(&format!("text{n}"), RecordType::TXT, text(n)));
    let www = entry("www", RecordType::A, vec![192, 0, 2, 80]);
    Page::found(genesis, texts.chain([www])).unwrap()
}

impl Town {
    fn start() -> Town {
        let one = Node::start(&[]);
        let two = Node::start(&[&one.reached_at]);
        let (page, raw) = large_page();
        let id = page.id();
        let mut client = one.daemon.as_ref().unwrap().client();
        let mut say = |request| crate::daemon::ask(&mut client, &request).unwrap();
        say(Request::Stage {
            genesis: Some(Rdata(raw.genesis.into())),
            entries: Vec::new(),
            said: Vec::new(),
        });
        for entries in raw.entries.chunks(8) {
            let entries = entries.iter().map(|entry| Rdata(entry.clone())).collect();
            say(Request::Stage { genesis: None, entries, said: Vec::new() });
        }
        say(Request::Commit);
        one.types(&["page", "join", "club", &id.to_string()]);
        for who in ["demo:alice", "demo:bob"] {
            one.types(&["host", "club", "--as", who]);
        }
        two.types(&["page", "join", "club", &id.to_string()]);
        two.answers("www.club", "192.0.2.80");
        let part = |n| {
            let path = TriePath::ROOT.child(n);
            let hash = page.state().hash_at(&path).expect("a hundred keys");
            Part { path, hash, bytes_max: PIECE_BYTES_MAX }
        };
        let other = Id::hash(&[b"another page"]);
        let owner = Owner::parse("x", &Name::root()).unwrap();
        let elsewhere = people::proposal(&other, "alice", 0, &owner, Id::ZERO, people::address(1));
        let address = one.reached_at.parse().unwrap();
        let parts = (0..16).map(part).collect();
        let target = Target { address, page: id, parts, elsewhere };
        let mut town = Town { one, two, target, changes: 0 };
        town.agree();
        town
    }

    fn status(&self, line: &str) -> usize {
        let pid = self.one.daemon.as_ref().unwrap().pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|row| row.strip_prefix(line)).unwrap();
        let kib: usize = line.trim_matches([':', '\t', ' ', 'k', 'B']).parse().unwrap();
        kib * 1024
    }

    /// Bytes that the attacked node has in memory, and the most that it had since it was asked to forget
    /// that (proc(5)).
    fn resident(&self) -> (usize, usize) {
        (self.status("VmRSS"), self.status("VmHWM"))
    }

    fn forget_peak(&self) {
        let pid = self.one.daemon.as_ref().unwrap().pid();
        std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    }

    /// Alice proposes on one node, Bob approves on the other, and both answer; and so does its seal.
    fn agree(&mut self) {
        self.changes += 1;
        let begun = ambient::ticks();
        let (name, address) = (format!("n{}", self.changes), format!("192.0.2.{}", self.changes));
        let operation = self.two.proposes("club", &["set", &name, "A", &address]);
        self.one.hears_of("club", &operation);
        self.one.types(&["vote", "club", &operation, "--approve", "--as", "demo:bob"]);
        self.two.answers(&format!("{name}.club"), &address);
        let took = Duration::from_millis(ambient::ticks() - begun);
        assert!(took < SERVED_WITHIN, "a change took {took:?} under attack");
        while seal(&self.two) != seal(&self.one) || self.is_open(&operation) {
            let took = Duration::from_millis(ambient::ticks() - begun);
            assert!(took < 2 * SERVED_WITHIN, "its seal took {took:?} under attack");
            ambient::pause(Duration::from_millis(20));
        }
    }

    fn is_open(&self, operation: &str) -> bool {
        self.two.types(&["proposals", "club"]).contains(&operation[..8])
    }
}

/// The seal and the root of the page.
fn seal(node: &Node) -> String {
    let shown = node.types(&["page", "show", "club", "--json"]);
    let part = |name: &str| {
        let (_, rest) = shown.split_once(&format!("\"{name}\":\"")).expect("it is shown");
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    [part("seal"), part("state_root")].join(" ")
}

/// How a penalty shows: in the log, or beside a peer in `djdns peers`.
#[derive(Clone, Copy)]
enum Named {
    InLog(&'static str),
    Beside(&'static str),
    /// It may do this, within its share.
    NoFault,
}

impl Town {
    /// While so many attack: they are named, and a change passes between honest nodes.
    #[track_caller]
    fn withstands(
        &mut self,
        count: usize,
        attack: impl AsyncFn(&Target) + Copy + Send + 'static,
        named: Named,
    ) {
        let from = self.log_length();
        let sieges: Vec<Siege> = (0..count).map(|_| Siege::begin(&self.target, attack)).collect();
        match named {
            Named::InLog(words) => self.logs(from, words),
            Named::Beside(words) => self.one.says(&["peers"], words),
            Named::NoFault => {}
        }
        self.agree();
        assert!(sieges.iter().all(Siege::goes_on));
    }

    fn log_length(&self) -> usize {
        self.one.home.errors_until("").len()
    }

    /// Waits until it complains of this, after so many bytes of other complaints.
    #[track_caller]
    fn logs(&self, from: usize, words: &str) {
        let begun = ambient::ticks();
        while !self.one.home.errors_until("")[from..].contains(words) {
            let waited = Duration::from_millis(ambient::ticks() - begun);
            assert!(waited < PATIENCE, "nobody is said to have done: {words}");
            ambient::pause(Duration::from_millis(10));
        }
    }
}

/// N6, T5 refuses: whoever breaks the rules of a connection, and whoever says what no honest node says; each is
/// named. N6 accepts: honest nodes, before, meanwhile and afterwards.
#[test]
fn who_is_hostile_takes_no_room_and_nobody_elses_time() {
    let mut town = Town::start();
    let (before, _) = town.resident();
    town.forget_peak();
    // These are named after a while only: they go on beside all others.
    let mut slow = vec![Siege::begin(&town.target, attacks::silent)];
    slow.push(Siege::begin(&town.target, attacks::halves));
    // As many as could fill all that a node has in mind of a page.
    slow.extend((0..STALLERS).map(|_| Siege::begin(&town.target, attacks::staller)));
    let hoarders: Vec<Siege> =
        (0..HOARDERS).map(|_| Siege::begin(&town.target, attacks::hoarder)).collect();
    town.withstands(1, attacks::asker, Named::InLog("requests more than it may make"));
    town.withstands(1, attacks::searcher, Named::NoFault);
    town.withstands(1, attacks::quitter, Named::InLog("requests more than it may make"));
    town.withstands(1, attacks::opener, Named::InLog("it ended its notices, or began them twice"));
    town.withstands(1, attacks::babbler, Named::InLog("no honest one sends: a notice"));
    town.withstands(1, attacks::talker, Named::InLog("says more than anybody listens to"));
    town.withstands(1, attacks::rubbish, Named::InLog("no honest one sends: an answer"));
    town.withstands(1, attacks::swapper, Named::InLog("was not asked for"));
    town.withstands(1, attacks::carrier, Named::InLog("is about the page"));
    town.withstands(1, attacks::forger, Named::InLog("the seats that signed hold 0 of 2 power"));
    town.withstands(1, attacks::repeater, Named::InLog("do not follow each other"));
    town.withstands(8, attacks::inventor, Named::Beside("lacks what it said it has"));
    town.one.says(&["peers"], "no answer in time");
    town.logs(0, "it announced a request and did not send it");
    town.logs(0, "it connected and said nothing");
    assert!(hoarders.iter().chain(&slow).all(Siege::goes_on));
    let (_, peak) = town.resident();
    let grown = peak.saturating_sub(before);
    assert!(grown < room(), "{} MiB more than before, and {} may be", grown >> 20, room() >> 20);
    assert!(grown > HOARDERS * NETWORK_ANSWERS_BYTES_PER_PEER / 2, "nobody hoarded: {grown}");
    drop((hoarders, slow));
    town.agree();
    assert_eq!(seal(&town.one), seal(&town.two));
    for n in 1..=town.changes {
        town.one.answers(&format!("n{n}.club"), &format!("192.0.2.{n}"));
        town.two.answers(&format!("n{n}.club"), &format!("192.0.2.{n}"));
    }
}

/// Bytes that a node may take for those who attack it here, which is what the limits of each of them add up to.
fn room() -> usize {
    let hoarder = NETWORK_ANSWERS_BYTES_PER_PEER;
    // What it has under way, what it asks, what it said and is not taken in, and what it is told.
    let each = NETWORK_WINDOW_BYTES as usize
        + NETWORK_STREAMS_MAX as usize * NETWORK_REQUEST_BYTES_MAX
        + NETWORK_NOTICES_TAKEN_BYTES
        + NETWORK_NOTICES_QUEUED_BYTES;
    // What waits for the machine, and answers while they are put together.
    let all = JOBS_NOTICES_BYTES_MAX + 2 * NETWORK_WORKED_ON_PER_PEER_MAX * ANSWER_BYTES_MAX;
    // Eight attack at one time at most beside these, and two more are slow.
    HOARDERS * hoarder + (HOARDERS + STALLERS + 10) * each + all
}
