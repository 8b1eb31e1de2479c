//! The ladder: the fewest certificates that lead from the genesis to the newest seal (T1).
//!
//! Whoever has fallen behind climbs it from where they stand, whatever their height: each rung is
//! shown to everybody who stood anywhere between the rung below and it. So a rung is left out only when
//! the next one is shown to all of those as well. The participants of every height in between decide
//! that, and not those of the two ends: one who stands in the middle of a coming and going could
//! otherwise not go on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use imbl::{OrdMap, Vector};

use super::{ChainProof, ChainRefusal, Genesis, Known, Standing, presence, quorum};
use crate::{
    governance::seal::{Certificate, Seal, SealRecord},
    id::Id,
    key::PublicKey,
    limits::{LADDER_OPEN_RUNGS, LADDER_ORDERS_MAX, LADDER_RUNGS_MAX},
    page::{
        Page, Roll, Seat,
        genesis::{Parameters, Roster},
        parameters_key, participant_key,
        trie::Excerpt,
    },
};

/// The rungs of one page. A clone costs nothing.
#[derive(Clone)]
pub struct Ladder {
    rungs: Vector<Arc<Rung>>,
    /// Who stands at the newest seal.
    here: Steady,
    /// The newest seal; none at the genesis.
    newest: Option<Seal>,
}

/// A seal, and what it takes to show it from the rung below.
struct Rung {
    seal: Seal,
    certificate: Certificate,
    /// The rung below, and its participants as far as they are known here.
    foot: Foot,
    /// The seal right below with the page under it, unless that is the rung below.
    below: Option<(Seal, Page)>,
    /// Who stood at the heights from the rung below on, order after order, if that is known.
    between: Option<Vec<Steady>>,
    proof: OnceLock<ChainProof>,
}

/// The state of a rung, of which only those who decide are shown.
#[derive(Clone)]
struct Foot {
    height: u64,
    excerpt: Arc<Excerpt>,
    /// Who is shown; none: everybody.
    shown: Option<Arc<BTreeSet<PublicKey>>>,
}

/// Who took part under each of several seals without a break, with the least power that they had.
#[derive(Clone)]
struct Steady {
    power: OrdMap<PublicKey, (u32, Option<Id>)>,
    /// The greatest quorum.
    quorum: u64,
    /// The version of roster and parameters, where it is one.
    version: Option<Id>,
}

