//! Stories of one node: its pages, what is said about them, and what it then answers.
//!
//! Everything goes through a client's session and the DNS face, in a directory of its own; no
//! process is started.

mod node {
    mod carry;
    mod health;
    pub mod home;
    pub mod inbox;
    mod jump;
    mod signing;
    mod tale;
}

use djdns::{
    control::request::{Answer, FailureKind, Request},
    demo,
    governance::ballot::Choice::{Approve, Reject, Withdraw},
    id::Id,
    key::SecretKey,
    limits::SOFT_CHAIN_MAX,
    page::{Page, RawPage},
};
use node::home::{Home, found, key, name};

const ZONE: &str = "\
$TTL 3600
@     A     192.0.2.1
brick 600 A 192.0.2.10
www   CNAME brick
*.any A     192.0.2.99
";

fn demo(who: &str) -> SecretKey {
    demo::key(who).unwrap()
}

fn page() -> (Page, RawPage) {
    found("new.ff.ct", ZONE, "a salt")
}

/// Proposes the link and ratifies it, as alice and bob of the demonstration.
fn link(home: &mut Home, label: &str, page: &Id) {
    let record = format!("3600 PAGE {page}");
    let link = home.propose("ff.ct", &demo("alice"), label, &[&record]);
    home.vote("ff.ct", &demo("bob"), link, Approve);
}

/// A node that holds `new.ff.ct.`, linked.
fn home() -> Home {
    let mut home = Home::new();
    let (page, raw) = page();
    home.admit(raw, vec![]).unwrap();
    link(&mut home, "new", &page.id());
    home
}

/// T2 accepts: a page that the pages above link, from the anchored root down.
/// T2 refuses: to answer from a page that nothing leads to.
#[test]
fn a_page_is_founded_linked_and_then_answers() {
    let mut home = Home::new();
    let (page, raw) = page();
    let summary = home.admit(raw, vec![]).unwrap();
    assert_eq!((summary.page_id, summary.linked), (page.id().to_string(), false));
    assert_eq!(home.resolve("brick.new.ff.ct"), ["NXDomain"]);
    let record = format!("3600 PAGE {}", page.id());
    let link = home.propose("ff.ct", &demo("alice"), "new", &[&record]);
    assert_eq!(home.resolve("brick.new.ff.ct"), ["NXDomain"]);
    home.vote("ff.ct", &demo("bob"), link, Approve);
    assert!(home.page("new.ff.ct").linked);
    assert_eq!(home.resolve("brick.new.ff.ct"), ["NoError", "300 192.0.2.10"]);
    assert_eq!(home.resolve("new.ff.ct"), ["NoError", "300 192.0.2.1"]);
    let alias = ["NoError", "300 brick.new.ff.ct.", "300 192.0.2.10"];
    assert_eq!(home.resolve("WWW.new.ff.ct"), alias);
}

#[test]
fn a_change_is_served_from_the_second_ballot_on_until_one_is_withdrawn() {
    let mut home = home();
    let brick = "brick.new.ff.ct";
    let (before, after) = (["NoError", "300 192.0.2.10"], ["NoError", "300 192.0.2.20"]);
    let change = home.propose("new.ff.ct", &key(1), "brick", &["600 A 192.0.2.20"]);
    assert_eq!(home.operation("new.ff.ct", change).state, "open");
    assert_eq!(home.resolve(brick), before);
    home.vote("new.ff.ct", &key(2), change, Approve);
    assert_eq!(home.operation("new.ff.ct", change).state, "ratified");
    assert_eq!(home.resolve(brick), after, "soft answers are cached for 300 s at most");
    let mut home = home.reopened();
    assert_eq!(home.resolve(brick), after);
    assert_eq!(home.operation("new.ff.ct", change).voters, 2);
    home.vote("new.ff.ct", &key(2), change, Withdraw);
    assert_eq!(home.resolve(brick), before);
    let mut home = home.reopened();
    assert_eq!(home.resolve(brick), before);
    assert_eq!(home.operation("new.ff.ct", change).state, "open");
}

