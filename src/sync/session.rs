//! Who is connected, what each of them is good for, and what they are asked (T5, N6).
//!
//! Here is what all pages share: the peers with their credit, the requests under way, the address
//! book, and what is to be done. Pages are not known here.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use super::{
    AskFailed, AskId, Event, Moment, Output,
    book::Book,
    message::{Notice, Request},
};
use crate::{beacon::Beacon, key::PublicKey, limits::*};

/// A connected peer.
pub struct Peer {
    pub address: SocketAddr,
    pub outbound: bool,
    pub since: Moment,
    pub program: String,
    pub beacon: Option<Beacon>,
    /// Whether it said who it is.
    pub greeted: bool,
    /// Where it sees this node.
    pub seen_as: Option<SocketAddr>,
    /// Its clock as it said last, in seconds since this machine's ticks began.
    pub clock: Option<i64>,
    /// Whether a seat of a page here named it when it first said who it is; none: it did not say so yet.
    pub is_named: Option<bool>,
    /// 0 to [`CREDIT_MAX`]: who has more is asked first, who has none is let go.
    pub credit: u32,
    /// What it was charged with, and how often.
    pub faults: BTreeMap<&'static str, u32>,
    pub in_flight: usize,
    /// How much it may be asked at one time: half after each silence, one more with each answer.
    share: usize,
    /// How often in a row it was silent.
    silences: u32,
    /// How long its answers take about, in milliseconds; none before the first.
    usual: Option<u64>,
    /// When it was last found silent, in ticks: what was asked before that counts no more.
    silent_at: u64,
    /// Bytes of notices that are still listened to.
    budget: u64,
    budget_at: u64,
    /// When it is told again where we stand, and what our clock shows.
    pub tell_again: u64,
    pub greet_again: u64,
}

/// A request under way.
pub struct Asked {
    pub peer: PublicKey,
    pub request: Request,
    pub bytes_max: usize,
    /// Bytes of its answer that are counted already (N8).
    pub counted: u64,
    /// When it was made, and when its answer is late.
    at: u64,
    late_at: u64,
    deadline: u64,
}

/// What is remembered of who broke a rule, so that coming again makes nothing good.
struct Record {
    credit: u32,
    /// Until when, in ticks.
    until: u64,
}

/// What a peer is charged with that an honest one may do as well, now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// No answer in time.
    Silent,
    /// The connection failed under a request.
    Unreachable,
    /// It lacks what it said it has.
    Withheld,
    /// More notices than anybody listens to.
    Flood,
    /// It broke the rules of the connection.
    Misbehaved,
}

/// Whom to ask first: whether an answer of it is late, how often in a row it was silent of late, its credit in
/// steps of ten, how busy it is.
type Rank = (bool, u32, Reverse<u32>, usize);

/// All of that.
pub struct Shared {
    pub me: PublicKey,
    pub now: Moment,
    pub peers: BTreeMap<PublicKey, Peer>,
    pub book: Book,
    chance: u64,
    asks: BTreeMap<AskId, Asked>,
    deadlines: BTreeSet<(u64, AskId)>,
    next_ask: AskId,
    /// Who broke a rule, and what credit it has if it comes back.
    records: BTreeMap<PublicKey, Record>,
    outputs: Vec<Output>,
    /// Requests that ended with their peers.
    pub orphaned: Vec<Asked>,
    /// Peers that are gone since pages were told.
    pub gone: Vec<PublicKey>,
}

impl Charge {
    fn words(self) -> &'static str {
        match self {
            Charge::Silent => "no answer in time",
            Charge::Unreachable => "lost while it was asked",
            Charge::Withheld => "lacks what it said it has",
            Charge::Flood => "says more than anybody listens to",
            Charge::Misbehaved => "breaks the rules of the connection",
        }
    }

    /// Whether it is a rule that no honest node breaks, however bad its line.
    fn is_rule(self) -> bool {
        matches!(self, Charge::Flood | Charge::Misbehaved)
    }

    /// Silence costs patience, but no credit: messages that are lost are nobody's lie.
    fn cost(self) -> u32 {
        match self {
            Charge::Unreachable | Charge::Silent => 0,
            Charge::Withheld => 4,
            Charge::Flood => 10,
            Charge::Misbehaved => 25,
        }
    }
}

