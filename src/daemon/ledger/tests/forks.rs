//! Pages that two copies of one node's key sealed apart: found out, stopped, and decided by a person.

use super::{
    steps::{clock, home, seal, sealer},
    street::Street,
    *,
};
use crate::{
    control::{
        remarks,
        report::Chosen,
        request::{Answer, Failure},
    },
    daemon::{carry::carry, choosing::choose, field, report, status, verify::verify},
    limits::SEALS_REPLAYED_MAX,
    page::entry::RecordSets,
    sync::Event,
};

fn is_forked(street: &Street, at: usize, id: &Id) -> bool {
    let side = &street.sides[at];
    let told = side.events.contains(&Event::Forked { page: *id });
    assert_eq!(told, side.home.node.forked_at(id).is_some());
    told
}

/// T4 accepts: the other seal, of a peer that holds another history, wherever the two parted.
/// T4 refuses: to follow either of them further, and to name who holds the other a liar.
#[test]
fn a_node_key_that_was_copied_and_seals_twice_is_found_out() {
    for seals in [1, 3] {
        let clock = clock();
        let (id, raw) = found("club.ct");
        let a = sealer(11, &clock, &raw, &id, 2);
        let twin = Home::on(a.disk.reboot(KEPT), 11, &clock);
        let [b, c, behind, new] = [12, 13, 14, 15].map(|number| home(number, &clock));
        behind.hold(&raw);
        carry(&behind.node, a.node.read_whole(&id).unwrap(), &mut |_, _, _| {}).unwrap();
        let mut one = Street::new([a, b]);
        let mut two = Street::new([twin, c]);
        for (street, last) in [(&mut one, 100), (&mut two, 200)] {
            street.join(0, 1);
            street.want(1, id, "club.ct");
            street.run(60);
            assert_eq!(street.height(1, &id), Some(2));
            (0..seals).for_each(|n| seal(&street.sides[0].home, &id, last + n));
            street.run(60);
            assert_eq!(street.height(1, &id), Some(2 + u64::from(seals)));
        }
        let [a, b] = one.sides.try_into().ok().unwrap();
        let c = two.sides.pop().unwrap();
        let heads = [&b.home, &c.home].map(|home| home.page(&id).page().head());
        assert_ne!(heads[0].seal, heads[1].seal);
        // Two that are each on one side, who sealed it, one that is behind both, and one that is new.
        let mut street = Street::new([b.home, c.home, a.home, behind, new]);
        street.join(0, 2);
        street.join(3, 0);
        street.join(3, 1);
        street.join(4, 0);
        street.join(4, 1);
        street.want(4, id, "club.ct");
        street.join(0, 1);
        street.run(600);
        for n in 0..4 {
            assert!(is_forked(&street, n, &id), "{seals}: {n}");
            assert_eq!(street.sides[n].home.node.forked_at(&id), Some(3), "{seals}: {n}");
        }
        for (n, head) in heads.iter().enumerate() {
            assert_eq!(street.sides[n].home.page(&id).page().head(), *head);
            assert_eq!(street.sides[n].home.again().node.forked_at(&id), Some(3));
        }
        // Whoever took it over where the two had parted cannot judge the other, and says so.
        assert!(heads.contains(&street.sides[4].home.page(&id).page().head()));
        let is_told = |event: &Event| matches!(event, Event::Stuck { why, .. } if why.contains("another history"));
        assert!(street.sides[4].events.iter().any(is_told), "{:?}", street.sides[4].events);
        // Nothing is sealed further.
        clock.fetch_add(3600, Ordering::Relaxed);
        street.sides[2].home.node.seal_due();
        assert_eq!(street.height(2, &id), Some(2 + u64::from(seals)));
        street.nobody_lied();
    }
}

