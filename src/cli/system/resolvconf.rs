//! What the two programs called resolvconf understand: Debian's a head for the file that it puts
//! together, openresolv a setting (resolvconf(8), resolvconf.conf(5)). Tried with 1.94 and 3.13 running.

use super::{
    detect::Sight,
    plan::{HEAD, Plan, Wish},
};
use crate::cli::fault::Outcome;

const PARTS_HEAD: &str = "/etc/resolvconf/resolv.conf.d/head";
const SETTINGS: &str = "/etc/resolvconf.conf";

/// Debian's: our nameserver stands above those of the network, which its update.d/libc script appends
/// whatever the head says.
pub fn plan_parts(sight: &Sight, wish: &Wish) -> Outcome<Plan> {
    let mut plan = Plan::default();
    let lines: String =
        wish.plain_addresses()?.iter().map(|address| format!("nameserver {address}\n")).collect();
    plan.put(PARTS_HEAD, format!("{}{HEAD}{lines}", whole(sight.text(PARTS_HEAD)?)));
    plan.run("resolvconf -u");
    plan.note(
        "resolvconf lists the servers of the network below djdns: programs ask them when djdns fails",
    );
    Ok(plan)
}

/// openresolv's: with a server on this machine it leaves out all others (`resolv_conf_local_only`).
pub fn plan_settings(sight: &Sight, wish: &Wish) -> Outcome<Plan> {
    let mut plan = Plan::default();
    let addresses: Vec<String> = wish.plain_addresses()?.iter().map(ToString::to_string).collect();
    // A shell reads the file: what is said last counts.
    let line = format!("name_servers=\"{}\"\n", addresses.join(" "));
    plan.put(SETTINGS, format!("{}{HEAD}{line}", whole(sight.text(SETTINGS)?)));
    plan.run("resolvconf -u");
    Ok(plan)
}

/// The text, with its last line ended.
fn whole(text: String) -> String {
    if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" }
}
