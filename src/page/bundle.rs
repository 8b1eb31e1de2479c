//! Bundle files: a whole page as one file, to be carried by hand (N8).
//!
//! A magic line, records of a kind and bytes, and SHA-256 of everything before it. The hash tells
//! damage from intent; nothing is trusted because of it. What the records say passes the same doors
//! as from anywhere else, and is not known here.
//!
//! ```text
//! "djdns bundle 1\n"  ( kind: u8  length: u32 big-endian  bytes )*  0xff  SHA-256: 32 bytes
//! ```

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    codec::{self, CodecRefusal},
    entry::Rdata,
};
use crate::{id::Id, limits::BUNDLE_RECORD_BYTES_MAX};

/// The kind of a record that is a P1-encoded list of encoded entries. Kinds that are named nowhere here
/// are those of [`crate::id::Kind`].
pub const ENTRIES: u8 = 0;
/// The kind of a record with leaves of a page's state, as a P1-encoded list of keys and values (N5). Of one
/// key the last one counts.
pub const LEAVES: u8 = 0x20;
/// The kind of a record with a part of what shows a seal and its past: the number of bytes before it, 8
/// octets big-endian, and the bytes (T1, N5).
pub const PASSAGE: u8 = 0x21;
/// The kind of a record that ends a jump: the page is at this seal, with the state that it had before and
/// the leaves since (N5). Leaves that none follows are a download that goes on.
pub const JUMP: u8 = 0x22;

/// How every bundle begins.
const MAGIC: &[u8] = b"djdns bundle 1\n";
/// What stands in a kind's place after the last record.
const END: u8 = 0xff;
const HASH_BYTES: usize = 32;

/// Why bytes are no bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleRefusal {
    #[error("it is no djdns bundle: it does not begin with `djdns bundle 1`")]
    NotABundle,
    #[error("the bundle ends at byte {0}, in the middle: copy it again, whole")]
    Truncated(usize),
    #[error("the bundle is damaged: its bytes do not have the hash at its end; copy it again")]
    Damaged,
    #[error("byte {at}: a record of {len} bytes is larger than {BUNDLE_RECORD_BYTES_MAX}")]
    RecordTooLarge { at: usize, len: usize },
    #[error("{0} bytes follow the end of the bundle")]
    TrailingBytes(usize),
}

/// Writes a bundle piece by piece.
pub struct Writer(Sha256);

/// One record: its kind and its bytes.
pub type Record<'b> = (u8, &'b [u8]);

impl Writer {
    /// Begins a bundle, appending to `out`.
    pub fn begin(out: &mut Vec<u8>) -> Writer {
        out.extend_from_slice(MAGIC);
        Writer(Sha256::new_with_prefix(MAGIC))
    }

    /// Appends one record.
    ///
    /// # Errors
    /// [`BundleRefusal::RecordTooLarge`]; nothing is appended then.
    pub fn record(
        &mut self,
        kind: u8,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), BundleRefusal> {
        let len = bytes.len();
        if len > BUNDLE_RECORD_BYTES_MAX {
            return Err(BundleRefusal::RecordTooLarge { at: out.len(), len });
        }
        let start = out.len();
        out.push(kind);
        out.extend_from_slice(&(len as u32).to_be_bytes());
        out.extend_from_slice(bytes);
        self.0.update(&out[start..]);
        Ok(())
    }

    /// Ends the bundle.
    pub fn end(mut self, out: &mut Vec<u8>) {
        self.0.update([END]);
        out.push(END);
        out.extend_from_slice(&self.0.finalize());
    }
}

/// Writes a whole bundle.
///
/// # Errors
/// [`BundleRefusal::RecordTooLarge`].
pub fn write<'b>(records: impl IntoIterator<Item = Record<'b>>) -> Result<Vec<u8>, BundleRefusal> {
    let mut out = Vec::new();
    let mut writer = Writer::begin(&mut out);
    for (kind, bytes) in records {
        writer.record(kind, bytes, &mut out)?;
    }
    writer.end(&mut out);
    Ok(out)
}

/// Whether a file claims to be a bundle.
pub fn is_bundle(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Reads a bundle: all of it, or a refusal.
///
/// # Errors
/// Any [`BundleRefusal`].
pub fn read(bytes: &[u8]) -> Result<Vec<Record<'_>>, BundleRefusal> {
    if !is_bundle(bytes) {
        return Err(BundleRefusal::NotABundle);
    }
    let mut records = Vec::new();
    let mut at = MAGIC.len();
    let truncated = || BundleRefusal::Truncated(bytes.len());
    while *bytes.get(at).ok_or_else(truncated)? != END {
        let (head, rest) = bytes[at..].split_first_chunk::<5>().ok_or_else(truncated)?;
        let [kind, len @ ..] = *head;
        let len = u32::from_be_bytes(len) as usize;
        if len > BUNDLE_RECORD_BYTES_MAX {
            return Err(BundleRefusal::RecordTooLarge { at, len });
        }
        records.push((kind, rest.get(..len).ok_or_else(truncated)?));
        at += head.len() + len;
    }
    let (body, trailer) = bytes.split_at(at + 1);
    let (hash, rest) = trailer.split_at_checked(HASH_BYTES).ok_or_else(truncated)?;
    if Sha256::digest(body)[..] != *hash {
        return Err(BundleRefusal::Damaged);
    }
    match rest.len() {
        0 => Ok(records),
        rest => Err(BundleRefusal::TrailingBytes(rest)),
    }
}

