//! `djdns config`: is the configuration file in order, what is in force, and what could be said.
//!
//! Needs no node. What a setting does is not known here.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    context::{self, CONFIGURATION, Context},
    fault::{Fault, Outcome},
    output,
};
use crate::{
    ambient,
    config::{
        self,
        settings::{HOSTS_FILE, Origin, Settings},
        transfer::KeyName,
    },
    daemon::certificate,
};

/// Check and show the configuration.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns config check\n  djdns config show")]
pub struct Config {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Say whether a configuration file is in order, or the first fault in it.
    ///
    /// Files that it names are read, too: the certificate and its key, the secret of transfers. Nothing is
    /// changed, and a running daemon does not notice.
    #[command(after_help = "EXAMPLE\n  djdns config check /etc/djdns/djdns.toml")]
    Check {
        /// The file; none: the one that djdns would read
        file: Option<PathBuf>,
    },
    /// Show every setting in force and where it comes from.
    ///
    /// For `djdns serve` as it would start now, without arguments.
    #[command(after_help = "EXAMPLE\n  djdns config show --json")]
    Show,
    /// Print a configuration file that explains itself and changes nothing.
    #[command(after_help = "EXAMPLE\n  djdns config example > ~/.config/djdns/djdns.toml")]
    Example,
}

/// A setting as `--json` shows it.
#[derive(Serialize)]
struct Shown {
    setting: String,
    value: Vec<String>,
    from: String,
}

/// What `config show --json` prints.
#[derive(Serialize)]
struct Report {
    settings: Vec<Shown>,
    notes: Vec<String>,
}

impl Config {
    pub fn run(self, context: &mut Context) -> Outcome {
        match self.what {
            What::Check { file } => check(context, file.as_deref()),
            What::Show => show(context),
            What::Example => output::print(config::EXAMPLE),
        }
    }
}

fn check(context: &Context, file: Option<&Path>) -> Outcome {
    let read = match file {
        Some(_) => config::Config::load(file, &context::environment).map_err(Fault::refused)?,
        None => context.config()?,
    };
    read.check_reach().map_err(Fault::refused)?;
    read.transfer.rules().map_err(Fault::refused)?;
    let files = read.tls_files();
    let note = files.map(|files| certificate::look(&files, ambient::now())).transpose();
    let note = note.map_err(Fault::refused)?.flatten();
    let file = read.file.map(|file| file.display().to_string());
    if context.json {
        let report = serde_json::json!({ "file": file, "in_order": true, "note": note });
        return output::print_json(&report);
    }
    let note = note.map_or_else(String::new, |note| format!("note: {note}\n"));
    output::print(&match file {
        Some(file) => format!("{file}: it is in order\n{note}"),
        None => "there is no configuration file, and none is needed\n".to_owned(),
    })
}

fn show(context: &mut Context) -> Outcome {
    let config = context.config()?;
    let (data_dir, from) = context.data_dir_from()?;
    let report = report(&config, (&data_dir, from), Path::new("/"));
    if context.json {
        return output::print_json(&report);
    }
    let mut text = String::new();
    for Shown { setting, value, from } in &report.settings {
        text += &format!("{setting} = {}\n    from {from}\n", value.join(", "));
    }
    report.notes.iter().for_each(|note| text += &format!("note: {note}\n"));
    context.print_paged(&text)
}

