//! Looking at pages and checking them: `list`, `show`, `participants`, `history`, `verify`, `join`.

use clap::Args;

use super::held;
use crate::{
    cli::{
        args,
        context::{Context, ask},
        fault::Outcome,
        output::{self, Paint, clean},
        presence::percent,
        resolve::short,
        signing::Acquaintances,
        table::{Table, number, text},
        time::date,
    },
    control::{
        report::{Event, PageReport, PageSummary, Participant, SealEvent},
        request::{Answer, PageSelector, Request},
    },
    page::name::Name,
};

/// List all pages held.
///
/// A page that no page above links to, and that is not trusted by `page join`, is held but not
/// used: resolving its name does not lead to it.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns page list --json")]
pub struct List {}

/// Show a page: its seal, its rules and how much it holds.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns page show ff.ct")]
pub struct Show {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
}

/// List who decides about a page, and with how much power.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns page participants ff.ct")]
pub struct Participants {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
}

/// List what happened to a page, newest first.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns page history ff.ct")]
pub struct History {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
}

/// Check a page as it is stored.
///
/// Checksums, the state root under every seal, and as many certificates as it takes to come from the
/// founding to the newest seal; with --full every entry, every signature and every certificate. Exit
/// code 1 and a sentence when something is wrong.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns page verify ff.ct --full")]
pub struct Verify {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
    /// Check every entry and every signature
    #[arg(long)]
    full: bool,
}

/// Trust a page for a name and everything below it.
///
/// The page id is what you trust: get it from somebody you believe, by a way that nobody can
/// tamper with.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns page join ct 5f0c…64-digits…e1")]
pub struct Join {
    /// The name
    #[arg(value_parser = args::name)]
    name: Name,
    /// The page id, or its first digits, at least six
    #[arg(value_name = "PAGE-ID", value_parser = args::prefix)]
    page: String,
}

impl List {
    pub fn run(self, context: &mut Context) -> Outcome {
        let pages = ask!(context, Request::Pages, Answer::Pages(pages) => pages);
        if context.json {
            return output::print_json(&pages);
        }
        if pages.is_empty() {
            context.note("no page is held: found one with `djdns page create`");
        }
        let mut table =
            Table::new(["NAME", "PAGE", "HEIGHT", "SEALED", "SOFT", "OPEN", "PEOPLE", "REMARKS"]);
        for page in &pages {
            table.row([
                text(&page.name).painted(Paint::Bold),
                text(short(&page.page_id)),
                number(page.height),
                number(page.entries),
                number(page.soft_entries),
                number(page.open_operations),
                number(page.participants),
                text(remarks(page)).painted(Paint::Notice),
            ]);
        }
        let text = table.render(context.style);
        context.print_paged(&text)
    }
}

fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

fn remarks(page: &PageSummary) -> String {
    let unused = if page.name == "." { "not trusted" } else { "not linked" };
    let linked = (!page.linked).then_some(unused);
    let demonstration = page.demonstration.then_some("demonstration");
    let forked = page.forked.map(|height| format!("forked at height {height}"));
    let words = linked.into_iter().chain(demonstration).map(str::to_owned);
    forked.into_iter().chain(words).collect::<Vec<_>>().join(", ")
}

impl Show {
    pub fn run(self, context: &mut Context) -> Outcome {
        let report = report(context, self.page)?;
        if context.json {
            return output::print_json(&report);
        }
        let page = &report.summary;
        let mut table = Table::new(["", ""]);
        let mut row =
            |what: &str, value: String| table.row([text(what).painted(Paint::Dim), text(value)]);
        row("name", page.name.clone());
        row("page id", page.page_id.clone());
        row("created", date(report.created));
        row("height", format!("{}, sealed {}", page.height, date(report.sealed)));
        row("seal", report.seal.clone());
        row("state root", report.state_root.clone());
        row("entries", format!("{} sealed, {} soft", page.entries, page.soft_entries));
        row("open operations", page.open_operations.to_string());
        row(
            "participants",
            format!("{}, with {} power in all", page.participants, report.total_power),
        );
        if report.own_seats > 0 {
            let (own, quorum) = (report.own_seats, report.quorum);
            row("this node", format!("seals with {own} power; a seal takes {quorum}"));
        }
        for (name, value) in &report.parameters {
            row(name, value.to_string());
        }
        let remarks = remarks(page);
        if !remarks.is_empty() {
            row("remarks", remarks);
        }
        output::print(&table.render(context.style))
    }
}

impl Participants {
    pub fn run(self, context: &mut Context) -> Outcome {
        let report = report(context, self.page)?;
        if context.json {
            return output::print_json(&report.roster);
        }
        let known = Acquaintances::of(context);
        let mut table = Table::new(["KEY", "POWER", "SHARE", "KNOWN AS", "SEALED BY", "LENDS TO"]);
        for participant in &report.roster {
            let share = participant.share_bp;
            table.row([
                text(&participant.key),
                number(participant.power),
                number(format!("{}.{:02} %", share / 100, share % 100)),
                text(known.name(&participant.key).unwrap_or_default()),
                text(participant.node.as_deref().map_or(String::new(), |node| known.short(node))),
                text(lending(participant, &known)),
            ]);
        }
        let text = table.render(context.style);
        context.print_paged(&text)
    }
}

