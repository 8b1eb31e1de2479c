//! Who signs, what they sign, and how it reaches the page.
//!
//! Identity keys are used here and nowhere further down: a node sees statements only (P4).

use super::{
    context::{Context, ask},
    fault::{Fault, Outcome},
    key::{passphrase, ring::Keyring},
    known,
    presence::{self, percent},
};
use crate::{
    control::{
        report::{BatchReport, OperationReport, PageReport},
        request::{Answer, Draft, Failure, FailureKind, Request},
    },
    demo,
    governance::{
        ballot::{Ballot, Batch, Choice},
        operation::{Change, Operation},
        statement::{Body, Statement},
    },
    id::Id,
    key::{KeyRefusal, PublicKey, SecretKey},
    limits::{BALLOT_ROWS_MAX, BATCH_ROWS_MAX, BATCH_SLOTS, OPEN_OPERATIONS_MAX},
    page::{entry::Rdata, name::Owner},
};

/// How often statements are made anew because another command was faster (choice).
const OVERTAKEN_MAX: usize = 50;

/// What stands before the name of a demonstration identity.
const DEMO: &str = "demo:";

/// The identity that `--as` names; without it the only one.
///
/// # Errors
/// When there is no such identity, or its file does not open.
pub fn signer(context: &Context, name: Option<&str>) -> Outcome<SecretKey> {
    let ring = Keyring::open(context)?;
    let stored = match name {
        None => Some(ring.only().map_err(say_as)?),
        Some(name) => match PublicKey::parse(name) {
            Ok(public) => ring.of(&public)?,
            Err(_) => match ring.find(name)? {
                Some(stored) => Some(stored),
                None => known::own(&ring, name)?,
            },
        },
    };
    if let Some(stored) = stored {
        if let Some(key) = stored.file.secret() {
            return Ok(key);
        }
        let phrase = passphrase::of(&stored.name)?;
        return stored
            .file
            .unlock(&phrase)
            .map_err(|refusal| Fault::refused(format!("{}: {refusal}", stored.path.display())));
    }
    // With no key file of that name, a demonstration identity needs no prefix to sign.
    let name = name.unwrap_or_default();
    let demo = name.strip_prefix(DEMO).unwrap_or(name);
    match demo::key(demo) {
        Some(key) => {
            context.note(format!("signing as {demo} of the demonstration: this key is public"));
            Ok(key)
        }
        None => Err(Fault::not_found(format!(
            "there is no identity `{name}` here: see `djdns key list`, or make it with `djdns key \
             new`"
        ))),
    }
}

fn say_as(fault: Fault) -> Fault {
    match fault {
        Fault::Failure(mut failure) if failure.message.ends_with("say which") => {
            failure.message.push_str(" with --as");
            Fault::Failure(failure)
        }
        other => other,
    }
}

/// Somebody's public key, as [`key_named`]; whoever names one of the demonstration without saying so
/// is told.
///
/// # Errors
/// As [`key_named`].
pub fn public_key(context: &mut Context, text: &str) -> Outcome<PublicKey> {
    let key = key_named(context, text)?;
    if demo::key(text).is_some_and(|demo| demo.public() == key) {
        context.note(format!("`{text}` is {text} of the demonstration: this key is public"));
    }
    Ok(key)
}

/// Somebody's public key: `did:key:…`, `z6Mk…`, the beginning of one that is known here, the name of a
/// local key, or `demo:alice`; `alice` as well, where no local key has that name.
///
/// # Errors
/// When it is none of these.
pub fn key_named(context: &mut Context, text: &str) -> Outcome<PublicKey> {
    if let Some(name) = text.strip_prefix(DEMO) {
        let known = demo::key(name).map(|key| key.public());
        return known
            .ok_or_else(|| Fault::usage(format!("nobody in the demonstration is `{name}`")));
    }
    match PublicKey::parse(text) {
        Ok(key) => Ok(key),
        Err(refusal) => match own_or_demo(context, text)? {
            Some(key) => Ok(key),
            None => known::meant(context, text)?.ok_or_else(|| no_key(text, &refusal)),
        },
    }
}

