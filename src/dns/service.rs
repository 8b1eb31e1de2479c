//! Who answers a message: the pages, at once; or for a name that no page knows, whoever resolves the
//! rest of the world, later. A page that is not here and may come is waited for. Who may not ask is refused here, for all doors alike.
//!
//! What the pages that are here say never waits for anything. How the rest is resolved, and how a message came, is
//! not known here.

use std::{future::Future, net::IpAddr, pin::Pin, sync::Arc};

use arc_swap::{ArcSwap, Guard};

use super::{
    Access, Answer, Cookies, Fetch, Query, Rcode, Source, Transport, View, Witness,
    answer::{EDE_NOT_READY, EDE_NOT_SUPPORTED, EDE_OTHER, EDE_PROHIBITED, Part},
    batch::Room,
    cookie::Moment,
    counters::Tally,
    fast::{self, Short, Usual},
    follow,
    options::{self, Client},
    path::Path,
    query::{Fault, Keepalive},
    replies::Replies,
    transfer::{Handled, Signing, Transfer, Transfers},
    wire,
};
use crate::{
    limits::{DNS_REPLIES_HELD, UDP_ANSWER_BYTES_MAX},
    page::record::RecordType,
};

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
    /// The answer, if there is one without waiting for anybody.
    fn at_once(&self, _wanted: &Wanted) -> Option<Answer<'static>> {
        None
    }

    /// Another number after anything changed that its answers depend on, beside who is asked for what.
    fn epoch(&self) -> u64 {
        0
    }

    /// So many of its answers were given again, without asking it.
    fn note_given(&self, _count: u64) {}

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
    /// No page knows the name, or one that an alias leads to, or its page is not here and may come:
    /// [`Service::outside`] has the response in a while.
    Later,
}

/// Answers messages. Cloning one costs nothing.
#[derive(Clone)]
pub struct Service {
    views: Arc<ArcSwap<View>>,
    outside: Option<Arc<dyn Outside>>,
    pub(super) fetch: Option<Arc<dyn Fetch>>,
    access: Arc<ArcSwap<Access>>,
    cookies: Option<Cookies>,
    witness: Option<Witness>,
    transfers: Option<Transfers>,
}

impl Service {
    /// Answers this machine, from the newest of `views`; names outside the pages are REFUSED where
    /// nobody resolves them.
    pub fn new(views: Arc<ArcSwap<View>>, outside: Option<Arc<dyn Outside>>) -> Service {
        let (access, fetch, cookies, witness, transfers) = Default::default();
        Service { views, outside, fetch, access, cookies, witness, transfers }
    }

    /// The same, where somebody gets pages that are not here; else names below them fail at once.
    #[must_use]
    pub fn with_fetch(self, fetch: Arc<dyn Fetch>) -> Service {
        Service { fetch: Some(fetch), ..self }
    }

    /// The same, for whom the newest of these lists names; others are REFUSED.
    #[must_use]
    pub fn with_access(self, access: Arc<ArcSwap<Access>>) -> Service {
        Service { access, ..self }
    }

    /// The same, with a cookie for clients that send one (RFC 7873).
    #[must_use]
    pub fn with_cookies(self, cookies: Cookies) -> Service {
        Service { cookies: Some(cookies), ..self }
    }

    /// The same, with every answer seen by somebody.
    #[must_use]
    pub fn with_witness(self, witness: Witness) -> Service {
        Service { witness: Some(witness), ..self }
    }

    /// The same, for mirrors as well.
    #[must_use]
    pub fn with_transfers(self, transfers: Transfers) -> Service {
        Service { transfers: Some(transfers), ..self }
    }

    /// Answers what can be answered at once. No bytes make this panic.
    pub fn reply(&self, message: &[u8], client: Client) -> Reply {
        self.reply_for(message, client).0
    }

    /// The same, at a door over which an answer of many messages can go.
    ///
    /// # Errors
    /// Such an answer: [`Service::next_of`] makes its messages.
    pub fn reply_or_transfer(
        &self,
        message: &[u8],
        client: Client,
    ) -> Result<Reply, Box<Transfer>> {
        match self.handled(message, client) {
            Handled::Transfer(transfer) => {
                self.saw_transfer(message, client);
                Err(transfer)
            }
            handled => Ok(self.reply_handled(handled, message, client).0),
        }
    }

    /// Counts a question that many messages answer, as one answer.
    fn saw_transfer(&self, message: &[u8], client: Client) {
        let answer = Answer { source: Source::Page, ..Answer::default() };
        if let (Some(witness), Some(query)) = (&self.witness, Query::read(message)) {
            witness.answered(&query, &answer, client, &[], self.arrival());
        }
    }

