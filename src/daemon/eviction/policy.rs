//! Which pages go, of those that are here only because of questions (N2). Decides on what it is given: it knows
//! no clock, no disk and no page.
//!
//! Whoever was not asked for longest goes first, and last of all those that name this node for seats: anybody can do
//! that, so that it is no reason to keep any number. A page counts as asked for when one that is reached through
//! it was, so that no page goes before those below it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use crate::id::Id;

/// How much may be here only because of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub pages: usize,
    /// On the disk, all of them together.
    pub bytes: u64,
}

/// A page that is here, whole or in part.
#[derive(Clone, Debug)]
pub struct Row {
    pub page: Id,
    /// On the disk.
    pub bytes: u64,
    /// It is here for another reason than questions.
    pub stays: bool,
    /// Its participants named this node: it goes after all others, and never for being idle.
    pub is_hosted: bool,
    /// It is on its way here: it counts, and cannot go now.
    pub is_fetched: bool,
    /// When it was asked for last, in the unit of the caller.
    pub asked: u64,
    /// The pages that it is reached through, in any order.
    pub above: Vec<Id>,
}

/// Why a page goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nobody has asked for it for long.
    Idle,
    /// Others were asked for later, and there is no room for all.
    Room,
}

/// The pages through which those are reached that stay.
pub fn on_the_way(rows: &[Row], stays: impl Fn(&Row) -> bool) -> BTreeSet<Id> {
    let stays = rows.iter().filter(|row| stays(row));
    stays.flat_map(|row| &row.above).copied().collect()
}

/// The pages that go, in the order in which they do. Those that were not asked for since `idle_since` go
/// whether there is room or not.
pub fn leaving(rows: &[Row], bounds: Bounds, idle_since: Option<u64>) -> Vec<(Id, Why)> {
    let way = on_the_way(rows, |row| row.stays);
    let may_go = |row: &&Row| !row.stays && !way.contains(&row.page);
    let pinned = rows.iter().filter(|row| row.is_fetched);
    let pinned: BTreeSet<Id> =
        pinned.flat_map(|row| row.above.iter().chain([&row.page])).copied().collect();
    let ranks = ranks(rows, bounds);
    let (mut pages, mut bytes) = (0, 0u64);
    for row in rows.iter().filter(may_go) {
        (pages, bytes) = (pages + 1, bytes.saturating_add(row.bytes));
    }
    let mut order: Vec<&Row> =
        rows.iter().filter(may_go).filter(|row| !pinned.contains(&row.page)).collect();
    order.sort_by_key(|row| (ranks[&row.page], Reverse(row.above.len()), row.page));
    let mut gone = Vec::new();
    for row in order {
        let rank = &ranks[&row.page];
        let why = match !rank.is_hosted && idle_since.is_some_and(|since| rank.asked < since) {
            true => Why::Idle,
            false if pages > bounds.pages || bytes > bounds.bytes => Why::Room,
            false => continue,
        };
        (pages, bytes) = (pages - 1, bytes.saturating_sub(row.bytes));
        gone.push((row.page, why));
    }
    gone
}

/// What decides when a page goes, together with those that are reached through it: the smallest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    is_hosted: bool,
    /// When it was asked for last; 0 for one that takes more than half of all the room by itself, which would drive
    /// out all others before it.
    counts_as_asked: u64,
    asked: u64,
}

