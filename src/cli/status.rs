//! `djdns status`: health in words.

use clap::Args;

use super::{
    context::{Context, ask},
    fault::Outcome,
    inbox,
    key::ring::Keyring,
    output::{self, Paint},
    proposals,
    signing::Acquaintances,
    table::{Table, text},
};
use crate::{
    control::{
        report,
        request::{Answer, Request},
        running::{EncryptedDoors, Forwarding, Mirror},
    },
    daemon::status::QUERY_LOG_IS_ON,
    time::date,
};

/// Say in words how the node is.
///
/// The first line says how it is; below it, whether a daemon runs and where it answers, whom it asks for
/// names outside the pages and how that goes, which pages are held, which root they are resolved from,
/// and, line by line, what needs attention. The exit code says only whether this could be told: it is 0
/// also where no daemon runs, as then the data directory itself is read. It is 3 where there is none.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns status --json")]
pub struct Status {}

impl Status {
    pub fn run(self, context: &mut Context) -> Outcome {
        let status = ask!(context, Request::Status, Answer::Status(status) => status);
        let status = report::Status { superseded: superseded(context), ..status };
        if context.json {
            return output::print_json(&status);
        }
        let text = render(context, &status);
        context.print_paged(&text)
    }
}

/// What others took the place of, of what this user's keys signed. Keys that cannot be read are passed
/// over: this is beside what was asked.
fn superseded(context: &mut Context) -> Vec<report::Superseded> {
    let keys = Keyring::open(context).and_then(|ring| ring.all()).unwrap_or_default().0;
    let mut found = Vec::new();
    for key in keys.iter().take(KEYS_MAX) {
        let request = Request::Inbox { key: key.file.public().raw() };
        if let Ok(Answer::Inbox(inbox)) = context.ask(request) {
            found.extend(inbox.pages.into_iter().flat_map(|page| page.superseded));
        }
    }
    found
}

/// Own keys that this is looked for (choice: people have a few).
const KEYS_MAX: usize = 20;

fn render(context: &Context, status: &report::Status) -> String {
    let style = context.style;
    let mut out = style.paint(Paint::Bold, &output::clean(&status.health)) + "\n";
    let mut table = Table::new(["", ""]);
    let mut row =
        |what: &str, value: String| table.row([text(what).painted(Paint::Dim), text(value)]);
    row("version", status.version.clone());
    row(
        "daemon",
        match status.daemon {
            Some(process) => format!("running, process {process}"),
            None => "none runs; this command read the data directory itself".to_owned(),
        },
    );
    row("data", status.data_dir.clone());
    if !status.dns.is_empty() {
        row("DNS", status.dns.join(", "));
    }
    if let Some(doors) = &status.encrypted {
        let ways = [("DoT", &doors.dot), ("DoH", &doors.doh), ("DoQ", &doors.doq)];
        for (way, places) in ways.into_iter().filter(|(_, places)| !places.is_empty()) {
            row(way, places.join(", "));
        }
        let EncryptedDoors { certificate, pin, .. } = doors.as_ref();
        let until = match doors.ends {
            0 => String::new(),
            ends => format!(", until {}", date(ends)),
        };
        row("certificate", format!("{certificate}{until} (pin sha256 {pin})"));
    }
    if let Some(address) = &status.http {
        row("HTTP", format!("http://{address}/"));
    }
    if let Some(forwarding) = &status.forwarding {
        row("other names", asked_of(forwarding));
        for rule in &forwarding.rules {
            row(&rule.domain, format!("asked of {}", somebody(&rule.upstreams)));
        }
    }
    match &status.peers {
        Some(peers) => {
            row("peers", peers.words.clone());
            row("listens on", peers.listening.join(", "));
            peers.router.iter().for_each(|words| row("router", words.clone()));
        }
        None if status.daemon.is_some() => row("peers", "off: this node has no others".to_owned()),
        None => {}
    }
    status.mirrors.iter().for_each(|mirrors| row("mirrors", told(mirrors)));
    row("pages", format!("{}, with {} entries", status.pages, status.entries));
    let (open, operations) = match status.open_operations {
        1 => (1, "operation that has"),
        open => (open, "operations that have"),
    };
    row("open", format!("{open} {operations} not ended"));
    let root = status.root.as_deref().unwrap_or("none");
    let public = if status.demonstration { " (the public demonstration)" } else { "" };
    row("root", format!("{root}{public}"));
    for anchor in status.anchors.iter().filter(|anchor| anchor.name != ".") {
        row("trusted", format!("{} {}", anchor.name, anchor.page_id));
    }
    out += &table.render(style);
    let troubles = status.forwarding.iter().flat_map(|forwarding| &forwarding.troubles);
    let logged = status.query_log.then(|| QUERY_LOG_IS_ON.to_owned());
    let of_peers = status.peers.iter().flat_map(|peers| &peers.troubles);
    for sentence in troubles.chain(of_peers).chain(&status.doors).chain(&logged) {
        out += &style.paint(Paint::Notice, &format!("- {}\n", output::clean(sentence)));
    }
    let known = Acquaintances::of(context);
    for (n, waiting) in status.waiting.iter().enumerate() {
        out += &waiting_for(waiting, &known);
        let is_last = status.waiting.get(n + 1).is_none_or(|next| next.page != waiting.page);
        let more = status.waiting_more.iter().find(|more| is_last && more.page == waiting.page);
        if let Some(report::Counted { page, count }) = more {
            out += &format!("- {page} waits: {count} more, see `djdns proposals {page}`\n");
        }
    }
    for one in &status.superseded {
        out += &style.paint(Paint::Notice, &format!("- {}\n", inbox::superseded(one, &known)));
    }
    for report::Counted { page, count } in &status.petitions {
        let petitions = if *count == 1 { "petition waits" } else { "petitions wait" };
        out += &format!("- {page}: {count} {petitions}, see `djdns requests {page}`\n");
    }
    for sentence in &status.unsealed {
        out +=
            &style.paint(Paint::Notice, &format!("- {}\n", output::clean(&known.named(sentence))));
    }
    for sentence in &status.stale {
        out += &style.paint(Paint::Notice, &format!("- {}\n", output::clean(sentence)));
    }
    for notice in &status.notices {
        out += &style.paint(Paint::Notice, &format!("- {}\n", output::clean(notice)));
    }
    out
}

