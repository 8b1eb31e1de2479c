//! One ratified change on a page, and where its cost is: the signatures, the tally, the log with
//! its index, the view. A change must cost the same on ten names and on a million.
//!
//! ```sh
//! cargo bench --bench change                            # time, 10 / 10,000 / 1,000,000 names
//! benches/change_instructions.sh                        # instructions, by callgrind
//! ```
//! A change is one submission: an operation and two ballots, as the control socket takes them.

use std::{path::Path, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use criterion::{BatchSize, Criterion};
use djdns::{
    daemon::{node::Node, whole::WholePage},
    dns::{PageMeta, View},
    governance::{Governance, statement::Statement},
    id::Id,
    page::{
        Page,
        name::{Name, Owner},
        origin_version,
    },
    store::{Record, Store, disk::RealDisk},
};

#[path = "../tests/support/people.rs"]
mod people;

const NAMES: [usize; 3] = [10, 10_000, 1_000_000];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["prepare", dir, names] => {
            prepare(Path::new(dir), names.parse().expect("a number"));
        }
        ["count", dir, changes] => {
            count(Path::new(dir), changes.parse().expect("a number"));
        }
        _ => measure(),
    }
}

/// Founds the page `bench.` in a data directory.
fn prepare(dir: &Path, names: usize) -> Arc<Node> {
    let node = Node::open(dir, "a benchmark", &mut |_, _, _| {}).expect("the directory opens");
    let bench = Name::parse("bench.").expect("a name");
    let contents = (0..names).map(|n| {
        let owner = Owner::parse(&format!("n{n:07}"), &bench).expect("a name");
        (owner, people::address(n as u32))
    });
    let (_, raw) = people::found("bench.", contents);
    let whole = WholePage { raw, ..WholePage::default() };
    node.admit_page(whole, &mut |_, _, _| {}).expect("the page is in order");
    node
}

/// The page of [`prepare`].
fn page(node: &Node) -> Governance {
    node.select(&"bench.".to_owned()).expect("it was prepared")
}

/// The bytes of the submissions that set these names anew: an operation and two ballots each.
fn changes(page: &Id, slots: std::ops::Range<u32>) -> Vec<Vec<Vec<u8>>> {
    let bench = Name::parse("bench.").expect("a name");
    let change = |slot: u32| {
        let owner = Owner::parse(&format!("n{:07}", slot % 10), &bench).expect("a name");
        let parent = origin_version(page, &owner);
        let statement =
            people::proposal(page, "alice", slot, &owner, parent, people::address(slot));
        let sequence = u64::from(slot) + 1;
        let ballot = |person| people::approval(page, person, sequence, &statement.id());
        let ballots = ["alice", "bob"].map(ballot);
        [&statement, &ballots[0], &ballots[1]].map(|s| s.bytes().to_vec()).to_vec()
    };
    slots.map(change).collect()
}

/// Makes changes whole and then in parts, under names that a profile shows.
fn count(dir: &Path, count: u32) {
    let node = Node::open(dir, "a benchmark", &mut |_, _, _| {}).expect("the directory opens");
    let before = page(&node);
    let changes = changes(&before.page().id(), 0..count);
    for change in &changes {
        whole_change(&node, change);
    }
    let view = node.view().load_full();
    drop(node);
    let (store, _) = Store::open(Arc::new(RealDisk), dir, "a benchmark", &mut |_| {})
        .expect("the directory opens");
    let mut parts = Parts { page: before, view: Arc::new(ArcSwap::new(view)), store };
    for change in &changes {
        parts.change(change);
    }
}

#[inline(never)]
fn whole_change(node: &Node, change: &[Vec<u8>]) {
    let statements = part_signatures(change);
    node.submit(&statements).expect("it is admitted");
}

#[inline(never)]
fn part_signatures(change: &[Vec<u8>]) -> Vec<Statement> {
    let admit = |bytes: &Vec<u8>| Statement::admit(bytes).expect("it was signed");
    change.iter().map(admit).collect()
}

/// What a node does to a change, step by step.
struct Parts {
    page: Governance,
    view: Arc<ArcSwap<View>>,
    store: Store,
}

impl Parts {
    fn change(&mut self, change: &[Vec<u8>]) {
        let statements = part_signatures(change);
        let owners = part_governance(&mut self.page, &statements);
        part_log_and_index(&self.store, &statements);
        part_view(&self.view, &self.page, &owners);
    }
}

#[inline(never)]
fn part_governance(page: &mut Governance, statements: &[Statement]) -> Vec<Owner> {
    let mut copy = page.clone();
    let admit = |statement| copy.admit(statement).expect("it is admitted");
    let owners = statements.iter().flat_map(admit).collect();
    *page = copy;
    owners
}

#[inline(never)]
fn part_log_and_index(store: &Store, statements: &[Statement]) {
    let record = |statement: &Statement| Record {
        kind: statement.kind() as u8,
        id: statement.id(),
        bytes: statement.bytes().to_vec(),
    };
    let records: Vec<Record> = statements.iter().map(record).collect();
    store.append(&statements[0].page(), &records).expect("there is room");
}

#[inline(never)]
fn part_view(view: &ArcSwap<View>, page: &Governance, owners: &[Owner]) {
    let values: Vec<_> = owners.iter().map(|owner| page.ratified(owner).0).collect();
    let rows = owners.iter().zip(&values).map(|(owner, sets)| (owner, sets, Some(300)));
    view.store(Arc::new(view.load().with_entries(&page.page().id(), rows)));
}

fn measure() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    for names in NAMES {
        let bench = Name::parse("bench.").expect("a name");
        let contents = (0..names).map(|n| {
            let owner = Owner::parse(&format!("n{n:07}"), &bench).expect("a name");
            (owner, people::address(n as u32))
        });
        let (page, _) = people::found("bench.", contents);
        measure_memory(&mut criterion, names, &page);
    }
    criterion.final_summary();
}

/// All of a change but the disk, whose time is the disk's.
fn measure_memory(criterion: &mut Criterion, names: usize, page: &Page) {
    let changes = changes(&page.id(), 0..1);
    let statements = part_signatures(&changes[0]);
    let meta = PageMeta {
        name: page.name().clone(),
        id: page.id(),
        serial: 0,
        fresh: true,
        absence_ttl: u32::MAX,
    };
    let entries = page.entries().map(|entry| (entry.owner, entry.sets));
    let view = ArcSwap::from_pointee(View::new().with_page(meta, entries));
    let governance = Governance::new(page.clone());
    criterion.bench_function(&format!("{names} names: signatures"), |bencher| {
        bencher.iter(|| part_signatures(&changes[0]));
    });
    criterion.bench_function(&format!("{names} names: governance and view"), |bencher| {
        bencher.iter_batched(
            || governance.clone(),
            |mut governance| {
                let owners = part_governance(&mut governance, &statements);
                part_view(&view, &governance, &owners);
            },
            BatchSize::SmallInput,
        );
    });
}
