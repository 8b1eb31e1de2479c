//! What is wrong in a configuration file, in words of the file, where its reader has only its own.
//!
//! Works on text and on the reader's sentences. What a setting is for is not known here.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Deserializer};

/// The settings that stand above the first section.
const SETTINGS: [&str; 13] = [
    "data-dir",
    "dns",
    "dot",
    "doh",
    "doq",
    "tls-cert",
    "tls-key",
    "allow",
    "upstreams",
    "hosts",
    "allow-tld",
    "http",
    "query-log",
];

/// The sections.
const SECTIONS: [&str; 4] = ["peers", "transfer", "rules", "overrides"];

/// The settings of `[peers]`, which name no domain.
const PEERS: [&str; 4] = ["listen", "contact", "lan", "port-mapping"];

/// Those of `[transfer]`.
const TRANSFER: [&str; 5] = ["key", "algorithm", "secret-file", "allow", "notify"];

/// An address with a port, as the command line and the file have it.
///
/// # Errors
/// A sentence that says what to write.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    address_with(text, 53)
}

/// The same, for what is usually at this port.
///
/// # Errors
/// As [`address`].
pub fn address_with(text: &str, port: u16) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    Err(match text.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(ip) => format!("`{text}` has no port: write {}", SocketAddr::new(ip, port)),
        Err(_) => {
            format!("`{text}` is no address with a port, as 127.0.0.1:{port} or [::1]:{port}")
        }
    })
}

/// The same, for DNS over TLS and QUIC.
///
/// # Errors
/// As [`address`].
pub fn tls_address(text: &str) -> Result<SocketAddr, String> {
    address_with(text, 853)
}

/// The same, for DNS over HTTPS.
///
/// # Errors
/// As [`address`].
pub fn https_address(text: &str) -> Result<SocketAddr, String> {
    address_with(text, 443)
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Address<const PORT: u16>(SocketAddr);

impl<const PORT: u16> TryFrom<String> for Address<PORT> {
    type Error = String;

    fn try_from(text: String) -> Result<Address<PORT>, String> {
        address_with(&text, PORT).map(Address)
    }
}

fn list<'de, D, const PORT: u16>(reader: D) -> Result<Vec<SocketAddr>, D::Error>
where
    D: Deserializer<'de>,
{
    let addresses = Vec::<Address<PORT>>::deserialize(reader)?;
    Ok(addresses.into_iter().map(|Address(address)| address).collect())
}

/// As [`addresses`], for DNS over TLS and QUIC.
///
/// # Errors
/// As [`address`].
pub fn tls_addresses<'de, D: Deserializer<'de>>(reader: D) -> Result<Vec<SocketAddr>, D::Error> {
    list::<_, 853>(reader)
}

/// As [`addresses`], for DNS over HTTPS.
///
/// # Errors
/// As [`address`].
pub fn https_addresses<'de, D: Deserializer<'de>>(reader: D) -> Result<Vec<SocketAddr>, D::Error> {
    list::<_, 443>(reader)
}

/// A list of addresses with ports, for serde.
///
/// # Errors
/// As [`address`].
pub fn addresses<'de, D: Deserializer<'de>>(reader: D) -> Result<Vec<SocketAddr>, D::Error> {
    list::<_, 53>(reader)
}

/// The first setting that stands in a section, where it means a name or nothing, and the number of its
/// line. One in quotes may well be a name.
pub fn misplaced(text: &str) -> Option<(usize, String)> {
    let mut section = None;
    for (n, line) in text.lines().enumerate() {
        section = header(line).or(section);
        let key = key(line).unwrap_or_default();
        if let Some(section) = section
            && SETTINGS.contains(&key)
            && !(section == "transfer" && TRANSFER.contains(&key))
        {
            let there = match section {
                "peers" | "transfer" => "where it means nothing",
                _ => "where it would be a name",
            };
            let message = format!(
                "`{key}` stands below [{section}], {there}: settings must stand above the first [..]"
            );
            return Some((n + 1, message));
        }
    }
    None
}

/// What the reader says of a line, counted from 1, in words that say what to write.
pub fn plain(message: &str, text: &str, line: usize) -> String {
    let written = text.lines().nth(line - 1).unwrap_or_default();
    let section = text.lines().take(line).filter_map(header).last();
    let key = key(written).unwrap_or_default();
    let names = section.filter(|section| !["peers", "transfer"].contains(section));
    if names.is_some() && key.contains('.') && message.starts_with("invalid type") {
        return format!("a name with dots wants quotes: \"{key}\" = [...]");
    }
    if let Some(unknown) = quoted(message, "unknown field ") {
        return match section {
            Some("peers") => unknown_among(unknown, &PEERS, "setting of [peers]"),
            Some("transfer") => unknown_among(unknown, &TRANSFER, "setting of [transfer]"),
            _ => {
                let all: Vec<&str> = SETTINGS.iter().chain(&SECTIONS).copied().collect();
                unknown_among(unknown, &all, "setting")
            }
        };
    }
    let Some((found, wanted)) =
        message.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
    else {
        return message.to_owned();
    };
    let value = found.split_once(' ').map_or("", |(_, value)| value);
    let found = match found.split(' ').next() {
        Some("string") => format!("{value} is one text"),
        Some("integer" | "floating") => {
            format!("{} is a number", value.trim_start_matches("point "))
        }
        Some("boolean") => format!("{value} is yes or no"),
        Some("sequence") => "this is a list".to_owned(),
        Some("map") => "this is a section".to_owned(),
        _ => found.to_owned(),
    };
    if wanted == "a sequence" {
        let one = if value.starts_with('"') { value } else { "\"10.0.0.1\"" };
        return format!("expected a list, as [{one}]; {found}");
    }
    let wanted = match wanted {
        "a string" | "path string" => "a text in quotes",
        "a boolean" => "true or false",
        "a map" => "a section, as [rules]",
        other => other,
    };
    format!("expected {wanted}; {found}")
}

fn unknown_among(unknown: &str, all: &[&str], what: &str) -> String {
    let near = all.iter().map(|known| (distance(unknown, known), *known)).min();
    match near {
        Some((1..=NEAR, known)) => format!("`{unknown}` is no {what}: did you mean `{known}`?"),
        _ => format!("`{unknown}` is no {what}; there are {}", all.join(", ")),
    }
}

/// Letters by which a word may differ from the one that was meant (choice).
const NEAR: usize = 2;

/// How many letters must be put in, left out or changed to make one word of another (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (n, a) in from.bytes().enumerate() {
        let mut corner = n;
        row[0] = n + 1;
        for (m, b) in to.bytes().enumerate() {
            let changed = corner + usize::from(a != b);
            corner = row[m + 1];
            row[m + 1] = changed.min(row[m] + 1).min(corner + 1);
        }
    }
    row[to.len()]
}

