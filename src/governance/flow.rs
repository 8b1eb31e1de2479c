//! The flow of lent vote power (G7): who ends up with whose power, operation by operation.
//!
//! Who is away lends its power by [`Rows`]. For one operation, whoever cast a ballot on it keeps
//! its power and absorbs what reaches it; all others who lend pass on, in synchronous hops, what
//! reached them at the hop before. So everything is told by the *arrivals* `a_k(y)`, what reaches
//! y at hop k = 1 ..= 8, where `a_0` is one's own power: `a_k(y)` is the sum, over those x that
//! lend and did not cast, of the share of `a_{k-1}(x)` that x gives to y.
//!
//! [`Lending`] is the graph of a page with the arrivals when nobody casts. A [`Flow`] is one
//! operation on top of it: who cast, the arrivals that differ because of that, and the sums. A
//! change, be it a ballot or a presence, is carried forward hop by hop through those arrivals
//! that it changes and costs nothing elsewhere; the result equals a count from scratch to the
//! unit. Both are values with structural sharing, cheap to clone.
//!
//! Everything is counted in units of a millionth of power ([`POWER_UNITS`]): T < 2^31, so any
//! balance fits 51 bits. Participants are positions in the roster; keys, presence statements,
//! time, and whose ballot counts are not known here.

use std::{collections::BTreeMap, sync::Arc};

use imbl::OrdMap;

use super::{ballot::Choice, tally::Tally};
use crate::limits::*;

/// What reaches somebody, in units: the first is what reaches it at hop 1.
type Arrivals = [u64; LENDING_HOPS_MAX];

/// One row of lending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whom it gives to; none, and its power abstains, when the delegate has left the roster.
    pub to: Option<u32>,
    /// Basis points of what the lender has at a hop.
    pub bp: u16,
}

/// How somebody who is away lends, in the order that was signed (the last row matters, G7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    rows: Arc<[Row]>,
    /// Whether they give everything away, so that the last one takes the remainder.
    whole: bool,
}

impl Rows {
    /// Rows as a presence has them. None when there are more than [`LENDING_ROWS_MAX`] or when
    /// they give more than everything; presence (G6) refuses both before.
    pub fn new(rows: impl IntoIterator<Item = Row>) -> Option<Rows> {
        let rows: Arc<[Row]> = rows.into_iter().collect();
        let sum: u64 = rows.iter().map(|row| u64::from(row.bp)).sum();
        let fits = rows.len() <= LENDING_ROWS_MAX && sum <= WHOLE_BP;
        fits.then_some(Rows { rows, whole: sum == WHOLE_BP })
    }

    /// What each delegate gets of `balance`. What is missing to `balance` abstains.
    fn shares(&self, balance: u64) -> impl Iterator<Item = (u32, u64)> {
        let last = self.rows.len().wrapping_sub(1);
        let mut left = balance;
        let share = move |(n, row): (usize, &Row)| {
            let takes_remainder = self.whole && n == last;
            let share = if takes_remainder { left } else { part(balance, row.bp) };
            left -= share;
            row.to.map(|to| (to, share))
        };
        self.rows.iter().enumerate().filter_map(share)
    }
}

/// `floor(balance * bp / 10000)` in two steps, exact because `balance = 10000 q + r`: a product
/// in u128 would need a division in u128, which is ten times as slow.
fn part(balance: u64, bp: u16) -> u64 {
    let bp = u64::from(bp);
    balance / WHOLE_BP * bp + balance % WHOLE_BP * bp / WHOLE_BP
}

/// Basis points of everything.
const WHOLE_BP: u64 = 10_000;

/// Who lends to whom on a page, and what reaches whom as long as nobody casts a ballot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lending {
    powers: Arc<[u32]>,
    /// T, in units.
    total: u64,
    rows: OrdMap<u32, Rows>,
    /// Of those whom anything reaches.
    arrivals: OrdMap<u32, Arrivals>,
}

