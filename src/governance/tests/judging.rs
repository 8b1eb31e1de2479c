//! Proposals of other hosts: what is voted for, and every reason why not.

use super::{sealing::*, *};
use crate::{
    governance::{
        seal::{Contents, Seal},
        sealing::{SealRefusal, SealRefusal as R},
    },
    page::entry::{Rdata, RecordSet},
};

/// A page with two changes of `brick`, one on the other.
fn two_changes() -> (Governance, [Statement; 2]) {
    let mut page = hosted(5, 4);
    let first = set(&page, 0, 0, "brick", brick(&page), a(8));
    let second = set(&page, 1, 0, "brick", first.id(), a(9));
    pass(&mut page, &first, &[0, 1]);
    pass(&mut page, &second, &[2, 3]);
    (page, [first, second])
}

/// What `page` says of its own proposal, made at 100 and then altered.
fn judged(
    page: &Governance,
    extra: &[Statement],
    clock: Option<u64>,
    alter: impl FnOnce(&mut Seal, &mut Contents),
) -> Option<SealRefusal> {
    let proposal = page.propose(100).unwrap();
    let (mut seal, mut contents) = (proposal.seal.clone(), proposal.contents.clone());
    let before = contents.clone();
    alter(&mut seal, &mut contents);
    if contents != before {
        seal.contents = contents.root();
    }
    let mut said = page.said();
    said.extend(extra.iter().map(|statement| (statement.id(), statement.clone())));
    page.judge(&seal, &contents, &|id| said.get(id).cloned(), clock).err()
}

/// S4 accepts: what replay gives, fresh or proposed again.
/// S4 refuses: another place in the chain, another list, what replay does not give.
#[test]
fn a_proposal_is_refused_for_what_is_wrong_with_it() {
    let (page, [first, second]) = two_changes();
    let newest = page.page().seal();
    let check = |alter: &dyn Fn(&mut Seal, &mut Contents), expect: Option<SealRefusal>| {
        for clock in [None, Some(100)] {
            assert_eq!(judged(&page, &[], clock, alter), expect);
        }
    };
    check(&|_, _| {}, None);
    check(&|seal, _| seal.page = Id::ZERO, Some(R::OtherPage(Id::ZERO)));
    check(&|seal, _| seal.height = 2, Some(R::Height { found: 2, next: 1 }));
    check(&|seal, _| seal.height = 0, Some(R::Height { found: 0, next: 1 }));
    check(&|seal, _| seal.previous = Id::ZERO, Some(R::Previous { found: Id::ZERO, newest }));
    check(&|seal, _| seal.time = 1, Some(R::NotAfter { time: 1, previous: 1 }));
    check(&|seal, _| seal.contents = Id::ZERO, Some(R::Contents));
    check(&|_, contents| contents.ballots.reverse(), Some(R::NotSorted));
    check(&|_, contents| contents.operations.push(first.id()), Some(R::NotSorted));
    check(&|_, contents| contents.operations.push(Id::ZERO), Some(R::Missing(Id::ZERO)));
    check(&|_, contents| contents.ballots.insert(0, Id::ZERO), Some(R::Missing(Id::ZERO)));
    check(&|_, contents| contents.operations.reverse(), Some(R::Order));
    let found = page.propose(100).unwrap().seal.state_root;
    let named = Id::ZERO;
    check(&|seal, _| seal.state_root = named, Some(R::StateRoot { named, found }));
    // Without its second change the list is a smaller seal, with another state.
    let less = judged(&page, &[], None, |_, contents| contents.operations.truncate(1));
    assert!(matches!(less, Some(R::StateRoot { .. } | R::Statement(..))), "{less:?}");
    for (voter, out) in [(0, &first), (3, &second)] {
        let of = page.proposal(&out.id()).unwrap();
        let left = of.cast[&key(voter).public()].ballot.id();
        let without = |_: &mut Seal, contents: &mut Contents| {
            contents.ballots.retain(|id| *id != left);
        };
        check(&without, Some(R::NotEligible(out.id())));
    }
}

/// S4 refuses: a statement that the page itself refuses.
#[test]
fn a_proposal_lists_only_what_the_page_admits() {
    let (page, _) = two_changes();
    let stranger = presence(&page, 8, |_| {});
    let list = |_: &mut Seal, contents: &mut Contents| {
        contents.presences.push(stranger.id());
        contents.presences.sort_unstable();
    };
    let refused = judged(&page, std::slice::from_ref(&stranger), None, list);
    let why = Refusal::NotParticipant(key(8).public());
    assert_eq!(refused, Some(SealRefusal::Statement(stranger.id(), why)));
    let past = set(&page, 4, 0, "x", origin_version(&page.page().id(), &owner("x")), a(1));
    let list = |_: &mut Seal, contents: &mut Contents| contents.operations.push(past.id());
    let refused = judged(&page, std::slice::from_ref(&past), None, list);
    assert_eq!(refused, Some(SealRefusal::NotEligible(past.id())));
}

/// S4 accepts: a fresh proposal up to ten minutes ahead of the clock; any when proposed again.
/// S4 refuses: a fresh one further ahead.
#[test]
fn only_a_fresh_proposal_is_held_against_the_clock() {
    let (page, _) = two_changes();
    let ahead = SEAL_AHEAD.as_secs();
    let at = |time, clock| judged(&page, &[], clock, |seal, _| seal.time = time);
    let clock = 5000;
    assert_eq!(at(clock + ahead - 1, Some(clock)), None);
    assert_eq!(at(clock + ahead, Some(clock)), None);
    let time = clock + ahead + 1;
    assert_eq!(at(time, Some(clock)), Some(SealRefusal::Ahead { time, clock }));
    assert_eq!(at(time, None), None);
    // A page that is ahead of everybody's clock still goes on, a second at a time.
    let (page, _) = sealed(&page, 10_000_000);
    let mut page = page;
    page.admit(&presence(&page, 0, |p| p.node = vec![node().public().raw()])).unwrap();
    let (seal, contents) = {
        let proposal = page.propose(20_000_000).unwrap();
        (proposal.seal.clone(), proposal.contents.clone())
    };
    let said = page.said();
    let at = |time| {
        let seal = Seal { time, ..seal.clone() };
        page.judge(&seal, &contents, &|id| said.get(id).cloned(), Some(100)).err()
    };
    assert_eq!(at(10_000_001), None);
    let time = 10_000_002;
    assert_eq!(at(time), Some(SealRefusal::Ahead { time, clock: 100 }));
}

