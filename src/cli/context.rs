//! What every command has: where data is, whom to ask, and how to speak.
//!
//! The node is reached only when something is asked for the first time: a command that reads a long
//! file, or waits for a passphrase, holds no connection and no lock meanwhile.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    Global,
    fault::{Fault, Outcome},
    output::{self, Progress, Style},
};
use crate::{
    ambient,
    config::{self, Config},
    control::{
        client::{self, Client},
        request::{Answer, Failure, FailureKind, Request},
        server::Session,
    },
    daemon::{self, node::Node, recent::Recent},
    limits::CONTROL_SILENCE,
    store::StoreError,
};

/// What every command has.
pub struct Context {
    pub json: bool,
    pub quiet: bool,
    pub style: Style,
    /// What a daemon of this process remembers of its log.
    pub recent: Recent,
    global: Global,
    command: &'static str,
    /// Whether the command makes a data directory where there is none.
    founds: bool,
    link: Option<Link>,
}

/// How often, and how long each time, another command is waited for that has the directory.
pub const LOCK_TRIES: usize = 100;
pub const LOCK_PAUSE: Duration = Duration::from_millis(30);

fn is_locked(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::Locked { .. }))
}

/// Why a daemon that listens cannot be asked.
fn unreachable(dir: &Path, error: &io::Error) -> Failure {
    let dir = dir.display();
    let message = match client::is_silence(error) {
        true => format!(
            "the daemon of {dir} has taken no connection for {} s: it may be stopped; start it again",
            CONTROL_SILENCE.as_secs()
        ),
        false => format!(
            "the daemon of {dir} does not talk to this user ({error}): use its user or group"
        ),
    };
    Failure { kind: FailureKind::Unreachable, message }
}

/// That nothing is there that could be read.
fn nothing_in(dir: &Path) -> Fault {
    let what = match dir.try_exists() {
        Ok(false) => "there is no data directory at",
        _ => "there is nothing of a node yet in",
    };
    let dir = dir.display();
    Fault::not_found(format!("{what} {dir}: `djdns serve` or `djdns page create` makes it"))
}

/// Who answers.
enum Link {
    /// The daemon of the data directory.
    Daemon(Client),
    /// Nobody else: this process opened the data directory itself.
    Direct(Box<dyn Session>),
}

/// A node of this process's own. What became due while nobody had the directory open stays so: who
/// only reads signs nothing, or every copy of a data directory that is looked at would fork its pages.
fn direct(node: &Arc<Node>, quiet: bool) -> Link {
    // That a page is damaged is said where somebody asks for it.
    let damaged: Vec<String> =
        node.damaged().iter().map(|damage| damage.page.to_string()).collect();
    let is_news = |notice: &&String| !damaged.iter().any(|page| notice.contains(page));
    for notice in node.notices().iter().filter(|_| !quiet).filter(is_news) {
        output::note(&format!("note: {notice}"));
    }
    Link::Direct(daemon::session(node))
}

/// Asks, and takes the one kind of answer that the request has.
macro_rules! ask {
    ($context:expr, $request:expr, $answer:pat => $value:expr) => {
        match $context.ask($request)? {
            $answer => $value,
            _ => return Err($crate::cli::fault::Fault::other_answer()),
        }
    };
}
pub(super) use ask;

/// Says that the configuration file has a setting.
pub const CONFIGURATION: &str = "the configuration";

impl Context {
    /// A context of the command with this name; nothing is opened yet.
    pub(super) fn new(global: &Global, command: &'static str, recent: Recent) -> Context {
        let global = global.clone();
        let (json, quiet, style) = (global.json, global.quiet, Style::of_stdout());
        Context { json, quiet, style, recent, global, command, founds: false, link: None }
    }

    /// The configuration.
    pub fn config(&self) -> Outcome<Config> {
        Config::load(self.global.config.as_deref(), &environment).map_err(Fault::refused)
    }

    /// Where pages are kept.
    pub fn data_dir(&self) -> Outcome<PathBuf> {
        self.data_dir_from().map(|(dir, _)| dir)
    }

