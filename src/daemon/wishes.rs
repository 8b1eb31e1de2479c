//! How closely each page is followed (N8), as a small text: a line for each page that somebody wished
//! something for.
//!
//! ```text
//! <page id> every 3600 bytes 500000000 rate -
//! ```
//! What follows from a wish is [`crate::sync`]'s business.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use super::node::{Node, sentence};
use crate::{
    control::{
        report::Following,
        request::{Failure, WishChange},
    },
    id::Id,
    limits::{FOLLOW_EVERY_MAX, FOLLOW_EVERY_MIN, WISHES_MAX},
    store::{Note, Store, StoreError},
    sync::{Pace, Wish},
};

/// What everybody gets who wished nothing.
pub const USUAL: Wish = Wish { pace: Pace::Live, bytes_max: None, bytes_per_second_max: None };

/// The wishes of one node, kept on its disk.
#[derive(Default)]
pub struct Wishes {
    /// By page; [`USUAL`] where there is none.
    rows: Mutex<BTreeMap<Id, Wish>>,
    listener: OnceLock<Listener>,
}

/// Is told of every wish. It must not wait.
type Listener = Box<dyn Fn(&Id, Wish) + Send + Sync>;

impl Wishes {
    /// Reads what is kept. What cannot be read is said, and everything is as usual then.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(store: &Store) -> Result<(Wishes, Option<String>), StoreError> {
        let (rows, told) = match store.note(Note::Wishes) {
            Ok(text) => match read(&text) {
                Ok(rows) => (rows, None),
                Err(line) => (
                    BTreeMap::new(),
                    Some(format!(
                        "line {line} of the wishes is damaged: every page is followed as usual until you \
                     `djdns page follow` it"
                    )),
                ),
            },
            Err(error @ StoreError::NoteDamaged { .. }) => {
                (BTreeMap::new(), Some(error.to_string()))
            }
            Err(error) => return Err(error),
        };
        Ok((Wishes { rows: Mutex::new(rows), listener: OnceLock::new() }, told))
    }

    /// How a page is followed.
    pub fn of(&self, page: &Id) -> Wish {
        self.rows().get(page).copied().unwrap_or(USUAL)
    }

    /// Every page for which something else was wished.
    pub fn all(&self) -> Vec<(Id, Wish)> {
        self.rows().iter().map(|(page, wish)| (*page, *wish)).collect()
    }

    /// Has every wish told of from now on; only the first call counts. It must not wait.
    pub fn listen(&self, listener: impl Fn(&Id, Wish) + Send + Sync + 'static) {
        let _ = self.listener.set(Box::new(listener));
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<Id, Wish>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a wish, durably, and tells of it.
    fn set(&self, store: &Store, page: &Id, wish: Wish) -> Result<(), Failure> {
        let mut rows = self.rows();
        let mut changed = rows.clone();
        match wish {
            USUAL => _ = changed.remove(page),
            wish => _ = changed.insert(*page, wish),
        }
        if changed.len() > WISHES_MAX {
            return Err(Failure::refused(format!(
                "there are wishes for {WISHES_MAX} pages already: follow another one as usual first, \
                 with `djdns page follow P --live --max-size none --max-rate none`"
            )));
        }
        store.set_note(Note::Wishes, &write(&changed)).map_err(sentence)?;
        *rows = changed;
        if let Some(listener) = self.listener.get() {
            listener(page, wish);
        }
        Ok(())
    }
}

/// Changes how a page is followed, or only says it. A page that is not held yet is named by its whole id.
///
/// # Errors
/// [`Failure`].
pub fn follow(node: &Node, selector: &str, change: &WishChange) -> Result<Following, Failure> {
    let id = match node.select(&selector.to_owned()) {
        Ok(page) => page.page().id(),
        Err(failure) => Id::from_hex(selector).ok_or(failure)?,
    };
    if let Some(Pace::Every(every)) = change.pace
        && !(FOLLOW_EVERY_MIN..=FOLLOW_EVERY_MAX).contains(&every)
    {
        return Err(Failure::refused(format!(
            "a page is followed every {} s to every {} days, not every {} s: `--live` is at once, \
             `--paused` not at all",
            FOLLOW_EVERY_MIN.as_secs(),
            FOLLOW_EVERY_MAX.as_secs() / 86_400,
            every.as_secs()
        )));
    }
    let before = node.wishes.of(&id);
    let wish = changed(before, change);
    if wish != before {
        node.wishes.set(&node.store, &id, wish)?;
    }
    let name = node.page(&id).map(|page| page.page().name().to_string());
    Ok(following(name, &id, wish))
}

