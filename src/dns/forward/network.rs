//! What forwarding knows of one network: whom to ask there, how they do, and what they said.
//!
//! When the network becomes another one, all of this goes at once, with the connections and the
//! questions that are being asked: what comes of them then has no place where it could be kept. What
//! was answered is left to the next one, for when nobody answers there.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};

use super::{
    Ambient, Counters, FLIGHT_PATIENCE, Rules, TRIES,
    cache::{Cache, Freshness, Hit, Key},
    exchange::{ExchangeError, Plain, Question},
    give, local, lock,
    loops::Probes,
    pool::{Pool, Server},
    reply::Kept,
    secure::Line,
};
use crate::{
    dns::{
        Answer, Overrides, Rcode, Source, Upstreams, Wanted,
        answer::{CLASS_IN, EDE_CACHED_ERROR, EDE_NO_REACHABLE_AUTHORITY, EDE_OTHER},
        path::Path,
        upstream::Upstream,
    },
    limits::*,
    page::record::RecordType,
};

/// One network, as its rules describe it.
pub struct Network {
    ambient: Ambient,
    upstreams: Upstreams,
    /// They may change while all else stays.
    overrides: ArcSwap<Overrides>,
    /// How to speak to the upstreams, each in its place in `pool`.
    ways: Vec<Way>,
    /// What the upstreams are called, each in the same place.
    called: Vec<Arc<str>>,
    pool: Mutex<Pool>,
    probes: Probes,
    cache: Mutex<Cache>,
    /// Questions that are being asked; `None` after the end.
    flights: Mutex<Option<HashMap<Key, Flight>>>,
}

/// A question that is being asked, with what comes of it.
struct Flight {
    landing: watch::Receiver<Landing>,
    task: AbortHandle,
}

/// A place among those who wait for what comes of a question.
struct Joined {
    landing: watch::Receiver<Landing>,
    /// Nobody else had asked it.
    is_first: bool,
}

/// What came of asking: nothing yet, an answer, or none.
type Landing = Option<Result<Arc<Kept>, Nothing>>;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Nothing {
    /// No upstream gives one.
    Upstreams,
    /// This machine could not ask, and why: of whom it would have asked that says nothing.
    Machine(String),
}

/// How an upstream is spoken to.
#[derive(Clone)]
enum Way {
    Plain(Arc<Plain>),
    Secure(Arc<Line>),
}

impl Network {
    /// A network of which nothing is known yet but its rules.
    pub fn new(rules: Rules, ambient: Ambient) -> Network {
        let all: Vec<Upstream> = rules.upstreams.all().into_iter().cloned().collect();
        let way = |upstream: &Upstream| match Line::new(upstream, &rules.roots, ambient) {
            Some(line) => Way::Secure(Arc::new(line)),
            None => Way::Plain(Arc::new(Plain::new(upstream.address))),
        };
        Network {
            ambient,
            ways: all.iter().map(way).collect(),
            called: all.iter().map(|upstream| upstream.to_string().into()).collect(),
            probes: Probes::new(all.len(), ambient.random),
            pool: Mutex::new(Pool::new(all)),
            upstreams: rules.upstreams,
            overrides: ArcSwap::from_pointee(rules.overrides),
            cache: Mutex::new(Cache::new(FORWARD_CACHE_BYTES)),
            flights: Mutex::new(Some(HashMap::new())),
        }
    }

    /// Takes over what was answered in the network before this one: as past its time, since it may be
    /// something else here. What a rule of either is about is not taken: such names are those of one
    /// network, and elsewhere may be nobody's or somebody else's.
    pub fn inherit(&self, old: &Network) {
        let empty = Cache::new(FORWARD_CACHE_BYTES);
        let mut cache = std::mem::replace(&mut *lock(&old.cache), empty);
        let is_usual = |upstreams: &Upstreams, name: &[u8]| {
            std::ptr::eq(upstreams.for_name(name), upstreams.usual())
        };
        cache.outdate((self.ambient.now)(), |key| {
            is_usual(&self.upstreams, &key.name) && is_usual(&old.upstreams, &key.name)
        });
        *lock(&self.cache) = cache;
    }

    /// From now on these names are answered so.
    pub fn set_overrides(&self, overrides: Overrides) {
        self.overrides.store(Arc::new(overrides));
    }

