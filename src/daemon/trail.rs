//! What happened to a page, row by row, from its log: statements, seals, and when this node wrote
//! them. History and audit are two ways to show it.

use std::collections::{BTreeMap, HashMap};

use super::{
    node::{Node, sentence},
    report::{data_text, describe, shortened, word},
    whole::{self, Note},
};
use crate::{
    control::request::Failure,
    governance::{
        ballot::Ballot,
        forks::Decision,
        operation::{Change, Operation},
        presence::Presence,
        seal::SealRecord,
        statement::{Body, Statement},
    },
    id::{Id, Kind},
    key::{PublicKey, RawKey},
    page::{
        bundle,
        entry::{Rdata, RecordSet},
        genesis::Genesis,
    },
    store::Cursor,
    time,
};

/// Something that happened to a page.
pub struct Row {
    /// When this node wrote it; `None` in a log of an older version.
    pub time: Option<u64>,
    /// Why it was written: `founded`, `submitted`, `sealed`, …
    pub cause: String,
    pub kind: &'static str,
    pub id: Id,
    /// Who signed it; of a seal nobody in particular.
    pub author: Option<PublicKey>,
    /// One line.
    pub what: String,
    /// Of a seal.
    pub seal: Option<Sealed>,
}

/// What a seal did.
pub struct Sealed {
    pub height: u64,
    pub time: u64,
    pub signed: Signed,
    /// What it applied, each in one line.
    pub applied: Vec<(Id, String)>,
    /// Of a fork: the seal of the same height that is served here (T4).
    pub contradicts: Option<(Id, Signed)>,
}

/// Who committed to a seal.
#[derive(Clone)]
pub struct Signed {
    /// The participants whose seats signed.
    pub signers: Vec<PublicKey>,
    /// The nodes that did so for them.
    pub nodes: Vec<PublicKey>,
}

/// All rows of a page's log, oldest first.
///
/// # Errors
/// [`Failure`] when the log cannot be read.
pub fn of(node: &Node, page: &Id) -> Result<Vec<Row>, Failure> {
    let mut reader = Reader::default();
    let read = node.store.read(page, Cursor::START, &mut |record| {
        reader.take(record.kind, &record.bytes);
    });
    read.map_err(sentence)?;
    Ok(reader.rows)
}

#[derive(Default)]
struct Reader {
    note: Option<Note>,
    /// What operations and presences say, for the seals that apply them.
    said: HashMap<Id, String>,
    /// The seals so far, by height, and whose seats signed them.
    seals: BTreeMap<u64, (Id, Signed)>,
    /// Leaves of a state since the last jump.
    leaves: usize,
    rows: Vec<Row>,
}

impl Reader {
    fn take(&mut self, kind: u8, bytes: &[u8]) {
        match (kind, Kind::from_tag(kind)) {
            (whole::NOTE, _) => self.note(bytes),
            (whole::FORK, _) => self.seal(bytes, "fork"),
            (whole::DECISION, _) => self.decision(bytes),
            (bundle::LEAVES, _) => {
                self.leaves += bundle::read_leaves(bytes).map_or(0, |leaves| leaves.len());
            }
            (bundle::JUMP, _) => self.jump(bytes),
            (_, Some(Kind::Genesis)) => self.genesis(bytes),
            (_, Some(Kind::Seal)) => self.seal(bytes, "seal"),
            (_, Some(kind)) if whole::is_said(kind) => self.statement(bytes),
            _ => {}
        }
    }

    fn note(&mut self, bytes: &[u8]) {
        let note = Note::read(bytes);
        // The first stands behind the genesis, and tells how that came here.
        if let (None, [founding], Some(note)) = (&self.note, &mut self.rows[..], &note) {
            founding.cause.clone_from(&note.what);
        }
        self.note = note;
    }

    fn genesis(&mut self, bytes: &[u8]) {
        let Ok(genesis) = Genesis::decode(bytes) else { return };
        let raw = genesis.raw();
        let what = format!("height 0: {} with {} participants", raw.name, raw.roster.len());
        let cause = "founded".to_owned();
        let (id, time) = (genesis.id(), Some(raw.created));
        self.rows.push(Row { time, cause, kind: "founded", id, author: None, what, seal: None });
    }

    /// Where the page was taken over: what led there is not in this log.
    fn jump(&mut self, bytes: &[u8]) {
        let leaves = std::mem::take(&mut self.leaves);
        let Ok(landing) = bundle::read_landing(bytes) else { return };
        if landing.height == 0 {
            return;
        }
        let what = format!(
            "height {}: the state was taken over, {leaves} parts of it new; what was said before it is not \
             held here",
            landing.height
        );
        self.push("jump", landing.seal, None, what, None);
    }

    fn decision(&mut self, bytes: &[u8]) {
        let Ok(Decision { height, seal, .. }) = Decision::decode(bytes) else { return };
        let what = format!("height {height}: this is the page's seal, as a person said");
        self.push("decision", seal, None, what, None);
    }

