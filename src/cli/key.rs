//! `djdns key`: identity keys (P4). They belong to a person and never enter the data directory.

use std::{fs, io::Read, path::PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    context::Context,
    fault::{Fault, Outcome},
    output::{self, Paint},
    table::{Table, text},
};
use crate::{ambient, key::SecretKey};

pub mod file;
pub mod passphrase;
pub mod ring;

use file::KeyFile;
use ring::{Keyring, StoredKey};

/// Make, show, carry identity keys.
///
/// An identity key belongs to a person and signs proposals and votes. It is a file of yours, in
/// $DJDNS_KEYS or ~/.config/djdns/keys, that nobody else can read; the daemon never sees it. The
/// demonstration's alice, bob, carol, dave and erin need no files: they are demo:alice and so on,
/// and public.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns key new alice --passphrase\n  djdns key list")]
pub struct Key {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Make a new identity key.
    ///
    /// Its file holds the secret: keep a copy where a fire or a thief does not find both.
    #[command(after_help = "EXAMPLE\n  djdns key new alice")]
    New {
        /// What to call it here: letters, digits, `.`, `_`, `-`
        name: String,
        /// Encrypt it with a passphrase, asked for or taken from $DJDNS_PASSPHRASE
        #[arg(long)]
        passphrase: bool,
    },
    /// List the identity keys of this user.
    ///
    /// A file that is damaged, or that others can read, is named on standard error, with what to do,
    /// and left out. Exit code 1 if there are files and none can be read.
    #[command(after_help = "EXAMPLE\n  djdns key list --json")]
    List,
    /// Show one identity key's public half and where its file is.
    #[command(after_help = "EXAMPLE\n  djdns key show frank")]
    Show {
        /// Its name here; none: the only one
        name: Option<String>,
    },
    /// Take in a key file that `key export` wrote.
    #[command(after_help = "EXAMPLE\n  djdns key import alice /media/stick/alice.key")]
    Import {
        /// What to call it here
        name: String,
        /// The file; `-` is standard input
        file: PathBuf,
        /// Encrypt it with a passphrase; one that is encrypted already stays as it is
        #[arg(long)]
        passphrase: bool,
    },
    /// Write a key file, secret included.
    ///
    /// Whoever has it can sign as you, unless it is encrypted and the passphrase is good.
    #[command(after_help = "EXAMPLE\n  djdns key export alice -o /media/stick/alice.key")]
    Export {
        /// Its name here
        name: String,
        /// Write to this file, readable by you only, instead of standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// A key as `--json` shows it.
#[derive(Serialize)]
struct Shown {
    name: String,
    key: String,
    encrypted: bool,
    file: String,
}

impl Key {
    pub fn run(self, context: &mut Context) -> Outcome {
        let ring = Keyring::open(context)?;
        match self.what {
            What::New { name, passphrase } => {
                ring::check_name(&name)?;
                let key = SecretKey::from_seed(&ambient::random());
                keep(context, &ring, &name, KeyFile::plain(&key), passphrase)
            }
            What::List => list(context, &ring),
            What::Show { name } => {
                let stored = match name {
                    Some(name) => ring.get(&name)?,
                    None => ring.only()?,
                };
                show(context, &stored)
            }
            What::Import { name, file, passphrase } => {
                ring::check_name(&name)?;
                let text = read(&file)?;
                let key = KeyFile::parse(&text)
                    .map_err(|refusal| Fault::refused(format!("{}: {refusal}", file.display())))?;
                let encrypt = passphrase && !key.is_encrypted();
                keep(context, &ring, &name, key, encrypt)
            }
            What::Export { name, output } => export(&ring.get(&name)?, output),
        }
    }
}

fn keep(context: &Context, ring: &Keyring, name: &str, mut key: KeyFile, encrypt: bool) -> Outcome {
    if encrypt {
        let phrase = passphrase::chosen(name)?;
        key = key.encrypt(&phrase, &ambient::random(), &ambient::random());
    }
    show(context, &ring.add(name, key)?)
}

fn list(context: &Context, ring: &Keyring) -> Outcome {
    let (keys, mut faults) = ring.all()?;
    // With nothing to list, the last of them is why the command fails.
    let failed = if keys.is_empty() { faults.pop() } else { None };
    for fault in &faults {
        context.note(format!("warning: {fault}"));
    }
    if let Some(fault) = failed {
        return Err(fault);
    }
    if context.json {
        return output::print_json(&keys.iter().map(shown).collect::<Vec<_>>());
    }
    if keys.is_empty() {
        context.note("no identity key yet: make one with `djdns key new NAME`");
    }
    let mut table = Table::new(["NAME", "KEY", "ENCRYPTED"]);
    for key in &keys {
        let encrypted = if key.file.is_encrypted() { "yes" } else { "no" };
        table.row([text(&key.name).painted(Paint::Bold), text(key.file.public()), text(encrypted)]);
    }
    output::print(&table.render(context.style))
}

fn show(context: &Context, key: &StoredKey) -> Outcome {
    let shown = shown(key);
    if context.json {
        return output::print_json(&shown);
    }
    let mut table = Table::new(["", ""]);
    let encrypted = if shown.encrypted { "yes" } else { "no" };
    for (what, value) in [
        ("name", &*shown.name),
        ("key", &*shown.key),
        ("encrypted", encrypted),
        ("file", &*shown.file),
    ] {
        table.row([text(what).painted(Paint::Dim), text(value)]);
    }
    output::print(&table.render(context.style))
}

fn shown(key: &StoredKey) -> Shown {
    Shown {
        name: key.name.clone(),
        key: key.file.public().to_string(),
        encrypted: key.file.is_encrypted(),
        file: key.path.display().to_string(),
    }
}

fn export(key: &StoredKey, output: Option<PathBuf>) -> Outcome {
    let text = key.file.to_text();
    match output {
        None => output::print(&text),
        Some(path) => {
            ring::write_secret(&path, &text).map_err(|e| Fault::file("written", &path, &e))
        }
    }
}

fn read(file: &std::path::Path) -> Outcome<zeroize::Zeroizing<String>> {
    let mut text = zeroize::Zeroizing::new(String::new());
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin().lock().take(file::TEXT_BYTES_MAX).read_to_string(&mut text),
        false => fs::File::open(file)
            .and_then(|open| open.take(file::TEXT_BYTES_MAX).read_to_string(&mut text)),
    };
    read.map_err(|error| Fault::file("read", file, &error))?;
    Ok(text)
}
