//! Pages: one zone each, sealed and valid by construction (P6 to P9).
//!
//! [`Page::admit`] is the only door from bytes: past it nobody checks again. A page is immutable
//! data with structural sharing: cloning one costs nothing. Here it is known what a page
//! contains; who may change it is [`crate::governance`]'s business.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    id::Id,
    key::{PublicKey, RawKey},
    limits::{ENTRY_BYTES_MAX, FOUNDING_ENTRIES_MAX},
};

pub mod apex;
pub mod bundle;
pub mod codec;
pub mod entry;
pub mod genesis;
pub mod name;
pub mod rdata;
pub mod record;
mod state;
pub mod trie;
pub mod zonefile;

pub use state::{LeafRefusal, StateRefusal};

use entry::{Entry, EntryError, Rdata, RecordSets};
use genesis::{Genesis, GenesisRefusal, Parameters, RawGenesis, Roster};
use name::{Name, Owner};
use trie::{Excerpt, ProofRefusal, Trie};

/// Why bytes are no page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageRefusal {
    #[error(transparent)]
    Genesis(#[from] GenesisRefusal),
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error("the initial entry at `{0}` names an operation as its origin")]
    NotOrigin(Owner),
    #[error("the initial entry at `{0}` is empty")]
    EmptyEntry(Owner),
    #[error("the owner `{0}` appears twice in the initial contents")]
    OwnerTwice(Owner),
    #[error("initial entry number {0} is none: it does not begin with an owner")]
    NoEntry(usize),
    #[error("{0} initial entries are more than {FOUNDING_ENTRIES_MAX}")]
    TooManyEntries(usize),
    #[error("the contents give the state root {found}, and the genesis names {named}")]
    OtherStateRoot { named: Id, found: Id },
}

/// What a page was founded with: its genesis and the initial entries, as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawPage {
    pub genesis: Vec<u8>,
    /// Encoded entries, in any order.
    pub entries: Vec<Box<[u8]>>,
}

/// A page as of its newest seal: at height 0 the genesis is its own seal (P6).
#[derive(Clone)]
pub struct Page {
    genesis: Arc<Genesis>,
    head: Head,
    roster: Arc<Roster>,
    parameters: Arc<Parameters>,
    /// The operation that wrote roster and parameters; [`Id::ZERO`] stands for the origin.
    roster_version: Id,
    state: Trie,
    /// Entries that were deleted: they keep their version, and hold nothing.
    deleted: usize,
}

/// The newest seal of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub height: u64,
    pub seal: Id,
    /// Seconds since 1970 (UTC): of the genesis, or of the seal.
    pub time: u64,
}

/// What a seal changes in a page's state.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The signed presence of each participant that has a new one.
    pub presences: Vec<(PublicKey, Box<[u8]>)>,
    /// Entries with the operation that wrote them; empty sets delete. Of one owner the last counts.
    pub entries: Vec<(Owner, Id, RecordSets)>,
    /// The participants and parameters, with the operation that wrote them.
    pub roster: Option<(Id, Roster, Parameters)>,
}

/// Participants and parameters of a page, as an excerpt of its state shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roll {
    /// Those of the participants that are shown: there may be others.
    pub seats: BTreeMap<PublicKey, Seat>,
    pub parameters: Parameters,
    /// T, the power of all participants, shown or not.
    pub total: u64,
    /// The operation that wrote both; [`Id::ZERO`] stands for the origin.
    pub version: Id,
}

/// A participant under some seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    pub power: u32,
    /// The operation by which it takes part; none for a founder.
    pub joined_by: Option<Id>,
    /// Its sealed presence, as it was signed (G6).
    pub presence: Option<Box<[u8]>>,
}

/// Why an excerpt does not show who decides about a page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RollRefusal {
    #[error(transparent)]
    Proof(#[from] ProofRefusal),
    #[error("the parameters are not shown")]
    NoParameters,
    #[error("a value is neither that of a participant nor the parameters")]
    OtherLeaf,
    #[error("the participants shown have {shown} power, more than T, {total}")]
    Total { shown: u64, total: u64 },
}

/// A founder as the state stores it.
#[derive(Serialize, Deserialize)]
struct RawFounder {
    key: RawKey,
    power: u32,
    presence: Vec<Rdata>,
}

/// Who joined later, as the state stores it: with the operation that says so.
#[derive(Serialize, Deserialize)]
struct RawJoined {
    key: RawKey,
    power: u32,
    joined_by: Id,
    presence: Vec<Rdata>,
}

