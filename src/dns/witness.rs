//! Sees every answer: counts it, and while the query log is on writes a line of it.
//!
//! The log says who asked for what: it is off unless somebody asks for it, and then costs one look at
//! a flag. Names in it are written with every octet that is not plain ASCII as `\DDD` (RFC 1035 section
//! 5.1), so that no name begins a line of its own or steers a terminal. What is answered is decided
//! elsewhere.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    Answer, Client, Counters, Query,
    counters::{Answered, Counted, Tally},
};

/// The target of the query log's lines, for whoever filters them.
pub const QUERY_LOG: &str = "djdns::query";

/// What sees every answer. Cloning one costs nothing.
#[derive(Clone, Debug)]
pub struct Witness {
    /// Microseconds, of a clock that only goes forward.
    clock: fn() -> u64,
    counters: Arc<Counters>,
    is_logging: Arc<AtomicBool>,
}

impl Witness {
    /// One that has seen nothing yet, and logs nothing.
    pub fn new(clock: fn() -> u64) -> Witness {
        Witness { clock, counters: Arc::default(), is_logging: Arc::default() }
    }

    /// What was seen.
    pub fn counted(&self) -> Counted {
        self.counters.read()
    }

    /// Whether every question is logged from now on.
    pub fn set_logging(&self, on: bool) {
        self.is_logging.store(on, Ordering::Relaxed);
    }

    /// Whether every question is logged.
    pub fn is_logging(&self) -> bool {
        self.is_logging.load(Ordering::Relaxed)
    }

    /// The moment at which a question came.
    pub(super) fn arrival(&self) -> u64 {
        (self.clock)()
    }

    /// A message got no answer, since it is no question.
    pub(super) fn silent(&self) {
        self.counters.silent();
    }

    /// A question found no room to wait for an answer from elsewhere.
    pub(super) fn overloaded(&self) {
        self.counters.overloaded();
    }

    /// A question that came at `arrival` is answered with these bytes.
    pub(super) fn answered(
        &self,
        query: &Query<'_>,
        answer: &Answer<'_>,
        client: Client,
        response: &[u8],
        arrival: u64,
    ) {
        let took = Duration::from_micros((self.clock)().saturating_sub(arrival));
        let (transport, rcode, source) = (client.transport, answer.rcode, answer.source);
        let truncated = response.get(2).is_some_and(|flags| flags & TC != 0);
        self.counters.answered(Answered { transport, rcode, source, truncated, took });
        if self.is_logging() {
            log(query, answer, client, took);
        }
    }

    /// So many questions that came together, at `arrival`, are answered over UDP.
    pub(super) fn answered_together(&self, tally: Tally, arrival: u64) {
        let took = Duration::from_micros((self.clock)().saturating_sub(arrival));
        self.counters.answered_together(tally, took);
    }
}

/// TC, in the third octet of a message (RFC 1035 section 4.1.1).
const TC: u8 = 0x02;

fn log(query: &Query<'_>, answer: &Answer<'_>, client: Client, took: Duration) {
    let transport = client.transport.word();
    let (name, qtype) = match &query.question {
        Some(question) => (question.path.to_name().to_string(), question.qtype.to_string()),
        None => ("-".to_owned(), "-".to_owned()),
    };
    let milliseconds = took.as_secs_f64() * 1000.0;
    tracing::info!(
        target: QUERY_LOG,
        "{} {transport} {name} {qtype} {} {} {milliseconds:.1} ms",
        client.address.to_canonical(),
        answer.rcode,
        answer.source.word(),
    );
}
