//! How many absences and how many liars a page survives, and what locks it (G12).
//!
//! Sums over a roster and thresholds, nothing else: a page that is about to be founded is told in
//! words what they mean.

use crate::{
    cli::presence::percent,
    governance::{seal::quorum, tally::voters_needed},
    page::genesis::{Parameters, reaches},
};

/// What a page withstands, whoever they are: the worst case, the most powerful ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survival {
    pub track1: Withstands,
    pub track2: Withstands,
}

/// What one track withstands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withstands {
    /// Participants who may be away for good: the others still decide.
    pub absent: usize,
    /// Participants who may lie together. Track 1: they cannot decide alone. Track 2: they cannot
    /// have two seals of one height committed (S2).
    pub liars: usize,
}

impl Survival {
    pub fn of(mut powers: Vec<u32>, parameters: &Parameters) -> Survival {
        powers.sort_unstable_by(|a, b| b.cmp(a));
        let absent = |bp| losses(&powers, bp, parameters);
        Survival {
            track1: Withstands {
                absent: absent(parameters.track1_bp),
                liars: liars(&powers, |together, count| {
                    !decides(&powers, together, count, parameters)
                }),
            },
            track2: Withstands {
                absent: absent(parameters.track2_bp),
                liars: liars(&powers, |together, _| together < overlap(&powers, parameters)),
            },
        }
    }

    /// One sentence for whoever founds the page.
    pub fn sentence(self) -> String {
        let Survival { track1, track2 } = self;
        format!(
            "domain changes survive {}, roster changes and seals survive {}",
            track1.words(),
            track2.words()
        )
    }
}

impl Withstands {
    fn words(self) -> String {
        let counted = |n: usize, one: &str| match n {
            0 => format!("no {one}"),
            1 => format!("1 {one}"),
            n => format!("{n} {one}s"),
        };
        format!("{} and {}", counted(self.absent, "lost key"), counted(self.liars, "liar"))
    }
}

/// What to say before a page is founded whose roster one lost key locks; `None` for others.
pub fn warning(powers: &[u32], parameters: &Parameters) -> Option<String> {
    let needed = quorum(parameters.track2_bp, total(powers));
    let mut locking: Vec<u32> =
        powers.iter().copied().filter(|power| total(powers) - u64::from(*power) < needed).collect();
    locking.sort_unstable_by(|a, b| b.cmp(a));
    let (greatest, equal) = (*locking.first()?, powers.iter().all(|power| *power == powers[0]));
    let whose = match locking.len() {
        all if all == powers.len() => "one lost key locks".to_owned(),
        1 => format!("the key with power {greatest}, if it is lost, locks"),
        some => format!("any of the {some} most powerful keys, if it is lost, locks"),
    };
    let ways_out = match powers.len() {
        1 => "add participants; four of equal power survive one lost key".to_owned(),
        2 if equal => "with two more participants of equal power one lost key does no harm; so it does \
             with one more and `--param track1_bp=3335 --param track2_bp=6666`, but then 2 of 3 decide, \
             which does not withstand one liar"
            .to_owned(),
        3 if equal => "one more participant of equal power helps; or `--param track1_bp=3335 --param \
             track2_bp=6666` lets 2 of 3 decide, which does not withstand one liar"
            .to_owned(),
        _ => format!(
            "four participants of equal power survive one lost key; with unequal power nobody may have \
             more than {} % of it",
            percent(10_000 - u32::from(parameters.track2_bp))
        ),
    };
    Some(format!(
        "{whose} this page's roster for good, since {} % of the power must agree: {ways_out}",
        percent(parameters.track2_bp.into())
    ))
}

fn total(powers: &[u32]) -> u64 {
    powers.iter().map(|power| u64::from(*power)).sum()
}

/// Whether so much power of so many participants ratifies a change of a name (G8).
fn decides(powers: &[u32], together: u64, count: usize, parameters: &Parameters) -> bool {
    let total = total(powers).into();
    let voters = voters_needed(parameters, powers.len());
    reaches(together.into(), parameters.track1_bp, total) && count >= voters
}

/// The least power that two quorums of sealers have in common.
fn overlap(powers: &[u32], parameters: &Parameters) -> u64 {
    let total = total(powers);
    (2 * quorum(parameters.track2_bp, total)).saturating_sub(total)
}