    /// Asks nothing any more: whoever waits here learns that there is another network.
    pub fn end(&self) {
        for flight in lock(&self.flights).take().into_iter().flatten() {
            flight.1.task.abort();
        }
    }

    /// The upstreams, and how they do.
    pub fn upstreams(&self) -> Vec<Server> {
        lock(&self.pool).servers().to_vec()
    }

    /// How many answers are kept, and in how many bytes, about.
    pub fn cache_size(&self) -> (usize, usize) {
        lock(&self.cache).size()
    }

    /// Asks each upstream once for a name that only this network can have asked for. What comes back
    /// to [`Network::answer`] tells of a loop; what else comes of it tells how the upstream does.
    pub async fn find_loops(&self) {
        let mut asked = JoinSet::new();
        for (n, name) in self.probes.names().enumerate() {
            let raw = [name, &RecordType::A.0.to_be_bytes(), &CLASS_IN.to_be_bytes()].concat();
            let question = Question { raw: raw.into(), dnssec_ok: false, checking_disabled: false };
            asked.spawn(attempt(n, self.ways[n].clone(), question, self.ambient, FORWARD_ATTEMPT));
        }
        while let Some(done) = asked.join_next().await {
            match done {
                Ok((n, Ok(_), took)) => self.note_answer(n, took),
                Ok((_, Err(error), _)) if error.is_own() => {}
                Ok((n, Err(error), _)) => self.note_failure(n, &error),
                Err(_) => {}
            }
        }
    }

