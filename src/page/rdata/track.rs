//! The data of a TRACK record (C1): what a piece of content is called and how it is checked.

use serde::{Deserialize, Serialize};

use super::{
    Fault,
    parse::{self, Words},
    write::{quoted, word},
};
use crate::{id::Id, limits::RDATA_BYTES_MAX, page::codec};

/// The data of a TRACK record. Wire form: one strict MessagePack array in this order (P1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    pub title: String,
    pub artist: String,
    /// Empty when it belongs to none.
    pub album: String,
    /// Seconds.
    pub duration: u32,
    /// SHA-256 of the content's bytes.
    pub content: Id,
    /// Bytes.
    pub size: u64,
    /// Internet media type, `audio/ogg`.
    pub media_type: String,
    /// Seconds since 1970.
    pub created: u64,
    /// BEP 52 root: SHA-256 Merkle tree over blocks of 16 KiB.
    pub root: Id,
}

impl Track {
    /// Reads the data of a TRACK record. `None` unless it is the one encoding of a track.
    pub fn from_rdata(rdata: &[u8]) -> Option<Track> {
        codec::decode(rdata, RDATA_BYTES_MAX).ok()
    }

    /// The record's data.
    pub fn to_rdata(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

pub(super) fn check(octets: &[u8]) -> Result<(), Fault> {
    codec::decode::<Track>(octets, RDATA_BYTES_MAX)?;
    Ok(())
}

/// `"title" "artist" "album" seconds content size "media/type" created root`.
pub(super) fn parse(words: &mut Words<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let track = Track {
        title: utf8(words)?,
        artist: utf8(words)?,
        album: utf8(words)?,
        duration: parse::number(words.plain()?, u32::MAX)?,
        content: id(words)?,
        size: parse::long(words.plain()?, u64::MAX)?,
        media_type: utf8(words)?,
        created: parse::long(words.plain()?, u64::MAX)?,
        root: id(words)?,
    };
    out.extend(track.to_rdata());
    Ok(())
}

fn utf8(words: &mut Words<'_>) -> Result<String, Fault> {
    let mut octets = Vec::new();
    parse::text(words.take()?, &mut octets)?;
    String::from_utf8(octets).map_err(|_| Fault::NotUtf8)
}

fn id(words: &mut Words<'_>) -> Result<Id, Fault> {
    let text = words.plain()?;
    Id::from_hex(text).ok_or_else(|| Fault::NotHexOf(text.to_owned(), 32))
}

pub(super) fn write(octets: &[u8], out: &mut String) -> Option<()> {
    let track = Track::from_rdata(octets)?;
    quoted(track.title.as_bytes(), out);
    quoted(track.artist.as_bytes(), out);
    quoted(track.album.as_bytes(), out);
    word(out, track.duration);
    word(out, track.content);
    word(out, track.size);
    quoted(track.media_type.as_bytes(), out);
    word(out, track.created);
    word(out, track.root);
    Some(())
}
