//! Sizes: what fits is sent whole, what does not is truncated to nothing, and names are short.

use djdns::dns::{Transport, View, respond};
use hickory_proto::op::Message;

use super::support::{name, page_id, query, with_page};

/// A page `ct.` with `count` addresses at `many.ct.`.
fn page(count: usize) -> View {
    let lines: String =
        (0..count).map(|i| format!("many 300 A 10.0.{}.{}\n", i / 256, i % 256)).collect();
    let view = View::new().with_anchor(&name("ct."), page_id("ct."));
    with_page(&view, "ct.", &lines)
}

fn ask(view: &View, edns: Option<u16>, transport: Transport) -> (usize, Message) {
    let bytes = respond(view, &query("many.ct.", 1, edns), transport).unwrap();
    (bytes.len(), Message::from_vec(&bytes).unwrap())
}

#[test]
fn an_answer_is_whole_or_truncated_at_the_size_that_the_client_can_take() {
    // Header 12, question 13, 16 for each address; OPT 11.
    let check = |edns, count: usize, whole: bool| {
        let (len, message) = ask(&page(count), edns, Transport::Udp);
        assert_eq!(message.metadata.truncation, !whole, "{edns:?} {count}");
        assert_eq!(message.answers.len(), if whole { count } else { 0 });
        assert!(len <= edns.map_or(512, |payload| usize::from(payload.clamp(512, 1232))));
        assert_eq!(message.edns.is_some(), edns.is_some());
    };
    check(None, 30, true);
    check(None, 31, false);
    check(Some(512), 29, true);
    check(Some(512), 30, false);
    check(Some(0), 29, true);
    check(Some(0), 30, false);
    check(Some(1000), 60, true);
    check(Some(1000), 61, false);
    check(Some(1232), 74, true);
    check(Some(1232), 75, false);
    check(Some(4096), 74, true);
    check(Some(4096), 75, false);
}

#[test]
fn over_tcp_the_same_answer_is_whole_up_to_65535_octets() {
    let check = |count: usize, whole: bool| {
        let (len, message) = ask(&page(count), None, Transport::Stream);
        assert_eq!(message.metadata.truncation, !whole, "{count}");
        assert_eq!(len, if whole { 25 + 16 * count } else { 25 });
    };
    check(75, true);
    check(4094, true);
    check(4095, false);
}

#[test]
fn addresses_nobody_asked_for_are_left_out_without_truncation() {
    let lines = "mail 300 MX 10 many.ct.\n".to_owned()
        + &(0..40).map(|i| format!("many 300 A 10.0.0.{i}\n")).collect::<String>();
    let view = View::new().with_anchor(&name("ct."), page_id("ct."));
    let view = with_page(&view, "ct.", &lines);
    let bytes = respond(&view, &query("mail.ct.", 15, None), Transport::Udp).unwrap();
    let message = Message::from_vec(&bytes).unwrap();
    assert!(!message.metadata.truncation);
    assert_eq!((message.answers.len(), message.additionals.len()), (1, 0));
}

#[test]
fn a_referral_without_room_for_its_glue_is_truncated() {
    let glue =
        |owner: &str| (0..40).map(|i| format!("{owner} 300 A 10.0.0.{i}\n")).collect::<String>();
    let check = |lines: String, truncated: bool| {
        let view = View::new().with_anchor(&name("ct."), page_id("ct."));
        let view = with_page(&view, "ct.", &lines);
        let bytes = respond(&view, &query("x.cut.ct.", 1, None), Transport::Udp).unwrap();
        let message = Message::from_vec(&bytes).unwrap();
        assert_eq!(message.metadata.truncation, truncated);
        assert_eq!((message.authorities.len(), message.additionals.len()), (1, 0));
    };
    check("cut 300 NS ns.cut.ct.\n".to_owned() + &glue("ns.cut"), true);
    check("cut 300 NS ns.ct.\n".to_owned() + &glue("ns"), false);
}

#[test]
fn names_are_written_once_and_pointed_to() {
    let lines = "a 300 CNAME long-name-of-a-host.ct.\nlong-name-of-a-host 300 A 10.0.0.1\n";
    let view = View::new().with_anchor(&name("ct."), page_id("ct."));
    let view = with_page(&view, "ct.", lines);
    let bytes = respond(&view, &query("a.ct.", 1, None), Transport::Udp).unwrap();
    // The CNAME's data in full (24), everything else two octets: 12 + 10 + 12 + 24 + 12 + 4.
    assert_eq!(bytes.len(), 12 + 10 + 12 + 24 + 12 + 4);
    let message = Message::from_vec(&bytes).unwrap();
    assert_eq!(message.answers[1].name.to_string(), "long-name-of-a-host.ct.");
}

#[test]
fn a_chain_of_aliases_ends_at_its_limit() {
    let max = djdns::limits::CNAME_CHAIN_MAX;
    let check = |count: usize, records: usize| {
        let lines: String = (0..count).map(|i| format!("n{i} 60 CNAME n{}.ct.\n", i + 1)).collect();
        let view = View::new().with_anchor(&name("ct."), page_id("ct."));
        let view = with_page(&view, "ct.", &format!("{lines}n{count} 60 A 10.0.0.1\n"));
        let bytes = respond(&view, &query("n0.ct.", 1, Some(1232)), Transport::Udp).unwrap();
        let message = Message::from_vec(&bytes).unwrap();
        assert_eq!(message.answers.len(), records, "{count} aliases");
        assert_eq!(message.metadata.response_code.low(), 0);
    };
    check(max - 1, max);
    check(max, max + 1);
    check(max + 1, max + 1);
}
