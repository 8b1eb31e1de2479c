//! What a page remembers of its past: seals that operations may name, and how operations ended.
//!
//! Windows are measured in seal time (G10). Nothing here decides what is open; it only tells what
//! is no longer, so that nothing ends without a word.

use imbl::{OrdMap, OrdSet, Vector};

use super::tally::Tally;
use crate::{
    id::{Id, Kind},
    key::PublicKey,
    limits::{CLOSED_KEPT_MAX, OPERATION_LIFE, USED_SLOTS_KEPT_MAX},
    page::{Head, Page},
};

/// How an operation ended (G10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Outcome {
    #[error("it was sealed at height {0}")]
    Sealed(u64),
    #[error("it was superseded at height {height}: {by} was sealed in its place")]
    Superseded { height: u64, by: Id },
    #[error("it expired at height {0}: 30 days of seal time had passed since the seal it names")]
    Expired(u64),
    #[error("its author takes part no longer, since height {0}")]
    AuthorGone(u64),
    #[error("it cannot count under the participants and parameters of height {0}")]
    Impossible(u64),
}

/// A slot of an author for operations or for batches, and the seal that what was put there names.
type Used = (Id, PublicKey, Kind, u32);

/// An operation that ended, and what had been said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    pub outcome: Outcome,
    /// Whose operation it was, where that was known here; of a batch none.
    pub author: Option<PublicKey>,
    /// Of a batch none: each of its operations has its own.
    pub tally: Option<Tally>,
}

/// The past of a page, as far as it still matters.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// The newest seal, and those that an operation may still name as its base.
    seals: OrdMap<Id, Head>,
    by_time: OrdSet<(u64, Id)>,
    /// Who came to take part under which of these seals, by its time.
    joined: OrdMap<PublicKey, u64>,
    /// What `open_operations_max` was until which of these seals, where that was changed.
    slots_until: OrdMap<u64, u32>,
    /// Which slots authors used under which of these seals, the newest [`USED_SLOTS_KEPT_MAX`], in order.
    used: OrdSet<Used>,
    used_order: Vector<Used>,
    /// How operations and batches ended, the newest [`CLOSED_KEPT_MAX`].
    closed: OrdMap<Id, Ended>,
    order: Vector<Id>,
}

impl Past {
    /// The past of a page with only this seal.
    pub fn new(head: Head) -> Past {
        let mut past = Past::default();
        past.seal(head);
        past
    }

    /// Remembers a new seal, and forgets those that no open operation can name any more.
    pub fn seal(&mut self, head: Head) {
        self.seals.insert(head.seal, head);
        self.by_time.insert((head.time, head.seal));
        while let Some((time, seal)) = self.by_time.get_min().copied() {
            if !has_expired(time, head.time) {
                break;
            }
            self.by_time.remove(&(time, seal));
            self.seals.remove(&seal);
        }
    }

    /// Remembers what a seal changed of who takes part and by which rules.
    pub fn note_order(&mut self, before: &Page, after: &Page) {
        let time = after.head().time;
        let is_new = |key: &PublicKey| before.roster().power(key).is_none();
        let new = after.roster().iter().filter(|(key, _)| is_new(key));
        let known = self.joined.iter().filter(|(_, joined)| !has_expired(**joined, time));
        self.joined = known.map(|(key, joined)| (*key, *joined)).collect();
        self.joined.extend(new.map(|(key, _)| (*key, time)));
        let [max, now] = [before, after].map(|page| page.parameters().open_operations_max);
        if max != now {
            let known = self.slots_until.iter().filter(|(until, _)| !has_expired(**until, time));
            self.slots_until = known.map(|(until, max)| (*until, *max)).collect();
            self.slots_until.insert(time, max);
        }
    }

    /// Remembers that somebody came to take part under the seal of this time.
    pub fn note_joined(&mut self, key: PublicKey, time: u64) {
        self.joined.insert(key, time);
    }

    /// Remembers what `open_operations_max` was until the seal of this time.
    pub fn note_slots(&mut self, until: u64, max: u32) {
        self.slots_until.insert(until, max);
    }

    /// Remembers what an earlier past knew of how things ended, as older than all that is known here.
    pub fn remember(&mut self, earlier: &Past) {
        for (base, author, kind, slot) in &earlier.used_order {
            self.note_used(*base, *author, *kind, *slot);
        }
        let (mut newer, mut closed) = (Vector::new(), OrdMap::new());
        std::mem::swap(&mut self.order, &mut newer);
        std::mem::swap(&mut self.closed, &mut closed);
        for (past, order) in [(&earlier.closed, &earlier.order), (&closed, &newer)] {
            for id in order {
                if let Some(ended) = past.get(id) {
                    let known = self.closed.get(id).copied();
                    self.note(*id, known.unwrap_or(*ended));
                }
            }
        }
    }

    /// Whether this participant took part under every seal from that of `base_time` on. What an
    /// author said before it left has ended, also for a copy that hears of it after the author came
    /// back (G10).
    pub fn takes_part_since(&self, author: &PublicKey, base_time: u64) -> bool {
        self.joined.get(author).is_none_or(|joined| *joined <= base_time)
    }

