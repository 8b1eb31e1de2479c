//! The pages of a node in memory: a [`Ledger`] that judges by the same doors as the daemon.

use std::{
    cell::{RefCell, RefMut},
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
};

use super::super::{
    Held, Ledger, Refused, Sealed, Stashed, Verdict, message::PetitionAnswer, open_set,
};
use crate::{
    beacon::{Beacon, Verified, beacons_of},
    governance::{
        Governance, Refusal,
        attest::Attestation,
        chain::ladder::Ladder,
        field::Field,
        forks::Forks,
        jump::{Snapshot, Window},
        seal::SealRecord,
        sealing::SealRefusal,
        statement::Statement,
    },
    id::{Id, Kind},
    key::{PublicKey, SecretKey},
    page::{Head, Page, genesis::Genesis, trie::Trie},
};

pub struct Shelf {
    me: PublicKey,
    books: RefCell<BTreeMap<Id, Volume>>,
    /// Open sets, as long as nothing changes.
    opens: RefCell<BTreeMap<Id, Arc<Trie>>>,
    stash: RefCell<BTreeMap<Id, Stash>>,
    pub now: RefCell<u64>,
    /// How often leaves were kept, and how often seals and snapshots were taken.
    pub counts: RefCell<Counts>,
}

/// A genesis, and leaves.
type Stash = (Option<Vec<u8>>, BTreeMap<Id, Vec<u8>>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub leaves: usize,
    pub seals: usize,
    pub snapshots: usize,
}

#[derive(Clone)]
struct Volume {
    governance: Governance,
    ladder: Ladder,
    field: Field,
    forks: Arc<Forks>,
    /// Everything that was taken in, by its id.
    log: BTreeMap<Id, Vec<u8>>,
    /// The page at each height that it had.
    past: BTreeMap<u64, Governance>,
    /// What it was taken over with.
    window: Window,
}

impl Volume {
    fn new(governance: Governance, ladder: Ladder) -> Volume {
        let past = BTreeMap::from([(governance.page().height(), governance.clone())]);
        let (field, forks, log, window) = Default::default();
        Volume { governance, ladder, field, forks, log, past, window }
    }

    fn find(&self, id: &Id) -> Option<Statement> {
        self.log.get(id).and_then(|bytes| Statement::reopen(bytes).ok())
    }

    fn window(&self) -> Window {
        let seal = |id: &Id| {
            let record = self.log.get(id).and_then(|bytes| SealRecord::decode(bytes).ok());
            let earlier = || self.window.seals.iter().find(|(seal, _)| seal.id() == *id).cloned();
            record.map(|record| (record.seal, record.contents)).or_else(earlier)
        };
        let order = |id: &Id| {
            let mut earlier = self.window.orders.iter();
            let earlier =
                || earlier.find_map(|o| Statement::reopen(&o.0).ok().filter(|o| o.id() == *id));
            self.find(id).or_else(earlier)
        };
        Window::gather(self.governance.page(), &seal, &order)
    }

    fn take_seal(&mut self, record: &SealRecord) -> Result<(), SealRefusal> {
        let (next, _) = self.governance.admit_seal(record, &|id| self.find(id))?;
        self.ladder = self.ladder.climbed(record, self.governance.page(), next.page());
        self.governance = next;
        self.field.sealed(&self.governance, &record.seal, &record.certificate);
        self.log.insert(record.seal.id(), record.encode());
        self.past.insert(record.seal.height, self.governance.clone());
        Ok(())
    }
}

impl Shelf {
    pub fn new(me: PublicKey) -> Shelf {
        let (books, opens, stash, now, counts) = Default::default();
        Shelf { me, books, opens, stash, now, counts }
    }

