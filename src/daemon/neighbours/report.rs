//! Other nodes as people are told of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use super::{Facts, Neighbours};
use crate::{
    control::{
        peers::{Alongside, Liar, Neighbourhood, Peer, Peers, PostponedSeal, SharedPage},
        request::Failure,
        running::PeerStats,
    },
    governance::past::has_expired,
    id::Id,
    key::PublicKey,
    limits::{NETWORK_SILENT, PEERS_LOOK_PATIENCE},
    network::{Network, PeerLook},
    sync::{Beside, How, Known, PeerReport, Postponed, Progress},
    time::lasted,
};

impl Neighbours {
    /// Some of the nodes that were met or heard of, at most so many; none while the machine is at work for
    /// long.
    pub fn known(&self, count: usize, is_meant: impl Fn(&PublicKey) -> bool) -> Vec<PublicKey> {
        let keys: Option<Vec<PublicKey>> = self.shared.look(PEERS_LOOK_PATIENCE, |machine| {
            machine.book().nodes().map(|(key, _)| *key).collect()
        });
        keys.into_iter().flatten().filter(is_meant).take(count).collect()
    }

    /// Where a node that was met or heard of may be.
    pub(super) fn places(&self, key: &PublicKey) -> Vec<SocketAddr> {
        let key = *key;
        let known = self.shared.look(PEERS_LOOK_PATIENCE, move |machine| {
            machine.book().get(&key).map(Known::addresses)
        });
        known.flatten().unwrap_or_default()
    }

    /// Whether this node is connected now.
    pub fn is_connected(&self, key: &PublicKey) -> bool {
        *key == self.shared.node.key() || self.looks().iter().any(|look| look.key == *key)
    }

    /// When a node was reached last, in seconds since 1970, if ever and that is remembered.
    pub fn met(&self, key: &PublicKey) -> Option<u64> {
        let key = *key;
        let known = self.shared.look(PEERS_LOOK_PATIENCE, move |machine| {
            machine.book().get(&key).map(|known| known.met)
        });
        known.flatten().filter(|met| *met > 0)
    }

    /// `djdns peers`.
    ///
    /// # Errors
    /// That the machine is at work for long.
    pub fn peers(&self) -> Result<Peers, Failure> {
        let shared = &self.shared;
        let looked = shared.look(PEERS_LOOK_PATIENCE, |machine| {
            let liars = machine.book().liars();
            let liars = liars.map(|(key, lie)| Liar {
                key: key.to_string(),
                what: lie.what.clone(),
                when: lie.at,
            });
            (machine.peers(), machine.book().len(), liars.collect::<Vec<Liar>>())
        });
        let Some((reports, known, liars)) = looked else {
            return Err(Failure::unreachable(
                "the pages are being brought in step just now, which takes long: try again",
            ));
        };
        let looks = self.looks();
        let peers: Vec<Peer> =
            looks.iter().map(|look| self.peer(look, report_of(&reports, &look.key))).collect();
        let known = known.saturating_sub(reports.len());
        let facts = shared.facts();
        let mut remarks = shared.double_words();
        remarks.extend(clock_words(&facts));
        remarks.extend(facts.remarks);
        let beacon = shared.own_beacon();
        Ok(Peers {
            node: shared.node.key().to_string(),
            beacon: beacon.map(|beacon| beacon.short().to_string()),
            listening: self.listening(),
            router: shared.router_words(),
            peers,
            known,
            liars,
            remarks,
        })
    }

    /// Those that are connected, in numbers. Waits for nothing.
    pub fn numbers(&self) -> PeerStats {
        let looks = self.looks();
        PeerStats {
            connected: looks.len() as u64,
            bytes_in: looks.iter().map(|look| look.bytes_in).sum(),
            bytes_out: looks.iter().map(|look| look.bytes_out).sum(),
        }
    }

