//! The configuration file, and where things are: data directory, keys, configuration.
//!
//! Environment variables come in through a function, so that a test can bring its own. What the
//! settings are for is not known here.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::IgnoredAny};
use toml::Spanned;

pub mod door;
pub mod file;
pub mod hosts;
pub mod peers;
pub mod reach;
pub mod resolv_conf;
pub mod resolved_conf;
pub mod settings;
pub mod system_dns;
pub mod transfer;
pub mod upstream;
pub mod watch;
pub mod words;

use crate::{
    daemon::certificate::Files,
    dns::{Upstream, access::Prefix},
    page::name::Name,
};
use door::HttpDoor;
use peers::Peers;
use settings::Origin;
use system_dns::Reason;
use transfer::Transfer;
use upstream::{Addresses, Domain, OneName, Servers, TopLevel};

/// A configuration file that says what djdns does anyway, and explains the rest.
pub const EXAMPLE: &str = include_str!("config/example.toml");

/// Reads an environment variable.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<OsString>;

/// The configuration of every user, where a user has none.
const SYSTEM_FILE: &str = "/etc/djdns/djdns.toml";

/// What the file may say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Where pages are kept. A relative path is relative to the file.
    pub data_dir: Option<PathBuf>,
    /// Addresses on which DNS is answered.
    #[serde(default, deserialize_with = "words::addresses")]
    pub dns: Vec<SocketAddr>,
    /// Addresses on which DNS is answered by TLS, HTTPS and QUIC.
    #[serde(default, deserialize_with = "words::tls_addresses")]
    pub dot: Vec<SocketAddr>,
    #[serde(default, deserialize_with = "words::https_addresses")]
    pub doh: Vec<SocketAddr>,
    #[serde(default, deserialize_with = "words::tls_addresses")]
    pub doq: Vec<SocketAddr>,
    /// Files with the certificate and the key for that; none: one of our own. Relative paths are relative
    /// to the file.
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    /// Who may ask besides this machine, where an address is reached by others.
    #[serde(default)]
    pub allow: Vec<Prefix>,
    /// Who is asked for names outside the pages; none: whom this machine was told to ask.
    #[serde(default)]
    pub upstreams: Vec<Upstream>,
    /// Who is asked for one domain and what is below it instead.
    #[serde(default)]
    pub rules: BTreeMap<Domain, Servers>,
    /// Names that are answered from here.
    #[serde(default)]
    pub overrides: BTreeMap<OneName, Addresses>,
    /// Whether the hosts file is read; it is, unless this says `false`.
    pub hosts: Option<bool>,
    /// Top-level domains that pages may have although ICANN has them too.
    #[serde(default)]
    pub allow_tld: Vec<TopLevel>,
    /// Where HTTP is answered; none: the usual place.
    pub http: Option<HttpDoor>,
    /// Whether every question is logged.
    #[serde(default)]
    pub query_log: bool,
    /// Where other nodes reach this one, and whom it contacts.
    #[serde(default)]
    pub peers: Peers,
    /// Who mirrors pages.
    #[serde(default)]
    pub transfer: Transfer,
    /// The file that this was read from.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

/// Why a configuration file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration file {0} cannot be read: {1}")]
    Unreadable(PathBuf, io::Error),
    #[error("the configuration file {file}, line {line}: {message}")]
    Wrong { file: PathBuf, line: usize, message: String },
    #[error("neither $HOME nor {0} is set: say where with {1}")]
    NoHome(&'static str, &'static str),
}

impl Config {
    /// Reads `file`, or else the user's own, or else the system's, if there is one.
    ///
    /// # Errors
    /// Any [`ConfigError`]; that there is none is an error only for a file that was named.
    pub fn load(file: Option<&Path>, env: Environment<'_>) -> Result<Config, ConfigError> {
        if let Some(file) = file {
            return Config::read(file);
        }
        let own = config_dir(env).ok().map(|dir| dir.join("djdns.toml"));
        for file in own.into_iter().chain([PathBuf::from(SYSTEM_FILE)]) {
            match Config::read(&file) {
                Err(ConfigError::Unreadable(_, error)) if is_absent(&error) => {}
                read => return read,
            }
        }
        Ok(Config::default())
    }

