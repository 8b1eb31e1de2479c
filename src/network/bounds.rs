//! The bounds that one network keeps to (N6).
//!
//! Those that depend on time or number are here, so that a test can make them small; what a frame
//! may hold is fixed in [`crate::limits`].

use std::time::Duration;

use super::allowance::Rate;
use crate::limits::{
    NETWORK_ANSWERS_BYTES, NETWORK_ASK_BURST, NETWORK_ASK_RATE, NETWORK_HALF_OPEN_EASY,
    NETWORK_HALF_OPEN_MAX, NETWORK_HANDSHAKE_TIME, NETWORK_IDLE, NETWORK_INBOUND_MAX,
    NETWORK_OUTBOUND_MAX, NETWORK_PER_ADDRESS_MAX, NETWORK_REQUEST_BURST, NETWORK_REQUEST_RATE,
    NETWORK_REQUEST_TIME, NETWORK_TURN_TIME, NETWORK_UNREAD_TIME,
};

/// How much peers may do, and how long things may take. The default is what [`crate::limits`] says.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Connections that others opened, at a time.
    pub inbound: usize,
    /// Connections that this node opened, at a time.
    pub outbound: usize,
    /// Connections with one address at a time, unless it is this machine's own.
    pub per_address: usize,
    /// Handshakes under way that others began.
    pub half_open: usize,
    /// Handshakes under way from which on addresses must be shown to be true.
    pub half_open_easy: usize,
    /// How long a handshake may take.
    pub handshake_time: Duration,
    /// How long a request may take to arrive.
    pub request_time: Duration,
    /// How long a request waits for its turn.
    pub turn_time: Duration,
    /// Bytes of answers to all peers that wait to be sent.
    pub answers_bytes: usize,
    /// How long a peer may take to read [`crate::limits::NETWORK_BUFFER_BYTES`].
    pub unread_time: Duration,
    /// Silence after which a connection is lost.
    pub idle: Duration,
    /// Requests a second that a peer is answered.
    pub requests_per_second: u32,
    /// Requests at once that a peer is answered.
    pub requests_burst: u32,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            inbound: NETWORK_INBOUND_MAX,
            outbound: NETWORK_OUTBOUND_MAX,
            per_address: NETWORK_PER_ADDRESS_MAX,
            half_open: NETWORK_HALF_OPEN_MAX,
            half_open_easy: NETWORK_HALF_OPEN_EASY,
            handshake_time: NETWORK_HANDSHAKE_TIME,
            request_time: NETWORK_REQUEST_TIME,
            turn_time: NETWORK_TURN_TIME,
            answers_bytes: NETWORK_ANSWERS_BYTES,
            unread_time: NETWORK_UNREAD_TIME,
            idle: NETWORK_IDLE,
            requests_per_second: NETWORK_REQUEST_RATE,
            requests_burst: NETWORK_REQUEST_BURST,
        }
    }
}

impl Bounds {
    pub(super) fn requests(&self) -> Rate {
        Rate { burst: self.requests_burst, per_second: self.requests_per_second }
    }
}

/// How often a peer is asked.
pub(super) const ASKS: Rate = Rate { burst: NETWORK_ASK_BURST, per_second: NETWORK_ASK_RATE };
