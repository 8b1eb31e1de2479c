//! Transaction signatures (TSIG, RFC 8945): a secret that both sides have shows who sent a message, that
//! nobody changed it, and that it is of now.
//!
//! Pure: bytes and the time, in seconds since 1970, are handed in. What a signed message asks, and who may
//! ask it, is not known here.

use std::{fmt, str::FromStr, sync::Arc};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use crate::{
    dns::path::{Path, name_len},
    limits::{NAME_BYTES_MAX, TSIG_FUDGE, TSIG_SECRET_BYTES_MAX, TSIG_SECRET_BYTES_MIN},
    page::{name::Name, record::RecordType},
};

/// How a MAC is made (RFC 8945 section 6). Older ones are not spoken: SHA-1 and MD5 are no longer trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    #[default]
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    /// All of them, each with its name.
    const ALL: [(Algorithm, &str, &[u8]); 3] = [
        (Algorithm::Sha256, "hmac-sha256", b"\x0bhmac-sha256\0"),
        (Algorithm::Sha384, "hmac-sha384", b"\x0bhmac-sha384\0"),
        (Algorithm::Sha512, "hmac-sha512", b"\x0bhmac-sha512\0"),
    ];

    fn row(self) -> (&'static str, &'static [u8]) {
        let row = Algorithm::ALL.iter().find(|(algorithm, ..)| *algorithm == self);
        row.map_or(("", &[]), |(_, text, wire)| (text, wire))
    }

    /// Octets of a whole MAC.
    fn octets(self) -> usize {
        match self {
            Algorithm::Sha256 => 32,
            Algorithm::Sha384 => 48,
            Algorithm::Sha512 => 64,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().0)
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Algorithm, String> {
        let row = Algorithm::ALL.iter().find(|(_, name, _)| name.eq_ignore_ascii_case(text));
        row.map(|(algorithm, ..)| *algorithm).ok_or_else(|| {
            format!(
                "`{text}` is no algorithm of signatures: there are hmac-sha256, hmac-sha384 and \
                 hmac-sha512"
            )
        })
    }
}

/// A secret that this node and its mirrors share, and what both call it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    name: Name,
    algorithm: Algorithm,
    secret: Zeroizing<Vec<u8>>,
}

/// Why a secret is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret has {TSIG_SECRET_BYTES_MIN} to {TSIG_SECRET_BYTES_MAX} octets, and this one has {0}"
)]
pub struct SecretRefusal(usize);

impl Key {
    /// The key with this name.
    ///
    /// # Errors
    /// [`SecretRefusal`] where it has fewer octets than are safe, or more than make it safer.
    pub fn new(name: Name, algorithm: Algorithm, secret: &[u8]) -> Result<Key, SecretRefusal> {
        match (TSIG_SECRET_BYTES_MIN..=TSIG_SECRET_BYTES_MAX).contains(&secret.len()) {
            true => Ok(Key { name, algorithm, secret: secret.to_vec().into() }),
            false => Err(SecretRefusal(secret.len())),
        }
    }

    /// What both sides call it.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The same as people write it.
    pub fn called(&self) -> String {
        called(self.name.wire())
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn mac(&self, parts: &[&[u8]]) -> Vec<u8> {
        match self.algorithm {
            Algorithm::Sha256 => mac::<Hmac<Sha256>>(&self.secret, parts),
            Algorithm::Sha384 => mac::<Hmac<Sha384>>(&self.secret, parts),
            Algorithm::Sha512 => mac::<Hmac<Sha512>>(&self.secret, parts),
        }
    }
}

/// Without the secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, {})", self.name, self.algorithm)
    }
}

fn mac<M: Mac + KeyInit>(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // HMAC takes a secret of any length.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(secret) else { return Vec::new() };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// Whether octets are the same, in a time that does not say where they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    let differs = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && differs == 0
}

/// What a TSIG record says (RFC 8945 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The key's name, lower-case wire form.
    key: Vec<u8>,
    /// The algorithm's name, lower-case wire form.
    algorithm: Vec<u8>,
    /// Seconds since 1970, of which 48 bits are sent.
    time: u64,
    /// Seconds.
    fudge: u16,
    mac: Vec<u8>,
    /// The id that the message had when it was signed.
    id: u16,
    pub error: u16,
    pub other: Vec<u8>,
}

