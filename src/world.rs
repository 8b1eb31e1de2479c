//! A simulated world: real nodes on disks in memory, their real machines, and people, in virtual time.
//!
//! One seed decides everything: how long messages take and which are lost, when disks stop, what liars
//! change. So a run that fails is run again by its seed. After every event the invariants are checked,
//! at the end whether honest nodes agree. What is told here is only what happens; who is there, and
//! when what is done, a [`scenario::Scenario`] says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::Serialize;

use crate::{
    daemon::whole::WholePage,
    governance::Governance,
    id::Id,
    key::PublicKey,
    sync::{AskFailed, AskId, How, Input, Ledger},
};

mod asking;
mod chance;
mod deeds;
mod invariants;
mod lies;
mod member;
mod network;
mod people;
pub mod scenario;

use chance::Chance;
use invariants::{
    Seals, invariant_honest_nodes_converge, invariant_nothing_acknowledged_is_lost,
    invariant_what_is_served_was_signed, invariants,
};
use member::Member;
use network::Ways;
pub use people::Crowd;
use scenario::{Deed, Expectation, Scenario, When};

/// How often nodes look for what is due, ms.
const TICK: u64 = 1_000;
/// How long a connection lives without a sign of the other side, ms (choice, as QUIC's idle timeout).
const IDLE: u64 = 30_000;
/// How long a connection is tried, ms (choice).
const CONNECT_PATIENCE: u64 = 3_000;
/// Events of one run (choice): a run with more does not come to an end.
const EVENTS_MAX: u64 = 20_000_000;

/// What came of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub scenario: String,
    pub seed: u64,
    pub ok: bool,
    /// What did not hold, first.
    pub failure: Option<String>,
    /// Seconds of virtual time.
    pub seconds: u64,
    pub events: u64,
    pub messages: u64,
    pub seals: u64,
    /// Changes that were sealed, on the node that knows most of them.
    pub changes: u64,
    /// Questions that were asked of nodes, and those of them that were answered with records.
    pub questions: u64,
    pub answered: u64,
    /// Pages that honest nodes took over at a seal, each time (N5).
    pub taken_over: u64,
    /// Nodes that were found to lie.
    pub lied: u64,
    /// The command that runs it again.
    pub again: String,
}

/// Runs a scenario with a seed. What `crowd` holds is only remembered, and changes nothing.
pub fn run(name: &str, scenario: &Scenario, seed: u64, crowd: &mut Crowd) -> Outcome {
    let mut world = World::new(scenario, seed, std::mem::take(crowd));
    let result = world.live();
    *crowd = std::mem::take(&mut world.crowd);
    Outcome {
        scenario: name.to_owned(),
        seed,
        ok: result.is_ok(),
        failure: result.err(),
        seconds: world.now() / 1000,
        events: world.events,
        messages: world.messages,
        seals: world.seals.keys().filter(|(_, height)| *height > 0).count() as u64,
        changes: world.changes,
        questions: world.questions,
        answered: world.answered,
        taken_over: world.taken_over(),
        lied: world.lied.iter().map(|(_, liar)| liar).collect::<BTreeSet<_>>().len() as u64,
        again: format!("djdns simulate {name} --seed {seed}"),
    }
}

/// Something that is to happen.
enum Happening {
    Deed(Deed),
    /// Something reaches a node, unless it was started anew meanwhile.
    Input {
        to: usize,
        life: u32,
        input: Box<Input>,
    },
    Request {
        from: usize,
        life: u32,
        to: usize,
        ask: AskId,
        request: Vec<u8>,
    },
    /// No answer came in time.
    Late {
        to: usize,
        life: u32,
        ask: AskId,
    },
    Wake {
        to: usize,
        life: u32,
        at: u64,
    },
    Restart {
        node: usize,
    },
    /// What is expected now, by its place in the scenario.
    Expected(usize),
    Tick,
    /// Connections that have had no sign of life end.
    Fade,
}