/// P5 accepts: as many ratified changes of one name as a chain takes.
/// P5 refuses: one more, before the next seal, from who would sign it here.
#[test]
fn what_can_never_count_or_only_later_is_refused_and_nothing_is_written() {
    let mut home = home();
    for n in 0..SOFT_CHAIN_MAX {
        let change = home.propose("new.ff.ct", &key(1), "brick", &[&format!("60 A 192.0.3.{n}")]);
        home.vote("new.ff.ct", &key(2), change, Approve);
    }
    let change = home.change("new.ff.ct", &key(1), "brick", &["60 A 192.0.2.20"]);
    let approval = home.ballot("new.ff.ct", &key(1), change.id(), Approve);
    let link = format!("60 PAGE {}", Id::ZERO);
    let relinked = home.change("ff.ct", &demo("alice"), "new", &[&link]);
    let log = home.bundle("new.ff.ct").0;
    let mut check = |said: &[_], expect: &str| {
        let failure = home.submit(said).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused);
        assert!(failure.message.contains(expect), "{failure}");
    };
    check(&[&change], "64 changes of this entry wait for a seal already: propose this again after");
    check(&[&change, &approval], "64 changes of this entry");
    check(&[&relinked], "this operation can never count: it would cut off or relink the subpage");
    assert!(home.bundle("new.ff.ct").0 == log);
    assert_eq!(home.resolve("brick.new.ff.ct"), ["NoError", "60 192.0.3.63"]);
}

#[test]
fn a_long_list_of_operations_is_told_in_parts() {
    let mut home = home();
    let all: Vec<String> = ["a", "b", "c"]
        .map(|at| home.propose("new.ff.ct", &key(1), at, &["60 A 192.0.2.20"]).to_string())
        .to_vec();
    let mut part = |after: usize| {
        let request = Request::Proposals { page: "new.ff.ct".to_owned(), all: true, after };
        let Answer::Proposals { operations, more, .. } = home.ask(request).unwrap() else {
            panic!()
        };
        assert_eq!(more, 0);
        operations.into_iter().map(|operation| operation.id).collect::<Vec<_>>()
    };
    let listed = part(0);
    assert!(listed.len() == 3 && all.iter().all(|id| listed.contains(id)));
    assert_eq!(part(2), listed[2..]);
    assert!(part(3).is_empty() && part(9).is_empty());
}

#[test]
fn a_deleted_name_is_gone_and_a_new_one_there() {
    let mut home = home();
    for (at, lines) in [("brick", &[][..]), ("deep.er", &["60 A 192.0.2.30"])] {
        let change = home.propose("new.ff.ct", &key(1), at, lines);
        home.vote("new.ff.ct", &key(3), change, Approve);
    }
    for _ in 0..2 {
        assert_eq!(home.resolve("brick.new.ff.ct"), ["NXDomain"]);
        assert_eq!(home.resolve("deep.er.new.ff.ct"), ["NoError", "60 192.0.2.30"]);
        assert_eq!(home.resolve("er.new.ff.ct"), ["NoError"]);
        home = home.reopened();
    }
}

#[test]
fn what_there_is_not_is_said_so() {
    let mut home = home();
    let mut check = |request: Request, expect: &str| {
        let failure = home.failure(request);
        assert_eq!(failure.kind, FailureKind::NotFound);
        assert!(failure.message.contains(expect), "{failure}");
    };
    check(Request::Page { page: "nowhere.ct".to_owned() }, "no page `nowhere.ct`");
    let proposal = |prefix: &str| Request::Proposal {
        page: "new.ff.ct".to_owned(),
        prefix: prefix.to_owned(),
    };
    check(proposal("00000000"), "no operation of new.ff.ct. starts with `00000000`");
    check(Request::Join { name: name("x."), page: Id::ZERO }, "is not here");
    let ballot = home.ballot("new.ff.ct", &key(1), Id::ZERO, Approve);
    let failure = home.submit(&[&ballot]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotFound);
    assert!(failure.message.contains("there is no operation 0000"), "{failure}");
    let foreign = found("other.ct", ZONE, "").0;
    let mut other = Home::new();
    other.admit(found("other.ct", ZONE, "").1, vec![]).unwrap();
    let change = other.change("other.ct", &key(1), "brick", &[]);
    let failure = home.submit(&[&change]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotFound);
    assert!(failure.message.contains(&foreign.id().to_string()), "{failure}");
}

#[test]
fn of_two_pages_with_one_name_the_linked_one_is_meant() {
    let mut home = Home::new();
    let pages = ["one", "two"].map(|salt| found("new.ff.ct", ZONE, salt));
    let ids = pages.each_ref().map(|(page, _)| page.id());
    for (_, raw) in pages {
        home.admit(raw, vec![]).unwrap();
    }
    let failure = home.failure(Request::Page { page: "new.ff.ct".to_owned() });
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(ids.iter().all(|id| failure.message.contains(&id.short())), "{failure}");
    for id in ids {
        assert_eq!(home.page(&id.to_string()[..12]).page_id, id.to_string());
    }
    link(&mut home, "new", &ids[1]);
    assert_eq!(home.page("new.ff.ct").page_id, ids[1].to_string());
}

