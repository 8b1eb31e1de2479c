//! Which upstream to ask first: the one that answered fastest lately, and those that failed last.
//!
//! Pure bookkeeping; who is asked, and how, is the driver's.

use std::{net::SocketAddr, time::Duration};

use crate::{
    dns::{Rcode, Upstream},
    limits::*,
};

/// An upstream, and how it has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Shown as it is written in a configuration.
    pub upstream: Upstream,
    pub address: SocketAddr,
    /// Smoothed, as TCP does (RFC 6298): an eighth of each new one. `None` before the first answer.
    pub round_trip: Option<Duration>,
    /// Failures since the last answer.
    pub failures: u32,
    /// When the first of them was, in milliseconds.
    pub failing_since: u64,
    /// What the last failure was, whether it answered since or not: a clause about "it".
    pub last_error: Option<String>,
    /// The code, if the last failure was an answer of no use: it is there, and the name, or that it
    /// does not serve this machine, is the trouble.
    pub refusal: Option<Rcode>,
    /// Whether what it is asked comes back to djdns. It is not asked any more.
    pub looped: bool,
    /// When it failed last, in milliseconds.
    failed_at: u64,
    /// Answers of others since it was asked first, or how long it takes was seen.
    unmeasured: u32,
    /// It is asked first to find out how long it takes now: what was known is old.
    is_tried: bool,
}

/// All upstreams, in the order of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    servers: Vec<Server>,
}

impl Pool {
    /// Upstreams of which nothing is known yet. They are meant by their places here.
    pub fn new(upstreams: impl IntoIterator<Item = Upstream>) -> Pool {
        let server = |upstream: Upstream| Server {
            address: upstream.address,
            upstream,
            round_trip: None,
            failures: 0,
            failing_since: 0,
            last_error: None,
            refusal: None,
            looped: false,
            failed_at: 0,
            unmeasured: 0,
            is_tried: false,
        };
        Pool { servers: upstreams.into_iter().map(server).collect() }
    }

    /// The upstreams as they are.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The order in which to ask those of `candidates`. One that failed comes behind those that did
    /// not, until it has rested: longer after each failure. One whose time was not measured for
    /// [`FORWARD_UNMEASURED_MAX`] answers of others comes first for once: it may be the fastest by now.
    pub fn order(&mut self, candidates: &[Upstream], now: u64) -> Vec<usize> {
        let may = |server: &Server| !server.looped && candidates.contains(&server.upstream);
        let mut order: Vec<(bool, Duration, usize)> = self
            .servers
            .iter()
            .enumerate()
            .filter(|(_, server)| may(server))
            .map(|(n, server)| (server.rests(now), server.round_trip.unwrap_or_default(), n))
            .collect();
        order.sort();
        let mut order: Vec<usize> = order.into_iter().map(|(_, _, n)| n).collect();
        let is_due = |n: &&usize| {
            let server = &self.servers[**n];
            server.unmeasured >= FORWARD_UNMEASURED_MAX && !server.rests(now)
        };
        if let Some(due) = order.iter().find(is_due).copied() {
            order.retain(|n| *n != due);
            order.insert(0, due);
            (self.servers[due].unmeasured, self.servers[due].is_tried) = (0, true);
        }
        order
    }

    /// How long to wait for the first before the second is asked as well: twice the usual time of the
    /// fastest of them, as far as they are known.
    pub fn hedge_after(&self, order: &[usize]) -> Duration {
        let usual = |n: &usize| self.servers.get(*n).filter(|one| one.failures == 0)?.round_trip;
        order
            .iter()
            .filter_map(usual)
            .min()
            .map_or(FORWARD_HEDGE_MAX, |usual| usual * 2)
            .clamp(FORWARD_HEDGE_MIN, FORWARD_HEDGE_MAX)
    }

    /// One answered, after so long. True if it had been told of that it did not. An answer that comes
    /// later than [`FORWARD_ATTEMPT`] ends no failure: that it is late was one.
    pub fn answered(&mut self, n: usize, took: Duration) -> bool {
        for other in &mut self.servers {
            other.unmeasured = other.unmeasured.saturating_add(1);
        }
        let Some(server) = self.servers.get_mut(n) else { return false };
        let smoothed = match server.round_trip {
            Some(usual) if !server.is_tried => (usual * 7 + took) / 8,
            _ => took,
        };
        server.round_trip = Some(smoothed);
        server.measured();
        if took >= FORWARD_ATTEMPT {
            return false;
        }
        let was_told = server.failures >= FORWARD_FAILURES_TOLD && server.refusal.is_none();
        server.failures = 0;
        server.refusal = None;
        was_told
    }

