//! Two nodes in one process, on disks in memory: what one has is passed to the other by hand.

use std::{
    net::Ipv4Addr,
    path::Path,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use super::*;
use crate::{
    daemon::{surroundings::Surroundings, whole::WholePage},
    governance::{
        ballot::{Ballot, Choice},
        operation::{Change, Operation, Register, SetEntry},
        presence::Presence,
        statement::Body,
    },
    key::SecretKey,
    page::{
        Page, RawPage,
        entry::{Rdata, RecordSet},
        genesis::{Parameters, RawGenesis},
        name::{Name, Owner},
        record::RecordType,
        roster_rows,
    },
    store::fake::{Bytes, FakeDisk, Names, Survival},
};

const BEGIN: u64 = 1_795_132_800;
const KEPT: Survival = Survival { bytes: Bytes::Kept, names: Names::Kept };

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

/// A node on a disk in memory; its key is made of `number`.
struct Home {
    node: Arc<Node>,
    disk: FakeDisk,
    number: u8,
    clock: Arc<AtomicU64>,
}

impl Home {
    fn on(disk: FakeDisk, number: u8, clock: &Arc<AtomicU64>) -> Home {
        let [seconds, ticks] = [clock.clone(), clock.clone()];
        let surroundings = Surroundings {
            disk: Arc::new(disk.clone()),
            milliseconds: Arc::new(move || seconds.load(Ordering::Relaxed) * 1000),
            ticks: Arc::new(move || ticks.load(Ordering::Relaxed) * 1000),
            random: Arc::new(move || [number; 32]),
            demonstration: false,
            ends_with_process: false,
        };
        let node = Node::open_in(surroundings, Path::new("/data"), "a test", &mut |_, _, _| {});
        Home { node: node.unwrap(), disk, number, clock: clock.clone() }
    }

    /// The same node started again on what its disk kept.
    fn again(&self) -> Home {
        Home::on(self.disk.reboot(KEPT), self.number, &self.clock)
    }

    fn hold(&self, raw: &RawPage) {
        let whole = WholePage { raw: raw.clone(), ..WholePage::default() };
        self.node.admit_page(whole, &mut |_, _, _| {}).unwrap();
    }

    fn page(&self, id: &Id) -> Governance {
        self.node.page(id).unwrap()
    }

    fn open(&self, id: &Id) -> Arc<Trie> {
        Ledger::held(&*self.node, id).unwrap().open
    }

    /// Alone in having the seats: four of five name it, and it seals when that is due.
    fn host(&self, id: &Id) {
        for who in 1..=4 {
            let mut presence = Presence::new(key(who).public().raw(), BEGIN + u64::from(who));
            presence.node = vec![self.node.key().raw()];
            let said = Statement::sign(id, Body::Presence(presence), &key(who)).unwrap();
            self.node.submit(&[said]).unwrap();
        }
    }

    /// Somebody proposes an address for `www`, and `voters` approve it.
    fn pass(&self, id: &Id, last: u8, voters: &[u8]) -> Vec<Statement> {
        let page = self.page(id);
        let owner = Owner::parse("www", page.page().name()).unwrap();
        let parent = page.version(&Register::Entry(owner.clone()));
        let rdata = vec![Rdata(Ipv4Addr::new(192, 0, 2, last).octets().into())];
        let sets = vec![RecordSet { rtype: RecordType::A, ttl: 60, rdata }];
        let change = Change::SetEntry(SetEntry { owner, parent, sets });
        let slot = page.free_slots(&key(1).public(), 1)[0];
        let base = page.page().seal();
        let operation = Operation { author: key(1).public().raw(), slot, base, change };
        let operation = Statement::sign(id, Body::Operation(operation), &key(1)).unwrap();
        let mut said = vec![operation.clone()];
        for voter in voters {
            said.push(ballot(id, &key(*voter), self.node.milliseconds(), operation.id()));
        }
        self.node.submit(&said).unwrap();
        said
    }

    /// The next seal above a height, with everything that it lists.
    fn sealed(&self, id: &Id) -> Sealed {
        let seal = self.page(id).page().seal();
        let record = self.node.stored(id, &seal).unwrap();
        let listed = SealRecord::decode(&record).unwrap().contents;
        let statements = listed.ids().map(|said| self.node.stored(id, said).unwrap());
        Sealed { record, statements: statements.collect() }
    }
}

fn ballot(page: &Id, voter: &SecretKey, sequence: u64, target: Id) -> Statement {
    let rows = vec![(target, Choice::Approve)];
    let ballot = Ballot { voter: voter.public().raw(), sequence, rows, reason: String::new() };
    Statement::sign(page, Body::Ballot(ballot), voter).unwrap()
}

fn found(name: &str) -> (Id, RawPage) {
    let name = Name::parse(name).unwrap();
    let roster = roster_rows((1..=5).map(|n| (key(n).public(), 1)));
    let salt = Id::hash(&[name.wire()]);
    let genesis = RawGenesis::new(name, roster, Parameters::default(), BEGIN, salt);
    let (page, raw) = Page::found(genesis, []).unwrap();
    (page.id(), raw)
}

/// Two nodes that hold one page, and the clock of both.
fn two() -> (Home, Home, Id, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(BEGIN + 100));
    let (id, raw) = found("club.ct");
    let [a, b] = [11, 12].map(|number| Home::on(FakeDisk::new(), number, &clock));
    a.hold(&raw);
    b.hold(&raw);
    (a, b, id, clock)
}

