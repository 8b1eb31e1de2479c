//! The addresses of this machine's network interfaces: where it can be reached, and where it may speak.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use if_addrs::{IfAddr, Interface};

use crate::limits::BEACON_ADDRESSES_MAX;

/// Where this machine can be reached at the addresses that are listened on, for its beacon: those of
/// interfaces that are up, global ones first. Where there are no others those of the link in IPv6, with
/// which somebody on it can do something only because he hears the beacon there; and where there is no
/// link those of the loopback. At most [`BEACON_ADDRESSES_MAX`].
pub fn own_addresses(listening: &[SocketAddr]) -> Vec<SocketAddr> {
    let interfaces: Vec<IpAddr> = up().iter().map(Interface::ip).collect();
    choose(listening, &interfaces)
}

fn choose(listening: &[SocketAddr], interfaces: &[IpAddr]) -> Vec<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for listened in listening {
        let at = |ip: &IpAddr| SocketAddr::new(*ip, listened.port());
        if listened.ip().is_unspecified() {
            // A socket of IPv6 takes both, unless another has the port in IPv4: then it is listed twice.
            let takes = |ip: &&IpAddr| listened.is_ipv6() || ip.is_ipv4();
            addresses.extend(interfaces.iter().filter(takes).map(at));
        } else {
            addresses.push(at(&listened.ip()));
        }
    }
    addresses.retain(|address| !address.ip().is_unspecified() && !address.ip().is_multicast());
    addresses.sort_by_key(|address| (rank(&address.ip()), *address));
    addresses.dedup();
    // What is worth less is named only where there is nothing that is worth more.
    let best = addresses.first().map_or(0, |address| rank(&address.ip()).max(ELSEWHERE));
    addresses.retain(|address| rank(&address.ip()) <= best);
    addresses.truncate(BEACON_ADDRESSES_MAX);
    addresses
}

/// Up to this rank an address means something to others by itself.
const ELSEWHERE: u8 = 2;

/// The order in which addresses are worth naming.
fn rank(ip: &IpAddr) -> u8 {
    match ip {
        ip if ip.is_loopback() => 4,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => 3,
        IpAddr::V4(ip) if ip.is_link_local() => 2,
        IpAddr::V4(ip) => u8::from(ip.is_private()),
        IpAddr::V6(ip) => u8::from(ip.is_unique_local()),
    }
}

/// Where a broadcast of IPv4 reaches somebody. Computed: not every interface was told its own.
pub fn broadcasts() -> Vec<Ipv4Addr> {
    let broadcast = |interface: &Interface| match &interface.addr {
        IfAddr::V4(v4) if !v4.is_loopback() && v4.prefixlen <= 30 => Some(v4.ip | !v4.netmask),
        _ => None,
    };
    let mut addresses: Vec<Ipv4Addr> = up().iter().filter_map(broadcast).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// The interfaces over which multicast of IPv6 reaches somebody.
pub fn multicast_indices() -> Vec<u32> {
    let index = |interface: &Interface| match &interface.addr {
        IfAddr::V6(v6) if !v6.is_loopback() => interface.index,
        _ => None,
    };
    let mut indices: Vec<u32> = up().iter().filter_map(index).collect();
    indices.sort_unstable();
    indices.dedup();
    indices
}

fn up() -> Vec<Interface> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::debug!("the network interfaces cannot be listed: {error}");
        Vec::new()
    });
    interfaces.into_iter().filter(Interface::is_oper_up).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(listening: &[&str], interfaces: &[&str], expect: &[&str]) {
        let listening: Vec<SocketAddr> =
            listening.iter().map(|address| address.parse().unwrap()).collect();
        let interfaces: Vec<IpAddr> = interfaces.iter().map(|ip| ip.parse().unwrap()).collect();
        let chosen = choose(&listening, &interfaces);
        let chosen: Vec<String> = chosen.iter().map(SocketAddr::to_string).collect();
        assert_eq!(chosen, expect);
    }

    #[test]
    fn global_addresses_come_first_and_the_loopback_only_alone() {
        let all =
            ["127.0.0.1", "::1", "192.168.0.9", "fe80::1", "fd00::1", "2001:db8::1", "8.8.8.8"];
        let both = ["8.8.8.8:9", "[2001:db8::1]:9", "192.168.0.9:9", "[fd00::1]:9"];
        check(&["[::]:9"], &all, &both);
        check(&["0.0.0.0:9"], &all, &["8.8.8.8:9", "192.168.0.9:9"]);
        check(&["0.0.0.0:9", "[::]:9"], &all, &both);
        check(&["[::]:9"], &all[..2], &["127.0.0.1:9", "[::1]:9"]);
        check(&["[::]:9"], &["127.0.0.1", "fe80::1"], &["[fe80::1]:9"]);
        check(&["127.0.0.1:9"], &all, &["127.0.0.1:9"]);
        check(&["192.168.0.9:9", "127.0.0.1:9"], &all, &["192.168.0.9:9"]);
        check(&["0.0.0.0:9"], &["169.254.1.1", "10.0.0.1"], &["10.0.0.1:9", "169.254.1.1:9"]);
    }

    #[test]
    fn of_many_addresses_as_many_are_named_as_fit_a_beacon() {
        let count = |n: u8| {
            let interfaces: Vec<IpAddr> = (0..n).map(|n| IpAddr::from([10, 0, 0, n])).collect();
            choose(&["[::]:9".parse().unwrap()], &interfaces).len()
        };
        let most = BEACON_ADDRESSES_MAX;
        assert_eq!(count(most as u8 - 1), most - 1);
        assert_eq!(count(most as u8), most);
        assert_eq!(count(most as u8 + 1), most);
    }

    #[test]
    fn this_machine_has_an_address() {
        assert!(!own_addresses(&["0.0.0.0:9".parse().unwrap()]).is_empty());
    }
}
