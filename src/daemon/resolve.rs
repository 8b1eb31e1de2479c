//! Names as the DNS face answers them, with the way that led there and what proves each step.

use super::{field, node::Node, report::data_text, running::Running};
use crate::{
    ambient,
    control::report::{AnswerRow, ForwardedStep, PageStep, Resolution},
    dns::{
        Answer, Rcode, Source, Trouble, View,
        answer::{ExtendedError, Part},
        path::Path,
        service::Wanted,
    },
    governance::{Governance, operation::Register},
    id::Id,
    limits::{MISS_PAGES_ON_THE_WAY_MAX, MISS_PATIENCE},
    page::{
        Page, entry_key,
        name::{Name, Owner},
        record::RecordType,
    },
};

/// `djdns resolve`: the answer, whether it is sealed, every page walked, and who else was asked.
pub fn resolve(node: &Node, name: &Name, rtype: RecordType, offline: bool) -> Resolution {
    let Some(path) = Path::read(name.wire()) else { unreachable!("a name is a path") };
    if !offline {
        fetch(node, &path, rtype);
    }
    let view = node.view().load_full();
    let answer = Answer::look_up(&view, &path, rtype);
    let running = node.running();
    let (answer, is_left) = match (answer.outside, running) {
        (Some(outside), Some(running)) if !offline => {
            let (dnssec_ok, checking_disabled) = (false, false);
            let wanted = Wanted { name: outside, qtype: rtype, dnssec_ok, checking_disabled };
            let found = running.resolve(wanted);
            let is_same = outside.wire() == path.wire();
            (if is_same { found } else { answer.followed_by(found, &outside) }, false)
        }
        (outside, _) => (answer, outside.is_some()),
    };
    let answers: Vec<AnswerRow> = answer.answer.iter().flat_map(|part| rows(part, name)).collect();
    let mut notes: Vec<String> = answer.errors.iter().map(|error| error.text.to_string()).collect();
    if is_left {
        notes.push(match offline {
            true => "that is what --offline is for".to_owned(),
            false => "a running daemon would ask (`djdns serve`)".to_owned(),
        });
    }
    let forwarded = forwarded(&answer);
    let status = match forwarded {
        Some(_) if answer.answer.is_empty() && answer.rcode != Rcode::NOERROR => "none",
        Some(_) => "forwarded",
        None => status(node, &view, &answer, name),
    };
    Resolution {
        name: name.to_string(),
        rtype: rtype.to_string(),
        rcode: answer.rcode.to_string(),
        status: status.to_owned(),
        fresh: is_fresh(&answer),
        forwarded,
        pages: steps(node, &view, name),
        referral: referral(&answer),
        notes,
        answers,
    }
}

/// Whether what was answered can be the newest: of pages, that none which had a say is stale (T6).
fn is_fresh(answer: &Answer) -> bool {
    match answer.source {
        Source::Page => !answer.errors.iter().any(ExtendedError::is_stale),
        source => [Source::Override, Source::Cache, Source::Forwarded].contains(&source),
    }
}

/// Waits for the pages that a name leads to and that are not here, as its question to a daemon does.
fn fetch(node: &Node, path: &Path, rtype: RecordType) {
    let Some(neighbours) = node.running().and_then(Running::neighbours) else { return };
    let begun = ambient::ticks();
    let is_over = || ambient::ticks() - begun >= MISS_PATIENCE.as_millis() as u64;
    for _ in 0..MISS_PAGES_ON_THE_WAY_MAX {
        let view = node.view().load_full();
        let lacking = Answer::look_up(&view, path, rtype).lacking;
        if is_over() || !lacking.is_some_and(|lacking| neighbours.fetch_now(&lacking)) {
            return;
        }
    }
}

/// Who else was asked, if the pages do not say it all.
fn forwarded(answer: &Answer) -> Option<ForwardedStep> {
    let is_local = [Source::Nowhere, Source::Page, Source::Special].contains(&answer.source);
    (!is_local).then(|| ForwardedStep {
        source: answer.source.word().to_owned(),
        upstream: answer.told.as_ref().map(|told| told.by.to_string()),
        age: answer.told.as_ref().map(|told| told.age),
    })
}

/// The servers that answer instead, when the name is delegated to them.
fn referral(answer: &Answer) -> Vec<String> {
    let servers = answer.authority.iter().filter(|part| part.rtype == RecordType::NS);
    let names = servers.flat_map(Part::iter).map(|record| data_text(RecordType::NS, record.rdata));
    if answer.authoritative { Vec::new() } else { names.collect() }
}

fn rows<'a>(part: &'a Part<'_>, question: &Name) -> impl Iterator<Item = AnswerRow> + use<'a> {
    let owner = part.owner.as_ref().and_then(|wire| Name::from_wire(wire).ok());
    let name = owner.as_ref().unwrap_or(question).to_string();
    part.iter().map(move |record| AnswerRow {
        name: name.clone(),
        rtype: part.rtype.to_string(),
        ttl: record.ttl,
        data: data_text(part.rtype, record.rdata),
    })
}

