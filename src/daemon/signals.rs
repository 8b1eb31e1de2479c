//! What a process is asked by signals: to read its configuration again, or to stop.
//!
//! A terminal that goes away sends SIGHUP too. It is then gone, and whoever started this in it wants it
//! gone as well, unless it was started by nohup(1).

use std::{
    fs::{self, File},
    io,
};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Reload,
    Stop,
}

/// SIGHUP, which ends nothing from the moment that it is listened for, and is taken up later.
pub struct Hangup {
    signal: Signal,
    /// It was started in a terminal, and is to end with it.
    ends_with_terminal: bool,
}

impl Hangup {
    /// Listens from now on. Within a runtime only.
    ///
    /// # Errors
    /// When the system has no room for a signal handler.
    pub fn listen() -> io::Result<Hangup> {
        // Looked at before the signal is listened for.
        let ends_with_terminal = has_terminal() && !ignores_hangup();
        Ok(Hangup { signal: signal(SignalKind::hangup())?, ends_with_terminal })
    }

    async fn asked(&mut self) -> Asked {
        let _ = self.signal.recv().await;
        match self.ends_with_terminal && !has_terminal() {
            true => Asked::Stop,
            false => Asked::Reload,
        }
    }
}

/// The signals that mean something, from the moment that they are listened for.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Hangup,
}

impl Signals {
    /// Listens from now on. Within a runtime only.
    ///
    /// # Errors
    /// When the system has no room for a signal handler.
    pub fn listen(hangup: Hangup) -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup,
        })
    }

    /// Returns when it is asked to stop, and leaves it for later that it is asked to reload.
    pub async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// What is asked next.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            asked = self.hangup.asked() => asked,
        }
    }
}

/// Whether this process belongs to a terminal (tty(4)).
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Whether SIGHUP is ignored, as nohup(1) has it: the first of the signals in a mask (proc_pid_status(5)).
fn ignores_hangup() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 != 0)
}
