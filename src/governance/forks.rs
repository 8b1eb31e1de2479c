//! Other histories of a page: seals that contradict those held, and what a person decided between them (T4).
//!
//! A seal is evidence where another one is held at its height. It stops the page until a person says which of
//! the two is the page's. That is remembered: from then on no other seal of that height stops the page. Whether
//! a seal is evidence is checked by whoever hands it in.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::seal::SealRecord;
use crate::{
    id::Id,
    limits::{DECISION_BYTES_MAX, FORKS_KEPT_MAX},
    page::codec::{self, CodecRefusal},
};

/// That a person decided for one of several seals of a height. It stays on the machine where it was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub height: u64,
    pub seal: Id,
    /// The seal that was held instead until then, which may be chosen again; [`Id::ZERO`]: none was.
    pub against: Id,
    /// The greatest height at which the page stood when seals of it went, for this decision or one before; 0: none
    /// went.
    pub stood: u64,
}

/// What is known of other histories of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forks {
    /// One that a person decided for may be among them, until it is held and afterwards.
    records: Vec<SealRecord>,
    /// What a person decided, by height.
    decided: BTreeMap<u64, Decision>,
}

impl Decision {
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a decision.
    ///
    /// # Errors
    /// [`CodecRefusal`]: these bytes are none.
    pub fn decode(bytes: &[u8]) -> Result<Decision, CodecRefusal> {
        codec::decode(bytes, DECISION_BYTES_MAX)
    }
}

impl Forks {
    /// Keeps a seal as evidence, unless it is kept already. Returns whether that is new. Whoever can make one
    /// can make many, and one says it all: so there are at most [`FORKS_KEPT_MAX`] that nobody has decided on,
    /// and as many of each height that somebody has.
    pub fn keep(&mut self, record: &SealRecord) -> bool {
        let decided = self.decided.get(&record.seal.height);
        let counts_with = |kept: &&SealRecord| match decided {
            Some(_) => kept.seal.height == record.seal.height,
            None => !self.decided.contains_key(&kept.seal.height),
        };
        let is_full = self.records.iter().filter(counts_with).count() >= FORKS_KEPT_MAX;
        if is_full || self.record(&record.seal.id()).is_some() {
            return false;
        }
        self.records.push(record.clone());
        true
    }

    /// Takes a record in that was kept before.
    pub fn restore(&mut self, record: SealRecord) {
        if self.record(&record.seal.id()).is_none() {
            self.records.push(record);
        }
    }

    /// Remembers what a person decided, in place of what was decided on that height before.
    pub fn decide(&mut self, decision: Decision) {
        self.decided.insert(decision.height, decision);
    }

    /// All that is kept, those that a person decided for among it.
    pub fn records(&self) -> &[SealRecord] {
        &self.records
    }

    /// The record of a seal, if it is kept.
    pub fn record(&self, seal: &Id) -> Option<&SealRecord> {
        self.records.iter().find(|record| record.seal.id() == *seal)
    }

    /// All evidence, also where a person has decided for another seal.
    pub fn evidence(&self) -> impl Iterator<Item = &SealRecord> {
        let is_other =
            |record: &&SealRecord| self.decided(record.seal.height) != Some(&record.seal.id());
        self.records.iter().filter(is_other)
    }

    /// The evidence on which nobody has decided: it stops the page, and is spread.
    pub fn open(&self) -> impl Iterator<Item = &SealRecord> {
        self.records.iter().filter(|record| !self.decided.contains_key(&record.seal.height))
    }

    /// The evidence on which nobody has decided, of the lowest height.
    pub fn lowest(&self) -> Option<&SealRecord> {
        self.open().min_by_key(|record| record.seal.height)
    }

    /// Whether the page is stopped by evidence.
    pub fn is_open(&self) -> bool {
        self.open().next().is_some()
    }

    /// Whether a seal is kept as evidence.
    pub fn has(&self, seal: &Id) -> bool {
        self.evidence().any(|record| record.seal.id() == *seal)
    }

    /// The seal that a person decided for at a height.
    pub fn decided(&self, height: u64) -> Option<&Id> {
        self.decided.get(&height).map(|decision| &decision.seal)
    }

