//! Stories of an inbox in virtual time, its quotas, and the bounds that hold whatever comes.

use std::{net::Ipv4Addr, sync::OnceLock};

use proptest::prelude::*;

use super::*;
use crate::{
    governance::{
        operation::{Operation, SetEntry},
        petition::{Asking, Refusing},
        statement::Body,
    },
    key::SecretKey,
    page::{
        entry::RecordSet,
        name::{Name, Owner},
        record::RecordType,
    },
};

const DAY: u64 = 24 * 3600;
const LIFE: u64 = 14 * DAY;
/// When the stories begin.
const START: u64 = 1_700_000_000;

fn page() -> Id {
    Id::hash(&[b"a page"])
}

fn key(n: u16) -> SecretKey {
    let mut seed = [7; 32];
    seed[..2].copy_from_slice(&n.to_be_bytes());
    SecretKey::from_seed(&seed)
}

fn owner() -> Owner {
    Owner::parse("friend", &Name::parse("ff.ct").unwrap()).unwrap()
}

fn sets(last: u8) -> Vec<RecordSet> {
    vec![RecordSet { rtype: RecordType::A, ttl: 60, rdata: vec![Rdata([192, 0, 2, last].into())] }]
}

/// The `number`-th petition of a key, made at `created`.
fn petition(by: u16, number: u8, created: u64) -> Petition {
    let author = key(by).public().raw();
    let asking =
        Asking { author, owner: owner(), sets: sets(number), created, words: String::new() };
    Petition::sign(&page(), &asking, &key(by)).unwrap()
}

fn from(last: u8) -> Source {
    Source::Address(Ipv4Addr::new(192, 0, 2, last).into())
}

fn refusal(petition: &Id) -> Refusal {
    let participant = key(1000);
    let said = Refusing {
        participant: participant.public().raw(),
        petition: *petition,
        words: "no".to_owned(),
    };
    Refusal::sign(&page(), &said, &participant).unwrap()
}

/// An operation that proposes `sets` at the owner that is asked for.
fn operation(sets: Vec<RecordSet>) -> Statement {
    let author = key(1000);
    let change = Change::SetEntry(SetEntry { owner: owner(), parent: Id::ZERO, sets });
    let operation = Operation { author: author.public().raw(), slot: 0, base: page(), change };
    Statement::sign(&page(), Body::Operation(operation), &author).unwrap()
}

fn fate(inbox: &Inbox, petition: &Petition, now: u64) -> Fate {
    inbox.row(&petition.id()).unwrap().fate(now)
}

/// G13 accepts: a petition that is taken up, or refused, and then stays so.
/// G13 refuses: a second decision, an operation that proposes something else, and the same
/// petition again.
#[test]
fn a_petition_waits_until_it_is_taken_up_or_refused() {
    let mut inbox = Inbox::default();
    let (one, two) = (petition(1, 1, START), petition(1, 2, START));
    for petition in [&one, &two] {
        assert_eq!(inbox.admit(petition.clone(), Source::Local, START), Ok(vec![]));
        assert_eq!(fate(&inbox, petition, START), Fate::Waiting);
    }
    let again = inbox.admit(one.clone(), from(1), START);
    assert_eq!(again, Err(InboxRefusal::Known("waiting")));
    let other = inbox.take_up(&one.id(), &operation(sets(9)), START);
    assert_eq!(other, Err(InboxRefusal::OtherThanAsked));
    let operation = operation(sets(1));
    inbox.take_up(&one.id(), &operation, START).unwrap();
    assert_eq!(fate(&inbox, &one, START + 2 * LIFE), Fate::TakenUp(operation.id()));
    inbox.refuse(refusal(&two.id()), START).unwrap();
    assert_eq!(fate(&inbox, &two, START), Fate::Refused(refusal(&two.id())));
    let taken = inbox.take_up(&two.id(), &operation, START);
    assert_eq!(taken, Err(InboxRefusal::Decided("refused")));
    assert_eq!(inbox.refuse(refusal(&one.id()), START), Err(InboxRefusal::Decided("taken up")));
    assert_eq!(inbox.refuse(refusal(&Id::ZERO), START), Err(InboxRefusal::Unknown(Id::ZERO)));
}

