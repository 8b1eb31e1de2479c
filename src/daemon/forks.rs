//! Pages of which two histories are known (T4): what is kept of the other, what is said of that, and that
//! such a page is served as what it is.

use std::sync::Arc;

use super::{
    node::{Node, State, sentence},
    whole::{self, Note},
};
use crate::{
    control::request::Failure,
    dns::Trouble,
    governance::{
        Governance,
        forks::{Decision, Forks},
        seal::SealRecord,
    },
    id::Id,
    page::name::Name,
    store::Record,
};

/// Keeps a seal as evidence of a fork, once. Unless a person has decided on its height, the page is sealed and
/// followed no further from now on. Returns whether it was not kept before.
pub fn keep(node: &Node, state: &mut State, id: &Id, fork: &SealRecord) -> Result<bool, Failure> {
    let mut forks = state.forks_of(id);
    if !Arc::make_mut(&mut forks).keep(fork) {
        return Ok(false);
    }
    let note = Note { time: node.now(), what: "contradicted".to_owned() };
    let records = [note.record(), Record::unnamed(whole::FORK, fork.encode())];
    node.store.append(id, &records).map_err(sentence)?;
    let (seal, height) = (fork.seal.id(), fork.seal.height);
    tracing::warn!(page = %id, %seal, height, "two seals contradict each other");
    state.forks.insert(*id, forks);
    state.open.remove(id);
    node.mark(state, id);
    node.tell_change(id);
    Ok(true)
}

/// That a page has two histories, and what a person can do.
pub fn forked(name: &Name, id: &Id, forks: &Forks) -> Option<String> {
    let lowest = forks.lowest()?;
    let (height, other, id) = (lowest.seal.height, lowest.seal.id().short(), id.short());
    Some(format!(
        "{name} is forked: at height {height} its sealers committed to the seal held here and to {other}. It \
         is served as it was, and neither sealed nor followed, until you decide: see `djdns page history \
         {id}`, ask its participants which of the two is theirs, and say so on each node that says this, with \
         `djdns page choose {id} SEAL`; before that `djdns page export {id} --format bundle -o FILE` keeps a \
         copy of what is held here"
    ))
}

/// Why nothing is taken in that leads to another seal of a height than the one that a person decided for.
pub fn decided_against(name: &Name, seal: &Id, height: u64, decided: &Id) -> String {
    let (seal, decided) = (seal.short(), decided.short());
    format!(
        "at height {height} of {name} it has the seal {seal}, and this node was told that {decided} is the \
         page's: `djdns page choose {name} {seal}` would change that"
    )
}

impl State {
    /// What is known of other histories of a page.
    pub fn forks_of(&self, id: &Id) -> Arc<Forks> {
        self.forks.get(id).cloned().unwrap_or_default()
    }

    /// Whether two seals of a page contradict each other, and nobody has decided between them.
    pub fn is_forked(&self, id: &Id) -> bool {
        self.forks.get(id).is_some_and(|forks| forks.is_open())
    }
}

impl Node {
    /// The lowest height at which seals of a page contradict each other, undecided.
    pub fn forked_at(&self, id: &Id) -> Option<u64> {
        Some(self.state().forks.get(id)?.lowest()?.seal.height)
    }

    /// What is to be said of a page, if it is forked.
    pub fn forked_words(&self, id: &Id) -> Option<String> {
        self.forked().into_iter().find(|(page, _)| page == id).map(|(_, words)| words)
    }

    /// What is to be said of each forked page.
    pub fn forked(&self) -> Vec<(Id, String)> {
        let state = self.state();
        let name = |id: &Id| state.pages.get(id).map(|page| page.page().name().clone());
        let words = |(id, forks): (&Id, &Arc<Forks>)| Some((*id, forked(&name(id)?, id, forks)?));
        state.forks.iter().filter_map(words).collect()
    }

    /// What a person decided between seals of a page, from the lowest height on.
    pub fn decisions(&self, id: &Id) -> Vec<Decision> {
        self.state().forks_of(id).decisions().collect()
    }

    /// Serves a forked page as what it is: not fresh, and so cached for a short time only (T6).
    pub(super) fn mark(&self, state: &State, id: &Id) {
        let lowest = state.forks.get(id).and_then(|forks| forks.lowest());
        if let Some(lowest) = lowest.filter(|_| state.is_shown) {
            let view = self.view.load().with_fresh(id, false);
            let view = view.with_trouble(id, Trouble::Forked(lowest.seal.height));
            self.view.store(Arc::new(view));
        }
    }
}

/// What a page waits for since a person decided: a seal that is not here yet.
pub fn awaited(page: &Governance, decisions: &[Decision]) -> Option<String> {
    let page = page.page();
    let missing = decisions.iter().find(|decision| decision.height > page.height())?;
    let (name, height) = (page.name(), page.height());
    Some(format!(
        "{name} stands at height {height} and waits for the seal {} at height {}, which you decided for: it \
         comes from a node that has it, or with `djdns page carry FILE`",
        missing.seal.short(),
        missing.height
    ))
}
