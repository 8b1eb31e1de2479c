//! Whom names outside the pages are asked of: servers, rules for parts of the name space, and names
//! that this machine answers itself.
//!
//! Plain data and how it is written. Where it was read, and how a server is spoken to, is not known
//! here.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use serde::Deserialize;

use crate::page::name::Name;

/// A server that resolves names for others.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Upstream {
    /// Where it is. Always an address: a name would have to be asked of the very server.
    pub address: SocketAddr,
    pub transport: Transport,
}

/// How a server is spoken to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP, and TCP for what does not fit (RFC 1035 section 4.2, RFC 7766).
    Plain,
    /// DNS over TLS (RFC 7858). The certificate must be for `name`: a host name, or an IP address
    /// in its text form.
    Tls { name: String },
    /// DNS over HTTPS (RFC 8484): `https://host/path`, where the port is that of the address. The
    /// certificate must be for `host`: a host name, or an IP address without brackets.
    Https { host: String, path: String },
}

/// The port of plain DNS (RFC 1035 section 4.2).
const PLAIN_PORT: u16 = 53;
/// The port of DNS over TLS (RFC 7858 section 3.1).
const TLS_PORT: u16 = 853;
/// The port of https (RFC 9110 section 4.2.2).
const HTTPS_PORT: u16 = 443;
/// The path that a URL without one means (RFC 8484 leaves it open; every public server has this).
const HTTPS_PATH: &str = "/dns-query";

/// Why a text names no upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no upstream: {why}; accepted are \"192.0.2.53\", \"192.0.2.53:5353\", \
     \"[2001:db8::53]:5353\", \"tls://192.0.2.1#dns.example\" and \
     \"https://dns.example/dns-query#192.0.2.1\""
)]
pub struct UpstreamRefusal {
    text: String,
    why: &'static str,
}

impl Upstream {
    /// Plain DNS on port 53 of this address.
    pub fn plain(ip: IpAddr) -> Upstream {
        Upstream { address: SocketAddr::new(ip, PLAIN_PORT), transport: Transport::Plain }
    }

    fn read(text: &str) -> Result<Upstream, &'static str> {
        if let Some(rest) = text.strip_prefix("tls://") {
            let (address, name) = match rest.split_once('#') {
                Some((address, name)) => (read_address(address, TLS_PORT)?, host(name)?),
                None => {
                    let address = read_address(rest, TLS_PORT)
                        .map_err(|_| "tls:// takes an address, and the server's name after `#`")?;
                    (address, address.ip().to_string())
                }
            };
            return Ok(Upstream { address, transport: Transport::Tls { name } });
        }
        if let Some(rest) = text.strip_prefix("https://") {
            return read_https(rest);
        }
        if text.contains("://") {
            return Err("the schemes are tls:// and https://");
        }
        let address = read_address(text, PLAIN_PORT)?;
        Ok(Upstream { address, transport: Transport::Plain })
    }
}

/// Reads `host[:port][/path][#address]`.
fn read_https(rest: &str) -> Result<Upstream, &'static str> {
    let (url, bootstrap) = match rest.split_once('#') {
        Some((url, bootstrap)) => (url, Some(bootstrap)),
        None => (rest, None),
    };
    let (authority, path) = match url.find('/') {
        Some(at) => url.split_at(at),
        None => (url, HTTPS_PATH),
    };
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) || path.contains('{') {
        return Err("the path of the URL is not plain ASCII");
    }
    if path.parse::<http::uri::PathAndQuery>().is_err() {
        return Err("the path of the URL is none");
    }
    let path = path.to_owned();
    if let Ok(address) = read_address(authority, HTTPS_PORT) {
        let ip = match bootstrap {
            Some(text) => bare_ip(text)?,
            None => address.ip(),
        };
        let host = address.ip().to_string();
        let address = SocketAddr::new(ip, address.port());
        return Ok(Upstream { address, transport: Transport::Https { host, path } });
    }
    let (name, port) = match authority.split_once(':') {
        Some((name, port)) => (name, read_port(port)?),
        None => (authority, HTTPS_PORT),
    };
    let host = host(name)?;
    let bootstrap = bootstrap.ok_or(
        "its own address is missing after `#`, and cannot be asked of a server not yet reached",
    )?;
    let address = SocketAddr::new(bare_ip(bootstrap)?, port);
    Ok(Upstream { address, transport: Transport::Https { host, path } })
}