/// What a [`Flow`] must know to follow a change of the [`Lending`] that it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relending {
    who: u32,
    rows_before: Option<Rows>,
    /// Of those whose arrivals changed, what they were; sorted by position.
    arrivals_before: Vec<(u32, Arrivals)>,
}

impl Lending {
    /// Nobody lends. `powers` are those of the participants, by position; their sum is at most
    /// [`TOTAL_POWER_MAX`].
    pub fn new(powers: Arc<[u32]>) -> Lending {
        let total = powers.iter().map(|power| units(*power)).sum();
        Lending { powers, total, rows: OrdMap::new(), arrivals: OrdMap::new() }
    }

    /// All lending of a page at once, in time linear in participants + rows x hops. Each
    /// participant is named once at most.
    ///
    /// # Panics
    /// When a position is past the roster.
    pub fn from_rows(powers: Arc<[u32]>, rows: impl IntoIterator<Item = (u32, Rows)>) -> Lending {
        let mut lending = Lending::new(powers);
        lending.rows = rows.into_iter().collect();
        lending.rows.iter().for_each(|(who, rows)| lending.assert_known(*who, Some(rows)));
        let all = lending.count_arrivals(|_| false);
        lending.arrivals = (0u32..).zip(all).filter(|(_, arrivals)| *arrivals != NOTHING).collect();
        lending
    }

    /// From now on `who` lends by these rows, or not at all. Every [`Flow`] on this lending must
    /// then [`follow`](Flow::follow) what is returned, before the next change. Costs as much as
    /// there are participants whom the change reaches within 8 hops.
    ///
    /// # Panics
    /// When a position is past the roster.
    #[must_use = "the flows on this lending must follow"]
    pub fn set_rows(&mut self, who: u32, rows: Option<Rows>) -> Relending {
        self.assert_known(who, rows.as_ref());
        let turn = Turn { who, before: self.rows.get(&who), after: rows.as_ref() };
        let changes = turn.carry(self.own(who), |who| self.arrivals(who), |x| self.rows.get(&x));
        let mut arrivals_before = Vec::with_capacity(changes.len());
        for Changed { who, before, after } in changes {
            arrivals_before.push((who, before));
            set(&mut self.arrivals, who, Some(after).filter(|after| *after != NOTHING));
        }
        let rows_before = self.rows.get(&who).cloned();
        set(&mut self.rows, who, rows);
        Relending { who, rows_before, arrivals_before }
    }

    /// How `who` lends; none while it does not.
    pub fn rows(&self, who: u32) -> Option<&Rows> {
        self.rows.get(&who)
    }

    /// All who lend, by position.
    pub fn lenders(&self) -> impl Iterator<Item = (u32, &Rows)> {
        self.rows.iter().map(|(who, rows)| (*who, rows))
    }

    /// Number of participants.
    pub fn participants(&self) -> usize {
        self.powers.len()
    }

    /// The own power of a participant, in units.
    fn own(&self, who: u32) -> u64 {
        units(self.powers[who as usize])
    }

    /// What `who` counts with, when it casts and these reach it.
    fn weight(&self, who: u32, arrivals: &Arrivals) -> u128 {
        u128::from(self.own(who) + arrivals.iter().sum::<u64>())
    }

    fn arrivals(&self, who: u32) -> Arrivals {
        self.arrivals.get(&who).copied().unwrap_or(NOTHING)
    }

    /// What reaches everybody when these cast and so do not pass on, counted from scratch.
    fn count_arrivals(&self, casts: impl Fn(u32) -> bool) -> Vec<Arrivals> {
        let mut all = vec![NOTHING; self.powers.len()];
        let passing: Vec<(u32, &Rows)> = self.lenders().filter(|(who, _)| !casts(*who)).collect();
        for hop in 0..LENDING_HOPS_MAX {
            for (who, rows) in &passing {
                let balance = balance(hop, self.own(*who), &all[*who as usize]);
                for (to, share) in rows.shares(balance) {
                    all[to as usize][hop] += share;
                }
            }
        }
        all
    }

