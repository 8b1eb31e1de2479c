//! Certificates: which commits prove a seal, and every way in which they do not.

use super::{sealing::*, *};
use crate::{
    governance::{
        presence::Presence,
        seal::{Certificate, CertificateRefusal::*, *},
        sealing::{SealProposal, SealRefusal},
    },
    key::RawKey,
    page::entry::Rdata,
};

fn other() -> SecretKey {
    SecretKey::from_seed(&[98; 32])
}

/// The participants of these numbers, sorted as a certificate has them.
fn seats(who: &[u8]) -> Vec<RawKey> {
    let mut keys: Vec<_> = who.iter().map(|n| key(*n).public().raw()).collect();
    keys.sort_unstable();
    keys
}

fn commit(seal: &Seal, node: &SecretKey, who: &[u8]) -> Commit {
    let signature = seal.sign(node, 0, Step::Precommit);
    Commit { node: node.public().raw(), seats: seats(who), signature }
}

fn certificate(commits: Vec<Commit>, presences: &[Statement]) -> Certificate {
    let mut commits = commits;
    commits.sort_by_key(|commit| commit.node);
    let mut presences: Vec<_> = presences.iter().map(|p| Rdata(p.bytes().into())).collect();
    presences.sort_unstable();
    Certificate { round: 0, commits, presences }
}

fn moved(page: &Governance, who: u8, to: &SecretKey) -> Statement {
    presence(page, who, |presence: &mut Presence| presence.node = vec![to.public().raw()])
}

/// What is wrong with a certificate of a proposal on a page.
fn refusal(
    page: &Governance,
    proposal: &SealProposal,
    certificate: Certificate,
) -> Option<CertificateRefusal> {
    let said = page.said();
    let find = |id: &Id| said.get(id).cloned();
    match page.admit_seal(&proposal.certified(certificate), &find) {
        Ok(_) => None,
        Err(SealRefusal::Certificate(refusal)) => Some(refusal),
        Err(other) => panic!("{other}"),
    }
}

/// A page whose five seats are sealed as the node's, with something to seal.
fn ready() -> (Governance, SealProposal) {
    let (mut page, _) = sealed(&hosted(5, 5), 100);
    let op = set(&page, 0, 0, "brick", brick(&page), a(9));
    pass(&mut page, &op, &[0, 1]);
    let proposal = page.propose(200).unwrap();
    (page, proposal)
}

/// S1 accepts: the commits of seats that hold 70 %.
/// S1 refuses: less, no seat, one counted twice, a foreign node, disorder, a wrong signature.
#[test]
fn a_certificate_is_refused_for_what_is_wrong_with_it() {
    let (page, proposal) = ready();
    let seal = &proposal.seal;
    let check = |commits: Vec<Commit>, expect| {
        let certificate = Certificate { round: 0, commits, presences: vec![] };
        assert_eq!(refusal(&page, &proposal, certificate), expect);
    };
    let (host, stranger) = (node().public(), other().public());
    check(vec![commit(seal, &node(), &[0, 1, 2, 3, 4])], None);
    check(vec![commit(seal, &node(), &[0, 1, 2, 3])], None);
    let few = NoQuorum { signed: 3, quorum: 4, total: 5 };
    check(vec![commit(seal, &node(), &[0, 1, 2])], Some(few));
    check(vec![], Some(NoQuorum { signed: 0, quorum: 4, total: 5 }));
    let participant = key(0).public();
    let foreign = OtherNode { node: stranger, participant };
    check(vec![commit(seal, &other(), &[0])], Some(foreign));
    check(vec![commit(seal, &node(), &[7])], Some(NoSeat(key(7).public())));
    check(vec![commit(seal, &node(), &[])], Some(NotSorted));
    let mut disordered = commit(seal, &node(), &[0, 1, 2, 3]);
    disordered.seats.reverse();
    check(vec![disordered], Some(NotSorted));
    let twice = commit(seal, &node(), &[0, 0, 1, 2, 3]);
    check(vec![twice], Some(NotSorted));
    let whole = commit(seal, &node(), &[0, 1, 2, 3]);
    check(vec![whole.clone(), whole.clone()], Some(NotSorted));
    for signature in [
        seal.sign(&node(), 1, Step::Precommit),
        seal.sign(&node(), 0, Step::Prevote),
        seal.sign(&other(), 0, Step::Precommit),
        Seal { time: seal.time + 1, ..seal.clone() }.sign(&node(), 0, Step::Precommit),
    ] {
        check(vec![Commit { signature, ..whole.clone() }], Some(Signature(host)));
    }
    let weak = Commit { node: RawKey([0; 32]), ..whole };
    check(vec![weak], Some(Key(crate::key::KeyRefusal::Weak)));
}

