//! Seals: the numbered records of a page's state, and who committed to each (S1, S2).
//!
//! Here are the records, the exact quorum, and what makes a certificate one. What a seal may
//! contain is [`super::sealing`]'s; who proposes which when, in rounds, is the engine's.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    presence::Presence,
    statement::{Statement, StatementRefusal},
};
use crate::{
    id::{Id, Kind},
    key::{KeyRefusal, PublicKey, RawKey, SecretKey, Signature},
    limits::{BASIS_POINTS, SEAL_BYTES_MAX},
    page::{
        Head, Page,
        codec::{self, CodecRefusal},
        entry::Rdata,
    },
};

/// A seal: what its id is the hash of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    pub page: Id,
    pub height: u64,
    /// The id of the seal below; at height 1 the page id.
    pub previous: Id,
    /// Seconds since 1970 (UTC).
    pub time: u64,
    /// The root of the state after it (P9).
    pub state_root: Id,
    /// The hash of [`Contents`].
    pub contents: Id,
}

/// The statements that a seal applies, by their ids (S4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// Sorted.
    pub presences: Vec<Id>,
    /// In the order in which they apply.
    pub operations: Vec<Id>,
    /// What the operations rest on: batches and ballots, sorted.
    pub batches: Vec<Id>,
    pub ballots: Vec<Id>,
}

/// A node's commit to a seal, for the seats that it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    pub node: RawKey,
    /// The participants whose seats these are, sorted.
    pub seats: Vec<RawKey>,
    pub signature: Signature,
}

/// Who committed to a seal (S1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The round of consensus in which it was committed.
    pub round: u32,
    /// Sorted by node.
    pub commits: Vec<Commit>,
    /// Signed presences that it relies on and that were not sealed below, sorted.
    pub presences: Vec<Rdata>,
}

/// A seal with everything that proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealRecord {
    pub seal: Seal,
    pub contents: Contents,
    pub certificate: Certificate,
}

/// The steps in which nodes vote (S3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    Prevote = 1,
    Precommit = 2,
}

/// Why a certificate does not prove its seal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateRefusal {
    #[error("a key of the certificate: {0}")]
    Key(#[from] KeyRefusal),
    #[error("the commits, or the seats of one, are not sorted or appear twice")]
    NotSorted,
    #[error("the seat of {0} is counted twice")]
    SeatTwice(PublicKey),
    #[error("{0} has no seat")]
    NoSeat(PublicKey),
    #[error("the node {node} does not seal for {participant}")]
    OtherNode { node: PublicKey, participant: PublicKey },
    #[error("the commit of the node {0} is not signed by it")]
    Signature(PublicKey),
    #[error("an enclosed presence: {0}")]
    Presence(#[from] StatementRefusal),
    #[error("something is enclosed that is no presence of this page")]
    NoPresence,
    #[error("an enclosed presence of {0} was said before it left and came back")]
    BeforeJoining(PublicKey),
    #[error("an enclosed presence of {0} is no newer than the sealed one")]
    OldPresence(PublicKey),
    #[error("the seats that signed hold {signed} of {total} power; a seal takes {quorum}")]
    NoQuorum { signed: u64, quorum: u64, total: u64 },
}

/// The least power that commits a seal: `ceil(track2_bp * T / 10000)` (S3).
pub fn quorum(track2_bp: u16, total: u64) -> u64 {
    // T < 2^31 and bp <= 10000 leave the product far below 2^64.
    (u64::from(track2_bp) * total).div_ceil(u64::from(BASIS_POINTS))
}

/// The least power whose votes of a later round show that one's own is over: `T - q + 1` (S3).
pub fn round_skip(track2_bp: u16, total: u64) -> u64 {
    total - quorum(track2_bp, total) + 1
}

impl Seal {
    /// The seal's id.
    pub fn id(&self) -> Id {
        Id::of(Kind::Seal, &codec::encode(self))
    }

    /// The place that it has in the chain.
    pub fn head(&self) -> Head {
        Head { height: self.height, seal: self.id(), time: self.time }
    }

    /// A node's vote on it.
    pub fn sign(&self, node: &SecretKey, round: u32, step: Step) -> Signature {
        node.sign(Kind::Vote, &self.page, &self.vote(round, step))
    }

    fn vote(&self, round: u32, step: Step) -> Vec<u8> {
        codec::encode(&(self.height, round, step as u8, self.id()))
    }
}

impl Contents {
    /// What the seal names.
    pub fn root(&self) -> Id {
        Id::hash(&[b"djdns/1/contents/", &codec::encode(self)])
    }

    /// The ids of everything that it rests on.
    pub fn ids(&self) -> impl Iterator<Item = &Id> {
        [&self.presences, &self.operations, &self.batches, &self.ballots].into_iter().flatten()
    }

    /// Whether nothing is applied: then only time goes on.
    pub fn is_empty(&self) -> bool {
        self.presences.is_empty() && self.operations.is_empty()
    }
}

impl SealRecord {
    /// The bytes that are stored and handed on.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a record in its one encoding; nothing of it is proved by that.
    ///
    /// # Errors
    /// [`CodecRefusal`].
    pub fn decode(bytes: &[u8]) -> Result<SealRecord, CodecRefusal> {
        codec::decode(bytes, SEAL_BYTES_MAX)
    }
}

/// Of those who take part: the operation by which they do, none of a founder.
type JoinedBy<'a> = dyn Fn(&PublicKey) -> Option<Option<Id>> + 'a;

/// Whose node seals for whom: the seats of one height (S2).
pub struct Seats<'a> {
    joined_by: Box<JoinedBy<'a>>,
    sealed: &'a dyn Fn(&PublicKey) -> Option<Statement>,
    enclosed: BTreeMap<PublicKey, Statement>,
}

