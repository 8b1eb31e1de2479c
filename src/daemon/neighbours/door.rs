//! What the network tells: handed to the machine; and what peers ask, which needs no machine.

use std::{net::SocketAddr, sync::Arc};

use super::{Shared, lock};
use crate::{
    ambient,
    daemon::outbox,
    key::PublicKey,
    network::{self, Door, Misbehaviour, Peer},
    sync::{self, Input},
};

/// The owner of the network's connections.
pub struct PeerDoor(pub(super) Arc<Shared>);

impl Door for PeerDoor {
    /// Whoever lied is not heard again; the machine sends away whom else it does not want.
    fn admits(&self, key: &PublicKey, _from: SocketAddr) -> bool {
        !lock(&self.0.liars).contains(key)
    }

    fn joined(&self, peer: &Peer) {
        tracing::debug!(peer = %peer.key, address = %peer.address, "connected");
        let Peer { key: peer, address, outbound } = *peer;
        self.0.jobs.happened(Input::Joined { peer, address, outbound });
        let said = lock(&self.0.doubles).came(&peer, address, ambient::ticks());
        said.into_iter().for_each(|said| tracing::warn!("{said}"));
        let shared = self.0.clone();
        // An outbox may wait for the disk.
        self.0.runtime.spawn_blocking(move || outbox::met(&shared.node, &peer));
    }

    fn left(&self, key: &PublicKey, why: &str) {
        tracing::debug!(peer = %key, why, "the connection ended");
        self.0.jobs.happened(Input::Left { peer: *key });
        lock(&self.0.doubles).left(key, why == network::REPLACED);
        if why == network::PUSHED_OFF {
            let said = lock(&self.0.doubles).pushed_off(ambient::ticks());
            said.into_iter().for_each(|said| tracing::warn!("{said}"));
        }
    }

    fn told(&self, key: &PublicKey, notice: Vec<u8>) {
        self.0.jobs.happened(Input::Told { peer: *key, notice });
    }

    fn asked(&self, peer: &Peer, request: Vec<u8>) -> Option<Vec<u8>> {
        let handed = self.0.handed.load();
        sync::answer(&peer.key, peer.address, &request, &*self.0.node, &handed)
    }

    fn misbehaved(&self, key: &PublicKey, what: Misbehaviour) {
        let what = what.to_string();
        if let Some(count) = self.0.complaints.count(&what) {
            tracing::warn!(peer = %key, count, "a node broke the rules of the connection and is let go: {what}");
        }
        self.0.jobs.happened(Input::Misbehaved { peer: *key, what });
    }
}
