//! Why a name is answered as it is: sealed, soft or contested, and what is missing.

use super::{
    node::Node,
    report,
    resolve::{locate, source, steps},
    seats::Seats,
};
use crate::{
    control::report::{Explanation, OperationReport},
    dns::{Answer, Rcode, path::Path},
    governance::{Governance, Proposal, State, operation::Register, past::Outcome},
    id::Id,
    page::{
        name::{Name, Owner},
        origin_version,
        record::RecordType,
    },
};

/// `djdns explain`.
pub fn explain(node: &Node, name: &Name) -> Explanation {
    let view = node.view().load_full();
    let Some(path) = Path::read(name.wire()) else { unreachable!("a name is a path") };
    let answer = Answer::look_up(&view, &path, RecordType::ANY);
    if let Some(why) = outside(node, &answer, &path) {
        let (status, rcode) = ("outside".to_owned(), String::new());
        let (name, page, operations) = (name.to_string(), None, Vec::new());
        return Explanation { name, page, owner: None, status, rcode, why, operations };
    }
    let mut way = steps(node, &view, name);
    let page = way.pop();
    let Some((governance, owner)) = locate(node, &view, name).filter(|_| is_said(&answer)) else {
        let why = answer.errors.iter().map(|error| error.text.to_string()).collect();
        let (status, rcode) = ("none".to_owned(), answer.rcode.to_string());
        let name = name.to_string();
        return Explanation { name, page, owner: None, status, rcode, why, operations: vec![] };
    };
    let source = source(&view, &governance, &owner);
    let register = Register::Entry(source.clone());
    let on = |register: &Register| -> Vec<&Proposal> {
        governance.proposals().filter(|p| p.operation().change.register() == *register).collect()
    };
    let (on_it, on_roster) = (on(&register), on(&Register::Roster));
    let states: Vec<State> = on_it.iter().map(|proposal| governance.state(proposal)).collect();
    let seats = Seats::of(&governance);
    let report = |proposal: &&Proposal| report::operation(&governance, &seats, proposal);
    let mut operations: Vec<OperationReport> = on_it.iter().map(report).collect();
    let own = status(&governance, &source, &states);
    let mut why = why(&governance, &owner, &source, own, &operations);
    let is_live = |report: &OperationReport| ["open", "passed"].contains(&report.state.as_str());
    let roster: Vec<OperationReport> = on_roster.iter().map(report).filter(is_live).collect();
    why.extend(roster.iter().map(|operation| {
        let name = governance.page().name();
        format!("who decides about {name} is to change: {}", standing(operation))
    }));
    operations.extend(roster);
    let is_waiting = |report: &OperationReport| ["ratified", "passed"].contains(&&*report.state);
    if !seats.are_enough() && operations.iter().any(is_waiting) {
        why.push(seats.missing(&governance, &node.key()));
    }
    if operations.iter().any(is_waiting) {
        why.extend(report::unsealed(node, &governance));
    }
    let forked = node.forked();
    let is_on_way = |id: &Id| view.walk(name).iter().any(|page| page.meta().id == *id);
    why.extend(forked.into_iter().filter(|(id, _)| is_on_way(id)).map(|(_, words)| words));
    let steps = way.iter().chain(&page).filter(|step| step.forked.is_none());
    why.extend(steps.filter_map(|step| {
        let stale = step.stale.as_ref()?;
        Some(format!("{} is stale, and may be old: {stale}", step.name))
    }));
    let soft_links = way.iter().filter(|step| step.operation.is_some());
    why.extend(soft_links.map(|step| {
        format!("{} links on by a change that is ratified and not sealed yet", step.name)
    }));
    let is_led_softly = own == "sealed" && way.iter().any(|step| step.operation.is_some());
    Explanation {
        name: name.to_string(),
        page,
        owner: Some(source.to_string()),
        status: if is_led_softly { "soft" } else { own }.to_owned(),
        rcode: answer.rcode.to_string(),
        why,
        operations,
    }
}