    /// The next message of a transfer; none: that was all.
    pub fn next_of(&self, transfer: &mut Transfer) -> Option<Vec<u8>> {
        self.transfers.as_ref()?.next(transfer)
    }

    fn handled(&self, message: &[u8], client: Client) -> Handled {
        let transfers = self.transfers.as_ref();
        transfers.map_or(Handled::Not, |it| it.handle(&self.views.load(), message, client))
    }

    /// [`Service::reply`], and whether the answer may be given again for a second: it is from the cache of
    /// [`Outside`], and nothing in it ends sooner.
    fn reply_for(&self, message: &[u8], client: Client) -> (Reply, bool) {
        self.reply_handled(self.handled(message, client), message, client)
    }

    fn reply_handled(&self, handled: Handled, message: &[u8], client: Client) -> (Reply, bool) {
        let (plain, answer, signing) = match handled {
            Handled::Not => return self.reply_unsigned(message, client),
            Handled::Unsigned(plain, signer) => match self.reply_unsigned(&plain, client).0 {
                Reply::Now(answer) => (plain, answer, Signing::Signer(signer)),
                reply => return (reply, false),
            },
            Handled::Answer(plain, answer, signing) => {
                let arrival = self.arrival();
                let Some(query) = Query::read(&plain) else { return (Reply::Silence, false) };
                let answer = self.write(&query, &answer, client, arrival);
                (plain, answer, signing)
            }
            Handled::Transfer(_) => {
                let text = "a page is transferred over TCP";
                let answer = Answer::failed(Rcode::REFUSED, EDE_NOT_SUPPORTED, text);
                let Some(query) = Query::read(message) else { return (Reply::Silence, false) };
                return (Reply::Now(self.write(&query, &answer, client, self.arrival())), false);
            }
        };
        (Reply::Now(self.signed(&plain, answer, client, signing)), false)
    }

    /// An answer with its signature; where there is no room for both, only that there is more.
    fn signed(
        &self,
        query: &[u8],
        mut answer: Vec<u8>,
        client: Client,
        signing: Signing,
    ) -> Vec<u8> {
        let Some(transfers) = &self.transfers else { return answer };
        let query = Query::read(query);
        let max = query.as_ref().map_or(0, |query| client.transport.answer_bytes_max(query));
        if answer.len() + signing.octets() > max {
            let question = query.as_ref().and_then(|query| query.question.as_ref());
            wire::truncate(&mut answer, question.map_or(0, |question| question.raw.len()));
        }
        transfers.sign(signing, &mut answer);
        answer
    }

    fn reply_unsigned(&self, message: &[u8], client: Client) -> (Reply, bool) {
        let arrival = self.arrival();
        let Some(query) = Query::read(message) else {
            self.witness.iter().for_each(Witness::silent);
            return (Reply::Silence, false);
        };
        let view = self.views.load();
        let answer = self.at_once(&view, &query, client);
        if self.may_come(&answer, &query) {
            return (Reply::Later, false);
        }
        let answer = match self.sought(&answer, &query) {
            None => answer,
            Some((outside, wanted)) => match follow::at_once(&view, answer, wanted, outside) {
                Some(found) => found.for_client(&query, message),
                None => return (Reply::Later, false),
            },
        };
        let response = self.write(&query, &answer, client, arrival);
        (Reply::Now(response), answer.lasts())
    }

    /// [`Service::reply_for`], written to a datagram; its octets.
    fn answer_at_length(
        &self,
        message: &[u8],
        client: Client,
        room: &mut Room,
    ) -> Result<(usize, bool), NotNow> {
        match self.reply_for(message, client) {
            (Reply::Silence, _) => Err(NotNow::Never),
            (Reply::Later, _) => Err(NotNow::Later),
            (Reply::Now(answer), lasts) => {
                room[..answer.len()].copy_from_slice(&answer);
                Ok((answer.len(), lasts))
            }
        }
    }

    /// Answers a message over UDP as [`Service::reply`] does, if it is a usual question about a page: see
    /// [`fast`]. Nobody sees the answer.
    pub fn reply_at_once(&self, message: &[u8], client: IpAddr) -> Option<Vec<u8>> {
        let (mut path, mut room) = (Path::ROOT, [0; UDP_ANSWER_BYTES_MAX as usize]);
        let mut usual =
            Usual::read(message, &mut path).filter(|_| self.access.load().allows(client))?;
        self.give_cookie(&mut usual, client, &mut None);
        match fast::look(&self.views.load(), &usual, self.outside.is_some(), &mut room) {
            Short::Written(written) => Some(room[..written.len].to_vec()),
            Short::Outside | Short::Unusual => None,
        }
    }

