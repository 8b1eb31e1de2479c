//! What a node has from outside itself: a clock, randomness and a disk.
//!
//! A process hands in the machine's; the simulated world hands in its own, so that everything a node
//! does there follows from one seed.

use std::sync::Arc;

use crate::{
    ambient,
    store::disk::{Disk, RealDisk},
};

/// What a node has from outside itself. Clones are the same surroundings.
#[derive(Clone)]
pub struct Surroundings {
    pub disk: Arc<dyn Disk>,
    /// Milliseconds since 1970 (UTC).
    pub milliseconds: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Milliseconds of a clock that nobody sets, from any moment on.
    pub ticks: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Bytes that nobody can foresee: keys are made of them.
    pub random: Arc<dyn Fn() -> [u8; 32] + Send + Sync>,
    /// Whether an empty directory gets the demonstration.
    pub demonstration: bool,
    /// Whether the process ends with the node, which then need not give its memory back piece by
    /// piece: a million names take a second.
    pub ends_with_process: bool,
}

impl Surroundings {
    /// The machine's.
    pub fn real() -> Surroundings {
        Surroundings {
            disk: Arc::new(RealDisk),
            milliseconds: Arc::new(ambient::milliseconds),
            ticks: Arc::new(ambient::ticks),
            random: Arc::new(ambient::random),
            demonstration: true,
            ends_with_process: true,
        }
    }

    /// Seconds since 1970 (UTC).
    pub fn now(&self) -> u64 {
        (self.milliseconds)() / 1000
    }
}

#[cfg(test)]
mod tests {
    use std::{
        path::Path,
        sync::atomic::{AtomicU64, Ordering},
    };

    use super::*;
    use crate::{
        daemon::node::Node,
        store::fake::{FakeDisk, Survival},
    };

    fn open(disk: &FakeDisk, clock: &Arc<AtomicU64>) -> Arc<Node> {
        let clock = clock.clone();
        let surroundings = Surroundings {
            disk: Arc::new(disk.clone()),
            milliseconds: Arc::new(move || clock.load(Ordering::Relaxed)),
            ticks: Arc::new(ambient::ticks),
            random: Arc::new(|| [7; 32]),
            demonstration: true,
            ends_with_process: false,
        };
        Node::open_in(surroundings, Path::new("/data"), "a test", &mut |_, _, _| {}).unwrap()
    }

    #[test]
    fn a_node_lives_on_a_disk_in_memory_by_a_clock_that_is_handed_in() {
        let (disk, clock) = (FakeDisk::new(), Arc::new(AtomicU64::new(5_500)));
        let node = open(&disk, &clock);
        assert_eq!((node.now(), node.pages().len()), (5, 4));
        assert_eq!(node.key(), crate::key::SecretKey::from_seed(&[7; 32]).public());
        clock.store(9_000, Ordering::Relaxed);
        assert_eq!((node.now(), node.milliseconds()), (9, 9_000));
        drop(node);
        // Nothing was left unsynced: the two ends of what may be found.
        for survival in Survival::all().take(2) {
            let again = open(&disk.reboot(survival), &clock);
            assert_eq!((again.pages().len(), again.notices()), (4, vec![]));
        }
    }
}