    /// A question that only this network can have asked of an upstream has come here.
    fn note_loop(&self, n: usize) -> Answer<'static> {
        let mut pool = lock(&self.pool);
        if let Some(upstream) = pool.loops(n) {
            tracing::warn!("the upstream {upstream} asks djdns itself: it is not asked any more");
        }
        let text = "djdns asked this itself: a loop";
        let answer = Answer::failed(Rcode::SERVFAIL, EDE_OTHER, text);
        Answer { source: Source::Failed, ..answer }
    }

    /// The answer, if nobody has to be waited for.
    pub fn at_once(
        self: &Arc<Self>,
        wanted: &Wanted,
        counters: &Counters,
    ) -> Option<Answer<'static>> {
        self.known(wanted, &key(wanted), counters).ok()
    }

    /// The answer, within `patience`; `None` when the network ended meanwhile.
    pub async fn answer(
        self: &Arc<Self>,
        wanted: &Wanted,
        counters: &Counters,
        patience: Duration,
    ) -> Option<Answer<'static>> {
        let (name, key) = (&wanted.name, key(wanted));
        let stale = match self.known(wanted, &key, counters) {
            Ok(answer) => return Some(answer),
            Err(stale) => stale,
        };
        count(&counters.misses);
        let Joined { mut landing, is_first } = self.fly(&key)?;
        if !is_first {
            count(&counters.coalesced);
        }
        let patience = if stale.is_some() { patience.min(FORWARD_STALE_AFTER) } else { patience };
        let landed = match timeout(patience, landing.wait_for(Option::is_some)).await {
            Ok(landed) => landed.ok()?.clone()?,
            Err(_) => Err(Nothing::Upstreams),
        };
        Some(match landed {
            Ok(kept) => Answer { source: Source::Forwarded, ..kept.answer(name, 0) },
            Err(Nothing::Machine(why)) if stale.is_none() => {
                let text = format!("this machine cannot ask: {why}");
                failed(EDE_OTHER, text.into(), counters)
            }
            Err(_) => self.give_stale(name, stale.as_ref(), EDE_NO_REACHABLE_AUTHORITY, counters),
        })
    }

    /// # Errors
    /// When somebody has to be asked: with what was known once.
    fn known(
        self: &Arc<Self>,
        wanted: &Wanted,
        key: &Key,
        counters: &Counters,
    ) -> Result<Answer<'static>, Option<Hit>> {
        let name = &wanted.name;
        if let Some(n) = self.probes.asked_of(name) {
            return Ok(self.note_loop(n));
        }
        if let Some(answer) = local::answer(&self.overrides.load(), wanted) {
            return Ok(answer);
        }
        let now = (self.ambient.now)();
        let hit = lock(&self.cache).find(key, now);
        match hit {
            Some(hit) if hit.freshness != Freshness::Stale => {
                // One that failed just now is not asked again yet (RFC 9520 section 3.2).
                if hit.freshness == Freshness::Ending
                    && !lock(&self.cache).has_failed(key, now)
                    && self.fly(key).is_some_and(|joined| joined.is_first)
                {
                    count(&counters.prefetched);
                }
                count(&counters.hits);
                Ok(give(name, &hit))
            }
            stale if lock(&self.cache).has_failed(key, now) => {
                Ok(self.give_stale(name, stale.as_ref(), EDE_CACHED_ERROR, counters))
            }
            stale => Err(stale),
        }
    }

    /// What was known before, or that nothing is to be had, and why.
    fn give_stale(
        &self,
        name: &Path,
        stale: Option<&Hit>,
        why: u16,
        counters: &Counters,
    ) -> Answer<'static> {
        match stale {
            Some(hit) => {
                count(&counters.stale);
                give(name, hit)
            }
            None => failed(why, self.trouble(name), counters),
        }
    }

    /// Why there is no answer: in ASCII, as all errors here are.
    fn trouble(&self, name: &Path) -> Cow<'static, str> {
        let candidates = self.upstreams.for_name(name.wire());
        let pool = lock(&self.pool);
        let mut servers = pool.servers().iter().filter(|one| candidates.contains(&one.upstream));
        if candidates.is_empty() {
            return "no upstream resolver is known for this name".into();
        }
        let Some((one, trouble)) = servers.find_map(|one| Some((one, one.trouble()?))) else {
            return "no upstream resolver answers".into();
        };
        let upstream = &one.upstream;
        match one.refusal {
            Some(Rcode::SERVFAIL) => {
                format!("{upstream} answers SERVFAIL: the name's own servers or its DNSSEC may be broken")
            }
            Some(_) => format!("{upstream}: {trouble}"),
            None => format!("no upstream resolver answers: {upstream}: {trouble}"),
        }
        .into()
    }

    /// Joins those who wait for the answer to this question, or asks it. It goes on when they leave:
    /// the next one finds the answer. `None` after the end.
    fn fly(self: &Arc<Self>, key: &Key) -> Option<Joined> {
        let mut flights = lock(&self.flights);
        let flights = flights.as_mut()?;
        let living = |flight: &&Flight| flight.landing.has_changed().is_ok();
        if let Some(flight) = flights.get(key).filter(living) {
            return Some(Joined { landing: flight.landing.clone(), is_first: false });
        }
        let (land, landing) = watch::channel(None);
        let (network, new) = (self.clone(), key.clone());
        let question = question(key);
        let task = tokio::spawn(async move {
            let asked = timeout(FLIGHT_PATIENCE, network.ask(&new.name, &question)).await;
            let kept = asked.unwrap_or(Err(Nothing::Upstreams)).map(Arc::new);
            let now = (network.ambient.now)();
            match &kept {
                Ok(kept) => lock(&network.cache).keep(new.clone(), kept.clone(), now),
                Err(Nothing::Upstreams) => lock(&network.cache).fail(new.clone(), now),
                Err(Nothing::Machine(_)) => {}
            }
            lock(&network.flights).as_mut().map(|flights| flights.remove(&new));
            let _ = land.send(Some(kept));
        });
        let task = task.abort_handle();
        flights.insert(key.clone(), Flight { landing: landing.clone(), task });
        Some(Joined { landing, is_first: true })
    }

    /// Asks one upstream after the other, without waiting for the first to fail. Each is listened to
    /// until the end, which is the caller's: one that is late is noted as failing meanwhile, but its
    /// answer is one.
    ///
    /// # Errors
    /// Why there is [`Nothing`].
    async fn ask(&self, name: &[u8], question: &Question) -> Result<Kept, Nothing> {
        let now = self.ambient.now;
        let order = lock(&self.pool).order(self.upstreams.for_name(name), now());
        let hedge = lock(&self.pool).hedge_after(&order);
        let mut left = order.repeat(TRIES).into_iter();
        let mut asked = JoinSet::new();
        let mut begun: Vec<Begun> = Vec::new();
        let mut nothing = Nothing::Upstreams;
        loop {
            if let Some(n) = left.next() {
                begun.push(Begun { n, since: now(), is_late: false });
                let way = self.ways[n].clone();
                asked.spawn(attempt(n, way, question.clone(), self.ambient, FORWARD_DEADLINE));
            } else if asked.is_empty() {
                return Err(nothing);
            }
            let next_late = begun.iter().filter(|one| !one.is_late).map(|one| one.since).min();
            let passed = now().saturating_sub(next_late.unwrap_or_default());
            let until_late = FORWARD_ATTEMPT.saturating_sub(Duration::from_millis(passed));
            tokio::select! {
                Some(done) = asked.join_next() => {
                    // An attempt does not panic; if one did, it failed.
                    let Ok((n, result, took)) = done else { continue };
                    match result {
                        Ok(kept) => {
                            self.note_answer(n, took);
                            let mut pool = lock(&self.pool);
                            for other in begun.iter().filter(|one| one.n != n) {
                                pool.outrun(other.n, other.age(now()));
                            }
                            return Ok(Kept { from: Some(self.called[n].clone()), ..kept });
                        }
                        Err(error) if error.is_own() => {
                            begun.retain(|one| one.n != n);
                            tracing::debug!(upstream = %self.called[n], %error, "cannot ask");
                            nothing = Nothing::Machine(error.to_string());
                            // What it lacks others may give back.
                            sleep(hedge).await;
                        }
                        Err(error) => {
                            begun.retain(|one| one.n != n);
                            self.note_failure(n, &error);
                        }
                    }
                }
                () = sleep(hedge), if left.len() > 0 => {}
                () = sleep(until_late), if next_late.is_some() => {
                    let is_due = |one: &&mut Begun| !one.is_late && one.age(now()) >= FORWARD_ATTEMPT;
                    for one in begun.iter_mut().filter(is_due) {
                        one.is_late = true;
                        self.note_failure(one.n, &ExchangeError::Timeout);
                    }
                }
            }
        }
    }

    fn note_answer(&self, n: usize, took: Duration) {
        if lock(&self.pool).answered(n, took) {
            tracing::info!("the upstream {} answers again", self.called[n]);
        }
    }

    fn note_failure(&self, n: usize, error: &ExchangeError) {
        let upstream = &self.called[n];
        tracing::debug!(%upstream, %error, "an upstream failed");
        let mut pool = lock(&self.pool);
        let is_news = pool.failed(n, error.to_string(), (self.ambient.now)());
        match error {
            ExchangeError::Refusal(rcode) => pool.refused(n, *rcode),
            _ if is_news => tracing::warn!("the upstream {upstream} does not answer: {error}"),
            _ => {}
        }
    }
}

