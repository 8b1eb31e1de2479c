//! The field of a page: what the nodes of its seats say is its newest seal, and how far they agree
//! (T6, T7).
//!
//! A node speaks for the seats that name it, with their power, and however often it repeats itself,
//! once. What agrees adds up, what conflicts cancels. A commit of the newest certificate is the word
//! of its node too, so that a page which is sealed often needs nothing else. Clock and network are
//! not known here: the time is handed in.

use std::cmp::Reverse;

use imbl::{OrdMap, OrdSet};

use super::{
    Governance,
    attest::Attestation,
    seal::{Certificate, Seal, quorum},
};
use crate::{
    id::Id,
    key::{PublicKey, SecretKey},
    limits::{
        ATTESTATION_AHEAD_MAX, ATTESTATION_LIFE, ATTESTATION_RENEWED_AFTER, BASIS_POINTS,
        SEAL_AHEAD,
    },
    page::{Head, genesis::reaches},
};

mod count;
mod picture;

pub use count::Count;
pub use picture::{Candidate, Freshness, Picture, Stale, Voice};

/// What the nodes of a page's seats said last: at most two attestations of each node, and who
/// committed to the newest seal. Cloning it costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Field {
    heard: OrdMap<PublicKey, Heard>,
    certified: Option<Certified>,
    evidence: OrdMap<PublicKey, (Attestation, Attestation)>,
    /// All of these attestations by their ids.
    said: OrdMap<Id, Attestation>,
}

/// What one node said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Heard {
    /// The newest that is due.
    newest: Option<Attestation>,
    /// One that is not due yet (T7): the earliest, so that what a clock which is ahead says each
    /// minute comes to count, only later.
    ahead: Option<Attestation>,
}

/// The newest certificate: who committed to which seal.
#[derive(Clone, Debug)]
struct Certified {
    head: Head,
    nodes: OrdSet<PublicKey>,
}

/// What a node says is the newest seal, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Word {
    height: u64,
    seal: Id,
    time: u64,
    is_commit: bool,
}

/// Why an attestation is not taken in. None of it is a fault of who hands it on, but of a page that is
/// another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldRefusal {
    #[error("it is about the page {0}, not this one")]
    OtherPage(Id),
    #[error("it is of {time}, over an hour ahead of this machine's clock, {clock}")]
    Ahead { time: u64, clock: u64 },
    #[error("it is of {time}, over a day behind this machine's clock, {clock}")]
    Expired { time: u64, clock: u64 },
    #[error("no seat of this page names the node {0}")]
    NoSeat(PublicKey),
}

impl Field {
    /// Takes an attestation in, at `now` in seconds since 1970. Returns whether anything is new by it:
    /// it may be known, older than what its node said since, or not due and after another such.
    ///
    /// # Errors
    /// [`FieldRefusal`]; nothing has changed then.
    pub fn take(
        &mut self,
        page: &Governance,
        attestation: &Attestation,
        now: u64,
    ) -> Result<bool, FieldRefusal> {
        let (node, time) = (attestation.node(), attestation.time());
        if attestation.page() != page.page().id() {
            return Err(FieldRefusal::OtherPage(attestation.page()));
        }
        if time > now.saturating_add(ATTESTATION_AHEAD_MAX.as_secs()) {
            return Err(FieldRefusal::Ahead { time, clock: now });
        }
        if has_expired(time, now) {
            return Err(FieldRefusal::Expired { time, clock: now });
        }
        let mut heard = match self.heard.get(&node) {
            Some(heard) => heard.clone(),
            None if page.is_named(&node) => Heard::default(),
            None => return Err(FieldRefusal::NoSeat(node)),
        };
        heard.settle(now);
        let contradicted = heard.contradicted(attestation);
        // Who names one node after the other, between two seals, makes no more of them be kept.
        if self.heard.len() > 2 * page.page().roster().len() {
            self.forget_unnamed(page);
        }
        let is_new = heard.take(attestation, now);
        self.edit(&node, |field| drop(field.heard.insert(node, heard)));
        let is_evidence = contradicted.is_some_and(|other| self.keep_evidence(&other, attestation));
        Ok(is_new || is_evidence)
    }

