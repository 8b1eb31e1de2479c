//! Stories of names outside the pages: upstreams that help, dawdle, lie, and are silent.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use djdns::{
    ambient,
    dns::{
        Client, Forward, Listeners, Overrides, Reply, Service, Serving, Transport, Upstreams, View,
        Witness,
        forward::{Ambient, Rules},
    },
    limits::FORWARD_DEADLINE,
};
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::RecordType,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
    time::timeout,
};

use super::{
    genreport::Server,
    support::{name, page_id, with_page},
};

/// What a scripted upstream sends back for a query: any number of datagrams, or one TCP message.
pub type Script = Arc<dyn Fn(&[u8], bool) -> Vec<Vec<u8>> + Send + Sync>;

pub struct Upstream {
    pub address: SocketAddr,
    pub asked: Arc<AtomicUsize>,
}

/// Sockets of both transports at one port. The system chooses it for one of them: with the other it may
/// be taken.
pub async fn both_sockets() -> (TcpListener, UdpSocket, SocketAddr) {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        if let Ok(udp) = UdpSocket::bind(address).await {
            return (tcp, udp, address);
        }
    }
}

pub async fn upstream(script: Script) -> Upstream {
    let (tcp, udp, address) = both_sockets().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, over_udp) = (asked.clone(), script.clone());
    tokio::spawn(async move {
        let mut buffer = [0; 1024];
        while let Ok((len, from)) = udp.recv_from(&mut buffer).await {
            count.fetch_add(1, Ordering::SeqCst);
            for response in over_udp(&buffer[..len], false) {
                udp.send_to(&response, from).await.unwrap();
            }
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let len = stream.read_u16().await.unwrap();
            let mut query = vec![0; usize::from(len)];
            stream.read_exact(&mut query).await.unwrap();
            for response in script(&query, true) {
                stream.write_u16(response.len() as u16).await.unwrap();
                stream.write_all(&response).await.unwrap();
            }
        }
    });
    Upstream { address, asked }
}

/// The question of a query: there is one.
pub fn question(query: &[u8]) -> &[u8] {
    let mut end = 12;
    while query[end] != 0 {
        end += 1 + usize::from(query[end]);
    }
    &query[12..end + 5]
}

/// A response with one address, which lasts so many seconds; `change` makes it another one.
pub fn address(query: &[u8], last: u8, ttl: u8, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let head = [query[0], query[1], 0x81, 0xa0, 0, 1, 0, 1, 0, 0, 0, 0];
    let record = [0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, ttl, 0, 4, 192, 0, 2, last];
    let mut response = [&head[..], question(query), &record].concat();
    change(&mut response);
    response
}

fn helpful(last: u8, ttl: u8) -> Script {
    Arc::new(move |query, _| vec![address(query, last, ttl, |_| {})])
}

fn silent() -> Script {
    Arc::new(|_, _| vec![])
}

pub struct Resolver {
    pub address: SocketAddr,
    pub forward: Forward,
    _serving: Serving,
}

fn resolver(upstreams: &[&Upstream]) -> Resolver {
    resolver_beside(upstreams, View::new())
}

pub fn resolver_beside(upstreams: &[&Upstream], view: View) -> Resolver {
    let plain = |upstream: &&Upstream| upstream.address.to_string().parse().unwrap();
    let upstreams = Upstreams::new(upstreams.iter().map(plain).collect(), Vec::new());
    resolver_by(Rules { upstreams, ..Rules::default() }, view)
}

pub fn resolver_by(rules: Rules, view: View) -> Resolver {
    let ambient = Ambient { now: ambient::ticks, random: ambient::random_words };
    let forward = Forward::new(rules, ambient);
    let views = Arc::new(ArcSwap::from_pointee(view));
    let service = Service::new(views, Some(Arc::new(forward.clone())))
        .with_witness(Witness::new(ambient::microseconds));
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = listeners.addresses()[0];
    let serving = listeners.serve(&service).unwrap();
    Resolver { address, forward, _serving: serving }
}

