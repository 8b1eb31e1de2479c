//! Random numbers that come again with the same seed (SplitMix64).
//!
//! Good enough to choose what is tried, and for nothing secret.

// Each test crate uses a part of this.
#![allow(dead_code, reason = "several tests share it, and each uses a part")]

/// A source of numbers.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The seed: that of `DJDNS_SEED` in the environment, else `usual`. Printed, so that what was
    /// seen once can be seen again.
    pub fn seed(usual: u64) -> u64 {
        let seed = std::env::var("DJDNS_SEED").ok();
        let seed = seed.map_or(usual, |seed| seed.parse().expect("DJDNS_SEED is a number"));
        println!("seed {seed} (DJDNS_SEED={seed} does the same again)");
        seed
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
