//! Stories of chains: long ones, with participants who come and go, and forged ones.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    governance::{
        presence::Presence,
        seal::{Commit, Contents, Step},
        statement::Body,
    },
    key::SecretKey,
    page::{
        Changes,
        entry::Rdata,
        genesis::{Parameters, RawGenesis, Roster},
        name::Name,
        roster_rows,
        trie::{ProofRefusal, Trie},
    },
};

mod ladder;

/// A person; the node that seals for its seat has a key of its own.
fn key(n: u16) -> SecretKey {
    let mut seed = [7; 32];
    seed[..2].copy_from_slice(&n.to_be_bytes());
    SecretKey::from_seed(&seed)
}

fn node(n: u16) -> SecretKey {
    key(n + 30_000)
}

/// A page, height by height: the page under each seal, and the seal.
#[derive(Clone)]
struct Story {
    pages: Vec<Page>,
    records: Vec<SealRecord>,
    /// Who takes part, each with one power.
    people: Vec<u16>,
}

fn roster(people: &[u16]) -> Roster {
    let rows = roster_rows(people.iter().map(|n| (key(*n).public(), 1)));
    Roster::admit(&rows).unwrap()
}

fn presence(page: &Page, n: u16, sequence: u64, node: &SecretKey) -> Statement {
    let joined_by = page.seat(&key(n).public()).and_then(|seat| seat.joined_by);
    let joined_by = joined_by.into_iter().collect();
    let mut presence = Presence { joined_by, ..Presence::new(key(n).public().raw(), sequence) };
    presence.node = vec![node.public().raw()];
    Statement::sign(&page.id(), Body::Presence(presence), &key(n)).unwrap()
}

impl Story {
    /// Founds a page; the presences of its people are in the first seal.
    fn of(people: u16) -> Story {
        let people: Vec<u16> = (0..people).collect();
        let name = Name::parse("ff.ct").unwrap();
        let rows = roster(&people).rows();
        let raw = RawGenesis::new(name, rows, Parameters::default(), 1000, Id::ZERO);
        let page = Page::found(raw, []).unwrap().0;
        Story { pages: vec![page], records: vec![], people }
    }

    fn newest(&self) -> &Page {
        &self.pages[self.pages.len() - 1]
    }

    fn height(&self) -> u64 {
        self.newest().height()
    }

    /// The seal at this height, and what is below it.
    fn record(&self, height: u64) -> &SealRecord {
        &self.records[height as usize - 1]
    }

    fn known(&self, height: u64) -> Known {
        match height {
            0 => Known::genesis(self.pages[0].genesis()),
            height => Known::seal(&self.record(height).seal),
        }
    }

    /// Seals these changes with the seats of `signers`. Presences that are not sealed are enclosed.
    fn seal(&mut self, changes: &Changes, signers: &[u16]) {
        let below = self.newest().clone();
        let page = below.changed(changes);
        let seal = Seal {
            page: below.id(),
            height: below.height() + 1,
            previous: below.seal(),
            time: below.head().time + 60,
            state_root: page.state_root(),
            contents: Contents::default().root(),
        };
        let certificate = certificate(&below, &seal, signers);
        self.pages.push(page.sealed(seal.head()));
        self.records.push(SealRecord { seal, contents: Contents::default(), certificate });
    }

    /// Everybody signs; nothing changes.
    fn seal_time(&mut self) {
        self.seal(&Changes::default(), &self.people.clone());
    }

    /// So many of the eldest are replaced by as many new people.
    fn turn_over(&mut self, count: usize) {
        let signers = self.people.clone();
        let next = self.people.iter().max().unwrap() + 1;
        self.people.drain(..count);
        self.people.extend((next..).take(count));
        let version = Id::hash(&[&next.to_be_bytes()]);
        let order = (version, roster(&self.people), Parameters::default());
        let sealed = |n: &&u16| self.newest().presence(&key(**n).public()).is_none();
        let presences = signers.iter().filter(sealed).map(|n| {
            let presence = presence(self.newest(), *n, 1, &node(*n));
            (key(*n).public(), presence.bytes().into())
        });
        let changes =
            Changes { presences: presences.collect(), roster: Some(order), ..Changes::default() };
        self.seal(&changes, &signers);
    }

    /// What shows a height to whoever knows another.
    fn proof(&self, known: u64, height: u64) -> ChainProof {
        let below = (height - 1 > known)
            .then(|| (&self.record(height - 1).seal, &self.pages[height as usize - 1]));
        ChainProof::new(self.record(height), &self.pages[known as usize], below)
    }

