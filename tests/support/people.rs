//! People who sign: operations, ballots and batches with the demonstration's public keys.
//!
//! What becomes of the statements is not known here.

// Each test crate uses a part of this.
#![allow(dead_code, reason = "tests and a bench share it, and each uses a part")]

use std::net::Ipv4Addr;

use djdns::{
    control::request::Request,
    demo,
    governance::{
        ballot::{Ballot, Batch, Choice},
        operation::{Change, Operation, SetEntry},
        statement::{Body, Statement},
    },
    id::Id,
    key::{PublicKey, SecretKey},
    page::{
        Page, RawPage,
        entry::{Rdata, RecordSet, RecordSets},
        genesis::{Parameters, RawGenesis},
        name::{Name, Owner},
        record::RecordType,
        roster_rows,
    },
};

pub fn key(person: &str) -> SecretKey {
    demo::key(person).expect("somebody of the demonstration")
}

pub fn public(person: &str) -> PublicKey {
    key(person).public()
}

/// An address for each number.
pub fn address(n: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000 + n % 0x0100_0000)
}

/// A proposal that `owner` has this address, against the version `parent`.
pub fn proposal(
    page: &Id,
    person: &str,
    slot: u32,
    owner: &Owner,
    parent: Id,
    address: Ipv4Addr,
) -> Statement {
    let rdata = vec![Rdata(address.octets().into())];
    let sets = vec![RecordSet { rtype: RecordType::A, ttl: 60, rdata }];
    let change = Change::SetEntry(SetEntry { owner: owner.clone(), parent, sets });
    let key = key(person);
    // At height 0 the page is its own seal (P6).
    let operation = Operation { author: key.public().raw(), slot, base: *page, change };
    sign(page, Body::Operation(operation), &key)
}

pub fn approval(page: &Id, person: &str, sequence: u64, target: &Id) -> Statement {
    let key = key(person);
    let rows = vec![(*target, Choice::Approve)];
    let ballot = Ballot { voter: key.public().raw(), sequence, rows, reason: String::new() };
    sign(page, Body::Ballot(ballot), &key)
}

pub fn batch(page: &Id, person: &str, slot: u32, mut operations: Vec<Id>) -> Statement {
    operations.sort();
    let key = key(person);
    let batch = Batch { author: key.public().raw(), slot, base: *page, operations };
    sign(page, Body::Batch(batch), &key)
}

fn sign(page: &Id, body: Body, key: &SecretKey) -> Statement {
    Statement::sign(page, body, key).expect("it is well formed")
}

pub fn submission(statements: &[&Statement]) -> Request {
    let bytes = |statement: &&Statement| Rdata(statement.bytes().into());
    Request::Submit { statements: statements.iter().map(bytes).collect() }
}

/// A page of its own with these addresses, moderated by the whole demonstration.
pub fn found(name: &str, contents: impl IntoIterator<Item = (Owner, Ipv4Addr)>) -> (Page, RawPage) {
    let name = Name::parse(name).expect("a name");
    let roster = roster_rows(demo::NAMES.map(|person| (public(person), 1)));
    let salt = Id::hash(&[b"a test's page", name.wire()]);
    let genesis = RawGenesis::new(name.clone(), roster, Parameters::default(), 1_795_132_800, salt);
    let entries = contents.into_iter().map(|(owner, address)| {
        let record = (RecordType::A, 3600, address.octets().to_vec());
        let sets = RecordSets::gather([record], &owner, &name).expect("an address fits anywhere");
        (owner, sets)
    });
    Page::found(genesis, entries).expect("the contents are in order")
}

/// The request that hands a founded page over; [`Request::Commit`] follows.
pub fn staging(raw: RawPage) -> Request {
    Request::Stage {
        genesis: Some(Rdata(raw.genesis.into())),
        entries: raw.entries.into_iter().map(Rdata).collect(),
        said: Vec::new(),
    }
}
