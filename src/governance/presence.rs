//! Presence: which node seals for a participant, and whom it lends its power to (G6).
//!
//! Only the shape of one statement is known here. How lent power flows is [`super::flow`]'s.

use serde::{Deserialize, Serialize};

use crate::{
    id::Id,
    key::{KeyRefusal, PublicKey, RawKey},
    limits::{BASIS_POINTS, LENDING_ROWS_MAX, PRESENCE_BEACON_BYTES_MAX, PRESENCE_BEACONS_MAX},
};

/// A presence as its participant signs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    pub participant: RawKey,
    /// The operation by which it takes part; none for a founder. Who left and came back begins anew:
    /// what was said before it left must not count again.
    pub joined_by: Vec<Id>,
    /// The participant's own count; the highest counts.
    pub sequence: u64,
    /// The node that seals for this seat, or none.
    pub node: Vec<RawKey>,
    /// Where that node is.
    pub beacons: Vec<String>,
    /// Offline for voting: whom the ballot power goes to, in basis points of it; sorted by key.
    pub away: Vec<(RawKey, u16)>,
    /// When being away ends, in seal time, seconds since 1970 (UTC); 0: not by itself.
    pub until: u64,
}

/// Why a presence says nothing that could hold (G6).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PresenceRefusal {
    #[error("a participant joined once or never, not {0} times")]
    ManyJoinings(usize),
    #[error("a seat has one node or none, not {0}")]
    ManyNodes(usize),
    #[error("the node's key: {0}")]
    Node(KeyRefusal),
    #[error("{0} beacons are more than {PRESENCE_BEACONS_MAX}")]
    ManyBeacons(usize),
    #[error("a beacon of {0} bytes is longer than {PRESENCE_BEACON_BYTES_MAX}")]
    LongBeacon(usize),
    #[error("power is lent to {0} delegates, more than {LENDING_ROWS_MAX}")]
    ManyDelegates(usize),
    #[error("the delegates are not sorted by key, or one appears twice")]
    NotSorted,
    #[error("nobody can lend power to themselves")]
    ToSelf,
    #[error("a delegate's share of 0 lends nothing: leave it out")]
    NoShare,
    #[error("{} % is lent, more than all of it", *.0 as f64 / 100.0)]
    OverAll(u32),
    #[error("there is an end of being away, but nobody is lent to")]
    EndOfNothing,
}

impl Presence {
    /// A presence of a founder that says nothing yet: no node, and not away.
    pub fn new(participant: RawKey, sequence: u64) -> Presence {
        let (joined_by, node, beacons, away) = Default::default();
        Presence { participant, joined_by, sequence, node, beacons, away, until: 0 }
    }

    /// Checks what can be checked without a page.
    ///
    /// # Errors
    /// The first [`PresenceRefusal`] found.
    pub fn check(&self) -> Result<(), PresenceRefusal> {
        use PresenceRefusal::*;
        if self.joined_by.len() > 1 {
            return Err(ManyJoinings(self.joined_by.len()));
        }
        if self.node.len() > 1 {
            return Err(ManyNodes(self.node.len()));
        }
        self.node.iter().try_for_each(|node| PublicKey::admit(*node).map(drop)).map_err(Node)?;
        if self.beacons.len() > PRESENCE_BEACONS_MAX {
            return Err(ManyBeacons(self.beacons.len()));
        }
        let long = self.beacons.iter().find(|beacon| beacon.len() > PRESENCE_BEACON_BYTES_MAX);
        if let Some(beacon) = long {
            return Err(LongBeacon(beacon.len()));
        }
        self.check_lending()
    }

