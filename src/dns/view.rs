//! What the DNS face answers from: an immutable picture of all pages that are held.
//!
//! A view never changes. An update makes a new one that shares everything but the path to what
//! changed, so that it costs the same on ten names and on a million, and a reader is never made
//! to wait. Views know names, records and links; they do not know who decided them, where they
//! are stored, or what DNS makes of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use foldhash::quality::RandomState;
use imbl::{GenericHashMap, shared_ptr::DefaultSharedPtr};

mod image;

pub use image::{Image, ImageFault};

use super::{icann, node::Node, path::Path, special::Special, suffix, table::Table};
use crate::{
    id::Id,
    limits::STALE_TTL,
    page::{
        entry::RecordSets,
        name::{Name, Owner},
        record::RecordType,
    },
};

/// Names are chosen by others, and each process hashes them in its own way.
type HashMap<K, V> = GenericHashMap<K, V, RandomState, DefaultSharedPtr>;
/// Ids are hashes.
type IdMap<V> = GenericHashMap<Id, V, BuildHasherDefault<FirstOctets>, DefaultSharedPtr>;

/// Takes the first octets of what is a hash already.
#[derive(Clone, Default)]
struct FirstOctets(u64);

impl Hasher for FirstOctets {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// All pages held, and the anchors where a walk begins.
#[derive(Clone)]
pub struct View {
    /// Where a walk may begin, by the wire form of the name. Normally the root alone; the deepest
    /// one at or above a name wins over the way down through links (T2).
    anchors: HashMap<Arc<[u8]>, Id>,
    /// How many labels anchors have or had, a bit for each number: others are not looked for.
    anchor_depths: u128,
    pages: IdMap<Arc<PageView>>,
    /// What is wrong with a page, of those with which something is.
    troubles: IdMap<Trouble>,
    /// `localhost.` and everything below it, which no page can take away (RFC 6761 section 6.3).
    localhost: Arc<PageView>,
    /// What is answered at once of names that no page knows.
    special: Arc<Special>,
    /// Names of which the root page's word is served, though the public DNS has them too.
    allowed: Arc<[Name]>,
}

/// Why a page is not answered as others are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is here, and its log is damaged: there is nothing to answer from.
    Damaged,
    /// Two seals of this height contradict each other (T4).
    Forked(u64),
}

/// What is known of a page apart from its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageMeta {
    pub name: Name,
    pub id: Id,
    /// The SOA serial: the height of the seal that is served (P8).
    pub serial: u32,
    /// Whether enough power attests that this is the newest seal (T6).
    pub fresh: bool,
    /// Seconds that the absence of something may be cached: a soft change may add or delete it at
    /// any time (G1 `soft_ttl_max`, G9).
    pub absence_ttl: u32,
}

/// One page: its names with their prebuilt answers.
#[derive(Clone)]
pub struct PageView {
    meta: PageMeta,
    /// Every name that exists in the page except a bare apex, which always does.
    nodes: Table,
    /// Whether a question passed the page since that was taken note of; all pictures of a page have it in
    /// common.
    asked: Arc<AtomicBool>,
}

/// Where a walk ends.
pub enum Place<'v> {
    /// In this page.
    Page(Found<'v>),
    /// At a page that is not held, or one with another name than its link (P6); its name begins
    /// at this label. It may be here and damaged.
    Missing(usize, Id, Option<Trouble>),
    /// No anchor is at or above the name, or only that of a root page whose word does not count for
    /// it ([`View::collides`]).
    Nowhere,
}

/// The page that answers for a name.
pub struct Found<'v> {
    pub page: &'v PageView,
    /// The label of the name that was walked at which the page's name begins.
    pub cut: usize,
    /// Seconds that anything out of it may be cached at most: less when the page is not fresh
    /// (T6), or when a link on the way to it is soft and may still be displaced (G9).
    pub ttl_max: u32,
    /// What is at the last label of the name above the page's own, if that was looked up.
    pub first: Option<Option<Node<'v>>>,
}

