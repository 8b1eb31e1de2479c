//! Nodes that step by step come to hold the same: what each way of taking a seal leaves behind it.

use super::{street::Street, *};
use crate::{
    control::{report::Superseded, request::Answer},
    daemon::{carry::carry, field, inbox, report, status},
    governance::chain::ladder::{Standpoint, climb},
    limits::SUPERSEDED_TOLD,
    sync::Event,
    time::date,
};

pub fn home(number: u8, clock: &Arc<AtomicU64>) -> Home {
    Home::on(FakeDisk::new(), number, clock)
}

pub fn clock() -> Arc<AtomicU64> {
    Arc::new(AtomicU64::new(BEGIN + 100))
}

/// A home that seals the page, at this height.
pub fn sealer(number: u8, clock: &Arc<AtomicU64>, raw: &RawPage, id: &Id, height: u8) -> Home {
    let home = home(number, clock);
    home.hold(raw);
    home.host(id);
    (1..height).for_each(|n| seal(&home, id, n));
    assert_eq!(home.page(id).page().height(), u64::from(height));
    home
}

/// One seal more, with an address that ends so.
pub fn seal(home: &Home, id: &Id, last: u8) {
    home.clock.fetch_add(61, Ordering::Relaxed);
    home.pass(id, last, &[1, 2, 3]);
}

/// Whether who holds the genesis alone is led to the newest seal.
#[track_caller]
fn check_ladder(home: &Home, id: &Id) {
    let page = home.page(id);
    let proofs = home.node.ladder(id).unwrap().above(0);
    let known = climb(Standpoint::Genesis(page.page().genesis()), &proofs).unwrap();
    assert_eq!(known.head, page.page().head());
}

/// N5 accepts: a page from who took it over itself, with the seals that its operations may name.
#[test]
fn a_page_that_was_taken_over_is_taken_over_from() {
    let clock = clock();
    let (id, raw) = found("club.ct");
    let a = sealer(11, &clock, &raw, &id, 5);
    let mut street = Street::new([a, home(12, &clock), home(13, &clock)]);
    street.join(0, 1);
    street.want(1, id, "club.ct");
    street.run(60);
    street.check_equal(0, 1, &id);
    // It goes on with seals of its own, above the one at which it was taken over.
    seal(&street.sides[0].home, &id, 77);
    clock.fetch_add(1, Ordering::Relaxed);
    street.sides[0].home.pass(&id, 78, &[1]);
    street.run(60);
    street.check_equal(0, 1, &id);
    street.part(0, 1);
    street.join(1, 2);
    street.want(2, id, "club.ct");
    street.run(60);
    street.check_equal(0, 2, &id);
    let window = |n: usize| street.sides[n].home.node.window(&id).unwrap();
    assert_eq!(window(1), window(0));
    assert_eq!(window(2), window(0));
    assert_eq!(window(2).seals.len(), 6);
    street.nobody_lied();
    (0..3).for_each(|n| check_ladder(&street.sides[n].home, &id));
}

/// T1 accepts: the way to the newest seal, however that came here.
#[test]
fn every_way_to_take_a_seal_climbs_the_ladder() {
    let clock = clock();
    let (id, raw) = found("club.ct");
    let a = sealer(11, &clock, &raw, &id, 3);
    check_ladder(&a, &id);
    let [followed, carried] = [12, 13].map(|number| home(number, &clock));
    followed.hold(&raw);
    carried.hold(&raw);
    let whole = |home: &Home| home.node.read_whole(&id).unwrap();
    carry(&carried.node, whole(&a), &mut |_, _, _| {}).unwrap();
    let mut street = Street::new([a, followed, home(14, &clock)]);
    street.join(0, 1);
    street.join(0, 2);
    street.want(2, id, "club.ct");
    street.run(60);
    for _ in 0..2 {
        for n in 0..3 {
            street.check_equal(0, n, &id);
            check_ladder(&street.sides[n].home, &id);
            check_ladder(&street.sides[n].home.again(), &id);
        }
        for carried in [&carried, &carried.again()] {
            assert_eq!(
                carried.page(&id).page().head(),
                street.sides[0].home.page(&id).page().head()
            );
            check_ladder(carried, &id);
        }
        seal(&street.sides[0].home, &id, 90);
        street.run(60);
        carry(&carried.node, whole(&street.sides[0].home), &mut |_, _, _| {}).unwrap();
    }
    // Held, and taken over further up.
    let behind = home(15, &clock);
    behind.hold(&raw);
    let last = &street.sides[0].home;
    let snapshot = Snapshot {
        genesis: raw.genesis.clone(),
        proofs: last.node.ladder(&id).unwrap().above(0),
        state: last.page(&id).page().state().clone(),
        window: last.node.window(&id).unwrap(),
    };
    Ledger::adopt(&*behind.node, snapshot).unwrap();
    check_ladder(&behind, &id);
    check_ladder(&behind.again(), &id);
}

