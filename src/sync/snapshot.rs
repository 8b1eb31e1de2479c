//! New here, or far behind (N5): the newest seal is shown by certificates, its state is fetched in parts
//! from several peers at once, and the page is taken over when all of it is there.
//!
//! Each part is named by its hash, so that it can come from whoever has it, also from a node that is at
//! another seal by now. What came is kept by the ledger, so that a download goes on after a restart.

use std::collections::BTreeSet;

use super::{
    Event, Held, Ledger, Refused, Stashed,
    early::is_due,
    loans::Loans,
    message::{Above, At, Part, Parts, Request},
    page::{Page, Seen},
    parts,
    session::{Charge, Shared},
};
use crate::{
    governance::{
        chain::{
            ChainProof, ChainRefusal, Known,
            ladder::{Standpoint, climb},
        },
        forks::Decision,
        jump::{Snapshot, Window},
        seal::Seal,
    },
    key::PublicKey,
    limits::*,
    page::{
        entry::Rdata,
        genesis::Genesis,
        trie::{Fetch, Trie, Want},
    },
};

/// A state that is being fetched.
pub struct Far {
    /// The height that is held; 0 also for a page that is new.
    from: u64,
    pub genesis: Option<Genesis>,
    pub genesis_asked: Hedged,
    target: Option<Target>,
    target_asked: Hedged,
    fetch: Option<Fetch>,
    stashed: Trie,
    state: Option<Trie>,
    window: Option<(Window, PublicKey)>,
    window_asked: Hedged,
    loans: Loans,
    /// Who lacks a part of it.
    missed: BTreeSet<PublicKey>,
    /// Whose way to their seal was looked at.
    known_ways: BTreeSet<PublicKey>,
}

/// Something that one peer gives, and that is asked of another as well while the first is late.
#[derive(Clone, Copy, Default)]
pub struct Hedged {
    /// How many were asked and have not answered.
    asked: u8,
    /// When the last of them is late, in ticks.
    late_at: u64,
}

impl Hedged {
    fn is_open(self, now: u64) -> bool {
        self.asked == 0 || self.asked == 1 && self.late_at <= now
    }

    fn ask(&mut self, late_at: u64) {
        (self.asked, self.late_at) = (self.asked + 1, late_at);
    }

    pub fn answered(&mut self) {
        self.asked = self.asked.saturating_sub(1);
    }

    /// Of these peers those who can be asked as well: who owes nothing that is late.
    pub fn others(self, mut peers: Vec<PublicKey>, shared: &Shared) -> Vec<PublicKey> {
        if self.asked > 0 {
            let late = shared.late();
            peers.retain(|peer| !late.contains_key(peer));
        }
        peers
    }
}

/// The seal that is gone to.
struct Target {
    known: Known,
    proofs: Vec<ChainProof>,
    giver: PublicKey,
}

impl Far {
    pub fn new(from: u64) -> Far {
        Far {
            from,
            genesis: None,
            genesis_asked: Hedged::default(),
            target: None,
            target_asked: Hedged::default(),
            fetch: None,
            stashed: Trie::default(),
            state: None,
            window: None,
            window_asked: Hedged::default(),
            loans: Loans::default(),
            missed: BTreeSet::new(),
            known_ways: BTreeSet::new(),
        }
    }

    /// Goes on with what was fetched before.
    pub fn resume(&mut self, stashed: Stashed) {
        self.stashed = stashed.leaves;
        self.genesis = stashed.genesis.and_then(|bytes| Genesis::decode(&bytes).ok());
    }

    /// Whether anything of the page has come.
    pub fn is_moving(&self) -> bool {
        self.genesis.is_some()
    }

    /// Whether it is known which seal is gone to.
    pub fn has_target(&self) -> bool {
        self.target.is_some()
    }