fn no_key(text: &str, refusal: &KeyRefusal) -> Fault {
    if let Some(too_short) = known::too_short(text) {
        return too_short;
    }
    if text.starts_with("did:") {
        return Fault::usage(refusal);
    }
    Fault::usage(format!(
        "`{text}` is neither a key (did:key:z6Mk…) nor the name of one here (see `djdns key list`), nor \
         demo:alice or the like; somebody else's key is made on their machine, and `djdns key show` prints \
         it there"
    ))
}

/// The key of this user with that name, else that of the demonstration.
fn own_or_demo(context: &Context, name: &str) -> Outcome<Option<PublicKey>> {
    let own = Keyring::open(context)?.find(name)?.map(|stored| stored.file.public());
    Ok(own.or_else(|| demo::key(name).map(|key| key.public())))
}

/// The public half of the identity that `--as` names; without it the only one. No passphrase is asked
/// for.
///
/// # Errors
/// When there is no such identity.
pub fn identity(context: &mut Context, name: Option<&str>) -> Outcome<PublicKey> {
    let Some(name) = name else {
        return Ok(Keyring::open(context)?.only().map_err(say_as)?.file.public());
    };
    key_named(context, name)
}

/// Whether everybody has the secret half of this key.
pub fn is_demonstration(key: &PublicKey) -> bool {
    demo::NAMES.iter().filter_map(|name| demo::key(name)).any(|demo| demo.public() == *key)
}

/// The names that this user knows keys by.
pub struct Acquaintances(Vec<(PublicKey, String)>);

impl Acquaintances {
    /// Own keys and the demonstration's. Keys that cannot be read are not known, which is fine: this
    /// only makes tables easier to read.
    pub fn of(context: &Context) -> Acquaintances {
        let demo = demo::NAMES
            .iter()
            .filter_map(|name| Some((demo::key(name)?.public(), format!("{DEMO}{name}"))));
        let own = Keyring::open(context).and_then(|ring| ring.all()).unwrap_or_default();
        let own = own.0.into_iter().map(|stored| (stored.file.public(), stored.name));
        Acquaintances(own.chain(demo).collect())
    }

    /// Only one other.
    #[cfg(test)]
    pub fn just(key: PublicKey, name: &str) -> Acquaintances {
        Acquaintances(vec![(key, name.to_owned())])
    }

    /// A short word for a key in text form: its name here, or its beginning.
    pub fn short(&self, key: &str) -> String {
        self.name(key).map_or_else(|| Acquaintances::stub(key), str::to_owned)
    }

    /// The beginning of a key in text form.
    pub fn stub(key: &str) -> String {
        PublicKey::parse(key).map_or_else(|_| key.to_owned(), |key| key.stub())
    }

    /// A sentence with every key in it that has a name here replaced by the name.
    pub fn named(&self, sentence: &str) -> String {
        let word = |word: &str| {
            let bare = word.trim_end_matches([',', ';', ':']);
            match bare.starts_with("did:key:") {
                true => self.short(bare) + &word[bare.len()..],
                false => word.to_owned(),
            }
        };
        sentence.split(' ').map(word).collect::<Vec<_>>().join(" ")
    }

    /// The name of a key in text form, if it has one here.
    pub fn name(&self, key: &str) -> Option<&str> {
        let public = PublicKey::parse(key).ok()?;
        self.0.iter().find(|(known, _)| *known == public).map(|(_, name)| name.as_str())
    }
}

/// What a participant needs to know to sign for a page.
///
/// # Errors
/// That the key does not take part, or what the node says.
pub fn draft(
    context: &mut Context,
    page: &str,
    author: &PublicKey,
    owners: Vec<Owner>,
    slots: usize,
) -> Outcome<Draft> {
    let draft = drafted(context, page, author, owners, slots)?;
    if !draft.takes_part {
        return Err(Fault::refused(format!(
            "{author} does not take part in {}: see `djdns page participants {page}`, and sign with \
             --as",
            draft.name
        )));
    }
    if slots > 0 && draft.slots.is_empty() {
        return Err(full(context, page, &draft)?);
    }
    Ok(draft)
}

