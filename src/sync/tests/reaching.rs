//! Pages that are wanted, pages that are far behind, and nodes that are found through others (N2, N5, P6,
//! D5, D6).

use super::{
    people::*,
    stories::{seal_again, seal_often},
    town::*,
};
use crate::{
    governance::Governance,
    id::Id,
    limits::*,
    page::name::Name,
    sync::{Book, Event, Input, Ledger, Moment, Output, Pace, Sync, Want, Wish, message::Request},
};

fn want(town: &mut Town, at: usize, page: Id, name: Name) {
    let beacons = vec![beacon(0)];
    town.input(at, Input::Want { page, name, beacons, why: Want::Link });
}

fn is_same(town: &Town, a: usize, b: usize, page: &Governance) -> bool {
    let id = page.page().id();
    let has = |n: usize| town.houses[n].shelf.has(&id);
    let root = |n: usize| {
        let held = town.houses[n].shelf.held(&id).unwrap();
        (held.governance.page().state_root(), held.governance.page().seal(), held.open.root())
    };
    has(a) && has(b) && root(a) == root(b)
}

/// N2 accepts: a page that is not held is fetched from whoever its link names, and followed from then
/// on.
/// N5 accepts: the newest seal and the state below it, in parts, each checked when it comes.
#[test]
fn a_page_that_is_wanted_comes_and_stays_current() {
    let page = page(600);
    let id = page.page().id();
    let mut town = Town::new(4, 21);
    town.houses[0].shelf.put(&page);
    seal_often(&mut town, &page, 70);
    for n in 1..3 {
        let (first, others) = town.houses.split_at_mut(n);
        others[0].shelf.copy(&first[0].shelf, &id);
    }
    (1..3).for_each(|n| town.join(3, n));
    town.run(1000);
    want(&mut town, 3, id, name());
    town.until(30_000, |town| is_same(town, 0, 3, &page));
    assert!(town.said(3, &Event::Ready { page: id }));
    assert!(town.is_linked(0, 3), "the link's beacon led there");
    let counts = *town.houses[3].shelf.counts.borrow();
    assert_eq!((counts.snapshots, counts.seals), (1, 0));
    let now = town.houses[0].shelf.page(&id);
    town.houses[0].shelf.say(&proposal(&now, 1, 0, "next", 1));
    town.input(0, Input::Changed { page: id });
    town.until(5000, |town| is_same(town, 0, 3, &page));
    (0..4).for_each(|n| assert_eq!(town.named(n), []));
}

/// T5 accepts: a peer that was killed holds a page that is wanted up for no longer than any late answer does:
/// its genesis, the way to its newest seal and the seals of its past are asked of another as well.
#[test]
fn a_page_is_asked_of_another_while_one_is_silent() {
    let page = page(40);
    let id = page.page().id();
    let is_lost = |request: &Request, which: usize| match request {
        Request::Genesis(_) => which == 0,
        Request::Chain(_) => which == 1,
        Request::Window(_) => which == 2,
        _ => false,
    };
    for which in 0..3 {
        for seed in 0..4 {
            let mut town = Town::new(3, 60 + seed);
            town.is_open = false;
            town.houses[0].shelf.put(&page);
            seal_often(&mut town, &page, 5);
            let (first, others) = town.houses.split_at_mut(1);
            others[0].shelf.copy(&first[0].shelf, &id);
            town.houses[0].lie =
                Some(Box::new(move |request, answer| (!is_lost(request, which)).then_some(answer)));
            (0..2).for_each(|n| town.join(2, n));
            town.run(1000);
            want(&mut town, 2, id, name());
            let took = town.until(12_000, |town| is_same(town, 1, 2, &page));
            assert!(took < 5000, "{took} ms, seed {seed}, {which}");
            (0..3).for_each(|n| assert_eq!(town.named(n), []));
        }
    }
}

