//! The table of refusals: bytes that look almost right, and the sentence each is refused with.
//!
//! `tests/golden/refused-v1/*.hex` begin with a comment that names the door (`statement`, `page`,
//! `genesis`, `entry`, `bundle`, `petition`, `refusal`) and the fault; the sentence is in the `.err` beside it. A file
//! put there by hand is checked like those that are made here.

use djdns::{
    governance::{
        Governance,
        petition::{Petition, Refusal},
        statement::Statement,
    },
    id::{Id, Kind},
    key::{RawKey, SecretKey, Signature},
    page::{
        Page, bundle, codec,
        entry::{Entry, Rdata},
        genesis::Genesis,
    },
};
use serde::Serialize;

use super::{files, make};

/// Bytes that a door refuses.
struct Refused {
    name: &'static str,
    /// Which door, a colon, and what is wrong.
    what: &'static str,
    bytes: Vec<u8>,
}

/// What the door says about the bytes.
fn refusal(door: &str, bytes: &[u8]) -> Option<String> {
    let text = |refusal: &dyn std::fmt::Display| refusal.to_string();
    match door {
        "statement" => Statement::admit(bytes).err().map(|refusal| text(&refusal)),
        // What is a statement, but not one of the golden page.
        "page" => {
            let mut page = Governance::new(make::page().0);
            let statement = Statement::admit(bytes).expect("a statement");
            page.admit(&statement).err().map(|refusal| text(&refusal))
        }
        // The door of its bytes, then that of the golden page.
        "petition" => {
            let page = make::page().0;
            let judged = Petition::admit(bytes).and_then(|petition| petition.judge(&page));
            judged.err().map(|refusal| text(&refusal))
        }
        "refusal" => {
            let page = make::page().0;
            let judged = Refusal::admit(bytes).and_then(|refusal| refusal.judge(&page));
            judged.err().map(|refusal| text(&refusal))
        }
        "genesis" => Genesis::decode(bytes).err().map(|refusal| text(&refusal)),
        "entry" => Entry::decode(bytes, &make::name()).err().map(|refusal| text(&refusal)),
        "bundle" => bundle::read(bytes).err().map(|refusal| text(&refusal)),
        other => panic!("there is no door `{other}`"),
    }
}

/// P1 refuses: every file of the table, with its own sentence.
/// P3 refuses: signatures of other people, pages and bytes.
#[test]
fn what_is_refused_is_refused_with_the_sentence_of_the_table() {
    for Refused { name, what, bytes } in made() {
        let path = format!("refused-v1/{name}");
        let (door, _) = what.split_once(':').unwrap();
        files::bless(&path, "hex", &files::write_hex(what, &bytes));
        files::bless(&path, "err", &(refusal(door, &bytes).unwrap_or_default() + "\n"));
        assert_eq!(files::write_hex(what, &bytes), files::read(&path, "hex"), "{path}");
    }
    for name in files::names("refused-v1") {
        let path = format!("refused-v1/{name}");
        let comment = files::read(&path, "hex");
        let (door, _) = comment.trim_start_matches("; ").split_once(':').unwrap();
        let refusal = refusal(door, &files::read_hex(&path)).unwrap_or_else(|| {
            panic!("{path} is accepted");
        });
        assert_eq!(refusal + "\n", files::read(&path, "err"), "{path}");
    }
}

/// An envelope with a true signature, whatever the body.
pub fn sign(kind: Kind, body: &[u8], key: &SecretKey) -> Vec<u8> {
    let page = make::page().0.id();
    envelope(kind as u8, &page, body, &key.sign(kind, &page, body))
}

fn envelope(kind: u8, page: &Id, body: &[u8], signature: &Signature) -> Vec<u8> {
    codec::encode(&(kind, page, Rdata(body.into()), signature))
}

/// A ballot signed by participant 1, its fields in the order of the encoding.
fn ballot(fields: &impl Serialize) -> Vec<u8> {
    sign(Kind::Ballot, &codec::encode(fields), &make::key(1))
}