    /// Files of the owner's certificate, if there are any.
    pub fn tls_files(&self) -> Option<Files> {
        let (certificate, key) = (self.tls_cert.clone()?, self.tls_key.clone()?);
        Some(Files { certificate, key })
    }

    /// Where what this says comes from.
    pub fn origin(&self) -> Origin {
        self.file.clone().map_or(Origin::Default, Origin::Configuration)
    }

    fn read(path: &Path) -> Result<Config, ConfigError> {
        let unreadable = |error| ConfigError::Unreadable(path.to_owned(), error);
        let text = file::read_text(path).map_err(unreadable)?;
        let mut config = Config::parse(&text).map_err(|(line, message)| ConfigError::Wrong {
            file: path.to_owned(),
            line,
            message,
        })?;
        let beside = path.parent().unwrap_or(Path::new(""));
        let transfer = &mut config.transfer;
        for path in [
            &mut config.data_dir,
            &mut config.tls_cert,
            &mut config.tls_key,
            &mut transfer.secret_file,
        ] {
            *path = path.take().map(|path| beside.join(path));
        }
        config.file = Some(path.to_owned());
        Ok(config)
    }

    /// Reads the text of a configuration file.
    ///
    /// # Errors
    /// The line of the first fault, counted from 1, and what is wrong in it.
    pub fn parse(text: &str) -> Result<Config, (usize, String)> {
        let refused = |error: toml::de::Error| {
            let line = line(text, error.span().map_or(0, |span| span.start));
            let message = error.message().trim().replace('\n', "; ");
            (line, words::plain(&message, text, line))
        };
        if let Some(misplaced) = words::misplaced(text) {
            return Err(misplaced);
        }
        let places: Places = toml::from_str(text).unwrap_or_default();
        let fault = |(at, message)| Err((line(text, at), message));
        if let Some(found) = places.faulty_name() {
            return fault(found);
        }
        let config: Config = toml::from_str(text).map_err(refused)?;
        config.contradiction(&places).map_or(Ok(config), fault)
    }

    /// What is wrong only together with something else, and where that is.
    fn contradiction(&self, places: &Places) -> Option<(usize, String)> {
        if self.data_dir.as_ref().is_some_and(|dir| dir.as_os_str().is_empty()) {
            let message = "`data-dir` is empty: name a directory, or leave the line out";
            return Some((at(&places.data_dir), message.to_owned()));
        }
        let lists = [
            (&self.dns, &places.dns),
            (&self.dot, &places.dot),
            (&self.doh, &places.doh),
            (&self.doq, &places.doq),
        ];
        for (list, place) in lists {
            // With port 0 the system chooses one each time.
            let twice = list
                .iter()
                .enumerate()
                .find(|(n, address)| address.port() != 0 && list[..*n].contains(address));
            if let Some((_, address)) = twice {
                let message = format!("{address} is here twice: keep one of them");
                return Some((at(place), message));
            }
        }
        match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => {
                let message = "`tls-cert` needs its key: say in `tls-key` where it is";
                return Some((at(&places.tls_cert), message.to_owned()));
            }
            (None, Some(_)) => {
                let message = "`tls-key` needs its certificate: say in `tls-cert` where it is";
                return Some((at(&places.tls_key), message.to_owned()));
            }
            _ => {}
        }
        if let Some(message) = self.transfer.contradiction() {
            return Some((at(&places.transfer), message));
        }
        let itself = self.upstreams.iter().find(|upstream| {
            system_dns::refusal(upstream.address, &self.dns) == Some(Reason::Itself)
        })?;
        let message = format!(
            "{itself} is where djdns itself answers, as `dns` says: name the resolver that is meant to \
             answer"
        );
        Some((at(&places.upstreams), message))
    }
}

