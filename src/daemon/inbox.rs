//! What pages are asked for: from a client's petition to the inbox on disk, and back (G13).
//!
//! An inbox is read when it is first needed; from then on every change of it is on disk before it is
//! in memory. Which petitions are kept is [`crate::governance::petition::inbox`]'s business, and the
//! time that it is told is this node's own.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use super::{
    batch,
    node::{Node, sentence},
    report, status,
};
use crate::{
    control::{
        report::{InboxPage, InboxReport, PetitionReport},
        request::{Answer, Failure},
    },
    governance::{
        Governance, Proposal, State,
        ballot::Choice,
        petition::{
            Petition, Refusal,
            inbox::{Fate, Inbox, InboxRefusal, Row, Source},
        },
        statement::Statement,
    },
    id::Id,
    key::{PublicKey, RawKey},
    limits::INBOX_OPERATIONS_MAX,
    page::entry::{Rdata, RecordSets},
};

/// The inboxes that were needed so far, by page.
#[derive(Default)]
pub struct Inboxes(Mutex<BTreeMap<Id, Inbox>>);

/// Takes in a petition from this machine.
///
/// # Errors
/// [`Failure`], with nothing kept.
pub fn ask(node: &Node, petition: &Rdata, now: u64) -> Result<Answer, Failure> {
    let refused = |reason: &dyn std::fmt::Display| {
        Failure::refused(format!("the petition is refused: {reason}"))
    };
    let petition = Petition::admit(&petition.0).map_err(|refusal| refused(&refusal))?;
    let page = held(node, &petition.page())?;
    petition.judge(page.page()).map_err(|refusal| refused(&refusal))?;
    with_inbox(node, &petition.page(), |inbox| {
        let mut after = inbox.clone();
        let dropped = after.admit(petition.clone(), Source::Local, now);
        // What is dropped goes first, so that there are never more files than there may be.
        for id in dropped.map_err(|refusal| refused(&refusal))? {
            node.store.remove_letter(&petition.page(), &id).map_err(sentence)?;
            inbox.remove(&id);
        }
        keep(node, &after, &petition.id())?;
        *inbox = after;
        answer(&page, inbox, &petition.id(), now)
    })
}

/// The petition, to any page, whose id starts with these digits.
///
/// # Errors
/// [`Failure`] when there is none, or more than one.
pub fn one(node: &Node, prefix: &str, now: u64) -> Result<Answer, Failure> {
    let mut found = Vec::new();
    for page in node.pages() {
        with_inbox(node, &page.page().id(), |inbox| {
            let ids = inbox.rows().into_iter().map(|row| row.petition.id());
            found.extend(ids.filter(|id| id.has_hex_prefix(prefix)).map(|id| (page.clone(), id)));
            Ok(())
        })?;
    }
    match &found[..] {
        [(page, id)] => with_inbox(node, &page.page().id(), |inbox| answer(page, inbox, id, now)),
        [] => Err(Failure::not_found(format!(
            "no petition here starts with `{prefix}`: `djdns requests P --all` shows those to a page"
        ))),
        several => {
            let ids: Vec<String> = several.iter().take(5).map(|(_, id)| id.to_string()).collect();
            Err(Failure::refused(format!(
                "`{prefix}` may be any of {} petitions, among them {}: give more digits",
                several.len(),
                ids.join(", ")
            )))
        }
    }
}

/// The petitions to a page, in the order in which they came.
///
/// # Errors
/// [`Failure`] when the inbox cannot be read.
pub fn of(node: &Node, page: &Governance, all: bool, now: u64) -> Result<Answer, Failure> {
    let petitions = petitions(node, page, all, now)?;
    Ok(Answer::Petitions { page: page.page().name().to_string(), petitions })
}

