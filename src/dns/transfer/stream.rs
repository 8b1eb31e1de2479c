//! The messages of one transfer, one after the other: the whole page (AXFR, RFC 5936), or what changed
//! in it (IXFR, RFC 1995).
//!
//! Each is made when the one before is on its way, from the state that the transfer began with, however
//! long it takes: nothing is built in memory but the message. Each has the question, so that every owner
//! ends in a pointer to it, and a signature of its own. Pure: the time is handed in.

use std::{collections::VecDeque, sync::Arc};

use super::{
    changes::{Sealed, Zone},
    records::{Contents, Item, top},
    seen::{Course, End},
    tsig::Signer,
};
use crate::{
    dns::{Query, answer::target_at},
    id::Id,
    limits::{TRANSFER_BATCH, UDP_ANSWER_BYTES_MAX},
    page::record::RecordType,
};

/// An answer of many messages.
pub struct Transfer {
    zone: Arc<Zone>,
    stage: Stage,
    /// Records that come next.
    items: VecDeque<Item>,
    /// Header and question of every message, without the counts of records.
    head: Vec<u8>,
    /// What ends each message before its signature.
    opt: Vec<u8>,
    signer: Signer,
    /// Held until the end, so that there are not too many at a time.
    course: Course,
}

/// What of the page was said.
enum Stage {
    /// The SOA and NS are, and the entries up to this one.
    Entries(Option<Id>),
    /// Of these changes since that state, so many places have what they had taken away.
    Gone(Sealed, Arc<[Id]>, usize),
    /// So many of them have what they have now.
    New(Sealed, Arc<[Id]>, usize),
    /// All, and the SOA once more (RFC 5936 section 2.2, RFC 1995 section 4).
    Done,
}

const HEADER: usize = 12;
const ANCOUNT: usize = 6;
const ARCOUNT: usize = 10;
const MESSAGE_MAX: usize = u16::MAX as usize;
/// A pointer to the question's name.
const ZONE: [u8; 2] = [0xc0, HEADER as u8];
/// Octets of a record beside owner and data.
const RECORD: usize = 10;

impl Transfer {
    /// The whole page.
    pub(super) fn whole(
        query: &Query<'_>,
        zone: Arc<Zone>,
        signer: Signer,
        course: Course,
    ) -> Self {
        let mut items = VecDeque::from(top(zone.now().serial));
        let now = zone.now();
        items.extend(Contents::new(zone.name(), &now.state).server());
        Transfer::begin(query, zone.clone(), items, Stage::Entries(None), signer, course)
    }

    /// What changed since a state that somebody has.
    pub(super) fn since(
        query: &Query<'_>,
        zone: Arc<Zone>,
        (old, keys): (Sealed, Arc<[Id]>),
        signer: Signer,
        course: Course,
    ) -> Self {
        let both = [&old, zone.now()].map(|sealed| Contents::new(zone.name(), &sealed.state));
        // What an alias of a whole subtree hides or shows is no change of its own.
        if keys.iter().any(|key| both.iter().any(|contents| contents.reaches_down(key))) {
            return Transfer::whole(query, zone, signer, course);
        }
        let [new, _] = top(zone.now().serial);
        let [was, _] = top(old.serial);
        let stage = Stage::Gone(old, keys, 0);
        Transfer::begin(query, zone, VecDeque::from([new, was]), stage, signer, course)
    }

    fn begin(
        query: &Query<'_>,
        zone: Arc<Zone>,
        items: VecDeque<Item>,
        stage: Stage,
        signer: Signer,
        mut course: Course,
    ) -> Transfer {
        let is_whole = query.question.as_ref().is_some_and(|q| q.qtype == RecordType::AXFR);
        let end = match (is_whole, &stage) {
            (true, _) => End::Whole,
            (false, Stage::Entries(_)) => End::WholeForChanges,
            (false, _) => End::Changes,
        };
        course.begin(zone.name(), zone.now().serial, end);
        let mut head = query.id.to_be_bytes().to_vec();
        // QR and AA, and RD as it was asked (RFC 5936 section 2.2.1).
        head.extend_from_slice(&[0x84 | u8::from(query.recursion_desired), 0]);
        head.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
        head.extend_from_slice(query.question.as_ref().map_or(&[][..], |question| question.raw));
        let mut opt = Vec::new();
        if query.edns.is_some() {
            opt.extend_from_slice(&[0, 0, 41]);
            opt.extend_from_slice(&UDP_ANSWER_BYTES_MAX.to_be_bytes());
            opt.extend_from_slice(&[0; 6]);
            head[ARCOUNT + 1] = 1;
        }
        Transfer { zone, stage, items, head, opt, signer, course }
    }

