//! What nodes say to each other: notices, requests, and the answers to these (N3 to N6, D5).
//!
//! Everything is one P1 array with a tag, and has a limit of bytes and of rows. Notices are short
//! and tell where a node stands; all data travels as the answer to a request, so that every byte
//! taken in was asked for. Statements, seals, proofs, pieces and beacons are bytes here: what they
//! mean is read by the doors of their own. Nothing here knows who says it, or why.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::pack::{self, Common, PackRefusal};
use crate::{
    id::Id,
    limits::*,
    page::{
        codec::{self, CodecRefusal, tagged},
        entry::Rdata,
        trie::Path,
    },
};

/// The version of the protocol that a node speaks.
pub const VERSION: u32 = 1;

/// Why bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageRefusal {
    #[error("the message's encoding: {0}")]
    Codec(#[from] CodecRefusal),
    #[error("{rows} rows are more than {max}")]
    TooManyRows { rows: usize, max: usize },
    #[error("it names nothing")]
    NoRows,
    #[error("the rows are not sorted, or one appears twice")]
    NotSorted,
    #[error("an address of {0} octets is neither IPv4 nor IPv6")]
    Address(usize),
    #[error("the program's name of {0} bytes is longer than {PROGRAM_BYTES_MAX}")]
    Program(usize),
    #[error("its answer: {0}")]
    Packed(#[from] PackRefusal),
    #[error("it names batches that were not named to it")]
    Uncommon,
    #[error("an answer of {found} items, where {asked} were asked for")]
    TooManyItems { found: usize, asked: usize },
}

/// Where a node stands on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Standing {
    pub page: Id,
    pub height: u64,
    /// The id of its newest seal; at height 0 the page id.
    pub seal: Id,
    /// The root of its open set (N3).
    pub open: Id,
}

/// An address as it travels: the octets of an IP address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    pub ip: Rdata,
    pub port: u16,
}

/// The first notice on a connection: who is there. It is said again now and then, for the clock, without
/// the beacon, which stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u32,
    /// The program and its version, for people; at most [`PROGRAM_BYTES_MAX`] bytes.
    pub program: String,
    /// Its clock, in seconds since 1970 (UTC).
    pub time: u64,
    /// Its signed beacon; none: it has none, or has shown it.
    pub beacon: Vec<Rdata>,
    /// Where it sees the one it talks to.
    pub seen_as: Address,
}

/// Which pages a node holds, and where it stands on each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follow {
    /// Whether it wants to be told what is new on them.
    pub live: bool,
    /// Sorted by page; at most [`FOLLOW_ROWS_MAX`].
    pub standings: Vec<Standing>,
}

/// What is new on a page. The standing is that with everything in it, so that whoever has the ids
/// and still stands elsewhere knows that it lacks more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    pub standing: Standing,
    /// Ids of the open set, sorted; at most [`NEWS_IDS_MAX`].
    pub ids: Vec<Id>,
}

tagged! {
    /// What is said without being asked for.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Notice {
        1 => Hello(Hello),
        2 => Follow(Follow),
        /// Pages that are not held any more, sorted.
        3 => Leave(Vec<Id>),
        4 => News(News),
    }
}

/// Asks for the certificates that lead from a height to the newest seal (T1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Above {
    pub page: Id,
    pub height: u64,
}

/// Asks for the next seals above a height.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    pub page: Id,
    pub height: u64,
    /// Whether what they list should come with them, where there is room: whoever asks has nothing of it.
    pub whole: bool,
    /// Open batches that whoever asks has: what they list need not be told. Sorted; at most
    /// [`SEALS_BATCHES_MAX`].
    pub batches: Vec<Id>,
}

/// Asks for parts of a trie. Each is named by its hash, so that a node at another seal, or whose open
/// set has changed elsewhere, can show it as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    pub page: Id,
    /// Sorted by path; at most [`SUBTREES_ROWS_MAX`].
    pub parts: Vec<Part>,
}

/// A part of a trie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub path: Path,
    /// The hash of what is there.
    pub hash: Id,
    /// Bytes that should be shown of it at most: 0 shows one level.
    pub bytes_max: u32,
}

/// Asks for what goes with a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    pub page: Id,
    pub seal: Id,
}

/// Asks for statements by their ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    pub page: Id,
    /// Sorted; at most [`STATEMENTS_IDS_MAX`].
    pub ids: Vec<Id>,
}

