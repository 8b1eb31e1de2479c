//! What the store says: errors of its operations, faults of a log, notices of an opening.
//!
//! Every message says what is wrong, where, and what follows from it or what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::frame::FileHeadFault;
use crate::id::Id;
use crate::limits::{IMAGE_BYTES_MAX, IMAGE_SPARES, LOG_FRAME_BYTES_MAX, NOTE_BYTES_MAX};

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{} is in use by {holder}; stop that first, or give another --data-dir", dir.display())]
    Locked { dir: PathBuf, holder: String },
    #[error("there is no data directory at {}", .0.display())]
    NoStore(PathBuf),
    #[error("{} cannot be opened; it must belong to the user djdns runs as", path.display())]
    NotAllowed { path: PathBuf, source: io::Error },
    #[error("cannot {what} {}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("the disk is full: nothing was changed; make room for {} and try again", path.display())]
    DiskFull { path: PathBuf, source: io::Error },
    #[error(
        "a change of {} failed and could not be undone; \
         the page takes no more changes until djdns is started again",
        path.display()
    )]
    Poisoned { path: PathBuf },
    #[error("page {0} is not stored here")]
    NoSuchPage(Id),
    #[error("the log of this page is still being read: try again")]
    NotRead,
    #[error("an image of more than {IMAGE_BYTES_MAX} bytes is not kept")]
    ImageTooLarge,
    #[error("the last {IMAGE_SPARES} bytes of a disk are for changes, not for an image")]
    LittleSpace,
    #[error("page {0} is stored here already")]
    PageExists(Id),
    #[error("a change of {0} bytes is larger than the {LOG_FRAME_BYTES_MAX} a log takes at once")]
    TooLarge(usize),
    #[error("the data directory is open for reading only")]
    ReadOnly,
    #[error("{} is damaged: restore it from a backup, or remove it to start without anchors",
        .0.display())]
    AnchorsDamaged(PathBuf),
    #[error("{} is damaged, and tells no more what this node signed: it must not seal this page again. \
        Give the node a new key (remove node.key, and this file with it: it bound the old key), and have the \
        page's participants name it",
        .0.display())]
    JournalDamaged(PathBuf),
    #[error("{} is damaged: {held} are lost, and it begins anew", path.display())]
    NoteDamaged { path: PathBuf, held: &'static str },
    #[error("{0} bytes are more than the {NOTE_BYTES_MAX} of such a file")]
    NoteTooLarge(usize),
    #[error(transparent)]
    Damaged(#[from] LogFault),
}

/// A log that is not as it was written. The rest of the store is not touched by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the log {} is damaged at byte {offset} (change {sequence}): {what}; \
     put it back from a backup while djdns is stopped; or if another node has the page, forget it here, and it \
     is fetched again",
    path.display()
)]
pub struct LogFault {
    pub path: PathBuf,
    /// Where the first frame that is wrong begins.
    pub offset: u64,
    /// The sequence that this frame has or should have; 0 is the first.
    pub sequence: u64,
    pub what: FaultKind,
}

/// What is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    #[error("{0}")]
    FileHead(FileHeadFault),
    #[error("it is the log of page {0}")]
    OtherPage(Id),
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error("the header of this change does not match its checksum, and later changes follow")]
    Header,
    #[error("the content of this change does not match its checksum")]
    Content,
    #[error("change {0} is here instead: changes are missing")]
    Sequence(u64),
    #[error("the content of this change does not add up")]
    Record,
    #[error("a change that was acknowledged does not read any more")]
    AcknowledgedLost,
    #[error("the log ends before this byte")]
    BehindTheEnd,
}

/// What a person should know about how the store was opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Notice {
    #[error(
        "page {page}: the last change was cut off while it was written; it had not been \
         acknowledged, and its {bytes} bytes at {offset} were removed"
    )]
    TornTail { page: Id, offset: u64, bytes: u64 },
    #[error("page {page} is not available: {fault}")]
    Damaged { page: Id, fault: LogFault },
    #[error("the index was rebuilt from the logs, nothing is lost: {reason}")]
    IndexRebuilt { reason: String },
    #[error("there is no index, finding a statement reads all logs: {reason}")]
    NoIndex { reason: String },
    #[error("the index listed page {0}, of which there is no log here any more")]
    PageGone(Id),
    #[error("{} was left by an interrupted change and was removed", .0.display())]
    Leftover(PathBuf),
    #[error("{} is nothing that djdns wrote; it was left alone", .0.display())]
    Stray(PathBuf),
}

/// Names an I/O error's operation and file; a full disk and missing rights are told apart.
pub(super) fn failed(what: &'static str, path: &Path) -> impl Fn(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| {
        let path = path.clone();
        match source.kind() {
            // A quota or the process's file size limit is full all the same.
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => StoreError::DiskFull { path, source },
            io::ErrorKind::PermissionDenied => StoreError::NotAllowed { path, source },
            _ => StoreError::Io { what, path, source },
        }
    }
}
