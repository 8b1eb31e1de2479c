//! Carries out what a client asks, on a node.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    beacon, carry, choosing, explain, field, history, inbox, keys,
    many::admit_all,
    neighbours::{Neighbours, REFUSED},
    node::{Node, Progress, sentence},
    report, resolve,
    running::Running,
    stats, status, verify,
    whole::{self, WholePage},
    wishes,
};
use crate::{
    config::peers::Contact,
    control::{
        request::{Answer, Draft, Failure, Request},
        server::Session,
    },
    dns::Lacking,
    governance::{
        Governance, Refusal, operation::Register, presence::Presence, statement::Statement,
    },
    id::{Id, Kind},
    key::{PublicKey, RawKey},
    limits::{
        BATCH_ROWS_MAX, CONTROL_PART_BYTES, FOUNDING_ENTRIES_MAX, LOG_WAIT, OPEN_OPERATIONS_MAX,
    },
    page::{
        entry::Rdata,
        name::{Name, Owner},
    },
    store::Cursor,
};

/// One client's session: what it staged, and what it is in the middle of reading.
pub struct NodeSession {
    node: Arc<Node>,
    staged: WholePage,
    reading: Option<Reading>,
}

/// A page's contents as they were when the reading began.
struct Reading {
    page: Governance,
    owners: Vec<Owner>,
}

impl Session for NodeSession {
    fn handle(&mut self, request: Request, progress: Progress) -> Result<Answer, Failure> {
        let node = self.node.clone();
        // As if the daemon were not there yet: what is said of a page is said of all of it.
        node.wait_until_loaded();
        Ok(match request {
            Request::Status => Answer::Status(status::status(&node)),
            Request::Stats => Answer::Stats(Box::new(stats::stats(&node, running(&node)?))),
            Request::Peers => Answer::Peers(Box::new(neighbours(&node)?.peers()?)),
            Request::Connect { to } => {
                let neighbours = neighbours(&node)?;
                Answer::Connected(match PublicKey::parse(&to) {
                    Ok(key) => neighbours.connect_known(&key)?,
                    Err(_) => {
                        let to: Contact = to.parse().map_err(Failure::refused)?;
                        neighbours.connect(&to)?
                    }
                })
            }
            Request::Log { from, wait } => {
                let patience = if wait { LOG_WAIT } else { Duration::ZERO };
                Answer::Log(running(&node)?.recent.read(from, patience))
            }
            Request::Pages => Answer::Pages(status::pages(&node)),
            Request::Page { page } => Answer::Page(status::page(&node, &node.select(&page)?)),
            Request::History { page } => Answer::History(history::of(&node, &node.select(&page)?)?),
            Request::Audit { page, after } => history::audit(&node, &node.select(&page)?, after)?,
            Request::Verify { page, full } => {
                Answer::Verified(verify::verify(&node, &node.select(&page)?, full, progress)?)
            }
            Request::Contents { page, after } => self.contents(&page, after)?,
            Request::Bundle { page, from } => bundle(&node, &node.select(&page)?, from)?,
            Request::Draft { page, author, owners, slots } => {
                Answer::Draft(draft(&node, &node.select(&page)?, author, &owners, slots)?)
            }
            Request::Proposals { page, all, after } => {
                report::proposals(&node, &node.select(&page)?, all, after)
            }
            Request::Proposal { page, prefix } => {
                report::proposal(&node, &node.select(&page)?, &prefix)?
            }
            Request::Batch { page, prefix } => {
                report::whole_batch(&node, &node.select(&page)?, &prefix)?
            }
            Request::Submit { statements } => {
                let statements = admitted(&node, &statements)?;
                node.submit(&statements)?;
                submitted(&statements)
            }
            Request::TakeUp { petition, statements } => {
                let statements = admitted(&node, &statements)?;
                inbox::take_up(&node, &petition, &statements, node.now())?;
                submitted(&statements)
            }
            Request::Beacon { port, letters } => {
                Answer::Beacon(beacon::report(&node, port, letters)?)
            }
            Request::Keys { prefix } => Answer::Keys(keys::beginning(&node, &prefix)),
            Request::Ask { petition } => inbox::ask(&node, &petition, node.now())?,
            Request::Petition { prefix } => inbox::one(&node, &prefix, node.now())?,
            Request::Petitions { page, all } => {
                inbox::of(&node, &node.select(&page)?, all, node.now())?
            }
            Request::OwnPetitions => inbox::own(&node, node.now())?,
            Request::Refuse { refusal } => inbox::refuse(&node, &refusal, node.now())?,
            Request::Inbox { key } => inbox::awaiting(&node, key, node.now())?,
            Request::Stage { genesis, entries, said } => self.stage(genesis, entries, said)?,
            Request::Commit => {
                let page = node.admit_page(std::mem::take(&mut self.staged), progress)?;
                Answer::Committed { page: status::summary(&node, &page) }
            }
            Request::Carry => {
                Answer::Carried(carry::carry(&node, std::mem::take(&mut self.staged), progress)?)
            }
            Request::Follow { page, change } => {
                Answer::Following(wishes::follow(&node, &page, &change)?)
            }
            Request::Choose { page, seal } => {
                Answer::Chosen(choosing::choose(&node, &page, &seal)?)
            }
            Request::Forget { page, untrust } => {
                Answer::Forgotten(carry::forget(&node, &page, untrust)?)
            }
            Request::Found => {
                let page = node.found_page(std::mem::take(&mut self.staged), progress)?;
                Answer::Committed { page: status::summary(&node, &page) }
            }
            Request::Join { name, page } => join(&node, name, page, progress)?,
            Request::Resolve { name, rtype, offline } => {
                Answer::Resolved(resolve::resolve(&node, &name, rtype, offline))
            }
            Request::Explain { name } => Answer::Explained(explain::explain(&node, &name)),
            Request::Field { page } => Answer::Field(field::report(&node, &node.select(&page)?)),
        })
    }
}

