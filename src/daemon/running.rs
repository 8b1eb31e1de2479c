//! What a daemon is besides its pages: its doors, whom it asks, and how that goes.
//!
//! A command that works on the data directory itself has none of this.

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use super::{recent::Recent, rules};
use crate::{
    ambient,
    config::settings::Settings,
    control::running::{Forwarding, UpstreamReport},
    dns::{
        Answer, Forward, Outside, Rcode, Upstream, Witness,
        forward::pool::{Failing, Server},
        service::Wanted,
    },
    time::date,
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
    /// What was not to be had at the start, and what is done instead, in sentences.
    doors: Mutex<Vec<String>>,
    pub recent: Recent,
}

/// Whom to ask, and where that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// For names that no rule is about.
    usual: Vec<SocketAddr>,
    all: Vec<Upstream>,
    from: String,
    nobody: Option<String>,
    left_out: Vec<String>,
}

/// Failures in a row after which somebody does not answer, where others do (choice: each question is
/// asked twice, and a datagram may be lost).
const FAILURES_TOLD: u32 = 2;

impl Running {
    /// A daemon that answers DNS on these addresses, by the runtime that this is called in.
    pub fn new(
        dns: Vec<SocketAddr>,
        forward: Forward,
        settings: &Settings,
        recent: Recent,
    ) -> Running {
        Running {
            runtime: Handle::current(),
            forward,
            asked: ArcSwap::from_pointee(Asked::of(settings)),
            witness: Witness::new(ambient::microseconds),
            dns,
            http: Mutex::default(),
            doors: Mutex::default(),
            recent,
        }
    }

    /// The settings were read again: they hold from now on.
    pub fn set_settings(&self, settings: &Settings) {
        self.forward.set_rules(rules(settings));
        self.asked.store(Asked::of(settings).into());
    }

