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
    },
};

pub mod ballot;
pub mod envelope;
pub mod operation;
pub mod petition;
mod roster;
mod soft;
pub mod statement;
pub mod tally;

pub use roster::RosterChangeRefusal;
pub use soft::{Fault, State};

use ballot::{Ballot, Batch, Choice, Precedence};
use operation::{Change, Operation, Register};
use statement::{Body, Statement};
use tally::Tally;

/// Why a statement is not admitted to a page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the statement is about the page {0}, not this one")]
    OtherPage(Id),
    #[error("{0} is no participant of this page")]
    NotParticipant(PublicKey),
    #[error("the statement is known already")]
    Known,
    #[error("the seal {0} that it is based on is not known here")]
    UnknownBase(Id),
    #[error("the change: {0}")]
    Entry(#[from] EntryRefusal),
    #[error("the change: {0}")]
    Roster(#[from] RosterChangeRefusal),
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
    cast: OrdMap<PublicKey, Cast>,
    tally: Tally,
}

/// One register: the operations on it, and which of them are ratified, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Standing {
    operations: OrdSet<Id>,
    chain: Vec<Id>,
}

/// One of an author's slots, of those for operations or of those for batches (P5, G5b).
type Slot = (PublicKey, Kind, u32);

/// A page with everything said about it since its newest seal.
#[derive(Clone)]
pub struct Governance {
    page: Page,
    operations: OrdMap<Id, Proposal>,
    /// What is in each slot of an author, at most two each: the smallest counts (P5).
    slots: OrdMap<Slot, OrdSet<Id>>,
    registers: OrdMap<Register, Standing>,
    batches: OrdMap<Id, Statement>,
    /// The batches that name an operation, whether or not either is known.
    batches_of: OrdMap<Id, OrdSet<Id>>,
    /// For each operation or batch the ballot of each voter that counts on it.
    rows: OrdMap<Id, OrdMap<PublicKey, Statement>>,
    /// How many rows of a voter name what is not known yet.
    waiting: OrdMap<PublicKey, usize>,
    newest_ballot: OrdMap<PublicKey, Statement>,
    evidence: OrdMap<PublicKey, (Statement, Statement)>,
}

impl Governance {
    /// A page about which nothing has been said since its newest seal.
    pub fn new(page: Page) -> Governance {
        Governance {
            page,
            operations: OrdMap::new(),
            slots: OrdMap::new(),
            registers: OrdMap::new(),
            batches: OrdMap::new(),
            batches_of: OrdMap::new(),
            rows: OrdMap::new(),
            waiting: OrdMap::new(),
            newest_ballot: OrdMap::new(),
            evidence: OrdMap::new(),
        }
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
        if statement.page() != self.page.id() {
            return Err(Refusal::OtherPage(statement.page()));
        }
        if self.page.roster().power(&statement.author()).is_none() {
            return Err(Refusal::NotParticipant(statement.author()));
        }
        let touched = match statement.body() {
            Body::Operation(operation) => self.admit_operation(statement, operation)?,
            Body::Ballot(ballot) => self.admit_ballot(statement, ballot)?,
            Body::Batch(batch) => self.admit_batch(statement, batch)?,
        };
        Ok(touched.into_iter().filter_map(|register| self.walk_again(register)).collect())
    }

    fn admit_operation(
        &mut self,
        statement: &Statement,
        operation: &Operation,
    ) -> Result<OrdSet<Register>, Refusal> {
        let id = statement.id();
        if self.operations.contains_key(&id) {
            return Err(Refusal::Known);
        }
        if operation.base != self.page.seal() {
            return Err(Refusal::UnknownBase(operation.base));
        }
        let max = self.page.parameters().open_operations_max;
        if operation.slot >= max {
            return Err(Refusal::SlotOutOfRange { slot: operation.slot, max });
        }
        let sets = self.check_change(&operation.change)?;
        let mut touched = self.take_slot(statement, operation.slot)?;
        let register = operation.change.register();
        self.registers.entry(register.clone()).or_default().operations.insert(id);
        let tally = Tally::empty(self.page.roster());
        let proposal = Proposal { statement: statement.clone(), sets, cast: OrdMap::new(), tally };
        self.operations.insert(id, proposal);
        self.settle_waiting(&id);
        self.settle_all(&id);
        touched.insert(register);
        Ok(touched)
    }