    /// All that was decided, from the lowest height on.
    pub fn decisions(&self) -> impl Iterator<Item = Decision> {
        self.decided.values().copied()
    }

    /// What was decided on heights above one and up to another, and is not among the seals that somebody shows.
    pub fn missing(&self, from: u64, to: u64, shown: &HashSet<Id>) -> Option<Decision> {
        let passed =
            self.decided.values().filter(|decision| (from + 1..=to).contains(&decision.height));
        passed.copied().find(|decision| !shown.contains(&decision.seal))
    }

    /// Whether a seal may be taken in: no person decided for another one of its height.
    pub fn allow(&self, height: u64, seal: &Id) -> bool {
        self.decided(height).is_none_or(|decided| decided == seal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::seal::{Certificate, Contents, Seal};

    /// A seal of a height; of one height there may be many.
    fn seal(height: u64, n: u64) -> SealRecord {
        let contents = Contents::default();
        let seal = Seal {
            page: Id::ZERO,
            height,
            previous: Id::ZERO,
            time: n,
            contents: contents.root(),
            state_root: Id::ZERO,
        };
        SealRecord { seal, contents, certificate: Certificate::default() }
    }

    fn decision(height: u64, seal: Id) -> Decision {
        Decision { height, seal, against: Id::ZERO, stood: 0 }
    }

    /// T4 accepts: evidence stops a page until a person decides, and other evidence of that height no more.
    /// T4 refuses: to let a decision on one height stand for another.
    #[test]
    fn a_decision_is_of_its_height_and_lasts() {
        let mut forks = Forks::default();
        let (held, other) = (seal(4, 0).seal.id(), seal(4, 1));
        assert!(forks.keep(&other) && !forks.keep(&other));
        assert!(forks.is_open() && forks.allow(4, &held) && forks.allow(4, &other.seal.id()));
        forks.decide(decision(4, held));
        assert!(!forks.is_open());
        assert!(forks.allow(4, &held) && !forks.allow(4, &other.seal.id()));
        assert!(forks.keep(&seal(4, 2)), "it is kept all the same");
        assert!(!forks.is_open());
        assert!(forks.keep(&seal(9, 1)) && forks.keep(&seal(7, 1)));
        assert_eq!(forks.lowest(), Some(&seal(7, 1)));
        assert_eq!(forks.evidence().count(), 4);
        forks.decide(decision(4, other.seal.id()));
        assert!(!forks.allow(4, &held) && forks.allow(4, &other.seal.id()));
        assert!(!forks.has(&other.seal.id()), "it is the page's now");
        assert_eq!(forks.record(&other.seal.id()), Some(&other));
    }

    #[test]
    fn whoever_leads_over_a_decision_must_show_its_seal() {
        let mut forks = Forks::default();
        let [ours, other] = [seal(4, 0), seal(4, 1)].map(|record| record.seal.id());
        forks.decide(decision(4, ours));
        let check = |from: u64, to: u64, shown: &[Id], expect: bool| {
            let shown = shown.iter().copied().collect();
            assert_eq!(forks.missing(from, to, &shown).is_none(), expect, "{from} {to}");
        };
        check(3, 9, &[], false);
        check(3, 4, &[other], false);
        check(3, 4, &[other, ours], true);
        check(4, 9, &[other], true);
        check(0, 3, &[], true);
    }

    #[test]
    fn what_was_decided_on_leaves_room_for_what_was_not() {
        let mut forks = Forks::default();
        let mut fill = |height: u64| {
            (0..20).filter(|n| forks.keep(&seal(height, *n))).count() == FORKS_KEPT_MAX
        };
        assert!(fill(1));
        assert!(!fill(2));
        forks.decide(decision(1, Id::ZERO));
        let kept = (0..20).filter(|n| forks.keep(&seal(1, 100 + n))).count();
        assert_eq!(kept, 0, "as many of a decided height");
        assert!((0..20).filter(|n| forks.keep(&seal(2, *n))).count() == FORKS_KEPT_MAX);
        assert_eq!(forks.open().count(), FORKS_KEPT_MAX);
    }
}
