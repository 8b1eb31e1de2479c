//! Jumps: a page taken over at a seal, without the history that led there (N5, G10, T3).
//!
//! Certificates show the seal (T1), and the seal the state. What a page must remember of its past beside
//! that, which is what operations may still name and who could say what since when, it rebuilds from a
//! window of the newest seals: each names the one before, so that all of them are proved by the newest.
//! How all this came here is not known; nothing of it is believed.
//!
//! Known of the past is then what the window holds: what ended in it without being sealed waits here if
//! it comes again, and can never count; see G10 in `src/protocol.md`.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    chain::{
        ChainProof, ChainRefusal, Known,
        ladder::{Standpoint, climb},
    },
    operation::{Change, RosterChange},
    seal::{Contents, Seal},
    *,
};
use crate::page::{
    Head, StateRefusal,
    codec::{self, CodecRefusal},
    entry::Rdata,
    genesis::{Genesis, GenesisRefusal},
    trie::Trie,
};

/// The newest seals of a page, and what in them says who could say what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Newest first, each the `previous` of the one before: down to height 1, or to one that no
    /// operation may name any more, or as far as [`WINDOW_SEALS_MAX`] and [`WINDOW_BYTES_MAX`] reach.
    pub seals: Vec<(Seal, Contents)>,
    /// The operations that wrote roster and parameters, newest first, each the parent of the one before:
    /// those sealed in the window, and on to the last one that set the parameters before it, or to the
    /// first of all, at most [`WINDOW_ORDERS_MAX`].
    pub orders: Vec<Rdata>,
}

/// A page as of its newest seal, and what shows that it is.
#[derive(Clone)]
pub struct Snapshot {
    pub genesis: Vec<u8>,
    /// From the genesis, or above the height that is known.
    pub proofs: Vec<ChainProof>,
    pub state: Trie,
    pub window: Window,
}

/// Why a window does not show the past of a seal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowRefusal {
    #[error("its newest seal is {found}, and that of the page {wanted}")]
    OtherNewest { wanted: Id, found: Id },
    #[error("the seal {0} in it is of another page")]
    OtherPage(Id),
    #[error("the seal {0} in it does not follow the next")]
    NotPrevious(Id),
    #[error("the statements that it shows for the seal {0} are not those that the seal names")]
    Contents(Id),
    #[error("it ends at height {0}, and operations may still name older seals")]
    TooShort(u64),
    #[error("it holds {0} seals or changes of the participants, more than it may")]
    TooLong(usize),
    #[error("the change of the participants {0} is lacking in it, or another one is shown")]
    Order(Id),
}

/// Why a page does not jump to a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JumpRefusal {
    #[error(transparent)]
    Genesis(#[from] GenesisRefusal),
    #[error("it is of the page {0}, not of this one")]
    OtherPage(Id),
    #[error("its chain of certificates: {0}")]
    Chain(#[from] Box<ChainRefusal>),
    #[error("its state: {0}")]
    State(#[from] StateRefusal),
    #[error("what its state has as the presence of {0} is none of its own on this page")]
    Presence(PublicKey),
    #[error("its window of seals: {0}")]
    Window(#[from] WindowRefusal),
    #[error(
        "its newest seal has height {found}, and the one held here {held}: nothing goes back (T3)"
    )]
    NotAbove { held: u64, found: u64 },
    #[error(
        "at height {height} it has the seal {found}, and held here is {held}: the page is forked"
    )]
    Fork { height: u64, held: Id, found: Id },
    #[error("the way to it, as it was kept: {0}")]
    Codec(#[from] CodecRefusal),
}

/// How much of a snapshot is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Nothing is believed.
    Nothing,
    /// It was checked before, and checksums prove it unchanged: state roots and the window's chain are
    /// compared, and nothing else.
    Checked,
}

