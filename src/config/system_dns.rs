//! The servers that this machine was told to ask, from the files of whoever manages them.
//!
//! In order of trust: who knows the uplinks themselves comes before a file that may only name a stub
//! on this machine. Never djdns itself and never a stub that asks it back. Reads below a root, which
//! a test makes; what is asked of the servers is not known here.

use std::{
    collections::VecDeque,
    fmt, fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6},
    path::{Component, Path, PathBuf},
};

use super::{
    file,
    resolv_conf::{Nameserver, ResolvConf},
    resolved_conf::{self, ResolvedConf},
};
use crate::{dns::Upstream, limits::CONFIG_BYTES_MAX};

/// The servers that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub upstreams: Vec<Upstream>,
    /// What was seen and is not asked, of all files that were read.
    pub left_out: Vec<LeftOut>,
    /// The file, or the directory of files, as it is called below the root.
    pub from: PathBuf,
    /// What that file says besides.
    pub conf: ResolvConf,
}

/// A server that is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub address: SocketAddr,
    pub reason: Reason,
    pub file: PathBuf,
}

/// Why a server is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// djdns answers on that address.
    Itself,
    /// The stub of systemd-resolved: whom it asks is read from its own file, or it asks djdns.
    Stub,
    /// The interface of its scope is not there.
    NoInterface,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Itself => "djdns itself answers there",
            Reason::Stub => {
                "the stub of systemd-resolved, which would ask djdns back or knows no server either"
            }
            Reason::NoInterface => "the interface that it is reached by is not there",
        })
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} is not asked: {}", self.address.ip(), self.file.display(), self.reason)
    }
}

/// Nobody is left to ask.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error(
    "names outside the pages cannot be resolved: no server to ask is known{}; \
     name one, as `upstreams = [\"192.0.2.53\"]` in the configuration or with --upstream",
    because(.left_out)
)]
pub struct NothingFound {
    pub left_out: Vec<LeftOut>,
}

fn because(left_out: &[LeftOut]) -> String {
    left_out.iter().map(|one| format!(" ({one})")).collect()
}

/// Where settings are.
struct Place {
    path: &'static str,
    kind: Kind,
}

/// What is at a place.
#[derive(Clone, Copy)]
enum Kind {
    File,
    /// Its files are read together.
    Directory,
    /// What systemd-resolved was told, while it runs: this file, and those beside it.
    Resolved,
    /// Whom it falls back to.
    ResolvedFallback,
}

const fn file(path: &'static str) -> Place {
    Place { path, kind: Kind::File }
}

const fn directory(path: &'static str) -> Place {
    Place { path, kind: Kind::Directory }
}

/// systemd-resolved.service(8), /etc/resolv.conf: the servers of its settings, then those of the
/// interfaces that any name may be asked of; a VPN for some domains alone is not among them. Where
/// djdns is in its settings, only the interfaces' remain beside it.
const UPLINKS: &str = "/run/systemd/resolve/resolv.conf";

/// In the order of being asked.
const PLACES: [Place; 20] = [
    Place { path: "/etc/systemd/resolved.conf", kind: Kind::Resolved },
    file(UPLINKS),
    // NetworkManager.conf(5), rc-manager: what it would write if it used no local resolver.
    file("/run/NetworkManager/no-stub-resolv.conf"),
    file("/var/run/NetworkManager/no-stub-resolv.conf"),
    file("/run/NetworkManager/resolv.conf"),
    file("/var/run/NetworkManager/resolv.conf"),
    // resolvconf(8) of Debian: a file for each interface and program.
    directory("/run/resolvconf/interface"),
    directory("/etc/resolvconf/run/interface"),
    // resolvconf(8) of openresolv: since 3.16 in `keys`, before in `interfaces`.
    directory("/run/resolvconf/keys"),
    directory("/run/resolvconf/interfaces"),
    directory("/var/run/resolvconf/interfaces"),
    // dhcpcd-run-hooks(8), 20-resolv.conf: a file for each interface, where there is no resolvconf.
    directory("/run/dhcpcd/hook-state/resolv.conf"),
    directory("/run/dhcpcd/resolv.conf"),
    directory("/var/run/dhcpcd/resolv.conf"),
    // Before what was put aside: when a DHCP client wrote it anew, it knows the network of today.
    file("/etc/resolv.conf"),
    // What `djdns system enable` puts aside.
    file("/etc/resolv.conf.before-djdns"),
    // What was there before somebody took the file over.
    file("/etc/resolvconf/resolv.conf.d/original"),
    file("/etc/resolvconf/resolv.conf.d/base"),
    file("/etc/resolv.conf.bak"),
    Place { path: "/etc/systemd/resolved.conf", kind: Kind::ResolvedFallback },
];

