//! What the command line may ask of a node, and what it hears back.
//!
//! Statements arrive signed: a node never sees an identity key (P4).

use serde::{Deserialize, Serialize};

use super::{
    history::{AuditRow, Event},
    peers::{Connected, Joining, Peers},
    report::*,
    running::{LogPart, Stats},
};
use crate::{
    governance::presence::Presence,
    id::Id,
    key::RawKey,
    page::{
        entry::{Rdata, RecordSet},
        name::{Name, Owner},
        record::RecordType,
    },
    sync::Pace,
};

/// A page as people name it: its domain name, or at least six digits of its page id.
pub type PageSelector = String;

/// One request. Those that take long tell how far they are (see [`super::Reply::Progress`]).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Request {
    /// Health in words.
    Status,
    /// What a daemon has counted.
    Stats,
    /// Other nodes, as a daemon knows them.
    Peers,
    /// Meets another node: an address, a name or a beacon.
    Connect { to: String },
    /// Lines of a daemon's log from number `from` on; `wait`: a while for the first of them.
    Log { from: u64, wait: bool },
    /// All pages held.
    Pages,
    /// One page and its participants.
    Page { page: PageSelector },
    /// What happened to a page, newest first.
    History { page: PageSelector },
    /// A part of everything that happened to a page, oldest first, as a chain: the rows after this
    /// number.
    Audit { page: PageSelector, after: u64 },
    /// Checks a page from its log: checksums and state root; `full`: every entry and signature.
    Verify { page: PageSelector, full: bool },
    /// A part of a page's ratified contents, in the order of their owners, after `after`.
    Contents { page: PageSelector, after: Option<Owner> },
    /// A part of everything a page consists of, from record number `from` on.
    Bundle { page: PageSelector, from: u64 },
    /// What a signer needs to know to make operations or ballots.
    Draft { page: PageSelector, author: RawKey, owners: Vec<Owner>, slots: usize },
    /// A part of the open operations of a page, after so many, those of a batch told of as one; `all`
    /// includes what ended.
    Proposals { page: PageSelector, all: bool, after: usize },
    /// One operation, or one batch with its first operations, by the first digits of its id.
    Proposal { page: PageSelector, prefix: String },
    /// Every operation of one batch, by the first digits of the batch's id.
    Batch { page: PageSelector, prefix: String },
    /// Signed statements about one page: all are admitted and durable, or none is.
    Submit { statements: Vec<Rdata> },
    /// The next part of a page to be founded or admitted on this connection.
    /// What was said on it is statements and seals with their kinds.
    Stage { genesis: Option<Rdata>, entries: Vec<Rdata>, said: Vec<(u8, Rdata)> },
    /// Admits what was staged on this connection.
    Commit,
    /// Takes in what was staged on this connection, brought by hand: a page, or what is new of one
    /// that is held (N8).
    Carry,
    /// Founds what was staged on this connection: the genesis names no state root yet.
    Found,
    /// Where this node can be reached, in a code of at most so many letters; `port` is that of the
    /// short form where no address is known (D1).
    Beacon { port: u16, letters: usize },
    /// The keys that this node knows whose short form begins so.
    Keys { prefix: String },
    /// A stranger's signed petition to a page, from this machine (G13).
    Ask { petition: Rdata },
    /// One petition to any page held here, by the first digits of its id.
    Petition { prefix: String },
    /// The petitions to a page that wait; `all`: those that were decided, or expired, as well.
    Petitions { page: PageSelector, all: bool },
    /// The petitions that were made on this machine, to any page.
    OwnPetitions,
    /// As [`Request::Submit`]; the one operation among them proposes what this petition asks for.
    TakeUp { petition: Id, statements: Vec<Rdata> },
    /// A participant's signed refusal of a petition.
    Refuse { refusal: Rdata },
    /// What awaits this key's ballot on the pages it takes part in, and the petitions to them.
    Inbox { key: RawKey },
    /// Changes how closely a page is followed, and says it (N8).
    Follow { page: PageSelector, change: WishChange },
    /// Decides for a seal of a forked page, named by the digits with which its id begins (T4).
    Choose { page: PageSelector, seal: String },
    /// Drops a page.
    Forget { page: PageSelector, untrust: bool },
    /// Trusts a page for a name and everything below it (T2).
    Join { name: Name, page: Id },
    /// Answers as the DNS face would, and says from where; `offline`: asks nobody else.
    Resolve { name: Name, rtype: RecordType, offline: bool },
    /// Why a name is answered as it is.
    Explain { name: Name },
    /// What nodes say is the newest seal of a page (T6).
    Field { page: PageSelector },
}

