//! A page's names as octets that a start answers from at once: the buckets of its table one after the
//! other, as they are in memory, and what is known of the page beside them.
//!
//! ```text
//! version u8, fresh u8 (0, 1), name length u8, name, page id 32, serial u32, absence TTL u32,
//! seeds u64 2, buckets u32, of each bucket where it ends u32, the buckets
//! ```
//! Integers are little-endian. Where the octets are kept, of which state of the page they are, and that
//! they are as they were written, is not known here; but no octets make this panic.

use std::sync::Arc;

use bytes::Bytes;

use super::{Counts, PageMeta, PageView, climb, count_below};
use crate::{
    dns::{
        node::Node,
        table::{Seeds, Table},
    },
    id::Id,
    page::{
        entry::RecordSets,
        name::{Name, Owner},
    },
};

const VERSION: u8 = 1;

/// Why octets are no image of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageFault {
    #[error("it has the version {0}, which this program does not read")]
    Version(u8),
    #[error("its head is not as it is written")]
    Head,
    #[error("its names are not as they are written")]
    Names,
}

/// A page as octets, in parts.
pub struct Image<'v> {
    head: Vec<u8>,
    nodes: &'v Table,
}

impl Image<'_> {
    /// The octets, one part after the other.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(&self.head[..]).chain(self.nodes.buckets())
    }
}

impl PageView {
    /// The page as octets; none where it has 4 GiB of names. They say that it is fresh where `fresh`
    /// says so: whoever reads them has not heard yet what nodes say of it.
    pub fn image(&self, fresh: bool) -> Option<Image<'_>> {
        let PageMeta { name, id, serial, absence_ttl, .. } = &self.meta;
        let mut head = vec![VERSION, u8::from(fresh), name.wire().len() as u8];
        head.extend_from_slice(name.wire());
        head.extend_from_slice(id.as_bytes());
        head.extend([*serial, *absence_ttl].map(u32::to_le_bytes).as_flattened());
        head.extend(self.nodes.seeds().map(u64::to_le_bytes).as_flattened());
        let count = u32::try_from(self.nodes.buckets().len()).ok()?;
        head.extend_from_slice(&count.to_le_bytes());
        let mut end = 0u32;
        for bucket in self.nodes.buckets() {
            end = end.checked_add(u32::try_from(bucket.len()).ok()?)?;
            head.extend_from_slice(&end.to_le_bytes());
        }
        Some(Image { head, nodes: &self.nodes })
    }

    /// The page of such octets. It keeps them, and they are in memory until all of it is gone.
    ///
    /// # Errors
    /// The first [`ImageFault`].
    pub fn of_image(octets: &Bytes) -> Result<PageView, ImageFault> {
        let mut rest = &octets[..];
        match take(&mut rest).ok_or(ImageFault::Head)? {
            [VERSION] => {}
            [version] => return Err(ImageFault::Version(version)),
        }
        let (meta, seeds, ends) = read_head(&mut rest).ok_or(ImageFault::Head)?;
        let first = octets.len() - rest.len();
        let (mut start, mut buckets) = (0, Vec::with_capacity(ends.len()));
        for end in ends.iter().map(|end| u32::from_le_bytes(*end) as usize) {
            if end < start || end > rest.len() {
                return Err(ImageFault::Names);
            }
            buckets.push(octets.slice(first + start..first + end));
            start = end;
        }
        let is_all = start == rest.len();
        let nodes = is_all.then(|| Table::restore(seeds, buckets.into_iter())).flatten();
        Ok(PageView { meta, nodes: nodes.ok_or(ImageFault::Names)?, asked: Arc::default() })
    }

    /// How many names exist, a bare apex left out.
    pub fn names(&self) -> usize {
        self.nodes.len()
    }

    /// Whether it is in every node what is built of these entries, each with what its TTLs are capped at.
    /// No two entries may have one owner.
    pub fn holds(
        &self,
        entries: impl IntoIterator<Item = (Owner, RecordSets, Option<u32>)>,
    ) -> bool {
        let (mut counts, mut names, mut built) = (Counts::new(), 0, Vec::new());
        for (owner, sets, ttl_cap) in entries.into_iter().filter(|(_, sets, _)| !sets.is_empty()) {
            count_below(&mut counts, owner.wire());
            built.clear();
            Node::build_in(&mut built, owner.wire(), 0, &sets, ttl_cap.unwrap_or(u32::MAX));
            if !self.node(owner.wire()).is_some_and(|node| node.says_same(Node(&built))) {
                return false;
            }
            names += 1;
        }
        self.holds_children(counts, names)
    }

    /// Whether there are `names` names and those that exist by others alone, each with as many children
    /// as are counted.
    fn holds_children(&self, counts: Counts, mut names: usize) -> bool {
        let mut children = 0u64;
        let held = climb(counts, |owner, count| {
            let node = self.node(owner).filter(|node| node.children() == count)?;
            children += u64::from(count);
            names += usize::from(node.is_empty());
            Some(node.is_empty())
        });
        // Nothing else, and nothing else with children.
        held.is_some()
            && self.names() == names
            && self.nodes().map(|node| u64::from(node.children())).sum::<u64>() == children
    }
}