impl View {
    /// No anchors and no pages; only `localhost.` is known.
    pub fn new() -> View {
        View {
            anchors: HashMap::default(),
            anchor_depths: 0,
            pages: IdMap::default(),
            troubles: IdMap::default(),
            localhost: Arc::new(PageView::localhost()),
            special: Arc::default(),
            allowed: Arc::default(),
        }
    }

    /// Answers these special names at once, where no page knows them.
    #[must_use]
    pub fn with_special(&self, special: Special) -> View {
        View { special: Arc::new(special), ..self.clone() }
    }

    /// Serves what the root page says of these names and of what is below them, though the public DNS
    /// has their top-level domain, too. They replace those allowed before.
    #[must_use]
    pub fn allowing(&self, names: impl IntoIterator<Item = Name>) -> View {
        View { allowed: names.into_iter().collect(), ..self.clone() }
    }

    /// Whether `name` is one of the public DNS, so that the root page's word does not count for it: its
    /// top-level domain is delegated by ICANN, and nobody on this machine allowed the name. It is then
    /// answered as if no page knew it; what the pages say of it stands below
    /// [`SUFFIX`](super::suffix::SUFFIX).
    ///
    /// A page joined under its own name (`page join NAME PAGE-ID`) is served whatever its name is: a
    /// person of this machine said so.
    pub fn collides(&self, name: &Name) -> bool {
        let path = Path::from(name);
        self.anchor(&path).is_some_and(|(label, _)| self.is_hidden(&path, label))
    }

    /// Trusts `page` for `name` and everything below it (T2).
    #[must_use]
    pub fn with_anchor(&self, name: &Name, page: Id) -> View {
        let mut view = self.clone();
        view.anchors.insert(name.wire().into(), page);
        view.anchor_depths |= 1 << Path::from(name).labels();
        view
    }

    /// Takes an anchor away.
    #[must_use]
    pub fn without_anchor(&self, name: &Name) -> View {
        let mut view = self.clone();
        view.anchors.remove(name.wire());
        view
    }

    /// Adds a page, or replaces it whole. Later entries of one owner replace earlier ones.
    #[must_use]
    pub fn with_page(
        &self,
        meta: PageMeta,
        entries: impl IntoIterator<Item = (Owner, RecordSets)>,
    ) -> View {
        self.with_built(PageView::build(meta, entries))
    }

    /// [`View::with_page`] for a page that was built before: a million names take a while, which
    /// nobody needs to wait for who only makes a new view.
    #[must_use]
    pub fn with_built(&self, mut page: PageView) -> View {
        let mut view = self.clone();
        if let Some(before) = view.pages.get(&page.meta.id) {
            page.asked = before.asked.clone();
        }
        view.pages.insert(page.meta.id, Arc::new(page));
        view
    }

    /// Replaces what stands at `owner`; empty sets delete it. No TTL is longer than `ttl_cap`
    /// seconds, which is how soft answers stay short (G9). A page that is not held stays so.
    #[must_use]
    pub fn with_entry(
        &self,
        page: &Id,
        owner: &Owner,
        sets: &RecordSets,
        ttl_cap: Option<u32>,
    ) -> View {
        self.changed(page, |page| page.put(owner.wire(), sets, ttl_cap.unwrap_or(u32::MAX)))
    }

