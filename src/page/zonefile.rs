//! Master files (RFC 1035 section 5): how pages come from and go to other DNS software.
//!
//! What a page makes by itself (the SOA and NS at its apex, P8) or does not use (what DNSSEC made)
//! is left aside when reading and counted. Writing and reading again gives the same entries. This
//! knows neither files nor operations: text in, entries out, and back.

use std::collections::BTreeMap;

use super::{
    entry::{EntryRefusal, RecordSets},
    name::{Name, NameRefusal, Owner},
    rdata::{RdataRefusal, Step, Tokens},
    record::{RecordType, UnknownType},
};

mod foreign;
mod order;
mod read;
mod records;
mod write;

pub use write::write;

/// Warnings that are kept word for word; the rest are counted (choice: a screenful).
pub const WARNINGS_MAX: usize = 20;
/// Seconds, when neither the file nor its SOA says any (choice: an hour, as most servers do).
pub const TTL_DEFAULT: u32 = 3600;

/// What a zone file says about a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneContents {
    /// Every owner with its record sets, in canonical order (RFC 4034 section 6.1).
    pub entries: Vec<(Owner, RecordSets)>,
    /// How many records of which type were read and not taken, because pages make their own.
    pub left_aside: BTreeMap<RecordType, usize>,
    /// The first [`WARNINGS_MAX`] warnings, each one sentence with its line.
    pub warnings: Vec<String>,
    /// How many warnings there were beyond those.
    pub more_warnings: usize,
}

/// Where and why a zone file was refused. Nothing of it is taken then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {fault}")]
pub struct ZoneError {
    /// Counted from 1.
    pub line: usize,
    /// Characters, counted from 1.
    pub column: usize,
    pub fault: ZoneFault,
}

/// Why a zone file was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneFault {
    #[error("the quote opened here is not closed on its line")]
    OpenQuote,
    #[error("this parenthesis has no partner")]
    Parenthesis,
    #[error("the line starts with a blank, but no name came before it")]
    NoOwner,
    #[error("the owner name: {0}")]
    Owner(NameRefusal),
    #[error("$ORIGIN: {0}")]
    Origin(NameRefusal),
    #[error("$TTL: `{0}` is no time: expected seconds, or units as in 1h30m")]
    DefaultTtl(String),
    #[error("`{0}` is no time: expected seconds, or units as in 1h30m")]
    Ttl(String),
    #[error("{0} needs exactly one value after it")]
    DirectiveValue(String),
    #[error("$INCLUDE is not followed: put the records of the other file in its place")]
    Include,
    #[error("`{0}` is not known: only $ORIGIN and $TTL are")]
    Directive(String),
    #[error("class `{0}`: pages hold only IN")]
    Class(String),
    #[error("the record's type is missing")]
    NoType,
    #[error("{0}")]
    Type(#[from] UnknownType),
    #[error("{rtype} data: {refusal}")]
    Rdata { rtype: RecordType, refusal: RdataRefusal },
    #[error("{0}")]
    Record(EntryRefusal),
    #[error("the entry at `{owner}`: {refusal}")]
    Entry { owner: String, refusal: EntryRefusal },
}

/// Reads a zone file as the contents of `page`. Now and then `progress` is told how many bytes
/// are read; names are sorted and checked together only after the last of them.
///
/// # Errors
/// The first [`ZoneError`] found.
pub fn read(
    text: &[u8],
    page: &Name,
    progress: &mut dyn FnMut(usize),
) -> Result<ZoneContents, ZoneError> {
    // Some editors put a byte order mark before the first name.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    read_contents(text, page, progress).map_err(|(at, fault)| {
        let (line, column) = position(text, at);
        ZoneError { line, column, fault }
    })
}

/// A fault and the offset of the byte where it shows.
type Located = (usize, ZoneFault);

/// Bytes between two calls of `progress`.
const PROGRESS_BYTES: usize = 1 << 20;

fn read_contents(
    text: &[u8],
    page: &Name,
    progress: &mut dyn FnMut(usize),
) -> Result<ZoneContents, Located> {
    let mut tokens = Tokens::new(text);
    let mut reader = read::Reader::new(page, text.len());
    let mut line = Vec::new();
    let mut told = 0;
    loop {
        line.clear();
        tokens.skip(foreign::MARK.as_bytes());
        let blank = tokens.at_blank();
        let last = loop {
            match tokens.step() {
                Step::Token(token) => line.push(token),
                Step::EndOfLine => break false,
                Step::EndOfText => break true,
                Step::OpenQuote(at) => return Err((at, ZoneFault::OpenQuote)),
                Step::Parenthesis(at) => return Err((at, ZoneFault::Parenthesis)),
            }
        };
        if !line.is_empty() {
            reader.line(&line, blank)?;
        }
        if last || tokens.at() - told >= PROGRESS_BYTES {
            told = tokens.at();
            progress(told);
        }
        if last {
            return reader.finish(text);
        }
    }
}

/// Line and column, from 1, of the byte at `at`.
fn position(text: &[u8], at: usize) -> (usize, usize) {
    let before = &text[..at.min(text.len())];
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    (line, 1 + String::from_utf8_lossy(&before[start..]).chars().count())
}
