//! Changes of one entry: what `set`, `add`, `delete` and `link` make of the record sets there.

use crate::{
    beacon::{Code, texts_of_record},
    cli::{
        context::Context,
        fault::{Fault, Outcome},
    },
    control::request::Draft,
    governance::operation::{Change, SetEntry},
    id::Id,
    page::{
        entry::{Rdata, RecordSet, RecordSets},
        name::{Name, Owner, to_ascii},
        rdata,
        record::{PageLink, RecordType},
        zonefile::TTL_DEFAULT,
    },
};

/// The record sets at one owner, being edited.
pub type Sets = Vec<RecordSet>;

/// The operation that an edit of the entry at `owner` makes; the draft is about that owner alone.
///
/// # Errors
/// What the edit says, that nothing changes, or why the result cannot stand (P8).
pub fn change(draft: &Draft, owner: Owner, edit: impl Fn(&mut Sets) -> Outcome) -> Outcome<Change> {
    edited(draft, owner, edit).map(Change::SetEntry)
}

/// As [`change`]: the whole entry as it is after the edit, and the version before.
///
/// # Errors
/// As [`change`].
pub fn edited(
    draft: &Draft,
    owner: Owner,
    edit: impl Fn(&mut Sets) -> Outcome,
) -> Outcome<SetEntry> {
    let (parent, before) = draft.entries.first().ok_or_else(Fault::other_answer)?;
    let mut sets = before.clone();
    edit(&mut sets)?;
    if sets == *before {
        return Err(Fault::refused(format!("`{owner}` holds exactly that already")));
    }
    if let Some(present) = linked(before).filter(|present| linked(&sets) != Some(*present)) {
        return Err(taken(&present));
    }
    let sets = RecordSets::admit(sets, &owner, &draft.name)
        .map_err(|refusal| Fault::refused(format!("the entry at `{owner}`: {refusal}")))?;
    Ok(SetEntry { owner, parent: *parent, sets: sets.into_vec() })
}

/// The owner name that was typed, in the page of this name.
///
/// # Errors
/// A usage fault.
pub fn owner(context: &Context, page: &Name, text: &str) -> Outcome<Owner> {
    if text.is_empty() {
        // Most likely a variable of a shell that is not set.
        return Err(Fault::usage("the name is empty: `@` is the page itself"));
    }
    let owner = to_ascii(text)
        .and_then(|text| Owner::parse(&text, page))
        .map_err(|refusal| Fault::usage(format!("the name `{text}`: {refusal}")))?;
    // `www.ff.ct` typed for the page ff.ct. is rarely meant as www.ff.ct.ff.ct.
    let absolute = Name::parse(text).ok().filter(|_| !page.is_root());
    if absolute.is_some_and(|name| !text.ends_with('.') && name.is_at_or_below(page)) {
        let full = owner.at(page).map_err(Fault::usage)?;
        context.note(format!("note: `{text}` is {full}; `{text}.` would be the other"));
    }
    Ok(owner)
}

/// Reads a record's data as it was typed.
///
/// # Errors
/// A usage fault.
pub fn data(rtype: RecordType, words: &[String], page: &Name) -> Outcome<Rdata> {
    rdata::parse_words(rtype, words, page)
        .map(|data| Rdata(data.into()))
        .map_err(|refusal| Fault::usage(format!("{rtype} data: {refusal}")))
}

/// Says what is no beacon in BEACON or PAGE data: any text may stand there (P7), and none that is no
/// beacon helps anybody.
pub fn check_beacons(context: &Context, rtype: RecordType, data: &Rdata) {
    let texts = match rtype {
        RecordType::BEACON => texts_of_record(&data.0),
        RecordType::PAGE => PageLink::from_rdata(&data.0).map_or(Vec::new(), |link| link.beacons),
        _ => return,
    };
    for text in texts {
        if let Err(refusal) = text.parse::<Code>() {
            context.note(format!("warning: `{text}` leads nowhere: {refusal}"));
        }
    }
}

