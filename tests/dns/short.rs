//! The short way of usual questions: that it says the same as the long one, and that it is taken.

use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;
use djdns::dns::{
    Access, Client, Cookies, Reply, Service, Transport, Trouble, View, cookie::Cookie, respond,
    respond_at_once,
};

use super::{doors, replay, support};

/// What is said over UDP: the same on both ways, where the short one says anything, with a cookie as
/// without.
pub fn udp(view: &View, query: &[u8]) -> Option<Vec<u8>> {
    let answer = without_cookie(view, query);
    if answer.is_some() {
        with_new_cookie(&baker(view), query);
    }
    answer
}

/// The same, without a cookie.
pub fn without_cookie(view: &View, query: &[u8]) -> Option<Vec<u8>> {
    let answer = respond(view, query, Transport::Udp);
    if let Some(short) = respond_at_once(view, query) {
        assert_eq!(
            Some(&short),
            answer.as_ref(),
            "the short way says something else to {query:02x?}"
        );
    }
    answer
}

/// Asks as a client that has a cookie for the first time, if the query has an OPT without options.
pub fn with_new_cookie(service: &Service, query: &[u8]) {
    if let Some(query) = with_cookie(query, &[1; 8]) {
        ask(service, &query, "192.0.2.1");
    }
}

const NOW: u64 = 1_700_000_000;

/// A service that makes cookies, for everybody.
pub fn baker(view: &View) -> Service {
    let everybody = ["0.0.0.0/0", "::/0"].map(|network| network.parse().unwrap());
    Service::new(Arc::new(ArcSwap::from_pointee(view.clone())), None)
        .with_access(Arc::new(ArcSwap::from_pointee(Access::new(everybody.into()))))
        .with_cookies(Cookies::new([7; 16], || NOW))
}

/// Its answer over UDP, the same on both ways, and whether the short one gives it.
fn ask(service: &Service, query: &[u8], client: &str) -> (Vec<u8>, bool) {
    let address: IpAddr = client.parse().unwrap();
    let reply = service.reply(query, Client { address, transport: Transport::Udp });
    let Reply::Now(answer) = reply else { panic!("{reply:?} to {query:02x?}") };
    let short = service.reply_at_once(query, address);
    if let Some(short) = &short {
        assert_eq!(*short, answer, "the short way says something else to {query:02x?}");
    }
    (answer, short.is_some())
}

/// A query with these options in its OPT, if that is the last of it and has none.
fn with_options(query: &[u8], options: &[u8]) -> Option<Vec<u8>> {
    let (rest, opt) = query.split_last_chunk::<11>()?;
    let is_bare = opt[..3] == [0, 0, 41] && opt[9..] == [0, 0];
    let len = (options.len() as u16).to_be_bytes();
    is_bare.then(|| [rest, &opt[..9], &len, options].concat())
}

fn with_cookie(query: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    with_options(query, &doors::cookie(data))
}

/// A cookie that this client was given by that clock.
fn given(clock: fn() -> u64, client: &str) -> [u8; 24] {
    let cookie = Cookie::read(&[1; 8]).unwrap();
    Cookies::new([7; 16], clock).answer(&cookie, client.parse().unwrap())
}

/// Sets DO in the OPT of a query that ends with it.
fn signed(query: &[u8]) -> Vec<u8> {
    [&query[..query.len() - 4], &[0x80, 0, 0, 0]].concat()
}

/// Every answer of the replay files is the same on the short way, and most of the usual ones are given
/// there: a way that says nothing would be the same, too.
const PAGE: &str = "a 60 A 192.0.2.1
*.w 60 TXT t
c 60 CNAME a.ct.
far 60 NS ns.example.
far 60 NS ns2.example.
far 20 DS 000108020123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
near 60 NS ns.near.ct.
near 60 NS NS2.near.ct.
near 60 NS a.ct.
near 60 NS linked.sub.ct.
near 60 NS ns.example.
near 60 DS 000108020123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
ns.near 60 A 192.0.2.2
ns.near 30 A 192.0.2.3
ns.near 60 AAAA 2001:db8::2
ns2.near 60 AAAA 2001:db8::3
m 60 MX 10 a.ct.
m 60 HTTPS 1 .";

