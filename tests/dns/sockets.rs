//! Real sockets: both doors, every replay file through each of them, and hickory's own UDP loop
//! with the same handler.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use djdns::dns::{Access, Face, ListenError, Listeners, Service, Serving, View};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use super::replay::{self, Replay, render};

const PATIENCE: Duration = Duration::from_secs(10);

struct Node {
    views: Arc<ArcSwap<View>>,
    address: SocketAddr,
    serving: Serving,
}

fn start() -> Node {
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = listeners.addresses()[0];
    let views = Arc::new(ArcSwap::from_pointee(View::new()));
    let serving = listeners.serve(&Service::new(views.clone(), None)).unwrap();
    Node { views, address, serving }
}

pub async fn over_udp(socket: &UdpSocket, query: &[u8]) -> Vec<u8> {
    socket.send(query).await.unwrap();
    let mut buffer = vec![0; 65535];
    let len = timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("an answer").unwrap();
    buffer.truncate(len);
    buffer
}

pub async fn udp_client(address: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(address).await.unwrap();
    socket
}

pub async fn over_tcp(stream: &mut TcpStream, query: &[u8]) -> Vec<u8> {
    let framed = [&(query.len() as u16).to_be_bytes()[..], query].concat();
    stream.write_all(&framed).await.unwrap();
    read_answer(stream).await
}

async fn read_answer(stream: &mut TcpStream) -> Vec<u8> {
    let len = timeout(PATIENCE, stream.read_u16()).await.expect("an answer").unwrap();
    let mut answer = vec![0; usize::from(len)];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("the rest").unwrap();
    answer
}

fn files() -> [Replay; 5] {
    [crate::ANSWERS, crate::CUTS, crate::ANCHORS, crate::SPECIAL, crate::COLLISIONS]
        .map(replay::read)
}

#[tokio::test]
async fn every_replay_gets_the_same_answers_over_udp_and_over_tcp() {
    let node = start();
    let udp = udp_client(node.address).await;
    let mut tcp = TcpStream::connect(node.address).await.unwrap();
    for file in files() {
        node.views.store(Arc::new(file.view));
        for ask in file.asks {
            let answer = over_udp(&udp, &ask.bytes).await;
            assert_eq!(render(&answer), ask.expect, "udp, line {}", ask.line);
            let answer = over_tcp(&mut tcp, &ask.bytes).await;
            assert_eq!(render(&answer), ask.expect, "tcp, line {}", ask.line);
            let end = replay::question_end(&ask.bytes);
            assert_eq!(answer[12..end], ask.bytes[12..end], "tcp, the question's spelling");
        }
    }
    node.serving.shutdown().await;
}

#[tokio::test]
async fn hickorys_own_udp_loop_gives_the_same_answers_through_the_face() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let udp = udp_client(socket.local_addr().unwrap()).await;
    let views = Arc::new(ArcSwap::from_pointee(View::new()));
    let mut server = hickory_server::Server::new(Face::new(Service::new(views.clone(), None)));
    server.register_socket(socket);
    for file in files() {
        views.store(Arc::new(file.view));
        for ask in file.asks {
            let answer = over_udp(&udp, &ask.bytes).await;
            assert_eq!(render(&answer), ask.expect, "line {}", ask.line);
        }
    }
    server.shutdown_gracefully().await.unwrap();
}

#[tokio::test]
async fn an_answer_too_long_for_udp_is_truncated_and_comes_whole_over_tcp() {
    let node = start();
    let lines: String = (0..200).map(|i| format!("many 300 A 10.0.0.{i}\n")).collect();
    let anchored =
        View::new().with_anchor(&super::support::name("ct."), super::support::page_id("ct."));
    node.views.store(Arc::new(super::support::with_page(&anchored, "ct.", &lines)));
    let query = super::support::query("many.ct.", 1, Some(1232));
    let answer = over_udp(&udp_client(node.address).await, &query).await;
    assert_eq!(render(&answer), ["NOERROR aa tc rd edns"]);
    let mut tcp = TcpStream::connect(node.address).await.unwrap();
    assert_eq!(render(&over_tcp(&mut tcp, &query).await).len(), 201);
    node.serving.shutdown().await;
}

#[tokio::test]
async fn queries_in_one_breath_over_tcp_are_all_answered() {
    let node = start();
    let mut tcp = TcpStream::connect(node.address).await.unwrap();
    let mut breath = Vec::new();
    for i in 0..20u16 {
        let mut query = super::support::query("localhost.", 1, None);
        query[..2].copy_from_slice(&i.to_be_bytes());
        breath.extend_from_slice(&(query.len() as u16).to_be_bytes());
        breath.extend_from_slice(&query);
    }
    tcp.write_all(&breath).await.unwrap();
    for i in 0..20u16 {
        assert_eq!(read_answer(&mut tcp).await[..2], i.to_be_bytes());
    }
    node.serving.shutdown().await;
}

