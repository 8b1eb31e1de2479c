//! Pages taken over at a seal (N5): the leaves of a state kept while they are fetched, and the jump to it.
//!
//! A download is a log like any other, but that nothing ends it yet: it is kept over restarts, found by
//! [`Node::stashed`], and never served. The jump is one record at its end: before it is durable the page is
//! what it was, and afterwards it is the new one.

use std::{collections::HashMap, sync::Arc};

use super::{
    forks::forked,
    landing,
    node::{Node, State, sentence},
    whole::{FETCHED, Note},
};
use crate::{
    control::request::Failure,
    governance::{
        Governance,
        chain::{ChainProof, ChainRefusal, ladder::Ladder},
        forks::{Decision, Forks},
        jump::{JumpRefusal, Snapshot, Trust, Window},
        seal::{Contents, Seal, SealRecord},
        statement::Statement,
    },
    id::{Id, Kind},
    limits::{LOG_FOUNDING_FRAME_BYTES, SEAL_AHEAD},
    page::{
        Page, RawPage,
        bundle::{Landing, StateLeaf},
        entry::Rdata,
        genesis::{Genesis, GenesisRefusal},
        trie::Trie,
    },
    store::{Record, StoreError},
    sync::Stashed,
    time::date,
};

/// Why a page is not taken over.
#[derive(Debug, thiserror::Error)]
pub enum AdoptRefusal {
    #[error(transparent)]
    Jump(#[from] Box<JumpRefusal>),
    #[error("its keys are public: a demonstration page is accepted from nobody")]
    Demonstration,
    #[error("its newest seal is of {}, and this machine's clock says {}", date(*.seal), date(*.clock))]
    Ahead { seal: u64, clock: u64 },
    #[error("{0}")]
    Forked(String),
    #[error("a person decided for the seal {} at height {}, and it does not show that one (T4)",
        .0.seal.short(), .0.height)]
    Decided(Decision),
    #[error("the page {0} went on here meanwhile")]
    Overtaken(Id),
    #[error("{}", .0.message)]
    Here(Failure),
}

impl AdoptRefusal {
    /// Whether no honest peer hands on what was refused.
    pub fn is_fault(&self) -> bool {
        match self {
            AdoptRefusal::Demonstration => true,
            AdoptRefusal::Jump(refusal) => match &**refusal {
                JumpRefusal::NotAbove { .. } | JumpRefusal::Fork { .. } => false,
                // From its own height it may be shown the way that it shows here.
                JumpRefusal::Chain(why) => !matches!(**why, ChainRefusal::TooFewKnown { .. }),
                _ => true,
            },
            _ => false,
        }
    }
}

/// What is said where what is fetched finds no room.
pub const NO_ROOM: &str = "the disk is full";

/// What is kept of a state that is being fetched.
#[derive(Default)]
pub(super) struct Kept {
    /// Of a page that is not held.
    pub genesis: Option<Vec<u8>>,
    /// In the order in which they came: of one key the last counts.
    pub leaves: Vec<StateLeaf>,
}

impl Node {
    /// Takes a page over at the seal of a snapshot, durably: one that is new here, or one that is held and
    /// further behind. Without proofs it is a new page as it was founded. Of one that is held, what is still open goes on.
    ///
    /// # Errors
    /// [`AdoptRefusal`]; the page is what it was then, and what was fetched is still there.
    pub fn adopt(&self, snapshot: &Snapshot) -> Result<(), AdoptRefusal> {
        let genesis = Genesis::decode(&snapshot.genesis).map_err(refused)?;
        if genesis.raw().demonstration {
            return Err(AdoptRefusal::Demonstration);
        }
        self.check_due(snapshot)?;
        let id = genesis.id();
        let own = self.page(&id);
        if own.is_none() && snapshot.proofs.is_empty() {
            return self.adopt_founded(genesis, snapshot);
        }
        // All of it, before anything waits for the lock.
        let ladder = match &own {
            Some(own) => {
                own.jumped(snapshot).map_err(Box::new)?;
                None
            }
            None => {
                let page = Governance::from_snapshot(snapshot).map_err(Box::new)?;
                let ladder = Ladder::of_snapshot(&genesis, &snapshot.proofs, page.page());
                Some((page, ladder))
            }
        };
        let before = match &own {
            Some(own) => own.page().state().clone(),
            None => founding_state(&snapshot.genesis),
        };
        let landing = self.keep(&id, &genesis, &before, snapshot)?;
        match (own, ladder) {
            (Some(own), _) => self.land(&own, snapshot, &landing),
            (None, Some((page, ladder))) => self.land_new(page, ladder, snapshot, &landing),
            (None, None) => Ok(()),
        }
    }