    /// Other nodes, for `djdns status`.
    pub fn neighbourhood(&self) -> Neighbourhood {
        let facts = self.shared.facts();
        let mut troubles = self.shared.double_words();
        troubles.extend(clock_words(&facts));
        troubles.extend(facts.remarks.iter().cloned());
        // Of one that is not here the notices tell.
        let view = self.shared.view.load();
        let held = facts.stuck.iter().filter(|(page, _)| view.page(page).is_some());
        troubles.extend(
            held.map(|(page, why)| {
                format!("{} is not brought in step: {why}", self.page_name(page))
            }),
        );
        let beside = self.alongside();
        let postponed = beside.iter().filter_map(|(page, one)| Some((page, one.postponed?)));
        let now = self.shared.node.now();
        troubles.extend(
            postponed.map(|(page, seal)| postponed_words(&self.page_name(page), &seal, now)),
        );
        let followed = beside.values().filter(|one| one.peers > 0);
        let (pages, connected) = (followed.clone().count(), self.looks().len());
        let pages_in_step = followed.filter(|one| one.in_step).count();
        let words = words(connected, pages, pages_in_step);
        Neighbourhood {
            listening: self.listening(),
            router: self.shared.router_words(),
            connected,
            pages,
            pages_in_step,
            words,
            troubles,
        }
    }

    /// How each page stands beside those of others.
    pub fn alongside(&self) -> BTreeMap<Id, Alongside> {
        let pages: Vec<Id> = self.shared.view.load().pages().map(|page| page.meta().id).collect();
        let looked = self.shared.look(PEERS_LOOK_PATIENCE, move |machine| {
            let progress = pages.into_iter().map(|page| (page, machine.progress(&page)));
            progress.filter_map(|(page, one)| Some((page, one?))).collect::<Vec<_>>()
        });
        let looked = looked.into_iter().flatten();
        let unheard = self.unheard();
        looked.map(|(page, progress)| (page, alongside(&progress, &unheard))).collect()
    }

    /// The seal of a page that is held until it is due, if one is.
    pub fn postponed(&self, page: &Id) -> Option<PostponedSeal> {
        alongside(&self.progress(page)?, &BTreeSet::new()).postponed
    }

    /// Why a page that is trusted and not here does not come, if that is known.
    pub fn given_up(&self, page: &Id) -> Option<String> {
        self.shared.facts().given_up.get(page).cloned().or_else(|| self.held_up(page))
    }

    /// Why a page that is wanted waits, though others have it.
    pub fn held_up(&self, page: &Id) -> Option<String> {
        let why = self.shared.facts().stuck.get(page).cloned();
        why.map(|why| format!("{why}; it is fetched again later"))
    }

    fn listening(&self) -> Vec<String> {
        let network = self.shared.network();
        let addresses = network.map(Network::addresses).unwrap_or_default();
        addresses.iter().map(ToString::to_string).collect()
    }

    /// Peers of which nothing was heard for long, though their connections have not ended.
    fn unheard(&self) -> BTreeSet<PublicKey> {
        let silent = self.looks().into_iter().filter(|look| look.silent >= NETWORK_SILENT);
        silent.map(|look| look.key).collect()
    }

    fn looks(&self) -> Vec<PeerLook> {
        self.shared.network().map(Network::peers).unwrap_or_default()
    }

    fn peer(&self, look: &PeerLook, report: Option<&PeerReport>) -> Peer {
        let pages = report.map(|report| report.pages.as_slice()).unwrap_or_default();
        let view = self.shared.view.load();
        let common = pages.iter().filter(|page| view.page(page).is_some());
        let shared_page =
            |page: &Id| SharedPage { page: self.page_name(page), page_id: page.to_string() };
        Peer {
            key: look.key.to_string(),
            address: look.address.to_string(),
            outbound: look.outbound,
            found: report.map_or_else(String::new, |report| how_word(report.how).to_owned()),
            program: report.map_or_else(String::new, |report| report.program.clone()),
            round_trip_seconds: look.round_trip.as_secs_f64(),
            silent_seconds: silent_seconds(look.silent, report.and_then(|report| report.owes)),
            connected_seconds: look.connected.as_secs(),
            bytes_in: look.bytes_in,
            bytes_out: look.bytes_out,
            pages: common.map(shared_page).collect(),
            credit: report.map_or(0, |report| report.credit),
            faults: report.map_or_else(Vec::new, |report| report.faults.clone()),
            clock_off_seconds: report.and_then(|report| report.clock_off),
        }
    }

