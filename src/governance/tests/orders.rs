//! Stories of Track 2: who takes part, by which rules, and who owns a subpage.

use super::{sealing::*, *};
use crate::governance::{past::Outcome, solo::NotAlone};

fn order(page: &Governance, author: u8, slot: u32, change: RosterChange) -> Statement {
    let parent = page.version(&Register::Roster);
    operation(page, author, slot, Change::SetRoster(SetRoster { parent, change }))
}

fn newcomer(page: &Governance, who: u8, power: u32) -> RosterChange {
    let acceptance = accept(&page.page().id(), &key(who));
    RosterChange::Add(NewParticipant { key: key(who).public().raw(), power, acceptance })
}

fn power(who: u8, power: u32) -> RosterChange {
    RosterChange::SetPower(Power { key: key(who).public().raw(), power })
}

fn relink(page: &Governance, author: u8, slot: u32, parent: Id, to: Option<u8>) -> Statement {
    let page_ids = to.iter().map(|n| Id::hash(&[&[*n]])).collect();
    let link = SetLink { owner: owner("sub"), parent, page: page_ids };
    operation(page, author, slot, Change::SetLink(link))
}

fn power_of(page: &Governance, who: u8) -> Option<u32> {
    page.page().roster().power(&key(who).public())
}

/// G4 accepts: a newcomer, once four of five approve and a seal says so.
/// G4 refuses: three of five; and that the newcomer counts before the seal.
/// S2 accepts: the seat of the newcomer by an enclosed presence, without a seal first.
#[test]
fn a_sixth_moderator_takes_four_ballots_and_a_seal() {
    let mut page = hosted(5, 4);
    let op = order(&page, 0, 0, newcomer(&page, 5, 1));
    pass(&mut page, &op, &[0, 1, 2]);
    assert_eq!(state(&page, &op.id()), State::Open);
    vote(&mut page, &op, &[3], Approve);
    assert_eq!(state(&page, &op.id()), State::Passed);
    assert_eq!(page.chain(&Register::Roster), []);
    assert_eq!(power_of(&page, 5), None);
    let early = presence(&page, 5, |p| p.node = vec![node().public().raw()]);
    assert_eq!(page.admit(&early), Err(Refusal::NotParticipant(key(5).public())));
    let (mut page, _) = sealed(&page, 100);
    assert_eq!(power_of(&page, 5), Some(1));
    assert_eq!(page.page().roster().total(), 6);
    assert_eq!(page.outcome(&op.id()), Some(Outcome::Sealed(1)));
    let missing = NotAlone::NoQuorum { held: 4, quorum: 5, total: 6 };
    assert_eq!(page.seal_alone(&node(), 200).err(), Some(missing));
    // What was said before does not name the operation by which it takes part.
    assert_eq!(page.admit(&early), Err(Refusal::BeforeJoining));
    let hosting = presence(&page, 5, |p| p.node = vec![node().public().raw()]);
    assert_eq!(page.admit(&hosting), Ok(vec![]));
    let (page, _) = sealed(&page, 200);
    assert_eq!(page.page().height(), 2);
}

