//! How fast ballots are admitted, beside the bare `verify_strict` that each of them needs, on all
//! cores; and how fast a long log is replayed.
//!
//! ```sh
//! cargo bench --bench admission                      # 30,000 ballots, five rounds, and 1,000,000
//! BALLOTS=3000 REPLAY=10000 cargo bench --bench admission
//! ```
//! A ballot is admitted when it is decoded, its signature is checked, and it is counted on its
//! operation among 30,000 participants of whom nobody lends. Their keys are known, as they are to a
//! node that heard of them before; the bare verification has its keys at hand as well. The rounds
//! alternate.

#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::{
    env, thread,
    time::{Duration, Instant},
};

use djdns::{
    daemon::many::admit_each,
    governance::{
        Governance,
        ballot::{Ballot, Choice},
        operation::{Change, Operation, SetEntry},
        statement::{Body, Statement},
    },
    id::Id,
    key::{KnownKeys, SecretKey},
    page::{
        Page,
        genesis::{Parameters, RawGenesis},
        name::{Name, Owner},
        origin_version, roster_rows,
    },
};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

const ROUNDS: usize = 5;

fn main() {
    let ballots = number("BALLOTS", 30_000);
    let replay = number("REPLAY", 1_000_000);
    let world = World::new(ballots);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    println!("{ballots} ballots, {cores} cores, {ROUNDS} rounds in alternation");
    let (mut bare, mut admitted) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(world.verify(cores));
        admitted.push(world.admit());
    }
    let rate = |spans: &mut Vec<Duration>| {
        spans.sort_unstable();
        ballots as f64 / spans[ROUNDS / 2].as_secs_f64()
    };
    let (bare, admitted) = (rate(&mut bare), rate(&mut admitted));
    println!("verify_strict alone    {bare:9.0}/s");
    println!("ballots admitted       {admitted:9.0}/s");
    println!("admitted / alone       {:9.2}", admitted / bare);
    world.replay(replay);
}

fn number(name: &str, otherwise: usize) -> usize {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A page, a ballot of each participant on its one operation, and bare signatures of as many keys.
struct World {
    page: Governance,
    keys: Vec<SecretKey>,
    known: KnownKeys,
    operation: Id,
    ballots: Vec<Vec<u8>>,
    signed: Vec<(VerifyingKey, Vec<u8>, Signature)>,
}

impl World {
    fn new(voters: usize) -> World {
        let keys: Vec<SecretKey> = (0..voters).map(key).collect();
        let roster = roster_rows(keys.iter().map(|key| (key.public(), 1)));
        let name = Name::parse("crowd").expect("a name");
        let genesis = RawGenesis::new(name, roster, Parameters::default(), 1, Id::ZERO);
        let (page, _) = Page::found(genesis, []).expect("a page");
        let mut page = Governance::new(page);
        let operation = propose(&page, &keys[0]);
        page.admit(&operation).expect("it is admitted");
        let operation = operation.id();
        let ballot = |key: &SecretKey| sign(&page, key, 1, operation);
        let ballots = keys.iter().map(ballot).collect();
        let signed = (0..voters).map(bare).collect();
        let mut known = KnownKeys::default();
        keys.iter().for_each(|key| known.learn(key.public()));
        World { page, keys, known, operation, ballots, signed }
    }

    /// What cannot be avoided, spread over the cores.
    fn verify(&self, cores: usize) -> Duration {
        let begun = Instant::now();
        thread::scope(|scope| {
            for part in self.signed.chunks(self.signed.len().div_ceil(cores)) {
                scope.spawn(move || {
                    let is_right = |(key, message, signature): &(VerifyingKey, Vec<u8>, _)| {
                        key.verify_strict(message, signature).is_ok()
                    };
                    assert!(part.iter().all(is_right));
                });
            }
        });
        begun.elapsed()
    }

    /// The same with all that makes it a ballot that counts.
    fn admit(&self) -> Duration {
        let mut page = self.page.clone();
        let bytes: Vec<&[u8]> = self.ballots.iter().map(Vec::as_slice).collect();
        let begun = Instant::now();
        admit_each(&self.known, &bytes, |each| {
            for statement in each {
                page.admit(&statement.expect("it is signed")).expect("it is admitted");
            }
        });
        let took = begun.elapsed();
        let tally = page.proposal(&self.operation).expect("it is open").tally();
        assert_eq!(tally.approvers as usize, self.ballots.len());
        took
    }

    /// Replays a log of so many ballots, as a start does: no signature is checked again.
    fn replay(&self, statements: usize) {
        let rounds = statements.div_ceil(self.keys.len()) as u64;
        let mut spent = Duration::ZERO;
        let mut page = self.page.clone();
        for sequence in 1..=rounds {
            let sign = |key: &SecretKey| sign(&self.page, key, sequence, self.operation);
            let said: Vec<Vec<u8>> = self.keys.iter().map(sign).collect();
            let begun = Instant::now();
            for bytes in &said {
                let statement = Statement::reopen(bytes).expect("it is one");
                page.admit(&statement).expect("it is admitted");
            }
            spent += begun.elapsed();
        }
        let count = rounds * self.keys.len() as u64;
        let rate = count as f64 / spent.as_secs_f64();
        println!(
            "{count} statements replayed in {:.1} s, {rate:.0}/s on one core",
            spent.as_secs_f64()
        );
    }
}

fn key(n: usize) -> SecretKey {
    SecretKey::from_seed(Id::hash(&[b"a voter", &n.to_be_bytes()]).as_bytes())
}

fn bare(n: usize) -> (VerifyingKey, Vec<u8>, Signature) {
    let key = SigningKey::from_bytes(Id::hash(&[b"a signer", &n.to_be_bytes()]).as_bytes());
    let message = Id::hash(&[&n.to_be_bytes()]).as_bytes().repeat(3);
    let signature = key.sign(&message);
    (key.verifying_key(), message, signature)
}

fn propose(page: &Governance, key: &SecretKey) -> Statement {
    let owner = Owner::parse("a", page.page().name()).expect("an owner");
    let parent = origin_version(&page.page().id(), &owner);
    let change = Change::SetEntry(SetEntry { owner, parent, sets: Vec::new() });
    let base = page.page().seal();
    let operation = Operation { author: key.public().raw(), slot: 0, base, change };
    Statement::sign(&page.page().id(), Body::Operation(operation), key).expect("it is one")
}

fn sign(page: &Governance, key: &SecretKey, sequence: u64, operation: Id) -> Vec<u8> {
    let (voter, rows) = (key.public().raw(), vec![(operation, Choice::Approve)]);
    let ballot = Ballot { voter, sequence, rows, reason: String::new() };
    let ballot = Statement::sign(&page.page().id(), Body::Ballot(ballot), key);
    ballot.expect("it is one").bytes().to_vec()
}
