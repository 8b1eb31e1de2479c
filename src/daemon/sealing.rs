//! Sealing as a host: the pages whose seats name this node are sealed when that is due (S6, S7).

use std::sync::Arc;

use crate::{
    ambient,
    governance::{Governance, sealing::Unready, solo::NotAlone},
    id::{Id, Kind},
    key::PublicKey,
    limits::SEAL_LOOK_INTERVAL,
    page::name::Owner,
};

use super::{
    node::{Node, State},
    whole::{self, Note},
};

impl Node {
    /// The public key of this node: what participants name for their seats.
    pub fn key(&self) -> PublicKey {
        self.key.public()
    }

    /// Seals every page that is due.
    pub fn seal_due(&self) {
        let now = ambient::now();
        let mut state = self.state();
        let due: Vec<Id> =
            state.due.iter().filter(|(_, at)| **at <= now).map(|(page, _)| *page).collect();
        for page in due {
            self.seal_in(&mut state, &page, now);
        }
    }

    /// Seals one page if that is due and this node can, and notes when to look again. Returns whether
    /// it was sealed.
    pub(super) fn seal_in(&self, state: &mut State, id: &Id, now: u64) -> bool {
        if state.due.get(id).is_none_or(|at| *at > now) {
            return false;
        }
        let Some(page) = state.pages.get(id) else { return false };
        let again = now.saturating_add(SEAL_LOOK_INTERVAL.as_secs());
        if state.forks.contains_key(id) {
            // A forked page is sealed no further until a person has decided (T4).
            state.due.remove(id);
            return false;
        }
        match page.seal_alone(&self.key, now) {
            Ok((record, proposal)) => {
                let said = page.said();
                let (sealed, owners) = page.sealed(&proposal, &|id| said.get(id).cloned());
                let note = Note { time: now, what: "sealed".to_owned() };
                let records = [note.record(), whole::record(Kind::Seal, record.encode())];
                if let Err(error) = self.store.append(id, &records) {
                    tracing::error!(page = %id, "a seal could not be written: {error}");
                    state.due.insert(*id, again);
                    return false;
                }
                self.show_seal(state, sealed, &owners);
                return true;
            }
            Err(NotAlone::Unready(Unready::TooEarly(at))) => drop(state.due.insert(*id, at)),
            Err(NotAlone::NoSeat) => drop(state.due.remove(id)),
            Err(why) => {
                tracing::debug!(page = %id, "not sealed: {why}");
                state.due.insert(*id, again);
            }
        }
        false
    }

    /// Shows a page under a new seal.
    pub(super) fn show_seal(&self, state: &mut State, page: Governance, owners: &[Owner]) {
        let id = page.page().id();
        if state.is_shown {
            let (serial, absence_ttl) =
                (page.page().height() as u32, page.page().parameters().soft_ttl_max);
            self.view.store(Arc::new(self.view.load().with_seal(&id, serial, absence_ttl)));
        }
        self.replace(state, page, owners);
    }
}
