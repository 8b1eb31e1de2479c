//! What a seal ends: which operations it applied, superseded or let expire (G10, S1).
//!
//! After a seal a page is again a pure function of its sealed state and the statements that are
//! still open, whether they came before the seal or come after it.

use super::{seal::Contents, *};
use crate::page::Head;

/// What a seal applied, as it was signed.
pub(super) struct Applied<'a> {
    pub contents: &'a Contents,
    pub presences: Vec<Statement>,
}

impl Governance {
    /// The page under its next seal. Returns it with the owners that are answered differently now,
    /// if only in that they are not soft any more.
    pub(super) fn close(&self, page: Page, applied: &Applied) -> (Governance, Vec<Owner>) {
        let mut next = self.clone();
        let is_new_order = page.roster_version() != self.page.roster_version();
        next.page = page;
        next.past.seal(next.page.head());
        let mut touched = next.end_operations(&applied.contents.operations);
        next.take_presences(&applied.presences);
        if is_new_order {
            next = next.under_new_order();
            touched.extend(next.registers.keys().cloned());
            touched.extend(self.registers.keys().cloned());
        }
        touched.extend(next.end_absences());
        let sealed: OrdSet<Owner> = touched.iter().filter_map(owner).collect();
        let soft: OrdSet<Owner> = next.walk_all(touched).into_iter().collect();
        (next, sealed.union(soft).into_iter().collect())
    }

    /// Ends what was applied, what that supersedes, and what has expired with it.
    fn end_operations(&mut self, applied: &[Id]) -> OrdSet<Register> {
        let Head { height, time, .. } = self.page.head();
        let mut touched = OrdSet::new();
        let mut last = OrdMap::new();
        for id in applied {
            if let Some(register) = self.operations.get(id).map(Proposal::register) {
                last.insert(register, *id);
            }
            touched.extend(self.end(id, Outcome::Sealed(height)));
        }
        for (register, by) in &last {
            let over = Outcome::Superseded { height, by: *by };
            touched.extend(self.end_orphans(register, over));
        }
        while let Some((base, id)) = self.by_base.get_min().copied() {
            if !past::has_expired(base, time) {
                break;
            }
            let register = self.operations.get(&id).map(Proposal::register);
            touched.extend(self.end(&id, Outcome::Expired(height)));
            let orphans = register.map(|r| self.end_orphans(&r, Outcome::Expired(height)));
            touched.extend(orphans.into_iter().flatten());
        }
        touched.extend(self.end_batches());
        touched
    }

    /// Ends the operations on a register that lead back to a version which is past.
    fn end_orphans(&mut self, register: &Register, outcome: Outcome) -> OrdSet<Register> {
        let mut touched = OrdSet::new();
        let Some(standing) = self.registers.get(register) else { return touched };
        let is_orphan = |id: &&Id| {
            let version = self.operations.get(*id).map(|proposal| self.beginning(proposal));
            version.is_some_and(|version| self.is_past(register, &version))
        };
        let orphans: Vec<Id> = standing.operations.iter().filter(is_orphan).copied().collect();
        for id in orphans {
            touched.extend(self.end(&id, outcome));
        }
        touched
    }

    /// Ends one operation. Returns its register, and that of one which has its slot now.
    fn end(&mut self, id: &Id, outcome: Outcome) -> OrdSet<Register> {
        let Some(proposal) = self.operations.remove(id) else { return OrdSet::new() };
        let register = proposal.register();
        self.by_base.remove(&(proposal.base_time, *id));
        self.rows.remove(id);
        self.past.close(*id, outcome, Some(proposal.flow.tally()));
        if let Some(standing) = self.registers.get_mut(&register) {
            standing.operations.remove(id);
        }
        let mut touched = self.leave_slot(&proposal.statement, proposal.operation().slot);
        touched.insert(register);
        touched
    }

    /// Ends the batches whose operations have all ended.
    fn end_batches(&mut self) -> OrdSet<Register> {
        let has_ended = |batch: &Statement| {
            let mut operations = batch.as_batch().into_iter().flat_map(|batch| &batch.operations);
            operations.all(|id| self.past.outcome(id).is_some())
        };
        let ended: Vec<Statement> =
            self.batches.values().filter(|batch| has_ended(batch)).cloned().collect();
        let mut touched = OrdSet::new();
        for statement in ended {
            let Some(batch) = statement.as_batch() else { continue };
            let outcome = batch.operations.last().and_then(|id| self.past.outcome(id));
            let id = statement.id();
            self.batches.remove(&id);
            self.rows.remove(&id);
            batch.operations.iter().for_each(|operation| drop(self.batches_of.remove(operation)));
            if let Some(outcome) = outcome {
                self.past.close(id, outcome, None);
            }
            touched.extend(self.leave_slot(&statement, batch.slot));
        }
        touched
    }

    /// Takes something out of its slot. What contended with it may count now.
    fn leave_slot(&mut self, statement: &Statement, slot: u32) -> OrdSet<Register> {
        let place = (statement.author(), statement.kind(), slot);
        let Some(contenders) = self.slots.get(&place) else { return OrdSet::new() };
        let left = contenders.without(&statement.id());
        match left.get_min().copied() {
            None => {
                self.slots.remove(&place);
                OrdSet::new()
            }
            Some(other) => {
                self.slots.insert(place, left);
                self.settle_behind(&other)
            }
        }
    }

    fn take_presences(&mut self, sealed: &[Statement]) {
        for statement in sealed {
            let author = statement.author();
            if self.presences.get(&author) == Some(statement) {
                self.presences.remove(&author);
            }
            self.sealed_presences.insert(author, statement.clone());
        }
    }

    /// The same statements under the roster and parameters that were just sealed. Those that
    /// cannot count under them have ended.
    fn under_new_order(self) -> Governance {
        let height = self.page.height();
        let mut next = Governance::with_past(self.page.clone(), self.past.clone());
        next.waits_are_bounded = false;
        let takes_part = |key: &PublicKey| next.page.roster().power(key).is_some();
        let newest = self.newest_ballot.iter().filter(|(key, _)| takes_part(key));
        next.newest_ballot = newest.map(|(key, ballot)| (*key, ballot.clone())).collect();
        next.evidence = self.evidence.clone();
        for presence in self.presences.values() {
            let _ = next.take(presence);
        }
        for statement in self.operations.values().map(|proposal| &proposal.statement) {
            match next.take(statement) {
                Ok(_) => {}
                Err(Refusal::NotParticipant(_)) => {
                    next.past.close(statement.id(), Outcome::AuthorGone(height), None);
                }
                Err(_) => next.past.close(statement.id(), Outcome::Impossible(height), None),
            }
        }
        for batch in self.batches.values() {
            let _ = next.take(batch);
        }
        for ballot in self.ballots().values() {
            let _ = next.take(ballot);
        }
        next.waits_are_bounded = true;
        next
    }

    /// Every ballot that counts on something, by its id.
    pub(super) fn ballots(&self) -> OrdMap<Id, Statement> {
        let rows = self.rows.values().flat_map(OrdMap::values);
        rows.map(|ballot| (ballot.id(), ballot.clone())).collect()
    }
}

fn owner(register: &Register) -> Option<Owner> {
    match register {
        Register::Entry(owner) => Some(owner.clone()),
        Register::Roster => None,
    }
}
