//! How the section `[peers]` is written: where other nodes reach this one, and whom it contacts.
//!
//! Each piece refuses what it is not while it is read, so that the fault has a line. Who listens, and
//! how a node is found, is not known here.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, de};

use super::words;
use crate::{
    beacon::Code,
    limits::PEERS_PORT,
    page::name::{self, Name},
};

/// The section `[peers]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Peers {
    /// Where other nodes reach this one; none: the usual place.
    pub listen: Option<PeerDoor>,
    /// Nodes that are contacted besides those that are found.
    pub contact: Vec<Contact>,
    /// How nodes of the same network are looked for; in both ways, unless this says otherwise.
    pub lan: Option<Lan>,
    /// Whether a router is asked to let other nodes in; it is, unless this says `false`.
    pub port_mapping: Option<bool>,
}

/// Where other nodes reach this one over QUIC, if anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerDoor {
    /// Nowhere, and none is contacted.
    Off,
    /// At these addresses; at least one.
    At(Vec<SocketAddr>),
}

/// One address for [`PeerDoor`], or `off`, as `--listen` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    Off,
    At(SocketAddr),
}

/// Why addresses are no [`PeerDoor`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DoorRefusal {
    #[error("`off` stands beside an address: write one of the two")]
    OffAndOn,
    #[error("no address: write \"off\" if other nodes are not to reach this one")]
    Nothing,
    #[error("{0} is here twice: keep one of them")]
    Twice(SocketAddr),
}

/// How nodes of the same network are looked for, and this one shows itself to them (D2): `true`,
/// `"dns-sd"`, `"broadcast"` or `false`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lan {
    #[default]
    Both,
    DnsSd,
    Broadcast,
    Off,
}

/// A node that a person names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contact {
    /// Whoever answers there.
    Address(SocketAddr),
    /// A name, and the port at its addresses, unless its BEACON records say more.
    Host(Name, u16),
    /// A beacon code (D1).
    Code(Code),
}

impl PeerDoor {
    /// The addresses; none: off.
    pub fn addresses(&self) -> &[SocketAddr] {
        match self {
            PeerDoor::Off => &[],
            PeerDoor::At(addresses) => addresses,
        }
    }

    /// What these say together.
    ///
    /// # Errors
    /// [`DoorRefusal`].
    pub fn of(said: &[Listen]) -> Result<PeerDoor, DoorRefusal> {
        let addresses: Vec<SocketAddr> = said.iter().filter_map(|one| one.address()).collect();
        match (said.len(), addresses.len()) {
            (0, _) => return Err(DoorRefusal::Nothing),
            (_, 0) => return Ok(PeerDoor::Off),
            (all, some) if some < all => return Err(DoorRefusal::OffAndOn),
            _ => {}
        }
        // With port 0 the system chooses one each time.
        let twice = |(n, address): &(usize, &SocketAddr)| {
            address.port() != 0 && addresses[..*n].contains(address)
        };
        match addresses.iter().enumerate().find(twice) {
            Some((_, address)) => Err(DoorRefusal::Twice(*address)),
            None => Ok(PeerDoor::At(addresses)),
        }
    }
}

impl Lan {
    pub fn has_dns_sd(self) -> bool {
        matches!(self, Lan::Both | Lan::DnsSd)
    }

    pub fn has_broadcast(self) -> bool {
        matches!(self, Lan::Both | Lan::Broadcast)
    }
}

/// All addresses of this machine, of both families.
impl Default for PeerDoor {
    fn default() -> PeerDoor {
        PeerDoor::At(vec![SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), PEERS_PORT)])
    }
}

