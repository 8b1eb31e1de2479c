//! `djdns page carry` and `djdns page forget`: bundles brought by hand (N8), and letting go of a
//! page.

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
};

use clap::Args;

use super::import;
use crate::{
    cli::{
        args, audit,
        context::{Context, ask},
        fault::{Fault, Outcome},
        output, zone,
    },
    control::{
        report::{Carried, Forgotten, PageSummary},
        request::{Answer, PageSelector, Request},
    },
    page::bundle,
};

/// Take in a bundle that was brought by hand.
///
/// It is checked as anything from outside is. Of a page that is held only what is new is taken in; an
/// older bundle changes nothing. A bundle that contradicts a seal held here is kept as evidence, and
/// not followed: the page then stays as it was until you decide, with `djdns page choose`.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns page carry ct.bundle")]
pub struct Carry {
    /// The file; `-` is standard input
    file: PathBuf,
}

/// Drop a page: everything that is held of it.
///
/// One that is trusted is fetched again at once, from a node that is connected and has it, or as soon as one
/// is: --untrust takes the trust back as well, also where nothing is here yet. Others come back when a name
/// below them is asked for. What was decided between two histories of it (`djdns page choose`) goes with it.
/// What was founded, said or sealed on this machine may be nowhere else, and so may what is left of a damaged
/// page: that is asked on a terminal, and elsewhere wants --yes.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns page forget music.ct")]
pub struct Forget {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
    /// Trust it no more, either: what `djdns page join` said is taken back
    #[arg(long)]
    untrust: bool,
    /// Do not ask, though the only copy may be lost
    #[arg(long)]
    yes: bool,
}

impl Carry {
    pub fn run(self, context: &mut Context) -> Outcome {
        context.may_found();
        let Some(bytes) = zone::read_if(&self.file, bundle::is_bundle)? else {
            return Err(Fault::refused(format!(
                "{} is no bundle: `djdns page export P --format bundle` writes one",
                self.file.display()
            )));
        };
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
        if !self.yes {
            ask_whether_to_lose(context, &self.page)?;
        }
        let request = Request::Forget { page: self.page, untrust: self.untrust };
        let forgotten = ask!(context, request, Answer::Forgotten(forgotten) => forgotten);
        if context.json {
            output::print_json(&forgotten)?;
        } else {
            output::print(&gone(&forgotten))?;
        }
        if let Some(warning) = warning(&forgotten) {
            context.note(warning);
        }
        Ok(())
    }
}

/// Asks before anything goes that may be nowhere else.
fn ask_whether_to_lose(context: &mut Context, page: &str) -> Outcome {
    let Some((lost, copy)) = lost(context, page)? else { return Ok(()) };
    if !io::stdin().is_terminal() {
        return Err(Fault::refused(format!("{lost}: {copy}, or say --yes")));
    }
    context.let_go();
    output::note(&format!("{lost}: {copy}. Forget it all the same? [y/N]"));
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.map_err(|error| Fault::refused(format!("the answer cannot be read: {error}")))?;
    match answer.trim() {
        "y" | "yes" => Ok(()),
        _ => Err(Fault::refused("nothing was forgotten")),
    }
}

/// What of a page was made on this machine, and how a copy is made, in words; of a page that is not here,
/// nothing.
fn lost(context: &mut Context, page: &str) -> Outcome<Option<(String, String)>> {
    let report = match context.ask(Request::Page { page: page.to_owned() }) {
        Ok(Answer::Page(report)) => report.summary,
        Ok(_) => return Err(Fault::other_answer()),
        Err(Fault::Failure(_)) => {
            let pages = ask!(context, Request::Pages, Answer::Pages(pages) => pages);
            return Ok(pages.iter().find_map(|one| lost_of_damaged(one, page)));
        }
        Err(fault) => return Err(fault),
    };
    let rows = audit::rows(context, page)?;
    let lost = lost_of(&report, rows.iter().map(|row| row.cause.as_str()));
    let copy = format!("keep a copy with `djdns page export {page} --format bundle -o FILE`");
    Ok(lost.map(|lost| (lost, copy)))
}

/// Of a damaged page nobody can say what was made where.
fn lost_of_damaged(page: &PageSummary, meant: &str) -> Option<(String, String)> {
    let is_id = meant.len() >= 6 && page.page_id.starts_with(meant);
    let is_meant = is_id || page.name.trim_end_matches('.') == meant.trim_end_matches('.');
    page.damaged.as_ref().filter(|_| is_meant && !page.demonstration)?;
    let PageSummary { name, page_id, .. } = page;
    let lost = format!("what is left of the log of {name}, which is damaged, may be nowhere else");
    Some((lost, format!("copy pages/{page_id} in the data directory")))
}

