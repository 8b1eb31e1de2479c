//! The picture that a field gives at one time: support, strength, coherence, fresh or not (T6).

use super::*;

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
        !matches!(self.freshness, Freshness::Stale(_))
    }
}

impl Field {
    /// What all say together at `now`, in seconds since 1970.
    pub fn picture(&self, page: &Governance, now: u64) -> Picture {
        let total = page.page().roster().total();
        let mut sums = Sums::default();
        let mut named = 0;
        for (power, nodes) in page.seat_nodes() {
            named += power;
            let words = nodes.iter().flatten();
            let words = words.filter_map(|node| Some((self.word(node, now)?, *node)));
            // The newest of a seat that two nodes speak for; of one time the smaller.
            let newest = words.max_by_key(|(word, node)| (word.rank(), Reverse(*node)));
            if let Some((word, node)) = newest {
                sums.add(word, node, power);
            }
        }
        let attested = sums.attested;
        let candidates = sums.candidates(page);
        let best = candidates.first().map_or(0, |best| best.support);
        let freshness = freshness(page, named, candidates.first());
        Picture {
            total,
            attested,
            strength_bp: share(best, total),
            coherence_bp: share(best, attested),
            candidates,
            freshness,
        }
    }
}

/// Who names which seal.
#[derive(Default)]
struct Sums {
    attested: u64,
    voices: BTreeMap<(u64, Id), BTreeMap<PublicKey, Voice>>,
}

impl Sums {
    fn add(&mut self, word: Word, node: PublicKey, power: u64) {
        let Word { time, is_commit, .. } = word;
        let silent = Voice { node, seats: 0, power: 0, time, is_commit };
        let voices = self.voices.entry((word.height, word.seal)).or_default();
        let voice = voices.entry(node).or_insert(silent);
        voice.seats += 1;
        voice.power += power;
        self.attested += power;
    }

    /// The candidates, the best first: by support, then by height, then by the smaller id. A seal that
    /// is held supports those that led to it. What is not held may follow anything, and stands for
    /// itself.
    fn candidates(mut self, page: &Governance) -> Vec<Candidate> {
        let Head { height, seal, .. } = page.page().head();
        self.voices.entry((height, seal)).or_default();
        let mut carried = 0;
        let mut candidates: Vec<Candidate> = Vec::new();
        for ((height, seal), voices) in self.voices.into_iter().rev() {
            let is_held = page.known_seal(&seal).is_some_and(|known| known.height == height);
            let mut voices: Vec<Voice> = voices.into_values().collect();
            voices.sort_by_key(|voice| (Reverse(voice.power), voice.node));
            let mut support = voices.iter().map(|voice| voice.power).sum();
            if is_held {
                carried += support;
                support = carried;
            }
            candidates.push(Candidate { height, seal, support, is_held, voices });
        }
        candidates.sort_by_key(|c| (Reverse(c.support), Reverse(c.height), c.seal));
        candidates
    }
}

fn freshness(page: &Governance, named: u64, best: Option<&Candidate>) -> Freshness {
    let (roster, parameters) = (page.page().roster(), page.page().parameters());
    let total = roster.total();
    if page.page().is_demonstration() {
        return Freshness::Demonstration;
    }
    if named < quorum(parameters.track2_bp, total) {
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