/// Four houses, of which three have a page of many parts; the last is connected to them.
fn three_have_it(page: &Governance, seed: u64) -> Town {
    let mut town = Town::new(4, seed);
    town.is_open = false;
    town.houses[0].shelf.put(page);
    seal_often(&mut town, page, 5);
    for n in 1..3 {
        let (first, others) = town.houses.split_at_mut(n);
        others[0].shelf.copy(&first[0].shelf, &page.page().id());
    }
    (0..3).for_each(|n| town.join(n, 3));
    town.run(1000);
    town
}

/// T5 accepts: the parts of a state that one of three peers was asked for and does not give, of the others: it
/// takes longer by what an answer of it is waited for, and two round trips.
#[test]
fn parts_of_a_state_are_asked_of_another_while_one_is_silent() {
    let page = page(6000);
    let check = |seed: u64, is_killed: bool| {
        let mut town = three_have_it(&page, 600 + seed);
        let begun = std::cell::Cell::new(0);
        let lie: Lie = Box::new(move |request, answer| {
            // It is killed as soon as it has given a part.
            let is_part = matches!(request, Request::Subtrees(_));
            begun.set(begun.get() + usize::from(is_part));
            (begun.get() < 2 || !is_killed).then_some(answer)
        });
        town.houses[0].lie = Some(lie);
        want(&mut town, 3, page.page().id(), name());
        let took = town.until(60_000, |town| is_same(town, 1, 3, &page));
        town.run(30_000);
        (0..4).for_each(|n| assert_eq!(town.named(n), []));
        took
    };
    let most = LATE_FIRST.as_millis() as u64 + 2 * 160;
    for seed in 0..6 {
        let (well, killed) = (check(seed, false), check(seed, true));
        assert!(killed <= well + most, "{killed} ms, where it takes {well} ms, seed {seed}");
    }
}

/// T5 accepts: a peer that gives what was asked of another meanwhile. It is no fault, costs no credit, and the
/// page is there before.
#[test]
fn a_part_of_a_state_that_comes_twice_costs_nobody_anything() {
    let page = page(6000);
    for seed in 0..6 {
        let mut town = three_have_it(&page, 620 + seed);
        town.houses[0].lag = 4000;
        want(&mut town, 3, page.page().id(), name());
        let took = town.until(60_000, |town| is_same(town, 1, 3, &page));
        town.run(30_000);
        assert!(took < 4000, "{took} ms, seed {seed}");
        for n in 0..4 {
            assert_eq!(town.named(n), [], "seed {seed}");
            assert_eq!(town.houses[n].closed, [], "seed {seed}");
        }
        for peer in town.houses[3].sync.peers() {
            assert_eq!(peer.faults, [], "seed {seed}");
            assert!(peer.credit >= CREDIT_FIRST, "{}, seed {seed}", peer.credit);
        }
    }
}

/// N7 accepts: after a restart everybody who is remembered is called at once, as many as are wanted.
#[test]
fn who_is_remembered_is_called_at_once() {
    let town = Town::new(1, 28);
    let house = &town.houses[0];
    let now = Moment { unix: BEGIN, ticks: 0 };
    let check = |remembered: usize, called: usize| {
        let mut book = Book::new(house.key.public(), 1);
        for n in 1..=remembered {
            book.joined(node_key(n).public(), address(n), true, now);
        }
        let mut sync = Sync::with_book(house.key.public(), 2, None, book);
        let outputs = sync.handle(now, Input::Wake, &house.shelf);
        let calls = outputs.iter().filter(|output| matches!(output, Output::Connect { .. }));
        assert_eq!(calls.count(), called, "of {remembered}");
    };
    check(0, 0);
    check(OUTBOUND_WANTED - 1, OUTBOUND_WANTED - 1);
    check(OUTBOUND_WANTED, OUTBOUND_WANTED);
    check(OUTBOUND_WANTED + 1, OUTBOUND_WANTED);
}

