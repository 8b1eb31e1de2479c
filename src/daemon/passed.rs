//! What systemd passes to a service: sockets that are bound already (sd_listen_fds(3)), and an
//! address to report readiness to (sd_notify(3)).

use std::{
    env,
    ffi::OsStr,
    io,
    net::{TcpListener, UdpSocket},
    os::{
        fd::{FromRawFd, OwnedFd, RawFd},
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

use rustix::net::{
    AddressFamily, SocketType, getpeername, getsockname,
    sockopt::{socket_acceptconn, socket_type},
};

/// The first file descriptor that is passed.
const FIRST: RawFd = 3;

/// The sockets passed to this process: UDP and TCP. None when nothing was passed.
///
/// # Errors
/// When a descriptor that was announced is no UDP socket of IP that is bound and open to everybody, and no TCP
/// socket that listens; or when there is none of UDP.
pub fn sockets() -> io::Result<(Vec<UdpSocket>, Vec<TcpListener>)> {
    let number = |name| env::var(name).ok().and_then(|value| value.parse::<u32>().ok());
    let count = match number("LISTEN_PID") {
        Some(pid) if pid == std::process::id() => number("LISTEN_FDS").unwrap_or(0),
        _ => 0,
    };
    let (mut udp, mut tcp) = (Vec::new(), Vec::new());
    for fd in (FIRST..).take(count as usize) {
        let socket = take(fd);
        let is_of_ip = getsockname(&socket).is_ok_and(|address| {
            [AddressFamily::INET, AddressFamily::INET6].contains(&address.address_family())
        });
        match socket_type(&socket)? {
            SocketType::DGRAM if is_of_ip && getpeername(&socket).is_err() => {
                udp.push(socket.into());
            }
            SocketType::STREAM if is_of_ip && socket_acceptconn(&socket)? => {
                tcp.push(socket.into());
            }
            _ => {
                let words =
                    "neither a UDP socket of nobody in particular nor a TCP socket that listens";
                return Err(io::Error::other(format!("descriptor {fd} is {words}")));
            }
        }
    }
    if udp.is_empty() && !tcp.is_empty() {
        return Err(io::Error::other("none of them is of UDP: DNS needs ListenDatagram= as well"));
    }
    Ok((udp, tcp))
}

/// Takes over a descriptor that the service manager passed to this process.
#[expect(unsafe_code, reason = "the only way from sd_listen_fds(3)'s numbers to sockets")]
fn take(fd: RawFd) -> OwnedFd {
    // SAFETY: LISTEN_PID names this process, so the descriptors from 3 on were passed to it, and
    // `sockets` is called once, before anything else could have opened or taken them.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// How often the service manager wants to hear from this process, if it does
/// (sd_watchdog_enabled(3)).
pub fn watchdog() -> Option<Duration> {
    let number = |name| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let for_another = env::var_os("WATCHDOG_PID").is_some()
        && number("WATCHDOG_PID") != Some(std::process::id().into());
    let microseconds = number("WATCHDOG_USEC").filter(|span| *span > 0 && !for_another)?;
    Some(Duration::from_micros(microseconds))
}

/// Sends a state to the service manager.
///
/// # Errors
/// When the socket cannot be reached.
pub fn notify(path: &OsStr, state: &[u8]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    let address = match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    socket.send_to_addr(state, &address).map(drop)
}