/// Hands in a petition, or asks what became of one (G13).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fate {
    pub page: Id,
    pub petition: Id,
}

tagged! {
    /// What one node asks of another.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Request {
        /// Where it stands on these pages, sorted: `[standing]`, of those that it holds.
        1 => Standings(Vec<Id>),
        /// A page's genesis: none or one.
        2 => Genesis(Id),
        /// [`crate::governance::chain::ChainProof`]s, each from where the last one ended.
        3 => Chain(Above),
        /// Parts of the sealed state: for each row the part, or nothing where it has none such. As
        /// many rows as there is room for.
        4 => Subtrees(Parts),
        /// The seals that operations may name, up to this one: none or one.
        5 => Window(At),
        /// The records of the next seals above a height, in order, as many as there is room for: an octet
        /// with a bit for each of the named batches that it has too, and the [packed](super::pack) records.
        6 => Seals(Next),
        /// Statements and seals, each once, those of them that it has and there is room for, and the
        /// operations of each batch among them; [packed](super::pack).
        7 => Statements(Named),
        /// Parts of the open set: an [`OpenAnswer`].
        8 => Open(Parts),
        /// Beacons of nodes that follow a page (D5).
        9 => Peers(Id),
        /// Records of seals that contradict those that it holds (T4).
        10 => Forks(Id),
        /// A petition in its envelope (G13): a [`PetitionAnswer`].
        11 => Petition(Rdata),
        /// What became of a petition: a [`PetitionAnswer`].
        12 => Fate(Fate),
    }
}

/// Parts of an open set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAnswer {
    /// The root that it has now: with another than was asked for, what is shown is of this one.
    pub root: Id,
    /// One for each row, or nothing; as many rows as there is room for.
    pub parts: Vec<Rdata>,
}

tagged! {
    /// What a host says of a petition.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum PetitionAnswer {
        /// It waits; received at this time, in seconds since 1970.
        1 => Waiting(u64),
        /// Taken up by this operation.
        2 => TakenUp(Id),
        /// Refused, with the signed refusal.
        3 => Refused(Rdata),
        /// Nobody decided in time; received at this time.
        4 => Expired(u64),
        /// No such petition is known.
        5 => Unknown(Id),
        /// It is not taken in, with the reason in words.
        6 => NotTaken(String),
    }
}

impl Address {
    /// An address in the form that travels; IPv4 inside IPv6 as IPv4.
    pub fn of(address: SocketAddr) -> Address {
        let octets: Box<[u8]> = match address.ip().to_canonical() {
            IpAddr::V4(ip) => Box::from(ip.octets()),
            IpAddr::V6(ip) => Box::from(ip.octets()),
        };
        Address { ip: Rdata(octets), port: address.port() }
    }

    /// The address; none for octets that no message with them passes.
    pub fn read(&self) -> Option<SocketAddr> {
        let octets = &self.ip.0[..];
        let ip = match octets.len() {
            4 => IpAddr::from(<[u8; 4]>::try_from(octets).ok()?),
            16 => IpAddr::from(<[u8; 16]>::try_from(octets).ok()?),
            _ => return None,
        };
        Some(SocketAddr::new(ip, self.port))
    }
}

impl Next {
    /// Above which height of which page.
    pub fn above(&self) -> Above {
        Above { page: self.page, height: self.height }
    }
}

impl From<Above> for Next {
    /// The seals alone, with no batch named.
    fn from(above: Above) -> Next {
        Next { page: above.page, height: above.height, whole: false, batches: Vec::new() }
    }
}

impl Notice {
    /// The bytes that travel.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a notice of at most [`NOTICE_BYTES_MAX`].
    ///
    /// # Errors
    /// The first [`MessageRefusal`] found.
    pub fn decode(bytes: &[u8]) -> Result<Notice, MessageRefusal> {
        let notice = codec::decode(bytes, NOTICE_BYTES_MAX)?;
        match &notice {
            Notice::Hello(hello) => check_hello(hello)?,
            Notice::Follow(follow) => check_standings(&follow.standings, FOLLOW_ROWS_MAX)?,
            Notice::Leave(pages) => check_rows(pages, FOLLOW_ROWS_MAX)?,
            // None: the standing alone changed.
            Notice::News(news) if news.ids.is_empty() => {}
            Notice::News(news) => check_rows(&news.ids, NEWS_IDS_MAX)?,
        }
        Ok(notice)
    }
}

