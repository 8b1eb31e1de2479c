//! One node of a simulated world: a real node on a disk in memory, and the machine that speaks for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    invariants::invariant_nothing_acknowledged_is_lost,
    lies::{Tale, Told},
    people::BEGIN,
};
use crate::{
    beacon::Beacon,
    daemon::{node::Node, surroundings::Surroundings},
    id::Id,
    key::{PublicKey, SecretKey},
    store::fake::{FakeDisk, Survival},
    sync::{Book, Input, Ledger, Moment, Output, Sync, answer},
};

const DATA_DIR: &str = "/data";
const PORT: u16 = 31415;
/// How long its address is promised (choice: longer than any scenario).
const BEACON_LIFE: Duration = Duration::from_secs(60 * 24 * 3600);

/// A node of the world.
pub struct Member {
    pub name: String,
    /// The name of the plan that it was made by.
    pub plan: String,
    pub people: Vec<String>,
    pub address: SocketAddr,
    pub is_reachable: bool,
    pub is_honest: bool,
    pub tale: Tale,
    /// None: it does not run.
    pub node: Option<Arc<Node>>,
    pub machine: Sync,
    /// Counts its starts: what was on its way to an earlier life does not arrive.
    pub life: u32,
    pub disk: FakeDisk,
    pub key: PublicKey,
    /// What it remembers of others from its earlier life.
    pub book: Book,
    pub connected: BTreeSet<PublicKey>,
    /// What it said it had taken in from people, by page.
    pub acknowledged: BTreeMap<Id, BTreeSet<Id>>,
    /// The highest seal of each page that it served.
    pub highest: BTreeMap<Id, u64>,
    /// When the wake-up that is under way comes.
    pub waking: Option<u64>,
    /// Pages that changed and were not looked at yet.
    changed: Arc<Mutex<BTreeSet<Id>>>,
    clock: Clock,
    seed: u64,
}

/// The world's clock as this node shows it.
#[derive(Clone)]
struct Clock {
    ticks: Arc<AtomicU64>,
    /// Seconds that it is ahead.
    skew: Arc<AtomicI64>,
}

impl Clock {
    fn milliseconds(&self) -> u64 {
        let now = BEGIN * 1000 + self.ticks.load(Ordering::Relaxed);
        now.saturating_add_signed(self.skew.load(Ordering::Relaxed) * 1000)
    }
}

impl Member {
    /// A node that does not run yet; `number` gives it its address.
    pub fn new(name: &str, number: u32, ticks: &Arc<AtomicU64>, skew: i64, seed: u64) -> Member {
        let address = Ipv4Addr::from(0x0a01_0000 + number);
        let key = SecretKey::from_seed(&first_random(name, seed)).public();
        Member {
            name: name.to_owned(),
            plan: name.to_owned(),
            people: Vec::new(),
            address: SocketAddr::from((address, PORT)),
            is_reachable: true,
            is_honest: true,
            tale: Tale::default(),
            node: None,
            machine: Sync::new(key, seed, None),
            life: 0,
            disk: FakeDisk::new(),
            key,
            book: Book::new(key, seed),
            connected: BTreeSet::new(),
            acknowledged: BTreeMap::new(),
            highest: BTreeMap::new(),
            waking: None,
            changed: Arc::default(),
            clock: Clock { ticks: ticks.clone(), skew: Arc::new(AtomicI64::new(skew)) },
            seed,
        }
    }

    /// What it has from outside itself, on this disk.
    fn surroundings(&self, disk: &FakeDisk) -> Surroundings {
        let (clock, name, seed) = (self.clock.clone(), self.name.clone(), self.seed);
        let ticks = clock.ticks.clone();
        let drawn = AtomicU64::new(u64::from(self.life) << 32);
        Surroundings {
            disk: Arc::new(disk.clone()),
            milliseconds: Arc::new(move || clock.milliseconds()),
            ticks: Arc::new(move || ticks.load(Ordering::Relaxed)),
            random: Arc::new(move || match drawn.fetch_add(1, Ordering::Relaxed) {
                0 => first_random(&name, seed),
                n => {
                    let seed = seed.to_be_bytes();
                    *Id::hash(&[b"random", &seed, name.as_bytes(), &n.to_be_bytes()]).as_bytes()
                }
            }),
            demonstration: false,
            ends_with_process: false,
        }
    }

