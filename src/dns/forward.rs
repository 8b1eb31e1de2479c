//! Names in no page: asked of upstream resolvers, and answered from what they said.
//!
//! One question is asked once, however many wait for it. The fastest upstream is asked first, the next
//! as well when it takes long; when nobody answers, what was known before is given with a short TTL
//! (RFC 8767), or SERVFAIL with a reason. Every client has its answer within [`FORWARD_DEADLINE`].
//!
//! What is kept is [`cache`]'s business, who is asked first [`pool`]'s, what is believed [`reply`]'s:
//! none of them knows a clock or a socket. Pages are not known here at all.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    Answer, Outside, Overrides, Rcode, Source, Upstreams,
    answer::{
        CLASS_IN, EDE_CACHED_ERROR, EDE_NO_REACHABLE_AUTHORITY, EDE_STALE, EDE_STALE_NXDOMAIN,
    },
    path::Path,
    service::{Seeking, Wanted},
};
use crate::limits::*;

pub mod cache;
pub mod exchange;
mod local;
pub mod pool;
pub mod reply;

use cache::{Cache, Freshness, Hit, Key};
use exchange::Question;
use pool::{Failing, Pool};
use reply::Kept;

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
    rules: Mutex<Arc<Rules>>,
    pool: Mutex<Pool>,
    cache: Mutex<Cache>,
    /// Questions that are being asked, with what comes of them.
    flights: Mutex<HashMap<Key, watch::Receiver<Landing>>>,
    counters: Counters,
}

/// Whom to ask for what, and what needs no asking.
#[derive(Debug, Default)]
pub struct Rules {
    pub upstreams: Upstreams,
    pub overrides: Overrides,
}

/// What came of asking: nothing yet, an answer, or the failure of all upstreams.
type Landing = Option<Option<Arc<Kept>>>;

/// A question that is being asked.
struct Flight {
    landing: watch::Receiver<Landing>,
    /// Nobody else had asked it.
    is_first: bool,
}

impl Forward {
    /// Asks by these rules.
    pub fn new(rules: Rules, ambient: Ambient) -> Forward {
        Forward(Arc::new(Inner {
            ambient,
            pool: Mutex::new(Pool::new(addresses(&rules))),
            rules: Mutex::new(Arc::new(rules)),
            cache: Mutex::new(Cache::new(FORWARD_CACHE_BYTES)),
            flights: Mutex::default(),
            counters: Counters::default(),
        }))
    }

    /// From now on asks by these. The network may be another one, where names mean other things: what
    /// is known is forgotten.
    pub fn set_rules(&self, rules: Rules) {
        *lock(&self.0.pool) = Pool::new(addresses(&rules));
        *lock(&self.0.rules) = Arc::new(rules);
        lock(&self.0.cache).clear();
    }

    /// The upstreams, and how they do.
    pub fn upstreams(&self) -> Vec<pool::Server> {
        lock(&self.0.pool).servers().to_vec()
    }

    /// How many answers are kept, and in how many bytes, about.
    pub fn cache_size(&self) -> (usize, usize) {
        lock(&self.0.cache).size()
    }

    /// What was done since the start.
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    async fn answer(&self, wanted: Wanted) -> Answer<'static> {
        let (key, question) = asked(&wanted);
        let name = &wanted.name;
        let rules = lock(&self.0.rules).clone();
        if let Some(answer) = local::answer(&rules.overrides, &wanted) {
            return answer;
        }
        let now = (self.0.ambient.now)();
        let hit = lock(&self.0.cache).find(&key, now);
        let stale = match hit {
            Some(hit) if hit.freshness != Freshness::Stale => {
                if hit.freshness == Freshness::Ending && self.fly(&key, question).is_first {
                    self.count(|counters| &counters.prefetched);
                }
                self.count(|counters| &counters.hits);
                return give(name, &hit);
            }
            stale => stale,
        };
        if lock(&self.0.cache).has_failed(&key, now) {
            return self.give_stale(name, stale.as_ref(), EDE_CACHED_ERROR);
        }
        self.count(|counters| &counters.misses);
        let Flight { mut landing, is_first } = self.fly(&key, question);
        if !is_first {
            self.count(|counters| &counters.coalesced);
        }
        let patience = if stale.is_some() { FORWARD_STALE_AFTER } else { CLIENT_PATIENCE };
        let landed = timeout(patience, landing.wait_for(Option::is_some)).await;
        match landed.ok().and_then(Result::ok).and_then(|landed| landed.clone().flatten()) {
            Some(kept) => Answer { source: Source::Forwarded, ..kept.answer(name, 0) },
            None => self.give_stale(name, stale.as_ref(), EDE_NO_REACHABLE_AUTHORITY),
        }
    }

    /// What was known before, or that nothing is to be had, and why.
    fn give_stale(&self, name: &Path, stale: Option<&Hit>, why: u16) -> Answer<'static> {
        match stale {
            Some(hit) => {
                self.count(|counters| &counters.stale);
                give(name, hit)
            }
            None => {
                self.count(|counters| &counters.failures);
                let answer = Answer::failed(Rcode::SERVFAIL, why, "no upstream resolver answers");
                Answer { source: Source::Failed, ..answer }
            }
        }
    }

    fn count(&self, of: impl Fn(&Counters) -> &AtomicU64) {
        of(&self.0.counters).fetch_add(1, Ordering::Relaxed);
    }

    /// Joins those who wait for the answer to this question, or asks it. It goes on when they leave:
    /// the next one finds the answer.
    fn fly(&self, key: &Key, question: Question) -> Flight {
        let mut flights = lock(&self.0.flights);
        if let Some(flight) = flights.get(key) {
            return Flight { landing: flight.clone(), is_first: false };
        }
        let (land, landing) = watch::channel(None);
        flights.insert(key.clone(), landing.clone());
        let (inner, key) = (self.0.clone(), key.clone());
        tokio::spawn(async move {
            let asked = timeout(FLIGHT_PATIENCE, inner.ask(&key.name, &question)).await;
            let kept = asked.ok().flatten().map(Arc::new);
            let now = (inner.ambient.now)();
            match &kept {
                Some(kept) => lock(&inner.cache).keep(key.clone(), kept.clone(), now),
                None => lock(&inner.cache).fail(key.clone(), now),
            }
            lock(&inner.flights).remove(&key);
            let _ = land.send(Some(kept));
        });
        Flight { landing, is_first: true }
    }
}

