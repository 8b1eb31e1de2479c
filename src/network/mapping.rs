//! A way in through the router (UPnP): asked for, renewed, and given back at the end.
//!
//! A router that is absent, slow or hostile costs a few attempts an hour and a bounded answer each,
//! and nothing else: whoever asked goes on without it. What the router says is a hint where others may
//! find this node, and no more: they know the node by its key.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use igd_next::{
    AddPortError, PortMappingProtocol, SearchOptions,
    aio::{
        Gateway,
        tokio::{Tokio, search_gateway},
    },
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use crate::limits::{
    MAPPING_FAREWELL, MAPPING_LEASE, MAPPING_RENEWED_AFTER, MAPPING_RETRY, MAPPING_STEP_TIME,
    NETWORK_REASON_BYTES_MAX,
};

/// Where the router is looked for, and how long things may take.
#[derive(Clone, Debug)]
pub struct Routers {
    /// Where SSDP is sent to: the multicast group, unless a test says otherwise.
    pub search_at: SocketAddr,
    /// Addresses of a router besides the one that answers the search.
    pub trusted: Vec<IpAddr>,
    /// How long each step may take.
    pub step_time: Duration,
    /// How long after a success the mapping is asked for again.
    pub renewed_after: Duration,
    /// How long after a failure it is tried again.
    pub retry: Duration,
}

impl Default for Routers {
    fn default() -> Routers {
        Routers {
            search_at: SocketAddr::from((SSDP, SSDP_PORT)),
            trusted: Vec::new(),
            step_time: MAPPING_STEP_TIME,
            renewed_after: MAPPING_RENEWED_AFTER,
            retry: MAPPING_RETRY,
        }
    }
}

/// The group and port of SSDP (UPnP Device Architecture 2.0 section 1.2).
const SSDP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
const SSDP_PORT: u16 = 1900;
/// What the router shows to the people who look at it.
const DESCRIPTION: &str = "djdns";

/// How it stands with the mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The router is being looked for, for the first time.
    Asking,
    /// Others reach this node at this address, if the router speaks the truth.
    At(SocketAddr),
    /// There is none, and why.
    None(NoMapping),
}

/// Why there is no mapping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoMapping {
    #[error("no router answers to UPnP")]
    NoRouter,
    #[error("the router has no address on the internet itself, but {0}")]
    NotOutside(IpAddr),
    #[error("the router refuses: {0}")]
    Refused(String),
    #[error("the router does not answer in time")]
    Slow,
    #[error("this machine has no address that the router knows")]
    NoAddress,
}