/// Admits statements, the one operation among them made from a petition.
///
/// # Errors
/// [`Failure`]. Nothing has changed then, unless it says so.
pub fn take_up(
    node: &Node,
    petition: &Id,
    statements: &[Statement],
    now: u64,
) -> Result<(), Failure> {
    let operations: Vec<&Statement> =
        statements.iter().filter(|said| said.as_operation().is_some()).collect();
    let [operation] = operations[..] else {
        let count = operations.len();
        return Err(Failure::refused(format!(
            "one operation takes a petition up, and {count} are here"
        )));
    };
    held(node, &operation.page())?;
    with_inbox(node, &operation.page(), |inbox| {
        let mut after = inbox.clone();
        after.take_up(petition, operation, now).map_err(undecidable)?;
        node.submit(statements)?;
        // Between the two a machine may stop: then the petition still waits, beside the operation
        // that proposes the same. The other way round it would be taken up by nothing.
        keep(node, &after, petition).map_err(|failure| {
            Failure::refused(format!(
                "{} was proposed, but its petition still waits: {failure}",
                operation.id()
            ))
        })?;
        *inbox = after;
        Ok(())
    })
}

/// Takes in a participant's refusal of a petition.
///
/// # Errors
/// [`Failure`], with nothing changed.
pub fn refuse(node: &Node, refusal: &Rdata, now: u64) -> Result<Answer, Failure> {
    let refused = |reason: &dyn std::fmt::Display| {
        Failure::refused(format!("this refusal does not count: {reason}"))
    };
    let refusal = Refusal::admit(&refusal.0).map_err(|reason| refused(&reason))?;
    let page = held(node, &refusal.page())?;
    refusal.judge(page.page()).map_err(|reason| refused(&reason))?;
    with_inbox(node, &refusal.page(), |inbox| {
        let mut after = inbox.clone();
        after.refuse(refusal.clone(), now).map_err(undecidable)?;
        keep(node, &after, &refusal.petition())?;
        *inbox = after;
        answer(&page, inbox, &refusal.petition(), now)
    })
}

/// Everything that awaits this participant, on all pages.
///
/// # Errors
/// [`Failure`] when the key is none, or an inbox cannot be read.
pub fn awaiting(node: &Node, key: RawKey, now: u64) -> Result<Answer, Failure> {
    let key = PublicKey::admit(key).map_err(Failure::refused)?;
    let mut pages = Vec::new();
    for page in status::in_order(node) {
        if page.page().roster().power(&key).is_none() {
            continue;
        }
        let (batches, batched) =
            batch::awaiting(node, &page, |proposal| awaits(&page, proposal, &key));
        let alone = page.proposals().filter(|one| !batched.contains(&one.statement().id()));
        let open: Vec<&Proposal> = alone.filter(|proposal| awaits(&page, proposal, &key)).collect();
        let listed = open.iter().take(INBOX_OPERATIONS_MAX);
        let awaiting = InboxPage {
            page: page.page().name().to_string(),
            page_id: page.page().id().to_string(),
            batches,
            operations: listed.map(|proposal| report::operation(&page, proposal)).collect(),
            more_operations: open.len().saturating_sub(INBOX_OPERATIONS_MAX),
            petitions: petitions(node, &page, false, now)?,
        };
        let InboxPage { batches, operations, petitions, .. } = &awaiting;
        if !batches.is_empty() || !operations.is_empty() || !petitions.is_empty() {
            pages.push(awaiting);
        }
    }
    Ok(Answer::Inbox(InboxReport { key: key.to_string(), pages }))
}

/// Whether ballots still decide this operation, and this key has none on it. Who withdrew theirs may
/// cast another.
fn awaits(page: &Governance, proposal: &Proposal, key: &PublicKey) -> bool {
    let mut cast = proposal.cast().filter(|(_, cast)| cast.choice != Choice::Withdraw);
    page.state(proposal) == State::Open && !cast.any(|(voter, _)| voter == key)
}

fn held(node: &Node, page: &Id) -> Result<Governance, Failure> {
    node.page(page).ok_or_else(|| Failure::not_found(format!("there is no page {page} here")))
}

fn undecidable(refusal: InboxRefusal) -> Failure {
    match refusal {
        InboxRefusal::Unknown(_) => Failure::not_found(refusal),
        _ => Failure::refused(refusal),
    }
}