/// A page with something in it from its founding on: without that its genesis alone is the page.
fn furnished() -> (Id, RawPage) {
    let name = Name::parse("club.ct").unwrap();
    let owner = Owner::parse("home", &name).unwrap();
    let loose = [(RecordType::A, 60, vec![192, 0, 2, 99])];
    let sets = RecordSets::gather(loose, &owner, &name).unwrap();
    let roster = roster_rows((1..=5).map(|n| (key(n).public(), 1)));
    let genesis = RawGenesis::new(name, roster, Parameters::default(), BEGIN, Id::ZERO);
    let (page, raw) = Page::found(genesis, [(owner, sets)]).unwrap();
    (page.id(), raw)
}

/// Six on a street, each with the evidence: 0, 2 and 4 hold the seals of one copy of a key, 1 and 5 those of the
/// other, 3 those of either; 2 has the key. The two parted above height 2, and sealed this often.
fn parted(seals: u8) -> (Street, Id, [Id; 2], Arc<AtomicU64>) {
    let (street, _, id, firsts, clock) = parted_with_twin(seals);
    (street, id, firsts, clock)
}

/// [`parted`], and the other copy of the key, which is not on the street.
fn parted_with_twin(seals: u8) -> (Street, Home, Id, [Id; 2], Arc<AtomicU64>) {
    let clock = clock();
    let (id, raw) = furnished();
    let a = sealer(11, &clock, &raw, &id, 2);
    let twin = Home::on(a.disk.reboot(KEPT), 11, &clock);
    let others: Vec<Home> = (12..17).map(|number| home(number, &clock)).collect();
    for other in &others {
        other.hold(&raw);
        carry(&other.node, a.node.read_whole(&id).unwrap(), &mut |_, _, _| {}).unwrap();
    }
    let [b, c, behind, e, f] = others.try_into().ok().unwrap();
    let mut firsts = Vec::new();
    for (sealer, followers, last) in [(&a, [&b, &e], 100), (&twin, [&c, &f], 200)] {
        (0..seals).for_each(|n| seal(sealer, &id, last + n));
        for follower in followers {
            carry(&follower.node, sealer.node.read_whole(&id).unwrap(), &mut |_, _, _| {}).unwrap();
        }
        let seals = seals_of(sealer, &id);
        firsts.push(seals[2].seal.id());
    }
    let mut street = Street::new([b, c, a, behind, e, f]);
    for (one, other) in [(0, 2), (0, 1), (0, 3), (1, 3), (0, 4), (1, 5), (4, 5)] {
        street.join(one, other);
    }
    street.run(600);
    (0..6).for_each(|n| assert!(is_forked(&street, n, &id), "{n}"));
    (street, twin, id, firsts.try_into().unwrap(), clock)
}

fn seals_of(home: &Home, id: &Id) -> Vec<SealRecord> {
    let whole = home.node.read_whole(id).unwrap();
    let seals = whole.said.iter().filter(|(kind, _)| *kind == Kind::Seal);
    seals.map(|(_, bytes)| SealRecord::decode(bytes).unwrap()).collect()
}

fn decide(home: &Home, page: &Id, seal: &Id) -> Result<Chosen, Failure> {
    choose(&home.node, &page.to_string(), &seal.to_string()[..12])
}

fn head(street: &Street, at: usize, id: &Id) -> Id {
    street.sides[at].home.page(id).page().seal()
}