/// [`draft`] for changes of names, which leave the author's last free slot alone: else nothing were
/// left to raise `open_operations_max` with.
///
/// # Errors
/// As [`draft`].
pub fn draft_names(
    context: &mut Context,
    page: &str,
    author: &PublicKey,
    owners: Vec<Owner>,
    slots: usize,
) -> Outcome<Draft> {
    let mut draft = draft(context, page, author, owners, slots + 1)?;
    let usable = usable(&draft).min(slots);
    if usable == 0 {
        return Err(full(context, page, &draft)?);
    }
    draft.slots.truncate(usable);
    Ok(draft)
}

/// How many of the free slots in a draft changes of names may take.
pub fn usable(draft: &Draft) -> usize {
    // A page with one slot for each would otherwise have none for names.
    let kept = usize::from(parameter(draft, "open_operations_max") > 1);
    draft.slots.len().saturating_sub(kept)
}

/// What a draft says, whoever asks.
///
/// # Errors
/// What the node says.
pub fn drafted(
    context: &mut Context,
    page: &str,
    author: &PublicKey,
    owners: Vec<Owner>,
    slots: usize,
) -> Outcome<Draft> {
    let request = Request::Draft { page: page.to_owned(), author: author.raw(), owners, slots };
    ask!(context, request, Answer::Draft(draft) => Ok(draft))
}

/// One of the page's parameters.
pub fn parameter(draft: &Draft, name: &str) -> u32 {
    draft.parameters.iter().find(|(known, _)| known == name).map_or(0, |(_, value)| *value)
}

/// The command that gives every author so many slots, and what it takes.
pub fn more_slots(page: &str, draft: &Draft, slots: u32) -> String {
    let bp = parameter(draft, "track2_bp");
    let slots = slots.min(OPEN_OPERATIONS_MAX);
    format!(
        "`djdns propose {page} params open_operations_max={slots}`, which takes {} % of the power and \
         a seal",
        percent(bp)
    )
}

/// That no slot is free, what holds them, and what can be done about it.
fn full(context: &mut Context, page: &str, draft: &Draft) -> Outcome<Fault> {
    let request = Request::Page { page: page.to_owned() };
    let report = ask!(context, request, Answer::Page(report) => report);
    Ok(Fault::refused(no_slot(page, draft, &report)))
}

fn no_slot(page: &str, draft: &Draft, report: &PageReport) -> String {
    let max = parameter(draft, "open_operations_max");
    let states: Vec<String> =
        draft.occupied.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let holds = |words: &[&str]| draft.occupied.iter().any(|(word, _)| words.contains(&&**word));
    let mut ways = Vec::new();
    if holds(&["ratified", "passed"]) {
        let interval = parameter(draft, "seal_interval");
        ways.push(match (report.own_seats, report.quorum) {
            (own, quorum) if own >= quorum => format!(
                "what is ratified or passed waits for a seal, which this node makes within {interval} s"
            ),
            (_, quorum) if report.hosted >= quorum => format!(
                "what is ratified or passed waits for a seal, which the node that most seats name makes \
                 within {interval} s of reaching it"
            ),
            (own, quorum) => format!(
                "what is ratified or passed waits for a seal only, which takes {quorum} of {} power, \
                 and this node is named by {own}: participants name it with `djdns host {page}{} --as \
                 KEY`",
                report.total_power,
                presence::which(report)
            ),
        });
    }
    if holds(&["open"]) {
        ways.push(format!("what is open waits for ballots: see `djdns proposals {page}`"));
    }
    let all = match draft.slots.len() {
        0 => "all".to_owned(),
        free => format!("all but {free}, which a change of names leaves free,"),
    };
    let by = if draft.slots.is_empty() { "another participant can" } else { "you can" };
    ways.push(format!("{by} have more: {}", more_slots(page, draft, max.saturating_mul(2))));
    format!(
        "{all} of your {max} slots on {} are taken ({}): {}",
        draft.name,
        states.join(", "),
        ways.join("; ")
    )
}

/// Signs one operation.
///
/// # Errors
/// Why it is no statement.
pub fn operation(draft: &Draft, key: &SecretKey, slot: u32, change: Change) -> Outcome<Statement> {
    let operation = Operation { author: key.public().raw(), slot, base: draft.seal, change };
    sign(&draft.page, Body::Operation(operation), key)
}

