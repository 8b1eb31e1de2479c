//! Other nodes as people are told of them.

use std::collections::BTreeMap;

use super::{Facts, Neighbours};
use crate::{
    control::{
        peers::{Alongside, Liar, Neighbourhood, Peer, Peers, SharedPage},
        request::Failure,
    },
    id::Id,
    key::PublicKey,
    limits::PEERS_LOOK_PATIENCE,
    network::PeerLook,
    sync::{How, PeerReport},
    time::lasted,
};

impl Neighbours {
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
        let mut remarks = clock_words(&facts).into_iter().collect::<Vec<_>>();
        remarks.extend(facts.remarks);
        let beacon = shared.own_beacon();
        Ok(Peers {
            node: shared.node.key().to_string(),
            beacon: beacon.map(|beacon| beacon.short().to_string()),
            listening: self.listening(),
            peers,
            known,
            liars,
            remarks,
        })
    }

    /// Other nodes, for `djdns status`.
    pub fn neighbourhood(&self) -> Neighbourhood {
        let facts = self.shared.facts();
        let reports = self.shared.look(PEERS_LOOK_PATIENCE, |machine| machine.peers());
        let listening = self.listening();
        let mut troubles: Vec<String> = clock_words(&facts).into_iter().collect();
        troubles.extend(facts.remarks.iter().cloned());
        troubles.extend(facts.stuck.iter().map(|(page, why)| {
            format!("{} is not brought in step: {why}", self.page_name(page))
        }));
        let reports = reports.unwrap_or_default();
        let in_step = reports.iter().filter(|report| is_in_step(report)).count();
        let words = words(reports.len(), in_step);
        Neighbourhood { listening, connected: reports.len(), in_step, words, troubles }
    }

    /// How a page stands beside those of others.
    pub fn alongside(&self) -> BTreeMap<Id, Alongside> {
        let reports = self.shared.look(PEERS_LOOK_PATIENCE, |machine| machine.peers());
        let mut pages: BTreeMap<Id, Alongside> = BTreeMap::new();
        for (standing, in_step) in reports.iter().flatten().flat_map(|report| &report.standings) {
            let page = pages.entry(standing.page).or_default();
            page.peers += 1;
            page.in_step += usize::from(*in_step);
        }
        pages
    }

    /// Why a page that is trusted and not here does not come, if that is known.
    pub fn given_up(&self, page: &Id) -> Option<String> {
        self.shared.facts().given_up.get(page).cloned()
    }

    fn listening(&self) -> Vec<String> {
        let network = self.shared.network();
        let addresses = network.map(|network| network.addresses()).unwrap_or_default();
        addresses.iter().map(ToString::to_string).collect()
    }

    fn looks(&self) -> Vec<PeerLook> {
        self.shared.network().map(|network| network.peers()).unwrap_or_default()
    }

    fn peer(&self, look: &PeerLook, report: Option<&PeerReport>) -> Peer {
        let pages = report.map(|report| report.standings.as_slice()).unwrap_or_default();
        let shared_page = |(standing, in_step): &(crate::sync::message::Standing, bool)| SharedPage {
            page: self.page_name(&standing.page),
            page_id: standing.page.to_string(),
            height: standing.height,
            in_step: *in_step,
        };
        let is_here = |page: &Id| self.shared.view.load().page(page).is_some();
        let common = pages.iter().filter(|(standing, _)| is_here(&standing.page));
        Peer {
            key: look.key.to_string(),
            address: look.address.to_string(),
            outbound: look.outbound,
            found: report.map_or_else(Vec::new, |report| report.hows.iter().map(how_word).collect()),
            program: report.and_then(|report| report.program.clone()),
            round_trip_seconds: look.round_trip.as_secs_f64(),
            connected_seconds: look.connected.as_secs(),
            bytes_in: look.bytes_in,
            bytes_out: look.bytes_out,
            pages: common.map(shared_page).collect(),
            complaints: report.map_or_else(Vec::new, |report| report.complaints.clone()),
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

fn is_in_step(report: &PeerReport) -> bool {
    report.standings.iter().all(|(_, in_step)| *in_step)
}

fn how_word(how: &How) -> String {
    let word = match how {
        How::Inbound => "inbound",
        How::Told => "told",
        How::Lan => "lan",
        How::Broadcast => "broadcast",
        How::Dht => "dht",
        How::Page => "page",
        How::Exchange => "exchange",
        How::Remembered => "remembered",
    };
    word.to_owned()
}

/// How many there are, and whether pages are as theirs.
fn words(connected: usize, in_step: usize) -> String {
    let nodes = |n: usize| if n == 1 { "1 node".to_owned() } else { format!("{n} nodes") };
    match (connected, in_step) {
        (0, _) => "no other node is connected: those of this network are found by themselves, another is \
                   met with `djdns connect` and what `djdns beacon --long` shows there"
            .to_owned(),
        (all, some) if all == some => format!("in step with {}", nodes(all)),
        (all, 0) => format!("connected to {}, and not in step yet", nodes(all)),
        (all, some) => format!("in step with {some} of {}", nodes(all)),
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

    #[test]
    fn how_it_stands_with_other_nodes_is_said_in_words() {
        let check = |connected, in_step, expect: &str| {
            let said = words(connected, in_step);
            assert!(said.starts_with(expect), "{said}");
        };
        check(0, 0, "no other node is connected: those of this network are found by themselves");
        check(1, 1, "in step with 1 node");
        check(3, 3, "in step with 3 nodes");
        check(3, 2, "in step with 2 of 3 nodes");
        check(2, 0, "connected to 2 nodes, and not in step yet");
    }

    #[test]
    fn a_clock_that_is_off_is_told_of_with_its_direction() {
        let said = |seconds| clock_words(&Facts { clock_off: Some(seconds), ..Facts::default() });
        assert!(said(7200).unwrap().contains("behind those of most"));
        assert!(said(-7200).unwrap().contains("ahead of those of most"));
        assert!(clock_words(&Facts::default()).is_none());
    }
}
