//! `djdns vote`: a ballot on operations, and what it changed.

use std::io::Read;

use clap::{ArgGroup, Args};

use super::{
    args::{self, Author},
    context::{Context, ask},
    fault::{Fault, Outcome},
    output, proposals,
    signing::{self, Acquaintances},
};
use crate::{
    control::{
        report::OperationReport,
        request::{Answer, PageSelector, Request},
    },
    governance::ballot::Choice,
    id::Id,
};

/// Vote on operations of a page.
///
/// A ballot approves unless it says otherwise; a later one replaces an earlier one. A batch's id
/// stands for all operations in it. Prints the tally after the ballot.
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
            targets.extend(find(context, &self.page, prefix)?);
        }
        let draft = signing::draft(context, &self.page, &key.public(), Vec::new(), 0)?;
        let ballots = signing::ballots(&draft, &key, targets, choice, &self.reason)?;
        signing::submit(context, &ballots)?;
        let mut after: Vec<OperationReport> = Vec::new();
        for prefix in &prefixes {
            after.extend(signing::proposals(context, &self.page, prefix)?);
        }
        show(context, after)
    }
}

/// Prints operations as they stand after a ballot; one of them as one object.
pub fn show(context: &mut Context, mut after: Vec<OperationReport>) -> Outcome {
    let mut seen = std::collections::HashSet::new();
    after.retain(|operation| seen.insert(operation.id.clone()));
    if context.json {
        return match &after[..] {
            [one] => output::print_json(one),
            several => output::print_json(&several),
        };
    }
    let known = Acquaintances::of(context);
    let text = proposals::render(&after, &known, context.style, true);
    context.print_paged(&text)
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

/// What a ballot names for these digits: an operation, or a batch.
fn find(context: &mut Context, page: &str, prefix: &str) -> Outcome<Vec<Id>> {
    let found = signing::proposals(context, page, prefix)?;
    let ids: Vec<Id> = found.iter().filter_map(|operation| Id::from_hex(&operation.id)).collect();
    if let [id] = ids[..]
        && id.has_hex_prefix(prefix)
    {
        return Ok(vec![id]);
    }
    // These digits name a batch. Its own id in one row does what a row for each operation does.
    if let Some(batch) = Id::from_hex(prefix) {
        return Ok(vec![batch]);
    }
    let request = Request::History { page: page.to_owned() };
    let events = ask!(context, request, Answer::History(events) => events);
    let batches =
        events.iter().filter(|event| event.kind == "batch" && event.id.starts_with(prefix));
    match batches.filter_map(|event| Id::from_hex(&event.id)).collect::<Vec<_>>()[..] {
        [batch] => Ok(vec![batch]),
        _ if ids.is_empty() => Err(Fault::not_found(format!("`{prefix}` names no operation"))),
        _ => Ok(ids),
    }
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
