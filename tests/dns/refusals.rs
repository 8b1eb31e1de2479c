//! Whoever does not get what it asks for hears why (RFC 8914): every path that ends in another
//! response code than NOERROR, but a page's own "there is no such name".

use std::sync::Arc;

use arc_swap::ArcSwap;
use djdns::dns::{
    Access, Answer, Client, Cookies, Forward, Outside, Rcode, Reply, Seeking, Service, Transport,
    View, Wanted,
    forward::{Ambient, Rules},
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use super::{
    doors::{cookie, option, queries, query},
    replay, support,
};

const PAGES: &str = "
page .
  ct 300 PAGE ct.
  gone 300 PAGE gone.
  broken 300 PAGE broken.
  com 300 PAGE com.
page ct.
  www 300 A 192.0.2.1
  around 60 CNAME back.ct.
  back 60 CNAME around.ct.
  d 300 DNAME a-long-label-of-some-forty-letters-and-more.of-another-long-label-for-a-name.which-makes-names-too-long.ct.
page com.
  www 300 A 192.0.2.2
anchor .
damaged broken.
ask ct. A
";

/// Cannot help.
struct Fails(Rcode);

impl Outside for Fails {
    fn resolve(&self, _: Wanted) -> Seeking<'_> {
        Box::pin(async { Answer::failed(self.0, 22, "nobody answers") })
    }
}

fn service(outside: Option<Arc<dyn Outside>>) -> Service {
    let views = Arc::new(ArcSwap::from_pointee(replay::read(PAGES).view));
    Service::new(views, outside).with_cookies(Cookies::new([7; 16], || 1_700_000_000))
}

async fn ask(service: &Service, message: &[u8], client: Client) -> Vec<u8> {
    match service.reply(message, client) {
        Reply::Now(answer) => answer,
        Reply::Later => service.outside(message, client).await,
        Reply::Silence => panic!("it deserves an answer: {message:02x?}"),
    }
}

/// The response code, and the codes of all extended errors.
fn outcome(answer: &[u8]) -> String {
    let lines = replay::render(answer);
    let codes = lines.iter().filter_map(|line| line.strip_prefix("ede ")?.split(' ').next());
    let rcode = lines[0].split(' ').next().unwrap();
    std::iter::once(rcode).chain(codes).collect::<Vec<_>>().join(" ")
}

fn client(address: &str, transport: Transport) -> Client {
    Client { address: address.parse().unwrap(), transport }
}