    /// The least `open_operations_max` under every seal from that of `base_time` on; `now` is that
    /// of the newest (G10).
    pub fn slots_since(&self, base_time: u64, now: u32) -> u32 {
        let past = self.slots_until.iter().filter(|(until, _)| **until > base_time);
        past.map(|(_, max)| *max).fold(now, u32::min)
    }

    /// The time of a seal, if an operation may still name it.
    pub fn time(&self, seal: &Id) -> Option<u64> {
        Some(self.seals.get(seal)?.time)
    }

    /// The newest seal that is not of after `due`, if what this author bases on it counts as what it bases
    /// on the newest.
    pub fn due(&self, author: &PublicKey, due: u64) -> Option<Id> {
        let (time, seal) = self.by_time.range(..=(due, Id::from_bytes([0xff; 32]))).next_back()?;
        let is_same = self.slots_until.keys().all(|until| until <= time);
        (is_same && self.takes_part_since(author, *time)).then_some(*seal)
    }

    /// A seal of this page, as far back as an operation may still name it.
    pub fn head(&self, seal: &Id) -> Option<Head> {
        self.seals.get(seal).copied()
    }

    /// All of these, in no meaningful order.
    pub fn heads(&self) -> impl Iterator<Item = Head> {
        self.seals.values().copied()
    }

    /// Remembers that something was put into a slot of this author under this seal.
    pub fn note_used(&mut self, base: Id, author: PublicKey, kind: Kind, slot: u32) {
        let used = (base, author, kind, slot);
        if self.used.insert(used).is_some() {
            return;
        }
        self.used_order.push_back(used);
        while self.used_order.len() > USED_SLOTS_KEPT_MAX {
            if let Some(oldest) = self.used_order.pop_front() {
                self.used.remove(&oldest);
            }
        }
    }

    /// Whether something was put there, as far as that is remembered, be it open or ended.
    pub fn is_used(&self, base: Id, author: PublicKey, kind: Kind, slot: u32) -> bool {
        self.used.contains(&(base, author, kind, slot))
    }

    /// Remembers how an operation ended, of which nothing else is known, or a batch.
    pub fn close(&mut self, id: Id, outcome: Outcome) {
        self.note(id, Ended { outcome, author: None, tally: None });
    }

    /// The same, with what is known of it.
    pub fn note(&mut self, id: Id, ended: Ended) {
        if self.closed.insert(id, ended).is_none() {
            self.order.push_back(id);
        }
        while self.order.len() > CLOSED_KEPT_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.closed.remove(&oldest);
            }
        }
    }

    /// How an operation or batch ended, if it did and that is still remembered.
    pub fn outcome(&self, id: &Id) -> Option<Outcome> {
        Some(self.closed.get(id)?.outcome)
    }

    /// How an operation or batch ended, with its last tally.
    pub fn ended(&self, id: &Id) -> Option<Ended> {
        self.closed.get(id).copied()
    }

    /// What has ended, newest first.
    pub fn closed(&self) -> impl Iterator<Item = (&Id, Ended)> {
        self.order.iter().rev().filter_map(|id| Some((id, self.ended(id)?)))
    }
}

/// Whether what was based on a seal of this time has expired under a newest seal of that (G10).
pub fn has_expired(base_time: u64, seal_time: u64) -> bool {
    seal_time.saturating_sub(base_time) >= OPERATION_LIFE.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(height: u64, time: u64) -> Head {
        Head { height, seal: Id::hash(&[&height.to_be_bytes()]), time }
    }

    #[test]
    fn a_seal_may_be_named_for_thirty_days_of_seal_time() {
        let life = OPERATION_LIFE.as_secs();
        let mut past = Past::new(head(0, 100));
        past.seal(head(1, 100 + life - 1));
        assert_eq!(past.time(&head(0, 0).seal), Some(100));
        past.seal(head(2, 100 + life));
        assert_eq!(past.time(&head(0, 0).seal), None);
        assert_eq!(past.time(&head(1, 0).seal), Some(99 + life));
        assert_eq!([99, 100, 101].map(|now| has_expired(100, now + life)), [false, true, true]);
    }

    #[test]
    fn what_ended_is_remembered_up_to_a_limit() {
        let id = |n: usize| Id::hash(&[&n.to_be_bytes()]);
        let mut past = Past::new(head(0, 0));
        for n in 0..=CLOSED_KEPT_MAX {
            assert_eq!(past.outcome(&id(0)).is_some(), n > 0, "{n}");
            past.close(id(n), Outcome::Sealed(n as u64));
        }
        assert_eq!(past.outcome(&id(0)), None);
        assert_eq!(past.outcome(&id(1)), Some(Outcome::Sealed(1)));
        assert_eq!(past.closed().next().map(|(id, _)| *id), Some(id(CLOSED_KEPT_MAX)));
        assert_eq!(past.closed().count(), CLOSED_KEPT_MAX);
    }
}
