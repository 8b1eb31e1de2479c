//! `djdns request`: asking a page for a name, and what became of it (G13).
//!
//! Who takes part in a page does not ask it, but proposes.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};

use super::{
    args::{self, Author},
    context::{Context, ask},
    fault::{Fault, Outcome},
    output::{self, Paint},
    propose::{RecordArgs, entry},
    requests,
    signing::{self, Acquaintances},
};
use crate::{
    ambient,
    control::{
        report::PetitionReport,
        request::{Answer, Draft, PageSelector, Request as Question},
    },
    governance::petition::{Asking, Petition, Refusal, Refusing},
    id::Id,
    key::SecretKey,
    page::{entry::Rdata, name::Owner, record::RecordType},
};

/// Ask a page for a name, see what became of it, or turn a petition down.
///
/// Anybody may ask; participants propose instead. The page has to be here: `djdns page join NAME PAGE-ID`
/// gets it. The page's participants see it in `djdns inbox`
/// and `djdns requests P`, and may take it up with `djdns propose P --from-request ID`. After 14
/// days without an answer it expires. Where other nodes host the page, the daemon hands it to them as
/// soon as it reaches them, and `djdns request status` tells what they said, and when.
#[derive(Args)]
#[command(
    subcommand_negates_reqs = true,
    override_usage = "djdns request <P> set [OPTIONS] <OWNER> <TYPE> <RDATA>...\n       \
                      djdns request <P> delete [OPTIONS] <OWNER> [TYPE]\n       \
                      djdns request <P> link [OPTIONS] <LABEL> <PAGE-ID>\n       \
                      djdns request status [ID]\n       \
                      djdns request refuse --reason <TEXT> <ID>",
    after_help = "EXAMPLE\n  djdns request ff.ct set friend A 192.0.2.7 --words 'for our club' \
                  --as zoe\n  \
                  djdns request status 4c5d6e"
)]
pub struct Request {
    /// The page that is asked: its name (with a dot at the end if it is a word below), or the first
    /// digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: Option<PageSelector>,
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    author: Author,
}

