//! What comes in from the local network, by either way: few enough signatures are checked, and few
//! enough nodes remembered, that nobody there can exhaust this one (D2, N6).
//!
//! Pure: the time is an argument. Where bytes came from is known here only as an address to count by.

use std::{collections::BTreeMap, net::IpAddr};

use crate::{beacon::Beacon, id::Id, key::PublicKey, limits::*};

/// Remembers who was heard lately.
pub struct Intake {
    me: PublicKey,
    /// By the hash of a beacon's bytes: one that is known is not checked again.
    heard: BTreeMap<Id, Heard>,
    sources: BTreeMap<IpAddr, Allowance>,
    everybody: Allowance,
}

struct Heard {
    beacon: Beacon,
    /// When it was heard last, and when it was told of last.
    at: u64,
    told: u64,
}

/// How many signatures may be checked now: refilled by the second, up to one second's worth.
struct Allowance {
    left: u64,
    at: u64,
}

/// What came of some bytes.
#[derive(Debug, PartialEq)]
pub enum Taken {
    /// No beacon, one that has expired or was replaced, or too many of them.
    Refused,
    /// Of this node's own key: its own, or that of another node that has its key.
    Own(Beacon),
    /// Heard before; told of again if that is long ago.
    Known(Option<Beacon>),
    /// A node not heard lately, or one that says something new.
    New(Beacon),
}

impl Intake {
    pub fn new(me: PublicKey) -> Intake {
        let everybody = Allowance { left: LAN_CHECKED_PER_SECOND_MAX, at: 0 };
        Intake { me, heard: BTreeMap::new(), sources: BTreeMap::new(), everybody }
    }

    /// Nodes that are remembered.
    pub fn len(&self) -> usize {
        self.heard.len()
    }

    /// Takes the bytes of a beacon. `source` is who sent them, if that is known; `now` is in seconds since
    /// 1970, `ticks` in milliseconds.
    pub fn take(&mut self, bytes: &[u8], source: Option<IpAddr>, now: u64, ticks: u64) -> Taken {
        if bytes.len() > BEACON_BYTES_MAX {
            return Taken::Refused;
        }
        let digest = Id::hash(&[bytes]);
        if let Some(heard) = self.heard.get_mut(&digest) {
            return heard.again(now, ticks);
        }
        if !self.may_check(source, ticks) {
            return Taken::Refused;
        }
        match Beacon::admit(bytes) {
            Ok(beacon) if beacon.key() == self.me => Taken::Own(beacon),
            Ok(beacon) if !beacon.is_expired(now) => self.learn(digest, beacon, now, ticks),
            _ => Taken::Refused,
        }
    }

    /// Remembers a beacon, and forgets an older one of its node; of too many the one heard longest ago.
    fn learn(&mut self, digest: Id, beacon: Beacon, now: u64, ticks: u64) -> Taken {
        // One dated further ahead than any may be, by a clock that was wrong once, hides none.
        let rank = |beacon: &Beacon| (beacon.check_time(now).is_ok(), beacon.expires());
        let same = self.heard.iter().find(|(_, heard)| heard.beacon.key() == beacon.key());
        let same = same.map(|(digest, heard)| (*digest, rank(&heard.beacon)));
        if let Some((old, held)) = same {
            // Somebody repeats what its node has said before.
            if held > rank(&beacon) {
                return Taken::Refused;
            }
            self.heard.remove(&old);
        }
        if self.heard.len() >= LAN_NEIGHBOURS_MAX {
            let oldest = self.heard.iter().min_by_key(|(_, heard)| heard.at);
            let oldest = oldest.map(|(digest, _)| *digest);
            oldest.and_then(|oldest| self.heard.remove(&oldest));
        }
        self.heard.insert(digest, Heard { beacon: beacon.clone(), at: ticks, told: ticks });
        Taken::New(beacon)
    }

    /// Whether one more signature may be checked, of this source and in all.
    fn may_check(&mut self, source: Option<IpAddr>, ticks: u64) -> bool {
        let Some(source) = source else {
            return self.everybody.spend(LAN_CHECKED_PER_SECOND_MAX, ticks);
        };
        if !self.sources.contains_key(&source) && self.sources.len() >= LAN_SOURCES_MAX {
            let oldest = self.sources.iter().min_by_key(|(_, allowance)| allowance.at);
            let oldest = oldest.map(|(source, _)| *source);
            oldest.and_then(|oldest| self.sources.remove(&oldest));
        }
        let full = Allowance { left: LAN_CHECKED_PER_SOURCE_MAX, at: ticks };
        let allowance = self.sources.entry(source).or_insert(full);
        allowance.spend(LAN_CHECKED_PER_SOURCE_MAX, ticks)
            && self.everybody.spend(LAN_CHECKED_PER_SECOND_MAX, ticks)
    }
}

impl Heard {
    fn again(&mut self, now: u64, ticks: u64) -> Taken {
        if self.beacon.is_expired(now) {
            return Taken::Refused;
        }
        self.at = ticks;
        let is_due = ticks >= self.told.saturating_add(LAN_TOLD_AGAIN.as_millis() as u64);
        if is_due {
            self.told = ticks;
        }
        Taken::Known(is_due.then(|| self.beacon.clone()))
    }
}