fn bytes(said: &[Statement]) -> Vec<Vec<u8>> {
    said.iter().map(|one| one.bytes().to_vec()).collect()
}

#[test]
fn what_one_node_took_in_another_takes_from_it_in_any_order_and_keeps() {
    let (a, b, id, _) = two();
    let mut said = a.pass(&id, 7, &[1, 2, 3]);
    assert_ne!(a.open(&id).root(), b.open(&id).root());
    said.reverse();
    let from = a.node.key();
    assert_eq!(b.node.admit(&id, &from, bytes(&said)), vec![Verdict::New; 4]);
    assert_eq!(b.node.admit(&id, &from, bytes(&said[1..2])), [Verdict::Known]);
    assert_eq!(a.open(&id).root(), b.open(&id).root());
    assert_eq!(a.open(&id).len(), 4);
    let again = b.again();
    for home in [&b, &again] {
        assert_eq!(home.page(&id).contents(), a.page(&id).contents());
        assert_eq!(home.page(&id).contents().len(), 1);
        for one in &said {
            assert_eq!(home.node.stored(&id, &one.id()).as_deref(), Some(one.bytes()));
        }
    }
    let rows = crate::daemon::trail::of(&again.node, &id).map_err(|f| f.message).unwrap();
    assert!(rows[1].cause.starts_with("synced from z6Mk"), "{}", rows[1].cause);
}

/// G11, N3: evidence comes as a pair, also when neither of the two counts here any more; it is stored, it is
/// there after a restart, and the log is sound.
#[test]
fn evidence_of_what_counts_no_longer_is_kept_as_a_pair() {
    for answers in [1, 2] {
        evidence_comes_in(answers);
    }
}

/// Both halves in so many answers.
fn evidence_comes_in(answers: usize) {
    let (a, b, id, _) = two();
    let said = a.pass(&id, 7, &[1]);
    let (op, from) = (said[0].id(), a.node.key());
    let two = [Id::hash(&[b"one"]), op].map(|target| ballot(&id, &key(2), 1, target));
    let newer = ballot(&id, &key(2), 2, op);
    let both = |home: &Home, said: &[Statement]| home.node.admit(&id, &from, bytes(said));
    assert!(both(&a, &[two[1].clone(), two[0].clone(), newer.clone()]).contains(&Verdict::New));
    both(&b, &said);
    both(&b, &[newer, ballot(&id, &key(2), 3, Id::hash(&[b"one"]))]);
    let parts = two.chunks(two.len() / answers);
    let verdicts: Vec<Verdict> = parts.flat_map(|part| both(&b, part)).collect();
    assert!(matches!(verdicts[..], [Verdict::NotNow(_), Verdict::New]), "{verdicts:?}");
    let again = b.again();
    for home in [&b, &again] {
        assert_eq!(home.page(&id).evidence().count(), 1);
        for one in &two {
            assert!(home.open(&id).get(&one.id()).is_some());
            assert_eq!(home.node.stored(&id, &one.id()).as_deref(), Some(one.bytes()));
        }
    }
    assert!(crate::daemon::trail::of(&again.node, &id).is_ok());
}

