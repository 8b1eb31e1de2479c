//! Pages that are not here: fetched for a question that waits (N2), or for a person who trusts them.

use std::{
    sync::Arc,
    time::Duration,
};

use super::{Neighbours, Shared, lock};
use crate::{
    ambient,
    control::peers::Joining,
    dns::{Fetch, Lacking, fetch::Waiting},
    id::Id,
    limits::{JOIN_LOOKED_EVERY, JOIN_PATIENCE, MISS_PATIENCE, PEERS_LOOK_PATIENCE},
    sync::Want,
};

impl Fetch for Neighbours {
    fn is_worth_waiting(&self, lacking: &Lacking) -> bool {
        // One that is here under another name comes by no fetching (P6).
        if self.shared.view.load().page(&lacking.page).is_some() {
            return false;
        }
        let wanted = self.shared.misses().want(lacking.page, ambient::ticks());
        if wanted.is_new {
            self.shared.jobs.want(lacking.clone(), Want::Resolve);
        }
        wanted.may_wait
    }

    fn wait(&self, lacking: Lacking) -> Waiting<'_> {
        let entered = self.shared.misses().enter(&lacking.page, ambient::ticks());
        Box::pin(async move {
            let Some(mut outcome) = entered else { return false };
            let _seat = Seat(&self.shared, lacking.page);
            let told = outcome.wait_for(Option::is_some).await;
            told.is_ok_and(|told| *told == Some(true))
        })
    }
}

/// The place of one who waits for a page.
struct Seat<'s>(&'s Arc<Shared>, Id);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.misses().leave(&self.1);
    }
}

impl Neighbours {
    /// Waits for a page as a question does. Not to be called on a thread of a runtime.
    pub fn fetch_now(&self, lacking: &Lacking) -> bool {
        if !self.is_worth_waiting(lacking) {
            return false;
        }
        let wait = async { tokio::time::timeout(MISS_PATIENCE, self.wait(lacking.clone())).await };
        self.shared.runtime.block_on(wait).unwrap_or(false)
    }

    /// Has a page fetched that a person trusts from now on, and says what came of that within some
    /// seconds.
    pub fn join(&self, lacking: &Lacking, progress: super::super::node::Progress<'_>) -> Joining {
        let shared = &self.shared;
        shared.tell(|facts| {
            facts.given_up.remove(&lacking.page);
        });
        shared.jobs.want(lacking.clone(), Want::Anchor);
        let begun = ambient::ticks();
        while ambient::ticks() - begun < JOIN_PATIENCE.as_millis() as u64 {
            if shared.node.page(&lacking.page).is_some() {
                return joining("fetched", "it is here, and is kept in step from now on".to_owned());
            }
            if let Some(why) = shared.facts().given_up.get(&lacking.page) {
                return joining("refused", why.clone());
            }
            let (done, total) = self.fetched_bytes(&lacking.page).unwrap_or_default();
            progress("fetching", done, total);
            shared.wait_for_news(JOIN_LOOKED_EVERY);
        }
        match self.fetched_bytes(&lacking.page) {
            Some((done, _)) if done > 0 => joining(
                "fetching",
                format!("{done} bytes of it are here; `djdns page list` shows when it is whole"),
            ),
            _ => joining("wanted", shared.nobody_has_it()),
        }
    }

    /// How much of a page that is being fetched is here, and of how much.
    pub fn fetched_bytes(&self, page: &Id) -> Option<(u64, u64)> {
        let page = *page;
        let progress = self.shared.look(PEERS_LOOK_PATIENCE, move |machine| machine.progress(&page));
        let progress = progress.flatten()?;
        Some((progress.bytes_done, progress.bytes_total.unwrap_or(0)))
    }
}

impl Shared {
    fn wait_for_news(&self, patience: Duration) {
        let facts = lock(&self.told.facts);
        drop(self.told.news.wait_timeout(facts, patience));
    }

    fn nobody_has_it(&self) -> String {
        let peers = self.network().map_or(0, |network| network.peers().len());
        let nobody = match peers {
            0 => "no other node is connected (`djdns peers`, `djdns connect`)".to_owned(),
            1 => "the one node that is connected does not have it".to_owned(),
            many => format!("none of the {many} nodes that are connected has it"),
        };
        format!("{nobody}: it is fetched when somebody does")
    }
}

fn joining(state: &str, words: String) -> Joining {
    Joining { state: state.to_owned(), words }
}
