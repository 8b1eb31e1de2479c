//! How the section `[transfer]` is written: by which key, and from where, other name servers mirror pages,
//! and which of them are told of new seals.
//!
//! The secret has a file of its own, that nobody else can read. What is transferred is not known here.

use std::{
    io,
    net::SocketAddr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{file, words};
use crate::{
    dns::{
        access::Prefix,
        transfer::{Algorithm, Key, Rules, tsig::SecretRefusal},
    },
    limits::{NOTIFY_MIRRORS_MAX, TSIG_FILE_BYTES_MAX},
    page::name::{self, Name},
};

/// The section `[transfer]`. Without a key nothing is transferred.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Transfer {
    /// What the key is called, here and at the mirrors.
    pub key: Option<KeyName>,
    /// How messages are signed; [`Algorithm::default`] where nobody says.
    pub algorithm: Option<Word>,
    /// The file that has the secret, in base64. A relative path is relative to the configuration.
    pub secret_file: Option<PathBuf>,
    /// Who may mirror besides this machine.
    pub allow: Vec<Prefix>,
    /// Mirrors that are told of each new seal.
    #[serde(deserialize_with = "words::addresses")]
    pub notify: Vec<SocketAddr>,
}

/// The name of a key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct KeyName(pub Name);

impl KeyName {
    /// As people write it: without the dot of the root.
    pub fn called(&self) -> String {
        let name = self.0.to_string();
        name.strip_suffix('.').unwrap_or(&name).to_owned()
    }
}

/// The name of an algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Word(pub Algorithm);

/// Why nobody can mirror pages as the configuration says.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error("the secret file {0} of [transfer] cannot be read: {1}")]
    Unreadable(PathBuf, io::Error),
    #[error(
        "others can read the secret file {0} of [transfer] (mode {1:04o}): type `chmod 600 {0}`, and make a \
         new secret if somebody may have read it"
    )]
    Exposed(PathBuf, u32),
    #[error(
        "the secret file {0} of [transfer] is no base64: it has the secret alone, without the key's name and \
         quotes, as `head -c 32 /dev/urandom | base64` makes one"
    )]
    NotBase64(PathBuf),
    #[error("the secret file {0} of [transfer]: {1}")]
    Secret(PathBuf, SecretRefusal),
}

impl TryFrom<String> for KeyName {
    type Error = String;

    fn try_from(text: String) -> Result<KeyName, String> {
        let name = name::to_ascii(&text).and_then(|text| Name::parse(&text));
        let name = name.map_err(|refusal| format!("`{text}` is no name of a key: {refusal}"))?;
        match name.is_root() {
            true => {
                Err("a key has a name, as \"mirror\", which its mirrors call it by, too".into())
            }
            false => Ok(KeyName(name)),
        }
    }
}

impl TryFrom<String> for Word {
    type Error = String;

    fn try_from(text: String) -> Result<Word, String> {
        text.parse().map(Word)
    }
}

impl Transfer {
    /// What contradicts itself in the section.
    pub fn contradiction(&self) -> Option<String> {
        let says = |what: &str| Some(what.to_owned());
        let has_more =
            self.algorithm.is_some() || !self.allow.is_empty() || !self.notify.is_empty();
        match (&self.key, &self.secret_file) {
            (Some(_), None) => says("a key without a secret: name its file with `secret-file`"),
            (None, Some(_)) => says("a secret without a name: say with `key` what mirrors call it"),
            (None, None) if has_more => {
                says("nothing is transferred without `key` and `secret-file`")
            }
            _ if self.notify.len() > NOTIFY_MIRRORS_MAX => {
                Some(format!("`notify` has more than {NOTIFY_MIRRORS_MAX} addresses"))
            }
            _ => {
                let nobody =
                    |mirror: &&SocketAddr| mirror.port() == 0 || mirror.ip().is_unspecified();
                let nobody = self.notify.iter().find(nobody)?;
                Some(format!("nobody can be told at {nobody}: name the address of one server"))
            }
        }
    }

