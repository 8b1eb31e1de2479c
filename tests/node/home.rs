//! A node in a directory of its own, spoken to as a client does, and asked as a resolver does.

use std::{path::PathBuf, sync::Arc};

use djdns::{
    control::{
        report::{Carried, Chosen, Explanation, Forgotten, OperationReport, PageSummary},
        request::{Answer, Draft, Failure, Request},
        server::Session,
    },
    daemon::node::Node,
    dns::{Transport, respond},
    governance::{
        ballot::{Ballot, Choice},
        operation::{Change, Operation, SetEntry},
        presence::Presence,
        statement::{Body, Statement},
    },
    id::{Id, Kind},
    key::{PublicKey, SecretKey},
    page::{
        Page, RawPage, bundle,
        entry::{Rdata, RecordSets},
        genesis::{Parameters, RawGenesis},
        name::{Name, Owner, parse_labels},
        rdata,
        record::RecordType,
        roster_rows, zonefile,
    },
};
use tempfile::TempDir;

/// A data directory and the node that has it open.
pub struct Home {
    dir: TempDir,
    pub node: Arc<Node>,
    session: Box<dyn Session>,
}

/// One of the five moderators of the pages founded here, 1 to 5; others take no part.
pub fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub fn owner(text: &str, page: &str) -> Owner {
    Owner::parse(text, &name(page)).unwrap()
}

/// The record sets at an owner, from lines `ttl TYPE data`.
pub fn sets(at: &str, page: &str, lines: &[&str]) -> RecordSets {
    let record = |line: &&str| {
        let [ttl, rtype, data] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let rtype: RecordType = rtype.parse().unwrap();
        let data = rdata::parse_text(rtype, data, &name(page)).unwrap();
        (rtype, ttl.parse().unwrap(), data)
    };
    RecordSets::gather(lines.iter().map(record), &owner(at, page), &name(page)).unwrap()
}

/// A page of five equals from a zone's text; the salt tells pages of one name apart.
pub fn found(page: &str, zone: &str, salt: &str) -> (Page, RawPage) {
    let contents = zonefile::read(zone.as_bytes(), &name(page), &mut |_| {}).unwrap();
    let roster = roster_rows((1..=5).map(|n| (key(n).public(), 1)));
    let salt = Id::hash(&[salt.as_bytes()]);
    let raw = RawGenesis::new(name(page), roster, Parameters::default(), 1_700_000_000, salt);
    Page::found(raw, contents.entries).unwrap()
}

impl Home {
    /// A new data directory, with the demonstration in it.
    pub fn new() -> Home {
        Home::at(tempfile::tempdir().unwrap())
    }

    pub fn at(dir: TempDir) -> Home {
        let node = Node::open(dir.path(), "a test", &mut |_, _, _| {}).unwrap();
        let session = djdns::daemon::session(&node);
        Home { dir, node, session }
    }

    /// Stops the node and starts it again.
    pub fn reopened(self) -> Home {
        let Home { dir, node, session } = self;
        drop(session);
        assert_eq!(Arc::strong_count(&node), 1, "somebody still holds the node");
        drop(node);
        Home::at(dir)
    }

    pub fn ask(&mut self, request: Request) -> Result<Answer, Failure> {
        self.session.handle(request, &mut |_, _, _| {})
    }

    /// What goes wrong with a request, in its kind's exit code and words.
    pub fn failure(&mut self, request: Request) -> Failure {
        self.ask(request).expect_err("it is refused")
    }

    /// Admits a page as a client does.
    pub fn admit(&mut self, raw: RawPage, said: Vec<Rdata>) -> Result<PageSummary, Failure> {
        let genesis = Some(Rdata(raw.genesis.into()));
        let entries = raw.entries.into_iter().map(Rdata).collect();
        // An envelope begins with its length and its kind (P1).
        let kind = |bytes: &Rdata| bytes.0[1];
        let said = said.into_iter().map(|bytes| (kind(&bytes), bytes)).collect();
        self.ask(Request::Stage { genesis, entries, said })?;
        match self.ask(Request::Commit)? {
            Answer::Committed { page } => Ok(page),
            other => panic!("{other:?}"),
        }
    }