    fn check_change(&self, change: &Change) -> Result<Option<RecordSets>, Refusal> {
        match change {
            Change::SetEntry(set) => {
                let name = self.page.name();
                Ok(Some(RecordSets::admit(set.sets.clone(), &set.owner, name)?))
            }
            Change::SetLink(link) if link.owner.label_count() != 1 => {
                Err(EntryRefusal::PageNotOneLabel.into())
            }
            Change::SetLink(_) => Ok(None),
            Change::SetRoster(set) => {
                roster::apply(self.page.roster(), self.page.parameters(), &set.change)?;
                Ok(None)
            }
        }
    }

    /// Puts an operation or a batch into its slot. A third contender with a larger id is refused,
    /// with a smaller one it displaces the largest: so the two smallest remain, in any order (P5).
    /// Returns the registers on which another one counts no longer.
    fn take_slot(&mut self, statement: &Statement, slot: u32) -> Result<OrdSet<Register>, Refusal> {
        let id = statement.id();
        let place = (statement.author(), statement.kind(), slot);
        let mut contenders = self.slots.get(&place).cloned().unwrap_or_default();
        contenders.insert(id);
        let largest = contenders.get_max().copied().filter(|_| contenders.len() > 2);
        if largest == Some(id) {
            return Err(Refusal::SlotTaken(slot));
        }
        contenders = largest.map_or(contenders.clone(), |largest| contenders.without(&largest));
        let others: Vec<Id> = contenders.iter().filter(|other| **other != id).copied().collect();
        self.slots.insert(place, contenders);
        let mut touched: OrdSet<Register> =
            largest.iter().flat_map(|largest| self.drop_contender(largest)).collect();
        for other in others {
            let Some(said) = self.statement(&other).cloned() else { continue };
            self.evidence.entry(statement.author()).or_insert((said, statement.clone()));
            touched.extend(self.settle_behind(&other));
        }
        Ok(touched)
    }

    /// Forgets what lost its slot. Ballots on it stay, as on anything unknown.
    fn drop_contender(&mut self, id: &Id) -> OrdSet<Register> {
        for voter in self.rows.get(id).into_iter().flat_map(|rows| rows.keys()) {
            *self.waiting.entry(*voter).or_default() += 1;
        }
        if let Some(operation) = self.operations.remove(id) {
            let register = operation.operation().change.register();
            if let Some(standing) = self.registers.get_mut(&register) {
                standing.operations.remove(id);
            }
            return OrdSet::unit(register);
        }
        let behind = self.operations_behind(id);
        self.batches.remove(id);
        for operation in &behind {
            let batches = self.batches_of.get(operation).map(|batches| batches.without(id));
            match batches.filter(|batches| !batches.is_empty()) {
                Some(batches) => self.batches_of.insert(*operation, batches),
                None => self.batches_of.remove(operation),
            };
        }
        behind.iter().filter_map(|operation| self.settle_all(operation)).collect()
    }

    /// Counts anew what was said through this batch, or names the register of this operation.
    fn settle_behind(&mut self, id: &Id) -> OrdSet<Register> {
        if let Some(operation) = self.operations.get(id) {
            return OrdSet::unit(operation.operation().change.register());
        }
        let behind = self.operations_behind(id);
        behind.iter().filter_map(|operation| self.settle_all(operation)).collect()
    }

    /// The operation or batch with this id, as it was signed.
    fn statement(&self, id: &Id) -> Option<&Statement> {
        let operation = || self.operations.get(id).map(|proposal| &proposal.statement);
        self.batches.get(id).or_else(operation)
    }

    /// Of those that contend for this slot, the one that counts.
    fn slot_winner(&self, statement: &Statement, slot: u32) -> Option<Id> {
        self.slots.get(&(statement.author(), statement.kind(), slot))?.get_min().copied()
    }