/// Whom a participant lends its power to, in a few words.
fn lending(participant: &Participant, known: &Acquaintances) -> String {
    let share =
        |(key, bp): &(String, u16)| format!("{} {} %", known.short(key), percent(u32::from(*bp)));
    let mut text = participant.away.iter().map(share).collect::<Vec<_>>().join(", ");
    if let Some(until) = participant.until {
        text += &format!(" until {}", date(until));
    }
    text
}

impl History {
    pub fn run(self, context: &mut Context) -> Outcome {
        let request = Request::History { page: self.page };
        let events = ask!(context, request, Answer::History(events) => events);
        if context.json {
            return output::print_json(&events);
        }
        let known = Acquaintances::of(context);
        let mut table = Table::new(["WHAT", "ID", "BY", "CONTENT", "WHEN"]);
        for event in &events {
            table.row([
                text(&event.kind),
                text(short(&event.id)).painted(Paint::Bold),
                text(event.author.as_deref().map_or(String::new(), |key| known.short(key))),
                text(&event.what),
                text(event.time.map_or(String::new(), date)),
            ]);
        }
        let (head, rows) = table.lines(context.style);
        let mut out: String = head.into_iter().map(|head| head + "\n").collect();
        for (row, event) in rows.into_iter().zip(&events) {
            out += &(row + "\n");
            if let Some(seal) = &event.seal {
                out += &sealed(seal, &known);
            }
            out += &evidence(event, &known);
        }
        context.print_paged(&out)
    }
}

/// Operations of a seal that are shown one by one (choice: a few lines; `--json` has all).
const APPLIED_SHOWN: usize = 10;

/// What a seal did, below its row.
fn sealed(seal: &SealEvent, known: &Acquaintances) -> String {
    let mut signers: Vec<String> = seal.signers.iter().map(|key| known.short(key)).collect();
    if signers.len() > APPLIED_SHOWN {
        let more = signers.split_off(APPLIED_SHOWN).len();
        signers.push(format!("{more} more"));
    }
    let mut out = format!("    sealed {} for {}\n", date(seal.time), signers.join(", "));
    for (id, what) in seal.applied.iter().take(APPLIED_SHOWN) {
        out += &format!("    {} {}\n", short(id), clean(what));
    }
    if seal.applied.len() > APPLIED_SHOWN {
        out += &format!("    and {} more\n", seal.applied.len() - APPLIED_SHOWN);
    }
    out
}

/// Of a fork: both seals, and whose seats signed each.
fn evidence(event: &Event, known: &Acquaintances) -> String {
    let Some(seal) = &event.seal else { return String::new() };
    let Some(held) = &seal.contradicts else { return String::new() };
    let names = |signers: &[String]| {
        signers.iter().map(|key| known.short(key)).collect::<Vec<_>>().join(", ")
    };
    format!(
        "    two seals at height {}:\n    {} (held here), signed for {}\n    {} (brought), signed for {}\n",
        seal.height,
        held.seal,
        names(&held.signers),
        event.id,
        names(&seal.signers)
    )
}

impl Verify {
    pub fn run(self, context: &mut Context) -> Outcome {
        let request = Request::Verify { page: self.page, full: self.full };
        let verified = ask!(context, request, Answer::Verified(verified) => verified);
        if context.json {
            return output::print_json(&verified);
        }
        let signatures = match verified.full {
            true => format!("{} signatures, ", verified.signatures),
            false => "signatures not checked again (--full does), ".to_owned(),
        };
        let seals = match verified.seals {
            0 => String::new(),
            n => format!(
                "{}, {} checked, ",
                count(n, "seal"),
                count(verified.certificates, "certificate")
            ),
        };
        output::print(&format!(
            "{} is as it should be: {} entries at its founding, {} statements, {signatures}{seals}{} bytes of \
             log\n",
            verified.name, verified.entries, verified.statements, verified.log_bytes
        ))?;
        match verified.cut {
            Some(cut) => output::print(&format!("but of its end: {}\n", clean(&cut))),
            None => Ok(()),
        }
    }
}

impl Join {
    pub fn run(self, context: &mut Context) -> Outcome {
        let Join { name, page } = self;
        let page = held::meant(context, &page)?.id;
        ask!(context, Request::Join { name: name.clone(), page }, Answer::Joined => ());
        if context.json {
            let (name, page_id) = (name.to_string(), page.to_string());
            return output::print_json(&crate::control::report::Anchor { name, page_id });
        }
        output::print(&format!("{name} and everything below it is taken from {page}\n"))
    }
}

fn report(context: &mut Context, page: PageSelector) -> Outcome<PageReport> {
    ask!(context, Request::Page { page }, Answer::Page(report) => Ok(report))
}
