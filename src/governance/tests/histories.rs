//! Random histories: whatever people say and nodes seal, in whatever order it comes to a copy.
//!
//! One node seals alone. `alice` is its page. `bob` misses much of what is said until after each
//! seal; two others replay the seals from a log, with and without checking them.

use std::collections::BTreeMap;

use proptest::{strategy::ValueTree, test_runner::TestRunner};

use super::{sealing::node, *};
use crate::{
    governance::{past::Outcome, presence::Presence, seal::SealRecord},
    key::RawKey,
};

mod jumps;

/// People in these histories; the first four take part from the start.
const PEOPLE: u8 = 6;

/// What somebody does; indices are taken modulo what there is.
#[derive(Clone, Debug)]
enum Deed {
    Set {
        author: u8,
        slot: u32,
        at: u8,
        on: usize,
        value: u8,
    },
    Link {
        author: u8,
        slot: u32,
        on: usize,
        to: u8,
    },
    Order {
        author: u8,
        slot: u32,
        on: usize,
        what: u8,
        who: u8,
        power: u32,
    },
    Batch {
        author: u8,
        slot: u32,
        of: Vec<usize>,
    },
    Vote {
        voter: u8,
        sequence: u64,
        rows: Vec<(usize, u8)>,
    },
    /// Everybody approves what was proposed last but so many.
    Acclaim {
        of: usize,
    },
    Presence {
        who: u8,
        sequence: u64,
        away: Vec<(u8, u16)>,
        until: u64,
    },
    Seal {
        after: u64,
    },
}

fn deed() -> impl Strategy<Value = Deed> {
    use prop::collection::vec;
    let (who, slot, index) = (0..PEOPLE, 0u32..4, 0usize..64);
    let day = 24 * 3600u64;
    prop_oneof![
        6 => (who.clone(), slot.clone(), 0u8..5, index.clone(), 0u8..4)
            .prop_map(|(author, slot, at, on, value)| Deed::Set { author, slot, at, on, value }),
        2 => (who.clone(), slot.clone(), index.clone(), 0u8..3)
            .prop_map(|(author, slot, on, to)| Deed::Link { author, slot, on, to }),
        3 => (who.clone(), slot, index.clone(), 0u8..8, who.clone(), 1u32..6).prop_map(
            |(author, slot, on, what, who, power)| Deed::Order { author, slot, on, what, who, power }
        ),
        1 => (who.clone(), 0u32..2, vec(index.clone(), 1..4))
            .prop_map(|(author, slot, of)| Deed::Batch { author, slot, of }),
        4 => (who.clone(), 1u64..6, vec((index.clone(), 0u8..6), 1..4))
            .prop_map(|(voter, sequence, rows)| Deed::Vote { voter, sequence, rows }),
        8 => (0usize..6).prop_map(|of| Deed::Acclaim { of }),
        2 => (who.clone(), 0u64..3, vec((who, 1u16..5000), 0..3), 0u64..40)
            .prop_map(move |(who, sequence, away, until)| Deed::Presence {
                who, sequence, away, until: until * day,
            }),
        3 => prop_oneof![1 => Just(0u64), 6 => 60..day, 1 => 10 * day..40 * day]
            .prop_map(|after| Deed::Seal { after }),
    ]
}

/// What happened, in order.
enum Event {
    Said(Statement),
    Sealed(Box<SealRecord>),
}

/// A page and all that was said to it, admitted or not.
struct History {
    page: Governance,
    /// Whether authors put nothing into a slot that is taken, as the commands do.
    is_honest: bool,
    said: Vec<Statement>,
    events: Vec<Event>,
}

fn raw(who: u8) -> RawKey {
    key(who).public().raw()
}

fn founded() -> Governance {
    let roster = roster_rows([(0, 3), (1, 2), (2, 2), (3, 1)].map(|(n, p)| (key(n).public(), p)));
    let parameters = Parameters { open_operations_max: 4, ..Parameters::default() };
    let genesis = RawGenesis::new(name(), roster, parameters, 1, Id::ZERO);
    let contents = [(owner("brick"), a(1)), (owner("sub"), link(1))];
    Governance::new(Page::found(genesis, contents).unwrap().0)
}

