//! The plain UDP broadcast (D2): sockets of IPv4 and IPv6 on one well-known port, and a task that lets
//! [`talk`] speak and hear over them.
//!
//! IPv6 knows no broadcast, there it is a multicast group of the link. Sending to a network that is gone
//! fails, and is tried again: the interfaces are looked at anew every time.

pub mod packet;
mod talk;

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{net::UdpSocket, sync::watch, task::AbortHandle, time};

use self::talk::Talk;
use super::{DiscoveryError, Found, Options, Sighting, interfaces};
use crate::{beacon::Beacon, limits::*, sync::How};

/// The group of the link that nodes speak to in IPv6 (RFC 4291 section 2.7: of the link, assigned by
/// nobody). The rest is the letters of "djdns".
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0x64, 0x6a64, 0x6e73);

/// The task; it ends when this is dropped.
pub struct Broadcast {
    beacon: watch::Sender<Beacon>,
    task: AbortHandle,
}

struct Driver {
    talk: Talk,
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    port: u16,
    /// Where it can speak: what was found when it was looked last.
    broadcasts: Vec<Ipv4Addr>,
    indices: Vec<u32>,
    looks_at: u64,
    now: fn() -> u64,
    ticks: fn() -> u64,
    found: Found,
}

impl Broadcast {
    /// Opens the sockets and starts the task, inside a tokio runtime. IPv6 may be missing.
    ///
    /// # Errors
    /// When the port cannot be had in IPv4.
    pub fn start(options: &Options, found: Found) -> Result<Broadcast, DiscoveryError> {
        let port = options.broadcast_port;
        let v4 = open(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
        let v4 = v4.map_err(|source| DiscoveryError::Broadcast { port, source })?;
        let v6 = open(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))
            .inspect_err(|error| tracing::debug!("no broadcast in IPv6: {error}"));
        let (ticks, now) = (options.ticks, options.now);
        let driver = Driver {
            talk: Talk::new(options.beacon.clone(), options.seed, ticks()),
            v4: Some(v4),
            v6: v6.ok(),
            port,
            broadcasts: Vec::new(),
            indices: Vec::new(),
            looks_at: 0,
            now,
            ticks,
            found,
        };
        let (beacon, changed) = watch::channel(options.beacon.clone());
        let task = tokio::spawn(driver.run(changed)).abort_handle();
        Ok(Broadcast { beacon, task })
    }

    /// Says something new from now on.
    pub fn set_beacon(&self, beacon: Beacon) {
        self.beacon.send_replace(beacon);
    }
}

impl Drop for Broadcast {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Driver {
    async fn run(mut self, mut changed: watch::Receiver<Beacon>) {
        let (mut four, mut six) = (buffer(), buffer());
        loop {
            let ticks = (self.ticks)();
            self.look(ticks);
            if let Some(packet) = self.talk.speak(ticks) {
                self.send(&packet).await;
            }
            let wake = self.talk.speaks_at().min(self.looks_at).saturating_sub(ticks);
            tokio::select! {
                heard = receive(self.v4.as_ref(), &mut four) => self.hear(&four, heard),
                heard = receive(self.v6.as_ref(), &mut six) => self.hear(&six, heard),
                changed = changed_to(&mut changed) => match changed {
                    Some(beacon) => self.talk.begin_anew(Some(beacon), ticks),
                    None => return,
                },
                () = time::sleep(Duration::from_millis(wake)) => {}
            }
        }
    }

    /// Looks where it can speak now and then; in a new network it begins anew.
    fn look(&mut self, ticks: u64) {
        if ticks < self.looks_at {
            return;
        }
        self.looks_at = ticks + LAN_LOOK_INTERVAL.as_millis() as u64;
        let (broadcasts, indices) = (interfaces::broadcasts(), interfaces::multicast_indices());
        let new = |index: &&u32| !self.indices.contains(index);
        for index in indices.iter().filter(new) {
            self.v6.as_ref().map(|socket| socket.join_multicast_v6(&GROUP, *index));
        }
        let is_new = broadcasts.iter().any(|address| !self.broadcasts.contains(address))
            || indices.iter().any(|index| !self.indices.contains(index));
        (self.broadcasts, self.indices) = (broadcasts, indices);
        if is_new {
            self.talk.begin_anew(None, ticks);
        }
    }

    /// Sends to everybody in reach. Where it fails nobody is in reach.
    async fn send(&self, packet: &[u8]) {
        if let Some(socket) = &self.v4 {
            let everywhere = [Ipv4Addr::BROADCAST];
            for address in self.broadcasts.iter().chain(&everywhere) {
                let _ = socket.send_to(packet, (*address, self.port)).await;
            }
        }
        if let Some(socket) = &self.v6 {
            for index in &self.indices {
                let group = SocketAddrV6::new(GROUP, self.port, 0, *index);
                let _ = socket.send_to(packet, group).await;
            }
        }
    }

    fn hear(&mut self, buffer: &[u8], heard: io::Result<(usize, SocketAddr)>) {
        let Ok((length, from)) = heard else { return };
        let (now, ticks) = ((self.now)(), (self.ticks)());
        let bytes = buffer.get(..length).unwrap_or_default();
        if let Some(beacon) = self.talk.hear(bytes, from.ip(), now, ticks) {
            let mut hint = from;
            hint.set_port(beacon.short().port());
            (self.found)(Sighting { beacon, how: How::Broadcast, hints: vec![hint] });
        }
    }
}

/// Larger than any datagram that is read, so that one that is too large is seen to be.
fn buffer() -> Vec<u8> {
    vec![0; BEACON_BYTES_MAX + 64]
}

async fn receive(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    let Some(socket) = socket else { return std::future::pending().await };
    let heard = socket.recv_from(buffer).await;
    if heard.is_err() {
        // An error that stays must not keep the processor busy.
        time::sleep(LAN_ERROR_PAUSE).await;
    }
    heard
}

/// The beacon once it has changed; `None` when nobody can change it any more.
async fn changed_to(beacon: &mut watch::Receiver<Beacon>) -> Option<Beacon> {
    beacon.changed().await.ok()?;
    Some(beacon.borrow_and_update().clone())
}

/// A socket that several programs of one machine may have: each of them hears every broadcast.
fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    } else {
        socket.set_broadcast(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}