    fn assert_known(&self, who: u32, rows: Option<&Rows>) {
        let targets = rows.into_iter().flat_map(|rows| rows.rows.iter().filter_map(|row| row.to));
        let largest = targets.chain([who]).max().unwrap_or(who);
        assert!((largest as usize) < self.powers.len(), "no participant is at {largest}");
    }
}

/// What a caster counts with, in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absorbed {
    pub own: u64,
    /// What others lent and what reached it.
    pub lent: u64,
}

/// One operation: who cast a ballot on it, and where all power went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Those who approve or reject.
    casters: OrdMap<u32, Choice>,
    /// The arrivals that are not those of the lending, because lenders among the casters do not
    /// pass on.
    overrides: OrdMap<u32, Arrivals>,
    tally: Tally,
}

impl Flow {
    /// Nobody has cast a ballot yet.
    pub fn new(lending: &Lending) -> Flow {
        let total = u128::from(lending.total);
        let tally = Tally { approve: 0, reject: 0, total, approvers: 0 };
        Flow { casters: OrdMap::new(), overrides: OrdMap::new(), tally }
    }

    /// All ballots at once, in time linear in participants + rows x hops: for when many who lend
    /// have cast. Each participant has one ballot at most.
    ///
    /// # Panics
    /// When a position is past the roster.
    pub fn count(lending: &Lending, casts: impl IntoIterator<Item = (u32, Choice)>) -> Flow {
        let mut flow = Flow::new(lending);
        let casts = casts.into_iter().filter(|(_, choice)| *choice != Choice::Withdraw);
        flow.casters = casts.collect();
        flow.casters.keys().for_each(|who| lending.assert_known(*who, None));
        let all = lending.count_arrivals(|who| flow.casters.contains_key(&who));
        for (who, choice) in flow.casters.clone() {
            flow.count_in(choice, lending.weight(who, &all[who as usize]));
        }
        let mut bases = lending.arrivals.iter().peekable();
        let differs = |(who, arrivals): &(u32, Arrivals)| {
            let base = bases.next_if(|(other, _)| *other == who);
            *arrivals != base.map_or(NOTHING, |(_, base)| *base)
        };
        flow.overrides = (0u32..).zip(all).filter(differs).collect();
        flow
    }

    /// The sums: approving + rejecting + abstaining = T, to the unit.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// What `who` counts with; none while it neither approves nor rejects.
    pub fn absorbed(&self, lending: &Lending, who: u32) -> Option<Absorbed> {
        let lent = || self.arrivals(lending, who).iter().sum();
        self.casters.get(&who).map(|_| Absorbed { own: lending.own(who), lent: lent() })
    }

    /// From now on this is the ballot of `who`; a withdrawn one is none. Returns whether the tally
    /// changed. Costs as much as there are participants whom the change reaches; whoever does not
    /// lend changes nothing elsewhere.
    ///
    /// # Panics
    /// When `who` is past the roster.
    pub fn cast(&mut self, lending: &Lending, who: u32, choice: Option<Choice>) -> bool {
        lending.assert_known(who, None);
        let tally = self.tally;
        let choice = choice.filter(|choice| *choice != Choice::Withdraw);
        let before = self.casters.get(&who).copied();
        if before == choice {
            return false;
        }
        if let Some(before) = before {
            self.count_out(before, lending.weight(who, &self.arrivals(lending, who)));
            self.casters.remove(&who);
        }
        if before.is_some() != choice.is_some() {
            let rows = lending.rows.get(&who);
            let passes = |casts: bool| rows.filter(|_| !casts);
            let (before, after) = (passes(before.is_some()), passes(choice.is_some()));
            let changes =
                self.carry(lending, &Turn { who, before, after }, |y| self.arrivals(lending, y));
            self.take_over(lending, &changes);
        }
        if let Some(choice) = choice {
            self.casters.insert(who, choice);
            self.count_in(choice, lending.weight(who, &self.arrivals(lending, who)));
        }
        self.tally != tally
    }