impl History {
    fn new(is_honest: bool) -> History {
        let (said, events) = (Vec::new(), Vec::new());
        let mut history = History { page: founded(), is_honest, said, events };
        (0..PEOPLE).for_each(|who| history.appoint(who));
        history
    }

    /// Names the node for this seat, if there is one.
    fn appoint(&mut self, who: u8) {
        let sequence = self.page.next_presence(&key(who).public());
        let presence = Presence::new(raw(who), sequence);
        self.present(who, presence);
    }

    fn present(&mut self, who: u8, mut presence: Presence) {
        presence.node = vec![node().public().raw()];
        presence.joined_by = self.page.joined_by(&key(who).public()).into_iter().collect();
        let body = Body::Presence(presence);
        self.say(Statement::sign(&self.page.page().id(), body, &key(who)).unwrap());
    }

    fn say(&mut self, statement: Statement) {
        let seen = whole_picture(&self.page);
        let mut next = self.page.clone();
        let is_taken = next.admit(&statement).is_ok();
        // What an honest author's own copy refuses is told to nobody, and leaves nothing there.
        if is_taken || !self.is_honest {
            self.page = next;
        }
        if is_taken {
            invariants(&self.page);
        } else {
            assert_eq!(seen, whole_picture(&self.page));
        }
        let is_new = !self.said.contains(&statement);
        // Nobody builds on what an honest author's own copy refused.
        if is_new && (is_taken || !self.is_honest) {
            self.said.push(statement.clone());
        }
        // What was refused at first may be taken when it is said again, under another roster.
        if is_taken || is_new && !self.is_honest {
            self.events.push(Event::Said(statement));
        }
    }

    fn takes_part(&self, who: u8) -> bool {
        self.page.page().roster().power(&key(who).public()).is_some()
    }

    /// One of the versions of a register: the sealed one, that to build on, or an operation.
    fn version(&self, register: &Register, on: usize) -> Id {
        let made = self.said.iter().filter_map(|s| Some((s.id(), s.as_operation()?)));
        let made = made.filter(|(_, op)| op.change.register() == *register).map(|(id, _)| id);
        let sealed = self.page.sealed_version(register);
        let newest = self.page.version(register);
        let mut versions: Vec<Id> = [sealed, sealed, sealed, newest, sealed, newest].into();
        versions.extend(made);
        versions[on % versions.len()]
    }

    /// The slot that an author takes: of the honest one that is free, if any.
    fn slot(&self, author: u8, slot: u32) -> Option<u32> {
        let free = self.page.free_slots(&key(author).public(), 1);
        if self.is_honest { free.first().copied() } else { Some(slot) }
    }

