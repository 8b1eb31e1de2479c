//! Many statements at a time: nearly all the work of admitting one is its signature, and every core
//! can check some, while the caller counts those that came before.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    vec::IntoIter,
};

use crate::{
    governance::statement::{Statement, StatementRefusal},
    key::KnownKeys,
};

/// A statement, or the place and the fault of what is none.
pub type Admitted = Result<Statement, (usize, StatementRefusal)>;

/// [`Statement::admit`] for many, on all cores.
///
/// # Errors
/// The first [`StatementRefusal`] in the order of `all`, with its place.
pub fn admit_all(
    known: &KnownKeys,
    all: &[&[u8]],
) -> Result<Vec<Statement>, (usize, StatementRefusal)> {
    admit_each(known, all, |admitted| admitted.collect())
}

/// [`Statement::admit`] for many, on all cores: `take` is handed them in their order as they are
/// ready, and what it does with one goes on beside the checking of the next.
pub fn admit_each<R>(
    known: &KnownKeys,
    all: &[&[u8]],
    take: impl FnOnce(&mut dyn Iterator<Item = Admitted>) -> R,
) -> R {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let parts = Parts { known, all, next: AtomicUsize::new(0) };
    let helpers = cores.min(all.len() / PART).saturating_sub(1);
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..helpers {
            let (parts, sender) = (&parts, sender.clone());
            scope.spawn(move || parts.check(&sender));
        }
        drop(sender);
        let (ready, current) = (BTreeMap::new(), Vec::new().into_iter());
        let mut in_order = InOrder { parts: &parts, receiver, ready, current, wanted: 0 };
        let result = take(&mut in_order);
        // Whoever stopped early needs no more.
        parts.next.store(usize::MAX / 2, Ordering::Relaxed);
        result
    })
}

/// Statements in parts, which whoever is free takes.
struct Parts<'a> {
    known: &'a KnownKeys,
    all: &'a [&'a [u8]],
    next: AtomicUsize,
}

type Part = (usize, Vec<Admitted>);

impl Parts<'_> {
    /// Checks the next part that nobody has taken yet.
    fn take(&self) -> Option<Part> {
        let part = self.next.fetch_add(1, Ordering::Relaxed);
        let from = part.checked_mul(PART).filter(|from| *from < self.all.len())?;
        let some = &self.all[from..self.all.len().min(from + PART)];
        let admit = |(n, bytes): (usize, &&[u8])| {
            Statement::admit_by(self.known, bytes).map_err(|why| (from + n, why))
        };
        Some((part, some.iter().enumerate().map(admit).collect()))
    }

    fn check(&self, sender: &Sender<Part>) {
        while let Some(part) = self.take() {
            if sender.send(part).is_err() {
                return;
            }
        }
    }
}

/// The parts put in order again. While the next is not ready, whoever waits for it checks another.
struct InOrder<'a> {
    parts: &'a Parts<'a>,
    receiver: Receiver<Part>,
    ready: BTreeMap<usize, Vec<Admitted>>,
    current: IntoIter<Admitted>,
    wanted: usize,
}

impl Iterator for InOrder<'_> {
    type Item = Admitted;

    fn next(&mut self) -> Option<Admitted> {
        loop {
            if let Some(admitted) = self.current.next() {
                return Some(admitted);
            }
            self.ready.extend(self.receiver.try_iter());
            if let Some(part) = self.ready.remove(&self.wanted) {
                self.wanted += 1;
                self.current = part.into_iter();
                continue;
            }
            let (number, part) = match self.parts.take() {
                Some(part) => part,
                None => self.receiver.recv().ok()?,
            };
            self.ready.insert(number, part);
        }
    }
}

/// Statements that are checked at a time (choice): a signature takes 50 us, a thread is started in as
/// much (measured).
const PART: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        governance::{
            ballot::{Ballot, Choice},
            statement::Body,
        },
        id::Id,
        key::SecretKey,
    };

    fn ballots(count: u64) -> Vec<Vec<u8>> {
        let key = SecretKey::from_seed(&[1; 32]);
        let ballot = |sequence: u64| {
            let rows = vec![(Id::ZERO, Choice::Approve)];
            let (voter, reason) = (key.public().raw(), String::new());
            let ballot = Ballot { voter, sequence, rows, reason };
            Statement::sign(&Id::ZERO, Body::Ballot(ballot), &key).unwrap().bytes().to_vec()
        };
        (1..=count).map(ballot).collect()
    }

    fn known() -> KnownKeys {
        let mut known = KnownKeys::default();
        known.learn(SecretKey::from_seed(&[1; 32]).public());
        known
    }

    #[test]
    fn many_are_admitted_in_their_order_and_the_first_refused_is_named() {
        let mut all = ballots(300);
        let admit = |known: &KnownKeys, all: &[Vec<u8>]| {
            let bytes: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
            admit_all(known, &bytes)
        };
        for known in [KnownKeys::default(), known()] {
            let admitted = admit(&known, &all).unwrap();
            assert!(admitted.iter().map(Statement::bytes).eq(&all));
        }
        for broken in [297, 40] {
            *all[broken].last_mut().unwrap() ^= 1;
            for known in [KnownKeys::default(), known()] {
                assert_eq!(admit(&known, &all).unwrap_err().0, broken);
            }
        }
        assert_eq!(admit(&known(), &[]), Ok(vec![]));
    }

    #[test]
    fn who_stops_early_is_not_kept_waiting() {
        let all = ballots(200);
        let bytes: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
        let first = admit_each(&known(), &bytes, |each| each.next());
        assert_eq!(first.unwrap().unwrap().bytes(), all[0]);
    }
}