    /// Takes over a page that has no seal yet: its genesis says which state it was founded with (P6). A
    /// jump to height 0, so that what was fetched is written once.
    fn adopt_founded(&self, genesis: Genesis, snapshot: &Snapshot) -> Result<(), AdoptRefusal> {
        let genesis = Arc::new(genesis);
        let page = Page::at_founding(genesis.clone(), snapshot.state.clone());
        let page = Governance::new(page.map_err(|why| Box::new(JumpRefusal::State(why)))?);
        let ladder = Ladder::new(page.page());
        let before = founding_state(&snapshot.genesis);
        let landing = self.keep(&page.page().id(), &genesis, &before, snapshot)?;
        self.land_new(page, ladder, snapshot, &landing)
    }

    /// A seal that is not due yet is not taken over (T7).
    fn check_due(&self, snapshot: &Snapshot) -> Result<(), AdoptRefusal> {
        let seal = snapshot.proofs.last().map_or(0, |proof| proof.seal.time);
        let clock = self.now();
        match seal <= clock.saturating_add(SEAL_AHEAD.as_secs()) {
            true => Ok(()),
            false => Err(AdoptRefusal::Ahead { seal, clock }),
        }
    }

    /// Writes everything but the end of a jump: the leaves that are not there yet, and the way to the seal.
    fn keep(
        &self,
        id: &Id,
        genesis: &Genesis,
        before: &Trie,
        snapshot: &Snapshot,
    ) -> Result<Landing, AdoptRefusal> {
        let (leaves, gone) = self.lacking(id, before, &snapshot.state);
        self.stash(id, Some(&genesis.encode()), &leaves).map_err(AdoptRefusal::Here)?;
        let passage = snapshot.passage();
        self.append_parts(id, landing::passage_records(&passage)).map_err(AdoptRefusal::Here)?;
        let newest = snapshot.proofs.last().map(|proof| &proof.seal);
        Ok(Landing {
            height: newest.map_or(0, |seal| seal.height),
            seal: newest.map_or(Id::ZERO, Seal::id),
            passage: Id::hash(&[&passage]),
            gone,
        })
    }

    /// Ends a jump of a page that is held.
    fn land(
        &self,
        own: &Governance,
        snapshot: &Snapshot,
        landing: &Landing,
    ) -> Result<(), AdoptRefusal> {
        let id = own.page().id();
        let mut state = self.state();
        let (name, forks) = (own.page().name(), state.forks_of(&id));
        if let Some(words) = forked(name, &id, &forks) {
            return Err(AdoptRefusal::Forked(words));
        }
        check_decided(own.page().height(), &forks, snapshot)?;
        // Something may have been said since, and goes on too; a seal makes another way of it.
        let page = state.pages.get(&id).filter(|page| page.page().seal() == own.page().seal());
        let page = page.cloned().ok_or(AdoptRefusal::Overtaken(id))?;
        let (next, changed) = page.jumped_by(snapshot, Trust::Checked).map_err(Box::new)?;
        let ladder = state.ladders.get(&id).cloned().unwrap_or_else(|| Ladder::new(page.page()));
        let ladder = ladder.jumped(page.page(), &snapshot.proofs, next.page());
        let ladder = ladder.map_err(|why| Box::new(JumpRefusal::Chain(Box::new(why))))?;
        self.store.append(&id, &self.ending(landing)).map_err(here)?;
        self.arrive(&mut state, id, ladder, snapshot);
        match snapshot.proofs.last() {
            Some(ChainProof { seal, certificate, .. }) => {
                self.show_seal(&mut state, next, (seal, certificate), &changed);
            }
            None => self.replace(&mut state, next, &changed),
        }
        Ok(())
    }

    /// Ends a jump that founds a page here.
    fn land_new(
        &self,
        page: Governance,
        ladder: Ladder,
        snapshot: &Snapshot,
        landing: &Landing,
    ) -> Result<(), AdoptRefusal> {
        let id = page.page().id();
        {
            let mut state = self.state();
            if state.pages.contains_key(&id) {
                return Err(AdoptRefusal::Overtaken(id));
            }
            self.store.append(&id, &self.ending(landing)).map_err(here)?;
            self.arrive(&mut state, id, ladder, snapshot);
            state.ties.fetched.insert(id);
            if let Some(ChainProof { seal, certificate, .. }) = snapshot.proofs.last() {
                state.fields.entry(id).or_default().sealed(&page, seal, certificate);
            }
        }
        self.show(page);
        Ok(())
    }

    fn ending(&self, landing: &Landing) -> [Record; 2] {
        let note = Note { time: self.now(), what: FETCHED.to_owned() };
        [note.record(), landing::landing_record(landing)]
    }

