//! How often something may happen: a token bucket.
//!
//! Pure: the time is handed in.

/// So many at once, and so many a second on average.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub burst: u32,
    pub per_second: u32,
}

/// What is left of a [`Rate`], in thousandths.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    rate: Rate,
    left: i64,
    /// Milliseconds of a clock that only goes forward.
    at: u64,
}

const WHOLE: i64 = 1000;

impl Allowance {
    pub(super) fn new(rate: Rate, ticks: u64) -> Allowance {
        Allowance { rate, left: i64::from(rate.burst) * WHOLE, at: ticks }
    }

    /// Takes one, if one is there.
    pub(super) fn take(&mut self, ticks: u64) -> bool {
        self.refill(ticks);
        let there = self.left >= WHOLE;
        if there {
            self.left -= WHOLE;
        }
        there
    }

    /// Takes one in any case: how many were taken that were not there.
    pub(super) fn overdraw(&mut self, ticks: u64) -> u64 {
        self.refill(ticks);
        self.left -= WHOLE;
        (-self.left).max(0) as u64 / WHOLE as u64
    }

    /// Milliseconds until one is there.
    pub(super) fn wait_ms(&mut self, ticks: u64) -> u64 {
        self.refill(ticks);
        let lacking = (WHOLE - self.left).max(0) as u64;
        lacking.div_ceil(u64::from(self.rate.per_second.max(1)))
    }

    /// Whether more than half of what may happen at once is left.
    pub(super) fn is_easy(&mut self, ticks: u64) -> bool {
        self.refill(ticks);
        self.left * 2 > i64::from(self.rate.burst) * WHOLE
    }

    fn refill(&mut self, ticks: u64) {
        let passed = ticks.saturating_sub(self.at).min(1_000_000_000) as i64;
        let full = i64::from(self.rate.burst) * WHOLE;
        self.left = (self.left + passed * i64::from(self.rate.per_second)).min(full);
        self.at = self.at.max(ticks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, per_second: 2 };

    #[test]
    fn a_burst_is_had_at_once_and_then_so_many_a_second() {
        let mut allowance = Allowance::new(RATE, 1000);
        let taken =
            |allowance: &mut Allowance, ticks| (0..10).filter(|_| allowance.take(ticks)).count();
        assert_eq!(taken(&mut allowance, 1000), 3);
        assert_eq!(taken(&mut allowance, 1499), 0);
        assert_eq!(taken(&mut allowance, 1500), 1);
        assert_eq!(taken(&mut allowance, 1_000_000), 3, "no more than a burst is saved up");
        assert_eq!(taken(&mut allowance, 0), 0, "a clock that goes back gives nothing");
    }

    #[test]
    fn it_says_how_long_to_wait_and_how_much_was_too_much() {
        let mut allowance = Allowance::new(RATE, 0);
        assert!(allowance.is_easy(0));
        assert_eq!(allowance.wait_ms(0), 0);
        let overdrawn: Vec<u64> = (0..5).map(|_| allowance.overdraw(0)).collect();
        assert_eq!(overdrawn, [0, 0, 0, 1, 2]);
        assert!(!allowance.is_easy(0));
        assert_eq!(allowance.wait_ms(0), 1500);
        assert!(allowance.take(1500));
    }
}
