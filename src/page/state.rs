//! A page from its sealed state alone, without what led to it: every leaf through the page's own doors
//! (N5, P8, P9).
//!
//! That the state is the one of a certain seal is for whoever has the seal to say; here it is only
//! known what a leaf must be for a page of this name.

use std::sync::Arc;

use super::{
    Head, Leaf, Page, RawParameters, RollRefusal, check_initial,
    entry::{Entry, EntryError},
    entry_key,
    genesis::{Genesis, ParameterRefusal, Roster, RosterRefusal},
    initial_state, owner_key, parameters_key, parameters_leaf, participant_key, participant_leaf,
    read_leaf, read_seat,
    trie::Trie,
};
use crate::{
    id::Id,
    key::{KeyRefusal, PublicKey},
    limits::FOUNDING_ENTRIES_MAX,
};

/// Why a leaf is none of a page's state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeafRefusal {
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error("an entry without records, and without the operation that deleted it")]
    EmptyEntry,
    #[error("it stands at {0}, where its value does not belong")]
    OtherKey(Id),
    #[error("a participant's key: {0}")]
    Key(#[from] KeyRefusal),
    #[error("the parameters: {0}")]
    Parameters(#[from] ParameterRefusal),
    #[error("it is not as the page was founded")]
    NotOrigin,
    #[error("it is neither an entry nor a participant nor the parameters")]
    Foreign,
}

/// Why leaves are no state of a page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateRefusal {
    #[error("the leaf {0}: {1}")]
    Leaf(Id, Box<LeafRefusal>),
    #[error("the state has the root {found}, and the seal names {named}")]
    OtherRoot { named: Id, found: Id },
    #[error("the parameters are lacking")]
    NoParameters,
    #[error("the participants: {0}")]
    Roster(#[from] RosterRefusal),
    #[error("{0} entries are more than a page is founded with")]
    TooManyEntries(usize),
    #[error("the participants have {found} power, and the parameters say {named}")]
    Total { named: u64, found: u64 },
}

/// What a leaf says.
enum Said {
    /// Deleted; and as the page was founded with it.
    Entry {
        is_deleted: bool,
        is_origin: bool,
    },
    Participant(PublicKey, u32),
    Parameters(Box<RawParameters>),
}

impl Page {
    /// Checks one leaf of the state of the page with this genesis, as [`Page::admit`] checks what a page
    /// is founded with.
    ///
    /// # Errors
    /// Any [`LeafRefusal`].
    pub fn check_leaf(genesis: &Genesis, key: &Id, value: &[u8]) -> Result<(), LeafRefusal> {
        read_checked(genesis, key, value).map(drop)
    }

    /// The page as of a seal: its state, every leaf of it checked.
    ///
    /// # Errors
    /// Any [`StateRefusal`].
    pub fn at_seal(
        genesis: Arc<Genesis>,
        head: Head,
        state_root: &Id,
        state: Trie,
    ) -> Result<Page, StateRefusal> {
        Page::from_leaves(genesis, head, state_root, state, read_checked)
    }

    /// The page as it was founded, from the state that its genesis names: every leaf checked, as
    /// [`Page::admit`] does.
    ///
    /// # Errors
    /// Any [`StateRefusal`].
    pub fn at_founding(genesis: Arc<Genesis>, state: Trie) -> Result<Page, StateRefusal> {
        let root = genesis.raw().state_root;
        let head = Head { height: 0, seal: genesis.id(), time: genesis.raw().created };
        let founders = initial_state(&genesis, &[]).unwrap_or_default();
        let page =
            Page::from_leaves(
                genesis,
                head,
                &root,
                state,
                |genesis, key, value| match read_checked(genesis, key, value)? {
                    said @ Said::Entry { is_deleted: false, is_origin: true } => Ok(said),
                    Said::Entry { .. } => Err(LeafRefusal::NotOrigin),
                    said if founders.get(key) == Some(value) => Ok(said),
                    _ => Err(LeafRefusal::NotOrigin),
                },
            )?;
        let entries = page.entry_count();
        if page.state.len() - entries != founders.len() {
            return Err(StateRefusal::NoParameters);
        }
        if entries > FOUNDING_ENTRIES_MAX {
            return Err(StateRefusal::TooManyEntries(entries));
        }
        Ok(page)
    }

    /// [`Page::at_seal`] of leaves that came through it before: the state root proves that they are the
    /// same.
    ///
    /// # Errors
    /// Any [`StateRefusal`].
    pub fn at_known_seal(
        genesis: Arc<Genesis>,
        head: Head,
        state_root: &Id,
        state: Trie,
    ) -> Result<Page, StateRefusal> {
        Page::from_leaves(genesis, head, state_root, state, |_: &Genesis, _: &Id, value: &[u8]| {
            read(value)
        })
    }

    /// The genesis, to be shared.
    pub(crate) fn shared_genesis(&self) -> Arc<Genesis> {
        self.genesis.clone()
    }

    /// The encoded entry in a leaf; none of any other leaf.
    pub fn entry_of(value: &[u8]) -> Option<&[u8]> {
        value.split_first().filter(|(tag, _)| **tag == Leaf::Entry as u8).map(|(_, entry)| entry)
    }

    /// Of the leaf of an entry, at its place: the owner in wire form, the version and the encoded sets.
    pub fn entry_parts<'v>(key: &Id, value: &'v [u8]) -> Option<(&'v [u8], Id, &'v [u8])> {
        let entry = Page::entry_of(value)?;
        let owner = Entry::owner_wire(entry)?;
        let rest = entry.get(3 + owner.len()..)?.strip_prefix(&[0xc4, 32])?;
        let (version, sets) = rest.split_first_chunk::<32>()?;
        (owner_key(owner) == *key).then(|| (owner, Id::from_bytes(*version), sets))
    }

    /// The leaf of an entry from its parts, and its place; none: an owner is not so long. Nothing is checked.
    pub fn entry_leaf(owner: &[u8], version: &Id, sets: &[u8]) -> Option<(Id, Box<[u8]>)> {
        let head = [Leaf::Entry as u8, 0x93, 0xc4, u8::try_from(owner.len()).ok()?];
        let value = [&head, owner, &[0xc4, 32], version.as_bytes(), sets].concat();
        Some((owner_key(owner), value.into()))
    }

    /// The owner of an entry's leaf; none of any other leaf.
    pub fn owner_of(value: &[u8]) -> Option<super::Owner> {
        super::Owner::from_wire(Entry::owner_wire(Page::entry_of(value)?)?).ok()
    }

    fn from_leaves(
        genesis: Arc<Genesis>,
        head: Head,
        state_root: &Id,
        state: Trie,
        read: impl Fn(&Genesis, &Id, &[u8]) -> Result<Said, LeafRefusal>,
    ) -> Result<Page, StateRefusal> {
        let (named, found) = (*state_root, state.root());
        if named != found {
            return Err(StateRefusal::OtherRoot { named, found });
        }
        let (mut rows, mut deleted, mut parameters) = (Vec::new(), 0, None);
        for (key, value) in state.iter() {
            match read(&genesis, key, value).map_err(|why| StateRefusal::Leaf(*key, why.into()))? {
                Said::Entry { is_deleted, .. } => deleted += usize::from(is_deleted),
                Said::Participant(key, power) => rows.push((key.raw(), power)),
                Said::Parameters(values) => parameters = Some(values),
            }
        }
        rows.sort_unstable();
        let roster = Roster::admit(&rows)?;
        let RawParameters { values, total, version } =
            *parameters.ok_or(StateRefusal::NoParameters)?;
        if roster.total() != total {
            return Err(StateRefusal::Total { named: total, found: roster.total() });
        }
        Ok(Page {
            head,
            roster: Arc::new(roster),
            parameters: Arc::new(values),
            roster_version: version,
            genesis,
            state,
            deleted,
        })
    }
}

