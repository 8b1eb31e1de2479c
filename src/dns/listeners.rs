//! The doors of the DNS face: which addresses, UDP and TCP on each, who may enter, and how to close
//! them.
//!
//! Datagrams are received here and answered by [`Service`] in place; `stream` has the TCP
//! connections. hickory-server's loops are not used: the one for UDP starts a task and two
//! copies per packet without a limit, gives a malformed *response* a FORMERR, so that two servers can
//! answer each other for ever, and writes names so long that fewer answers fit in 1232 bytes; the one
//! for TCP answers strictly in turn, and has no limit on connections.
//!
//! Nothing here decides what is answered.

use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::Arc,
};

use rustix::{
    io::Errno,
    process::{Resource, getrlimit},
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};

use super::{
    Reply, Service, Transport,
    crowd::Crowd,
    farewell::Farewell,
    holder::{self, Holder},
    options::Client,
    stream::StreamDoor,
};
use crate::limits::{
    DNS_FAREWELL, DNS_FAREWELL_SENDING, DNS_TCP_CONNECTIONS_MAX, DNS_UDP_BUFFER_BYTES,
    FORWARD_WAITING_MAX,
};

/// Sockets that are bound and wait to be served.
#[derive(Debug, Default)]
pub struct Listeners {
    udp: Vec<UdpSocket>,
    tcp: Vec<TcpListener>,
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error(
        "no right to listen on {0}: ports below 1024 need CAP_NET_BIND_SERVICE, a socket passed \
         by systemd, or net.ipv4.ip_unprivileged_port_start; or choose a higher port"
    )]
    NotAllowed(SocketAddr),
    #[error("{address} ({transport}) is taken{}", by(.holder))]
    Taken { address: SocketAddr, transport: &'static str, holder: Option<Holder> },
    #[error("this machine has no address {0}")]
    NoSuchAddress(SocketAddr),
    #[error("listening on {address} ({transport})")]
    Io { address: SocketAddr, transport: &'static str, source: io::Error },
}

fn by(holder: &Option<Holder>) -> String {
    holder.as_ref().map_or_else(String::new, |holder| format!(" by {holder}"))
}

/// TCP connections that the kernel holds until they are accepted (choice: as in djdns.socket).
const TCP_BACKLOG: i32 = 1024;
/// How often an address with port 0 is tried anew, when the UDP port found is taken on TCP.
const PORT_TRIES: usize = 16;

impl Listeners {
    /// Binds UDP and TCP on every address. With port 0 the system chooses one port for both.
    ///
    /// # Errors
    /// The first [`ListenError`]; nothing stays bound then.
    pub fn bind(addresses: &[SocketAddr]) -> Result<Listeners, ListenError> {
        let mut listeners = Listeners::default();
        for address in addresses {
            let (udp, tcp) = bind_both(*address)?;
            listeners.udp.push(udp);
            listeners.tcp.push(tcp);
        }
        Ok(listeners)
    }

    /// Sockets that were bound by somebody else, as systemd does.
    pub fn passed(udp: Vec<UdpSocket>, tcp: Vec<TcpListener>) -> Listeners {
        Listeners { udp, tcp }
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, others: Listeners) -> Listeners {
        self.udp.extend(others.udp);
        self.tcp.extend(others.tcp);
        self
    }

    /// The addresses served over UDP.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.udp.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    /// All addresses that are listened on: systemd may have passed one of TCP alone.
    pub fn doors(&self) -> Vec<SocketAddr> {
        let tcp = self.tcp.iter().filter_map(|socket| socket.local_addr().ok());
        let mut doors: Vec<SocketAddr> = self.addresses().into_iter().chain(tcp).collect();
        doors.sort_unstable();
        doors.dedup();
        doors
    }

    /// Answers by `service` on all sockets, as tasks of the current tokio runtime. That
    /// should be one of its own threads, so that nothing else can keep an answer waiting.
    ///
    /// # Errors
    /// When a socket cannot be given to the runtime.
    pub fn serve(self, service: &Service) -> io::Result<Serving> {
        let (stop, stopped) = watch::channel(());
        let farewell = Farewell::when(stopped);
        let mut doors = JoinSet::new();
        let room = || Arc::new(Semaphore::new(FORWARD_WAITING_MAX));
        let (udp_room, tcp_room) = (room(), room());
        let crowd = Crowd::new(connections_max());
        for socket in self.udp {
            socket.set_nonblocking(true)?;
            let door = Door {
                socket: Arc::new(tokio::net::UdpSocket::from_std(socket)?),
                service: service.clone(),
                waiting: udp_room.clone(),
            };
            doors.spawn(door.answer(farewell.clone()));
        }
        for listener in self.tcp {
            listener.set_nonblocking(true)?;
            let door = StreamDoor {
                listener: tokio::net::TcpListener::from_std(listener)?,
                service: service.clone(),
                crowd: crowd.clone(),
                waiting: tcp_room.clone(),
            };
            doors.spawn(door.answer(farewell.clone()));
        }
        Ok(Serving { stop, doors })
    }
}

/// TCP connections at a time: half of the files that this process may open belongs to others.
fn connections_max() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    DNS_TCP_CONNECTIONS_MAX.min(usize::try_from(files / 2).unwrap_or(usize::MAX))
}

