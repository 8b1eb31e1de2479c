//! Edges of the rules: what lies right beside the cases that the other stories tell.

use super::{sealing::*, *};
use crate::{
    governance::{
        past::Outcome,
        presence::Presence,
        seal::{Contents, Seal},
        sealing::SealRefusal,
    },
    page::entry::RecordSet,
};

fn evidence(page: &Governance) -> usize {
    page.evidence().count()
}

/// The newest proposal of `page`, made at `clock`, as another copy takes it in.
fn admitted(page: &Governance, copy: &Governance, clock: u64) -> (Governance, Vec<Owner>) {
    let (record, _) = page.seal_alone(&node(), clock).unwrap();
    let said = page.said();
    let (copy, owners) = copy.admit_seal(&record, &|id| said.get(id).cloned()).unwrap();
    invariants(&copy);
    (copy, owners)
}

/// The presence of `who`, hosted as before, away until then.
fn away(page: &Governance, who: u8, until: u64) -> Statement {
    presence(page, who, |presence: &mut Presence| {
        presence.node = vec![node().public().raw()];
        presence.away = vec![(key((who + 1) % 5).public().raw(), 10_000)];
        presence.until = until;
    })
}

/// G5 accepts: an older ballot on something that the newer one does not name.
/// G11 refuses: that a later ballot contradicts an earlier one.
#[test]
fn the_newest_ballot_of_a_voter_stays_the_newest_whatever_comes_after_it() {
    let mut page = page(5);
    let ops = [0, 1, 2]
        .map(|n| set(&page, 0, n, &format!("o{n}"), origin(&page, &format!("o{n}")), a(9)));
    ops.iter().for_each(|op| drop(page.admit(op).unwrap()));
    let next = |page: &Governance| page.next_sequence(&key(1).public());
    for (sequence, op, expect) in [(5, 0, 6), (3, 1, 6), (7, 2, 8), (6, 1, 8)] {
        page.admit(&ballot(&page, 1, sequence, &[(ops[op].id(), Approve)])).unwrap();
        assert_eq!((next(&page), evidence(&page)), (expect, 0), "{sequence}");
    }
    let again = ballot(&page, 1, 7, &[(ops[0].id(), Approve)]);
    page.admit(&again).unwrap();
    assert_eq!((next(&page), evidence(&page)), (8, 1));
}

/// G4 refuses: a link of a subpage that is no single label below its page.
/// G4 accepts: a change of the participants that only another open one makes possible.
#[test]
fn what_track_2_changes_is_judged_by_what_it_is_made_against() {
    let mut page = page(5);
    let deep = SetLink { owner: owner("a.b"), parent: origin(&page, "a.b"), page: vec![] };
    let deep = operation(&page, 0, 0, Change::SetLink(deep));
    let refused = Err(Refusal::Entry(EntryRefusal::PageNotOneLabel));
    assert_eq!(page.admit(&deep), refused);

    let order = |page: &Governance, slot, parent, change| {
        operation(page, 0, slot, Change::SetRoster(SetRoster { parent, change }))
    };
    let acceptance = accept(&page.page().id(), &key(7));
    let newcomer = NewParticipant { key: key(7).public().raw(), power: 1, acceptance };
    let parent = page.version(&Register::Roster);
    let add = order(&page, 1, parent, RosterChange::Add(newcomer));
    let remove = |page: &Governance, parent| {
        order(page, 2, parent, RosterChange::Remove(key(7).public().raw()))
    };
    page.admit(&add).unwrap();
    let early = page.admit(&remove(&page, parent));
    assert!(matches!(early, Err(Refusal::Roster(_))), "{early:?}");
    let then = remove(&page, add.id());
    assert_eq!(page.admit(&then), Ok(vec![]));
}

