//! Seals that are not due here (T7): they are held until then. Meanwhile statements pass between those who
//! hold such a seal and those who stand at it, which are heights that differ (N3).
//!
//! What such seals list is open here still, so it is asked for as if it were said to be new. What counts
//! for nothing at this height is refused as the page is now, which is nobody's fault.

use std::collections::VecDeque;

use super::{
    Ledger, Moment, Postponed,
    chase::{ids, read_seals},
    message::{Above, Request},
    page::{Own, Page, Seen},
    session::Shared,
};
use crate::{governance::seal::SealRecord, id::Id, key::PublicKey, limits::*, page::entry::Rdata};

/// The next seals of a peer, of which the first is not due.
#[derive(Clone, Copy)]
pub struct Early {
    /// Of the first.
    height: u64,
    /// Of the first, in seconds since 1970 (UTC).
    time: u64,
    /// The last of which it is known what it lists, by its height; none: of none.
    looked: Option<(u64, Id)>,
    /// Whether those above that are asked for.
    is_asked: bool,
    /// They are not asked for again before this, in ticks.
    again_at: u64,
}

/// Whether a seal of this time is due by a clock (S4).
pub fn is_due(time: u64, unix: u64) -> bool {
    time <= unix.saturating_add(SEAL_AHEAD.as_secs())
}

impl Seen {
    /// Whether its next seal is held here, for it is not due.
    pub fn is_early(&self, unix: u64) -> bool {
        self.early.is_some_and(|early| !is_due(early.time, unix))
    }

    /// Whether it stands lower in the history that is held here.
    fn is_below(&self, own: &Own, page: &Id) -> bool {
        let seal = self.standing.seal;
        self.standing.height < own.standing.height && (self.below == Some(seal) || seal == *page)
    }
}

impl Page {
    /// Whether statements pass with a peer (N3, N4): with who stands at the same seal, with who has one
    /// that is held here, and with who holds one of those here, or is behind for long.
    pub fn exchanges(&self, seen: &Seen, now: Moment) -> bool {
        let Some(own) = &self.own else { return false };
        if seen.standing.seal == own.standing.seal {
            return true;
        }
        if own.is_forked {
            return false;
        }
        if seen.standing.height > own.standing.height {
            return seen.is_early(now.unix);
        }
        let is_held = !is_due(own.time, now.unix);
        seen.is_below(own, &self.id) && (is_held || now.ticks >= seen.behind_at())
    }

    /// When statements begin to pass with those who are behind, if they stay there.
    pub fn next_exchange(&self, now: Moment) -> Option<u64> {
        let own = self.own.as_ref().filter(|own| !own.is_forked)?;
        let below = self.seen.values().filter(|seen| seen.is_below(own, &self.id));
        below.map(Seen::behind_at).filter(|at| *at > now.ticks).min()
    }

    /// The seal that keeps the page from being in step: one of a peer that is held here, or the newest
    /// here, where a peer that stands lower holds it.
    pub fn postponed(&self, unix: u64) -> Option<Postponed> {
        let early = self.seen.values().filter(|seen| seen.is_early(unix));
        let early = early.filter_map(|seen| seen.early).min_by_key(|early| early.height);
        let elsewhere =
            early.map(|Early { height, time, .. }| Postponed { height, time, is_here: false });
        elsewhere.or_else(|| {
            let own = self.own.as_ref().filter(|own| !is_due(own.time, unix))?;
            let height = own.standing.height;
            let is_held = self.seen.values().any(|seen| seen.standing.height < height);
            is_held.then_some(Postponed { height, time: own.time, is_here: true })
        })
    }

    /// The next seals of a peer are not due: they are held, and what they list is lacking.
    pub fn hold(
        &mut self,
        peer: &PublicKey,
        records: &VecDeque<SealRecord>,
        shared: &mut Shared,
        ledger: &dyn Ledger,
    ) {
        let Some(first) = records.front() else { return };
        let (height, time) = (first.seal.height, first.seal.time);
        self.postpone(peer, height, time, shared);
        self.note_listed(peer, records, shared, ledger);
    }

    /// A peer has a seal that is not due.
    pub fn postpone(&mut self, peer: &PublicKey, height: u64, time: u64, shared: &mut Shared) {
        let Some(seen) = self.seen.get_mut(peer) else { return };
        let again_at = shared.after(EARLY_AGAIN);
        seen.early = Some(Early { height, time, looked: None, is_asked: false, again_at });
        seen.compare_at = shared.now.ticks;
        self.wake(shared.now.ticks + 1);
    }