impl Window {
    /// Collects the window of a page. `seal` finds a seal and what it lists, `statement` an operation
    /// that was sealed; where one is not found the window ends, and is refused if that is too early.
    pub fn gather(
        page: &Page,
        seal: &dyn Fn(&Id) -> Option<(Seal, Contents)>,
        statement: &dyn Fn(&Id) -> Option<Statement>,
    ) -> Window {
        let newest = page.head();
        let (mut seals, mut bytes) = (Vec::new(), 0);
        let mut next = newest.seal;
        while seals.len() < WINDOW_SEALS_MAX
            && let Some((found, contents)) = seal(&next)
        {
            bytes += bytes_of(&contents);
            if bytes > WINDOW_BYTES_MAX && !seals.is_empty() {
                break;
            }
            next = found.previous;
            let is_last = found.height <= 1 || past::has_expired(found.time, newest.time);
            seals.push((found, contents));
            if is_last {
                break;
            }
        }
        let sealed: HashSet<Id> =
            seals.iter().flat_map(|(_, contents)| contents.operations.iter().copied()).collect();
        let mut orders = Vec::new();
        let mut version = page.roster_version();
        while orders.len() < WINDOW_ORDERS_MAX
            && let Some(order) = statement(&version)
            && let Some((parent, change)) = order_of(&order)
        {
            orders.push(Rdata(order.bytes().into()));
            if !sealed.contains(&version) && matches!(change, RosterChange::SetParameters(_)) {
                break;
            }
            version = parent;
        }
        Window { seals, orders }
    }

    /// Reads what was kept or handed on as [`Window::encode`] wrote it; nothing is proved by that.
    ///
    /// # Errors
    /// [`CodecRefusal`].
    pub fn decode(bytes: &[u8]) -> Result<Window, CodecRefusal> {
        codec::decode(bytes, WINDOW_BYTES_MAX + SEAL_BYTES_MAX)
    }

    /// The bytes that are handed on.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The newest seal that it shows at this height.
    pub fn at(&self, height: u64) -> Option<&Seal> {
        let newest = self.seals.first()?.0.height;
        let place = usize::try_from(newest.checked_sub(height)?).ok()?;
        self.seals.get(place).map(|(seal, _)| seal).filter(|seal| seal.height == height)
    }

    /// The seals that it shows, with those that lead to the newest of them.
    pub fn shown<'s>(&'s self, proofs: &'s [ChainProof]) -> impl Iterator<Item = &'s Seal> {
        let below = self.seals.iter().map(|(seal, _)| seal);
        below.chain(proofs.iter().map(|proof| &proof.seal))
    }

    /// Checks that these are the seals down from a known one, and enough of them.
    ///
    /// # Errors
    /// The first [`WindowRefusal`].
    pub fn check(&self, known: &Known) -> Result<(), WindowRefusal> {
        let longest = self.seals.len().max(self.orders.len());
        if self.seals.len() > WINDOW_SEALS_MAX || self.orders.len() > WINDOW_ORDERS_MAX {
            return Err(WindowRefusal::TooLong(longest));
        }
        let (mut wanted, mut height, mut later) = (known.head.seal, known.head.height, None);
        for (seal, contents) in &self.seals {
            let id = seal.id();
            if id != wanted {
                return Err(match later {
                    None => WindowRefusal::OtherNewest { wanted, found: id },
                    Some(_) => WindowRefusal::NotPrevious(id),
                });
            }
            if seal.page != known.page {
                return Err(WindowRefusal::OtherPage(id));
            }
            if seal.height != height || later.is_some_and(|later| later <= seal.time) {
                return Err(WindowRefusal::NotPrevious(id));
            }
            if contents.root() != seal.contents {
                return Err(WindowRefusal::Contents(id));
            }
            (wanted, height, later) = (seal.previous, height.saturating_sub(1), Some(seal.time));
        }
        self.check_length(known)
    }

