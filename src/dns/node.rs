//! One name of a page as the DNS face holds it: prebuilt wire in one piece.
//!
//! A page may have a million names, so `table` keeps a node's octets among those of others. Layout,
//! numbers in network order:
//!
//! ```text
//! flags u8, owner length u8, children u32, owner,
//! then per record set: type u16, records u16, length u32, records
//! record: 0xc00c (the question's name), type, class IN, TTL, data length, data
//! ```
//!
//! A record that answers the question itself is thereby copied as it stands. This file knows
//! nothing of lookups.

use crate::id::Id;
use crate::page::{
    entry::RecordSets,
    record::{PageLink, RecordType},
};

/// A name that exists in a page: with record sets, or an empty non-terminal (RFC 8020).
#[derive(Clone, Copy)]
pub struct Node<'v>(pub(super) &'v [u8]);

/// A record set in prebuilt form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prebuilt<'v> {
    pub rtype: RecordType,
    /// How many records follow.
    pub count: u16,
    /// The records, each as [`push_record`] writes it.
    pub records: &'v [u8],
}

/// One record out of a prebuilt set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'v> {
    pub rtype: RecordType,
    /// Seconds.
    pub ttl: u32,
    pub rdata: &'v [u8],
}

/// Where a PAGE leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub page: Id,
    /// Seconds that anything found through it may be cached, if it is soft (G9).
    pub soft_ttl: u32,
}

const HEAD: usize = 6;
const SET_HEAD: usize = 8;
/// Octets of a prebuilt record before its data.
pub const RECORD_HEAD: usize = 12;

const DELEGATION: u8 = 1;
const ALIAS: u8 = 2;
const SUBTREE_ALIAS: u8 = 4;
const LINK: u8 = 8;
/// The link is ratified and not sealed: its TTL is capped.
const SOFT: u8 = 16;
const FLAGS: u8 = DELEGATION | ALIAS | SUBTREE_ALIAS | LINK | SOFT;

impl<'v> Node<'v> {
    /// Builds the octets of the node of `owner`. No TTL is longer than `ttl_cap` seconds.
    pub(super) fn build(owner: &[u8], children: u32, sets: &RecordSets, ttl_cap: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        Node::build_in(&mut bytes, owner, children, sets, ttl_cap);
        bytes
    }

    /// [`Node::build`], behind what is there already.
    pub(super) fn build_in(
        bytes: &mut Vec<u8>,
        owner: &[u8],
        children: u32,
        sets: &RecordSets,
        ttl_cap: u32,
    ) {
        let soft = if ttl_cap < u32::MAX && flags(sets) & LINK != 0 { SOFT } else { 0 };
        bytes.extend_from_slice(&[flags(sets) | soft, owner.len() as u8]);
        bytes.extend_from_slice(&children.to_be_bytes());
        bytes.extend_from_slice(owner);
        for set in sets.iter() {
            let len: usize = set.rdata.iter().map(|data| RECORD_HEAD + data.0.len()).sum();
            bytes.extend_from_slice(&set.rtype.0.to_be_bytes());
            bytes.extend_from_slice(&(set.rdata.len() as u16).to_be_bytes());
            bytes.extend_from_slice(&(len as u32).to_be_bytes());
            for data in &set.rdata {
                push_record(bytes, set.rtype, set.ttl.min(ttl_cap), &data.0);
            }
        }
    }

    /// A node of octets that may be any; none where [`Node::build`] does not write such.
    pub(super) fn read(octets: &'v [u8]) -> Option<Node<'v>> {
        let owner = octets.get(HEAD..HEAD + usize::from(*octets.get(1)?))?;
        let mut rest = octets.get(HEAD + owner.len()..)?;
        while !rest.is_empty() {
            let (head, after) = rest.split_at_checked(SET_HEAD)?;
            let len = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let (records, after) = after.split_at_checked(len)?;
            is_set(&head[..2], be16(head, 2), records).then_some(())?;
            rest = after;
        }
        (octets[0] & !FLAGS == 0 && is_owner(owner)).then_some(Node(octets))
    }

    /// Notes in the octets of a node how many children it has.
    pub(super) fn set_children(bytes: &mut [u8], children: u32) {
        bytes[2..HEAD].copy_from_slice(&children.to_be_bytes());
    }

    /// The owner name relative to the page, lower-case wire form.
    pub fn owner(self) -> &'v [u8] {
        &self.0[HEAD..HEAD + usize::from(self.0[1])]
    }