/// A message whose signature was taken off, and that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The message as it was before it was signed.
    pub message: Vec<u8>,
    pub record: Record,
}

/// A message whose records do not end where they should, or whose signature is not the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message is malformed, or its signature is not its last record")]
pub struct Malformed;

/// What is wrong with a signature, by the number that says so (RFC 8945 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("its MAC is of no length that a MAC has")]
    Form,
    #[error("the signature is not right: the secrets differ, or somebody changed the message")]
    BadSignature = 16,
    #[error("no key of this name and algorithm is here")]
    BadKey = 17,
    #[error("it was signed at another time than now: one of the two clocks is wrong")]
    BadTime = 18,
    #[error("its MAC is cut shorter than is taken here")]
    BadTruncation = 22,
}

const HEADER: usize = 12;
const ARCOUNT: usize = 10;
/// The class of a TSIG record.
const ANY: u16 = 255;
/// Octets of a TSIG record beside names, MAC and other data.
const FIXED: usize = 10 + 16;

/// Takes the signature off a message; none: it has none.
///
/// # Errors
/// [`Malformed`].
pub fn take(message: &[u8]) -> Result<Option<Signed>, Malformed> {
    read(message).ok_or(Malformed)
}

fn read(message: &[u8]) -> Option<Option<Signed>> {
    let header = message.first_chunk::<HEADER>()?;
    let count = |at: usize| u32::from(u16::from_be_bytes([header[at], header[at + 1]]));
    let mut at = HEADER;
    for _ in 0..count(4) {
        at = skip_name(message, at)? + 4;
    }
    let records = count(6) + count(8) + count(ARCOUNT);
    for n in 0..records {
        let begin = at;
        let fixed = skip_name(message, at)?;
        let head = message.get(fixed..fixed + 10)?;
        let (rtype, class) = (be16(head, 0), be16(head, 2));
        let data = fixed + 10;
        at = data + usize::from(be16(head, 8));
        let rdata = message.get(data..at)?;
        if RecordType(rtype) == RecordType::TSIG {
            let is_last = n + 1 == records && count(ARCOUNT) > 0 && at == message.len();
            let record = (is_last && class == ANY).then(|| record(message, begin, rdata))??;
            let mut plain = message[..begin].to_vec();
            let left = (count(ARCOUNT) - 1) as u16;
            plain[ARCOUNT..HEADER].copy_from_slice(&left.to_be_bytes());
            return Some(Some(Signed { message: plain, record }));
        }
    }
    (at == message.len()).then_some(None)
}

fn record(message: &[u8], owner: usize, rdata: &[u8]) -> Option<Record> {
    let key = expand(message, owner)?;
    let (algorithm, rest) = rdata.split_at_checked(name_len(rdata)?)?;
    let algorithm = Path::read(algorithm)?.wire().to_vec();
    let (head, rest) = rest.split_first_chunk::<10>()?;
    let time = head[..6].iter().fold(0, |time, octet| time << 8 | u64::from(*octet));
    let (mac, rest) = rest.split_at_checked(usize::from(be16(head, 8)))?;
    let (tail, other) = rest.split_first_chunk::<6>()?;
    (other.len() == usize::from(be16(tail, 4))).then(|| Record {
        key,
        algorithm,
        time,
        fudge: be16(head, 6),
        mac: mac.to_vec(),
        id: be16(tail, 0),
        error: be16(tail, 2),
        other: other.to_vec(),
    })
}

/// Where a name ends that may end in a pointer.
pub fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match usize::from(*message.get(at)?) {
            0 => return Some(at + 1),
            len if len >= 0xc0 => return Some(at + 2),
            len if len > 63 => return None,
            len => at += 1 + len,
        }
    }
}