#[test]
fn rows_are_listed_as_they_came_kept_by_others_and_dropped() {
    let mut inbox = Inbox::default();
    let all = [3, 1, 2].map(|n| petition(n, 1, START));
    for (later, petition) in all.iter().enumerate() {
        inbox.admit(petition.clone(), Source::Local, START + later as u64).unwrap();
    }
    let listed =
        |inbox: &Inbox| inbox.rows().iter().map(|row| row.petition.id()).collect::<Vec<_>>();
    assert_eq!(listed(&inbox), all.each_ref().map(Petition::id));
    let mut copy = Inbox::default();
    inbox.rows().into_iter().for_each(|row| copy.restore(row.clone()));
    assert_eq!(listed(&copy), listed(&inbox));
    copy.remove(&all[1].id());
    assert_eq!(listed(&copy), [all[0].id(), all[2].id()]);
}

/// G13 accepts: a decision in the last second.
/// G13 refuses: one after 14 days, a petition that is older than that, and one from the future.
#[test]
fn a_petition_expires_14_days_after_it_came() {
    let mut inbox = Inbox::default();
    let one = petition(1, 1, START);
    // A week on paper; its 14 days begin when it comes.
    let came = START + 7 * DAY;
    inbox.admit(one.clone(), Source::Local, came).unwrap();
    let check = |now: u64, expect: Fate| assert_eq!(fate(&inbox, &one, now), expect);
    check(came + LIFE - 1, Fate::Waiting);
    check(came + LIFE, Fate::Expired);
    check(0, Fate::Waiting);
    let late = inbox.refuse(refusal(&one.id()), came + LIFE);
    assert_eq!(late, Err(InboxRefusal::Decided("expired")));
    let check = |created: u64, now: u64, expect: Result<(), InboxRefusal>| {
        let admitted = Inbox::default().admit(petition(1, 1, created), Source::Local, now);
        assert_eq!(admitted.map(drop), expect, "{created} at {now}");
    };
    check(START, START + LIFE - 1, Ok(()));
    check(START, START + LIFE, Err(InboxRefusal::TooOld(LIFE)));
    check(START + 3599, START, Ok(()));
    check(START + 3600, START, Ok(()));
    check(START + 3601, START, Err(InboxRefusal::FromTheFuture(3601)));
    check(u64::MAX, START, Err(InboxRefusal::FromTheFuture(u64::MAX - START)));
}

/// P5 accepts: as many petitions as the quota of a key, of an address, and of an inbox.
/// P5 refuses: one more.
#[test]
fn as_many_petitions_wait_as_their_quotas_allow() {
    let mut inbox = Inbox::default();
    let max = PETITIONS_PER_KEY_MAX as u8;
    for n in 0..=max {
        let admitted = inbox.admit(petition(1, n, START), Source::Local, START);
        assert_eq!(admitted.is_ok(), n < max, "{n} of one key: {admitted:?}");
    }
    inbox.refuse(refusal(&petition(1, 0, START).id()), START).unwrap();
    inbox.admit(petition(1, max, START), Source::Local, START).unwrap();
    let after = inbox.admit(petition(1, max + 1, START + LIFE), Source::Local, START + LIFE);
    assert_eq!(after, Ok(vec![]), "what expired waits no longer");

    let mut inbox = Inbox::default();
    let max = PETITIONS_PER_ADDRESS_MAX as u16;
    for n in 0..=max {
        let admitted = inbox.admit(petition(n, 0, START), from(1), START);
        assert_eq!(admitted.is_ok(), n < max, "{n} from one address: {admitted:?}");
    }
    inbox.admit(petition(max, 0, START), from(2), START).unwrap();
    for n in max + 1..3 * max {
        inbox.admit(petition(n, 0, START), Source::Local, START).unwrap();
    }
}

#[test]
fn an_address_is_one_of_ipv4_or_a_64_of_ipv6() {
    let group = |address: &str| Source::Address(address.parse().unwrap()).group();
    assert_eq!(group("2001:db8::1"), group("2001:db8::ffff:1:2:3"));
    assert_ne!(group("2001:db8::1"), group("2001:db8:0:1::1"));
    assert_ne!(group("192.0.2.1"), group("192.0.2.2"));
    assert_eq!(group("192.0.2.1"), group("::ffff:192.0.2.1"));
    assert_eq!(Source::Local.group(), None);
}