    /// [`View::with_entry`] for many entries of one page.
    #[must_use]
    pub fn with_entries<'e>(
        &self,
        page: &Id,
        entries: impl IntoIterator<Item = (&'e Owner, &'e RecordSets, Option<u32>)>,
    ) -> View {
        self.changed(page, |page| {
            for (owner, sets, ttl_cap) in entries {
                page.put(owner.wire(), sets, ttl_cap.unwrap_or(u32::MAX));
            }
        })
    }

    /// Serves the page under a new seal: its SOA serial, and how long absence may be cached, which a
    /// seal may have changed (G4).
    #[must_use]
    pub fn with_seal(&self, page: &Id, serial: u32, absence_ttl: u32) -> View {
        self.changed(page, |page| {
            page.meta.serial = serial;
            page.meta.absence_ttl = absence_ttl;
        })
    }

    /// Marks the page fresh or stale (T6).
    #[must_use]
    pub fn with_fresh(&self, page: &Id, fresh: bool) -> View {
        self.changed(page, |page| page.meta.fresh = fresh)
    }

    /// Says what is wrong with a page, held or not.
    #[must_use]
    pub fn with_trouble(&self, page: &Id, trouble: Trouble) -> View {
        let mut view = self.clone();
        view.troubles.insert(*page, trouble);
        view
    }

    /// Nothing is wrong with a page any more.
    #[must_use]
    pub fn without_trouble(&self, page: &Id) -> View {
        let mut view = self.clone();
        view.troubles.remove(page);
        view
    }

    /// What is wrong with a page, if anything is.
    pub fn trouble(&self, page: &Id) -> Option<Trouble> {
        self.troubles.get(page).copied()
    }

    /// Lets go of a page.
    #[must_use]
    pub fn without_page(&self, page: &Id) -> View {
        let mut view = self.clone();
        view.pages.remove(page);
        view.troubles.remove(page);
        view
    }

    /// The page with this id, if it is held.
    pub fn page(&self, id: &Id) -> Option<&PageView> {
        self.pages.get(id).map(Arc::as_ref)
    }

    /// All pages held, in no order.
    pub fn pages(&self) -> impl Iterator<Item = &PageView> {
        self.pages.values().map(Arc::as_ref)
    }

    /// The pages passed on the way to `name`, the anchor's first. The last one is the page that
    /// answers for it, unless the walk meets a page that is not held.
    pub fn walk(&self, name: &Name) -> Vec<&PageView> {
        let mut pages = Vec::new();
        self.find(&Path::from(name), RecordType::A, |page| pages.push(page));
        pages
    }

    /// Walks to the page that answers `qtype` at `path`, and notes at those on the way that they were
    /// asked for. Labels are counted in `path`, also where it has the fixed suffix.
    pub(super) fn place(&self, path: &Path, qtype: RecordType) -> Place<'_> {
        self.find(path, qtype, PageView::note_asked)
    }

    /// The pages that questions passed or ended at since this was asked last.
    pub fn take_asked(&self) -> BTreeSet<Id> {
        let asked = self.pages.values().filter(|page| page.asked.swap(false, Ordering::Relaxed));
        asked.map(|page| page.meta.id).collect()
    }

    pub(super) fn special(&self) -> &Special {
        &self.special
    }

    /// Whether the root page knows the top-level domain of a name that is hidden: only then has
    /// anybody to be told.
    pub(super) fn hides(&self, path: &Path) -> bool {
        let Some((label, id)) = self.anchor(path) else { return false };
        let known = |page: &PageView| page.node(path.owner(label - 1, label)).is_some();
        self.is_hidden(path, label) && self.page(&id).is_some_and(known)
    }

    /// The deepest anchor at or above the name, and the label of the name at which it stands.
    fn anchor(&self, path: &Path) -> Option<(usize, Id)> {
        let labels = path.labels();
        let is_depth = |label: &usize| self.anchor_depths >> (labels - label) & 1 == 1;
        let anchor = |label| Some((label, *self.anchors.get(path.suffix(label))?));
        (0..=labels).filter(is_depth).find_map(anchor)
    }

    /// Whether what the root page says of the name does not count; `label` is where its anchor stands.
    fn is_hidden(&self, path: &Path, label: usize) -> bool {
        if label == 0 || label != path.labels() {
            return false;
        }
        let tld = path.owner(label - 1, label);
        icann::is_delegated(&tld[1..])
            && !self.allowed.iter().any(|name| path.cut_at(name.wire()).is_some())
    }

    fn find<'v>(
        &'v self,
        path: &Path,
        qtype: RecordType,
        mut passing: impl FnMut(&'v PageView),
    ) -> Place<'v> {
        let real = suffix::strip(path);
        let path = real.as_ref().unwrap_or(path);
        if let Some(label) = path.cut_at(self.localhost.meta.name.wire()) {
            passing(&self.localhost);
            let page = &self.localhost;
            return Place::Page(Found { page, cut: label, ttl_max: u32::MAX, first: None });
        }
        let Some((mut label, mut id)) = self.anchor(path) else { return Place::Nowhere };
        if real.is_none() && self.is_hidden(path, label) {
            self.page(&id).into_iter().for_each(passing);
            return Place::Nowhere;
        }
        let mut above = None;
        let mut soft_ttl = u32::MAX;
        loop {
            let page = self.page(&id).filter(|page| page.meta.name.wire() == path.suffix(label));
            if let Some((above, ttl_max)) = above
                && label == 0
                && speaks_above(qtype, page)
            {
                return Place::Page(Found { page: above, cut: 1, ttl_max, first: None });
            }
            let Some(page) = page else {
                return Place::Missing(label, id, self.trouble(&id));
            };
            passing(page);
            let ttl_max = soft_ttl.min(page.ttl_max());
            let first = label.checked_sub(1).map(|below| page.node(path.owner(below, label)));
            let Some(link) = first.flatten().and_then(Node::link) else {
                return Place::Page(Found { page, cut: label, ttl_max, first });
            };
            soft_ttl = soft_ttl.min(link.soft_ttl);
            (above, id, label) = (Some((page, ttl_max)), link.page, label - 1);
        }
    }

    fn changed(&self, page: &Id, change: impl FnOnce(&mut PageView)) -> View {
        let mut view = self.clone();
        if let Some(page) = view.pages.get_mut(page) {
            change(Arc::make_mut(page));
        }
        view
    }
}