/// S4 accepts: a value proposed again, by replay alone, whatever arrived since.
/// S4 refuses: a fresh one that applies what the ballots known here do not give.
#[test]
fn only_a_fresh_proposal_is_held_against_ones_own_walk() {
    let (page, [first, _]) = two_changes();
    let proposal = page.propose(100).unwrap();
    let said = page.said();
    let find = |id: &Id| said.get(id).cloned();
    let judge = |page: &Governance, clock| {
        page.judge(&proposal.seal, &proposal.contents, &find, clock).err()
    };
    let mut more = page.clone();
    let rival = set(&page, 4, 0, "brick", brick(&page), a(7));
    pass(&mut more, &rival, &[1, 2, 3]);
    let register = SealRefusal::Register(format!("`{}`", owner("brick")));
    assert_eq!(judge(&more, Some(100)), Some(register));
    assert_eq!(judge(&more, None), None);
    let less = hosted(5, 4);
    assert_eq!(judge(&less, Some(100)), Some(SealRefusal::Missing(first.id())));
    assert_eq!(judge(&less, None), None);
    // What is applied may stop short of what is known here: the rest stays soft.
    let mut further = page.clone();
    let third = set(&page, 4, 0, "brick", page.version(&Register::Entry(owner("brick"))), a(6));
    pass(&mut further, &third, &[2, 3]);
    assert_eq!(judge(&further, Some(100)), None);
}

/// A text whose data takes so many bytes, at most 64 KiB.
fn text(bytes: usize) -> Vec<RecordSet> {
    let mut rdata = vec![b'x'; bytes];
    rdata.chunks_mut(256).for_each(|chunk| chunk[0] = (chunk.len() - 1) as u8);
    vec![RecordSet { rtype: RecordType::TXT, ttl: 60, rdata: vec![Rdata(rdata.into())] }]
}

/// P5 accepts: as many bytes of statements in one seal as the limit says.
/// P5 refuses: one more.
#[test]
fn the_statements_of_a_seal_are_limited() {
    let mut page = page(5);
    let put = |page: &Governance, n: usize, bytes: usize| {
        let (author, slot, at) = ((n / 256) as u8, (n % 256) as u32, format!("o{n:04}"));
        let sets = RecordSets::admit(text(bytes), &owner(&at), &name()).unwrap();
        set(page, author, slot, &at, origin(page, &at), sets)
    };
    let (text, more_than_text) = (60_000, put(&page, 0, 60_000).bytes().len() - 60_000);
    let full = SEAL_STATEMENTS_BYTES_MAX / (text + more_than_text) - 2;
    let mut ids = Vec::new();
    let mut bytes = 0;
    let mut add = |page: &mut Governance, n, text| {
        let op = put(page, n, text);
        page.admit(&op).unwrap();
        ids.push(op.id());
        bytes += op.bytes().len();
    };
    (1..=full).for_each(|n| add(&mut page, n, text));
    add(&mut page, full + 1, 30_000);
    // The last one fills what the ballots leave: their size does not depend on what they name.
    ids.push(Id::ZERO);
    let count = ids.len();
    let ballots = |ids: &[Id]| -> Vec<Statement> {
        let ballot = |voter, (n, rows): (usize, &[Id])| {
            let rows: Vec<_> = rows.iter().map(|id| (*id, Approve)).collect();
            ballot(&page, voter, n as u64 + 1, &rows)
        };
        let chunks = || ids.chunks(256).enumerate();
        (0..2).flat_map(|voter| chunks().map(move |chunk| ballot(voter, chunk))).collect()
    };
    bytes += ballots(&ids).iter().map(|ballot| ballot.bytes().len()).sum::<usize>();
    let fill = SEAL_STATEMENTS_BYTES_MAX - bytes - more_than_text;
    for (more, is_too_large) in [(0, false), (1, false), (2, true)] {
        let last = put(&page, 0, fill - 1 + more);
        *ids.last_mut().unwrap() = last.id();
        let mut page = page.clone();
        page.admit(&last).unwrap();
        ballots(&ids).iter().for_each(|ballot| drop(page.admit(ballot).unwrap()));
        let said = page.said();
        let bytes: usize = said.values().map(|statement| statement.bytes().len()).sum();
        assert_eq!(bytes, SEAL_STATEMENTS_BYTES_MAX - 1 + more);
        // A proposer leaves out what does not fit.
        let proposal = page.propose(100).unwrap();
        assert_eq!(proposal.contents.operations.len(), count - usize::from(is_too_large));
        let mut contents = proposal.contents.clone();
        contents.operations.clone_from(&ids);
        contents.operations.sort_by_key(|id| page.operations[id].register());
        contents.ballots = page.ballots().keys().copied().collect();
        let seal = Seal { contents: contents.root(), ..proposal.seal.clone() };
        let refused = page.judge(&seal, &contents, &|id| said.get(id).cloned(), None).err();
        assert_eq!(refused, is_too_large.then_some(SealRefusal::TooLarge(bytes)));
    }
}
