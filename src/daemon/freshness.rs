//! Freshness (T6): this node says which seal it knows as the newest, for the seats that name it; and what
//! all nodes say together decides whether a page is served as fresh.
//!
//! What nodes say is kept in memory only: it is good for a day, and a node that starts anew attests anew.
//! Where attestations of others come from is not known here.

use std::sync::Arc;

use super::node::{Node, State};
use crate::{
    governance::{
        Governance,
        field::{Field, Picture},
    },
    id::Id,
    limits::{FRESHNESS_EAGER_SEATS_MAX, FRESHNESS_LOOK_INTERVAL},
};

impl Node {
    /// What the nodes of a page's seats say.
    pub fn field(&self, page: &Id) -> Field {
        self.state().fields.get(page).cloned().unwrap_or_default()
    }

    /// What they say together, now.
    pub fn picture(&self, page: &Governance) -> Picture {
        self.field(&page.page().id()).picture(page, self.now())
    }

    /// Once a minute, and where a page changed, each second: attests what is due, lets go of what is
    /// over, and serves each page as fresh or stale.
    pub(super) fn keep_all_fresh(&self, state: &mut State, now: u64) {
        let interval = FRESHNESS_LOOK_INTERVAL.as_secs();
        let is_time = state.looked.saturating_add(interval) <= now || now < state.looked;
        let pages: Vec<Id> = if is_time {
            state.looked = now;
            state.pages.keys().copied().collect()
        } else {
            state.unlooked.iter().copied().collect()
        };
        for id in pages {
            let field = state.fields.get_mut(&id);
            if field.is_some_and(|field| field.expire(now)) {
                self.field_changed(state, &id, now);
            }
            self.keep_fresh(state, &id, now);
        }
    }

    /// [`Node::keep_fresh`] for a page that has changed: of one with many seats a second later, since
    /// all of them are looked at.
    pub(super) fn keep_fresh_soon(&self, state: &mut State, id: &Id) {
        let page = state.pages.get(id);
        if page.is_some_and(|page| page.page().roster().len() > FRESHNESS_EAGER_SEATS_MAX) {
            state.unlooked.insert(*id);
        } else {
            self.keep_fresh(state, id, self.now());
        }
    }

    /// Attests the newest seal of a page if that is due, and serves the page as what it is.
    pub(super) fn keep_fresh(&self, state: &mut State, id: &Id, now: u64) {
        state.unlooked.remove(id);
        match self.attest(state, id, now) {
            true => self.field_changed(state, id, now),
            false => self.refresh(state, id, now),
        }
    }

    /// Says that the newest seal here is the newest known, if a seat names this node and it has not said
    /// so lately. Of a forked page nothing is said (T4), and nothing of a demonstration (P6).
    fn attest(&self, state: &mut State, id: &Id, now: u64) -> bool {
        let (Some(page), Some(node)) = (state.pages.get(id), self.nameable_key()) else {
            return false;
        };
        if page.page().is_demonstration() || state.forks.contains_key(id) {
            return false;
        }
        let field = state.fields.entry(*id).or_default();
        if !field.is_due(page, &node, now) {
            return false;
        }
        let said = field.attest(page, &self.key, now);
        let taken = field.take(page, &said, now);
        if let Err(refusal) = &taken {
            tracing::debug!(page = %id, "not attested: {refusal}");
        }
        taken == Ok(true)
    }

    /// What was said of a page has changed: it is served accordingly, and others are told.
    fn field_changed(&self, state: &mut State, id: &Id, now: u64) {
        state.open.remove(id);
        self.refresh(state, id, now);
        self.tell_change(id);
    }

    /// Serves a page as fresh or stale; a forked one is stale whatever is said.
    pub(super) fn refresh(&self, state: &State, id: &Id, now: u64) {
        let view = self.view.load();
        let (Some(page), Some(shown)) = (state.pages.get(id), view.page(id)) else { return };
        let field = state.fields.get(id).cloned().unwrap_or_default();
        let fresh = !state.forks.contains_key(id) && field.picture(page, now).is_fresh();
        if state.is_shown && shown.meta().fresh != fresh {
            self.view.store(Arc::new(view.with_fresh(id, fresh)));
        }
    }
}
