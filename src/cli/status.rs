//! `djdns status`: health in words.

use clap::Args;

use super::{
    context::{Context, ask},
    fault::Outcome,
    output::{self, Paint},
    signing::Acquaintances,
    table::{Table, text},
};
use crate::control::{
    report,
    request::{Answer, Request},
};

/// Say in words how the node is.
///
/// Whether a daemon runs and where it answers, which pages are held, which root they are resolved
/// from, and what needs attention.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns status --json")]
pub struct Status {}

impl Status {
    pub fn run(self, context: &mut Context) -> Outcome {
        let status = ask!(context, Request::Status, Answer::Status(status) => status);
        if context.json {
            return output::print_json(&status);
        }
        let text = render(context, &status);
        context.print_paged(&text)
    }
}

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
    row("pages", format!("{}, with {} entries", status.pages, status.entries));
    row("open", format!("{} operations", status.open_operations));
    let root = status.root.as_deref().unwrap_or("none");
    let public = if status.demonstration { " (the public demonstration)" } else { "" };
    row("root", format!("{root}{public}"));
    for anchor in status.anchors.iter().filter(|anchor| anchor.name != ".") {
        row("trusted", format!("{} {}", anchor.name, anchor.page_id));
    }
    out += &table.render(style);
    let known = Acquaintances::of(context);
    for waiting in &status.waiting {
        out += &waiting_for(waiting, &known);
    }
    for sentence in &status.unsealed {
        out +=
            &style.paint(Paint::Notice, &format!("- {}\n", output::clean(&known.named(sentence))));
    }
    for notice in &status.notices {
        out += &style.paint(Paint::Notice, &format!("- {}\n", output::clean(notice)));
    }
    out
}

/// Whose ballots an operation waits for, in a line.
fn waiting_for(waiting: &report::Waiting, known: &Acquaintances) -> String {
    let mut names: Vec<String> = waiting.awaited.iter().map(|key| known.short(key)).collect();
    if waiting.awaited_more > 0 {
        names.push(format!("{} more", waiting.awaited_more));
    }
    let line = format!(
        "- {} waits: {} ({}): {}; not voted yet: {}",
        waiting.page,
        waiting.id.chars().take(8).collect::<String>(),
        waiting.change,
        waiting.reason,
        names.join(", ")
    );
    output::clean(&line) + "\n"
}