    fn arrive(&self, state: &mut State, id: Id, ladder: Ladder, snapshot: &Snapshot) {
        state.downloads.remove(&id);
        state.ladders.insert(id, ladder);
        state.windows.insert(id, Arc::new(snapshot.window.clone()));
    }

    /// Keeps leaves of a state that is being fetched, durably. `genesis` is needed for a page that is not
    /// held, the first time.
    ///
    /// # Errors
    /// [`Failure`], when the genesis is lacking or the disk fails; some of the leaves may be kept then.
    pub fn stash(
        &self,
        id: &Id,
        genesis: Option<&[u8]>,
        leaves: &[(Id, Vec<u8>)],
    ) -> Result<(), Failure> {
        let is_begun = self.state().downloads.get(id).is_some_and(|kept| kept.genesis.is_some())
            || self.page(id).is_some();
        if !is_begun {
            let genesis = genesis.ok_or_else(|| {
                Failure::not_found(format!("there is no page {id} here, and no genesis of it"))
            })?;
            self.begin_download(id, genesis)?;
        }
        let leaf = |(key, value): &(Id, Vec<u8>)| (*key, Rdata(value.as_slice().into()));
        let leaves: Vec<StateLeaf> = leaves.iter().map(leaf).collect();
        self.append_parts(id, landing::leaves_records(&leaves))?;
        self.state().downloads.entry(*id).or_default().leaves.extend(leaves);
        Ok(())
    }

    /// Which leaves lead from a state, with those that are kept, to another, and which keys are gone.
    fn lacking(&self, id: &Id, before: &Trie, state: &Trie) -> (Vec<(Id, Vec<u8>)>, Vec<Id>) {
        let take = |state: &mut State| {
            state.downloads.get_mut(id).map(|kept| std::mem::take(&mut kept.leaves))
        };
        // Not copied, and the state not locked: there may be a million.
        let mut kept = take(&mut self.state()).unwrap_or_default();
        sort_kept(&mut kept);
        let lacking = jump_between(before, &kept, state);
        if let Some(download) = self.state().downloads.get_mut(id) {
            kept.append(&mut download.leaves);
            download.leaves = kept;
        }
        lacking
    }

    /// A log with nothing but a genesis: the page that it is of is not served.
    fn begin_download(&self, id: &Id, genesis: &[u8]) -> Result<(), Failure> {
        if Genesis::decode(genesis).map(|genesis| genesis.id()).ok() != Some(*id) {
            return Err(Failure::refused(format!("that is no genesis of the page {id}")));
        }
        let note = Note { time: self.now(), what: FETCHED.to_owned() };
        let founding = [Record::unnamed(Kind::Genesis as u8, genesis.to_vec()), note.record()];
        self.store.found(id, self.nonce(), founding).map_err(sentence)?;
        let kept = Kept { genesis: Some(genesis.to_vec()), leaves: Vec::new() };
        self.state().downloads.insert(*id, kept);
        Ok(())
    }

