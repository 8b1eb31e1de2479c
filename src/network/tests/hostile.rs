//! Peers that do what no honest node does: each is named and disconnected, what they held is given
//! back, and an honest peer of the same node notices nothing.

use quinn::{Connection, Endpoint, RecvStream, SendStream, TransportConfig};
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer},
    version::TLS13,
};

use super::*;
use crate::{
    limits::{
        NETWORK_ANSWER_BYTES_USUAL, NETWORK_ANSWERS_BYTES, NETWORK_ANSWERS_BYTES_PER_PEER,
        NETWORK_NOT_UNDERSTOOD_MAX,
    },
    network::wire::{AnswerHead, Fault, NOTICES, NoticeHead, RequestHead, Status},
};

/// A QUIC server with another protocol.
pub(super) fn server(protocol: &[u8]) -> Endpoint {
    let pair = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&pair).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(pair.into()))
        .unwrap();
    tls.alpn_protocols = vec![protocol.to_vec()];
    let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
    let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let endpoint = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let accepting = endpoint.clone();
    tokio::spawn(async move {
        while let Some(incoming) = accepting.accept().await {
            drop(tokio::spawn(async move { incoming.await.map(drop) }));
        }
    });
    endpoint
}

/// A server that speaks only a version of QUIC that nobody else does (RFC 9000 section 17.2.1).
pub(super) async fn other_version() -> SocketAddr {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut packet = [0; 2048];
        while let Ok((_, from)) = socket.recv_from(&mut packet).await {
            // After a byte and a version, two ids, each after its length.
            let to = 6 + usize::from(packet[5]);
            let of = to + 1 + usize::from(packet[to]);
            let (theirs, ours) = (&packet[to..of], &packet[5..to]);
            let answer = [&[0x80, 0, 0, 0, 0], theirs, ours, &[0xfa, 0xce, 0xb0, 0x0c]].concat();
            let _ = socket.send_to(&answer, from).await;
        }
    });
    address
}

/// A peer without the program: a connection, and the streams of notices.
struct Raw {
    connection: Connection,
    notices: SendStream,
    /// Of the other side.
    theirs: RecvStream,
    /// Kept, or all of it ends.
    _endpoint: Endpoint,
}

/// Connects with the key `n`, and says nothing yet.
async fn connect(n: u8, to: SocketAddr, window: u32) -> (Endpoint, Connection) {
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(window.into()).receive_window(window.into());
    let mut config = quinn::ClientConfig::new(tls::Crypto::of(&secret(n)).unwrap().client);
    config.transport_config(Arc::new(transport));
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let connection = endpoint.connect_with(config, to, "x").unwrap().await.unwrap();
    (endpoint, connection)
}

/// Connects with the key 66 and is taken on.
async fn raw(to: SocketAddr, window: u32) -> Raw {
    raw_of(66, to, window).await
}

async fn raw_of(n: u8, to: SocketAddr, window: u32) -> Raw {
    let (endpoint, connection) = connect(n, to, window).await;
    let mut notices = connection.open_uni().await.unwrap();
    notices.write_all(&[NOTICES]).await.unwrap();
    let mut theirs = connection.accept_uni().await.unwrap();
    theirs.read_exact(&mut [0]).await.unwrap();
    Raw { connection, notices, theirs, _endpoint: endpoint }
}

fn small_bounds() -> Bounds {
    Bounds {
        handshake_time: Duration::from_millis(500),
        request_time: Duration::from_millis(300),
        unread_time: Duration::from_millis(300),
        ..Bounds::default()
    }
}

/// What bob says of a peer that does `evil`, while alice asks him without a pause.
async fn named(evil: impl AsyncFnOnce(SocketAddr, &Network)) -> Misbehaviour {
    let bob_how = How { bounds: small_bounds(), ..How::default() };
    let (alice, mut bob) = (node(1), node_with(2, bob_how));
    alice.connect(&bob).await;
    bob.joined().await;
    let (honest, to) = (alice.network.clone(), bob.key);
    let asking = tokio::spawn(async move {
        loop {
            let answer = honest.ask(&to, b"eme".to_vec(), 2, SURELY).await;
            assert_eq!(answer, Ok(b"me".to_vec()));
        }
    });
    let (network, address) = (bob.network.clone(), bob.address());
    evil(address, &network).await;
    let what = bob.misbehaved().await;
    while bob.network.peers().len() > 1 {
        bob.left().await;
    }
    assert!(!asking.is_finished(), "alice noticed something");
    asking.abort();
    let _ = asking.await;
    while bob.network.0.answers.available_permits() < NETWORK_ANSWERS_BYTES {
        tokio::task::yield_now().await;
    }
    assert_eq!(alice.ask(&bob.key, b"eme", 2).await, Ok(b"me".to_vec()));
    what
}