/// An operation signed by participant 1 with this change.
fn operation(change: &impl Serialize) -> Vec<u8> {
    let (author, base) = (make::key(1).public().raw(), make::page().0.seal());
    sign(Kind::Operation, &codec::encode(&(author, 0u32, base, change)), &make::key(1))
}

fn sample(name: &str) -> Vec<u8> {
    let samples = make::statements();
    samples.into_iter().find(|sample| sample.name == name).unwrap().bytes
}

fn made() -> Vec<Refused> {
    let mut made = encodings();
    made.extend(shapes());
    made.extend(signatures());
    made.extend(elsewhere());
    made.extend(pages());
    made.extend(petitions());
    made
}

/// Second spellings of one ballot: its body is signed as it is, so that only P1 is broken.
fn encodings() -> Vec<Refused> {
    let voter = make::key(1).public().raw();
    let rows = [(Id::hash(&[b"op"]), 1u8)];
    let part = |value: &[u8]| {
        // Voter and rows stay as they are; the sequence between them is spelled as given.
        let body = [&[0x94][..], &codec::encode(&voter), value, &codec::encode(&rows), &[0xa0]];
        sign(Kind::Ballot, &body.concat(), &make::key(1))
    };
    let good = ballot(&(voter, 1u8, rows, ""));
    assert!(Statement::admit(&good).is_ok(), "only the spellings are wrong");
    let mut map = vec![0x84];
    let fields = [codec::encode(&voter), vec![1], codec::encode(&rows), vec![0xa0]];
    for (name, value) in ["voter", "sequence", "rows", "reason"].iter().zip(fields) {
        map.extend([codec::encode(name), value].concat());
    }
    let body = codec::encode(&(voter, 1u8, rows, ""));
    let after = [&body[..], &[0xc0]].concat();
    let made = |name, what, bytes| Refused { name, what, bytes };
    vec![
        made("trailing", "statement: a byte after the envelope", [&good[..], &[0]].concat()),
        made(
            "trailing-inside",
            "statement: a byte after the body",
            sign(Kind::Ballot, &after, &make::key(1)),
        ),
        made("truncated", "statement: the last byte is missing", good[..good.len() - 1].to_vec()),
        made(
            "truncated-inside",
            "statement: the last byte of the body is missing",
            sign(Kind::Ballot, &body[..body.len() - 1], &make::key(1)),
        ),
        made("empty", "statement: no bytes at all", vec![]),
        made("wide-u8", "statement: 1 in two bytes", part(&[0xcc, 1])),
        made("wide-u64", "statement: 1 in nine bytes", part(&[0xcf, 0, 0, 0, 0, 0, 0, 0, 1])),
        made("signed", "statement: 1 as a signed integer", part(&[0xd0, 1])),
        made("negative", "statement: a sequence below zero", part(&[0xff])),
        made("boolean", "statement: a boolean as sequence", part(&[0xc3])),
        made("text", "statement: a text as sequence", part(&[0xa1, b'1'])),
        made("nil", "statement: nil as sequence", part(&[0xc0])),
        made("float", "statement: 1.0 as sequence", part(&[0xca, 0x3f, 0x80, 0, 0])),
        made(
            "double",
            "statement: 1.0 in eight bytes",
            part(&[0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]),
        ),
        made("extension", "statement: an extension as sequence", part(&[0xd4, 1, 1])),
        made("map", "statement: a ballot as a map", sign(Kind::Ballot, &map, &make::key(1))),
        made(
            "too-deep",
            "statement: thirteen arrays, one in the other",
            [[0x91; 13].to_vec(), vec![1]].concat(),
        ),
        made("field-missing", "statement: a ballot without a reason", ballot(&(voter, 1u8, rows))),
        made(
            "field-more",
            "statement: a ballot with a fifth field",
            ballot(&(voter, 1u8, rows, "", 1u8)),
        ),
    ]
}

