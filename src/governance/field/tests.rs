//! Fields of small pages: what agrees, what conflicts, what is too old, too early, or of nobody.

use proptest::prelude::*;

use super::*;
use crate::{
    governance::{
        presence::Presence,
        statement::{Body, Statement},
    },
    limits::{SEAL_INTERVAL_DEFAULT, TRACK1_BP_DEFAULT},
    page::{
        Page,
        genesis::{Parameters, RawGenesis},
        name::Name,
        roster_rows,
    },
};

pub(super) const HOUR: u64 = 3600;
/// When the pages of these stories are sealed.
pub(super) const SEALED: u64 = 1_000_000;

pub(super) fn person(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n + 1; 32])
}

pub(super) fn node(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n + 101; 32])
}

/// A page on which the first participant has the first of these powers, and so on.
pub(super) fn page(powers: &[u32]) -> Governance {
    let rows = (0..).zip(powers).map(|(n, power)| (person(n).public(), *power));
    let name = Name::parse("ff.ct").unwrap();
    let raw = RawGenesis::new(name, roster_rows(rows), Parameters::default(), 1, Id::ZERO);
    Governance::new(Page::found(raw, []).unwrap().0)
}

/// A participant names a node.
pub(super) fn host(page: &mut Governance, who: u8, of: u8) {
    let key = person(who);
    let sequence = page.next_presence(&key.public());
    let node = vec![node(of).public().raw()];
    let presence = Presence { node, ..Presence::new(key.public().raw(), sequence) };
    let statement = Statement::sign(&page.page().id(), Body::Presence(presence), &key).unwrap();
    page.admit(&statement).unwrap();
}

/// Each participant names its own node.
pub(super) fn hosted(powers: &[u32]) -> Governance {
    let mut page = page(powers);
    (0..powers.len() as u8).for_each(|n| host(&mut page, n, n));
    page
}

/// The page under a seal that one node makes, and what that makes of a field.
pub(super) fn sealed(page: &Governance, by: u8, clock: u64, field: &mut Field) -> Governance {
    let (record, proposal) = page.seal_alone(&node(by), clock).unwrap();
    let said = page.said();
    let (page, _) = page.sealed(&proposal, &|id| said.get(id).cloned());
    field.sealed(&page, &record.seal, &record.certificate);
    page
}

/// A seal that nobody here has.
pub(super) fn foreign(height: u64, which: u8) -> Head {
    Head { height, seal: Id::hash(&[&[which]]), time: 0 }
}

pub(super) fn say(page: &Governance, of: u8, head: &Head, time: u64) -> Attestation {
    Attestation::sign(&node(of), &page.page().id(), head, time)
}

fn bp(picture: &Picture) -> (u16, u16) {
    (picture.strength_bp, picture.coherence_bp)
}

/// T6 accepts: that nodes which agree add up, each with the power of the seats that name it.
/// T6 refuses: that what conflicts adds up, that less than `track1_bp` is fresh, and that who knows of
/// a better seal and has it not is.
#[test]
fn what_agrees_adds_up_and_what_conflicts_cancels() {
    let page = hosted(&[10, 20, 30, 40]);
    let (held, x, y) = (page.page().head(), foreign(5, 1), foreign(5, 2));
    let check = |said: &[(u8, &Head)], strength_and_coherence, freshness| {
        let mut field = Field::default();
        for (of, head) in said {
            assert_eq!(field.take(&page, &say(&page, *of, head, SEALED), SEALED), Ok(true));
        }
        let picture = field.picture(&page, SEALED);
        assert_eq!(bp(&picture), strength_and_coherence, "{said:?}");
        assert_eq!(picture.freshness, freshness, "{said:?}");
    };
    let weak = |support| Freshness::Stale(Stale::Weak { support, needed: 31, total: 100 });
    check(&[], (0, 0), Freshness::Stale(Stale::Unheard));
    check(&[(0, &held)], (1000, 10_000), weak(10));
    check(&[(2, &held)], (3000, 10_000), weak(30));
    check(&[(0, &held), (1, &held)], (3000, 10_000), weak(30));
    check(&[(3, &held)], (4000, 10_000), Freshness::Confirmed);
    check(&[(2, &held), (3, &held)], (7000, 10_000), Freshness::Confirmed);
    check(&[(3, &held), (2, &x)], (4000, 5714), Freshness::Confirmed);
    check(&[(3, &x), (2, &held)], (4000, 5714), Freshness::Stale(Stale::Behind(5)));
    check(&[(0, &held), (1, &x), (2, &y)], (3000, 5000), weak(30));
    assert_eq!(TRACK1_BP_DEFAULT, 3001);
}

