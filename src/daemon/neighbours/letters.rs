//! Petitions on their way to the hosts of their pages (G13).
//!
//! What is to be asked of whom, and what an answer means, is the outbox's business
//! ([`crate::daemon::outbox`]); here hosts are met, asked and heard. What waits for one host is asked
//! in turn, and it ends with the first question that finds nobody: the host is tried again later.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    sync::Semaphore,
    task::{JoinSet, spawn_blocking},
    time::timeout,
};

use super::{Shared, lock};
use crate::{
    beacon::Beacon,
    daemon::outbox::{self, Delivery},
    key::PublicKey,
    limits::*,
    network::{AskError, Network},
    sync::{Input, Known, outbox::Errand},
};

/// All that is to be asked of one host.
#[derive(Default)]
struct Round {
    beacon: Option<Beacon>,
    errands: Vec<Errand>,
}

impl Shared {
    /// Hands petitions on, and hears what became of them, again and again.
    pub(super) async fn keep_letters(self: Arc<Self>) {
        loop {
            let looking = self.clone();
            let due = spawn_blocking(move || outbox::due(&looking.node, looking.node.now())).await;
            self.deliver(due.unwrap_or_default()).await;
            let looking = self.clone();
            let pause = spawn_blocking(move || looking.until_letters()).await;
            // Whatever is kept meanwhile, or asked about, is due at once.
            let woken = self.node.outboxes.woken();
            let _ = timeout(pause.unwrap_or(PETITIONS_LOOKED_EVERY), woken).await;
        }
    }

    /// How long nothing is due.
    fn until_letters(&self) -> Duration {
        let now = self.node.now();
        let due = outbox::next(&self.node, now).map(|due| due.saturating_sub(now));
        let due = due.map_or(PETITIONS_LOOKED_EVERY, Duration::from_secs);
        due.clamp(PETITIONS_REST, PETITIONS_LOOKED_EVERY)
    }

    /// Asks all hosts what is to be asked; returns when all have answered, or had the time to.
    async fn deliver(self: &Arc<Self>, deliveries: Vec<Delivery>) {
        let at_once = Arc::new(Semaphore::new(PETITION_HOSTS_MAX));
        let mut rounds = JoinSet::new();
        for (host, round) in by_host(deliveries) {
            let (shared, at_once) = (self.clone(), at_once.clone());
            rounds.spawn(async move {
                let _place = at_once.acquire_owned().await;
                shared.ask_host(host, round).await;
            });
        }
        while rounds.join_next().await.is_some() {}
    }

    async fn ask_host(self: Arc<Self>, host: PublicKey, round: Round) {
        let Some(network) = self.network().cloned() else { return };
        if !self.clone().meets(&network, host, round.beacon).await {
            return;
        }
        for errand in round.errands {
            let (bytes, most) = (errand.request.encode(), errand.request.answer_bytes_max());
            let answer = network.ask(&host, bytes, most, PETITION_ANSWER_PATIENCE).await;
            let is_there = !is_gone(&answer);
            let shared = self.clone();
            let hear = move || shared.hear(&errand, answer.ok().as_deref());
            if spawn_blocking(hear).await.is_err() || !is_there {
                return;
            }
        }
    }

    /// Whether a host is connected, or can be.
    async fn meets(
        self: Arc<Self>,
        network: &Network,
        host: PublicKey,
        beacon: Option<Beacon>,
    ) -> bool {
        if network.peers().iter().any(|peer| peer.key == host) {
            return true;
        }
        let addresses = spawn_blocking(move || self.where_is(&host, beacon)).await;
        let met = network.connect(&addresses.unwrap_or_default(), Some(host)).await;
        met.inspect_err(|why| tracing::debug!(%host, %why, "a page's host was not reached")).is_ok()
    }

    /// Where a host may be: as the page says, as it was heard of here, and where it was before.
    fn where_is(&self, host: &PublicKey, beacon: Option<Beacon>) -> Vec<SocketAddr> {
        let now = self.node.now();
        let good = beacon.filter(|beacon| !beacon.is_expired(now));
        let said = good.map(|beacon| beacon.addresses().to_vec()).unwrap_or_default();
        let heard = lock(&self.sightings).of(host).unwrap_or_default();
        let sought = *host;
        let known = self.look(PEERS_LOOK_PATIENCE, move |machine| {
            machine.book().get(&sought).map(Known::addresses)
        });
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in said.into_iter().chain(heard).chain(known.flatten().unwrap_or_default()) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }

    /// Takes an answer in. Bytes that are none are the host's fault.
    fn hear(&self, errand: &Errand, answer: Option<&[u8]>) {
        if let Err(what) = outbox::told(&self.node, errand, answer, self.node.now()) {
            self.jobs.happened(Input::Misbehaved { peer: errand.host, what });
        }
    }
}

fn by_host(deliveries: Vec<Delivery>) -> BTreeMap<PublicKey, Round> {
    let mut rounds: BTreeMap<PublicKey, Round> = BTreeMap::new();
    for Delivery { errand, beacon } in deliveries {
        let round = rounds.entry(errand.host).or_default();
        round.beacon = beacon.or(round.beacon.take());
        round.errands.push(errand);
    }
    rounds
}

/// Whether the rest would find nobody either.
fn is_gone(answer: &Result<Vec<u8>, AskError>) -> bool {
    matches!(
        answer,
        Err(AskError::NotConnected | AskError::Left(_) | AskError::TimedOut(_) | AskError::Busy)
    )
}
