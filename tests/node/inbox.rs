//! Stories of petitions on one node: asked, kept over a restart, taken up, refused (G13).
//!
//! Everything goes through a client's session, in a directory of its own; the clock is the real one,
//! so what happens after 14 days is told in virtual time beside the inbox itself.

use djdns::{
    control::{
        report::{InboxReport, PetitionReport},
        request::{Answer, Failure, FailureKind, Request},
    },
    governance::{
        ballot::Choice::{Approve, Withdraw},
        petition::{Asking, Petition, Refusal, Refusing},
        statement::Statement,
    },
    id::Id,
    key::SecretKey,
    page::entry::Rdata,
};

use super::home::{Home, found, key, owner, sets};

const PAGE: &str = "new.ff.ct";
const ZONE: &str = "$TTL 3600\nbrick 600 A 192.0.2.10\n";

/// A node that holds `new.ff.ct.`, of the moderators 1 to 5.
fn home() -> (Home, Id) {
    let mut home = Home::new();
    let (page, raw) = found(PAGE, ZONE, "a salt");
    home.admit(raw, vec![]).unwrap();
    (home, page.id())
}

/// Somebody without power asks for these records.
fn petition(page: &Id, by: &SecretKey, at: &str, lines: &[&str]) -> Petition {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let (author, words) = (by.public().raw(), "please".to_owned());
    let sets = sets(at, PAGE, lines).into_vec();
    let asking = Asking { author, owner: owner(at, PAGE), sets, created: now, words };
    Petition::sign(page, &asking, by).unwrap()
}

fn rdata(bytes: &[u8]) -> Rdata {
    Rdata(bytes.into())
}

fn report(answer: Result<Answer, Failure>) -> Result<PetitionReport, Failure> {
    match answer? {
        Answer::Petition { petition, .. } => Ok(petition),
        other => panic!("{other:?}"),
    }
}

fn ask(home: &mut Home, petition: &Petition) -> Result<PetitionReport, Failure> {
    report(home.ask(Request::Ask { petition: rdata(petition.bytes()) }))
}

fn status(home: &mut Home, petition: &Petition) -> PetitionReport {
    report(home.ask(Request::Petition { prefix: petition.id().to_string() })).unwrap()
}

fn refuse(home: &mut Home, petition: &Petition, by: &SecretKey) -> Result<PetitionReport, Failure> {
    let (participant, words) = (by.public().raw(), "no".to_owned());
    let said = Refusing { participant, petition: petition.id(), words };
    let refusal = Refusal::sign(&petition.page(), &said, by).unwrap();
    report(home.ask(Request::Refuse { refusal: rdata(refusal.bytes()) }))
}

fn take_up(home: &mut Home, petition: &Petition, said: &[&Statement]) -> Result<Answer, Failure> {
    let statements = said.iter().map(|said| rdata(said.bytes())).collect();
    home.ask(Request::TakeUp { petition: petition.id(), statements })
}

fn waiting(home: &mut Home, all: bool) -> Vec<String> {
    match home.ask(Request::Petitions { page: PAGE.to_owned(), all }).unwrap() {
        Answer::Petitions { petitions, .. } => petitions.into_iter().map(|p| p.id).collect(),
        other => panic!("{other:?}"),
    }
}

fn inbox(home: &mut Home, of: &SecretKey) -> InboxReport {
    match home.ask(Request::Inbox { key: of.public().raw() }).unwrap() {
        Answer::Inbox(inbox) => inbox,
        other => panic!("{other:?}"),
    }
}