    /// Bytes that came, and about how much of the state that is, in thousandths.
    pub fn done(&self) -> (u64, u32) {
        let fetch = self.fetch.as_ref();
        let share = fetch.map_or(0, |fetch| fetch.share() / (crate::page::trie::WHOLE / 1000));
        (fetch.map_or(0, Fetch::done_bytes), share as u32)
    }
}

impl Page {
    /// Asks for whatever is lacking of the state, and takes the page over when nothing is.
    pub fn go_far(&mut self, held: Option<&Held>, shared: &mut Shared, ledger: &dyn Ledger) {
        let height = held.map(|held| held.governance.page().height());
        let Some(far) = &mut self.far else { return };
        if height.is_some_and(|height| height != far.from) {
            self.far = None;
            return self.wake(shared.now.ticks);
        }
        if let Some(held) = held {
            far.genesis = Some(held.governance.page().genesis().clone());
        }
        if far.genesis.is_none() {
            let waits = far.genesis_asked;
            if self.is_open(waits, shared)
                && let Some(late_at) = self.ask_genesis(waits, shared)
            {
                self.far.iter_mut().for_each(|far| far.genesis_asked.ask(late_at));
                self.wake(late_at);
            }
            return;
        }
        if far.target.is_none() {
            return self.ask_target(held.is_some(), shared);
        }
        if !self.is_way(held, shared) {
            return;
        }
        self.begin_fetch(held);
        self.ask_parts(shared);
        self.ask_window(false, shared);
        self.take_over(shared, ledger);
    }

    /// Whether somebody is to be asked now; if not, it is looked at again when the first is late.
    fn is_open(&mut self, waits: Hedged, shared: &Shared) -> bool {
        let is_open = waits.is_open(shared.now.ticks);
        if !is_open && waits.late_at > shared.now.ticks {
            self.wake(waits.late_at);
        }
        is_open
    }

    /// Asks for the certificates that lead to the newest seal of whoever is farthest.
    fn ask_target(&mut self, is_held: bool, shared: &mut Shared) {
        let Some(far) = &self.far else { return };
        let (from, waits) = (far.from, far.target_asked);
        if !self.is_open(waits, shared) {
            return;
        }
        let fits = |height: u64| height > from || !is_held;
        let unix = shared.now.unix;
        let now = shared.now.ticks;
        let leads = |seen: &Seen| {
            fits(seen.standing.height) && !seen.is_early(unix) && seen.elsewhere_until <= now
        };
        let peers = self.usable(shared.now.ticks, leads);
        let highest = |peer: &PublicKey| self.seen.get(peer).map_or(0, |s| s.standing.height);
        let top = peers.iter().map(highest).max().unwrap_or(0);
        // One that says it is far ahead may lie; its turn comes first, and once.
        let best = peers
            .iter()
            .filter(|peer| highest(peer).saturating_add(SEALS_REPLAYED_MAX as u64) >= top);
        let best = waits.others(best.copied().collect(), shared);
        let Some(peer) = shared.best(best) else {
            if is_held && peers.is_empty() && self.seen.values().all(|s| s.standing.height <= from)
            {
                self.far = None;
            }
            return;
        };
        if highest(&peer) == 0 {
            return self.aim_at_genesis(&peer, shared);
        }
        let above = Above { page: self.id, height: from };
        let late_at = shared.late_at(&peer);
        if self.ask(&peer, Request::Chain(above), shared) {
            self.far.iter_mut().for_each(|far| far.target_asked.ask(late_at));
            self.wake(late_at);
        }
    }

    /// A page that was never sealed is as it was founded.
    fn aim_at_genesis(&mut self, giver: &PublicKey, shared: &mut Shared) {
        let Some(far) = &mut self.far else { return };
        let Some(genesis) = &far.genesis else { return };
        let known = Known::genesis(genesis);
        far.target = Some(Target { known, proofs: Vec::new(), giver: *giver });
        self.wake(shared.now.ticks);
    }