fn changed(before: Wish, change: &WishChange) -> Wish {
    // Nobody wishes for zero bytes: that is how a limit is taken away.
    let limit = |before: Option<u64>, change: Option<u64>| match change {
        None => before,
        Some(0) => None,
        Some(limit) => Some(limit),
    };
    Wish {
        pace: change.pace.unwrap_or(before.pace),
        bytes_max: limit(before.bytes_max, change.bytes_max),
        bytes_per_second_max: limit(before.bytes_per_second_max, change.bytes_per_second_max),
    }
}

/// A wish as people are told of it.
pub fn following(name: Option<String>, page: &Id, wish: Wish) -> Following {
    let (pace, every) = words(wish.pace);
    Following {
        name,
        page_id: page.to_string(),
        pace: pace.to_owned(),
        every_seconds: every,
        bytes_max: wish.bytes_max,
        bytes_per_second_max: wish.bytes_per_second_max,
    }
}

fn words(pace: Pace) -> (&'static str, Option<u64>) {
    match pace {
        Pace::Live => ("live", None),
        Pace::Every(every) => ("every", Some(every.as_secs())),
        Pace::Paused => ("paused", None),
    }
}

fn write(rows: &BTreeMap<Id, Wish>) -> Vec<u8> {
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    let line = |(page, wish): (&Id, &Wish)| {
        let (pace, every) = words(wish.pace);
        let (size, rate) = (number(wish.bytes_max), number(wish.bytes_per_second_max));
        format!("{page} {pace} {} bytes {size} rate {rate}\n", number(every))
    };
    rows.iter().map(line).collect::<String>().into_bytes()
}

/// Reads wishes.
///
/// # Errors
/// The number of the first line that is none.
fn read(bytes: &[u8]) -> Result<BTreeMap<Id, Wish>, usize> {
    let text = str::from_utf8(bytes).map_err(|_| 1usize)?;
    text.lines().enumerate().map(|(n, line)| row(line).ok_or(n + 1)).collect()
}

fn row(line: &str) -> Option<(Id, Wish)> {
    let words: Vec<&str> = line.split(' ').collect();
    let [page, pace, every, "bytes", size, "rate", rate] = words[..] else { return None };
    let number = |text: &str| match text {
        "-" => Some(None),
        digits => digits.parse::<u64>().ok().map(Some),
    };
    let pace = match (pace, number(every)?) {
        ("live", None) => Pace::Live,
        ("paused", None) => Pace::Paused,
        ("every", Some(seconds)) => Pace::Every(Duration::from_secs(seconds)),
        _ => return None,
    };
    let (bytes_max, bytes_per_second_max) = (number(size)?, number(rate)?);
    Some((Id::from_hex(page)?, Wish { pace, bytes_max, bytes_per_second_max }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// N8 accepts: live, periodic and paused following, with limits and without.
    /// N8 refuses: lines that say something else.
    #[test]
    fn wishes_are_read_back_and_a_bad_line_is_named() {
        let every = Pace::Every(Duration::from_secs(3600));
        let rows: BTreeMap<Id, Wish> = [
            ("a", Wish { pace: every, bytes_max: Some(500), bytes_per_second_max: None }),
            ("b", Wish { pace: Pace::Paused, ..USUAL }),
            ("c", Wish { bytes_per_second_max: Some(u64::MAX), ..USUAL }),
        ]
        .map(|(name, wish)| (Id::hash(&[name.as_bytes()]), wish))
        .into();
        assert_eq!(read(&write(&rows)), Ok(rows));
        assert_eq!(read(b""), Ok(BTreeMap::new()));
        let page = Id::ZERO;
        for line in [
            "nonsense".to_owned(),
            format!("{page} live 5 bytes - rate -"),
            format!("{page} every - bytes - rate -"),
            format!("{page} sometimes - bytes - rate -"),
            format!("{page} live - bytes x rate -"),
            format!("{page} live - bytes - rate - more"),
        ] {
            assert_eq!(read(format!("{page} live - bytes - rate -\n{line}").as_bytes()), Err(2));
        }
    }

    #[test]
    fn a_change_leaves_what_it_does_not_name() {
        let before = Wish { pace: Pace::Paused, bytes_max: Some(5), bytes_per_second_max: Some(6) };
        let check = |change: WishChange, expect: Wish| assert_eq!(changed(before, &change), expect);
        let none = WishChange::default;
        check(none(), before);
        check(WishChange { pace: Some(Pace::Live), ..none() }, Wish { pace: Pace::Live, ..before });
        check(WishChange { bytes_max: Some(0), ..none() }, Wish { bytes_max: None, ..before });
        check(WishChange { bytes_max: Some(9), ..none() }, Wish { bytes_max: Some(9), ..before });
    }
}
