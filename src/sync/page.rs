//! One page: where this node and its peers stand on it, and what is to be done about that (N2 to N5).
//!
//! Everything is decided anew whenever anything changed, from where everybody stands: there is no
//! script that could get lost in the middle. What is asked and not answered is asked again, later and of
//! others; what has come is kept. How each part of the work goes is told in the files beside this one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Beside, Event, Held, Ledger, Pace, Verdict, Want, Wish,
    chase::Chase,
    compare::Compare,
    due::Due,
    early::{Early, is_due},
    later::Later,
    message::{Above, Follow, News, Notice, Request, Standing},
    rate::Room,
    session::{Asked, Shared},
    snapshot::Far,
    sought::Sought,
};
use crate::{
    governance::{forks::Forks, seal::SealRecord},
    id::Id,
    key::PublicKey,
    limits::*,
    page::{entry::Rdata, trie::Trie},
};

/// What is known of a peer about a page.
pub struct Seen {
    pub standing: Standing,
    /// Whether it wants to be told what is new.
    pub live: bool,
    /// Whether it said itself that it follows the page, and was told where this node stands.
    pub follows: bool,
    /// Nothing about this page is asked of it before this, in ticks.
    pub not_before: u64,
    /// How often in a row it was of no use, and how often it did not answer at all.
    pauses: u32,
    silences: u32,
    /// When its open set is compared, if it still differs then.
    pub compare_at: u64,
    /// The root of its open set, all of which was looked at.
    pub taken: Option<Id>,
    /// It was asked for the next seals after this height, and had none.
    pub no_seals: Option<u64>,
    /// Its seal about which it was asked for evidence.
    pub evidence: Option<Id>,
    /// Why what it showed then proves nothing, while it is asked for more.
    unproved: Option<String>,
    /// It was found on another history: nothing further up is asked of it before this, in ticks; and how often.
    pub elsewhere_until: u64,
    elsewhere: u32,
    /// Its seal, if that is one below the newest here.
    pub below: Option<Id>,
    /// Since when it stands at its seal, in ticks.
    since: u64,
    /// Its next seals, if they are held here.
    pub early: Option<Early>,
    /// What it said it has at its seal and did not give, at most [`DENIED_MAX`].
    denied: BTreeSet<Id>,
}

/// Where this node stands on a page that it holds.
pub struct Own {
    pub standing: Standing,
    /// When it was sealed, in seconds since 1970 (UTC).
    pub time: u64,
    pub open: Arc<Trie>,
    pub is_forked: bool,
    /// What is known of other histories, and what a person decided.
    forks: Arc<Forks>,
}

/// One page.
pub struct Page {
    pub id: Id,
    pub wish: Wish,
    /// None while the page is not held.
    pub own: Option<Own>,
    /// Why it is wanted, while it is not held.
    pub sought: Option<Sought>,
    pub seen: BTreeMap<PublicKey, Seen>,
    pub chase: Option<Chase>,
    pub far: Option<Far>,
    /// Comparisons under way, by whose open set it is.
    pub compares: BTreeMap<PublicKey, Compare>,
    /// Who was asked for the next seals, and has not answered although another has.
    pub overtaken: BTreeSet<PublicKey>,
    pub due: Due,
    /// Refused as the page is now: not asked for again before the next seal, or before a while.
    pub later: Later,
    is_in_step: bool,
    /// Until when a page that is followed every so often is pulled, and when it is the next time.
    pub pull_until: u64,
    pub pull_at: u64,
    /// When the page is looked at again though nothing happens.
    pub look_at: u64,
    /// What may be asked for now; none: anything (N8).
    room: Option<Room>,
    /// Bytes of its state under a seal, where they are counted (N8).
    size: Option<(Id, u64)>,
    /// The seal and limit of which it was said that it is too large.
    too_large: Option<(Id, u64)>,
    /// When beacons of its peers are asked for again, and when those in itself are tried.
    pub meet_at: u64,
    /// How often that was in vain.
    pub meetings: u32,
}

