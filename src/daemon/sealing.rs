//! Sealing as a host: the pages whose seats name this node are sealed when that is due (S6, S7).

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use crate::{
    governance::{
        Governance,
        chain::ladder::Ladder,
        seal::{Certificate, Seal, SealRecord},
        sealing::{SealProposal, Unready},
        solo::NotAlone,
    },
    id::{Id, Kind},
    key::PublicKey,
    limits::*,
    page::name::Owner,
    store::Vote,
};

use super::{
    node::{Node, State},
    whole::{self, Note},
};

/// How long a clock has gone on without a leap, by one that nobody sets (both in milliseconds).
#[derive(Debug)]
pub(super) struct ClockRun {
    /// What the clock is ahead of the other.
    ahead: i64,
    /// When it began to be, by the other.
    since: u64,
}

impl ClockRun {
    /// It is looked at for the first time.
    pub(super) fn since(wall: u64, ticks: u64) -> ClockRun {
        ClockRun { ahead: ahead(wall, ticks), since: ticks }
    }

    /// It is looked at again.
    fn look(&mut self, wall: u64, ticks: u64) -> Duration {
        let moved = ahead(wall, ticks).abs_diff(self.ahead);
        if u128::from(moved) >= SEAL_CLOCK_LEAP.as_millis() {
            *self = ClockRun::since(wall, ticks);
        }
        Duration::from_millis(ticks.saturating_sub(self.since))
    }
}

fn ahead(wall: u64, ticks: u64) -> i64 {
    wall as i64 - ticks as i64
}

impl Node {
    /// The public key of this node: what participants name for their seats.
    pub fn key(&self) -> PublicKey {
        self.key.public()
    }

    /// Notes by how many seconds the clocks of most other nodes differ from this one. While this one
    /// stays ahead the first time counts: who shifts what it says does not make the wait begin anew.
    pub(super) fn note_clock(&self, others: i64) {
        let since = match self.clock_ahead.load(Ordering::Relaxed) {
            _ if others >= 0 => 0,
            0 => self.now().max(1),
            since => since,
        };
        self.clock_ahead.store(since, Ordering::Relaxed);
    }

    /// Whether this clock is known to be ahead of those of most other nodes.
    pub(super) fn is_clock_ahead(&self) -> bool {
        self.clock_ahead.load(Ordering::Relaxed) > 0
    }

    /// Seals every page that is due, and says which seals are the newest here (T6).
    pub fn seal_due(&self) {
        let now = self.now();
        let mut state = self.state();
        let due: Vec<Id> =
            state.due.iter().filter(|(_, at)| **at <= now).map(|(page, _)| *page).collect();
        for page in due {
            self.seal_in(&mut state, &page, now);
        }
        self.keep_all_fresh(&mut state, now);
    }

    /// Seals one page if that is due and this node can, and notes when to look again. Returns whether
    /// it was sealed.
    pub(super) fn seal_in(&self, state: &mut State, id: &Id, now: u64) -> bool {
        if state.due.get(id).is_none_or(|at| *at > now) {
            return false;
        }
        let Some(page) = state.pages.get(id) else { return false };
        let again = now.saturating_add(SEAL_LOOK_INTERVAL.as_secs());
        if state.is_forked(id) {
            // A forked page is sealed no further until a person has decided (T4).
            state.due.remove(id);
            state.held.remove(id);
            return false;
        }
        if state.forks_of(id).decided(page.page().height() + 1).is_some() {
            // They decided for a seal that is not here yet.
            state.due.remove(id);
            state.held.remove(id);
            return false;
        }
        match page.seal_alone(&self.key, now) {
            Ok(_) if self.hears_first(id) => {
                tracing::debug!(page = %id, "not sealed: others are heard first");
                state.due.insert(*id, now.saturating_add(1));
            }
            Ok((record, proposal)) => {
                if let Err(why) = self.may_sign(page, &proposal, now) {
                    tracing::debug!(page = %id, "not sealed: {why}");
                    state.held.insert(*id, why);
                    state.due.insert(*id, again);
                    return false;
                }
                state.held.remove(id);
                let said = page.said();
                let (sealed, owners) = page.sealed(&proposal, &|id| said.get(id).cloned());
                let note = Note { time: now, what: "sealed".to_owned() };
                let records = [note.record(), whole::record(Kind::Seal, record.encode())];
                if let Err(error) = self.store.append(id, &records) {
                    tracing::error!(page = %id, "a seal could not be written: {error}");
                    state.due.insert(*id, again);
                    return false;
                }
                // After the log: what is in neither was never signed, and what is in the log is seen.
                let (height, seal) = (record.seal.height, record.seal.id());
                if let Err(error) =
                    self.store.note_vote(id, &self.key().raw(), Vote { height, seal })
                {
                    tracing::error!(page = %id, "a vote could not be noted: {error}");
                }
                Node::climb(state, &record, &sealed);
                self.show_seal(state, sealed, (&record.seal, &record.certificate), &owners);
                return true;
            }
            // What held it back is over: others sealed it, or it is not this node's to seal any more.
            Err(why) => {
                state.held.remove(id);
                tracing::debug!(page = %id, "not sealed: {why}");
                match why {
                    NotAlone::Unready(Unready::TooEarly(at)) => state.due.insert(*id, at),
                    NotAlone::NoSeat => state.due.remove(id),
                    _ => state.due.insert(*id, again),
                };
            }
        }
        false
    }

