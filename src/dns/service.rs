//! Who answers a message: the pages, at once; or for a name that no page knows, whoever resolves the
//! rest of the world, later.
//!
//! What the pages say never waits for anything. How the rest is resolved, and how a message came, is
//! not known here.

use std::{future::Future, pin::Pin, sync::Arc};

use arc_swap::ArcSwap;

use super::{Answer, Query, Transport, View, wire};

/// Resolves what is in no page.
pub trait Outside: Send + Sync {
    /// The whole response to a query that [`Service::reply`] found to be outside: always one, within
    /// [`FORWARD_DEADLINE`](crate::limits::FORWARD_DEADLINE).
    fn resolve<'a>(
        &'a self,
        query: &'a [u8],
        transport: Transport,
    ) -> Pin<Box<dyn Future<Output = Vec<u8>> + Send + 'a>>;
}

/// What becomes of one message.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is no query, and must not be answered.
    Silence,
    /// The response, from the pages.
    Now(Vec<u8>),
    /// No page knows the name: [`Service::outside`] has the response in a while.
    Later,
}

/// Answers messages. Cloning one costs nothing.
#[derive(Clone)]
pub struct Service {
    views: Arc<ArcSwap<View>>,
    outside: Option<Arc<dyn Outside>>,
}

impl Service {
    /// Answers from the newest of `views`; names outside the pages are REFUSED where nobody resolves
    /// them.
    pub fn new(views: Arc<ArcSwap<View>>, outside: Option<Arc<dyn Outside>>) -> Service {
        Service { views, outside }
    }

    /// Answers what can be answered at once. No bytes make this panic.
    pub fn reply(&self, message: &[u8], transport: Transport) -> Reply {
        let Some(query) = Query::read(message) else { return Reply::Silence };
        let view = self.views.load();
        let mut answer = Answer::of(&view, &query);
        answer.recursion_available = self.outside.is_some();
        if answer.outside && query.recursion_desired && self.outside.is_some() {
            return Reply::Later;
        }
        Reply::Now(wire::write(&query, &answer, transport))
    }

    /// The response to a query for which [`Service::reply`] said [`Reply::Later`].
    pub async fn outside(&self, message: &[u8], transport: Transport) -> Vec<u8> {
        match &self.outside {
            Some(outside) => outside.resolve(message, transport).await,
            None => super::respond(&self.views.load(), message, transport).unwrap_or_default(),
        }
    }

    /// What the pages are.
    pub fn views(&self) -> &Arc<ArcSwap<View>> {
        &self.views
    }
}