/// T4 accepts: what a person decided, for the seal held and for the other one, though others keep spreading
/// the evidence; it is still there after a start, and the page goes on.
/// T4 refuses: to stop a page again with what was decided, and to follow what was decided against.
#[test]
fn a_decision_holds_while_others_keep_the_evidence() {
    for seals in [1, 3] {
        let (mut street, id, [ours, _], clock) = parted(seals);
        let height = 2 + u64::from(seals);
        for n in 0..4 {
            let on_ours = seals_of(&street.sides[n].home, &id)[2].seal.id() == ours;
            let chosen = decide(&street.sides[n].home, &id, &ours).unwrap();
            assert_eq!((chosen.gone > 0, chosen.page.forked), (!on_ours, None), "{n}");
            assert_eq!(chosen.at.seal, ours.to_string());
        }
        street.run(600);
        // The one that sealed them goes on.
        seal(&street.sides[2].home, &id, 50);
        street.run(600);
        for n in 0..4 {
            let side = &street.sides[n].home;
            for side in [side, &side.again()] {
                assert_eq!(side.page(&id).page().height(), height + 1, "{seals}: {n}");
                assert_eq!(side.node.forked_at(&id), None, "{seals}: {n}");
                assert_eq!(head(&street, n, &id), head(&street, 2, &id));
                let verified = verify(&side.node, &side.page(&id), true, &mut |_, _, _| {});
                assert_eq!(verified.unwrap().height, height + 1);
                let report = status::page(&side.node, &side.page(&id));
                assert_eq!(report.decided.len(), 1, "{:?}", report.decided);
            }
        }
        street.check_equal(0, 1, &id);
        // Who stands lower is in step on the same history only.
        for (at, peer, is_elsewhere) in [(0, 4, false), (1, 0, false), (1, 5, true)] {
            let key = street.sides[peer].home.node.key();
            let progress = street.sides[at].sync.progress(&id).unwrap();
            let beside = progress.peers.iter().find(|beside| beside.key == key).unwrap();
            let found = (beside.is_elsewhere, beside.is_matched);
            assert_eq!(found, (is_elsewhere, !is_elsewhere), "{seals}: {at} {peer}");
            assert!(progress.is_in_step, "{seals}: {at}");
        }
        // Who has not decided is stopped as before, and keeps on showing it.
        for n in [4, 5] {
            assert_eq!(street.height(n, &id), Some(height));
            assert_eq!(street.sides[n].home.node.forked_at(&id), Some(3));
        }
        // Later as well, and with what only now meets the others.
        street.part(1, 5);
        street.join(1, 4);
        street.join(2, 5);
        clock.fetch_add(7200, Ordering::Relaxed);
        street.run(7200);
        assert!((0..4).all(|n| street.sides[n].home.node.forked_at(&id).is_none()));
        street.nobody_lied();
    }
}

/// T4 accepts: another decision instead of the first, which brings back what went with that.
#[test]
fn a_decision_can_be_taken_back_by_another() {
    let (mut street, id, [ours, theirs], _) = parted(3);
    let before = head(&street, 1, &id);
    decide(&street.sides[1].home, &id, &ours).unwrap();
    street.run(60);
    assert_eq!(head(&street, 1, &id), head(&street, 4, &id), "those of who has not decided, too");
    let chosen = decide(&street.sides[1].home, &id, &theirs).unwrap();
    assert_eq!(chosen.gone, 3);
    street.run(60);
    assert_eq!(head(&street, 1, &id), before);
    assert_eq!(street.sides[1].home.again().page(&id).page().seal(), before);
    street.nobody_lied();
}

