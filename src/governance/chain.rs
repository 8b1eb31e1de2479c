//! Chains of certificates: a later seal checked from an earlier one, without what lies between (T1).
//!
//! Who committed to the later seal must be trusted already: its signers hold `track2_bp` among the
//! participants of the seal known, and of the seal right below, which decide about it (S2). Both are
//! shown by excerpts of the states that those seals name. When too few of the signers were there
//! before, a seal half way is checked first. Nothing is replayed here, and where the proofs come
//! from is not known: a page's own log, or a peer that may lie.
//!
//! The state below is only claimed by whoever shows it. So nothing in it is believed but what a
//! participant signed itself: that this node seals for it, and in no older presence than the one
//! that was sealed before.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    seal::{Certificate, CertificateRefusal, Seal, SealRecord, Seats, quorum},
    statement::{Statement, StatementRefusal},
};
use crate::{
    id::Id,
    key::PublicKey,
    limits::CHAIN_PROOF_BYTES_MAX,
    page::{
        Head, Page, Roll, RollRefusal, Seat,
        codec::{self, CodecRefusal},
        genesis::{Genesis, ParameterRefusal},
        trie::Excerpt,
    },
};

pub mod ladder;

/// A seal that is trusted, or the genesis, and the state that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub page: Id,
    pub head: Head,
    pub state_root: Id,
}

/// What shows a seal to whoever knows an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainProof {
    pub seal: Seal,
    pub certificate: Certificate,
    /// Those who signed, under the state of the known seal.
    pub known: Excerpt,
    /// The seal right below, and those who signed under its state. Nothing: it is the known one.
    pub below: Vec<(Seal, Excerpt)>,
}

/// Why a seal is not shown by a proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainRefusal {
    #[error("the proof's encoding: {0}")]
    Codec(#[from] CodecRefusal),
    #[error("nobody shows the seal at height {0}")]
    Missing(u64),
    #[error("it is of the page {0}, not of this one")]
    OtherPage(Id),
    #[error("the seal has height {found}, and height {wanted} was asked for")]
    OtherHeight { found: u64, wanted: u64 },
    #[error("it follows the seal {named}, and the one shown as that is {shown}")]
    OtherPrevious { named: Id, shown: Id },
    #[error("it has height {height}, and the seal below, height {below}")]
    Height { height: u64, below: u64 },
    #[error("its time {time} is not after that of the seal below, {below}")]
    NotAfter { time: u64, below: u64 },
    #[error("those who decide under the seal at height {height} are not shown: {why}")]
    Roll { height: u64, why: RollRefusal },
    #[error("the parameters under the seal at height {height}: {why}")]
    Parameters { height: u64, why: ParameterRefusal },
    #[error("the sealed presence of {participant}: {why}")]
    Presence { participant: PublicKey, why: StatementRefusal },
    #[error("what is shown as the presence of {0} is none of its own on this page")]
    NoPresence(PublicKey),
    #[error("its certificate: {0}")]
    Certificate(#[from] CertificateRefusal),
    #[error(
        "of its signers, those who took part at height {height} hold {signed} of {total} power, and \
         it takes {quorum}"
    )]
    TooFewKnown { height: u64, signed: u64, quorum: u64, total: u64 },
}

/// A chain of certificates that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The newest seal.
    pub newest: Known,
    /// Certificates that held: the newest seal's, and those on the way to it.
    pub certificates: usize,
    /// Proofs that were looked at, those from too far away included.
    pub proofs: usize,
}

/// Shows the seal at a height to whoever knows an earlier one; `None` when it cannot.
pub type Source<'a> = &'a mut dyn FnMut(&Known, u64) -> Option<ChainProof>;

impl Known {
    /// The genesis, whose id is the page id: what an anchor trusts (T2).
    pub fn genesis(genesis: &Genesis) -> Known {
        let (page, raw) = (genesis.id(), genesis.raw());
        let head = Head { height: 0, seal: page, time: raw.created };
        Known { page, head, state_root: raw.state_root }
    }

    /// A seal that was checked before.
    pub fn seal(seal: &Seal) -> Known {
        Known { page: seal.page, head: seal.head(), state_root: seal.state_root }
    }
}

