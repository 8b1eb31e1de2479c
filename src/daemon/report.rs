//! Operations as people read them: what changes, who said what, and what is missing.

use super::{batch, forks, node::Node, seats::Seats};
use crate::{
    control::{
        report::{Away, BallotReport, OperationReport, Power, ROSTER, Rival},
        request::{Answer, Failure},
    },
    governance::{
        Cast, Governance, Proposal, State,
        ballot::Choice,
        operation::{Change, Operation, Register, RosterChange},
        past::Outcome,
        statement::Statement,
        tally::{self, Tally},
    },
    id::Id,
    key::{PublicKey, RawKey},
    limits::{OPERATION_LIFE, POWER_UNITS},
    page::{
        entry::{RecordSet, RecordSets},
        name::Owner,
        rdata::{self, Style},
        record::RecordType,
    },
};

/// A part of the open operations of a page (G10), those first that can still count, or do; `all`
/// includes those that ended, as far as that is remembered. Batches are told of as one each, with the
/// first part. One answer tells of so many operations, after the first `after`.
pub fn proposals(node: &Node, page: &Governance, all: bool, after: usize) -> Answer {
    let (batches, batched) = batch::of(node, page, all);
    let batches = if after == 0 { batches } else { Vec::new() };
    let concerns = |proposal: &&Proposal| {
        let state = page.state(proposal);
        matches!(state, State::Open | State::Ratified | State::Passed | State::Waiting)
    };
    let alone = page.proposals().filter(|p| !batched.contains(&p.statement().id()));
    let (mut open, lost): (Vec<&Proposal>, Vec<&Proposal>) = alone.partition(concerns);
    open.extend(lost);
    let closed = page.closed().filter(|(id, _)| all && !batched.contains(*id));
    let ended_ids: Vec<&Id> = closed.map(|(id, _)| id).collect();
    let seats = Seats::of(page);
    let mut operations: Vec<OperationReport> =
        open.iter().skip(after).take(REPORTED_MAX).map(|p| operation(page, &seats, p)).collect();
    let room = REPORTED_MAX - operations.len();
    let ended_ones = ended_ids.iter().skip(after.saturating_sub(open.len())).take(room);
    operations.extend(ended_ones.filter_map(|id| ended(node, page, id)));
    note_unsealed(node, page, &mut operations);
    let more = (open.len() + ended_ids.len()).saturating_sub(after.saturating_add(REPORTED_MAX));
    let page = page.page().name().to_string();
    Answer::Proposals { page, batches, operations, more, batch: None }
}

/// Operations that one answer tells of (choice: some megabytes), and those of a batch, which is
/// told of as a whole.
const REPORTED_MAX: usize = 5000;
const REPORTED_OF_BATCH_MAX: usize = 20;

/// The operation, or the batch with its first operations, whose id starts with `prefix`.
///
/// # Errors
/// [`Failure`] when there is none, or more than one.
pub fn proposal(node: &Node, page: &Governance, prefix: &str) -> Result<Answer, Failure> {
    named(node, page, prefix, REPORTED_OF_BATCH_MAX)
}

/// Every operation of the batch whose id starts with `prefix`.
///
/// # Errors
/// [`Failure`] when there is no such batch, or more than one.
pub fn whole_batch(node: &Node, page: &Governance, prefix: &str) -> Result<Answer, Failure> {
    match named(node, page, prefix, REPORTED_MAX)? {
        Answer::Proposals { batch: None, .. } => Err(Failure::refused(format!(
            "`{prefix}` names one operation, and no batch: `djdns proposals {}` shows those there are",
            page.page().name()
        ))),
        batch => Ok(batch),
    }
}