#[test]
fn usual_questions_are_answered_on_the_short_way() {
    let (mut short, mut all) = (0, 0);
    let files = [crate::ANSWERS, crate::CUTS, crate::ANCHORS, crate::SPECIAL, crate::COLLISIONS];
    for text in files {
        let file = replay::read(text);
        for ask in &file.asks {
            udp(&file.view, &ask.bytes);
            short += usize::from(respond_at_once(&file.view, &ask.bytes).is_some());
            all += 1;
        }
    }
    assert!(4 * short > all, "{short} of {all}");
    let view = support::with_page(&View::new(), "ct.", PAGE);
    let view = view.with_anchor(&support::name("ct."), support::page_id("ct."));
    let check = |name: &str, qtype: u16, expect: bool| {
        for edns in [None, Some(512), Some(1232)] {
            let query = support::query(name, qtype, edns);
            udp(&view, &query);
            assert_eq!(respond_at_once(&view, &query).is_some(), expect, "{name} {qtype}");
        }
    };
    check("a.ct.", 1, true);
    check("A.Ct.", 1, true);
    check("a.ct.", 28, true);
    check("absent.ct.", 1, true);
    check("ct.", 16, true);
    check("x.w.ct.", 16, true);
    check("x.w.ct.", 1, true);
    check("c.ct.", 5, true);
    check("localhost.", 1, true);
    check("c.ct.", 1, false);
    check("ct.", 6, false);
    check("x.far.ct.", 1, true);
    check("far.ct.", 16, true);
    check("far.ct.", 43, true);
    check("m.ct.", 15, false);
    check("m.ct.", 65, false);
    check("m.ct.", 33, true);
    check("a.ct.", 65, true);
    check("absent.ct.", 15, true);
    check("x.near.ct.", 1, true);
    check("NEAR.ct.", 1, true);
    check("near.ct.", 2, true);
    check("ns.near.ct.", 28, true);
    check("a.near.ct.djdns.alt.", 1, true);
    check("a.ct.", 255, false);
    check("elsewhere.", 1, false);
}

/// T6, G9: a page that is not fresh, and one that a soft link leads to, are cached for less, and why is said.
#[test]
fn what_may_be_old_is_said_with_its_reason_on_both_ways() {
    let (root, ct) = (support::page_id("."), support::page_id("ct."));
    let anchored = View::new().with_anchor(&support::name("."), root);
    let linked = |ttl_cap| {
        let view = support::with_page(&support::with_page(&anchored, ".", ""), "ct.", PAGE);
        let (owner, sets) =
            support::entries(&[support::record("ct 300 PAGE ct.")], &support::name(".")).remove(0);
        view.with_entry(&root, &owner, &sets, ttl_cap)
    };
    let mut short = 0;
    for view in [linked(None), linked(Some(20)), linked(Some(5)).with_fresh(&ct, false)] {
        for is_fresh in [true, false] {
            let view = view.with_fresh(&root, is_fresh).with_fresh(&ct, is_fresh);
            let forked = view.with_trouble(&ct, Trouble::Forked(3));
            for name in [
                "a.ct.",
                "x.ct.",
                "ct.",
                "x.w.ct.",
                "far.ct.",
                "x.far.ct.",
                "x.near.ct.",
                "ct.djdns.alt.",
            ] {
                for (qtype, edns) in [(1, None), (16, Some(512)), (43, Some(1232)), (1, Some(1232))]
                {
                    let query = support::query(name, qtype, edns);
                    udp(&view, &query);
                    udp(&forked, &query);
                    if edns.is_some() {
                        udp(&view, &signed(&query));
                    }
                    short += usize::from(respond_at_once(&view, &query).is_some());
                }
            }
        }
    }
    assert!(short > 100, "{short}");
}

/// The page of these tests, as it is now or as it may be.
fn anchored(is_fresh: bool) -> View {
    let view = support::with_page(&View::new(), "ct.", PAGE);
    let view = view.with_anchor(&support::name("ct."), support::page_id("ct."));
    view.with_fresh(&support::page_id("ct."), is_fresh)
}

