//! Stories of what a node says of itself: what waits, for whom, and why nothing becomes final.

use djdns::{
    control::{
        report::{Counted, Status},
        request::{Answer, Request},
    },
    governance::{
        ballot::Choice::Approve,
        operation::{Change, Operation, Power, RosterChange, SetRoster},
        petition::{Asking, Petition},
        statement::{Body, Statement},
    },
    id::Id,
    key::SecretKey,
    page::entry::Rdata,
};

use super::home::{Home, found, key, owner, sets};

const PAGE: &str = "new.ff.ct";

fn home() -> (Home, Id) {
    let mut home = Home::new();
    let (page, raw) = found(PAGE, "brick 600 A 192.0.2.10\n", "a salt");
    home.admit(raw, vec![]).unwrap();
    (home, page.id())
}

fn status(home: &mut Home) -> Status {
    match home.ask(Request::Status).unwrap() {
        Answer::Status(status) => status,
        other => panic!("{other:?}"),
    }
}

fn host(home: &mut Home, who: &[u8]) {
    let node = home.node.key();
    let hosts: Vec<_> = who.iter().map(|who| home.presence(PAGE, &key(*who), &node)).collect();
    home.submit(&hosts.iter().collect::<Vec<_>>()).unwrap();
}

/// Proposes another power for somebody, approved by its author.
fn power(home: &mut Home, by: &SecretKey, of: u8, power: u32) -> Id {
    let draft = home.draft(PAGE, by, &[]);
    let change = RosterChange::SetPower(Power { key: key(of).public().raw(), power });
    let change = Change::SetRoster(SetRoster { parent: draft.roster_version, change });
    let (author, slot, base) = (by.public().raw(), draft.slots[0], draft.seal);
    let operation = Body::Operation(Operation { author, slot, base, change });
    let operation = Statement::sign(&draft.page, operation, by).unwrap();
    let approval = home.ballot(PAGE, by, operation.id(), Approve);
    home.submit(&[&operation, &approval]).unwrap();
    operation.id()
}

/// S8 accepts: a page that nobody was named for goes on in soft state, and that is said.
#[test]
fn a_page_that_nobody_seals_says_whose_seat_is_missing() {
    let (mut home, _) = home();
    let idle =
        "no daemon runs, so nothing answers DNS: `sudo systemctl start djdns` or `djdns serve`";
    assert_eq!(status(&mut home).health, idle);
    let change = home.propose(PAGE, &key(1), "brick", &["60 A 192.0.2.20"]);
    home.vote(PAGE, &key(2), change, Approve);
    let named = "new.ff.ct. is not sealed: a seal takes 4 of 5 power, and nobody named a node";
    let found = status(&mut home);
    assert!(found.health.contains("; a page is not sealed"), "{}", found.health);
    assert!(found.unsealed[0].starts_with(named), "{:?}", found.unsealed);
    let report = home.operation(PAGE, change);
    assert!(report.reason.contains("too few participants have named a node"), "{}", report.reason);
    assert_eq!(report.seal_due, None);
    host(&mut home, &[1, 2, 3]);
    let found = status(&mut home).unsealed.remove(0);
    assert!(found.contains("this node was named by 3; "), "{found}");
    let missing = |who: u8| found.contains(&key(who).public().to_string());
    assert_eq!([1, 2, 3, 4, 5].map(missing), [false, false, false, true, true]);
    host(&mut home, &[4]);
    assert_eq!((home.page(PAGE).height, status(&mut home).unsealed.len()), (1, 0));
    // The next change waits for the interval, and says until when.
    let change = home.propose(PAGE, &key(1), "brick", &["60 A 192.0.2.30"]);
    home.vote(PAGE, &key(2), change, Approve);
    let Answer::Page(page) = home.ask(Request::Page { page: PAGE.to_owned() }).unwrap() else {
        panic!()
    };
    assert_eq!(home.operation(PAGE, change).seal_due, Some(page.sealed + 60));
}

#[test]
fn a_change_after_which_the_seats_are_too_few_is_warned_of() {
    let (mut home, _) = home();
    host(&mut home, &[1, 2, 3, 4]);
    let [more, less] = [(5, 3), (4, 2)].map(|(of, much)| power(&mut home, &key(of), of, much));
    let warning = home.operation(PAGE, more).warning;
    let expect = "takes 5 of 7 power, and the node was named by 4";
    assert!(warning.contains(expect), "{warning}");
    assert!(warning.ends_with(&key(5).public().to_string()), "{warning}");
    assert_eq!(home.operation(PAGE, less).warning, "", "5 of 6 still seal");
}

#[test]
fn what_waits_is_counted_and_petitions_too() {
    let (mut home, page) = home();
    for n in 0..7 {
        home.propose(PAGE, &key(1), &format!("n{n}"), &["60 A 192.0.2.20"]);
    }
    let zoe = key(9);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let sets = sets("friend", PAGE, &["60 A 192.0.2.7"]).into_vec();
    let (author, owner, words) = (zoe.public().raw(), owner("friend", PAGE), String::new());
    let asking = Asking { author, owner, sets, created: now, words };
    let petition = Petition::sign(&page, &asking, &zoe).unwrap();
    home.ask(Request::Ask { petition: Rdata(petition.bytes().into()) }).unwrap();
    let status = status(&mut home);
    let counted = |count| [Counted { page: "new.ff.ct.".to_owned(), count }];
    assert_eq!((status.waiting.len(), status.waiting_more), (5, counted(2).to_vec()));
    assert_eq!(status.petitions, counted(1));
    assert!(status.health.contains("something waits for people"), "{}", status.health);
    let expect = "1 of 5 power approves, 0.50 more power is needed (1 more ballot of power 1); 1 of 2 \
                  voters so far, 1 more must approve";
    assert_eq!(status.waiting[0].reason, expect);
}

/// A Track 2 change that waits is told of whatever name of the page is asked for.
#[test]
fn a_name_is_explained_with_what_is_to_become_of_those_who_decide() {
    let (mut home, page) = home();
    let join = Request::Join { name: super::home::name(PAGE), page };
    home.ask(join).unwrap();
    let id = power(&mut home, &key(1), 5, 3);
    let explained = home.explain("brick.new.ff.ct");
    assert_eq!(explained.status, "sealed");
    let told = format!("who decides about new.ff.ct. is to change: {}", id.short());
    assert!(explained.why.iter().any(|why| why.starts_with(&told)), "{:?}", explained.why);
    assert_eq!(explained.operations[0].id, id.to_string());
    assert_eq!(explained.operations[0].awaited.len(), 4);
}