    fn verify(&self, from: u64) -> Result<Chain, ChainRefusal> {
        verify_chain(self.known(from), self.height(), &mut |known, height| {
            let proof = self.proof(known.head.height, height);
            let read = ChainProof::decode(&proof.encode());
            assert_eq!(read.as_ref(), Ok(&proof));
            Some(proof)
        })
    }
}

fn certificate(below: &Page, seal: &Seal, signers: &[u16]) -> Certificate {
    let commit = |n: &u16| Commit {
        node: node(*n).public().raw(),
        seats: vec![key(*n).public().raw()],
        signature: seal.sign(&node(*n), 0, Step::Precommit),
    };
    let mut commits: Vec<Commit> = signers.iter().map(commit).collect();
    commits.sort_by_key(|commit| commit.node);
    let is_new = |n: &&u16| below.presence(&key(**n).public()).is_none();
    let enclosed = signers.iter().filter(is_new);
    let mut presences: Vec<Rdata> =
        enclosed.map(|n| Rdata(presence(below, *n, 1, &node(*n)).bytes().into())).collect();
    presences.sort_unstable();
    Certificate { round: 0, commits, presences }
}

/// T1 accepts: one step over any distance while enough of the signers were there before.
#[test]
fn a_far_seal_is_one_step_away_while_few_participants_change() {
    let mut story = Story::of(5);
    story.turn_over(1);
    (1..64).for_each(|_| story.seal_time());
    for from in [0, 1, 40, 63] {
        let chain = story.verify(from).unwrap();
        assert_eq!((chain.certificates, chain.proofs), (1, 1), "from {from}");
        assert_eq!(chain.newest, story.known(64));
    }
    let chain = story.verify(64).unwrap();
    assert_eq!((chain.newest, chain.certificates), (story.known(64), 0));
}

/// T1 accepts: a seal whose signers are all new, by way of those in between.
#[test]
fn a_turnover_takes_a_few_steps_more_and_never_all() {
    let mut story = Story::of(10);
    // All ten are replaced once, three by three, far apart.
    for height in 1..=64u64 {
        if height.is_multiple_of(16) { story.turn_over(3) } else { story.seal_time() }
    }
    let chain = story.verify(0).unwrap();
    assert_eq!(chain.newest, story.known(64));
    // Twelve in all are replaced, three at a time: a step reaches over at most one change.
    assert!((2..=8).contains(&chain.certificates), "{chain:?}");
    assert!(chain.proofs <= 2 * chain.certificates + 6, "{chain:?}");
}

/// T1 accepts: a chain whose participants are all replaced at every seal, step by step.
#[test]
fn where_everybody_changes_at_once_every_seal_is_a_step() {
    let mut story = Story::of(3);
    (0..16).for_each(|_| story.turn_over(3));
    let chain = story.verify(0).unwrap();
    assert_eq!(chain.certificates, 16);
    assert!(chain.proofs <= 16 * 5, "{chain:?}");
}

