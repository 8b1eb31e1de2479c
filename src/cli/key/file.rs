//! The text of a key file: a version, the public key, and the secret, plain or encrypted.
//!
//! ```text
//! djdns-key 1                                djdns-key 1
//! public did:key:z6Mk…                       public did:key:z6Mk…
//! secret BASE64URL                           argon2id m=65536 t=3 p=1 salt=BASE64URL
//!                                            xchacha20poly1305 nonce=BASE64URL BASE64URL
//! ```
//!
//! The lines above the last one are authenticated with it, so that nobody can weaken the parameters
//! or swap the public key. Where files are is not known here.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{
    XChaCha20Poly1305,
    aead::{Aead, KeyInit, Payload},
};
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use crate::key::{KeyRefusal, PublicKey, SecretKey};

/// Bytes of a key file (choice: ten times what one takes).
pub const TEXT_BYTES_MAX: u64 = 4096;

const VERSION: &str = "djdns-key 1";
/// Argon2id memory, KiB (RFC 9106 section 4, the second recommended choice: 64 MiB, 3 passes).
const MEMORY_KIB: u32 = 65_536;
const PASSES: u32 = 3;
/// One lane, where RFC 9106 has four: this computes them in turn, and a file is opened rarely.
const LANES: u32 = 1;
/// Limits on what a file may ask for, so that a forged one cannot exhaust the machine (choice).
const MEMORY_KIB_MAX: u32 = 1 << 20;
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 16;
/// Bytes of a salt that are accepted (RFC 9106 section 3.1: 16 recommended).
const SALT_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// Why a text is no key file, or does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileRefusal {
    #[error("it is no key file: its first line is not `{VERSION}`")]
    NotAKeyFile,
    #[error("line {0} of the key file is not as it should be: is the file whole?")]
    Line(usize),
    #[error("the public key: {0}")]
    Key(#[from] KeyRefusal),
    #[error("the secret in it belongs to another public key than it says")]
    OtherKey,
    #[error("its encryption asks for more memory or time than is sensible: it may be forged")]
    TooCostly,
    #[error("the passphrase is wrong, or the file was changed")]
    WrongPassphrase,
}

/// A key file, read.
#[derive(Clone)]
pub struct KeyFile {
    public: PublicKey,
    secret: Secret,
}

#[derive(Clone)]
enum Secret {
    Plain(SecretKey),
    Encrypted(Encrypted),
}

#[derive(Clone)]
struct Encrypted {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: Vec<u8>,
    nonce: [u8; 24],
    sealed: Vec<u8>,
}

impl KeyFile {
    /// A file with the secret as it is.
    pub fn plain(key: &SecretKey) -> KeyFile {
        KeyFile { public: key.public(), secret: Secret::Plain(key.clone()) }
    }

