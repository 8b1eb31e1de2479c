//! Slots: how many operations and batches of an author are open at a time (P5, G5b).

use super::*;

impl Governance {
    /// Puts an operation or a batch into its slot. Of several the one with the newest base counts,
    /// then the smaller id. A third contender that ranks last is refused, and otherwise displaces
    /// the last: so the first two remain, in any order (P5). Returns the registers on which another
    /// one counts no longer; `None` when the statement is kept as evidence only.
    ///
    /// Not the smallest id alone: an author whose operation ended puts the next into its slot, under
    /// a newer seal. A copy that does not know that the first has ended, because it never had what
    /// that was made against, must serve the second all the same.
    pub(super) fn take_slot(
        &mut self,
        statement: &Statement,
        slot: u32,
        base_time: u64,
    ) -> Result<Option<OrdSet<Register>>, Refusal> {
        let rank = (Reverse(base_time), statement.id());
        let place = (statement.author(), statement.kind(), slot);
        let present = self.slots.get(&place).cloned().unwrap_or_default();
        let is_contradicted = self.note_contradiction(statement, &present, base_time);
        let mut contenders = present.update(rank);
        let last = contenders.get_max().copied().filter(|_| contenders.len() > 2);
        if last == Some(rank) {
            return if is_contradicted { Ok(None) } else { Err(Refusal::SlotTaken(slot)) };
        }
        contenders = last.map_or(contenders.clone(), |last| contenders.without(&last));
        self.slots.insert(place, contenders);
        if let Some(base) = statement.base() {
            self.past.note_used(base, statement.author(), statement.kind(), slot);
        }
        let mut touched: OrdSet<Register> =
            last.iter().flat_map(|last| self.drop_contender(last)).collect();
        for (_, other) in present.iter().filter(|other| Some(**other) != last) {
            touched.extend(self.settle_behind(other));
        }
        Ok(Some(touched))
    }

    /// Keeps a proof that an author put two statements into one slot under one seal (G11).
    /// Under different seals it may be honest: the first may have ended between them.
    fn note_contradiction(
        &mut self,
        statement: &Statement,
        present: &OrdSet<Rank>,
        base_time: u64,
    ) -> bool {
        let others = present.iter().filter(|(base, _)| base.0 == base_time);
        let others: Vec<Statement> =
            others.filter_map(|(_, id)| self.statement(id)).cloned().collect();
        let mut is_new = false;
        for other in &others {
            is_new |= self.note_pair(other, statement);
        }
        is_new
    }

    /// Forgets what lost its slot. Ballots on it stay, as on anything unknown.
    fn drop_contender(&mut self, (base, id): &Rank) -> OrdSet<Register> {
        self.by_base.remove(&(base.0, *id));
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
        let behind = self.forget_batch(id);
        behind.iter().filter_map(|operation| self.settle_all(operation)).collect()
    }

    /// Forgets a batch; returns its operations.
    pub(super) fn forget_batch(&mut self, id: &Id) -> Vec<Id> {
        let behind = self.operations_behind(id);
        self.batches.remove(id);
        for operation in &behind {
            let batches = self.batches_of.get(operation).map(|batches| batches.without(id));
            match batches.filter(|batches| !batches.is_empty()) {
                Some(batches) => self.batches_of.insert(*operation, batches),
                None => self.batches_of.remove(operation),
            };
        }
        behind
    }

    /// Counts anew what was said through this batch, or names the register of this operation.
    pub(super) fn settle_behind(&mut self, id: &Id) -> OrdSet<Register> {
        if let Some(operation) = self.operations.get(id) {
            return OrdSet::unit(operation.operation().change.register());
        }
        let behind = self.operations_behind(id);
        behind.iter().filter_map(|operation| self.settle_all(operation)).collect()
    }

    /// The operation or batch with this id, as it was signed.
    pub(super) fn statement(&self, id: &Id) -> Option<&Statement> {
        let operation = || self.operations.get(id).map(|proposal| &proposal.statement);
        self.batches.get(id).or_else(operation)
    }

    /// Of those that contend for this slot, the one that counts.
    pub(super) fn slot_winner(&self, statement: &Statement, slot: u32) -> Option<Id> {
        let contenders = self.slots.get(&(statement.author(), statement.kind(), slot))?;
        contenders.get_min().map(|(_, id)| *id)
    }
}
