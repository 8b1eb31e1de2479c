//! Bundles brought by hand, of pages that may be held already (N8): what is new is taken in, what is
//! older changes nothing (T3), and what contradicts a seal held here is kept as evidence (T4).
//!
//! A bundle is replayed in full by itself before anything of it is looked at: it is believed as much
//! as a peer, which is not at all. And letting go of a page.

use std::{
    collections::{HashMap, HashSet},
    mem::ManuallyDrop,
    sync::{Arc, MutexGuard},
};

use super::{
    damage::{self, Damage},
    following::Following,
    forks::{decided_against, forked, keep},
    landing::Jump,
    node::{Node, Progress, Reopening, State, check_no_demonstration, sentence},
    running::Running,
    status,
    whole::{self, CARRIED, Check, Note, Step, WholePage},
};
use crate::{
    control::{
        report::{Carried, Forgotten},
        request::{Failure, PageSelector},
    },
    governance::{
        Governance,
        chain::ladder::Ladder,
        forks::Forks,
        jump::{Snapshot, Window},
        seal::{Seal, SealRecord},
        statement::Statement,
    },
    id::{Id, Kind},
    limits::SEAL_AHEAD,
    page::{genesis::Genesis, name::Name},
    store::{Cursor, Record, StoreError},
    time::date,
};

/// What a bundle holds, once it was found to be in order.
struct Brought {
    page: Governance,
    whole: WholePage,
    seals: Vec<SealRecord>,
    /// Where it takes the page over, in order.
    jumps: Vec<Snapshot>,
}

/// What a page's log holds already.
#[derive(Default)]
struct Held {
    seals: Vec<SealRecord>,
    statements: HashSet<Id>,
}

/// Takes a bundle in: all that is new of it, durably, or nothing.
///
/// # Errors
/// [`Failure`], naming the first fault of the bundle, with nothing changed; or that the page is
/// forked, and follows nothing.
pub fn carry(node: &Node, whole: WholePage, progress: Progress) -> Result<Carried, Failure> {
    check_no_demonstration(&whole)?;
    let id = Genesis::decode(&whole.raw.genesis)
        .map_err(|refusal| Failure::refused(format!("the page is refused: {refusal}")))?
        .id();
    check_due(&whole, node.now())?;
    if node.page(&id).is_none() {
        let (statements, seals) = (whole.said.len() - whole.seals(), whole.seals());
        let page = node.admit_page(whole, progress)?;
        return Ok(carried(node, &page, "new", statements, seals, page.page().height()));
    }
    let brought = check(whole, progress)?;
    let is_taken_over = take_over(node, &id, &brought)?;
    // Before the lock is taken: a log may be long. What is written meanwhile is read under it.
    let (mut held, mut end) = (Held::default(), Cursor::START);
    held.read(node, &id, &mut end)?;
    let mut state = node.state();
    held.read(node, &id, &mut end)?;
    let Some(page) = state.pages.get(&id).cloned() else {
        return Err(Failure::not_found(format!("the page {id} was forgotten meanwhile")));
    };
    let ours = held.ids(state.windows.get(&id));
    let outcome = match contradiction(&ours, &brought.seals) {
        Some(fork) => {
            keep(node, &mut state, &id, fork)?;
            check_decided(&state.forks_of(&id), page.page().name(), [&fork.seal])?;
            ("fork", 0, 0)
        }
        None => follow_on(node, &mut state, page, &held, &brought)?,
    };
    if outcome.0 == "nothing" {
        check_same_history(&ours, &brought)?;
    }
    node.note_brought(&mut state, &id)?;
    drop(state);
    let page = node.page(&id).unwrap_or(brought.page.clone());
    let (what, statements, seals) = match (outcome, is_taken_over) {
        // The seal at which it was taken over, and those since.
        (("nothing" | "newer", statements, seals), true) => ("newer", statements, seals + 1),
        (outcome, _) => outcome,
    };
    Ok(carried(node, &page, what, statements, seals, brought.page.page().height()))
}

