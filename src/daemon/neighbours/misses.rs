//! Pages that questions asked for and that are not here: which are sought, who waits for them, and
//! which were sought in vain (N2).
//!
//! Decides by times that it is given; how a page comes is not known here. Many questions about one
//! page make one search, and neither those who wait nor what is remembered grows without a bound.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::watch;

use crate::{id::Id, limits::*};

/// All such pages.
#[derive(Debug, Default)]
pub struct Misses {
    pages: BTreeMap<Id, Miss>,
    /// Those who wait, of all pages.
    waiting: usize,
}

/// A page that is not here.
#[derive(Debug)]
struct Miss {
    /// Told when it came (true) or when nobody has it (false).
    outcome: watch::Sender<Option<bool>>,
    waiting: usize,
    /// When it was asked for, in ticks.
    asked: u64,
    /// Whether it is being sought.
    is_sought: bool,
    /// How often in a row it was sought in vain, and until when it is not sought again, in ticks.
    failures: u32,
    not_before: u64,
}

/// What comes of somebody's wanting a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// It is to be sought from now on.
    pub is_new: bool,
    /// There is sense in waiting, and room.
    pub may_wait: bool,
}

impl Misses {
    /// Somebody wants a page that is not here.
    pub fn want(&mut self, page: Id, now: u64) -> Wanted {
        let is_new = self.is_to_be_sought(&page, now);
        if is_new {
            self.begin(page, now);
        }
        let may_wait = self.pages.get(&page).is_some_and(|miss| miss.may_wait(now));
        Wanted { is_new, may_wait: may_wait && self.waiting < MISS_WAITING_MAX }
    }

    /// Waits for a page; `None` when that makes no sense, or there is no room. Whoever got something
    /// calls [`Misses::leave`] afterwards.
    pub fn enter(&mut self, page: &Id, now: u64) -> Option<watch::Receiver<Option<bool>>> {
        let has_room = self.waiting < MISS_WAITING_MAX;
        let miss = self.pages.get_mut(page).filter(|miss| has_room && miss.may_wait(now))?;
        miss.waiting += 1;
        self.waiting += 1;
        Some(miss.outcome.subscribe())
    }

    /// Waits no longer.
    pub fn leave(&mut self, page: &Id) {
        self.waiting = self.waiting.saturating_sub(1);
        if let Some(miss) = self.pages.get_mut(page) {
            miss.waiting = miss.waiting.saturating_sub(1);
        }
    }

    /// The page is here.
    pub fn came(&mut self, page: &Id) {
        if let Some(miss) = self.pages.remove(page) {
            miss.outcome.send_replace(Some(true));
        }
    }

    /// Nobody has the page, or what they have is none.
    pub fn failed(&mut self, page: &Id, now: u64) {
        let Some(miss) = self.pages.get_mut(page).filter(|miss| miss.is_sought) else { return };
        miss.is_sought = false;
        let first = MISS_RETRY_FIRST.as_millis() as u64;
        let pause = first << miss.failures.min(16);
        miss.not_before = now + pause.min(MISS_RETRY_MAX.as_millis() as u64);
        miss.failures = miss.failures.saturating_add(1);
        miss.outcome.send_replace(Some(false));
    }

    /// The pages that are being sought.
    pub fn sought(&self) -> BTreeSet<Id> {
        self.pages.iter().filter(|(_, miss)| miss.is_sought).map(|(page, _)| *page).collect()
    }

    /// The pages that were sought long enough in vain: they are not sought any more.
    pub fn overdue(&mut self, now: u64) -> Vec<Id> {
        let sought = MISS_SOUGHT.as_millis() as u64;
        let is_over = |miss: &Miss| miss.is_sought && now >= miss.asked + sought;
        let over = self.pages.iter().filter(|(_, miss)| is_over(miss));
        let over: Vec<Id> = over.map(|(page, _)| *page).collect();
        over.iter().for_each(|page| self.failed(page, now));
        over
    }

    /// When [`Misses::overdue`] has something, in ticks.
    pub fn next(&self) -> Option<u64> {
        let sought = self.pages.values().filter(|miss| miss.is_sought);
        sought.map(|miss| miss.asked + MISS_SOUGHT.as_millis() as u64).min()
    }

    fn is_to_be_sought(&self, page: &Id, now: u64) -> bool {
        let sought = || self.pages.values().filter(|miss| miss.is_sought).count();
        match self.pages.get(page) {
            Some(miss) if miss.is_sought || now < miss.not_before => false,
            _ => sought() < MISS_SOUGHT_MAX,
        }
    }

    fn begin(&mut self, page: Id, now: u64) {
        let outcome = watch::Sender::new(None);
        let miss = self.pages.entry(page).or_insert(Miss {
            outcome,
            waiting: 0,
            asked: now,
            is_sought: true,
            failures: 0,
            not_before: 0,
        });
        (miss.asked, miss.is_sought) = (now, true);
        miss.outcome.send_replace(None);
        self.forget(page);
    }