impl NodeSession {
    pub fn new(node: Arc<Node>) -> NodeSession {
        NodeSession { node, staged: WholePage::default(), reading: None }
    }

    fn stage(
        &mut self,
        genesis: Option<Rdata>,
        entries: Vec<Rdata>,
        said: Vec<(u8, Rdata)>,
    ) -> Result<Answer, Failure> {
        if let Some(genesis) = genesis {
            self.staged = WholePage::default();
            self.staged.raw.genesis = genesis.0.into();
        }
        let staged = &mut self.staged;
        staged.raw.entries.extend(entries.into_iter().map(|entry| entry.0));
        for (kind, bytes) in said {
            let is_said = Kind::from_tag(kind).is_some_and(whole::is_said);
            if !is_said && !crate::page::bundle::is_of_jump(kind) {
                return Err(Failure::refused("that is said on no page"));
            }
            staged.take(kind, bytes.0.into()).map_err(Failure::refused)?;
        }
        if staged.raw.entries.len() > FOUNDING_ENTRIES_MAX {
            self.staged = WholePage::default();
            return Err(Failure::refused(format!(
                "a page is founded with at most {FOUNDING_ENTRIES_MAX} entries"
            )));
        }
        Ok(Answer::Staged)
    }

    /// The next part of a page's contents, from a picture taken when the reading began.
    fn contents(&mut self, selector: &String, after: Option<Owner>) -> Result<Answer, Failure> {
        let reading = match self.reading.take().filter(|_| after.is_some()) {
            Some(reading) => reading,
            None => {
                let page = self.node.select(selector)?;
                let owners = page.contents().into_iter().map(|(owner, _)| owner).collect();
                Reading { page, owners }
            }
        };
        let from = after.map_or(0, |after| reading.owners.partition_point(|owner| *owner <= after));
        let mut entries = Vec::new();
        let mut bytes = 0;
        for owner in &reading.owners[from..] {
            let sets = reading.page.ratified(owner).0.into_vec();
            let records = sets.iter().flat_map(|set| &set.rdata);
            bytes += owner.wire().len() + records.map(|rdata| rdata.0.len() + 16).sum::<usize>();
            entries.push((owner.clone(), sets));
            if bytes > CONTROL_PART_BYTES {
                break;
            }
        }
        let more = from + entries.len() < reading.owners.len();
        let page = reading.page.page();
        let answer =
            Answer::Contents { name: page.name().clone(), serial: page.height(), entries, more };
        self.reading = more.then_some(reading);
        Ok(answer)
    }
}

