//! A page that takes in what was said elsewhere, in its order: from a bundle, or from a peer.
//!
//! A statement that does not count here is left out, unless a seal rests on it: then it stands in the
//! log before that seal, so that this log replays as the other one does.

use super::{node::record, whole};
use crate::{
    governance::{
        Governance, Refusal,
        chain::ladder::Ladder,
        seal::SealRecord,
        sealing::{Lookup, SealRefusal},
        statement::Statement,
    },
    id::Kind,
    page::name::Owner,
    store::Record,
};

/// A page with what was taken in, and what is to be written for it.
pub struct Following {
    pub page: Governance,
    /// The certificates that lead to it (T1).
    pub ladder: Ladder,
    /// Owners that are answered differently.
    pub changed: Vec<Owner>,
    pub records: Vec<Record>,
    /// The newest seal that was taken in.
    pub newest: Option<SealRecord>,
    pub seals: usize,
}

impl Following {
    /// Nothing is taken in yet.
    pub fn new(page: Governance, ladder: Ladder) -> Following {
        let (changed, records) = Default::default();
        Following { page, ladder, changed, records, newest: None, seals: 0 }
    }

    /// Takes a statement in that is not in the log yet. `is_listed`: a seal to come lists it.
    ///
    /// # Errors
    /// [`Refusal`] when it does not count; it is written all the same when it is listed.
    pub fn statement(&mut self, statement: &Statement, is_listed: bool) -> Result<(), Refusal> {
        let admitted = self.page.admit(statement);
        // Evidence with this one (G11): it did not count when it came, and is not in the log.
        self.records.extend(self.page.take_joined().iter().map(record));
        if admitted.is_ok() || is_listed {
            self.records.push(record(statement));
        }
        self.changed.extend(admitted?);
        Ok(())
    }

    /// Takes the next seal in. `find` has the statements that it lists.
    ///
    /// # Errors
    /// [`SealRefusal`]; nothing has changed then.
    pub fn seal(&mut self, seal: &SealRecord, find: Lookup) -> Result<(), SealRefusal> {
        let (page, owners) = self.page.admit_seal(seal, find)?;
        self.ladder = self.ladder.climbed(seal, self.page.page(), page.page());
        self.page = page;
        self.changed.extend(owners);
        self.records.push(whole::record(Kind::Seal, seal.encode()));
        self.newest = Some(seal.clone());
        self.seals += 1;
        Ok(())
    }
}
