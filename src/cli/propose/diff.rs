//! What a zone file would change in a page: entries before and after, and as lines.

use std::collections::{BTreeMap, BTreeSet};

use super::entry;
use crate::page::{
    entry::{RecordSet, RecordSets},
    name::{Name, Owner},
    rdata::{self, Style},
    record::RecordType,
};

/// One entry that differs.
#[derive(Debug, PartialEq, Eq)]
pub struct Differing {
    pub owner: Owner,
    pub before: Vec<RecordSet>,
    /// Admitted for the owner and the page (P8); empty when the entry is to go.
    pub after: Vec<RecordSet>,
}

/// How a page differs from a zone file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Sorted by owner.
    pub entries: Vec<Differing>,
    /// Links to subpages that the zone file lacks. They are kept.
    pub kept: Vec<Owner>,
}

/// Why a zone file cannot be made of this page by domain changes alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiffRefusal {
    #[error(
        "the zone links `{0}` to another subpage than the page does: that is what `relink` is for"
    )]
    OtherSubpage(Owner),
    #[error(
        "the zone holds records at `{0}`, where the page links a subpage, and a link stands alone: \
         take them out, or `unlink` it first"
    )]
    BesideLink(Owner),
}

/// Compares a page's contents with a zone file's.
///
/// # Errors
/// Any [`DiffRefusal`].
pub fn compare(
    page: &Name,
    present: Vec<(Owner, Vec<RecordSet>)>,
    zone: Vec<(Owner, RecordSets)>,
) -> Result<Difference, DiffRefusal> {
    let mut present: BTreeMap<Owner, Vec<RecordSet>> = present.into_iter().collect();
    let mut difference = Difference::default();
    for (owner, after) in zone {
        let before = present.remove(&owner).unwrap_or_default();
        let after = keep_link(page, &owner, &before, after.into_vec(), &mut difference.kept)?;
        if before != after {
            difference.entries.push(Differing { owner, before, after });
        }
    }
    for (owner, before) in present {
        if entry::linked(&before).is_some() {
            difference.kept.push(owner);
            continue;
        }
        difference.entries.push(Differing { owner, before, after: Vec::new() });
    }
    difference.entries.sort_unstable_by(|a, b| a.owner.cmp(&b.owner));
    difference.kept.sort_unstable();
    Ok(difference)
}

/// What the zone file says of an owner, with the link that stands there.
fn keep_link(
    page: &Name,
    owner: &Owner,
    before: &[RecordSet],
    mut after: Vec<RecordSet>,
    kept: &mut Vec<Owner>,
) -> Result<Vec<RecordSet>, DiffRefusal> {
    let Some(present) = entry::linked(before) else { return Ok(after) };
    match entry::linked(&after) {
        Some(same) if same == present => return Ok(after),
        Some(_) => return Err(DiffRefusal::OtherSubpage(owner.clone())),
        None => {}
    }
    after.extend(before.iter().filter(|set| set.rtype == RecordType::PAGE).cloned());
    after.sort_unstable_by_key(|set| set.rtype);
    kept.push(owner.clone());
    RecordSets::admit(after, owner, page)
        .map(RecordSets::into_vec)
        .map_err(|_| DiffRefusal::BesideLink(owner.clone()))
}

impl Differing {
    /// Records that go, with `-`, then records that come, with `+`.
    pub fn lines(&self) -> Vec<String> {
        let before = record_lines(&self.owner, &self.before);
        let after = record_lines(&self.owner, &self.after);
        let gone = before.difference(&after).map(|line| format!("- {line}"));
        gone.chain(after.difference(&before).map(|line| format!("+ {line}"))).collect()
    }
}

fn record_lines(owner: &Owner, sets: &[RecordSet]) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for set in sets {
        for data in &set.rdata {
            let mut line = format!("{owner} {} {} ", set.ttl, set.rtype);
            rdata::write_text(set.rtype, &data.0, Style::Mnemonic, &mut line);
            lines.insert(line);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::Id, page::zonefile};

    fn ct() -> Name {
        Name::parse("ct").unwrap()
    }

    fn zone(text: &str) -> Vec<(Owner, RecordSets)> {
        let text = format!("$ORIGIN ct.\n$TTL 60\n{text}");
        zonefile::read(text.as_bytes(), &ct(), &mut |_| {}).unwrap().entries
    }

    /// A page with these records, and a subpage linked at `ff`.
    fn page(text: &str) -> Vec<(Owner, Vec<RecordSet>)> {
        let mut entries: Vec<_> =
            zone(text).into_iter().map(|(owner, sets)| (owner, sets.into_vec())).collect();
        let mut link = Vec::new();
        entry::link(&mut link, Id::hash(&[b"ff"])).unwrap();
        entries.push((Owner::parse("ff", &ct()).unwrap(), link));
        entries
    }

    fn check(before: &str, after: &str, expect: &[&str]) {
        let difference = compare(&ct(), page(before), zone(after)).unwrap();
        let lines: Vec<String> = difference.entries.iter().flat_map(Differing::lines).collect();
        assert_eq!(lines, expect);
        assert_eq!(difference.kept, [Owner::parse("ff", &ct()).unwrap()]);
    }

    #[test]
    fn what_changes_is_told_and_what_stays_is_not() {
        check("a A 192.0.2.1\n", "a A 192.0.2.1\n", &[]);
        check("", "a A 192.0.2.1\n", &["+ a 60 A 192.0.2.1"]);
        check("a A 192.0.2.1\n", "", &["- a 60 A 192.0.2.1"]);
        check(
            "b TXT x\na A 192.0.2.1\na A 192.0.2.2\n",
            "b TXT y\na A 192.0.2.2\na 60 MX 10 b\n",
            &["- a 60 A 192.0.2.1", "+ a 60 MX 10 b.ct.", "- b 60 TXT \"x\"", "+ b 60 TXT \"y\""],
        );
        check(
            "a 60 A 192.0.2.1\n",
            "a 61 A 192.0.2.1\n",
            &["- a 60 A 192.0.2.1", "+ a 61 A 192.0.2.1"],
        );
    }

    #[test]
    fn a_link_is_neither_lost_nor_changed_nor_given_company() {
        let check = |text: &str, expect: fn(Owner) -> DiffRefusal| {
            let owner = Owner::parse("ff", &ct()).unwrap();
            assert_eq!(compare(&ct(), page(""), zone(text)), Err(expect(owner)));
        };
        check("ff A 192.0.2.1\n", DiffRefusal::BesideLink);
        let other = Id::hash(&[b"other"]);
        check(&format!("ff TYPE65280 \\# 32 {other}\n"), DiffRefusal::OtherSubpage);
        let same = format!("ff 3600 TYPE65280 \\# 32 {}\n", Id::hash(&[b"ff"]));
        assert_eq!(compare(&ct(), page(""), zone(&same)), Ok(Difference::default()));
    }
}
