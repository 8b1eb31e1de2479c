//! Stories of bundles brought by hand: newer, older, contradicting, and damaged in every way.

use std::fs;

use djdns::{
    control::{
        history::Event,
        report::{Carried, PageReport, Status, Verified},
        request::{Answer, Failure, FailureKind, Request},
    },
    daemon::whole::{Check, Note, WholePage},
    governance::{Governance, ballot::Choice},
    id::Id,
    key::SecretKey,
    limits::CHAIN_WINDOW_SEALS,
    page::{Page, bundle},
    store::{Record, Store, disk::RealDisk},
};

use super::{
    home::{Home, key, name},
    tale::{Tale, write},
};

/// The node that seals in these stories; none that is opened here.
fn sealer() -> SecretKey {
    SecretKey::from_seed(&[77; 32])
}

/// A page at height 2 that has seen every kind of statement but a batch.
fn tale() -> Tale {
    let mut tale = Tale::of("carried.ct", &sealer());
    tale.pass("brick", 1);
    tale.seal();
    tale.pass("brick", 2);
    tale.pass("www", 3);
    tale.seal();
    tale
}

fn verify(home: &mut Home, page: &Id, full: bool) -> Result<Verified, Failure> {
    match home.ask(Request::Verify { page: page.to_string(), full })? {
        Answer::Verified(verified) => Ok(verified),
        other => panic!("{other:?}"),
    }
}

fn history(home: &mut Home, page: &Id) -> Vec<Event> {
    match home.ask(Request::History { page: page.to_string() }).unwrap() {
        Answer::History(events) => events,
        other => panic!("{other:?}"),
    }
}

fn status(home: &mut Home) -> Status {
    match home.ask(Request::Status).unwrap() {
        Answer::Status(status) => status,
        other => panic!("{other:?}"),
    }
}

fn report(home: &mut Home, page: &Id) -> PageReport {
    match home.ask(Request::Page { page: page.to_string() }).unwrap() {
        Answer::Page(report) => report,
        other => panic!("{other:?}"),
    }
}

fn came_to(carried: &Carried) -> (&str, usize, usize, u64) {
    (&carried.outcome, carried.seals, carried.statements, carried.page.height)
}

/// N8 accepts: a bundle of a page that is not held, and what is new of one that is.
/// T1 accepts: a page checked by fewer certificates than it has seals.
#[test]
fn a_page_is_carried_on_from_bundle_to_bundle() {
    let mut tale = tale();
    let mut home = Home::new();
    let carried = home.carry(&tale.bundle()).unwrap();
    assert_eq!(came_to(&carried), ("new", 2, 14, 2));
    tale.pass("new", 4);
    tale.seal();
    let soft = tale.pass("soft", 5);
    let carried = home.carry(&tale.bundle()).unwrap();
    assert_eq!(came_to(&carried), ("newer", 1, 6, 3));
    let id = tale.id();
    for _ in 0..2 {
        assert_eq!(home.bundle(&id.to_string()).0, tale.bundle());
        assert_eq!(home.operation(&id.to_string(), soft).state, "ratified");
        let verified = verify(&mut home, &id, false).unwrap();
        assert_eq!((verified.seals, verified.certificates, verified.height), (3, 1, 3));
        let verified = verify(&mut home, &id, true).unwrap();
        assert_eq!((verified.seals, verified.certificates, verified.signatures), (3, 3, 23));
        home = home.reopened();
    }
    let join = Request::Join { name: name("carried.ct"), page: id };
    home.ask(join).unwrap();
    // Who sealed it elsewhere has not been heard of here, so that it counts as stale (T6).
    assert_eq!(home.resolve("new.carried.ct"), ["NoError", "30 192.0.2.4"]);
    tale.pass("new", 6);
    home.carry(&tale.bundle()).unwrap();
    tale.seal();
    home.carry(&tale.bundle()).unwrap();
    assert_eq!(home.resolve("new.carried.ct"), ["NoError", "30 192.0.2.6"]);
}