/// Signs lists of the author's own operations, as few as hold them (G5b).
///
/// # Errors
/// That all of the author's slots for batches are taken.
pub fn batches(draft: &Draft, key: &SecretKey, mut operations: Vec<Id>) -> Outcome<Vec<Statement>> {
    operations.sort_unstable();
    operations.dedup();
    let batch = |(n, operations): (usize, &[Id])| {
        let Some(slot) = draft.batch_slots.get(n).copied() else {
            return Err(Fault::refused(format!(
                "{BATCH_SLOTS} batches of yours are open on {}: wait until a seal ends some",
                draft.name
            )));
        };
        let (author, operations) = (key.public().raw(), operations.to_vec());
        let batch = Batch { author, slot, base: draft.seal, operations };
        sign(&draft.page, Body::Batch(batch), key)
    };
    operations.chunks(BATCH_ROWS_MAX).enumerate().map(batch).collect()
}

/// Signs one choice on all of these: as many ballots as it takes, each counting after the one
/// before.
///
/// # Errors
/// Why one is no statement, for example because the reason is too long.
pub fn ballots(
    draft: &Draft,
    key: &SecretKey,
    mut targets: Vec<Id>,
    choice: Choice,
    reason: &str,
) -> Outcome<Vec<Statement>> {
    targets.sort_unstable();
    targets.dedup();
    let ballot = |(n, targets): (usize, &[Id])| {
        let ballot = Ballot {
            voter: key.public().raw(),
            sequence: draft.sequence + n as u64,
            rows: targets.iter().map(|target| (*target, choice)).collect(),
            reason: reason.to_owned(),
        };
        sign(&draft.page, Body::Ballot(ballot), key)
    };
    targets.chunks(BALLOT_ROWS_MAX).enumerate().map(ballot).collect()
}

fn sign(page: &Id, body: Body, key: &SecretKey) -> Outcome<Statement> {
    Statement::sign(page, body, key).map_err(Fault::refused)
}

/// Hands statements over: when this returns, all are durable, or none was taken.
fn submit_for(context: &mut Context, petition: Option<Id>, statements: &[Statement]) -> Outcome {
    let statements = statements.iter().map(|statement| Rdata(statement.bytes().into())).collect();
    let request = match petition {
        Some(petition) => Request::TakeUp { petition, statements },
        None => Request::Submit { statements },
    };
    ask!(context, request, Answer::Submitted { .. } => Ok(()))
}

/// Makes statements and hands them over; makes them anew when another command of the same author
/// was faster.
///
/// # Errors
/// What `make` or the node says.
pub fn submit_made(
    context: &mut Context,
    make: &mut dyn FnMut(&mut Context) -> Outcome<Vec<Statement>>,
) -> Outcome<Vec<Statement>> {
    submit_made_for(context, None, make)
}

/// [`submit_made`] of statements that take a petition up, if there is one (G13).
///
/// # Errors
/// What `make` or the node says.
pub fn submit_made_for(
    context: &mut Context,
    petition: Option<Id>,
    make: &mut dyn FnMut(&mut Context) -> Outcome<Vec<Statement>>,
) -> Outcome<Vec<Statement>> {
    for _ in 1..OVERTAKEN_MAX {
        let statements = make(context)?;
        match submit_for(context, petition, &statements) {
            Err(Fault::Failure(Failure { kind: FailureKind::Overtaken, .. })) => {}
            done => return done.map(|()| statements),
        }
    }
    let statements = make(context)?;
    submit_for(context, petition, &statements).map(|()| statements)
}

/// What digits of an id name: an operation, or a batch with some of its operations.
pub struct Named {
    pub operations: Vec<OperationReport>,
    pub batch: Option<BatchReport>,
}

