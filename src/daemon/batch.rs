//! Batches as people read them: one entry each, however many operations they name (G5b).

use std::collections::{BTreeMap, HashSet};

use super::{node::Node, report as operations};
use crate::{
    control::report::{BatchChange, BatchReport, OperationReport, Power},
    governance::{Governance, Proposal, statement::Statement, tally::Tally},
    id::Id,
    limits::OPERATION_LIFE,
};

/// Operations of a batch that are told of with it (choice: a few lines).
const FIRST: usize = 3;

/// The open batches of a page, with `all` those that ended as well; and the ids of these and of the
/// operations in them.
pub fn of(node: &Node, page: &Governance, all: bool) -> (Vec<BatchReport>, HashSet<Id>) {
    let mut reports = Vec::new();
    let mut batched = HashSet::new();
    let closed = page.closed().filter(|(_, ended)| all && ended.tally.is_none());
    let closed: Vec<Statement> = closed.filter_map(|(id, _)| statement(node, page, id)).collect();
    for batch in open(page).chain(&closed) {
        let Some(ids) = batch.as_batch().map(|batch| &batch.operations) else { continue };
        if all || ids.iter().any(|id| page.proposal(id).is_some()) {
            reports.push(report(node, page, batch, ids));
            batched.insert(batch.id());
            batched.extend(ids.iter().copied());
        }
    }
    (reports, batched)
}

/// The batches with an operation for which `awaits` holds, and all operations in them.
pub fn awaiting(
    node: &Node,
    page: &Governance,
    awaits: impl Fn(&Proposal) -> bool,
) -> (Vec<BatchReport>, HashSet<Id>) {
    let mut reports = Vec::new();
    let mut batched = HashSet::new();
    for batch in open(page) {
        let Some(ids) = batch.as_batch().map(|batch| &batch.operations) else { continue };
        if ids.iter().any(|id| page.proposal(id).is_some_and(&awaits)) {
            reports.push(report(node, page, batch, ids));
            batched.extend(ids.iter().copied());
        }
    }
    (reports, batched)
}

/// The batches of a page that have not ended, in the order of their ids.
fn open(page: &Governance) -> impl Iterator<Item = &Statement> {
    // Every id begins with no digits.
    page.with_prefix("").into_iter().filter_map(|id| page.batch(&id))
}

/// The batch or other statement with this id, open or ended, as it was signed.
pub fn statement(node: &Node, page: &Governance, id: &Id) -> Option<Statement> {
    page.batch(id).cloned().or_else(|| operations::stored(node, id))
}

/// How the operations of a batch stand.
pub fn report(node: &Node, page: &Governance, batch: &Statement, ids: &[Id]) -> BatchReport {
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for id in ids {
        let word = operations::state_word(page, id).unwrap_or_else(|| "unknown".to_owned());
        *states.entry(word).or_default() += 1;
    }
    let tallies: Vec<Tally> = ids.iter().filter_map(|id| tally(page, id)).collect();
    let least = |of: fn(&Tally) -> u128| Power(tallies.iter().map(of).min().unwrap_or(0));
    let most = |of: fn(&Tally) -> u128| Power(tallies.iter().map(of).max().unwrap_or(0));
    let open = || ids.iter().filter_map(|id| page.proposal(id));
    let expires = open().map(|p| p.base_time() + OPERATION_LIFE.as_secs()).min();
    let first: Vec<OperationReport> =
        ids.iter().take(FIRST).filter_map(|id| one(node, page, id)).collect();
    BatchReport {
        id: batch.id().to_string(),
        author: batch.author().to_string(),
        operations: ids.len(),
        states: states.into_iter().collect(),
        approve_least: least(|tally| tally.approve),
        approve_most: most(|tally| tally.approve),
        reject_least: least(|tally| tally.reject),
        reject_most: most(|tally| tally.reject),
        needed: first.iter().map(|one| one.needed).max().unwrap_or(Power(0)),
        expires,
        seconds_left: expires.map(|at| at.saturating_sub(page.page().head().time)),
        first: first.into_iter().map(change).collect(),
    }
}

fn tally(page: &Governance, id: &Id) -> Option<Tally> {
    match page.proposal(id) {
        Some(proposal) => Some(proposal.tally()),
        None => page.ended(id)?.tally,
    }
}

fn one(node: &Node, page: &Governance, id: &Id) -> Option<OperationReport> {
    match page.proposal(id) {
        Some(proposal) => Some(operations::operation(page, proposal)),
        None => operations::ended(node, page, id),
    }
}

fn change(operation: OperationReport) -> BatchChange {
    let OperationReport { id, change, diff, .. } = operation;
    BatchChange { id, change, diff }
}
