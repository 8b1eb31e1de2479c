//! NOTIFY (RFC 1996): mirrors are told of a new seal, again and again until they answer or are given up.
//!
//! Pure: messages, and the time in milliseconds of any clock that only goes forward, are handed in; what
//! is to be sent comes out. Who is told, and by which key, is the caller's business.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use super::{
    records::top,
    tsig::{self, Key, Signer},
};
use crate::{
    dns::Rcode,
    limits::{NOTIFY_FIRST_WAIT, NOTIFY_PENDING_MAX, NOTIFY_TRIES_MAX},
    page::{name::Name, record::RecordType},
};

/// What mirrors were not told yet, or did not answer.
#[derive(Default)]
pub struct Notifier {
    pending: BTreeMap<(SocketAddr, Name), Pending>,
}

struct Pending {
    id: u16,
    serial: u32,
    /// How often it was sent.
    tries: u32,
    /// When it is sent again.
    due: u64,
    /// Of what was sent last.
    mac: Vec<u8>,
    /// The last time that was answered without a right signature, and how many were.
    unsigned: (u32, u32),
}

/// What came of a message that somebody sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// It answers nothing that was asked.
    Nothing,
    /// It may be what this mirror says of this page, and nobody knows: it is not signed as it should be.
    Unsigned(Name, Unsigned),
    /// This mirror was told of this page, and said this.
    Answered(Name, Rcode),
}

/// An answer without the right signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsigned {
    pub rcode: Rcode,
    /// What the signature says that is wrong; none: there is no signature.
    pub error: Option<u16>,
    /// How many times the mirror was told of the page and this came, or something like it.
    pub times: u32,
}

/// What goes where.
pub type Messages = Vec<(SocketAddr, Vec<u8>)>;

const HEADER: usize = 12;
/// QR, opcode NOTIFY and AA, in the third octet of a message (RFC 1996 section 3.3).
const NOTIFY: u8 = 4 << 3;
const AA: u8 = 0x04;
const QR: u8 = 0x80;

impl Notifier {
    /// A page has a new seal: this mirror is to be told at once. False where too many wait already: it
    /// is not told.
    pub fn begin(&mut self, mirror: SocketAddr, page: &Name, serial: u32, now: u64) -> bool {
        let key = (mirror, page.clone());
        if self.pending.len() >= NOTIFY_PENDING_MAX && !self.pending.contains_key(&key) {
            return false;
        }
        let pending =
            Pending { id: 0, serial, tries: 0, due: now, mac: Vec::new(), unsigned: (0, 0) };
        self.pending.insert(key, pending);
        true
    }

    /// Whether this mirror has something to answer yet.
    pub fn waits_for(&self, mirror: SocketAddr) -> bool {
        let mut of_it = self.pending.range((mirror, Name::root())..);
        of_it.next().is_some_and(|((one, _), _)| *one == mirror)
    }

    /// This mirror has answered of this page, as far as it will.
    pub fn end(&mut self, mirror: SocketAddr, page: &Name) {
        self.pending.remove(&(mirror, page.clone()));
    }

    /// Nobody is to be told of this page any more.
    pub fn forget(&mut self, page: &Name) {
        self.pending.retain(|(_, one), _| one != page);
    }

    /// Nobody is to be told of anything any more.
    pub fn clear(&mut self) {
        self.pending.clear();
    }

    /// When there is something to send; none: nothing is.
    pub fn next(&self) -> Option<u64> {
        self.pending.values().map(|pending| pending.due).min()
    }

    /// What is to be sent now, signed. Whoever was silent for too long is given up.
    pub fn due(&mut self, now: u64, seconds: u64, key: &Arc<Key>, id: fn() -> u16) -> Messages {
        let is_silent = |pending: &Pending| pending.due <= now && pending.tries == NOTIFY_TRIES_MAX;
        let mut messages = Vec::new();
        self.pending.retain(|_, pending| !is_silent(pending));
        let due = self.pending.iter_mut().filter(|(_, pending)| pending.due <= now);
        for ((mirror, page), pending) in due {
            pending.id = id();
            let mut message = message(page, pending.serial, pending.id);
            let mut signer = Signer::of_request(key.clone());
            pending.mac = signer.sign(&mut message, seconds).to_vec();
            pending.due = now + ((NOTIFY_FIRST_WAIT.as_millis() as u64) << pending.tries);
            pending.tries += 1;
            messages.push((*mirror, message));
        }
        messages
    }

    /// A message came from there.
    pub fn heard(&mut self, from: SocketAddr, message: &[u8], seconds: u64, key: &Key) -> Heard {
        let Some(header) = message.first_chunk::<HEADER>() else { return Heard::Nothing };
        let id = u16::from_be_bytes([header[0], header[1]]);
        let is_answer = header[2] & (QR | 0x78) == QR | NOTIFY;
        let sent = self.pending.iter();
        let asked = sent.filter(|((mirror, _), pending)| *mirror == from && pending.tries > 0);
        let asked = asked.filter(|(_, pending)| pending.id == id).map(|(place, _)| place.clone());
        let Some(place) = asked.into_iter().next().filter(|_| is_answer) else {
            return Heard::Nothing;
        };
        let Some(pending) = self.pending.get_mut(&place) else { return Heard::Nothing };
        // Whoever does not know the key cannot sign its refusal, and anybody can say that: it is asked
        // again.
        let rcode = Rcode(u16::from(header[3] & 0x0f));
        let signed = tsig::take(message).ok().flatten();
        // What is wrong with the clock is signed (RFC 8945 section 5.2.3).
        let is_good = |one: &tsig::Signed| {
            one.record.error == 0 && one.check(key, &pending.mac, seconds).is_ok()
        };
        if !signed.as_ref().is_some_and(is_good) {
            let (last, times) = pending.unsigned;
            let times = times + u32::from(last < pending.tries);
            pending.unsigned = (pending.tries, times);
            let error = signed.map(|signed| signed.record.error);
            return Heard::Unsigned(place.1, Unsigned { rcode, error, times });
        }
        self.pending.remove(&place);
        Heard::Answered(place.1, rcode)
    }
}