/// Where settings are in the text.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Places {
    data_dir: Option<Spanned<IgnoredAny>>,
    dns: Option<Spanned<IgnoredAny>>,
    dot: Option<Spanned<IgnoredAny>>,
    doh: Option<Spanned<IgnoredAny>>,
    doq: Option<Spanned<IgnoredAny>>,
    tls_cert: Option<Spanned<IgnoredAny>>,
    tls_key: Option<Spanned<IgnoredAny>>,
    upstreams: Option<Spanned<IgnoredAny>>,
    rules: BTreeMap<Spanned<String>, IgnoredAny>,
    overrides: BTreeMap<Spanned<String>, IgnoredAny>,
    transfer: Option<Spanned<IgnoredAny>>,
}

impl Places {
    /// A key of a table that is no domain name, or the same as another one in other letter case: which of
    /// the two is meant, nobody knows. Parsing alone would give it the line of its table.
    fn faulty_name(&self) -> Option<(usize, String)> {
        let domain = |text: String| Domain::try_from(text).map(|domain| domain.0);
        let one = |text: String| OneName::try_from(text).map(|one| one.0);
        type Read<'r> = &'r dyn Fn(String) -> Result<Name, String>;
        let tables: [(_, Read<'_>); 2] = [(&self.rules, &domain), (&self.overrides, &one)];
        tables.into_iter().find_map(|(table, read)| {
            let mut keys: Vec<&Spanned<String>> = table.keys().collect();
            keys.sort_by_key(|key| key.span().start);
            let mut seen = BTreeSet::new();
            keys.into_iter().find_map(|key| {
                let message = match read(key.get_ref().clone()) {
                    Ok(name) if seen.contains(&name) => {
                        format!("{name} is here twice: keep one of them")
                    }
                    Ok(name) => {
                        seen.insert(name);
                        return None;
                    }
                    Err(message) => message,
                };
                Some((key.span().start, message))
            })
        })
    }
}

fn at(place: &Option<Spanned<IgnoredAny>>) -> usize {
    place.as_ref().map_or(0, |value| value.span().start)
}

/// The line of a place in a text, counted from 1.
fn line(text: &str, at: usize) -> usize {
    let before = &text.as_bytes()[..at.min(text.len())];
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// Where pages are kept when nobody says: what systemd prepared, else the user's own place.
///
/// # Errors
/// [`ConfigError::NoHome`].
pub fn default_data_dir(env: Environment<'_>) -> Result<PathBuf, ConfigError> {
    let prepared = set(env, "STATE_DIRECTORY").and_then(|dirs| {
        // systemd lists several with colons.
        let dirs = dirs.into_string().ok()?;
        dirs.split(':').next().map(PathBuf::from)
    });
    if let Some(dir) = prepared {
        return Ok(dir);
    }
    below_home(env, "XDG_DATA_HOME", ".local/share")
        .ok_or(ConfigError::NoHome("$XDG_DATA_HOME", "--data-dir"))
}

/// Where identity keys are: `$DJDNS_KEYS`, else beside the user's configuration.
///
/// # Errors
/// [`ConfigError::NoHome`].
pub fn key_dir(env: Environment<'_>) -> Result<PathBuf, ConfigError> {
    match set(env, "DJDNS_KEYS") {
        Some(dir) => Ok(PathBuf::from(dir)),
        None => config_dir(env)
            .map(|dir| dir.join("keys"))
            .map_err(|_| ConfigError::NoHome("$XDG_CONFIG_HOME", "$DJDNS_KEYS")),
    }
}

fn config_dir(env: Environment<'_>) -> Result<PathBuf, ConfigError> {
    below_home(env, "XDG_CONFIG_HOME", ".config")
        .ok_or(ConfigError::NoHome("$XDG_CONFIG_HOME", "--config"))
}

/// `$variable/djdns`, or `~/usual/djdns`.
fn below_home(env: Environment<'_>, variable: &str, usual: &str) -> Option<PathBuf> {
    let chosen = set(env, variable).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let home = || set(env, "HOME").map(|home| PathBuf::from(home).join(usual));
    Some(chosen.or_else(home)?.join("djdns"))
}

/// A variable that is set and not empty.
fn set(env: Environment<'_>, variable: &str) -> Option<OsString> {
    env(variable).filter(|value| !value.is_empty())
}

fn is_absent(error: &io::Error) -> bool {
    [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::peers::{Lan, PeerDoor};

    #[test]
    fn what_is_not_understood_is_refused_with_its_line() {
        let check = |text: &str, line: usize, expect: &str| {
            let (found, message) = Config::parse(text).unwrap_err();
            assert_eq!(found, line, "{message}");
            assert!(message.contains(expect), "{message}");
        };
        check("dns = []\ndata_dir = \"x\"\n", 2, "did you mean `data-dir`?");
        check("\n\ndns = [\"localhost\"]", 3, "`localhost` is no address with a port");
        check("dns = [", 1, "array");
        check("allow = [\"192.0.2.1/24\"]", 1, "192.0.2.0/24 is the prefix");
        check("data-dir = 5", 1, "expected a text in quotes");
        // A list is named by the line that it begins on; the message says which of its values.
        check("hosts = true\nupstreams = [\n\"192.0.2.1\",\n\"dns.example\"]", 2, "accepted are");
        check("[rules]\n\"a\" = [\"192.0.2.1\"]\n\"b\" = [\"x\"]", 3, "accepted are");
        check("[rules]\n\"corp.example\" = []", 2, "at least one");
        check("[rules]\n\"a..b\" = [\"192.0.2.1\"]", 2, "no domain name");
        check("[overrides]\n\n\"printer.lan\" = [\"nas.lan\"]", 3, "accepted are");
        check("[overrides]\n\"*.lan\" = [\"192.168.1.9\"]", 2, "elsewhere use [rules]");
        check("allow-tld = [\"a.dev\"]", 1, "one label");
        check(
            "[rules]\n\"a.b\" = [\"192.0.2.1\"]\n\"A.b.\" = [\"192.0.2.2\"]",
            3,
            "a.b. is here twice",
        );
        check(
            "[overrides]\n\"a\" = [\"192.0.2.1\"]\n\"A\" = [\"192.0.2.2\"]",
            3,
            "a. is here twice",
        );
        check(
            "[overrides]\n\"a\" = [\"192.0.2.1\"]\n\"b..c\" = [\"192.0.2.2\"]",
            3,
            "no domain name",
        );
        check("[overrides]\n\"my printer\" = [\"192.0.2.1\"]", 2, "a blank in it");
        check("[rules]\n\"a\\tb\" = [\"192.0.2.1\"]", 2, "a blank in it");
        check("\ndata-dir = \"\"", 2, "`data-dir` is empty");
        check(
            "\ndns = [\"127.0.0.1:5300\", \"127.0.0.1:5300\"]",
            2,
            "127.0.0.1:5300 is here twice",
        );
        let itself = "dns = [\"127.0.0.1:53\"]\nupstreams = [\"192.0.2.1\", \"127.0.0.1\"]";
        check(itself, 2, "127.0.0.1 is where djdns itself answers");
        check("upstreams = [\"255.255.255.255\"]", 1, "no server's");
        check("hosts = \"no\"", 1, "expected true or false");
        check("\ndot = [\"127.0.0.1\"]", 2, "127.0.0.1:853");
        check("\ndoh = [\"x\"]", 2, "as 127.0.0.1:443");
        let twice = "doq = [\"127.0.0.1:853\", \"127.0.0.1:853\"]";
        check(twice, 1, "127.0.0.1:853 is here twice");
        check("hosts = true\ntls-cert = \"x\"", 2, "say in `tls-key`");
        check("hosts = true\ntls-key = \"x\"", 2, "say in `tls-cert`");
        check("\nhttp = \"8053\"", 2, "as 127.0.0.1:8053, or off");
    }

    #[test]
    fn the_example_is_in_order_with_every_line_and_says_what_is_so_anyway() {
        let example = Config::parse(EXAMPLE).unwrap();
        let http = Some(HttpDoor::default());
        let listen = Some(PeerDoor::default());
        let (lan, port_mapping) = (Some(Lan::Both), Some(true));
        let peers = Peers { listen, lan, port_mapping, ..Peers::default() };
        let said = Config { hosts: Some(true), http, peers, ..Config::default() };
        assert_eq!(example, said);
        // A setting that is commented out has a name, ` = ` and a value.
        let line = |line: &'static str| match line.strip_prefix("# ") {
            Some(setting) if setting.contains(" = ") => setting,
            _ => line,
        };
        let full = EXAMPLE.lines().map(line).collect::<Vec<_>>().join("\n");
        let full = Config::parse(&full).unwrap();
        assert!(
            full.data_dir.is_some()
                && full.tls_files().is_some()
                && (full.dot.len(), full.doh.len(), full.doq.len()) == (1, 1, 1)
                && full.dns.len() == 2
                && full.allow.len() == 2
                && full.upstreams.len() == 2
        );
        assert_eq!(full.peers.contact.len(), 2);
        assert!(full.transfer.key.is_some() && full.transfer.notify.len() == 1);
        assert!(full.rules.len() == 1 && full.overrides.len() == 1 && full.allow_tld.len() == 1);
    }

    #[test]
    fn a_file_says_where_data_is_relative_to_itself() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("djdns.toml");
        let text = "data-dir = \"pages\"\ndns = [\"127.0.0.1:5300\"]\n";
        let text = text.to_owned() + "tls-cert = \"tls/c.pem\"\ntls-key = \"/k.pem\"\n";
        fs::write(&file, text).unwrap();
        let config = Config::load(Some(&file), &|_| None).unwrap();
        assert_eq!(config.data_dir, Some(dir.path().join("pages")));
        let files = config.tls_files().unwrap();
        assert_eq!(files.certificate, dir.path().join("tls/c.pem"));
        assert_eq!(files.key, PathBuf::from("/k.pem"));
        assert_eq!(config.dns, ["127.0.0.1:5300".parse().unwrap()]);
    }

    #[test]
    fn only_a_file_that_was_named_must_exist() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().as_os_str().to_owned();
        let env = |name: &str| (name == "HOME").then(|| home.clone());
        let absent = dir.path().join("absent.toml");
        assert!(Config::load(Some(&absent), &env).is_err());
        let own = dir.path().join(".config/djdns");
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("djdns.toml"), "data-dir = \"/own\"").unwrap();
        let config = Config::load(None, &env).unwrap();
        assert_eq!(config.data_dir, Some(PathBuf::from("/own")));
    }

    #[test]
    fn directories_follow_the_environment() {
        let check = |env: &[(&str, &str)], data: Option<&str>, keys: Option<&str>| {
            let get = |name: &str| {
                env.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value))
            };
            assert_eq!(default_data_dir(&get).ok(), data.map(PathBuf::from), "{env:?}");
            assert_eq!(key_dir(&get).ok(), keys.map(PathBuf::from), "{env:?}");
        };
        check(&[], None, None);
        let home = ("HOME", "/h");
        check(&[home], Some("/h/.local/share/djdns"), Some("/h/.config/djdns/keys"));
        let xdg = [home, ("XDG_DATA_HOME", "/d"), ("XDG_CONFIG_HOME", "/c")];
        check(&xdg, Some("/d/djdns"), Some("/c/djdns/keys"));
        check(
            &[home, ("XDG_DATA_HOME", "")],
            Some("/h/.local/share/djdns"),
            Some("/h/.config/djdns/keys"),
        );
        let systemd = [("STATE_DIRECTORY", "/var/lib/djdns:/var/lib/x"), ("DJDNS_KEYS", "/k")];
        check(&systemd, Some("/var/lib/djdns"), Some("/k"));
    }
}
