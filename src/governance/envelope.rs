//! The signed envelope: how a statement of any kind travels and is stored (P1, P3).
//!
//! It keeps the body as it was signed. What the kinds are, and what a body says, is not known here:
//! every kind has a door of its own that reads it.

use serde::{Deserialize, Serialize};

use crate::{
    id::{Id, Kind},
    key::{PublicKey, SecretKey, Signature, WrongSignature},
    page::{
        codec::{self, CodecRefusal},
        entry::Rdata,
    },
};

/// A statement as it travels: `[kind, page id, body, signature]`.
#[derive(Serialize, Deserialize)]
pub struct Envelope {
    pub kind: u8,
    pub page: Id,
    pub body: Rdata,
    pub signature: Signature,
}

/// Signs an encoded body for one page and puts it into its envelope.
pub fn sign(kind: Kind, page: &Id, body: Vec<u8>, key: &SecretKey) -> Vec<u8> {
    let signature = key.sign(kind, page, &body);
    let body = Rdata(body.into());
    codec::encode(&Envelope { kind: kind as u8, page: *page, body, signature })
}

impl Envelope {
    /// Reads an envelope of at most `max` bytes; its body is read by whoever knows the kind.
    ///
    /// # Errors
    /// Any [`CodecRefusal`].
    pub fn decode(bytes: &[u8], max: usize) -> Result<Envelope, CodecRefusal> {
        codec::decode(bytes, max)
    }

    /// The id of what is in it, read as this kind. That of a presence covers its signature, for the
    /// sealed state has it whole: one body can be signed in several ways, and copies that hold
    /// different ones would come to different states (P3).
    pub fn id(&self, kind: Kind) -> Id {
        match kind {
            Kind::Presence => Id::of(kind, &[&self.body.0[..], &self.signature.0].concat()),
            _ => Id::of(kind, &self.body.0),
        }
    }

    /// Checks that `author` signed this body as this kind, for this page (P3).
    ///
    /// # Errors
    /// [`WrongSignature`].
    pub fn verify(&self, kind: Kind, author: &PublicKey) -> Result<(), WrongSignature> {
        author.verify(kind, &self.page, &self.body.0, &self.signature)
    }
}
