//! The commands' side of the control socket.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    time::Duration,
};

use socket2::{Domain, SockAddr, Socket, Type};

use super::{
    Reply, read_message,
    request::{Answer, Failure, FailureKind, Request},
    socket_path, write_message,
};
use crate::limits::CONTROL_SILENCE;

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
        Client::connect_within(data_dir, CONTROL_SILENCE)
    }

    /// [`Client::connect`]; after a silence of this length the node is given up.
    fn connect_within(data_dir: &Path, silence: Duration) -> io::Result<Option<Client>> {
        match connect(&socket_path(data_dir), silence) {
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
            match read_message(&mut self.stream).map_err(unread)? {
                Some(Reply::Progress { label, done, total }) => progress(&label, done, total),
                Some(Reply::Alive) => {}
                Some(Reply::Done(answer)) => return *answer,
                None => return Err(gone(io::ErrorKind::ConnectionReset.into())),
            }
        }
    }
}

/// A stream that waits for the other side so long and no longer, from connecting on: a process that is
/// stopped still has its socket, and the kernel takes connections for it, as many as it has room for.
fn connect(path: &Path, silence: Duration) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_read_timeout(Some(silence))?;
    socket.set_write_timeout(Some(silence))?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(OwnedFd::from(socket).into())
}

/// Whether a node was given up because it said nothing.
pub fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn is_nobody(error: &io::Error) -> bool {
    // `InvalidInput`: the path is longer than a socket's may be, so none can be there.
    let nobody = [
        io::ErrorKind::NotFound,
        io::ErrorKind::NotADirectory,
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::InvalidInput,
    ];
    nobody.contains(&error.kind())
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

/// Why no answer was read: it makes no sense, or the daemon went away.
fn unread(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::InvalidData => Failure::refused(format!(
            "the daemon's answer is not understood ({error}): it may be another version, restart it"
        )),
        _ => gone(error),
    }
}

fn gone(error: io::Error) -> Failure {
    let why = match is_silence(&error) {
        true => format!("it said nothing for {} s, is it stopped?", CONTROL_SILENCE.as_secs()),
        false => error.to_string(),
    };
    let message = format!(
        "the daemon stopped answering ({why}): whether the request was carried out is not \
         known; look with `djdns status`"
    );
    Failure { kind: FailureKind::Unreachable, message }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[test]
    fn a_node_that_says_nothing_is_given_up_in_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(socket_path(dir.path())).unwrap();
        let mut client = Client::connect_within(dir.path(), SHORT).unwrap().unwrap();
        let failure = client.ask(&Request::Status, &mut |_, _, _| {}).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unreachable);
        assert!(failure.message.contains("it said nothing for 15 s, is it stopped?"), "{failure}");
        // The room for connections that nobody takes is full in the end.
        rustix::net::listen(&listener, 1).unwrap();
        let mut held = Vec::new();
        let refused = loop {
            match Client::connect_within(dir.path(), SHORT) {
                Ok(client) => held.push(client),
                Err(error) => break error,
            }
        };
        assert!(is_silence(&refused), "{refused}");
    }

    #[test]
    fn a_sign_of_life_is_no_answer() {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(socket_path(dir.path())).unwrap();
        let node = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            read_message::<Request>(&mut stream).unwrap();
            write_message(&mut stream, &Reply::Alive).unwrap();
            write_message(&mut stream, &Reply::Done(Box::new(Ok(Answer::Joined)))).unwrap();
        });
        let mut client = Client::connect(dir.path()).unwrap().unwrap();
        let answer = client.ask(&Request::Status, &mut |_, _, _| {});
        assert!(matches!(answer, Ok(Answer::Joined)));
        node.join().unwrap();
    }
}