impl<'a> Seats<'a> {
    /// The seats of those who take part, by whatever shows it, and their sealed presences.
    pub fn new(
        joined_by: impl Fn(&PublicKey) -> Option<Option<Id>> + 'a,
        sealed: &'a dyn Fn(&PublicKey) -> Option<Statement>,
    ) -> Seats<'a> {
        Seats { joined_by: Box::new(joined_by), sealed, enclosed: BTreeMap::new() }
    }

    /// The same with presences that are not sealed yet. Both are acceptable until the newer is.
    ///
    /// # Errors
    /// What is no newer presence of this page.
    pub fn enclose(mut self, page: &Id, presences: &[Rdata]) -> Result<Self, CertificateRefusal> {
        if !presences.is_sorted_by(|a, b| a < b) {
            return Err(CertificateRefusal::NotSorted);
        }
        for bytes in presences {
            let statement = Statement::admit(&bytes.0)?;
            let Some(presence) = statement.as_presence().filter(|_| statement.page() == *page)
            else {
                return Err(CertificateRefusal::NoPresence);
            };
            let author = statement.author();
            let joined_by = presence.joined_by.first().copied();
            if (self.joined_by)(&author).is_some_and(|joined| joined != joined_by) {
                return Err(CertificateRefusal::BeforeJoining(author));
            }
            let sealed = (self.sealed)(&author);
            let sequence = sealed.as_ref().and_then(Statement::as_presence).map(|p| p.sequence);
            if sequence >= Some(presence.sequence) {
                return Err(CertificateRefusal::OldPresence(author));
            }
            self.enclosed.insert(author, statement);
        }
        Ok(self)
    }

    /// Whether `node` may sign for the seat of `participant`.
    pub fn holds(&self, node: &PublicKey, participant: &PublicKey) -> bool {
        let names = |statement: &Statement| {
            statement.as_presence().is_some_and(|presence| presence.node == [node.raw()])
        };
        self.enclosed.get(participant).is_some_and(names)
            || (self.sealed)(participant).is_some_and(|sealed| names(&sealed))
    }
}

impl Certificate {
    /// The participants whose seats it says signed, sorted; nothing is checked.
    pub fn seats(&self) -> Vec<PublicKey> {
        let seats = self.commits.iter().flat_map(|commit| &commit.seats);
        let mut seats: Vec<PublicKey> =
            seats.filter_map(|seat| PublicKey::admit(*seat).ok()).collect();
        seats.sort_unstable();
        seats
    }

