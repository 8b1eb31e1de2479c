//! What a daemon is besides its pages: its doors, whom it asks, and how that goes.
//!
//! A command that works on the data directory itself has none of this.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use super::{
    certificate::Certificate, mirrors::Telling, neighbours::Neighbours, others::Others,
    recent::Recent,
};
use crate::{
    ambient,
    beacon::Beacon,
    config::settings::Settings,
    control::running::{EncryptedDoors, Forwarding, Mirror, Rule, UpstreamReport},
    dns::{
        Answer, Forward, Outside, Rcode, Upstream, Witness, encrypted::DOH_PATH,
        forward::pool::Server, service::Wanted,
    },
    limits::{FORWARD_FAILURES_OUTAGE, FORWARD_FAILURES_TOLD},
    page::name::Name,
    time::since,
};

/// A running daemon.
pub struct Running {
    /// The runtime that answers DNS.
    runtime: Handle,
    forward: Forward,
    /// Whom to ask, as it was read last.
    asked: ArcSwap<Asked>,
    /// What saw every answer of DNS, and may log it.
    pub witness: Witness,
    /// Where DNS is answered.
    pub dns: Vec<SocketAddr>,
    /// Where HTTP is answered.
    http: Mutex<Option<SocketAddr>>,
    /// What the encrypted doors prove themselves by; none where there are none.
    certificate: Mutex<Option<Arc<Certificate>>>,
    /// What was not to be had at the start, and what is done instead, in sentences.
    doors: Mutex<Vec<String>>,
    /// Who is told of new seals.
    mirrors: OnceLock<Arc<Telling>>,
    /// Why the configuration was not read again when somebody asked for that, if it was not.
    refused: Mutex<Option<String>>,
    pub recent: Recent,
    /// Other nodes; none where nothing is listened on for them.
    others: Arc<Others>,
}

/// Whom to ask, and where that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// For names that no rule is about.
    usual: Vec<Upstream>,
    /// For a domain and what is below it.
    rules: Vec<(Name, Vec<Upstream>)>,
    from: String,
    nobody: Option<String>,
    left_out: Vec<String>,
}

impl Running {
    /// A daemon that answers DNS on these addresses, by the runtime that this is called in.
    pub fn new(
        dns: Vec<SocketAddr>,
        forward: Forward,
        recent: Recent,
        others: Arc<Others>,
    ) -> Running {
        Running {
            runtime: Handle::current(),
            forward,
            asked: ArcSwap::default(),
            witness: Witness::new(ambient::microseconds),
            dns,
            http: Mutex::default(),
            certificate: Mutex::default(),
            doors: Mutex::default(),
            mirrors: OnceLock::new(),
            refused: Mutex::default(),
            recent,
            others,
        }
    }

    /// Other nodes, if there may be any by now.
    pub fn neighbours(&self) -> Option<&Neighbours> {
        self.others.get()
    }

    /// The forwarder asks by these from now on.
    pub fn asks_by(&self, settings: &Settings) {
        self.asked.store(Asked::of(settings).into());
    }

    /// Finds out whether anybody who is asked asks djdns back, while everything else goes on.
    pub fn find_loops(&self) {
        let forward = self.forward.clone();
        self.runtime.spawn(async move { forward.find_loops().await });
    }