/// The answer to one request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Answer {
    Status(Status),
    Stats(Box<Stats>),
    Log(LogPart),
    Peers(Box<Peers>),
    Connected(Connected),
    Pages(Vec<PageSummary>),
    Page(PageReport),
    History(Vec<Event>),
    /// `more` tells whether another part follows.
    Audit {
        rows: Vec<AuditRow>,
        more: bool,
    },
    Verified(Verified),
    /// `more` tells whether another part follows.
    Contents {
        name: Name,
        serial: u64,
        entries: Vec<(Owner, Vec<RecordSet>)>,
        more: bool,
    },
    /// Records of a bundle: kind and bytes. `next` is where the following part begins.
    Bundle {
        records: Vec<(u8, Rdata)>,
        next: Option<u64>,
    },
    Draft(Draft),
    /// `more` operations are not told: a message has its limit. Operations of the `batches` of a
    /// listing are in no list of their own. `batch` is what digits named, if that was one.
    Proposals {
        page: String,
        batches: Vec<BatchReport>,
        operations: Vec<OperationReport>,
        more: usize,
        batch: Option<BatchReport>,
    },
    /// The ids that were admitted.
    Submitted {
        ids: Vec<Id>,
    },
    /// A petition and what became of it; `signed` is what its author signed.
    Petition {
        petition: PetitionReport,
        signed: Rdata,
    },
    /// Of one page, or of none in particular.
    Petitions {
        page: String,
        petitions: Vec<PetitionReport>,
    },
    Beacon(BeaconReport),
    /// In text; of many only some.
    Keys(Vec<String>),
    Inbox(InboxReport),
    Staged,
    /// The page that was admitted.
    Committed {
        page: PageSummary,
    },
    Carried(Carried),
    Chosen(Chosen),
    Forgotten(Forgotten),
    Following(Following),
    Joined,
    /// Trusted, and not here when it was asked for.
    Joining(Joining),
    Resolved(Resolution),
    Explained(Explanation),
    Field(FieldReport),
}

/// What of a wish is to change (see [`Request::Follow`]): what is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WishChange {
    pub pace: Option<Pace>,
    /// Bytes; 0 takes the limit away.
    pub bytes_max: Option<u64>,
    pub bytes_per_second_max: Option<u64>,
}

/// What a signer needs to know (see [`Request::Draft`]).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Draft {
    pub page: Id,
    pub name: Name,
    /// The `base` of a new operation: the newest seal, or the newest that is due.
    pub seal: Id,
    /// Whether the author takes part.
    pub takes_part: bool,
    /// Free slots of the author, at most as many as were asked for.
    pub slots: Vec<u32>,
    /// If fewer are free: how many of the author's operations are in which state.
    pub occupied: Vec<(String, usize)>,
    /// Free slots for batches of the author, as many as these operations take.
    pub batch_slots: Vec<u32>,
    /// The sequence of the author's next ballot.
    pub sequence: u64,
    /// The author's newest presence, and the sequence of its next (G6).
    pub presence: Option<Presence>,
    pub presence_sequence: u64,
    /// Those whom that presence lends to, and who take part no longer.
    pub delegates_gone: Vec<RawKey>,
    /// This node, if it has a key that it can use.
    pub node: Option<RawKey>,
    /// The time of the newest seal, seconds since 1970 (UTC).
    pub seal_time: u64,
    pub roster_version: Id,
    /// For each owner asked for: the version to name as parent, and what stands there.
    pub entries: Vec<(Id, Vec<RecordSet>)>,
    /// The page's parameters by name.
    pub parameters: Vec<(String, u32)>,
}

/// Why a request was not fulfilled, and with which exit code a command ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub kind: FailureKind,
    /// One sentence: what, why, and what to do.
    pub message: String,
}

/// Kinds of failure, by exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// Refused or failed: 1.
    Refused,
    /// There is no such thing, or NXDOMAIN: 3.
    NotFound,
    /// Not reachable: 4.
    Unreachable,
    /// Somebody was faster: made anew from a new [`Draft`], the same would be admitted.
    Overtaken,
}

impl Failure {
    /// Refused or failed.
    pub fn refused(message: impl std::fmt::Display) -> Failure {
        Failure { kind: FailureKind::Refused, message: message.to_string() }
    }

    /// Nobody is there who could answer.
    pub fn unreachable(message: impl std::fmt::Display) -> Failure {
        Failure { kind: FailureKind::Unreachable, message: message.to_string() }
    }

    /// No such thing.
    pub fn not_found(message: impl std::fmt::Display) -> Failure {
        Failure { kind: FailureKind::NotFound, message: message.to_string() }
    }
}
