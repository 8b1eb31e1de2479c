//! A node: the pages of one data directory, what is said about them, and the view served.
//!
//! Every change goes one way: checked on a copy of the page's state, appended to the log and
//! synced, and only then shown. The copy is dropped if anything fails, so nothing is half done.
//! Questions read the view and never wait for any of it.

use std::{
    collections::BTreeMap,
    mem::{self, ManuallyDrop},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, atomic::AtomicU64},
};

use arc_swap::ArcSwap;

use super::{
    adopt::Kept,
    anchors::{self, Anchors},
    damage::Damage,
    eviction::{Ties, asked::Asked},
    hearing::Hearing,
    inbox::Inboxes,
    ledger::OpenSets,
    loading::{self, Loading},
    node_key::{self, UnfitKey},
    outbox::Outboxes,
    running::Running,
    sealing::ClockRun,
    shown::{built, with_entries, with_page},
    surroundings::Surroundings,
    wishes::Wishes,
};
use crate::{
    ambient,
    beacon::Verified,
    control::request::Failure,
    dns::{PageView, Trouble, View},
    governance::{
        Governance,
        chain::ladder::Ladder,
        field::{Count, Field},
        forks::Forks,
        jump::Window,
        statement::Statement,
    },
    id::Id,
    key::{KnownKeys, PublicKey, SecretKey},
    page::name::Owner,
    store::{self, Notice, Record, Store, StoreError},
};

mod admission;
mod finding;
mod opening;
mod submission;

pub(super) use admission::{check_no_demonstration, checking};
pub(super) use finding::way;
pub use opening::Reopening;

/// Tells how far long work is: a label, how much is done, of how much.
pub type Progress<'a> = &'a mut dyn FnMut(&str, u64, u64);

/// Whether there is no data directory, or nothing of a node in it. Where it cannot be looked there may be.
pub fn is_new(data_dir: &Path) -> bool {
    matches!(data_dir.join("pages").try_exists(), Ok(false))
}

/// The pages of one data directory.
pub struct Node {
    data_dir: PathBuf,
    pub(super) store: Store,
    surroundings: Surroundings,
    /// What this node signs seals with (P4).
    pub(super) key: SecretKey,
    /// Seconds since 1970 (UTC).
    pub(super) started: u64,
    /// How long this clock has gone on without a leap.
    pub(super) clock_run: Mutex<ClockRun>,
    /// Since when this clock is known to be ahead of those of most other nodes, by itself; 0: it is not.
    pub(super) clock_ahead: AtomicU64,
    /// Which pages may be sealed since the start.
    pub(super) hearing: Mutex<Hearing>,
    /// Whether that is the node's own, and no stand-in for one that cannot be used.
    has_key: bool,
    /// Pages whose log was cut at its end when it was opened, with what is said of it.
    cut: BTreeMap<Id, String>,
    /// Not dropped piece by piece where a node lives as long as its process: a million names take
    /// a second to free. The store is dropped, so that its index is flushed.
    state: Mutex<ManuallyDrop<State>>,
    /// Replaced only while `state` is held, so that no change of it is lost.
    pub(super) view: ManuallyDrop<Arc<ArcSwap<View>>>,
    /// What it is besides, once it is a daemon.
    running: OnceLock<Running>,
    /// What the pages are asked for. Locked before `state`, never while that is held.
    pub(super) inboxes: Inboxes,
    /// What was sent to pages that other nodes host. Locked as the inboxes are, and after them.
    pub(super) outboxes: Outboxes,
    /// Participants who said something since the start.
    known_keys: Mutex<Arc<KnownKeys>>,
    /// Who is told when a page has changed.
    listener: OnceLock<Listener>,
    /// Mirrors are told as well.
    mirrors: OnceLock<Listener>,
    /// How closely each page is followed.
    pub wishes: Wishes,
    /// Pages of which the images are shown, and the logs are not read yet.
    pub(super) loading: Loading,
    /// When pages that only questions brought were asked for last.
    asked: Mutex<Asked>,
    /// Beacons that pages hold. Nothing else is locked while it is.
    verified: Mutex<Verified>,
    /// When it was opened, in milliseconds of a clock that nobody sets.
    pub(super) began: u64,
}

