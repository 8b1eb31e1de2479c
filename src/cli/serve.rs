//! `djdns serve`: runs the node.

use std::net::SocketAddr;

use clap::Args;

use super::{context::Context, fault::Outcome};
use crate::{
    daemon::{self, ServeOptions, node::Node},
    dns::Access,
};

/// Run the node: answer DNS on this machine from verified pages.
///
/// Answers on 127.0.0.1:53 and [::1]:53 unless told otherwise, and on sockets that systemd passes.
/// It is ready when it answers, and then prints the line to try. Stop it with Ctrl-C.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns serve --dns 127.0.0.1:5300 --dns '[::1]:5300'")]
pub struct Serve {
    /// Answer DNS here; may be repeated [else what the configuration says, else port 53 of localhost]
    #[arg(long, value_name = "ADDR")]
    dns: Vec<SocketAddr>,
}

impl Serve {
    pub fn run(self, context: &mut Context) -> Outcome {
        let data_dir = context.data_dir()?;
        let config = context.config()?;
        let dns = if self.dns.is_empty() { config.dns } else { self.dns };
        let access = Access::new(config.allow);
        let node = {
            let mut progress = context.progress();
            Node::open(&data_dir, "djdns serve", &mut |label, done, total| {
                progress.tell(label, done, total);
            })?
        };
        Ok(daemon::serve(&node, &ServeOptions { dns, access, quiet: context.quiet })?)
    }
}
