//! Entries: all record sets at one owner name, valid by construction (P7, P8).
//!
//! An entry's validity never depends on another entry. What lies below a PAGE link or a
//! delegation is occluded, not invalid; telling that is the business of whoever answers.

use serde::{Deserialize, Serialize};

use super::{
    codec,
    name::{Name, NameRefusal, Owner},
    rdata::{self, RdataRefusal},
    record::{PageLink, RecordType},
};
use crate::{
    id::Id,
    limits::{ENTRY_BYTES_MAX, PAGE_LINK_TTL, TTL_SECONDS_MAX},
};

/// Why record sets cannot stand at an owner name (P8, G3).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryRefusal {
    #[error("the owner name: {0}")]
    Name(#[from] NameRefusal),
    #[error("`*` may only be the leftmost label")]
    WildcardInside,
    #[error("a wildcard cannot hold {0}")]
    AtWildcard(RecordType),
    #[error("the page itself cannot hold {0}: its SOA and NS are made, and it cannot be an alias")]
    AtApex(RecordType),
    #[error("{0} cannot be stored")]
    NotData(RecordType),
    #[error("{rtype} data: {refusal}")]
    Rdata { rtype: RecordType, refusal: RdataRefusal },
    #[error("a TTL of {0} s is longer than {TTL_SECONDS_MAX} s")]
    TtlTooLong(u32),
    #[error("{0} is a record set without records")]
    EmptySet(RecordType),
    #[error("the record sets, or the records in one, are not sorted or appear twice")]
    NotSorted,
    #[error("a CNAME stands alone and once (RFC 2181 section 10.1)")]
    CnameNotAlone,
    #[error("{0} may appear only once at a name")]
    NotSingle(RecordType),
    #[error("a PAGE stands alone with BEACONs")]
    PageNotAlone,
    #[error("a PAGE stands at a name of exactly one label")]
    PageNotOneLabel,
    #[error("the entry has {0} bytes, more than {ENTRY_BYTES_MAX}")]
    TooLarge(usize),
}

/// One record set: all records of one type at one owner name, with one TTL (RFC 2181 section 5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSet {
    pub rtype: RecordType,
    /// Seconds.
    pub ttl: u32,
    /// The records' data in wire form without compression, sorted, each once.
    pub rdata: Vec<Rdata>,
}

/// The data of one record in wire form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rdata(pub Box<[u8]>);

