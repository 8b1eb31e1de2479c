//! `djdns proposals`: open operations, who says what about them, and what is missing.

use clap::Args;
use serde::Serialize;

use super::{
    args,
    context::{Context, ask},
    fault::Outcome,
    output::{self, Paint, Style, clean},
    resolve::short,
    signing::Acquaintances,
    table::{Table, number, text},
};
use crate::control::{
    report::{BatchReport, OperationReport, Power},
    request::{Answer, PageSelector, Request},
};

/// Show the open operations of a page.
///
/// For each: who proposes it, what it changes, how much power approves and rejects it and how much
/// is missing, and how long it stays open. Vote with the digits in the first column.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns proposals ff.ct --all")]
pub struct Proposals {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
    /// Also those that can no longer pass
    #[arg(long)]
    all: bool,
}

/// `proposals --json`.
#[derive(Serialize)]
struct Listing {
    page: String,
    operations: Vec<OperationReport>,
    /// How many more there are.
    more: usize,
}

impl Proposals {
    pub fn run(self, context: &mut Context) -> Outcome {
        let mut listing = self.part(context, 0)?;
        // People see as much as they can read; programs get all of it.
        while context.json && listing.more > 0 {
            let next = self.part(context, listing.operations.len())?;
            if next.operations.is_empty() {
                break;
            }
            listing.operations.extend(next.operations);
            listing.more = next.more;
        }
        if context.json {
            return output::print_json(&listing);
        }
        if listing.operations.is_empty() {
            context.note(format!("nothing is open on {}", listing.page));
            return Ok(());
        }
        let known = Acquaintances::of(context);
        let mut text = render(&listing.operations, &known, context.style, true);
        if listing.more > 0 {
            text += &format!(
                "and {} more, which --json lists as well; `djdns vote` names one by its id\n",
                listing.more
            );
        }
        context.print_paged(&text)
    }
}

impl Proposals {
    fn part(&self, context: &mut Context, after: usize) -> Outcome<Listing> {
        let request = Request::Proposals { page: self.page.clone(), all: self.all, after };
        ask!(
            context,
            request,
            Answer::Proposals { page, operations, more, .. } => Ok(Listing { page, operations, more })
        )
    }
}

/// A batch in a line: how many of its operations are in which state.
pub fn batch_line(batch: &BatchReport, known: &Acquaintances) -> String {
    let states: Vec<String> =
        batch.states.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let (id, author) = (short(&batch.id), known.short(&batch.author));
    format!("{id} by {author}: {} operations: {}\n", batch.operations, states.join(", "))
}

/// A table of operations; with `diff`, what each changes and who voted stands below it.
pub fn render(
    operations: &[OperationReport],
    known: &Acquaintances,
    style: Style,
    diff: bool,
) -> String {
    let mut table =
        Table::new(["ID", "TRACK", "STATE", "YES", "NO", "MISSING", "EXPIRES", "BY", "CHANGE"]);
    for operation in operations {
        let missing = Power(operation.needed.0.saturating_sub(operation.approve.0));
        table.row([
            text(short(&operation.id)).painted(Paint::Bold),
            number(operation.track),
            text(&operation.state).painted(state_paint(&operation.state)),
            number(operation.approve),
            number(operation.reject),
            number(missing),
            text(operation.seconds_left.map_or(String::new(), time_left)),
            text(known.short(&operation.author)),
            text(&operation.change),
        ]);
    }
    let (head, rows) = table.lines(style);
    let mut out: String = head.into_iter().map(|head| head + "\n").collect();
    for (row, operation) in rows.into_iter().zip(operations) {
        out += &(row + "\n");
        if diff {
            out += &details(operation, known, style);
        }
    }
    out
}