struct World<'s> {
    scenario: &'s Scenario,
    chance: Chance,
    ticks: Arc<AtomicU64>,
    members: Vec<Member>,
    keys: BTreeMap<PublicKey, usize>,
    pages: BTreeMap<String, Id>,
    queue: BTreeMap<(u64, u64), Happening>,
    sequence: u64,
    ways: Ways,
    /// When the newest notice of one node to another arrives: they come in order.
    ordered: BTreeMap<(usize, usize), u64>,
    /// Requests that have no answer yet.
    asked: BTreeSet<(usize, AskId)>,
    seals: Seals,
    /// Who found whom to lie.
    lied: BTreeSet<(usize, usize)>,
    /// Answers on their way that are false for everybody to see, by who gets them, with who gives them.
    lies: BTreeMap<(usize, AskId), usize>,
    /// Who was given such a one, by whom.
    deceived: BTreeSet<(usize, usize)>,
    /// Pages that nodes want until they have them.
    wanted: BTreeSet<(usize, String)>,
    /// Changes that were sealed, as far as the nodes that were there all along know.
    changes: u64,
    /// Questions that were asked, and those of them that were answered with records.
    questions: u64,
    answered: u64,
    crowd: Crowd,
    events: u64,
    messages: u64,
    failure: Option<String>,
}