/// G4 refuses: another key in somebody's place that did not accept it, here or for this page.
#[test]
fn a_key_takes_anothers_place_with_its_own_agreement() {
    let page = page(5);
    let id = page.page().id();
    let replace = |acceptance| {
        let [old, new] = [3, 6].map(|n| key(n).public().raw());
        let change = RosterChange::Replace(Replacement { old, new, acceptance });
        let parent = page.version(&Register::Roster);
        let change = Change::SetRoster(SetRoster { parent, change });
        let base = page.page().seal();
        let operation = Operation { author: key(0).public().raw(), slot: 0, base, change };
        Statement::sign(&id, Body::Operation(operation), &key(0))
    };
    assert!(replace(accept(&id, &key(6))).is_ok());
    for wrong in [accept(&Id::ZERO, &key(6)), accept(&id, &key(3))] {
        assert_eq!(replace(wrong), Err(statement::StatementRefusal::Acceptance));
    }
}

/// P5 refuses: that an operation which lost its slot counts, with any number of ballots.
/// G10 refuses: what was made against it, and against something of another register.
#[test]
fn an_operation_without_its_slot_is_no_ground_to_stand_on() {
    let mut page = page(5);
    let at = ["a", "b"];
    let mut two = at.map(|at| set(&page, 0, 0, at, origin(&page, at), a(9)));
    two.sort_by_key(Statement::id);
    two.iter().for_each(|op| drop(page.admit(op).unwrap()));
    let [winner, loser] = &two;
    vote(&mut page, loser, &[0, 1, 2, 3, 4], Approve);
    assert_eq!(state(&page, &loser.id()), State::Displaced(winner.id()));
    assert_eq!(page.soft_owners().count(), 0);
    vote(&mut page, winner, &[0, 1], Approve);
    assert_eq!(state(&page, &winner.id()), State::Ratified);
    assert_eq!(page.soft_owners().count(), 1);

    let Register::Entry(lost) = page.proposal(&loser.id()).unwrap().register() else { panic!() };
    let on_loser = set(&page, 1, 0, &lost.to_string(), loser.id(), a(8));
    page.admit(&on_loser).unwrap();
    assert_eq!(state(&page, &on_loser.id()), State::Waiting);
    // A change of `c` that names as its version what belongs to `d`, and a change of `d` on that.
    let crossed = set(&page, 1, 1, "c", origin(&page, "d"), a(7));
    let on_crossed = set(&page, 1, 2, "d", crossed.id(), a(6));
    [&crossed, &on_crossed].iter().for_each(|op| drop(page.admit(op).unwrap()));
    assert_eq!(state(&page, &on_crossed.id()), State::Waiting);
}

/// G9 refuses: a change with enough ballots on one that has not enough.
#[test]
fn what_stands_on_an_open_change_waits_for_it() {
    let mut page = page(5);
    let first = set(&page, 0, 0, "brick", brick(&page), a(2));
    let second = set(&page, 1, 0, "brick", first.id(), a(3));
    page.admit(&first).unwrap();
    pass(&mut page, &second, &[0, 1]);
    assert_eq!(state(&page, &second.id()), State::Waiting);
    assert_eq!(page.ratified(&owner("brick")), (a(1), false));
    vote(&mut page, &first, &[2, 3], Approve);
    assert_eq!(state(&page, &second.id()), State::Ratified);
    assert_eq!(page.ratified(&owner("brick")), (a(3), true));
}

#[test]
fn every_state_has_a_word_of_its_own() {
    let fault = State::Faulty(Fault::NoPage);
    let (outvoted, displaced) = (State::Outvoted(Id::ZERO), State::Displaced(Id::ZERO));
    let states = [
        (State::Open, "open"),
        (State::Ratified, "ratified"),
        (State::Passed, "passed"),
        (outvoted, "outvoted"),
        (State::Defeated, "defeated"),
        (State::Waiting, "waiting"),
        (displaced, "displaced"),
        (fault, "faulty"),
    ];
    states.iter().for_each(|(state, word)| assert_eq!(state.word(), *word));
}

