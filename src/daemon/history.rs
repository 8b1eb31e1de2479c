//! A page from its log: what happened to it, and whether every byte of it is sound.

use super::{
    node::{Node, Progress, Reopening, sentence},
    trail::{self, Row},
    whole::{Check, WholePage},
};
use crate::{
    control::{
        report::{AuditRow, Event, SealEvent, Verified},
        request::{Answer, Failure},
    },
    governance::Governance,
    page::Page,
    store::Cursor,
};

/// What happened to a page, newest first.
///
/// # Errors
/// [`Failure`] when the log cannot be read.
pub fn of(node: &Node, page: &Governance) -> Result<Vec<Event>, Failure> {
    let rows = trail::of(node, &page.page().id())?;
    Ok(rows.into_iter().rev().map(event).collect())
}

fn event(row: Row) -> Event {
    Event {
        kind: row.kind.to_owned(),
        id: row.id.to_string(),
        author: row.author.map(|key| key.to_string()),
        what: row.what,
        time: row.time,
        seal: row.seal.map(|seal| SealEvent {
            height: seal.height,
            time: seal.time,
            signers: seal.signers.iter().map(ToString::to_string).collect(),
            applied: seal.applied.into_iter().map(|(id, what)| (id.to_string(), what)).collect(),
        }),
    }
}

/// Rows of an audit in one answer (choice: some megabytes).
const AUDIT_PART: usize = 20_000;

/// What happened to a page after the row of this number, oldest first, each row chained to the one
/// before.
///
/// # Errors
/// [`Failure`] when the log cannot be read.
pub fn audit(node: &Node, page: &Governance, after: u64) -> Result<Answer, Failure> {
    let mut rows: Vec<AuditRow> = Vec::new();
    for (number, row) in (1..).zip(trail::of(node, &page.page().id())?) {
        let seats = row.seal.iter().flat_map(|seal| &seal.signers);
        let by: Vec<String> = row.author.iter().chain(seats).map(ToString::to_string).collect();
        let mut audited = AuditRow {
            number,
            time: row.time,
            cause: row.cause,
            kind: row.kind.to_owned(),
            id: row.id.to_string(),
            by: by.join(" "),
            what: row.what,
            chain: String::new(),
        };
        audited.chain = audited.chained_to(rows.last());
        rows.push(audited);
    }
    rows.retain(|row| row.number > after);
    let more = rows.len() > AUDIT_PART;
    rows.truncate(AUDIT_PART);
    Ok(Answer::Audit { rows, more })
}

fn unsound(page: &Governance, error: &Reopening) -> Failure {
    Failure::refused(format!("the log of {} is not sound: {error}", page.page().name()))
}

/// Checks a page from its log: every checksum, that the contents give the state root of the genesis
/// whose id is the page id, and that every seal gives the state root that it names. `full` also
/// checks every entry, every signature, every ballot and certificate anew, and that all of it leads
/// to the state that is served.
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
    let (mut whole, end) =
        node.read_from(&id, Cursor::START).map_err(|error| unsound(page, &error))?;
    let entries = whole.raw.entries.len();
    let fault = |refusal: &dyn std::fmt::Display| {
        Failure::refused(format!("{} does not verify: {refusal}", page.page().name()))
    };
    let checked = founded(&whole, full, progress).map_err(|refusal| fault(&refusal))?;
    if checked.id() != id {
        return Err(fault(&format!("its log holds another page: {}", checked.id())));
    }
    // What was admitted meanwhile, with the state that it led to.
    let rest = node.read_rest(&id, end).map_err(|error| unsound(page, &error))?;
    let (rest, served) = rest.ok_or_else(|| fault(&"it is gone"))?;
    whole.said.extend(rest.said);
    let check = if full { Check::Full } else { Check::Trusted };
    let replayed = whole.replay(Governance::new(checked), check, progress);
    let replayed = replayed.map_err(|refusal| fault(&refusal))?;
    compare(&replayed, &served).map_err(|what| fault(&what))?;
    let seals = whole.seals();
    let statements = whole.said.len() - seals;
    Ok(Verified {
        page_id: id.to_string(),
        name: page.page().name().to_string(),
        full,
        entries,
        statements,
        signatures: if full { whole.said.len() } else { 0 },
        height: replayed.page().height(),
        state_root: replayed.page().state_root().to_string(),
        log_bytes: log.bytes,
    })
}

fn founded(
    whole: &WholePage,
    full: bool,
    progress: Progress,
) -> Result<Page, crate::page::PageRefusal> {
    if !full {
        return Page::reopen(&whole.raw);
    }
    let total = whole.raw.entries.len() as u64;
    Page::admit(&whole.raw, &mut |done| {
        if done.is_multiple_of(4096) {
            progress("checking entries", done as u64, total);
        }
    })
}

/// Whether what was said leads to what is served.
fn compare(replayed: &Governance, served: &Governance) -> Result<(), &'static str> {
    if replayed.page().head() != served.page().head()
        || replayed.page().state_root() != served.page().state_root()
    {
        return Err("its seals lead to another state than the one served");
    }
    let same = replayed.soft_owners().eq(served.soft_owners())
        && served.soft_owners().all(|owner| replayed.ratified(owner) == served.ratified(owner));
    if same { Ok(()) } else { Err("the statements lead to another state than the one served") }
}
