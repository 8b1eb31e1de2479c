//! How a machine stands to djdns, in words that a person can act on, and as JSON.

use std::net::SocketAddr;

use serde::Serialize;

use super::{
    detect::{Governor, RESOLV_CONF, Sight, detect, nameservers},
    files::{Root, Thing},
    record::{Phase, Record, Standing},
    turn,
};
use crate::{cli::fault::Outcome, time::date};

/// How a machine stands to djdns. Names are promised to scripts.
#[derive(Debug, Serialize)]
pub struct SystemStatus {
    /// `off`, `enabled`, `paused` or `interrupted`.
    pub state: &'static str,
    pub manager: &'static str,
    /// What `/etc/resolv.conf` is.
    pub resolv_conf: String,
    pub nameservers: Vec<String>,
    pub points_to_djdns: bool,
    pub split: bool,
    pub domains: Vec<String>,
    pub addresses: Vec<String>,
    pub paused_until: Option<u64>,
    pub changes: Vec<Changed>,
    pub advice: Vec<String>,
}

/// A file that djdns changed.
#[derive(Debug, Serialize)]
pub struct Changed {
    pub path: String,
    pub state: Standing,
    pub difference: Vec<String>,
}

/// Looks.
pub fn status(root: &Root, now: u64) -> Outcome<SystemStatus> {
    let held = Record::load(root)?;
    let found = detect(root, &Sight::new(root, held.as_ref()))?;
    let today = Sight::new(root, None);
    let text = today.text(RESOLV_CONF)?;
    let nameservers: Vec<String> = nameservers(&text).into_iter().map(str::to_owned).collect();
    let changes = changed(root, held.as_ref())?;
    let state = match held.as_ref().map(|held| held.phase) {
        None => "off",
        Some(Phase::Enabled) => "enabled",
        Some(Phase::Paused) => "paused",
        Some(Phase::Enabling | Phase::Undoing) => "interrupted",
    };
    let written = changes.iter().all(|change| change.state == Standing::AsWritten);
    let wish = held.as_ref().map(|held| &held.wish);
    let asks_first = |address: &SocketAddr| {
        nameservers.first().is_some_and(|first| *first == address.ip().to_string())
    };
    let points = wish.is_some_and(|wish| match found.manager {
        Governor::Resolved => true,
        _ => wish.addresses.iter().any(asks_first),
    });
    let mut status = SystemStatus {
        state,
        manager: found.manager.name(),
        resolv_conf: match today.read(RESOLV_CONF)? {
            Thing::Absent => "absent".to_owned(),
            Thing::Symlink { target } => format!("symbolic link to {target}"),
            Thing::File { .. } => "file".to_owned(),
        },
        nameservers,
        points_to_djdns: state == "enabled" && written && points,
        split: wish.is_some_and(|wish| wish.split),
        domains: wish.map_or(Vec::new(), |wish| wish.domains.clone()),
        addresses: wish
            .map_or(Vec::new(), |wish| wish.addresses.iter().map(ToString::to_string).collect()),
        paused_until: held.as_ref().and_then(|held| held.paused_until),
        changes,
        advice: Vec::new(),
    };
    let rewritten = held.is_some() && turn::due(root, now)? != turn::Due::Nothing;
    status.advice = advice(&status, rewritten, now);
    Ok(status)
}

/// Adds where this machine asks djdns and gets no answer. `silence` asks at an address, and says why
/// nothing came.
pub fn add_silence(status: &mut SystemStatus, silence: impl Fn(SocketAddr) -> Option<String>) {
    if !status.points_to_djdns {
        return;
    }
    let asked = status.addresses.iter().filter_map(|address| address.parse().ok());
    let silent: Vec<String> =
        asked.filter_map(|address| Some(format!("{address} ({})", silence(address)?))).collect();
    if silent.is_empty() {
        return;
    }
    let so = match (silent.len() < status.addresses.len(), status.split) {
        (true, _) => "so this machine resolves slowly".to_owned(),
        (_, true) => format!("so names below {} do not resolve", status.domains.join(", ")),
        (_, false) => "so this machine resolves nothing".to_owned(),
    };
    let advice = format!(
        "djdns does not answer at {}, {so}: `sudo systemctl start djdns`, or `sudo djdns system disable`",
        silent.join(" and ")
    );
    status.advice.insert(0, advice);
}

