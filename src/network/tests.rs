//! Two nodes and more over loopback.

mod hostile;

use std::{
    net::SocketAddr,
    sync::{Arc, Condvar, Mutex, OnceLock},
    time::Duration,
};

use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};

use super::*;

/// How long an event may take that is sure to come (choice: a machine with a lot to do).
const SURELY: Duration = Duration::from_secs(20);

#[expect(clippy::disallowed_methods, reason = "the clock of these tests")]
fn ticks() -> u64 {
    static BEGUN: OnceLock<std::time::Instant> = OnceLock::new();
    BEGUN.get_or_init(std::time::Instant::now).elapsed().as_millis() as u64
}

/// What a door was told.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    Joined(Peer),
    Left(PublicKey, String),
    Told(PublicKey, Vec<u8>),
    Misbehaved(PublicKey, Misbehaviour),
}

/// Writes down what happens. A request says what is wanted: `e…` the same back, `n` and a number in
/// four bytes so many bytes, `w` to wait until the gate is open; others are not understood.
struct Witness {
    events: UnboundedSender<Event>,
    gate: Arc<(Mutex<bool>, Condvar)>,
    unwanted: Option<PublicKey>,
}

impl Door for Witness {
    fn admits(&self, key: &PublicKey, _from: SocketAddr) -> bool {
        self.unwanted != Some(*key)
    }

    fn joined(&self, peer: &Peer) {
        self.note(Event::Joined(peer.clone()));
    }

    fn left(&self, key: &PublicKey, why: &str) {
        self.note(Event::Left(*key, why.to_owned()));
    }

    fn told(&self, key: &PublicKey, notice: Vec<u8>) {
        self.note(Event::Told(*key, notice));
    }

    fn asked(&self, _peer: &Peer, request: Vec<u8>) -> Option<Vec<u8>> {
        let (what, rest) = request.split_first()?;
        match what {
            b'e' => Some(rest.to_vec()),
            b'n' => Some(vec![7; u32::from_be_bytes(rest.try_into().ok()?) as usize]),
            b'w' => {
                let (open, opened) = &*self.gate;
                let open = open.lock().unwrap();
                drop(opened.wait_while(open, |open| !*open).unwrap());
                Some(Vec::new())
            }
            _ => None,
        }
    }

    fn misbehaved(&self, key: &PublicKey, what: Misbehaviour) {
        self.note(Event::Misbehaved(*key, what));
    }
}

impl Witness {
    fn note(&self, event: Event) {
        // A test that ends does not listen any more.
        let _ = self.events.send(event);
    }
}

