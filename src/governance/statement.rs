//! Signed statements: the door from bytes to operations, ballots, batches and presences (P1, P3,
//! P5).
//!
//! What passes here is well formed, within limits and truly signed. Whether its author has any
//! power, and what it is about, depends on a page and is judged by [`super::Governance`].

use std::sync::Arc;

use super::{
    ballot::{Ballot, Batch},
    envelope::{self, Envelope},
    operation::{Change, Operation},
    presence::{Presence, PresenceRefusal},
};
use crate::{
    id::{Id, Kind},
    key::{KeyRefusal, KnownKeys, PublicKey, RawKey, SecretKey, SignerRefusal, WrongSignature},
    limits::*,
    page::codec::{self, CodecRefusal},
};

/// Why bytes are no statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementRefusal {
    #[error("the statement's encoding: {0}")]
    Codec(#[from] CodecRefusal),
    #[error("kind {0} is no statement")]
    UnknownKind(u8),
    #[error("the author's key: {0}")]
    Key(#[from] KeyRefusal),
    #[error(transparent)]
    Signature(#[from] WrongSignature),
    #[error("the rows are not sorted, or one appears twice")]
    RowsNotSorted,
    #[error("it names nothing")]
    NoRows,
    #[error("{rows} rows are more than {max}")]
    TooManyRows { rows: usize, max: usize },
    #[error("a reason of {0} bytes is longer than {REASON_BYTES_MAX}")]
    ReasonTooLong(usize),
    #[error("a new page takes one id or none, not {0}")]
    ManyLinks(usize),
    #[error("the presence: {0}")]
    Presence(#[from] PresenceRefusal),
    #[error("the newcomer's acceptance is not for this page and key")]
    Acceptance,
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Operation(Operation),
    Ballot(Ballot),
    Batch(Batch),
    Presence(Presence),
}

/// A well-formed, truly signed statement. Cloning one costs nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    id: Id,
    page: Id,
    author: PublicKey,
    body: Body,
    bytes: Vec<u8>,
}

impl Body {
    fn kind(&self) -> Kind {
        match self {
            Body::Operation(_) => Kind::Operation,
            Body::Ballot(_) => Kind::Ballot,
            Body::Batch(_) => Kind::Batch,
            Body::Presence(_) => Kind::Presence,
        }
    }

    fn encode(&self) -> Vec<u8> {
        match self {
            Body::Operation(operation) => codec::encode(operation),
            Body::Ballot(ballot) => codec::encode(ballot),
            Body::Batch(batch) => codec::encode(batch),
            Body::Presence(presence) => codec::encode(presence),
        }
    }

    fn decode(kind: u8, bytes: &[u8]) -> Result<Body, StatementRefusal> {
        match Kind::from_tag(kind) {
            Some(Kind::Operation) => {
                Ok(Body::Operation(codec::decode(bytes, OPERATION_BYTES_MAX)?))
            }
            Some(Kind::Ballot) => Ok(Body::Ballot(codec::decode(bytes, BALLOT_BYTES_MAX)?)),
            Some(Kind::Batch) => Ok(Body::Batch(codec::decode(bytes, BATCH_BYTES_MAX)?)),
            Some(Kind::Presence) => Ok(Body::Presence(codec::decode(bytes, PRESENCE_BYTES_MAX)?)),
            _ => Err(StatementRefusal::UnknownKind(kind)),
        }
    }

    fn author(&self) -> RawKey {
        match self {
            Body::Operation(operation) => operation.author,
            Body::Ballot(ballot) => ballot.voter,
            Body::Batch(batch) => batch.author,
            Body::Presence(presence) => presence.participant,
        }
    }

    fn check(&self) -> Result<(), StatementRefusal> {
        match self {
            Body::Operation(operation) => check_operation(operation),
            Body::Ballot(ballot) => check_ballot(ballot),
            Body::Batch(batch) => check_rows(&batch.operations, BATCH_ROWS_MAX),
            Body::Presence(presence) => Ok(presence.check()?),
        }
    }
}

impl Statement {
    /// Signs a body for one page. The author named in it must be the key's public half.
    ///
    /// # Errors
    /// What [`Statement::admit`] would say of the result.
    pub fn sign(page: &Id, body: Body, key: &SecretKey) -> Result<Statement, StatementRefusal> {
        Statement::admit(&envelope::sign(body.kind(), page, body.encode(), key))
    }

    /// The door: one strict encoding, within limits, signed by the author it names.
    ///
    /// # Errors
    /// The first [`StatementRefusal`] found.
    pub fn admit(bytes: &[u8]) -> Result<Statement, StatementRefusal> {
        Statement::admit_by(&KnownKeys::default(), bytes)
    }

    /// [`Statement::admit`] for many, whose authors may be known.
    ///
    /// # Errors
    /// The first [`StatementRefusal`] found.
    pub fn admit_by(known: &KnownKeys, bytes: &[u8]) -> Result<Statement, StatementRefusal> {
        let (body, envelope) = Statement::read(bytes)?;
        let Envelope { page, signature, .. } = &envelope;
        let signer = PublicKey::admit_signer(
            known,
            body.author(),
            body.kind(),
            page,
            &envelope.body.0,
            signature,
        );
        let author = signer.map_err(|refusal| match refusal {
            SignerRefusal::Key(refusal) => StatementRefusal::Key(refusal),
            SignerRefusal::Signature(refusal) => StatementRefusal::Signature(refusal),
        })?;
        if let Body::Operation(Operation { change: Change::SetRoster(set), .. }) = &body {
            set.change.check_acceptance(page).map_err(|_| StatementRefusal::Acceptance)?;
        }
        Ok(Statement::new(author, body, &envelope, bytes))
    }

    /// Reads a statement that was admitted before, from a log whose checksums prove it unchanged:
    /// everything is checked but the key and the signature.
    ///
    /// # Errors
    /// Any [`StatementRefusal`] but those about keys and signatures.
    pub fn reopen(bytes: &[u8]) -> Result<Statement, StatementRefusal> {
        let (body, envelope) = Statement::read(bytes)?;
        let author = PublicKey::admitted_before(body.author());
        Ok(Statement::new(author, body, &envelope, bytes))
    }

    fn read(bytes: &[u8]) -> Result<(Body, Envelope), StatementRefusal> {
        let envelope = Envelope::decode(bytes, BATCH_BYTES_MAX)?;
        let body = Body::decode(envelope.kind, &envelope.body.0)?;
        body.check()?;
        Ok((body, envelope))
    }

    fn new(author: PublicKey, body: Body, envelope: &Envelope, bytes: &[u8]) -> Statement {
        let id = envelope.id(body.kind());
        let (page, bytes) = (envelope.page, bytes.to_vec());
        Statement(Arc::new(Inner { id, page, author, body, bytes }))
    }

    /// The statement's id (P3).
    pub fn id(&self) -> Id {
        self.0.id
    }

    /// The page it is about.
    pub fn page(&self) -> Id {
        self.0.page
    }

    /// Who signed it.
    pub fn author(&self) -> PublicKey {
        self.0.author
    }

    /// What kind it is.
    pub fn kind(&self) -> Kind {
        self.0.body.kind()
    }

    /// What it says.
    pub fn body(&self) -> &Body {
        &self.0.body
    }

    /// The bytes that were received, and are stored and handed on.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The seal that an operation or a batch is based on (G3).
    pub fn base(&self) -> Option<Id> {
        self.as_operation()
            .map(|operation| operation.base)
            .or_else(|| self.as_batch().map(|batch| batch.base))
    }

    /// The operation that this is.
    pub fn as_operation(&self) -> Option<&Operation> {
        match &self.0.body {
            Body::Operation(operation) => Some(operation),
            _ => None,
        }
    }

    /// The ballot that this is.
    pub fn as_ballot(&self) -> Option<&Ballot> {
        match &self.0.body {
            Body::Ballot(ballot) => Some(ballot),
            _ => None,
        }
    }

    /// The presence that this is.
    pub fn as_presence(&self) -> Option<&Presence> {
        match &self.0.body {
            Body::Presence(presence) => Some(presence),
            _ => None,
        }
    }

    /// The batch that this is.
    pub fn as_batch(&self) -> Option<&Batch> {
        match &self.0.body {
            Body::Batch(batch) => Some(batch),
            _ => None,
        }
    }
}

fn check_operation(operation: &Operation) -> Result<(), StatementRefusal> {
    match &operation.change {
        Change::SetLink(link) if link.page.len() > 1 => {
            Err(StatementRefusal::ManyLinks(link.page.len()))
        }
        _ => Ok(()),
    }
}

fn check_ballot(ballot: &Ballot) -> Result<(), StatementRefusal> {
    if ballot.reason.len() > REASON_BYTES_MAX {
        return Err(StatementRefusal::ReasonTooLong(ballot.reason.len()));
    }
    let ids: Vec<Id> = ballot.rows.iter().map(|(id, _)| *id).collect();
    check_rows(&ids, BALLOT_ROWS_MAX)
}

fn check_rows(ids: &[Id], max: usize) -> Result<(), StatementRefusal> {
    if ids.is_empty() {
        return Err(StatementRefusal::NoRows);
    }
    if ids.len() > max {
        return Err(StatementRefusal::TooManyRows { rows: ids.len(), max });
    }
    if !ids.is_sorted_by(|a, b| a < b) {
        return Err(StatementRefusal::RowsNotSorted);
    }
    Ok(())
}