/// RD, AD, no EDNS.
pub fn query(name: &str, id: u16) -> Vec<u8> {
    let labels =
        name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    let head = [(id >> 8) as u8, id as u8, 1, 0x20, 0, 1, 0, 0, 0, 0, 0, 0];
    [&head[..], &labels.collect::<Vec<u8>>(), &[0, 0, 1, 0, 1]].concat()
}

impl Resolver {
    pub async fn client(&self) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(self.address).await.unwrap();
        socket
    }

    /// The code, the addresses with their TTLs, and how long it took.
    pub async fn ask(&self, name: &str) -> (ResponseCode, Vec<String>) {
        let socket = self.client().await;
        socket.send(&query(name, 7)).await.unwrap();
        let mut buffer = [0; 2048];
        let patience = FORWARD_DEADLINE + Duration::from_millis(200);
        let len = timeout(patience, socket.recv(&mut buffer)).await.expect("in time").unwrap();
        let message = Message::from_vec(&buffer[..len]).unwrap();
        assert_eq!(message.metadata.id, 7);
        assert!(message.metadata.recursion_available);
        let rows = message.answers.iter().map(|row| format!("{} {}", row.ttl, row.data));
        (message.metadata.response_code, rows.collect())
    }
}

pub fn found(rows: &[&str]) -> (ResponseCode, Vec<String>) {
    (ResponseCode::NoError, rows.iter().map(|row| (*row).to_owned()).collect())
}

pub fn nothing() -> (ResponseCode, Vec<String>) {
    (ResponseCode::ServFail, vec![])
}

#[tokio::test]
async fn a_name_outside_the_pages_is_asked_once_and_then_known() {
    let upstream = upstream(helpful(1, 60)).await;
    let resolver = resolver(&[&upstream]);
    for _ in 0..3 {
        assert_eq!(resolver.ask("www.example").await.1.len(), 1);
    }
    assert_eq!(upstream.asked.load(Ordering::SeqCst), 1);
    assert_eq!(resolver.forward.counters().hits.load(Ordering::SeqCst), 2);
    assert_eq!(resolver.ask("WWW.example").await, found(&["60 192.0.2.1"]));
}

