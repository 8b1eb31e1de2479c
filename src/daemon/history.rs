//! What happened to a page, as people are told.

use super::{
    node::Node,
    trail::{self, Row},
};
use crate::{
    control::{
        report::{Contradicted, Event, SealEvent},
        request::Failure,
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
            signers: words(&seal.signers),
            applied: seal.applied.into_iter().map(|(id, what)| (id.to_string(), what)).collect(),
            contradicts: seal.contradicts.map(|(seal, signers)| Contradicted {
                seal: seal.to_string(),
                signers: words(&signers),
            }),
        }),
    }
}

fn words(keys: &[PublicKey]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}
