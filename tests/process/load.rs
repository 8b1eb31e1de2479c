//! People at work on a daemon that may be killed at any moment, each remembering, outside of it,
//! what it acknowledged, and able to say what is missing.

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
};

use djdns::{
    control::{
        client::Client,
        report::OperationReport,
        request::{Answer, FailureKind, Request},
    },
    governance::statement::Statement,
    id::Id,
    limits::{BATCH_SLOTS, OPEN_OPERATIONS_DEFAULT},
    page::{
        name::{Name, Owner},
        origin_version,
    },
};

use crate::support::{
    daemon::{Daemon, Resolver, ask},
    people::{
        address as address_of, approval, batch, found, proposal, public, staging, submission,
    },
};

/// The daemon went away before it acknowledged.
pub struct Gone;

/// Asks; `Gone` is the only failure that a killed daemon may cause.
fn say(client: &mut Client, request: &Request) -> Result<Answer, Gone> {
    match ask(client, request) {
        Ok(answer) => Ok(answer),
        Err(failure) if failure.kind == FailureKind::Unreachable => Err(Gone),
        Err(failure) => panic!("{failure}"),
    }
}

/// Somebody at work.
pub trait Worker: Send {
    /// Says one thing more. The number of acknowledgements; none when there is nothing left to do.
    fn work(&mut self, client: &mut Client) -> Result<usize, Gone>;

    /// Panics if something acknowledged is missing, or anything is there in part.
    fn check(&mut self, daemon: &Daemon);
}