    /// Somebody should know this of the doors.
    pub fn note_door(&self, sentence: String) {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).push(sentence);
    }

    /// What somebody should know of the doors, of what was not taken over from the configuration, and of mirrors.
    pub fn doors(&self) -> Vec<String> {
        let mut all = self.doors.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.extend(self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone());
        all.extend(self.certificate().iter().flat_map(|one| one.troubles(ambient::now())));
        all.extend(self.mirrors().into_iter().flatten().flat_map(|mirror| mirror.troubles));
        all
    }

    /// The configuration was not read again, and why; or it was.
    pub fn set_refused(&self, why: Option<String>) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Pages go to mirrors in this way.
    pub fn set_mirrors(&self, telling: Arc<Telling>) {
        // They are set once, before anybody asks.
        let _ = self.mirrors.set(telling);
    }

    pub fn telling(&self) -> Option<&Arc<Telling>> {
        self.mirrors.get()
    }

    /// How those stand that are told of new seals; none where nobody may mirror.
    pub fn mirrors(&self) -> Option<Vec<Mirror>> {
        self.telling().and_then(|telling| telling.mirrors())
    }

    pub fn set_http(&self, address: Option<SocketAddr>) {
        *self.http.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }

    pub fn set_certificate(&self, certificate: Option<Arc<Certificate>>) {
        *self.certificate.lock().unwrap_or_else(PoisonError::into_inner) = certificate;
    }

    fn certificate(&self) -> Option<Arc<Certificate>> {
        self.certificate.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where DNS is answered by TLS, HTTPS and QUIC, and what to trust there.
    pub fn encrypted(&self) -> Option<EncryptedDoors> {
        let certificate = self.certificate()?;
        let (places, shown) = (certificate.places(), certificate.shown());
        Some(EncryptedDoors {
            dot: texts(&places.dot),
            doh: places.doh.iter().map(|place| format!("https://{place}{DOH_PATH}")).collect(),
            doq: texts(&places.doq),
            certificate: shown.file.display().to_string(),
            pin: shown.pin,
            own: shown.is_own,
            ends: shown.ends,
        })
    }

    pub fn http(&self) -> Option<SocketAddr> {
        *self.http.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where other nodes reach this one, as far as that is known.
    pub fn beacon(&self) -> Option<Beacon> {
        self.neighbours().and_then(Neighbours::beacon)
    }

    pub fn forward(&self) -> &Forward {
        &self.forward
    }

    /// What others say of a name. Not to be called on the thread that answers DNS.
    pub fn resolve(&self, wanted: Wanted) -> Answer<'static> {
        self.runtime.block_on(self.forward.resolve(wanted))
    }

    /// How names outside the pages are resolved, and what is wrong with that.
    pub fn forwarding(&self) -> Forwarding {
        let asked = self.asked.load();
        let servers = self.forward.upstreams();
        let clock = Clock::read();
        let (works, troubles) = asked.troubles(&servers, clock);
        Forwarding {
            from: asked.from.clone(),
            upstreams: servers.iter().map(|server| report(server, clock)).collect(),
            usual: texts(&asked.usual),
            rules: asked.rules.iter().map(rule).collect(),
            left_out: asked.left_out.clone(),
            works,
            troubles,
        }
    }
}

/// One moment, by both clocks.
#[derive(Clone, Copy)]
struct Clock {
    /// Seconds since 1970 (UTC).
    now: u64,
    /// Milliseconds, as the forwarder has them.
    ticks: u64,
}

impl Clock {
    fn read() -> Clock {
        Clock { now: ambient::now(), ticks: ambient::ticks() }
    }

    /// When that was, in seconds since 1970.
    fn date(self, ticks: u64) -> u64 {
        self.now.saturating_sub(self.ticks.saturating_sub(ticks) / 1000)
    }

    /// The same for people, with how long ago it was.
    fn since(self, ticks: u64) -> String {
        since(self.date(ticks), self.now)
    }
}

impl Asked {
    fn of(settings: &Settings) -> Asked {
        Asked {
            usual: settings.upstreams.usual().to_vec(),
            rules: settings.rules.clone(),
            from: settings.upstreams_from.to_string(),
            nobody: settings.nobody.as_ref().map(ToString::to_string),
            left_out: settings.left_out.iter().map(ToString::to_string).collect(),
        }
    }

    /// Whether names outside the pages can be expected to resolve, and what is wrong.
    fn troubles(&self, servers: &[Server], clock: Clock) -> (bool, Vec<String>) {
        let rules = self.rules.iter();
        let rules = rules.filter_map(|(domain, asked)| rule_fails(domain, asked, servers, clock));
        if let Some(nobody) = &self.nobody {
            return (false, [nobody.clone()].into_iter().chain(rules).collect());
        }
        let usual = servers.iter().filter(|server| self.usual.contains(&server.upstream));
        let (looped, asked): (Vec<&Server>, Vec<&Server>) = usual.partition(|one| one.looped);
        let failing = |times| {
            let failing = asked.iter().copied();
            failing.filter(move |server| fails(server, times)).collect::<Vec<_>>()
        };
        let (gone, silent) = (failing(FORWARD_FAILURES_OUTAGE), failing(FORWARD_FAILURES_TOLD));
        let works = gone.len() < asked.len() || looped.is_empty() && asked.is_empty();
        let loops = servers.iter().filter(|server| server.looped).map(|server| self.loops(server));
        let mut troubles: Vec<String> = loops.collect();
        if !works && asked.is_empty() {
            troubles
                .insert(0, "names outside the pages do not resolve: nobody is left to ask".into());
        } else if !works {
            troubles.insert(0, all_fail(&gone, clock));
        } else if !silent.is_empty() && silent.len() == asked.len() {
            troubles.push(question_failed(&silent, clock));
        } else {
            troubles.extend(gone.iter().map(|server| self.one_fails(server, clock)));
        }
        (works, troubles.into_iter().chain(rules).collect())
    }

