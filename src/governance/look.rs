//! What a page says, and what was said about it.
use super::{operation::Operation, tally::Tally, *};
use crate::page::genesis::{Parameters, Roster};

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

    /// The seal that an operation of this author names as its base (G3). That is the newest; where its time
    /// is ahead of this clock, others hold it still (T7), and what is based on it would count nowhere else:
    /// then it is the newest that they have.
    pub fn base(&self, author: &PublicKey, clock: u64) -> Id {
        let newest = self.page.seal();
        match self.check_clock(clock) {
            Ok(()) => newest,
            Err(_) => {
                let due = clock.saturating_add(SEAL_AHEAD.as_secs());
                self.past.due(author, due).unwrap_or(newest)
            }
        }
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

    /// Other operations of which a seal applies either this one or that one, never both: they change the
    /// same in the same way, and neither is made on top of the other (G9).
    pub fn rivals<'a>(&'a self, proposal: &'a Proposal) -> impl Iterator<Item = &'a Proposal> {
        let standing = self.registers.get(&proposal.register());
        let ids = standing.into_iter().flat_map(|standing| &standing.operations);
        let track = proposal.operation().change.track();
        ids.filter_map(|id| self.operations.get(id)).filter(move |other| {
            other.operation().change.track() == track
                && !self.is_below(proposal, other)
                && !self.is_below(other, proposal)
        })
    }

    /// Whether `upper` is `lower`, or is made on top of it, at most as far as a chain goes.
    fn is_below(&self, lower: &Proposal, upper: &Proposal) -> bool {
        let (low, up) = (lower.statement.id(), upper.statement.id());
        let versions = std::iter::successors(Some(up), |id| self.parent(id));
        versions.take(SOFT_CHAIN_MAX + 1).any(|version| version == low)
    }

    /// The batch with this id.
    pub fn batch(&self, id: &Id) -> Option<&Statement> {
        self.batches.get(id)
    }

    /// How many operations are open.
    pub fn operation_count(&self) -> usize {
        self.operations.len()
    }

    /// The open batches.
    pub fn batches(&self) -> impl Iterator<Item = &Statement> {
        self.batches.values()
    }

    /// Operations and batches, open or ended, whose id starts with these hexadecimal digits.
    pub fn with_prefix(&self, prefix: &str) -> Vec<Id> {
        let ended = self.past.closed().map(|(id, _)| id);
        let known = self.operations.keys().chain(self.batches.keys()).chain(ended);
        known.filter(|id| id.has_hex_prefix(prefix)).copied().collect()
    }

    /// The sequence that the next ballot of `voter` must have.
    pub fn next_sequence(&self, voter: &PublicKey) -> u64 {
        let newest = self.newest_ballot.get(voter).and_then(|newest| newest.as_ballot());
        newest.map_or(1, |ballot| ballot.sequence.saturating_add(1))
    }

    /// Whether an operation, or a batch, occupies this slot of `author`. Under an older seal than the newest
    /// one that ended does so too: others, who have no newer seal yet, have it still (T7).
    pub fn is_taken(&self, author: &PublicKey, kind: Kind, slot: u32, base: &Id) -> bool {
        let is_older = *base != self.page.seal();
        self.slots.contains_key(&(*author, kind, slot))
            || is_older && self.past.is_used(*base, *author, kind, slot)
    }

    /// Slots for operations and for batches of `author` that nothing under this base occupies, at most so
    /// many of each, from a place on that the node decides: who speaks at two nodes that do not hear each other then
    /// seldom puts two into one slot, of which only one stays (G11). A demonstration is on one node only.
    pub fn free_slots_at(
        &self,
        node: &PublicKey,
        author: &PublicKey,
        base: &Id,
        [operations, batches]: [usize; 2],
    ) -> [Vec<u32>; 2] {
        let hash = Id::hash(&[&node.raw().0, &author.raw().0, self.page.id().as_bytes()]);
        let chance = match self.page.is_demonstration() {
            true => 0,
            false => hash.as_bytes().first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes)),
        };
        let from = |kind, count| self.free_from(author, kind, base, chance).take(count).collect();
        [from(Kind::Operation, operations), from(Kind::Batch, batches)]
    }

    /// The slots of this kind that nothing of `author` occupies, round from a place on.
    fn free_from(
        &self,
        author: &PublicKey,
        kind: Kind,
        base: &Id,
        place: u32,
    ) -> impl Iterator<Item = u32> {
        let max = match kind {
            Kind::Batch => BATCH_SLOTS,
            _ => self.page.parameters().open_operations_max,
        };
        let round = (0..max).map(move |n| (place % max + n) % max);
        round.filter(move |slot| !self.is_taken(author, kind, *slot, base))
    }

    /// The lowest slots for operations of `author` that nothing occupies, at most `count`.
    #[cfg(test)]
    pub fn free_slots(&self, author: &PublicKey, count: usize) -> Vec<u32> {
        self.free_from(author, Kind::Operation, &self.page.seal(), 0).take(count).collect()
    }

    /// The lowest slots for batches of `author` that nothing occupies, at most `count`.
    #[cfg(test)]
    pub fn free_batch_slots(&self, author: &PublicKey, count: usize) -> Vec<u32> {
        self.free_from(author, Kind::Batch, &self.page.seal(), 0).take(count).collect()
    }

    /// What a caster's ballot counts with on an operation, lent power included (G7).
    pub fn absorbed(&self, proposal: &Proposal, voter: &PublicKey) -> Option<flow::Absorbed> {
        proposal.flow.absorbed(&self.lending, self.position(voter)?)
    }

    /// The newest presence of a participant, sealed or not (G6).
    pub fn presence(&self, key: &PublicKey) -> Option<&Statement> {
        self.presences.get(key).or_else(|| self.sealed_presences.get(key))
    }

    /// The presence of a participant in the sealed state.
    pub fn sealed_presence(&self, key: &PublicKey) -> Option<&Statement> {
        self.sealed_presences.get(key)
    }

    /// The newest presence of each participant, sealed or not (G6).
    pub fn presences(&self) -> impl Iterator<Item = &Statement> {
        let is_newest = |(key, _): &(&PublicKey, &Statement)| !self.presences.contains_key(*key);
        let sealed = self.sealed_presences.iter().filter(is_newest);
        self.presences.iter().chain(sealed).map(|(_, presence)| presence)
    }

    /// Who named which node for their seats, by the newest presence of each (S2).
    pub fn hosted(&self) -> impl Iterator<Item = (PublicKey, PublicKey)> {
        self.presences()
            .filter_map(|presence| Some((presence.author(), presence.as_presence()?.node()?)))
    }

    /// Which nodes may speak for whose seats: the one in the sealed presence of each participant, and
    /// the one in a newer (S2).
    pub fn seats(&self) -> impl Iterator<Item = (PublicKey, PublicKey)> {
        let all = self.sealed_presences.iter().chain(self.presences.iter());
        let all = all.filter(|(key, _)| self.page.roster().power(key).is_some());
        all.filter_map(|(key, presence)| Some((*key, presence.as_presence()?.node()?)))
    }

    /// The same, added up by nodes.
    pub fn seating(&self) -> &Seating {
        &self.seating
    }

    /// Whether any seat names this node, in its sealed presence or a newer (S2).
    pub fn is_named(&self, node: &PublicKey) -> bool {
        self.seating.names(node)
    }

    /// The power of each seat, with the nodes that may speak for it.
    pub(super) fn seat_nodes(&self) -> impl Iterator<Item = (u64, [Option<PublicKey>; 2])> {
        let roster = self.page.roster().iter();
        roster.map(|(key, power)| (u64::from(power), self.nodes_of(key)))
    }

    /// The nodes that may speak for the seat of a participant: the one in its sealed presence, and the
    /// one in a newer (S2).
    pub(super) fn nodes_of(&self, key: &PublicKey) -> [Option<PublicKey>; 2] {
        let presences = [self.sealed_presences.get(key), self.presences.get(key)];
        presences.map(|presence| presence?.as_presence()?.node())
    }

    /// A seal that led to the newest or is it, as far back as that is remembered.
    pub fn known_seal(&self, seal: &Id) -> Option<crate::page::Head> {
        self.past.head(seal)
    }

    /// All of these.
    pub fn known_seals(&self) -> impl Iterator<Item = crate::page::Head> {
        self.past.heads()
    }

    /// The roster and the parameters as a change of them would leave those that are sealed (G4).
    ///
    /// # Errors
    /// Why it is impossible.
    pub fn roster_after(
        &self,
        change: &operation::RosterChange,
    ) -> Result<(Roster, Parameters), RosterChangeRefusal> {
        roster::apply(self.page.roster(), self.page.parameters(), change)
    }

    /// Whether a participant's power is lent under the newest seal (G10).
    pub fn is_away(&self, key: &PublicKey) -> bool {
        let presence = self.presence(key).and_then(Statement::as_presence);
        presence.is_some_and(|presence| presence.lends_at(self.page.head().time))
    }

    /// The sequence that the next presence of a participant must have.
    pub fn next_presence(&self, key: &PublicKey) -> u64 {
        let presence = self.presence(key).and_then(Statement::as_presence);
        presence.map_or(1, |presence| presence.sequence.saturating_add(1))
    }

    /// How an operation or batch ended, where that is remembered.
    pub fn outcome(&self, id: &Id) -> Option<Outcome> {
        self.past.outcome(id)
    }

    /// The same with the last tally.
    pub fn ended(&self, id: &Id) -> Option<past::Ended> {
        self.past.ended(id)
    }

    /// What has ended, newest first, as far as it is remembered.
    pub fn closed(&self) -> impl Iterator<Item = (&Id, past::Ended)> {
        self.past.closed()
    }

    /// The open set (N3): what two copies of a page under one seal have both, once they are in step.
    /// A ballot that waits for what it names is no part of it: it counts on nothing, and each copy
    /// takes only so many. Some may be in it twice.
    pub fn open_set(&self) -> Vec<&Statement> {
        let operations = self.operations.values().map(|proposal| &proposal.statement);
        let rows = self.rows.iter().filter(|(target, _)| self.knows(target));
        let ballots = rows.flat_map(|(_, rows)| rows.values());
        let takes_part = |key: &PublicKey| self.page.roster().power(key).is_some();
        let evidence = self.evidence.iter().filter(|(key, _)| takes_part(key));
        let evidence = evidence.flat_map(|(_, (one, other))| [one, other]);
        let all = operations.chain(self.batches.values()).chain(self.presences.values());
        all.chain(ballots).chain(evidence).collect()
    }

    /// Two statements of this key that contradict each other, if such are known (G11).
    pub fn contradiction_of(&self, key: &PublicKey) -> Option<&(Statement, Statement)> {
        self.evidence.get(key)
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

    /// How it ends, with what had been said of it.
    pub(super) fn ended(&self, outcome: Outcome) -> past::Ended {
        let (author, tally) = (Some(self.statement.author()), Some(self.flow.tally()));
        past::Ended { outcome, author, tally }
    }

    /// What it replaces.
    pub fn register(&self) -> Register {
        self.operation().change.register()
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
    pub fn tally(&self) -> Tally {
        self.flow.tally()
    }

    /// The time of the seal that it names; it expires [`OPERATION_LIFE`] later, in seal time (G10).
    pub fn base_time(&self) -> u64 {
        self.base_time
    }

    /// The ballots that count on it.
    pub fn cast(&self) -> impl Iterator<Item = (&PublicKey, &Cast)> {
        self.cast.iter()
    }
}
