//! The doors of DNS, that of HTTP, and those for other nodes: opened before anything else is done, and
//! what is said when they cannot be.
//!
//! What is asked at them is not known here.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use anyhow::{Context, anyhow};

use super::{ServeOptions, neighbours::sockets::PeerDoors, passed, privileges, web};
use crate::{
    dns::{Access, Encrypted, ListenError, Listeners},
    http::Http,
};

/// Doors that are open, and what somebody should know of them.
pub struct Doors {
    pub(super) listeners: Listeners,
    pub(super) encrypted: Encrypted,
    pub(super) http: Option<Http>,
    pub(super) peers: Vec<UdpSocket>,
    /// What was not to be had, what is done instead, and the ways out, in sentences.
    pub notes: Vec<String>,
}

/// The port that is tried when there is no right to port 53, or somebody else has it.
const SECOND_PORT: u16 = 5300;

/// Opens the doors that DNS will be answered at, and gives up the rights that this took. What is asked
/// before [`super::serve`] waits in them.
///
/// This comes before anything else: a thread that is started earlier would keep its rights.
///
/// # Errors
/// When no address can be listened on, or one of them is reached by others without a list of who may
/// ask.
pub fn open(options: &ServeOptions) -> anyhow::Result<Doors> {
    let mut doors = Doors::find(options)?;
    let access = Access::new(options.config.allow.clone());
    access.check(&doors.listeners.doors())?;
    doors.encrypted = encrypted(options, &access)?;
    let (http, note) = web::bind(options.http, &access)?;
    doors.http = http;
    doors.notes.extend(note);
    let PeerDoors { sockets, notes } = PeerDoors::open(&options.listen);
    doors.peers = sockets;
    doors.notes.extend(notes);
    // A system without capabilities has none to give up.
    if let Err(error) = privileges::give_up() {
        tracing::warn!(%error, "the rights of this process could not be given up");
    }
    Ok(doors)
}

/// Says of an error that comes of root's rights being given up, that it does.
pub fn about_rights(error: anyhow::Error) -> anyhow::Error {
    let is_denied = |cause: &(dyn std::error::Error + 'static)| {
        let error = cause.downcast_ref::<io::Error>();
        error.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    };
    if !privileges::is_root() || !error.chain().any(is_denied) {
        return error;
    }
    error.context(
        "djdns keeps none of root's rights, and reads and writes only what root owns: run it as whoever \
         owns the data directory, as `sudo -u djdns djdns serve` does, or choose another with --data-dir",
    )
}

impl Doors {
    /// Says what somebody should know of them.
    pub(super) fn tell(&self) {
        self.notes.iter().for_each(|note| eprintln!("djdns: {note}"));
        if privileges::is_root() {
            tracing::warn!(
                "djdns need not be root: it gave up root's rights when it listened, and does as well as a \
                 service (systemd/djdns.service) or after `sudo setcap cap_net_bind_service=+ep` on the \
                 program"
            );
        }
    }

    /// Of DNS alone, and nothing that anybody should know.
    fn at(listeners: Listeners) -> Doors {
        let (encrypted, peers, notes) = Default::default();
        Doors { listeners, encrypted, http: None, peers, notes }
    }

    /// The sockets that systemd passed, and those asked for besides; or the defaults.
    fn find(options: &ServeOptions) -> anyhow::Result<Doors> {
        let (udp, tcp) = passed::sockets().context("taking the sockets passed by systemd")?;
        if !udp.is_empty() || !tcp.is_empty() {
            let passed = Listeners::passed(udp, tcp);
            let there = passed.doors();
            let more: Vec<SocketAddr> =
                options.dns.iter().filter(|address| !there.contains(address)).copied().collect();
            return Ok(Doors::at(passed.and(bind(&more)?)));
        }
        if !options.dns.is_empty() {
            return Ok(Doors::at(bind(&options.dns)?));
        }
        Doors::usual()
    }

    /// Port 53 of both loopbacks, or of that of IPv4, which everybody has; else another port.
    fn usual() -> anyhow::Result<Doors> {
        let [v4, v6] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
            .map(|ip| SocketAddr::new(ip, 53));
        let listeners = match Listeners::bind(&[v4]) {
            Ok(listeners) => listeners,
            Err(error) => {
                let second = SocketAddr::new(v4.ip(), SECOND_PORT);
                let listeners = bind(&[second]).with_context(|| sentence(&error))?;
                return Ok(Doors { notes: vec![instead(&error, second)], ..Doors::at(listeners) });
            }
        };
        Ok(match Listeners::bind(&[v6]) {
            Ok(more) => Doors::at(listeners.and(more)),
            // No IPv6 on this machine: the other loopback is enough.
            Err(ListenError::NoSuchAddress(_)) => Doors::at(listeners),
            Err(error) => {
                let note = format!("{}; DNS is answered on {v4} alone", sentence(&error));
                Doors { notes: vec![note], ..Doors::at(listeners) }
            }
        })
    }
}

/// Listens on these and no others.
fn bind(addresses: &[SocketAddr]) -> anyhow::Result<Listeners> {
    Listeners::bind(addresses).map_err(|error| match &error {
        ListenError::Taken { holder: Some(holder), .. } if holder.name == "systemd" => anyhow!(
            "{error}, for a service that it starts on demand: a socket unit names that address or all of \
             them (`systemctl list-sockets`); have it in one place, there or in `dns`"
        ),
        ListenError::Taken { .. } => {
            anyhow!("{error}: stop that program, or choose another address or port with --dns")
        }
        _ => error.into(),
    })
}

