//! Reads the fields of record data from tokens into wire form.

use std::net::{Ipv4Addr, Ipv6Addr};

use data_encoding::{BASE32HEX_NOPAD, BASE64, HEXLOWER_PERMISSIVE};

use super::{Fault, RdataRefusal, Token, apl, loc, params, schema::Kind, track};
use crate::{
    limits::{LABEL_BYTES_MAX, NAME_BYTES_MAX, RDATA_BYTES_MAX},
    page::{
        name::{Name, NameRefusal},
        record::RecordType,
    },
};

/// The tokens of one record's data, taken one after the other.
pub(super) struct Words<'a> {
    tokens: &'a [Token<'a>],
    next: usize,
    /// Whether the last asked for was not there.
    missed: bool,
}

impl<'a> Words<'a> {
    pub fn new(tokens: &'a [Token<'a>]) -> Words<'a> {
        Words { tokens, next: 0, missed: false }
    }

    pub fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).copied()
    }

    /// How many tokens were taken.
    pub fn consumed(&self) -> usize {
        self.next
    }

    /// The token that an error is about: the last one taken, or the one after if it is missing.
    pub fn index(&self) -> usize {
        if self.missed { self.next } else { self.next.saturating_sub(1) }
    }

    pub fn take(&mut self) -> Result<Token<'a>, Fault> {
        let token = self.peek();
        self.missed = token.is_none();
        self.next += usize::from(token.is_some());
        token.ok_or(Fault::Missing)
    }

    /// A token that is plain text without escapes.
    pub fn plain(&mut self) -> Result<&'a str, Fault> {
        plain(self.take()?)
    }

    /// Reads one field and appends its wire form; relative names end in `origin`.
    pub fn field(&mut self, kind: &Kind, origin: &Name, out: &mut Vec<u8>) -> Result<(), Fault> {
        match kind {
            Kind::U8 => out.push(number(self.plain()?, 0xff)? as u8),
            Kind::U16 => out.extend((number(self.plain()?, 0xffff)? as u16).to_be_bytes()),
            Kind::U32 => out.extend(number(self.plain()?, u32::MAX)?.to_be_bytes()),
            Kind::Span => out.extend(span(self.plain()?)?.to_be_bytes()),
            Kind::Time => out.extend(time(self.plain()?)?.to_be_bytes()),
            Kind::Word(width, words) => self.mnemonic(*width, words, out)?,
            Kind::Type => out.extend(self.plain()?.parse::<RecordType>()?.0.to_be_bytes()),
            Kind::Ipv4 => out.extend(ipv4(self.plain()?)?.octets()),
            Kind::Ipv6 => out.extend(ipv6(self.plain()?)?.octets()),
            Kind::Eui(len) => eui(self.plain()?, *len, out)?,
            Kind::Fixed(len) => fixed(self.plain()?, *len, out)?,
            Kind::Name => self.name(origin, out)?,
            Kind::Names => {
                while self.peek().is_some() {
                    self.name(origin, out)?;
                }
            }
            Kind::Text | Kind::DidKey | Kind::Substitution => string(self.take()?, out)?,
            Kind::Texts(..) | Kind::Utf8Texts(..) => {
                while self.peek().is_some() {
                    string(self.take()?, out)?;
                }
            }
            Kind::LongText => text(self.take()?, out)?,
            Kind::Tag => string(self.take()?, out)?,
            Kind::Hex | Kind::Digest(..) => self.hex(out)?,
            Kind::Opaque | Kind::Relay => return Err(Fault::NoText),
            Kind::Base64(least) => self.base64(*least, out)?,
            Kind::Salt => salt(self.plain()?, out)?,
            Kind::Base32 => base32(self.plain()?, out)?,
            Kind::Types => self.types(out)?,
            Kind::Location => loc::parse(self, out)?,
            Kind::Prefixes => {
                while self.peek().is_some() {
                    apl::parse(self.plain()?, out)?;
                }
            }
            Kind::Params => params::parse(self, out)?,
            Kind::Gateway => self.gateway(origin, out)?,
            Kind::Hip => self.host_identity(out)?,
            Kind::Track => track::parse(self, out)?,
        }
        Ok(())
    }

    fn name(&mut self, origin: &Name, out: &mut Vec<u8>) -> Result<(), Fault> {
        Ok(name(self.take()?.raw, origin, out)?)
    }

    fn mnemonic(
        &mut self,
        width: usize,
        words: &[(&str, u16)],
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let text = self.plain()?;
        let known = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        let max = if width == 1 { 0xff } else { 0xffff };
        let value = known.map_or_else(|| number(text, max), |(_, value)| Ok(u32::from(*value)))?;
        out.extend_from_slice(&value.to_be_bytes()[4 - width..]);
        Ok(())
    }

    /// All remaining tokens, joined, as hexadecimal digits.
    pub fn hex(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let text = self.joined()?;
        let octets = HEXLOWER_PERMISSIVE.decode(&text);
        out.extend(octets.map_err(|_| Fault::NotHex(lossy(&text)))?);
        Ok(())
    }

    /// All remaining tokens, joined, as base64.
    fn base64(&mut self, least: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        if least == 0 && self.peek().is_none() {
            return Ok(());
        }
        out.extend(BASE64.decode(&self.joined()?).map_err(|_| Fault::NotBase64)?);
        Ok(())
    }

    /// The octets of all remaining tokens, of which there must be one.
    fn joined(&mut self) -> Result<Vec<u8>, Fault> {
        let mut text = self.take()?.raw.to_vec();
        while self.peek().is_some() {
            text.extend_from_slice(self.take()?.raw);
        }
        Ok(text)
    }

    fn types(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut numbers = Vec::new();
        while self.peek().is_some() {
            numbers.push(self.plain()?.parse::<RecordType>()?.0);
        }
        numbers.sort_unstable();
        for block in numbers.chunk_by(|a, b| a >> 8 == b >> 8) {
            let mut bitmap = [0u8; 32];
            block.iter().for_each(|n| bitmap[usize::from(n & 0xff) / 8] |= 0x80 >> (n & 7));
            // A block holds at least one number, so an octet is set.
            let len = bitmap.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
            out.extend([(block[0] >> 8) as u8, len as u8]);
            out.extend_from_slice(&bitmap[..len]);
        }
        Ok(())
    }

    fn gateway(&mut self, origin: &Name, out: &mut Vec<u8>) -> Result<(), Fault> {
        let kind = number(self.plain()?, 0xff)? as u8;
        out.extend([kind, number(self.plain()?, 0xff)? as u8]);
        match kind {
            0 if self.plain()? == "." => {}
            1 => out.extend(ipv4(self.plain()?)?.octets()),
            2 => out.extend(ipv6(self.plain()?)?.octets()),
            3 => self.name(origin, out)?,
            _ => return Err(Fault::Gateway(kind)),
        }
        self.base64(0, out)
    }

    fn host_identity(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let algorithm = number(self.plain()?, 0xff)? as u8;
        let tag_text = self.plain()?;
        let tag = HEXLOWER_PERMISSIVE
            .decode(tag_text.as_bytes())
            .map_err(|_| Fault::NotHex(tag_text.to_owned()))?;
        let key = BASE64.decode(self.plain()?.as_bytes()).map_err(|_| Fault::NotBase64)?;
        out.push(u8::try_from(tag.len()).map_err(|_| Fault::InnerLength)?);
        out.push(algorithm);
        out.extend(u16::try_from(key.len()).map_err(|_| Fault::InnerLength)?.to_be_bytes());
        out.extend(tag);
        out.extend(key);
        Ok(())
    }
}