    pub fn draft(&mut self, page: &str, by: &SecretKey, owners: &[Owner]) -> Draft {
        let (author, owners) = (by.public().raw(), owners.to_vec());
        let draft = Request::Draft { page: page.to_owned(), author, owners, slots: 1 };
        match self.ask(draft).unwrap() {
            Answer::Draft(draft) => draft,
            other => panic!("{other:?}"),
        }
    }

    /// A signed change of one entry, not submitted yet. `page` is what a person would type.
    pub fn change(&mut self, page: &str, by: &SecretKey, at: &str, lines: &[&str]) -> Statement {
        let page_name = self.draft(page, by, &[]).name.to_string();
        let owner = owner(at, &page_name);
        let draft = self.draft(page, by, std::slice::from_ref(&owner));
        let sets = sets(at, &page_name, lines).into_vec();
        let change = Change::SetEntry(SetEntry { owner, parent: draft.entries[0].0, sets });
        let (author, slot, base) = (by.public().raw(), draft.slots[0], draft.seal);
        let operation = Operation { author, slot, base, change };
        Statement::sign(&draft.page, Body::Operation(operation), by).unwrap()
    }

    /// A signed ballot on one operation, not submitted yet.
    pub fn ballot(&mut self, page: &str, by: &SecretKey, on: Id, choice: Choice) -> Statement {
        let draft = self.draft(page, by, &[]);
        let (voter, sequence) = (by.public().raw(), draft.sequence);
        let ballot = Ballot { voter, sequence, rows: vec![(on, choice)], reason: String::new() };
        Statement::sign(&draft.page, Body::Ballot(ballot), by).unwrap()
    }

    /// A signed presence that names a node, not submitted yet.
    pub fn presence(&mut self, page: &str, by: &SecretKey, node: &PublicKey) -> Statement {
        let draft = self.draft(page, by, &[]);
        let present = draft.presence.unwrap();
        let node = vec![node.raw()];
        let presence = Presence { sequence: draft.presence_sequence, node, ..present };
        Statement::sign(&draft.page, Body::Presence(presence), by).unwrap()
    }

    pub fn submit(&mut self, statements: &[&Statement]) -> Result<Vec<Id>, Failure> {
        let statements = statements.iter().map(|said| Rdata(said.bytes().into())).collect();
        match self.ask(Request::Submit { statements })? {
            Answer::Submitted { ids } => Ok(ids),
            other => panic!("{other:?}"),
        }
    }

    /// Proposes a change, its author's approval beside it.
    pub fn propose(&mut self, page: &str, by: &SecretKey, at: &str, lines: &[&str]) -> Id {
        let change = self.change(page, by, at, lines);
        let approval = self.ballot(page, by, change.id(), Choice::Approve);
        self.submit(&[&change, &approval]).unwrap();
        change.id()
    }

    pub fn vote(&mut self, page: &str, by: &SecretKey, on: Id, choice: Choice) {
        let ballot = self.ballot(page, by, on, choice);
        self.submit(&[&ballot]).unwrap();
    }

    /// The operation as a client sees it.
    pub fn operation(&mut self, page: &str, id: Id) -> OperationReport {
        let proposal = Request::Proposal { page: page.to_owned(), prefix: id.to_string() };
        match self.ask(proposal).unwrap() {
            Answer::Proposals { operations, .. } => operations[0].clone(),
            other => panic!("{other:?}"),
        }
    }

    pub fn explain(&mut self, at: &str) -> Explanation {
        match self.ask(Request::Explain { name: name(at) }).unwrap() {
            Answer::Explained(explanation) => explanation,
            other => panic!("{other:?}"),
        }
    }

    pub fn page(&mut self, selector: &str) -> PageSummary {
        match self.ask(Request::Page { page: selector.to_owned() }).unwrap() {
            Answer::Page(report) => report.summary,
            other => panic!("{other:?}"),
        }
    }

    /// The answer to a question for addresses: the code, then `ttl address` for each.
    pub fn resolve(&self, at: &str) -> Vec<String> {
        let labels = parse_labels(at.trim_end_matches('.')).unwrap();
        let header = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let query = [&header[..], &labels, &[0], &[0, 1, 0, 1]].concat();
        let view = self.node.view().load();
        let response = respond(&view, &query, Transport::Udp).unwrap();
        let message = hickory_proto::op::Message::from_vec(&response).unwrap();
        let code = format!("{:?}", message.metadata.response_code);
        let rows = message.answers.iter().map(|row| format!("{} {}", row.ttl, row.data));
        std::iter::once(code).chain(rows).collect()
    }

