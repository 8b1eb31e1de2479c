//! When the room for answers is used up (N6): whoever has read nothing of theirs for longest is let go, so that
//! those who ask for much and read none of it keep nobody waiting for long.
//!
//! It is no fault: the same peer is let in again.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

use super::{Shared, fault::Code};
use crate::limits::{NETWORK_UNREAD_LOOK, NETWORK_UNREAD_PRESSED};

/// What a peer reads of the answers that are being sent to it.
#[derive(Default)]
pub(super) struct Reading {
    /// Answers that are being sent.
    under_way: AtomicU32,
    /// When anything of them was read, or the first of them began, in milliseconds of the network's clock.
    read_at: AtomicU64,
}

/// An answer that is being sent, until it is dropped.
pub(super) struct Sent<'r>(&'r Reading);

impl Reading {
    pub(super) fn begin(&self, ticks: u64) -> Sent<'_> {
        if self.under_way.fetch_add(1, Ordering::Relaxed) == 0 {
            self.read_at.store(ticks, Ordering::Relaxed);
        }
        Sent(self)
    }

    pub(super) fn read(&self, ticks: u64) {
        self.read_at.fetch_max(ticks, Ordering::Relaxed);
    }

    /// For how many milliseconds nothing was read of what is being sent; none: nothing is.
    fn unread(&self, ticks: u64) -> Option<u64> {
        let is_sent = self.under_way.load(Ordering::Relaxed) > 0;
        is_sent.then(|| ticks.saturating_sub(self.read_at.load(Ordering::Relaxed)))
    }
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// Waits for room; where that lasts, peers that do not read are let go, one after the other.
    pub(super) async fn room(
        &self,
        of: &Arc<Semaphore>,
        permits: u32,
    ) -> Option<OwnedSemaphorePermit> {
        let mut room = pin!(of.clone().acquire_many_owned(permits));
        loop {
            tokio::select! {
                biased;
                room = &mut room => return room.ok(),
                () = sleep(NETWORK_UNREAD_LOOK) => self.let_one_go(),
            }
        }
    }

    /// Lets the one go that has read nothing for longest, if that is long: one each time, whoever waits.
    fn let_one_go(&self) {
        let ticks = (self.ticks)();
        let last = self.let_go_at.load(Ordering::Relaxed);
        let is_early = ticks < last.saturating_add(NETWORK_UNREAD_LOOK.as_millis() as u64);
        let claim =
            || self.let_go_at.compare_exchange(last, ticks, Ordering::Relaxed, Ordering::Relaxed);
        if is_early || claim().is_err() {
            return;
        }
        let unread = |reading: &Reading| {
            let long = NETWORK_UNREAD_PRESSED.as_millis() as u64;
            reading.unread(ticks).filter(|unread| *unread >= long)
        };
        let lives = self.table.all();
        let longest = lives.iter().filter_map(|live| Some((unread(&live.reading)?, live)));
        if let Some((_, live)) = longest.max_by_key(|(unread, _)| *unread) {
            live.close(Code::Enough, "it reads no answers, and others wait for the room they take");
        }
    }
}
