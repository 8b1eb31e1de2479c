//! `djdns simulate`: many nodes in one process, in virtual time, with everything that may go wrong.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{
    context::Context,
    fault::{Fault, Outcome},
    output,
    table::{Table, text},
};
use crate::world::{
    self, Crowd,
    scenario::{EMBEDDED, Scenario},
};

/// Run a scenario with many nodes in virtual time, and check that all of them keep their word.
///
/// The nodes are those of `djdns serve`, on disks in memory and a network in memory. A seed decides what
/// goes wrong and when: messages are lost, disks stop in the middle of a write, clocks are wrong, peers
/// lie. After every event it is checked that nothing is served which was not signed, that no node goes
/// back, and that nothing acknowledged is lost; at the end that honest nodes agree. The same seed gives
/// the same run. No file is read or written but a scenario of your own, and nothing is sent.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns simulate in-step --seed 7\n  djdns simulate --list")]
pub struct Simulate {
    /// The name of a scenario, or a file with one (TOML); without it those there are, are listed
    #[arg(value_name = "SCENARIO")]
    scenario: Option<String>,
    /// The seed, or the first of several
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many seeds are run, one after the other
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    seeds: u64,
    /// List the scenarios there are
    #[arg(long, conflicts_with = "scenario")]
    list: bool,
}

/// A scenario in a list.
#[derive(Serialize)]
struct Listed {
    name: String,
    about: String,
}

impl Simulate {
    pub fn run(self, context: &mut Context) -> Outcome {
        match &self.scenario {
            Some(name) if !self.list => self.simulate(context, name),
            _ => list(context),
        }
    }

    fn simulate(&self, context: &mut Context, name: &str) -> Outcome {
        let scenario = read(name)?;
        let (mut crowd, mut outcomes, mut failed) = (Crowd::default(), Vec::new(), None);
        for seed in (self.seed..).take(usize::try_from(self.seeds).unwrap_or(usize::MAX)) {
            let outcome = world::run(name, &scenario, seed, &mut crowd);
            if !context.json {
                output::print(&line(&outcome))?;
            }
            if let Some(failure) = &outcome.failure {
                failed.get_or_insert(format!("{failure}; run it again: {}", outcome.again));
            }
            outcomes.push(outcome);
        }
        if context.json {
            output::print_json(&outcomes)?;
        }
        failed.map_or(Ok(()), |failure| Err(Fault::refused(failure)))
    }
}

fn read(name: &str) -> Outcome<Scenario> {
    if !name.ends_with(".toml") {
        return Scenario::embedded(name).map_err(Fault::refused);
    }
    let text = std::fs::read_to_string(PathBuf::from(name))
        .map_err(|error| Fault::refused(format!("{name}: {error}")))?;
    Scenario::read(name, &text).map_err(Fault::refused)
}

fn list(context: &mut Context) -> Outcome {
    let mut listed = Vec::new();
    for (name, _) in EMBEDDED {
        let about = Scenario::embedded(name).map_err(Fault::refused)?.about;
        listed.push(Listed { name: name.to_owned(), about });
    }
    if context.json {
        return output::print_json(&listed);
    }
    let mut table = Table::new(["scenario", "what it shows"]);
    for Listed { name, about } in listed {
        table.row([text(name), text(about)]);
    }
    context.print_paged(&table.render(context.style))
}

fn line(outcome: &world::Outcome) -> String {
    let world::Outcome { scenario, seed, seconds, events, messages, seals, .. } = outcome;
    let world::Outcome { changes, questions, answered, lied, .. } = outcome;
    let word = if outcome.ok { "ok" } else { "failed" };
    format!(
        "{scenario}, seed {seed}: {word}; {seconds} s, {events} events, {messages} messages, {seals} \
         seals, {changes} changes, {answered} of {questions} questions answered, {lied} liars found\n"
    )
}
