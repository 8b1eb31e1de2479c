//! A little behind (N3): the next seals are taken in one by one, each with the statements that it lists
//! and that are lacking here.
//!
//! A seal's certificate is checked before anything that it lists is asked for, so that nobody can have
//! this node look for what does not exist.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    Event, Held, Ledger, Refused, Sealed,
    early::is_due,
    message::{Above, Named, Next, Request},
    pack::statement_id,
    page::{Page, Seen, leads_here},
    serve::kind_of,
    session::Shared,
    snapshot::Far,
};
use crate::{
    governance::{
        Governance,
        seal::{Contents, SealRecord},
        statement::Statement,
    },
    id::Id,
    key::PublicKey,
    limits::*,
    page::entry::Rdata,
};

/// Seals that are being taken in.
pub struct Chase {
    /// Who was asked last, and gave them.
    peer: PublicKey,
    /// The height above which they were asked for.
    above: u64,
    /// Whether they are still waited for.
    is_asked: bool,
    /// When they are late.
    late_at: u64,
    records: VecDeque<SealRecord>,
    /// The seal whose certificate holds, what it lists that is lacking, and what came of that.
    checked: Option<Id>,
    /// Of each who was asked for it, and when that is late.
    lacking: BTreeMap<Id, Option<(PublicKey, u64)>>,
    came: BTreeMap<Id, Vec<u8>>,
    /// What came with the seals.
    given: BTreeMap<Id, Vec<u8>>,
    /// Who has none of what is lacking.
    without: BTreeSet<PublicKey>,
}

impl Chase {
    fn new(peer: PublicKey, above: u64, late_at: u64) -> Chase {
        Chase {
            peer,
            above,
            is_asked: true,
            late_at,
            records: VecDeque::new(),
            checked: None,
            lacking: BTreeMap::new(),
            came: BTreeMap::new(),
            given: BTreeMap::new(),
            without: BTreeSet::new(),
        }
    }
}

impl Chase {
    /// Of what came with the seals takes what the next one lists and is lacking.
    fn take_given(&mut self) -> Result<(), String> {
        let listed: Vec<Id> = self.lacking.keys().copied().collect();
        for id in listed {
            let Some(bytes) = self.given.remove(&id) else { continue };
            Statement::admit(&bytes)
                .map_err(|why| format!("the statement {}: {why}", id.short()))?;
            self.lacking.remove(&id);
            self.came.insert(id, bytes);
        }
        Ok(())
    }
}

impl Page {
    /// Brings this node to the highest seal that a peer has.
    pub fn catch_up(&mut self, held: &Held, shared: &mut Shared, ledger: &dyn Ledger) {
        let Some(own) = &self.own else { return };
        let ours = own.standing;
        if own.is_forked {
            (self.chase, self.far) = (None, None);
            return;
        }
        self.find_forks(held, shared, ledger);
        if self.far.is_some() {
            return self.go_far(Some(held), shared, ledger);
        }
        let now = shared.now.ticks;
        let waits = self.chase.as_ref().filter(|chase| chase.is_asked).map(|chase| chase.late_at);
        match waits {
            None if self.chase.is_some() => return self.go_on(held, shared, ledger),
            Some(late_at) if late_at > now => return self.wake(late_at),
            _ => {}
        }
        let unix = shared.now.unix;
        let is_ahead = |seen: &Seen| {
            seen.standing.height > ours.height
                && !seen.is_early(unix)
                && seen.elsewhere_until <= now
        };
        let mut peers = self.usable(now, is_ahead);
        if waits.is_some() {
            // It is late: another is asked as well, if there is one that answers.
            let late = shared.late();
            peers.retain(|peer| !late.contains_key(peer) && !self.overtaken.contains(peer));
        }
        let Some(peer) = shared.best(peers) else { return };
        let Some(seen) = self.seen.get(&peer) else { return };
        let behind = seen.standing.height - ours.height;
        if waits.is_none()
            && (behind > SEALS_REPLAYED_MAX as u64 || seen.no_seals == Some(ours.height))
        {
            let mut far = Far::new(ours.height);
            far.resume(ledger.stashed(&self.id));
            self.far = Some(far);
            return self.go_far(Some(held), shared, ledger);
        }
        let (page, height) = (self.id, ours.height);
        let open = &held.governance;
        let (whole, batches) = (open.operation_count() == 0, batches(open));
        let next = Next { page, height, whole, batches };
        let late_at = shared.late_at(&peer);
        if self.ask(&peer, Request::Seals(next), shared) {
            let before = self.chase.replace(Chase::new(peer, ours.height, late_at));
            self.overtaken.extend(before.map(|chase| chase.peer));
            self.wake(late_at);
        }
    }

