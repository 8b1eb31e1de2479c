//! Stories of the DNS face: replay files, malformed messages, real sockets, and properties.

mod dns {
    pub mod aliases;
    pub mod doors;
    mod encrypted;
    pub mod fetch;
    pub mod forward;
    pub mod genreport;
    pub mod leaks;
    pub mod loops;
    pub mod naive;
    pub mod properties;
    pub mod refusals;
    pub mod replay;
    pub mod secure;
    mod short;
    pub mod sizes;
    pub mod sockets;
    pub mod streams;
    pub mod support;
}

use djdns::dns::{Transport, View, respond};
use dns::{replay, support};

const ANSWERS: &str = include_str!("dns/answers.replay");
const CUTS: &str = include_str!("dns/cuts.replay");
const ANCHORS: &str = include_str!("dns/anchors.replay");
const SPECIAL: &str = include_str!("dns/special.replay");
const COLLISIONS: &str = include_str!("dns/collisions.replay");
const MALFORMED: &str = include_str!("dns/malformed.txt");

#[test]
fn a_page_answers_for_its_own_names() {
    replay::check("answers.replay", ANSWERS);
}

#[test]
fn pages_below_pages_delegations_wildcards_and_dname() {
    replay::check("cuts.replay", CUTS);
}

#[test]
fn anchors_and_soft_entries() {
    replay::check("anchors.replay", ANCHORS);
}

#[test]
fn special_names_are_answered_at_once() {
    replay::check("special.replay", SPECIAL);
}

#[test]
fn names_that_the_public_dns_has_too_and_the_fixed_suffix() {
    replay::check("collisions.replay", COLLISIONS);
}

#[test]
fn a_name_collides_unless_it_was_allowed_or_joined_by_itself() {
    let view = replay::read(COLLISIONS).view;
    let check = |name: &str, expect| {
        assert_eq!(view.collides(&support::name(name)), expect, "{name}");
    };
    check("com.", true);
    check("www.com.", true);
    check("de.", true);
    check("club.net.", false);
    check("www.net.", true);
    check("org.", false);
    check("ct.", false);
    check("www.com.djdns.alt.", false);
    check(".", false);
}

/// The messages of `malformed.txt`: what is expected, and the bytes.
fn malformed() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let lines = MALFORMED.lines().filter(|line| !line.is_empty() && !line.starts_with(';'));
    lines.map(|line| {
        let (expect, hex) = line.split_once('|').unwrap();
        let hex: String = hex.split_whitespace().collect();
        (expect.trim(), data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap())
    })
}

/// The response code, the number of questions and whether there is an OPT, or `silence`.
fn outcome(response: Option<&[u8]>) -> String {
    let Some(response) = response else { return "silence".to_owned() };
    let rcode = match response[3] & 15 {
        1 => "FORMERR",
        4 => "NOTIMP",
        _ => "unexpected",
    };
    let edns = if response[11] == 0 { "" } else { " edns" };
    format!("{rcode} {}{edns}", response[5])
}

#[test]
fn malformed_messages_get_what_the_table_says() {
    for (expect, bytes) in malformed() {
        for transport in [Transport::Udp, Transport::Stream] {
            let response = respond(&View::new(), &bytes, transport);
            assert_eq!(outcome(response.as_deref()), expect, "{bytes:02x?}");
            if let Some(response) = response {
                assert_eq!(response[..2], bytes[..2], "the id");
                let rd = if expect.starts_with("NOTIMP") { 0 } else { bytes[2] & 1 };
                assert_eq!(response[2] & 0xf9, bytes[2] & 0x78 | 0x80 | rd, "QR, opcode, RD");
                assert_eq!(response[6..11], [0; 5], "no records but an OPT");
            }
        }
    }
}

#[test]
fn a_walk_names_the_pages_that_were_passed() {
    let view = replay::read(CUTS).view;
    let check = |name: &str, expect: &[&str]| {
        let pages = view.walk(&support::name(name));
        let names: Vec<String> = pages.iter().map(|page| page.meta().name.to_string()).collect();
        assert_eq!(names, expect, "{name}");
    };
    check("www.ff.ct.", &[".", "ct.", "ff.ct."]);
    check("ff.ct.", &[".", "ct.", "ff.ct."]);
    check("www.ct.", &[".", "ct."]);
    check("www.gone.", &["."]);
    check("org.", &["."]);
    check("x.localhost.", &["localhost."]);
}

#[test]
fn a_page_under_another_name_than_its_link_is_not_followed() {
    let view = View::new().with_anchor(&support::name("."), support::page_id("."));
    let view = support::with_page(&view, ".", "ct 300 PAGE ff.\n");
    let view = support::with_page(&view, "ff.", "www 300 A 192.0.2.1\n");
    let query = support::query("www.ct.", 1, None);
    assert_eq!(replay::render(&respond(&view, &query, Transport::Udp).unwrap()), ["SERVFAIL rd"]);
}

/// A seal may change how long absence may be cached; the SOA of a denial says both.
#[test]
fn a_new_seal_changes_the_serial_and_how_long_absence_is_cached() {
    let page = support::name("ct.");
    let id = support::page_id("ct.");
    let view = support::with_page(&View::new(), "ct.", "a 60 A 192.0.2.1").with_anchor(&page, id);
    let query = support::query("b.ct.", 1, None);
    let denial = |view: &View| {
        let response = respond(view, &query, Transport::Udp).unwrap();
        let message = hickory_proto::op::Message::from_vec(&response).unwrap();
        let soa = &message.authorities[0];
        (soa.ttl, soa.data.to_string().split(' ').nth(2).unwrap().to_owned())
    };
    assert_eq!(denial(&view), (60, "1".to_owned()));
    assert_eq!(denial(&view.with_seal(&id, 7, 20)), (20, "7".to_owned()));
}
