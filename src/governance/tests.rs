//! Governance: stories of a few people, and the properties that hold for any of them.

use proptest::prelude::*;

use super::{
    ballot::{Ballot, Batch},
    operation::*,
    statement::Body,
    *,
};
use crate::{
    id::Kind,
    key::SecretKey,
    page::{
        genesis::{Parameters, RawGenesis},
        name::Name,
        record::{PageLink, RecordType},
        roster_rows,
    },
};

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n + 1; 32])
}

fn name() -> Name {
    Name::parse("ff.ct").unwrap()
}

fn owner(text: &str) -> Owner {
    Owner::parse(text, &name()).unwrap()
}

fn a(last: u8) -> RecordSets {
    let record = (RecordType::A, 60, vec![192, 0, 2, last]);
    RecordSets::gather([record], &owner("x"), &name()).unwrap()
}

fn link(page: u8) -> RecordSets {
    let rdata = PageLink { page: Id::hash(&[&[page]]), beacons: vec![] }.to_rdata().unwrap();
    RecordSets::gather([(RecordType::PAGE, 60, rdata)], &owner("x"), &name()).unwrap()
}

/// A page of `participants` equals, with `brick` at 192.0.2.1 and a subpage at `sub`.
fn page(participants: u8) -> Governance {
    let roster = roster_rows((0..participants).map(|n| (key(n).public(), 1)));
    let raw = RawGenesis::new(name(), roster, Parameters::default(), 1, Id::ZERO);
    let contents = [(owner("brick"), a(1)), (owner("sub"), link(1))];
    Governance::new(Page::found(raw, contents).unwrap().0)
}

fn operation(page: &Governance, author: u8, slot: u32, change: Change) -> Statement {
    let base = page.page().seal();
    let author = key(author);
    let operation = Operation { author: author.public().raw(), slot, base, change };
    Statement::sign(&page.page().id(), Body::Operation(operation), &author).unwrap()
}

fn set(
    page: &Governance,
    author: u8,
    slot: u32,
    at: &str,
    parent: Id,
    sets: RecordSets,
) -> Statement {
    let change = SetEntry { owner: owner(at), parent, sets: sets.into_vec() };
    operation(page, author, slot, Change::SetEntry(change))
}

fn ballot(page: &Governance, voter: u8, sequence: u64, rows: &[(Id, Choice)]) -> Statement {
    let voter = key(voter);
    let mut rows = rows.to_vec();
    rows.sort_unstable();
    let ballot = Ballot { voter: voter.public().raw(), sequence, rows, reason: String::new() };
    Statement::sign(&page.page().id(), Body::Ballot(ballot), &voter).unwrap()
}

fn batch(page: &Governance, author: u8, slot: u32, operations: &[Id]) -> Statement {
    let author = key(author);
    let mut operations = operations.to_vec();
    operations.sort_unstable();
    let base = page.page().seal();
    let batch = Batch { author: author.public().raw(), slot, base, operations };
    Statement::sign(&page.page().id(), Body::Batch(batch), &author).unwrap()
}

fn brick(page: &Governance) -> Id {
    page.page().version(&owner("brick"))
}

fn origin(page: &Governance, at: &str) -> Id {
    page.page().version(&owner(at))
}

fn state(page: &Governance, id: &Id) -> State {
    page.state(page.proposal(id).unwrap())
}

use Choice::*;
use invariants::{invariant_tallies_and_walks, invariants};

/// G3 accepts: a change of an entry, made against its version.
/// G5 accepts: a ballot, and its withdrawal by a later one.
/// G9 accepts: a change is served once two of five approve.
#[test]
fn a_change_is_soft_with_two_of_five_and_not_with_one() {
    let mut page = page(5);
    let op = set(&page, 0, 0, "brick", brick(&page), a(9));
    assert_eq!(page.admit(&op), Ok(vec![]));
    assert_eq!(page.admit(&ballot(&page, 0, 1, &[(op.id(), Approve)])), Ok(vec![]));
    assert_eq!(page.ratified(&owner("brick")), (a(1), false));
    assert_eq!(state(&page, &op.id()), State::Open);
    let second = ballot(&page, 1, 1, &[(op.id(), Approve)]);
    assert_eq!(page.admit(&second), Ok(vec![owner("brick")]));
    assert_eq!(page.ratified(&owner("brick")), (a(9), true));
    assert_eq!(state(&page, &op.id()), State::Ratified);
    let back = ballot(&page, 1, 2, &[(op.id(), Withdraw)]);
    assert_eq!(page.admit(&back), Ok(vec![owner("brick")]));
    assert_eq!(page.ratified(&owner("brick")), (a(1), false));
}

