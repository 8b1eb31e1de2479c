//! What of somebody's operations others took the place of: told to their author for some days.
//!
//! It is read from how things ended, as far as a page remembers that (G10); nothing is kept for it.

use std::collections::BTreeMap;

use super::{node::Node, report};
use crate::{
    control::report::{Rival, Superseded},
    governance::{
        Governance, Proposal, State,
        past::{Ended, Outcome},
        statement::Statement,
    },
    id::Id,
    key::PublicKey,
    limits::{SUPERSEDED_TOLD, SUPERSEDED_TOLD_MAX},
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
    of_late(page.closed(), author, times).filter_map(move |(id, by, sealed)| {
        let statement = report::stored(node, &id)?;
        row(node, page, &statement, &by, Some(sealed))
    })
}

/// The newest of an author's operations that something was sealed in place of at one of these heights, with what
/// that was, and its height and time.
fn of_late<'a>(
    closed: impl Iterator<Item = (&'a Id, Ended)>,
    author: &PublicKey,
    times: BTreeMap<u64, u64>,
) -> impl Iterator<Item = (Id, Id, (u64, u64))> {
    let own = closed.filter(move |(_, ended)| ended.author == Some(*author));
    let of_late = own.filter_map(move |(id, ended)| match ended.outcome {
        Outcome::Superseded { height, by } => Some((*id, by, (height, *times.get(&height)?))),
        _ => None,
    });
    of_late.take(SUPERSEDED_TOLD_MAX)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{key::SecretKey, limits::CLOSED_KEPT_MAX};

    #[test]
    fn what_others_lost_hides_nothing_of_an_author() {
        let id = |n: usize| Id::hash(&[&n.to_be_bytes()]);
        let [ann, ben] = [1, 2].map(|n| SecretKey::from_seed(&[n; 32]).public());
        let by = id(0);
        let lost = |author, height| Ended {
            outcome: Outcome::Superseded { height, by },
            author: Some(author),
            tally: None,
        };
        let ids: Vec<Id> = (0..CLOSED_KEPT_MAX).map(id).collect();
        let rows = |who: PublicKey| {
            let newest = ids.iter().map(|id| (id, lost(ben, 7)));
            let oldest = ids.iter().take(100).map(|id| (id, lost(ann, 7)));
            let too_old = ids.iter().map(|id| (id, lost(who, 3)));
            let closed = too_old.chain(newest).chain(oldest);
            of_late(closed, &who, BTreeMap::from([(7, 700)])).collect::<Vec<_>>()
        };
        assert_eq!(rows(ann).first(), Some(&(ids[0], by, (7, 700))));
        assert_eq!([ann, ben].map(|who| rows(who).len()), [SUPERSEDED_TOLD_MAX; 2]);
    }
}
