//! A name that a page could answer, or that is nobody's business, never leaves this machine: whatever
//! there is below an anchor, a link, the fixed suffix or a special name is answered at once, though
//! somebody would resolve it elsewhere.

use std::{
    net::Ipv4Addr,
    sync::{Arc, LazyLock, Mutex},
};

use arc_swap::ArcSwap;
use djdns::dns::{
    Answer, Client, Outside, Rcode, Reply, Service, Transport, View,
    service::{Seeking, Wanted},
};
use proptest::prelude::*;

use super::{replay, support};

/// Pages in every state that a page can be in, and aliases between them and to the world.
const PAGES: &str = "
page .
  ct 300 PAGE ct.
  gone 300 PAGE gone.
  broken 300 PAGE broken.
  held 300 TXT here
  deep.held 300 TXT here
page ct.
  ff 300 PAGE ff.ct.
  out 60 CNAME www.example.org.
  around 60 CNAME out.ff.ct.
  togone 60 CNAME www.gone.
  tobroken 60 CNAME www.broken.
  tolocal 60 CNAME printer.local.
  tosuffix 60 CNAME www.example.org.djdns.alt.
  tocom 60 CNAME www.com.
  self 60 CNAME self.ct.
  d 300 DNAME example.org.
  d2 300 DNAME gone.
  ns 300 NS ns.example.org.
  *.w 60 CNAME www.example.org.
page ff.ct.
  www 300 A 192.0.2.1
  out 60 CNAME out.ct.
page org.
  www 300 A 192.0.2.2
anchor .
anchor org.
anchor away.net.
damaged broken.
ask ct. A
";

/// Writes down what it is asked, and knows nothing.
#[derive(Default)]
struct Listener(Mutex<Vec<String>>);

impl Outside for Listener {
    fn resolve(&self, wanted: Wanted) -> Seeking<'_> {
        self.0.lock().unwrap().push(wanted.name.to_name().to_string());
        Box::pin(async { Answer::failed(Rcode::SERVFAIL, 22, "") })
    }
}

static VIEW: LazyLock<View> = LazyLock::new(|| replay::read(PAGES).view);

fn service(view: View, outside: Arc<Listener>) -> Service {
    Service::new(Arc::new(ArcSwap::from_pointee(view)), Some(outside))
}

/// The names that leave this machine for this question.
fn asked_elsewhere(view: &View, name: &str, qtype: u16, edns: Option<u16>) -> Vec<String> {
    let listener = Arc::new(Listener::default());
    let service = service(view.clone(), listener.clone());
    let query = support::query(name, qtype, edns);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for transport in [Transport::Udp, Transport::Stream] {
        let client = Client { address: Ipv4Addr::LOCALHOST.into(), transport };
        if service.reply(&query, client) == Reply::Later {
            runtime.block_on(service.outside(&query, client));
        }
    }
    let mut asked = std::mem::take(&mut *listener.0.lock().unwrap());
    asked.dedup();
    asked
}

/// What no name below it may leave this machine.
const KEPT: [&str; 26] = [
    "ct",
    "ff.ct",
    "gone",
    "broken",
    "held",
    "org",
    "away.net",
    "djdns.alt",
    "com.djdns.alt",
    "ct.djdns.alt",
    "gone.djdns.alt",
    "localhost",
    "local",
    "onion",
    "invalid",
    "test",
    "alt",
    "resolver.arpa",
    "home.arpa",
    "use-application-dns.net",
    "10.in-addr.arpa",
    "127.in-addr.arpa",
    "16.172.in-addr.arpa",
    "100.100.in-addr.arpa",
    "d.f.ip6.arpa",
    "8.e.f.ip6.arpa",
];

fn is_kept(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    KEPT.iter().any(|kept| name == *kept || name.ends_with(&format!(".{kept}")))
}

fn label() -> impl Strategy<Value = String> {
    let known =
        "www|out|around|togone|tobroken|tolocal|tosuffix|tocom|self|d|d2|ns|w|x|deep|com|org|1";
    prop_oneof![4 => known, 1 => "[a-zA-Z0-9_-]{1,63}"]
}

fn qtype() -> impl Strategy<Value = u16> {
    prop_oneof![Just(1), Just(2), Just(5), Just(6), Just(12), Just(28), Just(255), any::<u16>()]
}

proptest! {
    #[test]
    fn a_page_name_never_leaks_upstream(
        below in prop::collection::vec(label(), 0..3),
        kept in prop::sample::select(&KEPT[..]),
        shouted in any::<bool>(),
        qtype in qtype(),
        edns in prop::option::of(any::<u16>()),
    ) {
        let mut name = below.iter().map(|label| format!("{label}.")).collect::<String>() + kept + ".";
        if shouted {
            name.make_ascii_uppercase();
        }
        // The one exception: whether home.arpa. is signed (RFC 8375 section 4).
        prop_assume!(!(name.eq_ignore_ascii_case("home.arpa.") && qtype == 43));
        for asked in asked_elsewhere(&VIEW, &name, qtype, edns) {
            prop_assert!(!is_kept(&asked), "{name} {qtype}: {asked} leaves this machine");
        }
    }
}

/// Where an alias leads out of the pages, what it leads to is asked for, and nothing else.
#[test]
fn an_alias_that_leads_out_takes_only_its_target_with_it() {
    assert_eq!(asked_elsewhere(&VIEW, "toCom.ct.", 1, None), ["www.com."]);
    for name in ["out.ct.", "to-gone.ct.", "togone.ct.", "tolocal.ct.", "tosuffix.ct.", "a.d.ct."] {
        assert!(asked_elsewhere(&VIEW, name, 1, None).is_empty(), "{name}");
    }
}

/// Otherwise the property would hold of a service that forwards nothing.
#[test]
fn other_names_are_resolved_elsewhere() {
    for name in ["www.example.net.", "com.", "www.com.", "net.", "arpa.", "32.172.in-addr.arpa."] {
        assert_eq!(asked_elsewhere(&VIEW, name, 1, None), [name]);
    }
    assert_eq!(asked_elsewhere(&VIEW, "home.arpa.", 43, None), ["home.arpa."]);
}

/// A validator behind djdns has the public root's keys as its trust anchor, and asks for them first.
#[test]
fn the_keys_of_the_public_root_are_asked_elsewhere_and_nothing_else_of_the_root() {
    assert_eq!(asked_elsewhere(&VIEW, ".", 48, Some(1232)), ["."]);
    for qtype in [1, 2, 6, 43, 47, 255] {
        assert!(asked_elsewhere(&VIEW, ".", qtype, None).is_empty(), "{qtype}");
    }
    for name in ["djdns.alt.", "ct.", "ct.djdns.alt.", "localhost.", "gone."] {
        assert!(asked_elsewhere(&VIEW, name, 48, None).is_empty(), "{name}");
    }
}

/// With the root page gone nothing of it is asked elsewhere, and the world is still there.
#[test]
fn without_its_root_page_a_machine_still_resolves_the_worlds_names() {
    let root = support::name(".");
    let view = View::new().with_anchor(&root, support::page_id("."));
    let asked = |name: &str| asked_elsewhere(&view, name, 1, None);
    assert!(asked("www.ff.ct.").is_empty());
    assert!(asked("printer.local.djdns.alt.").is_empty());
    assert_eq!(asked("www.example.org."), ["www.example.org."]);
}
