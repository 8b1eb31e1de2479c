//! What is told of other nodes: who is there, how each was found, and how pages stand beside theirs.
//!
//! Plain data with stable field names, as [`super::report`]. Keys are `did:key:…`.

use serde::{Deserialize, Serialize};

/// `djdns peers`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Peers {
    /// This node's key, and the short form of its beacon (D1).
    pub node: String,
    pub beacon: Option<String>,
    /// Where other nodes reach this one; nothing: peers are off, or no port was to be had.
    pub listening: Vec<String>,
    pub peers: Vec<Peer>,
    /// Nodes that are known and not connected.
    pub known: usize,
    pub liars: Vec<Liar>,
    /// What somebody should know, in sentences.
    pub remarks: Vec<String>,
}

/// A node that is connected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    pub key: String,
    pub address: String,
    /// Whether this node opened the connection.
    pub outbound: bool,
    /// `inbound`, `told`, `lan`, `broadcast`, `dht`, `page`, `exchange`, `remembered`.
    pub found: Vec<String>,
    /// The program and its version, as it says.
    pub program: Option<String>,
    pub round_trip_seconds: f64,
    pub connected_seconds: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Pages that both follow.
    pub pages: Vec<SharedPage>,
    /// What there is to complain of, in sentences.
    pub complaints: Vec<String>,
}

/// A page that a peer follows as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedPage {
    /// Its name, or its id where it is not here.
    pub page: String,
    pub page_id: String,
    /// The height of its newest seal there.
    pub height: u64,
    /// Whether the peer has the same seal and the same that is open.
    pub in_step: bool,
}

/// A node that was caught at a lie, and is not called again (T5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Liar {
    pub key: String,
    pub what: String,
    /// Seconds since 1970 (UTC).
    pub when: u64,
}

/// `djdns connect`: who was met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    pub key: String,
    pub address: String,
    /// Whether there was a connection with it already.
    pub before: bool,
}

/// What came of trusting a page that was not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joining {
    /// `fetched`, `fetching`, or `wanted`: nobody that is reached has it.
    pub state: String,
    /// A sentence.
    pub words: String,
}

/// Other nodes, in `djdns status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbourhood {
    pub listening: Vec<String>,
    pub connected: usize,
    /// Connected nodes with which every page that both follow is in step.
    pub in_step: usize,
    /// How that is, in a sentence.
    pub words: String,
    /// What is wrong and what can be done about it, in sentences.
    pub troubles: Vec<String>,
}

/// How a page stands beside those of other nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alongside {
    /// Connected nodes that follow it, and those of them with which it is in step.
    pub peers: usize,
    pub in_step: usize,
    /// Bytes of a fetch that is under way: how many are here, and of how many, if that is known.
    pub fetched_bytes: Option<u64>,
    pub fetch_bytes: Option<u64>,
}
