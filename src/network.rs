//! Connections with other nodes: QUIC with TLS 1.3 and the node's own key (N1), and bounds on
//! everything that peers may do (N6).
//!
//! Carries requests, answers and notices, and knows nothing of what they say: that is the owner's
//! business, who stands behind a [`Door`]. Nobody sends data unasked: notices are short, and an answer
//! is as long as whoever asks allows. The clock is handed in; waiting is tokio's.
//!
//! ```text
//! one connection for two nodes
//!   one stream each way        notices, in order, each at most 64 KiB
//!   one stream per request     a request of at most 64 KiB; its answer, or why there is none
//! ```

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use quinn::{Endpoint, EndpointConfig, IdleTimeout, TokioRuntime, TransportConfig, VarInt};
use tokio::{sync::Semaphore, time::timeout};

pub use self::{
    bounds::Bounds,
    fault::{AskError, ConnectError, Misbehaviour, NetworkError},
    live::PUSHED_OFF,
    sockets::ListenError,
    table::REPLACED,
};
use self::{fault::Code, places::Places, table::Table};
use crate::{
    key::{PublicKey, SecretKey},
    limits::{
        NETWORK_FAREWELL, NETWORK_KEEP_ALIVE, NETWORK_LONG_ANSWERS_MAX,
        NETWORK_STREAM_WINDOW_BYTES, NETWORK_STREAMS_MAX, NETWORK_UNACKNOWLEDGED_BYTES,
        NETWORK_WAITING_BYTES, NETWORK_WAITING_BYTES_ALL, NETWORK_WAITING_MAX,
        NETWORK_WINDOW_BYTES, NETWORK_WORKED_ON_MAX,
    },
};

mod allowance;
mod bounds;
mod fault;
mod live;
pub mod mapping;
mod opening;
mod places;
mod sockets;
mod table;
#[cfg(test)]
mod tests;
pub mod tls;
mod unread;
pub mod wire;

/// Another node that is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Who it is, proved by the handshake.
    pub key: PublicKey,
    /// Where it was when the connection was made.
    pub address: SocketAddr,
    /// Whether this node opened the connection.
    pub outbound: bool,
}

/// What the owner of a network does about what arrives.
///
/// `joined`, `left`, `told` and `misbehaved` are called one at a time and in order, and must not
/// block; between `joined` and `left` of a peer there is one connection with it.
pub trait Door: Send + Sync + 'static {
    /// Whether a node that connects is let in.
    fn admits(&self, key: &PublicKey, from: SocketAddr) -> bool;
    /// A connection is there.
    fn joined(&self, peer: &Peer);
    /// It is gone, and why: [`REPLACED`] and [`PUSHED_OFF`] among others.
    fn left(&self, key: &PublicKey, why: &str);
    /// A peer sent a notice: 1 to [`NETWORK_NOTICE_BYTES_MAX`](crate::limits::NETWORK_NOTICE_BYTES_MAX)
    /// bytes.
    fn told(&self, key: &PublicKey, notice: Vec<u8>);
    /// A peer asks: 1 to [`NETWORK_REQUEST_BYTES_MAX`](crate::limits::NETWORK_REQUEST_BYTES_MAX) bytes.
    /// Called on a thread where it may block; none means that the request is not understood.
    fn asked(&self, peer: &Peer, request: Vec<u8>) -> Option<Vec<u8>>;
    /// A peer did what no honest node does, and is disconnected for it.
    fn misbehaved(&self, key: &PublicKey, what: Misbehaviour);
}

/// How a network is opened.
pub struct Options {
    /// The key by which others know this node.
    pub key: SecretKey,
    /// Addresses to listen on, and to connect from. `[::]` takes IPv4 as well.
    pub listen: Vec<SocketAddr>,
    /// Sockets that somebody else has bound, as systemd does.
    pub sockets: Vec<UdpSocket>,
    /// Milliseconds of a clock that only goes forward.
    pub ticks: fn() -> u64,
    pub bounds: Bounds,
}

impl Options {
    /// Listens on these addresses, within the usual bounds.
    pub fn new(key: SecretKey, listen: Vec<SocketAddr>, ticks: fn() -> u64) -> Options {
        Options { key, listen, sockets: Vec::new(), ticks, bounds: Bounds::default() }
    }
}