fn named(
    node: &Node,
    page: &Governance,
    prefix: &str,
    reported_max: usize,
) -> Result<Answer, Failure> {
    let found = page.with_prefix(prefix);
    let id = match found.as_slice() {
        [id] => *id,
        [] => {
            return Err(Failure::not_found(format!(
                "no operation of {} starts with `{prefix}`: `djdns proposals {0} --all` shows all",
                page.page().name()
            )));
        }
        several => {
            let ids: Vec<String> = several.iter().take(5).map(Id::to_string).collect();
            return Err(Failure::refused(format!(
                "`{prefix}` may be any of {} operations, among them {}: give more digits",
                several.len(),
                ids.join(", ")
            )));
        }
    };
    let statement = batch::statement(node, page, &id);
    let seats = Seats::of(page);
    let report = |id: &Id| match page.proposal(id) {
        Some(proposal) => Some(operation(page, &seats, proposal)),
        None => ended(node, page, id),
    };
    let name = page.page().name().to_string();
    let Some((statement, ids)) = statement
        .as_ref()
        .and_then(|statement| Some((statement, &statement.as_batch()?.operations)))
    else {
        let mut operations: Vec<OperationReport> = report(&id).into_iter().collect();
        note_unsealed(node, page, &mut operations);
        let batches = Vec::new();
        return Ok(Answer::Proposals { page: name, batches, operations, more: 0, batch: None });
    };
    let mut operations: Vec<OperationReport> =
        ids.iter().take(reported_max).filter_map(report).collect();
    note_unsealed(node, page, &mut operations);
    let more = ids.len() - operations.len();
    let batch = Some(batch::report(node, page, statement, ids));
    Ok(Answer::Proposals { page: name, batches: Vec::new(), operations, more, batch })
}

/// One word for how an operation stands, or ended.
pub fn state_word(page: &Governance, id: &Id) -> Option<String> {
    let word = match (page.proposal(id), page.outcome(id)) {
        (Some(proposal), _) => page.state(proposal).word(),
        (None, Some(outcome)) => ending(&outcome),
        (None, None) => return None,
    };
    Some(word.to_owned())
}

/// One word for how an operation ended.
fn ending(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Sealed(_) => "sealed",
        Outcome::Superseded { .. } => "superseded",
        Outcome::Expired(_) => "expired",
        Outcome::AuthorGone(_) | Outcome::Impossible(_) => "dropped",
    }
}

/// A statement of this node's logs.
pub fn stored(node: &Node, id: &Id) -> Option<Statement> {
    Statement::reopen(&node.store.find(id).ok()??.bytes).ok()
}

/// Says of what waits for a seal why this node makes none, where that is known.
fn note_unsealed(node: &Node, page: &Governance, operations: &mut [OperationReport]) {
    let Some(why) = unsealed(node, page) else { return };
    let waiting = operations.iter_mut().filter(|operation| operation.seal_due.is_some());
    waiting.for_each(|operation| operation.unsealed = Some(why.clone()));
}

/// Why this node does not seal a page that it could, or waits for another seal.
pub fn unsealed(node: &Node, page: &Governance) -> Option<String> {
    let id = page.page().id();
    let awaited = forks::awaited(page, &node.decisions(&id));
    awaited.or_else(|| node.held_back(&id))
}

/// One open operation with its tally.
pub fn operation(page: &Governance, seats: &Seats, proposal: &Proposal) -> OperationReport {
    let state = page.state(proposal);
    let Awaited { named, more } = match state {
        State::Open => awaited(page, proposal),
        _ => Awaited::default(),
    };
    let waits_for_a_seal = matches!(state, State::Ratified | State::Passed);
    let interval = u64::from(page.page().parameters().seal_interval);
    let due = page.page().head().time.saturating_add(interval);
    let ballot = |(voter, cast): (&PublicKey, &Cast)| {
        let absorbed = page.absorbed(proposal, voter);
        BallotReport {
            voter: voter.to_string(),
            choice: word(cast.choice).to_owned(),
            power: Power(absorbed.map_or(0, |absorbed| absorbed.own.into())),
            lent: Power(absorbed.map_or(0, |absorbed| absorbed.lent.into())),
            reason: cast.ballot.as_ballot().map_or("", |ballot| &ballot.reason).to_owned(),
        }
    };
    let expires = proposal.base_time() + OPERATION_LIFE.as_secs();
    let counts = proposal.cast().filter(|(_, cast)| cast.choice != Choice::Withdraw);
    OperationReport {
        excludes: excludes(page, proposal, &state),
        state: state.word().to_owned(),
        reason: reason(page, seats, proposal, &state),
        expires: Some(expires),
        seconds_left: Some(expires.saturating_sub(page.page().head().time)),
        awaited_away: named.iter().filter_map(|key| away(page, key)).collect(),
        awaited: named.iter().map(ToString::to_string).collect(),
        awaited_more: more,
        seal_due: (waits_for_a_seal && seats.are_enough()).then_some(due),
        warning: match (&proposal.operation().change, &state) {
            (Change::SetRoster(set), State::Open | State::Passed | State::Waiting) => {
                seats.lost_by(page, &set.change).unwrap_or_default()
            }
            _ => String::new(),
        },
        ballots: counts.map(ballot).collect(),
        ..outline(page, proposal.statement(), proposal.operation(), proposal.tally())
    }
}

