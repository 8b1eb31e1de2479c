//! Which node can seal a page, and whose seats it lacks for that (S7, S8).

use std::collections::{HashMap, HashSet};

use crate::{
    governance::{Governance, operation::RosterChange, seal::quorum},
    key::PublicKey,
    page::genesis::{Parameters, Roster},
};

/// The seats of a page that one node was named for.
pub struct Seats {
    /// None: nobody named any node.
    pub node: Option<PublicKey>,
    /// Their power, of so much, and how much a seal takes.
    pub held: u64,
    pub total: u64,
    pub quorum: u64,
    of: HashSet<PublicKey>,
}

impl Seats {
    /// Of the node that was named with most power.
    pub fn of(page: &Governance) -> Seats {
        let roster = page.page().roster();
        let mut nodes: HashMap<PublicKey, u64> = HashMap::new();
        for (participant, node) in page.hosted() {
            *nodes.entry(node).or_default() += power(roster, &participant);
        }
        let most = nodes.into_iter().max_by_key(|(node, held)| (*held, *node));
        Seats::named(page, most.map(|(node, _)| node))
    }

    /// Of this node.
    pub fn of_node(page: &Governance, node: PublicKey) -> Seats {
        Seats::named(page, Some(node))
    }

    fn named(page: &Governance, node: Option<PublicKey>) -> Seats {
        let (roster, parameters) = (page.page().roster(), page.page().parameters());
        let of: HashSet<PublicKey> = page
            .hosted()
            .filter(|(key, named)| Some(*named) == node && roster.power(key).is_some())
            .map(|(key, _)| key)
            .collect();
        let (held, total) = (held(&of, roster), roster.total());
        Seats { node, held, total, quorum: quorum(parameters.track2_bp, total), of }
    }

    /// Whether they are enough to seal alone.
    pub fn are_enough(&self) -> bool {
        self.held >= self.quorum
    }

    /// Why the page is not sealed, and whose seats are missing; `node` is the node that says so.
    pub fn missing(&self, page: &Governance, node: &PublicKey) -> String {
        let name = page.page().name();
        let is_not = match page.page().height() {
            0 => "is not sealed".to_owned(),
            height => format!("cannot be sealed further than height {height}"),
        };
        let named = match &self.node {
            Some(named) if named == node => format!("this node was named by {}", self.held),
            Some(named) => {
                format!("no node was named by more than {}, which is {named}", self.held)
            }
            None => "nobody named a node".to_owned(),
        };
        let missing = self.lacking(page.page().roster());
        let which = self.which();
        format!(
            "{name} {is_not}: a seal takes {} of {} power, and {named}; domain changes are served as \
             soft, changes of participants wait; all have to name one node; whose seat is missing \
             (`djdns host {name}{which}`): {missing}",
            self.quorum, self.total
        )
    }

    /// What is to be said of a change after which seats that seal the page now are too few.
    pub fn lost_by(&self, page: &Governance, change: &RosterChange) -> Option<String> {
        let (roster, Parameters { track2_bp, .. }) = page.roster_after(change).ok()?;
        let quorum = quorum(track2_bp, roster.total());
        let held = held(&self.of, &roster);
        if !self.are_enough() || held >= quorum {
            return None;
        }
        let name = page.page().name();
        let which = self.which();
        Some(format!(
            "with this change {name} is sealed no further until more seats name its node: a seal then \
             takes {quorum} of {} power, and the node was named by {held}; let these run `djdns host \
             {name}{which}`, who joins right after the change: {}",
            roster.total(),
            self.lacking(&roster)
        ))
    }

    /// What names their node in a command: who names it elsewhere would else name one of their own.
    pub fn which(&self) -> String {
        self.node.map_or(String::new(), |node| format!(" --node {node}"))
    }

    fn lacking(&self, roster: &Roster) -> String {
        let missing: Vec<&PublicKey> =
            roster.iter().map(|(key, _)| key).filter(|key| !self.of.contains(*key)).collect();
        let mut names: Vec<String> =
            missing.iter().take(NAMED_MAX).map(ToString::to_string).collect();
        if missing.len() > NAMED_MAX {
            names.push(format!("{} more", missing.len() - NAMED_MAX));
        }
        names.join(", ")
    }
}

/// Participants who are named one by one (choice: a line or two).
const NAMED_MAX: usize = 5;

fn power(roster: &Roster, key: &PublicKey) -> u64 {
    roster.power(key).map_or(0, u64::from)
}

fn held(seats: &HashSet<PublicKey>, roster: &Roster) -> u64 {
    seats.iter().map(|seat| power(roster, seat)).sum()
}
