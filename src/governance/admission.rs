//! The door for statements of one page: what is taken in, and whose ballot counts on what (G5).

use super::{
    ballot::{Ballot, Batch, Precedence},
    operation::{Change, Operation},
    statement::Body,
    *,
};

impl Governance {
    /// Takes one statement in; returns the registers to be walked again.
    pub(super) fn take(&mut self, statement: &Statement) -> Result<OrdSet<Register>, Refusal> {
        if statement.page() != self.page.id() {
            return Err(Refusal::OtherPage(statement.page()));
        }
        if self.page.roster().power(&statement.author()).is_none() {
            return Err(Refusal::NotParticipant(statement.author()));
        }
        let before = self.evidence.get(&statement.author()).cloned();
        match self.take_counted(statement) {
            Err(refusal) if refusal.is_order() => self.set_apart(statement, before, refusal),
            Err(refusal) => Err(refusal),
            Ok(touched) => {
                self.contradict(statement, before);
                Ok(touched)
            }
        }
    }

    /// Takes a participant's statement in that counts, or that contradicts one that does.
    fn take_counted(&mut self, statement: &Statement) -> Result<OrdSet<Register>, Refusal> {
        if let Some(outcome) = self.past.outcome(&statement.id()) {
            return Err(Refusal::Closed(statement.id(), outcome));
        }
        match statement.body() {
            Body::Operation(operation) => self.admit_operation(statement, operation),
            Body::Ballot(ballot) => self.admit_ballot(statement, ballot),
            Body::Batch(batch) => self.admit_batch(statement, batch),
            Body::Presence(presence) => self.admit_presence(statement, presence),
        }
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
        let base_time = self.base_time(statement, &operation.base)?;
        let max = self.page.parameters().open_operations_max;
        let max = self.past.slots_since(base_time, max);
        if operation.slot >= max {
            return Err(Refusal::SlotOutOfRange { slot: operation.slot, max });
        }
        let register = operation.change.register();
        if self.is_past(&register, &operation.change.parent()) {
            return Err(Refusal::PastVersion(operation.change.parent()));
        }
        let sets = self.check_change(&operation.change)?;
        let Some(mut touched) = self.take_slot(statement, operation.slot, base_time)? else {
            return Ok(OrdSet::new());
        };
        self.registers.entry(register.clone()).or_default().operations.insert(id);
        self.by_base.insert((base_time, id));
        let (cast, flow) = (OrdMap::new(), Flow::new(&self.lending));
        let proposal = Proposal { statement: statement.clone(), sets, base_time, cast, flow };
        self.operations.insert(id, proposal);
        self.settle_waiting(&id);
        self.settle_all(&id);
        touched.insert(register);
        Ok(touched)
    }