/// Trusts a page. One that is not here is fetched from other nodes.
fn join(node: &Node, name: Name, page: Id, progress: Progress) -> Result<Answer, Failure> {
    let neighbours = node.running().and_then(Running::neighbours);
    let absent = node.page(&page).is_none() && !node.damaged().iter().any(|d| d.page == page);
    let Some(neighbours) = neighbours.filter(|_| absent) else {
        return node.join(&name, &page).map(|()| Answer::Joined);
    };
    let before = node.set_anchor(&name, Some(page))?;
    let joining = neighbours.join(&Lacking { page, name: name.clone() }, progress);
    if joining.state == REFUSED {
        return Err(match node.set_anchor(&name, before) {
            Ok(_) => Failure::refused(format!("{page} is not trusted: {}", joining.words)),
            Err(failure) => Failure::refused(format!(
                "{page} is not to be had: {}. It is trusted for {name} all the same, since that could not be \
                 taken back: {failure}",
                joining.words
            )),
        });
    }
    Ok(Answer::Joining(joining))
}

/// Other nodes, which only a daemon has.
fn neighbours(node: &Node) -> Result<&Neighbours, Failure> {
    let neighbours = running(node)?.neighbours();
    neighbours.ok_or_else(|| {
        Failure::unreachable(
            "this node has no others: `listen` below [peers] or `--listen` is `off`, or no port was to \
             be had, which `djdns status` says",
        )
    })
}

/// What only a daemon has.
fn running(node: &Node) -> Result<&Running, Failure> {
    node.running().ok_or_else(|| Failure::unreachable("no daemon runs, and only a daemon counts"))
}

/// The next part of a page's log, by record number.
fn bundle(node: &Node, page: &Governance, from: u64) -> Result<Answer, Failure> {
    let mut records = Vec::new();
    let (mut number, mut bytes, mut next) = (0, 0, None);
    let id = page.page().id();
    let read = node.store.read(&id, Cursor::START, &mut |record| {
        if whole::is_local(record.kind) {
            return;
        }
        if number >= from && bytes < CONTROL_PART_BYTES {
            bytes += record.bytes.len();
            records.push((record.kind, Rdata(record.bytes.into())));
        } else if number >= from {
            next.get_or_insert(number);
        }
        number += 1;
    });
    read.map_err(sentence)?;
    Ok(Answer::Bundle { records, next })
}

