//! What a peer cannot do by saying much (N6).

use super::{people::*, stories::seal_often, town::*};
use crate::{
    id::Id,
    limits::*,
    sync::{
        Event, Input, Ledger,
        message::{Follow, News, Notice, Standing},
    },
};

fn ids(from: u32, count: u32) -> Vec<Id> {
    let mut ids: Vec<Id> = (from..from + count).map(|n| Id::hash(&[&n.to_be_bytes()])).collect();
    ids.sort_unstable();
    ids
}

/// N6 refuses: a hundred thousand ids of what does not exist. The rest of the world goes on.
#[test]
fn a_hundred_thousand_invented_ids_hurt_nobody() {
    let page = page(30);
    let id = page.page().id();
    let mut town = Town::new(3, 41);
    town.houses.iter().for_each(|house| house.shelf.put(&page));
    town.join(0, 1);
    town.join(0, 2);
    town.run(5000);
    let standing = Standing::of(&town.houses[1].shelf.held(&id).unwrap());
    let peer = node_key(1).public();
    for n in 0..100_000 / NEWS_IDS_MAX as u32 {
        let ids = ids(n * NEWS_IDS_MAX as u32, NEWS_IDS_MAX as u32);
        let standing = Standing { open: Id::hash(&[&n.to_be_bytes()]), ..standing };
        let notice = Notice::News(News { standing, ids }).encode();
        town.input(0, Input::Told { peer, notice });
        let lacking = town.houses[0].sync.progress(&id).unwrap().lacking;
        assert!(lacking <= DUE_PER_PEER_MAX, "{lacking}");
        town.run(5);
    }
    let op = proposal(&page, 0, 0, "brick", 1);
    town.houses[2].shelf.say(&op);
    town.input(2, Input::Changed { page: id });
    town.until(5000, |town| town.houses[0].shelf.stored(&id, &op.id()).is_some());
    town.run(120_000);
    assert!(!town.is_linked(0, 1), "it has no credit left");
    assert!(town.is_linked(0, 2));
    assert_eq!(town.named(0), [], "it may be mistaken");
}

/// N6 refuses: standings on pages that are not followed here take no room, and endless ones no time.
#[test]
fn endless_lists_of_other_pages_take_no_room() {
    let page = page(3);
    let mut town = Town::new(2, 42);
    town.houses.iter().for_each(|house| house.shelf.put(&page));
    town.join(0, 1);
    town.run(3000);
    let peer = node_key(1).public();
    for n in 0..200u32 {
        let pages = ids(n * 128, 128);
        let standings = pages
            .into_iter()
            .map(|page| Standing { page, height: 1, seal: page, open: page })
            .collect();
        let notice = Notice::Follow(Follow { live: true, standings }).encode();
        town.input(0, Input::Told { peer, notice });
    }
    let reports = town.houses[0].sync.peers();
    assert!(reports.iter().all(|row| row.pages == [page.page().id()]));
    assert!(!town.is_linked(0, 1), "nobody listens to so much");
}

/// N6 refuses: a notice that is none.
#[test]
fn a_notice_that_is_none_is_named() {
    let mut town = Town::new(2, 43);
    town.join(0, 1);
    town.run(100);
    town.input(0, Input::Told { peer: node_key(1).public(), notice: vec![0xc1; 9] });
    assert!(town.named(0)[0].1.contains("a notice"));
}

/// N6 accepts: as many peers as there is room for.
/// N6 refuses: one more.
#[test]
fn there_is_room_for_so_many_peers() {
    let mut town = Town::new(1, 44);
    let house = &mut town.houses[0];
    for n in 0..=PEERS_MAX {
        let peer =
            crate::key::SecretKey::from_seed(Id::hash(&[&n.to_be_bytes()]).as_bytes()).public();
        let now = crate::sync::Moment { unix: BEGIN, ticks: n as u64 };
        let joined = Input::Joined { peer, address: address(n), outbound: false };
        let outputs = house.sync.handle(now, joined, &house.shelf);
        let is_closed =
            outputs.iter().any(|output| matches!(output, crate::sync::Output::Close { .. }));
        assert_eq!(is_closed, n == PEERS_MAX, "{n}");
    }
    assert_eq!(house.sync.peers().len(), PEERS_MAX);
    // Whom the node calls itself has a share that nobody else can fill (N7).
    let now = crate::sync::Moment { unix: BEGIN, ticks: 1000 };
    let joined = Input::Joined { peer: node_key(1).public(), address: address(1), outbound: true };
    house.sync.handle(now, joined, &house.shelf);
    assert_eq!(house.sync.peers().len(), PEERS_MAX + 1);
}

/// N6 accepts: whoever comes back, and whoever broke one rule once.
/// N6 refuses: whoever breaks rules again and again, under one key, also by coming anew each time.
#[test]
fn coming_again_makes_nothing_good() {
    let mut town = Town::new(2, 46);
    let house = &mut town.houses[0];
    let peer = node_key(1).public();
    let mut ticks = 0;
    let mut tell = |input| {
        ticks += 10;
        let now = crate::sync::Moment { unix: BEGIN, ticks };
        house.sync.handle(now, input, &house.shelf)
    };
    let mut visit = |is_honest: bool| {
        let joined = Input::Joined { peer, address: address(1), outbound: false };
        let outputs = tell(joined);
        let is_let_in =
            !outputs.iter().any(|output| matches!(output, crate::sync::Output::Close { .. }));
        let mut outputs = Vec::new();
        if !is_honest {
            outputs = tell(Input::Misbehaved { peer, what: "too many requests".to_owned() });
        }
        tell(Input::Left { peer });
        let is_told = |output: &crate::sync::Output| {
            matches!(output, crate::sync::Output::Event(Event::LetGo { .. }))
        };
        (is_let_in, outputs.iter().any(is_told))
    };
    for _ in 0..10 {
        assert_eq!(visit(true), (true, false));
    }
    assert_eq!(visit(false), (true, false));
    assert_eq!(visit(true), (true, false));
    assert_eq!(visit(false), (true, true));
    assert_eq!(visit(true), (false, false));
}

/// The same seed, inputs and ledger give the same outputs.
#[test]
fn the_machine_is_a_function_of_what_it_is_told() {
    let run = || {
        let page = page(30);
        let mut town = Town::new(4, 45);
        town.houses.iter().for_each(|house| house.shelf.put(&page));
        seal_often(&mut town, &page, 3);
        town.lost = 20;
        town.mesh();
        town.run(60_000);
        let told: Vec<(usize, usize)> =
            town.houses.iter().map(|house| (house.told_bytes, house.asked)).collect();
        let events: Vec<Vec<Event>> =
            town.houses.iter().map(|house| house.events.clone()).collect();
        (told, events)
    };
    assert_eq!(run(), run());
}
