//! Limits that a decoder enforces, each at one below, at, and one above it (P5).
//!
//! Those of names, TTLs, powers, parameters and bundles stand beside their code.

use djdns::{
    governance::{
        attest::{Attestation, AttestationRefusal},
        petition::{Petition, PetitionRefusal, Refusal},
        statement::{Statement, StatementRefusal},
    },
    id::{Id, Kind},
    limits::*,
    page::{
        Page, PageRefusal, RawPage,
        codec::{self, CodecRefusal},
        entry::{Entry, EntryError, EntryRefusal, Rdata, RecordSets},
        genesis::{Genesis, GenesisRefusal, Roster, RosterRefusal},
        rdata::{self, RdataRefusal},
        record::{PageLink, RecordType},
    },
};

use super::{make, refused::sign};

/// A type that nobody gives a meaning to, so that any octets are its data.
const UNKNOWN: u16 = 65_400;

/// Calls with one below, at and one above a limit, and says whether it is above.
fn around(max: usize, mut check: impl FnMut(usize, bool)) {
    (max - 1..=max + 1).for_each(|n| check(n, n > max));
}

/// Grows the filler until what is made of it has `bytes` bytes.
fn fill(bytes: usize, make: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let made = make(bytes / 2);
    let filler = bytes / 2 + bytes - made.len();
    let made = make(filler);
    let off = made.len() as isize - bytes as isize;
    let made = if off == 0 { made } else { make((filler as isize - off) as usize) };
    assert_eq!(made.len(), bytes);
    made
}

fn ids(count: usize) -> Vec<Id> {
    let id = |n: usize| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
        Id::from_bytes(bytes)
    };
    (0..count).map(id).collect()
}

fn oversize(len: usize, max: usize) -> StatementRefusal {
    CodecRefusal::Oversize { len, max }.into()
}

/// P5 accepts: an operation, a ballot, a batch and a reason of exactly the limit.
/// P5 refuses: one byte or one row more.
#[test]
fn statements_may_be_as_large_as_their_limits() {
    let (key, page) = (make::key(1), make::page().0);
    let author = key.public().raw();
    let operation = |filler: usize| {
        let data = [Rdata(vec![7; filler].into())];
        let change = (1u8, (Rdata((*b"\x01a").into()), Id::ZERO, [(UNKNOWN, 60u32, data)]));
        codec::encode(&(author, 0u32, page.seal(), change))
    };
    around(OPERATION_BYTES_MAX, |bytes, above| {
        let admitted = Statement::admit(&sign(Kind::Operation, &fill(bytes, operation), &key));
        let expect = above.then(|| oversize(bytes, OPERATION_BYTES_MAX));
        assert_eq!(admitted.err(), expect);
    });
    let ballot = |rows: usize, reason: usize| {
        let rows: Vec<(Id, u8)> = ids(rows).into_iter().map(|id| (id, 1)).collect();
        let body = codec::encode(&(author, 1u8, rows, "x".repeat(reason)));
        Statement::admit(&sign(Kind::Ballot, &body, &key)).err()
    };
    around(BALLOT_ROWS_MAX, |rows, above| {
        let expect = StatementRefusal::TooManyRows { rows, max: BALLOT_ROWS_MAX };
        assert_eq!(ballot(rows, 0), above.then_some(expect));
    });
    around(REASON_BYTES_MAX, |bytes, above| {
        assert_eq!(ballot(1, bytes), above.then_some(StatementRefusal::ReasonTooLong(bytes)));
    });
    around(BATCH_ROWS_MAX, |rows, above| {
        let body = codec::encode(&(author, 0u32, Id::ZERO, ids(rows)));
        let admitted = Statement::admit(&sign(Kind::Batch, &body, &key));
        let expect = StatementRefusal::TooManyRows { rows, max: BATCH_ROWS_MAX };
        assert_eq!(admitted.err(), above.then_some(expect));
    });
}

