//! What a seal ends: which operations it applied, superseded or let expire (G10, S1).
//!
//! After a seal a page is again a pure function of its sealed state and the statements that are
//! still open, whether they came before the seal or come after it.

use super::*;
use crate::page::Head;

/// What changes as operations end.
#[derive(Default)]
struct Ending {
    touched: OrdSet<Register>,
    /// What has a slot for itself now, and may count.
    freed: Vec<Id>,
    /// Open operations of a batch that ended: what was said through it counts no longer.
    unnamed: Vec<Id>,
}

impl Governance {
    /// The page under its next seal, which lists these statements, operations in their order. Returns
    /// it with the owners that are answered differently now, if only in that they are not soft any
    /// more.
    pub(super) fn close(&self, page: Page, listed: &[Statement]) -> (Governance, Vec<Owner>) {
        let mut next = self.clone();
        let is_new_order = page.roster_version() != self.page.roster_version();
        let mut touched = next.take_listed(listed);
        next.page = page;
        next.past.seal(next.page.head());
        if is_new_order {
            next.past.note_order(&self.page, &next.page);
        }
        let mut ending = next.end_operations(listed);
        next.end_batches(&mut ending);
        touched.extend(ending.touched);
        let presences = listed.iter().filter(|s| s.as_presence().is_some());
        next.seal_presences(presences.clone());
        if is_new_order {
            // The tallies still stand on the positions of the roster below: all is counted anew.
            touched.extend(next.registers.keys().cloned());
            next = next.under_new_order();
            touched.extend(next.registers.keys().cloned());
        } else {
            for other in &ending.freed {
                touched.extend(next.settle_behind(other));
            }
            touched.extend(ending.unnamed.iter().filter_map(|id| next.settle_all(id)));
            for presence in presences {
                touched.extend(next.lend_anew(&presence.author()));
            }
        }
        touched.extend(next.end_absences());
        let sealed: OrdSet<Owner> = touched.iter().filter_map(owner).collect();
        let soft: OrdSet<Owner> = next.walk_all(touched).into_iter().collect();
        (next, sealed.union(soft).into_iter().collect())
    }

    /// Takes in what a seal lists and was not known here: its ballots may count on more than what
    /// was sealed. What is known already, or has lost its slot here, is refused and stays so.
    fn take_listed(&mut self, statements: &[Statement]) -> OrdSet<Register> {
        let taken = statements.iter().filter_map(|statement| self.take(statement).ok());
        taken.flatten().collect()
    }

    /// Ends what was applied, what that supersedes, and what has expired with it.
    fn end_operations(&mut self, applied: &[Statement]) -> Ending {
        let Head { height, time, .. } = self.page.head();
        let mut ending = Ending::default();
        let mut last = OrdMap::new();
        for statement in applied {
            let Some(operation) = statement.as_operation() else { continue };
            last.insert(operation.change.register(), statement.id());
            self.end(&statement.id(), Outcome::Sealed(height), &mut ending);
        }
        for (register, by) in last {
            self.end_orphans(&register, Outcome::Superseded { height, by }, &mut ending);
            ending.touched.insert(register);
        }
        while let Some((base, id)) = self.by_base.get_min().copied() {
            if !past::has_expired(base, time) {
                break;
            }
            let register = self.operations.get(&id).map(Proposal::register);
            match self.batches.get(&id).cloned() {
                Some(batch) => self.end_batch(&batch, Outcome::Expired(height), &mut ending),
                None => self.end(&id, Outcome::Expired(height), &mut ending),
            }
            if let Some(register) = register {
                self.end_orphans(&register, Outcome::Expired(height), &mut ending);
            }
        }
        ending
    }

    /// Ends the operations on a register that were made against a version which is past, and so
    /// what was made against those, until none is left.
    fn end_orphans(&mut self, register: &Register, outcome: Outcome, ending: &mut Ending) {
        loop {
            let Some(standing) = self.registers.get(register) else { return };
            let is_orphan = |id: &&Id| {
                let parent = self.operations.get(*id).map(|p| p.operation().change.parent());
                parent.is_some_and(|parent| self.is_past(register, &parent))
            };
            let orphans: Vec<Id> = standing.operations.iter().filter(is_orphan).copied().collect();
            if orphans.is_empty() {
                return;
            }
            for id in orphans {
                self.end(&id, outcome, ending);
            }
        }
    }

    /// Ends one operation, also one that is not known here: a seal may apply what came in third
    /// for its slot.
    fn end(&mut self, id: &Id, outcome: Outcome, ending: &mut Ending) {
        self.forget_rows(id);
        let Some(proposal) = self.operations.remove(id) else {
            return self.past.close(*id, outcome);
        };
        let register = proposal.register();
        self.past.note(*id, proposal.ended(outcome));
        if let Some(standing) = self.registers.get_mut(&register) {
            standing.operations.remove(id);
        }
        ending.touched.insert(register);
        self.leave_slot(&proposal.statement, proposal.operation().slot, ending);
    }

