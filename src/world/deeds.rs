//! What people do in a simulated world, and what is done to nodes.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};

use super::{
    Happening, World,
    lies::KeptFrom,
    member::Member,
    network::Ways,
    people::{self, BEGIN},
    scenario::{Deed, PagePlan},
};
use crate::{
    beacon::Beacon,
    daemon::node::Node,
    governance::{
        Governance,
        ballot::Choice,
        operation::{Operation, Register},
        statement::Statement,
    },
    id::Id,
    key::SecretKey,
    page::{entry::RecordSet, name::Owner},
    sync::{Input, Want},
};

/// How long somebody waits for what they want to vote on, ms.
const LOOK_AGAIN: u64 = 1_000;
/// The disk stops at one of so many next writes (choice).
const CRASH_WRITES: u64 = 24;
/// Of a write that is not finished at most so many bytes are there (choice).
const CRASH_BYTES: u64 = 400;
/// Owners that change in turn in one round after the other (choice: as many rounds as fit between two
/// seals, and more).
const ROUND_OWNERS: u32 = 16;
/// Seconds between two seals of a page that ages: its interval, and a second.
const AGE_STEP: u64 = 61;

impl World<'_> {
    pub(super) fn does(&mut self, deed: Deed) -> Result<(), String> {
        match &deed {
            Deed::Propose { by, page, owner, address } => {
                let Some(node) = self.running_node_of(by) else {
                    self.later(LOOK_AGAIN, Happening::Deed(deed));
                    return Ok(());
                };
                let proposed = |page: &Governance, key: &SecretKey, sequence| {
                    let at = people::owner(page, owner)?;
                    propose(page, (&node, key), sequence, &at, people::addressed(*address))
                };
                self.says(by, page, proposed, &deed)
            }
            Deed::Vote { by, page, owner, address, reject } => {
                let choice = if *reject { Choice::Reject } else { Choice::Approve };
                let voted = |page: &Governance, key: &SecretKey, sequence| {
                    let at = people::owner(page, owner)?;
                    if people::has_address(&page.ratified(&at).0, *address) && !*reject {
                        return Ok(Some(Vec::new()));
                    }
                    let Some(target) = proposed(page, &at, *address) else { return Ok(None) };
                    let ballot = people::ballot(key, sequence, vec![(target, choice)]);
                    sign(page, ballot, key).map(|said| Some(vec![said]))
                };
                self.says(by, page, voted, &deed)
            }
            Deed::Host { by, page, node } => {
                let Some(host) = self.members.iter().find(|member| member.plan == *node) else {
                    return Ok(());
                };
                let (host_key, beacon) = (host.key.raw(), host.beacon());
                let hosted = |page: &Governance, key: &SecretKey, sequence| {
                    let named = |presence: &mut crate::governance::presence::Presence| {
                        presence.node = vec![host_key];
                        presence.beacons = beacon.iter().map(Beacon::to_string).collect();
                    };
                    let presence = people::presence(page, key, named, sequence);
                    sign(page, presence, key).map(|said| Some(vec![said]))
                };
                self.says(by, page, hosted, &deed)
            }
            Deed::Lend { by, page, to } => {
                let lent = |page: &Governance, key: &SecretKey, sequence| {
                    let to = people::key(to);
                    let lend = |presence: &mut _| people::lend_all(presence, &to);
                    let presence = people::presence(page, key, lend, sequence);
                    sign(page, presence, key).map(|said| Some(vec![said]))
                };
                self.says(by, page, lent, &deed)
            }
            Deed::Contradict { by, page, owner, address, node, keys } => {
                self.contradict(by, page, owner, *address, node, *keys)
            }
            Deed::Age { by, page, seals } => self.age(by, page, *seals),
            Deed::Rounds { by, page, owner, count, seconds } => {
                self.rounds(by, page, owner, *count, *seconds);
                Ok(())
            }
            Deed::Found { by, page } => self.founds(by, page, &deed),
            Deed::Link { by, page, to } => self.links(by, page, to, &deed),
            Deed::Fetch { node, page } => {
                for n in self.planned(node) {
                    self.wanted.insert((n, page.clone()));
                    self.want(n, page, Want::Anchor);
                }
                Ok(())
            }
            Deed::Part { groups } => {
                for (n, member) in self.members.iter().enumerate() {
                    let group = groups.iter().position(|group| group.contains(&member.plan));
                    self.ways.group[n] = group.unwrap_or(groups.len());
                }
                Ok(())
            }
            Deed::Mute { nodes, towards } => {
                let pairs = self.pairs(nodes, towards);
                self.ways.muted.extend(pairs);
                Ok(())
            }
            Deed::Shield { nodes, from } => {
                let pairs = self.pairs(from, nodes);
                self.ways.shielded.extend(pairs);
                Ok(())
            }
            Deed::Heal {} => {
                self.ways = Ways::new(self.members.len());
                Ok(())
            }
            Deed::Clock { node, seconds } => {
                self.planned(node).into_iter().for_each(|n| self.members[n].jump(*seconds));
                Ok(())
            }
            Deed::Withhold { node, from } => {
                let these = from.iter().flat_map(|plan| self.planned(plan));
                let these: BTreeSet<_> = these.map(|n| self.members[n].key).collect();
                let kept = if from.is_empty() { KeptFrom::All } else { KeptFrom::These(these) };
                self.keeps(node, Some(&kept));
                Ok(())
            }
            Deed::Reveal { node } => {
                self.keeps(node, None);
                Ok(())
            }
            Deed::Crash { node, again } => {
                for n in self.planned(node) {
                    let at = self.chance.below(CRASH_WRITES) as usize;
                    let bytes = self.chance.below(CRASH_BYTES) as usize;
                    self.members[n].disk.crash_at(at, bytes);
                    self.later(again * 1000, Happening::Restart { node: n });
                }
                Ok(())
            }
            Deed::Stop { node, again } => {
                for n in self.planned(node) {
                    self.halt(n, Some(kept()));
                    self.later(again * 1000, Happening::Restart { node: n });
                }
                Ok(())
            }
            Deed::Ask { page, owner } => self.asks(page, owner),
        }
    }

    /// The nodes of a plan.
    fn planned(&self, plan: &str) -> Vec<usize> {
        let members = self.members.iter().enumerate();
        members.filter(|(_, member)| member.plan == plan).map(|(n, _)| n).collect()
    }

    /// Every one of these with every one of those.
    fn pairs(&self, these: &[String], those: &[String]) -> Vec<(usize, usize)> {
        let all = |plans: &[String]| -> Vec<usize> {
            plans.iter().flat_map(|plan| self.planned(plan)).collect()
        };
        let those = all(those);
        let pairs = all(these).into_iter().flat_map(|a| those.iter().map(move |b| (a, *b)));
        pairs.collect()
    }

    /// From now on a node keeps ballots from these, or from nobody: it stands elsewhere at once.
    fn keeps(&mut self, node: &str, from: Option<&KeptFrom>) {
        for n in self.planned(node) {
            self.members[n].tale.kept = from.cloned();
            self.members[n].is_honest = false;
            for page in self.pages.values().copied().collect::<Vec<_>>() {
                self.input_now(n, Input::Changed { page });
            }
        }
    }

    /// The node at which a person speaks.
    fn node_of(&self, person: &str) -> Option<usize> {
        self.members.iter().position(|member| member.people.iter().any(|one| one == person))
    }

    /// The same, while it runs.
    fn running_node_of(&self, person: &str) -> Option<Arc<Node>> {
        self.members[self.node_of(person)?].node.clone()
    }

    /// Somebody says something at their node. What they cannot say yet is tried again.
    fn says(
        &mut self,
        person: &str,
        page: &str,
        say: impl FnOnce(&Governance, &SecretKey, u64) -> Result<Option<Vec<Statement>>, String>,
        deed: &Deed,
    ) -> Result<(), String> {
        let Some(n) = self.node_of(person) else { return Ok(()) };
        let (node, held) = (self.members[n].node.clone(), self.page_at(n, page));
        let said = match (&node, &held) {
            (Some(node), Some(held)) => {
                let key = people::key(person);
                let sequence = node.milliseconds().max(held.next_sequence(&key.public()));
                say(held, &key, sequence)?
            }
            _ => None,
        };
        let is_taken = match (&node, said) {
            (Some(node), Some(said)) => self.submit(n, node, &said),
            _ => false,
        };
        if !is_taken {
            self.later(LOOK_AGAIN, Happening::Deed(deed.clone()));
        }
        self.settle(n);
        Ok(())
    }

    /// Hands statements in. Those that were taken are never to be lost.
    fn submit(&mut self, n: usize, node: &Node, said: &[Statement]) -> bool {
        if node.submit(said).is_err() {
            return false;
        }
        if let Some(first) = said.first() {
            let ids = said.iter().map(Statement::id);
            self.members[n].acknowledged.entry(first.page()).or_default().extend(ids);
        }
        true
    }

    /// One change after the other: of so many owners that the one before at the same owner was sealed.
    fn rounds(&mut self, by: &[String], page: &str, owner: &str, count: u32, seconds: u64) {
        for n in 0..count {
            let wait = u64::from(n) * seconds * 1000;
            let owner = format!("{owner}{}", n % ROUND_OWNERS);
            let address = Ipv4Addr::from(0x0a03_0000 + n);
            let first = n as usize % by.len().max(1);
            for (at, person) in by.iter().enumerate() {
                let (by, page, owner) = (person.clone(), page.to_owned(), owner.clone());
                let deed = match at == first {
                    true => Deed::Propose { by, page, owner, address },
                    false => Deed::Vote { by, page, owner, address, reject: false },
                };
                self.later(wait + u64::from(at != first), Happening::Deed(deed));
            }
        }
    }

    /// Somebody founds a page at their node, and its people name the node that seals it.
    fn founds(&mut self, by: &str, page: &str, deed: &Deed) -> Result<(), String> {
        let plan = &self.scenario.pages[page];
        let Some(n) = self.node_of(by) else { return Ok(()) };
        let begin = BEGIN + self.now() / 1000;
        let (founded, whole) = people::found(plan, begin)?;
        let node = self.members[n].node.clone();
        if node.is_none_or(|node| node.admit_page(whole, &mut |_, _, _| {}).is_err()) {
            self.later(LOOK_AGAIN, Happening::Deed(deed.clone()));
        } else {
            self.pages.insert(page.to_owned(), founded.id());
            self.hosted(page, plan);
        }
        self.settle(n);
        Ok(())
    }

    /// The people of a page name the node that seals it, as soon as they can.
    pub(super) fn hosted(&mut self, name: &str, plan: &PagePlan) {
        for (person, node) in plan.power.keys().zip(plan.sealed_by.iter().cycle()) {
            let (by, page, node) = (person.clone(), name.to_owned(), node.clone());
            self.later(0, Happening::Deed(Deed::Host { by, page, node }));
        }
    }

    /// Somebody proposes a link to a page, with where one of its hosts is.
    fn links(&mut self, by: &str, page: &str, to: &str, deed: &Deed) -> Result<(), String> {
        let Some(id) = self.pages.get(to).copied() else {
            self.later(LOOK_AGAIN, Happening::Deed(deed.clone()));
            return Ok(());
        };
        let plan = &self.scenario.pages[to];
        let (host, name) = (plan.sealed_by.as_ref(), plan.name.as_str());
        let host = host.and_then(|host| self.members.iter().find(|m| m.plan == *host));
        let beacon = host.and_then(Member::beacon).map(|beacon| beacon.to_string());
        let Some(node) = self.running_node_of(by) else {
            self.later(LOOK_AGAIN, Happening::Deed(deed.clone()));
            return Ok(());
        };
        let linked = |page: &Governance, key: &SecretKey, sequence| {
            let label = name.split('.').next().unwrap_or(name);
            let at = people::owner(page, label)?;
            propose(page, (&node, key), sequence, &at, people::linked(&id, beacon.clone()))
        };
        self.says(by, page, linked, deed)
    }

    /// Somebody signs what contradicts itself: two operations in one slot, two ballots with one number.
    fn contradict(
        &mut self,
        person: &str,
        page: &str,
        owner: &str,
        address: Ipv4Addr,
        node: &str,
        keys: u32,
    ) -> Result<(), String> {
        for n in self.planned(node) {
            let Some(held) = self.page_at(n, page) else { continue };
            let (id, at) = (held.page().id(), people::owner(&held, owner)?);
            let (key, now) = (people::key(person), BEGIN + self.now() / 1000);
            let other = Ipv4Addr::from(u32::from(address) + 1);
            let operations = [address, other].map(|address| {
                people::sign_unchecked(
                    &id,
                    &people::operation((&held, now), &key, 0, &at, people::addressed(address)),
                    &key,
                )
            });
            let honest: Vec<Id> = held.proposals().map(|one| one.statement().id()).collect();
            let [first, second] = [operations[0].0, operations[1].0];
            let rows = |mine: Choice, theirs: Choice| {
                let theirs = honest.iter().map(move |id| (*id, theirs));
                theirs.chain([(first, mine), (second, mine)]).collect::<Vec<_>>()
            };
            // The number is the highest there is: nothing that is said later outranks it.
            let sequence = u64::from(u32::MAX) << 16;
            let ballots = [
                people::ballot(&key, sequence, rows(Choice::Approve, Choice::Reject)),
                people::ballot(&key, sequence, rows(Choice::Reject, Choice::Approve)),
                people::ballot(&key, sequence - 1, rows(Choice::Approve, Choice::Approve)),
            ];
            let ballots = ballots.map(|ballot| people::sign_unchecked(&id, &ballot, &key));
            let crowd = self.crowd.approvals(&id, person, keys, &first);
            let more = self.members[n].tale.more.entry(id).or_default();
            more.extend(operations.into_iter().chain(ballots).chain(crowd.iter().cloned()));
            // It speaks of what its page would not take.
            self.members[n].is_honest = false;
            self.input_now(n, Input::Changed { page: id });
        }
        Ok(())
    }

    /// Seals pass, each with a change that all who speak at that node approve: time goes on with them.
    fn age(&mut self, person: &str, page: &str, seals: u64) -> Result<(), String> {
        let Some(n) = self.node_of(person) else { return Ok(()) };
        for step in 0..seals {
            let moved = self.now() + AGE_STEP * 1000;
            self.ticks.store(moved, std::sync::atomic::Ordering::Relaxed);
            let (Some(node), Some(held)) = (self.members[n].node.clone(), self.page_at(n, page))
            else {
                return Ok(());
            };
            let key = people::key(person);
            let at = people::owner(&held, "aged")?;
            let address = Ipv4Addr::from(0x0a00_0000 + step as u32);
            let sequence = node.milliseconds().max(held.next_sequence(&key.public()));
            let (speaker, sets) = ((&*node, &key), people::addressed(address));
            if let Some(mut said) = propose(&held, speaker, sequence, &at, sets)? {
                let target = said[0].id();
                for other in self.members[n].people.iter().filter(|other| *other != person) {
                    let (key, rows) = (people::key(other), vec![(target, Choice::Approve)]);
                    said.push(sign(&held, people::ballot(&key, sequence, rows), &key)?);
                }
                self.submit(n, &node, &said);
            }
            node.seal_due();
        }
        self.settle(n);
        Ok(())
    }
}