#[tokio::test]
async fn malformed_datagrams_get_what_the_table_says_and_the_door_stays_open() {
    let node = start();
    let udp = udp_client(node.address).await;
    let good = super::support::query("localhost.", 1, None);
    for (expect, bytes) in crate::malformed() {
        udp.send(&bytes).await.unwrap();
        if expect != "silence" {
            let mut buffer = [0; 512];
            let len = timeout(PATIENCE, udp.recv(&mut buffer)).await.expect("an answer").unwrap();
            assert_eq!(crate::outcome(Some(&buffer[..len])), expect, "{bytes:02x?}");
        }
        // The next answer is this one's: what should be silent was.
        assert_eq!(over_udp(&udp, &good).await[3] & 15, 0, "{bytes:02x?}");
    }
    node.serving.shutdown().await;
}

#[tokio::test]
async fn malformed_messages_over_tcp_get_an_error_and_the_door_stays_open() {
    let node = start();
    let good = super::support::query("localhost.", 1, None);
    for (expect, bytes) in crate::malformed() {
        let mut tcp = TcpStream::connect(node.address).await.unwrap();
        if expect != "silence" {
            let answer = over_tcp(&mut tcp, &bytes).await;
            assert_eq!(crate::outcome(Some(&answer)), expect, "{bytes:02x?}");
        } else {
            let framed = [&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat();
            tcp.write_all(&framed).await.unwrap();
        }
        assert_eq!(over_tcp(&mut tcp, &good).await[3] & 15, 0, "{bytes:02x?}");
    }
    node.serving.shutdown().await;
}

#[tokio::test]
async fn a_port_of_another_door_of_ours_is_named_twice_and_a_closed_one_is_free_again() {
    let node = start();
    let error = Listeners::bind(&[node.address]).unwrap_err();
    assert!(matches!(error, ListenError::Twice { .. }), "{error}");
    let address = node.address;
    node.serving.shutdown().await;
    assert!(Listeners::bind(&[address]).is_ok());
}

#[tokio::test]
async fn sockets_that_share_an_address_are_one_door_and_all_answer() {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let bind = |address: SocketAddr| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None);
        let socket = socket.unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&address.into()).unwrap();
        std::net::UdpSocket::from(socket)
    };
    let first = bind(any);
    let address = first.local_addr().unwrap();
    let listeners = Listeners::passed(vec![first, bind(address), bind(address)], Vec::new());
    assert_eq!(listeners.addresses(), [address]);
    let view = Arc::new(ArcSwap::from_pointee(View::new()));
    let serving = listeners.serve(&Service::new(view, None)).unwrap();
    // The system gives each client to one of them.
    for n in 0..48 {
        let client = UdpSocket::bind(any).await.unwrap();
        client.connect(address).await.unwrap();
        client.send(&super::support::query("localhost.", n, None)).await.unwrap();
        let mut answer = [0; 512];
        timeout(PATIENCE, client.recv(&mut answer)).await.expect("an answer").unwrap();
    }
    serving.shutdown().await;
}

#[test]
fn an_address_of_another_machine_is_refused_by_name() {
    let error = Listeners::bind(&["192.0.2.1:0".parse().unwrap()]).unwrap_err();
    assert!(matches!(error, ListenError::NoSuchAddress(_)), "{error}");
}

#[test]
fn an_address_that_others_reach_needs_a_list_of_who_may_ask_whoever_bound_it() {
    let nobody = Access::default();
    let some = Access::new(vec!["192.0.2.0/24".parse().unwrap()]);
    let check = |address: &str, access: &Access, expect: bool| {
        let bound = Listeners::bind(&[address.parse().unwrap()]).unwrap();
        assert_eq!(access.check(&bound.doors()).is_ok(), expect, "{address}");
        let udp = std::net::UdpSocket::bind(address).unwrap();
        let passed = Listeners::passed(vec![udp], Vec::new());
        assert_eq!(access.check(&passed.doors()).is_ok(), expect, "{address} by UDP");
        let tcp = std::net::TcpListener::bind(address).unwrap();
        let passed = Listeners::passed(Vec::new(), vec![tcp]);
        assert_eq!(access.check(&passed.doors()).is_ok(), expect, "{address} by TCP");
    };
    check("127.0.0.1:0", &nobody, true);
    check("127.0.0.9:0", &nobody, true);
    check("0.0.0.0:0", &nobody, false);
    check("0.0.0.0:0", &some, true);
    let bound = Listeners::bind(&["0.0.0.0:0".parse().unwrap()]).unwrap();
    let error = nobody.check(&bound.doors()).unwrap_err().to_string();
    assert!(error.contains("can be reached from other machines"), "{error}");
    assert!(error.contains("allow = ["), "{error}");
}
