//! Pages that are not here: fetched for a question that waits (N2), or for a person who trusts them.

use std::{sync::Arc, time::Duration};

use super::{Neighbours, REFUSED, Shared, lock};
use crate::{
    ambient,
    control::peers::Joining,
    daemon::node::Progress,
    dns::{Fetch, Lacking, fetch::Waiting},
    id::Id,
    limits::{JOIN_LOOKED_EVERY, JOIN_PATIENCE, MISS_PATIENCE, PEERS_LOOK_PATIENCE},
    sync::{self, Input, Want},
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
    pub fn join(&self, lacking: &Lacking, progress: Progress) -> Joining {
        let shared = &self.shared;
        shared.tell(|facts| {
            facts.given_up.remove(&lacking.page);
            facts.stuck.remove(&lacking.page);
        });
        shared.jobs.want(lacking.clone(), Want::Anchor);
        let begun = ambient::ticks();
        while ambient::ticks() - begun < JOIN_PATIENCE.as_millis() as u64 {
            if shared.node.page(&lacking.page).is_some() {
                return self.join_in_step(lacking, begun);
            }
            if let Some(why) = shared.facts().given_up.get(&lacking.page) {
                return joining(REFUSED, why.clone());
            }
            if let Some(why) = self.held_up(&lacking.page) {
                let name = &lacking.name;
                return joining(
                    "wanted",
                    format!(
                        "{why}, and nothing below {name} resolves until it is here; `djdns page forget {name} \
                         --untrust` takes the trust back"
                    ),
                );
            }
            let fetched = self.progress(&lacking.page).filter(|progress| progress.is_snapshot);
            let (done, total) = fetched.map_or((0, 0), |one| (one.fetched_thousandths, 1000));
            progress("fetching", done.into(), total);
            shared.wait_for_news(JOIN_LOOKED_EVERY);
        }
        match self.progress(&lacking.page) {
            Some(progress) if progress.fetched_bytes > 0 => joining(
                "fetching",
                format!("{}; `djdns status` says how far it is", fetched_words(&progress)),
            ),
            _ => joining("wanted", shared.nobody_has_it()),
        }
    }

    /// A page is here: what is open on it comes a moment later, and whoever proposes something should
    /// know of that.
    fn join_in_step(&self, lacking: &Lacking, begun: u64) -> Joining {
        let patience = JOIN_PATIENCE.as_millis() as u64;
        let is_in_step =
            || self.progress(&lacking.page).is_some_and(|progress| progress.is_in_step);
        while !is_in_step() {
            if ambient::ticks() - begun >= patience {
                let words = "it is here; what is open on it is still being fetched";
                return joining("fetched", words.to_owned());
            }
            self.shared.wait_for_news(JOIN_LOOKED_EVERY);
        }
        joining("fetched", "it is here, and is kept in step from now on".to_owned())
    }

    /// Seeks a page no more: what is under way of it has ended when this returns.
    pub fn want_no_more(&self, page: &Id) {
        self.shared.jobs.happened(Input::Unwant { page: *page });
        let page = *page;
        self.shared.tell(|facts| {
            facts.given_up.remove(&page);
            facts.stuck.remove(&page);
        });
        // It is looked at after what came before.
        let _ = self.shared.look(PEERS_LOOK_PATIENCE, |_| ());
    }

    /// Seeks what is trusted and not here.
    pub fn want_anchors(&self) {
        self.shared.want_anchors();
    }

    /// How far a page is.
    pub fn progress(&self, page: &Id) -> Option<sync::Progress> {
        let page = *page;
        self.shared.look(PEERS_LOOK_PATIENCE, move |machine| machine.progress(&page)).flatten()
    }
}

/// How much of a page is here.
pub fn fetched_words(progress: &sync::Progress) -> String {
    let (bytes, thousandths) = (progress.fetched_bytes, progress.fetched_thousandths);
    format!("{bytes} bytes of it are here, about {} %", thousandths / 10)
}

impl Shared {
    pub(super) fn wait_for_news(&self, patience: Duration) {
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
