//! Sealed pages for other name servers, which mirror them: whole (AXFR, RFC 5936), what changed (IXFR,
//! RFC 1995), and word of each new seal (NOTIFY, RFC 1996).
//!
//! Only who is allowed gets one, and only for a request that is signed with the one key (TSIG, RFC 8945).
//! What is ratified and not sealed yet is in no transfer: mirrors lag soft answers. What is sent is decided
//! here from bytes and a clock that is handed in; a door sends it, and whoever has the pages says when one
//! is sealed.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;

use super::{
    Access, Answer, Client, Query, Rcode, Source, Transport, View,
    access::Prefix,
    answer::{EDE_NOT_SUPPORTED, EDE_OTHER, EDE_PROHIBITED, Part},
    query::Question,
};
use crate::{
    id::Id,
    limits::TRANSFERS_MAX,
    page::{apex, name::Name, record::RecordType},
};

mod busy;
mod changes;
pub mod notify;
mod records;
pub mod refusal;
pub mod seen;
mod stream;
#[cfg(test)]
mod tests;
pub mod told;
pub mod tsig;

pub use changes::{Sealed, Zone};
pub use notify::{Heard, Notifier};
pub use seen::Seen;
pub use stream::Transfer;
pub use told::{Moment, Told};
pub use tsig::{Algorithm, Key};

use busy::Busy;
use changes::Lacking;
use refusal::Refusal;
use seen::Course;
use tsig::{Fault, Signed, Signer};

/// Who may mirror pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    key: Arc<Key>,
    /// This machine, and these.
    access: Access,
}

impl Rules {
    /// Whoever has the key, from this machine or an address with one of these prefixes.
    pub fn new(key: Key, allow: Vec<Prefix>) -> Rules {
        Rules { key: Arc::new(key), access: Access::new(allow) }
    }

    /// What all messages are signed with.
    pub fn key(&self) -> &Arc<Key> {
        &self.key
    }
}

/// The pages as mirrors get them. Cloning it costs nothing.
#[derive(Clone)]
pub struct Transfers {
    shared: Arc<Shared>,
    busy: Busy,
    seen: Arc<Seen>,
    /// Seconds since 1970 (UTC).
    clock: fn() -> u64,
}

#[derive(Default)]
struct Shared {
    rules: ArcSwap<Option<Rules>>,
    zones: ArcSwap<HashMap<Id, Arc<Zone>>>,
}

/// What becomes of a message as far as transfers and signatures have a say.
pub(super) enum Handled {
    /// They have none.
    Not,
    /// It is answered as if it had no signature, and that is signed.
    Unsigned(Vec<u8>, Signer),
    /// This is the answer to the message without its signature.
    Answer(Vec<u8>, Box<Answer<'static>>, Signing),
    /// It is answered with these messages.
    Transfer(Box<Transfer>),
}

/// What an answer has of a signature.
pub(super) enum Signing {
    None,
    Signer(Signer),
    /// What was wrong with that of the request.
    Fault(Box<Signed>, Fault, Arc<Key>),
}

impl Signing {
    /// Octets by which an answer becomes longer, at most.
    pub(super) fn octets(&self) -> usize {
        match self {
            Signing::None => 0,
            Signing::Signer(signer) => signer.octets(),
            Signing::Fault(signed, ..) => signed.octets(),
        }
    }
}

impl Transfers {
    /// Nobody may have anything yet.
    pub fn new(clock: fn() -> u64) -> Transfers {
        Transfers { shared: Arc::default(), busy: Busy::default(), seen: Arc::default(), clock }
    }

    /// These may have pages from now on; none: nobody.
    pub fn set_rules(&self, rules: Option<Rules>) {
        self.shared.rules.store(Arc::new(rules));
    }

    /// Who may have pages, if anybody may.
    pub fn rules(&self) -> Option<Rules> {
        Option::clone(&self.shared.rules.load())
    }

    /// A page has this newest seal; mirrors may have what was sealed in another history of it up to the serial
    /// `other`. True where it did not before.
    pub fn put(&self, page: Id, name: &Name, now: Sealed, other: Option<u32>) -> bool {
        let mut zones = HashMap::clone(&self.shared.zones.load());
        let (root, serial) = (now.state.root(), now.serial);
        let zone = match zones.get(&page) {
            None => Zone::new(name.clone(), now).above_other(other),
            Some(zone) if zone.now().serial == serial && zone.now().state.root() == root => {
                return false;
            }
            Some(zone) => zone.sealed(now).above_other(other),
        };
        zones.insert(page, Arc::new(zone));
        self.shared.zones.store(Arc::new(zones));
        true
    }

    /// Only these pages are here. The names of those that were.
    pub fn keep(&self, is_here: impl Fn(&Id) -> bool) -> Vec<Name> {
        let zones = self.shared.zones.load();
        let (kept, gone): (HashMap<_, _>, HashMap<_, _>) =
            zones.iter().map(|(page, zone)| (*page, zone.clone())).partition(|(id, _)| is_here(id));
        if !gone.is_empty() {
            self.shared.zones.store(Arc::new(kept));
        }
        gone.into_values().map(|zone| zone.name().clone()).collect()
    }