    /// One had not answered after so long, when another did: it takes at least that.
    pub fn outrun(&mut self, n: usize, after: Duration) {
        if let Some(server) = self.servers.get_mut(n) {
            let longer = |usual: Duration| usual.max((usual * 7 + after) / 8);
            server.round_trip = Some(server.round_trip.map_or(after, longer));
            server.measured();
        }
    }

    /// One did not answer, or not usefully, and why. True if it is time to tell of that.
    pub fn failed(&mut self, n: usize, why: String, now: u64) -> bool {
        let Some(server) = self.servers.get_mut(n) else { return false };
        if server.failures == 0 {
            server.failing_since = now;
        }
        server.refusal = None;
        server.measured();
        server.failures = server.failures.saturating_add(1);
        server.last_error = Some(why);
        server.failed_at = now;
        server.failures == FORWARD_FAILURES_TOLD
    }

    /// The last failure of one was an answer with this code.
    pub fn refused(&mut self, n: usize, rcode: Rcode) {
        if let Some(server) = self.servers.get_mut(n) {
            server.refusal = Some(rcode);
        }
    }

    /// What one is asked comes back here. Says whom, if that is news.
    pub fn loops(&mut self, n: usize) -> Option<&Upstream> {
        let server = self.servers.get_mut(n).filter(|server| !server.looped)?;
        server.looped = true;
        Some(&server.upstream)
    }
}

impl Server {
    /// What is wrong with it now: a clause about "it". `None` when it answered last, or was not asked.
    pub fn trouble(&self) -> Option<&str> {
        match self.looped {
            true => Some("it asks djdns itself"),
            false => self.last_error.as_deref().filter(|_| self.failures > 0),
        }
    }

    fn measured(&mut self) {
        (self.unmeasured, self.is_tried) = (0, false);
    }

    fn rests(&self, now: u64) -> bool {
        let rest = FORWARD_REST.as_millis() as u64 * u64::from(self.failures.min(FAILURES_COUNTED));
        self.failures > 0 && now < self.failed_at.saturating_add(rest)
    }
}

