//! What systemd-resolved understands: a drop-in, delegate files since 258, negative trust anchors.
//!
//! Formats: resolved.conf(5), systemd.dns-delegate(5), dnssec-trust-anchors.d(5). It was tried with
//! systemd-resolved 257 and 262 running.

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

/// Pages answer below it as well, so it goes where they go.
const SUFFIX: &str = "djdns.alt";

/// What systemd-resolved takes for unsigned as long as no negative trust anchor is configured at all
/// (dnssec-trust-anchors.d(5)): ours must repeat it. All that any version has up to 262
/// (`dns_trust_anchor_add_builtin_negative` of its source).
const BUILT_IN: [&str; 33] = [
    "alt",
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
    "private",
    "test",
];

pub fn plan(found: &Found, wish: &Wish) -> Outcome<Plan> {
    let mut plan = Plan::default();
    if wish.split {
        split(found, wish, &mut plan);
    } else {
        whole(found, wish, &mut plan);
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

/// All names.
///
/// An empty `DNS=` forgets the servers named before: djdns reads those from the files themselves. With
/// `~.` a link's own servers are asked only for the domains that it has, as a VPN's. A VPN for
/// everything has `~.` too, and both are asked; so that no name of a page goes there, pages' domains
/// are said as well: the longest match alone is asked (systemd-resolved.service(8), "Protocols and
/// Routing"). djdns speaks no TLS on localhost.
fn whole(found: &Found, wish: &Wish, plan: &mut Plan) {
    let dnssec = if wish.domains.is_empty() { "DNSSEC=no\n" } else { "" };
    plan.put(
        DROP_IN,
        format!(
            "{HEAD}[Resolve]\nDNS=\nDNS={}\nDomains=~. {}\nDNSOverTLS=no\n{dnssec}",
            servers(wish),
            routes(wish)
        ),
    );
    if wish.domains.is_empty() {
        plan.note(
            "DNSSEC validation by systemd-resolved is turned off, since which domains are of \
             pages is not known: name them with --domain to keep it",
        );
    }
    if found.encrypted {
        plan.note(
            "systemd-resolved asked its servers over TLS (DNSOverTLS), and djdns asks the same ones \
             without, unless `upstreams` of its configuration names them as tls://…",
        );
    }
}

/// Names of pages alone.
fn split(found: &Found, wish: &Wish, plan: &mut Plan) {
    let (servers, routes) = (servers(wish), routes(wish));
    if found.systemd.is_some_and(|version| version >= DELEGATES_SINCE) {
        plan.put(DELEGATE, format!("{HEAD}[Delegate]\nDNS={servers}\nDomains={routes}\n"));
    } else {
        plan.put(DROP_IN, format!("{HEAD}[Resolve]\nDNS={servers}\nDomains={routes}\n"));
        plan.note(format!(
            "systemd before {DELEGATES_SINCE} asks a server of its global settings for other names \
             too, beside those of the network: names of pages go to djdns alone, other names to both"
        ));
    }
}

fn servers(wish: &Wish) -> String {
    wish.addresses.iter().map(server).collect::<Vec<_>>().join(" ")
}

fn routes(wish: &Wish) -> String {
    let domains = wish.domains.iter().map(String::as_str).chain([SUFFIX]);
    domains.map(|domain| format!("~{domain}")).collect::<Vec<_>>().join(" ")
}

/// `127.0.0.1`, `127.0.0.1:5300`, `[::1]:5300`: port 53 need not be said.
fn server(address: &SocketAddr) -> String {
    if address.port() == 53 { address.ip().to_string() } else { address.to_string() }
}

fn negative(found: &Found, wish: &Wish) -> String {
    let mut text = format!(
        "; Written by `djdns system enable`: names of pages are signed, but not by DNSSEC.\n{}\n\
         {SUFFIX}\n",
        wish.domains.join("\n")
    );
    if !found.other_negative_anchors {
        text += "; What is taken for unsigned as long as there is no such file:\n";
        text += &BUILT_IN.map(|domain| format!("{domain}\n")).concat();
    }
    text
}