/// N5 accepts: a page that was never sealed, as it was founded.
#[test]
fn a_page_without_seals_comes_as_it_was_founded() {
    let page = page(50);
    let id = page.page().id();
    let mut town = Town::new(2, 22);
    town.houses[0].shelf.put(&page);
    town.houses[0].shelf.say(&proposal(&page, 0, 0, "brick", 1));
    want(&mut town, 1, id, name());
    town.until(20_000, |town| is_same(town, 0, 1, &page));
    assert_eq!(town.named(1), []);
}

/// N5 accepts: of a page that is far behind only what differs travels.
#[test]
fn who_is_far_behind_takes_the_state_and_only_what_differs() {
    let page = page(600);
    let mut town = Town::new(2, 23);
    town.houses.iter().for_each(|house| house.shelf.put(&page));
    let open = proposal(&page, 1, 0, "mine", 3);
    town.houses[1].shelf.say(&open);
    seal_often(&mut town, &page, 70);
    town.join(0, 1);
    town.until(60_000, |town| is_same(town, 0, 1, &page));
    let counts = *town.houses[1].shelf.counts.borrow();
    assert_eq!(counts.snapshots, 1);
    assert!(counts.leaves < 60, "{} leaves", counts.leaves);
    (0..2).for_each(|n| assert_eq!(town.named(n), []));
}

/// T5 accepts: who took the state and has no seal below it to show, although it is asked for its own.
/// T4 accepts: a seal that is known from the window that came with the state, as one of the same history.
#[test]
fn who_jumped_is_not_charged_with_the_seals_that_it_jumped_over() {
    let page = page(30);
    let mut town = Town::new(4, 36);
    town.is_open = false;
    town.houses.iter().for_each(|house| house.shelf.put(&page));
    seal_often(&mut town, &page, 70);
    town.join(0, 1);
    town.until(60_000, |town| is_same(town, 0, 1, &page));
    town.part(0, 1);
    seal_again(&mut town, &page);
    town.join(0, 2);
    town.until(60_000, |town| is_same(town, 0, 2, &page));
    let paused = Wish { pace: Pace::Paused, bytes_max: None, bytes_per_second_max: None };
    town.input(1, Input::Wish { page: page.page().id(), wish: paused });
    town.join(1, 2);
    town.run(600_000);
    for (n, house) in town.houses.iter().enumerate() {
        assert_eq!(town.named(n), []);
        let faults = house.sync.peers().into_iter().flat_map(|peer| peer.faults);
        assert_eq!(faults.collect::<Vec<_>>(), []);
        let stuck = house.events.iter().filter(|event| matches!(event, Event::Stuck { .. }));
        assert_eq!(stuck.count(), 0, "{:?}", house.events);
    }
}

/// N5 accepts: what a seal lists, of who has it, although who took the state is asked as well and is not charged.
#[test]
fn who_took_the_state_is_not_charged_with_what_its_seals_list() {
    let page = page(30);
    let mut is_asked = 0;
    for seed in 0..6 {
        let mut town = Town::new(3, 370 + seed);
        town.is_open = false;
        town.houses.iter().for_each(|house| house.shelf.put(&page));
        seal_often(&mut town, &page, 60);
        let (first, others) = town.houses.split_at_mut(2);
        others[0].shelf.copy(&first[0].shelf, &page.page().id());
        (0..10).for_each(|_| seal_again(&mut town, &page));
        town.join(0, 1);
        town.until(60_000, |town| is_same(town, 0, 1, &page));
        town.part(0, 1);
        // It has an open operation, so that nothing comes with the seals.
        let now = town.houses[2].shelf.page(&page.page().id());
        town.houses[2].shelf.say(&proposal(&now, 2, 9, "mine", 9));
        town.houses[2].asked = 0;
        (0..2).for_each(|n| town.join(n, 2));
        town.until(120_000, |town| is_same(town, 0, 2, &page));
        town.run(60_000);
        is_asked += town.houses[2].asked;
        for (n, house) in town.houses.iter().enumerate() {
            assert_eq!(town.named(n), []);
            let faults = house.sync.peers().into_iter().flat_map(|peer| peer.faults);
            assert_eq!(faults.collect::<Vec<_>>(), [], "house {n}, seed {seed}");
        }
    }
    assert!(is_asked > 6 * 3);
}

