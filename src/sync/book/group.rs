//! The network that an address is in, as far as one holder is likely to have many addresses there (N7).

use std::net::{IpAddr, SocketAddr};

/// A network: the first 16 bits of an address of IPv4, the first 32 of one of IPv6 (what a provider
/// gets, and so what one attacker can have; as Bitcoin Core's netgroups).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    V4([u8; 2]),
    V6([u8; 4]),
}

impl Group {
    /// The network of an address.
    pub fn of(address: &SocketAddr) -> Group {
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, ..] = ip.octets();
                Group::V4([a, b])
            }
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.octets();
                Group::V6([a, b, c, d])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_provider_are_in_one_group() {
        let group = |text: &str| Group::of(&text.parse().unwrap());
        assert_eq!(group("192.0.2.1:1"), group("192.0.250.1:2"));
        assert_eq!(group("192.0.2.1:1"), group("[::ffff:192.0.2.9]:1"));
        assert_ne!(group("192.0.2.1:1"), group("192.1.2.1:1"));
        assert_eq!(group("[2001:db8::1]:1"), group("[2001:db8:ffff::1]:1"));
        assert_ne!(group("[2001:db8::1]:1"), group("[2001:db9::1]:1"));
    }
}
