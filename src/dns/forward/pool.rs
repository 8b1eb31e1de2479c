//! Which upstream to ask first: the one that answered fastest lately, and those that failed last.
//!
//! Pure bookkeeping; who is asked, and how, is the driver's.

use std::{fmt, net::SocketAddr, time::Duration};

use crate::{dns::Rcode, limits::*};

/// An upstream, and how it has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub address: SocketAddr,
    /// Smoothed, as TCP does (RFC 6298): an eighth of each new one. `None` before the first answer.
    pub round_trip: Option<Duration>,
    /// Failures since the last answer.
    pub failures: u32,
    /// When the first and the last of them were, in milliseconds.
    pub failing_since: u64,
    failed_at: u64,
    /// Why the last one was.
    pub failing: Option<Failing>,
}

/// Why an upstream was of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failing {
    /// It answered, but with this code: it is there, and the name or this machine is the trouble.
    Answered(Rcode),
    /// It did not answer, or not the question: why.
    Silent(String),
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failing::Answered(rcode) => write!(f, "it answered {rcode}"),
            Failing::Silent(why) => f.write_str(why),
        }
    }
}

/// All upstreams, in the order of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    servers: Vec<Server>,
}

impl Pool {
    /// Upstreams of which nothing is known yet.
    pub fn new(addresses: impl IntoIterator<Item = SocketAddr>) -> Pool {
        let server = |address| Server {
            address,
            round_trip: None,
            failures: 0,
            failing_since: 0,
            failed_at: 0,
            failing: None,
        };
        Pool { servers: addresses.into_iter().map(server).collect() }
    }

    /// The upstreams as they are.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The order in which to ask. One that failed comes behind those that did not, until it has
    /// rested: longer after each failure.
    pub fn order(&self, now: u64) -> Vec<SocketAddr> {
        let mut order: Vec<(bool, Duration, usize)> = self
            .servers
            .iter()
            .enumerate()
            .map(|(n, server)| (server.rests(now), server.round_trip.unwrap_or_default(), n))
            .collect();
        order.sort();
        order.into_iter().map(|(_, _, n)| self.servers[n].address).collect()
    }

    /// How long to wait for the first before the second is asked as well: twice its usual time.
    pub fn hedge_after(&self, first: SocketAddr) -> Duration {
        let usual = self.server(first).and_then(|server| server.round_trip);
        usual
            .map_or(FORWARD_HEDGE_MAX, |usual| usual * 2)
            .clamp(FORWARD_HEDGE_MIN, FORWARD_HEDGE_MAX)
    }

    /// One answered, after so long.
    pub fn answered(&mut self, address: SocketAddr, took: Duration) {
        for server in self.servers.iter_mut().filter(|server| server.address == address) {
            let smoothed = server.round_trip.map_or(took, |usual| (usual * 7 + took) / 8);
            (server.round_trip, server.failures) = (Some(smoothed), 0);
            server.failing = None;
        }
    }

    /// One had not answered after so long, when another did: it takes at least that.
    pub fn outrun(&mut self, address: SocketAddr, after: Duration) {
        for server in self.servers.iter_mut().filter(|server| server.address == address) {
            let longer = |usual: Duration| usual.max((usual * 7 + after) / 8);
            server.round_trip = Some(server.round_trip.map_or(after, longer));
        }
    }

    /// One did not answer, or not usefully.
    pub fn failed(&mut self, address: SocketAddr, now: u64, why: &Failing) {
        for server in self.servers.iter_mut().filter(|server| server.address == address) {
            if server.failures == 0 {
                server.failing_since = now;
            }
            server.failures = server.failures.saturating_add(1);
            server.failed_at = now;
            server.failing = Some(why.clone());
        }
    }

    fn server(&self, address: SocketAddr) -> Option<&Server> {
        self.servers.iter().find(|server| server.address == address)
    }
}

impl Server {
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

    fn address(n: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, n], 53))
    }

    fn silent() -> Failing {
        Failing::Silent("silence".to_owned())
    }

    fn order(pool: &Pool, now: u64) -> Vec<u8> {
        let last = |address: &SocketAddr| match address {
            SocketAddr::V4(address) => address.ip().octets()[3],
            SocketAddr::V6(_) => 0,
        };
        pool.order(now).iter().map(last).collect()
    }

    #[test]
    fn the_fastest_is_asked_first_and_one_that_failed_last() {
        let mut pool = Pool::new((1..=3).map(address));
        assert_eq!(order(&pool, 0), [1, 2, 3]);
        for (n, took) in [(1, 30), (2, 10), (3, 20)] {
            pool.answered(address(n), Duration::from_millis(took));
        }
        assert_eq!(order(&pool, 0), [2, 3, 1]);
        pool.failed(address(2), 1000, &silent());
        assert_eq!(order(&pool, 1000), [3, 1, 2]);
        assert_eq!(order(&pool, 1000 + FORWARD_REST.as_millis() as u64), [2, 3, 1]);
        pool.failed(address(2), 1000, &silent());
        assert_eq!(order(&pool, 1000 + FORWARD_REST.as_millis() as u64), [3, 1, 2]);
        pool.answered(address(2), Duration::from_millis(10));
        assert_eq!(order(&pool, 1000), [2, 3, 1]);
        pool.outrun(address(2), Duration::from_millis(400));
        assert_eq!(order(&pool, 1000), [3, 1, 2]);
    }

    #[test]
    fn failures_are_told_with_when_they_began_until_one_answers() {
        let mut pool = Pool::new([address(1)]);
        pool.failed(address(1), 1000, &silent());
        pool.failed(address(1), 3000, &Failing::Answered(Rcode::REFUSED));
        let server = &pool.servers()[0];
        assert_eq!((server.failures, server.failing_since), (2, 1000));
        assert_eq!(server.failing.as_ref().unwrap().to_string(), "it answered REFUSED");
        pool.answered(address(1), Duration::from_millis(1));
        assert_eq!(pool.servers()[0].failing, None);
        pool.failed(address(1), 5000, &silent());
        assert_eq!(pool.servers()[0].failing_since, 5000);
    }

    #[test]
    fn a_second_is_asked_after_twice_the_usual_time() {
        let mut pool = Pool::new([address(1)]);
        assert_eq!(pool.hedge_after(address(1)), FORWARD_HEDGE_MAX);
        pool.answered(address(1), Duration::from_millis(80));
        assert_eq!(pool.hedge_after(address(1)), Duration::from_millis(160));
        (0..40).for_each(|_| pool.answered(address(1), Duration::from_millis(1)));
        assert_eq!(pool.hedge_after(address(1)), FORWARD_HEDGE_MIN);
    }
}