    fn page_name(&self, page: &Id) -> String {
        let view = self.shared.view.load();
        view.page(page).map_or_else(|| page.to_string(), |page| page.meta().name.to_string())
    }
}

fn report_of<'r>(reports: &'r [PeerReport], key: &PublicKey) -> Option<&'r PeerReport> {
    reports.iter().find(|report| report.key == *key)
}

/// For how long a peer is silent, in seconds: nothing was heard of it for so long, or it owes an answer for so
/// many milliseconds, which is late.
fn silent_seconds(unheard: Duration, owes: Option<u64>) -> Option<u64> {
    let unheard = (unheard >= NETWORK_SILENT).then_some(unheard.as_secs());
    let owes = owes.map(|millis| millis.div_ceil(1000));
    unheard.into_iter().chain(owes).max()
}

/// How a page stands beside those of peers. By now those that do not answer may stand anywhere.
fn alongside(progress: &Progress, unheard: &BTreeSet<PublicKey>) -> Alongside {
    let is_silent = |peer: &&Beside| peer.is_silent || unheard.contains(&peer.key);
    let (silent, others): (Vec<&Beside>, Vec<&Beside>) = progress.peers.iter().partition(is_silent);
    // Nothing is to be had from those on another history, and nothing is in step with them.
    let (elsewhere, others): (Vec<&Beside>, Vec<&Beside>) =
        others.into_iter().partition(|peer| peer.is_elsewhere);
    let is_matched = !others.is_empty() && others.iter().all(|peer| peer.is_matched);
    let is_left_out = !silent.is_empty() || !elsewhere.is_empty();
    let is_alone = others.is_empty() && !elsewhere.is_empty();
    Alongside {
        peers: progress.peers.len(),
        silent: silent.len(),
        elsewhere: elsewhere.len(),
        in_step: progress.is_in_step && !is_alone || is_matched && is_left_out,
        best_height: others.iter().map(|peer| peer.height).max(),
        lacking: progress.lacking,
        fetched_thousandths: progress.is_snapshot.then_some(progress.fetched_thousandths),
        postponed: progress.postponed.map(|Postponed { height, time, is_here }| PostponedSeal {
            height,
            time,
            here: is_here,
        }),
    }
}

/// That a seal is not due, and what that means, for `djdns status`. One that is dated so far ahead ended what
/// was said before it (T7, G10).
fn postponed_words(name: &str, seal: &PostponedSeal, now: u64) -> String {
    let words = seal.words();
    let how = if seal.here { "goes on here" } else { "is behind" };
    let meanwhile = match has_expired(now, seal.time) {
        false => "and what is said passes meanwhile".to_owned(),
        true => "and as that is 30 days or more ahead, nothing counts on both sides meanwhile: what is said \
                 where it is held is ended where it is not, and the other way round. Its hosts' clocks may \
                 be wrong"
            .to_owned(),
    };
    format!("{name} {how}: {words}, {meanwhile}")
}

fn how_word(how: How) -> &'static str {
    match how {
        How::Inbound => "inbound",
        How::Told => "told",
        How::Lan => "lan",
        How::Broadcast => "broadcast",
        How::Dht => "dht",
        How::Page => "page",
        How::Exchange => "exchange",
        How::Remembered => "remembered",
    }
}

/// How many there are, and whether pages are as theirs.
fn words(connected: usize, pages: usize, in_step: usize) -> String {
    let nodes = if connected == 1 { "1 node".to_owned() } else { format!("{connected} nodes") };
    match (connected, pages) {
        (0, _) => {
            "no other node is connected: those of this network are found by themselves, another is \
                   met with `djdns connect` and what `djdns beacon --long` shows there"
                .to_owned()
        }
        (_, 0) => format!("connected to {nodes}, and no page is followed by both"),
        (_, all) if all == in_step => format!("in step with {nodes}"),
        (_, all) => format!("connected to {nodes}; {in_step} of {all} pages are in step"),
    }
}

