//! Stories of the encrypted doors, each told to a client of rustls, of h2 or of quinn: the answers of
//! all other doors, and nobody who keeps others from theirs.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use djdns::{
    dns::{Cookies, Encrypted, Listeners, Outside, Places, Service, Serving, Tls, View, Witness},
    limits::{DNS_STREAM_QUERY_BYTES_MAX, DNS_TLS_HANDSHAKES_MAX},
};
use http::{Method, Request, StatusCode};
use rcgen::{CertificateParams, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        AlertDescription, ClientConfig, Error, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    },
};

use super::{
    doors::{option, query as query_with},
    replay::{self, render},
    streams::Told,
    support,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// A certificate for localhost that signed itself, and its key.
fn certificate() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let pair = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&pair).unwrap().der().clone();
    (certificate, PrivateKeyDer::Pkcs8(pair.serialize_der().into()))
}

struct Node {
    views: Arc<ArcSwap<View>>,
    places: Places,
    serving: Serving,
    tls: Tls,
    certificate: CertificateDer<'static>,
    witness: Witness,
    /// How many forwarded questions may be answered.
    told: Arc<Semaphore>,
}

/// A node with one page, `ct.`, in which `www` is small and `many` is long; all else is asked of somebody.
fn start() -> Node {
    let told = Arc::new(Semaphore::new(0));
    start_with(page(), Some(Arc::new(Told(told.clone()))), told)
}

fn page() -> View {
    let lines: String =
        (0..3000).map(|i| format!("many 300 A 10.0.{}.{}\n", i / 250, i % 250)).collect();
    let view = View::new().with_anchor(&support::name("ct."), support::page_id("ct."));
    support::with_page(&view, "ct.", &(lines + "www 300 A 192.0.2.1\n"))
}

fn start_with(view: View, outside: Option<Arc<dyn Outside>>, told: Arc<Semaphore>) -> Node {
    let (certificate, key) = certificate();
    let tls = Tls::new(std::slice::from_ref(&certificate), &key).unwrap();
    let any = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let places = Places { dot: any.clone(), doh: any.clone(), doq: any };
    let encrypted = Encrypted::bind(&places).unwrap();
    let places = encrypted.places();
    let views = Arc::new(ArcSwap::from_pointee(view));
    let witness = Witness::new(|| 0);
    let service = Service::new(views.clone(), outside)
        .with_cookies(Cookies::new([7; 16], || 1_700_000_000))
        .with_witness(witness.clone());
    let listeners = Listeners::default().with_encrypted(encrypted, tls.clone());
    assert_eq!(listeners.doors().len(), 3);
    let serving = listeners.serve(&service).unwrap();
    Node { views, places, serving, tls, certificate, witness, told }
}

impl Node {
    fn client(&self, alpn: &[&[u8]]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|alpn| alpn.to_vec()).collect();
        config
    }

    async fn meet(
        &self,
        address: SocketAddr,
        alpn: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        let connector = TlsConnector::from(Arc::new(self.client(alpn)));
        connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    async fn dot(&self) -> Dot {
        Dot(self.meet(self.places.dot[0], &[b"dot"]).await.unwrap())
    }

    async fn doh(&self) -> Doh {
        let stream = self.meet(self.places.doh[0], &[b"h2"]).await.unwrap();
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Doh(send)
    }

    async fn doq(&self) -> Doq {
        let mut endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let tls = quinn::crypto::rustls::QuicClientConfig::try_from(self.client(&[b"doq"]));
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(tls.unwrap())));
        let connecting = endpoint.connect(self.places.doq[0], "localhost").unwrap();
        Doq(connecting.await.unwrap(), endpoint)
    }
}

fn framed(query: &[u8]) -> Vec<u8> {
    [&(query.len() as u16).to_be_bytes()[..], query].concat()
}

struct Dot(TlsStream<TcpStream>);

impl Dot {
    async fn send(&mut self, query: &[u8]) {
        self.0.write_all(&framed(query)).await.unwrap();
    }

