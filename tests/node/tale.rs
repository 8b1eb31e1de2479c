//! A page in virtual time: founded, changed, voted on and sealed by one node, without any disk.
//!
//! What was said on it, in order, is a bundle, or the log of a node.

use djdns::{
    governance::{
        Governance,
        ballot::{Ballot, Choice},
        operation::{Change, Operation, SetEntry},
        presence::Presence,
        seal::SealRecord,
        statement::{Body, Statement},
    },
    id::{Id, Kind},
    key::SecretKey,
    page::{RawPage, bundle, entry::Rdata},
};

use super::home::{found, key, owner, sets};

/// A page and all that was said on it.
#[derive(Clone)]
pub struct Tale {
    pub page: Governance,
    raw: RawPage,
    pub said: Vec<(u8, Vec<u8>)>,
    /// The node that seals for everybody.
    node: SecretKey,
}

impl Tale {
    /// A page of five equals whose seats this node holds.
    pub fn of(name: &str, node: &SecretKey) -> Tale {
        let (page, raw) = found(name, "@ 60 A 192.0.2.1\n", "a tale");
        let page = Governance::new(page);
        let mut tale = Tale { page, raw, said: Vec::new(), node: node.clone() };
        (1..=5).for_each(|who| tale.host(who));
        tale
    }

    pub fn id(&self) -> Id {
        self.page.page().id()
    }

    /// Says something on the page.
    pub fn say(&mut self, statement: &Statement) {
        self.page.admit(statement).unwrap();
        self.said.push((statement.kind() as u8, statement.bytes().to_vec()));
    }

    fn host(&mut self, who: u8) {
        let author = key(who).public();
        let mut presence = Presence::new(author.raw(), self.page.next_presence(&author));
        presence.node = vec![self.node.public().raw()];
        let said = Statement::sign(&self.id(), Body::Presence(presence), &key(who)).unwrap();
        self.say(&said);
    }

    /// A change of one address that two approve.
    pub fn pass(&mut self, at: &str, last: u8) -> Id {
        let page = self.page.page();
        let name = page.name().to_string();
        let owner = owner(at, &name);
        let sets = sets(at, &name, &[&format!("60 A 192.0.2.{last}")]).into_vec();
        let parent = page.version(&owner);
        let change = Change::SetEntry(SetEntry { owner, parent, sets });
        let author = key(1).public();
        let slot =
            self.page.free_slots_at(&author, &author, &self.page.page().seal(), [1, 0])[0][0];
        let operation = Operation { author: author.raw(), slot, base: page.seal(), change };
        let said = Statement::sign(&page.id(), Body::Operation(operation), &key(1)).unwrap();
        let id = said.id();
        self.say(&said);
        [1, 2].iter().for_each(|who| self.vote(*who, id, Choice::Approve));
        id
    }

    /// Three changes of one address by one author in one slot, which is evidence against it (G11); only evidence
    /// holds the last.
    pub fn three_in_one_slot(&mut self, at: &str) -> [Id; 3] {
        let page = self.page.page().clone();
        let name = page.name().to_string();
        let author = key(2).public();
        let slot = self.page.free_slots_at(&author, &author, &page.seal(), [1, 0])[0][0];
        let mut all = [1, 2, 3].map(|last| {
            let owner = owner(at, &name);
            let sets = sets(at, &name, &[&format!("60 A 192.0.2.{last}")]).into_vec();
            let change = SetEntry { parent: page.version(&owner), owner, sets };
            let (author, base) = (author.raw(), page.seal());
            let operation = Operation { author, slot, base, change: Change::SetEntry(change) };
            Statement::sign(&page.id(), Body::Operation(operation), &key(2)).unwrap()
        });
        // Of all pairs that with the smallest ids is kept.
        all.sort_by_key(|said| std::cmp::Reverse(said.id()));
        all.iter().for_each(|said| self.say(said));
        all.map(|said| said.id())
    }

    pub fn vote(&mut self, who: u8, on: Id, choice: Choice) {
        let voter = key(who).public();
        let sequence = self.page.next_sequence(&voter);
        let rows = vec![(on, choice)];
        let ballot = Ballot { voter: voter.raw(), sequence, rows, reason: String::new() };
        self.say(&Statement::sign(&self.id(), Body::Ballot(ballot), &key(who)).unwrap());
    }

    /// The next seal, an hour later.
    pub fn seal(&mut self) -> SealRecord {
        self.seal_at(self.page.page().head().time + 3600)
    }

    /// The next seal, at this time.
    pub fn seal_at(&mut self, clock: u64) -> SealRecord {
        let (record, _) = self.page.seal_alone(&self.node, clock).unwrap();
        let said = self.page.said();
        let sealed = self.page.admit_seal(&record, &|id| said.get(id).cloned()).unwrap();
        self.page = sealed.0;
        self.said.push((Kind::Seal as u8, record.encode()));
        record
    }

    /// The id of the seal at this height.
    pub fn said_seal(&self, height: u64) -> String {
        let seals = self.said.iter().filter(|(kind, _)| *kind == Kind::Seal as u8);
        let mut seals = seals.map(|(_, bytes)| SealRecord::decode(bytes).unwrap().seal);
        seals.find(|seal| seal.height == height).unwrap().id().to_string()
    }

    /// The records of a bundle, in order.
    pub fn records(&self) -> Vec<(u8, Vec<u8>)> {
        let entries: Vec<Rdata> = self.raw.entries.iter().cloned().map(Rdata).collect();
        let founded = [
            (Kind::Genesis as u8, self.raw.genesis.clone()),
            (bundle::ENTRIES, bundle::write_entries(&entries)),
        ];
        founded.into_iter().chain(self.said.iter().cloned()).collect()
    }

    pub fn bundle(&self) -> Vec<u8> {
        write(&self.records())
    }
}

/// A bundle file of these records.
pub fn write(records: &[(u8, Vec<u8>)]) -> Vec<u8> {
    bundle::write(records.iter().map(|(kind, bytes)| (*kind, &bytes[..]))).unwrap()
}