/// Bodies of the right encoding that say what cannot be said.
fn shapes() -> Vec<Refused> {
    let voter = make::key(1).public().raw();
    let (a, b) = (Id::from_bytes([1; 32]), Id::from_bytes([2; 32]));
    let none: [(Id, u8); 0] = [];
    let version = Id::hash(&[b"a version"]);
    let batch =
        |ids: &[Id]| sign(Kind::Batch, &codec::encode(&(voter, 0, Id::ZERO, ids)), &make::key(1));
    let at = |wire: &[u8]| operation(&(1u8, (Rdata(wire.into()), version, none)));
    let made = |name, what, bytes| Refused { name, what, bytes };
    vec![
        made(
            "rows-twice",
            "statement: two rows about one operation",
            ballot(&(voter, 1u8, [(a, 1u8), (a, 2)], "")),
        ),
        made(
            "rows-unsorted",
            "statement: rows that are not sorted",
            ballot(&(voter, 1u8, [(b, 1u8), (a, 1)], "")),
        ),
        made("rows-none", "statement: a ballot about nothing", ballot(&(voter, 1u8, none, ""))),
        made(
            "choice",
            "statement: a choice that there is not",
            ballot(&(voter, 1u8, [(a, 4u8)], "")),
        ),
        made(
            "id-short",
            "statement: an id of 31 bytes",
            ballot(&(voter, 1u8, [(Rdata([1; 31].into()), 1u8)], "")),
        ),
        made("batch-twice", "statement: a batch that names an operation twice", batch(&[a, a])),
        made("batch-unsorted", "statement: a batch that is not sorted", batch(&[b, a])),
        made("batch-none", "statement: a batch of nothing", batch(&[])),
        made("change", "statement: a change of an unknown kind", operation(&(4u8, (version, 1u8)))),
        made("change-alone", "statement: a change without a body", operation(&(1u8,))),
        made(
            "roster-change",
            "statement: a roster change of an unknown kind",
            operation(&(2u8, (version, (6u8, voter)))),
        ),
        made(
            "links-two",
            "statement: a subpage with two pages",
            operation(&(3u8, (Rdata((*b"\x01a").into()), version, [a, b]))),
        ),
        made("owner-upper", "statement: an owner in upper case", at(b"\x05Brick")),
        made("owner-cut", "statement: an owner that ends in a label", at(b"\x05bric")),
        made("owner-root", "statement: an owner with the root's zero octet", at(b"\x01a\x00")),
        made("owner-pointer", "statement: an owner with a compression pointer", at(b"\xc0\x0c")),
    ]
}

/// Keys and signatures that are none.
fn signatures() -> Vec<Refused> {
    let (id, key) = (make::page().0.id(), make::key(1));
    let rows = [(Id::hash(&[b"op"]), 1u8)];
    let by = |voter: [u8; 32]| ballot(&(RawKey(voter), 1u8, rows, ""));
    let body = codec::encode(&(key.public().raw(), 1u8, rows, ""));
    let elsewhere = key.sign(Kind::Ballot, &Id::ZERO, &body);
    let mut flipped = sample("ballot-small");
    *flipped.last_mut().unwrap() ^= 1;
    let unknown = |kind: u8| envelope(kind, &id, &body, &key.sign(Kind::Ballot, &id, &body));
    let other_kind = envelope(3, &id, &body, &key.sign(Kind::Operation, &id, &body));
    let add = |new: u8, signer: u8, page: &Id| {
        let newcomer = make::key(new).public().raw();
        let acceptance =
            make::key(signer).sign(Kind::Acceptance, page, &codec::encode(&(newcomer,)));
        operation(&(2u8, (Id::ZERO, (1u8, (newcomer, 1u8, acceptance)))))
    };
    let mut weak = [0; 32];
    weak[0] = 1;
    let mut no_point = [0; 32];
    no_point[0] = 2;
    let made = |name, what, bytes| Refused { name, what, bytes };
    vec![
        made("key-weak", "statement: a voter's key of small order", by(weak)),
        made("key-no-point", "statement: a voter's key that is no point", by(no_point)),
        made("signature-flipped", "statement: a bit of the signature is flipped", flipped),
        made(
            "signature-foreign",
            "statement: a signature by somebody else",
            sign(Kind::Ballot, &body, &make::key(2)),
        ),
        made(
            "signature-page",
            "statement: a signature for another page",
            envelope(3, &id, &body, &elsewhere),
        ),
        made("signature-kind", "statement: a signature for another kind", other_kind),
        made(
            "signature-short",
            "statement: a signature of 63 bytes",
            codec::encode(&(3u8, id, Rdata(body.clone().into()), Rdata([0; 63].into()))),
        ),
        made("kind-unknown", "statement: the kind 66", unknown(66)),
        made("kind-genesis", "statement: a genesis is none", unknown(1)),
        made("kind-acceptance", "statement: an acceptance travels inside an operation", unknown(5)),
        made(
            "kind-swapped",
            "statement: a ballot's body as a batch",
            envelope(4, &id, &body, &key.sign(Kind::Batch, &id, &body)),
        ),
        made("acceptance-other", "statement: an acceptance signed by another key", add(6, 7, &id)),
        made("acceptance-page", "statement: an acceptance for another page", add(6, 6, &Id::ZERO)),
    ]
}

