//! What a process has from outside itself: the real clock and the real randomness.
//!
//! Whoever decides something is handed a time and a seed; only wiring comes here for them.

#![expect(clippy::disallowed_methods, reason = "floor 4: the only real clock and randomness")]

use std::{
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Seconds since 1970 (UTC); a clock before that reads 0.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Random bytes from the operating system.
///
/// # Panics
/// When it has none, on which nothing could be founded or signed safely.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    bytes
}

/// Waits: for something of which no event tells.
pub fn pause(span: Duration) {
    thread::sleep(span);
}
