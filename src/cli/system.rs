//! `djdns system`: points the operating system's nameserver at djdns, and back.
//!
//! This is the thin part: it looks who asks, has the machine's state judged and changed by the files
//! below, and prints. Which files mean what is not known here.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use clap::{Args, Subcommand};

mod ask;
mod detect;
mod files;
mod later;
mod network_manager;
mod plain;
mod plan;
mod record;
mod resolvconf;
mod resolved;
mod show;
mod turn;

use super::{
    args,
    context::Context,
    fault::{Fault, Outcome},
    output,
};
use crate::{ambient, time};
use files::{Root, Thing};
use plan::{Plan, Wish};
use turn::{Done, Due};

/// Make djdns this machine's nameserver, and undo it.
///
/// Understands systemd-resolved, NetworkManager, resolvconf, openresolv and a plain /etc/resolv.conf.
/// What was there is noted in /var/lib/djdns-system/system.json before anything changes, and put back
/// byte for byte by `disable`. A file that somebody edited since is shown and left alone, unless --force is given.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns system enable --dry-run\n  sudo djdns system enable\n  \
                        djdns system status")]
pub struct System {
    #[command(subcommand)]
    what: What,
    /// Work on a directory that looks like a machine, and run no commands
    #[arg(long, global = true, value_name = "DIR", env = "DJDNS_SYSTEM_ROOT", hide = true)]
    root: Option<PathBuf>,
}

#[derive(Subcommand)]
enum What {
    Enable(Enable),
    Disable(Disable),
    Status(Status),
    Pause(Pause),
    Resume(Resume),
}

