//! The UDP sockets that nodes are listened to on.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::limits::NETWORK_UDP_BUFFER_BYTES;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error(
        "{0} (UDP) is taken by another program, perhaps by another djdns: end that one, or let \
         this one listen elsewhere"
    )]
    Taken(SocketAddr),
    #[error("no right to listen on {0} (UDP): choose a port from 1024 on")]
    NotAllowed(SocketAddr),
    #[error("this machine has no address {0}")]
    NoSuchAddress(SocketAddr),
    #[error("listening on {address} (UDP)")]
    Io { address: SocketAddr, source: io::Error },
}

/// Binds every address. `[::]` takes IPv4 as well, unless `0.0.0.0` is listed too, and stands for
/// `0.0.0.0` on a machine without IPv6.
///
/// # Errors
/// The first [`ListenError`]; nothing stays bound then.
pub(super) fn bind(addresses: &[SocketAddr]) -> Result<Vec<UdpSocket>, ListenError> {
    let any_v4 = |address: &SocketAddr| address.ip() == Ipv4Addr::UNSPECIFIED;
    let both = !addresses.iter().any(any_v4);
    addresses.iter().map(|address| bind_one(*address, both)).collect()
}

fn bind_one(address: SocketAddr, both: bool) -> Result<UdpSocket, ListenError> {
    let any_v6 = address.ip() == Ipv6Addr::UNSPECIFIED;
    let bound = open(address, any_v6 && both).or_else(|error| {
        let instead = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
        if any_v6 && both && has_no_v6(&error) { open(instead, false) } else { Err(error) }
    });
    bound.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken(address),
        io::ErrorKind::PermissionDenied => ListenError::NotAllowed(address),
        io::ErrorKind::AddrNotAvailable => ListenError::NoSuchAddress(address),
        _ => ListenError::Io { address, source },
    })
}

fn has_no_v6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

fn open(address: SocketAddr, both: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!both)?;
    }
    // The system gives what it allows; less is slower and not wrong.
    let _ = socket.set_recv_buffer_size(NETWORK_UDP_BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(NETWORK_UDP_BUFFER_BYTES);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Whether this machine has any way to one node at an address, without sending anything.
///
/// # Errors
/// What the system says, and that more than one machine is meant.
pub(super) fn has_way_to(address: SocketAddr) -> io::Result<()> {
    let ip = address.ip().to_canonical();
    if ip.is_multicast() {
        return Err(of_many("a multicast address"));
    }
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    let Err(error) = socket.connect(&address.into()) else { return Ok(()) };
    // Only where broadcasts may be sent does the system connect to such an address (socket(7)).
    let is_broadcast = error.kind() == io::ErrorKind::PermissionDenied
        && ip.is_ipv4()
        && socket.set_broadcast(true).is_ok()
        && socket.connect(&address.into()).is_ok();
    Err(if is_broadcast { of_many("the broadcast address of a network") } else { error })
}

fn of_many(what: &str) -> io::Error {
    io::Error::other(format!("it is {what}, and not that of one machine: name the address of one"))
}

/// How well a socket bound to `bound` can reach `address`: the higher the better, and none where it
/// cannot at all.
pub(super) fn fitness(bound: SocketAddr, both: bool, address: SocketAddr) -> Option<u8> {
    let family = bound.is_ipv4() == address.is_ipv4() || (both && bound.ip().is_unspecified());
    let alike = bound.ip().is_loopback() == address.ip().is_loopback();
    match (family, bound.ip().is_unspecified(), alike) {
        (false, _, _) => None,
        (true, true, _) => Some(2),
        (true, false, true) => Some(1),
        (true, false, false) => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_taken_port_is_named() {
        let first = bind(&[address("127.0.0.1:0")]).unwrap();
        let taken = first[0].local_addr().unwrap();
        let error = bind(&[taken]).unwrap_err();
        assert!(matches!(error, ListenError::Taken(address) if address == taken), "{error}");
        assert!(error.to_string().contains("another djdns"), "{error}");
        let error = bind(&[address("192.0.2.77:0")]).unwrap_err();
        assert!(matches!(error, ListenError::NoSuchAddress(_)), "{error}");
    }

    #[test]
    fn an_address_of_many_machines_is_named_as_such() {
        let check = |text: &str, expect: Option<&str>| {
            let said = has_way_to(address(text)).err().map(|error| error.to_string());
            assert_eq!(said.is_some(), expect.is_some(), "{text}: {said:?}");
            assert!(said.is_none_or(|said| said.contains(expect.unwrap_or_default())), "{text}");
        };
        check("127.0.0.1:31415", None);
        check("127.255.255.255:31415", Some("the broadcast address of a network"));
        check("[::ffff:127.255.255.255]:31415", Some("the broadcast address of a network"));
        check("224.0.0.251:31415", Some("a multicast address"));
        check("[ff02::fb]:31415", Some("a multicast address"));
    }

    #[test]
    fn the_socket_that_can_reach_an_address_is_preferred() {
        let check = |bound: &str, both: bool, to: &str, expect: Option<u8>| {
            assert_eq!(fitness(address(bound), both, address(to)), expect, "{bound} to {to}");
        };
        check("[::]:1", true, "192.0.2.1:1", Some(2));
        check("[::]:1", false, "192.0.2.1:1", None);
        check("0.0.0.0:1", false, "192.0.2.1:1", Some(2));
        check("0.0.0.0:1", false, "[2001:db8::1]:1", None);
        check("127.0.0.1:1", false, "127.0.0.2:1", Some(1));
        check("127.0.0.1:1", false, "192.0.2.1:1", Some(0));
    }
}
