//! Health in words, and the pages as tables show them.

use super::{node::Node, report};
use crate::{
    ambient,
    control::report::{Anchor, PageReport, PageSummary, Participant, Status, Waiting},
    governance::{
        Governance, Proposal, State, presence::Presence, seal::quorum, statement::Statement,
    },
    id::Id,
    key::{PublicKey, RawKey},
    page::name::Name,
};

/// `djdns status`.
pub fn status(node: &Node) -> Status {
    let pages = node.pages();
    let anchors = node.anchors();
    let root = anchors.get(&Name::root());
    let notices = node.notices();
    let demonstration = root
        .and_then(|id| pages.iter().find(|page| page.page().id() == *id))
        .is_some_and(|page| page.page().is_demonstration());
    let dns = node.serving.lock().map(|dns| dns.clone()).unwrap_or_default();
    let is_held = |id: &Id| pages.iter().any(|page| page.page().id() == *id);
    let missing = anchors.iter().find(|(_, id)| !is_held(id));
    let forked = node.forked();
    let health = match (root, missing, notices.is_empty()) {
        (None, ..) => "no root page is trusted, so no name resolves: `djdns page join . PAGE-ID`",
        (_, Some(_), _) => {
            "a trusted page is not here, so no name below it resolves, see the notices: bring it with \
             `djdns page import`"
        }
        _ if !forked.is_empty() => {
            "a page has two histories, see the notices: it stays as it was until you decide"
        }
        (_, _, false) => "names resolve; something happened that you should know, see the notices",
        _ if dns.is_empty() => "all is well; no daemon runs, so nothing answers DNS",
        _ => "all is well",
    };
    let missing =
        missing.map(|(name, id)| format!("the page {id}, trusted for {name}, is not here"));
    let notices: Vec<String> = notices
        .into_iter()
        .chain(missing)
        .chain(forked.into_iter().map(|(_, words)| words))
        .collect();
    Status {
        health: health.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        daemon: (!dns.is_empty()).then(std::process::id),
        data_dir: node.data_dir().display().to_string(),
        dns,
        pages: pages.len(),
        entries: pages.iter().map(|page| page.page().entry_count()).sum(),
        open_operations: pages.iter().map(open_operations).sum(),
        root: root.map(ToString::to_string),
        anchors: anchors
            .iter()
            .map(|(name, id)| Anchor { name: name.to_string(), page_id: id.to_string() })
            .collect(),
        demonstration,
        waiting: waiting(&pages),
        unsealed: unsealed(node, &pages),
        notices,
    }
}

/// `djdns page list`: all pages, by their names from the root down.
pub fn pages(node: &Node) -> Vec<PageSummary> {
    in_order(node).iter().map(|page| summary(node, page)).collect()
}

/// All pages, by their names from the root down.
pub fn in_order(node: &Node) -> Vec<Governance> {
    let mut pages = node.pages();
    pages.sort_by_cached_key(|page| {
        let labels: Vec<Vec<u8>> = page.page().name().labels().rev().map(<[u8]>::to_vec).collect();
        (labels, page.page().id())
    });
    pages
}

/// One row of the list.
pub fn summary(node: &Node, governance: &Governance) -> PageSummary {
    let page = governance.page();
    PageSummary {
        name: page.name().to_string(),
        page_id: page.id().to_string(),
        height: page.height(),
        entries: page.entry_count(),
        participants: page.roster().len(),
        open_operations: open_operations(governance),
        soft_entries: governance.soft_owners().count(),
        linked: node.is_linked(page),
        forked: node.forked_at(&page.id()),
        demonstration: page.is_demonstration(),
    }
}

/// `djdns page show`.
pub fn page(node: &Node, governance: &Governance) -> PageReport {
    let page = governance.page();
    let total = page.roster().total();
    let participant = |(key, power): (&PublicKey, u32)| {
        let presence = governance.presence(key).and_then(Statement::as_presence);
        let lending = presence.filter(|_| governance.is_away(key));
        let away = lending.map(|presence| presence.away.as_slice()).unwrap_or_default();
        let to = |key: &RawKey| PublicKey::admit(*key).map(|k| k.to_string()).unwrap_or_default();
        Participant {
            key: key.to_string(),
            power,
            share_bp: (u64::from(power) * 10_000 / total) as u32,
            node: presence.and_then(Presence::node).map(|node| node.to_string()),
            away: away.iter().map(|(key, share)| (to(key), *share)).collect(),
            until: lending.map(|presence| presence.until).filter(|until| *until > 0),
        }
    };
    PageReport {
        summary: summary(node, governance),
        seal: page.seal().to_string(),
        sealed: page.head().time,
        own_seats: own_seats(node, governance),
        quorum: quorum(page.parameters().track2_bp, total),
        state_root: page.state_root().to_string(),
        created: page.genesis().raw().created,
        total_power: total,
        parameters: page.parameters().rows().map(|(name, n)| (name.to_owned(), n)).to_vec(),
        roster: page.roster().iter().map(participant).collect(),
    }
}

/// Operations that are named as waiting (choice: a screenful).
const WAITING_MAX: usize = 10;

/// What waits for ballots. On demonstration pages nobody is waited for.
fn waiting(pages: &[Governance]) -> Vec<Waiting> {
    let real = pages.iter().filter(|page| !page.page().is_demonstration());
    let open = real.flat_map(|page| page.proposals().map(move |proposal| (page, proposal)));
    let open = open.filter(|(page, proposal)| page.state(proposal) == State::Open);
    let row = |(page, proposal): (&Governance, &Proposal)| {
        let report = report::operation(page, proposal);
        Waiting {
            page: page.page().name().to_string(),
            id: report.id,
            change: report.change,
            reason: report.reason,
            awaited: report.awaited,
            awaited_more: report.awaited_more,
        }
    };
    open.take(WAITING_MAX).map(row).collect()
}

/// Pages that this node is named for and cannot seal, in a sentence each (S8).
fn unsealed(node: &Node, pages: &[Governance]) -> Vec<String> {
    pages.iter().filter_map(|page| unsealed_page(node, page)).collect()
}

fn unsealed_page(node: &Node, page: &Governance) -> Option<String> {
    let own = own_seats(node, page);
    let total = page.page().roster().total();
    let quorum = quorum(page.page().parameters().track2_bp, total);
    if own == 0 {
        return None;
    }
    let name = page.page().name();
    if own >= quorum {
        let behind = page.check_clock(ambient::now()).err()?;
        return Some(format!("{name} is not sealed: {behind}"));
    }
    let seats = page.seats_of(&node.key());
    let is_missing = |key: &PublicKey| seats.binary_search(key).is_err();
    let missing = page.page().roster().iter().filter(|(key, _)| is_missing(key));
    let mut names: Vec<String> = missing.take(5).map(|(key, _)| key.to_string()).collect();
    let more = page.page().roster().len() - seats.len() - names.len();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    Some(format!(
        "{name} is not sealed: a seal takes {quorum} of {total} power, and this node was named by \
         {own}; domain changes are served as soft, changes of participants wait. It was not named \
         (`djdns host`) by {}",
        names.join(", ")
    ))
}

/// The power of the seats that this node seals for.
fn own_seats(node: &Node, page: &Governance) -> u64 {
    let seats = page.seats_of(&node.key());
    seats.iter().filter_map(|seat| page.page().roster().power(seat)).map(u64::from).sum()
}

fn open_operations(page: &Governance) -> usize {
    let is_open = |state: State| matches!(state, State::Open | State::Waiting | State::Passed);
    page.proposals().filter(|proposal| is_open(page.state(proposal))).count()
}