/// S1 accepts: the owners that are answered differently, for who knew nothing of the change.
/// G5 accepts: a ballot that a seal lists, on what it names besides.
#[test]
fn a_copy_that_knew_nothing_learns_what_a_seal_lists() {
    let mut page = hosted(5, 4);
    let [one, two] = [0, 1].map(|n| {
        let at = ["brick", "fresh"][n as usize];
        set(&page, 0, n, at, origin(&page, at), a(9))
    });
    let mut copy = page.clone();
    [&one, &two].iter().for_each(|op| drop(page.admit(op).unwrap()));
    copy.admit(&two).unwrap();
    page.admit(&ballot(&page, 0, 1, &[(one.id(), Approve), (two.id(), Approve)])).unwrap();
    page.admit(&ballot(&page, 1, 1, &[(one.id(), Approve)])).unwrap();
    let (copy, owners) = admitted(&page, &copy, 100);
    assert!(owners.contains(&owner("brick")), "{owners:?}");
    assert_eq!(copy.ratified(&owner("brick")), (a(9), false));
    assert_eq!(copy.proposal(&two.id()).unwrap().tally().approve, POWER_UNITS);
    assert_eq!(copy.next_sequence(&key(0).public()), 2);
}

/// G10 accepts: a seal of what came in third for its slot here; what waited for it waits no more.
#[test]
fn a_seal_ends_what_had_no_slot_here() {
    let mut page = hosted(5, 4);
    let start = page.clone();
    let mut three: Vec<_> =
        (1..=3).map(|n| set(&page, 0, 0, "brick", brick(&page), a(n))).collect();
    three.sort_by_key(Statement::id);
    pass(&mut page, &three[2], &[0, 1]);
    let mut copy = start;
    three.iter().take(2).for_each(|op| drop(copy.admit(op).unwrap()));
    let early = ballot(&copy, 4, 1, &[(three[2].id(), Reject)]);
    copy.admit(&early).unwrap();
    assert_eq!(copy.admit(&three[2]), Err(Refusal::SlotTaken(0)));
    let (copy, owners) = admitted(&page, &copy, 100);
    assert_eq!(owners, [owner("brick")]);
    assert_eq!(copy.outcome(&three[2].id()), Some(Outcome::Sealed(1)));
    assert_eq!(copy.waiting.values().sum::<usize>(), 0);
    assert_eq!(copy.proposals().count(), 0);
}

/// G6 accepts: being away until the second of the newest seal, which is over already.
/// G11 refuses: that a newer presence contradicts the one that a seal lists.
#[test]
fn an_absence_that_ends_with_the_newest_seal_has_ended() {
    let mut page = hosted(5, 5);
    page.admit(&away(&page, 0, 1000)).unwrap();
    let (page, _) = sealed(&page, 100);
    let (mut page, _) = sealed(&page, 1000);
    invariants(&Governance::new(page.page().clone()));
    page.admit(&away(&page, 2, 1000)).unwrap();
    assert!(!page.is_away(&key(2).public()));
    invariants(&page);

    let mut copy = page.clone();
    copy.admit(&away(&copy, 2, 5000)).unwrap();
    let (copy, _) = admitted(&page, &copy, 2000);
    assert!(copy.is_away(&key(2).public()));
    assert_eq!(evidence(&copy), 0);
}