/// Reads seconds, or `1h30m`.
///
/// # Errors
/// A sentence.
pub fn ttl(text: &str) -> Result<u32, String> {
    rdata::seconds(text.as_bytes())
        .ok_or_else(|| format!("`{text}` is no time: expected seconds, or units as in 1h30m"))
}

/// Replaces the records of one type.
pub fn set(sets: &mut Sets, rtype: RecordType, ttl: Option<u32>, data: Rdata) -> Outcome {
    let set = at(sets, rtype);
    set.ttl = ttl.unwrap_or(set.ttl);
    set.rdata = vec![data];
    Ok(())
}

/// Adds a record to those of its type.
pub fn add(sets: &mut Sets, rtype: RecordType, ttl: Option<u32>, data: Rdata) -> Outcome {
    let set = at(sets, rtype);
    set.ttl = ttl.unwrap_or(set.ttl);
    if let Err(place) = set.rdata.binary_search(&data) {
        set.rdata.insert(place, data);
    }
    Ok(())
}

/// Deletes the records of one type, or all.
pub fn delete(sets: &mut Sets, rtype: Option<RecordType>) -> Outcome {
    let gone = |set: &RecordSet| rtype.is_none_or(|rtype| set.rtype == rtype);
    if !sets.iter().any(gone) {
        let what = rtype.map_or("record".to_owned(), |rtype| format!("{rtype} record"));
        return Err(Fault::not_found(format!("there is no {what} to delete at this name")));
    }
    if sets.iter().any(|set| set.rtype == RecordType::PAGE && gone(set)) {
        return Err(Fault::refused(
            "a subpage is linked here: cut it off with `unlink`, which needs the power of a roster \
             change",
        ));
    }
    sets.retain(|set| !gone(set));
    Ok(())
}

/// Links a subpage; beacons that stand here stay.
pub fn link(sets: &mut Sets, subpage: Id) -> Outcome {
    if let Some(present) = linked(sets) {
        return Err(Fault::refused(match present == subpage {
            true => "that subpage is linked here already".to_owned(),
            false => return Err(taken(&present)),
        }));
    }
    let in_the_way = sets.iter().filter(|set| set.rtype != RecordType::BEACON);
    let in_the_way: Vec<String> = in_the_way.map(|set| set.rtype.to_string()).collect();
    if !in_the_way.is_empty() {
        return Err(Fault::refused(format!(
            "{} stands here, and a link to a subpage stands alone: delete that first",
            in_the_way.join(", ")
        )));
    }
    let data = PageLink { page: subpage, beacons: Vec::new() }.to_rdata();
    let data = data.ok_or_else(Fault::other_answer)?;
    set(sets, RecordType::PAGE, None, Rdata(data.into()))
}

/// That a name is a subpage's: Track 1 changes nothing of that (G3).
fn taken(present: &Id) -> Fault {
    Fault::refused(format!(
        "the subpage {present} is linked here: give the name to another with `relink`, or cut it off \
         with `unlink`, which need the power of a roster change"
    ))
}

/// The subpage that these record sets link to.
pub fn linked(sets: &[RecordSet]) -> Option<Id> {
    let set = sets.iter().find(|set| set.rtype == RecordType::PAGE)?;
    PageLink::from_rdata(&set.rdata.first()?.0).map(|link| link.page)
}