/// Statements that are well formed and do not belong to the golden page.
fn elsewhere() -> Vec<Refused> {
    let (page, _) = make::page();
    let (key, stranger) = (make::key(1), make::key(9));
    let rows = [(Id::hash(&[b"op"]), 1u8)];
    let foreign = codec::encode(&(key.public().raw(), 1u8, rows, ""));
    let strange = codec::encode(&(stranger.public().raw(), 1u8, rows, ""));
    let none: [(Id, u8); 0] = [];
    let delete = |slot: u32, base: Id, at: &[u8]| {
        let change = (1u8, (Rdata(at.into()), Id::ZERO, none));
        let body = codec::encode(&(key.public().raw(), slot, base, change));
        sign(Kind::Operation, &body, &key)
    };
    let other = Id::hash(&[b"another page"]);
    let signature = key.sign(Kind::Ballot, &other, &foreign);
    let made = |name, what, bytes| Refused { name, what, bytes };
    vec![
        made(
            "page-foreign",
            "page: a ballot of another page",
            envelope(3, &other, &foreign, &signature),
        ),
        made(
            "page-stranger",
            "page: a ballot of somebody who takes no part",
            sign(Kind::Ballot, &strange, &stranger),
        ),
        made("page-base", "page: an operation on an unknown seal", delete(0, other, b"\x01a")),
        made("page-slot", "page: a slot past the page's last", delete(256, page.seal(), b"\x01a")),
        made(
            "page-wildcard",
            "page: a wildcard that is not the leftmost label",
            delete(0, page.seal(), b"\x01a\x01*"),
        ),
        made("page-acceptance", "page: somebody is added who takes part already", sample_add(2)),
    ]
}

/// An operation that adds a participant who agrees.
fn sample_add(number: u8) -> Vec<u8> {
    let newcomer = make::key(number);
    let acceptance = djdns::governance::operation::accept(&make::page().0.id(), &newcomer);
    let parent = make::page().0.roster_version();
    operation(&(2u8, (parent, (1u8, (newcomer.public().raw(), 1u8, acceptance)))))
}

