//! A daemon that has less of the system than it could use: files.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    time::Duration,
};

use djdns::limits::OPEN_FILES_MAX;

use crate::support::daemon::{Daemon, Home, PATIENCE};

/// Starts a daemon that may open so many files, as ulimit takes it.
fn with_files(home: &Home, limit: &str) -> Daemon {
    let script = format!("ulimit {limit}; exec \"$0\" \"$@\"");
    let serve = home.serve();
    let mut command = home.program(Path::new("/bin/sh"));
    command.args(["-c", &script]).arg(serve.get_program()).args(serve.get_args());
    home.start_as(&mut command)
}

/// With as few files as there are, those who ask over UDP are answered, those over TCP when one of the
/// others makes room, and the processor rests.
#[test]
fn a_daemon_without_files_for_more_connections_neither_spins_nor_falls_silent() {
    let home = Home::new();
    let daemon = with_files(&home, "-n 40");
    let resolver = daemon.resolver();
    let silent: Vec<TcpStream> = (0..200)
        .map(|_| TcpStream::connect(daemon.dns()).expect("the system accepts for it"))
        .collect();
    assert_eq!(resolver.addresses("localhost."), [Ipv4Addr::LOCALHOST]);
    // The last of them is served, though it waits behind those before it.
    let mut last = silent.last().expect("two hundred");
    last.set_read_timeout(Some(PATIENCE)).expect("a time");
    last.write_all(
        b"\x00\x1bdj\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x09localhost\x00\x00\x01\x00\x01",
    )
    .expect("it is open");
    let mut length = [0; 2];
    last.read_exact(&mut length).expect("an answer");
    let before = daemon.processor_ticks();
    djdns::ambient::pause(Duration::from_millis(500));
    // Ticks of 10 ms (proc_pid_stat(5)).
    assert!(daemon.processor_ticks() - before < 25, "it spins");
    assert_eq!(resolver.addresses("localhost."), [Ipv4Addr::LOCALHOST]);
}

/// The usual soft limit is less than what all who may wait for an upstream take.
#[test]
fn a_daemon_may_open_as_many_files_as_the_hard_limit_allows() {
    let home = Home::new();
    let daemon = with_files(&home, "-S -n 64");
    let limits =
        std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).expect("it runs");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let words: Vec<&str> = line.expect("there is such a limit").split_whitespace().collect();
    let enough = words[1].parse().map_or(OPEN_FILES_MAX, |hard: u64| hard.min(OPEN_FILES_MAX));
    assert_eq!(words[0], enough.to_string(), "{limits}");
}
