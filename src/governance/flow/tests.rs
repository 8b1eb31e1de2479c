//! The flow of power: stories of a few, and a naive simulation that says the same of any.

use proptest::prelude::*;

use super::*;

const ALICE: u32 = 0;
const BOB: u32 = 1;
const CAROL: u32 = 2;
const DAVE: u32 = 3;

const UNITS: u64 = POWER_UNITS as u64;

fn rows(rows: &[(u32, u16)]) -> Rows {
    Rows::new(rows.iter().map(|(to, bp)| Row { to: Some(*to), bp: *bp })).unwrap()
}

/// Equal participants, of whom these lend.
fn lending(participants: usize, lend: &[(u32, &[(u32, u16)])]) -> Lending {
    let lend = lend.iter().map(|(who, to)| (*who, rows(to)));
    Lending::from_rows(vec![1; participants].into(), lend)
}

/// Expects millionths that approve, reject and abstain, when these approve and those reject.
fn check(lending: &Lending, approve: &[u32], reject: &[u32], expect: (u64, u64, u64)) {
    let mut flow = Flow::new(lending);
    approve.iter().for_each(|who| assert!(flow.cast(lending, *who, Some(Choice::Approve))));
    reject.iter().for_each(|who| assert!(flow.cast(lending, *who, Some(Choice::Reject))));
    let tally = flow.tally();
    let expect = (expect.0.into(), expect.1.into(), expect.2.into());
    assert_eq!((tally.approve, tally.reject, tally.abstain()), expect);
    assert_eq!(tally.approvers as usize, approve.len());
}

/// G7 accepts: power lent 60/40 arrives so split; what the rows do not give away abstains.
/// G7 refuses: power that was lent, once its owner says otherwise.
#[test]
fn power_is_lent_in_parts_and_an_own_ballot_keeps_it() {
    let page = lending(3, &[(CAROL, &[(ALICE, 6000), (BOB, 4000)])]);
    check(&page, &[ALICE], &[BOB], (1_600_000, 1_400_000, 0));
    check(&page, &[ALICE], &[], (1_600_000, 0, 1_400_000));
    check(&page, &[ALICE], &[BOB, CAROL], (1_000_000, 2_000_000, 0));
    let page = lending(3, &[(CAROL, &[(ALICE, 6000), (BOB, 1000)])]);
    check(&page, &[ALICE], &[BOB], (1_600_000, 1_100_000, 300_000));
}

/// G7 accepts: the last of three rows gets what rounding leaves, when they give everything.
/// G7 refuses: it to the last row, when they give one basis point less than everything.
#[test]
fn the_remainder_goes_to_the_last_row() {
    // Bob passes 333_300 units on: a third of them is no whole number of units.
    let bob = [(ALICE, 3333)];
    let check = |last: u16, expect: [u64; 3]| {
        let carol = [(DAVE, 3333), (4, 3333), (5, last)];
        let page = lending(6, &[(BOB, &bob), (ALICE, &[(CAROL, 10_000)]), (CAROL, &carol)]);
        let casts = [DAVE, 4, 5].map(|who| (who, Choice::Approve));
        let flow = Flow::count(&page, casts);
        let lent = [DAVE, 4, 5].map(|who| flow.absorbed(&page, who).unwrap().lent);
        assert_eq!(lent, expect);
        let sum: u64 = expect.iter().sum();
        assert_eq!(flow.tally().abstain(), u128::from(1_000_000 * 3 - sum));
    };
    // Own power and Alice's split without rest; of 333_300 the floors leave one unit.
    check(3334, [777_688, 777_688, 777_924]);
    check(3333, [777_688, 777_688, 777_688]);
}

#[test]
fn two_who_lend_to_each_other_leave_their_power_abstaining() {
    let page = lending(3, &[(ALICE, &[(BOB, 10_000)]), (BOB, &[(ALICE, 10_000)])]);
    check(&page, &[CAROL], &[], (1_000_000, 0, 2_000_000));
    check(&page, &[ALICE, CAROL], &[], (3_000_000, 0, 0));
    check(&page, &[ALICE], &[BOB], (1_000_000, 1_000_000, 1_000_000));
}