/// `\# length hex…` (RFC 3597 section 5).
pub(super) fn generic(words: &mut Words<'_>, out: &mut Vec<u8>) -> Result<(), RdataRefusal> {
    let wrong = |_| RdataRefusal::Generic;
    words.take().map_err(wrong)?;
    let len = number(words.plain().map_err(wrong)?, RDATA_BYTES_MAX as u32).map_err(wrong)?;
    let start = out.len();
    if words.peek().is_some() {
        words.hex(out).map_err(wrong)?;
    }
    if out.len() - start == len as usize { Ok(()) } else { Err(RdataRefusal::Generic) }
}

/// Appends a name in presentation form; see [`super::push_name`].
pub(super) fn name(raw: &[u8], origin: &Name, out: &mut Vec<u8>) -> Result<(), NameRefusal> {
    match raw {
        b"@" => {
            out.extend_from_slice(origin.wire());
            return Ok(());
        }
        b"." => {
            out.push(0);
            return Ok(());
        }
        _ => {}
    }
    let start = out.len();
    let absolute = labels(raw, out)?;
    if absolute {
        out.push(0);
    } else {
        out.extend_from_slice(origin.wire());
    }
    if out.len() - start > NAME_BYTES_MAX { Err(NameRefusal::NameTooLong) } else { Ok(()) }
}