/// N8 accepts: a bundle of what is in step already, whichever way that came about, once and again.
#[test]
fn a_bundle_of_what_is_in_step_has_nothing_new() {
    let clock = clock();
    let (id, raw) = found("club.ct");
    let a = sealer(11, &clock, &raw, &id, 2);
    let from = key(99).public();
    // Three operations in one slot, of which the one with the largest id loses it, and ballots on each.
    let mut three = [201, 202, 203].map(|last| in_slot(&a, &id, last));
    three.sort_by_key(|said| std::cmp::Reverse(said.id()));
    let time = a.node.milliseconds();
    let votes = |n: u64| {
        let who = 2 + n as u8;
        [ballot(&id, &key(who), time + n, three[n as usize].id())]
    };
    for said in three.iter().cloned().chain((0..3).flat_map(votes)) {
        assert_eq!(a.node.admit(&id, &from, bytes(&[said])), [Verdict::New]);
    }
    let mut street = Street::new([a, home(12, &clock), home(13, &clock)]);
    street.join(0, 1);
    street.want(1, id, "club.ct");
    street.run(60);
    for n in 0..3 {
        seal(&street.sides[0].home, &id, 50 + n);
        street.run(60);
    }
    street.sides[0].home.node.admit(
        &id,
        &from,
        bytes(&[ballot(&id, &key(5), time + 9, three[0].id())]),
    );
    street.join(0, 2);
    street.want(2, id, "club.ct");
    street.run(100);
    let whole = || street.sides[0].home.node.read_whole(&id).unwrap();
    for n in [1, 2] {
        street.check_equal(0, n, &id);
        let home = &street.sides[n].home;
        for home in [home, &home.again()] {
            for _ in 0..2 {
                let carried = carry(&home.node, whole(), &mut |_, _, _| {}).unwrap();
                assert_eq!((carried.outcome.as_str(), carried.statements), ("nothing", 0), "{n}");
            }
        }
    }
}

/// A change by the fourth participant, in its first slot.
fn in_slot(home: &Home, id: &Id, last: u8) -> Statement {
    let page = home.page(id);
    let owner = Owner::parse("slot", page.page().name()).unwrap();
    let parent = page.version(&Register::Entry(owner.clone()));
    let rdata = vec![Rdata(Ipv4Addr::new(192, 0, 2, last).octets().into())];
    let sets = vec![RecordSet { rtype: RecordType::A, ttl: 60, rdata }];
    let change = Change::SetEntry(SetEntry { owner, parent, sets });
    let (author, base) = (key(4).public().raw(), page.page().seal());
    let operation = Operation { author, slot: 0, base, change };
    Statement::sign(id, Body::Operation(operation), &key(4)).unwrap()
}

/// T4 refuses: a seal at a height that was jumped over, which nobody here can judge.
#[test]
fn what_was_jumped_over_is_no_place_for_a_fork() {
    let clock = clock();
    let (id, raw) = found("club.ct");
    let a = sealer(11, &clock, &raw, &id, 4);
    let old = Home::on(a.disk.reboot(KEPT), 11, &clock);
    let low = old.sealed(&id);
    seal(&a, &id, 50);
    let mut street = Street::new([a, home(12, &clock)]);
    street.join(0, 1);
    street.want(1, id, "club.ct");
    street.run(60);
    assert_eq!(street.height(1, &id), Some(5));
    let node = &street.sides[1].home.node;
    let record = SealRecord::decode(&low.record).unwrap();
    let from = key(99).public();
    assert_eq!(node.forks(&id, &from, vec![record.clone()]), [Verdict::Known]);
    let mut forged = record;
    forged.seal.time += 1;
    forged.certificate.commits.clear();
    assert!(matches!(node.forks(&id, &from, vec![forged])[..], [Verdict::NotNow(_)]));
    assert_eq!(node.forked_at(&id), None);
    // One that stands where it was jumped over is no other history.
    let mut street =
        Street::new(street.sides.into_iter().map(|side| side.home).skip(1).chain([old]));
    street.join(0, 1);
    street.run(600);
    assert_eq!(street.sides[0].home.node.forked_at(&id), None);
    assert_eq!(street.sides[0].events.iter().find(|e| matches!(e, Event::Stuck { .. })), None);
    street.nobody_lied();
}

