//! Who governs `/etc/resolv.conf`: found from files alone, of a machine or of a directory like one.
//!
//! Nothing is run and nothing is asked: what a manager would say of itself is not known here. Files
//! that djdns changed before are seen as they were.

use super::{
    files::{Root, Thing},
    record::Record,
};
use crate::{cli::fault::Outcome, config::resolved_conf::ResolvedConf};

pub const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Who writes `/etc/resolv.conf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Governor {
    Resolved,
    NetworkManager,
    /// Debian's resolvconf, with a directory of parts.
    Resolvconf,
    /// openresolv, with one file of settings.
    Openresolv,
    /// Nobody that is known.
    Plain,
}

impl Governor {
    pub fn name(self) -> &'static str {
        match self {
            Governor::Resolved => "systemd-resolved",
            Governor::NetworkManager => "NetworkManager",
            Governor::Resolvconf => "resolvconf",
            Governor::Openresolv => "openresolv",
            Governor::Plain => "plain file",
        }
    }
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Found {
    pub manager: Governor,
    /// What reading `/etc/resolv.conf` gives, through links.
    pub text: String,
    pub immutable: bool,
    /// Mounted there by itself, as engines of containers do.
    pub mounted: bool,
    pub container: bool,
    pub wsl: bool,
    pub systemd: Option<u32>,
    /// Programs read upstream servers from `resolv.conf` instead of asking systemd-resolved.
    pub uplink: bool,
    /// NetworkManager's `dns=`.
    pub network_manager_dns: Option<String>,
    /// systemd-resolved was told to ask over TLS.
    pub encrypted: bool,
    /// systemd-resolved runs beside whoever governs, and programs ask it (nss-resolve(8)).
    pub resolved_beside: bool,
    /// The units are there that follow a DHCP client, and return from a pause after a restart.
    pub kept: bool,
    /// A negative trust anchor of somebody else is there already.
    pub other_negative_anchors: bool,
    /// `/etc/unbound` is there; and whether it includes a directory of parts.
    pub unbound: bool,
    pub unbound_parts: bool,
}

/// A machine as it would be without djdns.
pub struct Sight<'a> {
    root: &'a Root,
    record: Option<&'a Record>,
}

impl<'a> Sight<'a> {
    pub fn new(root: &'a Root, record: Option<&'a Record>) -> Sight<'a> {
        Sight { root, record }
    }

    pub fn read(&self, path: &str) -> Outcome<Thing> {
        let changes = self.record.map_or(&[][..], |record| &record.changes);
        match changes.iter().find(|change| change.path == path) {
            Some(change) => Ok(change.before.clone()),
            None => self.root.read(path),
        }
    }

    /// The text of a file, through links; empty if there is none.
    pub fn text(&self, path: &str) -> Outcome<String> {
        let mut path = path.to_owned();
        // As many links as the kernel follows (path_resolution(7)).
        for _ in 0..40 {
            match self.read(&path)? {
                Thing::Absent => break,
                Thing::File { content, .. } => {
                    return Ok(String::from_utf8_lossy(&content.bytes()).into_owned());
                }
                Thing::Symlink { target } => path = led(&path, &target.to_string()),
            }
        }
        Ok(String::new())
    }
}

/// Looks.
pub fn detect(root: &Root, sight: &Sight) -> Outcome<Found> {
    let text = sight.text(RESOLV_CONF)?;
    let target = match sight.read(RESOLV_CONF)? {
        Thing::Symlink { target } => led(RESOLV_CONF, &target.to_string()),
        _ => String::new(),
    };
    let network_manager_dns = network_manager_dns(root, sight)?;
    let manager = manager(root, &target, &text, network_manager_dns.as_deref());
    let mounts = sight.root_text("/proc/self/mountinfo");
    let negative = ANCHORS.iter().flat_map(|dir| root.names(dir));
    let unbound = sight.text("/etc/unbound/unbound.conf")?;
    Ok(Found {
        manager,
        text,
        immutable: root.is_immutable(RESOLV_CONF),
        mounted: mounts.lines().any(|line| line.split(' ').nth(4) == Some(RESOLV_CONF)),
        container: root.has("/.dockerenv") || root.has("/run/.containerenv"),
        wsl: target.starts_with("/mnt/wsl/") || root.has("/run/WSL"),
        systemd: systemd_version(root),
        uplink: manager == Governor::Resolved && target == "/run/systemd/resolve/resolv.conf",
        network_manager_dns,
        encrypted: ResolvedConf::read(&root.at("/")).encrypted,
        resolved_beside: manager != Governor::Resolved
            && root.has("/run/systemd/resolve/resolv.conf")
            && asks_resolved(&sight.text("/etc/nsswitch.conf")?),
        kept: is_kept(root),
        other_negative_anchors: negative
            .into_iter()
            .any(|name| name.ends_with(".negative") && name != "djdns.negative"),
        unbound: root.has("/etc/unbound"),
        unbound_parts: unbound.contains("unbound.conf.d/"),
    })
}

/// Where negative trust anchors are (dnssec-trust-anchors.d(5)).
const ANCHORS: [&str; 4] = [
    "/etc/dnssec-trust-anchors.d",
    "/run/dnssec-trust-anchors.d",
    "/usr/local/lib/dnssec-trust-anchors.d",
    "/usr/lib/dnssec-trust-anchors.d",
];

/// Whether the units that act on the record without being told are there, and wanted at a start.
pub fn is_kept(root: &Root) -> bool {
    ["/etc", "/usr/lib", "/lib"].iter().any(|at| {
        root.has(&format!("{at}/systemd/system/multi-user.target.wants/djdns-system.service"))
    })
}

/// nsswitch.conf(5): whether the C library asks systemd-resolved for hosts.
fn asks_resolved(text: &str) -> bool {
    let mut lines = text.lines().filter_map(|line| line.trim().strip_prefix("hosts:"));
    lines.any(|line| line.split_whitespace().any(|word| word == "resolve"))
}

impl Sight<'_> {
    fn root_text(&self, path: &str) -> String {
        std::fs::read_to_string(self.root.at(path)).unwrap_or_default()
    }
}

fn manager(root: &Root, target: &str, text: &str, network_manager_dns: Option<&str>) -> Governor {
    let stubs = [
        "/run/systemd/resolve/stub-resolv.conf",
        "/run/systemd/resolve/resolv.conf",
        "/usr/lib/systemd/resolv.conf",
        "/lib/systemd/resolv.conf",
    ];
    let head: String = text.lines().take_while(|line| is_comment(line)).collect();
    let generated = |by: &str| head.contains(&format!("enerated by {by}"));
    if stubs.contains(&target) || nameservers(text) == ["127.0.0.53"] {
        Governor::Resolved
    } else if target.ends_with("/resolvconf/resolv.conf") && root.has("/etc/resolvconf") {
        Governor::Resolvconf
    } else if generated("resolvconf") && root.has("/etc/resolvconf.conf") {
        Governor::Openresolv
    } else if (generated("NetworkManager") || target.starts_with("/run/NetworkManager/"))
        && network_manager_dns != Some("none")
    {
        Governor::NetworkManager
    } else {
        Governor::Plain
    }
}

fn is_comment(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with(['#', ';'])
}

/// The `nameserver` lines' addresses.
pub fn nameservers(text: &str) -> Vec<&str> {
    let words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let found = words.filter(|words| words.len() > 1 && words[0] == "nameserver");
    found.map(|words| words[1]).collect()
}

/// Where a symbolic link leads, by its words: `.` and `..` are taken away.
fn led(from: &str, target: &str) -> String {
    let base = if target.starts_with('/') { "" } else { from.rsplit_once('/').map_or("", |p| p.0) };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    // What was /var/run is /run everywhere by now.
    let path = format!("/{}", parts.join("/"));
    path.strip_prefix("/var")
        .filter(|rest| rest.starts_with("/run/"))
        .map_or(path.clone(), str::to_owned)
}

/// The last `dns=` of NetworkManager's `[main]`, in the order in which it reads its files.
fn network_manager_dns(root: &Root, sight: &Sight) -> Outcome<Option<String>> {
    let mut files = Vec::new();
    for dir in ["/usr/lib/NetworkManager/conf.d", "/run/NetworkManager/conf.d"] {
        files.extend(root.names(dir).into_iter().map(|name| format!("{dir}/{name}")));
    }
    files.push("/etc/NetworkManager/NetworkManager.conf".to_owned());
    let dir = "/etc/NetworkManager/conf.d";
    files.extend(root.names(dir).into_iter().map(|name| format!("{dir}/{name}")));
    let mut found = None;
    for file in files.iter().filter(|file| file.ends_with(".conf")) {
        let text = sight.text(file)?;
        let mut section = "";
        for line in text.lines().map(str::trim) {
            match line.split_once('=') {
                _ if line.starts_with('[') => section = line,
                Some((key, value)) if section == "[main]" && key.trim() == "dns" => {
                    found = Some(value.trim().to_owned());
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

/// As systemd's own library is named: `libsystemd-shared-258.so`, `libsystemd-shared-257.9-1.so`.
fn systemd_version(root: &Root) -> Option<u32> {
    let triplets = ["x86_64-linux-gnu", "aarch64-linux-gnu", "arm-linux-gnueabihf"];
    let mut dirs = vec![
        "/usr/lib/systemd".to_owned(),
        "/lib/systemd".to_owned(),
        "/usr/lib64/systemd".to_owned(),
    ];
    dirs.extend(triplets.map(|triplet| format!("/usr/lib/{triplet}/systemd")));
    let names = dirs.iter().flat_map(|dir| root.names(dir));
    let versions = names.filter_map(|name| {
        let rest = name.strip_prefix("libsystemd-shared-")?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    });
    versions.max()
}