    /// Appends records in changes of moderate size, each durable by itself.
    fn append_parts(
        &self,
        id: &Id,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<(), Failure> {
        let (mut part, mut bytes) = (Vec::new(), 0);
        for record in records {
            bytes += record.bytes.len();
            part.push(record);
            if bytes >= LOG_FOUNDING_FRAME_BYTES {
                self.store.append(id, &std::mem::take(&mut part)).map_err(sentence)?;
                bytes = 0;
            }
        }
        self.store.append(id, &part).map_err(sentence)
    }

    /// Lets go of what was fetched of a page that is not held, since the rest of it cannot be kept: pages that
    /// are here need the room. Returns why, as it is told.
    pub(super) fn give_back(&self, id: Option<&Id>, failure: Failure) -> String {
        let is_full = self.store.is_full();
        if let Some(id) = id.filter(|id| self.page(id).is_none()) {
            self.state().downloads.remove(id);
            if let Err(error) = self.store.forget(id)
                && !matches!(error, StoreError::NoSuchPage(_))
            {
                tracing::warn!(page = %id, "a download is not removed: {}", sentence(error));
            }
        }
        match is_full {
            true => format!("{NO_ROOM}: it does not fit into {}", self.data_dir().display()),
            false => failure.message,
        }
    }

    /// What is there of a page's state that is being fetched: for a new start, or none.
    pub fn stashed(&self, id: &Id) -> Stashed {
        let (genesis, leaves) = match self.state().downloads.get(id) {
            Some(kept) => (kept.genesis.clone(), kept.leaves.clone()),
            None => return Stashed::default(),
        };
        let pairs = leaves.into_iter().map(|(key, Rdata(value))| (key, value));
        Stashed { genesis, leaves: Trie::from_pairs(pairs) }
    }

    /// The certificates that lead to a page's newest seal (T1).
    pub fn ladder(&self, id: &Id) -> Option<Ladder> {
        self.state().ladders.get(id).cloned()
    }

    /// The newest seals of a page, for whoever takes it over (N5): from its log, and, where it was taken
    /// over itself, from what it was taken over with.
    pub fn window(&self, id: &Id) -> Option<Window> {
        let (page, earlier) = {
            let state = self.state();
            (state.pages.get(id)?.page().clone(), state.windows.get(id).cloned())
        };
        let earlier = earlier.unwrap_or_default();
        let earlier_seals: HashMap<Id, &(Seal, Contents)> =
            earlier.seals.iter().map(|found| (found.0.id(), found)).collect();
        let orders = earlier.orders.iter().filter_map(|bytes| Statement::reopen(&bytes.0).ok());
        let earlier_orders: HashMap<Id, Statement> =
            orders.map(|order| (order.id(), order)).collect();
        let found = |id: &Id| self.store.find(id).ok().flatten();
        let seal = |id: &Id| -> Option<(Seal, Contents)> {
            let stored = found(id).filter(|record| record.kind == Kind::Seal as u8);
            if let Some(record) = stored.and_then(|record| SealRecord::decode(&record.bytes).ok()) {
                return Some((record.seal, record.contents));
            }
            earlier_seals.get(id).map(|found| (*found).clone())
        };
        let statement = |id: &Id| -> Option<Statement> {
            let stored = found(id).filter(|record| record.kind == Kind::Operation as u8);
            if let Some(record) = stored {
                return Statement::reopen(&record.bytes).ok();
            }
            earlier_orders.get(id).cloned()
        };
        Some(Window::gather(&page, &seal, &statement))
    }
}

/// The state that a log with nothing but this genesis leads to: one that was founded without entries, or
/// none.
fn founding_state(genesis: &[u8]) -> Trie {
    let raw = RawPage { genesis: genesis.to_vec(), entries: Vec::new() };
    Page::reopen(&raw).map_or_else(|_| Trie::default(), |page| page.state().clone())
}

/// Sorts leaves by their keys; of one key the last stays.
pub(super) fn sort_kept(kept: &mut Vec<StateLeaf>) {
    kept.sort_by_key(|(key, _)| *key);
    kept.dedup_by(|later, earlier| {
        let is_same = later.0 == earlier.0;
        if is_same {
            std::mem::swap(later, earlier);
        }
        is_same
    });
}

/// Which leaves lead from a state, with sorted ones kept beside it, to another, and which keys are gone.
/// Nothing is hashed: all three are walked side by side.
pub(super) fn jump_between(
    before: &Trie,
    kept: &[StateLeaf],
    state: &Trie,
) -> (Vec<(Id, Vec<u8>)>, Vec<Id>) {
    let (mut leaves, mut gone) = (Vec::new(), Vec::new());
    let mut kept = kept.iter().peekable();
    for (key, value) in state.iter() {
        while let Some((passed, _)) = kept.next_if(|(kept, _)| kept < key) {
            gone.push(*passed);
        }
        let is_there = match kept.next_if(|(kept, _)| kept == key) {
            Some((_, kept)) => *kept.0 == *value,
            None => before.get(key) == Some(value),
        };
        if !is_there {
            leaves.push((*key, value.to_vec()));
        }
    }
    gone.extend(kept.map(|(key, _)| *key));
    if !before.is_empty() {
        before.diff(state, &mut |difference| {
            if difference.right.is_none() {
                gone.push(difference.key);
            }
        });
    }
    gone.sort_unstable();
    gone.dedup();
    (leaves, gone)
}

/// Refuses to jump over a height at which a person decided between two seals (T4), unless the one that they
/// decided for is on the way.
fn check_decided(from: u64, forks: &Forks, snapshot: &Snapshot) -> Result<(), AdoptRefusal> {
    let to = snapshot.proofs.last().map_or(0, |proof| proof.seal.height);
    let shown = snapshot.window.shown(&snapshot.proofs).map(Seal::id).collect();
    let missing = forks.missing(from, to, &shown);
    missing.map_or(Ok(()), |missing| Err(AdoptRefusal::Decided(missing)))
}

fn refused(refusal: GenesisRefusal) -> AdoptRefusal {
    AdoptRefusal::Jump(Box::new(JumpRefusal::Genesis(refusal)))
}

fn here(error: StoreError) -> AdoptRefusal {
    AdoptRefusal::Here(sentence(error))
}
