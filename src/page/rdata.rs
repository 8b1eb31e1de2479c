//! Record data: what the octets of every record type look like, on the wire and in text (P7, P8).
//!
//! One table (`schema`) lists each type's fields. Checking octets, reading text, writing text
//! and finding names all walk the same list, so a type is described once. Types that the table
//! does not know hold any octets. Nothing here knows owners, TTLs or other records.

use super::{
    name::{Name, NameRefusal, Owner},
    record::RecordType,
};
use crate::limits::RDATA_BYTES_MAX;

mod apl;
mod fault;
mod loc;
mod params;
mod parse;
mod schema;
mod token;
mod track;
mod wire;
mod write;

use parse::Words;
use schema::Kind;
pub use {
    fault::Fault,
    token::{Step, Token, Tokens},
    track::Track,
};

/// Why octets, or a text, are no data of a record type (P8).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RdataRefusal {
    #[error("{field}: {fault}")]
    Field { field: &'static str, fault: Fault },
    #[error("{0} octets follow where the data should end")]
    TrailingOctets(usize),
    #[error("`{0}` follows where the data should end")]
    TrailingText(String),
    #[error("{0} octets are more than the {RDATA_BYTES_MAX} that a record can hold")]
    TooLong(usize),
    #[error("`\\#` needs the number of octets and then exactly that many in hexadecimal")]
    Generic,
    #[error("a `;` starts a comment: put the string that it belongs to in quotes")]
    Comment,
    #[error("a line ends inside the data")]
    SecondLine,
    #[error("a quote is not closed")]
    OpenQuote,
    #[error("a parenthesis has no partner")]
    Parenthesis,
}

/// How [`write_text`] writes djdns' own types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `\# 14 0a0b…` (RFC 3597), and so are types and parameters that not all know by name: for
    /// zone files that other software reads.
    GenericPrivate,
    /// Fields in words and numbers: for people, and for reading back by djdns alone.
    Mnemonic,
}

/// Checks that octets parse as their type: every octet belongs to a field, names are whole and
/// uncompressed and within their limits (P8).
///
/// # Errors
/// The first [`RdataRefusal`] found.
pub fn check(rtype: RecordType, rdata: &[u8]) -> Result<(), RdataRefusal> {
    if rdata.len() > RDATA_BYTES_MAX {
        return Err(RdataRefusal::TooLong(rdata.len()));
    }
    let Some(fields) = schema::fields(rtype) else {
        return Ok(());
    };
    let mut reader = wire::Reader::new(rdata);
    for field in fields {
        reader
            .take(&field.kind)
            .map_err(|fault| RdataRefusal::Field { field: field.name, fault })?;
    }
    match reader.rest() {
        0 => Ok(()),
        rest => Err(RdataRefusal::TrailingOctets(rest)),
    }
}

/// Reads the data of one record from presentation form on one line, `\#` included (RFC 3597).
/// Relative names end in `origin`; the case of names is kept.
///
/// # Errors
/// Any [`RdataRefusal`]. A bare `;` is refused, since what follows would be lost unseen.
pub fn parse_text(rtype: RecordType, text: &str, origin: &Name) -> Result<Vec<u8>, RdataRefusal> {
    parse_tokens(rtype, &token::one_line(text)?, origin)
}

/// Reads the data of one record from arguments that a shell has already split: an argument
/// without quotes of its own is one field, so that `"v=spf1 -all"` stays one string, and `;`
/// needs no quotes.
///
/// # Errors
/// Any [`RdataRefusal`].
pub fn parse_words<S: AsRef<str>>(
    rtype: RecordType,
    words: &[S],
    origin: &Name,
) -> Result<Vec<u8>, RdataRefusal> {
    let mut tokens = Vec::new();
    for word in words.iter().map(AsRef::as_ref) {
        match word.contains('"') {
            true => tokens.extend(token::one_line(word)?),
            // Whether it stands in quotes matters for `\#` alone.
            false => tokens.push(Token { raw: word.as_bytes(), quoted: false, at: 0 }),
        }
    }
    parse_tokens(rtype, &tokens, origin).or_else(|refusal| {
        // Someone quoted the whole data for the shell: `MX "10 mail"`.
        let split = words.len() == 1 && words[0].as_ref().contains(char::is_whitespace);
        let again = split.then(|| parse_text(rtype, words[0].as_ref(), origin).ok()).flatten();
        again.ok_or(refusal)
    })
}