/// T1 refuses: forged headers, proofs of another root, signers without power, a wrong previous seal,
/// a lower T: each by its name.
#[test]
fn every_forgery_is_refused_by_its_name() {
    use ChainRefusal::{Certificate, Height, NotAfter, OtherPage, OtherPrevious, Roll};
    let mut story = Story::of(5);
    story.turn_over(1);
    (1..8).for_each(|_| story.seal_time());
    let known = story.known(2);
    let check =
        |what: &str, change: &dyn Fn(&mut ChainProof), expect: &dyn Fn(&ChainRefusal) -> bool| {
            let mut proof = story.proof(2, 8);
            assert_eq!(proof.check(&known), Ok(story.known(8)));
            change(&mut proof);
            let refusal = proof.check(&known).expect_err(what);
            assert!(expect(&refusal), "{what}: {refusal:?}");
        };
    let is_signature =
        |refusal: &ChainRefusal| matches!(refusal, Certificate(CertificateRefusal::Signature(_)));
    check("another state", &|p| p.seal.state_root = Id::ZERO, &is_signature);
    check("another list", &|p| p.seal.contents = Id::ZERO, &is_signature);
    check("another round", &|p| p.certificate.round = 1, &is_signature);
    check("another page", &|p| p.seal.page = Id::ZERO, &|r| *r == OtherPage(Id::ZERO));
    check("too early", &|p| p.seal.time = 7, &|r| matches!(r, NotAfter { time: 7, .. }));
    check("another height", &|p| p.seal.height = 9, &|r| *r == Height { height: 9, below: 7 });
    let is_previous = |refusal: &ChainRefusal| matches!(refusal, OtherPrevious { .. });
    check("another previous", &|p| p.seal.previous = Id::ZERO, &is_previous);
    check("another below", &|p| p.below[0].0.time += 1, &is_previous);
    check("no below", &|p| p.below.clear(), &is_previous);
    check("below of another page", &|p| p.below[0].0.page = Id::ZERO, &|r| {
        *r == OtherPage(Id::ZERO)
    });
    let is_root = |refusal: &ChainRefusal| {
        matches!(refusal, Roll { why: RollRefusal::Proof(ProofRefusal::OtherRoot), .. })
    };
    check("states exchanged", &|p| p.below[0].1 = story.proof(0, 8).known, &is_root);
    check("another known state", &|p| p.known = story.proof(0, 8).known, &is_root);
    let lower = story.newest().changed(&Changes {
        roster: Some((Id::ZERO, roster(&[1, 2]), Parameters::default())),
        ..Changes::default()
    });
    let lower = lower.roll([&key(1).public(), &key(2).public()]);
    check("a lower T", &|p| p.known = lower.clone(), &is_root);
    check("a lower T below", &|p| p.below[0].1 = lower.clone(), &is_root);
    let no_parameters = story.pages[7].state().excerpt([]);
    let is_missing = |r: &ChainRefusal| matches!(r, Roll { why: RollRefusal::NoParameters, .. });
    check("no parameters", &|p| p.below[0].1 = no_parameters.clone(), &is_missing);
    let no_quorum = |p: &mut ChainProof| drop(p.certificate.commits.drain(..2));
    check("too little power", &no_quorum, &|r| {
        let few = CertificateRefusal::NoQuorum { signed: 3, quorum: 4, total: 5 };
        *r == Certificate(few)
    });
    let unshown = story.pages[7].roll(&[]);
    check("signers not shown", &|p| p.below[0].1 = unshown.clone(), &|r| {
        matches!(r, Certificate(CertificateRefusal::NoSeat(_)))
    });
    let twice = |p: &mut ChainProof| p.certificate.commits[1] = p.certificate.commits[0].clone();
    check("a seat twice", &twice, &|r| *r == Certificate(CertificateRefusal::NotSorted));
}

/// T1 refuses: a whole made-up state whose people are those of the known one, with presences that
/// they signed long ago, for nodes that have since fallen into other hands.
#[test]
fn nobody_signs_with_a_node_that_was_left() {
    let mut story = Story::of(5);
    story.seal_time();
    let people = 0..5u16;
    let old: Vec<_> = people
        .clone()
        .map(|n| (key(n).public(), presence(&story.pages[0], n, 1, &node(n))))
        .collect();
    let sealed = |rows: &[(PublicKey, Statement)]| Changes {
        presences: rows.iter().map(|(key, said)| (*key, said.bytes().into())).collect(),
        ..Changes::default()
    };
    story.seal(&sealed(&old), &story.people.clone());
    let mut forged = story.clone();
    // They all move to new nodes.
    let moved: Vec<_> = people
        .clone()
        .map(|n| (key(n).public(), presence(&story.pages[0], n, 2, &node(n + 100))))
        .collect();
    story.seal(&sealed(&moved), &story.people.clone());
    let known = story.known(3);
    // From an older state the old nodes go on, and nothing but its age is wrong with what they sign.
    (0..4).for_each(|_| forged.seal_time());
    let proof = ChainProof::new(
        forged.record(6),
        story.newest(),
        Some((&forged.record(5).seal, &forged.pages[5])),
    );
    let too_few = ChainRefusal::TooFewKnown { height: 3, signed: 0, quorum: 4, total: 5 };
    assert_eq!(proof.check(&known), Err(too_few));
    // Whoever still stands at the older state cannot know.
    assert_eq!(forged.proof(2, 6).check(&story.known(2)), Ok(forged.known(6)));
}