/// Failures in a row that lengthen a rest (choice).
const FAILURES_COUNTED: u32 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(count: u8) -> Pool {
        Pool::new((1..=count).map(|n| Upstream::plain([127, 0, 0, n].into())))
    }

    fn order(pool: &mut Pool, now: u64) -> Vec<usize> {
        let all: Vec<Upstream> = pool.servers().iter().map(|one| one.upstream.clone()).collect();
        pool.order(&all, now)
    }

    #[test]
    fn the_fastest_is_asked_first_and_one_that_failed_last() {
        let mut pool = pool(3);
        assert_eq!(order(&mut pool, 0), [0, 1, 2]);
        for (n, took) in [(0, 30), (1, 10), (2, 20)] {
            pool.answered(n, Duration::from_millis(took));
        }
        let rest = FORWARD_REST.as_millis() as u64;
        assert_eq!(order(&mut pool, 0), [1, 2, 0]);
        pool.failed(1, String::new(), 1000);
        assert_eq!(order(&mut pool, 1000), [2, 0, 1]);
        assert_eq!(order(&mut pool, 1000 + rest), [1, 2, 0]);
        pool.failed(1, String::new(), 1000);
        assert_eq!(order(&mut pool, 1000 + rest), [2, 0, 1]);
        pool.answered(1, Duration::from_millis(10));
        assert_eq!(order(&mut pool, 1000), [1, 2, 0]);
        pool.outrun(1, Duration::from_millis(400));
        assert_eq!(order(&mut pool, 1000), [2, 0, 1]);
    }

    #[test]
    fn one_that_was_slow_once_is_asked_first_now_and_then_until_it_is_the_fastest_again() {
        let mut pool = pool(2);
        pool.answered(0, Duration::from_millis(10));
        pool.outrun(1, Duration::from_millis(400));
        let firsts = |pool: &mut Pool| {
            let ask = |_| {
                let first = order(pool, 0)[0];
                let slow = first == 1;
                pool.answered(0, Duration::from_millis(10));
                if slow {
                    pool.outrun(1, Duration::from_millis(50));
                }
                usize::from(slow)
            };
            (0..10 * FORWARD_UNMEASURED_MAX).map(ask).sum::<usize>()
        };
        assert!((9..=10).contains(&firsts(&mut pool)));
        assert_eq!(pool.servers()[1].round_trip, Some(Duration::from_millis(400)));
        while order(&mut pool, 0)[0] == 0 {
            pool.answered(0, Duration::from_millis(10));
        }
        pool.answered(1, Duration::from_millis(5));
        assert_eq!(order(&mut pool, 0), [1, 0]);
        // One that rests is not tried.
        for _ in 0..FORWARD_UNMEASURED_MAX {
            pool.answered(1, Duration::from_millis(5));
        }
        pool.failed(0, String::new(), 0);
        for _ in 0..FORWARD_UNMEASURED_MAX {
            pool.answered(1, Duration::from_millis(5));
        }
        assert_eq!(order(&mut pool, 0), [1, 0]);
    }

    #[test]
    fn one_address_in_two_ways_is_two_upstreams_and_one_that_loops_is_none() {
        let upstream = |text: &str| text.parse::<Upstream>().unwrap();
        let (plain, tls) = (upstream("192.0.2.1:853"), upstream("tls://192.0.2.1#dns.example"));
        let mut pool = Pool::new([plain.clone(), tls.clone()]);
        assert_eq!(pool.order(std::slice::from_ref(&tls), 0), [1]);
        pool.failed(1, "it is silent".to_owned(), 0);
        assert_eq!((pool.servers()[0].failures, pool.servers()[1].failures), (0, 1));
        assert_eq!(pool.loops(0), Some(&plain));
        assert_eq!(pool.loops(0), None);
        let troubles: Vec<_> = pool.servers().iter().map(Server::trouble).collect();
        assert_eq!(troubles, [Some("it asks djdns itself"), Some("it is silent")]);
        assert_eq!(pool.order(&[plain, tls], 0), [1]);
    }

    #[test]
    fn failures_are_told_with_when_they_began_until_one_answers() {
        let mut pool = pool(1);
        pool.failed(0, "it is silent".to_owned(), 1000);
        pool.failed(0, "it answered REFUSED".to_owned(), 3000);
        pool.refused(0, Rcode::REFUSED);
        let server = pool.servers()[0].clone();
        assert_eq!((server.failures, server.failing_since), (2, 1000));
        assert_eq!(server.refusal, Some(Rcode::REFUSED));
        pool.answered(0, Duration::from_millis(1));
        assert_eq!(pool.servers()[0].refusal, None);
        pool.failed(0, "it is silent".to_owned(), 5000);
        assert_eq!((pool.servers()[0].failing_since, pool.servers()[0].refusal), (5000, None));
    }

    #[test]
    fn people_are_told_once_of_who_does_not_answer_and_when_it_answers_again() {
        let mut pool = pool(1);
        let silent = || "it is silent".to_owned();
        let took = Duration::from_millis(1);
        assert!(!pool.failed(0, silent(), 0));
        assert!(!pool.answered(0, took), "nobody was told");
        let told = [0, 1, 2].map(|now| pool.failed(0, silent(), now));
        assert_eq!(told, [false, true, false]);
        assert_eq!([pool.answered(0, took), pool.answered(0, took)], [true, false]);
        // One that is late is as good as none.
        pool.failed(0, silent(), 0);
        assert!(!pool.answered(0, FORWARD_ATTEMPT));
        assert_eq!(pool.servers()[0].trouble(), Some("it is silent"));
        // An answer of no use is no silence.
        pool.failed(0, silent(), 0);
        pool.failed(0, silent(), 0);
        pool.refused(0, Rcode::REFUSED);
        assert!(!pool.answered(0, took));
    }

    #[test]
    fn a_second_is_asked_after_twice_the_usual_time_of_the_fastest() {
        let mut pool = pool(2);
        assert_eq!(pool.hedge_after(&[0]), FORWARD_HEDGE_MAX);
        pool.answered(0, Duration::from_millis(80));
        assert_eq!(pool.hedge_after(&[0]), Duration::from_millis(160));
        pool.answered(1, Duration::from_millis(300));
        assert_eq!(pool.hedge_after(&[1, 0]), Duration::from_millis(160));
        for _ in 0..40 {
            pool.answered(0, Duration::from_millis(1));
        }
        assert_eq!(pool.hedge_after(&[0]), FORWARD_HEDGE_MIN);
    }
}
