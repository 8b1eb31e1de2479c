//! `djdns stats`: what the daemon has counted.

use std::collections::BTreeMap;

use clap::Args;

use super::{
    context::Context,
    fault::{Fault, Outcome},
    output::{self, Paint, Style},
    table::{Table, number, text},
};
use crate::{
    control::{
        request::{Answer, Request},
        running::{
            Forwarded, MirrorStats, PeerStats, Queries, Stats as Report, Times, UpstreamReport,
        },
    },
    time::since,
};

/// Show what the running daemon has counted since it started.
///
/// Questions and answers, where answers came from and how long they took, whom names outside the pages
/// are asked of, transfers to mirrors, and the pages. Nothing is counted by name or by who asked. The same
/// numbers are at /metrics on the HTTP port, for Prometheus.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns stats --json")]
pub struct Stats {}

impl Stats {
    pub fn run(self, context: &mut Context) -> Outcome {
        let Answer::Stats(stats) = context.ask_daemon(&Request::Stats)? else {
            return Err(Fault::other_answer());
        };
        if context.json {
            return output::print_json(&*stats);
        }
        let text = render(&stats, context.style);
        context.print_paged(&text)
    }
}

fn render(stats: &Report, style: Style) -> String {
    let mut out = format!(
        "process {}, since {}{}\n",
        stats.process,
        since(stats.started, stats.started.saturating_add(stats.uptime_seconds)),
        stats.memory_bytes.map_or_else(String::new, |bytes| format!("; {}", size(bytes))),
    );
    let queries = &stats.queries;
    let of = |counted: &BTreeMap<String, u64>, word: &str| counted.get(word).copied().unwrap_or(0);
    let transport = |word| of(&queries.transports, word);
    let encrypted = [("by DoT", "dot"), ("by DoH", "doh"), ("by DoQ", "doq")];
    let encrypted = encrypted.map(|(what, word)| (what.to_owned(), transport(word)));
    let mut rows =
        vec![("over UDP".to_owned(), transport("udp")), ("over TCP".to_owned(), transport("tcp"))];
    rows.extend(encrypted.into_iter().filter(|(_, count)| *count > 0));
    rows.extend([
        ("too long for UDP, so that TCP was asked for".to_owned(), queries.truncated),
        ("refused, too many waiting".to_owned(), queries.overloaded),
        ("ignored (not a DNS question)".to_owned(), queries.silent),
    ]);
    out += &section("questions", &rows, style);
    let rcodes = queries.rcodes.iter().filter(|(_, count)| **count > 0);
    let rcodes: Vec<_> = rcodes.map(|(rcode, count)| (rcode.clone(), *count)).collect();
    out += &section("answers", &rcodes, style);
    let sources = SOURCES.map(|(word, what)| (what.to_owned(), of(&queries.sources, word)));
    out += &section("answers came from", &sources, style);
    out += &times(queries, style);
    out += &forwarding(stats, style);
    out += &upstreams(&stats.upstreams, style);
    out += &stats.peers.as_ref().map_or_else(String::new, |numbers| peers(numbers, style));
    out += &stats.mirrors.as_ref().map_or_else(String::new, |numbers| mirrors(numbers, style));
    out + &pages(stats, style)
}

/// In the order in which they are tried.
const SOURCES: [(&str, &str); 8] = [
    ("page", "pages"),
    ("special", "special names"),
    ("override", "overrides and the hosts file"),
    ("cache", "the cache"),
    ("forwarded", "an upstream"),
    ("stale", "the cache, past its time, since no upstream answered"),
    ("failed", "none: no upstream answered (SERVFAIL)"),
    ("none", "none: it was refused"),
];

fn head(title: &str, style: Style) -> String {
    format!("\n{}\n", style.paint(Paint::Bold, title))
}

/// A title and rows of a word and a number; nothing where there are no rows.
fn section(title: &str, rows: &[(String, u64)], style: Style) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["", "", ""]);
    for (what, count) in rows {
        table.row([text(""), text(what), number(count)]);
    }
    head(title, style) + &table.render(style)
}

fn times(queries: &Queries, style: Style) -> String {
    let mut table = Table::new(["", "ANSWERED", "HALF IN", "99 OF 100 IN", "ON AVERAGE"]);
    let rows = [
        ("from pages and this machine", &queries.here),
        ("from the cache", &queries.cache),
        ("where an upstream is asked", &queries.upstream),
    ];
    for (what, times) in rows {
        if times.count == 0 {
            continue;
        }
        let within = |per_mille| match times.within(per_mille) {
            Some(seconds) => format!("<= {}", span(seconds)),
            None => format!("> {}", span(longest(times))),
        };
        let average = span(times.sum_seconds / times.count as f64);
        let what = text(format!("  {what}"));
        table.row([
            what,
            number(times.count),
            number(within(500)),
            number(within(990)),
            number(average),
        ]);
    }
    let shown = table.render(style);
    if shown.is_empty() { shown } else { head("time to an answer", style) + &shown }
}

