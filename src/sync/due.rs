//! Statements that a peer said it has, and that are lacking here (N4): each is asked for once, of one
//! of those who said so, and of another if that fails.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Ledger,
    message::{Named, Request},
    pack::statement_id,
    page::Page,
    serve::operations_of,
    session::{Charge, Shared},
};
use crate::{id::Id, key::PublicKey, limits::*, page::entry::Rdata};

/// What is lacking, and who said that they have it.
#[derive(Default)]
pub struct Due {
    rows: BTreeMap<Id, Row>,
}

struct Row {
    /// At most [`ANNOUNCERS_MAX`].
    from: Vec<PublicKey>,
    /// Who was asked, and when the answer is late.
    asked: Option<(PublicKey, u64)>,
    /// Whether another was asked as well, because it was.
    is_hedged: bool,
    /// Whether who said it may have it no longer, for a seal lists it or they have moved on since (N5).
    may_be_gone: bool,
}

impl Due {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many of these each peer said first.
    pub fn held(&self) -> BTreeMap<PublicKey, usize> {
        let mut held = BTreeMap::new();
        let first = self.rows.values().filter_map(|row| row.from.first());
        first.for_each(|peer| *held.entry(*peer).or_default() += 1);
        held
    }

    /// Makes room for one more of this peer's, if it may have more. Of too many in all, whoever has the most
    /// gives one up: so that those who invent ids take no room from others, however many they are.
    fn make_room(&mut self, peer: &PublicKey) -> bool {
        let own = self.rows.values().filter(|row| row.from.first() == Some(peer)).count();
        if own >= DUE_PER_PEER_MAX || self.rows.len() < DUE_MAX {
            return own < DUE_PER_PEER_MAX;
        }
        let most = self.held().into_iter().max_by_key(|(_, count)| *count);
        let Some((most, _)) = most.filter(|(_, count)| *count > own + 1) else { return false };
        let is_its = |row: &Row| row.from.first() == Some(&most);
        let given_up = self.rows.iter().rev().find(|(_, row)| is_its(row)).map(|(id, _)| *id);
        given_up.is_some_and(|id| self.rows.remove(&id).is_some())
    }

    /// A peer has this. Returns whether it is kept in mind.
    pub fn insert(&mut self, id: Id, peer: &PublicKey) -> bool {
        if let Some(row) = self.rows.get_mut(&id) {
            if row.from.len() < ANNOUNCERS_MAX && !row.from.contains(peer) {
                row.from.push(*peer);
            }
            return true;
        }
        if !self.make_room(peer) {
            return false;
        }
        let from = vec![*peer];
        self.rows.insert(id, Row { from, asked: None, is_hedged: false, may_be_gone: false });
        true
    }

    /// [`Due::insert`] for what a seal of this peer lists, which it may have no longer.
    pub fn insert_listed(&mut self, id: Id, peer: &PublicKey) -> bool {
        let is_kept = self.insert(id, peer);
        self.rows.get_mut(&id).into_iter().for_each(|row| row.may_be_gone = true);
        is_kept
    }

    /// A peer stands higher now: if it jumped there, it has nothing of what it said before.
    pub fn moved(&mut self, peer: &PublicKey) {
        let said = self.rows.values_mut().filter(|row| row.from.contains(peer));
        said.for_each(|row| row.may_be_gone = true);
    }

    /// Those of these that are lacking still, and that whoever said it has them has.
    fn owed(&self, ids: &[Id]) -> Vec<Id> {
        let is_owed = |id: &Id| self.rows.get(id).is_some_and(|row| !row.may_be_gone);
        ids.iter().copied().filter(is_owed).collect()
    }

    /// A peer is gone, with what only it has.
    pub fn left(&mut self, peer: &PublicKey) {
        for row in self.rows.values_mut() {
            row.from.retain(|from| from != peer);
            row.asked = row.asked.filter(|(asked, _)| asked != peer);
        }
        self.rows.retain(|_, row| !row.from.is_empty());
    }

    /// What is not asked for, or whose answer is late, by who can be asked.
    fn unasked(&self, now: u64) -> BTreeMap<PublicKey, Vec<Id>> {
        let mut by_peer: BTreeMap<PublicKey, Vec<Id>> = BTreeMap::new();
        for (id, row) in &self.rows {
            let asked = match row.asked {
                Some((_, late_at)) if row.is_hedged || late_at > now => continue,
                asked => asked.map(|(peer, _)| peer),
            };
            let others = row.from.iter().filter(|peer| asked != Some(**peer));
            others.for_each(|peer| by_peer.entry(*peer).or_default().push(*id));
        }
        by_peer
    }

    /// When the next answer is late that another could give as well.
    fn late_at(&self) -> Option<u64> {
        let waits = self.rows.values().filter(|row| !row.is_hedged && row.from.len() > 1);
        waits.filter_map(|row| row.asked.map(|(_, late_at)| late_at)).min()
    }

    /// These were asked of a peer, and what came is dealt with. What did not come is asked of another.
    fn settle(&mut self, peer: &PublicKey, asked: &[Id], came: &BTreeSet<Id>, is_over: bool) {
        for id in asked {
            let Some(row) = self.rows.get_mut(id) else { continue };
            if row.asked.is_some_and(|(asked, _)| asked == *peer) {
                (row.asked, row.is_hedged) = (None, false);
            }
            if is_over && !came.contains(id) {
                row.from.retain(|from| from != peer);
            }
            if came.contains(id) || row.from.is_empty() {
                self.rows.remove(id);
            }
        }
    }
}

