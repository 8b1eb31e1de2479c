//! What of somebody's operations others took the place of: told to their author for some days.
//!
//! It is read from how things ended, as far as a page remembers that (G10); nothing is kept for it.

use std::collections::BTreeMap;

use super::{node::Node, report};
use crate::{
    control::report::{Rival, Superseded},
    governance::{Governance, Proposal, State, past::Outcome, statement::Statement},
    id::Id,
    key::PublicKey,
    limits::{SUPERSEDED_SOUGHT_MAX, SUPERSEDED_TOLD, SUPERSEDED_TOLD_MAX},
};

/// What of an author's operations on a page something else was sealed in place of within some days, or is
/// about to be; `now` in seconds since 1970.
pub fn of(node: &Node, page: &Governance, author: &PublicKey, now: u64) -> Vec<Superseded> {
    let about_to_be = page.proposals().filter(|one| one.statement().author() == *author);
    let about_to_be = about_to_be.filter_map(|one| {
        let by = excluded_by(page, one)?;
        row(node, page, one.statement(), &by, None)
    });
    about_to_be.chain(ended(node, page, author, now)).take(SUPERSEDED_TOLD_MAX).collect()
}

/// The newest first.
fn ended<'a>(
    node: &'a Node,
    page: &'a Governance,
    author: &'a PublicKey,
    now: u64,
) -> impl Iterator<Item = Superseded> + 'a {
    let begin = now.saturating_sub(SUPERSEDED_TOLD.as_secs());
    let times: BTreeMap<u64, u64> = page
        .known_seals()
        .filter(|head| head.time >= begin)
        .map(|head| (head.height, head.time))
        .collect();
    let superseded = page.closed().filter_map(|(id, ended)| match ended.outcome {
        Outcome::Superseded { height, by } => Some((*id, height, by)),
        _ => None,
    });
    let of_late = superseded.filter_map(move |(id, height, by)| {
        let time = *times.get(&height)?;
        Some((id, by, (height, time)))
    });
    of_late.take(SUPERSEDED_SOUGHT_MAX).filter_map(move |(id, by, sealed)| {
        let statement = report::stored(node, &id).filter(|said| said.author() == *author)?;
        row(node, page, &statement, &by, Some(sealed))
    })
}

/// What will be sealed in place of an open operation, unless ballots change.
fn excluded_by(page: &Governance, proposal: &Proposal) -> Option<Id> {
    let counts = |other: &&Proposal| matches!(page.state(other), State::Ratified | State::Passed);
    match page.state(proposal) {
        State::Outvoted(by) => Some(by),
        State::Open => page.rivals(proposal).find(counts).map(|other| other.statement().id()),
        _ => None,
    }
}

fn row(
    node: &Node,
    page: &Governance,
    statement: &Statement,
    by: &Id,
    sealed: Option<(u64, u64)>,
) -> Option<Superseded> {
    let change = |said: &Statement| Some(report::describe_in(page, said.as_operation()?));
    let other = report::stored(node, by);
    Some(Superseded {
        page: page.page().name().to_string(),
        id: statement.id().to_string(),
        change: change(statement)?,
        by: Rival {
            id: by.to_string(),
            author: other.as_ref().map_or(String::new(), |other| other.author().to_string()),
            change: other.as_ref().and_then(change).unwrap_or_default(),
        },
        height: sealed.map(|(height, _)| height),
        time: sealed.map(|(_, time)| time),
    })
}