    /// Certificates came; none: there was no answer.
    pub fn on_chain(
        &mut self,
        peer: &PublicKey,
        above: Above,
        items: Option<Vec<Rdata>>,
        shared: &mut Shared,
        ledger: &dyn Ledger,
    ) {
        let held = ledger.held(&self.id);
        let Some(far) = &mut self.far else { return };
        far.target_asked.answered();
        if far.target.is_some() {
            // Another was faster.
            return;
        }
        let Some(items) = items else { return self.wait_for(peer, shared) };
        let at = held.as_ref().map_or(0, |held| held.governance.page().height());
        let Some(genesis) = far.genesis.clone().filter(|_| far.from == at && above.height == at)
        else {
            self.far = None;
            return;
        };
        if items.is_empty() {
            shared.charge(peer, Charge::Withheld);
            return self.pause(peer, shared);
        }
        let proofs: Result<Vec<ChainProof>, _> =
            items.iter().map(|item| ChainProof::decode(&item.0)).collect();
        let proofs = match proofs {
            Ok(proofs) => proofs,
            Err(why) => return shared.lied(peer, format!("a certificate's proof: {why}")),
        };
        let from = match &held {
            Some(held) => Standpoint::Page(held.governance.page()),
            None => Standpoint::Genesis(&genesis),
        };
        match climb(from, &proofs) {
            // It is held until it is due (T7); who stands lower may be of use before.
            Ok(known) if known.head.height > at && !is_due(known.head.time, shared.now.unix) => {
                self.far = self.far.take().filter(|_| held.is_none());
                self.postpone(peer, known.head.height, known.head.time, shared);
            }
            Ok(known) if known.head.height > at => {
                far.missed.clear();
                far.window = None;
                if let Some(state) = far.state.take() {
                    far.stashed = state;
                }
                far.fetch = far.fetch.take().map(|fetch| fetch.retarget(known.state_root));
                far.target = Some(Target { known, proofs, giver: *peer });
                self.served(peer, shared);
            }
            Ok(_) => {
                shared.charge(peer, Charge::Withheld);
                self.pause(peer, shared);
            }
            // From a page that is held, one that stands on another history shows no way.
            Err(why) if held.is_some() => {
                if !matches!(why, ChainRefusal::TooFewKnown { .. }) {
                    shared.charge(peer, Charge::Withheld);
                }
                let seal = self.seen.get(peer).map(|seen| seen.standing.seal);
                seal.into_iter().for_each(|seal| self.ask_evidence(peer, at, seal, shared));
                self.pause(peer, shared);
                // Others may have the seals that follow, which are more than a state.
                self.far = None;
                self.wake(shared.now.ticks);
            }
            Err(why) => shared.lied(peer, format!("its certificates: {why}")),
        }
    }

    /// Whether the way to the target leads over what is held and what a person decided (T4): by the seals below
    /// it, before its state is fetched. Of each that gives a target once, for they may be many.
    fn is_way(&mut self, held: Option<&Held>, shared: &mut Shared) -> bool {
        let Some(far) = &self.far else { return false };
        let Some(target) = &far.target else { return false };
        let to = target.known.head.height;
        // Of a page that is new here nothing is known yet.
        let Some(held) = held.filter(|_| to > 0 && !far.known_ways.contains(&target.giver)) else {
            return true;
        };
        let Some((window, giver)) = &far.window else {
            self.ask_window(true, shared);
            return false;
        };
        let (leader, giver) = (target.giver, *giver);
        if let Err(why) = window.check(&target.known) {
            self.far.iter_mut().for_each(|far| far.window = None);
            shared.lied(&giver, format!("the seals of its past: {why}"));
            return false;
        }
        let fork = held.governance.check_history(window).err();
        let shown = window.shown(&target.proofs).map(Seal::id);
        let missing = || held.forks.missing(far.from, to, &shown.collect());
        let why = fork.map(|fork| fork.to_string()).or_else(|| {
            let Decision { height, seal, .. } = missing()?;
            let seal = seal.short();
            Some(format!(
                "a person decided for the seal {seal} at height {height}, which its seals do not show; where \
                 they only reach down no further, a bundle of a node that has held the page since then does"
            ))
        });
        match why {
            Some(why) => {
                self.far = None;
                self.avoid(&leader, why, shared);
                false
            }
            None => {
                self.far.iter_mut().for_each(|far| far.known_ways.extend([leader]));
                true
            }
        }
    }

