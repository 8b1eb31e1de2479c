//! The address book as bytes, for the file that it is kept in (P1): the format `[version, nodes, places,
//! liars]`, everything sorted.
//!
//! What waits to be tried again is not kept: after a restart everybody is tried anew.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use serde::{Deserialize, Serialize};

use super::{Book, Known, Lie, Place, Source, Tries};
use crate::{
    beacon::{Beacon, BeaconRefusal},
    key::{KeyRefusal, PublicKey, RawKey},
    limits::*,
    page::{
        codec::{self, CodecRefusal},
        entry::Rdata,
    },
    sync::How,
};

const VERSION: u8 = 1;

/// Every way, with the number that stands for it.
const HOWS: [(How, u8); 8] = [
    (How::Inbound, 1),
    (How::Told, 2),
    (How::Lan, 3),
    (How::Broadcast, 4),
    (How::Dht, 5),
    (How::Page, 6),
    (How::Exchange, 7),
    (How::Remembered, 8),
];

#[derive(Serialize, Deserialize)]
struct File {
    version: u8,
    nodes: Vec<NodeRow>,
    places: Vec<(Rdata, u8)>,
    liars: Vec<(RawKey, String, u64)>,
}

#[derive(Serialize, Deserialize)]
struct NodeRow {
    key: RawKey,
    /// One or none.
    beacon: Vec<Rdata>,
    hints: Vec<Rdata>,
    /// The first way, who told of it (one or none), and all ways.
    how: u8,
    teller: Vec<RawKey>,
    hows: Vec<u8>,
    found: u64,
    met: u64,
}

/// Why bytes are no address book.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookRefusal {
    #[error(transparent)]
    Codec(#[from] CodecRefusal),
    #[error("version {0} of an address book is not known here")]
    Version(u8),
    #[error("a key in it: {0}")]
    Key(#[from] KeyRefusal),
    #[error("a beacon in it: {0}")]
    Beacon(#[from] BeaconRefusal),
    #[error("an address in it has {0} octets")]
    Address(usize),
    #[error("{0} is no way to find a node")]
    How(u8),
    #[error("{0} rows are more than an address book has")]
    TooMany(usize),
}

impl Book {
    /// The bytes to keep.
    pub fn write(&self) -> Vec<u8> {
        let nodes = self.nodes().map(|(key, known)| row(key, known)).collect();
        let places = self.places.iter().map(|(at, place)| (raw(at), number(place.how))).collect();
        let liars = self.liars.iter();
        let liars = liars.map(|(key, lie)| (key.raw(), lie.what.clone(), lie.at)).collect();
        codec::encode(&File { version: VERSION, nodes, places, liars })
    }

    /// Reads what was kept. A node's own key, and rows over a limit, are left out.
    ///
    /// # Errors
    /// [`BookRefusal`].
    pub fn read(bytes: &[u8], me: PublicKey, seed: u64) -> Result<Book, BookRefusal> {
        let file: File = codec::decode(bytes, BOOK_BYTES_MAX)?;
        if file.version != VERSION {
            return Err(BookRefusal::Version(file.version));
        }
        let rows = file.nodes.len() + file.places.len() + file.liars.len();
        if rows > BOOK_MET_MAX + HOWS.len() * BOOK_HEARD_MAX + BOOK_PLACES_MAX + BOOK_LIARS_MAX {
            return Err(BookRefusal::TooMany(rows));
        }
        let mut book = Book::new(me, seed);
        for (key, what, at) in file.liars {
            book.liars.insert(PublicKey::admit(key)?, Lie { what, at });
        }
        for (at, how) in file.places {
            let place = Place { how: way(how)?, key: None, tries: Tries::default() };
            book.places.insert(address(&at)?, place);
        }
        for row in file.nodes {
            let (key, known) = row.read()?;
            if key != me && !book.liars.contains_key(&key) {
                let table = if known.met > 0 { &mut book.met } else { &mut book.heard };
                table.insert(key, known);
            }
        }
        Ok(book)
    }
}

impl NodeRow {
    fn read(self) -> Result<(PublicKey, Known), BookRefusal> {
        let key = PublicKey::admit(self.key)?;
        let beacon = self.beacon.first().map(|beacon| Beacon::admit(&beacon.0)).transpose()?;
        let hints = self.hints.iter().take(BOOK_HINTS_MAX).map(address);
        let teller = self.teller.first().map(|teller| PublicKey::admit(*teller)).transpose()?;
        let hows = self.hows.iter().map(|how| way(*how));
        let known = Known {
            beacon: beacon.filter(|beacon| beacon.key() == key),
            hints: hints.collect::<Result<_, _>>()?,
            hows: hows.collect::<Result<BTreeSet<_>, _>>()?,
            source: Source { how: way(self.how)?, teller },
            found: self.found,
            met: self.met,
            tries: Tries::default(),
        };
        Ok((key, known))
    }
}

fn row(key: &PublicKey, known: &Known) -> NodeRow {
    NodeRow {
        key: key.raw(),
        beacon: known.beacon.iter().map(|beacon| Rdata(beacon.bytes().into())).collect(),
        hints: known.hints.iter().map(raw).collect(),
        how: number(known.source.how),
        teller: known.source.teller.iter().map(PublicKey::raw).collect(),
        hows: known.hows.iter().map(|how| number(*how)).collect(),
        found: known.found,
        met: known.met,
    }
}

/// 4 or 16 octets and two of the port.
fn raw(address: &SocketAddr) -> Rdata {
    let port = address.port().to_be_bytes();
    let octets = match address.ip().to_canonical() {
        IpAddr::V4(ip) => [&ip.octets()[..], &port].concat(),
        IpAddr::V6(ip) => [&ip.octets()[..], &port].concat(),
    };
    Rdata(octets.into())
}

fn address(raw: &Rdata) -> Result<SocketAddr, BookRefusal> {
    let wrong = BookRefusal::Address(raw.0.len());
    let Some((octets, port)) = raw.0.split_last_chunk::<2>() else { return Err(wrong) };
    let port = u16::from_be_bytes(*port);
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from).ok();
    let ip = v4.or_else(|| <[u8; 16]>::try_from(octets).map(IpAddr::from).ok());
    ip.map(|ip| SocketAddr::new(ip, port)).ok_or(wrong)
}

fn number(how: How) -> u8 {
    HOWS.iter().find(|(other, _)| *other == how).map_or(0, |(_, number)| *number)
}

fn way(number: u8) -> Result<How, BookRefusal> {
    let found = HOWS.iter().find(|(_, other)| *other == number);
    found.map(|(how, _)| *how).ok_or(BookRefusal::How(number))
}
