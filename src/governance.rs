//! Governance: from signed statements to what a page says now (section 4 of the protocol).
//!
//! The only place that counts power. [`Governance`] is a pure function of the sealed page and the
//! set of statements it admitted: any order of arrival, and any partition, gives the same state.
//! It is a value with structural sharing: clone it, admit, and drop the clone if the disk refuses.
//! It knows no clock, no disk and no network.

use std::cmp::Reverse;

use imbl::{OrdMap, OrdSet};

use crate::{
    id::{Id, Kind},
    key::PublicKey,
    limits::*,
    page::{
        Page,
        entry::{EntryRefusal, RecordSets},
        name::Owner,
        origin_roster_version, origin_version,
    },
};

mod admission;
pub mod attest;
pub mod ballot;
pub mod chain;
mod closing;
pub mod envelope;
mod evidence;
pub mod field;
pub mod flow;
pub mod forks;
pub mod jump;
mod lend;
mod look;
pub mod operation;
pub mod past;
pub mod petition;
pub mod presence;
mod roster;
pub mod seal;
pub mod sealing;
pub mod seating;
mod slots;
mod soft;
pub mod solo;
pub mod statement;
pub mod tally;

pub use roster::RosterChangeRefusal;
pub use soft::{Fault, State};

use ballot::Choice;
use evidence::Apart;
use flow::{Flow, Lending};
use operation::Register;
use past::{Outcome, Past};
use seating::Seating;
use statement::Statement;

/// Why a statement is not admitted to a page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the statement is about the page {0}, not this one")]
    OtherPage(Id),
    #[error("{0} is no participant of this page")]
    NotParticipant(PublicKey),
    #[error("the statement is known already")]
    Known,
    #[error("the seal {0} that it is based on is not known here, or older than 30 days")]
    UnknownBase(Id),
    #[error("the version {0} that it changes is not the newest any more: propose it anew")]
    PastVersion(Id),
    #[error("the operation {0} is closed: {1}")]
    Closed(Id, Outcome),
    #[error("the change: {0}")]
    Entry(#[from] EntryRefusal),
    #[error("the change: {0}")]
    Roster(#[from] RosterChangeRefusal),
    #[error("{0} takes part since a later seal than the one that it is based on: propose it anew")]
    JoinedLater(PublicKey),
    #[error("slot {slot} is past the page's open_operations_max of {max}")]
    SlotOutOfRange { slot: u32, max: u32 },
    #[error("slot {0} of its author is taken, and contested already")]
    SlotTaken(u32),
    #[error("a later ballot of the same voter says otherwise on everything it names")]
    Outranked,
    #[error("slot {0} of a batch is none of the {BATCH_SLOTS} there are")]
    BatchSlotOutOfRange(u32),
    #[error(
        "{WAITING_BALLOTS_PER_VOTER_MAX} rows of this voter wait for unknown operations already"
    )]
    TooManyWaiting,
    #[error("the delegate {0} takes no part in this page")]
    UnknownDelegate(PublicKey),
    #[error("it was said before its author left this page and came back")]
    BeforeJoining,
    #[error("a newer presence of the same participant is known")]
    OldPresence,
}

/// A participant's ballot as it counts on one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cast {
    pub ballot: Statement,
    pub choice: Choice,
}

/// An admitted operation and what was said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    statement: Statement,
    /// The admitted record sets of a Track 1 change.
    sets: Option<RecordSets>,
    /// The time of the seal that it names.
    base_time: u64,
    cast: OrdMap<PublicKey, Cast>,
    flow: Flow,
}

/// One register: the operations on it, and which of them are ratified, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Standing {
    operations: OrdSet<Id>,
    chain: Vec<Id>,
}

/// One of an author's slots, of those for operations or of those for batches (P5, G5b).
type Slot = (PublicKey, Kind, u32);

/// How contenders for a slot are ordered: the newest base first, by its time, then the smaller id.
type Rank = (Reverse<u64>, Id);

/// A page with everything said about it since its newest seal.
#[derive(Clone)]
pub struct Governance {
    page: Page,
    past: Past,
    operations: OrdMap<Id, Proposal>,
    /// Operations and batches by the time of the seal that they name: the oldest expire first (G10).
    by_base: OrdSet<(u64, Id)>,
    /// What is in each slot of an author, at most two each: the first counts (P5).
    slots: OrdMap<Slot, OrdSet<Rank>>,
    registers: OrdMap<Register, Standing>,
    batches: OrdMap<Id, Statement>,
    /// The batches that name an operation, whether or not either is known.
    batches_of: OrdMap<Id, OrdSet<Id>>,
    /// For each operation or batch the ballot of each voter that counts on it.
    rows: OrdMap<Id, OrdMap<PublicKey, Statement>>,
    /// How many rows of a voter name what is not known yet.
    waiting: OrdMap<PublicKey, usize>,
    /// Whether [`WAITING_BALLOTS_PER_VOTER_MAX`] holds: what a seal lists is bounded by the seal.
    waits_are_bounded: bool,
    newest_ballot: OrdMap<PublicKey, Statement>,
    /// The presence of each participant in the sealed state.
    sealed_presences: OrdMap<PublicKey, Statement>,
    /// Presences newer than the sealed ones.
    presences: OrdMap<PublicKey, Statement>,
    /// Which nodes speak for whose power, by both.
    seating: Seating,
    /// Who is away until when, in seal time.
    ends: OrdSet<(u64, PublicKey)>,
    lending: Lending,
    evidence: OrdMap<PublicKey, (Statement, Statement)>,
    /// What may yet become evidence.
    apart: Apart,
}

impl Governance {
    /// A page about which nothing has been said since its newest seal.
    pub fn new(page: Page) -> Governance {
        let past = Past::new(page.head());
        Governance::with_past(page, past)
    }

    /// The page as sealed.
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// Takes one more statement in. Returns the owners whose ratified value changed by it.
    ///
    /// # Errors
    /// Any [`Refusal`]; nothing has changed then.
    pub fn admit(&mut self, statement: &Statement) -> Result<Vec<Owner>, Refusal> {
        let touched = self.take(statement)?;
        Ok(self.walk_all(touched))
    }
}

/// Prefers more approving power, then the smaller id (G9).
fn preference(proposal: &Proposal) -> (u128, Reverse<Id>) {
    (proposal.flow.tally().approve, Reverse(proposal.statement.id()))
}

#[cfg(test)]
mod tests;
