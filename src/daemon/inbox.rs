//! What pages are asked for: from a client's or a peer's petition to the inbox on disk, and back (G13).
//!
//! An inbox is read when it is first needed; from then on every change of it is on disk before it is
//! in memory. Which petitions are kept is [`crate::governance::petition::inbox`]'s business, and the
//! time that it is told is this node's own.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use super::{
    batch,
    node::{Node, sentence},
    outbox, report,
    seats::Seats,
    status, superseded,
};
use crate::{
    control::{
        report::{HostWord, InboxPage, InboxReport, PetitionReport},
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
    store::Tray,
    sync::message::PetitionAnswer,
};

/// The inboxes that were needed so far, by page.
#[derive(Default)]
pub struct Inboxes(Mutex<BTreeMap<Id, Inbox>>);

impl Inboxes {
    /// Drops what is in memory of a page that is here no longer.
    pub fn forget(&self, page: &Id) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(page);
    }
}

/// Takes in a petition from this machine; one to a page that other nodes host is handed to them.
///
/// # Errors
/// [`Failure`], with nothing kept.
pub fn ask(node: &Node, petition: &Rdata, now: u64) -> Result<Answer, Failure> {
    let (page, petition) = judged(node, &petition.0)?;
    node.note_used(&petition.page());
    if outbox::is_elsewhere(node, &page) {
        return outbox::keep(node, &page, &petition, now);
    }
    with_inbox(node, &petition.page(), |inbox| {
        admit(node, inbox, &petition, Source::Local, now)?;
        answer(&page, inbox, &petition.id(), now)
    })
}

/// Takes in a petition that a peer hands over from this address, or says what became of it, if it is
/// here already.
pub fn hand_in(node: &Node, from: IpAddr, bytes: &[u8], now: u64) -> PetitionAnswer {
    let taken = judged(node, bytes).and_then(|(page, petition)| {
        check_hosted(node, &page)?;
        with_inbox(node, &petition.page(), |inbox| {
            if inbox.row(&petition.id()).is_none() {
                admit(node, inbox, &petition, Source::Address(from), now)?;
            }
            Ok(told(inbox, &petition.id(), now))
        })
    });
    taken.unwrap_or_else(|failure| PetitionAnswer::NotTaken(failure.message))
}

/// What became of a petition, for whoever asks.
pub fn fate(node: &Node, page: &Id, petition: &Id, now: u64) -> PetitionAnswer {
    let known = held(node, page)
        .and_then(|_| with_inbox(node, page, |inbox| Ok(told(inbox, petition, now))));
    known.unwrap_or(PetitionAnswer::Unknown(*petition))
}

/// A petition that could stand on a page that is here, and that page.
fn judged(node: &Node, bytes: &[u8]) -> Result<(Governance, Petition), Failure> {
    let petition = Petition::admit(bytes).map_err(refused)?;
    let page = held(node, &petition.page())?;
    petition.judge(page.page()).map_err(refused)?;
    Ok((page, petition))
}

/// Strangers ask the hosts of a page, who show it to its moderators (G13).
fn check_hosted(node: &Node, page: &Governance) -> Result<(), Failure> {
    let is_host = outbox::hosts(page).contains(&node.key());
    match is_host && !page.page().is_demonstration() {
        true => Ok(()),
        false => Err(Failure::refused("this node is no host of that page: ask those that are")),
    }
}

/// Takes a petition into an inbox, on disk first.
fn admit(
    node: &Node,
    inbox: &mut Inbox,
    petition: &Petition,
    source: Source,
    now: u64,
) -> Result<(), Failure> {
    let mut after = inbox.clone();
    // What is dropped goes first, so that there are never more files than there may be.
    for id in after.admit(petition.clone(), source, now).map_err(refused)? {
        node.store.remove_letter(Tray::Inbox, &petition.page(), &id).map_err(sentence)?;
        inbox.remove(&id);
    }
    keep(node, &after, &petition.id())?;
    *inbox = after;
    Ok(())
}

fn refused(reason: impl std::fmt::Display) -> Failure {
    Failure::refused(format!("the petition is refused: {reason}"))
}

/// What an inbox says of a petition.
fn told(inbox: &Inbox, petition: &Id, now: u64) -> PetitionAnswer {
    let Some(row) = inbox.row(petition) else { return PetitionAnswer::Unknown(*petition) };
    match row.fate(now) {
        Fate::Waiting => PetitionAnswer::Waiting(row.received),
        Fate::TakenUp(operation) => PetitionAnswer::TakenUp(operation),
        Fate::Refused(refusal) => PetitionAnswer::Refused(Rdata(refusal.bytes().into())),
        Fate::Expired => PetitionAnswer::Expired(row.received),
    }
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
            let ids: Vec<Id> = ids.filter(|id| id.has_hex_prefix(prefix)).collect();
            for id in ids {
                found.push(answer(&page, inbox, &id, now)?);
            }
            Ok(())
        })?;
        found.extend(outbox::with_prefix(node, &page, prefix, now)?);
    }
    match (found.len(), found.pop()) {
        (1, Some(only)) => Ok(only),
        (_, None) => Err(Failure::not_found(format!(
            "no petition here starts with `{prefix}`: `djdns requests P --all` shows those to a page"
        ))),
        (count, Some(last)) => {
            let ids: Vec<String> = found.iter().chain([&last]).take(5).filter_map(id_of).collect();
            Err(Failure::refused(format!(
                "`{prefix}` may be any of {count} petitions, among them {}: give more digits",
                ids.join(", ")
            )))
        }
    }
}

fn id_of(answer: &Answer) -> Option<String> {
    match answer {
        Answer::Petition { petition, .. } => Some(petition.id.clone()),
        _ => None,
    }
}