/// S4 accepts: batches and ballots in the lists that are theirs.
/// S4 refuses: one of them listed twice.
#[test]
fn a_seal_lists_each_statement_once_and_by_its_kind() {
    let mut page = hosted(5, 4);
    let op = set(&page, 0, 0, "brick", brick(&page), a(9));
    page.admit(&op).unwrap();
    let batch = batch(&page, 0, 0, &[op.id()]);
    assert_eq!(page.free_batch_slots(&key(0).public(), 2), [0, 1]);
    page.admit(&batch).unwrap();
    assert_eq!(page.free_batch_slots(&key(0).public(), 2), [1, 2]);
    assert_eq!(page.batch(&batch.id()), Some(&batch));
    // One more than are enough.
    let votes = [0, 1, 2].map(|voter| ballot(&page, voter, 1, &[(batch.id(), Approve)]));
    votes.iter().for_each(|ballot| drop(page.admit(ballot).unwrap()));
    let proposal = page.propose(100).unwrap();
    let contents = &proposal.contents;
    let mut ballots = votes.each_ref().map(Statement::id).to_vec();
    ballots.sort_unstable();
    assert_eq!((&contents.batches, &contents.ballots), (&vec![batch.id()], &ballots));
    assert_eq!(contents.ids().count(), 4 + 1 + 1 + 3);
    let said = page.said();
    for twice in [
        Contents { ballots: [&ballots[..1], &ballots].concat(), ..contents.clone() },
        Contents { batches: vec![batch.id(); 2], ..contents.clone() },
        Contents { operations: vec![op.id(); 2], ..contents.clone() },
    ] {
        let seal = Seal { contents: twice.root(), ..proposal.seal.clone() };
        let refused = page.judge(&seal, &twice, &|id| said.get(id).cloned(), None).err();
        assert_eq!(refused, Some(SealRefusal::NotSorted));
    }
}

/// P5 refuses: that what a ballot names besides is counted as waiting where a seal is replayed.
#[test]
fn a_seal_lists_ballots_that_name_any_number_of_other_operations() {
    let mut page = hosted(5, 4);
    let mut rows = [vec![], vec![]];
    for (n, rows) in (0u8..).zip(&mut rows) {
        for slot in 0..BALLOT_ROWS_MAX as u32 {
            let at = format!("o{n}-{slot}");
            let op = set(&page, n, slot, &at, origin(&page, &at), a(9));
            page.admit(&op).unwrap();
            rows.push((op.id(), Approve));
        }
    }
    for (sequence, rows) in (1..).zip(&rows) {
        page.admit(&ballot(&page, 2, sequence, rows)).unwrap();
        page.admit(&ballot(&page, 3, sequence, &rows[..1])).unwrap();
    }
    let (page, record) = sealed(&page, 100);
    assert_eq!((record.contents.operations.len(), record.contents.ballots.len()), (2, 4));
    assert_eq!(page.proposals().count(), 2 * (BALLOT_ROWS_MAX - 1));
}

#[test]
fn a_seal_is_empty_when_it_applies_neither_presences_nor_operations() {
    let some = || vec![Id::ZERO];
    assert!(Contents { batches: some(), ballots: some(), ..Contents::default() }.is_empty());
    assert!(!Contents { presences: some(), ..Contents::default() }.is_empty());
    assert!(!Contents { operations: some(), ..Contents::default() }.is_empty());
}

/// G9 refuses: two changes of one name made side by side, of which neither is on top of the other.
#[test]
fn changes_of_one_name_made_side_by_side_are_rivals_and_those_on_top_of_each_other_are_not() {
    let mut page = page(5);
    let first = set(&page, 0, 0, "brick", brick(&page), a(9));
    let second = set(&page, 1, 0, "brick", brick(&page), a(8));
    let elsewhere = set(&page, 1, 1, "www", origin(&page, "www"), a(8));
    for operation in [&second, &elsewhere] {
        page.admit(operation).unwrap();
    }
    pass(&mut page, &first, &[2, 3]);
    let above = set(&page, 1, 2, "brick", first.id(), a(7));
    page.admit(&above).unwrap();
    let check = |of: &Statement, expect: &[&Statement]| {
        let proposal = page.proposal(&of.id()).unwrap();
        let mut found: Vec<Id> = page.rivals(proposal).map(|p| p.statement().id()).collect();
        let mut expect: Vec<Id> = expect.iter().map(|statement| statement.id()).collect();
        found.sort();
        expect.sort();
        assert_eq!(found, expect);
    };
    check(&first, &[&second]);
    check(&second, &[&first, &above]);
    check(&above, &[&second]);
    check(&elsewhere, &[]);
}

