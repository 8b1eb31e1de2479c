//! What a process has from outside itself: the real clock, the real randomness, and signals.
//!
//! Whoever decides something is handed a time and a seed; only wiring comes here for them.

#![expect(clippy::disallowed_methods, reason = "floor 4: the only real clock and randomness")]

use std::{
    io, thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::{
    process::Signal,
    time::{ClockId, clock_gettime},
};
use tokio::signal::unix::{SignalKind, signal};

/// Seconds since 1970 (UTC); a clock before that reads 0.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Milliseconds since 1970 (UTC); a clock before that reads 0.
pub fn milliseconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Milliseconds of a clock that only goes forward, since it was first asked.
pub fn ticks() -> u64 {
    since_begun().as_millis() as u64
}

/// Microseconds of the same clock.
pub fn microseconds() -> u64 {
    since_begun().as_micros() as u64
}

fn since_begun() -> Duration {
    static BEGUN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGUN.get_or_init(std::time::Instant::now).elapsed()
}

/// Microseconds of CLOCK_MONOTONIC, by which service managers order events (sd_notify(3)).
pub fn monotonic_microseconds() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1000
}

/// Bits that nobody can foresee.
pub fn random_words() -> [u64; 5] {
    let bytes = random::<40>();
    let word = |n: usize| u64::from_ne_bytes(std::array::from_fn(|at| bytes[8 * n + at]));
    std::array::from_fn(word)
}

/// Whether the clock can be meant: one before 1970 was never set, and nothing here counts so far back.
///
/// # Errors
/// A sentence.
pub fn check_clock() -> anyhow::Result<()> {
    check_time(SystemTime::now())
}

fn check_time(now: SystemTime) -> anyhow::Result<()> {
    match now.duration_since(UNIX_EPOCH) {
        Ok(_) => Ok(()),
        Err(_) => anyhow::bail!(
            "this machine's clock is before 1970, and seals and ballots are dated by it: set it"
        ),
    }
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

/// The memory that this process takes, if the system says it (proc_pid_statm(5)).
pub fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Waits: for something of which no event tells.
pub fn pause(span: Duration) {
    thread::sleep(span);
}

/// From now on a file that would grow over the limit of its process (RLIMIT_FSIZE) is an error of
/// the write, as a full disk is, which is said in a sentence. Otherwise SIGXFSZ ends the process.
///
/// The signal is caught, not ignored: what is ignored stays so in programs that this one starts.
///
/// # Errors
/// When the system has no room for a signal handler.
pub fn outlive_file_size_limit() -> io::Result<()> {
    // Registering takes a runtime; what is registered stays for as long as the process lives.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _inside = runtime.enter();
    signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_takes_memory() {
        let bytes = resident_bytes().unwrap();
        assert!(bytes > 100_000 && bytes < 1 << 40, "{bytes}");
    }

    #[test]
    fn a_clock_before_1970_is_told_of() {
        assert!(check_time(UNIX_EPOCH).is_ok());
        let error = check_time(UNIX_EPOCH - Duration::from_secs(1)).unwrap_err();
        assert!(error.to_string().contains("set it"));
    }
}
