//! Bytes a second that one node hands to another over loopback: answers of 1 MiB, several asked for at
//! a time, beside the same bytes over a plain QUIC stream. What lies between is the cost of frames, of
//! bounds and of one thread per answer.
//!
//! ```sh
//! cargo bench --bench network
//! ```
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use djdns::{
    ambient,
    key::{PublicKey, SecretKey},
    network::{Bounds, Door, Misbehaviour, Network, Options, Peer, quic},
};
use tokio::task::JoinSet;

const MIB: usize = 1 << 20;
const PARTS: usize = 512;
const ROUNDS: usize = 5;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    runtime.block_on(async {
        for at_once in [1, 4, 16] {
            let name = format!("answers of 1 MiB, {at_once} at a time");
            let nodes = Nodes::new().await;
            measure(&name, async || nodes.fetch(at_once).await).await;
        }
        let plain = Plain::new().await;
        measure("one plain QUIC stream", async || plain.fetch().await).await;
    });
}

/// Prints the best of some rounds.
async fn measure(name: &str, work: impl AsyncFn()) {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        work().await;
        best = best.min(begun.elapsed());
    }
    let rate = (PARTS * MIB) as f64 / best.as_secs_f64() / 1e6;
    println!("{name}: {rate:.0} MB/s");
}

struct Giver;

impl Door for Giver {
    fn admits(&self, _key: &PublicKey, _from: SocketAddr) -> bool {
        true
    }

    fn joined(&self, _peer: &Peer) {}

    fn left(&self, _key: &PublicKey, why: &str) {
        println!("left: {why}");
    }

    fn told(&self, _key: &PublicKey, _notice: Vec<u8>) {}

    fn asked(&self, _peer: &Peer, _request: Vec<u8>) -> Option<Vec<u8>> {
        static PART: OnceLock<Vec<u8>> = OnceLock::new();
        Some(PART.get_or_init(|| vec![7; MIB]).clone())
    }

    fn misbehaved(&self, _key: &PublicKey, what: Misbehaviour) {
        println!("misbehaved: {what}");
    }
}

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

struct Nodes {
    asks: Network,
    answers: Network,
}

impl Nodes {
    async fn new() -> Nodes {
        let open = |n| {
            let options = Options::new(key(n), vec![local()], ambient::ticks);
            Network::open(options, Arc::new(Giver)).expect("it listens")
        };
        let (asks, answers) = (open(1), open(2));
        let there = answers.addresses();
        asks.connect(&there, None).await.expect("they connect");
        Nodes { asks, answers }
    }

    async fn fetch(&self, at_once: usize) {
        let mut asking = JoinSet::new();
        for _ in 0..PARTS {
            if asking.len() == at_once {
                asking.join_next().await;
            }
            let (asks, to) = (self.asks.clone(), key(2).public());
            asking.spawn(async move {
                let answer = asks.ask(&to, vec![1], MIB, Duration::from_secs(60)).await;
                assert_eq!(answer.expect("it answers").len(), MIB);
            });
        }
        asking.join_all().await;
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.answers.close(&key(1).public(), "");
    }
}

/// Two endpoints with the same windows and the same keys, and nothing else.
struct Plain {
    connection: quinn::Connection,
    _endpoints: [quinn::Endpoint; 2],
}

impl Plain {
    async fn new() -> Plain {
        let (client, server) = quic(&key(1), &Bounds::default()).expect("a configuration");
        let server = quinn::Endpoint::server(server, local()).expect("it listens");
        let mut asks = quinn::Endpoint::client(local()).expect("it binds");
        asks.set_default_client_config(client);
        let there = server.local_addr().expect("it has an address");
        let accepting = server.clone();
        tokio::spawn(async move {
            let connection = accepting.accept().await.expect("one").await.expect("it connects");
            let part = bytes::Bytes::from(vec![7; MIB]);
            while let Ok((mut send, _recv)) = connection.accept_bi().await {
                for _ in 0..PARTS {
                    send.write_chunk(part.clone()).await.expect("it is read");
                }
            }
        });
        let connection = asks.connect(there, "x").expect("an address").await.expect("it connects");
        Plain { connection, _endpoints: [server, asks] }
    }

    async fn fetch(&self) {
        let (mut send, mut recv) = self.connection.open_bi().await.expect("a stream");
        send.write_all(&[1]).await.expect("it is sent");
        let mut bytes = 0;
        while let Some(chunk) = recv.read_chunk(usize::MAX, true).await.expect("it comes") {
            bytes += chunk.bytes.len();
        }
        assert_eq!(bytes, PARTS * MIB);
    }
}
