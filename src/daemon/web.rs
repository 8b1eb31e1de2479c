//! What the HTTP face shows of a daemon: its health in words, and its numbers for Prometheus.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use anyhow::bail;
use arc_swap::ArcSwap;

use super::{
    neighbours::Neighbours,
    node::Node,
    running::Running,
    stats::stats,
    status::{self, in_words, status},
};
use crate::{
    config::door::HttpDoor,
    control::{
        peers::{Peer, Peers},
        remarks,
        report::PageSummary,
        running::{Mirror, MirrorStats, PageStats, PeerStats, Stats, Times, UpstreamReport},
    },
    dns::{Access, holder},
    http::{
        Health, Http, List, Serving, Shown,
        metrics::{Family, Histogram},
    },
    key::PublicKey,
    limits::METRICS_PAGES_MAX,
};

/// A daemon, as it is shown.
struct Web(Arc<Node>);

/// Listens for HTTP, if anybody wants it; or says in a sentence why not, and DNS goes on without.
///
/// # Errors
/// An address that others can reach, while nobody has said who of them may ask.
pub fn bind(door: HttpDoor, access: &Access) -> anyhow::Result<(Option<Http>, Option<String>)> {
    let Some(address) = door.address() else { return Ok((None, None)) };
    if !access.covers(address) {
        bail!(
            "HTTP on {address} can be reached from other machines: say in the configuration which may \
             ask, as in `allow = [\"192.0.2.0/24\"]`, or choose 127.0.0.1 or [::1] with --http"
        );
    }
    Ok(match Http::bind(address) {
        Ok(http) => (Some(http), None),
        Err(error) => (None, Some(not_had(address, &error))),
    })
}

/// Answers those who may ask for names too, until what this returns is dropped.
///
/// # Errors
/// When there is no thread to be had.
pub fn serve(node: &Arc<Node>, http: Http, access: Arc<ArcSwap<Access>>) -> io::Result<Serving> {
    let admits = move |client: IpAddr| access.load().allows(client);
    let serving = http.serve(Arc::new(Web(node.clone())), Arc::new(admits))?;
    node.running().inspect(|running| running.set_http(Some(serving.address())));
    Ok(serving)
}

fn not_had(address: SocketAddr, error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => {
            let by = holder::of("tcp", address);
            format!("{address} is taken{}", by.map_or_else(String::new, |by| format!(" by {by}")))
        }
        _ => format!("{address}: {error}"),
    };
    format!(
        "no HTTP is answered, and so no metrics: {why}; choose another address with --http or \
         `http = \"127.0.0.1:8054\"`, or `off`"
    )
}

impl Shown for Web {
    fn metrics(&self) -> Vec<Family> {
        self.0.running().map_or_else(Vec::new, |running| families(&stats(&self.0, running)))
    }

    /// A probe starts again what does not serve: that a network is gone, or that people should vote,
    /// is nothing that would help against.
    fn health(&self) -> Health {
        let status = status(&self.0);
        Health { serves: status.resolves, words: in_words(&status) }
    }

    fn lists(&self) -> Vec<List> {
        let peers = self.0.running().and_then(Running::neighbours).map(Neighbours::peers);
        let peers = peers.and_then(Result::ok);
        [pages_shown(&status::pages(&self.0))]
            .into_iter()
            .chain(peers.as_ref().map(nodes))
            .collect()
    }
}

/// Rows of a list on the status page (choice: as many as somebody reads; the commands show all).
const ROWS_SHOWN: usize = 100;

/// The pages, and how each stands beside those of other nodes.
fn pages_shown(pages: &[PageSummary]) -> List {
    let row = |page: &PageSummary| {
        let remarks = remarks::of(page);
        let beside = page.alongside.as_ref().filter(|beside| beside.peers > 0 && beside.in_step);
        let beside = beside.filter(|beside| beside.elsewhere == 0);
        let beside = beside.map(|beside| remarks::beside(page, beside));
        let remarks = [Some(remarks).filter(|words| !words.is_empty()), beside];
        let remarks: Vec<String> = remarks.into_iter().flatten().collect();
        vec![
            page.name.clone(),
            page.page_id.chars().take(8).collect(),
            page.height.to_string(),
            page.entries.to_string(),
            page.open_operations.to_string(),
            remarks.join(", "),
        ]
    };
    List {
        title: counted(pages.len(), "page", "page list"),
        head: vec!["name", "page", "height", "entries", "open", "remarks"],
        rows: pages.iter().take(ROWS_SHOWN).map(row).collect(),
    }
}

