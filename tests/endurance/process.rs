//! A daemon that asks nobody but us, and how much memory it takes.

use std::{fs, net::UdpSocket, thread};

use crate::support::daemon::{Daemon, Home};

/// Whether everything is wanted, and not a small version.
pub fn is_full() -> bool {
    std::env::var_os("DJDNS_FULL").is_some()
}

/// Starts a daemon whose upstream says of every name that there is none, and that this must not be
/// kept: what is forwarded costs as much as it can, and fills no cache.
pub fn start(home: &Home) -> Daemon {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let address = socket.local_addr().expect("it is bound").to_string();
    thread::spawn(move || {
        let mut query = [0; 1500];
        while let Ok((len, from)) = socket.recv_from(&mut query) {
            // Without OPT, which is behind the question.
            let mut answer = query[..len.saturating_sub(11).max(12)].to_vec();
            (answer[2], answer[3], answer[11]) = (0x81, 0x83, 0);
            let _ = socket.send_to(&answer, from);
        }
    });
    home.start_as(home.serve().args(["--upstream", &address]))
}

/// Memory of a process in KiB.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// What it has now (VmRSS).
    pub now: u64,
    /// The most that it had (VmHWM).
    pub peak: u64,
}

/// How much memory a daemon takes.
pub fn memory(daemon: &Daemon) -> Memory {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("it runs");
    let value = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).expect("Linux says it");
        line.split_whitespace().nth(1).and_then(|value| value.parse().ok()).expect("a number")
    };
    Memory { now: value("VmRSS"), peak: value("VmHWM") }
}