    /// Where pages are kept, and who says so.
    pub fn data_dir_from(&self) -> Outcome<(PathBuf, &'static str)> {
        // A configuration that was named is read in any case, so that a mistake in it is seen.
        if self.global.config.is_some() {
            self.config()?;
        }
        if let Some(dir) = &self.global.data_dir {
            return Ok((dir.clone(), "--data-dir"));
        }
        if let Some(dir) = environment("DJDNS_DATA_DIR").filter(|dir| !dir.is_empty()) {
            return Ok((dir.into(), "$DJDNS_DATA_DIR"));
        }
        match self.config()?.data_dir {
            Some(dir) => Ok((dir, CONFIGURATION)),
            None => {
                let dir = config::default_data_dir(&environment).map_err(Fault::refused)?;
                Ok((dir, "the default"))
            }
        }
    }

    /// Asks the daemon, or works on the data directory directly when none runs.
    ///
    /// # Errors
    /// What the node says, or why none can be asked.
    pub fn ask(&mut self, request: Request) -> Outcome<Answer> {
        let mut progress = self.progress();
        let tell = &mut |label: &str, done, total| progress.tell(label, done, total);
        let link = match &mut self.link {
            Some(link) => link,
            None => {
                let link = self.connect(tell)?;
                self.link.insert(link)
            }
        };
        Ok(match link {
            Link::Daemon(client) => client.ask(&request, tell)?,
            Link::Direct(session) => session.handle(request, tell)?,
        })
    }

    /// Asks the daemon, and nobody else: this is of a process that runs.
    ///
    /// # Errors
    /// As [`Context::ask`], and that none runs.
    pub fn ask_daemon(&mut self, request: &Request) -> Outcome<Answer> {
        if !matches!(self.link, Some(Link::Daemon(_))) {
            let dir = self.data_dir()?;
            let client = Client::connect(&dir).map_err(|error| unreachable(&dir, &error))?;
            let nobody = || {
                let dir = dir.display();
                let message = format!("no daemon runs for {dir}: `djdns serve` starts one");
                Failure::unreachable(message)
            };
            self.link = Some(Link::Daemon(client.ok_or_else(nobody)?));
        }
        match &mut self.link {
            Some(Link::Daemon(client)) => Ok(client.ask(request, &mut |_, _, _| {})?),
            _ => Err(Fault::other_answer()),
        }
    }

    /// From now on a data directory is made where there is none.
    pub fn may_found(&mut self) {
        self.founds = true;
    }

    fn connect(&self, tell: &mut dyn FnMut(&str, u64, u64)) -> Outcome<Link> {
        let dir = self.data_dir()?;
        let connected = Client::connect(&dir).map_err(|error| unreachable(&dir, &error))?;
        match connected {
            Some(client) => Ok(Link::Daemon(client)),
            // Whoever reads has mistyped it, or has not begun.
            None if !self.founds && daemon::node::is_new(&dir) => Err(nothing_in(&dir)),
            None => self.open(&dir, tell),
        }
    }

    /// Opens the data directory itself. Another command may have it for a moment: that is waited
    /// for, and a daemon that started meanwhile is asked instead.
    fn open(&self, dir: &Path, tell: &mut dyn FnMut(&str, u64, u64)) -> Outcome<Link> {
        for _ in 0..LOCK_TRIES {
            match Node::open(dir, self.command, tell) {
                Err(error) if is_locked(&error) => {}
                opened => return Ok(direct(&opened?, self.quiet)),
            }
            ambient::pause(LOCK_PAUSE);
            match Client::connect(dir) {
                Ok(Some(client)) => return Ok(Link::Daemon(client)),
                Err(error) if client::is_silence(&error) => {
                    return Err(unreachable(dir, &error).into());
                }
                _ => {}
            }
        }
        Ok(direct(&Node::open(dir, self.command, tell)?, self.quiet))
    }

    /// Lets the node go: the next question reaches it anew, and others have the directory meanwhile.
    pub fn let_go(&mut self) {
        self.link = None;
    }

    /// Shows text, paged where it is long. The node is let go first: somebody may read for long.
    pub fn print_paged(&mut self, text: &str) -> Outcome {
        self.let_go();
        output::print_paged(text)
    }

    /// A progress bar, if one is wanted.
    pub fn progress(&self) -> Progress {
        Progress::new(!self.quiet)
    }

    /// Says something beside the result, unless silence is wanted.
    pub fn note(&self, message: impl std::fmt::Display) {
        if !self.quiet {
            output::note(&message.to_string());
        }
    }
}

/// The process's own environment.
pub fn environment(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}