/// Seals that are not due yet are not taken in (T7): their time would end what is open, and stand
/// above every seal to come.
fn check_due(whole: &WholePage, now: u64) -> Result<(), Failure> {
    let seals = whole.said.iter().filter(|(kind, _)| *kind == Kind::Seal);
    let times = seals.filter_map(|(_, bytes)| SealRecord::decode(bytes).ok());
    let jumps = whole.jumps.iter().filter_map(Jump::newest);
    let Some(seal) = times.map(|record| record.seal).chain(jumps).max_by_key(|seal| seal.time)
    else {
        return Ok(());
    };
    match not_due(&seal, now) {
        Some(why) => Err(Failure::refused(format!(
            "{why}: set the clock, or bring the bundle again when that is due"
        ))),
        None => Ok(()),
    }
}

/// What is to be said of a seal that is not due yet.
pub(super) fn not_due(seal: &Seal, now: u64) -> Option<String> {
    let is_due = seal.time <= now.saturating_add(SEAL_AHEAD.as_secs());
    (!is_due).then(|| {
        format!(
            "the seal at height {} is of {}, and this machine's clock says {}",
            seal.height,
            date(seal.time),
            date(now)
        )
    })
}

fn carried(
    node: &Node,
    page: &Governance,
    outcome: &str,
    statements: usize,
    seals: usize,
    brought: u64,
) -> Carried {
    let page = status::summary(node, page);
    Carried { page, outcome: outcome.to_owned(), statements, seals, brought }
}

/// Replays a bundle in full, by itself.
fn check(whole: WholePage, progress: Progress) -> Result<Brought, Failure> {
    let refused = |refusal: &dyn std::fmt::Display| {
        Failure::refused(format!("the page is refused: {refusal}"))
    };
    let (mut seals, mut jumps) = (Vec::new(), Vec::new());
    let replayed = whole::reopen_watched(&whole, Check::Full, progress, &mut |step| {
        match step {
            Step::Sealed(_, record, _) => seals.push(record.clone()),
            Step::Jumped(_, snapshot, _) => jumps.push(snapshot.clone()),
        }
        Ok(())
    });
    let replayed = replayed.map_err(|refusal| refused(&refusal))?;
    let start =
        whole.start(Check::Trusted, &mut |_, _, _| {}).map_err(|refusal| refused(&refusal))?;
    jumps.splice(..0, start.snapshot);
    Ok(Brought { page: replayed.page, whole, seals, jumps })
}

/// Follows a bundle over seals that it does not have: takes the page over where it goes on above what is
/// held here.
fn take_over(node: &Node, id: &Id, brought: &Brought) -> Result<bool, Failure> {
    let mut is_taken_over = false;
    for snapshot in &brought.jumps {
        let Some(page) = node.page(id) else { break };
        let held = page.page().height();
        let to = snapshot.proofs.last().map_or(0, |proof| proof.seal.height);
        let has_next = brought.seals.iter().any(|record| record.seal.height == held + 1);
        if to <= held || has_next {
            continue;
        }
        let adopted = node.adopt(snapshot);
        adopted.map_err(|refusal| Failure::refused(format!("the page is refused: {refusal}")))?;
        is_taken_over = true;
    }
    Ok(is_taken_over)
}

impl Held {
    /// The seals that are held, by height: also those that came with a state that was taken over.
    fn ids(&self, window: Option<&Arc<Window>>) -> HashMap<u64, Id> {
        let window = window.iter().flat_map(|window| &window.seals).map(|(seal, _)| seal);
        let logged = self.seals.iter().map(|record| &record.seal);
        logged.chain(window).map(|seal| (seal.height, seal.id())).collect()
    }

    /// Reads on from where the last reading ended.
    fn read(&mut self, node: &Node, page: &Id, end: &mut Cursor) -> Result<(), Failure> {
        let mut fault = None;
        let read = node.store.read(page, *end, &mut |record| match Kind::from_tag(record.kind) {
            Some(Kind::Seal) => match SealRecord::decode(&record.bytes) {
                Ok(seal) => self.seals.push(seal),
                Err(refusal) => drop(fault.get_or_insert(refusal)),
            },
            Some(kind) if whole::is_said(kind) => drop(self.statements.insert(record.id)),
            _ => {}
        });
        *end = read.map_err(sentence)?;
        match fault {
            None => Ok(()),
            Some(refusal) => Err(Failure::refused(Reopening::from(whole::WholeRefusal::Record(
                Kind::Seal as u8,
                refusal,
            )))),
        }
    }
}

