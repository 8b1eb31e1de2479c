//! What this node says of itself: its beacon, made of the addresses at which others may reach it, and
//! made anew before it expires or when those change (D1).

use std::{net::SocketAddr, sync::Arc, time::Duration};

use super::{Shared, lock, sightings::Seen};
use crate::{
    ambient,
    beacon::Beacon,
    discovery::{self, Discovery, Sighting},
    limits::*,
    sync::Input,
};

impl Shared {
    /// What this node says of itself now.
    pub fn own_beacon(&self) -> Option<Beacon> {
        self.beacon.load_full().map(|beacon| Beacon::clone(&beacon))
    }

    /// Looks for the nodes of the same network, and shows this one to them.
    pub(super) fn discover(self: Arc<Self>, lan: bool) {
        let Some(beacon) = self.own_beacon().filter(|_| lan) else { return };
        let [seed, ..] = ambient::random_words();
        let options = discovery::Options {
            beacon,
            lan,
            broadcast: lan,
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
            return;
        }
        lock(&self.sightings).add(Seen { beacon: beacon.clone(), hints });
        self.told.news.notify_all();
        self.jobs.happened(Input::Found { beacon, how });
    }

    /// Makes the beacon anew again and again.
    pub(super) async fn keep_beacon(self: Arc<Self>, _port_mapping: bool) {
        loop {
            tokio::time::sleep(BEACON_LOOKED_EVERY).await;
            let again = self.clone();
            // It asks the system for all interfaces.
            let _ = tokio::task::spawn_blocking(move || again.renew_beacon()).await;
        }
    }

    /// Makes a beacon if there is none, or it will expire, or this node is elsewhere now.
    pub(super) fn renew_beacon(&self) {
        let now = ambient::now();
        let addresses = self.own_addresses();
        let is_good = |beacon: &Beacon| {
            let lasts = beacon.expires().saturating_sub(now);
            let life = BEACON_LIFE.as_secs();
            beacon.addresses() == addresses && (life / 2..=life).contains(&lasts)
        };
        if self.own_beacon().is_some_and(|beacon| is_good(&beacon)) {
            return;
        }
        let expires = now + BEACON_LIFE.as_secs();
        let key = &self.node.key;
        let signed = Beacon::sign_within(key, &addresses, expires, PRESENCE_BEACON_BYTES_MAX);
        match signed {
            Ok(beacon) => self.set_beacon(beacon),
            Err(error) => tracing::debug!("this node has no beacon: {error}"),
        }
    }

    fn own_addresses(&self) -> Vec<SocketAddr> {
        let listening = self.network().map(|network| network.addresses()).unwrap_or_default();
        discovery::own_addresses(&listening)
    }

    fn set_beacon(&self, beacon: Beacon) {
        self.beacon.store(Some(Arc::new(beacon.clone())));
        if let Some(discovery) = &*lock(&self.discovery) {
            discovery.set_beacon(beacon.clone());
        }
        self.jobs.look(move |machine| machine.set_beacon(beacon));
    }
}
