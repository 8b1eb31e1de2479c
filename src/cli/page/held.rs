//! Pages by their ids, as people type them: whole, or the first digits of one held here.

use crate::{
    cli::{
        context::{Context, ask},
        fault::{Fault, Outcome},
    },
    control::{
        report::{PageSummary, UNKNOWN_NAME},
        request::{Answer, Request},
    },
    id::Id,
};

/// A page that somebody means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meant {
    pub id: Id,
    /// The name that it is bound to (P6); none: it is not held here, or too damaged to say.
    pub name: Option<String>,
}

/// The page whose id begins with these digits, which [`super::super::args::prefix`] read.
///
/// # Errors
/// That there is none, or more than one. A whole id is always meant, held or not.
pub fn meant(context: &mut Context, digits: &str) -> Outcome<Meant> {
    among(&all(context)?, digits)
}

/// All pages held.
///
/// # Errors
/// What the node says.
pub fn all(context: &mut Context) -> Outcome<Vec<PageSummary>> {
    ask!(context, Request::Pages, Answer::Pages(pages) => Ok(pages))
}

fn among(pages: &[PageSummary], digits: &str) -> Outcome<Meant> {
    let found: Vec<_> = pages.iter().filter(|page| page.page_id.starts_with(digits)).collect();
    match found[..] {
        [page] => {
            let id = Id::from_hex(&page.page_id).ok_or_else(Fault::other_answer)?;
            let name = (page.name != UNKNOWN_NAME).then(|| page.name.clone());
            Ok(Meant { id, name })
        }
        [] => match Id::from_hex(digits) {
            Some(id) => Ok(Meant { id, name: None }),
            None => Err(Fault::not_found(format!(
                "no page here has an id that begins with `{digits}`: `djdns page list` shows those \
                 there are, and any other is named by all 64 digits"
            ))),
        },
        _ => {
            let list: Vec<String> =
                found.iter().map(|page| format!("{} ({})", page.page_id, page.name)).collect();
            Err(Fault::refused(format!(
                "`{digits}` may be any of the pages {}: give more digits",
                list.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(name: &str, page_id: String) -> PageSummary {
        PageSummary { page_id, ..PageSummary::example(name) }
    }

    #[test]
    fn a_page_held_is_named_by_digits_that_no_other_begins_with() {
        let whole = |begin: &str| format!("{begin:0<64}");
        let pages = [
            page("a.", whole("abcdef1")),
            page("b.", whole("abcdef2")),
            page("c.", whole("abc0001")),
        ];
        // The name of the page found, or the exit code.
        let check = |digits: &str, expect: Result<Option<&str>, u8>| {
            let found = among(&pages, digits).map_err(|fault| fault.code());
            let name = found.as_ref().map(|meant| meant.name.as_deref()).map_err(|code| *code);
            assert_eq!(name, expect, "{digits}");
        };
        check("abc000", Ok(Some("c.")));
        check("abcdef1", Ok(Some("a.")));
        check(&whole("abcdef2"), Ok(Some("b.")));
        check(&whole("123456"), Ok(None));
        check("abcdef", Err(1));
        check("123456", Err(3));
        check(&whole("123456")[1..], Err(3));
    }
}
