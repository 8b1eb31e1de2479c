//! Other nodes, as soon as they are looked for: where large pages are read behind their images, that is
//! after them, and a question for a page that is not here waits so long.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use super::neighbours::Neighbours;
use crate::dns::{Fetch, Lacking, fetch::Waiting};

/// Other nodes, or that there are none, or that it is not known yet.
pub struct Others {
    found: OnceLock<Option<Arc<Neighbours>>>,
    is_found: watch::Sender<bool>,
}

impl Default for Others {
    fn default() -> Others {
        Others { found: OnceLock::new(), is_found: watch::Sender::new(false) }
    }
}

impl Others {
    /// From now on there are these. What was said first counts.
    pub fn find(&self, found: Option<Arc<Neighbours>>) {
        let _ = self.found.set(found);
        self.is_found.send_replace(true);
    }

    /// Those there are by now.
    pub fn get(&self) -> Option<&Neighbours> {
        self.found.get()?.as_deref()
    }
}

impl Fetch for Others {
    fn is_worth_waiting(&self, lacking: &Lacking) -> bool {
        match self.found.get() {
            None => true,
            Some(found) => found.as_ref().is_some_and(|others| others.is_worth_waiting(lacking)),
        }
    }

    fn wait(&self, lacking: Lacking) -> Waiting<'_> {
        Box::pin(async move {
            // It ends with this only, which is still there.
            let _ = self.is_found.subscribe().wait_for(|is_found| *is_found).await;
            match self.get() {
                Some(others) if others.is_worth_waiting(&lacking) => others.wait(lacking).await,
                _ => false,
            }
        })
    }
}
