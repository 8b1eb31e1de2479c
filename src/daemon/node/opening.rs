//! A node at its start: every page read back from its log, and the demonstration where there is none.

use std::sync::Arc;

use super::{Node, Progress, State};
use crate::{
    daemon::{
        adopt::Kept,
        whole::{self, Origin, Reopened, WholePage, WholeRefusal},
    },
    demo,
    governance::{Governance, field::Field, forks::Forks},
    id::Id,
    page::{bundle, genesis::Genesis, name::Name},
    store::{Cursor, StoreError},
};

/// Why a page cannot be read back from its log.
#[derive(Debug, thiserror::Error)]
pub enum Reopening {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Whole(#[from] WholeRefusal),
    #[error("its log holds another page: {0}")]
    OtherPage(Id),
}

/// What a log holds.
enum Found {
    Page {
        forks: Arc<Forks>,
        reopened: Box<Reopened>,
        stashed: Option<Kept>,
        field: Field,
        origin: Origin,
    },
    /// A page that is still being fetched.
    Download(Kept),
}

impl Node {
    /// Whether the directory is new, or its first start was interrupted: then there is nothing but
    /// pages of the demonstration, and no anchor, which is written after them.
    pub(super) fn holds_nothing_of_its_own(&self) -> Result<bool, StoreError> {
        let stored = self.store.pages()?.len();
        let pages = self.pages();
        let is_demonstration = |page: &Governance| page.page().is_demonstration();
        Ok(stored == pages.len() && pages.iter().all(is_demonstration))
    }

    /// Puts the demonstration into a data directory and trusts its root, last: so an interrupted
    /// start is seen, and finished by the next, which finds a part of the pages here.
    pub(super) fn install_demonstration(&self) -> anyhow::Result<()> {
        for bytes in demo::bundles() {
            let mut whole = WholePage::default();
            for (kind, bytes) in bundle::read(bytes)? {
                whole.take(kind, bytes.to_vec())?;
            }
            let genesis = Genesis::decode(&whole.raw.genesis)?;
            if self.page(&genesis.id()).is_none() {
                self.admit_demonstration(whole, &mut |_, _, _| {})?;
            }
            if genesis.raw().name.is_root() {
                self.join(&Name::root(), &genesis.id())?;
            }
        }
        Ok(())
    }

    /// Reads every page from its log, and shows it; but those whose logs are read later.
    pub(super) fn load(&self, progress: Progress) -> anyhow::Result<()> {
        let mut ids = self.store.pages()?;
        ids.retain(|id| !self.loading.has(id));
        for (n, id) in ids.iter().enumerate() {
            progress("loading pages", n as u64, ids.len() as u64);
            self.load_page(id, progress);
        }
        Ok(())
    }

    /// Reads a page from its log, and shows it.
    pub(in crate::daemon) fn load_page(&self, id: &Id, progress: Progress) {
        match self.reopen(id, progress) {
            Ok(Found::Page { forks, reopened, stashed, field, origin }) => {
                let mut state = self.state();
                if *forks != Forks::default() {
                    state.forks.insert(*id, forks);
                }
                state.fields.insert(*id, field);
                self.tie(&mut state, id, origin);
                state.downloads.extend(stashed.map(|stashed| (*id, stashed)));
                drop(state);
                self.show_reopened(*reopened);
                self.mark(&self.state(), id);
            }
            Ok(Found::Download(stashed)) => {
                self.state().downloads.insert(*id, stashed);
            }
            Err(error) => self.keep_damage(id, &error),
        }
    }

    fn reopen(&self, id: &Id, progress: Progress) -> Result<Found, Reopening> {
        let mut whole = self.read_whole(id)?;
        let forks = Arc::new(std::mem::take(&mut whole.forks));
        let leaves = std::mem::take(&mut whole.download.leaves);
        let reopened = match whole::reopen_taking(&mut whole, progress) {
            Err(WholeRefusal::Unfinished) => {
                return Ok(Found::Download(Kept { genesis: Some(whole.raw.genesis), leaves }));
            }
            reopened => Box::new(reopened?),
        };
        let found = reopened.page.page().id();
        if found != *id {
            return Err(Reopening::OtherPage(found));
        }
        let stashed = (!leaves.is_empty()).then_some(Kept { genesis: None, leaves });
        let field = reopened.certified(&whole);
        Ok(Found::Page { forks, reopened, stashed, field, origin: whole.origin })
    }

    /// Remembers how a page came here, and whether somebody of this machine takes part in it.
    fn tie(&self, state: &mut State, id: &Id, origin: Origin) {
        if origin.is_fetched() {
            state.ties.fetched.insert(*id);
            if origin.is_used || self.has_petitioned(id) {
                state.ties.used.insert(*id);
            }
        }
    }

    /// Shows a page with what leads to it.
    pub(super) fn show_reopened(&self, reopened: Reopened) {
        let Reopened { page, ladder, window } = reopened;
        let id = page.page().id();
        let mut state = self.state();
        state.ladders.insert(id, ladder);
        state.windows.extend(window.map(|window| (id, Arc::new(window))));
        drop(state);
        self.show(page);
    }

    /// Everything in a page's log.
    ///
    /// # Errors
    /// [`Reopening`] when the log cannot be read, or its records are none of ours.
    pub fn read_whole(&self, id: &Id) -> Result<WholePage, Reopening> {
        Ok(self.read_from(id, Cursor::START)?.0)
    }

    /// What a page's log holds from `from` on, and where it ends.
    ///
    /// # Errors
    /// [`Reopening`] when the log cannot be read, or its records are none of ours.
    pub fn read_from(&self, id: &Id, from: Cursor) -> Result<(WholePage, Cursor), Reopening> {
        let mut whole = WholePage::default();
        let mut fault = None;
        let end = self.store.read(id, from, &mut |record| {
            if let Err(found) = whole.take(record.kind, record.bytes) {
                fault.get_or_insert(found);
            }
        })?;
        fault.map_or(Ok((whole, end)), |fault| Err(fault.into()))
    }

    /// What a page's log holds from `from` on, together with the page as it is served after
    /// exactly that: nothing is admitted in between.
    ///
    /// # Errors
    /// As [`Node::read_from`]; `None` when the page is not here any more.
    pub fn read_rest(
        &self,
        id: &Id,
        from: Cursor,
    ) -> Result<Option<(WholePage, Governance)>, Reopening> {
        let state = self.state();
        let Some(page) = state.pages.get(id).cloned() else { return Ok(None) };
        Ok(Some((self.read_from(id, from)?.0, page)))
    }
}
