//! `djdns page choose`: a person decides which of two histories of a page is the page's (T4).

use clap::Args;

use crate::{
    cli::{
        args,
        context::{Context, ask},
        fault::Outcome,
        output,
    },
    control::{
        report::Chosen,
        request::{Answer, PageSelector, Request},
    },
};

/// Decide which of two seals of a forked page is the page's.
///
/// When a page's sealers committed to two seals of one height, the page stops here until you have asked its
/// participants and said which of the two is theirs; `djdns page history P` shows both. That is remembered on
/// this machine, and has to be said on every node that says the page is forked. If it is the seal held here,
/// the page goes on. If it is the other one, the seals held here go from that height on, what was said since is
/// kept as far as it counts below them, and the page goes on with the seal that was chosen as soon as a node or a
/// bundle brings it. Of what goes the lowest seal stays as evidence, and can be chosen later in the same way; what
/// followed it comes back only from a node or a bundle that has it, so keep a copy first, with `djdns page export P
/// --format bundle -o FILE`. What was proposed on seals that go is to be proposed anew. A node that sealed on the
/// side that was not chosen seals no height again: where the page needs it, its participants name another node
/// (`djdns host`). Mirrors (AXFR) that took more seals of the other side than the page has now keep those until it
/// has more: have them transfer it anew (`knotc zone-retransfer`, `nsd-control force_transfer`, `rndc retransfer`).
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns page choose ff.ct 3fa2c1")]
pub struct Choose {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
    /// The seal: the first digits of its id, at least six
    #[arg(value_name = "SEAL", value_parser = args::prefix)]
    seal: String,
}

impl Choose {
    pub fn run(self, context: &mut Context) -> Outcome {
        let request = Request::Choose { page: self.page, seal: self.seal };
        let chosen = ask!(context, request, Answer::Chosen(chosen) => chosen);
        if context.json {
            output::print_json(&chosen)?;
        } else {
            output::print(&(sentence(&chosen) + "\n"))?;
        }
        if let Some(hint) = hint(&chosen) {
            context.note(hint);
        }
        Ok(())
    }
}

/// What has become of the page.
fn sentence(Chosen { page, at, gone }: &Chosen) -> String {
    let (name, height, seal) = (&page.name, at.height, at.seal.get(..12).unwrap_or(&at.seal));
    match gone {
        0 => format!("{name} goes on with the seal {seal} at height {height}, which is held here"),
        _ if page.height < height => format!(
            "{name} is put back to height {} and waits for the seal {seal} at height {height}",
            page.height
        ),
        _ => format!("{name} was put back, and goes on with the seal {seal} at height {height}"),
    }
}

/// What is still to be done.
fn hint(Chosen { page, at, .. }: &Chosen) -> Option<String> {
    if let Some(other) = page.forked {
        return Some(format!("{} is still forked, at height {other}", page.name));
    }
    (page.height < at.height).then(|| {
        "it comes from a node that has it as soon as one is met, or with `djdns page carry FILE`".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{history::Decided, report::PageSummary};

    #[test]
    fn what_has_become_of_the_page_is_said() {
        let check =
            |height: u64, gone: u64, forked: Option<u64>, said: &str, hinted: Option<&str>| {
                let page = PageSummary { height, forked, ..PageSummary::example("ff.ct.") };
                let at = Decided { height: 5, seal: "ab".repeat(32) };
                let chosen = Chosen { page, at, gone };
                assert!(sentence(&chosen).contains(said), "{}", sentence(&chosen));
                let hint = hint(&chosen);
                assert_eq!(hint.is_some(), hinted.is_some(), "{hint:?}");
                assert!(hint.is_none_or(|hint| hint.contains(hinted.unwrap_or_default())));
            };
        check(7, 0, None, "goes on with the seal abababababab at height 5, which is held", None);
        check(7, 0, Some(6), "is held here", Some("still forked, at height 6"));
        check(4, 3, None, "is put back to height 4 and waits", Some("djdns page carry"));
        check(5, 3, None, "was put back, and goes on", None);
    }
}
