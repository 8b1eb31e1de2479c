//! Scenarios in the simulated world (`djdns simulate`).
//!
//! A few seeds of each in every `cargo test`; with `DJDNS_FULL=1` in the environment twenty times as
//! many. A build without optimisation takes a fifteenth of the seeds of the demonstration, and ages a
//! page by fewer seals: it is some ten times as slow.

use std::thread;

use djdns::{
    store::fake::Survival,
    world::{
        Crowd, Outcome,
        scenario::{EMBEDDED, Scenario},
    },
};

const IS_SLOW: bool = cfg!(debug_assertions);

fn is_full() -> bool {
    std::env::var_os("DJDNS_FULL").is_some_and(|full| full == "1")
}

fn text(name: &str) -> String {
    let (_, text) = EMBEDDED.iter().find(|(known, _)| *known == name).expect("it is embedded");
    if IS_SLOW {
        text.replace("seals = 1000", "seals = 200")
            .replace("height = 1000", "height = 200")
            .replace("names = 4000", "names = 400")
    } else {
        (*text).to_owned()
    }
}

fn scenario(name: &str) -> Scenario {
    read(name, &text(name))
}

fn read(name: &str, text: &str) -> Scenario {
    Scenario::read(name, text).unwrap_or_else(|refusal| panic!("{refusal}"))
}

/// Runs seeds on all cores.
fn outcomes(name: &str, seeds: u64) -> Vec<Outcome> {
    let scenario = scenario(name);
    let cores = thread::available_parallelism().map_or(1, usize::from) as u64;
    thread::scope(|scope| {
        let run = |core: u64| {
            let scenario = &scenario;
            move || {
                let mut crowd = Crowd::default();
                let mine = (1..=seeds).filter(|seed| seed % cores == core);
                mine.map(|seed| djdns::world::run(name, scenario, seed, &mut crowd))
                    .collect::<Vec<_>>()
            }
        };
        let threads: Vec<_> = (0..cores).map(|core| scope.spawn(run(core))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no run panics")).collect()
    })
}

/// Every seed ends well; one that does not is named with what runs it again.
fn check(name: &str, seeds: u64) -> Vec<Outcome> {
    let outcomes = outcomes(name, if is_full() { seeds * 20 } else { seeds });
    let failed = outcomes.iter().filter(|outcome| !outcome.ok);
    let failed: Vec<String> = failed
        .map(|outcome| {
            format!("{}\n    {}", outcome.failure.clone().unwrap_or_default(), outcome.again)
        })
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {} seeds:\n{}",
        failed.len(),
        outcomes.len(),
        failed.join("\n")
    );
    outcomes
}

#[test]
fn nodes_in_step_end_equal() {
    check("in-step", 3);
}

#[test]
fn nodes_end_equal_over_a_network_that_loses_messages() {
    check("lossy", 3);
}

#[test]
fn halves_that_were_apart_end_equal() {
    check("partition", 3);
}

#[test]
fn nothing_acknowledged_is_lost_when_disks_stop() {
    check("crashes", 8);
}

#[test]
fn nodes_whose_clocks_are_wrong_end_equal() {
    check("clocks", 3);
}

#[test]
fn a_hundred_nodes_end_equal() {
    check("hundred", 1);
}

#[test]
fn nodes_that_reach_each_other_in_one_direction_only_end_equal() {
    check("one-way", 3);
}

#[test]
fn nodes_whose_clocks_jump_end_equal() {
    check("jumps", 3);
}

/// T7: a seal that is dated ahead is held, and nothing that is said meanwhile waits for it.
#[test]
fn what_is_said_passes_a_seal_that_is_held() {
    check("ahead", 3);
}

#[test]
fn ballots_that_are_kept_and_handed_out_late_change_nothing_in_the_end() {
    check("withheld", 3);
}

/// What is withheld is what the others wait for: before it is handed out they do not agree.
#[test]
fn while_ballots_are_kept_the_nodes_do_not_agree() {
    let soon = text("withheld").replace("seconds = 600", "seconds = 190");
    let told = |text: &str| {
        let scenario = read("withheld", text);
        let outcome = djdns::world::run("withheld", &scenario, 1, &mut Crowd::default());
        outcome.failure.unwrap_or_default()
    };
    assert!(told(&soon).contains("different answers"), "{}", told(&soon));
    let open = soon.replace("at = 3\ndo = \"withhold\"", "at = 185\ndo = \"withhold\"");
    assert!(told(&open).contains("ends at height 1"), "{}", told(&open));
}

#[test]
fn a_run_goes_on_from_whatever_a_crash_leaves() {
    for (n, survival) in Survival::all().enumerate() {
        let scenario = Scenario { survival: Some(n), ..scenario("crashes") };
        let seed = n as u64 + 1;
        let outcome = djdns::world::run("crashes", &scenario, seed, &mut Crowd::default());
        assert!(outcome.ok, "{survival:?}: {outcome:?}");
    }
}

#[test]
fn honest_nodes_end_equal_beside_old_garbled_and_withheld_answers() {
    check("stubborn", 4);
}

#[test]
fn a_page_is_fetched_from_liars_too_and_only_what_is_honest_is_served() {
    for outcome in check("fetching", 2) {
        assert!(outcome.taken_over >= 3 && outcome.answered > 40, "{outcome:?}");
    }
}

/// The demonstration of issue 5: the honest state is served whatever the liar and a thousand keys say.
#[test]
fn three_honest_seats_of_four_are_served_whatever_the_fourth_says() {
    let seeds = if IS_SLOW { 20 } else { 300 };
    let outcomes = outcomes("byzantine", seeds);
    let wrong: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.ok).collect();
    assert!(wrong.is_empty(), "{} of {seeds}: {:?}", wrong.len(), wrong[0]);
    assert_eq!(outcomes.len() as u64, seeds);
}

/// The same where keys are counted and not power: then it cannot hold.
#[test]
fn where_every_key_counts_the_liar_is_served() {
    for outcome in outcomes("uncounted", if IS_SLOW { 1 } else { 2 }) {
        let failure = outcome.failure.unwrap_or_default();
        assert!(failure.contains("does not serve 192.0.2.1 for www"), "{failure}");
    }
}

/// After a hundred rounds no honest node keeps a liar that lied to it: each run judges that, of every
/// node that was given something false. Here is added that both were found out, after a hundred rounds.
#[test]
fn liars_with_different_lies_are_found_and_shut_out() {
    check_liars("two-liars");
}

#[test]
fn liars_who_collude_are_found_and_shut_out() {
    check_liars("colluding");
}

fn check_liars(name: &str) {
    for outcome in check(name, if IS_SLOW { 2 } else { 4 }) {
        assert!(outcome.changes >= 100 && outcome.lied == 2, "{outcome:?}");
    }
}

#[test]
fn a_copy_that_is_many_seals_old_finds_its_way_by_the_addresses_inside_it() {
    check("aged", 1);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let told = |outcomes: Vec<Outcome>| format!("{outcomes:?}");
    assert_eq!(told(outcomes("lossy", 2)), told(outcomes("lossy", 2)));
}