/// Every file and directory that [`find`] looks at: to be watched.
pub fn places() -> impl Iterator<Item = &'static str> {
    let own = PLACES.iter().filter(|place| matches!(place.kind, Kind::File | Kind::Directory));
    own.map(|place| place.path).chain(resolved_conf::places())
}

/// The servers of the first place that names one that may be asked. `own`: where djdns answers.
///
/// # Errors
/// [`NothingFound`], which says what to do.
pub fn find(root: &Path, own: &[SocketAddr]) -> Result<Found, NothingFound> {
    let mut left_out = Vec::new();
    for place in &PLACES {
        let from = PathBuf::from(place.path);
        let Some(conf) = conf(root, place) else { continue };
        let mut upstreams = Vec::new();
        for server in &conf.nameservers {
            let (address, verdict) = judge(root, server, own);
            match verdict {
                Ok(upstream) if upstreams.contains(&upstream) => {}
                Ok(upstream) => upstreams.push(upstream),
                Err(reason) => left_out.push(LeftOut { address, reason, file: from.clone() }),
            }
        }
        if !upstreams.is_empty() {
            return Ok(Found { upstreams, left_out, from, conf });
        }
    }
    Err(NothingFound { left_out })
}

fn conf(root: &Path, place: &Place) -> Option<ResolvConf> {
    let path = Path::new(place.path);
    let uplinks = || Some(ResolvConf::parse(&read(root, Path::new(UPLINKS))?));
    match place.kind {
        Kind::File => Some(ResolvConf::parse(&read(root, path)?)),
        Kind::Directory => Some(ResolvConf::parse(&read_directory(root, path)?)),
        Kind::Resolved => {
            let (mut uplinks, told) = (uplinks()?, ResolvedConf::read(root));
            if told.servers.is_empty() {
                return None;
            }
            let others = if told.alone { Vec::new() } else { uplinks.nameservers };
            uplinks.nameservers = [told.servers, others].concat();
            Some(uplinks)
        }
        Kind::ResolvedFallback => {
            let nameservers = ResolvedConf::read(root).fallback;
            Some(ResolvConf { nameservers, ..uplinks()? })
        }
    }
}

fn judge(
    root: &Path,
    server: &Nameserver,
    own: &[SocketAddr],
) -> (SocketAddr, Result<Upstream, Reason>) {
    let mut upstream = Upstream::plain(server.ip);
    upstream.address.set_port(server.port);
    if let (IpAddr::V6(ip), Some(scope)) = (server.ip, &server.scope) {
        match interface(root, scope) {
            Some(index) => upstream.address = SocketAddrV6::new(ip, server.port, 0, index).into(),
            None => return (upstream.address, Err(Reason::NoInterface)),
        }
    }
    let address = upstream.address;
    let verdict = match refusal(address, own) {
        Some(reason) => Err(reason),
        None => Ok(upstream),
    };
    (address, verdict)
}

/// Why djdns, answering on `own`, must not ask `address`.
pub fn refusal(address: SocketAddr, own: &[SocketAddr]) -> Option<Reason> {
    let itself = own.iter().any(|own| {
        let any = own.ip().is_unspecified() && address.ip().to_canonical().is_loopback();
        let same = own.ip().to_canonical() == address.ip().to_canonical();
        own.port() == address.port() && (same || any)
    });
    // systemd-resolved(8): the two addresses that it answers on.
    let stubs = [Ipv4Addr::new(127, 0, 0, 53), Ipv4Addr::new(127, 0, 0, 54)];
    match address.ip().to_canonical() {
        _ if itself => Some(Reason::Itself),
        IpAddr::V4(ip) if address.port() == 53 && stubs.contains(&ip) => Some(Reason::Stub),
        _ => None,
    }
}

/// The number of an interface: as it is written, or as the kernel says.
fn interface(root: &Path, scope: &str) -> Option<u32> {
    if let Ok(index) = scope.parse() {
        return Some(index);
    }
    if scope.contains('/') || scope.starts_with('.') {
        return None;
    }
    read(root, &Path::new("/sys/class/net").join(scope).join("ifindex"))?.trim().parse().ok()
}

