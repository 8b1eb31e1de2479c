//! Why each page is here, and letting go of those that only questions brought (N2): of a few of them, those
//! that were asked for last, are kept.
//!
//! A page that goes, goes whole, as when a person forgets it: its log and all that hangs on it, in memory and
//! on the disk. Asked for again it is fetched and verified as the first time, by what the page above it says.
//! Which pages go is decided by [`policy`], and when they were asked for is remembered by [`asked`].

use std::collections::{BTreeMap, BTreeSet};

use super::{
    node::{Node, State, sentence, way},
    whole::{CARRIED, Note},
    wishes::USUAL,
};
use crate::{
    control::{report::Kept, request::Failure},
    governance::Governance,
    id::Id,
    limits::*,
    page::{genesis::Genesis, name::Name},
    store::{StoreError, Tray},
};

pub mod asked;
pub mod policy;

use policy::{Bounds, Row, Why};

/// How much may be here only because of questions.
pub const USUAL_BOUNDS: Bounds = Bounds { pages: ASKED_PAGES_MAX, bytes: ASKED_BYTES_MAX };

/// What ties this node to pages, of all that are here.
#[derive(Debug, Default)]
pub struct Ties {
    /// They came from other nodes, and nobody brought them by hand, before or since.
    pub fetched: BTreeSet<Id>,
    /// Somebody said something of them here, or sent a petition.
    pub used: BTreeSet<Id>,
}

impl Ties {
    /// Whether a page came from other nodes, and whether somebody used it here.
    pub fn of(&self, page: &Id) -> (bool, bool) {
        (self.fetched.contains(page), self.used.contains(page))
    }

    /// Sets what [`Ties::of`] says.
    pub fn put(&mut self, page: &Id, (fetched, used): (bool, bool)) {
        self.forget(page);
        self.fetched.extend(fetched.then_some(*page));
        self.used.extend(used.then_some(*page));
    }

    /// Nothing of a page is here any more.
    pub fn forget(&mut self, page: &Id) {
        self.fetched.remove(page);
        self.used.remove(page);
    }
}

impl Node {
    /// Why a page is here.
    pub fn kept(&self, id: &Id) -> Option<Kept> {
        let state = self.state();
        let own = self.own_reason(&state, state.pages.get(id)?);
        let is_way = || self.ways(&state).contains(id);
        Some(own.unwrap_or_else(|| if is_way() { Kept::Way } else { Kept::Asked }))
    }

    /// Why each page is here.
    pub fn all_kept(&self) -> BTreeMap<Id, Kept> {
        let state = self.state();
        let way = self.ways(&state);
        let reason = |(id, page): (&Id, &Governance)| {
            let other = if way.contains(id) { Kept::Way } else { Kept::Asked };
            (*id, self.own_reason(&state, page).unwrap_or(other))
        };
        state.pages.iter().map(reason).collect()
    }

    /// The pages through which those are reached that are here for a reason of their own.
    fn ways(&self, state: &State) -> BTreeSet<Id> {
        let rows = self.rows(state, &BTreeSet::new());
        policy::on_the_way(&rows, |row| row.stays || row.is_hosted)
    }

    /// Why a page is here, if not because of questions or for the sake of another page.
    fn own_reason(&self, state: &State, page: &Governance) -> Option<Kept> {
        let id = page.page().id();
        let reasons = [
            (Kept::Demonstration, page.page().is_demonstration()),
            (Kept::Trusted, state.anchors.values().any(|anchor| *anchor == id)),
            (Kept::Brought, !state.ties.fetched.contains(&id)),
            (Kept::Used, state.ties.used.contains(&id)),
            (Kept::Wished, self.wishes.of(&id) != USUAL),
        ];
        let first = reasons.into_iter().find(|(_, holds)| *holds).map(|(kept, _)| kept);
        let is_hosted = || !page.seats_of(&self.key.public()).is_empty();
        first.or_else(|| is_hosted().then_some(Kept::Hosted))
    }

