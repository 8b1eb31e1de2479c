//! Stories of slots across seals: what an author says next, and what a copy did not see end.

use super::{
    sealing::{hosted, node, pass, presence, sealed},
    *,
};
use crate::governance::past::Outcome;

/// Alice's operation on a change that lost, and what she puts into its slot after that has ended.
fn next_in_a_slot() -> (Governance, Governance, Statement, Statement) {
    let mut page = hosted(5, 4);
    let mut late = page.clone();
    let lost = set(&page, 1, 0, "brick", brick(&page), a(7));
    let on_it = set(&page, 0, 0, "brick", lost.id(), a(8));
    [&lost, &on_it].iter().for_each(|op| drop(page.admit(op).unwrap()));
    let won = set(&page, 2, 0, "brick", brick(&page), a(2));
    [&mut page, &mut late].into_iter().for_each(|page| pass(page, &won, &[2, 3]));
    // `late` never had the change that lost: it cannot know that what was made on it ended.
    assert_eq!(late.admit(&on_it), Ok(vec![]));
    let (page, record) = sealed(&page, 100);
    let said = late.said();
    let late = late.admit_seal(&record, &|id| said.get(id).cloned()).unwrap().0;
    let over = Outcome::Superseded { height: 1, by: won.id() };
    assert_eq!(page.outcome(&on_it.id()), Some(over));
    assert_eq!(state(&late, &on_it.id()), State::Waiting);
    let next = set(&page, 0, 0, "brick", brick(&page), a(9));
    (page, late, on_it, next)
}

/// P5 accepts: what its author said under a newer seal, before what waits in the same slot.
/// G11 refuses: evidence against an author who used a slot again after it was free.
#[test]
fn a_newer_base_counts_before_an_older_one_that_waits() {
    let (mut page, mut late, on_it, next) = next_in_a_slot();
    for copy in [&mut page, &mut late] {
        pass(copy, &next, &[0, 1]);
        assert_eq!(state(copy, &next.id()), State::Ratified);
        assert_eq!(copy.ratified(&owner("brick")), (a(9), true));
        assert_eq!(copy.evidence().count(), 0);
        invariants(copy);
    }
    assert_eq!(state(&late, &on_it.id()), State::Displaced(next.id()));
}

/// P5 refuses: of three under one seal the largest, which is proof enough where it comes last.
#[test]
fn a_third_contender_is_proof_also_where_a_newer_one_holds_the_slot() {
    let (_, mut late, on_it, next) = next_in_a_slot();
    late.admit(&next).unwrap();
    let genesis = late.page().id();
    let others = (0u8..32).map(|n| {
        let change = SetEntry { owner: owner("brick"), parent: Id::hash(&[&[n]]), sets: vec![] };
        let change = Change::SetEntry(change);
        let author = key(0);
        let raw = Operation { author: author.public().raw(), slot: 0, base: genesis, change };
        Statement::sign(&genesis, Body::Operation(raw), &author).unwrap()
    });
    let larger = others.max_by_key(Statement::id).unwrap();
    assert!(larger.id() > on_it.id());
    assert_eq!(late.admit(&larger), Ok(vec![]));
    assert_eq!(late.proposal(&larger.id()), None);
    assert_eq!(late.evidence().count(), 1);
    assert_eq!(late.admit(&larger), Err(Refusal::Known));
    invariants(&late);
}

/// G10 refuses: what an author said before it left, also where it is heard of after it came back.
/// G10 refuses: a slot that was taken away under a seal since, though it is there again.
#[test]
fn leaving_ends_what_one_said_for_those_who_did_not_hear_it_too() {
    let order = |page: &Governance, change| {
        let parent = page.page().roster_version();
        operation(page, 0, 9, Change::SetRoster(SetRoster { parent, change }))
    };
    let page = hosted(5, 5);
    let early = set(&page, 4, 0, "a", origin(&page, "a"), a(4));
    let in_a_slot = set(&page, 1, 100, "b", origin(&page, "b"), a(5));
    let few = Parameters { open_operations_max: 50, ..Parameters::default() };
    let back = NewParticipant {
        key: key(4).public().raw(),
        power: 1,
        acceptance: accept(&page.page().id(), &key(4)),
    };
    let changes = [
        RosterChange::Remove(key(4).public().raw()),
        RosterChange::Add(back),
        RosterChange::SetParameters(few),
        RosterChange::SetParameters(Parameters::default()),
    ];
    let mut told = page.clone();
    [&early, &in_a_slot].iter().for_each(|op| drop(told.admit(op).unwrap()));
    for mut copy in [page, told] {
        for (n, change) in (1..).zip(changes.clone()) {
            let op = order(&copy, change);
            pass(&mut copy, &op, &[0, 1, 2, 3]);
            copy = sealed(&copy, n * 100).0;
        }
        let gone = copy.admit(&early).unwrap_err();
        let closed = Refusal::Closed(early.id(), Outcome::AuthorGone(1));
        assert!(gone == closed || gone == Refusal::JoinedLater(key(4).public()), "{gone}");
        let taken = copy.admit(&in_a_slot).unwrap_err();
        let closed = Refusal::Closed(in_a_slot.id(), Outcome::Impossible(3));
        let past = Refusal::SlotOutOfRange { slot: 100, max: 50 };
        assert!(taken == closed || taken == past, "{taken}");
        assert!(copy.admit(&set(&copy, 4, 0, "a", origin(&copy, "a"), a(4))).is_ok());
        assert!(copy.admit(&set(&copy, 1, 100, "b", origin(&copy, "b"), a(5))).is_ok());
    }
}

