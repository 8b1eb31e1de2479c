//! A page that is wanted and not held (N2): found among the peers, and its genesis checked before
//! anything else of it is taken.

use super::{
    Event, Ledger, Want,
    message::Request,
    page::Page,
    session::{Charge, Shared},
    snapshot::{Far, Hedged},
};
use crate::{
    beacon::Beacon,
    id::Id,
    key::PublicKey,
    limits::*,
    page::{entry::Rdata, genesis::Genesis, name::Name},
};

/// Why and since when a page is wanted.
pub struct Sought {
    pub name: Name,
    pub why: Want,
    /// Who may have it, by those who link to it.
    pub beacons: Vec<Beacon>,
    /// Until when it is sought at all, in ticks.
    pub until: Option<u64>,
    /// When everybody is asked again.
    ask_at: u64,
    rounds: u32,
    /// It is fetched no sooner than this, in ticks, and how often there was no room for it.
    rests_until: u64,
    rests: u32,
}

impl Sought {
    pub fn new(name: Name, why: Want, beacons: Vec<Beacon>, shared: &mut Shared) -> Sought {
        let until =
            (why == Want::Resolve).then(|| shared.now.ticks + WANT_RESOLVE_TIME.as_millis() as u64);
        Sought { name, why, beacons, until, ask_at: 0, rounds: 0, rests_until: 0, rests: 0 }
    }

    /// Somebody wants it now, whether there was room for it or not.
    pub fn rest_no_more(&mut self) {
        (self.rests_until, self.rests) = (0, 0);
    }
}

impl Page {
    /// Looks for a page that is wanted, and fetches it from whoever has it.
    pub fn seek(&mut self, shared: &mut Shared, ledger: &dyn Ledger) {
        let now = shared.now.ticks;
        let Some(sought) = &mut self.sought else { return };
        let is_moving = self.far.as_ref().is_some_and(Far::is_moving);
        if sought.until.is_some_and(|until| until <= now) && !is_moving {
            let why = match self.seen.is_empty() {
                true => "no peer has it",
                false => "no peer that says it has it hands it on",
            };
            return self.give_up(why.to_owned(), shared);
        }
        let until = sought.until.filter(|until| *until > now);
        if sought.ask_at <= now && self.seen.is_empty() {
            let span = WANT_ASK_FIRST.saturating_mul(1 << sought.rounds.min(16)).min(PAUSE_MAX);
            sought.rounds += 1;
            sought.ask_at = shared.after(span);
            self.ask_standings(shared);
        }
        let ask_at = self.sought.as_ref().map(|sought| sought.ask_at).filter(|at| *at > now);
        until.into_iter().chain(ask_at).for_each(|at| self.wake(at));
        let rests_until = self.sought.as_ref().map_or(0, |sought| sought.rests_until);
        if rests_until > now {
            return self.wake(rests_until);
        }
        if self.far.is_none() && !self.seen.is_empty() {
            let mut far = Far::new(0);
            far.resume(ledger.stashed(&self.id));
            self.far = Some(far);
        }
        self.go_far(None, shared, ledger);
    }

    /// The page cannot be had.
    pub fn give_up(&mut self, why: String, shared: &mut Shared) {
        (self.sought, self.far) = (None, None);
        shared.event(Event::GaveUp { page: self.id, why });
    }

    /// What came of it cannot be kept, and nothing of it is. Where a person wants it, it is fetched again
    /// after a while, longer every time.
    pub fn lacks_room(&mut self, why: String, shared: &mut Shared) {
        let sought = self.sought.as_mut().filter(|sought| sought.why != Want::Resolve);
        let Some(sought) = sought else { return self.end_far(why, shared) };
        let span = ROOM_WAIT.saturating_mul(1 << sought.rests.min(16)).min(ROOM_WAIT_MAX);
        sought.rests += 1;
        sought.rests_until = shared.after(span);
        let until = sought.rests_until;
        self.wake(until);
        self.far = None;
        shared.event(Event::Stuck { page: self.id, why });
    }

    /// Asks for the genesis. Returns when that is late.
    pub fn ask_genesis(&mut self, waits: Hedged, shared: &mut Shared) -> Option<u64> {
        let peers = self.usable(shared.now.ticks, |_| true);
        let peer = shared.best(waits.others(peers, shared))?;
        let late_at = shared.late_at(&peer);
        self.ask(&peer, Request::Genesis(self.id), shared).then_some(late_at)
    }

    /// A genesis came; none: there was no answer.
    pub fn on_genesis(
        &mut self,
        peer: &PublicKey,
        items: Option<Vec<Rdata>>,
        shared: &mut Shared,
        ledger: &dyn Ledger,
    ) {
        let id = self.id;
        let Some(far) = self.far.as_mut().filter(|far| far.genesis.is_none()) else { return };
        far.genesis_asked.answered();
        let Some(item) = items.map(|items| items.into_iter().next()) else {
            return self.wait_for(peer, shared);
        };
        let Some(Rdata(bytes)) = item else {
            shared.charge(peer, Charge::Withheld);
            return self.pause(peer, shared);
        };
        let genesis = match read_genesis(&id, &bytes) {
            Ok(genesis) => genesis,
            Err(what) => return shared.lied(peer, what),
        };
        if let Some(why) = self.sought.as_ref().and_then(|sought| sought.refuses(&genesis)) {
            return self.give_up(why, shared);
        }
        if let Err(why) = ledger.stash(&id, Some(&bytes), &[]) {
            return self.lacks_room(why, shared);
        }
        if let Some(far) = &mut self.far {
            far.genesis = Some(genesis);
        }
        self.served(peer, shared);
    }
}

impl Sought {
    /// Why a page with this genesis is not taken, whoever gives it (P6).
    pub fn refuses(&self, genesis: &Genesis) -> Option<String> {
        let raw = genesis.raw();
        if raw.name != self.name {
            return Some(format!(
                "it is the page of `{}`, and was linked to as `{}`",
                raw.name, self.name
            ));
        }
        raw.demonstration.then(|| {
            "it is a demonstration: anybody has its keys, and it is never taken from others"
                .to_owned()
        })
    }
}

/// Reads the genesis of a page, whose id is its proof.
pub fn read_genesis(page: &Id, bytes: &[u8]) -> Result<Genesis, String> {
    let genesis = Genesis::decode(bytes).map_err(|why| format!("a genesis: {why}"))?;
    match genesis.id() == *page {
        true => Ok(genesis),
        false => Err(format!("the genesis of the page {} as that of {page}", genesis.id())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        key::SecretKey,
        sync::{Pace, Wish, book::Book},
    };

    #[test]
    fn a_page_that_only_a_question_wants_may_be_so_large_and_no_larger() {
        let me = SecretKey::from_seed(&[1; 32]).public();
        let mut shared = Shared::new(me, 1, Book::new(me, 1));
        let mut check = |why, wished, expect: Option<u64>| {
            let mut page = Page::new(Id::ZERO);
            page.sought = Some(Sought::new(Name::root(), why, Vec::new(), &mut shared));
            page.wish = Wish { pace: Pace::Live, bytes_max: wished, bytes_per_second_max: None };
            assert_eq!(page.bytes_max(), expect);
        };
        check(Want::Resolve, None, Some(ASKED_PAGE_BYTES_MAX));
        check(Want::Resolve, Some(5), Some(5));
        check(Want::Resolve, Some(u64::MAX), Some(u64::MAX));
        check(Want::Anchor, None, None);
        check(Want::Anchor, Some(5), Some(5));
    }
}
