//! TCP as stories: out of order, beside what is stuck, crowded, slow, and at the end.
//!
//! Time is tokio's, paused where a deadline is waited for: it leaps when nothing else can happen.

use std::{collections::HashSet, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use djdns::{
    dns::{Answer, Cookies, Listeners, Outside, Rcode, Seeking, Service, Serving, View, Wanted},
    limits::{DNS_TCP_CONNECTIONS_MAX, DNS_TCP_IDLE, DNS_TCP_IN_FLIGHT_MAX},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
};

use super::{replay, sockets, support};

/// Somebody else, who answers as often as told.
pub struct Told(pub Arc<Semaphore>);

impl Outside for Told {
    fn resolve(&self, _: Wanted) -> Seeking<'_> {
        Box::pin(async {
            self.0.acquire().await.unwrap().forget();
            Answer { rcode: Rcode::NXDOMAIN, ..Answer::default() }
        })
    }
}

struct Node {
    address: SocketAddr,
    serving: Serving,
    /// How many forwarded questions may be answered.
    told: Arc<Semaphore>,
}

/// A node with one page, `ct.`, in which `www` is small and `many` is long.
fn start() -> Node {
    let lines: String =
        (0..4000).map(|i| format!("many 300 A 10.0.{}.{}\n", i / 250, i % 250)).collect();
    let view = View::new().with_anchor(&support::name("ct."), support::page_id("ct."));
    let view = support::with_page(&view, "ct.", &(lines + "www 300 A 192.0.2.1\n"));
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = listeners.addresses()[0];
    let told = Arc::new(Semaphore::new(0));
    let views = Arc::new(ArcSwap::from_pointee(view));
    let service = Service::new(views, Some(Arc::new(Told(told.clone()))))
        .with_cookies(Cookies::new([7; 16], || 1_700_000_000));
    let serving = listeners.serve(&service).unwrap();
    Node { address, serving, told }
}

fn query(id: u16, name: &str) -> Vec<u8> {
    let mut query = support::query(name, 1, None);
    query[..2].copy_from_slice(&id.to_be_bytes());
    query
}

async fn send(stream: &mut TcpStream, query: &[u8]) {
    let framed = [&(query.len() as u16).to_be_bytes()[..], query].concat();
    stream.write_all(&framed).await.unwrap();
}

/// The next answer; `None` when the connection has ended.
async fn receive(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let len = stream.read_u16().await.ok()?;
    let mut answer = vec![0; usize::from(len)];
    stream.read_exact(&mut answer).await.ok()?;
    Some(answer)
}

fn id(answer: &[u8]) -> u16 {
    u16::from_be_bytes([answer[0], answer[1]])
}

#[tokio::test]
async fn what_is_ready_is_answered_before_what_was_asked_earlier() {
    let node = start();
    let mut tcp = TcpStream::connect(node.address).await.unwrap();
    send(&mut tcp, &query(1, "example.org.")).await;
    for i in 2..202 {
        send(&mut tcp, &query(i, "www.ct.")).await;
    }
    for i in 2..202 {
        let answer = receive(&mut tcp).await.unwrap();
        assert_eq!((id(&answer), answer[7]), (i, 1), "page names in their order, while 1 is stuck");
    }
    node.told.add_permits(1);
    assert_eq!(id(&receive(&mut tcp).await.unwrap()), 1);
    node.serving.shutdown().await;
}

#[tokio::test]
async fn a_connection_full_of_forwarded_questions_holds_up_no_page_name_and_ends_whole() {
    let node = start();
    let mut greedy = TcpStream::connect(node.address).await.unwrap();
    let asked = DNS_TCP_IN_FLIGHT_MAX as u16 + 50;
    for i in 0..asked {
        send(&mut greedy, &query(i, "example.org.")).await;
    }
    send(&mut greedy, &query(asked, "www.ct.")).await;
    let mut other = TcpStream::connect(node.address).await.unwrap();
    send(&mut other, &query(9, "www.ct.")).await;
    assert_eq!(id(&receive(&mut other).await.unwrap()), 9);
    let mut ids = HashSet::new();
    for _ in 0..50 {
        let answer = receive(&mut greedy).await.unwrap();
        assert_eq!(answer[3] & 15, 2, "SERVFAIL for what has no room to wait");
        ids.insert(id(&answer));
    }
    assert_eq!(id(&receive(&mut greedy).await.unwrap()), asked, "while others are stuck");
    node.told.add_permits(DNS_TCP_IN_FLIGHT_MAX);
    for _ in 0..DNS_TCP_IN_FLIGHT_MAX {
        ids.insert(id(&receive(&mut greedy).await.unwrap()));
    }
    assert_eq!(ids.len(), usize::from(asked));
    node.serving.shutdown().await;
}

/// Beyond the limit of connections the oldest of the silent ones go.
async fn crowd(connections: usize) {
    let node = start();
    let mut silent = Vec::new();
    for _ in 0..connections {
        silent.push(TcpStream::connect(node.address).await.unwrap());
    }
    let mut tcp = TcpStream::connect(node.address).await.unwrap();
    send(&mut tcp, &query(5, "www.ct.")).await;
    assert_eq!(id(&receive(&mut tcp).await.unwrap()), 5);
    let newest = silent.last_mut().unwrap();
    send(newest, &query(6, "www.ct.")).await;
    assert_eq!(id(&receive(newest).await.unwrap()), 6);
    if connections > DNS_TCP_CONNECTIONS_MAX {
        assert_eq!(receive(&mut silent[0]).await, None, "the one that is silent longest has left");
    }
    node.serving.shutdown().await;
}