    /// Asks those who stand on another history to show it.
    fn find_forks(&mut self, held: &Held, shared: &mut Shared, ledger: &dyn Ledger) {
        let Some(own) = &self.own else { return };
        let ours = own.standing;
        // Of what lies deeper nothing can be said: a seal that is not here may be one below.
        let is_remembered = |height: u64| {
            ours.height - height < SEALS_REPLAYED_MAX as u64
                || held.governance.known_seals().any(|head| head.height <= height)
        };
        let other = |seen: &Seen| {
            let theirs = seen.standing;
            theirs.seal != ours.seal
                && theirs.height <= ours.height
                && theirs.height > 0
                && is_remembered(theirs.height)
                && seen.evidence != Some(theirs.seal)
        };
        let now = shared.now.ticks;
        let peers: Vec<(PublicKey, u64, Id)> = self
            .seen
            .iter()
            .filter(|(_, seen)| seen.not_before <= now && other(seen))
            .map(|(peer, seen)| (*peer, seen.standing.height, seen.standing.seal))
            .collect();
        for (peer, height, seal) in peers {
            // What is held here of that height is the same history.
            if height < ours.height && leads_here(held, &seal, ledger) {
                if let Some(seen) = self.seen.get_mut(&peer) {
                    (seen.evidence, seen.below) = (Some(seal), Some(seal));
                }
                continue;
            }
            self.ask_evidence(&peer, height, seal, shared);
        }
    }

    /// The next seals came; none: there was no answer.
    pub fn on_seals(
        &mut self,
        peer: &PublicKey,
        above: Above,
        items: Option<Vec<Rdata>>,
        shared: &mut Shared,
        ledger: &dyn Ledger,
    ) {
        if self.on_early(peer, above, items.as_deref(), shared, ledger) {
            return;
        }
        let is_ours = self.chase.as_ref().is_some_and(|chase| {
            chase.is_asked && chase.peer == *peer && chase.above == above.height
        });
        if !is_ours && self.overtaken.remove(peer) {
            if items.is_none() {
                self.wait_for(peer, shared);
            }
            return;
        }
        let height = self.own.as_ref().map(|own| own.standing.height);
        if height.is_some_and(|height| above.height < height) && !is_ours {
            return match items {
                Some(items) => self.on_evidence(peer, above, items, shared, ledger),
                None => self.wait_for(peer, shared),
            };
        }
        if !is_ours {
            return;
        }
        let Some(items) = items else {
            self.chase = None;
            return self.wait_for(peer, shared);
        };
        if items.is_empty() {
            // It may have come there without them: then it has the state.
            self.chase = None;
            if let Some(seen) = self.seen.get_mut(peer) {
                seen.no_seals = Some(above.height);
            }
            return;
        }
        let (given, records): (Vec<Rdata>, Vec<Rdata>) =
            items.into_iter().partition(|item| kind_of(&item.0).is_some());
        match read_seals(&self.id, above.height, &records) {
            Ok(records) => {
                if let Some(chase) = &mut self.chase {
                    (chase.is_asked, chase.records) = (false, records);
                    let row = |item: Rdata| Some((statement_id(&item.0)?, item.0.into_vec()));
                    chase.given = given.into_iter().filter_map(row).collect();
                }
            }
            Err(what) => {
                self.chase = None;
                shared.lied(peer, what);
            }
        }
    }