/// Never.
pub const NEVER: u64 = u64::MAX;

impl Seen {
    fn new(standing: Standing, live: bool, now: u64) -> Seen {
        Seen {
            standing,
            live,
            follows: false,
            not_before: 0,
            pauses: 0,
            silences: 0,
            compare_at: now,
            taken: None,
            no_seals: None,
            evidence: None,
            unproved: None,
            elsewhere_until: 0,
            elsewhere: 0,
            below: None,
            since: now,
            early: None,
            denied: BTreeSet::new(),
        }
    }

    /// It gives nothing of these, which it said it has. Returns whether that cannot be for what came to it in
    /// between: it said so of one of them before, or of many.
    pub fn denies(&mut self, ids: &[Id]) -> bool {
        let is_again = ids.iter().any(|id| self.denied.contains(id));
        let is_much = self.denied.len() + ids.len() > DENIED_MAX;
        let room = DENIED_MAX.saturating_sub(self.denied.len());
        self.denied.extend(ids.iter().take(room));
        is_again || is_much
    }

    /// Forgets of what use it was, and what it has not.
    fn begin_anew(&mut self) {
        (self.pauses, self.not_before) = (0, 0);
        (self.taken, self.no_seals, self.evidence, self.below) = (None, None, None, None);
        (self.elsewhere, self.elsewhere_until) = (0, 0);
    }

    /// When it is behind for long, if it stays where it is, in ticks.
    pub fn behind_at(&self) -> u64 {
        self.since.saturating_add(BEHIND_TIME.as_millis() as u64)
    }
}

impl Page {
    pub fn new(id: Id) -> Page {
        Page {
            id,
            wish: Wish { pace: Pace::Live, bytes_max: None, bytes_per_second_max: None },
            own: None,
            sought: None,
            seen: BTreeMap::new(),
            chase: None,
            far: None,
            compares: BTreeMap::new(),
            overtaken: BTreeSet::new(),
            due: Due::default(),
            later: Later::default(),
            is_in_step: false,
            pull_until: 0,
            pull_at: 0,
            look_at: 0,
            room: None,
            size: None,
            too_large: None,
            meet_at: 0,
            meetings: 0,
        }
    }

    /// Whether a person said how it is followed.
    pub fn has_wish(&self) -> bool {
        self.wish != Page::new(self.id).wish
    }

    /// Looks at the page: learns where this node stands, tells others, and asks for what is lacking.
    pub fn look(&mut self, shared: &mut Shared, ledger: &dyn Ledger) {
        self.look_at = NEVER;
        let held = ledger.held(&self.id);
        self.refresh(held.as_ref(), shared, None);
        if !self.pulls(shared) {
            return;
        }
        self.look_early(shared);
        match &held {
            Some(held) if self.is_too_large(held, shared) => return,
            None => self.seek(shared, ledger),
            Some(held) => {
                self.catch_up(held, shared, ledger);
                self.compare_open(shared);
                self.retry_later(shared);
            }
        }
        self.fetch_due(shared);
        self.note_step(shared);
    }

    /// Looks again at this time at the latest.
    pub fn wake(&mut self, at: u64) {
        self.look_at = self.look_at.min(at);
    }

    /// Whether anything is to be fetched now (N8).
    fn pulls(&mut self, shared: &mut Shared) -> bool {
        let now = shared.now.ticks;
        match self.wish.pace {
            Pace::Paused => false,
            Pace::Live => true,
            Pace::Every(_) if now < self.pull_until => {
                self.wake(self.pull_until);
                true
            }
            Pace::Every(span) if now >= self.pull_at => {
                self.pull_at = shared.after(span);
                self.pull_until = now + PULL_TIME.as_millis() as u64;
                self.ask_standings(shared);
                self.wake(self.pull_until.min(self.pull_at));
                true
            }
            Pace::Every(_) => {
                self.wake(self.pull_at);
                false
            }
        }
    }