    /// Makes room: what may be sought again soonest is forgotten first.
    fn forget(&mut self, newest: Id) {
        while self.pages.len() > MISS_REMEMBERED_MAX {
            let idle = self
                .pages
                .iter()
                .filter(|(page, miss)| !miss.is_sought && miss.waiting == 0 && **page != newest);
            let first = idle.min_by_key(|(_, miss)| miss.not_before).map(|(page, _)| *page);
            if first.and_then(|page| self.pages.remove(&page)).is_none() {
                return;
            }
        }
    }
}

impl Miss {
    fn may_wait(&self, now: u64) -> bool {
        let is_young = now < self.asked + MISS_HOPE.as_millis() as u64;
        self.is_sought && is_young && self.waiting < MISS_WAITING_PER_PAGE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(n: usize) -> Id {
        Id::hash(&[&n.to_be_bytes()])
    }

    fn wanted(is_new: bool, may_wait: bool) -> Wanted {
        Wanted { is_new, may_wait }
    }

    #[test]
    fn many_questions_about_one_page_make_one_search_and_all_hear_of_it() {
        let mut misses = Misses::default();
        assert_eq!(misses.want(page(1), 0), wanted(true, true));
        assert_eq!(misses.want(page(1), 1), wanted(false, true));
        let heard: Vec<_> = (0..MISS_WAITING_PER_PAGE_MAX)
            .map(|_| misses.enter(&page(1), 1).expect("there is room"))
            .collect();
        assert!(misses.enter(&page(1), 1).is_none());
        assert_eq!(misses.want(page(1), 1), wanted(false, false));
        assert_eq!(misses.want(page(2), 1), wanted(true, true), "another page has room");
        misses.came(&page(1));
        assert!(heard.iter().all(|heard| *heard.borrow() == Some(true)));
        heard.iter().for_each(|_| misses.leave(&page(1)));
        assert_eq!(misses.waiting, 0);
    }

    #[test]
    fn those_who_wait_are_bounded_over_all_pages() {
        let mut misses = Misses::default();
        let pages = MISS_WAITING_MAX / MISS_WAITING_PER_PAGE_MAX + 1;
        let mut held = Vec::new();
        for n in 0..pages {
            misses.want(page(n), 0);
            held.extend((0..MISS_WAITING_PER_PAGE_MAX).map_while(|_| misses.enter(&page(n), 0)));
        }
        assert_eq!(held.len(), MISS_WAITING_MAX);
        // It is sought all the same.
        assert_eq!(misses.want(page(99), 0), wanted(true, false));
    }

    #[test]
    fn a_page_that_nobody_has_is_sought_again_later_and_later() {
        let mut misses = Misses::default();
        let (first, most) = (MISS_RETRY_FIRST.as_millis(), MISS_RETRY_MAX.as_millis());
        let mut now = 0;
        let mut pauses = Vec::new();
        for _ in 0..12 {
            assert_eq!(misses.want(page(1), now), wanted(true, true));
            misses.failed(&page(1), now);
            assert_eq!(misses.want(page(1), now), wanted(false, false));
            let until = misses.pages[&page(1)].not_before;
            assert_eq!(misses.want(page(1), until - 1), wanted(false, false));
            pauses.push(u128::from(until - now));
            now = until;
        }
        assert_eq!((pauses[0], pauses[1], pauses[11]), (first, 2 * first, most));
    }

    #[test]
    fn nobody_waits_for_long_and_the_search_goes_on_and_ends() {
        let mut misses = Misses::default();
        misses.want(page(1), 0);
        let hope = MISS_HOPE.as_millis() as u64;
        assert_eq!(misses.want(page(1), hope - 1), wanted(false, true));
        assert_eq!(misses.want(page(1), hope), wanted(false, false));
        let end = misses.next().unwrap();
        assert!(misses.overdue(end - 1).is_empty() && misses.pages[&page(1)].is_sought);
        assert_eq!(misses.overdue(end), [page(1)]);
        assert!(!misses.pages[&page(1)].is_sought && misses.next().is_none());
    }

    #[test]
    fn what_is_sought_and_what_is_remembered_is_bounded() {
        let mut misses = Misses::default();
        let begun = (0..MISS_SOUGHT_MAX + 5).filter(|n| misses.want(page(*n), 0).is_new).count();
        assert_eq!(begun, MISS_SOUGHT_MAX);
        for n in 0..MISS_REMEMBERED_MAX + 100 {
            misses.want(page(n), 0);
            misses.failed(&page(n), 0);
        }
        assert!(misses.pages.len() <= MISS_REMEMBERED_MAX);
    }
}
