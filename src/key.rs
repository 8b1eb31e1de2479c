//! Keys and signatures (P3, P4): Ed25519, verified strictly, shown as `did:key`.
//!
//! A public key that exists here is a valid, strong point. Secret keys are made from a seed that
//! the caller brings: this floor has no randomness. Where key files live is the command line's
//! business.

use std::{collections::HashMap, fmt};

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    id::{ByteArray, Id, Kind},
    limits::KNOWN_KEYS_MAX,
};

/// Why 32 bytes, or a text, are no key that djdns admits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    #[error("these 32 bytes are no Ed25519 public key")]
    NotAPoint,
    #[error("the key is weak: anybody could sign for it")]
    Weak,
    #[error("`{0}` is no key: expected did:key:z6Mk… or z6Mk…")]
    NotADidKey(String),
    #[error("`{0}` is a did:key of another kind than Ed25519")]
    OtherKind(String),
}

/// The signature does not fit the key, the page, the kind or the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is wrong")]
pub struct WrongSignature;

/// Why somebody is no signer of something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerRefusal {
    #[error(transparent)]
    Key(#[from] KeyRefusal),
    #[error(transparent)]
    Signature(#[from] WrongSignature),
}

/// An Ed25519 public key: a valid point that is not of small order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// The bytes of a key as they arrive; [`PublicKey::admit`] is the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawKey(pub [u8; 32]);

/// An Ed25519 signature, 64 bytes, unchecked until [`PublicKey::verify`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature(pub [u8; 64]);

/// Keys that were admitted before, ready to verify with: computing a key's point takes a tenth of
/// a verification. At most [`KNOWN_KEYS_MAX`].
#[derive(Clone, Default)]
pub struct KnownKeys(HashMap<RawKey, VerifyingKey>);

/// A secret signing key. Its memory is wiped when it is dropped.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

/// Multicodec prefix of an Ed25519 public key, as unsigned varint (did:key method 0.7).
const DID_PREFIX: [u8; 2] = [0xed, 0x01];

/// Characters of a key in text that are shown (choice: the first four are the same for all, and the other
/// eight are 46 bits of its own).
pub const STUB_CHARS: usize = 12;

impl PublicKey {
    /// Admits a key (P3).
    ///
    /// # Errors
    /// [`KeyRefusal::NotAPoint`] or [`KeyRefusal::Weak`].
    pub fn admit(raw: RawKey) -> Result<PublicKey, KeyRefusal> {
        strong_point(raw).map(|_| PublicKey(raw.0))
    }

    /// [`PublicKey::admit`] and [`PublicKey::verify`] in one: the key's point, a tenth of the work,
    /// is computed once, or not at all if it is known.
    ///
    /// # Errors
    /// [`SignerRefusal`].
    pub fn admit_signer(
        known: &KnownKeys,
        raw: RawKey,
        kind: Kind,
        page: &Id,
        body: &[u8],
        signature: &Signature,
    ) -> Result<PublicKey, SignerRefusal> {
        let point = match known.0.get(&raw) {
            Some(point) => *point,
            None => strong_point(raw)?,
        };
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        let verified = point.verify_strict(&signed_bytes(kind, page, body), &signature);
        verified.map_err(|_| WrongSignature)?;
        Ok(PublicKey(raw.0))
    }

    /// A key that was admitted before, from bytes that are proved unchanged.
    pub(crate) fn admitted_before(raw: RawKey) -> PublicKey {
        PublicKey(raw.0)
    }

    /// The 32 bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The bytes as they travel.
    pub fn raw(&self) -> RawKey {
        RawKey(self.0)
    }

    /// Reads `did:key:z6Mk…` or its short form `z6Mk…` (P4).
    ///
    /// # Errors
    /// Any [`KeyRefusal`].
    pub fn parse(text: &str) -> Result<PublicKey, KeyRefusal> {
        let wrong = || KeyRefusal::NotADidKey(text.to_owned());
        let base58 = text.strip_prefix("did:key:").unwrap_or(text).strip_prefix('z');
        let bytes = bs58::decode(base58.ok_or_else(wrong)?).into_vec().map_err(|_| wrong())?;
        match bytes.split_first_chunk::<2>() {
            Some((&DID_PREFIX, key)) => {
                PublicKey::admit(RawKey(key.try_into().map_err(|_| wrong())?))
            }
            // Any other multicodec prefix with at least as many bytes of key behind it.
            Some((_, key)) if key.len() >= 32 => Err(KeyRefusal::OtherKind(text.to_owned())),
            _ => Err(wrong()),
        }
    }

    /// The short form, `z6Mk…`.
    pub fn short_form(&self) -> String {
        let mut bytes = DID_PREFIX.to_vec();
        bytes.extend_from_slice(&self.0);
        format!("z{}", bs58::encode(bytes).into_string())
    }

    /// The beginning of the short form, as tables and sentences show it; commands take it for the key.
    pub fn stub(&self) -> String {
        format!("{}…", self.short_form().chars().take(STUB_CHARS).collect::<String>())
    }

    /// Verifies a statement's signature with `verify_strict` (P3).
    ///
    /// # Errors
    /// [`WrongSignature`], whatever the reason.
    pub fn verify(
        &self,
        kind: Kind,
        page: &Id,
        body: &[u8],
        signature: &Signature,
    ) -> Result<(), WrongSignature> {
        // An admitted key decompresses.
        let point = VerifyingKey::from_bytes(&self.0).map_err(|_| WrongSignature)?;
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        point.verify_strict(&signed_bytes(kind, page, body), &signature).map_err(|_| WrongSignature)
    }
}

impl KnownKeys {
    /// Remembers a key. When there are too many, all others are forgotten.
    pub fn learn(&mut self, key: PublicKey) {
        if self.0.contains_key(&key.raw()) {
            return;
        }
        if self.0.len() >= KNOWN_KEYS_MAX {
            self.0.clear();
        }
        // An admitted key has a point, and a strong one.
        self.0.extend(strong_point(key.raw()).ok().map(|point| (key.raw(), point)));
    }
}

fn strong_point(raw: RawKey) -> Result<VerifyingKey, KeyRefusal> {
    let point = VerifyingKey::from_bytes(&raw.0).map_err(|_| KeyRefusal::NotAPoint)?;
    if point.is_weak() { Err(KeyRefusal::Weak) } else { Ok(point) }
}

impl SecretKey {
    /// The key that this seed makes (RFC 8032 section 5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> SecretKey {
        SecretKey(SigningKey::from_bytes(seed))
    }

    /// The 32 secret bytes, for the person's own key file.
    pub fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a statement's body for one page (P3).
    pub fn sign(&self, kind: Kind, page: &Id, body: &[u8]) -> Signature {
        Signature(self.0.sign(&signed_bytes(kind, page, body)).to_bytes())
    }
}

