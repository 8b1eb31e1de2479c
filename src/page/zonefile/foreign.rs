//! What other software refuses in a zone though it is valid in a page.
//!
//! A page's entries are valid each for itself (P8); Knot and BIND judge a zone as a whole and
//! refuse it for one record. Such records are occluded or lead nowhere, so a server loses nothing
//! without them: they are written as comments that only djdns reads ([`MARK`]). The cases are
//! those that `kzonecheck` 3.2 and `named-checkzone` 9.18 were seen to refuse.

use std::collections::{HashMap, HashSet};

use super::order;
use crate::page::{
    apex,
    entry::{Rdata, RecordSets},
    name::{Name, Owner},
    record::RecordType,
};

/// What the line of such a record starts with.
pub(super) const MARK: &str = ";djdns ";

/// MD, MF, WKS, X25, NXT, ATMA, A6, SINK and RKEY: obsolete or never used. BIND refuses to load
/// some of them at all, and of others what the standards did not rule out.
const OBSOLETE: [u16; 9] = [3, 4, 11, 19, 30, 34, 38, 40, 57];

/// An entry with the sort key of its owner.
pub(super) struct Keyed<'a> {
    pub key: Vec<u8>,
    pub owner: Owner,
    pub sets: &'a RecordSets,
}

/// The entries of a page in canonical order, and which of their NS records lead nowhere.
pub(super) struct Neighbours<'a> {
    page: &'a Name,
    entries: Vec<Keyed<'a>>,
    has_dname: bool,
    /// NS records without use, as index of the entry and of the record in the set.
    dead_ends: HashSet<(usize, usize)>,
    /// Delegations (indices of entries) of which no NS record is left.
    dead_cuts: HashSet<usize>,
}

/// Whether the server that an NS record names can be found.
enum Lead {
    Found,
    Nowhere,
    /// It lies below the delegation at the entry with this index.
    Through(usize),
}

impl<'a> Neighbours<'a> {
    pub fn new(page: &'a Name, entries: impl Iterator<Item = (Owner, &'a RecordSets)>) -> Self {
        let mut entries: Vec<Keyed<'_>> = entries
            .map(|(owner, sets)| {
                let mut key = Vec::with_capacity(owner.wire().len() + 1);
                order::push_key(owner.wire(), &mut key);
                Keyed { key, owner, sets }
            })
            .collect();
        entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let has_dname = entries.iter().any(|entry| entry.sets.get(RecordType::DNAME).is_some());
        let (dead_ends, dead_cuts) = Default::default();
        let mut neighbours = Neighbours { page, entries, has_dname, dead_ends, dead_cuts };
        neighbours.find_dead_ends();
        neighbours
    }

    /// The entries, each with its index.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Keyed<'a>)> {
        self.entries.iter().enumerate()
    }

    /// The record sets at the owner with this key.
    pub fn get(&self, key: &[u8]) -> Option<&'a RecordSets> {
        self.find(key).map(|i| self.entries[i].sets)
    }

    fn find(&self, key: &[u8]) -> Option<usize> {
        self.entries.binary_search_by(|entry| entry.key.as_slice().cmp(key)).ok()
    }

    /// Whether other software would refuse the whole zone because of this record, the `nth` of
    /// its set at the entry with this index.
    pub fn refused(&self, index: usize, rtype: RecordType, nth: usize, data: &Rdata) -> bool {
        let Keyed { owner, sets, key } = &self.entries[index];
        refused_alone(self.page, owner, sets, rtype, data)
            || self.is_below_dname(key)
            || rtype == RecordType::NS && self.dead_ends.contains(&(index, nth))
    }

    /// Whether a name lies below a DNAME, where nothing is ever found (RFC 6672 section 2.4).
    fn is_below_dname(&self, key: &[u8]) -> bool {
        let stands = |sets: &RecordSets| {
            sets.get(RecordType::DNAME).is_some() && sets.get(RecordType::NS).is_none()
        };
        self.has_dname && ancestors(key).any(|above| self.get(above).is_some_and(stands))
    }

    /// Judges every NS record. One that leads through a delegation is judged again when that
    /// delegation turns out to lead nowhere itself.
    fn find_dead_ends(&mut self) {
        let mut open: Vec<(usize, usize)> = Vec::new();
        let mut left: HashMap<usize, usize> = HashMap::new();
        for (index, entry) in self.entries.iter().enumerate() {
            if let Some(set) = entry.sets.get(RecordType::NS) {
                open.extend((0..set.rdata.len()).map(|nth| (index, nth)));
                left.insert(index, set.rdata.len());
            }
        }
        let mut relying: HashMap<usize, Vec<(usize, usize)>> = HashMap::new();
        while let Some((index, nth)) = open.pop() {
            match self.lead(index, nth) {
                Lead::Found => {}
                Lead::Through(cut) => relying.entry(cut).or_default().push((index, nth)),
                Lead::Nowhere => {
                    self.dead_ends.insert((index, nth));
                    let left = left.entry(index).or_default();
                    *left -= 1;
                    if *left == 0 {
                        self.dead_cuts.insert(index);
                        open.extend(relying.remove(&index).unwrap_or_default());
                    }
                }
            }
        }
    }

    fn lead(&self, index: usize, nth: usize) -> Lead {
        let set = self.entries[index].sets.get(RecordType::NS);
        let data = set.and_then(|set| set.rdata.get(nth)).map(|data| &data.0);
        let target = data.and_then(|data| Name::from_wire(data).ok());
        let Some(target) = target.and_then(|name| name.relative_to(self.page).ok()) else {
            return Lead::Found;
        };
        if self.page.is_root() && target.wire() == server() {
            return Lead::Found;
        }
        let mut key = Vec::new();
        order::push_key(target.wire(), &mut key);
        if self.is_below_dname(&key) {
            return Lead::Nowhere;
        }
        let cut = self.cut_above(&key);
        match cut {
            Some(cut) if cut != index => Lead::Through(cut),
            _ if has_address(self.get(&key)) => Lead::Found,
            None if has_address(self.wildcard_for(&key)) => Lead::Found,
            _ => Lead::Nowhere,
        }
    }

    /// The highest delegation above a name.
    fn cut_above(&self, key: &[u8]) -> Option<usize> {
        let is_cut = |i: &usize| {
            self.entries[*i].sets.get(RecordType::NS).is_some() && !self.dead_cuts.contains(i)
        };
        ancestors(key).filter_map(|above| self.find(above)).find(is_cut)
    }

    /// The wildcard that stands for a name that does not exist (RFC 4592 section 3.3.1).
    fn wildcard_for(&self, key: &[u8]) -> Option<&'a RecordSets> {
        if self.exists(key) {
            return None;
        }
        let encloser = ancestors(key).filter(|ancestor| self.exists(ancestor)).last();
        self.get(&[encloser.unwrap_or_default(), b"*\0"].concat())
    }

    /// Whether something is at this name or below it.
    fn exists(&self, key: &[u8]) -> bool {
        let at = self.entries.partition_point(|entry| entry.key.as_slice() < key);
        self.entries.get(at).is_some_and(|entry| entry.key.starts_with(key))
    }
}

