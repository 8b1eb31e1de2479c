//! `djdns explain`: why a name is answered as it is.

use clap::Args;

use super::{
    args,
    context::{Context, ask},
    fault::{Fault, Outcome},
    output::{self, Paint, clean},
    proposals, resolve,
    signing::Acquaintances,
};
use crate::{
    control::{
        report::Explanation,
        request::{Answer, Request},
    },
    page::name::Name,
};

/// Say why a name is answered as it is.
///
/// Sealed, soft or contested; which ballots were cast, what power is missing, why not yet, and how
/// fresh the page is.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns explain brickwindows.ff.ct")]
pub struct Explain {
    /// The domain name; a final dot is understood
    #[arg(value_parser = args::name)]
    name: Name,
}

impl Explain {
    pub fn run(self, context: &mut Context) -> Outcome {
        let request = Request::Explain { name: self.name };
        let explanation = ask!(context, request, Answer::Explained(explanation) => explanation);
        match context.json {
            true => output::print_json(&explanation)?,
            false => Explain::show(context, &explanation)?,
        }
        let name = &explanation.name;
        match explanation.rcode.as_str() {
            "NOERROR" | "" => Ok(()),
            "NXDOMAIN" => Err(Fault::not_found(format!("{name} does not exist (NXDOMAIN)"))),
            rcode => Err(Fault::refused(format!("{name} is not answered ({rcode})"))),
        }
    }

    fn show(context: &mut Context, explanation: &Explanation) -> Outcome {
        let paint = match explanation.status.as_str() {
            "sealed" => Paint::Good,
            "soft" | "contested" => Paint::Notice,
            _ => Paint::Dim,
        };
        let style = context.style;
        let status = style.paint(paint, &explanation.status);
        let mut out = format!("{}: {status}\n", clean(&explanation.name));
        let known = Acquaintances::of(context);
        for sentence in &explanation.why {
            out += &format!("- {}\n", clean(&known.named(sentence)));
        }
        if let Some(page) = &explanation.page {
            out += &resolve::step_text(page, style);
        }
        if !explanation.operations.is_empty() {
            out += &proposals::render(&explanation.operations, &known, style, true);
        }
        context.print_paged(&out)
    }
}
