//! A person decides which of two histories of a page is the page's (T4).
//!
//! Where that is the one held here, only the decision is written. Where it is the other, the seals held here go
//! from that height on (the one exception to T3): the log is written anew, up to there and with what was said since
//! and still counts, and the page goes on from there with what other nodes have. The lowest seal that went stays as
//! evidence, and the decision can be taken back by another.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{
    following::Following,
    node::{Node, State, sentence},
    shown::{built, with_page},
    status,
    whole::{self, CARRIED, FETCHED, Note, Reopened, WholePage, WholeRefusal},
};
use crate::{
    control::{
        history::Decided,
        report::Chosen,
        request::{Failure, PageSelector},
    },
    governance::{
        Governance,
        field::Field,
        forks::{Decision, Forks},
        jump::Window,
        seal::SealRecord,
        statement::Statement,
    },
    id::{Id, Kind},
    page::bundle,
    store::{Cursor, Record},
};

/// Decides for a seal of a page, durably: the digits with which its id begins say which.
///
/// # Errors
/// [`Failure`], with nothing changed: the page is not forked, no seal begins so or several do, or the disk
/// fails.
pub fn choose(node: &Node, page: &PageSelector, digits: &str) -> Result<Chosen, Failure> {
    let id = node.select(page)?.page().id();
    // Until the end: nothing may be taken in on what goes. Of a large page that are seconds.
    let mut state = node.state();
    let Some(governance) = state.pages.get(&id).cloned() else {
        return Err(Failure::not_found(format!("the page {id} was forgotten meanwhile")));
    };
    let log = read(node, &id)?;
    let forks = state.forks_of(&id);
    let window = state.windows.get(&id).cloned().unwrap_or_default();
    let (decision, is_held) = meant(&governance, &forks, &held(&log, &window), digits)?;
    let note = Note { time: node.now(), what: DECIDED_NOTE.to_owned() };
    let is_said = forks.decided(decision.height) == Some(&decision.seal);
    if is_said {
        tracing::debug!(page = %id, seal = %decision.seal, "decided before");
    } else if is_held {
        decide(node, &mut state, &governance, (note, decision))?;
    } else {
        let rewritten = Rewritten::of(&log, &forks, note, decision)
            .map_err(|refusal| not_put_back(&governance, decision.height, &refusal))?;
        node.put_back(&mut state, &id, rewritten)?;
    }
    drop(state);
    let page = node
        .page(&id)
        .ok_or_else(|| Failure::not_found(format!("the page {id} was forgotten meanwhile")))?;
    let below = page.page().height().min(decision.height - 1);
    let went = governance.page().height().saturating_sub(below);
    let gone = if is_held || is_said { 0 } else { went };
    tracing::info!(page = %id, seal = %decision.seal, height = decision.height, gone, "decided");
    Ok(Chosen { page: status::summary(node, &page), at: decided(&decision), gone })
}

/// Why a page is not put back, and what a person can do.
fn not_put_back(page: &Governance, height: u64, refusal: &WholeRefusal) -> Failure {
    let name = page.page().name();
    Failure::refused(match refusal {
        WholeRefusal::Unfinished => format!(
            "nothing of {name} below height {height} is here, since it was taken over further up, so that it \
             cannot be put back: keep a copy with `djdns page export {name} --format bundle -o FILE`, then \
             `djdns page forget {name}`, and fetch the other from a node that has it, or `djdns page import \
             {name} FILE` with a bundle of it"
        ),
        refusal => format!("the page cannot be put back: {refusal}"),
    })
}

/// A decision as it is told.
pub fn decided(decision: &Decision) -> Decided {
    Decided { height: decision.height, seal: decision.seal.to_string() }
}

/// What notes say of what a person decided.
const DECIDED_NOTE: &str = "decided";

/// All records of a page's log.
fn read(node: &Node, id: &Id) -> Result<Vec<Record>, Failure> {
    let mut log = Vec::new();
    node.store.read(id, Cursor::START, &mut |record| log.push(record)).map_err(sentence)?;
    Ok(log)
}

/// The seals of the history that is held: those in the log, and those that came with a state that was taken over.
fn held(log: &[Record], window: &Window) -> BTreeMap<u64, Id> {
    let logged = log.iter().filter_map(seal_of).map(|record| record.seal);
    let shown = window.seals.iter().map(|(seal, _)| seal.clone());
    logged.chain(shown).map(|seal| (seal.height, seal.id())).collect()
}