    /// Who may mirror pages; none: nobody. Reads the secret.
    ///
    /// # Errors
    /// Any [`TransferError`].
    pub fn rules(&self) -> Result<Option<Rules>, TransferError> {
        let (Some(name), Some(path)) = (&self.key, &self.secret_file) else { return Ok(None) };
        let secret = secret(path)?;
        let algorithm = self.algorithm.map_or_else(Algorithm::default, |word| word.0);
        let key = Key::new(name.0.clone(), algorithm, &secret)
            .map_err(|refusal| TransferError::Secret(path.clone(), refusal))?;
        Ok(Some(Rules::new(key, self.allow.clone())))
    }
}

/// The octets of the secret in a file.
fn secret(path: &Path) -> Result<Vec<u8>, TransferError> {
    let unreadable = |error| TransferError::Unreadable(path.to_owned(), error);
    let mode = path.metadata().map_err(unreadable)?.mode();
    if mode & 0o077 != 0 {
        return Err(TransferError::Exposed(path.to_owned(), mode & 0o7777));
    }
    let mut text = file::read(path, TSIG_FILE_BYTES_MAX).map_err(unreadable)?;
    text.retain(|octet| !octet.is_ascii_whitespace());
    let secret = data_encoding::BASE64.decode(&text);
    secret.map_err(|_| TransferError::NotBase64(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use crate::config::Config;

    #[test]
    fn a_section_that_says_half_is_refused_with_its_line() {
        let check = |text: &str, expect: Option<&str>| {
            let read = Config::parse(&format!("hosts = true\n[transfer]\n{text}"));
            match (read, expect) {
                (Ok(_), None) => {}
                (Err((line, message)), Some(words)) => {
                    assert!(message.contains(words), "{text}: {message}");
                    assert!((2..=5).contains(&line), "{line}");
                }
                (read, _) => panic!("{text}: {read:?}"),
            }
        };
        let both = "key = \"mirror\"\nsecret-file = \"mirror.key\"\n";
        check("", None);
        check(both, None);
        check("key = \"mirror\"", Some("name its file with `secret-file`"));
        check("secret-file = \"mirror.key\"", Some("what mirrors call it"));
        check("notify = [\"127.0.0.1:5301\"]", Some("without `key` and `secret-file`"));
        check("key = \".\"", Some("a key has a name"));
        check("key = \"a..b\"", Some("is no name of a key"));
        check("algorithm = \"hmac-md5\"", Some("there are hmac-sha256"));
        check("secret = \"x\"", Some("`secret` is no setting of [transfer]"));
        check(&format!("{both}allow = [\"192.0.2.0/24\"]"), None);
        check(&format!("{both}notify = [\"127.0.0.1\"]"), Some("write 127.0.0.1:53"));
        check(&format!("{both}notify = [\"0.0.0.0:53\"]"), Some("nobody can be told"));
    }

    #[test]
    fn a_secret_is_base64_that_nobody_else_can_read() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("djdns.toml");
        fs::write(&config, "[transfer]\nkey = \"mirror\"\nsecret-file = \"mirror.key\"\n").unwrap();
        let secret = dir.path().join("mirror.key");
        let check = |text: &str, mode: u32, expect: Option<&str>| {
            fs::write(&secret, text).unwrap();
            fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
            let config = Config::load(Some(&config), &|_| None).unwrap();
            let said = config.transfer.rules().err().map(|error| error.to_string());
            assert_eq!(said.is_some(), expect.is_some(), "{said:?}");
            assert!(said.unwrap_or_default().contains(expect.unwrap_or_default()));
        };
        let good = data_encoding::BASE64.encode(&[7; 32]);
        check(&good, 0o600, None);
        check(&format!("{good}\n"), 0o400, None);
        check(&good, 0o640, Some("chmod 600"));
        check("no secret!", 0o600, Some("is no base64"));
        check("", 0o600, Some("has 0"));
        check(&data_encoding::BASE64.encode(&[7; 15]), 0o600, Some("this one has 15"));
        fs::remove_file(&secret).unwrap();
        let config = Config::load(Some(&config), &|_| None).unwrap();
        let said = config.transfer.rules().unwrap_err().to_string();
        assert!(said.contains("cannot be read"), "{said}");
    }
}
