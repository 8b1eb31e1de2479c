//! Keeping pages in step with other nodes (N2, N3, N4, N5, N6, N8, T5, D5): one machine that decides.
//!
//! [`Sync`] is told what happened and says what is to be done; a driver carries bytes and measures
//! time. It is a function of its seed, of what it is told, and of what its [`Ledger`] answers: no
//! clock, no sockets, no disk, no randomness of its own. What bytes of a page mean is decided behind
//! the ledger, by the same doors that judge what a person hands in.
//!
//! Nobody sends data unasked. Notices are short: who is there, which pages it follows and where it
//! stands on each, ids of what is new. All data travels as the answer to a request of the one who
//! lacks it. So every byte taken in was asked for, has a limit, and has one sender who answers for
//! it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    beacon::Beacon,
    governance::{
        Governance,
        chain::ladder::Ladder,
        forks::Forks,
        jump::{Snapshot, Window},
        seal::SealRecord,
    },
    id::Id,
    key::PublicKey,
    page::{name::Name, trie::Trie},
};

mod book;
mod chase;
mod compare;
mod due;
mod early;
mod later;
mod loans;
mod machine;
mod meet;
pub mod message;
pub mod pack;
mod page;
pub mod parts;
mod rate;
mod serve;
mod session;
mod snapshot;
mod sought;

pub use compare::{open_set, open_set_with};
pub use machine::Sync;
pub use serve::{Handed, answer};

pub use book::{Book, BookRefusal, Candidate, Heard, Known, Lie, Link, Source};

pub mod outbox;

use message::PetitionAnswer;

/// What time it is, by both of the clocks that a driver has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since 1970 (UTC): what this machine's clock shows. It may be wrong, and may jump.
    pub unix: u64,
    /// Milliseconds since some beginning; they only go forward. All waiting is measured by these.
    pub ticks: u64,
}

/// Names a request that is under way.
pub type AskId = u64;

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A connection stands.
    Joined { peer: PublicKey, address: SocketAddr, outbound: bool },
    /// A connection is gone. What was asked over it is over as well.
    Left { peer: PublicKey },
    /// A notice came.
    Told { peer: PublicKey, notice: Vec<u8> },
    /// There was no room for a notice to this peer: it is told later where this node stands.
    Untold { peer: PublicKey },
    /// Notices of this peer were not taken in, for there were too many: it is asked where it stands.
    Unheard { peer: PublicKey },
    /// What became of a request. Every [`Output::Ask`] gets one, unless its peer left.
    Answered { ask: AskId, answer: Result<Vec<u8>, AskFailed> },
    /// A peer broke the rules of the connection.
    Misbehaved { peer: PublicKey, what: String },
    /// Something was taken in here, by a person or a seal: the others are to be told. Also said of a
    /// page that is new here or is gone.
    Changed { page: Id },
    /// A page is wanted that is not held (N2). It is sought until it is there, until it cannot be,
    /// or until it is unwanted.
    Want { page: Id, name: Name, beacons: Vec<Beacon>, why: Want },
    /// It is not wanted any more. A page that is held stays held.
    Unwant { page: Id },
    /// How a page is followed from now on (N8).
    Wish { page: Id, wish: Wish },
    /// Somebody can be reached somewhere.
    Found { beacon: Beacon, how: How },
    /// A node that was found was heard at these addresses, which nobody signed: on a link without other
    /// addresses than the link's, they are what reaches it (D2).
    HeardAt { key: PublicKey, addresses: Vec<SocketAddr> },
    /// Somebody can be reached at an address, whoever that is.
    FoundAt { address: SocketAddr, how: How },
    /// Nobody answered an [`Output::Connect`], or somebody else did.
    ConnectFailed { key: Option<PublicKey>, addresses: Vec<SocketAddr>, why: String },
    /// The time of [`Sync::wake_at`] has come.
    Wake,
}

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskFailed {
    #[error("it cannot be reached")]
    Unreachable,
    #[error("it did not answer in time")]
    TimedOut,
    #[error("its answer was longer than any answer to this")]
    Oversize,
}

/// Why a page is wanted (N2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Want {
    /// A question was asked about a name in it.
    Resolve,
    /// A page that is held links to it, and is followed with what is below.
    Link,
    /// A person named it.
    Anchor,
}