/// Which seal is meant, of those of one height that are known here, and whether it is the one held.
fn meant(
    page: &Governance,
    forks: &Forks,
    held: &BTreeMap<u64, Id>,
    digits: &str,
) -> Result<(Decision, bool), Failure> {
    let name = page.page().name();
    let evidence = forks.records().iter().map(|fork| (fork.seal.height, fork.seal.id()));
    let left = forks
        .decisions()
        .flat_map(|earlier| [earlier.seal, earlier.against].map(|seal| (earlier.height, seal)));
    let others = evidence.chain(left.filter(|(_, seal)| *seal != Id::ZERO));
    let others: BTreeSet<(u64, Id)> =
        others.filter(|(height, seal)| held.get(height) != Some(seal)).collect();
    let heights: BTreeSet<u64> = others.iter().map(|(height, _)| *height).collect();
    let stood = forks.decisions().map(|earlier| earlier.stood).max().unwrap_or(0);
    let decision = |height: u64, seal: Id, against: Id| {
        let stands = if against == Id::ZERO { 0 } else { page.page().height() };
        Decision { height, seal, against, stood: stood.max(stands) }
    };
    let ours = heights.iter().filter_map(|height| Some((*height, *held.get(height)?)));
    let ours = ours.map(|(height, seal)| (decision(height, seal, Id::ZERO), true));
    let others = others.iter().map(|(height, seal)| {
        let against = held.get(height).copied().unwrap_or(Id::ZERO);
        (decision(*height, *seal, against), false)
    });
    let known: Vec<(Decision, bool)> = ours.chain(others).collect();
    if known.is_empty() {
        return Err(Failure::refused(format!(
            "{name} is not forked, as far as is known here: there is nothing to decide"
        )));
    }
    let mut fitting = known.iter().filter(|(one, _)| one.seal.has_hex_prefix(digits));
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(*one),
        (Some(_), Some(_)) => Err(Failure::refused(format!(
            "several seals of {name} begin with {digits}: give more digits"
        ))),
        (None, _) => {
            let line = |(one, is_held): &(Decision, bool)| {
                let which = if *is_held { ", held here" } else { "" };
                format!("{} (height {}{which})", one.seal.short(), one.height)
            };
            let known: Vec<String> = known.iter().map(line).collect();
            Err(Failure::not_found(format!(
                "no seal between which {name} forked begins with {digits}: give the first digits of one of \
                 these: {}",
                known.join(", ")
            )))
        }
    }
}

/// Writes down that the history that is held is the page's, which goes on with it.
fn decide(
    node: &Node,
    state: &mut State,
    page: &Governance,
    (note, decision): (Note, Decision),
) -> Result<(), Failure> {
    let id = page.page().id();
    let mut forks = state.forks_of(&id);
    node.store.append(&id, &[note.record(), whole::decision(&decision)]).map_err(sentence)?;
    Arc::make_mut(&mut forks).decide(decision);
    state.forks.insert(id, forks);
    node.show_decided(state, page);
    Ok(())
}

/// A log that goes up to below a seal, and goes on with another.
struct Rewritten {
    records: Vec<Record>,
    forks: Forks,
    reopened: Reopened,
    field: Field,
}

impl Rewritten {
    /// Takes the seal held at the height of a decision, and those above it, out of a log.
    ///
    /// # Errors
    /// [`WholeRefusal::Unfinished`] where nothing below is in it.
    fn of(
        log: &[Record],
        forks: &Forks,
        note: Note,
        decision: Decision,
    ) -> Result<Rewritten, WholeRefusal> {
        let gone = log.iter().position(|record| leads_to(record, decision.height));
        let gone = gone.unwrap_or(log.len());
        let base = log[..gone].iter().rposition(is_base).map_or(0, |last| last + 1);
        let (base, since) = log.split_at(base);
        let mut records: Vec<Record> =
            base.iter().filter(|record| stays(record, &decision)).cloned().collect();
        let chosen = forks.record(&decision.seal);
        let Reopened { page, ladder, .. } = reopened(&records)?.0;
        let below = Following::new(page, ladder);
        records.extend(said_since(&below, since, chosen, &decision));
        records.extend([note.record(), whole::decision(&decision)]);
        let is_new = |seal: &Id| forks.record(seal).is_none();
        let held = log
            .get(gone)
            .filter(|record| seal_of(record).is_some_and(|record| is_new(&record.seal.id())));
        records.extend(held.map(|seal| Record::unnamed(whole::FORK, seal.bytes.clone())));
        let (reopened, forks, field) = reopened(&records)?;
        Ok(Rewritten { records, forks, reopened, field })
    }
}

/// Whether a page comes to this height, or above it, by a record.
fn leads_to(record: &Record, height: u64) -> bool {
    match record.kind {
        bundle::JUMP => {
            bundle::read_landing(&record.bytes).is_ok_and(|landing| landing.height >= height)
        }
        _ => seal_of(record).is_some_and(|record| record.seal.height >= height),
    }
}

/// Whether a page stands on a record, if it leads to it.
fn is_base(record: &Record) -> bool {
    matches!(record.kind, bundle::ENTRIES | bundle::JUMP)
        || matches!(Kind::from_tag(record.kind), Some(Kind::Genesis | Kind::Seal))
}

