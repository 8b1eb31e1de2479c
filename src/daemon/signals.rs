//! What a process is asked by signals: to read its configuration again, or to stop.
//!
//! A terminal that goes away sends SIGHUP too. It is then gone, and whoever started this in it wants it
//! gone as well.

use std::{fs::File, io};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Reload,
    Stop,
}

/// The signals that mean something, from the moment that they are listened for.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// It was started in a terminal.
    has_terminal: bool,
}

impl Signals {
    /// Listens from now on. Within a runtime only.
    ///
    /// # Errors
    /// When the system has no room for a signal handler.
    pub fn listen() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            has_terminal: has_terminal(),
        })
    }

    /// What is asked next.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => match self.has_terminal && !has_terminal() {
                true => Asked::Stop,
                false => Asked::Reload,
            },
        }
    }
}

/// Whether this process belongs to a terminal (tty(4)).
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}