#[test]
fn what_has_travelled_eight_hops_abstains() {
    let chain: Vec<(u32, [(u32, u16); 1])> = (0..9).map(|n| (n, [(n + 1, 10_000)])).collect();
    let chain: Vec<(u32, &[(u32, u16)])> = chain.iter().map(|(n, row)| (*n, &row[..])).collect();
    let page = lending(10, &chain);
    // The first of nine lenders is nine hops away from the tenth.
    check(&page, &[9], &[], (9_000_000, 0, 1_000_000));
    check(&page, &[8], &[], (9_000_000, 0, 1_000_000));
    check(&page, &[8, 9], &[], (10_000_000, 0, 0));
}

#[test]
fn what_is_lent_to_one_who_left_abstains() {
    let carol = [Row { to: None, bp: 4000 }, Row { to: Some(BOB), bp: 6000 }];
    let page = Lending::from_rows(vec![1; 3].into(), [(CAROL, Rows::new(carol).unwrap())]);
    check(&page, &[ALICE, BOB], &[], (2_600_000, 0, 400_000));
}

#[test]
fn a_caster_counts_with_its_own_power_and_with_what_was_lent() {
    let page = lending(4, &[(BOB, &[(ALICE, 10_000)]), (CAROL, &[(BOB, 5000)])]);
    let mut flow = Flow::new(&page);
    flow.cast(&page, ALICE, Some(Choice::Approve));
    let absorbed = |flow: &Flow, who| flow.absorbed(&page, who).map(|a| (a.own, a.lent));
    assert_eq!(absorbed(&flow, ALICE), Some((1_000_000, 1_500_000)));
    assert_eq!(absorbed(&flow, BOB), None);
    flow.cast(&page, BOB, Some(Choice::Reject));
    assert_eq!(absorbed(&flow, ALICE), Some((1_000_000, 0)));
    assert_eq!(absorbed(&flow, BOB), Some((1_000_000, 500_000)));
    flow.cast(&page, BOB, Some(Choice::Withdraw));
    assert_eq!(absorbed(&flow, ALICE), Some((1_000_000, 1_500_000)));
}

#[test]
fn a_change_that_reaches_no_caster_changes_no_tally() {
    let mut page = lending(4, &[(BOB, &[(ALICE, 10_000)])]);
    let mut flow = Flow::count(&page, [(ALICE, Choice::Approve)]);
    let mut relend = |who, to: Option<&[(u32, u16)]>| {
        let change = page.set_rows(who, to.map(rows));
        flow.follow(&page, &change)
    };
    assert!(!relend(CAROL, Some(&[(DAVE, 10_000)])));
    assert!(relend(DAVE, Some(&[(BOB, 10_000)])));
    assert!(relend(BOB, None));
    assert!(!relend(CAROL, None));
}

#[test]
fn a_change_reaches_those_who_cast_and_those_it_comes_to() {
    let mut lending = lending(6, &[(0, &[(1, 10_000)]), (3, &[(4, 10_000)])]);
    assert_eq!(lending.participants(), 6);
    let mut flow = Flow::new(&lending);
    flow.cast(&lending, 1, Some(Choice::Approve));
    let elsewhere = lending.set_rows(3, Some(rows(&[(5, 10_000)])));
    assert!(!flow.is_reached(&elsewhere));
    assert!(!flow.follow(&lending, &elsewhere));
    let back = lending.set_rows(0, None);
    assert!(flow.is_reached(&back));
    assert!(flow.follow(&lending, &back));
}

#[test]
#[should_panic(expected = "no participant is at 5")]
fn nobody_lends_to_a_position_past_the_roster() {
    let _ = Lending::new(vec![1; 5].into()).set_rows(0, Some(rows(&[(5, 0)])));
}

