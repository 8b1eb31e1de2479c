//! A page from its log: what happened to it, and whether every byte of it is sound.

use super::{
    node::{Node, Progress, Reopening, WholePage, sentence},
    report::{describe, word},
};
use crate::{
    control::{
        report::{Event, Verified},
        request::Failure,
    },
    governance::{
        Governance,
        ballot::Ballot,
        statement::{Body, Statement},
    },
    page::Page,
    store::Cursor,
};

/// What happened to a page, newest first.
///
/// # Errors
/// [`Failure`] when the log cannot be read.
pub fn of(node: &Node, page: &Governance) -> Result<Vec<Event>, Failure> {
    let whole = read(node, page)?;
    let statements = whole.statements.iter().rev();
    let statements = statements.filter_map(|bytes| Statement::reopen(bytes).ok());
    let mut events: Vec<Event> = statements.map(|statement| event(&statement)).collect();
    events.push(founded(page.page()));
    Ok(events)
}

fn founded(page: &Page) -> Event {
    let (entries, participants) = (page.entry_count(), page.genesis().roster().len());
    Event {
        kind: "founded".to_owned(),
        id: page.id().to_string(),
        author: None,
        what: format!("height 0: {entries} entries, {participants} participants"),
        time: Some(page.genesis().raw().created),
    }
}

fn event(statement: &Statement) -> Event {
    let (kind, what) = match statement.body() {
        Body::Operation(operation) => ("operation", describe(operation)),
        Body::Ballot(ballot) => ("ballot", votes(ballot)),
        Body::Batch(batch) => ("batch", format!("{} operations", batch.operations.len())),
    };
    Event {
        kind: kind.to_owned(),
        id: statement.id().to_string(),
        author: Some(statement.author().to_string()),
        what,
        time: None,
    }
}

fn votes(ballot: &Ballot) -> String {
    let votes = ballot.rows.iter().map(|(id, choice)| format!("{} {}", word(*choice), id.short()));
    let mut text = votes.collect::<Vec<_>>().join(", ");
    if !ballot.reason.is_empty() {
        text.push_str(&format!(": {:?}", ballot.reason));
    }
    text
}

fn read(node: &Node, page: &Governance) -> Result<WholePage, Failure> {
    node.read_whole(&page.page().id()).map_err(|error| unsound(page, &error))
}

fn unsound(page: &Governance, error: &Reopening) -> Failure {
    Failure::refused(format!("the log of {} is not sound: {error}", page.page().name()))
}

/// Checks a page from its log: every checksum, and that the contents give the state root of the
/// genesis whose id is the page id. `full` also checks every entry and every signature, and that
/// the statements lead to the state that is served.
///
/// # Errors
/// [`Failure`], naming the first fault.
pub fn verify(
    node: &Node,
    page: &Governance,
    full: bool,
    progress: Progress,
) -> Result<Verified, Failure> {
    let id = page.page().id();
    let log = node.store.verify(&id).map_err(sentence)?;
    let unsound = |error: Reopening| unsound(page, &error);
    let (mut whole, end) = node.read_from(&id, Cursor::START).map_err(unsound)?;
    let entries = whole.raw.entries.len();
    let fault = |what: &str, refusal: &dyn std::fmt::Display| {
        Failure::refused(format!("{} does not verify: {what}{refusal}", page.page().name()))
    };
    let checked = if full {
        Page::admit(&whole.raw, &mut |done| {
            if done.is_multiple_of(4096) {
                progress("checking entries", done as u64, entries as u64);
            }
        })
    } else {
        Page::reopen(&whole.raw)
    };
    let checked = checked.map_err(|refusal| fault("", &refusal))?;
    if checked.id() != id {
        return Err(fault("its log holds another page: ", &checked.id()));
    }
    let mut signatures = 0;
    if full {
        let mut replayed = Governance::new(checked);
        replay(&mut replayed, &whole, progress).map_err(|what| fault("", &what))?;
        // What was admitted meanwhile, with the state that it led to.
        let rest = node.read_rest(&id, end).map_err(unsound)?;
        let (rest, served) = rest.ok_or_else(|| fault("it is gone", &""))?;
        replay(&mut replayed, &rest, progress).map_err(|what| fault("", &what))?;
        compare(&replayed, &served).map_err(|what| fault("", &what))?;
        whole.statements.extend(rest.statements);
        signatures = whole.statements.len();
    }
    Ok(Verified {
        page_id: id.to_string(),
        name: page.page().name().to_string(),
        full,
        entries,
        statements: whole.statements.len(),
        signatures,
        log_bytes: log.bytes,
    })
}

/// Replays statements, each with its signature.
fn replay(replayed: &mut Governance, whole: &WholePage, progress: Progress) -> Result<(), String> {
    let total = whole.statements.len() as u64;
    for (n, bytes) in whole.statements.iter().enumerate() {
        let statement =
            Statement::admit(bytes).map_err(|refusal| format!("statement {n}: {refusal}"))?;
        replayed
            .admit(&statement)
            .map_err(|refusal| format!("statement {}: {refusal}", statement.id()))?;
        progress("checking signatures", n as u64 + 1, total);
    }
    Ok(())
}

/// Whether what the statements lead to is what is served.
fn compare(replayed: &Governance, served: &Governance) -> Result<(), &'static str> {
    let same = replayed.soft_owners().eq(served.soft_owners())
        && served.soft_owners().all(|owner| replayed.ratified(owner) == served.ratified(owner));
    if same { Ok(()) } else { Err("the statements lead to another state than the one served") }
}