    fn loops(&self, server: &Server) -> String {
        let Server { upstream, .. } = server;
        format!(
            "{upstream} asks djdns itself, and is not asked any more: name in {} the resolver that is \
             meant to answer",
            self.from
        )
    }

    fn one_fails(&self, server: &Server, clock: Clock) -> String {
        let Server { upstream, .. } = server;
        format!(
            "{upstream} does not answer since {} ({}): others are asked first; if it is gone, take it \
             out of {}",
            clock.since(server.failing_since),
            server.last_error.as_deref().unwrap_or_default(),
            self.from,
        )
    }
}

fn report(server: &Server, clock: Clock) -> UpstreamReport {
    let is_failing = server.failures > 0;
    UpstreamReport {
        upstream: server.upstream.to_string(),
        round_trip_seconds: server.round_trip.map(|time| time.as_secs_f64()),
        failures: server.failures,
        failing_since: is_failing.then(|| clock.date(server.failing_since)),
        last_error: server.last_error.clone().filter(|_| is_failing),
        looped: server.looped,
    }
}

fn rule((domain, upstreams): &(Name, Vec<Upstream>)) -> Rule {
    Rule { domain: domain.to_string(), upstreams: texts(upstreams) }
}

fn texts(list: &[impl ToString]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

/// What to say when there are some to ask, and none of them answers.
fn all_fail(servers: &[&Server], clock: Clock) -> String {
    let hint = match servers.iter().any(|server| server.refusal.is_some()) {
        true => "they may not serve this machine: name others, as `upstreams = [\"192.0.2.53\"]`.",
        false => "is the network there?",
    };
    let silence = silence(servers, clock);
    format!(
        "names outside the pages do not resolve: {silence}: {hint} What was asked for before is still \
         answered, for three days"
    )
}

/// What to say when too little was asked to say more of all of them.
fn question_failed(servers: &[&Server], clock: Clock) -> String {
    let silence = silence(servers, clock);
    format!("a question was not answered: {silence}; the next name that is looked up tells more")
}

/// What to say of a rule none of whose servers answers.
fn rule_fails(
    domain: &Name,
    asked: &[Upstream],
    servers: &[Server],
    clock: Clock,
) -> Option<String> {
    let of_rule = servers.iter().filter(|server| asked.contains(&server.upstream));
    let of_rule: Vec<&Server> = of_rule.filter(|server| !server.looped).collect();
    let is_out = |server: &&Server| fails(server, FORWARD_FAILURES_TOLD);
    if of_rule.is_empty() || !of_rule.iter().all(is_out) {
        return None;
    }
    Some(format!("names below {domain} do not resolve: {}", silence(&of_rule, clock)))
}

/// Who of several does not answer, since when and why.
fn silence(servers: &[&Server], clock: Clock) -> String {
    let names: Vec<String> = servers.iter().map(|server| server.upstream.to_string()).collect();
    let since = servers.iter().map(|server| server.failing_since).max().unwrap_or_default();
    let mut why: Vec<&str> =
        servers.iter().filter_map(|server| server.last_error.as_deref()).collect();
    why.dedup();
    let who = match &names[..] {
        [one] => format!("{one} does not answer"),
        several => format!("none of {} answers", several.join(", ")),
    };
    format!("{who} since {} ({})", clock.since(since), why.join("; "))
}

/// Whether nothing was had of an upstream so many times. SERVFAIL may be the name's fault, as when a
/// zone is broken.
fn fails(server: &Server, times: u32) -> bool {
    server.failures >= times && server.refusal != Some(Rcode::SERVFAIL)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dns::forward::pool::Pool;

    const CLOCK: Clock = Clock { now: 1_800_000_100, ticks: 100_000 };

    fn upstream(n: u8) -> Upstream {
        Upstream::plain([192, 0, 2, n].into())
    }

    fn asked() -> Asked {
        let usual = vec![upstream(1), upstream(2)];
        Asked { usual, from: "/etc/resolv.conf".to_owned(), ..Asked::default() }
    }

    /// Of three upstreams the third is named by a rule alone. They are meant by their places.
    #[track_caller]
    fn check(asked: &Asked, done: impl FnOnce(&mut Pool), works: bool, expect: &[&str]) {
        let mut pool = Pool::new((1..=3).map(upstream));
        done(&mut pool);
        let (found, troubles) = asked.troubles(pool.servers(), CLOCK);
        assert_eq!((found, troubles.is_empty()), (works, expect.is_empty()), "{troubles:?}");
        for words in expect {
            assert!(
                troubles.iter().any(|trouble| trouble.contains(words)),
                "{words}: {troubles:?}"
            );
        }
    }

    /// Fails so many times, with a code or in silence.
    fn fail(pool: &mut Pool, n: usize, times: u64, rcode: Option<Rcode>) {
        for time in 0..times {
            let why = rcode.map_or("it did not answer in time".to_owned(), |code| {
                format!("it answered {code}")
            });
            pool.failed(n, why, 40_000 + time);
            rcode.into_iter().for_each(|rcode| pool.refused(n, rcode));
        }
    }

    #[test]
    fn what_is_wrong_with_forwarding_is_said_so_that_one_can_act() {
        let outage = u64::from(FORWARD_FAILURES_OUTAGE);
        check(&asked(), |_| (), true, &[]);
        check(&asked(), |pool| fail(pool, 0, outage - 1, None), true, &[]);
        let one = [
            "192.0.2.1 does not answer since 08:00 UTC, 1 minute ago (it did not",
            "take it out of /etc/resolv.conf",
        ];
        check(&asked(), |pool| fail(pool, 0, outage, None), true, &one);
        let both = |times, rcode| {
            move |pool: &mut Pool| [0, 1].iter().for_each(|n| fail(pool, *n, times, rcode))
        };
        let all = [
            "names outside the pages do not resolve: none of 192.0.2.1, 192.0.2.2 answers since 08:00 \
             UTC, 1 minute ago (it did not answer in time): is the network there?",
        ];
        check(&asked(), both(outage, None), false, &all);
        let refused = Some(Rcode::REFUSED);
        check(&asked(), both(outage, refused), false, &["it answered REFUSED", "name others"]);
        // A broken zone is not the network, nor is one name whose servers are gone.
        check(&asked(), both(outage, Some(Rcode::SERVFAIL)), true, &[]);
        check(&asked(), both(1, None), true, &[]);
        check(&asked(), both(2, None), true, &["a question was not answered: none of 192.0.2.1"]);
        check(&asked(), both(outage - 1, refused), true, &["a question was not answered"]);
        let back = |pool: &mut Pool| {
            both(outage, None)(pool);
            pool.answered(1, Duration::from_millis(1));
        };
        check(&asked(), back, true, &["192.0.2.1 does not answer"]);
        let nobody = Asked { nobody: Some("nobody to ask".to_owned()), ..Asked::default() };
        check(&nobody, |_| (), false, &["nobody to ask"]);
    }

    #[test]
    fn one_that_a_rule_alone_names_is_told_of_by_the_rule() {
        let domain = Name::parse("dead.example").unwrap();
        let ruled = Asked { rules: vec![(domain, vec![upstream(3)])], ..asked() };
        check(&ruled, |pool| fail(pool, 2, 1, None), true, &[]);
        let words = "names below dead.example. do not resolve: 192.0.2.3 does not answer since";
        check(&ruled, |pool| fail(pool, 2, 2, None), true, &[words]);
    }

    #[test]
    fn one_that_asks_back_is_told_of() {
        let loops = |pool: &mut Pool| pool.loops(0).is_some();
        let words =
            "192.0.2.1 asks djdns itself, and is not asked any more: name in /etc/resolv.conf";
        check(&asked(), |pool| assert!(loops(pool)), true, &[words]);
        let other_fails = |pool: &mut Pool| {
            assert!(loops(pool));
            fail(pool, 1, FORWARD_FAILURES_OUTAGE.into(), None);
        };
        check(&asked(), other_fails, false, &[words, "192.0.2.2 does not answer since"]);
        let alone = Asked { usual: vec![upstream(1)], ..asked() };
        check(&alone, |pool| assert!(loops(pool)), false, &[words, "nobody is left to ask"]);
    }
}