    /// Whether a page that is held has grown beyond what it may take: then it is gone on with no
    /// further, which is said once (N8).
    pub fn is_too_large(&mut self, held: &Held, shared: &mut Shared) -> bool {
        let Some(max) = self.wish.bytes_max else { return false };
        let page = held.governance.page();
        let seal = page.seal();
        let counted = self.size.filter(|(at, _)| *at == seal).map(|(_, bytes)| bytes);
        let bytes = counted.unwrap_or_else(|| bytes_of(page.state()));
        self.size = Some((seal, bytes));
        if bytes <= max {
            self.too_large = None;
            return false;
        }
        (self.chase, self.far) = (None, None);
        self.compares.clear();
        if self.too_large.replace((seal, max)) != Some((seal, max)) {
            let why = format!("it has {bytes} bytes, and may take {max}");
            shared.event(Event::Stuck { page: self.id, why });
        }
        true
    }

    /// Bytes that it may take: as somebody wished, or as a page may that only a question wants.
    pub fn bytes_max(&self) -> Option<u64> {
        let is_asked = |sought: &&Sought| sought.why == Want::Resolve;
        let asked = self.sought.as_ref().filter(is_asked).map(|_| ASKED_PAGE_BYTES_MAX);
        self.wish.bytes_max.or(asked)
    }

    /// That it is not fetched beyond so many bytes.
    pub fn too_large_words(&self, max: u64) -> String {
        let words = format!("it is larger than the {max} bytes that it may take");
        let wanted = self.sought.as_ref().filter(|_| self.wish.bytes_max.is_none());
        match wanted {
            Some(Sought { name, .. }) => {
                format!(
                    "{words} while only questions want it: `djdns page join {name} {}` fetches it",
                    self.id
                )
            }
            None => words,
        }
    }

    /// Asks a few peers where they stand.
    pub fn ask_standings(&mut self, shared: &mut Shared) {
        let mut known: Vec<PublicKey> = shared.peers.keys().copied().collect();
        // Those that were there before are more likely to be of use.
        known.sort_by_key(|key| !self.seen.contains_key(key));
        for peer in known.into_iter().take(STANDINGS_ASKED_MAX) {
            self.ask(&peer, Request::Standings(vec![self.id]), shared);
        }
    }

    /// Asks a peer, as far as the page's wish allows.
    pub fn ask(&mut self, peer: &PublicKey, request: Request, shared: &mut Shared) -> bool {
        let limit = self.bytes_max().map_or(usize::MAX, |max| max.try_into().unwrap_or(usize::MAX));
        let bytes_max = request.answer_bytes_max().min(limit.max(ANSWER_BYTES_MAX));
        if let Some(at) = self.has_no_room(shared.now.ticks) {
            self.wake(at);
            return false;
        }
        let likely = self.room.map_or(0, |room| room.likely(&request));
        let Some(ask) = shared.ask(peer, request, bytes_max) else { return false };
        shared.count(ask, likely);
        self.room.iter_mut().for_each(|room| room.take(likely));
        true
    }

    /// When there is room for more bytes again; none: there is.
    pub fn has_no_room(&mut self, now: u64) -> Option<u64> {
        let rate = self.wish.bytes_per_second_max;
        if self.room.map(|room| room.rate()) != rate.map(|rate| rate.max(1)) {
            self.room = rate.map(|rate| Room::new(rate, now));
        }
        self.room.as_mut()?.opens_at(now)
    }

    /// [`Page::rows_max`] for parts of the state that show so many bytes each.
    pub fn parts_max(&self, bytes: u32) -> usize {
        let bytes = self.room.map_or(1, |room| room.travelling(bytes.into()));
        self.rows_max(bytes, PARTS_ASKED_MAX)
    }