/// Where somebody stands who climbs: what is known there need not be shown.
#[derive(Clone, Copy)]
pub enum Standpoint<'a> {
    Genesis(&'a Genesis),
    Page(&'a Page),
}

impl Ladder {
    /// The ladder that ends at this page: for the genesis, or for whoever knows no way to it from below.
    pub fn new(page: &Page) -> Ladder {
        Ladder { rungs: Vector::new(), here: Steady::of(page), newest: None }
    }

    /// The ladder one seal higher. `below` is the page under the newest seal so far, `page` that under
    /// the seal of `record`; nothing is checked.
    #[must_use]
    pub fn climbed(&self, record: &SealRecord, below: &Page, page: &Page) -> Ladder {
        let signers = record.certificate.seats();
        let mut rungs = self.rungs.clone();
        let mut between = vec![self.here.clone()];
        let mut foot = None;
        while let Some(top) = rungs.last() {
            let Some(lower) = &top.between else { break };
            let wider = joined(lower, &between);
            let shown: Vec<&PublicKey> = signers.iter().filter(|key| top.foot.shows(key)).collect();
            if !wider.iter().all(|steady| steady.reaches(&shown, &self.here)) {
                break;
            }
            between = wider;
            foot = Some(top.foot.clone());
            rungs.pop_back();
        }
        let foot = foot.unwrap_or_else(|| Foot::of(below));
        let is_next = foot.height == below.height();
        let under = self.newest.clone().filter(|_| !is_next);
        let (seal, certificate) = (record.seal.clone(), record.certificate.clone());
        let below = under.map(|seal| (seal, below.clone()));
        let between = Some(between);
        push(&mut rungs, Rung { seal, certificate, foot, below, between, proof: OnceLock::new() });
        Ladder { rungs, here: self.here.at(page), newest: Some(record.seal.clone()) }
    }

    /// The ladder of `own` after a jump to `page`, which these proofs show to whoever stands there.
    ///
    /// # Errors
    /// As [`climb`].
    pub fn jumped(
        &self,
        own: &Page,
        proofs: &[ChainProof],
        page: &Page,
    ) -> Result<Ladder, ChainRefusal> {
        let (_, first) = climb_at(Standpoint::Page(own), proofs)?;
        let mut rungs = self.rungs.clone();
        for (n, proof) in proofs.iter().enumerate().skip(first) {
            let mut proof = proof.clone();
            let below = match n.checked_sub(1).filter(|_| n > first) {
                Some(below) => proofs[below].seal.height,
                None => {
                    let rung = n.checked_sub(1).map(|n| (proofs[n].seal.clone(), proof.known));
                    let rung = rung.filter(|(seal, _)| seal.height > own.height());
                    if proof.below.is_empty() {
                        proof.below.extend(rung);
                    }
                    proof.below.retain(|(seal, _)| seal.height > own.height());
                    proof.known = own.roll(&proof.certificate.seats());
                    own.height()
                }
            };
            // Of who stood in between nothing is known, but where nothing changed.
            let is_same = own.stored_roster_version() == page.stored_roster_version();
            let between = (first + 1 == proofs.len() && is_same).then(|| vec![Steady::of(own)]);
            push(&mut rungs, Rung::shown(proof, below, between));
        }
        let newest = proofs.last().map(|proof| proof.seal.clone());
        Ok(Ladder { rungs, here: Steady::of(page), newest: newest.or_else(|| self.newest.clone()) })
    }

    /// The ladder of a page that was founded by a snapshot: its genesis and these proofs, each of which
    /// was checked from the one before.
    pub fn of_snapshot(genesis: &Genesis, proofs: &[ChainProof], page: &Page) -> Ladder {
        let mut rungs = Vector::new();
        let here = Steady::of(page);
        for (n, proof) in proofs.iter().enumerate() {
            let is_whole = proofs.len() == 1 && here.version == Some(Id::ZERO);
            let steady = is_whole.then(|| vec![Steady::of_genesis(genesis)]);
            let below = if n == 0 { 0 } else { proofs[n - 1].seal.height };
            push(&mut rungs, Rung::shown(proof.clone(), below, steady));
        }
        Ladder { rungs, here, newest: proofs.last().map(|proof| proof.seal.clone()) }
    }

    /// What shows the newest seal to whoever stands at this height: the rungs above it.
    pub fn above(&self, height: u64) -> Vec<ChainProof> {
        let above = self.rungs.iter().filter(|rung| rung.seal.height > height);
        above.map(|rung| rung.proof().clone()).collect()
    }

    /// What shows the newest seal from below, if a rung stands there.
    pub fn newest(&self) -> Option<&ChainProof> {
        self.rungs.last().map(|rung| rung.proof())
    }

    /// How many rungs there are.
    pub fn len(&self) -> usize {
        self.rungs.len()
    }

    /// Whether the newest seal is the genesis, or shown by nothing.
    pub fn is_empty(&self) -> bool {
        self.rungs.is_empty()
    }
}

/// Puts a rung on top. Of the lower ones only what they show is kept, not what could leave them out.
fn push(rungs: &mut Vector<Arc<Rung>>, rung: Rung) {
    rungs.push_back(Arc::new(rung));
    if let Some(at) = rungs.len().checked_sub(2) {
        let settled = rungs[at].settled(true);
        rungs.set(at, Arc::new(settled));
    }
    if let Some(at) = rungs.len().checked_sub(LADDER_OPEN_RUNGS + 1) {
        let settled = rungs[at].settled(false);
        rungs.set(at, Arc::new(settled));
    }
    if rungs.len() > LADDER_RUNGS_MAX {
        rungs.pop_front();
    }
}

impl Rung {
    /// A rung of which only the proof is known, above one at the height `below`.
    fn shown(proof: ChainProof, below: u64, between: Option<Vec<Steady>>) -> Rung {
        let shown = proof.certificate.seats().into_iter().collect();
        let excerpt = Arc::new(proof.known.clone());
        let foot = Foot { height: below, excerpt, shown: Some(Arc::new(shown)) };
        let (seal, certificate) = (proof.seal.clone(), proof.certificate.clone());
        Rung { seal, certificate, foot, below: None, between, proof: OnceLock::from(proof) }
    }

    fn proof(&self) -> &ChainProof {
        self.proof.get_or_init(|| {
            let signers = self.certificate.seats();
            let keys = signers.iter().map(participant_key).chain([parameters_key()]);
            let below = self.below.iter().map(|(seal, page)| (seal.clone(), page.roll(&signers)));
            ChainProof {
                seal: self.seal.clone(),
                certificate: self.certificate.clone(),
                known: self.foot.excerpt.narrowed(keys),
                below: below.collect(),
            }
        })
    }

    /// The rung without the page below it; `is_open`: it can still be left out.
    fn settled(&self, is_open: bool) -> Rung {
        let proof = self.proof().clone();
        let empty = || Foot { excerpt: Arc::default(), ..self.foot.clone() };
        Rung {
            seal: proof.seal.clone(),
            certificate: proof.certificate.clone(),
            foot: if is_open { self.foot.clone() } else { empty() },
            below: None,
            between: self.between.clone().filter(|_| is_open),
            proof: OnceLock::from(proof),
        }
    }
}

/// The heights of both, the lower ones first. Where there are many orders, the lowest are taken as one, under
/// which nobody counts for more than under each.
fn joined(lower: &[Steady], upper: &[Steady]) -> Vec<Steady> {
    let mut all = lower.to_vec();
    for steady in upper {
        if all.last().is_none_or(|last| last.version.is_none() || last.version != steady.version) {
            all.push(steady.clone());
        }
    }
    while all.len() > LADDER_ORDERS_MAX {
        let lowest = all[0].and(&all[1]);
        all.splice(..2, [lowest]);
    }
    all
}

impl Foot {
    fn of(page: &Page) -> Foot {
        let everybody = page.roster().iter().map(|(key, _)| key);
        Foot { height: page.height(), excerpt: Arc::new(page.roll(everybody)), shown: None }
    }

    fn shows(&self, key: &PublicKey) -> bool {
        self.shown.as_ref().is_none_or(|shown| shown.contains(key))
    }
}

impl Steady {
    fn of(page: &Page) -> Steady {
        let row = |(key, power): (&PublicKey, u32)| {
            (*key, (power, page.seat(key).and_then(|seat| seat.joined_by)))
        };
        let quorum = quorum(page.parameters().track2_bp, page.roster().total());
        let version = Some(page.stored_roster_version());
        Steady { power: page.roster().iter().map(row).collect(), quorum, version }
    }

    fn of_genesis(genesis: &Genesis) -> Steady {
        let roster = genesis.roster();
        let power = roster.iter().map(|(key, power)| (*key, (power, None))).collect();
        let quorum = quorum(genesis.raw().parameters.track2_bp, roster.total());
        Steady { power, quorum, version: Some(Id::ZERO) }
    }

    /// Who stands at this page, a seal after the one that this is of.
    fn at(&self, page: &Page) -> Steady {
        let is_same = self.version == Some(page.stored_roster_version());
        if is_same { self.clone() } else { Steady::of(page) }
    }

    /// Who stands under all seals of both.
    fn and(&self, other: &Steady) -> Steady {
        if self.version.is_some() && self.version == other.version {
            return self.clone();
        }
        let both = self.power.iter().filter_map(|(key, (power, joined))| {
            let (others, since) = other.power.get(key)?;
            (since == joined).then(|| (*key, (*power.min(others), *joined)))
        });
        let quorum = self.quorum.max(other.quorum);
        Steady { power: both.collect(), quorum, version: None }
    }

    /// Whether those who sign as they stand at the seal right below are enough here.
    fn reaches(&self, signers: &[&PublicKey], below: &Steady) -> bool {
        let power = signers.iter().filter_map(|key| {
            let (power, joined) = self.power.get(*key)?;
            let (_, joined_below) = below.power.get(*key)?;
            (joined == joined_below).then_some(u64::from(*power))
        });
        power.sum::<u64>() >= self.quorum
    }
}

/// Checks the newest seal of `proofs` from where somebody stands: the first of them by who stood there,
/// and not by its own excerpt, each other from the one before. The farthest that can be the first is.
/// Without proofs, what is known stays so.
///
/// # Errors
/// A [`ChainRefusal`]: what is wrong with the proofs, of which all are the work of whoever gave them.
/// [`ChainRefusal::TooFewKnown`] when none of them is shown to who stands there.
pub fn climb(from: Standpoint, proofs: &[ChainProof]) -> Result<Known, ChainRefusal> {
    climb_at(from, proofs).map(|(known, _)| known)
}

/// [`climb`], and which of the proofs was the first.
fn climb_at(from: Standpoint, proofs: &[ChainProof]) -> Result<(Known, usize), ChainRefusal> {
    let (mut known, mut first) = (from.known(), 0);
    for n in (0..proofs.len()).rev() {
        // Before any signature is checked: the signers say themselves whether they can be enough.
        if n > 0 && !from.reaches(&proofs[n].certificate) {
            continue;
        }
        match judge_at(from, proofs, n) {
            Err(ChainRefusal::TooFewKnown { .. }) if n > 0 => {}
            judged => {
                (known, first) = (judged?, n);
                break;
            }
        }
    }
    let mut above = proofs.iter().skip(first + 1);
    let known = above.try_fold(known, |known, proof| proof.check(&known))?;
    Ok((known, first))
}

/// Judges one of the proofs by who stands where somebody stands.
fn judge_at(from: Standpoint, proofs: &[ChainProof], n: usize) -> Result<Known, ChainRefusal> {
    let (proof, known) = (&proofs[n], from.known());
    // Where the rung below is the seal right below, it is shown there.
    let rung = n.checked_sub(1).map(|n| (&proofs[n].seal, &proof.known));
    let rung = rung.filter(|(seal, _)| seal.height > known.head.height);
    let below = proof.below.first().map(|(seal, excerpt)| (seal, excerpt)).or(rung);
    // Who stands right below knows that seal, and is shown it for who does not.
    let below = below.filter(|(seal, _)| seal.height > known.head.height);
    proof.judge(&known, below, || from.standing(&proof.certificate))
}

impl Standpoint<'_> {
    fn known(&self) -> Known {
        match self {
            Standpoint::Genesis(genesis) => Known::genesis(genesis),
            Standpoint::Page(page) => {
                let (head, state_root) = (page.head(), page.state_root());
                Known { page: page.id(), head, state_root }
            }
        }
    }

    fn roster(&self) -> (&Roster, &Parameters) {
        match self {
            Standpoint::Genesis(genesis) => (genesis.roster(), &genesis.raw().parameters),
            Standpoint::Page(page) => (page.roster(), page.parameters()),
        }
    }

    fn seat(&self, key: &PublicKey) -> Option<Seat> {
        match self {
            Standpoint::Genesis(genesis) => {
                let power = genesis.roster().power(key)?;
                Some(Seat { power, joined_by: None, presence: None })
            }
            Standpoint::Page(page) => page.seat(key),
        }
    }

    /// Whether those who are said to have signed would be enough here.
    fn reaches(&self, certificate: &Certificate) -> bool {
        let (roster, parameters) = self.roster();
        let signed: BTreeSet<PublicKey> = certificate.seats().into_iter().collect();
        let signed = signed.iter().filter_map(|key| roster.power(key)).map(u64::from);
        signed.sum::<u64>() >= quorum(parameters.track2_bp, roster.total())
    }

    /// Those of the signers who stand here.
    fn standing(&self, certificate: &Certificate) -> Result<Standing, ChainRefusal> {
        let (roster, parameters) = self.roster();
        let seats = certificate.seats().into_iter();
        let seats: BTreeMap<PublicKey, Seat> =
            seats.filter_map(|key| Some((key, self.seat(&key)?))).collect();
        let page = self.known().page;
        let presences = seats.iter().filter_map(|(key, seat)| presence(&page, *key, seat));
        let presences = presences.collect::<Result<_, ChainRefusal>>()?;
        let (parameters, total) = (parameters.clone(), roster.total());
        Ok(Standing { roll: Roll { seats, parameters, total, version: Id::ZERO }, presences })
    }
}