/// The parameters as the state stores them: with T, and the version of the roster.
#[derive(Serialize, Deserialize)]
struct RawParameters {
    values: Parameters,
    total: u64,
    version: Id,
}

/// What kind of leaf a state value is; its first byte.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Leaf {
    Entry = 0,
    Founder = 1,
    Parameters = 2,
    Joined = 3,
}

impl Page {
    /// Founds a page: computes its initial state and the genesis that commits to it.
    ///
    /// # Errors
    /// Any [`PageRefusal`]; nothing is written anywhere.
    pub fn found(
        raw: RawGenesis,
        contents: impl IntoIterator<Item = (Owner, RecordSets)>,
    ) -> Result<(Page, RawPage), PageRefusal> {
        let entries = contents.into_iter().map(|(owner, sets)| Entry::initial(owner, sets));
        Page::commit(raw, entries.collect())
    }

    /// [`Page::found`] from bytes: a genesis that names no state root yet, and encoded entries.
    /// `progress` is told how many entries have been checked.
    ///
    /// # Errors
    /// The first [`PageRefusal`] found.
    pub fn found_raw(
        raw: RawPage,
        progress: &mut dyn FnMut(usize),
    ) -> Result<(Page, RawPage), PageRefusal> {
        let genesis = Genesis::decode(&raw.genesis)?;
        check_entries(&genesis, &raw.entries, progress)?;
        Page::commit(genesis.raw().clone(), raw.entries)
    }

    /// Founds a page of checked entries.
    fn commit(
        mut raw: RawGenesis,
        entries: Vec<Box<[u8]>>,
    ) -> Result<(Page, RawPage), PageRefusal> {
        let state = initial_state(&Genesis::admit(raw.clone())?, &entries)?;
        raw.state_root = state.root();
        let genesis = Genesis::admit(raw)?;
        let bytes = genesis.encode();
        Ok((Page::at_genesis(genesis, state), RawPage { genesis: bytes, entries }))
    }

    /// The door: checks the genesis, every entry, and that they are what the page id proves.
    /// `progress` is told how many entries have been checked.
    ///
    /// # Errors
    /// The first [`PageRefusal`] found.
    pub fn admit(raw: &RawPage, progress: &mut dyn FnMut(usize)) -> Result<Page, PageRefusal> {
        let genesis = Genesis::decode(&raw.genesis)?;
        check_entries(&genesis, &raw.entries, progress)?;
        Page::proved(genesis, &raw.entries)
    }

    /// Reopens a page that came through [`Page::admit`] or [`Page::found`] before: the state root
    /// proves that these are the same bytes, so that entries need no second check.
    ///
    /// # Errors
    /// [`PageRefusal`] when the bytes are not those of the page.
    pub fn reopen(raw: &RawPage) -> Result<Page, PageRefusal> {
        Page::proved(Genesis::decode(&raw.genesis)?, &raw.entries)
    }

    /// [`Page::reopen`] of a genesis and entries that are let go of on the way: a large page is not in
    /// memory twice.
    ///
    /// # Errors
    /// As there.
    pub fn reopen_taking(genesis: &[u8], entries: Vec<Box<[u8]>>) -> Result<Page, PageRefusal> {
        let genesis = Genesis::decode(genesis)?;
        check_entries_read(&entries)?;
        // An owner that is there twice was refused when the page came (P8).
        let state = state_of(&genesis, entries.into_iter());
        Page::with_state(genesis, state)
    }

    fn proved(genesis: Genesis, entries: &[Box<[u8]>]) -> Result<Page, PageRefusal> {
        let state = initial_state(&genesis, entries)?;
        Page::with_state(genesis, state)
    }

    fn with_state(genesis: Genesis, state: Trie) -> Result<Page, PageRefusal> {
        let (named, found) = (genesis.raw().state_root, state.root());
        if named != found {
            return Err(PageRefusal::OtherStateRoot { named, found });
        }
        Ok(Page::at_genesis(genesis, state))
    }

    fn at_genesis(genesis: Genesis, state: Trie) -> Page {
        let raw = genesis.raw();
        Page {
            head: Head { height: 0, seal: genesis.id(), time: raw.created },
            roster: Arc::new(genesis.roster().clone()),
            parameters: Arc::new(raw.parameters.clone()),
            roster_version: Id::ZERO,
            genesis: Arc::new(genesis),
            state,
            deleted: 0,
        }
    }

