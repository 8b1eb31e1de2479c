//! Two nodes: a page travels, ballots travel, and neither needs the other to go on.

use std::{
    net::Ipv4Addr,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use djdns::{
    ambient,
    beacon::Beacon,
    control::request::{Answer, Request},
    key::SecretKey,
};

use crate::daemon::{Daemon, Home, PATIENCE};

mod hostile;

const PROGRAM: &str = env!("CARGO_BIN_EXE_djdns");
const ZONE: &str = "$TTL 60\nwww A 192.0.2.80\n";

/// A node, and where others reach it.
struct Node {
    home: Home,
    daemon: Option<Daemon>,
    reached_at: String,
}

impl Node {
    /// Starts a node that knows nobody but who is named.
    fn start(peers: &[&str]) -> Node {
        let mut node =
            Node { home: Home::new(), daemon: None, reached_at: "127.0.0.1:0".to_owned() };
        node.run(peers);
        node
    }

    /// Starts it again, where it was.
    fn run(&mut self, peers: &[&str]) {
        let config = self.home.write("djdns.toml", "[peers]\nlan = false\nport-mapping = false\n");
        let mut command = self.home.serve_with_peers();
        command.args(["--listen", &self.reached_at, "--config"]).arg(config);
        for peer in peers {
            command.args(["--peer", peer]);
        }
        let daemon = self.home.start_as(&mut command);
        let Ok(Answer::Peers(told)) = daemon.ask(&Request::Peers) else { panic!("no peers") };
        self.reached_at = told.listening[0].clone();
        self.daemon = Some(daemon);
    }

    fn kill(&mut self) {
        self.daemon.take().expect("it runs").kill();
    }

    /// Ends it, so that others hear of it at once.
    fn end(&mut self) {
        self.daemon.take().expect("it runs").terminate();
    }

    /// Types a command there; what it printed, or what it said when it failed.
    fn try_types(&self, words: &[&str]) -> Result<String, String> {
        let mut command = self.home.program(Path::new(PROGRAM));
        command.arg("--data-dir").arg(self.home.data_dir()).args(words).stderr(Stdio::piped());
        let output = command.output().expect("the program starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    #[track_caller]
    fn types(&self, words: &[&str]) -> String {
        self.try_types(words).unwrap_or_else(|said| panic!("djdns {}: {said}", words.join(" ")))
    }

    /// Founds a page, and trusts it here; its id.
    fn founds(&self, name: &str, zone: &str) -> String {
        self.founds_with(name, zone, &[])
    }

    fn founds_with(&self, name: &str, zone: &str, more: &[&str]) -> String {
        let file = self.home.write("zone", zone).display().to_string();
        let founded = ["page", "create", name, "--zone", &file, "--participant", "demo:alice"];
        let id = self.types(&[&founded[..], &["--participant", "demo:bob", "-q"], more].concat());
        let id = id.trim().to_owned();
        self.types(&["page", "join", name, &id]);
        id
    }

    /// One of two proposes this change; its id.
    fn proposes(&self, page: &str, change: &[&str]) -> String {
        let said = self.types(&[&["propose", page], change, &["--as", "demo:alice"]].concat());
        said.lines().next().expect("an id").to_owned()
    }

    /// Both propose and approve this change.
    fn changes(&self, page: &str, change: &[&str]) {
        let operation = self.proposes(page, change);
        self.types(&["vote", page, &operation[..8], "--approve", "--as", "demo:bob"]);
    }

    /// The id of a page's newest seal.
    fn seal_of(&self, page: &str) -> String {
        let shown = self.types(&["page", "show", page]);
        let line = shown.lines().find_map(|line| line.strip_prefix("seal "));
        line.expect("it has one").trim().to_owned()
    }

    /// Asks its DNS until this is the answer; how long that took.
    #[track_caller]
    fn answers(&self, name: &str, expect: &str) -> Duration {
        let expect: Ipv4Addr = expect.parse().expect("an address");
        let resolver = self.daemon.as_ref().expect("it runs").resolver();
        let begun = ambient::ticks();
        loop {
            let found = resolver.addresses(name);
            let waited = Duration::from_millis(ambient::ticks() - begun);
            if found == [expect] {
                return waited;
            }
            let peers = self.try_types(&["peers"]);
            assert!(waited < PATIENCE, "{name} has {found:?}, not {expect}: {peers:?}");
            ambient::pause(Duration::from_millis(10));
        }
    }

    /// Types a command until it prints this.
    #[track_caller]
    fn says(&self, words: &[&str], expect: &str) {
        let begun = ambient::ticks();
        loop {
            let said = self.try_types(words);
            if said.as_ref().is_ok_and(|said| said.contains(expect)) {
                return;
            }
            let waited = Duration::from_millis(ambient::ticks() - begun);
            assert!(waited < PATIENCE, "{}: not {expect}: {said:?}", words.join(" "));
            ambient::pause(Duration::from_millis(20));
        }
    }

    /// Waits until it holds an operation.
    #[track_caller]
    fn hears_of(&self, page: &str, operation: &str) {
        let begun = ambient::ticks();
        while !self.types(&["proposals", page]).contains(&operation[..8]) {
            let waited = Duration::from_millis(ambient::ticks() - begun);
            assert!(waited < PATIENCE, "it does not hear of {operation}");
            ambient::pause(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_page_founded_on_one_resolves_on_the_other_also_when_the_first_is_gone() {
    // The one that is started anew is the one that calls, both times: the other sees at once that it was lost.
    let two = Node::start(&[]);
    let mut one = Node::start(&[&two.reached_at]);
    let page = one.founds("club", ZONE);
    let said = two.types(&["page", "join", "club", &page]);
    assert!(said.contains("fetched: it is here"), "{said}");
    two.answers("www.club.", "192.0.2.80");
    let operation = one.proposes("club", &["set", "new", "A", "192.0.2.81"]);
    two.hears_of("club", &operation);
    two.types(&["vote", "club", &operation[..8], "--approve", "--as", "demo:bob"]);
    two.answers("new.club.", "192.0.2.81");
    let waited = one.answers("new.club.", "192.0.2.81");
    assert!(waited < Duration::from_secs(1), "a ballot took {waited:?} to the other node");
    // One is gone, and two goes on alone; what was said meanwhile is on both when it is back.
    one.kill();
    let said = two.proposes("club", &["set", "alone", "A", "192.0.2.82"]);
    two.types(&["vote", "club", &said[..8], "--approve", "--as", "demo:bob"]);
    two.answers("alone.club.", "192.0.2.82");
    one.run(&[&two.reached_at]);
    one.answers("alone.club.", "192.0.2.82");
    one.answers("www.club.", "192.0.2.80");
}

/// N2 accepts: a question about a page that is not here, and whose parent, linked from a page that is here,
/// is not here either; and both are kept current then.
/// N2 refuses: a page to which nothing leads; and questions for a thousand that the page above does not link.
#[test]
fn a_question_about_a_page_that_is_linked_and_not_here_is_answered_once_it_was_fetched() {
    let one = Node::start(&[]);
    let deep = one.founds("deep.sub.above", ZONE);
    let below = one.founds("sub.above", &format!("{ZONE}deep PAGE {deep}\n"));
    let other = one.founds("other", ZONE);
    let above = one.founds("above", &format!("$TTL 60\nsub PAGE {below}\n"));
    let mut two = Node::start(&[&one.reached_at]);
    let said = two.types(&["page", "join", "above", &above]);
    assert!(said.contains("fetched: it is here"), "{said}");
    let waited = two.answers("www.deep.sub.above.", "192.0.2.80");
    assert!(waited < Duration::from_secs(5), "it took {waited:?}");
    for (page, name) in [("deep.sub.above", "new.deep.sub.above."), ("sub.above", "new.sub.above.")]
    {
        let said = one.proposes(page, &["set", "new", "A", "192.0.2.81"]);
        one.types(&["vote", page, &said[..8], "--approve", "--as", "demo:bob"]);
        two.answers(name, "192.0.2.81");
    }
    let pages = two.types(&["page", "list"]);
    assert!(pages.contains("deep.sub.above") && !pages.contains(&other[..8]), "{pages}");
    for n in 0..1000 {
        let resolver = two.daemon.as_ref().expect("it runs").resolver();
        assert!(resolver.addresses(&format!("www.none{n}.above.")).is_empty());
    }
    assert_eq!(two.types(&["page", "list"]), pages, "nothing came of it");
    // Why each is here is known after a start: somebody here begins to take part in one, and the page above it stays
    // for its sake.
    let shows = |two: &Node, name: &str, expect: &str| {
        let said = two.types(&["page", "show", name]);
        assert!(said.contains(expect), "{name}: not {expect}: {said}");
    };
    assert_eq!(pages.matches("only asked for").count(), 2, "{pages}");
    shows(&two, "deep.sub.above", "it goes after 30 days without a question");
    two.proposes("deep.sub.above", &["set", "newer", "A", "192.0.2.82"]);
    two.kill();
    two.run(&[&one.reached_at]);
    shows(&two, "above", "it is trusted here");
    shows(&two, "sub.above", "one that stays is reached through it");
    shows(&two, "deep.sub.above", "somebody here takes part in it");
}

#[test]
fn whom_one_cannot_meet_is_said_in_one_sentence() {
    let one = Node::start(&[]);
    let check = |to: &str, expect: &str| {
        let said = one.try_types(&["connect", to]).expect_err("nobody is there");
        assert!(said.contains(expect) && said.lines().count() == 1, "{to}: {said}");
    };
    check(&one.reached_at, "is this node itself");
    check("127.0.0.1:9", "127.0.0.1:9");
    check("DMCT:0.5428:31415", "the beacon is cut off");
    check("https://node.example", "names no node");
    check("DMCT:0.5428:31415:a3f2c8b9", "nodes of this network are not looked for");
    let two = Node::start(&[]);
    let beacon = two.types(&["beacon", "--long"]);
    let long = beacon.split_whitespace().find(|word| word.contains('/')).expect("a beacon");
    let own = two.try_types(&["connect", long]).expect_err("it is itself");
    assert!(own.contains("this node itself"), "{own}");
    let met = one.types(&["connect", long]);
    assert!(met.contains("is connected, at 127.0.0.1:"), "{met}");
    // Whoever was met once is named by the beginning of its key, as tables show it.
    let beginning = &met["did:key:".len()..][..12];
    let again = one.types(&["connect", beginning]);
    assert!(again.contains("was connected already"), "{again}");
    assert!(one.types(&["status"]).contains("connected to 1 node"));
    assert!(one.types(&["peers"]).contains(&two.reached_at));
}

/// G13 accepts: a stranger's petition reaches the hosts of the page, and what they decide comes back.
#[test]
fn a_laptop_asks_the_hosts_of_a_page_and_hears_what_became_of_it() {
    let one = Node::start(&[]);
    let page = one.founds("club", ZONE);
    ["demo:alice", "demo:bob"].iter().for_each(|who| _ = one.types(&["host", "club", "--as", who]));
    let two = Node::start(&[&one.reached_at]);
    two.types(&["page", "join", "club", &page]);
    two.says(&["field", "club"], "fresh");
    two.types(&["key", "new", "zoe"]);
    let asks = |name: &str| {
        let words = ["request", "club", "set", name, "A", "192.0.2.7", "--words", "please"];
        let said = two.types(&[&words[..], &["--as", "zoe"]].concat());
        said.trim().to_owned()
    };
    let (taken, refused) = (asks("friend"), asks("www2"));
    one.says(&["requests", "club"], &taken[..8]);
    one.says(&["requests", "club"], &refused[..8]);
    two.says(&["request", "status", &taken], "waiting");
    one.types(&["propose", "club", "--from-request", &taken, "--as", "demo:alice"]);
    one.types(&["request", "refuse", &refused, "--reason", "that is ours", "--as", "demo:bob"]);
    two.says(&["request", "status", &taken], "taken up");
    two.says(&["request", "status", &refused], "that is ours");
    // What is forgotten is forgotten with its petitions.
    two.types(&["page", "forget", "club", "--yes"]);
    let said = two.try_types(&["request", "status", &taken]).expect_err("it is forgotten");
    assert!(said.contains("no petition here starts with"), "{said}");
}

/// D6 accepts: a node is met by the name of its beacon in a page.
#[test]
fn a_node_is_met_by_the_name_of_its_beacon() {
    let one = Node::start(&[]);
    let page = one.founds("club", ZONE);
    let publish = ["beacon", "publish", "club", "--owner", "home", "--as", "demo:alice"];
    let said = one.types(&publish);
    let operation = said.lines().next().expect("an id");
    one.types(&["vote", "club", &operation[..8], "--approve", "--as", "demo:bob"]);
    let drawn = one.types(&["beacon", "--qr"]);
    assert!(drawn.lines().count() > 20 && drawn.contains("DMCT:"), "{drawn}");
    let two = Node::start(&[]);
    let bundle = one.home.write("club.bundle", "").display().to_string();
    one.types(&["page", "export", "club", "--format", "bundle", "-o", &bundle]);
    two.types(&["page", "import", "club", &bundle]);
    two.types(&["page", "join", "club", &page]);
    let met = two.types(&["connect", "home.club"]);
    assert!(met.contains("connected") && met.contains(&one.reached_at), "{met}");
    let said = two.try_types(&["page", "import", "shop", &bundle]).expect_err("another page");
    assert!(said.lines().count() == 1, "{said}");
}

/// D1 refuses: a beacon that has expired, was cut off or changed, or stands for another node.
#[test]
fn what_is_wrong_with_a_beacon_or_a_page_is_said_in_one_sentence() {
    let (one, two) = (Node::start(&[]), Node::start(&[]));
    let at = [two.reached_at.parse().expect("an address")];
    let stranger = SecretKey::from_seed(&[7; 32]);
    let signed = |expires| Beacon::sign(&stranger, &at, expires).expect("a beacon").to_string();
    let (expired, foreign) = (signed(1_700_000_000), signed(ambient::now() + 3600));
    let check = |words: &[&str], expect: &str| {
        let said = one.try_types(words).expect_err("it is refused");
        assert!(said.contains(expect) && said.lines().count() == 1, "{words:?}: {said}");
    };
    check(&["connect", &expired], "expired on 2023-11-14");
    check(&["connect", &foreign], "and not did:key:");
    let at = foreign.len() - 20;
    let other = if foreign[at..].starts_with('A') { "B" } else { "A" };
    let changed = format!("{}{other}{}", &foreign[..at], &foreign[at + 1..]);
    // What cannot be read is a fault of the command line, which says the usage as well.
    let broken = [(&foreign[..at], "is cut off or damaged"), (&changed, "was changed")];
    for (code, expect) in broken {
        let said = one.try_types(&["connect", code]).expect_err("it is refused");
        assert!(said.contains(expect), "{code}: {said}");
    }
    // A page goes by its own name, and no other.
    let page = two.founds("club", ZONE);
    one.types(&["connect", &two.reached_at]);
    check(&["page", "join", "shop", &page], "club");
}

/// T2: a person trusts a mistyped page, which nobody has, and takes that back.
#[test]
fn trust_in_a_page_that_is_not_here_is_taken_back() {
    let node = Node::start(&[]);
    let wrong = "11".repeat(32);
    node.types(&["page", "join", "club", &wrong]);
    assert!(node.types(&["status"]).contains("11111111"));
    assert!(node.try_types(&["page", "forget", "club"]).is_err(), "nothing of it is here");
    node.types(&["page", "forget", "club", "--untrust"]);
    assert!(!node.types(&["status"]).contains("11111111"));
    assert!(node.try_types(&["page", "forget", "club", "--untrust"]).is_err());
}

/// T2: a trusted page that is forgotten is fetched again by itself; where the trust went with it, it is not.
#[test]
fn a_trusted_page_that_is_forgotten_comes_back_without_a_question() {
    let one = Node::start(&[]);
    let page = one.founds("club", ZONE);
    let two = Node::start(&[&one.reached_at]);
    two.types(&["page", "join", "club", &page]);
    two.says(&["page", "list"], "club.");
    two.types(&["page", "forget", "club", "--yes"]);
    two.says(&["page", "list"], "club.");
    two.types(&["page", "forget", "club", "--yes", "--untrust"]);
    two.says(&["status"], "connected to 1 node");
    assert!(!two.types(&["page", "list"]).contains("club."));
}

/// A node is met by a name that has its address in a page here, of which no other resolver knows.
#[test]
fn a_node_is_met_where_a_page_here_says_that_it_is() {
    let one = Node::start(&[]);
    let two = Node::start(&[]);
    let (_, port) = one.reached_at.rsplit_once(':').expect("a port");
    two.founds("club", "$TTL 60\nnode A 127.0.0.1\nmail MX 5 node\n");
    let said = two.types(&["connect", &format!("node.club:{port}")]);
    assert!(said.contains(&one.reached_at), "{said}");
    for nowhere in ["mail.club", "none.club"] {
        let said = two.try_types(&["connect", nowhere]).expect_err("nobody is there");
        assert!(said.contains("no page here has a BEACON or an address there"), "{said}");
    }
}

/// T4: a data directory that was copied seals a second time; who learns of both is stopped, and goes on with
/// what its person decides, though the other evidence is still there.
#[test]
fn a_fork_is_decided_on_each_node_and_the_page_goes_on() {
    let mut one = Node::start(&[]);
    let page = one.founds_with("club", ZONE, &["--param", "seal_interval=1"]);
    for who in ["demo:alice", "demo:bob"] {
        one.types(&["host", "club", "--as", who]);
    }
    one.says(&["page", "show", "club"], "1, sealed");
    one.end();
    let mut twin = Node { home: Home::new(), daemon: None, reached_at: "127.0.0.1:0".to_owned() };
    let [from, to] = [&one, &twin].map(|node| node.home.data_dir());
    assert!(Command::new("cp").arg("-r").args([from, to]).status().expect("cp runs").success());
    one.run(&[]);
    let three = Node::start(&[&one.reached_at]);
    three.types(&["page", "join", "club", &page]);
    three.says(&["page", "show", "club"], "1, sealed");
    one.changes("club", &["set", "www", "A", "192.0.2.1"]);
    three.says(&["page", "show", "club"], "2, sealed");
    one.end();
    twin.run(&[]);
    twin.changes("club", &["set", "www", "A", "192.0.2.2"]);
    twin.says(&["page", "show", "club"], "2, sealed");
    twin.types(&["connect", &three.reached_at]);
    for node in [&twin, &three] {
        node.says(&["status"], "club. is forked: at height 2");
    }
    let seal = three.seal_of("club");
    assert!(three.types(&["page", "choose", "club", &seal]).contains("which is held here"));
    // The other has shown it again by now, if it ever does; and it is a matter of its own person.
    twin.says(&["status"], "club. is forked: at height 2");
    assert!(!three.types(&["status"]).contains("is forked"));
    assert!(twin.types(&["page", "choose", "club", &seal]).contains("is put back to height 1"));
    twin.answers("www.club.", "192.0.2.1");
    twin.says(&["page", "show", "club"], "2, sealed");
    twin.changes("club", &["set", "new", "A", "192.0.2.3"]);
    three.answers("new.club.", "192.0.2.3");
    for node in [&twin, &three] {
        node.says(&["page", "show", "club"], "3, sealed");
        assert!(!node.types(&["status"]).contains("is forked"));
    }
}