/// The petitions to a page, in the order in which they came, and after them those that were sent from
/// here to the nodes that host it.
///
/// # Errors
/// [`Failure`] when the inbox cannot be read.
pub fn of(node: &Node, page: &Governance, all: bool, now: u64) -> Result<Answer, Failure> {
    let mut petitions = petitions(node, page, all, now)?;
    petitions.extend(outbox::sent(node, page, all, now)?);
    Ok(Answer::Petitions { page: page.page().name().to_string(), petitions })
}

/// The petitions that were made on this machine, to any page, the newest first.
///
/// # Errors
/// [`Failure`] when an inbox cannot be read.
pub fn own(node: &Node, now: u64) -> Result<Answer, Failure> {
    let mut own = Vec::new();
    for page in status::in_order(node) {
        let local = |one: &PetitionReport| one.source == Source::Local.to_string();
        own.extend(petitions(node, &page, true, now)?.into_iter().filter(local));
        own.extend(outbox::sent(node, &page, true, now)?);
    }
    own.sort_by_key(|petition| (std::cmp::Reverse(petition.received), petition.id.clone()));
    Ok(Answer::Petitions { page: String::new(), petitions: own })
}

/// How many petitions to a page wait.
///
/// # Errors
/// [`Failure`] when the inbox cannot be read.
pub fn waiting(node: &Node, page: &Governance, now: u64) -> Result<usize, Failure> {
    with_inbox(node, &page.page().id(), |inbox| {
        Ok(inbox.rows().into_iter().filter(|row| row.fate(now) == Fate::Waiting).count())
    })
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
        let seats = Seats::of(&page);
        let awaiting = InboxPage {
            page: page.page().name().to_string(),
            page_id: page.page().id().to_string(),
            batches,
            operations: listed.map(|proposal| report::operation(&page, &seats, proposal)).collect(),
            more_operations: open.len().saturating_sub(INBOX_OPERATIONS_MAX),
            petitions: petitions(node, &page, false, now)?,
            superseded: superseded::of(node, &page, &key, now),
        };
        let InboxPage { batches, operations, petitions, superseded, .. } = &awaiting;
        let is_nothing = batches.is_empty() && operations.is_empty() && petitions.is_empty();
        if !is_nothing || !superseded.is_empty() {
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
    let letters = node.store.letters(Tray::Inbox, page).map_err(sentence)?;
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
    node.store
        .put_letter(Tray::Inbox, &row.petition.page(), petition, &row.encode())
        .map_err(sentence)
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
        Ok(rows.map(|row| row_report(page, row, now)).collect())
    })
}

fn answer(page: &Governance, inbox: &Inbox, petition: &Id, now: u64) -> Result<Answer, Failure> {
    let row = row(inbox, petition)?;
    let signed = Rdata(row.petition.bytes().into());
    Ok(Answer::Petition { petition: row_report(page, row, now), signed })
}

fn row_report(page: &Governance, row: &Row, now: u64) -> PetitionReport {
    let fate = row.fate(now);
    let (operation, refusal) = match &fate {
        Fate::TakenUp(operation) => (Some(*operation), None),
        Fate::Refused(refusal) => (None, Some(refusal)),
        Fate::Waiting | Fate::Expired => (None, None),
    };
    let told = Told {
        source: row.source.to_string(),
        state: fate.word(),
        received: row.received,
        operation,
        refusal,
        expires: row.expires(),
        hosts: Vec::new(),
    };
    petition_report(page, &row.petition, told, now)
}

/// What is known of a petition besides what it says.
pub struct Told<'a> {
    pub source: String,
    pub state: &'static str,
    pub received: u64,
    pub operation: Option<Id>,
    pub refusal: Option<&'a Refusal>,
    pub expires: u64,
    pub hosts: Vec<HostWord>,
}

/// A petition as people see it.
pub fn petition_report(
    page: &Governance,
    petition: &Petition,
    told: Told<'_>,
    now: u64,
) -> PetitionReport {
    let (asking, Told { operation, refusal, .. }) = (petition.asking(), &told);
    let after = RecordSets::admit(asking.sets.clone(), &asking.owner, page.page().name());
    let proposal = operation.and_then(|operation| page.proposal(&operation));
    // What was taken up may be ratified already: it is shown against what it was made on.
    let before = match proposal.map(|proposal| proposal.operation().change.parent()) {
        Some(parent) => report::at_version(page, &asking.owner, parent),
        None => page.ratified(&asking.owner).0,
    };
    // What it was made on is not remembered past a seal: then all that is asked for is shown.
    let before = match after.as_ref().is_ok_and(|after| *after == before) {
        true => RecordSets::default(),
        false => before,
    };
    PetitionReport {
        id: petition.id().to_string(),
        page: page.page().name().to_string(),
        page_id: page.page().id().to_string(),
        author: petition.author().to_string(),
        owner: asking.owner.to_string(),
        change: report::describe_entry(&asking.owner, &before, &asking.sets),
        diff: report::diff(&asking.owner, &before, &after.unwrap_or_default()),
        words: asking.words.clone(),
        created: asking.created,
        received: told.received,
        state: told.state.to_owned(),
        operation: operation.map(|operation| operation.to_string()),
        operation_state: operation.and_then(|id| report::state_word(page, &id)),
        refused_by: refusal.map(|refusal| refusal.author().to_string()),
        reason: refusal.map_or("", |refusal| refusal.words()).to_owned(),
        expires: told.expires,
        seconds_left: told.expires.saturating_sub(now),
        source: told.source,
        hosts: told.hosts,
    }
}
