//! Track 2 operations: participants, parameters, and who owns a subpage (G4).

use super::{Participant, entry};
use crate::{
    cli::{
        context::Context,
        fault::{Fault, Outcome},
        signing::public_key,
    },
    control::request::Draft,
    governance::operation::{
        Change, NewParticipant, Power, Replacement, RosterChange, SetLink, SetRoster,
    },
    id::Id,
    page::{genesis::Parameters, name::Owner},
};

/// A change of who takes part.
///
/// # Errors
/// When a key is none.
pub fn participant(context: &mut Context, change: Participant) -> Outcome<RosterChange> {
    let mut key = |text: &str| public_key(context, text).map(|key| key.raw());
    Ok(match change {
        Participant::Add { key: (newcomer, power), acceptance } => {
            RosterChange::Add(NewParticipant { key: key(&newcomer)?, power, acceptance })
        }
        Participant::Remove { key: gone } => RosterChange::Remove(key(&gone)?),
        Participant::Power { key: (holder, power) } => {
            RosterChange::SetPower(Power { key: key(&holder)?, power })
        }
        Participant::Replace { old, new, acceptance } => {
            RosterChange::Replace(Replacement { old: key(&old)?, new: key(&new)?, acceptance })
        }
    })
}

/// The operation that carries a roster change.
pub fn roster(draft: &Draft, change: RosterChange) -> Change {
    Change::SetRoster(SetRoster { parent: draft.roster_version, change })
}

/// The page's parameters with some of them changed.
///
/// # Errors
/// A usage fault, for values that contradict G1.
pub fn parameters(draft: &Draft, values: &[(String, String)]) -> Outcome<Change> {
    let mut parameters = Parameters::default();
    let present = draft.parameters.iter().map(|(name, value)| (name, value.to_string()));
    let changed = values.iter().map(|(name, value)| (name, value.clone()));
    for (name, value) in present.chain(changed) {
        parameters.set(name, &value).map_err(Fault::usage)?;
    }
    parameters.check().map_err(Fault::usage)?;
    Ok(roster(draft, RosterChange::SetParameters(parameters)))
}

/// Gives a linked name to another page, or to none; the draft is about that owner alone.
///
/// # Errors
/// When no subpage is linked there, or it is that one.
pub fn relink(draft: &Draft, owner: Owner, page: Vec<Id>) -> Outcome<Change> {
    let (parent, sets) = draft.entries.first().ok_or_else(Fault::other_answer)?;
    let Some(present) = entry::linked(sets) else {
        return Err(Fault::not_found(format!("no subpage is linked at `{owner}`: see `link`")));
    };
    if page == [present] {
        return Err(Fault::refused(format!("that subpage is linked at `{owner}` already")));
    }
    Ok(Change::SetLink(SetLink { owner, parent: *parent, page }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::name::Name;

    fn draft() -> Draft {
        let mut sets = Vec::new();
        entry::link(&mut sets, Id::hash(&[b"present"])).unwrap();
        Draft {
            page: Id::ZERO,
            name: Name::parse("ct").unwrap(),
            seal: Id::ZERO,
            takes_part: true,
            slots: vec![0],
            batch_slots: vec![0],
            occupied: Vec::new(),
            sequence: 1,
            presence: None,
            presence_sequence: 1,
            delegates_gone: Vec::new(),
            node: None,
            seal_time: 0,
            roster_version: Id::hash(&[b"roster"]),
            entries: vec![(Id::hash(&[b"entry"]), sets)],
            parameters: vec![("track1_bp".to_owned(), 4000), ("soft_ttl_max".to_owned(), 60)],
        }
    }

    #[test]
    fn parameters_that_are_not_named_stay_as_they_are() {
        let values = [("track1_bp".to_owned(), "5000".to_owned())];
        let expect = Parameters { track1_bp: 5000, soft_ttl_max: 60, ..Parameters::default() };
        let Change::SetRoster(set) = parameters(&draft(), &values).unwrap() else { panic!() };
        assert_eq!(set.change, RosterChange::SetParameters(expect));
        assert_eq!(set.parent, draft().roster_version);
        let values = [("track1_bp".to_owned(), "9000".to_owned())];
        assert_eq!(parameters(&draft(), &values).unwrap_err().code(), 2);
    }

    #[test]
    fn only_a_linked_name_changes_hands() {
        let owner = || Owner::parse("ff", &draft().name).unwrap();
        let other = Id::hash(&[b"other"]);
        let Change::SetLink(link) = relink(&draft(), owner(), vec![other]).unwrap() else {
            panic!()
        };
        assert_eq!((link.parent, link.page), (draft().entries[0].0, vec![other]));
        assert!(relink(&draft(), owner(), vec![]).is_ok());
        assert!(relink(&draft(), owner(), vec![Id::hash(&[b"present"])]).is_err());
        let unlinked = Draft { entries: vec![(Id::ZERO, Vec::new())], ..draft() };
        assert_eq!(relink(&unlinked, owner(), vec![]).unwrap_err().code(), 3);
    }
}
