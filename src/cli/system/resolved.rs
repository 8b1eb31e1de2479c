//! What systemd-resolved understands: a drop-in, delegate files since 258, negative trust anchors.
//!
//! Formats: resolved.conf(5), systemd.dns-delegate(5), dnssec-trust-anchors.d(5).

use std::net::SocketAddr;

use super::{
    detect::Found,
    plan::{HEAD, Plan, Wish},
};
use crate::cli::fault::Outcome;

const DROP_IN: &str = "/etc/systemd/resolved.conf.d/djdns.conf";
const DELEGATE: &str = "/etc/systemd/dns-delegate.d/djdns.dns-delegate";
const NEGATIVE: &str = "/etc/dnssec-trust-anchors.d/djdns.negative";

/// The first systemd that reads delegate files.
const DELEGATES_SINCE: u32 = 258;

/// What systemd-resolved takes for unsigned as long as no negative trust anchor is configured at all:
/// ours must repeat it (`dns_trust_anchor_add_builtin_negative` of its source).
const BUILT_IN: [&str; 31] = [
    "home.arpa",
    "10.in-addr.arpa",
    "16.172.in-addr.arpa",
    "17.172.in-addr.arpa",
    "18.172.in-addr.arpa",
    "19.172.in-addr.arpa",
    "20.172.in-addr.arpa",
    "21.172.in-addr.arpa",
    "22.172.in-addr.arpa",
    "23.172.in-addr.arpa",
    "24.172.in-addr.arpa",
    "25.172.in-addr.arpa",
    "26.172.in-addr.arpa",
    "27.172.in-addr.arpa",
    "28.172.in-addr.arpa",
    "29.172.in-addr.arpa",
    "30.172.in-addr.arpa",
    "31.172.in-addr.arpa",
    "170.0.0.192.in-addr.arpa",
    "171.0.0.192.in-addr.arpa",
    "168.192.in-addr.arpa",
    "d.f.ip6.arpa",
    "ipv4only.arpa",
    "resolver.arpa",
    "corp",
    "home",
    "internal",
    "intranet",
    "lan",
    "local",
    "test",
];

pub fn plan(found: &Found, wish: &Wish) -> Outcome<Plan> {
    let mut plan = Plan::default();
    let servers: Vec<String> = wish.addresses.iter().map(server).collect();
    let servers = servers.join(" ");
    let routes: Vec<String> = wish.domains.iter().map(|domain| format!("~{domain}")).collect();
    let routes = routes.join(" ");
    if !wish.split {
        // An empty `DNS=` forgets the servers named before; a link's own are not asked while `~.`
        // leads here. djdns speaks no TLS on localhost.
        let dnssec = if wish.domains.is_empty() { "DNSSEC=no\n" } else { "" };
        plan.put(
            DROP_IN,
            format!("{HEAD}[Resolve]\nDNS=\nDNS={servers}\nDomains=~.\nDNSOverTLS=no\n{dnssec}"),
        );
        if wish.domains.is_empty() {
            plan.note(
                "DNSSEC validation by systemd-resolved is turned off, since which domains are of \
                 pages is not known: name them with --domain to keep it",
            );
        }
    } else if found.systemd.is_some_and(|version| version >= DELEGATES_SINCE) {
        plan.put(DELEGATE, format!("{HEAD}[Delegate]\nDNS={servers}\nDomains={routes}\n"));
    } else {
        plan.put(DROP_IN, format!("{HEAD}[Resolve]\nDNS={servers}\nDomains={routes}\n"));
        plan.note(format!(
            "systemd before {DELEGATES_SINCE} asks a server of its global settings for other names \
             too, beside those of the network: names of pages go to djdns alone, other names to both"
        ));
    }
    if !wish.domains.is_empty() {
        plan.put(NEGATIVE, negative(found, wish));
    }
    if found.uplink {
        plan.note(
            "resolv.conf shows programs the servers of the network themselves: those that read it \
             ask djdns first and others when it fails; `ln -sf \
             ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf` makes them all ask \
             systemd-resolved",
        );
    }
    plan.run("systemctl restart systemd-resolved");
    Ok(plan)
}

/// `127.0.0.1`, `127.0.0.1:5300`, `[::1]:5300`: port 53 need not be said.
fn server(address: &SocketAddr) -> String {
    if address.port() == 53 { address.ip().to_string() } else { address.to_string() }
}

fn negative(found: &Found, wish: &Wish) -> String {
    let mut text = format!(
        "; Written by `djdns system enable`: names of pages are signed, but not by DNSSEC.\n{}\n",
        wish.domains.join("\n")
    );
    if !found.other_negative_anchors {
        text += "; What is taken for unsigned as long as there is no such file:\n";
        text += &BUILT_IN.map(|domain| format!("{domain}\n")).concat();
    }
    text
}