    /// Takes two attestations that contradict each other in as evidence, also where their node has
    /// said something newer since. Returns whether that is new.
    pub fn take_contradiction(
        &mut self,
        page: &Governance,
        one: &Attestation,
        other: &Attestation,
    ) -> bool {
        let is_of_page = one.page() == page.page().id() && one.contradicts(other);
        is_of_page && page.is_named(&one.node()) && self.keep_evidence(one, other)
    }

    /// Of several pairs of one node that with the smallest ids is kept, so that all copies keep the
    /// same.
    fn keep_evidence(&mut self, one: &Attestation, other: &Attestation) -> bool {
        let mut pair = [one.clone(), other.clone()];
        pair.sort_by_key(Attestation::id);
        let [one, other] = pair;
        let ids = |pair: &(Attestation, Attestation)| (pair.0.id(), pair.1.id());
        let pair = (one, other);
        let is_kept = |kept: &(Attestation, Attestation)| ids(kept) <= ids(&pair);
        if self.evidence.get(&pair.0.node()).is_some_and(is_kept) {
            return false;
        }
        let node = pair.0.node();
        self.edit(&node, |field| drop(field.evidence.insert(node, pair)));
        true
    }

    /// Takes the page's newest seal in: who committed to it said by that that it is the newest. What
    /// nodes said whom no seat names any more is forgotten. `page` is the page under that seal, and the
    /// certificate was checked.
    pub fn sealed(&mut self, page: &Governance, seal: &Seal, certificate: &Certificate) {
        let nodes = certificate.commits.iter();
        let nodes = nodes.filter_map(|commit| PublicKey::admit(commit.node).ok()).collect();
        self.certified = Some(Certified { head: seal.head(), nodes });
        self.forget_unnamed(page);
    }

    fn forget_unnamed(&mut self, page: &Governance) {
        let nodes = self.heard.keys().chain(self.evidence.keys());
        let unnamed: Vec<PublicKey> = nodes.filter(|node| !page.is_named(node)).copied().collect();
        for node in unnamed {
            self.edit(&node, |field| {
                field.heard.remove(&node);
                field.evidence.remove(&node);
            });
        }
    }

    /// Changes what is held of a node.
    fn edit(&mut self, node: &PublicKey, change: impl FnOnce(&mut Field)) {
        let ids = |field: &Field| -> Vec<Attestation> { field.held_of(node).cloned().collect() };
        ids(self).iter().for_each(|said| drop(self.said.remove(&said.id())));
        change(self);
        self.said.extend(ids(self).into_iter().map(|said| (said.id(), said)));
    }

    /// All that is held of a node, some of it twice.
    fn held_of(&self, node: &PublicKey) -> impl Iterator<Item = &Attestation> {
        let evidence = self.evidence.get(node).into_iter().flat_map(|(one, other)| [one, other]);
        self.heard_of(node).chain(evidence)
    }

    /// What this node said last, and what of it is not due yet.
    fn heard_of(&self, node: &PublicKey) -> impl Iterator<Item = &Attestation> {
        let heard = self.heard.get(node).into_iter();
        heard.flat_map(|heard| heard.newest.iter().chain(&heard.ahead))
    }

    /// Whether `node` should attest the page's newest seal at `now`: a seat names it, and it has not
    /// said so within six hours.
    pub fn is_due(&self, page: &Governance, node: &PublicKey, now: u64) -> bool {
        let head = page.page().head();
        let is_said = self.newest_word(node).is_some_and(|word| {
            let renewed = word.time.saturating_add(ATTESTATION_RENEWED_AFTER.as_secs());
            (word.height, word.seal) == (head.height, head.seal) && now < renewed
        });
        !is_said && page.is_named(node)
    }

    /// The attestation that `node` makes of the page's newest seal at `now`: later than all that it said
    /// before, so that it never contradicts itself.
    pub fn attest(&self, page: &Governance, node: &SecretKey, now: u64) -> Attestation {
        let public = node.public();
        let before = self.heard_of(&public);
        let after = before.map(|said| said.time().saturating_add(1)).max();
        let time = now.max(after.unwrap_or(0));
        Attestation::sign(node, &page.page().id(), &page.page().head(), time)
    }

    /// The newest that this node said, due or not.
    fn newest_word(&self, node: &PublicKey) -> Option<Word> {
        let heard = self.heard_of(node).map(Word::of);
        heard.chain(self.commit(node)).max_by_key(Word::rank)
    }

