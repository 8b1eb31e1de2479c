//! Whole pages taken in: founded here, or brought; and which of them is trusted for a name.

use std::sync::Arc;

use super::{Node, Progress, sentence};
use crate::{
    control::request::Failure,
    daemon::{
        anchors,
        shown::{built, with_page},
        whole::{self, Check, Note, Reopened, WholePage},
    },
    governance::{Governance, chain::ladder::Ladder},
    id::Id,
    page::{Page, PageRefusal, genesis::Genesis, name::Name},
};

impl Node {
    /// Admits a whole page: founded here, or brought by a bundle.
    ///
    /// # Errors
    /// [`Failure`], with nothing changed.
    pub fn admit_page(&self, whole: WholePage, progress: Progress) -> Result<Governance, Failure> {
        check_no_demonstration(&whole)?;
        self.admit_whole(whole, "imported", progress)
    }

    /// Founds a page whose genesis names no state root yet.
    ///
    /// # Errors
    /// [`Failure`], with nothing changed.
    pub fn found_page(
        &self,
        mut whole: WholePage,
        progress: Progress,
    ) -> Result<Governance, Failure> {
        check_no_demonstration(&whole)?;
        let raw = std::mem::take(&mut whole.raw);
        let total = raw.entries.len();
        let founded = Page::found_raw(raw, &mut checking(total, progress));
        let (page, raw) = founded.map_err(refused_page)?;
        let reopened =
            Reopened { ladder: Ladder::new(&page), page: Governance::new(page), window: None };
        self.take_in(reopened, WholePage { raw, ..whole }, "founded", progress)
    }

    /// [`Node::admit_page`] for the pages embedded in the program, whose keys are public (P6).
    ///
    /// # Errors
    /// [`Failure`], with nothing changed.
    pub fn admit_demonstration(
        &self,
        whole: WholePage,
        progress: Progress,
    ) -> Result<Governance, Failure> {
        self.admit_whole(whole, "founded", progress)
    }

    fn admit_whole(
        &self,
        whole: WholePage,
        cause: &str,
        progress: Progress,
    ) -> Result<Governance, Failure> {
        let reopened = whole::reopen_watched(&whole, Check::Full, progress, &mut |_| Ok(()));
        let reopened = reopened
            .map_err(|refusal| Failure::refused(format!("the page is refused: {refusal}")))?;
        self.take_in(reopened, whole, cause, progress)
    }

    /// `cause` is noted in the log: founded here, or imported.
    pub(in crate::daemon) fn take_in(
        &self,
        reopened: Reopened,
        whole: WholePage,
        cause: &str,
        progress: Progress,
    ) -> Result<Governance, Failure> {
        let page = reopened.page.clone();
        let id = page.page().id();
        if self.page(&id).is_some() {
            return Err(Failure::refused(format!("the page {id} is here already")));
        }
        // What was fetched of it so far is not needed any more.
        if self.state().downloads.remove(&id).is_some() {
            self.store.forget(&id).map_err(sentence)?;
        }
        let total = whole.raw.entries.len() as u64;
        progress("writing", 0, total);
        let note = Note { time: self.now(), what: cause.to_owned() };
        self.store.found(&id, self.nonce(), whole.records(note)).map_err(sentence)?;
        self.state().ties.forget(&id);
        progress("showing", 0, total);
        self.show_reopened(reopened);
        Ok(page)
    }

    /// Shows a page that is stored.
    pub(in crate::daemon) fn show(&self, page: Governance) {
        let is_shown = self.state().is_shown;
        // Before the state is locked: statements about other pages need not wait for it.
        let early = is_shown.then(|| self.to_show(&page));
        let mut state = self.state();
        // Somebody let go of it since it was written.
        if !self.store.has(&page.page().id()) {
            return;
        }
        state.images.remove(&page.page().id());
        if state.is_shown
            && let Some(built) = early.unwrap_or_else(|| Some(built(&page)))
        {
            self.view.store(Arc::new(with_page(&self.view.load(), built, &page)));
        }
        if page.is_named(&self.key.public()) {
            state.due.insert(page.page().id(), 0);
        }
        let id = page.page().id();
        state.pages.insert(id, page);
        state.open.remove(&id);
        self.keep_fresh(&mut state, &id, self.now());
        self.tell_change(&id);
    }

    /// Trusts a page for a name and everything below it, durably (T2).
    ///
    /// # Errors
    /// [`Failure`] when the page is not here or has another name, or the disk fails.
    pub fn join(&self, name: &Name, id: &Id) -> Result<(), Failure> {
        let Some(page) = self.page(id) else {
            return Err(Failure::not_found(format!(
                "the page {id} is not here: `djdns serve` fetches it from other nodes, or bring it with \
                 `djdns page import {name} FILE.bundle` first"
            )));
        };
        let bound = page.page().name();
        if bound != name {
            return Err(Failure::refused(format!(
                "the page {id} is bound to the name {bound}, not {name}: `djdns page join {bound} {}`",
                id.short()
            )));
        }
        self.set_anchor(name, Some(*id)).map(drop)
    }

    /// Trusts a page for a name, be it here or not, or none; durably. Returns what was trusted before.
    ///
    /// # Errors
    /// [`Failure`], with nothing changed.
    pub(in crate::daemon) fn set_anchor(
        &self,
        name: &Name,
        id: Option<Id>,
    ) -> Result<Option<Id>, Failure> {
        let mut state = self.state();
        let mut anchors = state.anchors.clone();
        let before = match id {
            Some(id) => anchors.insert(name.clone(), id),
            None => anchors.remove(name),
        };
        self.store.set_anchors(&anchors::write(&anchors)).map_err(sentence)?;
        if state.is_shown {
            let view = self.view.load();
            let view = match id {
                Some(id) => view.with_anchor(name, id),
                None => view.without_anchor(name),
            };
            self.view.store(Arc::new(view));
        }
        state.anchors = anchors;
        Ok(before)
    }
}

/// The keys of the demonstration are public (P6).
pub(in crate::daemon) fn check_no_demonstration(whole: &WholePage) -> Result<(), Failure> {
    match Genesis::decode(&whole.raw.genesis) {
        Ok(genesis) if genesis.raw().demonstration => Err(Failure::refused(
            "this is a demonstration page, whose keys are public: it comes with the program and is \
             accepted from nobody",
        )),
        _ => Ok(()),
    }
}

/// Tells now and then how many of a page's entries are checked.
pub(in crate::daemon) fn checking(total: usize, progress: Progress) -> impl FnMut(usize) {
    move |done| {
        if done.is_multiple_of(4096) {
            progress("checking entries", done as u64, total as u64);
        }
    }
}

fn refused_page(refusal: PageRefusal) -> Failure {
    Failure::refused(format!("the page is refused: {refusal}"))
}
