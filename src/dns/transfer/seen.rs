//! What came of requests for pages: counted, said in the log, and told to whoever wants to know.
//!
//! A transfer is said when its last message was made, or when it is let go of before. What is answered is
//! decided elsewhere.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    busy::Place,
    refusal::{Refusal, Said},
};
use crate::{
    dns::{Transport, options::Client},
    page::name::Name,
};

/// Is told of every request for a page that is here (the serial that the page has), and of every one that
/// is refused over a connection (which of the reasons, and why, in a sentence): of a datagram nobody knows who
/// sent it. It is called where DNS is answered.
pub type Listener = Box<dyn Fn(IpAddr, &Name, Result<u32, (usize, String)>) + Send + Sync>;

/// What came of requests.
#[derive(Default)]
pub struct Seen {
    ends: [AtomicU64; End::WORDS.len()],
    refusals: [AtomicU64; Refusal::WORDS.len()],
    bytes: AtomicU64,
    said: Mutex<Said>,
    listener: OnceLock<Listener>,
}

/// How a request ended that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The whole page, as it was asked for.
    Whole,
    /// What changed.
    Changes,
    /// The whole page, where what changed was asked for.
    WholeForChanges,
    /// The newest serial alone.
    Serial,
    /// Whoever asked went away, or stopped reading.
    BrokenOff,
}

impl End {
    /// How each is counted, in their order.
    pub const WORDS: [&str; 5] = ["axfr", "ixfr", "ixfr-whole", "soa", "broken-off"];

    fn said(self) -> &'static str {
        match self {
            End::Whole => "AXFR",
            End::Changes => "IXFR",
            End::WholeForChanges => "IXFR, the whole page",
            End::Serial => "SOA",
            End::BrokenOff => "broken off",
        }
    }
}

/// Numbers since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// By the words of [`End`].
    pub ends: Vec<(&'static str, u64)>,
    /// By the words of [`Refusal`].
    pub refusals: Vec<(&'static str, u64)>,
    /// Of messages of transfers.
    pub bytes: u64,
}

impl Seen {
    /// Tells this from now on; false where somebody is told already.
    pub fn tell(&self, listener: Listener) -> bool {
        self.listener.set(listener).is_ok()
    }

    /// Somebody who may have this page asked for it, or for its newest seal.
    pub(super) fn asked(&self, from: IpAddr, page: &Name, serial: u32) {
        self.listener.get().inspect(|listener| listener(from.to_canonical(), page, Ok(serial)));
    }

    /// They were told of its newest serial alone: they asked for nothing else, or have it.
    pub(super) fn told_serial(&self, from: IpAddr, page: &Name, serial: u32) {
        add(&self.ends[End::Serial as usize], 1);
        tracing::debug!("{} was told that {page} is at height {serial}", from.to_canonical());
    }

    /// Somebody is refused this page.
    pub(super) fn refused(&self, client: Client, page: &Name, refusal: &Refusal, now: u64) {
        add(&self.refusals[refusal.index()], 1);
        let from = client.address.to_canonical();
        let is_due = {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            said.is_due(from, refusal, now)
        };
        let listener = self.listener.get().filter(|_| client.transport != Transport::Udp);
        if !is_due && listener.is_none() {
            return;
        }
        let sentence = format!("{from} may not mirror {page}: {refusal}");
        if is_due {
            tracing::warn!("{sentence}");
        }
        if let Some(listener) = listener {
            listener(from, page, Err((refusal.index(), sentence)));
        }
    }

    pub fn counted(&self) -> Counted {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Counted {
            ends: End::WORDS.into_iter().zip(self.ends.iter().map(get)).collect(),
            refusals: Refusal::WORDS.into_iter().zip(self.refusals.iter().map(get)).collect(),
            bytes: get(&self.bytes),
        }
    }
}

/// One transfer on its way, and its place among those that there may be at a time.
pub struct Course {
    seen: Arc<Seen>,
    to: IpAddr,
    /// What is sent, as people are told of it.
    what: Option<(Name, u32, End)>,
    records: u64,
    bytes: u64,
    _place: Place,
}

impl Course {
    /// One of which nothing was sent yet.
    pub(super) fn new(seen: Arc<Seen>, to: IpAddr, place: Place) -> Course {
        Course { seen, to: to.to_canonical(), what: None, records: 0, bytes: 0, _place: place }
    }

    /// This page begins to be sent.
    pub(super) fn begin(&mut self, page: &Name, serial: u32, end: End) {
        self.what = Some((page.clone(), serial, end));
    }

    /// A message was made.
    pub(super) fn sent(&mut self, records: u16, bytes: usize) {
        self.records += u64::from(records);
        self.bytes += bytes as u64;
        add(&self.seen.bytes, bytes as u64);
    }

    /// There are no more.
    pub(super) fn end(&mut self) {
        let Some((page, serial, end)) = self.what.take() else { return };
        add(&self.seen.ends[end as usize], 1);
        let (to, records, bytes) = (self.to, self.records, size(self.bytes));
        tracing::info!(
            "{page} at height {serial} to {to} ({}, {records} records, {bytes})",
            end.said()
        );
    }
}

impl Drop for Course {
    fn drop(&mut self) {
        let Some((page, serial, end)) = self.what.take().filter(|_| self.records > 0) else {
            return;
        };
        add(&self.seen.ends[End::BrokenOff as usize], 1);
        let (to, records) = (self.to, self.records);
        tracing::info!(
            "{page} at height {serial} to {to} ({}) was broken off after {records} records: the other side \
             went away, or stopped reading",
            end.said()
        );
    }
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} bytes"),
        1000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

fn add(number: &AtomicU64, more: u64) {
    number.fetch_add(more, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_a_unit_that_fits() {
        let check = |bytes, expect| assert_eq!(size(bytes), expect);
        check(999, "999 bytes");
        check(1000, "1.0 kB");
        check(1_340, "1.3 kB");
        check(2_500_000, "2.5 MB");
    }
}
