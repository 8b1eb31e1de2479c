//! The nodes that people name: by address, by name, by beacon.

use std::{net::SocketAddr, sync::Arc};

use tokio::{net::lookup_host, time::sleep};

use super::{Neighbours, Shared, lock, sightings::Seen};
use crate::{
    ambient,
    beacon::{Beacon, Code, Short},
    config::peers::Contact,
    control::{peers::Connected, request::Failure},
    key::PublicKey,
    limits::{CONNECT_LOOKED_FOR, CONTACTS_NAMED_EVERY},
    page::name::Name,
    sync::{How, Input},
};

/// Where somebody can be tried, and who that must be.
struct Way {
    addresses: Vec<SocketAddr>,
    key: Option<PublicKey>,
}

impl Neighbours {
    /// Meets the node that a person names, now; says who that is, or in a sentence why not.
    /// Not to be called on a thread of a runtime.
    ///
    /// # Errors
    /// A [`Failure`].
    pub fn connect(&self, to: &Contact) -> Result<Connected, Failure> {
        self.meet(self.shared.ways(to)?)
    }

    /// Meets a node that was met or heard of before, now.
    ///
    /// # Errors
    /// A [`Failure`].
    pub fn connect_known(&self, key: &PublicKey) -> Result<Connected, Failure> {
        if *key == self.shared.node.key() {
            return Err(Failure::refused("this is the key of this node itself"));
        }
        let seen = lock(&self.shared.sightings).of(key);
        let addresses = seen.unwrap_or_else(|| self.places(key));
        if addresses.is_empty() {
            return Err(Failure::unreachable(format!(
                "where the node {key} is is not known here: name it by its beacon, which `djdns beacon \
                 --long` shows there, or by its address"
            )));
        }
        self.meet(vec![Way { addresses, key: Some(*key) }])
    }

    fn meet(&self, ways: Vec<Way>) -> Result<Connected, Failure> {
        let shared = &self.shared;
        let network =
            shared.network().ok_or_else(|| Failure::unreachable("the network is closed"))?;
        let mut refusals = Vec::new();
        for way in ways {
            let before: Vec<PublicKey> = network.peers().iter().map(|peer| peer.key).collect();
            match shared.runtime.block_on(network.connect(&way.addresses, way.key)) {
                Ok(peer) => {
                    let before = before.contains(&peer.key);
                    let (key, address) = (peer.key.to_string(), peer.address.to_string());
                    return Ok(Connected { key, address, before });
                }
                Err(error) => refusals.push(error.to_string()),
            }
        }
        Err(Failure::unreachable(refusals.join("; ")))
    }
}

impl Shared {
    /// These are contacted from now on.
    pub(super) fn set_contacts(&self, contacts: Vec<Contact>) {
        contacts.iter().for_each(|contact| self.call(contact));
        *lock(&self.contacts) = contacts;
    }

    /// Names may lead elsewhere after a while.
    pub(super) async fn keep_contacts(self: Arc<Self>) {
        loop {
            sleep(CONTACTS_NAMED_EVERY).await;
            let contacts = lock(&self.contacts).clone();
            let named = contacts.iter().filter(|contact| matches!(contact, Contact::Host(..)));
            named.for_each(|contact| self.call(contact));
        }
    }

    /// Tells the machine where somebody can be reached whom a person named. A short beacon is no place:
    /// whoever it means is met once it is heard of.
    fn call(&self, contact: &Contact) {
        let how = How::Told;
        match contact {
            Contact::Address(address) => {
                self.jobs.happened(Input::FoundAt { address: *address, how });
            }
            Contact::Code(Code::Long(beacon)) => {
                self.jobs.happened(Input::Found { beacon: beacon.clone(), how });
            }
            Contact::Code(Code::Short(_)) => {}
            Contact::Host(name, port) => self.call_by_name(name.clone(), *port),
        }
    }

    fn call_by_name(&self, name: Name, port: u16) {
        let beacons = self.node.beacons_at_name(&name);
        if !beacons.is_empty() {
            let found = beacons.into_iter().map(|beacon| Input::Found { beacon, how: How::Told });
            return found.for_each(|found| self.jobs.happened(found));
        }
        let Some(shared) = self.me.upgrade() else { return };
        self.runtime.spawn(async move {
            match shared.addresses_of(&name, port).await {
                Ok(addresses) => addresses.into_iter().for_each(|address| {
                    shared.jobs.happened(Input::FoundAt { address, how: How::Told });
                }),
                Err(why) => tracing::warn!("{why}"),
            }
        });
    }