/// An operation that ended, as it was when it did.
pub fn ended(node: &Node, page: &Governance, id: &Id) -> Option<OperationReport> {
    let ended = page.ended(id)?;
    let statement = stored(node, id)?;
    let operation = statement.as_operation()?;
    let height = match ended.outcome {
        Outcome::Sealed(height)
        | Outcome::Superseded { height, .. }
        | Outcome::Expired(height)
        | Outcome::AuthorGone(height)
        | Outcome::Impossible(height) => Some(height),
    };
    let state = ending(&ended.outcome);
    let tally = ended.tally.unwrap_or(Tally::empty(page.page().roster()));
    let outline = outline(page, &statement, operation, tally);
    let reason = ended.outcome.to_string();
    Some(OperationReport { state: state.to_owned(), reason, height, ..outline })
}

/// What is told of any operation.
fn outline(
    page: &Governance,
    statement: &Statement,
    operation: &Operation,
    tally: Tally,
) -> OperationReport {
    let change = &operation.change;
    let parameters = page.page().parameters();
    OperationReport {
        id: statement.id().to_string(),
        track: change.track() as u8,
        author: statement.author().to_string(),
        owner: match change.register() {
            Register::Entry(owner) => owner.to_string(),
            Register::Roster => ROSTER.to_owned(),
        },
        change: describe_in(page, operation),
        diff: diff_of(page, change),
        excludes: Vec::new(),
        approve: Power(tally.approve),
        reject: Power(tally.reject),
        abstain: Power(tally.abstain()),
        total: Power(tally.total),
        needed: Power(tally.needed(change.track(), parameters)),
        voters: tally.approvers,
        voters_needed: tally::voters_needed(parameters, page.page().roster().len()),
        state: String::new(),
        reason: String::new(),
        height: None,
        expires: None,
        seconds_left: None,
        awaited: Vec::new(),
        awaited_more: 0,
        awaited_away: Vec::new(),
        seal_due: None,
        unsealed: None,
        warning: String::new(),
        ballots: Vec::new(),
    }
}

/// Operations that are named as excluded, and those that are looked at for it (choice: a line each, and
/// a list of five thousand in a moment).
const RIVALS_MAX: usize = 3;
const RIVALS_SOUGHT_MAX: usize = 100;

/// What may be sealed instead of an operation that may be sealed.
fn excludes(page: &Governance, proposal: &Proposal, state: &State) -> Vec<Rival> {
    if !matches!(state, State::Open | State::Ratified | State::Passed) {
        return Vec::new();
    }
    let may_count = |other: &&Proposal| {
        let state = page.state(other);
        matches!(state, State::Open | State::Ratified | State::Passed | State::Outvoted(_))
    };
    let rival = |other: &Proposal| Rival {
        id: other.statement().id().to_string(),
        author: other.statement().author().to_string(),
        change: describe_in(page, other.operation()),
    };
    let rivals = page.rivals(proposal).take(RIVALS_SOUGHT_MAX).filter(may_count);
    rivals.take(RIVALS_MAX).map(rival).collect()
}