/// Geneses, entries and bundles.
fn pages() -> Vec<Refused> {
    let (_, raw) = make::page();
    let good = Genesis::decode(&raw.genesis).unwrap().raw().clone();
    let genesis = |change: &dyn Fn(&mut djdns::page::genesis::RawGenesis)| {
        let mut raw = good.clone();
        change(&mut raw);
        codec::encode(&raw)
    };
    let set = |rtype: u16, ttl: u32, data: &[&[u8]]| {
        (rtype, ttl, data.iter().map(|data| Rdata((*data).into())).collect::<Vec<_>>())
    };
    let entry = |at: &[u8], sets: Vec<(u16, u32, Vec<Rdata>)>| {
        codec::encode(&(Rdata(at.into()), Id::ZERO, sets))
    };
    let mut upper = raw.genesis.clone();
    let at = upper.windows(6).position(|bytes| bytes == b"\x02ff\x02ct").unwrap();
    upper[at + 1] = b'F';
    let bundle = &make::bundles()[0].bytes;
    let mut damaged = bundle.clone();
    damaged[100] ^= 1;
    let (a, b) = (&[192, 0, 2, 1][..], &[192, 0, 2, 2][..]);
    let made = |name, what, bytes| Refused { name, what, bytes };
    vec![
        made("genesis-format", "genesis: the format 2", genesis(&|g| g.format = 2)),
        made("genesis-empty", "genesis: nobody takes part", genesis(&|g| g.roster.clear())),
        made(
            "genesis-unsorted",
            "genesis: participants that are not sorted",
            genesis(&|g| g.roster.reverse()),
        ),
        made(
            "genesis-twice",
            "genesis: a participant twice",
            genesis(&|g| g.roster.insert(0, g.roster[0])),
        ),
        made(
            "genesis-weak",
            "genesis: a participant's key of small order",
            genesis(&|g| g.roster[0].0 = RawKey([0; 32])),
        ),
        made(
            "genesis-powerless",
            "genesis: a participant without power",
            genesis(&|g| g.roster[0].1 = 0),
        ),
        made(
            "genesis-quorums",
            "genesis: thresholds that do not meet",
            genesis(&|g| g.parameters.track1_bp = 3000),
        ),
        made("genesis-upper", "genesis: a name in upper case", upper),
        made(
            "entry-upper",
            "entry: an owner in upper case",
            entry(b"\x01A", vec![set(1, 60, &[a])]),
        ),
        made("entry-twice", "entry: one record twice", entry(b"\x01a", vec![set(1, 60, &[a, a])])),
        made(
            "entry-unsorted",
            "entry: records that are not sorted",
            entry(b"\x01a", vec![set(1, 60, &[b, a])]),
        ),
        made(
            "entry-sets",
            "entry: record sets that are not sorted",
            entry(b"\x01a", vec![set(16, 60, &[b"\x01x"]), set(1, 60, &[a])]),
        ),
        made(
            "entry-no-records",
            "entry: a record set without records",
            entry(b"\x01a", vec![set(1, 60, &[])]),
        ),
        made(
            "entry-short",
            "entry: an address of three octets",
            entry(b"\x01a", vec![set(1, 60, &[&a[..3]])]),
        ),
        made(
            "entry-cname",
            "entry: a CNAME beside an address",
            entry(b"\x01a", vec![set(1, 60, &[a]), set(5, 60, &[b"\x01b\x00"])]),
        ),
        made("entry-soa", "entry: an SOA", entry(b"", vec![set(6, 60, &[a])])),
        made(
            "entry-ns",
            "entry: NS of the page itself",
            entry(b"", vec![set(2, 60, &[b"\x01b\x00"])]),
        ),
        made(
            "entry-wildcard-ns",
            "entry: NS at a wildcard",
            entry(b"\x01*", vec![set(2, 60, &[b"\x01b\x00"])]),
        ),
        made("entry-opt", "entry: OPT is no data", entry(b"\x01a", vec![set(41, 60, &[b""])])),
        made(
            "entry-page-deep",
            "entry: a PAGE below two labels",
            entry(b"\x01a\x01b", vec![set(65280, 60, &[&[1; 32]])]),
        ),
        made(
            "entry-page-two",
            "entry: two PAGEs",
            entry(b"\x01a", vec![set(65280, 60, &[&[1; 32], &[2; 32]])]),
        ),
        made(
            "entry-page-address",
            "entry: a PAGE beside an address",
            entry(b"\x01a", vec![set(1, 60, &[a]), set(65280, 60, &[&[1; 32]])]),
        ),
        made("bundle-damaged", "bundle: a bit is flipped", damaged),
        made("bundle-cut", "bundle: the last byte is missing", bundle[..bundle.len() - 1].to_vec()),
        made("bundle-more", "bundle: a byte follows", [&bundle[..], &[0]].concat()),
        made("bundle-none", "bundle: a zone file", b"$ORIGIN ff.ct.\n".to_vec()),
    ]
}