/// How a page is followed (N8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    pub pace: Pace,
    /// Bytes that the page may take: a larger one is not fetched, nor gone on with. None: no limit
    /// but those of the protocol.
    pub bytes_max: Option<u64>,
    /// Bytes in a second that may be asked for, on the average. None: no limit.
    pub bytes_per_second_max: Option<u64>,
}

/// When what is new of a page is fetched (N8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pace {
    /// At once.
    Live,
    /// Every so often.
    Every(Duration),
    /// Not at all. What is held is handed on, and what a person says here is told.
    Paused,
}

/// How somebody was found (N7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// It came by itself.
    Inbound,
    /// A person named it.
    Told,
    /// DNS-SD on the local network (D2).
    Lan,
    /// The UDP broadcast on the local network (D2).
    Broadcast,
    /// The DHT (D3).
    Dht,
    /// A page that is held names it (D6).
    Page,
    /// A peer handed its beacon on (D5).
    Exchange,
    /// It was there before.
    Remembered,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A notice is to be sent; it may be dropped where there is no room for it.
    Tell { peer: PublicKey, notice: Vec<u8> },
    /// A request is to be made. Its answer, or why there is none, comes as [`Input::Answered`].
    Ask {
        ask: AskId,
        peer: PublicKey,
        request: Vec<u8>,
        answer_bytes_max: usize,
        patience: Duration,
    },
    /// A connection is to be tried at these addresses, best first; with a key, to nobody else.
    Connect { addresses: Vec<SocketAddr>, key: Option<PublicKey> },
    /// A connection is to be ended, for a reason in words.
    Close { peer: PublicKey, why: String },
    /// Something that people or other parts want to know.
    Event(Event),
}

/// What people or other parts want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A page that was wanted is here.
    Ready { page: Id },
    /// A page that was wanted cannot be had, or is none that may be taken: it is wanted no longer.
    GaveUp { page: Id, why: String },
    /// A page stands where every peer stands that follows it.
    InStep { page: Id },
    /// Two histories of a page are known (T4).
    Forked { page: Id },
    /// A page cannot be brought in step here, for a reason that a person can mend.
    Stuck { page: Id, why: String },
    /// A peer sent what no honest node sends (T5).
    Lied { peer: PublicKey, what: String },
    /// A peer has no credit left and is let go for a while, for this last of its faults (N6).
    LetGo { peer: PublicKey, why: String },
    /// This machine's clock differs by so many seconds from those of most peers; it is behind when
    /// that is positive. 0: most agree with it again.
    ClockOff {
        seconds: i64,
        /// The same of those alone that this node called or a seat of its pages names: what seals
        /// wait for.
        known: i64,
    },
}

/// What a page's machine knows of a page that this node holds. Cheap to clone.
#[derive(Clone)]
pub struct Held {
    pub governance: Governance,
    /// The certificates that lead to its newest seal.
    pub ladder: Ladder,
    /// What is known of other histories (T4).
    pub forks: Arc<Forks>,
    /// The ids of the open set (N3), attestations and fork evidence among them. Values are empty.
    pub open: Arc<Trie>,
}

/// A seal with statements that it lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    pub record: Vec<u8>,
    /// Of those that it lists the ones that were lacking here.
    pub statements: Vec<Vec<u8>>,
}

/// What was kept of a page that is being fetched.
#[derive(Clone, Default)]
pub struct Stashed {
    pub genesis: Option<Vec<u8>>,
    pub leaves: Trie,
}

/// A connected peer, for people.
#[derive(Clone, Debug)]
pub struct PeerReport {
    pub key: PublicKey,
    pub address: SocketAddr,
    pub outbound: bool,
    pub how: How,
    /// Seconds since 1970 (UTC).
    pub since: u64,
    /// Its program and version, as it says; empty before it said so.
    pub program: String,
    pub beacon: Option<Beacon>,
    /// Where it sees this node.
    pub seen_as: Option<SocketAddr>,
    /// Pages that both know of.
    pub pages: Vec<Id>,
    /// 0 to 100: who has more is asked first.
    pub credit: u32,
    /// What it was charged with, and how often.
    pub faults: Vec<(String, u32)>,
    /// Its clock less this machine's, in seconds.
    pub clock_off: Option<i64>,
    /// Requests to it that are under way.
    pub asked: usize,
    /// How long it owes an answer that is late, in milliseconds.
    pub owes: Option<u64>,
}

