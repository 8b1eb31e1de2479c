//! Statements that were refused as their page is now (N3): each may count once something else is here, as a ballot
//! does with what it is about, and what a node attests with a presence that names the node.
//!
//! They are asked for again under the next seal, after a while, and at once when all that others said to have has
//! come and something of it was new. Whoever brings one new thing after the other has everything asked for again
//! less and less often, and never more than once in [`LATER_FIRST`].

use std::{collections::BTreeSet, time::Duration};

use super::session::Shared;
use crate::{id::Id, limits::*};

/// What was put off of one page.
#[derive(Default)]
pub struct Later {
    /// At most [`LATER_MAX`].
    ids: BTreeSet<Id>,
    /// When they are asked for again whatever happens, in ticks; none: nothing was put off.
    at: Option<u64>,
    pauses: u32,
    /// Whether anything new was taken in since.
    is_changed: bool,
    /// Not before this because of that, in ticks, and how often it was done.
    soon_at: u64,
    soons: u32,
}

impl Later {
    pub fn contains(&self, id: &Id) -> bool {
        self.ids.contains(id)
    }

    /// Something was refused as the page is now.
    pub fn put_off(&mut self, id: Id, shared: &mut Shared) {
        if self.ids.len() < LATER_MAX {
            self.ids.insert(id);
        }
        if self.at.is_none() {
            self.at = Some(shared.after(doubled(LATER_FIRST, self.pauses, LATER_RETRY_MAX)));
            self.pauses += 1;
        }
    }

    /// Something new was taken in.
    pub fn changed(&mut self) {
        self.is_changed |= !self.ids.is_empty();
    }

    /// Forgets all of it if it is to be asked for now, and returns when that is; none: nothing was put off.
    /// `is_settled`: nothing that others have is waited for.
    pub fn take(&mut self, is_settled: bool, shared: &mut Shared) -> Option<u64> {
        let now = shared.now.ticks;
        let at = self.at?;
        let soon_at = self.soon_at.max(now);
        if self.is_changed && is_settled && soon_at < at {
            if soon_at == now {
                // When they are asked for whatever happens is not put off by this.
                self.forget();
                self.soon_at = shared.after(doubled(SETTLE_TIME, self.soons, LATER_FIRST));
                self.soons += 1;
            }
            return Some(soon_at);
        }
        if at <= now {
            self.at = None;
            let is_empty = self.ids.is_empty();
            self.forget();
            return (!is_empty).then_some(at);
        }
        Some(at)
    }

    fn forget(&mut self) {
        self.ids.clear();
        self.is_changed = false;
    }
}

/// A span that doubles each time, up to the last.
fn doubled(first: Duration, times: u32, last: Duration) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(last)
}