/// What was proposed, and how much of it was acknowledged.
struct Proposed {
    page: Id,
    id: Id,
    name: String,
    address: Ipv4Addr,
    is_acknowledged: bool,
    approvals: [Approval; 2],
    /// Whether all of it went out in one request: then all of it is there, or nothing.
    is_one: bool,
    is_checked_by_id: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Approval {
    None,
    Acknowledged,
}

/// Proposes changes of the demonstration's pages, one approving them with a second person.
pub struct Moderator {
    pages: Vec<(Name, Id)>,
    people: [&'static str; 2],
    /// Slots are taken page by page.
    turn: u32,
    sequence: u64,
    batches: u32,
    proposed: Vec<Proposed>,
    /// How many of them are on the newest owner.
    chain: usize,
}

/// Changes of one owner, each on top of the other. A soft chain may have 64.
const CHAIN: usize = 4;
/// Every so often, two proposals travel with a batch and ballots that name only that.
const BATCH_EVERY: u32 = 8;

impl Moderator {
    pub fn new(pages: Vec<(Name, Id)>, people: [&'static str; 2]) -> Moderator {
        Moderator {
            pages,
            people,
            turn: 0,
            sequence: 0,
            batches: 0,
            proposed: Vec::new(),
            chain: CHAIN,
        }
    }

    fn propose(&mut self) -> (Id, Statement) {
        let (name, page) = self.pages[self.turn as usize % self.pages.len()].clone();
        // A chain stays on its page: all pages advance by one slot at a time.
        let slot = self.turn / self.pages.len() as u32;
        let [author, _] = self.people;
        let serial = self.proposed.len() as u32;
        let previous = self.proposed.iter().rposition(|change| change.page == page);
        let previous = previous.map(|at| &self.proposed[at]);
        let previous = previous.filter(|change| change.is_ratified() && self.chain < CHAIN);
        let (full, parent) = match previous {
            Some(change) => (change.name.clone(), change.id),
            None => {
                self.chain = 0;
                let full = format!("{author}-{serial}.{}", name.to_string().trim_matches('.'));
                let full = format!("{}.", full.trim_end_matches('.'));
                let owner = owner_of(&full, &name);
                (full, origin_version(&page, &owner))
            }
        };
        self.chain += 1;
        self.turn += 1;
        let owner = owner_of(&full, &name);
        let address = address_of(serial);
        let statement = proposal(&page, author, slot, &owner, parent, address);
        self.proposed.push(Proposed {
            page,
            id: statement.id(),
            name: full,
            address,
            is_acknowledged: false,
            approvals: [Approval::None; 2],
            is_one: false,
            is_checked_by_id: false,
        });
        (page, statement)
    }

    fn approvals(&mut self, page: &Id, target: &Id) -> [Statement; 2] {
        self.sequence += 1;
        self.people.map(|person| approval(page, person, self.sequence, target))
    }

    fn newest(&mut self) -> &mut Proposed {
        self.proposed.last_mut().expect("something was proposed")
    }

    /// Proposal and ballots in one request.
    fn at_once(&mut self, client: &mut Client) -> Result<usize, Gone> {
        let (page, statement) = self.propose();
        let [own, second] = self.approvals(&page, &statement.id());
        self.newest().is_one = true;
        say(client, &submission(&[&statement, &own, &second]))?;
        self.newest().is_acknowledged = true;
        self.newest().approvals = [Approval::Acknowledged; 2];
        Ok(1)
    }

    /// Proposal, own ballot, the other's ballot: each a request.
    fn one_by_one(&mut self, client: &mut Client) -> Result<usize, Gone> {
        let (page, statement) = self.propose();
        let approvals = self.approvals(&page, &statement.id());
        say(client, &submission(&[&statement]))?;
        self.newest().is_acknowledged = true;
        for (n, approval) in approvals.iter().enumerate() {
            say(client, &submission(&[approval]))?;
            self.newest().approvals[n] = Approval::Acknowledged;
        }
        Ok(3)
    }

    /// Two proposals, a batch of both, and ballots that name the batch, in one request.
    fn as_batch(&mut self, client: &mut Client) -> Result<usize, Gone> {
        self.chain = CHAIN;
        let (page, one) = self.propose();
        // The next one must be about the same page: a round of the other pages is left out.
        self.turn += self.pages.len() as u32 - 1;
        self.chain = CHAIN;
        let (_, two) = self.propose();
        let slot = self.batches;
        let both = batch(&page, self.people[0], slot, vec![one.id(), two.id()]);
        let [own, second] = self.approvals(&page, &both.id());
        let from = self.proposed.len() - 2;
        self.proposed[from..].iter_mut().for_each(|change| change.is_one = true);
        self.batches += 1;
        say(client, &submission(&[&one, &two, &both, &own, &second]))?;
        for change in &mut self.proposed[from..] {
            change.is_acknowledged = true;
            change.approvals = [Approval::Acknowledged; 2];
        }
        Ok(1)
    }

    fn check_change(&self, change: &Proposed, found: Option<&OperationReport>) {
        let Some(report) = found else {
            assert!(!change.is_acknowledged, "{} was acknowledged and is missing", change.name);
            return;
        };
        let has_approved = |person: &str| {
            let voter = public(person).to_string();
            report.ballots.iter().any(|ballot| ballot.voter == voter && ballot.choice == "approve")
        };
        for (person, approval) in self.people.iter().zip(change.approvals) {
            if approval == Approval::Acknowledged || change.is_one {
                assert!(has_approved(person), "{person}'s ballot on {} is missing", change.name);
            }
        }
        if self.people.iter().all(|person| has_approved(person)) {
            assert_eq!(report.state, "ratified", "{}: {}", change.name, report.reason);
        }
    }

    /// The newest acknowledged value of every name is served, or one that was under way after it.
    fn check_served(&self, resolver: &Resolver) {
        let mut served: BTreeMap<&str, Vec<Vec<Ipv4Addr>>> = BTreeMap::new();
        for change in &self.proposed {
            let choices = served.entry(&change.name).or_insert_with(|| vec![Vec::new()]);
            if change.is_ratified() {
                choices.clear();
            }
            choices.push(vec![change.address]);
        }
        for (name, choices) in served {
            let found = resolver.addresses(name);
            assert!(choices.contains(&found), "{name} is {found:?}, expected {choices:?}");
        }
    }
}

impl Worker for Moderator {
    fn work(&mut self, client: &mut Client) -> Result<usize, Gone> {
        let most = (OPEN_OPERATIONS_DEFAULT - 3) * self.pages.len() as u32;
        match self.turn {
            turn if turn >= most => Ok(0),
            turn if turn % BATCH_EVERY == 3 && self.batches < BATCH_SLOTS => self.as_batch(client),
            turn if turn % 2 == 0 => self.at_once(client),
            _ => self.one_by_one(client),
        }
    }

