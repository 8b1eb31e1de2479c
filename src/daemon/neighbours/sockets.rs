//! The doors for other nodes: UDP sockets, and what is said when they cannot be had.
//!
//! What is spoken at them is not known here.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{config::peers::PeerDoor, dns::holder};

/// Sockets at which other nodes reach this one, and what somebody should know of them.
#[derive(Debug, Default)]
pub struct PeerDoors {
    pub sockets: Vec<UdpSocket>,
    /// What was not to be had, and the ways out, in sentences.
    pub notes: Vec<String>,
}

impl PeerDoors {
    /// Binds what can be bound: a node without peers still answers what it holds.
    pub fn open(door: &PeerDoor) -> PeerDoors {
        let mut doors = PeerDoors::default();
        for address in door.addresses() {
            match bind(*address) {
                Ok(socket) => doors.sockets.push(socket),
                Err(error) => doors.notes.push(not_had(*address, &error)),
            }
        }
        doors
    }
}

/// A socket of this address; where a machine has no IPv6, `[::]` is all of IPv4.
fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let all_of_v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port());
    match bind_one(address) {
        Err(error) if address.ip().is_unspecified() && address.is_ipv6() && has_no_v6(&error) => {
            bind_one(all_of_v4)
        }
        bound => bound,
    }
}

fn has_no_v6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

fn bind_one(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // `[::]` is reached by IPv4 as well; one address of IPv6 is not.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn not_had(address: SocketAddr, error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => match holder::of("udp", address) {
            Some(by) => format!("{address} (udp) is taken by {by}"),
            None => format!(
                "{address} (udp) is taken; `sudo ss -lnpu 'sport = :{}'` says by whom",
                address.port()
            ),
        },
        io::ErrorKind::AddrNotAvailable => format!("this machine has no address {address}"),
        _ => format!("{address}: {error}"),
    };
    let port = address.port().checked_add(1).unwrap_or(address.port() - 1);
    let other = SocketAddr::new(address.ip(), port);
    format!(
        "other nodes do not reach this one at {address}: {why}. Ways out: stop that program, or choose \
         another port with `--listen '{other}'` or `listen = [\"{other}\"]` below [peers]; `off` is for \
         a node without others"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_that_is_taken_is_told_of_with_the_ways_out_and_the_others_open() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = taken.local_addr().unwrap();
        let doors = PeerDoors::open(&PeerDoor::At(vec![at, "127.0.0.1:0".parse().unwrap()]));
        assert_eq!(doors.sockets.len(), 1);
        let [note] = &doors.notes[..] else { panic!("{:?}", doors.notes) };
        let pid = std::process::id().to_string();
        assert!(note.contains("is taken by") && note.contains(&pid), "{note}");
        assert!(note.contains("--listen") && note.contains("[peers]"), "{note}");
    }

    #[test]
    fn all_addresses_are_reached_by_both_families() {
        let doors = PeerDoors::open(&PeerDoor::At(vec!["[::]:0".parse().unwrap()]));
        let port = doors.sockets[0].local_addr().unwrap().port();
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        from.send_to(b"x", (Ipv4Addr::LOCALHOST, port)).unwrap();
        let mut byte = [0];
        doors.sockets[0].set_nonblocking(false).unwrap();
        doors.sockets[0].set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        assert_eq!(doors.sockets[0].recv(&mut byte).unwrap(), 1);
    }

    #[test]
    fn off_is_no_door_and_no_trouble() {
        let doors = PeerDoors::open(&PeerDoor::Off);
        assert!(doors.sockets.is_empty() && doors.notes.is_empty());
    }
}
