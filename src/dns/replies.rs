//! Answers from the forwarder's cache as they were written, each for a second.
//!
//! Who asks often asks for the same: within the second an answer is given again octet for octet, but
//! for the id, the letters of the name and the cookie, which are each client's own: no cookie is held.
//! After it the cache is asked anew, so that TTLs count down, what ends is asked for in time, and nothing
//! has to be taken back. Each worker has its own, so that none waits for another. The time, in
//! microseconds, is handed in.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use super::{
    Rcode,
    batch::Room,
    fast::{CookieOption, HEADER, OPT, Usual, Written, begins_with_cookie},
    source::Source,
    wire,
};
use crate::limits::{DNS_REPLIES_HELD, DNS_REPLIES_PER_WORKER, DNS_REPLY_BYTES_MAX};

/// What was answered just now.
pub struct Replies {
    /// Pairs of places; a question has one of a pair.
    places: Box<[Option<Held>]>,
    hasher: RandomState,
    /// What the answers depend on beside the questions: with another, none of them is given.
    epoch: u64,
}

struct Held {
    key: Box<[u8]>,
    /// The whole message, without a cookie.
    wire: Box<[u8]>,
    /// Where the options of its OPT begin; where it has none, its end.
    options: usize,
    until: u64,
}

/// Octets of a key: a name, the type, and what else an answer depends on.
const KEY: usize = crate::limits::NAME_BYTES_MAX + 3;

/// What an answer from elsewhere depends on.
struct Key {
    bytes: [u8; KEY],
    len: usize,
}

impl Replies {
    /// None yet.
    pub fn new() -> Replies {
        let places = (0..DNS_REPLIES_PER_WORKER).map(|_| None).collect();
        Replies { places, hasher: RandomState::default(), epoch: 0 }
    }

    /// Forgets everything if something else holds than when the answers were given.
    pub fn set_epoch(&mut self, epoch: u64) {
        if self.epoch != epoch {
            self.places.fill_with(|| None);
            self.epoch = epoch;
        }
    }

    /// Writes what was answered to this question a moment ago.
    pub(super) fn find(&self, usual: &Usual<'_>, now: u64, room: &mut Room) -> Option<Written> {
        let key = Key::of(usual)?;
        let pair = self.pair(&key);
        let mut held = self.places[pair..pair + 2].iter().flatten();
        let held = held.find(|held| *held.key == *key.bytes() && now < held.until)?;
        let cookie = usual.opt.as_ref().and_then(|opt| opt.given());
        let len = held.wire.len() + cookie.map_or(0, |cookie| cookie.len());
        if len > usual.limit() {
            return None;
        }
        held.copy_to(&mut room[..len], cookie);
        room[..2].copy_from_slice(&usual.header[..2]);
        room[HEADER..HEADER + usual.raw.len()].copy_from_slice(usual.raw);
        let rcode = Rcode(u16::from(held.wire[3] & 0x0f));
        Some(Written { len, rcode, source: Source::Cache })
    }

    /// Remembers what is answered to this question now.
    pub(super) fn keep(&mut self, usual: &Usual<'_>, wire: &[u8], now: u64) {
        let has_question = wire.len() >= HEADER + usual.raw.len();
        let is_whole = wire.get(2).is_some_and(|flags| flags & TC == 0);
        let Some(key) = Key::of(usual).filter(|_| has_question && is_whole) else { return };
        let pair = self.pair(&key);
        let [one, other] = &mut self.places[pair..pair + 2] else { return };
        let Some((wire, options)) = without_cookie(wire, usual) else { return };
        if wire.len() > DNS_REPLY_BYTES_MAX {
            return;
        }
        let until = |place: &Option<Held>| place.as_ref().map_or(0, |held| held.until);
        let is_same =
            |place: &Option<Held>| place.as_ref().is_some_and(|held| *held.key == *key.bytes());
        let is_first = is_same(one) || !is_same(other) && until(one) <= until(other);
        let held = Held {
            key: key.bytes().into(),
            wire,
            options,
            until: now + DNS_REPLIES_HELD.as_micros() as u64,
        };
        *if is_first { one } else { other } = Some(held);
    }

    fn pair(&self, key: &Key) -> usize {
        2 * (self.hasher.hash_one(key.bytes()) as usize % (self.places.len() / 2))
    }
}

impl Held {
    /// Writes the message with this cookie, which `room` is as long as.
    fn copy_to(&self, room: &mut [u8], cookie: Option<&CookieOption>) {
        let (head, options) = self.wire.split_at(self.options);
        let (start, rest) = room.split_at_mut(head.len());
        start.copy_from_slice(head);
        let rest = match cookie {
            None => rest,
            Some(cookie) => {
                let len = (options.len() + cookie.len()) as u16;
                start[head.len() - 2..].copy_from_slice(&len.to_be_bytes());
                let (place, rest) = rest.split_at_mut(cookie.len());
                place.copy_from_slice(cookie);
                rest
            }
        };
        rest.copy_from_slice(options);
    }
}

