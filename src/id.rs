//! Ids: the SHA-256 names of statements, pages and seals (P2, P3).
//!
//! An id says what a thing *is*, byte for byte; it does not know who signed it. Hashing is
//! domain-separated by the statement's kind, so that no body can be read as two things.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

/// What a statement is. The tag travels on the wire, the word goes into hashes and signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The first, immutable statement of a page (P6).
    Genesis = 1,
    /// A proposed change, Track 1 or Track 2 (G3, G4).
    Operation = 2,
    /// A participant's signed approve or reject (G5).
    Ballot = 3,
    /// An author's list of its own operations (G5b).
    Batch = 4,
    /// A newcomer's agreement to join a roster (G4).
    Acceptance = 5,
    /// A participant's node, and whom it lends its power to (G6).
    Presence = 6,
    /// The numbered record of a page's state (S1).
    Seal = 7,
    /// A node's vote on a seal, for the seats it holds (S2).
    Vote = 8,
    /// A stranger's request for an entry (G13). It is no part of a page.
    Petition = 9,
    /// A participant's answer that a petition is not taken up (G13).
    Refusal = 10,
    /// A node's signed word that a seal is the newest it knows (T6).
    Attestation = 11,
    /// Where a node can be reached, signed by it (D1). It is about no page.
    Beacon = 12,
}

impl Kind {
    /// All kinds, in the order of their tags.
    pub const ALL: [Kind; 12] = [
        Kind::Genesis,
        Kind::Operation,
        Kind::Ballot,
        Kind::Batch,
        Kind::Acceptance,
        Kind::Presence,
        Kind::Seal,
        Kind::Vote,
        Kind::Petition,
        Kind::Refusal,
        Kind::Attestation,
        Kind::Beacon,
    ];

    /// The kind with this wire tag, or `None`.
    pub fn from_tag(tag: u8) -> Option<Kind> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == tag)
    }

    /// The word that separates this kind's hashes and signatures from all others (P3).
    pub fn word(self) -> &'static str {
        match self {
            Kind::Genesis => "genesis",
            Kind::Operation => "operation",
            Kind::Ballot => "ballot",
            Kind::Batch => "batch",
            Kind::Acceptance => "acceptance",
            Kind::Presence => "presence",
            Kind::Seal => "seal",
            Kind::Vote => "vote",
            Kind::Petition => "petition",
            Kind::Refusal => "refusal",
            Kind::Attestation => "attestation",
            Kind::Beacon => "beacon",
        }
    }
}

/// A SHA-256 hash that names something: a page, a statement, a seal, a version, a state root.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Id([u8; 32]);

impl Id {
    /// All zeroes: the stored version of an entry that no operation has written (P9).
    pub const ZERO: Id = Id([0; 32]);

    /// `SHA-256("djdns/1/id/" kind 0x00 body)` (P3).
    pub fn of(kind: Kind, body: &[u8]) -> Id {
        Id::hash(&[b"djdns/1/id/", kind.word().as_bytes(), &[0], body])
    }

    /// SHA-256 over the concatenation of `parts`. The caller separates domains.
    pub fn hash(parts: &[&[u8]]) -> Id {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Id(hasher.finalize().into())
    }

    /// The id made of exactly these 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Id {
        Id(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight hexadecimal digits: how tables show an id.
    pub fn short(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0[..4])
    }

    /// Reads 64 hexadecimal digits. `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Id> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
        Some(Id(bytes.try_into().ok()?))
    }

    /// Whether the hexadecimal form of this id starts with `prefix` (any case).
    pub fn has_hex_prefix(&self, prefix: &str) -> bool {
        self.to_string().starts_with(&prefix.to_ascii_lowercase())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.short())
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(ByteArray::<32>).map(Id)
    }
}

/// Reads a MessagePack `bin` of exactly `N` bytes; shared by every fixed-size field.
pub(crate) struct ByteArray<const N: usize>;

impl<'de, const N: usize> de::Visitor<'de> for ByteArray<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes of binary")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<[u8; N], E> {
        bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_separates_ids_of_the_same_body() {
        let ids: std::collections::BTreeSet<Id> =
            Kind::ALL.iter().map(|kind| Id::of(*kind, b"body")).collect();
        assert_eq!(ids.len(), Kind::ALL.len());
    }

    /// P2 accepts: SHA-256 (the one-block example of FIPS 180-2), whatever parts it comes in.
    #[test]
    fn hashes_are_sha_256() {
        let expect = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Id::hash(&[b"abc"]).to_string(), expect);
        assert_eq!(Id::hash(&[b"a", b"", b"bc"]).to_string(), expect);
    }

    /// P2 refuses: what is shorter than a SHA-256 hash.
    #[test]
    fn an_id_is_read_back_from_its_own_hexadecimal_form_only() {
        let id = Id::hash(&[b"x"]);
        assert_eq!(Id::from_hex(&id.to_string()), Some(id));
        assert_eq!(Id::from_hex(&id.to_string()[1..]), None);
        assert_eq!(Id::from_hex("zz"), None);
    }
}
