//! Finding nodes on the local network, without any server and without the internet (D2).
//!
//! Two ways that do not need each other: DNS-SD, which other software sees as well, and a plain UDP
//! broadcast, for networks that drop multicast. What either brings is a beacon whose signature was
//! checked (D1), and addresses at which its node was heard. Pages, and whom to connect to, are not known
//! here; nor is a clock, which whoever starts it hands in.

mod broadcast;
mod intake;
mod interfaces;
mod lan;

use std::{net::SocketAddr, sync::Arc};

use crate::{beacon::Beacon, sync::How};

pub use interfaces::own_addresses;

/// What any bytes that come over the broadcast port are taken for, for tests and fuzzing.
pub use broadcast::packet::{Packet, PacketRefusal};

/// What discovery is started with.
pub struct Options {
    /// What this node says of itself.
    pub beacon: Beacon,
    /// Whether it is announced and looked for by DNS-SD.
    pub lan: bool,
    /// Whether it is announced and looked for by broadcast.
    pub broadcast: bool,
    /// The UDP port of the broadcast: [`crate::limits::LAN_BROADCAST_PORT`], but in tests.
    pub broadcast_port: u16,
    /// Spreads what several nodes would otherwise do at one time.
    pub seed: u64,
    /// Seconds since 1970 (UTC): a beacon expires by it.
    pub now: fn() -> u64,
    /// Milliseconds of a clock that only goes forward.
    pub ticks: fn() -> u64,
}

/// A node that was heard of; also one with this node's own key that says something else than this node
/// does now.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// What it says of itself, signed by it and not expired.
    pub beacon: Beacon,
    pub how: How,
    /// Where it was heard, with the port of its beacon. Nobody signed these.
    pub hints: Vec<SocketAddr>,
}

/// Told of every sighting: the first, every change, and a known node once in a while. It must not wait.
pub type Found = Arc<dyn Fn(Sighting) + Send + Sync>;

/// Why one of the two ways does not work; the other goes on.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    #[error("nodes are not looked for by DNS-SD: {0}")]
    Lan(#[from] mdns_sd::Error),
    #[error("nodes are not looked for by broadcast: UDP port {port} cannot be used")]
    Broadcast { port: u16, source: std::io::Error },
}

/// Discovery that is under way. It ends when this is dropped.
pub struct Discovery {
    lan: Option<lan::Lan>,
    broadcast: Option<broadcast::Broadcast>,
}

impl Discovery {
    /// Starts the ways that are wanted, inside a tokio runtime. What could not be started is said
    /// beside it.
    pub fn start(options: Options, found: Found) -> (Discovery, Vec<DiscoveryError>) {
        let mut errors = Vec::new();
        let mut keep = |error: DiscoveryError| errors.push(error);
        let lan = options.lan.then(|| lan::Lan::start(&options, found.clone()));
        let lan = lan.and_then(|lan| lan.map_err(&mut keep).ok());
        let broadcast = options.broadcast.then(|| broadcast::Broadcast::start(&options, found));
        let broadcast = broadcast.and_then(|broadcast| broadcast.map_err(&mut keep).ok());
        (Discovery { lan, broadcast }, errors)
    }

    /// Says something new of this node from now on, to everybody at once.
    pub fn set_beacon(&self, beacon: Beacon) {
        if let Some(broadcast) = &self.broadcast {
            broadcast.set_beacon(beacon.clone());
        }
        if let Some(lan) = &self.lan {
            lan.set_beacon(beacon);
        }
    }

    /// Ends it: nothing is said, heard or told any more.
    pub fn stop(self) {
        drop(self);
    }
}
