//! The address book: every node that this one knows of, how it heard of it, and whom to connect to next
//! (N7, D5).
//!
//! Whoever invents nodes must not push out those that are real. So a node that was reached is in another
//! table than one that was only heard of, and takes room from no other; what was only heard of is counted
//! by the way in which it was found and by who told it, so that each way, and each teller, can fill its
//! own share only. And connections are spread: over the ways in which nodes were found first, over the
//! networks that they are in then (eclipse attacks: Heilman et al., USENIX Security 2015). Who proved to
//! lie is not called again.
//!
//! Pure: times and a seed are arguments, and where the book is kept is not known here.

mod file;
mod group;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use super::{How, Moment};
use crate::{beacon::Beacon, id::Id, key::PublicKey, limits::*};

pub use file::BookRefusal;
pub use group::Group;

/// All nodes that this one knows of.
#[derive(Clone, Debug)]
pub struct Book {
    me: PublicKey,
    seed: u64,
    /// Those that were reached at least once: at most [`BOOK_MET_MAX`].
    met: BTreeMap<PublicKey, Known>,
    /// Those that were only heard of: at most [`BOOK_HEARD_MAX`] of each way.
    heard: BTreeMap<PublicKey, Known>,
    /// Addresses of nodes whose keys are not known: at most [`BOOK_PLACES_MAX`].
    places: BTreeMap<SocketAddr, Place>,
    /// Those who proved to lie: at most [`BOOK_LIARS_MAX`].
    liars: BTreeMap<PublicKey, Lie>,
    /// How often it was asked whom to connect to: what is left to chance comes out anew every time.
    turns: u64,
}

/// A node that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The newest that was seen; none of a node that came by itself and has not said where it is.
    pub beacon: Option<Beacon>,
    /// Where it was seen beside that, first where it was reached last; nobody signed these. At most
    /// [`BOOK_HINTS_MAX`].
    pub hints: Vec<SocketAddr>,
    /// Every way in which it was found, the first of them in `source`.
    pub hows: BTreeSet<How>,
    pub source: Source,
    /// When it was first heard of and when it was reached last, in seconds since 1970; 0: never.
    pub found: u64,
    pub met: u64,
    tries: Tries,
}

/// How a node was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    pub how: How,
    /// Who told of it, where somebody did.
    pub teller: Option<PublicKey>,
}

/// What came of trying to connect since it last worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Tries {
    failures: u32,
    /// Not before this, in ticks.
    next: u64,
}

/// An address whose node is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    how: How,
    /// Who was found there.
    key: Option<PublicKey>,
    tries: Tries,
}

/// What somebody was caught at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lie {
    pub what: String,
    /// When, in seconds since 1970.
    pub at: u64,
}

/// What came of hearing of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Not known before.
    New,
    /// Known, with other addresses now.
    Newer,
    Known,
    /// This node itself, one who proved to lie, or one for whom there is no room.
    Ignored,
}

/// A node to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// None: whoever is there.
    pub key: Option<PublicKey>,
    /// Best first.
    pub addresses: Vec<SocketAddr>,
}

/// A connection that there is, or that is being tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub key: Option<PublicKey>,
    pub address: SocketAddr,
    /// Only those opened from here were chosen here, and count for how they are spread.
    pub outbound: bool,
}

impl Book {
    /// An empty book of this node.
    pub fn new(me: PublicKey, seed: u64) -> Book {
        let (met, heard, places, liars) = Default::default();
        Book { me, seed, met, heard, places, liars, turns: 0 }
    }

    /// How many nodes are known, without liars.
    pub fn len(&self) -> usize {
        self.met.len() + self.heard.len()
    }

    /// Whether nobody is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One node.
    pub fn get(&self, key: &PublicKey) -> Option<&Known> {
        self.met.get(key).or_else(|| self.heard.get(key))
    }

    /// All nodes, those that were reached first.
    pub fn nodes(&self) -> impl Iterator<Item = (&PublicKey, &Known)> {
        self.met.iter().chain(&self.heard)
    }

    /// What a node was caught at.
    pub fn lie(&self, key: &PublicKey) -> Option<&Lie> {
        self.liars.get(key)
    }

