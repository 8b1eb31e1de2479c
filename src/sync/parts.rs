//! Parts of a trie as they travel (N3, N5): what whoever reads them can compute is left out.
//!
//! A piece is its nodes in preorder. The key of an entry's leaf is the hash of its owner, and an entry that
//! nobody has written since the page was founded has no version: neither travels. Owners and record sets
//! are told from where they differ from those of the leaf before.
//!
//! ```text
//! node   0 hash | 1 mask | 2 key value | 3 owner sets | 4 version owner sets
//! value  length bytes                  owner, sets  equal length bytes
//! ```
//! Hash, key and version are 32 octets, a mask is 2, big-endian. A length is of 7 bits an octet, the lowest
//! first, the highest bit set where more follow; `equal` is how many octets are those of the last owner or
//! record sets. A piece has one spelling. Whether it is a part of any trie is not known here.

use crate::{
    id::Id,
    limits::ENTRY_BYTES_MAX,
    page::{
        Page,
        entry::Rdata,
        trie::{Part, Piece},
    },
};

/// Why bytes are no part of a trie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartsRefusal {
    #[error("it ends in the middle of a node")]
    Truncated,
    #[error("{0} is no kind of node")]
    UnknownKind(u8),
    #[error("a length is not in its shortest form, or is too large")]
    Length,
    #[error("a node has another, shorter spelling")]
    SecondSpelling,
    #[error("it shows more than {0} bytes")]
    TooLarge(usize),
}

const HIDDEN: u8 = 0;
const BRANCH: u8 = 1;
const LEAF: u8 = 2;
const ORIGIN: u8 = 3;
const ENTRY: u8 = 4;

/// Bytes that a node is counted with beside its value.
const NODE_BYTES: usize = 36;

/// What the next leaf is compared with.
#[derive(Default)]
struct Last {
    owner: Vec<u8>,
    sets: Vec<u8>,
}

/// A piece as it travels.
pub fn write(piece: &Piece) -> Vec<u8> {
    let (mut out, mut last) = (Vec::new(), Last::default());
    for part in piece.parts() {
        match part {
            Part::Hidden(hash) => {
                out.push(HIDDEN);
                out.extend(hash.as_bytes());
            }
            Part::Branch(mask) => {
                out.push(BRANCH);
                out.extend(mask.to_be_bytes());
            }
            Part::Leaf((key, value)) => write_leaf(key, &value.0, &mut last, &mut out),
        }
    }
    out
}

fn write_leaf(key: &Id, value: &[u8], last: &mut Last, out: &mut Vec<u8>) {
    let Some((owner, version, sets)) = Page::entry_parts(key, value) else {
        out.push(LEAF);
        out.extend(key.as_bytes());
        write_length(value.len(), out);
        return out.extend(value);
    };
    match version == Id::ZERO {
        true => out.push(ORIGIN),
        false => {
            out.push(ENTRY);
            out.extend(version.as_bytes());
        }
    }
    write_since(&mut last.owner, owner, out);
    write_since(&mut last.sets, sets, out);
}

fn write_since(last: &mut Vec<u8>, next: &[u8], out: &mut Vec<u8>) {
    let equal = last.iter().zip(next).take_while(|(a, b)| a == b).count();
    write_length(equal, out);
    write_length(next.len() - equal, out);
    out.extend(&next[equal..]);
    last.truncate(equal);
    last.extend(&next[equal..]);
}

/// Writes a length.
pub(super) fn write_length(mut n: usize, out: &mut Vec<u8>) {
    while n > 0x7f {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Reads a piece that shows at most so many bytes.
///
/// # Errors
/// Any [`PartsRefusal`].
pub fn read(bytes: &[u8], bytes_max: usize) -> Result<Piece, PartsRefusal> {
    let (mut rest, mut last) = (bytes, Last::default());
    let (mut parts, mut shown) = (Vec::new(), 0);
    while let Some((kind, after)) = rest.split_first() {
        rest = after;
        let part = read_node(*kind, &mut rest, &mut last)?;
        shown += NODE_BYTES + if let Part::Leaf((_, value)) = &part { value.0.len() } else { 0 };
        if shown > bytes_max {
            return Err(PartsRefusal::TooLarge(bytes_max));
        }
        parts.push(part);
    }
    Ok(Piece::of_parts(parts))
}

fn read_node(kind: u8, rest: &mut &[u8], last: &mut Last) -> Result<Part, PartsRefusal> {
    Ok(match kind {
        HIDDEN => Part::Hidden(read_id(rest)?),
        BRANCH => {
            let mask = take(rest, 2)?;
            Part::Branch(u16::from_be_bytes([mask[0], mask[1]]))
        }
        LEAF => {
            let key = read_id(rest)?;
            let length = read_length(rest)?;
            let value = take(rest, length)?;
            if Page::entry_parts(&key, value).is_some() {
                return Err(PartsRefusal::SecondSpelling);
            }
            Part::Leaf((key, Rdata(value.into())))
        }
        ORIGIN | ENTRY => {
            let version = if kind == ENTRY { read_id(rest)? } else { Id::ZERO };
            if kind == ENTRY && version == Id::ZERO {
                return Err(PartsRefusal::SecondSpelling);
            }
            read_since(&mut last.owner, rest)?;
            read_since(&mut last.sets, rest)?;
            let leaf = Page::entry_leaf(&last.owner, &version, &last.sets);
            let (key, value) = leaf.ok_or(PartsRefusal::Length)?;
            Part::Leaf((key, Rdata(value)))
        }
        kind => return Err(PartsRefusal::UnknownKind(kind)),
    })
}

fn read_since(last: &mut Vec<u8>, rest: &mut &[u8]) -> Result<(), PartsRefusal> {
    let equal = read_length(rest)?;
    let length = read_length(rest)?;
    let new = take(rest, length)?;
    if equal > last.len() || equal + length > ENTRY_BYTES_MAX {
        return Err(PartsRefusal::Length);
    }
    if !new.is_empty() && last.get(equal) == new.first() {
        return Err(PartsRefusal::SecondSpelling);
    }
    last.truncate(equal);
    last.extend(new);
    Ok(())
}

/// Reads a length below 2^28.
pub(super) fn read_length(rest: &mut &[u8]) -> Result<usize, PartsRefusal> {
    let mut length = 0;
    for at in 0..4 {
        let octet = take(rest, 1)?[0];
        length |= usize::from(octet & 0x7f) << (7 * at);
        match octet {
            0 if at > 0 => return Err(PartsRefusal::Length),
            0..=0x7f => return Ok(length),
            _ => {}
        }
    }
    Err(PartsRefusal::Length)
}

fn read_id(rest: &mut &[u8]) -> Result<Id, PartsRefusal> {
    let octets = take(rest, 32)?;
    octets.try_into().map(Id::from_bytes).map_err(|_| PartsRefusal::Truncated)
}

pub(super) fn take<'b>(rest: &mut &'b [u8], count: usize) -> Result<&'b [u8], PartsRefusal> {
    let (taken, after) = rest.split_at_checked(count).ok_or(PartsRefusal::Truncated)?;
    *rest = after;
    Ok(taken)
}

#[cfg(test)]
mod tests;
