//! A node under attack: those who attack it are named and let go, take no more room than the limits say, and
//! keep no honest node from being served meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread::JoinHandle,
};

use djdns::{
    demo,
    id::Id,
    limits::{
        ANSWER_BYTES_MAX, JOBS_NOTICES_BYTES_MAX, NETWORK_ANSWERS_BYTES_PER_PEER,
        NETWORK_NOTICES_QUEUED_BYTES, NETWORK_NOTICES_TAKEN_BYTES, NETWORK_REQUEST_BYTES_MAX,
        NETWORK_STREAMS_MAX, NETWORK_WINDOW_BYTES, NETWORK_WORKED_ON_MAX, PIECE_BYTES_MAX,
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
    rounds: Arc<AtomicU32>,
    thread: Option<JoinHandle<()>>,
}

impl Siege {
    fn begin(target: &Target, attack: impl AsyncFn(&Target) + Send + 'static) -> Siege {
        let (stop, stopped) = oneshot::channel();
        let rounds = Arc::new(AtomicU32::new(0));
        let (target, count) = (target.clone(), rounds.clone());
        let thread = std::thread::spawn(move || {
            let again = async {
                loop {
                    attack(&target).await;
                    count.fetch_add(1, Ordering::Relaxed);
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
        Siege { stop: Some(stop), rounds, thread: Some(thread) }
    }

    /// How often it was let go.
    fn rounds(&self) -> u32 {
        self.rounds.load(Ordering::Relaxed)
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
            let entries = entries.iter().map(|entry| Rdata(entry.clone().into())).collect();
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
        let elsewhere =
            people::proposal(&other, "alice", 0, &owner, Id::ZERO, people::address(1));
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
        eprintln!("change {} took {took:?}", self.changes);
        while seal(&self.two) != seal(&self.one) || self.is_open(&operation) {
            let took = Duration::from_millis(ambient::ticks() - begun);
            assert!(took < 2 * SERVED_WITHIN, "its seal took {took:?} under attack");
            ambient::pause(Duration::from_millis(20));
        }
    }

    fn is_open(&self, operation: &str) -> bool {
        self.two.types(&["proposals", "club"]).contains(&operation[..8])
    }

    fn log(&self) -> String {
        self.one.home.errors_until("")
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

#[test]
fn who_is_hostile_takes_no_room_and_nobody_elses_time() {
    let mut town = Town::start();
    let (before, _) = town.resident();
    town.forget_peak();
    eprintln!("before {} MiB", before >> 20);
    let slow = [
        Siege::begin(&town.target, attacks::silent),
        Siege::begin(&town.target, attacks::halves),
    ];
    let mut hoarders: Vec<Siege> = (0..HOARDERS).map(|_| Siege::begin(&town.target, attacks::hoarder)).collect();
    macro_rules! check {
        ($attack:ident, $count:expr, $words:expr) => {{
            let from = town.log().len();
            let sieges: Vec<Siege> =
                (0..$count).map(|_| Siege::begin(&town.target, attacks::$attack)).collect();
            let begun = ambient::ticks();
            while !town.log()[from..].contains($words) {
                if (ambient::ticks() - begun > 6000) { eprintln!("NO WORD {} {}: {} {:?} {}", stringify!($attack), $words, &town.log()[from..], sieges.iter().map(Siege::rounds).collect::<Vec<_>>(), ""); break; }
                ambient::pause(Duration::from_millis(10));
            }
            town.agree();
            let (now, peak) = town.resident();
            eprintln!("{}: {} rounds, {} MiB, peak {} MiB, {} ms", stringify!($attack), sieges.iter().map(Siege::rounds).sum::<u32>(), now >> 20, peak >> 20, ambient::ticks() - begun);
        }};
    }
    check!(asker, 1, "requests more than it may make");
    check!(searcher, 1, "requests more than it may make");
    check!(quitter, 1, "requests more than it may make");
    check!(opener, 1, "began them twice");
    check!(babbler, 1, "a notice: ");
    check!(talker, 1, "says more than anybody listens to");
    check!(rubbish, 1, "an answer: ");
    check!(swapper, 1, "was not asked for");
    check!(carrier, 1, "is about the page");
    check!(forger, 1, "the seal at height");
    check!(repeater, 1, "do not follow each other");
    check!(inventor, 8, "lacks what it said it has");
    check!(staller, 5, "no answer in time");
    hoarders.clear();
    let (now, peak) = town.resident();
    eprintln!("end: {} MiB, peak {} MiB {}", now >> 20, peak >> 20, slow[0].rounds());
    let _ = (ANSWER_BYTES_MAX, JOBS_NOTICES_BYTES_MAX, NETWORK_ANSWERS_BYTES_PER_PEER,
        NETWORK_NOTICES_QUEUED_BYTES, NETWORK_NOTICES_TAKEN_BYTES, NETWORK_REQUEST_BYTES_MAX,
        NETWORK_STREAMS_MAX, NETWORK_WINDOW_BYTES, NETWORK_WORKED_ON_MAX);
}