    /// The next answer; `None` when the connection has ended.
    async fn receive(&mut self) -> Option<Vec<u8>> {
        let len = timeout(PATIENCE, self.0.read_u16()).await.expect("an answer").ok()?;
        let mut answer = vec![0; usize::from(len)];
        self.0.read_exact(&mut answer).await.ok()?;
        Some(answer)
    }

    async fn ask(&mut self, query: &[u8]) -> Vec<u8> {
        self.send(query).await;
        self.receive().await.unwrap()
    }
}

struct Doh(h2::client::SendRequest<Bytes>);

/// Status, headers, and body.
type Got = (StatusCode, http::HeaderMap, Vec<u8>);

impl Doh {
    async fn request(&self, request: http::request::Builder, body: Option<Vec<u8>>) -> Got {
        let mut send = self.0.clone().ready().await.unwrap();
        let request = request.body(()).unwrap();
        let (response, mut sent) = send.send_request(request, body.is_none()).unwrap();
        if let Some(body) = body {
            sent.send_data(body.into(), true).unwrap();
        }
        let response = timeout(PATIENCE, response).await.expect("an answer").unwrap();
        let (head, mut body) = response.into_parts();
        let mut content = Vec::new();
        while let Some(part) = timeout(PATIENCE, body.data()).await.expect("the rest") {
            let part = part.unwrap();
            body.flow_control().release_capacity(part.len()).unwrap();
            content.extend(part);
        }
        (head.status, head.headers, content)
    }

    async fn post(&self, query: &[u8]) -> Got {
        let request = Request::post("https://localhost/dns-query");
        let request = request.header("content-type", "application/dns-message");
        self.request(request, Some(query.to_vec())).await
    }

    async fn get(&self, query: &[u8]) -> Got {
        let path = format!("https://localhost/dns-query?dns={}", BASE64URL_NOPAD.encode(query));
        self.request(Request::get(path), None).await
    }
}