    /// Ends the batches whose operations have all ended.
    fn end_batches(&mut self, ending: &mut Ending) {
        let outcome = |batch: &Statement| self.batch_outcome(batch.as_batch()?);
        let ended: Vec<(Statement, Outcome)> = self
            .batches
            .values()
            .filter_map(|batch| Some((batch.clone(), outcome(batch)?)))
            .collect();
        for (statement, outcome) in ended {
            self.end_batch(&statement, outcome, ending);
        }
    }

    fn end_batch(&mut self, statement: &Statement, outcome: Outcome, ending: &mut Ending) {
        let id = statement.id();
        self.forget_rows(&id);
        let named = self.forget_batch(&id);
        ending.unnamed.extend(named.into_iter().filter(|id| self.operations.contains_key(id)));
        self.past.close(id, outcome);
        let slot = statement.as_batch().map_or(0, |batch| batch.slot);
        self.leave_slot(statement, slot, ending);
    }

    /// Forgets what was said about exactly this operation or batch.
    fn forget_rows(&mut self, target: &Id) {
        let is_known = self.knows(target);
        for (voter, _) in self.rows.remove(target).into_iter().flatten() {
            if let Some(count) = self.waiting.get_mut(&voter).filter(|_| !is_known) {
                *count -= 1;
            }
        }
    }

    /// Takes something out of its slot. What contended with it may count now.
    fn leave_slot(&mut self, statement: &Statement, slot: u32, ending: &mut Ending) {
        let place = (statement.author(), statement.kind(), slot);
        let Some(contenders) = self.slots.get(&place) else { return };
        let rank = contenders.iter().find(|(_, id)| *id == statement.id()).copied();
        let Some((base, id)) = rank else { return };
        self.by_base.remove(&(base.0, id));
        let left = contenders.without(&(base, id));
        let Some((_, other)) = left.get_min().copied() else {
            self.slots.remove(&place);
            return;
        };
        self.slots.insert(place, left);
        ending.touched.extend(self.operations.get(&other).map(Proposal::register));
        ending.freed.push(other);
    }

    /// The same statements under the roster and parameters that were just sealed. Those that
    /// cannot count under them have ended.
    fn under_new_order(self) -> Governance {
        let height = self.page.height();
        let mut next = Governance::with_past(self.page.clone(), self.past.clone());
        self.readmit(&mut next, &|refusal, _| match refusal {
            Refusal::NotParticipant(_) => Outcome::AuthorGone(height),
            _ => Outcome::Impossible(height),
        });
        // What stands on one that ended with the old order cannot count either.
        next.end_readmitted_orphans(&|_| Outcome::Impossible(height));
        next
    }

    /// Says to `next`, of which nothing is said yet, all that is open here. What it refuses has ended, as
    /// `outcome` says.
    pub(super) fn readmit(
        &self,
        next: &mut Governance,
        outcome: &dyn Fn(&Refusal, Option<&Register>) -> Outcome,
    ) {
        next.waits_are_bounded = false;
        let page = next.page.clone();
        let takes_part = |key: &PublicKey| page.roster().power(key).is_some();
        let newest = self.newest_ballot.iter().filter(|(key, _)| takes_part(key));
        next.newest_ballot = newest.map(|(key, ballot)| (*key, ballot.clone())).collect();
        next.evidence = self.evidence.clone();
        for presence in self.presences.values() {
            let _ = next.take(presence);
        }
        for proposal in self.operations.values() {
            let register = proposal.register();
            match next.take(&proposal.statement) {
                Ok(_) | Err(Refusal::Closed(..)) => {}
                Err(refusal) => {
                    let outcome = outcome(&refusal, Some(&register));
                    next.past.note(proposal.statement.id(), proposal.ended(outcome));
                }
            }
        }
        for batch in self.batches.values() {
            match next.take(batch) {
                Err(Refusal::Closed(id, outcome)) => next.past.close(id, outcome),
                Err(refusal) => next.past.close(batch.id(), outcome(&refusal, None)),
                Ok(_) => {}
            }
        }
        for ballot in self.ballots().values() {
            let _ = next.take(ballot);
        }
        next.waits_are_bounded = true;
    }

    /// Ends what was said anew and was made against a version that is past, and the batches that so have
    /// nothing open any more. All registers are to be walked then.
    pub(super) fn end_readmitted_orphans(&mut self, outcome: &dyn Fn(&Register) -> Outcome) {
        let mut ending = Ending::default();
        for register in self.registers.keys().cloned().collect::<Vec<_>>() {
            self.end_orphans(&register, outcome(&register), &mut ending);
        }
        self.end_batches(&mut ending);
        ending.freed.iter().for_each(|other| drop(self.settle_behind(other)));
        ending.unnamed.iter().for_each(|id| drop(self.settle_all(id)));
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
