//! `djdns propose`: operations, each with its proposer's own approval.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{
    args::{self, Author},
    context::{Context, ask},
    fault::{Fault, Outcome},
    output,
    page::{
        accept,
        held::{self, Meant},
    },
    proposals,
    resolve::short,
    signing::{self, Acquaintances},
    zone,
};
use crate::{
    control::{
        report::OperationReport,
        request::{Answer, Draft, PageSelector, Request},
    },
    governance::{ballot::Choice, operation::Change, statement::Statement},
    id::Id,
    key::{PublicKey, SecretKey, Signature},
    page::{
        entry::Rdata,
        name::{Name, Owner},
        record::{PageLink, RecordType},
    },
};

pub mod apply;
mod diff;
pub mod entry;
mod taken;
mod track2;

/// Propose a change of a page.
///
/// A change of names (set, add, delete, link, apply) needs a little over 30 % of the power; one of
/// participants, parameters or of who owns a subpage needs 70 %, unless the page says otherwise.
/// Prints the operation's id. Your own approval is cast with it, unless --no-vote.
#[derive(Args)]
#[command(
    after_help = "EXAMPLE\n  djdns propose ff.ct set brickwindows A 203.0.113.5 --as alice\n  \
                  djdns propose ff.ct participant remove bob --as alice\n  \
                  djdns propose ff.ct --from-request 4c5d6e --as alice"
)]
pub struct Propose {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
    #[command(subcommand)]
    what: Option<What>,
    /// Propose exactly what this petition asks for: its id, or the first six or more digits
    #[arg(long, value_name = "ID", value_parser = args::prefix)]
    from_request: Option<String>,
    #[command(flatten)]
    casting: Casting,
}

/// Who proposes, and what they say about it.
#[derive(Args, Clone, Default)]
pub struct Casting {
    #[command(flatten)]
    pub author: Author,
    /// Only propose: do not cast your own approval
    #[arg(long, global = true)]
    pub no_vote: bool,
    /// Words for the other participants, in your ballot
    #[arg(long, value_name = "TEXT", global = true, conflicts_with = "no_vote")]
    pub reason: Option<String>,
}

#[derive(Subcommand)]
enum What {
    #[command(flatten)]
    One(One),
    /// Make the page what a zone file says, as one batch of operations.
    ///
    /// Shows each difference. Links to subpages that the zone file lacks are kept. Every change takes
    /// one of your slots until it is sealed (`open_operations_max` in `djdns page show`, usually 256,
    /// of which one stays free): --dry-run says how many fit, and with which `djdns propose P params
    /// open_operations_max=N` all do.
    #[command(after_help = "EXAMPLE\n  djdns propose ff.ct apply ff.ct.zone --dry-run --as alice")]
    Apply {
        /// The zone file (RFC 1035); `-` is standard input
        file: PathBuf,
        /// Only show the differences
        #[arg(long)]
        dry_run: bool,
    },
}

