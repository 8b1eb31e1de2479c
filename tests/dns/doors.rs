//! What the doors say by themselves: to whom who may not ask, to cookies and to keepalive; and that
//! both ways to an answer, our own and hickory's, say the same.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use djdns::{
    dns::{
        Access, Answer, Client, Cookies, Face, Listeners, Outside, Rcode, Reply, Seeking, Service,
        Source, Transport, View, Wanted, Witness, answer::Part,
    },
    page::record::RecordType,
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use tokio::net::{TcpStream, UdpSocket};

use super::{
    replay,
    sockets::{over_tcp, over_udp, udp_client},
    support,
};

/// Says that there is no such name, without a record.
struct Nothing;

impl Outside for Nothing {
    fn resolve(&self, _: Wanted) -> Seeking<'_> {
        Box::pin(async { Answer { rcode: Rcode::NXDOMAIN, ..Answer::default() } })
    }
}

/// One page, somebody to ask for the rest, and cookies.
fn service(view: View) -> Service {
    let views = Arc::new(ArcSwap::from_pointee(view));
    Service::new(views, Some(Arc::new(Nothing)))
        .with_cookies(Cookies::new([7; 16], || 1_700_000_000))
}

fn page() -> View {
    let view = View::new().with_anchor(&support::name("ct."), support::page_id("ct."));
    support::with_page(&view, "ct.", "www 300 A 192.0.2.1\n")
}

/// A query for `www.ct. A`, or one without a question, with these EDNS options.
pub fn query(question: bool, options: &[u8]) -> Vec<u8> {
    let mut bytes = match question {
        true => support::query("www.ct.", 1, None),
        false => vec![0x12, 0x34, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    };
    bytes[11] = 1;
    bytes.extend([&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, options.len() as u8], options].concat());
    bytes
}

pub fn cookie(data: &[u8]) -> Vec<u8> {
    [&[0, 10, 0, data.len() as u8], data].concat()
}

/// The data of the first option with this code.
pub fn option(response: &[u8], code: u16) -> Option<Vec<u8>> {
    use hickory_proto::rr::rdata::opt::EdnsOption;
    let message = hickory_proto::op::Message::from_vec(response).unwrap();
    let edns = message.edns?;
    edns.options().as_ref().iter().find_map(|(_, option)| match option {
        EdnsOption::Unknown(found, data) if *found == code => Some(data.clone()),
        _ => None,
    })
}

#[tokio::test]
async fn who_is_not_on_the_list_is_refused_with_the_reason_and_learns_nothing() {
    let access = Access::new(vec!["192.0.2.0/24".parse().unwrap()]);
    let access = Arc::new(ArcSwap::from_pointee(access));
    let service = service(page()).with_access(access.clone());
    let refused = ["REFUSED rd edns", "ede 18 this address may not ask here"];
    let asked = |address: &str, name: &str, transport: Transport| {
        let client = Client { address: address.parse().unwrap(), transport };
        match service.reply(&support::query(name, 1, Some(1232)), client) {
            Reply::Now(answer) => replay::render(&answer),
            other => vec![format!("{other:?}")],
        }
    };
    for transport in [Transport::Udp, Transport::Stream] {
        for stranger in ["198.51.100.1", "2001:db8::1", "::ffff:198.51.100.1"] {
            for name in ["www.ct.", "localhost.", "www.example.org."] {
                assert_eq!(asked(stranger, name, transport), refused, "{stranger} {name}");
            }
        }
        for friend in ["192.0.2.9", "127.0.0.1", "::1", "::ffff:192.0.2.9"] {
            assert_eq!(asked(friend, "www.ct.", transport)[0], "NOERROR aa rd ra edns");
            assert_eq!(asked(friend, "www.example.org.", transport), ["Later"]);
        }
    }
    access.store(Arc::default());
    assert_eq!(asked("192.0.2.9", "www.ct.", Transport::Udp), refused, "the newest list rules");
}

/// Knows one answer to everything; how many were given again.
#[derive(Default)]
struct Known(AtomicU64);

