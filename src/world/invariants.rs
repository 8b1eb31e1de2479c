//! What must hold after every event, of every honest node.

use std::collections::{BTreeMap, BTreeSet};

use super::member::Member;
use crate::{
    daemon::{
        node::Node,
        shown::{built, with_page},
        whole::Check,
    },
    dns::{Transport, View, respond},
    governance::{Governance, seal::SealRecord},
    id::{Id, Kind},
    limits::OPEN_OPERATIONS_MAX,
    page::name::Owner,
    sync::Ledger,
};

/// The seals of honest nodes, by page and height.
pub type Seals = BTreeMap<(Id, u64), (Id, String)>;

/// What must hold of one page of a node.
///
/// # Errors
/// What does not.
pub fn invariants(member: &mut Member, id: &Id, seals: &mut Seals) -> Result<(), String> {
    let Some(node) = member.node.clone() else { return Ok(()) };
    let Some(page) = node.page(id) else { return Ok(()) };
    invariant_height_never_goes_back(member, &page)?;
    invariant_one_seal_at_each_height(member, &page, seals)?;
    invariant_power_adds_up(&page)?;
    invariant_bounds(&node, &page)?;
    invariant_answers_are_the_state(&node, &page)
}

/// T3: what was served once is never gone back from.
fn invariant_height_never_goes_back(member: &mut Member, page: &Governance) -> Result<(), String> {
    let height = page.page().height();
    let highest = member.highest.entry(page.page().id()).or_insert(height);
    if height < *highest {
        return Err(format!("{} went back from height {highest} to {height}", member.name));
    }
    *highest = height;
    Ok(())
}

/// No two honest nodes hold different seals at one height.
fn invariant_one_seal_at_each_height(
    member: &Member,
    page: &Governance,
    seals: &mut Seals,
) -> Result<(), String> {
    let head = page.page().head();
    let here = (head.seal, member.name.clone());
    let (seal, other) = seals.entry((page.page().id(), head.height)).or_insert(here);
    match *seal == head.seal {
        true => Ok(()),
        false => Err(format!(
            "{} and {other} hold different seals at height {}",
            member.name, head.height
        )),
    }
}

/// Power is conserved: what approves, rejects and abstains is what there is.
fn invariant_power_adds_up(page: &Governance) -> Result<(), String> {
    for proposal in page.proposals() {
        let tally = proposal.tally();
        let said = tally.approve.checked_add(tally.reject);
        if said.is_none_or(|said| said > tally.total) {
            return Err(format!("{}: more power speaks than there is", proposal.statement().id()));
        }
    }
    Ok(())
}

/// Nothing grows past its limit.
fn invariant_bounds(node: &Node, page: &Governance) -> Result<(), String> {
    let (open, authors) = (page.proposals().count(), page.page().roster().len());
    // Two contend for each slot at most (P5).
    if open > 2 * authors * OPEN_OPERATIONS_MAX as usize {
        return Err(format!("{open} operations of {authors} authors are open"));
    }
    let slots = page.page().parameters().open_operations_max as usize;
    if slots > OPEN_OPERATIONS_MAX as usize {
        return Err(format!("an author has {slots} slots"));
    }
    match Ledger::held(node, &page.page().id()) {
        Some(held) if held.forks.records().len() > crate::limits::FORKS_KEPT_MAX => {
            Err(format!("{} seals are kept as evidence", held.forks.records().len()))
        }
        _ => Ok(()),
    }
}

/// What is answered is what the page says: the view that follows every change, and one that is made of
/// the page at once, give the same bytes.
fn invariant_answers_are_the_state(node: &Node, page: &Governance) -> Result<(), String> {
    let name = page.page().name();
    let id = page.page().id();
    let served = node.view().load().with_anchor(name, id);
    // Whether it is fresh depends on the time at which that was looked at (T6).
    let is_fresh = served.page(&id).is_none_or(|page| page.meta().fresh);
    // What other pages say of a name below a link is theirs.
    let fresh = with_page(&served, built(page), page).with_fresh(&id, is_fresh);
    let owners: BTreeSet<&Owner> = page.soft_owners().take(8).collect();
    for owner in owners {
        let query = query(&[owner.wire(), name.wire()].concat());
        let (is, should) =
            (respond(&served, &query, Transport::Udp), respond(&fresh, &query, Transport::Udp));
        if is != should {
            return Err(format!("the answer for {owner} below {name} is not what the page says"));
        }
    }
    Ok(())
}