    /// Everybody who was caught.
    pub fn liars(&self) -> impl Iterator<Item = (&PublicKey, &Lie)> {
        self.liars.iter()
    }

    /// Hears of a node. A beacon that has expired is better than none: its node may still be there.
    pub fn hear(&mut self, beacon: &Beacon, source: Source, now: Moment) -> Heard {
        let key = beacon.key();
        if key == self.me || self.liars.contains_key(&key) {
            return Heard::Ignored;
        }
        if let Some(known) = self.met.get_mut(&key).or_else(|| self.heard.get_mut(&key)) {
            known.hows.insert(source.how);
            return known.renew(beacon, now.unix);
        }
        if !self.has_room(&source) {
            return Heard::Ignored;
        }
        let known = Known::new(Some(beacon.clone()), source, now);
        self.heard.insert(key, known);
        self.thin_heard(source.how);
        if self.heard.contains_key(&key) { Heard::New } else { Heard::Ignored }
    }

    /// Notes an address of a node that is known, which nobody signed: it is tried last.
    pub fn hint(&mut self, key: &PublicKey, address: SocketAddr) {
        let known = self.met.get_mut(key).or_else(|| self.heard.get_mut(key));
        if let Some(known) = known.filter(|known| !known.addresses().contains(&address)) {
            known.hints.truncate(BOOK_HINTS_MAX - 1);
            known.hints.push(address);
        }
    }

    /// Hears of an address whose node is not known.
    pub fn hear_place(&mut self, address: SocketAddr, how: How) {
        if self.places.len() < BOOK_PLACES_MAX {
            let place = Place { how, key: None, tries: Tries::default() };
            self.places.entry(address).or_insert(place);
        }
    }

    /// A connection stands. Only one that was opened from here shows where its node is.
    pub fn joined(&mut self, key: PublicKey, address: SocketAddr, outbound: bool, now: Moment) {
        if key == self.me || self.liars.contains_key(&key) {
            return;
        }
        if !outbound {
            if let Some(known) = self.met.get_mut(&key) {
                known.met = now.unix;
            }
            return;
        }
        let source = Source { how: How::Told, teller: None };
        let place = self.places.get_mut(&address);
        let how = place.map_or(source.how, |place| {
            (place.key, place.tries.next) = (Some(key), 0);
            place.how
        });
        let known = self.met.remove(&key).or_else(|| self.heard.remove(&key));
        let mut known = known.unwrap_or_else(|| Known::new(None, Source { how, ..source }, now));
        known.note(address);
        (known.met, known.tries.next) = (now.unix, 0);
        self.met.insert(key, known);
        self.thin_met(&key);
    }

    /// A connection that was opened from here ended after so many milliseconds. Whoever sends this node
    /// away is left alone longer every time, as one that is not reached.
    pub fn parted(&mut self, key: &PublicKey, lasted: u64, now: Moment) {
        let seed = self.seed;
        let has_lasted = lasted >= BOOK_LASTED.as_millis() as u64;
        let settle = |tries: &mut Tries, salt: &[u8]| match has_lasted {
            true => *tries = Tries::default(),
            false => tries.fail(seed, salt, now),
        };
        if let Some(known) = self.met.get_mut(key) {
            settle(&mut known.tries, key.as_bytes());
        }
        for place in self.places.values_mut().filter(|place| place.key == Some(*key)) {
            settle(&mut place.tries, key.as_bytes());
        }
    }

    /// Nobody, or somebody else, answered there.
    pub fn failed(&mut self, key: Option<&PublicKey>, addresses: &[SocketAddr], now: Moment) {
        let seed = self.seed;
        if let Some(key) = key {
            let salt = key.as_bytes();
            if let Some(known) = self.met.get_mut(key) {
                known.tries.fail(seed, salt, now);
            } else if let Some(known) = self.heard.get_mut(key) {
                known.tries.fail(seed, salt, now);
                if known.tries.failures >= BOOK_FAILURES_MAX && known.source.how != How::Told {
                    self.heard.remove(key);
                }
            }
            return;
        }
        for address in addresses {
            if let Some(place) = self.places.get_mut(address) {
                place.tries.fail(seed, address.to_string().as_bytes(), now);
            }
        }
    }