impl Outside for Known {
    fn at_once(&self, _wanted: &Wanted) -> Option<Answer<'static>> {
        let part = Part::made(None, RecordType::A, 60, &[192, 0, 2, 9]);
        Some(Answer { answer: vec![part], source: Source::Cache, ..Answer::default() })
    }

    fn note_given(&self, count: u64) {
        self.0.fetch_add(count, Ordering::SeqCst);
    }

    fn resolve(&self, wanted: Wanted) -> Seeking<'_> {
        let answer = self.at_once(&wanted).unwrap_or_default();
        Box::pin(async { answer })
    }
}

#[tokio::test]
async fn an_answer_that_is_given_again_has_the_cookie_of_who_asks() {
    let known = Arc::new(Known::default());
    let views = Arc::new(ArcSwap::from_pointee(View::new()));
    let service = Service::new(views, Some(known.clone()))
        .with_cookies(Cookies::new([7; 16], || 1_700_000_000))
        .with_witness(Witness::new(|| 1));
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = listeners.addresses()[0];
    let serving = listeners.serve(&service).unwrap();
    let client = Client { address: address.ip(), transport: Transport::Udp };
    let mut asked = 0;
    // Each kind of question is first asked with a cookie, or first without.
    for first in [&[][..], &cookie(&[5; 8])] {
        let udp = udp_client(address).await;
        for options in [first, &cookie(&[1; 8]), &[], &cookie(&[2; 8]), &cookie(&[3; 24])] {
            for round in 0..10 {
                let mut query = query(true, options);
                query[1] = round;
                // Names of their own for each of the two.
                query[13] = if first.is_empty() { b'a' } else { b'b' };
                let answer = over_udp(&udp, &query).await;
                assert_eq!(Reply::Now(answer), service.reply(&query, client), "{options:?}");
                asked += 1;
            }
        }
    }
    assert_eq!(known.0.load(Ordering::SeqCst), asked - 2);
    serving.shutdown().await;
}

#[tokio::test]
async fn a_cookie_is_given_to_who_has_one_and_nobody_is_refused_for_want_of_it() {
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = listeners.addresses()[0];
    let serving = listeners.serve(&service(page())).unwrap();
    let udp = udp_client(address).await;
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let first = over_udp(&udp, &query(true, &cookie(&[1; 8]))).await;
    let good = option(&first, 10).unwrap();
    assert_eq!((good.len(), &good[..9]), (24, &[1, 1, 1, 1, 1, 1, 1, 1, 1][..]));
    let foreign = [&[1; 8][..], &[9; 32]].concat();
    let mut changed = good.clone();
    changed[23] ^= 1;
    let mut of_another_client = good.clone();
    of_another_client[0] ^= 1;
    // With a question: answered, and told the good cookie, whatever was sent. Without: judged.
    for (sent, without_question) in [
        (&[1; 8][..], "NOERROR rd ra edns"),
        (&good, "NOERROR rd ra edns"),
        (&foreign, "BADCOOKIE rd ra edns"),
        (&changed, "BADCOOKIE rd ra edns"),
        (&of_another_client, "BADCOOKIE rd ra edns"),
    ] {
        for (question, expect) in [(true, "NOERROR aa rd ra edns"), (false, without_question)] {
            let query = query(question, &cookie(sent));
            for answer in [over_udp(&udp, &query).await, over_tcp(&mut tcp, &query).await] {
                assert_eq!(replay::render(&answer)[0], expect, "{sent:?}");
                let given = option(&answer, 10).unwrap();
                assert_eq!(given[..8], sent[..8]);
                assert_eq!(given == good, sent[0] == 1, "{sent:?}");
            }
        }
    }
    let without = over_udp(&udp, &query(true, &[])).await;
    assert_eq!((option(&without, 10), without[7]), (None, 1));
    let nothing = over_udp(&udp, &query(false, &[])).await;
    assert_eq!(replay::render(&nothing)[0], "FORMERR rd ra edns", "no question and no cookie");
    serving.shutdown().await;
}