    fn begin_fetch(&mut self, held: Option<&Held>) {
        let Some(far) = &mut self.far else { return };
        let Some(target) = &far.target else { return };
        if far.fetch.is_none() && far.state.is_none() {
            let mine = held.map(|held| held.governance.page().state().clone()).unwrap_or_default();
            let stashed = std::mem::take(&mut far.stashed);
            far.fetch = Some(Fetch::resumed(target.known.state_root, mine, stashed));
        }
    }

    /// Asks several peers for different parts at once.
    fn ask_parts(&mut self, shared: &mut Shared) {
        loop {
            let Some(far) = &self.far else { return };
            let Some(fetch) = &far.fetch else { return };
            if fetch.is_complete() {
                return;
            }
            if fetch.waiting() == 0 || far.loans.count() >= FAR_ASKS_MAX {
                return self.hedge_parts(shared);
            }
            if let Some(at) = self.has_no_room(shared.now.ticks) {
                return self.wake(at);
            }
            let Some(far) = &self.far else { return };
            let missed = far.missed.clone();
            let from = far.from;
            let mut peers = self.usable(shared.now.ticks, |seen| seen.standing.height >= from);
            peers.retain(|peer| !missed.contains(peer));
            let Some(peer) = shared.best(peers.iter().copied()) else {
                let Some(far) = &mut self.far else { return };
                // The state is nowhere as it was: it has gone on.
                if peers.is_empty() && far.loans.count() == 0 {
                    far.target = None;
                    far.missed.clear();
                    self.wake(shared.now.ticks + 1000);
                }
                return self.hedge_parts(shared);
            };
            let bytes_max = self.part_bytes_max();
            let count = self.parts_max(bytes_max);
            let Some(far) = &mut self.far else { return };
            let Some(fetch) = &mut far.fetch else { return };
            let wants = fetch.next(count);
            let paths: Vec<_> = wants.iter().map(|want| want.path.clone()).collect();
            let parts: Vec<Part> = wants
                .into_iter()
                .map(|Want { path, hash, bytes_max: most }| {
                    let bytes_max = most.min(bytes_max);
                    Part { path, hash, bytes_max }
                })
                .collect();
            let late_at = shared.late_at(&peer);
            let parts = Parts { page: self.id, parts };
            if !self.ask(&peer, Request::Subtrees(parts.clone()), shared) {
                let Some(far) = &mut self.far else { return };
                let fetch = far.fetch.iter_mut();
                fetch.for_each(|fetch| paths.iter().for_each(|path| fetch.failed(path)));
                return self.wake(shared.now.ticks + 1000);
            }
            let Some(far) = &mut self.far else { return };
            far.loans.lend(&peer, parts, late_at, shared.now.ticks);
        }
    }

    /// Asks another for parts that are late.
    fn hedge_parts(&mut self, shared: &mut Shared) {
        let now = shared.now.ticks;
        loop {
            let room_at = self.has_no_room(now);
            let Some(far) = &mut self.far else { return };
            let Some(fetch) = &far.fetch else { return };
            far.loans.next_late(now).into_iter().for_each(|at| self.look_at = self.look_at.min(at));
            let Some((owing, parts)) = far.loans.late(now, fetch) else { return };
            if let Some(at) = room_at {
                return self.wake(at);
            }
            let (missed, from, late) = (far.missed.clone(), far.from, shared.late());
            let mut peers = self.usable(now, |seen| seen.standing.height >= from);
            peers.retain(|peer| {
                *peer != owing && !missed.contains(peer) && !late.contains_key(peer)
            });
            let Some(peer) = shared.best(peers) else { return };
            let parts = Parts { page: self.id, parts };
            let late_at = shared.late_at(&peer);
            if !self.ask(&peer, Request::Subtrees(parts.clone()), shared) {
                return self.wake(now + 1000);
            }
            let Some(far) = &mut self.far else { return };
            far.loans.hedge(&owing, &peer, parts, late_at, now);
        }
    }