/// An attempt that has not ended.
struct Begun {
    n: usize,
    since: u64,
    /// It was noted that it did not answer within [`FORWARD_ATTEMPT`].
    is_late: bool,
}

impl Begun {
    fn age(&self, now: u64) -> Duration {
        Duration::from_millis(now.saturating_sub(self.since))
    }
}

/// One attempt: an answer of use, or why there is none, and how long it took.
async fn attempt(
    n: usize,
    way: Way,
    question: Question,
    ambient: Ambient,
    patience: Duration,
) -> (usize, Result<Kept, ExchangeError>, Duration) {
    let begun = (ambient.now)();
    let result = match way {
        Way::Plain(plain) => timeout(patience, plain.ask(&question, &ambient.random))
            .await
            .unwrap_or(Err(ExchangeError::Timeout)),
        Way::Secure(line) => line.ask(&question, patience).await.map_err(ExchangeError::from),
    };
    let took = Duration::from_millis((ambient.now)().saturating_sub(begun));
    let result = result.and_then(|kept| match kept.is_answer() {
        true => Ok(kept),
        false => Err(ExchangeError::Refusal(kept.rcode)),
    });
    (n, result, took)
}

/// The question as it is kept.
fn key(wanted: &Wanted) -> Key {
    let Wanted { name, qtype, dnssec_ok, checking_disabled } = *wanted;
    Key { name: name.wire().into(), qtype: qtype.0, dnssec_ok, checking_disabled }
}

/// The question as it is asked.
fn question(key: &Key) -> Question {
    let raw = [&key.name[..], &key.qtype.to_be_bytes(), &CLASS_IN.to_be_bytes()].concat().into();
    let Key { dnssec_ok, checking_disabled, .. } = *key;
    Question { raw, dnssec_ok, checking_disabled }
}

fn failed(why: u16, text: Cow<'static, str>, counters: &Counters) -> Answer<'static> {
    count(&counters.failures);
    let answer = Answer::failed(Rcode::SERVFAIL, why, text);
    Answer { source: Source::Failed, ..answer }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
