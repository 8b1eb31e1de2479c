//! Turning a machine to djdns and back, so that it can be interrupted anywhere and called again.
//!
//! The order: the record is written and synced, then files change, then commands run, then the record
//! says that it is done. Back the same way; the record goes last. What is wanted and whether it is
//! wise was decided before.

use super::{
    detect::{Governor, RESOLV_CONF, Sight, detect, nameservers},
    files::{Root, Thing},
    plan::{HEAD, Plan, Wish, plan},
    record::{Change, Phase, RECORD, RECORD_DIR, Record, Standing},
};
use crate::cli::fault::{Fault, Outcome};

/// Runs commands, and says in sentences what went wrong.
pub type Run<'a> = &'a mut dyn FnMut(&[Vec<String>]) -> Vec<String>;

/// What became of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// It was so already.
    pub already: bool,
    pub notes: Vec<String>,
    /// Files are as wished, but these commands did not do their part.
    pub failed: Vec<String>,
}

/// The record. In a pause nothing of djdns is there, so whatever became of files meanwhile, as when
/// NetworkManager wrote its own again in another network, is what was there before djdns.
fn held(root: &Root) -> Outcome<Option<Record>> {
    let Some(mut held) = Record::load(root)? else { return Ok(None) };
    if held.phase == Phase::Paused {
        let standings = held.standings(root)?.into_iter();
        let before: Vec<_> = standings
            .map(|(change, now, standing)| match standing {
                Standing::Edited => now,
                Standing::AsWritten | Standing::AsBefore => change.before.clone(),
            })
            .collect();
        for (change, before) in held.changes.iter_mut().zip(before) {
            change.before = before;
        }
    }
    Ok(Some(held))
}

/// What enabling would do, on the machine as it would be without djdns.
pub fn planned(root: &Root, wish: &Wish) -> Outcome<(Record, Plan)> {
    let held = held(root)?;
    let sight = Sight::new(root, held.as_ref());
    let found = detect(root, &sight)?;
    let plan = plan(&found, &sight, wish)?;
    let mut record = Record {
        version: 1,
        phase: Phase::Enabling,
        manager: found.manager.name().to_owned(),
        wish: wish.clone(),
        paused_until: None,
        changes: Vec::new(),
        directories: held.as_ref().map_or(Vec::new(), |held| held.directories.clone()),
        commands: plan.commands.clone(),
    };
    for (path, after) in &plan.files {
        for directory in root.missing_above(path) {
            if !record.directories.contains(&directory) {
                record.directories.push(directory);
            }
        }
        let before = sight.read(path)?;
        record.changes.push(Change { path: path.clone(), before, after: after.clone() });
    }
    // The innermost first, whichever file made them.
    record.directories.sort_by_key(|directory| std::cmp::Reverse(directory.len()));
    Ok((record, plan))
}

/// Points the machine at djdns.
///
/// # Errors
/// That a file was edited since, with the difference; or what cannot be read or written.
pub fn enable(root: &Root, wish: &Wish, force: bool, run: Run) -> Outcome<Done> {
    let (mut record, plan) = planned(root, wish)?;
    if let Some(mut held) = held(root)? {
        refuse_edits(root, &held, force)?;
        let same =
            (held.phase, &held.wish, &held.changes) == (Phase::Enabled, wish, &record.changes);
        if same && held.edits(root)?.is_empty() && is_in_place(root, &held)? {
            return Ok(Done { already: true, notes: plan.notes, failed: Vec::new() });
        }
        put_back(root, &mut held)?;
    }
    record.save(root)?;
    for change in &record.changes {
        root.put(&change.path, &change.after)?;
    }
    let failed = ran(root, &record, run)?;
    let overwritten = record.edits(root)?;
    record.phase = Phase::Enabled;
    record.save(root)?;
    Ok(Done { already: false, notes: plan.notes, failed: [failed, overwritten].concat() })
}

/// Puts back what was there, byte for byte.
///
/// # Errors
/// As [`enable`].
pub fn disable(root: &Root, force: bool, run: Run) -> Outcome<Done> {
    let Some(mut held) = held(root)? else {
        // Where it was interrupted before there was a record, or after.
        root.sweep(RECORD)?;
        root.remove_empty(RECORD_DIR)?;
        return Ok(Done { already: true, ..Done::default() });
    };
    refuse_edits(root, &held, force)?;
    held.paused_until = None;
    put_back(root, &mut held)?;
    let failed = ran(root, &held, run)?;
    Record::remove(root)?;
    root.remove_empty(RECORD_DIR)?;
    Ok(Done { failed, ..Done::default() })
}

/// What putting back would do; `None` where there is nothing to put back.
///
/// # Errors
/// As [`disable`].
pub fn undone(root: &Root, force: bool) -> Outcome<Option<(Record, Plan)>> {
    let Some(held) = held(root)? else { return Ok(None) };
    refuse_edits(root, &held, force)?;
    let mut plan = Plan { commands: held.commands.clone(), ..Plan::default() };
    for change in held.changes.iter().rev() {
        if root.read(&change.path)? != change.before {
            plan.files.push((change.path.clone(), change.before.clone()));
        }
    }
    Ok(Some((held, plan)))
}