    /// The node that is found on a disk.
    fn opened(&self, disk: &FakeDisk) -> Result<Arc<Node>, String> {
        let surroundings = self.surroundings(disk);
        let node = Node::open_in(surroundings, Path::new(DATA_DIR), "the world", &mut |_, _, _| {});
        let node = node.map_err(|error| format!("{}: {error:#}", self.name))?;
        match node.key() == self.key {
            true => Ok(node),
            false => Err(format!("{} has another key after its start", self.name)),
        }
    }

    /// Its disk stopped: whichever of the disks that can be found then is found, it starts from it and
    /// has lost nothing.
    ///
    /// # Errors
    /// After what it does not.
    pub fn survives(&self) -> Result<(), String> {
        for survival in Survival::all() {
            let found = self.opened(&self.disk.reboot(survival));
            let kept = found.and_then(|node| invariant_nothing_acknowledged_is_lost(self, &node));
            kept.map_err(|why| format!("{why} (after a crash that left {survival:?})"))?;
        }
        Ok(())
    }

    /// Starts it on its disk.
    ///
    /// # Errors
    /// A sentence.
    pub fn start(&mut self) -> Result<(), String> {
        let node = self.opened(&self.disk)?;
        let changed = self.changed.clone();
        node.on_change(Box::new(move |page| {
            changed.lock().unwrap_or_else(PoisonError::into_inner).insert(*page);
        }));
        self.node = Some(node);
        let book = std::mem::replace(&mut self.book, Book::new(self.key, self.seed));
        let chance = self.seed ^ (u64::from(self.life) << 40);
        self.machine = Sync::with_book(self.key, chance ^ self.number(), self.beacon(), book);
        self.life += 1;
        self.waking = None;
        Ok(())
    }

    /// Its clock jumps by so many seconds.
    pub fn jump(&self, seconds: i64) {
        self.clock.skew.fetch_add(seconds, Ordering::Relaxed);
    }

    /// It knows nobody any more.
    pub fn forget(&mut self) {
        self.book = Book::new(self.key, self.seed);
    }

    /// It runs no longer, and its disk is what is found after that.
    pub fn stop(&mut self, survival: Option<Survival>) {
        self.node = None;
        self.book = self.machine.book().clone();
        self.life += 1;
        self.connected.clear();
        if let Some(survival) = survival {
            self.disk = self.disk.reboot(survival);
        }
    }

    /// What tells its chance from that of others.
    fn number(&self) -> u64 {
        match self.address.ip() {
            std::net::IpAddr::V4(address) => u64::from(u32::from(address)),
            std::net::IpAddr::V6(_) => 0,
        }
    }

    /// Where it is, signed.
    pub fn beacon(&self) -> Option<Beacon> {
        let key = SecretKey::from_seed(&first_random(&self.name, self.seed));
        Beacon::sign(&key, &[self.address], BEGIN + BEACON_LIFE.as_secs()).ok()
    }

    /// Hands something to its machine.
    pub fn handle(&mut self, ticks: u64, input: Input) -> Vec<Output> {
        let Some(node) = &self.node else { return Vec::new() };
        let told = Told { node: &**node, tale: &self.tale, to: None };
        let ledger: &dyn Ledger = if self.is_honest { &**node } else { &told };
        let unix = node.now();
        self.machine.handle(Moment { unix, ticks }, input, ledger)
    }

    /// What it answers.
    pub fn answer(&self, from: &Member, request: &[u8]) -> Option<Vec<u8>> {
        let node = self.node.as_ref()?;
        let told = Told { node: &**node, tale: &self.tale, to: Some(&from.key) };
        let ledger: &dyn Ledger = if self.is_honest { &**node } else { &told };
        answer(&from.key, from.address, request, ledger, &self.machine.handed())
    }

    /// The pages that changed since this was asked last.
    pub fn take_changed(&self) -> BTreeSet<Id> {
        std::mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a node draws first, which becomes its key.
fn first_random(name: &str, seed: u64) -> [u8; 32] {
    // A node's key is the same whatever the seed, so that beacons in pages name it.
    let _ = seed;
    *Id::hash(&[b"djdns/world/node/", name.as_bytes()]).as_bytes()
}