/// The other nodes that are connected.
fn nodes(peers: &Peers) -> List {
    let row = |peer: &Peer| {
        let key = PublicKey::parse(&peer.key).map_or_else(|_| peer.key.clone(), |key| key.stub());
        let answers = match peer.silent_seconds {
            Some(seconds) => format!("silent for {seconds} s"),
            None => format!("{:.1} ms", peer.round_trip_seconds * 1000.0),
        };
        vec![key, peer.address.clone(), peer.found.clone(), answers, peer.pages.len().to_string()]
    };
    List {
        title: counted(peers.peers.len(), "other node", "peers"),
        head: vec!["node", "address", "found", "answers in", "pages of both"],
        rows: peers.peers.iter().take(ROWS_SHOWN).map(row).collect(),
    }
}

/// How many there are, and where the rest of them is where only some are shown.
fn counted(count: usize, one: &str, command: &str) -> String {
    let count_words = if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") };
    match count > ROWS_SHOWN {
        true => {
            format!("{count_words}, the first {ROWS_SHOWN} of them; `djdns {command}` shows all")
        }
        false => count_words,
    }
}

/// The numbers as Prometheus names them: units of seconds and bytes, `_total` for what only grows.
pub fn families(stats: &Stats) -> Vec<Family> {
    let version = vec![("version", stats.version.clone())];
    let process = [
        Family::gauge("djdns_build_info", "The version that runs.").with(version, 1.0),
        Family::gauge("process_start_time_seconds", "When it was started, since 1970.")
            .is(stats.started as f64),
    ];
    let memory = stats.memory_bytes.map(|bytes| {
        Family::gauge("process_resident_memory_bytes", "Memory that it takes.").is(bytes as f64)
    });
    let mut families: Vec<Family> = process.into_iter().chain(memory).collect();
    families.extend(queries(stats));
    families.extend(forwarding(stats));
    families.extend(upstreams(&stats.upstreams));
    families.extend(stats.peers.iter().flat_map(peers));
    families.extend(stats.mirrors.iter().flat_map(mirrors));
    families.extend(pages(&stats.pages));
    families
}

fn queries(stats: &Stats) -> Vec<Family> {
    let queries = &stats.queries;
    let spread = |times: &Times| {
        let buckets = times.buckets.iter();
        let bounded = buckets.clone().filter_map(|one| Some((one.at_most_seconds?, one.count)));
        let more = buckets.filter(|one| one.at_most_seconds.is_none()).map(|one| one.count).sum();
        Histogram { buckets: bounded.collect(), more, sum: times.sum_seconds }
    };
    let from = |word: &str| vec![("from", word.to_owned())];
    vec![
        Family::counter("djdns_queries_total", "Questions that were answered, by transport.")
            .by("transport", numbers(&queries.transports)),
        Family::counter("djdns_responses_total", "Answers, by response code.")
            .by("rcode", numbers(&queries.rcodes)),
        Family::counter("djdns_answers_total", "Answers, by where they came from.")
            .by("source", numbers(&queries.sources)),
        Family::counter("djdns_truncated_answers_total", "Answers that did not fit, and said so.")
            .is(queries.truncated as f64),
        Family::counter(
            "djdns_silent_messages_total",
            "Messages that were no question, and got no answer.",
        )
        .is(queries.silent as f64),
        Family::counter(
            "djdns_overloaded_questions_total",
            "Questions that found no room to wait in, and were answered with that.",
        )
        .is(queries.overloaded as f64),
        Family::histogram(
            "djdns_answer_duration_seconds",
            "From a question's arrival to its answer, by where that comes from.",
        )
        .spread(from("here"), spread(&queries.here))
        .spread(from("cache"), spread(&queries.cache))
        .spread(from("upstream"), spread(&queries.upstream)),
    ]
}