fn longest(times: &Times) -> f64 {
    times.buckets.iter().rev().find_map(|bucket| bucket.at_most_seconds).unwrap_or(0.0)
}

fn forwarding(stats: &Report, style: Style) -> String {
    let numbers = &stats.forwarding;
    let kept = format!("answers in the cache, in about {}", size(numbers.cache_bytes));
    let rows = [
        ("answered from the cache".to_owned(), numbers.cache_hits),
        ("asked of an upstream".to_owned(), numbers.cache_misses),
        ("waited for the answer to an equal one".to_owned(), numbers.coalesced),
        ("asked anew before their time ended".to_owned(), numbers.prefetched),
        ("answered past their time".to_owned(), numbers.stale),
        ("answered by nobody".to_owned(), numbers.failures),
        (kept, numbers.cache_entries),
    ];
    let shown = section("names outside the pages", &rows, style);
    let title = head("names outside the pages", style);
    let rows = shown.strip_prefix(&title).unwrap_or(&shown);
    format!(
        "{title}  questions of `djdns resolve` and refreshing included{}\n{rows}",
        rate(numbers)
    )
}

/// How many of those that the cache was asked for it had.
fn rate(numbers: &Forwarded) -> String {
    let asked = numbers.cache_hits.saturating_add(numbers.cache_misses);
    let percent = numbers.cache_hits.saturating_mul(100).checked_div(asked);
    percent.map_or_else(String::new, |percent| format!("; {percent} of 100 were in the cache"))
}

fn upstreams(upstreams: &[UpstreamReport], style: Style) -> String {
    let mut table = Table::new(["UPSTREAM", "ROUND TRIP", "FAILED IN A ROW", ""]);
    for upstream in upstreams {
        let round_trip = upstream.round_trip_seconds.map_or("not yet".to_owned(), span);
        let looped = || "it asks djdns itself".to_owned();
        let error = upstream.looped.then(looped).or_else(|| upstream.last_error.clone());
        let error = error.unwrap_or_default();
        let failures = number(upstream.failures);
        table.row([text(&upstream.upstream), number(round_trip), failures, text(error)]);
    }
    let shown = table.render(style);
    if shown.is_empty() { shown } else { format!("\n{shown}") }
}

fn peers(numbers: &PeerStats, style: Style) -> String {
    let (came, went) = (size(numbers.bytes_in), size(numbers.bytes_out));
    let connected = numbers.connected;
    let words = format!("  {connected} connected; {came} came from them, {went} went to them\n");
    head("other nodes", style) + &words
}

/// What became of requests for pages, those that never were left out.
fn mirrors(numbers: &MirrorStats, style: Style) -> String {
    let of = |counted: &BTreeMap<String, u64>, word: &str| counted.get(word).copied().unwrap_or(0);
    let answered = ANSWERED.map(|(word, what)| (what.to_owned(), of(&numbers.transfers, word)));
    let refused =
        REFUSED.map(|(word, why)| (format!("refused: {why}"), of(&numbers.refused, word)));
    let rows: Vec<_> =
        answered.into_iter().chain(refused).filter(|(_, count)| *count > 0).collect();
    let told = numbers.mirrors.len();
    let words = format!("  {told} told of new seals; {} sent\n", size(numbers.sent_bytes));
    let title = head("mirrors", style);
    let shown = section("mirrors", &rows, style);
    format!("{title}{words}{}", shown.strip_prefix(&title).unwrap_or(&shown))
}

/// What was answered to them.
const ANSWERED: [(&str, &str); 5] = [
    ("axfr", "whole pages (AXFR)"),
    ("ixfr", "what changed (IXFR)"),
    ("ixfr-whole", "whole pages, where what changed was asked for"),
    ("soa", "the newest serial alone"),
    ("broken-off", "broken off by the other side"),
];

/// Why they were refused something.
const REFUSED: [(&str, &str); 10] = [
    ("not-allowed", "the address is not in `allow`"),
    ("unsigned", "not signed"),
    ("other-secret", "another secret (BADSIG)"),
    ("unknown-key", "an unknown key (BADKEY)"),
    ("other-algorithm", "another algorithm (BADKEY)"),
    ("other-time", "another time (BADTIME)"),
    ("shortened", "a signature that is cut short (BADTRUNC)"),
    ("malformed", "malformed (FORMERR)"),
    ("no-page", "no page of that name"),
    ("busy", "too many at a time"),
];

