//! What the doors of the DNS face have done since the start, in numbers.
//!
//! Counted on the way of an answer: relaxed atomics, no lock, no allocation. No name and no address of
//! a client is ever counted by, so that the numbers tell nobody who looked at what. Who reads them is
//! not known here.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::{Rcode, Source, Transport};

/// What was done since the start.
#[derive(Debug, Default)]
pub struct Counters {
    transports: [AtomicU64; Transport::ALL.len()],
    rcodes: [AtomicU64; RCODES.len() + 1],
    sources: [AtomicU64; Source::ALL.len()],
    truncated: AtomicU64,
    silent: AtomicU64,
    overloaded: AtomicU64,
    here: Spread,
    cache: Spread,
    upstream: Spread,
}

/// Response codes that are counted each; all others are counted together (choice: those that are sent).
const RCODES: [Rcode; 9] = [
    Rcode::NOERROR,
    Rcode::FORMERR,
    Rcode::SERVFAIL,
    Rcode::NXDOMAIN,
    Rcode::NOTIMP,
    Rcode::REFUSED,
    Rcode::YXDOMAIN,
    Rcode::BADVERS,
    Rcode::BADCOOKIE,
];

/// What one answer was like.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    pub transport: Transport,
    pub rcode: Rcode,
    pub source: Source,
    /// TC is set.
    pub truncated: bool,
    /// From the arrival of the query to its answer being written.
    pub took: Duration,
}

/// Answers over UDP that were given together, none of them truncated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally([[u64; Source::ALL.len()]; 2]);

impl Tally {
    /// Counts one, NOERROR or NXDOMAIN.
    pub fn add(&mut self, rcode: Rcode, source: Source) {
        self.0[usize::from(rcode == Rcode::NXDOMAIN)][source as usize] += 1;
    }

    /// How many came from there.
    pub fn from(&self, source: Source) -> u64 {
        self.0.iter().map(|counts| counts[source as usize]).sum()
    }
}

/// The numbers at one moment. Of two pictures the later has no smaller number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    /// By [`Transport::word`].
    pub transports: Vec<(&'static str, u64)>,
    /// By response code; `other` are those that none is named for.
    pub rcodes: Vec<(String, u64)>,
    pub sources: Vec<(&'static str, u64)>,
    pub truncated: u64,
    /// Messages that were no question, and got no answer.
    pub silent: u64,
    /// Questions that found no room, and were answered with that.
    pub overloaded: u64,
    /// How long answers took that come from this machine's own, from the cache, and those for which an
    /// upstream is asked.
    pub here: Times,
    pub cache: Times,
    pub upstream: Times,
}

/// How long answers took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Times {
    /// How many took at most each of [`BOUNDS`] and more than the one before; the last: more.
    pub buckets: Vec<u64>,
    /// All together.
    pub sum: Duration,
}

/// Upper bounds of what is counted together, ascending (choice: from what an answer out of memory takes
/// to what a person waits for).
pub const BOUNDS: [Duration; 15] = [
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(4),
];

/// A histogram that is being counted.
#[derive(Debug, Default)]
struct Spread {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl Counters {
    /// Counts an answer.
    pub fn answered(&self, answered: Answered) {
        let Answered { transport, rcode, source, truncated, took } = answered;
        add(&self.truncated, truncated.into());
        self.count(transport, rcode, source, took, 1);
    }

    /// Counts answers that were given together, each of which took at most so long.
    pub fn answered_together(&self, tally: Tally, took: Duration) {
        for (rcode, counts) in [Rcode::NOERROR, Rcode::NXDOMAIN].into_iter().zip(tally.0) {
            for (source, count) in Source::ALL.into_iter().zip(counts).filter(|(_, n)| *n > 0) {
                self.count(Transport::Udp, rcode, source, took, count);
            }
        }
    }

