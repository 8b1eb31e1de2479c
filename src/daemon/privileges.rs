//! Gives up every right of the process that answering does not take (capabilities(7)).
//!
//! Rights belong to threads, and a new one has those of the thread that starts it: this comes before
//! any other is started. Which door needed a right is not known here.

use std::io;

use rustix::{
    process::geteuid,
    thread::{
        CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
        clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
        set_no_new_privs,
    },
};

/// Leaves this thread, and those that it starts, no capability, and none to be had by starting another
/// program. Root keeps what every user has: its own files.
///
/// # Errors
/// When the system refuses.
pub fn give_up() -> io::Result<()> {
    // Only who has this right can narrow the bounding set; it means nothing with no_new_privs.
    if capabilities(None)?.effective.contains(CapabilitySet::SETPCAP) {
        for right in all().take_while(|right| capability_is_in_bounding_set(*right).is_ok()) {
            remove_capability_from_bounding_set(right)?;
        }
    }
    clear_ambient_capability_set()?;
    set_no_new_privs(true)?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(())
}

/// Whether this process is root's, which it need not be.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// Each right by itself, those included that the kernel is too old to know.
fn all() -> impl Iterator<Item = CapabilitySet> {
    (0..u64::BITS).map(|bit| CapabilitySet::from_bits_retain(1 << bit))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What /proc tells of this thread's rights, by name.
    fn rights() -> Vec<(String, u64)> {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let of = |line: &str| {
            let (name, mask) = line.split_once(":\t").unwrap();
            (name.to_owned(), u64::from_str_radix(mask, 16).unwrap())
        };
        let is_right = |line: &&str| line.starts_with("Cap") || line.starts_with("NoNewPrivs");
        status.lines().filter(is_right).map(of).collect()
    }

    #[test]
    fn afterwards_there_is_no_right_left_to_take_and_none_to_get() {
        let could_narrow = capabilities(None).unwrap().effective.contains(CapabilitySet::SETPCAP);
        let after = std::thread::spawn(|| {
            give_up().unwrap();
            give_up().unwrap();
            // A thread has what its parent has.
            std::thread::spawn(rights).join().unwrap()
        });
        for (name, value) in after.join().unwrap() {
            match name.as_str() {
                "NoNewPrivs" => assert_eq!(value, 1),
                "CapBnd" if !could_narrow => {}
                _ => assert_eq!(value, 0, "{name}"),
            }
        }
    }
}