/// Who answers for a name that is in no page, where others are asked.
fn outside(node: &Node, answer: &Answer, path: &Path) -> Option<Vec<String>> {
    answer.outside.filter(|outside| outside.wire() == path.wire() && !is_said(answer))?;
    let forwarding = node.running()?.forwarding();
    let asked = match &forwarding.usual[..] {
        [] => return None,
        upstreams => upstreams.join(", "),
    };
    let mut why: Vec<String> = held_and_not_linked(node, path).into_iter().collect();
    why.push(format!(
        "no page here knows it: {asked} (from {}) is asked; `djdns resolve NAME --trace` does that now",
        forwarding.from
    ));
    why.extend(forwarding.troubles);
    Some(why)
}

/// A page that is here and would answer for the name, if anything led to it.
fn held_and_not_linked(node: &Node, path: &Path) -> Option<String> {
    let pages = node.pages();
    let above = pages.iter().filter(|page| path.cut_at(page.page().name().wire()).is_some());
    let page = above.max_by_key(|page| page.page().name().wire().len())?.page();
    if page.name().is_root() || node.is_linked(page) {
        return None;
    }
    let (name, id) = (page.name(), page.id().short());
    Some(format!(
        "a page {name} is here ({id}), and no page links to it: `djdns page join {name} {id}` trusts it for \
         this machine"
    ))
}

/// Whether the pages say anything about the name, if only that it does not exist.
fn is_said(answer: &Answer) -> bool {
    [Rcode::NOERROR, Rcode::NXDOMAIN, Rcode::YXDOMAIN].contains(&answer.rcode)
}

fn status(page: &Governance, owner: &Owner, states: &[State]) -> &'static str {
    let is_contested = states.iter().any(|state| matches!(state, State::Outvoted(_)));
    let (sets, is_soft) = page.ratified(owner);
    match (is_contested, is_soft, sets.is_empty()) {
        (true, ..) => "contested",
        (_, true, _) => "soft",
        (_, _, false) => "sealed",
        _ => "none",
    }
}

fn why(
    page: &Governance,
    owner: &Owner,
    source: &Owner,
    status: &str,
    operations: &[OperationReport],
) -> Vec<String> {
    let name = page.page().name();
    let mut why = Vec::new();
    if source != owner {
        let what = if source.is_wildcard() { "wildcard" } else { "delegation or DNAME at" };
        why.push(format!("the {what} `{source}` of {name} decides about it"));
    }
    why.push(match status {
        "sealed" => held_since(page, source),
        "soft" => format!(
            "the entry `{source}` of {name} is ratified by ballots and not sealed yet: it may \
             still be displaced, and is cached for at most {} s",
            page.page().parameters().soft_ttl_max
        ),
        "contested" => format!(
            "several changes of the entry `{source}` of {name} have enough ballots; the one with \
             more approving power, or of equal ones the smaller id, is served"
        ),
        _ => format!("{name} has no entry `{source}`"),
    });
    why.extend(operations.iter().map(standing));
    why
}

/// Where an operation stands, in a sentence.
fn standing(operation: &OperationReport) -> String {
    let OperationReport { id, change, state, reason, .. } = operation;
    format!("{} ({change}): {state}: {reason}", &id[..8])
}

/// Since when a sealed entry stands.
fn held_since(page: &Governance, owner: &Owner) -> String {
    let name = page.page().name();
    let version = page.page().version(owner);
    if version == origin_version(&page.page().id(), owner) {
        return format!("{name} holds the entry `{owner}` since its founding, at height 0");
    }
    let height = match page.outcome(&version) {
        Some(Outcome::Sealed(height)) => format!(", sealed at height {height}"),
        _ => String::new(),
    };
    format!("{name} holds the entry `{owner}` by the operation {}{height}", version.short())
}
