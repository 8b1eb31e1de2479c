//! What would be changed so that a machine asks djdns: files and commands, as data.
//!
//! Nothing is written here. Each manager has a file of its own that says what it understands.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{
    detect::{Found, Governor, RESOLV_CONF, Sight},
    files::Thing,
    network_manager, plain, resolvconf, resolved,
};
use crate::cli::fault::{Fault, Outcome};

/// The first line of what djdns writes.
pub const HEAD: &str =
    "# Written by `djdns system enable`; `djdns system disable` puts back what was here.\n";

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Where djdns answers.
    pub addresses: Vec<SocketAddr>,
    /// Only names below `domains` go to djdns.
    pub split: bool,
    /// Top-level domains of pages, without dots at their ends.
    pub domains: Vec<String>,
}

impl Wish {
    /// The addresses as `resolv.conf` takes them.
    ///
    /// # Errors
    /// That another port than 53 cannot be said there.
    pub fn plain_addresses(&self) -> Outcome<Vec<IpAddr>> {
        match self.addresses.iter().find(|address| address.port() != 53) {
            Some(address) => Err(Fault::refused(format!(
                "resolv.conf knows no other port than 53, and djdns is to be asked at {address}: let \
                 it answer on port 53 (`djdns serve`, as a service or with the right to that port)"
            ))),
            None => Ok(self.addresses.iter().map(SocketAddr::ip).collect()),
        }
    }
}

/// What would be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub files: Vec<(String, Thing)>,
    pub commands: Vec<Vec<String>>,
    /// What a person should know about it.
    pub notes: Vec<String>,
}

impl Plan {
    pub fn put(&mut self, path: &str, text: String) {
        self.files.push((path.to_owned(), Thing::text(text)));
    }

    pub fn run(&mut self, command: &str) {
        self.commands.push(command.split(' ').map(str::to_owned).collect());
    }

    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

/// The commands that can be run, and in sentences what the others are left to people for: without systemd
/// as the first process, `systemctl` only complains.
pub fn runnable(commands: &[Vec<String>], managed: bool) -> (Vec<Vec<String>>, Vec<String>) {
    let (left, run): (Vec<_>, Vec<_>) = commands
        .iter()
        .cloned()
        .partition(|command| !managed && command.first().is_some_and(|name| name == "systemctl"));
    let sentence = |command: Vec<String>| {
        let service = command.last().cloned().unwrap_or_default();
        let by_hand = match service.as_str() {
            "unbound" => " (`unbound-control reload`)",
            _ => "",
        };
        format!(
            "systemd does not run here, so `{}` is left out: if {service} runs, let it read its \
             configuration again{by_hand}",
            command.join(" ")
        )
    };
    (run, left.into_iter().map(sentence).collect())
}

/// Makes the plan.
///
/// # Errors
/// Why this machine cannot be changed so, and what to do instead.
pub fn plan(found: &Found, sight: &Sight, wish: &Wish) -> Outcome<Plan> {
    if wish.split && wish.domains.is_empty() {
        return Err(Fault::refused(
            "which domains go to djdns is not known: start the daemon, or name them with --domain",
        ));
    }
    let mut plan = match found.manager {
        Governor::Resolved => resolved::plan(found, wish),
        manager if wish.split => Err(no_split(manager)),
        Governor::NetworkManager => network_manager::plan(found, wish),
        Governor::Resolvconf => resolvconf::plan_parts(sight, wish),
        Governor::Openresolv => resolvconf::plan_settings(sight, wish),
        Governor::Plain => plain::plan(found, wish),
    }?;
    if found.resolved_beside {
        // It takes our resolv.conf's server for one among those of the interfaces.
        let mut beside = resolved::plan(found, wish)?;
        beside.notes.clear();
        plan.files.append(&mut beside.files);
        plan.commands.append(&mut beside.commands);
    }
    let touches = plan.files.iter().any(|(path, _)| path == RESOLV_CONF);
    if touches && found.immutable {
        return Err(Fault::refused(format!(
            "{RESOLV_CONF} is immutable, so somebody means it to stay as it is: `chattr -i \
             {RESOLV_CONF}` lets it be changed"
        )));
    }
    if touches && found.mounted {
        plan.note(format!(
            "{RESOLV_CONF} is mounted by itself, as containers have it: it is written in place, and \
             the next start of the container may bring the old one back; better give the container \
             its nameserver from outside (`--dns`)"
        ));
    } else if touches && found.container {
        plan.note("this is a container: its next start may bring the old resolv.conf back");
    }
    unbound(found, wish, &mut plan);
    Ok(plan)
}

fn no_split(manager: Governor) -> Fault {
    let who = match manager {
        Governor::Plain => "a plain resolv.conf".to_owned(),
        manager => format!("{} as it is set up here", manager.name()),
    };
    Fault::refused(format!(
        "{who} cannot send some domains elsewhere: only systemd-resolved is split by djdns; leave \
         out --split, or install systemd-resolved"
    ))
}

/// A validating Unbound would find no proof for names of pages, whose signatures are not DNSSEC's.
fn unbound(found: &Found, wish: &Wish, plan: &mut Plan) {
    if !found.unbound || wish.domains.is_empty() {
        return;
    }
    let lines: String =
        wish.domains.iter().map(|domain| format!("    domain-insecure: \"{domain}\"\n")).collect();
    if found.unbound_parts {
        let path = "/etc/unbound/unbound.conf.d/djdns.conf";
        plan.put(path, format!("{HEAD}server:\n{lines}"));
        plan.run("systemctl try-reload-or-restart unbound");
    } else {
        plan.note(format!(
            "Unbound is here, and its unbound.conf includes no directory: for names of pages to pass \
             its validation, add to its `server:` part\n{}",
            lines.trim_end()
        ));
    }
}
