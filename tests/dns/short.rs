//! The short way of usual questions: that it says the same as the long one, and that it is taken.

use djdns::dns::{Transport, View, respond, respond_at_once};

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
    let view =
        support::with_page(&View::new(), "ct.", "a 60 A 192.0.2.1\n*.w 60 TXT t\nc 60 CNAME a.ct.");
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
    check("a.ct.", 255, false);
    check("elsewhere.", 1, false);
}