/// The name at a place of a message, lower-case, written out. A pointer leads back, as that of any name
/// does, so that none goes in a circle.
fn expand(message: &[u8], mut at: usize) -> Option<Vec<u8>> {
    let mut name = Vec::new();
    let mut before = at;
    while name.len() < NAME_BYTES_MAX {
        match usize::from(*message.get(at)?) {
            0 => {
                name.push(0);
                return Path::read(&name).map(|path| path.wire().to_vec());
            }
            len if len >= 0xc0 => {
                at = (len & 0x3f) << 8 | usize::from(*message.get(at + 1)?);
                if at >= before {
                    return None;
                }
                before = at;
            }
            len if len > 63 => return None,
            len => {
                name.extend_from_slice(message.get(at..at + 1 + len)?);
                at += 1 + len;
            }
        }
    }
    None
}

/// A name of a key or an algorithm, as people write it: without the dot of the root.
fn called(wire: &[u8]) -> String {
    let name = Name::from_wire(wire).map(|name| name.to_string());
    name.map_or_else(|_| "?".into(), |name| name.strip_suffix('.').unwrap_or(&name).to_owned())
}

/// The id of a message.
fn id(message: &[u8]) -> u16 {
    message.first_chunk().map_or(0, |id| u16::from_be_bytes(*id))
}

fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

impl Record {
    /// Whether this is the name and the algorithm of a key.
    fn is_of(&self, key: &Key) -> bool {
        self.key == key.name.wire() && self.algorithm == key.algorithm.row().1
    }

    /// What is signed beside the message (RFC 8945 section 4.3.3).
    fn variables(&self) -> Vec<u8> {
        let mut bytes = self.key.clone();
        bytes.extend_from_slice(&ANY.to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.algorithm);
        bytes.extend_from_slice(&self.timers());
        bytes.extend_from_slice(&self.error.to_be_bytes());
        bytes.extend_from_slice(&(self.other.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&self.other);
        bytes
    }

    /// What is signed of a message that is not the first of an answer (RFC 8945 section 5.3.1).
    fn timers(&self) -> [u8; 8] {
        let mut timers = [0; 8];
        timers[..6].copy_from_slice(&self.time.to_be_bytes()[2..]);
        timers[6..].copy_from_slice(&self.fudge.to_be_bytes());
        timers
    }

    /// Appends the record to a message.
    fn push(&self, message: &mut Vec<u8>) {
        if message.len() < HEADER {
            return;
        }
        let data = self.algorithm.len() + 16 + self.mac.len() + self.other.len();
        message.extend_from_slice(&self.key);
        message.extend_from_slice(&RecordType::TSIG.0.to_be_bytes());
        message.extend_from_slice(&ANY.to_be_bytes());
        message.extend_from_slice(&[0; 4]);
        message.extend_from_slice(&(data as u16).to_be_bytes());
        message.extend_from_slice(&self.algorithm);
        message.extend_from_slice(&self.timers());
        message.extend_from_slice(&(self.mac.len() as u16).to_be_bytes());
        message.extend_from_slice(&self.mac);
        message.extend_from_slice(&self.id.to_be_bytes());
        message.extend_from_slice(&self.error.to_be_bytes());
        message.extend_from_slice(&(self.other.len() as u16).to_be_bytes());
        message.extend_from_slice(&self.other);
        let count = be16(message, ARCOUNT).saturating_add(1);
        message[ARCOUNT..HEADER].copy_from_slice(&count.to_be_bytes());
    }
}

impl Signed {
    /// Whether this key signed it, within the time that the sender allows; `asked` is the MAC of the
    /// request that it answers, and empty where it is one.
    ///
    /// # Errors
    /// The first [`Fault`], in the order of RFC 8945 section 5.2.
    pub fn check(&self, key: &Key, asked: &[u8], now: u64) -> Result<(), Fault> {
        let Record { mac, time, fudge, id, .. } = &self.record;
        if !self.record.is_of(key) {
            return Err(Fault::BadKey);
        }
        let whole = key.algorithm.octets();
        if mac.len() > whole || mac.len() < (whole / 2).max(10) {
            return Err(Fault::Form);
        }
        // A server in between may have given it another id.
        let (id, rest) = (id.to_be_bytes(), self.message.get(2..).unwrap_or_default());
        let expect = match asked {
            [] => key.mac(&[&id, rest, &self.record.variables()]),
            asked => {
                let len = (asked.len() as u16).to_be_bytes();
                key.mac(&[&len, asked, &id, rest, &self.record.variables()])
            }
        };
        if !same(&expect[..mac.len().min(expect.len())], mac) {
            return Err(Fault::BadSignature);
        }
        if time.abs_diff(now) > u64::from(*fudge) {
            return Err(Fault::BadTime);
        }
        if mac.len() < whole {
            return Err(Fault::BadTruncation);
        }
        Ok(())
    }

