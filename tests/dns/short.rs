//! The short way of usual questions: that it says the same as the long one, and that it is taken.

use djdns::dns::{Transport, Trouble, View, respond, respond_at_once};

use super::{replay, support};

/// What is said over UDP: the same on both ways, where the short one says anything.
pub fn udp(view: &View, query: &[u8]) -> Option<Vec<u8>> {
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
                    let signed =
                        [&query[..query.len().saturating_sub(4)], &[0x80, 0, 0, 0]].concat();
                    if edns.is_some() {
                        udp(&view, &signed);
                    }
                    short += usize::from(respond_at_once(&view, &query).is_some());
                }
            }
        }
    }
    assert!(short > 100, "{short}");
}
