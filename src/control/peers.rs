//! What is told of other nodes: who is there, how each was found, and how pages stand beside theirs.
//!
//! Plain data with stable field names, as [`super::report`]. Keys are `did:key:…`.

use serde::{Deserialize, Serialize};

use crate::time::date;

/// `djdns peers`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Peers {
    /// This node's key, and the short form of its beacon (D1).
    pub node: String,
    pub beacon: Option<String>,
    /// Where other nodes reach this one; nothing: peers are off, or no port was to be had.
    pub listening: Vec<String>,
    /// What the router says about letting them in, in a sentence; none where it is not asked.
    pub router: Option<String>,
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
    /// How it was found first: `inbound`, `told`, `lan`, `broadcast`, `dht`, `page`, `exchange`,
    /// `remembered`.
    pub found: String,
    /// The program and its version, as it says.
    pub program: String,
    pub round_trip_seconds: f64,
    /// How long nothing was heard of it, or it owes an answer, where that is longer than usual.
    pub silent_seconds: Option<u64>,
    pub connected_seconds: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Pages that both follow.
    pub pages: Vec<SharedPage>,
    /// 0 to 100: who has more is asked first.
    pub credit: u32,
    /// What it did that an honest node need not do, and how often.
    pub faults: Vec<(String, u32)>,
    /// Its clock less this machine's, in seconds, as it said last.
    pub clock_off_seconds: Option<i64>,
}

/// A page that a peer follows as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedPage {
    /// Its name, or its id where it is not here.
    pub page: String,
    pub page_id: String,
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
    /// What the router says about letting others in, in a sentence; none where it is not asked.
    pub router: Option<String>,
    pub connected: usize,
    /// Pages that a connected node follows as well, and those of them that stand where all of these do.
    pub pages: usize,
    pub pages_in_step: usize,
    /// How that is, in a sentence.
    pub words: String,
    /// What is wrong and what can be done about it, in sentences.
    pub troubles: Vec<String>,
}

/// How a page stands beside those of other nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alongside {
    /// Connected nodes that follow it.
    pub peers: usize,
    /// Those of them that have not answered for long; nobody knows where they stand by now.
    pub silent: usize,
    /// Those that answer and stand on another history of it.
    #[serde(default)]
    pub elsewhere: usize,
    /// Whether it stands where all others of them do.
    pub in_step: bool,
    /// The highest seal that one of the others says it has.
    pub best_height: Option<u64>,
    /// Statements that are known of and not here yet.
    pub lacking: usize,
    /// Where its state is being fetched: how much of it is here.
    pub fetched_thousandths: Option<u32>,
    /// The seal that is held until it is due, if one is.
    pub postponed: Option<PostponedSeal>,
}

/// A seal that is held until it is due (T7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostponedSeal {
    pub height: u64,
    /// Seconds since 1970 (UTC): what it is dated.
    pub time: u64,
    /// Whether it is the newest here, and other nodes hold it; else it is held here.
    pub here: bool,
}

impl PostponedSeal {
    /// That it is held, in words.
    pub fn words(&self) -> String {
        let (height, date) = (self.height, date(self.time));
        match self.here {
            true => {
                format!(
                    "the seal at height {height} is dated {date}, other nodes hold it until then"
                )
            }
            false => format!("the seal at height {height} is dated {date}, it is held until then"),
        }
    }
}
