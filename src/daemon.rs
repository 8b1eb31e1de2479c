//! The daemon: opens the node, answers DNS, and listens on the control socket until told to stop.
//!
//! Only wiring: what is answered is [`crate::dns`]'s business, what a client may do is the
//! node's.

use std::{
    env,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, anyhow};
use arc_swap::ArcSwap;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    ambient,
    config::{
        Config,
        door::HttpDoor,
        settings::Settings,
        watch::{self, Watch},
    },
    control::{
        report::Status,
        server::{self, Session},
    },
    dns::{
        Access, Cookies, Forward, ListenError, Listeners, Service, Upstream,
        forward::{Ambient, Roots, Rules},
        upstream,
    },
};

mod anchors;
mod batch;
mod carry;
mod damage;
mod explain;
mod history;
mod inbox;
pub mod many;
pub mod node;
mod node_key;
mod passed;
pub mod recent;
mod report;
mod resolve;
pub mod running;
mod sealing;
mod seats;
mod session;
mod shown;
mod stats;
pub mod status;
mod trail;
mod verify;
mod web;
pub mod whole;

use node::Node;
use recent::Recent;
use running::Running;

/// How `djdns serve` was called.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Addresses to answer DNS on; none: port 53 of both loopbacks, or 127.0.0.1:5300.
    pub dns: Vec<SocketAddr>,
    /// Whom to ask for names outside the pages; none: as `config` says.
    pub upstreams: Vec<Upstream>,
    /// Where to answer HTTP.
    pub http: HttpDoor,
    /// The configuration; its `dns` is `dns` already.
    pub config: Config,
    /// Says nothing on standard output.
    pub quiet: bool,
    /// What is remembered of the log.
    pub recent: Recent,
}

/// The port that is tried when there is no right to port 53.
const SECOND_PORT: u16 = 5300;