    /// Goes on with the next of the seals that came.
    fn go_on(&mut self, held: &Held, shared: &mut Shared, ledger: &dyn Ledger) {
        let mut held = held.clone();
        loop {
            let Some(chase) = &mut self.chase else { return };
            if chase.is_asked {
                return;
            }
            let page = held.governance.page();
            let height = page.height();
            while chase.records.front().is_some_and(|record| record.seal.height <= height) {
                chase.records.pop_front();
            }
            let Some(record) = chase.records.front().cloned() else {
                self.chase = None;
                return self.wake(shared.now.ticks);
            };
            let peer = chase.peer;
            if record.seal.height != height + 1 || record.seal.previous != page.seal() {
                self.chase = None;
                let seal = record.seal.id();
                if record.seal.height == height + 1 {
                    self.ask_evidence(&peer, height, seal, shared);
                }
                return self.pause(&peer, shared);
            }
            if !held.forks.allow(record.seal.height, &record.seal.id()) {
                self.chase = None;
                let why =
                    format!("at height {} it has a seal that was decided against here", height + 1);
                self.avoid(&peer, why, shared);
                // Another may have the one that was decided for.
                return self.wake(shared.now.ticks);
            }
            if chase.checked != Some(record.seal.id()) {
                if let Err(why) = check(&record, &held.governance) {
                    self.chase = None;
                    return shared.lied(&peer, format!("the seal at height {}: {why}", height + 1));
                }
                if !is_due(record.seal.time, shared.now.unix) {
                    let records = std::mem::take(&mut chase.records);
                    self.chase = None;
                    return self.hold(&peer, &records, shared, ledger);
                }
                let is_lacking = |id: &&Id| ledger.stored(&self.id, id).is_none();
                let lacking = ids(&record.contents).filter(is_lacking).map(|id| (*id, None));
                chase.lacking = lacking.collect();
                chase.checked = Some(record.seal.id());
                chase.came.clear();
                chase.without.clear();
                if let Err(why) = chase.take_given() {
                    self.chase = None;
                    return shared.lied(&peer, why);
                }
            }
            if !chase.lacking.is_empty() {
                return self.ask_lacking(record.seal.height, shared);
            }
            let statements = std::mem::take(&mut chase.came).into_values().collect();
            chase.records.pop_front();
            let sealed = Sealed { record: record.encode(), statements };
            match ledger.follow(&self.id, &peer, vec![sealed]) {
                Ok(_) => self.served(&peer, shared),
                Err(refused) => {
                    self.chase = None;
                    return self.refused(&peer, refused, shared);
                }
            }
            let Some(next) = ledger.held(&self.id) else { return };
            self.refresh(Some(&next), shared, Some(&peer));
            if self.is_too_large(&next, shared) {
                return;
            }
            held = next;
        }
    }

    /// What a peer gave was not taken in.
    pub fn refused(&mut self, peer: &PublicKey, refused: Refused, shared: &mut Shared) {
        match refused {
            Refused::Fault(what) => shared.lied(peer, what),
            Refused::NotNow(_) => {
                self.pause(peer, shared);
                self.wake(shared.now.ticks);
            }
            Refused::Here(why) => {
                shared.event(Event::Stuck { page: self.id, why });
                let until = shared.after(PAUSE_MAX);
                self.seen.values_mut().for_each(|seen| seen.not_before = until);
                self.wake(until);
            }
        }
    }

    /// Asks for what the seal lists, of everybody who stands there, in parts.
    fn ask_lacking(&mut self, height: u64, shared: &mut Shared) {
        loop {
            let now = shared.now.ticks;
            if let Some(at) = self.has_no_room(now) {
                return self.wake(at);
            }
            let most = self.rows_max(STATEMENT_BYTES_LIKELY, STATEMENTS_IDS_MAX);
            let Some(chase) = &self.chase else { return };
            let open = |asked: &Option<(PublicKey, u64)>| asked.is_none_or(|(_, at)| at <= now);
            let unasked = chase.lacking.iter().filter(|(_, asked)| open(asked));
            let ids: Vec<Id> = unasked.map(|(id, _)| *id).take(most).collect();
            if ids.is_empty() {
                let late_at = chase.lacking.values().flatten().map(|(_, late_at)| *late_at).min();
                return late_at.into_iter().for_each(|at| self.wake(at));
            }
            let mut without = chase.without.clone();
            if ids.iter().any(|id| chase.lacking.get(id).is_some_and(Option::is_some)) {
                without.extend(shared.late().into_keys());
            }
            let giver = chase.peer;
            let mut peers = self.usable(now, |seen| seen.standing.height >= height);
            peers.retain(|peer| !without.contains(peer));
            let Some(peer) = shared.best(peers.iter().copied()) else {
                let is_waiting = self
                    .chase
                    .as_ref()
                    .is_some_and(|chase| chase.lacking.values().any(Option::is_some));
                // Nobody has it: those who have the state do not need it.
                if peers.is_empty() && !is_waiting {
                    self.chase = None;
                    if let (Some(seen), Some(own)) = (self.seen.get_mut(&giver), &self.own) {
                        seen.no_seals = Some(own.standing.height);
                    }
                    self.pause(&giver, shared);
                }
                return self.wake(now + 1000);
            };
            let request = Request::Statements(Named { page: self.id, ids: ids.clone() });
            if !self.ask(&peer, request, shared) {
                return self.wake(now + 1000);
            }
            let late_at = shared.late_at(&peer);
            if let Some(chase) = &mut self.chase {
                for id in ids {
                    chase.lacking.insert(id, Some((peer, late_at)));
                }
            }
        }
    }

