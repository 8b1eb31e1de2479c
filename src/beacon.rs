//! Beacons: where a node is, signed by the node itself, as bytes and as a code that people hand on
//! (D1), and which of them a page holds (D6).
//!
//! A beacon helps to find a node. The long form proves that the key named in it said so; the short
//! form proves nothing, for 32 bits can be ground, and neither is ever an anchor. Who is called, and
//! whether anybody answers there, is not known here.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    id::{Id, Kind},
    key::{KeyRefusal, PublicKey, RawKey, SecretKey, Signature, WrongSignature},
    limits::*,
    page::{
        codec::{self, CodecRefusal},
        entry::Rdata,
    },
    time,
};

mod code;
mod pages;
mod verified;

pub use code::{Code, CodeRefusal, Short};
pub use pages::{
    beacons_among, beacons_at, beacons_of, beacons_of_link, beacons_of_node, texts_of_record,
};
pub use verified::Verified;

/// A well-formed, truly signed beacon: its node says that it can be reached at these addresses.
/// Cloning one costs nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beacon(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    key: PublicKey,
    addresses: Vec<SocketAddr>,
    expires: u64,
    bytes: Vec<u8>,
}

/// What a node signs: `[key, [address], expires]`, addresses in the order in which they should be
/// tried, each its 4 or 16 octets and two of its port.
#[derive(Serialize, Deserialize)]
struct RawBeacon {
    key: RawKey,
    addresses: Vec<Rdata>,
    /// Seconds since 1970 (UTC).
    expires: u64,
}

/// A beacon as it travels: `[body, signature]`. Without the kind and the page id of an envelope
/// (P1), which would always be the same: so that a code with four addresses of IPv4 fits a
/// character-string of DNS.
#[derive(Serialize, Deserialize)]
struct Signed {
    body: Rdata,
    signature: Signature,
}

/// Why bytes are no beacon, or not one that can be used (D1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BeaconRefusal {
    #[error("the beacon is damaged or cut off: {0}")]
    Codec(#[from] CodecRefusal),
    #[error("the node's key: {0}")]
    Key(#[from] KeyRefusal),
    #[error("the beacon was changed, or another node made it: {0}")]
    Signature(#[from] WrongSignature),
    #[error("the beacon names no address")]
    NoAddress,
    #[error("{0} addresses are more than the {BEACON_ADDRESSES_MAX} that a beacon names")]
    ManyAddresses(usize),
    #[error("{0} octets are no address with a port: expected 6 or 18")]
    AddressLength(usize),
    #[error("nobody can be reached at {0}")]
    Unreachable(SocketAddr),
    #[error("the address {0} appears twice")]
    Twice(SocketAddr),
    #[error("a beacon of {0} bytes is longer than {BEACON_BYTES_MAX}: name fewer addresses")]
    TooLong(usize),
    #[error("the beacon has expired on {}: ask the node's owner for a new one", time::date(*.0))]
    Expired(u64),
    #[error(
        "the beacon is to hold until {}, longer than 90 days: this clock or its maker's is wrong",
        time::date(*.0)
    )]
    TooFarAhead(u64),
}

impl Beacon {
    /// Signs that the key's node can be reached at these addresses, best first, until `expires`
    /// (seconds since 1970).
    ///
    /// # Errors
    /// What [`Beacon::admit`] would say of the result.
    pub fn sign(
        key: &SecretKey,
        addresses: &[SocketAddr],
        expires: u64,
    ) -> Result<Beacon, BeaconRefusal> {
        if addresses.len() > BEACON_ADDRESSES_MAX {
            return Err(BeaconRefusal::ManyAddresses(addresses.len()));
        }
        check_addresses(addresses)?;
        let addresses = addresses.iter().map(raw_address).collect();
        let body = codec::encode(&RawBeacon { key: key.public().raw(), addresses, expires });
        let signature = key.sign(Kind::Beacon, &Id::ZERO, &body);
        let bytes = codec::encode(&Signed { body: Rdata(body.into()), signature });
        if bytes.len() > BEACON_BYTES_MAX {
            return Err(BeaconRefusal::TooLong(bytes.len()));
        }
        Beacon::admit(&bytes)
    }

    /// As [`Beacon::sign`], with as many of the first addresses as a code of `letters` has room for;
    /// those at which nobody can be reached are left out.
    ///
    /// # Errors
    /// [`BeaconRefusal::NoAddress`] when none is left, [`BeaconRefusal::TooLong`] when not even one
    /// fits.
    pub fn sign_within(
        key: &SecretKey,
        addresses: &[SocketAddr],
        expires: u64,
        letters: usize,
    ) -> Result<Beacon, BeaconRefusal> {
        let mut usable: Vec<SocketAddr> = Vec::new();
        for address in addresses.iter().map(plain).filter(is_reachable) {
            if usable.len() < BEACON_ADDRESSES_MAX && !usable.contains(&address) {
                usable.push(address);
            }
        }
        let mut refusal = BeaconRefusal::NoAddress;
        while !usable.is_empty() {
            match Beacon::sign(key, &usable, expires) {
                Ok(beacon) if beacon.letters() <= letters => return Ok(beacon),
                Ok(beacon) => refusal = BeaconRefusal::TooLong(beacon.bytes().len()),
                Err(other) => refusal = other,
            }
            usable.pop();
        }
        Err(refusal)
    }