    fn admit_ballot(
        &mut self,
        statement: &Statement,
        ballot: &Ballot,
    ) -> Result<OrdSet<Register>, Refusal> {
        let voter = statement.author();
        let counts: Vec<Id> = ballot
            .rows
            .iter()
            .map(|(target, _)| *target)
            .filter(|target| self.outranks(statement, ballot, target))
            .collect();
        if counts.is_empty() && !self.is_new_evidence(statement, ballot) {
            let is_known = self.is_kept(statement);
            return Err(if is_known { Refusal::Known } else { Refusal::Outranked });
        }
        let is_new = |target: &&Id| {
            !self.knows(target) && !self.rows.get(*target).is_some_and(|r| r.contains_key(&voter))
        };
        let waiting = counts.iter().filter(is_new).count();
        let waiting = waiting + self.waiting.get(&voter).copied().unwrap_or(0);
        if waiting > WAITING_BALLOTS_PER_VOTER_MAX {
            return Err(Refusal::TooManyWaiting);
        }
        self.waiting.insert(voter, waiting);
        self.note_ballot(statement, ballot);
        let mut touched = OrdSet::new();
        for target in counts {
            self.rows.entry(target).or_default().insert(voter, statement.clone());
            for operation in self.operations_behind(&target) {
                touched.extend(self.settle(&operation, &voter));
            }
        }
        Ok(touched)
    }

    /// Whether this ballot counts on `target` more than what its voter said before (G5).
    fn outranks(&self, statement: &Statement, ballot: &Ballot, target: &Id) -> bool {
        let present = self.rows.get(target).and_then(|rows| rows.get(&statement.author()));
        let precedence = ballot.precedence(statement.id(), None);
        present.and_then(|present| Some(present.as_ballot()?.precedence(present.id(), None)))
            < Some(precedence)
    }

    /// Whether a ballot that counts nowhere is still the first proof that its voter contradicted
    /// itself: it is kept for that, whichever of the two came first (G11).
    fn is_new_evidence(&self, statement: &Statement, ballot: &Ballot) -> bool {
        let newest = self.newest_ballot.get(&statement.author());
        let sequence = newest.and_then(|newest| newest.as_ballot()).map(|newest| newest.sequence);
        !self.evidence.contains_key(&statement.author())
            && sequence == Some(ballot.sequence)
            && newest != Some(statement)
    }

    /// Whether this very ballot is its voter's newest, or one of two that contradict each other.
    fn is_kept(&self, statement: &Statement) -> bool {
        let voter = statement.author();
        let pair = self.evidence.get(&voter).into_iter().flat_map(|(one, two)| [one, two]);
        pair.chain(self.newest_ballot.get(&voter)).any(|kept| kept == statement)
    }

    /// Remembers the voter's newest ballot, and two different ones with one sequence (G11).
    fn note_ballot(&mut self, statement: &Statement, ballot: &Ballot) {
        let voter = statement.author();
        let newest = self.newest_ballot.get(&voter).and_then(|newest| {
            let sequence = newest.as_ballot()?.sequence;
            Some((newest, sequence))
        });
        match newest {
            Some((newest, sequence)) if sequence == ballot.sequence && newest != statement => {
                let pair = (newest.clone(), statement.clone());
                self.evidence.entry(voter).or_insert(pair);
            }
            Some((_, sequence)) if sequence > ballot.sequence => {}
            _ => {
                self.newest_ballot.insert(voter, statement.clone());
            }
        }
    }

    fn admit_batch(
        &mut self,
        statement: &Statement,
        batch: &Batch,
    ) -> Result<OrdSet<Register>, Refusal> {
        let id = statement.id();
        if self.batches.contains_key(&id) {
            return Err(Refusal::Known);
        }
        if batch.slot >= BATCH_SLOTS {
            return Err(Refusal::BatchSlotOutOfRange(batch.slot));
        }
        let mut touched = self.take_slot(statement, batch.slot)?;
        self.batches.insert(id, statement.clone());
        self.settle_waiting(&id);
        for operation in &batch.operations {
            self.batches_of.entry(*operation).or_default().insert(id);
            touched.extend(self.settle_all(operation));
        }
        Ok(touched)
    }

