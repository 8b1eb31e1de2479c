//! `djdns completions` and `djdns man`: made from the commands themselves.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::builder::Resettable;
use clap::{Args, Command, CommandFactory};
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
            let mut command = Cli::command().disable_help_subcommand(true);
            command.build();
            let written = written.and_then(|()| write_pages(command, "djdns".to_owned(), &dir));
            return written.map_err(|error| Fault::file("written", &dir, &error));
        }
        let mut text = Vec::new();
        let rendered = clap_mangen::Man::new(Cli::command()).render(&mut text);
        rendered.map_err(|error| Fault::refused(format!("the manual page: {error}")))?;
        output::print_bytes(&text)
    }
}

/// A page for a command that is typed like this, and for each of its own. `clap_mangen` would leave
/// out what a command above takes, as the page of `djdns propose <P> set`.
fn write_pages(command: Command, typed: String, dir: &Path) -> io::Result<()> {
    let above = command
        .get_positionals()
        .map(|argument| argument.get_value_names().unwrap_or_default().join(" "))
        .fold(typed.clone(), |above, name| format!("{above} <{name}>"));
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write_pages(below.clone(), format!("{above} {}", below.get_name()), dir)?;
    }
    // A usage line written by hand has the arguments of commands above, but none of the options.
    let command = command.bin_name(typed).override_usage(Resettable::Reset);
    clap_mangen::Man::new(command).generate_to(dir).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_page_says_all_that_is_typed() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        write_pages(command, "djdns".to_owned(), dir.path()).unwrap();
        let check = |page: &str, begin: &str, end: &str| {
            let text = std::fs::read_to_string(dir.path().join(page)).unwrap();
            let synopsis = text.split(".SH SYNOPSIS\n").nth(1).unwrap().lines().next().unwrap();
            let plain = ["\\fB", "\\fI", "\\fR"]
                .iter()
                .fold(synopsis.to_owned(), |text, font| text.replace(font, ""));
            assert!(plain.starts_with(begin) && plain.trim_end().ends_with(end), "{page}: {plain}");
        };
        check("djdns.1", "djdns [", "<subcommands>");
        check("djdns-page-show.1", "djdns page show [", "<P>");
        check("djdns-propose.1", "djdns propose [", "<P> [subcommands]");
        check("djdns-propose-set.1", "djdns propose <P> set [", "<OWNER> <TYPE> <RDATA>");
        check("djdns-propose-link.1", "djdns propose <P> link [", "<LABEL> <PAGE\\-ID>");
        check(
            "djdns-propose-participant-power.1",
            "djdns propose <P> participant power [",
            "<KEY=POWER>",
        );
    }
}
