//! Statements of people taken in: all that are handed over together, or none.

use super::{Node, State, record, sentence};
use crate::{
    control::request::{Failure, FailureKind},
    daemon::{
        forks::forked,
        whole::{Note, SUBMITTED},
    },
    governance::{
        Fault, Governance, State as Standing,
        operation::{Change, RosterChange, SetRoster},
        statement::{Body, Statement},
    },
    id::Id,
    key::PublicKey,
    limits::SOFT_CHAIN_MAX,
    store::Record,
};

impl Node {
    /// Admits statements about one page: all of them, durably, or none. A seal that is due by then
    /// comes first: what was made without knowing of it is made anew.
    ///
    /// # Errors
    /// [`Failure`], with no statement admitted.
    pub fn submit(&self, statements: &[Statement]) -> Result<(), Failure> {
        let Some(first) = statements.first() else { return Ok(()) };
        let mut state = self.state();
        check_not_forked(&state, &first.page())?;
        if self.seal_in(&mut state, &first.page(), self.now()) {
            return Err(overtaken("a seal came in between: try again"));
        }
        let Some(present) = state.pages.get(&first.page()) else {
            return Err(Failure::not_found(format!("there is no page {} here", first.page())));
        };
        check_not_overtaken(present, statements)?;
        let mut page = present.clone();
        let mut changed = Vec::new();
        for statement in statements {
            changed.extend(page.admit(statement).map_err(Failure::refused)?);
        }
        statements.iter().try_for_each(|statement| check_can_count(&page, statement))?;
        let note = Note { time: self.now(), what: SUBMITTED.to_owned() };
        let records: Vec<Record> =
            std::iter::once(note.record()).chain(statements.iter().map(record)).collect();
        self.store.append(&first.page(), &records).map_err(sentence)?;
        state.ties.used.insert(first.page());
        self.replace(&mut state, page, &changed);
        self.seal_in(&mut state, &first.page(), self.now());
        drop(state);
        self.learn_keys(statements);
        Ok(())
    }
}

/// Refuses what was drafted on a state that has moved on: an operation whose slot was taken, a
/// ballot whose sequence was used. Admitted, it would make its honest author an equivocator (G11).
fn check_not_overtaken(page: &Governance, statements: &[Statement]) -> Result<(), Failure> {
    for statement in statements {
        let author = statement.author();
        let is_new =
            || page.proposal(&statement.id()).is_none() && page.batch(&statement.id()).is_none();
        let is_occupied =
            |slot, base| is_new() && page.is_taken(&author, statement.kind(), slot, base);
        let is_taken = match statement.body() {
            Body::Operation(operation) => is_occupied(operation.slot, &operation.base),
            Body::Batch(batch) => is_occupied(batch.slot, &batch.base),
            Body::Ballot(_) | Body::Presence(_) => false,
        };
        let is_used = match statement.body() {
            Body::Ballot(ballot) => ballot.sequence < page.next_sequence(&author),
            Body::Presence(presence) => presence.sequence < page.next_presence(&author),
            _ => false,
        };
        if is_taken || is_used {
            return Err(overtaken("another statement of the same author was faster: try again"));
        }
    }
    Ok(())
}

/// On a forked page nothing further is said (T4): what would be, one of its histories may not know.
fn check_not_forked(state: &State, id: &Id) -> Result<(), Failure> {
    let Some(page) = state.pages.get(id) else { return Ok(()) };
    let words = forked(page.page().name(), id, &state.forks_of(id));
    words.map_or(Ok(()), |words| Err(Failure::refused(words)))
}

fn overtaken(message: &str) -> Failure {
    Failure { kind: FailureKind::Overtaken, message: message.to_owned() }
}

/// Refuses an operation that can never count, or would change nothing, as it stands after it was
/// admitted. From a peer it may come: there its author is told by what is shown of it. From a person
/// it is a mistake, and one more change than a chain takes would count when nobody expects it.
fn check_can_count(page: &Governance, statement: &Statement) -> Result<(), Failure> {
    let Some(proposal) = page.proposal(&statement.id()) else { return Ok(()) };
    let operation = proposal.operation();
    let register = proposal.register();
    let chain = page.chain(&register);
    if chain.len() >= SOFT_CHAIN_MAX && chain.last() == Some(&operation.change.parent()) {
        return Err(Failure::refused(format!(
            "{}: propose this again after the page's next seal",
            Fault::ChainFull
        )));
    }
    if let Standing::Faulty(fault) = page.state(proposal) {
        return Err(Failure::refused(format!("this operation can never count: {fault}")));
    }
    let Change::SetRoster(SetRoster { change, .. }) = &operation.change else { return Ok(()) };
    let present = match change {
        RosterChange::SetPower(set) => PublicKey::admit(set.key)
            .ok()
            .filter(|key| page.page().roster().power(key) == Some(set.power))
            .map(|key| format!("{key} has the power {} already", set.power)),
        RosterChange::SetParameters(set) if set == page.page().parameters() => {
            Some("the parameters have these values already".to_owned())
        }
        _ => None,
    };
    present.map_or(Ok(()), |present| Err(Failure::refused(present)))
}