/// Ten times as many as are kept. Both ends are of this process, which needs as many open files.
#[tokio::test]
async fn ten_thousand_silent_connections_do_not_matter() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let needed = 10_000 + 2 * DNS_TCP_CONNECTIONS_MAX as u64 + 500;
    if current.is_some_and(|files| files < needed) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum })
            .expect("this test opens 12,548 files: raise the hard limit of `ulimit -n`");
    }
    crowd(10_000).await;
}

#[tokio::test]
async fn three_hundred_silent_connections_do_not_matter() {
    crowd(300).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_or_never_ends_a_message_is_let_go() {
    let node = start();
    let mut silent = TcpStream::connect(node.address).await.unwrap();
    assert!(receive(&mut silent).await.is_none());
    let mut slow = TcpStream::connect(node.address).await.unwrap();
    let framed = [&[0, 29][..], &query(1, "www.ct.")].concat();
    let mut written = 0;
    let ended = loop {
        let mut byte = [0];
        tokio::select! {
            read = slow.read(&mut byte) => break read,
            () = tokio::time::sleep(Duration::from_secs(1)) => {
                let _ = slow.write_all(&framed[written..=written]).await;
                written += 1;
            }
        }
    };
    assert!(matches!(ended, Ok(0) | Err(_)), "a byte a second is too slow");
    assert!((4..7).contains(&written), "{written}");
    node.serving.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_let_go_and_costs_no_more_than_so_much() {
    let node = start();
    let mut tcp = TcpStream::connect(node.address).await.unwrap();
    let framed = [&[0, 25][..], &query(1, "many.ct.")].concat();
    assert_eq!(framed.len(), 2 + 12 + 9 + 4, "the length is right");
    // Until no more of it is taken, and then until the connection is gone.
    let written = async { while tcp.write_all(&framed).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(3600), written).await.expect("it was let go");
    node.serving.shutdown().await;
}

#[tokio::test]
async fn a_client_hears_how_long_it_may_be_silent_and_gets_its_cookie() {
    let node = start();
    let mut tcp = TcpStream::connect(node.address).await.unwrap();
    let mut asked = support::query("www.ct.", 1, Some(1232));
    let options = [0, 11, 0, 0, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
    *asked.last_mut().unwrap() = options.len() as u8;
    asked.extend_from_slice(&options);
    let keepalive =
        [&[0, 11, 0, 2][..], &(DNS_TCP_IDLE.as_secs() as u16 * 10).to_be_bytes()].concat();
    send(&mut tcp, &asked).await;
    let answer = receive(&mut tcp).await.unwrap();
    assert!(answer.ends_with(&keepalive), "{answer:02x?}");
    let cookie = [0, 10, 0, 24, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0, 0, 0];
    assert!(answer.windows(cookie.len()).any(|bytes| bytes == cookie), "{answer:02x?}");
    node.serving.shutdown().await;
}

#[tokio::test]
async fn what_is_in_flight_is_answered_when_the_client_or_the_program_says_no_more() {
    let node = start();
    let mut half = TcpStream::connect(node.address).await.unwrap();
    send(&mut half, &query(1, "example.org.")).await;
    half.shutdown().await.unwrap();
    let mut whole = TcpStream::connect(node.address).await.unwrap();
    send(&mut whole, &query(2, "example.org.")).await;
    send(&mut whole, &query(3, "www.ct.")).await;
    assert_eq!(id(&receive(&mut whole).await.unwrap()), 3);
    let stopped = tokio::spawn(node.serving.shutdown());
    // The listener is closed, and what is in flight is not.
    while TcpStream::connect(node.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    node.told.add_permits(2);
    assert_eq!(id(&receive(&mut half).await.unwrap()), 1);
    assert_eq!(id(&receive(&mut whole).await.unwrap()), 2);
    assert_eq!(receive(&mut whole).await, None);
    stopped.await.unwrap();
}

/// In real time: what comes over UDP is answered by threads that no runtime's clock knows.
#[tokio::test]
async fn the_program_waits_a_second_for_what_is_stuck_and_then_says_that_it_failed() {
    let node = start();
    let mut tcp = TcpStream::connect(node.address).await.unwrap();
    send(&mut tcp, &query(1, "example.org.")).await;
    send(&mut tcp, &query(2, "www.ct.")).await;
    assert_eq!(id(&receive(&mut tcp).await.unwrap()), 2);
    let mut silent = TcpStream::connect(node.address).await.unwrap();
    let udp = sockets::udp_client(node.address).await;
    udp.send(&support::query("example.org.", 1, Some(1232))).await.unwrap();
    // Answered behind it, so that it is in flight.
    assert_eq!(sockets::over_udp(&udp, &query(3, "www.ct.")).await[1], 3);
    node.serving.shutdown().await;
    let answer = receive(&mut tcp).await.unwrap();
    assert_eq!((id(&answer), answer[3] & 15), (1, 2), "SERVFAIL");
    assert_eq!(receive(&mut tcp).await, None);
    assert_eq!(receive(&mut silent).await, None);
    let mut answer = [0; 1500];
    let len = udp.try_recv(&mut answer).expect("it was sent before the end");
    let expect = ["SERVFAIL rd ra edns", "ede 14 this server is being stopped"];
    assert_eq!(replay::render(&answer[..len]), expect);
}