/// Which mirrors are told of new seals.
fn told(mirrors: &[Mirror]) -> String {
    let sound = mirrors.iter().filter(|mirror| mirror.troubles.is_empty());
    let sound: Vec<String> = sound
        .map(|mirror| match mirror.pages {
            0 => mirror.address.clone(),
            1 => format!("{} (1 page)", mirror.address),
            pages => format!("{} ({pages} pages)", mirror.address),
        })
        .collect();
    let below = match mirrors.len() - sound.len() {
        0 => String::new(),
        below => format!("; {below} with trouble, see below"),
    };
    let (shown, more) = match sound.len().checked_sub(MIRRORS_SHOWN) {
        None | Some(0) => (sound.join(", "), String::new()),
        Some(more) => (sound[..MIRRORS_SHOWN].join(", "), format!(" and {more} more")),
    };
    match (mirrors.len(), sound.is_empty()) {
        (0, _) => "none is told of new seals".to_owned(),
        (count, true) => format!("{count} told of new seals{below}"),
        (count, false) => format!("{count} told of new seals: {shown}{more}{below}"),
    }
}

/// Mirrors that are named (choice: a line).
const MIRRORS_SHOWN: usize = 3;

/// Whom names outside the pages are asked of, and who says so.
fn asked_of(forwarding: &Forwarding) -> String {
    let who = somebody(&forwarding.usual);
    match forwarding.usual[..] {
        [] => format!("asked of {who}"),
        _ => format!("asked of {who} (from {})", forwarding.from),
    }
}

fn somebody(upstreams: &[String]) -> String {
    if upstreams.is_empty() { "nobody".to_owned() } else { upstreams.join(", ") }
}

/// Whose ballots an operation waits for, in a line.
fn waiting_for(waiting: &report::Waiting, known: &Acquaintances) -> String {
    let line = format!(
        "- {} waits: {} ({}): {}; not voted yet: {}",
        waiting.page,
        waiting.id.chars().take(8).collect::<String>(),
        waiting.change,
        waiting.reason,
        proposals::silent(&waiting.awaited, waiting.awaited_more, &waiting.awaited_away, known)
    );
    output::clean(&line) + "\n"
}
