//! A node that has just started hears where others stand before it seals (S5): its directory may have been
//! put back from a copy that is older than what it sealed, the journal of its votes with it, and what is
//! sealed twice at one height contradicts itself for good.
//!
//! Who others are, and when they are in step, is not known here.

use std::{
    collections::BTreeSet,
    sync::{MutexGuard, PoisonError},
};

use super::node::Node;
use crate::{id::Id, limits::SEAL_HEARING};

/// Which pages may be sealed since the start.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    /// By a clock that nobody sets, in milliseconds; 0: nobody is waited for.
    until: u64,
    /// Pages that would have been sealed.
    waiting: BTreeSet<Id>,
    heard: BTreeSet<Id>,
}

impl Hearing {
    /// Whether this page, which could be sealed, is not to be yet.
    fn holds(&mut self, page: &Id, ticks: u64) -> bool {
        if ticks >= self.until {
            *self = Hearing::default();
            return false;
        }
        let is_held = !self.heard.contains(page);
        if is_held {
            self.waiting.insert(*page);
        }
        is_held
    }
}

impl Node {
    /// From now on, for [`SEAL_HEARING`] at most, a page is sealed only once another node is in step
    /// with this one there: for a node that knows others.
    pub fn hear_first(&self) {
        self.hearing().until = self.ticks().saturating_add(SEAL_HEARING.as_millis() as u64);
    }

    /// Another node is in step with this one there.
    pub(super) fn note_heard(&self, page: &Id) {
        let mut hearing = self.hearing();
        hearing.waiting.remove(page);
        hearing.heard.insert(*page);
    }

    /// Whether this page, which could be sealed, is not to be yet.
    pub(super) fn hears_first(&self, page: &Id) -> bool {
        self.hearing().holds(page, self.ticks())
    }

    /// The pages that wait for somebody to be in step.
    pub(super) fn unheard(&self) -> Vec<Id> {
        self.hearing().waiting.iter().copied().collect()
    }

    fn hearing(&self) -> MutexGuard<'_, Hearing> {
        self.hearing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::freshness::tests::{BEGIN, at, home, host};

    fn height(node: &Node, page: &Id) -> u64 {
        node.page(page).unwrap().page().height()
    }

    /// S5 accepts: a seal once somebody else is in step, or nobody came.
    /// S5 refuses: a seal right after the start of a node that knows others.
    #[test]
    fn a_node_that_knows_others_seals_once_one_of_them_is_in_step_or_none_came() {
        let wait = SEAL_HEARING.as_secs();
        let check = |knows: bool, heard: bool, expect: [u64; 3]| {
            let (node, page, clock) = home();
            at(&node, &clock, BEGIN + 60);
            if knows {
                node.hear_first();
            }
            host(&node, &page, &node.key());
            let mut heights = Vec::new();
            for seconds in [wait - 10, wait - 1, wait] {
                at(&node, &clock, BEGIN + 60 + seconds);
                heights.push(height(&node, &page));
                if heard {
                    node.note_heard(&page);
                }
            }
            assert_eq!(heights, expect, "{knows} {heard}");
        };
        check(false, false, [1, 1, 1]);
        check(true, true, [0, 1, 1]);
        check(true, false, [0, 0, 1]);
    }
}