/// A peer as it stands.
#[derive(Clone, Debug)]
pub struct PeerLook {
    pub key: PublicKey,
    /// Where it is now.
    pub address: SocketAddr,
    pub outbound: bool,
    pub round_trip: Duration,
    /// Bytes of UDP received from it.
    pub bytes_in: u64,
    /// Bytes of UDP sent to it.
    pub bytes_out: u64,
    /// Packets sent to it that were lost.
    pub lost_packets: u64,
    /// How long it has been connected.
    pub connected: Duration,
    /// How long nothing was heard of it, to a few seconds: see
    /// [`NETWORK_HEARD_EVERY`](crate::limits::NETWORK_HEARD_EVERY).
    pub silent: Duration,
}

/// The connections of a node. Cloning one costs nothing.
#[derive(Clone)]
pub struct Network(Arc<Shared>);

/// What all connections have in common.
struct Shared {
    me: PublicKey,
    door: Arc<dyn Door>,
    bounds: Bounds,
    ticks: fn() -> u64,
    client: quinn::ClientConfig,
    sockets: Vec<Listening>,
    places: Places,
    table: Table,
    /// Requests that are worked on.
    worked_on: Arc<Semaphore>,
    /// Bytes of answers that wait to be sent.
    answers: Arc<Semaphore>,
    /// Answers that are longer than usual and wait to be sent.
    long_answers: Arc<Semaphore>,
    /// When one was let go last that did not read, in milliseconds of the clock.
    let_go_at: AtomicU64,
}

/// A socket that is listened to and connected from.
struct Listening {
    address: SocketAddr,
    /// Whether it takes both families.
    both: bool,
    endpoint: Endpoint,
}

impl Network {
    /// Listens, as tasks of the current tokio runtime.
    ///
    /// # Errors
    /// When an address cannot be listened on; nothing stays bound then.
    pub fn open(options: Options, door: Arc<dyn Door>) -> Result<Network, NetworkError> {
        let Options { key, listen, mut sockets, ticks, bounds } = options;
        sockets.extend(sockets::bind(&listen)?);
        if sockets.is_empty() {
            return Err(NetworkError::NoAddress);
        }
        let (client, server) = quic(&key, &bounds)?;
        let sockets: Result<Vec<Listening>, std::io::Error> =
            sockets.into_iter().map(|socket| Listening::on(socket, server.clone())).collect();
        let (table, news) = Table::new(key.public());
        let shared = Arc::new(Shared {
            me: key.public(),
            door: door.clone(),
            places: Places::new(&bounds, ticks()),
            answers: Arc::new(Semaphore::new(bounds.answers_bytes)),
            bounds,
            ticks,
            client,
            sockets: sockets?,
            table,
            worked_on: Arc::new(Semaphore::new(NETWORK_WORKED_ON_MAX)),
            long_answers: Arc::new(Semaphore::new(NETWORK_LONG_ANSWERS_MAX)),
            let_go_at: AtomicU64::new(0),
        });
        tokio::spawn(table::tell(door, news));
        for listening in &shared.sockets {
            tokio::spawn(opening::receive(shared.clone(), listening.endpoint.clone()));
        }
        Ok(Network(shared))
    }

