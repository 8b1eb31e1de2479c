//! The doors of the DNS face: which addresses, UDP and TCP on each, who may enter, and how to close
//! them.
//!
//! `workers` has the datagrams, and answers them in place; `stream` has the TCP connections. hickory-server's loops are not used: the one for UDP starts a task and two
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
    net::sockopt,
    process::{Resource, getrlimit},
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    runtime::Handle,
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};

use super::{
    Service,
    crowd::Crowd,
    encrypted::{self, Encrypted, Guard, Speaks, Tls, doq::QuicDoor},
    farewell::Farewell,
    holder::{self, Holder},
    stream::StreamDoor,
    workers::{self, Desk, Workers},
};
use crate::limits::{
    DNS_FAREWELL, DNS_FAREWELL_SENDING, DNS_TCP_CONNECTIONS_MAX, DNS_UDP_BUFFER_BYTES,
    DNS_UDP_SEND_BYTES, FORWARD_WAITING_MAX,
};

/// Sockets that are bound and wait to be served.
#[derive(Debug, Default)]
pub struct Listeners {
    /// For each address its sockets: one for each worker, or those that somebody else bound.
    udp: Vec<Vec<UdpSocket>>,
    tcp: Vec<TcpListener>,
    encrypted: Option<(Encrypted, Tls)>,
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
    #[error(
        "{address} ({transport}) is named twice: each door of djdns needs an address or a port of its own"
    )]
    Twice { address: SocketAddr, transport: &'static str },
    #[error("{0} is an IPv4 address written as IPv6: write {canonical}", canonical = canonical(.0))]
    Mapped(SocketAddr),
    #[error("this machine has no address {0}")]
    NoSuchAddress(SocketAddr),
    #[error("listening on {address} ({transport})")]
    Io { address: SocketAddr, transport: &'static str, source: io::Error },
}

fn canonical(address: &SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
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

    /// Sockets that were bound by somebody else, as systemd does: of UDP as many for an address as share it.
    pub fn passed(udp: Vec<UdpSocket>, tcp: Vec<TcpListener>) -> Listeners {
        let mut by_address: Vec<(Option<SocketAddr>, Vec<UdpSocket>)> = Vec::new();
        for socket in udp {
            let address = socket.local_addr().ok();
            match by_address.iter_mut().find(|(known, _)| *known == address) {
                Some((_, sockets)) => sockets.push(socket),
                None => by_address.push((address, vec![socket])),
            }
        }
        let udp = by_address.into_iter().map(|(_, sockets)| sockets).collect();
        Listeners { udp, tcp, encrypted: None }
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, others: Listeners) -> Listeners {
        self.udp.extend(others.udp);
        self.tcp.extend(others.tcp);
        self
    }

    /// The same, and encrypted doors, which prove themselves by this.
    #[must_use]
    pub fn with_encrypted(mut self, encrypted: Encrypted, tls: Tls) -> Listeners {
        self.encrypted = Some((encrypted, tls));
        self
    }

    /// The addresses served over UDP.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let first = self.udp.iter().filter_map(|sockets| sockets.first());
        first.filter_map(|socket| socket.local_addr().ok()).collect()
    }

    /// All addresses that are listened on: systemd may have passed one of TCP alone.
    pub fn doors(&self) -> Vec<SocketAddr> {
        let tcp = self.tcp.iter().filter_map(|socket| socket.local_addr().ok());
        let mut doors: Vec<SocketAddr> = self.addresses().into_iter().chain(tcp).collect();
        doors.extend(
            self.encrypted.iter().flat_map(|(one, _)| one.places().all().collect::<Vec<_>>()),
        );
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
        let (waiting, tcp_room) = (room(), room());
        let crowd = Crowd::new(connections_max());
        let mut tcp: Vec<(TcpListener, Speaks)> = Vec::new();
        tcp.extend(self.tcp.into_iter().map(|listener| (listener, Speaks::Dns)));
        if let Some((Encrypted { dot, doh, doq }, tls)) = self.encrypted {
            let guard = Guard::new(tls);
            let speaks = |speaks: fn(Guard) -> Speaks| {
                let guard = guard.clone();
                move |listener| (listener, speaks(guard.clone()))
            };
            tcp.extend(dot.into_iter().map(speaks(Speaks::Tls)));
            tcp.extend(doh.into_iter().map(speaks(Speaks::Https)));
            for socket in doq {
                let (guard, service) = (guard.clone(), service.clone());
                let door = QuicDoor::open(socket, guard, service, crowd.clone(), tcp_room.clone())?;
                doors.spawn(door.answer(farewell.clone()));
            }
        }
        for (listener, speaks) in tcp {
            let door = StreamDoor {
                listener: encrypted::listener(listener)?,
                speaks,
                service: service.clone(),
                crowd: crowd.clone(),
                waiting: tcp_room.clone(),
            };
            doors.spawn(door.answer(farewell.clone()));
        }
        let (service, runtime) = (service.clone(), Handle::current());
        let desk = Desk { service, runtime, waiting: waiting.clone(), farewell };
        let workers = Workers::start(spread(self.udp)?, &desk)?;
        Ok(Serving { stop, doors, workers, waiting })
    }
}