struct Doq(quinn::Connection, #[expect(dead_code, reason = "it drives the other")] quinn::Endpoint);

impl Doq {
    /// What comes for these bytes on a stream of their own; or how the connection ended.
    async fn say(&self, bytes: &[u8]) -> Result<Vec<u8>, quinn::ConnectionError> {
        let (mut send, mut receive) = self.0.open_bi().await?;
        // The other side may have ended it meanwhile.
        let _ = send.write_all(bytes).await;
        let _ = send.finish();
        let read = timeout(PATIENCE, receive.read_to_end(70_000)).await.expect("an end");
        match read {
            Ok(answer) => Ok(answer),
            Err(_) => Err(timeout(PATIENCE, self.0.closed()).await.expect("it is closed")),
        }
    }

    async fn ask(&self, query: &[u8]) -> Vec<u8> {
        let mut query = query.to_vec();
        query[..2].fill(0);
        let answer = self.say(&framed(&query)).await.unwrap();
        assert_eq!(usize::from(u16::from_be_bytes([answer[0], answer[1]])) + 2, answer.len());
        answer[2..].to_vec()
    }
}

#[tokio::test]
async fn every_replay_gets_the_same_answers_over_tls_https_and_quic() {
    let node = start_with(View::new(), None, Arc::new(Semaphore::new(0)));
    let (mut dot, doh, doq) = (node.dot().await, node.doh().await, node.doq().await);
    for text in [crate::ANSWERS, crate::CUTS, crate::ANCHORS, crate::SPECIAL, crate::COLLISIONS] {
        let file = replay::read(text);
        node.views.store(Arc::new(file.view));
        for ask in file.asks {
            let mut answers = vec![("dot", dot.ask(&ask.bytes).await)];
            for (way, (status, headers, body)) in
                [("post", doh.post(&ask.bytes).await), ("get", doh.get(&ask.bytes).await)]
            {
                assert_eq!(status, StatusCode::OK);
                assert_eq!(headers["content-type"], "application/dns-message");
                assert!(headers["cache-control"].to_str().unwrap().starts_with("max-age="));
                answers.push((way, body));
            }
            answers.push(("doq", doq.ask(&ask.bytes).await));
            for (way, answer) in answers {
                let found = render(&answer);
                // Where UDP cuts, nothing is cut.
                if !ask.expect[0].contains(" tc") {
                    assert_eq!(found, ask.expect, "{way}, line {}", ask.line);
                }
                assert!(!found[0].contains(" tc"), "{way}, line {}", ask.line);
                let end = replay::question_end(&ask.bytes);
                assert_eq!(answer[12..end], ask.bytes[12..end], "{way}, the question's spelling");
            }
        }
    }
    node.serving.shutdown().await;
}

#[tokio::test]
async fn each_way_is_counted_by_its_own_name_and_gives_long_answers_whole() {
    let node = start();
    let (mut dot, doh, doq) = (node.dot().await, node.doh().await, node.doq().await);
    let many = support::query("many.ct.", 1, Some(1232));
    for answer in [dot.ask(&many).await, doh.post(&many).await.2, doq.ask(&many).await] {
        assert_eq!(render(&answer).len(), 3001);
    }
    doh.get(&many).await;
    let counted = node.witness.counted().transports;
    assert_eq!(counted, [("udp", 0), ("tcp", 0), ("dot", 1), ("doh", 2), ("doq", 1)]);
    node.serving.shutdown().await;
}

#[tokio::test]
async fn what_is_padded_is_answered_so_and_what_else_a_client_asks_for_is_given() {
    let node = start();
    let (mut dot, doh, doq) = (node.dot().await, node.doh().await, node.doq().await);
    let asked = |options: &[&[u8]]| query_with(true, &options.concat());
    let (padding, keepalive) = (&[0, 12, 0, 3, 0, 0, 0][..], &[0, 11, 0, 0][..]);
    let cookie = [&[0, 10, 0, 8][..], &[1; 8]].concat();
    let mut long = support::query("many.ct.", 1, None);
    long[11] = 1;
    long.extend([&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, padding.len() as u8], padding].concat());
    let padded = asked(&[&cookie, padding]);
    for (query, blocks) in [(&padded, 1), (&long, 103)] {
        for answer in [dot.ask(query).await, doh.post(query).await.2, doq.ask(query).await] {
            assert_eq!(answer.len(), 468 * blocks);
            assert_eq!(render(&answer)[0], "NOERROR aa rd ra edns");
            assert!(option(&answer, 12).is_some());
        }
    }
    let bare = asked(&[&cookie]);
    for answer in [dot.ask(&bare).await, doh.get(&bare).await.2, doq.ask(&bare).await] {
        assert_eq!((option(&answer, 12), option(&answer, 10).unwrap().len()), (None, 24));
    }
    let staying = asked(&[keepalive]);
    assert!(option(&dot.ask(&staying).await, 11).is_some());
    assert!(option(&doh.post(&staying).await.2, 11).is_none());
    node.serving.shutdown().await;
}

#[tokio::test]
async fn what_is_ready_is_answered_before_what_was_asked_earlier() {
    let node = start();
    let (mut dot, doh, doq) = (node.dot().await, node.doh().await, node.doq().await);
    let (outside, page) =
        (support::query("x.example.", 1, None), support::query("www.ct.", 1, None));
    let mut second = page.clone();
    second[..2].copy_from_slice(&[0, 9]);
    dot.send(&outside).await;
    assert_eq!(dot.ask(&second).await[..2], [0, 9]);
    let late = async { tokio::join!(doh.post(&outside), doq.ask(&outside), dot.receive()) };
    tokio::pin!(late);
    let soon = async {
        for _ in 0..200 {
            assert_eq!(doh.post(&page).await.2[7], 1);
            assert_eq!(doq.ask(&page).await[7], 1);
        }
    };
    tokio::select! {
        () = soon => {}
        _ = &mut late => panic!("nobody was told to answer"),
    }
    node.told.add_permits(3);
    let ((status, headers, body), by_quic, by_tls) = late.await;
    assert_eq!(
        (status, &headers["cache-control"].to_str().unwrap()),
        (StatusCode::OK, &"max-age=0")
    );
    for answer in [body, by_quic, by_tls.unwrap()] {
        assert_eq!(render(&answer), ["NXDOMAIN rd ra"]);
    }
    node.serving.shutdown().await;
}