impl Page {
    /// A peer says that these are new.
    pub fn on_news(&mut self, peer: &PublicKey, ids: &[Id], ledger: &dyn Ledger) {
        let Some(own) = &self.own else { return };
        let open = own.open.clone();
        for id in ids {
            let is_known = open.get(id).is_some()
                || self.later.contains(id)
                || ledger.stored(&self.id, id).is_some();
            if !is_known && !self.due.insert(*id, peer) {
                break;
            }
        }
    }

    /// Asks for what is lacking, of the best of those who have it.
    pub fn fetch_due(&mut self, shared: &mut Shared) {
        loop {
            let now = shared.now.ticks;
            let unasked = self.due.unasked(now);
            let peers: Vec<PublicKey> = unasked
                .keys()
                .copied()
                .filter(|peer| self.seen.get(peer).is_none_or(|seen| seen.not_before <= now))
                .collect();
            if peers.is_empty() {
                let waits = unasked.keys().filter_map(|peer| self.seen.get(peer));
                let next = waits.map(|seen| seen.not_before).min();
                let late = self.due.late_at().filter(|at| *at > now);
                next.into_iter().chain(late).for_each(|at| self.wake(at));
                return;
            }
            let Some(peer) = shared.best(peers) else { return };
            if let Some(at) = self.has_no_room(now) {
                return self.wake(at);
            }
            let mut ids = unasked.get(&peer).cloned().unwrap_or_default();
            ids.truncate(self.rows_max(STATEMENT_BYTES_LIKELY, STATEMENTS_IDS_MAX));
            let request = Request::Statements(Named { page: self.id, ids: ids.clone() });
            if !self.ask(&peer, request, shared) {
                return;
            }
            let late_at = shared.late_at(&peer);
            for id in ids {
                if let Some(row) = self.due.rows.get_mut(&id) {
                    row.is_hedged = row.asked.is_some();
                    row.asked = Some((peer, late_at));
                }
            }
        }
    }

    /// Statements came that were asked for; none: there was no answer.
    pub fn on_statements(
        &mut self,
        peer: &PublicKey,
        asked: &Named,
        items: Option<Vec<Rdata>>,
        shared: &mut Shared,
        ledger: &dyn Ledger,
    ) {
        let is_answer = items.is_some();
        let mut came = Vec::new();
        for item in items.unwrap_or_default() {
            let Some(id) = statement_id(&item.0) else {
                shared.lied(peer, "what it hands on as a statement is none");
                break;
            };
            came.push((id, item.0.to_vec()));
        }
        let was_named = |id: &Id| asked.ids.binary_search(id).is_ok();
        // With a batch its operations come.
        let batches = came.iter().filter(|(id, _)| was_named(id));
        let listed: BTreeSet<Id> =
            batches.filter_map(|(_, bytes)| operations_of(bytes)).flatten().collect();
        let was_asked = |id: &Id| was_named(id) || listed.contains(id);
        if let Some((id, _)) = came.iter().find(|(id, _)| !was_asked(id)) {
            shared.lied(peer, format!("the statement {} was not asked for", id.short()));
            came.retain(|(id, _)| was_asked(id));
        }
        let ids: BTreeSet<Id> = came.iter().map(|(id, _)| *id).collect();
        // An answer that is cut off is gone on with; one with nothing is no answer.
        let is_over = is_answer && ids.is_empty();
        if is_over && shared.peers.contains_key(peer) {
            // What a seal lists is no longer with who took the state; and what a node attested is gone where it
            // attested anew, word of which may still be under way. Who says it again has it.
            let owed = self.due.owed(&asked.ids);
            let seen = self.seen.get_mut(peer);
            if !owed.is_empty() && seen.is_none_or(|seen| seen.denies(&owed)) {
                shared.charge(peer, Charge::Withheld);
            }
            // It says that it has them, and its open set is looked at again: another may bring them.
            self.seen.get_mut(peer).into_iter().for_each(|seen| seen.taken = None);
            self.pause(peer, shared);
        }
        self.due.settle(peer, &asked.ids, &ids, is_over);
        let rest = self.on_sealed_statements(peer, asked, came, is_answer, shared);
        if !rest.is_empty() {
            self.admit(peer, rest, shared, ledger);
        }
        if !is_answer {
            self.wait_for(peer, shared);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    /// N4 accepts: what somebody new says, also when many others have said all that there is room for.
    /// N4 refuses: more of one peer than its share.
    #[test]
    fn those_who_invent_ids_take_no_room_from_others_however_many_they_are() {
        let peer = |n: u8| SecretKey::from_seed(&[n; 32]).public();
        let mut due = Due::default();
        let mut next = 0u32;
        let mut says = |due: &mut Due, who: u8, count: usize| {
            let said = (0..count).filter(|_| {
                next += 1;
                due.insert(Id::hash(&[&next.to_be_bytes()]), &peer(who))
            });
            said.count()
        };
        let liars = (DUE_MAX / DUE_PER_PEER_MAX) as u8 + 1;
        for who in 1..=liars {
            let said = says(&mut due, who, DUE_PER_PEER_MAX + 1);
            assert!(said <= DUE_PER_PEER_MAX, "{said}");
            assert!(due.len() <= DUE_MAX);
        }
        assert_eq!(due.len(), DUE_MAX);
        assert_eq!(says(&mut due, 100, 300), 300);
        assert_eq!((due.len(), due.held()[&peer(100)]), (DUE_MAX, 300));
        let shares: Vec<usize> = due.held().into_values().filter(|share| *share > 300).collect();
        assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1, "{shares:?}");
    }
}
