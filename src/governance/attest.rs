//! Attestations: a node's signed "this is the newest seal that I know, now" (T6).
//!
//! What is here is well formed and truly signed. Whether any seat names the node, and what all of
//! them say together, is [`super::field`]'s.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::envelope::{self, Envelope};
use crate::{
    id::{Id, Kind},
    key::{KeyRefusal, PublicKey, RawKey, SecretKey, WrongSignature},
    limits::{ATTESTATION_BYTES_MAX, ENVELOPE_BYTES},
    page::{
        Head,
        codec::{self, CodecRefusal},
    },
};

/// What a node signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Attesting {
    node: RawKey,
    height: u64,
    /// The id of the seal at this height; at height 0 the page id.
    seal: Id,
    /// Seconds since 1970 (UTC), by the node's clock.
    time: u64,
}

/// A well-formed, truly signed attestation. Cloning one costs nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    id: Id,
    page: Id,
    node: PublicKey,
    said: Attesting,
    bytes: Vec<u8>,
}

/// Why bytes are no attestation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttestationRefusal {
    #[error("the attestation's encoding: {0}")]
    Codec(#[from] CodecRefusal),
    #[error("kind {0} is no attestation")]
    OtherKind(u8),
    #[error("the node's key: {0}")]
    Key(#[from] KeyRefusal),
    #[error(transparent)]
    Signature(#[from] WrongSignature),
}

impl Attestation {
    /// Signs that `head` is the newest seal of the page that this node knows at `time`, in seconds
    /// since 1970.
    pub fn sign(key: &SecretKey, page: &Id, head: &Head, time: u64) -> Attestation {
        let node = key.public();
        let said = Attesting { node: node.raw(), height: head.height, seal: head.seal, time };
        let body = codec::encode(&said);
        let id = Id::of(Kind::Attestation, &body);
        let bytes = envelope::sign(Kind::Attestation, page, body, key);
        Attestation(Arc::new(Inner { id, page: *page, node, said, bytes }))
    }

    /// The door: one strict encoding, within limits, signed by the node that it names.
    ///
    /// # Errors
    /// The first [`AttestationRefusal`] found.
    pub fn admit(bytes: &[u8]) -> Result<Attestation, AttestationRefusal> {
        let (attestation, envelope) = Attestation::read(bytes)?;
        envelope.verify(Kind::Attestation, &attestation.node())?;
        Ok(attestation)
    }

    /// Everything but the signature.
    fn read(bytes: &[u8]) -> Result<(Attestation, Envelope), AttestationRefusal> {
        let envelope = Envelope::decode(bytes, ATTESTATION_BYTES_MAX + ENVELOPE_BYTES)?;
        if envelope.kind != Kind::Attestation as u8 {
            return Err(AttestationRefusal::OtherKind(envelope.kind));
        }
        let said: Attesting = codec::decode(&envelope.body.0, ATTESTATION_BYTES_MAX)?;
        let (node, id) = (PublicKey::admit(said.node)?, envelope.id(Kind::Attestation));
        let inner = Inner { id, page: envelope.page, node, said, bytes: bytes.to_vec() };
        Ok((Attestation(Arc::new(inner)), envelope))
    }

    /// Its id (P3).
    pub fn id(&self) -> Id {
        self.0.id
    }

    /// The page that it is about.
    pub fn page(&self) -> Id {
        self.0.page
    }

    /// Who says so.
    pub fn node(&self) -> PublicKey {
        self.0.node
    }

    /// The height of the seal that it names.
    pub fn height(&self) -> u64 {
        self.0.said.height
    }

    /// The seal that it names.
    pub fn seal(&self) -> Id {
        self.0.said.seal
    }

    /// When it was said: seconds since 1970, by the node's clock.
    pub fn time(&self) -> u64 {
        self.0.said.time
    }

    /// The bytes that were received, and are handed on.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// Whether these cannot both be true: one node, one time, and two seals.
    pub fn contradicts(&self, other: &Attestation) -> bool {
        let place = |a: &Attestation| (a.node(), a.page(), a.time());
        place(self) == place(other) && self.id() != other.id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SecretKey {
        SecretKey::from_seed(&[7; 32])
    }

    fn head() -> Head {
        Head { height: 3, seal: Id::hash(&[b"seal"]), time: 50 }
    }

    fn page() -> Id {
        Id::hash(&[b"page"])
    }

    #[test]
    fn what_is_signed_is_read_back_as_it_was_said() {
        let said = Attestation::sign(&key(), &page(), &head(), 100);
        let read = Attestation::admit(said.bytes()).unwrap();
        assert_eq!(read, said);
        assert_eq!((read.page(), read.node()), (page(), key().public()));
        assert_eq!((read.height(), read.seal(), read.time()), (3, head().seal, 100));
    }

    #[test]
    fn only_the_node_itself_can_attest_and_only_for_that_page() {
        use AttestationRefusal::*;
        let said = Attestation::sign(&key(), &page(), &head(), 100);
        let check = |bytes: &[u8], expect| {
            assert_eq!(Attestation::admit(bytes).err(), Some(expect));
        };
        let body = |node: RawKey| {
            codec::encode(&Attesting { node, height: 3, seal: head().seal, time: 100 })
        };
        let other = SecretKey::from_seed(&[8; 32]);
        let raw = key().public().raw();
        check(
            &envelope::sign(Kind::Attestation, &page(), body(raw), &other),
            Signature(WrongSignature),
        );
        check(&envelope::sign(Kind::Petition, &page(), body(raw), &key()), OtherKind(9));
        let weak = RawKey([0; 32]);
        check(
            &envelope::sign(Kind::Attestation, &page(), body(weak), &key()),
            Key(KeyRefusal::Weak),
        );
        let mut moved = said.bytes().to_vec();
        let at = moved.windows(32).position(|part| part == page().as_bytes()).unwrap();
        moved[at] ^= 1;
        check(&moved, Signature(WrongSignature));
        let longer = [said.bytes(), &[0]].concat();
        assert!(matches!(Attestation::admit(&longer), Err(Codec(_))));
    }

    #[test]
    fn two_seals_at_one_time_contradict_each_other_and_two_times_do_not() {
        let say = |height: u64, time| {
            let seal = Id::hash(&[&height.to_be_bytes()]);
            Attestation::sign(&key(), &page(), &Head { height, seal, time: 0 }, time)
        };
        assert!(say(1, 5).contradicts(&say(2, 5)));
        assert!(!say(1, 5).contradicts(&say(1, 5)));
        assert!(!say(1, 5).contradicts(&say(2, 6)));
    }
}
