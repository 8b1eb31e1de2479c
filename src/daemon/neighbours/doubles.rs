//! Two nodes with one key, as a copied data directory makes them: each pushes the other off every connection,
//! and neither sees why.
//!
//! This node's own double is known by a beacon that this node's key signed and this node did not make, or by
//! peers that replace a connection although nothing replaced it here. A third node sees a connection
//! that is replaced again and again, from one place and the other in turns. Nobody else can sign such a
//! beacon; those of an earlier run end sooner than those of this one. Pure: times are arguments.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
};

use crate::{beacon::Beacon, key::PublicKey, limits::*};

/// What there is to see of it.
#[derive(Debug, Default)]
pub struct Doubles {
    /// The latest end of this node's beacons since it was started, in seconds since 1970, and where they
    /// said that it is.
    latest: u64,
    said: BTreeSet<SocketAddr>,
    own: Option<Double>,
    /// When peers let go of this node for another with its key, in ticks.
    pushed: VecDeque<u64>,
    others: BTreeMap<PublicKey, Comings>,
}

/// Another node that has this node's key.
#[derive(Debug)]
struct Double {
    at: Option<SocketAddr>,
    /// When it was heard last, in ticks.
    heard: u64,
}

/// Where a node came from, the newest place last.
#[derive(Debug, Default)]
struct Comings {
    places: VecDeque<SocketAddr>,
    /// Whether its last connection was replaced by another.
    is_replaced: bool,
    /// When it came back to a place by replacing a connection from another one, in ticks.
    returns: VecDeque<u64>,
    /// When it came last, in ticks.
    came: u64,
}

impl Doubles {
    /// This node says this of itself from now on.
    pub fn made(&mut self, beacon: &Beacon) {
        self.latest = self.latest.max(beacon.expires());
        if self.said.len() + beacon.addresses().len() > DOUBLE_ADDRESSES_MAX {
            self.said.clear();
        }
        self.said.extend(beacon.addresses());
    }

    /// A beacon of this node's key came from the network; `now` is in seconds since 1970. What is to be said,
    /// if it shows a double that was not known.
    pub fn heard(&mut self, beacon: &Beacon, now: u64, ticks: u64) -> Option<String> {
        let elsewhere = *beacon.addresses().iter().find(|at| !self.said.contains(at))?;
        let is_known = self.own_double(ticks).is_some();
        // Both may have been started in one second.
        let is_newer = beacon.expires() >= self.latest && beacon.check_time(now).is_ok();
        if !is_newer && !is_known {
            return None;
        }
        self.own = Some(Double { at: Some(elsewhere), heard: ticks });
        (!is_known).then(|| self.own_words(ticks)).flatten()
    }

    /// A peer let go of a connection because this node's key has another one with it. What is to be said,
    /// if that shows a double that was not known.
    pub fn pushed_off(&mut self, ticks: u64) -> Option<String> {
        let is_known = self.own_double(ticks).is_some();
        count(&mut self.pushed, DOUBLE_PUSHES, ticks);
        if self.pushed.len() < DOUBLE_PUSHES {
            return None;
        }
        let at = self.own_double(ticks).and_then(|double| double.at);
        self.own = Some(Double { at, heard: ticks });
        (!is_known).then(|| self.own_words(ticks)).flatten()
    }

    /// A connection with a node ended, perhaps since another took its place.
    pub fn left(&mut self, key: &PublicKey, is_replaced: bool) {
        if let Some(comings) = self.others.get_mut(key) {
            comings.is_replaced = is_replaced;
        }
    }

    /// A node came from this place. What is to be said, if that shows that there are two.
    pub fn came(&mut self, key: &PublicKey, at: SocketAddr, ticks: u64) -> Option<String> {
        if !self.others.contains_key(key) && self.others.len() >= DOUBLES_WATCHED_MAX {
            let oldest = self.others.iter().min_by_key(|(_, comings)| comings.came);
            let oldest = oldest.map(|(key, _)| *key);
            oldest.and_then(|oldest| self.others.remove(&oldest));
        }
        let comings = self.others.entry(*key).or_default();
        let before = comings.are_two(ticks);
        comings.come(at, ticks);
        (!before).then(|| comings.words(key, ticks)).flatten()
    }

    /// What is so now, in sentences.
    pub fn words(&self, ticks: u64) -> Vec<String> {
        let others = self.others.iter().filter_map(|(key, comings)| comings.words(key, ticks));
        self.own_words(ticks).into_iter().chain(others.take(DOUBLES_TOLD)).collect()
    }

    fn own_double(&self, ticks: u64) -> Option<&Double> {
        self.own.as_ref().filter(|double| is_lately(double.heard, ticks))
    }

    fn own_words(&self, ticks: u64) -> Option<String> {
        let double = self.own_double(ticks)?;
        let at = double.at.map_or(String::new(), |at| format!(" (at {at})"));
        Some(format!(
            "another node runs with this node's key{at}, and they push each other off: stop one of them, and \
             give it a key of its own: {OWN_KEY}"
        ))
    }
}

impl Comings {
    fn come(&mut self, at: SocketAddr, ticks: u64) {
        self.came = ticks;
        let is_replacing = std::mem::take(&mut self.is_replaced);
        if self.places.back() == Some(&at) {
            return;
        }
        if is_replacing && self.places.contains(&at) {
            count(&mut self.returns, DOUBLE_RETURNS, ticks);
        }
        self.places.retain(|place| *place != at);
        self.places.push_back(at);
        if self.places.len() > DOUBLE_PLACES_MAX {
            self.places.pop_front();
        }
    }

