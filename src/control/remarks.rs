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
    if let Some(seal) = &beside.postponed {
        let behind = if seal.here { "" } else { "behind: " };
        return format!("{behind}{}", seal.words());
    }
    let nodes = answering(beside);
    match (beside.fetched_thousandths, beside.best_height) {
        (Some(thousandths), _) => format!("being fetched, {} %", thousandths / 10),
        _ if beside.peers == 0 => "followed by no other node that is connected".to_owned(),
        _ if beside.peers == 1 && beside.silent == 1 => {
            "the one node that follows it does not answer".to_owned()
        }
        _ if beside.peers == beside.silent => {
            format!("none of the {} that follow it answers", count(beside.peers, "node"))
        }
        _ if beside.peers == beside.silent + beside.elsewhere => nodes,
        _ if beside.in_step => format!("in step with {nodes}"),
        (None, Some(best)) if best > page.height => format!("behind: a node has height {best}"),
        _ if beside.lacking > 0 => format!("{} to be fetched", count(beside.lacking, "statement")),
        _ => format!("not in step yet with {nodes}"),
    }
}

/// The nodes that answer, and how many more do not, or stand on another history.
fn answering(beside: &Alongside) -> String {
    let left_out = beside.silent.saturating_add(beside.elsewhere);
    let nodes = match (beside.peers.saturating_sub(left_out), elsewhere(beside)) {
        (0, Some(others)) => others,
        (nodes, Some(others)) => format!("{}; {others}", count(nodes, "node")),
        (nodes, None) => count(nodes, "node"),
    };
    match beside.silent {
        0 => nodes,
        1 => format!("{nodes}; 1 more does not answer"),
        silent => format!("{nodes}; {silent} more do not answer"),
    }
}

/// How many nodes stand on another history of a page, if any do.
fn elsewhere(beside: &Alongside) -> Option<String> {
    match beside.elsewhere {
        0 => None,
        1 => Some("1 node stands on another history".to_owned()),
        nodes => Some(format!("{nodes} nodes stand on another history")),
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
    let awaited = page.awaited.clone();
    let forked = page.forked.map(|height| format!("forked at height {height}"));
    let words = linked.into_iter().chain(demonstration).chain(stale).map(str::to_owned);
    let asked = (page.kept == Some(Kept::Asked)).then_some("only asked for");
    let words = words.chain(awaited).chain(asked.map(str::to_owned));
    let is_told = |beside: &&Alongside| !beside.in_step || beside.elsewhere > 0;
    let behind = page.alongside.as_ref().filter(|beside| beside.peers > 0).filter(is_told);
    let behind = behind.map(|others| beside(page, others));
    forked.into_iter().chain(words).chain(behind).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_in_step_with_those_that_answer() {
        let check = |peers, silent, in_step, best_height, expect: &str| {
            let others = Alongside { peers, silent, in_step, best_height, ..Alongside::default() };
            let page = PageSummary { height: 7, alongside: Some(others.clone()), ..page() };
            assert_eq!(beside(&page, &others), expect);
            let remark = if peers == 0 || in_step { "" } else { expect };
            assert_eq!(of(&page), remark);
        };
        check(0, 0, false, None, "followed by no other node that is connected");
        check(2, 0, true, Some(7), "in step with 2 nodes");
        check(2, 1, true, Some(7), "in step with 1 node; 1 more does not answer");
        check(5, 2, true, Some(7), "in step with 3 nodes; 2 more do not answer");
        check(2, 0, false, Some(8), "behind: a node has height 8");
        check(2, 1, false, Some(7), "not in step yet with 1 node; 1 more does not answer");
        check(1, 1, false, None, "the one node that follows it does not answer");
        check(2, 2, false, None, "none of the 2 nodes that follow it answers");
        let check = |peers, silent, elsewhere, in_step, says: &str| {
            let best_height = Some(7);
            let others = Alongside {
                peers,
                silent,
                elsewhere,
                in_step,
                best_height,
                ..Alongside::default()
            };
            let page = PageSummary { height: 7, alongside: Some(others.clone()), ..page() };
            assert_eq!((beside(&page, &others).as_str(), of(&page).as_str()), (says, says));
        };
        let one = "1 node stands on another history";
        check(1, 0, 1, false, one);
        check(3, 0, 1, true, &format!("in step with 2 nodes; {one}"));
        let two = "2 nodes stand on another history; 1 more does not answer";
        check(3, 1, 2, false, two);
    }

    fn page() -> PageSummary {
        PageSummary {
            name: "ct.".to_owned(),
            page_id: String::new(),
            height: 0,
            entries: 0,
            participants: 1,
            open_operations: 0,
            soft_entries: 0,
            linked: true,
            forked: None,
            damaged: None,
            demonstration: false,
            stale: false,
            awaited: None,
            alongside: None,
            kept: None,
        }
    }
}
