//! What people do with several machines, on real daemons.

use super::node::Node;
use crate::support::{lan::Lan, relay::Relay};

/// Where nodes reach each other, unless told otherwise.
const PORT: u16 = 31415;
const ZONE: &str = "$TTL 60\nwww A 192.0.2.80\n";

/// Two laptops on one network without internet: a page founded on one resolves on the other.
fn two_laptops(peers: &str, meet: impl Fn(&Node, &Node)) {
    let lan = Lan::new(2);
    let [one, two] = &lan.machines[..] else { unreachable!() };
    let (one, two) = (Node::start(one, peers), Node::start(two, peers));
    meet(&one, &two);
    let page = one.founds("club", ZONE);
    // It is trusted before it is here: then it is sought.
    let _ = two.try_types(&["page", "join", "club", &page]);
    two.resolves("www.club", "192.0.2.80");
}

fn wait_for_each_other(one: &Node, two: &Node) {
    for node in [one, two] {
        node.types_until(&["peers", "--json"], "\"connected_seconds\"");
    }
}

/// D2 accepts: DNS-SD alone.
#[test]
fn two_laptops_meet_by_dns_sd_alone() {
    two_laptops("lan = \"dns-sd\"", wait_for_each_other);
}

/// D2 accepts: the broadcast alone.
#[test]
fn two_laptops_meet_by_broadcast_alone() {
    two_laptops("lan = \"broadcast\"", wait_for_each_other);
}

/// D1 accepts: a long beacon, which connects by itself.
#[test]
fn two_laptops_meet_by_a_long_beacon_alone() {
    two_laptops("lan = false", |one, two| {
        let beacon = one.types(&["beacon", "--long"]);
        let code = beacon.split_whitespace().find(|word| word.starts_with("DMCT:"));
        two.types(&["connect", code.expect("a beacon")]);
        wait_for_each_other(one, two);
    });
}

/// Only one of the two can call, over a line that loses every fifth datagram.
#[test]
fn a_page_comes_through_where_every_fifth_datagram_is_lost_and_only_one_side_can_call() {
    let lan = Lan::apart(2);
    let [host, laptop] = &lan.machines[..] else { unreachable!() };
    let relay = Relay::start(&lan, laptop, host, PORT, 20, 1);
    let one = Node::start(host, "lan = false");
    let two = Node::start(laptop, &format!("lan = false\ncontact = [\"{}\"]", relay.address));
    let page = one.founds("club", ZONE);
    let _ = two.try_types(&["page", "join", "club", &page]);
    two.resolves("www.club", "192.0.2.80");
    one.types(&["propose", "club", "set", "new", "A", "192.0.2.81", "--as", "demo:alice"]);
    let proposals = two.types_until(&["proposals", "club"], "set new");
    let operation = proposals
        .split_whitespace()
        .find(|word| word.len() >= 6 && word.bytes().all(|byte| byte.is_ascii_hexdigit()));
    two.types(&["vote", "club", operation.expect("an id"), "--as", "demo:bob"]);
    one.resolves("new.club", "192.0.2.81");
    two.resolves("new.club", "192.0.2.81");
}