    fn act(&mut self, deed: &Deed) {
        match deed {
            Deed::Set { author, slot, at, on, value } => {
                let at = ["brick", "brick", "sub", "fresh", "brick"][usize::from(*at)];
                let parent = self.version(&Register::Entry(owner(at)), *on);
                let sets = [RecordSets::NONE, a(*value), link(1), link(2)];
                let sets = sets[usize::from(*value)].clone();
                let Some(slot) = self.slot(*author, *slot) else { return };
                self.say(set(&self.page, *author, slot, at, parent, sets));
            }
            Deed::Link { author, slot, on, to } => {
                let parent = self.version(&Register::Entry(owner("sub")), *on);
                let page = (*to > 0).then(|| Id::hash(&[&[*to]])).into_iter().collect();
                let change = Change::SetLink(SetLink { owner: owner("sub"), parent, page });
                let Some(slot) = self.slot(*author, *slot) else { return };
                self.say(operation(&self.page, *author, slot, change));
            }
            Deed::Order { author, slot, on, what, who, power } => {
                let parent = self.version(&Register::Roster, *on);
                let change = self.order(*what, *who, *power);
                let change = Change::SetRoster(SetRoster { parent, change });
                let Some(slot) = self.slot(*author, *slot) else { return };
                self.say(operation(&self.page, *author, slot, change));
            }
            Deed::Batch { author, slot, of } => {
                let free = self.page.free_batch_slots(&key(*author).public(), 1);
                let slot = if self.is_honest { free[0] } else { *slot };
                if let Some(rows) = pick(&self.said, of, Kind::Operation) {
                    self.say(batch(&self.page, *author, slot, &rows));
                }
            }
            Deed::Vote { voter, sequence, rows } => {
                let of: Vec<usize> = rows.iter().map(|(n, _)| *n).collect();
                let kind = if of[0].is_multiple_of(3) { Kind::Batch } else { Kind::Operation };
                let Some(picked) = pick(&self.said, &of, kind) else { return };
                let choice =
                    |n: u8| [Approve, Approve, Approve, Reject, Reject, Withdraw][usize::from(n)];
                let rows: Vec<_> =
                    picked.iter().zip(rows).map(|(id, (_, n))| (*id, choice(*n))).collect();
                self.say(ballot(&self.page, *voter, *sequence, &rows));
            }
            Deed::Acclaim { of } => self.acclaim(*of),
            Deed::Presence { who, sequence, away, until } => {
                let newest = self.page.next_presence(&key(*who).public());
                let away: BTreeMap<RawKey, u16> = away
                    .iter()
                    .filter(|(to, _)| to != who)
                    .map(|(to, bp)| (raw(*to), *bp))
                    .collect();
                let mut away: Vec<_> = away.into_iter().collect();
                // Two of three give everything, so that the last row takes the remainder.
                if let Some((_, last)) = away.last_mut().filter(|_| *until % 3 > 0) {
                    *last = 0;
                    let lent: u16 = away.iter().map(|(_, bp)| bp).sum();
                    away.last_mut().unwrap().1 = 10_000 - lent;
                }
                let until = if away.is_empty() { 0 } else { *until };
                let sequence = newest.saturating_sub(*sequence).max(1);
                self.present(*who, Presence { away, until, ..Presence::new(raw(*who), sequence) });
            }
            Deed::Seal { after } => self.seal(*after),
        }
    }

    fn order(&self, what: u8, who: u8, power: u32) -> RosterChange {
        let (id, key_of) = (self.page.page().id(), raw(who));
        let acceptance = accept(&id, &key(who));
        let stranger = (0..PEOPLE).find(|who| !self.takes_part(*who)).unwrap_or(who);
        match what {
            0 | 1 => RosterChange::Add(NewParticipant { key: key_of, power, acceptance }),
            2 | 3 => RosterChange::Remove(key_of),
            4 => RosterChange::SetPower(Power { key: key_of, power }),
            5 => {
                let (new, acceptance) = (raw(stranger), accept(&id, &key(stranger)));
                RosterChange::Replace(Replacement { old: key_of, new, acceptance })
            }
            _ => {
                let sets =
                    [(3001, 7000, 4), (3500, 6666, 2), (5000, 10_000, 3), (10_000, 10_000, 1)];
                let (track1_bp, track2_bp, max) = sets[usize::from(who) % sets.len()];
                let voters = Parameters {
                    min_voters: power,
                    open_operations_max: max,
                    ..Parameters::default()
                };
                RosterChange::SetParameters(Parameters { track1_bp, track2_bp, ..voters })
            }
        }
    }

    fn acclaim(&mut self, of: usize) {
        let open: Vec<Id> = ids(&self.said, Kind::Operation).collect();
        let Some(target) = open.iter().rev().nth(of).copied() else { return };
        for who in (0..PEOPLE).filter(|who| self.takes_part(*who)).collect::<Vec<_>>() {
            let sequence = self.page.next_sequence(&key(who).public()).max(10);
            self.say(ballot(&self.page, who, sequence, &[(target, Approve)]));
        }
    }

    /// Seals if there is something to seal and the seats are enough.
    fn seal(&mut self, after: u64) {
        let clock = self.page.page().head().time + after;
        let Ok((record, proposal)) = self.page.seal_alone(&node(), clock) else { return };
        let said = self.page.said();
        let find = |id: &Id| said.get(id).cloned();
        let (sealed, _) = self.page.sealed(&proposal, &find);
        invariants(&sealed);
        invariant_a_seal_takes_what_was_served(&self.page, &sealed);
        self.page = sealed;
        self.events.push(Event::Sealed(Box::new(record)));
    }

