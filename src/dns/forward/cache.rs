//! What upstreams answered, for as long as it may be answered again, and longer when nobody can say
//! anything newer (RFC 8767).
//!
//! One entry answers one question, and no other: nothing that a response says of another name is ever
//! looked up here. Of what does not fit, the least recently asked for goes. The time is handed in.

use std::{num::NonZeroUsize, sync::Arc};

use lru::LruCache;

use super::reply::{Kept, allocated};
use crate::limits::*;

/// What an answer depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Lower-case wire form.
    pub name: Box<[u8]>,
    pub qtype: u16,
    /// DO: with signatures.
    pub dnssec_ok: bool,
    /// CD: not validated.
    pub checking_disabled: bool,
}

#[derive(Debug)]
struct Entry {
    kept: Arc<Kept>,
    /// Milliseconds, as everywhere here.
    since: u64,
    until: u64,
}

/// An entry that was found.
#[derive(Clone, Debug)]
pub struct Hit {
    pub kept: Arc<Kept>,
    /// Seconds since it was answered.
    pub age: u32,
    pub freshness: Freshness,
}

/// Whether an entry may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    Fresh,
    /// It may, and it is time to ask anew: little of its time is left.
    Ending,
    /// Only if nobody answers.
    Stale,
}

/// The cache.
#[derive(Debug)]
pub struct Cache {
    entries: LruCache<Key, Entry>,
    bytes: usize,
    bytes_max: usize,
    /// Questions that nobody could answer, and until when they are not asked again (RFC 9520).
    failed: LruCache<Key, u64>,
}

impl Cache {
    /// An empty one, of at most so many bytes.
    pub fn new(bytes_max: usize) -> Cache {
        let failures = NonZeroUsize::new(FORWARD_FAILURES_MAX).unwrap_or(NonZeroUsize::MIN);
        let (entries, failed) = (LruCache::unbounded(), LruCache::new(failures));
        Cache { entries, bytes: 0, bytes_max, failed }
    }

    /// What is known of a question.
    pub fn find(&mut self, key: &Key, now: u64) -> Option<Hit> {
        let entry = self.entries.get(key)?;
        let age = now.saturating_sub(entry.since) / 1000;
        let left = entry.until.saturating_sub(now);
        let stale_until = entry.until.saturating_add(FORWARD_STALE_MAX.as_millis() as u64);
        if now >= stale_until {
            self.forget(key);
            return None;
        }
        let freshness = match left {
            0 => Freshness::Stale,
            left if left * 10 <= entry.until - entry.since => Freshness::Ending,
            _ => Freshness::Fresh,
        };
        Some(Hit { kept: entry.kept.clone(), age: age as u32, freshness })
    }

    /// Keeps an answer, if it may be answered again at all.
    pub fn keep(&mut self, key: Key, kept: Arc<Kept>, now: u64) {
        self.failed.pop(&key);
        let most = match kept.is_negative() {
            true => FORWARD_NEGATIVE_TTL_MAX,
            false => FORWARD_TTL_MAX,
        };
        let ttl = u64::from(kept.ttl()).min(most.as_secs());
        if ttl == 0 {
            return;
        }
        self.forget(&key);
        self.bytes += size(&key, &kept);
        self.entries.put(key, Entry { kept, since: now, until: now + ttl * 1000 });
        while self.bytes > self.bytes_max {
            match self.entries.pop_lru() {
                Some((key, entry)) => self.bytes -= size(&key, &entry.kept),
                None => self.bytes = 0,
            }
        }
    }

    /// Notes that nobody could answer.
    pub fn fail(&mut self, key: Key, now: u64) {
        self.failed.put(key, now + FORWARD_FAILURE_TTL.as_millis() as u64);
    }

    /// Whether a question failed just now, and is not to be asked again yet.
    pub fn has_failed(&mut self, key: &Key, now: u64) -> bool {
        self.failed.get(key).is_some_and(|until| now < *until)
    }

    /// The network may be another one: what is known is past its time from now on, be it kept at all,
    /// and what failed may be asked.
    pub fn outdate(&mut self, now: u64, is_kept: impl Fn(&Key) -> bool) {
        self.failed.clear();
        let dropped: Vec<Key> =
            self.entries.iter().map(|(key, _)| key).filter(|key| !is_kept(key)).cloned().collect();
        dropped.iter().for_each(|key| self.forget(key));
        for (_, entry) in &mut self.entries {
            entry.until = entry.until.min(now);
        }
    }

    /// How many answers are kept, and in how many bytes, about.
    pub fn size(&self) -> (usize, usize) {
        (self.entries.len(), self.bytes)
    }