    /// Somebody should know this of the doors.
    pub fn note_door(&self, sentence: String) {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).push(sentence);
    }

    pub fn doors(&self) -> Vec<String> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_http(&self, address: Option<SocketAddr>) {
        *self.http.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }

    pub fn http(&self) -> Option<SocketAddr> {
        *self.http.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn forward(&self) -> &Forward {
        &self.forward
    }

    /// What others say of a name. Not to be called on the thread that answers DNS.
    pub fn resolve(&self, wanted: Wanted) -> Answer<'static> {
        self.runtime.block_on(self.forward.resolve(wanted))
    }

    /// How somebody who is asked is called in the configuration.
    pub fn called(&self, address: SocketAddr) -> String {
        self.asked.load().called(address)
    }

    /// How names outside the pages are resolved, and what is wrong with that.
    pub fn forwarding(&self) -> Forwarding {
        let asked = self.asked.load();
        let servers = self.forward.upstreams();
        let clock = Clock::read();
        let (works, troubles) = asked.troubles(&servers, clock);
        Forwarding {
            from: asked.from.clone(),
            upstreams: servers.iter().map(|server| asked.report(server, clock)).collect(),
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
}

impl Asked {
    fn of(settings: &Settings) -> Asked {
        let address = |upstream: &Upstream| upstream.address;
        Asked {
            usual: settings.upstreams.usual().iter().map(address).collect(),
            all: settings.upstreams.all().into_iter().cloned().collect(),
            from: settings.upstreams_from.to_string(),
            nobody: settings.nobody.as_ref().map(ToString::to_string),
            left_out: settings.left_out.iter().map(ToString::to_string).collect(),
        }
    }

    fn called(&self, address: SocketAddr) -> String {
        let named = self.all.iter().find(|upstream| upstream.address == address);
        named.map_or_else(|| address.to_string(), ToString::to_string)
    }

    fn report(&self, server: &Server, clock: Clock) -> UpstreamReport {
        UpstreamReport {
            upstream: self.called(server.address),
            round_trip_seconds: server.round_trip.map(|time| time.as_secs_f64()),
            failures: server.failures,
            failing_since: (server.failures > 0).then(|| clock.date(server.failing_since)),
            last_error: server.failing.as_ref().map(ToString::to_string),
        }
    }

    /// Whether names outside the pages can be expected to resolve, and what is wrong.
    fn troubles(&self, servers: &[Server], clock: Clock) -> (bool, Vec<String>) {
        if let Some(nobody) = &self.nobody {
            return (false, vec![nobody.clone()]);
        }
        let usual = servers.iter().filter(|server| self.usual.contains(&server.address));
        let usual: Vec<&Server> = usual.collect();
        let failing = |server: &&Server| server.failures > 0 && is_trouble(server);
        if !usual.is_empty() && usual.iter().all(failing) {
            return (false, vec![self.all_fail(&usual, clock)]);
        }
        let told = servers.iter().filter(|server| server.failures >= FAILURES_TOLD);
        let told = told.filter(|server| is_trouble(server));
        (true, told.map(|server| self.one_fails(server, clock)).collect())
    }

    fn all_fail(&self, servers: &[&Server], clock: Clock) -> String {
        let names: Vec<String> = servers.iter().map(|server| self.called(server.address)).collect();
        let since = servers.iter().map(|server| server.failing_since).max().unwrap_or_default();
        let why: Vec<String> = servers
            .iter()
            .filter_map(|server| Some(server.failing.as_ref()?.to_string()))
            .collect();
        let same = why.iter().all(|one| *one == why[0]);
        let why = if same { why.first().cloned().unwrap_or_default() } else { why.join("; ") };
        let who = match &names[..] {
            [one] => format!("{one} does not answer"),
            several => format!("none of {} answers", several.join(", ")),
        };
        let is_refused =
            servers.iter().any(|server| matches!(server.failing, Some(Failing::Answered(_))));
        let hint = match is_refused {
            true => {
                "they may not serve this machine: name others, as `upstreams = [\"192.0.2.53\"]`"
            }
            false => "is the network there?",
        };
        format!(
            "names outside the pages do not resolve: {who} since {} ({why}): {hint} What was asked for \
             before is still answered, for three days",
            date(clock.date(since)),
        )
    }

    fn one_fails(&self, server: &Server, clock: Clock) -> String {
        let why = server.failing.as_ref().map(ToString::to_string).unwrap_or_default();
        format!(
            "{} does not answer since {} ({why}): others are asked first; if it is gone, take it out of {}",
            self.called(server.address),
            date(clock.date(server.failing_since)),
            self.from,
        )
    }
}

/// Whether the last failure is the upstream's own: SERVFAIL may be the name's, as when a zone is broken.
fn is_trouble(server: &Server) -> bool {
    match &server.failing {
        Some(Failing::Answered(rcode)) => *rcode != Rcode::SERVFAIL,
        Some(Failing::Silent(_)) => true,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dns::forward::pool::Pool;

    const CLOCK: Clock = Clock { now: 1_800_000_100, ticks: 100_000 };

    fn address(n: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, n], 53))
    }

    fn asked() -> Asked {
        let all: Vec<Upstream> = (1..=3).map(|n| Upstream::plain(address(n).ip())).collect();
        let usual = vec![address(1), address(2)];
        Asked { usual, all, from: "/etc/resolv.conf".to_owned(), ..Asked::default() }
    }

    #[track_caller]
    fn check(asked: &Asked, done: impl FnOnce(&mut Pool), works: bool, expect: &[&str]) {
        let mut pool = Pool::new((1..=3).map(address));
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

    #[test]
    fn what_is_wrong_with_forwarding_is_said_so_that_one_can_act() {
        let silent = Failing::Silent("it did not answer in time".to_owned());
        let refused = Failing::Answered(Rcode::REFUSED);
        let broken = Failing::Answered(Rcode::SERVFAIL);
        let fail = |pool: &mut Pool, n: u8, times: u64, why: &Failing| {
            (0..times).for_each(|time| pool.failed(address(n), 40_000 + time, why));
        };
        check(&asked(), |_| (), true, &[]);
        check(&asked(), |pool| fail(pool, 1, 1, &silent), true, &[]);
        let one = [
            "192.0.2.1 does not answer since 2027-01-15T08:00:40Z",
            "take it out of /etc/resolv.conf",
        ];
        check(&asked(), |pool| fail(pool, 1, 2, &silent), true, &one);
        let all = [
            "none of 192.0.2.1, 192.0.2.2 answers since 2027-01-15T08:00:40Z (it did not answer in time)",
            "is the network there?",
        ];
        check(&asked(), |pool| [1, 2].iter().for_each(|n| fail(pool, *n, 1, &silent)), false, &all);
        let refuse = |pool: &mut Pool| [1, 2].iter().for_each(|n| fail(pool, *n, 1, &refused));
        check(&asked(), refuse, false, &["it answered REFUSED", "name others"]);
        // A broken zone is not the network, and one that only a rule names is not everybody.
        check(&asked(), |pool| [1, 2].iter().for_each(|n| fail(pool, *n, 4, &broken)), true, &[]);
        check(&asked(), |pool| fail(pool, 3, 2, &silent), true, &["192.0.2.3 does not answer"]);
        let back = |pool: &mut Pool| {
            [1, 2].iter().for_each(|n| fail(pool, *n, 4, &silent));
            pool.answered(address(2), Duration::from_millis(1));
        };
        check(&asked(), back, true, &["192.0.2.1 does not answer"]);
        let nobody = Asked { nobody: Some("nobody to ask".to_owned()), ..Asked::default() };
        check(&nobody, |_| (), false, &["nobody to ask"]);
    }
}
