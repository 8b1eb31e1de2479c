//! Stories of what a node signs: never twice at one height, and not by a clock that leapt.

use djdns::{
    control::request::{FailureKind, Request},
    governance::ballot::Choice::Approve,
    limits::SEAL_AHEAD,
    page::RawPage,
};

use super::{
    home::{Home, found, key, name},
    tale::Tale,
};

const ZONE: &str = "@ 60 A 192.0.2.1\nbrick 60 A 192.0.2.10\n";

/// A home that holds this page, with the presences of four of its five people.
fn host(home: &mut Home, raw: RawPage) -> Vec<u64> {
    home.admit(raw, vec![]).unwrap();
    let node = home.node.key();
    (1..=4)
        .map(|n| {
            let presence = home.presence("own.ct", &key(n), &node);
            home.submit(&[&presence]).unwrap();
            home.page("own.ct").height
        })
        .collect()
}

fn held(home: &Home) -> String {
    home.node.held().into_iter().map(|(_, why)| why).collect()
}

/// S5 accepts: the seal of a height that this node signed nothing at.
/// S5 refuses: another one at a height that it signed, though the page was forgotten in between.
#[test]
fn a_node_that_forgot_a_page_does_not_sign_a_height_again() {
    let mut home = Home::new();
    let (page, raw) = found("own.ct", ZONE, "signed once");
    assert_eq!(host(&mut home, raw.clone()), [0, 0, 0, 1]);
    let (newer, _) = home.bundle("own.ct");
    let forget = Request::Forget { page: page.id().to_string(), untrust: false };
    home.ask(forget).unwrap();
    let mut home = home.reopened();
    assert_eq!(host(&mut home, raw), [0, 0, 0, 0]);
    assert!(held(&home).contains("signed a seal of own.ct. at height 1 before"), "{}", held(&home));
    let trusted = Request::Join { name: name("own.ct"), page: page.id() };
    home.ask(trusted).unwrap();
    let change = home.propose("own.ct", &key(1), "brick", &["60 A 192.0.2.77"]);
    home.vote("own.ct", &key(2), change, Approve);
    let unsealed = home.operation("own.ct", change).unsealed.unwrap();
    let why = home.explain("brick.own.ct").why;
    assert!(unsealed.contains("at height 1 before") && why.contains(&unsealed), "{why:?}");
    let carried = home.carry(&newer).unwrap();
    assert_eq!((carried.outcome.as_str(), carried.page.height), ("newer", 1));
    home.node.seal_due();
    assert_eq!(held(&home), "", "it is past that height");
}

/// S5 accepts: a seal by a key that signed nothing at that height, where another key of this directory did.
/// S5 refuses: another one by the first key, when that comes back.
#[test]
fn what_one_key_signed_binds_no_other_key_and_goes_on_to_bind_that_one() {
    let mut home = Home::new();
    let (page, raw) = found("own.ct", ZONE, "two keys");
    let keys = home.node.data_dir().to_owned();
    let [key, first] = ["node.key", "first.key"].map(|file| keys.join(file));
    let forget = || Request::Forget { page: page.id().to_string(), untrust: false };
    assert_eq!(host(&mut home, raw.clone()), [0, 0, 0, 1]);
    home.ask(forget()).unwrap();
    std::fs::rename(&key, &first).unwrap();
    let mut home = home.reopened();
    assert_eq!(host(&mut home, raw.clone()), [0, 0, 0, 1]);
    assert_eq!(held(&home), "");
    home.ask(forget()).unwrap();
    std::fs::rename(&first, &key).unwrap();
    let mut home = home.reopened();
    assert_eq!(host(&mut home, raw), [0, 0, 0, 0]);
    assert!(held(&home).contains("signed a seal of own.ct. at height 1 before"), "{}", held(&home));
}

/// A clock that leapt by years ends nothing at once: there is time to set it.
#[test]
fn a_seal_after_a_leap_that_ends_something_waits() {
    let mut home = Home::new();
    let (_, raw) = found("own.ct", ZONE, "a leap");
    home.admit(raw, vec![]).unwrap();
    // The page was founded years ago, and so this is as old as anything can be when it is sealed.
    let open = home.propose("own.ct", &key(5), "brick", &["60 A 192.0.2.77"]);
    let node = home.node.key();
    for n in 1..=4 {
        let presence = home.presence("own.ct", &key(n), &node);
        home.submit(&[&presence]).unwrap();
    }
    assert_eq!(home.page("own.ct").height, 0);
    assert!(held(&home).contains("so that a wrong clock can be set first"), "{}", held(&home));
    // What the seal applies does not end by it.
    home.vote("own.ct", &key(1), open, Approve);
    assert_eq!(home.page("own.ct").height, 1);
    assert_eq!(held(&home), "");
}

/// T7 accepts: a seal whose time is a little ahead of the clock here.
/// T7 refuses: one that is not due for long, of a page that is held and of one that is not.
#[test]
fn a_seal_of_the_future_is_not_taken_in_before_it_is_due() {
    let now = djdns::ambient::now();
    let mut tale = Tale::of("future.ct", &key(9));
    tale.pass("brick", 1);
    tale.seal_at(now + SEAL_AHEAD.as_secs() / 2);
    let mut home = Home::new();
    assert_eq!(home.carry(&tale.bundle()).unwrap().page.height, 1);
    tale.pass("brick", 2);
    tale.seal_at(now + 365 * 24 * 3600);
    for mut home in [home, Home::new()] {
        let failure = home.carry(&tale.bundle()).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused);
        assert!(
            failure.message.contains("set the clock, or bring the bundle again"),
            "{failure:?}"
        );
    }
}