/// Whether the page with the link answers this type at the link's name, not the page below it.
///
/// PAGE is data of the cut itself and exists only above it, as DS does (RFC 4035 section
/// 3.1.4.1). A BEACON may stand on both sides; the one below is its owners' newer word, so the
/// one beside the link answers only where there is none.
fn speaks_above(qtype: RecordType, below: Option<&PageView>) -> bool {
    match qtype {
        RecordType::PAGE | RecordType::DS => true,
        RecordType::BEACON => {
            below.and_then(|page| page.node(b"")?.get(RecordType::BEACON)).is_none()
        }
        _ => false,
    }
}

impl Default for View {
    fn default() -> View {
        View::new()
    }
}

impl PageView {
    /// A page with these entries. Later entries of one owner replace earlier ones.
    pub fn build(
        meta: PageMeta,
        entries: impl IntoIterator<Item = (Owner, RecordSets)>,
    ) -> PageView {
        // Children are counted beside: to look for each name, and for its parent, before it is put takes
        // longer than to put it.
        let mut counts = Counts::default();
        let present = entries.into_iter().filter(|(_, sets)| !sets.is_empty());
        let nodes = Table::gather(present.map(|(owner, sets)| {
            count_below(&mut counts, owner.wire());
            Node::build(owner.wire(), 0, &sets, u32::MAX)
        }));
        let mut page = PageView { meta, nodes, asked: Arc::default() };
        page.count_children(counts);
        page
    }

    /// Notes how many children each parent has; one that is no entry begins to exist by them.
    fn count_children(&mut self, counts: Counts) {
        climb(counts, |owner, count| {
            let is_made = !self.nodes.set_children(owner, count);
            if is_made {
                self.nodes.put(&Node::build(owner, count, &RecordSets::NONE, 0));
            }
            Some(is_made)
        });
    }

    /// Written only where it is not noted yet: threads on other processors read it as well.
    fn note_asked(&self) {
        if !self.asked.load(Ordering::Relaxed) {
            self.asked.store(true, Ordering::Relaxed);
        }
    }

    /// The name, id, serial and freshness.
    pub fn meta(&self) -> &PageMeta {
        &self.meta
    }

    /// Seconds that an answer out of this page may be cached at most (T6).
    fn ttl_max(&self) -> u32 {
        if self.meta.fresh { u32::MAX } else { STALE_TTL.as_secs() as u32 }
    }

