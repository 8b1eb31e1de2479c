//! The directory of a person's key files: names, modes, and who may read them (P4).

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::file::{KeyFile, KeyFileRefusal, TEXT_BYTES_MAX};
use crate::{
    cli::{
        context::{Context, environment},
        fault::{Fault, Outcome},
    },
    config,
    key::PublicKey,
};

/// Characters of a key's name (choice).
const NAME_CHARS_MAX: usize = 64;
const EXTENSION: &str = "key";

/// A person's keys.
pub struct Keyring {
    dir: PathBuf,
}

/// A key and its file.
pub struct StoredKey {
    pub name: String,
    pub path: PathBuf,
    pub file: KeyFile,
}

impl Keyring {
    /// The key directory of this user; it need not exist yet.
    ///
    /// # Errors
    /// When it lies in the data directory, where no identity key belongs.
    pub fn open(context: &Context) -> Outcome<Keyring> {
        let dir = config::key_dir(&environment).map_err(Fault::refused)?;
        // Without a home there may be no data directory; then nothing can lie in it.
        let data = context.data_dir().ok().and_then(|data| data.canonicalize().ok());
        let real = dir.canonicalize().unwrap_or_else(|_| dir.clone());
        if data.is_some_and(|data| real.starts_with(data)) {
            return Err(Fault::refused(format!(
                "{} lies in the data directory, where identity keys never are (P4): point \
                 $DJDNS_KEYS somewhere else",
                dir.display()
            )));
        }
        Ok(Keyring { dir })
    }

    #[cfg(test)]
    fn at(dir: &Path) -> Keyring {
        Keyring { dir: dir.join("keys") }
    }

    /// All keys that can be read, sorted by name, and for each of the other files why it cannot:
    /// one damaged file keeps nobody from the rest.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn all(&self) -> Outcome<(Vec<StoredKey>, Vec<Fault>)> {
        let (mut keys, mut faults) = (Vec::new(), Vec::new());
        for name in self.names()? {
            match self.get(&name) {
                Ok(key) => keys.push(key),
                Err(fault) => faults.push(fault),
            }
        }
        Ok((keys, faults))
    }

    /// The names of all keys, sorted.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn names(&self) -> Outcome<Vec<String>> {
        let listed = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed.and_then(Iterator::collect::<io::Result<Vec<_>>>),
        };
        let files = listed.map_err(|error| Fault::file("read", &self.dir, &error))?;
        let name = |file: &fs::DirEntry| {
            let path = file.path();
            let name = path.file_stem()?.to_str()?.to_owned();
            (path.extension()? == EXTENSION && check_name(&name).is_ok()).then_some(name)
        };
        let mut names: Vec<String> = files.iter().filter_map(name).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The key of this name, if there is one.
    ///
    /// # Errors
    /// When its file cannot be read, or may be read by others.
    pub fn find(&self, name: &str) -> Outcome<Option<StoredKey>> {
        if check_name(name).is_err() {
            return Ok(None);
        }
        let path = self.path(name);
        let Some(text) = read_secret(&path)? else { return Ok(None) };
        let file = KeyFile::parse(&text).map_err(|refusal| damaged(&path, &refusal))?;
        Ok(Some(StoredKey { name: name.to_owned(), path, file }))
    }

    /// The key of this name.
    ///
    /// # Errors
    /// That there is none, or as [`Keyring::find`].
    pub fn get(&self, name: &str) -> Outcome<StoredKey> {
        self.find(name)?.ok_or_else(|| {
            Fault::not_found(format!("there is no key `{name}`: see `djdns key list`"))
        })
    }

    /// The only key there is.
    ///
    /// # Errors
    /// That there is none, or more than one.
    pub fn only(&self) -> Outcome<StoredKey> {
        match &self.names()?[..] {
            [] => Err(Fault::not_found(
                "there is no identity key: make one with `djdns key new NAME`, or try the \
                 demonstration as demo:alice",
            )),
            [name] => self.get(name),
            names => Err(Fault::refused(format!(
                "there are several identities, {}: say which",
                names.join(", ")
            ))),
        }
    }

    /// The key whose public half this is.
    ///
    /// # Errors
    /// As [`Keyring::all`]; and when it is in no file that can be read, but may be in another.
    pub fn of(&self, public: &PublicKey) -> Outcome<Option<StoredKey>> {
        let (keys, faults) = self.all()?;
        let found = keys.into_iter().find(|key| key.file.public() == *public);
        match (found, faults.into_iter().next()) {
            (None, Some(fault)) => Err(fault),
            (found, _) => Ok(found),
        }
    }

    /// Keeps a key under a name that is free.
    ///
    /// # Errors
    /// When the name is taken or no name for a file, or the file cannot be written.
    pub fn add(&self, name: &str, file: KeyFile) -> Outcome<StoredKey> {
        check_name(name)?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.map_err(|error| Fault::file("made", &self.dir, &error))?;
        let path = self.path(name);
        write_secret(&path, &file.to_text()).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Fault::refused(format!(
                "there is a key `{name}` already, {}: choose another name",
                path.display()
            )),
            _ => Fault::file("written", &path, &error),
        })?;
        Ok(StoredKey { name: name.to_owned(), path, file })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.{EXTENSION}"))
    }
}