/// Within a second an answer is given again as it was written, and what counts, and what takes its place,
/// is the same as if it were not.
#[tokio::test]
async fn what_is_given_again_is_counted_ages_and_is_replaced_at_once() {
    let upstream = upstream(helpful(1, 60)).await;
    let resolver = resolver(&[&upstream]);
    let began = ambient::ticks();
    let rows = |ttl: u64| [format!("{ttl} 192.0.2.1")];
    loop {
        let (_, answer) = resolver.ask("wWw.example").await;
        let age = (ambient::ticks() - began) / 1000;
        let fits = (age.saturating_sub(1)..=age).any(|age| answer == rows(60 - age));
        assert!(fits, "{answer:?} after {age} s");
        if age >= 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(upstream.asked.load(Ordering::SeqCst), 1);
    assert!(resolver.forward.counters().hits.load(Ordering::SeqCst) > 50);
    let mut overrides = Overrides::default();
    overrides.add(&name("www.example."), "192.0.2.99".parse().unwrap(), true);
    resolver.forward.set_overrides(overrides);
    assert_eq!(resolver.ask("www.example").await, found(&["10 192.0.2.99"]));
}

/// No task is started for it, and it waits behind nobody.
#[tokio::test]
async fn what_is_known_is_answered_at_once() {
    let upstream = upstream(helpful(1, 60)).await;
    let resolver = resolver(&[&upstream]);
    let views = Arc::new(ArcSwap::from_pointee(View::new()));
    let service = Service::new(views, Some(Arc::new(resolver.forward.clone())));
    let client = Client { address: resolver.address.ip(), transport: Transport::Udp };
    let query = query("www.example", 7);
    assert_eq!(service.reply(&query, client), Reply::Later);
    let later = service.outside(&query, client).await;
    assert_eq!(service.reply(&query, client), Reply::Now(later));
    assert_eq!(upstream.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn many_who_ask_the_same_wait_for_one_answer() {
    let held = Arc::new(std::sync::Mutex::new(Vec::new()));
    let keep = held.clone();
    let upstream = upstream(Arc::new(move |query: &[u8], _| {
        let mut held = keep.lock().unwrap();
        held.push(query.to_vec());
        // The first datagram is lost, as it were; the second is answered.
        if held.len() < 2 { vec![] } else { vec![address(query, 5, 60, |_| {})] }
    }))
    .await;
    let resolver = Arc::new(resolver(&[&upstream]));
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let resolver = resolver.clone();
        asking.spawn(async move { resolver.ask("www.example").await });
    }
    while let Some(answer) = asking.join_next().await {
        assert_eq!(answer.unwrap(), found(&["60 192.0.2.5"]));
    }
    let queries = held.lock().unwrap();
    assert_eq!(queries.len(), 2);
    // Each attempt has an id, a port and letters of its own.
    assert_ne!(
        (&queries[0][..2], question(&queries[0])),
        (&queries[1][..2], question(&queries[1]))
    );
}

#[tokio::test]
async fn a_silent_upstream_is_passed_over_and_the_next_asked() {
    let (silent, helpful) = (upstream(silent()).await, upstream(helpful(2, 60)).await);
    let resolver = resolver(&[&silent, &helpful]);
    assert_eq!(resolver.ask("one.example").await, found(&["60 192.0.2.2"]));
    assert_eq!(resolver.forward.upstreams()[1].failures, 0);
    let asked = silent.asked.load(Ordering::SeqCst);
    assert_eq!(resolver.ask("two.example").await, found(&["60 192.0.2.2"]));
    assert_eq!(silent.asked.load(Ordering::SeqCst), asked, "the faster one is asked first");
}

type Change = fn(&mut Vec<u8>);

/// What a liar makes of a response; with a letter changed it is one all the same, over TCP.
const LIES: [(&str, Change); 7] = [
    ("another letter", |response| response[14] ^= 0x20),
    ("another id", |response| response[1] ^= 1),
    ("no response", |response| response[2] = 0x01),
    ("another question", |response| response[13] ^= 3),
    ("garbage", |response| response.truncate(20)),
    ("another owner", |response| {
        let end = response.len() - 16;
        response.splice(end..end + 2, *b"\x04bank\0");
    }),
    ("a referral", |response| {
        // The record is an NS one, and stands in the authority section.
        (response[7], response[9]) = (0, 1);
        let end = response.len();
        response[end - 13] = 2;
        response[end - 5..end - 2].copy_from_slice(&[2, 0xc0, 12]);
        response.truncate(end - 2);
    }),
];

#[tokio::test]
async fn lies_are_not_believed() {
    for (what, change) in LIES {
        // A lie, and the truth right behind it; over TCP the truth alone.
        let upstream = upstream(Arc::new(move |query: &[u8], tcp| {
            let truth = address(query, 1, 60, |_| {});
            let lie = address(query, 66, 60, change);
            if tcp { vec![truth] } else { vec![lie, truth] }
        }))
        .await;
        let resolver = resolver(&[&upstream]);
        let expect = if what == "a referral" { nothing() } else { found(&["60 192.0.2.1"]) };
        assert_eq!(resolver.ask("www.example").await, expect, "{what}");
    }
}

#[tokio::test]
async fn lies_over_tcp_are_not_believed() {
    for (what, change) in &LIES[1..] {
        let upstream = upstream(Arc::new(move |query: &[u8], tcp| {
            vec![address(query, 66, 60, |response| match tcp {
                true => change(response),
                false => response[2] |= 0x02,
            })]
        }))
        .await;
        assert_eq!(resolver(&[&upstream]).ask("www.example").await, nothing(), "{what}");
    }
}

/// Who guesses everything but hears nothing sends from another port.
#[tokio::test]
async fn what_comes_from_another_port_is_not_heard() {
    let upstream = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address_of_upstream = upstream.local_addr().unwrap();
    let liar = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let answering = tokio::spawn(async move {
        let mut buffer = [0; 1024];
        let (len, from) = upstream.recv_from(&mut buffer).await.unwrap();
        liar.send_to(&address(&buffer[..len], 66, 60, |_| {}), from).await.unwrap();
        upstream.send_to(&address(&buffer[..len], 1, 60, |_| {}), from).await.unwrap();
    });
    let named = vec![address_of_upstream.to_string().parse().unwrap()];
    let rules = Rules { upstreams: Upstreams::new(named, Vec::new()), ..Rules::default() };
    let resolver = resolver_by(rules, View::new());
    assert_eq!(resolver.ask("www.example").await, found(&["60 192.0.2.1"]));
    answering.await.unwrap();
}

#[tokio::test]
async fn what_does_not_fit_a_datagram_is_asked_over_tcp() {
    let upstream = upstream(Arc::new(|query: &[u8], tcp| {
        vec![address(query, 9, 60, |response| {
            if !tcp {
                response[2] |= 0x02;
            }
        })]
    }))
    .await;
    assert_eq!(resolver(&[&upstream]).ask("big.example").await, found(&["60 192.0.2.9"]));
}

#[tokio::test]
async fn with_the_upstream_gone_what_was_known_is_answered_and_else_a_reason() {
    let gone = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_gone = gone.clone();
    let upstream = upstream(Arc::new(move |query: &[u8], _| {
        if is_gone.load(Ordering::SeqCst) { vec![] } else { vec![address(query, 1, 1, |_| {})] }
    }))
    .await;
    let resolver = resolver(&[&upstream]);
    assert_eq!(resolver.ask("www.example").await, found(&["1 192.0.2.1"]));
    gone.store(true, Ordering::SeqCst);
    // The answer lasts a second: one that is never known fails meanwhile, and takes longer.
    assert_eq!(resolver.ask("other.example").await, nothing());
    assert_eq!(resolver.ask("www.example").await, found(&["30 192.0.2.1"]));
    assert_eq!(resolver.forward.counters().stale.load(Ordering::SeqCst), 1);
    // Now that it is known to fail nobody waits for it.
    let asked = upstream.asked.load(Ordering::SeqCst);
    assert_eq!(resolver.ask("other.example").await, nothing());
    assert_eq!(upstream.asked.load(Ordering::SeqCst), asked);
}

#[tokio::test]
async fn an_alias_of_a_page_that_leads_out_is_followed() {
    let upstream = upstream(helpful(3, 60)).await;
    let view = with_page(&View::new(), "ct.", "blog.ct. 300 CNAME www.example.")
        .with_anchor(&name("ct."), page_id("ct."));
    let resolver = resolver_beside(&[&upstream], view);
    let rows = ["300 www.example.", "60 192.0.2.3"];
    assert_eq!(resolver.ask("blog.ct").await, found(&rows));
    // What a page says is not there is asked of nobody.
    let asked = upstream.asked.load(Ordering::SeqCst);
    assert_eq!(resolver.ask("none.ct").await, (ResponseCode::NXDomain, vec![]));
    assert_eq!(upstream.asked.load(Ordering::SeqCst), asked);
}

/// A scripted upstream that answers everything, so long after it was asked.
async fn slow_upstream(wait: Duration) -> SocketAddr {
    let udp = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let address_of_upstream = udp.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1024];
        while let Ok((len, from)) = udp.recv_from(&mut buffer).await {
            let (udp, answer) = (udp.clone(), address(&buffer[..len], 4, 60, |_| {}));
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                let _ = udp.send_to(&answer, from).await;
            });
        }
    });
    address_of_upstream
}