/// Opens the encrypted doors: those that were asked for, and no others.
fn encrypted(options: &ServeOptions, access: &Access) -> anyhow::Result<Encrypted> {
    let places: Vec<SocketAddr> = options.encrypted.all().collect();
    access.check(&places)?;
    Encrypted::bind(&options.encrypted).map_err(|error| match error {
        ListenError::Taken { .. } => anyhow!(
            "{error}: stop that program, or choose another address or port with --dot, --doh or --doq"
        ),
        error => error.into(),
    })
}

/// An error with its causes in one line.
fn sentence(error: &ListenError) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// Why port 53 is not to be had, where DNS is answered instead, and every way out.
fn instead(error: &ListenError, second: SocketAddr) -> String {
    let why = match error {
        // Its own words name the ways out, too.
        ListenError::NotAllowed(address) => format!("no right to listen on {address}"),
        error => sentence(error),
    };
    let mut text = format!("{why}; DNS is answered on {second} instead. Ways out:");
    for way in ways_out(error, second) {
        text += "\n  - ";
        text += &way;
    }
    text
}

fn ways_out(error: &ListenError, second: SocketAddr) -> Vec<String> {
    let mut ways = Vec::new();
    match error {
        ListenError::Taken { holder: Some(holder), .. } => {
            let name = &holder.name;
            ways.push(match SERVICES.iter().find(|(comm, ..)| comm == name) {
                Some((_, how)) => format!("free it: {how}"),
                None => format!(
                    "stop {name}: if it is a service, `systemctl status {}` names it, and `sudo \
                     systemctl disable --now` with that name stops it for good",
                    holder.pid
                ),
            });
        }
        ListenError::Taken { address, transport, .. } => ways.push(format!(
            "see who has it, which only root can: `sudo ss -lnp{} 'sport = :{}'`; then stop it",
            &transport[..1],
            address.port()
        )),
        ListenError::NotAllowed(_) => {
            ways.push(
                "run it as a service, which has the right: systemd/djdns.socket and \
                 systemd/djdns.service, see the README"
                    .to_owned(),
            );
            ways.push(
                "give the program the right: `sudo setcap cap_net_bind_service=+ep \"$(command -v \
                 djdns)\"`"
                    .to_owned(),
            );
            ways.push(
                "let every program of this machine have it: `sudo sysctl \
                 net.ipv4.ip_unprivileged_port_start=53`"
                    .to_owned(),
            );
        }
        _ => {}
    }
    if let ListenError::Taken { .. } = error {
        ways.push(
            "answer on another address of this machine, where port 53 may be free: `--dns \
             127.0.0.2:53`"
                .to_owned(),
        );
    }
    ways.push(format!(
        "stay on this port: with systemd-resolved `sudo djdns system enable --address {second}` points \
         the machine at it; a plain /etc/resolv.conf knows no port but 53"
    ));
    ways
}

/// Programs that often have port 53, as the kernel names them, and how each lets it go.
const SERVICES: [(&str, &str); 8] = [
    (
        "systemd-resolve",
        "`DNSStubListenerExtra=` in /etc/systemd/resolved.conf names this address: take it out, and \
         `sudo systemctl restart systemd-resolved`; it can stay on 127.0.0.53",
    ),
    (
        "dnsmasq",
        "`sudo systemctl disable --now dnsmasq`; or where libvirt, NetworkManager or lxd started it, \
         `bind-interfaces` and `listen-address=` in its configuration leave localhost to others",
    ),
    ("unbound", "`sudo systemctl disable --now unbound`"),
    ("named", "`sudo systemctl disable --now named`"),
    ("pdns_recursor", "`sudo systemctl disable --now pdns-recursor`"),
    ("kresd", "`sudo systemctl disable --now 'kresd@*'`"),
    ("coredns", "`sudo systemctl disable --now coredns`"),
    ("djdns", "another djdns runs already: `djdns status` tells of it"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Holder;

    #[test]
    fn who_cannot_have_port_53_reads_who_has_it_and_every_way_out() {
        let address: SocketAddr = "127.0.0.1:53".parse().unwrap();
        let second = "127.0.0.1:5300".parse().unwrap();
        let taken = |holder: Option<(&str, u32)>| ListenError::Taken {
            address,
            transport: "udp",
            holder: holder.map(|(name, pid)| Holder { name: name.to_owned(), pid }),
        };
        let check = |error: &ListenError, expect: &[&str]| {
            let text = instead(error, second);
            assert!(text.contains("DNS is answered on 127.0.0.1:5300 instead"), "{text}");
            for words in expect {
                assert!(text.contains(words), "{words}: {text}");
            }
        };
        check(
            &taken(Some(("systemd-resolve", 812))),
            &["taken by systemd-resolve (pid 812)", "DNSStubListenerExtra", "--dns 127.0.0.2:53"],
        );
        check(&taken(Some(("dnsmasq", 7))), &["systemctl disable --now dnsmasq", "libvirt"]);
        let at_this_port = "djdns system enable --address 127.0.0.1:5300";
        check(&taken(Some(("nc", 7))), &["stop nc", "systemctl status 7"]);
        check(&taken(None), &["is taken;", "sudo ss -lnpu 'sport = :53'", at_this_port]);
        check(
            &ListenError::NotAllowed(address),
            &[
                "no right",
                "djdns.socket",
                "setcap",
                "sysctl net.ipv4.ip_unprivileged_port_start=53",
            ],
        );
    }
}
