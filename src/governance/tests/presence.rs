//! Stories of presence: who is away, whose power goes where, and who seals for whom.

use super::{
    sealing::{hosted, node, pass, sealed, vote},
    *,
};
use crate::{governance::presence::Presence, key::RawKey};

fn raw(who: u8) -> RawKey {
    key(who).public().raw()
}

/// The presence of `who`, with this sequence, lending by these rows.
fn lending(page: &Governance, who: u8, sequence: u64, rows: &[(u8, u16)]) -> Statement {
    let mut away: Vec<_> = rows.iter().map(|(to, bp)| (raw(*to), *bp)).collect();
    away.sort_unstable();
    let node = vec![node().public().raw()];
    let presence = Presence { node, away, ..Presence::new(raw(who), sequence) };
    Statement::sign(&page.page().id(), Body::Presence(presence), &key(who)).unwrap()
}

/// Approving and rejecting power, in tenths.
fn tenths(page: &Governance, op: &Statement) -> (u128, u128) {
    let tally = page.proposal(&op.id()).unwrap().tally();
    (tally.approve * 10 / POWER_UNITS, tally.reject * 10 / POWER_UNITS)
}

/// G6 accepts: lending to two, coming back.
/// G7 accepts: shares that follow their delegates' ballots, and come to nothing without any.
/// G7 refuses: that lending outdoes one's own ballot, whichever came first.
#[test]
fn lent_power_follows_the_delegates_until_its_owner_speaks() {
    let mut page = page(5);
    let op = set(&page, 3, 0, "brick", brick(&page), a(9));
    page.admit(&op).unwrap();
    page.admit(&lending(&page, 0, 1, &[(1, 6000), (2, 4000)])).unwrap();
    assert_eq!(tenths(&page, &op), (0, 0));
    vote(&mut page, &op, &[1], Approve);
    assert_eq!(tenths(&page, &op), (16, 0));
    assert_eq!(state(&page, &op.id()), State::Open);
    vote(&mut page, &op, &[2], Reject);
    assert_eq!(tenths(&page, &op), (16, 14));
    vote(&mut page, &op, &[0], Approve);
    assert_eq!(tenths(&page, &op), (20, 10));
    assert_eq!(page.ratified(&owner("brick")), (a(9), true));
    vote(&mut page, &op, &[0], Withdraw);
    assert_eq!(tenths(&page, &op), (16, 14));
    assert_eq!(page.ratified(&owner("brick")), (a(1), false));
    assert_eq!(page.admit(&lending(&page, 0, 2, &[])), Ok(vec![]));
    assert_eq!(tenths(&page, &op), (10, 10));
    // The other way round: the ballot first.
    let mut page = self::page(5);
    page.admit(&op).unwrap();
    vote(&mut page, &op, &[0, 1], Approve);
    page.admit(&lending(&page, 0, 1, &[(2, 10_000)])).unwrap();
    vote(&mut page, &op, &[2], Reject);
    assert_eq!(tenths(&page, &op), (20, 10));
    invariants(&page);
}

/// G8 refuses: lent power does not vote: two keys must approve by their own ballot.
#[test]
fn one_delegate_with_everybodys_power_is_still_one_voter() {
    let mut page = hosted(5, 5);
    (1..5).for_each(|who| drop(page.admit(&lending(&page, who, 2, &[(0, 10_000)])).unwrap()));
    let op = set(&page, 0, 0, "brick", brick(&page), a(9));
    pass(&mut page, &op, &[0]);
    assert_eq!(tenths(&page, &op), (50, 0));
    assert_eq!(state(&page, &op.id()), State::Open);
    vote(&mut page, &op, &[1], Approve);
    assert_eq!(page.ratified(&owner("brick")), (a(9), true));
}

/// G6 refuses: a stranger as a delegate, an older presence, the same once more.
#[test]
fn only_the_newest_presence_counts() {
    let mut page = page(5);
    let strange = lending(&page, 0, 1, &[(1, 1000), (9, 1000)]);
    assert_eq!(page.admit(&strange), Err(Refusal::UnknownDelegate(key(9).public())));
    assert_eq!(page.presence(&key(0).public()), None);
    let [old, new] = [(2, 1), (5, 2)].map(|(n, to)| lending(&page, 0, n, &[(to, 10_000)]));
    page.admit(&new).unwrap();
    assert_eq!(page.admit(&old), Err(Refusal::OldPresence));
    assert_eq!(page.admit(&new), Err(Refusal::Known));
    assert_eq!(page.next_presence(&key(0).public()), 6);
    assert_eq!(page.evidence().count(), 0);
}