    /// The same key, its secret encrypted; an encrypted one stays as it is.
    pub fn encrypt(self, passphrase: &str, salt: &[u8; 16], nonce: &[u8; 24]) -> KeyFile {
        let Secret::Plain(key) = &self.secret else { return self };
        let mut encrypted = Encrypted {
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
            salt: salt.to_vec(),
            nonce: *nonce,
            sealed: Vec::new(),
        };
        let head = self.head(&encrypted);
        let seed = Zeroizing::new(key.seed());
        let payload = Payload { msg: &*seed, aad: head.as_bytes() };
        // The parameters are the constants above, and 32 bytes are not too many to encrypt.
        encrypted.sealed = encrypted
            .cipher(passphrase)
            .and_then(|cipher| cipher.encrypt(&(*nonce).into(), payload).ok())
            .expect("the constants are valid parameters");
        KeyFile { public: self.public, secret: Secret::Encrypted(encrypted) }
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// Any [`KeyFileRefusal`] but [`KeyFileRefusal::WrongPassphrase`].
    pub fn parse(text: &str) -> Result<KeyFile, KeyFileRefusal> {
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        if lines.first() != Some(&VERSION) {
            return Err(KeyFileRefusal::NotAKeyFile);
        }
        let value = |line: usize, word: &str| {
            let rest = lines.get(line).and_then(|text| text.strip_prefix(word));
            rest.and_then(|rest| rest.strip_prefix(' ')).ok_or(KeyFileRefusal::Line(line + 1))
        };
        let public = PublicKey::parse(value(1, "public")?)?;
        let secret = match value(2, "secret") {
            Ok(secret) => Secret::Plain(read_seed(secret, &public)?),
            Err(_) => {
                let (kdf, cipher) = (value(2, "argon2id")?, value(3, "xchacha20poly1305")?);
                Secret::Encrypted(read_encrypted(kdf, cipher)?)
            }
        };
        let end = if matches!(secret, Secret::Plain(_)) { 3 } else { 4 };
        match lines[end..].iter().position(|line| !line.is_empty()) {
            None => Ok(KeyFile { public, secret }),
            Some(extra) => Err(KeyFileRefusal::Line(end + extra + 1)),
        }
    }

    /// The file's text.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(match &self.secret {
            Secret::Plain(key) => {
                let secret = Zeroizing::new(BASE64URL_NOPAD.encode(&*Zeroizing::new(key.seed())));
                format!("{VERSION}\npublic {}\nsecret {}\n", self.public, &*secret)
            }
            Secret::Encrypted(encrypted) => {
                let sealed = BASE64URL_NOPAD.encode(&encrypted.sealed);
                format!("{} {sealed}\n", self.head(encrypted))
            }
        })
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Whether it takes a passphrase to sign with it.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.secret, Secret::Encrypted(_))
    }

    /// The secret of a file that is not encrypted.
    pub fn secret(&self) -> Option<SecretKey> {
        match &self.secret {
            Secret::Plain(key) => Some(key.clone()),
            Secret::Encrypted(_) => None,
        }
    }

    /// The secret, for whoever knows the passphrase.
    ///
    /// # Errors
    /// [`KeyFileRefusal::WrongPassphrase`] or [`KeyFileRefusal::OtherKey`].
    pub fn unlock(&self, passphrase: &str) -> Result<SecretKey, KeyFileRefusal> {
        let encrypted = match &self.secret {
            Secret::Plain(key) => return Ok(key.clone()),
            Secret::Encrypted(encrypted) => encrypted,
        };
        let head = self.head(encrypted);
        let payload = Payload { msg: &encrypted.sealed, aad: head.as_bytes() };
        let cipher = encrypted.cipher(passphrase).ok_or(KeyFileRefusal::TooCostly)?;
        let seed = cipher
            .decrypt(&encrypted.nonce.into(), payload)
            .map_err(|_| KeyFileRefusal::WrongPassphrase)?;
        key_of(&Zeroizing::new(seed), &self.public).ok_or(KeyFileRefusal::OtherKey)
    }

    /// All of an encrypted file but the sealed secret: what is authenticated with it.
    fn head(&self, encrypted: &Encrypted) -> String {
        let Encrypted { memory_kib, passes, lanes, salt, nonce, .. } = encrypted;
        let (salt, nonce) = (BASE64URL_NOPAD.encode(salt), BASE64URL_NOPAD.encode(nonce));
        format!(
            "{VERSION}\npublic {}\nargon2id m={memory_kib} t={passes} p={lanes} salt={salt}\n\
             xchacha20poly1305 nonce={nonce}",
            self.public
        )
    }
}

impl Encrypted {
    fn cipher(&self, passphrase: &str) -> Option<XChaCha20Poly1305> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).ok()?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut key = Zeroizing::new([0; 32]);
        argon2.hash_password_into(passphrase.as_bytes(), &self.salt, &mut *key).ok()?;
        Some(XChaCha20Poly1305::new(&(*key).into()))
    }
}

fn read_seed(text: &str, public: &PublicKey) -> Result<SecretKey, KeyFileRefusal> {
    let seed = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| KeyFileRefusal::Line(3))?;
    key_of(&Zeroizing::new(seed), public).ok_or(KeyFileRefusal::OtherKey)
}

fn key_of(seed: &[u8], public: &PublicKey) -> Option<SecretKey> {
    let seed: Zeroizing<[u8; 32]> = Zeroizing::new(seed.try_into().ok()?);
    Some(SecretKey::from_seed(&seed)).filter(|key| key.public() == *public)
}