    fn check_lending(&self) -> Result<(), PresenceRefusal> {
        use PresenceRefusal::*;
        if self.away.len() > LENDING_ROWS_MAX {
            return Err(ManyDelegates(self.away.len()));
        }
        if !self.away.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(NotSorted);
        }
        if self.away.iter().any(|(delegate, _)| *delegate == self.participant) {
            return Err(ToSelf);
        }
        if self.away.iter().any(|(_, share)| *share == 0) {
            return Err(NoShare);
        }
        let lent: u32 = self.away.iter().map(|(_, share)| u32::from(*share)).sum();
        if lent > u32::from(BASIS_POINTS) {
            return Err(OverAll(lent));
        }
        if self.until != 0 && self.away.is_empty() {
            return Err(EndOfNothing);
        }
        Ok(())
    }

    /// Whether its power is lent while the newest seal is of this time (G10).
    pub fn lends_at(&self, seal_time: u64) -> bool {
        !self.away.is_empty() && (self.until == 0 || seal_time < self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    fn key(n: u8) -> RawKey {
        SecretKey::from_seed(&[n; 32]).public().raw()
    }

    fn away(rows: &[(RawKey, u16)]) -> Presence {
        Presence { away: rows.to_vec(), ..Presence::new(key(1), 1) }
    }

    fn sorted(mut keys: Vec<RawKey>) -> Vec<RawKey> {
        keys.sort_unstable();
        keys
    }

    /// G6 accepts: a node, several delegates, all of the power or a part of it, an end.
    /// G6 refuses: lending to oneself, twice to one, nothing, or more than all.
    #[test]
    fn power_is_lent_to_others_each_once_and_never_more_than_all() {
        use PresenceRefusal::*;
        let [a, b] = sorted(vec![key(2), key(3)])[..] else { unreachable!() };
        let check = |presence: &Presence, expect| assert_eq!(presence.check().err(), expect);
        check(&away(&[]), None);
        check(&away(&[(a, 6000), (b, 4000)]), None);
        check(&away(&[(a, 1)]), None);
        check(&Presence { until: 9, ..away(&[(a, 1)]) }, None);
        check(&Presence { node: vec![key(9)], ..away(&[]) }, None);
        check(&away(&[(b, 1), (a, 1)]), Some(NotSorted));
        check(&away(&[(a, 1), (a, 1)]), Some(NotSorted));
        check(&away(&[(key(1), 1)]), Some(ToSelf));
        check(&away(&[(a, 0)]), Some(NoShare));
        check(&away(&[(a, 6000), (b, 4001)]), Some(OverAll(10_001)));
        check(&Presence { until: 9, ..away(&[]) }, Some(EndOfNothing));
        check(&Presence { node: vec![key(8), key(9)], ..away(&[]) }, Some(ManyNodes(2)));
        check(&Presence { joined_by: vec![Id::ZERO], ..away(&[]) }, None);
        check(&Presence { joined_by: vec![Id::ZERO; 2], ..away(&[]) }, Some(ManyJoinings(2)));
        let weak = RawKey([0; 32]);
        check(&Presence { node: vec![weak], ..away(&[]) }, Some(Node(KeyRefusal::Weak)));
    }

    #[test]
    fn the_rows_and_beacons_of_a_presence_are_limited() {
        use PresenceRefusal::*;
        let delegates = |n: usize| {
            let keys = sorted((2..).take(n).map(key).collect());
            away(&keys.iter().map(|key| (*key, 1)).collect::<Vec<_>>()).check().err()
        };
        assert_eq!(delegates(LENDING_ROWS_MAX - 1), None);
        assert_eq!(delegates(LENDING_ROWS_MAX), None);
        assert_eq!(delegates(LENDING_ROWS_MAX + 1), Some(ManyDelegates(LENDING_ROWS_MAX + 1)));
        let beacons = |count: usize, len: usize| {
            Presence { beacons: vec!["x".repeat(len); count], ..away(&[]) }.check().err()
        };
        let (most, long) = (PRESENCE_BEACONS_MAX, PRESENCE_BEACON_BYTES_MAX);
        assert_eq!(beacons(most - 1, long - 1), None);
        assert_eq!(beacons(most, long), None);
        assert_eq!(beacons(most + 1, 1), Some(ManyBeacons(most + 1)));
        assert_eq!(beacons(1, long + 1), Some(LongBeacon(long + 1)));
    }

    #[test]
    fn being_away_ends_with_the_seal_of_its_time() {
        let presence = Presence { until: 100, ..away(&[(key(2), 10_000)]) };
        assert_eq!([99, 100, 101].map(|time| presence.lends_at(time)), [true, false, false]);
        assert!(Presence { until: 0, ..presence }.lends_at(u64::MAX));
        assert!(!away(&[]).lends_at(0));
    }
}