    /// What this node says at `now`.
    fn word(&self, node: &PublicKey, now: u64) -> Option<Word> {
        let heard = self.heard_of(node).map(Word::of);
        let due = heard.filter(|word| word.time <= now);
        // A seal that is held was due when it came, by the clock that counts for seals (S4).
        let until = now.saturating_add(SEAL_AHEAD.as_secs());
        let commit = self.commit(node).filter(|word| word.time <= until);
        let valid = due.chain(commit).filter(|word| !has_expired(word.time, now));
        valid.max_by_key(Word::rank)
    }

    /// The word of a node that committed to the newest seal.
    fn commit(&self, node: &PublicKey) -> Option<Word> {
        let certified = self.certified.as_ref()?;
        let Head { height, seal, time } = certified.head;
        let word = Word { height, seal, time, is_commit: true };
        certified.nodes.contains(node).then_some(word)
    }

    /// The attestations that are held: of each node the newest, and one that is not due yet.
    pub fn attestations(&self) -> impl Iterator<Item = &Attestation> {
        self.heard.values().flat_map(|heard| heard.newest.iter().chain(&heard.ahead))
    }

    /// Two attestations that contradict each other, for each node that signed such (G11).
    pub fn evidence(&self) -> impl Iterator<Item = &(Attestation, Attestation)> {
        self.evidence.values()
    }

    /// All that is to be handed on: the attestations held and those of the evidence, each once.
    pub fn statements(&self) -> &OrdMap<Id, Attestation> {
        &self.said
    }

    /// Drops what has expired at `now`, evidence included. Returns whether anything has.
    pub fn expire(&mut self, now: u64) -> bool {
        let is_over = |said: &Attestation| has_expired(said.time(), now);
        let silent = self.heard.iter().filter(|(_, heard)| {
            let mut all = heard.newest.iter().chain(&heard.ahead);
            all.all(is_over)
        });
        let silent: Vec<PublicKey> = silent.map(|(node, _)| *node).collect();
        let past = self.evidence.iter().filter(|(_, (one, _))| is_over(one));
        let past: Vec<PublicKey> = past.map(|(node, _)| *node).collect();
        for node in &silent {
            self.edit(node, |field| drop(field.heard.remove(node)));
        }
        for node in &past {
            self.edit(node, |field| drop(field.evidence.remove(node)));
        }
        !silent.is_empty() || !past.is_empty()
    }
}

impl Heard {
    /// What has become due is the newest now.
    fn settle(&mut self, now: u64) {
        if let Some(due) = self.ahead.take_if(|ahead| ahead.time() <= now) {
            self.take(&due, now);
        }
    }

    /// Whether it counts before what is held.
    fn take(&mut self, said: &Attestation, now: u64) -> bool {
        let rank = |said: &Attestation| (said.time(), Reverse(said.id()));
        let (place, is_better) = if said.time() <= now {
            let is_newer = self.newest.as_ref().is_none_or(|held| rank(held) < rank(said));
            (&mut self.newest, is_newer)
        } else {
            let rank = |said: &Attestation| (said.time(), said.id());
            let is_earlier = self.ahead.as_ref().is_none_or(|held| rank(said) < rank(held));
            (&mut self.ahead, is_earlier)
        };
        if is_better {
            *place = Some(said.clone());
        }
        is_better
    }

    /// What is held and contradicts it.
    fn contradicted(&self, said: &Attestation) -> Option<Attestation> {
        self.newest.iter().chain(&self.ahead).find(|held| held.contradicts(said)).cloned()
    }
}

impl Word {
    fn of(said: &Attestation) -> Word {
        let (height, seal, time) = (said.height(), said.seal(), said.time());
        Word { height, seal, time, is_commit: false }
    }

    /// Of two nodes that speak for one seat the newer word counts; of one time the smaller node's.
    fn of_seat((word, node): &(Word, PublicKey)) -> (impl Ord + use<>, Reverse<PublicKey>) {
        (word.rank(), Reverse(*node))
    }

    /// The newer counts; of one time the commit, whose seal is held, then the smaller id.
    fn rank(&self) -> (u64, bool, Reverse<Id>) {
        (self.time, self.is_commit, Reverse(self.seal))
    }
}

fn has_expired(time: u64, now: u64) -> bool {
    time.saturating_add(ATTESTATION_LIFE.as_secs()) <= now
}

#[cfg(test)]
mod tests;
