//! What a daemon has counted, gathered: for `djdns stats`, and for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{neighbours::Neighbours, node::Node, running::Running, status::in_order};
use crate::{
    ambient,
    control::running::{Bucket, Forwarded, PageStats, Queries, Stats, Times},
    dns::counters::{self, BOUNDS, Counted},
    governance::Governance,
};

/// Everything that is counted and measured.
pub fn stats(node: &Node, running: &Running) -> Stats {
    Stats {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        process: std::process::id(),
        started: node.started,
        uptime_seconds: node.now().saturating_sub(node.started),
        memory_bytes: ambient::resident_bytes(),
        queries: queries(&running.witness.counted()),
        forwarding: forwarded(running),
        upstreams: running.forwarding().upstreams,
        peers: running.neighbours().map(Neighbours::numbers),
        mirrors: running.telling().and_then(|mirrors| mirrors.numbers()),
        pages: in_order(node).iter().map(page).collect(),
    }
}

fn queries(counted: &Counted) -> Queries {
    let named = |list: &[(&'static str, u64)]| {
        list.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
    };
    Queries {
        transports: named(&counted.transports),
        rcodes: counted.rcodes.iter().cloned().collect(),
        sources: named(&counted.sources),
        truncated: counted.truncated,
        silent: counted.silent,
        overloaded: counted.overloaded,
        here: times(&counted.here),
        cache: times(&counted.cache),
        upstream: times(&counted.upstream),
    }
}

fn times(times: &counters::Times) -> Times {
    let bounds = BOUNDS.iter().map(|bound| Some(bound.as_secs_f64())).chain([None]);
    let bucket =
        |(at_most_seconds, count): (Option<f64>, &u64)| Bucket { at_most_seconds, count: *count };
    Times {
        count: times.buckets.iter().sum(),
        sum_seconds: times.sum.as_secs_f64(),
        buckets: bounds.zip(&times.buckets).map(bucket).collect(),
    }
}

fn forwarded(running: &Running) -> Forwarded {
    let counters = running.forward().counters();
    let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let (entries, bytes) = running.forward().cache_size();
    Forwarded {
        cache_hits: get(&counters.hits),
        cache_misses: get(&counters.misses),
        stale: get(&counters.stale),
        failures: get(&counters.failures),
        coalesced: get(&counters.coalesced),
        prefetched: get(&counters.prefetched),
        cache_entries: entries as u64,
        cache_bytes: bytes as u64,
    }
}

fn page(governance: &Governance) -> PageStats {
    let page = governance.page();
    PageStats {
        name: page.name().to_string(),
        page_id: page.id().to_string(),
        height: page.height(),
        entries: page.entry_count() as u64,
        open_operations: governance.proposals().count() as u64,
    }
}