    fn change(&self) -> RefMut<'_, BTreeMap<Id, Volume>> {
        self.opens.borrow_mut().clear();
        self.books.borrow_mut()
    }

    pub fn put(&self, governance: &Governance) {
        let ladder = Ladder::new(governance.page());
        let volume = Volume::new(governance.clone(), ladder);
        self.change().insert(governance.page().id(), volume);
    }

    /// Copies a page with all that is known of it.
    pub fn copy(&self, from: &Shelf, page: &Id) {
        let volume = from.books.borrow()[page].clone();
        self.change().insert(*page, volume);
    }

    pub fn page(&self, page: &Id) -> Governance {
        self.books.borrow()[page].governance.clone()
    }

    pub fn has(&self, page: &Id) -> bool {
        self.books.borrow().contains_key(page)
    }

    pub fn forks_of(&self, page: &Id) -> usize {
        self.books.borrow()[page].forks.evidence().count()
    }

    /// Somebody says something here.
    pub fn say(&self, statement: &Statement) {
        let verdicts = self.admit(&statement.page(), &self.me, vec![statement.bytes().to_vec()]);
        assert_eq!(verdicts, [Verdict::New]);
    }

    /// Says something that may not count any more.
    pub fn hear(&self, statement: &Statement) {
        self.admit(&statement.page(), &self.me, vec![statement.bytes().to_vec()]);
    }

    pub fn attest(&self, page: &Id, node: &SecretKey, now: u64) {
        let said = self.books.borrow()[page].field.attest(&self.page(page), node, now);
        assert_eq!(self.admit(page, &self.me, vec![said.bytes().to_vec()]), [Verdict::New]);
    }

    /// The node seals what there is.
    pub fn seal(&self, page: &Id, node: &SecretKey, clock: u64) -> SealRecord {
        let mut books = self.change();
        let volume = books.get_mut(page).unwrap();
        let (record, _) = volume.governance.seal_alone(node, clock).unwrap();
        volume.take_seal(&record).unwrap();
        record
    }

    fn take(&self, page: &Id, bytes: &[u8]) -> Verdict {
        let mut books = self.change();
        let Some(volume) = books.get_mut(page) else {
            return Verdict::NotNow("not held".to_owned());
        };
        if volume.forks.is_open() {
            return Verdict::NotNow("forked".to_owned());
        }
        if bytes.get(1) == Some(&(Kind::Attestation as u8)) {
            let said = match Attestation::admit(bytes) {
                Ok(said) => said,
                Err(why) => return Verdict::Fault(why.to_string()),
            };
            let taken = volume.field.take(&volume.governance, &said, *self.now.borrow());
            return match taken {
                Ok(true) => Verdict::New,
                Ok(false) => Verdict::Known,
                Err(why) => Verdict::NotNow(why.to_string()),
            };
        }
        let statement = match Statement::admit(bytes) {
            Ok(statement) => statement,
            Err(why) => return Verdict::Fault(why.to_string()),
        };
        match volume.governance.admit(&statement) {
            Ok(_) => {
                let joined = volume.governance.take_joined();
                let joined = joined.map(|joined| (joined.id(), joined.bytes().to_vec()));
                volume.log.extend(joined);
                volume.log.insert(statement.id(), bytes.to_vec());
                Verdict::New
            }
            Err(Refusal::Known) => Verdict::Known,
            Err(why @ Refusal::OtherPage(_)) => Verdict::Fault(why.to_string()),
            Err(why) => Verdict::NotNow(why.to_string()),
        }
    }

    fn take_fork(&self, page: &Id, record: SealRecord) -> Verdict {
        let mut books = self.change();
        let Some(volume) = books.get_mut(page) else {
            return Verdict::NotNow("not held".to_owned());
        };
        let (id, height) = (record.seal.id(), record.seal.height);
        let ours = volume.past.get(&height).map(|page| page.page().seal());
        if ours == Some(id) || volume.forks.has(&id) {
            return Verdict::Known;
        }
        let Some(below) = volume.past.get(&(height - 1)).filter(|_| ours.is_some()) else {
            return Verdict::NotNow("nothing is known of that height".to_owned());
        };
        let sealed = |key: &PublicKey| below.sealed_presence(key).cloned();
        if let Err(why) = record.certificate.check(&record.seal, below.page(), &sealed) {
            return Verdict::Fault(why.to_string());
        }
        volume.log.insert(id, record.encode());
        Arc::make_mut(&mut volume.forks).keep(&record);
        Verdict::New
    }
}

impl Ledger for Shelf {
    fn me(&self) -> PublicKey {
        self.me
    }

    fn pages(&self) -> Vec<Id> {
        self.books.borrow().keys().copied().collect()
    }

    fn held(&self, page: &Id) -> Option<Held> {
        let books = self.books.borrow();
        let volume = books.get(page).filter(|v| !v.governance.page().is_demonstration())?;
        let mut opens = self.opens.borrow_mut();
        let open = opens.entry(*page).or_insert_with(|| {
            let forks = volume.forks.open().map(|fork| fork.seal.height);
            let held = forks.filter_map(|height| volume.past.get(&height));
            let held = held.map(|page| page.page().seal());
            Arc::new(open_set(&volume.governance, &volume.field, &volume.forks, held))
        });
        Some(Held {
            governance: volume.governance.clone(),
            ladder: volume.ladder.clone(),
            forks: volume.forks.clone(),
            open: open.clone(),
        })
    }

    fn beacons(&self, page: &Id) -> Vec<Beacon> {
        let books = self.books.borrow();
        let volume = books.get(page);
        volume.map_or_else(Vec::new, |v| beacons_of(&v.governance, &mut Verified::default()))
    }