    /// How long the node has run, and its clock gone on without a leap.
    fn steady_for(&self) -> Duration {
        let mut run = self.clock_run.lock().unwrap_or_else(PoisonError::into_inner);
        run.look(self.milliseconds(), self.ticks())
    }

    /// Whether this node should sign a proposal of its own: its clock may be wrong, and it may have
    /// signed another seal at this height before the page was forgotten or its log cut (S5).
    fn may_sign(&self, page: &Governance, proposal: &SealProposal, now: u64) -> Result<(), String> {
        let name = page.page().name();
        let leap = now.saturating_sub(page.page().head().time);
        if leap >= SEAL_LEAP.as_secs()
            && self.steady_for() < SEAL_LEAP_WAIT
            && page.would_end(proposal, now)
        {
            return Err(format!(
                "the newest seal of {name} is {} days old by this machine's clock, and the next would \
                 end what is open or lent: it waits until the clock has gone on for ten minutes without \
                 a leap, so that a wrong clock can be set first",
                leap / (24 * 3600)
            ));
        }
        let since = self.clock_ahead.load(Ordering::Relaxed);
        if since > 0 && now.saturating_sub(since) < SEAL_CLOCK_WAIT.as_secs() {
            return Err(format!(
                "{name} is not sealed: this machine's clock is ahead of those of most other nodes, and a \
                 seal that is dated ahead counts nowhere else until then: set the clock"
            ));
        }
        let height = proposal.seal.height;
        match self.store.vote(&page.page().id(), &self.key().raw()) {
            Ok(Some(vote)) if vote.height >= height && vote.seal != proposal.seal.id() => {
                Err(format!(
                    "this node signed a seal of {name} at height {} before, and the page stands at \
                     {} here: bring its newer history (`djdns page carry FILE`), or have its \
                     participants name another node (`djdns host`)",
                    vote.height,
                    height - 1
                ))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Why pages that this node could seal are not sealed, in words.
    pub fn held(&self) -> Vec<(Id, String)> {
        self.state().held.iter().map(|(id, why)| (*id, why.clone())).collect()
    }

    /// Why one page that this node could seal is not sealed.
    pub fn held_back(&self, id: &Id) -> Option<String> {
        self.state().held.get(id).cloned()
    }

    /// The ladder of a page one seal higher, which is not shown yet.
    pub(super) fn climb(state: &mut State, record: &SealRecord, sealed: &Governance) {
        let id = sealed.page().id();
        let Some(below) = state.pages.get(&id) else { return };
        let ladder = state.ladders.get(&id).cloned();
        let ladder = ladder.unwrap_or_else(|| Ladder::new(below.page()));
        state.ladders.insert(id, ladder.climbed(record, below.page(), sealed.page()));
    }

    /// Shows a page under a new seal.
    pub(super) fn show_seal(
        &self,
        state: &mut State,
        page: Governance,
        (seal, certificate): (&Seal, &Certificate),
        owners: &[Owner],
    ) {
        let id = page.page().id();
        state.fields.entry(id).or_default().sealed(&page, seal, certificate);
        if state.is_shown {
            let (serial, absence_ttl) =
                (page.page().height() as u32, page.page().parameters().soft_ttl_max);
            self.view.store(Arc::new(self.view.load().with_seal(&id, serial, absence_ttl)));
        }
        self.replace(state, page, owners);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        daemon::freshness::tests::{BEGIN, at, home, person},
        governance::{
            presence::Presence,
            statement::{Body, Statement},
        },
        key::SecretKey,
    };

    /// S5: the sentence goes with its reason.
    #[test]
    fn what_is_not_this_nodes_to_seal_any_more_is_not_said_to_be_held_back() {
        let (node, page, clock) = home();
        let vote = Vote { height: 7, seal: Id::ZERO };
        node.store.note_vote(&page, &node.key().raw(), vote).unwrap();
        let other = SecretKey::from_seed(&[77; 32]).public();
        for (n, names, expect) in [(1, node.key(), 1), (2, other, 0)] {
            let named = Presence::new(person().public().raw(), n);
            let presence = Presence { node: vec![names.raw()], ..named };
            let said = Statement::sign(&page, Body::Presence(presence), &person()).unwrap();
            node.submit(&[said]).unwrap();
            at(&node, &clock, BEGIN + 120 * n);
            assert_eq!(node.held().len(), expect, "{n}: {:?}", node.held());
        }
    }

    /// S6: the ten minutes are not those of the clock that they guard against.
    #[test]
    fn a_clock_is_steady_from_its_last_leap_on() {
        let wall = 1_800_000_000_000;
        let (leap, wait) = (40 * 24 * 3_600_000, SEAL_LEAP_WAIT.as_millis() as u64);
        let mut steady = ClockRun::since(wall, 1000);
        let mut check = |wall: u64, ticks: u64, expect: u64| {
            assert_eq!(steady.look(wall, ticks), Duration::from_millis(expect), "{ticks}");
        };
        check(wall + 15_000, 16_000, 15_000);
        check(wall + 15_500 + leap, 16_500, 0);
        check(wall + 15_500 + leap + wait, 16_500 + wait, wait);
        // Set right, and an hour of small steps later.
        check(wall + 16_000 + wait, 17_000 + wait, 0);
        let hour = SEAL_CLOCK_LEAP.as_millis() as u64;
        check(wall + 16_000 + 2 * wait + hour / 2, 17_000 + 2 * wait, wait);
        check(wall + 16_000 + 2 * wait + hour, 17_000 + 2 * wait, 0);
    }
}
