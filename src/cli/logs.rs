//! `djdns logs`: what the daemon said lately.

use clap::Args;

use super::{
    context::Context,
    fault::{Fault, Outcome},
    output::{self, Paint, Style, clean},
};
use crate::{
    control::{
        request::{Answer, Failure, Request},
        running::{LogLine, LogPart},
    },
    time::date,
};

/// Show what the running daemon said lately.
///
/// The daemon keeps its newest thousand lines in memory, warnings and what is worth knowing, however
/// it was started; they are gone when it ends. Under systemd `journalctl -u djdns` has the warnings of
/// all its lives. Questions are among the lines only if `query-log = true`.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns logs --lines 20\n  djdns logs --follow")]
pub struct Logs {
    /// Go on with what it says next, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Begin with the newest so many lines [else all that are kept]
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
}

impl Logs {
    pub fn run(self, context: &mut Context) -> Outcome {
        let mut part = read(context, 0, false)?;
        let skipped = self.lines.map_or(0, |lines| part.lines.len().saturating_sub(lines));
        part.lines.drain(..skipped);
        if !self.follow {
            if context.json {
                return output::print_json(&part);
            }
            let text: String = part.lines.iter().map(|line| shown(line, context.style)).collect();
            return context.print_paged(&text);
        }
        loop {
            for line in &part.lines {
                match context.json {
                    true => output::print_json(line)?,
                    false => output::print(&shown(line, context.style))?,
                }
            }
            part = read(context, part.next, true).map_err(ended)?;
        }
    }
}

/// Whoever follows waits for what comes next, and so hears at once that the daemon has ended.
fn ended(fault: Fault) -> Fault {
    match fault.code() {
        4 => Fault::Failure(Failure::unreachable(
            "the daemon has ended; what the next one says is shown by `djdns logs -f` again",
        )),
        _ => fault,
    }
}

fn read(context: &mut Context, from: u64, wait: bool) -> Outcome<LogPart> {
    match context.ask_daemon(&Request::Log { from, wait })? {
        Answer::Log(part) => Ok(part),
        _ => Err(Fault::other_answer()),
    }
}

/// A line, with nothing in it that could steer a terminal or begin another line.
fn shown(line: &LogLine, style: Style) -> String {
    let paint = match line.level.as_str() {
        "error" => Paint::Bad,
        "warn" => Paint::Notice,
        _ => Paint::Dim,
    };
    let LogLine { time, level, message, .. } = line;
    let message = clean(message).replace('\n', " ");
    format!("{} {} {message}\n", date(*time), style.paint(paint, &format!("{level:5}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_and_steers_no_terminal() {
        let line = LogLine {
            time: 1_800_000_000,
            level: "warn".into(),
            target: "djdns".into(),
            message: "a\x1b[2J\nb".into(),
        };
        assert_eq!(shown(&line, Style::plain()), "2027-01-15T08:00:00Z warn  a\u{fffd}[2J b\n");
    }
}