    /// Of the statements that came, takes those that a seal lists; returns the others.
    pub fn on_sealed_statements(
        &mut self,
        peer: &PublicKey,
        asked: &Named,
        came: Vec<(Id, Vec<u8>)>,
        is_answer: bool,
        shared: &mut Shared,
    ) -> Vec<(Id, Vec<u8>)> {
        let Some(chase) = &mut self.chase else { return came };
        let was_asked =
            |id: &Id| matches!(chase.lacking.get(id), Some(Some((asked, _))) if asked == peer);
        let ours: Vec<Id> = asked.ids.iter().filter(|id| was_asked(id)).copied().collect();
        let (sealed, rest): (Vec<_>, Vec<_>) =
            came.into_iter().partition(|(id, _)| ours.binary_search(id).is_ok());
        if is_answer && sealed.is_empty() && !ours.is_empty() {
            chase.without.insert(*peer);
        }
        for (id, bytes) in sealed {
            // Here, where it is known who gave it: an id does not show that the signature is right.
            match Statement::admit(&bytes) {
                Ok(_) => {
                    chase.lacking.remove(&id);
                    chase.came.insert(id, bytes);
                }
                Err(why) => {
                    shared.lied(peer, format!("the statement {}: {why}", id.short()));
                    break;
                }
            }
        }
        for id in ours {
            if let Some(asked) = chase.lacking.get_mut(&id) {
                *asked = None;
            }
        }
        rest
    }
}

/// The largest open batches, whose lists are longer than it takes to name them.
fn batches(page: &Governance) -> Vec<Id> {
    let rows = page.batches().filter_map(|batch| {
        let operations = batch.as_batch()?.operations.len();
        (operations > 1).then(|| (operations, batch.id()))
    });
    let mut rows: Vec<(usize, Id)> = rows.collect();
    rows.sort_unstable_by(|a, b| b.cmp(a));
    let mut ids: Vec<Id> = rows.into_iter().take(SEALS_BATCHES_MAX).map(|(_, id)| id).collect();
    ids.sort_unstable();
    ids
}

/// Reads seals that follow each other above a height.
pub fn read_seals(page: &Id, above: u64, items: &[Rdata]) -> Result<VecDeque<SealRecord>, String> {
    let mut records: VecDeque<SealRecord> = VecDeque::new();
    for item in items {
        let record = SealRecord::decode(&item.0).map_err(|why| format!("a seal: {why}"))?;
        let height = above.saturating_add(records.len() as u64 + 1);
        let follows = records.back().is_none_or(|last| record.seal.previous == last.seal.id());
        if record.seal.page != *page || record.seal.height != height || !follows {
            return Err("the seals that it shows do not follow each other".to_owned());
        }
        records.push_back(record);
    }
    Ok(records)
}

/// Checks what a seal says of itself, and who committed to it.
fn check(record: &SealRecord, page: &Governance) -> Result<(), String> {
    if record.seal.contents != record.contents.root() {
        return Err("its list of statements is not the one it names".to_owned());
    }
    let sealed = |key: &PublicKey| page.sealed_presence(key).cloned();
    let checked = record.certificate.check(&record.seal, page.page(), &sealed);
    checked.map(drop).map_err(|why| why.to_string())
}

pub fn ids(contents: &Contents) -> impl Iterator<Item = &Id> {
    let operations = contents.presences.iter().chain(&contents.operations);
    operations.chain(&contents.batches).chain(&contents.ballots)
}
