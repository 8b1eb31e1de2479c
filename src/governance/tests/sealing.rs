//! Stories of seals on a page whose seats one node holds: what becomes final, what ends, and when.

use super::*;
use crate::governance::{
    past::Outcome,
    presence::Presence,
    seal::SealRecord,
    sealing::{SealRefusal, Unready},
    solo::NotAlone,
};

/// The node that seals.
pub(super) fn node() -> SecretKey {
    SecretKey::from_seed(&[99; 32])
}

pub(super) fn presence(
    page: &Governance,
    who: u8,
    change: impl FnOnce(&mut Presence),
) -> Statement {
    let who = key(who);
    let sequence = page.next_presence(&who.public());
    let joined_by = page.joined_by(&who.public()).into_iter().collect();
    let mut presence = Presence { joined_by, ..Presence::new(who.public().raw(), sequence) };
    change(&mut presence);
    Statement::sign(&page.page().id(), Body::Presence(presence), &who).unwrap()
}

/// A page of equals of whom so many name the node.
pub(super) fn hosted(participants: u8, seats: u8) -> Governance {
    let mut page = page(participants);
    for who in 0..seats {
        let host = presence(&page, who, |presence| presence.node = vec![node().public().raw()]);
        page.admit(&host).unwrap();
    }
    page
}

/// The page under the seal that its node makes at `clock`, and the seal.
pub(super) fn sealed(page: &Governance, clock: u64) -> (Governance, SealRecord) {
    let (record, proposal) = page.seal_alone(&node(), clock).unwrap();
    let said = page.said();
    let find = |id: &Id| said.get(id).cloned();
    let (alone, owners) = page.sealed(&proposal, &find);
    // Whoever is handed the record checks everything, and comes to the same page.
    let (admitted, same_owners) = page.admit_seal(&record, &find).unwrap();
    assert_eq!(picture(&alone), picture(&admitted));
    assert_eq!(owners, same_owners);
    let (reopened, _) = page.reopen_seal(&record, &find).unwrap();
    assert_eq!(picture(&alone), picture(&reopened));
    assert_eq!(SealRecord::decode(&record.encode()).as_ref(), Ok(&record));
    invariants(&alone);
    (alone, record)
}

/// Admits an operation with the approval of these.
pub(super) fn pass(page: &mut Governance, operation: &Statement, voters: &[u8]) {
    page.admit(operation).unwrap();
    vote(page, operation, voters, Approve);
}

pub(super) fn vote(page: &mut Governance, operation: &Statement, voters: &[u8], choice: Choice) {
    for voter in voters {
        let sequence = page.next_sequence(&key(*voter).public());
        page.admit(&ballot(page, *voter, sequence, &[(operation.id(), choice)])).unwrap();
    }
}

/// S1 accepts: a seal, its certificate, and the state after it.
/// S6 accepts: a seal once there is something to seal and the interval has passed.
/// S7 accepts: a node that holds enough seats seals alone.
/// G10 accepts: what was sealed is closed, and the page goes on from there.
#[test]
fn what_was_ratified_becomes_final_under_a_seal() {
    let mut page = hosted(5, 4);
    let op = set(&page, 0, 0, "brick", brick(&page), a(9));
    pass(&mut page, &op, &[0, 1]);
    assert_eq!(page.ratified(&owner("brick")), (a(9), true));
    assert_eq!(page.seal_alone(&node(), 30).err(), Some(Unready::TooEarly(61).into()));
    let (page, record) = sealed(&page, 100);
    assert_eq!(record.seal.height, 1);
    assert_eq!(record.contents.operations, [op.id()]);
    assert_eq!(page.page().head(), record.seal.head());
    assert_eq!(page.ratified(&owner("brick")), (a(9), false));
    assert_eq!(page.version(&Register::Entry(owner("brick"))), op.id());
    assert_eq!(page.outcome(&op.id()), Some(Outcome::Sealed(1)));
    assert_eq!(page.proposals().count(), 0);
    assert_eq!(page.seal_alone(&node(), 1000).err(), Some(Unready::Nothing.into()));
    assert_eq!(page.free_slots(&key(0).public(), 1), [0]);
}