    /// All pages that are here, whole or in part, as [`policy`] sees them. `sought`: they are being fetched.
    fn rows(&self, state: &State, sought: &BTreeSet<Id>) -> Vec<Row> {
        let row = |id: &Id, name: &Name, own: Option<Kept>| Row {
            page: *id,
            bytes: self.store.bytes(id).unwrap_or_default(),
            stays: own.is_some_and(|kept| kept != Kept::Hosted),
            is_hosted: own == Some(Kept::Hosted),
            is_fetched: sought.contains(id),
            asked: 0,
            above: way(state, name).into_iter().filter(|above| above != id).collect(),
        };
        let whole = state
            .pages
            .iter()
            .map(|(id, page)| row(id, page.page().name(), self.own_reason(state, page)));
        let parts = state.downloads.iter().filter(|(id, _)| !state.pages.contains_key(*id));
        let parts = parts.map(|(id, kept)| {
            let genesis = kept.genesis.as_deref().map(Genesis::decode);
            let name = genesis.and_then(Result::ok).map(|genesis| genesis.raw().name.clone());
            let is_trusted = state.anchors.values().any(|anchor| anchor == id);
            let stays = is_trusted || self.wishes.of(id) != USUAL;
            row(id, &name.unwrap_or(Name::root()), stays.then_some(Kept::Trusted))
        });
        whole.chain(parts).collect()
    }

    /// Somebody of this machine takes part in a page from now on.
    pub(super) fn note_used(&self, id: &Id) {
        self.state().ties.used.insert(*id);
    }

    /// Somebody brought a page by hand that questions had brought: it stays from now on, also after a restart.
    ///
    /// # Errors
    /// [`Failure`], and it stays no longer than before.
    pub(super) fn note_brought(&self, state: &mut State, id: &Id) -> Result<(), Failure> {
        if state.ties.fetched.contains(id) {
            let note = Note { time: self.now(), what: CARRIED.to_owned() };
            self.store.append(id, &[note.record()]).map_err(sentence)?;
            state.ties.fetched.remove(id);
        }
        Ok(())
    }

    /// Whether a petition to a page was sent from here. Those that others handed in are no reason to keep it.
    pub(super) fn has_petitioned(&self, id: &Id) -> bool {
        self.store.letters(Tray::Outbox, id).is_ok_and(|found| !found.sound.is_empty())
    }

    /// Notes what was asked for, and lets go of pages that are here only because of questions: of more than
    /// may be, and of those that nobody has asked for for long. `sought` are being fetched, and stay. Returns
    /// which went.
    pub fn evict(&self, bounds: Bounds, sought: &BTreeSet<Id>) -> Vec<Id> {
        let asked = self.view.load().take_asked();
        let now = self.milliseconds();
        let mut rows = self.rows(&self.state(), sought);
        let here = rows.iter().filter(|row| !row.stays).map(|row| row.page).collect();
        {
            let mut known = self.asked();
            known.note(&asked, &here, now);
            for row in &mut rows {
                row.asked = known.of(&row.page).unwrap_or_default();
            }
        }
        let idle_since = self.may_be_idle().then(|| now - now.min(ASKED_IDLE.as_millis() as u64));
        let leaving = policy::leaving(&rows, bounds, idle_since);
        let gone: Vec<Id> = leaving
            .into_iter()
            .filter(|(id, why)| self.lets_go(id, *why))
            .map(|(id, _)| id)
            .collect();
        self.save_asked(false);
        gone
    }

    /// Writes when pages were asked for, if that is due or `at_once`.
    pub fn save_asked(&self, at_once: bool) {
        if let Err(error) = self.asked().save(&self.store, self.ticks(), at_once) {
            let why = sentence(error).message;
            tracing::warn!("when pages were asked for is not written: {why}");
        }
    }

    /// Whether time counts: this node has run for a while, in which people could ask, and its clock is not ahead
    /// of others.
    fn may_be_idle(&self) -> bool {
        let runs = self.ticks().saturating_sub(self.began);
        runs >= ASKED_IDLE_REST.as_millis() as u64 && !self.is_clock_ahead()
    }

    fn lets_go(&self, id: &Id, why: Why) -> bool {
        let state = self.state();
        let page = state.pages.get(id);
        let name = page.map(|page| page.page().name().to_string());
        // Somebody may have begun to use it since it was looked at.
        let reason = page.and_then(|page| self.own_reason(&state, page));
        if reason.is_some_and(|kept| kept != Kept::Hosted) {
            return false;
        }
        match self.let_go_in(state, id) {
            Ok(_) => {
                let why = match why {
                    Why::Idle => "nobody asked for it for long",
                    Why::Room => "others were asked for later",
                };
                tracing::info!(page = %id.short(), name, "a page that only questions brought goes: {why}");
                true
            }
            Err(StoreError::NoSuchPage(_)) => false,
            Err(error) => {
                tracing::warn!(page = %id, "a page that is to go stays: {}", sentence(error).message);
                false
            }
        }
    }
}
