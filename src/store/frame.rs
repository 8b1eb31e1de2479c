//! The bytes of a page's log: one file header, then frames, one frame per transaction.
//!
//! ```text
//! file header   "djdnslog" | version u32 | page id 32 | nonce 8 | SHA-256 of these, first 8
//! frame         header | payload | chain digest 32
//! frame header  "DjFr" | payload bytes u32 | sequence u64 | SHA-256(nonce, these), first 8
//! payload       records: kind u8 | named u8 (0, 1) | length u32 | id 32 if named | bytes
//! chain digest  SHA-256(chain digest before, frame header, payload)
//! ```
//! Integers are little-endian. The first "chain digest before" is the SHA-256 of the file header.
//! The nonce is random and local: nobody can put bytes into a record that look like a frame
//! header of this log. This file knows no disk; [`super::log`] reads and writes.

use sha2::{Digest, Sha256};

use super::Record;
use crate::id::Id;
use crate::limits::LOG_FRAME_BYTES_MAX;

/// Bytes of a log's file header.
pub const FILE_HEAD_BYTES: usize = 8 + 4 + 32 + 8 + 8;
/// Bytes of a frame's header.
pub const HEAD_BYTES: usize = 4 + 4 + 8 + 8;
/// Bytes of the chain digest that ends a frame.
pub const DIGEST_BYTES: usize = 32;

const FILE_MAGIC: [u8; 8] = *b"djdnslog";
const FORMAT_VERSION: u32 = 1;
const FRAME_MAGIC: [u8; 4] = *b"DjFr";
const UNNAMED: u8 = 0;
const NAMED: u8 = 1;

/// Where a log stands between two frames: what the next frame continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes of the log up to here.
    pub offset: u64,
    /// The sequence of the next frame; the first frame's is 0.
    pub sequence: u64,
    /// The chain digest of everything up to here.
    pub digest: [u8; 32],
}

/// What the first bytes of a log say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHead {
    pub page: Id,
    pub nonce: [u8; 8],
}

/// A frame's header, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub payload_bytes: usize,
    pub sequence: u64,
}

/// The first bytes are no header of a log this program can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileHeadFault {
    #[error("the first bytes are not those of a djdns log")]
    NoLog,
    #[error("it has format {0}, which this version of djdns does not read")]
    Format(u32),
    #[error("its header is damaged")]
    Damaged,
}

impl FileHead {
    /// The bytes to write.
    pub fn encode(&self) -> [u8; FILE_HEAD_BYTES] {
        let mut bytes = [0; FILE_HEAD_BYTES];
        bytes[..8].copy_from_slice(&FILE_MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[12..44].copy_from_slice(self.page.as_bytes());
        bytes[44..52].copy_from_slice(&self.nonce);
        let check = first_8(&[&bytes[..52]]);
        bytes[52..].copy_from_slice(&check);
        bytes
    }

    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// [`FileHeadFault`], also if there are too few bytes.
    pub fn decode(bytes: &[u8]) -> Result<FileHead, FileHeadFault> {
        let bytes: &[u8; FILE_HEAD_BYTES] = bytes.first_chunk().ok_or(FileHeadFault::NoLog)?;
        if bytes[..8] != FILE_MAGIC {
            return Err(FileHeadFault::NoLog);
        }
        if bytes[52..] != first_8(&[&bytes[..52]]) {
            return Err(FileHeadFault::Damaged);
        }
        let version = u32::from_le_bytes(array(&bytes[8..12]));
        if version != FORMAT_VERSION {
            return Err(FileHeadFault::Format(version));
        }
        let page = Id::from_bytes(array(&bytes[12..44]));
        Ok(FileHead { page, nonce: array(&bytes[44..52]) })
    }

    /// Where the first frame goes.
    pub fn start(&self) -> Place {
        let digest = *Id::hash(&[&self.encode()]).as_bytes();
        Place { offset: FILE_HEAD_BYTES as u64, sequence: 0, digest }
    }
}

impl Head {
    fn encode(&self, nonce: &[u8; 8]) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..4].copy_from_slice(&FRAME_MAGIC);
        // Frames are limited to far less than 4 GiB before they come here.
        bytes[4..8].copy_from_slice(&(self.payload_bytes as u32).to_le_bytes());
        bytes[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        let check = first_8(&[nonce, &bytes[..16]]);
        bytes[16..].copy_from_slice(&check);
        bytes
    }