/// The set of this type, made in its place when there is none.
fn at(sets: &mut Sets, rtype: RecordType) -> &mut RecordSet {
    let place = sets.binary_search_by_key(&rtype, |set| set.rtype).unwrap_or_else(|place| {
        sets.insert(place, RecordSet { rtype, ttl: TTL_DEFAULT, rdata: Vec::new() });
        place
    });
    &mut sets[place]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rdata(bytes: &[u8]) -> Rdata {
        Rdata(bytes.into())
    }

    /// Two addresses and a text.
    fn sets() -> Sets {
        vec![
            RecordSet {
                rtype: RecordType::A,
                ttl: 60,
                rdata: vec![rdata(&[192, 0, 2, 1]), rdata(&[192, 0, 2, 3])],
            },
            RecordSet { rtype: RecordType::TXT, ttl: 90, rdata: vec![rdata(b"\x01a")] },
        ]
    }

    fn draft(sets: Sets) -> Draft {
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
            roster_version: Id::ZERO,
            entries: vec![(Id::ZERO, sets)],
            parameters: Vec::new(),
        }
    }

    fn edited(edit: impl Fn(&mut Sets) -> Outcome) -> Outcome<Sets> {
        let owner = Owner::parse("www", &Name::parse("ct").unwrap()).unwrap();
        match change(&draft(sets()), owner, edit)? {
            Change::SetEntry(set) => Ok(set.sets),
            _ => Err(Fault::other_answer()),
        }
    }

    #[test]
    fn set_replaces_one_type_and_keeps_the_ttl_unless_told() {
        let one = || rdata(&[10, 0, 0, 1]);
        let after = edited(|sets| set(sets, RecordType::A, None, one())).unwrap();
        assert_eq!((after[0].ttl, &after[0].rdata[..], after.len()), (60, &[one()][..], 2));
        let after = edited(|sets| set(sets, RecordType::A, Some(5), one())).unwrap();
        assert_eq!(after[0].ttl, 5);
        let after = edited(|sets| set(sets, RecordType::AAAA, None, rdata(&[0; 16]))).unwrap();
        assert_eq!((after[2].rtype, after[2].ttl), (RecordType::AAAA, TTL_DEFAULT));
    }

    #[test]
    fn add_keeps_records_sorted_and_once() {
        let add_a = |last: u8| {
            edited(move |sets| add(sets, RecordType::A, None, rdata(&[192, 0, 2, last])))
        };
        let lasts = |sets: Sets| sets[0].rdata.iter().map(|r| r.0[3]).collect::<Vec<_>>();
        assert_eq!(lasts(add_a(2).unwrap()), [1, 2, 3]);
        assert_eq!(lasts(add_a(4).unwrap()), [1, 3, 4]);
        assert_eq!(add_a(3).unwrap_err().code(), 1);
    }

    #[test]
    fn delete_takes_one_type_or_all_and_says_when_there_is_nothing() {
        assert_eq!(edited(|sets| delete(sets, Some(RecordType::A))).unwrap().len(), 1);
        assert_eq!(edited(|sets| delete(sets, None)).unwrap().len(), 0);
        assert_eq!(edited(|sets| delete(sets, Some(RecordType::MX))).unwrap_err().code(), 3);
    }

    #[test]
    fn a_link_stands_alone_and_is_not_changed_by_the_lesser_power() {
        let (one, other) = (Id::hash(&[b"1"]), Id::hash(&[b"2"]));
        let mut sets = Vec::new();
        link(&mut sets, one).unwrap();
        assert_eq!(linked(&sets), Some(one));
        assert!(link(&mut sets, one).is_err());
        assert!(link(&mut sets, other).is_err());
        assert!(delete(&mut sets, None).is_err());
        assert!(edited(|sets| link(sets, one)).is_err());
    }

    #[test]
    fn a_linked_name_is_not_changed_by_a_record_either() {
        let (one, other) = (Id::hash(&[b"1"]), Id::hash(&[b"2"]));
        let mut present = Vec::new();
        link(&mut present, one).unwrap();
        let check = |edit: &dyn Fn(&mut Sets), expect: bool| {
            let owner = Owner::parse("sub", &Name::parse("ct").unwrap()).unwrap();
            let done = super::edited(&draft(present.clone()), owner, |sets| {
                edit(sets);
                Ok(())
            });
            assert_eq!(done.is_ok(), expect);
            done.err().map(|fault| fault.to_string()).unwrap_or_default()
        };
        let page =
            |id: Id| Rdata(PageLink { page: id, beacons: vec![] }.to_rdata().unwrap().into());
        let said = check(&|sets| set(sets, RecordType::PAGE, None, page(other)).unwrap(), false);
        assert!(said.contains("relink"), "{said}");
        check(&|sets| sets.clear(), false);
        check(&|sets| set(sets, RecordType::PAGE, Some(5), page(one)).unwrap(), true);
    }
}