    /// How many rows of so many bytes may be asked for now, at least one and at most so many.
    pub fn rows_max(&self, bytes: u64, most: usize) -> usize {
        let rows = self.room.map(|room| room.rows(bytes));
        rows.map_or(most, |rows| rows.clamp(1, most as u64) as usize)
    }

    /// Bytes that a part of the state should have at most: of a page whose rate is limited those of a step, so
    /// that its answers leave room for others on the line.
    pub fn part_bytes_max(&self) -> u32 {
        let bytes = self.room.map(|room| u32::try_from(room.shown_in_a_step()));
        let bytes = bytes.map(|bytes| bytes.unwrap_or(u32::MAX));
        bytes.map_or(PIECE_BYTES_MAX, |bytes| bytes.clamp(PART_BYTES_SLOW_MIN, PIECE_BYTES_MAX))
    }

    /// Counts what came for the page; none: there was no answer, and what of it came is not known.
    pub fn spent(&mut self, asked: &Asked, came: Option<usize>) {
        if let (Some(room), Some(came)) = (&mut self.room, came) {
            room.settle(&asked.request, asked.counted, came as u64);
        }
    }

    /// Learns where this node stands, and tells those who follow the page what changed. `givers` are
    /// those who have what is new, and are told only where we stand now.
    pub fn refresh(&mut self, held: Option<&Held>, shared: &mut Shared, giver: Option<&PublicKey>) {
        let Some(held) = held else {
            if self.own.take().is_some() {
                let leave = Notice::Leave(vec![self.id]);
                self.seen.keys().for_each(|peer| shared.tell(peer, &leave));
            }
            return;
        };
        let standing = Standing::of(held);
        let before = self.own.replace(Own {
            standing,
            time: held.governance.page().head().time,
            open: held.open.clone(),
            is_forked: held.forks.is_open(),
            forks: held.forks.clone(),
        });
        match before {
            None => self.arrived(shared),
            Some(before) if before.standing == standing => {}
            Some(before) => self.changed(&before, held, shared, giver),
        }
    }

    /// The page is here, since now or since the start.
    fn arrived(&mut self, shared: &mut Shared) {
        (self.far, self.chase) = (None, None);
        self.compares.clear();
        if self.sought.take().is_some() {
            shared.event(Event::Ready { page: self.id });
        }
        let Some(own) = &self.own else { return };
        let live = self.wish.pace == Pace::Live;
        let follow = Notice::Follow(Follow { live, standings: vec![own.standing] });
        let peers: Vec<PublicKey> = shared.peers.keys().copied().collect();
        peers.iter().for_each(|peer| shared.tell(peer, &follow));
    }

    /// This node stands elsewhere than before.
    fn changed(
        &mut self,
        before: &Own,
        held: &Held,
        shared: &mut Shared,
        giver: Option<&PublicKey>,
    ) {
        let Some(own) = &self.own else { return };
        let standing = own.standing;
        let mut new = Vec::new();
        if before.standing.seal == standing.seal {
            before.open.diff(&own.open, &mut |difference| {
                if difference.left.is_none() && new.len() < NEWS_LOOKED_AT {
                    new.push(difference.key);
                }
            });
            if !new.is_empty() {
                self.later.changed();
            }
        } else {
            // What did not count before may count now, here and as others see it (N3).
            self.later = Later::default();
            self.seen.values_mut().for_each(|seen| seen.taken = None);
        }
        // Whoever asks for a batch is given its operations.
        let batches = new.iter().filter_map(|id| held.governance.batch(id)?.as_batch());
        let listed: BTreeSet<Id> = batches.flat_map(|batch| batch.operations.clone()).collect();
        new.retain(|id| !listed.contains(id));
        // Of so many the sets are compared.
        if new.len() > NEWS_IDS_MAX {
            new.clear();
        }
        if own.is_forked && !before.is_forked {
            shared.event(Event::Forked { page: self.id });
        }
        // A person has decided: whoever was of no use before may be now.
        if !own.forks.decisions().eq(before.forks.decisions()) {
            self.seen.values_mut().for_each(Seen::begin_anew);
        }
        for (peer, seen) in &self.seen {
            if !seen.live || seen.standing == standing {
                continue;
            }
            let knows = giver == Some(peer);
            let ids = if knows { Vec::new() } else { new.clone() };
            shared.tell(peer, &Notice::News(News { standing, ids }));
        }
    }

