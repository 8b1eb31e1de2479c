//! Many statements at a time: nearly all the work of admitting one is its signature, and every core
//! can check some.

use std::thread;

use crate::governance::statement::{Statement, StatementRefusal};

/// [`Statement::admit`] for many, on all cores.
///
/// # Errors
/// The first [`StatementRefusal`] in the order of `all`, with its place.
///
/// # Panics
/// If admitting did, which it never does.
pub fn admit_all(all: &[&[u8]]) -> Result<Vec<Statement>, (usize, StatementRefusal)> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let part = all.len().div_ceil(cores).max(PART_OF_A_CORE);
    if part >= all.len() {
        return admit_part(0, all);
    }
    thread::scope(|scope| {
        let parts: Vec<_> = all
            .chunks(part)
            .enumerate()
            .map(|(n, some)| scope.spawn(move || admit_part(n * part, some)))
            .collect();
        let mut admitted = Vec::with_capacity(all.len());
        for part in parts {
            // Admitting never panics; if it did, so would this thread.
            admitted.extend(part.join().expect("admitting does not panic")?);
        }
        Ok(admitted)
    })
}

fn admit_part(from: usize, part: &[&[u8]]) -> Result<Vec<Statement>, (usize, StatementRefusal)> {
    let admit =
        |(n, bytes): (usize, &&[u8])| Statement::admit(bytes).map_err(|why| (from + n, why));
    part.iter().enumerate().map(admit).collect()
}

/// Statements that are worth a thread of their own: a signature takes 50 us, a thread is started in
/// as much (measured).
const PART_OF_A_CORE: usize = 16;

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

    #[test]
    fn many_are_admitted_in_their_order_and_the_first_refused_is_named() {
        let key = SecretKey::from_seed(&[1; 32]);
        let ballot = |sequence: u64| {
            let rows = vec![(Id::ZERO, Choice::Approve)];
            let (voter, reason) = (key.public().raw(), String::new());
            let ballot = Ballot { voter, sequence, rows, reason };
            Statement::sign(&Id::ZERO, Body::Ballot(ballot), &key).unwrap().bytes().to_vec()
        };
        let mut all: Vec<Vec<u8>> = (1..=100).map(ballot).collect();
        let admit = |all: &[Vec<u8>]| {
            let bytes: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
            admit_all(&bytes)
        };
        let admitted = admit(&all).unwrap();
        assert!(admitted.iter().map(Statement::bytes).eq(&all));
        for broken in [97, 40] {
            *all[broken].last_mut().unwrap() ^= 1;
            assert_eq!(admit(&all).unwrap_err().0, broken);
        }
        assert_eq!(admit(&[]), Ok(vec![]));
    }
}
