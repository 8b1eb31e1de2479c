//! Two or ten nodes that both, or all, have something to say (N3, N4, T4, T6, N8).

use std::{collections::BTreeSet, time::Duration};

use proptest::prelude::*;

use super::{people::*, town::*};
use crate::{
    governance::{Governance, attest::Attestation, statement::Statement},
    id::Id,
    limits::NETWORK_SILENT,
    sync::{
        Event, Input, Ledger, Moment, Pace, Wish,
        message::{Follow, Notice, Standing},
    },
};

/// Everybody holds the page.
fn town(count: usize, seed: u64, page: &Governance) -> Town {
    let town = Town::new(count, seed);
    town.houses.iter().for_each(|house| house.shelf.put(page));
    town
}

fn standing(town: &Town, at: usize, page: &Governance) -> Standing {
    Standing::of(&town.houses[at].shelf.held(&page.page().id()).unwrap())
}

fn is_equal(town: &Town, page: &Governance) -> bool {
    let first = standing(town, 0, page);
    (1..town.houses.len()).all(|n| standing(town, n, page) == first)
}

fn say(town: &mut Town, at: usize, statement: &Statement) {
    town.houses[at].shelf.say(statement);
    town.input(at, Input::Changed { page: statement.page() });
}

fn nobody_lied(town: &Town) {
    for n in 0..town.houses.len() {
        assert_eq!(town.named(n), [], "house {n}");
    }
}

/// N3 accepts: two nodes of which each has what the other lacks end equal, and each statement travels
/// once.
#[test]
fn two_that_meet_end_equal() {
    let page = page(3);
    let mut town = town(2, 1, &page);
    let said = talk(&page, 20);
    for (n, statement) in said.iter().enumerate() {
        town.houses[n % 2].shelf.say(statement);
    }
    town.join(0, 1);
    // A ballot is looked for when what it names is there.
    town.until(8000, |town| is_equal(town, &page));
    nobody_lied(&town);
    let came: usize = town.houses.iter().flat_map(|house| house.came.values()).sum();
    assert_eq!(came, said.len());
    town.run(1000);
    assert!((0..2).all(|n| town.said(n, &Event::InStep { page: page.page().id() })));
}