/// A mapping that is kept, until it is given back or dropped.
pub struct Mapping {
    state: watch::Receiver<State>,
    enough: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Mapping {
    /// Asks for a way to a UDP socket of this machine, and keeps it, as a task of the current tokio
    /// runtime. Of a socket on no address in particular only the port counts. Only IPv4 has such ways.
    pub fn keep(socket: SocketAddr, routers: Routers) -> Mapping {
        let (tell, state) = watch::channel(State::Asking);
        let (enough, ends) = oneshot::channel();
        let task = tokio::spawn(keep(socket, routers, tell, ends));
        Mapping { state, enough: Some(enough), task }
    }

    /// How it stands.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// How it stands, for whoever waits for it to change.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Waits until it stands otherwise.
    pub async fn changed(&mut self) -> State {
        if self.state.changed().await.is_err() {
            // The task ends only when it is told to.
            std::future::pending::<()>().await;
        }
        self.state.borrow_and_update().clone()
    }

    /// Gives the mapping back to the router, which has a moment to hear of it.
    pub async fn give_back(mut self) {
        drop(self.enough.take());
        // What is not given back by then expires.
        let _ = timeout(MAPPING_FAREWELL, &mut self.task).await;
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A mapping that a router gave.
struct Given {
    gateway: Gateway<Tokio>,
    outside: SocketAddr,
}

async fn keep(
    socket: SocketAddr,
    routers: Routers,
    tell: watch::Sender<State>,
    mut ends: oneshot::Receiver<()>,
) {
    let mut given: Option<Given> = None;
    loop {
        let before = given.take();
        let asked = tokio::select! {
            asked = ask(socket, &routers, before.as_ref()) => asked,
            _ = &mut ends => return give_back(before).await,
        };
        let (state, pause) = match &asked {
            Ok(given) => (State::At(given.outside), routers.renewed_after),
            Err(why) => (State::None(why.clone()), routers.retry),
        };
        tell.send_if_modified(|told| {
            let changed = *told != state;
            *told = state;
            changed
        });
        given = asked.ok();
        if timeout(pause, &mut ends).await.is_ok() {
            return give_back(given).await;
        }
    }
}

async fn give_back(given: Option<Given>) {
    if let Some(Given { gateway, outside }) = given {
        // There is nobody left to be told how it went.
        let _ = gateway.remove_port(PortMappingProtocol::UDP, outside.port()).await;
    }
}

/// Asks the router that is there for the way that there was, or for a new one.
async fn ask(
    socket: SocketAddr,
    routers: &Routers,
    before: Option<&Given>,
) -> Result<Given, NoMapping> {
    let step = routers.step_time;
    let mut options = SearchOptions::default();
    options.broadcast_address = routers.search_at;
    options.timeout = Some(step);
    options.single_search_timeout = Some(step);
    options.allowed_gateway_ips = routers.trusted.clone();
    let gateway = search_gateway(options).await.map_err(|_| NoMapping::NoRouter)?;
    let inside = inside(socket, gateway.addr)?;
    let ip = within(step, gateway.get_external_ip()).await?;
    if !is_outside(ip) {
        return Err(NoMapping::NotOutside(ip));
    }
    let same = before.map_or(socket.port(), |before| before.outside.port());
    let port = port(&gateway, inside, same, step).await?;
    Ok(Given { gateway, outside: SocketAddr::new(ip, port) })
}

/// The port on the router's outside: the same as before, or as inside, if it is free.
async fn port(
    gateway: &Gateway<Tokio>,
    inside: SocketAddr,
    same: u16,
    step: Duration,
) -> Result<u16, NoMapping> {
    let lease = MAPPING_LEASE.as_secs() as u32;
    let udp = PortMappingProtocol::UDP;
    match timeout(step, gateway.add_port(udp, same, inside, lease, DESCRIPTION)).await {
        Err(_) => Err(NoMapping::Slow),
        Ok(Ok(())) => Ok(same),
        Ok(Err(AddPortError::PortInUse | AddPortError::RequestError(_))) => {
            within(step, gateway.add_any_port(udp, inside, lease, DESCRIPTION)).await
        }
        Ok(Err(AddPortError::OnlyPermanentLeasesSupported)) => {
            within(step, gateway.add_port(udp, same, inside, 0, DESCRIPTION)).await.map(|()| same)
        }
        Ok(Err(error)) => Err(refused(&error)),
    }
}

async fn within<T, E: std::fmt::Display>(
    step: Duration,
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, NoMapping> {
    let answer = timeout(step, asked).await.map_err(|_| NoMapping::Slow)?;
    answer.map_err(|error| refused(&error))
}

/// The router's words, fit to be shown.
fn refused(error: &impl std::fmt::Display) -> NoMapping {
    let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    NoMapping::Refused(
        error.to_string().chars().take(NETWORK_REASON_BYTES_MAX).map(shown).collect(),
    )
}

/// The address by which the router knows the socket.
fn inside(socket: SocketAddr, router: SocketAddr) -> Result<SocketAddr, NoMapping> {
    if !socket.ip().is_unspecified() {
        return Ok(socket);
    }
    let towards = || {
        let any = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        any.connect(router)?;
        any.local_addr()
    };
    let here = towards().map_err(|_| NoMapping::NoAddress)?;
    Ok(SocketAddr::new(here.ip(), socket.port()))
}

/// Whether others may reach an address from the internet: not one of RFC 1918, RFC 6598, or of no
/// machine.
fn is_outside(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let none = ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast();
            !(shared || none || ip.is_private() || ip.is_loopback() || ip.is_link_local())
        }
        IpAddr::V6(_) => false,
    }
}

#[cfg(test)]
pub(crate) mod tests;