#[test]
fn what_is_submitted_is_admitted_whole_or_not_at_all() {
    let mut home = home();
    let good = home.change("new.ff.ct", &key(1), "brick", &["60 A 192.0.2.20"]);
    let elsewhere = home.change("ff.ct", &demo("alice"), "brickwindows", &[]);
    let approval = home.ballot("new.ff.ct", &key(1), good.id(), Approve);
    let second = home.ballot("new.ff.ct", &key(2), good.id(), Approve);
    let stranger = home.ballot("new.ff.ct", &key(9), good.id(), Approve);
    let verify = Request::Verify { page: "new.ff.ct".to_owned(), full: true };
    let mut check = |said: &[_], expect: &str| {
        let failure = home.submit(said).unwrap_err();
        assert!(failure.message.contains(expect), "{failure}");
        assert_eq!(home.resolve("brick.new.ff.ct"), ["NoError", "300 192.0.2.10"]);
        let Answer::Verified(verified) = home.ask(verify.clone()).unwrap() else { panic!() };
        assert_eq!((verified.statements, home.page("new.ff.ct").open_operations), (0, 0));
    };
    check(&[&good, &elsewhere], "about more than one page");
    check(&[&elsewhere, &good], "about more than one page");
    check(&[&good, &approval, &second, &stranger], "is no participant");
    check(&[&good, &approval, &second, &approval], "known already");
    check(&[&good, &good], "known already");
    home.submit(&[&good, &approval, &second]).unwrap();
    assert_eq!(home.resolve("brick.new.ff.ct"), ["NoError", "60 192.0.2.20"]);
    let failure = home.submit(&[&stranger]).unwrap_err();
    assert!(failure.message.contains("is no participant of this page"), "{failure}");
}

/// P6 accepts: a page at the name it is bound to.
/// P6 refuses: the same page joined or linked under another name.
#[test]
fn a_page_is_bound_to_its_name() {
    let mut home = home();
    let (page, _) = page();
    let join = |at: &str| Request::Join { name: name(at), page: page.id() };
    let failure = home.failure(join("old.ff.ct"));
    assert!(failure.message.contains("bound to the name new.ff.ct., not old.ff.ct."), "{failure}");
    link(&mut home, "wrong", &page.id());
    for _ in 0..2 {
        assert_eq!(home.resolve("brick.wrong.ff.ct"), ["ServFail"]);
        assert_eq!(home.resolve("brick.new.ff.ct"), ["NoError", "300 192.0.2.10"]);
        home = home.reopened();
    }
    home.ask(join("new.ff.ct")).unwrap();
    let anchored = home.reopened();
    assert_eq!(anchored.resolve("brick.new.ff.ct"), ["NoError", "600 192.0.2.10"]);
}

/// P6 refuses: a demonstration page from anybody but the program itself.
#[test]
fn a_demonstration_page_is_accepted_from_nobody() {
    let mut home = Home::new();
    let (file, _) = home.bundle("ff.ct");
    let failure = Home::new().import(&file).unwrap_err();
    assert!(failure.message.contains("accepted from nobody"), "{failure}");
}

#[test]
fn a_page_carried_by_hand_is_the_same_page_with_the_same_soft_state() {
    let mut here = home();
    let change = here.propose("new.ff.ct", &key(1), "brick", &["60 A 192.0.2.20"]);
    here.vote("new.ff.ct", &key(2), change, Approve);
    here.vote("new.ff.ct", &key(3), change, Reject);
    let (file, _) = here.bundle("new.ff.ct");
    let mut there = Home::new();
    let summary = there.import(&file).unwrap();
    assert_eq!((summary.page_id, summary.soft_entries), (page().0.id().to_string(), 1));
    assert_eq!(there.contents("new.ff.ct"), here.contents("new.ff.ct"));
    let reports = [&mut here, &mut there].map(|home| home.operation("new.ff.ct", change));
    let [ours, theirs] = reports.map(|report| serde_json::to_string(&report).unwrap());
    assert_eq!(ours, theirs);
    assert_eq!(there.bundle("new.ff.ct").0, file);
    let failure = there.import(&file).unwrap_err();
    assert!(failure.message.contains("is here already"), "{failure}");
    link(&mut there, "new", &page().0.id());
    assert_eq!(there.resolve("brick.new.ff.ct"), ["NoError", "60 192.0.2.20"]);
}