/// Whether other software would refuse a whole zone because of this record of an entry, whatever else the
/// zone has.
pub fn refused_alone(
    page: &Name,
    owner: &Owner,
    sets: &RecordSets,
    rtype: RecordType,
    data: &Rdata,
) -> bool {
    OBSOLETE.contains(&rtype.0)
        // Half a signed zone is a broken one, and reading leaves these aside otherwise.
        || rtype.is_dnssec_made()
        || match rtype {
            // A delegation hides the DNAME beside it (RFC 6672 section 2.4).
            RecordType::DNAME => sets.get(RecordType::NS).is_some(),
            // The parent holds a zone's DS (RFC 4035 section 2.4); Knot knows four digests.
            RecordType::DS => owner.is_apex() || !matches!(data.0.get(3), Some(1..=4)),
            // The root page's server has addresses of its own there.
            RecordType::CNAME => page.is_root() && owner.wire() == server(),
            // Without a key: BIND reads no such line, though RFC 4025 section 3.1 has it.
            RecordType::IPSECKEY => data.0.get(2) == Some(&0),
            // "No key" with a key after it (RFC 2535 section 3.1.2).
            RecordType::KEY => data.0.first().is_some_and(|flags| flags >> 6 == 3),
            _ => false,
        }
}

/// The keys of the names above, the highest first, without the page itself.
fn ancestors(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = key.iter().enumerate().filter(|(_, byte)| **byte == 0);
    ends.map(|(end, _)| &key[..=end]).filter(|ancestor| ancestor.len() < key.len())
}

fn has_address(sets: Option<&RecordSets>) -> bool {
    let has = |rtype| sets.is_some_and(|sets| sets.get(rtype).is_some());
    has(RecordType::A) || has(RecordType::AAAA)
}