/// T1 accepts: a long chain, some hundred seals at a time.
#[test]
fn a_long_page_is_verified_with_a_few_certificates() {
    let mut tale = Tale::of("carried.ct", &sealer());
    let seals = CHAIN_WINDOW_SEALS + 3;
    for n in 0..seals {
        tale.pass(&format!("n{}", n % 9), (n % 250) as u8);
        tale.seal();
    }
    let mut home = Home::new();
    home.carry(&tale.bundle()).unwrap();
    let verified = verify(&mut home, &tale.id(), false).unwrap();
    assert_eq!((verified.seals, verified.certificates), (seals, 2));
}

/// T3 accepts: a higher seal of the same chain.
/// T3 refuses: to go back with an older bundle, which changes nothing and is no mistake.
#[test]
fn an_older_bundle_changes_nothing() {
    let mut tale = tale();
    let old = tale.bundle();
    tale.pass("new", 4);
    tale.seal();
    let mut home = Home::new();
    home.carry(&tale.bundle()).unwrap();
    let log = home.log(&tale.id());
    let before = fs::read(&log).unwrap();
    for bundle in [&old, &tale.bundle()] {
        let carried = home.carry(bundle).unwrap();
        assert_eq!(came_to(&carried), ("nothing", 0, 0, 3));
        assert_eq!(fs::read(&log).unwrap(), before);
    }
    assert_eq!(report(&mut home, &tale.id()).seal, tale.page.page().seal().to_string());
}

/// N8 accepts: the same bundle again, wherever its reader stood before; nothing of it is new then.
#[test]
fn what_was_carried_once_is_not_new_again() {
    let mut tale = Tale::of("carried.ct", &sealer());
    let said = tale.three_in_one_slot("brick");
    assert!(tale.page.proposal(&said[0]).is_none());
    [3, 4].iter().for_each(|who| tale.vote(*who, said[0], Choice::Approve));
    tale.vote(5, said[1], Choice::Approve);
    tale.vote(4, said[2], Choice::Approve);
    tale.pass("www", 3);
    tale.seal();
    let again = tale.three_in_one_slot("other");
    tale.vote(3, said[0], Choice::Reject);
    tale.vote(3, again[0], Choice::Reject);
    tale.vote(4, said[2], Choice::Reject);
    tale.pass("www", 4);
    tale.seal();
    tale.vote(5, said[0], Choice::Approve);
    tale.vote(5, said[2], Choice::Reject);
    let records = tale.records();
    for held in 2..=records.len() {
        let mut home = Home::new();
        home.carry(&write(&records[..held])).unwrap();
        home.carry(&tale.bundle()).unwrap();
        for _ in 0..2 {
            let carried = home.carry(&tale.bundle()).unwrap();
            assert_eq!(came_to(&carried), ("nothing", 0, 0, 2), "{held}");
            home = home.reopened();
        }
    }
}

/// What was said on both sides is there afterwards, and a seal may rest on what counts no longer.
#[test]
fn what_both_sides_said_comes_together() {
    let mut tale = tale();
    let mut here = Home::new();
    here.carry(&tale.bundle()).unwrap();
    let id = tale.id();
    let page = id.to_string();
    let theirs = tale.pass("theirs", 4);
    here.carry(&tale.bundle()).unwrap();
    // Here the second voter takes its ballot back, which nobody there hears of before the seal.
    here.vote(&page, &key(2), theirs, Choice::Withdraw);
    assert_eq!(here.operation(&page, theirs).state, "open");
    let ours = here.propose(&page, &key(3), "ours", &["60 A 192.0.2.9"]);
    tale.vote(3, theirs, Choice::Approve);
    tale.vote(2, theirs, Choice::Approve);
    tale.seal();
    let carried = here.carry(&tale.bundle()).unwrap();
    assert_eq!((carried.outcome.as_str(), carried.seals, carried.page.height), ("newer", 1, 3));
    for _ in 0..2 {
        assert_eq!(here.operation(&page, ours).state, "open");
        assert_eq!(verify(&mut here, &id, true).unwrap().height, 3);
        here = here.reopened();
    }
}

