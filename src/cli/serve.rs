//! `djdns serve`: runs the node.

use std::{net::SocketAddr, path::Path};

use clap::Args;

use super::{
    context::{Context, LOCK_PAUSE, LOCK_TRIES},
    fault::{Fault, Outcome},
};
use crate::{
    ambient,
    config::{
        door::HttpDoor,
        peers::{Contact, Listen, PeerDoor},
        words,
    },
    control::{
        client::Client,
        report::Status,
        request::{Answer, Request},
    },
    daemon::{self, Ground, ServeOptions, doors, node::Node},
    dns::{Places, Upstream},
    store::StoreError,
};

/// Run the node: answer DNS on this machine from verified pages.
///
/// Answers on 127.0.0.1:53 and [::1]:53 unless told otherwise, and on sockets that systemd passes; by TLS,
/// HTTPS and QUIC where it is told to, with a certificate that `djdns status` names. Other
/// nodes, with which pages are kept in step, reach it on UDP port 31415.
/// It is ready when it answers, and then prints the line to try. Stop it with Ctrl-C. On SIGHUP it reads
/// its configuration again, and loses no question meanwhile.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns serve --dns 127.0.0.1:5300 --peer 192.0.2.7:31415")]
pub struct Serve {
    /// Answer DNS here; may be repeated [else what the configuration says, else port 53 of localhost]
    #[arg(long, value_name = "ADDR", value_parser = words::address)]
    dns: Vec<SocketAddr>,
    /// Answer DNS over TLS here as well; may be repeated [else the configuration, else nowhere]
    #[arg(long, value_name = "ADDR", value_parser = words::tls_address)]
    dot: Vec<SocketAddr>,
    /// Answer DNS over HTTPS here as well, at /dns-query; may be repeated [else the configuration, else
    /// nowhere]
    #[arg(long, value_name = "ADDR", value_parser = words::https_address)]
    doh: Vec<SocketAddr>,
    /// Answer DNS over QUIC here as well; may be repeated [else the configuration, else nowhere]
    #[arg(long, value_name = "ADDR", value_parser = words::tls_address)]
    doq: Vec<SocketAddr>,
    /// Ask this server for names outside the pages: 192.0.2.53, tls://192.0.2.1#dns.example or
    /// https://dns.example/dns-query#192.0.2.1; may be repeated [else the configuration, else what
    /// this machine says]
    #[arg(long = "upstream", value_name = "ADDR")]
    upstreams: Vec<Upstream>,
    /// Answer HTTP here, with metrics and health, or `off` [else the configuration, else
    /// 127.0.0.1:8053]
    #[arg(long, value_name = "ADDR")]
    http: Option<HttpDoor>,
    /// Let other nodes reach this one here, over QUIC, or `off`; may be repeated [else the
    /// configuration, else [::]:31415]
    #[arg(long, value_name = "ADDR")]
    listen: Vec<Listen>,
    /// Contact this node, besides those that are found and those of the configuration: an address, a
    /// name or a beacon; may be repeated
    #[arg(long = "peer", value_name = "ADDR")]
    peers: Vec<Contact>,
}

/// Who has the data directory while a daemon runs.
const HOLDER: &str = "djdns serve";

fn is_held_by_a_command(error: &anyhow::Error) -> bool {
    match error.downcast_ref() {
        Some(StoreError::Locked { holder, .. }) => !holder.starts_with(HOLDER),
        _ => false,
    }
}

/// That no daemon has the data directory already: its ports are of no interest then.
fn check_none_runs(data_dir: &Path) -> Outcome {
    let Ok(Some(mut other)) = Client::connect(data_dir) else { return Ok(()) };
    let process = match other.ask(&Request::Status, &mut |_, _, _| {}) {
        Ok(Answer::Status(Status { daemon: Some(process), .. })) => format!(", process {process}"),
        _ => String::new(),
    };
    Err(Fault::refused(format!(
        "`djdns serve` runs already for {}{process}: `djdns status` says how it is; a second node needs \
         another --data-dir",
        data_dir.display()
    )))
}

impl Serve {
    pub fn run(self, context: &mut Context) -> Outcome {
        let data_dir = context.data_dir()?;
        check_none_runs(&data_dir)?;
        let config = context.config()?;
        let dns = if self.dns.is_empty() { config.dns.clone() } else { self.dns };
        let or = |said: Vec<SocketAddr>, configured: &[SocketAddr]| match said.is_empty() {
            true => configured.to_vec(),
            false => said,
        };
        let encrypted = Places {
            dot: or(self.dot, &config.dot),
            doh: or(self.doh, &config.doh),
            doq: or(self.doq, &config.doq),
        };
        let (upstreams, quiet) = (self.upstreams, context.quiet);
        let http = self.http.or(config.http).unwrap_or_default();
        let listen = match &self.listen[..] {
            [] => config.peers.listen.clone().unwrap_or_default(),
            said => PeerDoor::of(said).map_err(Fault::usage)?,
        };
        let (peers, recent) = (self.peers, context.recent.clone());
        let options =
            ServeOptions { dns, encrypted, upstreams, http, listen, peers, config, quiet, recent };
        // First of all: no thread that is started later has rights that this took.
        let doors = doors::open(&options)?;
        let ground = Ground::lay()?;
        let node = {
            let mut progress = context.progress();
            let mut tries = 0;
            loop {
                let opened = Node::open_to_serve(&data_dir, HOLDER, &mut |label, done, total| {
                    progress.tell(label, done, total);
                });
                // A command has the directory for a moment; another daemon has it for good.
                if tries == LOCK_TRIES || !opened.as_ref().is_err_and(is_held_by_a_command) {
                    break opened.map_err(doors::about_rights)?;
                }
                tries += 1;
                ambient::pause(LOCK_PAUSE);
            }
        };
        for notice in node.notices() {
            tracing::warn!("{notice}");
        }
        Ok(daemon::serve(&node, doors, &options, ground)?)
    }
}
