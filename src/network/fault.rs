//! What peers do that no honest node does, why connecting or asking failed, and how a connection is
//! closed: in words.

use std::{net::SocketAddr, time::Duration};

use quinn::{Connection, ConnectionError, TransportErrorCode, VarInt};

use super::{sockets::ListenError, tls, wire};
use crate::{key::PublicKey, limits::NETWORK_REASON_BYTES_MAX};

/// What a peer did that no honest node does (N6). It is disconnected for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misbehaviour {
    #[error("a request: {0}")]
    Request(wire::Fault),
    #[error("an answer: {0}")]
    Answer(wire::Fault),
    #[error("a notice: {0}")]
    Notice(wire::Fault),
    #[error("its notices begin with the byte {0}")]
    Opening(u8),
    #[error("it ended its notices, or began them twice")]
    Notices,
    #[error("{0} requests more than it may make")]
    TooManyRequests(u64),
    #[error("more streams or bytes at once than were granted ({0})")]
    Flood(String),
    #[error("{0} requests that mean nothing here")]
    NotUnderstood(u32),
    #[error("it announced a request and did not send it")]
    Silence,
    #[error("it connected and said nothing")]
    NoOpening,
    #[error("it does not read what is sent to it")]
    Unread,
    #[error("it broke the rules of QUIC ({0})")]
    Transport(String),
}

/// Why a network could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("there is no address to listen on for other nodes")]
    NoAddress,
    #[error("preparing the connections between nodes")]
    Crypto(#[from] tls::CryptoError),
    #[error("listening for other nodes")]
    Io(#[from] std::io::Error),
}

/// Why a node could not be connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    #[error("no address of the node is known")]
    NoAddress,
    #[error("this machine has no way to {address}: {why}")]
    Unreachable { address: SocketAddr, why: String },
    #[error(
        "nobody answered at {address} within {} s: no djdns runs there, or a firewall or router in \
         between lets no UDP through",
        .time.as_secs()
    )]
    TimedOut { address: SocketAddr, time: Duration },
    #[error("{0} speaks QUIC, but not djdns/1")]
    OtherProtocol(SocketAddr),
    #[error("{0} speaks only other versions of QUIC")]
    OtherVersion(SocketAddr),
    #[error("{address} is no djdns node: {why}")]
    NoNode { address: SocketAddr, why: String },
    #[error("{address} is the node {found}, and not {expected}")]
    OtherNode { address: SocketAddr, found: PublicKey, expected: PublicKey },
    #[error("{0} is this node itself")]
    Oneself(SocketAddr),
    #[error("{address} did not take the connection: {why}")]
    Refused { address: SocketAddr, why: String },
    #[error("this node has as many connections as it may open ({0})")]
    Full(usize),
    #[error("the network is closed")]
    Closed,
}

/// Why a peer gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error("the node is not connected")]
    NotConnected,
    #[error("the connection ended: {0}")]
    Left(String),
    #[error("no answer came within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// It said so itself; or it sent more all the same, which is misbehaviour.
    #[error("the answer is longer than {0} bytes")]
    Oversize(usize),
    #[error(
        "the request has more than {} bytes, or none",
        crate::limits::NETWORK_REQUEST_BYTES_MAX
    )]
    Request,
    #[error("the node does not know such a request")]
    NotUnderstood,
    #[error("the node has too much to do")]
    Busy,
    #[error("the answer was no answer: {0}")]
    Garbage(wire::Fault),
}

/// Why a connection is closed, as the other side reads it (RFC 9000 section 19.19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// The program ends.
    Farewell = 0,
    /// There is another connection between the two.
    Duplicate = 1,
    /// The owner of this node wants no connection with the other.
    NotAdmitted = 2,
    /// The other side misbehaved.
    Misbehaved = 3,
    /// The owner of this node has no more use for the connection.
    Enough = 4,
    /// The other side is not who was called.
    OtherNode = 5,
}

/// With which a stream is given up: whoever asked wants no answer any more.
pub(super) const CANCELLED: VarInt = VarInt::from_u32(6);

pub(super) fn close(connection: &Connection, code: Code, why: &str) {
    let mut len = why.len().min(NETWORK_REASON_BYTES_MAX);
    while !why.is_char_boundary(len) {
        len -= 1;
    }
    connection.close(VarInt::from_u32(code as u32), &why.as_bytes()[..len]);
}

/// Whether the other side closed it for this reason.
pub(super) fn is_closed_for(error: &ConnectionError, code: Code) -> bool {
    let ConnectionError::ApplicationClosed(close) = error else { return false };
    close.error_code == VarInt::from_u32(code as u32)
}

/// What the other side broke, if that is why the connection ended.
pub(super) fn broken(error: &ConnectionError) -> Option<Misbehaviour> {
    let ConnectionError::TransportError(error) = error else { return None };
    let flood = [TransportErrorCode::STREAM_LIMIT_ERROR, TransportErrorCode::FLOW_CONTROL_ERROR];
    let text = words(error.to_string().as_bytes());
    match error.code {
        code if flood.contains(&code) => Some(Misbehaviour::Flood(text)),
        // What went wrong on this side.
        TransportErrorCode::INTERNAL_ERROR | TransportErrorCode::NO_VIABLE_PATH => None,
        _ => Some(Misbehaviour::Transport(text)),
    }
}

/// Why a connection ended.
pub(super) fn why_ended(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ApplicationClosed(close) if close.reason.is_empty() => {
            "the other side closed it".to_owned()
        }
        ConnectionError::ApplicationClosed(close) => {
            format!("the other side closed it: {}", words(&close.reason))
        }
        ConnectionError::TimedOut => "nothing was heard any more".to_owned(),
        ConnectionError::Reset => "the other side was started anew".to_owned(),
        ConnectionError::LocallyClosed => "this node closed it".to_owned(),
        other => words(other.to_string().as_bytes()),
    }
}

/// Words of somebody else, fit to be shown: one line, of bounded length.
fn words(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(NETWORK_REASON_BYTES_MAX)];
    let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    String::from_utf8_lossy(bytes).chars().map(shown).collect()
}

/// Why connecting to this address failed.
pub(super) fn connect_error(
    address: SocketAddr,
    error: &ConnectionError,
    time: Duration,
) -> ConnectError {
    /// The alert no_application_protocol (RFC 7301 section 3.2).
    const NO_PROTOCOL: u8 = 120;
    let other_protocol = TransportErrorCode::crypto(NO_PROTOCOL);
    match error {
        ConnectionError::VersionMismatch => ConnectError::OtherVersion(address),
        ConnectionError::TimedOut => ConnectError::TimedOut { address, time },
        ConnectionError::ConnectionClosed(close) if close.error_code == other_protocol => {
            ConnectError::OtherProtocol(address)
        }
        ConnectionError::TransportError(error) if error.code == other_protocol => {
            ConnectError::OtherProtocol(address)
        }
        ConnectionError::ConnectionClosed(close)
            if close.error_code == TransportErrorCode::CONNECTION_REFUSED =>
        {
            let why = "it takes no more connections now".to_owned();
            ConnectError::Refused { address, why }
        }
        ConnectionError::TransportError(error) => {
            ConnectError::NoNode { address, why: words(error.to_string().as_bytes()) }
        }
        ConnectionError::LocallyClosed => ConnectError::Closed,
        other => ConnectError::Refused { address, why: why_ended(other) },
    }
}