/// G4 accepts: relinking an entry that the same seal changes; what that change says of it stays.
#[test]
fn a_new_link_keeps_what_the_same_seal_says_of_the_entry() {
    let ttl = |mut sets: Vec<RecordSet>, ttl| {
        sets[0].ttl = ttl;
        RecordSets::admit(sets, &owner("x"), &name()).unwrap()
    };
    let mut page = hosted(5, 4);
    let slower = ttl(link(1).into_vec(), 120);
    let first = set(&page, 0, 0, "sub", origin(&page, "sub"), slower);
    pass(&mut page, &first, &[0, 1]);
    let to = SetLink { owner: owner("sub"), parent: first.id(), page: vec![Id::hash(&[&[2]])] };
    let second = operation(&page, 0, 1, Change::SetLink(to));
    pass(&mut page, &second, &[0, 1, 2, 3]);
    let other = set(&page, 0, 2, "zebra", origin(&page, "zebra"), a(9));
    pass(&mut page, &other, &[0, 1]);
    let (page, record) = sealed(&page, 100);
    assert_eq!(record.contents.operations.len(), 3);
    assert_eq!(page.ratified(&owner("sub")), (ttl(link(2).into_vec(), 120), false));
}

/// S4 accepts: of very many ballots the strongest approving ones that are enough.
#[test]
fn of_ballots_without_end_the_strongest_are_enough() {
    let mut page = page(6);
    page.admit(&presence(&page, 5, |p| p.away = vec![(key(4).public().raw(), 10_000)])).unwrap();
    let op = set(&page, 0, 0, "brick", brick(&page), a(9));
    pass(&mut page, &op, &[0, 1, 4]);
    vote(&mut page, &op, &[2], Reject);
    let proposal = page.proposal(&op.id()).unwrap();
    let of = |voter: u8| proposal.cast[&key(voter).public()].ballot.clone();
    let bytes: usize = (0..3).chain([4]).map(|voter| of(voter).bytes().len()).sum();
    assert_eq!(page.support(proposal, bytes).len(), 4);
    // Two of six reach 30.01 %, and so do two voters; the one who was lent to comes first.
    let chosen = page.support(proposal, bytes - 1);
    assert_eq!(chosen.len(), 2);
    assert_eq!(chosen[0], of(4));
    let smaller = [0, 1].map(of).into_iter().min_by_key(Statement::id);
    assert_eq!(Some(&chosen[1]), smaller.as_ref());
}

/// S4 accepts: as many of them as the threshold and the least number of voters take.
#[test]
fn as_many_ballots_are_enough_as_the_thresholds_take() {
    let check = |powers: &[u32], expect: &[u32]| {
        let people: Vec<u8> = (0..).take(powers.len()).collect();
        let roster = people.iter().zip(powers).map(|(n, power)| (key(*n).public(), *power));
        let raw = RawGenesis::new(name(), roster_rows(roster), Parameters::default(), 1, Id::ZERO);
        let mut page = Governance::new(Page::found(raw, []).unwrap().0);
        let op = set(&page, 0, 0, "brick", brick(&page), a(9));
        pass(&mut page, &op, &people);
        let chosen = page.support(page.proposal(&op.id()).unwrap(), 0);
        let power = |ballot: &Statement| page.page().roster().power(&ballot.author()).unwrap();
        assert_eq!(chosen.iter().map(power).collect::<Vec<_>>(), expect, "{powers:?}");
    };
    check(&[49, 9, 17, 16, 9], &[49, 17]);
    check(&[1, 1, 1, 1, 1, 1, 1], &[1, 1, 1]);
    // 30.01 % of 10000, and one less.
    check(&[1500, 1501, 1400, 1400, 1400, 1400, 1399], &[1501, 1500]);
    check(&[1500, 1500, 1400, 1400, 1400, 1400, 1400], &[1500, 1500, 1400]);
}