/// Reads an address with or without a port. An IPv6 address without a port takes no brackets, or may.
fn read_address(text: &str, port: u16) -> Result<SocketAddr, &'static str> {
    let address = match text.parse::<SocketAddr>() {
        Ok(address) => address,
        Err(_) => SocketAddr::new(bare_ip(text)?, port),
    };
    if address.port() == 0 {
        return Err("port 0 cannot be asked");
    }
    if is_nobody(address.ip()) {
        return Err("that address is no server's");
    }
    Ok(address)
}

fn bare_ip(text: &str) -> Result<IpAddr, &'static str> {
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let ip: IpAddr = match inside {
        Some(text) => text.parse().map(IpAddr::V6),
        None => text.parse(),
    }
    .map_err(|_| "where an IP address belongs, there is none")?;
    if is_nobody(ip) {
        return Err("that address is no server's");
    }
    Ok(ip)
}

fn is_nobody(ip: IpAddr) -> bool {
    let broadcast = IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
    ip.is_unspecified() || ip.is_multicast() || ip.to_canonical() == broadcast
}

fn read_port(text: &str) -> Result<u16, &'static str> {
    text.parse().ok().filter(|port| *port > 0).ok_or("the port is not a number from 1 to 65535")
}

/// A host name as a certificate has it: lower case, no final dot.
fn host(text: &str) -> Result<String, &'static str> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if text.parse::<IpAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    if text.is_empty() || !text.bytes().all(plain) || Name::parse(text).is_err() {
        return Err("the server's name is no host name");
    }
    Ok(text.to_ascii_lowercase())
}

impl FromStr for Upstream {
    type Err = UpstreamRefusal;

    fn from_str(text: &str) -> Result<Upstream, UpstreamRefusal> {
        Upstream::read(text).map_err(|why| UpstreamRefusal { text: text.to_owned(), why })
    }
}

impl TryFrom<String> for Upstream {
    type Error = UpstreamRefusal;

    fn try_from(text: String) -> Result<Upstream, UpstreamRefusal> {
        text.parse()
    }
}

/// As it is written in a configuration, where it can be read again (without the scope of a
/// link-local address, which is this machine's own numbering).
impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ip, port) = (self.address.ip(), self.address.port());
        let at = |usual: u16| match port == usual {
            true => ip.to_string(),
            false => SocketAddr::new(ip, port).to_string(),
        };
        match &self.transport {
            Transport::Plain => f.write_str(&at(PLAIN_PORT)),
            Transport::Tls { name } => write!(f, "tls://{}#{name}", at(TLS_PORT)),
            Transport::Https { host, path } => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                let port = if port == HTTPS_PORT { String::new() } else { format!(":{port}") };
                write!(f, "https://{host}{port}{path}#{ip}")
            }
        }
    }
}

/// Whom to ask for which names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upstreams {
    default: Vec<Upstream>,
    /// By suffix, in lower-case wire form.
    rules: HashMap<Box<[u8]>, Vec<Upstream>>,
}

impl Upstreams {
    /// `default` for every name that is neither one of the names of `rules` nor below one.
    pub fn new(default: Vec<Upstream>, rules: Vec<(Name, Vec<Upstream>)>) -> Upstreams {
        let rules = rules.into_iter().map(|(suffix, to)| (suffix.wire().into(), to)).collect();
        Upstreams { default, rules }
    }

    /// Whom to ask for a name in lower-case wire form: the longest rule wins. Empty: nobody.
    pub fn for_name(&self, wire_lowercase_name: &[u8]) -> &[Upstream] {
        if self.rules.is_empty() {
            return &self.default;
        }
        suffixes(wire_lowercase_name)
            .find_map(|suffix| self.rules.get(suffix))
            .unwrap_or(&self.default)
    }

    /// Whom to ask where no rule says otherwise.
    pub fn usual(&self) -> &[Upstream] {
        &self.default
    }

    /// Every server once, those of rules included: for measuring and for probing them.
    pub fn all(&self) -> Vec<&Upstream> {
        let mut all: Vec<&Upstream> = Vec::new();
        for upstream in self.default.iter().chain(self.rules.values().flatten()) {
            if !all.contains(&upstream) {
                all.push(upstream);
            }
        }
        all
    }
}

/// The name and every name above it, the root last; nothing where the bytes are no name.
fn suffixes(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(wire).filter(|wire| !wire.is_empty());
    std::iter::from_fn(move || {
        let now = rest?;
        let len = usize::from(now[0]);
        rest = now.get(1 + len..).filter(|above| len > 0 && !above.is_empty());
        Some(now)
    })
}

