//! What a seal may contain, and what it makes of a page (S1, S4, S6).
//!
//! An engine decides who proposes when, and when a proposal is committed; it asks here for a
//! proposal, has proposals judged, and hands the committed seal in. A page that one host seals
//! alone (S7) goes the same way in one step. Nothing here knows a network or a clock: the time is
//! handed in.

use std::collections::{BTreeSet, HashMap};

use super::{
    operation::{Change, Register},
    seal::{Certificate, CertificateRefusal, Contents, Seal, SealRecord},
    *,
};
use crate::{page::Changes, time::date};

/// A seal that could be, and the page under it.
#[derive(Clone)]
pub struct SealProposal {
    pub seal: Seal,
    pub contents: Contents,
    page: Page,
}

/// Why nothing is proposed (S6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    #[error("there is nothing to seal")]
    Nothing,
    #[error("the next seal is due at {0}")]
    TooEarly(u64),
    #[error(
        "this machine's clock says {}, and the newest seal is of {}: one of the two is wrong",
        date(*clock), date(*newest)
    )]
    ClockBehind { clock: u64, newest: u64 },
}

/// Why a seal is not admitted, or a proposal not voted for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealRefusal {
    #[error("it is of the page {0}, not of this one")]
    OtherPage(Id),
    #[error("it has height {found}, and the next is {next}")]
    Height { found: u64, next: u64 },
    #[error("it follows the seal {found}, and the newest here is {newest}")]
    Previous { found: Id, newest: Id },
    #[error("its list of statements is not the one it names")]
    Contents,
    #[error("its list of statements is not sorted, or names one twice")]
    NotSorted,
    #[error("it names the statement {0}, which is not here")]
    Missing(Id),
    #[error("the statement {0} that it lists: {1}")]
    Statement(Id, Refusal),
    #[error("the operation {0} that it lists is not eligible by the ballots that it lists")]
    NotEligible(Id),
    #[error("the operations that it lists are not in their order")]
    Order,
    #[error("its statements of {0} bytes are more than {SEAL_STATEMENTS_BYTES_MAX}")]
    TooLarge(usize),
    #[error("it names the state root {named}, and its statements give {found}")]
    StateRoot { named: Id, found: Id },
    #[error("its time {time} is not after that of the seal below, {previous}")]
    NotAfter { time: u64, previous: u64 },
    #[error("its time {time} is too far ahead of this machine's clock, {clock}")]
    Ahead { time: u64, clock: u64 },
    #[error("what it applies to {0} is not what the ballots known here give")]
    Register(String),
    #[error("its certificate: {0}")]
    Certificate(#[from] CertificateRefusal),
}

/// Finds a statement by its id.
pub type Lookup<'a> = &'a dyn Fn(&Id) -> Option<Statement>;

impl Governance {
    /// What a seal made at `clock` would hold.
    ///
    /// # Errors
    /// [`Unready`].
    pub fn propose(&self, clock: u64) -> Result<SealProposal, Unready> {
        let head = self.page.head();
        let due = head.time.saturating_add(self.page.parameters().seal_interval.into());
        if !self.has_something_to_seal(clock) {
            return Err(Unready::Nothing);
        }
        // By a clock that is behind the newest seal no interval can be measured. Time goes on by a
        // second then, which everybody accepts (S4), so that one wrong clock does not end a page.
        if clock < due && self.check_clock(clock).is_ok() {
            return Err(Unready::TooEarly(due));
        }
        let (contents, page) = self.choose()?;
        let seal = Seal {
            page: self.page.id(),
            height: head.height + 1,
            previous: head.seal,
            time: clock.max(head.time + 1),
            state_root: page.state_root(),
            contents: contents.root(),
        };
        Ok(SealProposal { seal, contents, page })
    }

    /// Whether a seal made at `clock` would end anything that it does not apply: an absence, or an
    /// operation by its age.
    pub fn would_end(&self, proposal: &SealProposal, clock: u64) -> bool {
        let is_applied = |id: &Id| proposal.contents.operations.contains(id);
        let mut old = self.by_base.iter().take_while(|(base, _)| past::has_expired(*base, clock));
        self.ends.get_min().is_some_and(|(until, _)| *until <= clock)
            || old.any(|(_, id)| !is_applied(id) && self.operations.contains_key(id))
    }