/// `"djdns/1/sig/" kind 0x00 page-id SHA-256(body)` (P3).
fn signed_bytes(kind: Kind, page: &Id, body: &[u8]) -> Vec<u8> {
    let digest = Id::hash(&[body]);
    [b"djdns/1/sig/", kind.word().as_bytes(), &[0], page.as_bytes(), digest.as_bytes()].concat()
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "did:key:{}", self.short_form())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short_form())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {:?})", self.public())
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

impl Serialize for RawKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for RawKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(ByteArray::<32>).map(RawKey)
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(ByteArray::<64>).map(Signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> SecretKey {
        SecretKey::from_seed(&[1; 32])
    }

    /// P4 accepts: `did:key:z6Mk…` and `z6Mk…`.
    #[test]
    fn a_key_is_read_back_from_both_of_its_forms() {
        let key = alice().public();
        assert!(key.to_string().starts_with("did:key:z6Mk"));
        assert_eq!(PublicKey::parse(&key.to_string()), Ok(key));
        assert_eq!(PublicKey::parse(&key.short_form()), Ok(key));
    }

    /// P4 refuses: other words and other kinds of keys.
    #[test]
    fn what_is_no_key_is_refused_by_name() {
        let check = |text: &str, expect: fn(String) -> KeyRefusal| {
            assert_eq!(PublicKey::parse(text), Err(expect(text.to_owned())));
        };
        check("alice", KeyRefusal::NotADidKey);
        check("did:key:z6Mk", KeyRefusal::NotADidKey);
        // A P-256 key of the did:key test vectors.
        check("did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169", KeyRefusal::OtherKind);
    }

    #[test]
    fn weak_and_impossible_keys_are_refused() {
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        assert_eq!(PublicKey::admit(RawKey(identity_point)), Err(KeyRefusal::Weak));
        assert_eq!(PublicKey::admit(RawKey([0; 32])), Err(KeyRefusal::Weak));
        let mut no_point = [0; 32];
        no_point[0] = 2;
        assert_eq!(PublicKey::admit(RawKey(no_point)), Err(KeyRefusal::NotAPoint));
    }

    /// P3 accepts: a signature over kind, page and body.
    /// P3 refuses: the same signature for another kind, page or body.
    #[test]
    fn a_signature_holds_for_its_kind_page_and_body_only() {
        let (page, other) = (Id::hash(&[b"page"]), Id::hash(&[b"other"]));
        let key = alice().public();
        let signature = alice().sign(Kind::Ballot, &page, b"body");
        assert_eq!(key.verify(Kind::Ballot, &page, b"body", &signature), Ok(()));
        let refused = [
            key.verify(Kind::Operation, &page, b"body", &signature),
            key.verify(Kind::Ballot, &other, b"body", &signature),
            key.verify(Kind::Ballot, &page, b"Body", &signature),
        ];
        assert_eq!(refused, [Err(WrongSignature); 3]);
    }
}
