//! `djdns page create`: founds a page.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{
    held, stage,
    survival::{self, Survival},
};
use crate::{
    ambient,
    cli::{
        args::{self, Author},
        context::{Context, ask},
        fault::{Fault, Outcome},
        output, propose, signing, zone,
    },
    control::{
        report::PageSummary,
        request::{Answer, PageSelector, Request},
    },
    dns::icann,
    id::Id,
    key::PublicKey,
    page::{
        entry::{Entry, Rdata},
        genesis::{Genesis, Parameters, RawGenesis},
        name::Name,
        roster_rows,
        zonefile::ZoneContents,
    },
};

/// Found a page.
///
/// The participants decide about it from then on; nobody can be added or removed without them.
/// Prints the page id, which is what others trust. A page is used once the page above links to it:
/// with --parent the link is proposed there if you take part; or trust it with `djdns page join`. Several
/// pages may have one name, and at most one of them is linked.
///
/// Says what the page survives: so many lost keys, whosever they are, leave enough power to decide; and
/// so many participants who lie together can neither change a name alone nor have two seals made of one
/// height.
#[derive(Args)]
#[command(
    after_help = "EXAMPLE\n  djdns page create friends.ct --participant alice --participant \
                  bob=2\n  djdns page create friends.ct --participant alice --zone friends.zone \
                  --parent ct --as alice"
)]
pub struct Create {
    /// The page's name
    #[arg(value_parser = args::name)]
    name: Name,
    /// A participant and its power (1 unless given): a did:key, the name of a key here, demo:alice;
    /// repeat it for each
    #[arg(long, value_name = "KEY[=POWER]", required = true, value_parser = args::key_and_power)]
    participant: Vec<(String, u32)>,
    /// What it contains at first: a zone file (RFC 1035); `-` is standard input
    #[arg(long, value_name = "FILE")]
    zone: Option<PathBuf>,
    /// A parameter other than usual, as track1_bp=4000 (basis points: 100 are 1 %) or soft_ttl_max=1h;
    /// may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = args::assignment)]
    param: Vec<(String, String)>,
    /// The page above: propose the link there
    #[arg(long, value_name = "P", value_parser = args::page)]
    parent: Option<PageSelector>,
    #[command(flatten)]
    author: Author,
}

/// `page create --json`.
#[derive(Serialize)]
struct Created {
    #[serde(flatten)]
    page: PageSummary,
    /// Lost keys, and participants who lie together.
    survives_track1: usize,
    survives_track2: usize,
    liars_track1: usize,
    liars_track2: usize,
    warning: Option<String>,
    /// The operation that proposes the link, if one was made.
    link: Option<String>,
}

impl Create {
    pub fn run(self, context: &mut Context) -> Outcome {
        context.may_found();
        let parameters = parameters(&self.param)?;
        let participants = participants(context, &self.participant)?;
        let powers: Vec<u32> = participants.iter().map(|(_, power)| *power).collect();
        let contents = contents(context, self.zone, &self.name)?;
        let survival = Survival::of(powers.clone(), &parameters);
        let warning = survival::warning(&powers, &parameters);
        let genesis = genesis(self.name.clone(), participants, parameters)?;
        let entries = contents.entries.into_iter();
        let entries = entries.map(|(owner, sets)| Rdata(Entry::initial(owner, sets)));
        warn_of_others(context, &self.name)?;
        if let Some(taken) = taken(&self.name) {
            context.note(format!("warning: {taken}"));
        }
        let page = stage::found(context, Rdata(genesis.encode().into()), entries)?;
        if let Some(warning) = &warning {
            context.note(format!("warning: {warning}"));
        }
        if !context.json {
            output::print(&format!("{}\n", page.page_id))?;
            context.note(format!(
                "{} is founded with {} and {}: {}",
                page.name,
                counted(page.entries, "entry", "entries"),
                counted(page.participants, "participant", "participants"),
                survival.sentence()
            ));
        }
        let link = link(context, &self.name, &page, self.parent, &self.author)?;
        if context.json {
            let Survival { track1, track2 } = survival;
            let created = Created {
                page,
                survives_track1: track1.absent,
                survives_track2: track2.absent,
                liars_track1: track1.liars,
                liars_track2: track2.liars,
                warning,
                link,
            };
            return output::print_json(&created);
        }
        Ok(())
    }
}

fn counted(n: usize, one: &str, several: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {several}") }
}

fn parameters(given: &[(String, String)]) -> Outcome<Parameters> {
    let mut parameters = Parameters::default();
    for (name, value) in given {
        parameters.set(name, value).map_err(Fault::usage)?;
    }
    parameters.check().map_err(Fault::usage)?;
    Ok(parameters)
}

fn participants(context: &mut Context, given: &[(String, u32)]) -> Outcome<Vec<(PublicKey, u32)>> {
    let mut participants: Vec<(PublicKey, u32)> = Vec::new();
    for (key, power) in given {
        let public = signing::key_named(context, key)?;
        if participants.iter().any(|(other, _)| *other == public) {
            return Err(Fault::usage(format!("`{key}` takes part twice: give it once, =POWER")));
        }
        if signing::is_demonstration(&public) {
            context.note(format!("warning: `{key}` is public: anybody can sign as it"));
        }
        participants.push((public, *power));
    }
    Ok(participants)
}

/// The zone file's contents; what it warns about is said.
fn contents(context: &Context, zone: Option<PathBuf>, name: &Name) -> Outcome<ZoneContents> {
    let Some(file) = zone else { return Ok(ZoneContents::default()) };
    let contents = zone::parse(context, &file, &zone::read(&file)?, name)?;
    zone::report(context, &contents);
    Ok(contents)
}

