//! How far lending cures the slowness of big pages: a table of the time from a proposal to its
//! soft answer.
//!
//! ```sh
//! cargo bench --bench lending_table
//! ```
//!
//! # The model
//!
//! A page of 300,000 equal participants, `track1_bp` 3001. Everybody looks in once a day, at a
//! moment of its own that is uniform over the day, for 1 % of the day (14.4 minutes): so 1 % are
//! awake at any moment. Whoever is awake approves what is open. *Watchers*, one in a hundred,
//! spread their 1 % over the day: they look in 24 times for 36 seconds, at moments of their own.
//! They never lend. An operation is proposed at time 0; it has a soft answer when it is eligible
//! (G8), counted by the code that counts on a page.
//!
//! A share of the participants, chosen at random, lends everything to one delegate:
//!
//! * *anybody*: some other participant, who may lend too, in chains and cycles as they happen;
//! * *a voter*: some participant that does not lend;
//! * *chain of 4*: to the next of four lenders in a line, the last of whom lends to a voter;
//! * *a watcher*: one of the watchers.
//!
//! In the first table those who lend never look in. In the second they look in once a day as all
//! others and then vote themselves, which takes their power back for this operation.
//!
//! # What it leaves out
//!
//! Rejecting, abstaining although awake, and doubt; days of the week and time zones (a real page
//! sleeps together); delegates that stop; unequal powers, and lending to several or to the same
//! few; the time that a ballot takes to arrive (seconds); and whether anybody *should* give its
//! vote to those who look in most often. The random numbers are the same at every run.

use std::sync::Arc;

use djdns::{
    governance::{
        ballot::Choice,
        flow::{Flow, Lending, Row, Rows},
        operation::Track,
    },
    page::genesis::Parameters,
};

const PARTICIPANTS: u32 = 300_000;
/// One participant in so many is a watcher.
const WATCHERS_ONE_IN: u32 = 100;
const LOOKS_OF_A_WATCHER: u32 = 24;
/// The part of a day that everybody is awake, once or in 24 looks.
const AWAKE: f64 = 0.01;
const MINUTES_PER_DAY: f64 = 1440.0;

/// Whom a lender gives its power to.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Anybody,
    Voter,
    ChainOfFour,
    Watcher,
}

const SHAPES: [Shape; 4] = [Shape::Anybody, Shape::Voter, Shape::ChainOfFour, Shape::Watcher];

fn main() {
    let powers: Arc<[u32]> = vec![1; PARTICIPANTS as usize].into();
    for lenders_vote in [false, true] {
        let who = if lenders_vote { "look in once a day too" } else { "never look in" };
        println!("\nHours and minutes from proposal to soft answer; those who lend {who}.\n");
        println!("| lend | anybody | a voter | chain of 4 | a watcher |");
        println!("|-----:|--------:|--------:|-----------:|----------:|");
        for percent in (0..=90).step_by(10) {
            let cells = SHAPES.map(|shape| cell(&powers, percent, shape, lenders_vote));
            println!("| {percent} % | {} |", cells.join(" | "));
        }
    }
}

fn cell(powers: &Arc<[u32]>, percent: u32, shape: Shape, lenders_vote: bool) -> String {
    let mut random = Random(u64::from(percent) * 8 + shape as u64 * 2 + u64::from(lenders_vote));
    let people = People::new(&mut random, percent);
    let rows = people.lend(&mut random, shape);
    let lending = Lending::from_rows(powers.clone(), rows);
    match minutes_to_soft(&lending, &people.looks(&mut random, lenders_vote)) {
        Some(minutes) => format!("{}:{:02}", minutes / 60, minutes % 60),
        None => "never".to_owned(),
    }
}

/// When the ballots of those who look in, in this order, make an operation eligible.
fn minutes_to_soft(lending: &Lending, looks: &[(f64, u32)]) -> Option<u32> {
    let parameters = Parameters::default();
    let mut flow = Flow::new(lending);
    looks.iter().find_map(|(day, who)| {
        flow.cast(lending, *who, Some(Choice::Approve));
        let eligible = flow.tally().is_eligible(Track::One, &parameters, lending.participants());
        eligible.then_some((day * MINUTES_PER_DAY).round() as u32)
    })
}

/// Positions in random order of what they do: first the watchers, then other voters, then lenders.
struct People {
    order: Vec<u32>,
    watchers: usize,
    voters: usize,
}

impl People {
    fn new(random: &mut Random, lend_percent: u32) -> People {
        let mut order: Vec<u32> = (0..PARTICIPANTS).collect();
        for n in (1..order.len()).rev() {
            order.swap(n, random.below(n + 1));
        }
        let voters = (PARTICIPANTS / 100 * (100 - lend_percent)) as usize;
        People { order, watchers: (PARTICIPANTS / WATCHERS_ONE_IN) as usize, voters }
    }

    fn lend(&self, random: &mut Random, shape: Shape) -> Vec<(u32, Rows)> {
        let lenders = self.order.iter().copied().enumerate().skip(self.voters);
        let row = |(n, who)| (who, everything_to(self.delegate(random, shape, n)));
        lenders.map(row).collect()
    }

    fn delegate(&self, random: &mut Random, shape: Shape, n: usize) -> u32 {
        let last = self.order.len() - 1;
        let place = match shape {
            Shape::Anybody => (n + 1 + random.below(last)) % self.order.len(),
            Shape::Watcher => random.below(self.watchers),
            Shape::ChainOfFour if (n - self.voters) % 4 < 3 && n < last => n + 1,
            Shape::ChainOfFour | Shape::Voter => random.below(self.voters),
        };
        self.order[place]
    }

    /// Who looks in for the first time after the proposal, and when, in days; sorted by that.
    fn looks(&self, random: &mut Random, lenders_vote: bool) -> Vec<(f64, u32)> {
        let count = if lenders_vote { self.order.len() } else { self.voters };
        let looks_of = |n| if n < self.watchers { LOOKS_OF_A_WATCHER } else { 1 };
        let first = |(n, who): (usize, &u32)| (random.first_look(looks_of(n)), *who);
        let mut looks: Vec<_> = self.order[..count].iter().enumerate().map(first).collect();
        looks.sort_by(|one, other| one.0.total_cmp(&other.0));
        looks
    }
}

fn everything_to(delegate: u32) -> Rows {
    Rows::new([Row { to: Some(delegate), bp: 10_000 }]).expect("it is no more than everything")
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A place below `count`; the bias of a remainder is far below what the table shows.
    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    /// When somebody who looks in so many times a day is awake first, in days. Each look begins at
    /// a uniform moment of the day; one that has begun and not ended counts as now.
    fn first_look(&mut self, looks: u32) -> f64 {
        let awake = AWAKE / f64::from(looks);
        let mut look = || (self.next() >> 11) as f64 / (1u64 << 53) as f64 - awake;
        let first = (0..looks).map(|_| look()).fold(1.0, f64::min);
        first.max(0.0)
    }
}