/// Serves the node until SIGINT or SIGTERM.
///
/// # Errors
/// When no address can be listened on, or the control socket cannot be made.
pub fn serve(node: &Arc<Node>, options: &ServeOptions) -> anyhow::Result<()> {
    let control = server::bind(node.data_dir()).with_context(|| {
        let path = crate::control::socket_path(node.data_dir());
        format!("making the control socket {}", path.display())
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .thread_name("dns")
        .enable_all()
        .build()
        .context("starting the DNS runtime")?;
    runtime.block_on(async {
        let (listeners, instead) = listeners(options)?;
        let access = Access::new(options.config.allow.clone());
        listeners.check(&access)?;
        let access = Arc::new(ArcSwap::from_pointee(access));
        let addresses = listeners.addresses();
        let (forward, settings) = forwarding(options, &addresses)?;
        let recent = options.recent.clone();
        let running = Running::new(addresses.clone(), forward.clone(), &settings, recent);
        running.witness.set_logging(options.config.query_log);
        if options.config.query_log {
            tracing::warn!("{}", status::QUERY_LOG_IS_ON);
        }
        instead.into_iter().for_each(|sentence| running.note_door(sentence));
        node.serve_by(&options.config);
        let service = Service::new(node.view().clone(), Some(Arc::new(forward)))
            .with_cookies(Cookies::new(ambient::random(), ambient::now))
            .with_access(access.clone())
            .with_witness(running.witness.clone());
        let serving = listeners.serve(&service).context("serving DNS")?;
        running.find_loops();
        node.run(running);
        follow_settings(node, options, &addresses);
        let _http = web::serve(node, options.http, access)?;
        let sessions = node.clone();
        std::thread::spawn(move || server::serve(&control, &mut || session(&sessions)));
        let host = node.clone();
        std::thread::spawn(move || seal_when_due(&host));
        // Before anybody is told that the node runs: who hears of it may stop it at once.
        let stopped = stopped().context("listening for signals")?;
        announce(node, &addresses, options.quiet);
        notify_ready();
        stopped.await;
        serving.shutdown().await;
        let _ = std::fs::remove_file(crate::control::socket_path(node.data_dir()));
        anyhow::Ok(())
    })
}

/// Seals what is due, second by second: an interval is a minute, so nobody waits longer for that.
fn seal_when_due(node: &Node) {
    loop {
        node.seal_due();
        ambient::pause(Duration::from_secs(1));
    }
}

/// A session for one client of a node.
pub fn session(node: &Arc<Node>) -> Box<dyn Session> {
    Box::new(session::NodeSession::new(node.clone()))
}

/// The sockets that systemd passed, or those asked for, or the defaults.
fn listeners(options: &ServeOptions) -> anyhow::Result<(Listeners, Option<String>)> {
    let (udp, tcp) = passed::sockets().context("taking the sockets passed by systemd")?;
    if !udp.is_empty() || !tcp.is_empty() {
        return Ok((Listeners::passed(udp, tcp), None));
    }
    if !options.dns.is_empty() {
        return Ok((bind(&options.dns)?, None));
    }
    let loopbacks = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    match Listeners::bind(&loopbacks.map(|ip| SocketAddr::new(ip, 53))) {
        Ok(listeners) => Ok((listeners, None)),
        // No IPv6 on this machine: the other loopback is enough.
        Err(ListenError::NoSuchAddress(_)) => {
            Ok((Listeners::bind(&[SocketAddr::new(loopbacks[0], 53)])?, None))
        }
        Err(error) => {
            let second = SocketAddr::new(loopbacks[0], SECOND_PORT);
            let why = format!("{:#}", anyhow::Error::from(error));
            let ways = "run as a service (systemd/djdns.service), `sudo setcap \
                        cap_net_bind_service=+ep` on the program, stop who has the port, or choose an \
                        address with --dns";
            eprintln!("djdns: {why}\n       answering on {second} instead; ways out: {ways}");
            let instead = format!("DNS is answered on {second} and not on port 53: {why}; {ways}");
            Ok((bind(&[second])?, Some(instead)))
        }
    }
}

/// Who resolves names outside the pages, as the arguments, the configuration, and this machine's own
/// files say; read again when those change.
fn forwarding(options: &ServeOptions, own: &[SocketAddr]) -> anyhow::Result<(Forward, Settings)> {
    let settings = Settings::read(&options.config, &options.upstreams, Path::new("/"), own);
    if let Some(nobody) = &settings.nobody {
        tracing::warn!("names outside the pages are not resolved: {nobody}");
    }
    for left_out in &settings.left_out {
        tracing::info!("not asked: {left_out}");
    }
    let ambient = Ambient { now: ambient::ticks, random: ambient::random_words };
    Ok((Forward::new(rules(&settings), ambient), settings))
}

/// Reads the settings again whenever this machine's own files change.
fn follow_settings(node: &Arc<Node>, options: &ServeOptions, own: &[SocketAddr]) {
    let (node, options, own) = (node.clone(), options.clone(), own.to_vec());
    let watch = Watch::of_system(Path::new("/"));
    std::thread::spawn(move || {
        watch::run(watch, |_| {
            let settings =
                Settings::read(&options.config, &options.upstreams, Path::new("/"), &own);
            tracing::info!(from = %settings.upstreams_from, "the upstream resolvers are read again");
            node.running().inspect(|running| running.set_settings(&settings));
            true
        });
    });
}

/// What the forwarder goes by.
fn rules(settings: &Settings) -> Rules {
    let secure = |upstream: &Upstream| upstream.transport != upstream::Transport::Plain;
    let any_secure = settings.upstreams.all().into_iter().any(secure);
    let roots = if any_secure { Roots::of_system() } else { Roots::default() };
    let (upstreams, overrides) = (settings.upstreams.clone(), settings.overrides.clone());
    Rules { upstreams, overrides, roots }
}

/// Listens on these and no others.
fn bind(addresses: &[SocketAddr]) -> anyhow::Result<Listeners> {
    Listeners::bind(addresses).map_err(|error| match error {
        ListenError::Taken { .. } => {
            anyhow!("{error}: stop that program, or choose another address or port with --dns")
        }
        error => error.into(),
    })
}

/// Says where DNS is answered, with a line to try.
fn announce(node: &Node, addresses: &[SocketAddr], quiet: bool) {
    let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    tracing::info!(dns = %list.join(", "), "ready");
    if quiet {
        return;
    }
    // Whoever started this may have stopped reading, which is no reason to stop answering.
    let _ = io::stdout().write_all(greeting(&status::status(node), addresses).as_bytes());
}

fn greeting(status: &Status, addresses: &[SocketAddr]) -> String {
    let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let mut lines = vec![format!("djdns {} answers DNS on {}", status.version, list.join(" and "))];
    if status.demonstration {
        lines.push(
            "The root page is the demonstration: its keys are public, so anybody can try voting,\n\
             and nobody should rely on its names. `djdns page join . PAGE-ID` changes the root."
                .to_owned(),
        );
    }
    lines.extend(status.notices.iter().map(|notice| format!("note: {notice}")));
    if let Some(address) = addresses.first() {
        let (ip, port) = (address.ip(), address.port());
        lines.push(format!("try:  dig @{ip} -p {port} brickwindows.ff.ct"));
    }
    lines.join("\n") + "\n"
}

/// Tells systemd that questions are answered (sd_notify(3)).
fn notify_ready() {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = passed::notify(&path, b"READY=1") {
        tracing::warn!(%error, "systemd could not be told that djdns is ready");
    }
}

/// Waits for SIGINT or SIGTERM, from this call on.
fn stopped() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    })
}