/// G4 accepts: removing, another power, another key, other parameters, each under its seal.
/// G10 accepts: that what cannot count any more ends, with its reason.
#[test]
fn the_order_of_a_page_changes_step_by_step() {
    let mut page = hosted(5, 5);
    let lone = set(&page, 1, 7, "brick", brick(&page), a(9));
    pass(&mut page, &lone, &[1, 2]);
    assert_eq!(page.ratified(&owner("brick")), (a(9), true));
    let of_four = set(&page, 4, 0, "fresh", origin(&page, "fresh"), a(8));
    let on_it = set(&page, 0, 3, "fresh", of_four.id(), a(7));
    [&of_four, &on_it].iter().for_each(|op| drop(page.admit(op).unwrap()));
    // The lone change is rejected by enough to leave it soft no longer: 2 of 5, then 2 of 9.
    vote(&mut page, &lone, &[3], Reject);
    let op = order(&page, 0, 0, power(0, 5));
    pass(&mut page, &op, &[0, 1, 2, 3]);
    vote(&mut page, &lone, &[4], Reject);
    assert_eq!(page.ratified(&owner("brick")), (a(1), false));
    let (mut page, _) = sealed(&page, 100);
    assert_eq!(power_of(&page, 0), Some(5));
    assert_eq!(page.proposal(&lone.id()).unwrap().tally().total, 9 * POWER_UNITS);
    vote(&mut page, &lone, &[4], Withdraw);
    assert_eq!(state(&page, &lone.id()), State::Open);
    vote(&mut page, &lone, &[0], Approve);
    assert_eq!(page.ratified(&owner("brick")), (a(9), true));
    vote(&mut page, &lone, &[0], Withdraw);

    let op = order(&page, 0, 0, RosterChange::Remove(key(4).public().raw()));
    pass(&mut page, &op, &[0, 1, 2]);
    let (mut page, _) = sealed(&page, 200);
    assert_eq!(power_of(&page, 4), None);
    assert_eq!(page.outcome(&of_four.id()), Some(Outcome::AuthorGone(2)));
    assert_eq!(page.outcome(&on_it.id()), Some(Outcome::Impossible(2)));
    assert_eq!(page.seats_of(&node().public()).len(), 4);

    let acceptance = accept(&page.page().id(), &key(6));
    let [old, new] = [3, 6].map(|n| key(n).public().raw());
    let op = order(&page, 0, 0, RosterChange::Replace(Replacement { old, new, acceptance }));
    pass(&mut page, &op, &[0, 1, 2]);
    let (mut page, _) = sealed(&page, 300);
    assert_eq!([3, 6].map(|who| power_of(&page, who)), [None, Some(1)]);
    let (voters, tally) = page.proposal(&lone.id()).map(|p| (p.cast.len(), p.tally())).unwrap();
    // Those of 0, withdrawn, 1 and 2: what the old key said has gone with it.
    assert_eq!((voters, tally.reject), (3, 0));

    let parameters = Parameters { open_operations_max: 7, ..Parameters::default() };
    let op = order(&page, 0, 0, RosterChange::SetParameters(parameters.clone()));
    pass(&mut page, &op, &[0, 1, 2]);
    let (page, _) = sealed(&page, 400);
    assert_eq!(page.page().parameters(), &parameters);
    assert_eq!(page.outcome(&lone.id()), Some(Outcome::Impossible(4)));
}

/// G10 accepts: that a batch ends with the last of its operations, also where that ends with the order, and
/// that another in its slot counts then.
#[test]
fn a_batch_ends_with_what_a_new_order_ends() {
    let mut page = hosted(5, 5);
    let of_four = set(&page, 4, 0, "fresh", origin(&page, "fresh"), a(8));
    // Said anew in the order of ids, so before it is known that what it is made on has ended.
    let mut on_it = (0..).map(|slot| set(&page, 0, slot, "fresh", of_four.id(), a(7)));
    let on_it = on_it.find(|op| op.id() < of_four.id()).unwrap();
    let beside = set(&page, 0, 20, "brick", brick(&page), a(9));
    [&of_four, &on_it, &beside].iter().for_each(|op| drop(page.admit(op).unwrap()));
    // Two in one slot: the one with the smaller id counts.
    let both = |slot| [[on_it.id()], [beside.id()]].map(|of| batch(&page, 0, slot, &of));
    let both = (0..).map(both).find(|both| both[0].id() < both[1].id()).unwrap();
    both.iter().for_each(|batch| drop(page.admit(batch).unwrap()));
    vote(&mut page, &both[1], &[1, 2], Approve);
    assert_eq!(state(&page, &beside.id()), State::Open);
    let op = order(&page, 0, 21, RosterChange::Remove(key(4).public().raw()));
    pass(&mut page, &op, &[0, 1, 2, 3]);
    let (page, _) = sealed(&page, 100);
    assert_eq!(page.outcome(&on_it.id()), Some(Outcome::Impossible(1)));
    assert_eq!(page.outcome(&both[0].id()), Some(Outcome::Impossible(1)));
    assert_eq!(page.batches().map(Statement::id).collect::<Vec<_>>(), [both[1].id()]);
    invariants(&page);
    assert_eq!(state(&page, &beside.id()), State::Ratified);
}

/// G4 refuses: two changes of the participants in one seal.
#[test]
fn of_two_changes_of_the_roster_one_is_sealed_and_the_other_superseded() {
    let mut page = hosted(5, 4);
    let ops = [0, 1].map(|who| order(&page, who, 0, power(who, 2)));
    pass(&mut page, &ops[0], &[0, 1, 2, 3]);
    pass(&mut page, &ops[1], &[0, 1, 2, 3, 4]);
    let (page, record) = sealed(&page, 100);
    assert_eq!(record.contents.operations, [ops[1].id()]);
    assert_eq!([0, 1].map(|who| power_of(&page, who)), [Some(1), Some(2)]);
    let over = Outcome::Superseded { height: 1, by: ops[1].id() };
    assert_eq!(page.outcome(&ops[0].id()), Some(over));
}