fn report(config: &config::Config, (data_dir, data_from): (&Path, &str), root: &Path) -> Report {
    let own: Vec<SocketAddr> = match config.dns.is_empty() {
        true => ["127.0.0.1:53", "[::1]:53"].iter().filter_map(|text| text.parse().ok()).collect(),
        false => config.dns.clone(),
    };
    let settings = Settings::read(config, &[], root, &own);
    let said = |said: bool| if said { config.origin() } else { Origin::Default };
    let mut rows = Vec::new();
    let mut row = |setting: &str, value: Vec<String>, from: &dyn std::fmt::Display| {
        let value = if value.is_empty() { vec!["none".to_owned()] } else { value };
        rows.push(Shown { setting: setting.to_owned(), value, from: from.to_string() });
    };
    let data_from = match data_from {
        CONFIGURATION => config.origin().to_string(),
        from => from.to_owned(),
    };
    row("data-dir", vec![data_dir.display().to_string()], &data_from);
    row("dns", texts(&own), &said(!config.dns.is_empty()));
    for (way, places) in [("dot", &config.dot), ("doh", &config.doh), ("doq", &config.doq)] {
        row(way, texts(places), &said(!places.is_empty()));
    }
    for (setting, path) in [("tls-cert", &config.tls_cert), ("tls-key", &config.tls_key)] {
        let path: Vec<String> = path.iter().map(|path| path.display().to_string()).collect();
        row(setting, path.clone(), &said(!path.is_empty()));
    }
    row("allow", texts(&config.allow), &said(!config.allow.is_empty()));
    row("upstreams", texts(settings.upstreams.usual()), &settings.upstreams_from);
    for suffix in config.rules.keys() {
        let servers = settings.upstreams.for_name(suffix.0.wire());
        row(&format!("rules.\"{}\"", suffix.0), texts(servers), &config.origin());
    }
    for (name, addresses) in &config.overrides {
        let addresses = addresses.0.iter().map(|address| address.0.to_string()).collect();
        row(&format!("overrides.\"{}\"", name.0), addresses, &config.origin());
    }
    let hosts = config.hosts.unwrap_or(true);
    row("hosts", vec![hosts.to_string()], &said(config.hosts.is_some()));
    let allowed = config.allow_tld.iter().map(|tld| tld.0.to_string()).collect();
    row("allow-tld", allowed, &said(!config.allow_tld.is_empty()));
    row("http", vec![config.http.unwrap_or_default().to_string()], &said(config.http.is_some()));
    row("query-log", vec![config.query_log.to_string()], &said(config.query_log));
    let peers = &config.peers;
    let listen = peers.listen.clone().unwrap_or_default();
    row("peers.listen", vec![listen.to_string()], &said(peers.listen.is_some()));
    row("peers.contact", texts(&peers.contact), &said(!peers.contact.is_empty()));
    row("peers.lan", vec![peers.lan.unwrap_or_default().to_string()], &said(peers.lan.is_some()));
    let port_mapping = vec![peers.port_mapping.unwrap_or(true).to_string()];
    row("peers.port-mapping", port_mapping, &said(peers.port_mapping.is_some()));
    let transfer = &config.transfer;
    let of_key = |text: Option<String>| text.into_iter().collect::<Vec<_>>();
    let key = of_key(transfer.key.as_ref().map(KeyName::called));
    row("transfer.key", key, &said(transfer.key.is_some()));
    let algorithm = transfer.algorithm.map(|word| word.0).unwrap_or_default().to_string();
    row("transfer.algorithm", vec![algorithm], &said(transfer.algorithm.is_some()));
    let secret = of_key(transfer.secret_file.as_ref().map(|file| file.display().to_string()));
    row("transfer.secret-file", secret, &said(transfer.secret_file.is_some()));
    row("transfer.allow", texts(&transfer.allow), &said(!transfer.allow.is_empty()));
    row("transfer.notify", texts(&transfer.notify), &said(!transfer.notify.is_empty()));
    let mut notes = Vec::new();
    match &settings.nobody {
        Some(nobody) => notes.push(nobody.to_string()),
        None => notes.extend(settings.left_out.iter().map(ToString::to_string)),
    }
    if settings.hosts_names > 0 {
        notes.push(format!("{HOSTS_FILE} has {} names", settings.hosts_names));
    }
    let faults = settings.hosts_faults.iter();
    notes.extend(faults.map(|(line, why)| match line {
        0 => format!("{HOSTS_FILE} is not read: {why}"),
        line => format!("{HOSTS_FILE}, line {line}: {why}"),
    }));
    Report { settings: rows, notes }
}

fn texts(list: &[impl ToString]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_shown_with_where_it_comes_from() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("djdns.toml");
        let text = "dns = [\"127.0.0.1:5300\"]\nallow = [\"192.0.2.0/24\", \"2001:db8::1\"]\n[rules]\n\"corp.example\" = [\"10.0.0.1\"]\n";
        std::fs::write(&file, text).unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/resolv.conf"), "nameserver 192.0.2.1\n").unwrap();
        std::fs::write(root.path().join("etc/hosts"), "x y\n").unwrap();
        let config = config::Config::load(Some(&file), &|_| None).unwrap();
        let report = report(&config, (Path::new("/d"), "--data-dir"), root.path());
        let from = |setting: &str| {
            let row = report.settings.iter().find(|row| row.setting == setting).unwrap();
            (row.value.join(" "), row.from.clone())
        };
        let file = file.display().to_string();
        let pair = |value: &str, from: &str| (value.to_owned(), from.to_owned());
        assert_eq!(from("data-dir"), pair("/d", "--data-dir"));
        assert_eq!(from("dns"), pair("127.0.0.1:5300", &file));
        assert_eq!(from("dot"), pair("none", "the default"));
        assert_eq!(from("allow"), pair("192.0.2.0/24 2001:db8::1/128", &file));
        assert_eq!(from("upstreams"), pair("192.0.2.1", "/etc/resolv.conf"));
        assert_eq!(from("rules.\"corp.example.\""), pair("10.0.0.1", &file));
        assert_eq!(from("hosts"), pair("true", "the default"));
        assert_eq!(from("peers.listen"), pair("[::]:31415", "the default"));
        assert_eq!(from("peers.lan"), pair("true", "the default"));
        assert_eq!(from("allow-tld"), pair("none", "the default"));
        assert_eq!(report.notes, ["/etc/hosts, line 1: `x` is no IP address: line skipped"]);
    }
}