    /// Lets a question be answered with its cookie, if it has one. The first one makes the moment.
    fn give_cookie<'s>(
        &'s self,
        usual: &mut Usual<'_>,
        client: IpAddr,
        moment: &mut Option<Moment<'s>>,
    ) {
        let (Some(cookies), Some(opt)) = (&self.cookies, &mut usual.opt) else { return };
        if let Some(cookie) = &opt.cookie {
            let moment = moment.get_or_insert_with(|| cookies.moment());
            opt.give(&moment.answer(cookie, client));
        }
    }

    /// What answers the questions that came together, from the pages as they are now.
    pub(super) fn sit<'s>(&'s self, replies: &'s mut Replies) -> Sitting<'s> {
        let is_logging = self.witness.as_ref().is_some_and(Witness::is_logging);
        replies.set_epoch(self.outside.as_ref().map_or(0, |outside| outside.epoch()));
        Sitting {
            service: self,
            view: self.views.load(),
            access: self.access.load(),
            // Each is written down with what is known of it on the usual way.
            is_short: !is_logging,
            arrival: self.arrival(),
            moment: None,
            tally: Tally::default(),
            path: Path::ROOT,
            replies,
        }
    }

    /// The response to a query for which [`Service::reply`] said [`Reply::Later`].
    pub async fn outside(&self, message: &[u8], client: Client) -> Vec<u8> {
        match self.handled(message, client) {
            Handled::Unsigned(plain, signer) => {
                let answer = self.outside_unsigned(&plain, client).await;
                self.signed(&plain, answer, client, Signing::Signer(signer))
            }
            _ => self.outside_unsigned(message, client).await,
        }
    }

    async fn outside_unsigned(&self, message: &[u8], client: Client) -> Vec<u8> {
        let arrival = self.arrival();
        let Some(query) = Query::read(message) else { return Vec::new() };
        self.fetched(&query, client).await;
        let view = self.views.load_full();
        let answer = self.answer(&view, &query, message, client).await;
        self.write(&query, &answer, client, arrival)
    }

    /// SERVFAIL, for a query that [`Service::outside`] has no room for now.
    pub fn overloaded(&self, message: &[u8], client: Client) -> Vec<u8> {
        self.witness.iter().for_each(Witness::overloaded);
        self.failed(message, client, EDE_OTHER, "too many questions wait for an answer here")
    }

    /// SERVFAIL, for a query that [`Service::outside`] has no time for any more.
    pub fn stopping(&self, message: &[u8], client: Client) -> Vec<u8> {
        self.failed(message, client, EDE_NOT_READY, "this server is being stopped")
    }

    fn failed(&self, message: &[u8], client: Client, code: u16, text: &'static str) -> Vec<u8> {
        let arrival = self.arrival();
        let Some(query) = Query::read(message) else { return Vec::new() };
        let mut answer = Answer::failed(Rcode::SERVFAIL, code, text);
        answer.recursive = true;
        self.write(&query, &answer, client, arrival)
    }

    /// The answer to a query, which is in `message`, however long it takes.
    pub async fn answer<'v>(
        &self,
        view: &'v View,
        query: &Query<'_>,
        message: &[u8],
        client: Client,
    ) -> Answer<'v> {
        let answer = self.at_once(view, query, client);
        match self.sought(&answer, query) {
            None => answer,
            Some((outside, wanted)) => {
                follow::follow(view, answer, wanted, outside).await.for_client(query, message)
            }
        }
    }

    /// Who is asked what, where an answer leads out of the pages.
    fn sought(&self, answer: &Answer<'_>, query: &Query<'_>) -> Option<(&dyn Outside, Wanted)> {
        let (outside, question) = (self.outside.as_deref()?, query.question.as_ref()?);
        answer.outside.filter(|_| query.recursion_desired)?;
        let dnssec_ok = query.edns.is_some_and(|edns| edns.dnssec_ok);
        let checking_disabled = query.checking_disabled;
        let (name, qtype) = (question.path, question.qtype);
        Some((outside, Wanted { name, qtype, dnssec_ok, checking_disabled }))
    }

    /// What is added to the response for this client, beside the answer.
    pub fn options(&self, query: &Query<'_>, client: Client) -> Vec<wire::EdnsOption> {
        options::for_client(query, client, self.cookies.as_ref())
    }

    /// What the pages are.
    pub fn views(&self) -> &Arc<ArcSwap<View>> {
        &self.views
    }

    pub(super) fn at_once<'v>(
        &self,
        view: &'v View,
        query: &Query<'_>,
        client: Client,
    ) -> Answer<'v> {
        if !self.access.load().allows(client.address) {
            let text = "this address may not ask here";
            return Answer::failed(Rcode::REFUSED, EDE_PROHIBITED, text);
        }
        let mut answer = self.by_options(query, client).unwrap_or_else(|| Answer::of(view, query));
        answer.recursive = self.outside.is_some();
        answer
    }

    /// What its options alone decide about a query.
    fn by_options(&self, query: &Query<'_>, client: Client) -> Option<Answer<'static>> {
        let edns = query.edns.filter(|_| matches!(query.fault, None | Some(Fault::Questions)))?;
        if edns.keepalive == Keepalive::Malformed && client.transport.has_keepalive() {
            let text = "edns-tcp-keepalive has no data in a query";
            return Some(Answer::failed(Rcode::FORMERR, EDE_OTHER, text));
        }
        // No question, but a cookie: it asks for that (RFC 7873 section 5.4).
        let (None, Some(cookies), Some(cookie)) = (&query.question, &self.cookies, edns.cookie)
        else {
            return None;
        };
        let is_good = !cookie.has_server_part() || cookies.knows(&cookie, client.address);
        Some(match is_good {
            true => Answer::default(),
            false => Answer::failed(Rcode::BADCOOKIE, EDE_OTHER, "this server cookie is not good"),
        })
    }

    fn arrival(&self) -> u64 {
        self.witness.as_ref().map_or(0, Witness::arrival)
    }

    /// Writes the response to a question that came at `arrival`, by the witness' clock.
    fn write(
        &self,
        query: &Query<'_>,
        answer: &Answer<'_>,
        client: Client,
        arrival: u64,
    ) -> Vec<u8> {
        let options = self.options(query, client);
        let response = wire::write_with(query, answer, client.transport, &options);
        if let Some(witness) = &self.witness {
            witness.answered(query, answer, client, &response, arrival);
        }
        response
    }
}

