//! `djdns peers`: who is there, how each was found, and how pages stand beside theirs.

use std::cmp::Reverse;

use clap::Args;

use super::{
    context::Context,
    fault::{Fault, Outcome},
    output::{self, Paint, Style, clean},
    signing::Acquaintances,
    table::{Table, key, number, text},
};
use crate::{
    control::{
        peers::{Liar, Peer, Peers as Report, SharedPage},
        request::{Answer, Request},
    },
    time::{lasted, since},
};

/// Show the other nodes that the running daemon knows.
///
/// For each that is connected: its key, where it is, how it was found (`told` by you, on the `lan` or by
/// `broadcast`, in a `page`, by `exchange` with another node, `remembered` from an earlier run, or it
/// came by itself, `inbound`), how long an answer takes (or
/// for how long it has been silent), the pages that both follow, and what there is to
/// complain of. Then those that were caught at a lie and are not called again, and what at. Whether a page
/// is in step is shown by `djdns page list`.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns peers --json")]
pub struct Peers {}

impl Peers {
    pub fn run(self, context: &mut Context) -> Outcome {
        let Answer::Peers(peers) = context.ask_daemon(&Request::Peers)? else {
            return Err(Fault::other_answer());
        };
        if context.json {
            return output::print_json(&*peers);
        }
        let text = render(&peers, crate::ambient::now(), context.style);
        context.print_paged(&text)
    }
}

fn render(peers: &Report, now: u64, style: Style) -> String {
    let beacon = peers.beacon.as_deref().unwrap_or("no beacon: it has no address for others");
    let mut out = format!("this node is {}\n  {beacon}\n", peers.node);
    out += &format!("  listens on {}\n", peers.listening.join(", "));
    peers.router.iter().for_each(|words| out += &format!("  {}\n", clean(words)));
    if peers.peers.is_empty() {
        out += "no other node is connected; those of this network are found by themselves, another is met \
                with `djdns connect` and what `djdns beacon --long` shows there\n";
    } else {
        out += &table(&peers.peers).render(style);
    }
    for peer in &peers.peers {
        for (what, count) in &peer.faults {
            let times = if *count == 1 { String::new() } else { format!(" ({count} times)") };
            let line = clean(&format!("- {}: {what}{times}\n", peer.key));
            out += &style.paint(Paint::Notice, &line);
        }
    }
    if peers.known > 0 {
        let nodes = if peers.known == 1 { "node is" } else { "nodes are" };
        out += &format!("{} more {nodes} known\n", peers.known);
    }
    let newest = newest(&peers.liars);
    let more = peers.liars.len() - newest.len();
    for liar in newest {
        let when = since(liar.when, now);
        let line = format!("- {} lied ({when}) and is not called again: {}\n", liar.key, liar.what);
        out += &style.paint(Paint::Bad, &clean(&line));
    }
    if more > 0 {
        out += &format!("- {more} more lied before (`--json` has all of them)\n");
    }
    for remark in &peers.remarks {
        out += &style.paint(Paint::Notice, &clean(&format!("- {remark}\n")));
    }
    out
}

/// Those who lied last, the newest first, as many as are shown.
fn newest(liars: &[Liar]) -> Vec<&Liar> {
    let mut newest: Vec<&Liar> = liars.iter().collect();
    newest.sort_by_key(|liar| Reverse(liar.when));
    newest.truncate(LIARS_SHOWN);
    newest
}

/// The names of pages, as many as a column takes.
fn pages(pages: &[SharedPage]) -> String {
    let mut names: Vec<String> =
        pages.iter().take(PAGES_SHOWN).map(|page| page.page.clone()).collect();
    if pages.len() > PAGES_SHOWN {
        names.push(format!("{} more", pages.len() - PAGES_SHOWN));
    }
    names.join(", ")
}

/// Liars and pages that are shown one by one (choice: what a screen takes).
const LIARS_SHOWN: usize = 5;
const PAGES_SHOWN: usize = 3;

fn table(peers: &[Peer]) -> Table {
    let mut table =
        Table::new(["NODE", "ADDRESS", "FOUND", "ROUND TRIP", "SINCE", "PAGES", "PROGRAM"]);
    for peer in peers {
        let direction = if peer.outbound { "to" } else { "from" };
        table.row([
            key(&peer.key, &Acquaintances::stub(&peer.key)),
            text(format!("{direction} {}", peer.address)),
            text(&peer.found),
            number(match peer.silent_seconds {
                Some(seconds) => format!("silent {seconds} s"),
                None => format!("{:.1} ms", peer.round_trip_seconds * 1000.0),
            }),
            text(lasted(peer.connected_seconds)),
            text(pages(&peer.pages)),
            text(&peer.program),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            node: "did:key:zMe".to_owned(),
            beacon: Some("DMCT:0.5428:31415:a3f2c8b9".to_owned()),
            listening: vec!["[::]:31415".to_owned()],
            router: Some("the router lets others in".to_owned()),
            peers: Vec::new(),
            known: 0,
            liars: Vec::new(),
            remarks: Vec::new(),
        }
    }

    #[test]
    fn who_is_alone_reads_what_to_do() {
        let said = render(&report(), 0, Style::plain());
        assert!(said.contains("DMCT:0.5428:31415:a3f2c8b9\n"), "{said}");
        assert!(said.contains("`djdns connect`"), "{said}");
        assert!(said.contains("\n  the router lets others in\n"), "{said}");
    }

    #[test]
    fn many_pages_are_counted() {
        let named = |n: usize| SharedPage { page: format!("p{n}."), page_id: String::new() };
        let of = |count| pages(&(1..=count).map(named).collect::<Vec<_>>());
        assert_eq!((of(3), of(50)), ("p1., p2., p3.".into(), "p1., p2., p3., 47 more".into()));
    }

    #[test]
    fn a_peer_is_told_of_with_its_pages_and_a_liar_with_its_lie() {
        let shared = SharedPage { page: "ff.ct.".to_owned(), page_id: "00".to_owned() };
        let peer = Peer {
            key: "did:key:zAnotherNode".to_owned(),
            address: "192.0.2.7:31415".to_owned(),
            outbound: true,
            found: "lan".to_owned(),
            program: "djdns 0.1.0".to_owned(),
            round_trip_seconds: 0.0012,
            silent_seconds: None,
            connected_seconds: 120,
            bytes_in: 1,
            bytes_out: 1,
            pages: vec![shared],
            credit: 90,
            faults: vec![("it did not answer in time".to_owned(), 3)],
            clock_off_seconds: None,
        };
        let (key, what) = ("did:key:zLiar".to_owned(), "a forged seal".to_owned());
        let mut liars = vec![Liar { key, what, when: 1_800_000_000 }];
        let older = |n| Liar { key: format!("did:key:z{n}"), what: "x".to_owned(), when: n };
        liars.extend((0..8).map(older));
        let silent = Peer { silent_seconds: Some(9), faults: Vec::new(), ..peer.clone() };
        let report = Report { peers: vec![peer, silent], liars, known: 2, ..report() };
        let said = render(&report, 1_800_000_060, Style::plain());
        for words in [
            "did:key:zAnotherNode  to 192.0.2.7:31415  lan        1.2 ms  2 minutes  ff.ct.",
            "  silent 9 s  2 minutes  ff.ct.",
            "did:key:zAnotherNode: it did not answer in time (3 times)",
            "2 more nodes are known",
            "- 4 more lied before",
            "did:key:zLiar lied (08:00 UTC, 1 minute ago) and is not called again: a forged seal",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
    }
}
