//! Looking at pages and checking them: `list`, `show`, `participants`, `history`, `verify`, `join`.

use clap::Args;

use super::{follow, held};
use crate::{
    cli::{
        args,
        context::{Context, ask},
        fault::{Fault, Outcome},
        field::percent as share,
        output::{self, Paint, clean},
        presence::percent,
        resolve::short,
        signing::Acquaintances,
        table::{Table, key, number, text},
    },
    control::{
        history::{Event, SealEvent},
        remarks::{self, count},
        report::{PageReport, Participant},
        request::{Answer, PageSelector, Request},
    },
    dns::icann,
    page::name::Name,
    time::date,
};

/// List all pages held.
///
/// ENTRIES are the sealed ones, SOFT those with a change that is served and not sealed yet, OPEN the
/// operations that have not ended, as `djdns proposals P` shows them.
///
/// A page that no page above links to, and that is not trusted by `page join`, is held but not
/// used: resolving its name does not lead to it.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns page list --json")]
pub struct List {}

/// Show a page: its seal, its rules and how much it holds.
///
/// The rules, which its participants change with `djdns propose P params`: `track1_bp` and `track2_bp`,
/// the power that a change of names and one of participants or parameters takes, in basis points (100
/// are 1 %); `min_voters`, how many must vote for it themselves; `seal_interval`, the time between two
/// seals; `soft_ttl_max`, how long what is not sealed yet may be cached; `open_operations_max`, the
/// slots of each participant, one for every operation that is open.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns page show ff.ct")]
pub struct Show {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
}

/// List who decides about a page, with how much power, and who contradicted themselves.
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
/// code 1 and a sentence when something is wrong, or the page is forked.
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
/// tamper with. A page that is not here is fetched from other nodes by the running daemon, and followed
/// from then on; where nobody has it, it is fetched when somebody does.
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

/// What `page join --json` prints. `state` is `held`, or that of
/// [`Joining`](crate::control::peers::Joining).
#[derive(serde::Serialize)]
struct Joined {
    name: String,
    page_id: String,
    state: String,
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
            Table::new(["NAME", "PAGE", "HEIGHT", "ENTRIES", "SOFT", "OPEN", "PEOPLE", "REMARKS"]);
        for page in &pages {
            let figure = |n: String| number(if page.damaged.is_some() { String::new() } else { n });
            table.row([
                text(&page.name).painted(Paint::Bold),
                text(short(&page.page_id)),
                figure(page.height.to_string()),
                figure(page.entries.to_string()),
                figure(page.soft_entries.to_string()),
                figure(page.open_operations.to_string()),
                figure(page.participants.to_string()),
                text(remarks::of(page)).painted(Paint::Notice),
            ]);
        }
        let text = table.render(context.style);
        context.print_paged(&text)
    }
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
        let fresh = if report.fresh { "fresh" } else { "stale" };
        row(fresh, report.freshness.clone());
        if report.strength_bp > 0 {
            let (strength, coherence) = (share(report.strength_bp), share(report.coherence_bp));
            row("support", format!("{strength} strength, {coherence} coherence"));
        }
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
        // A demonstration is never synced (P6).
        if !page.demonstration {
            row("followed", follow::words(&report.following));
        }
        if let Some(kept) = page.kept {
            row("kept because", remarks::kept(kept));
        }
        if let Some(beside) = &page.alongside {
            row("other nodes", remarks::beside(page, beside));
        }
        for decided in &report.decided {
            let seal = short(&decided.seal);
            row("decided", format!("for the seal {seal} at height {}", decided.height));
        }
        for (name, value) in &report.parameters {
            row(name, with_unit(name, *value));
        }
        let remarks = remarks::of(page);
        if !remarks.is_empty() {
            row("remarks", remarks);
        }
        output::print(&table.render(context.style))
    }
}

/// A parameter's value as people read it.
fn with_unit(name: &str, value: u32) -> String {
    match name {
        "track1_bp" | "track2_bp" => format!("{value} ({}.{:02} %)", value / 100, value % 100),
        "seal_interval" | "soft_ttl_max" => format!("{value} s"),
        _ => value.to_string(),
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
                key(&participant.key, &Acquaintances::stub(&participant.key)),
                number(participant.power),
                number(format!("{}.{:02} %", share / 100, share % 100)),
                text(known.name(&participant.key).unwrap_or_default()),
                text(participant.node.as_deref().map_or(String::new(), |node| known.short(node))),
                text(lending(participant, &known)),
            ]);
        }
        let mut text = table.render(context.style);
        for participant in &report.roster {
            text += &context.style.paint(Paint::Notice, &contradiction(participant, &known));
        }
        context.print_paged(&text)
    }
}

