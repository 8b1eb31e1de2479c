//! Which parts of a state were asked of whom, and which of them are late.
//!
//! A part is asked of another as well while the first gives nothing. Whoever gives one answer after the
//! other is not late, however slow the line is.

use super::message::{Part, Parts};
use crate::{
    key::PublicKey,
    limits::*,
    page::trie::{Fetch, Path},
};

/// Requests for parts that are under way.
#[derive(Default)]
pub struct Loans {
    rows: Vec<Loan>,
    /// Milliseconds that answers took, and sixteenths of parts that were in them, of which the older count
    /// less: a round trip with one part in it is no measure for one with many.
    took: u64,
    given: u64,
}

struct Loan {
    peer: PublicKey,
    parts: Parts,
    /// When any answer of its peer is late, in ticks.
    peer_late_at: u64,
    /// When it was asked for, or when its peer last gave something since.
    since: u64,
    /// Whether it was asked of another before, and whether it was since.
    is_hedge: bool,
    is_hedged: bool,
}

impl Loans {
    /// How many were asked, of whoever was first.
    pub fn count(&self) -> usize {
        self.rows.iter().filter(|row| !row.is_hedge).count()
    }

    /// When it is late: when any answer of its peer is, and twice what so many parts take about is over. What
    /// was asked for before it was known how long a part takes is late by what is known since.
    fn late_at(&self, row: &Loan) -> u64 {
        let (most, parts) = (LATE_MAX.as_millis() as u64, row.parts.parts.len() as u64);
        let span = (2 * 16 * parts * self.took).checked_div(self.given).unwrap_or(most).min(most);
        row.peer_late_at.max(row.since.saturating_add(span))
    }

    /// These parts were asked of a peer now, of which any answer is late at `peer_late_at`.
    pub fn lend(&mut self, peer: &PublicKey, parts: Parts, peer_late_at: u64, now: u64) {
        let (is_hedge, is_hedged) = (false, false);
        let peer = *peer;
        self.rows.push(Loan { peer, parts, peer_late_at, since: now, is_hedge, is_hedged });
    }

    /// What `owing` owes was asked of this peer as well.
    pub fn hedge(
        &mut self,
        owing: &PublicKey,
        peer: &PublicKey,
        parts: Parts,
        peer_late_at: u64,
        now: u64,
    ) {
        let covers = |row: &Loan| {
            let mut paths = row.parts.parts.iter().map(|part| &part.path);
            row.peer == *owing && paths.any(|path| parts.parts.iter().any(|p| p.path == *path))
        };
        self.rows.iter_mut().filter(|row| covers(row)).for_each(|row| row.is_hedged = true);
        self.lend(peer, parts, peer_late_at, now);
        self.rows.last_mut().into_iter().for_each(|row| row.is_hedge = true);
    }

    /// What is late, and from whom, of which something is lacking still; none while enough is asked twice.
    pub fn late(&self, now: u64, fetch: &Fetch) -> Option<(PublicKey, Vec<Part>)> {
        if self.rows.iter().filter(|row| row.is_hedge).count() >= FAR_HEDGES_MAX {
            return None;
        }
        let late = self.rows.iter().filter(|row| !row.is_hedged && self.late_at(row) <= now);
        let lacking = |row: &Loan| {
            let parts = row.parts.parts.iter();
            let parts: Vec<Part> =
                parts.filter(|part| fetch.lacks(&part.path, &part.hash)).cloned().collect();
            (!parts.is_empty()).then_some((row.peer, parts))
        };
        late.filter_map(lacking).next()
    }

    /// When the next is late.
    pub fn next_late(&self, now: u64) -> Option<u64> {
        let open = self.rows.iter().filter(|row| !row.is_hedged);
        open.map(|row| self.late_at(row)).filter(|at| *at > now).min()
    }

    /// A request is over, with an answer or without.
    pub fn over(&mut self, peer: &PublicKey, asked: &Parts, is_answer: bool, now: u64) {
        let is_it = |row: &Loan| row.peer == *peer && row.parts == *asked;
        let Some(at) = self.rows.iter().position(is_it) else { return };
        let row = self.rows.swap_remove(at);
        if !is_answer {
            return;
        }
        self.took = self.took * 3 / 4 + now.saturating_sub(row.since);
        self.given = self.given * 3 / 4 + 16 * row.parts.parts.len() as u64;
        for other in self.rows.iter_mut().filter(|row| row.peer == *peer) {
            other.peer_late_at += now.saturating_sub(other.since);
            other.since = now;
        }
    }

    /// Whether somebody is asked for this part.
    pub fn asks(&self, path: &Path) -> bool {
        self.rows.iter().any(|row| row.parts.parts.iter().any(|part| part.path == *path))
    }
}