    /// Somebody was caught at a lie: forgotten, and not called again.
    pub fn lied(&mut self, key: PublicKey, what: &str, now: Moment) {
        self.met.remove(&key);
        self.heard.remove(&key);
        let what = what.chars().take(BOOK_LIE_CHARACTERS_MAX).collect();
        self.liars.entry(key).or_insert(Lie { what, at: now.unix });
        if self.liars.len() > BOOK_LIARS_MAX {
            let oldest = self.liars.iter().filter(|(other, _)| **other != key);
            let oldest = oldest.min_by_key(|(_, lie)| lie.at).map(|(key, _)| *key);
            oldest.and_then(|oldest| self.liars.remove(&oldest));
        }
    }

    /// Whom to connect to next, at most `count`: spread over the ways in which nodes were found and the
    /// networks that they are in, `links` included.
    pub fn candidates(&mut self, links: &[Link], count: usize, now: Moment) -> Vec<Candidate> {
        self.turns += 1;
        let outbound: Vec<&Link> = links.iter().filter(|link| link.outbound).collect();
        let mut spread = Spread::default();
        outbound.iter().for_each(|link| self.count_link(link, &mut spread));
        let mut chosen = Vec::new();
        let mut rows = self.rows(links, now);
        while chosen.len() < count && !rows.is_empty() {
            let best = (0..rows.len()).min_by_key(|at| spread.rank(&rows[*at]));
            let Some(row) = best.map(|best| rows.swap_remove(best)) else { break };
            spread.count(row.how, row.group, row.teller);
            chosen.push(Candidate { key: row.key, addresses: row.addresses });
        }
        chosen
    }

    /// When somebody may be tried again, in ticks; `None` if nobody waits for it.
    pub fn next_try(&self, links: &[Link], now: Moment) -> Option<u64> {
        let linked = |key: &PublicKey| links.iter().any(|link| link.key == Some(*key));
        let nodes = self.nodes().filter(|(key, known)| !linked(key) && !known.is_nowhere());
        let places = self.places.iter().filter(|(at, place)| {
            !place.key.is_some_and(|key| linked(&key)) && links.iter().all(|l| l.address != **at)
        });
        let tries = nodes.map(|(_, known)| known.tries).chain(places.map(|(_, place)| place.tries));
        tries.map(|tries| tries.next).filter(|next| *next > now.ticks).min()
    }

    /// Beacons to hand on to a peer (D5): of nodes that were reached, lately first, and that hold still.
    pub fn to_hand_on(&self, peer: &PublicKey, count: usize, now: Moment) -> Vec<Beacon> {
        let mut met: Vec<(u64, &Beacon)> = Vec::new();
        for (key, known) in &self.met {
            let beacon = known.beacon.as_ref().filter(|beacon| !beacon.is_expired(now.unix));
            met.extend(beacon.filter(|_| key != peer).map(|beacon| (known.met, beacon)));
        }
        met.sort_by_key(|(at, beacon)| (std::cmp::Reverse(*at), beacon.key()));
        met.into_iter().take(count).map(|(_, beacon)| beacon.clone()).collect()
    }

    fn count_link(&self, link: &Link, spread: &mut Spread) {
        let group = Some(Group::of(&link.address));
        let known = link.key.and_then(|key| self.get(&key));
        let how = known.map_or(How::Told, |known| known.source.how);
        spread.count(how, group, known.and_then(|known| known.source.teller));
    }

