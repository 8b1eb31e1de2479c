//! Strict MessagePack (P1): one value, one encoding.
//!
//! `rmp-serde` alone accepts trailing bytes, integers wider than needed and repeated keys. Here
//! a scan of the raw bytes refuses everything that has a second spelling and names it, and only
//! then serde reads; what was read must encode to the same bytes again. This file knows nothing
//! of what the values mean.

use std::io;

use serde::{Serialize, de::DeserializeOwned};

use crate::limits::CODEC_DEPTH_MAX;

/// Why bytes are not the one encoding of a value (P1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecRefusal {
    #[error("{len} bytes are more than the {max} allowed here")]
    Oversize { len: usize, max: usize },
    #[error("the bytes end at {0}, in the middle of a value")]
    Truncated(usize),
    #[error("{0} bytes follow the value")]
    TrailingBytes(usize),
    #[error("byte {0}: an integer or a length is wider than it needs to be")]
    WideInteger(usize),
    #[error("byte {0}: maps are not used, structures are arrays")]
    Map(usize),
    #[error("byte {0}: floating point numbers are not used")]
    Float(usize),
    #[error("byte {0}: nil, extension and reserved markers are not used")]
    ForeignMarker(usize),
    #[error("byte {0}: nested deeper than {CODEC_DEPTH_MAX} levels")]
    TooDeep(usize),
    #[error("the value does not have the expected shape: {0}")]
    Shape(String),
    #[error("decoding and encoding again gives other bytes")]
    NotCanonical,
}

/// Encodes a value. Structures become arrays; see [`decode`] for what is accepted back.
///
/// # Panics
/// Never for the types of this crate: all of them encode into memory.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    // Only a failing writer or a type without a known length can fail, and neither occurs.
    rmp_serde::to_vec(value).expect("plain data encodes into memory")
}

/// Decodes exactly one value from exactly these bytes.
///
/// # Errors
/// Any [`CodecRefusal`]; a success implies `encode(&value) == bytes`.
pub fn decode<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    max: usize,
) -> Result<T, CodecRefusal> {
    if bytes.len() > max {
        return Err(CodecRefusal::Oversize { len: bytes.len(), max });
    }
    scan(bytes)?;
    let value: T =
        rmp_serde::from_slice(bytes).map_err(|error| CodecRefusal::Shape(error.to_string()))?;
    let mut rest = Expected(bytes);
    match rmp_serde::encode::write(&mut rest, &value) {
        Ok(()) if rest.0.is_empty() => Ok(value),
        _ => Err(CodecRefusal::NotCanonical),
    }
}

/// Accepts being written exactly these bytes: a million entries are compared without a copy of any.
struct Expected<'a>(&'a [u8]);

impl io::Write for Expected<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Declares an enum that is encoded as `[tag, body]`, with explicit `u8` tags (P1).
macro_rules! tagged {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $tag:literal => $variant:ident($body:ty),)+ }) => {
        $(#[$meta])*
        pub enum $name { $($(#[$doc])* $variant($body),)+ }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self { $($name::$variant(body) => ($tag as u8, body).serialize(serializer),)+ }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Tagged;
                impl<'de> serde::de::Visitor<'de> for Tagged {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("a tagged ", stringify!($name)))
                    }
                    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<$name, A::Error> {
                        use serde::de::Error;
                        let no_body = || A::Error::custom(concat!(stringify!($name), " without a body"));
                        match seq.next_element::<u8>()? {
                            $(Some($tag) => Ok($name::$variant(seq.next_element()?.ok_or_else(no_body)?)),)+
                            Some(tag) => Err(A::Error::custom(format!(
                                concat!("{} is no kind of ", stringify!($name)), tag
                            ))),
                            None => Err(no_body()),
                        }
                    }
                }
                deserializer.deserialize_tuple(2, Tagged)
            }
        }
    };
}
pub(crate) use tagged;