    fn find(&self, id: &Id) -> Option<Statement> {
        self.said.iter().find(|statement| statement.id() == *id).cloned()
    }
}

/// G1: a seal does not overwrite what was ratified, but by what has at least as much power.
fn invariant_a_seal_takes_what_was_served(before: &Governance, after: &Governance) {
    for standing in before.registers.values() {
        let Some(first) = standing.chain.first() else { continue };
        let tally = before.proposal(first).unwrap().tally();
        match after.outcome(first) {
            Some(Outcome::Sealed(_)) => {}
            Some(Outcome::Superseded { by, .. }) => {
                assert!(before.proposal(&by).unwrap().tally().approve >= tally.approve);
            }
            other => panic!("{first} was served, and {other:?}"),
        }
    }
}

/// All that copies agree on: what people see, who lends to whom, and which presence counts. A batch
/// of which nothing is open counts for nothing; it has ended for who saw its operations end, and
/// waits for who never had them, because their author put too many into one slot.
fn whole_picture(page: &Governance) -> impl PartialEq + std::fmt::Debug + use<> {
    let counts = |batch: &Statement| {
        let mut operations = batch.as_batch().into_iter().flat_map(|batch| &batch.operations);
        operations.any(|id| page.operations.contains_key(id))
    };
    let batches: BTreeMap<Id, Statement> = page
        .batches
        .iter()
        .filter(|(_, batch)| counts(batch))
        .map(|(id, batch)| (*id, batch.clone()))
        .collect();
    let has_part = |id: &Id| page.operations.contains_key(id) || batches.contains_key(id);
    let of_slot =
        |ids: &OrdSet<Rank>| ids.iter().map(|(_, id)| *id).filter(has_part).collect::<Vec<Id>>();
    let slots: BTreeMap<Slot, Vec<Id>> = page
        .slots
        .iter()
        .map(|(slot, ids)| (*slot, of_slot(ids)))
        .filter(|(_, ids)| !ids.is_empty())
        .collect();
    let head = (page.page.head(), page.page.state_root(), page.page.roster_version());
    let (lending, ends) = (page.lending.clone(), page.ends.clone());
    (picture(page), head, lending, ends, batches, page.presences.clone(), slots)
}

/// What copies agree on where nobody puts two statements into one slot: what is served, and where
/// everything stands that is open for both. A copy that never saw what an operation was made on
/// cannot tell that it ended with that: there it waits, and counts for nothing.
fn open_picture(page: &Governance, other: &Governance) -> impl PartialEq + std::fmt::Debug + use<> {
    let is_open = |id: &Id| other.outcome(id).is_none();
    let proposals: Vec<_> = page
        .proposals()
        .filter(|p| is_open(&p.statement.id()))
        .map(|p| (p.statement.id(), page.state(p), p.tally(), p.cast.clone()))
        .collect();
    for p in page.proposals().filter(|p| !is_open(&p.statement.id())) {
        let (state, ended) = (page.state(p), other.outcome(&p.statement.id()));
        assert!(
            matches!(state, State::Waiting | State::Displaced(_)),
            "{state:?}, there {ended:?}"
        );
    }
    let batches: Vec<Id> = page.batches.keys().filter(|id| is_open(id)).copied().collect();
    let chains = page.registers.iter().map(|(r, s)| (r.clone(), s.chain.clone()));
    let chains: Vec<_> = chains.filter(|(_, chain)| !chain.is_empty()).collect();
    (proposals, batches, chains, page.contents(), page.ends.clone())
}

/// What copies agree on whatever they missed meanwhile.
fn sealed_picture(page: &Governance) -> impl PartialEq + std::fmt::Debug + use<> {
    let head = (page.page.head(), page.page.state_root(), page.page.roster_version());
    (head, page.lending.clone(), page.sealed_presences.clone(), page.presences.clone())
}