/// S7 refuses: a node without a seat, or with too few.
/// S8 accepts: soft changes go on without a quorum of seats.
/// S8 refuses: a seal.
#[test]
fn without_enough_seats_changes_stay_soft_and_it_is_said_what_is_missing() {
    let mut page = hosted(5, 3);
    let op = set(&page, 0, 0, "brick", brick(&page), a(9));
    pass(&mut page, &op, &[0, 1]);
    let missing = NotAlone::NoQuorum { held: 3, quorum: 4, total: 5 };
    assert_eq!(page.seal_alone(&node(), 100).err(), Some(missing));
    assert_eq!(page.seal_alone(&key(0), 100).err(), Some(NotAlone::NoSeat));
    assert_eq!(page.ratified(&owner("brick")), (a(9), true));
}

/// S4 accepts: by a clock that is far behind, a second after the newest seal.
/// S6 refuses: a seal of nothing, and one within the interval.
#[test]
fn a_seal_waits_for_its_interval_and_for_something_to_seal() {
    let page = hosted(5, 4);
    let early = |clock| page.propose(clock).err();
    assert_eq!(early(60), Some(Unready::TooEarly(61)));
    assert_eq!(early(61), None);
    let (page, _) = sealed(&page, 5000);
    assert_eq!(page.propose(50_000).err(), Some(Unready::Nothing));
    let ahead = SEAL_AHEAD.as_secs();
    let behind = |clock| page.propose(clock).err();
    assert_eq!(behind(5000 - ahead), Some(Unready::Nothing));
    let clock = 5000 - ahead - 1;
    assert_eq!(page.check_clock(clock), Err(Unready::ClockBehind { clock, newest: 5000 }));
    assert_eq!(behind(clock), Some(Unready::Nothing));
}

/// S4 accepts: time that goes on by a second where a clock ran ahead once.
#[test]
fn one_seal_by_a_wrong_clock_does_not_end_a_page() {
    let (mut page, _) = sealed(&hosted(5, 4), 1_000_000);
    for (n, clock) in [(1, 200), (2, 300)] {
        let op = set(&page, 0, 0, "brick", brick(&page), a(n));
        pass(&mut page, &op, &[0, 1]);
        page = sealed(&page, clock).0;
        assert_eq!(page.page().head().time, 1_000_000 + u64::from(n));
        assert_eq!(page.ratified(&owner("brick")), (a(n), false));
    }
}

/// T3 accepts: the next seal.
/// T3 refuses: one at a height that the page has passed.
#[test]
fn a_page_never_goes_back_below_its_newest_seal() {
    let before = hosted(5, 4);
    let (page, record) = sealed(&before, 100);
    let said = before.said();
    let find = |id: &Id| said.get(id).cloned();
    assert!(before.admit_seal(&record, &find).is_ok());
    let refused = SealRefusal::Height { found: 1, next: 2 };
    assert_eq!(page.admit_seal(&record, &find).err(), Some(refused.clone()));
    assert_eq!(page.reopen_seal(&record, &find).err(), Some(refused));
}

/// G10 refuses: what was closed, once more; a change against a version that is past.
#[test]
fn what_a_seal_closed_does_not_come_back() {
    let mut page = hosted(5, 4);
    let at = Register::Entry(owner("fresh"));
    let old = set(&page, 1, 0, "fresh", origin(&page, "fresh"), a(5));
    let on_old = set(&page, 2, 0, "fresh", old.id(), a(6));
    let create = set(&page, 0, 0, "fresh", origin(&page, "fresh"), a(7));
    pass(&mut page, &old, &[1, 2]);
    page.admit(&on_old).unwrap();
    pass(&mut page, &create, &[0, 1, 2]);
    let old_ballots: Vec<_> = page.said().into_values().collect();
    let (mut page, _) = sealed(&page, 100);
    let over = Outcome::Superseded { height: 1, by: create.id() };
    assert_eq!(page.outcome(&old.id()), Some(over));
    assert_eq!(page.outcome(&on_old.id()), Some(over));
    let delete = set(&page, 0, 0, "fresh", page.version(&at), RecordSets::NONE);
    pass(&mut page, &delete, &[0, 1]);
    let (mut page, _) = sealed(&page, 200);
    assert_eq!(page.ratified(&owner("fresh")), (RecordSets::NONE, false));
    for statement in old_ballots.iter().filter(|s| s.as_presence().is_none()) {
        let refused = page.admit(statement);
        assert!(matches!(refused, Err(Refusal::Closed(..))), "{refused:?}");
    }
    // Nor for who remembers nothing but the sealed state, or when it is signed anew.
    let mut fresh = Governance::new(page.page().clone());
    assert_eq!(fresh.admit(&old), Err(Refusal::UnknownBase(old.as_operation().unwrap().base)));
    let origin = origin_version(&page.page().id(), &owner("fresh"));
    let anew = set(&page, 1, 1, "fresh", origin, a(5));
    assert_eq!(page.admit(&anew), Err(Refusal::PastVersion(origin)));
    assert_eq!(fresh.admit(&anew), Err(Refusal::PastVersion(origin)));
}

