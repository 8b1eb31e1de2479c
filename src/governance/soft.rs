//! The soft walk: which ratified operations an entry shows (G8, G9), and the state of each.

use super::operation::{Change, Track};
use super::*;

/// Why an operation can never count, whatever the ballots (G3, G4).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("it would cut off or relink the subpage {0}: that takes a Track 2 operation")]
    ChangesPage(Id),
    #[error("there is no subpage to relink")]
    NoPage,
    #[error("{0}")]
    Roster(RosterChangeRefusal),
    #[error("{SOFT_CHAIN_MAX} changes of this entry wait for a seal already")]
    ChainFull,
}

/// Where an operation stands. Nothing is silently dropped (G10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Ballots can still decide it either way.
    Open,
    /// Track 1: enough ballots, and served; not yet sealed.
    Ratified,
    /// Track 2: enough ballots; it counts when sealed.
    Passed,
    /// Enough ballots, but another operation on the same version has more power.
    Outvoted(Id),
    /// It can no longer pass.
    Defeated,
    /// The version it was made against is not known here (yet).
    Waiting,
    /// Its author put another operation into the same slot.
    Displaced(Id),
    /// It can never count.
    Faulty(Fault),
}

impl State {
    /// One word for tables and JSON.
    pub fn word(&self) -> &'static str {
        match self {
            State::Open => "open",
            State::Ratified => "ratified",
            State::Passed => "passed",
            State::Outvoted(_) => "outvoted",
            State::Defeated => "defeated",
            State::Waiting => "waiting",
            State::Displaced(_) => "displaced",
            State::Faulty(_) => "faulty",
        }
    }
}

impl Governance {
    /// Where this operation stands.
    pub fn state(&self, proposal: &Proposal) -> State {
        let (id, operation) = (proposal.statement.id(), proposal.operation());
        let register = operation.change.register();
        let track = operation.change.track();
        if let Some(winner) = self.winner_over(proposal).filter(|winner| *winner != id) {
            return State::Displaced(winner);
        }
        if self.chain(&register).contains(&id) {
            return State::Ratified;
        }
        if !self.is_open(proposal) {
            return State::Waiting;
        }
        if let Some(fault) = self.fault(proposal) {
            return State::Faulty(fault);
        }
        if !self.has_the_votes(proposal) {
            let defeated = proposal.flow.tally().is_defeated(track, self.page.parameters());
            return if defeated { State::Defeated } else { State::Open };
        }
        if track == Track::Two {
            return State::Passed;
        }
        let parent = operation.change.parent();
        let rival = self.chain(&register).iter().find(|rival| self.parent(rival) == Some(parent));
        match rival {
            Some(rival) => State::Outvoted(*rival),
            None if self.chain(&register).len() >= SOFT_CHAIN_MAX => {
                State::Faulty(Fault::ChainFull)
            }
            None => State::Waiting,
        }
    }

    /// Walks registers again; returns the owners whose ratified value changed.
    pub(super) fn walk_all(&mut self, registers: OrdSet<Register>) -> Vec<Owner> {
        registers.into_iter().filter_map(|register| self.walk_again(register)).collect()
    }

    /// Walks a register again; returns its owner if the value at the end changed.
    fn walk_again(&mut self, register: Register) -> Option<Owner> {
        let chain = self.walk(&register);
        let standing = self.registers.get_mut(&register)?;
        let changed = standing.chain.last() != chain.last();
        standing.chain = chain;
        if standing.operations.is_empty() {
            self.registers.remove(&register);
        }
        match register {
            Register::Entry(owner) if changed => Some(owner),
            _ => None,
        }
    }

    /// G9: from the sealed version on, again and again the eligible operation on the current
    /// version with the most approving power.
    pub(super) fn walk(&self, register: &Register) -> Vec<Id> {
        self.walk_on(register, &[Track::One])
    }

    /// What a seal would apply to a register: the same walk over both tracks, of which a change of
    /// the roster is the last (G4, S4).
    pub(super) fn walk_to_seal(&self, register: &Register) -> Vec<Id> {
        let mut chain = self.walk_on(register, &[Track::One, Track::Two]);
        if *register == Register::Roster {
            chain.truncate(1);
        }
        chain
    }