/// That this clock is wrong, where most others say so.
fn clock_words(facts: &Facts) -> Option<String> {
    let seconds = facts.clock_off?;
    let how = if seconds > 0 { "behind" } else { "ahead of" };
    Some(format!(
        "this machine's clock is {} {how} those of most other nodes: set it, or what is signed here is \
         dated wrong",
        lasted(seconds.unsigned_abs())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{key::SecretKey, limits::OPERATION_LIFE};

    #[test]
    fn how_it_stands_with_other_nodes_is_said_in_words() {
        let check = |connected, pages, in_step, expect: &str| {
            let said = words(connected, pages, in_step);
            assert!(said.starts_with(expect), "{said}");
        };
        check(0, 0, 0, "no other node is connected: those of this network are found by themselves");
        check(1, 0, 0, "connected to 1 node, and no page is followed by both");
        check(1, 2, 2, "in step with 1 node");
        check(3, 3, 3, "in step with 3 nodes");
        check(3, 3, 2, "connected to 3 nodes; 2 of 3 pages are in step");
    }

    #[test]
    fn who_does_not_answer_holds_no_page_back() {
        let key = |n: u8| SecretKey::from_seed(&[n; 32]).public();
        let peer = |n, height| Beside {
            key: key(n),
            height,
            is_matched: height <= 7 && n != 5,
            is_elsewhere: n == 5,
            is_silent: n == 9,
        };
        let check = |peers: &[(u8, u64)], silent, in_step, best| {
            let progress = Progress {
                height: Some(7),
                peers: peers.iter().map(|(n, height)| peer(*n, *height)).collect(),
                is_in_step: peers.iter().all(|(n, _)| *n == 5),
                is_snapshot: false,
                fetched_bytes: 0,
                fetched_thousandths: 0,
                lacking: 0,
                postponed: None,
            };
            let said = alongside(&progress, &[key(8)].into());
            assert_eq!((said.peers, said.silent), (peers.len(), silent));
            assert_eq!((said.in_step, said.best_height), (in_step, best), "{peers:?}");
        };
        check(&[(1, 7), (9, 8)], 1, true, Some(7));
        check(&[(1, 7), (8, 8)], 1, true, Some(7));
        check(&[(1, 8), (9, 9)], 1, false, Some(8));
        check(&[(8, 8), (9, 7)], 2, false, None);
        check(&[(1, 7), (2, 7)], 0, false, Some(7));
        check(&[(1, 7), (5, 6)], 0, true, Some(7));
        check(&[(1, 8), (5, 6)], 0, false, Some(8));
        check(&[(5, 6)], 0, false, None);
        check(&[(5, 6), (9, 7)], 1, false, None);
    }

    #[test]
    fn a_peer_is_silent_when_it_is_not_heard_or_owes_an_answer() {
        let check = |unheard, owes, expect| {
            assert_eq!(silent_seconds(Duration::from_secs(unheard), owes), expect);
        };
        check(0, None, None);
        check(7, None, None);
        check(8, None, Some(8));
        check(1, Some(1200), Some(2));
        check(9, Some(1200), Some(9));
    }

    #[test]
    fn a_seal_that_is_not_due_is_named_with_its_date_and_who_holds_it() {
        let said_of = |here, ahead| {
            let seal = PostponedSeal { height: 13, time: 1_795_742_520, here };
            postponed_words("club.", &seal, seal.time - ahead)
        };
        let said = |here| said_of(here, OPERATION_LIFE.as_secs() - 1);
        assert_eq!(
            said(false),
            "club. is behind: the seal at height 13 is dated 2026-11-27T01:22:00Z, it is held until then, and \
             what is said passes meanwhile"
        );
        assert_eq!(
            said(true),
            "club. goes on here: the seal at height 13 is dated 2026-11-27T01:22:00Z, other nodes hold it until \
             then, and what is said passes meanwhile"
        );
        for here in [false, true] {
            let said = said_of(here, OPERATION_LIFE.as_secs());
            assert!(said.contains("nothing counts on both sides meanwhile"), "{said}");
            assert!(!said.contains("passes"), "{said}");
        }
    }

    #[test]
    fn a_clock_that_is_off_is_told_of_with_its_direction() {
        let said = |seconds| clock_words(&Facts { clock_off: Some(seconds), ..Facts::default() });
        assert!(said(7200).unwrap().contains("behind those of most"));
        assert!(said(-7200).unwrap().contains("ahead of those of most"));
        assert!(clock_words(&Facts::default()).is_none());
    }
}