/// The files of a directory, one after the other: tunnels first, whose servers know more names and
/// hear what should not be told to others (resolvconf's own `interface-order` does so too).
fn read_directory(root: &Path, path: &Path) -> Option<String> {
    let at = place(root, path)?;
    let mut names: Vec<_> =
        fs::read_dir(at).ok()?.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    names.sort_by_key(|name| {
        let text = name.to_string_lossy();
        let tunnel = ["tun", "tap", "wg", "ppp"].iter().any(|begin| text.starts_with(begin));
        (!tunnel, name.clone())
    });
    let texts = names.iter().filter_map(|name| read(root, &path.join(name)));
    Some(texts.collect::<Vec<_>>().join("\n"))
}

/// The text of a file below the root; bytes that are no UTF-8 only spoil their own line.
pub fn read(root: &Path, path: &Path) -> Option<String> {
    let bytes = file::read(&place(root, path)?, CONFIG_BYTES_MAX).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Symbolic links on the way to a file, as Linux bounds them (path_resolution(7)).
const LINKS_MAX: usize = 40;

/// Where an absolute path is below `root`, so that its symbolic links do not lead out of it: the
/// settings of another root are about another machine.
pub fn place(root: &Path, path: &Path) -> Option<PathBuf> {
    let mut rest: VecDeque<PathBuf> = parts(path).collect();
    let (mut done, mut links) = (PathBuf::new(), 0);
    while let Some(part) = rest.pop_front() {
        if part.as_os_str() == ".." {
            done.pop();
            continue;
        }
        let next = done.join(&part);
        match fs::read_link(root.join(&next)) {
            Ok(target) => {
                links += 1;
                if links > LINKS_MAX {
                    return None;
                }
                if target.is_absolute() {
                    done = PathBuf::new();
                }
                for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                    rest.push_front(part);
                }
            }
            Err(_) => done = next,
        }
    }
    Some(root.join(done))
}

