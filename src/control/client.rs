//! The commands' side of the control socket.

use std::{io, os::unix::net::UnixStream, path::Path};

use super::{
    Reply, read_message,
    request::{Answer, Failure, FailureKind, Request},
    socket_path, write_message,
};

/// A connection to a running node.
pub struct Client {
    stream: UnixStream,
}

impl Client {
    /// Connects to the node of a data directory; `None` when none listens there.
    ///
    /// # Errors
    /// When one listens that cannot be spoken to, for example another user's.
    pub fn connect(data_dir: &Path) -> io::Result<Option<Client>> {
        match UnixStream::connect(socket_path(data_dir)) {
            Ok(stream) => Ok(Some(Client { stream })),
            Err(error) if is_nobody(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks, reports progress, and returns the answer.
    ///
    /// # Errors
    /// What the node says, or that it went away.
    pub fn ask(
        &mut self,
        request: &Request,
        progress: &mut dyn FnMut(&str, u64, u64),
    ) -> Result<Answer, Failure> {
        write_message(&mut self.stream, request).map_err(unsent)?;
        loop {
            match read_message(&mut self.stream).map_err(gone)? {
                Some(Reply::Progress { label, done, total }) => progress(&label, done, total),
                Some(Reply::Done(answer)) => return *answer,
                None => return Err(gone(io::ErrorKind::ConnectionReset.into())),
            }
        }
    }
}

fn is_nobody(error: &io::Error) -> bool {
    [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused].contains(&error.kind())
}

/// Why a request was not sent: it is too large, or nobody reads it.
fn unsent(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::InvalidInput => {
            Failure::refused(format!("{error}: nothing was changed; ask for less at a time"))
        }
        _ => gone(error),
    }
}

fn gone(error: io::Error) -> Failure {
    let message = format!(
        "the daemon stopped answering ({error}): whether the request was carried out is not \
         known; look with `djdns status`"
    );
    Failure { kind: FailureKind::Unreachable, message }
}