    /// Everybody who can be tried now.
    fn rows(&self, links: &[Link], now: Moment) -> Vec<Row> {
        let linked: BTreeSet<PublicKey> = links.iter().filter_map(|link| link.key).collect();
        let mut rows = Vec::new();
        for (key, known) in self.nodes() {
            if !linked.contains(key) && known.tries.next <= now.ticks && !known.is_nowhere() {
                let expired = known.beacon.as_ref().is_none_or(|one| one.is_expired(now.unix));
                let addresses = known.addresses_to_try();
                rows.push(Row {
                    key: Some(*key),
                    how: known.source.how,
                    group: addresses.first().map(Group::of),
                    teller: known.source.teller,
                    expired,
                    // Half of the turns seek who was met before, half seek somebody new.
                    later: (known.met > 0) == (self.turns.is_multiple_of(2)),
                    failures: known.tries.failures,
                    chance: chance(self.seed ^ self.turns, key.as_bytes()),
                    addresses,
                });
            }
        }
        rows.extend(self.places.iter().filter_map(|(address, place)| {
            let is_shut = |key: PublicKey| linked.contains(&key) || self.liars.contains_key(&key);
            let is_linked =
                place.key.is_some_and(is_shut) || links.iter().any(|link| link.address == *address);
            (!is_linked && place.tries.next <= now.ticks).then(|| Row {
                key: None,
                how: place.how,
                group: Some(Group::of(address)),
                teller: None,
                expired: false,
                later: false,
                failures: place.tries.failures,
                chance: 0,
                addresses: vec![*address],
            })
        }));
        rows
    }

    /// Whether whoever tells may tell of one more.
    fn has_room(&self, source: &Source) -> bool {
        let Some(teller) = source.teller else { return true };
        let told = self.heard.values().filter(|known| known.source.teller == Some(teller));
        told.count() < BOOK_HEARD_PER_TELLER_MAX
    }

    /// Makes room among what was found in one way: of those found in no other, in the network most of
    /// them are in, the one that failed most, else any. Nobody can know beforehand which.
    fn thin_heard(&mut self, how: How) {
        let of_this: Vec<(&PublicKey, &Known)> =
            self.heard.iter().filter(|(_, known)| known.source.how == how).collect();
        if of_this.len() <= BOOK_HEARD_MAX {
            return;
        }
        let sizes = sizes(of_this.iter().map(|(_, known)| known.group()));
        let worst = of_this.iter().max_by_key(|(key, known)| {
            let chance = chance(self.seed, key.as_bytes());
            let one = std::cmp::Reverse(known.hows.len());
            (one, sizes.get(&known.group()), known.tries.failures, chance)
        });
        let worst = worst.map(|(key, _)| **key);
        worst.and_then(|worst| self.heard.remove(&worst));
    }

    /// Makes room among those that were reached: in the network most of them are in, the one that was
    /// reached longest ago.
    fn thin_met(&mut self, newest: &PublicKey) {
        if self.met.len() <= BOOK_MET_MAX {
            return;
        }
        let sizes = sizes(self.met.values().map(Known::group));
        let others = self.met.iter().filter(|(key, _)| *key != newest);
        let worst = others
            .max_by_key(|(_, known)| (sizes.get(&known.group()), std::cmp::Reverse(known.met)));
        let worst = worst.map(|(key, _)| *key);
        worst.and_then(|worst| self.met.remove(&worst));
    }
}

impl Known {
    fn new(beacon: Option<Beacon>, source: Source, now: Moment) -> Known {
        let (hints, tries) = Default::default();
        let hows = BTreeSet::from([source.how]);
        Known { beacon, hints, hows, source, found: now.unix, met: 0, tries }
    }