impl Serialize for Rdata {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Rdata {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Rdata;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("binary")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Rdata, E> {
                Ok(Rdata(bytes.into()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// The record sets of an entry, checked for one owner of one page. Empty means: no such entry.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct RecordSets(Vec<RecordSet>);

/// An entry as the state trie stores it (P9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub owner: Owner,
    /// The operation that wrote this value; [`Id::ZERO`] stands for the origin version (G3).
    pub version: Id,
    pub sets: RecordSets,
}

impl RecordSets {
    /// No records: as a change, this deletes.
    pub const NONE: RecordSets = RecordSets(Vec::new());

    /// The only door: checks everything that P8 asks of one entry.
    ///
    /// # Errors
    /// The first [`EntryRefusal`] found.
    pub fn admit(
        sets: Vec<RecordSet>,
        owner: &Owner,
        page: &Name,
    ) -> Result<RecordSets, EntryRefusal> {
        check_owner(owner, page)?;
        if !sets.is_sorted_by(|a, b| a.rtype < b.rtype) {
            return Err(EntryRefusal::NotSorted);
        }
        sets.iter().try_for_each(|set| check_set(set, owner))?;
        check_together(&sets, owner)?;
        let sets = RecordSets(sets);
        let bytes = entry_bytes(&sets, owner);
        if bytes > ENTRY_BYTES_MAX {
            return Err(EntryRefusal::TooLarge(bytes));
        }
        Ok(sets)
    }

    /// Sorts, merges and admits loose records: for what people write, where order is free.
    /// Records of one type get the smallest of their TTLs.
    ///
    /// # Errors
    /// The first [`EntryRefusal`] found.
    pub fn gather(
        records: impl IntoIterator<Item = (RecordType, u32, Vec<u8>)>,
        owner: &Owner,
        page: &Name,
    ) -> Result<RecordSets, EntryRefusal> {
        let mut sets: Vec<RecordSet> = Vec::new();
        for (rtype, ttl, rdata) in records {
            let rdata = Rdata(rdata.into());
            match sets.iter_mut().find(|set| set.rtype == rtype) {
                Some(set) => {
                    set.ttl = set.ttl.min(ttl);
                    set.rdata.push(rdata);
                }
                None => sets.push(RecordSet { rtype, ttl, rdata: vec![rdata] }),
            }
        }
        for set in &mut sets {
            set.rdata.sort_unstable();
            set.rdata.dedup();
        }
        sets.sort_unstable_by_key(|set| set.rtype);
        RecordSets::admit(sets, owner, page)
    }

    /// The sets, sorted by type.
    pub fn iter(&self) -> std::slice::Iter<'_, RecordSet> {
        self.0.iter()
    }

    /// The set of this type.
    pub fn get(&self, rtype: RecordType) -> Option<&RecordSet> {
        self.0.iter().find(|set| set.rtype == rtype)
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The page link that stands here, if one does.
    pub fn page_link(&self) -> Option<PageLink> {
        PageLink::from_rdata(&self.get(RecordType::PAGE)?.rdata.first()?.0)
    }

    /// The same entry with another subpage, whose hosts are other ones: no beacon stays.
    ///
    /// # Errors
    /// [`EntryRefusal`] where no PAGE can stand.
    pub fn with_page(
        &self,
        page: &Id,
        owner: &Owner,
        above: &Name,
    ) -> Result<RecordSets, EntryRefusal> {
        let ttl = self.get(RecordType::PAGE).map_or(PAGE_LINK_TTL, |set| set.ttl);
        let rdata = vec![Rdata(page.as_bytes().as_slice().into())];
        RecordSets::admit(vec![RecordSet { rtype: RecordType::PAGE, ttl, rdata }], owner, above)
    }

    /// The sets as plain data, for changing and admitting anew.
    pub fn into_vec(self) -> Vec<RecordSet> {
        self.0
    }
}

impl Entry {
    /// The bytes of an entry that a page is founded with (P9).
    pub fn initial(owner: Owner, sets: RecordSets) -> Box<[u8]> {
        Entry { owner, version: Id::ZERO, sets }.encode().into()
    }

    /// The bytes that the state trie stores and hashes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads an entry of the page `page` through every check.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn decode(bytes: &[u8], page: &Name) -> Result<Entry, EntryError> {
        let raw: RawEntry = codec::decode(bytes, ENTRY_BYTES_MAX)?;
        let sets = RecordSets::admit(raw.sets, &raw.owner, page)
            .map_err(|refusal| EntryError::Refused(raw.owner.to_string(), refusal))?;
        Ok(Entry { owner: raw.owner, version: raw.version, sets })
    }

    /// The owner's wire form in encoded bytes, without reading the rest: an array of three whose
    /// first element is `bin 8` (an owner has at most 254 octets). Every admitted entry has one.
    pub(crate) fn owner_wire(bytes: &[u8]) -> Option<&[u8]> {
        match bytes {
            [0x93, 0xc4, len, rest @ ..] => rest.get(..usize::from(*len)),
            _ => None,
        }
    }

    /// Whether an encoded entry has no record sets, without reading them: what follows the owner and the
    /// version, `bin 8` of 32 octets, is an empty array. `None`: it does not begin as an entry.
    pub(crate) fn is_deleted(bytes: &[u8]) -> Option<bool> {
        let rest = bytes.get(3 + Entry::owner_wire(bytes)?.len()..)?;
        match rest {
            [0xc4, 32, rest @ ..] => Some(*rest.get(32)? == 0x90),
            _ => None,
        }
    }

    /// Whether an encoded entry is as its page was founded with it, without reading the rest.
    pub(crate) fn is_origin(bytes: &[u8]) -> bool {
        let version = Entry::owner_wire(bytes).and_then(|owner| bytes.get(5 + owner.len()..));
        version.and_then(|rest| rest.get(..32)) == Some(Id::ZERO.as_bytes())
    }

    /// Reads bytes that came through [`Entry::decode`] or [`RecordSets::admit`] before.
    ///
    /// # Panics
    /// When they did not: the caller holds the proof.
    pub(crate) fn decode_admitted(bytes: &[u8]) -> Entry {
        let raw: RawEntry = rmp_serde::from_slice(bytes).expect("admitted entries decode");
        Entry { owner: raw.owner, version: raw.version, sets: RecordSets(raw.sets) }
    }
}

/// Why bytes are no entry of a page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    #[error("the entry's encoding: {0}")]
    Codec(#[from] codec::CodecRefusal),
    #[error("the entry at `{0}`: {1}")]
    Refused(String, EntryRefusal),
}

#[derive(Serialize, Deserialize)]
struct RawEntry {
    owner: Owner,
    version: Id,
    sets: Vec<RecordSet>,
}

fn check_owner(owner: &Owner, page: &Name) -> Result<(), EntryRefusal> {
    owner.at(page)?;
    if owner.labels().skip(1).any(|label| label == b"*") {
        return Err(EntryRefusal::WildcardInside);
    }
    Ok(())
}

fn check_set(set: &RecordSet, owner: &Owner) -> Result<(), EntryRefusal> {
    let rtype = set.rtype;
    if !rtype.is_data() {
        return Err(EntryRefusal::NotData(rtype));
    }
    let alias = [RecordType::CNAME, RecordType::DNAME, RecordType::PAGE].contains(&rtype);
    if rtype == RecordType::SOA || owner.is_apex() && (alias || rtype == RecordType::NS) {
        return Err(EntryRefusal::AtApex(rtype));
    }
    // RFC 4592 sections 4.2 and 4.4: what a wildcard delegation or DNAME means is undefined.
    if owner.is_wildcard() && [RecordType::NS, RecordType::DNAME, RecordType::PAGE].contains(&rtype)
    {
        return Err(EntryRefusal::AtWildcard(rtype));
    }
    if set.ttl > TTL_SECONDS_MAX {
        return Err(EntryRefusal::TtlTooLong(set.ttl));
    }
    if set.rdata.is_empty() {
        return Err(EntryRefusal::EmptySet(rtype));
    }
    if !set.rdata.is_sorted_by(|a, b| a < b) {
        return Err(EntryRefusal::NotSorted);
    }
    let data = |rdata: &Rdata| rdata::check(rtype, &rdata.0);
    set.rdata.iter().try_for_each(data).map_err(|refusal| EntryRefusal::Rdata { rtype, refusal })
}

fn check_together(sets: &[RecordSet], owner: &Owner) -> Result<(), EntryRefusal> {
    for set in sets {
        match set.rtype {
            RecordType::CNAME if sets.len() > 1 || set.rdata.len() > 1 => {
                return Err(EntryRefusal::CnameNotAlone);
            }
            RecordType::DNAME | RecordType::PAGE if set.rdata.len() > 1 => {
                return Err(EntryRefusal::NotSingle(set.rtype));
            }
            RecordType::PAGE if owner.label_count() != 1 => {
                return Err(EntryRefusal::PageNotOneLabel);
            }
            RecordType::PAGE
                if sets
                    .iter()
                    .any(|s| ![RecordType::PAGE, RecordType::BEACON].contains(&s.rtype)) =>
            {
                return Err(EntryRefusal::PageNotAlone);
            }
            _ => {}
        }
    }
    Ok(())
}

/// The encoded size of the entry, or an upper bound of it where that is within the limit: few
/// entries come near it, and only those are encoded to be measured.
fn entry_bytes(sets: &RecordSets, owner: &Owner) -> usize {
    let record = |rdata: &Rdata| rdata.0.len() + 5;
    let set = |set: &RecordSet| 16 + set.rdata.iter().map(record).sum::<usize>();
    let bound = sets.iter().map(set).sum::<usize>() + owner.wire().len() + 40;
    if bound <= ENTRY_BYTES_MAX {
        return bound;
    }
    codec::encode(&(owner, Id::ZERO, sets)).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Name {
        Name::parse("ff.ct").unwrap()
    }

    /// What is said of loose records, `type, TTL, data`, at an owner.
    fn refusal(at: &str, records: &[(RecordType, u32, &[u8])]) -> Option<EntryRefusal> {
        let owner = Owner::parse(at, &page()).unwrap();
        let records = records.iter().map(|(rtype, ttl, data)| (*rtype, *ttl, data.to_vec()));
        RecordSets::gather(records, &owner, &page()).err()
    }

    const A: (RecordType, u32, &[u8]) = (RecordType::A, 60, &[192, 0, 2, 1]);
    const B: &[u8] = b"\x01b\x00";

    /// P8 accepts: what each entry may hold by itself.
    #[test]
    fn entries_are_judged_each_for_itself() {
        let check = |at: &str, records: &[_]| assert_eq!(refusal(at, records), None, "{at}");
        check("@", &[A, (RecordType::TXT, 60, b"\x01x"), (RecordType::DS, 60, &[1; 24])]);
        check("a", &[(RecordType::CNAME, 60, B)]);
        check("a.b", &[(RecordType::NS, 60, B), A]);
        check("*.a", &[(RecordType::CNAME, 60, B)]);
        check("a", &[(RecordType::PAGE, 60, &[1; 32]), (RecordType::BEACON, 60, b"\x01x")]);
        // Below a PAGE or a delegation it would be occluded, which nothing here can know.
        check("b.a", &[A]);
    }

    /// P8 refuses: each of the faults by its name.
    #[test]
    fn what_cannot_stand_at_a_name_is_refused_by_name() {
        use EntryRefusal::*;
        let check = |at: &str, records: &[_], expect| {
            assert_eq!(refusal(at, records), Some(expect), "{at}");
        };
        let page = (RecordType::PAGE, 60, &[1; 32][..]);
        check("a.*", &[A], WildcardInside);
        for rtype in [RecordType::SOA, RecordType::NS, RecordType::CNAME, RecordType::DNAME] {
            check("@", &[(rtype, 60, B)], AtApex(rtype));
        }
        check("@", &[page], AtApex(RecordType::PAGE));
        check("a", &[(RecordType::SOA, 60, B)], AtApex(RecordType::SOA));
        for rtype in [RecordType::NS, RecordType::DNAME] {
            check("*", &[(rtype, 60, B)], AtWildcard(rtype));
        }
        check("*", &[page], AtWildcard(RecordType::PAGE));
        check("a", &[(RecordType::ANY, 60, B)], NotData(RecordType::ANY));
        check("a", &[(RecordType::CNAME, 60, B), A], CnameNotAlone);
        check(
            "a",
            &[(RecordType::CNAME, 60, B), (RecordType::CNAME, 60, b"\x01c\0")],
            CnameNotAlone,
        );
        let two = [(RecordType::DNAME, 60, B), (RecordType::DNAME, 60, &b"\x01c\0"[..])];
        check("a", &two, NotSingle(RecordType::DNAME));
        check("a", &[page, A], PageNotAlone);
        check("a.b", &[page], PageNotOneLabel);
    }

    #[test]
    fn a_record_may_be_cached_for_a_week() {
        let check = |ttl: u32, expect| {
            assert_eq!(refusal("a", &[(RecordType::A, ttl, &[192, 0, 2, 1])]), expect);
        };
        check(TTL_SECONDS_MAX - 1, None);
        check(TTL_SECONDS_MAX, None);
        check(TTL_SECONDS_MAX + 1, Some(EntryRefusal::TtlTooLong(TTL_SECONDS_MAX + 1)));
    }

    #[test]
    fn a_name_and_its_page_have_at_most_255_octets_together() {
        let label = "x".repeat(63);
        let owner = |last: usize| format!("{}.{label}.{label}.{label}", "y".repeat(last));
        // Of 255, `ff.ct.` takes 7 and the three long labels 192; a length octet is left.
        let check = |last: usize, expect| {
            let text = owner(last);
            let wire = crate::page::name::parse_labels(&text).unwrap();
            let owner = Owner::from_wire(&wire).unwrap();
            let sets = vec![RecordSet {
                rtype: RecordType::A,
                ttl: 60,
                rdata: vec![Rdata([192, 0, 2, 1].into())],
            }];
            assert_eq!(RecordSets::admit(sets, &owner, &page()).err(), expect);
        };
        check(54, None);
        check(55, None);
        check(56, Some(EntryRefusal::Name(NameRefusal::NameTooLong)));
    }

    #[test]
    fn a_type_stands_once_in_an_entry() {
        let set = |rtype| RecordSet { rtype, ttl: 60, rdata: vec![Rdata([1; 4].into())] };
        let admit = |sets| RecordSets::admit(sets, &Owner::apex(), &page()).err();
        assert_eq!(admit(vec![set(RecordType::A), set(RecordType(731))]), None);
        let twice = vec![set(RecordType::A), set(RecordType::A)];
        assert_eq!(admit(twice), Some(EntryRefusal::NotSorted));
    }

    #[test]
    fn an_entry_of_the_page_itself_is_limited_like_any_other() {
        let large = [1, 2].map(|last| {
            let mut data = vec![0; ENTRY_BYTES_MAX / 2];
            data[0] = last;
            (RecordType(731), 60, data)
        });
        let records = large.each_ref().map(|(rtype, ttl, data)| (*rtype, *ttl, &data[..]));
        assert!(matches!(refusal("@", &records), Some(EntryRefusal::TooLarge(_))));
        assert_eq!(refusal("@", &records[..1]), None);
    }

    #[test]
    fn data_that_is_no_binary_is_refused_in_these_words() {
        let refused = codec::decode::<Rdata>(&codec::encode("text"), 64).unwrap_err().to_string();
        assert!(refused.contains("expected binary"), "{refused}");
        let refused = codec::decode::<Owner>(&codec::encode("text"), 64).unwrap_err().to_string();
        assert!(refused.contains("expected a lower-case domain name in wire form"), "{refused}");
    }
}
