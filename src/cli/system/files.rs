//! Files below a root directory: read as they are, and put so that a crash leaves the old or the new.
//!
//! The root is `/`, or a directory that looks like one: nothing outside it is touched. What any file
//! is for is not known here.

use std::{
    cell::Cell,
    ffi::OsString,
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink},
    },
    path::{Path, PathBuf},
};

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use crate::cli::fault::{Fault, Outcome};

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Thing {
    Absent,
    Symlink { target: Target },
    File { content: Content, mode: u32, owner: Option<(u32, u32)> },
}

/// The bytes of a file; in the record as text, where they are text, for whoever must read it in need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    Text(String),
    Base64(String),
}

/// Where a symbolic link leads: any bytes but zero (path_resolution(7)), in the record as text, where they
/// are text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Target {
    Text(String),
    Bytes { base64: String },
}

impl Target {
    fn of(path: PathBuf) -> Target {
        match path.into_os_string().into_string() {
            Ok(text) => Target::Text(text),
            Err(bytes) => Target::Bytes { base64: BASE64.encode(bytes.as_bytes()) },
        }
    }

    /// The bytes; those of damaged base64 are none.
    fn path(&self) -> PathBuf {
        match self {
            Target::Text(text) => PathBuf::from(text),
            Target::Bytes { base64 } => {
                let bytes = BASE64.decode(base64.as_bytes()).unwrap_or_default();
                OsString::from_vec(bytes).into()
            }
        }
    }
}

/// As people read it; what is no text in it is not shown as it is.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path().display().fmt(f)
    }
}

impl Content {
    pub fn of(bytes: Vec<u8>) -> Content {
        String::from_utf8(bytes)
            .map_or_else(|bytes| Content::Base64(BASE64.encode(bytes.as_bytes())), Content::Text)
    }

    /// The bytes; those of damaged base64 are none.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Content::Text(text) => text.as_bytes().to_vec(),
            Content::Base64(text) => BASE64.decode(text.as_bytes()).unwrap_or_default(),
        }
    }
}

impl Thing {
    /// A file of ours: everybody may read it, as resolvers and their users must.
    pub fn text(text: impl Into<String>) -> Thing {
        Thing::File { content: Content::Text(text.into()), mode: 0o644, owner: None }
    }

    /// Whether both say the same; who owns it, and its mode, aside.
    pub fn says_as(&self, other: &Thing) -> bool {
        match (self, other) {
            (Thing::File { content, .. }, Thing::File { content: other, .. }) => content == other,
            _ => self == other,
        }
    }

    /// Whether the bytes of this file are the first ones of the other.
    pub fn begins(&self, other: &Thing) -> bool {
        match (self, other) {
            (Thing::File { content, .. }, Thing::File { content: other, .. }) => {
                other.bytes().starts_with(&content.bytes())
            }
            _ => false,
        }
    }

    /// As a person compares it.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Thing::Absent => Vec::new(),
            Thing::Symlink { target } => vec![format!("(symbolic link to {target})")],
            Thing::File { content, .. } => {
                String::from_utf8_lossy(&content.bytes()).lines().map(str::to_owned).collect()
            }
        }
    }
}

/// A root directory.
pub struct Root {
    dir: PathBuf,
    /// Tests: how many more steps are taken before the power fails.
    pub fuse: Cell<Option<usize>>,
}

/// How the new content is named until it takes the old one's place.
const ASIDE: &str = ".djdns-new";

impl Root {
    pub fn new(dir: &Path) -> Root {
        Root { dir: dir.to_owned(), fuse: Cell::new(None) }
    }

    /// Whether this is the machine itself, and no directory that looks like one.
    pub fn is_real(&self) -> bool {
        self.dir == Path::new("/")
    }

    /// Where an absolute path of the machine is.
    pub fn at(&self, path: &str) -> PathBuf {
        self.dir.join(path.trim_start_matches('/'))
    }

    /// Whether something is there; a symbolic link is, wherever it leads.
    pub fn has(&self, path: &str) -> bool {
        self.at(path).symlink_metadata().is_ok()
    }