/// What is left of a disk that was stopped in order.
fn kept() -> crate::store::fake::Survival {
    use crate::store::fake::{Bytes, Names, Survival};
    Survival { bytes: Bytes::Kept, names: Names::Kept }
}

/// An operation and its author's approval, in a free slot of their node; none if there is no slot.
fn propose(
    page: &Governance,
    (node, key): (&Node, &SecretKey),
    sequence: u64,
    owner: &Owner,
    sets: Vec<RecordSet>,
) -> Result<Option<Vec<Statement>>, String> {
    let base = page.base(&key.public(), node.now());
    let [slots, _] = page.free_slots_at(&node.key(), &key.public(), &base, [1, 0]);
    let Some(slot) = slots.first().copied() else { return Ok(None) };
    let operation = sign(page, people::operation((page, node.now()), key, slot, owner, sets), key)?;
    let rows = vec![(operation.id(), Choice::Approve)];
    let ballot = sign(page, people::ballot(key, sequence, rows), key)?;
    Ok(Some(vec![operation, ballot]))
}

/// The operation that gives an owner this address, if it is open.
fn proposed(page: &Governance, owner: &Owner, address: Ipv4Addr) -> Option<Id> {
    let register = Register::Entry(owner.clone());
    let names = |operation: &Operation| operation.change.register() == register;
    let found = page.proposals().find(|one| {
        names(one.operation()) && one.sets().is_some_and(|sets| people::has_address(sets, address))
    });
    found.map(|one| one.statement().id())
}

fn sign(
    page: &Governance,
    body: crate::governance::statement::Body,
    key: &SecretKey,
) -> Result<Statement, String> {
    Statement::sign(&page.page().id(), body, key).map_err(|refusal| refusal.to_string())
}
