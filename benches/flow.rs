//! Lent power on pages of 3,000, 30,000 and 300,000 participants, of whom a third lend: what it
//! costs to count everything, and what one more ballot or presence costs after that.
//!
//! ```sh
//! cargo bench --bench flow
//! ```
//! Counting everything must be linear in participants. The rest must not depend on their number,
//! but for the depth of the trees: it costs what the change reaches. Each iteration works on a
//! copy that shares everything with the original, as a page does when a statement arrives.

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use djdns::governance::{
    ballot::Choice,
    flow::{Flow, Lending, Row, Rows},
};

const PARTICIPANTS: [u32; 3] = [3_000, 30_000, 300_000];

/// Who the third that lends gives its power to. Positions below a third lend, those above vote.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Runs of five, each to the next one, the last to one who votes.
    Chains,
    /// Rings of three: 60 % to the next one, 40 % to one who votes.
    Cycles,
    /// All to two of ten who vote, 70 % and 30 %.
    Popular,
    /// Sixteen rows each, to whomever: a change spreads until its shares are below a unit. The
    /// worst that people can do to each other.
    Web,
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    for shape in [Shape::Chains, Shape::Cycles, Shape::Popular, Shape::Web] {
        for participants in PARTICIPANTS {
            measure(&mut criterion, shape, participants);
        }
    }
    criterion.final_summary();
}

fn measure(criterion: &mut Criterion, shape: Shape, participants: u32) {
    let page = Page::new(shape, participants);
    let id = |what| BenchmarkId::new(format!("{shape:?} {what}"), participants);
    let mut group = criterion.benchmark_group("flow");
    group.throughput(Throughput::Elements(participants.into()));
    group.bench_function(id("count everything"), |bencher| {
        bencher.iter(|| {
            let lending = page.lending();
            let flow = page.flow(&lending);
            black_box((lending, flow))
        });
    });
    group.throughput(Throughput::Elements(1));
    let lending = page.lending();
    let flow = page.flow(&lending);
    let mut turn = 0;
    let mut next = || {
        turn += 1;
        (turn, flow.clone(), lending.clone())
    };
    group.bench_function(id("ballot of one who does not lend"), |bencher| {
        bencher.iter_batched(
            &mut next,
            |(turn, mut flow, lending)| {
                flow.cast(&lending, page.voter(turn), Some(Choice::Reject));
                (flow, lending)
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function(id("ballot of one who lends"), |bencher| {
        bencher.iter_batched(
            &mut next,
            |(turn, mut flow, lending)| {
                flow.cast(&lending, page.lender(turn), Some(Choice::Reject));
                (flow, lending)
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function(id("presence"), |bencher| {
        bencher.iter_batched(
            &mut next,
            |(turn, mut flow, mut lending)| {
                let rows = page.rows(page.lender(turn + 1));
                let change = lending.set_rows(page.lender(turn), Some(rows));
                flow.follow(&lending, &change);
                (flow, lending)
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

struct Page {
    shape: Shape,
    powers: Arc<[u32]>,
}

impl Page {
    fn new(shape: Shape, participants: u32) -> Page {
        Page { shape, powers: vec![1; participants as usize].into() }
    }

    fn participants(&self) -> u32 {
        self.powers.len() as u32
    }

    fn lenders(&self) -> u32 {
        self.participants() / 3
    }

    /// Some lender, another one at each turn.
    fn lender(&self, turn: u32) -> u32 {
        scattered(turn) % self.lenders()
    }

    /// Some participant that does not lend.
    fn voter(&self, turn: u32) -> u32 {
        self.lenders() + scattered(turn) % (self.participants() - self.lenders())
    }

    fn rows(&self, who: u32) -> Rows {
        let rows: Vec<(u32, u16)> = match self.shape {
            Shape::Chains if who % 5 < 4 && who + 1 < self.lenders() => vec![(who + 1, 10_000)],
            Shape::Chains => vec![(self.voter(who), 10_000)],
            Shape::Cycles => {
                let ring = who - who % 3;
                vec![(ring + (who + 1 - ring) % 3, 6000), (self.voter(who), 4000)]
            }
            Shape::Popular => {
                let popular = |n: u32| self.lenders() + n % 10;
                vec![(popular(who), 7000), (popular(who / 10 + 5), 3000)]
            }
            Shape::Web => (0..16)
                .map(|n| (scattered(who.wrapping_mul(16) + n) % self.participants(), 625))
                .collect(),
        };
        Rows::new(rows.into_iter().map(|(to, bp)| Row { to: Some(to), bp })).expect("it is whole")
    }

    fn lending(&self) -> Lending {
        let rows = (0..self.lenders()).map(|who| (who, self.rows(who)));
        Lending::from_rows(self.powers.clone(), rows)
    }

    /// An operation that all who do not lend approved.
    fn flow(&self, lending: &Lending) -> Flow {
        let casts = (self.lenders()..self.participants()).map(|who| (who, Choice::Approve));
        Flow::count(lending, casts)
    }
}

/// A number without visible order (the finalizer of MurmurHash3): the same at every run.
fn scattered(n: u32) -> u32 {
    let n = (n ^ (n >> 16)).wrapping_mul(0x85eb_ca6b);
    let n = (n ^ (n >> 13)).wrapping_mul(0xc2b2_ae35);
    n ^ (n >> 16)
}
