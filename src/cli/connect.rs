//! `djdns connect`: meets another node.

use clap::Args;

use super::{
    context::Context,
    fault::{Fault, Outcome},
    known, output, signing,
};
use crate::{
    config::peers::Contact,
    control::request::{Answer, Request},
    key::PublicKey,
};

/// Meet another node now.
///
/// It is named by the beacon that `djdns beacon` shows there, by an address, or by a name: that of a
/// BEACON record in a page, or of any machine; one that was met before also by its key, or the beginning
/// of that. A long beacon finds its node anywhere and no other; a short
/// one is found on the same network. Says who was met, or why nobody was, and exits with 4 then. The node
/// is remembered.
#[derive(Args)]
#[command(
    after_help = "EXAMPLE\n  djdns connect 192.0.2.7:31415\n  djdns connect DMCT:0.5428:31415:a3f2c8b9"
)]
pub struct Connect {
    /// A beacon, an address, a name or a key
    #[arg(value_name = "CODE|ADDR|NAME")]
    to: String,
}

impl Connect {
    pub fn run(self, context: &mut Context) -> Outcome {
        if let Some(too_short) = known::too_short(&self.to) {
            return Err(too_short);
        }
        let is_key = PublicKey::parse(&self.to).is_ok() || known::beginning(&self.to).is_some();
        let to = match is_key {
            true => signing::key_named(context, &self.to)?.to_string(),
            false => self.to.parse::<Contact>().map_err(Fault::usage)?.to_string(),
        };
        let Answer::Connected(met) = context.ask_daemon(&Request::Connect { to })? else {
            return Err(Fault::other_answer());
        };
        if context.json {
            return output::print_json(&met);
        }
        let how = if met.before { "was connected already" } else { "is connected" };
        output::print(&format!("{} {how}, at {}\n", met.key, met.address))
    }
}
