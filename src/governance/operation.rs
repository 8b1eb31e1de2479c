//! Operations: proposed changes, Track 1 and Track 2 (G3, G4).
//!
//! Only their shape is known here. Whether one is open, eligible or ratified is
//! [`super::Governance`]'s business.

use serde::{Deserialize, Serialize};

use crate::{
    id::{Id, Kind},
    key::{PublicKey, RawKey, SecretKey, Signature, WrongSignature},
    page::{
        codec::{self, tagged},
        entry::RecordSet,
        genesis::Parameters,
        name::Owner,
    },
};

/// Which threshold a change needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Track {
    /// Domain changes: soft as soon as they are ratified.
    One = 1,
    /// Participants, parameters, and who owns a subpage: they count when sealed.
    Two = 2,
}

/// An operation as its author signs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    pub author: RawKey,
    /// Which of the author's slots it occupies (P5).
    pub slot: u32,
    /// A seal that the author knew; it dates the operation (G10).
    pub base: Id,
    pub change: Change,
}

tagged! {
    /// What an operation changes.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Change {
        /// Track 1: replaces one whole entry (G3).
        1 => SetEntry(SetEntry),
        /// Track 2: participants or parameters (G4).
        2 => SetRoster(SetRoster),
        /// Track 2: a subpage changes hands or is cut off (G4).
        3 => SetLink(SetLink),
    }
}

/// Replaces the entry at `owner`; no record sets delete it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetEntry {
    pub owner: Owner,
    /// The version that this change was made against.
    pub parent: Id,
    pub sets: Vec<RecordSet>,
}

/// Changes the roster or the parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetRoster {
    /// The roster version that this change was made against.
    pub parent: Id,
    pub change: RosterChange,
}

/// Relinks the subpage at `owner`, or cuts it off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetLink {
    pub owner: Owner,
    pub parent: Id,
    /// The new page's id; none cuts the subpage off.
    pub page: Vec<Id>,
}

tagged! {
    /// One change of the roster or the parameters.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum RosterChange {
        /// A newcomer, with its own agreement.
        1 => Add(NewParticipant),
        2 => Remove(RawKey),
        3 => SetPower(Power),
        4 => Replace(Replacement),
        5 => SetParameters(Parameters),
    }
}

/// A key that is to take part, its power, and its agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewParticipant {
    pub key: RawKey,
    pub power: u32,
    pub acceptance: Signature,
}

/// A participant's new power.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Power {
    pub key: RawKey,
    pub power: u32,
}

/// A participant's new key, with that key's agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacement {
    pub old: RawKey,
    pub new: RawKey,
    pub acceptance: Signature,
}

/// Which value of a page an operation replaces. Operations on one register compete.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Register {
    /// The entry at this owner.
    Entry(Owner),
    /// The participants and the parameters.
    Roster,
}

impl Change {
    /// Which threshold it needs.
    pub fn track(&self) -> Track {
        match self {
            Change::SetEntry(_) => Track::One,
            Change::SetRoster(_) | Change::SetLink(_) => Track::Two,
        }
    }

    /// What it replaces.
    pub fn register(&self) -> Register {
        match self {
            Change::SetEntry(set) => Register::Entry(set.owner.clone()),
            Change::SetLink(link) => Register::Entry(link.owner.clone()),
            Change::SetRoster(_) => Register::Roster,
        }
    }

    /// The version it was made against.
    pub fn parent(&self) -> Id {
        match self {
            Change::SetEntry(set) => set.parent,
            Change::SetLink(link) => link.parent,
            Change::SetRoster(roster) => roster.parent,
        }
    }
}

impl RosterChange {
    /// Checks the newcomer's own agreement, where one is needed (G4).
    ///
    /// # Errors
    /// [`WrongSignature`], also when the key itself is not admitted.
    pub fn check_acceptance(&self, page: &Id) -> Result<(), WrongSignature> {
        let (key, acceptance) = match self {
            RosterChange::Add(new) => (new.key, &new.acceptance),
            RosterChange::Replace(replacement) => (replacement.new, &replacement.acceptance),
            _ => return Ok(()),
        };
        let key = PublicKey::admit(key).map_err(|_| WrongSignature)?;
        key.verify(Kind::Acceptance, page, &acceptance_body(&key), acceptance)
    }
}

/// The newcomer's half of an invitation: its key's signature for this page.
pub fn accept(page: &Id, key: &SecretKey) -> Signature {
    key.sign(Kind::Acceptance, page, &acceptance_body(&key.public()))
}

fn acceptance_body(key: &PublicKey) -> Vec<u8> {
    codec::encode(&(key.raw(),))
}
