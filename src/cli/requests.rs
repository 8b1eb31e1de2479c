//! `djdns requests`: what a page is asked for, for those who decide (G13).

use std::{collections::BTreeMap, time::Duration};

use clap::Args;
use serde::Serialize;

use super::{
    args,
    context::{Context, ask},
    fault::Outcome,
    output::{self, Paint, Style, clean},
    proposals::{diff_line, time_left},
    resolve::short,
    signing::Acquaintances,
    table::{Table, text},
};
use crate::{
    ambient,
    control::{
        report::{HostWord, PetitionReport},
        request::{Answer, PageSelector, Request},
    },
    time,
};

/// Show the petitions to a page.
///
/// For each: who asks, what would change, their words, and how long it waits. Take one up with
/// `djdns propose P --from-request ID`, or turn it down with `djdns request refuse ID`. Those that were
/// sent from here to the nodes that host the page are shown with what these said; `djdns request
/// status` shows all that were made here.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns requests ff.ct --follow")]
pub struct Requests {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
    /// Also those that were decided or have expired
    #[arg(long)]
    all: bool,
    /// Go on, and show what comes, until interrupted; as JSON: one petition on a line
    #[arg(long)]
    follow: bool,
}

/// `requests --json`.
#[derive(Serialize)]
struct Listing {
    page: String,
    petitions: Vec<PetitionReport>,
}

/// How long nothing is asked while following (choice: a person does not notice).
const FOLLOW_PAUSE: Duration = Duration::from_secs(2);

impl Requests {
    pub fn run(self, context: &mut Context) -> Outcome {
        if self.follow {
            return self.follow(context);
        }
        let listing = self.listing(context)?;
        if context.json {
            return output::print_json(&listing);
        }
        if listing.petitions.is_empty() {
            context.note(format!("nothing is asked of {}", listing.page));
            return Ok(());
        }
        let known = Acquaintances::of(context);
        let text = render(&listing.petitions, &known, context.style, true);
        context.print_paged(&text)
    }

    fn listing(&self, context: &mut Context) -> Outcome<Listing> {
        let request = Request::Petitions { page: self.page.clone(), all: self.all };
        ask!(context, request, Answer::Petitions { page, petitions } => Ok(Listing { page, petitions }))
    }

    /// Shows what is there, and then what is new, until interrupted.
    fn follow(self, context: &mut Context) -> Outcome {
        let known = Acquaintances::of(context);
        let mut seen = BTreeMap::new();
        loop {
            let is_first = seen.is_empty();
            let new = news(&mut seen, self.listing(context)?.petitions);
            if context.json {
                new.iter().try_for_each(output::print_json)?;
            } else if !new.is_empty() {
                output::print(&render(&new, &known, context.style, is_first))?;
            }
            context.let_go();
            ambient::pause(FOLLOW_PAUSE);
        }
    }
}

/// Those petitions that were not seen yet, or not in this state.
fn news(
    seen: &mut BTreeMap<String, String>,
    petitions: Vec<PetitionReport>,
) -> Vec<PetitionReport> {
    let is_new = |petition: &PetitionReport| {
        let before = seen.insert(petition.id.clone(), petition.state.clone());
        before.as_ref() != Some(&petition.state)
    };
    let mut new = petitions;
    new.retain(is_new);
    new
}

/// A table of petitions; below each what it would change, its words, and what became of it.
pub fn render(
    petitions: &[PetitionReport],
    known: &Acquaintances,
    style: Style,
    heads: bool,
) -> String {
    let mut table = Table::new(["REQUEST", "STATE", "EXPIRES", "BY", "ASKS TO"]);
    for petition in petitions {
        let left = match petition.state.as_str() {
            "waiting" => time_left(petition.seconds_left),
            _ => String::new(),
        };
        table.row([
            text(short(&petition.id)).painted(Paint::Bold),
            text(&petition.state).painted(state_paint(&petition.state)),
            text(left),
            text(known.short(&petition.author)),
            text(&petition.change),
        ]);
    }
    let (head, rows) = table.lines(style);
    let head = head.filter(|_| heads);
    let mut out: String = head.into_iter().map(|head| head + "\n").collect();
    for (row, petition) in rows.into_iter().zip(petitions) {
        out += &(row + "\n");
        out += &details(petition, known, style);
    }
    out
}

fn details(petition: &PetitionReport, known: &Acquaintances, style: Style) -> String {
    let mut out = String::new();
    for line in &petition.diff {
        out += &format!("    {}\n", diff_line(line, style));
    }
    if !petition.words.is_empty() {
        out += &format!("    {}: {}\n", known.short(&petition.author), one_line(&petition.words));
    }
    for word in &petition.hosts {
        let said = host_word(word, known, ambient::now());
        out += &format!("    {}\n", style.paint(Paint::Dim, &one_line(&said)));
    }
    if let Some(fate) = fate(petition, known) {
        out += &format!("    {}\n", style.paint(Paint::Dim, &one_line(&fate)));
    }
    out
}

/// What a host said of it, and when.
fn host_word(word: &HostWord, known: &Acquaintances, now: u64) -> String {
    let (host, when) = (known.short(&word.host), time::since(word.at, now));
    let why = if word.words.is_empty() { String::new() } else { format!(": {}", word.words) };
    format!("the host {host} says: {}{why} ({when})", word.said)
}