/// S1 refuses: what is enclosed and is no newer presence of this page.
#[test]
fn what_a_certificate_encloses_is_a_newer_presence_of_its_page() {
    let (page, proposal) = ready();
    let commits = || vec![commit(&proposal.seal, &node(), &[0, 1, 2, 3])];
    let check = |enclosed: &[Statement], expect| {
        let certificate = certificate(commits(), enclosed);
        assert_eq!(refusal(&page, &proposal, certificate), expect);
    };
    let newer = moved(&page, 0, &other());
    check(std::slice::from_ref(&newer), None);
    let sealed = page.sealed_presence(&key(0).public()).unwrap().clone();
    check(&[sealed], Some(OldPresence(key(0).public())));
    let foreign = moved(&self::page(3), 0, &node());
    check(&[foreign], Some(NoPresence));
    check(&[ballot(&page, 0, 9, &[(Id::ZERO, Approve)])], Some(NoPresence));
    check(&[newer.clone(), newer.clone()], Some(NotSorted));
    let mut bytes = newer.bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let forged = Certificate { round: 0, commits: commits(), presences: vec![Rdata(bytes.into())] };
    assert!(matches!(refusal(&page, &proposal, forged), Some(Presence(_))));
}

/// S2 accepts: the node of the sealed presence, or that of an enclosed newer one.
/// S2 refuses: both for one seat; and the older one once the newer is sealed.
#[test]
fn a_seat_has_two_nodes_until_its_newer_presence_is_sealed() {
    let (mut page, _) = ready();
    let newer = moved(&page, 0, &other());
    page.admit(&newer).unwrap();
    let proposal = page.propose(200).unwrap();
    let seal = &proposal.seal;
    let enclosed = std::slice::from_ref(&newer);
    let old = certificate(vec![commit(seal, &node(), &[0, 1, 2, 3])], enclosed);
    let new = [commit(seal, &node(), &[1, 2, 3]), commit(seal, &other(), &[0])];
    let both = [commit(seal, &node(), &[0, 1, 2, 3]), commit(seal, &other(), &[0])];
    let without = certificate(new.to_vec(), &[]);
    let foreign = OtherNode { node: other().public(), participant: key(0).public() };
    assert_eq!(refusal(&page, &proposal, old), None);
    assert_eq!(refusal(&page, &proposal, certificate(new.to_vec(), enclosed)), None);
    assert_eq!(refusal(&page, &proposal, without), Some(foreign));
    let both = refusal(&page, &proposal, certificate(both.to_vec(), enclosed));
    assert_eq!(both, Some(SeatTwice(key(0).public())));

    let (mut page, _) = sealed(&page, 200);
    let op = set(&page, 0, 0, "fresh", origin(&page, "fresh"), a(9));
    pass(&mut page, &op, &[0, 1]);
    let proposal = page.propose(300).unwrap();
    let seal = &proposal.seal;
    let old = certificate(vec![commit(seal, &node(), &[0, 1, 2, 3])], &[]);
    let foreign = OtherNode { node: node().public(), participant: key(0).public() };
    assert_eq!(refusal(&page, &proposal, old), Some(foreign));
    let new = vec![commit(seal, &node(), &[1, 2, 3]), commit(seal, &other(), &[0])];
    assert_eq!(refusal(&page, &proposal, certificate(new, &[])), None);
}

/// S3 refuses: a quorum that is missing by one unit of power.
#[test]
fn the_quorum_is_exact_to_one_unit_of_power() {
    for (first, is_enough) in [(6_999, false), (7_000, true), (7_001, true)] {
        let roster = roster_rows([(key(0).public(), first), (key(1).public(), 10_000 - first)]);
        let raw = RawGenesis::new(name(), roster, Parameters::default(), 1, Id::ZERO);
        let mut page = Governance::new(Page::found(raw, []).unwrap().0);
        (0..2).for_each(|who| drop(page.admit(&moved(&page, who, &node())).unwrap()));
        let enclosed: Vec<_> = page.presences.values().cloned().collect();
        let proposal = page.propose(100).unwrap();
        let commits = vec![commit(&proposal.seal, &node(), &[0])];
        let refused = refusal(&page, &proposal, certificate(commits, &enclosed));
        let few = NoQuorum { signed: first.into(), quorum: 7_000, total: 10_000 };
        assert_eq!(refused, (!is_enough).then_some(few));
    }
}
