//! What NetworkManager understands: to leave `/etc/resolv.conf` alone (NetworkManager.conf(5), `dns`).
//!
//! It goes on writing /run/NetworkManager/no-stub-resolv.conf, which djdns reads, whatever `dns` says
//! (`update_resolv_conf_no_stub` of its source); tried with it running.
//!
//! Its dnsmasq could send single domains elsewhere; that is not offered, since dnsmasq would take the
//! port that djdns answers on.

use super::{
    detect::Found,
    plain,
    plan::{HEAD, Plan, Wish},
};
use crate::cli::fault::Outcome;

const DROP_IN: &str = "/etc/NetworkManager/conf.d/90-djdns.conf";

pub fn plan(found: &Found, wish: &Wish) -> Outcome<Plan> {
    let mut plan = Plan::default();
    plan.put(DROP_IN, format!("{HEAD}[main]\ndns=none\n"));
    plain::replace(found, wish, &mut plan)?;
    // It reads resolv.conf's fate anew only when told.
    plan.run("nmcli general reload");
    if found.network_manager_dns.as_deref() == Some("dnsmasq") {
        plan.note(
            "NetworkManager runs a dnsmasq here, which stops: domains that a VPN gave it are no \
             longer sent there",
        );
    }
    Ok(plan)
}
