//! Complaints about other nodes in the log: whoever attacks with ever new keys does not fill it (N6).

use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits::COMPLAINTS_SAID;

/// How many complaints there were.
#[derive(Debug, Default)]
pub struct Complaints(AtomicU64);

impl Complaints {
    /// Counts one more. The number is to be said: those of the first few, and then ever fewer of them.
    pub fn count(&self) -> Option<u64> {
        let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        (count <= COMPLAINTS_SAID || count.is_power_of_two()).then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_said_and_of_a_million_few() {
        let complaints = Complaints::default();
        let said = (0..1_000_000).filter_map(|_| complaints.count()).collect::<Vec<_>>();
        assert_eq!(said[..3], [1, 2, 3]);
        assert!(said.len() as u64 > COMPLAINTS_SAID && said.len() as u64 <= COMPLAINTS_SAID + 20);
        assert_eq!(said.last(), Some(&524_288));
    }
}