fn draft(
    node: &Node,
    page: &Governance,
    author: RawKey,
    owners: &[Owner],
    slots: usize,
) -> Result<Draft, Failure> {
    let author = PublicKey::admit(author).map_err(Failure::refused)?;
    let entry = |owner: &Owner| {
        let version = page.version(&Register::Entry(owner.clone()));
        (version, page.ratified(owner).0.into_vec())
    };
    let parameters = page.page().parameters().rows();
    let joined_by = page.joined_by(&author).into_iter().collect();
    let blank = Presence { joined_by, ..Presence::new(author.raw(), 0) };
    let presence = page.presence(&author).and_then(Statement::as_presence).cloned();
    let presence = Some(presence.unwrap_or(blank));
    let takes_part = |key: &RawKey| {
        PublicKey::admit(*key).is_ok_and(|key| page.page().roster().power(&key).is_some())
    };
    let away = presence.iter().flat_map(|presence| &presence.away).map(|(delegate, _)| *delegate);
    let delegates_gone = away.filter(|delegate| !takes_part(delegate)).collect();
    let base = page.base(&author, node.now());
    let wanted = [slots.min(OPEN_OPERATIONS_MAX as usize), slots.div_ceil(BATCH_ROWS_MAX)];
    let [free, batch_slots] = page.free_slots_at(&node.key(), &author, &base, wanted);
    // Sequences are times, so that of what somebody says on two machines the later counts (G5, G6).
    Ok(Draft {
        page: page.page().id(),
        name: page.page().name().clone(),
        seal: base,
        takes_part: page.page().roster().power(&author).is_some(),
        occupied: if free.len() < slots { occupied(page, &author) } else { Vec::new() },
        slots: free,
        batch_slots,
        sequence: page.next_sequence(&author).max(node.milliseconds()),
        presence,
        presence_sequence: page.next_presence(&author).max(node.milliseconds()),
        delegates_gone,
        node: node.nameable_key().map(|key| key.raw()),
        seal_time: page.page().head().time,
        roster_version: page.version(&Register::Roster),
        entries: owners.iter().map(entry).collect(),
        parameters: parameters.map(|(name, value)| (name.to_owned(), value)).to_vec(),
    })
}

/// How many operations of this author, each of which has a slot, are in which state.
fn occupied(page: &Governance, author: &PublicKey) -> Vec<(String, usize)> {
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for proposal in page.proposals().filter(|one| one.statement().author() == *author) {
        *states.entry(page.state(proposal).word()).or_default() += 1;
    }
    states.into_iter().map(|(word, count)| (word.to_owned(), count)).collect()
}

/// The statements that a person hands over, each through its door.
fn admitted(node: &Node, statements: &[Rdata]) -> Result<Vec<Statement>, Failure> {
    let bytes: Vec<&[u8]> = statements.iter().map(|bytes| &*bytes.0).collect();
    let statements = admit_all(&node.known_keys(), &bytes)
        .map_err(|(_, refusal)| Failure::refused(format!("the statement is refused: {refusal}")))?;
    check_ballots_name_something(node, &statements)?;
    Ok(statements)
}

fn submitted(statements: &[Statement]) -> Answer {
    Answer::Submitted { ids: statements.iter().map(Statement::id).collect() }
}

/// From a peer a ballot may come before its operation; from a person it is a mistake.
fn check_ballots_name_something(node: &Node, statements: &[Statement]) -> Result<(), Failure> {
    let same_page = statements.iter().all(|statement| statement.page() == statements[0].page());
    if !same_page {
        return Err(Failure::refused("the statements are about more than one page"));
    }
    let new: Vec<Id> = statements
        .iter()
        .filter(|statement| statement.kind() != Kind::Ballot)
        .map(Statement::id)
        .collect();
    for ballot in statements.iter().filter_map(Statement::as_ballot) {
        let page = node.page(&statements[0].page());
        let is_known = |id: &Id| {
            new.contains(id)
                || page.as_ref().is_some_and(|p| p.proposal(id).is_some() || p.batch(id).is_some())
        };
        if let Some((unknown, _)) = ballot.rows.iter().find(|(id, _)| !is_known(id)) {
            return Err(match page.as_ref().and_then(|page| page.outcome(unknown)) {
                Some(outcome)
                    if report::stored(node, unknown).is_some_and(|s| s.as_batch().is_some()) =>
                {
                    Failure::refused(format!("the batch {unknown} is closed: {outcome}"))
                }
                Some(outcome) => Failure::refused(Refusal::Closed(*unknown, outcome)),
                None => Failure::not_found(format!("there is no operation {unknown} here")),
            });
        }
    }
    Ok(())
}