/// N6 accepts: a participant's statement of a page that is held.
/// N6 refuses: statements of pages that are not held, of who takes no part, and of another page.
#[test]
fn who_breaks_bytes_is_at_fault_and_who_is_early_is_not() {
    let (a, b, id, _) = two();
    let said = a.pass(&id, 7, &[1]);
    let from = a.node.key();
    let is_fault =
        |bytes: Vec<u8>| matches!(b.node.admit(&id, &from, vec![bytes])[..], [Verdict::Fault(_)]);
    let is_not_now = |page: &Id, said: &Statement| {
        matches!(
            b.node.admit(page, &from, bytes(std::slice::from_ref(said)))[..],
            [Verdict::NotNow(_)]
        )
    };
    let mut broken = said[0].bytes().to_vec();
    *broken.last_mut().unwrap() ^= 1;
    assert!(is_fault(broken));
    assert!(is_fault(b"no statement".to_vec()));
    assert!(is_fault(Vec::new()));
    let (other, _) = found("other.ct");
    let elsewhere = ballot(&other, &key(1), 1, id);
    assert!(is_fault(elsewhere.bytes().to_vec()));
    assert!(is_not_now(&other, &elsewhere));
    assert!(is_not_now(&id, &ballot(&id, &key(99), 1, said[0].id())));
    assert_eq!(b.open(&id).len(), 0);
    assert_eq!(b.node.admit(&id, &from, bytes(&said)), vec![Verdict::New; 2]);
}

#[test]
fn seals_are_followed_with_what_they_list_and_the_log_leads_to_them() {
    let (a, b, id, clock) = two();
    a.host(&id);
    assert_eq!(a.page(&id).page().height(), 1);
    let first = a.sealed(&id);
    let from = a.node.key();
    // The page went on: what the second seal lists came before the first was known.
    clock.fetch_add(61, Ordering::Relaxed);
    a.pass(&id, 7, &[1, 2, 3]);
    assert_eq!(a.page(&id).page().height(), 2);
    let second = a.sealed(&id);
    let not_now = b.node.follow(&id, &from, vec![second.clone()]);
    assert!(matches!(not_now, Err(Refused::NotNow(_))), "{not_now:?}");
    let bare = Sealed { statements: Vec::new(), ..first.clone() };
    let lacks = b.node.follow(&id, &from, vec![bare]);
    assert!(matches!(lacks, Err(Refused::NotNow(_))), "{lacks:?}");
    let mut broken = first.clone();
    *broken.record.last_mut().unwrap() ^= 1;
    let fault = b.node.follow(&id, &from, vec![broken]);
    assert!(matches!(fault, Err(Refused::Fault(_))), "{fault:?}");
    assert_eq!(b.node.follow(&id, &from, vec![first.clone(), second]), Ok(2));
    assert!(matches!(b.node.follow(&id, &from, vec![first]), Err(Refused::NotNow(_))));
    let again = b.again();
    for home in [&b, &again] {
        assert_eq!(home.page(&id).page().head(), a.page(&id).page().head());
        assert_eq!(home.page(&id).contents(), a.page(&id).contents());
        let whole = home.node.read_whole(&id).unwrap();
        let founded = Governance::new(Page::admit(&whole.raw, &mut |_| {}).unwrap());
        let replayed = whole.replay(founded, Check::Full, &mut |_, _, _| {}).unwrap();
        assert_eq!(replayed.page().state_root(), a.page(&id).page().state_root());
    }
}

/// T7: a seal of the future is nobody's fault, and is not taken in.
#[test]
fn a_seal_that_is_not_due_is_not_followed() {
    let (a, b, id, clock) = two();
    clock.fetch_add(3600, Ordering::Relaxed);
    a.host(&id);
    let sealed = a.sealed(&id);
    clock.fetch_sub(3600, Ordering::Relaxed);
    let refused = b.node.follow(&id, &a.node.key(), vec![sealed.clone()]);
    assert!(matches!(refused, Err(Refused::NotNow(_))), "{refused:?}");
    clock.fetch_add(3600, Ordering::Relaxed);
    assert_eq!(b.node.follow(&id, &a.node.key(), vec![sealed]), Ok(1));
}

