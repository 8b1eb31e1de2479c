//! `djdns completions` and `djdns man`: made from the commands themselves.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{
    Cli,
    context::Context,
    fault::{Fault, Outcome},
    output,
};

/// Print completions for a shell.
///
/// Redirect them to where your shell looks for completions, and start a new shell.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns completions bash > djdns.bash && . ./djdns.bash")]
pub struct Completions {
    /// Which shell
    shell: Shell,
}

/// Print the manual page, or write one for every command.
///
/// The page is in roff, for `man -l` and for packages.
#[derive(Args)]
#[command(
    after_help = "EXAMPLE\n  djdns man | man -l -\n  djdns man --dir ~/.local/share/man/man1"
)]
pub struct Man {
    /// Write djdns.1, djdns-page.1 and so on into this directory, made if need be
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Completions {
    pub fn run(self, _: &mut Context) -> Outcome {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "djdns", &mut text);
        output::print_bytes(&text)
    }
}

impl Man {
    pub fn run(self, _: &mut Context) -> Outcome {
        if let Some(dir) = self.dir {
            let written = std::fs::create_dir_all(&dir);
            let written = written.and_then(|()| clap_mangen::generate_to(Cli::command(), &dir));
            return written.map_err(|error| Fault::file("written", &dir, &error));
        }
        let mut text = Vec::new();
        let rendered = clap_mangen::Man::new(Cli::command()).render(&mut text);
        rendered.map_err(|error| Fault::refused(format!("the manual page: {error}")))?;
        output::print_bytes(&text)
    }
}
