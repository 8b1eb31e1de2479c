//! Keeps the pages that only questions brought within their bounds, again and again (N2). Which go is not known
//! here.

use std::sync::Arc;

use super::Shared;
use crate::{daemon::eviction::policy::Bounds, limits::EVICTION_LOOKED_EVERY};

impl Shared {
    /// Looks whether there is room for all pages: now and then, and whenever one came.
    pub(super) async fn keep_room(self: Arc<Self>, bounds: Bounds) {
        loop {
            let crowded = self.crowded.notified();
            let _ = tokio::time::timeout(EVICTION_LOOKED_EVERY, crowded).await;
            let again = self.clone();
            // It waits for the disk.
            let _ = tokio::task::spawn_blocking(move || again.make_room(bounds)).await;
        }
    }

    fn make_room(&self, bounds: Bounds) {
        let sought = self.misses().sought();
        for page in self.node.evict(bounds, &sought) {
            self.tell(|facts| {
                facts.stuck.remove(&page);
            });
        }
    }
}