/// Reads a leaf through every check of a page.
fn read_checked(genesis: &Genesis, key: &Id, value: &[u8]) -> Result<Said, LeafRefusal> {
    let said = read(value)?;
    let (place, bytes) = match &said {
        Said::Entry { is_deleted, .. } => {
            let entry = Entry::decode(&value[1..], &genesis.raw().name)?;
            let place = entry_key(&entry.owner);
            // What nobody has written stands as it was founded.
            if *is_deleted && entry.version == Id::ZERO && check_initial(entry).is_err() {
                return Err(LeafRefusal::EmptyEntry);
            }
            (place, None)
        }
        Said::Participant(participant, _) => {
            let (_, seat) = read_seat(value).map_err(|_| LeafRefusal::Foreign)?;
            (participant_key(participant), Some(participant_leaf(participant, &seat)))
        }
        Said::Parameters(raw) => {
            raw.values.check()?;
            let RawParameters { values, total, version } = &**raw;
            (parameters_key(), Some(parameters_leaf(values, *total, *version)))
        }
    };
    if place != *key {
        return Err(LeafRefusal::OtherKey(*key));
    }
    // A seat has at most one presence, which reading it does not say.
    if bytes.is_some_and(|bytes| *bytes != *value) {
        return Err(LeafRefusal::Foreign);
    }
    Ok(said)
}