/// What is one operation.
#[derive(Subcommand)]
enum One {
    /// Replace the records of one type at a name.
    ///
    /// Records of other types stay. Data is written as in a zone file; put `--` before data that
    /// begins with a minus.
    #[command(
        after_help = "EXAMPLE\n  djdns propose ff.ct set brickwindows MX 10 mail.ct. --as alice"
    )]
    Set(RecordArgs),
    /// Add one record to a name.
    ///
    /// Records of the same type share one TTL.
    #[command(
        after_help = "EXAMPLE\n  djdns propose ff.ct add brickwindows A 203.0.113.6 --as alice"
    )]
    Add(RecordArgs),
    /// Delete all records at a name, or those of one type.
    ///
    /// A link to a subpage is cut with `unlink`, which takes more power.
    #[command(
        after_help = "EXAMPLE\n  djdns propose ff.ct delete shop.brickwindows CNAME --as alice"
    )]
    Delete {
        /// The name relative to the page; `@` is the page itself
        owner: String,
        /// Only records of this type
        #[arg(value_name = "TYPE")]
        rtype: Option<RecordType>,
    },
    /// Link a subpage: from then on it answers for LABEL and everything below.
    #[command(after_help = "EXAMPLE\n  djdns propose ct link friends 5f0c1d --as alice")]
    Link {
        /// The one label below the page
        label: String,
        /// The subpage's id, 64 digits; or the first, at least six, of one held here
        #[arg(value_name = "PAGE-ID", value_parser = args::prefix)]
        subpage: String,
    },
    /// Change who takes part.
    #[command(after_help = "EXAMPLE\n  djdns propose ff.ct participant power bob=3 --as alice")]
    Participant {
        #[command(subcommand)]
        change: Participant,
    },
    /// Change the page's parameters; those not named stay.
    ///
    /// track1_bp and track2_bp are basis points of the power (100 are 1 %), seal_interval and
    /// soft_ttl_max seconds, or units as in 1h30m. `djdns page show --help` says what each is for.
    #[command(
        after_help = "EXAMPLE\n  djdns propose ff.ct params track1_bp=4000 soft_ttl_max=1h --as alice"
    )]
    Params {
        /// Parameters and their new values
        #[arg(value_name = "KEY=VALUE", required = true, value_parser = args::assignment)]
        values: Vec<(String, String)>,
    },
    /// Give LABEL and everything below to another page.
    #[command(after_help = "EXAMPLE\n  djdns propose ct relink friends 5f0c1d --as alice")]
    Relink {
        /// The one label below the page
        label: String,
        /// The new subpage's id, 64 digits; or the first, at least six, of one held here
        #[arg(value_name = "PAGE-ID", value_parser = args::prefix)]
        subpage: String,
    },
    /// Cut a subpage off.
    #[command(after_help = "EXAMPLE\n  djdns propose ct unlink music --as alice")]
    Unlink {
        /// The one label below the page
        label: String,
    },
}

#[derive(Args)]
pub struct RecordArgs {
    /// The name relative to the page; `@` is the page itself; a final dot makes it absolute
    pub owner: String,
    /// The record type, as A, MX or TYPE65280
    #[arg(value_name = "TYPE")]
    pub rtype: RecordType,
    /// The record's data
    #[arg(required = true)]
    pub rdata: Vec<String>,
    /// Seconds it may be cached, or as 1h30m [else as the records there have, else an hour]
    #[arg(long, value_name = "S", value_parser = entry::ttl)]
    pub ttl: Option<u32>,
}

#[derive(Subcommand)]
enum Participant {
    /// Take in a participant, who has accepted.
    #[command(
        override_usage = "djdns propose <P> participant add [OPTIONS] --acceptance <CODE> <KEY[=POWER]>",
        after_help = "EXAMPLE\n  djdns propose ff.ct participant add z6Mk…=2 --acceptance accept:…"
    )]
    Add {
        /// The newcomer and its power (1 unless given)
        #[arg(value_name = "KEY[=POWER]", value_parser = args::key_and_power)]
        key: (String, u32),
        /// What the newcomer's `djdns page accept` printed
        #[arg(long, value_name = "CODE", value_parser = accept::read)]
        acceptance: Signature,
    },
    /// Put a participant out.
    #[command(
        override_usage = "djdns propose <P> participant remove [OPTIONS] <KEY>",
        after_help = "EXAMPLE\n  djdns propose ff.ct participant remove bob --as alice"
    )]
    Remove {
        /// The participant
        key: String,
    },
    /// Give a participant another power.
    #[command(
        override_usage = "djdns propose <P> participant power [OPTIONS] <KEY=POWER>",
        after_help = "EXAMPLE\n  djdns propose ff.ct participant power bob=3 --as alice"
    )]
    Power {
        /// The participant and its new power
        #[arg(value_name = "KEY=POWER", value_parser = args::key_with_power)]
        key: (String, u32),
    },
    /// Give a participant's place to another key, which has accepted.
    #[command(
        override_usage = "djdns propose <P> participant replace [OPTIONS] --acceptance <CODE> <OLD> <NEW>",
        after_help = "EXAMPLE\n  djdns propose ff.ct participant replace z6Mk…old z6Mk…new \
                      --acceptance accept:…"
    )]
    Replace {
        /// The participant's key now
        old: String,
        /// The key that takes its place
        new: String,
        /// What `djdns page accept` printed for the new key
        #[arg(long, value_name = "CODE", value_parser = accept::read)]
        acceptance: Signature,
    },
}