#[test]
fn cookies_of_every_kind_are_answered_the_same_on_both_ways() {
    let (fresh, stale) = (baker(&anchored(true)), baker(&anchored(false)));
    let check = |client: &str, sent: &[u8], expect: Option<bool>| {
        for service in [&fresh, &stale] {
            for (name, qtype) in [("a.ct.", 1), ("A.ct.", 28), ("no.ct.", 1), ("x.near.ct.", 1)] {
                let query = support::query(name, qtype, Some(1232));
                for query in [signed(&query), query] {
                    let query = with_cookie(&query, sent).unwrap();
                    let (answer, is_short) = ask(service, &query, client);
                    assert_eq!(is_short, expect.is_some(), "{sent:02x?} of {client}");
                    let cookie = doors::option(&answer, 10);
                    assert_eq!(cookie.map(|cookie| cookie == sent), expect, "{sent:02x?}");
                }
            }
        }
    };
    for client in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"] {
        let good = given(|| NOW, client);
        let with = |at: usize| {
            let mut other = good;
            other[at] ^= 1;
            other
        };
        check(client, &[1; 8], Some(false));
        check(client, &good, Some(true));
        check(client, &given(|| NOW - 1800, client), Some(true));
        check(client, &given(|| NOW - 1801, client), Some(false));
        check(client, &given(|| NOW - 3601, client), Some(false));
        check(client, &given(|| NOW + 300, client), Some(true));
        check(client, &given(|| NOW + 301, client), Some(false));
        check(client, &given(|| NOW, "192.0.2.2"), Some(false));
        for at in [0, 8, 9, 12, 15, 16, 23] {
            check(client, &with(at), Some(false));
        }
        for foreign in [16, 23, 25, 40] {
            check(client, &vec![1; foreign], Some(false));
        }
        // FORMERR, and no cookie.
        for wrong in [0, 7, 9, 15, 41] {
            check(client, &vec![1; wrong], None);
        }
    }
}

#[test]
fn a_cookie_is_usual_alone_and_whole() {
    let service = baker(&anchored(true));
    let query = support::query("a.ct.", 1, Some(1232));
    let check = |options: &[u8], expect: bool| {
        let query = with_options(&query, options).unwrap();
        assert_eq!(ask(&service, &query, "192.0.2.1").1, expect, "{options:02x?}");
    };
    let cookie = doors::cookie(&[1; 8]);
    check(&cookie, true);
    check(&[&cookie[..], &cookie].concat(), false);
    check(&[&cookie[..], &[0, 11, 0, 0]].concat(), false);
    check(&[&[0, 3, 0, 0], &cookie[..]].concat(), false);
    check(&[&cookie[..], &[0]].concat(), false);
    check(&cookie[..11], false);
    check(&cookie[..3], false);
    check(&[&[0, 11], &cookie[2..]].concat(), false);
    // An OPT that is shorter or longer than it says, and one of another version.
    let whole = with_cookie(&query, &[1; 8]).unwrap();
    assert!(!ask(&service, &whole[..whole.len() - 1], "192.0.2.1").1);
    assert!(!ask(&service, &[&whole[..], &[0]].concat(), "192.0.2.1").1);
    let mut version = whole.clone();
    version[whole.len() - 12 - 5] = 1;
    assert!(!ask(&service, &version, "192.0.2.1").1);
}

/// Whatever the client can take: whole on the short way where it fits, and else what the long one says.
#[test]
fn an_answer_that_just_fits_with_its_cookie_is_given_on_the_short_way() {
    let texts: String = (b'a'..b'g')
        .map(|n| format!("t 60 TXT {}\n", (n as char).to_string().repeat(90)))
        .collect();
    let view = support::with_page(&View::new(), "ct.", &format!("{texts}{PAGE}"))
        .with_anchor(&support::name("ct."), support::page_id("ct."));
    for is_fresh in [true, false] {
        let view = view.with_fresh(&support::page_id("ct."), is_fresh);
        let service = baker(&view);
        for cookie in [&[][..], &doors::cookie(&[1; 8]), &doors::cookie(&given(|| NOW, "::1"))] {
            let whole = |payload| {
                let query = support::query("t.ct.", 16, Some(payload));
                ask(&service, &with_options(&query, cookie).unwrap(), "::1")
            };
            let needed = whole(1232).0.len();
            assert!(needed > 600 && needed < 1000, "{needed}");
            for payload in 512..1000 {
                let (answer, is_short) = whole(payload);
                let fits = usize::from(payload) >= needed;
                assert_eq!((is_short, answer[2] & 2 == 0), (fits, fits), "{payload} of {needed}");
                assert_eq!(answer.len() == needed, fits);
                assert_eq!(doors::option(&answer, 10).is_some(), !cookie.is_empty());
            }
        }
    }
}

/// Where nobody makes cookies, one is passed over.
#[test]
fn a_cookie_is_no_matter_where_there_are_none() {
    let view = anchored(true);
    let query = support::query("a.ct.", 1, Some(1232));
    for sent in [&[1; 8][..], &[1; 24], &[1; 40]] {
        let with = with_cookie(&query, sent).unwrap();
        assert_eq!(respond_at_once(&view, &with), respond_at_once(&view, &query));
        assert_eq!(respond_at_once(&view, &with), respond(&view, &with, Transport::Udp));
    }
    assert_eq!(respond_at_once(&view, &with_cookie(&query, &[1; 9]).unwrap()), None);
}
