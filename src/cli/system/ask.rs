//! What a machine must be asked before it is pointed at djdns: does djdns answer, and for what.
//!
//! Nothing on disk is changed here, and no data directory is opened: under `sudo` that would make a
//! new one in root's home.

use std::{
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use super::plan::Wish;
use crate::{
    ambient,
    cli::{
        context::Context,
        fault::{Fault, Outcome},
    },
    control::{
        client::Client,
        report::Status,
        request::{Answer, Request},
    },
};

/// The data directory of the service.
const SERVICE: &str = "/var/lib/djdns";

/// Response codes (RFC 1035 section 4.1.1).
const NOERROR: u8 = 0;
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;

/// How long a daemon on this machine is waited for; a guess, far over what an answer takes.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a running daemon says: its health, and the top-level domains of its pages.
pub fn daemon(context: &Context) -> Option<(Status, Vec<String>)> {
    let own = context.data_dir().ok();
    let dirs = own.iter().map(|dir| &**dir).chain([Path::new(SERVICE)]);
    let mut client = dirs.filter_map(|dir| Client::connect(dir).ok().flatten()).next()?;
    let mut silent = |_: &str, _, _| {};
    let Ok(Answer::Status(status)) = client.ask(&Request::Status, &mut silent) else { return None };
    let anchors = status.anchors.iter().map(|anchor| anchor.name.trim_end_matches('.').to_owned());
    let mut domains: Vec<String> = anchors.filter(|name| !name.is_empty()).collect();
    let mut after = None;
    loop {
        let request = Request::Contents { page: ".".to_owned(), after };
        let Ok(Answer::Contents { entries, more, .. }) = client.ask(&request, &mut silent) else {
            break;
        };
        for (owner, _) in entries.iter().filter(|(owner, _)| !owner.is_apex()) {
            domains.extend(owner.to_string().rsplit('.').next().map(str::to_owned));
        }
        after = entries.last().map(|(owner, _)| owner.clone());
        if !more || after.is_none() {
            break;
        }
    }
    domains.sort();
    domains.dedup();
    Some((status, domains))
}

/// How often a djdns that answers SERVFAIL is asked, and how long is waited in between (choice: over
/// twice [`crate::config::watch::EVERY`], after which it knows the servers of a network that just came).
const TRIES: u32 = 4;
const BETWEEN: Duration = Duration::from_secs(2);

/// Refuses to point a machine at an address where nobody answers what it will be asked.
pub fn check(wish: &Wish) -> Outcome {
    wish.addresses.iter().try_for_each(|address| check_one(*address, wish))
}

fn check_one(address: SocketAddr, wish: &Wish) -> Outcome {
    // A name in no page and in no special zone: whether it is there does not matter (RFC 2606).
    let elsewhere = "example.com";
    let name = if wish.split { wish.domains.first().map_or("", |name| name) } else { elsewhere };
    let mut rcode = SERVFAIL;
    for tried in 0..TRIES {
        if tried > 0 {
            ambient::pause(BETWEEN);
        }
        rcode = ask(address, name).map_err(|error| silent(address, &error))?;
        if rcode != SERVFAIL {
            break;
        }
    }
    match rcode {
        NOERROR | NXDOMAIN => Ok(()),
        SERVFAIL => Err(Fault::refused(format!(
            "djdns at {address} could not resolve `{name}` (SERVFAIL), so this machine would be left \
             without names: is there a network? `djdns config show` says whom djdns asks for other \
             names; --split sends only names of pages there"
        ))),
        rcode => Err(Fault::refused(format!(
            "what answers at {address} does not resolve `{name}` (RCODE {rcode}), so this machine \
             would be left without other names: let it forward them, or send only names of pages \
             there with --split"
        ))),
    }
}

/// Why nothing came: a clause.
fn why(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            format!("nothing came within {} s", PATIENCE.as_secs())
        }
        ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        _ => error.to_string(),
    }
}

/// Why djdns does not answer at an address, if it does not: whatever the answer is, it is one.
pub fn silence(address: SocketAddr) -> Option<String> {
    ask(address, "localhost").err().map(|error| why(&error))
}

fn silent(address: SocketAddr, error: &std::io::Error) -> Fault {
    let why = why(error);
    Fault::refused(format!(
        "djdns does not answer at {address} ({why}), and this machine would resolve nothing: start it \
         (`systemctl start djdns`, or `djdns serve`), or say where it answers with --address"
    ))
}

/// Asks for the address of a name: the response code.
pub fn ask(address: SocketAddr, name: &str) -> std::io::Result<u8> {
    let any: SocketAddr =
        if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let id: [u8; 2] = ambient::random();
    // RFC 1035, 4.1: recursion desired, one question, of type A and class IN.
    let mut query = [&id[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        query.push(label.len().min(63) as u8);
        query.extend(label.bytes().take(63));
    }
    query.extend([0, 0, 1, 0, 1]);
    socket.send(&query)?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer)?;
    if length < 12 || answer[..2] != id || answer[2] & 0x80 == 0 {
        return Err(std::io::Error::new(ErrorKind::InvalidData, "what answers speaks no DNS"));
    }
    Ok(answer[3] & 0x0f)
}

/// Runs commands one after the other; in sentences, what did not do its part.
pub fn run(commands: &[Vec<String>]) -> Vec<String> {
    let failed = commands.iter().filter_map(|command| {
        let line = command.join(" ");
        let ran = Command::new(command.first()?)
            .args(&command[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        match ran {
            Ok(status) if status.success() => None,
            Ok(status) => Some(format!("`{line}` failed ({status}): run it yourself and see why")),
            Err(error) => Some(format!("`{line}` did not run ({error}): run it yourself")),
        }
    });
    failed.collect()
}