impl Propose {
    pub fn run(self, context: &mut Context) -> Outcome {
        let Propose { page, what, from_request, casting } = self;
        match (what, from_request) {
            (Some(What::Apply { file, dry_run }), None) => {
                let bytes = zone::read(&file)?;
                apply::run(context, &page, &file, bytes, dry_run, &casting)
            }
            (Some(What::One(what)), None) => {
                let desk = Desk::open(context, page, &casting)?;
                let operation = what.propose(context, &desk)?;
                show(context, &desk.page, &operation)
            }
            (None, Some(petition)) => {
                let desk = Desk::open(context, page, &casting)?;
                let at = desk.page.clone();
                let operation = taken::propose(context, desk, &petition)?;
                show(context, &at, &operation)
            }
            (Some(_), Some(_)) => Err(Fault::usage(
                "--from-request proposes exactly what is asked for: leave the change out",
            )),
            (None, None) => Err(Fault::usage(
                "what is proposed? set, add, delete, link, apply, participant, params, relink, \
                 unlink, or --from-request ID: see `djdns propose --help`",
            )),
        }
    }
}

impl One {
    fn propose(self, context: &mut Context, desk: &Desk) -> Outcome<OperationReport> {
        match self {
            One::Set(RecordArgs { owner, rtype, rdata, ttl }) => {
                let owner = desk.owner(context, &owner)?;
                let data = entry::data(rtype, &rdata, &desk.name)?;
                desk.check_link(context, &owner, rtype, &data)?;
                entry::check_beacons(context, rtype, &data);
                desk.change_entry(context, owner, |sets| entry::set(sets, rtype, ttl, data.clone()))
            }
            One::Add(RecordArgs { owner, rtype, rdata, ttl }) => {
                let owner = desk.owner(context, &owner)?;
                let data = entry::data(rtype, &rdata, &desk.name)?;
                desk.check_link(context, &owner, rtype, &data)?;
                entry::check_beacons(context, rtype, &data);
                desk.change_entry(context, owner, |sets| entry::add(sets, rtype, ttl, data.clone()))
            }
            One::Delete { owner, rtype } => {
                let owner = desk.owner(context, &owner)?;
                desk.change_entry(context, owner, |sets| entry::delete(sets, rtype))
            }
            One::Link { label, subpage } => {
                let owner = desk.owner(context, &label)?;
                let subpage = desk.subpage(context, &owner, &subpage)?;
                desk.change_entry(context, owner, |sets| entry::link(sets, subpage))
            }
            One::Relink { label, subpage } => {
                let owner = desk.owner(context, &label)?;
                let subpage = desk.subpage(context, &owner, &subpage)?;
                desk.relink(context, owner, vec![subpage])
            }
            One::Unlink { label } => {
                let owner = desk.owner(context, &label)?;
                desk.relink(context, owner, Vec::new())
            }
            One::Params { values } => {
                desk.propose_order(context, &[], |draft| track2::parameters(draft, &values))
            }
            One::Participant { change } => {
                let change = track2::participant(context, change)?;
                desk.propose_order(context, &[], |draft| Ok(track2::roster(draft, change.clone())))
            }
        }
    }
}

/// Where one person proposes to one page.
struct Desk {
    page: PageSelector,
    name: Name,
    key: SecretKey,
    /// Whether the proposer approves, and with which words.
    approval: Option<String>,
    /// The petition that is taken up.
    petition: Option<Id>,
}