#[tokio::test]
async fn every_refusal_says_why() {
    let alone = service(None);
    let empty = Service::new(Arc::default(), None);
    let failing = service(Some(Arc::new(Fails(Rcode::SERVFAIL))));
    let denying = service(Some(Arc::new(Fails(Rcode::NXDOMAIN))));
    let ambient = Ambient { now: || 0, random: || [0; 5] };
    let nobody = service(Some(Arc::new(Forward::new(Rules::default(), ambient))));
    let name = |name: &str, qtype: u16| support::query(name, qtype, Some(1232));
    let changed = |at: usize, value: u8| {
        let mut query = name("www.ct.", 1);
        query[at] = value;
        query
    };
    let after_question = 12 + 8 + 4;
    let long = format!("{0}.{0}.{0}.d.ct.", "a".repeat(60));
    let rows: Vec<(&Service, Vec<u8>, &str)> = vec![
        // what is no question
        (&alone, changed(2, 0x29), "NOTIMP 21"),
        (&alone, changed(after_question + 6, 1), "BADVERS 21"),
        (&alone, query(false, &[]), "FORMERR 0"),
        (&alone, query(true, &cookie(&[1; 7])), "FORMERR 0"),
        (&alone, query(true, &[0, 3, 0, 9]), "FORMERR 0"),
        (&alone, query(false, &cookie(&[1; 24])), "BADCOOKIE 0"),
        // what is not answered
        (&alone, changed(after_question - 1, 3), "REFUSED 20"),
        (&alone, name("ct.", 252), "REFUSED 21"),
        (&alone, name("ct.", 251), "REFUSED 21"),
        (&alone, name("ct.", 128), "FORMERR 30"),
        (&alone, name("ct.", 249), "NOTIMP 30"),
        // what the pages cannot say
        (&alone, name("www.gone.", 1), "SERVFAIL 14"),
        (&alone, name("www.broken.", 1), "SERVFAIL 0"),
        (&alone, name(&long, 1), "YXDOMAIN 0"),
        (&alone, name("around.ct.", 1), "NOERROR 0"),
        // what nobody is asked about
        (&alone, name("www.example.org.", 1), "REFUSED 20"),
        (&alone, name("www.com.", 1), "REFUSED 20"),
        (&alone, name("no.such.djdns.alt.", 1), "NXDOMAIN"),
        (&empty, name("no.such.djdns.alt.", 1), "NXDOMAIN 29"),
        (&alone, name("x.onion.", 1), "NXDOMAIN 29"),
        (&alone, name("x.test.", 1), "NXDOMAIN 29"),
        (&alone, name("1.0.0.10.in-addr.arpa.", 12), "NXDOMAIN 29"),
        (&alone, name("use-application-dns.net.", 1), "NXDOMAIN 29"),
        // what others do not say
        (&failing, name("www.example.org.", 1), "SERVFAIL 22"),
        (&failing, name("www.com.", 1), "SERVFAIL 22 20"),
        (&denying, name("www.com.", 1), "NXDOMAIN 22 20"),
    ];
    for (service, message, expect) in rows {
        for transport in [Transport::Udp, Transport::Stream] {
            let answer = ask(service, &message, client("127.0.0.1", transport)).await;
            let shown = replay::render(&answer);
            assert_eq!(outcome(&answer), expect, "{message:02x?} {shown:?}");
        }
    }
    let by_tcp = client("127.0.0.1", Transport::Stream);
    // Nobody is there to be asked; and that is remembered for a while (RFC 9520).
    for (asked, expect) in [
        ("www.example.org.", "SERVFAIL 22"),
        ("www.example.org.", "SERVFAIL 13"),
        ("www.com.", "SERVFAIL 22 20"),
        ("www.com.", "SERVFAIL 13 20"),
    ] {
        assert_eq!(outcome(&ask(&nobody, &name(asked, 1), by_tcp).await), expect, "{asked}");
    }
    let keepalive = query(true, &[0, 11, 0, 2, 0, 9]);
    assert_eq!(outcome(&ask(&alone, &keepalive, by_tcp).await), "FORMERR 0");
    let busy = failing.overloaded(&name("www.example.org.", 1), by_tcp);
    assert_eq!(outcome(&busy), "SERVFAIL 0");
    let strangers = alone.with_access(Arc::new(ArcSwap::from_pointee(Access::default())));
    let stranger = client("192.0.2.1", Transport::Udp);
    assert_eq!(outcome(&ask(&strangers, &name("www.ct.", 1), stranger).await), "REFUSED 18");
}

/// Whatever is asked, with EDNS: no answer but a page's own leaves open why it does not help.
#[tokio::test]
async fn no_query_is_refused_without_a_word() {
    let files = [crate::ANSWERS, crate::CUTS, crate::SPECIAL, crate::COLLISIONS];
    let views: Vec<Arc<View>> =
        files.iter().map(|text| Arc::new(replay::read(text).view)).collect();
    let service = service(Some(Arc::new(Fails(Rcode::SERVFAIL))));
    let (mut runner, strategy) = (TestRunner::deterministic(), queries());
    let mut refused = 0;
    for _ in 0..3000 {
        let (file, message) = strategy.new_tree(&mut runner).unwrap().current();
        service.views().store(views[file].clone());
        let answer = ask(&service, &message, client("127.0.0.1", Transport::Stream)).await;
        let lines = replay::render(&answer);
        let of_a_page = lines[0].starts_with("NXDOMAIN aa");
        if lines[0].starts_with("NOERROR") || of_a_page {
            continue;
        }
        refused += 1;
        assert!(option(&answer, 15).is_some(), "{message:02x?}: {lines:?}");
    }
    assert!(refused > 200, "{refused}: too few to show anything");
}