/// For each worker its socket of every address. Of what somebody else bound there may be fewer or more: they go
/// round.
fn spread(udp: Vec<Vec<UdpSocket>>) -> io::Result<Vec<Vec<UdpSocket>>> {
    let mut workers: Vec<Vec<UdpSocket>> = (0..workers::count()).map(|_| Vec::new()).collect();
    for (n, sockets) in udp.into_iter().enumerate() {
        let first = if sockets.len() == 1 { n } else { 0 };
        for (m, socket) in sockets.into_iter().enumerate() {
            socket.set_nonblocking(true)?;
            let worker = (first + m) % workers.len();
            workers[worker].push(socket);
        }
    }
    workers.retain(|sockets| !sockets.is_empty());
    Ok(workers)
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
    workers: Workers,
    /// Room for what came over UDP and is forwarded.
    waiting: Arc<Semaphore>,
}

impl Serving {
    /// Stops accepting; what is in flight and has no answer within [`DNS_FAREWELL`] gets SERVFAIL. Returns
    /// when all sockets are closed.
    pub async fn shutdown(mut self) {
        drop(self.workers);
        drop(self.stop);
        // All the room is free when the last answer is sent.
        let all = self.waiting.acquire_many(FORWARD_WAITING_MAX as u32);
        let _ = timeout(DNS_FAREWELL + DNS_FAREWELL_SENDING, all).await;
        while self.doors.join_next().await.is_some() {}
    }
}

fn bind_both(address: SocketAddr) -> Result<(Vec<UdpSocket>, TcpListener), ListenError> {
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

/// A socket for each worker.
fn bind_udp(address: SocketAddr) -> Result<(Vec<UdpSocket>, u16), ListenError> {
    // Who shares the port is one of ours: another program that has it is found by this one, and another
    // djdns by its TCP port.
    drop(bind_one_udp(address, false)?);
    let (first, port) = bind_one_udp(address, true)?;
    let same = SocketAddr::new(address.ip(), port);
    let mut sockets = vec![first];
    for _ in 1..workers::count() {
        sockets.push(bind_one_udp(same, true)?.0);
    }
    Ok((sockets, port))
}

pub(super) fn bind_one_udp(
    address: SocketAddr,
    is_shared: bool,
) -> Result<(UdpSocket, u16), ListenError> {
    let bind = || {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        prepare(&socket, address)?;
        socket.set_reuse_port(is_shared)?;
        widen(&socket)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from(socket);
        let port = socket.local_addr()?.port();
        Ok((socket, port))
    };
    bind().map_err(|error| refusal(error, address, "udp"))
}

/// Makes room for bursts. The system may give less (net.core.rmem_max, wmem_max), but to whom it trusts with
/// its network: then datagrams are lost earlier, no more.
fn widen(socket: &Socket) -> io::Result<()> {
    if sockopt::set_socket_recv_buffer_size_force(socket, DNS_UDP_BUFFER_BYTES).is_err() {
        socket.set_recv_buffer_size(DNS_UDP_BUFFER_BYTES)?;
    }
    if sockopt::set_socket_send_buffer_size_force(socket, DNS_UDP_SEND_BYTES).is_err() {
        socket.set_send_buffer_size(DNS_UDP_SEND_BYTES)?;
    }
    Ok(())
}

pub(super) fn bind_tcp(address: SocketAddr) -> Result<TcpListener, ListenError> {
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
        io::ErrorKind::AddrInUse => match holder::of(transport, address) {
            Some(holder) if holder.pid == std::process::id() => {
                ListenError::Twice { address, transport }
            }
            holder => ListenError::Taken { address, transport, holder },
        },
        io::ErrorKind::InvalidInput if canonical(&address) != address => {
            ListenError::Mapped(address)
        }
        _ => ListenError::Io { address, transport, source: error },
    }
}