/// Puts back what was there until a time; `schedule` sees to the return before anything changes.
///
/// # Errors
/// As [`enable`]; that the machine is not pointed at djdns; or that nothing can bring it back.
pub fn pause(
    root: &Root,
    until: u64,
    force: bool,
    run: Run,
    schedule: &mut dyn FnMut() -> Outcome,
) -> Outcome<Done> {
    let Some(mut held) = held(root)? else {
        return Err(Fault::refused(
            "this machine is not pointed at djdns, so there is nothing to pause",
        ));
    };
    refuse_edits(root, &held, force)?;
    held.paused_until = Some(until);
    if held.phase == Phase::Paused {
        held.save(root)?;
        schedule()?;
        return Ok(Done { already: true, ..Done::default() });
    }
    // Whoever is interrupted from here on is still brought back.
    schedule()?;
    put_back(root, &mut held)?;
    let failed = ran(root, &held, run)?;
    held.phase = Phase::Paused;
    held.save(root)?;
    Ok(Done { failed, ..Done::default() })
}

/// What the record asks of whoever reads it later: after a pause, a restart, or a DHCP client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    Nothing,
    /// A pause ends then, seconds since 1970 (UTC).
    Later(u64),
    /// To be pointed at djdns: a pause is over, the change was interrupted, or a program wrote
    /// `/etc/resolv.conf` anew.
    Enable(Wish),
}

/// What is due.
pub fn due(root: &Root, now: u64) -> Outcome<Due> {
    let Some(held) = Record::load(root)? else { return Ok(Due::Nothing) };
    Ok(match (held.phase, held.paused_until) {
        (_, Some(until)) if until > now => Due::Later(until),
        (_, Some(_)) | (Phase::Enabling, None) => Due::Enable(held.wish),
        _ if rewritten(root, &held)?.is_some() => Due::Enable(held.wish),
        _ => Due::Nothing,
    })
}

/// Takes what a program wrote into `/etc/resolv.conf` for what was there before
/// djdns, so that the next [`enable`] replaces it, djdns asks its servers, and [`disable`] puts it back.
pub fn adopt(root: &Root) -> Outcome {
    let Some(mut held) = Record::load(root)? else { return Ok(()) };
    let Some(now) = rewritten(root, &held)? else { return Ok(()) };
    let ours = held.changes.iter_mut().filter(|change| change.path == RESOLV_CONF);
    ours.for_each(|change| change.before = now.clone());
    held.save(root)
}

/// What stands in `/etc/resolv.conf` where it is ours and a program wrote it anew: nothing of ours
/// is left in it, as somebody who edits it would leave, and it names a server that is not djdns.
fn rewritten(root: &Root, held: &Record) -> Outcome<Option<Thing>> {
    let writes = [Governor::Plain.name(), Governor::NetworkManager.name()];
    if held.phase != Phase::Enabled || !writes.contains(&&*held.manager) {
        return Ok(None);
    }
    let now = root.read(RESOLV_CONF)?;
    let Thing::File { content, .. } = &now else { return Ok(None) };
    let text = String::from_utf8_lossy(&content.bytes()).into_owned();
    let own: Vec<String> =
        held.wish.addresses.iter().map(|address| address.ip().to_string()).collect();
    let others = nameservers(&text).iter().any(|server| !own.iter().any(|own| own == server));
    Ok((others && !text.contains(HEAD)).then_some(now))
}

fn refuse_edits(root: &Root, held: &Record, force: bool) -> Outcome {
    let edits = held.edits(root)?;
    if edits.is_empty() || force {
        return Ok(());
    }
    Err(Fault::refused(format!(
        "nothing was changed, since somebody else did (- as djdns wrote it, + as it is now):\n{}\n\
         with --force this is lost, and what was there before djdns comes back first",
        edits.join("\n")
    )))
}

fn is_in_place(root: &Root, record: &Record) -> Outcome<bool> {
    let standings = record.standings(root)?;
    Ok(standings.iter().all(|(change, now, _)| now.says_as(&change.after)))
}

/// Files and directories as they were; the record stays, and says that this began.
fn put_back(root: &Root, held: &mut Record) -> Outcome {
    held.phase = Phase::Undoing;
    held.save(root)?;
    for change in held.changes.iter().rev() {
        root.sweep(&change.path)?;
        if root.read(&change.path)? != change.before {
            root.put(&change.path, &change.before)?;
        }
    }
    remove_directories(root, held)
}

/// Those that were made for what was written, if they are empty.
fn remove_directories(root: &Root, held: &Record) -> Outcome {
    held.directories.iter().try_for_each(|directory| root.remove_empty(directory))
}

fn ran(root: &Root, record: &Record, run: Run) -> Outcome<Vec<String>> {
    root.step().map_err(Fault::refused)?;
    Ok(run(&record.commands))
}
