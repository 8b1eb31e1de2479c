//! The people of a simulated world: their keys, the pages they found, and what they sign.

use std::{collections::BTreeMap, net::Ipv4Addr};

use super::scenario::PagePlan;
use crate::{
    daemon::whole::WholePage,
    governance::{
        Governance,
        ballot::{Ballot, Choice},
        envelope,
        operation::{Change, Operation, Register, SetEntry},
        presence::Presence,
        statement::{Body, Statement},
    },
    id::{Id, Kind},
    key::SecretKey,
    page::{
        Page, codec,
        entry::{Rdata, RecordSet, RecordSets},
        genesis::{Parameters, RawGenesis},
        name::{Name, Owner},
        record::{PageLink, RecordType},
        roster_rows,
    },
};

/// When the world begins: 2026-11-20, seconds since 1970 (UTC).
pub const BEGIN: u64 = 1_795_132_800;
/// Power in basis points.
const ALL: u16 = 10_000;

/// The key of a person.
pub fn key(person: &str) -> SecretKey {
    SecretKey::from_seed(Id::hash(&[b"djdns/world/", person.as_bytes()]).as_bytes())
}

/// One of the many keys of a person.
pub fn other_key(person: &str, n: u32) -> SecretKey {
    let seed = Id::hash(&[b"djdns/world/", person.as_bytes(), b"/", &n.to_be_bytes()]);
    SecretKey::from_seed(seed.as_bytes())
}

/// Founds a page as it is planned, at a time in seconds since 1970.
///
/// # Errors
/// A sentence.
pub fn found(plan: &PagePlan, begin: u64) -> Result<(Page, WholePage), String> {
    let name = Name::parse(&plan.name).map_err(|refusal| refusal.to_string())?;
    let people = plan.power.iter().map(|(person, power)| (key(person).public(), *power));
    let numbered = |(person, count): (&String, &u32)| {
        let person = person.clone();
        (0..*count).map(move |n| (other_key(&person, n).public(), 1))
    };
    let roster = roster_rows(people.chain(plan.keys_of.iter().flat_map(numbered)));
    let salt = Id::hash(&[b"djdns/world/salt/", name.wire()]);
    let names = names(plan.names, &name)?;
    let genesis = RawGenesis::new(name, roster, Parameters::default(), begin, salt);
    let founded = Page::found(genesis, names).map_err(|refusal| refusal.to_string())?;
    Ok((founded.0, WholePage { raw: founded.1, ..WholePage::default() }))
}

/// So many names with an address each.
fn names(count: u32, page: &Name) -> Result<Vec<(Owner, RecordSets)>, String> {
    let named = |n: u32| {
        let owner = Owner::parse(&format!("n{n}"), page).map_err(|refusal| refusal.to_string())?;
        let address = addressed(Ipv4Addr::from(0x0a02_0000 + n));
        let sets = RecordSets::admit(address, &owner, page);
        sets.map(|sets| (owner, sets)).map_err(|refusal| refusal.to_string())
    };
    (0..count).map(named).collect()
}

/// The owner that a word of a scenario means.
///
/// # Errors
/// A sentence.
pub fn owner(page: &Governance, word: &str) -> Result<Owner, String> {
    Owner::parse(word, page.page().name()).map_err(|refusal| format!("`{word}`: {refusal}"))
}

/// The record sets with this one address.
pub fn addressed(address: Ipv4Addr) -> Vec<RecordSet> {
    let rdata = vec![Rdata(address.octets().into())];
    vec![RecordSet { rtype: RecordType::A, ttl: 60, rdata }]
}

/// Whether these are it.
pub fn has_address(sets: &RecordSets, address: Ipv4Addr) -> bool {
    sets.clone().into_vec() == addressed(address)
}

/// The record set that links to a page, at most one of whose hosts it names.
pub fn linked(page: &Id, beacon: Option<String>) -> Vec<RecordSet> {
    let link = |beacons| PageLink { page: *page, beacons }.to_rdata();
    let rdata = link(beacon.into_iter().collect()).or_else(|| link(Vec::new()));
    let rdata = rdata.map(|rdata| Rdata(rdata.into())).into_iter().collect();
    vec![RecordSet { rtype: RecordType::PAGE, ttl: 60, rdata }]
}

/// An operation that puts these records at an owner, made at this time by its author's node.
pub fn operation(
    (page, now): (&Governance, u64),
    key: &SecretKey,
    slot: u32,
    owner: &Owner,
    sets: Vec<RecordSet>,
) -> Body {
    let parent = page.version(&Register::Entry(owner.clone()));
    let change = Change::SetEntry(SetEntry { owner: owner.clone(), parent, sets });
    let base = page.base(&key.public(), now);
    Body::Operation(Operation { author: key.public().raw(), slot, base, change })
}

/// A ballot on these operations.
pub fn ballot(key: &SecretKey, sequence: u64, mut rows: Vec<(Id, Choice)>) -> Body {
    rows.sort_by_key(|(id, _)| *id);
    Body::Ballot(Ballot { voter: key.public().raw(), sequence, rows, reason: String::new() })
}

/// The presence of a person with another node, or with somebody to lend to.
pub fn presence(
    page: &Governance,
    key: &SecretKey,
    change: impl FnOnce(&mut Presence),
    sequence: u64,
) -> Body {
    let newest = page.presence(&key.public()).and_then(Statement::as_presence).cloned();
    let mut presence = newest.unwrap_or_else(|| Presence::new(key.public().raw(), sequence));
    presence.sequence = sequence.max(page.next_presence(&key.public()));
    change(&mut presence);
    Body::Presence(presence)
}

/// Lends all power.
pub fn lend_all(presence: &mut Presence, to: &SecretKey) {
    presence.away = vec![(to.public().raw(), ALL)];
}

/// Signs, and does not check what it signed.
pub fn sign_unchecked(page: &Id, body: &Body, key: &SecretKey) -> (Id, Vec<u8>) {
    let (kind, body) = match body {
        Body::Operation(body) => (Kind::Operation, codec::encode(body)),
        Body::Ballot(body) => (Kind::Ballot, codec::encode(body)),
        Body::Batch(body) => (Kind::Batch, codec::encode(body)),
        Body::Presence(body) => (Kind::Presence, codec::encode(body)),
    };
    let id = Id::of(kind, &body);
    (id, envelope::sign(kind, page, body, key))
}

/// A statement as it travels, with its id.
pub type Signed = (Id, Vec<u8>);

/// Ballots of many keys, which take long to sign and are the same in each run.
#[derive(Default)]
pub struct Crowd(BTreeMap<(Id, String, Id), Vec<Signed>>);

impl Crowd {
    /// The ballots by which so many keys of a person approve an operation.
    pub fn approvals(&mut self, page: &Id, person: &str, count: u32, target: &Id) -> &[Signed] {
        self.0.entry((*page, person.to_owned(), *target)).or_insert_with(|| {
            let signed = |n| {
                let key = other_key(person, n);
                sign_unchecked(page, &ballot(&key, 1, vec![(*target, Choice::Approve)]), &key)
            };
            (0..count).map(signed).collect()
        })
    }
}
