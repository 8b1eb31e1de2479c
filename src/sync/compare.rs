//! Reconciling with one peer (N3): its open set is looked at from the root down, where it differs from
//! one's own, until every id that is lacking is known.

use std::collections::BTreeSet;

use imbl::ordmap::DiffItem;

use super::{
    Ledger,
    message::{OpenAnswer, Part, Parts, Request},
    page::{Page, Seen},
    parts,
    session::{Charge, Shared},
    snapshot::Far,
};
use crate::{
    governance::{Governance, field::Field, forks::Forks, statement::Statement},
    id::Id,
    key::PublicKey,
    limits::*,
    page::trie::{Fetch, Piece, Trie},
};

/// A comparison under way.
pub struct Compare {
    root: Id,
    fetch: Fetch,
    /// When the answer that is waited for is late; none: none is waited for.
    late_at: Option<u64>,
    /// Whether all that was found so far is kept in mind.
    is_whole: bool,
}

impl Page {
    /// Compares with those whose open set is another, and with whom statements pass: with one at a time, and while that
    /// one does not answer, with another as well.
    pub fn compare_open(&mut self, shared: &mut Shared) {
        let under_way: Vec<PublicKey> = self.compares.keys().copied().collect();
        under_way.iter().for_each(|peer| self.ask_open(peer, shared));
        let now = shared.now.ticks;
        let late_at = self.compares.values().filter_map(|compare| compare.late_at).max();
        let is_far = self.far.as_ref().is_some_and(Far::has_target);
        if self.compares.len() >= COMPARES_MAX || self.chase.is_some() || is_far {
            return;
        }
        if late_at.is_some_and(|late_at| late_at > now) {
            return late_at.into_iter().for_each(|at| self.wake(at));
        }
        self.begin_compare(shared);
    }

    fn begin_compare(&mut self, shared: &mut Shared) {
        let Some(own) = &self.own else { return };
        let (now, ours) = (shared.now.ticks, own.standing);
        self.next_exchange(shared.now).into_iter().for_each(|at| self.wake(at));
        let differs = |seen: &Seen| {
            self.exchanges(seen, shared.now)
                && seen.standing.open != ours.open
                && seen.taken != Some(seen.standing.open)
        };
        let differing = self.seen.iter().filter(|(_, seen)| differs(seen));
        let differing: Vec<(PublicKey, u64)> =
            differing.map(|(peer, seen)| (*peer, seen.compare_at.max(seen.not_before))).collect();
        let next = differing.iter().map(|(_, at)| *at).filter(|at| *at > now).min();
        next.into_iter().for_each(|at| self.wake(at));
        let ready = differing.into_iter().filter(|(_, at)| *at <= now);
        let mut peers: Vec<PublicKey> = ready.map(|(peer, _)| peer).collect();
        let held = self.due.held();
        let has_room =
            |peer: &PublicKey| held.get(peer).is_none_or(|count| *count < DUE_PER_PEER_MAX);
        peers.retain(|peer| !self.compares.contains_key(peer) && has_room(peer));
        let Some(peer) = shared.best(peers) else { return };
        let (Some(seen), Some(own)) = (self.seen.get(&peer), &self.own) else { return };
        let root = seen.standing.open;
        let fetch = Fetch::new(root, (*own.open).clone());
        self.compares.insert(peer, Compare { root, fetch, late_at: None, is_whole: true });
        self.ask_open(&peer, shared);
    }

    fn ask_open(&mut self, peer: &PublicKey, shared: &mut Shared) {
        if self.compares.get(peer).is_none_or(|compare| compare.late_at.is_some()) {
            return;
        }
        if let Some(at) = self.has_no_room(shared.now.ticks) {
            return self.wake(at);
        }
        let rows = self.rows_max(PART_BYTES_LEAST.into(), SUBTREES_ROWS_MAX);
        let Some(compare) = self.compares.get_mut(peer) else { return };
        let wants = compare.fetch.next(rows);
        if wants.is_empty() {
            return self.end_compare(peer, shared);
        }
        let late_at = shared.late_at(peer);
        compare.late_at = Some(late_at);
        let parts: Vec<Part> = wants
            .into_iter()
            .map(|want| Part {
                hash: want.hash,
                bytes_max: want.bytes_max.min(OPEN_PIECE_BYTES as u32),
                path: want.path,
            })
            .collect();
        let request = Request::Open(Parts { page: self.id, parts });
        match self.ask(peer, request, shared) {
            true => self.wake(late_at),
            false => {
                self.compares.remove(peer);
                self.wake(shared.now.ticks + 1000);
            }
        }
    }

