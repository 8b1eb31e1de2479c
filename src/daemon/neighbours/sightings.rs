//! The nodes that were heard of lately, so that a short beacon, which names none, can be found (D1).
//!
//! Bounded; the newest stay. How a node is heard of is not known here.

use std::{collections::VecDeque, net::SocketAddr};

use crate::{
    beacon::{Beacon, Short},
    key::PublicKey,
    limits::SIGHTINGS_MAX,
};

/// A node that was heard of.
#[derive(Clone, Debug)]
pub struct Seen {
    pub beacon: Beacon,
    /// Where else it was heard.
    pub hints: Vec<SocketAddr>,
}

/// Those heard of lately, the newest last.
#[derive(Clone, Debug, Default)]
pub struct Sightings(VecDeque<Seen>);

impl Sightings {
    /// A node was heard of.
    pub fn add(&mut self, seen: Seen) {
        self.0.retain(|known| known.beacon.key() != seen.beacon.key());
        self.0.push_back(seen);
        if self.0.len() > SIGHTINGS_MAX {
            self.0.pop_front();
        }
    }

    /// Where a node was heard of, if it was.
    pub fn of(&self, key: &PublicKey) -> Option<Vec<SocketAddr>> {
        self.0.iter().find(|seen| seen.beacon.key() == *key).map(Seen::addresses)
    }

    /// All that a short beacon may mean: 32 bits can be ground, so that it may be several.
    pub fn meant_by(&self, short: &Short) -> Vec<Seen> {
        self.0.iter().filter(|seen| short.matches(&seen.beacon.key())).cloned().collect()
    }
}

impl Seen {
    /// Where to try it: where it says that it is, then where it was heard.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let mut addresses = self.beacon.addresses().to_vec();
        addresses.extend(self.hints.iter().filter(|hint| !self.beacon.addresses().contains(hint)));
        addresses
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    fn seen(n: usize, address: &str) -> Seen {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&n.to_be_bytes());
        let beacon = Beacon::sign(&SecretKey::from_seed(&seed), &[address.parse().unwrap()], 9);
        Seen { beacon: beacon.unwrap(), hints: vec!["192.0.2.9:9".parse().unwrap()] }
    }

    #[test]
    fn a_short_beacon_finds_the_node_that_it_means_and_no_other() {
        let mut sightings = Sightings::default();
        (0..3).for_each(|n| sightings.add(seen(n, "192.0.2.1:7")));
        sightings.add(seen(1, "192.0.2.2:7"));
        let short = seen(1, "192.0.2.1:7").beacon.short();
        let found = sightings.meant_by(&short);
        assert_eq!(found.len(), 1);
        let at: Vec<String> = found[0].addresses().iter().map(ToString::to_string).collect();
        assert_eq!(at, ["192.0.2.2:7", "192.0.2.9:9"]);
        assert!(sightings.meant_by(&seen(7, "192.0.2.1:7").beacon.short()).is_empty());
    }

    #[test]
    fn only_the_newest_are_remembered() {
        let mut sightings = Sightings::default();
        (0..SIGHTINGS_MAX + 3).for_each(|n| sightings.add(seen(n, "192.0.2.1:7")));
        assert_eq!(sightings.0.len(), SIGHTINGS_MAX);
        assert!(sightings.meant_by(&seen(0, "192.0.2.1:7").beacon.short()).is_empty());
    }
}