/// G3 refuses: who is no participant, a foreign page, an unknown seal, a slot past the limit.
#[test]
fn statements_that_do_not_belong_to_the_page_are_refused_by_name() {
    let mut page = page(2);
    let change =
        || Change::SetEntry(SetEntry { owner: owner("brick"), parent: Id::ZERO, sets: vec![] });
    let stranger = operation(&page, 7, 0, change());
    assert_eq!(page.admit(&stranger), Err(Refusal::NotParticipant(key(7).public())));
    let other = self::page(3);
    let foreign = operation(&other, 0, 0, change());
    assert_eq!(page.admit(&foreign), Err(Refusal::OtherPage(other.page().id())));
    let base = Id::hash(&[b"seal"]);
    let author = key(0);
    let unknown = Operation { author: author.public().raw(), slot: 0, base, change: change() };
    let unknown = Statement::sign(&page.page().id(), Body::Operation(unknown), &author).unwrap();
    assert_eq!(page.admit(&unknown), Err(Refusal::UnknownBase(base)));
    let last = operation(&page, 0, 255, change());
    assert_eq!(page.admit(&last), Ok(vec![]));
    let past = operation(&page, 0, 256, change());
    assert_eq!(page.admit(&past), Err(Refusal::SlotOutOfRange { slot: 256, max: 256 }));
    assert_eq!(page.admit(&last), Err(Refusal::Known));
}

/// G5 refuses: a ballot by a non-participant, an older one, one with a changed signature.
#[test]
fn only_the_highest_sequence_of_a_participant_counts() {
    let mut page = page(5);
    let op = set(&page, 0, 0, "brick", brick(&page), a(9));
    page.admit(&op).unwrap();
    let id = op.id();
    page.admit(&ballot(&page, 1, 5, &[(id, Reject)])).unwrap();
    let older = ballot(&page, 1, 4, &[(id, Approve)]);
    assert_eq!(page.admit(&older), Err(Refusal::Outranked));
    let stranger = ballot(&page, 9, 1, &[(id, Approve)]);
    assert_eq!(page.admit(&stranger), Err(Refusal::NotParticipant(key(9).public())));
    let mut bytes = ballot(&page, 2, 1, &[(id, Approve)]).bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let forged = Statement::admit(&bytes);
    assert_eq!(forged, Err(statement::StatementRefusal::Signature(crate::key::WrongSignature)));
}

/// G11 accepts: two ballots that contradict each other are kept as evidence.
/// G11 refuses: that they take power away; one of them counts, in any order.
#[test]
fn two_ballots_with_one_sequence_are_evidence_and_the_smaller_id_counts() {
    let page = page(5);
    let op = set(&page, 0, 0, "brick", brick(&page), a(9));
    let two = [Approve, Reject].map(|choice| ballot(&page, 1, 1, &[(op.id(), choice)]));
    let smaller = two.iter().min_by_key(|ballot| ballot.id()).unwrap();
    for order in [[0, 1], [1, 0]] {
        let mut page = page.clone();
        page.admit(&op).unwrap();
        order.iter().for_each(|n| drop(page.admit(&two[*n])));
        let (_, cast) = page.proposal(&op.id()).unwrap().cast().next().unwrap();
        assert_eq!(&cast.ballot, smaller);
        let tally = page.proposal(&op.id()).unwrap().tally();
        assert_eq!(tally.abstain(), 4 * POWER_UNITS);
        let evidence: Vec<_> = page.evidence().map(|(key, _)| *key).collect();
        assert_eq!(evidence, [key(1).public()]);
        // The smaller one first: nothing new is said by the other, and it is kept all the same.
        assert!(two.iter().all(|ballot| page.admit(ballot) == Err(Refusal::Known)));
    }
}

