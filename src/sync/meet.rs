//! Meeting others: who is greeted, whom to connect to, and whose beacons are handed on (D5, D6, N7).

use std::net::SocketAddr;

use super::{
    Event, How, Ledger, Output,
    book::Link,
    machine::Sync,
    message::{Hello, Request},
    page::NEVER,
};
use crate::{beacon::Beacon, id::Id, key::PublicKey, limits::*};

impl Sync {
    /// A peer says who it is.
    pub(super) fn greeted(&mut self, key: &PublicKey, hello: &Hello, ledger: &dyn Ledger) {
        let now = self.shared.now;
        let beacon = match hello.beacon.first().map(|bytes| Beacon::admit(&bytes.0)).transpose() {
            Ok(beacon) => beacon,
            Err(why) => return self.shared.lied(key, format!("its beacon: {why}")),
        };
        if beacon.as_ref().is_some_and(|beacon| beacon.key() != *key) {
            return self.shared.lied(key, "it shows the beacon of another node as its own");
        }
        let Some(peer) = self.shared.peers.get_mut(key) else { return };
        // Once for a connection: whoever says hello often costs no more.
        let is_named = || {
            let mut held = self.pages.keys().filter_map(|id| ledger.held(id));
            held.any(|held| held.governance.is_named(key))
        };
        peer.is_named.get_or_insert_with(is_named);
        peer.greeted = true;
        peer.program = hello.program.clone();
        peer.seen_as = hello.seen_as.read();
        let ticks = (now.ticks / 1000) as i64;
        peer.clock = Some(i64::try_from(hello.time).unwrap_or(i64::MAX) - ticks);
        if let Some(beacon) = beacon {
            peer.beacon = Some(beacon.clone());
            self.hear(&beacon, How::Inbound, None);
        }
        let seen = self.pages.values().filter(|page| page.seen.contains_key(key));
        self.dirty.extend(seen.map(|page| page.id));
        self.compare_clocks();
    }

    /// Once this machine's clock was set, it is compared at once with what the others' showed, which is
    /// kept by ticks. After a sleep, in which ticks may stand still, it seems to be ahead as well, until
    /// those who are gone meanwhile have timed out.
    pub(super) fn check_clock(&mut self) {
        let now = self.shared.now.ticks;
        if self.clock_at <= now {
            self.clock_at = now + CLOCK_LOOK.as_millis() as u64;
        }
        let clock = self.shared.clock();
        if clock.abs_diff(self.clock) >= CLOCK_STEP.as_secs() {
            self.clock = clock;
            // What was held may be due by it (T7).
            self.dirty.extend(self.pages.keys());
            self.compare_clocks();
        }
    }

    /// Says when most peers have another time than this machine, all on the same side, when it is
    /// another one still, and when they have it no more.
    pub(super) fn compare_clocks(&mut self) {
        let found = [self.most_off(false), self.most_off(true)];
        let is_news = |(found, said): (&Option<i64>, &Option<i64>)| match (found, said) {
            (Some(found), Some(said)) => found.abs_diff(*said) >= CLOCK_STEP.as_secs(),
            (found, said) => found.is_some() != said.is_some(),
        };
        if found.iter().zip(&self.clock_off).any(is_news) {
            self.clock_off = found;
            let [seconds, known] = found.map(|seconds| seconds.unwrap_or(0));
            self.shared.event(Event::ClockOff { seconds, known });
        }
    }

    /// By how much most peers' clocks are off. Where only those that are known are asked, who came here
    /// is if a seat of a page here names it: keys cost nothing, and whoever makes many would stop the
    /// seals.
    fn most_off(&self, only_known: bool) -> Option<i64> {
        let own = self.shared.clock();
        let peers = self.shared.peers.values();
        let asked =
            peers.filter(|peer| !only_known || peer.outbound || peer.is_named == Some(true));
        let clocks = asked.filter_map(|peer| peer.clock);
        let mut off: Vec<i64> = clocks.map(|clock| clock.saturating_sub(own)).collect();
        off.sort_unstable();
        let limit = CLOCK_OFF_MAX.as_secs() as i64;
        let most = off.len() / 2 + 1;
        let ahead = off.iter().filter(|seconds| **seconds > limit).count();
        let behind = off.iter().filter(|seconds| **seconds < -limit).count();
        let is_off = off.len() >= 2 && ahead.max(behind) >= most;
        is_off.then(|| off[off.len() / 2])
    }