/// G5 accepts: the rows of a ballot that name what is open.
/// G5 refuses: a ballot that names only what is closed.
#[test]
fn a_ballot_on_something_closed_and_something_open_counts_on_the_open() {
    let mut page = hosted(5, 4);
    let [one, two] =
        ["a", "b"].map(|at| set(&page, 0, at.len() as u32, at, origin(&page, at), a(9)));
    let two = set(&page, 0, 9, "b", two.as_operation().unwrap().change.parent(), a(9));
    pass(&mut page, &one, &[0, 1]);
    page.admit(&two).unwrap();
    let (mut page, _) = sealed(&page, 100);
    page.admit(&ballot(&page, 0, 10, &[(two.id(), Approve)])).unwrap();
    let both = ballot(&page, 3, 1, &[(one.id(), Reject), (two.id(), Approve)]);
    assert_eq!(page.admit(&both), Ok(vec![owner("b")]));
    let only = ballot(&page, 3, 2, &[(one.id(), Reject)]);
    assert_eq!(page.admit(&only), Err(Refusal::Closed(one.id(), Outcome::Sealed(1))));
    invariants(&page);
}

/// G5b refuses: a batch that lost its slot, in a seal as everywhere.
#[test]
fn a_batch_that_lost_its_slot_does_not_count_again_in_a_seal() {
    let mut page = hosted(5, 4);
    let ops =
        ["a", "b"].map(|at| set(&page, 0, at.as_bytes()[0].into(), at, origin(&page, at), a(9)));
    ops.iter().for_each(|op| drop(page.admit(op).unwrap()));
    let all = [ops[0].id(), ops[1].id()];
    let mut batches = [batch(&page, 0, 0, &all[..1]), batch(&page, 0, 0, &all[1..])];
    batches.sort_by_key(Statement::id);
    batches.iter().for_each(|batch| drop(page.admit(batch).unwrap()));
    let loser = batches[1].id();
    let behind = batches[1].as_batch().unwrap().operations[0];
    let other = batches[0].as_batch().unwrap().operations[0];
    // Three reject the batch, which says nothing, and one of two who approve names it as well.
    page.admit(&ballot(&page, 0, 1, &[(behind, Approve), (loser, Approve)])).unwrap();
    page.admit(&ballot(&page, 1, 1, &[(behind, Approve), (other, Approve)])).unwrap();
    for voter in 2..5 {
        page.admit(&ballot(&page, voter, 1, &[(other, Approve), (loser, Reject)])).unwrap();
    }
    assert_eq!(state(&page, &behind), State::Ratified);
    let (page, _) = sealed(&page, 100);
    assert_eq!(page.outcome(&behind), Some(Outcome::Sealed(1)));
    assert_eq!(page.outcome(&other), Some(Outcome::Sealed(1)));
}