    /// Where to try it: where it was seen last, then where it says that it is, then where else it was
    /// seen. One that was never reached is tried where it says first: a hint is anybody's word.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let signed = self.beacon.iter().flat_map(Beacon::addresses);
        let seen = if self.met > 0 { 1 } else { 0 };
        let (first, others) = self.hints.split_at(seen.min(self.hints.len()));
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in first.iter().chain(signed).chain(others) {
            if !addresses.contains(address) {
                addresses.push(*address);
            }
        }
        addresses
    }

    /// Those at which it is tried now: one that was never reached at a few each time.
    fn addresses_to_try(&self) -> Vec<SocketAddr> {
        let mut addresses = self.addresses();
        if self.met == 0 && addresses.len() > BOOK_ADDRESSES_TRIED_MAX {
            let turn = self.tries.failures as usize * BOOK_ADDRESSES_TRIED_MAX;
            let turn = turn % addresses.len();
            addresses.rotate_left(turn);
            addresses.truncate(BOOK_ADDRESSES_TRIED_MAX);
        }
        addresses
    }

    /// How often in a row it could not be reached.
    pub fn failures(&self) -> u32 {
        self.tries.failures
    }

    fn is_nowhere(&self) -> bool {
        self.beacon.is_none() && self.hints.is_empty()
    }

    fn group(&self) -> Option<Group> {
        let seen = self.hints.first();
        let signed = self.beacon.as_ref().and_then(|beacon| beacon.addresses().first());
        let first = if self.met > 0 { seen.or(signed) } else { signed.or(seen) };
        first.map(Group::of)
    }

    fn note(&mut self, address: SocketAddr) {
        self.hints.retain(|hint| *hint != address);
        self.hints.insert(0, address);
        self.hints.truncate(BOOK_HINTS_MAX);
    }

    /// Takes a newer beacon. Somebody who is where nobody answered may be somewhere else now. One dated
    /// further ahead than any may be, by a clock that was wrong once, hides none that is right.
    fn renew(&mut self, beacon: &Beacon, now: u64) -> Heard {
        let rank = |beacon: &Beacon| (beacon.check_time(now).is_ok(), beacon.expires());
        match &self.beacon {
            Some(held) if rank(held) >= rank(beacon) => Heard::Known,
            held => {
                let moved = held.as_ref().is_none_or(|held| held.addresses() != beacon.addresses());
                self.beacon = Some(beacon.clone());
                if moved {
                    self.tries = Tries::default();
                }
                if moved { Heard::Newer } else { Heard::Known }
            }
        }
    }
}

impl Tries {
    /// Waits longer after every failure, and not as long as others that failed at the same moment.
    fn fail(&mut self, seed: u64, salt: &[u8], now: Moment) {
        let doublings = self.failures.min(20);
        self.failures = self.failures.saturating_add(1);
        let first = BOOK_RETRY_FIRST.as_millis() as u64;
        let pause = (first << doublings).min(BOOK_RETRY_MAX.as_millis() as u64);
        let jitter = chance(seed ^ u64::from(self.failures), salt) % (pause / 2);
        self.next = now.ticks + pause - pause / 4 + jitter;
    }
}

/// Somebody who can be tried.
struct Row {
    key: Option<PublicKey>,
    how: How,
    group: Option<Group>,
    teller: Option<PublicKey>,
    expired: bool,
    later: bool,
    failures: u32,
    chance: u64,
    addresses: Vec<SocketAddr>,
}

/// What the connections are spread over so far.
#[derive(Default)]
struct Spread {
    hows: BTreeMap<How, usize>,
    groups: BTreeMap<Option<Group>, usize>,
    tellers: BTreeMap<Option<PublicKey>, usize>,
}

impl Spread {
    fn count(&mut self, how: How, group: Option<Group>, teller: Option<PublicKey>) {
        *self.hows.entry(how).or_default() += 1;
        *self.groups.entry(group).or_default() += 1;
        if teller.is_some() {
            *self.tellers.entry(teller).or_default() += 1;
        }
    }

    /// The smaller, the better.
    fn rank(&self, row: &Row) -> impl Ord + use<> {
        let hows = self.hows.get(&row.how).copied().unwrap_or(0);
        let groups = self.groups.get(&row.group).copied().unwrap_or(0);
        let tellers = self.tellers.get(&row.teller).copied().unwrap_or(0);
        (hows, tellers, groups, row.expired, row.later, row.failures, row.chance)
    }
}

fn sizes(groups: impl Iterator<Item = Option<Group>>) -> BTreeMap<Option<Group>, usize> {
    let mut sizes = BTreeMap::new();
    groups.for_each(|group| *sizes.entry(group).or_default() += 1);
    sizes
}

/// What comes out by chance: nobody who does not know the seed can tell.
fn chance(seed: u64, salt: &[u8]) -> u64 {
    let digest = Id::hash(&[b"djdns/book/", &seed.to_be_bytes(), salt]);
    let (first, _) = digest.as_bytes().split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
    u64::from_be_bytes(*first)
}