/// Two pages of one name are two pages, and a demonstration page comes from nobody.
#[test]
fn what_is_carried_passes_the_same_doors_as_anything_else() {
    let mut home = Home::new();
    let (demonstration, _) = home.bundle("ff.ct");
    let failure = home.carry(&demonstration).unwrap_err();
    assert!(failure.message.contains("accepted from nobody"), "{failure}");
}

/// A page that two copies of one node's key sealed apart, and its two homes.
fn forked() -> (Tale, Tale) {
    let mut one = Tale::of("forked.ct", &sealer());
    let mut two = one.clone();
    one.pass("brick", 1);
    one.seal();
    two.pass("brick", 2);
    two.seal();
    two.pass("www", 3);
    two.seal();
    (one, two)
}

/// T4 accepts: two certificates for one height as evidence, kept once and shown.
/// T4 refuses: to follow either further, whatever is brought, until a person decides.
#[test]
fn a_forked_page_stays_as_it_was_until_somebody_decides() {
    let (mut one, two) = forked();
    let id = one.id();
    let mut home = Home::new();
    home.carry(&one.bundle()).unwrap();
    home.ask(Request::Join { name: name("forked.ct"), page: id }).unwrap();
    // Who sealed it elsewhere has not been heard of here, so that it counts as stale (T6).
    assert_eq!(home.resolve("brick.forked.ct"), ["NoError", "30 192.0.2.1"]);
    let carried = home.carry(&two.bundle()).unwrap();
    assert_eq!(came_to(&carried), ("fork", 0, 0, 1));
    assert_eq!(carried.page.forked, Some(1));
    let log = fs::read(home.log(&id)).unwrap();
    assert_eq!(home.carry(&two.bundle()).unwrap().outcome, "fork");
    assert_eq!(fs::read(home.log(&id)).unwrap(), log, "the same evidence is kept once");
    let (ours, theirs) = (one.page.page().seal().to_string(), two.said_seal(1));
    one.pass("later", 9);
    for _ in 0..2 {
        assert_eq!(report(&mut home, &id).seal, ours);
        assert_eq!(report(&mut home, &id).summary.forked, Some(1));
        assert_eq!(home.resolve("brick.forked.ct"), ["NoError", "30 192.0.2.1"]);
        let fork = history(&mut home, &id).into_iter().find(|event| event.kind == "fork").unwrap();
        assert_eq!(fork.id, theirs);
        let seal = fork.seal.unwrap();
        let held = seal.contradicts.unwrap();
        assert_eq!((held.seal.as_str(), seal.height), (ours.as_str(), 1));
        assert_eq!((seal.signers.len(), held.signers.len()), (5, 5));
        let status = status(&mut home);
        assert!(status.health.contains("two histories"), "{}", status.health);
        let is_it = |text: &String| text.contains("is forked") && text.contains("page choose");
        assert!(status.notices.iter().any(is_it), "{:?}", status.notices);
        assert!(home.explain("brick.forked.ct").why.iter().any(is_it));
        let failure = home.carry(&one.bundle()).unwrap_err();
        assert!(failure.message.contains("is forked"), "{failure}");
        assert!(verify(&mut home, &id, true).unwrap().forked.as_ref().is_some_and(is_it));
        let resolve = Request::Resolve {
            name: name("brick.forked.ct"),
            rtype: "A".parse().unwrap(),
            offline: false,
        };
        let Answer::Resolved(resolved) = home.ask(resolve).unwrap() else { panic!() };
        assert_eq!(resolved.pages.last().unwrap().forked, Some(1));
        let named = "forked.ct. is forked: two seals of height 1 contradict each other";
        assert_eq!(resolved.notes, [named]);
        home = home.reopened();
    }
    // The other history is chosen.
    let chosen = home.choose("forked.ct", &theirs);
    assert_eq!((chosen.gone, chosen.page.height, chosen.page.forked), (1, 0, None));
    assert_eq!(came_to(&home.carry(&two.bundle()).unwrap()), ("newer", 2, 6, 2));
    for _ in 0..2 {
        assert_eq!(home.resolve("brick.forked.ct"), ["NoError", "30 192.0.2.2"]);
        assert_eq!(report(&mut home, &id).summary.forked, None);
        let kinds: Vec<String> =
            history(&mut home, &id).into_iter().map(|event| event.kind).collect();
        assert!(
            ["decision", "fork"].iter().all(|kind| kinds.iter().any(|k| k == kind)),
            "{kinds:?}"
        );
        // What was decided against is not a fork any more, and not followed.
        let failure = home.carry(&one.bundle()).unwrap_err();
        assert!(failure.message.contains("`djdns page choose forked.ct. "), "{failure}");
        assert_eq!(verify(&mut home, &id, true).unwrap().forked, None);
        // What it has can be carried elsewhere.
        let (bundle, _) = home.bundle("forked.ct");
        assert_eq!(came_to(&Home::new().carry(&bundle).unwrap()).0, "new");
        home = home.reopened();
    }
    // A page that is forgotten is forgotten with what was decided.
    assert!(home.forget("forked.ct").trusted.is_some());
    assert_eq!(home.resolve("brick.forked.ct"), ["ServFail"]);
    assert_eq!(came_to(&home.carry(&one.bundle()).unwrap()).0, "new");
    assert_eq!(home.carry(&two.bundle()).unwrap().outcome, "fork");
    let chosen = home.choose("forked.ct", &one.said_seal(1));
    assert_eq!((chosen.gone, chosen.page.forked), (0, None));
    assert_eq!(home.resolve("brick.forked.ct"), ["NoError", "30 192.0.2.1"]);
    one.seal();
    assert_eq!(came_to(&home.carry(&one.bundle()).unwrap()).0, "newer");
}