/// Reads a record of the kind [`ENTRIES`].
///
/// # Errors
/// [`CodecRefusal`].
pub fn read_entries(bytes: &[u8]) -> Result<Vec<Rdata>, CodecRefusal> {
    codec::decode(bytes, BUNDLE_RECORD_BYTES_MAX)
}

/// Whether records of this kind are part of a jump.
pub fn is_of_jump(kind: u8) -> bool {
    [LEAVES, PASSAGE, JUMP].contains(&kind)
}

/// A key of a page's state and its value.
pub type StateLeaf = (Id, Rdata);

/// What ends a jump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landing {
    pub height: u64,
    pub seal: Id,
    /// SHA-256 of the passage.
    pub passage: Id,
    /// Keys that the state before had, or that were fetched on the way, and that it has no more; sorted.
    pub gone: Vec<Id>,
}

/// Reads a record of the kind [`LEAVES`].
///
/// # Errors
/// [`CodecRefusal`].
pub fn read_leaves(bytes: &[u8]) -> Result<Vec<StateLeaf>, CodecRefusal> {
    codec::decode(bytes, BUNDLE_RECORD_BYTES_MAX)
}

/// The bytes of a record of the kind [`LEAVES`].
pub fn write_leaves(leaves: &[StateLeaf]) -> Vec<u8> {
    codec::encode(leaves)
}

/// Reads a record of the kind [`JUMP`].
///
/// # Errors
/// [`CodecRefusal`].
pub fn read_landing(bytes: &[u8]) -> Result<Landing, CodecRefusal> {
    codec::decode(bytes, BUNDLE_RECORD_BYTES_MAX)
}

/// The bytes of a record of the kind [`JUMP`].
pub fn write_landing(landing: &Landing) -> Vec<u8> {
    codec::encode(landing)
}

/// The bytes of a record of the kind [`ENTRIES`].
pub fn write_entries(entries: &[Rdata]) -> Vec<u8> {
    codec::encode(entries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read_back(
            records in prop::collection::vec((0u8..END, prop::collection::vec(any::<u8>(), 0..99)), 0..9),
        ) {
            let records: Vec<Record> = records.iter().map(|(k, b)| (*k, &b[..])).collect();
            let bytes = write(records.clone()).unwrap();
            prop_assert_eq!(read(&bytes), Ok(records));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..99)) {
            let _ = read(&[MAGIC, &bytes].concat());
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = write([(1, &b"genesis"[..]), (ENTRIES, b""), (2, b"operation")]).unwrap();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(read(&flipped).is_err(), "byte {at}");
            assert!(read(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn what_is_no_bundle_is_refused_by_name() {
        let bytes = write([(1, &b"genesis"[..])]).unwrap();
        let check = |bytes: &[u8], expect: BundleRefusal| assert_eq!(read(bytes), Err(expect));
        check(b"$ORIGIN ct.", BundleRefusal::NotABundle);
        check(b"", BundleRefusal::NotABundle);
        check(&bytes[..20], BundleRefusal::Truncated(20));
        check(&bytes[..bytes.len() - 1], BundleRefusal::Truncated(bytes.len() - 1));
        check(&[&bytes[..], b"!"].concat(), BundleRefusal::TrailingBytes(1));
        let mut damaged = bytes.clone();
        damaged[21] ^= 1;
        check(&damaged, BundleRefusal::Damaged);
        let mut large = bytes;
        large[16] = 0xfe;
        let expect = BundleRefusal::RecordTooLarge { at: 15, len: 0xfe00_0007 };
        check(&large, expect);
    }

    #[test]
    fn a_record_may_have_as_many_bytes_as_the_limit_and_no_more() {
        let bytes = vec![0; BUNDLE_RECORD_BYTES_MAX + 1];
        let check = |len: usize, expect: bool| {
            let mut out = Vec::new();
            let mut writer = Writer::begin(&mut out);
            assert_eq!(writer.record(ENTRIES, &bytes[..len], &mut out).is_ok(), expect, "{len}");
            // As it is read: a record of this length, and nothing of it there.
            let head = [&[ENTRIES][..], &(len as u32).to_be_bytes()].concat();
            let cut = [MAGIC, &head].concat();
            let is_large = matches!(read(&cut), Err(BundleRefusal::RecordTooLarge { .. }));
            assert_eq!(is_large, !expect, "{len}");
        };
        check(BUNDLE_RECORD_BYTES_MAX - 1, true);
        check(BUNDLE_RECORD_BYTES_MAX, true);
        check(BUNDLE_RECORD_BYTES_MAX + 1, false);
    }

    #[test]
    fn entries_are_read_back() {
        let entries = vec![Rdata((*b"one").into()), Rdata((*b"").into())];
        assert_eq!(read_entries(&write_entries(&entries)), Ok(entries));
        assert!(read_entries(b"\x91").is_err());
    }
}
