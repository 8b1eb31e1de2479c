//! When each page was asked for last, of those that questions brought: in memory to the millisecond, and on the
//! disk as a small text, a line for each page, written at most once an hour.
//!
//! ```text
//! <page id> <milliseconds since 1970 (UTC)>
//! ```
//! After a crash a page seems to have been asked for an hour earlier than it was, or just now.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    id::Id,
    limits::EVICTION_SAVED_EVERY,
    store::{Note, Store, StoreError},
};

/// The pages that were asked for.
#[derive(Debug, Default)]
pub struct Asked {
    rows: BTreeMap<Id, u64>,
    /// When they were written last, in milliseconds of a clock that nobody sets, and whether anything was new since.
    saved: u64,
    is_changed: bool,
}

impl Asked {
    /// Reads what is kept. What cannot be read is said, and every page was asked for just now then.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(store: &Store, ticks: u64) -> Result<(Asked, Option<String>), StoreError> {
        let (rows, told) = match store.note(Note::Asked) {
            Ok(text) => match read(&text) {
                Ok(rows) => (rows, None),
                Err(line) => (
                    BTreeMap::new(),
                    Some(format!(
                        "line {line} of when pages were asked for is damaged: each counts as asked for now"
                    )),
                ),
            },
            Err(error @ StoreError::NoteDamaged { .. }) => {
                (BTreeMap::new(), Some(error.to_string()))
            }
            Err(error) => return Err(error),
        };
        Ok((Asked { rows, saved: ticks, is_changed: false }, told))
    }

    /// These were asked for now; of the others those in `here` are remembered, and begin with now. A time that
    /// the clock has not reached yet was written while it was wrong.
    pub fn note(&mut self, asked: &BTreeSet<Id>, here: &BTreeSet<Id>, now: u64) {
        let before = self.rows.len();
        self.rows.retain(|page, _| here.contains(page));
        self.is_changed |= before != self.rows.len();
        for page in here {
            let at = self.rows.entry(*page).or_insert(u64::MAX);
            if asked.contains(page) || *at > now {
                *at = now;
                self.is_changed = true;
            }
        }
    }

    /// A page is gone: one that comes back begins anew.
    pub fn forget(&mut self, page: &Id) {
        self.is_changed |= self.rows.remove(page).is_some();
    }

    /// When a page was asked for last, in milliseconds since 1970 (UTC).
    pub fn of(&self, page: &Id) -> Option<u64> {
        self.rows.get(page).copied()
    }

    /// Writes them where there is something new and the last time is an hour ago, or at once.
    ///
    /// # Errors
    /// [`StoreError`]; it is tried again later.
    pub fn save(&mut self, store: &Store, ticks: u64, at_once: bool) -> Result<(), StoreError> {
        let is_due = ticks.saturating_sub(self.saved) >= EVICTION_SAVED_EVERY.as_millis() as u64;
        if !self.is_changed || !is_due && !at_once {
            return Ok(());
        }
        self.saved = ticks;
        store.set_note(Note::Asked, &write(&self.rows))?;
        self.is_changed = false;
        Ok(())
    }
}

fn write(rows: &BTreeMap<Id, u64>) -> Vec<u8> {
    rows.iter().map(|(page, at)| format!("{page} {at}\n")).collect::<String>().into_bytes()
}

/// Reads what [`write`] wrote; the number of the first line that is none.
fn read(bytes: &[u8]) -> Result<BTreeMap<Id, u64>, usize> {
    let text = str::from_utf8(bytes).map_err(|_| 1usize)?;
    let row = |line: &str| {
        let (page, at) = line.split_once(' ')?;
        Some((Id::from_hex(page)?, at.parse().ok()?))
    };
    text.lines().enumerate().map(|(n, line)| row(line).ok_or(n + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(n: u8) -> Id {
        Id::hash(&[&[n]])
    }

    #[test]
    fn what_was_asked_for_is_read_back_and_a_bad_line_is_named() {
        let rows: BTreeMap<Id, u64> = (1..4).map(|n| (page(n), u64::from(n) << 40)).collect();
        assert_eq!(read(&write(&rows)), Ok(rows));
        assert_eq!(read(b""), Ok(BTreeMap::new()));
        for line in ["nonsense".to_owned(), format!("{} x", page(1)), format!("{} -1", page(1))] {
            assert_eq!(read(format!("{} 5\n{line}\n", page(2)).as_bytes()), Err(2), "{line}");
        }
    }

    #[test]
    fn a_page_begins_with_now_and_a_time_to_come_is_now() {
        let mut asked = Asked::default();
        let all: BTreeSet<Id> = [page(1), page(2)].into();
        asked.note(&BTreeSet::new(), &all, 100);
        assert!(asked.is_changed);
        asked.is_changed = false;
        asked.note(&BTreeSet::new(), &all, 150);
        assert!(!asked.is_changed, "nothing is written while nobody asks");
        asked.note(&[page(2), page(9)].into(), &all, 200);
        assert_eq!([1, 2, 9].map(|n| asked.of(&page(n))), [Some(100), Some(200), None]);
        // The clock was wrong, and is set right.
        asked.note(&BTreeSet::new(), &[page(2)].into(), 150);
        assert_eq!([1, 2].map(|n| asked.of(&page(n))), [None, Some(150)]);
        asked.forget(&page(2));
        asked.note(&BTreeSet::new(), &[page(2)].into(), 300);
        assert_eq!(asked.of(&page(2)), Some(300));
    }
}