/// Says which pages of this name are held already: a name leads to one page at most.
fn warn_of_others(context: &mut Context, name: &Name) -> Outcome {
    let name = name.to_string();
    let pages = held::all(context)?;
    for other in pages.iter().filter(|page| page.name == name) {
        let used = if other.linked { ", and the one that this name leads to" } else { "" };
        context.note(format!(
            "warning: {} is a page of the name {name} already{used}: this founds another, and only \
             one of them can be linked",
            other.page_id
        ));
    }
    Ok(())
}

/// Who else answers for this name, if anybody does, and what follows.
fn taken(name: &Name) -> Option<String> {
    let text = name.to_string();
    let top = text.trim_end_matches('.').rsplit('.').next()?;
    if top == "localhost" {
        return Some(format!(
            "{text} is answered by every machine by itself (RFC 6761), and never from a page"
        ));
    }
    icann::is_delegated(top.as_bytes()).then(|| {
        format!(
            "{top}. is a top-level domain of the public DNS, too: linked from the root, {text} is answered \
             only where the configuration has `allow-tld = [\"{top}\"]`; joined, it takes the place of the \
             public {text} on that machine"
        )
    })
}

/// The genesis without its state root, which the node computes from the contents.
fn genesis(
    name: Name,
    participants: Vec<(PublicKey, u32)>,
    parameters: Parameters,
) -> Outcome<Genesis> {
    let salt = Id::from_bytes(ambient::random());
    let raw = RawGenesis::new(name, roster_rows(participants), parameters, ambient::now(), salt);
    Genesis::admit(raw).map_err(Fault::refused)
}

/// Proposes the link in the page above where that can be done, or says how. The page is founded by
/// then, so nothing that fails here fails the command.
fn link(
    context: &mut Context,
    name: &Name,
    page: &PageSummary,
    parent: Option<PageSelector>,
    author: &Author,
) -> Outcome<Option<String>> {
    let Some(above) = name.parent() else {
        context.note(format!("to use it as the root: djdns page join . {}", page.page_id));
        return Ok(None);
    };
    let label = name.relative_to(&above).map(|owner| owner.to_string()).unwrap_or_default();
    let by_hand = |parent: &str| {
        let parent = if parent == "." { "." } else { parent.trim_end_matches('.') };
        format!("djdns propose {parent} link {label} {}", page.page_id)
    };
    let Some(parent) = parent else {
        let by_hand = by_hand(&above.to_string());
        let typed = name.to_string();
        let typed = typed.trim_end_matches('.');
        context.note(format!("to have it answered here: djdns page join {typed} {}", page.page_id));
        context.note(format!("to have it answered wherever the page above is: {by_hand}"));
        return Ok(None);
    };
    match propose_link(context, &parent, name, page, author) {
        Ok(operation) => {
            context.note(format!("its link is proposed in {parent}: operation {operation}"));
            Ok(Some(operation))
        }
        Err(Fault::Failure(failure)) => {
            context.note(format!(
                "its link is not proposed, because {failure}; whoever takes part there can: {}",
                by_hand(&parent)
            ));
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}

fn propose_link(
    context: &mut Context,
    parent: &str,
    name: &Name,
    page: &PageSummary,
    author: &Author,
) -> Outcome<String> {
    let key = signing::signer(context, author.key.as_deref())?;
    let request = Request::Draft {
        page: parent.to_owned(),
        author: key.public().raw(),
        owners: Vec::new(),
        slots: 0,
    };
    let draft = ask!(context, request, Answer::Draft(draft) => draft);
    let owner = name.relative_to(&draft.name).map_err(Fault::refused)?;
    if owner.label_count() != 1 {
        return Err(Fault::refused(format!("{name} is not directly below {}", draft.name)));
    }
    let id = Id::from_hex(&page.page_id).ok_or_else(Fault::other_answer)?;
    propose::link(context, parent, &key, owner, id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_contradict_each_other_are_a_usage_fault() {
        let check = |given: &[(&str, &str)], expect: bool| {
            let given: Vec<(String, String)> =
                given.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            match parameters(&given) {
                Ok(_) => assert!(expect, "{given:?}"),
                Err(fault) => assert_eq!((fault.code(), expect), (2, false), "{given:?}"),
            }
        };
        check(&[], true);
        check(&[("track1_bp", "3335"), ("track2_bp", "6666")], true);
        check(&[("track1_bp", "3000")], false);
        check(&[("track3_bp", "1")], false);
        check(&[("min_voters", "two")], false);
        check(&[("soft_ttl_max", "1h30m"), ("seal_interval", "5m")], true);
        check(&[("soft_ttl_max", "an hour")], false);
    }

    #[test]
    fn whoever_founds_a_page_under_a_name_of_others_reads_what_follows() {
        let check = |name: &str, expect: Option<&str>| {
            let said = taken(&Name::parse(name).unwrap());
            assert_eq!(said.is_some(), expect.is_some(), "{name}: {said:?}");
            assert!(said.is_none_or(|said| said.contains(expect.unwrap_or_default())), "{name}");
        };
        check("com", Some("`allow-tld = [\"com\"]`"));
        check("club.com", Some("public club.com."));
        check("localhost", Some("never from a page"));
        check("a.localhost", Some("a.localhost. is answered by every machine"));
        for free in [".", "ourclub", "ct", "com.ct", "localhost.ct"] {
            check(free, None);
        }
    }
}