/// The first seal brought that is another than the one held at its height.
fn contradiction<'b>(held: &HashMap<u64, Id>, brought: &'b [SealRecord]) -> Option<&'b SealRecord> {
    brought.iter().find(|brought| is_other(held, &brought.seal))
}

fn is_other(held: &HashMap<u64, Id>, brought: &Seal) -> bool {
    held.get(&brought.height).is_some_and(|held| *held != brought.id())
}

/// Refuses what was taken over on another history: it has no record of the seal where the two parted that could
/// be kept as evidence.
fn check_same_history(held: &HashMap<u64, Id>, brought: &Brought) -> Result<(), Failure> {
    let shown = brought.jumps.iter().flat_map(|jump| jump.window.shown(&jump.proofs));
    let lowest = shown.filter(|seal| is_other(held, seal)).min_by_key(|seal| seal.height);
    match lowest {
        None => Ok(()),
        Some(other) => Err(Failure::refused(format!(
            "nothing of the bundle is taken in: it is of another history of {}, with the seal {} at height {}, \
             and has no record of where the two parted",
            brought.page.page().name(),
            other.id().short(),
            other.height
        ))),
    }
}

/// Takes in what is new of a page that is held. Returns what that comes to, and how many statements
/// and seals it is.
fn follow_on(
    node: &Node,
    state: &mut State,
    page: Governance,
    held: &Held,
    brought: &Brought,
) -> Result<(&'static str, usize, usize), Failure> {
    let id = page.page().id();
    let ladder = state.ladders.get(&id).cloned().unwrap_or_else(|| Ladder::new(page.page()));
    let brought_seals = brought.seals.iter().map(|record| &record.seal);
    check_decided(&state.forks_of(&id), page.page().name(), brought_seals)?;
    let followed = follow(page, ladder, held, brought)?;
    if followed.records.is_empty() {
        return Ok(("nothing", 0, 0));
    }
    if let Some(words) = forked(followed.page.page().name(), &id, &state.forks_of(&id)) {
        return Err(Failure::refused(words));
    }
    let (seals, statements) = (followed.seals, followed.records.len() - followed.seals);
    let note = Note { time: node.now(), what: CARRIED.to_owned() };
    let records: Vec<Record> =
        [note.record()].into_iter().chain(followed.records.iter().cloned()).collect();
    node.store.append(&id, &records).map_err(sentence)?;
    state.ties.fetched.remove(&id);
    state.ladders.insert(id, followed.ladder);
    match followed.newest {
        None => node.replace(state, followed.page, &followed.changed),
        Some(SealRecord { seal, certificate, .. }) => {
            node.show_seal(state, followed.page, (&seal, &certificate), &followed.changed);
        }
    }
    Ok(("newer", statements, seals))
}

/// Refuses seals of heights at which a person decided for others (T4).
fn check_decided<'s>(
    forks: &Forks,
    name: &Name,
    seals: impl IntoIterator<Item = &'s Seal>,
) -> Result<(), Failure> {
    for seal in seals {
        let (height, id) = (seal.height, seal.id());
        if let Some(decided) = forks.decided(height).filter(|decided| **decided != id) {
            let why = decided_against(name, &id, height, decided);
            return Err(Failure::refused(format!("nothing of the bundle is taken in: {why}")));
        }
    }
    Ok(())
}

