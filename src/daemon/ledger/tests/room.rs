//! Disks without room for a page that is wanted, and downloads that are let go of.

use super::{street::Street, *};
use crate::{
    daemon::carry::forget,
    limits::{ROOM_WAIT, ROOM_WAIT_MAX},
    page::entry::RecordSets,
    sync::Event,
};

/// A page that takes so many entries of about a hundred bytes.
fn large(name: &str, entries: u32) -> (Id, RawPage) {
    let name = Name::parse(name).unwrap();
    let roster = roster_rows((1..=5).map(|n| (key(n).public(), 1)));
    let salt = Id::hash(&[name.wire()]);
    let entry = |n: u32| {
        let owner = Owner::parse(&format!("e{n}"), &name).unwrap();
        let record = (RecordType::A, 60, Ipv4Addr::from(n).octets().to_vec());
        (owner.clone(), RecordSets::gather([record], &owner, &name).unwrap())
    };
    let contents: Vec<_> = (0..entries).map(entry).collect();
    let genesis = RawGenesis::new(name.clone(), roster, Parameters::default(), BEGIN, salt);
    let (page, raw) = Page::found(genesis, contents).unwrap();
    (page.id(), raw)
}

/// N5 refuses: to take the room of what is here for what does not fit.
#[test]
fn a_page_that_does_not_fit_takes_no_room_from_those_that_are_here_and_comes_once_there_is_some() {
    let clock = Arc::new(AtomicU64::new(BEGIN + 100));
    let (small, small_raw) = found("duo.ct");
    let (big, big_raw) = large("club.ct", 3000);
    let [a, b] = [11, 12].map(|number| Home::on(FakeDisk::new(), number, &clock));
    [&small_raw, &big_raw].into_iter().for_each(|raw| a.hold(raw));
    a.host(&small);
    let disk = b.disk.clone();
    let mut street = Street::new([a, b]);
    street.join(0, 1);
    street.want(1, small, "duo.ct");
    street.run(60);
    street.check_equal(0, 1, &small);
    let before = disk.used();
    disk.set_space(Some(before + 60_000));
    street.want(1, big, "club.ct");
    street.run(ROOM_WAIT.as_secs() / 2);
    assert_eq!(street.height(1, &big), None);
    assert_eq!(disk.used(), before, "what was fetched is given back");
    let stuck = |street: &Street| {
        let events = street.sides[1].events.iter();
        let is_stuck = |event: &&Event| matches!(event, Event::Stuck { page, why } if *page == big && why.contains("full"));
        events.filter(is_stuck).count()
    };
    assert_eq!(stuck(&street), 1, "{:?}", street.sides[1].events);
    // The page that is here goes on.
    clock.fetch_add(61, Ordering::Relaxed);
    street.sides[0].home.pass(&small, 7, &[1, 2, 3]);
    street.run(1);
    street.check_equal(0, 1, &small);
    // It is tried ever more seldom.
    street.run(6 * ROOM_WAIT_MAX.as_secs());
    let tries = stuck(&street);
    assert!((6..=16).contains(&tries), "{tries}");
    disk.set_space(None);
    street.run(2 * ROOM_WAIT_MAX.as_secs());
    street.check_equal(0, 1, &big);
    street.nobody_lied();
}

/// What was fetched of a page is let go of by the name that it is trusted for, and is no damaged page.
#[test]
fn what_was_fetched_of_a_page_is_forgotten_by_its_name() {
    let clock = Arc::new(AtomicU64::new(BEGIN + 100));
    let (id, raw) = large("club.ct", 1);
    let node = Home::on(FakeDisk::new(), 12, &clock).node;
    let name = Name::parse("club.ct").unwrap();
    let is_told = |forgotten: &str| {
        let failure = forget(&node, &"club.ct".to_owned(), false).unwrap_err();
        assert!(failure.message.contains(forgotten), "{failure}");
    };
    is_told("there is no page `club.ct`");
    node.set_anchor(&name, Some(id)).unwrap();
    is_told("--untrust");
    for selector in ["club.ct".to_owned(), id.to_string()] {
        Node::stash(&node, &id, Some(&raw.genesis), &[]).unwrap();
        let forgotten = forget(&node, &selector, false).unwrap();
        assert!(forgotten.unfinished && forgotten.trusted.is_some(), "{forgotten:?}");
        assert_eq!(forgotten.name.as_deref(), Some("club.ct."));
        assert!(node.stashed(&id).genesis.is_none());
    }
    Node::stash(&node, &id, Some(&raw.genesis), &[]).unwrap();
    let forgotten = forget(&node, &"club.ct".to_owned(), true).unwrap();
    assert!(forgotten.unfinished && forgotten.trusted.is_none(), "{forgotten:?}");
    assert_eq!(forgotten.name.as_deref(), Some("club.ct."));
    assert!(node.anchors().is_empty());
}

/// A page is let go of between the end of its download and the moment in which it is shown.
#[test]
fn a_page_that_was_let_go_of_meanwhile_is_not_shown() {
    let clock = Arc::new(AtomicU64::new(BEGIN + 100));
    let (id, raw) = large("club.ct", 1);
    let home = Home::on(FakeDisk::new(), 12, &clock);
    home.hold(&raw);
    let page = home.page(&id);
    forget(&home.node, &id.to_string(), true).unwrap();
    home.node.show(page);
    assert!(home.node.page(&id).is_none());
}

#[test]
fn a_full_disk_is_known_until_something_finds_room() {
    let clock = Arc::new(AtomicU64::new(BEGIN + 100));
    let home = Home::on(FakeDisk::new(), 12, &clock);
    let trust = |name: &str| {
        let name = Name::parse(name).unwrap();
        home.node.set_anchor(&name, Some(Id::hash(&[name.wire()]))).is_ok()
    };
    assert!(trust("one.ct") && !home.node.store.is_full());
    home.disk.set_space(Some(home.disk.used()));
    assert!(!trust("two.ct") && home.node.store.is_full());
    home.disk.set_space(None);
    assert!(trust("two.ct") && !home.node.store.is_full());
}