    fn check(&mut self, daemon: &Daemon) {
        let mut client = daemon.client();
        let mut reports: HashMap<String, OperationReport> = HashMap::new();
        for (_, page) in &self.pages {
            let request = Request::Proposals { page: page.to_string(), all: true, after: 0 };
            let Ok(Answer::Proposals { operations: mut found, batches, .. }) =
                ask(&mut client, &request)
            else {
                panic!("{request:?}")
            };
            for batch in batches {
                let (page, prefix) = (page.to_string(), batch.id);
                found.extend(operations(&mut client, &Request::Batch { page, prefix }));
            }
            reports.extend(found.into_iter().map(|found| (found.id.clone(), found)));
        }
        for change in &self.proposed {
            self.check_change(change, reports.get(&change.id.to_string()));
        }
        let new = self.proposed.iter_mut().filter(|change| !change.is_checked_by_id);
        for change in new.filter(|change| change.is_acknowledged) {
            let (page, prefix) = (change.page.to_string(), change.id.to_string());
            let found = operations(&mut client, &Request::Proposal { page, prefix }).count();
            assert_eq!(found, 1, "{} is not found by its id", change.name);
            change.is_checked_by_id = true;
        }
        self.check_served(&daemon.resolver());
        // Whatever was under way may be there or not: nothing is built on it.
        self.chain = CHAIN;
    }
}

impl Proposed {
    fn is_ratified(&self) -> bool {
        self.is_acknowledged && self.approvals == [Approval::Acknowledged; 2]
    }
}

fn owner_of(name: &str, page: &Name) -> Owner {
    Name::parse(name).and_then(|name| name.relative_to(page)).expect("a name of the page")
}

fn operations(client: &mut Client, request: &Request) -> impl Iterator<Item = OperationReport> {
    match ask(client, request) {
        Ok(Answer::Proposals { operations, .. }) => operations.into_iter(),
        other => panic!("{request:?}: {other:?}"),
    }
}

/// Founds pages and trusts them.
pub struct Founder {
    founded: Vec<Founded>,
    /// Foundings that are still to be done before the next check.
    left: usize,
}

struct Founded {
    name: String,
    page: Id,
    is_acknowledged: bool,
    is_trusted: bool,
}

/// Pages between two checks: every one is read at each start from then on.
const FOUNDINGS: usize = 3;
const WWW: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);

impl Founder {
    pub fn new() -> Founder {
        Founder { founded: Vec::new(), left: FOUNDINGS }
    }
}

impl Worker for Founder {
    fn work(&mut self, client: &mut Client) -> Result<usize, Gone> {
        if self.left == 0 {
            return Ok(0);
        }
        self.left -= 1;
        let name = format!("founded-{}.", self.founded.len());
        let www = Owner::parse("www", &Name::root()).expect("a name");
        let (page, raw) = found(&name, [(www, WWW)]);
        let page = page.id();
        self.founded.push(Founded {
            name: name.clone(),
            page,
            is_acknowledged: false,
            is_trusted: false,
        });
        let founded = self.founded.last_mut().expect("it was pushed");
        say(client, &staging(raw))?;
        say(client, &Request::Commit)?;
        founded.is_acknowledged = true;
        let name = Name::parse(&name).expect("a name");
        say(client, &Request::Join { name, page })?;
        founded.is_trusted = true;
        Ok(2)
    }

    fn check(&mut self, daemon: &Daemon) {
        let (mut client, resolver) = (daemon.client(), daemon.resolver());
        for founded in &self.founded {
            let page = ask(&mut client, &Request::Page { page: founded.page.to_string() });
            assert!(page.is_ok() || !founded.is_acknowledged, "{}: {page:?}", founded.name);
            if founded.is_trusted {
                let www = resolver.addresses(&format!("www.{}", founded.name));
                assert_eq!(www, [WWW], "www.{}", founded.name);
            }
        }
        self.left = FOUNDINGS;
    }
}