/// G10 accepts: being away until a seal of that time; a seal of nothing that closes a window.
/// G10 refuses: that a clock alone closes one.
/// S6 accepts: a seal with nothing but time when a window closes.
#[test]
fn being_away_ends_with_a_seal_and_not_with_a_clock() {
    let mut page = hosted(5, 5);
    let away = |until| {
        move |presence: &mut Presence| {
            presence.node = vec![node().public().raw()];
            presence.away = vec![(key(1).public().raw(), 10_000)];
            presence.until = until;
        }
    };
    page.admit(&presence(&page, 0, away(1000))).unwrap();
    page.admit(&presence(&page, 2, away(3000))).unwrap();
    let (page, _) = sealed(&page, 100);
    assert_eq!([0, 2].map(|who| page.is_away(&key(who).public())), [true, true]);
    assert_eq!(page.propose(999).err(), Some(Unready::Nothing));
    let (mut page, record) = sealed(&page, 1000);
    assert!(record.contents.is_empty());
    assert_eq!([0, 2].map(|who| page.is_away(&key(who).public())), [false, true]);
    assert_eq!(page.propose(2000).err(), Some(Unready::Nothing));
    // Whoever comes back before has no window left to close.
    page.admit(&presence(&page, 2, |p| p.node = vec![node().public().raw()])).unwrap();
    let (page, _) = sealed(&page, 2000);
    assert_eq!(page.propose(5000).err(), Some(Unready::Nothing));
    let reopened = Governance::new(page.page().clone());
    assert_eq!(reopened.propose(5000).err(), Some(Unready::Nothing));
}

/// G10 accepts: an operation up to 30 days of seal time after its base.
/// G10 refuses: later, and what was made against it.
#[test]
fn an_operation_expires_with_what_was_made_against_it() {
    let mut page = hosted(5, 4);
    let op = set(&page, 0, 0, "brick", brick(&page), a(9));
    page.admit(&op).unwrap();
    let (mut page, _) = sealed(&page, 100);
    let child = set(&page, 1, 0, "brick", op.id(), a(8));
    let other = set(&page, 1, 1, "fresh", origin(&page, "fresh"), a(7));
    [&child, &other].iter().for_each(|op| drop(page.admit(op).unwrap()));
    let end = 1 + OPERATION_LIFE.as_secs();
    assert_eq!(page.propose(end - 1).err(), Some(Unready::Nothing));
    let (mut page, record) = sealed(&page, end);
    assert!(record.contents.is_empty());
    assert_eq!(page.outcome(&op.id()), Some(Outcome::Expired(2)));
    assert_eq!(page.outcome(&child.id()), Some(Outcome::Expired(2)));
    assert_eq!(state(&page, &other.id()), State::Open);
    let base = op.as_operation().unwrap().base;
    let change = op.as_operation().unwrap().change.clone();
    let again = Operation { author: key(4).public().raw(), slot: 0, base, change };
    let again = Statement::sign(&page.page().id(), Body::Operation(again), &key(4)).unwrap();
    assert_eq!(page.admit(&again), Err(Refusal::UnknownBase(base)));
    assert_eq!(page.propose(99 + OPERATION_LIFE.as_secs()).err(), Some(Unready::Nothing));
}

/// G10 refuses: what was made against one that another of its author displaced, once that is past.
#[test]
fn orphans_end_through_displaced_ones_and_however_deep() {
    let mut page = hosted(5, 4);
    let mut two = [1, 2].map(|n| set(&page, 0, 0, "brick", brick(&page), a(n)));
    two.sort_by_key(Statement::id);
    two.iter().for_each(|op| drop(page.admit(op).unwrap()));
    let on_displaced = set(&page, 1, 0, "brick", two[1].id(), a(3));
    page.admit(&on_displaced).unwrap();
    let mut parent = two[0].id();
    let mut deep = Vec::new();
    for n in 0..2 * SOFT_CHAIN_MAX {
        let op = set(&page, 2, n as u32, "brick", parent, a(n as u8));
        page.admit(&op).unwrap();
        parent = op.id();
        deep.push(parent);
    }
    let rival = set(&page, 3, 0, "brick", brick(&page), a(9));
    pass(&mut page, &rival, &[0, 1]);
    let (page, _) = sealed(&page, 100);
    let over = Some(Outcome::Superseded { height: 1, by: rival.id() });
    assert_eq!(page.outcome(&on_displaced.id()), over);
    assert!(deep.iter().all(|id| page.outcome(id) == over));
    assert_eq!(page.proposals().count(), 0);
}
