//! Who may ask: prefixes of client addresses.
//!
//! This machine itself always may. A door that others can reach is opened only with a list of those
//! others, so that nobody becomes an open resolver by mistake (RFC 5358). What is answered, and how a
//! refusal looks, is not known here.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use serde::Deserialize;

/// The addresses that share their first bits: `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Prefix {
    first: IpAddr,
    bits: u8,
}

/// Why a text is no prefix.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    #[error(
        "`{0}` is no prefix of addresses: write one as 192.0.2.0/24, 2001:db8::/32 or 192.0.2.1"
    )]
    NotAPrefix(String),
    #[error(
        "`{given}` goes on after its {bits} bits: {meant} is the prefix, {host} the one address"
    )]
    TooLong { given: String, bits: u8, meant: Prefix, host: IpAddr },
}

impl Prefix {
    /// Whether the address is one of these.
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(address.to_canonical(), self.bits) == Some(self.first)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Prefix, PrefixError> {
        let not = || PrefixError::NotAPrefix(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| not())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| not())?;
        let bits = bits.unwrap_or(if address.is_ipv4() { 32 } else { 128 });
        let first = masked(address, bits).ok_or_else(not)?;
        let meant = Prefix { first, bits };
        if first == address {
            Ok(meant)
        } else {
            Err(PrefixError::TooLong { given: text.to_owned(), bits, meant, host: address })
        }
    }
}

impl TryFrom<String> for Prefix {
    type Error = PrefixError;

    fn try_from(text: String) -> Result<Prefix, PrefixError> {
        text.parse()
    }
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// The address with every bit after the first so many zero; `None` when it has not as many.
fn masked(address: IpAddr, bits: u8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => {
            let rest = 32u32.checked_sub(bits.into())?;
            let mask = u32::MAX.checked_shl(rest).unwrap_or(0);
            Some(IpAddr::V4((u32::from(address) & mask).into()))
        }
        IpAddr::V6(address) => {
            let rest = 128u32.checked_sub(bits.into())?;
            let mask = u128::MAX.checked_shl(rest).unwrap_or(0);
            Some(IpAddr::V6((u128::from(address) & mask).into()))
        }
    }
}

/// Who is answered: this machine, and these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    prefixes: Vec<Prefix>,
}

impl Access {
    /// This machine and the addresses with one of these prefixes.
    pub fn new(prefixes: Vec<Prefix>) -> Access {
        Access { prefixes }
    }

    /// Whether this client is answered.
    pub fn allows(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        client.is_loopback() || self.prefixes.iter().any(|prefix| prefix.contains(client))
    }

    /// Whether it has been said who may ask at this door.
    pub fn covers(&self, door: SocketAddr) -> bool {
        door.ip().to_canonical().is_loopback() || !self.prefixes.is_empty()
    }

    /// Refuses a door that other machines reach while nobody has said which of them may ask.
    ///
    /// # Errors
    /// [`NoAccessList`], for the first such door.
    pub fn check(&self, doors: &[SocketAddr]) -> Result<(), NoAccessList> {
        match doors.iter().find(|door| !self.covers(**door)) {
            Some(door) => Err(NoAccessList(*door)),
            None => Ok(()),
        }
    }
}

/// A door that others reach, without a list of those who may ask at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} can be reached from other machines: say in the configuration which may ask, as in \
     `allow = [\"192.0.2.0/24\"]`, or listen on 127.0.0.1 or [::1]"
)]
pub struct NoAccessList(pub SocketAddr);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_has_its_addresses_and_no_others() {
        let check = |prefix: &str, inside: &[&str], outside: &[&str]| {
            let prefix: Prefix = prefix.parse().unwrap();
            for (addresses, expect) in [(inside, true), (outside, false)] {
                for address in addresses {
                    assert_eq!(prefix.contains(address.parse().unwrap()), expect, "{address}");
                }
            }
        };
        check(
            "192.0.2.0/24",
            &["192.0.2.0", "192.0.2.255", "::ffff:192.0.2.7"],
            &["192.0.3.0", "192.0.1.255", "::c000:207", "::1"],
        );
        check("192.0.2.7", &["192.0.2.7"], &["192.0.2.6", "192.0.2.8"]);
        check("0.0.0.0/0", &["255.1.2.3"], &["2001:db8::1"]);
        check("::/0", &["2001:db8::1"], &["192.0.2.1"]);
        check("2001:db8::/33", &["2001:db8:7fff::1"], &["2001:db8:8000::1"]);
        check("2001:db8::1", &["2001:db8::1"], &["2001:db8::"]);
    }

    #[test]
    fn what_is_no_prefix_is_refused_with_what_was_meant() {
        let check = |text: &str, expect: &str| {
            let said = text.parse::<Prefix>().unwrap_err().to_string();
            assert!(said.contains(expect), "{said}");
        };
        check("192.0.2.1/24", "192.0.2.0/24 is the prefix, 192.0.2.1 the one address");
        for text in ["", "x", "192.0.2.0/33", "::/129", "192.0.2.0/", "192.0.2.0/-1", "/8"] {
            check(text, "is no prefix of addresses");
        }
    }

    #[test]
    fn this_machine_may_always_ask_and_others_only_by_the_list() {
        let access = Access::new(vec!["192.0.2.0/24".parse().unwrap()]);
        for (client, by_list) in
            [("127.0.0.9", true), ("::1", true), ("192.0.2.9", true), ("198.51.100.1", false)]
        {
            let client: IpAddr = client.parse().unwrap();
            assert_eq!(access.allows(client), by_list, "{client}");
            assert_eq!(Access::default().allows(client), client.is_loopback(), "{client}");
        }
        assert!(Access::default().covers("[::1]:53".parse().unwrap()));
        assert!(!Access::default().covers("0.0.0.0:53".parse().unwrap()));
        assert!(access.covers("0.0.0.0:53".parse().unwrap()));
    }
}
