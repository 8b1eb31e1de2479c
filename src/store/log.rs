//! One page's log: opened with every frame checked, founded whole, appended to durably.
//!
//! Order is all: a frame is written only after the one before it was synced, and acknowledged
//! only after its own sync. The log knows nothing of the index and of what records mean.

use std::path::{Path, PathBuf};

use super::aside::{NEW_SUFFIX, remove_if_there};
use super::disk::{Access, Disk, DiskFile};
use super::frame::{self, FileHead, FrameBuilder, Place, Records};
use super::report::{FaultKind, LogFault, StoreError, failed};
use super::scan::{CHUNK_STREAM, Scan, Step};
use super::{LOG, Progress, Record};
use crate::id::Id;
use crate::limits::{LOG_FOUNDING_FRAME_BYTES, LOG_FRAME_BYTES_MAX};

/// A log that is sound up to its end.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    head: FileHead,
    end: Place,
    poisoned: bool,
}

/// What opening a log found out beside the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened {
    /// Bytes behind the end that are an unfinished write.
    pub torn_bytes: u64,
    /// Whether the place that was asked about is one of this log's.
    pub passes: bool,
}

/// Where a record is in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// Where its frame begins.
    pub offset: u64,
    /// How many records are before it in the frame.
    pub position: u32,
}

impl Log {
    /// Opens the log and checks every frame. Nothing is repaired: see [`Log::cut`].
    ///
    /// # Errors
    /// The first fault.
    pub fn open(
        disk: &dyn Disk,
        path: &Path,
        page: &Id,
        known: Option<Place>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Log, Opened), LogFault> {
        let mut scan = Scan::open(disk, path, page, CHUNK_STREAM)?;
        let (total, mut reported) = (scan.length(), 0);
        let mut passes = known.is_none_or(|known| known == scan.place());
        while let Step::Frame { offset, frame } = scan.step()? {
            if Records::of(frame).any(|record| record.is_err()) {
                let sequence = scan.place().sequence - 1;
                let path = path.to_owned();
                return Err(LogFault { path, offset, sequence, what: FaultKind::Record });
            }
            passes |= known == Some(scan.place());
            if scan.place().offset >= reported + CHUNK_STREAM as u64 {
                reported = scan.place().offset;
                progress(Progress { page: *page, done_bytes: reported, total_bytes: total });
            }
        }
        let end = scan.place();
        let log = Log { path: path.to_owned(), head: scan.head(), end, poisoned: false };
        Ok((log, Opened { torn_bytes: total - end.offset, passes }))
    }