/// G5b accepts: one row passes every operation of a batch.
/// G5b refuses: somebody else's operation in it.
#[test]
fn a_ballot_on_a_batch_counts_for_each_of_its_authors_operations() {
    let mut page = page(5);
    let ops: Vec<_> = ["a", "b", "c"]
        .iter()
        .zip([0, 0, 1])
        .enumerate()
        .map(|(slot, (at, author))| set(&page, author, slot as u32, at, origin(&page, at), a(9)))
        .collect();
    let ids: Vec<Id> = ops.iter().map(Statement::id).collect();
    let batch = batch(&page, 0, 0, &ids);
    let approve = |page: &Governance, voter| ballot(page, voter, 1, &[(batch.id(), Approve)]);
    let but = ballot(&page, 1, 2, &[(ids[1], Reject)]);
    page.admit(&approve(&page, 0)).unwrap();
    ops.iter().for_each(|op| drop(page.admit(op).unwrap()));
    page.admit(&batch).unwrap();
    let changed = page.admit(&approve(&page, 1)).unwrap();
    assert_eq!(changed, [owner("a"), owner("b")]);
    assert_eq!(page.admit(&but), Ok(vec![owner("b")]));
    assert_eq!(page.soft_owners().collect::<Vec<_>>(), [&owner("a")]);
}

/// G9 refuses: of two eligible changes of one version only the stronger is served.
#[test]
fn of_two_ratified_changes_the_one_with_more_power_is_served() {
    let mut page = page(5);
    let ops = [2, 3].map(|n| set(&page, n, 0, "brick", brick(&page), a(n)));
    ops.iter().for_each(|op| drop(page.admit(op).unwrap()));
    let vote = |page: &mut Governance, voters: &[u8], op: &Statement| {
        for voter in voters {
            let sequence = page.next_sequence(&key(*voter).public());
            page.admit(&ballot(page, *voter, sequence, &[(op.id(), Approve)])).unwrap();
        }
    };
    vote(&mut page, &[0, 1], &ops[0]);
    vote(&mut page, &[0, 1, 2], &ops[1]);
    assert_eq!(page.ratified(&owner("brick")), (a(3), true));
    assert_eq!(state(&page, &ops[0].id()), State::Outvoted(ops[1].id()));
    vote(&mut page, &[2, 3], &ops[0]);
    assert_eq!(page.ratified(&owner("brick")), (a(2), true));
    let next = set(&page, 4, 0, "brick", ops[0].id(), RecordSets::NONE);
    page.admit(&next).unwrap();
    vote(&mut page, &[3, 4], &next);
    assert_eq!(page.ratified(&owner("brick")), (RecordSets::NONE, true));
    assert_eq!(page.version(&Register::Entry(owner("brick"))), next.id());
}

/// G3 refuses: Track 1 never cuts off or relinks a subpage; it may create one.
#[test]
fn a_subpage_is_created_by_track_1_and_taken_by_track_2_only() {
    let mut page = page(2);
    let sub = page.page().version(&owner("sub"));
    let vote = |page: &mut Governance, op: &Statement| {
        page.admit(op).unwrap();
        for voter in 0..2 {
            let sequence = page.next_sequence(&key(voter).public());
            page.admit(&ballot(page, voter, sequence, &[(op.id(), Approve)])).unwrap();
        }
        state(page, &op.id())
    };
    let at = Id::hash(&[&[1]]);
    for (slot, sets) in [RecordSets::NONE, link(2), a(1)].into_iter().enumerate() {
        let op = set(&page, 0, slot as u32, "sub", sub, sets);
        assert_eq!(vote(&mut page, &op), State::Faulty(Fault::ChangesPage(at)));
    }
    let fresh = page.page().version(&owner("fresh"));
    let create = set(&page, 0, 10, "fresh", fresh, link(3));
    assert_eq!(vote(&mut page, &create), State::Ratified);
    let cut = |at: &str, parent| SetLink { owner: owner(at), parent, page: vec![] };
    let cut_off = operation(&page, 0, 11, Change::SetLink(cut("sub", sub)));
    assert_eq!(vote(&mut page, &cut_off), State::Passed);
    let nothing = operation(&page, 0, 12, Change::SetLink(cut("brick", brick(&page))));
    assert_eq!(vote(&mut page, &nothing), State::Faulty(Fault::NoPage));
}