    /// Whether this clock can be right: it is at most ten minutes behind the newest seal (S4).
    ///
    /// # Errors
    /// [`Unready::ClockBehind`].
    pub fn check_clock(&self, clock: u64) -> Result<(), Unready> {
        let newest = self.page.head().time;
        if clock.saturating_add(SEAL_AHEAD.as_secs()) < newest {
            return Err(Unready::ClockBehind { clock, newest });
        }
        Ok(())
    }

    /// What the next seal applies, and the page after it. An operation with so many ballots that not
    /// all fit may not replay by those chosen: its register is left for a later seal, and stays soft.
    fn choose(&self) -> Result<(Contents, Page), Unready> {
        let said = self.said();
        let mut left = OrdSet::new();
        loop {
            let contents = self.sealable(&left);
            match self.replay(&contents, &|id| said.get(id).cloned()) {
                Ok(_) if contents.is_empty() && !left.is_empty() => return Err(Unready::Nothing),
                Ok(page) => return Ok((contents, page)),
                Err(SealRefusal::NotEligible(id) | SealRefusal::Statement(id, _)) => {
                    let register = self.operations.get(&id).map(Proposal::register);
                    if register.is_none_or(|register| left.insert(register).is_some()) {
                        return Err(Unready::Nothing);
                    }
                }
                // What was chosen by the same rules replays; if it did not, nothing would be sealed.
                Err(refusal) => {
                    debug_assert!(false, "a proposal of one's own: {refusal}");
                    return Err(Unready::Nothing);
                }
            }
        }
    }

    /// Whether a seal made at `clock` would say anything new: statements to apply, or a window that
    /// closes (S6).
    fn has_something_to_seal(&self, clock: u64) -> bool {
        let ends = self.ends.get_min().is_some_and(|(until, _)| *until <= clock);
        let expires = self.by_base.get_min();
        let expires = expires.is_some_and(|(base, _)| past::has_expired(*base, clock));
        ends || expires
            || !self.presences.is_empty()
            || self.registers.keys().any(|register| !self.walk_to_seal(register).is_empty())
    }

    /// The statements that the next seal applies: presences, then what every register's walk
    /// gives, with all ballots that count on it, as far as a seal has room.
    fn sealable(&self, left: &OrdSet<Register>) -> Contents {
        let mut room = Room { left: SEAL_STATEMENTS_BYTES_MAX, taken: BTreeSet::new() };
        let mut contents = Contents::default();
        for presence in self.presences.values() {
            if room.take([presence]) {
                contents.presences.push(presence.id());
            }
        }
        for register in self.registers.keys().filter(|register| !left.contains(*register)) {
            for id in self.walk_to_seal(register) {
                let Some(proposal) = self.operations.get(&id) else { break };
                let support = self.support(proposal, SUPPORT_BYTES_MAX);
                let statements = support.iter().chain([&proposal.statement]);
                if !room.take(statements) {
                    break;
                }
                contents.operations.push(id);
                for statement in &support {
                    match statement.kind() {
                        Kind::Batch => contents.batches.push(statement.id()),
                        _ => contents.ballots.push(statement.id()),
                    }
                }
            }
        }
        contents.tidy();
        contents
    }

    /// The ballots that count on an operation and the batches through which they do. Of more bytes
    /// of ballots than `bytes_max`, the strongest approving ones that are enough.
    pub(super) fn support(&self, proposal: &Proposal, bytes_max: usize) -> Vec<Statement> {
        let mut support: Vec<Statement> =
            proposal.cast.values().map(|cast| cast.ballot.clone()).collect();
        let bytes: usize = support.iter().map(|ballot| ballot.bytes().len()).sum();
        if bytes > bytes_max {
            support = self.enough(proposal);
        }
        let id = proposal.statement.id();
        let named = |batch: &&Statement| {
            let mut ballots = support.iter().filter_map(Statement::as_ballot);
            ballots.any(|ballot| ballot.choice(&batch.id()).is_some())
        };
        // One that lost its slot would count again where the other is not listed.
        let author = proposal.statement.author();
        let batches: Vec<Statement> =
            self.batches_for(&id, &author).filter(named).cloned().collect();
        support.extend(batches);
        support
    }

