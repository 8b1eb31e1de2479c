//! Keys that this node knows, by their beginnings: of participants, of nodes that they named, and of
//! nodes that it met or heard of.

use std::collections::BTreeSet;

use super::{node::Node, running::Running};
use crate::key::PublicKey;

/// Keys that one beginning finds, at most (choice: with two of them it must be longer anyway).
const FOUND_MAX: usize = 6;

/// Some of the keys whose short form begins so, as text.
pub fn beginning(node: &Node, prefix: &str) -> Vec<String> {
    let mut found = BTreeSet::from([node.key()]);
    found.retain(|key| begins(key, prefix));
    for page in node.pages() {
        let participants = page.page().roster().iter().map(|(key, _)| *key);
        let nodes = page.hosted().map(|(_, node)| node);
        let meant = participants.chain(nodes).filter(|key| begins(key, prefix));
        found.extend(meant.take(FOUND_MAX));
    }
    let neighbours = node.running().and_then(Running::neighbours);
    let nodes = neighbours.map(|neighbours| neighbours.known(FOUND_MAX, |key| begins(key, prefix)));
    found.extend(nodes.into_iter().flatten());
    found.iter().take(FOUND_MAX).map(PublicKey::to_string).collect()
}

fn begins(key: &PublicKey, prefix: &str) -> bool {
    key.short_form().starts_with(prefix)
}
