//! Jumps of random histories: a copy that took the state over, and one that replayed everything.

use super::*;
use crate::governance::{
    chain::ladder::Ladder,
    jump::{JumpRefusal, Snapshot, Window, WindowRefusal},
    seal::{Contents, Seal},
};

/// A history with what its own copy hands on.
struct Told {
    records: Vec<SealRecord>,
    ladder: Ladder,
}

impl History {
    fn told(&self) -> Told {
        let mut page = founded();
        let (mut ladder, mut records) = (Ladder::new(page.page()), Vec::new());
        for event in &self.events {
            match event {
                Event::Said(statement) => drop(page.admit(statement)),
                Event::Sealed(record) => {
                    let find = |id: &Id| self.find(id);
                    let next = page.reopen_seal(record, &find).unwrap().0;
                    ladder = ladder.climbed(record, page.page(), next.page());
                    records.push((**record).clone());
                    page = next;
                }
            }
        }
        Told { records, ladder }
    }

    fn snapshot(&self, above: u64) -> Snapshot {
        let told = self.told();
        let seal = |id: &Id| -> Option<(Seal, Contents)> {
            let record = told.records.iter().find(|record| record.seal.id() == *id)?;
            Some((record.seal.clone(), record.contents.clone()))
        };
        let page = self.page.page();
        Snapshot {
            genesis: page.genesis().encode(),
            proofs: told.ladder.above(above),
            state: page.state().clone(),
            window: Window::gather(page, &seal, &|id| self.find(id)),
        }
    }

    /// The copy of somebody who went away after so many events.
    fn left_at(&self, events: usize) -> Governance {
        let mut page = founded();
        for event in self.events.iter().take(events) {
            match event {
                Event::Said(statement) => drop(page.admit(statement)),
                Event::Sealed(record) => {
                    page = page.reopen_seal(record, &|id| self.find(id)).unwrap().0;
                }
            }
        }
        page
    }
}

/// Everything that is open, as one copy gives it to another.
fn open(page: &Governance) -> Vec<Statement> {
    page.said().into_values().collect()
}

