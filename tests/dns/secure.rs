//! Stories of upstreams by TLS and HTTPS: the one that was meant answers, on one connection, and
//! nobody else is believed or asked instead.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use djdns::dns::{
    Upstreams, View,
    forward::{Roots, Rules},
};
use hickory_proto::op::ResponseCode;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
    server::TlsStream,
};

use super::forward::{Resolver, address, both_sockets, found, nothing, question, resolver_by};

/// Who signs certificates in these stories.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn roots(&self) -> Roots {
        Roots::of([self.0.der().clone()])
    }

    /// A server's side, with a certificate for this name that ends with this year; the last of all
    /// years means that it signed it itself.
    fn server(&self, name: &str, year: i32, alpn: &[u8]) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 12, 31);
        let certificate = match year {
            SELF_SIGNED => params.self_signed(&key).unwrap(),
            _ => params.signed_by(&key, &self.0).unwrap(),
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![alpn.to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

const SELF_SIGNED: i32 = 4095;

/// What a server does with a question.
#[derive(Clone, Copy)]
enum Act {
    /// Answers 192.0.2.n.
    Answer(u8),
    /// The same, so many milliseconds later.
    Late(u8, u64),
    /// Answers and then closes.
    Last(u8),
    /// Closes in the middle of the answer.
    Half,
    Close,
    Silence,
    /// Something else than an answer.
    Garbage,
    /// An answer to another question.
    Lie,
    /// Of HTTP alone.
    Status(u16),
    ContentType(&'static str),
    Long,
}

/// What to do with which question on which connection, both counted from 0.
type Script = Arc<dyn Fn(usize, usize) -> Act + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Scheme {
    Tls,
    Https,
}

const SCHEMES: [Scheme; 2] = [Scheme::Tls, Scheme::Https];

struct Server {
    /// As it is written in a configuration.
    written: String,
    connections: Arc<AtomicUsize>,
    /// Connections that ended.
    ended: Arc<AtomicUsize>,
    heard: Arc<Heard>,
    /// Datagrams to the same port.
    plain: Arc<AtomicUsize>,
}

/// What was asked: the message, and of HTTP the names of the headers and the method.
type Heard = Mutex<Vec<(Vec<u8>, Vec<String>)>>;

type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A TCP listener whose connections are served so, and a UDP socket at the same port that counts.
async fn listen(
    scheme: Scheme,
    serve: impl Fn(TcpStream, usize, Arc<Heard>) -> Serving + Send + 'static,
) -> Server {
    let (tcp, udp, address) = both_sockets().await;
    let written = match scheme {
        Scheme::Tls => format!("tls://{address}#dns.example"),
        Scheme::Https => format!("https://dns.example:{}/dns-query#127.0.0.1", address.port()),
    };
    let server = Server {
        written,
        connections: Arc::default(),
        ended: Arc::default(),
        heard: Arc::default(),
        plain: Arc::default(),
    };
    let plain = server.plain.clone();
    tokio::spawn(async move {
        while udp.recv(&mut [0; 512]).await.is_ok() {
            plain.fetch_add(1, Ordering::SeqCst);
        }
    });
    let (connections, ended) = (server.connections.clone(), server.ended.clone());
    let heard = server.heard.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = tcp.accept().await {
            let n = connections.fetch_add(1, Ordering::SeqCst);
            let (serving, ended) = (serve(stream, n, heard.clone()), ended.clone());
            tokio::spawn(async move {
                serving.await;
                ended.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    server
}

async fn server(scheme: Scheme, tls: TlsAcceptor, script: Script) -> Server {
    listen(scheme, move |stream, n, heard| {
        let (tls, script) = (tls.clone(), script.clone());
        Box::pin(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            match scheme {
                Scheme::Tls => serve_tls(stream, n, &script, &heard).await,
                Scheme::Https => serve_https(stream, n, &script, &heard).await,
            }
        })
    })
    .await
}

fn answer(query: &[u8], last: u8) -> Vec<u8> {
    address(query, last, 60, |_| {})
}

async fn serve_tls(stream: TlsStream<TcpStream>, n: usize, script: &Script, heard: &Heard) {
    let (mut reader, writer) = tokio::io::split(stream);
    let writer = Arc::new(tokio::sync::Mutex::new(writer));
    for count in 0.. {
        let Ok(len) = reader.read_u16().await else { return };
        let mut query = vec![0; usize::from(len)];
        reader.read_exact(&mut query).await.unwrap();
        heard.lock().unwrap().push((query.clone(), vec![]));
        let framed = |answer: Vec<u8>| [&(answer.len() as u16).to_be_bytes()[..], &answer].concat();
        let writer = writer.clone();
        let act = script(n, count);
        let (bytes, wait) = match act {
            Act::Late(last, wait) => (framed(answer(&query, last)), wait),
            Act::Answer(last) | Act::Last(last) => (framed(answer(&query, last)), 0),
            Act::Half => (framed(answer(&query, 66))[..20].to_vec(), 0),
            Act::Garbage => (framed(vec![0xaa; 30]).repeat(20), 0),
            Act::Lie => {
                let mut lie = answer(&query, 66);
                lie[13] ^= 3;
                (framed(lie), 0)
            }
            _ => (vec![], 0),
        };
        let sent = tokio::spawn(async move {
            sleep(Duration::from_millis(wait)).await;
            let mut writer = writer.lock().await;
            let _ = writer.write_all(&bytes).await;
            let _ = writer.flush().await;
        });
        if matches!(act, Act::Last(_) | Act::Half | Act::Close) {
            return sent.await.unwrap();
        }
    }
}

async fn serve_https(stream: TlsStream<TcpStream>, n: usize, script: &Script, heard: &Heard) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    for count in 0.. {
        let Some(Ok((request, mut respond))) = connection.accept().await else { return };
        let act = script(n, count);
        let (head, mut body) = request.into_parts();
        let names = head.headers.keys().map(ToString::to_string);
        let names: Vec<String> = names.chain([head.method.to_string()]).collect();
        assert_eq!(head.uri.path(), "/dns-query");
        let (say, said) = tokio::sync::oneshot::channel();
        let responding = tokio::spawn(async move {
            let mut query = Vec::new();
            while let Some(part) = body.data().await {
                let Ok(part) = part else { return };
                query.extend(part);
            }
            let _ = say.send((query.clone(), names));
            let (status, content_type) = match act {
                Act::Status(status) => (status, "application/dns-message"),
                Act::ContentType(content_type) => (200, content_type),
                _ => (200, "application/dns-message"),
            };
            let bytes = match act {
                Act::Answer(last) | Act::Last(last) | Act::Late(last, _) => answer(&query, last),
                Act::Half => answer(&query, 66)[..20].to_vec(),
                Act::Garbage => vec![0xaa; 30],
                Act::Long => vec![0; 70_000],
                Act::Lie => {
                    let mut lie = answer(&query, 66);
                    lie[13] ^= 3;
                    lie
                }
                Act::Silence => return sleep(Duration::from_secs(10)).await,
                _ => answer(&query, 66),
            };
            if let Act::Late(_, wait) = act {
                sleep(Duration::from_millis(wait)).await;
            }
            let response = http::Response::builder().status(status);
            let response = response.header("content-type", content_type).body(()).unwrap();
            let mut body = respond.send_response(response, false).unwrap();
            let _ = body.send_data(Bytes::from(bytes), !matches!(act, Act::Half));
        });
        if matches!(act, Act::Close) {
            return;
        }
        let keep = heard;
        let ends = matches!(act, Act::Half | Act::Last(_));
        // The connection moves only while it is asked for more.
        let more = async {
            if let Ok(said) = said.await {
                keep.lock().unwrap().push(said);
            }
        };
        tokio::pin!(more);
        tokio::select! {
            () = &mut more => {}
            _ = std::future::poll_fn(|context| connection.poll_closed(context)) => {}
        }
        if ends {
            let _ = timeout(Duration::from_millis(100), connection.accept()).await;
            return responding.abort();
        }
    }
}

fn resolver(servers: &[&Server], roots: Roots) -> Resolver {
    resolver_by(rules(servers, roots), View::new())
}

fn rules(servers: &[&Server], roots: Roots) -> Rules {
    let servers = servers.iter().map(|server| server.written.parse().unwrap()).collect();
    Rules { upstreams: Upstreams::new(servers, Vec::new()), roots, ..Rules::default() }
}

fn alpn(scheme: Scheme) -> &'static [u8] {
    if scheme == Scheme::Tls { b"dot" } else { b"h2" }
}

/// A good certificate, and a server that does as `script` says.
async fn good(
    scheme: Scheme,
    script: impl Fn(usize, usize) -> Act + Send + Sync + 'static,
) -> (Server, Resolver) {
    let authority = Authority::new();
    let tls = authority.server("dns.example", 2090, alpn(scheme));
    let server = server(scheme, tls, Arc::new(script)).await;
    let resolver = resolver(&[&server], authority.roots());
    (server, resolver)
}

#[tokio::test]
async fn many_questions_share_one_connection_and_are_answered_in_any_order() {
    for scheme in SCHEMES {
        // The first comes last.
        let script = |_, n: usize| Act::Late(n as u8, 200u64.saturating_sub(10 * n as u64));
        let (server, resolver) = good(scheme, script).await;
        let resolver = Arc::new(resolver);
        let mut asking = JoinSet::new();
        for n in 0..20 {
            let resolver = resolver.clone();
            asking.spawn(async move { (n, resolver.ask(&format!("n{n}.example")).await) });
        }
        let mut answers = Vec::new();
        while let Some(done) = asking.join_next().await {
            let (n, (code, rows)) = done.unwrap();
            assert_eq!((code, rows.len()), (ResponseCode::NoError, 1), "{scheme:?} {n}");
            answers.push((n, rows[0].rsplit('.').next().unwrap().parse::<usize>().unwrap()));
        }
        let heard = server.heard.lock().unwrap();
        for (n, last) in answers {
            let name = format!("n{n}");
            let asked = question(&heard[last].0);
            assert_eq!(&asked[1..=usize::from(asked[0])], name.as_bytes(), "{scheme:?}");
        }
        assert_eq!(server.connections.load(Ordering::SeqCst), 1, "{scheme:?}");
        assert_eq!(server.plain.load(Ordering::SeqCst), 0, "{scheme:?}");
        let ids: std::collections::HashSet<_> = heard.iter().map(|one| &one.0[..2]).collect();
        for (query, headers) in heard.iter() {
            assert_eq!(query.len() % 128, 0, "{scheme:?}");
            if scheme == Scheme::Https {
                assert_eq!(headers[..], ["accept", "content-type", "content-length", "POST"]);
                assert_eq!(query[..2], [0, 0]);
            }
        }
        // A busy machine may ask twice.
        assert!(if scheme == Scheme::Tls { ids.len() >= 20 } else { ids.len() == 1 }, "{ids:?}");
    }
}

/// Asks once, and gives what the resolver says of its upstream then.
async fn failure(server: &Server, resolver: &Resolver, what: &str) -> String {
    assert_eq!(resolver.ask("www.example").await, nothing(), "{what}");
    assert_eq!(server.plain.load(Ordering::SeqCst), 0, "{what}: asked plainly");
    resolver.forward.upstreams()[0].last_error.clone().unwrap_or_default()
}

#[tokio::test]
async fn a_certificate_that_is_not_right_is_refused_in_words_and_nobody_else_is_asked() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    for scheme in SCHEMES {
        let check = async |what: &str, authority: &Authority, name: &str, year, expect: &str| {
            let tls = authority.server(name, year, alpn(scheme));
            let server = server(scheme, tls, Arc::new(|_, _| Act::Answer(66))).await;
            let said = failure(&server, &resolver(&[&server], ours.roots()), what).await;
            assert!(said.contains(expect), "{what}: {said}");
            assert!(server.heard.lock().unwrap().is_empty(), "{what}");
        };
        let wrong = "its certificate is for other.example, not dns.example";
        check("another name", &ours, "other.example", 2090, wrong).await;
        check("expired", &ours, "dns.example", 2020, "its certificate expired").await;
        let nobody = "signed by nobody whom this machine trusts";
        check("another authority", &theirs, "dns.example", 2090, nobody).await;
        check("its own word", &ours, "dns.example", SELF_SIGNED, nobody).await;
        let tls = ours.server("dns.example", 2090, b"smtp");
        let server = server(scheme, tls, Arc::new(|_, _| Act::Answer(66))).await;
        let said = failure(&server, &resolver(&[&server], ours.roots()), "protocol").await;
        assert!(said.contains("another protocol than DNS"), "{said}");
        let said = failure(&server, &resolver(&[&server], Roots::default()), "no roots").await;
        assert!(said.contains("SSL_CERT_FILE"), "{said}");
    }
}

#[tokio::test]
async fn who_speaks_no_tls_is_named_so_and_not_asked_plainly() {
    for scheme in SCHEMES {
        let roots = Authority::new().roots();
        let server = listen(scheme, |mut stream, _, _| {
            Box::pin(async move {
                let _ = stream.write_all(b"220 mail.example ESMTP\r\n").await;
                let _ = stream.read(&mut [0; 512]).await;
            })
        })
        .await;
        let said = failure(&server, &resolver(&[&server], roots.clone()), "plain text").await;
        assert!(said.contains("it does not speak TLS"), "{said}");
        let server = listen(scheme, |_, _, _| Box::pin(async {})).await;
        let said = failure(&server, &resolver(&[&server], roots), "closed at once").await;
        assert!(said.contains("closed the connection instead of speaking TLS"), "{said}");
    }
}

#[tokio::test]
async fn a_server_that_closes_between_questions_is_met_again() {
    for scheme in SCHEMES {
        let (server, resolver) = good(scheme, |_, _| Act::Last(4)).await;
        for n in 0..4 {
            let answer = resolver.ask(&format!("n{n}.example")).await;
            assert_eq!(answer, found(&["60 192.0.2.4"]), "{scheme:?} {n}");
        }
        assert!(server.connections.load(Ordering::SeqCst) >= 4, "{scheme:?}");
        assert_eq!(resolver.forward.upstreams()[0].failures, 0, "{scheme:?}");
    }
}

#[tokio::test]
async fn a_question_that_a_dying_connection_left_is_asked_once_more() {
    for scheme in SCHEMES {
        for act in [Act::Half, Act::Close] {
            let script = move |n, _| if n == 0 { act } else { Act::Answer(7) };
            let (_server, resolver) = good(scheme, script).await;
            assert_eq!(resolver.ask("www.example").await, found(&["60 192.0.2.7"]), "{scheme:?}");
        }
        let (server, resolver) = good(scheme, |_, _| Act::Half).await;
        let said = failure(&server, &resolver, "half").await;
        assert!(said.contains("in the middle of an answer"), "{scheme:?}: {said}");
        let (server, resolver) = good(scheme, |_, _| Act::Close).await;
        let said = failure(&server, &resolver, "close").await;
        assert!(said.contains("without an answer"), "{scheme:?}: {said}");
        assert!(server.connections.load(Ordering::SeqCst) <= 4, "{scheme:?}: not for ever");
    }
}

#[tokio::test]
async fn silence_and_garbage_end_in_a_reason_within_four_seconds() {
    let check = async |scheme, act: Act, expect: &str| {
        let (server, resolver) = good(scheme, move |_, _| act).await;
        let said = failure(&server, &resolver, expect).await;
        assert!(said.contains(expect), "{scheme:?}: {said}");
    };
    for scheme in SCHEMES {
        check(scheme, Act::Silence, "did not answer in time").await;
        check(scheme, Act::Lie, "another question").await;
    }
    check(Scheme::Tls, Act::Garbage, "that nobody asked for").await;
    check(Scheme::Https, Act::Garbage, "what it sent").await;
    check(Scheme::Https, Act::Status(404), "HTTP status 404, not 200").await;
    check(Scheme::Https, Act::Status(302), "HTTP status 302, not 200").await;
    check(Scheme::Https, Act::ContentType("text/html"), "`text/html`").await;
    check(Scheme::Https, Act::Long, "longer than a DNS message").await;
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_heard_is_replaced() {
    for scheme in SCHEMES {
        let script = |n, _| if n == 0 { Act::Silence } else { Act::Answer(8) };
        let (server, resolver) = good(scheme, script).await;
        // By the second attempt, or else by the next question.
        resolver.ask("one.example").await;
        assert_eq!(resolver.ask("two.example").await, found(&["60 192.0.2.8"]), "{scheme:?}");
        assert_eq!(server.connections.load(Ordering::SeqCst), 2, "{scheme:?}");
    }
}

#[tokio::test]
async fn an_answer_that_takes_two_seconds_is_used() {
    for scheme in SCHEMES {
        let (_server, resolver) = good(scheme, |_, _| Act::Late(5, 2000)).await;
        assert_eq!(resolver.ask("www.example").await, found(&["60 192.0.2.5"]), "{scheme:?}");
    }
}

#[tokio::test]
async fn another_network_has_no_old_connections_and_is_asked_anew() {
    for scheme in SCHEMES {
        let authority = Authority::new();
        let tls = || authority.server("dns.example", 2090, alpn(scheme));
        let old = server(
            scheme,
            tls(),
            Arc::new(|_, n| if n == 0 { Act::Answer(1) } else { Act::Late(1, 400) }),
        )
        .await;
        let new = server(scheme, tls(), Arc::new(|_, _| Act::Answer(2))).await;
        let resolver = Arc::new(resolver(&[&old], authority.roots()));
        assert_eq!(resolver.ask("known.example").await, found(&["60 192.0.2.1"]));
        let asking = resolver.clone();
        let asking = tokio::spawn(async move { asking.ask("late.example").await });
        while old.heard.lock().unwrap().len() < 2 {
            sleep(Duration::from_millis(5)).await;
        }
        resolver.forward.set_rules(rules(&[&new], authority.roots()));
        // Whoever waits is answered by the new network.
        assert_eq!(asking.await.unwrap(), found(&["60 192.0.2.2"]), "{scheme:?}");
        let ended = async {
            while old.ended.load(Ordering::SeqCst) == 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(2), ended).await.expect("the connection is closed");
        for name in ["known.example", "late.example"] {
            assert_eq!(resolver.ask(name).await, found(&["60 192.0.2.2"]), "{scheme:?} {name}");
        }
    }
}