impl Allowance {
    /// Takes one of at most `per_second`, if any is left.
    fn spend(&mut self, per_second: u64, ticks: u64) -> bool {
        let refill = ticks.saturating_sub(self.at).saturating_mul(per_second) / 1000;
        if refill > 0 {
            self.left = self.left.saturating_add(refill).min(per_second);
            self.at = ticks;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    fn key(n: u32) -> SecretKey {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&n.to_be_bytes());
        SecretKey::from_seed(&seed)
    }

    fn beacon(n: u32, expires: u64) -> Beacon {
        Beacon::sign(&key(n), &["192.0.2.1:31415".parse().unwrap()], expires).unwrap()
    }

    fn intake() -> Intake {
        Intake::new(key(0).public())
    }

    /// D2 accepts: a signed beacon of another node, and a newer one of the same.
    /// D2 refuses: no beacon, an expired one, one that its node has replaced, this node's own.
    #[test]
    fn a_beacon_is_taken_once_and_again_when_it_says_something_new() {
        let mut intake = intake();
        let (first, newer) = (beacon(1, 1000), beacon(1, 2000));
        let mut check = |bytes: &[u8], now, ticks, expect| {
            assert_eq!(intake.take(bytes, None, now, ticks), expect);
        };
        check(first.bytes(), 0, 0, Taken::New(first.clone()));
        check(first.bytes(), 0, 1, Taken::Known(None));
        let later = LAN_TOLD_AGAIN.as_millis() as u64;
        check(first.bytes(), 0, later, Taken::Known(Some(first.clone())));
        check(newer.bytes(), 0, later, Taken::New(newer.clone()));
        check(first.bytes(), 0, later, Taken::Refused);
        check(newer.bytes(), 2000, later, Taken::Refused);
        check(beacon(2, 1000).bytes(), 2000, later, Taken::Refused);
        check(beacon(0, 1000).bytes(), 0, later, Taken::Own(beacon(0, 1000)));
        check(b"", 0, later, Taken::Refused);
        check(&[0; BEACON_BYTES_MAX + 1], 0, later, Taken::Refused);
        let mut forged = beacon(3, 1000).bytes().to_vec();
        *forged.last_mut().unwrap() ^= 1;
        check(&forged, 0, later, Taken::Refused);
    }

    #[test]
    fn of_too_many_nodes_the_one_heard_longest_ago_is_forgotten() {
        let mut intake = intake();
        let most = LAN_NEIGHBOURS_MAX as u32;
        for n in 1..=most + 1 {
            let (beacon, ticks) = (beacon(n, 1000), u64::from(n) * 1000);
            assert_eq!(intake.take(beacon.bytes(), None, 0, ticks), Taken::New(beacon));
            assert_eq!(intake.len(), LAN_NEIGHBOURS_MAX.min(n as usize));
        }
        let ticks = u64::from(most) * 2000;
        assert_eq!(intake.take(beacon(2, 1000).bytes(), None, 0, ticks), {
            Taken::Known(Some(beacon(2, 1000)))
        });
        assert_eq!(intake.take(beacon(1, 1000).bytes(), None, 0, ticks), {
            Taken::New(beacon(1, 1000))
        });
    }

    #[test]
    fn one_source_cannot_have_more_signatures_checked_than_its_share() {
        let mut intake = intake();
        let (loud, quiet) = ("192.0.2.66".parse().ok(), "192.0.2.7".parse().ok());
        let share = LAN_CHECKED_PER_SOURCE_MAX;
        let taken = |intake: &mut Intake, n, source, ticks| {
            intake.take(beacon(n, 1000).bytes(), source, 0, ticks) != Taken::Refused
        };
        let count = (1..1000).filter(|n| taken(&mut intake, *n, loud, 0)).count();
        assert_eq!(count as u64, share);
        assert!(taken(&mut intake, 1001, quiet, 0));
        // Bytes that are no beacon count as well.
        let mut garbage = |n: u8| intake.take(&[n; 100], quiet, 0, 0);
        assert!((0..200).all(|n| garbage(n) == Taken::Refused));
        assert!(!taken(&mut intake, 1002, quiet, 0));
        assert!(taken(&mut intake, 1002, quiet, 1000));
    }

    #[test]
    fn many_sources_share_what_is_checked_in_all_and_are_not_remembered_for_long() {
        let mut intake = intake();
        let garbage = |intake: &mut Intake, n: u32| {
            intake.take(&n.to_be_bytes(), Some(IpAddr::from(n.to_be_bytes())), 0, 0)
        };
        (0..10_000).for_each(|n| assert_eq!(garbage(&mut intake, n), Taken::Refused));
        assert_eq!(intake.sources.len(), LAN_SOURCES_MAX);
        let honest = beacon(1, 1000);
        let source = "192.0.2.7".parse().ok();
        assert_eq!(intake.take(honest.bytes(), source, 0, 0), Taken::Refused);
        assert_eq!(intake.take(honest.bytes(), source, 0, 1000), Taken::New(honest));
    }
}