impl Desk {
    fn open(context: &mut Context, page: PageSelector, casting: &Casting) -> Outcome<Desk> {
        let key = signing::signer(context, casting.author.key.as_deref())?;
        let approval = (!casting.no_vote).then(|| casting.reason.clone().unwrap_or_default());
        Desk::of(context, page, key, approval)
    }

    fn of(
        context: &mut Context,
        page: PageSelector,
        key: SecretKey,
        approval: Option<String>,
    ) -> Outcome<Desk> {
        let name = signing::draft(context, &page, &key.public(), Vec::new(), 0)?.name;
        Ok(Desk { page, name, key, approval, petition: None })
    }

    /// The owner name that was typed.
    fn owner(&self, context: &Context, text: &str) -> Outcome<Owner> {
        entry::owner(context, &self.name, text)
    }

    /// The page whose id was typed, which is to be linked at `owner`.
    fn subpage(&self, context: &mut Context, owner: &Owner, digits: &str) -> Outcome<Id> {
        let at = owner.at(&self.name).map_err(Fault::usage)?.to_string();
        let Meant { id, name } = held::meant(context, digits)?;
        match name {
            Some(name) if name == at => {}
            Some(name) => {
                return Err(Fault::refused(format!(
                    "the page {id} is bound to the name {name}, and a link to it as {at} would lead \
                     nowhere: link the page that was founded as {at}"
                )));
            }
            None => context.note(format!(
                "warning: the page {id} is not here, so nothing shows that it is bound to the name \
                 {at}, and for this copy the link leads nowhere until it is brought with `djdns \
                 page import {at} FILE.bundle`"
            )),
        }
        Ok(id)
    }

    /// Checks a link that was typed as a record, as [`Desk::subpage`] does one that was named.
    fn check_link(
        &self,
        context: &mut Context,
        owner: &Owner,
        rtype: RecordType,
        data: &Rdata,
    ) -> Outcome {
        let link = PageLink::from_rdata(&data.0).filter(|_| rtype == RecordType::PAGE);
        link.map_or(Ok(()), |link| self.subpage(context, owner, &link.page.to_string()).map(drop))
    }

    /// Proposes another value of one entry.
    fn change_entry(
        &self,
        context: &mut Context,
        owner: Owner,
        edit: impl Fn(&mut entry::Sets) -> Outcome,
    ) -> Outcome<OperationReport> {
        let owners = vec![owner.clone()];
        let draft = signing::draft_names;
        self.propose(context, draft, &owners, |draft| entry::change(draft, owner.clone(), &edit))
    }

    /// Proposes that a linked name goes to another page, or to none.
    fn relink(
        &self,
        context: &mut Context,
        owner: Owner,
        subpage: Vec<Id>,
    ) -> Outcome<OperationReport> {
        let owners = vec![owner.clone()];
        self.propose_order(context, &owners, |draft| {
            track2::relink(draft, owner.clone(), subpage.clone())
        })
    }

    /// Proposes a Track 2 change. Two of the same exclude each other like any two, and unlike those
    /// of one name they cannot be made on top of each other: so it is said if one is open already.
    fn propose_order(
        &self,
        context: &mut Context,
        owners: &[Owner],
        build: impl Fn(&Draft) -> Outcome<Change>,
    ) -> Outcome<OperationReport> {
        let made = self.propose(context, signing::draft, owners, build)?;
        let request = Request::Proposals { page: self.page.clone(), all: false, after: 0 };
        let open = ask!(context, request, Answer::Proposals { operations, .. } => operations);
        if let Some(same) = open.iter().find(|other| is_same(other, &made)) {
            context.note(format!(
                "warning: {} proposes the same already, and only one of them can count: `djdns vote \
                 {} {}` approves it",
                short(&same.id),
                self.page,
                short(&same.id)
            ));
        }
        Ok(made)
    }