/// Sockets that are being served. Dropping it closes them at once.
pub struct Serving {
    stop: watch::Sender<()>,
    doors: JoinSet<()>,
}

impl Serving {
    /// Stops accepting; what is in flight and has no answer within [`DNS_FAREWELL`] gets SERVFAIL. Returns
    /// when all sockets are closed.
    pub async fn shutdown(mut self) {
        drop(self.stop);
        while self.doors.join_next().await.is_some() {}
    }
}

/// A UDP socket that is answered on.
struct Door {
    socket: Arc<tokio::net::UdpSocket>,
    service: Service,
    /// Room for questions that are forwarded.
    waiting: Arc<Semaphore>,
}

impl Door {
    /// One datagram after the other: what is in flight is what the kernel's buffer holds, and no
    /// overload makes this process larger. What is forwarded waits in a task of its own, of which
    /// there are so many. When told to stop, those end first.
    async fn answer(self, mut farewell: Farewell) {
        let mut query = vec![0; usize::from(u16::MAX)];
        let mut in_flight = JoinSet::new();
        loop {
            let received = tokio::select! {
                received = self.socket.recv_from(&mut query) => received,
                Some(_) = in_flight.join_next() => continue,
                () = farewell.told() => break,
            };
            let sent = match received {
                Ok((len, from)) => {
                    self.answer_one(&query[..len], from, &mut in_flight, &farewell).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                // An ICMP error of an earlier answer, or a source that cannot be answered.
                tracing::debug!(%error, "a datagram was lost");
            }
        }
        let ended = async { while in_flight.join_next().await.is_some() {} };
        let _ = timeout(DNS_FAREWELL + DNS_FAREWELL_SENDING, ended).await;
    }

    async fn answer_one(
        &self,
        query: &[u8],
        from: SocketAddr,
        in_flight: &mut JoinSet<()>,
        farewell: &Farewell,
    ) -> io::Result<()> {
        let client = Client { address: from.ip(), transport: Transport::Udp };
        let answer = match self.service.reply(query, client) {
            Reply::Silence => return Ok(()),
            Reply::Now(answer) => answer,
            Reply::Later => match self.waiting.clone().try_acquire_owned() {
                Ok(room) => {
                    let (socket, service) = (self.socket.clone(), self.service.clone());
                    let (query, farewell) = (query.to_vec(), farewell.clone());
                    in_flight.spawn(async move {
                        let answer = farewell.outside(&service, &query, client).await;
                        let _ = socket.send_to(&answer, from).await;
                        drop(room);
                    });
                    return Ok(());
                }
                Err(_) => self.service.overloaded(query, client),
            },
        };
        self.socket.send_to(&answer, from).await.map(drop)
    }
}

fn bind_both(address: SocketAddr) -> Result<(UdpSocket, TcpListener), ListenError> {
    for _ in 1..PORT_TRIES {
        let (udp, port) = bind_udp(address)?;
        match bind_tcp(SocketAddr::new(address.ip(), port)) {
            Err(ListenError::Taken { .. }) if address.port() == 0 => {}
            tcp => return Ok((udp, tcp?)),
        }
    }
    let (udp, port) = bind_udp(address)?;
    Ok((udp, bind_tcp(SocketAddr::new(address.ip(), port))?))
}

fn bind_udp(address: SocketAddr) -> Result<(UdpSocket, u16), ListenError> {
    let bind = || {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        prepare(&socket, address)?;
        // The system may give less (net.core.rmem_max): then bursts are lost earlier, no more.
        socket.set_recv_buffer_size(DNS_UDP_BUFFER_BYTES)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from(socket);
        let port = socket.local_addr()?.port();
        Ok((socket, port))
    };
    bind().map_err(|error| refusal(error, address, "udp"))
}

fn bind_tcp(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let bind = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        prepare(&socket, address)?;
        // Old connections in TIME_WAIT must not keep a restarted node from its port.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(TCP_BACKLOG)?;
        Ok(TcpListener::from(socket))
    };
    bind().map_err(|error| refusal(error, address, "tcp"))
}

fn prepare(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` are bound separately and must not get in each other's way.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)
}

fn refusal(error: io::Error, address: SocketAddr, transport: &'static str) -> ListenError {
    // A kernel without IPv6 has not even such sockets.
    let has_no_such_sockets = error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error());
    match error.kind() {
        io::ErrorKind::PermissionDenied => ListenError::NotAllowed(address),
        io::ErrorKind::AddrNotAvailable => ListenError::NoSuchAddress(address),
        _ if has_no_such_sockets => ListenError::NoSuchAddress(address),
        io::ErrorKind::AddrInUse => {
            ListenError::Taken { address, transport, holder: holder::of(transport, address) }
        }
        _ => ListenError::Io { address, transport, source: error },
    }
}