    /// All of it.
    pub(super) fn octets(self) -> &'v [u8] {
        self.0
    }

    /// How many names exist exactly one label below this one.
    pub fn children(self) -> u32 {
        u32::from_be_bytes([self.0[2], self.0[3], self.0[4], self.0[5]])
    }

    /// The record sets, sorted by type.
    pub fn sets(self) -> impl Iterator<Item = Prebuilt<'v>> + use<'v> {
        let mut rest = &self.0[HEAD + usize::from(self.0[1])..];
        std::iter::from_fn(move || {
            let (head, after) = rest.split_at_checked(SET_HEAD)?;
            let len = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let (records, after) = after.split_at_checked(len)?;
            rest = after;
            Some(Prebuilt { rtype: RecordType(be16(head, 0)), count: be16(head, 2), records })
        })
    }

    /// The record set of this type.
    pub fn get(self, rtype: RecordType) -> Option<Prebuilt<'v>> {
        self.sets().find(|set| set.rtype == rtype)
    }

    /// Whether there are no record sets: the name exists only because of names below it.
    pub fn is_empty(self) -> bool {
        self.0.len() == HEAD + usize::from(self.0[1])
    }

    /// Whether an NS stands here: a delegation, for the apex' NS is made and not stored.
    pub fn is_delegation(self) -> bool {
        self.0[0] & DELEGATION != 0
    }

    /// Whether a CNAME stands here.
    pub fn is_alias(self) -> bool {
        self.0[0] & ALIAS != 0
    }

    /// Whether a DNAME stands here.
    pub fn is_subtree_alias(self) -> bool {
        self.0[0] & SUBTREE_ALIAS != 0
    }

    /// The page that this name is handed to, if a PAGE stands here.
    pub fn link(self) -> Option<Link> {
        let page = (self.0[0] & LINK != 0).then(|| self.get(RecordType::PAGE))??;
        let record = page.iter().next()?;
        let id = record.rdata.first_chunk::<32>()?;
        let soft_ttl = if self.0[0] & SOFT != 0 { record.ttl } else { u32::MAX };
        Some(Link { page: Id::from_bytes(*id), soft_ttl })
    }
}

impl<'v> Prebuilt<'v> {
    /// The records, taken apart.
    pub fn iter(&self) -> impl Iterator<Item = Record<'v>> + use<'v> {
        records(self.records)
    }
}

/// Takes prebuilt records apart.
pub fn records(mut rest: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let (head, after) = rest.split_at_checked(RECORD_HEAD)?;
        let (rdata, after) = after.split_at_checked(usize::from(be16(head, 10)))?;
        rest = after;
        let ttl = u32::from_be_bytes([head[6], head[7], head[8], head[9]]);
        Some(Record { rtype: RecordType(be16(head, 2)), ttl, rdata })
    })
}

/// Appends one record in prebuilt form. The data has at most 65535 octets.
pub fn push_record(out: &mut Vec<u8>, rtype: RecordType, ttl: u32, rdata: &[u8]) {
    out.extend_from_slice(&[0xc0, 0x0c]);
    out.extend_from_slice(&rtype.0.to_be_bytes());
    out.extend_from_slice(&1u16.to_be_bytes());
    out.extend_from_slice(&ttl.to_be_bytes());
    out.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
    out.extend_from_slice(rdata);
}

fn flags(sets: &RecordSets) -> u8 {
    let flag = |set: &crate::page::entry::RecordSet| match set.rtype {
        RecordType::NS => DELEGATION,
        RecordType::CNAME => ALIAS,
        RecordType::DNAME => SUBTREE_ALIAS,
        RecordType::PAGE => set
            .rdata
            .first()
            .map_or(0, |data| if PageLink::from_rdata(&data.0).is_some() { LINK } else { 0 }),
        _ => 0,
    };
    sets.iter().map(flag).fold(0, |all, one| all | one)
}

/// Whether these are labels in lower-case wire form, without the root's.
fn is_owner(mut owner: &[u8]) -> bool {
    while let Some((len, rest)) = owner.split_first() {
        let Some((label, rest)) = rest.split_at_checked(usize::from(*len)) else { return false };
        if label.is_empty() || *len > 63 || label.iter().any(u8::is_ascii_uppercase) {
            return false;
        }
        owner = rest;
    }
    true
}

/// Whether these are `count` records of a type, at least one, each as [`push_record`] writes it.
fn is_set(rtype: &[u8], count: u16, mut records: &[u8]) -> bool {
    for _ in 0..count {
        let Some((head, rest)) = records.split_at_checked(RECORD_HEAD) else { return false };
        let is_head = head[..2] == [0xc0, 0x0c] && head[2..4] == *rtype && head[4..6] == [0, 1];
        match rest.split_at_checked(usize::from(be16(head, 10))) {
            Some((_, rest)) if is_head => records = rest,
            _ => return false,
        }
    }
    count > 0 && records.is_empty()
}

fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

impl Node<'_> {
    /// Whether both hold the same in every octet, children included.
    pub fn same(self, other: Node<'_>) -> bool {
        self.0 == other.0
    }

    /// Whether both hold the same, however many children each has.
    pub(super) fn says_same(self, other: Node<'_>) -> bool {
        self.0[..2] == other.0[..2] && self.0[HEAD..] == other.0[HEAD..]
    }
}