    /// A peer says where it stands.
    pub fn stands(
        &mut self,
        peer: &PublicKey,
        standing: Standing,
        live: bool,
        shared: &mut Shared,
    ) {
        let now = shared.now.ticks;
        let Some(seen) = self.seen.get_mut(peer) else {
            self.seen.insert(*peer, Seen::new(standing, live, now));
            (self.meetings, self.meet_at) = (0, self.meet_at.min(shared.after(MEET_FIRST)));
            return;
        };
        seen.live = live;
        if seen.standing == standing {
            return;
        }
        if (seen.standing.seal, seen.standing.height) != (standing.seal, standing.height) {
            (seen.no_seals, seen.taken, seen.since) = (None, None, now);
            seen.denied.clear();
            if standing.height > seen.standing.height {
                self.due.moved(peer);
            }
        }
        seen.standing = standing;
        // News of what it has may be under way from both sides: it may be the same soon.
        if seen.compare_at <= now {
            seen.compare_at = shared.after(SETTLE_TIME);
        }
    }

    /// A peer was of no use for this page: it is left alone for longer every time.
    pub fn pause(&mut self, peer: &PublicKey, shared: &mut Shared) {
        let Some(seen) = self.seen.get_mut(peer) else { return };
        let span = PAUSE_FIRST.saturating_mul(1 << seen.pauses.min(16)).min(PAUSE_MAX);
        seen.pauses += 1;
        seen.not_before = shared.after(span);
        let at = seen.not_before;
        self.wake(at);
    }

    /// A peer leads to another history: it is asked for no way further up for longer every time, whatever else it
    /// is of use for.
    pub fn avoid(&mut self, peer: &PublicKey, why: String, shared: &mut Shared) {
        let Some(seen) = self.seen.get_mut(peer) else { return };
        let span = PAUSE_FIRST.saturating_mul(1 << seen.elsewhere.min(16)).min(PAUSE_MAX);
        seen.elsewhere += 1;
        seen.elsewhere_until = shared.after(span);
        let (at, seal) = (seen.elsewhere_until, seen.standing.seal);
        let height = self.own.as_ref().map_or(0, |own| own.standing.height);
        self.ask_evidence(peer, height, seal, shared);
        self.is_elsewhere(why, shared);
        self.wake(at);
    }

    /// A peer did not answer: it is left alone for longer every time, but not for long, for its answer may have
    /// been lost on the way.
    pub fn wait_for(&mut self, peer: &PublicKey, shared: &mut Shared) {
        let Some(seen) = self.seen.get_mut(peer) else { return };
        let span = PAUSE_FIRST.saturating_mul(1 << seen.silences.min(16)).min(PAUSE_SILENT_MAX);
        seen.silences += 1;
        seen.not_before = seen.not_before.max(shared.after(span));
        let at = seen.not_before;
        self.wake(at);
    }

    /// A peer answered, whatever that is.
    pub fn spoke(&mut self, peer: &PublicKey) {
        self.seen.get_mut(peer).into_iter().for_each(|seen| seen.silences = 0);
    }

    /// A peer was of use for this page.
    pub fn served(&mut self, peer: &PublicKey, shared: &mut Shared) {
        shared.praise(peer);
        if let Some(seen) = self.seen.get_mut(peer) {
            (seen.pauses, seen.not_before) = (0, 0);
        }
    }

