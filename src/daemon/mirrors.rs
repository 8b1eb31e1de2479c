//! Mirrors: other name servers that take pages from here. Says to them and to transfers what is sealed.
//!
//! A thread of its own looks at the pages, so that no answer waits for them; what is said of a seal is
//! [`Telling`]'s business.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use super::node::Node;
use crate::{
    dns::transfer::{Rules, Sealed},
    governance::Governance,
    id::Id,
};

mod telling;

pub use telling::Telling;

/// The mirrors of this node's pages.
pub struct Mirrors {
    node: Arc<Node>,
    pub telling: Arc<Telling>,
    changed: Mutex<Changed>,
    woken: Condvar,
}

/// Pages to look at.
#[derive(Default)]
struct Changed {
    pages: BTreeSet<Id>,
    all: bool,
}

impl Mirrors {
    /// Nobody may have anything yet, and nothing is looked at.
    pub fn new(node: &Arc<Node>) -> Arc<Mirrors> {
        Arc::new(Mirrors {
            node: node.clone(),
            telling: Telling::new(),
            changed: Mutex::default(),
            woken: Condvar::new(),
        })
    }

    /// These may have pages from now on, and these are told of new seals.
    pub fn go_by(&self, rules: Option<Rules>, told: Vec<SocketAddr>) {
        self.telling.go_by(rules, told);
        self.changed().all = true;
        self.woken.notify_one();
    }

    /// Follows the pages in a thread of its own, and tells mirrors by a task of the current runtime.
    pub fn follow(self: Arc<Self>) {
        let told = self.clone();
        let listener = move |page: &Id| {
            told.changed().pages.insert(*page);
            told.woken.notify_one();
        };
        self.node.on_change_for_mirrors(Box::new(listener));
        tokio::spawn(self.telling.clone().run());
        std::thread::spawn(move || self.look());
    }

    fn changed(&self) -> MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) {
        let transfers = &self.telling.transfers;
        loop {
            let changed = self.wait();
            if transfers.rules().is_none() {
                // A state that nobody can have is not held.
                self.telling.forget(&transfers.keep(|_| false));
                continue;
            }
            let pages = match changed.all {
                true => self.node.pages(),
                false => changed.pages.iter().filter_map(|id| self.node.page(id)).collect(),
            };
            for page in pages.iter().map(Governance::page) {
                // A zone's serial has 32 bits and is compared around (RFC 1982).
                let sealed = Sealed { serial: page.height() as u32, state: page.state().clone() };
                let serial = sealed.serial;
                let stood = self.node.decisions(&page.id()).into_iter().map(|one| one.stood);
                let other = stood.max().filter(|stood| *stood > 0).map(|stood| stood as u32);
                if transfers.put(page.id(), page.name(), sealed, other) {
                    self.telling.begin(page.name(), serial);
                }
            }
            let gone = transfers.keep(|id| {
                let is_looked_at = changed.all || changed.pages.contains(id);
                !is_looked_at || pages.iter().any(|page| page.page().id() == *id)
            });
            self.telling.forget(&gone);
        }
    }

    fn wait(&self) -> Changed {
        let mut changed = self.changed();
        while changed.pages.is_empty() && !changed.all {
            changed = self.woken.wait(changed).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::take(&mut changed)
    }
}