/// `soft` as soon as one entry that the answer rests on is soft.
fn status(node: &Node, view: &View, answer: &Answer, name: &Name) -> &'static str {
    if answer.answer.is_empty() && answer.rcode != Rcode::NOERROR {
        return "none";
    }
    let owners = answer.answer.iter().filter_map(|part| part.owner.as_ref());
    let names = owners.filter_map(|wire| Name::from_wire(wire).ok());
    let is_soft = |name: &Name| {
        locate(node, view, name).is_some_and(|(page, owner)| {
            let source = source(view, &page, &owner);
            !page.chain(&Register::Entry(source)).is_empty()
        })
    };
    let way_is_soft = steps(node, view, name).iter().any(|step| step.operation.is_some());
    if way_is_soft || names.chain([name.clone()]).any(|name| is_soft(&name)) {
        "soft"
    } else {
        "sealed"
    }
}

/// The page that answers for a name, and the name's owner in it.
pub fn locate(node: &Node, view: &View, name: &Name) -> Option<(Governance, Owner)> {
    let id = view.walk(name).last()?.meta().id;
    let page = node.page(&id)?;
    let owner = name.relative_to(page.page().name()).ok()?;
    Some((page, owner))
}

/// The entry that answers for an owner: what cuts the page above it, its own, or the wildcard at
/// its closest encloser (RFC 4592 section 3.3.1).
pub fn source(view: &View, page: &Governance, owner: &Owner) -> Owner {
    let Some(names) = view.page(&page.page().id()) else { return owner.clone() };
    let above: Vec<Owner> = std::iter::successors(owner.parent(), Owner::parent).collect();
    let cuts = |above: &&Owner| {
        let node = names.node(above.wire());
        node.is_some_and(|node| node.is_delegation() || node.is_subtree_alias())
    };
    if let Some(cut) = above.iter().rev().find(cuts) {
        return cut.clone();
    }
    let is_deleted = || !page.chain(&Register::Entry(owner.clone())).is_empty();
    if names.node(owner.wire()).is_some() || is_deleted() {
        return owner.clone();
    }
    let encloser = above.into_iter().find(|a| a.is_apex() || names.node(a.wire()).is_some());
    let wildcard = encloser
        .and_then(|encloser| Owner::from_wire(&[b"\x01*", encloser.wire()].concat()).ok())
        .filter(|wildcard| names.node(wildcard.wire()).is_some());
    wildcard.unwrap_or_else(|| owner.clone())
}

/// The pages on the way to a name, each with what proves it.
pub fn steps(node: &Node, view: &View, name: &Name) -> Vec<PageStep> {
    let walked: Vec<Id> = view.walk(name).iter().map(|page| page.meta().id).collect();
    let pages: Vec<Governance> = walked.iter().filter_map(|id| node.page(id)).collect();
    let step = |(n, page): (usize, &Governance)| {
        let above = n.checked_sub(1).and_then(|n| pages.get(n));
        // The name of the page that the entry leads to, or the name itself.
        let next = pages.get(n + 1).map_or(name, |below| below.page().name());
        page_step(node, view, page, above, next)
    };
    pages.iter().enumerate().map(step).collect()
}

fn page_step(
    node: &Node,
    view: &View,
    governance: &Governance,
    above: Option<&Governance>,
    next: &Name,
) -> PageStep {
    let page = governance.page();
    let owner = next.relative_to(page.name()).map(|owner| source(view, governance, &owner));
    let operation = owner.ok().and_then(|owner| {
        governance.chain(&Register::Entry(owner)).last().map(ToString::to_string)
    });
    let picture = node.picture(governance);
    PageStep {
        name: page.name().to_string(),
        page_id: page.id().to_string(),
        height: page.height(),
        seal: page.seal().to_string(),
        strength_bp: picture.strength_bp,
        coherence_bp: picture.coherence_bp,
        stale: field::stale(node, governance, &picture),
        forked: match view.trouble(&page.id()) {
            Some(Trouble::Forked(height)) => Some(height),
            _ => None,
        },
        proof: proof(page, above),
        operation,
    }
}

/// Checks the step to this page again, and says what proved it (T2, P9).
fn proof(page: &Page, above: Option<&Governance>) -> String {
    let Some(above) = above else {
        return "anchor: trusted on this machine".to_owned();
    };
    let Ok(owner) = page.name().relative_to(above.page().name()) else {
        return format!("NOT PROVED: {} is not above it", above.page().name());
    };
    let (sets, is_soft) = above.ratified(&owner);
    if sets.page_link().map(|link| link.page) != Some(page.id()) {
        return format!("NOT PROVED: {} links another page", above.page().name());
    }
    if is_soft {
        return format!("linked by {}, ratified, not sealed yet", above.page().name());
    }
    let state = above.page().state();
    let key = entry_key(&owner);
    match state.prove(&key).check(&above.page().state_root(), &key, state.get(&key)) {
        Ok(()) => format!(
            "linked by {}, shown under its state root {}",
            above.page().name(),
            above.page().state_root().short()
        ),
        Err(refusal) => format!("NOT PROVED: {refusal}"),
    }
}