    /// The addresses that are listened on.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.sockets.iter().map(|socket| socket.address).collect()
    }

    /// Connects to a node at whichever of its addresses answers, of which the first eight are tried.
    /// If there is a connection with it, that is the one.
    ///
    /// # Errors
    /// One clear sentence: why not. With an `expected` key, another node is none.
    pub async fn connect(
        &self,
        addresses: &[SocketAddr],
        expected: Option<PublicKey>,
    ) -> Result<Peer, ConnectError> {
        opening::connect(&self.0, addresses, expected).await
    }

    /// Sends a notice, after those before it. False: the node is not connected, or has not taken
    /// enough of those before, or the notice is empty or too long.
    pub fn tell(&self, to: &PublicKey, notice: Vec<u8>) -> bool {
        self.0.table.get(to).is_some_and(|live| live.tell(notice))
    }

    /// Asks a node. To be dropped when nobody waits for the answer any more: the node is told so.
    ///
    /// # Errors
    /// Why there is no answer. One longer than `answer_bytes_max`, or than
    /// [`NETWORK_ANSWER_BYTES_MAX`](crate::limits::NETWORK_ANSWER_BYTES_MAX), is none.
    pub async fn ask(
        &self,
        to: &PublicKey,
        request: Vec<u8>,
        answer_bytes_max: usize,
        patience: Duration,
    ) -> Result<Vec<u8>, AskError> {
        let live = self.0.table.get(to).ok_or(AskError::NotConnected)?;
        let asking = live.ask(&self.0, &request, answer_bytes_max);
        timeout(patience, asking).await.unwrap_or(Err(AskError::TimedOut(patience)))
    }

    /// Closes the connection with a node, which is told why.
    pub fn close(&self, key: &PublicKey, why: &str) {
        if let Some(live) = self.0.table.get(key) {
            live.close(Code::Enough, why);
        }
    }

    /// All peers, in the order of their keys.
    pub fn peers(&self) -> Vec<PeerLook> {
        let ticks = (self.0.ticks)();
        let mut peers: Vec<PeerLook> =
            self.0.table.all().iter().map(|live| live.look(ticks)).collect();
        peers.sort_by_key(|peer| peer.key);
        peers
    }

    /// Says goodbye to all peers and takes no more. Waits a second at most for the words to be sent.
    pub async fn shutdown(&self) {
        self.0.table.close();
        for live in self.0.table.all() {
            live.close(Code::Farewell, "the node ends");
        }
        for listening in &self.0.sockets {
            listening.endpoint.close(VarInt::from_u32(Code::Farewell as u32), b"the node ends");
        }
        let idle = async {
            for listening in &self.0.sockets {
                listening.endpoint.wait_idle().await;
            }
        };
        // What is not said by then is found out by silence.
        let _ = timeout(NETWORK_FAREWELL, idle).await;
    }
}

impl Shared {
    /// The socket that an address is connected to from.
    fn endpoint_for(&self, address: SocketAddr) -> Option<&Endpoint> {
        let fit = |socket: &&Listening| sockets::fitness(socket.address, socket.both, address);
        let fitting = self.sockets.iter().filter(|socket| fit(socket).is_some());
        fitting.max_by_key(fit).map(|socket| &socket.endpoint)
    }
}

impl Listening {
    fn on(socket: UdpSocket, server: quinn::ServerConfig) -> Result<Listening, std::io::Error> {
        let address = socket.local_addr()?;
        let both = address.is_ipv6() && !socket2::SockRef::from(&socket).only_v6()?;
        let (config, runtime) = (EndpointConfig::default(), Arc::new(TokioRuntime));
        let endpoint = Endpoint::new(config, Some(server), socket, runtime)?;
        Ok(Listening { address, both, endpoint })
    }
}

/// How QUIC is configured to connect and to listen with a key.
///
/// # Errors
/// When TLS does not take the key, which is a fault of this program.
pub fn quic(
    key: &SecretKey,
    bounds: &Bounds,
) -> Result<(quinn::ClientConfig, quinn::ServerConfig), tls::CryptoError> {
    let crypto = tls::Crypto::of(key)?;
    let transport = Arc::new(transport(bounds));
    let mut client = quinn::ClientConfig::new(crypto.client);
    client.transport_config(transport.clone());
    let mut server = quinn::ServerConfig::with_crypto(crypto.server);
    server
        .transport_config(transport)
        .max_incoming(NETWORK_WAITING_MAX)
        .incoming_buffer_size(NETWORK_WAITING_BYTES)
        .incoming_buffer_size_total(NETWORK_WAITING_BYTES_ALL);
    Ok((client, server))
}

/// What QUIC itself grants a peer. Connections stay when an address changes (RFC 9000 section 9).
fn transport(bounds: &Bounds) -> TransportConfig {
    let idle = VarInt::from_u32(bounds.idle.as_millis().min(u128::from(u32::MAX)) as u32);
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(NETWORK_STREAMS_MAX))
        // That of notices, and a second one to be seen and refused.
        .max_concurrent_uni_streams(VarInt::from_u32(2))
        .stream_receive_window(VarInt::from_u32(NETWORK_STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(NETWORK_WINDOW_BYTES))
        .send_window(NETWORK_UNACKNOWLEDGED_BYTES)
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(IdleTimeout::from(idle)))
        .keep_alive_interval(Some(NETWORK_KEEP_ALIVE.min(bounds.idle / 3)));
    transport
}

/// An IPv4 address as such, although a socket for both families writes it as one of IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip if ip == address.ip() => address,
        ip => SocketAddr::new(ip, address.port()),
    }
}