/// What became of it, in a sentence.
fn fate(petition: &PetitionReport, known: &Acquaintances) -> Option<String> {
    match (petition.state.as_str(), &petition.operation, &petition.refused_by) {
        ("on its way", ..) => {
            Some("no host of the page has answered yet: the daemon goes on trying".to_owned())
        }
        ("expired", ..) => Some("nobody decided in time: ask again".to_owned()),
        (_, Some(operation), _) => Some(match &petition.operation_state {
            Some(state) => format!("taken up as operation {}: {state}", short(operation)),
            None => format!("taken up as operation {}", short(operation)),
        }),
        (_, _, Some(participant)) => Some(match petition.reason.as_str() {
            "" => format!("refused by {}", known.short(participant)),
            reason => format!("refused by {}: {reason}", known.short(participant)),
        }),
        _ => None,
    }
}

fn one_line(words: &str) -> String {
    clean(words).replace('\n', " ")
}

fn state_paint(state: &str) -> Paint {
    match state {
        "taken up" => Paint::Good,
        "refused" => Paint::Bad,
        "waiting" => Paint::Plain,
        _ => Paint::Notice,
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::key::PublicKey;

    /// A stranger's petition to ff.ct., in one of its states.
    pub fn petition(id: u8, state: &str) -> PetitionReport {
        let alice = crate::demo::key("alice").unwrap().public().to_string();
        let stranger = crate::key::SecretKey::from_seed(&[9; 32]).public().to_string();
        PetitionReport {
            id: format!("{id:02x}").repeat(32),
            page: "ff.ct.".to_owned(),
            page_id: "00".repeat(32),
            author: stranger,
            owner: "friend".to_owned(),
            change: "set friend A".to_owned(),
            diff: vec!["+ friend 3600 A 192.0.2.7".to_owned()],
            words: "for our\nclub".to_owned(),
            created: 0,
            received: 0,
            source: "local".to_owned(),
            state: state.to_owned(),
            operation: (state == "taken up").then(|| "ab".repeat(32)),
            operation_state: (state == "taken up").then(|| "open".to_owned()),
            refused_by: (state == "refused").then_some(alice),
            reason: if state == "refused" { "that is ours".to_owned() } else { String::new() },
            expires: 14 * 86_400,
            seconds_left: 14 * 86_400,
            hosts: Vec::new(),
        }
    }

    #[test]
    fn a_petition_is_a_row_with_its_words_and_its_fate_below() {
        let demo = crate::demo::key("alice").unwrap().public();
        let known = Acquaintances::just(demo, "demo:alice");
        let petitions = ["waiting", "taken up", "refused", "expired"].map(|s| petition(1, s));
        let expect = "\
REQUEST   STATE     EXPIRES  BY             ASKS TO
01010101  waiting   14 days  z6MkwZ5Kq26W…  set friend A
    + friend 3600 A 192.0.2.7
    z6MkwZ5Kq26W…: for our club
01010101  taken up           z6MkwZ5Kq26W…  set friend A
    + friend 3600 A 192.0.2.7
    z6MkwZ5Kq26W…: for our club
    taken up as operation abababab: open
01010101  refused            z6MkwZ5Kq26W…  set friend A
    + friend 3600 A 192.0.2.7
    z6MkwZ5Kq26W…: for our club
    refused by demo:alice: that is ours
01010101  expired            z6MkwZ5Kq26W…  set friend A
    + friend 3600 A 192.0.2.7
    z6MkwZ5Kq26W…: for our club
    nobody decided in time: ask again
";
        let short = known.short(&petitions[0].author);
        let expect = expect.replace("z6MkwZ5Kq26W…", &short);
        assert_eq!(render(&petitions, &known, Style::plain(), true), expect);
        assert!(!render(&petitions, &known, Style::plain(), false).contains("REQUEST"));
    }

    #[test]
    fn what_hosts_say_is_told_with_when_they_said_it() {
        let host = crate::key::SecretKey::from_seed(&[8; 32]).public().to_string();
        let known = Acquaintances::just(PublicKey::parse(&host).unwrap(), "home");
        let word = HostWord { host, said: "waiting".into(), at: 1_800_000_000, words: "".into() };
        let said = host_word(&word, &known, 1_800_000_120);
        assert_eq!(said, "the host home says: waiting (08:00 UTC, 2 minutes ago)");
        let why = HostWord { said: "not taken".into(), words: "full".into(), ..word };
        assert!(host_word(&why, &known, 1_800_000_120).contains("says: not taken: full ("));
        let sent = PetitionReport { hosts: vec![why], ..petition(1, "on its way") };
        let shown = render(&[sent], &known, Style::plain(), false);
        assert!(shown.contains("\n    the host home says"), "{shown}");
        assert!(shown.contains("the daemon goes on trying"), "{shown}");
    }

    #[test]
    fn what_follows_is_what_is_new_or_has_changed() {
        let mut seen = BTreeMap::new();
        let mut check = |now: &[(u8, &str)], expect: &[u8]| {
            let petitions = now.iter().map(|(id, state)| petition(*id, state)).collect();
            let ids: Vec<String> = news(&mut seen, petitions).into_iter().map(|p| p.id).collect();
            let expect: Vec<String> =
                expect.iter().map(|id| format!("{id:02x}").repeat(32)).collect();
            assert_eq!(ids, expect);
        };
        check(&[(1, "waiting")], &[1]);
        check(&[(1, "waiting"), (2, "waiting")], &[2]);
        check(&[(1, "refused"), (2, "waiting")], &[1]);
        check(&[(1, "refused"), (2, "waiting")], &[]);
    }
}