fn changed(root: &Root, held: Option<&Record>) -> Outcome<Vec<Changed>> {
    let Some(held) = held else { return Ok(Vec::new()) };
    let edits = |change: &super::record::Change, now: &Thing| {
        super::record::difference(&change.after.lines(), &now.lines())
    };
    let standings = held.standings(root)?.into_iter().map(|(change, now, state)| Changed {
        path: change.path.clone(),
        state,
        difference: if state == Standing::Edited { edits(change, &now) } else { Vec::new() },
    });
    Ok(standings.collect())
}

fn advice(status: &SystemStatus, rewritten: bool, now: u64) -> Vec<String> {
    let mut advice = Vec::new();
    match (status.state, status.paused_until) {
        ("interrupted", _) => advice.push(
            "a change was interrupted: `djdns system enable` finishes it, `djdns system disable` \
             undoes it"
                .to_owned(),
        ),
        ("paused", Some(until)) if until <= now => advice.push(
            "the pause is over and djdns did not return, as after a restart of the machine without \
             the unit djdns-system.service: `djdns system resume` does it, and says why it cannot"
                .to_owned(),
        ),
        ("paused", _) => advice.push("`djdns system enable` ends the pause".to_owned()),
        ("off", _) => advice.push("`djdns system enable` points this machine at djdns".to_owned()),
        _ => {}
    }
    let edited = status.changes.iter().any(|change| change.state == Standing::Edited);
    let gone = status.changes.iter().any(|change| change.state == Standing::AsBefore);
    if edited && rewritten {
        advice.push(
            "a program wrote resolv.conf anew, as DHCP clients do: `djdns system resume` points it at \
             djdns again, which then asks the servers in it; the units djdns-system.path and \
             djdns-system.service do so by themselves"
                .to_owned(),
        );
    } else if edited {
        advice.push(
            "files were edited since: `djdns system enable --force` writes them again, `djdns system \
             disable --force` puts back what was there before djdns"
                .to_owned(),
        );
    } else if status.state == "enabled" && gone {
        advice.push(
            "somebody put back what was there before djdns: `djdns system enable` writes it again"
                .to_owned(),
        );
    } else if status.state == "enabled" && !status.points_to_djdns {
        advice.push(format!(
            "{RESOLV_CONF} does not name djdns first yet: let {} write it anew",
            status.manager
        ));
    }
    advice
}

/// For people.
pub fn render(status: &SystemStatus) -> String {
    let whole = if status.split {
        format!("names below {} go to djdns", status.domains.join(", "))
    } else {
        "all names go to djdns".to_owned()
    };
    let mut out = match status.state {
        "enabled" if status.points_to_djdns => {
            format!("This machine asks djdns at {}: {whole}.\n", status.addresses.join(", "))
        }
        "enabled" => "This machine was pointed at djdns, and does not ask it now.\n".to_owned(),
        "paused" => {
            let until = status.paused_until.map_or("?".to_owned(), date);
            format!("Paused until {until}: this machine asks as it did before djdns.\n")
        }
        "interrupted" => "A change of this machine was interrupted.\n".to_owned(),
        _ => "This machine is not pointed at djdns.\n".to_owned(),
    };
    out += &format!("governed by  {}\n", status.manager);
    out += &format!(
        "resolv.conf  {}; asks {}\n",
        status.resolv_conf,
        match &status.nameservers[..] {
            [] => "nobody that is named".to_owned(),
            some => some.join(", "),
        }
    );
    for change in &status.changes {
        let state = match change.state {
            Standing::AsWritten => "as djdns wrote it",
            Standing::AsBefore => "as it was before djdns",
            Standing::Edited => "edited since (- as djdns wrote it, + as it is now)",
        };
        out += &format!("{}: {state}\n", change.path);
        out += &change.difference.iter().map(|line| format!("{line}\n")).collect::<String>();
    }
    out + &status.advice.iter().map(|line| format!("- {line}\n")).collect::<String>()
}
