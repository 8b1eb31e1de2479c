//! A way in through this machine's router, where one is wanted: its address goes into the beacon, and
//! what the router said is told in a sentence.

use std::{net::SocketAddr, sync::Arc};

use tokio::sync::watch;

use super::{Shared, lock};
use crate::network::{
    Network,
    mapping::{Mapping, Routers, State},
};

impl Shared {
    /// Asks a router for a way in, if one is to be asked and others could come by it.
    pub(super) fn ask_router(self: &Arc<Self>, routers: Option<Routers>) {
        let listening = self.network().map(Network::addresses).unwrap_or_default();
        let socket = listening.into_iter().find(|address| is_for_routers(address, &routers));
        let (Some(routers), Some(socket)) = (routers, socket) else { return };
        let _inside = self.runtime.enter();
        *lock(&self.mapping) = Some(Mapping::keep(socket, routers));
    }

    /// What the router says, for whoever waits for it; none where none is asked.
    pub(super) fn watch_router(&self) -> Option<watch::Receiver<State>> {
        lock(&self.mapping).as_ref().map(Mapping::watch)
    }

    /// Where others reach this node by way of the router.
    pub(super) fn mapped_address(&self) -> Option<SocketAddr> {
        self.mapping_state().and_then(|state| address(&state))
    }

    /// What the router said.
    pub(super) fn router_words(&self) -> Option<String> {
        self.mapping_state().map(|state| words(&state))
    }

    fn mapping_state(&self) -> Option<State> {
        lock(&self.mapping).as_ref().map(Mapping::state)
    }
}

/// Waits until the router says something else; for ever, where none is asked.
pub(super) async fn changed(watched: &mut Option<watch::Receiver<State>>) {
    let told = match watched {
        Some(watched) => watched.changed().await.is_ok(),
        None => false,
    };
    if !told {
        std::future::pending::<()>().await;
    }
}

/// Only IPv4 has such ways, and from loopback there is none.
fn is_for_routers(address: &SocketAddr, routers: &Option<Routers>) -> bool {
    // A router of a test is on loopback as well.
    let is_near = routers.as_ref().is_some_and(|routers| routers.search_at.ip().is_loopback());
    let ip = address.ip();
    (ip.is_ipv4() || ip.is_unspecified()) && (!ip.is_loopback() || is_near)
}

fn address(state: &State) -> Option<SocketAddr> {
    match state {
        State::At(address) => Some(*address),
        State::Asking | State::None(_) => None,
    }
}

fn words(state: &State) -> String {
    match state {
        State::Asking => "the router is being asked to let others in".to_owned(),
        State::At(address) => format!("the router lets others in at {address}"),
        State::None(why) => {
            format!("no way in from outside through the router: {why}; others are called from here")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, path::Path, sync::Arc};

    use super::*;
    use crate::{
        ambient,
        beacon::Beacon,
        config::peers::Lan,
        daemon::{
            neighbours::{Neighbours, Options, remembered},
            node::Node,
            surroundings::Surroundings,
        },
        network::mapping::{
            NoMapping,
            tests::{Manner, router},
        },
        store::fake::FakeDisk,
    };

    fn node() -> Arc<Node> {
        let surroundings = Surroundings {
            disk: Arc::new(FakeDisk::new()),
            milliseconds: Arc::new(ambient::milliseconds),
            ticks: Arc::new(ambient::ticks),
            random: Arc::new(|| [7; 32]),
            demonstration: false,
            ends_with_process: false,
        };
        Node::open_in(surroundings, Path::new("/data"), "a test", &mut |_, _, _| {}).unwrap()
    }

    fn start(port_mapping: Option<Routers>) -> (Arc<Neighbours>, u16) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let port = socket.local_addr().unwrap().port();
        let asked_max = crate::daemon::eviction::USUAL_BOUNDS;
        let (node, contacts) = (node(), Vec::new());
        let known = remembered(&node);
        let options = Options { contacts, lan: Lan::Off, port_mapping, asked_max };
        (Neighbours::start(&node, vec![socket], known, options).unwrap(), port)
    }

    #[test]
    fn the_routers_address_stands_in_the_beacon_and_is_given_back() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let router = runtime.block_on(router(Manner::Kind));
        let (neighbours, port) = start(Some(router.routers.clone()));
        let outside: SocketAddr = format!("203.0.113.7:{port}").parse().unwrap();
        let has = |beacon: Option<Beacon>| {
            beacon.is_some_and(|beacon| beacon.addresses().contains(&outside))
        };
        while !has(neighbours.beacon()) {
            std::thread::yield_now();
        }
        let words = neighbours.neighbourhood().router.unwrap();
        assert_eq!(words, format!("the router lets others in at {outside}"));
        neighbours.stop();
        let last = router.asked.lock().unwrap().last().cloned();
        assert_eq!(last, Some(("DeletePortMapping".to_owned(), port.to_string())));
    }

    #[test]
    fn no_router_is_asked_where_none_is_to_be() {
        let (neighbours, _) = start(None);
        assert_eq!(neighbours.neighbourhood().router, None);
        neighbours.stop();
    }

    #[test]
    fn only_what_others_could_come_by_is_asked_for() {
        let usual = Some(Routers::default());
        let check = |address: &str, expect: bool| {
            assert_eq!(is_for_routers(&address.parse().unwrap(), &usual), expect, "{address}");
        };
        check("[::]:31415", true);
        check("0.0.0.0:31415", true);
        check("192.168.1.2:31415", true);
        check("127.0.0.1:31415", false);
        check("[2001:db8::1]:31415", false);
    }

    #[test]
    fn what_a_router_said_is_one_sentence() {
        let said = words(&State::None(NoMapping::NoRouter));
        assert!(said.contains("no router answers to UPnP"), "{said}");
        assert!(words(&State::Asking).contains("is being asked"));
    }
}