    /// Writes a new log to `path`, in frames of moderate size, synced once at the end. The caller
    /// makes it visible. Returns where the named records are.
    ///
    /// # Errors
    /// [`StoreError`] if a record is too large or the disk refuses; part of the file may be there.
    pub fn found(
        disk: &dyn Disk,
        path: &Path,
        head: FileHead,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<(Log, Vec<(Id, Spot)>), StoreError> {
        let file = disk.open(path, Access::Create).map_err(failed("create", path))?;
        let mut founding = Founding { path, file, head, end: head.start(), named: Vec::new() };
        founding.write(0, &head.encode())?;
        let new_frame = || FrameBuilder::with_capacity(LOG_FOUNDING_FRAME_BYTES);
        let mut frame = new_frame();
        let mut position = 0;
        for record in records {
            let bytes = frame::record_bytes(&record);
            if position > 0 && frame.payload_bytes() + bytes > LOG_FOUNDING_FRAME_BYTES {
                founding.frame(std::mem::replace(&mut frame, new_frame()))?;
                position = 0;
            }
            if bytes > LOG_FRAME_BYTES_MAX {
                return Err(StoreError::TooLarge(bytes));
            }
            founding.note(&record, position);
            frame.push(&record);
            position += 1;
        }
        if position > 0 {
            founding.frame(frame)?;
        }
        founding.file.sync().map_err(failed("sync", path))?;
        let Founding { end, named, .. } = founding;
        Ok((Log { path: path.to_owned(), head, end, poisoned: false }, named))
    }

    /// Appends records as one frame: all of them are durable when this returns, or none is there.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], [`StoreError::DiskFull`] and other errors of the disk: nothing
    /// was changed. [`StoreError::Poisoned`] if that cannot be promised.
    pub fn append(&mut self, disk: &dyn Disk, records: &[Record]) -> Result<(), StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned { path: self.path.clone() });
        }
        let bytes = records.iter().map(frame::record_bytes).sum();
        if bytes > LOG_FRAME_BYTES_MAX {
            return Err(StoreError::TooLarge(bytes));
        }
        let mut frame = FrameBuilder::with_capacity(bytes);
        records.iter().for_each(|record| frame.push(record));
        let (bytes, end) = frame.finish(&self.head.nonce, &self.end);
        let file = disk.open(&self.path, Access::Write).map_err(failed("open", &self.path))?;
        let written = file
            .write_at(self.end.offset, &bytes)
            .map_err(failed("write to", &self.path))
            .and_then(|()| file.sync().map_err(failed("sync", &self.path)));
        match written {
            Ok(()) => self.end = end,
            Err(_) => self.undo(&*file),
        }
        written
    }

    /// Removes what is behind the end, durably.
    ///
    /// # Errors
    /// [`StoreError`] if the disk refuses.
    pub fn cut(&self, disk: &dyn Disk) -> Result<(), StoreError> {
        let file = disk.open(&self.path, Access::Write).map_err(failed("open", &self.path))?;
        file.truncate(self.end.offset).map_err(failed("truncate", &self.path))?;
        file.sync().map_err(failed("sync", &self.path))
    }

    /// From now on it takes no change, until it is opened anew.
    pub fn poison(&mut self) {
        self.poisoned = true;
    }

    /// The end: what the next frame continues.
    pub fn end(&self) -> Place {
        self.end
    }

    /// Where the log is after its directory was moved.
    pub fn moved_to(self, path: PathBuf) -> Log {
        Log { path, ..self }
    }

    /// Takes back a write that failed. If that fails too, nobody knows what is behind the end:
    /// a frame that nobody was told about could come to life at the next opening.
    fn undo(&mut self, file: &dyn DiskFile) {
        let undone = file.truncate(self.end.offset).and_then(|()| file.sync());
        self.poisoned = undone.is_err();
    }
}

/// Where a log is written, in the directory of a page, that is to take the place of the one there.
pub fn new_path(dir: &Path) -> PathBuf {
    dir.join(format!("{LOG}{NEW_SUFFIX}"))
}

/// Removes what an interrupted write of such a log left.
///
/// # Errors
/// The disk's.
pub fn tidy(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    remove_if_there(disk, &new_path(dir))
}

/// The named records of a frame that begins at `offset`.
pub fn named(offset: u64, frame: &[u8]) -> impl Iterator<Item = (Id, Spot)> {
    let ids = Records::of(frame).map_while(Result::ok).map(|record| record.id);
    (0u32..)
        .zip(ids)
        .filter(|(_, id)| *id != Id::ZERO)
        .map(move |(position, id)| (id, Spot { offset, position }))
}

/// A log being founded.
struct Founding<'a> {
    path: &'a Path,
    file: Box<dyn DiskFile>,
    head: FileHead,
    end: Place,
    named: Vec<(Id, Spot)>,
}

impl Founding<'_> {
    fn note(&mut self, record: &Record, position: u32) {
        if record.is_named() {
            self.named.push((record.id, Spot { offset: self.end.offset, position }));
        }
    }

    fn frame(&mut self, frame: FrameBuilder) -> Result<(), StoreError> {
        let (bytes, end) = frame.finish(&self.head.nonce, &self.end);
        self.write(self.end.offset, &bytes)?;
        self.end = end;
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_at(offset, bytes).map_err(failed("write to", self.path))
    }
}