#[tokio::test]
async fn a_request_that_is_no_question_gets_the_status_that_says_so() {
    let node = start();
    let doh = node.doh().await;
    let good = support::query("www.ct.", 1, None);
    let url = "https://localhost/dns-query";
    let check = async |request: http::request::Builder, body: Option<&[u8]>, expect: u16| {
        let (status, headers, body) = doh.request(request, body.map(<[u8]>::to_vec)).await;
        assert_eq!(status.as_u16(), expect, "{}", String::from_utf8_lossy(&body));
        if expect != 200 {
            assert_eq!(headers["content-type"], "text/plain");
            assert!(body.len() > 10);
        }
        headers
    };
    let post = || Request::post(url).header("content-type", "application/dns-message");
    let kind = |kind: &str| Request::post(url).header("content-type", kind);
    let headers = check(post(), Some(&good), 200).await;
    assert_eq!(headers["cache-control"], "max-age=300");
    check(kind("text/plain"), Some(&good), 415).await;
    check(Request::post(url), Some(&good), 415).await;
    check(post(), Some(&vec![0; DNS_STREAM_QUERY_BYTES_MAX + 1]), 413).await;
    check(post().header("content-length", "60000"), Some(&vec![0; 60_000]), 413).await;
    // Whose body is still on its way reads the refusal too.
    check(post(), Some(&vec![0; 200_000]), 413).await;
    check(kind("text/plain"), Some(&vec![0; 200_000]), 415).await;
    check(post(), Some(&[]), 400).await;
    check(post(), Some(&good[..11]), 400).await;
    let mut response = good.clone();
    response[2] |= 0x80;
    check(post(), Some(&response), 400).await;
    check(Request::get(url), None, 400).await;
    check(Request::get(format!("{url}?dns=+++")), None, 400).await;
    check(Request::get(format!("{url}?dns=AAAA")), None, 400).await;
    check(Request::get("https://localhost/"), None, 404).await;
    let headers = check(Request::builder().method(Method::PUT).uri(url), None, 405).await;
    assert_eq!(headers["allow"], "GET, HEAD, POST");
    // The headers alone.
    let path = format!("{url}?dns={}", BASE64URL_NOPAD.encode(&good));
    for (path, expect) in [(&path[..], StatusCode::OK), (url, StatusCode::BAD_REQUEST)] {
        let (status, headers, body) = doh.request(Request::head(path), None).await;
        assert_eq!((status, body), (expect, vec![]));
        assert_ne!(headers["content-length"], "0");
    }
    // What a server of DNS refuses is no matter of HTTP (RFC 8484 section 4.2.1).
    let malformed = [&good[..], &[0]].concat();
    let (status, _, body) = doh.post(&malformed).await;
    assert_eq!((status, &render(&body)[0][..7]), (StatusCode::OK, "FORMERR"));
    let missing = support::query("no.ct.", 1, None);
    assert_eq!(doh.get(&missing).await.1["cache-control"], "max-age=60");
    node.serving.shutdown().await;
}