/// T4, S5: who waits for the seal that a person decided for seals none in its place, and jumps over none.
#[test]
fn who_waits_for_the_seal_that_was_chosen_makes_none_and_takes_no_other() {
    let (street, id, [ours, theirs], clock) = parted(3);
    // What was fetched only by its seal, and is alone.
    let home = &street.sides[2].home;
    let chosen = decide(home, &id, &theirs).unwrap();
    assert_eq!((chosen.page.height, chosen.gone), (2, 3));
    clock.fetch_add(7200, Ordering::Relaxed);
    home.node.seal_due();
    let home = home.again();
    home.node.seal_due();
    assert_eq!(home.page(&id).page().height(), 2);
    let waits = status::status(&home.node).unsealed;
    assert!(waits.iter().any(|line| line.contains("waits for the seal")), "{waits:?}");
    home.pass(&id, 60, &[1, 2, 3]);
    let page = home.page(&id);
    assert!(!home.node.view().load().page(&id).unwrap().meta().fresh, "a better one is known");
    let words = format!("waits for the seal {} at height 3", theirs.short());
    let freshness = field::report(&home.node, &page).freshness;
    let shown = status::page(&home.node, &page);
    let Answer::Proposals { operations, .. } = report::proposals(&home.node, &page, false, 0)
    else {
        panic!("no proposals");
    };
    let unsealed = operations.iter().find_map(|operation| operation.unsealed.clone());
    for said in [freshness, shown.freshness, remarks::of(&shown.summary), unsealed.unwrap()] {
        assert!(said.contains(&words), "{said}");
    }
    // The bundle of the history that was not chosen, by hand, and a jump over the height.
    let other = &street.sides[4].home;
    let whole = || other.node.read_whole(&id).unwrap();
    let failure = carry(&home.node, whole(), &mut |_, _, _| {}).unwrap_err();
    assert!(failure.message.contains("this node was told that"), "{failure}");
    let refused = Ledger::adopt(&*home.node, snapshot(other, &id)).unwrap_err();
    assert!(matches!(&refused, Refused::NotNow(why) if why.contains("decided")), "{refused:?}");
    assert_eq!(home.page(&id).page().height(), 2);
    // That of the other comes both ways.
    let again = home.again();
    let right = &street.sides[5].home;
    Ledger::adopt(&*again.node, snapshot(right, &id)).unwrap();
    carry(&home.node, right.node.read_whole(&id).unwrap(), &mut |_, _, _| {}).unwrap();
    for home in [home, again] {
        assert_eq!(home.page(&id).page().seal(), right.page(&id).page().seal());
        assert_eq!(status::summary(&home.node, &home.page(&id)).awaited, None);
    }
    assert_ne!(ours, theirs);
}

/// T4 accepts: to change one's mind while the seal that was chosen first is still awaited.
#[test]
fn who_waits_can_choose_again() {
    let (street, id, [ours, theirs], _) = parted(3);
    let home = &street.sides[0].home;
    let waits = decide(home, &id, &theirs).unwrap();
    assert_eq!((waits.gone, waits.page.height), (3, 2));
    let again = decide(home, &id, &theirs).unwrap();
    assert_eq!((again.gone, again.page.height), (0, 2), "it is said twice");
    let back = decide(home, &id, &ours).unwrap();
    // The first of those that went is kept whole, with what it lists.
    assert_eq!(back.page.height, 3);
    for home in [home, &home.again()] {
        assert_eq!(home.page(&id).page().seal(), ours);
        verify(&home.node, &home.page(&id), true, &mut |_, _, _| {}).unwrap();
    }
    assert_eq!(decide(home, &id, &theirs).unwrap().page.height, 2);
    assert_eq!(home.node.decisions(&id)[0].stood, 5, "what mirrors may have of the first");
}

/// T4 accepts: to come over to the others at once, however long they were avoided for another decision.
#[test]
fn whoever_decides_as_the_others_did_is_with_them_at_once() {
    let (mut street, id, [ours, theirs], _) = parted(1);
    for (n, seal) in [(0, ours), (2, ours), (3, ours), (1, theirs), (5, theirs)] {
        decide(&street.sides[n].home, &id, &seal).unwrap();
    }
    for n in 0..10 {
        seal(&street.sides[2].home, &id, 20 + n);
        street.run(60);
    }
    assert_eq!((street.height(0, &id), street.height(1, &id)), (Some(13), Some(3)));
    // Who decided otherwise is told that others did not.
    let told = |event: &Event| matches!(event, Event::Stuck { why, .. } if why.contains("decided"));
    assert!(street.sides[1].events.iter().any(told), "{:?}", street.sides[1].events);
    decide(&street.sides[1].home, &id, &ours).unwrap();
    street.run(5);
    assert_eq!(head(&street, 1, &id), head(&street, 0, &id));
    street.nobody_lied();
}

/// A bundle of a state that was taken over on the other side has nothing that could be judged, and is refused.
#[test]
fn a_bundle_of_another_history_that_was_taken_over_is_refused() {
    let (street, id, _, clock) = parted(3);
    let jumped = home(90, &clock);
    Ledger::adopt(&*jumped.node, snapshot(&street.sides[5].home, &id)).unwrap();
    let clean = home(91, &clock);
    clean.hold(&furnished().1);
    Ledger::adopt(&*clean.node, snapshot(&street.sides[0].home, &id)).unwrap();
    let whole = jumped.node.read_whole(&id).unwrap();
    let failure = carry(&clean.node, whole, &mut |_, _, _| {}).unwrap_err();
    assert!(failure.message.contains("of another history of club.ct."), "{failure}");
}

