//! Ladders of stories: whoever stands anywhere climbs them, and nobody a forged one.

use super::*;
use crate::governance::chain::ladder::{Ladder, Standpoint, climb};

impl Story {
    /// The ladder as it is at every height.
    fn ladders(&self) -> Vec<Ladder> {
        let mut ladders = vec![Ladder::new(&self.pages[0])];
        for (n, record) in self.records.iter().enumerate() {
            ladders.push(ladders[n].climbed(record, &self.pages[n], &self.pages[n + 1]));
        }
        ladders
    }

    fn climbs(&self, ladder: &Ladder, from: u64) -> Result<Known, ChainRefusal> {
        let at = &self.pages[from as usize];
        climb(Standpoint::Page(at), &ladder.above(from))
    }
}

/// T1 accepts: one certificate from the genesis to the newest seal, while the participants are the same.
#[test]
fn a_steady_page_has_a_ladder_of_one_rung() {
    let mut story = Story::of(5);
    (0..40).for_each(|_| story.seal_time());
    let ladders = story.ladders();
    assert!(ladders.iter().skip(1).all(|ladder| ladder.len() == 1));
    let proofs = ladders[40].above(0);
    let genesis = Standpoint::Genesis(story.pages[0].genesis());
    assert_eq!(climb(genesis, &proofs), Ok(story.known(40)));
    assert_eq!(story.climbs(&ladders[40], 17), Ok(story.known(40)));
    assert!(ladders[40].above(40).is_empty());
    assert_eq!(story.climbs(&ladders[40], 40), Ok(story.known(40)));
}

/// T1 accepts: who stands in the middle of a coming and going.
#[test]
fn a_rung_is_kept_for_who_stands_between() {
    let mut story = Story::of(3);
    let few = story.people.clone();
    let many: Vec<u16> = few.iter().copied().chain(10..16).collect();
    let ordered = |people: &[u16], n: u8| Changes {
        roster: Some((Id::hash(&[&[n]]), roster(people), Parameters::default())),
        ..Changes::default()
    };
    story.seal(&ordered(&many, 1), &few);
    story.seal(&ordered(&few, 2), &many);
    (0..3).for_each(|_| story.seal(&Changes::default(), &few));
    let ladder = story.ladders().pop().unwrap();
    for from in 0..=story.height() {
        assert_eq!(story.climbs(&ladder, from), Ok(story.known(5)), "from {from}");
    }
    assert_eq!(ladder.len(), 2);
}

/// T1 refuses: a ladder without one of the rungs that it needs, and one that is no ladder of this page.
#[test]
fn a_broken_ladder_is_not_climbed() {
    let mut story = Story::of(6);
    (0..12).for_each(|n| if n % 3 == 2 { story.turn_over(3) } else { story.seal_time() });
    let ladder = story.ladders().pop().unwrap();
    let proofs = ladder.above(0);
    assert!(proofs.len() > 2, "{}", proofs.len());
    let genesis = Standpoint::Genesis(story.pages[0].genesis());
    for without in 0..proofs.len() - 1 {
        let mut broken = proofs.clone();
        broken.remove(without);
        assert!(climb(genesis, &broken).is_err(), "{without}");
    }
    let other = Story::of(5);
    let other = Standpoint::Page(&other.pages[0]);
    assert!(matches!(climb(other, &proofs), Err(ChainRefusal::OtherPage(_))));
    let mut signed_by_few = proofs.clone();
    signed_by_few.last_mut().unwrap().certificate.commits.truncate(1);
    assert!(matches!(climb(genesis, &signed_by_few), Err(ChainRefusal::Certificate(_))));
}

/// T1: whoever jumped hands on a ladder that others climb as well.
#[test]
fn a_ladder_goes_on_after_a_jump() {
    let mut story = Story::of(6);
    (0..8).for_each(|n| if n % 3 == 2 { story.turn_over(2) } else { story.seal_time() });
    let ladders = story.ladders();
    let (own, top) = (&story.pages[2], &story.pages[6]);
    let new = Ladder::of_snapshot(own.genesis(), &ladders[6].above(0), top);
    let jumped = ladders[2].jumped(own, &ladders[6].above(2), top).unwrap();
    for mut ladder in [new, jumped] {
        for n in 6..8 {
            ladder = ladder.climbed(&story.records[n], &story.pages[n], &story.pages[n + 1]);
        }
        let genesis = Standpoint::Genesis(own.genesis());
        assert_eq!(climb(genesis, &ladder.above(0)), Ok(story.known(8)));
        for from in [0, 1, 2, 6, 7, 8] {
            assert_eq!(story.climbs(&ladder, from), Ok(story.known(8)), "from {from}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]

    /// T1: whatever the turnover, a copy at any height climbs to the newest seal at any time, and a
    /// ladder with any seal or signature changed leads nowhere.
    #[test]
    fn a_copy_at_any_height_climbs_and_no_forged_ladder_is_climbed(
        changes in prop::collection::vec(0usize..5, 1..12),
        at in any::<prop::sample::Index>(),
    ) {
        let mut story = Story::of(5);
        for change in changes {
            match change {
                0 | 1 => story.seal_time(),
                count => story.turn_over(count - 1),
            }
        }
        for (height, ladder) in story.ladders().iter().enumerate() {
            for from in 0..=height as u64 {
                prop_assert_eq!(story.climbs(ladder, from), Ok(story.known(height as u64)));
            }
            // Each rung is shown from the one below by its own excerpts.
            let mut known = story.known(0);
            for proof in ladder.above(0) {
                known = proof.check(&known).unwrap();
            }
            prop_assert_eq!(known, story.known(height as u64));
        }
        let proofs = story.ladders().pop().unwrap().above(0);
        let genesis = Standpoint::Genesis(story.pages[0].genesis());
        let at = at.index(proofs.len());
        let forged = |change: &dyn Fn(&mut ChainProof)| {
            let mut forged = proofs.clone();
            change(&mut forged[at]);
            climb(genesis, &forged).ok().filter(|known| *known != story.known(story.height()))
        };
        prop_assert_eq!(forged(&|proof| proof.seal.state_root = Id::ZERO), None);
        prop_assert_eq!(forged(&|proof| proof.seal.time += 1), None);
        prop_assert_eq!(forged(&|proof| proof.certificate.round += 1), None);
    }
}
