//! A name that a page could answer, or that is nobody's business, never leaves this machine: whatever
//! there is below an anchor, a link, the fixed suffix or a special name is answered at once, though
//! somebody would resolve it elsewhere.

use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use djdns::dns::{Reply, Service, Transport, View};
use proptest::prelude::*;

use super::{genreport::NeverAsked, replay, support};

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

static SERVICE: LazyLock<Service> = LazyLock::new(|| service(replay::read(PAGES).view));

fn service(view: View) -> Service {
    Service::new(Arc::new(ArcSwap::from_pointee(view)), Some(Arc::new(NeverAsked)))
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

fn label() -> impl Strategy<Value = String> {
    let known =
        "www|out|around|togone|tobroken|tolocal|tosuffix|tocom|self|d|d2|ns|w|x|deep|com|org|1";
    prop_oneof![4 => known, 1 => "[a-zA-Z0-9_-]{1,63}"]
}

fn qtype() -> impl Strategy<Value = u16> {
    prop_oneof![Just(1), Just(2), Just(5), Just(6), Just(12), Just(28), Just(255), any::<u16>()]
}

fn is_later(service: &Service, name: &str, qtype: u16, edns: Option<u16>) -> bool {
    let query = support::query(name, qtype, edns);
    let reply = |transport| service.reply(&query, transport);
    [Transport::Udp, Transport::Stream].map(reply).contains(&Reply::Later)
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
        prop_assert!(!is_later(&SERVICE, &name, qtype, edns), "{name} {qtype} leaves this machine");
    }
}

/// Otherwise the property would hold of a service that forwards nothing.
#[test]
fn other_names_are_resolved_elsewhere() {
    for name in ["www.example.net.", "com.", "www.com.", "net.", "arpa.", "32.172.in-addr.arpa."] {
        assert!(is_later(&SERVICE, name, 1, None), "{name}");
    }
    assert!(is_later(&SERVICE, "home.arpa.", 43, None));
}

/// With the root page gone nothing of it is asked elsewhere, and the world is still there.
#[test]
fn without_its_root_page_a_machine_still_resolves_the_worlds_names() {
    let root = support::name(".");
    let service = service(View::new().with_anchor(&root, support::page_id(".")));
    assert!(!is_later(&service, "www.ff.ct.", 1, None));
    assert!(!is_later(&service, "printer.local.djdns.alt.", 1, None));
    assert!(is_later(&service, "www.example.org.", 1, None));
}