    fn stored(&self, page: &Id, id: &Id) -> Option<Vec<u8>> {
        let books = self.books.borrow();
        let volume = books.get(page)?;
        // What nodes attest is in no log: of each the newest is held.
        let attested = volume.field.statements().get(id).map(|said| said.bytes().to_vec());
        attested.or_else(|| volume.log.get(id).cloned())
    }

    fn window(&self, page: &Id) -> Option<Window> {
        Some(self.books.borrow().get(page)?.window())
    }

    fn admit(&self, page: &Id, _: &PublicKey, statements: Vec<Vec<u8>>) -> Vec<Verdict> {
        statements.iter().map(|bytes| self.take(page, bytes)).collect()
    }

    fn follow(&self, page: &Id, _: &PublicKey, seals: Vec<Sealed>) -> Result<usize, Refused> {
        let mut books = self.change();
        let Some(volume) = books.get_mut(page) else {
            return Err(Refused::NotNow("not held".to_owned()));
        };
        for (taken, sealed) in seals.iter().enumerate() {
            let record = SealRecord::decode(&sealed.record).unwrap();
            for bytes in &sealed.statements {
                let statement = Statement::admit(bytes).unwrap();
                volume.log.insert(statement.id(), bytes.clone());
            }
            let refused = match volume.take_seal(&record) {
                Ok(()) => {
                    self.counts.borrow_mut().seals += 1;
                    continue;
                }
                Err(
                    why @ (SealRefusal::Height { .. }
                    | SealRefusal::Previous { .. }
                    | SealRefusal::Missing(_)),
                ) => Refused::NotNow(why.to_string()),
                Err(why) => Refused::Fault(why.to_string()),
            };
            return if taken > 0 { Ok(taken) } else { Err(refused) };
        }
        Ok(seals.len())
    }

    fn adopt(&self, snapshot: Snapshot) -> Result<(), Refused> {
        let fault = |why: String| Refused::Fault(why);
        let genesis = Genesis::decode(&snapshot.genesis).map_err(|why| fault(why.to_string()))?;
        let id = genesis.id();
        let mut books = self.change();
        let window = snapshot.window.clone();
        let mut next = if let Some(volume) = books.get(&id) {
            let (page, _) =
                volume.governance.jumped(&snapshot).map_err(|why| fault(why.to_string()))?;
            let ladder =
                volume.ladder.jumped(volume.governance.page(), &snapshot.proofs, page.page());
            let ladder = ladder.map_err(|why| fault(why.to_string()))?;
            let mut next = Volume::new(page, ladder);
            next.log = volume.log.clone();
            next.past.extend(volume.past.clone());
            next
        } else if snapshot.proofs.is_empty() {
            let head = Head { height: 0, seal: id, time: genesis.raw().created };
            let root = genesis.raw().state_root;
            let page = Page::at_seal(Arc::new(genesis), head, &root, snapshot.state.clone());
            let page = Governance::new(page.map_err(|why| fault(why.to_string()))?);
            let ladder = Ladder::new(page.page());
            Volume::new(page, ladder)
        } else {
            let page =
                Governance::from_snapshot(&snapshot).map_err(|why| fault(why.to_string()))?;
            let ladder = Ladder::of_snapshot(&genesis, &snapshot.proofs, page.page());
            Volume::new(page, ladder)
        };
        next.window = window;
        self.counts.borrow_mut().snapshots += 1;
        books.insert(id, next);
        self.stash.borrow_mut().remove(&id);
        Ok(())
    }

    fn stash(
        &self,
        page: &Id,
        genesis: Option<&[u8]>,
        leaves: &[(Id, Vec<u8>)],
    ) -> Result<(), String> {
        let mut stash = self.stash.borrow_mut();
        let row = stash.entry(*page).or_default();
        if let Some(genesis) = genesis {
            row.0 = Some(genesis.to_vec());
        }
        self.counts.borrow_mut().leaves += leaves.len();
        row.1.extend(leaves.iter().cloned());
        Ok(())
    }

    fn stashed(&self, page: &Id) -> Stashed {
        let (genesis, leaves) = self.stash.borrow().get(page).cloned().unwrap_or_default();
        let pairs = leaves.into_iter().map(|(key, value)| (key, value.into()));
        Stashed { genesis, leaves: Trie::from_pairs(pairs) }
    }

    fn forks(&self, page: &Id, _: &PublicKey, evidence: Vec<SealRecord>) -> Vec<Verdict> {
        evidence.into_iter().map(|record| self.take_fork(page, record)).collect()
    }

    fn petition(&self, from: SocketAddr, _: &[u8]) -> PetitionAnswer {
        PetitionAnswer::NotTaken(from.to_string())
    }

    fn fate(&self, _: &Id, petition: &Id) -> PetitionAnswer {
        PetitionAnswer::Unknown(*petition)
    }
}