/// G11 accepts: two presences of one sequence as evidence; the smaller id counts in any order.
/// G11 refuses: that a refused statement leaves any trace.
#[test]
fn two_presences_with_one_sequence_are_evidence() {
    let start = page(5);
    let two = [1, 2].map(|to| lending(&start, 0, 1, &[(to, 10_000)]));
    let smaller = two.iter().min_by_key(|presence| presence.id()).unwrap();
    for order in [[0, 1], [1, 0]] {
        let mut page = start.clone();
        assert!(order.iter().all(|n| page.admit(&two[*n]).is_ok()));
        assert_eq!(page.presence(&key(0).public()), Some(smaller));
        assert_eq!(page.evidence().map(|(key, _)| *key).collect::<Vec<_>>(), [key(0).public()]);
        invariants(&page);
    }
    let refused = (3..=200).map(|n| lending(&start, 0, 1, &[(1, n), (9, 1)]));
    let mut page = start.clone();
    page.admit(&two[0]).unwrap();
    let smaller = refused.into_iter().find(|presence| presence.id() < two[0].id()).unwrap();
    assert_eq!(page.admit(&smaller), Err(Refusal::UnknownDelegate(key(9).public())));
    assert_eq!(page.evidence().count(), 0);
}

/// G11 accepts: a sealed presence stands against another of its sequence.
#[test]
fn what_was_sealed_stands_against_a_contradiction() {
    let start = hosted(5, 5);
    let mut two = [1, 2].map(|to| lending(&start, 0, 2, &[(to, 10_000)]));
    two.sort_by_key(Statement::id);
    let [smaller, larger] = two;
    let mut page = start.clone();
    page.admit(&larger).unwrap();
    let said = page.said();
    let (record, _) = page.seal_alone(&node(), 100).unwrap();
    let find = |id: &Id| said.get(id).cloned();
    let mut copy = start;
    copy.admit(&smaller).unwrap();
    let (copy, _) = copy.admit_seal(&record, &find).unwrap();
    let (mut page, _) = page.admit_seal(&record, &find).unwrap();
    page.admit(&smaller).unwrap();
    for page in [page, copy] {
        assert_eq!(page.presence(&key(0).public()), Some(&larger));
        assert_eq!(page.evidence().count(), 1);
        invariants(&page);
    }
}

/// G7 accepts: the share of a delegate who has left abstains.
#[test]
fn what_was_lent_to_somebody_who_left_abstains() {
    let mut page = hosted(5, 5);
    page.admit(&lending(&page, 0, 2, &[(1, 6000), (2, 4000)])).unwrap();
    let (mut page, _) = sealed(&page, 100);
    let change = RosterChange::Remove(raw(1));
    let parent = page.version(&Register::Roster);
    let op = operation(&page, 2, 0, Change::SetRoster(SetRoster { parent, change }));
    pass(&mut page, &op, &[1, 2, 3, 4]);
    let (mut page, _) = sealed(&page, 200);
    let op = set(&page, 3, 0, "brick", brick(&page), a(9));
    pass(&mut page, &op, &[2, 3, 4]);
    assert_eq!(tenths(&page, &op), (34, 0));
    assert_eq!(page.proposal(&op.id()).unwrap().tally().abstain() * 10, 6 * POWER_UNITS);
    assert_eq!(Governance::new(page.page().clone()).lending, page.lending);
}

/// G6 accepts: a sealed presence, for who reads it from the sealed state, and for who had not
/// heard of it before.
#[test]
fn sealed_lending_is_the_same_for_every_copy() {
    let mut page = hosted(5, 5);
    let heard = lending(&page, 0, 2, &[(1, 6000), (2, 4000)]);
    let newest = lending(&page, 0, 3, &[(2, 5000)]);
    let op = set(&page, 3, 0, "fresh", origin(&page, "fresh"), a(9));
    page.admit(&op).unwrap();
    vote(&mut page, &op, &[2], Approve);
    let mut behind = page.clone();
    behind.admit(&heard).unwrap();
    let mut before = page.clone();
    page.admit(&newest).unwrap();
    let said = page.said();
    let (record, _) = page.seal_alone(&node(), 100).unwrap();
    let find = |id: &Id| said.get(id).cloned();
    let (page, _) = page.admit_seal(&record, &find).unwrap();
    assert_eq!(tenths(&page, &op), (15, 0));
    before.admit(&lending(&before, 4, 2, &[(3, 1)])).unwrap();
    for copy in [behind, before] {
        let (copy, _) = copy.admit_seal(&record, &find).unwrap();
        assert_eq!(copy.presence(&key(0).public()), Some(&newest));
        assert_eq!(tenths(&copy, &op), (15, 0));
        invariants(&copy);
    }
    let reopened = Governance::new(page.page().clone());
    assert_eq!(reopened.lending, page.lending);
    assert_eq!(reopened.presence(&key(0).public()), Some(&newest));
    assert!(reopened.is_away(&key(0).public()));
    invariants(&reopened);
}