/// Point this machine's nameserver at djdns.
///
/// First asks djdns for `localhost` (with --split: for one of its domains), and refuses if it does not
/// answer. Where it was interrupted, this finishes it; where it is paused, this ends the pause, with what
/// was chosen then: to choose anew say all of it, or `disable` first.
#[derive(Args)]
#[command(
    after_help = "EXAMPLE\n  djdns system enable --dry-run\n  sudo djdns system enable\n  sudo \
                        djdns system enable --split --domain ct"
)]
struct Enable {
    /// Send only names of pages to djdns; systemd-resolved alone can do that
    #[arg(long)]
    split: bool,
    /// A top-level domain of pages; may be repeated [else those that the running daemon has]
    #[arg(long, value_name = "NAME", value_parser = domain)]
    domain: Vec<String>,
    /// Where djdns answers; may be repeated [else 127.0.0.1, and ::1 if it answers there]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    address: Vec<SocketAddr>,
    /// Overwrite what somebody edited since
    #[arg(long)]
    force: bool,
    /// Show what would be written and run, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Put back what was there before djdns.
///
/// May be run any number of times, and after any interruption. Where a DHCP client wrote resolv.conf
/// anew meanwhile, and the units that come with djdns took that up, what it wrote last comes back.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns system disable --dry-run\n  sudo djdns system disable")]
struct Disable {
    /// Put back what was there even where somebody edited it since
    #[arg(long)]
    force: bool,
    /// Show what would be put back and run, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Say who governs this machine's nameserver, whether it is djdns and answers, and what was changed.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns system status --json")]
struct Status {}

/// Step aside for a while, and return by itself.
///
/// What was there before djdns is put back, and until when is written down. A timer of systemd brings
/// djdns back, where systemd runs; elsewhere a process that waits. If the machine restarts before, or that
/// process is ended, whoever runs `djdns system resume` does: the unit djdns-system.service at every start,
/// where it was installed and enabled. `djdns system enable` returns at any time, and `djdns system status`
/// says when a pause is over and nobody returned.
#[derive(Args)]
#[command(
    after_help = "EXAMPLE\n  djdns system pause 10m --dry-run\n  sudo djdns system pause 10m"
)]
struct Pause {
    /// For how long, or until when: 10m, 2h, 1d, 2027-01-15T08:30:00Z
    #[arg(value_name = "DURATION")]
    duration: String,
    /// Put back what was there even where somebody edited it since
    #[arg(long)]
    force: bool,
    /// Show what would be put back and run, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Do what is due: return from a pause that is over, finish what was interrupted, follow a DHCP client.
///
/// For scripts and units, at a start of the machine and when /etc/resolv.conf changed: where nothing is
/// due it does nothing. What a DHCP client wrote into a plain resolv.conf is taken for what was there
/// before djdns: djdns asks the servers in it, and `disable` puts it back. A file with a line of djdns
/// left in it was edited by somebody, and stays.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns system status\n  sudo djdns system resume")]
struct Resume {
    /// Wait until it is over
    #[arg(long)]
    wait: bool,
}

fn domain(text: &str) -> Result<String, String> {
    let name = args::name(text).map_err(|refusal| refusal.to_string())?.to_string();
    match name.trim_end_matches('.') {
        "" => Err("the root is every name: leave out --split instead".to_owned()),
        name => Ok(name.to_owned()),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let ip = text.trim_matches(['[', ']']).parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
    let whole = ip.or_else(|_| text.parse());
    whole.map_err(|_| format!("`{text}` is no address, as 127.0.0.1 or 127.0.0.1:5300"))
}

impl System {
    pub fn run(self, context: &mut Context) -> Outcome {
        let dir = self.root.unwrap_or_else(|| "/".into());
        let root = Root::new(&dir);
        match self.what {
            What::Enable(command) => command.run(context, &root),
            What::Disable(command) => command.run(context, &root),
            What::Status(_) => status(context, &root),
            What::Pause(command) => command.run(context, &root),
            What::Resume(command) => command.run(context, &root),
        }
    }
}

impl Enable {
    fn run(self, context: &mut Context, root: &Root) -> Outcome {
        let daemon = if root.is_real() { ask::daemon(context) } else { None };
        let known = daemon.as_ref().map_or(Vec::new(), |(_, domains)| domains.clone());
        let chosen = self.split || !self.domain.is_empty() || !self.address.is_empty();
        let held = if chosen { None } else { record::Record::load(root)? };
        let fresh = || Wish {
            addresses: if self.address.is_empty() { addresses(root) } else { self.address },
            split: self.split,
            domains: if self.domain.is_empty() { known } else { self.domain },
        };
        let wish = held.map_or_else(fresh, |held| held.wish);
        if self.dry_run {
            let (record, plan) = turn::planned(root, &wish)?;
            output::print(&shown(root, &record.manager, &plan))?;
            return may_enable(root, &wish).map_err(would_be_refused);
        }
        needs_root(root)?;
        may_enable(root, &wish)?;
        if let Some((status, _)) = daemon {
            context.note(format!("djdns serves {} pages: {}", status.pages, status.health));
        }
        enable(context, root, &wish, self.force)
    }
}

fn enable(context: &Context, root: &Root, wish: &Wish, force: bool) -> Outcome {
    let done = turn::enable(root, wish, force, &mut runner(context, root))?;
    let what = if wish.split { wish.domains.join(", ") } else { "all names".to_owned() };
    let addresses: Vec<String> = wish.addresses.iter().map(ToString::to_string).collect();
    let so = if done.already { "already asks" } else { "now asks" };
    finish(context, done, &format!("this machine {so} djdns at {}: {what}", addresses.join(", ")))
}

impl Disable {
    fn run(self, context: &mut Context, root: &Root) -> Outcome {
        if self.dry_run {
            return would_undo(root, self.force);
        }
        needs_root(root)?;
        let done = turn::disable(root, self.force, &mut runner(context, root))?;
        let said = match done.already {
            true => "this machine was not pointed at djdns: nothing to undo",
            false => "what was there before djdns is back, byte for byte",
        };
        finish(context, done, said)
    }
}

fn would_undo(root: &Root, force: bool) -> Outcome {
    output::print(&match turn::undone(root, force)? {
        None => "this machine is not pointed at djdns: nothing would be done\n".to_owned(),
        Some((record, plan)) => shown(root, &record.manager, &plan),
    })
}

fn status(context: &Context, root: &Root) -> Outcome {
    let mut status = show::status(root, ambient::now())?;
    if root.is_real() {
        show::add_silence(&mut status, ask::silence);
    }
    match context.json {
        true => output::print_json(&status),
        false => output::print(&output::clean(&show::render(&status))),
    }
}

impl Pause {
    fn run(self, context: &mut Context, root: &Root) -> Outcome {
        let now = ambient::now();
        let until = time::when(&self.duration, now).map_err(Fault::usage)?;
        if until <= now {
            return Err(Fault::usage(format!("`{}` is not in the future", self.duration)));
        }
        if self.dry_run {
            return would_undo(root, self.force);
        }
        needs_root(root)?;
        let mut how = "";
        let mut schedule = || {
            how = later::schedule(root, until - now)?;
            Ok(())
        };
        let mut run = runner(context, root);
        let done = turn::pause(root, until, self.force, &mut run, &mut schedule)?;
        finish(context, done, &format!("paused until {}; {how}", time::date(until)))
    }
}

impl Resume {
    fn run(self, context: &mut Context, root: &Root) -> Outcome {
        needs_root(root)?;
        if !self.wait {
            return resume(context, root);
        }
        loop {
            later::wait(root)?;
            let Err(_) = resume(context, root) else { return Ok(()) };
            ambient::pause(later::AGAIN);
        }
    }
}

fn resume(context: &Context, root: &Root) -> Outcome {
    let now = ambient::now();
    match turn::due(root, now)? {
        Due::Nothing => output::print("nothing is due: nothing was changed\n"),
        Due::Later(until) => {
            let how = later::schedule(root, until - now)?;
            output::print(&format!("paused until {}; {how}\n", time::date(until)))
        }
        Due::Enable(wish) => {
            may_enable(root, &wish)?;
            turn::adopt(root)?;
            enable(context, root, &wish, false)
        }
    }
}

fn may_enable(root: &Root, wish: &Wish) -> Outcome {
    if root.is_real() { ask::check(wish) } else { Ok(()) }
}

/// What a rehearsal says of what the real run would end with.
fn would_be_refused(fault: Fault) -> Fault {
    match fault {
        Fault::Failure(failure) => Fault::refused(format!("this would be refused: {failure}")),
        other => other,
    }
}

/// 127.0.0.1, and ::1 if something answers there too.
fn addresses(root: &Root) -> Vec<SocketAddr> {
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 53));
    let mut addresses = vec![SocketAddr::from(([127, 0, 0, 1], 53))];
    if root.is_real() && ask::ask(v6, "localhost").is_ok() {
        addresses.push(v6);
    }
    addresses
}