/// That a participant signed two statements that contradict each other, if it did (G11).
fn contradiction(participant: &Participant, known: &Acquaintances) -> String {
    let Some([one, other]) = &participant.contradiction else { return String::new() };
    let who = known.short(&participant.key);
    let (one, other) = (short(one), short(other));
    format!("- {who} signed two statements that contradict each other: {one} and {other}\n")
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
        let mut table = Table::new(["WHEN", "WHAT", "ID", "BY", "CONTENT"]);
        for event in &events {
            table.row([
                text(event.time.map_or(String::new(), date)),
                text(&event.kind),
                text(short(&event.id)).painted(Paint::Bold),
                text(event.author.as_deref().map_or(String::new(), |key| known.short(key))),
                text(known.named(&event.what)),
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
        out += &format!("    {} {}\n", short(id), clean(&known.named(what)));
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
    let line = |seal: &str, which: &str, signers: &[String], nodes: &[String]| {
        let by = if nodes.len() == 1 { "node" } else { "nodes" };
        let nodes = nodes.join(", ");
        format!("    {seal} ({which}), signed for {} by the {by} {nodes}\n", names(signers))
    };
    let mut out = format!("    two seals at height {}:\n", seal.height);
    out += &line(&held.seal, "held here", &held.signers, &held.nodes);
    out += &line(&event.id, "brought", &seal.signers, &seal.nodes);
    let twice = seal.nodes.iter().filter(|node| held.nodes.contains(node));
    let twice: Vec<&str> = twice.map(String::as_str).collect();
    if !twice.is_empty() {
        out += &format!(
            "    signed both: {}; a copy of that node's key, or of its directory, was in use\n",
            twice.join(", ")
        );
    }
    out
}

impl Verify {
    pub fn run(self, context: &mut Context) -> Outcome {
        let request = Request::Verify { page: self.page, full: self.full };
        let verified = ask!(context, request, Answer::Verified(verified) => verified);
        let forked = verified.forked.clone().map(Fault::refused);
        if context.json {
            output::print_json(&verified)?;
            return forked.map_or(Ok(()), Err);
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
        let found = match &forked {
            Some(_) => "is stored as it was signed, and forked",
            None => "is as it should be",
        };
        output::print(&format!(
            "{} {found}: {} entries at its founding, {} statements, {signatures}{seals}{} bytes of log\n",
            verified.name, verified.entries, verified.statements, verified.log_bytes
        ))?;
        if verified.held_from > 0 {
            output::print(&format!(
                "its history is held from the seal at height {} on: the state there was taken over from \
                 another node, and its certificates lead to it from the founding\n",
                verified.held_from
            ))?;
        }
        if let Some(cut) = verified.cut {
            output::print(&format!("but of its end: {}\n", clean(&cut)))?;
        }
        forked.map_or(Ok(()), Err)
    }
}

impl Join {
    pub fn run(self, context: &mut Context) -> Outcome {
        context.may_found();
        let Join { name, page } = self;
        if name.labels().last().is_some_and(|label| label == b"localhost") {
            return Err(Fault::refused(format!(
                "{name} is answered by every machine by itself (RFC 6761), and never from a page: nothing \
                 was changed"
            )));
        }
        let page = held::meant(context, &page)?.id;
        let joining = match context.ask(Request::Join { name: name.clone(), page })? {
            Answer::Joined => None,
            Answer::Joining(joining) => Some(joining),
            _ => return Err(Fault::other_answer()),
        };
        if context.json {
            let (name, page_id) = (name.to_string(), page.to_string());
            let state = joining.map_or_else(|| "held".to_owned(), |joining| joining.state);
            return output::print_json(&Joined { name, page_id, state });
        }
        output::print(&format!("{name} and everything below it is taken from {page}\n"))?;
        let is_top = name.parent().is_some_and(|above| above.is_root());
        if is_top && name.labels().any(icann::is_delegated) {
            context.note(format!(
                "warning: {name} is a top-level domain of the public DNS, too: on this machine every name \
                 below it is now answered from this page alone; `djdns page forget {name} --untrust` takes \
                 that back"
            ));
        }
        if let Some(joining) = joining {
            output::print(&format!("{}: {}\n", joining.state, clean(&joining.words)))?;
        }
        Ok(())
    }
}

fn report(context: &mut Context, page: PageSelector) -> Outcome<PageReport> {
    ask!(context, Request::Page { page }, Answer::Page(report) => Ok(report))
}
