//! A page as its mirrors have it: its newest sealed state, and those before, as far as they are kept.
//!
//! States are persistent maps, so that one costs what changed in it, and whoever reads one has it for as
//! long as they like. What differs between two is found when somebody asks (RFC 1995). Only states that
//! were seen since the start are known: a mirror that has an older one gets the whole page.

use std::sync::Arc;

use crate::{
    id::Id,
    limits::{TRANSFER_PAST_BYTES_MAX, TRANSFER_PAST_MAX, TRANSFER_PATH_BYTES},
    page::{Page, name::Name, trie::Trie},
};

/// A page's sealed states.
#[derive(Clone)]
pub struct Zone {
    name: Name,
    now: Sealed,
    /// The ones before, the oldest first.
    past: Vec<Past>,
    /// Up to this serial a mirror may have what was sealed in another history.
    other: Option<u32>,
}

/// A state as of a seal.
#[derive(Clone)]
pub struct Sealed {
    /// The SOA serial: the seal's height (P8).
    pub serial: u32,
    pub state: Trie,
}

#[derive(Clone)]
struct Past {
    sealed: Sealed,
    /// About what it holds that the state after it does not.
    bytes: usize,
}

/// What somebody lacks who has a state of this page.
pub enum Lacking {
    Nothing,
    /// What stands at these places, beside that state.
    Changes(Sealed, Arc<[Id]>),
    /// It is not known, or too much differs from it.
    Everything,
}

impl Zone {
    /// The page with this name as of a seal.
    pub fn new(name: Name, now: Sealed) -> Zone {
        Zone { name, now, past: Vec::new(), other: None }
    }

    /// The same, where states of another history may be had up to this serial.
    #[must_use]
    pub fn above_other(self, other: Option<u32>) -> Zone {
        let newer = |one: u32| self.other.is_none_or(|before| is_newer(one, before));
        Zone { other: other.filter(|one| newer(*one)).or(self.other), ..self }
    }

    /// The same with its newest seal. One that is not newer is of another history, as after a page was
    /// let go of and taken in again: nothing before counts any more.
    #[must_use]
    pub fn sealed(&self, new: Sealed) -> Zone {
        if new.serial == self.now.serial && new.state.root() == self.now.state.root() {
            return self.clone();
        }
        if !is_newer(new.serial, self.now.serial) {
            let zone = Zone::new(self.name.clone(), new).above_other(self.other);
            return zone.above_other(Some(self.now.serial));
        }
        let mut bytes = 0;
        self.now.state.diff(&new.state, &mut |change| {
            bytes += TRANSFER_PATH_BYTES + change.left.map_or(0, <[u8]>::len);
        });
        let mut past = self.past.clone();
        past.push(Past { sealed: self.now.clone(), bytes });
        let (mut kept, mut sum) = (0, 0);
        for one in past.iter().rev().take(TRANSFER_PAST_MAX) {
            sum += one.bytes;
            if sum > TRANSFER_PAST_BYTES_MAX {
                break;
            }
            kept += 1;
        }
        past.drain(..past.len() - kept);
        Zone { name: self.name.clone(), now: new, past, other: self.other }
    }

    /// The page's name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The newest seal.
    pub fn now(&self) -> &Sealed {
        &self.now
    }

    /// What somebody lacks who has the state with this serial.
    pub fn since(&self, serial: u32) -> Lacking {
        // RFC 1995 section 2: nothing where theirs is the same or newer.
        if serial == self.now.serial || is_newer(serial, self.now.serial) {
            return Lacking::Nothing;
        }
        if self.other.is_some_and(|other| !is_newer(serial, other)) {
            return Lacking::Everything;
        }
        let Some(past) = self.past.iter().find(|past| past.sealed.serial == serial) else {
            return Lacking::Everything;
        };
        let mut keys = Vec::new();
        past.sealed.state.diff(&self.now.state, &mut |change| {
            let is_entry = |value: Option<&[u8]>| value.and_then(Page::entry_of).is_some();
            if is_entry(change.left) || is_entry(change.right) {
                keys.push(change.key);
            }
        });
        // Half of the page twice is as long as the whole of it.
        match keys.len() > 1 && keys.len() > self.now.state.len() / 2 {
            true => Lacking::Everything,
            false => Lacking::Changes(past.sealed.clone(), keys.into()),
        }
    }
}