/// G4 accepts: a newcomer with its acceptance.
/// G4 refuses: without, for another page or key, a change that breaks G1 or leaves no power.
#[test]
fn the_roster_changes_by_track_2_with_the_newcomers_agreement() {
    let mut page = page(2);
    let (id, parent) = (page.page().id(), page.page().roster_version());
    let propose = |slot, change| {
        let change = Change::SetRoster(SetRoster { parent, change });
        let base = page.page().seal();
        let operation = Operation { author: key(0).public().raw(), slot, base, change };
        Statement::sign(&id, Body::Operation(operation), &key(0))
    };
    let add = |acceptance| {
        RosterChange::Add(NewParticipant { key: key(5).public().raw(), power: 1, acceptance })
    };
    let good = propose(0, add(accept(&id, &key(5)))).unwrap();
    for wrong in [accept(&Id::ZERO, &key(5)), accept(&id, &key(6))] {
        assert_eq!(propose(0, add(wrong)), Err(statement::StatementRefusal::Acceptance));
    }
    let broken = Parameters { track1_bp: 1000, ..Parameters::default() };
    let broken = propose(1, RosterChange::SetParameters(broken)).unwrap();
    let stranger = propose(2, RosterChange::Remove(key(9).public().raw())).unwrap();
    let nobody = Power { key: key(1).public().raw(), power: 0 };
    let powerless = propose(3, RosterChange::SetPower(nobody)).unwrap();
    assert_eq!(page.admit(&good), Ok(vec![]));
    for refused in [broken, stranger, powerless] {
        assert!(matches!(page.admit(&refused), Err(Refusal::Roster(_))));
    }
}

/// P5 accepts: two contenders for a slot, of which the smaller counts.
/// P5 refuses: a third.
#[test]
fn a_slot_has_one_operation_that_counts_in_any_order() {
    let page = page(2);
    let mut ops: Vec<_> = (1..=3).map(|n| set(&page, 0, 0, "brick", brick(&page), a(n))).collect();
    ops.sort_by_key(Statement::id);
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut page = page.clone();
        order.iter().for_each(|n| drop(page.admit(&ops[*n])));
        assert_eq!(state(&page, &ops[0].id()), State::Open);
        assert_eq!(state(&page, &ops[1].id()), State::Displaced(ops[0].id()));
        assert_eq!(page.proposal(&ops[2].id()), None);
        assert_eq!(page.evidence().count(), 1);
        assert_eq!(page.free_slots(&key(0).public(), 1), [1]);
    }
}

/// G5b refuses: two batches in one slot; the smaller counts, in any order.
#[test]
fn a_slot_has_one_batch_that_counts_in_any_order() {
    let page = page(5);
    let ops = ["a", "b", "c"]
        .map(|at| set(&page, 0, at.as_bytes()[0].into(), at, origin(&page, at), a(9)));
    let mut batches: Vec<_> = ops.iter().map(|op| batch(&page, 0, 0, &[op.id()])).collect();
    batches.sort_by_key(Statement::id);
    let served = batches[0].as_batch().unwrap().operations[0];
    let rows: Vec<_> = batches.iter().map(|batch| (batch.id(), Approve)).collect();
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut page = page.clone();
        ops.iter().for_each(|op| drop(page.admit(op).unwrap()));
        (0..2).for_each(|voter| drop(page.admit(&ballot(&page, voter, 1, &rows)).unwrap()));
        order.iter().for_each(|n| drop(page.admit(&batches[*n])));
        let ratified = page.proposals().filter(|p| page.state(p) == State::Ratified);
        assert_eq!(ratified.map(|p| p.statement.id()).collect::<Vec<_>>(), [served], "{order:?}");
        assert_eq!(page.batch(&batches[2].id()), None);
        assert_eq!(page.evidence().count(), 1);
        assert_eq!(page.free_batch_slots(&key(0).public(), 1), [1]);
        invariant_tallies_and_walks(&page);
    }
}