/// T6 accepts: a seal that follows as support of those below it, and a commit as an attestation.
#[test]
fn who_names_a_later_seal_supports_those_that_led_to_it() {
    let mut field = Field::default();
    let mut page = page(&[70, 30]);
    (0..2).for_each(|n| host(&mut page, n, n));
    let founded = page.page().head();
    let (page, before) = (sealed(&page, 0, SEALED, &mut field), page);
    let picture = field.picture(&page, SEALED);
    assert_eq!(bp(&picture), (7000, 10_000), "the commit of 70 says so already");
    field.take(&page, &say(&page, 1, &founded, SEALED), SEALED).unwrap();
    let picture = field.picture(&page, SEALED);
    assert_eq!(bp(&picture), (10_000, 10_000), "nobody contradicts that it was founded");
    let rows = picture.candidates.iter().map(|c| (c.height, c.support, c.is_held));
    assert_eq!(rows.collect::<Vec<_>>(), [(0, 100, true), (1, 70, true)]);
    // To a copy that has not got the seal yet it is one among others.
    let mut behind = Field::default();
    behind.take(&before, &say(&before, 1, &founded, SEALED), SEALED).unwrap();
    behind.take(&before, &say(&before, 0, &page.page().head(), SEALED), SEALED).unwrap();
    let picture = behind.picture(&before, SEALED);
    assert_eq!((bp(&picture), picture.is_fresh()), ((7000, 7000), false));
}

/// T6 accepts: an attestation for 24 h, an own one after 6 h or a seal.
/// T6 refuses: one second more.
#[test]
fn an_attestation_is_valid_for_a_day_and_renewed_four_times_in_it() {
    let page = hosted(&[1]);
    let mut field = Field::default();
    let mine = node(0).public();
    assert!(field.is_due(&page, &mine, SEALED) && !field.is_due(&page, &node(1).public(), SEALED));
    let said = field.attest(&page, &node(0), SEALED);
    assert_eq!(field.take(&page, &said, SEALED), Ok(true));
    let check = |after: u64, fresh, due| {
        let now = SEALED + after;
        assert_eq!(field.picture(&page, now).is_fresh(), fresh, "{after}");
        assert_eq!(field.is_due(&page, &mine, now), due, "{after}");
    };
    check(0, true, false);
    check(6 * HOUR - 1, true, false);
    check(6 * HOUR, true, true);
    check(24 * HOUR - 1, true, true);
    check(24 * HOUR, false, true);
    let late = SEALED + 24 * HOUR;
    let expired = FieldRefusal::Expired { time: SEALED, clock: late };
    assert_eq!(Field::default().take(&page, &said, late), Err(expired));
    let mut field = field.clone();
    let page = sealed(&page, 0, SEALED + HOUR, &mut field);
    assert!(!field.is_due(&page, &mine, SEALED + HOUR), "the commit says it");
    assert!(field.is_due(&page, &mine, SEALED + 7 * HOUR));
    assert!(field.expire(late) && field.attestations().next().is_none());
}

/// T7 accepts: an attestation up to an hour ahead, once it is due.
/// T7 refuses: one further ahead; and that one counts before its time.
#[test]
fn what_is_ahead_of_the_clock_waits_and_what_is_far_ahead_is_dropped() {
    let page = hosted(&[1]);
    let head = page.page().head();
    let mut field = Field::default();
    let (far, near) = (SEALED + HOUR + 1, SEALED + HOUR);
    let refusal = FieldRefusal::Ahead { time: far, clock: SEALED };
    assert_eq!(field.take(&page, &say(&page, 0, &head, far), SEALED), Err(refusal));
    assert_eq!(field.take(&page, &say(&page, 0, &head, near), SEALED), Ok(true));
    assert_eq!(field.take(&page, &say(&page, 0, &foreign(9, 9), near - 1), SEALED), Ok(true));
    let at = |field: &Field, now| {
        let picture = field.picture(&page, now);
        let best = picture.candidates[0].clone();
        (best.support > 0).then_some(best.height)
    };
    assert_eq!(at(&field, SEALED), None);
    assert_eq!(at(&field, near - 2), None);
    assert_eq!(at(&field, near - 1), Some(9), "the earliest is kept, so that none waits for ever");
    field.take(&page, &say(&page, 0, &head, near), near - 1).unwrap();
    assert_eq!([near - 1, near].map(|now| at(&field, now)), [Some(9), Some(0)]);
}