#[test]
fn a_node_that_was_set_back_follows_its_own_seals() {
    let (a, b, id, clock) = two();
    a.host(&id);
    assert_eq!(b.node.follow(&id, &a.node.key(), vec![a.sealed(&id)]), Ok(1));
    let backup = a.disk.reboot(KEPT);
    clock.fetch_add(61, Ordering::Relaxed);
    a.pass(&id, 7, &[1, 2, 3]);
    let newest = a.sealed(&id);
    assert_eq!(b.node.follow(&id, &a.node.key(), vec![newest.clone()]), Ok(1));
    let restored = Home::on(backup, 11, &clock);
    assert_eq!(restored.page(&id).page().height(), 1);
    assert_eq!(restored.node.follow(&id, &b.node.key(), vec![newest]), Ok(1));
    assert_eq!(restored.page(&id).page().head(), b.page(&id).page().head());
}

/// T4: two seals at one height, truly signed, are evidence, and the page goes no further.
#[test]
fn evidence_of_a_fork_is_checked_and_kept() {
    let (a, b, id, clock) = two();
    a.host(&id);
    let twin = Home::on(a.disk.reboot(KEPT), 11, &clock);
    assert_eq!(b.node.follow(&id, &a.node.key(), vec![a.sealed(&id)]), Ok(1));
    clock.fetch_add(61, Ordering::Relaxed);
    a.pass(&id, 7, &[1, 2, 3]);
    twin.pass(&id, 8, &[1, 2, 3]);
    let [ours, theirs] = [&a, &twin].map(|home| home.sealed(&id));
    let from = a.node.key();
    assert_eq!(b.node.follow(&id, &from, vec![ours.clone()]), Ok(1));
    let record = |sealed: &Sealed| SealRecord::decode(&sealed.record).unwrap();
    assert_eq!(b.node.forks(&id, &from, vec![record(&ours)]), [Verdict::Known]);
    let mut forged = record(&theirs);
    forged.seal.time += 1;
    assert!(matches!(b.node.forks(&id, &from, vec![forged])[..], [Verdict::Fault(_)]));
    let evidence = record(&theirs);
    let found = [evidence.clone(), evidence.clone()];
    assert_eq!(b.node.forks(&id, &from, found.to_vec()), [Verdict::New, Verdict::Known]);
    let again = b.again();
    for home in [&b, &again] {
        let held = Ledger::held(&*home.node, &id).unwrap();
        assert_eq!(held.forks.records(), std::slice::from_ref(&evidence));
        assert_eq!(home.node.stored(&id, &evidence.seal.id()), Some(evidence.encode()));
        assert!(held.open.get(&evidence.seal.id()).is_some());
        clock.fetch_add(1, Ordering::Relaxed);
        let said = a.pass(&id, home.number + u8::from(Arc::ptr_eq(&home.node, &b.node)), &[1]);
        let verdicts = home.node.admit(&id, &from, bytes(&said));
        assert!(matches!(verdicts[..], [Verdict::NotNow(_), Verdict::NotNow(_)]), "{verdicts:?}");
    }
}

#[test]
fn whoever_listens_is_told_of_every_change() {
    let (a, b, id, _) = two();
    let heard = Arc::new(AtomicUsize::new(0));
    let count = heard.clone();
    let listener = move |page: &Id| {
        assert_eq!(*page, id);
        count.fetch_add(1, Ordering::Relaxed);
    };
    assert!(b.node.on_change(Box::new(listener)));
    assert!(!b.node.on_change(Box::new(|_| {})));
    let said = a.pass(&id, 7, &[1, 2]);
    b.node.admit(&id, &a.node.key(), bytes(&said));
    assert_eq!(heard.load(Ordering::Relaxed), 1);
    b.node.admit(&id, &a.node.key(), bytes(&said));
    assert_eq!(heard.load(Ordering::Relaxed), 1, "nothing was new");
}

mod evicted;
mod forks;
mod room;
mod steps;
mod street;