fn forwarding(stats: &Stats) -> Vec<Family> {
    let numbers = &stats.forwarding;
    let counter = |name, help, number: u64| Family::counter(name, help).is(number as f64);
    let gauge = |name, help, number: u64| Family::gauge(name, help).is(number as f64);
    vec![
        counter(
            "djdns_cache_hits_total",
            "Names outside the pages that were answered from the cache.",
            numbers.cache_hits,
        ),
        counter(
            "djdns_cache_misses_total",
            "Names outside the pages that had to be asked for.",
            numbers.cache_misses,
        ),
        counter(
            "djdns_stale_answers_total",
            "Answers past their time, because no upstream gave a newer one.",
            numbers.stale,
        ),
        counter(
            "djdns_forward_failures_total",
            "Names outside the pages that no upstream answered.",
            numbers.failures,
        ),
        counter(
            "djdns_coalesced_questions_total",
            "Questions that waited for the answer to an equal one.",
            numbers.coalesced,
        ),
        counter(
            "djdns_prefetched_answers_total",
            "Questions asked anew before their cached answer ended.",
            numbers.prefetched,
        ),
        gauge("djdns_cache_entries", "Answers in the cache.", numbers.cache_entries),
        gauge("djdns_cache_bytes", "What they take in memory, about.", numbers.cache_bytes),
    ]
}

fn upstreams(upstreams: &[UpstreamReport]) -> Vec<Family> {
    let each = |number: fn(&UpstreamReport) -> Option<f64>| {
        upstreams.iter().filter_map(move |one| Some((one.upstream.clone(), number(one)?)))
    };
    vec![
        Family::gauge(
            "djdns_upstream_round_trip_seconds",
            "How long an upstream takes to answer, smoothed.",
        )
        .by("upstream", each(|one| one.round_trip_seconds)),
        Family::gauge(
            "djdns_upstream_failures_in_a_row",
            "Questions that an upstream did not answer since it last did.",
        )
        .by("upstream", each(|one| Some(one.failures.into()))),
    ]
}

fn peers(peers: &PeerStats) -> Vec<Family> {
    let gauge = |name, words, value: u64| Family::gauge(name, words).is(value as f64);
    vec![
        gauge("djdns_peers", "Other nodes that are connected.", peers.connected),
        gauge(
            "djdns_peers_received_bytes",
            "What came over the connections that there are.",
            peers.bytes_in,
        ),
        gauge("djdns_peers_sent_bytes", "What was sent over them.", peers.bytes_out),
    ]
}

fn mirrors(mirrors: &MirrorStats) -> Vec<Family> {
    let is_sound = |mirror: &Mirror| f64::from(u8::from(mirror.troubles.is_empty()));
    let each = mirrors.mirrors.iter().map(|mirror| (mirror.address.clone(), is_sound(mirror)));
    vec![
        Family::gauge("djdns_mirror_sound", "1 where nothing is wrong with a mirror, else 0.")
            .by("mirror", each),
        Family::counter("djdns_transfers_total", "What was answered to mirrors, by kind.")
            .by("kind", numbers(&mirrors.transfers)),
        Family::counter("djdns_transfers_refused_total", "What mirrors were refused, by reason.")
            .by("reason", numbers(&mirrors.refused)),
        Family::counter("djdns_transfers_sent_bytes_total", "Messages of transfers.")
            .is(mirrors.sent_bytes as f64),
    ]
}

fn pages(pages: &[PageStats]) -> Vec<Family> {
    let each = |family: Family, number: fn(&PageStats) -> u64| {
        pages.iter().take(METRICS_PAGES_MAX).fold(family, |family, page| {
            let labels = vec![("page", page.name.clone()), ("page_id", page.page_id.clone())];
            family.with(labels, number(page) as f64)
        })
    };
    vec![
        Family::gauge("djdns_pages", "Pages that are held.").is(pages.len() as f64),
        each(Family::gauge("djdns_page_height", "The height of a page's newest seal."), |page| {
            page.height
        }),
        each(Family::gauge("djdns_page_entries", "Sealed entries of a page."), |page| page.entries),
        each(
            Family::gauge(
                "djdns_page_open_operations",
                "Operations of a page that have not ended.",
            ),
            |page| page.open_operations,
        ),
    ]
}

fn numbers(counted: &BTreeMap<String, u64>) -> impl Iterator<Item = (String, f64)> {
    counted.iter().map(|(word, count)| (word.clone(), *count as f64))
}