    fn check_length(&self, known: &Known) -> Result<(), WindowRefusal> {
        let Some((oldest, _)) = self.seals.last() else {
            let (wanted, found) = (known.head.seal, Id::ZERO);
            return Err(WindowRefusal::OtherNewest { wanted, found });
        };
        let bytes: usize = self.seals.iter().map(|(_, contents)| bytes_of(contents)).sum();
        // The next one might have been as large as a seal can be.
        let is_full = self.seals.len() == WINDOW_SEALS_MAX
            || bytes.saturating_add(SEAL_BYTES_MAX) > WINDOW_BYTES_MAX;
        let is_all = oldest.height == 1 && oldest.previous == known.page;
        match is_all || is_full || past::has_expired(oldest.time, known.head.time) {
            true => Ok(()),
            false => Err(WindowRefusal::TooShort(oldest.height)),
        }
    }

    /// The past of a page as far as the window shows it.
    fn past(&self, page: &Page) -> Result<Past, WindowRefusal> {
        let mut past = Past::default();
        let genesis = page.genesis();
        if self.seals.last().is_some_and(|(oldest, _)| oldest.height == 1) {
            past.seal(Head { height: 0, seal: genesis.id(), time: genesis.raw().created });
        }
        let mut sealed: HashMap<Id, u64> = HashMap::new();
        for (seal, contents) in self.seals.iter().rev() {
            past.seal(seal.head());
            for id in &contents.operations {
                past.close(*id, Outcome::Sealed(seal.height));
                sealed.insert(*id, seal.time);
            }
        }
        for (key, _) in page.roster().iter() {
            let joined = page.seat(key).and_then(|seat| seat.joined_by);
            if let Some(time) = joined.and_then(|joined| sealed.get(&joined)) {
                past.note_joined(*key, *time);
            }
        }
        self.note_slots(page, &sealed, &mut past)?;
        Ok(past)
    }

    /// What `open_operations_max` was until which of the seals.
    fn note_slots(
        &self,
        page: &Page,
        sealed: &HashMap<Id, u64>,
        past: &mut Past,
    ) -> Result<(), WindowRefusal> {
        let orders = self.chain_of_orders(page, sealed)?;
        let mut max = orders.founded;
        for (at, change) in orders.since.into_iter().rev() {
            let RosterChange::SetParameters(parameters) = change else { continue };
            let now = parameters.open_operations_max;
            if let (Some(time), Some(before)) = (at, max.filter(|before| *before != now)) {
                past.note_slots(time, before);
            }
            max = Some(now);
        }
        Ok(())
    }

    fn chain_of_orders(
        &self,
        page: &Page,
        sealed: &HashMap<Id, u64>,
    ) -> Result<Orders, WindowRefusal> {
        let origin = origin_roster_version(&page.id());
        let mut version = page.roster_version();
        let (mut since, mut is_settled) = (Vec::new(), false);
        for bytes in &self.orders {
            let order = Statement::reopen(&bytes.0).ok().filter(|order| order.id() == version);
            let order = order.filter(|order| order.page() == page.id());
            let Some((parent, change)) = order.as_ref().and_then(order_of) else {
                return Err(WindowRefusal::Order(version));
            };
            if is_settled {
                return Err(WindowRefusal::TooLong(self.orders.len()));
            }
            let at = sealed.get(&version).copied();
            is_settled = at.is_none() && matches!(change, RosterChange::SetParameters(_));
            since.push((at, change.clone()));
            version = parent;
        }
        let is_full = self.orders.len() == WINDOW_ORDERS_MAX;
        if version != origin && !is_settled && !is_full {
            return Err(WindowRefusal::Order(version));
        }
        let genesis = page.genesis().raw();
        let founded = (version == origin).then_some(genesis.parameters.open_operations_max);
        Ok(Orders { since, founded })
    }
}

/// Changes of the participants and parameters, newest first, with the time of the seal in the window that
/// applied each.
struct Orders {
    since: Vec<(Option<u64>, RosterChange)>,
    /// What `open_operations_max` was before them, if they go back to the genesis.
    founded: Option<u32>,
}

fn order_of(statement: &Statement) -> Option<(Id, &RosterChange)> {
    match &statement.as_operation()?.change {
        Change::SetRoster(set) => Some((set.parent, &set.change)),
        _ => None,
    }
}