/// T6 refuses: what a node says that no seat names, or about another page.
#[test]
fn only_nodes_that_a_seat_names_are_heard() {
    let mut page = page(&[1, 1]);
    host(&mut page, 0, 0);
    let head = page.page().head();
    let mut field = Field::default();
    let stranger = say(&page, 1, &head, SEALED);
    let refusal = FieldRefusal::NoSeat(node(1).public());
    assert_eq!(field.take(&page, &stranger, SEALED), Err(refusal));
    let other = hosted(&[1, 1, 1]);
    let foreign = say(&other, 0, &other.page().head(), SEALED);
    let refusal = FieldRefusal::OtherPage(other.page().id());
    assert_eq!(field.take(&page, &foreign, SEALED), Err(refusal));
    assert_eq!(field.attestations().count(), 0);
    // Named in a presence that is not sealed yet, it may speak (S2), as the node before still may.
    host(&mut page, 1, 1);
    assert_eq!(field.take(&page, &stranger, SEALED), Ok(true));
    assert_eq!(field.picture(&page, SEALED).attested, 1);
}

#[test]
fn what_is_kept_is_bounded_by_the_seats() {
    let mut page = page(&[1]);
    let mut field = Field::default();
    for n in 0..20 {
        host(&mut page, 0, n);
        let said = say(&page, n, &page.page().head(), SEALED);
        assert_eq!(field.take(&page, &said, SEALED), Ok(true));
        assert!(field.attestations().count() <= 3 + 1, "{n}");
    }
    assert_eq!(field.picture(&page, SEALED).attested, 1);
}

/// A page whose seats are too few to seal it, or that is a demonstration, has nobody to ask.
#[test]
fn a_page_that_can_have_been_sealed_nowhere_is_fresh() {
    let mut page = page(&[30, 30, 40]);
    let field = Field::default();
    let freshness = |page: &Governance| field.picture(page, SEALED).freshness;
    assert_eq!(freshness(&page), Freshness::Unsealable);
    host(&mut page, 0, 0);
    assert_eq!(freshness(&page), Freshness::Unsealable);
    host(&mut page, 2, 1);
    assert_eq!(freshness(&page), Freshness::Stale(Stale::Unheard));
}

/// T6 accepts: of two that contradict each other that with the smaller id, in any order; both are
/// evidence.
#[test]
fn a_node_that_contradicts_itself_counts_once_and_leaves_evidence() {
    let page = hosted(&[1]);
    let two = [1, 2].map(|which| say(&page, 0, &foreign(3, which), SEALED));
    let smaller = two.iter().min_by_key(|said| said.id()).unwrap();
    for order in [[0, 1], [1, 0]] {
        let mut field = Field::default();
        for n in order {
            assert_eq!(field.take(&page, &two[n], SEALED), Ok(true));
        }
        let picture = field.picture(&page, SEALED);
        assert_eq!((bp(&picture), picture.candidates[0].seal), ((10_000, 10_000), smaller.seal()));
        let (one, other) = field.evidence().next().unwrap();
        assert_eq!(one, smaller);
        assert!(one.contradicts(other));
        assert_eq!(field.statements().len(), 2);
        let later = say(&page, 0, &page.page().head(), SEALED + 1);
        assert_eq!(field.take(&page, &later, SEALED + 1), Ok(true));
        assert_eq!(field.statements().len(), 3);
        // Another copy takes the pair though something newer was said since.
        let mut other_copy = Field::default();
        other_copy.take(&page, &later, SEALED + 1).unwrap();
        assert_eq!(other_copy.take(&page, &two[0], SEALED + 1), Ok(false));
        assert!(other_copy.take_contradiction(&page, &two[0], &two[1]));
        assert!(!other_copy.take_contradiction(&page, &two[1], &two[0]));
        assert_eq!(other_copy.statements(), field.statements());
    }
}

