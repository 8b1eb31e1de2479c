//! Long beacons that were read before: the signature of one text is verified once, however often the
//! pages in which it stands are looked through.
//!
//! Whether a beacon still holds is not known here.

use std::collections::HashMap;

use super::{Beacon, Code};
use crate::limits::{BEACON_TEXTS_KEPT_MAX, PRESENCE_BEACON_BYTES_MAX};

/// What texts turned out to be, of the last that were asked for [`BEACON_TEXTS_KEPT_MAX`] at most.
#[derive(Debug, Default)]
pub struct Verified {
    /// Those asked for since the last turn, and those before that, which are forgotten with the next.
    recent: HashMap<Box<str>, Option<Beacon>>,
    earlier: HashMap<Box<str>, Option<Beacon>>,
    read: u64,
}

impl Verified {
    /// The long beacon that a text is; none, if it is something else.
    pub fn read(&mut self, text: &str) -> Option<Beacon> {
        let text = text.trim();
        if !text.contains('/') || text.len() > PRESENCE_BEACON_BYTES_MAX {
            return None;
        }
        if let Some(known) = self.recent.get(text) {
            return known.clone();
        }
        let known = self.earlier.remove(text).unwrap_or_else(|| {
            self.read += 1;
            match text.parse() {
                Ok(Code::Long(beacon)) => Some(beacon),
                _ => None,
            }
        });
        self.keep(text, known.clone());
        known
    }

    fn keep(&mut self, text: &str, known: Option<Beacon>) {
        if self.recent.len() >= BEACON_TEXTS_KEPT_MAX / 2 {
            self.earlier = std::mem::take(&mut self.recent);
        }
        self.recent.insert(text.into(), known);
    }

    /// How many texts were read, each of which may have cost a signature.
    pub fn read_count(&self) -> u64 {
        self.read
    }

    /// How many are kept.
    pub fn kept(&self) -> usize {
        self.recent.len() + self.earlier.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    fn code(expires: u64) -> String {
        let key = SecretKey::from_seed(&[1; 32]);
        Beacon::sign(&key, &["192.0.2.1:31415".parse().unwrap()], expires).unwrap().to_string()
    }

    #[test]
    fn a_text_is_read_once_whatever_it_is() {
        let mut verified = Verified::default();
        let (good, forged) = (code(9), code(9).replace("/", "/A"));
        for _ in 0..3 {
            assert_eq!(verified.read(&good).map(|beacon| beacon.expires()), Some(9));
            assert_eq!(verified.read(&forged), None);
            assert_eq!(verified.read("DMCT:0.5428:31415:a3f2c8b9"), None);
        }
        assert_eq!((verified.read_count(), verified.kept()), (2, 2));
        assert_eq!(verified.read(&format!("/{}", "x".repeat(PRESENCE_BEACON_BYTES_MAX))), None);
        assert_eq!(verified.kept(), 2, "what is too long for a beacon is not kept");
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_asked_for_stays() {
        let mut verified = Verified::default();
        let often = code(9);
        for n in 0..3 * BEACON_TEXTS_KEPT_MAX {
            assert!(verified.read(&often).is_some());
            verified.read(&format!("/{n}"));
            assert!(verified.kept() <= BEACON_TEXTS_KEPT_MAX, "{n}");
        }
        assert_eq!(verified.read_count(), 3 * BEACON_TEXTS_KEPT_MAX as u64 + 1);
        // Pages with as many texts as are looked at, one after the other.
        let mut page = || {
            let before = verified.read_count();
            (0..BEACON_TEXTS_KEPT_MAX / 2).for_each(|n| drop(verified.read(&format!("/page {n}"))));
            verified.read_count() - before
        };
        assert_eq!((page(), page()), (BEACON_TEXTS_KEPT_MAX as u64 / 2, 0));
    }
}