/// Names that this machine answers itself: from its configuration and its hosts file.
///
/// A name that is here is answered from here alone: asked for a type that it does not have, it has
/// no data (NODATA), and nobody else is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    addresses: HashMap<Box<[u8]>, Vec<IpAddr>>,
    /// By the name below `in-addr.arpa` or `ip6.arpa`.
    names: HashMap<Box<[u8]>, Vec<Name>>,
}

impl Overrides {
    /// Adds an address of a name. `pointed_at`: the address leads back to this name (PTR), which
    /// for an alias it does not (hosts(5)), and never from 0.0.0.0 or `::`, which only block.
    pub fn add(&mut self, name: &Name, address: IpAddr, pointed_at: bool) {
        push_new(self.addresses.entry(name.wire().into()).or_default(), address);
        if pointed_at && !address.is_unspecified() {
            push_new(self.names.entry(reverse_name(address)).or_default(), name.clone());
        }
    }

    /// These, and of `below` what is about other names and other addresses.
    #[must_use]
    pub fn over(mut self, below: Overrides) -> Overrides {
        for (name, addresses) in below.addresses {
            self.addresses.entry(name).or_insert(addresses);
        }
        for (reverse, names) in below.names {
            self.names.entry(reverse).or_insert(names);
        }
        self
    }

    /// The addresses of a name in lower-case wire form, of both families, if it is here.
    pub fn addresses(&self, wire_lowercase_name: &[u8]) -> Option<&[IpAddr]> {
        self.addresses.get(wire_lowercase_name).map(Vec::as_slice)
    }

    /// What a name below `in-addr.arpa` or `ip6.arpa`, in lower-case wire form, points to.
    pub fn names(&self, wire_lowercase_name: &[u8]) -> Option<&[Name]> {
        self.names.get(wire_lowercase_name).map(Vec::as_slice)
    }

