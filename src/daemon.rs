//! The daemon: opens the node, answers DNS, and listens on the control socket until told to stop.
//!
//! Only wiring: what is answered is [`crate::dns`]'s business, what a client may do is the
//! node's.

use std::{
    io::{self, Write},
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use tokio::runtime::Runtime;

use crate::{
    ambient,
    config::{
        Config,
        door::HttpDoor,
        peers::{Contact, PeerDoor},
    },
    control::{
        report::Status,
        server::{self, Session},
    },
    dns::{Cookies, Encrypted, Listeners, Places, Service, Upstream},
    limits::DNS_CERTIFICATE_LOOK,
    sync::Book,
    time::date,
};

pub mod adopt;
mod anchors;
mod batch;
pub mod beacon;
mod carry;
pub mod certificate;
mod choosing;
mod damage;
pub mod doors;
mod eviction;
mod explain;
mod field;
mod following;
mod forks;
pub mod freshness;
mod hearing;
mod history;
pub mod inbox;
mod keys;
mod landing;
mod ledger;
mod loading;
mod manager;
pub mod many;
mod mirrors;
mod neighbours;
pub mod node;
mod node_key;
mod open_files;
mod others;
pub mod outbox;
mod passed;
mod privileges;
pub mod recent;
mod reload;
mod report;
mod resolve;
pub mod running;
mod sealing;
mod seats;
mod session;
pub mod shown;
mod signals;
mod stats;
pub mod status;
mod superseded;
pub mod surroundings;
mod trail;
mod verify;
mod web;
pub mod whole;
pub mod wishes;

use certificate::Certificate;
use doors::Doors;
use neighbours::Neighbours;
use node::Node;
use others::Others;
use recent::Recent;
use reload::InForce;
use running::Running;
use signals::{Asked, Hangup, Signals};

/// How `djdns serve` was called.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Addresses to answer DNS on; none: port 53 of both loopbacks, or 127.0.0.1:5300.
    pub dns: Vec<SocketAddr>,
    /// Addresses to answer DNS on by TLS, HTTPS and QUIC.
    pub encrypted: Places,
    /// Whom to ask for names outside the pages; none: as `config` says.
    pub upstreams: Vec<Upstream>,
    /// Where to answer HTTP.
    pub http: HttpDoor,
    /// Where other nodes reach this one.
    pub listen: PeerDoor,
    /// Nodes to contact besides those that `config` names and those that are found.
    pub peers: Vec<Contact>,
    /// The configuration; its `dns` is `dns` already.
    pub config: Config,
    /// Says nothing on standard output.
    pub quiet: bool,
    /// What is remembered of the log.
    pub recent: Recent,
}

/// What is there before the pages are read, which takes seconds for large ones.
pub struct Ground {
    runtime: Runtime,
    hangup: Hangup,
}

impl Ground {
    /// From now on SIGHUP ends nothing: the configuration is read again once everything serves.
    ///
    /// # Errors
    /// The system's.
    pub fn lay() -> anyhow::Result<Ground> {
        // Threads are started by neither.
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.thread_name("dns").enable_all().build();
        let runtime = runtime.context("starting the DNS runtime")?;
        let hangup = {
            let _within = runtime.enter();
            Hangup::listen().context("listening for signals")?
        };
        Ok(Ground { runtime, hangup })
    }
}