/// Appends labels; tells whether the text ended in a dot.
fn labels(raw: &[u8], out: &mut Vec<u8>) -> Result<bool, NameRefusal> {
    let mut rest = raw.iter();
    let mut open = out.len();
    out.push(0);
    while let Some(&byte) = rest.next() {
        match byte {
            b'.' => {
                close_label(out, open)?;
                if rest.as_slice().is_empty() {
                    return Ok(true);
                }
                open = out.len();
                out.push(0);
            }
            b'\\' => out.push(unescape(&mut rest).ok_or(NameRefusal::BadEscape)?),
            0x80.. => return Err(not_ascii(raw)),
            _ => out.push(byte),
        }
    }
    close_label(out, open).map(|()| false)
}

fn close_label(out: &mut [u8], open: usize) -> Result<(), NameRefusal> {
    match out.len() - open - 1 {
        0 => Err(NameRefusal::EmptyLabel),
        len if len > LABEL_BYTES_MAX => Err(NameRefusal::LabelTooLong(len)),
        len => {
            out[open] = len as u8;
            Ok(())
        }
    }
}

/// Names the A-label that belongs in the place of a label in another script.
fn not_ascii(raw: &[u8]) -> NameRefusal {
    let text = lossy(raw);
    let a_label = idna::domain_to_ascii(&text).unwrap_or_else(|_| "none exists".to_owned());
    NameRefusal::NotAscii(text, a_label)
}

/// What follows a backslash: `DDD` or one character (RFC 1035 section 5.1).
fn unescape(rest: &mut std::slice::Iter<'_, u8>) -> Option<u8> {
    let first = *rest.next()?;
    if !first.is_ascii_digit() {
        return Some(first);
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = rest.next().filter(|byte| byte.is_ascii_digit())?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).ok()
}

/// Appends a character-string with its length octet (RFC 1035 section 3.3).
pub(super) fn string(token: Token<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let start = out.len();
    out.push(0);
    text(token, out)?;
    let len = out.len() - start - 1;
    out[start] = u8::try_from(len).map_err(|_| Fault::StringTooLong(len))?;
    Ok(())
}

/// Appends the octets that a token stands for.
pub(super) fn text(token: Token<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    octets(token.raw, out)
}

/// Appends octets written with escapes.
pub(super) fn octets(raw: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut rest = raw.iter();
    while let Some(&byte) = rest.next() {
        match byte {
            b'\\' => out.push(unescape(&mut rest).ok_or(Fault::BadEscape)?),
            b'"' => return Err(Fault::QuoteInside),
            _ => out.push(byte),
        }
    }
    Ok(())
}

/// A token as text, for what never needs escapes.
pub(super) fn plain(token: Token<'_>) -> Result<&str, Fault> {
    str::from_utf8(token.raw).map_err(|_| Fault::NotUtf8)
}

/// A decimal number without sign, up to `max`.
pub(super) fn number(text: &str, max: u32) -> Result<u32, Fault> {
    long(text, u64::from(max)).map(|value| value as u32)
}

/// As [`number`], for numbers of 64 bits.
pub(super) fn long(text: &str, max: u64) -> Result<u64, Fault> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = digits.then(|| text.parse().ok()).flatten().filter(|value| *value <= max);
    value.ok_or_else(|| Fault::Number { text: text.to_owned(), max })
}

