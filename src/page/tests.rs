//! Founding, admitting and reopening pages.

use super::*;
use crate::key::SecretKey;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn genesis() -> RawGenesis {
    let keys = [1, 2].map(|n| (SecretKey::from_seed(&[n; 32]).public(), 1));
    RawGenesis::new(name("ff.ct"), roster_rows(keys), Parameters::default(), 1, Id::ZERO)
}

fn entry(owner: &str, last: u8) -> (Owner, RecordSets) {
    let owner = Owner::parse(owner, &name("ff.ct")).unwrap();
    let record = (record::RecordType::A, 60, vec![192, 0, 2, last]);
    let sets = RecordSets::gather([record], &owner, &name("ff.ct")).unwrap();
    (owner, sets)
}

fn founded() -> (Page, RawPage) {
    Page::found(genesis(), [entry("a", 1), entry("b.c", 2)]).unwrap()
}

fn admit(raw: &RawPage) -> Result<Page, PageRefusal> {
    Page::admit(raw, &mut |_| {})
}

/// P9 accepts: the contents in any order are the same page.
#[test]
fn a_founded_page_is_admitted_in_any_order_of_its_entries() {
    let (page, mut raw) = founded();
    raw.entries.reverse();
    let again = admit(&raw).unwrap();
    assert_eq!((again.id(), again.state_root()), (page.id(), page.state_root()));
    assert_eq!(Page::reopen(&raw).unwrap().id(), page.id());
    assert_eq!(again.entry_count(), 2);
    assert_eq!(again.entries().count(), 2);
    let (owner, sets) = entry("a", 1);
    assert_eq!(again.entry(&owner).unwrap().sets, sets);
}

/// P9 refuses: contents that are not those of the state root.
#[test]
fn other_contents_are_refused() {
    let (_, raw) = founded();
    let (_, other) = Page::found(genesis(), [entry("a", 9)]).unwrap();
    let mut swapped = raw.clone();
    swapped.entries[0] = other.entries[0].clone();
    let mut missing = raw.clone();
    missing.entries.pop();
    let mut twice = raw.clone();
    twice.entries.push(raw.entries[1].clone());
    let owner = entry("b.c", 2).0;
    assert_eq!(admit(&twice).err(), Some(PageRefusal::OwnerTwice(owner)));
    for (raw, expect) in [(swapped, false), (missing, false), (twice, true)] {
        let refusal = admit(&raw).err().unwrap();
        assert_eq!(matches!(refusal, PageRefusal::OwnerTwice(_)), expect, "{refusal}");
        assert!(Page::reopen(&raw).is_err());
    }
}

#[test]
fn an_initial_entry_has_no_operation_behind_it_and_is_not_empty() {
    let (owner, sets) = entry("a", 1);
    let check = |version, sets, expect| {
        let bytes = Entry { owner: owner.clone(), version, sets }.encode();
        let raw = RawPage { entries: vec![bytes.into()], ..founded().1 };
        assert_eq!(admit(&raw).err(), Some(expect));
    };
    check(Id::hash(&[b"op"]), sets, PageRefusal::NotOrigin(owner.clone()));
    check(Id::ZERO, RecordSets::NONE, PageRefusal::EmptyEntry(owner.clone()));
}

/// A log whose checksums are right may still hold nonsense: somebody may have written it.
#[test]
fn an_initial_entry_that_does_not_begin_with_an_owner_is_refused() {
    let check = |bytes: &[u8], n: usize| {
        let (_, mut raw) = founded();
        raw.entries.push(bytes.into());
        assert_eq!(Page::reopen(&raw).err(), Some(PageRefusal::NoEntry(n)));
        assert!(admit(&raw).is_err());
    };
    check(b"", 2);
    check(b"\x93\xc4", 2);
    check(b"\x93\xc4\x02a", 2);
    check(b"\x92\xc4\x01a", 2);
}

#[test]
fn versions_start_at_the_origin_of_page_and_owner() {
    let (page, _) = founded();
    let (owner, _) = entry("a", 1);
    assert_eq!(page.version(&owner), origin_version(&page.id(), &owner));
    assert_ne!(page.version(&owner), page.version(&Owner::apex()));
}

#[test]
fn a_page_founded_from_bytes_is_the_same_and_passes_the_same_checks() {
    let (page, raw) = founded();
    let unrooted = Genesis::admit(genesis()).unwrap().encode();
    let found = |entries: &[Box<[u8]>]| {
        let raw = RawPage { genesis: unrooted.clone(), entries: entries.to_vec() };
        Page::found_raw(raw, &mut |_| {})
    };
    let (again, written) = found(&raw.entries).unwrap();
    assert_eq!((again.id(), written), (page.id(), raw.clone()));
    let (owner, sets) = entry("c", 3);
    let version = Id::hash(&[b"an operation"]);
    let made_later = Entry { owner: owner.clone(), version, sets }.encode().into();
    assert_eq!(found(&[made_later]).err(), Some(PageRefusal::NotOrigin(owner)));
    let twice = [raw.entries[0].clone(), raw.entries[0].clone()];
    assert!(matches!(found(&twice).err(), Some(PageRefusal::OwnerTwice(_))));
}

#[test]
fn progress_counts_the_entries_that_were_checked() {
    let (_, raw) = founded();
    let mut told = Vec::new();
    Page::admit(&raw, &mut |checked| told.push(checked)).unwrap();
    assert_eq!(told, [1, 2]);
}

/// P9 refuses: an excerpt in which one kind of leaf stands in the place of another.
#[test]
fn a_leaf_in_the_place_of_another_kind_shows_nothing() {
    let (page, _) = founded();
    let key = *page.roster().iter().next().unwrap().0;
    let parameters = parameters_leaf(page.parameters(), 2, Id::ZERO);
    let seat = |joined_by| Seat { power: 1, joined_by, presence: None };
    let [founder, joined] = [None, Some(Id::ZERO)].map(|by| participant_leaf(&key, &seat(by)));
    let as_kind = |kind: Leaf, bytes: &[u8]| leaf(kind, &bytes[1..]);
    let read = |parameters: &[u8], participant: &[u8]| {
        let at = [parameters_key(), participant_key(&key)];
        let state = Trie::from_pairs(at.into_iter().zip([parameters.into(), participant.into()]));
        Roll::read(&state.excerpt(at), &state.root()).err()
    };
    assert_eq!(read(&parameters, &founder), None);
    assert_eq!(read(&parameters, &joined), None);
    for wrong in [
        as_kind(Leaf::Entry, &founder),
        as_kind(Leaf::Entry, &joined),
        as_kind(Leaf::Joined, &founder),
        as_kind(Leaf::Founder, &joined),
        parameters.clone(),
    ] {
        assert_eq!(read(&parameters, &wrong), Some(RollRefusal::OtherLeaf), "{wrong:02x?}");
    }
    let wrong = as_kind(Leaf::Founder, &parameters);
    assert_eq!(read(&wrong, &founder), Some(RollRefusal::OtherLeaf));
}

#[test]
fn only_a_page_of_the_demonstration_says_that_it_is_one() {
    assert!(!founded().0.is_demonstration());
    let shown = RawGenesis { demonstration: true, ..genesis() };
    assert!(Page::found(shown, []).unwrap().0.is_demonstration());
}
