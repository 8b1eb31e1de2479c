//! Counting power: thresholds, eligibility, defeat (G2, G7, G8).
//!
//! Power is counted in units of a millionth, so that lending can split it fairly. Whose ballot
//! counts is decided elsewhere; here are only sums.

use super::operation::Track;
use crate::{
    limits::POWER_UNITS,
    page::genesis::{Parameters, Roster, reaches},
};

/// The sums for one operation, in units of a millionth of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    pub approve: u128,
    pub reject: u128,
    pub total: u128,
    /// Distinct keys that approved by their own ballot.
    pub approvers: u32,
}

impl Tally {
    /// Nobody has said anything yet.
    pub fn empty(roster: &Roster) -> Tally {
        let total = u128::from(roster.total()) * POWER_UNITS;
        Tally { approve: 0, reject: 0, total, approvers: 0 }
    }

    /// What neither approves nor rejects.
    pub fn abstain(&self) -> u128 {
        self.total - self.approve - self.reject
    }

    /// The least approving power, in units, that reaches the track's threshold (G2).
    pub fn needed(&self, track: Track, parameters: &Parameters) -> u128 {
        (self.total * u128::from(threshold_bp(track, parameters))).div_ceil(10_000)
    }

    /// Whether the operation counts, by power and voters (G8).
    pub fn is_eligible(&self, track: Track, parameters: &Parameters, participants: usize) -> bool {
        self.approve > self.reject
            && reaches(self.approve, threshold_bp(track, parameters), self.total)
            && self.approvers as usize >= voters_needed(parameters, participants)
    }

    /// Whether what was said so far excludes that it counts (G8).
    pub fn is_defeated(&self, track: Track, parameters: &Parameters) -> bool {
        let not_rejecting = self.total - self.reject;
        self.reject * 2 >= self.total
            || !reaches(not_rejecting, threshold_bp(track, parameters), self.total)
    }
}

/// How many distinct keys must approve: `min_voters`, but never more than there are (G1).
pub fn voters_needed(parameters: &Parameters, participants: usize) -> usize {
    (parameters.min_voters as usize).min(participants)
}

fn threshold_bp(track: Track, parameters: &Parameters) -> u16 {
    match track {
        Track::One => parameters.track1_bp,
        Track::Two => parameters.track2_bp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of so many participants with power 1 these approve, and these reject.
    fn tally(approve: u32, reject: u32, total: u128) -> Tally {
        let units = |power: u32| u128::from(power) * POWER_UNITS;
        let (approvers, total) = (approve, total * POWER_UNITS);
        Tally { approve: units(approve), reject: units(reject), total, approvers }
    }

    /// G8 accepts: two of five on Track 1, four of five on Track 2.
    /// G8 refuses: one less, a tie, and a lone voter however powerful.
    #[test]
    fn an_operation_is_eligible_from_its_threshold_on() {
        let check = |approve, reject, track, expect| {
            let tally = tally(approve, reject, 5);
            let eligible = tally.is_eligible(track, &Parameters::default(), 5);
            assert_eq!(eligible, expect, "{approve} {reject} {track:?}");
        };
        check(1, 0, Track::One, false);
        check(2, 0, Track::One, true);
        check(2, 1, Track::One, true);
        check(2, 2, Track::One, false);
        check(3, 0, Track::Two, false);
        check(4, 0, Track::Two, true);
        let lone = Tally { approvers: 1, ..tally(5, 0, 5) };
        assert!(!lone.is_eligible(Track::One, &Parameters::default(), 5));
        assert!(lone.is_eligible(Track::One, &Parameters::default(), 1));
    }

    #[test]
    fn an_operation_is_defeated_when_it_can_no_longer_pass() {
        let check = |reject, track, expect| {
            let defeated = tally(0, reject, 10).is_defeated(track, &Parameters::default());
            assert_eq!(defeated, expect, "{reject} {track:?}");
        };
        check(4, Track::One, false);
        check(5, Track::One, true);
        check(3, Track::Two, false);
        check(4, Track::Two, true);
    }

    #[test]
    fn the_power_needed_is_the_least_that_reaches() {
        let tally = tally(0, 0, 3);
        let needed = tally.needed(Track::One, &Parameters::default());
        assert!(reaches(needed, 3001, tally.total));
        assert!(!reaches(needed - 1, 3001, tally.total));
    }

    #[test]
    fn before_anybody_speaks_all_power_abstains() {
        let key = |n: u8| crate::key::SecretKey::from_seed(&[n; 32]).public();
        let rows = crate::page::roster_rows([(key(1), 2), (key(2), 3)]);
        let empty = Tally::empty(&Roster::admit(&rows).unwrap());
        assert_eq!((empty, empty.abstain()), (tally(0, 0, 5), 5 * POWER_UNITS));
    }
}