/// What both are told after a jump must lead both to the same.
fn go_on(history: &mut History, jumped: &mut Governance, deeds: &[Deed]) {
    for deed in deeds {
        let from = history.events.len();
        history.act(deed);
        for event in &history.events[from..] {
            match event {
                Event::Said(statement) => drop(jumped.admit(statement)),
                Event::Sealed(record) => {
                    *jumped = jumped.admit_seal(record, &|id| history.find(id)).unwrap().0;
                }
            }
        }
        invariants(jumped);
        assert_eq!(sealed_picture(&history.page), sealed_picture(jumped));
        assert_eq!(history.page.contents(), jumped.contents());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// N5, G10: who took the state over and who replayed everything answer the same, accept the same
    /// seals, and have the same open, whatever honest people say after the jump.
    #[test]
    fn who_jumped_and_who_replayed_agree(
        before in prop::collection::vec(deed(), 1..40),
        after in prop::collection::vec(deed(), 0..30),
    ) {
        let mut history = History::new(true);
        before.iter().for_each(|deed| history.act(deed));
        history.seal(100_000);
        if history.page.page().height() == 0 {
            return Ok(());
        }
        let snapshot = history.snapshot(0);
        let mut jumped = Governance::from_snapshot(&snapshot).unwrap();
        prop_assert_eq!(jumped.page.head(), history.page.page().head());
        offer(&mut jumped, open(&history.page).iter());
        prop_assert_eq!(whole_picture(&history.page), whole_picture(&jumped));
        go_on(&mut history, &mut jumped, &after);
        offer(&mut jumped, open(&history.page).iter());
        prop_assert_eq!(open_picture(&history.page, &jumped), open_picture(&jumped, &history.page));
    }

    /// N5, T3: who was away and jumps keeps what is still open, and agrees with who was there.
    #[test]
    fn who_was_away_jumps_and_agrees(
        deeds in prop::collection::vec(deed(), 1..60),
        after in prop::collection::vec(deed(), 0..20),
        left in any::<prop::sample::Index>(),
    ) {
        let mut history = History::new(true);
        deeds.iter().for_each(|deed| history.act(deed));
        let away = history.left_at(left.index(history.events.len()));
        let (own, newest) = (away.page().height(), history.page.page().height());
        let jump = away.jumped(&history.snapshot(own));
        if own == newest {
            prop_assert_eq!(jump.err(), Some(JumpRefusal::NotAbove { held: own, found: 0 }));
            return Ok(());
        }
        let (mut jumped, changed) = jump.unwrap();
        for (owner, sets) in away.contents() {
            let is_told = changed.contains(&owner);
            prop_assert!(is_told || jumped.ratified(&owner).0 == sets, "{}", owner);
        }
        offer(&mut jumped, open(&history.page).iter());
        let mut alice = history.page.clone();
        offer(&mut alice, open(&jumped).iter());
        prop_assert_eq!(sealed_picture(&alice), sealed_picture(&jumped));
        prop_assert_eq!(open_picture(&alice, &jumped), open_picture(&jumped, &alice));
        history.page = alice;
        go_on(&mut history, &mut jumped, &after);
    }
}

/// A history of some seals in which the roster and the parameters changed.
fn eventful() -> History {
    let mut history = History::new(true);
    history.seal(60);
    for value in 1..4 {
        let parent = history.page.version(&Register::Entry(owner("brick")));
        history.say(set(&history.page, 0, value, "brick", parent, a(value as u8 + 10)));
        history.acclaim(0);
        history.seal(3600);
    }
    for (slot, max) in [(0, 3), (1, 2)] {
        let parameters = Parameters { open_operations_max: max, ..Parameters::default() };
        let change = RosterChange::SetParameters(parameters);
        let parent = history.page.page().roster_version();
        let change = Change::SetRoster(SetRoster { parent, change });
        history.say(operation(&history.page, 1, slot, change));
        history.acclaim(0);
        history.seal(3600);
    }
    history
}

/// N5 accepts: a snapshot as it is.
/// N5 refuses: each of its parts changed, by its name.
/// T3 refuses: a snapshot that is not above what is held.
#[test]
fn a_changed_snapshot_is_refused_by_its_name() {
    let history = eventful();
    let newest = history.page.page().height();
    assert!(newest >= 6, "{newest}");
    let check =
        |what: &str, change: &dyn Fn(&mut Snapshot), expect: &dyn Fn(&JumpRefusal) -> bool| {
            let mut snapshot = history.snapshot(0);
            assert!(Governance::from_snapshot(&snapshot).is_ok());
            change(&mut snapshot);
            let refusal = Governance::from_snapshot(&snapshot).err();
            assert!(refusal.as_ref().is_some_and(expect), "{what}: {refusal:?}");
        };
    let window = |wanted: fn(&WindowRefusal) -> bool| move |refusal: &JumpRefusal| matches!(refusal, JumpRefusal::Window(found) if wanted(found));
    check("no proofs", &|s| s.proofs.clear(), &|r| matches!(r, JumpRefusal::NotAbove { .. }));
    check("a state", &|s| s.state.insert(Id::ZERO, [0]), &|r| {
        matches!(r, JumpRefusal::State(crate::page::StateRefusal::OtherRoot { .. }))
    });
    check("a proof", &|s| s.proofs[0].seal.time += 1, &|r| matches!(r, JumpRefusal::Chain(_)));
    check(
        "a list",
        &|s| s.window.seals[1].1.operations.clear(),
        &window(|r| matches!(r, WindowRefusal::Contents(_))),
    );
    check(
        "a seal",
        &|s| drop(s.window.seals.remove(1)),
        &window(|r| matches!(r, WindowRefusal::NotPrevious(_))),
    );
    check(
        "the newest",
        &|s| drop(s.window.seals.remove(0)),
        &window(|r| matches!(r, WindowRefusal::OtherNewest { .. })),
    );
    check(
        "short",
        &|s| s.window.seals.truncate(2),
        &window(|r| matches!(r, WindowRefusal::TooShort(_))),
    );
    check(
        "an order",
        &|s| drop(s.window.orders.remove(0)),
        &window(|r| matches!(r, WindowRefusal::Order(_))),
    );
    check(
        "the last order",
        &|s| drop(s.window.orders.pop()),
        &window(|r| matches!(r, WindowRefusal::Order(_))),
    );
    let refused = history.page.jumped(&history.snapshot(0)).err();
    assert_eq!(refused, Some(JumpRefusal::NotAbove { held: newest, found: newest }));
}

/// T4: a window in which another seal stands at the own height is a fork, and named as one.
#[test]
fn a_snapshot_of_another_history_is_a_fork() {
    let mut history = eventful();
    let mut other = eventful();
    other.seal(50_000);
    other.appoint(2);
    other.seal(60);
    history.appoint(3);
    history.seal(77_000);
    let held = history.page.page().head();
    other.appoint(1);
    other.seal(60);
    let snapshot = other.snapshot(0);
    let found = snapshot.window.at(held.height).unwrap().id();
    let refused = history.page.jumped(&snapshot).err();
    assert_eq!(refused, Some(JumpRefusal::Fork { height: held.height, held: held.seal, found }));
}

/// The way to a snapshot is read back as it was written, and its past is that of who replayed.
#[test]
fn a_window_gives_back_the_past() {
    let history = eventful();
    let snapshot = history.snapshot(0);
    let read = Snapshot::from_passage(
        snapshot.genesis.clone(),
        &snapshot.passage(),
        snapshot.state.clone(),
    );
    let read = read.unwrap();
    assert_eq!((&read.proofs, &read.window), (&snapshot.proofs, &snapshot.window));
    let jumped = Governance::from_snapshot(&read).unwrap();
    let times: Vec<u64> = history.told().records.iter().map(|record| record.seal.time).collect();
    for time in times {
        let now = history.page.page().parameters().open_operations_max;
        assert_eq!(jumped.past.slots_since(time, now), history.page.past.slots_since(time, now));
    }
    let sealed = |page: &Governance| -> Vec<Id> {
        let sealed = page.closed().filter(|(_, end)| matches!(end.outcome, Outcome::Sealed(_)));
        sealed.map(|(id, _)| *id).collect()
    };
    assert_eq!(sealed(&jumped), sealed(&history.page));
}