/// P5 accepts: as many soft changes of one entry, kept batches and waiting rows as the limits say.
/// P5 refuses: one more of each.
#[test]
fn what_waits_is_limited() {
    let mut page = page(1);
    let mut parent = brick(&page);
    for n in 0..=SOFT_CHAIN_MAX {
        let op = set(&page, 0, n as u32, "brick", parent, a(n as u8));
        page.admit(&op).unwrap();
        page.admit(&ballot(&page, 0, n as u64 + 1, &[(op.id(), Approve)])).unwrap();
        let is_last = n == SOFT_CHAIN_MAX;
        let expect = if is_last { State::Faulty(Fault::ChainFull) } else { State::Ratified };
        assert_eq!(state(&page, &op.id()), expect, "{n}");
        parent = op.id();
    }
    let unknown = |n: usize| Id::hash(&[&n.to_be_bytes()]);
    for slot in 0..=BATCH_SLOTS {
        let admitted = page.admit(&batch(&page, 0, slot, &[unknown(0)]));
        let is_past = slot == BATCH_SLOTS;
        assert_eq!(admitted.err(), is_past.then_some(Refusal::BatchSlotOutOfRange(slot)));
    }
    let mut wait = |sequence, rows: std::ops::Range<usize>| {
        let rows: Vec<_> = rows.map(|n| (unknown(n), Approve)).collect();
        page.admit(&ballot(&page, 0, sequence, &rows)).err()
    };
    let max = WAITING_BALLOTS_PER_VOTER_MAX;
    assert_eq!(wait(1000, 0..max - 1), None);
    assert_eq!(wait(1001, max..max + 1), None);
    assert_eq!(wait(1002, max + 1..max + 2), Some(Refusal::TooManyWaiting));
    // What waits already may be said again.
    assert_eq!(wait(1003, 0..max - 1), None);
}

/// G10 accepts: an operation on an open operation.
/// G10 refuses: one on an unknown version.
#[test]
fn an_operation_on_an_unknown_version_waits() {
    let mut page = page(2);
    let op = set(&page, 0, 0, "brick", brick(&page), a(2));
    let next = set(&page, 1, 0, "brick", op.id(), a(3));
    page.admit(&next).unwrap();
    assert_eq!(state(&page, &next.id()), State::Waiting);
    page.admit(&op).unwrap();
    assert_eq!(state(&page, &next.id()), State::Open);
}

/// Everything that people can see of a page.
fn picture(page: &Governance) -> impl PartialEq + std::fmt::Debug + use<> {
    let proposals: Vec<_> = page
        .proposals()
        .map(|p| (p.statement.id(), page.state(p), p.tally(), p.cast.clone()))
        .collect();
    let contents = page.contents();
    let chains: Vec<_> = page.registers.iter().map(|(r, s)| (r.clone(), s.chain.clone())).collect();
    (proposals, contents, chains)
}

/// What somebody does in a random history; indices are taken modulo what there is.
#[derive(Clone, Debug)]
enum Deed {
    Set { author: u8, slot: u32, at: u8, on: usize, value: u8 },
    Batch { author: u8, slot: u32, of: Vec<usize> },
    Vote { voter: u8, sequence: u64, rows: Vec<(usize, u8)> },
}

fn deed() -> impl Strategy<Value = Deed> {
    let (who, index) = (0u8..4, 0usize..64);
    prop_oneof![
        3 => (who.clone(), 0u32..3, 0u8..2, index.clone(), 0u8..4)
            .prop_map(|(author, slot, at, on, value)| Deed::Set { author, slot, at, on, value }),
        1 => (who.clone(), 0u32..2, prop::collection::vec(index.clone(), 1..4))
            .prop_map(|(author, slot, of)| Deed::Batch { author, slot, of }),
        5 => (who, 1u64..4, prop::collection::vec((index, 1u8..4), 1..4))
            .prop_map(|(voter, sequence, rows)| Deed::Vote { voter, sequence, rows }),
    ]
}

