//! What commands show: text on standard output, notes and progress on standard error.
//!
//! Colour, paging and progress are for terminals; a pipe gets plain text. Text that comes from
//! pages and people may hold anything and is cleaned of control characters by [`clean`].

use std::{
    io::{self, ErrorKind, IsTerminal, Write},
    os::fd::AsFd,
    process::{Command, ExitCode, Stdio},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tracing_subscriber::{EnvFilter, prelude::*};

use super::{
    fault::{Fault, Outcome},
    fold::fold,
};
use crate::{control::request::Failure, daemon::recent::Recent};

/// Whether and how text is coloured, and how much fits on a line.
#[derive(Clone, Copy)]
pub struct Style {
    colour: bool,
    /// Characters on a line of the terminal; no end of them anywhere else.
    pub width: Option<usize>,
}

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    Plain,
    Bold,
    Dim,
    Good,
    Bad,
    Notice,
}

impl Style {
    /// Colour on a terminal, unless `NO_COLOR` or a dumb terminal says otherwise.
    pub fn of_stdout() -> Style {
        Style::of(&io::stdout())
    }

    /// Colour if that stream is a terminal and nobody objects.
    fn of(stream: &(impl IsTerminal + AsFd)) -> Style {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        Style {
            colour: stream.is_terminal() && set("NO_COLOR").is_none() && !dumb,
            width: columns(stream),
        }
    }

    /// No colour at all.
    #[cfg(test)]
    pub fn plain() -> Style {
        Style { colour: false, width: None }
    }

    /// No colour, on a terminal with so many columns.
    #[cfg(test)]
    pub fn narrow(width: usize) -> Style {
        Style { colour: false, width: Some(width) }
    }

    /// The text in its colour.
    pub fn paint(self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Plain => return text.to_owned(),
            Paint::Bold => "1",
            Paint::Dim => "2",
            Paint::Good => "32",
            Paint::Bad => "31",
            Paint::Notice => "33",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// How many characters fit on a line of the terminal, if the stream is one.
fn columns(stream: &impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// The text as the stream shows it best: on a terminal with its lines broken between words.
fn fitted(text: &str, stream: &impl AsFd) -> String {
    columns(stream).map_or_else(|| text.to_owned(), |width| fold(text, width))
}

/// Prints text as it is.
///
/// # Errors
/// [`Fault::LeftEarly`] when nobody reads any more; a refusal when the disk behind a pipe is full.
pub fn print(text: &str) -> Outcome {
    print_bytes(text.as_bytes())
}

/// Prints bytes as they are; as [`print`].
pub fn print_bytes(bytes: &[u8]) -> Outcome {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Fault::LeftEarly,
        _ => Fault::refused(format!("standard output cannot be written: {error}")),
    })
}

/// Prints one JSON value on a line.
pub fn print_json<T: Serialize>(value: &T) -> Outcome {
    let text = serde_json::to_string(value)
        .map_err(|error| Fault::refused(format!("the answer does not become JSON: {error}")))?;
    print(&(text + "\n"))
}

/// Prints text, through `$PAGER` when it is longer than the terminal is high.
pub fn print_paged(text: &str) -> Outcome {
    let stdout = io::stdout();
    let text = &fitted(text, &stdout);
    let fits = rustix::termios::tcgetwinsize(&stdout)
        .is_ok_and(|size| text.lines().count() < usize::from(size.ws_row));
    if !stdout.is_terminal() || fits {
        return print(text);
    }
    match page_through(text) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Fault::LeftEarly),
        // No pager: long output is still output.
        Err(_) => print(text),
    }
}

fn page_through(text: &str) -> io::Result<()> {
    let pager = std::env::var("PAGER").unwrap_or_else(|_| "less".to_owned());
    if pager.trim().is_empty() || pager == "cat" {
        return Err(ErrorKind::NotFound.into());
    }
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec {pager}")]).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        // Leave at once when all fits, keep colours, leave the text on the screen.
        command.env("LESS", "FRX");
    }
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take();
    let written = stdin.as_mut().map_or(Ok(()), |stdin| stdin.write_all(text.as_bytes()));
    drop(stdin);
    // The shell says 127 when there is no such pager; nothing was shown then.
    if child.wait()?.code() == Some(127) {
        return Err(ErrorKind::NotFound.into());
    }
    written
}

