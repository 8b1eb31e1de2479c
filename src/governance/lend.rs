//! Presence on a page: who is away, and what that does to every tally (G6, G7).

use std::sync::Arc;

use super::{
    flow::{Row, Rows},
    presence::Presence,
    *,
};
use crate::key::RawKey;

impl Governance {
    /// A page about which nothing has been said, with its presences as sealed.
    pub(super) fn with_past(page: Page, past: Past) -> Governance {
        let sealed_presences = sealed_presences(&page);
        let mut governance = Governance::silent(page, past, sealed_presences);
        let now = governance.page.head().time;
        let ends = governance.sealed_presences.values().filter_map(end);
        governance.ends = ends.filter(|(until, _)| *until > now).collect();
        governance.lending = governance.count_lending();
        governance.seating = Seating::of(governance.seat_nodes());
        governance
    }

    /// A page about which nothing has been said; who lends to whom, and which nodes speak for whom, is
    /// still to be counted.
    pub(super) fn silent(
        page: Page,
        past: Past,
        sealed_presences: OrdMap<PublicKey, Statement>,
    ) -> Governance {
        Governance {
            past,
            operations: OrdMap::new(),
            by_base: OrdSet::new(),
            slots: OrdMap::new(),
            registers: OrdMap::new(),
            batches: OrdMap::new(),
            batches_of: OrdMap::new(),
            rows: OrdMap::new(),
            waiting: OrdMap::new(),
            waits_are_bounded: true,
            newest_ballot: OrdMap::new(),
            sealed_presences,
            presences: OrdMap::new(),
            seating: Seating::default(),
            ends: OrdSet::new(),
            lending: Lending::new(Arc::new([])),
            evidence: OrdMap::new(),
            apart: Apart::default(),
            page,
        }
    }

    fn count_lending(&self) -> Lending {
        let powers = self.page.roster().iter().map(|(_, power)| power).collect();
        let rows = |presence: &Statement| {
            let position = self.position(&presence.author())?;
            Some((position, self.rows_of(presence.as_presence()?)?))
        };
        Lending::from_rows(powers, self.sealed_presences.values().filter_map(rows))
    }

    /// The operation by which somebody takes part; none for a founder.
    pub fn joined_by(&self, key: &PublicKey) -> Option<Id> {
        self.page.seat(key)?.joined_by
    }

    /// Where a participant stands in the roster.
    pub(super) fn position(&self, key: &PublicKey) -> Option<u32> {
        // A roster has at most a million rows.
        self.page.roster().position(key).map(|position| position as u32)
    }

    /// How a presence lends under the newest seal; none while its participant votes.
    fn rows_of(&self, presence: &Presence) -> Option<Rows> {
        if !presence.lends_at(self.page.head().time) {
            return None;
        }
        let to = |key: RawKey| self.position(&PublicKey::admit(key).ok()?);
        Rows::new(presence.away.iter().map(|(key, bp)| Row { to: to(*key), bp: *bp }))
    }

    pub(super) fn admit_presence(
        &mut self,
        statement: &Statement,
        presence: &Presence,
    ) -> Result<OrdSet<Register>, Refusal> {
        let author = statement.author();
        if presence.joined_by.first().copied() != self.joined_by(&author) {
            return Err(Refusal::BeforeJoining);
        }
        let mut contradicted = None;
        if let Some(newest) = self.presence(&author)
            && let Some(said) = newest.as_presence()
        {
            if newest == statement {
                return Err(Refusal::Known);
            }
            let is_sealed = !self.presences.contains_key(&author);
            let new = (presence.sequence, Reverse(statement.id()));
            let is_contradiction = said.sequence == presence.sequence;
            if new < (said.sequence, Reverse(newest.id())) || is_sealed && is_contradiction {
                return self.keep_evidence(statement, newest.clone(), is_contradiction);
            }
            contradicted = is_contradiction.then(|| newest.clone());
        }
        for (delegate, _) in &presence.away {
            let takes_part = |key: &PublicKey| self.page.roster().power(key).is_some();
            if let Some(stranger) = PublicKey::admit(*delegate).ok().filter(|key| !takes_part(key))
            {
                return Err(Refusal::UnknownDelegate(stranger));
            }
        }
        if let Some(newest) = contradicted {
            let _ = self.keep_evidence(statement, newest, true);
        }
        let nodes = self.nodes_of(&author);
        self.forget_end(&author);
        self.presences.insert(author, statement.clone());
        self.await_end(&author);
        self.reseat(&author, nodes);
        Ok(self.lend_anew(&author))
    }