/// T4 accepts: the same with two nodes that have the same key, and seal by themselves.
#[test]
fn two_nodes_with_one_key_fork_a_page_and_then_seal_no_more() {
    let mut here = Home::new();
    let there = Home::new();
    fs::copy(here.file("node.key"), there.file("node.key")).unwrap();
    let mut there = there.reopened();
    assert_eq!(here.node.key(), there.node.key());
    let (mut tale, node) = (Tale::of("forked.ct", &sealer()), here.node.key());
    tale.said.clear();
    let page = tale.id().to_string();
    here.carry(&tale.bundle()).unwrap();
    there.carry(&tale.bundle()).unwrap();
    for (home, last) in [(&mut here, 1), (&mut there, 2)] {
        let change = home.change(&page, &key(1), "brick", &[&format!("60 A 192.0.2.{last}")]);
        let ballots = [1, 2].map(|who| home.ballot(&page, &key(who), change.id(), Choice::Approve));
        home.submit(&[&change, &ballots[0], &ballots[1]]).unwrap();
        let hosts: Vec<_> = (1..=5).map(|who| home.presence(&page, &key(who), &node)).collect();
        home.submit(&hosts.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(home.page(&page).height, 1, "sealed at once, years after the founding");
    }
    let (file, _) = there.bundle(&page);
    assert_eq!(came_to(&here.carry(&file).unwrap()), ("fork", 0, 0, 1));
    let events = history(&mut here, &tale.id());
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds[..2], ["fork", "seal"]);
    assert_eq!(events[0].seal.as_ref().unwrap().contradicts.as_ref().unwrap().seal, events[1].id);
    let by = format!("5 signed both, by the one node key {}", node.stub());
    assert!(events[0].what.ends_with(&by), "{by}: {}", events[0].what);
    // Nothing further is said on it: not by participants, and not by the node.
    let change = here.change(&page, &key(1), "www", &["60 A 192.0.2.3"]);
    let host = here.presence(&page, &key(1), &node);
    for said in [&change, &host] {
        let failure = here.submit(&[said]).unwrap_err();
        assert!(failure.message.contains("is forked: at height 1"), "{failure}");
    }
    here.node.seal_due();
    assert_eq!((here.page(&page).height, here.page(&page).open_operations), (1, 0));
}

