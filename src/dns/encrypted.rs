//! The encrypted doors: DNS over TLS (RFC 7858), over HTTPS (RFC 8484) and over QUIC (RFC 9250).
//!
//! They have the answers of all other doors, and their limits: connections are of one crowd, each may
//! have so many questions in flight, and every wait has an end. hickory-server's loops for these are not
//! used: they take connections and streams without a limit. What is answered is not known here, nor
//! where a certificate comes from.

use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::Arc,
};

use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};

use super::{
    Reply, Service, Transport,
    crowd::{Crowd, Seat},
    farewell::Farewell,
    listeners::{self, ListenError},
    options::Client,
};
use crate::limits::{DNS_TLS_HANDSHAKE, DNS_TLS_HANDSHAKES_MAX};

pub(super) mod doh;
pub(super) mod doq;
mod patient;
mod tls;

pub use doh::PATH as DOH_PATH;
pub use tls::{Tls, TlsError};

/// Where answers are given in which way. Port 0: the system chooses one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    pub dot: Vec<SocketAddr>,
    pub doh: Vec<SocketAddr>,
    pub doq: Vec<SocketAddr>,
}

impl Places {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.dot.iter().chain(&self.doh).chain(&self.doq).copied()
    }

    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }
}

/// Sockets that are bound and wait to be served.
#[derive(Debug, Default)]
pub struct Encrypted {
    pub(super) dot: Vec<TcpListener>,
    pub(super) doh: Vec<TcpListener>,
    pub(super) doq: Vec<UdpSocket>,
}

impl Encrypted {
    /// Binds all places.
    ///
    /// # Errors
    /// The first [`ListenError`]; nothing stays bound then.
    pub fn bind(places: &Places) -> Result<Encrypted, ListenError> {
        type Bound<T> = Result<Vec<T>, ListenError>;
        let tcp = |places: &[SocketAddr]| -> Bound<TcpListener> {
            places.iter().map(|one| listeners::bind_tcp(*one)).collect()
        };
        let udp = |one: &SocketAddr| Ok(listeners::bind_one_udp(*one, false)?.0);
        Ok(Encrypted {
            dot: tcp(&places.dot)?,
            doh: tcp(&places.doh)?,
            doq: places.doq.iter().map(udp).collect::<Bound<_>>()?,
        })
    }

    /// Where they are, with the ports that the system chose.
    pub fn places(&self) -> Places {
        let tcp = |sockets: &[TcpListener]| {
            sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect()
        };
        let doq = self.doq.iter().filter_map(|socket| socket.local_addr().ok());
        Places { dot: tcp(&self.dot), doh: tcp(&self.doh), doq: doq.collect() }
    }
}

/// One client's connection, and what it needs to be served.
pub(super) struct Visit {
    pub(super) service: Service,
    pub(super) client: Client,
    pub(super) seat: Seat,
    /// Room for questions that are forwarded.
    pub(super) waiting: Arc<Semaphore>,
    pub(super) farewell: Farewell,
}

/// Who meets clients: by TLS, so many at a time. Cloning one costs nothing.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) tls: Tls,
    handshakes: Crowd,
}

impl Guard {
    pub(super) fn new(tls: Tls) -> Guard {
        Guard { tls, handshakes: Crowd::new(DNS_TLS_HANDSHAKES_MAX) }
    }

    /// The client behind a TCP connection; or nobody, when it takes too long, or others come.
    pub(super) async fn meet(
        &self,
        stream: TcpStream,
        config: Arc<ServerConfig>,
        visit: &Visit,
    ) -> Option<TlsStream<TcpStream>> {
        let handshake = timeout(DNS_TLS_HANDSHAKE, TlsAcceptor::from(config).accept(stream));
        match self.while_there_is_room(handshake, visit).await? {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, from = %visit.client.address, "a handshake of TLS failed");
                None
            }
            Err(_) => None,
        }
    }

    /// A handshake, unless so many others come that this one has to leave, or the doors close.
    pub(super) async fn while_there_is_room<T>(
        &self,
        handshake: impl Future<Output = T>,
        visit: &Visit,
    ) -> Option<T> {
        let seat = self.handshakes.enter();
        let mut farewell = visit.farewell.clone();
        tokio::select! {
            met = handshake => Some(met),
            () = seat.dismissed() => None,
            () = visit.seat.dismissed() => None,
            () = farewell.told() => None,
        }
    }
}

/// What the streams of one connection share, each of which has one question. Cloning it costs nothing.
#[derive(Clone)]
struct Streams {
    service: Service,
    client: Client,
    waiting: Arc<Semaphore>,
    farewell: Farewell,
    /// Of those who write an answer.
    turns: Arc<Semaphore>,
}

/// An answer, and the right to send it.
struct Answered {
    bytes: Vec<u8>,
    turn: OwnedSemaphorePermit,
}

impl Streams {
    /// With so many answers that wait to be sent.
    fn of(visit: &Visit, turns: usize) -> Streams {
        Streams {
            service: visit.service.clone(),
            client: visit.client,
            waiting: visit.waiting.clone(),
            farewell: visit.farewell.clone(),
            turns: Arc::new(Semaphore::new(turns)),
        }
    }

    /// The answer to a message; none to what is no question. What waits to be sent is no more than so
    /// many answers of one client.
    async fn answer(&self, message: &[u8]) -> Option<Answered> {
        // They are never closed.
        let turn = self.turns.clone().acquire_owned().await.ok()?;
        match self.service.reply(message, self.client) {
            Reply::Silence => None,
            Reply::Now(bytes) => Some(Answered { bytes, turn }),
            Reply::Later => {
                drop(turn);
                let bytes = self.later(message).await;
                let turn = self.turns.clone().acquire_owned().await.ok()?;
                Some(Answered { bytes, turn })
            }
        }
    }

    async fn later(&self, message: &[u8]) -> Vec<u8> {
        let Ok(_room) = self.waiting.clone().try_acquire_owned() else {
            return self.service.overloaded(message, self.client);
        };
        self.farewell.clone().outside(&self.service, message, self.client).await
    }
}

/// What is spoken on a TCP socket.
pub(super) enum Speaks {
    Dns,
    Tls(Guard),
    Https(Guard),
}

impl Speaks {
    pub(super) fn transport(&self) -> Transport {
        match self {
            Speaks::Dns => Transport::Stream,
            Speaks::Tls(_) => Transport::Tls,
            Speaks::Https(_) => Transport::Https,
        }
    }
}

/// The socket, for the runtime that serves it.
pub(super) fn listener(socket: TcpListener) -> io::Result<tokio::net::TcpListener> {
    socket.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(socket)
}