/// The page with everything that is new in a bundle of the same history, in the bundle's order.
fn follow(
    page: Governance,
    ladder: Ladder,
    held: &Held,
    brought: &Brought,
) -> Result<Following, Failure> {
    let height = page.page().height();
    let new = |record: &&SealRecord| record.seal.height > height;
    let listed: HashSet<Id> =
        brought.seals.iter().filter(new).flat_map(|seal| seal.contents.ids().copied()).collect();
    let others = brought.whole.said.iter().filter(|(kind, _)| *kind != Kind::Ballot);
    let others = others.filter_map(|(_, bytes)| Statement::reopen(bytes).ok());
    let mut to_come: HashSet<Id> = others.map(|said| said.id()).collect();
    let mut said: HashMap<Id, Statement> = HashMap::new();
    let mut seals = brought.seals.iter();
    let mut following = Following::new(page, ladder);
    for (kind, bytes) in &brought.whole.said {
        if *kind == Kind::Seal {
            let Some(seal) = seals.next().filter(new) else { continue };
            following.seal(seal, &|id| said.get(id).cloned()).map_err(|refusal| {
                Failure::refused(format!(
                    "the seal at height {} does not fit the page as it is here: {refusal}",
                    seal.seal.height
                ))
            })?;
            continue;
        }
        let statement = Statement::reopen(bytes).map_err(Failure::refused)?;
        let id = statement.id();
        to_come.remove(&id);
        if !held.statements.contains(&id) {
            let is_listed = listed.contains(&id);
            let (page, records) = (following.page.clone(), following.records.len());
            // What does not count here is left out, unless a seal rests on it.
            let _ = following.statement(&statement, is_listed);
            if !is_listed && is_idle(&following.page, &statement, &to_come) {
                following.page = page;
                following.records.truncate(records);
            }
        }
        said.insert(id, statement);
    }
    Ok(following)
}

/// Whether a ballot speaks of nothing that is open here or `to_come`, and proves nothing either: as one on what lost
/// its slot, which not everybody has who is in step (N3).
fn is_idle(page: &Governance, statement: &Statement, to_come: &HashSet<Id>) -> bool {
    let Some(ballot) = statement.as_ballot() else { return false };
    let is_open = |id: &Id| page.proposal(id).is_some() || page.batch(id).is_some();
    let is_proof = |(one, other): &(Statement, Statement)| one == statement || other == statement;
    !ballot.rows.iter().any(|(id, _)| is_open(id) || to_come.contains(id))
        && !page.evidence().any(|(_, pair)| is_proof(pair))
}

impl Node {
    /// Lets go of everything that is here of a page: its log and all that hangs on it, durably, and what of it is in
    /// memory. Returns what was wrong with it, if anything was.
    ///
    /// # Errors
    /// [`StoreError`]; unless the disk holds nothing of it, it is as it was then.
    pub(super) fn let_go(&self, id: &Id) -> Result<Option<Damage>, StoreError> {
        self.let_go_in(self.state(), id)
    }

    /// The same, once the state was looked at.
    pub(super) fn let_go_in(
        &self,
        mut state: MutexGuard<'_, ManuallyDrop<State>>,
        id: &Id,
    ) -> Result<Option<Damage>, StoreError> {
        let gone = self.store.forget(id);
        if !matches!(gone, Ok(()) | Err(StoreError::NoSuchPage(_))) {
            return gone.map(|()| None);
        }
        let damaged = state.damaged.remove(id);
        self.drop_from(&mut state, id);
        self.hide(&state, id);
        self.tell_mirrors(id);
        // Whoever holds these may wait for the state.
        drop(state);
        self.tell_change(id);
        self.inboxes.forget(id);
        self.outboxes.forget(id);
        self.asked().forget(id);
        gone.map(|()| damaged)
    }

    /// Answers nothing from a page any more.
    pub(super) fn hide(&self, state: &State, id: &Id) {
        if state.is_shown {
            self.view.store(Arc::new(self.view.load().without_page(id)));
        }
    }

    /// Lets go of what is in memory of a page, but for what is answered.
    pub(super) fn drop_from(&self, state: &mut State, id: &Id) {
        state.pages.remove(id);
        state.forks.remove(id);
        state.ladders.remove(id);
        state.windows.remove(id);
        state.downloads.remove(id);
        state.due.remove(id);
        state.held.remove(id);
        state.fields.remove(id);
        state.open.remove(id);
        state.counts.remove(id);
        state.ties.forget(id);
    }