/// Whether both saw every operation end, or neither did, and nothing waits for what one of them
/// never had. Where an author puts several operations into one slot under one seal, a copy may keep one
/// that is made on what it never had, and for which another copy, that saw it end, has no place: it
/// contends for the slot until it expires (P5).
fn saw_the_same_end(history: &History, alice: &Governance, late: &Governance) -> bool {
    let waits = |page: &Governance| page.proposals().any(|p| page.state(p) == State::Waiting);
    let same = |s: &Statement| {
        let ends = (alice.outcome(&s.id()), late.outcome(&s.id()));
        matches!(ends, (Some(_), Some(_)) | (None, None))
    };
    !waits(alice) && !waits(late) && history.said.iter().all(same)
}

/// Offers everything to a copy until nothing more is taken, as reconciliation would.
fn offer<'s>(page: &mut Governance, all: impl Iterator<Item = &'s Statement> + Clone) {
    while all.clone().filter(|statement| page.admit(statement).is_ok()).count() > 0 {}
    invariants(page);
}

/// Whether this is late for `page` in a way that only who had it in time can tell: an operation or
/// batch that ended without being sealed, where the page never saw what it was made against. There
/// it waits until it expires. It cannot count: what it waits for is refused.
fn ended_unseen(alice: &Governance, page: &Governance, statement: &Statement) -> bool {
    let ended = alice.outcome(&statement.id());
    ended.is_some() && page.clone().admit(statement).is_ok()
}

/// The history as it comes to somebody who misses some of it until after each seal.
/// Where people are honest it may be late for anything, elsewhere for what a seal lists or leaves open.
fn told_late(history: &History, salt: u64) -> Governance {
    let mut page = founded();
    let mut alice = founded();
    let mut late: Vec<&Statement> = Vec::new();
    let draw = |s: &Statement| Id::hash(&[&salt.to_be_bytes(), s.id().as_bytes()]);
    let mut events = history.events.iter().peekable();
    while events.peek().is_some() {
        let mut said: Vec<&Statement> = Vec::new();
        let seal = loop {
            match events.next() {
                Some(Event::Said(statement)) => said.push(statement),
                Some(Event::Sealed(record)) => break Some(record),
                None => break None,
            }
        };
        said.iter().for_each(|statement| drop(alice.admit(statement)));
        let find = |id: &Id| history.find(id);
        if let Some(record) = seal {
            alice = alice.reopen_seal(record, &find).unwrap().0;
        }
        late.append(&mut said);
        late.sort_by_key(|statement| draw(statement));
        // What a seal ends without listing it must be known before, to be known as ended.
        let ends_here = |s: &Statement| {
            let outcome = alice.outcome(&s.id());
            !history.is_honest
                && outcome.is_some_and(|outcome| !matches!(outcome, Outcome::Sealed(_)))
        };
        let misleads =
            |page: &Governance, s: &Statement| !history.is_honest && ended_unseen(&alice, page, s);
        let is_early = |s: &&Statement| draw(s).as_bytes()[0] % 2 == 0 || ends_here(s);
        let (early, rest): (Vec<_>, Vec<_>) = late.iter().copied().partition(is_early);
        for statement in early {
            if !misleads(&page, statement) || seal.is_some() {
                let _ = page.admit(statement);
            }
            invariants(&page);
        }
        if let Some(record) = seal {
            page = page.admit_seal(record, &find).unwrap().0;
            invariants(&page);
        }
        for statement in &rest {
            if !misleads(&page, statement) {
                let _ = page.admit(statement);
            }
            invariants(&page);
        }
    }
    page
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// G9, G10, S1: a pure function of the seals and of what is open, however it was told.
    #[test]
    fn every_copy_comes_to_the_same_page(
        deeds in prop::collection::vec(deed(), 1..60),
        salt in any::<u64>(),
    ) {
        let mut history = History::new(false);
        deeds.iter().for_each(|deed| history.act(deed));
        let find = |id: &Id| history.find(id);
        for is_checked in [false, true] {
            let mut replayed = founded();
            for event in &history.events {
                match event {
                    Event::Said(statement) => drop(replayed.admit(statement)),
                    Event::Sealed(record) if is_checked => {
                        replayed = replayed.admit_seal(record, &find).unwrap().0;
                    }
                    Event::Sealed(record) => {
                        replayed = replayed.reopen_seal(record, &find).unwrap().0;
                    }
                }
            }
            prop_assert_eq!(whole_picture(&history.page), whole_picture(&replayed));
        }
        // What is sealed is all that who starts from the sealed state needs for it.
        let reopened = Governance::new(history.page.page().clone());
        prop_assert_eq!(&reopened.sealed_presences, &history.page.sealed_presences);
        invariants(&reopened);

        let mut late = told_late(&history, salt);
        let is_seen = |s: &&Statement| !ended_unseen(&history.page, &late, s);
        let offered: Vec<_> = history.said.iter().filter(is_seen).cloned().collect();
        let mut alice = history.page.clone();
        offer(&mut late, offered.iter());
        offer(&mut alice, offered.iter().rev());
        prop_assert_eq!(sealed_picture(&alice), sealed_picture(&late));
        if saw_the_same_end(&history, &alice, &late) {
            prop_assert_eq!(whole_picture(&alice), whole_picture(&late));
        }
    }

    /// P5, G9: whatever copies missed, they serve the same where nobody contradicts himself.
    #[test]
    fn copies_of_honest_people_serve_the_same(
        deeds in prop::collection::vec(deed(), 1..60),
        salt in any::<u64>(),
    ) {
        let mut history = History::new(true);
        deeds.iter().for_each(|deed| history.act(deed));
        let mut late = told_late(&history, salt);
        let mut alice = history.page.clone();
        offer(&mut late, history.said.iter());
        offer(&mut alice, history.said.iter().rev());
        prop_assert_eq!(sealed_picture(&alice), sealed_picture(&late));
        prop_assert_eq!(open_picture(&alice, &late), open_picture(&late, &alice));
    }

    /// S2, S8: whatever passed, the people of a page recover it by naming a node.
    #[test]
    fn nobody_can_lock_a_page(deeds in prop::collection::vec(deed(), 1..60)) {
        let mut history = History::new(false);
        deeds.iter().for_each(|deed| history.act(deed));
        (0..PEOPLE).for_each(|who| history.appoint(who));
        let height = history.page.page().height();
        history.seal(100_000);
        prop_assert_eq!(history.page.page().height(), height + 1);
    }
}