    fn statement(&mut self, bytes: &[u8]) {
        let Ok(statement) = Statement::reopen(bytes) else { return };
        let (kind, what) = match statement.body() {
            Body::Operation(operation) => ("operation", told(operation)),
            Body::Ballot(ballot) => ("ballot", votes(ballot)),
            Body::Batch(batch) => ("batch", format!("{} operations", batch.operations.len())),
            Body::Presence(presence) => ("presence", present(presence)),
        };
        let id = statement.id();
        match statement.body() {
            Body::Operation(_) => drop(self.said.insert(id, what.clone())),
            // Below a seal there is nobody's name but here.
            Body::Presence(_) => {
                drop(self.said.insert(id, format!("{}: {what}", statement.author())));
            }
            _ => {}
        }
        self.push(kind, id, Some(statement.author()), what, None);
    }

    fn seal(&mut self, bytes: &[u8], kind: &'static str) {
        let Ok(record) = SealRecord::decode(bytes) else { return };
        let (seal, contents) = (&record.seal, &record.contents);
        let ids = contents.presences.iter().chain(&contents.operations);
        let line = |id: &Id| (*id, self.said.get(id).cloned().unwrap_or_default());
        let applied: Vec<(Id, String)> = ids.map(line).collect();
        let nodes = record.certificate.commits.iter().filter_map(|c| PublicKey::admit(c.node).ok());
        let signed = Signed { signers: record.certificate.seats(), nodes: nodes.collect() };
        let (height, time) = (seal.height, seal.time);
        let mut what = sealed(&record, signed.signers.len());
        let mut contradicts = None;
        if kind == "fork" {
            contradicts = self.seals.get(&height).cloned();
            what.push_str(&against(&signed, contradicts.as_ref()));
        } else {
            self.seals.insert(height, (seal.id(), signed.clone()));
        }
        let sealed = Sealed { height, time, signed, applied, contradicts };
        self.push(kind, seal.id(), None, what, Some(sealed));
    }

    fn push(
        &mut self,
        kind: &'static str,
        id: Id,
        author: Option<PublicKey>,
        what: String,
        seal: Option<Sealed>,
    ) {
        let time = self.note.as_ref().map(|note| note.time);
        let cause = self.note.as_ref().map_or(String::new(), |note| note.what.clone());
        self.rows.push(Row { time, cause, kind, id, author, what, seal });
    }
}

fn sealed(record: &SealRecord, seats: usize) -> String {
    let contents = &record.contents;
    let counted = |n: usize, one: &str| match n {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    };
    let mut parts = Vec::new();
    if !contents.operations.is_empty() {
        parts.push(counted(contents.operations.len(), "operation"));
    }
    if !contents.presences.is_empty() {
        parts.push(counted(contents.presences.len(), "presence"));
    }
    if parts.is_empty() {
        parts.push("the time alone".to_owned());
    }
    let (parts, seats) = (parts.join(", "), counted(seats, "seat"));
    format!("height {}: {parts}; signed for {seats}", record.seal.height)
}

/// How a seal that contradicts one of this page stands to it.
fn against(signed: &Signed, held: Option<&(Id, Signed)>) -> String {
    let Some((seal, others)) = held else { return String::new() };
    let both = signed.signers.iter().filter(|key| others.signers.contains(key)).count();
    let nodes: Vec<String> = signed
        .nodes
        .iter()
        .filter(|node| others.nodes.contains(node))
        .map(PublicKey::stub)
        .collect();
    let by = match &nodes[..] {
        [] => String::new(),
        [node] => format!(", by the one node key {node}"),
        nodes => format!(", by the node keys {}", nodes.join(", ")),
    };
    let (seal, seats) = (seal.short(), others.signers.len());
    format!("; contradicts {seal}, sealed here for {seats}; {both} signed both{by}")
}

fn votes(ballot: &Ballot) -> String {
    let votes = ballot.rows.iter().map(|(id, choice)| format!("{} {}", word(*choice), id.short()));
    let mut text = votes.collect::<Vec<_>>().join(", ");
    if !ballot.reason.is_empty() {
        text.push_str(&format!(": {:?}", ballot.reason));
    }
    text
}

/// Characters of the records in an operation's line (choice: a long record is still seen as one).
const RECORDS_CHARS: usize = 200;

/// An operation in one line, with what is to stand at the name: the page may say otherwise by now.
fn told(operation: &Operation) -> String {
    let text = describe(operation);
    let Change::SetEntry(set) = &operation.change else { return text };
    let of_set = |set: &RecordSet| {
        let rtype = set.rtype;
        let line = move |rdata: &Rdata| format!("{rtype} {}", data_text(rtype, &rdata.0));
        set.rdata.iter().map(line).collect::<Vec<_>>()
    };
    let records: Vec<String> = set.sets.iter().flat_map(of_set).collect();
    match records.is_empty() {
        true => text,
        false => format!("{text}: {}", shortened(records.join(", "), RECORDS_CHARS)),
    }
}

fn present(presence: &Presence) -> String {
    let word = |key: RawKey| match PublicKey::admit(key) {
        Ok(key) => key.to_string(),
        Err(refusal) => refusal.to_string(),
    };
    let node = match presence.node.first() {
        Some(node) => format!("sealed for by the node {}", word(*node)),
        None => "no node seals".to_owned(),
    };
    let lent: Vec<String> = presence
        .away
        .iter()
        .map(|(key, bp)| format!("{} % to {}", f64::from(*bp) / 100.0, word(*key)))
        .collect();
    let until = match presence.until {
        0 => String::new(),
        until => format!(" until {}", time::date(until)),
    };
    match lent.is_empty() {
        true => node,
        false => format!("{node}; lends {}{until}", lent.join(", ")),
    }
}
