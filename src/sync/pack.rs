//! Answers of many items, packed: what was in an item before, or is known to both, travels once.
//!
//! Statements of one page say the same again and again: the page's id, their author's key, the seal that
//! the author knew. An item is told as a row of steps: new bytes, a copy of bytes that stand further up, or
//! the origin version of the owner that was told last (G3), which whoever reads computes. The ids of the
//! operations that were told stand further up too, as a batch of them lists them, and whatever both sides
//! know. What is restored is byte for byte what was packed, so that ids and signatures stay the same.
//!
//! ```text
//! item   (length << 1 | ids) step*          ids: those of the items before are put to the history first
//! step   (count << 2 | 0) bytes             new
//!        (count << 2 | 1) distance          copied from so far back in the history
//!        (count << 2 | 2)                   the origin version of the owner of `count` octets before it
//! ```
//! Numbers are lengths as [`super::parts`] writes them. What the items are is not known here, but that
//! statements have ids.

use super::parts::{PartsRefusal, read_length, take, write_length};
use crate::{
    governance::{envelope::Envelope, seal::SealRecord},
    id::{Id, Kind},
    limits::BATCH_BYTES_MAX,
    page::{codec, name::Owner, origin_version},
};

/// Why bytes are no packed items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackRefusal {
    #[error(transparent)]
    Numbers(#[from] PartsRefusal),
    #[error("it is larger than the {0} bytes that it may have")]
    TooLarge(usize),
    #[error("it holds more than {0} items")]
    TooMany(usize),
    #[error("it copies what is not there, or more than its item holds")]
    NoCopy,
    #[error("an origin version without an owner")]
    NoOwner,
    #[error("a step of no bytes, or of an unknown kind")]
    NoStep,
}

/// What both sides of an answer have: of which page it is, and bytes that items may copy from.
pub struct Common {
    page: Id,
    history: Vec<u8>,
}

/// Fewer equal bytes are cheaper told than copied.
const COPY_BYTES_MIN: usize = 5;
/// Places that are remembered while items are packed, at least and at most: powers of two (choice: two KiB to two MiB).
const PLACES_MIN: usize = 1 << 8;
const PLACES_MAX: usize = 1 << 18;
/// An id, and what stands before it in a list.
const ID_HEAD: [u8; 2] = [0xc4, 32];

const NEW: usize = 0;
const COPY: usize = 1;
const VERSION: usize = 2;

impl Common {
    /// What both know without having said so: the page.
    pub fn page(page: &Id) -> Common {
        Common { page: *page, history: codec::encode(page) }
    }

    /// And that these batches list these operations, as both hold them, in this order.
    #[must_use]
    pub fn with_batches<'i>(
        mut self,
        batches: impl IntoIterator<Item = (&'i Id, &'i [Id])>,
    ) -> Common {
        for (id, operations) in batches {
            self.history.extend(codec::encode(id));
            self.history.extend(codec::encode(operations));
        }
        self
    }
}

/// Everything that was told, and the ids of items that are not in it yet.
struct History {
    page: Id,
    bytes: Vec<u8>,
    ids: Vec<u8>,
}

impl History {
    fn new(common: Common) -> History {
        History { page: common.page, bytes: common.history, ids: Vec::new() }
    }

    fn told(&mut self, from: usize) {
        if let Some(id) = statement_id(&self.bytes[from..]) {
            self.ids.extend(ID_HEAD);
            self.ids.extend(id.as_bytes());
        }
    }

    fn put_ids(&mut self) {
        self.bytes.append(&mut self.ids);
    }

    /// The origin version of the owner of so many octets at the end, without the head of an id behind it.
    fn version(&self, owner_bytes: usize) -> Option<Id> {
        let before = self.bytes.strip_suffix(&ID_HEAD)?;
        let owner = &before[before.len().checked_sub(owner_bytes)?..];
        Some(origin_version(&self.page, &Owner::from_wire(owner).ok()?))
    }
}

/// Packs items.
pub fn pack<'i>(items: impl IntoIterator<Item = &'i [u8]>, common: Common) -> Vec<u8> {
    let items: Vec<&[u8]> = items.into_iter().collect();
    let history = History::new(common);
    let bytes = history.bytes.len() + items.iter().map(|item| item.len()).sum::<usize>();
    let mut packer = Packer { history, places: Places::for_bytes(bytes), seen: 0, out: Vec::new() };
    items.into_iter().for_each(|item| packer.item(item));
    packer.out
}

struct Packer {
    history: History,
    places: Places,
    /// Up to where places are known.
    seen: usize,
    out: Vec<u8>,
}

/// Where each few bytes stood last. Of more than two that share a slot the oldest is forgotten: a copy is missed
/// then, and whoever makes bytes so that they do makes their own longer.
struct Places {
    /// The last two places, the newer first; each and one, or 0.
    slots: Vec<[u32; 2]>,
}

impl Places {
    /// With two slots or more for every one of so many bytes, within bounds.
    fn for_bytes(bytes: usize) -> Places {
        let slots = bytes.saturating_mul(2).checked_next_power_of_two().unwrap_or(PLACES_MAX);
        Places { slots: vec![[0; 2]; slots.clamp(PLACES_MIN, PLACES_MAX)] }
    }

