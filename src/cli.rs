//! The command line: what people type, and how a command ends.
//!
//! Names, meanings and exit codes are promised to scripts: 0 done; 1 refused or failed, with one
//! sentence on standard error; 2 usage; 3 not found; 4 not reachable. What a command does stands in
//! the file of its name. None of them decides anything about pages: they ask a node, and sign.

use std::{path::PathBuf, process::ExitCode};

use clap::{ArgAction, Args, Parser, Subcommand};

mod args;
mod audit;
mod beacon;
mod config;
mod connect;
mod context;
mod explain;
mod fault;
mod field;
mod fold;
mod inbox;
mod key;
mod known;
mod logs;
mod output;
mod page;
mod peers;
mod presence;
mod proposals;
mod propose;
mod qr;
mod request;
mod requests;
mod resolve;
mod serve;
mod shell;
mod signing;
mod simulate;
mod stats;
mod status;
mod system;
mod table;
mod vote;
mod zone;

use crate::{ambient, daemon::recent::Recent};
use context::Context;
use fault::Outcome;

/// Names from signed pages, decided by the people who use them and answered as DNS on localhost.
///
/// A page is one zone. Its participants propose changes and vote on them; everybody's copy is
/// checked against the signatures. Commands speak to the running daemon, and work on the data
/// directory directly when none runs.
#[derive(Parser)]
#[command(name = "djdns", version, arg_required_else_help = true, after_help = EXAMPLE)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLE: &str = "\
EXAMPLE
  djdns serve --dns 127.0.0.1:5300
  djdns resolve brickwindows.ff.ct A --trace

Exit codes: 0 done; 1 refused or failed; 2 usage; 3 not found; 4 not reachable.";

/// What every command takes, before or after its name.
#[derive(Args, Clone, Default)]
struct Global {
    /// Where pages are kept [else $DJDNS_DATA_DIR, the configuration, ~/.local/share/djdns]
    #[arg(long, global = true, value_name = "D", help_heading = "Everywhere")]
    data_dir: Option<PathBuf>,
    /// Configuration file [else ~/.config/djdns/djdns.toml or /etc/djdns/djdns.toml, if there]
    #[arg(long, global = true, value_name = "F", help_heading = "Everywhere")]
    config: Option<PathBuf>,
    /// Print one JSON value with stable field names; times are seconds since 1970 (UTC)
    #[arg(long, global = true, help_heading = "Everywhere")]
    json: bool,
    /// Tell more on standard error; twice: everything
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Everywhere")]
    verbose: u8,
    /// Tell nothing on standard error but why it failed
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Everywhere")]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Serve),
    Resolve(resolve::Resolve),
    Explain(explain::Explain),
    Field(field::Field),
    Status(status::Status),
    Stats(stats::Stats),
    Peers(peers::Peers),
    Connect(connect::Connect),
    Logs(logs::Logs),
    System(system::System),
    Key(key::Key),
    Page(page::Page),
    Propose(propose::Propose),
    Proposals(proposals::Proposals),
    Vote(vote::Vote),
    Host(presence::Host),
    Unhost(presence::Unhost),
    Delegate(presence::Delegate),
    Audit(audit::Audit),
    Inbox(inbox::Inbox),
    Request(request::Request),
    Requests(requests::Requests),
    Beacon(beacon::Beacon),
    Config(config::Config),
    Simulate(simulate::Simulate),
    Completions(shell::Completions),
    Man(shell::Man),
}

/// Runs the program with the process's own arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output; whoever closed it early has read enough.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    // Only a daemon lives long enough to be asked what it said.
    let recent = Recent::default();
    let kept = matches!(cli.command, Command::Serve(_)).then(|| recent.clone());
    output::log_to_stderr(cli.global.verbose, cli.global.quiet, kept);
    if let Err(error) = ambient::outlive_file_size_limit() {
        tracing::warn!(%error, "a limit on the size of files would end this process");
    }
    let mut context = Context::new(&cli.global, cli.command.name(), recent);
    match cli.command.run(&mut context) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => output::report(&fault),
    }
}

impl Command {
    fn run(self, context: &mut Context) -> Outcome {
        match self {
            Command::Serve(command) => command.run(context),
            Command::Resolve(command) => command.run(context),
            Command::Explain(command) => command.run(context),
            Command::Field(command) => command.run(context),
            Command::Status(command) => command.run(context),
            Command::Stats(command) => command.run(context),
            Command::Peers(command) => command.run(context),
            Command::Connect(command) => command.run(context),
            Command::Logs(command) => command.run(context),
            Command::System(command) => command.run(context),
            Command::Key(command) => command.run(context),
            Command::Page(command) => command.run(context),
            Command::Propose(command) => command.run(context),
            Command::Proposals(command) => command.run(context),
            Command::Vote(command) => command.run(context),
            Command::Host(command) => command.run(context),
            Command::Unhost(command) => command.run(context),
            Command::Delegate(command) => command.run(context),
            Command::Audit(command) => command.run(context),
            Command::Inbox(command) => command.run(context),
            Command::Request(command) => command.run(context),
            Command::Requests(command) => command.run(context),
            Command::Beacon(command) => command.run(context),
            Command::Config(command) => command.run(context),
            Command::Simulate(command) => command.run(context),
            Command::Completions(command) => command.run(context),
            Command::Man(command) => command.run(context),
        }
    }

    /// As the holder of the data directory is named to whoever finds it taken.
    fn name(&self) -> &'static str {
        match self {
            Command::Serve(_) => "djdns serve",
            Command::Resolve(_) => "djdns resolve",
            Command::Explain(_) => "djdns explain",
            Command::Field(_) => "djdns field",
            Command::Status(_) => "djdns status",
            Command::Stats(_) => "djdns stats",
            Command::Peers(_) => "djdns peers",
            Command::Connect(_) => "djdns connect",
            Command::Logs(_) => "djdns logs",
            Command::System(_) => "djdns system",
            Command::Key(_) => "djdns key",
            Command::Page(_) => "djdns page",
            Command::Propose(_) => "djdns propose",
            Command::Proposals(_) => "djdns proposals",
            Command::Vote(_) => "djdns vote",
            Command::Host(_) => "djdns host",
            Command::Unhost(_) => "djdns unhost",
            Command::Delegate(_) => "djdns delegate",
            Command::Audit(_) => "djdns audit",
            Command::Inbox(_) => "djdns inbox",
            Command::Request(_) => "djdns request",
            Command::Requests(_) => "djdns requests",
            Command::Beacon(_) => "djdns beacon",
            Command::Config(_) => "djdns config",
            Command::Simulate(_) => "djdns simulate",
            Command::Completions(_) => "djdns completions",
            Command::Man(_) => "djdns man",
        }
    }
}

#[cfg(test)]
mod tests;