/// Whether a record is a note that says of the whole page how it came here.
fn is_of_origin(record: &Record) -> bool {
    record.kind == whole::NOTE
        && Note::read(&record.bytes)
            .is_some_and(|note| [FETCHED, CARRIED].contains(&note.what.as_str()))
}

/// Whether a record stays in a log of which the seals from the height of a decision on go.
fn stays(record: &Record, decision: &Decision) -> bool {
    match record.kind {
        whole::FORK => {
            SealRecord::decode(&record.bytes).is_ok_and(|fork| fork.seal.height <= decision.height)
        }
        whole::DECISION => {
            Decision::decode(&record.bytes).is_ok_and(|earlier| earlier.height < decision.height)
        }
        _ => true,
    }
}

/// What was said since the seal below and counts there, with the seal that was chosen, if all that it lists is
/// there.
fn said_since(
    below: &Following,
    since: &[Record],
    chosen: Option<&SealRecord>,
    decision: &Decision,
) -> Vec<Record> {
    let with_seal = chosen.and_then(|seal| followed(below, since, Some(seal), decision));
    with_seal.or_else(|| followed(below, since, None, decision)).unwrap_or_default()
}

/// [`said_since`], with this seal at its end; none: that does not fit.
fn followed(
    below: &Following,
    since: &[Record],
    seal: Option<&SealRecord>,
    decision: &Decision,
) -> Option<Vec<Record>> {
    let Following { page, ladder, .. } = below;
    let mut following = Following::new(page.clone(), ladder.clone());
    let (mut records, mut note) = (Vec::new(), None);
    let mut said: HashMap<Id, Statement> = HashMap::new();
    let listed: HashSet<&Id> = seal.iter().flat_map(|seal| seal.contents.ids()).collect();
    for record in since {
        match (record.kind, Kind::from_tag(record.kind)) {
            (whole::NOTE, _) if is_of_origin(record) => records.push(record.clone()),
            (whole::NOTE, _) => note = Some(record),
            (whole::FORK | whole::DECISION, _) if stays(record, decision) => {
                records.extend(note.take().cloned());
                records.push(record.clone());
            }
            (_, Some(Kind::Seal) | None) => {}
            _ => {
                let Ok(statement) = Statement::reopen(&record.bytes) else { continue };
                // What counts only on what goes is let go of.
                let _ = following.statement(&statement, listed.contains(&statement.id()));
                said.insert(statement.id(), statement);
                if !following.records.is_empty() {
                    records.extend(note.take().cloned());
                    records.append(&mut following.records);
                }
            }
        }
    }
    if let Some(seal) = seal {
        following.seal(seal, &|id| said.get(id).cloned()).ok()?;
        records.append(&mut following.records);
    }
    Some(records)
}

/// The page that a log comes to, what it says of other histories, and of its newest seal.
fn reopened(records: &[Record]) -> Result<(Reopened, Forks, Field), WholeRefusal> {
    let mut whole = WholePage::default();
    records.iter().try_for_each(|record| whole.take(record.kind, record.bytes.clone()))?;
    let reopened = whole::reopen_taking(&mut whole, &mut |_, _, _| {})?;
    let field = reopened.certified(&whole);
    Ok((reopened, whole.forks, field))
}

fn seal_of(record: &Record) -> Option<SealRecord> {
    let seal = Kind::from_tag(record.kind).filter(|kind| *kind == Kind::Seal);
    seal.and_then(|_| SealRecord::decode(&record.bytes).ok())
}

impl Node {
    /// Puts a page back to below the seal that was decided against, on the disk and in memory.
    fn put_back(&self, state: &mut State, id: &Id, rewritten: Rewritten) -> Result<(), Failure> {
        let Rewritten { records, forks, reopened, field } = rewritten;
        self.store.replace(id, self.nonce(), records).map_err(sentence)?;
        let ties = state.ties.of(id);
        self.drop_from(state, id);
        let Reopened { page, ladder, window } = reopened;
        state.ties.put(id, ties);
        state.forks.insert(*id, Arc::new(forks));
        state.ladders.insert(*id, ladder);
        state.windows.extend(window.map(|window| (*id, Arc::new(window))));
        state.fields.insert(*id, field);
        if state.is_shown {
            self.view.store(Arc::new(with_page(&self.view.load(), built(&page), &page)));
        }
        self.show_decided(state, &page);
        Ok(())
    }

    /// Serves, seals and follows a page again, unless something else stops it.
    fn show_decided(&self, state: &mut State, page: &Governance) {
        let id = page.page().id();
        if state.is_shown {
            self.view.store(Arc::new(self.view.load().without_trouble(&id)));
        }
        self.replace(state, page.clone(), &[]);
        self.mark(state, &id);
        self.keep_fresh(state, &id, self.now());
    }
}
