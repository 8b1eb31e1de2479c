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
        forks::Decision,
    },
    id::Id,
    limits::FRESHNESS_LOOK_INTERVAL,
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

    /// Once a minute: attests what is due, lets go of what is over, and serves each page as fresh or
    /// stale.
    pub(super) fn keep_all_fresh(&self, state: &mut State, now: u64) {
        let interval = FRESHNESS_LOOK_INTERVAL.as_secs();
        if state.looked.saturating_add(interval) > now && now >= state.looked {
            return;
        }
        state.looked = now;
        for id in state.pages.keys().copied().collect::<Vec<Id>>() {
            let field = state.fields.get_mut(&id);
            if field.is_some_and(|field| field.expire(now)) {
                self.field_changed(state, &id, now);
            }
            self.keep_fresh(state, &id, now);
        }
    }

    /// Attests the newest seal of a page if that is due, and serves the page as what it is.
    pub(super) fn keep_fresh(&self, state: &mut State, id: &Id, now: u64) {
        match self.attest(state, id, now) {
            true => self.field_changed(state, id, now),
            false => self.refresh(state, id, now),
        }
    }

    /// Says that the newest seal here is the newest known, if a seat names this node and it has not said
    /// so lately. Of a forked page nothing is said (T4), of one that waits for the seal that a person decided for
    /// neither, and nothing of a demonstration (P6).
    fn attest(&self, state: &mut State, id: &Id, now: u64) -> bool {
        let (Some(page), Some(node)) = (state.pages.get(id), self.nameable_key()) else {
            return false;
        };
        if page.page().is_demonstration() || state.is_forked(id) || state.awaits(page).is_some() {
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

    /// Serves a page as fresh or stale; a forked one is stale whatever is said, and one that waits for the seal
    /// that a person decided for.
    pub(super) fn refresh(&self, state: &mut State, id: &Id, now: u64) {
        let awaits = state.pages.get(id).and_then(|page| state.awaits(page));
        let is_other = state.is_forked(id) || awaits.is_some();
        let view = self.view.load();
        let (Some(page), Some(shown)) = (state.pages.get(id), view.page(id)) else { return };
        let field = state.fields.entry(*id).or_default();
        let count = state.counts.entry(*id).or_default();
        let fresh = count.freshness(field, page, now).is_fresh() && !is_other;
        if state.is_shown && shown.meta().fresh != fresh {
            self.view.store(Arc::new(view.with_fresh(id, fresh)));
        }
    }
}

impl State {
    /// The seal above those held that a person decided for, and that is not here yet (T4).
    fn awaits(&self, page: &Governance) -> Option<Decision> {
        let (id, height) = (page.page().id(), page.page().height());
        self.forks_of(&id).decisions().find(|decision| decision.height > height)
    }
}

impl Node {
    /// For which seal a page waits since a person decided, in a few words.
    pub fn awaited_words(&self, page: &Governance) -> Option<String> {
        let awaited = self.state().awaits(page)?;
        Some(format!("waits for the seal {} at height {}", awaited.seal.short(), awaited.height))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::{
        path::Path,
        sync::atomic::{AtomicU64, Ordering},
    };

    use super::*;
    use crate::{
        daemon::{surroundings::Surroundings, whole::WholePage},
        governance::{
            attest::Attestation,
            presence::Presence,
            statement::{Body, Statement},
        },
        key::{PublicKey, SecretKey},
        page::{
            Page,
            genesis::{Parameters, RawGenesis},
            name::Name,
            roster_rows,
        },
        store::fake::FakeDisk,
        sync::{Ledger, Verdict},
    };

    pub(in crate::daemon) const BEGIN: u64 = 1_795_132_800;
    const HOUR: u64 = 3600;

    pub(in crate::daemon) fn person() -> SecretKey {
        SecretKey::from_seed(&[1; 32])
    }

    /// A node with a page of one person, whose clock is handed out.
    pub(in crate::daemon) fn home() -> (Arc<Node>, Id, Arc<AtomicU64>) {
        let clock = Arc::new(AtomicU64::new(BEGIN));
        let [seconds, ticks] = [clock.clone(), clock.clone()];
        let surroundings = Surroundings {
            disk: Arc::new(FakeDisk::new()),
            milliseconds: Arc::new(move || seconds.load(Ordering::Relaxed) * 1000),
            ticks: Arc::new(move || ticks.load(Ordering::Relaxed) * 1000),
            random: Arc::new(|| [9; 32]),
            demonstration: false,
            ends_with_process: false,
        };
        let node = Node::open_in(surroundings, Path::new("/data"), "a test", &mut |_, _, _| {});
        let node = node.unwrap();
        let name = Name::parse("ct").unwrap();
        let roster = roster_rows([(person().public(), 1)]);
        let genesis = RawGenesis::new(name, roster, Parameters::default(), BEGIN, Id::ZERO);
        let (_, raw) = Page::found(genesis, []).unwrap();
        let whole = WholePage { raw, ..WholePage::default() };
        let page = node.admit_page(whole, &mut |_, _, _| {}).unwrap().page().id();
        node.view();
        (node, page, clock)
    }

    pub(in crate::daemon) fn host(node: &Node, page: &Id, of: &PublicKey) {
        let presence =
            Presence { node: vec![of.raw()], ..Presence::new(person().public().raw(), 1) };
        let said = Statement::sign(page, Body::Presence(presence), &person()).unwrap();
        node.submit(&[said]).unwrap();
    }

    fn is_fresh(node: &Node, page: &Id) -> bool {
        node.view().load().page(page).unwrap().meta().fresh
    }

    pub(in crate::daemon) fn at(node: &Node, clock: &AtomicU64, time: u64) {
        clock.store(time, Ordering::Relaxed);
        node.seal_due();
    }

    /// T6 accepts: a page whose own node goes on to say that it holds the newest.
    #[test]
    fn a_node_that_seals_a_page_keeps_it_fresh_and_attests_it_four_times_a_day() {
        let (node, page, clock) = home();
        assert!(is_fresh(&node, &page), "nobody can have sealed it");
        host(&node, &page, &node.key());
        at(&node, &clock, BEGIN + 60);
        assert_eq!(node.page(&page).unwrap().page().height(), 1);
        let said = |node: &Node| node.field(&page).attestations().map(Attestation::time).max();
        let before = said(&node);
        for hours in 1..50 {
            at(&node, &clock, BEGIN + 60 + hours * HOUR);
            assert!(is_fresh(&node, &page), "{hours}");
            let (held, sealed) = (said(&node).unwrap_or(0), BEGIN + 60);
            assert!(hours < 6 && said(&node) == before || held > sealed + (hours - 6) * HOUR);
        }
    }

    /// T6 refuses: a page of whose node nothing was heard for a day.
    #[test]
    fn a_page_of_another_node_is_fresh_for_a_day_after_it_was_heard() {
        let (node, page, clock) = home();
        let other = SecretKey::from_seed(&[77; 32]);
        host(&node, &page, &other.public());
        assert!(!is_fresh(&node, &page));
        let head = node.page(&page).unwrap().page().head();
        let said = Attestation::sign(&other, &page, &head, BEGIN);
        let admit =
            |said: &Attestation| node.admit(&page, &other.public(), vec![said.bytes().into()]);
        assert_eq!(admit(&said), [Verdict::New]);
        assert!(is_fresh(&node, &page));
        assert_eq!(admit(&said), [Verdict::Known]);
        at(&node, &clock, BEGIN + 24 * HOUR - 1);
        assert!(is_fresh(&node, &page));
        at(&node, &clock, BEGIN + 24 * HOUR + 60);
        assert!(!is_fresh(&node, &page));
        assert_eq!(node.field(&page).attestations().count(), 0, "what is over is let go of");
        let stranger =
            Attestation::sign(&SecretKey::from_seed(&[78; 32]), &page, &head, BEGIN + 24 * HOUR);
        assert!(matches!(admit(&stranger)[..], [Verdict::NotNow(_)]));
    }
}