impl Listen {
    fn address(self) -> Option<SocketAddr> {
        match self {
            Listen::Off => None,
            Listen::At(address) => Some(address),
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Listen, String> {
        match text {
            "off" => Ok(Listen::Off),
            _ => words::address_with(text, PEERS_PORT).map(Listen::At),
        }
    }
}

impl FromStr for Contact {
    type Err = String;

    fn from_str(text: &str) -> Result<Contact, String> {
        let head = text.get(..CODE.len()).unwrap_or_default();
        if head.eq_ignore_ascii_case(CODE) {
            let code = text.parse::<Code>();
            return code.map(Contact::Code).map_err(|refusal| refusal.to_string());
        }
        if let Ok(address) = text.parse() {
            return usable(address, text).map(Contact::Address);
        }
        if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            return usable(SocketAddr::new(ip, PEERS_PORT), text).map(Contact::Address);
        }
        let refused = || {
            format!(
                "`{text}` names no node: accepted are an address, as 192.0.2.7:{PEERS_PORT} or \
                 [2001:db8::7]:{PEERS_PORT}, a name, as node.example, and a beacon, as DMCT:…"
            )
        };
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| refused())?),
            None => (text, PEERS_PORT),
        };
        let is_name =
            !host.contains([':', '/', '@', '[', ']']) && !host.contains(char::is_whitespace);
        let name = name::to_ascii(host).and_then(|ascii| Name::parse(&ascii));
        match name {
            Ok(name) if is_name && !name.is_root() && port > 0 => Ok(Contact::Host(name, port)),
            _ => Err(refused()),
        }
    }
}

/// How a beacon code begins (D1).
const CODE: &str = "DMCT:";

/// An address at which somebody can be.
fn usable(address: SocketAddr, text: &str) -> Result<SocketAddr, String> {
    let is_everybody = match address.ip().to_canonical() {
        IpAddr::V4(ip) => ip.is_multicast() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_multicast(),
    };
    match is_everybody || address.ip().is_unspecified() || address.port() == 0 {
        true => Err(format!("nobody can be reached at `{text}`: name the address of one machine")),
        false => Ok(address),
    }
}

impl fmt::Display for PeerDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.addresses() {
            [] => f.write_str("off"),
            addresses => {
                let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                f.write_str(&texts.join(", "))
            }
        }
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Contact::Address(address) => address.fmt(f),
            Contact::Host(name, PEERS_PORT) => name.fmt(f),
            Contact::Host(name, port) => write!(f, "{name}:{port}"),
            Contact::Code(code) => code.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for PeerDoor {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<PeerDoor, D::Error> {
        reader.deserialize_any(Lines)
    }
}

impl fmt::Display for Lan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lan::Both => "true",
            Lan::DnsSd => "dns-sd",
            Lan::Broadcast => "broadcast",
            Lan::Off => "false",
        })
    }
}

impl<'de> Deserialize<'de> for Lan {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Lan, D::Error> {
        reader.deserialize_any(OneLan)
    }
}

impl<'de> Deserialize<'de> for Contact {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Contact, D::Error> {
        String::deserialize(reader)?.parse().map_err(de::Error::custom)
    }
}

/// Reads a list of addresses, or one text.
struct Lines;