/// Participants who are named as missing (choice: a line; more are counted).
const AWAITED_MAX: usize = 8;

/// Whose ballot could still come, the strongest first, and how many more there are.
#[derive(Default)]
struct Awaited {
    named: Vec<PublicKey>,
    more: usize,
}

fn awaited(page: &Governance, proposal: &Proposal) -> Awaited {
    let Some(silent) = silent(page, proposal) else {
        let spoken = votes(proposal).count();
        return Awaited { named: Vec::new(), more: page.page().roster().len() - spoken };
    };
    let more = silent.len().saturating_sub(AWAITED_MAX);
    Awaited { named: silent.into_iter().take(AWAITED_MAX).map(|(key, _)| key).collect(), more }
}

/// Who has said nothing of an operation, the strongest first; nothing where they are too many.
fn silent(page: &Governance, proposal: &Proposal) -> Option<Vec<(PublicKey, u32)>> {
    let roster = page.page().roster();
    if roster.len() > AWAITED_NAMED_MAX {
        return None;
    }
    let has_spoken = |key: &PublicKey| votes(proposal).any(|(voter, _)| voter == key);
    let silent = roster.iter().filter(|(key, _)| !has_spoken(key));
    let mut silent: Vec<(PublicKey, u32)> = silent.map(|(key, power)| (*key, power)).collect();
    silent.sort_by_key(|(key, power)| (std::cmp::Reverse(*power), *key));
    Some(silent)
}

fn votes(proposal: &Proposal) -> impl Iterator<Item = (&PublicKey, &Cast)> {
    proposal.cast().filter(|(_, cast)| cast.choice != Choice::Withdraw)
}

/// Whom a participant who is away lends the ballot power to.
fn away(page: &Governance, key: &PublicKey) -> Option<Away> {
    let presence = page.presence(key).and_then(Statement::as_presence);
    let presence = presence.filter(|_| page.is_away(key))?;
    let delegate = |key: &RawKey| PublicKey::admit(*key).map(|k| k.to_string()).unwrap_or_default();
    let to = presence.away.iter().map(|(key, share)| (delegate(key), *share)).collect();
    Some(Away { participant: key.to_string(), to })
}

/// Participants of a page whose silent ones are looked up by name (choice: among more nobody reads
/// a list).
const AWAITED_NAMED_MAX: usize = 200;

/// A choice as people write it.
pub fn word(choice: Choice) -> &'static str {
    match choice {
        Choice::Approve => "approve",
        Choice::Reject => "reject",
        Choice::Withdraw => "withdraw",
    }
}

/// Why the operation stands where it stands, in one sentence.
fn reason(page: &Governance, seats: &Seats, proposal: &Proposal, state: &State) -> String {
    let unsealed = match (seats.are_enough(), seats.node) {
        (true, _) => String::new(),
        (false, None) => {
            "; for that, too few participants have named a node (`djdns host`)".to_owned()
        }
        (false, Some(_)) => format!(
            "; for that, too few participants have named the same node (`djdns host {}{}`)",
            page.page().name(),
            seats.which()
        ),
    };
    match state {
        State::Open => missing(page, proposal),
        State::Ratified => format!("served, and waiting to be sealed{unsealed}"),
        State::Passed => format!("enough ballots; it takes effect when it is sealed{unsealed}"),
        State::Outvoted(other) => outvoted(page, proposal, other),
        State::Defeated => "it can no longer reach its threshold".to_owned(),
        State::Waiting => "the version it was made against is not known here".to_owned(),
        State::Displaced(other) => {
            format!("its author put {} into the same slot", other.short())
        }
        State::Faulty(fault) => fault.to_string(),
    }
}

fn outvoted(page: &Governance, proposal: &Proposal, other: &Id) -> String {
    let rival = page.proposal(other).map_or(0, |other| other.tally().approve);
    let why = match rival > proposal.tally().approve {
        true => "has more power",
        false => "has as much power and the smaller id",
    };
    format!(
        "{} changes the same name and {why}; propose this again, and it is made on top of that one",
        other.short()
    )
}