    fn enough(&self, proposal: &Proposal) -> Vec<Statement> {
        let (tally, track) = (proposal.flow.tally(), proposal.operation().change.track());
        let needed = tally.needed(track, self.page.parameters());
        let voters = tally::voters_needed(self.page.parameters(), self.page.roster().len());
        let approving = proposal.cast.iter().filter(|(_, cast)| cast.choice == Choice::Approve);
        let mut ranked: Vec<(u64, &Cast)> = approving
            .filter_map(|(voter, cast)| {
                let absorbed = self.absorbed(proposal, voter)?;
                Some((absorbed.own + absorbed.lent, cast))
            })
            .collect();
        ranked.sort_unstable_by_key(|(power, cast)| (Reverse(*power), cast.ballot.id()));
        let mut sum = 0;
        let mut chosen = Vec::new();
        for (power, cast) in ranked {
            if sum >= needed && chosen.len() >= voters {
                break;
            }
            sum += u128::from(power);
            chosen.push(cast.ballot.clone());
        }
        chosen
    }

    /// Judges a proposal of somebody else. With a `clock` it is new: then its time, and what it
    /// applies to each register, must be what this host would give. Without, it had a quorum of
    /// prevotes before, and only replay and eligibility count: these never change (S4).
    ///
    /// # Errors
    /// The first [`SealRefusal`] found.
    pub fn judge(
        &self,
        seal: &Seal,
        contents: &Contents,
        find: Lookup,
        clock: Option<u64>,
    ) -> Result<SealProposal, SealRefusal> {
        self.check_place(seal)?;
        if seal.contents != contents.root() {
            return Err(SealRefusal::Contents);
        }
        let page = self.replay(contents, find)?;
        let (named, found) = (seal.state_root, page.state_root());
        if named != found {
            return Err(SealRefusal::StateRoot { named, found });
        }
        if let Some(clock) = clock {
            self.check_fresh(seal, contents, clock)?;
        }
        Ok(SealProposal { seal: seal.clone(), contents: contents.clone(), page })
    }

    fn check_place(&self, seal: &Seal) -> Result<(), SealRefusal> {
        let head = self.page.head();
        if seal.page != self.page.id() {
            return Err(SealRefusal::OtherPage(seal.page));
        }
        if seal.height != head.height + 1 {
            return Err(SealRefusal::Height { found: seal.height, next: head.height + 1 });
        }
        if seal.previous != head.seal {
            return Err(SealRefusal::Previous { found: seal.previous, newest: head.seal });
        }
        if seal.time <= head.time {
            return Err(SealRefusal::NotAfter { time: seal.time, previous: head.time });
        }
        Ok(())
    }

    fn check_fresh(&self, seal: &Seal, contents: &Contents, clock: u64) -> Result<(), SealRefusal> {
        let previous = self.page.head().time;
        if seal.time > (previous + 1).max(clock.saturating_add(SEAL_AHEAD.as_secs())) {
            return Err(SealRefusal::Ahead { time: seal.time, clock });
        }
        let mut applied: OrdMap<Register, Vec<Id>> = OrdMap::new();
        for id in &contents.operations {
            let proposal = self.operations.get(id).ok_or(SealRefusal::Missing(*id))?;
            applied.entry(proposal.register()).or_default().push(*id);
        }
        match applied.iter().find(|(register, ids)| !self.walk_to_seal(register).starts_with(ids)) {
            Some((Register::Entry(owner), _)) => Err(SealRefusal::Register(format!("`{owner}`"))),
            Some((Register::Roster, _)) => {
                Err(SealRefusal::Register("the participants".to_owned()))
            }
            None => Ok(()),
        }
    }