/// How a data directory is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// Every log is read.
    Whole,
    /// The logs of pages with images of them are left for later.
    ByImages,
}

/// Is told which page has changed, while the node is locked: it must not ask the node anything.
pub type Listener = Box<dyn Fn(&Id) + Send + Sync>;

#[derive(Default)]
pub(super) struct State {
    pub(super) pages: BTreeMap<Id, Governance>,
    /// Pages whose logs cannot be read back.
    pub(super) damaged: BTreeMap<Id, Damage>,
    /// Seals that contradict those held, by page, and what was decided (T4).
    pub(super) forks: BTreeMap<Id, Arc<Forks>>,
    /// What nodes say is the newest seal of each page (T6).
    pub(super) fields: BTreeMap<Id, Field>,
    /// The same, added up.
    pub(super) counts: BTreeMap<Id, Count>,
    /// The open sets that were asked for since their pages changed last (N3).
    pub(super) open: OpenSets,
    /// When each page that this node has seats of is to be looked at again for a seal.
    pub(super) due: BTreeMap<Id, u64>,
    /// Why a page that this node could seal is not sealed.
    pub(super) held: BTreeMap<Id, String>,
    /// The certificates that lead to each page's newest seal (T1).
    pub(super) ladders: BTreeMap<Id, Ladder>,
    /// The seals that a page was taken over with, which its log does not have (N5).
    pub(super) windows: BTreeMap<Id, Arc<Window>>,
    /// What is known of how each page came here, and of who uses it.
    pub(super) ties: Ties,
    /// States that are being fetched.
    pub(super) downloads: BTreeMap<Id, Kept>,
    pub(super) anchors: Anchors,
    pub(super) notices: Vec<String>,
    /// What is shown first of pages whose logs are read later; taken when it is.
    pub(super) images: BTreeMap<Id, PageView>,
    /// When all pages were looked at for freshness, seconds since 1970 (UTC).
    pub(super) looked: u64,
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
        Node::open_in(Surroundings::real(), data_dir, holder, progress)
    }

    /// [`Node::open`] for a daemon: pages with an image of their logs are shown from that, and their logs
    /// are read when [`Node::finish_loading`] is called. Until then they are answered, and nothing else.
    ///
    /// # Errors
    /// As there.
    pub fn open_to_serve(
        data_dir: &Path,
        holder: &str,
        progress: Progress,
    ) -> anyhow::Result<Arc<Node>> {
        ambient::check_clock()?;
        Node::begin(Surroundings::real(), data_dir, holder, Opening::ByImages, progress)
    }

    /// [`Node::open`] with a clock, randomness and a disk that are handed in.
    ///
    /// # Errors
    /// As there.
    pub fn open_in(
        surroundings: Surroundings,
        data_dir: &Path,
        holder: &str,
        progress: Progress,
    ) -> anyhow::Result<Arc<Node>> {
        Node::begin(surroundings, data_dir, holder, Opening::Whole, progress)
    }

    pub(super) fn begin(
        surroundings: Surroundings,
        data_dir: &Path,
        holder: &str,
        opening: Opening,
        progress: Progress,
    ) -> anyhow::Result<Arc<Node>> {
        let disk = surroundings.disk.clone();
        let mut images = BTreeMap::new();
        let mut tell = |at: store::Progress| {
            progress("checking logs", at.done_bytes, at.total_bytes);
        };
        let (store, notices) = match opening {
            Opening::Whole => Store::open(disk, data_dir, holder, &mut tell)?,
            Opening::ByImages => {
                let mut takes = |page: &Id, octets| loading::take(&mut images, page, &octets);
                Store::open_by_images(disk, data_dir, holder, &mut takes, &mut tell)?
            }
        };
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
        let (wishes, damaged) = Wishes::open(&store)?;
        notices.extend(damaged);
        let began = (surroundings.ticks)();
        let (asked, damaged) = Asked::open(&store, began)?;
        notices.extend(damaged);
        // Whoever only reads needs no key. A stand-in is named by nobody, and so signs nothing.
        let (key, has_key) = match node_key::of(&surroundings, data_dir) {
            Ok(key) => (key, true),
            Err(error) if error.is::<UnfitKey>() => {
                notices.push(format!("this node seals nothing: {error}"));
                (SecretKey::from_seed(&(surroundings.random)()), false)
            }
            Err(error) => return Err(error),
        };
        let loading = Loading::of(images.keys().copied());
        let state = State { anchors, notices, images, ..State::default() };
        let node = Arc::new(Node {
            data_dir: data_dir.to_owned(),
            key,
            has_key,
            cut,
            started: surroundings.now(),
            clock_run: Mutex::new(ClockRun::since(
                (surroundings.milliseconds)(),
                (surroundings.ticks)(),
            )),
            clock_ahead: AtomicU64::new(0),
            hearing: Mutex::default(),
            store,
            surroundings,
            state: Mutex::new(ManuallyDrop::new(state)),
            view: ManuallyDrop::new(Arc::new(ArcSwap::from_pointee(View::new()))),
            running: OnceLock::new(),
            inboxes: Inboxes::default(),
            outboxes: Outboxes::default(),
            known_keys: Mutex::default(),
            listener: OnceLock::new(),
            mirrors: OnceLock::new(),
            wishes,
            loading,
            asked: Mutex::new(asked),
            verified: Mutex::default(),
            began,
        });
        node.load(progress)?;
        if node.surroundings.demonstration
            && anchors_bytes.is_empty()
            && node.holds_nothing_of_its_own()?
        {
            node.install_demonstration()?;
        }
        Ok(node)
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
            let view = mem::take(&mut state.images)
                .into_values()
                .fold(view, |view, image| view.with_built(image));
            self.view.store(Arc::new(view));
            state.is_shown = true;
            let now = self.now();
            for id in state.pages.keys().copied().collect::<Vec<Id>>() {
                self.refresh(&mut state, &id, now);
            }
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

    /// From now on `listener` is told of every page of which something is taken in or sealed here, or
    /// a fork is found; false if another is told already.
    pub fn on_change(&self, listener: Listener) -> bool {
        self.listener.set(listener).is_ok()
    }

    /// The same for mirrors, which are told of pages that are let go of as well.
    pub(super) fn on_change_for_mirrors(&self, listener: Listener) -> bool {
        self.mirrors.set(listener).is_ok()
    }

    pub(super) fn tell_change(&self, page: &Id) {
        if let Some(listener) = self.listener.get() {
            listener(page);
        }
        self.tell_mirrors(page);
    }

    pub(super) fn tell_mirrors(&self, page: &Id) {
        if let Some(listener) = self.mirrors.get() {
            listener(page);
        }
    }

    pub(super) fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The beacons in pages that were read before.
    pub(super) fn verified(&self) -> MutexGuard<'_, Verified> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds since 1970 (UTC), by this node's clock.
    pub fn now(&self) -> u64 {
        self.surroundings.now()
    }

    /// Milliseconds of a clock that nobody sets.
    pub(super) fn ticks(&self) -> u64 {
        (self.surroundings.ticks)()
    }

    /// Milliseconds since 1970 (UTC), by this node's clock.
    pub fn milliseconds(&self) -> u64 {
        (self.surroundings.milliseconds)()
    }

    /// Keeps the records of one log from passing for parts of another.
    pub(super) fn nonce(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = (self.surroundings.random)();
        [a, b, c, d, e, f, g, h]
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

    pub(super) fn learn_keys(&self, statements: &[Statement]) {
        let mut known = self.known_keys.lock().unwrap_or_else(PoisonError::into_inner);
        let known = Arc::make_mut(&mut known);
        statements.iter().for_each(|statement| known.learn(statement.author()));
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
        if page.is_named(&self.key.public()) {
            state.due.insert(id, 0);
        }
        state.pages.insert(id, page);
        state.open.remove(&id);
        self.keep_fresh(state, &id, self.now());
        self.tell_change(&id);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if !self.surroundings.ends_with_process {
            drop(mem::take(&mut **self.state()));
            self.view.store(Arc::new(View::new()));
        }
    }
}

pub(super) fn record(statement: &Statement) -> Record {
    Record { kind: statement.kind() as u8, id: statement.id(), bytes: statement.bytes().to_vec() }
}

/// An error of the store with its causes, as one sentence.
pub fn sentence(error: StoreError) -> Failure {
    Failure::refused(format!("{:#}", anyhow::Error::from(error)))
}
