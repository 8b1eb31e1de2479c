//! How a thread that answers has its processor: it stays there, and gets its turn soon after a question
//! came, whatever else this process does there.
//!
//! Where the system does not know or allow that, answers are as right, and later.

use rustix::{
    process::getpriority_process,
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

use crate::limits::DNS_WORKER_TURN;

/// Gives the calling thread the `n`th of the processors that the process may use.
pub(super) fn claim(n: usize) {
    stay(n);
    take_short_turns();
}

/// Keeps it there, so that what it answers from stays in that processor's cache.
fn stay(n: usize) {
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let all = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
    if let Some(own) = all.cycle().nth(n) {
        let mut set = CpuSet::new();
        set.set(own);
        if let Err(error) = sched_setaffinity(None, &set) {
            tracing::info!(%error, "a thread that answers over UDP has no processor of its own");
        }
    }
}

/// Asks for short turns: since Linux 6.12 a thread that wakes up and wants less at a time than the one
/// that works goes first, however the two share the time otherwise. What changes a page works for part
/// of a millisecond, and a question that comes meanwhile would wait for all of that.
#[expect(unsafe_code, reason = "no library has sched_setattr(2) for usual threads")]
fn take_short_turns() {
    let attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        policy: 0,
        flags: KEEP_POLICY,
        nice: getpriority_process(None).unwrap_or(0),
        priority: 0,
        turn: DNS_WORKER_TURN.as_nanos() as u64,
        deadline: 0,
        period: 0,
    };
    // SAFETY: the kernel reads as many bytes from there as `size` says, and keeps none of it. The thread
    // is the calling one (0), and there are no flags of the call itself (0).
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if done != 0 {
        let error = std::io::Error::last_os_error();
        tracing::info!(%error, "answers over UDP have turns as long as everybody's");
    }
}

/// Whatever the administrator chose stays (SCHED_FLAG_KEEP_POLICY).
const KEEP_POLICY: u64 = 0x08;

/// `struct sched_attr` in its first form (sched_setattr(2)).
#[repr(C)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    /// Nanoseconds: of a usual thread, how long its turns are (`sched_runtime`).
    turn: u64,
    deadline: u64,
    period: u64,
}

#[cfg(test)]
mod tests {
    use rustix::process::setpriority_process;

    use super::*;

    #[test]
    fn a_thread_that_answers_has_one_processor_and_short_turns_and_is_as_nice_as_before() {
        let one = std::thread::spawn(|| {
            setpriority_process(None, 3).unwrap();
            claim(100);
            assert_eq!(sched_getaffinity(None).unwrap().count(), 1);
            assert_eq!(getpriority_process(None).unwrap(), 3);
            if let Some(turn) = turn() {
                assert_eq!(turn, DNS_WORKER_TURN.as_nanos());
            }
        });
        one.join().unwrap();
    }

    /// The turns of the calling thread in nanoseconds; none where a thread cannot ask for them.
    #[expect(unsafe_code, reason = "no library has sched_getattr(2)")]
    fn turn() -> Option<u128> {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release.split('.').map_while(|part| part.parse::<u32>().ok());
        let kernel = (numbers.next().unwrap(), numbers.next().unwrap());
        let size = size_of::<Attributes>() as u32;
        let mut found = Attributes {
            size,
            policy: 0,
            flags: 0,
            nice: 0,
            priority: 0,
            turn: 0,
            deadline: 0,
            period: 0,
        };
        // SAFETY: the kernel writes no more than `size` bytes there.
        let done = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut found, size, 0u32) };
        assert_eq!(done, 0);
        (kernel >= (6, 12)).then(|| found.turn.into())
    }
}