    /// Whether it says that it is by a key of this name.
    pub fn names(&self, key: &Key) -> bool {
        self.record.key == key.name.wire()
    }

    /// What it says that the key is called.
    pub fn key(&self) -> String {
        called(&self.record.key)
    }

    /// What it says that the algorithm is called.
    pub fn algorithm(&self) -> String {
        called(&self.record.algorithm)
    }

    /// Seconds by which the clock of who signed it is ahead of this one.
    pub fn ahead(&self, now: u64) -> i64 {
        self.record.time.cast_signed().saturating_sub(now.cast_signed())
    }

    /// Octets by which an answer that says what is wrong becomes longer, at most.
    pub fn octets(&self) -> usize {
        let Record { key, algorithm, mac, .. } = &self.record;
        key.len() + algorithm.len() + FIXED + mac.len().max(64) + 6
    }

    /// What signs the answer.
    pub fn signer(&self, key: Arc<Key>) -> Signer {
        Signer { key, before: self.record.mac.clone(), is_first: true }
    }

    /// Says in the answer what is wrong with the signature of the request: signed where the key is known
    /// to both (RFC 8945 section 5.3.2).
    pub fn refuse(&self, fault: Fault, key: &Key, now: u64, message: &mut Vec<u8>) {
        let (error, id) = (fault as u16, id(message));
        let record = Record { error, id, ..self.record.clone() };
        match fault {
            Fault::Form => {}
            Fault::BadKey | Fault::BadSignature => {
                Record { mac: Vec::new(), other: Vec::new(), ..record }.push(message);
            }
            Fault::BadTime | Fault::BadTruncation => {
                let other = match fault {
                    Fault::BadTime => now.to_be_bytes()[2..].to_vec(),
                    _ => Vec::new(),
                };
                let time = if fault == Fault::BadTime { record.time } else { now };
                let mut record = Record { other, time, ..record };
                let len = (self.record.mac.len() as u16).to_be_bytes();
                let parts = [&len, &self.record.mac[..], message, &record.variables()];
                record.mac = key.mac(&parts);
                record.push(message);
            }
        }
    }
}

/// Signs the messages of one answer, one after the other.
#[derive(Clone, Debug)]
pub struct Signer {
    key: Arc<Key>,
    /// The MAC of the message before: first that of the request.
    before: Vec<u8>,
    is_first: bool,
}

impl Signer {
    /// What signs a request.
    pub fn of_request(key: Arc<Key>) -> Signer {
        Signer { key, before: Vec::new(), is_first: true }
    }

    /// Octets by which a message becomes longer.
    pub fn octets(&self) -> usize {
        let Key { name, algorithm, .. } = &*self.key;
        name.wire().len() + algorithm.row().1.len() + FIXED + algorithm.octets()
    }

    /// Signs the next message; returns the MAC.
    pub fn sign(&mut self, message: &mut Vec<u8>, now: u64) -> &[u8] {
        let mut record = Record {
            key: self.key.name.wire().to_vec(),
            algorithm: self.key.algorithm.row().1.to_vec(),
            time: now,
            fudge: TSIG_FUDGE.as_secs() as u16,
            mac: Vec::new(),
            id: id(message),
            error: 0,
            other: Vec::new(),
        };
        let len = (self.before.len() as u16).to_be_bytes();
        let before: [&[u8]; 2] = match self.before.is_empty() {
            true => [&[], &[]],
            false => [&len, &self.before],
        };
        let rest = if self.is_first { record.variables() } else { record.timers().to_vec() };
        record.mac = self.key.mac(&[before[0], before[1], message, &rest]);
        record.push(message);
        (self.before, self.is_first) = (record.mac, false);
        &self.before
    }
}

#[cfg(test)]
mod tests;