    /// Whether a change of lending comes to one who cast, or whose arrivals differ here: if not,
    /// there is nothing to follow.
    pub fn is_reached(&self, change: &Relending) -> bool {
        let touched = change.arrivals_before.iter().map(|(who, _)| who);
        let differs =
            |who: &u32| self.casters.contains_key(who) || self.overrides.contains_key(who);
        touched.chain([&change.who]).any(differs)
    }

    /// Follows a change of lending, to `lending` as it is right after it. Returns whether the tally
    /// changed. Costs little unless the change reaches one who cast or whose arrivals differ here.
    pub fn follow(&mut self, lending: &Lending, change: &Relending) -> bool {
        if !self.is_reached(change) {
            return false;
        }
        let who = change.who;
        let tally = self.tally;
        let arrivals_before = |y: u32| {
            let touched = &change.arrivals_before;
            let found = touched.binary_search_by_key(&y, |(who, _)| *who);
            let base = || found.map_or_else(|_| lending.arrivals(y), |at| touched[at].1);
            self.overrides.get(&y).copied().unwrap_or_else(base)
        };
        let unchanged =
            |y| Changed { who: y, before: arrivals_before(y), after: arrivals_before(y) };
        let mut changes: BTreeMap<u32, Changed> =
            change.arrivals_before.iter().map(|(who, _)| (*who, unchanged(*who))).collect();
        if !self.casters.contains_key(&who) {
            let turn =
                Turn { who, before: change.rows_before.as_ref(), after: lending.rows.get(&who) };
            let carried = self.carry(lending, &turn, arrivals_before);
            changes.extend(carried.into_iter().map(|change| (change.who, change)));
        }
        self.take_over(lending, changes.values());
        self.tally != tally
    }

    /// What reaches `who` for this operation.
    fn arrivals(&self, lending: &Lending, who: u32) -> Arrivals {
        self.overrides.get(&who).copied().unwrap_or_else(|| lending.arrivals(who))
    }

    fn carry(
        &self,
        lending: &Lending,
        turn: &Turn<'_>,
        arrivals: impl Fn(u32) -> Arrivals,
    ) -> Vec<Changed> {
        let passes = |x: u32| lending.rows.get(&x).filter(|_| !self.casters.contains_key(&x));
        turn.carry(lending.own(turn.who), arrivals, passes)
    }

    /// Keeps new arrivals where they are not those of the lending, and counts them where they
    /// reach one who cast.
    fn take_over<'a>(&mut self, lending: &Lending, changes: impl IntoIterator<Item = &'a Changed>) {
        for Changed { who, before, after } in changes {
            if let Some(sum) = self.casters.get(who).copied().and_then(|c| self.sum(c)) {
                *sum -= u128::from(before.iter().sum::<u64>());
                *sum += u128::from(after.iter().sum::<u64>());
            }
            let differs = *after != lending.arrivals(*who);
            set(&mut self.overrides, *who, differs.then_some(*after));
        }
    }

    fn count_in(&mut self, choice: Choice, weight: u128) {
        self.tally.approvers += u32::from(choice == Choice::Approve);
        if let Some(sum) = self.sum(choice) {
            *sum += weight;
        }
    }

    fn count_out(&mut self, choice: Choice, weight: u128) {
        self.tally.approvers -= u32::from(choice == Choice::Approve);
        if let Some(sum) = self.sum(choice) {
            *sum -= weight;
        }
    }

    fn sum(&mut self, choice: Choice) -> Option<&mut u128> {
        match choice {
            Choice::Approve => Some(&mut self.tally.approve),
            Choice::Reject => Some(&mut self.tally.reject),
            Choice::Withdraw => None,
        }
    }
}

/// A change of how one participant passes on; none passes nothing.
struct Turn<'a> {
    who: u32,
    before: Option<&'a Rows>,
    after: Option<&'a Rows>,
}

/// Somebody whose arrivals changed.
#[derive(Clone, Debug)]
struct Changed {
    who: u32,
    before: Arrivals,
    after: Arrivals,
}