#[tokio::test]
async fn an_upstream_that_takes_two_seconds_is_noted_as_late_and_its_answer_used_and_kept() {
    let slow = slow_upstream(Duration::from_millis(2000)).await;
    let upstreams = Upstreams::new(vec![slow.to_string().parse().unwrap()], Vec::new());
    let resolver = resolver_by(Rules { upstreams, ..Rules::default() }, View::new());
    assert_eq!(resolver.ask("www.example").await, found(&["60 192.0.2.4"]));
    let server = &resolver.forward.upstreams()[0];
    assert_eq!(server.trouble(), Some("it did not answer in time"));
    assert!(server.round_trip.is_some_and(|took| took >= Duration::from_millis(1900)));
    assert_eq!(resolver.ask("www.example").await.1.len(), 1);
    assert_eq!(resolver.forward.counters().hits.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_fails_when_it_is_asked_anew_is_not_asked_again_at_once() {
    let fails = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_failing = fails.clone();
    let upstream = upstream(Arc::new(move |query: &[u8], _| {
        let is_failing = is_failing.load(Ordering::SeqCst);
        vec![address(query, 1, 4, |response| response[3] |= u8::from(is_failing) << 1)]
    }))
    .await;
    let resolver = resolver(&[&upstream]);
    assert_eq!(resolver.ask("www.example").await, found(&["4 192.0.2.1"]));
    fails.store(true, Ordering::SeqCst);
    // The last tenth of its time is when it is asked anew.
    tokio::time::sleep(Duration::from_millis(3700)).await;
    let begun = upstream.asked.load(Ordering::SeqCst);
    for _ in 0..30 {
        assert_eq!(resolver.ask("www.example").await.1.len(), 1);
    }
    let asked = upstream.asked.load(Ordering::SeqCst) - begun;
    assert!((1..=2).contains(&asked), "{asked}");
    assert_eq!(resolver.forward.counters().prefetched.load(Ordering::SeqCst), 1);
}

fn rules(default: &Upstream, rules: &[(&str, &Upstream)]) -> Rules {
    let to = |upstream: &Upstream| vec![upstream.address.to_string().parse().unwrap()];
    let rules = rules.iter().map(|(suffix, upstream)| (name(suffix), to(upstream))).collect();
    Rules { upstreams: Upstreams::new(to(default), rules), ..Rules::default() }
}

#[tokio::test]
async fn another_name_of_this_machine_leaves_what_is_known_as_it_is() {
    let upstream = upstream(helpful(1, 60)).await;
    let resolver = resolver(&[&upstream]);
    resolver.ask("www.example").await;
    let mut overrides = Overrides::default();
    overrides.add(&name("printer.lan."), "192.0.2.99".parse().unwrap(), true);
    resolver.forward.set_overrides(overrides);
    assert_eq!(resolver.ask("printer.lan").await, found(&["10 192.0.2.99"]));
    assert_eq!(resolver.ask("www.example").await.1.len(), 1);
    assert_eq!(upstream.asked.load(Ordering::SeqCst), 1);
    assert!(resolver.forward.upstreams()[0].round_trip.is_some());
    resolver.forward.set_overrides(Overrides::default());
    assert_eq!(resolver.ask("printer.lan").await, found(&["60 192.0.2.1"]));
}

#[tokio::test]
async fn what_was_known_in_another_network_is_given_only_when_nobody_answers_here() {
    let (old, new) = (upstream(helpful(1, 60)).await, upstream(helpful(2, 60)).await);
    let silent = upstream(silent()).await;
    let resolver = resolver_by(rules(&old, &[("corp.example.", &old)]), View::new());
    for name in ["a.example", "b.example", "a.corp.example", "a.home.example"] {
        assert_eq!(resolver.ask(name).await, found(&["60 192.0.2.1"]));
    }
    resolver.forward.set_rules(rules(&new, &[]));
    assert_eq!(resolver.ask("a.example").await, found(&["60 192.0.2.2"]));
    resolver.forward.set_rules(rules(&silent, &[("home.example.", &silent)]));
    let asked = async |name| resolver.ask(name).await;
    let [a, b, corp, home] =
        ["a.example", "b.example", "a.corp.example", "a.home.example"].map(asked);
    let (a, b, corp, home) = tokio::join!(a, b, corp, home);
    assert_eq!((a, b), (found(&["30 192.0.2.2"]), found(&["30 192.0.2.1"])));
    // Names that rules are about are those of one network.
    assert_eq!((corp, home), (nothing(), nothing()));
}

#[tokio::test]
async fn an_upstream_that_knows_no_edns_is_asked_without_and_that_is_remembered() {
    // FORMERR and NOTIMP, and FORMERR with no more than a header.
    for (rcode, end) in [(1, usize::MAX), (4, usize::MAX), (1, 12)] {
        let upstream = upstream(Arc::new(move |query: &[u8], _| {
            vec![address(query, 1, 60, |response| {
                if query[11] > 0 {
                    response[3] = 0x80 | rcode;
                    response[7] = 0;
                    response.truncate((response.len() - 16).min(end));
                    response[5] = u8::from(end > 12);
                }
            })]
        }))
        .await;
        let resolver = resolver(&[&upstream]);
        assert_eq!(resolver.ask("one.example").await, found(&["60 192.0.2.1"]), "{rcode} {end}");
        assert_eq!(upstream.asked.load(Ordering::SeqCst), 2);
        assert_eq!(resolver.ask("two.example").await, found(&["60 192.0.2.1"]));
        assert_eq!(upstream.asked.load(Ordering::SeqCst), 3);
        assert_eq!(resolver.forward.upstreams()[0].trouble(), None);
    }
}

/// SOA and nothing else, of `example.`.
fn zone(query: &[u8], _: bool) -> Vec<Vec<u8>> {
    let asked = question(query);
    let is_soa = asked[asked.len() - 4..asked.len() - 2] == [0, 6];
    let [answers, authority] = if is_soa { [1, 0] } else { [0, 1] };
    let head = [query[0], query[1], 0x81, 0x80, 0, 1, 0, answers, 0, authority, 0, 0];
    let data = [&b"\x02ns\0\x04host\0"[..], &[0; 19], &[60]].concat();
    let record = [&b"\xc0\x0c\0\x06\0\x01\0\0\0\x3c\0"[..], &[data.len() as u8], &data].concat();
    vec![[&head[..], asked, &record].concat()]
}

#[tokio::test]
async fn every_case_of_genreport_is_ok_for_a_forwarded_name() {
    let upstream = upstream(Arc::new(zone)).await;
    let resolver = resolver(&[&upstream]);
    let address = resolver.address;
    Server { address, zone: "example.", forwarded: true, recursion: true, tcp: true }.check().await;
}

#[tokio::test]
async fn stuck_forwards_hold_up_no_local_answer() {
    let upstream = upstream(silent()).await;
    let resolver = resolver(&[&upstream]);
    let stuck = resolver.client().await;
    for n in 0..500 {
        stuck.send(&query(&format!("n{n}.example"), n)).await.unwrap();
    }
    let local = resolver.client().await;
    let mut buffer = [0; 2048];
    for n in 0..100 {
        local.send(&query("localhost", n)).await.unwrap();
        let len = timeout(Duration::from_secs(1), local.recv(&mut buffer)).await.unwrap().unwrap();
        let message = Message::from_vec(&buffer[..len]).unwrap();
        assert_eq!((message.metadata.id, message.answers.len()), (n, 1));
        assert_eq!(message.answers[0].record_type(), RecordType::A);
    }
}
