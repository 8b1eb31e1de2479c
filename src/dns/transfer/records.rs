//! What a mirror has of a page's sealed entries: the records that other servers take.
//!
//! An entry that other software would refuse a whole zone for is left out, as the zone file has it as a
//! comment; so is one that a DNAME above hides. Delegations that lead nowhere stay: they are answered as
//! they are here. A subpage is delegated to the made server, so that a mirror of the page alone does not deny
//! what is below it. Messages are not known here.

use crate::{
    id::Id,
    page::{
        Page, apex,
        entry::{Entry, RecordSets},
        entry_key,
        name::{Name, Owner},
        record::RecordType,
        trie::Trie,
        zonefile,
    },
};

/// A record below a page's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The labels before the page's name, lower-case.
    pub owner: Box<[u8]>,
    pub rtype: RecordType,
    /// Seconds.
    pub ttl: u32,
    pub rdata: Box<[u8]>,
}

/// A state of a page, read as a zone.
pub struct Contents<'z> {
    page: &'z Name,
    state: &'z Trie,
    /// Whether a DNAME at the top hides everything below it.
    is_apex_alias: bool,
}

/// The SOA of a page with this serial, and its NS (P8).
pub fn top(serial: u32) -> [Item; 2] {
    [
        made(&[], RecordType::SOA, &apex::soa_rdata(serial)),
        made(&[], RecordType::NS, &apex::ns_rdata()),
    ]
}

/// A record that no entry has.
fn made(owner: &[u8], rtype: RecordType, rdata: &[u8]) -> Item {
    Item { owner: owner.into(), rtype, ttl: apex::MADE_TTL, rdata: rdata.into() }
}

/// The entry in a leaf.
fn entry(value: &[u8]) -> Option<Entry> {
    Page::entry_of(value).map(Entry::decode_admitted)
}

/// The place of the made server's name, whose addresses are records of the root page.
fn server_key() -> Option<(Owner, Id)> {
    let owner = Owner::from_wire(zonefile::server()).ok()?;
    let key = entry_key(&owner);
    Some((owner, key))
}

impl<'z> Contents<'z> {
    pub fn new(page: &'z Name, state: &'z Trie) -> Contents<'z> {
        let mut contents = Contents { page, state, is_apex_alias: false };
        contents.is_apex_alias = contents.is_alias(&Owner::apex());
        contents
    }

    /// Whether the entry at this place has something to do with what is below it, too.
    pub fn reaches_down(&self, key: &Id) -> bool {
        let entry = self.state.get(key).and_then(entry);
        entry.is_some_and(|entry| entry.sets.get(RecordType::DNAME).is_some())
    }

    /// The records of the made server in the root page, which has them without an entry.
    pub fn server(&self) -> Vec<Item> {
        match server_key() {
            Some((_, key)) if self.page.is_root() => self.at(&key),
            _ => Vec::new(),
        }
    }

    /// The records of all entries after this place, a few at a time, and the place of the last.
    pub fn after(&self, key: Option<&Id>, count: usize) -> Option<(Vec<Item>, Id)> {
        let server = server_key().filter(|_| self.page.is_root());
        let (mut items, mut last) = (Vec::new(), None);
        for (key, value) in self.state.after(key).take(count) {
            last = Some(*key);
            if server.as_ref().is_none_or(|(_, server)| server != key)
                && let Some(entry) = entry(value)
            {
                self.push(&entry.owner, &entry.sets, &mut items);
            }
        }
        last.map(|last| (items, last))
    }

    /// The records at a place of the state.
    pub fn at(&self, key: &Id) -> Vec<Item> {
        let mut items = Vec::new();
        let entry = self.state.get(key).and_then(entry);
        if let Some(entry) = &entry {
            self.push(&entry.owner, &entry.sets, &mut items);
        }
        let server = server_key().filter(|(_, server)| self.page.is_root() && server == key);
        if let Some((owner, _)) = server {
            self.push_server(&owner, entry.as_ref().map(|entry| &entry.sets), &mut items);
        }
        items
    }

    /// Adds the server's addresses; a set that an entry has as well keeps one TTL.
    fn push_server(&self, owner: &Owner, sets: Option<&RecordSets>, items: &mut Vec<Item>) {
        for (rtype, rdata) in apex::server_addresses() {
            let set = sets.and_then(|sets| sets.get(rtype));
            let ttl = set.map_or(apex::MADE_TTL, |set| set.ttl);
            let item = Item { owner: owner.wire().into(), rtype, ttl, rdata: rdata.into() };
            if !items.contains(&item) {
                items.push(item);
            }
        }
    }

    fn push(&self, owner: &Owner, sets: &RecordSets, items: &mut Vec<Item>) {
        if self.is_hidden(owner) {
            return;
        }
        if sets.get(RecordType::PAGE).is_some() {
            items.push(made(owner.wire(), RecordType::NS, &apex::ns_rdata()));
        }
        for set in sets.iter() {
            let taken =
                |data: &&_| !zonefile::refused_alone(self.page, owner, sets, set.rtype, data);
            items.extend(set.rdata.iter().filter(taken).map(|data| Item {
                owner: owner.wire().into(),
                rtype: set.rtype,
                ttl: set.ttl,
                rdata: data.0.clone(),
            }));
        }
    }

    /// Whether a name lies below a DNAME, where nothing is ever found (RFC 6672 section 2.4).
    fn is_hidden(&self, owner: &Owner) -> bool {
        if owner.is_apex() {
            return false;
        }
        let mut above = std::iter::successors(owner.parent(), Owner::parent);
        self.is_apex_alias || above.any(|above| !above.is_apex() && self.is_alias(&above))
    }

    fn is_alias(&self, owner: &Owner) -> bool {
        let entry = self.state.get(&entry_key(owner)).and_then(entry);
        entry.is_some_and(|Entry { sets, .. }| {
            sets.get(RecordType::DNAME).is_some() && sets.get(RecordType::NS).is_none()
        })
    }
}