/// Says on standard error why a command failed, and gives its exit code.
pub fn report(fault: &Fault) -> ExitCode {
    if let Fault::Failure(Failure { message, .. }) | Fault::Usage(message) = fault {
        complain(message);
    }
    ExitCode::from(fault.code())
}

/// Says why the command failed.
fn complain(message: &str) {
    // If standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "{}", said(&format!("djdns: {message}")));
}

/// Says something on standard error.
pub fn note(message: &str) {
    let _ = writeln!(io::stderr(), "{}", said(message));
}

fn said(message: &str) -> String {
    fitted(&clean(message), &io::stderr())
}

/// The text without control characters: what other people wrote must not steer a terminal, nor turn
/// around what stands beside it.
pub fn clean(text: &str) -> String {
    let steers = |c: char| c.is_control() && c != '\n' || is_bidi_control(c);
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// Unicode's Bidi_Control (UAX 9, section 2): characters that only change the direction of others.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What is worth knowing: of h2 each client that resets its requests would be, as often as it likes.
const USUAL: &str = "djdns=info,warn,h2=error";

/// Sends the library's log to standard error, and to `kept` what is worth knowing, whatever is shown.
pub fn log_to_stderr(verbose: u8, quiet: bool, kept: Option<Recent>) {
    let level = match (quiet, verbose) {
        (true, _) => "error",
        // Whoever has questions logged wants to see them.
        (_, 0) => "warn,h2=error,djdns::query=info",
        (_, 1) => USUAL,
        _ => "djdns=trace,info",
    };
    let filter = EnvFilter::try_from_env("DJDNS_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    // Only the first subscriber of a process counts; tests may have set theirs.
    let shown = tracing_subscriber::fmt::layer()
        .with_ansi(Style::of(&io::stderr()).colour)
        .with_writer(io::stderr)
        .with_filter(filter);
    let kept = kept.map(|kept| kept.with_filter(EnvFilter::new(USUAL)));
    let _ = tracing_subscriber::registry().with(shown).with(kept).try_init();
}

/// A bar on a terminal's standard error while something takes long. Gone when dropped.
pub struct Progress {
    wanted: bool,
    bar: Option<(String, ProgressBar)>,
}

impl Progress {
    /// A bar that shows only if `wanted` and on a terminal.
    pub fn new(wanted: bool) -> Progress {
        Progress { wanted: wanted && io::stderr().is_terminal(), bar: None }
    }

    /// So much of so much in all (0: unknown) is done of what the label says.
    pub fn tell(&mut self, label: &str, done: u64, total: u64) {
        if !self.wanted {
            return;
        }
        if self.bar.as_ref().is_none_or(|(shown, _)| shown != label) {
            self.clear();
            self.bar = Some((label.to_owned(), bar(label, total)));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set_position(done);
        }
    }

    fn clear(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn bar(label: &str, total: u64) -> ProgressBar {
    let template = match total {
        0 => "{msg} {spinner} {human_pos}",
        _ => "{msg} {wide_bar} {percent}% {eta}",
    };
    let bar = if total == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(total) };
    // The templates above are constant and valid.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(clean(label));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_cannot_steer_the_terminal() {
        assert_eq!(clean("a\x1b[31m\u{9b}b\r\n"), "a\u{fffd}[31m\u{fffd}b\u{fffd}\n");
        assert_eq!(clean("yes \u{202e}on\u{2066}"), "yes \u{fffd}on\u{fffd}");
        assert_eq!(clean("שלום ‌é"), "שלום ‌é");
    }

    #[test]
    fn plain_style_adds_nothing() {
        assert_eq!(Style::plain().paint(Paint::Bad, "no"), "no");
        assert_eq!(Style { colour: true, width: None }.paint(Paint::Bold, "x"), "\x1b[1mx\x1b[0m");
    }
}