/// Whether a serial comes after another (RFC 1982 section 3.2).
fn is_newer(one: u32, other: u32) -> bool {
    (one.wrapping_sub(other) as i32) > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::{
        entry::{Entry, RecordSets},
        name::Owner,
    };

    /// A state with these entries, each with one address.
    fn state(rows: &[(&str, u8)]) -> Trie {
        let page = Name::parse("ct").unwrap();
        Trie::from_pairs(rows.iter().map(|(label, octet)| {
            let owner = Owner::parse(label, &page).unwrap();
            let data = vec![192, 0, 2, *octet];
            let loose = [(crate::page::record::RecordType::A, 60, data)];
            let sets = RecordSets::gather(loose, &owner, &page).unwrap();
            let entry = Entry::initial(owner.clone(), sets);
            let leaf: Box<[u8]> = [&[0][..], &entry].concat().into();
            (crate::page::entry_key(&owner), leaf)
        }))
    }

    fn sealed(serial: u32, rows: &[(&str, u8)]) -> Sealed {
        Sealed { serial, state: state(rows) }
    }

    /// How many places changed since; -1: all is sent.
    fn since(zone: &Zone, serial: u32) -> isize {
        match zone.since(serial) {
            Lacking::Nothing => 0,
            Lacking::Changes(_, keys) => keys.len() as isize,
            Lacking::Everything => -1,
        }
    }

    /// A mirror may have a serial of a history that was decided against.
    #[test]
    fn whoever_may_have_another_history_gets_the_whole_page() {
        let rows = |n: u8| [("a", 1), ("b", 1), ("c", 1), ("d", n)];
        let page = Name::parse("ct").unwrap();
        let old = Zone::new(page.clone(), sealed(5, &rows(1)));
        // Put back, or started anew by who knows that it was.
        let back = old.sealed(sealed(2, &rows(2)));
        let anew = Zone::new(page, sealed(2, &rows(2))).above_other(Some(5));
        for zone in [back, anew] {
            let zone = (3..=8).fold(zone, |zone, n| zone.sealed(sealed(n, &rows(n as u8))));
            assert_eq!([4, 5, 6, 7, 8].map(|serial| since(&zone, serial)), [-1, -1, 1, 1, 0]);
            let zone = zone.clone().above_other(Some(3)).above_other(None);
            assert_eq!(since(&zone, 5), -1, "it is not forgotten");
        }
    }

    #[test]
    fn what_changed_since_a_seal_is_known_and_what_was_never_seen_is_not() {
        let zone = Zone::new(Name::parse("ct").unwrap(), sealed(4, &[("a", 1), ("b", 1)]));
        let zone = zone.sealed(sealed(5, &[("a", 2), ("b", 1), ("c", 1), ("d", 1)]));
        let zone = zone.sealed(sealed(7, &[("a", 2), ("b", 1), ("c", 3), ("d", 1)]));
        let check =
            |serial: u32, expect: isize| assert_eq!(since(&zone, serial), expect, "{serial}");
        check(7, 0);
        check(8, 0);
        check(5, 1);
        check(6, -1);
        check(3, -1);
        // More than half of it.
        check(4, -1);
    }

    #[test]
    fn serials_go_round() {
        let rows = [("a", 1), ("b", 1)];
        let zone = Zone::new(Name::root(), sealed(u32::MAX, &rows));
        let zone = zone.sealed(sealed(0, &[("a", 1), ("b", 2)]));
        assert_eq!((since(&zone, u32::MAX), since(&zone, 0), since(&zone, 1)), (1, 0, 0));
    }

    #[test]
    fn a_seal_that_is_not_newer_begins_anew() {
        let zone = Zone::new(Name::root(), sealed(1, &[("a", 1), ("b", 1)]));
        let zone = zone.sealed(sealed(2, &[("a", 1), ("b", 2)]));
        let zone = zone.sealed(sealed(2, &[("a", 1), ("b", 3)]));
        assert_eq!(since(&zone, 1), -1);
    }

    #[test]
    fn so_many_states_are_kept_and_no_more() {
        let mut zone = Zone::new(Name::root(), sealed(1, &[("a", 1), ("b", 1)]));
        for serial in 2..TRANSFER_PAST_MAX as u32 + 3 {
            zone = zone.sealed(sealed(serial, &[("a", 1), ("b", serial as u8)]));
        }
        assert_eq!(zone.past.len(), TRANSFER_PAST_MAX);
        assert_eq!((since(&zone, 1), since(&zone, 2)), (-1, 1));
    }
}