    /// The names in a directory, sorted; none if there is no such directory.
    pub fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(path)).into_iter().flatten().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// What is there.
    pub fn read(&self, path: &str) -> Outcome<Thing> {
        let at = self.at(path);
        read(&at).map_err(|error| Fault::file("read", &at, &error))
    }

    /// Puts that there, synced: a crash leaves what was there or this. Only where a file cannot be
    /// replaced, as one that a container's engine mounted, it is written in place: then a crash may
    /// leave the beginning of it, and the record has both.
    pub fn put(&self, path: &str, thing: &Thing) -> Outcome {
        let at = self.at(path);
        self.put_at(&at, thing).map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied if self.is_immutable(path) => Fault::refused(format!(
                "{} cannot be written: it is immutable, so somebody means it to stay as it is; \
                 `chattr -i {0}` lets it be changed",
                at.display()
            )),
            ErrorKind::ResourceBusy => Fault::refused(format!(
                "{} cannot be replaced: it is mounted there by itself, as containers have it; \
                 `umount {0}` shows what is below, or leave it to the container's engine",
                at.display()
            )),
            _ => Fault::file("written", &at, &error),
        })
    }

    fn put_at(&self, at: &Path, thing: &Thing) -> io::Result<()> {
        let parent = at.parent().unwrap_or(&self.dir);
        self.step()?;
        let aside = aside(at);
        remove(&aside)?;
        match thing {
            Thing::Absent => remove(at)?,
            Thing::Symlink { target } => {
                fs::create_dir_all(parent)?;
                symlink(target.path(), &aside)?;
                self.step()?;
                fs::rename(&aside, at)?;
            }
            Thing::File { content, mode, owner } => {
                fs::create_dir_all(parent)?;
                write_new(&aside, &content.bytes(), *mode, *owner)?;
                self.step()?;
                if let Err(error) = fs::rename(&aside, at) {
                    remove(&aside)?;
                    if !matches!(error.kind(), ErrorKind::ResourceBusy | ErrorKind::CrossesDevices)
                    {
                        return Err(error);
                    }
                    write_in_place(at, &content.bytes())?;
                }
            }
        }
        if parent.is_dir() { File::open(parent)?.sync_all() } else { Ok(()) }
    }

    /// Takes away what an interrupted [`Root::put`] may have left beside the path.
    pub fn sweep(&self, path: &str) -> Outcome {
        let at = aside(&self.at(path));
        remove(&at).map_err(|error| Fault::file("removed", &at, &error))
    }

    /// The directories that putting something at the path would make, the innermost first.
    pub fn missing_above(&self, path: &str) -> Vec<String> {
        let above = Path::new(path).ancestors().skip(1);
        let missing = above.map(|dir| dir.to_string_lossy().into_owned());
        missing.take_while(|dir| !self.has(dir)).collect()
    }

    /// Removes a directory, if it is empty.
    pub fn remove_empty(&self, path: &str) -> Outcome {
        let at = self.at(path);
        let removed = self.step().and_then(|()| fs::remove_dir(&at));
        match removed {
            Err(error)
                if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) =>
            {
                Err(Fault::file("removed", &at, &error))
            }
            _ => Ok(()),
        }
    }

    /// Whether nobody, root included, may change the file: `chattr +i`.
    pub fn is_immutable(&self, path: &str) -> bool {
        let at = self.at(path);
        // Through a symbolic link the flag would be another file's.
        let plain = at.symlink_metadata().is_ok_and(|meta| meta.is_file());
        let flags = plain.then(|| File::open(&at).ok()).flatten();
        flags.is_some_and(|file| {
            rustix::fs::ioctl_getflags(&file)
                .is_ok_and(|flags| flags.contains(rustix::fs::IFlags::IMMUTABLE))
        })
    }

    /// One step is taken, unless a test cut the power.
    pub fn step(&self) -> io::Result<()> {
        match self.fuse.get() {
            Some(0) => Err(io::Error::other("the power failed")),
            left => {
                self.fuse.set(left.map(|left| left - 1));
                Ok(())
            }
        }
    }
}

fn aside(at: &Path) -> PathBuf {
    let name = at.file_name().unwrap_or_default().to_string_lossy();
    at.with_file_name(format!(".{name}{ASIDE}"))
}

fn read(at: &Path) -> io::Result<Thing> {
    let meta = match at.symlink_metadata() {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Thing::Absent);
        }
        meta => meta?,
    };
    if meta.is_symlink() {
        return Ok(Thing::Symlink { target: Target::of(fs::read_link(at)?) });
    }
    if !meta.is_file() {
        return Err(io::Error::other("it is neither a file nor a symbolic link"));
    }
    let (mode, owner) = (meta.permissions().mode() & 0o7777, Some((meta.uid(), meta.gid())));
    Ok(Thing::File { content: Content::of(fs::read(at)?), mode, owner })
}

fn remove(at: &Path) -> io::Result<()> {
    match fs::remove_file(at) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(())
        }
        removed => removed,
    }
}

fn write_new(at: &Path, bytes: &[u8], mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(at)?;
    file.write_all(bytes)?;
    if let Some((user, group)) = owner {
        let meta = file.metadata()?;
        if (meta.uid(), meta.gid()) != (user, group) {
            chown(at, Some(user), Some(group))?;
        }
    }
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()
}

fn write_in_place(at: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).truncate(true).open(at)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_put_back_byte_for_byte_and_older_records_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        for target in [&b"../run/x"[..], b"\xff\xfe/resolv.conf", "ünï".as_bytes()] {
            let target = PathBuf::from(OsString::from_vec(target.to_vec()));
            symlink(&target, root.at("/link")).unwrap();
            let text = serde_json::to_string(&root.read("/link").unwrap()).unwrap();
            root.put("/link", &Thing::Absent).unwrap();
            root.put("/link", &serde_json::from_str(&text).unwrap()).unwrap();
            assert_eq!(fs::read_link(root.at("/link")).unwrap(), target, "{text}");
            root.put("/link", &Thing::Absent).unwrap();
        }
        let older: Thing = serde_json::from_str(r#"{"kind":"symlink","target":"a/b"}"#).unwrap();
        assert_eq!(older, Thing::Symlink { target: Target::Text("a/b".to_owned()) });
    }
}
