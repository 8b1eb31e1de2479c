//! `djdns page import`: a zone file as operations, or a bundle as a page.

use std::path::PathBuf;

use clap::Args;

use super::{carry, stage};
use crate::{
    cli::{
        args,
        context::Context,
        fault::{Fault, Outcome},
        propose::{Casting, apply},
        zone,
    },
    control::{
        report::{Carried, PageSummary},
        request::PageSelector,
    },
    daemon::whole,
    id::{Id, Kind},
    page::{bundle, entry::Rdata, genesis::Genesis, name::Name},
};

/// Take in a file: a zone file as proposals, or a bundle as a page.
///
/// A zone file (RFC 1035) is compared with what the page holds now; each difference becomes an
/// operation with your approval, and all of them a batch. Links to subpages that the zone lacks are
/// kept. A bundle that `page export` wrote is checked as anything from outside is, and held; of a page
/// that is held already, what is new is taken in, as by `page carry`.
#[derive(Args)]
#[command(
    after_help = "EXAMPLE\n  djdns page import ff.ct ff.ct.zone --as alice\n  djdns page import ct ct.bundle"
)]
pub struct Import {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
    /// The file; `-` is standard input
    file: PathBuf,
    #[command(flatten)]
    casting: Casting,
}

impl Import {
    pub fn run(self, context: &mut Context) -> Outcome {
        let bytes = zone::read(&self.file)?;
        if bundle::is_bundle(&bytes) {
            context.may_found();
            let named = |genesis: &[u8]| check_named(&self.page, genesis);
            let carried = carry(context, &bytes, named)?;
            return carry::report(context, &carried);
        }
        apply::run(context, &self.page, &self.file, bytes, false, &self.casting)
    }
}

/// Hands a bundle to the node, unless its genesis is not what was meant.
///
/// # Errors
/// What is wrong with the bundle.
pub fn carry(
    context: &mut Context,
    bytes: &[u8],
    check: impl FnOnce(&[u8]) -> Outcome,
) -> Outcome<Carried> {
    let parts = Parts::of(bundle::read(bytes).map_err(Fault::refused)?)?;
    check(parts.genesis)?;
    let own = |bytes: &[u8]| Rdata(bytes.into());
    let said = parts.said.into_iter().map(|(kind, bytes)| (kind, own(bytes)));
    stage::carry(context, own(parts.genesis), parts.entries, said)
}

/// How a page becomes used whose name does not lead to it.
pub fn hint(page: &PageSummary) -> Option<String> {
    let PageSummary { name, page_id, linked: false, .. } = page else { return None };
    let typed = |name: &str| if name == "." { "." } else { name.trim_end_matches('.') }.to_owned();
    let join = format!("djdns page join {} {page_id}", typed(name));
    let above = Name::parse(name).ok().and_then(|name| {
        let above = name.parent()?;
        let label = name.relative_to(&above).ok()?;
        Some(format!("djdns propose {} link {label} {page_id}", typed(&above.to_string())))
    });
    let link = above.map_or(String::new(), |link| format!("; or have it linked above: {link}"));
    Some(format!("no name leads to it yet; to trust it yourself: {join}{link}"))
}

/// What a bundle holds.
struct Parts<'b> {
    genesis: &'b [u8],
    entries: Vec<Rdata>,
    said: Vec<(u8, &'b [u8])>,
}

