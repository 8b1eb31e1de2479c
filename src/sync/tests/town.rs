//! A few nodes with a network between them that delays, loses and reorders, all in virtual time.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use super::{
    super::{
        AskFailed, AskId, Event, Handed, Input, Moment, Output, Sync, answer,
        message::{Notice, Request},
        rate::on_the_wire,
    },
    shelf::Shelf,
};
use crate::{beacon::Beacon, id::Id, key::SecretKey};

/// What a liar makes of its answer; `None`: it says nothing.
pub type Lie = Box<dyn Fn(&Request, Vec<u8>) -> Option<Vec<u8>>>;

pub struct House {
    pub key: SecretKey,
    pub sync: Sync,
    pub shelf: Shelf,
    pub handed: Handed,
    pub events: Vec<Event>,
    pub lie: Option<Lie>,
    /// By how many milliseconds each of its answers comes later than those of others.
    pub lag: u64,
    /// How often each statement came here.
    pub came: BTreeMap<Id, usize>,
    pub asked: usize,
    /// When how many bytes an answer to it took, with what it asked.
    pub came_bytes: Vec<(u64, u64)>,
    pub told_bytes: usize,
    pub closed: Vec<(usize, String)>,
    /// Seconds that its clock is ahead.
    pub clock_off: i64,
}

pub struct Town {
    pub houses: Vec<House>,
    pub ticks: u64,
    pub links: BTreeSet<(usize, usize)>,
    /// Of a hundred requests so many are lost, and of eight hundred notices, which have a stream to
    /// themselves.
    pub lost: u64,
    /// Whether connections that are tried come about.
    pub is_open: bool,
    /// Connections that were tried, and at how many addresses.
    pub tried: usize,
    pub addresses_tried: usize,
    queue: BTreeMap<(u64, u64), Delivery>,
    serial: u64,
    chance: u64,
}

enum Delivery {
    Input(usize, Input),
    Request { from: usize, to: usize, ask: AskId, request: Vec<u8>, until: u64 },
    Joined(usize, usize),
}

/// When it begins, in seconds since 1970.
pub const BEGIN: u64 = 1_000_000;

pub fn node_key(n: usize) -> SecretKey {
    SecretKey::from_seed(&[100 + n as u8; 32])
}

pub fn address(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, n as u8, 1], 31_415))
}

pub fn beacon(n: usize) -> Beacon {
    Beacon::sign(&node_key(n), &[address(n)], BEGIN + 86_400).unwrap()
}

impl Town {
    pub fn new(count: usize, seed: u64) -> Town {
        let house = |n: usize| {
            let key = node_key(n);
            let sync = Sync::new(key.public(), seed * 1000 + n as u64, Some(beacon(n)));
            House {
                shelf: Shelf::new(key.public()),
                handed: sync.handed(),
                key,
                sync,
                events: Vec::new(),
                lie: None,
                lag: 0,
                came: BTreeMap::new(),
                asked: 0,
                came_bytes: Vec::new(),
                told_bytes: 0,
                closed: Vec::new(),
                clock_off: 0,
            }
        };
        Town {
            houses: (0..count).map(house).collect(),
            ticks: 0,
            links: BTreeSet::new(),
            lost: 0,
            is_open: true,
            tried: 0,
            addresses_tried: 0,
            queue: BTreeMap::new(),
            serial: 0,
            chance: seed,
        }
    }

    pub fn unix(&self) -> u64 {
        BEGIN + self.ticks / 1000
    }

    fn chance(&mut self, below: u64) -> u64 {
        let hash = Id::hash(&[&self.chance.to_be_bytes()]);
        self.chance += 1;
        u64::from_be_bytes(hash.as_bytes()[..8].try_into().unwrap()) % below
    }

    fn post(&mut self, delay: u64, delivery: Delivery) {
        self.serial += 1;
        self.queue.insert((self.ticks + delay, self.serial), delivery);
    }

    fn who(&self, key: &crate::key::PublicKey) -> usize {
        self.houses.iter().position(|house| house.key.public() == *key).unwrap()
    }

    pub fn is_linked(&self, a: usize, b: usize) -> bool {
        self.links.contains(&(a.min(b), a.max(b)))
    }

    /// A connection from `a` to `b`.
    pub fn join(&mut self, a: usize, b: usize) {
        if a == b || !self.links.insert((a.min(b), a.max(b))) {
            return;
        }
        let (key_a, key_b) = (self.houses[a].key.public(), self.houses[b].key.public());
        self.input(a, Input::Joined { peer: key_b, address: address(b), outbound: true });
        self.input(b, Input::Joined { peer: key_a, address: address(a), outbound: false });
    }

    pub fn part(&mut self, a: usize, b: usize) {
        if !self.links.remove(&(a.min(b), a.max(b))) {
            return;
        }
        let (key_a, key_b) = (self.houses[a].key.public(), self.houses[b].key.public());
        self.input(a, Input::Left { peer: key_b });
        self.input(b, Input::Left { peer: key_a });
    }

    pub fn mesh(&mut self) {
        for a in 0..self.houses.len() {
            (a + 1..self.houses.len()).for_each(|b| self.join(a, b));
        }
    }

    pub fn line(&mut self) {
        (1..self.houses.len()).for_each(|b| self.join(b - 1, b));
    }

    /// Something happens at a house.
    pub fn input(&mut self, at: usize, input: Input) {
        let (unix, ticks) = (self.unix(), self.ticks);
        let house = &mut self.houses[at];
        let now = Moment { unix: unix.saturating_add_signed(house.clock_off), ticks };
        *house.shelf.now.borrow_mut() = now.unix;
        let outputs = house.sync.handle(now, input, &house.shelf);
        outputs.into_iter().for_each(|output| self.output(at, output));
    }

