//! What only a running daemon can tell: whom it asks, what it has counted, what it logged.
//!
//! Plain data with stable field names, as [`super::report`]. Times are seconds since 1970 (UTC). No
//! name that anybody asked for is in it, but for lines of the log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How names outside the pages are resolved.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Forwarding {
    /// Where those to ask come from: a file, the command line, the default.
    pub from: String,
    /// Everybody who is asked anything.
    pub upstreams: Vec<UpstreamReport>,
    /// Who of them is asked for names that no rule is about.
    pub usual: Vec<String>,
    pub rules: Vec<Rule>,
    /// Who was named and is not asked, and why, in sentences.
    pub left_out: Vec<String>,
    /// Whether a name that was never asked for can be expected to resolve.
    pub works: bool,
    /// What is wrong and what can be done about it, in sentences.
    pub troubles: Vec<String>,
}

/// Who is asked for one domain and what is below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub domain: String,
    pub upstreams: Vec<String>,
}

/// Somebody who is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpstreamReport {
    /// As the configuration has it.
    pub upstream: String,
    /// Smoothed; none before the first answer.
    pub round_trip_seconds: Option<f64>,
    /// Failures since the last answer, when the first of them was, and why the last one.
    pub failures: u32,
    pub failing_since: Option<u64>,
    pub last_error: Option<String>,
    /// It asks djdns itself, and is not asked any more.
    pub looped: bool,
}

/// `djdns stats`: what was done since the daemon started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stats {
    pub version: String,
    pub process: u32,
    pub started: u64,
    pub uptime_seconds: u64,
    /// Resident, if the system says it.
    pub memory_bytes: Option<u64>,
    pub queries: Queries,
    pub forwarding: Forwarded,
    pub upstreams: Vec<UpstreamReport>,
    /// None where this node has no others.
    pub peers: Option<PeerStats>,
    /// None where nobody may mirror pages.
    #[serde(default)]
    pub mirrors: Option<MirrorStats>,
    pub pages: Vec<PageStats>,
}

/// Where DNS is answered by TLS, HTTPS and QUIC, and what a client has to trust there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptedDoors {
    /// Addresses.
    pub dot: Vec<String>,
    /// URLs.
    pub doh: Vec<String>,
    /// Addresses.
    pub doq: Vec<String>,
    /// The certificate's file.
    pub certificate: String,
    /// SHA-256 of its public key, in base64.
    pub pin: String,
    /// Whether djdns made it, so that nobody trusts it who was not told to.
    pub own: bool,
    /// The certificate's last second, since 1970 (UTC); 0: an older daemon does not say.
    #[serde(default)]
    pub ends: u64,
}

/// Questions and their answers, in numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Queries {
    /// By `udp`, `tcp`, `dot`, `doh` and `doq`.
    pub transports: BTreeMap<String, u64>,
    /// By response code.
    pub rcodes: BTreeMap<String, u64>,
    /// By where the answer came from: `page`, `special`, `override`, `cache`, `forwarded`, `stale`,
    /// `failed`, `none`.
    pub sources: BTreeMap<String, u64>,
    /// Answers that did not fit, and said so.
    pub truncated: u64,
    /// Messages that were no question, and got no answer.
    pub silent: u64,
    /// Questions that found no room, and were answered with that.
    pub overloaded: u64,
    /// How long answers took that come from this machine's own, from the cache, and those for which an
    /// upstream is asked.
    pub here: Times,
    pub cache: Times,
    pub upstream: Times,
}

/// How long something took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    pub count: u64,
    pub sum_seconds: f64,
    pub buckets: Vec<Bucket>,
}

/// How many took at most so long, and longer than the bucket before says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// None in the last: any longer time.
    pub at_most_seconds: Option<f64>,
    pub count: u64,
}

/// What became of names outside the pages.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Forwarded {
    pub cache_hits: u64,
    pub cache_misses: u64,
    pub stale: u64,
    pub failures: u64,
    pub coalesced: u64,
    pub prefetched: u64,
    pub cache_entries: u64,
    /// About.
    pub cache_bytes: u64,
}

/// Other nodes that are connected, in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStats {
    pub connected: u64,
    /// Over these connections, since each was made.
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// Transfers of pages to mirrors, in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorStats {
    /// Those that are told of new seals.
    pub mirrors: Vec<Mirror>,
    /// What was answered: `axfr`, `ixfr`, `ixfr-whole` (the whole page, where what changed was asked for),
    /// `soa` (the newest serial alone), `broken-off`.
    pub transfers: BTreeMap<String, u64>,
    /// By why: `not-allowed`, `unsigned`, `other-secret`, `unknown-key`, `other-algorithm`, `other-time`,
    /// `shortened`, `malformed`, `no-page`, `busy`.
    pub refused: BTreeMap<String, u64>,
    /// In messages of transfers.
    pub sent_bytes: u64,
}

/// A name server that is told of new seals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    pub address: String,
    /// Pages that it takes.
    pub pages: u64,
    /// What is wrong, since when, and what to do, in sentences.
    pub troubles: Vec<String>,
}

/// A page, in numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PageStats {
    pub name: String,
    pub page_id: String,
    pub height: u64,
    pub entries: u64,
    pub open_operations: u64,
}

/// A part of the log, as far as it is remembered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogPart {
    pub lines: Vec<LogLine>,
    /// The number of the line that comes next.
    pub next: u64,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    pub time: u64,
    /// `error`, `warn` or `info`.
    pub level: String,
    /// Which part of the program says it.
    pub target: String,
    pub message: String,
}

impl Times {
    /// A time that so many of a thousand did not exceed; none when there were none, or it was longer
    /// than is measured.
    pub fn within(&self, per_mille: u64) -> Option<f64> {
        let wanted = (self.count * per_mille).div_ceil(1000).max(1);
        let mut so_far = 0;
        let bucket = self.buckets.iter().find(|bucket| {
            so_far += bucket.count;
            so_far >= wanted
        });
        bucket?.at_most_seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_took_at_most_so_long() {
        let bucket = |at_most_seconds, count| Bucket { at_most_seconds, count };
        let buckets = vec![bucket(Some(0.001), 50), bucket(Some(0.01), 49), bucket(None, 1)];
        let times = Times { count: 100, sum_seconds: 1.0, buckets };
        let check = |per_mille, expect| assert_eq!(times.within(per_mille), expect, "{per_mille}");
        check(0, Some(0.001));
        check(500, Some(0.001));
        check(501, Some(0.01));
        check(990, Some(0.01));
        check(1000, None);
        assert_eq!(Times::default().within(500), None);
    }
}
