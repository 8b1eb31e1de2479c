//! The newest lines of the log, kept in memory for `djdns logs`.
//!
//! A daemon may run under systemd, in a terminal, or with its output thrown away: what it said last is
//! to be had everywhere in the same way. It is bounded and never on disk; a longer past is the
//! business of whoever collects standard error.

use std::{
    collections::VecDeque,
    fmt::{self, Write as _},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use crate::{
    ambient,
    control::running::{LogLine, LogPart},
    limits::{LOG_LINE_CHARACTERS_MAX, LOG_LINES_MAX},
};

/// The newest lines. Cloning one costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Recent(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    kept: Mutex<Kept>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<LogLine>,
    /// The number of the line that comes next; the first has number 0.
    next: u64,
}

impl Recent {
    /// The lines from this number on that are still kept. If there are none they are waited for, so
    /// long at most.
    pub fn read(&self, from: u64, patience: Duration) -> LogPart {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_behind = |kept: &mut Kept| kept.next <= from;
        let kept = self.0.more.wait_timeout_while(kept, patience, is_behind);
        let kept = kept.unwrap_or_else(PoisonError::into_inner).0;
        let oldest = kept.next - kept.lines.len() as u64;
        // A number that is yet to come is one of another process.
        let from = if from > kept.next { oldest } else { from };
        let skipped = from.saturating_sub(oldest) as usize;
        LogPart { lines: kept.lines.iter().skip(skipped).cloned().collect(), next: kept.next }
    }

    fn keep(&self, line: LogLine) {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.lines.len() >= LOG_LINES_MAX {
            kept.lines.pop_front();
        }
        kept.lines.push_back(line);
        kept.next += 1;
        self.0.more.notify_all();
    }
}

impl<S: Subscriber> Layer<S> for Recent {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        let message =
            (words.message + &words.fields).chars().take(LOG_LINE_CHARACTERS_MAX).collect();
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let target = event.metadata().target().to_owned();
        self.keep(LogLine { time: ambient::now(), level: level.to_owned(), target, message });
    }
}

/// What an event says: its message, and its fields behind it as `name=value`.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::prelude::*;

    use super::*;

    fn messages(recent: &Recent, from: u64) -> (Vec<String>, u64) {
        let part = recent.read(from, Duration::ZERO);
        (part.lines.into_iter().map(|line| line.message).collect(), part.next)
    }

    fn said(count: usize) -> Recent {
        let recent = Recent::default();
        let subscriber = tracing_subscriber::registry().with(recent.clone());
        tracing::subscriber::with_default(subscriber, || {
            (0..count).for_each(|n| tracing::info!(n, name = "x", "line"));
        });
        recent
    }

    #[test]
    fn lines_are_read_from_where_somebody_stopped() {
        let recent = said(3);
        let line = |n: u8| format!("line n={n} name=x");
        assert_eq!(messages(&recent, 0), ((0..3).map(line).collect(), 3));
        assert_eq!(messages(&recent, 2), (vec![line(2)], 3));
        assert_eq!(messages(&recent, 3), (vec![], 3));
        // The daemon was started anew in between.
        assert_eq!(messages(&recent, 100).0.len(), 3);
    }

    #[test]
    fn of_many_lines_the_newest_are_kept() {
        let recent = said(LOG_LINES_MAX + 5);
        let (lines, next) = messages(&recent, 0);
        assert_eq!((lines.len(), next), (LOG_LINES_MAX, LOG_LINES_MAX as u64 + 5));
        assert_eq!(lines[0], "line n=5 name=x");
    }

    #[test]
    fn who_waits_for_a_line_gets_it() {
        let recent = said(1);
        let (other, patience) = (recent.clone(), Duration::from_secs(20));
        let waiting = std::thread::spawn(move || other.read(1, patience));
        let subscriber = tracing_subscriber::registry().with(recent);
        tracing::subscriber::with_default(subscriber, || tracing::warn!("late"));
        let part = waiting.join().unwrap();
        assert_eq!(
            (part.lines[0].level.as_str(), part.lines[0].message.as_str()),
            ("warn", "late")
        );
    }
}
