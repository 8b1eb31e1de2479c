//! Pages that only questions brought: more than may be, and what becomes of the others (N2).

use std::collections::BTreeSet;

use super::{street::Street, *};
use crate::{
    ambient,
    config::peers::Lan,
    control::{report::Kept, request::WishChange},
    daemon::{
        carry::carry,
        eviction::policy::Bounds,
        neighbours::{Neighbours, Options, remembered},
        wishes,
    },
    dns::{Answer, Lacking, path::Path as NamePath},
    limits::{ASKED_IDLE, ASKED_IDLE_REST},
    page::entry::RecordSets,
    sync::{Input, Pace, Want},
};

const BELOW: usize = 6;
const THREE: Bounds = Bounds { pages: 3, bytes: u64::MAX };
const NONE: Bounds = Bounds { pages: 0, bytes: u64::MAX };

/// A page with a record in it, and these below it.
fn linking(name: &str, links: &[(String, Id)]) -> (Id, RawPage) {
    let name = Name::parse(name).unwrap();
    let salt = Id::hash(&[name.wire()]);
    let roster = roster_rows((1..=5).map(|n| (key(n).public(), 1)));
    let row = |owner: &str, rtype, rdata: Vec<u8>| {
        let owner = Owner::parse(owner, &name).unwrap();
        let sets = RecordSets::gather([(rtype, 60, rdata)], &owner, &name).unwrap();
        (owner, sets)
    };
    let link = |(label, page): &(String, Id)| row(label, RecordType::PAGE, page.as_bytes().into());
    let address = row("www", RecordType::A, vec![192, 0, 2, 80]);
    let entries: Vec<_> = links.iter().map(link).chain([address]).collect();
    let genesis = RawGenesis::new(name.clone(), roster, Parameters::default(), BEGIN, salt);
    let (page, raw) = Page::found(genesis, entries).unwrap();
    (page.id(), raw)
}

/// Somebody who has pages, and somebody who trusts the one above them and asks.
struct Tale {
    street: Street,
    clock: Arc<AtomicU64>,
    above: Id,
    below: Vec<Id>,
}

impl Tale {
    fn begin() -> Tale {
        let clock = Arc::new(AtomicU64::new(BEGIN + 100));
        let [a, b] = [11, 12].map(|number| Home::on(FakeDisk::new(), number, &clock));
        let pages: Vec<(Id, RawPage)> =
            (0..BELOW).map(|n| linking(&format!("c{n}.ct"), &[])).collect();
        let below: Vec<Id> = pages.iter().map(|(id, _)| *id).collect();
        let links: Vec<_> =
            below.iter().enumerate().map(|(n, id)| (format!("c{n}"), *id)).collect();
        let (above, raw) = linking("ct", &links);
        a.hold(&raw);
        pages.iter().for_each(|(_, raw)| a.hold(raw));
        b.node.set_anchor(&Name::parse("ct").unwrap(), Some(above)).unwrap();
        b.node.view();
        let mut tale = Tale { street: Street::new([a, b]), clock, above, below };
        tale.street.join(0, 1);
        tale.street.want(1, above, "ct");
        tale.street.run(60);
        tale
    }

    fn node(&self) -> &Arc<Node> {
        &self.street.sides[1].home.node
    }

    /// The page that a question about this name lacks.
    fn lacks(&self, name: &str) -> Option<Id> {
        let (name, view) = (Name::parse(name).unwrap(), self.node().view().load_full());
        let path = NamePath::read(name.wire()).unwrap();
        Answer::look_up(&view, &path, RecordType::A).lacking.map(|lacking| lacking.page)
    }

    /// Somebody asks for a name in a page, which is fetched for that. A second later it is looked whether there is
    /// room; the pages that go.
    fn asks(&mut self, n: usize) -> Vec<usize> {
        let (page, name) = (self.below[n], format!("www.c{n}.ct"));
        if let Some(lacking) = self.lacks(&name) {
            assert_eq!(lacking, page);
            let (name, beacons) = (Name::parse(&format!("c{n}.ct")).unwrap(), vec![]);
            self.street.input(1, Input::Want { page, name, beacons, why: Want::Resolve });
            self.street.run(60);
        }
        assert_eq!(self.lacks(&name), None);
        self.waits(1);
        self.evicts(THREE)
    }

