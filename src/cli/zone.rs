//! Zone files as commands take them: read, parsed with progress, and their warnings said.

use std::{fs, io::Read, path::Path};

use super::{
    context::Context,
    fault::{Fault, Outcome},
};
use crate::page::{
    name::Name,
    zonefile::{self, ZoneContents},
};

/// Reads a zone file's text as the contents of a page.
///
/// # Errors
/// That it is no zone of that page: with line and column.
pub fn parse(context: &Context, file: &Path, text: &[u8], name: &Name) -> Outcome<ZoneContents> {
    let mut progress = context.progress();
    let total = text.len() as u64;
    zonefile::read(text, name, &mut |done| progress.tell("reading", done as u64, total))
        .map_err(|error| Fault::refused(format!("{}, {error}", file.display())))
}

/// Says what a zone file warned about, and what was not taken from it.
pub fn report(context: &Context, contents: &ZoneContents) {
    for warning in &contents.warnings {
        context.note(format!("warning: {warning}"));
    }
    if contents.more_warnings > 0 {
        context.note(format!("warning: and {} more like these", contents.more_warnings));
    }
    let counts = contents.left_aside.iter().map(|(rtype, count)| format!("{count} {rtype}"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    if !counts.is_empty() {
        context.note(format!(
            "not taken, because a page makes its own or is proved by its seal: {counts}"
        ));
    }
}

/// Reads a file; `-` is standard input.
///
/// # Errors
/// When it cannot be read.
pub fn read(file: &Path) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes),
        false => fs::read(file),
    };
    read.map_err(|error| Fault::file("read", file, &error))
}