/// Signs the deeds, each naming what came before it.
fn statements(page: &Governance, deeds: &[Deed]) -> Vec<Statement> {
    let mut said: Vec<Statement> = Vec::new();
    for deed in deeds {
        let statement = match deed {
            Deed::Set { author, slot, at, on, value } => {
                let at = ["brick", "sub"][usize::from(*at)];
                let origin = page.page().version(&owner(at));
                let parents: Vec<Id> = ids(&said, Kind::Operation).chain([origin]).collect();
                let parent = parents[on % parents.len()];
                let sets =
                    [RecordSets::NONE, a(*value), link(1), link(2)][usize::from(*value)].clone();
                set(page, *author, *slot, at, parent, sets)
            }
            Deed::Batch { author, slot, of } => {
                let Some(rows) = pick(&said, of, Kind::Operation) else { continue };
                batch(page, *author, *slot, &rows)
            }
            Deed::Vote { voter, sequence, rows } => {
                let targets: Vec<usize> = rows.iter().map(|(n, _)| *n).collect();
                let kind = if rows[0].0 % 4 == 0 { Kind::Batch } else { Kind::Operation };
                let Some(picked) = pick(&said, &targets, kind) else { continue };
                let choices = [Approve, Reject, Withdraw];
                let rows: Vec<_> = picked
                    .iter()
                    .zip(rows)
                    .map(|(id, (_, c))| (*id, choices[usize::from(*c) - 1]))
                    .collect();
                ballot(page, *voter, *sequence, &rows)
            }
        };
        if !said.contains(&statement) {
            said.push(statement);
        }
    }
    said
}

fn ids(said: &[Statement], kind: Kind) -> impl Iterator<Item = Id> {
    said.iter().filter(move |s| s.kind() == kind).map(Statement::id)
}

fn pick(said: &[Statement], of: &[usize], kind: Kind) -> Option<Vec<Id>> {
    let known: Vec<Id> = ids(said, kind).collect();
    if known.is_empty() {
        return None;
    }
    let mut picked: Vec<Id> = of.iter().map(|n| known[n % known.len()]).collect();
    picked.sort_unstable();
    picked.dedup();
    Some(picked)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// G9: a pure function of the set of statements.
    #[test]
    fn any_order_of_the_same_statements_gives_the_same_state(
        deeds in prop::collection::vec(deed(), 1..40),
        order in any::<u64>(),
    ) {
        let start = page(4);
        let mut said = statements(&start, &deeds);
        let mut first = start.clone();
        for statement in &said {
            let before = picture(&first);
            if first.admit(statement).is_err() {
                prop_assert_eq!(before, picture(&first));
            }
            invariant_tallies_and_walks(&first);
        }
        said.sort_by_key(|s| Id::hash(&[&order.to_be_bytes(), s.id().as_bytes()]));
        let mut second = start.clone();
        for statement in &said {
            let _ = second.admit(statement);
            invariant_tallies_and_walks(&second);
        }
        prop_assert_eq!(picture(&first), picture(&second));
        // Any partition: what one side missed arrives later, some of it twice.
        let mut third = start;
        let (early, late) = said.split_at(said.len() / 2);
        for statement in late.iter().chain(early).chain(late) {
            let _ = third.admit(statement);
        }
        invariant_tallies_and_walks(&third);
        prop_assert_eq!(picture(&first), picture(&third));
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        deeds in prop::collection::vec(deed(), 1..8),
        flip in any::<(prop::sample::Index, u8)>(),
    ) {
        let start = page(4);
        for statement in statements(&start, &deeds) {
            prop_assert_eq!(&Statement::admit(statement.bytes()), &Ok(statement.clone()));
            let mut bytes = statement.bytes().to_vec();
            let at = flip.0.index(bytes.len());
            bytes[at] ^= flip.1;
            if flip.1 != 0 {
                prop_assert!(Statement::admit(&bytes).is_err());
            }
        }
    }
}
mod certificates;
mod edges;
mod evidence;
mod histories;
mod invariants;
mod judging;
mod orders;
mod presence;
mod sealing;
mod slots;
