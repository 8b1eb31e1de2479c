//! Health in words, and the pages as tables show them.

use super::node::Node;
use crate::{
    control::report::{Anchor, PageReport, PageSummary, Participant, Status},
    governance::{Governance, State},
    id::Id,
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
        notices,
    }
}

/// `djdns page list`: all pages, by their names from the root down.
pub fn pages(node: &Node) -> Vec<PageSummary> {
    let mut pages = node.pages();
    pages.sort_by_cached_key(|page| {
        let labels: Vec<Vec<u8>> = page.page().name().labels().rev().map(<[u8]>::to_vec).collect();
        (labels, page.page().id())
    });
    pages.iter().map(|page| summary(node, page)).collect()
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
    let participant = |(key, power): (&crate::key::PublicKey, u32)| Participant {
        key: key.to_string(),
        power,
        share_bp: (u64::from(power) * 10_000 / total) as u32,
    };
    PageReport {
        summary: summary(node, governance),
        seal: page.seal().to_string(),
        state_root: page.state_root().to_string(),
        created: page.genesis().raw().created,
        total_power: total,
        parameters: page.parameters().rows().map(|(name, n)| (name.to_owned(), n)).to_vec(),
        roster: page.roster().iter().map(participant).collect(),
    }
}

fn open_operations(page: &Governance) -> usize {
    let is_open = |state: State| matches!(state, State::Open | State::Waiting | State::Passed);
    page.proposals().filter(|proposal| is_open(page.state(proposal))).count()
}