impl ChainProof {
    /// Shows a sealed record to whoever knows the page as it was at `known`. `below` is the page
    /// under the seal right below the record's, with that seal; `None`: it is the known page.
    pub fn new(record: &SealRecord, known: &Page, below: Option<(&Seal, &Page)>) -> ChainProof {
        let signers = record.certificate.seats();
        let roll = |page: &Page| page.roll(&signers);
        ChainProof {
            seal: record.seal.clone(),
            certificate: record.certificate.clone(),
            known: roll(known),
            below: below.into_iter().map(|(seal, page)| (seal.clone(), roll(page))).collect(),
        }
    }

    /// The bytes that are handed on.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a proof in its one encoding, of at most [`CHAIN_PROOF_BYTES_MAX`]; nothing is proved by
    /// that.
    ///
    /// # Errors
    /// [`CodecRefusal`].
    pub fn decode(bytes: &[u8]) -> Result<ChainProof, CodecRefusal> {
        codec::decode(bytes, CHAIN_PROOF_BYTES_MAX)
    }

    /// Checks that the seal follows from the known one. It takes time in proportion to the proof's
    /// bytes, one signature for each presence and each node.
    ///
    /// # Errors
    /// [`ChainRefusal::TooFewKnown`] when the known seal is too far away; anything else is a fault of
    /// whoever made the proof.
    pub fn check(&self, known: &Known) -> Result<Known, ChainRefusal> {
        let below = self.below.first().map(|(seal, excerpt)| (seal, excerpt));
        self.judge(known, below, || read(&self.known, known))
    }

    /// Checks that the seal follows from the known one, by those who `stood` there. `below` is the seal
    /// right below with those who signed; none: it is the known one.
    fn judge(
        &self,
        known: &Known,
        below: Option<(&Seal, &Excerpt)>,
        stood: impl FnOnce() -> Result<Standing, ChainRefusal>,
    ) -> Result<Known, ChainRefusal> {
        let seal = &self.seal;
        if seal.page != known.page {
            return Err(ChainRefusal::OtherPage(seal.page));
        }
        let place = self.place(known, below.map(|(seal, _)| seal))?;
        let before = stood()?;
        let Some((_, excerpt)) = below else {
            self.signers(&before)?;
            return Ok(Known::seal(seal));
        };
        let deciding = read(excerpt, &place)?;
        let signers = self.signers(&deciding)?;
        let trusted = signers.iter().filter(|key| before.sealed_before(&deciding, key));
        let signed = before.roll.power(trusted);
        let (quorum, total) = (before.roll.quorum(), before.roll.total);
        if signed < quorum {
            let height = known.head.height;
            return Err(ChainRefusal::TooFewKnown { height, signed, quorum, total });
        }
        Ok(Known::seal(seal))
    }

    /// The seal right below: one that was shown, above the known one, or the known one itself.
    fn place(&self, known: &Known, below: Option<&Seal>) -> Result<Known, ChainRefusal> {
        let seal = &self.seal;
        let below = match below {
            None => *known,
            Some(below) if below.page != known.page => {
                return Err(ChainRefusal::OtherPage(below.page));
            }
            Some(below) => {
                follows(below.height, below.time, &known.head)?;
                Known::seal(below)
            }
        };
        if seal.previous != below.head.seal {
            let (named, shown) = (seal.previous, below.head.seal);
            return Err(ChainRefusal::OtherPrevious { named, shown });
        }
        if Some(seal.height) != below.head.height.checked_add(1) {
            return Err(ChainRefusal::Height { height: seal.height, below: below.head.height });
        }
        follows(seal.height, seal.time, &below.head)?;
        Ok(below)
    }

    /// The participants whose seats signed, who must be enough among those who decide.
    fn signers(&self, deciding: &Standing) -> Result<BTreeSet<PublicKey>, ChainRefusal> {
        let sealed = |key: &PublicKey| deciding.presences.get(key).cloned();
        let seats = Seats::new(|key| deciding.joined_by(key), &sealed);
        let seats = seats.enclose(&self.seal.page, &self.certificate.presences)?;
        let signers = self.certificate.signers(&self.seal, &seats)?;
        let signed = deciding.roll.power(&signers);
        let (quorum, total) = (deciding.roll.quorum(), deciding.roll.total);
        if signed < quorum {
            return Err(CertificateRefusal::NoQuorum { signed, quorum, total }.into());
        }
        Ok(signers)
    }
}