/// Nothing that counts below is lost with the seals that go.
#[test]
fn what_was_said_since_stays_open_where_the_seals_go() {
    let (street, id, [_, theirs], _) = parted(1);
    let home = &street.sides[0].home;
    let sealed = seals_of(home, &id)[2].contents.operations.clone();
    assert_eq!(sealed.len(), 1);
    assert!(home.page(&id).proposal(&sealed[0]).is_none());
    decide(home, &id, &theirs).unwrap();
    for home in [home, &home.again()] {
        assert!(home.page(&id).proposal(&sealed[0]).is_some(), "it was approved below as well");
        verify(&home.node, &home.page(&id), true, &mut |_, _, _| {}).unwrap();
    }
}

#[test]
fn what_cannot_be_chosen_is_said_in_a_sentence() {
    let (street, id, [ours, theirs], clock) = parted(1);
    let home = &street.sides[0].home;
    let check = |digits: &str, expect: &str| {
        let failure = choose(&home.node, &id.to_string(), digits).unwrap_err();
        assert!(failure.message.contains(expect), "{digits}: {failure}");
    };
    check("000000", "one of these");
    check("000000", &theirs.short().to_string());
    check("", "several seals");
    let (other, raw) = found("other.ct");
    let fresh = self::home(40, &clock);
    fresh.hold(&raw);
    let failure = decide(&fresh, &other, &ours).unwrap_err();
    assert!(failure.message.contains("is not forked"), "{failure}");
    // Said twice it is written once.
    decide(home, &id, &ours).unwrap();
    let bytes = home.node.store.bytes(&id);
    decide(home, &id, &ours).unwrap();
    assert_eq!(home.node.store.bytes(&id), bytes);
}

/// A snapshot of a page as it is somewhere.
fn snapshot(from: &Home, id: &Id) -> Snapshot {
    let page = from.page(id);
    Snapshot {
        genesis: page.page().genesis().encode(),
        proofs: from.node.ladder(id).unwrap().above(0),
        state: page.page().state().clone(),
        window: from.node.window(id).unwrap(),
    }
}

/// T4 accepts: both seals of a height that was jumped over, as far as something below is here.
/// T4 refuses: to let go of the only state there is.
#[test]
fn seals_of_a_height_that_was_jumped_over_are_chosen_like_others() {
    let (street, id, [ours, theirs], clock) = parted(3);
    let [left, right] = [0, 1].map(|n| &street.sides[n].home);
    let whole = |from: &Home| from.node.read_whole(&id).unwrap();
    let jumped = |number: u8, below: bool| {
        let home = home(number, &clock);
        if below {
            home.hold(&furnished().1);
        }
        Ledger::adopt(&*home.node, snapshot(left, &id)).unwrap();
        assert_eq!(carry(&home.node, whole(right), &mut |_, _, _| {}).unwrap().outcome, "fork");
        home.again()
    };
    // The founding state below is held.
    let home = jumped(60, true);
    let chosen = decide(&home, &id, &ours).unwrap();
    assert_eq!((chosen.gone, chosen.page.forked, chosen.page.height), (0, None, 5));
    let chosen = decide(&home, &id, &theirs).unwrap();
    assert_eq!((chosen.gone, chosen.page.height), (5, 0));
    for home in [&home, &home.again()] {
        let refused = Ledger::adopt(&*home.node, snapshot(left, &id)).unwrap_err();
        assert!(matches!(&refused, Refused::NotNow(why) if why.contains("decided")), "{refused:?}");
        let failure = carry(&home.node, whole(left), &mut |_, _, _| {}).unwrap_err();
        assert!(failure.message.contains("this node was told that"), "{failure}");
    }
    let again = home.again();
    carry(&home.node, whole(right), &mut |_, _, _| {}).unwrap();
    Ledger::adopt(&*again.node, snapshot(right, &id)).unwrap();
    for home in [&home, &home.again(), &again, &again.again()] {
        assert_eq!(home.page(&id).page().seal(), right.page(&id).page().seal());
        let decisions = home.node.decisions(&id);
        assert_eq!((home.node.forked_at(&id), decisions.len()), (None, 1));
        assert_eq!(decisions[0].stood, 5, "what mirrors may have");
    }
    // Back to the first: it was not evidence with a certificate, and is chosen all the same.
    assert_eq!(decide(&again, &id, &ours).unwrap().at.seal, ours.to_string());
    carry(&again.node, whole(left), &mut |_, _, _| {}).unwrap();
    assert_eq!(again.page(&id).page().seal(), left.page(&id).page().seal());
    // Nothing below is held.
    let home = jumped(61, false);
    let bytes = home.node.store.bytes(&id);
    let failure = decide(&home, &id, &theirs).unwrap_err();
    assert!(failure.message.contains("`djdns page forget club.ct.`"), "{failure}");
    assert_eq!((home.node.store.bytes(&id), home.node.forked_at(&id)), (bytes, Some(3)));
    decide(&home, &id, &ours).unwrap();
    assert_eq!(home.again().node.forked_at(&id), None);
}