    /// The page with these changes of its state. It is not sealed by that: see [`Page::sealed`].
    #[must_use]
    pub fn changed(&self, changes: &Changes) -> Page {
        let mut page = self.clone();
        for (key, presence) in &changes.presences {
            if let Some(seat) = page.seat(key) {
                page.put_seat(key, &Seat { presence: Some(presence.clone()), ..seat });
            }
        }
        for (owner, version, sets) in &changes.entries {
            page.put_entry(owner, *version, sets);
        }
        if let Some((version, roster, parameters)) = &changes.roster {
            page.put_roster(*version, roster, parameters);
        }
        page
    }

    /// The page with this newest seal.
    #[must_use]
    pub fn sealed(self, head: Head) -> Page {
        Page { head, ..self }
    }

    /// Deleting keeps the version: with the origin version back, an old operation on it, and its
    /// old ballots, would count once more.
    fn put_entry(&mut self, owner: &Owner, version: Id, sets: &RecordSets) {
        let was_deleted = self.stored(owner).is_some_and(|entry| entry.sets.is_empty());
        self.deleted -= usize::from(was_deleted);
        self.deleted += usize::from(sets.is_empty());
        let entry = Entry { owner: owner.clone(), version, sets: sets.clone() };
        self.state.insert(entry_key(owner), leaf(Leaf::Entry, &entry.encode()));
    }

    fn put_seat(&mut self, key: &PublicKey, seat: &Seat) {
        self.state.insert(participant_key(key), participant_leaf(key, seat));
    }

    fn put_roster(&mut self, version: Id, roster: &Roster, parameters: &Parameters) {
        let before = self.roster.clone();
        for (gone, _) in before.iter().filter(|(key, _)| roster.power(key).is_none()) {
            self.state.remove(&participant_key(gone));
        }
        for (key, power) in roster.iter().filter(|(key, n)| before.power(key) != Some(*n)) {
            let seat =
                self.seat(key).unwrap_or(Seat { power, joined_by: Some(version), presence: None });
            self.put_seat(key, &Seat { power, ..seat });
        }
        self.state.insert(parameters_key(), parameters_leaf(parameters, roster.total(), version));
        self.roster = Arc::new(roster.clone());
        self.parameters = Arc::new(parameters.clone());
        self.roster_version = version;
    }

    /// The page id.
    pub fn id(&self) -> Id {
        self.genesis.id()
    }

    /// The page's name.
    pub fn name(&self) -> &Name {
        &self.genesis.raw().name
    }

    /// The genesis.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Whether the page's keys are public (P6).
    pub fn is_demonstration(&self) -> bool {
        self.genesis.raw().demonstration
    }

    /// Who has power under the newest seal.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The parameters under the newest seal.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The newest seal.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The height of the newest seal.
    pub fn height(&self) -> u64 {
        self.head.height
    }

    /// The id of the newest seal; at height 0 the page id.
    pub fn seal(&self) -> Id {
        self.head.seal
    }

    /// A participant under the newest seal.
    pub fn seat(&self, key: &PublicKey) -> Option<Seat> {
        let value = self.state.get(&participant_key(key))?;
        // Every value under a participant's key was written by `participant_leaf`.
        read_seat(value).ok().map(|(_, seat)| seat)
    }

    /// The sealed presence of a participant, as it was signed (G6).
    pub fn presence(&self, key: &PublicKey) -> Option<Box<[u8]>> {
        self.seat(key)?.presence
    }

    /// The root of the sealed state.
    pub fn state_root(&self) -> Id {
        self.state.root()
    }

    /// The sealed state itself, for proofs and comparison.
    pub fn state(&self) -> &Trie {
        &self.state
    }