/// Reads the data of one record from tokens.
///
/// # Errors
/// Any [`RdataRefusal`].
pub fn parse_tokens(
    rtype: RecordType,
    tokens: &[Token<'_>],
    origin: &Name,
) -> Result<Vec<u8>, RdataRefusal> {
    let mut rdata = Vec::new();
    parse_into(rtype, tokens, origin, &mut rdata).map_err(|(_, refusal)| refusal)?;
    Ok(rdata)
}

/// As [`parse_tokens`], appending to `out`; what was appended before an error is meaningless. An
/// error comes with the index of the token at fault, `tokens.len()` when one is missing.
///
/// # Errors
/// Any [`RdataRefusal`].
pub fn parse_into(
    rtype: RecordType,
    tokens: &[Token<'_>],
    origin: &Name,
    out: &mut Vec<u8>,
) -> Result<(), (usize, RdataRefusal)> {
    let start = out.len();
    let mut words = Words::new(tokens);
    let generic = tokens.first().is_some_and(|token| !token.quoted && token.raw == b"\\#");
    if generic {
        parse::generic(&mut words, out).map_err(|refusal| (words.index(), refusal))?;
    } else {
        let fields = schema::fields(rtype).ok_or((0, RdataRefusal::Generic))?;
        for field in fields {
            words.field(&field.kind, origin, out).map_err(|fault| {
                (words.index(), RdataRefusal::Field { field: field.name, fault })
            })?;
        }
    }
    if let Some(token) = words.peek() {
        let text = String::from_utf8_lossy(token.raw).into_owned();
        return Err((words.consumed(), RdataRefusal::TrailingText(text)));
    }
    check(rtype, &out[start..]).map_err(|refusal| (0, refusal))
}

/// Appends the presentation form of one record's data, after a blank if `out` does not end in
/// one. What has no faithful form of its own is
/// written as `\#` (RFC 3597), so that reading the text gives the same octets in every case.
pub fn write_text(rtype: RecordType, rdata: &[u8], style: Style, out: &mut String) {
    let start = out.len();
    let fields = schema::fields(rtype).filter(|_| match style {
        Style::GenericPrivate => is_widely_known(rtype) && !params::are_recent(rtype, rdata),
        Style::Mnemonic => rtype.has_mnemonic(),
    });
    let written = fields.filter(|_| !rdata.is_empty()).and_then(|fields| {
        let mut reader = wire::Reader::new(rdata);
        for field in fields {
            let octets = reader.take(&field.kind).ok()?;
            write::field(&field.kind, octets, out)?;
        }
        (reader.rest() == 0).then_some(())
    });
    if written.is_none() {
        out.truncate(start);
        write_generic(rdata, out);
    }
}

/// Whether other software reads the type's mnemonic and text: not djdns' own types, and not those
/// that Knot 3.2 knows only by number.
pub fn is_widely_known(rtype: RecordType) -> bool {
    let by_number = [RecordType::HIP, RecordType::SIG, RecordType::NXT];
    rtype.has_mnemonic() && !rtype.is_private() && !by_number.contains(&rtype)
}

/// The wire forms of the domain names in a record's data, in the order of its fields.
pub fn names(rtype: RecordType, rdata: &[u8]) -> Vec<&[u8]> {
    let mut reader = wire::Reader::new(rdata);
    let mut names = Vec::new();
    for field in schema::fields(rtype).unwrap_or_default() {
        match reader.take(&field.kind) {
            Ok(octets) if matches!(field.kind, Kind::Name) => names.push(octets),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    names
}

/// The wire form of the name that a record points at: of CNAME, DNAME, NS, PTR, MX, SRV, KX,
/// AFSDB, SVCB, HTTPS and NAPTR. `None` for other types and for octets that do not parse.
pub fn target(rtype: RecordType, rdata: &[u8]) -> Option<&[u8]> {
    let pointing = [
        RecordType::CNAME,
        RecordType::DNAME,
        RecordType::NS,
        RecordType::PTR,
        RecordType::MX,
        RecordType::SRV,
        RecordType::KX,
        RecordType::AFSDB,
        RecordType::SVCB,
        RecordType::HTTPS,
        RecordType::NAPTR,
    ];
    pointing.contains(&rtype).then(|| names(rtype, rdata).first().copied()).flatten()
}

/// Appends presentation form of a name to the wire form `out`: `@` is the origin, a missing final
/// dot means relative to it, case is kept.
///
/// # Errors
/// Any [`NameRefusal`] but those about a page.
pub fn push_name(raw: &[u8], origin: &Name, out: &mut Vec<u8>) -> Result<(), NameRefusal> {
    parse::name(raw, origin, out)
}

/// Reads seconds, or weeks, days, hours, minutes and seconds as `1w2d3h4m5s` (a habit of BIND).
pub fn seconds(text: &[u8]) -> Option<u32> {
    parse::seconds(text)
}

/// Appends the presentation form of a name given in wire form; one that does not parse is empty.
pub fn write_name(wire: &[u8], out: &mut String) {
    write::name(wire, out);
}

/// Appends an owner as zone files have it: relative to its page, `@` for the page itself.
pub fn write_owner(owner: &Owner, out: &mut String) {
    if owner.is_apex() {
        out.push('@');
    }
    for (i, label) in owner.labels().enumerate() {
        out.push_str(if i == 0 { "" } else { "." });
        write::label(label, out);
    }
}

/// `\# length hex` (RFC 3597 section 5).
fn write_generic(rdata: &[u8], out: &mut String) {
    write::word(out, format_args!("\\# {}", rdata.len()));
    if !rdata.is_empty() {
        out.push(' ');
        data_encoding::HEXLOWER.encode_append(rdata, out);
    }
}

#[cfg(test)]
mod tests;