/// A NOTIFY before it is signed: the question, and as a hint the new SOA (RFC 1996 section 3.7).
fn message(page: &Name, serial: u32, id: u16) -> Vec<u8> {
    let [soa, _] = top(serial);
    let [high, low] = id.to_be_bytes();
    let mut message = vec![high, low, NOTIFY | AA, 0, 0, 1, 0, 1, 0, 0, 0, 0];
    message.extend_from_slice(page.wire());
    message.extend_from_slice(&RecordType::SOA.0.to_be_bytes());
    message.extend_from_slice(&[0, 1, 0xc0, HEADER as u8]);
    message.extend_from_slice(&RecordType::SOA.0.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message.extend_from_slice(&soa.ttl.to_be_bytes());
    message.extend_from_slice(&(soa.rdata.len() as u16).to_be_bytes());
    message.extend_from_slice(&soa.rdata);
    message
}

#[cfg(test)]
mod tests {
    use super::{super::tsig::Algorithm, *};

    fn key() -> Arc<Key> {
        let name = Name::parse("mirror").unwrap();
        Arc::new(Key::new(name, Algorithm::Sha256, &[7; 32]).unwrap())
    }

    fn answer(message: &[u8], key: Arc<Key>, rcode: u8) -> Vec<u8> {
        let asked = tsig::take(message).unwrap().unwrap();
        let mut answer = asked.message.clone();
        answer[2] |= QR;
        answer[3] = rcode;
        asked.signer(key).sign(&mut answer, 100);
        answer
    }

    const MIRROR: &str = "127.0.0.1:5301";

    /// A mirror that never answers is told after 1, 2, 4 ... seconds, and given up.
    #[test]
    fn a_silent_mirror_is_told_less_and_less_often_and_given_up() {
        let mut notifier = Notifier::default();
        let page = Name::parse("ct").unwrap();
        notifier.begin(MIRROR.parse().unwrap(), &page, 7, 1000);
        let (mut now, mut waits) = (1000, Vec::new());
        loop {
            if notifier.due(now, 100, &key(), || 9).is_empty() {
                break;
            }
            assert!(notifier.waits_for(MIRROR.parse().unwrap()));
            let next = notifier.next().unwrap();
            assert!(notifier.due(next - 1, 100, &key(), || 9).is_empty());
            waits.push((next - now) / 1000);
            now = next;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32]);
        assert!(!notifier.waits_for(MIRROR.parse().unwrap()));
        assert_eq!(notifier.next(), None);
    }

    #[test]
    fn an_answer_that_is_signed_ends_it_and_no_other() {
        let mut notifier = Notifier::default();
        let (page, mirror) = (Name::parse("ct").unwrap(), MIRROR.parse().unwrap());
        notifier.begin(mirror, &page, 7, 0);
        let sent = notifier.due(0, 100, &key(), || 9);
        let message = &sent[0].1;
        let read = tsig::take(message).unwrap().unwrap();
        assert_eq!(read.check(&key(), &[], 100), Ok(()));
        let good = answer(message, key(), 0);
        let strange = Arc::new(Key::new(Name::root(), Algorithm::Sha256, &[8; 32]).unwrap());
        let other: SocketAddr = "127.0.0.1:9".parse().unwrap();
        let mut check = |from, bytes: &[u8], expect: Heard| {
            assert_eq!(notifier.heard(from, bytes, 100, &key()), expect);
        };
        check(mirror, &[], Heard::Nothing);
        check(mirror, message, Heard::Nothing);
        check(other, &good, Heard::Nothing);
        let unsigned = |error| {
            Heard::Unsigned(page.clone(), Unsigned { rcode: Rcode::NOERROR, error, times: 1 })
        };
        check(mirror, &answer(message, strange, 0), unsigned(Some(0)));
        check(mirror, &good[..good.len() - 60], unsigned(None));
        check(mirror, &answer(message, key(), 5), Heard::Answered(page.clone(), Rcode::REFUSED));
        check(mirror, &good, Heard::Nothing);
        assert_eq!(notifier.next(), None);
    }

    #[test]
    fn a_newer_seal_takes_the_place_of_the_one_before() {
        let mut notifier = Notifier::default();
        let (page, mirror) = (Name::parse("ct").unwrap(), MIRROR.parse().unwrap());
        notifier.begin(mirror, &page, 7, 0);
        notifier.due(0, 100, &key(), || 9);
        notifier.begin(mirror, &page, 8, 10);
        let sent = notifier.due(10, 100, &key(), || 10);
        assert_eq!(sent.len(), 1);
        let serial = sent[0].1.windows(4).any(|octets| octets == 8u32.to_be_bytes());
        assert!(serial);
    }

    #[test]
    fn so_much_is_waited_for_and_no_more() {
        let mut notifier = Notifier::default();
        let page = Name::parse("ct").unwrap();
        for port in 0..=NOTIFY_PENDING_MAX as u32 {
            let address = SocketAddr::new([127, 0, (port >> 16) as u8, 1].into(), port as u16);
            notifier.begin(address, &page, 1, 0);
        }
        assert_eq!(notifier.pending.len(), NOTIFY_PENDING_MAX);
    }
}