impl Request {
    /// The bytes that travel.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a request of at most [`REQUEST_BYTES_MAX`].
    ///
    /// # Errors
    /// The first [`MessageRefusal`] found.
    pub fn decode(bytes: &[u8]) -> Result<Request, MessageRefusal> {
        let request = codec::decode(bytes, REQUEST_BYTES_MAX)?;
        match &request {
            Request::Standings(pages) => check_rows(pages, FOLLOW_ROWS_MAX)?,
            Request::Statements(named) => check_rows(&named.ids, STATEMENTS_IDS_MAX)?,
            Request::Seals(next) if next.batches.is_empty() => {}
            Request::Seals(next) => check_rows(&next.batches, SEALS_BATCHES_MAX)?,
            Request::Subtrees(parts) | Request::Open(parts) => check_parts(parts)?,
            _ => {}
        }
        Ok(request)
    }

    /// The page that it is about; none where it is about several, or names none outside of an
    /// envelope.
    pub fn page(&self) -> Option<Id> {
        match self {
            Request::Standings(_) | Request::Petition(_) => None,
            Request::Genesis(page) | Request::Peers(page) | Request::Forks(page) => Some(*page),
            Request::Chain(above) => Some(above.page),
            Request::Seals(next) => Some(next.page),
            Request::Subtrees(parts) | Request::Open(parts) => Some(parts.page),
            Request::Window(at) => Some(at.page),
            Request::Statements(named) => Some(named.page),
            Request::Fate(fate) => Some(fate.page),
        }
    }

    /// Bytes that its answer has at most: with what is larger, its sender breaks the protocol.
    pub fn answer_bytes_max(&self) -> usize {
        match self {
            Request::Standings(pages) => 16 + pages.len() * STANDING_BYTES_MAX,
            Request::Genesis(_) => GENESIS_BYTES_MAX + 16,
            Request::Chain(_) => CHAIN_PROOF_BYTES_MAX + 16,
            Request::Window(_) => WINDOW_BYTES_MAX + SEAL_BYTES_MAX + 16,
            Request::Seals(_) | Request::Forks(_) => SEAL_BYTES_MAX + 1024,
            Request::Subtrees(_) | Request::Statements(_) => ANSWER_BYTES_MAX,
            Request::Open(_) => OPEN_ANSWER_BYTES_MAX,
            Request::Peers(_) => 16 + PEERS_ANSWER_MAX * (BEACON_BYTES_MAX + 8),
            Request::Petition(_) | Request::Fate(_) => PETITION_ANSWER_BYTES_MAX,
        }
    }

    /// Items that its answer has at most, where that is a list.
    pub fn answer_items_max(&self) -> usize {
        match self {
            Request::Standings(pages) => pages.len(),
            Request::Chain(_) => LADDER_RUNGS_MAX,
            Request::Subtrees(parts) | Request::Open(parts) => parts.parts.len(),
            Request::Seals(next) if next.whole => SEALS_REPLAYED_MAX + BATCH_ROWS_MAX,
            Request::Seals(_) => SEALS_REPLAYED_MAX,
            Request::Statements(named) => named.ids.len() + BATCH_ROWS_MAX,
            Request::Peers(_) => PEERS_ANSWER_MAX,
            Request::Forks(_) => FORKS_KEPT_MAX + 1,
            Request::Genesis(_) | Request::Window(_) | Request::Petition(_) | Request::Fate(_) => 1,
        }
    }

    /// Reads an answer that is a list of bytes.
    ///
    /// # Errors
    /// The first [`MessageRefusal`] found.
    pub fn read_items(&self, answer: &[u8]) -> Result<Vec<Rdata>, MessageRefusal> {
        let items: Vec<Rdata> = codec::decode(answer, self.answer_bytes_max())?;
        self.check_items(items.len())?;
        Ok(items)
    }