    /// The frame header at the start of `bytes`, if that is what they are.
    pub fn decode(nonce: &[u8; 8], bytes: &[u8]) -> Option<Head> {
        let bytes: &[u8; HEAD_BYTES] = bytes.first_chunk()?;
        if bytes[..4] != FRAME_MAGIC || bytes[16..] != first_8(&[nonce, &bytes[..16]]) {
            return None;
        }
        let payload_bytes = u32::from_le_bytes(array(&bytes[4..8])) as usize;
        let sequence = u64::from_le_bytes(array(&bytes[8..16]));
        (payload_bytes <= LOG_FRAME_BYTES_MAX).then_some(Head { payload_bytes, sequence })
    }

    /// Bytes of the whole frame.
    pub fn frame_bytes(&self) -> usize {
        HEAD_BYTES + self.payload_bytes + DIGEST_BYTES
    }

    /// The first header of a frame with a later sequence in `bytes`, and where it begins.
    pub fn find_later(nonce: &[u8; 8], sequence: u64, bytes: &[u8]) -> Option<usize> {
        let later = |at: &usize| {
            bytes[*at..].starts_with(&FRAME_MAGIC)
                && Head::decode(nonce, &bytes[*at..]).is_some_and(|head| head.sequence > sequence)
        };
        (0..bytes.len()).find(later)
    }
}

/// A frame in the making, one buffer that is written as it is.
pub struct FrameBuilder {
    bytes: Vec<u8>,
}

impl FrameBuilder {
    /// A frame without records, with room for this many bytes of payload.
    pub fn with_capacity(payload_bytes: usize) -> FrameBuilder {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + payload_bytes + DIGEST_BYTES);
        bytes.resize(HEAD_BYTES, 0);
        FrameBuilder { bytes }
    }

    /// Bytes of payload so far.
    pub fn payload_bytes(&self) -> usize {
        self.bytes.len() - HEAD_BYTES
    }

    /// Adds a record.
    pub fn push(&mut self, record: &Record) {
        let named = if record.is_named() { NAMED } else { UNNAMED };
        self.bytes.extend([record.kind, named]);
        // A record of 4 GiB makes the payload exceed its limit, whatever its length field says.
        self.bytes.extend((record.bytes.len() as u32).to_le_bytes());
        if record.is_named() {
            self.bytes.extend(record.id.as_bytes());
        }
        self.bytes.extend(&record.bytes);
    }

    /// The finished frame, to be written at `place`, and the place after it.
    pub fn finish(mut self, nonce: &[u8; 8], place: &Place) -> (Vec<u8>, Place) {
        let head = Head { payload_bytes: self.payload_bytes(), sequence: place.sequence };
        self.bytes[..HEAD_BYTES].copy_from_slice(&head.encode(nonce));
        let digest = chain(&place.digest, &self.bytes);
        self.bytes.extend(digest);
        let offset = place.offset + self.bytes.len() as u64;
        (self.bytes, Place { offset, sequence: place.sequence + 1, digest })
    }
}

/// Bytes that `record` takes in a payload.
pub fn record_bytes(record: &Record) -> usize {
    6 + if record.is_named() { 32 } else { 0 } + record.bytes.len()
}

/// The place after `frame` (header, payload, digest), or `None` if its digest is wrong.
pub fn follow(place: &Place, frame: &[u8]) -> Option<Place> {
    let (content, digest) = frame.split_last_chunk::<DIGEST_BYTES>()?;
    let offset = place.offset + frame.len() as u64;
    (*digest == chain(&place.digest, content)).then_some(Place {
        offset,
        sequence: place.sequence + 1,
        digest: *digest,
    })
}

/// Reads the records of a payload one by one; `Err(())` where they do not add up.
pub struct Records<'a> {
    rest: &'a [u8],
}

/// The payload is not a row of records, although its digest is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRecord;

