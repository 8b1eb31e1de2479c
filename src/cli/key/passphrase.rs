//! Passphrases: from `$DJDNS_PASSPHRASE`, or typed on the terminal without being shown.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::cli::{
    context::environment,
    fault::{Fault, Outcome},
};

/// A new passphrase, asked for twice.
///
/// # Errors
/// When the two differ, it is empty, or there is nobody to ask.
pub fn chosen(key: &str) -> Outcome<Zeroizing<String>> {
    if let Some(phrase) = from_environment()? {
        return Ok(phrase);
    }
    let first = ask(&format!("A passphrase for `{key}`: "))?;
    if first.is_empty() {
        return Err(Fault::refused("an empty passphrase protects nothing: no key was kept"));
    }
    if first != ask("Once more: ")? {
        return Err(Fault::refused("the two are not the same: no key was kept"));
    }
    Ok(first)
}

/// The passphrase of a key.
///
/// # Errors
/// When there is nobody to ask.
pub fn of(key: &str) -> Outcome<Zeroizing<String>> {
    match from_environment()? {
        Some(phrase) => Ok(phrase),
        None => ask(&format!("The passphrase of `{key}`: ")),
    }
}

fn from_environment() -> Outcome<Option<Zeroizing<String>>> {
    let Some(phrase) = environment("DJDNS_PASSPHRASE").filter(|phrase| !phrase.is_empty()) else {
        return Ok(None);
    };
    let text = phrase.into_string().map_err(|_| Fault::refused("$DJDNS_PASSPHRASE is no text"))?;
    Ok(Some(Zeroizing::new(text)))
}

/// Asks on the terminal itself: standard input may be a list of ids.
fn ask(prompt: &str) -> Outcome<Zeroizing<String>> {
    let nobody = |_| {
        Fault::refused(
            "a passphrase is needed and there is no terminal to ask on: set $DJDNS_PASSPHRASE",
        )
    };
    let tty = OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(nobody)?;
    read_hidden(&tty, prompt)
        .map_err(|error| Fault::refused(format!("the passphrase cannot be read: {error}")))
}

fn read_hidden(mut tty: &File, prompt: &str) -> io::Result<Zeroizing<String>> {
    let _shown_again = Hidden::new(tty)?;
    tty.write_all(prompt.as_bytes())?;
    let mut line = Zeroizing::new(String::new());
    let read = BufReader::new(tty).read_line(&mut line);
    tty.write_all(b"\n")?;
    read?;
    let typed = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(typed);
    Ok(line)
}

/// A terminal that does not show what is typed, until dropped.
struct Hidden<'t> {
    tty: &'t File,
    before: Termios,
}

impl<'t> Hidden<'t> {
    fn new(tty: &'t File) -> io::Result<Hidden<'t>> {
        let before = tcgetattr(tty)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(tty, OptionalActions::Flush, &hidden)?;
        Ok(Hidden { tty, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // Nothing helps if the terminal refuses what it had.
        let _ = tcsetattr(self.tty, OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use rustix::{
        fs::{Mode, OFlags, open},
        pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    };

    use super::*;

    #[test]
    fn what_is_typed_is_read_and_not_shown() {
        let typist = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&typist).unwrap();
        unlockpt(&typist).unwrap();
        let name = ptsname(&typist, Vec::new()).unwrap();
        let tty = File::from(open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap());
        let mut typist = File::from(typist);
        let reading = std::thread::spawn(move || {
            let read = read_hidden(&tty, "phrase: ");
            (read, tcgetattr(&tty).unwrap().local_modes.contains(LocalModes::ECHO))
        });
        // The prompt says that the terminal is ready: what was typed before is thrown away.
        let mut seen = vec![0; 8];
        typist.read_exact(&mut seen).unwrap();
        typist.write_all(b"correct horse\n").unwrap();
        let mut after = [0; 2];
        typist.read_exact(&mut after).unwrap();
        let (read, echoes) = reading.join().unwrap();
        assert_eq!(read.unwrap().as_str(), "correct horse");
        assert!(echoes);
        assert_eq!((&seen[..], &after[..]), (&b"phrase: "[..], &b"\r\n"[..]));
    }
}
