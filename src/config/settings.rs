//! What is in force: the arguments, else the configuration, else what this machine says, put together.
//!
//! Reads below a root. Nobody is asked anything, and nothing is remembered: whoever learns of a change
//! puts the settings together again.

use std::{
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{
    Config, file,
    hosts::Hosts,
    system_dns::{self, LeftOut, NothingFound},
};
use crate::{
    dns::{Overrides, Upstream, Upstreams},
    limits::HOSTS_BYTES_MAX,
    page::name::Name,
};

/// The hosts file (hosts(5)).
pub const HOSTS_FILE: &str = "/etc/hosts";

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Arguments,
    /// The configuration file.
    Configuration(PathBuf),
    /// A file of this machine.
    System(PathBuf),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Arguments => f.write_str("the command line"),
            Origin::Configuration(file) | Origin::System(file) => file.display().fmt(f),
            Origin::Default => f.write_str("the default"),
        }
    }
}

/// What forwarding goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub upstreams: Upstreams,
    /// Where those come from that no rule names.
    pub upstreams_from: Origin,
    /// Each domain that others are asked for, and those of them that are.
    pub rules: Vec<(Name, Vec<Upstream>)>,
    pub overrides: Overrides,
    /// Names of `overrides` that the hosts file has: none when it is not read.
    pub hosts_names: usize,
    /// Who was named and is not asked.
    pub left_out: Vec<LeftOut>,
    /// Why nobody is asked for names that no rule is about.
    pub nobody: Option<NothingFound>,
    /// Lines of the hosts file that were skipped, and why; line 0: all of it.
    pub hosts_faults: Vec<(usize, String)>,
}

impl Settings {
    /// Puts the settings together. `arguments`: what `--upstream` says; `own`: where djdns answers.
    pub fn read(
        config: &Config,
        arguments: &[Upstream],
        root: &Path,
        own: &[SocketAddr],
    ) -> Settings {
        let mut left_out = Vec::new();
        let named = match (arguments, &config.upstreams[..]) {
            ([], []) => None,
            ([], named) => Some((named, config.origin())),
            (named, _) => Some((named, Origin::Arguments)),
        };
        let (default, upstreams_from, nobody) = match named {
            Some((named, from)) => {
                let kept = keep(named, own, &from, &mut left_out);
                let nobody = kept.is_empty().then(|| NothingFound { left_out: left_out.clone() });
                (kept, from, nobody)
            }
            None => match system_dns::find(root, own) {
                Ok(found) => {
                    left_out = found.left_out;
                    (found.upstreams, Origin::System(found.from), None)
                }
                Err(nothing) => {
                    left_out.clone_from(&nothing.left_out);
                    (Vec::new(), Origin::Default, Some(nothing))
                }
            },
        };
        let rules = config.rules.iter().map(|(suffix, servers)| {
            let kept = keep(&servers.0, own, &config.origin(), &mut left_out);
            (suffix.0.clone(), kept)
        });
        let rules: Vec<(Name, Vec<Upstream>)> = rules.collect();
        let upstreams = Upstreams::new(default, rules.clone());
        let hosts = match config.hosts {
            Some(false) => Hosts::default(),
            _ => read_hosts(root),
        };
        let mut overrides = Overrides::default();
        for (name, addresses) in &config.overrides {
            addresses.0.iter().for_each(|address| overrides.add(&name.0, address.0, true));
        }
        Settings {
            upstreams,
            upstreams_from,
            rules,
            hosts_names: hosts.overrides.len(),
            overrides: overrides.over(hosts.overrides),
            left_out,
            nobody,
            hosts_faults: hosts.faults,
        }
    }
}