    fn walk_on(&self, register: &Register, tracks: &[Track]) -> Vec<Id> {
        let mut chain = Vec::new();
        let mut current = self.sealed_version(register);
        let Some(standing) = self.registers.get(register) else { return chain };
        while chain.len() < SOFT_CHAIN_MAX {
            let proposals = standing.operations.iter().filter_map(|id| self.operations.get(id));
            let eligible = proposals.filter(|proposal| {
                let change = &proposal.operation().change;
                change.parent() == current
                    && tracks.contains(&change.track())
                    && self.has_its_slot(proposal)
                    && self.has_the_votes(proposal)
                    && self.fault(proposal).is_none()
            });
            let Some(best) = eligible.max_by_key(|proposal| preference(proposal)) else { break };
            current = best.statement.id();
            chain.push(current);
        }
        chain
    }

    /// The version of a register under the newest seal.
    pub(super) fn sealed_version(&self, register: &Register) -> Id {
        match register {
            Register::Entry(owner) => self.page.version(owner),
            Register::Roster => self.page.roster_version(),
        }
    }

    pub(super) fn parent(&self, id: &Id) -> Option<Id> {
        Some(self.operations.get(id)?.operation().change.parent())
    }

    fn winner_over(&self, proposal: &Proposal) -> Option<Id> {
        self.slot_winner(&proposal.statement, proposal.operation().slot)
    }

    fn has_its_slot(&self, proposal: &Proposal) -> bool {
        self.winner_over(proposal) == Some(proposal.statement.id())
    }

    fn has_the_votes(&self, proposal: &Proposal) -> bool {
        let track = proposal.operation().change.track();
        let participants = self.page.roster().len();
        proposal.flow.tally().is_eligible(track, self.page.parameters(), participants)
    }

    /// Whether a version of a register was replaced under the newest seal, or before.
    pub(super) fn is_past(&self, register: &Register, version: &Id) -> bool {
        if *version == self.sealed_version(register) {
            return false;
        }
        self.past.outcome(version).is_some() || *version == self.origin(register)
    }

    fn origin(&self, register: &Register) -> Id {
        match register {
            Register::Entry(owner) => origin_version(&self.page.id(), owner),
            Register::Roster => origin_roster_version(&self.page.id()),
        }
    }

    /// Whether its parent is the sealed version, or an open operation on the same register (G10).
    fn is_open(&self, proposal: &Proposal) -> bool {
        self.beginning(proposal) == self.sealed_version(&proposal.register())
    }

    /// The version at which the open operations begin that lead to this one.
    pub(super) fn beginning(&self, proposal: &Proposal) -> Id {
        let register = proposal.register();
        let mut version = proposal.operation().change.parent();
        for _ in 0..=SOFT_CHAIN_MAX {
            match self.operations.get(&version) {
                Some(above) if above.register() == register && self.has_its_slot(above) => {
                    version = above.operation().change.parent();
                }
                _ => break,
            }
        }
        version
    }

    /// What G3 and G4 say against an operation, given the version it was made against.
    fn fault(&self, proposal: &Proposal) -> Option<Fault> {
        let before = match &proposal.operation().change {
            Change::SetEntry(set) => self.page_at(&set.owner, set.parent),
            Change::SetLink(link) => {
                let before = self.page_at(&link.owner, link.parent);
                return before.is_none().then_some(Fault::NoPage);
            }
            Change::SetRoster(set) => {
                let after = roster::apply(self.page.roster(), self.page.parameters(), &set.change);
                return after.err().map(Fault::Roster);
            }
        };
        let after = proposal.sets.as_ref().and_then(RecordSets::page_link);
        let before = before?;
        (after.map(|link| link.page) != Some(before)).then_some(Fault::ChangesPage(before))
    }

    /// The subpage that a version of an entry links to, be it sealed, proposed, or relinked.
    fn page_at(&self, owner: &Owner, version: Id) -> Option<Id> {
        let in_sets = |sets: &RecordSets| sets.page_link().map(|link| link.page);
        if version == self.page.version(owner) {
            return in_sets(&self.page.entry(owner)?.sets);
        }
        let proposal = self.operations.get(&version)?;
        match &proposal.operation().change {
            Change::SetLink(link) => link.page.first().copied(),
            _ => in_sets(proposal.sets.as_ref()?),
        }
    }
}
