//! A relay between two networks of a test's own, that loses datagrams: who talks to it talks to somebody
//! else.
//!
//! What is lost is the same for one seed. Only those who call can begin: there is no way back to them but
//! the answer's.

// Each test uses a part of this.
#![allow(dead_code, reason = "several tests share it, and each uses a part")]

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use tokio::{net::UdpSocket, sync::oneshot, task::AbortHandle};

use crate::support::lan::{Lan, Machine, gateway};

/// Callers that one relay serves at a time.
const CALLERS_MAX: usize = 64;

/// A relay that runs until it is dropped.
pub struct Relay {
    /// Where whoever calls finds it.
    pub address: SocketAddr,
    percent: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What a relay does with one datagram.
struct Luck {
    state: u64,
    percent: Arc<AtomicU64>,
}

impl Relay {
    /// At the hub, where `caller` can reach it: what comes there goes to this port of `target`, but for so
    /// many of a hundred datagrams, in each direction.
    pub fn start(
        lan: &Lan,
        caller: &Machine,
        target: &Machine,
        port: u16,
        percent: u64,
        seed: u64,
    ) -> Relay {
        let percent = Arc::new(AtomicU64::new(percent));
        let luck = Luck { state: seed | 1, percent: percent.clone() };
        let (here, target) = (gateway(caller.address), (target.address, port));
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = mpsc::channel();
        let thread = lan.spawn_at_hub(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let socket = UdpSocket::bind((here, 0)).await.expect("the hub has this address");
                ready.send(socket.local_addr().expect("it is bound")).expect("it is waited for");
                tokio::select! {
                    () = relay(Arc::new(socket), target, luck) => {}
                    _ = stopped => {}
                }
            });
        });
        let address = address.recv_timeout(Duration::from_secs(10)).expect("the relay starts");
        Relay { address, percent, stop: Some(stop), thread: Some(thread) }
    }

    /// Loses so many of a hundred datagrams from now on; 100: all.
    pub fn set_loss(&self, percent: u64) {
        self.percent.store(percent, Ordering::Relaxed);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.take();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_some_and(|ended| ended.is_ok()));
    }
}

/// Hands on what callers send, each by a socket of its own, and what comes back.
async fn relay(here: Arc<UdpSocket>, target: (Ipv4Addr, u16), mut luck: Luck) {
    let mut callers: BTreeMap<SocketAddr, (Arc<UdpSocket>, AbortHandle)> = BTreeMap::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok((length, caller)) = here.recv_from(&mut buffer).await else { continue };
        if luck.is_out() {
            continue;
        }
        if !callers.contains_key(&caller) {
            if callers.len() >= CALLERS_MAX
                && let Some((_, (_, task))) = callers.pop_first()
            {
                task.abort();
            }
            let there = UdpSocket::bind("0.0.0.0:0").await.expect("a port is free");
            there.connect(target).await.expect("the target's network is there");
            let there = Arc::new(there);
            let back = back(there.clone(), here.clone(), caller, luck.another());
            let task = tokio::spawn(back).abort_handle();
            callers.insert(caller, (there, task));
        }
        let _ = callers[&caller].0.send(&buffer[..length]).await;
    }
}

async fn back(there: Arc<UdpSocket>, here: Arc<UdpSocket>, caller: SocketAddr, mut luck: Luck) {
    let mut buffer = vec![0; 65_536];
    loop {
        // An error says that a datagram did not arrive: those that follow may.
        let Ok(length) = there.recv(&mut buffer).await else { continue };
        if !luck.is_out() {
            let _ = here.send_to(&buffer[..length], caller).await;
        }
    }
}

impl Luck {
    /// Whether the next datagram is lost (xorshift64*, Vigna 2016).
    fn is_out(&mut self) -> bool {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let chance = (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % 100;
        chance < self.percent.load(Ordering::Relaxed)
    }

    fn another(&mut self) -> Luck {
        self.is_out();
        Luck { state: self.state.rotate_left(17) | 1, percent: self.percent.clone() }
    }
}