/// The most of the greatest powers that can go while the rest still reaches `bp`.
fn losses(powers: &[u32], bp: u16, parameters: &Parameters) -> usize {
    let total = total(powers);
    let voters = voters_needed(parameters, powers.len());
    let mut left = total;
    let mut lost = 0;
    for power in powers {
        left -= u64::from(*power);
        if !reaches(left.into(), bp, total.into()) || powers.len() - lost - 1 < voters {
            break;
        }
        lost += 1;
    }
    lost
}

/// The most of the greatest powers that do no harm together, by their sum and number.
fn liars(powers: &[u32], is_harmless: impl Fn(u64, usize) -> bool) -> usize {
    let mut together = 0;
    let mut sums = powers.iter().enumerate().map(|(n, power)| {
        together += u64::from(*power);
        (together, n + 1)
    });
    // Once they do harm, more of them do so as well.
    let harmful = sums.position(|(together, count)| !is_harmless(together, count));
    harmful.unwrap_or(powers.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_thirds() -> Parameters {
        Parameters { track1_bp: 3335, track2_bp: 6666, ..Parameters::default() }
    }

    #[test]
    fn survival_is_counted_for_the_worst_case() {
        let check = |powers: &[u32], parameters: Parameters, expect: [(usize, usize); 2]| {
            let Survival { track1, track2 } = Survival::of(powers.to_vec(), &parameters);
            let found = [track1, track2].map(|track| (track.absent, track.liars));
            assert_eq!(found, expect, "{powers:?}");
        };
        let usual = Parameters::default;
        // Each time absences and liars: of domain changes, and of roster changes and seals.
        check(&[1], usual(), [(0, 0), (0, 0)]);
        check(&[1; 2], usual(), [(0, 1), (0, 1)]);
        check(&[1; 3], usual(), [(1, 1), (0, 2)]);
        check(&[1; 3], two_thirds(), [(1, 1), (1, 0)]);
        check(&[1; 4], usual(), [(2, 1), (1, 1)]);
        check(&[1; 4], two_thirds(), [(2, 1), (1, 1)]);
        check(&[1; 5], usual(), [(3, 1), (1, 2)]);
        check(&[1; 6], usual(), [(4, 1), (1, 3)]);
        check(&[1; 6], two_thirds(), [(3, 2), (2, 1)]);
        check(&[1; 10], usual(), [(6, 3), (3, 3)]);
        check(&[10, 1, 1], usual(), [(0, 1), (0, 0)]);
        check(&[3, 1, 1], usual(), [(1, 1), (0, 0)]);
    }

    #[test]
    fn what_a_page_survives_is_said_for_every_size() {
        let said =
            |n: usize, parameters: Parameters| Survival::of(vec![1; n], &parameters).sentence();
        let four = "domain changes survive 2 lost keys and 1 liar, roster changes and seals survive 1 \
                    lost key and 1 liar";
        assert_eq!(said(4, Parameters::default()), four);
        let three = "domain changes survive 1 lost key and 1 liar, roster changes and seals survive 1 \
                     lost key and no liar";
        assert_eq!(said(3, two_thirds()), three);
    }

    /// G12 accepts: a page that one lost key does not lock, without a word.
    #[test]
    fn a_page_that_survives_a_loss_is_founded_without_a_warning() {
        assert_eq!(warning(&[1; 4], &Parameters::default()), None);
        assert_eq!(warning(&[1; 3], &two_thirds()), None);
    }

    /// G12 refuses: to found a tiny page silently; it offers what helps.
    #[test]
    fn a_tiny_page_is_warned_about_and_told_the_ways_out() {
        let check = |powers: &[u32], expect: &[&str]| {
            let said = warning(powers, &Parameters::default()).unwrap();
            assert!(expect.iter().all(|words| said.contains(words)), "{said}");
        };
        check(&[1], &["70 %", "add participants"]);
        check(&[1; 2], &["two more participants", "does not withstand one liar"]);
        check(&[1; 3], &["track1_bp=3335", "track2_bp=6666", "one more participant"]);
        check(&[3, 1, 1], &["the key with power 3, if it is lost", "more than 30 % of it"]);
        check(&[2, 2, 1, 1], &["any of the 2 most powerful keys", "more than 30 % of it"]);
        check(&[9, 1, 1, 1], &["the key with power 9", "more than 30 % of it"]);
    }
}