/// T4 accepts: whoever stands at the seal at which a page was taken over here, however long the page, as
/// the same history.
#[test]
fn who_stands_where_a_page_was_taken_over_shows_no_other_history() {
    let clock = clock();
    let (id, raw) = found("club.ct");
    let a = sealer(11, &clock, &raw, &id, crate::limits::SEALS_REPLAYED_MAX as u8 + 3);
    let old = Home::on(a.disk.reboot(KEPT), 11, &clock);
    let mut street = Street::new([a, home(12, &clock), home(13, &clock)]);
    street.join(0, 1);
    street.join(0, 2);
    for n in [1, 2] {
        street.want(n, id, "club.ct");
    }
    street.run(60);
    street.part(0, 2);
    seal(&street.sides[0].home, &id, 200);
    street.run(60);
    let heights = [1, 2].map(|n| street.height(n, &id).unwrap());
    assert_eq!(heights[0], heights[1] + 1);
    let [b, behind] = street
        .sides
        .into_iter()
        .skip(1)
        .map(|side| side.home)
        .collect::<Vec<_>>()
        .try_into()
        .ok()
        .unwrap();
    // One that took the page over as well, and one that sealed all of it.
    let mut street = Street::new([b.again(), behind, old]);
    street.join(0, 1);
    street.join(0, 2);
    street.run(600);
    for n in [1, 2] {
        street.check_equal(0, n, &id);
    }
    let is_wrong = |event: &&Event| matches!(event, Event::Stuck { .. });
    assert_eq!(street.sides[0].events.iter().find(is_wrong), None);
    let peers = street.sides[0].sync.peers();
    assert!(peers.iter().all(|peer| peer.faults.is_empty()), "{peers:?}");
    street.nobody_lied();
}

/// T6 accepts: after a restart what peers say, which comes with the open set.
/// T6 refuses: to serve a page as fresh before that.
#[test]
fn a_node_that_starts_anew_is_fresh_as_soon_as_it_meets_a_peer() {
    let clock = clock();
    let (id, raw) = found("club.ct");
    let a = sealer(11, &clock, &raw, &id, 2);
    let mut street = Street::new([a, home(12, &clock)]);
    street.join(0, 1);
    street.want(1, id, "club.ct");
    street.run(60);
    clock.fetch_add(25 * 3600, Ordering::Relaxed);
    let [a, b] = street.sides.try_into().ok().unwrap();
    a.home.node.seal_due();
    let b = b.home.again();
    let is_fresh = |home: &Home| home.node.picture(&home.page(&id)).is_fresh();
    assert!(is_fresh(&a.home) && !is_fresh(&b));
    b.node.view();
    let mut street = Street::new([a.home, b]);
    street.join(0, 1);
    street.run(2);
    street.check_equal(0, 1, &id);
    assert!(is_fresh(&street.sides[1].home));
    assert!(street.sides[1].home.node.view().load().page(&id).unwrap().meta().fresh);
    street.nobody_lied();
}

/// T7 accepts: a seal of a peer whose clock is ahead, when it is due.
/// T7 refuses: it before that, without blaming the peer.
#[test]
fn a_seal_ahead_of_the_clock_is_taken_when_it_is_due() {
    let (slow, fast) = (clock(), Arc::new(AtomicU64::new(BEGIN + 3700)));
    let (id, raw) = found("club.ct");
    let a = sealer(11, &fast, &raw, &id, 1);
    let (b, new) = (home(12, &slow), home(13, &slow));
    b.hold(&raw);
    let mut street = Street::new([a, b, new]);
    street.join(0, 1);
    street.join(0, 2);
    street.want(2, id, "club.ct");
    street.run(600);
    assert_eq!((street.height(1, &id), street.height(2, &id)), (Some(0), None));
    slow.fetch_add(3600, Ordering::Relaxed);
    street.run(900);
    street.check_equal(0, 1, &id);
    street.check_equal(0, 2, &id);
    street.nobody_lied();
}

