//! Reads what systemd-resolved was told by whoever administers a machine: resolved.conf(5).
//!
//! That must be read from its own files: `djdns system enable` empties its `DNS=`, so what
//! systemd-resolved says of itself then names only djdns. Whether a server may be asked is not known
//! here.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use super::{
    resolv_conf::Nameserver,
    system_dns::{place, read},
};

/// The file that `djdns system enable` writes: what it says is no setting of this machine's.
pub const OURS: &str = "djdns.conf";

/// The main file: the first one counts alone (resolved.conf(5), "Configuration directories").
const MAIN: [&str; 4] = [
    "/etc/systemd/resolved.conf",
    "/run/systemd/resolved.conf",
    "/usr/local/lib/systemd/resolved.conf",
    "/usr/lib/systemd/resolved.conf",
];

/// The directories beside it: all files count, in the order of their names, whichever directory they
/// are in; of one name only that in the first directory.
const PARTS: [&str; 4] = [
    "/etc/systemd/resolved.conf.d",
    "/run/systemd/resolved.conf.d",
    "/usr/local/lib/systemd/resolved.conf.d",
    "/usr/lib/systemd/resolved.conf.d",
];

/// What an administrator set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvedConf {
    /// `DNS=`: asked beside the servers of the interfaces.
    pub servers: Vec<Nameserver>,
    /// `FallbackDNS=`: asked if nobody else is known.
    pub fallback: Vec<Nameserver>,
    /// `Domains=` has `~.`: the servers of the interfaces are not asked.
    pub alone: bool,
    /// `DNSOverTLS=` is neither unset nor off.
    pub encrypted: bool,
}

/// Every file and directory that [`ResolvedConf::read`] looks at.
pub fn places() -> impl Iterator<Item = &'static str> {
    MAIN.into_iter().chain(PARTS)
}

impl ResolvedConf {
    /// Reads all files below a root, but ours.
    pub fn read(root: &Path) -> ResolvedConf {
        let main = MAIN.iter().find_map(|path| read(root, Path::new(path)));
        let mut parts = BTreeMap::new();
        for directory in PARTS.map(Path::new) {
            let entries = place(root, directory).and_then(|at| fs::read_dir(at).ok());
            for name in entries.into_iter().flatten().flatten().map(|entry| entry.file_name()) {
                let path = directory.join(&name);
                let counts = path.extension().is_some_and(|end| end == "conf") && name != OURS;
                if counts && !parts.contains_key(&name) {
                    parts.insert(name, read(root, &path));
                }
            }
        }
        let texts = main.into_iter().chain(parts.into_values().flatten());
        let mut conf = ResolvedConf::default();
        texts.for_each(|text| conf.take(&text));
        conf
    }

    fn take(&mut self, text: &str) {
        let mut section = "";
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                section = line;
            }
            let Some((key, value)) = line.split_once('=') else { continue };
            if section != "[Resolve]" || line.starts_with(['#', ';']) {
                continue;
            }
            match (key.trim(), value.trim()) {
                // systemd.syntax(7): an empty value takes back what was said before.
                ("DNS", "") => self.servers.clear(),
                ("FallbackDNS", "") => self.fallback.clear(),
                ("Domains", "") => self.alone = false,
                ("DNS", list) => self.servers.extend(servers(list)),
                ("FallbackDNS", list) => self.fallback.extend(servers(list)),
                ("Domains", list) => self.alone |= list.split_whitespace().any(|one| one == "~."),
                ("DNSOverTLS", value) => {
                    self.encrypted = !["", "no", "false", "off", "0"].contains(&value);
                }
                _ => {}
            }
        }
    }
}

fn servers(list: &str) -> impl Iterator<Item = Nameserver> {
    list.split_whitespace().filter_map(server)
}

/// `192.0.2.1:5353%eth0#name`, `[2001:db8::1]:5353`, `2001:db8::1`: resolved.conf(5), `DNS=`.
fn server(text: &str) -> Option<Nameserver> {
    let text = text.split('#').next().unwrap_or_default();
    let (address, scope) = match text.split_once('%') {
        Some((address, scope)) => (address, Some(scope.to_owned())),
        None => (text, None),
    };
    let alone = address.trim_matches(['[', ']']).parse::<IpAddr>();
    let at = alone.map_or_else(|_| address.parse().ok(), |ip| Some(SocketAddr::new(ip, 53)))?;
    Some(Nameserver { ip: at.ip(), port: at.port(), scope })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::system_dns::tests::machine;

    #[test]
    fn what_an_administrator_set_is_read_and_what_djdns_wrote_is_not() {
        let root = machine(&[
            (
                "/etc/systemd/resolved.conf",
                "[Resolve]\n#DNS=192.0.2.9\nDNS=192.0.2.1 2001:db8::1\nFallbackDNS=192.0.2.2\n",
            ),
            ("/usr/lib/systemd/resolved.conf", "[Resolve]\nDNS=192.0.2.10\n"),
            ("/etc/systemd/resolved.conf.d/djdns.conf", "[Resolve]\nDNS=\nDNS=127.0.0.1\n"),
            (
                "/usr/lib/systemd/resolved.conf.d/50-site.conf",
                "[Resolve]\nDNS=192.0.2.3:5353#dns.example [2001:db8::2]:5353 fe80::1%eth0\n",
            ),
            ("/etc/systemd/resolved.conf.d/60-mine.conf", "[Resolve]\nDNSOverTLS=opportunistic\n"),
            ("/run/systemd/resolved.conf.d/60-mine.conf", "[Resolve]\nDomains=~.\n"),
            ("/etc/systemd/resolved.conf.d/README", "[Resolve]\nDNS=192.0.2.11\n"),
        ]);
        let conf = ResolvedConf::read(root.path());
        let said: Vec<String> = conf
            .servers
            .iter()
            .map(|one| format!("{}:{}{}", one.ip, one.port, one.scope.as_deref().unwrap_or("")))
            .collect();
        let expect = ["192.0.2.1:53", "2001:db8::1:53", "192.0.2.3:5353", "2001:db8::2:5353"];
        assert_eq!(said[..4], expect);
        assert_eq!(said[4], "fe80::1:53eth0");
        assert_eq!(conf.fallback.len(), 1);
        assert!(conf.encrypted && !conf.alone);
    }

    #[test]
    fn an_empty_value_takes_back_what_was_said() {
        let mut conf = ResolvedConf::default();
        conf.take("[Resolve]\nDNS=192.0.2.1\nDomains=~.\nDNSOverTLS=yes\n");
        assert!(conf.alone && conf.encrypted);
        conf.take(
            "[Other]\nDNS=192.0.2.8\n[Resolve]\nDNS=\nDNS=192.0.2.2\nDomains=\nDNSOverTLS=no\n",
        );
        let ips: Vec<String> = conf.servers.iter().map(|one| one.ip.to_string()).collect();
        assert_eq!((ips, conf.alone, conf.encrypted), (vec!["192.0.2.2".to_owned()], false, false));
    }
}