/// N5 accepts: a download goes on where it ended, after a restart.
#[test]
fn a_download_goes_on_after_a_restart() {
    let page = page(3000);
    let id = page.page().id();
    let mut town = Town::new(2, 24);
    town.houses[0].shelf.put(&page);
    seal_often(&mut town, &page, 2);
    want(&mut town, 1, id, name());
    town.until(20_000, |town| town.houses[1].shelf.counts.borrow().leaves > 500);
    assert!(!town.houses[1].shelf.has(&id), "it is not there yet");
    town.part(0, 1);
    let key = town.houses[1].key.public();
    let before = town.houses[1].shelf.counts.borrow().leaves;
    town.houses[1].sync = Sync::new(key, 77, None);
    want(&mut town, 1, id, name());
    town.until(30_000, |town| is_same(town, 0, 1, &page));
    let leaves = town.houses[1].shelf.counts.borrow().leaves;
    assert!(before > 500 && leaves < 3300, "{before} before, {leaves} in all");
}

/// P6 refuses: a page under another name than it is linked to as, and a demonstration; nobody lied.
/// N2 refuses: to keep what may not be taken.
#[test]
fn a_page_of_another_name_and_a_demonstration_are_not_taken() {
    let check = |page: &Governance, name: Name, word: &str| {
        let id = page.page().id();
        let mut town = Town::new(2, 25);
        town.houses[0].shelf.put(page);
        town.houses[0].lie = page.page().is_demonstration().then(|| {
            let genesis = page.page().genesis().encode();
            let standing =
                crate::sync::message::Standing { page: id, height: 0, seal: id, open: Id::ZERO };
            let lie: Lie = Box::new(move |request, answer| match request {
                Request::Standings(_) => Some(crate::page::codec::encode(&vec![standing])),
                Request::Genesis(_) => {
                    Some(crate::sync::message::write_items([genesis.clone()], usize::MAX))
                }
                _ => Some(answer),
            });
            lie
        });
        want(&mut town, 1, id, name);
        town.run(20_000);
        assert!(!town.houses[1].shelf.has(&id));
        let gave_up = town.houses[1].events.iter().any(|event| {
            matches!(event, Event::GaveUp { page, why } if *page == id && why.contains(word))
        });
        assert!(gave_up, "{:?}", town.houses[1].events);
        assert_eq!(town.named(1), []);
    };
    check(&page(3), Name::parse("other").unwrap(), "linked to as");
    check(&demonstration(), name(), "demonstration");
}

/// N2 refuses: a page that nobody has. Who only asked about it is told so after a while.
#[test]
fn a_page_that_nobody_has_is_given_up() {
    let mut town = Town::new(2, 26);
    town.join(0, 1);
    let (page, name) = (Id::hash(&[b"nowhere"]), name());
    town.input(0, Input::Want { page, name, beacons: vec![], why: Want::Resolve });
    town.run(90_000);
    let why = "no peer has it".to_owned();
    assert!(town.said(0, &Event::GaveUp { page, why }));
}

