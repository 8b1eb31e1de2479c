//! Pages that are here and damaged: named wherever somebody asks for them, and not answered.
//!
//! A genesis proves itself, since its hash is the page id (P6): as long as it reads, a damaged page
//! still has its name; else it goes by the one for which a person trusts it.

use std::sync::Arc;

use super::node::{Node, Reopening};
use crate::{
    control::{
        report::{PageSummary, UNKNOWN_NAME},
        request::PageSelector,
    },
    dns::Trouble,
    id::Id,
    page::{genesis::Genesis, name::Name},
    store::StoreError,
};

/// What is known of a damaged page.
#[derive(Clone)]
pub struct Damage {
    pub page: Id,
    pub name: Option<Name>,
    demonstration: bool,
    /// What is wrong, and where, in a few words.
    what: String,
    /// What is wrong, where, and what to do.
    pub sentence: String,
}

impl Damage {
    /// One row of the list of pages.
    pub fn summary(&self) -> PageSummary {
        PageSummary {
            name: self.title(),
            page_id: self.page.to_string(),
            height: 0,
            entries: 0,
            participants: 0,
            open_operations: 0,
            soft_entries: 0,
            linked: false,
            forked: None,
            damaged: Some(self.what.clone()),
            demonstration: self.demonstration,
            stale: false,
            awaited: None,
            alongside: None,
            kept: None,
        }
    }

    /// Its name, if that is still to be read.
    pub fn title(&self) -> String {
        self.name.as_ref().map_or_else(|| UNKNOWN_NAME.to_owned(), ToString::to_string)
    }

    /// Whether somebody who says this means it.
    pub fn is_meant(&self, selector: &PageSelector) -> bool {
        let name = Name::parse(selector).ok();
        is_prefix(selector) && self.page.has_hex_prefix(selector)
            || name.is_some() && self.name == name
    }
}

/// Whether these are digits of a page id, and enough of them.
pub fn is_prefix(selector: &PageSelector) -> bool {
    selector.len() >= 6 && selector.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Node {
    /// Notes that a page is here and cannot be read back.
    pub(super) fn keep_damage(&self, id: &Id, error: &Reopening) {
        let genesis = self.store.first_unchecked(id);
        let genesis = genesis.and_then(|record| Genesis::decode(&record.bytes).ok());
        let genesis = genesis.filter(|genesis| genesis.id() == *id);
        let what = match error {
            Reopening::Store(StoreError::Damaged(fault)) => {
                format!("at byte {} (change {}): {}", fault.offset, fault.sequence, fault.what)
            }
            error => error.to_string(),
        };
        let sentence = match error {
            Reopening::Store(StoreError::Damaged(fault)) => fault.to_string(),
            error => format!("page {id} is not served: {error}"),
        };
        let proved = genesis.as_ref().map(|genesis| genesis.raw().name.clone());
        let name = proved.or_else(|| self.trusted_as(id));
        let of = name.as_ref().map_or(String::new(), |name| format!("{name}, "));
        let notice = match error {
            Reopening::Store(StoreError::Damaged(_)) => {
                format!("{of}page {id}, is not available: {sentence}")
            }
            _ => format!("{of}{sentence}"),
        };
        let demonstration = genesis.is_some_and(|genesis| genesis.raw().demonstration);
        let damage = Damage { page: *id, name, demonstration, what, sentence };
        // Not to the log: whoever asks for another page need not hear of it.
        let mut state = self.state();
        state.notices.push(notice);
        state.damaged.insert(*id, damage);
        state.images.remove(id);
        if state.is_shown {
            let view = self.view.load().without_page(id).with_trouble(id, Trouble::Damaged);
            self.view.store(Arc::new(view));
        }
    }

    /// The name for which a person trusts this page: it is the page's own, or it would not be trusted.
    fn trusted_as(&self, id: &Id) -> Option<Name> {
        let state = self.state();
        let mut trusted = state.anchors.iter().filter(|(_, page)| *page == id);
        trusted.next().map(|(name, _)| name.clone())
    }

    /// The pages that are damaged, in the order of their ids.
    pub fn damaged(&self) -> Vec<Damage> {
        self.state().damaged.values().cloned().collect()
    }

    /// The damaged page that somebody means; of several none.
    pub fn damaged_meant(&self, selector: &PageSelector) -> Option<Damage> {
        let mut found = self.damaged();
        found.retain(|damage| damage.is_meant(selector));
        if found.len() == 1 { found.pop() } else { None }
    }
}
