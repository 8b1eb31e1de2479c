//! What was there before this machine was pointed at djdns, and what was put in its place.
//!
//! Written and synced before anything changes, so that whatever was interrupted can be finished or
//! undone. It is a file of its own, not part of a data directory: root's, and for everybody to read.

use serde::{Deserialize, Serialize};

use super::{
    files::{Root, Thing},
    plan::Wish,
};
use crate::cli::fault::{Fault, Outcome};

/// A directory of root's alone, and not the service's /var/lib/djdns: root writes files from this
/// record, so whoever could replace it could have any file written.
pub const RECORD_DIR: &str = "/var/lib/djdns-system";

/// Where the record is.
pub const RECORD: &str = "/var/lib/djdns-system/system.json";

/// How far a change of the system came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Files are being changed, or were when it was interrupted.
    Enabling,
    Enabled,
    /// What was there is being put back, or was when it was interrupted.
    Undoing,
    /// What was there is back; djdns returns by itself.
    Paused,
}

/// A file that is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub path: String,
    pub before: Thing,
    pub after: Thing,
}

/// What was there, and what was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub version: u32,
    pub phase: Phase,
    /// Who governed `/etc/resolv.conf`.
    pub manager: String,
    #[serde(flatten)]
    pub wish: Wish,
    /// When a pause ends, seconds since 1970 (UTC).
    pub paused_until: Option<u64>,
    pub changes: Vec<Change>,
    /// Directories that were made, the innermost first.
    pub directories: Vec<String>,
    /// What is run when files have changed, in either direction.
    pub commands: Vec<Vec<String>>,
}

/// How a file stands to the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    AsWritten,
    AsBefore,
    Edited,
}

impl Record {
    /// The record, if there is one.
    pub fn load(root: &Root) -> Outcome<Option<Record>> {
        let Thing::File { content, .. } = root.read(RECORD)? else { return Ok(None) };
        let record: Record = serde_json::from_slice(&content.bytes()).map_err(|error| {
            Fault::refused(format!(
                "{} cannot be understood ({error}): it says what was there before djdns; put that \
                 back by hand, then remove this file",
                root.at(RECORD).display()
            ))
        })?;
        if record.version != 1 {
            return Err(Fault::refused(format!(
                "{} was written by another version of djdns: use that one to undo what it did",
                root.at(RECORD).display()
            )));
        }
        Ok(Some(record))
    }

    /// Writes the record, synced.
    pub fn save(&self, root: &Root) -> Outcome {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Fault::refused(format!("the record does not become JSON: {error}")))?;
        root.put(RECORD, &Thing::text(text + "\n"))
    }

    /// Forgets it all.
    pub fn remove(root: &Root) -> Outcome {
        root.put(RECORD, &Thing::Absent)
    }

    /// How each file stands now.
    pub fn standings(&self, root: &Root) -> Outcome<Vec<(&Change, Thing, Standing)>> {
        let stand = |change| {
            let now = root.read(&Change::path(change))?;
            let standing = match change.standing(&now) {
                Standing::Edited if self.is_torn(change, &now) => Standing::AsBefore,
                standing => standing,
            };
            Ok((change, now, standing))
        };
        self.changes.iter().map(stand).collect()
    }

    /// Whether it was being written in place, as a mounted file must be, when that was interrupted:
    /// what is there is the beginning of what was to be there.
    fn is_torn(&self, change: &Change, now: &Thing) -> bool {
        let under_way = matches!(self.phase, Phase::Enabling | Phase::Undoing);
        under_way && [&change.before, &change.after].iter().any(|thing| now.begins(thing))
    }

    /// In lines, what was edited since: `-` is what djdns wrote and `+` what is there now.
    pub fn edits(&self, root: &Root) -> Outcome<Vec<String>> {
        let standings = self.standings(root)?;
        let edited = standings.iter().filter(|(_, _, standing)| *standing == Standing::Edited);
        Ok(edited.flat_map(|(change, now, _)| change.difference(now)).collect())
    }
}

impl Change {
    fn path(&self) -> String {
        self.path.clone()
    }

    fn standing(&self, now: &Thing) -> Standing {
        if now.says_as(&self.after) {
            Standing::AsWritten
        } else if now.says_as(&self.before) {
            Standing::AsBefore
        } else {
            Standing::Edited
        }
    }

    fn difference(&self, now: &Thing) -> Vec<String> {
        let mut lines = vec![format!("{} was edited since:", self.path)];
        if *now == Thing::Absent {
            lines.push("  it was removed".to_owned());
        }
        lines.extend(difference(&self.after.lines(), &now.lines()));
        lines
    }
}

/// A diff of two short files: what only the first has, and what only the second has.
pub fn difference(old: &[String], new: &[String]) -> Vec<String> {
    let only = |sign: char, these: &[String], those: &[String]| -> Vec<String> {
        let lines = these.iter().filter(|line| !those.contains(line));
        lines.map(|line| format!("  {sign} {line}")).collect()
    };
    let lines = [only('-', old, new), only('+', new, old)].concat();
    let reordered = lines.is_empty() && old != new;
    if reordered { vec!["  the same lines, in another order or number".to_owned()] } else { lines }
}