/// Serves the node until SIGINT or SIGTERM, at doors that [`doors::open`] opened.
///
/// # Errors
/// When the sockets cannot be served, or the control socket cannot be made.
pub fn serve(
    node: &Arc<Node>,
    mut doors: Doors,
    options: &ServeOptions,
    Ground { runtime, hangup }: Ground,
) -> anyhow::Result<()> {
    // How many connections are taken depends on it.
    open_files::allow_enough();
    let control = server::bind(node.data_dir()).with_context(|| {
        let path = crate::control::socket_path(node.data_dir());
        format!("making the control socket {}", path.display())
    })?;
    let mut sought = Sought::of(node, &mut doors, options);
    let may_fetch = sought.is_some();
    if sought.as_ref().is_some_and(Sought::knows_others) {
        node.hear_first();
    }
    let others = Arc::new(Others::default());
    // What is said to them of pages is said of all of it.
    if !node.is_loading() {
        doors.notes.extend(look_for_others(node, sought.take(), &others));
    }
    let met = others.clone();
    let served = runtime.block_on(async {
        doors.tell();
        let (http, notes) = (doors.http, doors.notes);
        let (listeners, certificate) = guard(node, doors.listeners, doors.encrypted, options)?;
        let (addresses, doors) = (listeners.addresses(), listeners.doors());
        let in_force = Arc::new(InForce::begin(node, options, &doors, certificate.clone())?);
        let forward = in_force.forward.clone();
        let recent = options.recent.clone();
        let running = Running::new(addresses.clone(), forward.clone(), recent, met.clone());
        notes.into_iter().for_each(|note| running.note_door(note));
        running.set_certificate(certificate.clone());
        running.set_mirrors(in_force.mirrors.telling.clone());
        let service = Service::new(node.view().clone(), Some(Arc::new(forward)))
            .with_cookies(Cookies::new(ambient::random(), ambient::now))
            .with_access(in_force.access.clone())
            .with_transfers(in_force.mirrors.telling.transfers.clone())
            .with_witness(running.witness.clone());
        let service = match may_fetch {
            true => service.with_fetch(met.clone()),
            false => service,
        };
        let serving = listeners.serve(&service).context("serving DNS")?;
        node.run(running);
        in_force.tell_node();
        in_force.clone().follow_machine();
        in_force.mirrors.clone().follow();
        let http = http.map(|http| web::serve(node, http, in_force.access.clone()));
        let _http = http.transpose().context("serving HTTP")?;
        let sessions = node.clone();
        std::thread::spawn(move || server::serve(&control, &mut || session(&sessions)));
        let host = node.clone();
        std::thread::spawn(move || seal_when_due(&host));
        let loaded = node.clone();
        std::thread::spawn(move || load_behind(&loaded, sought, &met));
        // Before anybody is told that the node runs: who hears of it may stop it at once.
        let mut signals = Signals::listen(hangup).context("listening for signals")?;
        if certificate.is_some() {
            tokio::spawn(keep_certificate(in_force.clone()));
        }
        announce(node, &addresses, options.quiet);
        let status = format!("answering DNS on {}", list(&addresses));
        manager::ready(&status);
        let watched = tokio::spawn(manager::keep_watch(addresses));
        while signals.next().await == Asked::Reload {
            manager::reloading();
            let in_force = in_force.clone();
            // Files may be slow, and neither answers nor who stops this are to wait for them.
            let told = tokio::task::spawn_blocking(move || reload(&in_force));
            tokio::select! {
                told = told => manager::ready(&format!("{status}; {}", told.unwrap_or_default())),
                () = signals.stop() => break,
            }
        }
        tracing::info!("stopping");
        manager::stopping();
        watched.abort();
        serving.shutdown().await;
        let _ = std::fs::remove_file(crate::control::socket_path(node.data_dir()));
        anyhow::Ok(())
    });
    others.get().inspect(|neighbours| neighbours.stop());
    // A file that is still being read is not waited for, nor a log.
    runtime.shutdown_background();
    if !node.is_loading() {
        node.keep_images();
    }
    served
}

/// Reads the logs of pages that are answered from their images, and looks for other nodes then if that is
/// still to be done; writes the images that are lacking. Whatever answers goes first.
fn load_behind(node: &Arc<Node>, sought: Option<Sought>, others: &Others) {
    if node.is_loading() {
        tracing::info!("large pages are answered from their images while their logs are read");
        let reading = node.clone();
        let read = std::thread::spawn(move || {
            server::step_back();
            reading.finish_loading(&mut |_, _, _| {});
        });
        let _ = read.join();
        tracing::info!("the logs of all pages are read");
        // On a thread of usual priority, which those that it starts have too.
        if let Some(note) = look_for_others(node, sought, others) {
            tracing::warn!("{note}");
            node.running().inspect(|running| running.note_door(note.clone()));
        }
    }
    server::step_back();
    node.keep_images();
}

/// Gives the encrypted doors a certificate, where there are any.
fn guard(
    node: &Node,
    listeners: Listeners,
    encrypted: Encrypted,
    options: &ServeOptions,
) -> anyhow::Result<(Listeners, Option<Arc<Certificate>>)> {
    let places = encrypted.places();
    if places.is_empty() {
        return Ok((listeners, None));
    }
    let files = options.config.tls_files();
    let certificate = Certificate::begin(node.data_dir(), places, files.as_ref(), ambient::now())
        .context("DoT, DoH and DoQ need a certificate")?;
    let listeners = listeners.with_encrypted(encrypted, certificate.tls());
    Ok((listeners, Some(Arc::new(certificate))))
}

