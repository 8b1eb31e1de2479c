//! `djdns resolve`: an answer, and where it comes from.

use clap::Args;

use super::{
    args,
    context::{Context, ask},
    fault::{Fault, Outcome},
    output::{self, Paint, Style, clean},
    table::{Table, text},
};
use crate::{
    control::{
        report::{ForwardedStep, PageStep, Resolution},
        request::{Answer, Failure, Request},
    },
    page::{name::Name, record::RecordType},
};

/// Answer a name as `djdns serve` would answer it: from verified pages, or else by asking others.
///
/// Prints the records as `dig` does. A name in no page is asked of upstream resolvers by the running
/// daemon. Exit code 3 means that the name does not exist, 4 that no upstream answers. With --trace the
/// pages that were walked come first, from the anchor down: what proved each, its newest seal, and the
/// operation that set the entry leading on; then who else was asked.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns resolve brickwindows.ff.ct AAAA --trace")]
pub struct Resolve {
    /// The domain name; a final dot is understood
    #[arg(value_parser = args::name)]
    name: Name,
    /// The record type, as A, MX or TYPE65280
    #[arg(value_name = "TYPE", default_value = "A")]
    rtype: RecordType,
    /// Show each page walked and what was checked
    #[arg(long)]
    trace: bool,
    /// Ask nobody else: only from pages that are on this machine
    #[arg(long)]
    offline: bool,
}

impl Resolve {
    pub fn run(self, context: &mut Context) -> Outcome {
        let Resolve { name, rtype, trace, offline } = self;
        if !rtype.is_data() && rtype != RecordType::ANY {
            return Err(Fault::usage(format!("{rtype} is no type of record: nothing holds one")));
        }
        let request = Request::Resolve { name, rtype, offline };
        let resolution = ask!(context, request, Answer::Resolved(resolution) => resolution);
        if context.json {
            output::print_json(&resolution)?;
        } else {
            output::print(&render(&resolution, trace, context.style))?;
        }
        judge(context, &resolution)
    }
}

fn render(resolution: &Resolution, trace: bool, style: Style) -> String {
    let mut out = String::new();
    if trace {
        for step in &resolution.pages {
            out += &step_text(step, style);
        }
        out += &resolution.forwarded.iter().map(asked_text).collect::<String>();
        let line = format!("{} {}\n", resolution.rcode, outcome(resolution));
        out += &style.paint(Paint::Bold, &line);
    }
    for row in &resolution.answers {
        out += &clean(&format!("{} {} IN {} {}", row.name, row.ttl, row.rtype, row.data));
        out.push('\n');
    }
    out
}

/// How it was answered, or that it was not and why.
fn outcome(resolution: &Resolution) -> String {
    let source = resolution.forwarded.as_ref().map(|step| step.source.as_str());
    let status = &resolution.status;
    match source {
        Some("stale") => format!("{status}, past its time (stale)"),
        Some("failed") => match &resolution.notes[..] {
            [] => "no answer".to_owned(),
            notes => format!("no answer: {}", clean(&notes.join("; "))),
        },
        _ if resolution.fresh => format!("{status}, fresh"),
        _ if resolution.pages.iter().any(|step| step.stale.is_some()) => format!("{status}, stale"),
        _ => format!("{status}, as this machine knows it"),
    }
}

/// One page of the walk, in a few lines.
pub fn step_text(step: &PageStep, style: Style) -> String {
    let mut out = style.paint(Paint::Bold, &clean(&step.name)) + "\n";
    let percent = |bp: u16| format!("{}.{:02} %", bp / 100, bp % 100);
    let mut table = Table::new(["", "", ""]);
    let mut row = |what: &str, value: String| {
        table.row([text(""), text(what).painted(Paint::Dim), text(value)]);
    };
    row("page", short(&step.page_id));
    row("seal", format!("{} at height {}", short(&step.seal), step.height));
    // Without any attestation there is nothing to weigh.
    if step.strength_bp > 0 || step.coherence_bp > 0 {
        let (strength, coherence) = (percent(step.strength_bp), percent(step.coherence_bp));
        row("support", format!("{strength} strength, {coherence} coherence"));
    }
    if let Some(why) = step.stale.as_ref().filter(|_| step.forked.is_none()) {
        row("stale", clean(why));
    }
    if let Some(height) = step.forked {
        row("forked", format!("two seals of height {height} contradict each other"));
    }
    row("proof", step.proof.clone());
    if let Some(operation) = &step.operation {
        row("operation", short(operation));
    }
    out += &table.render(style);
    out
}