/// S6 refuses: to seal while a page is only brought, or looked at; a copy may do the same.
#[test]
fn what_is_due_is_sealed_by_who_signs_and_by_nobody_who_looks() {
    let mut home = Home::new();
    let mut tale = Tale::of("carried.ct", &sealer());
    tale.said.clear();
    let page = tale.id().to_string();
    home.carry(&tale.bundle()).unwrap();
    let node = home.node.key();
    let mut home = home.reopened();
    let hosts: Vec<_> = (1..=4).map(|who| home.presence(&page, &key(who), &node)).collect();
    hosts.iter().for_each(|host| tale.said.push((host.kind() as u8, host.bytes().to_vec())));
    home.carry(&tale.bundle()).unwrap();
    let mut home = home.reopened();
    verify(&mut home, &tale.id(), true).unwrap();
    status(&mut home);
    assert_eq!(home.page(&page).height, 0, "years after the founding");
    // The seal comes first, and what was made without it is made anew.
    let change = home.change(&page, &key(1), "brick", &["60 A 192.0.2.1"]);
    let failure = home.submit(&[&change]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Overtaken);
    assert_eq!((home.page(&page).height, home.page(&page).open_operations), (1, 0));
    home.propose(&page, &key(1), "brick", &["60 A 192.0.2.1"]);
}

/// A genesis proves itself: a damaged page has its name, wherever somebody asks for it.
#[test]
fn a_damaged_page_is_named_with_what_is_wrong() {
    let tale = tale();
    let mut home = Home::new();
    home.carry(&tale.bundle()).unwrap();
    home.ask(Request::Join { name: name("carried.ct"), page: tale.id() }).unwrap();
    let log = home.log(&tale.id());
    let end = fs::read(&log).unwrap().len() - 40;
    home.propose("carried.ct", &key(1), "www", &["60 A 192.0.2.9"]);
    let mut bytes = fs::read(&log).unwrap();
    bytes[end] ^= 1;
    fs::write(&log, &bytes).unwrap();
    // A running node has the page in memory, and says the same of its log.
    let running = verify(&mut home, &tale.id(), false).unwrap_err();
    let mut home = home.reopened();
    for selector in ["carried.ct", &tale.id().to_string()[..8]] {
        let verify = Request::Verify { page: selector.to_owned(), full: true };
        let failure = home.failure(verify);
        assert_eq!(failure.kind, FailureKind::Refused);
        assert_eq!(failure.message, running.message);
        assert!(failure.message.contains("is damaged at byte"), "{failure}");
    }
    let pages = home.pages();
    let row = pages.iter().find(|page| page.name == "carried.ct.").unwrap();
    let damaged = row.damaged.as_ref().unwrap();
    assert!(damaged.starts_with("at byte ") && damaged.contains("(change 0)"), "{damaged}");
    assert_eq!(home.resolve("brick.carried.ct"), ["ServFail"]);
    let explained = home.explain("brick.carried.ct");
    assert_eq!(explained.why, ["the page carried.ct. is damaged here"]);
    let status = status(&mut home);
    assert!(status.health.contains("a trusted page is damaged"), "{}", status.health);
    let named = format!("carried.ct., page {}, is not available: the log", tale.id());
    assert!(status.notices.iter().any(|notice| notice.starts_with(&named)), "{status:?}");
    assert_eq!(home.forget("carried.ct").name.as_deref(), Some("carried.ct."));
    assert!(home.pages().iter().all(|page| page.damaged.is_none()));
    home.carry(&tale.bundle()).unwrap();
    assert_eq!(home.resolve("brick.carried.ct")[0], "NoError");
}