/// Looks now and then whether the certificate is to be made anew, or read again.
async fn keep_certificate(in_force: Arc<InForce>) {
    loop {
        tokio::time::sleep(DNS_CERTIFICATE_LOOK).await;
        let in_force = in_force.clone();
        // Files may be slow, and answers do not wait for them.
        let _ = tokio::task::spawn_blocking(move || in_force.look_at_certificate()).await;
    }
}

/// How other nodes are sought, and at which doors.
struct Sought {
    sockets: Vec<UdpSocket>,
    /// Those that this node knew before.
    known: Book,
    options: neighbours::Options,
}

impl Sought {
    /// None, if there is no door for them.
    fn of(node: &Node, doors: &mut Doors, options: &ServeOptions) -> Option<Sought> {
        let sockets = std::mem::take(&mut doors.peers);
        if sockets.is_empty() {
            return None;
        }
        let Config { peers, .. } = &options.config;
        let options = neighbours::Options {
            contacts: reload::contacts(&options.peers, &options.config),
            lan: peers.lan.unwrap_or_default(),
            port_mapping: peers
                .port_mapping
                .unwrap_or(true)
                .then(crate::network::mapping::Routers::default),
            asked_max: eviction::USUAL_BOUNDS,
        };
        Some(Sought { sockets, known: neighbours::remembered(node), options })
    }

    /// Whether there are others to hear first (S5).
    fn knows_others(&self) -> bool {
        !self.options.contacts.is_empty() || !self.known.is_empty()
    }
}

/// Looks for other nodes, if they are sought; says why not, if that fails.
fn look_for_others(node: &Arc<Node>, sought: Option<Sought>, others: &Others) -> Option<String> {
    let start =
        |Sought { sockets, known, options }| Neighbours::start(node, sockets, known, options);
    let started = sought.map(start).transpose();
    let (found, fault) = match started {
        Ok(found) => (found, None),
        Err(error) => (None, Some(anyhow::Error::from(error))),
    };
    others.find(found);
    fault.map(|fault| format!("other nodes are not looked for: {fault:#}"))
}

/// Reads the configuration again, and says what came of it.
fn reload(in_force: &InForce) -> String {
    let (said, refused) = match in_force.reload() {
        Ok(reloaded) => {
            match reloaded.restart.is_empty() {
                true => tracing::info!("the configuration was read again: {reloaded}"),
                false => tracing::warn!("the configuration was read again: {reloaded}"),
            }
            (format!("reloaded, {reloaded}"), None)
        }
        Err(refusal) => {
            tracing::error!("nothing was changed: {refusal}");
            let at = date(ambient::now());
            let told = format!(
                "the configuration was not read again ({at}), and all is as before: {refusal}"
            );
            (format!("nothing was changed: {refusal}"), Some(told))
        }
    };
    in_force.tell_refused(refused);
    said
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

/// Says where DNS is answered, with a line to try.
fn announce(node: &Node, addresses: &[SocketAddr], quiet: bool) {
    tracing::info!(dns = %list(addresses), "ready");
    let status = status::status(node);
    if status.root.is_none() {
        tracing::warn!("{}", status.health);
    }
    if quiet {
        return;
    }
    // Whoever started this may have stopped reading, which is no reason to stop answering.
    let _ = io::stdout().write_all(greeting(&status, addresses).as_bytes());
}

fn greeting(status: &Status, addresses: &[SocketAddr]) -> String {
    let mut lines = vec![format!("djdns {} answers DNS on {}", status.version, list(addresses))];
    if status.demonstration {
        lines.push(
            "The root page is the demonstration: its keys are public, so anybody can try voting,\n\
             and nobody should rely on its names. `djdns page join . PAGE-ID` changes the root."
                .to_owned(),
        );
    }
    lines.extend(status.encrypted.iter().flat_map(|doors| status::encrypted_words(doors)));
    lines.extend(status.notices.iter().map(|notice| format!("note: {notice}")));
    if let Some(address) = addresses.first() {
        let (ip, port) = (address.ip(), address.port());
        lines.push(format!("try:  dig @{ip} -p {port} brickwindows.ff.ct"));
    }
    lines.join("\n") + "\n"
}

fn list(addresses: &[SocketAddr]) -> String {
    let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    list.join(" and ")
}