/// More than one part of [`djdns::limits::CONTROL_PART_BYTES`].
#[test]
fn a_large_page_comes_in_parts_and_verifies() {
    let data = "ab".repeat(60_000);
    let line = |n: u32| format!("n{n} 60 TYPE65400 \\# 60000 {data}\n");
    let zone: String = (0..200).map(line).collect();
    let (page, raw) = found("large.ct", &zone, "");
    let mut home = Home::new();
    home.admit(raw, vec![]).unwrap();
    let (contents, parts) = home.contents("large.ct");
    assert_eq!((contents.len(), parts), (200, 2));
    let mut sealed: Vec<_> = page.entries().map(|entry| (entry.owner, entry.sets)).collect();
    sealed.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(contents == sealed, "the parts are the page");
    let (file, parts) = home.bundle("large.ct");
    assert_eq!(parts, 2);
    assert_eq!(Home::new().import(&file).unwrap().page_id, page.id().to_string());
    for full in [false, true] {
        let verify = Request::Verify { page: "large.ct".to_owned(), full };
        let Answer::Verified(verified) = home.ask(verify).unwrap() else { panic!() };
        assert_eq!((verified.entries, verified.statements), (200, 0));
    }
}

#[test]
fn every_page_verifies_with_all_that_was_said() {
    let mut home = home();
    let change = home.propose("new.ff.ct", &key(1), "brick", &[]);
    home.vote("new.ff.ct", &key(2), change, Approve);
    let mut check = |page: &str, said: usize| {
        let verify = Request::Verify { page: page.to_owned(), full: true };
        let Answer::Verified(verified) = home.ask(verify).unwrap() else { panic!() };
        assert_eq!((verified.statements, verified.signatures), (said, said), "{page}");
    };
    check("new.ff.ct", 3);
    check("ff.ct", 3);
    check("ct", 0);
    check(".", 0);
}

#[test]
fn a_name_is_sealed_soft_contested_or_not_there() {
    let mut home = home();
    let brick = "brick.new.ff.ct";
    let check = |home: &mut Home, at: &str, expect: &str, owner: Option<&str>| {
        let explanation = home.explain(at);
        assert_eq!(explanation.status, expect, "{at}: {:?}", explanation.why);
        assert_eq!(explanation.owner.as_deref(), owner, "{at}");
        assert!(!explanation.why.is_empty());
    };
    check(&mut home, "brickwindows.ff.ct", "sealed", Some("brickwindows"));
    check(&mut home, "x.grace.ff.ct", "sealed", Some("*.grace"));
    // The page is reached by a link that is soft itself.
    check(&mut home, brick, "soft", Some("brick"));
    check(&mut home, "x.any.new.ff.ct", "soft", Some("*.any"));
    // Trusted by itself, it needs no link.
    let anchor = Request::Join { name: name("new.ff.ct"), page: page().0.id() };
    home.ask(anchor).unwrap();
    check(&mut home, brick, "sealed", Some("brick"));
    check(&mut home, "x.any.new.ff.ct", "sealed", Some("*.any"));
    check(&mut home, "gone.new.ff.ct", "none", Some("gone"));
    check(&mut home, "new.ff.ct", "sealed", Some("@"));
    let one = home.change("new.ff.ct", &key(1), "brick", &["60 A 192.0.2.1"]);
    let two = home.change("new.ff.ct", &key(2), "brick", &["60 A 192.0.2.2"]);
    home.submit(&[&one, &two]).unwrap();
    home.vote("new.ff.ct", &key(1), one.id(), Approve);
    check(&mut home, brick, "sealed", Some("brick"));
    home.vote("new.ff.ct", &key(2), one.id(), Approve);
    check(&mut home, brick, "soft", Some("brick"));
    for n in [3, 4, 5] {
        home.vote("new.ff.ct", &key(n), two.id(), Approve);
    }
    check(&mut home, brick, "contested", Some("brick"));
    assert_eq!(home.resolve(brick), ["NoError", "60 192.0.2.2"]);
    assert_eq!(home.operation("new.ff.ct", one.id()).state, "outvoted");
    let states: Vec<String> =
        home.explain(brick).operations.into_iter().map(|operation| operation.state).collect();
    assert_eq!(states.len(), 2);
}