/// What an operation changes, who voted, and what is missing.
fn details(operation: &OperationReport, known: &Acquaintances, style: Style) -> String {
    let mut out = String::new();
    for line in &operation.diff {
        out += &format!("    {}\n", diff_line(line, style));
    }
    for ballot in &operation.ballots {
        let reason = match ballot.reason.as_str() {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        let voter = known.short(&ballot.voter);
        let lent = match ballot.lent.0 {
            0 => String::new(),
            _ => format!(" + {} lent", ballot.lent),
        };
        let (choice, power) = (&ballot.choice, ballot.power);
        let line = format!("    {voter}: {choice} (power {power}{lent}){reason}");
        out += &(clean(&line).replace('\n', " ") + "\n");
    }
    for line in [&operation.reason, &awaited(operation, known)] {
        if !line.is_empty() {
            out += &format!("    {}\n", style.paint(Paint::Dim, &clean(line)));
        }
    }
    out
}

/// Whose ballot could still come.
fn awaited(operation: &OperationReport, known: &Acquaintances) -> String {
    let more = operation.awaited_more;
    if operation.awaited.is_empty() {
        return match more {
            0 => String::new(),
            more => format!("{more} participants have not voted"),
        };
    }
    let mut names: Vec<String> = operation.awaited.iter().map(|key| known.short(key)).collect();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    format!("not voted yet: {}", names.join(", "))
}

/// A line of a difference, in its colour.
pub fn diff_line(line: &str, style: Style) -> String {
    let paint = match line.bytes().next() {
        Some(b'-') => Paint::Bad,
        Some(b'+') => Paint::Good,
        _ => Paint::Plain,
    };
    style.paint(paint, &clean(line))
}

fn state_paint(state: &str) -> Paint {
    match state {
        "ratified" | "passed" | "sealed" => Paint::Good,
        "open" => Paint::Plain,
        "defeated" | "faulty" => Paint::Bad,
        _ => Paint::Notice,
    }
}

/// How long an operation stays open, in the page's seal time (G10).
pub fn time_left(seconds: u64) -> String {
    match seconds {
        0..3600 => format!("{} min", seconds.div_ceil(60)),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::{control::report::BallotReport, limits::POWER_UNITS};

    /// An operation of alice's that bob has yet to vote on.
    pub fn operation() -> OperationReport {
        let alice = crate::demo::key("alice").unwrap().public().to_string();
        let power = |n: u128| Power(n * POWER_UNITS);
        OperationReport {
            id: "0123456789abcdef".repeat(4),
            track: 1,
            author: alice.clone(),
            owner: "brickwindows".into(),
            change: "set A".into(),
            diff: vec![
                "- brickwindows 300 A 192.0.2.42".into(),
                "+ brickwindows 300 A 203.0.113.5".into(),
            ],
            approve: power(1),
            reject: power(0),
            abstain: power(4),
            total: power(5),
            needed: Power(1_500_500),
            voters: 1,
            voters_needed: 2,
            state: "open".into(),
            reason: "one more voter is missing".into(),
            height: None,
            expires: Some(0),
            seconds_left: Some(0),
            awaited: vec!["did:key:x".into()],
            awaited_more: 2,
            ballots: vec![BallotReport {
                voter: alice,
                choice: "approve".into(),
                power: power(1),
                lent: power(2),
                reason: "moved\nhouse".into(),
            }],
        }
    }

    #[test]
    fn an_operation_is_a_row_with_what_it_changes_below() {
        let demo = crate::demo::key("alice").unwrap().public();
        let known = Acquaintances::just(demo, "demo:alice");
        let expect = "\
ID        TRACK  STATE  YES  NO  MISSING  EXPIRES  BY          CHANGE
01234567      1  open     1   0     0.50  0 min    demo:alice  set A
    - brickwindows 300 A 192.0.2.42
    + brickwindows 300 A 203.0.113.5
    demo:alice: approve (power 1 + 2 lent): moved house
    one more voter is missing
    not voted yet: did:key:x, 2 more
";
        assert_eq!(render(&[operation()], &known, Style::plain(), true), expect);
    }

    #[test]
    fn time_left_is_told_in_days_hours_or_minutes() {
        let check = |left: u64, expect: &str| assert_eq!(time_left(left), expect);
        check(30 * 86_400, "30 days");
        check(2 * 86_400, "2 days");
        check(2 * 86_400 - 1, "47 h");
        check(3599, "60 min");
        check(1, "1 min");
        check(0, "0 min");
    }
}