/// The names on a path, `..` included.
fn parts(path: &Path) -> impl Iterator<Item = PathBuf> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        _ => None,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A machine's files, made of pairs of path and text.
    pub fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let at = root.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(at, text).unwrap();
        }
        root
    }

    fn link(root: &Path, from: &str, to: &str) {
        let at = root.join(from.trim_start_matches('/'));
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(to, at).unwrap();
    }

    fn own() -> [SocketAddr; 2] {
        ["127.0.0.1:53".parse().unwrap(), "[::1]:53".parse().unwrap()]
    }

    #[track_caller]
    fn check(root: &Path, expect: &[&str], from: &str) -> Vec<LeftOut> {
        let found = find(root, &own()).unwrap();
        let upstreams: Vec<String> = found.upstreams.iter().map(ToString::to_string).collect();
        assert_eq!(
            (upstreams, found.from.to_str()),
            (expect.iter().map(ToString::to_string).collect(), Some(from))
        );
        found.left_out
    }

    #[test]
    fn ubuntu_with_systemd_resolved_asks_its_uplinks() {
        let root = machine(&[
            (
                "/run/systemd/resolve/resolv.conf",
                "nameserver 192.168.1.1\nnameserver 2001:db8::1\nsearch lan\n",
            ),
            (
                "/run/systemd/resolve/stub-resolv.conf",
                "nameserver 127.0.0.53\noptions edns0 trust-ad\n",
            ),
        ]);
        link(root.path(), "/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf");
        let left =
            check(root.path(), &["192.168.1.1", "2001:db8::1"], "/run/systemd/resolve/resolv.conf");
        assert!(left.is_empty());
        assert_eq!(find(root.path(), &own()).unwrap().conf.search, ["lan"]);
    }

    #[test]
    fn once_resolved_asks_us_the_network_manager_still_knows() {
        let root = machine(&[
            ("/run/systemd/resolve/resolv.conf", "nameserver 127.0.0.1\nnameserver ::1\n"),
            (
                "/run/NetworkManager/no-stub-resolv.conf",
                "# Generated by NetworkManager\nnameserver 10.1.1.1\n",
            ),
        ]);
        let left = check(root.path(), &["10.1.1.1"], "/run/NetworkManager/no-stub-resolv.conf");
        assert_eq!(left.len(), 2);
        assert!(left.iter().all(|left| left.reason == Reason::Itself));
    }

    #[test]
    fn older_layouts_are_known() {
        let debian = machine(&[
            ("/run/resolvconf/interface/eth0.dhclient", "nameserver 10.0.0.1\n"),
            ("/run/resolvconf/interface/lo.djdns", "nameserver 127.0.0.1\n"),
            ("/run/resolvconf/interface/tun0.openvpn", "nameserver 10.8.0.1"),
        ]);
        let left = check(debian.path(), &["10.8.0.1", "10.0.0.1"], "/run/resolvconf/interface");
        assert_eq!(left.len(), 1);
        let openresolv = machine(&[("/run/resolvconf/keys/eth0.dhcp", "nameserver 10.0.0.2\n")]);
        check(openresolv.path(), &["10.0.0.2"], "/run/resolvconf/keys");
        let dhcpcd = machine(&[
            ("/run/dhcpcd/hook-state/resolv.conf/eth0.dhcp", "nameserver 10.0.0.3\n"),
            ("/etc/resolv.conf", "nameserver 127.0.0.1\n"),
        ]);
        check(dhcpcd.path(), &["10.0.0.3"], "/run/dhcpcd/hook-state/resolv.conf");
        let var = machine(&[("/data/NetworkManager/no-stub-resolv.conf", "nameserver 10.0.0.4\n")]);
        link(var.path(), "/var/run", "/data");
        check(var.path(), &["10.0.0.4"], "/var/run/NetworkManager/no-stub-resolv.conf");
    }

    #[test]
    fn a_plain_file_gives_all_its_servers_and_their_scopes() {
        let root = machine(&[
            (
                "/etc/resolv.conf",
                "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n\
              nameserver fe80::1%eth0\nnameserver fe80::2%gone\nnameserver 192.0.2.1\n",
            ),
            ("/sys/class/net/eth0/ifindex", "7\n"),
        ]);
        let found = find(root.path(), &own()).unwrap();
        assert_eq!(found.upstreams.len(), 4);
        assert_eq!(found.upstreams[3].address.to_string(), "[fe80::1%7]:53");
        assert_eq!(found.left_out[0].reason, Reason::NoInterface);
    }

    #[test]
    fn a_local_resolver_on_another_address_is_asked() {
        let root = machine(&[("/etc/resolv.conf", "nameserver 127.0.1.1\n")]);
        check(root.path(), &["127.0.1.1"], "/etc/resolv.conf");
        let all: SocketAddr = "0.0.0.0:53".parse().unwrap();
        assert!(find(root.path(), &[all]).is_err());
        // On another port djdns is not that resolver.
        let other: SocketAddr = "127.0.1.1:5300".parse().unwrap();
        assert!(find(root.path(), &[other]).is_ok());
    }

    #[test]
    fn when_nobody_is_left_it_is_said_who_was_there_and_what_to_set() {
        let root = machine(&[
            ("/run/systemd/resolve/resolv.conf", "# No DNS servers known.\n"),
            ("/etc/resolv.conf", "nameserver 127.0.0.53\nnameserver ::1\n"),
        ]);
        let nothing = find(root.path(), &own()).unwrap_err();
        let reasons: Vec<Reason> = nothing.left_out.iter().map(|left| left.reason).collect();
        assert_eq!(reasons, [Reason::Stub, Reason::Itself]);
        let said = nothing.to_string();
        for expect in ["127.0.0.53 of /etc/resolv.conf", "upstreams = [", "--upstream"] {
            assert!(said.contains(expect), "{said}");
        }
        let empty = tempfile::tempdir().unwrap();
        assert!(find(empty.path(), &own()).unwrap_err().left_out.is_empty());
    }

    #[test]
    fn links_stay_below_the_root_and_end() {
        let root = machine(&[("/run/real.conf", "nameserver 192.0.2.9\n")]);
        link(root.path(), "/etc/resolv.conf", "/run/real.conf");
        check(root.path(), &["192.0.2.9"], "/etc/resolv.conf");
        link(root.path(), "/a", "/b");
        link(root.path(), "/b", "a");
        assert_eq!(place(root.path(), Path::new("/a")), None);
        link(root.path(), "/up", "../../../../run/real.conf");
        assert!(read(root.path(), Path::new("/up")).is_some());
    }
}