#[test]
fn a_page_that_is_forgotten_is_gone_until_it_is_brought_again() {
    let tale = tale();
    let mut home = Home::new();
    let failure = home.failure(Request::Forget { page: "carried.ct".to_owned(), untrust: false });
    assert_eq!(failure.kind, FailureKind::NotFound);
    home.carry(&tale.bundle()).unwrap();
    let forgotten = home.forget("carried.ct");
    assert_eq!((forgotten.page_id, forgotten.trusted), (tale.id().to_string(), None));
    let mut home = home.reopened();
    let gone = home.failure(Request::Page { page: "carried.ct".to_owned() });
    assert_eq!(gone.kind, FailureKind::NotFound);
    assert_eq!(came_to(&home.carry(&tale.bundle()).unwrap()), ("new", 2, 14, 2));
    // A damaged page is not shown, and forgotten all the same.
    let log = home.log(&tale.id());
    let mut bytes = fs::read(&log).unwrap();
    bytes[100] ^= 1;
    fs::write(&log, &bytes).unwrap();
    let mut home = home.reopened();
    assert_eq!(home.forget(&tale.id().to_string()[..12]).name, None);
    assert_eq!(home.carry(&tale.bundle()).unwrap().outcome, "new");
}

/// Start, middle and end of some bytes, and a few places between.
fn places(len: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..=8).map(|n| n * (len - 1) / 8).collect();
    places.dedup();
    places
}

/// Every record of a page with a bit flipped at many places, and which record that is.
fn flipped(records: &[(u8, Vec<u8>)]) -> impl Iterator<Item = (String, Vec<(u8, Vec<u8>)>)> {
    let spots = records
        .iter()
        .enumerate()
        .flat_map(|(n, (_, bytes))| places(bytes.len()).into_iter().map(move |at| (n, at)));
    spots.enumerate().map(|(bit, (n, at))| {
        let mut records = records.to_vec();
        records[n].1[at] ^= 1 << (bit % 8);
        (format!("record {n}, byte {at}"), records)
    })
}

/// N8 refuses: a bundle with any bit flipped, whether or not its own hash fits.
/// T1 refuses: the same; a seal whose certificate does not hold is no step of a chain.
#[test]
fn one_flipped_bit_of_a_bundle_is_refused_by_name() {
    let tale = tale();
    let file = tale.bundle();
    for at in (0..file.len()).step_by(7).chain([file.len() - 1]) {
        let mut bytes = file.clone();
        bytes[at] ^= 1 << (at % 8);
        assert!(bundle::read(&bytes).is_err(), "byte {at}");
    }
    let mut held = Home::new();
    held.carry(&file).unwrap();
    let log = fs::read(held.log(&tale.id())).unwrap();
    let mut empty = Home::new();
    for (what, records) in flipped(&tale.records()) {
        let file = write(&records);
        for home in [&mut held, &mut empty] {
            let failure = home.carry(&file).expect_err(&what);
            assert!(failure.message.contains("refused: "), "{what}: {failure}");
        }
    }
    for (n, bit) in (0..tale.records().len()).flat_map(|n| (0..8).map(move |bit| (n, bit))) {
        let mut records = tale.records();
        records[n].0 ^= 1 << bit;
        assert!(held.carry(&write(&records)).is_err(), "the kind of record {n}, bit {bit}");
    }
    assert_eq!(fs::read(held.log(&tale.id())).unwrap(), log);
    assert_eq!(empty.pages().len(), 4, "only the demonstration is held");
}

/// A data directory whose log holds these records, under checksums that fit.
fn reframed(page: &Id, records: &[(u8, Vec<u8>)]) -> Home {
    let dir = tempfile::tempdir().unwrap();
    let disk = std::sync::Arc::new(RealDisk);
    let (store, _) = Store::open(disk, dir.path(), "a test", &mut |_| {}).unwrap();
    let records = records.iter().map(|(kind, bytes)| Record::unnamed(*kind, bytes.clone()));
    store.found(page, *b"8 bytes.", records).unwrap();
    drop(store);
    Home::at(dir)
}