/// Runs a call on the inbox of a page that is here.
fn with_inbox<T>(
    node: &Node,
    page: &Id,
    call: impl FnOnce(&mut Inbox) -> Result<T, Failure>,
) -> Result<T, Failure> {
    // A panic elsewhere leaves whole values behind: they are replaced, never edited.
    let mut inboxes = node.inboxes.0.lock().unwrap_or_else(PoisonError::into_inner);
    if !inboxes.contains_key(page) {
        inboxes.insert(*page, read(node, page)?);
    }
    call(inboxes.entry(*page).or_default())
}

fn read(node: &Node, page: &Id) -> Result<Inbox, Failure> {
    let letters = node.store.inbox(page).map_err(sentence)?;
    let mut inbox = Inbox::default();
    for (id, letter) in letters.sound {
        match Row::decode(&letter) {
            Ok(row) if (row.petition.id(), row.petition.page()) == (id, *page) => {
                inbox.restore(row);
            }
            Ok(_) => node.notice(format!("page {page}: the petition {id} is another one")),
            Err(refusal) => node.notice(format!("page {page}: the petition {id}: {refusal}")),
        }
    }
    for path in letters.damaged {
        let path = path.display();
        node.notice(format!("page {page}: {path} is no petition as it was kept; remove it"));
    }
    Ok(inbox)
}

/// Writes one row of an inbox to disk.
fn keep(node: &Node, inbox: &Inbox, petition: &Id) -> Result<(), Failure> {
    let row = row(inbox, petition)?;
    node.store.put_letter(&row.petition.page(), petition, &row.encode()).map_err(sentence)
}

fn row<'a>(inbox: &'a Inbox, petition: &Id) -> Result<&'a Row, Failure> {
    inbox.row(petition).ok_or_else(|| undecidable(InboxRefusal::Unknown(*petition)))
}

fn petitions(
    node: &Node,
    page: &Governance,
    all: bool,
    now: u64,
) -> Result<Vec<PetitionReport>, Failure> {
    with_inbox(node, &page.page().id(), |inbox| {
        let rows = inbox.rows().into_iter().filter(|row| all || row.fate(now) == Fate::Waiting);
        Ok(rows.map(|row| petition_report(page, row, now)).collect())
    })
}

fn answer(page: &Governance, inbox: &Inbox, petition: &Id, now: u64) -> Result<Answer, Failure> {
    let row = row(inbox, petition)?;
    let signed = Rdata(row.petition.bytes().into());
    Ok(Answer::Petition { petition: petition_report(page, row, now), signed })
}

fn petition_report(page: &Governance, row: &Row, now: u64) -> PetitionReport {
    let (fate, asking) = (row.fate(now), row.petition.asking());
    let after = RecordSets::admit(asking.sets.clone(), &asking.owner, page.page().name());
    let (operation, refusal) = match &fate {
        Fate::TakenUp(operation) => (Some(*operation), None),
        Fate::Refused(refusal) => (None, Some(refusal)),
        Fate::Waiting | Fate::Expired => (None, None),
    };
    let proposal = operation.and_then(|operation| page.proposal(&operation));
    // What was taken up may be ratified already: it is shown against what it was made on.
    let before = match proposal.map(|proposal| proposal.operation().change.parent()) {
        Some(parent) => report::at_version(page, &asking.owner, parent),
        None => page.ratified(&asking.owner).0,
    };
    PetitionReport {
        id: row.petition.id().to_string(),
        page: page.page().name().to_string(),
        page_id: page.page().id().to_string(),
        author: row.petition.author().to_string(),
        owner: asking.owner.to_string(),
        change: report::describe_entry(&asking.owner, &before, &asking.sets),
        diff: report::diff(&asking.owner, &before, &after.unwrap_or_default()),
        words: asking.words.clone(),
        created: asking.created,
        received: row.received,
        source: row.source.to_string(),
        state: fate.word().to_owned(),
        operation: operation.map(|operation| operation.to_string()),
        operation_state: operation.and_then(|id| report::state_word(page, &id)),
        refused_by: refusal.map(|refusal| refusal.author().to_string()),
        reason: refusal.map_or("", |refusal| refusal.words()).to_owned(),
        expires: row.expires(),
        seconds_left: row.expires().saturating_sub(now),
    }
}
