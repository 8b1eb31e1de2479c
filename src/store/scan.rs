//! Reading a log from front to back, every frame checked before it is handed out.
//!
//! A scan tells a tail that was cut off while it was written from damage: frames are written one
//! after the other, each after the last one was synced, so only the last can be incomplete. It
//! changes nothing.

use std::io;
use std::path::{Path, PathBuf};

use super::Record;
use super::disk::{Access, Disk, DiskFile};
use super::frame::{self, FILE_HEAD_BYTES, FileHead, HEAD_BYTES, Head, Place, Records};
use super::report::{FaultKind, LogFault};
use crate::id::Id;
use crate::limits::LOG_FRAME_BYTES_MAX;

/// Bytes to read at once from front to back: large enough that system calls do not count.
pub const CHUNK_STREAM: usize = 1024 * 1024;
/// Bytes to read at once to look up one record: most frames are smaller.
pub const CHUNK_POINT: usize = 16 * 1024;

/// A log opened for reading, at some place.
pub struct Scan {
    path: PathBuf,
    head: FileHead,
    place: Place,
    window: Window,
    /// The end of what is known to be complete: there, nothing can be torn.
    complete: bool,
}

/// What a scan finds next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A sound frame (header, payload, digest), and where it begins.
    Frame { offset: u64, frame: &'a [u8] },
    /// The log ends here.
    End,
    /// From here on there is a frame that was never finished.
    Torn,
}

impl Scan {
    /// Opens the log of `page` at its first frame. What is appended later is not seen.
    ///
    /// # Errors
    /// A fault at byte 0 if this is no log of `page` that can be read.
    pub fn open(disk: &dyn Disk, path: &Path, page: &Id, chunk: usize) -> Result<Scan, LogFault> {
        let fault = |what| LogFault { path: path.to_owned(), offset: 0, sequence: 0, what };
        let unreadable = |error: io::Error| fault(FaultKind::Unreadable(error.to_string()));
        let file = disk.open(path, Access::Read).map_err(unreadable)?;
        let length = file.length().map_err(unreadable)?;
        let mut window = Window { file, length, chunk, start: 0, bytes: Vec::new() };
        let bytes = window.get(0, FILE_HEAD_BYTES).map_err(unreadable)?;
        let head = FileHead::decode(bytes).map_err(|what| fault(FaultKind::FileHead(what)))?;
        if head.page != *page {
            return Err(fault(FaultKind::OtherPage(head.page)));
        }
        Ok(Scan { path: path.to_owned(), head, place: head.start(), window, complete: false })
    }

    /// Stops at `end`, up to which the log is known to be complete.
    ///
    /// # Errors
    /// A fault if the log is shorter.
    pub fn limit(&mut self, end: u64) -> Result<(), LogFault> {
        if end > self.window.length {
            return Err(self.fault(FaultKind::AcknowledgedLost));
        }
        self.window.length = end;
        self.complete = true;
        Ok(())
    }

    /// Moves to the frame that begins at `offset`, or to the end.
    ///
    /// # Errors
    /// A fault if the log ends before.
    pub fn seek(&mut self, offset: u64) -> Result<(), LogFault> {
        if offset <= FILE_HEAD_BYTES as u64 {
            self.place = self.head.start();
            return Ok(());
        }
        self.place.offset = offset;
        if offset > self.window.length {
            return Err(self.fault(FaultKind::BehindTheEnd));
        }
        let before = offset - frame::DIGEST_BYTES as u64;
        let nonce = self.head.nonce;
        let bytes = self.get(before, frame::DIGEST_BYTES + HEAD_BYTES)?;
        let (digest, rest) =
            bytes.split_first_chunk().map_or(([0; 32], &[][..]), |(digest, rest)| (*digest, rest));
        // At the end there is no header; a bad one is the next step's to judge.
        let sequence = Head::decode(&nonce, rest).map_or(0, |head| head.sequence);
        self.place = Place { offset, sequence, digest };
        Ok(())
    }