/// G4 accepts: a subpage changes hands, and is cut off; then its name is free again.
/// G4 refuses: that any of it counts before the seal.
#[test]
fn a_subpage_changes_hands_and_is_cut_off_under_a_seal() {
    let at = Register::Entry(owner("sub"));
    let mut page = hosted(5, 4);
    let op = relink(&page, 0, 0, page.version(&at), Some(2));
    pass(&mut page, &op, &[0, 1, 2, 3]);
    assert_eq!(state(&page, &op.id()), State::Passed);
    assert_eq!(page.ratified(&owner("sub")), (link(1), false));
    let (mut page, _) = sealed(&page, 100);
    assert_eq!(page.ratified(&owner("sub")), (link(2), false));
    let cut = relink(&page, 0, 0, page.version(&at), None);
    pass(&mut page, &cut, &[0, 1, 2, 3]);
    assert_eq!(page.ratified(&owner("sub")), (link(2), false));
    let (mut page, _) = sealed(&page, 200);
    assert_eq!(page.ratified(&owner("sub")), (RecordSets::NONE, false));
    assert_eq!(page.page().entry_count(), 1);
    let nothing = relink(&page, 1, 0, page.version(&at), Some(3));
    pass(&mut page, &nothing, &[0, 1, 2, 3]);
    assert_eq!(state(&page, &nothing.id()), State::Faulty(Fault::NoPage));
    let entry = set(&page, 0, 0, "sub", cut.id(), a(7));
    pass(&mut page, &entry, &[0, 1]);
    let (page, _) = sealed(&page, 300);
    assert_eq!(page.ratified(&owner("sub")), (a(7), false));
    assert_eq!(page.page().entry_count(), 2);
}

/// G3 refuses: Track 1 on top of a passed Track 2 change cannot take the subpage either.
/// G4 accepts: relinking what another open change relinks.
#[test]
fn what_a_relinked_subpage_is_made_against_still_needs_track_2() {
    let at = Register::Entry(owner("sub"));
    let mut page = hosted(5, 4);
    let first = relink(&page, 0, 0, page.version(&at), Some(2));
    let second = relink(&page, 0, 1, first.id(), Some(3));
    [&first, &second].iter().for_each(|op| pass(&mut page, op, &[0, 1, 2, 3]));
    let theft: Vec<_> = [a(9), RecordSets::NONE, link(4)]
        .into_iter()
        .zip(2..)
        .map(|(sets, slot)| set(&page, 1, slot, "sub", first.id(), sets))
        .collect();
    theft.iter().for_each(|op| pass(&mut page, op, &[0, 1, 2, 3, 4]));
    let fault = State::Faulty(Fault::ChangesPage(Id::hash(&[&[2]])));
    assert!(theft.iter().all(|op| state(&page, &op.id()) == fault));
    let (page, record) = sealed(&page, 100);
    assert_eq!(record.contents.operations, [first.id(), second.id()]);
    assert_eq!(page.ratified(&owner("sub")), (link(3), false));
}

/// G10 accepts: a slot that is free again, while the roster changes under the same seal.
#[test]
fn what_gets_its_slot_under_a_new_roster_is_counted_by_that_roster() {
    for who in 5..12 {
        let mut page = hosted(5, 5);
        let at = ["a", "b"];
        let ops =
            [0, 1].map(|n| set(&page, 0, n, at[n as usize], origin(&page, at[n as usize]), a(9)));
        ops.iter().for_each(|op| drop(page.admit(op).unwrap()));
        let batches = [0, 1].map(|n| batch(&page, 0, 0, &[ops[n].id()]));
        batches.iter().for_each(|batch| drop(page.admit(batch).unwrap()));
        for voter in 0..5 {
            let rows: Vec<_> = batches.iter().map(|batch| (batch.id(), Approve)).collect();
            page.admit(&ballot(&page, voter, 1, &rows)).unwrap();
        }
        let add = order(&page, 1, 0, newcomer(&page, who, 1));
        pass(&mut page, &add, &[0, 1, 2, 3]);
        let (page, record) = sealed(&page, 100);
        assert_eq!(record.contents.operations.len(), 2);
        let open: Vec<_> = page.proposals().collect();
        assert_eq!(open.iter().map(|p| page.state(p)).collect::<Vec<_>>(), [State::Ratified]);
        assert_eq!(open[0].tally().approve, 5 * POWER_UNITS);
    }
}