    /// All of a page as a bundle file, and in how many parts it came.
    pub fn bundle(&mut self, page: &str) -> (Vec<u8>, usize) {
        let mut records = Vec::new();
        let mut from = Some(0);
        let mut parts = 0;
        while let Some(next) = from {
            let part = self.ask(Request::Bundle { page: page.to_owned(), from: next }).unwrap();
            let Answer::Bundle { records: more, next } = part else { panic!("{part:?}") };
            records.extend(more);
            parts += 1;
            from = next;
        }
        let records = records.iter().map(|(kind, bytes)| (*kind, &*bytes.0));
        (bundle::write(records).unwrap(), parts)
    }

    /// Takes in a bundle file as `djdns page carry` does.
    pub fn carry(&mut self, file: &[u8]) -> Result<Carried, Failure> {
        let (mut genesis, mut entries, mut said) = (None, Vec::new(), Vec::new());
        for (kind, bytes) in bundle::read(file).unwrap() {
            match kind {
                bundle::ENTRIES => match bundle::read_entries(bytes) {
                    Ok(more) => entries.extend(more),
                    Err(refusal) => return Err(Failure::refused(format!("refused: {refusal}"))),
                },
                kind if kind == Kind::Genesis as u8 => genesis = Some(Rdata(bytes.into())),
                kind => said.push((kind, Rdata(bytes.into()))),
            }
        }
        // A second genesis in place of one would leave what was staged before.
        let genesis = Some(genesis.unwrap_or(Rdata(Box::new([]))));
        self.ask(Request::Stage { genesis, entries, said })?;
        match self.ask(Request::Carry)? {
            Answer::Carried(carried) => Ok(carried),
            other => panic!("{other:?}"),
        }
    }

    pub fn choose(&mut self, page: &str, seal: &str) -> Chosen {
        let request = Request::Choose { page: page.to_owned(), seal: seal[..10].to_owned() };
        match self.ask(request).unwrap() {
            Answer::Chosen(chosen) => chosen,
            other => panic!("{other:?}"),
        }
    }

    pub fn forget(&mut self, page: &str) -> Forgotten {
        match self.ask(Request::Forget { page: page.to_owned(), untrust: false }).unwrap() {
            Answer::Forgotten(forgotten) => forgotten,
            other => panic!("{other:?}"),
        }
    }

    pub fn pages(&mut self) -> Vec<PageSummary> {
        match self.ask(Request::Pages).unwrap() {
            Answer::Pages(pages) => pages,
            other => panic!("{other:?}"),
        }
    }

    /// A file of the data directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A page's log.
    pub fn log(&self, page: &Id) -> PathBuf {
        self.file("pages").join(page.to_string()).join("log")
    }

    /// Admits a bundle file as `djdns page import` does.
    pub fn import(&mut self, file: &[u8]) -> Result<PageSummary, Failure> {
        let (mut raw, mut said) = (RawPage::default(), Vec::new());
        for (kind, bytes) in bundle::read(file).unwrap() {
            match kind {
                bundle::ENTRIES => {
                    let entries = bundle::read_entries(bytes).unwrap();
                    raw.entries.extend(entries.into_iter().map(|entry| entry.0));
                }
                kind if kind == Kind::Genesis as u8 => raw.genesis = bytes.to_vec(),
                _ => said.push(Rdata(bytes.into())),
            }
        }
        self.admit(raw, said)
    }

    /// A page's ratified contents, part by part, and in how many parts they came.
    pub fn contents(&mut self, page: &str) -> (Vec<(Owner, RecordSets)>, usize) {
        let mut all: Vec<(Owner, RecordSets)> = Vec::new();
        for parts in 1.. {
            let after = all.last().map(|(owner, _)| owner.clone());
            let part = self.ask(Request::Contents { page: page.to_owned(), after }).unwrap();
            let Answer::Contents { name, entries, more, .. } = part else { panic!("{part:?}") };
            all.extend(entries.into_iter().map(|(owner, sets)| {
                let sets = RecordSets::admit(sets, &owner, &name).unwrap();
                (owner, sets)
            }));
            if !more {
                return (all, parts);
            }
        }
        unreachable!("the parts end")
    }
}
