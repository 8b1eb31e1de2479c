//! Evidence of equivocation (G11): of each key one pair of statements that contradict each other.
//!
//! Of several pairs of one key that with the smallest ids is kept, in whatever order they came, and it is
//! part of the open set (N3): so copies of a page end with the same. Where one of two does not count, and
//! the other is not here yet, it waits here for that, one statement of each key: what was handed on as a
//! pair is taken in as one, also after its author has said something newer.

use super::{statement::Body, *};

/// What is remembered beside the evidence itself.
#[derive(Clone, Default)]
pub(super) struct Apart {
    /// Of each author the last statement that did not count, as a matter of order.
    uncounted: OrdMap<PublicKey, Statement>,
    /// One of them that became evidence with the statement that was taken in last.
    joined: Option<Statement>,
}

impl Governance {
    /// Of the statements that became evidence with the one that was taken in last, the one that was
    /// refused when it came: it is to be stored as well. Handed out once.
    pub fn take_joined(&mut self) -> Option<Statement> {
        self.apart.joined.take()
    }

    /// Keeps two statements that contradict each other, if none with smaller ids are kept. Returns whether
    /// that is so.
    pub(super) fn note_pair(&mut self, one: &Statement, other: &Statement) -> bool {
        let (one, other) = if one.id() < other.id() { (one, other) } else { (other, one) };
        let ids = |(one, other): &(Statement, Statement)| (one.id(), other.id());
        let pair = (one.clone(), other.clone());
        if self.evidence.get(&one.author()).is_some_and(|kept| ids(kept) <= ids(&pair)) {
            return false;
        }
        self.evidence.insert(pair.0.author(), pair);
        true
    }

    /// Looks for what a statement contradicts: the pair that was kept `before` it came, and what of its
    /// author did not count. Returns whether the evidence is another by that.
    pub(super) fn contradict(
        &mut self,
        statement: &Statement,
        before: Option<(Statement, Statement)>,
    ) -> bool {
        let mut is_new = self.contradict_counted(statement);
        for other in before.into_iter().flat_map(|(one, other)| [one, other]) {
            is_new |= is_contradiction(statement, &other) && self.note_pair(statement, &other);
        }
        let author = statement.author();
        let uncounted = self.apart.uncounted.get(&author).cloned();
        if let Some(other) = uncounted.filter(|o| is_contradiction(statement, o))
            && self.note_pair(statement, &other)
        {
            self.apart.uncounted.remove(&author);
            self.apart.joined = Some(other);
            is_new = true;
        }
        is_new
    }

    /// A statement does not count, as a matter of order. It is kept as evidence if it is some, and
    /// otherwise remembered until the next.
    ///
    /// # Errors
    /// The refusal, where it is none.
    pub(super) fn set_apart(
        &mut self,
        statement: &Statement,
        before: Option<(Statement, Statement)>,
        refusal: Refusal,
    ) -> Result<OrdSet<Register>, Refusal> {
        if self.contradict(statement, before) {
            return Ok(OrdSet::new());
        }
        if self.is_evidence(statement) {
            return Err(Refusal::Known);
        }
        self.apart.uncounted.insert(statement.author(), statement.clone());
        Err(refusal)
    }

    /// Whether this very statement is kept as evidence.
    fn is_evidence(&self, statement: &Statement) -> bool {
        let pair = self.evidence.get(&statement.author());
        pair.is_some_and(|(one, other)| [one.id(), other.id()].contains(&statement.id()))
    }

    /// Looks for ballots that count on something and that a ballot contradicts, or that contradict each other
    /// as it does. One that is newer than all of its voter's contradicts none.
    fn contradict_counted(&mut self, statement: &Statement) -> bool {
        let voter = statement.author();
        let is_newest = self.newest_ballot.get(&voter).is_some_and(|newest| newest == statement);
        if statement.as_ballot().is_none() || is_newest || self.rows.len() > EVIDENCE_ROWS_MAX {
            return false;
        }
        let counted = self.rows.values().filter_map(|rows| rows.get(&voter));
        let mut all: Vec<Statement> =
            counted.filter(|other| is_contradiction(statement, other)).cloned().collect();
        all.push(statement.clone());
        all.sort_by_key(Statement::id);
        all.dedup();
        match &all[..] {
            [one, other, ..] => self.note_pair(one, other),
            _ => false,
        }
    }
}

impl Refusal {
    /// Whether a statement is refused for what was said and sealed before it came, and may have counted
    /// where it came earlier.
    pub(super) fn is_order(&self) -> bool {
        matches!(
            self,
            Refusal::Closed(..)
                | Refusal::Outranked
                | Refusal::OldPresence
                | Refusal::SlotTaken(_)
                | Refusal::PastVersion(_)
        )
    }
}

/// Whether two statements of one key cannot both be honest.
fn is_contradiction(one: &Statement, other: &Statement) -> bool {
    let is_other = one.id() != other.id() && one.author() == other.author();
    is_other
        && one.page() == other.page()
        && match (one.body(), other.body()) {
            (Body::Ballot(one), Body::Ballot(other)) => one.sequence == other.sequence,
            (Body::Presence(one), Body::Presence(other)) => {
                (one.sequence, &one.joined_by) == (other.sequence, &other.joined_by)
            }
            (Body::Operation(one), Body::Operation(other)) => {
                (one.slot, one.base) == (other.slot, other.base)
            }
            (Body::Batch(one), Body::Batch(other)) => {
                (one.slot, one.base) == (other.slot, other.base)
            }
            _ => false,
        }
}
