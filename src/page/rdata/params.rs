//! Service parameters (SVCB and HTTPS, RFC 9460): `alpn="h2,h3" port=8443`.

use data_encoding::BASE64;

use crate::page::record::RecordType;

use super::{
    Fault,
    parse::{self, Words, ipv4, ipv6, number},
    wire,
    write::{self, quoted},
};

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6HINT: u16 = 6;
const DOHPATH: u16 = 7;
const OHTTP: u16 = 8;
/// Reserved: never valid (RFC 9460 section 14.3.2).
const INVALID: u16 = 65_535;

/// Names of parameters (IANA "Service Parameter Keys (SvcParamKeys)").
const NAMES: &[(u16, &str)] = &[
    (MANDATORY, "mandatory"),
    (ALPN, "alpn"),
    (NO_DEFAULT_ALPN, "no-default-alpn"),
    (PORT, "port"),
    (IPV4HINT, "ipv4hint"),
    (ECH, "ech"),
    (IPV6HINT, "ipv6hint"),
    (DOHPATH, "dohpath"),
    (OHTTP, "ohttp"),
];

/// Checks parameters in wire form: ascending, each well formed, consistent with each other.
pub(super) fn check(octets: &[u8]) -> Result<(), Fault> {
    let mut rest = octets;
    let mut least = 0;
    while !rest.is_empty() {
        let (key, value, after) = split(rest).ok_or(Fault::Truncated)?;
        if u32::from(key) < least {
            return Err(Fault::ParamOrder);
        }
        least = u32::from(key) + 1;
        check_value(key, value, octets)?;
        rest = after;
    }
    Ok(())
}

fn split(octets: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (head, rest) = octets.split_first_chunk::<4>()?;
    let (value, rest) =
        rest.split_at_checked(usize::from(u16::from_be_bytes([head[2], head[3]])))?;
    Some((u16::from_be_bytes([head[0], head[1]]), value, rest))
}

fn has(mut octets: &[u8], wanted: u16) -> bool {
    while let Some((key, _, rest)) = split(octets) {
        if key == wanted {
            return true;
        }
        octets = rest;
    }
    false
}

fn check_value(key: u16, value: &[u8], all: &[u8]) -> Result<(), Fault> {
    let sound = match key {
        MANDATORY => return check_mandatory(value, all),
        ALPN => is_id_list(value),
        NO_DEFAULT_ALPN if !has(all, ALPN) => return Err(Fault::ParamNoAlpn),
        NO_DEFAULT_ALPN | OHTTP => value.is_empty(),
        PORT => value.len() == 2,
        IPV4HINT => !value.is_empty() && value.len().is_multiple_of(4),
        IPV6HINT => !value.is_empty() && value.len().is_multiple_of(16),
        ECH => !value.is_empty(),
        // RFC 9461 section 5: a URI template in UTF-8 with the variable `dns`.
        DOHPATH => str::from_utf8(value).is_ok_and(|path| {
            path.starts_with('/') && (path.contains("{?dns") || path.contains("{dns"))
        }),
        INVALID => false,
        _ => true,
    };
    if sound { Ok(()) } else { Err(Fault::ParamValue(name(key))) }
}

/// Keys that are there, ascending, not itself (RFC 9460 section 8).
fn check_mandatory(value: &[u8], all: &[u8]) -> Result<(), Fault> {
    let wrong = Err(Fault::ParamValue(name(MANDATORY)));
    if value.is_empty() || !value.len().is_multiple_of(2) {
        return wrong;
    }
    let mut last = MANDATORY;
    for pair in value.chunks_exact(2) {
        let key = u16::from_be_bytes([pair[0], pair[1]]);
        if key <= last {
            return wrong;
        }
        if !has(all, key) {
            return Err(Fault::ParamMandatory(name(key)));
        }
        last = key;
    }
    Ok(())
}

/// At least one id, none of them empty, and no octet left over.
fn is_id_list(value: &[u8]) -> bool {
    let ids = || wire::strings(value);
    ids().map(|id| 1 + id.len()).sum::<usize>() == value.len()
        && ids().next().is_some()
        && ids().all(|id| !id.is_empty())
}

fn name(key: u16) -> String {
    let known = NAMES.iter().find(|(number, _)| *number == key);
    known.map_or_else(|| format!("key{key}"), |(_, name)| (*name).to_owned())
}

/// Reads parameters in any order and appends them in ascending order.
pub(super) fn parse(words: &mut Words<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut params: Vec<(u16, Vec<u8>)> = Vec::new();
    while words.peek().is_some() {
        let raw = words.take()?.raw;
        let cut = raw.iter().position(|byte| *byte == b'=').unwrap_or(raw.len());
        let key = key(&raw[..cut])?;
        if params.iter().any(|(other, _)| *other == key) {
            return Err(Fault::ParamTwice(name(key)));
        }
        let generic = raw.starts_with(b"key");
        params.push((key, value(key, generic, raw.get(cut + 1..).unwrap_or_default())?));
    }
    params.sort_unstable_by_key(|(key, _)| *key);
    for (key, value) in params {
        let len = u16::try_from(value.len()).map_err(|_| Fault::ParamValue(name(key)))?;
        out.extend(key.to_be_bytes());
        out.extend(len.to_be_bytes());
        out.extend(value);
    }
    Ok(())
}

