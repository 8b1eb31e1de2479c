//! Who answers a message: the pages, at once; or for a name that no page knows, whoever resolves the
//! rest of the world, later.
//!
//! What the pages say never waits for anything. How the rest is resolved, and how a message came, is
//! not known here.

use std::{future::Future, pin::Pin, sync::Arc};

use arc_swap::ArcSwap;

use super::{
    Answer, Query, Rcode, Transport, View,
    cookie::Cookies,
    options::{self, Client},
    wire,
};

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
    cookies: Option<Cookies>,
}

impl Service {
    /// Answers from the newest of `views`; names outside the pages are REFUSED where nobody resolves
    /// them.
    pub fn new(views: Arc<ArcSwap<View>>, outside: Option<Arc<dyn Outside>>) -> Service {
        Service { views, outside, cookies: None }
    }

    /// The same, with a cookie for clients that send one (RFC 7873).
    #[must_use]
    pub fn with_cookies(self, cookies: Cookies) -> Service {
        Service { cookies: Some(cookies), ..self }
    }

    /// Answers what can be answered at once. No bytes make this panic.
    pub fn reply(&self, message: &[u8], client: Client) -> Reply {
        let Some(query) = Query::read(message) else { return Reply::Silence };
        let view = self.views.load();
        let answer = Answer::of(&view, &query);
        if answer.outside && query.recursion_desired && self.outside.is_some() {
            return Reply::Later;
        }
        Reply::Now(self.write(&query, &answer, client))
    }

    /// The response to a query for which [`Service::reply`] said [`Reply::Later`].
    pub async fn outside(&self, message: &[u8], client: Client) -> Vec<u8> {
        let Some(query) = Query::read(message) else { return Vec::new() };
        let Some(outside) = &self.outside else {
            return self.write(&query, &Answer::of(&self.views.load(), &query), client);
        };
        let options = options::for_client(&query, client, self.cookies.as_ref());
        if options.is_empty() {
            return outside.resolve(message, client.transport).await;
        }
        let bytes_max = client.transport.answer_bytes_max(&query);
        let asked = options::with_room(message, client.transport, &options);
        let response = outside.resolve(&asked, client.transport).await;
        options::added(response, &options, bytes_max)
    }

    /// SERVFAIL, for a query that [`Service::outside`] has no room for now.
    pub fn overloaded(&self, message: &[u8], client: Client) -> Vec<u8> {
        let Some(query) = Query::read(message) else { return Vec::new() };
        self.write(&query, &Answer { rcode: Rcode::SERVFAIL, ..Answer::default() }, client)
    }

    fn write(&self, query: &Query<'_>, answer: &Answer<'_>, client: Client) -> Vec<u8> {
        let options = options::for_client(query, client, self.cookies.as_ref());
        wire::write_with(query, answer, client.transport, options)
    }

    /// What the pages are.
    pub fn views(&self) -> &Arc<ArcSwap<View>> {
        &self.views
    }
}