#[derive(Subcommand)]
enum What {
    /// Ask that records of one type stand at a name.
    ///
    /// Records of other types stay. Prints the petition's id.
    #[command(
        override_usage = "djdns request <P> set [OPTIONS] <OWNER> <TYPE> <RDATA>...",
        after_help = "EXAMPLE\n  djdns request ff.ct set friend A 192.0.2.7 --as zoe"
    )]
    Set {
        #[command(flatten)]
        record: RecordArgs,
        #[command(flatten)]
        saying: Saying,
    },
    /// Ask that all records at a name be deleted, or those of one type.
    #[command(
        override_usage = "djdns request <P> delete [OPTIONS] <OWNER> [TYPE]",
        after_help = "EXAMPLE\n  djdns request ff.ct delete shop.brickwindows CNAME --as zoe"
    )]
    Delete {
        /// The name relative to the page; `@` is the page itself
        owner: String,
        /// Only records of this type
        #[arg(value_name = "TYPE")]
        rtype: Option<RecordType>,
        #[command(flatten)]
        saying: Saying,
    },
    /// Ask that a page of yours be linked as LABEL, and answer for everything below.
    #[command(
        override_usage = "djdns request <P> link [OPTIONS] <LABEL> <PAGE-ID>",
        after_help = "EXAMPLE\n  djdns request ct link friends 5f0c…64-digits…e1 --as zoe"
    )]
    Link {
        /// The one label below the page
        label: String,
        /// The subpage's id, 64 digits
        #[arg(value_name = "PAGE-ID", value_parser = page_id)]
        subpage: Id,
        #[command(flatten)]
        saying: Saying,
    },
    /// Show what became of a petition, or of all that were made here.
    ///
    /// It is waiting, taken up (and how the operation stands), refused (by whom, and why) or
    /// expired.
    #[command(
        override_usage = "djdns request status [OPTIONS] [ID]",
        after_help = "EXAMPLE\n  djdns request status 4c5d6e --json"
    )]
    Status {
        /// The petition: its id, or the first six or more digits [else all that were made here]
        #[arg(value_name = "ID", value_parser = args::prefix)]
        id: Option<String>,
    },
    /// Turn a petition down, as a participant of the page it asks.
    #[command(
        override_usage = "djdns request refuse [OPTIONS] --reason <TEXT> <ID>",
        after_help = "EXAMPLE\n  djdns request refuse 4c5d6e --reason 'that is our name' --as alice"
    )]
    Refuse {
        /// The petition: its id, or the first six or more digits
        #[arg(value_name = "ID", value_parser = args::prefix)]
        id: String,
        /// Why, for who asked
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

#[derive(Args)]
struct Saying {
    /// Words for those who decide
    #[arg(long, value_name = "TEXT", default_value = "")]
    words: String,
}

impl Request {
    pub fn run(self, context: &mut Context) -> Outcome {
        let Request { page, what, author } = self;
        match (page, what) {
            (None, What::Status { id: None }) => own(context),
            (None, What::Status { id: Some(id) }) => {
                let (report, _) = find(context, &id)?;
                show(context, &report)
            }
            (None, What::Refuse { reason, .. }) if reason.trim().is_empty() => {
                Err(Fault::usage("whoever asked is told why: give --reason a word or more"))
            }
            (None, What::Refuse { id, reason }) => {
                let key = signing::signer(context, author.key.as_deref())?;
                let report = refuse(context, &id, reason, &key)?;
                show(context, &report)
            }
            (Some(page), What::Set { record, saying }) => {
                let desk = Desk::open(context, page, &author, saying)?;
                let owner = entry::owner(context, &desk.draft.name, &record.owner)?;
                let data = entry::data(record.rtype, &record.rdata, &desk.draft.name)?;
                desk.ask(context, owner, |sets| {
                    entry::set(sets, record.rtype, record.ttl, data.clone())
                })
            }
            (Some(page), What::Delete { owner, rtype, saying }) => {
                let desk = Desk::open(context, page, &author, saying)?;
                let owner = entry::owner(context, &desk.draft.name, &owner)?;
                desk.ask(context, owner, |sets| entry::delete(sets, rtype))
            }
            (Some(page), What::Link { label, subpage, saying }) => {
                let desk = Desk::open(context, page, &author, saying)?;
                let owner = entry::owner(context, &desk.draft.name, &label)?;
                desk.ask(context, owner, |sets| entry::link(sets, subpage))
            }
            (None, _) => Err(Fault::usage("which page is asked? `djdns request P set …`")),
            (Some(page), _) => Err(Fault::usage(format!(
                "a petition is named by its id alone, without the page `{page}`"
            ))),
        }
    }
}

/// Where somebody asks a page that they take no part in.
struct Desk {
    page: PageSelector,
    key: SecretKey,
    words: String,
    draft: Draft,
}

impl Desk {
    fn open(
        context: &mut Context,
        page: PageSelector,
        author: &Author,
        saying: Saying,
    ) -> Outcome<Desk> {
        let key = signing::signer(context, author.key.as_deref())?;
        let draft = draft(context, &page, &key, Vec::new())?;
        if draft.takes_part {
            return Err(Fault::refused(format!(
                "{} takes part in {}, and participants propose: `djdns propose {page} …`",
                key.public(),
                draft.name
            )));
        }
        Ok(Desk { page, key, words: saying.words, draft })
    }

    /// Signs a petition for the entry as it is after the edit, and hands it over.
    fn ask(
        self,
        context: &mut Context,
        owner: Owner,
        edit: impl Fn(&mut entry::Sets) -> Outcome,
    ) -> Outcome {
        let draft = draft(context, &self.page, &self.key, vec![owner.clone()])?;
        let entry = entry::edited(&draft, owner, edit)?;
        let asking = Asking {
            author: self.key.public().raw(),
            owner: entry.owner,
            sets: entry.sets,
            created: ambient::now(),
            words: self.words,
        };
        let petition = Petition::sign(&draft.page, &asking, &self.key)
            .map_err(|refusal| Fault::refused(format!("the petition is refused: {refusal}")))?;
        let request = Question::Ask { petition: Rdata(petition.bytes().into()) };
        let report = ask!(context, request, Answer::Petition { petition, .. } => petition);
        if context.json {
            return output::print_json(&report);
        }
        output::print(&format!("{}\n", report.id))?;
        let awaits = match report.source.as_str() {
            "sent" => "kept here, and handed by the daemon to the nodes that host",
            _ => "waiting for the participants of",
        };
        context.note(format!(
            "{}: {awaits} {}, for 14 days: see `djdns request status {}`",
            report.change,
            report.page,
            &report.id[..8]
        ));
        Ok(())
    }
}

fn draft(context: &mut Context, page: &str, key: &SecretKey, owners: Vec<Owner>) -> Outcome<Draft> {
    let (page, author) = (page.to_owned(), key.public().raw());
    let request = Question::Draft { page, author, owners, slots: 0 };
    ask!(context, request, Answer::Draft(draft) => Ok(draft))
}

/// The petition whose id begins with these digits, as its author signed it.
///
/// # Errors
/// What the node says, or that what it gives is no petition.
pub fn find(context: &mut Context, prefix: &str) -> Outcome<(PetitionReport, Petition)> {
    let request = Question::Petition { prefix: prefix.to_owned() };
    ask!(context, request, Answer::Petition { petition, signed } => {
        let signed = Petition::admit(&signed.0)
            .map_err(|refusal| Fault::refused(format!("the petition {}: {refusal}", petition.id)))?;
        Ok((petition, signed))
    })
}

fn refuse(
    context: &mut Context,
    prefix: &str,
    words: String,
    key: &SecretKey,
) -> Outcome<PetitionReport> {
    let (_, petition) = find(context, prefix)?;
    let participant = key.public().raw();
    let refusing = Refusing { participant, petition: petition.id(), words };
    let refusal = Refusal::sign(&petition.page(), &refusing, key)
        .map_err(|refusal| Fault::refused(format!("this refusal does not count: {refusal}")))?;
    let request = Question::Refuse { refusal: Rdata(refusal.bytes().into()) };
    ask!(context, request, Answer::Petition { petition, .. } => Ok(petition))
}

/// Every petition that was made here, to whatever page.
fn own(context: &mut Context) -> Outcome {
    let own =
        ask!(context, Question::OwnPetitions, Answer::Petitions { petitions, .. } => petitions);
    if context.json {
        return output::print_json(&own);
    }
    if own.is_empty() {
        context.note("nothing was asked from here: `djdns request P set …` asks a page for a name");
        return Ok(());
    }
    let known = Acquaintances::of(context);
    let pages: BTreeSet<&str> = own.iter().map(|one| one.page.as_str()).collect();
    let of = |page: &str| -> String {
        let asked: Vec<PetitionReport> =
            own.iter().filter(|one| one.page == page).cloned().collect();
        let head = context.style.paint(Paint::Bold, &output::clean(page));
        head + "\n" + &requests::render(&asked, &known, context.style, true)
    };
    let text = pages.into_iter().map(of).collect::<Vec<String>>().join("\n");
    context.print_paged(&text)
}

fn show(context: &mut Context, report: &PetitionReport) -> Outcome {
    if context.json {
        return output::print_json(report);
    }
    let known = Acquaintances::of(context);
    output::print(&requests::render(std::slice::from_ref(report), &known, context.style, true))
}

/// Reads a whole id.
fn page_id(text: &str) -> Result<Id, String> {
    Id::from_hex(text).ok_or_else(|| format!("`{text}` is no page id: expected 64 digits 0-9 a-f"))
}
