//! `djdns propose P apply FILE`: a zone file as batches of operations (G5b).

use std::path::Path;

use serde::Serialize;

use super::{
    Casting,
    diff::{self, Difference, Differing},
};
use crate::{
    cli::{
        context::Context,
        fault::{Fault, Outcome},
        output::{self, Paint},
        page::export,
        proposals::diff_line,
        signing, zone,
    },
    control::request::Draft,
    demo,
    governance::{
        ballot::Choice,
        operation::{Change, SetEntry},
        statement::Statement,
    },
    id::{Id, Kind},
    key::{PublicKey, SecretKey},
    limits::OPEN_OPERATIONS_MAX,
};

/// Entries asked for in one draft (choice: the answer stays well below a message's limit, unless
/// they are unusually large).
const DRAFT_OWNERS: usize = 512;

/// Lines of what differs that stand beside a proposal's result, and names that are told as left out
/// (choice: a screenful, so that the result is seen; a rehearsal shows all).
const NOTED_LINES: usize = 40;
const NOTED_OWNERS: usize = 10;

/// `propose P apply --json`.
#[derive(Serialize)]
struct Applied {
    page: String,
    batches: Vec<String>,
    operations: Vec<String>,
    /// Those first that fit into free slots.
    changes: Vec<Shown>,
    /// The last so many of the changes, for which no slot is free.
    left: usize,
    /// The command that would give a slot to each, if some are left.
    raise: Option<String>,
    /// Links to subpages that the zone file lacks, and that stay.
    kept_links: Vec<String>,
}

#[derive(Serialize)]
struct Shown {
    owner: String,
    diff: Vec<String>,
}

/// Compares the page with the zone file, shows what differs, and unless it is a rehearsal proposes
/// it.
///
/// # Errors
/// When the file is no zone of the page, or nothing can be proposed.
pub fn run(
    context: &mut Context,
    page: &str,
    file: &Path,
    zone: Vec<u8>,
    dry_run: bool,
    casting: &Casting,
) -> Outcome {
    // First, because it may ask for a passphrase, and nobody should wait meanwhile.
    let key = match dry_run {
        true => None,
        false => Some(signing::signer(context, casting.author.key.as_deref())?),
    };
    let present = export::contents(context, page)?;
    let name = present.name;
    let zone = zone::parse(context, file, &zone, &name)?;
    zone::report(context, &zone);
    if zone.entries.is_empty() {
        return Err(Fault::refused(format!(
            "{} holds no record for {name}: nothing was proposed. To empty the page, delete its names",
            file.display()
        )));
    }
    let difference = diff::compare(&name, present.entries, zone.entries).map_err(Fault::refused)?;
    let author = match &key {
        Some(key) => Some(key.public()),
        // A rehearsal is for everybody: without an identity it is that of somebody with no operation.
        None => match casting.author.key.as_deref() {
            None => signing::identity(context, None).ok(),
            named => Some(signing::identity(context, named)?),
        },
    };
    let room = room(context, page, author, difference.entries.len())?;
    let mut applied = Applied {
        page: name.to_string(),
        batches: Vec::new(),
        operations: Vec::new(),
        changes: difference.entries.iter().map(shown).collect(),
        left: difference.entries.len() - room.fits,
        raise: room.raise,
        kept_links: difference.kept.iter().map(ToString::to_string).collect(),
    };
    if !context.json {
        show_difference(context, &applied, dry_run)?;
    }
    if let Some(key) = key.filter(|_| !difference.entries.is_empty()) {
        propose(context, page, &key, casting, difference, &mut applied)?;
    }
    show_outcome(context, &applied, dry_run)
}

fn shown(entry: &Differing) -> Shown {
    Shown { owner: entry.owner.to_string(), diff: entry.lines() }
}

/// How many of the changes fit into free slots.
struct Room {
    fits: usize,
    /// What to do when it is not all.
    raise: Option<String>,
}

/// The room that this author has; nobody in particular has all slots.
fn room(
    context: &mut Context,
    page: &str,
    author: Option<PublicKey>,
    changes: usize,
) -> Outcome<Room> {
    let Some(author) = author.or_else(|| Some(demo::key(demo::NAMES[0])?.public())) else {
        return Err(Fault::other_answer());
    };
    let slots = changes.min(OPEN_OPERATIONS_MAX as usize) + 1;
    let draft = signing::drafted(context, page, &author, Vec::new(), slots)?;
    let fits = signing::usable(&draft).min(changes);
    // As many as are taken now, all of these, and the one that stays free.
    let max = signing::parameter(&draft, "open_operations_max") as usize;
    let wanted = max.saturating_sub(draft.slots.len()) + changes + 1;
    let wanted = u32::try_from(wanted).unwrap_or(OPEN_OPERATIONS_MAX);
    let raise = (fits < changes).then(|| signing::more_slots(page, &draft, wanted));
    Ok(Room { fits, raise })
}

