//! Complaints about other nodes in the log: whoever attacks with ever new keys does not fill it (N6).

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::limits::{COMPLAINTS_KINDS_MAX, COMPLAINTS_SAID};

/// How many complaints there were of each kind.
#[derive(Debug, Default)]
pub struct Complaints(Mutex<BTreeMap<String, u64>>);

/// Letters by which kinds are told apart: then come numbers, ids and names.
const KIND_LETTERS: usize = 24;

impl Complaints {
    /// Counts one more of the kind that these words begin. The number is to be said: those of the first few,
    /// and then ever fewer of them.
    pub fn count(&self, what: &str) -> Option<u64> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind: String = what.chars().take(KIND_LETTERS).collect();
        let has_room = counts.len() < COMPLAINTS_KINDS_MAX || counts.contains_key(&kind);
        let count = counts.entry(if has_room { kind } else { String::new() }).or_default();
        *count += 1;
        (*count <= COMPLAINTS_SAID || count.is_power_of_two()).then_some(*count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_kind_are_said_and_of_a_million_few() {
        let complaints = Complaints::default();
        let said = (0..1_000_000).filter_map(|_| complaints.count("garbage")).collect::<Vec<_>>();
        assert_eq!(said[..3], [1, 2, 3]);
        assert!(said.len() as u64 > COMPLAINTS_SAID && said.len() as u64 <= COMPLAINTS_SAID + 20);
        assert_eq!(said.last(), Some(&524_288));
        assert_eq!(complaints.count("silence"), Some(1));
        let kinds = (0..1_000_000).filter(|n| complaints.count(&n.to_string()).is_some()).count();
        assert!(kinds < COMPLAINTS_KINDS_MAX + 2 * COMPLAINTS_SAID as usize, "{kinds}");
        assert!(complaints.0.lock().unwrap().len() <= COMPLAINTS_KINDS_MAX + 1);
    }
}