    /// A peer is gone.
    pub fn left(&mut self, peer: &PublicKey) {
        if self.seen.remove(peer).is_some() {
            self.meetings = 0;
        }
        self.compares.remove(peer);
        self.overtaken.remove(peer);
        self.due.left(peer);
    }

    /// Peers that can be asked now and of which `fits` is true; those that only have to wait wake the
    /// page when their time comes.
    pub fn usable(&mut self, now: u64, fits: impl Fn(&Seen) -> bool) -> Vec<PublicKey> {
        let mut usable = Vec::new();
        let mut next = NEVER;
        for (peer, seen) in self.seen.iter().filter(|(_, seen)| fits(seen)) {
            match seen.not_before > now {
                true => next = next.min(seen.not_before),
                false => usable.push(*peer),
            }
        }
        self.wake(next);
        usable
    }

    /// What was put off is looked for again also without a new seal: it may have waited for another statement.
    fn retry_later(&mut self, shared: &mut Shared) {
        let is_settled = self.due.is_empty() && self.compares.is_empty();
        let Some(at) = self.later.take(is_settled, shared) else { return };
        if at <= shared.now.ticks {
            self.look_early_again();
            self.seen.values_mut().for_each(|seen| seen.taken = None);
            self.wake(shared.now.ticks + 1);
        } else {
            self.wake(at);
        }
    }

    /// Takes statements in that a peer gave. Seals among them are evidence of another history.
    pub fn admit(
        &mut self,
        peer: &PublicKey,
        statements: Vec<(Id, Vec<u8>)>,
        shared: &mut Shared,
        ledger: &dyn Ledger,
    ) {
        let (records, mut statements): (Vec<_>, Vec<_>) =
            statements.into_iter().partition(|(_, bytes)| SealRecord::decode(bytes).is_ok());
        // What others rest on first: by kind as it is numbered, but presences before all.
        statements.sort_by_key(|(_, bytes)| rank(bytes));
        let records = records
            .into_iter()
            .filter_map(|(id, bytes)| Some((id, SealRecord::decode(&bytes).ok()?)));
        let (record_ids, records): (Vec<Id>, Vec<SealRecord>) = records.unzip();
        let (ids, bytes): (Vec<Id>, Vec<Vec<u8>>) = statements.into_iter().unzip();
        let mut verdicts = Vec::new();
        if !bytes.is_empty() {
            verdicts.extend(ids.into_iter().zip(ledger.admit(&self.id, peer, bytes)));
        }
        if !records.is_empty() {
            let judged = ledger.forks(&self.id, peer, records);
            verdicts.extend(record_ids.into_iter().zip(judged));
        }
        if verdicts.iter().any(|(_, verdict)| *verdict == Verdict::New) {
            self.served(peer, shared);
            self.refresh(ledger.held(&self.id).as_ref(), shared, Some(peer));
        }
        for (id, verdict) in verdicts {
            match verdict {
                Verdict::New | Verdict::Known => {}
                // It was judged after all that is new of this.
                Verdict::NotNow(_) => self.later.put_off(id, shared),
                Verdict::Fault(what) => shared.lied(peer, what),
            }
        }
    }

    /// Asks a peer that stands on another history to show it (T4): the seals from the height on at
    /// which both have one, and then further down, as far as seals are handed on.
    pub fn ask_evidence(&mut self, peer: &PublicKey, height: u64, seal: Id, shared: &mut Shared) {
        let Some(seen) = self.seen.get_mut(peer) else { return };
        if seen.evidence == Some(seal) || height == 0 {
            return;
        }
        seen.evidence = Some(seal);
        let above = Above { page: self.id, height: height - 1 };
        self.ask(peer, Request::Seals(above.into()), shared);
    }

