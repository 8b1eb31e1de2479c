//! The peers there are, one connection each, and what is told to the owner about them, in order.
//!
//! Of two connections with one peer, one stays (N1): both sides decide it alike, without a word.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use super::{
    Door, Peer,
    fault::{Code, Misbehaviour},
    live::Live,
    places::Place,
};
use crate::{key::PublicKey, limits::NETWORK_CROSSING};

/// Why a connection ended that another one with the same node took the place of: told to the owner.
pub const REPLACED: &str = "another connection with the node took its place";

/// Something to tell the owner.
///
/// The queue of these has no limit of its own: each holds the place of its connection, or a share of
/// the bytes that its peer may have waiting.
pub(super) enum News {
    Joined(Peer),
    Left(PublicKey, String, Option<Place>),
    Told(PublicKey, Vec<u8>, OwnedSemaphorePermit),
    Misbehaved(PublicKey, Misbehaviour),
}

pub(super) struct Table {
    me: PublicKey,
    rows: Mutex<Rows>,
    news: mpsc::UnboundedSender<News>,
    /// Something about the rows changed.
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Rows {
    live: HashMap<PublicKey, Arc<Live>>,
    /// Peers that this node is agreeing with on a connection that it opened.
    claims: HashSet<PublicKey>,
    closed: bool,
}

/// The right to open a connection with a peer, until it is dropped.
pub(super) struct Claim<'a> {
    table: &'a Table,
    key: PublicKey,
}

/// Which of two connections stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stays {
    Old,
    New,
}

impl Table {
    /// An empty one, and what it will have to tell.
    pub(super) fn new(me: PublicKey) -> (Table, mpsc::UnboundedReceiver<News>) {
        let (news, told) = mpsc::unbounded_channel();
        let rows = Mutex::default();
        (Table { me, rows, news, changed: watch::Sender::new(()) }, told)
    }

    pub(super) fn get(&self, key: &PublicKey) -> Option<Arc<Live>> {
        self.rows().live.get(key).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Live>> {
        self.rows().live.values().cloned().collect()
    }

    pub(super) fn news(&self, news: News) {
        // Nobody listens any more once the network is gone.
        let _ = self.news.send(news);
    }

    /// The right to agree with a peer on a connection that this node opened; or the connection that
    /// there is. Waits while another call is about to agree with it.
    pub(super) async fn claim(&self, key: PublicKey) -> Result<Claim<'_>, Arc<Live>> {
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            {
                let mut rows = self.rows();
                if let Some(live) = rows.live.get(&key) {
                    return Err(live.clone());
                }
                if rows.claims.insert(key) {
                    return Ok(Claim { table: self, key });
                }
            }
            // The sender is in this table.
            let _ = changed.changed().await;
        }
    }

    /// Takes a connection on, if it is the one that stays.
    ///
    /// # Errors
    /// The connection that stays instead; none: the network is closed.
    pub(super) fn adopt(&self, new: &Arc<Live>) -> Result<(), Option<Arc<Live>>> {
        let mut rows = self.rows();
        if rows.closed {
            return Err(None);
        }
        let key = new.peer.key;
        if let Some(old) = rows.live.get(&key) {
            let aged = new.since.saturating_sub(old.since) > NETWORK_CROSSING.as_millis() as u64;
            if stays(self.me, key, old.peer.outbound, new.peer.outbound, aged) == Stays::Old {
                return Err(Some(old.clone()));
            }
            old.close(Code::Duplicate, REPLACED);
            self.news(News::Left(key, REPLACED.to_owned(), old.take_place()));
        }
        self.news(News::Joined(new.peer.clone()));
        rows.live.insert(key, new.clone());
        drop(rows);
        self.changed.send_replace(());
        Ok(())
    }

    /// The connection has ended.
    pub(super) fn forget(&self, ended: &Live, why: &str) {
        let mut rows = self.rows();
        if rows.live.get(&ended.peer.key).is_some_and(|live| live.is(ended)) {
            rows.live.remove(&ended.peer.key);
            self.news(News::Left(ended.peer.key, why.to_owned(), ended.take_place()));
            drop(rows);
            self.changed.send_replace(());
        }
    }

    /// A notice has come on a connection: of one that does not count any more it is dropped.
    pub(super) fn told(&self, from: &Live, notice: Vec<u8>, room: OwnedSemaphorePermit) {
        let rows = self.rows();
        if rows.live.get(&from.peer.key).is_some_and(|live| live.is(from)) {
            self.news(News::Told(from.peer.key, notice, room));
        }
    }

    /// Takes nothing on any more.
    pub(super) fn close(&self) {
        self.rows().closed = true;
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.table.rows().claims.remove(&self.key);
        self.table.changed.send_replace(());
    }
}

/// Which of two connections between `me` and `peer` stays; `aged`: the old one is so old that the
/// peer knew it when it opened the new one.
fn stays(me: PublicKey, peer: PublicKey, old_mine: bool, new_mine: bool, aged: bool) -> Stays {
    match (old_mine, new_mine) {
        // This node opens a second one only by mistake.
        (true | false, true) if old_mine || aged => Stays::Old,
        // Whoever opens a second one has lost the first, or was started anew.
        (false, false) => Stays::New,
        (true, false) if aged => Stays::New,
        // Both called at once: that of the smaller key.
        (_, new_mine) if new_mine == (me < peer) => Stays::New,
        _ => Stays::Old,
    }
}

/// Tells the owner what there is to tell, in order.
pub(super) async fn tell(door: Arc<dyn Door>, mut news: mpsc::UnboundedReceiver<News>) {
    while let Some(news) = news.recv().await {
        match news {
            News::Joined(peer) => door.joined(&peer),
            News::Left(key, why, place) => {
                door.left(&key, &why);
                drop(place);
            }
            News::Told(key, notice, room) => {
                door.told(&key, notice);
                drop(room);
            }
            News::Misbehaved(key, what) => door.misbehaved(&key, what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    /// Two keys, the smaller first.
    fn keys() -> (PublicKey, PublicKey) {
        let [a, b] = [1, 2].map(|n| SecretKey::from_seed(&[n; 32]).public());
        if a < b { (a, b) } else { (b, a) }
    }

    #[test]
    fn both_sides_keep_the_same_one_of_two_crossing_connections() {
        let (small, large) = keys();
        for (first_by_small, then_by_small) in [(true, false), (false, true)] {
            let at_small = stays(small, large, first_by_small, then_by_small, false);
            let at_large = stays(large, small, !first_by_small, !then_by_small, false);
            assert_eq!(at_small, at_large);
            let expect = if first_by_small { Stays::Old } else { Stays::New };
            assert_eq!(at_small, expect, "that of the smaller key stays");
        }
    }

    #[test]
    fn who_calls_again_has_lost_what_there_was() {
        let (small, large) = keys();
        for (me, peer) in [(small, large), (large, small)] {
            assert_eq!(stays(me, peer, false, false, false), Stays::New);
            assert_eq!(stays(me, peer, true, false, true), Stays::New);
            assert_eq!(stays(me, peer, true, true, true), Stays::Old);
            assert_eq!(stays(me, peer, false, true, true), Stays::Old);
        }
    }
}