/// P5 refuses: another petition where a thousand wait; what waits is never dropped.
#[test]
fn a_full_inbox_drops_what_expired_first_and_then_what_was_decided() {
    let mut inbox = Inbox::default();
    let number = |n: usize| petition(n as u16, 0, START);
    for n in 0..PETITIONS_MAX {
        let now = START + n as u64;
        assert_eq!(inbox.admit(number(n), Source::Local, now), Ok(vec![]), "{n}");
    }
    let now = START + DAY;
    let more = inbox.admit(number(PETITIONS_MAX), Source::Local, now);
    assert_eq!(more, Err(InboxRefusal::Full));
    for n in [7, 3] {
        inbox.refuse(refusal(&number(n).id()), now).unwrap();
    }
    let dropped = inbox.admit(number(PETITIONS_MAX), Source::Local, now);
    assert_eq!(dropped, Ok(vec![number(3).id()]), "the oldest that is decided");
    // The first three are past their days: they go before the decided one that is younger.
    let (now, fresh) = (START + LIFE + 2, |n| petition(n, 0, START + LIFE));
    for (by, expect) in [(2000, 0), (2001, 1), (2002, 2), (2003, 7)] {
        let dropped = inbox.admit(fresh(by), Source::Local, now);
        assert_eq!(dropped, Ok(vec![number(expect).id()]));
    }
    assert_eq!(inbox.admit(fresh(2004), Source::Local, now), Err(InboxRefusal::Full));
}

#[test]
fn the_largest_petition_is_kept_with_the_longest_refusal() {
    let large = |bytes: usize| {
        let (author, rdata) = (key(1).public().raw(), vec![Rdata(vec![0; bytes].into())]);
        let sets = vec![RecordSet { rtype: RecordType(65_400), ttl: 60, rdata }];
        let words = "x".repeat(REASON_BYTES_MAX);
        let asking = Asking { author, owner: owner(), sets, created: START, words };
        Petition::sign(&page(), &asking, &key(1)).ok()
    };
    let petition = (0..PETITION_BYTES_MAX).rev().find_map(large).unwrap();
    assert!(petition.bytes().len() > PETITION_BYTES_MAX);
    let participant = key(1000);
    let said = Refusing {
        participant: participant.public().raw(),
        petition: petition.id(),
        words: "x".repeat(REASON_BYTES_MAX),
    };
    let verdict = Verdict::Refused(Refusal::sign(&page(), &said, &participant).unwrap());
    let row = Row { petition, source: v6(), received: u64::MAX, verdict: Some(verdict) };
    assert_eq!(Row::decode(&row.encode()), Ok(row));
}

#[test]
fn a_row_is_kept_with_all_that_is_known_of_it() {
    let one = petition(1, 1, START);
    let (refused, taken) = (refusal(&one.id()), Id::hash(&[b"an operation"]));
    let verdicts = [None, Some(Verdict::TakenUp(taken)), Some(Verdict::Refused(refused))];
    for (verdict, source) in verdicts.into_iter().zip([Source::Local, from(1), v6()]) {
        let row = Row { petition: one.clone(), source, received: START, verdict };
        assert_eq!(Row::decode(&row.encode()), Ok(row));
    }
    assert!(Row::decode(&[]).is_err());
    let raw = |source: &[u8], verdicts: usize| {
        let verdict = (0..verdicts).map(|_| RawVerdict::TakenUp(taken)).collect();
        let petition = Rdata(one.bytes().into());
        let raw = RawRow { received: START, source: Rdata(source.into()), petition, verdict };
        Row::decode(&codec::encode(&raw)).map(drop)
    };
    assert_eq!(raw(&[], 1), Ok(()));
    assert_eq!(raw(&[1; 5], 1), Err(RowRefusal::Source(5)));
    assert_eq!(raw(&[], 2), Err(RowRefusal::ManyVerdicts(2)));
}