    /// Where the node that a person names may be.
    fn ways(&self, to: &Contact) -> Result<Vec<Way>, Failure> {
        match to {
            Contact::Address(address) => Ok(vec![Way { addresses: vec![*address], key: None }]),
            Contact::Code(Code::Long(beacon)) => self.by_beacon(beacon).map(|way| vec![way]),
            Contact::Code(Code::Short(short)) => self.by_short(short),
            Contact::Host(name, port) => self.by_name(name, *port),
        }
    }

    fn by_beacon(&self, beacon: &Beacon) -> Result<Way, Failure> {
        if beacon.key() == self.node.key() {
            return Err(Failure::refused("this is the beacon of this node itself"));
        }
        beacon.check_time(ambient::now()).map_err(Failure::refused)?;
        self.jobs.happened(Input::Found { beacon: beacon.clone(), how: How::Told });
        Ok(Way { addresses: beacon.addresses().to_vec(), key: Some(beacon.key()) })
    }

    /// Whoever is heard of in some seconds and may be meant.
    fn by_short(&self, short: &Short) -> Result<Vec<Way>, Failure> {
        if short.matches(&self.node.key()) {
            return Err(Failure::refused("this is the beacon of this node itself"));
        }
        if lock(&self.discovery).is_none() {
            return Err(Failure::unreachable(format!(
                "nodes of this network are not looked for here (`lan` below [peers] in the configuration), so \
                 {short} is not found: name it by its long beacon, which `djdns beacon --long` shows there, \
                 or by its address"
            )));
        }
        let begun = ambient::ticks();
        loop {
            let seen = lock(&self.sightings).meant_by(short);
            if !seen.is_empty() {
                let way =
                    |seen: &Seen| Way { addresses: seen.addresses(), key: Some(seen.beacon.key()) };
                return Ok(seen.iter().map(way).collect());
            }
            let waited = ambient::ticks() - begun;
            let left = (CONNECT_LOOKED_FOR.as_millis() as u64).saturating_sub(waited);
            if left == 0 {
                return Err(Failure::unreachable(format!(
                    "no node of this network shows itself as {short}: a short beacon is found on the \
                     same network only; the long one, which `djdns beacon --long` shows there, finds its \
                     node anywhere"
                )));
            }
            self.wait_for_news(std::time::Duration::from_millis(left));
        }
    }

    /// The nodes that a page names there, or else the addresses that the name has.
    fn by_name(&self, name: &Name, port: u16) -> Result<Vec<Way>, Failure> {
        let beacons = self.node.beacons_at_name(name);
        let others = beacons.iter().filter(|beacon| beacon.key() != self.node.key());
        let good: Vec<Way> = others.filter_map(|beacon| self.by_beacon(beacon).ok()).collect();
        if !good.is_empty() {
            return Ok(good);
        }
        if !beacons.is_empty() {
            return Err(Failure::refused(format!(
                "all beacons at {name} have expired, or are of this node itself"
            )));
        }
        let addresses = self.runtime.block_on(self.addresses_of(name, port));
        let addresses = addresses.map_err(Failure::unreachable)?;
        Ok(vec![Way { addresses, key: None }])
    }

    /// Where a name leads: in the pages here, or by this machine's resolver.
    async fn addresses_of(&self, name: &Name, port: u16) -> Result<Vec<SocketAddr>, String> {
        let outside = match self.node.addresses_at_name(name) {
            Ok(addresses) if addresses.is_empty() => {
                return Err(format!(
                    "the node {name} is not found: no page here has a BEACON or an address there"
                ));
            }
            Ok(addresses) => {
                return Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect());
            }
            Err(outside) => outside,
        };
        let host = outside.to_string();
        match lookup_host((host.as_str(), port)).await {
            Ok(addresses) => Ok(addresses.collect()),
            Err(error) => Err(format!(
                "the node {name} is not found: no page has a BEACON there, and its addresses are not known \
                 ({error})"
            )),
        }
    }
}