    fn evicts(&mut self, bounds: Bounds) -> Vec<usize> {
        let gone = self.node().evict(bounds, &BTreeSet::new());
        for page in &gone {
            self.street.input(1, Input::Changed { page: *page });
        }
        gone.iter().map(|id| self.below.iter().position(|page| page == id).unwrap()).collect()
    }

    fn waits(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    /// The one who asks starts again, with what is on the disk.
    fn restart(self) -> Tale {
        let Tale { street, clock, above, below } = self;
        let mut homes: Vec<Home> = street.sides.into_iter().map(|side| side.home).collect();
        homes[1].node.save_asked(true);
        homes[1] = homes[1].again();
        homes[1].node.view();
        let mut tale = Tale { street: Street::new(homes), clock, above, below };
        tale.street.join(0, 1);
        tale.street.run(60);
        tale
    }

    #[track_caller]
    fn holds(&self, expect: &[usize]) {
        let node = self.node();
        let is_held = |n: &usize| node.page(&self.below[*n]).is_some();
        assert_eq!((0..BELOW).filter(is_held).collect::<Vec<usize>>(), expect);
        let stored = self.below.iter().filter(|id| node.store.has(id));
        assert_eq!(stored.count(), expect.len());
        assert!(node.page(&self.above).is_some(), "what is trusted stays");
    }
}

const NOTHING: [usize; 0] = [];

/// N2 accepts: a page that only questions brought, for as long as it is asked for and there is room.
/// N2 refuses: more of them than that.
#[test]
fn of_more_pages_than_may_be_the_one_asked_for_longest_ago_goes_and_comes_back_when_asked_for() {
    let mut tale = Tale::begin();
    (0..3).for_each(|n| assert_eq!(tale.asks(n), NOTHING));
    assert_eq!(tale.asks(0), NOTHING);
    assert_eq!(tale.asks(3), [1]);
    tale.holds(&[0, 2, 3]);
    // It is whole again, and followed: what is said of it comes.
    assert_eq!(tale.asks(1), [2]);
    tale.street.check_equal(0, 1, &tale.below[1]);
    let [said, other] = [1, 2].map(|n| tale.street.sides[0].home.pass(&tale.below[n], 9, &[1]));
    tale.street.run(60);
    assert!(tale.node().stored(&tale.below[1], &said[0].id()).is_some());
    assert!(tale.node().stored(&tale.below[2], &other[0].id()).is_none(), "it is followed");
    // When they were asked for is known after a start, and nothing goes for the start itself.
    tale.waits(100);
    let mut tale = tale.restart();
    assert_eq!(tale.evicts(THREE), NOTHING);
    tale.holds(&[0, 1, 3]);
    assert_eq!(tale.asks(0), NOTHING);
    assert_eq!(tale.asks(4), [3]);
    assert_eq!(tale.asks(5), [1]);
    tale.holds(&[0, 4, 5]);
    assert_eq!(tale.evicts(NONE), [0, 4, 5]);
    tale.holds(&[]);
    tale.street.nobody_lied();
}

#[test]
fn pages_go_after_a_month_without_a_question_and_not_right_after_a_start() {
    let mut tale = Tale::begin();
    tale.asks(0);
    tale.asks(1);
    tale.waits(ASKED_IDLE.as_secs() - 10);
    tale.node().save_asked(true);
    assert_eq!(tale.asks(1), NOTHING);
    let mut tale = tale.restart();
    tale.waits(20);
    assert_eq!(tale.evicts(THREE), NOTHING, "it has just begun to run");
    tale.waits(ASKED_IDLE_REST.as_secs());
    assert_eq!(tale.evicts(THREE), [0]);
    // By a clock that is known to be ahead no month has passed.
    tale.waits(ASKED_IDLE.as_secs());
    tale.node().note_clock(-100_000);
    assert_eq!(tale.evicts(THREE), NOTHING);
    tale.node().note_clock(0);
    assert_eq!(tale.evicts(THREE), [1]);
}

#[test]
fn what_is_here_for_a_reason_stays_and_each_page_says_why_it_is_here() {
    let mut tale = Tale::begin();
    let [ct, c2] = ["ct", "c2.ct"].map(|name| Name::parse(name).unwrap());
    // Each is asked for, and tied while there is room.
    for n in 0..5 {
        tale.asks(n);
        let page = tale.below[n];
        assert_eq!(tale.node().kept(&page), Some(Kept::Asked), "{n}");
        match n {
            0 => _ = tale.street.sides[1].home.pass(&page, 7, &[]),
            1 => {
                let paused = WishChange { pace: Some(Pace::Paused), ..WishChange::default() };
                wishes::follow(tale.node(), &page.to_string(), &paused).unwrap();
            }
            2 => _ = tale.node().set_anchor(&c2, Some(page)).unwrap(),
            3 => {
                // Others named this node, and nobody here was asked about that.
                let mut presence = Presence::new(key(1).public().raw(), BEGIN + 1);
                presence.node = vec![tale.node().key().raw()];
                let said = Statement::sign(&page, Body::Presence(presence), &key(1)).unwrap();
                tale.street.sides[0].home.node.submit(&[said]).unwrap();
                tale.street.run(60);
            }
            _ => {}
        }
    }
    let reasons = |tale: &Tale| {
        let kept = tale.node().all_kept();
        let each: Vec<_> = (0..5).map(|n| kept.get(&tale.below[n]).copied()).collect();
        let one_by_one: Vec<_> = (0..5).map(|n| tale.node().kept(&tale.below[n])).collect();
        assert_eq!(each, one_by_one);
        each
    };
    let expect = [Kept::Used, Kept::Wished, Kept::Trusted, Kept::Hosted, Kept::Asked].map(Some);
    assert_eq!(reasons(&tale), expect);
    let mut tale = tale.restart();
    assert_eq!(reasons(&tale), expect);
    assert_eq!(tale.node().kept(&tale.above), Some(Kept::Trusted));
    assert_eq!(tale.evicts(Bounds { pages: 9, bytes: u64::MAX }), NOTHING);
    tale.node().set_anchor(&c2, None).unwrap();
    assert_eq!(tale.node().kept(&tale.below[2]), Some(Kept::Asked));
    assert_eq!(tale.evicts(NONE), [4, 2, 3], "the one that only names this node goes last");
    tale.holds(&[0, 1]);
    // Nothing leads from the page above to one that is here any more.
    tale.node().set_anchor(&ct, None).unwrap();
    assert_eq!(tale.node().kept(&tale.above), Some(Kept::Asked));
    assert_eq!(tale.node().kept(&tale.below[0]), Some(Kept::Used));
}

/// N2 accepts: a page that a person brings by hand, after questions brought it, be there anything new in it or not.
#[test]
fn a_page_that_questions_brought_stays_once_a_person_brings_it_too() {
    let mut tale = Tale::begin();
    (0..3).for_each(|n| assert_eq!(tale.asks(n), NOTHING));
    let expect = [("nothing", 0), ("newer", 2)];
    for (n, expect) in expect.into_iter().enumerate() {
        let (page, giver) = (tale.below[n], &tale.street.sides[0].home);
        if n == 1 {
            giver.pass(&page, 9, &[1]);
        }
        for expect in [expect, ("nothing", 0)] {
            let whole = giver.node.read_whole(&page).unwrap();
            let carried = carry(tale.node(), whole, &mut |_, _, _| {}).unwrap();
            assert_eq!((carried.outcome.as_str(), carried.statements), expect);
            assert_eq!(carried.page.kept, Some(Kept::Brought));
        }
    }
    for _ in 0..2 {
        let kept = tale.node().all_kept();
        let expect = [Kept::Brought, Kept::Brought, Kept::Asked];
        assert_eq!([0, 1, 2].map(|n| kept[&tale.below[n]]), expect);
        tale = tale.restart();
    }
    assert_eq!(tale.evicts(NONE), [2]);
    tale.holds(&[0, 1]);
}

#[test]
fn what_is_left_of_a_download_goes_as_a_page_does_and_not_while_it_is_fetched() {
    let mut tale = Tale::begin();
    let (id, raw) = linking("c9.ct", &[]);
    Node::stash(tale.node(), &id, Some(&raw.genesis), &[]).unwrap();
    tale.asks(0);
    let node = tale.node().clone();
    assert_eq!(node.evict(NONE, &[id].into()), [tale.below[0]]);
    assert!(node.store.has(&id));
    assert_eq!(node.evict(NONE, &BTreeSet::new()), [id]);
    assert!(!node.store.has(&id) && node.stashed(&id).genesis.is_none());
    // One that is trusted is waited for.
    Node::stash(&node, &id, Some(&raw.genesis), &[]).unwrap();
    node.set_anchor(&Name::parse("c9.ct").unwrap(), Some(id)).unwrap();
    assert!(node.evict(NONE, &BTreeSet::new()).is_empty());
}

/// N2 refuses: names that the page above does not link; nothing of them is sought or kept.
#[test]
fn a_flood_of_names_that_are_no_pages_brings_nothing() {
    let tale = Tale::begin();
    let node = tale.node();
    let before = tale.street.sides[1].home.disk.operations().len();
    for n in 0..1000 {
        assert_eq!(tale.lacks(&format!("www.none{n}.ct")), None);
    }
    assert!(node.evict(THREE, &BTreeSet::new()).is_empty());
    assert_eq!(node.store.pages().unwrap(), [tale.above]);
    assert_eq!(tale.street.sides[1].home.disk.operations().len(), before);
    // What is linked is sought.
    assert_eq!(tale.lacks("www.c0.ct"), Some(tale.below[0]));
}

/// Waits until something is so, for half a minute.
#[track_caller]
fn waits_until(what: impl Fn() -> String, is_so: impl Fn() -> bool) {
    let begun = ambient::ticks();
    while !is_so() {
        assert!(ambient::ticks() - begun < 30_000, "{}", what());
        ambient::pause(std::time::Duration::from_millis(5));
    }
}

/// Starts to keep a node in step with others, and says where it is reached.
fn starts(node: &Arc<Node>, to: Option<&str>, pages: usize) -> (Arc<Neighbours>, String) {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let at = socket.local_addr().unwrap().to_string();
    let contacts = to.map(|to| to.parse().unwrap()).into_iter().collect();
    let asked_max = Bounds { pages, ..THREE };
    let known = remembered(node);
    let options = Options { contacts, lan: Lan::Off, port_mapping: None, asked_max };
    (Neighbours::start(node, vec![socket], known, options).unwrap(), at)
}

/// The same between real drivers: it is looked by itself whether there is room, and stopping writes what was
/// asked for.
#[test]
fn the_driver_lets_go_of_pages_by_itself_and_remembers_them_over_a_start() {
    let Tale { street, clock, above, below } = Tale::begin();
    let homes: Vec<Home> = street.sides.into_iter().map(|side| side.home).collect();
    let [a, mut b] = <[Home; 2]>::try_from(homes).ok().unwrap();
    let (giving, at) = starts(&a.node, None, 9);
    let fetches = |driver: &Neighbours, n: usize| {
        clock.fetch_add(1, Ordering::Relaxed);
        let lacking = Lacking { page: below[n], name: Name::parse(&format!("c{n}.ct")).unwrap() };
        waits_until(|| format!("{n} comes"), || driver.fetch_now(&lacking));
    };
    let holds = |home: &Home, expect: &[usize]| {
        let held = || (0..BELOW).filter(|n| home.node.page(&below[*n]).is_some());
        let told = || format!("it holds {:?}, not {expect:?}", held().collect::<Vec<_>>());
        waits_until(told, || held().eq(expect.iter().copied()));
        // It was looked whether there is room since they came, by the clock of then.
        let is_noted = |n: &usize| home.node.asked().of(&below[*n]).is_some();
        waits_until(|| "each is noted".to_owned(), || expect.iter().all(is_noted));
        assert!(home.node.page(&above).is_some());
    };
    for round in [[0, 1, 2], [0, 1, 3]] {
        let (driver, _) = starts(&b.node, Some(&at), 2);
        fetches(&driver, round[2]);
        holds(&b, if round[2] == 2 { &[2] } else { &[1, 3] });
        fetches(&driver, round[0]);
        holds(&b, if round[2] == 2 { &[0, 2] } else { &[0, 3] });
        fetches(&driver, round[1]);
        holds(&b, &[0, 1]);
        driver.stop();
        b = b.again();
        b.node.view();
    }
    giving.stop();
}