    /// Parts of the state came; none: there was no answer.
    pub fn on_parts(
        &mut self,
        peer: &PublicKey,
        asked: &Parts,
        items: Option<Vec<Rdata>>,
        shared: &mut Shared,
        ledger: &dyn Ledger,
    ) {
        let Some(far) = &mut self.far else { return };
        let is_answer = items.is_some();
        far.loans.over(peer, asked, is_answer, shared.now.ticks);
        let Some(fetch) = &mut far.fetch else { return };
        let items = items.unwrap_or_default();
        let mut leaves = Vec::new();
        let mut fault = None;
        let mut came = 0;
        for (at, part) in asked.parts.iter().enumerate() {
            let bytes = items.get(at).map_or(&[][..], |item| &item.0);
            if !fetch.lacks(&part.path, &part.hash) {
                // Another was faster, or it was for an earlier root.
                came += usize::from(!bytes.is_empty());
                continue;
            }
            if bytes.is_empty() {
                if !far.loans.asks(&part.path) {
                    fetch.failed(&part.path);
                }
                continue;
            }
            let taken = parts::read(bytes, PIECE_SHOWN_BYTES_MAX)
                .map_err(|why| why.to_string())
                .and_then(|piece| fetch.take(&part.path, piece).map_err(|why| why.to_string()));
            match taken {
                Ok(new) => {
                    came += 1;
                    leaves.extend(new);
                }
                Err(why) => {
                    fetch.failed(&part.path);
                    fault = Some(format!("a part of the state: {why}"));
                }
            }
        }
        let done = fetch.done_bytes();
        if came == 0 {
            far.missed.insert(*peer);
        }
        let kept = match leaves.is_empty() {
            true => Ok(()),
            false => ledger.stash(&self.id, None, &leaves),
        };
        match fault {
            Some(what) => shared.lied(peer, what),
            None if came > 0 => self.served(peer, shared),
            None if is_answer => self.lacks_parts(peer, shared),
            None => self.wait_for(peer, shared),
        }
        if let Err(why) = kept {
            return self.lacks_room(why, shared);
        }
        if let Some(max) = self.bytes_max().filter(|max| done > *max) {
            self.end_far(self.too_large_words(max), shared);
        }
    }

    /// A peer has none of the parts: it has gone on, and where it is now is on its way or was lost. It is not
    /// asked for any more of this state.
    fn lacks_parts(&mut self, peer: &PublicKey, shared: &mut Shared) {
        let target = self.far.as_ref().and_then(|far| far.target.as_ref());
        let seal = target.map(|target| target.known.head.seal);
        if self.seen.get(peer).is_some_and(|seen| Some(seen.standing.seal) == seal) {
            self.ask(peer, Request::Standings(vec![self.id]), shared);
            self.pause(peer, shared);
        }
    }

