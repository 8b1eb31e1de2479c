//! Where HTTP is answered, as a person writes it. Who listens there is not known here.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
};

use serde::Deserialize;

/// Where HTTP is answered, if anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum HttpDoor {
    Off,
    At(SocketAddr),
}

/// Why a text says no such thing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no place for HTTP: write an address with a port, as 127.0.0.1:8053, or off")]
pub struct HttpDoorRefusal(String);

impl HttpDoor {
    /// The address where nobody said another.
    const USUAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8053);

    /// The address, if there is one.
    pub fn address(self) -> Option<SocketAddr> {
        match self {
            HttpDoor::Off => None,
            HttpDoor::At(address) => Some(address),
        }
    }
}

impl Default for HttpDoor {
    fn default() -> HttpDoor {
        HttpDoor::At(HttpDoor::USUAL)
    }
}

impl FromStr for HttpDoor {
    type Err = HttpDoorRefusal;

    fn from_str(text: &str) -> Result<HttpDoor, HttpDoorRefusal> {
        match text {
            "off" => Ok(HttpDoor::Off),
            _ => text.parse().map(HttpDoor::At).map_err(|_| HttpDoorRefusal(text.to_owned())),
        }
    }
}

impl TryFrom<String> for HttpDoor {
    type Error = HttpDoorRefusal;

    fn try_from(text: String) -> Result<HttpDoor, HttpDoorRefusal> {
        text.parse()
    }
}

impl fmt::Display for HttpDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HttpDoor::Off => f.write_str("off"),
            HttpDoor::At(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_is_an_address_or_off() {
        let check = |text: &str, expect: Option<HttpDoor>| {
            let read = text.parse::<HttpDoor>();
            assert_eq!(read.clone().ok(), expect, "{text}");
            if let Ok(read) = read {
                assert_eq!(read.to_string(), text);
            }
        };
        check("off", Some(HttpDoor::Off));
        check("127.0.0.1:8053", Some(HttpDoor::default()));
        check("[::1]:80", Some(HttpDoor::At("[::1]:80".parse().unwrap())));
        for text in ["", "Off", "8053", "127.0.0.1", "localhost:8053"] {
            check(text, None);
        }
    }
}