#[tokio::test]
async fn who_breaks_the_rules_of_dns_over_quic_loses_the_connection_by_their_code() {
    let node = start();
    let good = {
        let mut query = support::query("www.ct.", 1, None);
        query[..2].fill(0);
        query
    };
    let check = async |bytes: &[u8], expect: &str| {
        let ended = node.doq().await.say(bytes).await.unwrap_err();
        let quinn::ConnectionError::ApplicationClosed(close) = ended else { panic!("{ended}") };
        assert_eq!((close.error_code.into_inner(), &close.reason[..]), (2, expect.as_bytes()));
    };
    let mut other = good.clone();
    other[1] = 1;
    check(&framed(&other), "the id of a message is 0").await;
    check(&[framed(&good), framed(&good)].concat(), "a stream has one whole message").await;
    check(&framed(&good)[..20], "a stream has one whole message").await;
    check(&[], "a stream without a message").await;
    let mut staying = query_with(true, &[0, 11, 0, 0]);
    staying[..2].fill(0);
    check(&framed(&staying), "edns-tcp-keepalive is for TCP").await;
    let mut response = good.clone();
    response[2] |= 0x80;
    check(&framed(&response), "this is no question").await;
    let doq = node.doq().await;
    let (mut long, _) = doq.0.open_bi().await.unwrap();
    let written = timeout(PATIENCE, long.write_all(&vec![0; 70_000])).await.expect("an end");
    assert!(written.is_err(), "nobody reads so much");
    assert_eq!(doq.ask(&good).await[7], 1, "one stream is no reason to leave");
    assert!(timeout(Duration::from_millis(100), doq.0.open_uni()).await.is_err());
    node.serving.shutdown().await;
}

#[tokio::test]
async fn another_protocol_is_refused_in_the_handshake() {
    let node = start();
    let refused = async |address, alpn: &[u8]| {
        let error = node.meet(address, &[alpn]).await.unwrap_err();
        let tls = error.get_ref().and_then(|error| error.downcast_ref::<Error>());
        let expect = Error::AlertReceived(AlertDescription::NoApplicationProtocol);
        assert_eq!(tls, Some(&expect), "{error}");
    };
    refused(node.places.dot[0], b"h2").await;
    refused(node.places.doh[0], b"dot").await;
    refused(node.places.doh[0], b"http/1.1").await;
    // RFC 7858 does not ask for the name; HTTP/2 does.
    let mut silent = Dot(node.meet(node.places.dot[0], &[]).await.unwrap());
    assert_eq!(silent.ask(&support::query("www.ct.", 1, None)).await[7], 1);
    let mut silent = node.meet(node.places.doh[0], &[]).await.unwrap();
    assert!(matches!(silent.read(&mut [0; 9]).await, Ok(0) | Err(_)));
    node.serving.shutdown().await;
}

#[tokio::test]
async fn garbage_closes_its_own_connection_and_no_other() {
    let node = start();
    let mut honest = node.dot().await;
    for address in [node.places.dot[0], node.places.doh[0]] {
        for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 600], &[22, 3, 1, 255, 255, 1, 2]] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(garbage).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut rest = Vec::new();
            let read = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
            let _ = read.expect("it ends");
        }
    }
    let mut unframed = node.meet(node.places.doh[0], &[b"h2"]).await.unwrap();
    unframed.write_all(&[0xff; 100]).await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, unframed.read_to_end(&mut rest)).await.expect("it ends");
    let udp = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for garbage in [&[0xff; 1200][..], &[0; 20], &[0xc0, 0, 0, 0, 1, 8]] {
        udp.send_to(garbage, node.places.doq[0]).await.unwrap();
    }
    let query = support::query("www.ct.", 1, None);
    assert_eq!(honest.ask(&query).await[7], 1);
    assert_eq!(node.doh().await.post(&query).await.2[7], 1);
    assert_eq!(node.doq().await.ask(&query).await[7], 1);
    node.serving.shutdown().await;
}

