//! Keeps this node in step with others: the driver of the machine that decides ([`crate::sync`]), of the
//! network and of discovery.
//!
//! Two threads, and neither answers DNS: one runs the network and discovery on a tokio runtime of its
//! own, the other the machine, which may wait for the disk. What happens is handed to the machine, and
//! what it says is done. What is asked of whom, and what is believed, is not known here.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::UdpSocket,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::{
    runtime::{Handle, Runtime},
    sync::Notify,
};

use super::{eviction::policy, node::Node};
use crate::{
    ambient,
    beacon::Beacon,
    config::peers::{Contact, Lan},
    dns::{Lacking, View},
    id::Id,
    key::PublicKey,
    limits::*,
    network::{
        self, Bounds, Network, NetworkError,
        mapping::{Mapping, Routers},
    },
    sync::{Book, Event, Handed, Input, Moment, Sync, Want},
};

mod book;
mod complaints;
mod contacts;
mod door;
mod doubles;
mod evicting;
mod fetching;
mod jobs;
mod letters;
mod machine;
pub mod misses;
mod own;
mod pages;
mod report;
mod router;
pub mod sightings;
pub mod sockets;

pub use book::remembered;
use complaints::Complaints;
use doubles::Doubles;
pub use fetching::fetched_words;
use jobs::Jobs;
use misses::Misses;
use sightings::Sightings;

/// What a page came to that was wanted and is none that may be taken.
pub const REFUSED: &str = "refused";

/// How peers are sought.
pub struct Options {
    pub contacts: Vec<Contact>,
    /// How nodes of the same network are looked for.
    pub lan: Lan,
    /// The routers that are asked to let others in, if they are to be.
    pub port_mapping: Option<Routers>,
    /// How much may be here only because of questions.
    pub asked_max: policy::Bounds,
}

/// The driver. Its threads run until [`Neighbours::stop`].
pub struct Neighbours {
    shared: Arc<Shared>,
    machine: Mutex<Option<(JoinHandle<()>, mpsc::Receiver<()>)>>,
    runtime: Mutex<Option<Runtime>>,
}

/// What all parts of the driver have in common.
struct Shared {
    /// Itself, for what goes on by itself.
    me: Weak<Shared>,
    node: Arc<Node>,
    /// What is answered from: looked at without waiting for the node.
    view: Arc<ArcSwap<View>>,
    jobs: Jobs,
    runtime: Handle,
    network: OnceLock<Network>,
    discovery: Mutex<Option<crate::discovery::Discovery>>,
    /// A way in through a router.
    mapping: Mutex<Option<Mapping>>,
    /// What this node says of itself.
    beacon: ArcSwapOption<Beacon>,
    misses: Mutex<Misses>,
    sightings: Mutex<Sightings>,
    contacts: Mutex<Vec<Contact>>,
    /// What answers to peers need of the machine.
    handed: ArcSwap<Handed>,
    /// Who was caught at a lie, and is not let in.
    liars: Mutex<BTreeSet<PublicKey>>,
    complaints: Complaints,
    doubles: Mutex<Doubles>,
    told: Told,
    /// Told when it should be looked whether there is room for all pages.
    crowded: Notify,
}

/// What the machine told, for whoever asks or waits.
#[derive(Default)]
struct Told {
    facts: Mutex<Facts>,
    news: Condvar,
}

#[derive(Clone, Debug, Default)]
struct Facts {
    /// Why a page that was wanted cannot be had.
    given_up: BTreeMap<Id, String>,
    /// Why a page is not brought in step.
    stuck: BTreeMap<Id, String>,
    /// This clock differs by so many seconds from those of most peers.
    clock_off: Option<i64>,
    /// What does not work of what finds nodes.
    remarks: Vec<String>,
}

impl Neighbours {
    /// Starts to look for other nodes, and to keep pages in step with them. `known`: those that it knew
    /// before.
    ///
    /// # Errors
    /// When there is no thread to be had, or the network cannot be opened.
    pub fn start(
        node: &Arc<Node>,
        sockets: Vec<UdpSocket>,
        known: Book,
        options: Options,
    ) -> Result<Arc<Neighbours>, NetworkError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("peers")
            .enable_all()
            .build()?;
        let shared = Arc::new_cyclic(|me| Shared {
            me: me.clone(),
            node: node.clone(),
            view: node.view().clone(),
            jobs: Jobs::default(),
            runtime: runtime.handle().clone(),
            network: OnceLock::new(),
            discovery: Mutex::default(),
            mapping: Mutex::default(),
            beacon: ArcSwapOption::empty(),
            misses: Mutex::default(),
            sightings: Mutex::default(),
            contacts: Mutex::default(),
            handed: ArcSwap::default(),
            liars: Mutex::default(),
            complaints: Complaints::default(),
            doubles: Mutex::default(),
            told: Told::default(),
            crowded: Notify::new(),
        });
        let network = {
            let _inside = runtime.enter();
            let options = network::Options {
                key: node.key.clone(),
                listen: Vec::new(),
                sockets,
                ticks: ambient::ticks,
                bounds: Bounds::default(),
            };
            Network::open(options, Arc::new(door::PeerDoor(shared.clone())))?
        };
        let _ = shared.network.set(network);
        let changed = shared.clone();
        node.on_change(Box::new(move |page| changed.jobs.changed(*page)));
        let wished = shared.clone();
        node.wishes.listen(move |page, wish| {
            wished.jobs.happened(Input::Wish { page: *page, wish });
        });
        shared.begin_beacon();
        let machine = machine::start(&shared, known)?;
        shared.want_anchors();
        shared.clone().begin(options);
        Ok(Arc::new(Neighbours {
            shared,
            machine: Mutex::new(Some(machine)),
            runtime: Mutex::new(Some(runtime)),
        }))
    }

    /// Says goodbye to all peers, and remembers whom this node knows. Takes a few seconds at most.
    pub fn stop(&self) {
        let shared = &self.shared;
        drop(lock(&shared.discovery).take());
        shared.jobs.stop();
        if let Some((thread, ended)) = lock(&self.machine).take() {
            // What it still writes is durable or not done at all, as when the process is killed.
            if ended.recv_timeout(PEERS_FAREWELL) != Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = thread.join();
            }
        }
        let Some(runtime) = lock(&self.runtime).take() else { return };
        let mapping = lock(&shared.mapping).take();
        if let Some(mapping) = mapping {
            runtime.block_on(mapping.give_back());
        }
        if let Some(network) = shared.network.get() {
            runtime.block_on(network.shutdown());
        }
        runtime.shutdown_background();
        shared.node.save_asked(true);
    }

    /// What this node says of itself, if it has an address for others.
    pub fn beacon(&self) -> Option<Beacon> {
        self.shared.own_beacon()
    }

    /// Contacts these from now on, besides those that were contacted before.
    pub fn set_contacts(&self, contacts: Vec<Contact>) {
        self.shared.set_contacts(contacts);
    }
}