/// T1 refuses: presences in a made-up state that nobody signed.
#[test]
fn a_presence_that_its_participant_did_not_sign_is_refused() {
    let story = {
        let mut story = Story::of(4);
        (0..3).for_each(|_| story.seal_time());
        story
    };
    let known = story.known(0);
    let check = |bytes: &[u8], expect: &dyn Fn(&ChainRefusal) -> bool| {
        let changes =
            Changes { presences: vec![(key(0).public(), bytes.into())], ..Changes::default() };
        let mut forged = story.clone();
        forged.seal(&changes, &story.people);
        forged.seal_time();
        let refusal = forged.proof(0, 5).check(&known).unwrap_err();
        assert!(expect(&refusal), "{refusal:?}");
    };
    let own = presence(&story.pages[0], 0, 1, &node(0));
    let mut unsigned = own.bytes().to_vec();
    *unsigned.last_mut().unwrap() ^= 1;
    check(&unsigned, &|r| matches!(r, ChainRefusal::Presence { .. }));
    let others = presence(&story.pages[0], 1, 1, &node(0));
    check(others.bytes(), &|r| *r == ChainRefusal::NoPresence(key(0).public()));
    let elsewhere = presence(&Story::of(3).pages[0], 0, 1, &node(0));
    check(elsewhere.bytes(), &|r| *r == ChainRefusal::NoPresence(key(0).public()));
}

#[test]
fn a_source_that_has_nothing_or_shows_another_height_is_refused() {
    let mut story = Story::of(4);
    (0..4).for_each(|_| story.seal_time());
    let mut nothing = |_: &Known, _| None;
    let refused = verify_chain(story.known(0), 4, &mut nothing);
    assert_eq!(refused, Err(ChainRefusal::Missing(4)));
    let mut other = |_: &Known, _| Some(story.proof(0, 3));
    let refused = verify_chain(story.known(0), 4, &mut other);
    assert_eq!(refused, Err(ChainRefusal::OtherHeight { found: 3, wanted: 4 }));
}

/// P9 refuses: what is neither a participant nor the parameters, and more power than there is.
#[test]
fn a_roll_holds_participants_and_parameters_only() {
    let page = Story::of(3).pages.remove(0);
    let everybody: Vec<PublicKey> = page.roster().iter().map(|(key, _)| *key).collect();
    let excerpt = page.roll(&everybody);
    let roll = Roll::read(&excerpt, &page.state_root()).unwrap();
    assert_eq!((roll.total, roll.seats.len()), (3, 3));
    assert_eq!(&roll.parameters, page.parameters());
    let with = |change: &dyn Fn(&mut Trie)| {
        let mut state = page.state().clone();
        change(&mut state);
        let keys: Vec<Id> = state.iter().map(|(key, _)| *key).collect();
        Roll::read(&state.excerpt(keys), &state.root()).map(drop)
    };
    let value: BTreeMap<Id, Vec<u8>> =
        page.state().iter().map(|(key, value)| (*key, value.to_vec())).collect();
    assert_eq!(with(&|_| ()), Ok(()));
    assert_eq!(with(&|state| state.insert(Id::ZERO, [0, 1])), Err(RollRefusal::OtherLeaf));
    let parameters = crate::page::parameters_key();
    let without = |state: &mut Trie| assert!(state.remove(&parameters));
    assert_eq!(with(&without), Err(RollRefusal::NoParameters));
    let seat = crate::page::participant_key(&everybody[0]);
    let moved = |state: &mut Trie| state.insert(Id::ZERO, value[&seat].clone());
    assert_eq!(with(&moved), Err(RollRefusal::OtherLeaf));
    let mut strong = value[&seat].clone();
    // The power stands between the key and an empty array.
    let at = strong.len() - 2;
    strong[at] = 9;
    let total = RollRefusal::Total { shown: 11, total: 3 };
    assert_eq!(with(&|state| state.insert(seat, strong.clone())), Err(total));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    /// T1: whatever the turnover, the chain is found, and no seal is skipped to whose signers hold
    /// too little of what is known.
    #[test]
    fn any_chain_is_verified_by_skipping(changes in prop::collection::vec(0usize..5, 1..14)) {
        let mut story = Story::of(6);
        for change in changes {
            match change {
                0 | 1 => story.seal_time(),
                count => story.turn_over(count - 1),
            }
        }
        let newest = story.height();
        let chain = story.verify(0).unwrap();
        prop_assert_eq!(chain.newest, story.known(newest));
        prop_assert!(chain.certificates as u64 <= newest);
        for height in [1, newest.div_ceil(2), newest] {
            let known: u16 = story.pages[0].roster().iter().filter(|(key, _)| {
                let commits = &story.record(height).certificate.commits;
                commits.iter().any(|commit| commit.seats.contains(&key.raw()))
            }).count() as u16;
            let is_near = height == 1;
            let skipped = story.proof(0, height).check(&story.known(0));
            prop_assert_eq!(skipped.is_ok(), is_near || known >= 5, "{} {}", height, known);
        }
    }
}