    /// The door: one strict encoding, within limits, signed by the key it names. Whether it is still
    /// good is [`Beacon::check_time`]'s business.
    ///
    /// # Errors
    /// The first [`BeaconRefusal`] found.
    pub fn admit(bytes: &[u8]) -> Result<Beacon, BeaconRefusal> {
        let (inner, Signed { body, signature }) = Inner::read(bytes)?;
        inner.key.verify(Kind::Beacon, &Id::ZERO, &body.0, &signature)?;
        Ok(Beacon(Arc::new(inner)))
    }

    /// Whether it may be used at `now`, seconds since 1970.
    ///
    /// # Errors
    /// [`BeaconRefusal::Expired`], or [`BeaconRefusal::TooFarAhead`] past [`BEACON_LIFE_MAX`].
    pub fn check_time(&self, now: u64) -> Result<(), BeaconRefusal> {
        if self.is_expired(now) {
            return Err(BeaconRefusal::Expired(self.expires()));
        }
        if self.expires() - now > BEACON_LIFE_MAX.as_secs() {
            return Err(BeaconRefusal::TooFarAhead(self.expires()));
        }
        Ok(())
    }

    /// The bytes that were received, and are handed on.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The node's key.
    pub fn key(&self) -> PublicKey {
        self.0.key
    }

    /// Where it can be reached, best first; at least one.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.0.addresses
    }

    /// Until when it says so, in seconds since 1970.
    pub fn expires(&self) -> u64 {
        self.0.expires
    }

    /// Whether its time is over.
    pub fn is_expired(&self, now: u64) -> bool {
        now >= self.expires()
    }

    /// The short form, with the port of the first address.
    pub fn short(&self) -> Short {
        Short::of(&self.key(), self.addresses().first().map_or(0, SocketAddr::port))
    }

    /// How many letters its code has.
    pub fn letters(&self) -> usize {
        self.to_string().len()
    }
}

impl Inner {
    /// Everything but the signature.
    fn read(bytes: &[u8]) -> Result<(Inner, Signed), BeaconRefusal> {
        let signed: Signed = codec::decode(bytes, BEACON_BYTES_MAX)?;
        let RawBeacon { key, addresses, expires } = codec::decode(&signed.body.0, bytes.len())?;
        if addresses.len() > BEACON_ADDRESSES_MAX {
            return Err(BeaconRefusal::ManyAddresses(addresses.len()));
        }
        let addresses: Vec<SocketAddr> =
            addresses.iter().map(|raw| read_address(&raw.0)).collect::<Result<_, _>>()?;
        check_addresses(&addresses)?;
        let (key, bytes) = (PublicKey::admit(key)?, bytes.to_vec());
        Ok((Inner { key, addresses, expires, bytes }, signed))
    }
}

fn check_addresses(addresses: &[SocketAddr]) -> Result<(), BeaconRefusal> {
    if addresses.is_empty() {
        return Err(BeaconRefusal::NoAddress);
    }
    for (n, address) in addresses.iter().enumerate() {
        if !is_reachable(address) {
            return Err(BeaconRefusal::Unreachable(*address));
        }
        if addresses[..n].contains(address) {
            return Err(BeaconRefusal::Twice(*address));
        }
    }
    Ok(())
}

/// Whether somebody can be there at all. Loopback passes: nodes on one machine are nodes. An IPv4
/// address has one spelling.
fn is_reachable(address: &SocketAddr) -> bool {
    let ip = address.ip();
    let is_mapped = matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some());
    address.port() != 0
        && !ip.is_unspecified()
        && !ip.is_multicast()
        && ip != IpAddr::V4(Ipv4Addr::BROADCAST)
        && !is_mapped
}

/// The address without what only one machine knows (RFC 4007 section 6), IPv4 as such.
fn plain(address: &SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn raw_address(address: &SocketAddr) -> Rdata {
    let port = address.port().to_be_bytes();
    let raw = match address.ip() {
        IpAddr::V4(ip) => [&ip.octets()[..], &port].concat(),
        IpAddr::V6(ip) => [&ip.octets()[..], &port].concat(),
    };
    Rdata(raw.into())
}

fn read_address(raw: &[u8]) -> Result<SocketAddr, BeaconRefusal> {
    let wrong = BeaconRefusal::AddressLength(raw.len());
    let (octets, port) = raw.split_last_chunk::<2>().ok_or(wrong.clone())?;
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let ip = v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from));
    Ok(SocketAddr::new(ip.map_err(|_| wrong)?, u16::from_be_bytes(*port)))
}

#[cfg(test)]
mod tests;