    /// The pages, each with its newest serial.
    pub fn newest(&self) -> Vec<(Name, u32)> {
        let zones = self.shared.zones.load();
        zones.values().map(|zone| (zone.name().clone(), zone.now().serial)).collect()
    }

    /// What came of requests.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// The next message of a transfer; none: that was all.
    pub(super) fn next(&self, transfer: &mut Transfer) -> Option<Vec<u8>> {
        transfer.next(self.now())
    }

    /// Signs an answer, or says what was wrong with the signature of the request.
    pub(super) fn sign(&self, signing: Signing, answer: &mut Vec<u8>) {
        match signing {
            Signing::None => {}
            Signing::Signer(mut signer) => {
                signer.sign(answer, self.now());
            }
            Signing::Fault(signed, fault, key) => signed.refuse(fault, &key, self.now(), answer),
        }
    }

    fn now(&self) -> u64 {
        (self.clock)()
    }

    /// What becomes of a message.
    pub(super) fn handle(&self, view: &View, message: &[u8], client: Client) -> Handled {
        let rules = self.shared.rules.load();
        let Some(rules) = rules.as_ref() else { return Handled::Not };
        let is_query = message.len() > 12 && message[2] & 0xf8 == 0;
        if !is_query {
            return Handled::Not;
        }
        let taken = tsig::take(message);
        // Whatever is wrong with another message is said where it is read.
        if !matches!(taken, Ok(Some(_))) && !asks_for_transfer(message) {
            return Handled::Not;
        }
        if !rules.allows(client.address) {
            self.refuse(client, message, &Refusal::NotAllowed);
            let plain = taken.ok().flatten().map(|signed| signed.message);
            let text = "no page is transferred to this address";
            return unsigned(plain.unwrap_or_else(|| message.to_vec()), refused(text));
        }
        let key = rules.key.clone();
        let signed = match taken {
            Err(error) => {
                self.refuse(client, message, &Refusal::Malformed);
                let answer = Answer::failed(Rcode::FORMERR, EDE_OTHER, error.to_string());
                return unsigned(message.to_vec(), answer);
            }
            Ok(None) => {
                self.refuse(client, message, &Refusal::unsigned(&key));
                let text = "a page is transferred only for a request that is signed (TSIG)";
                return unsigned(message.to_vec(), refused(text));
            }
            Ok(Some(signed)) => signed,
        };
        if let Err(fault) = signed.check(&key, &[], self.now()) {
            let refusal = Refusal::of(fault, &signed, &key, self.now());
            self.refuse(client, &signed.message, &refusal);
            return faulty(signed, fault, key);
        }
        let signer = signed.signer(key);
        self.authorized(view, signed.message, client, signer)
    }

    /// Takes down that a request is refused.
    fn refuse(&self, client: Client, message: &[u8], refusal: &Refusal) {
        let question = Query::read(message).and_then(|query| query.question);
        let of_page = [RecordType::AXFR, RecordType::IXFR, RecordType::SOA];
        // Whatever else is signed is no mirror's.
        let question = question.filter(|question| of_page.contains(&question.qtype));
        question.inspect(|question| self.refuse_page(client, question, refusal));
    }

    fn refuse_page(&self, client: Client, question: &Question<'_>, refusal: &Refusal) {
        self.seen.refused(client, &question.path.to_name(), refusal, self.now());
    }

    /// What becomes of a message that is signed by whom it should be.
    fn authorized(&self, view: &View, message: Vec<u8>, client: Client, signer: Signer) -> Handled {
        let query = Query::read(&message).filter(|query| query.fault.is_none());
        let Some(question) = query.as_ref().and_then(|query| query.question.as_ref()) else {
            return Handled::Unsigned(message, signer);
        };
        let is_transfer = [RecordType::AXFR, RecordType::IXFR].contains(&question.qtype);
        if !is_transfer && question.qtype != RecordType::SOA {
            return Handled::Unsigned(message, signer);
        }
        let Some(zone) = self.zone(view, question).filter(|_| question.class == 1) else {
            self.refuse_page(client, question, &Refusal::NoPage);
            if !is_transfer {
                return Handled::Unsigned(message, signer);
            }
            let answer = Answer::failed(Rcode::NOTAUTH, EDE_OTHER, "no page of this name is here");
            return Handled::Answer(message, answer.into(), Signing::Signer(signer));
        };
        self.seen.asked(client.address, zone.name(), zone.now().serial);
        let answer = match (question.qtype, client.transport) {
            (RecordType::AXFR, Transport::Udp) => {
                self.refuse_page(client, question, &Refusal::Malformed);
                Answer::failed(Rcode::FORMERR, EDE_NOT_SUPPORTED, "a whole page goes over TCP")
            }
            // Who has less comes again over TCP (RFC 1995 section 4).
            (RecordType::SOA, _) | (_, Transport::Udp) => self.soa(client, &zone),
            _ => match self.transfer(&query, zone, client, &message, &signer) {
                Ok(transfer) => return Handled::Transfer(Box::new(transfer)),
                Err(answer) => *answer,
            },
        };
        Handled::Answer(message, answer.into(), Signing::Signer(signer))
    }

