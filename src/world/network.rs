//! The network of a simulated world: what is carried from one node to another, how long that takes, and
//! what does not arrive.
//!
//! What is carried means nothing here, but for what liars change on its way.

use std::collections::BTreeSet;

use super::{CONNECT_PATIENCE, Happening, World, member::Member};
use crate::{
    key::PublicKey,
    sync::{AskId, Event, Input, Output},
};

/// Who reaches whom.
#[derive(Default)]
pub struct Ways {
    /// The group of each node: nodes of different groups do not reach each other.
    pub group: Vec<usize>,
    /// What the first says does not reach the second.
    pub muted: BTreeSet<(usize, usize)>,
    /// The first cannot open a connection to the second. What stands is not touched.
    pub shielded: BTreeSet<(usize, usize)>,
}

impl Ways {
    pub fn new(nodes: usize) -> Ways {
        Ways { group: vec![0; nodes], ..Ways::default() }
    }

    /// Whether what `a` says reaches `b`.
    fn reaches(&self, a: usize, b: usize) -> bool {
        self.group[a] == self.group[b] && !self.muted.contains(&(a, b))
    }

    /// Whether a connection between them lives: each side has to hear the other.
    fn carries(&self, a: usize, b: usize) -> bool {
        self.reaches(a, b) && self.reaches(b, a)
    }

    /// Whether `a` can open a connection to `b`.
    fn opens(&self, a: usize, b: usize) -> bool {
        self.carries(a, b) && !self.shielded.contains(&(a, b))
    }
}

