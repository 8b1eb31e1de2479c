//! This node's own beacon (D1), what became of it in pages, and which beacons a name leads to (D6).
//!
//! Where this node can be reached is found out by whoever speaks to the network, and told to
//! [`super::running::Running`]; here it is only signed.

use super::{node::Node, resolve, running::Running};
use crate::{
    beacon::{Beacon, Short, beacons_at, beacons_of, beacons_of_node},
    control::{report::BeaconReport, request::Failure},
    limits::{BEACON_LIFE, BEACON_REMINDED},
    page::name::Name,
    time,
};

/// `djdns beacon`: where this node can be reached, signed anew, in a code of at most so many letters;
/// `port` is that of the short form where no address is known.
///
/// # Errors
/// That this node has no key to sign with.
pub fn report(node: &Node, port: u16, letters: usize) -> Result<BeaconReport, Failure> {
    let key = node.nameable_key().ok_or_else(|| {
        Failure::refused("this node has no key that it can use: `djdns status` says why")
    })?;
    let running = node.running();
    let known = running.and_then(Running::beacon);
    let addresses = known.as_ref().map_or(&[][..], Beacon::addresses);
    let expires = node.now() + BEACON_LIFE.as_secs();
    let beacon = Beacon::sign_within(&node.key, addresses, expires, letters).ok();
    let short = beacon.as_ref().map_or_else(|| Short::of(&key, port), Beacon::short);
    let addresses = beacon.iter().flat_map(Beacon::addresses).map(ToString::to_string);
    Ok(BeaconReport {
        key: key.to_string(),
        short: short.to_string(),
        long: beacon.as_ref().map(ToString::to_string),
        addresses: addresses.collect(),
        expires: beacon.as_ref().map(Beacon::expires),
        daemon: running.is_some(),
    })
}

/// The beacons that a name of a page leads to: those at the name, and where it is a page's own name,
/// those of all who host that page.
pub fn named(node: &Node, name: &Name) -> Vec<Beacon> {
    let view = node.view().load_full();
    match resolve::locate(node, &view, name) {
        Some((page, owner)) if owner.wire().is_empty() => beacons_of(&page, &mut node.verified()),
        Some((page, owner)) => beacons_at(&page, &owner, &mut node.verified()),
        None => Vec::new(),
    }
}

/// Sentences about beacons of this node in pages that expire soon, or did. It has no identity key, and
/// so cannot propose new ones.
pub fn reminders(node: &Node) -> Vec<String> {
    let (Some(key), now) = (node.nameable_key(), node.now()) else { return Vec::new() };
    let mut sentences = Vec::new();
    for page in node.pages() {
        let beacons = beacons_of_node(&page, &key, &mut node.verified());
        for (owner, beacon) in beacons {
            if beacon.expires().saturating_sub(now) > BEACON_REMINDED.as_secs() {
                continue;
            }
            let (name, expires) = (page.page().name(), time::date(beacon.expires()));
            let when = if beacon.is_expired(now) { "expired" } else { "expires" };
            sentences.push(format!(
                "the beacon of this node at `{owner}` of {name} {when} on {expires}: `djdns beacon publish \
                 {name} --owner {owner}` proposes a new one"
            ));
        }
    }
    sentences
}