/// Petitions, and refusals of them.
fn petitions() -> Vec<Refused> {
    let (stranger, participant) = (make::key(9), make::key(2));
    let page = make::page().0.id();
    let set = |rtype: u16, data: &[u8]| [(rtype, 60u32, [Rdata(data.into())])];
    let address = set(1, &[192, 0, 2, 7]);
    let owner = || Rdata((*b"\x06friend").into());
    let asking = codec::encode(&(stranger.public().raw(), owner(), &address, 1u8, ""));
    let refusing = codec::encode(&(participant.public().raw(), Id::ZERO, ""));
    let asks = |key: &SecretKey, at: Rdata, sets: &[(u16, u32, [Rdata; 1])], words: &str| {
        let body = codec::encode(&(key.public().raw(), at, sets, 1u8, words));
        sign(Kind::Petition, &body, key)
    };
    let refuses = |key: &SecretKey, words: &str| {
        let body = codec::encode(&(key.public().raw(), Id::ZERO, words));
        sign(Kind::Refusal, &body, key)
    };
    let good = asks(&stranger, owner(), &address, "");
    let more = codec::encode(&(stranger.public().raw(), owner(), &address, 1u8, "", 1u8));
    let words = "x".repeat(1001);
    let other = Id::hash(&[b"another page"]);
    let elsewhere = |kind: Kind, body: &[u8], key: &SecretKey| {
        envelope(kind as u8, &other, body, &key.sign(kind, &other, body))
    };
    let link = set(65280, &[1; 32]);
    let deep = Rdata((*b"\x01a\x06friend").into());
    let as_ballot = envelope(9, &page, &asking, &stranger.sign(Kind::Ballot, &page, &asking));
    let made = |name, what, bytes| Refused { name, what, bytes };
    vec![
        made("petition-trailing", "petition: a byte follows", [&good[..], &[0]].concat()),
        made("petition-more", "petition: a sixth field", sign(Kind::Petition, &more, &stranger)),
        made("petition-ballot", "petition: a ballot is none", sample("ballot")),
        made("petition-refusal", "petition: a refusal is none", refuses(&participant, "")),
        made("petition-kind", "petition: a signature for another kind", as_ballot),
        made(
            "petition-foreign",
            "petition: a signature by somebody else",
            sign(Kind::Petition, &asking, &participant),
        ),
        made(
            "petition-words",
            "petition: too many words",
            asks(&stranger, owner(), &address, &words),
        ),
        made(
            "petition-page",
            "petition: it asks another page",
            elsewhere(Kind::Petition, &asking, &stranger),
        ),
        made(
            "petition-participant",
            "petition: a participant asks",
            asks(&participant, owner(), &address, ""),
        ),
        made(
            "petition-entry",
            "petition: an address of three octets",
            asks(&stranger, owner(), &set(1, &[192, 0, 2]), ""),
        ),
        made(
            "petition-deep",
            "petition: a subpage at two labels",
            asks(&stranger, deep, &link, ""),
        ),
        made("refusal-petition", "refusal: a petition is none", good.clone()),
        made("refusal-words", "refusal: too many words", refuses(&participant, &words)),
        made("refusal-stranger", "refusal: by somebody who takes no part", refuses(&stranger, "")),
        made(
            "refusal-page",
            "refusal: on another page",
            elsewhere(Kind::Refusal, &refusing, &participant),
        ),
        made("statement-petition", "statement: a petition is none", good),
        made("statement-refusal", "statement: a refusal is none", refuses(&participant, "")),
    ]
}

/// The golden page accepts what is refused elsewhere for one reason only.
#[test]
fn the_golden_page_itself_is_admitted() {
    let (page, raw) = make::page();
    assert_eq!(Page::admit(&raw, &mut |_| {}).unwrap().id(), page.id());
}
