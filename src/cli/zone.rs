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
    read_if(file, |_| true).map(Option::unwrap_or_default)
}

/// Reads a file whose first bytes are right; none: they are not, and no more was read.
///
/// # Errors
/// When it cannot be read, or has more than [`FILE_BYTES_MAX`].
pub fn read_if(file: &Path, is_right: impl Fn(&[u8]) -> bool) -> Outcome<Option<Vec<u8>>> {
    let read = || {
        let mut from: Box<dyn Read> = match file.as_os_str() == "-" {
            true => Box::new(std::io::stdin()),
            false => Box::new(fs::File::open(file)?),
        };
        let mut bytes = Vec::new();
        from.by_ref().take(HEAD_BYTES).read_to_end(&mut bytes)?;
        if !is_right(&bytes) {
            return Ok(None);
        }
        from.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    };
    let bytes = read().map_err(|error: std::io::Error| Fault::file("read", file, &error))?;
    if bytes.as_ref().is_some_and(|bytes| bytes.len() as u64 > FILE_BYTES_MAX) {
        let file = file.display();
        return Err(Fault::refused(format!("{file} has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// By so many bytes a file says what it is.
const HEAD_BYTES: u64 = 64;
/// Bytes of a file that is read whole (choice: the log of a page with some million names).
const FILE_BYTES_MAX: u64 = 2 << 30;