    /// Shows the parameters and those of `keys` that take part: what [`Roll::read`] reads.
    pub fn roll<'k>(&self, keys: impl IntoIterator<Item = &'k PublicKey>) -> Excerpt {
        self.state.excerpt(keys.into_iter().map(participant_key).chain([parameters_key()]))
    }

    /// The sealed entry at `owner`.
    pub fn entry(&self, owner: &Owner) -> Option<Entry> {
        self.stored(owner).filter(|entry| !entry.sets.is_empty())
    }

    /// The entry at `owner`, even if it was deleted.
    fn stored(&self, owner: &Owner) -> Option<Entry> {
        let bytes = self.state.get(&entry_key(owner))?;
        Some(Entry::decode_admitted(&bytes[1..]))
    }

    /// All sealed entries, in no meaningful order.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let is_entry = |value: &&[u8]| value[0] == Leaf::Entry as u8;
        self.state
            .iter()
            .map(|(_, value)| value)
            .filter(is_entry)
            .map(|v| Entry::decode_admitted(&v[1..]))
            .filter(|entry| !entry.sets.is_empty())
    }

    /// The entries of a state as they were encoded (P9), deleted ones included.
    pub fn entries_in(state: &Trie) -> impl Iterator<Item = Box<[u8]>> + '_ {
        state.iter().filter_map(|(_, value)| Page::entry_of(value)).map(Box::from)
    }

    /// How many sealed entries there are.
    pub fn entry_count(&self) -> usize {
        self.state.len() - self.deleted - self.roster.len() - 1
    }

    /// The version that a change of `owner` must name as its parent, when nothing is open (G3).
    pub fn version(&self, owner: &Owner) -> Id {
        match self.stored(owner) {
            Some(entry) if entry.version != Id::ZERO => entry.version,
            _ => origin_version(&self.id(), owner),
        }
    }

    /// The operation that wrote roster and parameters; [`Id::ZERO`] stands for the origin.
    pub fn stored_roster_version(&self) -> Id {
        self.roster_version
    }

    /// The version that a change of the roster must name as its parent (G4).
    pub fn roster_version(&self) -> Id {
        match self.roster_version {
            Id::ZERO => origin_roster_version(&self.id()),
            version => version,
        }
    }
}

impl Roll {
    /// What an excerpt shows of who decides, under the state root of a seal (P9).
    ///
    /// # Errors
    /// The first [`RollRefusal`] found.
    pub fn read(excerpt: &Excerpt, state_root: &Id) -> Result<Roll, RollRefusal> {
        let mut leaves = excerpt.read(state_root)?;
        let parameters = leaves.remove(&parameters_key()).ok_or(RollRefusal::NoParameters)?;
        let RawParameters { values: parameters, total, version } =
            read_leaf(Leaf::Parameters, parameters)?;
        let mut seats = BTreeMap::new();
        for (at, value) in leaves {
            let (key, seat) = read_seat(value)?;
            let key = PublicKey::admit(key).map_err(|_| RollRefusal::OtherLeaf)?;
            if participant_key(&key) != at {
                return Err(RollRefusal::OtherLeaf);
            }
            seats.insert(key, seat);
        }
        let shown = seats.values().map(|seat| u64::from(seat.power)).sum();
        if shown > total {
            return Err(RollRefusal::Total { shown, total });
        }
        Ok(Roll { seats, parameters, total, version })
    }
}

fn read_leaf<T: Serialize + DeserializeOwned>(kind: Leaf, value: &[u8]) -> Result<T, RollRefusal> {
    match value.split_first() {
        Some((tag, value)) if *tag == kind as u8 => {
            codec::decode(value, ENTRY_BYTES_MAX).map_err(|_| RollRefusal::OtherLeaf)
        }
        _ => Err(RollRefusal::OtherLeaf),
    }
}

/// `SHA-256("djdns/1/origin" page-id owner)`: the version of what no operation has written (G3).
pub fn origin_version(page: &Id, owner: &Owner) -> Id {
    Id::hash(&[b"djdns/1/origin", page.as_bytes(), owner.wire()])
}

/// The version of a roster that no operation has written (G4).
pub fn origin_roster_version(page: &Id) -> Id {
    Id::hash(&[b"djdns/1/origin-roster", page.as_bytes()])
}

/// Where the state keeps the entry at `owner` (P9).
pub fn entry_key(owner: &Owner) -> Id {
    owner_key(owner.wire())
}

fn owner_key(wire: &[u8]) -> Id {
    Id::hash(&[b"djdns/1/state/entry/", wire])
}

/// Where the state keeps a participant (P9).
pub fn participant_key(key: &PublicKey) -> Id {
    Id::hash(&[b"djdns/1/state/participant/", key.as_bytes()])
}

/// Where the state keeps the parameters (P9).
pub fn parameters_key() -> Id {
    Id::hash(&[b"djdns/1/state/parameters/"])
}

/// Every check of each initial entry by itself.
fn check_entries(
    genesis: &Genesis,
    entries: &[Box<[u8]>],
    progress: &mut dyn FnMut(usize),
) -> Result<(), PageRefusal> {
    check_count(entries)?;
    for (n, bytes) in entries.iter().enumerate() {
        check_initial(Entry::decode(bytes, &genesis.raw().name)?)?;
        progress(n + 1);
    }
    Ok(())
}