/// About how many bytes a seal and its list have.
fn bytes_of(contents: &Contents) -> usize {
    const SEAL: usize = 192;
    SEAL + contents.ids().count() * 34
}

impl Snapshot {
    /// What shows the seal and its past, as it is kept beside the leaves.
    pub fn passage(&self) -> Vec<u8> {
        codec::encode(&(&self.proofs, &self.window))
    }

    /// A snapshot from its parts as they were kept; nothing is checked.
    ///
    /// # Errors
    /// [`CodecRefusal`].
    pub fn from_passage(
        genesis: Vec<u8>,
        passage: &[u8],
        state: Trie,
    ) -> Result<Snapshot, CodecRefusal> {
        let (proofs, window) = codec::decode(passage, PASSAGE_BYTES_MAX)?;
        Ok(Snapshot { genesis, proofs, state, window })
    }
}

impl Governance {
    /// A page that is new here, at the seal of a snapshot whose proofs begin at the genesis.
    ///
    /// # Errors
    /// Any [`JumpRefusal`].
    pub fn from_snapshot(snapshot: &Snapshot) -> Result<Governance, JumpRefusal> {
        Governance::founded_by(snapshot, Trust::Nothing)
    }

    /// [`Governance::from_snapshot`] with this much checked.
    ///
    /// # Errors
    /// Any [`JumpRefusal`].
    pub fn founded_by(snapshot: &Snapshot, trust: Trust) -> Result<Governance, JumpRefusal> {
        let genesis = Genesis::decode(&snapshot.genesis)?;
        let start = Known::genesis(&genesis);
        // Each by its own excerpt, the first too: they are handed on as they are.
        let known = match trust {
            Trust::Nothing => snapshot
                .proofs
                .iter()
                .try_fold(start, |known, proof| proof.check(&known))
                .map_err(Box::new)?,
            Trust::Checked => newest(snapshot).unwrap_or(start),
        };
        if known.head.height == 0 {
            return Err(JumpRefusal::NotAbove { held: 0, found: 0 });
        }
        Governance::at_snapshot(Arc::new(genesis), &known, snapshot, trust)
    }

    /// This page at the seal of a snapshot that is above its own. What is open here goes on where it can;
    /// the rest has ended. Returns the owners that are answered differently.
    ///
    /// # Errors
    /// Any [`JumpRefusal`].
    pub fn jumped(&self, snapshot: &Snapshot) -> Result<(Governance, Vec<Owner>), JumpRefusal> {
        self.jumped_by(snapshot, Trust::Nothing)
    }

    /// [`Governance::jumped`] with this much checked.
    ///
    /// # Errors
    /// Any [`JumpRefusal`].
    pub fn jumped_by(
        &self,
        snapshot: &Snapshot,
        trust: Trust,
    ) -> Result<(Governance, Vec<Owner>), JumpRefusal> {
        let own = self.page.head();
        let found = snapshot.proofs.last().map_or(0, |proof| proof.seal.height);
        if snapshot.genesis != self.page.genesis().encode() {
            return Err(JumpRefusal::OtherPage(Genesis::decode(&snapshot.genesis)?.id()));
        }
        self.check_history(&snapshot.window)?;
        if found <= own.height {
            return Err(JumpRefusal::NotAbove { held: own.height, found });
        }
        let known = match trust {
            Trust::Nothing => {
                climb(Standpoint::Page(&self.page), &snapshot.proofs).map_err(Box::new)?
            }
            Trust::Checked => {
                newest(snapshot).unwrap_or_else(|| Known::genesis(self.page.genesis()))
            }
        };
        let genesis = self.page.shared_genesis();
        let mut next = Governance::at_snapshot(genesis, &known, snapshot, trust)?;
        next.past.remember(&self.past);
        self.go_on(&mut next);
        let changed = self.changed_owners(&next);
        Ok((next, changed))
    }