    fn knows(&self, target: &Id) -> bool {
        self.operations.contains_key(target) || self.batches.contains_key(target)
    }

    /// What waited for this operation or batch waits no longer.
    fn settle_waiting(&mut self, target: &Id) {
        for voter in self.rows.get(target).into_iter().flat_map(|rows| rows.keys()) {
            if let Some(count) = self.waiting.get_mut(voter) {
                *count -= 1;
            }
        }
    }

    /// The known operations that a row naming `target` speaks of.
    fn operations_behind(&self, target: &Id) -> Vec<Id> {
        match self.batches.get(target).and_then(|batch| batch.as_batch()) {
            Some(batch) => batch.operations.clone(),
            None => vec![*target],
        }
    }

    /// Counts anew what everybody who spoke of this operation said.
    fn settle_all(&mut self, operation: &Id) -> Option<Register> {
        let named = self.batches_of.get(operation).into_iter().flatten().chain([operation]);
        let voters: OrdSet<PublicKey> = named
            .filter_map(|target| self.rows.get(target))
            .flat_map(|rows| rows.keys().copied())
            .collect();
        let touched = voters.iter().filter_map(|voter| self.settle(operation, voter));
        touched.last()
    }

    /// Counts anew what one voter said about one operation; returns its register if that changed.
    fn settle(&mut self, operation: &Id, voter: &PublicKey) -> Option<Register> {
        let power = self.page.roster().power(voter)?;
        let cast = self.effective(operation, voter);
        let proposal = self.operations.get_mut(operation)?;
        let before = proposal.cast.get(voter);
        if before == cast.as_ref() {
            return None;
        }
        if let Some(before) = before {
            proposal.tally.subtract(before.choice, power);
        }
        if let Some(cast) = &cast {
            proposal.tally.add(cast.choice, power);
        }
        proposal.cast = match cast {
            Some(cast) => proposal.cast.update(*voter, cast),
            None => proposal.cast.without(voter),
        };
        Some(proposal.operation().change.register())
    }

    /// The ballot of `voter` that counts on `operation`, directly or through a batch (G5, G5b).
    fn effective(&self, operation: &Id, voter: &PublicKey) -> Option<Cast> {
        let author = self.operations.get(operation)?.statement.author();
        let is_its_own = |id: &&Id| {
            let Some(statement) = self.batches.get(*id) else { return false };
            let slot = statement.as_batch().map_or(0, |batch| batch.slot);
            statement.author() == author && self.slot_winner(statement, slot) == Some(**id)
        };
        let batches = self.batches_of.get(operation).into_iter().flatten().filter(is_its_own);
        let targets = batches.map(|batch| Some(*batch)).chain([None]);
        let row = |batch: Option<Id>| -> Option<(Precedence, Cast)> {
            let target = batch.unwrap_or(*operation);
            let statement = self.rows.get(&target)?.get(voter)?;
            let ballot = statement.as_ballot()?;
            let choice = ballot.choice(&target)?;
            let precedence = ballot.precedence(statement.id(), batch);
            Some((precedence, Cast { ballot: statement.clone(), choice }))
        };
        targets.filter_map(row).max_by_key(|(precedence, _)| *precedence).map(|(_, cast)| cast)
    }
}

/// What a page says, and what was said about it.
impl Governance {
    /// The record sets at `owner` as ratified, and whether they are soft (not yet sealed).
    pub fn ratified(&self, owner: &Owner) -> (RecordSets, bool) {
        let chain = self.chain(&Register::Entry(owner.clone()));
        match chain.last().and_then(|id| self.operations.get(id)?.sets.clone()) {
            Some(sets) => (sets, true),
            None => (self.page.entry(owner).map(|entry| entry.sets).unwrap_or_default(), false),
        }
    }

    /// The version that a change of `register` made now must name as its parent.
    pub fn version(&self, register: &Register) -> Id {
        self.chain(register).last().copied().unwrap_or_else(|| self.sealed_version(register))
    }