type Ends<'o> = &'o [[u8; 4]];

/// What stands before the buckets, behind the version.
fn read_head<'o>(rest: &mut &'o [u8]) -> Option<(PageMeta, Seeds, Ends<'o>)> {
    let [fresh @ 0..=1, name] = take(rest)? else { return None };
    let (wire, after) = rest.split_at_checked(usize::from(name))?;
    *rest = after;
    let name = Name::from_wire(wire).ok().filter(|name| name.wire() == wire)?;
    let id = Id::from_bytes(take(rest)?);
    let [serial, absence_ttl] = [take(rest)?, take(rest)?].map(u32::from_le_bytes);
    let seeds = [take(rest)?, take(rest)?].map(u64::from_le_bytes);
    let count = u32::from_le_bytes(take(rest)?) as usize;
    let (ends, after) = rest.split_at_checked(count.checked_mul(size_of::<u32>())?)?;
    *rest = after;
    let meta = PageMeta { name, id, serial, fresh: fresh == 1, absence_ttl };
    Some((meta, seeds, ends.as_chunks().0))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        dns::View,
        page::{
            entry::{Rdata, RecordSet},
            record::RecordType,
        },
    };

    fn name() -> Name {
        Name::parse("ct").unwrap()
    }

    fn meta() -> PageMeta {
        let id = Id::from_bytes([7; 32]);
        PageMeta { name: name(), id, serial: 9, fresh: true, absence_ttl: 60 }
    }

    /// Names of few labels, so that some are above others.
    fn owners() -> impl Strategy<Value = Owner> {
        let labels = prop::collection::vec("[a-c*]|[a-z]{1,9}", 1..4);
        labels.prop_filter_map("a valid owner", |labels| {
            Owner::parse(&labels.join("."), &name()).ok()
        })
    }

    fn values() -> impl Strategy<Value = RecordSets> {
        let owner = Owner::parse("x", &name()).unwrap();
        let data = prop::collection::btree_set(any::<[u8; 4]>(), 1..4);
        let set = (1u32..9000, data).prop_map(|(ttl, data)| RecordSet {
            rtype: RecordType::A,
            ttl,
            rdata: data.into_iter().map(|data| Rdata(data.into())).collect(),
        });
        prop::option::of(set).prop_map(move |set| {
            RecordSets::admit(set.into_iter().collect(), &owner, &name()).unwrap()
        })
    }

    fn octets(page: &PageView) -> Bytes {
        page.image(page.meta.fresh).unwrap().parts().collect::<Vec<_>>().concat().into()
    }

    type Entries = BTreeMap<Vec<u8>, (Owner, RecordSets, Option<u32>)>;

    /// The page of these entries, each put into it by itself.
    fn of(changes: &[(Owner, RecordSets, Option<u32>)]) -> (PageView, Entries) {
        let mut view = View::new().with_page(meta(), []);
        let mut entries = Entries::new();
        for (owner, sets, cap) in changes {
            view = view.with_entry(&meta().id, owner, sets, *cap);
            entries.insert(owner.wire().to_vec(), (owner.clone(), sets.clone(), *cap));
        }
        (view.page(&meta().id).unwrap().clone(), entries)
    }

    proptest! {
        #[test]
        fn a_page_of_its_image_is_the_same_in_every_node_and_changes_as_it_does(
            changes in prop::collection::vec((owners(), values(), prop::option::of(1u32..99)), 0..300),
            later in prop::collection::vec((owners(), values()), 0..40),
        ) {
            let (page, entries) = of(&changes);
            let read = PageView::of_image(&octets(&page)).unwrap();
            prop_assert_eq!(read.meta(), page.meta());
            prop_assert_eq!(octets(&read), octets(&page));
            prop_assert!(page.nodes().all(|node| read.node(node.owner()).unwrap().same(node)));
            prop_assert_eq!(read.nodes().count(), page.nodes().count());
            prop_assert!(read.holds(entries.values().cloned()));
            let change = |page: PageView| {
                let view = View::new().with_built(page);
                later.iter().fold(view, |view, (owner, sets)| {
                    view.with_entry(&meta().id, owner, sets, None)
                })
            };
            let (here, there) = (change(page), change(read));
            let [here, there] = [&here, &there].map(|view| view.page(&meta().id).unwrap());
            prop_assert!(here.nodes().all(|node| there.node(node.owner()).unwrap().same(node)));
            prop_assert_eq!(here.names(), there.names());
        }

        #[test]
        fn a_page_with_one_entry_more_less_or_other_is_not_taken_for_the_same(
            changes in prop::collection::vec((owners(), values(), prop::option::of(1u32..99)), 1..60),
            at in any::<prop::sample::Index>(),
        ) {
            let (page, entries) = of(&changes);
            let owner = at.get(&changes).0.wire();
            let (_, sets, cap) = &entries[owner];
            let check = |sets: RecordSets, cap: Option<u32>, is_same: bool| {
                let mut other = entries.clone();
                let held = other.get_mut(owner).unwrap();
                (held.1, held.2) = (sets, cap);
                prop_assert_eq!(page.holds(other.into_values()), is_same);
                Ok(())
            };
            check(sets.clone(), *cap, true)?;
            let at_other = Owner::parse("x", &name()).unwrap();
            let data = [(RecordType::AAAA, 60, vec![1; 16])];
            check(RecordSets::gather(data, &at_other, &name()).unwrap(), *cap, false)?;
            check(RecordSets::NONE, *cap, sets.is_empty())?;
            let shown = |set: &RecordSet, cap: Option<u32>| set.ttl.min(cap.unwrap_or(u32::MAX));
            let is_same = sets.iter().all(|set| shown(set, *cap) == shown(set, Some(1)));
            check(sets.clone(), Some(1), is_same)?;
        }

        #[test]
        fn no_octets_panic_and_what_reads_is_written_again_as_it_was(
            changes in prop::collection::vec((owners(), values(), prop::option::of(1u32..99)), 0..60),
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let mut read = octets(&of(&changes).0).to_vec();
            if let Some(cut) = cut {
                read.truncate(cut.index(read.len()));
            }
            let length = read.len();
            for (at, value) in flips.iter().filter(|_| length > 0) {
                read[at.index(length)] = *value;
            }
            if let Ok(page) = PageView::of_image(&read.clone().into()) {
                prop_assert_eq!(&octets(&page)[..], &read[..]);
                page.nodes().for_each(|node| {
                    node.sets().flat_map(|set| set.iter()).for_each(drop);
                    node.link();
                });
            }
        }
    }

    #[test]
    fn an_image_of_another_version_or_cut_anywhere_is_refused() {
        let owner = Owner::parse("www", &name()).unwrap();
        let data = (RecordType::A, 60, vec![192, 0, 2, 1]);
        let sets = RecordSets::gather([data], &owner, &name()).unwrap();
        let octets = octets(&PageView::build(meta(), [(owner, sets)]));
        for cut in 0..octets.len() {
            assert!(PageView::of_image(&octets.slice(..cut)).is_err(), "{cut}");
        }
        let mut other = octets.to_vec();
        other[0] = 2;
        let refused = PageView::of_image(&other.into()).err();
        assert_eq!(refused, Some(ImageFault::Version(2)));
        let longer = [&octets[..], &[0]].concat();
        assert_eq!(PageView::of_image(&longer.into()).err(), Some(ImageFault::Names));
    }
}
