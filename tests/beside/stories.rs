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
    change(&one, &two, "new", "192.0.2.81");
    one.resolves("new.club", "192.0.2.81");
    two.resolves("new.club", "192.0.2.81");
}

/// Alice proposes a name on one node, Bob approves it on another.
fn change(alice: &Node, bob: &Node, owner: &str, address: &str) {
    agree([(alice, "demo:alice"), (bob, "demo:bob")], owner, address);
}

/// One proposes a name on a node, the other approves it on another. Whoever proposes two changes from
/// the same seal keeps the newer only, so that on two sides two people propose.
fn agree([author, other]: [(&Node, &str); 2], owner: &str, address: &str) {
    let proposed = ["propose", "club", "set", owner, "A", address, "--as", author.1, "-q"];
    let operation = author.0.types(&proposed);
    let operation = operation.lines().next().expect("an id").trim().to_owned();
    other.0.types_until(&["proposals", "club"], &operation[..8]);
    other.0.types(&["vote", "club", &operation, "--as", other.1]);
}

/// Three nodes of one network, and the page `club`, founded on the first, on all of them.
fn three(lan: &Lan) -> [Node; 3] {
    let [one, two, three] = &lan.machines[..] else { unreachable!() };
    let nodes = [one, two, three].map(|machine| Node::start(machine, ""));
    let page = nodes[0].founds("club", ZONE);
    for node in &nodes[1..] {
        let _ = node.try_types(&["page", "join", "club", &page]);
        node.resolves("www.club", "192.0.2.80");
    }
    nodes
}

/// A cable is pulled: names go on resolving, and what was said meanwhile meets when it is back.
#[test]
fn what_was_said_on_both_sides_of_a_pulled_cable_meets_again() {
    let lan = Lan::new(3);
    let nodes = three(&lan);
    lan.machines[0].unplug();
    nodes[0].resolves("www.club", "192.0.2.80");
    change(&nodes[1], &nodes[2], "there", "192.0.2.82");
    nodes[2].resolves("there.club", "192.0.2.82");
    agree([(&nodes[0], "demo:bob"), (&nodes[0], "demo:alice")], "here", "192.0.2.83");
    lan.machines[0].plug();
    for node in &nodes {
        node.resolves("there.club", "192.0.2.82");
        node.resolves("here.club", "192.0.2.83");
    }
    let state = nodes[0].state_of("club");
    nodes.iter().for_each(|node| assert_eq!(node.state_of("club"), state));
}

/// Five nodes that all met the first one only: it is killed, and nobody needs it; nothing is lost when
/// all of them are killed and started again.
#[test]
fn the_others_go_on_when_the_first_node_is_killed_and_all_of_them_after_a_restart() {
    let lan = Lan::new(5);
    let first = lan.machines[0].address;
    let met = format!("lan = false\ncontact = [\"{first}:{PORT}\"]");
    let mut nodes: Vec<Node> = vec![Node::start(&lan.machines[0], "lan = false")];
    let page = nodes[0].founds("club", ZONE);
    nodes.extend(lan.machines[1..].iter().map(|machine| Node::start(machine, &met)));
    for node in &nodes[1..] {
        let _ = node.try_types(&["page", "join", "club", &page]);
        node.resolves("www.club", "192.0.2.80");
    }
    // They hear of each other by the first.
    for node in &nodes[1..] {
        for other in lan.machines[1..].iter().map(|machine| machine.address.to_string()) {
            if !node.is_at(&other) {
                node.types_until(&["peers"], &format!(" {other}:"));
            }
        }
    }
    nodes[0].kill();
    change(&nodes[1], &nodes[4], "new", "192.0.2.84");
    nodes[1..].iter().for_each(|node| node.resolves("new.club", "192.0.2.84"));
    nodes[1..].iter_mut().for_each(Node::kill);
    for (node, machine) in nodes.iter_mut().zip(&lan.machines) {
        node.run(machine);
    }
    nodes.iter().for_each(|node| node.resolves("new.club", "192.0.2.84"));
    let state = nodes[0].state_of("club");
    nodes.iter().for_each(|node| assert_eq!(node.state_of("club"), state));
}
