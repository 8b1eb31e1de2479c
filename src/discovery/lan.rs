//! DNS-SD (D2, RFC 6763): this node is announced as an instance of `_djdns._udp.local`, and others are
//! browsed for.
//!
//! The signed beacon is in the TXT record, split over strings `b0=`, `b1=`, … since one holds 255 octets
//! (RFC 6763 section 6.1). Multicast DNS itself is the `mdns-sd` crate's, in a thread of its own; what it
//! remembers has no limit there, so it is watched, and rests for a while when somebody floods it.

use std::{
    net::{IpAddr, SocketAddr, SocketAddrV6},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use mdns_sd::{
    Receiver, RecvTimeoutError, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent,
    ServiceInfo, TxtProperty,
};

use super::{
    DiscoveryError, Found, Options, Sighting,
    intake::{Intake, Taken},
};
use crate::{beacon::Beacon, limits::*, sync::How};

const SERVICE: &str = "_djdns._udp.local.";

/// What is announced and browsed; it ends when this is dropped.
pub struct Lan {
    shared: Arc<Door>,
}

/// What both threads use.
struct Door {
    shared: Mutex<Shared>,
    /// Told when it is stopped.
    stopping: Condvar,
}

struct Shared {
    beacon: Beacon,
    /// The running responder; `None` while it rests.
    daemon: Option<ServiceDaemon>,
    stopped: bool,
}

struct Browser {
    shared: Arc<Door>,
    intake: Intake,
    now: fn() -> u64,
    ticks: fn() -> u64,
    found: Found,
}

/// Why the browser let go of a responder.
enum Ended {
    Stopped,
    Flooded,
}

impl Lan {
    /// Announces this node, and browses in a thread.
    ///
    /// # Errors
    /// When multicast DNS cannot be started.
    pub fn start(options: &Options, found: Found) -> Result<Lan, DiscoveryError> {
        let beacon = options.beacon.clone();
        let intake = Intake::new(beacon.key());
        let (daemon, events) = open(&beacon)?;
        let shared = Shared { beacon, daemon: Some(daemon), stopped: false };
        let shared = Arc::new(Door { shared: Mutex::new(shared), stopping: Condvar::new() });
        let (now, ticks) = (options.now, options.ticks);
        let browser = Browser { shared: shared.clone(), intake, now, ticks, found };
        let thread = thread::Builder::new().name("dns-sd".to_owned());
        let spawned = thread.spawn(move || browser.run(events));
        let lan = Lan { shared };
        match spawned {
            Ok(_) => Ok(lan),
            Err(error) => Err(mdns_sd::Error::Msg(error.to_string()).into()),
        }
    }

    /// Announces something new from now on.
    pub fn set_beacon(&self, beacon: Beacon) {
        let mut shared = lock(&self.shared);
        let before = std::mem::replace(&mut shared.beacon, beacon);
        let Some(daemon) = &shared.daemon else { return };
        if before.short() != shared.beacon.short() {
            let _ = daemon.unregister(&fullname(&before));
        }
        let announced = info(&shared.beacon).and_then(|info| daemon.register(info));
        if let Err(error) = announced {
            tracing::warn!("this node's new beacon is not announced by DNS-SD: {error}");
        }
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.stopped = true;
        self.shared.stopping.notify_all();
        if let Some(daemon) = shared.daemon.take() {
            // It says good-bye first.
            let _ = daemon.unregister(&fullname(&shared.beacon));
            let _ = daemon.shutdown();
        }
    }
}

impl Browser {
    fn run(mut self, mut events: Receiver<ServiceEvent>) {
        while let Ended::Flooded = self.browse(&events) {
            tracing::warn!(
                "somebody floods the local network with names of DNS-SD: nodes are not looked for by it \
                 for {} s",
                LAN_FLOOD_REST.as_secs()
            );
            let daemon = lock(&self.shared).daemon.take();
            daemon.map(|daemon| daemon.shutdown());
            let waits = |shared: &mut Shared| !shared.stopped;
            let rest =
                self.shared.stopping.wait_timeout_while(lock(&self.shared), LAN_FLOOD_REST, waits);
            let (mut shared, _) = rest.unwrap_or_else(PoisonError::into_inner);
            if shared.stopped {
                return;
            }
            match open(&shared.beacon) {
                Ok((daemon, anew)) => {
                    shared.daemon = Some(daemon);
                    events = anew;
                }
                Err(error) => return tracing::warn!("{}", DiscoveryError::Lan(error)),
            }
        }
    }

    /// Takes events until there are no more.
    fn browse(&mut self, events: &Receiver<ServiceEvent>) -> Ended {
        let wait = LAN_LOOK_INTERVAL.as_millis() as u64;
        let mut looks_at = (self.ticks)() + wait;
        loop {
            match events.recv_timeout(LAN_LOOK_INTERVAL) {
                Ok(ServiceEvent::ServiceResolved(service)) => self.hear(&service),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) if lock(&self.shared).stopped => {
                    return Ended::Stopped;
                }
                // More events than were taken in time.
                Err(RecvTimeoutError::Disconnected) => return Ended::Flooded,
            }
            if (self.ticks)() >= looks_at {
                looks_at = (self.ticks)() + wait;
                let daemon = lock(&self.shared).daemon.clone();
                let Some(daemon) = daemon else { return Ended::Stopped };
                if cached(&daemon).is_none_or(|count| count > LAN_CACHED_RECORDS_MAX) {
                    let stopped = lock(&self.shared).stopped;
                    return if stopped { Ended::Stopped } else { Ended::Flooded };
                }
            }
        }
    }

    fn hear(&mut self, service: &ResolvedService) {
        let Some(bytes) = beacon_bytes(service) else { return };
        let beacon = match self.intake.take(&bytes, None, (self.now)(), (self.ticks)()) {
            Taken::New(beacon) | Taken::Known(Some(beacon)) => beacon,
            Taken::Own(beacon) if beacon != lock(&self.shared).beacon => beacon,
            Taken::Known(None) | Taken::Own(_) | Taken::Refused => return,
        };
        let addresses = service.get_addresses().iter();
        let hints = addresses.filter_map(|ip| hint(ip, beacon.short().port()));
        let hints = hints.take(BEACON_ADDRESSES_MAX).collect();
        (self.found)(Sighting { beacon, how: How::Lan, hints });
    }
}