    fn slot(&self, head: [u8; COPY_BYTES_MIN]) -> usize {
        let [a, b, c, d, e] = head;
        let word = u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]);
        // Multiplicative hashing (Knuth, TAOCP 6.4): the upper bits depend on all of the word.
        let hash = word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        hash as usize & (self.slots.len() - 1)
    }

    /// Where these bytes stood last in a history.
    fn of(&self, head: [u8; COPY_BYTES_MIN], history: &[u8]) -> Option<usize> {
        let places = self.slots[self.slot(head)].iter();
        let mut places = places.filter_map(|place| (*place as usize).checked_sub(1));
        places.find(|place| history[*place..].starts_with(&head))
    }

    fn put(&mut self, head: [u8; COPY_BYTES_MIN], place: usize) {
        let slot = self.slot(head);
        self.slots[slot] = [u32::try_from(place + 1).unwrap_or(0), self.slots[slot][0]];
    }
}

impl Packer {
    fn item(&mut self, item: &[u8]) {
        let lists_ids = item.get(1) != Some(&(Kind::Operation as u8));
        if lists_ids {
            self.history.put_ids();
        }
        write_length(item.len() << 1 | usize::from(lists_ids), &mut self.out);
        let start = self.history.bytes.len();
        let (mut at, mut new) = (0, 0);
        while at < item.len() {
            self.learn();
            let (kind, count, distance) = self.longest(&item[at..]);
            if kind == NEW {
                self.history.bytes.push(item[at]);
                at += 1;
                continue;
            }
            self.tell_new(&item[new..at]);
            let bytes = if kind == VERSION { 32 } else { count };
            write_length(count << 2 | kind, &mut self.out);
            if kind == COPY {
                write_length(distance, &mut self.out);
            }
            self.history.bytes.extend(&item[at..at + bytes]);
            at += bytes;
            new = at;
        }
        self.tell_new(&item[new..]);
        self.history.told(start);
    }

    fn tell_new(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            write_length(bytes.len() << 2 | NEW, &mut self.out);
            self.out.extend(bytes);
        }
    }

    /// The best step for what follows.
    fn longest(&self, rest: &[u8]) -> (usize, usize, usize) {
        let history = &self.history.bytes;
        if let Some(owner) = self.owner_before(rest) {
            return (VERSION, owner, 0);
        }
        let found = rest.first_chunk().and_then(|head| self.places.of(*head, history));
        let Some(from) = found else { return (NEW, 0, 0) };
        let equal = history[from..].iter().zip(rest).take_while(|(a, b)| a == b).count();
        (COPY, equal, history.len() - from)
    }

    /// The octets of an owner that was told right before its origin version, which follows.
    fn owner_before(&self, rest: &[u8]) -> Option<usize> {
        let before = self.history.bytes.strip_suffix(&ID_HEAD)?;
        // An owner stands as `bin 8`, and has at most 254 octets.
        let is_head = |n: &usize| {
            let head = before.len().checked_sub(n + 2).map(|at| &before[at..at + 2]);
            head == Some(&[0xc4, *n as u8])
        };
        let is_version = |n: &usize| {
            self.history.version(*n).is_some_and(|version| rest.starts_with(version.as_bytes()))
        };
        (1..=254).filter(is_head).find(is_version)
    }

    /// Learns where bytes stand that came to the history.
    fn learn(&mut self) {
        let history = &self.history.bytes;
        while let Some(head) = history[self.seen..].first_chunk() {
            self.places.put(*head, self.seen);
            self.seen += 1;
        }
    }
}

/// Restores items of together at most `bytes_max` bytes.
///
/// # Errors
/// Any [`PackRefusal`].
pub fn unpack(
    mut packed: &[u8],
    common: Common,
    bytes_max: usize,
    items_max: usize,
) -> Result<Vec<Vec<u8>>, PackRefusal> {
    let mut history = History::new(common);
    let (mut items, mut room) = (Vec::new(), bytes_max);
    while !packed.is_empty() {
        if items.len() == items_max {
            return Err(PackRefusal::TooMany(items_max));
        }
        let head = read_length(&mut packed)?;
        let length = head >> 1;
        room = room.checked_sub(length).ok_or(PackRefusal::TooLarge(bytes_max))?;
        if head & 1 == 1 {
            history.put_ids();
        }
        let start = history.bytes.len();
        while history.bytes.len() < start + length {
            step(&mut packed, &mut history, start + length)?;
        }
        items.push(history.bytes[start..].to_vec());
        history.told(start);
    }
    Ok(items)
}

/// One step of an item that ends at `end`.
fn step(packed: &mut &[u8], history: &mut History, end: usize) -> Result<(), PackRefusal> {
    let head = read_length(packed)?;
    let (kind, count) = (head & 3, head >> 2);
    let bytes = if kind == VERSION { 32 } else { count };
    if count == 0 {
        return Err(PackRefusal::NoStep);
    }
    if bytes > end - history.bytes.len() {
        return Err(PackRefusal::NoCopy);
    }
    match kind {
        NEW => history.bytes.extend(take(packed, count)?),
        COPY => {
            let distance = read_length(packed)?;
            let from = history.bytes.len().checked_sub(distance);
            let from = from.filter(|_| count <= distance).ok_or(PackRefusal::NoCopy)?;
            history.bytes.extend_from_within(from..from + count);
        }
        VERSION => {
            let version = history.version(count).ok_or(PackRefusal::NoOwner)?;
            history.bytes.extend(version.as_bytes());
        }
        _ => return Err(PackRefusal::NoStep),
    }
    Ok(())
}

/// The id of a statement, or of a seal in its record, by its bytes; nothing else of it is checked.
pub fn statement_id(bytes: &[u8]) -> Option<Id> {
    if let Ok(envelope) = Envelope::decode(bytes, BATCH_BYTES_MAX) {
        return Some(envelope.id(Kind::from_tag(envelope.kind)?));
    }
    SealRecord::decode(bytes).ok().map(|record| record.seal.id())
}

#[cfg(test)]
mod tests;