    /// Reads and checks one frame and moves behind it.
    ///
    /// # Errors
    /// A fault if what is here is wrong and cannot be an unfinished last write.
    pub fn step(&mut self) -> Result<Step<'_>, LogFault> {
        let offset = self.place.offset;
        let rest = self.window.length - offset;
        if rest == 0 {
            return Ok(Step::End);
        }
        let nonce = self.head.nonce;
        let Some(head) = Head::decode(&nonce, self.get(offset, HEAD_BYTES)?) else {
            let later = self.later_header(offset + 1)?;
            return self.torn_unless(later, FaultKind::Header);
        };
        if head.sequence != self.place.sequence {
            return Err(self.fault(FaultKind::Sequence(head.sequence)));
        }
        let length = head.frame_bytes();
        if length as u64 > rest {
            let later = self.later_header(offset + HEAD_BYTES as u64)?;
            return self.torn_unless(later, FaultKind::Content);
        }
        let place = self.place;
        let Some(next) = frame::follow(&place, self.get(offset, length)?) else {
            // Nothing is ever written behind an unfinished frame.
            return self.torn_unless((length as u64) < rest, FaultKind::Content);
        };
        self.place = next;
        Ok(Step::Frame { offset, frame: self.window.get(offset, length).unwrap_or_default() })
    }

    /// The first record, whether or not the change that it is in is sound. A length in it that is
    /// damaged is at worst read as far as the file goes.
    pub fn first_unchecked(&mut self) -> Option<Record> {
        let start = self.head.start().offset;
        let bytes = self.window.get(start, HEAD_BYTES + LOG_FRAME_BYTES_MAX).ok()?;
        Records::of(bytes).next()?.ok()
    }

    /// A fault at the place where the scan is.
    pub fn fault(&self, what: FaultKind) -> LogFault {
        let Place { offset, sequence, .. } = self.place;
        LogFault { path: self.path.clone(), offset, sequence, what }
    }

    /// Where the scan is.
    pub fn place(&self) -> Place {
        self.place
    }

    /// What the first bytes of the log say.
    pub fn head(&self) -> FileHead {
        self.head
    }

    /// Bytes of the log that this scan sees.
    pub fn length(&self) -> u64 {
        self.window.length
    }

    /// A bad frame is an unfinished write unless something was written after it, or it lies in
    /// what is known to be complete.
    fn torn_unless(&self, followed: bool, what: FaultKind) -> Result<Step<'static>, LogFault> {
        if followed || self.complete { Err(self.fault(what)) } else { Ok(Step::Torn) }
    }

    /// Whether the header of a later frame is found at `offset` or behind.
    fn later_header(&mut self, mut offset: u64) -> Result<bool, LogFault> {
        let (nonce, sequence) = (self.head.nonce, self.place.sequence);
        while offset < self.window.length {
            let bytes = self.get(offset, CHUNK_STREAM)?;
            if Head::find_later(&nonce, sequence, bytes).is_some() {
                return Ok(true);
            }
            // The next piece begins a little earlier, for a header across the border.
            let step = bytes.len().saturating_sub(HEAD_BYTES - 1).max(1);
            offset += step as u64;
        }
        Ok(false)
    }

    fn get(&mut self, offset: u64, length: usize) -> Result<&[u8], LogFault> {
        let Place { offset: at, sequence, .. } = self.place;
        let path = &self.path;
        self.window.get(offset, length).map_err(|error| LogFault {
            path: path.clone(),
            offset: at,
            sequence,
            what: FaultKind::Unreadable(error.to_string()),
        })
    }
}

/// The part of a file that is in memory.
struct Window {
    file: Box<dyn DiskFile>,
    length: u64,
    chunk: usize,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// The bytes at `offset`: `length` of them, fewer where the file ends.
    fn get(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        let rest = self.length.saturating_sub(offset);
        let length = rest.min(length as u64) as usize;
        let inside =
            offset >= self.start && offset + length as u64 <= self.start + self.bytes.len() as u64;
        if !inside {
            let want = rest.min(length.max(self.chunk) as u64) as usize;
            self.bytes.resize(want, 0);
            self.start = offset;
            let count = self.file.read_at(offset, &mut self.bytes);
            self.bytes.truncate(*count.as_ref().unwrap_or(&0));
            count?;
        }
        let from = (offset - self.start) as usize;
        Ok(&self.bytes[from..self.bytes.len().min(from + length)])
    }
}