    /// The ratified operations of a register that wait for a seal, oldest first (G9).
    pub fn chain(&self, register: &Register) -> &[Id] {
        self.registers.get(register).map_or(&[], |standing| &standing.chain)
    }

    /// Owners with a soft value.
    pub fn soft_owners(&self) -> impl Iterator<Item = &Owner> {
        self.registers.iter().filter(|(_, standing)| !standing.chain.is_empty()).filter_map(
            |(register, _)| match register {
                Register::Entry(owner) => Some(owner),
                Register::Roster => None,
            },
        )
    }

    /// All record sets of the page as ratified, sorted by owner.
    pub fn contents(&self) -> Vec<(Owner, RecordSets)> {
        let mut contents: std::collections::BTreeMap<Owner, RecordSets> =
            self.page.entries().map(|entry| (entry.owner, entry.sets)).collect();
        for owner in self.soft_owners() {
            contents.insert(owner.clone(), self.ratified(owner).0);
        }
        contents.into_iter().filter(|(_, sets)| !sets.is_empty()).collect()
    }

    /// All operations, in the order of their ids.
    pub fn proposals(&self) -> impl Iterator<Item = &Proposal> {
        self.operations.values()
    }

    /// The operation with this id.
    pub fn proposal(&self, id: &Id) -> Option<&Proposal> {
        self.operations.get(id)
    }

    /// The batch with this id.
    pub fn batch(&self, id: &Id) -> Option<&Statement> {
        self.batches.get(id)
    }

    /// Operations and batches whose id starts with these hexadecimal digits.
    pub fn with_prefix(&self, prefix: &str) -> Vec<Id> {
        let known = self.operations.keys().chain(self.batches.keys());
        known.filter(|id| id.has_hex_prefix(prefix)).copied().collect()
    }

    /// The sequence that the next ballot of `voter` must have.
    pub fn next_sequence(&self, voter: &PublicKey) -> u64 {
        let newest = self.newest_ballot.get(voter).and_then(|newest| newest.as_ballot());
        newest.map_or(1, |ballot| ballot.sequence.saturating_add(1))
    }

    /// Whether an operation, or a batch, occupies this slot of `author`.
    pub fn is_taken(&self, author: &PublicKey, kind: Kind, slot: u32) -> bool {
        self.slots.contains_key(&(*author, kind, slot))
    }

    /// The lowest slots for operations of `author` that nothing occupies, at most `count`.
    pub fn free_slots(&self, author: &PublicKey, count: usize) -> Vec<u32> {
        let max = self.page.parameters().open_operations_max;
        let is_free = |slot: &u32| !self.is_taken(author, Kind::Operation, *slot);
        (0..max).filter(is_free).take(count).collect()
    }

    /// The lowest slot for batches of `author` that nothing occupies.
    pub fn free_batch_slot(&self, author: &PublicKey) -> Option<u32> {
        (0..BATCH_SLOTS).find(|slot| !self.is_taken(author, Kind::Batch, *slot))
    }

    /// Two statements that contradict each other, for each key that signed such (G11).
    pub fn evidence(&self) -> impl Iterator<Item = (&PublicKey, &(Statement, Statement))> {
        self.evidence.iter()
    }
}

impl Proposal {
    /// The operation.
    ///
    /// # Panics
    /// Never: only operations become proposals.
    pub fn operation(&self) -> &Operation {
        // Only operations become proposals: see `admit_operation`.
        self.statement.as_operation().expect("a proposal is an operation")
    }

    /// The signed operation.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The record sets of a Track 1 change.
    pub fn sets(&self) -> Option<&RecordSets> {
        self.sets.as_ref()
    }

    /// The sums.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The ballots that count on it.
    pub fn cast(&self) -> impl Iterator<Item = (&PublicKey, &Cast)> {
        self.cast.iter()
    }
}

/// Prefers more approving power, then the smaller id (G9).
fn preference(proposal: &Proposal) -> (u128, Reverse<Id>) {
    (proposal.tally.approve, Reverse(proposal.statement.id()))
}

#[cfg(test)]
mod tests;
