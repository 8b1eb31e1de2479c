//! What this node says of itself: its beacon, made of the addresses at which others may reach it, and
//! made anew before it expires or when those change (D1).

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use super::{Shared, lock, router, sightings::Seen};
use crate::{
    ambient,
    beacon::Beacon,
    config::peers::Lan,
    discovery::{self, Discovery, Sighting},
    limits::*,
    network::Network,
    sync::Input,
};

impl Shared {
    /// What this node says of itself now.
    pub fn own_beacon(&self) -> Option<Beacon> {
        self.beacon.load_full().map(|beacon| Beacon::clone(&beacon))
    }

    /// Looks for the nodes of the same network, and shows this one to them.
    pub(super) fn discover(self: Arc<Self>, lan: Lan) {
        let Some(beacon) = self.own_beacon().filter(|_| lan != Lan::Off) else { return };
        let [seed, ..] = ambient::random_words();
        let options = discovery::Options {
            beacon,
            lan: lan.has_dns_sd(),
            broadcast: lan.has_broadcast(),
            broadcast_port: LAN_BROADCAST_PORT,
            seed,
            now: ambient::now,
            ticks: ambient::ticks,
        };
        let found = self.clone();
        let (discovery, errors) = {
            let _inside = self.runtime.enter();
            Discovery::start(options, Arc::new(move |sighting| found.sighted(sighting)))
        };
        for error in errors {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::warn!("{error}");
            self.tell(|facts| facts.remarks.push(error));
        }
        *lock(&self.discovery) = Some(discovery);
    }

    /// A node was heard of.
    fn sighted(&self, sighting: Sighting) {
        let Sighting { beacon, how, hints } = sighting;
        if beacon.key() == self.node.key() {
            return self.heard_double(&beacon);
        }
        let (key, addresses) = (beacon.key(), hints.clone());
        lock(&self.sightings).add(Seen { beacon: beacon.clone(), hints });
        self.told.news.notify_all();
        self.jobs.happened(Input::Found { beacon, how });
        self.jobs.happened(Input::HeardAt { key, addresses });
    }

    /// A beacon of this node's own key came, which may be of another node that has it. That one is to see that
    /// this node has it as well, so this one says something newer, once.
    fn heard_double(&self, beacon: &Beacon) {
        let now = ambient::now();
        let said = lock(&self.doubles).heard(beacon, now, ambient::ticks());
        let Some(said) = said else { return };
        tracing::warn!("{said}");
        let expires = (now + BEACON_LIFE.as_secs()).max(beacon.expires() + 1);
        if let Some(own) = self.own_beacon() {
            self.say_beacon(own.addresses(), expires);
        }
    }

    /// Makes the beacon anew again and again.
    pub(super) async fn keep_beacon(self: Arc<Self>) {
        let mut router = self.watch_router();
        loop {
            // Whichever comes first.
            let changed = router::changed(&mut router);
            let _ = tokio::time::timeout(BEACON_LOOKED_EVERY, changed).await;
            let again = self.clone();
            // It asks the system for all interfaces.
            let _ = tokio::task::spawn_blocking(move || again.renew_beacon()).await;
        }
    }

    /// Makes a beacon if there is none, or it will expire, or this node is elsewhere now.
    pub(super) fn renew_beacon(&self) {
        let peers = self.look(PEERS_LOOK_PATIENCE, |machine| machine.peers()).unwrap_or_default();
        let seen = peers.iter().filter_map(|peer| peer.seen_as);
        self.renew_beacon_at(self.own_addresses(observed(seen)));
    }

    /// Makes the first beacon: no peer has seen this node yet.
    pub(super) fn begin_beacon(&self) {
        self.renew_beacon_at(self.own_addresses(Vec::new()));
    }

    fn renew_beacon_at(&self, addresses: Vec<SocketAddr>) {
        let now = ambient::now();
        let is_good = |beacon: &Beacon| {
            let lasts = beacon.expires().saturating_sub(now);
            let life = BEACON_LIFE.as_secs();
            beacon.addresses() == addresses && (life / 2..=life).contains(&lasts)
        };
        if self.own_beacon().is_some_and(|beacon| is_good(&beacon)) {
            return;
        }
        self.say_beacon(&addresses, now + BEACON_LIFE.as_secs());
    }

    fn say_beacon(&self, addresses: &[SocketAddr], expires: u64) {
        let key = &self.node.key;
        let signed = Beacon::sign_within(key, addresses, expires, PRESENCE_BEACON_BYTES_MAX);
        match signed {
            Ok(beacon) => self.set_beacon(beacon),
            Err(error) => tracing::debug!("this node has no beacon: {error}"),
        }
    }

    /// Those of this machine's interfaces, then the router's, and then where several peers see this node: behind a router
    /// that may be where it can be reached.
    fn own_addresses(&self, observed: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let listening = self.network().map(Network::addresses).unwrap_or_default();
        let mut addresses = discovery::own_addresses(&listening);
        for address in self.mapped_address().into_iter().chain(observed) {
            if !addresses.contains(&address) && addresses.len() < BEACON_ADDRESSES_MAX {
                addresses.push(address);
            }
        }
        addresses
    }

    /// That there are two nodes with one key, in sentences.
    pub(super) fn double_words(&self) -> Vec<String> {
        lock(&self.doubles).words(ambient::ticks())
    }

    fn set_beacon(&self, beacon: Beacon) {
        lock(&self.doubles).made(&beacon);
        self.beacon.store(Some(Arc::new(beacon.clone())));
        if let Some(discovery) = &*lock(&self.discovery) {
            discovery.set_beacon(beacon.clone());
        }
        self.jobs.look(move |machine| machine.set_beacon(beacon));
    }
}

/// The addresses that at least two peers say, most of them first: one alone may be wrong, or lie.
fn observed(seen: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut counts: BTreeMap<SocketAddr, usize> = BTreeMap::new();
    seen.for_each(|address| *counts.entry(address).or_default() += 1);
    let mut agreed: Vec<(usize, SocketAddr)> =
        counts.into_iter().filter(|(_, n)| *n >= 2).map(|(address, n)| (n, address)).collect();
    agreed.sort_by_key(|(n, address)| (std::cmp::Reverse(*n), *address));
    agreed.into_iter().take(OBSERVED_MAX).map(|(_, address)| address).collect()
}

/// Addresses in a beacon that only others saw (choice: one of each family).
const OBSERVED_MAX: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_counts_that_two_peers_saw() {
        let [a, b, c] =
            ["192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1"].map(|text| text.parse().unwrap());
        let check = |seen: &[SocketAddr], expect: &[SocketAddr]| {
            assert_eq!(observed(seen.iter().copied()), expect, "{seen:?}");
        };
        check(&[], &[]);
        check(&[a], &[]);
        check(&[a, b], &[]);
        check(&[a, b, b, c, c, c], &[c, b]);
    }
}