    fn output(&mut self, at: usize, output: Output) {
        match output {
            Output::Event(event) => self.houses[at].events.push(event),
            Output::Tell { peer, notice } => {
                let to = self.who(&peer);
                assert!(Notice::decode(&notice).is_ok());
                self.houses[at].told_bytes += notice.len();
                if self.is_linked(at, to) && self.chance(800) >= self.lost {
                    let delay = 10 + self.chance(70);
                    let peer = self.houses[at].key.public();
                    self.post(delay, Delivery::Input(to, Input::Told { peer, notice }));
                }
            }
            Output::Ask { ask, peer, request, patience, .. } => {
                let to = self.who(&peer);
                self.houses[at].asked += 1;
                let until = self.ticks + patience.as_millis() as u64;
                let delay = 10 + self.chance(70);
                if self.chance(100) < self.lost {
                    let answer = Err(AskFailed::TimedOut);
                    let patience = until - self.ticks;
                    self.post(patience, Delivery::Input(at, Input::Answered { ask, answer }));
                } else {
                    let request = Delivery::Request { from: at, to, ask, request, until };
                    self.post(delay, request);
                }
            }
            Output::Connect { addresses, key } => {
                self.tried += 1;
                self.addresses_tried += addresses.len();
                let to = (0..self.houses.len()).find(|n| addresses.contains(&address(*n)));
                match to.filter(|to| self.is_open && *to != at) {
                    Some(to) => self.post(50, Delivery::Joined(at, to)),
                    None => {
                        let why = "nobody".to_owned();
                        let failed = Input::ConnectFailed { key, addresses, why };
                        self.post(50, Delivery::Input(at, failed));
                    }
                }
            }
            Output::Close { peer, why } => {
                let other = self.who(&peer);
                self.houses[at].closed.push((other, why));
                self.links.remove(&(at.min(other), at.max(other)));
                let peer = self.houses[at].key.public();
                self.post(20, Delivery::Input(other, Input::Left { peer }));
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Joined(a, b) => self.join(a, b),
            Delivery::Input(at, input) => {
                if let Input::Told { peer, .. } = &input {
                    let from = self.who(peer);
                    if !self.is_linked(at, from) {
                        return;
                    }
                }
                self.input(at, input);
            }
            Delivery::Request { from, to, ask, request, until } => {
                if !self.is_linked(from, to) {
                    return;
                }
                let asker = self.houses[from].key.public();
                let house = &self.houses[to];
                let given = answer(&asker, address(from), &request, &house.shelf, &house.handed);
                let read = Request::decode(&request).unwrap();
                let mut given = Some(given.expect("what is asked can be answered"));
                if let Some(lie) = &house.lie {
                    given = lie(&read, given.unwrap());
                }
                let Some(given) = given else {
                    let answer = Err(AskFailed::TimedOut);
                    let rest = until.saturating_sub(self.ticks);
                    return self.post(rest, Delivery::Input(from, Input::Answered { ask, answer }));
                };
                if let Request::Statements(named) = &read {
                    let items = super::liars::items(&read, &given);
                    let ids =
                        items.iter().filter_map(|item| super::super::pack::statement_id(item));
                    for id in ids.filter(|id| named.ids.contains(id)) {
                        *self.houses[from].came.entry(id).or_default() += 1;
                    }
                }
                let delay = 10 + self.chance(70) + self.houses[to].lag;
                let bytes = on_the_wire(&read, given.len() as u64);
                self.houses[from].came_bytes.push((self.ticks, bytes));
                let answer = match given.len() > read.answer_bytes_max() {
                    true => Err(AskFailed::Oversize),
                    false => Ok(given),
                };
                self.post(delay, Delivery::Input(from, Input::Answered { ask, answer }));
            }
        }
    }

    /// Lets so many milliseconds pass.
    pub fn run(&mut self, span: u64) {
        let end = self.ticks + span;
        loop {
            let wakes = self.houses.iter().enumerate();
            let wake = wakes.filter_map(|(n, house)| Some((house.sync.wake_at()?, n))).min();
            let next = self.queue.first_key_value().map(|((at, _), _)| *at);
            let at = wake.map(|(at, _)| at).into_iter().chain(next).min().unwrap_or(end);
            if at > end {
                break;
            }
            self.ticks = self.ticks.max(at);
            if next.is_some_and(|next| next <= at) {
                if let Some((_, delivery)) = self.queue.pop_first() {
                    self.deliver(delivery);
                }
            } else if let Some((_, n)) = wake {
                self.input(n, Input::Wake);
                let again = self.houses[n].sync.wake_at();
                assert!(again.is_none_or(|at| at > self.ticks), "it wakes without end");
            } else {
                break;
            }
        }
        self.ticks = end;
    }

    /// Runs until `done`, at most so many milliseconds; says how many it took.
    pub fn until(&mut self, most: u64, done: impl Fn(&Town) -> bool) -> u64 {
        let begin = self.ticks;
        while self.ticks < begin + most {
            if done(self) {
                return self.ticks - begin;
            }
            self.run(100);
        }
        assert!(done(self), "not within {most} ms");
        most
    }

    pub fn said(&self, at: usize, event: &Event) -> bool {
        self.houses[at].events.contains(event)
    }

    /// Who was named a liar by this house.
    pub fn named(&self, at: usize) -> Vec<(usize, String)> {
        let lied = self.houses[at].events.iter().filter_map(|event| match event {
            Event::Lied { peer, what } => Some((self.who(peer), what.clone())),
            _ => None,
        });
        lied.collect()
    }
}