/// A message without the cookie of who asked, and where the options of its OPT begin. A cookie is the
/// first of them, and the OPT the last record. `None` where the message is not what the question asks for.
fn without_cookie(wire: &[u8], usual: &Usual<'_>) -> Option<(Box<[u8]>, usize)> {
    if usual.opt.is_none() {
        return Some((wire.into(), wire.len()));
    }
    let at = wire::last_record(wire)?;
    let (head, options) = wire.split_at_checked(at + OPT)?;
    let len = usize::from(u16::from_be_bytes([head[at + 9], head[at + 10]]));
    if head[at..at + 3] != [0, 0, 41] || len != options.len() {
        return None;
    }
    let own = if begins_with_cookie(options) { size_of::<CookieOption>() } else { 0 };
    let mut plain = [head, &options[own..]].concat();
    plain[at + 9..at + OPT].copy_from_slice(&((len - own) as u16).to_be_bytes());
    Some((plain.into(), at + OPT))
}

impl Default for Replies {
    fn default() -> Replies {
        Replies::new()
    }
}

const RD: u8 = 0x01;
const TC: u8 = 0x02;
const AD: u8 = 0x20;
const CD: u8 = 0x10;

impl Key {
    /// `None` where nobody else is asked.
    fn of(usual: &Usual<'_>) -> Option<Key> {
        if usual.header[2] & RD == 0 {
            return None;
        }
        let name = usual.path.wire();
        let mut key = Key { bytes: [0; KEY], len: name.len() + 3 };
        key.bytes[..name.len()].copy_from_slice(name);
        let edns = usual.opt.map_or(0, |opt| 1 | u8::from(opt.dnssec_ok) << 1);
        let [high, low] = usual.qtype.0.to_be_bytes();
        let asked = edns | usual.header[3] & (AD | CD);
        key.bytes[name.len()..key.len].copy_from_slice(&[high, low, asked]);
        Some(key)
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::{super::path::Path, *};

    fn query(name: &[u8], flags: [u8; 2], opt: &[u8]) -> Vec<u8> {
        let head = [7, 8, flags[0], flags[1], 0, 1, 0, 0, 0, 0, 0, u8::from(!opt.is_empty())];
        [&head[..], name, &[0, 1, 0, 1], opt].concat()
    }

    /// An answer to a query: the same with QR and a record before the OPT.
    fn reply(query: &[u8]) -> Vec<u8> {
        let (question, opt) = query.split_at(HEADER + 13);
        let record = &[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 1];
        let mut reply = [question, record, opt].concat();
        (reply[2], reply[7]) = (reply[2] | 0x80, 1);
        reply
    }

    fn find(replies: &Replies, query: &[u8], now: u64) -> Option<Vec<u8>> {
        find_with(replies, query, None, now)
    }

    /// What is given to who gets this cookie.
    fn find_with(
        replies: &Replies,
        query: &[u8],
        cookie: Option<[u8; 24]>,
        now: u64,
    ) -> Option<Vec<u8>> {
        let (mut path, mut room) = (Path::ROOT, [0; 1232]);
        let mut usual = Usual::read(query, &mut path)?;
        if let (Some(cookie), Some(opt)) = (cookie, &mut usual.opt) {
            opt.give(&cookie);
        }
        replies.find(&usual, now, &mut room).map(|written| room[..written.len].to_vec())
    }

    fn keep(replies: &mut Replies, query: &[u8], wire: &[u8], now: u64) {
        let mut path = Path::ROOT;
        replies.keep(&Usual::read(query, &mut path).unwrap(), wire, now);
    }

    const OPT: [u8; 11] = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
    const RD_ONLY: [u8; 2] = [RD, 0];

    #[test]
    fn an_answer_is_given_again_for_a_second_with_the_clients_own_letters_and_id() {
        let mut replies = Replies::new();
        let asked = query(b"\x03www\x03org\0", RD_ONLY, &[]);
        keep(&mut replies, &asked, &reply(&asked), 5);
        let mut other = query(b"\x03wWw\x03ORG\0", RD_ONLY, &[]);
        other[0] = 99;
        assert_eq!(find(&replies, &other, 6), Some(reply(&other)));
        let end = 5 + DNS_REPLIES_HELD.as_micros() as u64;
        assert_eq!(find(&replies, &other, end - 1), Some(reply(&other)));
        assert_eq!(find(&replies, &other, end), None);
        replies.set_epoch(1);
        assert_eq!(find(&replies, &other, 6), None);
    }

    #[test]
    fn another_question_gets_none() {
        let mut replies = Replies::new();
        let name = b"\x03www\x03org\0";
        let asked = query(name, RD_ONLY, &OPT);
        keep(&mut replies, &asked, &reply(&asked), 0);
        let check = |query: Vec<u8>, expect: bool| {
            assert_eq!(find(&replies, &query, 1).is_some(), expect, "{query:02x?}");
        };
        let with = |at: usize, octet: u8| {
            let mut opt = OPT;
            opt[at] = octet;
            query(name, RD_ONLY, &opt)
        };
        check(asked.clone(), true);
        check(query(name, RD_ONLY, &[]), false);
        check(with(7, 0x80), false);
        check(query(name, [0, 0], &OPT), false);
        check(query(name, [RD, AD], &OPT), false);
        check(query(name, [RD, CD], &OPT), false);
        check(query(b"\x03wwx\x03org\0", RD_ONLY, &OPT), false);
        let mut aaaa = asked.clone();
        aaaa[22] = 28;
        check(aaaa, false);
    }

    #[test]
    fn what_is_cut_or_long_is_not_kept_and_what_does_not_fit_not_given() {
        let mut replies = Replies::new();
        let asked = query(b"\x03www\x03org\0", RD_ONLY, &[]);
        let mut cut = reply(&asked);
        cut[2] |= TC;
        keep(&mut replies, &asked, &cut, 0);
        keep(&mut replies, &asked, &vec![0x80; DNS_REPLY_BYTES_MAX + 1], 0);
        keep(&mut replies, &asked, &[0x80; 12], 0);
        assert_eq!(find(&replies, &asked, 1), None);
        let mut long = reply(&asked);
        long.resize(513, 0);
        keep(&mut replies, &asked, &long, 0);
        assert_eq!(find(&replies, &asked, 1), None);
        // The longest place is taken by the next.
        keep(&mut replies, &asked, &reply(&asked), 2);
        assert!(find(&replies, &asked, 3).is_some());
    }

    /// An OPT for so many octets with these options.
    fn opt(payload: u16, options: &[u8]) -> Vec<u8> {
        let len = (options.len() as u16).to_be_bytes();
        [&[0, 0, 41][..], &payload.to_be_bytes(), &[0; 4], &len, options].concat()
    }

    fn cookie(data: &[u8]) -> Vec<u8> {
        [&[0, 10, 0, data.len() as u8], data].concat()
    }

    #[test]
    fn nobody_gets_the_cookie_of_somebody_else() {
        let name = b"\x03www\x03org\0";
        // An extended error comes after the cookie, in the answer as it was made and in those given again.
        for error in [&[][..], &[0, 15, 0, 4, 0, 3, b'o', b'k']] {
            let answer = |options: &[u8]| {
                reply(&query(name, RD_ONLY, &opt(1232, &[options, error].concat())))
            };
            let plain = query(name, RD_ONLY, &OPT);
            let with = query(name, RD_ONLY, &opt(1232, &cookie(&[1; 8])));
            for (asked, first) in [(&plain, vec![]), (&with, cookie(&[1; 24]))] {
                let mut replies = Replies::new();
                keep(&mut replies, asked, &answer(&first), 0);
                assert_eq!(find(&replies, &plain, 1), Some(answer(&[])));
                let given = find_with(&replies, &with, Some([2; 24]), 1);
                assert_eq!(given, Some(answer(&cookie(&[2; 24]))));
                // Where nobody makes cookies.
                assert_eq!(find(&replies, &with, 1), Some(answer(&[])));
            }
        }
    }

    #[test]
    fn an_answer_is_given_again_where_it_fits_with_the_cookie() {
        let name = b"\x03www\x03org\0";
        let long = |len: usize| {
            let rest = (len - HEADER - 13 - 12 - OPT.len()) as u16;
            let data = vec![7; rest.into()];
            let record = [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9][..], &rest.to_be_bytes(), &data];
            let mut wire = [&query(name, RD_ONLY, &[])[..], &record.concat(), &OPT].concat();
            (wire[2], wire[7], wire[11]) = (0x81, 1, 1);
            wire
        };
        let asked = query(name, RD_ONLY, &opt(512, &cookie(&[1; 8])));
        let check = |len: usize, given: Option<[u8; 24]>, expect: bool| {
            let mut replies = Replies::new();
            assert_eq!(long(len).len(), len);
            keep(&mut replies, &asked, &long(len), 0);
            let found = find_with(&replies, &asked, given, 1);
            assert_eq!(found.is_some(), expect, "{len}");
        };
        check(512, None, true);
        check(513, None, false);
        check(484, Some([1; 24]), true);
        check(485, Some([1; 24]), false);
    }

    #[test]
    fn what_does_not_end_with_its_opt_is_not_kept() {
        let mut replies = Replies::new();
        let asked = query(b"\x03www\x03org\0", RD_ONLY, &OPT);
        let check = |replies: &mut Replies, wire: &[u8]| {
            keep(replies, &asked, wire, 0);
            assert_eq!(find(replies, &asked, 1), None, "{wire:02x?}");
        };
        let whole = reply(&asked);
        check(&mut replies, &[&whole[..], &[0]].concat());
        check(&mut replies, &whole[..whole.len() - 1]);
        check(&mut replies, &whole[..HEADER + 13]);
        let mut other = whole.clone();
        other[11] = 0;
        check(&mut replies, &other);
        keep(&mut replies, &asked, &whole, 0);
        assert!(find(&replies, &asked, 1).is_some());
    }
}