    /// Notes what seals that are held list and what is lacking of that, as far as there is room.
    fn note_listed(
        &mut self,
        peer: &PublicKey,
        records: &VecDeque<SealRecord>,
        shared: &mut Shared,
        ledger: &dyn Ledger,
    ) {
        let Some(own) = &self.own else { return };
        for record in records {
            let is_lacking = |id: &&Id| {
                own.open.get(id).is_none()
                    && !self.later.contains(id)
                    && ledger.stored(&self.id, id).is_none()
            };
            let mut lacking = ids(&record.contents).filter(is_lacking);
            if !lacking.all(|id| self.due.insert_listed(*id, peer)) {
                break;
            }
            if let Some(early) = self.seen.get_mut(peer).and_then(|seen| seen.early.as_mut()) {
                early.looked = Some((record.seal.height, record.seal.id()));
            }
        }
        let again_at = shared.after(EARLY_AGAIN);
        let seen = self.seen.get_mut(peer).and_then(|seen| seen.early.as_mut());
        seen.into_iter().for_each(|early| (early.is_asked, early.again_at) = (false, again_at));
    }

    /// Looks at seals that are held: those that are due are taken in from now on, and of those that came
    /// since it is learnt what they list.
    pub fn look_early(&mut self, shared: &mut Shared) {
        let Moment { unix, ticks } = shared.now;
        let own = self.own.as_ref().map(|own| (own.standing.height, own.time));
        let mut wake = own.filter(|(_, time)| !is_due(*time, unix)).map(|(_, time)| time);
        let mut asks: Vec<(PublicKey, u64)> = Vec::new();
        let mut again = None;
        for (peer, seen) in &mut self.seen {
            let Some(early) = seen.early else { continue };
            if is_due(early.time, unix) || own.is_some_and(|(height, _)| height >= early.height) {
                seen.early = None;
                continue;
            }
            wake = Some(wake.map_or(early.time, |time| time.min(early.time)));
            let Some((height, _)) = own else { continue };
            let (above, last) = early.looked.unwrap_or((height, Id::ZERO));
            if early.is_asked || last == seen.standing.seal || above >= seen.standing.height {
                continue;
            }
            match early.again_at.max(seen.not_before) {
                at if at > ticks => again = Some(again.map_or(at, |next: u64| next.min(at))),
                _ => asks.push((*peer, above)),
            }
        }
        again.into_iter().for_each(|at| self.wake(at));
        if let Some(time) = wake {
            let left = time.saturating_sub(unix).saturating_sub(SEAL_AHEAD.as_secs());
            // This machine's clock may be set meanwhile.
            let left = left.saturating_mul(1000).clamp(1000, PAUSE_MAX.as_millis() as u64);
            self.wake(ticks + left);
        }
        for (peer, height) in asks {
            let above = Above { page: self.id, height };
            let is_asked = self.ask(&peer, Request::Seals(above.into()), shared);
            let again_at = shared.after(EARLY_AGAIN);
            if let Some(early) = self.seen.get_mut(&peer).and_then(|seen| seen.early.as_mut()) {
                (early.is_asked, early.again_at) = (is_asked, again_at);
            }
        }
    }

    /// Seals above one that is held came, if it is those that were asked for; none: there was no answer.
    /// Returns whether it was.
    pub fn on_early(
        &mut self,
        peer: &PublicKey,
        above: Above,
        items: Option<&[Rdata]>,
        shared: &mut Shared,
        ledger: &dyn Ledger,
    ) -> bool {
        let ours = self.own.as_ref().map_or(0, |own| own.standing.height);
        let early = self.seen.get_mut(peer).and_then(|seen| seen.early.as_mut());
        let Some(early) = early.filter(|early| early.is_asked) else { return false };
        let looked = early.looked;
        if looked.map_or(ours, |(height, _)| height) != above.height {
            return false;
        }
        early.is_asked = false;
        let Some(items) = items else {
            self.wait_for(peer, shared);
            return true;
        };
        let records = read_seals(&self.id, above.height, items).and_then(|records| {
            let follows = |record: &SealRecord| {
                let is_own = record.seal.contents == record.contents.root();
                is_own && looked.is_none_or(|(_, seal)| record.seal.previous == seal)
            };
            match records.front().is_none_or(follows) {
                true => Ok(records),
                false => Err("the seals that it shows do not follow those it showed".to_owned()),
            }
        });
        match records {
            Ok(records) => self.note_listed(peer, &records, shared, ledger),
            Err(why) => shared.lied(peer, why),
        }
        true
    }

    /// What was refused is looked for again, in what seals list that are held as well.
    pub fn look_early_again(&mut self) {
        let early = self.seen.values_mut().filter_map(|seen| seen.early.as_mut());
        early.for_each(|early| early.looked = None);
    }
}