impl<'b> Parts<'b> {
    fn of(records: Vec<bundle::Record<'b>>) -> Outcome<Parts<'b>> {
        let (mut genesis, mut entries, mut said) = (None, Vec::new(), Vec::new());
        for (kind, bytes) in records {
            if kind == bundle::ENTRIES {
                entries.extend(bundle::read_entries(bytes).map_err(|refusal| {
                    Fault::refused(format!("the bundle's entries: {refusal}"))
                })?);
                continue;
            }
            match Kind::from_tag(kind) {
                Some(Kind::Genesis) if genesis.is_none() => genesis = Some(bytes),
                Some(Kind::Genesis) => {
                    return Err(Fault::refused("the bundle holds more than one page"));
                }
                Some(of) if whole::is_said(of) => said.push((kind, bytes)),
                None if bundle::is_of_jump(kind) => said.push((kind, bytes)),
                _ => {
                    return Err(Fault::refused(format!(
                        "the bundle holds a record of kind {kind}, which this version does not \
                         know: use a newer djdns"
                    )));
                }
            }
        }
        let genesis = genesis.ok_or_else(|| Fault::refused("the bundle holds no genesis"))?;
        Ok(Parts { genesis, entries, said })
    }
}

/// Refuses a bundle of another page than was named.
fn check_named(page: &str, genesis: &[u8]) -> Outcome {
    let genesis = Genesis::decode(genesis).map_err(Fault::refused)?;
    let id: Id = genesis.id();
    let by_name = Name::parse(page).is_ok_and(|name| name == genesis.raw().name);
    let by_id = args::prefix(page).is_ok_and(|prefix| id.has_hex_prefix(&prefix));
    if by_name || by_id {
        return Ok(());
    }
    Err(Fault::refused(format!(
        "the bundle holds the page {} ({id}), not `{page}`: name that one to admit it",
        genesis.raw().name
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        key::SecretKey,
        page::{
            Page,
            genesis::{Parameters, RawGenesis},
            roster_rows,
        },
    };

    fn genesis() -> Vec<u8> {
        let roster = roster_rows([(SecretKey::from_seed(&[1; 32]).public(), 1)]);
        let name = Name::parse("ct").unwrap();
        let raw = RawGenesis::new(name, roster, Parameters::default(), 0, Id::ZERO);
        Page::found(raw, []).unwrap().1.genesis
    }

    #[test]
    fn a_bundle_is_admitted_only_under_its_own_name_or_id() {
        let bytes = genesis();
        let id = Genesis::decode(&bytes).unwrap().id().to_string();
        let check = |page: &str, expect: bool| {
            assert_eq!(check_named(page, &bytes).is_ok(), expect, "{page}");
        };
        check("ct", true);
        check("CT.", true);
        check(&id[..6], true);
        check("ff.ct", false);
        check(".", false);
    }

    #[test]
    fn a_page_that_no_name_leads_to_comes_with_a_hint() {
        let check = |name: &str, linked: bool, expect: Option<&str>| {
            let page = PageSummary { linked, ..PageSummary::example(name) };
            assert_eq!(hint(&page).as_deref(), expect, "{name}");
        };
        let begin = "no name leads to it yet; to trust it yourself: ";
        check("a.ct.", true, None);
        check(".", false, Some(&format!("{begin}djdns page join . 5f0c")));
        let both =
            "djdns page join a.ct 5f0c; or have it linked above: djdns propose ct link a 5f0c";
        check("a.ct.", false, Some(&format!("{begin}{both}")));
        let both = "djdns page join ct 5f0c; or have it linked above: djdns propose . link ct 5f0c";
        check("ct.", false, Some(&format!("{begin}{both}")));
    }

    #[test]
    fn records_are_told_apart_by_their_kind() {
        let entries = bundle::write_entries(&[Rdata((*b"entry").into())]);
        let whole = vec![(1, &b"genesis"[..]), (0, &entries[..]), (2, b"operation"), (0, &entries)];
        let parts = Parts::of(whole).unwrap();
        assert_eq!((parts.genesis, parts.entries.len()), (&b"genesis"[..], 2));
        assert_eq!(parts.said, [(2, &b"operation"[..])]);
        let refused = |records: Vec<bundle::Record>| assert!(Parts::of(records).is_err());
        refused(vec![]);
        refused(vec![(2, b"operation")]);
        refused(vec![(1, b"a"), (1, b"b")]);
        refused(vec![(1, b"a"), (5, b"an acceptance")]);
        refused(vec![(1, b"a"), (99, b"from the future")]);
        refused(vec![(1, b"a"), (0, b"\xff")]);
    }
}