impl<'s> World<'s> {
    fn new(scenario: &'s Scenario, seed: u64, crowd: Crowd) -> World<'s> {
        let ticks = Arc::new(AtomicU64::new(0));
        let members = members(scenario, &ticks, seed);
        let keys = members.iter().enumerate().map(|(n, member)| (member.key, n)).collect();
        World {
            scenario,
            chance: Chance::new(seed),
            ticks,
            keys,
            pages: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            ways: Ways::new(members.len()),
            members,
            ordered: BTreeMap::new(),
            asked: BTreeSet::new(),
            seals: BTreeMap::new(),
            lied: BTreeSet::new(),
            lies: BTreeMap::new(),
            deceived: BTreeSet::new(),
            wanted: BTreeSet::new(),
            changes: 0,
            questions: 0,
            answered: 0,
            crowd,
            events: 0,
            messages: 0,
            failure: None,
        }
    }

    /// Milliseconds since the world began.
    fn now(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    fn live(&mut self) -> Result<(), String> {
        self.begin()?;
        let end = self.scenario.seconds * 1000;
        while let Some(((at, _), happening)) = self.queue.pop_first() {
            if at > end {
                break;
            }
            // Deeds that take long may have moved the time on.
            self.ticks.fetch_max(at, Ordering::Relaxed);
            self.events += 1;
            if self.events > EVENTS_MAX {
                return Err(format!("{EVENTS_MAX} events, and no end"));
            }
            self.happen(happening)?;
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
        }
        self.judge()
    }

    fn begin(&mut self) -> Result<(), String> {
        let mut founded: BTreeMap<&String, WholePage> = BTreeMap::new();
        for (name, plan) in self.scenario.pages.iter().filter(|(_, plan)| !plan.later) {
            let (page, whole) = people::found(plan, people::BEGIN)?;
            self.pages.insert(name.clone(), page.id());
            founded.insert(name, whole);
        }
        for n in 0..self.members.len() {
            self.members[n].start()?;
            let plan = &self.scenario.nodes[&self.members[n].plan];
            for (page, whole) in &founded {
                let is_held = plan.holds.as_ref().is_none_or(|holds| holds.contains(page));
                if let Some(node) = self.members[n].node.as_ref().filter(|_| is_held) {
                    let whole = WholePage { raw: whole.raw.clone(), ..WholePage::default() };
                    let admitted = node.admit_page(whole, &mut |_, _, _| {});
                    admitted.map_err(|failure| failure.message)?;
                    node.view();
                }
            }
            self.members[n].take_changed();
            self.introduce(n);
        }
        let scenario = self.scenario;
        for (name, plan) in scenario.pages.iter().filter(|(_, plan)| !plan.later) {
            self.hosted(name, plan);
        }
        for event in &self.scenario.events {
            let at = match event.at {
                When::At(at) => at * 1000,
                When::Between([from, to]) => self.chance.between(from * 1000, to * 1000),
            };
            for time in 0..u64::from(event.times) {
                self.later(at + time * event.every * 1000, Happening::Deed(event.deed.clone()));
            }
        }
        for (n, expected) in self.scenario.expect.iter().enumerate() {
            expected.at.into_iter().for_each(|at| self.later(at * 1000, Happening::Expected(n)));
        }
        self.later(TICK, Happening::Tick);
        self.later(IDLE, Happening::Fade);
        Ok(())
    }

    /// Tells a node whom it knows.
    fn introduce(&mut self, n: usize) {
        let plan = &self.scenario.nodes[&self.members[n].plan];
        let is_known =
            |other: &&Member| plan.knows.as_ref().is_none_or(|knows| knows.contains(&other.plan));
        let others = self.members.iter().enumerate().filter(|(other, _)| *other != n);
        let known = others.map(|(_, other)| other).filter(is_known);
        let beacons: Vec<_> = known.filter_map(Member::beacon).collect();
        for beacon in beacons {
            self.input_now(n, Input::Found { beacon, how: How::Told });
        }
        self.wake_later(n);
    }

    /// Puts something after so many milliseconds.
    fn later(&mut self, wait: u64, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now() + wait, self.sequence), happening);
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Deed(deed) => self.does(deed)?,
            Happening::Input { to, life, input } => {
                if self.members[to].life == life {
                    if let Input::Answered { ask, .. } = &*input {
                        self.is_lied_to(to, *ask);
                    }
                    self.input_now(to, *input);
                }
            }
            Happening::Request { from, life, to, ask, request } => {
                self.request(from, life, to, ask, &request);
            }
            Happening::Late { to, life, ask } => {
                if self.asked.remove(&(to, ask)) && self.members[to].life == life {
                    let answer = Err(AskFailed::TimedOut);
                    self.input_now(to, Input::Answered { ask, answer });
                }
            }
            Happening::Wake { to, life, at } => {
                // Of several that are on their way only the earliest counts.
                if self.members[to].life == life && self.members[to].waking == Some(at) {
                    self.members[to].waking = None;
                    self.input_now(to, Input::Wake);
                }
            }
            Happening::Restart { node } => self.restart(node)?,
            Happening::Expected(n) => self.is_so(&self.scenario.expect[n])?,
            Happening::Tick => {
                for n in 0..self.members.len() {
                    if let Some(node) = self.members[n].node.clone() {
                        node.seal_due();
                        self.settle(n);
                    }
                }
                self.later(TICK, Happening::Tick);
            }
            Happening::Fade => {
                self.fade();
                self.later(IDLE, Happening::Fade);
            }
        }
        Ok(())
    }

    /// Hands something to a node's machine, and does what that says.
    fn input_now(&mut self, n: usize, input: Input) {
        let now = self.now();
        let outputs = self.members[n].handle(now, input);
        outputs.into_iter().for_each(|output| self.carry_out(n, output));
        self.settle(n);
        self.wake_later(n);
    }

    fn wake_later(&mut self, n: usize) {
        let Some(at) = self.members[n].machine.wake_at() else { return };
        let member = &mut self.members[n];
        if member.node.is_none() || member.waking.is_some_and(|waking| waking <= at) {
            return;
        }
        member.waking = Some(at);
        let life = member.life;
        let wait = at.saturating_sub(self.now()).max(1);
        self.later(wait, Happening::Wake { to: n, life, at });
    }

    /// Looks at what changed on a node: tells its machine, and checks what must hold.
    fn settle(&mut self, n: usize) {
        let changed = self.members[n].take_changed();
        for page in changed {
            if self.members[n].is_honest
                && let Err(failure) = invariants(&mut self.members[n], &page, &mut self.seals)
            {
                self.failure.get_or_insert(failure);
                return;
            }
            let now = self.now();
            let outputs = self.members[n].handle(now, Input::Changed { page });
            outputs.into_iter().for_each(|output| self.carry_out(n, output));
        }
        if self.members[n].disk.has_crashed() && self.members[n].node.is_some() {
            self.crash(n);
        }
    }

    /// Its disk stopped, and the node with it.
    fn crash(&mut self, n: usize) {
        if let Err(failure) = self.members[n].survives() {
            self.failure.get_or_insert(failure);
        }
        let survivals: Vec<_> = crate::store::fake::Survival::all().collect();
        let chosen = self.scenario.survival.and_then(|chosen| survivals.get(chosen));
        let survival = chosen.or(self.chance.one_of(&survivals)).copied();
        self.halt(n, survival);
    }

    fn halt(&mut self, n: usize, survival: Option<crate::store::fake::Survival>) {
        self.members[n].stop(survival);
        self.asked.retain(|(asker, _)| *asker != n);
        let key = self.members[n].key;
        for other in 0..self.members.len() {
            if self.members[other].connected.contains(&key) {
                self.part(other, n);
            }
        }
    }

    fn restart(&mut self, n: usize) -> Result<(), String> {
        if self.members[n].node.is_some() {
            // The crash was waited for in vain: nothing was written meanwhile.
            self.halt(n, None);
            self.members[n].disk = self.members[n].disk.reboot(crate::store::fake::Survival {
                bytes: crate::store::fake::Bytes::Kept,
                names: crate::store::fake::Names::Kept,
            });
        }
        if self.scenario.nodes[&self.members[n].plan].forgets {
            self.members[n].forget();
            self.lied.retain(|(finder, _)| *finder != n);
            self.deceived.retain(|(deceived, _)| *deceived != n);
        }
        self.members[n].start()?;
        if let Some(node) = self.members[n].node.clone() {
            node.view();
            invariant_nothing_acknowledged_is_lost(&self.members[n], &node)?;
        }
        self.members[n].take_changed();
        match self.scenario.nodes[&self.members[n].plan].forgets {
            true => self.wake_later(n),
            false => self.introduce(n),
        }
        self.want_again(n);
        Ok(())
    }

    /// Changes that were sealed, by the logs of honest nodes that took no page over at a seal.
    fn count_changes(&self) -> u64 {
        let mut most: BTreeMap<Id, u64> = BTreeMap::new();
        for member in self.members.iter().filter(|member| member.is_honest) {
            for page in member.node.iter().flat_map(|node| Ledger::pages(&**node)) {
                let count = member.node.as_ref().map_or(0, |node| invariants::sealed(node, &page));
                let most = most.entry(page).or_default();
                *most = count.max(*most);
            }
        }
        most.values().sum()
    }

    fn taken_over(&self) -> u64 {
        let honest = self.members.iter().filter(|member| member.is_honest);
        let nodes = honest.filter_map(|member| member.node.as_deref());
        nodes.map(invariants::taken_over).sum()
    }

    /// What must be so at the end.
    fn judge(&mut self) -> Result<(), String> {
        let honest: Vec<&Member> = self.members.iter().filter(|member| member.is_honest).collect();
        for member in &honest {
            if let Some(node) = &member.node {
                invariant_nothing_acknowledged_is_lost(member, node)?;
            }
            invariant_what_is_served_was_signed(member)?;
        }
        self.changes = self.count_changes();
        let groups: BTreeSet<usize> = self.ways.group.iter().copied().collect();
        for group in groups {
            let here = self.members.iter().enumerate();
            let here = here.filter(|(n, member)| self.ways.group[*n] == group && member.is_honest);
            let here: Vec<&Member> = here.map(|(_, member)| member).collect();
            invariant_honest_nodes_converge(&here)?;
        }
        self.liars_are_shut_out()?;
        self.scenario
            .expect
            .iter()
            .filter(|one| one.at.is_none())
            .try_for_each(|one| self.is_so(one))
    }

    /// Whether what is expected is so on every honest node.
    fn is_so(&self, expected: &Expectation) -> Result<(), String> {
        let mut honest = self.members.iter().filter(|member| member.is_honest);
        let is_so = honest.try_for_each(|member| self.expected(member, expected));
        is_so.map_err(|why| match expected.at {
            Some(at) => format!("{why}, {at} seconds in"),
            None => why,
        })
    }

    /// Whoever was given what is false for everybody to see has named the liar, and nobody keeps one
    /// whom they named (T5).
    fn liars_are_shut_out(&self) -> Result<(), String> {
        if let Some((n, liar)) = self.deceived.difference(&self.lied).next() {
            let (name, liar) = (&self.members[*n].name, &self.members[*liar].name);
            return Err(format!("{name} was lied to by {liar}, and did not notice"));
        }
        for (n, liar) in &self.lied {
            let (member, liar) = (&self.members[*n], &self.members[*liar]);
            let is_kept = member.machine.peers().iter().any(|peer| peer.key == liar.key);
            if is_kept || member.machine.refuses(&liar.key).is_none() {
                return Err(format!("{} keeps the liar {}", member.name, liar.name));
            }
        }
        Ok(())
    }

    /// Whom a node has among its peers although some honest node found it to lie.
    fn kept_liar(&self, member: &Member) -> Option<&Member> {
        let peers = member.machine.peers();
        let mut liars = self.lied.iter().map(|(_, liar)| &self.members[*liar]);
        liars.find(|liar| peers.iter().any(|peer| peer.key == liar.key))
    }

    fn expected(&self, member: &Member, expected: &Expectation) -> Result<(), String> {
        let name = &member.name;
        if expected.nodes.as_ref().is_some_and(|nodes| !nodes.contains(&member.plan)) {
            return Ok(());
        }
        if let Some(liar) = self.kept_liar(member).filter(|_| expected.alone) {
            return Err(format!("{name} keeps {}, whom another found to lie", liar.name));
        }
        let page = self.pages.get(&expected.page).and_then(|id| member.node.as_ref()?.page(id));
        let Some(page) = page else { return Err(format!("{name} lacks {}", expected.page)) };
        let height = page.page().height();
        if expected.height.is_some_and(|least| height < least) {
            return Err(format!("{name} ends at height {height}"));
        }
        if expected.height_max.is_some_and(|most| height > most) {
            return Err(format!("{name} is at height {height}"));
        }
        if let Some(word) = &expected.owner {
            let owner = people::owner(&page, word)?;
            let sets = page.ratified(&owner).0;
            let is_so = match expected.address {
                Some(address) => people::has_address(&sets, address),
                None => sets.is_empty(),
            };
            if !is_so {
                let address = expected.address.map_or("nothing".to_owned(), |a| a.to_string());
                return Err(format!("{name} does not serve {address} for {word}"));
            }
        }
        Ok(())
    }

    /// The page as a node has it.
    fn page_at(&self, n: usize, page: &str) -> Option<Governance> {
        self.members[n].node.as_ref()?.page(self.pages.get(page)?)
    }
}

fn members(scenario: &Scenario, ticks: &Arc<AtomicU64>, seed: u64) -> Vec<Member> {
    let mut members = Vec::new();
    for (name, plan) in &scenario.nodes {
        for n in 1..=plan.count.unwrap_or(1) {
            let own = match plan.count {
                Some(_) => format!("{name}{n}"),
                None => name.clone(),
            };
            let number = members.len() as u32 + 1;
            let mut member = Member::new(&own, number, ticks, plan.skew, seed);
            member.plan.clone_from(name);
            // Only the first of several is where people speak.
            member.people = if n == 1 { plan.people.clone() } else { Vec::new() };
            member.is_reachable = !plan.unreachable;
            member.is_honest = plan.lies.is_empty();
            member.tale.lies.clone_from(&plan.lies);
            members.push(member);
        }
    }
    members
}