#[test]
fn rows_that_give_more_than_everything_are_none() {
    let check = |rows: &[u16], expect| {
        let rows = rows.iter().map(|bp| Row { to: Some(ALICE), bp: *bp });
        assert_eq!(Rows::new(rows).is_some(), expect);
    };
    check(&[], true);
    check(&[9999, 1], true);
    check(&[9999, 2], false);
    check(&[1; LENDING_ROWS_MAX], true);
    check(&[1; LENDING_ROWS_MAX + 1], false);
}

/// Balances traced one by one, as G7 is written: nothing is shared with the code under test.
mod naive {
    use super::*;

    pub type Graph = Vec<Option<Vec<(Option<usize>, u16)>>>;

    #[derive(Debug, Default, PartialEq, Eq)]
    pub struct Outcome {
        pub kept: Vec<u128>,
        pub abstain: u128,
    }

    /// What each caster ends up with, and what abstains.
    pub fn outcome(powers: &[u32], graph: &Graph, casts: &[Option<Choice>]) -> Outcome {
        let n = powers.len();
        let mut outcome = Outcome { kept: vec![0; n], abstain: 0 };
        let mut at: Vec<u128> = powers.iter().map(|p| u128::from(*p) * 1_000_000).collect();
        for hop in 0..=8 {
            let mut next = vec![0; n];
            for who in 0..n {
                let balance = at[who];
                match (&casts[who], &graph[who]) {
                    (Some(_), _) => outcome.kept[who] += balance,
                    (None, Some(rows)) if hop < 8 => {
                        let whole = rows.iter().map(|(_, bp)| u32::from(*bp)).sum::<u32>() == 10000;
                        let mut rest = balance;
                        for (n, (to, bp)) in rows.iter().enumerate() {
                            let mut share = balance * u128::from(*bp) / 10_000;
                            if whole && n + 1 == rows.len() {
                                share = rest;
                            }
                            rest -= share;
                            match to {
                                Some(to) => next[*to] += share,
                                None => outcome.abstain += share,
                            }
                        }
                        outcome.abstain += rest;
                    }
                    _ => outcome.abstain += balance,
                }
            }
            at = next;
        }
        outcome
    }
}

/// What happens on a page while one operation is open.
#[derive(Clone, Debug)]
enum Deed {
    Cast(usize, Option<Choice>),
    Lend(usize, Option<Vec<(Option<usize>, u16)>>),
}

#[derive(Clone, Debug)]
struct Story {
    powers: Vec<u32>,
    deeds: Vec<Deed>,
}