#[tokio::test]
async fn who_never_ends_a_handshake_makes_room_for_who_does() {
    let node = start();
    let mut silent = Vec::new();
    for _ in 0..DNS_TLS_HANDSHAKES_MAX {
        silent.push(TcpStream::connect(node.places.dot[0]).await.unwrap());
    }
    let query = support::query("www.ct.", 1, None);
    for _ in 0..3 {
        assert_eq!(node.dot().await.ask(&query).await[7], 1);
        assert_eq!(node.doh().await.get(&query).await.2[7], 1);
    }
    let left = timeout(PATIENCE, silent[0].read(&mut [0; 9])).await.expect("the oldest left");
    assert!(matches!(left, Ok(0) | Err(_)), "{left:?}");
    node.serving.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_is_let_go_during_the_handshake_and_after_it() {
    let node = start();
    for address in [node.places.dot[0], node.places.doh[0]] {
        let mut silent = TcpStream::connect(address).await.unwrap();
        assert!(matches!(silent.read(&mut [0; 9]).await, Ok(0) | Err(_)));
    }
    let mut dot = node.dot().await;
    assert!(matches!(dot.0.read(&mut [0; 9]).await, Ok(0) | Err(_)));
    let mut raw = node.meet(node.places.doh[0], &[b"h2"]).await.unwrap();
    let mut rest = Vec::new();
    let _ = raw.read_to_end(&mut rest).await;
    node.serving.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_let_go() {
    let node = start();
    let mut dot = node.dot().await;
    let asked = framed(&support::query("many.ct.", 1, None));
    let written = async { while dot.0.write_all(&asked).await.is_ok() {} };
    timeout(Duration::from_secs(3600), written).await.expect("it was let go");
    node.serving.shutdown().await;
}

#[tokio::test]
async fn another_certificate_takes_its_place_while_connections_go_on() {
    let mut node = start();
    let mut old = node.dot().await;
    let (certificate, key) = certificate();
    assert!(node.tls.replace(std::slice::from_ref(&certificate), &key).unwrap());
    let (_, foreign) = self::certificate();
    assert!(node.tls.replace(std::slice::from_ref(&certificate), &foreign).is_err());
    let query = support::query("www.ct.", 1, None);
    assert_eq!(old.ask(&query).await[7], 1);
    assert!(node.meet(node.places.dot[0], &[b"dot"]).await.is_err(), "the old one is not shown");
    node.certificate = certificate;
    assert_eq!(node.dot().await.ask(&query).await[7], 1);
    assert_eq!(node.doh().await.post(&query).await.2[7], 1);
    assert_eq!(node.doq().await.ask(&query).await[7], 1);
    node.serving.shutdown().await;
}

#[tokio::test]
async fn what_is_in_flight_when_the_program_ends_is_answered() {
    let node = start();
    let (mut dot, doh, doq) = (node.dot().await, node.doh().await, node.doq().await);
    let outside = support::query("x.example.", 1, None);
    dot.send(&outside).await;
    let asking = async { tokio::join!(doh.post(&outside), doq.ask(&outside), dot.receive()) };
    let mut asking = Box::pin(asking);
    let page = support::query("www.ct.", 1, None);
    // Answered behind them, so that they are in flight.
    tokio::select! {
        _ = &mut asking => panic!("nobody was told to answer"),
        () = async {
            doh.post(&page).await;
            doq.ask(&page).await;
        } => {}
    }
    let stopped = tokio::spawn(node.serving.shutdown());
    let ((_, _, by_https), by_quic, by_tls) = (&mut asking).await;
    drop(asking);
    for answer in [by_https, by_quic, by_tls.unwrap()] {
        assert_eq!(render(&answer)[0], "SERVFAIL rd ra");
    }
    stopped.await.unwrap();
    assert_eq!(dot.receive().await, None);
    let quinn::ConnectionError::ApplicationClosed(close) = doq.0.closed().await else { panic!() };
    assert_eq!(close.error_code.into_inner(), 0);
}

#[tokio::test]
async fn a_hundred_posts_at_a_time_are_all_answered() {
    let node = start();
    let doh = Arc::new(node.doh().await);
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..100 {
        let doh = doh.clone();
        let name = if n % 2 == 0 { "www.ct." } else { "many.ct." };
        let query = support::query(name, 1, None);
        asking.spawn(async move { (name, doh.post(&query).await) });
    }
    while let Some(done) = asking.join_next().await {
        let (name, (status, _, body)) = done.unwrap();
        let records = if name == "www.ct." { 1 } else { 3000 };
        assert_eq!((status, render(&body).len()), (StatusCode::OK, 1 + records));
    }
    node.serving.shutdown().await;
}
