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