fn missing(page: &Governance, proposal: &Proposal) -> String {
    let (tally, parameters) = (proposal.tally(), page.page().parameters());
    let needed = tally.needed(proposal.operation().change.track(), parameters);
    let voters = tally::voters_needed(parameters, page.page().roster().len());
    let mut parts = Vec::new();
    if tally.approve < needed {
        let (missing, total) = (Power(needed - tally.approve), Power(tally.total));
        let (approve, ballots) = (Power(tally.approve), ballots_missing(page, proposal, missing));
        parts.push(format!(
            "{approve} of {total} power approves, {missing} more power is needed{ballots}"
        ));
    }
    if (tally.approvers as usize) < voters {
        let is_enough = if parts.is_empty() { "the power is enough; " } else { "" };
        let more = voters - tally.approvers as usize;
        parts.push(format!(
            "{is_enough}{} of {voters} voters so far, {more} more must approve",
            tally.approvers
        ));
    }
    if tally.reject > 0 && tally.approve <= tally.reject {
        parts.push("more power must approve than reject".to_owned());
    }
    parts.join("; ")
}

/// How many more ballots bring this much power, in brackets: as few of those that can come as do.
fn ballots_missing(page: &Governance, proposal: &Proposal, missing: Power) -> String {
    let Some(silent) = silent(page, proposal) else { return String::new() };
    // What is lent flows elsewhere, and may come back with a ballot.
    if silent.iter().any(|(key, _)| page.is_away(key)) {
        return String::new();
    }
    let mut sum = 0;
    let enough = silent.iter().position(|(_, power)| {
        sum += u128::from(*power) * POWER_UNITS;
        sum >= missing.0
    });
    let Some(last) = enough else { return String::new() };
    let (strongest, weakest) = (silent[0].1, silent[last].1);
    let count = match last + 1 {
        1 => "1 more ballot".to_owned(),
        n => format!("{n} more ballots"),
    };
    match strongest == weakest {
        true => format!(" ({count} of power {strongest})"),
        false => format!(" ({count} at least)"),
    }
}

/// The operation in one line, with the types of the record sets that it changes.
pub(super) fn describe_in(page: &Governance, operation: &Operation) -> String {
    match &operation.change {
        Change::SetEntry(set) => {
            let before = at_version(page, &set.owner, set.parent);
            describe_entry(&set.owner, &before, &set.sets)
        }
        _ => describe(operation),
    }
}

/// A change of one entry in one line, with the types of the record sets that it changes.
pub fn describe_entry(owner: &Owner, before: &RecordSets, sets: &[RecordSet]) -> String {
    if sets.is_empty() {
        return format!("delete {owner}");
    }
    let mut text = format!("set {owner}");
    let new = sets.iter().filter(|new| before.get(new.rtype) != Some(new));
    let gone = before.iter().filter(|old| sets.iter().all(|new| new.rtype != old.rtype));
    new.for_each(|set| text.push_str(&format!(" {}", set.rtype)));
    gone.for_each(|set| text.push_str(&format!(" -{}", set.rtype)));
    text
}

/// The operation in one line, from its own words alone.
pub fn describe(operation: &Operation) -> String {
    match &operation.change {
        Change::SetEntry(set) if set.sets.is_empty() => format!("delete {}", set.owner),
        Change::SetEntry(set) => format!("set {}", set.owner),
        Change::SetLink(link) => match link.page.first() {
            Some(page) => format!("relink {} to page {}", link.owner, page.short()),
            None => format!("unlink {}", link.owner),
        },
        Change::SetRoster(set) => match &set.change {
            RosterChange::Add(new) => format!("add {} with power {}", short(new.key), new.power),
            RosterChange::Remove(key) => format!("remove {}", short(*key)),
            RosterChange::SetPower(power) => {
                format!("set the power of {} to {}", short(power.key), power.power)
            }
            RosterChange::Replace(replacement) => {
                format!("replace {} by {}", short(replacement.old), short(replacement.new))
            }
            RosterChange::SetParameters(parameters) => {
                let rows = parameters.rows().map(|(name, value)| format!("{name}={value}"));
                format!("parameters {}", rows.join(" "))
            }
        },
    }
}