/// G10: an author hears which operation took the place of theirs, before it is sealed and for some days after.
#[test]
fn authors_are_told_that_their_operation_was_superseded() {
    let clock = clock();
    let (id, raw) = found("club.ct");
    let home = sealer(11, &clock, &raw, &id, 2);
    let told = |home: &Home, who: u8| {
        let raw = key(who).public().raw();
        let Ok(Answer::Inbox(inbox)) = inbox::awaiting(&home.node, raw, home.node.now()) else {
            panic!("no inbox")
        };
        let pages = inbox.pages.into_iter();
        pages.flat_map(|page| page.superseded).collect::<Vec<Superseded>>()
    };
    let lost = home.pass(&id, 201, &[])[0].id().to_string();
    clock.fetch_add(1, Ordering::Relaxed);
    let won = home.pass(&id, 202, &[2, 3])[0].id().to_string();
    let check = |home: &Home, height: Option<u64>| {
        let rows = told(home, 1);
        assert_eq!(
            rows.iter().map(|row| (&row.id, &row.by.id)).collect::<Vec<_>>(),
            [(&lost, &won)]
        );
        assert_eq!(
            (rows[0].height, rows[0].by.author.clone()),
            (height, key(1).public().to_string())
        );
        assert_eq!(told(home, 2), []);
    };
    check(&home, None);
    clock.fetch_add(61, Ordering::Relaxed);
    home.node.seal_due();
    check(&home, Some(3));
    check(&home.again(), Some(3));
    clock.fetch_add(SUPERSEDED_TOLD.as_secs() + 1, Ordering::Relaxed);
    assert_eq!(told(&home, 1), []);
}

/// T6, T7: its own newest seal, dated ahead, which no other node can name before that.
#[test]
fn a_host_says_until_when_its_own_newest_seal_is_held() {
    let clock = clock();
    let (id, raw) = found("club.ct");
    let home = sealer(11, &clock, &raw, &id, 2);
    clock.fetch_sub(7200, Ordering::Relaxed);
    let page = home.page(&id);
    let expect =
        format!("at height 2, is dated {}, and held until then", date(page.page().head().time));
    let said = status::status(&home.node).stale;
    assert!(said.len() == 1 && said[0].contains(&expect), "{said:?}");
    assert!(said[0].contains("is served as stale") && !said[0].contains("may be old"), "{said:?}");
    assert!(field::report(&home.node, &page).freshness.contains(&expect));
}

/// A clock that is ahead of the others' stops seals for an hour, however often they say by how much.
#[test]
fn who_shifts_what_time_it_is_does_not_stop_seals_for_ever() {
    let clock = clock();
    let (id, raw) = found("club.ct");
    let home = sealer(11, &clock, &raw, &id, 2);
    home.node.note_clock(-7200);
    seal(&home, &id, 1);
    assert_eq!((home.page(&id).page().height(), home.node.held().len()), (2, 1));
    let page = home.page(&id);
    let passed = page.proposals().next().unwrap().statement().id().to_string();
    let Ok(Answer::Proposals { operations, .. }) = report::proposal(&home.node, &page, &passed)
    else {
        panic!("it is there");
    };
    let why = operations[0].unsealed.as_ref().unwrap();
    assert!(why.contains("clock is ahead"), "{why}");
    clock.fetch_add(1800, Ordering::Relaxed);
    home.node.note_clock(-7300);
    home.node.seal_due();
    assert_eq!((home.page(&id).page().height(), home.node.held().len()), (2, 1));
    clock.fetch_add(1800, Ordering::Relaxed);
    home.node.note_clock(-7400);
    home.node.seal_due();
    assert_eq!((home.page(&id).page().height(), home.node.held().len()), (3, 0));
    // Right for once, and wrong again: that is another time.
    home.node.note_clock(0);
    home.node.note_clock(-7200);
    seal(&home, &id, 2);
    assert_eq!((home.page(&id).page().height(), home.node.held().len()), (3, 1));
}
