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

pub use foreign::{refused_alone, server};
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
    #[error("a file of 4 GiB or more is too large")]
    TooLarge,
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
    if u32::try_from(text.len()).is_err() {
        return Err((0, ZoneFault::TooLarge));
    }
    let mut tokens = Tokens::new(text);
    let mut reader = read::Reader::new(page, text.len());
    let mut line = Vec::new();
    let mut told = 0;
    loop {
        line.clear();
        reader.marked = tokens.skip(foreign::MARK.as_bytes());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> ZoneContents {
        let page = Name::parse("ct").unwrap();
        read(text.as_bytes(), &page, &mut |_| {}).unwrap_or_else(|error| panic!("{error}"))
    }

    fn ttls(text: &str) -> Vec<u32> {
        let contents = read_text(text);
        contents.entries.iter().flat_map(|(_, sets)| sets.iter().map(|set| set.ttl)).collect()
    }

    #[test]
    fn a_record_without_a_ttl_gets_the_one_the_rules_say() {
        assert_eq!(ttls("a A 192.0.2.1"), [TTL_DEFAULT]);
        assert_eq!(ttls("@ SOA a. b. 1 2 3 4 77\na A 192.0.2.1"), [77]);
        assert_eq!(ttls("@ SOA a. b. 1 2 3 4 77\na 5 A 192.0.2.1\nb A 192.0.2.1"), [5, 5]);
        assert_eq!(ttls("a 5 A 192.0.2.1\n$TTL 1h30m\nb A 192.0.2.1\n$TTL 7\nc A 192.0.2.1"), {
            [5, 5400, 7]
        });
        assert_eq!(ttls("a 604799 A 192.0.2.1\nb 604800 A 192.0.2.1"), [604_799, 604_800]);
    }

    #[test]
    fn a_set_gets_its_smallest_ttl_and_a_warning_and_each_record_once() {
        let contents = read_text("a 9 A 192.0.2.2\nb 1 TXT x\na 5 A 192.0.2.1\na 5 A 192.0.2.2");
        let set = contents.entries[0].1.get(RecordType::A).unwrap();
        assert_eq!((set.ttl, set.rdata.len()), (5, 2));
        assert_eq!(
            contents.warnings,
            ["line 1: A at `a` has TTLs from 5 to 9 s and gets the smallest"]
        );
    }

    #[test]
    fn warnings_are_kept_up_to_a_number_and_then_counted() {
        for (owners, kept, more) in [(19, 19, 0), (20, 20, 0), (21, 20, 1)] {
            let line = |i| format!("a{i} 1 A 192.0.2.1\na{i} 2 A 192.0.2.2\n");
            let contents = read_text(&(0..owners).map(line).collect::<String>());
            assert_eq!((contents.warnings.len(), contents.more_warnings), (kept, more));
        }
    }

    #[test]
    fn what_pages_make_is_left_aside_and_counted() {
        let contents = read_text("@ SOA a. b. 1 2 3 4 5\n@ NS a.\n@ NS b.\nx NS a.\nx RRSIG !\n");
        let aside: Vec<_> = contents.left_aside.into_iter().collect();
        assert_eq!(aside, [(RecordType::NS, 2), (RecordType::SOA, 1), (RecordType::RRSIG, 1)]);
        assert_eq!(contents.entries.len(), 1);
    }

    #[test]
    fn names_inside_data_keep_their_case_and_owners_do_not() {
        let contents = read_text("WWW CNAME Host.Example.\n");
        let (owner, sets) = &contents.entries[0];
        assert_eq!(owner.to_string(), "www");
        assert_eq!(*sets.get(RecordType::CNAME).unwrap().rdata[0].0, *b"\x04Host\x07Example\0");
    }

    #[test]
    fn progress_ends_with_the_whole_text() {
        let text = "a A 192.0.2.1 ; and a comment to fill the line\n".repeat(50_000);
        let mut told = Vec::new();
        read(text.as_bytes(), &Name::root(), &mut |bytes| told.push(bytes)).unwrap();
        assert_eq!(told.last(), Some(&text.len()));
        assert!(told.len() > 2 && told.is_sorted(), "{told:?}");
    }

    #[test]
    fn progress_is_told_now_and_then() {
        let text = "; nothing but a comment\n".repeat(3 * PROGRESS_BYTES / 24);
        let mut told = Vec::new();
        read(text.as_bytes(), &Name::root(), &mut |bytes| told.push(bytes)).unwrap();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0] >= PROGRESS_BYTES && told[1] - told[0] >= PROGRESS_BYTES, "{told:?}");
    }

    /// What is wrong with a text that is read as the page `ct.`, and where.
    fn refused(text: &str) -> (usize, usize, ZoneFault) {
        let error = read(text.as_bytes(), &Name::parse("ct").unwrap(), &mut |_| {}).unwrap_err();
        (error.line, error.column, error.fault)
    }

    #[test]
    fn a_directive_starts_its_line_and_is_not_quoted() {
        assert!(matches!(refused("a A 192.0.2.1\n $TTL 5"), (2, 2, ZoneFault::Type(_))));
        let contents = read_text("\"$a\" A 192.0.2.1");
        assert_eq!(contents.entries[0].0.to_string(), "\\$a");
    }

    #[test]
    fn an_owner_is_read_on_every_line_and_lies_in_its_page() {
        let empty = refused("a A 192.0.2.1\n$ORIGIN x\n\"\" A 192.0.2.2");
        assert!(matches!(empty, (3, 1, ZoneFault::Owner(_))), "{empty:?}");
        let other = refused("a.xx. A 192.0.2.1");
        assert!(matches!(other, (1, 1, ZoneFault::Owner(_))), "{other:?}");
        assert_eq!(refused("a \"IN\""), (1, 7, ZoneFault::NoType));
    }

    #[test]
    fn only_the_root_page_makes_addresses_and_only_those_of_its_server() {
        let kept = |page: &str, text: &str| {
            let page = Name::parse(page).unwrap();
            let contents = read(text.as_bytes(), &page, &mut |_| {}).unwrap();
            contents.entries.iter().flat_map(|(_, sets)| sets.iter()).count()
        };
        assert_eq!(kept(".", "localhost A 127.0.0.1\nlocalhost AAAA ::1"), 0);
        assert_eq!(kept(".", "localhost A 192.0.2.1\nlocalhost AAAA 2001:db8::1"), 2);
        assert_eq!(kept(".", "x A 127.0.0.1\nlocalhost A 127.0.0.1"), 1);
        assert_eq!(kept("ct", "localhost A 127.0.0.1"), 1);
    }

    #[test]
    fn owners_that_begin_alike_are_two_entries() {
        let long = "x".repeat(40);
        let contents = read_text(&format!("{long}1 A 192.0.2.1\n{long}2 A 192.0.2.2"));
        assert_eq!(contents.entries.len(), 2);
    }

    #[test]
    fn of_faults_at_several_owners_the_first_of_the_file_is_named() {
        let two = |owner: &str| format!("{owner} CNAME x\n{owner} A 192.0.2.1\n");
        assert_eq!(refused(&(two("a") + &two("b"))).0, 1);
        assert_eq!(refused(&(two("b") + &two("a"))).0, 1);
    }

    #[test]
    fn a_warning_names_the_first_line_with_the_largest_ttl() {
        let warned = |text: &str| {
            let contents = read_text(text);
            (contents.entries[0].1.get(RecordType::A).unwrap().ttl, contents.warnings)
        };
        let line =
            |n| vec![format!("line {n}: A at `a` has TTLs from 5 to 9 s and gets the smallest")];
        let text = "a 9 A 192.0.2.1\na 9 A 192.0.2.2\na 5 A 192.0.2.3";
        assert_eq!(warned(text), (5, line(1)));
        let text = "a 5 A 192.0.2.1\na 9 A 192.0.2.2\na 9 A 192.0.2.3";
        assert_eq!(warned(text), (5, line(2)));
    }
}