    fn count(
        &self,
        transport: Transport,
        rcode: Rcode,
        source: Source,
        took: Duration,
        count: u64,
    ) {
        add(&self.transports[transport as usize], count);
        let rcode = RCODES.iter().position(|one| *one == rcode).unwrap_or(RCODES.len());
        add(&self.rcodes[rcode], count);
        add(&self.sources[source as usize], count);
        match source {
            Source::Cache => &self.cache,
            Source::Forwarded | Source::Stale | Source::Failed => &self.upstream,
            _ => &self.here,
        }
        .add(took, count);
    }

    /// Counts a message that got no answer, since it is no question.
    pub fn silent(&self) {
        add(&self.silent, 1);
    }

    /// Counts a question that found no room, beside its answer that says so.
    pub fn overloaded(&self) {
        add(&self.overloaded, 1);
    }

    /// The numbers as they are now.
    pub fn read(&self) -> Counted {
        let words = Source::ALL.map(Source::word).into_iter();
        let transports = Transport::ALL.map(Transport::word).into_iter();
        let rcodes = RCODES.iter().map(ToString::to_string).chain(["other".to_owned()]);
        Counted {
            transports: transports.zip(self.transports.iter().map(get)).collect(),
            rcodes: rcodes.zip(self.rcodes.iter().map(get)).collect(),
            sources: words.zip(self.sources.iter().map(get)).collect(),
            truncated: get(&self.truncated),
            silent: get(&self.silent),
            overloaded: get(&self.overloaded),
            here: self.here.read(),
            cache: self.cache.read(),
            upstream: self.upstream.read(),
        }
    }
}

impl Spread {
    fn add(&self, took: Duration, count: u64) {
        let bucket = BOUNDS.iter().position(|bound| took <= *bound).unwrap_or(BOUNDS.len());
        add(&self.buckets[bucket], count);
        add(&self.microseconds, (took.as_micros() as u64).saturating_mul(count));
    }

    fn read(&self) -> Times {
        let sum = Duration::from_micros(get(&self.microseconds));
        Times { buckets: self.buckets.iter().map(get).collect(), sum }
    }
}

fn add(number: &AtomicU64, more: u64) {
    number.fetch_add(more, Ordering::Relaxed);
}

fn get(number: &AtomicU64) -> u64 {
    number.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted<K: PartialEq>(list: &[(K, u64)], what: &K) -> u64 {
        list.iter().find(|(key, _)| key == what).map_or(0, |(_, count)| *count)
    }

    #[test]
    fn every_answer_is_counted_once_by_each() {
        let counters = Counters::default();
        let answer = |transport, rcode, source, took| {
            let took = Duration::from_micros(took);
            counters.answered(Answered { transport, rcode, source, truncated: false, took });
        };
        answer(Transport::Udp, Rcode::NOERROR, Source::Page, 50);
        answer(Transport::Stream, Rcode::NXDOMAIN, Source::Cache, 51);
        answer(Transport::Udp, Rcode(11), Source::Failed, 5_000_000);
        answer(Transport::Quic, Rcode::NOERROR, Source::Special, 1);
        counters.silent();
        let read = counters.read();
        assert_eq!(read.transports[..2], [("udp", 2), ("tcp", 1)]);
        let others = [("dot", 0), ("doh", 0), ("doq", 1)];
        assert_eq!(read.transports[2..], others);
        assert_eq!(counted(&read.rcodes, &"NXDOMAIN".to_owned()), 1);
        assert_eq!(counted(&read.rcodes, &"other".to_owned()), 1);
        assert_eq!(counted(&read.sources, &"page"), 1);
        assert_eq!((read.silent, read.overloaded, read.truncated), (1, 0, 0));
        assert_eq!((read.here.buckets[0], read.here.buckets[1]), (2, 0));
        assert_eq!((read.cache.buckets[1], read.upstream.buckets[BOUNDS.len()]), (1, 1));
        assert_eq!(read.upstream.sum, Duration::from_secs(5));
        for list in [&read.here, &read.cache, &read.upstream] {
            assert_eq!(list.buckets.len(), BOUNDS.len() + 1);
        }
    }

    #[test]
    fn bounds_ascend() {
        assert!(BOUNDS.is_sorted_by(|one, next| one < next));
    }
}