#[test]
fn one_flipped_bit_of_a_log_is_named_by_the_next_start() {
    let tale = tale();
    let mut home = Home::new();
    home.carry(&tale.bundle()).unwrap();
    let log = home.log(&tale.id());
    let sound = fs::read(&log).unwrap();
    for at in places(sound.len()) {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        fs::write(&log, &bytes).unwrap();
        // A running node finds it, and the next start does.
        let failure = verify(&mut home, &tale.id(), false).unwrap_err();
        assert!(failure.message.contains("damaged"), "byte {at}: {failure}");
        home = home.reopened();
        let notices = status(&mut home).notices;
        let id = tale.id().to_string();
        assert!(notices.iter().any(|notice| notice.contains(&id)), "byte {at}: {notices:?}");
        fs::write(&log, &sound).unwrap();
        home = home.reopened();
    }
}

/// Whoever can write to the disk can make checksums fit. Signatures and state roots they cannot.
#[test]
fn one_flipped_bit_under_fitting_checksums_is_named_by_a_full_check() {
    let tale = tale();
    for (what, records) in flipped(&tale.records()) {
        let mut whole = WholePage::default();
        let taken = records.iter().try_for_each(|(kind, bytes)| whole.take(*kind, bytes.clone()));
        let check = || {
            taken.map_err(|refusal| refusal.to_string())?;
            let page = Page::admit(&whole.raw, &mut |_| {}).map_err(|r| r.to_string())?;
            let page = whole.replay(Governance::new(page), Check::Full, &mut |_, _, _| {});
            page.map_err(|refusal| refusal.to_string())
        };
        let refusal = check().err().unwrap_or_else(|| panic!("{what} was not noticed"));
        assert!(!refusal.is_empty(), "{what}");
    }
    // Through a node: what a start believes, a full check names.
    let id = tale.id();
    let last = |records: &mut Vec<(u8, Vec<u8>)>, n: usize| {
        *records[n].1.last_mut().unwrap() ^= 1;
    };
    let check = |n: usize, expect: &str| {
        let mut records = tale.records();
        last(&mut records, n);
        let mut home = reframed(&id, &records);
        verify(&mut home, &id, false).unwrap();
        let failure = verify(&mut home, &id, true).unwrap_err();
        assert!(failure.message.contains(expect), "record {n}: {failure}");
    };
    // Signatures end a statement: of an operation, of a ballot.
    check(7, "statement 5: the signature is wrong");
    check(8, "statement 6: the signature is wrong");
    let seals = |records: &[(u8, Vec<u8>)]| {
        let seals = records.iter().enumerate().filter(|(_, record)| record.0 == 7);
        seals.map(|(n, _)| n).collect::<Vec<usize>>()
    };
    let at = seals(&tale.records());
    assert_eq!(at.len(), 2);
    // The last bytes of the newest seal are the end of its only commit's signature.
    let mut records = tale.records();
    let end = records[at[1]].1.len() - 2;
    records[at[1]].1[end] ^= 1;
    let mut home = reframed(&id, &records);
    for full in [false, true] {
        let failure = verify(&mut home, &id, full).unwrap_err();
        assert!(failure.message.contains("is not signed by it"), "{failure}");
    }
    // An entry that was founded otherwise gives another state root, and a presence, which is in the
    // state as it was signed, is another one: the page does not even start.
    for (n, why) in [(1, "state root"), (2, "which is not here")] {
        let mut records = tale.records();
        last(&mut records, n);
        let notices = status(&mut reframed(&id, &records)).notices;
        let is_it = |text: &String| text.contains("is not served") && text.contains(why);
        assert!(notices.iter().any(is_it), "{n}: {notices:?}");
    }
    // A note of this machine's own proves nothing, and spoils nothing.
    let note = Note { time: 1, what: "founded".to_owned() }.record();
    let mut records = tale.records();
    records.insert(1, (note.kind, note.bytes));
    verify(&mut reframed(&id, &records), &id, true).unwrap();
}
