//! A seal that is dated ahead: it is held, and what is said on either side of it passes (T7, N3, N4).

use super::{people::*, town::*};
use crate::{
    governance::{Governance, statement::Statement},
    id::Id,
    limits::{BEHIND_TIME, CLOCK_LOOK, SEAL_AHEAD},
    sync::{Input, Postponed},
};

/// How far ahead the clock of the host was, in seconds.
const AHEAD: u64 = 24 * 3600;

fn say(town: &mut Town, at: usize, statement: &Statement) {
    town.houses[at].shelf.say(statement);
    town.input(at, Input::Changed { page: statement.page() });
}

fn seal(town: &mut Town, id: &Id, clock: u64) {
    town.houses[0].shelf.seal(id, &node_key(0), clock);
    town.input(0, Input::Changed { page: *id });
}

/// By a clock that is right it goes on a second after the one that was ahead (S6).
fn sealed_again(town: &mut Town, id: &Id) {
    let now = town.unix();
    seal(town, id, now);
}

/// Nobody was charged with anything.
fn nobody_is_to_blame(town: &Town) {
    for (n, house) in town.houses.iter().enumerate() {
        assert_eq!(town.named(n), []);
        let faults = house.sync.peers().into_iter().flat_map(|peer| peer.faults);
        assert_eq!(faults.collect::<Vec<_>>(), []);
    }
}

fn height(town: &Town, at: usize, id: &Id) -> u64 {
    town.houses[at].shelf.page(id).page().height()
}

fn serves(town: &Town, at: usize, id: &Id, owner_text: &str, last: u8) -> bool {
    town.houses[at].shelf.page(id).ratified(&owner(owner_text)).0 == a(last)
}

/// Two say so.
fn pass(town: &mut Town, at: usize, page: &Governance, slot: u32, name: &str, last: u8) {
    let proposed = proposal(page, 1, slot, name, last);
    say(town, at, &proposed);
    for voter in 1..=2 {
        say(town, at, &approval(page, voter, 10 + u64::from(slot), &[proposed.id()]));
    }
}

/// Three in a line, of whom the first has sealed what is dated a day ahead.
fn split() -> (Town, Governance) {
    let page = page(3);
    let id = page.page().id();
    let mut town = Town::new(3, 7);
    town.houses.iter().for_each(|house| house.shelf.put(&page));
    town.line();
    hosting(&page).iter().for_each(|said| say(&mut town, 0, said));
    let now = town.unix();
    seal(&mut town, &id, now);
    town.until(20_000, |town| (0..3).all(|n| height(town, n, &id) == 1));
    let sealed = town.houses[0].shelf.page(&id);
    pass(&mut town, 0, &sealed, 0, "ahead", 1);
    let ahead = town.unix() + AHEAD;
    seal(&mut town, &id, ahead);
    (town, sealed)
}

/// T7 accepts: a seal when it is due; until then what it lists, and what is said on either side, pass.
/// T7 refuses: the seal before that.
/// N3 accepts: statements of who stands at another height, which are in its open set.
/// N4 accepts: the same where they are announced.
#[test]
fn what_is_said_passes_a_seal_that_is_held() {
    let (mut town, page) = split();
    let id = page.page().id();
    // What it seals is served by those who hold it, softly.
    town.until(20_000, |town| (0..3).all(|n| serves(town, n, &id, "ahead", 1)));
    let date = town.houses[0].shelf.page(&id).page().head().time;
    let held = |is_here| Some(Postponed { height: 2, time: date, is_here });
    let postponed = |town: &Town, n: usize| town.houses[n].sync.progress(&id).unwrap().postponed;
    assert_eq!(postponed(&town, 0), held(true));
    assert_eq!(postponed(&town, 1), held(false));
    // What those say reaches the host, and is sealed by it.
    pass(&mut town, 2, &page, 1, "held", 2);
    town.until(20_000, |town| (0..3).all(|n| serves(town, n, &id, "held", 2)));
    sealed_again(&mut town, &id);
    // What is said and sealed at the host reaches those, although nobody announces it.
    let proposed = proposal(&page, 1, 2, "host", 3);
    town.houses[0].shelf.say(&proposed);
    for voter in 1..=2 {
        town.houses[0].shelf.say(&approval(&page, voter, 20, &[proposed.id()]));
    }
    sealed_again(&mut town, &id);
    town.until(20_000, |town| (0..3).all(|n| serves(town, n, &id, "host", 3)));
    town.run(60_000);
    let heights: Vec<u64> = (0..3).map(|n| height(&town, n, &id)).collect();
    assert_eq!(heights, [4, 1, 1]);
    assert!((0..3).all(|n| !town.houses[n].sync.progress(&id).unwrap().is_in_step));
    let asked: Vec<usize> = town.houses.iter().map(|house| house.asked).collect();
    town.run(3_600_000);
    let since: Vec<usize> = town.houses.iter().map(|house| house.asked).collect();
    assert!(since.iter().zip(&asked).all(|(now, then)| now - then < 40), "{asked:?}, {since:?}");
    // And when its date comes all have one state, and nothing is lost.
    town.run((AHEAD - SEAL_AHEAD.as_secs()) * 1000 - 3_600_000);
    town.until(1_300_000, |town| (0..3).all(|n| height(town, n, &id) == 4));
    let root = |n: usize| town.houses[n].shelf.page(&id).page().state_root();
    assert_eq!([root(1), root(2)], [root(0); 2]);
    for n in 0..3 {
        for (name, last) in [("ahead", 1), ("held", 2), ("host", 3)] {
            assert!(serves(&town, n, &id, name, last), "{name} at {n}");
        }
        assert_eq!(postponed(&town, n), None);
    }
    nobody_is_to_blame(&town);
}

