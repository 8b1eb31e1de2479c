//! What lists of pages say beside each, in a few words: the same in tables and on the status page.

use super::{
    peers::Alongside,
    report::{Kept, PageSummary},
};
use crate::limits::ASKED_IDLE;

/// So many of something that has a regular plural.
pub fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// How a page stands beside those of other nodes.
pub fn beside(page: &PageSummary, beside: &Alongside) -> String {
    let nodes = count(beside.peers, "node");
    if let Some(seal) = &beside.postponed {
        let behind = if seal.here { "" } else { "behind: " };
        return format!("{behind}{}", seal.words());
    }
    match (beside.fetched_thousandths, beside.best_height) {
        (Some(thousandths), _) => format!("being fetched, {} %", thousandths / 10),
        _ if beside.peers == 0 => "followed by no other node that is connected".to_owned(),
        _ if beside.in_step => format!("in step with {nodes}"),
        (None, Some(best)) if best > page.height => format!("behind: a node has height {best}"),
        _ if beside.lacking > 0 => format!("{} to be fetched", count(beside.lacking, "statement")),
        _ => format!("not in step yet with {nodes}"),
    }
}

/// Why a page is here, and how long it stays.
pub fn kept(kept: Kept) -> String {
    let words = match kept {
        Kept::Demonstration => "it comes with the program",
        Kept::Trusted => "it is trusted here",
        Kept::Hosted => "participants named this node",
        Kept::Used => "somebody here takes part in it",
        Kept::Wished => "somebody here said how it is followed",
        Kept::Brought => "it was founded or brought here",
        Kept::Way => "one that stays is reached through it",
        Kept::Asked => {
            return format!(
                "it was asked for: it goes after {} days without a question, or when others need the room; `djdns \
                 page join` keeps it",
                ASKED_IDLE.as_secs() / 86_400
            );
        }
    };
    words.to_owned()
}

/// What is to be said of a page in a list; empty: nothing.
pub fn of(page: &PageSummary) -> String {
    if let Some(damage) = &page.damaged {
        return format!("damaged {damage}");
    }
    let unused = if page.name == "." { "not trusted" } else { "not linked" };
    let linked = (!page.linked).then_some(unused);
    let demonstration = page.demonstration.then_some("demonstration");
    let stale = (page.stale && page.forked.is_none()).then_some("stale");
    let forked = page.forked.map(|height| format!("forked at height {height}"));
    let words = linked.into_iter().chain(demonstration).chain(stale).map(str::to_owned);
    let asked = (page.kept == Some(Kept::Asked)).then_some("only asked for");
    let words = words.chain(asked.map(str::to_owned));
    let behind = page.alongside.as_ref().filter(|beside| beside.peers > 0 && !beside.in_step);
    let behind = behind.map(|others| beside(page, others));
    forked.into_iter().chain(words).chain(behind).collect::<Vec<_>>().join(", ")
}