impl Shared {
    /// Everything that goes on beside the machine.
    fn begin(self: Arc<Self>, options: Options) {
        self.set_contacts(options.contacts);
        self.clone().discover(options.lan);
        self.ask_router(options.port_mapping);
        let (renewing, calling, evicting) = (self.clone(), self.clone(), self.clone());
        self.runtime.spawn(async move { renewing.keep_beacon().await });
        self.runtime.spawn(async move { calling.keep_contacts().await });
        self.runtime.spawn(async move { evicting.keep_room(options.asked_max).await });
        let runtime = self.runtime.clone();
        runtime.spawn(async move { self.keep_letters().await });
    }

    /// Every page that is trusted and not here is wanted.
    fn want_anchors(&self) {
        for (name, page) in self.node.anchors() {
            if self.node.page(&page).is_none() && !self.node.is_damaged(&page) {
                self.jobs.want(Lacking { page, name }, Want::Anchor);
            }
        }
    }

    fn network(&self) -> Option<&Network> {
        self.network.get()
    }

    fn misses(&self) -> MutexGuard<'_, Misses> {
        lock(&self.misses)
    }

    /// Changes what is known of what the machine told, and wakes who waits for it.
    fn tell(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut lock(&self.told.facts));
        self.told.news.notify_all();
    }

    fn facts(&self) -> Facts {
        lock(&self.told.facts).clone()
    }

    /// Asks the machine something, and waits for the answer for so long.
    fn look<T: Send + 'static>(
        &self,
        patience: Duration,
        look: impl FnOnce(&mut Sync) -> T + Send + 'static,
    ) -> Option<T> {
        let (say, hear) = mpsc::sync_channel(1);
        let asked = self.jobs.look(move |machine| {
            let _ = say.send(look(machine));
        });
        asked.then(|| hear.recv_timeout(patience).ok())?
    }

    /// What the machine made known.
    fn note(&self, event: Event) {
        match event {
            Event::Ready { page } => {
                tracing::info!(page = %page.short(), "a page that was wanted is here");
                self.misses().came(&page);
                self.crowded.notify_one();
                self.tell(|facts| {
                    facts.given_up.remove(&page);
                    facts.stuck.remove(&page);
                });
            }
            Event::GaveUp { page, why } => {
                tracing::info!(page = %page.short(), "a page that was wanted is not to be had: {why}");
                self.misses().failed(&page, ambient::ticks());
                self.tell(|facts| remember(&mut facts.given_up, page, why));
            }
            Event::Stuck { page, why } => {
                tracing::warn!(page = %page.short(), "a page is not brought in step: {why}");
                self.tell(|facts| remember(&mut facts.stuck, page, why));
            }
            Event::InStep { page } => self.tell(|facts| {
                facts.stuck.remove(&page);
            }),
            Event::Lied { peer, what } => {
                if let Some(count) = self.complaints.count(&what) {
                    tracing::warn!(%peer, count, "a node sent what no honest one sends: {what}");
                }
                let mut liars = lock(&self.liars);
                if liars.len() < BOOK_LIARS_MAX {
                    liars.insert(peer);
                }
            }
            Event::LetGo { peer, why } => {
                if let Some(count) = self.complaints.count(&why) {
                    tracing::warn!(%peer, count, "a node is let go and not let in for a while: {why}");
                }
            }
            Event::Forked { page } => {
                tracing::warn!(page = %page.short(), "two histories of a page are known");
            }
            Event::ClockOff { seconds, known } => {
                self.node.note_clock(known);
                let off = (seconds != 0).then_some(seconds);
                self.tell(|facts| facts.clock_off = off);
            }
        }
    }
}

/// Remembers a sentence about a page, of so many pages.
fn remember(of: &mut BTreeMap<Id, String>, page: Id, why: String) {
    if of.len() < PEERS_FACTS_MAX || of.contains_key(&page) {
        of.insert(page, why);
    }
}

/// What time it is, for the machine.
fn moment() -> Moment {
    Moment { unix: ambient::now(), ticks: ambient::ticks() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
