//! `djdns page carry` and `djdns page forget`: bundles brought by hand (N8), and letting go of a
//! page.

use std::path::PathBuf;

use clap::Args;

use super::import;
use crate::{
    cli::{
        args,
        context::{Context, ask},
        fault::{Fault, Outcome},
        output, zone,
    },
    control::{
        report::{Carried, Forgotten},
        request::{Answer, PageSelector, Request},
    },
    page::bundle,
};

/// Take in a bundle that was brought by hand.
///
/// It is checked as anything from outside is. Of a page that is held only what is new is taken in; an
/// older bundle changes nothing. A bundle that contradicts a seal held here is kept as evidence, and
/// not followed: the page then stays as it was until you decide.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns page carry ct.bundle")]
pub struct Carry {
    /// The file; `-` is standard input
    file: PathBuf,
}

/// Drop a page: everything that is held of it.
///
/// It does not come back by itself. To decide between two histories of one page, forget it and import
/// the one you choose; that is not remembered, and a bundle of the other, carried later, forks the
/// page again. A node that sealed for somebody on one of them signs twice when it seals on the
/// other: have its participants name another node first.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns page forget old.ct")]
pub struct Forget {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
}

impl Carry {
    pub fn run(self, context: &mut Context) -> Outcome {
        let bytes = zone::read(&self.file)?;
        if !bundle::is_bundle(&bytes) {
            return Err(Fault::refused(format!(
                "{} is no bundle: `djdns page export P --format bundle` writes one",
                self.file.display()
            )));
        }
        let carried = import::carry(context, &bytes, |_| Ok(()))?;
        report(context, &carried)
    }
}

/// Says what a bundle came to.
///
/// # Errors
/// That it contradicts what is held.
pub fn report(context: &mut Context, carried: &Carried) -> Outcome {
    if context.json {
        output::print_json(carried)?;
    } else if let Some(sentence) = sentence(carried) {
        output::print(&(sentence + "\n"))?;
    }
    if carried.outcome == "fork" {
        return Err(Fault::refused(contradiction(carried)));
    }
    if let Some(hint) = import::hint(&carried.page).filter(|_| carried.outcome == "new") {
        context.note(hint);
    }
    Ok(())
}

fn sentence(carried: &Carried) -> Option<String> {
    let Carried { page, statements, seals, brought, .. } = carried;
    let name = &page.name;
    Some(match carried.outcome.as_str() {
        "new" => page.page_id.clone(),
        "newer" => {
            let both = [(*seals, "seal"), (*statements, "statement")];
            let new = both.iter().filter(|(n, _)| *n > 0).map(|(n, one)| counted(*n, one));
            let is = if seals + statements == 1 { "is" } else { "are" };
            let new = new.collect::<Vec<_>>().join(" and ");
            format!("{new} of {name} {is} new; it is at height {}", page.height)
        }
        "nothing" if *brought < page.height => format!(
            "nothing is new: the bundle ends at height {brought}, and {name} is at height {} here",
            page.height
        ),
        "nothing" => format!("nothing is new: all that counts of this bundle of {name} is here"),
        _ => return None,
    })
}

fn contradiction(carried: &Carried) -> String {
    let page = &carried.page;
    let height = page.forked.map_or(String::new(), |height| format!(" at height {height}"));
    format!(
        "the bundle contradicts {}{height}: its sealers committed to two seals. Nothing of it is \
         followed, and the other seal is kept as evidence: `djdns status` says what you can do",
        page.name
    )
}

fn counted(n: usize, one: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    }
}

impl Forget {
    pub fn run(self, context: &mut Context) -> Outcome {
        let request = Request::Forget { page: self.page };
        let forgotten = ask!(context, request, Answer::Forgotten(forgotten) => forgotten);
        if context.json {
            output::print_json(&forgotten)?;
        } else {
            let Forgotten { name, page_id, .. } = &forgotten;
            let name = name.as_deref().unwrap_or("a damaged page");
            output::print(&format!("{name} ({page_id}) is forgotten\n"))?;
        }
        if let Some(warning) = warning(&forgotten) {
            context.note(warning);
        }
        Ok(())
    }
}

/// What stops resolving.
fn warning(forgotten: &Forgotten) -> Option<String> {
    let back = match forgotten.demonstration {
        false => "the page is brought again",
        true => {
            "another page takes its place: one of the demonstration is taken from no bundle (P6), \
                 and comes back only in a new data directory (`--data-dir`)"
        }
    };
    if let Some(trusted) = &forgotten.trusted {
        return Some(format!(
            "warning: it is still trusted for {trusted}, so nothing below that resolves until {back}, \
             or `djdns page join {trusted} PAGE-ID` names another"
        ));
    }
    let name = forgotten.name.as_ref().filter(|_| forgotten.linked)?;
    Some(format!(
        "warning: {name} is still linked above, so nothing below it resolves until {back}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::report::PageSummary;

    fn carried(outcome: &str, statements: usize, seals: usize, brought: u64) -> Carried {
        let page = PageSummary {
            name: "ct.".to_owned(),
            page_id: "5f0c".to_owned(),
            height: 2,
            entries: 0,
            participants: 1,
            open_operations: 0,
            soft_entries: 0,
            linked: true,
            forked: (outcome == "fork").then_some(1),
            demonstration: false,
        };
        Carried { page, outcome: outcome.to_owned(), statements, seals, brought }
    }

    #[test]
    fn what_a_bundle_comes_to_is_one_sentence() {
        let check = |carried: Carried, expect: Option<&str>| {
            assert_eq!(sentence(&carried).as_deref(), expect, "{carried:?}");
        };
        check(carried("new", 5, 2, 2), Some("5f0c"));
        let newer = "1 seal and 5 statements of ct. are new; it is at height 2";
        check(carried("newer", 5, 1, 2), Some(newer));
        let one = "1 statement of ct. is new; it is at height 2";
        check(carried("newer", 1, 0, 2), Some(one));
        let older = "nothing is new: the bundle ends at height 1, and ct. is at height 2 here";
        check(carried("nothing", 0, 0, 1), Some(older));
        let same = "nothing is new: all that counts of this bundle of ct. is here";
        check(carried("nothing", 0, 0, 2), Some(same));
        check(carried("fork", 0, 0, 2), None);
        assert!(contradiction(&carried("fork", 0, 0, 2)).contains("contradicts ct. at height 1"));
    }

    #[test]
    fn whoever_forgets_a_page_that_names_lead_to_is_warned() {
        let check_of = |demonstration, trusted: Option<&str>, linked, expect: Option<&str>| {
            let forgotten = Forgotten {
                page_id: "5f0c".to_owned(),
                name: Some("ct.".to_owned()),
                trusted: trusted.map(str::to_owned),
                linked,
                demonstration,
            };
            let warning = warning(&forgotten);
            assert_eq!(warning.is_some(), expect.is_some());
            assert!(expect.is_none_or(|expect| warning.unwrap_or_default().contains(expect)));
        };
        let check = |trusted, linked, expect| check_of(false, trusted, linked, expect);
        check(None, false, None);
        check_of(true, None, true, Some("until another page takes its place"));
        check(None, true, Some("ct. is still linked above"));
        check(Some("ct."), true, Some("still trusted for ct."));
    }
}
