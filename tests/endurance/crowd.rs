//! Thousands of TCP connections that say nothing, write an octet a second, or never read: page names
//! are answered all the same, over UDP and on new connections.

#![expect(clippy::disallowed_methods, reason = "slowness is a span of time")]

use std::{
    io::{ErrorKind, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::process::{is_full, memory, start};
use crate::support::{daemon::Home, message::Client};

const SILENT: usize = 1000;
const SILENT_FULL: usize = 10_000;
/// Connections that write an octet a second, and as many that ask much and never read.
const SLOW: usize = 50;
const SLOW_FULL: usize = 200;
const SECONDS: usize = 4;
const SECONDS_FULL: usize = 15;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// What systemd/djdns.service gives the daemon (LimitNOFILE).
const FILES: u64 = 65_536;
/// How much memory a connection may take, in KiB: its task, a message, and answers that nobody reads.
/// The guess of a bound, far below what the system keeps for its sockets.
const CONNECTION_KIB: u64 = 16;
/// How much more those may take who never read: DNS_TCP_UNREAD_BYTES, and one answer.
const UNREAD_KIB: u64 = 256;

/// brickwindows.ff.ct. A
const QUERY: &[u8] = b"\xbe\xef\0\0\0\x01\0\0\0\0\0\0\x0cbrickwindows\x02ff\x02ct\0\0\x01\0\x01";

/// Lets this process, and the daemon that it starts, have as many open files as it may.
fn raise_limit(wanted: u64) {
    let limit = getrlimit(Resource::Nofile);
    // Only root may raise the hard one.
    let all = Rlimit { current: Some(FILES), maximum: Some(FILES) };
    if limit.maximum.is_some_and(|most| most >= FILES) || setrlimit(Resource::Nofile, all).is_err()
    {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    assert!(
        limit >= wanted,
        "{limit} open files are too few for {wanted} connections: raise the hard limit (ulimit -Hn)"
    );
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_nonblocking(true).expect("a socket");
    stream
}

/// Writes until the other side takes no more.
fn fill(stream: &mut TcpStream) {
    let framed = [&(QUERY.len() as u16).to_be_bytes()[..], QUERY].concat().repeat(100);
    // Enough for every buffer in between, and an end if none fills.
    for _ in 0..1000 {
        match stream.write(&framed) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            // It was let go already.
            Err(_) => return,
        }
    }
}

/// How long a page's name takes over UDP and on a new connection.
fn ask(client: &Client, expect: &[u8]) -> [Duration; 2] {
    [Client::over_udp, Client::over_tcp].map(|ask| {
        let begun = Instant::now();
        assert_eq!(ask(client, QUERY), expect);
        let took = begun.elapsed();
        assert!(took <= PATIENCE, "a page's name took {took:?}");
        took
    })
}

#[test]
fn a_crowd_of_silent_and_slow_connections_keeps_nobody_from_page_names() {
    let silent = if is_full() { SILENT_FULL } else { SILENT };
    let slow = if is_full() { SLOW_FULL } else { SLOW };
    raise_limit((silent + 2 * slow + 100) as u64);
    let home = Home::new();
    let daemon = start(&home);
    let address = daemon.dns();
    let client = Client::new(address);
    let expect = client.over_udp(QUERY);
    assert_eq!(expect[6..8], [0, 2], "two addresses");
    let before = memory(&daemon);

    let begun = Instant::now();
    let _silent: Vec<TcpStream> = (0..silent).map(|_| connect(address)).collect();
    println!("{silent} connections in {:?}", begun.elapsed());
    let mut writers: Vec<TcpStream> = (0..slow).map(|_| connect(address)).collect();
    let mut readers: Vec<TcpStream> = (0..slow).map(|_| connect(address)).collect();
    readers.iter_mut().for_each(fill);

    let framed = [&(QUERY.len() as u16).to_be_bytes()[..], QUERY].concat();
    let (mut slowest, mut peak) = ([Duration::ZERO; 2], 0);
    for second in 0..if is_full() { SECONDS_FULL } else { SECONDS } {
        for writer in &mut writers {
            // One that was let go is let go.
            let _ = writer.write(&framed[second..=second]);
        }
        for _ in 0..4 {
            let took = ask(&client, &expect);
            slowest = std::array::from_fn(|i| slowest[i].max(took[i]));
            peak = peak.max(memory(&daemon).now);
            thread::sleep(Duration::from_millis(250));
        }
    }
    println!("slowest answer: {slowest:?} (UDP, new TCP connection)");
    println!("memory: {before:?} before, {peak} KiB at most");
    let connections = (silent + 2 * slow) as u64;
    let most = before.now + connections * CONNECTION_KIB + slow as u64 * UNREAD_KIB;
    assert!(peak <= most, "{peak} KiB are more than {most}");
}
