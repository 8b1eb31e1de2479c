//! A page whose seats are held by one node: it seals alone (S7).
//!
//! The same proposal, the same votes, the same certificate as with many hosts; only that the quorum
//! is already in one place.

use super::{
    seal::{Certificate, Commit, SealRecord, Step, quorum},
    sealing::{SealProposal, Unready},
    *,
};
use crate::{key::SecretKey, page::entry::Rdata};

/// Why this node does not seal a page alone (S8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAlone {
    #[error("this node holds no seat")]
    NoSeat,
    #[error("this node's seats hold {held} of {total} power, and a seal takes {quorum}")]
    NoQuorum { held: u64, quorum: u64, total: u64 },
    #[error(transparent)]
    Unready(#[from] Unready),
}

impl Governance {
    /// The participants whose newest presence names this node: their seats are its to sign for
    /// (S2).
    pub fn seats_of(&self, node: &PublicKey) -> Vec<PublicKey> {
        let names = |presence: &Statement| presence.as_presence()?.node();
        let newest = self.presences.values();
        let sealed = self
            .sealed_presences
            .iter()
            .filter(|(key, _)| !self.presences.contains_key(*key))
            .map(|(_, presence)| presence);
        let mut seats: Vec<PublicKey> = newest
            .chain(sealed)
            .filter(|presence| names(presence).as_ref() == Some(node))
            .map(Statement::author)
            .collect();
        seats.sort_unstable();
        seats
    }

    /// Seals the page with the seats that `node` holds, at `clock`.
    ///
    /// # Errors
    /// [`NotAlone`].
    pub fn seal_alone(
        &self,
        node: &SecretKey,
        clock: u64,
    ) -> Result<(SealRecord, SealProposal), NotAlone> {
        let seats = self.seats_of(&node.public());
        if seats.is_empty() {
            return Err(NotAlone::NoSeat);
        }
        let roster = self.page.roster();
        let held = seats.iter().filter_map(|seat| roster.power(seat)).map(u64::from).sum();
        let total = roster.total();
        let quorum = quorum(self.page.parameters().track2_bp, total);
        if held < quorum {
            return Err(NotAlone::NoQuorum { held, quorum, total });
        }
        let proposal = self.propose(clock)?;
        let certificate = self.certificate(node, &seats, &proposal);
        Ok((proposal.certified(certificate), proposal))
    }

    fn certificate(
        &self,
        node: &SecretKey,
        seats: &[PublicKey],
        proposal: &SealProposal,
    ) -> Certificate {
        let newer = seats.iter().filter_map(|seat| self.presences.get(seat));
        let mut presences: Vec<Rdata> =
            newer.map(|presence| Rdata(presence.bytes().into())).collect();
        presences.sort_unstable();
        let round = 0;
        let signature = proposal.seal.sign(node, round, Step::Precommit);
        let seats = seats.iter().map(PublicKey::raw).collect();
        let commits = vec![Commit { node: node.public().raw(), seats, signature }];
        Certificate { round, commits, presences }
    }
}