/// Checks the seal at height `newest` from a known one, with as few certificates as the changes of
/// participants allow: what is too far away is checked from half way. Each proof that holds brings
/// it nearer, and between two of those at most 64 are looked at in vain.
///
/// # Errors
/// [`ChainRefusal`]: what is wrong with a proof that the source gave.
pub fn verify_chain(known: Known, newest: u64, source: Source) -> Result<Chain, ChainRefusal> {
    let mut chain = Chain { newest: known, certificates: 0, proofs: 0 };
    let mut wanted: Vec<u64> = Vec::new();
    if newest > known.head.height {
        wanted.push(newest);
    }
    while let Some(height) = wanted.last().copied() {
        let from = chain.newest.head.height;
        let proof = source(&chain.newest, height).ok_or(ChainRefusal::Missing(height))?;
        if proof.seal.height != height {
            let found = proof.seal.height;
            return Err(ChainRefusal::OtherHeight { found, wanted: height });
        }
        chain.proofs += 1;
        match proof.check(&chain.newest) {
            Ok(next) => {
                chain.newest = next;
                chain.certificates += 1;
                wanted.pop();
            }
            // Of two seals that follow one another the lower one's participants are the deciding
            // ones: there too few are a certificate without a quorum, refused below.
            Err(ChainRefusal::TooFewKnown { .. }) if height - from > 1 => {
                wanted.push(from + (height - from) / 2);
            }
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(chain)
}

/// What is shown of those who decide under one seal.
struct Standing {
    roll: Roll,
    presences: std::collections::BTreeMap<PublicKey, Statement>,
}

impl Standing {
    /// Whether a participant took part here already, and has said nothing older since: with an old
    /// presence of somebody, a node that it left long ago could sign for it. Who left and came back
    /// begins anew, and does not count.
    fn sealed_before(&self, later: &Standing, key: &PublicKey) -> bool {
        let joined_by = self.joined_by(key);
        joined_by.is_some()
            && joined_by == later.joined_by(key)
            && later.sequence(key) >= self.sequence(key)
    }

    /// Of who takes part: the operation by which it does, none of a founder.
    fn joined_by(&self, key: &PublicKey) -> Option<Option<Id>> {
        self.roll.seats.get(key).map(|seat| seat.joined_by)
    }

    fn sequence(&self, key: &PublicKey) -> Option<u64> {
        Some(self.presences.get(key)?.as_presence()?.sequence)
    }
}

fn read(excerpt: &Excerpt, under: &Known) -> Result<Standing, ChainRefusal> {
    let height = under.head.height;
    let roll = Roll::read(excerpt, &under.state_root);
    let roll = roll.map_err(|why| ChainRefusal::Roll { height, why })?;
    roll.parameters.check().map_err(|why| ChainRefusal::Parameters { height, why })?;
    let presences = roll.seats.iter().filter_map(|(key, seat)| presence(&under.page, *key, seat));
    let presences = presences.collect::<Result<_, ChainRefusal>>()?;
    Ok(Standing { roll, presences })
}

/// The presence of a seat, which its participant must have signed.
fn presence(
    page: &Id,
    key: PublicKey,
    seat: &Seat,
) -> Option<Result<(PublicKey, Statement), ChainRefusal>> {
    let bytes = seat.presence.as_ref()?;
    Some(match Statement::admit(bytes) {
        Err(why) => Err(ChainRefusal::Presence { participant: key, why }),
        Ok(statement) => {
            let is_own = statement.as_presence().is_some()
                && statement.author() == key
                && statement.page() == *page;
            if is_own { Ok((key, statement)) } else { Err(ChainRefusal::NoPresence(key)) }
        }
    })
}

/// Whether a seal can come after another: higher, and later.
fn follows(height: u64, time: u64, below: &Head) -> Result<(), ChainRefusal> {
    if height <= below.height {
        return Err(ChainRefusal::Height { height, below: below.height });
    }
    if time <= below.time {
        return Err(ChainRefusal::NotAfter { time, below: below.time });
    }
    Ok(())
}

impl Roll {
    /// The power of these participants, as far as they are shown.
    fn power<'k>(&self, keys: impl IntoIterator<Item = &'k PublicKey>) -> u64 {
        keys.into_iter()
            .filter_map(|key| self.seats.get(key))
            .map(|seat| u64::from(seat.power))
            .sum()
    }

    /// The power that commits a seal.
    fn quorum(&self) -> u64 {
        quorum(self.parameters.track2_bp, self.total)
    }
}

#[cfg(test)]
mod tests;
