//! The control socket: how commands speak to a running node.
//!
//! A UNIX socket in the data directory, for the same user and group only. Messages are
//! length-prefixed MessagePack; a client sends one request at a time and reads replies until the
//! final one. Who carries requests out is not known here.

pub mod client;
pub mod history;
pub mod peers;
pub mod remarks;
pub mod report;
pub mod request;
pub mod running;
pub mod server;

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::limits::CONTROL_MESSAGE_BYTES_MAX;
use request::{Answer, Failure};

/// What comes back for a request: progress and signs of life, any number of times, and then the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// So much is done, of so much in all, of what the label says.
    Progress {
        label: String,
        done: u64,
        total: u64,
    },
    /// It is still at work.
    Alive,
    Done(Box<Result<Answer, Failure>>),
}

/// Where the socket of a data directory is.
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

/// Writes one message.
///
/// # Errors
/// When the socket fails, or the message is larger than [`CONTROL_MESSAGE_BYTES_MAX`].
fn write_message<T: Serialize>(out: &mut impl Write, message: &T) -> io::Result<()> {
    let bytes = rmp_serde::to_vec_named(message).map_err(io::Error::other)?;
    if bytes.len() > CONTROL_MESSAGE_BYTES_MAX {
        let max = CONTROL_MESSAGE_BYTES_MAX;
        let message = format!("a message of {} bytes is over the limit of {max}", bytes.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    out.write_all(&(bytes.len() as u32).to_be_bytes())?;
    out.write_all(&bytes)?;
    out.flush()
}

/// Reads one message; `None` when the other side closed the connection between two.
///
/// # Errors
/// When the socket fails, or what arrives is no message.
fn read_message<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut len = [0; 4];
    match from.read_exact(&mut len) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let len = u32::from_be_bytes(len) as usize;
    if len > CONTROL_MESSAGE_BYTES_MAX {
        return Err(io::Error::other(format!("a message of {len} bytes is announced")));
    }
    let mut bytes = Vec::new();
    from.take(len as u64).read_to_end(&mut bytes)?;
    if bytes.len() < len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let message = rmp_serde::from_slice(&bytes);
    message.map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P5 refuses: a message that announces more than the limit, before a byte of it is read.
    #[test]
    fn a_message_may_be_as_large_as_its_limit() {
        let check = |announced: usize, expect: bool| {
            let head = (announced as u32).to_be_bytes();
            let error = read_message::<request::Request>(&mut &head[..]).unwrap_err();
            assert_eq!(error.kind() == io::ErrorKind::UnexpectedEof, expect, "{announced}");
        };
        check(CONTROL_MESSAGE_BYTES_MAX - 1, true);
        check(CONTROL_MESSAGE_BYTES_MAX, true);
        check(CONTROL_MESSAGE_BYTES_MAX + 1, false);
    }

    #[test]
    fn a_message_is_read_back_and_the_end_between_two_is_no_error() {
        let mut bytes = Vec::new();
        write_message(&mut bytes, &request::Request::Status).unwrap();
        let mut from = &bytes[..];
        let read = read_message::<request::Request>(&mut from).unwrap();
        assert!(matches!(read, Some(request::Request::Status)));
        assert!(read_message::<request::Request>(&mut from).unwrap().is_none());
        assert!(read_message::<request::Request>(&mut &bytes[..bytes.len() - 1]).is_err());
    }
}