/// T4 refuses: to fetch a state that cannot be taken over, again and again; who is on another history is told of.
/// T4 accepts: the same state where a person decided for it.
#[test]
fn the_state_of_another_history_is_not_fetched_in_vain() {
    let (old, ahead, id, [ours, theirs], clock) = parted_with_twin(1);
    let left = &old.sides[0].home;
    let decided = Home::on(left.disk.reboot(KEPT), 70, &clock);
    decide(&decided, &id, &ours).unwrap();
    let undone = Home::on(old.sides[4].home.disk.reboot(KEPT), 71, &clock);
    decide(&undone, &id, &theirs).unwrap();
    let jumped = home(72, &clock);
    Ledger::adopt(&*jumped.node, snapshot(left, &id)).unwrap();
    // The other history goes far ahead, with the key that made it.
    let seals = SEALS_REPLAYED_MAX as u8 + 2;
    (0..seals).for_each(|n| seal(&ahead, &id, n));
    let top = 3 + u64::from(seals);
    assert_eq!(ahead.page(&id).page().height(), top);
    let mut street = Street::new([ahead, decided, undone, jumped]);
    (1..4).for_each(|n| street.join(0, n));
    street.run(60);
    assert_eq!(
        (1..4).map(|n| street.height(n, &id)).collect::<Vec<_>>(),
        [Some(3), Some(top), Some(3)]
    );
    let bytes = |street: &Street| [1, 3].map(|n| street.sides[n].home.node.store.bytes(&id));
    let before = bytes(&street);
    // By now it knows what the others hold.
    assert!(is_forked(&street, 0, &id));
    decide(&street.sides[0].home, &id, &theirs).unwrap();
    for n in 0..20 {
        seal(&street.sides[0].home, &id, 100 + n);
        street.run(60);
    }
    assert_eq!(bytes(&street), before, "nothing more was written");
    street.nobody_lied();
}

/// T4 accepts: two whole histories, however far one has gone ahead: both learn of the other's seal.
#[test]
fn a_fork_is_found_however_far_one_side_has_gone() {
    let clock = clock();
    let (id, raw) = furnished();
    let a = sealer(11, &clock, &raw, &id, 2);
    let twin = Home::on(a.disk.reboot(KEPT), 11, &clock);
    (0..3).for_each(|n| seal(&a, &id, n));
    let left = home(80, &clock);
    left.hold(&raw);
    carry(&left.node, a.node.read_whole(&id).unwrap(), &mut |_, _, _| {}).unwrap();
    (0..SEALS_REPLAYED_MAX as u8 + 6).for_each(|n| seal(&twin, &id, 100 + n));
    let mut street = Street::new([twin, left]);
    street.join(0, 1);
    street.run(600);
}