    /// The own newest seal is the one that the window has at its height, if it reaches down so far.
    ///
    /// # Errors
    /// [`JumpRefusal::Fork`].
    pub fn check_history(&self, window: &Window) -> Result<(), JumpRefusal> {
        let Head { height, seal: held, .. } = self.page.head();
        let found = match window.at(height + 1) {
            Some(above) => Some(above.previous),
            None => window.at(height).map(Seal::id),
        };
        match found.filter(|found| *found != held) {
            Some(found) => Err(JumpRefusal::Fork { height, held, found }),
            None => Ok(()),
        }
    }

    /// The page under a known seal, with nothing said since.
    fn at_snapshot(
        genesis: Arc<Genesis>,
        known: &Known,
        snapshot: &Snapshot,
        trust: Trust,
    ) -> Result<Governance, JumpRefusal> {
        snapshot.window.check(known)?;
        let at = match trust {
            Trust::Nothing => Page::at_seal,
            Trust::Checked => Page::at_known_seal,
        };
        let page = at(genesis, known.head, &known.state_root, snapshot.state.clone())?;
        if trust == Trust::Nothing {
            check_presences(&page)?;
        }
        let past = snapshot.window.past(&page)?;
        Ok(Governance::with_past(page, past))
    }

    /// Takes over into `next` what is open here, and ends there what cannot go on.
    fn go_on(&self, next: &mut Governance) {
        let height = next.page.height();
        let left: BTreeMap<Register, Id> = self
            .registers
            .keys()
            .filter(|register| self.sealed_version(register) != next.sealed_version(register))
            .map(|register| (register.clone(), next.sealed_version(register)))
            .collect();
        // What was made on the version sealed here, which is past, cannot come back.
        let superseded = |register: &Register| {
            left.get(register).map(|by| Outcome::Superseded { height, by: *by })
        };
        for proposal in self.operations.values() {
            let (id, register) = (proposal.statement.id(), proposal.register());
            let is_past = proposal.operation().change.parent() == self.sealed_version(&register);
            if let Some(outcome) = superseded(&register).filter(|_| is_past)
                && next.past.outcome(&id).is_none()
            {
                next.past.note(id, proposal.ended(outcome));
            }
        }
        let outcome = |refusal: &Refusal, register: Option<&Register>| match refusal {
            Refusal::NotParticipant(_) | Refusal::JoinedLater(_) => Outcome::AuthorGone(height),
            Refusal::UnknownBase(_) => Outcome::Expired(height),
            Refusal::PastVersion(_) => {
                register.and_then(superseded).unwrap_or(Outcome::Impossible(height))
            }
            _ => Outcome::Impossible(height),
        };
        self.readmit(next, &outcome);
        next.end_readmitted_orphans(&|register| {
            superseded(register).unwrap_or(Outcome::Impossible(height))
        });
        let registers = next.registers.keys().cloned().collect();
        next.walk_all(registers);
    }

    /// The owners whose answers may differ between two states of a page.
    fn changed_owners(&self, next: &Governance) -> Vec<Owner> {
        let mut changed: OrdSet<Owner> =
            self.soft_owners().chain(next.soft_owners()).cloned().collect();
        self.page.state().diff(next.page.state(), &mut |difference| {
            let value = difference.left.or(difference.right);
            changed.extend(value.and_then(Page::owner_of));
        });
        changed.into_iter().collect()
    }
}

/// The seal that a snapshot is of, as its proofs say.
fn newest(snapshot: &Snapshot) -> Option<Known> {
    snapshot.proofs.last().map(|proof| Known::seal(&proof.seal))
}

/// Checks that every seat's presence was signed by its participant, for this page.
fn check_presences(page: &Page) -> Result<(), JumpRefusal> {
    for (key, _) in page.roster().iter() {
        let Some(seat) = page.seat(key) else { continue };
        let Some(bytes) = seat.presence else { continue };
        let statement = Statement::admit(&bytes).map_err(|_| JumpRefusal::Presence(*key))?;
        let said = statement.as_presence().map(|said| said.joined_by.first().copied());
        let is_own = statement.author() == *key && statement.page() == page.id();
        if said != Some(seat.joined_by) || !is_own {
            return Err(JumpRefusal::Presence(*key));
        }
    }
    Ok(())
}