/// N3 refuses: to descend where nothing differs. A page on which nothing happens costs a few bytes a
/// minute.
#[test]
fn a_quiet_page_is_quiet() {
    let page = page(3);
    let mut town = town(2, 2, &page);
    talk(&page, 20).iter().for_each(|statement| {
        town.houses[0].shelf.say(statement);
        town.houses[1].shelf.say(statement);
    });
    town.join(0, 1);
    town.run(60_000);
    let before: Vec<(usize, usize)> =
        town.houses.iter().map(|house| (house.told_bytes, house.asked)).collect();
    town.run(3_600_000);
    for (house, (told, asked)) in town.houses.iter().zip(before) {
        assert!(house.told_bytes - told <= 60 * 16, "{} bytes", house.told_bytes - told);
        assert!(house.asked - asked <= 6, "{} requests", house.asked - asked);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// N3 accepts: any subsets of what was said, among two to five, whatever is lost on the way.
    #[test]
    fn any_subsets_become_one(
        seed in 0u64..1000,
        count in 2usize..6,
        lost in 0u64..40,
        is_line in any::<bool>(),
        shares in prop::collection::vec(0u8..32, 36),
    ) {
        let page = page(2);
        let mut town = town(count, seed, &page);
        for (statement, share) in talk(&page, 12).iter().zip(&shares) {
            for n in (0..count).filter(|n| share & 1 << n != 0) {
                town.houses[n].shelf.say(statement);
            }
        }
        town.lost = lost;
        if is_line { town.line() } else { town.mesh() }
        // A notice that is lost is made good within a quarter of an hour.
        town.until(4_000_000, |town| is_equal(town, &page));
        nobody_lied(&town);
    }

    /// N3 accepts: the same where some contradict themselves, more than once: all have one pair of each.
    #[test]
    fn what_contradicts_itself_becomes_one_as_well(
        seed in 0u64..1000,
        count in 2usize..5,
        is_line in any::<bool>(),
        shares in prop::collection::vec(0u8..16, 28),
    ) {
        let page = page(2);
        let mut town = town(count, seed, &page);
        let mut said = talk(&page, 5);
        let ops: Vec<Id> = [0, 3].map(|n: usize| said[n].id()).into();
        for n in 0..3u8 {
            let reason = format!("{n}");
            said.push(ballot(&page, 1, 2, &ops[..1], &reason));
            said.push(ballot(&page, 1, 3, &ops[1..], &reason));
            said.push(proposal(&page, 2, 77, "taken", n));
            said.push(away(&page, 3, 5, u64::from(n)));
        }
        said.push(away(&page, 3, 6, 0));
        for (statement, share) in said.iter().zip(&shares) {
            for n in (0..count).filter(|n| share & 1 << n != 0) {
                town.houses[n].shelf.hear(statement);
            }
        }
        if is_line { town.line() } else { town.mesh() }
        town.until(4_000_000, |town| is_equal(town, &page));
        nobody_lied(&town);
    }
}

/// What is new here is announced at once, asked for once by each, and handed on: how long that takes,
/// in milliseconds.
fn spreads(mut town: Town, page: &Governance, most: u64) -> usize {
    town.run(5000);
    let proposal = proposal(page, 0, 0, "brick", 9);
    say(&mut town, 0, &proposal);
    let took = town.until(most, |town| is_equal(town, page));
    town.run(5000);
    let came: Vec<usize> = town.houses[1..]
        .iter()
        .map(|house| house.came.get(&proposal.id()).copied().unwrap_or(0))
        .collect();
    assert_eq!(came, vec![1; town.houses.len() - 1], "within {took} ms");
    assert_eq!(town.houses[0].came.len(), 0, "it came back to who said it");
    nobody_lied(&town);
    took as usize
}

/// N4 accepts: ten in a line, and ten that all know each other.
#[test]
fn news_reaches_everybody_and_each_statement_comes_once() {
    let page = page(3);
    let mut line = town(10, 3, &page);
    line.is_open = false;
    line.line();
    spreads(line, &page, 4000);
    let mut mesh = town(10, 4, &page);
    mesh.mesh();
    spreads(mesh, &page, 1000);
}

/// N4 refuses: to tell those who did not ask to be told, and to announce what was refused.
#[test]
fn who_does_not_follow_is_not_told() {
    let page = page(3);
    let id = page.page().id();
    let mut town = Town::new(3, 5);
    town.houses[0].shelf.put(&page);
    town.houses[2].shelf.put(&page);
    town.line();
    town.join(0, 2);
    town.run(5000);
    let told = town.houses[0].told_bytes;
    let wish = Wish { pace: Pace::Paused, bytes_max: None, bytes_per_second_max: None };
    town.input(2, Input::Wish { page: id, wish });
    town.run(1000);
    say(&mut town, 0, &proposal(&page, 0, 0, "brick", 9));
    town.run(5000);
    assert_eq!(town.houses[0].told_bytes, told, "nobody follows the page live");
    assert!(!is_in(&town, 2, &page, "brick"));
}

fn is_in(town: &Town, at: usize, page: &Governance, owner_text: &str) -> bool {
    let page = town.houses[at].shelf.page(&page.page().id());
    page.proposals().any(|proposal| {
        proposal.register() == crate::governance::operation::Register::Entry(owner(owner_text))
    })
}

/// A seal spreads as statements do: it is asked for, and of what it lists only what is lacking.
#[test]
fn a_seal_reaches_everybody() {
    let page = page(3);
    let id = page.page().id();
    let mut town = town(5, 6, &page);
    town.line();
    for statement in hosting(&page).iter().chain(&talk(&page, 5)) {
        say(&mut town, 1, statement);
    }
    town.until(10_000, |town| is_equal(town, &page));
    let came: usize = town.houses.iter().map(|house| house.came.len()).sum();
    town.houses[0].shelf.seal(&id, &node_key(0), BEGIN);
    town.input(0, Input::Changed { page: id });
    town.until(4000, |town| is_equal(town, &page));
    assert_eq!(standing(&town, 4, &page).height, 1);
    // Everything that it lists was there.
    assert_eq!(town.houses.iter().map(|house| house.came.len()).sum::<usize>(), came);
    nobody_lied(&town);
    town.run(3000);
    assert!((0..5).all(|n| town.said(n, &Event::InStep { page: id })));
}

/// Whoever was away for some seals takes them one by one, with what they list.
#[test]
fn who_is_a_little_behind_takes_the_seals() {
    let page = page(3);
    let mut town = town(3, 7, &page);
    let heights = seal_often(&mut town, &page, 10);
    assert_eq!(heights, 10);
    town.mesh();
    town.until(20_000, |town| is_equal(town, &page));
    assert_eq!(standing(&town, 2, &page).height, 10);
    assert_eq!(town.houses[2].shelf.counts.borrow().seals, 10);
    nobody_lied(&town);
}

/// The first house seals so many times, a change each.
pub fn seal_often(town: &mut Town, page: &Governance, times: u64) -> u64 {
    let id = page.page().id();
    let shelf = &town.houses[0].shelf;
    hosting(page).iter().for_each(|presence| shelf.say(presence));
    (0..times).for_each(|_| seal_again(town, page));
    town.houses[0].shelf.page(&id).page().height()
}

/// The first house seals once more, a change.
pub fn seal_again(town: &mut Town, page: &Governance) {
    let shelf = &town.houses[0].shelf;
    let now = shelf.page(&page.page().id());
    let n = now.page().height();
    let proposal = proposal(&now, 0, 0, "often", n as u8);
    shelf.say(&proposal);
    for voter in 0..2 {
        shelf.say(&approval(&now, voter, n + 1, &[proposal.id()]));
    }
    shelf.seal(&page.page().id(), &node_key(0), BEGIN - 9000 + 60 * n);
}

/// N3 accepts: what is not yet valid under an older seal is "not now", nobody's fault, and is there
/// after the seal.
#[test]
fn what_rests_on_a_newer_seal_comes_with_it() {
    let page = page(3);
    let id = page.page().id();
    let mut town = town(2, 8, &page);
    seal_often(&mut town, &page, 3);
    let now = town.houses[0].shelf.page(&id);
    town.houses[0].shelf.say(&proposal(&now, 1, 0, "later", 7));
    town.join(0, 1);
    town.until(20_000, |town| is_equal(town, &page));
    assert!(is_in(&town, 1, &page, "later"));
    nobody_lied(&town);
}

/// G11: two ballots that contradict each other are evidence, and no fault of who hands them on.
#[test]
fn what_equivocates_is_handed_on_as_evidence() {
    let page = page(3);
    let mut town = town(3, 9, &page);
    let op = proposal(&page, 0, 0, "brick", 9);
    town.houses.iter().for_each(|house| house.shelf.say(&op));
    let one = ballot(&page, 1, 5, &[op.id()], "one");
    let two = ballot(&page, 1, 5, &[op.id()], "two");
    town.houses[0].shelf.say(&one);
    town.houses[2].shelf.say(&two);
    town.line();
    town.until(60_000, |town| is_equal(town, &page));
    for house in &town.houses {
        assert_eq!(house.shelf.page(&page.page().id()).evidence().count(), 1);
    }
    nobody_lied(&town);
}

/// T6 accepts: attestations travel with the open set, so that what is fresh is known everywhere.
#[test]
fn attestations_reach_everybody() {
    let page = page(3);
    let id = page.page().id();
    let mut town = town(4, 10, &page);
    seal_often(&mut town, &page, 1);
    town.line();
    town.until(20_000, |town| is_equal(town, &page));
    let now = town.unix();
    town.houses[0].shelf.attest(&id, &node_key(0), now);
    let root = standing(&town, 0, &page).open;
    town.input(0, Input::Changed { page: id });
    town.until(4000, |town| is_equal(town, &page));
    assert_eq!(standing(&town, 3, &page).open, root);
    nobody_lied(&town);
}

/// T4 accepts: two seals at one height are found, and the evidence reaches those who saw only one.
#[test]
fn two_histories_are_found_and_shown_to_all() {
    let page = page(3);
    let id = page.page().id();
    let mut town = town(4, 11, &page);
    for house in &town.houses {
        hosting(&page).iter().for_each(|presence| house.shelf.say(presence));
    }
    // The one node that seals signs two seals at height 1, and hands out one here and one there.
    let one = town.houses[0].shelf.seal(&id, &node_key(0), BEGIN - 100);
    let two = town.houses[3].shelf.seal(&id, &node_key(0), BEGIN - 50);
    assert_ne!(one.seal.id(), two.seal.id());
    town.join(0, 1);
    town.join(2, 3);
    town.until(10_000, |town| {
        standing(town, 1, &page).height == 1 && standing(town, 2, &page).height == 1
    });
    town.join(1, 2);
    town.until(60_000, |town| town.houses.iter().all(|house| house.shelf.forks_of(&id) == 1));
    assert!((0..4).all(|n| town.said(n, &Event::Forked { page: id })));
    nobody_lied(&town);
}

/// N8 accepts: a page that is followed every so often is pulled then, and not before.
/// N8 refuses: to pull a page that is paused; what is said there still reaches others.
#[test]
fn a_page_is_followed_as_its_person_wishes() {
    let page = page(3);
    let id = page.page().id();
    let mut town = town(3, 12, &page);
    town.mesh();
    let wish = |pace| Wish { pace, bytes_max: None, bytes_per_second_max: None };
    let often = Pace::Every(Duration::from_secs(600));
    town.input(1, Input::Wish { page: id, wish: wish(often) });
    town.input(2, Input::Wish { page: id, wish: wish(Pace::Paused) });
    town.run(400_000);
    say(&mut town, 0, &proposal(&page, 0, 0, "one", 1));
    say(&mut town, 2, &proposal(&page, 1, 0, "two", 2));
    town.run(10_000);
    assert!(is_in(&town, 0, &page, "two"));
    assert!(!is_in(&town, 1, &page, "one"), "it is not time yet");
    town.run(800_000);
    assert!(is_in(&town, 1, &page, "one") && is_in(&town, 1, &page, "two"));
    assert!(!is_in(&town, 2, &page, "one"), "it is paused");
    town.input(2, Input::Wish { page: id, wish: wish(Pace::Live) });
    town.until(10_000, |town| is_equal(town, &page));
    nobody_lied(&town);
}

/// N3 accepts: sets of thousands that differ in a few, at the price of the few.
#[test]
fn large_sets_that_differ_little_cost_little() {
    let page = page(2);
    let mut town = town(2, 13, &page);
    let said = talk(&page, 600);
    for statement in &said {
        town.houses[0].shelf.say(statement);
        town.houses[1].shelf.say(statement);
    }
    town.houses[0].shelf.say(&proposal(&page, 2, 200, "extra0", 1));
    town.houses[1].shelf.say(&proposal(&page, 3, 200, "extra1", 1));
    town.join(0, 1);
    town.until(5000, |town| is_equal(town, &page));
    for house in &town.houses {
        assert_eq!(house.came.len(), 1);
        assert!(house.asked <= 8, "{} requests", house.asked);
    }
    let ids: BTreeSet<Id> = said.iter().map(Statement::id).collect();
    assert_eq!(ids.len(), said.len());
}

/// A town of three in which the second says nothing any more when it is asked.
fn one_is_silent(seed: u64, page: &Governance) -> Town {
    let mut town = town(3, seed, page);
    town.is_open = false;
    town.join(0, 1);
    town.join(0, 2);
    town.run(5000);
    town.houses[1].lie = Some(Box::new(|_, _| None));
    town
}

/// Whether a peer owes the first house an answer that is late.
fn owes(town: &Town, of: usize) -> bool {
    let peers = town.houses[0].sync.peers();
    peers.iter().any(|peer| peer.key == node_key(of).public() && peer.owes.is_some())
}

/// T5 accepts: a peer that was killed in the middle of something holds nobody up, for another is asked as
/// well; and it is shown as silent.
#[test]
fn an_open_set_is_compared_with_another_while_one_is_silent() {
    let page = page(3);
    let id = page.page().id();
    let mut town = one_is_silent(14, &page);
    let said = talk(&page, 2);
    for (from, said) in [(1, &said[..3]), (2, &said[3..])] {
        said.iter().for_each(|statement| town.houses[from].shelf.say(statement));
        let standings = vec![standing(&town, from, &page)];
        let notice = Notice::Follow(Follow { live: true, standings }).encode();
        town.input(0, Input::Told { peer: node_key(from).public(), notice });
        town.until(5000, |town| from == 2 || owes(town, 1));
    }
    // Two open sets that differ settle first.
    town.until(4000, |town| {
        said[3..].iter().all(|said| town.houses[0].shelf.stored(&id, &said.id()).is_some())
    });
    assert!(owes(&town, 1) && !owes(&town, 2));
    town.run(NETWORK_SILENT.as_millis() as u64);
    let sync = &mut town.houses[0].sync;
    sync.set_now(Moment { unix: 0, ticks: town.ticks });
    let peers = sync.progress(&id).unwrap().peers;
    let of = |n| *peers.iter().find(|peer| peer.key == node_key(n).public()).unwrap();
    assert!(of(1).is_silent && !of(1).is_matched);
    assert!(!of(2).is_silent && of(2).is_matched, "by what the others say, nothing is lacking");
    nobody_lied(&town);
}

/// The same with seals, with what they list, and with what is new.
#[test]
fn seals_and_statements_are_asked_of_another_while_one_is_silent() {
    let page = page(3);
    let id = page.page().id();
    let mut ahead = town(1, 15, &page);
    seal_often(&mut ahead, &page, 3);
    let mut town = one_is_silent(16, &page);
    let op = proposal(&ahead.houses[0].shelf.page(&id), 0, 3, "brick", 9);
    for statement in [None, Some(&op)] {
        for from in [1, 2] {
            let shelf = &town.houses[from].shelf;
            match statement {
                None => shelf.copy(&ahead.houses[0].shelf, &id),
                Some(statement) => shelf.say(statement),
            }
            town.input(from, Input::Changed { page: id });
            town.until(3000, |town| from == 2 || owes(town, 1));
        }
        let root = standing(&town, 2, &page);
        let took = town.until(1500, |town| standing(town, 0, &page) == root);
        assert!(owes(&town, 1), "it was not waited for: {took} ms");
        // What is owed is over, and it is asked again.
        town.run(20_000);
    }
    nobody_lied(&town);
}

/// N4 accepts: a notice for which there was no room is made good within seconds, on either side.
#[test]
fn what_was_not_told_or_not_heard_is_made_good_soon() {
    let page = page(3);
    let check = |lost: &dyn Fn(&mut Town)| {
        let mut town = town(2, 17, &page);
        town.join(0, 1);
        town.run(5000);
        // The news is lost: nobody is told.
        town.houses[0].shelf.say(&proposal(&page, 0, 0, "brick", 9));
        let now = Moment { unix: town.unix(), ticks: town.ticks };
        let house = &mut town.houses[0];
        house.sync.handle(now, Input::Changed { page: page.page().id() }, &house.shelf);
        town.run(5000);
        assert!(!is_in(&town, 1, &page, "brick"));
        lost(&mut town);
        town.until(15_000, |town| is_in(town, 1, &page, "brick"));
    };
    check(&|town| town.input(0, Input::Untold { peer: node_key(1).public() }));
    check(&|town| town.input(1, Input::Unheard { peer: node_key(0).public() }));
}

/// A presence whose id is above this one, so that it is asked for after it.
fn hosting_after(page: &Governance, id: Id) -> Statement {
    let later = (1..).map(|sequence| host(page, 1, sequence)).find(|said| said.id() > id);
    later.unwrap()
}

/// T6, N8 accepts: what a node attests, though it comes before the presence that names the node, as it may where
/// statements come one by one.
#[test]
fn what_waits_for_a_statement_is_looked_for_when_that_is_here() {
    let page = page(3);
    let id = page.page().id();
    let mut town = town(2, 61, &page);
    let attested = Attestation::sign(&node_key(0), &id, &page.page().head(), BEGIN).id();
    town.houses[0].shelf.say(&hosting_after(&page, attested));
    town.input(0, Input::Wake);
    town.houses[0].shelf.attest(&id, &node_key(0), BEGIN);
    let wish = Wish { pace: Pace::Live, bytes_max: None, bytes_per_second_max: Some(700) };
    town.input(1, Input::Wish { page: id, wish });
    town.join(0, 1);
    town.until(15_000, |town| is_equal(town, &page));
    assert_eq!(town.houses[1].came[&attested], 2, "it came before what names its node");
    nobody_lied(&town);
}

/// N6 refuses: to ask for all that was put off again each time that somebody brings one thing that is new.
#[test]
fn whoever_brings_one_thing_at_a_time_has_the_rest_asked_for_again_now_and_then() {
    let page = page(3);
    let id = page.page().id();
    let mut town = town(2, 62, &page);
    // What is said of times to come is refused here, and stays there.
    town.houses[1].clock_off = -7200;
    town.houses[0].shelf.say(&host(&page, 1, 1));
    town.input(0, Input::Wake);
    town.houses[0].shelf.attest(&id, &node_key(0), BEGIN);
    let attested = Attestation::sign(&node_key(0), &id, &page.page().head(), BEGIN).id();
    town.join(0, 1);
    let said = talk(&page, 100);
    for said in &said {
        say(&mut town, 0, said);
        town.run(3000);
    }
    // In fifteen minutes: once a minute, and some more in the first.
    let came = town.houses[1].came[&attested];
    assert!((4..=28).contains(&came), "{came}");
    let each = said.iter().map(|said| town.houses[1].came[&said.id()]);
    assert!(each.max() == Some(1));
    nobody_lied(&town);
}

/// T5 accepts: a node that attests anew while what it attested before is asked of it, as whoever has just jumped
/// does: nobody is charged with that.
#[test]
fn who_attests_anew_withholds_nothing() {
    let page = page(3);
    let id = page.page().id();
    let mut lacked = 0;
    for seed in 0..40 {
        let mut town = town(2, 400 + seed, &page);
        hosting(&page).iter().for_each(|said| {
            town.houses.iter().for_each(|house| house.shelf.say(said));
        });
        town.join(0, 1);
        town.run(3000);
        let attests = |town: &mut Town, time: u64| {
            town.input(0, Input::Wake);
            town.houses[0].shelf.attest(&id, &node_key(0), BEGIN + time);
            town.input(0, Input::Changed { page: id });
        };
        attests(&mut town, 1);
        let asked = town.houses[1].asked;
        while town.houses[1].asked == asked {
            town.run(1);
        }
        attests(&mut town, 2);
        town.until(20_000, |town| is_equal(town, &page));
        lacked += town.houses[1].came_bytes.iter().filter(|(at, _)| *at > 3000).count();
        let peers = town.houses[1].sync.peers();
        assert!(peers.iter().all(|peer| peer.faults.is_empty()), "{seed}: {peers:?}");
        nobody_lied(&town);
    }
    assert!(lacked > 40, "{lacked}");
}