impl Turn<'_> {
    /// Carries the change forward, hop by hop: wherever a balance changes, the shares of the old
    /// one are taken back and those of the new one given. `own` is the power of the one who turns,
    /// `arrivals` are those before the change, `passes` says how the others pass on.
    /// Returns whose arrivals changed, sorted by position.
    fn carry<'r>(
        &self,
        own: u64,
        arrivals: impl Fn(u32) -> Arrivals,
        passes: impl Fn(u32) -> Option<&'r Rows>,
    ) -> Vec<Changed> {
        if self.before == self.after {
            return Vec::new();
        }
        let mut changes: Vec<(u32, usize, i64)> = Vec::new();
        // By how much whose balance differs at this hop, sorted by position.
        let mut moved: Vec<(u32, i64)> = Vec::new();
        for hop in 0..LENDING_HOPS_MAX {
            let mut next = Vec::new();
            let mine = moved.binary_search_by_key(&self.who, |(who, _)| *who);
            let mine = mine.map_or(0, |at| moved[at].1);
            let old = balance(hop, own, &arrivals(self.who));
            give(&mut next, self.before, old, -1);
            give(&mut next, self.after, old.strict_add_signed(mine), 1);
            for (who, delta) in moved.into_iter().filter(|(who, _)| *who != self.who) {
                let Some(rows) = passes(who) else { continue };
                // Only the one who turns differs at hop 0, so `own` is not asked for here.
                let old = balance(hop, own, &arrivals(who));
                give_instead(&mut next, rows, old, old.strict_add_signed(delta));
            }
            moved = merged(next);
            changes.extend(moved.iter().map(|(who, delta)| (*who, hop, *delta)));
        }
        changes.sort_unstable_by_key(|(who, hop, _)| (*who, *hop));
        let changed = |of_one: &[(u32, usize, i64)]| {
            let who = of_one[0].0;
            let before = arrivals(who);
            let mut after = before;
            for (_, hop, delta) in of_one {
                after[*hop] = after[*hop].strict_add_signed(*delta);
            }
            Changed { who, before, after }
        };
        changes.chunk_by(|one, other| one.0 == other.0).map(changed).collect()
    }
}

/// Adds to `deltas` what these rows give of a balance, or takes it back.
fn give(deltas: &mut Vec<(u32, i64)>, rows: Option<&Rows>, balance: u64, sign: i64) {
    let shares = rows.into_iter().flat_map(|rows| rows.shares(balance));
    // Units of power fit 51 bits.
    deltas.extend(shares.map(|(to, share)| (to, sign * share as i64)));
}

/// Adds to `deltas` what changes when these rows give of the balance `new` instead of `old`.
fn give_instead(deltas: &mut Vec<(u32, i64)>, rows: &Rows, old: u64, new: u64) {
    let shares = rows.shares(old).zip(rows.shares(new));
    let delta = |((to, old), (_, new)): ((u32, u64), (u32, u64))| (to, new as i64 - old as i64);
    deltas.extend(shares.map(delta).filter(|(_, delta)| *delta != 0));
}

/// One sum for each participant, sorted by position, without those that are zero.
fn merged(mut deltas: Vec<(u32, i64)>) -> Vec<(u32, i64)> {
    deltas.sort_unstable_by_key(|(who, _)| *who);
    deltas.dedup_by(|later, first| {
        let same = later.0 == first.0;
        first.1 += if same { later.1 } else { 0 };
        same
    });
    deltas.retain(|(_, delta)| *delta != 0);
    deltas
}

/// What somebody passes on at `hop`, counted from 0: first its own power, then what reached it at
/// the hop before.
fn balance(hop: usize, own: u64, arrivals: &Arrivals) -> u64 {
    hop.checked_sub(1).map_or(own, |before| arrivals[before])
}

fn units(power: u32) -> u64 {
    u64::from(power) * POWER_UNITS as u64
}

fn set<V: Clone>(map: &mut OrdMap<u32, V>, key: u32, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

const NOTHING: Arrivals = [0; LENDING_HOPS_MAX];

#[cfg(test)]
mod tests;