fn lost_of<'a>(page: &PageSummary, causes: impl Iterator<Item = &'a str>) -> Option<String> {
    // The demonstration is founded with the program.
    let own: &[&str] = match page.demonstration {
        true => &["submitted", "sealed"],
        false => &["founded", "submitted", "sealed"],
    };
    let own = causes.filter(|cause| own.contains(cause)).count();
    let open = match page.open_operations {
        0 => String::new(),
        n => format!(", with {} open", counted(n, "operation")),
    };
    let name = &page.name;
    (own > 0).then(|| {
        let rows = counted(own, "row");
        format!(
            "{rows} of the history of {name} began on this machine and may be nowhere else{open}"
        )
    })
}

/// What is gone, in a line.
fn gone(forgotten: &Forgotten) -> String {
    let Forgotten { name, page_id, .. } = forgotten;
    match (name, forgotten.unfinished) {
        (Some(name), false) => format!("{name} ({page_id}) is forgotten\n"),
        (None, false) => format!("a damaged page ({page_id}) is forgotten\n"),
        (Some(name), true) => {
            format!("what was fetched of {name} ({page_id}) is forgotten; it was not complete\n")
        }
        (None, true) => {
            format!("what was fetched of the page {page_id} is forgotten; it was not complete\n")
        }
    }
}

/// What stops resolving.
fn warning(forgotten: &Forgotten) -> Option<String> {
    if let Some(trusted) = forgotten.trusted.as_ref().filter(|_| !forgotten.demonstration) {
        return Some(format!(
            "warning: it is still trusted for {trusted}, so it is fetched again from a node that has it, and \
             until it is here nothing below {trusted} resolves: `djdns page forget {trusted} --untrust` ends \
             that, and `djdns page join {trusted} PAGE-ID` names another"
        ));
    }
    let back = match forgotten.demonstration {
        false => {
            "it is here again: it is fetched when a name below it is asked for, from a node that has it"
        }
        true => {
            "another page takes its place: one of the demonstration is taken from no bundle, \
                 and comes back only in a new data directory (`--data-dir`)"
        }
    };
    if let Some(trusted) = &forgotten.trusted {
        return Some(format!(
            "warning: it is still trusted for {trusted}, so nothing below that resolves until {back}, \
             or `djdns page join {trusted} PAGE-ID` names another; `djdns page forget {trusted} --untrust` \
             takes that back"
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

    fn carried(outcome: &str, statements: usize, seals: usize, brought: u64) -> Carried {
        let forked = (outcome == "fork").then_some(1);
        let page = PageSummary { height: 2, forked, ..PageSummary::example("ct.") };
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
    fn what_may_be_nowhere_else_is_counted_before_it_goes() {
        let check = |demonstration: bool, causes: &[&str], expect: Option<&str>| {
            let page = PageSummary { demonstration, ..carried("new", 0, 0, 0).page };
            let lost = lost_of(&page, causes.iter().copied());
            assert_eq!(lost.is_some(), expect.is_some(), "{lost:?}");
            assert!(expect.is_none_or(|words| lost.unwrap_or_default().starts_with(words)));
        };
        check(false, &["imported", "imported", "carried"], None);
        check(false, &["founded"], Some("1 row of the history of ct. "));
        check(true, &["founded"], None);
        check(true, &["founded", "submitted", "submitted"], Some("2 rows of"));
        check(false, &["imported", "sealed"], Some("1 row"));
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
                unfinished: false,
            };
            let warning = warning(&forgotten);
            assert_eq!(warning.is_some(), expect.is_some());
            assert!(expect.is_none_or(|expect| warning.unwrap_or_default().contains(expect)));
        };
        let check = |trusted, linked, expect| check_of(false, trusted, linked, expect);
        check(None, false, None);
        check_of(true, None, true, Some("until another page takes its place"));
        check(
            None,
            true,
            Some("until it is here again: it is fetched when a name below it is asked for"),
        );
        check(Some("ct."), true, Some("still trusted for ct., so it is fetched again"));
        check_of(true, Some("ct."), true, Some("until another page takes its place"));
    }

    #[test]
    fn a_page_that_was_being_fetched_is_no_damaged_one() {
        let check = |name: Option<&str>, unfinished, expect: &str| {
            let forgotten = Forgotten {
                page_id: "5f0c".to_owned(),
                name: name.map(str::to_owned),
                trusted: name.map(str::to_owned),
                linked: false,
                demonstration: false,
                unfinished,
            };
            assert!(gone(&forgotten).starts_with(expect), "{forgotten:?}");
            let is_fetched = warning(&forgotten).is_some_and(|said| said.contains("fetched again"));
            assert_eq!(is_fetched, name.is_some());
        };
        check(Some("ct."), false, "ct. (5f0c) is forgotten");
        check(None, false, "a damaged page (5f0c) is forgotten");
        check(Some("ct."), true, "what was fetched of ct. (5f0c) is forgotten");
        check(None, true, "what was fetched of the page 5f0c is forgotten");
    }
}