impl<'de> de::Visitor<'de> for Lines {
    type Value = PeerDoor;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of addresses, as [\"[::]:{PEERS_PORT}\"], or \"off\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<PeerDoor, E> {
        let one = text.parse().map_err(E::custom)?;
        PeerDoor::of(&[one]).map_err(E::custom)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<PeerDoor, A::Error> {
        let mut said = Vec::new();
        while let Some(text) = list.next_element::<String>()? {
            said.push(text.parse().map_err(de::Error::custom)?);
        }
        PeerDoor::of(&said).map_err(de::Error::custom)
    }
}

/// Reads a yes, a no, or the one way.
struct OneLan;

impl de::Visitor<'_> for OneLan {
    type Value = Lan;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, \"dns-sd\" or \"broadcast\"")
    }

    fn visit_bool<E: de::Error>(self, yes: bool) -> Result<Lan, E> {
        Ok(if yes { Lan::Both } else { Lan::Off })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Lan, E> {
        match text {
            "dns-sd" => Ok(Lan::DnsSd),
            "broadcast" => Ok(Lan::Broadcast),
            _ => Err(E::custom(format!(
                "`{text}` is no way to find nodes of this network: write true, false, \"dns-sd\" or \
                 \"broadcast\""
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_door_for_nodes_is_a_list_of_addresses_or_off() {
        let check = |text: &str, expect: Result<&str, &str>| {
            let read = Config::parse(&format!("[peers]\nlisten = {text}\n"));
            match (read, expect) {
                (Ok(config), Ok(shown)) => {
                    assert_eq!(config.peers.listen.unwrap().to_string(), shown, "{text}");
                }
                (Err((line, message)), Err(words)) => {
                    assert_eq!(line, 2, "{text}: {message}");
                    assert!(message.contains(words), "{text}: {message}");
                }
                (read, _) => panic!("{text}: {read:?}"),
            }
        };
        check("\"off\"", Ok("off"));
        check("[\"off\"]", Ok("off"));
        check("\"127.0.0.1:1\"", Ok("127.0.0.1:1"));
        check("[\"127.0.0.1:0\", \"127.0.0.1:0\"]", Ok("127.0.0.1:0, 127.0.0.1:0"));
        check("[\"127.0.0.1:1\", \"off\"]", Err("write one of the two"));
        check("[\"127.0.0.1:1\", \"127.0.0.1:1\"]", Err("here twice"));
        check("[]", Err("write \"off\""));
        check("[\"127.0.0.1\"]", Err("write 127.0.0.1:31415"));
        check("5", Err("[\"[::]:31415\"], or \"off\""));
        assert_eq!(PeerDoor::default().to_string(), "[::]:31415");
    }

    #[test]
    fn nodes_of_this_network_are_looked_for_in_one_way_in_both_or_not() {
        let check = |text: &str, expect: Result<&str, &str>| {
            let read = Config::parse(&format!("[peers]\nlan = {text}\n"));
            let shown = read.map(|config| config.peers.lan.unwrap().to_string());
            match expect {
                Ok(expect) => assert_eq!(shown.as_deref(), Ok(expect)),
                Err(words) => assert!(shown.unwrap_err().1.contains(words), "{text}"),
            }
        };
        check("true", Ok("true"));
        check("false", Ok("false"));
        check("\"dns-sd\"", Ok("dns-sd"));
        check("\"broadcast\"", Ok("broadcast"));
        check("\"mdns\"", Err("`mdns` is no way"));
        check("5", Err("expected true, false"));
    }

    #[test]
    fn a_node_is_named_by_an_address_a_name_or_a_beacon() {
        let check = |text: &str, expect: Result<&str, &str>| {
            let read = text.parse::<Contact>();
            let shown = read.as_ref().map(ToString::to_string);
            match expect {
                Ok(expect) => assert_eq!(shown.as_deref(), Ok(expect), "{text}"),
                Err(words) => assert!(read.unwrap_err().contains(words), "{text}"),
            }
        };
        check("192.0.2.7", Ok("192.0.2.7:31415"));
        check("192.0.2.7:1", Ok("192.0.2.7:1"));
        check("2001:db8::7", Ok("[2001:db8::7]:31415"));
        check("[2001:db8::7]:1", Ok("[2001:db8::7]:1"));
        check("Node.example", Ok("node.example."));
        check("node.example:1", Ok("node.example.:1"));
        check("dmct:0.5428:31415:A3f2c8b9", Ok("DMCT:0.5428:31415:a3f2c8b9"));
        check("DMCT:0.5428:31415", Err("cut off or damaged"));
        for text in ["", ".", "a..b", "node.example:x", "node.example:0", "https://node", "a b"] {
            check(text, Err("accepted are an address"));
        }
        check("0.0.0.0:1", Err("nobody can be reached"));
        check("192.0.2.7:0", Err("nobody can be reached"));
        for many in ["224.0.0.251:5353", "255.255.255.255", "[ff02::fb]:1", "::ffff:224.0.0.1"] {
            check(many, Err("nobody can be reached"));
        }
    }
}