/// The hosts file; where there is none, nothing.
fn read_hosts(root: &Path) -> Hosts {
    let Some(at) = system_dns::place(root, Path::new(HOSTS_FILE)) else { return Hosts::default() };
    match file::read(&at, HOSTS_BYTES_MAX) {
        Ok(bytes) => Hosts::parse(&String::from_utf8_lossy(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Hosts::default(),
        Err(error) => Hosts { faults: vec![(0, error.to_string())], ..Hosts::default() },
    }
}

/// Those of `named` that are not djdns itself. Whoever names a stub by hand may mean it.
fn keep(
    named: &[Upstream],
    own: &[SocketAddr],
    from: &Origin,
    left_out: &mut Vec<LeftOut>,
) -> Vec<Upstream> {
    let itself = |upstream: &&Upstream| match system_dns::refusal(upstream.address, own) {
        Some(reason @ system_dns::Reason::Itself) => {
            let file = PathBuf::from(from.to_string());
            left_out.push(LeftOut { address: upstream.address, reason, file });
            false
        }
        _ => true,
    };
    named.iter().filter(itself).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::system_dns::tests::machine;

    fn config(text: &str) -> Config {
        Config::parse(text).unwrap()
    }

    fn default(settings: &Settings) -> Vec<String> {
        settings.upstreams.usual().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn arguments_beat_the_configuration_which_beats_the_machine() {
        let root = machine(&[("/etc/resolv.conf", "nameserver 192.0.2.3\n")]);
        let own = ["127.0.0.1:53".parse().unwrap()];
        let said = config("upstreams = [\"192.0.2.2\", \"127.0.0.1\"]");
        let argument = ["192.0.2.1".parse().unwrap()];
        let settings = Settings::read(&said, &argument, root.path(), &own);
        assert_eq!(default(&settings), ["192.0.2.1"]);
        assert_eq!(settings.upstreams_from, Origin::Arguments);
        let settings = Settings::read(&said, &[], root.path(), &own);
        assert_eq!(default(&settings), ["192.0.2.2"]);
        assert_eq!(settings.left_out.len(), 1);
        let settings = Settings::read(&config(""), &[], root.path(), &own);
        assert_eq!(default(&settings), ["192.0.2.3"]);
        assert_eq!(settings.upstreams_from, Origin::System("/etc/resolv.conf".into()));
    }

    #[test]
    fn with_nobody_to_ask_rules_still_hold() {
        let root = tempfile::tempdir().unwrap();
        let own = ["127.0.0.1:53".parse().unwrap()];
        let said = config("[rules]\n\"corp.example\" = [\"10.0.0.1\"]");
        let settings = Settings::read(&said, &[], root.path(), &own);
        assert!(settings.nobody.is_some());
        let asked = Name::parse("www.corp.example").unwrap();
        assert_eq!(settings.upstreams.for_name(asked.wire()).len(), 1);
        let only_itself = config("upstreams = [\"127.0.0.1\"]");
        let settings = Settings::read(&only_itself, &[], root.path(), &own);
        assert!(settings.nobody.unwrap().to_string().contains("djdns itself answers there"));
    }

    #[test]
    fn overrides_beat_the_hosts_file_which_can_be_left_out() {
        let hosts = "192.168.1.8 printer.lan\n192.168.1.7 nas.lan\nrubbish\n";
        let root = machine(&[("/etc/hosts", hosts)]);
        let text = "[overrides]\n\"printer.lan\" = [\"192.168.1.9\"]\n";
        let settings = Settings::read(&config(text), &[], root.path(), &[]);
        let of = |settings: &Settings, name: &str| {
            settings.overrides.addresses(Name::parse(name).unwrap().wire()).map(<[_]>::to_vec)
        };
        assert_eq!(of(&settings, "printer.lan"), Some(vec!["192.168.1.9".parse().unwrap()]));
        assert!(of(&settings, "nas.lan").is_some());
        assert_eq!((settings.hosts_names, settings.hosts_faults[0].0), (2, 3));
        fs::remove_file(root.path().join("etc/hosts")).unwrap();
        fs::create_dir(root.path().join("etc/hosts")).unwrap();
        let unread = Settings::read(&config(text), &[], root.path(), &[]);
        assert!(matches!(&unread.hosts_faults[..], [(0, why)] if why.contains("no regular file")));
        let text = format!("hosts = false\n{text}");
        let settings = Settings::read(&config(&text), &[], root.path(), &[]);
        assert_eq!((of(&settings, "nas.lan"), settings.hosts_names), (None, 0));
    }
}
