//! `djdns vote`: a ballot on operations, and what it changed.

use std::io::Read;

use clap::{ArgGroup, Args};
use serde::Serialize;

use super::{
    args::{self, Author},
    context::Context,
    fault::{Fault, Outcome},
    output, proposals,
    signing::{self, Acquaintances},
};
use crate::{
    control::{
        report::{BatchReport, OperationReport},
        request::PageSelector,
    },
    governance::ballot::Choice,
    id::Id,
};

/// Vote on operations of a page.
///
/// A ballot approves unless it says otherwise; a later one replaces an earlier one. A batch's id
/// stands for all operations in it: `djdns proposals P` shows it. Prints the tally after the ballot, of
/// a batch the range from the operation with the least power to the one with the most.
#[derive(Args)]
#[command(
    group = ArgGroup::new("choice").multiple(false),
    after_help = "EXAMPLE\n  djdns vote ff.ct 1f2e3d4c 5b6a7988 --as bob\n  \
                  djdns vote ff.ct 1f2e3d4c --reject --reason 'that address is not theirs'"
)]
pub struct Vote {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
    /// Operations or batches: their ids, or the first six or more digits; `-` reads them from
    /// standard input
    #[arg(value_name = "OP", required = true)]
    operations: Vec<String>,
    /// Approve (unless another choice is given)
    #[arg(long, group = "choice")]
    approve: bool,
    /// Reject
    #[arg(long, group = "choice")]
    reject: bool,
    /// Take an earlier ballot back
    #[arg(long, group = "choice")]
    withdraw: bool,
    /// Words for the other participants
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    author: Author,
}

impl Vote {
    pub fn run(self, context: &mut Context) -> Outcome {
        let choice = match (self.reject, self.withdraw) {
            (true, _) => Choice::Reject,
            (_, true) => Choice::Withdraw,
            _ => Choice::Approve,
        };
        let prefixes = prefixes(self.operations)?;
        let key = signing::signer(context, self.author.key.as_deref())?;
        let mut targets = Vec::new();
        for prefix in &prefixes {
            targets.push(find(context, &self.page, prefix)?);
        }
        signing::submit_made(context, &mut |context| {
            let draft = signing::draft(context, &self.page, &key.public(), Vec::new(), 0)?;
            signing::ballots(&draft, &key, targets.clone(), choice, &self.reason)
        })?;
        let mut after = After::default();
        for prefix in &prefixes {
            let named = signing::named(context, &self.page, prefix)?;
            match named.batch {
                Some(batch) => after.batches.push(batch),
                None => after.operations.extend(named.operations),
            }
        }
        after.show(context, &self.page)
    }
}

/// What a ballot named, as it stands after it.
#[derive(Default)]
pub struct After {
    pub operations: Vec<OperationReport>,
    pub batches: Vec<BatchReport>,
}

/// `vote --json`, unless one operation was named.
#[derive(Serialize)]
struct Several {
    operations: Vec<OperationReport>,
    batches: Vec<BatchReport>,
}

impl After {
    /// Prints it; one operation as one object.
    fn show(self, context: &mut Context, page: &str) -> Outcome {
        let After { mut operations, batches } = self;
        let mut seen = std::collections::HashSet::new();
        operations.retain(|operation| seen.insert(operation.id.clone()));
        if context.json {
            return match (&operations[..], &batches[..]) {
                ([one], []) => output::print_json(one),
                ([], [one]) => output::print_json(one),
                _ => output::print_json(&Several { operations, batches }),
            };
        }
        let known = Acquaintances::of(context);
        let mut text = proposals::render_batches(page, &batches, &known, context.style);
        if !operations.is_empty() {
            text += &proposals::render(&operations, &known, context.style, true);
        }
        context.print_paged(&text)
    }
}

/// The beginnings of ids that were typed, or came on standard input.
fn prefixes(typed: Vec<String>) -> Outcome<Vec<String>> {
    let mut words = Vec::new();
    for word in typed {
        match word.as_str() {
            "-" => {
                let mut text = String::new();
                let read = std::io::stdin().lock().read_to_string(&mut text);
                read.map_err(|error| {
                    Fault::refused(format!("standard input cannot be read: {error}"))
                })?;
                words.extend(text.split_whitespace().map(str::to_owned));
            }
            _ => words.push(word),
        }
    }
    if words.is_empty() {
        return Err(Fault::usage("standard input holds no operation ids"));
    }
    let mut prefixes = words
        .iter()
        .map(|word| args::prefix(word).map_err(Fault::usage))
        .collect::<Outcome<Vec<_>>>()?;
    prefixes.sort_unstable();
    prefixes.dedup();
    Ok(prefixes)
}

/// What a ballot names for these digits: an operation, or a batch, whose own id in one row does
/// what a row for each operation does.
fn find(context: &mut Context, page: &str, prefix: &str) -> Outcome<Id> {
    let named = signing::named(context, page, prefix)?;
    let batch = named.batch.as_ref().map(|batch| &batch.id);
    let id = batch.or(named.operations.first().map(|operation| &operation.id));
    id.and_then(|id| Id::from_hex(id))
        .ok_or_else(|| Fault::not_found(format!("`{prefix}` names no operation")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_digits_are_a_usage_fault_and_repeated_ones_count_once() {
        let check = |typed: &[&str], expect: Option<&[&str]>| {
            let found = prefixes(typed.iter().map(|word| (*word).to_owned()).collect());
            match expect {
                Some(expect) => assert_eq!(found.unwrap(), expect),
                None => assert_eq!(found.unwrap_err().code(), 2),
            }
        };
        check(&["abcdef", "012345", "ABCDEF"], Some(&["012345", "abcdef"]));
        check(&["abcdef", "abc"], None);
        check(&["operation"], None);
    }
}