/// P5 refuses: an attestation above its limit; one of any other size says another thing.
#[test]
fn an_attestation_has_one_size_and_a_limit() {
    let page = make::page().0;
    around(ATTESTATION_BYTES_MAX, |len, above| {
        let body = fill(len, |filler| codec::encode(&Rdata(vec![7; filler].into())));
        let said = Attestation::admit(&sign(Kind::Attestation, &body, &make::key(9)));
        let refusal = CodecRefusal::Oversize { len, max: ATTESTATION_BYTES_MAX };
        assert_eq!(said.err() == Some(AttestationRefusal::Codec(refusal)), above);
    });
    let head = djdns::page::Head { height: u64::MAX, ..page.head() };
    let longest = Attestation::sign(&make::key(9), &page.id(), &head, u64::MAX);
    assert_eq!(Attestation::admit(longest.bytes()), Ok(longest));
}

/// P5 accepts: a petition, a refusal, and the words of either, of exactly the limit.
/// P5 refuses: one byte more.
#[test]
fn petitions_may_be_as_large_as_their_limits() {
    let (author, stranger) = (make::key(9).public().raw(), make::key(9));
    let sized = |filler: usize| {
        let data = [Rdata(vec![7; filler].into())];
        codec::encode(&(author, Rdata((*b"\x01a").into()), [(UNKNOWN, 60u32, data)], 1u8, ""))
    };
    around(PETITION_BYTES_MAX, |len, above| {
        let petition = Petition::admit(&sign(Kind::Petition, &fill(len, sized), &stranger));
        let expect = CodecRefusal::Oversize { len, max: PETITION_BYTES_MAX };
        assert_eq!(petition.err(), above.then(|| expect.into()));
    });
    let none: [u8; 0] = [];
    around(REASON_BYTES_MAX, |bytes, above| {
        let expect = above.then_some(PetitionRefusal::WordsTooLong(bytes));
        let words = "x".repeat(bytes);
        let asking = codec::encode(&(author, Rdata((*b"\x01a").into()), none, 1u8, &words));
        let refusing = codec::encode(&(author, Id::ZERO, &words));
        let petition = Petition::admit(&sign(Kind::Petition, &asking, &stranger));
        assert_eq!(petition.err(), expect);
        let refusal = Refusal::admit(&sign(Kind::Refusal, &refusing, &stranger));
        assert_eq!(refusal.err(), expect);
    });
    let refusing = |filler: usize| codec::encode(&(author, Id::ZERO, "x".repeat(filler)));
    around(REFUSAL_BYTES_MAX, |len, above| {
        let body = fill(len, refusing);
        let refusal = Refusal::admit(&sign(Kind::Refusal, &body, &stranger)).unwrap_err();
        let expect = CodecRefusal::Oversize { len, max: REFUSAL_BYTES_MAX };
        assert_eq!(refusal == expect.into(), above, "{refusal}");
    });
    let is_size = |refusal: Option<PetitionRefusal>| {
        matches!(refusal, Some(PetitionRefusal::Codec(CodecRefusal::Oversize { .. })))
    };
    around(PETITION_BYTES_MAX + ENVELOPE_BYTES, |len, above| {
        assert_eq!(is_size(Petition::admit(&vec![0; len]).err()), above, "{len}");
    });
    around(REFUSAL_BYTES_MAX + ENVELOPE_BYTES, |len, above| {
        assert_eq!(is_size(Refusal::admit(&vec![0; len]).err()), above, "{len}");
    });
}