    /// All of it was looked at.
    fn end_compare(&mut self, peer: &PublicKey, shared: &mut Shared) {
        let Some(compare) = self.compares.remove(peer) else { return };
        if compare.is_whole && compare.fetch.is_complete() {
            if let Some(seen) = self.seen.get_mut(peer) {
                seen.taken = Some(compare.root);
            }
        } else {
            self.wake(shared.now.ticks + 1000);
        }
    }

    /// Parts of a peer's open set came; none: there was no answer.
    pub fn on_open(
        &mut self,
        peer: &PublicKey,
        asked: &Parts,
        answer: Option<OpenAnswer>,
        shared: &mut Shared,
        ledger: &dyn Ledger,
    ) {
        let Some(answer) = answer else {
            self.compares.remove(peer);
            return self.wait_for(peer, shared);
        };
        let Some(compare) = self.compares.get_mut(peer) else { return };
        compare.late_at = None;
        let has_moved = answer.root != compare.root;
        let shown = answer.parts.iter().map(|part| &part.0[..]).chain(std::iter::repeat(&[][..]));
        let mut found = Vec::new();
        let mut fault = None;
        let mut came = 0;
        for (part, bytes) in asked.parts.iter().zip(shown) {
            let taken = if bytes.is_empty() {
                Err(None)
            } else {
                read(bytes).and_then(|piece| {
                    compare.fetch.take(&part.path, piece).map_err(|why| Some(why.to_string()))
                })
            };
            match taken {
                Ok(leaves) => {
                    came += 1;
                    found.extend(leaves.into_iter().map(|(id, _)| id));
                }
                Err(why) => {
                    compare.fetch.failed(&part.path);
                    fault = fault.or(why);
                }
            }
        }
        match fault {
            Some(why) if !has_moved => {
                self.compares.remove(peer);
                return shared.lied(peer, format!("its open set is not what it says: {why}"));
            }
            _ => {}
        }
        let (own, later) = (self.own.as_ref(), &self.later);
        // With who stands lower, what is sealed here is open there.
        let theirs = self.seen.get(peer).map(|seen| seen.standing.seal);
        let is_other = own.is_some_and(|own| theirs != Some(own.standing.seal));
        let is_lacking = |id: &Id| {
            !later.contains(id)
                && own.is_none_or(|own| own.open.get(id).is_none())
                && !(is_other && ledger.stored(&self.id, id).is_some())
        };
        for id in found.into_iter().filter(is_lacking) {
            compare.is_whole &= self.due.insert(id, peer);
        }
        if has_moved {
            self.compares.remove(peer);
            if let Some(seen) = self.seen.get_mut(peer) {
                seen.standing.open = answer.root;
                seen.compare_at = shared.after(SETTLE_TIME);
            }
        } else if came == 0 {
            self.compares.remove(peer);
            shared.charge(peer, Charge::Withheld);
            self.pause(peer, shared);
        } else {
            self.served(peer, shared);
        }
    }
}

/// The open set of a page (N3), as a trie of ids: open operations and batches, the ballots that count,
/// presences that are not sealed, attestations, and evidence of every kind; of forks that on which no person
/// has decided here (T4), with the seals that are `held` of those heights.
pub fn open_set(
    page: &Governance,
    field: &Field,
    forks: &Forks,
    held: impl Iterator<Item = Id>,
) -> Trie {
    let said = page.open_set().into_iter().map(Statement::id);
    let attested = field.statements().keys().copied();
    let forks = forks.open().map(|record| record.seal.id());
    let ids: BTreeSet<Id> = said.chain(attested).chain(forks).chain(held).collect();
    Trie::from_pairs(ids.into_iter().map(|id| (id, Box::default())))
}

/// The open set of a page of which only the field has changed.
pub fn open_set_with(open: &Trie, before: &Field, after: &Field) -> Trie {
    let mut open = open.clone();
    for item in before.statements().diff(after.statements()) {
        match item {
            DiffItem::Add(id, _) => open.insert(*id, []),
            DiffItem::Remove(id, _) => drop(open.remove(id)),
            DiffItem::Update { .. } => {}
        }
    }
    open
}

fn read(bytes: &[u8]) -> Result<Piece, Option<String>> {
    parts::read(bytes, OPEN_ANSWER_BYTES_MAX).map_err(|why| Some(why.to_string()))
}
