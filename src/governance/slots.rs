//! Slots: how many operations and batches of an author are open at a time (P5, G5b).

use super::*;

impl Governance {
    /// Puts an operation or a batch into its slot. A third contender with a larger id is refused,
    /// with a smaller one it displaces the largest: so the two smallest remain, in any order (P5).
    /// Returns the registers on which another one counts no longer.
    pub(super) fn take_slot(
        &mut self,
        statement: &Statement,
        slot: u32,
    ) -> Result<OrdSet<Register>, Refusal> {
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
            self.by_base.remove(&(operation.base_time, *id));
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
        self.slots.get(&(statement.author(), statement.kind(), slot))?.get_min().copied()
    }
}
