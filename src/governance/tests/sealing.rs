//! Stories of seals on a page whose seats one node holds.

use super::*;
use crate::governance::{
    past::Outcome,
    presence::Presence,
    seal::{CertificateRefusal, SealRecord},
    sealing::{SealRefusal, Unready},
    solo::NotAlone,
};

/// The node that seals.
fn node() -> SecretKey {
    SecretKey::from_seed(&[99; 32])
}

fn presence(page: &Governance, who: u8, change: impl FnOnce(&mut Presence)) -> Statement {
    let who = key(who);
    let sequence = page.next_presence(&who.public());
    let mut presence = Presence::new(who.public().raw(), sequence);
    change(&mut presence);
    Statement::sign(&page.page().id(), Body::Presence(presence), &who).unwrap()
}

/// A page of equals of whom so many name the node.
fn hosted(participants: u8, seats: u8) -> Governance {
    let mut page = page(participants);
    for who in 0..seats {
        let host = presence(&page, who, |presence| presence.node = vec![node().public().raw()]);
        page.admit(&host).unwrap();
    }
    page
}

/// The page under the seal that its node makes at `clock`, and the seal.
fn sealed(page: &Governance, clock: u64) -> (Governance, SealRecord) {
    let (record, proposal) = page.seal_alone(&node(), clock).unwrap();
    let said = page.said();
    let find = |id: &Id| said.get(id).cloned();
    let (alone, owners) = page.sealed(&proposal, &find);
    // Whoever is handed the record checks everything, and comes to the same page.
    let (admitted, same_owners) = page.admit_seal(&record, &find).unwrap();
    assert_eq!(picture(&alone), picture(&admitted));
    assert_eq!(owners, same_owners);
    let (reopened, _) = page.reopen_seal(&record, &find).unwrap();
    assert_eq!(picture(&alone), picture(&reopened));
    assert_eq!(SealRecord::decode(&record.encode()).as_ref(), Ok(&record));
    invariant_tallies_and_walks(&alone);
    (alone, record)
}

/// Admits an operation with the approval of these.
fn pass(page: &mut Governance, operation: &Statement, voters: &[u8]) {
    page.admit(operation).unwrap();
    vote(page, operation, voters, Approve);
}

fn vote(page: &mut Governance, operation: &Statement, voters: &[u8], choice: Choice) {
    for voter in voters {
        let sequence = page.next_sequence(&key(*voter).public());
        page.admit(&ballot(page, *voter, sequence, &[(operation.id(), choice)])).unwrap();
    }
}

/// S1 accepts: a seal, its certificate, and the state after it.
/// S6 accepts: a seal once there is something to seal and the interval has passed.
/// S7 accepts: a node that holds enough seats seals alone.
/// G10 accepts: what was sealed is closed, and the page goes on from there.
#[test]
fn what_was_ratified_becomes_final_under_a_seal() {
    let mut page = hosted(5, 4);
    let op = set(&page, 0, 0, "brick", brick(&page), a(9));
    pass(&mut page, &op, &[0, 1]);
    assert_eq!(page.ratified(&owner("brick")), (a(9), true));
    assert_eq!(page.seal_alone(&node(), 30).err(), Some(Unready::TooEarly(61).into()));
    let (page, record) = sealed(&page, 100);
    assert_eq!(record.seal.height, 1);
    assert_eq!(record.contents.operations, [op.id()]);
    assert_eq!(page.page().head(), record.seal.head());
    assert_eq!(page.ratified(&owner("brick")), (a(9), false));
    assert_eq!(page.version(&Register::Entry(owner("brick"))), op.id());
    assert_eq!(page.outcome(&op.id()), Some(Outcome::Sealed(1)));
    assert_eq!(page.proposals().count(), 0);
    assert_eq!(page.seal_alone(&node(), 1000).err(), Some(Unready::Nothing.into()));
    assert_eq!(page.free_slots(&key(0).public(), 1), [0]);
}