    /// The next message, signed at this time; none: that was all.
    pub fn next(&mut self, now: u64) -> Option<Vec<u8>> {
        let limit = MESSAGE_MAX - self.opt.len() - self.signer.octets();
        let mut message = Vec::with_capacity(MESSAGE_MAX);
        message.extend_from_slice(&self.head);
        let mut count: u16 = 0;
        while let Some(item) = self.next_item() {
            let begin = message.len();
            self.push(&item, &mut message);
            if message.len() > limit {
                message.truncate(begin);
                // One that has no room in a message of its own cannot be sent at all (RFC 1035 section
                // 4.2.2): the mirror goes without.
                if count > 0 {
                    self.items.push_front(item);
                    break;
                }
                continue;
            }
            count += 1;
            if count == u16::MAX {
                break;
            }
        }
        if count == 0 {
            self.course.end();
            return None;
        }
        message[ANCOUNT..ANCOUNT + 2].copy_from_slice(&count.to_be_bytes());
        message.extend_from_slice(&self.opt);
        self.signer.sign(&mut message, now);
        self.course.sent(count, message.len());
        Some(message)
    }

    fn next_item(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Some(item);
            }
            self.go_on()?;
        }
    }

    /// Gets more records; none: there are no more.
    fn go_on(&mut self) -> Option<()> {
        let serial = self.zone.now().serial;
        let [soa, _] = top(serial);
        let name = self.zone.name();
        let now = Contents::new(name, &self.zone.now().state);
        self.stage = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Done => return None,
            Stage::Entries(last) => match now.after(last.as_ref(), TRANSFER_BATCH) {
                Some((items, last)) => {
                    self.items.extend(items);
                    Stage::Entries(Some(last))
                }
                None => {
                    self.items.push_back(soa);
                    Stage::Done
                }
            },
            Stage::Gone(old, keys, at) => {
                let before = Contents::new(name, &old.state);
                for key in part(&keys, at) {
                    self.items.extend(lacking(before.at(key), &now.at(key)));
                }
                match at < keys.len() {
                    true => Stage::Gone(old, keys, at + TRANSFER_BATCH),
                    false => {
                        self.items.push_back(soa);
                        Stage::New(old, keys, 0)
                    }
                }
            }
            Stage::New(old, keys, at) => {
                let before = Contents::new(name, &old.state);
                for key in part(&keys, at) {
                    self.items.extend(lacking(now.at(key), &before.at(key)));
                }
                match at < keys.len() {
                    true => Stage::New(old, keys, at + TRANSFER_BATCH),
                    false => {
                        self.items.push_back(soa);
                        Stage::Done
                    }
                }
            }
        };
        Some(())
    }

    fn push(&self, item: &Item, message: &mut Vec<u8>) {
        let Item { owner, rtype, ttl, rdata } = item;
        message.extend_from_slice(owner);
        message.extend_from_slice(&ZONE);
        message.extend_from_slice(&rtype.0.to_be_bytes());
        message.extend_from_slice(&[0, 1]);
        message.extend_from_slice(&ttl.to_be_bytes());
        let begin = message.len();
        message.extend_from_slice(&[0; RECORD - 8]);
        match self.cut(*rtype, rdata) {
            Some(cut) => {
                message.extend_from_slice(&rdata[..cut]);
                message.extend_from_slice(&ZONE);
            }
            None => message.extend_from_slice(rdata),
        }
        let len = (message.len() - begin - 2) as u16;
        message[begin..begin + 2].copy_from_slice(&len.to_be_bytes());
    }

    /// Where the name of the page begins in the data of a record, if that is the end of it, in the same
    /// letters, and may be a pointer (RFC 3597 section 4).
    fn cut(&self, rtype: RecordType, rdata: &[u8]) -> Option<usize> {
        let may_point = [RecordType::NS, RecordType::CNAME, RecordType::PTR, RecordType::MX];
        if !may_point.contains(&rtype) {
            return None;
        }
        let zone = &self.head[HEADER..self.head.len().checked_sub(4)?];
        let (begin, end) = (target_at(rtype, rdata)?, rdata.len().checked_sub(zone.len())?);
        let mut at = begin;
        while at < end {
            at += 1 + usize::from(rdata[at]);
        }
        (at == end && zone.len() > 2 && rdata[end..] == *zone).then_some(end)
    }
}

/// So many of these from one on.
fn part(keys: &[Id], at: usize) -> impl Iterator<Item = &Id> {
    keys.iter().skip(at).take(TRANSFER_BATCH)
}

/// Those that are not among others.
fn lacking(items: Vec<Item>, others: &[Item]) -> impl Iterator<Item = Item> {
    items.into_iter().filter(move |item| !others.contains(item))
}