    /// Admits a committed seal: everything is checked, from the certificate to the state root.
    /// Returns the page under it, and the owners that are answered differently.
    ///
    /// # Errors
    /// The first [`SealRefusal`] found.
    pub fn admit_seal(
        &self,
        record: &SealRecord,
        find: Lookup,
    ) -> Result<(Governance, Vec<Owner>), SealRefusal> {
        self.check_place(&record.seal)?;
        let sealed = |key: &PublicKey| self.sealed_presence(key).cloned();
        record.certificate.check(&record.seal, &self.page, &sealed)?;
        let proposal = self.judge(&record.seal, &record.contents, find, None)?;
        Ok(self.sealed(&proposal, find))
    }

    /// The page under a proposal that was committed. `find` has the statements that it lists.
    pub fn sealed(&self, proposal: &SealProposal, find: Lookup) -> (Governance, Vec<Owner>) {
        let contents = &proposal.contents;
        let listed = [&contents.presences, &contents.operations, &contents.batches];
        let listed = listed.into_iter().chain([&contents.ballots]).flatten();
        let page = proposal.page.clone().sealed(proposal.seal.head());
        self.close(page, &listed.filter_map(find).collect::<Vec<Statement>>())
    }

    /// Takes in a seal that was admitted before, from a log whose checksums prove it unchanged: its
    /// operations are applied, and give the state root that it names.
    ///
    /// # Errors
    /// [`SealRefusal`] when it does not fit the page.
    pub fn reopen_seal(
        &self,
        record: &SealRecord,
        find: Lookup,
    ) -> Result<(Governance, Vec<Owner>), SealRefusal> {
        self.check_place(&record.seal)?;
        let statements = self.statements_of(&record.contents, find)?;
        let page = self.apply(&statements).map_err(|(id, why)| SealRefusal::Statement(id, why))?;
        let (named, found) = (record.seal.state_root, page.state_root());
        if named != found {
            return Err(SealRefusal::StateRoot { named, found });
        }
        let (seal, contents) = (record.seal.clone(), record.contents.clone());
        Ok(self.sealed(&SealProposal { seal, contents, page }, find))
    }

    /// Replays a list of statements, and nothing else, on the sealed page (S4).
    fn replay(&self, contents: &Contents, find: Lookup) -> Result<Page, SealRefusal> {
        if !contents.is_tidy() {
            return Err(SealRefusal::NotSorted);
        }
        let statements = self.statements_of(contents, find)?;
        let support = contents.batches.iter().chain(&contents.ballots);
        let support = support.map(|id| find(id).ok_or(SealRefusal::Missing(*id)));
        let support = support.collect::<Result<Vec<Statement>, SealRefusal>>()?;
        let bytes = statements.iter().chain(&support).map(|s| s.bytes().len()).sum();
        if bytes > SEAL_STATEMENTS_BYTES_MAX {
            return Err(SealRefusal::TooLarge(bytes));
        }
        let mut bare = self.bare();
        for statement in statements.iter().chain(&support) {
            let taken = bare.take(statement);
            taken.map_err(|refusal| SealRefusal::Statement(statement.id(), refusal))?;
        }
        let eligible: Vec<Id> =
            bare.registers.keys().flat_map(|register| bare.walk_to_seal(register)).collect();
        if eligible != contents.operations {
            let is_out = |id: &&Id| !eligible.contains(id);
            let out = contents.operations.iter().find(is_out).copied();
            return Err(out.map_or(SealRefusal::Order, SealRefusal::NotEligible));
        }
        self.apply(&statements).map_err(|(id, why)| SealRefusal::Statement(id, why))
    }

    /// The presences and operations of a list, in the order in which they apply.
    fn statements_of(
        &self,
        contents: &Contents,
        find: Lookup,
    ) -> Result<Vec<Statement>, SealRefusal> {
        let ids = contents.presences.iter().chain(&contents.operations);
        ids.map(|id| find(id).ok_or(SealRefusal::Missing(*id))).collect()
    }

    /// The page as sealed, with nothing said about it.
    fn bare(&self) -> Governance {
        let (page, past) = (self.page.clone(), self.past.clone());
        let mut bare = Governance {
            waits_are_bounded: false,
            lending: self.lending.clone(),
            seating: self.seating.clone(),
            ..Governance::silent(page, past, self.sealed_presences.clone())
        };
        for key in self.presences.keys() {
            bare.lend_anew(key);
            bare.reseat(key, self.nodes_of(key));
        }
        bare
    }