impl Peer {
    /// After how many milliseconds an answer of it is late.
    fn late_after(&self) -> u64 {
        let [least, most, first] =
            [LATE_MIN, LATE_MAX, LATE_FIRST].map(|span| span.as_millis() as u64);
        self.usual.map_or(first, |usual| (usual * LATE_USUAL_TIMES).clamp(least, most))
    }

    /// It answered.
    fn spoke(&mut self) {
        self.silences = 0;
        self.share = (self.share + 1).min(ASKS_PER_PEER_MAX);
    }

    /// It did not answer in time (as additive increase, multiplicative decrease: Chiu, Jain 1989).
    fn fell_silent(&mut self, now: u64) {
        self.silent_at = now;
        self.silences = self.silences.saturating_add(1);
        self.share = (self.share / 2).max(ASKS_PER_PEER_MIN);
    }

    /// How often in a row it was silent, if that is not so long ago that it may be another time.
    fn silent_of_late(&self, now: u64) -> u32 {
        let span = ASK_PATIENCE.saturating_mul(1 << self.silences.min(16)).min(PAUSE_MAX);
        let is_past = now >= self.silent_at.saturating_add(span.as_millis() as u64);
        if is_past { 0 } else { self.silences }
    }

    fn has_room(&self) -> bool {
        self.in_flight < self.share
    }

    /// An answer took so many milliseconds, or there was none for as long.
    fn took(&mut self, span: u64) {
        let span = span.min(LATE_MAX.as_millis() as u64);
        self.usual = Some(self.usual.map_or(span, |usual| (usual * 3 + span) / 4));
    }
}

