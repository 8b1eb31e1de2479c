//! `djdns page accept`: the newcomer's half of an invitation (G4).

use clap::Args;
use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;

use crate::{
    cli::{
        args::{self, Author},
        context::{Context, ask},
        fault::Outcome,
        output, signing,
    },
    control::request::{Answer, PageSelector, Request},
    governance::operation,
    id::Id,
    key::Signature,
};

/// Agree to take part in a page.
///
/// Prints a code for whoever proposes you: `djdns propose P participant add KEY --acceptance CODE`.
/// It holds for this page and this key, and is no secret. P is the page's name if you hold it, or
/// its whole id.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns page accept ff.ct --as frank")]
pub struct Accept {
    /// The page: its name, the first digits of its id, or its whole id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
    #[command(flatten)]
    author: Author,
}

#[derive(Serialize)]
struct Accepted {
    page_id: String,
    key: String,
    acceptance: String,
}

const PREFIX: &str = "accept:";

impl Accept {
    pub fn run(self, context: &mut Context) -> Outcome {
        let key = signing::signer(context, self.author.key.as_deref())?;
        let author = key.public();
        let page = match Id::from_hex(&self.page) {
            // Whoever is invited need not hold the page.
            Some(id) => id,
            None => {
                let (page, author) = (self.page, author.raw());
                let request = Request::Draft { page, author, owners: Vec::new(), slots: 0 };
                ask!(context, request, Answer::Draft(draft) => draft.page)
            }
        };
        let code = write(&operation::accept(&page, &key));
        if context.json {
            let (page_id, key) = (page.to_string(), author.to_string());
            return output::print_json(&Accepted { page_id, key, acceptance: code });
        }
        output::print(&format!("{code}\n"))?;
        context
            .note(format!("give it, and your key {author}, to a participant of the page {page}"));
        Ok(())
    }
}

/// The code of an acceptance.
pub fn write(signature: &Signature) -> String {
    format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&signature.0))
}

/// Reads an acceptance code; whom and what it is for shows when it is used.
///
/// # Errors
/// A sentence.
pub fn read(code: &str) -> Result<Signature, String> {
    let bytes = code.strip_prefix(PREFIX).and_then(|code| {
        let bytes = BASE64URL_NOPAD.decode(code.as_bytes()).ok()?;
        bytes.try_into().ok()
    });
    bytes.map(Signature).ok_or_else(|| {
        format!("`{code}` is no acceptance code: it is what `djdns page accept` printed, {PREFIX}…")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_back_and_nothing_else_is() {
        let signature = Signature(std::array::from_fn(|n| n as u8));
        let code = write(&signature);
        assert_eq!(read(&code).map(|read| read.0), Ok(signature.0));
        for wrong in ["", "accept:", &code[7..], &code[..code.len() - 2], &format!("{code}AA")] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