impl World<'_> {
    pub(super) fn carry_out(&mut self, n: usize, output: Output) {
        match output {
            Output::Tell { peer, notice } => {
                let Some(&to) = self.keys.get(&peer) else { return };
                let count = if self.members[n].tale.repeats() { 2 } else { 1 };
                if self.members[n].tale.keeps(&notice, &peer) {
                    return;
                }
                for _ in 0..count {
                    if self.is_lost(n, to) {
                        continue;
                    }
                    let (peer, notice) = (self.members[n].key, notice.clone());
                    self.send_in_order(n, to, Input::Told { peer, notice });
                }
            }
            Output::Ask { ask, peer, request, patience, .. } => {
                let Some(&to) = self.keys.get(&peer) else { return };
                let (life, patience) = (self.members[n].life, patience.as_millis() as u64);
                self.asked.insert((n, ask));
                let wait = self.latency();
                self.messages += 1;
                let request = Happening::Request { from: n, life, to, ask, request };
                self.later(patience, Happening::Late { to: n, life, ask });
                if !self.is_lost(n, to) {
                    self.later(wait, request);
                }
            }
            Output::Connect { addresses, key } => self.connect(n, &addresses, key),
            Output::Close { peer, .. } => {
                if let Some(&other) = self.keys.get(&peer) {
                    self.part(n, other);
                }
            }
            Output::Event(Event::Lied { peer, what }) => {
                let Some(&liar) = self.keys.get(&peer) else { return };
                if self.members[n].is_honest {
                    self.lied.insert((n, liar));
                    if self.members[liar].is_honest {
                        let (name, liar) = (&self.members[n].name, &self.members[liar].name);
                        let words = format!("{name} calls {liar} a liar, who is none: {what}");
                        self.failure.get_or_insert(words);
                    }
                }
            }
            Output::Event(_) => {}
        }
    }

    pub(super) fn request(
        &mut self,
        from: usize,
        life: u32,
        to: usize,
        ask: AskId,
        request: &[u8],
    ) {
        let is_connected = self.members[to].connected.contains(&self.members[from].key);
        if self.members[from].life != life || !is_connected {
            return;
        }
        let Some(mut answer) = self.members[to].answer(&self.members[from], request) else {
            return;
        };
        let mut is_false = false;
        if !self.members[to].is_honest {
            is_false = self.members[to].tale.change(request, &mut answer, &mut self.chance);
        }
        if !self.is_lost(to, from) && self.asked.remove(&(from, ask)) {
            if is_false {
                self.lies.insert((from, ask), to);
            }
            self.send(from, Input::Answered { ask, answer: Ok(answer) });
        }
    }

    /// An answer that is false for everybody to see reached somebody: whoever listens names the liar.
    pub(super) fn is_lied_to(&mut self, n: usize, ask: AskId) {
        let Some(liar) = self.lies.remove(&(n, ask)) else { return };
        let is_there = self.members[n].connected.contains(&self.members[liar].key);
        if is_there && self.members[n].is_honest {
            self.deceived.insert((n, liar));
        }
    }

    fn connect(&mut self, from: usize, addresses: &[std::net::SocketAddr], key: Option<PublicKey>) {
        let is_there = |member: &Member| {
            addresses.contains(&member.address) && key.is_none_or(|key| key == member.key)
        };
        let to = self.members.iter().position(is_there);
        let reached = to.filter(|to| {
            self.ways.opens(from, *to)
                && self.members[*to].is_reachable
                && self.members[*to].node.is_some()
                && *to != from
        });
        let Some(to) = reached else {
            let life = self.members[from].life;
            let why = "nobody answers there".to_owned();
            let input = Input::ConnectFailed { key, addresses: addresses.to_vec(), why };
            let failed = Happening::Input { to: from, life, input: Box::new(input) };
            self.later(CONNECT_PATIENCE, failed);
            return;
        };
        let (a, b) = (self.members[from].key, self.members[to].key);
        if self.members[from].connected.contains(&b) {
            return;
        }
        let (near, far) = (self.members[from].address, self.members[to].address);
        self.members[from].connected.insert(b);
        self.members[to].connected.insert(a);
        self.send_in_order(to, from, Input::Joined { peer: b, address: far, outbound: true });
        self.send_in_order(from, to, Input::Joined { peer: a, address: near, outbound: false });
    }

    /// Ends a connection.
    pub(super) fn part(&mut self, a: usize, b: usize) {
        for (one, other) in [(a, b), (b, a)] {
            let peer = self.members[other].key;
            if self.members[one].connected.remove(&peer) {
                self.send_in_order(other, one, Input::Left { peer });
            }
        }
    }

    /// Connections end whose sides have not reached each other for long.
    pub(super) fn fade(&mut self) {
        for a in 0..self.members.len() {
            let peers: Vec<PublicKey> = self.members[a].connected.iter().copied().collect();
            for peer in peers {
                let Some(&b) = self.keys.get(&peer) else { continue };
                let is_mutual = self.members[b].connected.contains(&self.members[a].key);
                if !self.ways.carries(a, b) || !is_mutual || self.members[b].node.is_none() {
                    self.part(a, b);
                }
            }
        }
    }

    /// Sends something to a node that is connected: it arrives after a while.
    fn send(&mut self, to: usize, input: Input) {
        self.messages += 1;
        let (wait, life) = (self.latency(), self.members[to].life);
        self.later(wait, Happening::Input { to, life, input: Box::new(input) });
    }

    /// The same for what concerns a connection: it comes in the order in which it was sent.
    fn send_in_order(&mut self, from: usize, to: usize, input: Input) {
        self.messages += 1;
        let (wait, life) = (self.latency(), self.members[to].life);
        let newest = self.ordered.get(&(from, to)).copied().unwrap_or(0);
        let at = (self.now() + wait).max(newest);
        self.ordered.insert((from, to), at);
        let wait = at - self.now();
        self.later(wait, Happening::Input { to, life, input: Box::new(input) });
    }

    fn latency(&mut self) -> u64 {
        let (from, to) = self.scenario.network.latency;
        self.chance.between(from, to)
    }

    fn is_lost(&mut self, a: usize, b: usize) -> bool {
        !self.ways.reaches(a, b) || self.chance.happens(self.scenario.network.lost)
    }
}