/// Reads a leaf as far as the page needs it at hand.
fn read(value: &[u8]) -> Result<Said, LeafRefusal> {
    let foreign = |_: RollRefusal| LeafRefusal::Foreign;
    match value.split_first() {
        Some((&tag, entry)) if tag == Leaf::Entry as u8 => {
            let is_deleted = Entry::is_deleted(entry).ok_or(LeafRefusal::Foreign)?;
            Ok(Said::Entry { is_deleted, is_origin: Entry::is_origin(entry) })
        }
        Some((&tag, _)) if tag == Leaf::Parameters as u8 => {
            let raw = read_leaf(Leaf::Parameters, value).map_err(foreign)?;
            Ok(Said::Parameters(Box::new(raw)))
        }
        _ => {
            let (key, seat) = read_seat(value).map_err(foreign)?;
            Ok(Said::Participant(PublicKey::admit(key)?, seat.power))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        key::SecretKey,
        page::{Name, Owner, RawGenesis, RecordSets, Seat, leaf, record::RecordType, roster_rows},
    };

    fn page() -> Page {
        let name = Name::parse("ff.ct").unwrap();
        let rows = roster_rows((1..4).map(|n| (SecretKey::from_seed(&[n; 32]).public(), 1)));
        let genesis = RawGenesis::new(name.clone(), rows, Default::default(), 1000, Id::ZERO);
        let owner = Owner::parse("brick", &name).unwrap();
        let record = (RecordType::A, 60, vec![192, 0, 2, 1]);
        let sets = RecordSets::gather([record], &owner, &name).unwrap();
        Page::found(genesis, [(owner, sets)]).unwrap().0
    }

    fn at_seal(page: &Page, state: Trie) -> Result<Page, StateRefusal> {
        let root = state.root();
        Page::at_seal(page.shared_genesis(), page.head(), &root, state)
    }

    /// N5 accepts: every leaf of a page's state.
    #[test]
    fn a_page_is_what_its_state_says() {
        let page = page();
        let genesis = page.genesis();
        for (key, value) in page.state().iter() {
            assert_eq!(Page::check_leaf(genesis, key, value), Ok(()));
        }
        let again = at_seal(&page, page.state().clone()).unwrap();
        assert_eq!((again.roster(), again.parameters()), (page.roster(), page.parameters()));
        assert!(again.entries().eq(page.entries()));
        assert_eq!(again.entry_count(), page.entry_count());
        let (genesis, root) = (page.shared_genesis(), page.state_root());
        let known = Page::at_known_seal(genesis, page.head(), &root, page.state().clone());
        assert!(known.unwrap().entries().eq(page.entries()));
    }

    /// N5 refuses: a state with a leaf that no page has, by its name, and one whose sums are wrong.
    #[test]
    fn a_leaf_that_no_page_has_is_refused_by_its_name() {
        let page = page();
        let (owner, value) = {
            let entry = page.entries().next().unwrap();
            (entry.owner.clone(), leaf(Leaf::Entry, &entry.encode()))
        };
        let place = entry_key(&owner);
        let check =
            |what: &str, change: &dyn Fn(&mut Trie), expect: &dyn Fn(&StateRefusal) -> bool| {
                let mut state = page.state().clone();
                change(&mut state);
                let refusal = at_seal(&page, state).err();
                assert!(refusal.as_ref().is_some_and(expect), "{what}: {refusal:?}");
            };
        let is = |wanted: fn(&LeafRefusal) -> bool| move |refusal: &StateRefusal| matches!(refusal, StateRefusal::Leaf(_, found) if wanted(found));
        let moved = |state: &mut Trie| state.insert(Id::ZERO, value.clone());
        check("moved", &moved, &is(|found| *found == LeafRefusal::OtherKey(Id::ZERO)));
        let foreign = |state: &mut Trie| state.insert(Id::ZERO, [9, 0x90]);
        check("foreign", &foreign, &is(|found| *found == LeafRefusal::Foreign));
        let mut cut = value.to_vec();
        cut.pop();
        let cut = |state: &mut Trie| state.insert(place, cut.clone());
        check("cut", &cut, &is(|found| matches!(found, LeafRefusal::Entry(_))));
        let empty = Entry { owner: owner.clone(), version: Id::ZERO, sets: RecordSets::NONE };
        let empty = |state: &mut Trie| state.insert(place, leaf(Leaf::Entry, &empty.encode()));
        check("empty", &empty, &is(|found| *found == LeafRefusal::EmptyEntry));
        let gone = |state: &mut Trie| assert!(state.remove(&parameters_key()));
        check("no parameters", &gone, &|r| *r == StateRefusal::NoParameters);
        let key = *page.roster().iter().next().unwrap().0;
        let strong = Seat { power: 7, joined_by: None, presence: None };
        let strong =
            |state: &mut Trie| state.insert(participant_key(&key), participant_leaf(&key, &strong));
        check("sums", &strong, &|r| *r == StateRefusal::Total { named: 3, found: 9 });
        let genesis = page.shared_genesis();
        let other = Page::at_seal(genesis, page.head(), &Id::ZERO, page.state().clone());
        assert!(matches!(other.err(), Some(StateRefusal::OtherRoot { .. })));
    }
}