#[tokio::test]
async fn keepalive_has_a_meaning_over_tcp_only() {
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = listeners.addresses()[0];
    let serving = listeners.serve(&service(page())).unwrap();
    let udp = udp_client(address).await;
    let mut tcp = TcpStream::connect(address).await.unwrap();
    for (sent, by_tcp) in [
        (&[0, 11, 0, 0][..], "NOERROR aa rd ra edns"),
        (&[0, 11, 0, 2, 0, 255], "FORMERR rd ra edns"),
    ] {
        let query = query(true, sent);
        let answer = over_udp(&udp, &query).await;
        assert_eq!(replay::render(&answer)[0], "NOERROR aa rd ra edns");
        assert_eq!(option(&answer, 11), None);
        assert_eq!(replay::render(&over_tcp(&mut tcp, &query).await)[0], by_tcp);
    }
    serving.shutdown().await;
}

/// A query of the replay files, with other flags, sizes and options.
pub fn queries() -> impl Strategy<Value = (usize, Vec<u8>)> {
    let files = [crate::ANSWERS, crate::CUTS, crate::SPECIAL, crate::COLLISIONS];
    let asks = files.map(|text| replay::read(text).asks);
    let asks: Vec<(usize, Vec<u8>)> = asks
        .into_iter()
        .enumerate()
        .flat_map(|(file, asks)| asks.into_iter().map(move |ask| (file, ask.bytes)))
        .collect();
    let options = prop::collection::vec(
        prop::sample::select(vec![
            cookie(&[1; 8]),
            cookie(&[2; 24]),
            cookie(&[3; 40]),
            vec![0, 11, 0, 0],
            vec![0, 11, 0, 2, 0, 9],
            vec![0, 3, 0, 0],
        ]),
        0..3,
    );
    let flags = (any::<u8>(), any::<u8>());
    (prop::sample::select(asks), flags, any::<u16>(), any::<bool>(), options).prop_map(
        |((file, mut bytes), (high, low), size, dnssec_ok, options)| {
            bytes[2] = bytes[2] & 0xf8 | high & 7;
            bytes[3] = low & 0xf0;
            if bytes[11] == 0 {
                bytes[11] = 1;
                let options = options.concat();
                let flags = [0, 0, u8::from(dnssec_ok) << 7, 0];
                let size = size.to_be_bytes();
                let head = [&[0, 0, 41][..], &size, &flags, &[0, options.len() as u8]];
                bytes.extend([&head.concat()[..], &options].concat());
            }
            (file, bytes)
        },
    )
}

/// The options that only a door adds.
fn by_the_door(answer: &[u8]) -> [Option<Vec<u8>>; 2] {
    [option(answer, 10), option(answer, 11)]
}

#[test]
fn hickorys_face_says_what_the_service_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let service = service(View::new());
        let views = service.views().clone();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let udp = udp_client(socket.local_addr().unwrap()).await;
        let mut server = hickory_server::Server::new(Face::new(service.clone()));
        server.register_socket(socket);
        let files = [crate::ANSWERS, crate::CUTS, crate::SPECIAL, crate::COLLISIONS];
        let pages = files.map(|text| Arc::new(replay::read(text).view));
        let address: IpAddr = "127.0.0.1".parse().unwrap();
        let client = Client { address, transport: Transport::Udp };
        let mut runner = TestRunner::deterministic();
        let strategy = queries();
        for _ in 0..2000 {
            let (file, query) = strategy.new_tree(&mut runner).unwrap().current();
            views.store(pages[file].clone());
            let own = match service.reply(&query, client) {
                Reply::Now(answer) => answer,
                Reply::Later => service.outside(&query, client).await,
                Reply::Silence => panic!("a query: {query:02x?}"),
            };
            let face = over_udp(&udp, &query).await;
            assert_eq!(by_the_door(&face), by_the_door(&own), "{query:02x?}");
            let (own, face) = (replay::render(&own), replay::render(&face));
            // hickory writes names longer, so that less fits.
            if !face[0].contains(" tc") {
                assert_eq!(face, own, "{query:02x?}");
            }
        }
    });
}