/// A rehearsal's result is the difference. Otherwise it is the batch's id, and the beginning of what
/// differs goes beside it.
fn show_difference(context: &mut Context, applied: &Applied, dry_run: bool) -> Outcome {
    let fits = applied.changes.len() - applied.left;
    if dry_run {
        let mut text = String::new();
        for (n, change) in applied.changes.iter().enumerate() {
            if n == fits {
                let left =
                    format!("; for the {} changes from here on no slot is free", applied.left);
                text += &(context.style.paint(Paint::Notice, &left) + "\n");
            }
            text.extend(change.diff.iter().map(|line| diff_line(line, context.style) + "\n"));
        }
        return context.print_paged(&text);
    }
    let lines = || applied.changes[..fits].iter().flat_map(|change| &change.diff);
    lines().take(NOTED_LINES).for_each(|line| context.note(line));
    let more = lines().count().saturating_sub(NOTED_LINES);
    if more > 0 {
        context.note(format!("and {more} more lines: --dry-run shows all"));
    }
    Ok(())
}

/// The names of the changes that are left out, the first few of them.
fn left_out(applied: &Applied) -> String {
    let left = &applied.changes[applied.changes.len() - applied.left..];
    let mut names: Vec<&str> =
        left.iter().take(NOTED_OWNERS).map(|change| change.owner.as_str()).collect();
    let more = format!("{} more", left.len() - names.len());
    if left.len() > names.len() {
        names.push(&more);
    }
    names.join(", ")
}

/// What more slots are good for; one stays free, and there is an end to them.
fn slots_for(changes: usize) -> String {
    let most = OPEN_OPERATIONS_MAX as usize - 1;
    match changes <= most {
        true => "To have a slot for each".to_owned(),
        false => format!("To have slots for {most}, which are the most, at a time"),
    }
}

fn show_outcome(context: &Context, applied: &Applied, dry_run: bool) -> Outcome {
    if !applied.kept_links.is_empty() {
        let links = applied.kept_links.join(", ");
        context.note(format!("kept, though the file lacks them: the subpages {links}"));
    }
    if context.json {
        return output::print_json(applied);
    }
    let changes = applied.changes.len();
    if changes == 0 {
        context.note(format!("{} is what the file says already: nothing to propose", applied.page));
        return Ok(());
    }
    if dry_run {
        let differ = if changes == 1 { "entry differs" } else { "entries differ" };
        context.note(format!("{changes} {differ}; nothing was proposed"));
    }
    if let Some(raise) = &applied.raise {
        let fits = changes - applied.left;
        let are = if dry_run { "would be" } else { "are" };
        context.note(format!(
            "{fits} of {changes} changes {are} proposed, one for each of your free slots but one; left \
             out {are} {}. {}: {raise}; or run this again for the others when these are sealed",
            left_out(applied),
            slots_for(changes)
        ));
    }
    if dry_run {
        return Ok(());
    }
    if applied.batches.is_empty() {
        return Ok(());
    }
    output::print(&(applied.batches.join("\n") + "\n"))?;
    let short: Vec<&str> = applied.batches.iter().map(|id| id.get(..8).unwrap_or(id)).collect();
    context.note(format!(
        "{} operations are proposed with your approval; others vote on all of them with `djdns vote \
         {} {}`",
        applied.operations.len(),
        applied.page,
        short.join(" ")
    ));
    Ok(())
}

fn propose(
    context: &mut Context,
    page: &str,
    key: &SecretKey,
    casting: &Casting,
    difference: Difference,
    applied: &mut Applied,
) -> Outcome {
    let made = signing::submit_made(context, &mut |context| {
        statements(context, page, key, casting, &difference.entries)
    })?;
    let ids = |kind: Kind| made.iter().filter(move |s| s.kind() == kind).map(Statement::id);
    applied.operations = ids(Kind::Operation).map(|id| id.to_string()).collect();
    applied.batches = ids(Kind::Batch).map(|id| id.to_string()).collect();
    // Another command may have taken slots since they were counted.
    applied.left = difference.entries.len() - applied.operations.len();
    Ok(())
}

/// An operation for each difference, as far as slots are free, their batches, and a ballot on it.
fn statements(
    context: &mut Context,
    page: &str,
    key: &SecretKey,
    casting: &Casting,
    differing: &[Differing],
) -> Outcome<Vec<Statement>> {
    let wanted = differing.len().min(OPEN_OPERATIONS_MAX as usize);
    let draft = signing::draft_names(context, page, &key.public(), Vec::new(), wanted)?;
    let taken = &differing[..draft.slots.len().min(differing.len())];
    let mut statements = Vec::new();
    let mut slots = draft.slots.iter();
    for part in taken.chunks(DRAFT_OWNERS) {
        let owners = part.iter().map(|entry| entry.owner.clone()).collect();
        let parents = signing::draft(context, page, &key.public(), owners, 0)?;
        for ((entry, slot), (parent, _)) in part.iter().zip(&mut slots).zip(parents.entries) {
            let (owner, sets) = (entry.owner.clone(), entry.after.clone());
            let change = Change::SetEntry(SetEntry { owner, parent, sets });
            statements.push(signing::operation(&draft, key, *slot, change)?);
        }
    }
    let ids: Vec<_> = statements.iter().map(Statement::id).collect();
    let batches = signing::batches(&draft, key, ids)?;
    let batch_ids = batches.iter().map(Statement::id).collect();
    statements.extend(batches);
    if !casting.no_vote {
        statements.extend(approval(&draft, key, batch_ids, casting)?);
    }
    Ok(statements)
}

fn approval(
    draft: &Draft,
    key: &SecretKey,
    batches: Vec<Id>,
    casting: &Casting,
) -> Outcome<Vec<Statement>> {
    let reason = casting.reason.as_deref().unwrap_or_default();
    signing::ballots(draft, key, batches, Choice::Approve, reason)
}