fn v6() -> Source {
    Source::Address("2001:db8::1".parse().unwrap())
}

/// Petitions of 300 keys, five each, made in five weeks: signing them again for every case would
/// take longer than the test.
fn pool() -> &'static [Petition] {
    static POOL: OnceLock<Vec<Petition>> = OnceLock::new();
    POOL.get_or_init(|| {
        let made = |n: u16| petition(n / 5, (n % 5) as u8, START + u64::from(n % 5) * 7 * DAY);
        (0..1500).map(made).collect()
    })
}

#[derive(Clone, Debug)]
enum Step {
    Submit(usize, Source),
    /// Many at once, from this one on.
    Flood(usize, usize),
    Refuse(usize),
    TakeUp(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let source = prop_oneof![Just(Source::Local), (0u8..4).prop_map(from)];
    prop_oneof![
        (0..1500usize, source).prop_map(|(n, source)| Step::Submit(n, source)),
        (0..1500usize, 0..1500usize).prop_map(|(n, count)| Step::Flood(n, count)),
        (0..1500usize).prop_map(Step::Refuse),
        (0..1500usize).prop_map(Step::TakeUp),
        (0..5 * DAY).prop_map(Step::Wait),
    ]
}

fn invariant_bounds_hold(inbox: &Inbox, now: u64) {
    let waiting = || inbox.rows.values().filter(|row| row.fate(now) == Fate::Waiting);
    assert!(inbox.rows.len() <= PETITIONS_MAX);
    let mut keys = BTreeMap::<_, usize>::new();
    waiting().for_each(|row| *keys.entry(row.petition.author()).or_default() += 1);
    assert!(keys.values().all(|count| *count <= PETITIONS_PER_KEY_MAX));
    let mut groups = BTreeMap::<_, usize>::new();
    let addresses = waiting().filter_map(|row| row.source.group());
    addresses.for_each(|group| *groups.entry(group).or_default() += 1);
    assert!(groups.values().all(|count| *count <= PETITIONS_PER_ADDRESS_MAX));
}

/// What waited before a step and was not decided by it is still there.
fn invariant_nothing_that_waits_is_dropped(before: &Inbox, after: &Inbox, now: u64) {
    let waiting = before.rows.iter().filter(|(_, row)| row.fate(now) == Fate::Waiting);
    waiting.for_each(|(id, _)| assert!(after.rows.contains_key(id)));
}

fn take(inbox: &mut Inbox, step: &Step, now: &mut u64) {
    let pool = pool();
    match step {
        Step::Submit(n, source) => {
            let before = inbox.clone();
            if inbox.admit(pool[*n].clone(), *source, *now).is_err() {
                assert_eq!(*inbox, before, "a refusal changes nothing");
            }
        }
        Step::Flood(from, count) => {
            let many = pool.iter().cycle().skip(*from).take(*count);
            many.for_each(|petition| {
                let _ = inbox.admit(petition.clone(), Source::Local, *now);
            });
        }
        Step::Refuse(n) => {
            let _ = inbox.refuse(refusal(&pool[*n].id()), *now);
        }
        Step::TakeUp(n) => {
            let asked = pool[*n].asking().sets.clone();
            let _ = inbox.take_up(&pool[*n].id(), &operation(asked), *now);
        }
        Step::Wait(seconds) => *now += seconds,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// P5 accepts: whatever comes in whatever order, as long as the bounds hold.
    #[test]
    fn an_inbox_stays_within_its_bounds(steps in prop::collection::vec(step(), 1..40)) {
        let (mut inbox, mut now) = (Inbox::default(), START);
        let (mut again, mut then) = (Inbox::default(), START);
        for step in &steps {
            let before = inbox.clone();
            take(&mut inbox, step, &mut now);
            take(&mut again, step, &mut then);
            invariant_bounds_hold(&inbox, now);
            invariant_nothing_that_waits_is_dropped(&before, &inbox, now);
        }
        prop_assert_eq!(&inbox, &again);
        let mut restored = Inbox::default();
        for row in inbox.rows() {
            restored.restore(Row::decode(&row.encode()).unwrap());
        }
        prop_assert_eq!(inbox, restored);
    }
}