/// N6 refuses: what is too long, too much, too often or too slow; the peer is named and let go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_protocol_is_named() {
    let what = named(async |to, _| {
        let (_endpoint, connection) = connect(66, to, 1 << 20).await;
        connection.open_uni().await.unwrap().write_all(&[9]).await.unwrap();
        connection.closed().await;
    });
    assert_eq!(what.await, Misbehaviour::Opening(9));

    let what = named(async |to, _| {
        let (_endpoint, connection) = connect(66, to, 1 << 20).await;
        connection.closed().await;
    });
    assert_eq!(what.await, Misbehaviour::NoOpening);

    let what = named(async |to, _| {
        let mut raw = raw(to, 1 << 20).await;
        raw.notices.write_all(&NoticeHead(0).write()).await.unwrap();
        raw.connection.closed().await;
    });
    assert_eq!(what.await, Misbehaviour::Notice(Fault::Empty));

    let what = named(async |to, _| {
        let mut raw = raw(to, 1 << 20).await;
        raw.notices.write_all(&NoticeHead(65_537).write()).await.unwrap();
        raw.connection.closed().await;
    });
    let oversize = Fault::Oversize { bytes: 65_537, bytes_max: 65_536 };
    assert_eq!(what.await, Misbehaviour::Notice(oversize));

    let what = named(async |to, _| {
        let mut raw = raw(to, 1 << 20).await;
        raw.notices.finish().unwrap();
        raw.connection.closed().await;
    });
    assert_eq!(what.await, Misbehaviour::Notices);

    let what = named(async |to, _| {
        let raw = raw(to, 1 << 20).await;
        raw.connection.open_uni().await.unwrap().write_all(&[NOTICES]).await.unwrap();
        raw.connection.closed().await;
    });
    assert_eq!(what.await, Misbehaviour::Notices);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_none_are_named() {
    let what = named(async |to, _| {
        let raw = raw(to, 1 << 20).await;
        let head = RequestHead { answer_bytes_max: 1, bytes: 65_537 };
        let (mut send, _recv) = raw.connection.open_bi().await.unwrap();
        send.write_all(&head.write()).await.unwrap();
        raw.connection.closed().await;
    });
    let oversize = Fault::Oversize { bytes: 65_537, bytes_max: 65_536 };
    assert_eq!(what.await, Misbehaviour::Request(oversize));

    let what = named(async |to, _| {
        let raw = raw(to, 1 << 20).await;
        let head = RequestHead { answer_bytes_max: 1, bytes: 1 };
        let (mut send, _recv) = raw.connection.open_bi().await.unwrap();
        send.write_all(&[&head.write()[..], b"eee"].concat()).await.unwrap();
        raw.connection.closed().await;
    });
    assert_eq!(what.await, Misbehaviour::Request(Fault::Trailing));

    // Sixty-four streams with half a request on each, none of which ends.
    let what = named(async |to, _| {
        let raw = raw(to, 1 << 20).await;
        let mut streams = Vec::new();
        for _ in 0..64 {
            let (mut send, recv) = raw.connection.open_bi().await.unwrap();
            send.write_all(&[0, 0, 0, 1, 0]).await.unwrap();
            streams.push((send, recv));
        }
        raw.connection.closed().await;
    });
    assert_eq!(what.await, Misbehaviour::Silence);

    let what = named(async |to, _| {
        let raw = raw(to, 1 << 20).await;
        loop {
            let Ok((mut send, mut recv)) = raw.connection.open_bi().await else { return };
            let head = RequestHead { answer_bytes_max: 1, bytes: 1 };
            let _ = send.write_all(&[&head.write()[..], b"?"].concat()).await;
            let _ = send.finish();
            let _ = recv.read_to_end(100).await;
        }
    });
    assert_eq!(what.await, Misbehaviour::NotUnderstood(NETWORK_NOT_UNDERSTOOD_MAX + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_streams_are_too_many() {
    let what = named(async |to, _| {
        let raw = raw(to, 1 << 20).await;
        for n in 0..10_000 {
            let Ok((mut send, _recv)) = raw.connection.open_bi().await else { return };
            let head = RequestHead { answer_bytes_max: 1, bytes: 1 };
            let _ = send.write_all(&[&head.write()[..], b"e"].concat()).await;
            let _ = send.finish();
            assert!(n < 9_999, "all of them were taken");
        }
    });
    assert!(matches!(what.await, Misbehaviour::TooManyRequests(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_is_named() {
    // Answers.
    let what = named(async |to, _| {
        let raw = raw(to, 4096).await;
        let mut streams = Vec::new();
        for _ in 0..32 {
            let (mut send, recv) = raw.connection.open_bi().await.unwrap();
            let request = number(1 << 20);
            let head = RequestHead { answer_bytes_max: 1 << 20, bytes: request.len() as u32 };
            let _ = send.write_all(&[&head.write()[..], &request].concat()).await;
            let _ = send.finish();
            streams.push((send, recv));
        }
        raw.connection.closed().await;
    });
    assert_eq!(what.await, Misbehaviour::Unread);
    // Notices.
    let what = named(async |to, bob| {
        let raw = raw(to, 4096).await;
        let key = secret(66).public();
        let told = (0..1000).filter(|_| bob.tell(&key, vec![0; 65_536])).count();
        assert!((1..1000).contains(&told), "{told} of them waited");
        raw.connection.closed().await;
        drop(raw.theirs);
    });
    assert_eq!(what.await, Misbehaviour::Unread);
}

/// N6 accepts: a long answer to who reads it, when others have all the room and read nothing.
/// N6 refuses: to keep the room of the one that has read nothing for longest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_nothing_for_longest_is_let_go_when_others_wait_for_its_room() {
    let answers_bytes = 2 * NETWORK_ANSWERS_BYTES_PER_PEER;
    let bounds = Bounds { answers_bytes, ..Bounds::default() };
    let (alice, mut bob) = (node(1), node_with(2, How { bounds, ..How::default() }));
    alice.connect(&bob).await;
    bob.joined().await;
    let long = NETWORK_ANSWER_BYTES_USUAL as u32;
    let mut hoarders = Vec::new();
    for n in [66, 67] {
        let left = bob.network.0.answers.available_permits();
        let raw = raw_of(n, bob.address(), 4096).await;
        let mut streams = Vec::new();
        for _ in 0..8 {
            let (mut send, recv) = raw.connection.open_bi().await.unwrap();
            let request = number(long);
            let head = RequestHead { answer_bytes_max: long, bytes: request.len() as u32 };
            send.write_all(&[&head.write()[..], &request].concat()).await.unwrap();
            send.finish().unwrap();
            streams.push((send, recv));
        }
        // It has all that one may have before the next begins.
        let held = || left - bob.network.0.answers.available_permits();
        while held() < NETWORK_ANSWERS_BYTES_PER_PEER {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        hoarders.push((raw, streams));
    }
    let answer = alice.ask(&bob.key, &number(long), long as usize).await;
    assert_eq!(answer.map(|answer| answer.len()), Ok(long as usize));
    let ended = |n: usize| hoarders[n].0.connection.closed();
    timeout(SURELY, ended(0)).await.expect("the first has read nothing for longest");
    assert!(hoarders[1].0.connection.close_reason().is_none());
    let told = std::iter::from_fn(|| bob.events.try_recv().ok());
    assert!(told.into_iter().all(|event| !matches!(event, Event::Misbehaved(..))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_too_long_is_an_error_and_named() {
    let what = named(async |to, bob| {
        let raw = raw(to, 1 << 20).await;
        let key = secret(66).public();
        let answering = async {
            let (mut send, _recv) = raw.connection.accept_bi().await.unwrap();
            let head = AnswerHead { status: Status::Answer, bytes: u32::MAX };
            send.write_all(&head.write()).await.unwrap();
            raw.connection.closed().await;
        };
        let asking = bob.ask(&key, b"e".to_vec(), 100, SURELY);
        let (answer, ()) = tokio::join!(asking, answering);
        assert_eq!(answer, Err(AskError::Oversize(100)));
    });
    let oversize = Fault::Oversize { bytes: u32::MAX as usize, bytes_max: 100 };
    assert_eq!(what.await, Misbehaviour::Answer(oversize));
}

/// N1 refuses: a certificate of another kind of key, two of them, none, and another protocol.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_show_a_node_key_is_not_let_in() {
    let mut bob = node(2);
    let check =
        async |certificates: Vec<CertificateDer<'static>>, key: Vec<u8>, protocol: &[u8]| {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let tls = rustls::ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(&[&TLS13])
                .unwrap()
                .dangerous()
                .with_custom_certificate_verifier(tls::tests::verifier());
            let mut tls = match certificates.len() {
                0 => tls.with_no_client_auth(),
                _ => tls.with_client_auth_cert(certificates, key.try_into().unwrap()).unwrap(),
            };
            tls.alpn_protocols = vec![protocol.to_vec()];
            let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
            let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
            let config = quinn::ClientConfig::new(Arc::new(crypto));
            let connecting = endpoint.connect_with(config, bob.address(), "x").unwrap();
            let ended = match timeout(SURELY, connecting).await.unwrap() {
                Err(error) => error,
                // The server judges the client's certificate after the client has finished.
                Ok(connection) => timeout(SURELY, connection.closed()).await.unwrap(),
            };
            assert!(matches!(ended, quinn::ConnectionError::ConnectionClosed(_)), "{ended}");
        };
    let pair = rcgen::KeyPair::generate().unwrap();
    let other = rcgen::CertificateParams::default().self_signed(&pair).unwrap().der().clone();
    check(vec![other], pair.serialize_der(), tls::ALPN).await;
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let good = rcgen::CertificateParams::default().self_signed(&pair).unwrap().der().clone();
    check(vec![good.clone(), good.clone()], pair.serialize_der(), tls::ALPN).await;
    check(vec![], vec![], tls::ALPN).await;
    check(vec![good], pair.serialize_der(), b"h3").await;
    let alice = node(1);
    alice.connect(&bob).await;
    assert_eq!(bob.joined().await.key, alice.key);
    assert!(bob.events.try_recv().is_err(), "nobody else came in");
}