/// A key as it is told in passing.
pub(super) fn short(key: RawKey) -> String {
    PublicKey::admit(key).map_or_else(|refusal| refusal.to_string(), |key| key.stub())
}

/// Lines of a difference that are shown, and characters of each (choice: a large entry must not
/// make a list of operations unreadable, or larger than a message).
const DIFF_LINES: usize = 40;
const LINE_CHARS: usize = 400;

/// Records that stay and are shown one by one (choice: an address or two do not go along unseen, and a large
/// entry is a line).
const STAYING_LINES: usize = 2;

/// What a change does to the records, line by line.
fn diff_of(page: &Governance, change: &Change) -> Vec<String> {
    let Change::SetEntry(set) = change else { return Vec::new() };
    let before = at_version(page, &set.owner, set.parent);
    let after = RecordSets::admit(set.sets.clone(), &set.owner, page.page().name());
    let after = after.unwrap_or_default();
    let mut lines = diff(&set.owner, &before, &after);
    lines.extend(staying(&set.owner, &before, &after));
    lines
}

/// The records that a change leaves as they are: they go along with it.
fn staying(owner: &Owner, before: &RecordSets, after: &RecordSets) -> Vec<String> {
    let held = lines(owner, before);
    let stays: Vec<String> =
        lines(owner, after).into_iter().filter(|line| held.contains(line)).collect();
    if stays.len() <= STAYING_LINES {
        let line = |line| format!("  {} stays", shortened(line, LINE_CHARS));
        return stays.into_iter().map(line).collect();
    }
    let types: Vec<String> = after
        .iter()
        .filter(|set| {
            let old = before.get(set.rtype).filter(|old| old.ttl == set.ttl);
            old.is_some_and(|old| old.rdata.iter().any(|rdata| set.rdata.contains(rdata)))
        })
        .map(|set| set.rtype.to_string())
        .collect();
    vec![format!("  {} more records stay: {}", stays.len(), types.join(", "))]
}

/// What becomes of the records at `owner`, line by line.
pub fn diff(owner: &Owner, before: &RecordSets, after: &RecordSets) -> Vec<String> {
    let (before, after) = (lines(owner, before), lines(owner, after));
    let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("- {line}"));
    let new = after.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}"));
    let mut lines: Vec<String> = gone.chain(new).map(|line| shortened(line, LINE_CHARS)).collect();
    if lines.len() > DIFF_LINES {
        let more = lines.len() - DIFF_LINES;
        lines.truncate(DIFF_LINES);
        lines.push(format!("  and {more} more"));
    }
    lines
}

/// The text, with its end left out if it is long.
pub fn shortened(text: String, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text,
    }
}

/// The record sets that a version of an entry holds.
pub fn at_version(page: &Governance, owner: &Owner, version: Id) -> RecordSets {
    if version == page.page().version(owner) {
        return page.page().entry(owner).map(|entry| entry.sets).unwrap_or_default();
    }
    page.proposal(&version).and_then(Proposal::sets).cloned().unwrap_or_default()
}

fn lines(owner: &Owner, sets: &RecordSets) -> Vec<String> {
    let line = |rtype: RecordType, ttl: u32, rdata: &[u8]| {
        format!("{owner} {ttl} {rtype} {}", data_text(rtype, rdata))
    };
    sets.iter()
        .flat_map(|set| set.rdata.iter().map(move |rdata| line(set.rtype, set.ttl, &rdata.0)))
        .collect()
}

/// A record's data as people read it.
pub fn data_text(rtype: RecordType, rdata: &[u8]) -> String {
    let mut text = String::new();
    rdata::write_text(rtype, rdata, Style::Mnemonic, &mut text);
    text
}