    fn forget(&mut self, key: &Key) {
        if let Some(entry) = self.entries.pop(key) {
            self.bytes -= size(key, &entry.kept);
        }
    }
}

/// What an entry takes: its node in the list, a place in the table that is half empty, the name, and
/// the answer.
fn size(key: &Key, kept: &Kept) -> usize {
    let node = size_of::<Key>() + size_of::<Entry>() + 2 * size_of::<usize>();
    let place = 2 * (2 * size_of::<usize>() + 1);
    allocated(node) + place + allocated(key.name.len()) + kept.bytes()
}

#[cfg(test)]
mod tests {
    use super::super::reply::Record;
    use super::*;
    use crate::page::record::RecordType;

    fn key(n: u8) -> Key {
        let name = Box::from([1, n, 0]);
        Key { name, qtype: 1, dnssec_ok: false, checking_disabled: false }
    }

    fn kept(ttl: u32) -> Arc<Kept> {
        let owner = Box::from([1, 1, 0]);
        let record = Record { owner, rtype: RecordType::A, ttl, rdata: Box::from([192, 0, 2, 1]) };
        Arc::new(Kept { answer: Box::from([record]), ..Kept::default() })
    }

    fn freshness(cache: &mut Cache, second: u64) -> Option<Freshness> {
        cache.find(&key(1), second * 1000).map(|hit| hit.freshness)
    }

    #[test]
    fn an_answer_is_fresh_then_ending_then_stale_then_gone() {
        let mut cache = Cache::new(10_000);
        cache.keep(key(1), kept(100), 0);
        let stale = FORWARD_STALE_MAX.as_secs();
        let check = |cache: &mut Cache, second, expect| {
            assert_eq!(freshness(cache, second), expect, "{second}");
        };
        check(&mut cache, 0, Some(Freshness::Fresh));
        check(&mut cache, 89, Some(Freshness::Fresh));
        check(&mut cache, 90, Some(Freshness::Ending));
        check(&mut cache, 99, Some(Freshness::Ending));
        check(&mut cache, 100, Some(Freshness::Stale));
        check(&mut cache, 99 + stale, Some(Freshness::Stale));
        check(&mut cache, 100 + stale, None);
        assert_eq!(cache.size(), (0, 0));
    }

    #[test]
    fn what_is_not_to_be_kept_is_not_and_long_times_are_cut() {
        let mut cache = Cache::new(10_000);
        cache.keep(key(1), kept(0), 0);
        assert_eq!(cache.size().0, 0);
        cache.keep(key(1), kept(u32::MAX), 0);
        assert_eq!(freshness(&mut cache, FORWARD_TTL_MAX.as_secs()), Some(Freshness::Stale));
    }

    #[test]
    fn the_least_recently_asked_for_goes_first() {
        let one = size(&key(1), &kept(1));
        let mut cache = Cache::new(3 * one);
        (1..=3).for_each(|n| cache.keep(key(n), kept(100), 0));
        assert_eq!(cache.size(), (3, 3 * one));
        assert!(cache.find(&key(1), 1).is_some());
        cache.keep(key(4), kept(100), 2);
        let left = [1, 2, 3, 4].map(|n| cache.find(&key(n), 3).is_some());
        assert_eq!(left, [true, false, true, true]);
    }

    #[test]
    fn in_another_network_all_is_stale_and_some_of_it_forgotten() {
        let mut cache = Cache::new(10_000);
        (1..=2).for_each(|n| cache.keep(key(n), kept(100), 0));
        cache.fail(key(3), 4000);
        cache.outdate(5000, |one| *one == key(1));
        assert_eq!(freshness(&mut cache, 5), Some(Freshness::Stale));
        assert!(cache.find(&key(2), 5000).is_none());
        assert!(!cache.has_failed(&key(3), 5000));
        assert_eq!(cache.size(), (1, size(&key(1), &kept(100))));
        // It becomes no younger by another change.
        let gone = 5 + FORWARD_STALE_MAX.as_secs();
        cache.outdate((gone - 1) * 1000, |_| true);
        assert_eq!(freshness(&mut cache, gone), None);
    }

    #[test]
    fn a_failure_is_remembered_for_a_while_and_beside_a_stale_answer() {
        let mut cache = Cache::new(10_000);
        cache.keep(key(1), kept(1), 0);
        cache.fail(key(1), 5000);
        let until = 5000 + FORWARD_FAILURE_TTL.as_millis() as u64;
        assert!(cache.has_failed(&key(1), until - 1));
        assert_eq!(freshness(&mut cache, 5), Some(Freshness::Stale));
        assert!(!cache.has_failed(&key(1), until));
        cache.fail(key(1), until);
        cache.keep(key(1), kept(10), until);
        assert!(!cache.has_failed(&key(1), until + 1));
    }
}
