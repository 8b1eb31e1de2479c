//! The picture that a field gives at one time: support, strength, coherence, fresh or not (T6).

use std::collections::BTreeMap;

use super::*;
use crate::governance::seating::Bench;

/// What all attestations of a page say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The page's power, T.
    pub total: u64,
    /// The power of seats with a valid attestation.
    pub attested: u64,
    /// The seals named, and the one held here: the best first.
    pub candidates: Vec<Candidate>,
    /// Support of the best, in basis points of T.
    pub strength_bp: u16,
    /// Support of the best, in basis points of [`Picture::attested`].
    pub coherence_bp: u16,
    pub freshness: Freshness,
}

/// A seal that could be the newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub height: u64,
    pub seal: Id,
    /// Power of the seats whose nodes name it, or a seal known to follow it.
    pub support: u64,
    /// Whether it is the newest seal held here, or one that leads to it.
    pub is_held: bool,
    /// Who names it, the most power first.
    pub voices: Vec<Voice>,
}

/// A node that names a seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voice {
    pub node: PublicKey,
    /// The seats that it speaks for.
    pub seats: usize,
    pub power: u64,
    /// Seconds since 1970, by the node's clock.
    pub time: u64,
    /// Whether it is the node's commit in the newest certificate.
    pub is_commit: bool,
}

/// Whether a page is answered as fresh, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Enough power says that the seal held here, or one that leads to it, is the newest.
    Confirmed,
    /// It is a demonstration, which is never synced (P6).
    Demonstration,
    /// The seats that name a node hold less than a seal takes: it can have been sealed nowhere.
    Unsealable,
    Stale(Stale),
}

/// Why a page is stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    #[error("nobody says since {0} hours which seal is the newest", ATTESTATION_LIFE.as_secs() / 3600)]
    Unheard,
    #[error(
        "too little power says which seal is the newest: {support} of {total}, and {needed} are needed"
    )]
    Weak { support: u64, needed: u64, total: u64 },
    #[error("the best supported seal, at height {0}, is not here")]
    Behind(u64),
}

impl Picture {
    /// Whether the page is answered as fresh.
    pub fn is_fresh(&self) -> bool {
        self.freshness.is_fresh()
    }
}

impl Freshness {
    /// Whether the page is answered as fresh.
    pub fn is_fresh(&self) -> bool {
        !matches!(self, Freshness::Stale(_))
    }
}

impl Field {
    /// What all say together at `now`, in seconds since 1970. Costs as much as there are nodes that say
    /// anything.
    pub fn picture(&self, page: &Governance, now: u64) -> Picture {
        let total = page.page().roster().total();
        let mut sums = Sums::default();
        for node in self.speakers() {
            let Some(word) = self.word(node, now) else { continue };
            for (other, bench) in page.seating().of_node(node) {
                let other = other.and_then(|other| Some((self.word(&other, now)?, other)));
                let own = Word::of_seat(&(word, *node));
                if other.is_none_or(|other| Word::of_seat(&other) < own) {
                    sums.add(word, *node, bench);
                }
            }
        }
        let attested = sums.attested;
        let supports = supports(page, &sums.named());
        let best = supports.first().map_or(0, |best| best.support);
        Picture {
            total,
            attested,
            strength_bp: share(best, total),
            coherence_bp: share(best, attested),
            freshness: freshness(page, supports.first()),
            candidates: supports.into_iter().map(|support| sums.candidate(support)).collect(),
        }
    }

    /// Who may have said something, each once.
    fn speakers(&self) -> impl Iterator<Item = &PublicKey> {
        let certified = self.certified.iter().flat_map(|certified| certified.nodes.iter());
        self.heard.keys().chain(certified.filter(|node| !self.heard.contains_key(*node)))
    }
}

/// Who names which seal.
#[derive(Default)]
struct Sums {
    attested: u64,
    voices: BTreeMap<(u64, Id), Vec<Voice>>,
}

impl Sums {
    fn add(&mut self, word: Word, node: PublicKey, bench: Bench) {
        let Word { time, is_commit, .. } = word;
        let voices = self.voices.entry((word.height, word.seal)).or_default();
        self.attested += bench.power;
        match voices.last_mut().filter(|voice| voice.node == node) {
            Some(voice) => {
                voice.seats += bench.seats;
                voice.power += bench.power;
            }
            None => {
                let Bench { seats, power } = bench;
                voices.push(Voice { node, seats, power, time, is_commit });
            }
        }
    }

    fn named(&self) -> BTreeMap<(u64, Id), u64> {
        let power = |voices: &Vec<Voice>| voices.iter().map(|voice| voice.power).sum();
        self.voices.iter().map(|(seal, voices)| (*seal, power(voices))).collect()
    }

    fn candidate(&mut self, of: Support) -> Candidate {
        let Support { height, seal, support, is_held } = of;
        let mut voices = self.voices.remove(&(height, seal)).unwrap_or_default();
        voices.sort_by_key(|voice| (Reverse(voice.power), voice.node));
        Candidate { height, seal, support, is_held, voices }
    }
}

/// How much power supports a seal.
pub(super) struct Support {
    height: u64,
    seal: Id,
    support: u64,
    is_held: bool,
}

/// The seals that are named by so much power, and the newest one held, the best first: by support, then
/// by height, then by the smaller id. A seal that is held supports those that led to it. What is not
/// held may follow anything, and stands for itself.
pub(super) fn supports(page: &Governance, named: &BTreeMap<(u64, Id), u64>) -> Vec<Support> {
    let Head { height, seal, .. } = page.page().head();
    let mut named = named.clone();
    named.entry((height, seal)).or_default();
    let mut carried = 0;
    let mut supports: Vec<Support> = Vec::new();
    for ((height, seal), mut support) in named.into_iter().rev() {
        let is_held = page.known_seal(&seal).is_some_and(|known| known.height == height);
        if is_held {
            carried += support;
            support = carried;
        }
        supports.push(Support { height, seal, support, is_held });
    }
    supports.sort_by_key(|one| (Reverse(one.support), Reverse(one.height), one.seal));
    supports
}

pub(super) fn freshness(page: &Governance, best: Option<&Support>) -> Freshness {
    let (roster, parameters) = (page.page().roster(), page.page().parameters());
    let total = roster.total();
    if page.page().is_demonstration() {
        return Freshness::Demonstration;
    }
    if page.seating().power() < quorum(parameters.track2_bp, total) {
        return Freshness::Unsealable;
    }
    match best {
        Some(best) if !reaches(best.support.into(), parameters.track1_bp, total.into()) => {
            Freshness::Stale(match best.support {
                0 => Stale::Unheard,
                support => {
                    let needed = quorum(parameters.track1_bp, total);
                    Stale::Weak { support, needed, total }
                }
            })
        }
        Some(best) if best.is_held => Freshness::Confirmed,
        Some(best) => Freshness::Stale(Stale::Behind(best.height)),
        None => Freshness::Stale(Stale::Unheard),
    }
}

/// `part` in basis points of `whole`, rounded down.
fn share(part: u64, whole: u64) -> u16 {
    let share = u128::from(part) * u128::from(BASIS_POINTS) / u128::from(whole.max(1));
    u16::try_from(share).unwrap_or(BASIS_POINTS)
}