fn shares() -> impl Strategy<Value = Vec<u16>> {
    let whole = prop::collection::vec(1u16..=10_000, 1..5).prop_map(|cuts| {
        let mut cuts: Vec<u16> = cuts.into_iter().chain([0, 10_000]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        cuts.windows(2).map(|cut| cut[1] - cut[0]).collect()
    });
    let less = prop::collection::vec(1u16..2500, 0..5);
    prop_oneof![4 => whole, 2 => less, 1 => Just(vec![10_000]), 1 => Just(vec![3333, 3333, 3334])]
}

fn deed(n: usize) -> impl Strategy<Value = Deed> {
    let choice = prop_oneof![
        4 => Just(Some(Choice::Approve)),
        3 => Just(Some(Choice::Reject)),
        2 => Just(Some(Choice::Withdraw)),
        1 => Just(None),
    ];
    let target = prop_oneof![9 => (0..n).prop_map(Some), 1 => Just(None)];
    let rows = (shares(), prop::collection::vec(target, 10))
        .prop_map(|(shares, targets)| targets.into_iter().zip(shares).collect::<Vec<_>>());
    let rows = prop::option::weighted(0.85, rows);
    prop_oneof![
        2 => (0..n, choice).prop_map(|(who, choice)| Deed::Cast(who, choice)),
        3 => (0..n, rows).prop_map(|(who, rows)| Deed::Lend(who, rows)),
    ]
}

fn story() -> impl Strategy<Value = Story> {
    let power = prop_oneof![4 => 1u32..5, 1 => Just(1u32), 1 => 0u32..1_000_000];
    prop::collection::vec(power, 2..=12).prop_flat_map(|powers| {
        let deeds = prop::collection::vec(deed(powers.len()), 1..40);
        deeds.prop_map(move |deeds| Story { powers: powers.clone(), deeds })
    })
}

/// How things stand at the end of a story, without any history.
struct End {
    graph: naive::Graph,
    casts: Vec<Option<Choice>>,
}

impl End {
    fn start(n: usize) -> End {
        End { graph: vec![None; n], casts: vec![None; n] }
    }

    fn after(&mut self, deed: &Deed) {
        match deed {
            Deed::Cast(who, choice) => {
                self.casts[*who] = choice.filter(|choice| *choice != Choice::Withdraw);
            }
            Deed::Lend(who, rows) => self.graph[*who].clone_from(rows),
        }
    }

    /// The same, counted from scratch.
    fn count(&self, powers: &[u32]) -> (Lending, Flow) {
        let rows = (0..).zip(&self.graph).filter_map(|(who, rows)| Some((who, real(rows)?)));
        let lending = Lending::from_rows(powers.into(), rows);
        let casts = (0..).zip(&self.casts).filter_map(|(who, choice)| Some((who, (*choice)?)));
        let flow = Flow::count(&lending, casts);
        (lending, flow)
    }
}

fn real(rows: &Option<Vec<(Option<usize>, u16)>>) -> Option<Rows> {
    let row = |(to, bp): &(Option<usize>, u16)| Row { to: to.map(|to| to as u32), bp: *bp };
    rows.as_ref().map(|rows| Rows::new(rows.iter().map(row)).unwrap())
}

fn perform(lending: &mut Lending, flow: &mut Flow, deed: &Deed) {
    match deed {
        Deed::Cast(who, choice) => {
            flow.cast(lending, *who as u32, *choice);
        }
        Deed::Lend(who, rows) => {
            let change = lending.set_rows(*who as u32, real(rows));
            flow.follow(lending, &change);
        }
    }
}

/// A flow says what the naive simulation says, of the sums and of each caster, and nothing is lost.
fn invariant_of_flows(powers: &[u32], end: &End, lending: &Lending, flow: &Flow) {
    let outcome = naive::outcome(powers, &end.graph, &end.casts);
    let of = |choice| {
        let kept = outcome.kept.iter().zip(&end.casts).filter(move |(_, c)| **c == Some(choice));
        kept.map(|(kept, _)| kept).sum::<u128>()
    };
    let tally = flow.tally();
    assert_eq!(tally.approve, of(Choice::Approve));
    assert_eq!(tally.reject, of(Choice::Reject));
    assert_eq!(tally.abstain(), outcome.abstain);
    assert_eq!(tally.approve + tally.reject + outcome.abstain, tally.total);
    assert_eq!(tally.total, powers.iter().map(|p| u128::from(*p)).sum::<u128>() * POWER_UNITS);
    let approvers = end.casts.iter().filter(|c| **c == Some(Choice::Approve)).count();
    assert_eq!(tally.approvers as usize, approvers);
    for (who, kept) in outcome.kept.iter().enumerate() {
        let absorbed = flow.absorbed(lending, who as u32);
        assert_eq!(absorbed.is_some(), end.casts[who].is_some());
        assert_eq!(absorbed.map_or(0, |a| u128::from(a.own + a.lent)), *kept);
        assert!(absorbed.is_none_or(|a| a.own == u64::from(powers[who]) * UNITS));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// G7, after every deed: as the naive simulation, and as counted from scratch.
    #[test]
    fn every_deed_leaves_what_counting_from_scratch_gives(story in story()) {
        let mut lending = Lending::new(story.powers.clone().into());
        let mut flow = Flow::new(&lending);
        let mut end = End::start(story.powers.len());
        for deed in &story.deeds {
            end.after(deed);
            let before = flow.tally();
            let said = match deed {
                Deed::Cast(who, choice) => flow.cast(&lending, *who as u32, *choice),
                Deed::Lend(who, rows) => {
                    let change = lending.set_rows(*who as u32, real(rows));
                    flow.follow(&lending, &change)
                }
            };
            prop_assert_eq!(said, before != flow.tally());
            invariant_of_flows(&story.powers, &end, &lending, &flow);
            prop_assert_eq!(&(lending.clone(), flow.clone()), &end.count(&story.powers));
        }
    }

    /// G7: in whatever order ballots and presences arrive.
    #[test]
    fn any_order_of_the_same_ballots_and_presences_gives_the_same(
        story in story(),
        order in any::<u64>(),
    ) {
        // Each participant's last word of each kind, so that no order decides between two.
        let mut last: BTreeMap<(usize, bool), Deed> = BTreeMap::new();
        for deed in &story.deeds {
            let (Deed::Cast(who, _) | Deed::Lend(who, _)) = deed;
            last.insert((*who, matches!(deed, Deed::Cast(..))), deed.clone());
        }
        let mut deeds: Vec<Deed> = last.into_values().collect();
        let mut ends = Vec::new();
        for turn in 0..3 {
            let mut lending = Lending::new(story.powers.clone().into());
            let mut flow = Flow::new(&lending);
            deeds.iter().for_each(|deed| perform(&mut lending, &mut flow, deed));
            ends.push((lending, flow));
            let len = deeds.len();
            deeds.reverse();
            deeds.rotate_left((order >> (8 * turn)) as usize % len);
            deeds.swap(0, (order >> 32) as usize % len);
        }
        prop_assert_eq!(&ends[0], &ends[1]);
        prop_assert_eq!(&ends[0], &ends[2]);
    }

    /// G7: one's own ballot beats one's lending, and nobody else counts with that power.
    #[test]
    fn an_own_ballot_counts_with_at_least_the_own_power(story in story(), who in 0usize..12) {
        let who = who % story.powers.len();
        let mut end = End::start(story.powers.len());
        story.deeds.iter().for_each(|deed| end.after(deed));
        end.after(&Deed::Cast(who, Some(Choice::Approve)));
        let (lending, flow) = end.count(&story.powers);
        end.after(&Deed::Lend(who, None));
        let (_, stays) = end.count(&story.powers);
        prop_assert_eq!(flow.tally(), stays.tally());
        let absorbed = flow.absorbed(&lending, who as u32).unwrap();
        prop_assert!(flow.tally().approve >= u128::from(absorbed.own));
    }

    /// Many operations on one lending: each follows for itself.
    #[test]
    fn a_flow_does_not_know_of_others(story in story()) {
        let mut lending = Lending::new(story.powers.clone().into());
        let (mut one, mut other) = (Flow::new(&lending), Flow::new(&lending));
        for (n, deed) in story.deeds.iter().enumerate() {
            match deed {
                Deed::Cast(who, choice) => {
                    let flow = if n % 2 == 0 { &mut one } else { &mut other };
                    flow.cast(&lending, *who as u32, *choice);
                }
                Deed::Lend(who, rows) => {
                    let kept = (lending.clone(), one.clone());
                    let change = lending.set_rows(*who as u32, real(rows));
                    one.follow(&lending, &change);
                    other.follow(&lending, &change);
                    let casts = kept.1.casters.iter().map(|(who, choice)| (*who, *choice));
                    prop_assert_eq!(Flow::count(&kept.0, casts), kept.1);
                }
            }
        }
        for flow in [one, other] {
            let casts = flow.casters.iter().map(|(who, choice)| (*who, *choice));
            prop_assert_eq!(Flow::count(&lending, casts), flow);
        }
    }

    /// The quick division is the one that G7 writes.
    #[test]
    fn a_part_is_rounded_down_to_the_unit(balance in 0..TOTAL_POWER_MAX * UNITS, bp in 0u16..=10_000) {
        let exact = u128::from(balance) * u128::from(bp) / 10_000;
        prop_assert_eq!(u128::from(part(balance, bp)), exact);
    }
}