/// Starts multicast DNS with this node announced, and a browser of others.
fn open(beacon: &Beacon) -> Result<(ServiceDaemon, Receiver<ServiceEvent>), mdns_sd::Error> {
    let info = info(beacon)?;
    let daemon = ServiceDaemon::new()?;
    let every = LAN_LOOK_INTERVAL.as_secs() as u32;
    let events = daemon
        .set_ip_check_interval(every)
        .and_then(|()| daemon.register(info))
        .and_then(|()| daemon.browse(SERVICE));
    if events.is_err() {
        let _ = daemon.shutdown();
    }
    Ok((daemon, events?))
}

/// This node as an instance of the service, which has the short beacon for its name: a hyphen stands in it
/// for the dot, which would be read as the end of a label. It holds a part of the node's key, so that
/// nobody else has it by chance; whoever takes it on purpose could silence a node that yields, so it is
/// not probed for.
fn info(beacon: &Beacon) -> Result<ServiceInfo, mdns_sd::Error> {
    let short = beacon.short();
    let name = short.to_string().replace('.', "-");
    let id = name.rsplit(':').next().unwrap_or_default();
    // Of its own for each name: the good-bye of an old one would take the addresses of the new one with it.
    let host = format!("djdns-{id}-{}.local.", short.port());
    let text: Vec<TxtProperty> = strings(beacon.bytes()).map(TxtProperty::from).collect();
    let info = ServiceInfo::new(SERVICE, &name, &host, (), short.port(), text)?;
    let mut info = info.enable_addr_auto();
    info.set_requires_probe(false);
    Ok(info)
}

fn fullname(beacon: &Beacon) -> String {
    info(beacon).map(|info| info.get_fullname().to_owned()).unwrap_or_default()
}

/// The strings that a beacon is split over.
fn strings(bytes: &[u8]) -> impl Iterator<Item = (String, &[u8])> {
    bytes.chunks(LAN_TXT_PART_BYTES).enumerate().map(|(n, part)| (format!("b{n}"), part))
}

/// The bytes that another node has split.
fn beacon_bytes(service: &ResolvedService) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for n in 0..BEACON_BYTES_MAX.div_ceil(LAN_TXT_PART_BYTES) {
        match service.get_property_val(&format!("b{n}")) {
            Some(Some(part)) => bytes.extend_from_slice(part),
            _ => break,
        }
    }
    (!bytes.is_empty()).then_some(bytes)
}

/// Where a service says that it is, if that is another machine's address.
fn hint(ip: &ScopedIp, port: u16) -> Option<SocketAddr> {
    let address = match (ip.to_ip_addr(), ip) {
        (IpAddr::V6(v6), ScopedIp::V6(scoped)) if v6.is_unicast_link_local() => {
            SocketAddrV6::new(v6, port, 0, scoped.scope_id().index).into()
        }
        (ip, _) => SocketAddr::new(ip, port),
    };
    let ip = address.ip();
    (!ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast()).then_some(address)
}

/// Records that multicast DNS remembers; `None` if it is too busy to say.
fn cached(daemon: &ServiceDaemon) -> Option<i64> {
    let metrics = daemon.get_metrics().ok()?.recv_timeout(LAN_ANSWER_PATIENCE).ok()?;
    Some(metrics.iter().filter(|(name, _)| name.starts_with("cached-")).map(|(_, n)| n).sum())
}

fn lock(door: &Door) -> MutexGuard<'_, Shared> {
    door.shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    /// The good-bye of a name takes the addresses of its host with it: with one host for both, every fourth
    /// node whose port changed was not found again.
    #[test]
    fn each_port_of_a_node_has_a_host_name_of_its_own() {
        let host = |port: u16| {
            let at = [SocketAddr::from(([192, 0, 2, 1], port))];
            let beacon = Beacon::sign(&SecretKey::from_seed(&[1; 32]), &at, 1000).unwrap();
            let info = info(&beacon).unwrap();
            (info.get_fullname().to_owned(), info.get_hostname().to_owned())
        };
        let (one, other) = (host(31415), host(4242));
        assert!(one.0 != other.0 && one.1 != other.1, "{one:?} {other:?}");
        assert_eq!(one, host(31415));
    }
}
