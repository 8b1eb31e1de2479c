//! Who answers a message: the pages, at once; or for a name that no page knows, whoever resolves the
//! rest of the world, later.
//!
//! What the pages say never waits for anything. How the rest is resolved, and how a message came, is
//! not known here.

use std::{future::Future, pin::Pin, sync::Arc};

use arc_swap::ArcSwap;

use super::{Answer, Query, Transport, View, path::Path, wire};
use crate::page::record::RecordType;

/// A question about what is in no page.
#[derive(Clone, Copy)]
pub struct Wanted {
    pub name: Path,
    pub qtype: RecordType,
    /// DO: with signatures (RFC 3225).
    pub dnssec_ok: bool,
    /// CD: the client validates by itself (RFC 4035 section 3.2.2).
    pub checking_disabled: bool,
}

/// An answer that is being sought.
pub type Seeking<'a> = Pin<Box<dyn Future<Output = Answer<'static>> + Send + 'a>>;

/// Resolves what is in no page.
pub trait Outside: Send + Sync {
    /// The answer: always one, within [`FORWARD_DEADLINE`](crate::limits::FORWARD_DEADLINE).
    fn resolve(&self, wanted: Wanted) -> Seeking<'_>;
}

/// What becomes of one message.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is no query, and must not be answered.
    Silence,
    /// The response, from the pages.
    Now(Vec<u8>),
    /// No page knows the name, or one that an alias leads to: [`Service::outside`] has the response
    /// in a while.
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
        answer.recursive = self.outside.is_some();
        match answer.outside {
            Some(_) if answer.recursive && query.recursion_desired => Reply::Later,
            _ => Reply::Now(wire::write(&query, &answer, transport)),
        }
    }

    /// The response to a query for which [`Service::reply`] said [`Reply::Later`].
    pub async fn outside(&self, message: &[u8], transport: Transport) -> Vec<u8> {
        let Some(query) = Query::read(message) else { return Vec::new() };
        let view = self.views.load_full();
        let answer = self.answer(&view, &query, message).await;
        wire::write(&query, &answer, transport)
    }

    /// The answer to a query, which is in `message`, however long it takes.
    pub async fn answer<'v>(
        &self,
        view: &'v View,
        query: &Query<'_>,
        message: &[u8],
    ) -> Answer<'v> {
        let mut answer = Answer::of(view, query);
        answer.recursive = self.outside.is_some();
        let (Some(outside), Some(name), Some(question)) =
            (&self.outside, answer.outside, &query.question)
        else {
            return answer;
        };
        if !query.recursion_desired {
            return answer;
        }
        let dnssec_ok = query.edns.is_some_and(|edns| edns.dnssec_ok);
        let checking_disabled = query.checking_disabled;
        let wanted = Wanted { name, qtype: question.qtype, dnssec_ok, checking_disabled };
        let found = outside.resolve(wanted).await;
        let mut answer = match name.wire() == question.path.wire() {
            true => found,
            false => answer.followed_by(found, &name),
        };
        // It wants to be told whether that was validated (RFC 6840 section 5.7).
        let says_ad = message.get(3).is_some_and(|flags| flags & 0x20 != 0);
        answer.authentic &= says_ad || dnssec_ok;
        answer.recursive = true;
        answer
    }

    /// What the pages are.
    pub fn views(&self) -> &Arc<ArcSwap<View>> {
        &self.views
    }
}
