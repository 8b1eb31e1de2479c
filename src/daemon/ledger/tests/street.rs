//! Whole nodes, each with the machine that keeps pages in step, and nothing between them that delays:
//! what one says is heard at once. Time passes when a test says so.

use std::{
    collections::{BTreeSet, VecDeque},
    net::SocketAddr,
};

use super::{Home, Id};
use crate::{
    key::PublicKey,
    page::name::Name,
    sync::{Event, Input, Moment, Output, Sync, Want, answer},
};

pub struct Side {
    pub home: Home,
    pub sync: Sync,
    pub events: Vec<Event>,
}

pub struct Street {
    pub sides: Vec<Side>,
    links: BTreeSet<(usize, usize)>,
    queue: VecDeque<(usize, Input)>,
    ticks: u64,
}

fn address(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, n as u8, 1], 31_415))
}

impl Street {
    pub fn new(homes: impl IntoIterator<Item = Home>) -> Street {
        let side = |(n, home): (usize, Home)| Side {
            sync: Sync::new(home.node.key(), n as u64, None),
            home,
            events: Vec::new(),
        };
        let sides = homes.into_iter().enumerate().map(side).collect();
        let (links, queue) = Default::default();
        Street { sides, links, queue, ticks: 0 }
    }

    fn key(&self, n: usize) -> PublicKey {
        self.sides[n].home.node.key()
    }

    fn who(&self, key: &PublicKey) -> usize {
        (0..self.sides.len()).find(|n| self.key(*n) == *key).unwrap()
    }

    pub fn join(&mut self, a: usize, b: usize) {
        self.links.insert((a.min(b), a.max(b)));
        let (key_a, key_b) = (self.key(a), self.key(b));
        let joined = Input::Joined { peer: key_b, address: address(b), outbound: true };
        self.queue.push_back((a, joined));
        self.input(b, Input::Joined { peer: key_a, address: address(a), outbound: false });
    }

    pub fn part(&mut self, a: usize, b: usize) {
        self.links.remove(&(a.min(b), a.max(b)));
        let (key_a, key_b) = (self.key(a), self.key(b));
        self.input(a, Input::Left { peer: key_b });
        self.input(b, Input::Left { peer: key_a });
    }

    /// A side wants a page.
    pub fn want(&mut self, at: usize, page: Id, name: &str) {
        let name = Name::parse(name).unwrap();
        self.input(at, Input::Want { page, name, beacons: vec![], why: Want::Anchor });
    }

    /// Something happens on a side, and everything that follows from it at once.
    pub fn input(&mut self, at: usize, input: Input) {
        self.queue.push_back((at, input));
        while let Some((at, input)) = self.queue.pop_front() {
            let side = &mut self.sides[at];
            let now = Moment { unix: side.home.node.now(), ticks: self.ticks };
            for output in side.sync.handle(now, input, &*side.home.node) {
                self.output(at, output);
            }
        }
    }

    fn output(&mut self, at: usize, output: Output) {
        let me = self.key(at);
        match output {
            Output::Event(event) => self.sides[at].events.push(event),
            Output::Tell { peer, notice } => {
                let to = self.who(&peer);
                if self.links.contains(&(at.min(to), at.max(to))) {
                    self.queue.push_back((to, Input::Told { peer: me, notice }));
                }
            }
            Output::Ask { ask, peer, request, .. } => {
                let side = &self.sides[self.who(&peer)];
                let handed = side.sync.handed();
                let given = answer(&me, address(at), &request, &*side.home.node, &handed);
                let answer = Ok(given.expect("what is asked can be answered"));
                self.queue.push_back((at, Input::Answered { ask, answer }));
            }
            Output::Connect { addresses, key } => {
                let why = "nobody".to_owned();
                self.queue.push_back((at, Input::ConnectFailed { key, addresses, why }));
            }
            Output::Close { peer, .. } => {
                let other = self.who(&peer);
                self.links.remove(&(at.min(other), at.max(other)));
                self.queue.push_back((other, Input::Left { peer: me }));
            }
        }
    }

    /// Lets so many seconds pass for all machines, and tells them what changed on their nodes before.
    pub fn run(&mut self, seconds: u64) {
        let end = self.ticks + seconds * 1000;
        for n in 0..self.sides.len() {
            for page in crate::sync::Ledger::pages(&*self.sides[n].home.node) {
                self.input(n, Input::Changed { page });
            }
        }
        loop {
            let wakes = self.sides.iter().enumerate();
            let wakes = wakes.filter_map(|(n, side)| Some((side.sync.wake_at()?, n)));
            let Some((at, n)) = wakes.min().filter(|(at, _)| *at <= end) else { break };
            self.ticks = self.ticks.max(at);
            self.input(n, Input::Wake);
        }
        self.ticks = end;
    }

    pub fn height(&self, at: usize, page: &Id) -> Option<u64> {
        self.sides[at].home.node.page(page).map(|page| page.page().height())
    }

    /// Whether two sides hold the same page with the same open set.
    #[track_caller]
    pub fn check_equal(&self, a: usize, b: usize, page: &Id) {
        let [a, b] = [a, b].map(|n| &self.sides[n].home);
        assert_eq!(a.page(page).page().head(), b.page(page).page().head());
        assert_eq!(a.page(page).contents(), b.page(page).contents());
        assert_eq!(a.open(page).root(), b.open(page).root());
    }

    #[track_caller]
    pub fn nobody_lied(&self) {
        for side in &self.sides {
            let lied = side.events.iter().find(|event| matches!(event, Event::Lied { .. }));
            assert_eq!(lied, None);
        }
    }
}
