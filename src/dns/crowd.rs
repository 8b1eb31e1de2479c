//! The TCP connections there are, and which of them makes room for a new one.
//!
//! The least recently active one of those that are owed nothing goes first, then the least recently
//! active one: however many connections somebody opens, whoever comes is let in. Nothing here knows
//! sockets or time; activity is counted.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

/// All connections. Cloning one costs nothing.
#[derive(Clone)]
pub(super) struct Crowd {
    seats_max: usize,
    seats: Arc<Mutex<Seats>>,
}

#[derive(Default)]
struct Seats {
    /// Counts activity; the lower the number, the longer ago.
    now: u64,
    idle: BTreeMap<u64, Arc<Notify>>,
    owed: BTreeMap<u64, Arc<Notify>>,
}

/// The place of one connection, until it is dropped.
pub(super) struct Seat {
    crowd: Crowd,
    at: u64,
    owed: bool,
    leave: Arc<Notify>,
}

impl Crowd {
    pub(super) fn new(seats_max: usize) -> Crowd {
        Crowd { seats_max: seats_max.max(1), seats: Arc::default() }
    }

    /// Seats a new connection, in another's place if there is no room.
    pub(super) fn enter(&self) -> Seat {
        let leave = Arc::new(Notify::new());
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        while seats.idle.len() + seats.owed.len() >= self.seats_max && seats.dismiss() {}
        let at = seats.put(false, leave.clone());
        Seat { crowd: self.clone(), at, owed: false, leave }
    }

    /// Asks one connection to leave. False when there is none.
    pub(super) fn dismiss(&self) -> bool {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner).dismiss()
    }
}

impl Seats {
    fn put(&mut self, owed: bool, leave: Arc<Notify>) -> u64 {
        self.now += 1;
        if owed { &mut self.owed } else { &mut self.idle }.insert(self.now, leave);
        self.now
    }

    fn take(&mut self, owed: bool, at: u64) -> Option<Arc<Notify>> {
        if owed { &mut self.owed } else { &mut self.idle }.remove(&at)
    }

    fn dismiss(&mut self) -> bool {
        let first = self.idle.pop_first().or_else(|| self.owed.pop_first());
        first.is_some_and(|(_, leave)| {
            leave.notify_one();
            true
        })
    }
}

impl Seat {
    /// Notes activity, and whether the client is owed an answer now.
    pub(super) fn active(&mut self, owed: bool) {
        let mut seats = self.crowd.seats.lock().unwrap_or_else(PoisonError::into_inner);
        // Who was asked to leave has no place to come back to.
        if let Some(leave) = seats.take(self.owed, self.at) {
            self.at = seats.put(owed, leave);
        }
        self.owed = owed;
    }

    /// Returns when somebody else needs the place.
    pub(super) async fn dismissed(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.crowd.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.take(self.owed, self.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seats that were asked to leave.
    async fn dismissed(seats: &[Seat]) -> Vec<usize> {
        let mut gone = Vec::new();
        for (i, seat) in seats.iter().enumerate() {
            tokio::select! {
                biased;
                () = seat.dismissed() => gone.push(i),
                () = std::future::ready(()) => {}
            }
        }
        gone
    }

    #[tokio::test]
    async fn the_one_that_was_silent_longest_makes_room_and_who_is_owed_an_answer_last() {
        let crowd = Crowd::new(3);
        let mut seats: Vec<Seat> = (0..3).map(|_| crowd.enter()).collect();
        seats[0].active(true);
        seats[1].active(false);
        assert!(dismissed(&seats).await.is_empty());
        seats.push(crowd.enter());
        assert_eq!(dismissed(&seats).await, [2]);
        seats[2].active(false);
        seats[3].active(true);
        seats.push(crowd.enter());
        assert_eq!(dismissed(&seats).await, [1]);
        seats[4].active(true);
        seats.push(crowd.enter());
        assert_eq!(dismissed(&seats).await, [0], "all are owed something: the oldest");
        drop(seats.remove(3));
        seats.push(crowd.enter());
        assert!(dismissed(&seats).await.is_empty(), "somebody left, so there was room");
        assert!(crowd.dismiss());
    }
}
