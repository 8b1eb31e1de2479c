//! What a running daemon goes by, and how that changes: the configuration, read again on SIGHUP, and
//! this machine's own files, whenever they change.
//!
//! A new value is put in place of the old one while answers go on: nothing is closed, and no question
//! is lost. A faulty configuration changes nothing. What a setting means is not known here.

use std::{
    env, fmt,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;

use super::{
    ServeOptions,
    certificate::{Certificate, CertificateFault},
    mirrors::Mirrors,
    node::Node,
    running::Running,
    status::QUERY_LOG_IS_ON,
};
use crate::{
    ambient,
    config::{
        Config, ConfigError,
        peers::{Contact, Peers},
        settings::Settings,
        transfer::TransferError,
        watch::{self, Watch},
    },
    dns::{
        Access, Forward, Upstream,
        access::NoAccessList,
        forward::{Ambient, Roots, Rules},
        upstream,
    },
};

/// What is in force.
pub struct InForce {
    node: Arc<Node>,
    /// What `--upstream` says, which beats the configuration.
    upstreams: Vec<Upstream>,
    /// What `--peer` says, besides the configuration.
    peers: Vec<Contact>,
    /// Where DNS is answered.
    doors: Vec<SocketAddr>,
    /// What the encrypted doors prove themselves by; none where there are none.
    certificate: Option<Arc<Certificate>>,
    pub access: Arc<ArcSwap<Access>>,
    pub forward: Forward,
    pub mirrors: Arc<Mirrors>,
    state: Mutex<State>,
}

struct State {
    config: Config,
    settings: Settings,
}

/// Why a configuration is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Access(#[from] NoAccessList),
    #[error(transparent)]
    Certificate(#[from] CertificateFault),
    #[error(transparent)]
    Transfer(#[from] TransferError),
}

/// What a reload did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Settings that have other values now.
    pub changed: Vec<&'static str>,
    /// Settings that have other values in the file, and will have them after a restart.
    pub restart: Vec<&'static str>,
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.changed[..] {
            [] => f.write_str("nothing changed")?,
            changed => write!(f, "changed: {}", changed.join(", "))?,
        }
        match &self.restart[..] {
            [] => Ok(()),
            restart => write!(f, "; only a restart changes: {}", restart.join(", ")),
        }
    }
}