impl Shared {
    pub fn new(me: PublicKey, seed: u64, book: Book) -> Shared {
        let now = Moment { unix: 0, ticks: 0 };
        Shared {
            me,
            now,
            peers: BTreeMap::new(),
            book,
            chance: seed,
            asks: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            next_ask: 1,
            records: BTreeMap::new(),
            outputs: Vec::new(),
            orphaned: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// The next number of a row that the seed decides (splitmix64, Steele et al. 2014).
    pub fn chance(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A time so far ahead, give or take a quarter: so that nodes do not all act at once.
    pub fn after(&mut self, span: Duration) -> u64 {
        let span = span.as_millis() as u64;
        let jitter = self.chance() % (span / 2 + 1);
        self.now.ticks + span - span / 4 + jitter
    }

    /// Seconds since 1970 when this machine's ticks began, by its clock as it is now: another number
    /// once the clock was set.
    pub fn clock(&self) -> i64 {
        self.now.unix as i64 - (self.now.ticks / 1000) as i64
    }

    pub fn push(&mut self, output: Output) {
        self.outputs.push(output);
    }

    pub fn event(&mut self, event: Event) {
        self.push(Output::Event(event));
    }

    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    pub fn tell(&mut self, peer: &PublicKey, notice: &Notice) {
        if self.peers.contains_key(peer) {
            self.push(Output::Tell { peer: *peer, notice: notice.encode() });
        }
    }

    /// Tells a peer soon where this node stands.
    pub fn tell_soon(&mut self, peer: &PublicKey) {
        let at = self.after(UNTOLD_AGAIN);
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.tell_again = peer.tell_again.min(at);
        }
    }

    /// Asks a peer, if it is there and has room for one more.
    pub fn ask(
        &mut self,
        peer: &PublicKey,
        request: Request,
        answer_bytes_max: usize,
    ) -> Option<AskId> {
        let found = self.peers.get_mut(peer).filter(|peer| peer.has_room())?;
        found.in_flight += 1;
        let at = self.now.ticks;
        let late_at = at + found.late_after();
        let ask = self.next_ask;
        self.next_ask += 1;
        let patience = patience(answer_bytes_max);
        // The driver keeps time; this is for a driver that forgets.
        let deadline = self.now.ticks + (patience + ASK_GRACE).as_millis() as u64;
        self.deadlines.insert((deadline, ask));
        let bytes = request.encode();
        let (peer, bytes_max) = (*peer, answer_bytes_max);
        let asked = Asked { peer, request, bytes_max, counted: 0, at, late_at, deadline };
        self.asks.insert(ask, asked);
        self.push(Output::Ask { ask, peer, request: bytes, answer_bytes_max, patience });
        Some(ask)
    }

    /// So many bytes of the answer to this are counted already.
    pub fn count(&mut self, ask: AskId, bytes: u64) {
        self.asks.get_mut(&ask).into_iter().for_each(|asked| asked.counted = bytes);
    }

    /// A request is over.
    pub fn answered(&mut self, ask: AskId) -> Option<Asked> {
        let asked = self.asks.remove(&ask)?;
        self.deadlines.remove(&(asked.deadline, ask));
        if let Some(peer) = self.peers.get_mut(&asked.peer) {
            peer.in_flight -= 1;
            peer.took(self.now.ticks.saturating_sub(asked.at));
        }
        Some(asked)
    }

    /// When a request to this peer that is made now is late.
    pub fn late_at(&self, peer: &PublicKey) -> u64 {
        let after = self.peers.get(peer).map_or(0, Peer::late_after);
        self.now.ticks + after
    }

    /// Peers that owe an answer that is late, and since when they owe it, in ticks.
    pub fn late(&self) -> BTreeMap<PublicKey, u64> {
        let mut late: BTreeMap<PublicKey, u64> = BTreeMap::new();
        for asked in self.asks.values().filter(|asked| asked.late_at <= self.now.ticks) {
            let since = late.entry(asked.peer).or_insert(asked.at);
            *since = asked.at.min(*since);
        }
        late
    }

    /// Peers that owe an answer for long, or did not give the last that they were asked for.
    pub fn silent(&self) -> BTreeSet<PublicKey> {
        let long = NETWORK_SILENT.as_millis() as u64;
        let owing = self.late().into_iter().filter(|(_, since)| self.now.ticks - since >= long);
        let failed = self.peers.iter().filter(|(_, one)| one.silent_of_late(self.now.ticks) > 0);
        owing.map(|(key, _)| key).chain(failed.map(|(key, _)| *key)).collect()
    }

    /// Requests whose time is over although nobody said so.
    pub fn overdue(&mut self) -> Vec<AskId> {
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= self.now.ticks);
        due.map(|(_, ask)| *ask).collect()
    }

    /// When the next of these is.
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// A peer is there. `false`: it is not let in.
    pub fn joined(&mut self, key: PublicKey, address: SocketAddr, outbound: bool) -> bool {
        let full = (!outbound && self.is_full(&key))
            .then(|| format!("{PEERS_MAX} nodes have come here already"));
        if let Some(why) = self.refuses(&key).or(full) {
            self.push(Output::Close { peer: key, why });
            return false;
        }
        self.left(&key);
        let now = self.now;
        let (tell_again, greet_again) = (self.after(TELL_AGAIN), self.after(GREET_AGAIN));
        let peer = Peer {
            address,
            outbound,
            since: now,
            program: String::new(),
            beacon: None,
            greeted: false,
            seen_as: None,
            clock: None,
            is_named: None,
            credit: self.credit_of(&key),
            faults: BTreeMap::new(),
            in_flight: 0,
            share: ASKS_PER_PEER_MAX,
            silences: 0,
            usual: None,
            silent_at: 0,
            budget: NOTICE_BUDGET_BYTES,
            budget_at: now.ticks,
            tell_again,
            greet_again,
        };
        self.peers.insert(key, peer);
        self.book.joined(key, address, outbound, now);
        true
    }

    /// Why a node is not let in.
    pub fn refuses(&self, key: &PublicKey) -> Option<String> {
        if *key == self.me {
            return Some("this is the node itself".to_owned());
        }
        if let Some(lie) = self.book.lie(key) {
            return Some(format!("it was caught before: {}", lie.what));
        }
        (self.credit_of(key) == 0).then(|| "it was of no use a short while ago".to_owned())
    }

    /// Whether as many came here as may. Those that this node calls have a share of their own, so that
    /// nobody can fill it (N7).
    fn is_full(&self, key: &PublicKey) -> bool {
        let came = self.peers.iter().filter(|(other, peer)| !peer.outbound && *other != key);
        came.count() >= PEERS_MAX
    }

    /// What credit a peer begins with.
    fn credit_of(&self, key: &PublicKey) -> u32 {
        let record = self.records.get(key).filter(|record| record.until > self.now.ticks);
        record.map_or(CREDIT_FIRST, |record| record.credit)
    }

    /// A peer is gone, and what it was asked is over.
    pub fn left(&mut self, key: &PublicKey) {
        if self.peers.remove(key).is_none() {
            return;
        }
        let asks: Vec<AskId> =
            self.asks.iter().filter(|(_, asked)| asked.peer == *key).map(|(ask, _)| *ask).collect();
        let orphaned: Vec<Asked> = asks.into_iter().filter_map(|ask| self.answered(ask)).collect();
        self.orphaned.extend(orphaned);
        self.gone.push(*key);
    }

    /// A peer sent what no honest node sends: it is named, and not called again (T5).
    pub fn lied(&mut self, key: &PublicKey, what: impl Into<String>) {
        // One answer may hold several.
        if self.book.lie(key).is_some() && !self.peers.contains_key(key) {
            return;
        }
        let what = what.into();
        let now = self.now;
        self.book.lied(*key, &what, now);
        if self.peers.contains_key(key) {
            self.push(Output::Close { peer: *key, why: what.clone() });
            self.left(key);
        }
        self.event(Event::Lied { peer: *key, what });
    }

    /// A peer did what costs it credit. Who has none left is let go for a while.
    pub fn charge(&mut self, key: &PublicKey, charge: Charge) {
        let before = self.peers.get(key).map_or_else(|| self.credit_of(key), |peer| peer.credit);
        let credit = before.saturating_sub(charge.cost());
        if credit == 0 || charge.is_rule() {
            self.remember(key, credit);
        }
        let Some(peer) = self.peers.get_mut(key) else { return };
        *peer.faults.entry(charge.words()).or_default() += 1;
        peer.credit = credit;
        if credit == 0 {
            let why = charge.words().to_owned();
            self.push(Output::Close { peer: *key, why: why.clone() });
            self.left(key);
            self.event(Event::LetGo { peer: *key, why });
        }
    }

    /// Of too many those whose time is over first are forgotten.
    fn remember(&mut self, key: &PublicKey, credit: u32) {
        self.records.retain(|_, record| record.until > self.now.ticks);
        let until = self.now.ticks + SHUNNED_TIME.as_millis() as u64;
        self.records.insert(*key, Record { credit, until });
        if self.records.len() > SHUNNED_MAX {
            let oldest = self.records.iter().min_by_key(|(_, record)| record.until);
            let oldest = oldest.map(|(key, _)| *key);
            oldest.and_then(|oldest| self.records.remove(&oldest));
        }
    }

    /// A peer was of use.
    pub fn praise(&mut self, key: &PublicKey) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.credit = (peer.credit + 1).min(CREDIT_MAX);
        }
    }

    /// A request has an answer, whatever that is.
    pub fn spoke(&mut self, key: &PublicKey) {
        self.peers.get_mut(key).into_iter().for_each(Peer::spoke);
    }

    /// A request has no answer. Those that were under way together when a peer fell silent count as
    /// one: a cable that was pulled for some seconds is nobody's fault.
    pub fn failed(&mut self, asked: &Asked, failed: AskFailed) {
        match failed {
            AskFailed::TimedOut => {
                let Some(peer) = self.peers.get_mut(&asked.peer) else { return };
                if asked.at >= peer.silent_at {
                    peer.fell_silent(self.now.ticks);
                    self.charge(&asked.peer, Charge::Silent);
                    self.leave_silent(&asked.peer);
                }
            }
            AskFailed::Unreachable => self.charge(&asked.peer, Charge::Unreachable),
            AskFailed::Oversize => {}
        }
    }

    /// Whoever is silent for long gives its place to others, while there is somebody who answers. It is let
    /// in again, and called again after a while.
    fn leave_silent(&mut self, key: &PublicKey) {
        let is_silent = |peer: &Peer| peer.silences >= SILENCES_MAX;
        let answers = |peer: &Peer| peer.silences == 0 && peer.usual.is_some();
        let is_alone = !self.peers.iter().any(|(other, peer)| other != key && answers(peer));
        if is_alone || !self.peers.get(key).is_some_and(is_silent) {
            return;
        }
        self.push(Output::Close { peer: *key, why: Charge::Silent.words().to_owned() });
        self.left(key);
        let now = self.now;
        self.book.failed(Some(key), &[], now);
    }

    /// Whether so many bytes of notices are still listened to.
    pub fn listens(&mut self, key: &PublicKey, bytes: usize) -> bool {
        let Some(peer) = self.peers.get_mut(key) else { return false };
        let passed = self.now.ticks.saturating_sub(peer.budget_at);
        peer.budget =
            (peer.budget + passed * NOTICE_BYTES_PER_SECOND / 1000).min(NOTICE_BUDGET_BYTES);
        peer.budget_at = self.now.ticks;
        match peer.budget.checked_sub(bytes as u64) {
            Some(left) => {
                peer.budget = left;
                true
            }
            None => {
                self.charge(key, Charge::Flood);
                false
            }
        }
    }

    /// Of these the one to ask: with room, no late answer, not silent of late, the most credit in steps of ten,
    /// and least busy.
    pub fn best(&mut self, of: impl IntoIterator<Item = PublicKey>) -> Option<PublicKey> {
        let late = self.late();
        let mut rows: Vec<(PublicKey, Rank)> = Vec::new();
        for key in of {
            let Some(peer) = self.peers.get(&key) else { continue };
            if peer.has_room() {
                let silences = peer.silent_of_late(self.now.ticks);
                let credit = Reverse(peer.credit / 10);
                rows.push((key, (late.contains_key(&key), silences, credit, peer.in_flight)));
            }
        }
        let best = rows.iter().map(|(_, rank)| *rank).min()?;
        let equal = rows.iter().filter(|(_, rank)| *rank == best);
        let equal: Vec<PublicKey> = equal.map(|(key, _)| *key).collect();
        let at = self.chance() as usize % equal.len();
        Some(equal[at])
    }
}

