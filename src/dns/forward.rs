//! Names in no page: asked of upstream resolvers, and answered from what they said.
//!
//! One question is asked once, however many wait for it. The fastest upstream is asked first, the next
//! as well when it takes long; when nobody answers, what was known before is given with a short TTL
//! (RFC 8767), or SERVFAIL with a reason. Every client has its answer within [`FORWARD_DEADLINE`].
//!
//! What is kept is [`cache`]'s business, who is asked first [`pool`]'s, what is believed [`reply`]'s:
//! none of them knows a clock or a socket. [`exchange`] asks plainly, [`secure`] by TLS and HTTPS, and
//! `network` drives it all. Pages are not known here at all.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    Answer, Outside, Overrides, Rcode, Source, Upstreams,
    answer::{EDE_OTHER, EDE_STALE, EDE_STALE_NXDOMAIN},
    path::Path,
    service::{Seeking, Wanted},
};
use crate::limits::*;

pub mod cache;
pub mod exchange;
mod local;
pub mod loops;
mod network;
pub mod pool;
pub mod reply;
pub mod secure;

use cache::{Freshness, Hit};
use network::Network;
pub use secure::Roots;

/// What a forwarder has from outside itself.
#[derive(Clone, Copy)]
pub struct Ambient {
    /// Milliseconds, of a clock that only goes forward.
    pub now: fn() -> u64,
    /// Bits that nobody can foresee.
    pub random: fn() -> [u64; 5],
}

/// What was done since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Answers from the cache.
    pub hits: AtomicU64,
    /// Questions that had to be asked.
    pub misses: AtomicU64,
    /// Answers past their time, because nobody gave a newer one.
    pub stale: AtomicU64,
    /// SERVFAIL, because there was nothing to answer.
    pub failures: AtomicU64,
    /// Questions that waited for the answer to an equal one.
    pub coalesced: AtomicU64,
    /// Questions that were asked anew before what is known of them ended.
    pub prefetched: AtomicU64,
}

/// The forwarder. Cloning one costs nothing.
#[derive(Clone)]
pub struct Forward(Arc<Inner>);

struct Inner {
    ambient: Ambient,
    network: Mutex<Arc<Network>>,
    /// How often something was changed that answers depend on.
    changes: AtomicU64,
    counters: Counters,
}

/// Whom to ask for what, and what needs no asking.
#[derive(Debug, Default)]
pub struct Rules {
    pub upstreams: Upstreams,
    pub overrides: Overrides,
    /// Whose word counts for the certificates of upstreams by TLS and HTTPS.
    pub roots: Roots,
}

impl Forward {
    /// Asks by these rules.
    pub fn new(rules: Rules, ambient: Ambient) -> Forward {
        let network = Mutex::new(Arc::new(Network::new(rules, ambient)));
        let (changes, counters) = Default::default();
        Forward(Arc::new(Inner { ambient, network, changes, counters }))
    }

    /// From now on asks by these. The network may be another one, where names mean other things:
    /// connections are closed, what is being asked is asked anew, and what is known is given only when
    /// nobody answers (RFC 8767); nothing of it is, where a rule of these or of those before says whom
    /// to ask.
    pub fn set_rules(&self, rules: Rules) {
        let new = Arc::new(Network::new(rules, self.0.ambient));
        new.inherit(&self.network());
        let old = std::mem::replace(&mut *lock(&self.0.network), new);
        self.0.changes.fetch_add(1, Ordering::Relaxed);
        old.end();
    }

    /// From now on answers these names itself; of all else everything stays.
    pub fn set_overrides(&self, overrides: Overrides) {
        self.network().set_overrides(overrides);
        self.0.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Finds out which upstreams ask djdns itself: to be called once after every change of the rules,
    /// while the own doors are open. Takes as long as the slowest upstream.
    pub async fn find_loops(&self) {
        self.network().find_loops().await;
    }

    /// The upstreams, and how they do.
    pub fn upstreams(&self) -> Vec<pool::Server> {
        self.network().upstreams()
    }

    /// How many answers are kept, and in how many bytes, about.
    pub fn cache_size(&self) -> (usize, usize) {
        self.network().cache_size()
    }

    /// What was done since the start.
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    fn network(&self) -> Arc<Network> {
        lock(&self.0.network).clone()
    }

    async fn answer(&self, wanted: Wanted) -> Answer<'static> {
        let begun = (self.0.ambient.now)();
        loop {
            let passed = Duration::from_millis((self.0.ambient.now)().saturating_sub(begun));
            let patience = CLIENT_PATIENCE.saturating_sub(passed);
            let network = self.network();
            match network.answer(&wanted, &self.0.counters, patience).await {
                Some(answer) => return answer,
                // It ended, and the next one is asked.
                None if !patience.is_zero() => {}
                None => {
                    let answer = Answer::failed(Rcode::SERVFAIL, EDE_OTHER, "the network changed");
                    return Answer { source: Source::Failed, ..answer };
                }
            }
        }
    }
}

/// How long a client waits: an answer that comes late must still be written and sent.
const CLIENT_PATIENCE: Duration = FORWARD_DEADLINE.saturating_sub(Duration::from_millis(300));
/// How long all upstreams together are waited for.
const FLIGHT_PATIENCE: Duration = FORWARD_DEADLINE.saturating_sub(Duration::from_millis(400));
/// How often each upstream is asked before it is given up (choice: a datagram may be lost).
const TRIES: usize = 2;

impl Outside for Forward {
    fn at_once(&self, wanted: &Wanted) -> Option<Answer<'static>> {
        self.network().at_once(wanted, &self.0.counters)
    }

    fn epoch(&self) -> u64 {
        self.0.changes.load(Ordering::Relaxed)
    }

    fn note_given(&self, count: u64) {
        self.0.counters.hits.fetch_add(count, Ordering::Relaxed);
    }

    fn resolve(&self, wanted: Wanted) -> Seeking<'_> {
        Box::pin(self.answer(wanted))
    }
}

/// What is known of a name, past its time with a word about that.
fn give(name: &Path, hit: &Hit) -> Answer<'static> {
    if hit.freshness != Freshness::Stale {
        return Answer { source: Source::Cache, ..hit.kept.answer(name, hit.age) };
    }
    let stale = hit.kept.stale(name, hit.age, FORWARD_STALE_TTL);
    let mut answer = Answer { source: Source::Stale, ..stale };
    let code = match answer.rcode {
        Rcode::NXDOMAIN => EDE_STALE_NXDOMAIN,
        _ => EDE_STALE,
    };
    answer.add_error(code, "no upstream gives a newer answer");
    answer
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
