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

/// All of them have the same seal and state.
#[track_caller]
fn end_equal(nodes: &[Node]) {
    let state = nodes[0].state_of("club");
    nodes.iter().for_each(|node| assert_eq!(node.state_of("club"), state));
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
    end_equal(&nodes);
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
    end_equal(&nodes);
}

/// Five nodes, one of which can only call, over a line that loses every fifth datagram. Then three and two
/// are apart, and say different things; they meet again, and are all killed and started again.
#[test]
fn five_nodes_end_equal_after_a_partition_on_a_line_that_loses_and_a_restart_of_all() {
    let lan = Lan::with_one_apart(4);
    let (others, apart) = lan.machines.split_at(4);
    let relay = Relay::start(&lan, &apart[0], &others[0], PORT, 20, 7);
    let mut nodes: Vec<Node> = others.iter().map(|machine| Node::start(machine, "")).collect();
    let calls = format!("lan = false\ncontact = [\"{}\"]", relay.address);
    nodes.push(Node::start(&apart[0], &calls));
    let page = nodes[0].founds("club", ZONE);
    for node in &nodes[1..] {
        let _ = node.try_types(&["page", "join", "club", &page]);
        node.resolves("www.club", "192.0.2.80");
    }
    lan.part(&[2, 3]);
    agree([(&nodes[4], "demo:alice"), (&nodes[1], "demo:bob")], "here", "192.0.2.85");
    agree([(&nodes[2], "demo:bob"), (&nodes[3], "demo:alice")], "there", "192.0.2.86");
    for (node, side) in nodes.iter().zip([0, 0, 1, 1, 0]) {
        node.resolves("www.club", "192.0.2.80");
        let (name, address) = [("here.club", "192.0.2.85"), ("there.club", "192.0.2.86")][side];
        node.resolves(name, address);
    }
    lan.heal(&[2, 3]);
    let all_know = |nodes: &[Node]| {
        for node in nodes {
            node.resolves("here.club", "192.0.2.85");
            node.resolves("there.club", "192.0.2.86");
        }
    };
    all_know(&nodes);
    nodes.iter_mut().for_each(Node::kill);
    for (node, machine) in nodes.iter_mut().zip(&lan.machines) {
        node.run(machine);
    }
    all_know(&nodes);
    change(&nodes[4], &nodes[3], "last", "192.0.2.87");
    nodes.iter().for_each(|node| node.resolves("last.club", "192.0.2.87"));
    end_equal(&nodes);
}

/// T7: the clock of one of three is three hours off. It is told so, and neither keeps the others from
/// anything nor loses anything.
#[test]
fn a_node_with_a_wrong_clock_is_told_so_and_is_in_step_all_the_same() {
    for off in [3 * 3600, -3 * 3600] {
        let lan = Lan::new(3);
        let [one, two, three] = &lan.machines[..] else { unreachable!() };
        let mut nodes: Vec<Node> = [one, two].map(|machine| Node::start(machine, "")).into();
        nodes.push(Node::start_ahead(three, "", off));
        let page = nodes[0].founds("club", ZONE);
        for node in &nodes[1..] {
            let _ = node.try_types(&["page", "join", "club", &page]);
            node.resolves("www.club", "192.0.2.80");
        }
        let how = if off > 0 { "3 hours ahead of" } else { "3 hours behind" };
        nodes[2].types_until(&["status"], how);
        for node in &nodes[..2] {
            assert!(!node.types(&["status"]).contains("clock is"), "theirs are right");
        }
        change(&nodes[0], &nodes[1], "right", "192.0.2.88");
        nodes.iter().for_each(|node| node.resolves("right.club", "192.0.2.88"));
        change(&nodes[1], &nodes[2], "wrong", "192.0.2.89");
        nodes.iter().for_each(|node| node.resolves("wrong.club", "192.0.2.89"));
        nodes[2].set_clock_right();
        nodes[2].types_until_without(&["status"], how);
        change(&nodes[2], &nodes[0], "later", "192.0.2.90");
        nodes.iter().for_each(|node| node.resolves("later.club", "192.0.2.90"));
        end_equal(&nodes);
    }
}

/// What one of three has of a page is damaged on its disk: it says so, goes on with the rest, and gets the
/// page from the others.
#[test]
fn a_damaged_page_is_fetched_from_the_others_again() {
    let lan = Lan::new(3);
    let mut nodes = three(&lan);
    let page = nodes[0].types(&["page", "show", "club", "--json"]);
    let (_, page) = page.split_once("\"page_id\":\"").expect("it is shown");
    let page = page.split('"').next().unwrap_or_default().to_owned();
    let other = nodes[1].founds("other", ZONE);
    nodes[1].kill();
    nodes[1].spoils(&page);
    change(&nodes[0], &nodes[2], "new", "192.0.2.91");
    nodes[1].run(&lan.machines[1]);
    nodes[1].types_until(&["status"], "is damaged at byte");
    nodes[1].resolves("www.other", "192.0.2.80");
    nodes[1].types(&["page", "forget", "club", "--yes"]);
    let _ = nodes[1].try_types(&["page", "join", "club", &page]);
    nodes[1].resolves("new.club", "192.0.2.91");
    end_equal(&nodes);
    assert_ne!(page, other);
}

/// A data directory is copied to a second machine, with the node's key: both find out, and say where the other is.
#[test]
fn two_nodes_with_one_key_find_each_other_out() {
    let lan = Lan::new(2);
    let [first, second] = &lan.machines[..] else { unreachable!() };
    let mut one = Node::start(first, "");
    one.kill();
    let two = one.copied_to(second);
    one.run(first);
    for (node, other) in [(&one, second), (&two, first)] {
        for command in ["status", "peers"] {
            let said = node.types_until(&[command], "another node runs with this node's key");
            assert!(said.contains(&format!("{}", other.address)), "{said}");
        }
    }
}