struct Node {
    network: Network,
    key: PublicKey,
    events: UnboundedReceiver<Event>,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

/// How a test's node differs from others.
#[derive(Default)]
struct How {
    bounds: Bounds,
    unwanted: Option<PublicKey>,
    listen: Option<&'static str>,
}

fn secret(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

fn node(n: u8) -> Node {
    node_with(n, How::default())
}

fn node_with(n: u8, how: How) -> Node {
    let (sender, events) = unbounded_channel();
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let door = Witness { events: sender, gate: gate.clone(), unwanted: how.unwanted };
    let listen = how.listen.unwrap_or("127.0.0.1:0").parse().unwrap();
    let mut options = Options::new(secret(n), vec![listen], ticks);
    options.bounds = how.bounds;
    let network = Network::open(options, Arc::new(door)).unwrap();
    Node { network, key: secret(n).public(), events, gate }
}

impl Node {
    fn address(&self) -> SocketAddr {
        self.network.addresses()[0]
    }

    async fn connect(&self, to: &Node) -> Peer {
        self.network.connect(&[to.address()], Some(to.key)).await.unwrap()
    }

    async fn event(&mut self) -> Event {
        timeout(SURELY, self.events.recv()).await.expect("something happens").unwrap()
    }

    /// The next event that is looked for, past all others.
    async fn until<T>(&mut self, mut looked_for: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = looked_for(self.event().await) {
                return found;
            }
        }
    }

    async fn joined(&mut self) -> Peer {
        self.until(|event| if let Event::Joined(peer) = event { Some(peer) } else { None }).await
    }

    async fn left(&mut self) -> String {
        self.until(|event| if let Event::Left(_, why) = event { Some(why) } else { None }).await
    }

    async fn misbehaved(&mut self) -> Misbehaviour {
        let misbehaved = |event| match event {
            Event::Misbehaved(_, what) => Some(what),
            _ => None,
        };
        self.until(misbehaved).await
    }

    async fn ask(&self, to: &PublicKey, request: &[u8], most: usize) -> Result<Vec<u8>, AskError> {
        self.network.ask(to, request.to_vec(), most, SURELY).await
    }

    fn open_gate(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Threads that wait would keep the runtime from ending.
        self.open_gate();
    }
}

fn number(bytes: u32) -> Vec<u8> {
    [&b"n"[..], &bytes.to_be_bytes()].concat()
}

/// N1 accepts: a node that presents its key, over IPv4 and over IPv6.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_ask_and_tell_each_other_over_both_families() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let how = || How { listen: Some(listen), ..How::default() };
        let (mut alice, mut bob) = (node_with(1, how()), node_with(2, how()));
        let peer = alice.connect(&bob).await;
        assert_eq!(peer, Peer { key: bob.key, address: bob.address(), outbound: true });
        assert_eq!(alice.joined().await, peer);
        let seen = bob.joined().await;
        assert_eq!(seen, Peer { key: alice.key, address: alice.address(), outbound: false });
        assert_eq!(alice.ask(&bob.key, b"ehello", 5).await, Ok(b"hello".to_vec()));
        assert_eq!(bob.ask(&alice.key, b"e", 0).await, Ok(vec![]));
        for n in 0..100u8 {
            assert!(alice.network.tell(&bob.key, vec![n]));
        }
        for n in 0..100u8 {
            assert_eq!(bob.event().await, Event::Told(alice.key, vec![n]));
        }
        let look = &alice.network.peers()[0];
        assert_eq!((look.key, look.address, look.outbound), (bob.key, bob.address(), true));
        assert!(look.bytes_in > 0 && look.bytes_out > 0 && look.round_trip < SURELY);
        alice.network.close(&bob.key, "the test is over");
        assert_eq!(bob.left().await, "the other side closed it: the test is over");
        assert_eq!(alice.left().await, "the test is over");
        assert_eq!(alice.ask(&bob.key, b"e", 0).await, Err(AskError::NotConnected));
        assert!(!alice.network.tell(&bob.key, vec![1]));
    }
}