    /// Evidence of another history came, or none.
    pub fn on_evidence(
        &mut self,
        peer: &PublicKey,
        above: Above,
        items: Vec<Rdata>,
        shared: &mut Shared,
        ledger: &dyn Ledger,
    ) {
        let Some(own) = &self.own else { return };
        let height = own.standing.height;
        let mut records = Vec::new();
        for item in items {
            match SealRecord::decode(&item.0) {
                Ok(record) if record.seal.page == self.id => records.push(record),
                _ => return shared.lied(peer, "what it shows as a seal is none of this page"),
            }
        }
        records.retain(|record| record.seal.height <= height);
        records.truncate(SEALS_REPLAYED_MAX);
        let unproved = self.seen.get_mut(peer).and_then(|seen| seen.unproved.take());
        if records.is_empty() {
            // Who took the state over at that seal has no record of it (N5), which is no fault.
            let seal = self.seen.get(peer).map_or(own.standing, |seen| seen.standing);
            let why = unproved.unwrap_or_else(|| {
                format!("it has no record of its seal at height {}", seal.height)
            });
            if seal.seal != own.standing.seal {
                self.is_elsewhere(why, shared);
            }
            return self.pause(peer, shared);
        }
        // The lowest that is not held here says it all: above it nothing can be judged by this history.
        let held = ledger.held(&self.id);
        let is_held = |seal: &Id| held.as_ref().is_some_and(|held| leads_here(held, seal, ledger));
        let above_other = |record: &SealRecord| {
            held.as_ref().is_some_and(|held| held.forks.has(&record.seal.previous))
        };
        if let Some(lowest) = records.first().filter(|lowest| !is_held(&lowest.seal.previous)) {
            let height = lowest.seal.height;
            let why = format!("what its seal at height {height} follows is not here");
            self.go_deeper(peer, above, why, shared);
            return self.pause(peer, shared);
        }
        let is_decided = |record: &SealRecord| {
            held.as_ref().is_some_and(|held| {
                held.forks.has(&record.seal.id())
                    && held.forks.decided(record.seal.height).is_some()
            })
        };
        let decided = records.iter().find(|record| is_decided(record));
        let decided = decided.map(|record| record.seal.height);
        let judged = records.into_iter().take_while(|record| !above_other(record)).map(|record| {
            let verdicts = ledger.forks(&self.id, peer, vec![record]);
            verdicts.into_iter().next().unwrap_or(Verdict::Known)
        });
        match judged.into_iter().find(|verdict| *verdict != Verdict::Known) {
            Some(Verdict::Fault(what)) => return shared.lied(peer, what),
            Some(Verdict::NotNow(why)) => self.is_elsewhere(why, shared),
            Some(Verdict::New) => {
                self.refresh(ledger.held(&self.id).as_ref(), shared, Some(peer));
            }
            _ => decided.into_iter().for_each(|height| {
                let why = format!("at height {height} it has a seal that was decided against here");
                self.is_elsewhere(why, shared);
            }),
        }
        self.pause(peer, shared);
    }

    /// The seals of another history that came cannot be judged: one more is asked for, down to where the
    /// two parted. Whoever took the page over may have no more; where none is to be had a person is told.
    fn go_deeper(&mut self, peer: &PublicKey, above: Above, why: String, shared: &mut Shared) {
        let theirs = self.seen.get(peer).map_or(0, |seen| seen.standing.height);
        let ours = self.own.as_ref().map_or(0, |own| own.standing.height);
        let deepest = theirs.min(ours).saturating_sub(SEALS_REPLAYED_MAX as u64);
        let lower = above.height.saturating_sub(1);
        let further = Request::Seals(Above { page: self.id, height: lower }.into());
        if (deepest..above.height).contains(&lower) && self.ask(peer, further, shared) {
            self.seen.get_mut(peer).into_iter().for_each(|seen| seen.unproved = Some(why.clone()));
            return;
        }
        self.is_elsewhere(why, shared);
    }