/// One look at the pages, at who may ask and at the clock, for all questions that came together.
pub(super) struct Sitting<'s> {
    service: &'s Service,
    view: Guard<Arc<View>>,
    access: Guard<Arc<Access>>,
    is_short: bool,
    arrival: u64,
    /// For cookies, once somebody has one.
    moment: Option<Moment<'s>>,
    tally: Tally,
    /// The name that is asked for.
    path: Path,
    replies: &'s mut Replies,
}

impl Sitting<'_> {
    /// Writes the answer to a question over UDP, if it has one now; returns its octets.
    pub(super) fn answer(
        &mut self,
        message: &[u8],
        client: IpAddr,
        room: &mut Room,
    ) -> Result<usize, NotNow> {
        let client = Client { address: client, transport: Transport::Udp };
        let service = self.service;
        let is_short = self.is_short && self.access.allows(client.address);
        let usual = if is_short { Usual::read(message, &mut self.path) } else { None };
        let Some(mut usual) = usual else {
            return service.answer_at_length(message, client, room).map(|(len, _)| len);
        };
        service.give_cookie(&mut usual, client.address, &mut self.moment);
        let recursive = service.outside.is_some();
        let written = match fast::look(&self.view, &usual, recursive, room) {
            Short::Written(written) => Some(written),
            Short::Outside => self.replies.find(&usual, self.arrival, room),
            Short::Unusual => None,
        };
        if let Some(written) = written {
            self.tally.add(written.rcode, written.source);
            return Ok(written.len);
        }
        let (len, lasts) = service.answer_at_length(message, client, room)?;
        // Without a clock nothing ends.
        if lasts && service.witness.is_some() {
            self.replies.keep(&usual, &room[..len], self.arrival);
        }
        Ok(len)
    }

    /// Counts what was answered.
    pub(super) fn rise(self) {
        if let Some(outside) = &self.service.outside {
            outside.note_given(self.tally.from(Source::Cache));
        }
        if let Some(witness) = &self.service.witness {
            witness.answered_together(self.tally, self.arrival);
        }
    }
}

/// Why there is no answer now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotNow {
    /// [`Service::outside`] has one in a while.
    Later,
    /// It is no question.
    Never,
}

impl Answer<'_> {
    /// Whether it is from the cache, and nothing in it ends within [`DNS_REPLIES_HELD`].
    fn lasts(&self) -> bool {
        let parts = self.answer.iter().chain(&self.authority).chain(&self.additional);
        let held = DNS_REPLIES_HELD.as_secs() as u32;
        self.source == Source::Cache && parts.flat_map(Part::iter).all(|record| record.ttl > held)
    }
}

impl Answer<'_> {
    /// What was found elsewhere, as this client is told of it: it may want to know whether that was
    /// validated (RFC 6840 section 5.7).
    fn for_client(mut self, query: &Query<'_>, message: &[u8]) -> Self {
        let says_ad = message.get(3).is_some_and(|flags| flags & 0x20 != 0);
        self.authentic &= says_ad || query.edns.is_some_and(|edns| edns.dnssec_ok);
        self.recursive = true;
        self
    }
}