/// A question for the address of a name in wire form.
pub fn query(name: &[u8]) -> Vec<u8> {
    let head = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    [&head[..], name, &[0, 1, 0, 1]].concat()
}

/// What a node acknowledged is there after whatever happened to it.
///
/// # Errors
/// What is not.
pub fn invariant_nothing_acknowledged_is_lost(member: &Member, node: &Node) -> Result<(), String> {
    for (page, statements) in &member.acknowledged {
        for id in statements {
            if node.stored(page, id).is_none() {
                return Err(format!("{} lost {id}, which it had acknowledged", member.name));
            }
        }
    }
    for (page, highest) in &member.highest {
        let height = node.page(page).map(|page| page.page().height());
        if height < Some(*highest) {
            return Err(format!("{} is at {height:?} after {highest}", member.name));
        }
    }
    Ok(())
}

/// What is served follows from what was signed: the log of each page, replayed with every signature
/// checked, leads to it.
///
/// # Errors
/// What does not.
pub fn invariant_what_is_served_was_signed(member: &Member) -> Result<(), String> {
    let Some(node) = &member.node else { return Ok(()) };
    for page in node.pages() {
        let replayed = replayed(member, node, &page.page().id())?;
        if replayed.page().state_root() != page.page().state_root()
            || replayed.contents() != page.contents()
        {
            return Err(format!("{} serves what its log does not lead to", member.name));
        }
    }
    Ok(())
}

/// One answer follows from what was signed: a view that is made of the replayed log of the page gives
/// the same bytes.
///
/// # Errors
/// That it does not.
pub fn invariant_answer_was_signed(
    member: &Member,
    id: &Id,
    served: &View,
    question: &[u8],
) -> Result<(), String> {
    let Some(node) = &member.node else { return Ok(()) };
    let replayed = replayed(member, node, id)?;
    let is_fresh = served.page(id).is_none_or(|page| page.meta().fresh);
    let signed = with_page(served, built(&replayed), &replayed).with_fresh(id, is_fresh);
    let answer = |view: &View| respond(view, question, Transport::Udp);
    match answer(served) == answer(&signed) {
        true => Ok(()),
        false => Err(format!("{} answers what its log does not lead to", member.name)),
    }
}

/// A page as its log leads to it, with every signature checked.
fn replayed(member: &Member, node: &Node, id: &Id) -> Result<Governance, String> {
    let told = |why: String| format!("{}: {why}", member.name);
    let whole = node.read_whole(id).map_err(|error| told(error.to_string()))?;
    let start = whole.start(Check::Full, &mut |_, _, _| {});
    let start = start.map_err(|error| told(error.to_string()))?;
    let replayed = whole.replay(start.page, Check::Full, &mut |_, _, _| {});
    replayed.map_err(|error| told(error.to_string()))
}

/// Honest nodes that reach each other end equal: one sealed state, and the same ratified answers.
///
/// # Errors
/// Who differs.
pub fn invariant_honest_nodes_converge(members: &[&Member]) -> Result<(), String> {
    let mut first: BTreeMap<Id, (&Member, Governance)> = BTreeMap::new();
    for member in members {
        for page in member.node.iter().flat_map(|node| node.pages()) {
            let id = page.page().id();
            let Some((other, held)) = first.get(&id) else {
                first.insert(id, (member, page));
                continue;
            };
            let (name, other) = (&member.name, &other.name);
            if held.page().head() != page.page().head() {
                let (a, b) = (held.page().height(), page.page().height());
                return Err(format!("{other} ends at height {a}, and {name} at {b}"));
            }
            if held.page().state_root() != page.page().state_root() {
                return Err(format!("{other} and {name} end with different states"));
            }
            if held.contents() != page.contents() {
                return Err(format!("{other} and {name} end with different answers"));
            }
        }
    }
    Ok(())
}

/// The changes that the seals in a node's log have sealed.
pub fn sealed(node: &Node, id: &Id) -> u64 {
    let whole = node.read_whole(id).unwrap_or_default();
    let seals = whole.said.iter().filter(|(kind, _)| *kind == Kind::Seal);
    let seals = seals.filter_map(|(_, bytes)| SealRecord::decode(bytes).ok());
    seals.map(|record| record.contents.operations.len() as u64).sum()
}

/// How often a node took a page over at a seal, by its logs.
pub fn taken_over(node: &Node) -> u64 {
    let wholes = Ledger::pages(node).into_iter().filter_map(|id| node.read_whole(&id).ok());
    wholes.map(|whole| whole.jumps.len() as u64).sum()
}