fn check_initial(entry: Entry) -> Result<(), PageRefusal> {
    if entry.version != Id::ZERO {
        return Err(PageRefusal::NotOrigin(entry.owner));
    }
    if entry.sets.is_empty() {
        return Err(PageRefusal::EmptyEntry(entry.owner));
    }
    Ok(())
}

fn check_count(entries: &[Box<[u8]>]) -> Result<(), PageRefusal> {
    match entries.len() {
        0..=FOUNDING_ENTRIES_MAX => Ok(()),
        many => Err(PageRefusal::TooManyEntries(many)),
    }
}

/// The state at height 0: entries, participants without presence, parameters with T (P9).
fn initial_state(genesis: &Genesis, entries: &[Box<[u8]>]) -> Result<Trie, PageRefusal> {
    check_entries_read(entries)?;
    let state = state_of(genesis, entries.iter());
    if state.len() != entries.len() + genesis.roster().len() + 1 {
        return Err(PageRefusal::OwnerTwice(first_twice(entries)));
    }
    Ok(state)
}

/// Refuses more entries than there may be, and what is none.
fn check_entries_read(entries: &[Box<[u8]>]) -> Result<(), PageRefusal> {
    check_count(entries)?;
    match entries.iter().position(|bytes| Entry::owner_wire(bytes).is_none()) {
        Some(n) => Err(PageRefusal::NoEntry(n)),
        None => Ok(()),
    }
}

/// The state of a genesis and of entries whose owners read. Of two with one owner the later counts.
fn state_of(genesis: &Genesis, entries: impl Iterator<Item = impl AsRef<[u8]>>) -> Trie {
    let roster = genesis.roster();
    let participant = |(key, power): (&PublicKey, u32)| {
        let founder = Seat { power, joined_by: None, presence: None };
        (participant_key(key), participant_leaf(key, &founder))
    };
    let parameters = parameters_leaf(&genesis.raw().parameters, roster.total(), Id::ZERO);
    let entry = |bytes: &[u8]| {
        (owner_key(Entry::owner_wire(bytes).unwrap_or_default()), leaf(Leaf::Entry, bytes))
    };
    Trie::from_pairs(
        entries
            .map(|bytes| entry(bytes.as_ref()))
            .chain(roster.iter().map(participant))
            .chain([(parameters_key(), parameters)]),
    )
}

fn participant_leaf(key: &PublicKey, seat: &Seat) -> Box<[u8]> {
    let (key, power) = (key.raw(), seat.power);
    let presence: Vec<Rdata> = seat.presence.iter().map(|bytes| Rdata(bytes.clone())).collect();
    match seat.joined_by {
        None => leaf(Leaf::Founder, &codec::encode(&RawFounder { key, power, presence })),
        Some(joined_by) => {
            leaf(Leaf::Joined, &codec::encode(&RawJoined { key, power, joined_by, presence }))
        }
    }
}

fn read_seat(value: &[u8]) -> Result<(RawKey, Seat), RollRefusal> {
    let one = |presence: Vec<Rdata>| presence.into_iter().next().map(|presence| presence.0);
    if value.first() == Some(&(Leaf::Founder as u8)) {
        let RawFounder { key, power, presence } = read_leaf(Leaf::Founder, value)?;
        return Ok((key, Seat { power, joined_by: None, presence: one(presence) }));
    }
    let RawJoined { key, power, joined_by, presence } = read_leaf(Leaf::Joined, value)?;
    Ok((key, Seat { power, joined_by: Some(joined_by), presence: one(presence) }))
}

fn parameters_leaf(parameters: &Parameters, total: u64, version: Id) -> Box<[u8]> {
    let values = parameters.clone();
    leaf(Leaf::Parameters, &codec::encode(&RawParameters { values, total, version }))
}

fn leaf(kind: Leaf, value: &[u8]) -> Box<[u8]> {
    [&[kind as u8], value].concat().into()
}

fn first_twice(entries: &[Box<[u8]>]) -> Owner {
    let mut seen = std::collections::HashSet::new();
    let mut owners = entries.iter().filter_map(|bytes| Entry::owner_wire(bytes));
    let twice = owners.find(|owner| !seen.insert(*owner)).unwrap_or_default();
    Owner::from_wire(twice).unwrap_or_default()
}

/// The participants of a roster, from what people give: in any order.
pub fn roster_rows(participants: impl IntoIterator<Item = (PublicKey, u32)>) -> Vec<(RawKey, u32)> {
    let mut rows: Vec<_> =
        participants.into_iter().map(|(key, power)| (key.raw(), power)).collect();
    rows.sort_unstable();
    rows
}

#[cfg(test)]
mod tests;