/// The operation or batch whose id begins with these digits.
///
/// # Errors
/// What the node says.
pub fn named(context: &mut Context, page: &str, prefix: &str) -> Outcome<Named> {
    let request = Request::Proposal { page: page.to_owned(), prefix: prefix.to_owned() };
    ask!(
        context,
        request,
        Answer::Proposals { operations, batch, .. } => Ok(Named { operations, batch })
    )
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn draft(sequence: u64) -> Draft {
        Draft {
            page: Id::hash(&[b"page"]),
            name: crate::page::name::Name::root(),
            seal: Id::hash(&[b"page"]),
            takes_part: true,
            batch_slots: Vec::new(),
            slots: Vec::new(),
            occupied: Vec::new(),
            sequence,
            presence: None,
            presence_sequence: 1,
            delegates_gone: Vec::new(),
            node: None,
            seal_time: 0,
            roster_version: Id::ZERO,
            entries: Vec::new(),
            parameters: Vec::new(),
        }
    }

    #[test]
    fn more_operations_than_a_ballot_holds_take_several_in_sequence() {
        let check = |targets: usize, expect: &[(u64, usize)]| {
            let ids = (0..targets).map(|n| Id::hash(&[&n.to_be_bytes()])).rev().collect();
            let key = SecretKey::from_seed(&[1; 32]);
            let ballots = ballots(&draft(7), &key, ids, Choice::Approve, "").unwrap();
            let shapes: Vec<(u64, usize)> = ballots
                .iter()
                .map(|ballot| ballot.as_ballot().unwrap())
                .map(|ballot| (ballot.sequence, ballot.rows.len()))
                .collect();
            assert_eq!(shapes, expect);
        };
        check(1, &[(7, 1)]);
        check(BALLOT_ROWS_MAX - 1, &[(7, BALLOT_ROWS_MAX - 1)]);
        check(BALLOT_ROWS_MAX, &[(7, BALLOT_ROWS_MAX)]);
        check(BALLOT_ROWS_MAX + 1, &[(7, BALLOT_ROWS_MAX), (8, 1)]);
    }

    /// A page of five, for which nobody named a node.
    pub fn report(own_seats: u64) -> PageReport {
        PageReport {
            summary: crate::control::report::PageSummary::example("ct."),
            seal: String::new(),
            sealed: 0,
            strength_bp: 0,
            coherence_bp: 0,
            fresh: true,
            freshness: String::new(),
            state_root: String::new(),
            created: 0,
            total_power: 5,
            own_seats,
            hosted: 0,
            quorum: 4,
            parameters: Vec::new(),
            following: crate::control::report::Following {
                name: None,
                page_id: String::new(),
                pace: "live".into(),
                every_seconds: None,
                bytes_max: None,
                bytes_per_second_max: None,
            },
            decided: Vec::new(),
            roster: Vec::new(),
        }
    }

    #[test]
    fn who_has_no_slot_is_told_what_holds_them_and_the_way_out() {
        let draft = |states: &[(&str, usize)], slots: &[u32]| Draft {
            occupied: states.iter().map(|(word, n)| ((*word).to_owned(), *n)).collect(),
            slots: slots.to_vec(),
            parameters: [("open_operations_max", 256), ("track2_bp", 7000), ("seal_interval", 60)]
                .map(|(name, value)| (name.to_owned(), value))
                .to_vec(),
            ..draft(1)
        };
        let check = |draft: Draft, own: u64, expect: &[&str], never: &str| {
            let said = no_slot("ct", &draft, &report(own));
            assert!(expect.iter().all(|words| said.contains(words)), "{said}");
            assert!(!said.contains(never), "{said}");
        };
        let raise = "`djdns propose ct params open_operations_max=512`, which takes 70 %";
        let host = "a seal only, which takes 4 of 5 power, and this node is named by 1";
        check(draft(&[("ratified", 255)], &[255]), 1, &["all but 1", host, raise], "ballots");
        let own = "which this node makes within 60 s";
        check(
            draft(&[("passed", 256)], &[]),
            5,
            &["all of your 256", own, "another"],
            "djdns host",
        );
        let open = "what is open waits for ballots: see `djdns proposals ct`";
        check(draft(&[("open", 256)], &[]), 0, &["256 open", open], "a seal only");
        assert_eq!(usable(&draft(&[], &[0])), 0, "the last is for the parameters");
        assert_eq!(usable(&draft(&[], &[0, 1, 2])), 2);
    }

    #[test]
    fn the_same_operation_twice_is_one_row() {
        let id = Id::hash(&[b"operation"]);
        let key = SecretKey::from_seed(&[1; 32]);
        let ballots = ballots(&draft(1), &key, vec![id, id], Choice::Reject, "no").unwrap();
        assert_eq!(ballots[0].as_ballot().unwrap().rows, [(id, Choice::Reject)]);
    }
}