#[test]
fn a_node_never_contradicts_itself_however_fast_it_seals() {
    let mut field = Field::default();
    let mut page = hosted(&[1]);
    let said = field.attest(&page, &node(0), SEALED);
    field.take(&page, &said, SEALED).unwrap();
    page = sealed(&page, 0, SEALED, &mut field);
    let again = field.attest(&page, &node(0), SEALED);
    assert!(!said.contradicts(&again) && again.time() > said.time());
    let interval = SEAL_INTERVAL_DEFAULT.as_secs();
    assert_eq!(field.attest(&page, &node(0), SEALED + interval).time(), SEALED + interval);
}

/// What a node says in a random story: who, which seal, when.
type Said = (u8, u8, u64);

fn stories() -> impl Strategy<Value = (Vec<u32>, Vec<Said>, u64)> {
    let powers = prop::collection::vec(1..=50u32, 1..5);
    let said = prop::collection::vec((0..5u8, 0..4u8, 0..4u64), 0..14);
    (powers, said, any::<u64>())
}

fn told(page: &Governance, said: &[Said]) -> Vec<Attestation> {
    let held = page.page().head();
    let of = |(of, which, minute): &Said| {
        let head = if *which == 0 { held } else { foreign(u64::from(*which), *which) };
        say(page, *of, &head, SEALED + minute * 60)
    };
    said.iter().map(of).collect()
}

fn heard(page: &Governance, said: &[Attestation], now: u64) -> Field {
    let mut field = Field::default();
    said.iter().for_each(|one| drop(field.take(page, one, now)));
    field
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The order of arrival does not matter, repetition changes nothing, no sum exceeds T.
    #[test]
    fn a_picture_depends_on_what_was_said_and_on_nothing_else(
        (powers, said, seed) in stories()
    ) {
        let page = hosted(&powers);
        let now = SEALED + 120;
        let mut said = told(&page, &said);
        let first = heard(&page, &said, now);
        let picture = first.picture(&page, now);
        prop_assert!(picture.attested <= picture.total);
        prop_assert!(picture.candidates.iter().all(|c| c.support <= picture.attested));
        let direct: u64 =
            picture.candidates.iter().flat_map(|c| &c.voices).map(|voice| voice.power).sum();
        prop_assert_eq!(direct, picture.attested, "every seat counts once");
        prop_assert!(picture.strength_bp <= picture.coherence_bp);
        prop_assert!(picture.coherence_bp <= BASIS_POINTS);
        let again = said.clone();
        said.extend(again);
        let len = said.len().max(1);
        said.rotate_left(seed as usize % len);
        if seed % 2 == 0 {
            said.reverse();
        }
        let other = heard(&page, &said, now);
        prop_assert_eq!(other.picture(&page, now), picture);
        prop_assert_eq!(other.attestations().collect::<Vec<_>>(), first.attestations().collect::<Vec<_>>());
    }

    /// One more who agrees makes both larger, one more who contradicts makes coherence smaller.
    #[test]
    fn agreement_adds_to_strength_and_contradiction_takes_from_coherence(
        (powers, said, _) in stories()
    ) {
        let mut page = hosted(&powers);
        let now = SEALED + 1000;
        let before = heard(&page, &told(&page, &said), now);
        // A seat that was silent so far: strength is of the same T.
        let (one, best) = (powers.len() as u8, before.picture(&page, now));
        prop_assume!(best.attested > 0);
        let mut powers = powers;
        powers.push(1);
        page = hosted(&powers);
        let before = heard(&page, &told(&page, &said), now);
        let best = before.picture(&page, now);
        prop_assume!(said.iter().all(|(of, ..)| *of != one) && best.attested > 0);
        let named = &best.candidates[0];
        let head = Head { height: named.height, seal: named.seal, time: 0 };
        let with = |head: &Head| {
            let mut field = before.clone();
            field.take(&page, &say(&page, one, head, now), now).unwrap();
            field.picture(&page, now)
        };
        let (agreed, contradicted) = (with(&head), with(&foreign(77, 77)));
        prop_assert!(agreed.strength_bp > best.strength_bp);
        prop_assert!(agreed.coherence_bp >= best.coherence_bp);
        prop_assert!(contradicted.coherence_bp < best.coherence_bp);
        prop_assert_eq!(contradicted.strength_bp, best.strength_bp);
    }
}