/// N3 accepts: what counts at the height of who is behind for long, whatever keeps them there.
/// N3 refuses: what does not count at one's own, without blaming anybody.
#[test]
fn what_counts_at_one_height_only_stays_there_and_costs_nobody_anything() {
    let (mut town, page) = split();
    let id = page.page().id();
    town.run(30_000);
    // Based on the seal that is held, it counts where that is alone.
    let newer = town.houses[0].shelf.page(&id);
    pass(&mut town, 0, &newer, 5, "only", 9);
    // Based on the one before it, it counts on both sides.
    pass(&mut town, 2, &page, 7, "held", 2);
    // Of a version that is past at the host.
    pass(&mut town, 2, &page, 6, "ahead", 8);
    town.run(10 * BEHIND_TIME.as_millis() as u64);
    assert!(serves(&town, 0, &id, "only", 9) && serves(&town, 0, &id, "ahead", 1));
    assert!((1..3).all(|n| !serves(&town, n, &id, "only", 9)));
    assert!((0..3).all(|n| serves(&town, n, &id, "held", 2)));
    nobody_is_to_blame(&town);
}

/// T7 accepts: a seal that was held by a clock that was two days slow, once that is set right.
#[test]
fn who_sets_a_slow_clock_right_is_in_step_within_seconds() {
    let page = page(3);
    let id = page.page().id();
    let mut town = Town::new(2, 7);
    town.houses.iter().for_each(|house| house.shelf.put(&page));
    town.line();
    hosting(&page).iter().for_each(|said| say(&mut town, 0, said));
    town.houses[1].clock_off = -2 * 24 * 3600;
    let now = town.unix();
    seal(&mut town, &id, now);
    town.run(300_000);
    assert_eq!([0, 1].map(|n| height(&town, n, &id)), [1, 0]);
    town.houses[1].clock_off = 0;
    town.until(CLOCK_LOOK.as_millis() as u64 + 2000, |town| height(town, 1, &id) == 1);
    nobody_is_to_blame(&town);
}

/// N5 accepts: seals that were held come due when there are more than are handed on, and the state is taken.
/// Nobody is blamed for what a jump left behind.
#[test]
fn more_seals_than_are_handed_on_come_due_and_nobody_is_to_blame() {
    let (mut town, page) = split();
    let id = page.page().id();
    town.run(30_000);
    for n in 0..70 {
        let now = town.houses[0].shelf.page(&id);
        pass(&mut town, 0, &now, 100 + n, "often", n as u8);
        sealed_again(&mut town, &id);
        town.run(1_000);
    }
    // Somebody else has said something meanwhile.
    pass(&mut town, 2, &page, 1, "held", 2);
    // By this clock they are due a little later, when the host has gone on.
    town.houses[2].clock_off = -20;
    let left =
        town.houses[0].shelf.page(&id).page().head().time - town.unix() - SEAL_AHEAD.as_secs();
    town.run(left * 1000 - 30_000);
    for n in 0..5 {
        let now = town.houses[0].shelf.page(&id);
        pass(&mut town, 0, &now, 200 + n, "often", n as u8);
        seal(&mut town, &id, now.page().head().time + 60);
        town.run(5_000);
    }
    town.until(3_000_000, |town| {
        let height = height(town, 0, &id);
        (1..3).all(|n| self::height(town, n, &id) == height)
    });
    town.run(600_000);
    nobody_is_to_blame(&town);
}