fn ranks(rows: &[Row], bounds: Bounds) -> BTreeMap<Id, Rank> {
    let own = |row: &Row| {
        let is_overgrown = row.bytes > bounds.bytes / 2;
        let counts_as_asked = if is_overgrown { 0 } else { row.asked };
        Rank { is_hosted: row.is_hosted, counts_as_asked, asked: row.asked }
    };
    let mut ranks: BTreeMap<Id, Rank> = rows.iter().map(|row| (row.page, own(row))).collect();
    for row in rows {
        let below = own(row);
        for above in &row.above {
            if let Some(rank) = ranks.get_mut(above) {
                rank.is_hosted |= below.is_hosted;
                rank.counts_as_asked = rank.counts_as_asked.max(below.counts_as_asked);
                rank.asked = rank.asked.max(below.asked);
            }
        }
    }
    ranks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(n: usize) -> Id {
        Id::hash(&[&n.to_be_bytes()])
    }

    fn row(n: usize, asked: u64) -> Row {
        let (stays, is_hosted, is_fetched, above) = Default::default();
        Row { page: id(n), bytes: 10, stays, is_hosted, is_fetched, asked, above }
    }

    fn went(rows: &[Row], pages: usize, bytes: u64, idle_since: Option<u64>) -> Vec<usize> {
        let gone = leaving(rows, Bounds { pages, bytes }, idle_since);
        gone.iter().map(|(page, _)| (0..99).find(|n| id(*n) == *page).unwrap()).collect()
    }

    #[test]
    fn what_was_asked_for_last_stays_as_far_as_there_is_room() {
        let rows = [row(0, 5), row(1, 3), row(2, 9), Row { bytes: 25, ..row(3, 7) }];
        let check = |pages, bytes, idle_since, expect: &[usize]| {
            assert_eq!(went(&rows, pages, bytes, idle_since), expect);
        };
        check(4, 55, None, &[]);
        check(3, 55, None, &[1]);
        check(4, 54, None, &[1]);
        check(1, 60, None, &[1, 0, 3]);
        // What needs more than half of the room for itself goes before others have to.
        check(4, 50, None, &[1]);
        check(4, 49, None, &[3]);
        check(4, 29, None, &[3, 1]);
        check(4, 0, None, &[1, 0, 3, 2]);
        check(4, 60, Some(3), &[]);
        check(4, 60, Some(4), &[1]);
        check(4, 60, Some(99), &[1, 0, 3, 2]);
    }

    #[test]
    fn no_page_goes_before_those_that_are_reached_through_it() {
        let below = Row { above: vec![id(0)], ..row(1, 8) };
        let check = |below: &Row, pages, expect: &[usize]| {
            assert_eq!(went(&[row(0, 1), below.clone(), row(2, 5)], pages, 99, None), expect);
        };
        check(&below, 2, &[2]);
        check(&below, 1, &[2, 1]);
        check(&below, 0, &[2, 1, 0]);
        check(&Row { stays: true, ..below.clone() }, 0, &[2]);
        // While it comes, neither goes.
        check(&Row { is_fetched: true, ..below.clone() }, 0, &[2]);
        check(&Row { is_fetched: true, stays: true, ..below }, 0, &[2]);
    }

    #[test]
    fn pages_that_name_this_node_go_last_and_are_bounded_as_well() {
        let hosted = |n, asked| Row { is_hosted: true, ..row(n, asked) };
        let rows = [hosted(0, 1), Row { above: vec![id(0)], ..hosted(1, 2) }, row(2, 9), row(3, 5)];
        let check = |pages, idle_since, expect: &[usize]| {
            assert_eq!(went(&rows, pages, 99, idle_since), expect);
        };
        check(3, None, &[3]);
        check(2, None, &[3, 2]);
        check(1, None, &[3, 2, 1]);
        check(0, None, &[3, 2, 1, 0]);
        check(4, Some(99), &[3, 2]);
    }

    /// A forest: each page is below an earlier one, or below none.
    fn forest() -> impl Strategy<Value = Vec<Row>> {
        let page = (any::<prop::sample::Index>(), 0..60u64, 0..100u64, 0..6u8);
        prop::collection::vec(page, 0..40).prop_map(|pages| {
            let mut rows: Vec<Row> = Vec::new();
            for (n, (above, asked, bytes, kind)) in pages.into_iter().enumerate() {
                let above = match above.index(n + 1).checked_sub(1) {
                    Some(above) => [&rows[above].above[..], &[rows[above].page]].concat(),
                    None => Vec::new(),
                };
                let (stays, is_fetched, is_hosted) = (kind == 0, kind == 1, kind == 2);
                rows.push(Row { bytes, stays, is_hosted, is_fetched, above, ..row(n, asked) });
            }
            rows
        })
    }

    proptest! {
        #[test]
        fn never_above_the_bounds_never_one_that_stays_and_the_oldest_first(
            rows in forest(),
            pages in 0..20usize,
            bytes in 0..1000u64,
            idle_since in prop::option::of(0..70u64),
        ) {
            let gone = leaving(&rows, Bounds { pages, bytes }, idle_since);
            let went: BTreeSet<Id> = gone.iter().map(|(page, _)| *page).collect();
            prop_assert_eq!(went.len(), gone.len());
            let left = || rows.iter().filter(|row| !went.contains(&row.page));
            let way = on_the_way(&rows, |row| row.stays);
            let protected: BTreeSet<Id> = rows
                .iter()
                .filter(|row| row.stays || row.is_fetched)
                .flat_map(|row| row.above.iter().chain([&row.page]))
                .copied()
                .collect();
            prop_assert!(went.is_disjoint(&protected));
            // What is left finds the pages through which it is reached.
            prop_assert!(left().all(|row| row.above.iter().all(|above| !went.contains(above))));
            let counted: Vec<&Row> =
                left().filter(|row| !row.stays && !way.contains(&row.page)).collect();
            let could_go = || counted.iter().filter(|row| !protected.contains(&row.page));
            let is_within = counted.len() <= pages
                && counted.iter().map(|row| row.bytes).sum::<u64>() <= bytes;
            prop_assert!(is_within || could_go().next().is_none());
            let ranks = ranks(&rows, Bounds { pages, bytes });
            let first_left = could_go().map(|row| ranks[&row.page]).min();
            for (page, why) in &gone {
                match why {
                    Why::Room => prop_assert!(first_left.is_none_or(|first| ranks[page] <= first)),
                    Why::Idle => prop_assert!(Some(ranks[page].asked) < idle_since),
                }
            }
            for row in could_go().filter(|row| !ranks[&row.page].is_hosted) {
                prop_assert!(idle_since.is_none_or(|since| ranks[&row.page].asked >= since));
            }
            // No more than is needed.
            let last = gone.iter().rposition(|(_, why)| *why == Why::Room);
            if let Some(last) = last {
                let since = &gone[last..];
                let back = rows.iter().filter(|row| since.iter().any(|(id, _)| *id == row.page));
                let sum = counted.iter().copied().chain(back).map(|row| row.bytes).sum::<u64>();
                prop_assert!(counted.len() + since.len() > pages || sum > bytes);
            }
        }
    }
}
