//! Petitions on their way to the hosts of their pages (G13).
//!
//! What is to be asked of whom, and what an answer means, is the outbox's business
//! ([`crate::daemon::outbox`]); here hosts are met, asked and heard. What waits for one host is asked
//! in turn, and it ends with the first question that finds nobody: the host is tried again later.

use std::{
    collections::{BTreeMap, HashMap},
    future::{Future, pending},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    task::{self, JoinSet, spawn_blocking},
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

/// The hosts that are being asked, a few of them at a time.
struct Rounds {
    tasks: JoinSet<()>,
    hosts: HashMap<task::Id, PublicKey>,
    at_once: Arc<Semaphore>,
}

impl Default for Rounds {
    fn default() -> Rounds {
        let at_once = Arc::new(Semaphore::new(PETITION_HOSTS_MAX));
        Rounds { tasks: JoinSet::new(), hosts: HashMap::new(), at_once }
    }
}

impl Rounds {
    /// Asks a host, unless it is being asked. Returns whether it is asked by that.
    fn begin(
        &mut self,
        host: PublicKey,
        asking: impl Future<Output = ()> + Send + 'static,
    ) -> bool {
        if self.hosts.values().any(|asked| *asked == host) {
            return false;
        }
        let at_once = self.at_once.clone();
        let task = self.tasks.spawn(async move {
            let _place = at_once.acquire_owned().await;
            asking.await;
        });
        self.hosts.insert(task.id(), host);
        true
    }

    /// One of them has answered, or had the time to; never while nobody is asked.
    async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => drop(self.hosts.remove(&id)),
            Some(Err(failed)) => drop(self.hosts.remove(&failed.id())),
            None => pending().await,
        }
    }

    /// The hosts that are being asked.
    fn busy(&self) -> Vec<PublicKey> {
        self.hosts.values().copied().collect()
    }

    /// How long there is a rest: what is due of a host that is being asked stays due meanwhile.
    fn rest(&self) -> Duration {
        if self.hosts.is_empty() { Duration::ZERO } else { PETITIONS_ASKING_REST }
    }
}

impl Shared {
    /// Hands petitions on, and hears what became of them, again and again. A host that is slow keeps no other
    /// waiting.
    pub(super) async fn keep_letters(self: Arc<Self>) {
        let mut rounds = Rounds::default();
        loop {
            let looking = self.clone();
            let busy = rounds.busy();
            let due = move || outbox::due(&looking.node, &busy, looking.node.now());
            let due = spawn_blocking(due).await;
            self.deliver(due.unwrap_or_default(), &mut rounds);
            let looking = self.clone();
            let pause = spawn_blocking(move || looking.until_letters()).await;
            let pause = pause.unwrap_or(PETITIONS_LOOKED_EVERY).max(rounds.rest());
            // Whatever is kept meanwhile, or asked about, is due at once.
            let woken = timeout(pause, self.node.outboxes.woken());
            tokio::select! {
                _ = woken => {}
                () = rounds.ended() => {}
            }
        }
    }

    /// How long nothing is due.
    fn until_letters(&self) -> Duration {
        let now = self.node.now();
        let due = outbox::next(&self.node, now).map(|due| due.saturating_sub(now));
        let due = due.map_or(PETITIONS_LOOKED_EVERY, Duration::from_secs);
        due.clamp(PETITIONS_REST, PETITIONS_LOOKED_EVERY)
    }

    /// Begins to ask all hosts what is to be asked that are not being asked yet.
    fn deliver(self: &Arc<Self>, deliveries: Vec<Delivery>, rounds: &mut Rounds) {
        for (host, round) in by_host(deliveries) {
            rounds.begin(host, self.clone().ask_host(host, round));
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    #[tokio::test]
    async fn a_host_that_is_slow_keeps_no_other_waiting() {
        let [slow, quick] = [1, 2].map(|n| SecretKey::from_seed(&[n; 32]).public());
        let mut rounds = Rounds::default();
        assert_eq!(rounds.rest(), Duration::ZERO);
        assert!(rounds.begin(slow, pending()));
        for _ in 0..3 {
            assert!(rounds.begin(quick, async {}));
            assert!(!rounds.begin(slow, pending()), "it is being asked");
            assert!(rounds.busy().contains(&slow));
            assert_eq!(rounds.rest(), PETITIONS_ASKING_REST);
            rounds.ended().await;
        }
        assert!(rounds.begin(quick, async { panic!("a fault of this program") }));
        rounds.ended().await;
        assert!(rounds.begin(quick, async {}));
    }
}