/// Seconds, or weeks, days, hours, minutes and seconds as `1w2d3h4m5s` (a habit of BIND).
pub(super) fn span(text: &str) -> Result<u32, Fault> {
    let wrong = || Fault::Number { text: text.to_owned(), max: u64::from(u32::MAX) };
    seconds(text.as_bytes()).ok_or_else(wrong)
}

/// See [`span`].
pub(super) fn seconds(text: &[u8]) -> Option<u32> {
    let mut total = 0u64;
    let mut open: Option<u64> = None;
    for byte in text {
        let unit = match byte {
            b'0'..=b'9' => {
                open = Some(open.unwrap_or(0) * 10 + u64::from(byte - b'0'));
                if open > Some(u64::from(u32::MAX)) {
                    return None;
                }
                continue;
            }
            b'w' | b'W' => 7 * 86_400,
            b'd' | b'D' => 86_400,
            b'h' | b'H' => 3600,
            b'm' | b'M' => 60,
            b's' | b'S' => 1,
            _ => return None,
        };
        total = total.checked_add(open.take()? * unit)?;
    }
    if text.is_empty() {
        return None;
    }
    u32::try_from(total + open.unwrap_or(0)).ok()
}

/// `YYYYMMDDHHmmSS` in UTC or plain seconds (RFC 4034 section 3.2).
fn time(text: &str) -> Result<u32, Fault> {
    let wrong = || Fault::NotATime(text.to_owned());
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if text.len() != 14 || !digits {
        return number(text, u32::MAX).map_err(|_| wrong());
    }
    // 14 digits fit, and so does every part of them.
    let part = |from: usize, to: usize| text[from..to].parse::<u64>().unwrap_or(u64::MAX);
    let (year, month, day) = (part(0, 4), part(4, 6), part(6, 8));
    let (hour, minute, second) = (part(8, 10), part(10, 12), part(12, 14));
    if !(1970..=2106).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=month_days(year, month)).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return Err(wrong());
    }
    let years: u64 = (1970..year).map(|year| 337 + month_days(year, 2)).sum();
    let months: u64 = (1..month).map(|month| month_days(year, month)).sum();
    let seconds = ((years + months + day - 1) * 24 + hour) * 3600 + minute * 60 + second;
    u32::try_from(seconds).map_err(|_| wrong())
}

/// Days of a month, 1 to 12.
pub(super) fn month_days(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

pub(super) fn ipv4(text: &str) -> Result<Ipv4Addr, Fault> {
    text.parse().map_err(|_| Fault::Ipv4(text.to_owned()))
}

pub(super) fn ipv6(text: &str) -> Result<Ipv6Addr, Fault> {
    text.parse().map_err(|_| Fault::Ipv6(text.to_owned()))
}

fn eui(text: &str, len: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    let wrong = || Fault::NotEui(text.to_owned(), len);
    let start = out.len();
    for pair in text.split('-') {
        let octet = HEXLOWER_PERMISSIVE.decode(pair.as_bytes()).map_err(|_| wrong())?;
        let [octet] = octet[..] else {
            return Err(wrong());
        };
        out.push(octet);
    }
    if out.len() - start == len { Ok(()) } else { Err(wrong()) }
}

pub(super) fn fixed(text: &str, len: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    let wrong = || Fault::NotHexOf(text.to_owned(), len);
    let octets = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| wrong())?;
    if octets.len() != len {
        return Err(wrong());
    }
    out.extend(octets);
    Ok(())
}

fn salt(text: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
    let salt = match text {
        "-" => Vec::new(),
        _ => HEXLOWER_PERMISSIVE
            .decode(text.as_bytes())
            .map_err(|_| Fault::NotHex(text.to_owned()))?,
    };
    out.push(u8::try_from(salt.len()).map_err(|_| Fault::StringTooLong(salt.len()))?);
    out.extend(salt);
    Ok(())
}

fn base32(text: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
    let octets = BASE32HEX_NOPAD
        .decode(text.to_ascii_uppercase().as_bytes())
        .map_err(|_| Fault::NotBase32(text.to_owned()))?;
    out.push(u8::try_from(octets.len()).map_err(|_| Fault::StringTooLong(octets.len()))?);
    out.extend(octets);
    Ok(())
}

/// Octets as text for a message.
fn lossy(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw).into_owned()
}
