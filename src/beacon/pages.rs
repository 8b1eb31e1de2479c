//! Which beacons a page holds (D6): a stale copy of it knows enough nodes to ask around for the
//! newest one.
//!
//! They stand in presences, in BEACON records, and in PAGE links, which name hosts of the subpage.
//! What is none is passed over: a page may hold any text there.

use std::collections::BTreeMap;

use super::{Beacon, Short, Verified};
use crate::{
    governance::{Governance, statement::Statement},
    key::PublicKey,
    limits::{BEACON_ENTRIES_READ_MAX, BEACON_TEXTS_READ_MAX, BEACONS_OF_PAGE_MAX},
    page::{
        entry::RecordSets,
        name::Owner,
        record::{PageLink, RecordType},
    },
};

/// The beacons that a page holds, sealed and ratified, of each node the one that holds longest, at
/// most [`BEACONS_OF_PAGE_MAX`]: first those of presences, then those of the page's own name, then
/// those of other entries and of links. Expired ones are among them: a node may still be there. Of a
/// page with more than [`BEACON_ENTRIES_READ_MAX`] entries only so many are looked through.
pub fn beacons_of(page: &Governance, verified: &mut Verified) -> Vec<Beacon> {
    let presences = page.presences().filter_map(Statement::as_presence);
    let of_presences = presences.flat_map(|presence| presence.beacons.clone());
    let of_apex = texts_at(&page.ratified(&Owner::default()).0);
    let soft = page.soft_owners().map(|owner| page.ratified(owner).0);
    let sealed = page.page().entries().map(|entry| entry.sets);
    let of_entries =
        soft.chain(sealed).take(BEACON_ENTRIES_READ_MAX).flat_map(|sets| texts_at(&sets));
    beacons_among(of_presences.chain(of_apex).chain(of_entries), verified)
}

/// The beacons at one name of a page, as ratified: how a node is reached by name.
pub fn beacons_at(page: &Governance, owner: &Owner, verified: &mut Verified) -> Vec<Beacon> {
    beacons_among(texts_at(&page.ratified(owner).0), verified)
}

/// The beacons of a link, which name hosts of the page that it leads to.
pub fn beacons_of_link(link: &PageLink, verified: &mut Verified) -> Vec<Beacon> {
    beacons_among(link.beacons.iter().cloned(), verified)
}

/// The long beacons among these texts, of each node the one that holds longest, in the order in
/// which their nodes first appear. Of what looks like one [`BEACON_TEXTS_READ_MAX`] are read: each
/// costs a signature, the first time.
pub fn beacons_among(
    texts: impl IntoIterator<Item = String>,
    verified: &mut Verified,
) -> Vec<Beacon> {
    let long = texts.into_iter().filter(|text| text.contains('/'));
    let mut found: Vec<Beacon> = Vec::new();
    let mut places: BTreeMap<PublicKey, usize> = BTreeMap::new();
    for text in long.take(BEACON_TEXTS_READ_MAX) {
        let Some(beacon) = verified.read(&text) else { continue };
        match places.get(&beacon.key()) {
            Some(&at) if beacon.expires() > found[at].expires() => found[at] = beacon,
            None if found.len() < BEACONS_OF_PAGE_MAX => {
                places.insert(beacon.key(), found.len());
                found.push(beacon);
            }
            _ => {}
        }
    }
    found
}

/// The beacons of one node in the records of a page, with the names at which they stand: of each name
/// the one that holds longest. Entries are looked through as by [`beacons_of`].
pub fn beacons_of_node(
    page: &Governance,
    key: &PublicKey,
    verified: &mut Verified,
) -> BTreeMap<Owner, Beacon> {
    let mut found: BTreeMap<Owner, Beacon> = BTreeMap::new();
    let soft = page.soft_owners().cloned();
    let sealed = page.page().entries().map(|entry| entry.owner);
    let owners = [Owner::default()].into_iter().chain(soft).chain(sealed);
    for owner in owners.take(BEACON_ENTRIES_READ_MAX) {
        for text in texts_at(&page.ratified(&owner).0) {
            // Only what names this node costs a signature.
            let short: Option<Short> = text.split('/').next().and_then(|short| short.parse().ok());
            if !short.is_some_and(|short| short.matches(key)) {
                continue;
            }
            let Some(beacon) = verified.read(&text) else { continue };
            let older = found.get(&owner).is_none_or(|one| one.expires() < beacon.expires());
            if beacon.key() == *key && older {
                found.insert(owner.clone(), beacon);
            }
        }
    }
    found
}

/// What may be beacons in the records of one name.
fn texts_at(sets: &RecordSets) -> Vec<String> {
    let set = sets.get(RecordType::BEACON).into_iter().flat_map(|set| &set.rdata);
    let link = sets.page_link().map(|link| link.beacons).unwrap_or_default();
    set.flat_map(|rdata| texts_of_record(&rdata.0)).chain(link).collect()
}

/// What may be beacons in the data of a BEACON record: its character-strings (RFC 1035 section 3.3), as
/// far as they are UTF-8.
pub fn texts_of_record(mut rdata: &[u8]) -> Vec<String> {
    let mut strings = Vec::new();
    while let Some((&len, rest)) = rdata.split_first()
        && let Some((text, rest)) = rest.split_at_checked(usize::from(len))
    {
        strings.extend(str::from_utf8(text).map(str::to_owned));
        rdata = rest;
    }
    strings
}