/// Walks over one value and refuses every marker or width that has another spelling.
fn scan(bytes: &[u8]) -> Result<(), CodecRefusal> {
    let mut scanner = Scanner { bytes, at: 0 };
    scanner.value()?;
    match bytes.len() - scanner.at {
        0 => Ok(()),
        rest => Err(CodecRefusal::TrailingBytes(rest)),
    }
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    /// Walks one value with an explicit stack of how many elements each open array still wants.
    fn value(&mut self) -> Result<(), CodecRefusal> {
        let mut open = [0u32; CODEC_DEPTH_MAX];
        let mut depth = 0;
        loop {
            let start = self.at;
            let mut elements = self.element(start)?;
            if elements > 0 {
                if depth == CODEC_DEPTH_MAX {
                    return Err(CodecRefusal::TooDeep(start));
                }
                open[depth] = elements;
                depth += 1;
                continue;
            }
            // The value is complete, and with it perhaps the arrays that it ends.
            while elements == 0 && depth > 0 {
                open[depth - 1] -= 1;
                elements = open[depth - 1];
                depth -= usize::from(elements == 0);
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// Consumes one marker with its payload; returns how many elements it opens (arrays only).
    fn element(&mut self, start: usize) -> Result<u32, CodecRefusal> {
        match self.number(1)? as u8 {
            0x00..=0x7f | 0xe0..=0xff | 0xc2 | 0xc3 => Ok(0),
            0x80..=0x8f | 0xde | 0xdf => Err(CodecRefusal::Map(start)),
            marker @ 0x90..=0x9f => Ok(u32::from(marker & 0x0f)),
            marker @ 0xa0..=0xbf => self.skip(u64::from(marker & 0x1f)),
            0xc4 => self.sized(start, 1, 0),
            0xc5 => self.sized(start, 2, 0x100),
            0xc6 => self.sized(start, 4, 0x1_0000),
            0xca | 0xcb => Err(CodecRefusal::Float(start)),
            0xcc => self.unsigned(start, 1, 0x80),
            0xcd => self.unsigned(start, 2, 0x100),
            0xce => self.unsigned(start, 4, 0x1_0000),
            0xcf => self.unsigned(start, 8, 0x1_0000_0000),
            0xd9 => self.sized(start, 1, 0x20),
            0xda => self.sized(start, 2, 0x100),
            0xdb => self.sized(start, 4, 0x1_0000),
            0xdc => self.unsigned(start, 2, 0x10).map(|_| self.last(2)),
            0xdd => self.unsigned(start, 4, 0x1_0000).map(|_| self.last(4)),
            _ => Err(CodecRefusal::ForeignMarker(start)),
        }
    }

    /// A big-endian number of `width` bytes that must be at least `least`, or it is too wide.
    fn unsigned(&mut self, start: usize, width: usize, least: u64) -> Result<u32, CodecRefusal> {
        if self.number(width)? < least {
            return Err(CodecRefusal::WideInteger(start));
        }
        Ok(0)
    }

    fn sized(&mut self, start: usize, width: usize, least: u64) -> Result<u32, CodecRefusal> {
        self.unsigned(start, width, least)?;
        let len = self.last(width);
        self.skip(u64::from(len))
    }

    /// The number of `width` bytes just consumed.
    fn last(&self, width: usize) -> u32 {
        self.bytes[self.at - width..self.at].iter().fold(0, |n, byte| n << 8 | u32::from(*byte))
    }

    fn number(&mut self, width: usize) -> Result<u64, CodecRefusal> {
        let end = self.at + width;
        let field =
            self.bytes.get(self.at..end).ok_or(CodecRefusal::Truncated(self.bytes.len()))?;
        self.at = end;
        Ok(field.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }

    fn skip(&mut self, len: u64) -> Result<u32, CodecRefusal> {
        if len > (self.bytes.len() - self.at) as u64 {
            return Err(CodecRefusal::Truncated(self.bytes.len()));
        }
        self.at += len as usize;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Sample = (u8, Vec<(u32, String)>);

    fn check(bytes: &[u8], expect: CodecRefusal) {
        assert_eq!(decode::<Sample>(bytes, 1024), Err(expect), "{bytes:02x?}");
    }

    /// P1 accepts: the bytes that encoding made.
    #[test]
    fn what_was_encoded_is_decoded() {
        let value: Sample = (7, vec![(1, "a".into()), (70_000, "b".repeat(40))]);
        assert_eq!(decode(&encode(&value), 1024), Ok(value));
    }

    /// P1 refuses: every other spelling of the same value.
    #[test]
    fn every_second_spelling_is_refused_by_its_name() {
        check(&[0x92, 1, 0x90, 0], CodecRefusal::TrailingBytes(1));
        check(&[0x92, 0xcc, 1, 0x90], CodecRefusal::WideInteger(1));
        check(&[0x92, 1, 0xdc, 0, 0], CodecRefusal::WideInteger(2));
        check(&[0x92, 1, 0x80], CodecRefusal::Map(2));
        check(&[0x92, 1, 0xca, 0, 0, 0, 0], CodecRefusal::Float(2));
        check(&[0x92, 1, 0xc0], CodecRefusal::ForeignMarker(2));
        check(&[0x92, 1], CodecRefusal::Truncated(2));
        check(&[0x92, 1, 0x91, 0x92, 1, 0xd9, 1, 65], CodecRefusal::WideInteger(5));
        check(&[0x91; 40], CodecRefusal::TooDeep(CODEC_DEPTH_MAX));
        let oversize = decode::<Sample>(&[0; 9], 8);
        assert_eq!(oversize, Err(CodecRefusal::Oversize { len: 9, max: 8 }));
    }

    /// P1 refuses: bytes that end anywhere inside of a marker's length.
    #[test]
    fn a_marker_cut_short_is_refused_whatever_it_is() {
        for marker in 0..=u8::MAX {
            for len in 0..8 {
                let mut bytes = vec![marker];
                bytes.resize(1 + len, 0xff);
                assert!(decode::<Sample>(&bytes, 1024).is_err(), "{bytes:02x?}");
            }
        }
        check(&[0xdd], CodecRefusal::Truncated(1));
        check(&[0xdc, 0], CodecRefusal::Truncated(2));
    }

    #[test]
    fn another_shape_is_refused() {
        assert!(matches!(decode::<Sample>(&[0x91, 1], 64), Err(CodecRefusal::Shape(_))));
        assert!(matches!(decode::<Sample>(&[0x93, 1, 0x90, 1], 64), Err(CodecRefusal::Shape(_))));
    }

    /// P1 accepts: text of every width of its length.
    /// P1 refuses: the same text with its length a width wider.
    #[test]
    fn text_has_the_narrowest_length_that_fits() {
        for (len, marker) in [(31, 0xbf), (32, 0xd9), (255, 0xd9), (256, 0xda), (65_536, 0xdb)] {
            let text = "x".repeat(len);
            let bytes = encode(&text);
            assert_eq!(bytes[0], marker, "{len}");
            assert_eq!(decode(&bytes, bytes.len()), Ok(text));
        }
        let wide = [&[0xdb, 0, 0, 0xff, 0xff][..], &[b'x'; 65_535]].concat();
        assert_eq!(decode::<String>(&wide, wide.len()), Err(CodecRefusal::WideInteger(0)));
    }
}