/// P5 refuses: bytes past the size that the rows can have at most, before anything is read.
#[test]
fn bytes_past_a_limit_are_refused_before_they_are_read() {
    let key = make::key(1);
    let ballot = |filler: usize| {
        let rows = [(Id::ZERO, 1u8)];
        codec::encode(&(key.public().raw(), 1u8, rows, "x".repeat(filler)))
    };
    around(BALLOT_BYTES_MAX, |bytes, above| {
        let refusal =
            Statement::admit(&sign(Kind::Ballot, &fill(bytes, ballot), &key)).unwrap_err();
        let is_size = refusal == oversize(bytes, BALLOT_BYTES_MAX);
        assert_eq!(is_size, above, "{refusal}");
    });
    around(BATCH_BYTES_MAX, |bytes, above| {
        let refusal = Statement::admit(&vec![0; bytes]).unwrap_err();
        assert_eq!(refusal == oversize(bytes, BATCH_BYTES_MAX), above, "{refusal}");
    });
    around(GENESIS_BYTES_MAX, |len, above| {
        let refusal = Genesis::decode(&vec![0; len]).unwrap_err();
        let expect = CodecRefusal::Oversize { len, max: GENESIS_BYTES_MAX }.into();
        assert_eq!(refusal == expect, above, "{refusal}");
    });
    around(CODEC_DEPTH_MAX, |depth, above| {
        let bytes = [vec![0x91; depth], vec![1]].concat();
        let refusal = Genesis::decode(&bytes).unwrap_err();
        let expect = GenesisRefusal::Codec(CodecRefusal::TooDeep(CODEC_DEPTH_MAX));
        assert_eq!(refusal == expect, above, "{refusal}");
    });
}

/// P5 accepts: an entry of exactly 64 KiB, and a record and a PAGE as large as they may be.
/// P5 refuses: one byte, or one beacon, more.
#[test]
fn an_entry_may_be_as_large_as_its_limit() {
    let entry = |filler: usize| {
        let data = [Rdata(vec![0].into()), Rdata(vec![7; filler].into())];
        codec::encode(&(Rdata((*b"\x01a").into()), Id::ZERO, [(UNKNOWN, 60u32, data)]))
    };
    around(ENTRY_BYTES_MAX, |len, above| {
        let bytes = fill(len, entry);
        let refusal = Entry::decode(&bytes, &make::name()).err();
        let expect = CodecRefusal::Oversize { len, max: ENTRY_BYTES_MAX };
        assert_eq!(refusal, above.then_some(EntryError::Codec(expect)));
        // The same through the door for what people write: an entry without its 52 other bytes.
        let records = [vec![0], vec![7; len - 52]].map(|data| (RecordType(UNKNOWN), 60, data));
        let refusal = RecordSets::gather(records, &make::owner("a"), &make::name()).err();
        assert_eq!(refusal, above.then_some(EntryRefusal::TooLarge(len)));
    });
    around(RDATA_BYTES_MAX, |bytes, above| {
        let refusal = rdata::check(RecordType(UNKNOWN), &vec![0; bytes]).err();
        assert_eq!(refusal, above.then_some(RdataRefusal::TooLong(bytes)));
    });
    around(PAGE_BEACONS_MAX, |beacons, above| {
        let data = [vec![1; 32], b"\x04DMCT".repeat(beacons)].concat();
        assert_eq!(PageLink::from_rdata(&data).is_none(), above, "{beacons}");
        assert_eq!(rdata::check(RecordType::PAGE, &data).is_err(), above, "{beacons}");
        let link = PageLink { page: Id::ZERO, beacons: vec!["DMCT".to_owned(); beacons] };
        assert_eq!(link.to_rdata().is_none(), above, "{beacons}");
    });
}

/// P5 refuses: more participants, or more initial entries, before any of them is looked at.
#[test]
fn a_page_may_begin_with_as_much_as_its_limits() {
    around(PARTICIPANTS_MAX, |count, above| {
        let rows = vec![(make::key(1).public().raw(), 1); count];
        let refusal = Roster::admit(&rows).unwrap_err();
        let expect = if above { RosterRefusal::TooMany(count) } else { RosterRefusal::NotSorted };
        assert_eq!(refusal, expect);
    });
    let (_, RawPage { genesis, .. }) = make::page();
    around(FOUNDING_ENTRIES_MAX, |count, above| {
        // No entry has a single byte: below the limit the first is refused for that.
        let raw = RawPage { genesis: genesis.clone(), entries: vec![Box::default(); count] };
        let is_count = |refusal: Option<PageRefusal>| {
            assert_eq!(refusal == Some(PageRefusal::TooManyEntries(count)), above, "{refusal:?}");
        };
        is_count(Page::admit(&raw, &mut |_| {}).err());
        is_count(Page::reopen(&raw).err());
    });
}
