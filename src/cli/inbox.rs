//! `djdns inbox`: everything that awaits one person, on all pages.

use clap::Args;

use super::{
    args::Author,
    context::{Context, ask},
    fault::Outcome,
    output::{self, Paint},
    proposals, requests,
    resolve::short,
    signing::{self, Acquaintances},
};
use crate::{
    control::{
        report::{InboxPage, InboxReport, Superseded},
        request::{Answer, Request},
    },
    time::date,
};

/// Show everything that awaits your ballot, and the petitions to your pages.
///
/// On every page in which you take part: the open operations on which you have not voted, what they
/// change and until when, those of a batch as one; what strangers ask for; and, for some days, which of your own
/// operations another one took the place of. Vote with `djdns vote P
/// ID`, take a petition
/// up with `djdns propose P --from-request ID`. No passphrase is needed: nothing is signed.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns inbox --as alice")]
pub struct Inbox {
    #[command(flatten)]
    author: Author,
}

impl Inbox {
    pub fn run(self, context: &mut Context) -> Outcome {
        let key = signing::identity(context, self.author.key.as_deref())?;
        let request = Request::Inbox { key: key.raw() };
        let inbox = ask!(context, request, Answer::Inbox(inbox) => inbox);
        if context.json {
            return output::print_json(&inbox);
        }
        let known = Acquaintances::of(context);
        if inbox.pages.is_empty() {
            context.note(format!("nothing awaits {}", known.short(&inbox.key)));
            return Ok(());
        }
        let text = render(context, &inbox, &known);
        context.print_paged(&text)
    }
}

fn render(context: &Context, inbox: &InboxReport, known: &Acquaintances) -> String {
    let pages: Vec<String> = inbox.pages.iter().map(|page| of_page(context, page, known)).collect();
    pages.join("\n")
}

fn of_page(context: &Context, page: &InboxPage, known: &Acquaintances) -> String {
    let style = context.style;
    let mut out = style.paint(Paint::Bold, &output::clean(&page.page)) + "\n";
    out += &proposals::render_batches(&page.page, &page.batches, known, style);
    if !page.operations.is_empty() {
        out += &proposals::render(&page.operations, known, style, true);
    }
    if page.more_operations > 0 {
        out += &format!("and {} more operations\n", page.more_operations);
    }
    if !page.petitions.is_empty() {
        out += &requests::render(&page.petitions, known, style, true);
    }
    out.extend(page.superseded.iter().map(|one| superseded(one, known) + "\n"));
    out
}

/// That another operation took the place of one, and what can be done.
pub fn superseded(one: &Superseded, known: &Acquaintances) -> String {
    let Superseded { page, change, by, .. } = one;
    let other = match by.author.is_empty() {
        true => short(&by.id),
        false => format!("{} ({}, by {})", short(&by.id), by.change, known.short(&by.author)),
    };
    let how = match (one.height, one.time) {
        (Some(height), Some(time)) => {
            format!(
                "was superseded: {other} was sealed in its place at height {height}, {}",
                date(time)
            )
        }
        _ => format!(
            "is about to be superseded: {other} has the ballots, and is sealed in its place"
        ),
    };
    output::clean(&format!(
        "your {} ({change}) on {page} {how}; if you still want it, propose it again on top of that",
        short(&one.id)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::report::Rival;

    #[test]
    fn authors_read_what_took_the_place_of_their_operation() {
        let bob = crate::demo::key("bob").unwrap().public();
        let said = |author: &str, sealed: Option<u64>| {
            let by = Rival {
                id: "b".repeat(64),
                author: author.to_owned(),
                change: "set www A 2".to_owned(),
            };
            let one = Superseded {
                page: "club.".to_owned(),
                id: "a".repeat(64),
                change: "set www A 1".to_owned(),
                by,
                height: sealed,
                time: sealed.map(|_| 0),
            };
            superseded(&one, &Acquaintances::just(bob, "bob"))
        };
        let end = "; if you still want it, propose it again on top of that";
        assert_eq!(
            said(&bob.to_string(), Some(7)),
            format!(
                "your aaaaaaaa (set www A 1) on club. was superseded: bbbbbbbb (set www A 2, by bob) was sealed in \
                 its place at height 7, 1970-01-01T00:00:00Z{end}"
            )
        );
        assert_eq!(
            said("", None),
            format!(
                "your aaaaaaaa (set www A 1) on club. is about to be superseded: bbbbbbbb has the ballots, and is \
                 sealed in its place{end}"
            )
        );
    }
}
