//! Who brings djdns back when a pause ends: a timer of systemd, else a process that waits.
//!
//! Either runs `djdns system resume`; what is due then is in the record, and not known here.

use std::{
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use super::{detect, files::Root, record::Record};
use crate::{
    ambient,
    cli::fault::{Fault, Outcome},
};

/// What the timer that ends a pause is called.
const TIMER: &str = "djdns-system-pause";

/// How long after it failed a return is tried again (choice: a network that is there for half
/// a minute is there to stay; a record whose pause was ended otherwise ends the trying).
pub const AGAIN: Duration = Duration::from_secs(30);

/// Sees to the return from a pause; says how.
pub fn schedule(root: &Root, seconds: u64) -> Outcome<&'static str> {
    if !root.is_real() {
        return Ok("nothing brings a directory back: `djdns system enable` does");
    }
    let program = std::env::current_exe().map_err(Fault::refused)?;
    if root.has("/run/systemd/system") && timer(&program, seconds) {
        return Ok(match detect::is_kept(root) {
            true => "a timer of systemd brings djdns back, or the next start of the machine",
            false => "a timer of systemd brings djdns back, unless the machine restarts before",
        });
    }
    // In a group of its own: it does not end with this command's terminal.
    Command::new(&program)
        .args(["system", "resume", "--wait"])
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| Fault::refused(format!("nothing can bring djdns back: {error}")))?;
    Ok("a process that waits brings djdns back, unless the machine restarts before")
}

/// The one timer that returns, instead of any that was there.
fn timer(program: &Path, seconds: u64) -> bool {
    let quiet = |command: &mut Command| {
        command.stdin(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    quiet(Command::new("systemctl").args(["stop", &format!("{TIMER}.timer")]));
    quiet(
        Command::new("systemd-run")
            .args(["--quiet", "--collect", "--timer-property=AccuracySec=1s"])
            // Without a network at that moment, it tries again.
            .args([
                "--property=Restart=on-failure",
                &format!("--property=RestartSec={}s", AGAIN.as_secs()),
            ])
            .args([format!("--unit={TIMER}"), format!("--on-active={seconds}s")])
            .arg(program)
            .args(["system", "resume"]),
    )
}

/// Waits until no pause is left to wait for. The clock may be set, and the pause be changed, meanwhile.
pub fn wait(root: &Root) -> Outcome {
    loop {
        let until = Record::load(root)?.and_then(|held| held.paused_until);
        match until.map_or(0, |until| until.saturating_sub(ambient::now())) {
            0 => return Ok(()),
            left => ambient::pause(Duration::from_secs(left.min(30))),
        }
    }
}