/// Who else was asked, in a line.
fn asked_text(step: &ForwardedStep) -> String {
    let upstream = step.upstream.as_deref().unwrap_or("an upstream");
    let ago = step.age.map_or_else(String::new, |age| format!(", {age} s ago"));
    clean(&match step.source.as_str() {
        "override" => "from this machine's overrides or hosts file\n".to_owned(),
        "cache" => format!("from the cache: {upstream} said it{ago}\n"),
        "stale" => format!("from the cache, past its time: {upstream} said it{ago}\n"),
        "forwarded" => format!("asked: {upstream} says it now\n"),
        _ => "asked: no upstream answers\n".to_owned(),
    })
}

/// The first eight digits of an id.
pub fn short(id: &str) -> String {
    id.chars().take(8).collect()
}

/// What the response code means for whoever asked.
fn judge(context: &Context, resolution: &Resolution) -> Outcome {
    let Resolution { name, rtype, rcode, .. } = resolution;
    let notes = match &resolution.notes[..] {
        [] => String::new(),
        notes => format!(": {}", notes.join("; ")),
    };
    match rcode.as_str() {
        "NOERROR" => {
            if !resolution.referral.is_empty() {
                let servers = resolution.referral.join(", ");
                context.note(format!("{name} is delegated to {servers}, which are not asked here"));
            } else if resolution.answers.is_empty() {
                context.note(format!("{name} exists and has no {rtype} record{notes}"));
            } else if !resolution.notes.is_empty() {
                context.note(resolution.notes.join("; "));
            }
            Ok(())
        }
        "NXDOMAIN" => Err(Fault::not_found(format!("{name} does not exist (NXDOMAIN){notes}"))),
        _ => {
            let is_unreachable =
                resolution.forwarded.as_ref().is_some_and(|step| step.source == "failed");
            let message = format!("{name} is not answered ({rcode}){notes}");
            Err(match is_unreachable {
                true => Failure::unreachable(message + "; `djdns status` says more").into(),
                false => Fault::refused(message),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::report::AnswerRow;

    fn resolution() -> Resolution {
        let answer = AnswerRow {
            name: "a.ct.".into(),
            rtype: "A".into(),
            ttl: 60,
            data: "192.0.2.1".into(),
        };
        let step = PageStep {
            name: "ct.".into(),
            page_id: "0123456789".into(),
            height: 0,
            seal: "0123456789".into(),
            strength_bp: 10_000,
            coherence_bp: 5,
            stale: None,
            forked: None,
            proof: "linked from .".into(),
            operation: Some("abcdef0123".into()),
        };
        Resolution {
            name: "a.ct.".into(),
            rtype: "A".into(),
            rcode: "NOERROR".into(),
            answers: vec![answer],
            status: "sealed".into(),
            forwarded: None,
            fresh: true,
            pages: vec![step],
            referral: Vec::new(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn answers_are_lines_as_dig_prints_them() {
        let text = render(&resolution(), false, Style::plain());
        assert_eq!(text, "a.ct. 60 IN A 192.0.2.1\n");
    }

    #[test]
    fn a_trace_shows_the_pages_first() {
        let expect = "\
ct.
  page       01234567
  seal       01234567 at height 0
  support    100.00 % strength, 0.05 % coherence
  proof      linked from .
  operation  abcdef01
NOERROR sealed, fresh
a.ct. 60 IN A 192.0.2.1
";
        assert_eq!(render(&resolution(), true, Style::plain()), expect);
    }

    #[test]
    fn a_trace_says_who_else_was_asked() {
        let check = |source: &str, age, expect: &str| {
            let upstream = Some("192.0.2.53".to_owned());
            let step = ForwardedStep { source: source.to_owned(), upstream, age };
            let shown = Resolution { forwarded: Some(step), pages: vec![], ..resolution() };
            assert_eq!(render(&shown, true, Style::plain()).lines().next(), Some(expect));
        };
        check("forwarded", Some(0), "asked: 192.0.2.53 says it now");
        check("cache", Some(7), "from the cache: 192.0.2.53 said it, 7 s ago");
        check("failed", None, "asked: no upstream answers");
    }

    #[test]
    fn a_trace_says_how_it_ended() {
        let check = |source: &str, expect: &str| {
            let step = ForwardedStep { source: source.to_owned(), upstream: None, age: None };
            let shown = Resolution {
                status: "forwarded".into(),
                forwarded: Some(step),
                pages: vec![],
                answers: vec![],
                notes: vec!["no upstream answers: 192.0.2.1: it is silent".into()],
                ..resolution()
            };
            assert_eq!(render(&shown, true, Style::plain()).lines().nth(1), Some(expect));
        };
        check("stale", "NOERROR forwarded, past its time (stale)");
        check("failed", "NOERROR no answer: no upstream answers: 192.0.2.1: it is silent");
        check("forwarded", "NOERROR forwarded, fresh");
    }
}
