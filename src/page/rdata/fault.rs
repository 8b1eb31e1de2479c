//! What can be wrong with one field of a record's data.

use crate::{
    key::KeyRefusal,
    limits::PAGE_BEACONS_MAX,
    page::{codec::CodecRefusal, name::NameRefusal, record::UnknownType},
};

/// Why one field's octets or text are not what its type asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("it is missing")]
    Missing,
    #[error("the data ends in the middle of it")]
    Truncated,
    #[error("it is empty")]
    Empty,
    #[error("`{text}` is no number from 0 to {max}")]
    Number { text: String, max: u64 },
    #[error("`{0}` is no IPv4 address")]
    Ipv4(String),
    #[error("`{0}` is no IPv6 address")]
    Ipv6(String),
    #[error("{0}")]
    Name(#[from] NameRefusal),
    #[error("a string of {0} octets is longer than 255: split it into several quoted strings")]
    StringTooLong(usize),
    #[error("{have} strings where at least {least} belong")]
    TooFewStrings { have: usize, least: usize },
    #[error("more than {PAGE_BEACONS_MAX} strings")]
    TooManyStrings,
    #[error("this type has no text of its own: write `\\# length hexadecimal` (RFC 3597)")]
    NoText,
    #[error("it is no UTF-8 text")]
    NotUtf8,
    #[error("`\\` needs a character or three digits up to 255 after it")]
    BadEscape,
    #[error("a quote stands inside a string: put the whole string in quotes, or write `\\\"`")]
    QuoteInside,
    #[error("`{0}` is not hexadecimal in pairs of digits")]
    NotHex(String),
    #[error("`{0}` is not {1} octets in hexadecimal")]
    NotHexOf(String, usize),
    #[error("it is no padded base64 (RFC 4648 section 4)")]
    NotBase64,
    #[error("`{0}` is no base32hex without padding (RFC 4648 section 7)")]
    NotBase32(String),
    #[error("`{0}` is not {1} pairs of hexadecimal digits with `-` between them")]
    NotEui(String, usize),
    #[error("{have} octets where a digest of this kind has {expect}")]
    DigestLength { have: usize, expect: usize },
    #[error("a digest of {have} octets is shorter than {least}")]
    DigestTooShort { have: usize, least: usize },
    #[error("it is neither empty nor `!expression!replacement!` (RFC 3402 section 3.2)")]
    Substitution,
    #[error("the type bitmap is not in its one form (RFC 4034 section 4.1.2)")]
    TypeBitmap,
    #[error("{0}")]
    NotAType(#[from] UnknownType),
    #[error("`{0}` is no time: expected YYYYMMDDHHmmSS in UTC, or seconds since 1970")]
    NotATime(String),
    #[error("a tag is 1 to 255 letters and digits (RFC 8659 section 4.1)")]
    Tag,
    #[error("`{0}` is not one of 0 to 3, or the data after it does not fit it")]
    Gateway(u8),
    #[error("the lengths inside do not fit the data")]
    InnerLength,
    #[error("a location is `degrees [minutes [seconds]] N|S … E|W altitude` (RFC 1876 section 3)")]
    Location,
    #[error("version {0} of LOC is not known, only 0 is")]
    LocationVersion(u8),
    #[error("a size or precision is 0, or a digit times a power of ten up to 9 (RFC 1876)")]
    LocationSize,
    #[error("latitude or longitude is outside the globe")]
    LocationRange,
    #[error("an address prefix is `[!]family:address/length` with no set bits to spare (RFC 3123)")]
    AddressPrefix,
    #[error("`{0}` is no parameter name (RFC 9460 section 14.3.2) and not `key` with a number")]
    ParamName(String),
    #[error("parameter {0} appears twice")]
    ParamTwice(String),
    #[error("parameters are not in ascending order of their numbers (RFC 9460 section 2.2)")]
    ParamOrder,
    #[error("parameter {0} is not well formed (RFC 9460 section 7)")]
    ParamValue(String),
    #[error("mandatory names {0}, which is not there (RFC 9460 section 8)")]
    ParamMandatory(String),
    #[error("no-default-alpn needs alpn beside it (RFC 9460 section 7.1.1)")]
    ParamNoAlpn,
    #[error("{0}")]
    Key(#[from] KeyRefusal),
    #[error("{0}")]
    Track(#[from] CodecRefusal),
}
