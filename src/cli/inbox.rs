//! `djdns inbox`: everything that awaits one person, on all pages.

use clap::Args;

use super::{
    args::Author,
    context::{Context, ask},
    fault::Outcome,
    output::{self, Paint},
    proposals, requests,
    signing::{self, Acquaintances},
};
use crate::control::{
    report::{InboxPage, InboxReport},
    request::{Answer, Request},
};

/// Show everything that awaits your ballot, and the petitions to your pages.
///
/// On every page in which you take part: the open operations on which you have not voted, what they
/// change and until when, those of a batch as one; and what strangers ask for. Vote with `djdns vote P
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
    out
}