    /// Signs one operation, with the proposer's approval, and hands it over.
    fn propose(
        &self,
        context: &mut Context,
        drafting: Drafting,
        owners: &[Owner],
        build: impl Fn(&Draft) -> Outcome<Change>,
    ) -> Outcome<OperationReport> {
        let made = signing::submit_made_for(context, self.petition, &mut |context| {
            let key = self.key.public();
            let draft = drafting(context, &self.page, &key, owners.to_vec(), 1)?;
            let slot = draft.slots.first().copied().unwrap_or_default();
            let operation = signing::operation(&draft, &self.key, slot, build(&draft)?)?;
            let id = operation.id();
            let mut statements = vec![operation];
            if let Some(reason) = &self.approval {
                let choice = Choice::Approve;
                statements.extend(signing::ballots(&draft, &self.key, vec![id], choice, reason)?);
            }
            Ok(statements)
        })?;
        let id = made.first().map(Statement::id).unwrap_or_default();
        let found = signing::named(context, &self.page, &id.to_string())?;
        found.operations.into_iter().next().ok_or_else(Fault::other_answer)
    }
}

/// How a change comes to its slot.
type Drafting = fn(&mut Context, &str, &PublicKey, Vec<Owner>, usize) -> Outcome<Draft>;

/// Whether another operation, on which people still vote, is the same change.
fn is_same(other: &OperationReport, made: &OperationReport) -> bool {
    let what = |one: &OperationReport| (one.track, one.owner.clone(), one.change.clone());
    other.id != made.id && what(other) == what(made) && ["open", "passed"].contains(&&*other.state)
}

/// Proposes, with approval, that `owner` links to a subpage; returns the operation's id.
///
/// # Errors
/// As any proposal.
pub fn link(
    context: &mut Context,
    page: &str,
    key: &SecretKey,
    owner: Owner,
    subpage: Id,
) -> Outcome<String> {
    let desk = Desk::of(context, page.to_owned(), key.clone(), Some(String::new()))?;
    let edit = |sets: &mut entry::Sets| entry::link(sets, subpage);
    Ok(desk.change_entry(context, owner, edit)?.id)
}

/// Proposes an edit of the entry at the name that was typed; `edit` is told the page's name.
///
/// # Errors
/// As any proposal.
pub fn edit(
    context: &mut Context,
    page: PageSelector,
    owner: &str,
    casting: &Casting,
    edit: &dyn Fn(&mut entry::Sets, &Name) -> Outcome,
) -> Outcome {
    let desk = Desk::open(context, page, casting)?;
    let owner = desk.owner(context, owner)?;
    let operation = desk.change_entry(context, owner, |sets| edit(sets, &desk.name))?;
    show(context, &desk.page, &operation)
}

/// The id alone on standard output, for scripts; where it stands on standard error.
fn show(context: &Context, page: &str, operation: &OperationReport) -> Outcome {
    if context.json {
        return output::print_json(operation);
    }
    output::print(&format!("{}\n", operation.id))?;
    context.note(tally(operation));
    let known = Acquaintances::of(context);
    proposals::warn(context, operation, &known);
    proposals::warn_of_rivals(context, page, operation, &known);
    Ok(())
}

/// Where an operation stands, in a sentence.
fn tally(operation: &OperationReport) -> String {
    let OperationReport { change, state, .. } = operation;
    match proposals::standing(operation).as_str() {
        "" => format!("{change}: {state}"),
        reason => format!("{change}: {state}: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::proposals::tests::operation;

    #[test]
    fn the_same_change_is_known_again_while_people_vote_on_it() {
        let made = operation();
        let other = OperationReport { id: "ff".repeat(32), ..operation() };
        assert!(is_same(&other, &made));
        assert!(!is_same(&made, &made), "it is itself");
        assert!(!is_same(&OperationReport { change: "set B".into(), ..other.clone() }, &made));
        assert!(!is_same(&OperationReport { state: "defeated".into(), ..other }, &made));
    }

    #[test]
    fn where_an_operation_stands_is_one_sentence() {
        assert_eq!(tally(&operation()), "set A: open: one more voter is missing");
    }
}