/// What stands in backquotes behind these words.
fn quoted<'m>(message: &'m str, words: &str) -> Option<&'m str> {
    message.strip_prefix(words)?.strip_prefix('`')?.split('`').next()
}

/// The line, counted from 1, that a setting above the sections is on.
pub fn line_of(text: &str, setting: &str) -> Option<usize> {
    text.lines().position(|line| key(line) == Some(setting)).map(|n| n + 1)
}

/// The section that a line begins.
fn header(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix('[')?;
    let name = rest.split_once(']')?.0.trim();
    SECTIONS.contains(&name).then_some(name)
}

/// What a line sets, if that is not in quotes.
fn key(line: &str) -> Option<&str> {
    let key = line.split_once('=')?.0.trim();
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (!key.is_empty() && key.bytes().all(is_bare)).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn an_address_without_a_port_is_written_with_one() {
        let check = |text: &str, expect: &str| {
            assert_eq!(address(text).unwrap_err(), expect);
        };
        check("127.0.0.1", "`127.0.0.1` has no port: write 127.0.0.1:53");
        check("::1", "`::1` has no port: write [::1]:53");
        check("[::1]", "`[::1]` has no port: write [::1]:53");
        check("x:53", "`x:53` is no address with a port, as 127.0.0.1:53 or [::1]:53");
        assert!(address("[::1]:53").is_ok());
    }

    #[test]
    fn the_commonest_faults_are_said_in_words_of_the_file() {
        let check = |text: &str, line: usize, expect: &str| {
            assert_eq!(Config::parse(text).unwrap_err(), (line, expect.to_owned()), "{text}");
        };
        check("\ndns = [\"127.0.0.1\"]", 2, "`127.0.0.1` has no port: write 127.0.0.1:53");
        let dots = "a name with dots wants quotes: \"corp.example\" = [...]";
        check("[rules]\ncorp.example = [\"10.0.0.1\"]", 2, dots);
        check("[overrides]\n\ncorp.example = [\"10.0.0.1\"]", 3, dots);
        let list = "expected a list, as [\"10.0.0.1\"]; \"10.0.0.1\" is one text";
        check("[rules]\n\"corp.example\" = \"10.0.0.1\"", 2, list);
        check("upstreams = \"10.0.0.1\"", 1, list);
        check("upstreams = 5", 1, "expected a list, as [\"10.0.0.1\"]; `5` is a number");
        check("query-log = \"yes\"", 1, "expected true or false; \"yes\" is one text");
        check("upstream = []", 1, "`upstream` is no setting: did you mean `upstreams`?");
        check("data_dir = []", 1, "`data_dir` is no setting: did you mean `data-dir`?");
        let near = "`lans` is no setting of [peers]: did you mean `lan`?";
        check("[peers]\nlans = true", 2, near);
        check("[peers]\nport-mapping = \"yes\"", 2, "expected true or false; \"yes\" is one text");
        let (_, all) = Config::parse("forward = []").unwrap_err();
        assert!(all.starts_with("`forward` is no setting; there are data-dir, dns, "), "{all}");
    }

    #[test]
    fn a_setting_below_a_section_is_no_name() {
        let check = |text: &str, line: Option<usize>| {
            let fault = Config::parse(text).err();
            let words = "settings must stand above the first [..]";
            let found = fault.filter(|(_, message)| message.ends_with(words));
            assert_eq!(found.map(|(line, _)| line), line, "{text}");
        };
        check("[overrides]\n\"a\" = [\"10.0.0.1\"]\nhttp = \"off\"", Some(3));
        check(" [rules] # mine\nupstreams = [\"10.0.0.1\"]", Some(2));
        check("[rules]\n\"dns\" = [\"10.0.0.1\"]\n# http = \"off\"", None);
        check("[peers]\nhttp = \"off\"", Some(2));
        check("[rules]\n[peers]\nlan = false\n", None);
        check("http = \"off\"\n[rules]\n", None);
    }
}
