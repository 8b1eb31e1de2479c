//! What a Track 2 operation makes of a roster and its parameters (G4).
//!
//! Pure arithmetic: no sequence of changes that passes here can lock a page (T = 0) or break G1.

use super::operation::RosterChange;
use crate::{
    key::{KeyRefusal, PublicKey, RawKey},
    page::genesis::{ParameterRefusal, Parameters, Roster, RosterRefusal},
};

/// Why a roster cannot be changed like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RosterChangeRefusal {
    #[error("{0} takes part already")]
    TakesPart(PublicKey),
    #[error("{0} does not take part")]
    TakesNoPart(PublicKey),
    #[error(transparent)]
    Key(#[from] KeyRefusal),
    #[error("the roster would be broken: {0}")]
    Roster(#[from] RosterRefusal),
    #[error("the parameters would be broken: {0}")]
    Parameters(#[from] ParameterRefusal),
}

/// The roster and parameters after a change.
///
/// # Errors
/// Any [`RosterChangeRefusal`].
pub fn apply(
    roster: &Roster,
    parameters: &Parameters,
    change: &RosterChange,
) -> Result<(Roster, Parameters), RosterChangeRefusal> {
    let mut rows = roster.rows();
    let mut parameters = parameters.clone();
    match change {
        RosterChange::Add(new) => {
            must_be(roster, new.key, false)?;
            rows.push((new.key, new.power));
        }
        RosterChange::Remove(key) => {
            must_be(roster, *key, true)?;
            rows.retain(|(other, _)| other != key);
        }
        RosterChange::SetPower(power) => {
            must_be(roster, power.key, true)?;
            rows.iter_mut().filter(|row| row.0 == power.key).for_each(|row| row.1 = power.power);
        }
        RosterChange::Replace(replacement) => {
            must_be(roster, replacement.old, true)?;
            must_be(roster, replacement.new, false)?;
            rows.iter_mut()
                .filter(|row| row.0 == replacement.old)
                .for_each(|row| row.0 = replacement.new);
        }
        RosterChange::SetParameters(new) => parameters = new.clone(),
    }
    parameters.check()?;
    rows.sort_unstable();
    Ok((Roster::admit(&rows)?, parameters))
}

fn must_be(roster: &Roster, key: RawKey, part: bool) -> Result<(), RosterChangeRefusal> {
    let key = PublicKey::admit(key)?;
    match roster.power(&key).is_some() {
        takes_part if takes_part == part => Ok(()),
        true => Err(RosterChangeRefusal::TakesPart(key)),
        false => Err(RosterChangeRefusal::TakesNoPart(key)),
    }
}