    /// The node at this owner (lower-case wire form), if the name exists.
    pub fn node(&self, owner: &[u8]) -> Option<Node<'_>> {
        self.nodes.get(owner)
    }

    /// All names that exist, in no order.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        self.nodes.iter()
    }

    fn put(&mut self, owner: &[u8], sets: &RecordSets, ttl_cap: u32) {
        let children = self.node(owner).map(Node::children);
        if !sets.is_empty() || children.is_some_and(|count| count > 0) {
            self.nodes.put(&Node::build(owner, children.unwrap_or(0), sets, ttl_cap));
            if children.is_none() {
                self.adopt(owner);
            }
        } else if children.is_some() {
            self.nodes.remove(owner);
            self.disown(owner);
        }
    }

    /// Counts a new name below its parent, which begins to exist by it.
    fn adopt(&mut self, owner: &[u8]) {
        let Some(parent) = parent(owner) else { return };
        match self.node(parent).map(Node::children) {
            Some(children) => drop(self.nodes.set_children(parent, children + 1)),
            None => {
                self.nodes.put(&Node::build(parent, 1, &RecordSets::NONE, 0));
                self.adopt(parent);
            }
        }
    }

    /// Takes a name that is gone off its parent, which ends with it if nothing else is there.
    fn disown(&mut self, owner: &[u8]) {
        let Some(parent) = parent(owner) else { return };
        let Some(node) = self.node(parent) else { return };
        if node.children() == 1 && node.is_empty() {
            self.nodes.remove(parent);
            self.disown(parent);
        } else {
            let left = node.children().saturating_sub(1);
            self.nodes.set_children(parent, left);
        }
    }

    fn localhost() -> PageView {
        let name = Name::parse("localhost").expect("a valid name");
        let ttl = super::LOCALHOST_TTL;
        let mut v6 = vec![0; 16];
        v6[15] = 1;
        let records = [(RecordType::A, ttl, vec![127, 0, 0, 1]), (RecordType::AAAA, ttl, v6)];
        let meta = PageMeta { name, id: Id::ZERO, serial: 0, fresh: true, absence_ttl: u32::MAX };
        let mut page = PageView { meta, nodes: Table::new(), asked: Arc::default() };
        for owner in ["@", "*"] {
            let owner = Owner::parse(owner, &page.meta.name).expect("a valid owner");
            let sets = RecordSets::gather(records.clone(), &owner, &page.meta.name)
                .expect("addresses are valid at any owner");
            page.put(owner.wire(), &sets, u32::MAX);
        }
        page
    }
}

/// How many children names have, by their owners.
type Counts = std::collections::HashMap<Box<[u8]>, u32>;

/// Counts a name below its parent.
fn count_below(counts: &mut Counts, owner: &[u8]) {
    let Some(above) = parent(owner) else { return };
    match counts.get_mut(above) {
        Some(count) => *count += 1,
        None => drop(counts.insert(above.into(), 1)),
    }
}

/// Looks at each parent with its children, the longest first: a parent is shorter than what is below it. `look` says
/// whether one exists by them alone, and so is a child itself that was not counted; none ends it.
fn climb(counts: Counts, mut look: impl FnMut(&[u8], u32) -> Option<bool>) -> Option<()> {
    let rows = counts.into_iter().map(|(owner, count)| ((owner.len(), owner), count));
    let mut rows: BTreeMap<(usize, Box<[u8]>), u32> = rows.collect();
    while let Some(((_, owner), count)) = rows.pop_last() {
        if look(&owner, count)?
            && let Some(above) = parent(&owner)
        {
            *rows.entry((above.len(), above.into())).or_default() += 1;
        }
    }
    Some(())
}

/// The owner without its leftmost label. `None` when that is the apex, which is never counted:
/// it exists anyway, and a million names would rewrite it a million times.
fn parent(owner: &[u8]) -> Option<&[u8]> {
    let (&len, rest) = owner.split_first()?;
    rest.get(usize::from(len)..).filter(|parent| !parent.is_empty())
}