/// G10 accepts: looking at what is open and what has ended.
#[test]
fn what_was_said_is_found_by_its_id_and_seen_with_its_weight() {
    let mut page = hosted(5, 4);
    let [one, two] = [0, 1].map(|n| {
        let at = ["brick", "fresh"][n as usize];
        set(&page, 0, n, at, origin(&page, at), a(9))
    });
    page.admit(&two).unwrap();
    let of_two = batch(&page, 0, 0, &[two.id()]);
    page.admit(&of_two).unwrap();
    pass(&mut page, &one, &[0, 1]);
    let (page, _) = sealed(&page, 100);
    let tally = page.ended(&one.id()).unwrap().tally.unwrap();
    assert_eq!(tally.approve, 2 * POWER_UNITS);
    assert_eq!(page.closed().map(|(id, _)| *id).collect::<Vec<_>>(), [one.id()]);
    for known in [one.id(), two.id(), of_two.id()] {
        assert_eq!(page.with_prefix(&known.to_string()[..16]), [known]);
    }
    assert_eq!(page.with_prefix(&Id::ZERO.to_string()), []);
    assert_eq!(page.with_prefix("").len(), 3);

    let mut page = page;
    page.admit(&away(&page, 2, 0)).unwrap();
    vote(&mut page, &two, &[3], Approve);
    let proposal = page.proposal(&two.id()).unwrap();
    let unit = POWER_UNITS as u64;
    let absorbed = page.absorbed(proposal, &key(3).public());
    assert_eq!(absorbed, Some(flow::Absorbed { own: unit, lent: unit }));
    assert_eq!(page.absorbed(proposal, &key(1).public()), None);
    assert_eq!((proposal.base_time(), proposal.sets()), (1, Some(&a(9))));
    let later = set(&page, 1, 0, "later", origin(&page, "later"), a(9));
    page.admit(&later).unwrap();
    assert_eq!(page.proposal(&later.id()).unwrap().base_time(), 100);
}

/// The same body, signed with another nonce than an honest signer derives.
fn signed_otherwise(statement: &Statement, author: u8) -> Statement {
    use ed25519_dalek::{SigningKey, hazmat};
    let mut envelope = envelope::Envelope::decode(statement.bytes(), BATCH_BYTES_MAX).unwrap();
    let kind = statement.kind().word().as_bytes();
    let digest = Id::hash(&[&envelope.body.0]);
    let page = envelope.page.as_bytes();
    let message = [b"djdns/1/sig/", kind, &[0], page, digest.as_bytes()].concat();
    let seed = key(author).seed();
    let mut secret = hazmat::ExpandedSecretKey::from(&seed);
    secret.hash_prefix[0] ^= 1;
    let public = SigningKey::from_bytes(&seed).verifying_key();
    let signature = hazmat::raw_sign::<sha2::Sha512>(&secret, &message, &public);
    envelope.signature = crate::key::Signature(signature.to_bytes());
    Statement::admit(&crate::page::codec::encode(&envelope)).unwrap()
}

/// P3 accepts: copies that were told one presence under two signatures, in any order, agree.
/// G11 refuses: that a ballot under two signatures contradicts itself.
#[test]
fn one_body_under_two_signatures_splits_nobody() {
    let base = hosted(5, 3);
    let one = presence(&base, 3, |presence| presence.node = vec![node().public().raw()]);
    let two = signed_otherwise(&one, 3);
    assert_ne!(one.id(), two.id());
    let copies = [[&one, &two], [&two, &one]].map(|order| {
        let mut copy = base.clone();
        order.iter().for_each(|said| drop(copy.admit(said)));
        copy
    });
    let newest = |page: &Governance| page.presence(&key(3).public()).unwrap().id();
    assert_eq!(newest(&copies[0]), newest(&copies[1]));
    assert_eq!(copies.each_ref().map(evidence), [1, 1]);
    assert_eq!(admitted(&copies[0], &copies[1], 100).0.page().height(), 1);

    let mut page = base;
    let op = set(&page, 0, 0, "brick", brick(&page), a(9));
    page.admit(&op).unwrap();
    let one = ballot(&page, 1, 1, &[(op.id(), Approve)]);
    let two = signed_otherwise(&one, 1);
    assert_eq!(one.id(), two.id());
    page.admit(&one).unwrap();
    assert_eq!(page.admit(&two), Err(Refusal::Known));
    assert_eq!(evidence(&page), 0);
}
