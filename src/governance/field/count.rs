//! A field added up, and kept so (T6): what one node says, one seat names or a minute ends costs as
//! much as it changes, and not as much as there are seats.
//!
//! It gives the freshness that [`Field::picture`] gives. Who says what is told by that alone.

use std::collections::{BTreeMap, BTreeSet};

use imbl::ordmap::DiffItem;

use super::{
    picture::{Freshness, freshness, supports},
    *,
};
use crate::governance::seating::{Bench, Seating};

/// The power that names each seal, of one field and page at one time.
#[derive(Clone, Debug, Default)]
pub struct Count {
    field: Field,
    seating: Seating,
    now: u64,
    /// What each node says, and when it says something else by itself.
    told: BTreeMap<PublicKey, Told>,
    turns: BTreeSet<(u64, PublicKey)>,
    named: BTreeMap<(u64, Id), u64>,
    work: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    word: Option<Word>,
    turn: Option<u64>,
}

/// Who speaks for seats, and for which.
type Seats = (PublicKey, Option<PublicKey>, Bench);

impl Count {
    /// Whether the page is answered as fresh at `now`, in seconds since 1970, and why. What changed
    /// since it was asked last is counted; everything, where the clock was set back.
    pub fn freshness(&mut self, field: &Field, page: &Governance, now: u64) -> Freshness {
        self.follow(field, page, now);
        let best = supports(page, &self.named).into_iter().next();
        freshness(page, best.as_ref())
    }

    /// How many words and seats were counted so far, those of the same nodes as one.
    pub fn work(&self) -> u64 {
        self.work
    }

    fn follow(&mut self, field: &Field, page: &Governance, now: u64) {
        if now < self.now {
            *self = Count { work: self.work, ..Count::default() };
        }
        let over = self.turns.iter().take_while(|(at, _)| *at <= now);
        let mut nodes: BTreeSet<PublicKey> = over.map(|(_, node)| *node).collect();
        self.field.changed(field, &mut nodes);
        (self.field, self.now) = (field.clone(), now);
        for ((one, other), before, after) in self.seating.changes(page.seating()) {
            self.leave((one, other, before));
            self.take((one, other, after));
        }
        self.seating = page.seating().clone();
        nodes.iter().for_each(|node| self.tell(node));
    }

    /// Counts what a node says now.
    fn tell(&mut self, node: &PublicKey) {
        self.work += 1;
        let turn = self.field.turn(node, self.now);
        let told = Told { word: self.field.word(node, self.now), turn };
        let before = self.told.get(node).copied();
        before.and_then(|told| told.turn).map(|at| self.turns.remove(&(at, *node)));
        self.turns.extend(turn.map(|at| (at, *node)));
        let benches = self.seating.of_node(node).map(|(other, bench)| (*node, other, bench));
        let benches: Vec<Seats> = benches.collect();
        benches.iter().for_each(|seats| self.leave(*seats));
        match told {
            Told { word: None, turn: None } => self.told.remove(node),
            told => self.told.insert(*node, told),
        };
        benches.iter().for_each(|seats| self.take(*seats));
    }

    fn take(&mut self, seats: Seats) {
        self.work += 1;
        let power = seats.2.power;
        if let Some(seal) = self.seal_of(seats).filter(|_| power > 0) {
            *self.named.entry(seal).or_default() += power;
        }
    }

    fn leave(&mut self, seats: Seats) {
        let power = seats.2.power;
        let Some(seal) = self.seal_of(seats).filter(|_| power > 0) else { return };
        if let Some(named) = self.named.get_mut(&seal) {
            *named -= power;
            if *named == 0 {
                self.named.remove(&seal);
            }
        }
    }

    /// The seal that is named for these seats.
    fn seal_of(&self, (one, other, _): Seats) -> Option<(u64, Id)> {
        let word = |node: PublicKey| Some((self.told.get(&node)?.word?, node));
        let words = word(one).into_iter().chain(other.and_then(word));
        let (word, _) = words.max_by_key(Word::of_seat)?;
        Some((word.height, word.seal))
    }
}

impl Field {
    /// Notes of whom something else is held in another field.
    fn changed(&self, after: &Field, nodes: &mut BTreeSet<PublicKey>) {
        nodes.extend(self.heard.diff(&after.heard).map(|item| match item {
            DiffItem::Add(node, _) | DiffItem::Remove(node, _) => *node,
            DiffItem::Update { new: (node, _), .. } => *node,
        }));
        let certified = [&self.certified, &after.certified].map(Option::as_ref);
        let is_same = match certified {
            [Some(one), Some(other)] => one.head == other.head && one.nodes.ptr_eq(&other.nodes),
            [one, other] => one.is_none() && other.is_none(),
        };
        if !is_same {
            nodes.extend(certified.into_iter().flatten().flat_map(|one| one.nodes.iter()));
        }
    }

    /// When this node will say something else by itself, after `now`.
    fn turn(&self, node: &PublicKey, now: u64) -> Option<u64> {
        let over = |time: u64| time.saturating_add(ATTESTATION_LIFE.as_secs());
        let heard = self.heard_of(node).flat_map(|said| [said.time(), over(said.time())]);
        let commit = self.commit(node).map(|word| word.time);
        let commit = commit.map(|time| [time.saturating_sub(SEAL_AHEAD.as_secs()), over(time)]);
        heard.chain(commit.into_iter().flatten()).filter(|at| *at > now).min()
    }
}

#[cfg(test)]
mod tests;
