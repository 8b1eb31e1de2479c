//! Stories of pages taken over at a seal: interrupted, restarted, handed on, and carried further.

use std::{path::Path, sync::Arc};

use djdns::{
    control::{
        history::Event,
        report::Verified,
        request::{Answer, Request},
    },
    daemon::{node::Node, surroundings::Surroundings},
    governance::jump::Snapshot,
    id::Id,
    key::SecretKey,
    page::trie::Trie,
    store::fake::{FakeDisk, Survival},
};

use super::{
    home::{Home, name},
    tale::Tale,
};

fn sealer() -> SecretKey {
    SecretKey::from_seed(&[77; 32])
}

/// A page with so many seals, each of which changes something.
fn tale(seals: u8) -> Tale {
    let mut tale = Tale::of("jumped.ct", &sealer());
    (0..seals).for_each(|n| go_on(&mut tale, n));
    tale
}

fn go_on(tale: &mut Tale, n: u8) {
    tale.pass(&format!("n{}", n % 4), n);
    tale.seal();
}

/// What a node hands to who stands at this height.
fn snapshot(node: &Node, page: &Id, above: u64) -> Snapshot {
    let held = node.page(page).unwrap();
    Snapshot {
        genesis: held.page().genesis().encode(),
        proofs: node.ladder(page).unwrap().above(above),
        state: held.page().state().clone(),
        window: node.window(page).unwrap(),
    }
}

fn leaves(snapshot: &Snapshot) -> Vec<(Id, Vec<u8>)> {
    snapshot.state.iter().map(|(key, value)| (*key, value.to_vec())).collect()
}

fn verify(home: &mut Home, page: &Id, full: bool) -> Verified {
    match home.ask(Request::Verify { page: page.to_string(), full }).unwrap() {
        Answer::Verified(verified) => verified,
        other => panic!("{other:?}"),
    }
}

fn history(home: &mut Home, page: &Id) -> Vec<Event> {
    match home.ask(Request::History { page: page.to_string() }).unwrap() {
        Answer::History(events) => events,
        other => panic!("{other:?}"),
    }
}

fn height(node: &Node, page: &Id) -> Option<u64> {
    node.page(page).map(|page| page.page().height())
}

/// N5 accepts: a state that is fetched in two goes, over a restart, and served when it is whole.
/// N5 refuses: to serve what is not whole.
/// T3 refuses: to take over what is not above what is held.
#[test]
fn a_page_is_taken_over_and_a_download_goes_on_after_a_restart() {
    let tale = tale(6);
    let id = tale.id();
    let mut giver = Home::new();
    giver.carry(&tale.bundle()).unwrap();
    let given = snapshot(&giver.node, &id, 0);
    assert_eq!(given.proofs.len(), 1);
    let all = leaves(&given);
    let home = Home::new();
    let (first, rest) = all.split_at(all.len() / 2);
    assert!(home.node.stash(&id, None, first).is_err(), "a page needs a genesis");
    home.node.stash(&id, Some(&given.genesis), first).unwrap();
    let mut home = home.reopened();
    assert_eq!(height(&home.node, &id), None);
    let stashed = home.node.stashed(&id);
    assert_eq!(stashed.genesis.as_ref(), Some(&given.genesis));
    assert_eq!(stashed.leaves.len(), first.len());
    home.node.stash(&id, None, rest).unwrap();
    home.node.adopt(&given).unwrap();
    for _ in 0..2 {
        assert_eq!(height(&home.node, &id), Some(6));
        assert!(home.node.stashed(&id).leaves.is_empty());
        let again = home.node.adopt(&given).unwrap_err().to_string();
        assert!(again.contains("(T3)"), "{again}");
        let verified = verify(&mut home, &id, false);
        assert_eq!((verified.held_from, verified.height, verified.certificates), (6, 6, 1));
        verify(&mut home, &id, true);
        let events = history(&mut home, &id);
        assert_eq!(events[0].kind, "jump");
        assert!(events[0].what.starts_with("height 6: "), "{}", events[0].what);
        home = home.reopened();
    }
    home.ask(Request::Join { name: name("jumped.ct"), page: id }).unwrap();
    // Who sealed it elsewhere has not been heard of here, so that it counts as stale (T6).
    assert_eq!(home.resolve("n1.jumped.ct"), ["NoError", "30 192.0.2.5"]);
}