    /// The page with these presences and operations applied, in this order.
    fn apply(&self, statements: &[Statement]) -> Result<Page, (Id, Refusal)> {
        let mut changes = Changes::default();
        for statement in statements {
            self.apply_one(statement, &mut changes).map_err(|why| (statement.id(), why))?;
        }
        Ok(self.page.changed(&changes))
    }

    fn apply_one(&self, statement: &Statement, changes: &mut Changes) -> Result<(), Refusal> {
        let id = statement.id();
        if statement.as_presence().is_some() {
            changes.presences.push((statement.author(), statement.bytes().into()));
        }
        match statement.as_operation().map(|operation| &operation.change) {
            Some(Change::SetEntry(set)) => {
                let sets = RecordSets::admit(set.sets.clone(), &set.owner, self.page.name())?;
                changes.entries.push((set.owner.clone(), id, sets));
            }
            Some(Change::SetLink(link)) => {
                let sets = self.relinked(link, changes)?;
                changes.entries.push((link.owner.clone(), id, sets));
            }
            Some(Change::SetRoster(set)) => {
                let page = &self.page;
                let (roster, parameters) =
                    roster::apply(page.roster(), page.parameters(), &set.change)?;
                changes.roster = Some((id, roster, parameters));
            }
            None => {}
        }
        Ok(())
    }

    /// The entry of a subpage with its new link (G4); beacons of the old page are gone with it.
    fn relinked(
        &self,
        link: &operation::SetLink,
        changes: &Changes,
    ) -> Result<RecordSets, Refusal> {
        let Some(page) = link.page.first() else { return Ok(RecordSets::NONE) };
        let pending = changes.entries.iter().rev().find(|(owner, ..)| *owner == link.owner);
        let before = match pending {
            Some((_, _, sets)) => sets.clone(),
            None => self.page.entry(&link.owner).map(|entry| entry.sets).unwrap_or_default(),
        };
        Ok(before.with_page(page, &link.owner, self.page.name())?)
    }

    /// Everything that is open here, by its id: where a seal of this node finds its statements.
    pub fn said(&self) -> HashMap<Id, Statement> {
        let operations = self.operations.values().map(|proposal| &proposal.statement);
        let ballots = self.rows.values().flat_map(OrdMap::values);
        let all = operations.chain(self.batches.values()).chain(self.presences.values());
        all.chain(ballots).map(|statement| (statement.id(), statement.clone())).collect()
    }
}

/// Ballots on one operation that a seal lists all, whether or not fewer are enough (choice: half a
/// seal).
const SUPPORT_BYTES_MAX: usize = SEAL_STATEMENTS_BYTES_MAX / 2;

/// Room in a seal: each statement is counted once.
struct Room {
    left: usize,
    taken: BTreeSet<Id>,
}

impl Room {
    /// Takes all of these, or none.
    fn take<'s>(&mut self, statements: impl IntoIterator<Item = &'s Statement>) -> bool {
        let new = statements.into_iter().filter(|s| !self.taken.contains(&s.id()));
        let new: Vec<&Statement> = new.collect();
        let bytes: usize = new.iter().map(|statement| statement.bytes().len()).sum();
        if bytes > self.left {
            return false;
        }
        self.left -= bytes;
        self.taken.extend(new.iter().map(|statement| statement.id()));
        true
    }
}

impl Contents {
    /// Sorts what has no order, each once.
    fn tidy(&mut self) {
        for ids in [&mut self.presences, &mut self.batches, &mut self.ballots] {
            ids.sort_unstable();
            ids.dedup();
        }
    }

    fn is_tidy(&self) -> bool {
        let sorted = [&self.presences, &self.batches, &self.ballots];
        let distinct: BTreeSet<&Id> = self.operations.iter().collect();
        sorted.iter().all(|ids| ids.is_sorted_by(|a, b| a < b))
            && distinct.len() == self.operations.len()
    }
}

impl SealProposal {
    /// The record of it, once it is committed.
    pub fn certified(&self, certificate: Certificate) -> SealRecord {
        SealRecord { seal: self.seal.clone(), contents: self.contents.clone(), certificate }
    }
}