fn read_encrypted(kdf: &str, cipher: &str) -> Result<Encrypted, KeyFileRefusal> {
    let kdf_line = KeyFileRefusal::Line(3);
    let [memory, passes, lanes, salt] = kdf.split(' ').collect::<Vec<_>>()[..] else {
        return Err(kdf_line);
    };
    let number = |word: &str, name: &str| -> Result<u32, KeyFileRefusal> {
        let digits = word.strip_prefix(name).ok_or(KeyFileRefusal::Line(3))?;
        digits.parse().map_err(|_| KeyFileRefusal::Line(3))
    };
    let bytes = |text: Option<&str>, line: usize| {
        let text = text.ok_or(KeyFileRefusal::Line(line))?;
        BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| KeyFileRefusal::Line(line))
    };
    let memory_kib = number(memory, "m=")?;
    let (passes, lanes) = (number(passes, "t=")?, number(lanes, "p=")?);
    if memory_kib > MEMORY_KIB_MAX || passes > PASSES_MAX || lanes > LANES_MAX {
        return Err(KeyFileRefusal::TooCostly);
    }
    let salt = bytes(salt.strip_prefix("salt="), 3)?;
    let (nonce, sealed) = cipher.split_once(' ').ok_or(KeyFileRefusal::Line(4))?;
    let nonce = bytes(nonce.strip_prefix("nonce="), 4)?;
    let nonce = nonce.try_into().map_err(|_| KeyFileRefusal::Line(4))?;
    let sealed = bytes(Some(sealed), 4)?;
    let possible = Params::new(memory_kib, passes, lanes, Some(32)).is_ok();
    if !possible || !SALT_BYTES.contains(&salt.len()) {
        return Err(kdf_line);
    }
    Ok(Encrypted { memory_kib, passes, lanes, salt, nonce, sealed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> SecretKey {
        SecretKey::from_seed(&[1; 32])
    }

    /// A file as a person would have it, but cheap to open.
    fn sealed() -> KeyFile {
        KeyFile::plain(&alice()).encrypt("correct horse", &[2; 16], &[3; 24])
    }

    #[test]
    fn a_plain_file_is_read_back() {
        let text = KeyFile::plain(&alice()).to_text();
        let file = KeyFile::parse(&text).unwrap();
        assert_eq!(file.public(), alice().public());
        assert_eq!(file.secret().unwrap().seed(), alice().seed());
        assert_eq!(file.unlock("anything").unwrap().seed(), alice().seed());
    }

    #[test]
    fn an_encrypted_file_opens_with_its_passphrase_only_and_hides_the_secret() {
        let text = sealed().to_text();
        assert!(!text.contains(&BASE64URL_NOPAD.encode(&alice().seed())));
        let file = KeyFile::parse(&text).unwrap();
        assert!(file.is_encrypted() && file.secret().is_none());
        assert_eq!(file.unlock("correct horse").unwrap().seed(), alice().seed());
        let wrong = file.unlock("Correct horse").map(|_| ());
        assert_eq!(wrong, Err(KeyFileRefusal::WrongPassphrase));
    }

    #[test]
    fn what_stands_above_the_secret_cannot_be_changed() {
        let other = SecretKey::from_seed(&[9; 32]).public();
        let text = sealed().to_text();
        let text = text.replace(&alice().public().to_string(), &other.to_string());
        let opened = KeyFile::parse(&text).unwrap().unlock("correct horse").map(|_| ());
        assert_eq!(opened, Err(KeyFileRefusal::WrongPassphrase));
    }

    #[test]
    fn what_is_no_key_file_is_refused_by_name() {
        use KeyFileRefusal::*;
        let check = |text: &str, expect: KeyFileRefusal| {
            assert_eq!(KeyFile::parse(text).map(|_| ()), Err(expect), "{text}");
        };
        let plain = KeyFile::plain(&alice()).to_text();
        let sealed = sealed().to_text();
        check("", NotAKeyFile);
        check("djdns-key 2\n", NotAKeyFile);
        check("djdns-key 1\n", Line(2));
        check(&plain.replace("secret", "sekret"), Line(3));
        check(&plain.replace("secret ", "secret !"), Line(3));
        check(&plain.replace("secret ", "secret AAAA"), OtherKey);
        check(&format!("{}x\n", &*plain), Line(4));
        check(&sealed.replace("m=65536", "m=4000000000"), TooCostly);
        check(&sealed.replace("t=3", "t=17"), TooCostly);
        check(&sealed.replace("m=65536", "m=1"), Line(3));
        check(&sealed.replace("salt=", "salt"), Line(3));
        check(&sealed.replace("nonce=", "nonce=AAAA"), Line(4));
        check(
            &plain.replace("z6Mk", "z6M0"),
            Key(KeyRefusal::NotADidKey(alice().public().to_string().replace("z6Mk", "z6M0"))),
        );
    }
}
