//! What other software refuses in a zone though it is valid in a page.
//!
//! A page's entries are valid each for itself (P8); Knot and BIND judge a zone as a whole and
//! refuse it for one record. Such records are occluded or lead nowhere, so a server loses nothing
//! without them: they are written as comments that only djdns reads ([`MARK`]). The cases are
//! those that `kzonecheck` 3.2 and `named-checkzone` 9.18 were seen to refuse.

use super::order;
use crate::page::{
    apex,
    entry::{Rdata, RecordSets},
    name::{Name, Owner},
    record::RecordType,
};

/// What the line of such a record starts with.
pub(super) const MARK: &str = ";djdns ";

/// MD, MF and A6: obsolete, which BIND refuses to load (RFC 1035 section 3.3, RFC 6563).
const OBSOLETE: [RecordType; 3] = [RecordType(3), RecordType(4), RecordType(38)];

/// An entry with the sort key of its owner.
pub(super) struct Keyed<'a> {
    pub key: Vec<u8>,
    pub owner: Owner,
    pub sets: &'a RecordSets,
}

/// The entries of a page in canonical order.
pub(super) struct Neighbours<'a> {
    page: &'a Name,
    entries: Vec<Keyed<'a>>,
    has_dname: bool,
}

impl<'a> Neighbours<'a> {
    pub fn new(page: &'a Name, entries: impl Iterator<Item = (Owner, &'a RecordSets)>) -> Self {
        let mut entries: Vec<Keyed<'_>> = entries
            .map(|(owner, sets)| {
                let mut key = Vec::with_capacity(owner.wire().len() + 1);
                order::push_key(owner.wire(), &mut key);
                Keyed { key, owner, sets }
            })
            .collect();
        entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let has_dname = entries.iter().any(|entry| entry.sets.get(RecordType::DNAME).is_some());
        Neighbours { page, entries, has_dname }
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Keyed<'a>> {
        self.entries.iter()
    }

    /// The record sets at the owner with this key.
    pub fn get(&self, key: &[u8]) -> Option<&'a RecordSets> {
        let found = self.entries.binary_search_by(|entry| entry.key.as_slice().cmp(key));
        found.ok().map(|i| self.entries[i].sets)
    }

    /// Whether other software would refuse the whole zone because of this record.
    pub fn refused(&self, entry: &Keyed<'_>, rtype: RecordType, data: &Rdata) -> bool {
        OBSOLETE.contains(&rtype)
            || self.is_below_dname(&entry.key)
            || match rtype {
                RecordType::NS => !self.leads_somewhere(entry, data),
                // A delegation hides the DNAME beside it (RFC 6672 section 2.4).
                RecordType::DNAME => entry.sets.get(RecordType::NS).is_some(),
                // The parent holds a zone's DS (RFC 4035 section 2.4); Knot knows four digests.
                RecordType::DS => entry.owner.is_apex() || !matches!(data.0.get(3), Some(1..=4)),
                // The root page's server has addresses of its own there.
                RecordType::CNAME => self.page.is_root() && entry.owner.wire() == server(),
                _ => false,
            }
    }

    /// Whether the entry lies below a DNAME, where nothing is ever found (RFC 6672 section 2.4).
    fn is_below_dname(&self, key: &[u8]) -> bool {
        self.has_dname
            && ancestors(key).any(|ancestor| {
                let sets = self.get(ancestor);
                sets.is_some_and(|sets| sets.get(RecordType::DNAME).is_some())
            })
    }

    /// Whether a delegation's name server is outside the page, below another delegation, or has
    /// an address.
    fn leads_somewhere(&self, entry: &Keyed<'_>, data: &Rdata) -> bool {
        let target = Name::from_wire(&data.0);
        let Some(target) = target.ok().and_then(|name| name.relative_to(self.page).ok()) else {
            return true;
        };
        if self.page.is_root() && target.wire() == server() {
            return true;
        }
        let mut key = Vec::new();
        order::push_key(target.wire(), &mut key);
        if self.is_below_dname(&key) {
            return false;
        }
        let cut = ancestors(&key).find(|ancestor| {
            self.get(ancestor).is_some_and(|sets| sets.get(RecordType::NS).is_some())
        });
        if cut.is_some_and(|cut| cut != entry.key) {
            return true;
        }
        has_address(self.get(&key)) || cut.is_none() && has_address(self.wildcard_for(&key))
    }

    /// The wildcard that stands for a name that does not exist (RFC 4592 section 3.3.1).
    fn wildcard_for(&self, key: &[u8]) -> Option<&'a RecordSets> {
        if self.exists(key) {
            return None;
        }
        let encloser = ancestors(key).filter(|ancestor| self.exists(ancestor)).last();
        self.get(&[encloser.unwrap_or_default(), b"*\0"].concat())
    }

    /// Whether something is at this name or below it.
    fn exists(&self, key: &[u8]) -> bool {
        let at = self.entries.partition_point(|entry| entry.key.as_slice() < key);
        self.entries.get(at).is_some_and(|entry| entry.key.starts_with(key))
    }
}

/// The keys of the names above, the highest first, without the page itself.
fn ancestors(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = key.iter().enumerate().filter(|(_, byte)| **byte == 0);
    ends.map(|(end, _)| &key[..=end]).filter(|ancestor| ancestor.len() < key.len())
}

fn has_address(sets: Option<&RecordSets>) -> bool {
    let has = |rtype| sets.is_some_and(|sets| sets.get(rtype).is_some());
    has(RecordType::A) || has(RecordType::AAAA)
}

/// The root page's made server, as the wire form of an owner.
pub(super) fn server() -> &'static [u8] {
    apex::SERVER.strip_suffix(&[0]).unwrap_or_default()
}
