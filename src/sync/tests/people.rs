//! A page and what its participants say, for the stories beside this file.

use crate::{
    governance::{
        Governance,
        ballot::{Ballot, Choice},
        operation::{Change, Operation, SetEntry},
        presence::Presence,
        statement::{Body, Statement},
    },
    id::Id,
    key::SecretKey,
    page::{
        Page,
        entry::RecordSets,
        genesis::{Parameters, RawGenesis},
        name::{Name, Owner},
        record::RecordType,
        roster_rows,
    },
};

use super::town::{BEGIN, node_key};

pub fn person(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n + 1; 32])
}

pub fn name() -> Name {
    Name::parse("ff.ct").unwrap()
}

pub fn owner(text: &str) -> Owner {
    Owner::parse(text, &name()).unwrap()
}

pub fn a(last: u8) -> RecordSets {
    let record = (RecordType::A, 60, vec![192, 0, 2, last]);
    RecordSets::gather([record], &owner("x"), &name()).unwrap()
}

fn raw(demonstration: bool) -> RawGenesis {
    let roster = roster_rows((0..5).map(|n| (person(n).public(), 1)));
    let mut raw = RawGenesis::new(name(), roster, Parameters::default(), BEGIN - 10_000, Id::ZERO);
    raw.demonstration = demonstration;
    raw
}

/// A page of five with so many entries.
pub fn page(entries: usize) -> Governance {
    let contents = (0..entries).map(|n| (owner(&format!("e{n}")), a(n as u8)));
    Governance::new(Page::found(raw(false), contents).unwrap().0)
}

pub fn demonstration() -> Governance {
    Governance::new(Page::found(raw(true), [(owner("x"), a(1))]).unwrap().0)
}

/// The presences by which the first house's node seals for everybody.
pub fn hosting(page: &Governance) -> Vec<Statement> {
    (0..5).map(|n| host(page, n, 1)).collect()
}

/// The presence of somebody for whom the first house's node seals.
pub fn host(page: &Governance, who: u8, sequence: u64) -> Statement {
    let mut presence = Presence::new(person(who).public().raw(), sequence);
    presence.node = vec![node_key(0).public().raw()];
    Statement::sign(&page.page().id(), Body::Presence(presence), &person(who)).unwrap()
}

/// A proposal that this owner have this address.
pub fn proposal(page: &Governance, author: u8, slot: u32, at: &str, to: u8) -> Statement {
    let parent = page.page().version(&owner(at));
    let change = SetEntry { owner: owner(at), parent, sets: a(to).into_vec() };
    let (author, base) = (person(author), page.page().seal());
    let change = Change::SetEntry(change);
    let operation = Operation { author: author.public().raw(), slot, base, change };
    Statement::sign(&page.page().id(), Body::Operation(operation), &author).unwrap()
}

pub fn approval(page: &Governance, voter: u8, sequence: u64, of: &[Id]) -> Statement {
    ballot(page, voter, sequence, of, "")
}

pub fn ballot(page: &Governance, voter: u8, sequence: u64, of: &[Id], reason: &str) -> Statement {
    let mut rows: Vec<_> = of.iter().map(|id| (*id, Choice::Approve)).collect();
    rows.sort_unstable();
    let voter = person(voter);
    let reason = reason.to_owned();
    let ballot = Ballot { voter: voter.public().raw(), sequence, rows, reason };
    Statement::sign(&page.page().id(), Body::Ballot(ballot), &voter).unwrap()
}

/// Proposals with approvals of two: enough of each kind to compare.
pub fn talk(page: &Governance, count: u32) -> Vec<Statement> {
    let mut said = Vec::new();
    for n in 0..count {
        let author = (n % 5) as u8;
        let proposal = proposal(page, author, n / 5, &format!("new{n}"), n as u8);
        let id = proposal.id();
        said.push(proposal);
        for voter in 0..2u8 {
            let sequence = u64::from(n) + 1;
            said.push(approval(page, voter, sequence, &[id]));
        }
    }
    said
}

/// The presence of somebody who is away until then.
pub fn away(page: &Governance, who: u8, sequence: u64, until: u64) -> Statement {
    let who = person(who);
    let mut presence = Presence::new(who.public().raw(), sequence);
    (presence.away, presence.until) = (vec![(person(0).public().raw(), 10_000)], until);
    Statement::sign(&page.page().id(), Body::Presence(presence), &who).unwrap()
}