    /// Asks for the seals that operations may name, once the state is here; or first, to see the way.
    fn ask_window(&mut self, is_first: bool, shared: &mut Shared) {
        let Some(far) = &self.far else { return };
        let Some(target) = &far.target else { return };
        let head = target.known.head;
        let is_fetched = far.state.is_some() || far.fetch.as_ref().is_some_and(Fetch::is_complete);
        if head.height == 0 || far.window.is_some() || !(is_fetched || is_first) {
            return;
        }
        let (giver, waits) = (target.giver, far.window_asked);
        if !self.is_open(waits, shared) {
            return;
        }
        let mut peers = self.usable(shared.now.ticks, |seen| seen.standing.height >= head.height);
        let is_late = shared.late().contains_key(&giver);
        if waits.asked == 0 && peers.contains(&giver) && !is_late {
            peers = vec![giver];
        }
        let others = waits.others(peers.clone(), shared);
        let Some(peer) = shared.best(others) else {
            // It is nowhere any more: another seal is the newest.
            if peers.is_empty() && self.seen.values().all(|s| s.standing.height < head.height) {
                self.far.iter_mut().for_each(|far| far.target = None);
            }
            return;
        };
        let late_at = shared.late_at(&peer);
        if self.ask(&peer, Request::Window(At { page: self.id, seal: head.seal }), shared) {
            self.far.iter_mut().for_each(|far| far.window_asked.ask(late_at));
            self.wake(late_at);
        }
    }

    /// The seals that operations may name came; none: there was no answer.
    pub fn on_window(
        &mut self,
        peer: &PublicKey,
        asked: At,
        items: Option<Vec<Rdata>>,
        shared: &mut Shared,
    ) {
        let Some(far) = &mut self.far else { return };
        far.window_asked.answered();
        if far.window.is_some() {
            return;
        }
        let Some(target) = far.target.as_ref().filter(|t| t.known.head.seal == asked.seal) else {
            return;
        };
        let is_giver = target.giver == *peer;
        let Some(items) = items else { return self.wait_for(peer, shared) };
        let Some(item) = items.first() else {
            // It has gone on since; where it leads now it can be asked again.
            if is_giver {
                far.target = None;
            }
            return self.pause(peer, shared);
        };
        match Window::decode(&item.0) {
            Ok(window) => far.window = Some((window, *peer)),
            Err(why) => shared.lied(peer, format!("the seals of its past: {why}")),
        }
    }

    /// Takes the page over when nothing is lacking.
    fn take_over(&mut self, shared: &mut Shared, ledger: &dyn Ledger) {
        let Some(far) = &mut self.far else { return };
        let Some(target) = &far.target else { return };
        if far.state.is_none() {
            let Some(fetch) = far.fetch.take_if(|fetch| fetch.is_complete()) else { return };
            match fetch.finish() {
                Ok(state) => far.state = Some(state),
                Err(_) => {
                    let why = "its state is none, whoever sealed it";
                    return self.end_far(why.to_owned(), shared);
                }
            }
        }
        if target.known.head.height > 0 && far.window.is_none() {
            return self.ask_window(false, shared);
        }
        let (Some(state), Some(genesis)) = (far.state.clone(), &far.genesis) else { return };
        let (window, giver) = match far.window.take() {
            Some((window, giver)) => (window, giver),
            None => (Window::default(), target.giver),
        };
        let proofs = target.proofs.clone();
        let snapshot = Snapshot { genesis: genesis.encode(), proofs, state, window };
        match ledger.adopt(snapshot) {
            Ok(()) => {
                self.far = None;
                self.served(&giver, shared);
                self.refresh(ledger.held(&self.id).as_ref(), shared, Some(&giver));
                self.wake(shared.now.ticks);
            }
            Err(Refused::Fault(what)) => shared.lied(&giver, what),
            Err(Refused::NotNow(_)) => {
                self.far = None;
                self.pause(&giver, shared);
            }
            Err(Refused::Here(why)) => self.lacks_room(why, shared),
        }
    }

    /// The page cannot be had, or not be gone on with.
    pub fn end_far(&mut self, why: String, shared: &mut Shared) {
        self.far = None;
        if self.own.is_none() {
            return self.give_up(why, shared);
        }
        shared.event(Event::Stuck { page: self.id, why });
        let until = shared.after(PAUSE_MAX);
        self.seen.values_mut().for_each(|seen| seen.not_before = until);
        self.wake(until);
    }
}
