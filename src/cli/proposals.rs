//! `djdns proposals`: open operations, who says what about them, and what is missing.

use clap::Args;
use serde::Serialize;

use super::{
    args,
    context::{Context, ask},
    fault::Outcome,
    output::{self, Paint, Style, clean},
    presence::percent,
    resolve::short,
    signing::Acquaintances,
    table::{Table, number, text},
};
use crate::{
    ambient,
    control::{
        report::{Away, BatchReport, OperationReport, Power, ROSTER, Rival},
        request::{Answer, PageSelector, Request},
    },
    time::date,
};

/// Show the open operations of a page.
///
/// For each: who proposes it, what it changes, how much power approves and rejects it and how much
/// is missing, and how long it stays open, in the page's seal time: on a page that nobody seals that
/// stands still. Vote with the digits in the first column. The operations of a batch are shown as
/// one, before the others: its id votes on all of them.
#[derive(Args)]
#[command(after_help = STATES)]
pub struct Proposals {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
    /// Also those that ended
    #[arg(long)]
    all: bool,
    /// Every operation of this batch: its id, or the first six or more digits
    #[arg(long, value_name = "ID", value_parser = args::prefix, conflicts_with = "all")]
    batch: Option<String>,
}

const STATES: &str = "\
EXAMPLE
  djdns proposals ff.ct --all
  djdns proposals ff.ct --batch 24269c

STATES
An operation is open from its proposal until a seal ends it, or 30 days of seal time are over. Until
then it holds one of its author's slots, and is
  open        waiting for ballots, which can still decide it either way
  ratified    a change of names with enough ballots: served, and waiting for a seal
  passed      another change with enough ballots: it takes effect with a seal
  outvoted    with enough ballots, but another change of the same name has more power
  defeated    no longer able to reach its threshold
  waiting     made on top of a change that is not known here
  displaced   beside another one that its author put into the same slot
  faulty      never able to count, for the reason given
Those that ended are
  sealed      applied by a seal, and final
  superseded  replaced: a seal applied another change of the same name
  expired     not decided in time
  dropped     impossible since a seal changed the participants or parameters";

/// `proposals --json`.
#[derive(Serialize)]
struct Listing {
    page: String,
    batches: Vec<BatchReport>,
    /// Those in no batch; with `--batch` those of the batch.
    operations: Vec<OperationReport>,
    /// How many more there are.
    more: usize,
}