/// N8 accepts: a page that may take so many bytes in a second, from the first on, in the time which that takes.
/// N8 refuses: to ask for more than that, whatever is under way.
#[test]
fn a_page_is_fetched_no_faster_than_it_may_be() {
    let page = page(6000);
    let id = page.page().id();
    let check = |rate: Option<u64>| {
        let mut town = Town::new(3, 38);
        town.is_open = false;
        town.houses[0].shelf.put(&page);
        seal_often(&mut town, &page, 3);
        let now = town.houses[0].shelf.page(&id);
        talk(&now, 60).iter().for_each(|said| town.houses[0].shelf.say(said));
        let (first, others) = town.houses.split_at_mut(1);
        others[0].shelf.copy(&first[0].shelf, &id);
        (0..2).for_each(|n| town.join(2, n));
        town.run(1000);
        let wish = Wish { pace: Pace::Live, bytes_max: None, bytes_per_second_max: rate };
        want(&mut town, 2, id, name());
        town.input(2, Input::Wish { page: id, wish });
        let took = town.until(600_000, |town| is_same(town, 0, 2, &page));
        let came = std::mem::take(&mut town.houses[2].came_bytes);
        let most = came.iter().map(|(begin, _)| {
            let within = came.iter().filter(|(at, _)| (*begin..begin + 2000).contains(at));
            within.map(|(_, bytes)| *bytes).sum::<u64>()
        });
        let bytes: u64 = came.iter().map(|(_, bytes)| *bytes).sum();
        (0..3).for_each(|n| assert_eq!(town.named(n), []));
        (took, bytes, most.max().unwrap())
    };
    let (took, bytes, most) = check(None);
    assert!(took < 5000 && bytes > 100_000 && most > 100_000, "{took} ms, {bytes}, {most}");
    for rate in [4_000, 20_000, 64_000] {
        let (took, bytes, most) = check(Some(rate));
        // A tenth more, and the certificates, which come in one piece.
        assert!(most <= rate * 22 / 10 + 16_000, "{most} bytes within two seconds at {rate}");
        let least = bytes.saturating_sub(rate) * 1000 / rate;
        assert!((least..least * 3 / 2 + 5000).contains(&took), "{took} ms for {bytes} at {rate}");
    }
}

/// N8 refuses: a page that is larger than it may be.
#[test]
fn a_page_that_is_too_large_is_not_fetched() {
    let page = page(3000);
    let id = page.page().id();
    let mut town = Town::new(2, 27);
    town.houses[0].shelf.put(&page);
    let wish = Wish { pace: Pace::Live, bytes_max: Some(20_000), bytes_per_second_max: None };
    want(&mut town, 1, id, name());
    town.input(1, Input::Wish { page: id, wish });
    town.run(30_000);
    assert!(!town.houses[1].shelf.has(&id));
    let is_large =
        |event: &Event| matches!(event, Event::GaveUp { why, .. } if why.contains("larger"));
    assert!(town.houses[1].events.iter().any(is_large), "{:?}", town.houses[1].events);
}

/// N8 accepts: a page until it has grown beyond what it may take, and again when it may take more.
/// N8 refuses: to go on with it in between; that is said once.
#[test]
fn a_page_that_has_grown_too_large_is_gone_on_with_no_further() {
    let page = page(3);
    let id = page.page().id();
    let mut town = Town::new(2, 29);
    town.houses.iter().for_each(|house| house.shelf.put(&page));
    let bytes = page.page().state().iter().map(|(_, value)| value.len() as u64 + 32).sum::<u64>();
    let wish = |bytes_max| Wish { pace: Pace::Live, bytes_max, bytes_per_second_max: None };
    // The first seal makes it larger by the presences of all.
    town.input(1, Input::Wish { page: id, wish: wish(Some(bytes + 10)) });
    seal_often(&mut town, &page, 3);
    town.join(0, 1);
    town.run(600_000);
    let height = |town: &Town| town.houses[1].shelf.page(&id).page().height();
    assert_eq!(height(&town), 1);
    let is_large =
        |event: &&Event| matches!(event, Event::Stuck { why, .. } if why.contains("may take"));
    assert_eq!(town.houses[1].events.iter().filter(is_large).count(), 1);
    town.input(1, Input::Wish { page: id, wish: wish(None) });
    town.until(60_000, |town| height(town) == 3);
    assert_eq!(town.named(1), []);
}

/// D5 accepts: peers of a page are found through one of them.
#[test]
fn one_peer_of_a_page_leads_to_others() {
    let page = page(3);
    let mut town = Town::new(5, 28);
    town.houses.iter().for_each(|house| house.shelf.put(&page));
    (1..4).for_each(|n| town.join(0, n));
    town.run(3000);
    town.join(4, 0);
    town.until(400_000, |town| (1..4).all(|n| town.is_linked(4, n)));
    (0..5).for_each(|n| assert_eq!(town.named(n), []));
}