    /// The time of the seal that a statement is based on. Its author took part under it, and under
    /// every seal since.
    fn base_time(&self, statement: &Statement, base: &Id) -> Result<u64, Refusal> {
        let Some(base_time) = self.past.time(base) else {
            return Err(Refusal::UnknownBase(*base));
        };
        if !self.past.takes_part_since(&statement.author(), base_time) {
            return Err(Refusal::JoinedLater(statement.author()));
        }
        Ok(base_time)
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
            // Against another version it is judged when that is sealed (G4).
            Change::SetRoster(set) if set.parent != self.page.roster_version() => Ok(None),
            Change::SetRoster(set) => {
                roster::apply(self.page.roster(), self.page.parameters(), &set.change)?;
                Ok(None)
            }
        }
    }

    fn admit_ballot(
        &mut self,
        statement: &Statement,
        ballot: &Ballot,
    ) -> Result<OrdSet<Register>, Refusal> {
        let voter = statement.author();
        let targets = || ballot.rows.iter().map(|(target, _)| *target);
        let ended = |target: &Id| self.past.outcome(target);
        if let Some(first) = targets().next()
            && let Some(outcome) = ended(&first)
            && targets().all(|target| ended(&target).is_some())
        {
            return Err(Refusal::Closed(first, outcome));
        }
        let is_open = |target: &Id| ended(target).is_none();
        let counts: Vec<Id> = targets()
            .filter(|target| is_open(target) && self.outranks(statement, ballot, target))
            .collect();
        if counts.is_empty() {
            return match self.note_contradiction_with_newest(statement, ballot) {
                true => Ok(OrdSet::new()),
                false if self.is_kept(statement) => Err(Refusal::Known),
                false => Err(Refusal::Outranked),
            };
        }
        let is_new = |target: &&Id| {
            !self.knows(target) && !self.rows.get(*target).is_some_and(|r| r.contains_key(&voter))
        };
        let waiting = counts.iter().filter(is_new).count();
        let waiting = waiting + self.waiting.get(&voter).copied().unwrap_or(0);
        if self.waits_are_bounded && waiting > WAITING_BALLOTS_PER_VOTER_MAX {
            return Err(Refusal::TooManyWaiting);
        }
        if waiting > 0 || self.waiting.contains_key(&voter) {
            self.waiting.insert(voter, waiting);
        }
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

    /// Keeps a ballot as evidence that contradicts its voter's newest, whichever of the two came first (G11).
    /// Returns whether it is kept.
    fn note_contradiction_with_newest(&mut self, statement: &Statement, ballot: &Ballot) -> bool {
        let newest = self.newest_ballot.get(&statement.author()).cloned();
        newest.is_some_and(|newest| {
            let sequence = newest.as_ballot().map(|newest| newest.sequence);
            sequence == Some(ballot.sequence)
                && newest.id() != statement.id()
                && self.note_pair(&newest, statement)
        })
    }

    /// Whether this very ballot is its voter's newest, or one of two that contradict each other.
    fn is_kept(&self, statement: &Statement) -> bool {
        let voter = statement.author();
        let pair = self.evidence.get(&voter).into_iter().flat_map(|(one, two)| [one, two]);
        pair.chain(self.newest_ballot.get(&voter)).any(|kept| kept.id() == statement.id())
    }

    /// Remembers the voter's newest ballot, and two different ones with one sequence (G11).
    fn note_ballot(&mut self, statement: &Statement, ballot: &Ballot) {
        let voter = statement.author();
        self.note_contradiction_with_newest(statement, ballot);
        let newest = self.newest_ballot.get(&voter).and_then(Statement::as_ballot);
        if newest.is_none_or(|newest| newest.sequence < ballot.sequence) {
            self.newest_ballot.insert(voter, statement.clone());
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
        if let Some(outcome) = self.batch_outcome(batch) {
            return Err(Refusal::Closed(id, outcome));
        }
        let base_time = self.base_time(statement, &batch.base)?;
        let Some(mut touched) = self.take_slot(statement, batch.slot, base_time)? else {
            return Ok(OrdSet::new());
        };
        self.by_base.insert((base_time, id));
        self.batches.insert(id, statement.clone());
        self.settle_waiting(&id);
        for operation in &batch.operations {
            self.batches_of.entry(*operation).or_default().insert(id);
            touched.extend(self.settle_all(operation));
        }
        Ok(touched)
    }

    /// How the last operation of a batch ended, if all have.
    pub(super) fn batch_outcome(&self, batch: &Batch) -> Option<Outcome> {
        let outcomes = batch.operations.iter().map(|operation| self.past.outcome(operation));
        outcomes.collect::<Option<Vec<Outcome>>>()?.last().copied()
    }

    pub(super) fn knows(&self, target: &Id) -> bool {
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
    pub(super) fn operations_behind(&self, target: &Id) -> Vec<Id> {
        match self.batches.get(target).and_then(|batch| batch.as_batch()) {
            Some(batch) => batch.operations.clone(),
            None => vec![*target],
        }
    }

    /// Counts anew what everybody who spoke of this operation said.
    pub(super) fn settle_all(&mut self, operation: &Id) -> Option<Register> {
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
        let position = self.position(voter)?;
        let cast = self.effective(operation, voter);
        let proposal = self.operations.get_mut(operation)?;
        let before = proposal.cast.get(voter);
        if before == cast.as_ref() {
            return None;
        }
        proposal.flow.cast(&self.lending, position, cast.as_ref().map(|cast| cast.choice));
        match cast {
            Some(cast) => proposal.cast.insert(*voter, cast),
            None => proposal.cast.remove(voter),
        };
        Some(proposal.operation().change.register())
    }

    /// The ballot of `voter` that counts on `operation`, directly or through a batch (G5, G5b).
    fn effective(&self, operation: &Id, voter: &PublicKey) -> Option<Cast> {
        let author = self.operations.get(operation)?.statement.author();
        let batches = self.batches_for(operation, &author).map(|batch| Some(batch.id()));
        let targets = batches.chain([None]);
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

    /// The batches through which a row counts on an operation of this author: its own, each the one
    /// that counts in its slot (G5b).
    pub(super) fn batches_for(
        &self,
        operation: &Id,
        author: &PublicKey,
    ) -> impl Iterator<Item = &Statement> {
        let batches = self.batches_of.get(operation).into_iter().flatten();
        batches.filter_map(|id| self.batches.get(id)).filter(move |statement| {
            let slot = statement.as_batch().map_or(0, |batch| batch.slot);
            statement.author() == *author
                && self.slot_winner(statement, slot) == Some(statement.id())
        })
    }
}
