//! How many keys a page can lose before a track locks (G12).
//!
//! Sums over a roster and thresholds, nothing else: a page that is about to be founded is told in
//! words what they mean.

use crate::{
    governance::tally::voters_needed,
    page::genesis::{Parameters, reaches},
};

/// How many participants, whoever they are, may be away for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survival {
    /// Without stopping domain changes.
    pub track1: usize,
    /// Without stopping roster changes and seals.
    pub track2: usize,
}

impl Survival {
    /// The worst case: the most powerful are the ones who are gone.
    pub fn of(mut powers: Vec<u32>, parameters: &Parameters) -> Survival {
        powers.sort_unstable_by(|a, b| b.cmp(a));
        Survival {
            track1: losses(&powers, parameters.track1_bp, parameters),
            track2: losses(&powers, parameters.track2_bp, parameters),
        }
    }

    /// One sentence for whoever founds the page.
    pub fn sentence(self) -> String {
        let keys = |n: usize| match n {
            0 => "no lost key".to_owned(),
            1 => "one lost key".to_owned(),
            n => format!("{n} lost keys"),
        };
        format!(
            "domain changes survive {}, roster changes and seals survive {}",
            keys(self.track1),
            keys(self.track2)
        )
    }
}

/// What to say before a page is founded whose roster one lost key locks; `None` for others.
pub fn warning(powers: &[u32], parameters: &Parameters) -> Option<String> {
    let survival = Survival::of(powers.to_vec(), parameters);
    if survival.track2 > 0 {
        return None;
    }
    let ways_out = match powers.len() {
        1 => "add participants; four of equal power survive one lost key",
        2 => {
            "with two more participants of equal power one lost key does no harm; so it does with \
             one more and `--param track1_bp=3335 --param track2_bp=6666`, but then 2 of 3 decide, \
             which does not withstand one liar"
        }
        3 => {
            "one more participant of equal power helps; or, with equal power, `--param \
             track1_bp=3335 --param track2_bp=6666` lets 2 of 3 decide, which does not withstand \
             one liar"
        }
        _ => "give no participant so much power that nothing passes without it",
    };
    let whose = if powers.len() < 4 { "one lost key" } else { "one certain lost key" };
    Some(format!(
        "{whose} locks this page's roster for good, since {} % of the power must agree: {ways_out}",
        f64::from(parameters.track2_bp) / 100.0
    ))
}

/// The most of the greatest powers that can go while the rest still reaches `bp`.
fn losses(powers: &[u32], bp: u16, parameters: &Parameters) -> usize {
    let total: u128 = powers.iter().map(|power| u128::from(*power)).sum();
    let voters = voters_needed(parameters, powers.len());
    let mut left = total;
    let mut lost = 0;
    for power in powers {
        left -= u128::from(*power);
        if !reaches(left, bp, total) || powers.len() - lost - 1 < voters {
            break;
        }
        lost += 1;
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_thirds() -> Parameters {
        Parameters { track1_bp: 3335, track2_bp: 6666, ..Parameters::default() }
    }

    #[test]
    fn survival_is_counted_for_the_worst_case() {
        let check = |powers: &[u32], parameters: Parameters, expect: (usize, usize)| {
            let survival = Survival::of(powers.to_vec(), &parameters);
            assert_eq!((survival.track1, survival.track2), expect, "{powers:?}");
        };
        check(&[1], Parameters::default(), (0, 0));
        check(&[1; 2], Parameters::default(), (0, 0));
        check(&[1; 3], Parameters::default(), (1, 0));
        check(&[1; 3], two_thirds(), (1, 1));
        check(&[1; 4], Parameters::default(), (2, 1));
        check(&[1; 5], Parameters::default(), (3, 1));
        check(&[1; 10], Parameters::default(), (6, 3));
        check(&[10, 1, 1], Parameters::default(), (0, 0));
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
        check(&[9, 1, 1, 1], &["no participant so much power"]);
    }
}
