//! The real clock and the real randomness, for everything that a command makes.

#![expect(clippy::disallowed_methods, reason = "floor 4: the only real clock and randomness")]

use std::{
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::fault::{Fault, Outcome};

/// Seconds since 1970 (UTC); a clock before that reads 0.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Random bytes from the operating system.
pub fn random<const N: usize>() -> Outcome<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Fault::refused(format!("the operating system gives no randomness: {error}"))
    })?;
    Ok(bytes)
}

/// Waits: for something of which no event tells.
pub fn pause(span: Duration) {
    thread::sleep(span);
}