    /// The page that somebody means, damaged or not.
    fn stored(&self, selector: &PageSelector) -> Result<Id, Failure> {
        let failure = match self.select(selector) {
            Ok(page) => return Ok(page.page().id()),
            Err(failure) => failure,
        };
        if let Some(damage) = self.damaged_meant(selector) {
            return Ok(damage.page);
        }
        // One that is still being fetched has the name that it is trusted for, or none.
        let state = self.state();
        let trusted = Name::parse(selector).ok().and_then(|name| state.anchors.get(&name));
        let is_meant = |id: &&Id| {
            trusted == Some(*id) || damage::is_prefix(selector) && id.has_hex_prefix(selector)
        };
        let is_stored = |id: &Id| state.pages.contains_key(id) || state.damaged.contains_key(id);
        match (state.downloads.keys().find(is_meant), trusted) {
            (Some(id), _) => Ok(*id),
            (None, Some(id)) if !is_stored(id) => Err(Failure::not_found(format!(
                "nothing of the page {id}, trusted for {selector}, is here: `djdns page forget {selector} \
                 --untrust` takes the trust back"
            ))),
            _ => Err(failure),
        }
    }
}

/// Drops a page, durably. An anchor that names it stays, and the page is sought anew; unless that is to go
/// too: then the page need not be here.
///
/// # Errors
/// [`Failure`] when there is none, or the disk fails.
pub fn forget(node: &Node, selector: &PageSelector, untrust: bool) -> Result<Forgotten, Failure> {
    let stored = node.stored(selector);
    let mut anchors = node.anchors().into_iter();
    let known_as = anchors.find(|(_, page)| stored.as_ref().is_ok_and(|id| id == page));
    if untrust && let Some(forgotten) = trust_no_more(node, selector, stored.as_ref().ok())? {
        return Ok(forgotten);
    }
    let id = stored?;
    let page = node.page(&id);
    let neighbours = node.running().and_then(Running::neighbours);
    let unfinished = page.is_none() && !node.is_damaged(&id);
    if let Some(neighbours) = neighbours.filter(|_| unfinished) {
        neighbours.want_no_more(&id);
    }
    let linked = page.as_ref().is_some_and(|page| node.is_linked(page.page()));
    let damaged = match node.let_go(&id) {
        // It was given up meanwhile.
        Err(StoreError::NoSuchPage(_)) if unfinished => None,
        Err(StoreError::NoSuchPage(_)) => {
            return Err(Failure::not_found(format!("there is no page {id} here")));
        }
        gone => gone.map_err(sentence)?,
    };
    let trusted = node.anchors().into_iter().find(|(_, anchor)| *anchor == id);
    let trusted = trusted.map(|(name, _)| name);
    if let Some(neighbours) = neighbours.filter(|_| unfinished || trusted.is_some()) {
        neighbours.want_anchors();
    }
    Ok(Forgotten {
        demonstration: page.as_ref().is_some_and(|page| page.page().is_demonstration()),
        page_id: id.to_string(),
        name: page
            .map(|page| page.page().name().clone())
            .or(damaged.and_then(|damage| damage.name))
            .or(known_as.filter(|_| unfinished).map(|(name, _)| name))
            .map(|name| name.to_string()),
        trusted: trusted.map(|name| name.to_string()),
        linked,
        unfinished,
    })
}

/// Takes back the trust in a page, and says what that was where nothing of it is here.
fn trust_no_more(
    node: &Node,
    selector: &PageSelector,
    stored: Option<&Id>,
) -> Result<Option<Forgotten>, Failure> {
    let named = Name::parse(selector).ok();
    let is_meant = |name: &Name, page: &Id| named.as_ref() == Some(name) || stored == Some(page);
    let meant = node.anchors().into_iter().filter(|(name, page)| is_meant(name, page));
    let mut taken_back = None;
    for (name, page) in meant {
        node.set_anchor(&name, None)?;
        if let Some(neighbours) = node.running().and_then(Running::neighbours) {
            neighbours.want_no_more(&page);
        }
        taken_back = Some((name, page));
    }
    Ok(taken_back.filter(|_| stored.is_none()).map(|(name, page)| Forgotten {
        demonstration: false,
        page_id: page.to_string(),
        name: Some(name.to_string()),
        trusted: None,
        linked: false,
        unfinished: false,
    }))
}