    /// Checks that seats with enough power committed to `seal`, each once, through their nodes.
    /// `page` is the page as sealed below; `sealed` gives its sealed presences. Returns the
    /// participants whose seats signed.
    ///
    /// # Errors
    /// The first [`CertificateRefusal`] found.
    pub fn check(
        &self,
        seal: &Seal,
        page: &Page,
        sealed: &dyn Fn(&PublicKey) -> Option<Statement>,
    ) -> Result<BTreeSet<PublicKey>, CertificateRefusal> {
        let roster = page.roster();
        let joined_by = |key: &PublicKey| page.seat(key).map(|seat| seat.joined_by);
        let seats = Seats::new(joined_by, sealed).enclose(&seal.page, &self.presences)?;
        let signers = self.signers(seal, &seats)?;
        let signed = signers.iter().filter_map(|key| roster.power(key)).map(u64::from).sum();
        let total = roster.total();
        let quorum = quorum(page.parameters().track2_bp, total);
        if signed < quorum {
            return Err(CertificateRefusal::NoQuorum { signed, quorum, total });
        }
        Ok(signers)
    }

    /// The participants whose seats signed, each through a node that holds it.
    ///
    /// # Errors
    /// The first [`CertificateRefusal`] found; whether they are enough is not asked here.
    pub fn signers(
        &self,
        seal: &Seal,
        seats: &Seats,
    ) -> Result<BTreeSet<PublicKey>, CertificateRefusal> {
        if !self.commits.is_sorted_by(|a, b| a.node < b.node) {
            return Err(CertificateRefusal::NotSorted);
        }
        let vote = seal.vote(self.round, Step::Precommit);
        let mut signers = BTreeSet::new();
        for commit in &self.commits {
            let node = PublicKey::admit(commit.node)?;
            if commit.seats.is_empty() || !commit.seats.is_sorted_by(|a, b| a < b) {
                return Err(CertificateRefusal::NotSorted);
            }
            for seat in &commit.seats {
                let participant = PublicKey::admit(*seat)?;
                if (seats.joined_by)(&participant).is_none() {
                    return Err(CertificateRefusal::NoSeat(participant));
                }
                if !seats.holds(&node, &participant) {
                    return Err(CertificateRefusal::OtherNode { node, participant });
                }
                if !signers.insert(participant) {
                    return Err(CertificateRefusal::SeatTwice(participant));
                }
            }
            node.verify(Kind::Vote, &seal.page, &vote, &commit.signature)
                .map_err(|_| CertificateRefusal::Signature(node))?;
        }
        Ok(signers)
    }
}

impl Presence {
    /// The node that seals for this seat. Its key was admitted with the presence: computing its point
    /// anew for each of a hundred thousand seats would take a second.
    pub fn node(&self) -> Option<PublicKey> {
        Some(PublicKey::admitted_before(*self.node.first()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::genesis::reaches;

    /// S3 accepts: exactly the quorum, at every total up to a thousand and every allowed threshold
    /// of interest.
    /// S3 refuses: one less.
    #[test]
    fn the_quorum_is_exact_at_every_total() {
        for bp in [6666, 6667, 7000, 7001, 9999, 10_000] {
            for total in 1..=1000u64 {
                let q = quorum(bp, total);
                assert!(reaches(q.into(), bp, total.into()), "{bp} {total}");
                assert!(!reaches(u128::from(q) - 1, bp, total.into()), "{bp} {total}");
                assert!(q <= total);
                // Whoever is left cannot commit anything else, and skipping a round takes one more
                // than can be missing from a quorum.
                assert_eq!(round_skip(bp, total), total - q + 1);
                // Two quorums overlap in at least 2q - T: this much must lie for a fork.
                assert!(2 * q - total >= 1, "{bp} {total}");
            }
        }
        assert_eq!(quorum(7000, 5), 4);
        assert_eq!(quorum(7000, 10), 7);
        assert_eq!(quorum(6666, 3), 2);
        assert_eq!(quorum(10_000, (1 << 31) - 1), (1 << 31) - 1);
    }
}