/// A property that is never put to the test proves nothing: these histories come to every end.
#[test]
fn the_histories_come_to_every_end() {
    let mut runner = TestRunner::deterministic();
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..32 {
        let deeds = prop::collection::vec(deed(), 60).new_tree(&mut runner).unwrap().current();
        let mut history = History::new(false);
        for deed in &deeds {
            history.act(deed);
            let page = &history.page;
            let open = page.proposals().map(|p| page.state(p).word().to_owned());
            open.for_each(|word| *met.entry(word).or_default() += 1);
            *met.entry("lending".to_owned()).or_default() += page.lending.lenders().count();
        }
        for event in &history.events {
            let Event::Sealed(record) = event else { continue };
            let word = if record.contents.is_empty() { "seal of time" } else { "seal" };
            *met.entry(word.to_owned()).or_default() += 1;
        }
        for (_, ended) in history.page.closed() {
            let word = format!("{:?}", ended.outcome).split(['(', ' ']).next().unwrap().to_owned();
            *met.entry(word).or_default() += 1;
        }
        *met.entry("evidence".to_owned()).or_default() += history.page.evidence().count();
    }
    let ends = [
        "open",
        "ratified",
        "passed",
        "outvoted",
        "defeated",
        "waiting",
        "displaced",
        "faulty",
        "lending",
        "seal",
        "seal of time",
        "evidence",
        "Sealed",
        "Superseded",
        "Expired",
        "AuthorGone",
        "Impossible",
    ];
    for end in ends {
        assert!(met.get(end).is_some_and(|count| *count > 0), "{end}: {met:?}");
    }
}
