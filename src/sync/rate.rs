//! How much of a page is asked for in a second (N8): what was asked for counts from then on by what its
//! answer is likely to have, and by what it had once it came.
//!
//! So nothing is asked for that could not have come yet, whatever is under way. Time is an argument.

use super::message::{Part, Parts, Request};
use crate::limits::*;

/// What may be asked for now.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes in a second.
    rate: u64,
    /// Thousandths of a byte, at most those of a second; what is lacking is waited for.
    left: i128,
    /// When that was so, in ticks.
    at: u64,
    /// How much of what is shown of a state travels, in 1024ths, as it was of late.
    travels: u64,
}

impl Room {
    pub fn new(rate: u64, now: u64) -> Room {
        let rate = rate.max(1);
        Room { rate, left: i128::from(rate) * 1000, at: now, travels: WHOLE }
    }

    pub fn rate(&self) -> u64 {
        self.rate
    }

    /// When something may be asked for, in ticks; none: now.
    pub fn opens_at(&mut self, now: u64) -> Option<u64> {
        let passed = i128::from(now.saturating_sub(self.at));
        let full = i128::from(self.rate) * 1000;
        self.left = (self.left + passed * i128::from(self.rate)).min(full);
        self.at = self.at.max(now);
        let lacking = u128::try_from(-self.left).ok()?;
        let wait = lacking / u128::from(self.rate) + 1;
        Some(now.saturating_add(u64::try_from(wait).unwrap_or(u64::MAX)))
    }

    /// Bytes that may be asked for now.
    pub fn bytes(&self) -> u64 {
        u64::try_from(self.left / 1000).unwrap_or(0)
    }

    /// So many are asked for.
    pub fn take(&mut self, bytes: u64) {
        self.left -= i128::from(bytes) * 1000;
    }

    /// So many came where others were counted.
    pub fn settle(&mut self, request: &Request, counted: u64, came: u64) {
        self.left += (i128::from(counted) - i128::from(came)) * 1000;
        if matches!(request, Request::Subtrees(_)) {
            let now = came.saturating_mul(self.travels) / counted.max(1);
            self.travels = ((self.travels * 3 + now) / 4).clamp(WHOLE / 16, WHOLE);
        }
    }

    /// Bytes that are shown of a state where a second's worth of them travels.
    pub fn shown_in_a_second(&self) -> u64 {
        self.rate.saturating_mul(WHOLE) / self.travels
    }

    /// Bytes that travel of so many that are shown of a state.
    pub fn travelling(&self, shown: u64) -> u64 {
        shown * self.travels / WHOLE
    }

    /// Bytes that an answer is likely to have.
    pub fn likely(&self, request: &Request) -> u64 {
        match request {
            Request::Subtrees(_) => self.travelling(likely_bytes(request)),
            _ => likely_bytes(request),
        }
    }
}

/// All of it, in [`Room::travels`].
const WHOLE: u64 = 1024;

/// Bytes that an answer is likely to show.
fn likely_bytes(request: &Request) -> u64 {
    let shown = |part: &Part| u64::from(part.bytes_max.max(PART_BYTES_LEAST));
    match request {
        Request::Subtrees(Parts { parts, .. }) => parts.iter().map(shown).sum(),
        Request::Open(Parts { parts, .. }) => parts.len() as u64 * u64::from(PART_BYTES_LEAST),
        Request::Statements(named) => named.ids.len() as u64 * STATEMENT_BYTES_LIKELY,
        Request::Standings(pages) => (pages.len() * STANDING_BYTES_MAX) as u64,
        _ => OTHER_BYTES_LIKELY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_waited_for_and_what_did_not_come_is_given_back() {
        let mut room = Room::new(1000, 5);
        assert_eq!((room.opens_at(5), room.bytes()), (None, 1000));
        room.take(3000);
        assert_eq!((room.opens_at(5), room.bytes()), (Some(2006), 0));
        assert_eq!(room.opens_at(1005), Some(2006));
        let other = Request::Genesis(crate::id::Id::ZERO);
        room.settle(&other, 3000, 1500);
        assert_eq!((room.opens_at(1005), room.bytes()), (None, 500));
        // Nothing is saved up.
        assert_eq!((room.opens_at(1_000_000), room.bytes()), (None, 1000));
        room.settle(&other, 0, 10_000);
        assert_eq!(room.opens_at(1_000_000), Some(1_009_001));
        // Neither is anything for a clock that goes back, or numbers at their ends.
        assert_eq!(room.opens_at(0), Some(9001));
        let mut room = Room::new(0, 0);
        room.take(u64::MAX);
        assert_eq!((room.rate(), room.opens_at(u64::MAX)), (1, Some(u64::MAX)));
        let mut room = Room::new(u64::MAX, 0);
        room.take(u64::MAX);
        assert_eq!((room.opens_at(1), room.bytes()), (None, u64::MAX / 1000));
    }

    #[test]
    fn how_much_of_a_state_travels_is_learnt() {
        let mut room = Room::new(1000, 0);
        let parts = Request::Subtrees(Parts { page: crate::id::Id::ZERO, parts: Vec::new() });
        assert_eq!((room.travelling(8000), room.shown_in_a_second()), (8000, 1000));
        for _ in 0..20 {
            let counted = room.travelling(8000);
            room.settle(&parts, counted, 1000);
        }
        assert!((1000..1100).contains(&room.travelling(8000)), "{}", room.travelling(8000));
        assert!((7000..8100).contains(&room.shown_in_a_second()));
    }
}