/// How long an answer of at most so many bytes may take.
fn patience(answer_bytes_max: usize) -> Duration {
    ASK_PATIENCE + Duration::from_secs((answer_bytes_max / ASK_BYTES_PER_SECOND_MIN) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::Id, key::SecretKey};

    fn key(n: u8) -> PublicKey {
        SecretKey::from_seed(&[n; 32]).public()
    }

    fn joined(shared: &mut Shared, n: u8) -> bool {
        shared.joined(key(n), SocketAddr::from(([192, 0, 2, n], 1)), true)
    }

    fn time_out(shared: &mut Shared, asks: &[AskId]) {
        for ask in asks {
            let asked = shared.answered(*ask).unwrap();
            shared.failed(&asked, AskFailed::TimedOut);
        }
    }

    /// T5 accepts: a peer whose answers to all that was under way failed at once, and one whose line is bad.
    #[test]
    fn silence_costs_patience_and_no_credit() {
        let mut shared = Shared::new(key(0), 1, Book::new(key(0), 1));
        assert!(joined(&mut shared, 1));
        let ask = |shared: &mut Shared| {
            let asks = (0..ASKS_PER_PEER_MAX).map_while(|_| {
                shared.now.ticks += 1;
                shared.ask(&key(1), Request::Genesis(Id::ZERO), 10)
            });
            asks.collect::<Vec<AskId>>()
        };
        for (times, share) in [(1, 8), (2, 4), (3, 2), (4, 2)] {
            let asks = ask(&mut shared);
            assert_eq!(asks.len(), share);
            shared.now.ticks += ASK_PATIENCE.as_millis() as u64;
            time_out(&mut shared, &asks);
            let peer = &shared.peers[&key(1)];
            assert_eq!((peer.credit, peer.silences), (CREDIT_FIRST, times));
        }
        for share in [2, 3, 4] {
            let asks = ask(&mut shared);
            assert_eq!(asks.len(), share);
            asks.into_iter().for_each(|ask| _ = shared.answered(ask));
            shared.spoke(&key(1));
        }
    }

    /// N6 accepts: whoever never answers while there is nobody else, and again once it was let go.
    /// N6 refuses: to keep the place of somebody who never answers, while others do.
    #[test]
    fn who_never_answers_gives_its_place_to_others_and_is_not_shunned() {
        for has_other in [false, true] {
            let mut shared = Shared::new(key(0), 1, Book::new(key(0), 1));
            assert!(joined(&mut shared, 1) && joined(&mut shared, 2));
            let mut times = 0;
            while times < 3 * SILENCES_MAX && shared.peers.contains_key(&key(1)) {
                let asks = [1, 2].map(|n| shared.ask(&key(n), Request::Genesis(Id::ZERO), 10));
                shared.now.ticks += ASK_PATIENCE.as_millis() as u64;
                if has_other && let Some(ask) = asks[1] {
                    shared.answered(ask);
                    shared.spoke(&key(2));
                    assert_eq!(shared.best([key(1), key(2)]), Some(key(2)));
                }
                time_out(&mut shared, &asks[..1].iter().flatten().copied().collect::<Vec<_>>());
                times += 1;
            }
            assert_eq!(shared.peers.contains_key(&key(1)), !has_other, "{times}");
            assert_eq!(times, if has_other { SILENCES_MAX } else { 3 * SILENCES_MAX });
            assert_eq!(shared.refuses(&key(1)), None);
        }
    }
}
