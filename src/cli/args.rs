//! Arguments that several commands take, read from what people type.

use std::time::Duration;

use clap::Args;

use crate::{
    control::request::PageSelector,
    id::Id,
    limits::TOTAL_POWER_MAX,
    page::name::{Name, NameRefusal, to_ascii},
    time,
};

/// Digits of an id that are enough to name it, at least.
pub const PREFIX_DIGITS_MIN: usize = 6;

/// Who signs.
#[derive(Args, Clone, Default)]
pub struct Author {
    /// Sign with this identity: a key's name, its did:key, or demo:alice [else the only one]
    #[arg(id = "signing-key", long = "as", value_name = "KEY", global = true)]
    pub key: Option<String>,
}

/// Reads an absolute domain name, in any script.
///
/// # Errors
/// Any [`NameRefusal`].
pub fn name(text: &str) -> Result<Name, NameRefusal> {
    Name::parse(&to_ascii(text)?)
}

/// Reads a page as people name it: whether there is one is the node's business.
///
/// # Errors
/// Any [`NameRefusal`].
pub fn page(text: &str) -> Result<PageSelector, NameRefusal> {
    let text = to_ascii(text)?;
    if Id::from_hex(&text).is_none() {
        Name::parse(&text)?;
    }
    Ok(text)
}

/// Reads the first digits of an id.
///
/// # Errors
/// A sentence.
pub fn prefix(text: &str) -> Result<String, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.len() {
        0..PREFIX_DIGITS_MIN if digits => {
            Err(format!("`{text}` is too short: give at least {PREFIX_DIGITS_MIN} digits"))
        }
        PREFIX_DIGITS_MIN..=64 if digits => Ok(text.to_ascii_lowercase()),
        _ => Err(format!("`{text}` is no id: expected {PREFIX_DIGITS_MIN} to 64 digits 0-9 a-f")),
    }
}

/// Splits `NAME=VALUE`.
///
/// # Errors
/// A sentence.
pub fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("`{text}` has no `=` and a value"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Splits `KEY[=POWER]`; the power is 1 unless it is given.
///
/// # Errors
/// A sentence.
pub fn key_and_power(text: &str) -> Result<(String, u32), String> {
    let Some((key, power)) = text.rsplit_once('=') else { return Ok((text.to_owned(), 1)) };
    match power.parse::<u32>() {
        Ok(power) if (1..=TOTAL_POWER_MAX).contains(&u64::from(power)) => {
            Ok((key.to_owned(), power))
        }
        _ => Err(format!(
            "`{power}` is no power: expected a whole number from 1 to {TOTAL_POWER_MAX}, which is also \
             the most that all powers of a page may sum up to"
        )),
    }
}

/// Splits `KEY=POWER`.
///
/// # Errors
/// A sentence.
pub fn key_with_power(text: &str) -> Result<(String, u32), String> {
    if text.contains('=') { key_and_power(text) } else { Err(format!("`{text}` has no `=POWER`")) }
}

/// Reads a span of time: `90s`, `30m`, `6h`, `1d`.
///
/// # Errors
/// A sentence.
pub fn span(text: &str) -> Result<Duration, String> {
    time::span(text).filter(|seconds| *seconds > 0).map(Duration::from_secs).ok_or_else(|| {
        format!(
            "`{text}` is no span of time: expected a number with its unit, as 90s, 30m, 6h or 1d"
        )
    })
}

/// Writes one, in the largest unit that it is a whole number of.
pub fn span_words(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3600), ("m", 60)];
    let unit = units.iter().find(|(_, unit)| seconds > 0 && seconds.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{seconds}s"), |(word, unit)| format!("{}{word}", seconds / unit))
}

/// Units of bytes, each 1024 of the one before.
const SIZES: [(&str, u64); 4] = [("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];

/// Reads a number of bytes: `500000`, `500K`, `20M`, `1G`; 0 for `none`.
///
/// # Errors
/// A sentence.
pub fn size(text: &str) -> Result<u64, String> {
    if text == "none" {
        return Ok(0);
    }
    let unit = SIZES.iter().find_map(|(word, unit)| Some((text.strip_suffix(word)?, *unit)));
    let (digits, unit) = unit.unwrap_or((text, 1));
    let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit());
    let bytes = digits.parse::<u64>().ok().filter(|_| is_whole).and_then(|n| n.checked_mul(unit));
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| {
        format!("`{text}` is no size: expected bytes as 500000, 500K, 20M or 1G, or `none`")
    })
}

/// Writes one, in the largest unit that it is a whole number of.
pub fn size_words(bytes: u64) -> String {
    let unit = SIZES.iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{bytes} bytes"), |(word, unit)| format!("{}{word}", bytes / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_may_be_shortened_to_six_digits_and_no_further() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(prefix(text).ok().as_deref(), expect, "{text}");
        };
        check("abcde", None);
        check("ABCDEF", Some("abcdef"));
        check("abcdefg", None);
        check(&"a".repeat(64), Some(&"a".repeat(64)));
        check(&"a".repeat(65), None);
        check("", None);
    }

    #[test]
    fn a_power_is_a_whole_number_and_one_unless_given() {
        let check = |text: &str, expect: Option<(&str, u32)>| {
            let expect = expect.map(|(key, power)| (key.to_owned(), power));
            assert_eq!(key_and_power(text).ok(), expect, "{text}");
        };
        check("alice", Some(("alice", 1)));
        check("did:key:z6Mk=3", Some(("did:key:z6Mk", 3)));
        check("alice=0", None);
        check("alice=2147483646", Some(("alice", 2_147_483_646)));
        check("alice=2147483647", Some(("alice", 2_147_483_647)));
        check("alice=2147483648", None);
        assert!(key_and_power("alice=99999999999").unwrap_err().contains("1 to 2147483647"));
        check("alice=-1", None);
        check("alice=", None);
        assert!(key_with_power("alice").is_err());
    }

    #[test]
    fn spans_and_sizes_are_written_as_they_are_read() {
        for text in ["1s", "90s", "30m", "6h", "1d", "400d"] {
            assert_eq!(span_words(span(text).unwrap().as_secs()), text);
        }
        assert_eq!(span_words(60), "1m");
        for text in ["", "5", "0s", "-1s", "1w", "1 h", "99999999999d"] {
            assert!(span(text).is_err(), "{text}");
        }
        for text in ["1K", "500M", "3G", "7T"] {
            assert_eq!(size_words(size(text).unwrap()), text);
        }
        assert_eq!((size("1000"), size_words(1000)), (Ok(1000), "1000 bytes".to_owned()));
        assert_eq!((size("1024"), size("none")), (Ok(1024), Ok(0)));
        for text in ["", "0", "K", "-1", "+1", "1.5G", "1k", "99999999T"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_in_any_script_become_a_labels() {
        assert_eq!(name("Bücher.ct").unwrap().to_string(), "xn--bcher-kva.ct.");
        assert_eq!(page(".").as_deref(), Ok("."));
        assert!(page(&"a".repeat(64)).is_ok(), "a whole page id is no name and names a page");
        assert!(page("a..b").is_err());
    }
}
