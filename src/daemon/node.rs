//! A node: the pages of one data directory, what is said about them, and the view served.
//!
//! Every change goes one way: checked on a copy of the page's state, appended to the log and
//! synced, and only then shown. The copy is dropped if anything fails, so nothing is half done.
//! Questions read the view and never wait for any of it.

use std::{
    collections::BTreeMap,
    mem::ManuallyDrop,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use arc_swap::ArcSwap;

use super::{
    anchors::{self, Anchors},
    carry::forked,
    damage::{Damage, is_prefix},
    inbox::Inboxes,
    node_key::{self, UnfitKey},
    running::Running,
    shown::{built, with_entries, with_page},
    whole::{self, Check, Note, WholePage, WholeRefusal},
};
use crate::{
    ambient,
    control::request::{Failure, FailureKind, PageSelector},
    demo,
    dns::{Trouble, View},
    governance::{
        Fault, Governance, State as Standing,
        operation::{Change, RosterChange, SetRoster},
        seal::SealRecord,
        statement::{Body, Statement},
    },
    id::Id,
    key::{KnownKeys, PublicKey, SecretKey},
    limits::SOFT_CHAIN_MAX,
    page::{
        Page, PageRefusal, bundle,
        genesis::Genesis,
        name::{Name, Owner},
    },
    store::{Cursor, Notice, Record, Store, StoreError, disk::RealDisk},
};

/// Tells how far long work is: a label, how much is done, of how much.
pub type Progress<'a> = &'a mut dyn FnMut(&str, u64, u64);

/// The pages of one data directory.
pub struct Node {
    data_dir: PathBuf,
    pub(super) store: Store,
    /// What this node signs seals with (P4).
    pub(super) key: SecretKey,
    /// Seconds since 1970 (UTC).
    pub(super) started: u64,
    /// Whether that is the node's own, and no stand-in for one that cannot be used.
    has_key: bool,
    /// Pages whose log was cut at its end when it was opened, with what is said of it.
    cut: BTreeMap<Id, String>,
    /// Not dropped piece by piece: a node lives as long as its process, and a million names take
    /// a second to free. The store is dropped, so that its index is flushed.
    state: Mutex<ManuallyDrop<State>>,
    /// Replaced only while `state` is held, so that no change of it is lost.
    pub(super) view: ManuallyDrop<Arc<ArcSwap<View>>>,
    /// What it is besides, once it is a daemon.
    running: OnceLock<Running>,
    /// What the pages are asked for. Locked before `state`, never while that is held.
    pub(super) inboxes: Inboxes,
    /// Participants who said something since the start.
    known_keys: Mutex<Arc<KnownKeys>>,
}

pub(super) struct State {
    pub(super) pages: BTreeMap<Id, Governance>,
    /// Pages whose logs cannot be read back.
    pub(super) damaged: BTreeMap<Id, Damage>,
    /// Seals that contradict those held, by page (T4).
    pub(super) forks: BTreeMap<Id, Vec<SealRecord>>,
    /// When each page that this node has seats of is to be looked at again for a seal.
    pub(super) due: BTreeMap<Id, u64>,
    /// Why a page that this node could seal is not sealed.
    pub(super) held: BTreeMap<Id, String>,
    pub(super) anchors: Anchors,
    pub(super) notices: Vec<String>,
    /// Whether there is a view, kept up to date with every change.
    pub(super) is_shown: bool,
}

impl Node {
    /// Opens a data directory, making it if there is none. An empty one gets the demonstration.
    /// `holder` is what a second opener is told.
    ///
    /// # Errors
    /// When the directory is held by another process, or the disk fails.
    pub fn open(data_dir: &Path, holder: &str, progress: Progress) -> anyhow::Result<Arc<Node>> {
        ambient::check_clock()?;
        let (store, notices) = Store::open(Arc::new(RealDisk), data_dir, holder, &mut |at| {
            progress("checking logs", at.done_bytes, at.total_bytes);
        })?;
        let cut = notices.iter().filter_map(|notice| match notice {
            Notice::TornTail { page, .. } => Some((*page, notice.to_string())),
            _ => None,
        });
        let cut = cut.collect();
        // Of a damaged page its name is said as well, once it is looked for.
        let is_other = |notice: &&Notice| !matches!(notice, Notice::Damaged { .. });
        let mut notices: Vec<String> =
            notices.iter().filter(is_other).map(ToString::to_string).collect();
        let anchors_bytes = store.anchors()?;
        let anchors = match anchors::read(&anchors_bytes) {
            Ok(anchors) => anchors,
            Err(line) => {
                notices.push(format!(
                    "line {line} of the anchors is damaged: no anchor is trusted until you \
                     `djdns page join` one"
                ));
                Anchors::new()
            }
        };
        // Whoever only reads needs no key. A stand-in is named by nobody, and so signs nothing.
        let (key, has_key) = match node_key::of(data_dir) {
            Ok(key) => (key, true),
            Err(error) if error.is::<UnfitKey>() => {
                notices.push(format!("this node seals nothing: {error}"));
                (SecretKey::from_seed(&ambient::random()), false)
            }
            Err(error) => return Err(error),
        };
        let state = State {
            pages: BTreeMap::new(),
            damaged: BTreeMap::new(),
            forks: BTreeMap::new(),
            due: BTreeMap::new(),
            held: BTreeMap::new(),
            anchors,
            notices,
            is_shown: false,
        };
        let node = Arc::new(Node {
            data_dir: data_dir.to_owned(),
            key,
            has_key,
            cut,
            started: ambient::now(),
            store,
            state: Mutex::new(ManuallyDrop::new(state)),
            view: ManuallyDrop::new(Arc::new(ArcSwap::from_pointee(View::new()))),
            running: OnceLock::new(),
            inboxes: Inboxes::default(),
            known_keys: Mutex::default(),
        });
        node.load(progress)?;
        if anchors_bytes.is_empty() && node.holds_nothing_of_its_own()? {
            node.install_demonstration()?;
        }
        Ok(node)
    }

    /// Whether the directory is new, or its first start was interrupted: then there is nothing but
    /// pages of the demonstration, and no anchor, which is written after them.
    fn holds_nothing_of_its_own(&self) -> Result<bool, StoreError> {
        let stored = self.store.pages()?.len();
        let pages = self.pages();
        let is_demonstration = |page: &Governance| page.page().is_demonstration();
        Ok(stored == pages.len() && pages.iter().all(is_demonstration))
    }

    /// Puts the demonstration into a data directory and trusts its root, last: so an interrupted
    /// start is seen, and finished by the next, which finds a part of the pages here.
    fn install_demonstration(&self) -> anyhow::Result<()> {
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

    /// Reads every page from its log, and shows it.
    fn load(&self, progress: Progress) -> anyhow::Result<()> {
        let ids = self.store.pages()?;
        for (n, id) in ids.iter().enumerate() {
            progress("loading pages", n as u64, ids.len() as u64);
            match self.reopen(id, progress) {
                Ok((page, forks)) => {
                    if !forks.is_empty() {
                        self.state().forks.insert(*id, forks);
                    }
                    self.show(page);
                }
                Err(error) => self.keep_damage(id, &error),
            }
        }
        Ok(())
    }

    fn reopen(
        &self,
        id: &Id,
        progress: Progress,
    ) -> Result<(Governance, Vec<SealRecord>), Reopening> {
        let mut whole = self.read_whole(id)?;
        let forks = std::mem::take(&mut whole.forks);
        let page = whole::reopen(&whole, progress)?;
        let found = page.page().id();
        if found == *id { Ok((page, forks)) } else { Err(Reopening::OtherPage(found)) }
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

    /// The view that is served. It is built when it is first asked for: a command that founds or
    /// lists pages, with no daemon running, never needs it.
    pub fn view(&self) -> &Arc<ArcSwap<View>> {
        let mut state = self.state();
        if !state.is_shown {
            // It has no pages yet, and may know what is special here and what is allowed.
            let settings = View::clone(&self.view.load());
            let anchored = state
                .anchors
                .iter()
                .fold(settings, |view, (name, page)| view.with_anchor(name, *page));
            let view = state
                .pages
                .values()
                .fold(anchored, |view, page| with_page(&view, built(page), page));
            let view = state
                .damaged
                .keys()
                .fold(view, |view, page| view.with_trouble(page, Trouble::Damaged));
            self.view.store(Arc::new(view));
            state.is_shown = true;
            state.forks.keys().for_each(|id| self.mark(&state, id));
        }
        &self.view
    }

    /// It is a daemon from now on; false if it was one before.
    pub fn run(&self, running: Running) -> bool {
        self.running.set(running).is_ok()
    }

    /// What it is besides, if it is a daemon.
    pub fn running(&self) -> Option<&Running> {
        self.running.get()
    }

    /// Where the pages are.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    pub(super) fn state(&self) -> MutexGuard<'_, ManuallyDrop<State>> {
        // A panic elsewhere leaves whole values behind: they are replaced, never edited.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers something that a person should know.
    pub fn notice(&self, text: String) {
        self.state().notices.push(text);
    }

    /// What a person should know.
    pub fn notices(&self) -> Vec<String> {
        self.state().notices.clone()
    }

    /// What of the end of a page's log was cut off when it was opened.
    pub fn cut(&self, id: &Id) -> Option<String> {
        self.cut.get(id).cloned()
    }

    /// What participants name for their seats, if this node has a key that it can use.
    pub fn nameable_key(&self) -> Option<PublicKey> {
        self.has_key.then(|| self.key.public())
    }

    /// The anchors.
    pub fn anchors(&self) -> Anchors {
        self.state().anchors.clone()
    }

    /// All pages, in the order of their ids.
    pub fn pages(&self) -> Vec<Governance> {
        self.state().pages.values().cloned().collect()
    }

    /// The page with this id.
    pub fn page(&self, id: &Id) -> Option<Governance> {
        self.state().pages.get(id).cloned()
    }

    /// The page that somebody means: by its name, or by the first digits of its id. Of several
    /// with one name it is the one that resolving the name leads to.
    ///
    /// # Errors
    /// [`Failure`] when there is none, or more than one, or what is wrong with a damaged one.
    pub fn select(&self, selector: &PageSelector) -> Result<Governance, Failure> {
        let is_prefix = is_prefix(selector);
        let name = Name::parse(selector).ok();
        let mut found: Vec<Governance> = self.pages();
        found.retain(|page| {
            Some(page.page().name()) == name.as_ref()
                || is_prefix && page.page().id().has_hex_prefix(selector)
        });
        if found.len() > 1
            && let Some(linked) = found.iter().position(|page| self.is_linked(page.page()))
        {
            found = vec![found.swap_remove(linked)];
        }
        match found.as_slice() {
            [] => Err(match self.damaged_meant(selector) {
                Some(damage) => Failure::refused(damage.sentence),
                None => Failure::not_found(format!(
                    "there is no page `{selector}` here: `djdns page list` shows those there are"
                )),
            }),
            [page] => Ok(page.clone()),
            several => {
                let ids: Vec<String> =
                    several.iter().map(|page| page.page().id().short()).collect();
                Err(Failure::refused(format!(
                    "`{selector}` may be any of the pages {}: name one by its id",
                    ids.join(", ")
                )))
            }
        }
    }

    /// Whether resolving the page's name leads to this page: from the deepest anchor at or above it
    /// down through the links (T2).
    pub fn is_linked(&self, page: &Page) -> bool {
        let state = self.state();
        let name = page.name();
        let above = state.anchors.iter().filter(|(anchor, _)| name.is_at_or_below(anchor));
        let Some((_, anchor)) = above.max_by_key(|(anchor, _)| anchor.wire().len()) else {
            return false;
        };
        let mut next = Some(*anchor);
        while let Some(held) = next.and_then(|id| state.pages.get(&id)) {
            if held.page().name() == name {
                return held.page().id() == page.id();
            }
            next = link_towards(held, name);
        }
        false
    }

    /// Admits statements about one page: all of them, durably, or none. A seal that is due by then
    /// comes first: what was made without knowing of it is made anew.
    ///
    /// # Errors
    /// [`Failure`], with no statement admitted.
    pub fn submit(&self, statements: &[Statement]) -> Result<(), Failure> {
        let Some(first) = statements.first() else { return Ok(()) };
        let mut state = self.state();
        check_not_forked(&state, &first.page())?;
        if self.seal_in(&mut state, &first.page(), ambient::now()) {
            return Err(overtaken("a seal came in between: try again"));
        }
        let Some(present) = state.pages.get(&first.page()) else {
            return Err(Failure::not_found(format!("there is no page {} here", first.page())));
        };
        check_not_overtaken(present, statements)?;
        let mut page = present.clone();
        let mut changed = Vec::new();
        for statement in statements {
            changed.extend(page.admit(statement).map_err(Failure::refused)?);
        }
        statements.iter().try_for_each(|statement| check_can_count(&page, statement))?;
        let note = Note { time: ambient::now(), what: "submitted".to_owned() };
        let records: Vec<Record> =
            std::iter::once(note.record()).chain(statements.iter().map(record)).collect();
        self.store.append(&first.page(), &records).map_err(sentence)?;
        self.replace(&mut state, page, &changed);
        self.seal_in(&mut state, &first.page(), ambient::now());
        drop(state);
        let mut known = self.known_keys.lock().unwrap_or_else(PoisonError::into_inner);
        let known = Arc::make_mut(&mut known);
        statements.iter().for_each(|statement| known.learn(statement.author()));
        Ok(())
    }

    /// Keys whose statements were admitted before.
    pub fn known_keys(&self) -> Arc<KnownKeys> {
        self.known_keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows a page that has changed at these owners, and is stored.
    pub(super) fn replace(&self, state: &mut State, page: Governance, changed: &[Owner]) {
        if state.is_shown {
            self.view.store(Arc::new(with_entries(&self.view.load(), &page, changed)));
        }
        let id = page.page().id();
        if !page.seats_of(&self.key.public()).is_empty() {
            state.due.insert(id, 0);
        }
        state.pages.insert(id, page);
    }

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
        self.admit_founded(page, WholePage { raw, ..whole }, "founded", progress)
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
        let total = whole.raw.entries.len();
        let page = Page::admit(&whole.raw, &mut checking(total, progress));
        let page = page.map_err(refused_page)?;
        self.admit_founded(page, whole, cause, progress)
    }

    /// `cause` is noted in the log: founded here, or imported.
    fn admit_founded(
        &self,
        page: Page,
        whole: WholePage,
        cause: &str,
        progress: Progress,
    ) -> Result<Governance, Failure> {
        let id = page.id();
        let governance = whole
            .replay(Governance::new(page), Check::Full, progress)
            .map_err(|refusal| Failure::refused(format!("the page is refused: {refusal}")))?;
        if self.page(&id).is_some() {
            return Err(Failure::refused(format!("the page {id} is here already")));
        }
        let total = whole.raw.entries.len() as u64;
        progress("writing", 0, total);
        let note = Note { time: ambient::now(), what: cause.to_owned() };
        self.store.found(&id, ambient::random(), whole.records(note)).map_err(sentence)?;
        progress("showing", 0, total);
        self.show(governance.clone());
        Ok(governance)
    }

    /// Shows a page that is stored.
    fn show(&self, page: Governance) {
        let is_shown = self.state().is_shown;
        // Before the state is locked: statements about other pages need not wait for it.
        let early = is_shown.then(|| built(&page));
        let mut state = self.state();
        if state.is_shown {
            let built = early.unwrap_or_else(|| built(&page));
            self.view.store(Arc::new(with_page(&self.view.load(), built, &page)));
        }
        if !page.seats_of(&self.key.public()).is_empty() {
            state.due.insert(page.page().id(), 0);
        }
        state.pages.insert(page.page().id(), page);
    }

    /// Trusts a page for a name and everything below it, durably (T2).
    ///
    /// # Errors
    /// [`Failure`] when the page is not here or has another name, or the disk fails.
    pub fn join(&self, name: &Name, id: &Id) -> Result<(), Failure> {
        let Some(page) = self.page(id) else {
            return Err(Failure::not_found(format!(
                "the page {id} is not here: bring it with `djdns page import {name} FILE.bundle` \
                 first"
            )));
        };
        if page.page().name() != name {
            return Err(Failure::refused(format!(
                "the page {id} is bound to the name {}, not {name} (P6)",
                page.page().name()
            )));
        }
        let mut state = self.state();
        let mut anchors = state.anchors.clone();
        anchors.insert(name.clone(), *id);
        self.store.set_anchors(&anchors::write(&anchors)).map_err(sentence)?;
        if state.is_shown {
            self.view.store(Arc::new(self.view.load().with_anchor(name, *id)));
        }
        state.anchors = anchors;
        Ok(())
    }
}

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

/// The keys of the demonstration are public (P6).
pub(super) fn check_no_demonstration(whole: &WholePage) -> Result<(), Failure> {
    match Genesis::decode(&whole.raw.genesis) {
        Ok(genesis) if genesis.raw().demonstration => Err(Failure::refused(
            "this is a demonstration page, whose keys are public: it comes with the program and is \
             accepted from nobody (P6)",
        )),
        _ => Ok(()),
    }
}

/// Tells now and then how many of a page's entries are checked.
pub(super) fn checking(total: usize, progress: Progress) -> impl FnMut(usize) {
    move |done| {
        if done.is_multiple_of(4096) {
            progress("checking entries", done as u64, total as u64);
        }
    }
}

fn refused_page(refusal: PageRefusal) -> Failure {
    Failure::refused(format!("the page is refused: {refusal}"))
}

/// Refuses what was drafted on a state that has moved on: an operation whose slot was taken, a
/// ballot whose sequence was used. Admitted, it would make its honest author an equivocator (G11).
fn check_not_overtaken(page: &Governance, statements: &[Statement]) -> Result<(), Failure> {
    for statement in statements {
        let author = statement.author();
        let is_new =
            || page.proposal(&statement.id()).is_none() && page.batch(&statement.id()).is_none();
        let slot = match statement.body() {
            Body::Operation(operation) => Some(operation.slot),
            Body::Batch(batch) => Some(batch.slot),
            Body::Ballot(_) | Body::Presence(_) => None,
        };
        let is_taken =
            slot.is_some_and(|slot| is_new() && page.is_taken(&author, statement.kind(), slot));
        let is_used = match statement.body() {
            Body::Ballot(ballot) => ballot.sequence < page.next_sequence(&author),
            Body::Presence(presence) => presence.sequence < page.next_presence(&author),
            _ => false,
        };
        if is_taken || is_used {
            return Err(overtaken("another statement of the same author was faster: try again"));
        }
    }
    Ok(())
}

/// On a forked page nothing further is said (T4): what would be, one of its histories may not know.
fn check_not_forked(state: &State, id: &Id) -> Result<(), Failure> {
    match (state.forks.get(id), state.pages.get(id)) {
        (Some(forks), Some(page)) => Err(Failure::refused(forked(page.page().name(), id, forks))),
        _ => Ok(()),
    }
}

fn overtaken(message: &str) -> Failure {
    Failure { kind: FailureKind::Overtaken, message: message.to_owned() }
}

/// Refuses an operation that can never count, or would change nothing, as it stands after it was
/// admitted. From a peer it may come: there its author is told by what is shown of it. From a person
/// it is a mistake, and one more change than a chain takes would count when nobody expects it.
fn check_can_count(page: &Governance, statement: &Statement) -> Result<(), Failure> {
    let Some(proposal) = page.proposal(&statement.id()) else { return Ok(()) };
    let operation = proposal.operation();
    let register = proposal.register();
    let chain = page.chain(&register);
    if chain.len() >= SOFT_CHAIN_MAX && chain.last() == Some(&operation.change.parent()) {
        return Err(Failure::refused(format!(
            "{}: propose this again after the page's next seal",
            Fault::ChainFull
        )));
    }
    if let Standing::Faulty(fault) = page.state(proposal) {
        return Err(Failure::refused(format!("this operation can never count: {fault}")));
    }
    let Change::SetRoster(SetRoster { change, .. }) = &operation.change else { return Ok(()) };
    let present = match change {
        RosterChange::SetPower(set) => PublicKey::admit(set.key)
            .ok()
            .filter(|key| page.page().roster().power(key) == Some(set.power))
            .map(|key| format!("{key} has the power {} already", set.power)),
        RosterChange::SetParameters(set) if set == page.page().parameters() => {
            Some("the parameters have these values already".to_owned())
        }
        _ => None,
    };
    present.map_or(Ok(()), |present| Err(Failure::refused(present)))
}

/// The page that the next label on the way from `page` down to `name` links to.
fn link_towards(page: &Governance, name: &Name) -> Option<Id> {
    let owner = name.relative_to(page.page().name()).ok()?;
    let one_label = std::iter::successors(Some(owner), Owner::parent);
    let label = one_label.filter(|owner| !owner.is_apex()).last()?;
    Some(page.ratified(&label).0.page_link()?.page)
}

pub(super) fn record(statement: &Statement) -> Record {
    Record { kind: statement.kind() as u8, id: statement.id(), bytes: statement.bytes().to_vec() }
}

/// An error of the store with its causes, as one sentence.
pub fn sentence(error: StoreError) -> Failure {
    Failure::refused(format!("{:#}", anyhow::Error::from(error)))
}