/// The root page's made server, as the wire form of an owner.
pub fn server() -> &'static [u8] {
    apex::SERVER.strip_suffix(&[0]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::{read, write};
    use super::*;

    /// The owners and types of the records that are written as comments, of a page with these
    /// records. With the comments the text is read as the same page.
    fn marked(page: &str, lines: &[&str]) -> Vec<String> {
        let page = Name::parse(page).unwrap();
        let contents = read(lines.join("\n").as_bytes(), &page, &mut |_| {}).unwrap();
        let mut text = String::new();
        let entries = contents.entries.iter().map(|(owner, sets)| (owner.clone(), sets));
        write(&page, 1, entries, &mut text);
        let again = read(text.as_bytes(), &page, &mut |_| {}).unwrap();
        assert_eq!(again.entries, contents.entries, "{text}");
        let words = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
        let lines = text.lines().filter_map(|line| line.strip_prefix(MARK)).map(words);
        lines.map(|words| format!("{} {}", words[0], words[3])).collect()
    }

    /// The records that are marked are those whose lines begin with `!`.
    fn check(page: &str, lines: &[&str]) {
        let plain: Vec<&str> = lines.iter().map(|line| line.trim_start_matches('!')).collect();
        let mut expect: Vec<String> = lines
            .iter()
            .filter_map(|line| line.strip_prefix('!'))
            .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
            .collect();
        let mut found = marked(page, &plain);
        expect.sort();
        found.sort();
        assert_eq!(found, expect, "{lines:?}");
    }

    #[test]
    fn a_record_is_judged_by_its_type_and_its_data() {
        check("ct", &["a A 192.0.2.1", "!c TYPE3 \\# 1 00", "!b TYPE19 \\# 2 0161"]);
        let digest = |len: usize| "11".repeat(len);
        check(
            "ct",
            &[
                &format!("!@ DS 1 8 2 {}", digest(32)),
                &format!("a DS 1 8 1 {}", digest(20)),
                &format!("b DS 1 8 4 {}", digest(48)),
                "!c DS 1 8 5 11",
                "!d DS 1 8 0 11",
            ],
        );
        check("ct", &["!a IPSECKEY 10 0 0 .", "b IPSECKEY 10 0 2 . AQNR"]);
        check("ct", &["!a KEY 49152 3 5 AQID", "b KEY 256 3 5 AQID", "c KEY 32768 3 5 AQID"]);
    }

    #[test]
    fn nothing_stands_below_a_dname_that_no_delegation_hides() {
        check("ct", &["d DNAME x.", "!a.d A 192.0.2.1", "!a.b.d A 192.0.2.1", "dd A 192.0.2.1"]);
        check("ct", &["!d DNAME x.", "d NS ns.x.", "a.d A 192.0.2.1"]);
        check("ct", &["d DNAME x.", "!a NS n.d", "!n.d A 192.0.2.1"]);
    }

    #[test]
    fn the_root_page_has_a_server_of_its_own() {
        check(".", &["!localhost CNAME x.", "a CNAME x.", "b NS localhost."]);
        check("ct", &["localhost CNAME x.", "!b NS localhost.ct."]);
    }

    #[test]
    fn a_delegation_leads_to_an_address_or_nowhere() {
        check(
            "ct",
            &["!a NS b", "c NS ns.other.", "d NS v4", "e NS v6", "v4 A 192.0.2.1", {
                "v6 AAAA 2001:db8::1"
            }],
        );
        // Its own glue, and a name below it that has none.
        check("ct", &["a NS ns.a", "ns.a A 192.0.2.1", "!b NS ns.b", "ns.b TXT x"]);
        check("ct", &["!a NS b", "a NS c", "c A 192.0.2.1"]);
    }

    #[test]
    fn a_delegation_through_another_is_as_good_as_that_one() {
        check("ct", &["a NS ns.b", "b NS ns.other."]);
        check("ct", &["!a NS ns.b", "!b NS nowhere"]);
        check("ct", &["a NS ns.b", "!b NS nowhere", "b NS ns.other."]);
        // The dead delegation hides nothing any more.
        check("ct", &["a NS ns.b", "!b NS nowhere", "ns.b A 192.0.2.1"]);
        check("ct", &["!z NS x.a", "!a NS x.b", "!b NS nowhere"]);
        check("ct", &["!a NS x.b", "!b NS x.c", "!c NS nowhere"]);
        // The highest delegation above a name is the one that counts.
        check("ct", &["!a NS x.y.b", "!b NS nowhere", "!y.b NS nowhere"]);
    }

    #[test]
    fn a_wildcard_stands_for_names_that_do_not_exist() {
        check("ct", &["a NS x.w", "*.w A 192.0.2.1"]);
        check("ct", &["a NS q.r", "* A 192.0.2.1"]);
        check("ct", &["a NS \\000x", "* A 192.0.2.1", "\\000y TXT x"]);
        check("ct", &["!a NS x.w", "*.w A 192.0.2.1", "x.w TXT x"]);
        check("ct", &["!a NS e", "* A 192.0.2.1", "y.e TXT x"]);
        check("ct", &["!a NS q.w", "* A 192.0.2.1", "*.w TXT x"]);
        check("ct", &["!a NS q.w", "* A 192.0.2.1", "w TXT x"]);
        check("ct", &["a NS q.w", "* TXT x", "*.w A 192.0.2.1", "w TXT x", "wx TXT x"]);
    }
}