/// G13 accepts: a stranger's petition, which a participant takes up; its fate follows the ballots.
#[test]
fn what_is_asked_for_is_taken_up_voted_on_and_its_fate_told() {
    let (mut home, page) = home();
    let asked = petition(&page, &key(9), "brick", &["600 A 192.0.2.20"]);
    let report = ask(&mut home, &asked).unwrap();
    assert_eq!((report.state.as_str(), report.source.as_str()), ("waiting", "local"));
    assert_eq!(report.diff, ["- brick 600 A 192.0.2.10", "+ brick 600 A 192.0.2.20"]);
    assert_eq!(report.seconds_left, 14 * 24 * 3600);
    let mut home = home.reopened();
    assert_eq!(status(&mut home, &asked).state, "waiting");
    assert_eq!(waiting(&mut home, false), [asked.id().to_string()]);

    let change = home.change(PAGE, &key(1), "brick", &["600 A 192.0.2.20"]);
    let approval = home.ballot(PAGE, &key(1), change.id(), Approve);
    take_up(&mut home, &asked, &[&change, &approval]).unwrap();
    let fate = |home: &mut Home| {
        let report = status(home, &asked);
        (report.state, report.operation, report.operation_state.unwrap_or_default())
    };
    let taken =
        |state: &str| ("taken up".to_owned(), Some(change.id().to_string()), state.to_owned());
    assert_eq!(fate(&mut home), taken("open"));
    home.vote(PAGE, &key(2), change.id(), Approve);
    let mut home = home.reopened();
    assert_eq!(fate(&mut home), taken("ratified"));
    assert_eq!(waiting(&mut home, false), Vec::<String>::new());
    assert_eq!(waiting(&mut home, true), [asked.id().to_string()]);
}

/// G13 refuses: by a participant, with words; and a refusal by a stranger, or of what is decided.
#[test]
fn what_is_refused_stays_refused() {
    let (mut home, page) = home();
    let asked = petition(&page, &key(9), "friend", &["600 A 192.0.2.20"]);
    let unknown = refuse(&mut home, &asked, &key(1)).unwrap_err();
    assert_eq!(unknown.kind, FailureKind::NotFound);
    ask(&mut home, &asked).unwrap();
    let stranger = refuse(&mut home, &asked, &key(9)).unwrap_err();
    assert!(stranger.message.contains("takes no part"), "{stranger}");
    let report = refuse(&mut home, &asked, &key(3)).unwrap();
    assert_eq!((report.state.as_str(), report.reason.as_str()), ("refused", "no"));
    assert_eq!(report.refused_by, Some(key(3).public().to_string()));
    let mut home = home.reopened();
    assert_eq!(status(&mut home, &asked).state, "refused");
    let again = refuse(&mut home, &asked, &key(1)).unwrap_err();
    assert_eq!(again.message, "the petition is refused already");
    let known = ask(&mut home, &asked).unwrap_err();
    assert!(known.message.contains("known already, and refused"), "{known}");
    let change = home.change(PAGE, &key(1), "friend", &["600 A 192.0.2.20"]);
    let late = take_up(&mut home, &asked, &[&change]).unwrap_err();
    assert_eq!(late.message, "the petition is refused already");
    assert!(
        home.ask(Request::Proposal { page: PAGE.to_owned(), prefix: change.id().to_string() })
            .is_err()
    );
}

/// G13 refuses: an operation that proposes something else, two of them, or none.
#[test]
fn only_what_was_asked_takes_a_petition_up_and_otherwise_nothing_is_proposed() {
    let (mut home, page) = home();
    let asked = petition(&page, &key(9), "friend", &["600 A 192.0.2.20"]);
    ask(&mut home, &asked).unwrap();
    let same = home.change(PAGE, &key(1), "friend", &["600 A 192.0.2.20"]);
    let check = |home: &mut Home, said: &[&Statement], expect: &str| {
        let failure = take_up(home, &asked, said).unwrap_err();
        assert!(failure.message.contains(expect), "{failure}");
        assert_eq!(status(home, &asked).state, "waiting");
        assert_eq!(home.page(PAGE).open_operations, 0);
    };
    let longer = home.change(PAGE, &key(1), "friend", &["601 A 192.0.2.20"]);
    check(&mut home, &[&longer], "exactly what the petition asks for");
    let elsewhere = home.change(PAGE, &key(1), "other", &["600 A 192.0.2.20"]);
    check(&mut home, &[&elsewhere], "exactly what the petition asks for");
    check(&mut home, &[&same, &longer], "one operation takes a petition up, and 2");
    check(&mut home, &[], "one operation takes a petition up, and 0");
    let unknown = petition(&page, &key(9), "nobody", &["600 A 192.0.2.20"]);
    let failure = take_up(&mut home, &unknown, &[&same]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotFound);
}