fn pages(stats: &Report, style: Style) -> String {
    let mut table = Table::new(["PAGE", "HEIGHT", "ENTRIES", "OPEN"]);
    for page in &stats.pages {
        let (height, entries) = (number(page.height), number(page.entries));
        table.row([text(&page.name), height, entries, number(page.open_operations)]);
    }
    let shown = table.render(style);
    if shown.is_empty() { shown } else { format!("\n{shown}") }
}

/// A short time, with the unit that fits.
fn span(seconds: f64) -> String {
    match seconds {
        s if s < 0.001 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.1} s"),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        bytes if bytes < 10 * 1024 => format!("{bytes} bytes"),
        bytes if bytes < 10 * 1024 * 1024 => format!("{} KiB", bytes / 1024),
        bytes => format!("{} MiB", bytes / 1024 / 1024),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::running::{Bucket, PageStats};
    use crate::dns::transfer::{refusal::Refusal, seen::End};

    fn counted(rows: &[(&str, u64)]) -> BTreeMap<String, u64> {
        rows.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
    }

    #[test]
    fn whatever_becomes_of_a_mirrors_request_has_its_words() {
        assert_eq!(ANSWERED.map(|(word, _)| word), End::WORDS);
        assert_eq!(REFUSED.map(|(word, _)| word), Refusal::WORDS);
    }

    #[test]
    fn numbers_are_told_in_words_and_aligned() {
        let bucket = |at_most_seconds, count| Bucket { at_most_seconds, count };
        let buckets = vec![bucket(Some(0.0001), 6), bucket(Some(0.0025), 4), bucket(None, 0)];
        let stats = Report {
            version: "0.1.0".into(),
            process: 7,
            started: 1_800_000_000,
            uptime_seconds: 7200,
            memory_bytes: Some(50 * 1024 * 1024),
            queries: Queries {
                transports: counted(&[("udp", 9), ("tcp", 1)]),
                rcodes: counted(&[("NOERROR", 10), ("SERVFAIL", 0)]),
                sources: counted(&[("page", 10)]),
                truncated: 0,
                silent: 0,
                overloaded: 0,
                here: Times { count: 10, sum_seconds: 0.005, buckets },
                cache: Times::default(),
                upstream: Times::default(),
            },
            forwarding: Forwarded {
                cache_hits: 2,
                cache_misses: 1,
                stale: 0,
                failures: 0,
                coalesced: 0,
                prefetched: 0,
                cache_entries: 0,
                cache_bytes: 0,
            },
            upstreams: vec![UpstreamReport {
                upstream: "192.0.2.1".into(),
                round_trip_seconds: Some(0.0123),
                failures: 0,
                failing_since: None,
                last_error: None,
                looped: false,
            }],
            peers: Some(PeerStats { connected: 2, bytes_in: 52_428_800, bytes_out: 0 }),
            mirrors: Some(MirrorStats {
                mirrors: Vec::new(),
                transfers: counted(&[("axfr", 3), ("ixfr", 0)]),
                refused: counted(&[("no-page", 2), ("busy", 0)]),
                sent_bytes: 4000,
            }),
            pages: vec![PageStats {
                name: "ct.".into(),
                page_id: "01".into(),
                height: 3,
                entries: 12,
                open_operations: 0,
            }],
        };
        let shown = render(&stats, Style::plain());
        for expect in [
            "process 7, since 08:00 UTC, 2 hours ago; 50 MiB\n",
            "\nquestions\n  over UDP                                     9\n",
            "\nanswers\n  NOERROR  10\n",
            "  pages                                                 10\n",
            "  from pages and this machine        10  <= 100 µs     <= 2.5 ms      500 µs\n",
            "192.0.2.1     12.3 ms                0\n",
            "ct.        3       12     0\n",
            "\nother nodes\n  2 connected; 50 MiB came from them",
            "\nmirrors\n  0 told of new seals; 4000 bytes sent\n  whole pages (AXFR)             3\n  \
             refused: no page of that name  2\n",
            "and refreshing included; 66 of 100 were in the cache\n",
        ] {
            assert!(shown.contains(expect), "{expect}\n{shown}");
        }
        assert!(!shown.contains("  SERVFAIL") && !shown.contains("where an upstream"), "{shown}");
    }
}