/// G6 refuses: a presence from before its author left, also under a sequence above all since.
/// G6 accepts: one that names the operation by which the author is back.
/// S2 refuses: a seat by what was said before.
#[test]
fn who_came_back_is_not_held_to_what_was_said_before() {
    let mut page = hosted(5, 5);
    let lends = vec![(key(0).public().raw(), 10_000)];
    let old = presence(&page, 4, |presence| {
        (presence.sequence, presence.away) = (1000, lends.clone());
    });
    let acceptance = accept(&page.page().id(), &key(4));
    let add = NewParticipant { key: key(4).public().raw(), power: 9, acceptance };
    let mut joined_by = Vec::new();
    for (n, change) in [(1, RosterChange::Remove(add.key)), (2, RosterChange::Add(add.clone()))] {
        let parent = page.page().roster_version();
        let op = operation(&page, 0, 9, Change::SetRoster(SetRoster { parent, change }));
        pass(&mut page, &op, &[0, 1, 2, 3]);
        page = sealed(&page, n * 100).0;
        joined_by = vec![op.id()];
    }
    assert_eq!(page.admit(&old), Err(Refusal::BeforeJoining));
    assert_eq!(page.joined_by(&key(4).public()), Some(joined_by[0]));
    let back = presence(&page, 4, |presence| presence.away = lends.clone());
    assert_eq!(back.as_presence().unwrap().joined_by, joined_by);
    page.admit(&back).unwrap();
    assert!(page.is_away(&key(4).public()));
    // A founder's presence names nothing.
    let wrong = presence(&page, 0, |presence| presence.joined_by = joined_by);
    assert_eq!(page.admit(&wrong), Err(Refusal::BeforeJoining));
}

/// G5b, G10: a batch is based on a seal, and ends with it.
#[test]
fn a_batch_of_what_nobody_ever_had_ends_by_time() {
    let mut page = hosted(5, 4);
    let unknown = batch(&page, 0, 0, &[Id::hash(&[b"never"])]);
    page.admit(&unknown).unwrap();
    page.admit(&ballot(&page, 1, 1, &[(unknown.id(), Approve)])).unwrap();
    let (page, _) = sealed(&page, 100);
    assert_eq!(page.free_batch_slots(&key(0).public(), 1), [1]);
    let (mut page, _) = sealed(&page, 101 + OPERATION_LIFE.as_secs());
    assert_eq!(page.outcome(&unknown.id()), Some(Outcome::Expired(2)));
    assert_eq!(page.free_batch_slots(&key(0).public(), 1), [0]);
    assert_eq!(page.admit(&unknown), Err(Refusal::Closed(unknown.id(), Outcome::Expired(2))));
}

/// G11: two nodes at which one person speaks begin at different places, and go round.
#[test]
fn each_node_puts_what_a_person_says_into_slots_of_its_own() {
    let page = page(3);
    let author = key(0).public();
    let base = page.page().seal();
    let at = |node: u8, count| page.free_slots_at(&key(node).public(), &author, &base, [count, 1]);
    let max = page.page().parameters().open_operations_max as usize;
    let [all, _] = at(1, usize::MAX);
    assert_eq!(all.len(), max);
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), max);
    let [one, two] = [at(1, 3), at(2, 3)];
    assert_eq!(one, at(1, 3), "the same each time");
    assert!(one[0].iter().all(|slot| !two[0].contains(slot)), "{one:?} {two:?}");
    assert_ne!(one[1], two[1]);
}

/// T7, G11: what was sealed where its seal is ahead is open elsewhere, and keeps its slot under its base.
#[test]
fn a_slot_is_used_once_under_an_older_base() {
    let (page, _) = sealed(&hosted(5, 5), 100);
    let author = key(0);
    let ahead = 200 + 24 * 3600;
    let mut page = page;
    let due = page.page().seal();
    let mut followers = page.clone();
    for (n, clock) in (0..20u8).zip((ahead..).step_by(60)) {
        let base = page.base(&author.public(), 200);
        assert_eq!(base, due);
        let [free, _] = page.free_slots_at(&node().public(), &author.public(), &base, [1, 0]);
        assert!(!page.is_taken(&author.public(), Kind::Operation, free[0], &base));
        let name = format!("n{n}");
        let change =
            SetEntry { owner: owner(&name), parent: origin(&page, &name), sets: a(n).into_vec() };
        let change = Change::SetEntry(change);
        let operation = Operation { author: author.public().raw(), slot: free[0], base, change };
        let said = Statement::sign(&page.page().id(), Body::Operation(operation), &author).unwrap();
        pass(&mut page, &said, &[1, 2]);
        followers.admit(&said).unwrap();
        page = sealed(&page, clock).0;
        assert!(page.is_taken(&author.public(), Kind::Operation, free[0], &base));
        assert!(!page.is_taken(&author.public(), Kind::Operation, free[0], &page.page().seal()));
    }
    assert_eq!(page.page().height(), 21);
    assert_eq!(followers.operation_count(), 20);
    assert_eq!(followers.evidence().count(), 0);
}