    /// How many names are here.
    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// The name whose PTR says what an address is called (RFC 1035 section 3.5, RFC 3596 section 2.5).
fn reverse_name(address: IpAddr) -> Box<[u8]> {
    let mut wire = Vec::with_capacity(74);
    let mut label = |text: &str| {
        wire.push(text.len() as u8);
        wire.extend_from_slice(text.as_bytes());
    };
    match address {
        IpAddr::V4(ip) => {
            ip.octets().iter().rev().for_each(|octet| label(&octet.to_string()));
            label("in-addr");
        }
        IpAddr::V6(ip) => {
            for octet in ip.octets().iter().rev() {
                label(&format!("{:x}", octet & 0x0f));
                label(&format!("{:x}", octet >> 4));
            }
            label("ip6");
        }
    }
    label("arpa");
    wire.push(0);
    wire.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn upstream(text: &str) -> Upstream {
        text.parse().unwrap()
    }

    #[test]
    fn an_upstream_is_written_in_five_ways() {
        let check = |text: &str, address: &str, shown: &str| {
            let read = upstream(text);
            assert_eq!(read.address, address.parse().unwrap(), "{text}");
            assert_eq!(read.to_string(), shown, "{text}");
            assert_eq!(upstream(shown), read, "{text}");
        };
        check("192.0.2.53", "192.0.2.53:53", "192.0.2.53");
        check("192.0.2.53:5353", "192.0.2.53:5353", "192.0.2.53:5353");
        check("2001:db8::53", "[2001:db8::53]:53", "2001:db8::53");
        check("[2001:db8::53]", "[2001:db8::53]:53", "2001:db8::53");
        check("[2001:db8::53]:54", "[2001:db8::53]:54", "[2001:db8::53]:54");
        check("tls://192.0.2.1#DNS.example.", "192.0.2.1:853", "tls://192.0.2.1#dns.example");
        check("tls://192.0.2.1", "192.0.2.1:853", "tls://192.0.2.1#192.0.2.1");
        let v6 = "tls://[2001:db8::1]:8853#dns.example";
        check(v6, "[2001:db8::1]:8853", v6);
        let https = "https://dns.example/dns-query#192.0.2.1";
        check(https, "192.0.2.1:443", https);
        check("https://dns.example#192.0.2.1", "192.0.2.1:443", https);
        let other_port = "https://dns.example:8443/q#2001:db8::1";
        check(other_port, "[2001:db8::1]:8443", other_port);
        let address = "https://192.0.2.1/dns-query";
        check(address, "192.0.2.1:443", "https://192.0.2.1/dns-query#192.0.2.1");
        let v6 = "https://[2001:db8::1]/dns-query#2001:db8::1";
        check(v6, "[2001:db8::1]:443", v6);
    }

    #[test]
    fn what_is_no_upstream_is_refused_with_what_is_accepted() {
        let check = |text: &str, expect: &str| {
            let refusal = text.parse::<Upstream>().unwrap_err().to_string();
            assert!(refusal.contains(expect), "{refusal}");
            assert!(refusal.contains("tls://192.0.2.1#dns.example"), "{refusal}");
        };
        check("", "no upstream");
        check("dns.example", "IP address");
        check("192.0.2.53:0", "port 0");
        check("192.0.2.53:99999", "IP address");
        check("0.0.0.0", "no server's");
        check("255.255.255.255", "no server's");
        check("[::ffff:255.255.255.255]:53", "no server's");
        check("0.0.0.0:53", "no server's");
        check("udp://192.0.2.1", "schemes");
        check("tls://dns.example", "name after `#`");
        check("tls://192.0.2.1#", "host name");
        check("tls://192.0.2.1#a b", "host name");
        check("https://dns.example/dns-query", "missing after `#`");
        check("https://dns.example/dns-query#dns.example", "IP address");
        check("https://dns.example:x/#192.0.2.1", "port");
        check("https://dns.example/dns-query{?dns}#192.0.2.1", "path");
        check("https://dns.example/dns<query#192.0.2.1", "path");
    }

    #[test]
    fn the_longest_rule_wins_and_labels_are_whole() {
        let of = |text: &str| vec![upstream(text)];
        let upstreams = Upstreams::new(
            of("192.0.2.1"),
            vec![
                (name("corp.example"), of("10.0.0.1")),
                (name("lab.corp.example"), of("10.0.0.2")),
            ],
        );
        let check = |asked: &str, expect: &str| {
            assert_eq!(upstreams.for_name(name(asked).wire()), of(expect), "{asked}");
        };
        check("example", "192.0.2.1");
        check(".", "192.0.2.1");
        check("corp.example", "10.0.0.1");
        check("a.b.corp.example", "10.0.0.1");
        check("uncorp.example", "192.0.2.1");
        check("lab.corp.example", "10.0.0.2");
        check("x.lab.corp.example", "10.0.0.2");
        assert_eq!(upstreams.all().len(), 3);
        let root = Upstreams::new(of("192.0.2.1"), vec![(Name::root(), of("10.0.0.1"))]);
        assert_eq!(root.for_name(name("a.b").wire()), of("10.0.0.1"));
        assert!(Upstreams::default().for_name(name("a").wire()).is_empty());
        // Bytes that are no name ask the default, and break nothing.
        assert_eq!(upstreams.for_name(&[63, 1]), of("192.0.2.1"));
        assert_eq!(upstreams.for_name(&[]), of("192.0.2.1"));
    }

    #[test]
    fn what_is_over_wins_name_by_name() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut own = Overrides::default();
        own.add(&name("printer.lan"), ip("192.168.1.9"), true);
        let mut hosts = Overrides::default();
        hosts.add(&name("printer.lan"), ip("192.168.1.8"), true);
        hosts.add(&name("nas.lan"), ip("192.168.1.7"), true);
        hosts.add(&name("nas"), ip("192.168.1.7"), false);
        hosts.add(&name("ads.example"), ip("0.0.0.0"), true);
        hosts.add(&name("nas.lan"), ip("2001:db8::7"), true);
        let all = own.over(hosts);
        assert_eq!(all.len(), 4);
        assert_eq!(all.addresses(name("printer.lan").wire()), Some(&[ip("192.168.1.9")][..]));
        assert_eq!(all.addresses(name("nas.lan").wire()).map(<[IpAddr]>::len), Some(2));
        assert_eq!(all.addresses(name("lan").wire()), None);
        let reverse = |text: &str| all.names(name(text).wire());
        assert_eq!(reverse("7.1.168.192.in-addr.arpa"), Some(&[name("nas.lan")][..]));
        assert_eq!(reverse("0.0.0.0.in-addr.arpa"), None);
        let zeros = "0.".repeat(23);
        let v6 = format!("7.{zeros}8.b.d.0.1.0.0.2.ip6.arpa");
        assert_eq!(reverse(&v6), Some(&[name("nas.lan")][..]));
    }
}