    /// Reads an answer that is a list of packed bytes. `common` says what both sides have, of the batches
    /// whose bits are set.
    ///
    /// # Errors
    /// The first [`MessageRefusal`] found.
    pub fn read_packed(
        &self,
        answer: &[u8],
        common: impl FnOnce(u8) -> Option<Common>,
    ) -> Result<Vec<Rdata>, MessageRefusal> {
        let (bits, packed) = match self {
            Request::Seals(_) => answer.split_first().map_or((0, answer), |(bits, p)| (*bits, p)),
            _ => (0, answer),
        };
        let common = common(bits).ok_or(MessageRefusal::Uncommon)?;
        let (bytes_max, items_max) = (self.answer_bytes_max(), self.answer_items_max());
        let items = pack::unpack(packed, common, bytes_max, items_max)?;
        Ok(items.into_iter().map(|item| Rdata(item.into())).collect())
    }

    /// Reads the answer to [`Request::Standings`].
    ///
    /// # Errors
    /// The first [`MessageRefusal`] found.
    pub fn read_standings(&self, answer: &[u8]) -> Result<Vec<Standing>, MessageRefusal> {
        let standings: Vec<Standing> = codec::decode(answer, self.answer_bytes_max())?;
        self.check_items(standings.len())?;
        if !standings.is_empty() {
            check_standings(&standings, FOLLOW_ROWS_MAX)?;
        }
        Ok(standings)
    }

    /// Reads the answer to [`Request::Open`].
    ///
    /// # Errors
    /// The first [`MessageRefusal`] found.
    pub fn read_open(&self, answer: &[u8]) -> Result<OpenAnswer, MessageRefusal> {
        let open: OpenAnswer = codec::decode(answer, self.answer_bytes_max())?;
        self.check_items(open.parts.len())?;
        Ok(open)
    }

    /// Reads the answer to [`Request::Petition`] or [`Request::Fate`].
    ///
    /// # Errors
    /// The first [`MessageRefusal`] found.
    pub fn read_petition(&self, answer: &[u8]) -> Result<PetitionAnswer, MessageRefusal> {
        Ok(codec::decode(answer, self.answer_bytes_max())?)
    }

    fn check_items(&self, found: usize) -> Result<(), MessageRefusal> {
        match self.answer_items_max() {
            asked if found > asked => Err(MessageRefusal::TooManyItems { found, asked }),
            _ => Ok(()),
        }
    }
}

/// An answer that is a list, of as many items as fit into `bytes_max`, but at least the first.
pub fn write_items(items: impl IntoIterator<Item = Vec<u8>>, bytes_max: usize) -> Vec<u8> {
    let mut room = bytes_max.saturating_sub(LIST_BYTES);
    let mut taken: Vec<Rdata> = Vec::new();
    for item in items {
        let bytes = item.len() + ITEM_BYTES;
        if bytes > room && !taken.is_empty() {
            break;
        }
        room = room.saturating_sub(bytes);
        taken.push(Rdata(item.into()));
    }
    codec::encode(&taken)
}

/// What an array, and a `bin` in it, take besides their contents, at most.
const LIST_BYTES: usize = 5;
const ITEM_BYTES: usize = 5;

fn check_hello(hello: &Hello) -> Result<(), MessageRefusal> {
    if hello.program.len() > PROGRAM_BYTES_MAX {
        return Err(MessageRefusal::Program(hello.program.len()));
    }
    if hello.beacon.len() > 1 {
        return Err(MessageRefusal::TooManyRows { rows: hello.beacon.len(), max: 1 });
    }
    match hello.seen_as.read() {
        Some(_) => Ok(()),
        None => Err(MessageRefusal::Address(hello.seen_as.ip.0.len())),
    }
}

fn check_standings(standings: &[Standing], max: usize) -> Result<(), MessageRefusal> {
    let pages: Vec<Id> = standings.iter().map(|standing| standing.page).collect();
    check_rows(&pages, max)
}

fn check_parts(parts: &Parts) -> Result<(), MessageRefusal> {
    let paths: Vec<&Path> = parts.parts.iter().map(|part| &part.path).collect();
    check_rows(&paths, SUBTREES_ROWS_MAX)
}

fn check_rows<T: Ord>(rows: &[T], max: usize) -> Result<(), MessageRefusal> {
    if rows.is_empty() {
        return Err(MessageRefusal::NoRows);
    }
    if rows.len() > max {
        return Err(MessageRefusal::TooManyRows { rows: rows.len(), max });
    }
    if !rows.is_sorted_by(|a, b| a < b) {
        return Err(MessageRefusal::NotSorted);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