    fn are_two(&self, ticks: u64) -> bool {
        self.returns.len() >= DOUBLE_RETURNS
            && self.returns.back().is_some_and(|last| is_lately(*last, ticks))
    }

    fn words(&self, key: &PublicKey, ticks: u64) -> Option<String> {
        let mut newest = self.places.iter().rev();
        let (one, other) = (newest.next()?, newest.next()?);
        self.are_two(ticks).then(|| {
            format!(
                "two nodes run with the key {key} (at {one} and at {other}), and push each other off: one of \
                 them is to be stopped, and to be given a key of its own: {OWN_KEY}"
            )
        })
    }
}

/// How that is done.
const OWN_KEY: &str = "remove `node.key` from its data directory while it is stopped, and `djdns serve` makes another";

/// Counts one more, of those in the last while and at most so many.
fn count(times: &mut VecDeque<u64>, most: usize, ticks: u64) {
    times.push_back(ticks);
    times.retain(|time| is_lately(*time, ticks));
    while times.len() > most {
        times.pop_front();
    }
}

fn is_lately(time: u64, ticks: u64) -> bool {
    ticks.saturating_sub(time) <= DOUBLE_REMEMBERED.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    const NOW: u64 = 1_000_000;

    fn at(n: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, n], 31415))
    }

    fn beacon(n: u8, expires: u64) -> Beacon {
        Beacon::sign(&SecretKey::from_seed(&[1; 32]), &[at(n)], expires).unwrap()
    }

    fn later() -> u64 {
        DOUBLE_REMEMBERED.as_millis() as u64 + 1
    }

    #[test]
    fn a_beacon_that_only_another_node_can_have_made_shows_a_double() {
        let check = |n, expires, expect: bool| {
            let mut doubles = Doubles::default();
            doubles.made(&beacon(1, NOW + 1000));
            let said = doubles.heard(&beacon(n, expires), NOW, 0);
            assert_eq!(said.is_some(), expect, "{n} {expires}");
            assert_eq!(doubles.words(0).len(), usize::from(expect));
        };
        check(2, NOW + 1001, true);
        check(2, NOW + 1000, true);
        // What an earlier run of this node said, from wherever it was.
        check(2, NOW + 999, false);
        // Of a run whose clock was ahead.
        check(1, NOW + 1001, false);
        check(2, NOW + BEACON_LIFE_MAX.as_secs() + 1, false);
    }

    #[test]
    fn a_double_is_told_of_once_and_shown_for_as_long_as_it_is_heard() {
        let mut doubles = Doubles::default();
        doubles.made(&beacon(1, NOW));
        let said = doubles.heard(&beacon(2, NOW + 1), NOW, 0).unwrap();
        assert!(said.contains("(at 192.0.2.2:31415)") && said.contains("`node.key`"), "{said}");
        // It is heard as well once this node has said something newer.
        doubles.made(&beacon(1, NOW + 2));
        let almost = later() - 1;
        assert_eq!(doubles.heard(&beacon(2, NOW + 1), NOW, almost), None);
        assert_eq!(doubles.words(almost + almost).len(), 1);
        assert!(doubles.words(almost + later()).is_empty(), "it was stopped");
        assert_eq!(doubles.heard(&beacon(2, NOW + 1), NOW, almost + later()), None);
    }

    #[test]
    fn peers_that_let_go_for_another_again_show_a_double() {
        let mut doubles = Doubles::default();
        let said = (0..4).filter_map(|n| doubles.pushed_off(n * 30_000)).collect::<Vec<_>>();
        assert_eq!(said.len(), 1, "{said:?}");
        let mut rarely = Doubles::default();
        assert!((0..4).all(|n| rarely.pushed_off(n * later()).is_none()));
    }

    #[test]
    fn a_node_that_comes_from_two_places_in_turns_is_two() {
        let key = SecretKey::from_seed(&[2; 32]).public();
        let check = |places: &[u8], is_replaced, step: u64, expect: usize| {
            let mut doubles = Doubles::default();
            let mut said = Vec::new();
            for (n, place) in places.iter().enumerate() {
                said.extend(doubles.came(&key, at(*place), n as u64 * step));
                doubles.left(&key, is_replaced);
            }
            assert_eq!(said.len(), expect, "{places:?} {said:?}");
            assert_eq!(doubles.words(places.len() as u64 * step).len(), expect);
        };
        check(&[1, 2, 1, 2, 1, 2], true, 30_000, 1);
        // Back home at night; a line that ends again and again; a node that moves about.
        check(&[1, 2, 1, 2, 1, 2], true, later(), 0);
        check(&[1, 2, 1, 2, 1, 2], false, 30_000, 0);
        check(&[1, 1, 1, 1, 1, 1], true, 30_000, 0);
        check(&[1, 2, 3, 4, 5, 6], true, 30_000, 0);
        check(&[1, 2, 1, 3], true, 30_000, 0);
    }

    #[test]
    fn only_so_many_nodes_are_watched() {
        let mut doubles = Doubles::default();
        for n in 0..=DOUBLES_WATCHED_MAX {
            let key = SecretKey::from_seed(&[n as u8; 32]).public();
            doubles.came(&key, at(1), n as u64);
            assert!(doubles.others.len() <= DOUBLES_WATCHED_MAX);
        }
    }
}
