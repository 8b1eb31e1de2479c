//! A `resolv.conf` that nobody governs: replaced, with a copy of the old one beside it.

use super::{
    detect::{Found, RESOLV_CONF, nameservers},
    plan::{HEAD, Plan, Wish},
};
use crate::cli::fault::Outcome;

/// The old one, for people and for whoever looks for the servers of the network.
pub const KEPT: &str = "/etc/resolv.conf.before-djdns";

pub fn plan(found: &Found, wish: &Wish) -> Outcome<Plan> {
    let mut plan = Plan::default();
    replace(found, wish, &mut plan)?;
    if found.wsl {
        plan.note(
            "WSL writes resolv.conf at every start: `generateResolvConf=false` under `[network]` of \
             /etc/wsl.conf keeps this one",
        );
    } else if !found.kept {
        plan.note(
            "a DHCP client that writes resolv.conf by itself will undo this: `systemctl enable --now \
             djdns-system.path djdns-system.service`, whose files come with djdns, does it anew",
        );
    }
    Ok(plan)
}

/// Adds the copy and the replacement to a plan.
pub fn replace(found: &Found, wish: &Wish, plan: &mut Plan) -> Outcome {
    let mut text = HEAD.to_owned();
    for address in nameservers(&found.text) {
        text += &format!("# was: nameserver {address}\n");
    }
    for address in wish.plain_addresses()? {
        text += &format!("nameserver {address}\n");
    }
    let kept = ["search", "domain", "options", "sortlist"];
    for line in found.text.lines() {
        if line.split_whitespace().next().is_some_and(|word| kept.contains(&word)) {
            text += &format!("{line}\n");
        }
    }
    if !found.text.is_empty() {
        plan.put(KEPT, found.text.clone());
    }
    plan.put(RESOLV_CONF, text);
    Ok(())
}