/// N5, N8 accepts: what was taken over is handed on, as a snapshot and as a bundle, and carried further.
#[test]
fn a_page_that_was_taken_over_is_handed_on_and_carried_further() {
    let mut tale = tale(3);
    let id = tale.id();
    let (mut giver, mut behind) = (Home::new(), Home::new());
    behind.carry(&tale.bundle()).unwrap();
    (3..7).for_each(|n| go_on(&mut tale, n));
    giver.carry(&tale.bundle()).unwrap();
    let mut home = Home::new();
    home.node.adopt(&snapshot(&giver.node, &id, 0)).unwrap();
    // It goes on by itself.
    (7..9).for_each(|n| go_on(&mut tale, n));
    let carried = home.carry(&tale.bundle()).unwrap();
    assert_eq!((carried.outcome.as_str(), carried.seals, carried.page.height), ("newer", 2, 9));
    let mut home = home.reopened();
    verify(&mut home, &id, true);
    // To a third, who knows nothing, and to one who is far behind.
    let third = Home::new();
    third.node.adopt(&snapshot(&home.node, &id, 0)).unwrap();
    assert_eq!(height(&third.node, &id), Some(9));
    behind.node.adopt(&snapshot(&home.node, &id, 3)).unwrap();
    let mut behind = behind.reopened();
    assert_eq!(height(&behind.node, &id), Some(9));
    let verified = verify(&mut behind, &id, true);
    assert_eq!((verified.held_from, verified.seals), (9, 3));
    assert_eq!(verify(&mut behind, &id, false).certificates, 2);
    // And as bundles, of a state alone and of a history with a gap.
    for bundle in [home.bundle(&id.to_string()).0, behind.bundle(&id.to_string()).0] {
        let mut new = Home::new();
        let carried = new.carry(&bundle).unwrap();
        assert_eq!((carried.outcome.as_str(), carried.page.height), ("new", 9));
        let mut new = new.reopened();
        assert_eq!(height(&new.node, &id), Some(9));
        verify(&mut new, &id, true);
    }
    let mut old = Home::new();
    old.carry(&self::tale(2).bundle()).unwrap();
    let carried = old.carry(&home.bundle(&id.to_string()).0).unwrap();
    assert_eq!(carried.page.height, 9);
}

/// N5 accepts: a page that was not sealed yet.
#[test]
fn a_page_that_was_only_founded_is_taken_over_as_it_was_founded() {
    let tale = tale(0);
    let id = tale.id();
    let mut giver = Home::new();
    giver.carry(&tale.bundle()).unwrap();
    let given = snapshot(&giver.node, &id, 0);
    let home = Home::new();
    let mut other = given.clone();
    other.state = tale_state(&other, 1);
    assert!(home.node.adopt(&other).unwrap_err().is_fault());
    home.node.stash(&id, Some(&given.genesis), &leaves(&given)[..1]).unwrap();
    home.node.adopt(&given).unwrap();
    let home = home.reopened();
    assert_eq!(height(&home.node, &id), Some(0));
    assert_eq!(home.node.page(&id).unwrap().page().state_root(), given.state.root());
}

/// The state of a snapshot without all but so many of its leaves.
fn tale_state(snapshot: &Snapshot, len: usize) -> Trie {
    let leaves = snapshot.state.iter().take(len);
    Trie::from_pairs(leaves.map(|(key, value)| (*key, value.into())))
}

/// A node on a disk that may crash.
fn open(disk: &FakeDisk) -> Arc<Node> {
    let surroundings = Surroundings {
        disk: Arc::new(disk.clone()),
        milliseconds: Arc::new(|| 1_800_000_000_000),
        ticks: Arc::new(|| 0),
        random: Arc::new(|| [7; 32]),
        demonstration: false,
        ends_with_process: false,
    };
    Node::open_in(surroundings, Path::new("/data"), "a test", &mut |_, _, _| {}).unwrap()
}

/// Wherever the machine stops, the page is what it was or the new one, and can be taken over again.
#[test]
fn a_crash_leaves_the_old_page_or_the_new() {
    let mut tale = tale(3);
    let id = tale.id();
    let mut giver = Home::new();
    giver.carry(&tale.bundle()).unwrap();
    let first = snapshot(&giver.node, &id, 0);
    (3..6).for_each(|n| go_on(&mut tale, n));
    giver.carry(&tale.bundle()).unwrap();
    let second = snapshot(&giver.node, &id, 3);
    let check = |before: Option<&Snapshot>, jump: &Snapshot, heights: [Option<u64>; 2]| {
        let begun = || {
            let disk = FakeDisk::new();
            let node = open(&disk);
            before.iter().for_each(|before| node.adopt(before).unwrap());
            (disk, node)
        };
        let (disk, node) = begun();
        let from = disk.operations().len();
        node.adopt(jump).unwrap();
        let to = disk.operations().len();
        drop(node);
        for operation in from..to {
            let (disk, node) = begun();
            disk.crash_at(operation, 7);
            let is_done = node.adopt(jump).is_ok();
            drop(node);
            for survival in Survival::all().step_by(3) {
                let node = open(&disk.reboot(survival));
                let found = height(&node, &id);
                assert!(heights.contains(&found), "{operation}: {found:?}");
                assert!(!is_done || found == heights[1], "{operation}");
                if found == heights[0] {
                    node.adopt(jump).unwrap();
                }
                assert_eq!(height(&node, &id), heights[1], "{operation}");
            }
        }
    };
    check(None, &first, [None, Some(3)]);
    check(Some(&first), &second, [Some(3), Some(6)]);
}