impl Proposals {
    pub fn run(self, context: &mut Context) -> Outcome {
        let mut listing = self.part(context, 0)?;
        // People see as much as they can read; programs get all of it.
        while context.json && listing.more > 0 && self.batch.is_none() {
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
        if listing.operations.is_empty() && listing.batches.is_empty() {
            context.note(format!("nothing is open on {}", listing.page));
            return Ok(());
        }
        let known = Acquaintances::of(context);
        let mut text = render_batches(&listing.page, &listing.batches, &known, context.style);
        if !listing.operations.is_empty() {
            text += &render(&listing.operations, &known, context.style, true);
        }
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
        let page = self.page.clone();
        let request = match &self.batch {
            Some(prefix) => Request::Batch { page, prefix: prefix.clone() },
            None => Request::Proposals { page, all: self.all, after },
        };
        ask!(
            context,
            request,
            Answer::Proposals { page, mut batches, operations, more, batch } => {
                batches.extend(batch);
                Ok(Listing { page, batches, operations, more })
            }
        )
    }
}

/// A table of batches; below each the first few of its changes, and how to vote on all.
pub fn render_batches(
    page: &str,
    batches: &[BatchReport],
    known: &Acquaintances,
    style: Style,
) -> String {
    let mut table = Table::new(["BATCH", "YES", "NO", "MISSING", "EXPIRES", "BY", "OPERATIONS"]);
    for batch in batches {
        let missing = Power(batch.needed.0.saturating_sub(batch.approve_least.0));
        let states = batch.states.iter().map(|(word, count)| format!("{count} {word}"));
        table.row([
            text(short(&batch.id)).painted(Paint::Bold),
            number(between(batch.approve_least, batch.approve_most)),
            number(between(batch.reject_least, batch.reject_most)),
            number(missing),
            text(batch.seconds_left.map_or(String::new(), time_left)),
            text(known.short(&batch.author)),
            text(states.collect::<Vec<_>>().join(", ")),
        ]);
    }
    let (head, rows) = table.lines(style);
    let mut out = String::new();
    if let Some(head) = head.filter(|_| !rows.is_empty()) {
        out += &(head + "\n");
    }
    for (row, batch) in rows.into_iter().zip(batches) {
        out += &(row + "\n");
        out += &first_changes(page, batch, style);
    }
    out
}

/// The first few changes of a batch, and where the others are.
fn first_changes(page: &str, batch: &BatchReport, style: Style) -> String {
    let mut out = String::new();
    let id = short(&batch.id);
    for change in &batch.first {
        out += &format!("    {}\n", clean(&change.change));
        for line in &change.diff {
            out += &format!("      {}\n", diff_line(line, style));
        }
    }
    let more = batch.operations - batch.first.len();
    if more > 0 {
        out += &format!("    and {more} more: `djdns proposals {page} --batch {id}`\n");
    }
    if batch.seconds_left.is_some() {
        let vote = format!("a ballot on all of it: `djdns vote {page} {id}`");
        out += &format!("    {}\n", style.paint(Paint::Dim, &vote));
    }
    out
}

/// A tally that is not the same for all.
fn between(least: Power, most: Power) -> String {
    if least == most { least.to_string() } else { format!("{least}–{most}") }
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
        table.row([
            text(short(&operation.id)).painted(Paint::Bold),
            number(operation.track),
            text(&operation.state).painted(state_paint(&operation.state)),
            number(operation.approve),
            number(operation.reject),
            text(missing(operation)),
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
    for rival in &operation.excludes {
        let line = format!("    excludes {}: one of the two is sealed", rivalling(rival, known));
        out += &(style.paint(Paint::Notice, &clean(&line)) + "\n");
    }
    for line in [&standing(operation), &awaited(operation, known)] {
        if !line.is_empty() {
            out += &format!("    {}\n", style.paint(Paint::Dim, &clean(line)));
        }
    }
    out
}

/// Why an operation stands where it stands, and when the next seal is due if it waits for that.
pub fn standing(operation: &OperationReport) -> String {
    let now = ambient::now();
    let unsealed = operation.unsealed.as_ref().filter(|_| operation.seal_due.is_some());
    if let Some(why) = unsealed {
        return format!("{}; {why}", operation.reason);
    }
    match operation.seal_due {
        None => operation.reason.clone(),
        Some(at) if at > now => format!("{}; next seal due {}", operation.reason, date(at)),
        Some(_) => {
            format!("{}; a seal is due, and made where `djdns serve` runs", operation.reason)
        }
    }
}

/// An operation that excludes another one: its id, what it changes, and whose it is.
fn rivalling(rival: &Rival, known: &Acquaintances) -> String {
    format!("{} ({}, by {})", short(&rival.id), rival.change, known.short(&rival.author))
}

/// Says at once that what was proposed excludes what is open already, and how both are had.
pub fn warn_of_rivals(
    context: &Context,
    page: &str,
    operation: &OperationReport,
    known: &Acquaintances,
) {
    // That the same is proposed already is said in words of its own.
    let others =
        operation.excludes.iter().filter(|o| operation.track == 1 || o.change != operation.change);
    let rivals: Vec<String> = others.map(|rival| rivalling(rival, known)).collect();
    if rivals.is_empty() {
        return;
    }
    let both = match operation.track {
        1 => format!(
            "propose this again once that one is served, and it is made on top of it; or make both one \
             change: `djdns propose {page} apply FILE`, a zone file of all"
        ),
        _ => "propose this again once that one is sealed".to_owned(),
    };
    let line = format!(
        "warning: {} an open change already: {}. At most one of them is sealed. To have both, {both}",
        has(&operation.owner, page),
        rivals.join(", "),
    );
    context.note(clean(&line));
}

/// What an operation changes, with its verb.
fn has(owner: &str, page: &str) -> String {
    match owner {
        ROSTER => format!("the set of participants and rules of {page} has"),
        name => format!("`{name}` has"),
    }
}

/// Says what participants should know before a change takes effect, beside the result.
pub fn warn(context: &Context, operation: &OperationReport, known: &Acquaintances) {
    if !operation.warning.is_empty() {
        context.note(format!("warning: {}", clean(&known.named(&operation.warning))));
    }
}

/// Whose ballot could still come.
fn awaited(operation: &OperationReport, known: &Acquaintances) -> String {
    let OperationReport { awaited, awaited_more: more, awaited_away: away, .. } = operation;
    match (awaited.is_empty(), more) {
        (true, 0) => String::new(),
        (true, more) => format!("{more} participants have not voted"),
        _ => format!("not voted yet: {}", silent(awaited, *more, away, known)),
    }
}

/// Those who have not voted, by their names; of who is away, whom that one lends to.
pub fn silent(awaited: &[String], more: usize, away: &[Away], known: &Acquaintances) -> String {
    let name = |key: &String| {
        let lends = away.iter().find(|away| away.participant == *key);
        known.short(key) + &lends.map_or(String::new(), |away| lent(away, known))
    };
    let mut names: Vec<String> = awaited.iter().map(name).collect();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

/// That somebody is away, and who votes instead.
fn lent(away: &Away, known: &Acquaintances) -> String {
    let share = |(key, bp): &(String, u16)| {
        format!("{} % to {}", percent(u32::from(*bp)), known.short(key))
    };
    format!(" (away, lends {})", away.to.iter().map(share).collect::<Vec<_>>().join(" and "))
}

/// What more it takes: power, or only another voter.
fn missing(operation: &OperationReport) -> String {
    let power = Power(operation.needed.0.saturating_sub(operation.approve.0));
    let voters = operation.voters_needed.saturating_sub(operation.voters as usize);
    match (operation.state.as_str(), power.0, voters) {
        ("open", 0, 1) => "1 voter".to_owned(),
        ("open", 0, 2..) => format!("{voters} voters"),
        (_, 0, _) => String::new(),
        _ => format!("{power} power"),
    }
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

/// How long something stays open, to the nearest: a second after 14 days began, 14 are left.
pub fn time_left(seconds: u64) -> String {
    match seconds {
        0..3600 => format!("{} min", seconds.div_ceil(60)),
        3600..172_800 => format!("{} h", (seconds + 1800) / 3600),
        _ => format!("{} days", (seconds + 43_200) / 86_400),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::{control::report::BallotReport, limits::POWER_UNITS};

    #[test]
    fn what_rivals_change_is_said_in_words() {
        assert_eq!(has("www", "club."), "`www` has");
        assert_eq!(has(ROSTER, "club."), "the set of participants and rules of club. has");
    }

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
            excludes: Vec::new(),
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
            awaited_away: vec![Away {
                participant: "did:key:x".into(),
                to: vec![(alice.clone(), 6000)],
            }],
            seal_due: None,
            unsealed: None,
            warning: String::new(),
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
ID        TRACK  STATE  YES  NO  MISSING     EXPIRES  BY          CHANGE
01234567      1  open     1   0  0.50 power  0 min    demo:alice  set A
    - brickwindows 300 A 192.0.2.42
    + brickwindows 300 A 203.0.113.5
    demo:alice: approve (power 1 + 2 lent): moved house
    one more voter is missing
    not voted yet: did:key:x (away, lends 60 % to demo:alice), 2 more
";
        assert_eq!(render(&[operation()], &known, Style::plain(), true), expect);
    }

    fn batch() -> BatchReport {
        let alice = crate::demo::key("alice").unwrap().public().to_string();
        let one = crate::control::report::BatchChange {
            id: "01".repeat(32),
            change: "set a A".into(),
            diff: vec!["+ a 300 A 192.0.2.1".into()],
        };
        BatchReport {
            id: "24269cee".repeat(8),
            author: alice,
            operations: 2000,
            states: vec![("open".into(), 1999), ("ratified".into(), 1)],
            approve_least: Power(POWER_UNITS),
            approve_most: Power(2 * POWER_UNITS),
            reject_least: Power(0),
            reject_most: Power(0),
            needed: Power(1_500_500),
            expires: Some(0),
            seconds_left: Some(30 * 86_400),
            first: vec![one],
        }
    }

    #[test]
    fn a_batch_is_a_row_with_its_first_changes_and_how_to_vote_on_all() {
        let demo = crate::demo::key("alice").unwrap().public();
        let known = Acquaintances::just(demo, "demo:alice");
        let expect = "\
BATCH     YES  NO  MISSING  EXPIRES  BY          OPERATIONS
24269cee  1–2   0     0.50  30 days  demo:alice  1999 open, 1 ratified
    set a A
      + a 300 A 192.0.2.1
    and 1999 more: `djdns proposals ct. --batch 24269cee`
    a ballot on all of it: `djdns vote ct. 24269cee`
";
        assert_eq!(render_batches("ct.", &[batch()], &known, Style::plain()), expect);
        assert_eq!(render_batches("ct.", &[], &known, Style::plain()), "");
        let rejected = BatchReport { reject_most: Power(POWER_UNITS), ..batch() };
        let shown = render_batches("ct.", &[rejected], &known, Style::plain());
        assert!(shown.contains("1–2  0–1"), "{shown}");
    }

    /// MISSING has its unit, and is not zero while another voter is.
    #[test]
    fn what_is_missing_is_power_or_a_voter() {
        let check = |approve: u128, voters: u32, state: &str, expect: &str| {
            let (approve, state) = (Power(approve), state.to_owned());
            assert_eq!(missing(&OperationReport { approve, voters, state, ..operation() }), expect);
        };
        check(0, 0, "open", "1.50 power");
        check(1_500_500, 1, "open", "1 voter");
        check(1_500_500, 0, "open", "2 voters");
        check(1_500_500, 2, "ratified", "");
    }

    #[test]
    fn what_waits_for_a_seal_says_when_that_is_due() {
        let check = |seal_due: Option<u64>, expect: &str| {
            let found = standing(&OperationReport { seal_due, ..operation() });
            assert_eq!(found, format!("one more voter is missing{expect}"));
        };
        check(None, "");
        check(Some(4_107_542_399), "; next seal due 2100-02-28T23:59:59Z");
        check(Some(1), "; a seal is due, and made where `djdns serve` runs");
        let held = OperationReport {
            seal_due: Some(1),
            unsealed: Some("the clock leapt".to_owned()),
            ..operation()
        };
        assert_eq!(standing(&held), "one more voter is missing; the clock leapt");
    }

    #[test]
    fn time_left_is_told_in_days_hours_or_minutes() {
        let check = |left: u64, expect: &str| assert_eq!(time_left(left), expect);
        check(30 * 86_400, "30 days");
        check(2 * 86_400, "2 days");
        check(14 * 86_400 - 1, "14 days");
        check(13 * 86_400 + 43_199, "13 days");
        check(2 * 86_400 - 1, "48 h");
        check(2 * 86_400 - 1801, "47 h");
        check(3599, "60 min");
        check(1, "1 min");
        check(0, "0 min");
    }
}