/// A seal that is held until it is due (T7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Postponed {
    pub height: u64,
    /// Seconds since 1970 (UTC): what it is dated.
    pub time: u64,
    /// Whether it is the newest here, and held elsewhere; else it is held here.
    pub is_here: bool,
}

/// How far a page is, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The height that is held; none: the page is not held.
    pub height: Option<u64>,
    /// Connected peers that have it.
    pub peers: Vec<Beside>,
    pub is_in_step: bool,
    /// Whether its state is being fetched.
    pub is_snapshot: bool,
    pub fetched_bytes: u64,
    /// About how much of the state that is.
    pub fetched_thousandths: u32,
    /// Statements that are known of and lacking.
    pub lacking: usize,
    /// The seal that keeps it from being in step, for it is not due.
    pub postponed: Option<Postponed>,
}

/// How a peer stands on a page, by what it said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beside {
    pub key: PublicKey,
    pub height: u64,
    /// Whether it has nothing that is to be fetched.
    pub is_matched: bool,
    /// Whether its seal is known to be of another history.
    pub is_elsewhere: bool,
    /// Whether it has left what it was asked unanswered for long.
    pub is_silent: bool,
}

/// What became of one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    New,
    Known,
    /// Refused as the page is now, which may be a matter of order: nobody's fault.
    NotNow(String),
    /// Bytes or signatures that no honest peer hands on.
    Fault(String),
}

/// Why seals or a snapshot were not taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// As the page is now, which went on meanwhile or whose other history is held: nobody's fault.
    NotNow(String),
    /// No honest peer hands on such.
    Fault(String),
    /// This node's own disk, or a limit that a person set.
    Here(String),
}

/// What the machine needs of the node. Every call may block on the disk.
pub trait Ledger {
    /// This node's key.
    fn me(&self) -> PublicKey;

    /// The pages that are kept in step: no demonstration, nothing damaged.
    fn pages(&self) -> Vec<Id>;

    /// One of those.
    fn held(&self, page: &Id) -> Option<Held>;

    /// The beacons that one of those holds (D6).
    fn beacons(&self, page: &Id) -> Vec<Beacon>;

    /// A statement or a seal's record by its id, open or in the log.
    fn stored(&self, page: &Id, id: &Id) -> Option<Vec<u8>>;

    /// The newest seals of a page, down to what operations may still name (N5): from its log, and where it
    /// was taken over from what it was taken over with.
    fn window(&self, page: &Id) -> Option<Window>;

    /// Takes operations, ballots, batches, presences and attestations in: one verdict for each.
    fn admit(&self, page: &Id, from: &PublicKey, statements: Vec<Vec<u8>>) -> Vec<Verdict>;

    /// Takes the next seals in, in order. Returns how many; those before a refused one are taken.
    ///
    /// # Errors
    /// [`Refused`], when not even the first was taken.
    fn follow(&self, page: &Id, from: &PublicKey, seals: Vec<Sealed>) -> Result<usize, Refused>;

    /// Takes a page over at the seal of a snapshot: one that is new here, or far behind (N5). One without
    /// proofs is of height 0: the page as it was founded.
    ///
    /// # Errors
    /// [`Refused`].
    fn adopt(&self, snapshot: Snapshot) -> Result<(), Refused>;

    /// Keeps what was verified of a page that is being fetched: its genesis, leaves of its state.
    ///
    /// # Errors
    /// Why that cannot be. Of a page that is not held nothing is kept then, so that others have the room.
    fn stash(
        &self,
        page: &Id,
        genesis: Option<&[u8]>,
        leaves: &[(Id, Vec<u8>)],
    ) -> Result<(), String>;

    /// What was kept so.
    fn stashed(&self, page: &Id) -> Stashed;

    /// Takes evidence of another history in (T4): one verdict for each record.
    fn forks(&self, page: &Id, from: &PublicKey, evidence: Vec<SealRecord>) -> Vec<Verdict>;

    /// Hands in a petition from this address (G13).
    fn petition(&self, from: SocketAddr, bytes: &[u8]) -> PetitionAnswer;

    /// What became of a petition.
    fn fate(&self, page: &Id, petition: &Id) -> PetitionAnswer;
}

#[cfg(test)]
mod tests;
