//! What happened to a page, as people are told.

use super::{
    node::Node,
    trail::{self, Row},
};
use crate::{
    control::{
        history::{AuditRow, Contradicted, Event, SealEvent},
        request::{Answer, Failure},
    },
    governance::Governance,
    key::PublicKey,
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
            signers: words(&seal.signed.signers),
            nodes: words(&seal.signed.nodes),
            applied: seal.applied.into_iter().map(|(id, what)| (id.to_string(), what)).collect(),
            contradicts: seal.contradicts.map(|(seal, signed)| Contradicted {
                seal: seal.to_string(),
                signers: words(&signed.signers),
                nodes: words(&signed.nodes),
            }),
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
        let seats = row.seal.iter().flat_map(|seal| &seal.signed.signers);
        let by: Vec<String> = row.author.iter().chain(seats).map(ToString::to_string).collect();
        let mut audited = AuditRow {
            number,
            time: row.time,
            cause: row.cause,
            kind: row.kind.to_owned(),
            id: row.id.to_string(),
            by,
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

fn words(keys: &[PublicKey]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}