#[test]
fn an_inbox_holds_what_awaits_ones_own_ballot_and_nothing_else() {
    let (mut home, page) = home();
    let asked = petition(&page, &key(9), "friend", &["600 A 192.0.2.20"]);
    ask(&mut home, &asked).unwrap();
    let change = home.propose(PAGE, &key(1), "brick", &["600 A 192.0.2.20"]);
    let counts = |home: &mut Home, of: &SecretKey| {
        let pages = inbox(home, of).pages;
        pages.iter().map(|page| (page.operations.len(), page.petitions.len())).collect::<Vec<_>>()
    };
    assert_eq!(counts(&mut home, &key(1)), [(0, 1)], "its author has voted");
    assert_eq!(counts(&mut home, &key(2)), [(1, 1)]);
    assert_eq!(counts(&mut home, &key(9)), [], "who takes no part has no inbox");
    home.vote(PAGE, &key(1), change, Withdraw);
    assert_eq!(counts(&mut home, &key(1)), [(1, 1)], "a ballot taken back awaits another");
    home.vote(PAGE, &key(1), change, Approve);
    home.vote(PAGE, &key(2), change, Approve);
    assert_eq!(counts(&mut home, &key(3)), [(0, 1)], "what is ratified awaits nobody");
    refuse(&mut home, &asked, &key(3)).unwrap();
    assert_eq!(counts(&mut home, &key(3)), []);
}

/// G13 refuses: more than the quota of a key; a page that is not here; a participant.
#[test]
fn what_cannot_be_asked_is_refused_with_a_sentence() {
    let (mut home, page) = home();
    for n in 0..4 {
        let asked = petition(&page, &key(9), &format!("friend{n}"), &["600 A 192.0.2.20"]);
        ask(&mut home, &asked).unwrap();
    }
    let mut check = |asked: &Petition, kind: FailureKind, expect: &str| {
        let failure = ask(&mut home, asked).unwrap_err();
        assert_eq!(failure.kind, kind);
        assert!(failure.message.contains(expect), "{failure}");
    };
    let refused = FailureKind::Refused;
    let fifth = petition(&page, &key(9), "friend4", &["600 A 192.0.2.20"]);
    check(&fifth, refused, "4 petitions of this key wait");
    let participant = petition(&page, &key(1), "friend", &["600 A 192.0.2.20"]);
    check(&participant, refused, "participants propose");
    let nowhere = petition(&Id::ZERO, &key(9), "friend", &["600 A 192.0.2.20"]);
    check(&nowhere, FailureKind::NotFound, "there is no page");
}

/// G13 refuses: a petition as a statement of the page, in its log or in a bundle of it.
#[test]
fn a_petition_is_no_part_of_the_page() {
    let (mut home, page) = home();
    let (before, _) = home.bundle(PAGE);
    let asked = petition(&page, &key(9), "friend", &["600 A 192.0.2.20"]);
    ask(&mut home, &asked).unwrap();
    refuse(&mut home, &asked, &key(1)).unwrap();
    assert_eq!(home.bundle(PAGE).0, before);
    let failure = home.failure(Request::Submit { statements: vec![rdata(asked.bytes())] });
    assert!(failure.message.contains("kind 9 is no statement"), "{failure}");
    let (_, raw) = found(PAGE, ZONE, "another salt");
    assert!(home.admit(raw, vec![rdata(asked.bytes())]).is_err());
}