    /// Connects to more, while there are too few.
    pub(super) fn connect(&mut self) {
        let now = self.shared.now;
        self.connecting.retain(|_, (_, until)| *until > now.ticks);
        let links = self.links();
        let outbound = links.iter().filter(|link| link.outbound).count();
        // At the start everybody who is remembered is called: whoever was away wants to know at once.
        let at_once = if self.has_called { CONNECTS_AT_ONCE } else { OUTBOUND_WANTED };
        let lacking = OUTBOUND_WANTED.saturating_sub(outbound).min(at_once);
        if lacking == 0 {
            self.connect_at = self.shared.after(CONNECT_REST);
            return;
        }
        let chosen = self.shared.book.candidates(&links, lacking, now);
        let waits = self.shared.book.next_try(&links, now).unwrap_or(NEVER);
        let rest = self.shared.after(CONNECT_REST);
        let soon = self.shared.after(CONNECT_PAUSE);
        self.connect_at = if chosen.is_empty() { rest.min(waits.max(now.ticks + 1)) } else { soon };
        self.has_called |= !chosen.is_empty();
        for candidate in chosen {
            let known = candidate.key.and_then(|key| self.shared.book.get(&key));
            let is_trial =
                known.is_some_and(|known| known.met == 0 && known.source.how != How::Told);
            if !is_trial || self.may_try() {
                self.try_connect(candidate.key, candidate.addresses);
            }
        }
    }

    /// Whether one more node that was never reached may be tried.
    fn may_try(&mut self) -> bool {
        let (left, since) = self.trials;
        let every = TRIAL_EVERY.as_millis() as u64;
        let more = self.shared.now.ticks.saturating_sub(since) / every;
        let left = (left + more).min(TRIALS_AT_ONCE);
        self.trials = (left.saturating_sub(1), since + more * every);
        left > 0
    }

    /// Connections that there are, and those that are being tried.
    fn links(&self) -> Vec<Link> {
        let peers = self.shared.peers.iter().map(|(key, peer)| Link {
            key: Some(*key),
            address: peer.address,
            outbound: peer.outbound,
        });
        let tried = self.connecting.iter().map(|(address, (key, _))| Link {
            key: *key,
            address: *address,
            outbound: true,
        });
        peers.chain(tried).collect()
    }

    pub(super) fn try_connect(&mut self, key: Option<PublicKey>, addresses: Vec<SocketAddr>) {
        let Some(first) = addresses.first().copied() else { return };
        let is_tried = self.connecting.contains_key(&first)
            || key
                .is_some_and(|key| self.connecting.values().any(|(other, _)| *other == Some(key)));
        if is_tried || self.connecting.len() >= CONNECTING_MAX {
            return;
        }
        let until = self.shared.now.ticks + CONNECT_PATIENCE.as_millis() as u64;
        self.connecting.insert(first, (key, until));
        self.shared.push(Output::Connect { addresses, key });
    }

    /// Pages whose sources are few are asked about, and those with none are looked for where the page
    /// itself says that somebody is (D6).
    pub(super) fn meet(&mut self, ledger: &dyn Ledger) {
        let now = self.shared.now.ticks;
        let due = self.pages.values().filter(|page| page.meet_at <= now).map(|page| page.id);
        for id in due.collect::<Vec<Id>>() {
            let Some(page) = self.pages.get_mut(&id) else { continue };
            let span =
                MEET_INTERVAL.saturating_mul(1 << page.meetings.min(16)).min(MEET_INTERVAL_MAX);
            page.meetings += 1;
            page.meet_at = self.shared.after(span);
            let peers: Vec<PublicKey> = page.seen.keys().copied().collect();
            if peers.is_empty() {
                self.try_known(&id, ledger);
            } else if peers.len() < PAGE_SOURCES_WANTED
                && let Some(peer) = self.shared.best(peers)
            {
                let request = Request::Peers(id);
                let bytes_max = request.answer_bytes_max();
                self.shared.ask(&peer, request, bytes_max);
            }
        }
    }

    /// Tries nodes of which a page, or a link to it, says that they have it.
    fn try_known(&mut self, id: &Id, ledger: &dyn Ledger) {
        let Some(page) = self.pages.get(id) else { return };
        let beacons = match &page.sought {
            Some(sought) => sought.beacons.clone(),
            None => ledger.beacons(id),
        };
        let mut tried = 0;
        for beacon in beacons {
            let key = beacon.key();
            self.hear(&beacon, How::Page, None);
            let is_there = self.shared.peers.contains_key(&key);
            let is_refused = self.shared.refuses(&key).is_some();
            if !is_there && !is_refused && tried < KNOWN_TRIED_MAX {
                tried += 1;
                self.try_connect(Some(key), beacon.addresses().to_vec());
            }
        }
    }

    /// Beacons came of who follows a page.
    pub(super) fn on_peers(&mut self, peer: &PublicKey, request: &Request, answer: Option<&[u8]>) {
        let Some(answer) = answer else { return };
        let items = match request.read_items(answer) {
            Ok(items) => items,
            Err(why) => return self.shared.lied(peer, format!("an answer: {why}")),
        };
        for item in items {
            match Beacon::admit(&item.0) {
                Ok(beacon) if beacon.is_expired(self.shared.now.unix) => {}
                Ok(beacon) => self.hear(&beacon, How::Exchange, Some(*peer)),
                Err(why) => {
                    return self.shared.lied(peer, format!("a beacon that it hands on: {why}"));
                }
            }
        }
    }
}