impl InForce {
    /// What the arguments, the configuration, and this machine's own files say.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn begin(
        node: &Arc<Node>,
        options: &ServeOptions,
        doors: &[SocketAddr],
        certificate: Option<Arc<Certificate>>,
    ) -> Result<InForce, Refusal> {
        let config = options.config.clone();
        let settings = Settings::read(&config, &options.upstreams, Path::new("/"), doors);
        let access = check(&config, doors)?;
        let rules = config.transfer.rules()?;
        tell(&settings);
        node.serve_by(&config);
        let mirrors = Mirrors::new(node);
        mirrors.go_by(rules, config.transfer.notify.clone());
        let ambient = Ambient { now: ambient::ticks, random: ambient::random_words };
        Ok(InForce {
            node: node.clone(),
            upstreams: options.upstreams.clone(),
            peers: options.peers.clone(),
            doors: doors.to_vec(),
            certificate,
            access: Arc::new(ArcSwap::from_pointee(access)),
            forward: Forward::new(self::rules(&settings), ambient),
            mirrors,
            state: Mutex::new(State { config, settings }),
        })
    }

    /// Reads the configuration again, from the file that it came from, and goes by it.
    ///
    /// # Errors
    /// A [`Refusal`]; all is as before then.
    pub fn reload(&self) -> Result<Reloaded, Refusal> {
        let file = self.state().config.file.clone();
        // Nobody waits for a file that is slow but who asked for this.
        let config = Config::load(file.as_deref(), &|name| env::var_os(name))?;
        let mut state = self.state();
        let settings = self.read(&config);
        let access = check(&config, &self.doors)?;
        // The secret may be another one in the same file.
        let mirrors = config.transfer.rules()?;
        let mut reloaded = compare(&state.config, &config);
        if self.refresh_certificate(&config)? {
            reloaded.changed.push("the certificate");
        }
        let before = self.mirrors.telling.transfers.rules();
        if config.transfer == state.config.transfer && before != mirrors {
            reloaded.changed.push("the secret of [transfer]");
        }
        self.mirrors.go_by(mirrors, config.transfer.notify.clone());
        self.access.store(Arc::new(access));
        if (&config.allow_tld, &config.rules) != (&state.config.allow_tld, &state.config.rules) {
            self.node.serve_by(&config);
        }
        if settings != state.settings {
            self.go_by(&mut state, settings, false);
        }
        self.log_queries(config.query_log);
        if config.peers.contact != state.config.peers.contact
            && let Some(neighbours) = self.node.running().and_then(Running::neighbours)
        {
            neighbours.set_contacts(contacts(&self.peers, &config));
        }
        state.config = config;
        Ok(reloaded)
    }

    /// Says why nothing was taken over, or that it was, where people look.
    pub fn tell_refused(&self, why: Option<String>) {
        self.node.running().inspect(|running| running.set_refused(why.clone()));
    }

    /// Makes our own certificate anew when it is time, and reads the owner's again, which may have been
    /// renewed.
    pub fn look_at_certificate(&self) {
        let config = self.state().config.clone();
        match self.refresh_certificate(&config) {
            Ok(true) => tracing::info!("DoT, DoH and DoQ have another certificate now"),
            Ok(false) => {}
            Err(fault) => {
                tracing::error!("the certificate stays as it was: {fault}");
                let certificate = self.certificate.as_ref();
                certificate.inspect(|one| one.note(Some(&fault), ambient::now()));
            }
        }
    }

    /// Whether the encrypted doors have another certificate now.
    fn refresh_certificate(&self, config: &Config) -> Result<bool, CertificateFault> {
        let files = config.tls_files();
        let certificate = self.certificate.as_ref();
        certificate.map_or(Ok(false), |one| one.refresh(files.as_ref(), ambient::now()))
    }

    /// Follows this machine's own files, in a thread of its own.
    pub fn follow_machine(self: Arc<Self>) {
        let watch = Watch::of_system(Path::new("/"));
        std::thread::spawn(move || {
            watch::run(watch, |change| {
                let mut state = self.state();
                let settings = self.read(&state.config);
                tracing::info!(from = %settings.upstreams_from, "the upstream resolvers are read again");
                self.go_by(&mut state, settings, change.slept);
                true
            });
        });
    }

    fn read(&self, config: &Config) -> Settings {
        Settings::read(config, &self.upstreams, Path::new("/"), &self.doors)
    }

    /// Asks by these. Unless only names changed that this machine answers itself, the network may be
    /// another one, though its servers have the same addresses: then it knows nothing yet of whom it
    /// asks.
    fn go_by(&self, state: &mut State, settings: Settings, slept: bool) {
        tell(&settings);
        let only_names = !slept && only_names_differ(&state.settings, &settings);
        match only_names {
            true => self.forward.set_overrides(settings.overrides.clone()),
            false => self.forward.set_rules(rules(&settings)),
        }
        if let Some(running) = self.node.running() {
            running.asks_by(&settings);
            if !only_names {
                running.find_loops();
            }
        }
        state.settings = settings;
    }

    /// Says to the node, which is a daemon now, what is in force.
    pub fn tell_node(&self) {
        let state = self.state();
        if let Some(running) = self.node.running() {
            running.asks_by(&state.settings);
            running.find_loops();
        }
        self.log_queries(state.config.query_log);
    }

    /// Whoever reads the log is told that it has questions in it.
    fn log_queries(&self, on: bool) {
        let Some(running) = self.node.running() else { return };
        if on && !running.witness.is_logging() {
            tracing::warn!("{QUERY_LOG_IS_ON}");
        }
        running.witness.set_logging(on);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom to contact: those of the arguments and of the configuration.
pub fn contacts(arguments: &[Contact], config: &Config) -> Vec<Contact> {
    arguments.iter().chain(&config.peers.contact).cloned().collect()
}

/// Whether this can be gone by; who may ask then.
fn check(config: &Config, doors: &[SocketAddr]) -> Result<Access, Refusal> {
    let access = Access::new(config.allow.clone());
    access.check(doors)?;
    Ok(access)
}

/// What was left out of the settings, and why.
fn tell(settings: &Settings) {
    if let Some(nobody) = &settings.nobody {
        tracing::warn!("names outside the pages are not resolved: {nobody}");
    }
    for left_out in &settings.left_out {
        tracing::info!("not asked: {left_out}");
    }
    if let Some((_, why)) = settings.hosts_faults.iter().find(|(line, _)| *line == 0) {
        tracing::warn!("the hosts file is not read: {why}");
    }
}

/// Whether the same servers are asked, and other names are answered by this machine itself.
fn only_names_differ(old: &Settings, new: &Settings) -> bool {
    new.upstreams == old.upstreams && new.overrides != old.overrides
}

fn rules(settings: &Settings) -> Rules {
    let Settings { upstreams, overrides, .. } = settings;
    let secure = |upstream: &Upstream| upstream.transport != upstream::Transport::Plain;
    let any_secure = upstreams.all().into_iter().any(secure);
    let roots = if any_secure { Roots::of_system() } else { Roots::default() };
    Rules { upstreams: upstreams.clone(), overrides: overrides.clone(), roots }
}

/// Which settings of a configuration differ.
fn compare(old: &Config, new: &Config) -> Reloaded {
    // Every setting is named here, so that none is forgotten.
    let Config {
        data_dir,
        dns,
        dot,
        doh,
        doq,
        tls_cert,
        tls_key,
        allow,
        upstreams,
        rules,
        overrides,
        hosts,
        allow_tld,
        http,
        query_log,
        peers: Peers { listen, contact, lan, port_mapping },
        transfer,
        file: _,
    } = new;
    let live = [
        ("allow", *allow != old.allow),
        ("upstreams", *upstreams != old.upstreams),
        ("rules", *rules != old.rules),
        ("overrides", *overrides != old.overrides),
        ("hosts", *hosts != old.hosts),
        ("allow-tld", *allow_tld != old.allow_tld),
        ("tls-cert", *tls_cert != old.tls_cert),
        ("tls-key", *tls_key != old.tls_key),
        ("query-log", *query_log != old.query_log),
        ("peers.contact", *contact != old.peers.contact),
        ("transfer", *transfer != old.transfer),
    ];
    let restart = [
        ("data-dir", *data_dir != old.data_dir),
        ("dns", *dns != old.dns),
        ("dot", *dot != old.dot),
        ("doh", *doh != old.doh),
        ("doq", *doq != old.doq),
        ("http", *http != old.http),
        ("peers.listen", *listen != old.peers.listen),
        ("peers.lan", *lan != old.peers.lan),
        ("peers.port-mapping", *port_mapping != old.peers.port_mapping),
    ];
    let names = |rows: &[(&'static str, bool)]| {
        rows.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect()
    };
    Reloaded { changed: names(&live), restart: names(&restart) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::peers::Lan, dns::Overrides, page::name::Name};

    #[test]
    fn a_reload_names_what_changed_and_what_only_a_restart_changes() {
        let old = Config::default();
        let check = |new: Config, expect: &str| {
            assert_eq!(compare(&old, &new).to_string(), expect);
        };
        check(Config::default(), "nothing changed");
        let hosts = Some(false);
        check(Config { hosts, ..Config::default() }, "changed: hosts");
        let dns = vec!["127.0.0.1:5300".parse().unwrap()];
        check(
            Config { dns: dns.clone(), ..Config::default() },
            "nothing changed; only a restart changes: dns",
        );
        let contact = vec!["192.0.2.7".parse().unwrap()];
        let peers = Peers { contact, lan: Some(Lan::Off), ..Peers::default() };
        check(
            Config { peers, ..Config::default() },
            "changed: peers.contact; only a restart changes: peers.lan",
        );
        let data_dir = Some("/srv".into());
        let allow = vec!["192.0.2.0/24".parse().unwrap()];
        check(
            Config { dns, data_dir, hosts, allow, ..Config::default() },
            "changed: allow, hosts; only a restart changes: data-dir, dns",
        );
    }

    #[test]
    fn a_name_of_the_hosts_file_makes_no_other_network_and_the_same_servers_may_be_one() {
        let read = |upstreams: &[Upstream]| {
            Settings::read(&Config::default(), upstreams, Path::new("/nowhere"), &[])
        };
        let old = read(&["192.0.2.1".parse().unwrap()]);
        let check = |new: Settings, expect: bool| {
            assert_eq!(only_names_differ(&old, &new), expect);
        };
        let mut overrides = Overrides::default();
        let printer = Name::parse("printer.lan").unwrap();
        overrides.add(&printer, "192.168.1.9".parse().unwrap(), true);
        let other = read(&["192.0.2.2".parse().unwrap()]);
        check(Settings { overrides: overrides.clone(), ..old.clone() }, true);
        check(Settings { overrides, ..other }, false);
        check(old.clone(), false);
    }

    #[test]
    fn a_door_that_others_reach_is_not_left_without_a_list() {
        let (lan, home) = ("0.0.0.0:53".parse().unwrap(), "127.0.0.1:53".parse().unwrap());
        let checked = |config: &Config, doors: &[SocketAddr]| {
            check(config, doors).map_err(|refusal| refusal.to_string())
        };
        let nobody = Config::default();
        let allow = vec!["192.0.2.0/24".parse().unwrap()];
        let some = Config { allow, ..Config::default() };
        assert_eq!(checked(&nobody, &[home]), Ok(Access::default()));
        assert!(checked(&nobody, &[home, lan]).is_err_and(|said| said.contains("0.0.0.0:53")));
        assert!(checked(&some, &[home, lan]).is_ok());
    }
}