/// How long a client waits: an answer that comes late must still be written and sent.
const CLIENT_PATIENCE: Duration = FORWARD_DEADLINE.saturating_sub(Duration::from_millis(300));
/// How long all upstreams together are waited for.
const FLIGHT_PATIENCE: Duration = FORWARD_DEADLINE.saturating_sub(Duration::from_millis(400));
/// How often each upstream is asked before it is given up (choice: a datagram may be lost).
const TRIES: usize = 2;

impl Inner {
    /// Asks one upstream after the other, without waiting for the first to fail.
    async fn ask(&self, name: &[u8], question: &Question) -> Option<Kept> {
        let rules = lock(&self.rules).clone();
        let candidates = rules.upstreams.for_name(name);
        let is_candidate = |address: &SocketAddr| candidates.iter().any(|c| c.address == *address);
        let order = lock(&self.pool).order((self.ambient.now)());
        let order: Vec<SocketAddr> = order.into_iter().filter(is_candidate).collect();
        let hedge = lock(&self.pool).hedge_after(*order.first()?);
        let mut left = order.repeat(TRIES).into_iter();
        let mut asked = JoinSet::new();
        let mut begun: Vec<(SocketAddr, u64)> = Vec::new();
        loop {
            if let Some(server) = left.next() {
                begun.push((server, (self.ambient.now)()));
                asked.spawn(attempt(server, question.clone(), self.ambient));
            } else if asked.is_empty() {
                return None;
            }
            tokio::select! {
                Some(done) = asked.join_next() => {
                    // An attempt does not panic; if one did, it failed.
                    let Ok((server, result, took)) = done else { continue };
                    match result {
                        Ok(kept) => {
                            let now = (self.ambient.now)();
                            let mut pool = lock(&self.pool);
                            pool.answered(server, took);
                            for (other, since) in begun.iter().filter(|one| one.0 != server) {
                                let after = now.saturating_sub(*since);
                                pool.outrun(*other, Duration::from_millis(after));
                            }
                            return Some(Kept { from: Some(server), ..kept });
                        }
                        Err(why) => {
                            begun.retain(|one| one.0 != server);
                            lock(&self.pool).failed(server, (self.ambient.now)(), &why);
                        }
                    }
                }
                () = sleep(hedge), if left.len() > 0 => {}
            }
        }
    }
}

/// One attempt: an answer of use or why there is none, and how long it took.
async fn attempt(
    server: SocketAddr,
    question: Question,
    ambient: Ambient,
) -> (SocketAddr, Result<Kept, Failing>, Duration) {
    let begun = (ambient.now)();
    let draw = ambient.random;
    let result = exchange::ask(server, &question, &draw, FORWARD_ATTEMPT).await;
    let took = Duration::from_millis((ambient.now)().saturating_sub(begun));
    let kept = match result {
        Ok(kept) if kept.is_answer() => Ok(kept),
        Ok(kept) => {
            tracing::debug!(%server, rcode = kept.rcode.0, "an upstream does not answer this");
            Err(Failing::Answered(kept.rcode))
        }
        Err(error) => {
            tracing::debug!(%server, %error, "an upstream failed");
            Err(Failing::Silent(error.to_string()))
        }
    };
    (server, kept, took)
}

impl Outside for Forward {
    fn resolve(&self, wanted: Wanted) -> Seeking<'_> {
        Box::pin(self.answer(wanted))
    }
}

/// All who may be asked, whatever for.
fn addresses(rules: &Rules) -> Vec<SocketAddr> {
    rules.upstreams.all().into_iter().map(|upstream| upstream.address).collect()
}

/// The question as it is kept, and as it is asked.
fn asked(wanted: &Wanted) -> (Key, Question) {
    let Wanted { name, qtype, dnssec_ok, checking_disabled } = *wanted;
    let name: Box<[u8]> = name.wire().into();
    let raw = [&name[..], &qtype.0.to_be_bytes(), &CLASS_IN.to_be_bytes()].concat().into();
    let key = Key { name, qtype: qtype.0, dnssec_ok, checking_disabled };
    (key, Question { raw, dnssec_ok, checking_disabled })
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