    fn transfer(
        &self,
        query: &Option<Query<'_>>,
        zone: Arc<Zone>,
        client: Client,
        message: &[u8],
        signer: &Signer,
    ) -> Result<Transfer, Box<Answer<'static>>> {
        let malformed = || {
            self.refuse(client, message, &Refusal::Malformed);
            Answer::failed(Rcode::FORMERR, EDE_OTHER, "IXFR comes with an SOA")
        };
        let query = query.as_ref().ok_or_else(malformed)?;
        let is_whole = query.question.as_ref().is_some_and(|q| q.qtype == RecordType::AXFR);
        let lacking = match is_whole {
            true => Lacking::Everything,
            false => zone.since(serial(message, query).ok_or_else(malformed)?),
        };
        if let Lacking::Nothing = lacking {
            return Err(self.soa(client, &zone).into());
        }
        let place = self.busy.enter(TRANSFERS_MAX).ok_or_else(|| {
            self.refuse(client, message, &Refusal::Busy);
            Answer::failed(Rcode::SERVFAIL, EDE_OTHER, "too many transfers at a time: try again")
        })?;
        let course = Course::new(self.seen.clone(), client.address, place);
        Ok(match lacking {
            Lacking::Changes(old, keys) => {
                Transfer::since(query, zone, (old, keys), signer.clone(), course)
            }
            _ => Transfer::whole(query, zone, signer.clone(), course),
        })
    }

    /// The newest seal alone.
    fn soa(&self, client: Client, zone: &Zone) -> Answer<'static> {
        self.seen.told_serial(client.address, zone.name(), zone.now().serial);
        let rdata = apex::soa_rdata(zone.now().serial);
        let part = Part::made(None, RecordType::SOA, apex::MADE_TTL, &rdata);
        Answer {
            authoritative: true,
            answer: vec![part],
            source: Source::Page,
            ..Answer::default()
        }
    }

    /// The page of this name: the one that is served under it, or else one that is here.
    fn zone(&self, view: &View, question: &Question<'_>) -> Option<Arc<Zone>> {
        let name = question.path.to_name();
        let zones = self.shared.zones.load();
        // It is asked for, though nobody may ever ask this server for a name in it.
        let _ = view.place(&question.path, RecordType::SOA);
        let served = view.walk(&name).last().map(|page| page.meta().id);
        let served = served.and_then(|id| zones.get(&id)).filter(|zone| *zone.name() == name);
        served.or_else(|| zones.values().find(|zone| *zone.name() == name)).cloned()
    }
}

impl Rules {
    fn allows(&self, client: IpAddr) -> bool {
        self.access.allows(client)
    }
}

fn refused(text: &'static str) -> Answer<'static> {
    Answer::failed(Rcode::REFUSED, EDE_PROHIBITED, text)
}

/// An answer that has no signature.
fn unsigned(message: Vec<u8>, answer: Answer<'static>) -> Handled {
    Handled::Answer(message, answer.into(), Signing::None)
}

fn faulty(signed: Signed, fault: Fault, key: Arc<Key>) -> Handled {
    let rcode = if fault == Fault::Form { Rcode::FORMERR } else { Rcode::NOTAUTH };
    let answer = Answer::failed(rcode, EDE_OTHER, fault.to_string());
    let message = signed.message.clone();
    Handled::Answer(message, answer.into(), Signing::Fault(signed.into(), fault, key))
}

/// Whether the question of a message is for a transfer.
fn asks_for_transfer(message: &[u8]) -> bool {
    let question = Query::read(message).and_then(|query| query.question);
    question.is_some_and(|q| [RecordType::AXFR, RecordType::IXFR].contains(&q.qtype))
}

/// The serial that a client of IXFR has: that of the SOA in the authority section (RFC 1995 section 3).
fn serial(message: &[u8], query: &Query<'_>) -> Option<u32> {
    let question = query.question.as_ref()?;
    let rest = message.get(12 + question.raw.len()..)?;
    if message[6..10] != [0, 0, 0, 1] {
        return None;
    }
    let owner = tsig::skip_name(rest, 0)?;
    let head = rest.get(owner..owner + 10)?;
    if head[..2] != RecordType::SOA.0.to_be_bytes() {
        return None;
    }
    let numbers = tsig::skip_name(rest, tsig::skip_name(rest, owner + 10)?)?;
    let serial = rest.get(numbers..numbers + 4)?;
    Some(u32::from_be_bytes([serial[0], serial[1], serial[2], serial[3]]))
}