#[tokio::test]
async fn one_socket_takes_both_families() {
    let bob = node_with(2, How { listen: Some("[::]:0"), ..How::default() });
    let port = bob.address().port();
    for (n, ip) in [(1, "127.0.0.1"), (3, "::1")] {
        let listen = Some(if ip == "::1" { "[::1]:0" } else { "127.0.0.1:0" });
        let alice = node_with(n, How { listen, ..How::default() });
        let address = SocketAddr::new(ip.parse().unwrap(), port);
        alice.network.connect(&[address], Some(bob.key)).await.unwrap();
        assert_eq!(bob.ask(&alice.key, b"e", 0).await, Ok(vec![]));
        let peers = bob.network.peers();
        assert!(peers.iter().any(|peer| peer.address == alice.address()), "{peers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_as_long_as_was_asked_for() {
    let (mut alice, bob) = (node(1), node(2));
    alice.connect(&bob).await;
    for (bytes, most, fits) in [(99, 100, true), (100, 100, true), (101, 100, false)] {
        let answer = alice.ask(&bob.key, &number(bytes), most).await;
        let expect = if fits { Ok(bytes as usize) } else { Err(AskError::Oversize(most)) };
        assert_eq!(answer.map(|answer| answer.len()), expect);
    }
    let usual = crate::limits::NETWORK_ANSWER_BYTES_USUAL;
    for bytes in [usual, usual + 1] {
        let answer = alice.ask(&bob.key, &number(bytes as u32), usize::MAX).await;
        assert_eq!(answer.map(|answer| answer.len()), Ok(bytes));
    }
    assert_eq!(alice.ask(&bob.key, b"?", 10).await, Err(AskError::NotUnderstood));
    let request = vec![b'e'; crate::limits::NETWORK_REQUEST_BYTES_MAX];
    assert_eq!(alice.ask(&bob.key, &request, usize::MAX).await.map(|a| a.len()), Ok(65_535));
    let longer = [&request[..], b"e"].concat();
    for none in [&longer[..], b""] {
        assert_eq!(alice.ask(&bob.key, none, 10).await, Err(AskError::Request));
    }
    assert!(!alice.network.tell(&bob.key, longer), "a notice has a longest length too");
    assert_eq!(alice.ask(&bob.key, b"estill here", 100).await, Ok(b"still here".to_vec()));
    assert!(matches!(alice.event().await, Event::Joined(_)));
    assert!(alice.events.try_recv().is_err(), "nobody misbehaved");
}

/// N1 refuses: another key than is expected, oneself, another protocol; each in a sentence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_a_node_cannot_be_connected_to_is_said_in_a_sentence() {
    let hasty = || Bounds { handshake_time: Duration::from_millis(700), ..Bounds::default() };
    let alice = node_with(1, How { bounds: hasty(), ..How::default() });
    let bob = node(2);
    let full = node_with(3, How { bounds: Bounds { inbound: 0, ..hasty() }, ..How::default() });
    let shy = node_with(4, How { unwanted: Some(alice.key), ..How::default() });
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let web = hostile::server(b"h3");
    let other = secret(9).public();
    let check = async |address: SocketAddr, expected: Option<PublicKey>, words: &str| {
        let error = alice.network.connect(&[address], expected).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(expected == Some(alice.key) || error.contains(&address.to_string()), "{error}");
    };
    check(alice.address(), None, "is this node itself").await;
    check(alice.address(), Some(alice.key), "is this node itself").await;
    check(bob.address(), Some(other), &format!("is the node {}, and not {other}", bob.key)).await;
    check(full.address(), None, "takes no more connections now").await;
    check(shy.address(), None, "wants no connection").await;
    check(silent.local_addr().unwrap(), None, "nobody answered").await;
    check(web.local_addr().unwrap(), None, "speaks QUIC, but not djdns/1").await;
    check(hostile::other_version().await, None, "speaks only other versions of QUIC").await;
    check("[::1]:1".parse().unwrap(), None, "listens on no address of that kind").await;
    let error = alice.network.connect(&[], None).await.unwrap_err();
    assert_eq!(error, ConnectError::NoAddress);
    assert_eq!(alice.network.peers().len(), 0);
    let dead = silent.local_addr().unwrap();
    let peer = alice.network.connect(&[dead, full.address(), bob.address()], None).await.unwrap();
    assert_eq!(peer.key, bob.key, "one address that answers is enough");
    let bounds = Bounds { outbound: 0, ..Bounds::default() };
    let shut = node_with(5, How { bounds, ..How::default() });
    let error = shut.network.connect(&[bob.address()], None).await.unwrap_err();
    assert_eq!(error, ConnectError::Full(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_call_each_other_at_once_keep_one_connection() {
    for round in 0..10 {
        let (alice, bob) = (node(1), node(2));
        let calls = || async {
            let there = [alice.address()];
            tokio::join!(alice.connect(&bob), bob.network.connect(&there, Some(alice.key)))
        };
        let (at_alice, at_bob) = calls().await;
        assert_eq!((at_alice.key, at_bob.map(|peer| peer.key)), (bob.key, Ok(alice.key)));
        // A connection that gives way takes what is under way with it; then the other is there.
        let mut asked = [false; 2];
        while asked != [true; 2] {
            asked[0] |= alice.ask(&bob.key, b"e", 0).await.is_ok();
            asked[1] |= bob.ask(&alice.key, b"e", 0).await.is_ok();
            tokio::task::yield_now().await;
        }
        let ways = [&alice, &bob].map(|node| node.network.peers()[0].outbound);
        assert_ne!(ways[0], ways[1], "round {round}: it is the same one");
        calls().await.1.unwrap();
        assert_eq!(alice.network.peers().len() + bob.network.peers().len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_started_anew_takes_its_own_place() {
    let mut bob = node(2);
    let before = node(1);
    before.connect(&bob).await;
    bob.joined().await;
    let after = node(1);
    after.connect(&bob).await;
    assert!(bob.left().await.contains("took its place"));
    assert_eq!(bob.joined().await.address, after.address());
    assert_eq!(bob.ask(&after.key, b"eanew", 10).await, Ok(b"anew".to_vec()));
    assert_eq!(bob.network.peers().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_stays_when_an_address_changes() {
    let (alice, bob) = (node(1), node(2));
    alice.connect(&bob).await;
    let before = bob.network.peers()[0].address;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let after = socket.local_addr().unwrap();
    alice.network.0.sockets[0].endpoint.rebind(socket).unwrap();
    assert_eq!(alice.ask(&bob.key, b"ehere", 4).await, Ok(b"here".to_vec()));
    let look = &bob.network.peers()[0];
    assert_ne!(before, after);
    assert_eq!(look.address, after);
    assert_eq!(bob.ask(&alice.key, b"ethere", 5).await, Ok(b"there".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_must_show_its_address_first_is_let_in() {
    let bounds = Bounds { half_open_easy: 0, ..Bounds::default() };
    let (alice, bob) = (node(1), node_with(2, How { bounds, ..How::default() }));
    alice.connect(&bob).await;
    assert_eq!(alice.ask(&bob.key, b"ehere", 4).await, Ok(b"here".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ask_that_is_given_up_and_one_that_waits_hold_up_nothing_else() {
    let bounds = Bounds { turn_time: Duration::from_millis(200), ..Bounds::default() };
    let bob = node_with(2, How { bounds, ..How::default() });
    let (alice, carol) = (node(1), node(3));
    alice.connect(&bob).await;
    carol.connect(&bob).await;
    let patience = Duration::from_millis(100);
    let waiting = alice.network.ask(&bob.key, b"w".to_vec(), 0, patience).await;
    assert_eq!(waiting, Err(AskError::TimedOut(patience)));
    let rest = crate::limits::NETWORK_WORKED_ON_PER_PEER_MAX - 1;
    let asks: Vec<_> = (0..rest)
        .map(|_| {
            let network = alice.network.clone();
            tokio::spawn(async move { network.ask(&bob.key, b"w".to_vec(), 0, SURELY).await })
        })
        .collect();
    // All turns of alice are taken before long; those of carol are not.
    while alice.ask(&bob.key, b"e", 0).await != Err(AskError::Busy) {}
    assert_eq!(carol.ask(&bob.key, b"ecarol", 10).await, Ok(b"carol".to_vec()));
    bob.open_gate();
    for ask in asks {
        assert_eq!(ask.await.unwrap(), Ok(vec![]));
    }
    assert_eq!(alice.ask(&bob.key, b"e", 0).await, Ok(vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_ends_says_so() {
    let (alice, mut bob) = (node(1), node(2));
    alice.connect(&bob).await;
    bob.joined().await;
    alice.network.shutdown().await;
    assert_eq!(bob.left().await, "the other side closed it: the node ends");
    let error = alice.network.connect(&[bob.address()], None).await.unwrap_err();
    assert_eq!(error, ConnectError::Closed);
}

/// N6 refuses: that whoever comes and goes leaves anything behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_ended_leave_no_task_behind() {
    let one = node(1);
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let visit = async || {
        let visitor = node(2);
        visitor.network.connect(&one.network.addresses(), Some(one.key)).await.unwrap();
        visitor.network.shutdown().await;
    };
    visit().await;
    let settled = async |most: usize| {
        let fewer = async {
            while alive() > most {
                tokio::task::yield_now().await;
            }
        };
        let _ = timeout(SURELY, fewer).await;
        alive()
    };
    let before = settled(3).await;
    for _ in 0..10 {
        visit().await;
    }
    assert!(settled(before).await <= before, "{} tasks, {before} before", alive());
}