fn key(raw: &[u8]) -> Result<u16, Fault> {
    let text = String::from_utf8_lossy(raw);
    if let Some((key, _)) = NAMES.iter().find(|(_, name)| *name == text) {
        return Ok(*key);
    }
    let digits = text.strip_prefix("key").filter(|d| *d == "0" || !d.starts_with('0'));
    let key = digits.and_then(|digits| number(digits, 65_535).ok());
    key.map(|key| key as u16).ok_or_else(|| Fault::ParamName(text.into_owned()))
}

fn value(key: u16, generic: bool, raw: &[u8]) -> Result<Vec<u8>, Fault> {
    let raw = match raw {
        [b'"', inner @ .., b'"'] => inner,
        _ => raw,
    };
    let wrong = || Fault::ParamValue(name(key));
    let mut octets = Vec::new();
    parse::octets(raw, &mut octets)?;
    if generic {
        return Ok(octets);
    }
    let text = || str::from_utf8(&octets).map_err(|_| wrong());
    let mut value = Vec::new();
    match key {
        MANDATORY => {
            let mut keys = text()?
                .split(',')
                .map(|text| self::key(text.as_bytes()))
                .collect::<Result<Vec<_>, _>>()?;
            keys.sort_unstable();
            value.extend(keys.into_iter().flat_map(u16::to_be_bytes));
        }
        ALPN => {
            for id in list(&octets) {
                value.push(u8::try_from(id.len()).map_err(|_| wrong())?);
                value.extend(id);
            }
        }
        PORT => value.extend((number(text()?, 65_535)? as u16).to_be_bytes()),
        IPV4HINT => {
            for address in text()?.split(',') {
                value.extend(ipv4(address)?.octets());
            }
        }
        IPV6HINT => {
            for address in text()?.split(',') {
                value.extend(ipv6(address)?.octets());
            }
        }
        ECH => value = BASE64.decode(&octets).map_err(|_| Fault::NotBase64)?,
        _ => value = octets,
    }
    Ok(value)
}

/// Splits at commas that no backslash precedes (RFC 9460 appendix A.1).
fn list(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut items = vec![Vec::new()];
    let mut rest = octets.iter();
    while let Some(&byte) = rest.next() {
        let last = items.len() - 1;
        match byte {
            b',' => items.push(Vec::new()),
            b'\\' => items[last].extend(rest.next()),
            _ => items[last].push(byte),
        }
    }
    items
}

/// Whether the data holds parameters that came after RFC 9460: their text is not read everywhere.
pub(super) fn are_recent(rtype: RecordType, rdata: &[u8]) -> bool {
    let after_target = || {
        let len = wire::name_len(rdata.get(2..)?).ok()?;
        rdata.get(2 + len..)
    };
    if ![RecordType::SVCB, RecordType::HTTPS].contains(&rtype) {
        return false;
    }
    let mut rest = after_target().unwrap_or_default();
    while let Some((key, _, after)) = split(rest) {
        if key > IPV6HINT {
            return true;
        }
        rest = after;
    }
    false
}

/// Appends parameters in their order.
pub(super) fn write(mut octets: &[u8], out: &mut String) -> Option<()> {
    while !octets.is_empty() {
        let (key, value, rest) = split(octets)?;
        write::word(out, name(key));
        write_value(key, value, out)?;
        octets = rest;
    }
    Some(())
}

fn write_value(key: u16, value: &[u8], out: &mut String) -> Option<()> {
    let joined = |parts: Vec<String>| format!("={}", parts.join(","));
    let text = match key {
        MANDATORY => joined(value.chunks_exact(2).map(|k| name(write::number(k) as u16)).collect()),
        PORT => format!("={}", write::number(value)),
        IPV4HINT => {
            let parts = value.chunks_exact(4).map(|a| write::ipv4(a).map(|a| a.to_string()));
            joined(parts.collect::<Option<_>>()?)
        }
        IPV6HINT => {
            let parts = value.chunks_exact(16).map(|a| write::ipv6(a).map(|a| a.to_string()));
            joined(parts.collect::<Option<_>>()?)
        }
        ECH => format!("={}", BASE64.encode(value)),
        ALPN => quoted_value(&join_list(value)),
        _ if value.is_empty() => String::new(),
        _ => quoted_value(value),
    };
    out.push_str(&text);
    Some(())
}

fn quoted_value(octets: &[u8]) -> String {
    // The quote follows `=` without a blank, so it is written into a text of its own.
    let mut text = String::new();
    quoted(octets, &mut text);
    text.insert(0, '=');
    text
}

fn join_list(value: &[u8]) -> Vec<u8> {
    let mut joined = Vec::new();
    for (i, id) in wire::strings(value).enumerate() {
        if i > 0 {
            joined.push(b',');
        }
        for byte in id {
            if matches!(byte, b',' | b'\\') {
                joined.push(b'\\');
            }
            joined.push(*byte);
        }
    }
    joined
}
