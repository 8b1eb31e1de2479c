//! How much of a page is asked for in a second (N8): what was asked for counts from then on by what its
//! answer is likely to have, and by what it had once it came, both with what they take on the wire.
//!
//! So nothing is asked for that could not have come yet, whatever is under way, and it is asked for in small
//! steps: what is answered at once comes at once. Time is an argument.

use super::message::{Part, Parts, Request};
use crate::limits::*;

/// What may be asked for now.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes in a second.
    rate: u64,
    /// Thousandths of a byte, at most those of half a step; what is lacking is waited for.
    left: i128,
    /// When that was so, in ticks.
    at: u64,
    /// How much of what is shown of a state travels, in 1024ths, as it was of late.
    travels: u64,
}

impl Room {
    pub fn new(rate: u64, now: u64) -> Room {
        let rate = rate.max(1);
        Room { rate, left: 0, at: now, travels: WHOLE }
    }

    pub fn rate(&self) -> u64 {
        self.rate
    }

    /// When something may be asked for, in ticks; none: now.
    pub fn opens_at(&mut self, now: u64) -> Option<u64> {
        let passed = i128::from(now.saturating_sub(self.at));
        let full = i128::from(self.step()) * 500;
        self.left = (self.left + passed * i128::from(self.rate)).min(full);
        self.at = self.at.max(now);
        let lacking = u128::try_from(-self.left).ok().filter(|lacking| *lacking > 0)?;
        let wait = lacking.div_ceil(u128::from(self.rate));
        Some(now.saturating_add(u64::try_from(wait).unwrap_or(u64::MAX)))
    }

    /// Bytes that are asked for at one time: those of a tenth of a second.
    fn step(&self) -> u64 {
        (self.rate / RATE_STEPS).max(PACKET_BYTES)
    }

    /// How many rows of so many bytes are asked for at one time.
    pub fn rows(&self, bytes: u64) -> u64 {
        self.step() / (bytes + ROW_NAMED_BYTES)
    }

    /// So many are asked for.
    pub fn take(&mut self, bytes: u64) {
        self.left -= i128::from(bytes) * 1000;
    }

    /// An answer of so many bytes came where others were counted.
    pub fn settle(&mut self, request: &Request, counted: u64, came: u64) {
        self.left += (i128::from(counted) - i128::from(on_the_wire(request, came))) * 1000;
        if matches!(request, Request::Subtrees(_)) {
            let now = came.saturating_mul(WHOLE) / likely_bytes(request).max(1);
            self.travels = ((self.travels * 3 + now) / 4).clamp(WHOLE / 16, WHOLE);
        }
    }

    /// Bytes that are shown of a state where those of a step travel.
    pub fn shown_in_a_step(&self) -> u64 {
        self.step().saturating_mul(WHOLE) / self.travels
    }

    /// Bytes that travel of so many that are shown of a state.
    pub fn travelling(&self, shown: u64) -> u64 {
        shown * self.travels / WHOLE
    }

    /// Bytes that a request and its answer are likely to take.
    pub fn likely(&self, request: &Request) -> u64 {
        let shown = likely_bytes(request);
        let is_state = matches!(request, Request::Subtrees(_));
        on_the_wire(request, if is_state { self.travelling(shown) } else { shown })
    }
}

/// All of it, in [`Room::travels`].
const WHOLE: u64 = 1024;

/// Bytes that a request and an answer of so many take in both directions, packets acknowledged.
pub fn on_the_wire(request: &Request, answer: u64) -> u64 {
    let packets = |bytes: u64| bytes.div_ceil(PACKET_BYTES).max(1);
    let asked = request.encode().len() as u64;
    asked + answer + (packets(asked) + packets(answer)) * PACKET_BESIDE_BYTES
}

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
    use crate::id::Id;

    #[test]
    fn what_is_asked_for_is_waited_for_and_what_did_not_come_is_given_back() {
        let other = Request::Genesis(Id::ZERO);
        let mut room = Room::new(20_000, 5);
        assert_eq!(room.opens_at(5), None);
        room.take(3000);
        assert_eq!((room.opens_at(5), room.opens_at(105)), (Some(155), Some(155)));
        assert_eq!(on_the_wire(&other, 1500), 36 + 1500 + 3 * PACKET_BESIDE_BYTES);
        room.settle(&other, 3000, 1500);
        assert_eq!(room.opens_at(105), None);
        // No more is saved up than half of what is asked for at one time.
        assert_eq!(room.opens_at(1_000_000), None);
        room.take(1000);
        assert_eq!(room.opens_at(1_000_000), None);
        room.settle(&other, 0, 10_000);
        let waits = on_the_wire(&other, 10_000).div_ceil(20);
        assert_eq!(room.opens_at(1_000_000), Some(1_000_000 + waits));
        // Neither is anything for a clock that goes back, or numbers at their ends.
        assert_eq!(room.opens_at(0), Some(waits));
        let mut room = Room::new(0, 0);
        room.take(u64::MAX);
        assert_eq!((room.rate(), room.opens_at(u64::MAX)), (1, Some(u64::MAX)));
        let mut room = Room::new(u64::MAX, 0);
        room.take(u64::MAX);
        assert_eq!((room.opens_at(1), room.opens_at(1000)), (Some(1000), None));
    }

    #[test]
    fn how_much_of_a_state_travels_is_learnt() {
        let mut room = Room::new(100_000, 0);
        let part = Part {
            path: crate::page::trie::Path::of(&Id::ZERO, 8),
            hash: Id::ZERO,
            bytes_max: 8000,
        };
        let parts = Request::Subtrees(Parts { page: Id::ZERO, parts: vec![part] });
        assert_eq!((room.travelling(8000), room.shown_in_a_step()), (8000, 10_000));
        assert_eq!(room.rows(1000 - ROW_NAMED_BYTES), 10);
        for _ in 0..20 {
            let counted = room.likely(&parts);
            room.settle(&parts, counted, 1000);
        }
        assert!((1000..1100).contains(&room.travelling(8000)), "{}", room.travelling(8000));
        assert!((70_000..81_000).contains(&room.shown_in_a_step()));
    }
}