/// Checks that a name can be a file's and cannot be taken for a key.
///
/// # Errors
/// A usage fault.
pub fn check_name(name: &str) -> Outcome {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let looks_like_a_key = PublicKey::parse(name).is_ok();
    if name.is_empty()
        || name.len() > NAME_CHARS_MAX
        || name.starts_with(['.', '-'])
        || looks_like_a_key
        || !name.bytes().all(plain)
    {
        return Err(Fault::usage(format!(
            "`{name}` is no name for a key: use up to {NAME_CHARS_MAX} letters, digits, `.`, `_` \
             and `-`"
        )));
    }
    Ok(())
}

/// Writes a file that only its owner can read, and never over another one. It appears whole or not
/// at all, and is on the disk when this returns.
///
/// # Errors
/// `AlreadyExists`, or what the file system says.
pub fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    let partial = PathBuf::from(partial);
    let written = write_new(&partial, text).and_then(|()| fs::hard_link(&partial, path));
    // A leftover holds the secret: it goes whether or not the rest went well.
    let removed = fs::remove_file(&partial);
    written.and(removed)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Reads a secret file; `None` when there is none.
fn read_secret(path: &Path) -> Outcome<Option<Zeroizing<String>>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| Fault::file("read", path, &error))?,
    };
    let meta = file.metadata().map_err(|error| Fault::file("read", path, &error))?;
    if meta.mode() & 0o077 != 0 {
        return Err(Fault::refused(format!(
            "others can read the key file {0} (mode {1:04o}): type `chmod 600 {0}`, and make a new \
             key if somebody may have",
            path.display(),
            meta.mode() & 0o7777
        )));
    }
    let mut text = Zeroizing::new(String::new());
    let read = Read::by_ref(&mut file).take(TEXT_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => damaged(path, &KeyFileRefusal::NotAKeyFile),
        _ => Fault::file("read", path, &error),
    })?;
    Ok(Some(text))
}

fn damaged(path: &Path, refusal: &KeyFileRefusal) -> Fault {
    Fault::refused(format!(
        "the key file {} is damaged: {refusal}; put a copy of it in its place, or move it away",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::key::SecretKey;

    fn key(n: u8) -> KeyFile {
        KeyFile::plain(&SecretKey::from_seed(&[n; 32]))
    }

    fn said<T>(outcome: Outcome<T>) -> String {
        match outcome {
            Err(Fault::Failure(failure)) => failure.message,
            Err(Fault::Usage(message)) => message,
            _ => String::new(),
        }
    }

    #[test]
    fn a_key_is_kept_for_its_owner_only_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let ring = Keyring::at(dir.path());
        assert!(ring.all().unwrap().0.is_empty());
        let stored = ring.add("alice", key(1)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!((mode(&stored.path), mode(&ring.dir)), (0o600, 0o700));
        assert_eq!(ring.get("alice").unwrap().file.public(), key(1).public());
        assert!(said(ring.add("alice", key(2))).contains("already"));
        assert_eq!(ring.get("alice").unwrap().file.public(), key(1).public());
        assert_eq!(fs::read_dir(&ring.dir).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_what_to_type() {
        let dir = tempfile::tempdir().unwrap();
        let ring = Keyring::at(dir.path());
        let path = ring.add("alice", key(1)).unwrap().path;
        for mode in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let message = said(ring.get("alice"));
            assert!(message.contains(&format!("chmod 600 {}", path.display())), "{message}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(ring.get("alice").is_ok());
    }

    #[test]
    fn the_only_identity_is_the_default_and_several_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        let ring = Keyring::at(dir.path());
        assert!(said(ring.only()).contains("djdns key new"));
        ring.add("bob", key(2)).unwrap();
        assert_eq!(ring.only().unwrap().name, "bob");
        ring.add("alice", key(1)).unwrap();
        assert!(said(ring.only()).contains("alice, bob"));
        assert_eq!(ring.of(&key(1).public()).unwrap().unwrap().name, "alice");
        assert!(ring.of(&key(3).public()).unwrap().is_none());
    }

    #[test]
    fn a_damaged_file_is_named_and_keeps_nobody_from_the_other_keys() {
        let dir = tempfile::tempdir().unwrap();
        let ring = Keyring::at(dir.path());
        ring.add("alice", key(1)).unwrap();
        let path = ring.add("bob", key(2)).unwrap().path;
        for text in [&b""[..], b"djdns-key 1\npublic ", b"\xff\xfe"] {
            fs::write(&path, text).unwrap();
            let (keys, faults) = ring.all().unwrap();
            assert_eq!(keys.iter().map(|key| &*key.name).collect::<Vec<_>>(), ["alice"]);
            let said: Vec<String> =
                faults.into_iter().map(|fault| said::<()>(Err(fault))).collect();
            let [said] = &said[..] else { panic!("{said:?}") };
            assert!(said.contains(&format!("{} is damaged", path.display())), "{said}");
            assert_eq!(ring.of(&key(1).public()).unwrap().unwrap().name, "alice");
            assert!(ring.of(&key(2).public()).is_err(), "it may be in the damaged file");
        }
    }

    #[test]
    fn a_name_is_a_plain_word_and_no_key() {
        let public = key(1).public();
        let check = |name: &str, expect: bool| {
            assert_eq!(check_name(name).is_ok(), expect, "{name}");
        };
        check("alice", true);
        check("a.b_c-2", true);
        check(&"a".repeat(NAME_CHARS_MAX), true);
        check(&"a".repeat(NAME_CHARS_MAX + 1), false);
        check("", false);
        check("../alice", false);
        check(".alice", false);
        check("-o", false);
        check("demo:alice", false);
        check(&public.short_form(), false);
    }
}
