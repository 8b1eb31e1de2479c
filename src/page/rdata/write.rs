//! Writes the octets of a field in presentation form.

use std::fmt::Write;

use data_encoding::{BASE32HEX_NOPAD, BASE64, HEXLOWER};

use super::{apl, loc, params, parse::month_days, schema::Kind, track, wire};
use crate::page::record::RecordType;

/// Appends one checked field, after a blank unless it is the first. `None` when the octets have
/// no text that would be read back as the same octets.
pub(super) fn field(kind: &Kind, octets: &[u8], out: &mut String) -> Option<()> {
    match kind {
        Kind::U8 | Kind::U16 | Kind::U32 | Kind::Span | Kind::Word(..) => {
            word(out, number(octets));
        }
        Kind::Time => word(out, format_args!("{}", Time(number(octets)))),
        Kind::Type => word(out, RecordType(number(octets) as u16)),
        Kind::Ipv4 => word(out, ipv4(octets)?),
        Kind::Ipv6 => word(out, ipv6(octets)?),
        Kind::Eui(_) => eui(octets, out),
        Kind::Fixed(_) | Kind::Hex | Kind::Digest(..) => {
            separate(out);
            HEXLOWER.encode_append(octets, out);
        }
        Kind::Name => {
            separate(out);
            name(octets, out);
        }
        Kind::Names => names(octets, out),
        Kind::Text | Kind::DidKey | Kind::Substitution | Kind::Texts(..) | Kind::Utf8Texts(..) => {
            wire::strings(octets).for_each(|text| quoted(text, out));
        }
        Kind::LongText => quoted(octets, out),
        // Letters and digits need no quotes.
        Kind::Tag => word(out, str::from_utf8(octets.get(1..)?).ok()?),
        Kind::Opaque | Kind::Relay => return None,
        Kind::Base64(_) => {
            separate(out);
            BASE64.encode_append(octets, out);
        }
        Kind::Salt if octets.len() == 1 => word(out, "-"),
        Kind::Salt => {
            separate(out);
            HEXLOWER.encode_append(octets.get(1..)?, out);
        }
        Kind::Base32 => {
            separate(out);
            BASE32HEX_NOPAD.encode_append(octets.get(1..)?, out);
        }
        Kind::Types => types(octets, out),
        Kind::Location => loc::write(octets, out)?,
        Kind::Prefixes => apl::write(octets, out)?,
        Kind::Params => params::write(octets, out)?,
        Kind::Gateway => gateway(octets, out)?,
        Kind::Hip => host_identity(octets, out)?,
        Kind::Track => track::write(octets, out)?,
    }
    Some(())
}

/// A blank, unless this starts the data.
pub(super) fn separate(out: &mut String) {
    if !out.is_empty() && !out.ends_with([' ', '\t', '\n']) {
        out.push(' ');
    }
}

pub(super) fn word(out: &mut String, value: impl std::fmt::Display) {
    separate(out);
    // Writing into a String cannot fail.
    let _ = write!(out, "{value}");
}

/// Big-endian octets, at most four.
pub(super) fn number(octets: &[u8]) -> u32 {
    octets.iter().fold(0, |n, octet| n << 8 | u32::from(*octet))
}

pub(super) fn ipv4(octets: &[u8]) -> Option<std::net::Ipv4Addr> {
    Some(<[u8; 4]>::try_from(octets).ok()?.into())
}

pub(super) fn ipv6(octets: &[u8]) -> Option<std::net::Ipv6Addr> {
    Some(<[u8; 16]>::try_from(octets).ok()?.into())
}

/// A name in wire form, absolute.
pub(super) fn name(octets: &[u8], out: &mut String) {
    if octets == [0] {
        out.push('.');
    }
    for label in wire::strings(octets).take_while(|label| !label.is_empty()) {
        self::label(label, out);
        out.push('.');
    }
}

/// One label. Other software reads little but letters and digits without a backslash (Knot 3.2).
pub(super) fn label(label: &[u8], out: &mut String) {
    for byte in label {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'*' | b'/' => {
                out.push(char::from(*byte));
            }
            // `\[` begins a bit string in BIND (RFC 2673), and NSD 4.6 takes the second backslash of
            // `\\.` for one that escapes the dot.
            b'!'..=b'~' if !b"[\\".contains(byte) => out.extend(['\\', char::from(*byte)]),
            _ => {
                // Writing into a String cannot fail.
                let _ = write!(out, "\\{byte:03}");
            }
        }
    }
}

fn names(mut octets: &[u8], out: &mut String) {
    while let Ok(len) = wire::name_len(octets) {
        separate(out);
        name(&octets[..len], out);
        octets = &octets[len..];
    }
}

/// A quoted string; what is not printable ASCII becomes `\DDD`.
pub(super) fn quoted(text: &[u8], out: &mut String) {
    separate(out);
    out.push('"');
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => {
                // Writing into a String cannot fail.
                let _ = write!(out, "\\{byte:03}");
            }
        }
    }
    out.push('"');
}

fn eui(octets: &[u8], out: &mut String) {
    separate(out);
    for (i, octet) in octets.iter().enumerate() {
        let dash = if i == 0 { "" } else { "-" };
        // Writing into a String cannot fail.
        let _ = write!(out, "{dash}{octet:02x}");
    }
}

fn types(mut octets: &[u8], out: &mut String) {
    while let [window, len, rest @ ..] = octets {
        let (bitmap, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        for bit in 0..bitmap.len() * 8 {
            if bitmap[bit / 8] & 0x80 >> (bit % 8) != 0 {
                word(out, RecordType(u16::from(*window) << 8 | bit as u16));
            }
        }
        octets = rest;
    }
}

fn gateway(octets: &[u8], out: &mut String) -> Option<()> {
    let (head, rest) = octets.split_at_checked(2)?;
    word(out, head[0]);
    word(out, head[1]);
    let len = match head[0] {
        0 => 0,
        1 => 4,
        2 => 16,
        _ => wire::name_len(rest).ok()?,
    };
    let (gateway, key) = rest.split_at_checked(len)?;
    match head[0] {
        0 => word(out, "."),
        1 => word(out, ipv4(gateway)?),
        2 => word(out, ipv6(gateway)?),
        _ => {
            separate(out);
            name(gateway, out);
        }
    }
    if !key.is_empty() {
        separate(out);
        BASE64.encode_append(key, out);
    }
    Some(())
}

fn host_identity(octets: &[u8], out: &mut String) -> Option<()> {
    let (head, rest) = octets.split_at_checked(4)?;
    let (tag, key) = rest.split_at_checked(usize::from(head[0]))?;
    word(out, head[1]);
    word(out, HEXLOWER.encode(tag));
    word(out, BASE64.encode(key));
    Some(())
}

/// Seconds since 1970 as `YYYYMMDDHHmmSS`.
struct Time(u32);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0 % 86_400;
        let mut days = u64::from(self.0 / 86_400);
        let (mut year, mut month) = (1970, 1);
        while days >= 337 + month_days(year, 2) {
            days -= 337 + month_days(year, 2);
            year += 1;
        }
        while days >= month_days(year, month) {
            days -= month_days(year, month);
            month += 1;
        }
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}{month:02}{:02}{hour:02}{minute:02}{second:02}", days + 1)
    }
}