fn needs_root(root: &Root) -> Outcome {
    if !root.is_real() || rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let program = std::env::current_exe().map_or("djdns".to_owned(), |at| at.display().to_string());
    Err(Fault::refused(format!(
        "only root may change this machine's nameserver: sudo {program} {}",
        words.join(" ")
    )))
}

/// Whether systemd runs the services of this machine; of a directory it is taken for granted.
fn has_services(root: &Root) -> bool {
    !root.is_real() || root.has("/run/systemd/system")
}

/// Runs commands on the machine itself, and says of any other that it would.
fn runner(context: &Context, root: &Root) -> impl FnMut(&[Vec<String>]) -> Vec<String> {
    let (real, quiet) = (root.is_real(), context.quiet);
    let managed = has_services(root);
    move |commands| {
        if real {
            let (run, left) = plan::runnable(commands, managed);
            left.iter().filter(|_| !quiet).for_each(|left| output::note(&format!("note: {left}")));
            return ask::run(&run);
        }
        for command in commands.iter().filter(|_| !quiet) {
            output::note(&format!("not run in a directory: {}", command.join(" ")));
        }
        Vec::new()
    }
}

fn finish(context: &Context, done: Done, said: &str) -> Outcome {
    for note in &done.notes {
        context.note(format!("note: {note}"));
    }
    if !done.failed.is_empty() {
        return Err(Fault::refused(format!(
            "files are changed, but not all that belongs to it: {}",
            done.failed.join("; ")
        )));
    }
    output::print(&format!("{said}\n"))
}

/// A plan, for people.
fn shown(root: &Root, manager: &str, plan: &Plan) -> String {
    let mut out = format!("governed by {manager}; this would be done:\n");
    for (path, thing) in &plan.files {
        let verb = if *thing == Thing::Absent { "remove" } else { "write" };
        out += &format!("{verb} {path}\n");
        out += &thing.lines().iter().map(|line| format!("    {line}\n")).collect::<String>();
    }
    let (run, left) = plan::runnable(&plan.commands, has_services(root));
    for command in run {
        out += &format!("run {}\n", command.join(" "));
    }
    out + &plan.notes.iter().chain(&left).map(|note| format!("note: {note}\n")).collect::<String>()
}

#[cfg(test)]
mod stories;
#[cfg(test)]
mod tests;