    /// The presences that were sealed are the newest ones, unless a newer one is known here.
    /// Their lending is not counted anew by this.
    pub(super) fn seal_presences<'s>(&mut self, sealed: impl Iterator<Item = &'s Statement>) {
        let sequence = |presence: &Statement| presence.as_presence().map(|said| said.sequence);
        for statement in sealed {
            let author = statement.author();
            let nodes = self.nodes_of(&author);
            self.forget_end(&author);
            let other = self.presences.get(&author).filter(|other| *other != statement).cloned();
            if self.presences.get(&author).and_then(sequence) <= sequence(statement) {
                self.presences.remove(&author);
            }
            if let Some(other) = other.filter(|other| sequence(other) == sequence(statement)) {
                self.note_pair(statement, &other);
            }
            self.sealed_presences.insert(author, statement.clone());
            self.await_end(&author);
            self.reseat(&author, nodes);
        }
    }

    /// The seat of a participant, for which other nodes spoke before.
    pub(super) fn reseat(&mut self, author: &PublicKey, before: [Option<PublicKey>; 2]) {
        let Some(power) = self.page.roster().power(author).map(u64::from) else { return };
        self.seating.leave(before, power);
        self.seating.take(self.nodes_of(author), power);
    }

    /// A newer presence takes the place of this one: its end closes no window any more (S6).
    fn forget_end(&mut self, author: &PublicKey) {
        if let Some(end) = self.presence(author).and_then(end) {
            self.ends.remove(&end);
        }
    }

    fn await_end(&mut self, author: &PublicKey) {
        let now = self.page.head().time;
        let end = self.presence(author).and_then(end);
        self.ends.extend(end.filter(|(until, _)| *until > now));
    }

    /// A presence that does not count is kept if it is a proof that its author contradicted itself (G11).
    fn keep_evidence(
        &mut self,
        statement: &Statement,
        newest: Statement,
        is_contradiction: bool,
    ) -> Result<OrdSet<Register>, Refusal> {
        match is_contradiction && self.note_pair(&newest, statement) {
            true => Ok(OrdSet::new()),
            false => Err(Refusal::OldPresence),
        }
    }

    /// Lends a participant's power as its newest presence says, or not at all. Returns the
    /// registers whose tallies changed.
    pub(super) fn lend_anew(&mut self, key: &PublicKey) -> OrdSet<Register> {
        let Some(position) = self.position(key) else { return OrdSet::new() };
        let presence = self.presence(key).and_then(Statement::as_presence);
        let rows = presence.and_then(|presence| self.rows_of(presence));
        if self.lending.rows(position) == rows.as_ref() {
            return OrdSet::new();
        }
        let change = self.lending.set_rows(position, rows);
        let reached: Vec<Id> = self
            .operations
            .iter()
            .filter(|(_, proposal)| proposal.flow.is_reached(&change))
            .map(|(id, _)| *id)
            .collect();
        let mut touched = OrdSet::new();
        for id in reached {
            let Some(proposal) = self.operations.get_mut(&id) else { continue };
            if proposal.flow.follow(&self.lending, &change) {
                touched.insert(proposal.register());
            }
        }
        touched
    }

    /// Ends the absences whose time has passed with the newest seal (G10).
    pub(super) fn end_absences(&mut self) -> OrdSet<Register> {
        let now = self.page.head().time;
        let mut touched = OrdSet::new();
        while let Some((until, key)) = self.ends.get_min().copied() {
            if until > now {
                break;
            }
            self.ends.remove(&(until, key));
            touched.extend(self.lend_anew(&key));
        }
        touched
    }
}

/// When a presence ends being away by itself.
fn end(statement: &Statement) -> Option<(u64, PublicKey)> {
    let until = statement.as_presence()?.until;
    (until > 0).then(|| (until, statement.author()))
}

fn sealed_presences(page: &Page) -> OrdMap<PublicKey, Statement> {
    if page.height() == 0 {
        return OrdMap::new();
    }
    let presence = |key: &PublicKey| Statement::reopen(&page.presence(key)?).ok();
    page.roster().iter().filter_map(|(key, _)| Some((*key, presence(key)?))).collect()
}