/// D5 refuses: a beacon that is none. Whoever hands it on is named.
#[test]
fn a_beacon_that_is_forged_is_its_tellers_fault() {
    let page = page(3);
    let mut town = Town::new(3, 29);
    town.houses.iter().for_each(|house| house.shelf.put(&page));
    town.houses[1].lie = Some(Box::new(|request, answer| match request {
        Request::Peers(_) => {
            let mut forged = beacon(2).bytes().to_vec();
            let last = forged.len() - 1;
            forged[last] ^= 1;
            Some(crate::sync::message::write_items([forged], usize::MAX))
        }
        _ => Some(answer),
    }));
    town.join(0, 1);
    town.run(300_000);
    assert_eq!(town.named(0).len(), 1);
    assert!(town.named(0)[0].1.contains("beacon"), "{:?}", town.named(0));
    assert!(!town.is_linked(0, 1));
}

/// A clock that differs from those of most peers is said once; one peer that differs is only noted.
#[test]
fn a_clock_that_most_peers_contradict_is_said_once() {
    let check = |off: &[u64], expect: usize| {
        let mut town = Town::new(1, 30);
        for (n, off) in off.iter().enumerate() {
            let peer = node_key(n + 1).public();
            let hello = crate::sync::message::Hello {
                version: 1,
                program: "x".to_owned(),
                time: BEGIN + off,
                beacon: vec![],
                seen_as: crate::sync::message::Address::of(address(0)),
            };
            let notice = crate::sync::message::Notice::Hello(hello).encode();
            town.houses.truncate(1);
            let now = Moment { unix: BEGIN, ticks: 1000 };
            let house = &mut town.houses[0];
            let joined = Input::Joined { peer, address: address(n + 1), outbound: true };
            house.sync.handle(now, joined, &house.shelf);
            let outputs = house.sync.handle(now, Input::Told { peer, notice }, &house.shelf);
            house.events.extend(outputs.into_iter().filter_map(|output| match output {
                Output::Event(event) => Some(event),
                _ => None,
            }));
            assert_eq!(house.sync.peers()[..].len(), n + 1);
        }
        let said = |event: &&Event| matches!(event, Event::ClockOff { .. });
        assert_eq!(town.houses[0].events.iter().filter(said).count(), expect, "{off:?}");
    };
    check(&[7200], 0);
    check(&[7200, 7300], 1);
    check(&[7200, 0, 5], 0);
    check(&[7200, 7200, 0], 1);
    check(&[7200, 7200, 7100, 7000], 1);
    check(&[3600, 3600], 0);
    // Taken back where those that differ are most no longer.
    check(&[7200, 7200, 0, 0], 2);
}

/// A clock that is set, here or there, is compared with the others' again.
#[test]
fn a_clock_that_was_set_is_compared_again() {
    let mut town = Town::new(3, 30);
    let said = |town: &Town| clock_said(town, 0);
    for n in 1..3 {
        town.join(0, n);
    }
    town.run(5_000);
    assert!(said(&town).is_empty());
    town.houses[0].clock_off = -3 * 3600;
    town.run(400_000);
    assert_eq!(said(&town), [3 * 3600]);
    town.houses[0].clock_off = 0;
    town.run(400_000);
    assert_eq!(said(&town), [3 * 3600, 0]);
    // Now all others are wrong, which looks the same from here.
    (town.houses[1].clock_off, town.houses[2].clock_off) = (7200, 7205);
    town.run(400_000);
    let last = said(&town).last().copied();
    assert!(last.is_some_and(|seconds| (7200..=7205).contains(&seconds)), "{last:?}");
    // Whoever is gone says nothing.
    (1..3).for_each(|n| town.part(0, n));
    assert_eq!(said(&town).last(), Some(&0));
}