    /// Another history is shown, and nothing proves it here: neither is it followed, nor is that kept quiet.
    fn is_elsewhere(&self, why: String, shared: &mut Shared) {
        let why = format!(
            "a peer shows another history of it, which is not followed: {why}. If that is the one of its \
             participants: `djdns page choose` where its seal is known (see `djdns page history`), else \
             `djdns page forget`, and the other is fetched or imported"
        );
        shared.event(Event::Stuck { page: self.id, why });
    }

    /// Whether this peer's standing leaves nothing to fetch.
    fn is_matched(&self, seen: &Seen, unix: u64) -> bool {
        let Some(own) = &self.own else { return false };
        let (theirs, ours) = (&seen.standing, &own.standing);
        // Whoever is behind comes here, but not before the seal is due (T7).
        (theirs.height < ours.height && is_due(own.time, unix))
            || (theirs.seal == ours.seal
                && (theirs.open == ours.open || seen.taken == Some(theirs.open)))
    }

    /// Whether its seal is no higher than the newest here, and known to be of another history.
    fn is_other(&self, seen: &Seen) -> bool {
        let (theirs, seal) = (seen.standing.height, Some(seen.standing.seal));
        let is_asked = seen.evidence == seal && seen.below != seal;
        let ours = self.own.as_ref().map(|own| own.standing);
        is_asked && ours.is_some_and(|ours| theirs <= ours.height && Some(ours.seal) != seal)
    }

    /// Says once when nothing is left to fetch.
    fn note_step(&mut self, shared: &mut Shared) {
        let is_idle = self.chase.is_none()
            && self.far.is_none()
            && self.compares.is_empty()
            && self.due.is_empty();
        let is_in_step = is_idle
            && !self.seen.is_empty()
            && self.seen.values().all(|seen| self.is_matched(seen, shared.now.unix));
        if is_in_step && !self.is_in_step {
            shared.event(Event::InStep { page: self.id });
        }
        self.is_in_step = is_in_step;
        if is_in_step && matches!(self.wish.pace, Pace::Every(_)) {
            self.pull_until =
                self.pull_until.min(shared.now.ticks + SETTLE_TIME.as_millis() as u64);
        }
    }

    /// How each peer that has it stands.
    pub fn besides(&self, shared: &Shared) -> Vec<Beside> {
        let silent = shared.silent();
        let beside = |(key, seen): (&PublicKey, &Seen)| Beside {
            key: *key,
            height: seen.standing.height,
            is_matched: self.is_matched(seen, shared.now.unix) && !self.is_other(seen),
            is_elsewhere: self.is_other(seen),
            is_silent: silent.contains(key),
        };
        self.seen.iter().map(beside).collect()
    }

    pub fn is_in_step(&self) -> bool {
        self.is_in_step
    }
}

impl Standing {
    /// Where a node stands on a page that it holds.
    pub fn of(held: &Held) -> Standing {
        let page = held.governance.page();
        let head = page.head();
        Standing { page: page.id(), height: head.height, seal: head.seal, open: held.open.root() }
    }
}

/// Whether a seal is of the history that is held: its record is here, or it is remembered, as those are of a
/// state that was taken over (N5).
pub fn leads_here(held: &Held, seal: &Id, ledger: &dyn Ledger) -> bool {
    let page = held.governance.page().id();
    let is_other = held.forks.has(seal);
    *seal == page
        || held.governance.known_seal(seal).is_some()
        || !is_other && ledger.stored(&page, seal).is_some()
}

/// Bytes of all leaves of a state.
fn bytes_of(state: &Trie) -> u64 {
    state.iter().map(|(key, value)| (key.as_bytes().len() + value.len()) as u64).sum()
}

/// In which order statements are taken in that came together.
fn rank(bytes: &[u8]) -> u8 {
    use crate::id::Kind;
    const PRESENCE: u8 = Kind::Presence as u8;
    match bytes.get(1) {
        Some(&PRESENCE) => 0,
        Some(kind) if *kind == Kind::Ballot as u8 => 10,
        Some(kind) => *kind,
        None => u8::MAX,
    }
}
