//! Waiting for a page that a name leads to and that is not here (N2): who can get it is asked for it,
//! and a question waits as long as a stub resolver does.
//!
//! What a page is, and how it comes, is not known here. Names of pages that are here never wait for
//! any of it.

use std::{future::Future, pin::Pin};

use tokio::time::timeout;

use super::{Answer, Client, Query, Service};
use crate::{
    id::Id,
    limits::{MISS_PAGES_ON_THE_WAY_MAX, MISS_PATIENCE},
    page::name::Name,
};

/// A page that is not here, and that the pages above it, or an anchor, lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    pub page: Id,
    /// The name that it must be bound to (P6).
    pub name: Name,
}

/// That a page is here, or does not come soon.
pub type Waiting<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// Gets pages that are not here.
pub trait Fetch: Send + Sync {
    /// Whether there is sense in waiting for this page, and room for one more who waits. Either way it
    /// is known now that somebody wants the page.
    fn is_worth_waiting(&self, lacking: &Lacking) -> bool;

    /// Whether the page came, as soon as that is clear. It is sought on when nobody waits any more.
    fn wait(&self, lacking: Lacking) -> Waiting<'_>;
}

impl Service {
    /// Whether an answer would be another one if a page came that may come soon.
    pub(super) fn may_come(&self, answer: &Answer<'_>, query: &Query<'_>) -> bool {
        let lacking = answer.lacking.as_ref().filter(|_| query.recursion_desired);
        let pair = self.fetch.as_deref().zip(lacking);
        pair.is_some_and(|(fetch, lacking)| fetch.is_worth_waiting(lacking))
    }

    /// Waits for the pages that a query's name leads to, so long and no longer.
    pub(super) async fn fetched(&self, query: &Query<'_>, client: Client) {
        if self.fetch.is_some() {
            // What came in time is seen by whoever looks next.
            let _ = timeout(MISS_PATIENCE, self.fetch_on(query, client)).await;
        }
    }

    /// Each page on the way may lead to another that is not here.
    async fn fetch_on(&self, query: &Query<'_>, client: Client) {
        let Some(fetch) = self.fetch.as_deref() else { return };
        for _ in 0..MISS_PAGES_ON_THE_WAY_MAX {
            let view = self.views().load_full();
            let answer = self.at_once(&view, query, client);
            let lacking = answer.lacking.filter(|_| query.recursion_desired);
            drop(view);
            let Some(lacking) = lacking else { return };
            if !fetch.is_worth_waiting(&lacking) || !fetch.wait(lacking).await {
                return;
            }
        }
    }
}