impl<'a> Records<'a> {
    /// The records in the payload of `frame` (header, payload, digest).
    pub fn of(frame: &'a [u8]) -> Records<'a> {
        let end = frame.len().saturating_sub(DIGEST_BYTES);
        Records { rest: frame.get(HEAD_BYTES..end).unwrap_or_default() }
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn record(&mut self) -> Option<Record> {
        let head = self.take(6)?;
        let length = u32::from_le_bytes(array(&head[2..6])) as usize;
        let id = match head[1] {
            UNNAMED => Id::ZERO,
            NAMED => Id::from_bytes(array(self.take(32)?)),
            _ => return None,
        };
        Some(Record { kind: head[0], id, bytes: self.take(length)?.to_vec() })
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, BadRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.record();
        if record.is_none() {
            self.rest = &[];
        }
        Some(record.ok_or(BadRecord))
    }
}

fn chain(before: &[u8; 32], content: &[u8]) -> [u8; 32] {
    *Id::hash(&[before, content]).as_bytes()
}

fn first_8(parts: &[&[u8]]) -> [u8; 8] {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    array(&hasher.finalize()[..8])
}

/// `slice` as an array; the callers cut it to this length.
fn array<const N: usize>(slice: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(slice);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: [u8; 8] = *b"noncense";

    fn head() -> FileHead {
        FileHead { page: Id::hash(&[b"page"]), nonce: NONCE }
    }

    fn frame(records: &[Record]) -> (Vec<u8>, Place) {
        let mut builder = FrameBuilder::with_capacity(0);
        records.iter().for_each(|record| builder.push(record));
        builder.finish(&NONCE, &head().start())
    }

    fn records() -> Vec<Record> {
        vec![
            Record { kind: 1, id: Id::hash(&[b"a"]), bytes: b"first".to_vec() },
            Record { kind: 9, id: Id::ZERO, bytes: Vec::new() },
            Record { kind: 2, id: Id::hash(&[b"b"]), bytes: vec![7; 300] },
        ]
    }

    #[test]
    fn a_frame_gives_back_its_records_and_the_place_after_it() {
        let (bytes, end) = frame(&records());
        let header = Head::decode(&NONCE, &bytes).expect("the header is right");
        assert_eq!(header.frame_bytes(), bytes.len());
        assert_eq!(follow(&head().start(), &bytes), Some(end));
        let read: Result<Vec<Record>, BadRecord> = Records::of(&bytes).collect();
        assert_eq!(read, Ok(records()));
        let expected: usize = records().iter().map(record_bytes).sum();
        assert_eq!(header.payload_bytes, expected);
    }

    #[test]
    fn every_flipped_bit_of_a_frame_is_noticed() {
        let (bytes, _) = frame(&records());
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let sound =
                Head::decode(&NONCE, &bad).is_some() && follow(&head().start(), &bad).is_some();
            assert!(!sound, "bit {bit}");
        }
    }

    #[test]
    fn every_flipped_bit_and_every_missing_byte_of_a_file_header_is_noticed() {
        let bytes = head().encode();
        assert_eq!(FileHead::decode(&bytes), Ok(head()));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(FileHead::decode(&bad).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(FileHead::decode(&bytes[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_log_of_a_newer_format_is_named_as_such() {
        let mut bytes = head().encode();
        bytes[8] = 2;
        let check = first_8(&[&bytes[..52]]);
        bytes[52..].copy_from_slice(&check);
        assert_eq!(FileHead::decode(&bytes), Err(FileHeadFault::Format(2)));
    }

    #[test]
    fn a_payload_that_does_not_add_up_is_refused_and_never_panics() {
        let check = |payload: &[u8]| {
            let bytes = [&[0; HEAD_BYTES], payload, &[0; DIGEST_BYTES]].concat();
            assert!(Records::of(&bytes).any(|record| record == Err(BadRecord)), "{payload:?}");
        };
        check(&[1]);
        check(&[1, 2, 0, 0, 0, 0]);
        check(&[1, 0, 5, 0, 0, 0, 1]);
        check(&[1, 1, 0, 0, 0, 0, 1, 2, 3]);
        check(&[1, 0, 255, 255, 255, 255]);
    }

    #[test]
    fn a_frame_header_under_another_nonce_is_none() {
        let (bytes, _) = frame(&records());
        assert_eq!(Head::decode(b"another1", &bytes), None);
        let later =
            [b"torn".to_vec(), Head { payload_bytes: 3, sequence: 5 }.encode(&NONCE).to_vec()];
        assert_eq!(Head::find_later(&NONCE, 4, &later.concat()), Some(4));
        assert_eq!(Head::find_later(&NONCE, 5, &later.concat()), None);
        assert_eq!(Head::find_later(b"another1", 4, &later.concat()), None);
    }
}