/// D1 refuses: beacons that make nodes call somebody who is none. However many are heard of, few are tried.
#[test]
fn whoever_signs_many_beacons_has_few_of_them_called() {
    let mut town = Town::new(1, 31);
    let victim: Vec<_> = (0..8).map(|port| ([10, 9, 9, 9], 1000 + port).into()).collect();
    let mut tried = 0;
    for n in 0..2000_u32 {
        let mut seed = [7; 32];
        seed[..4].copy_from_slice(&n.to_be_bytes());
        let key = crate::key::SecretKey::from_seed(&seed);
        let beacon = crate::beacon::Beacon::sign(&key, &victim, BEGIN + 86_400).unwrap();
        town.input(0, Input::Found { beacon, how: crate::sync::How::Lan });
        town.run(10);
        tried = town.tried;
    }
    town.run(600_000);
    // Twenty seconds of beacons, ten minutes of calls.
    assert!(tried <= 16 + 4, "{tried} at once");
    assert!(town.tried <= 16 + 620 / 5 + 1, "{}", town.tried);
    assert!(town.tried > 50 && town.addresses_tried <= 4 * town.tried, "{}", town.addresses_tried);
}

/// What a house said of its clock beside those that it knows, each time that this was another.
fn clock_said(town: &Town, at: usize) -> Vec<i64> {
    let offs = town.houses[at].events.iter().filter_map(|event| match event {
        Event::ClockOff { known, .. } => Some(*known),
        _ => None,
    });
    let mut said = vec![0];
    said.extend(offs);
    said.dedup();
    said.split_off(1)
}

/// Whoever comes here, with a key that nobody knows, says nothing of what time it is.
#[test]
fn the_clocks_of_those_who_came_count_only_if_a_seat_names_them() {
    let mut town = Town::new(14, 33);
    town.houses[1..].iter_mut().for_each(|house| house.clock_off = -7200);
    (1..13).for_each(|n| town.join(n, 0));
    town.run(400_000);
    assert!(clock_said(&town, 0).is_empty());
    // It is said all the same, for people.
    assert!(town.said(0, &Event::ClockOff { seconds: -7200, known: 0 }));
    // One that was called is no majority, two are.
    town.join(0, 13);
    town.run(5_000);
    assert!(clock_said(&town, 0).is_empty());
    town.part(0, 12);
    town.join(0, 12);
    town.run(5_000);
    assert_eq!(clock_said(&town, 0), [-7200]);
    // And once they are gone those who came are still not asked.
    town.part(0, 13);
    assert_eq!(clock_said(&town, 0), [-7200, 0]);
}

/// S2 accepts: the clock of a node that a seat names, though it came here by itself.
#[test]
fn the_clock_of_a_host_counts_though_it_came_here() {
    for is_host in [true, false] {
        let mut town = Town::new(3, 34);
        let page = page(3);
        town.houses[1].shelf.put(&page);
        if is_host {
            hosting(&page).iter().for_each(|presence| town.houses[1].shelf.say(presence));
        }
        // House 0 has the seats, and came to house 1; house 2 was called.
        (town.houses[0].clock_off, town.houses[2].clock_off) = (7200, 7200);
        town.join(0, 1);
        town.join(1, 2);
        town.run(5_000);
        assert_eq!(clock_said(&town, 1), if is_host { vec![7200] } else { vec![] });
    }
}

/// A clock that leaps while others are connected is noticed before they say hello again.
#[test]
fn a_clock_that_leaps_is_noticed_at_once() {
    let mut town = Town::new(3, 35);
    (1..3).for_each(|n| town.join(0, n));
    town.run(5_000);
    town.houses[0].clock_off = 24 * 3600;
    town.run(11_000);
    assert_eq!(clock_said(&town, 0), [-24 * 3600]);
    town.houses[0].clock_off = 0;
    town.run(11_000);
    assert_eq!(clock_said(&town, 0), [-24 * 3600, 0]);
}
