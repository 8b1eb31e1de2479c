//! What golden bytes mean, in words that do not depend on names in the code, and that the same
//! meaning gives the same bytes again.

use std::fmt::Write;

use djdns::{
    beacon::{Beacon, Code},
    daemon::whole::{Check, WholePage},
    governance::{
        Governance,
        attest::Attestation,
        ballot::Choice,
        operation::{Change, NewParticipant, Operation, RosterChange, accept},
        petition::{
            Petition, Refusal, Refusing,
            inbox::{Row, Verdict},
        },
        seal::{Commit, SealRecord},
        statement::{Body, Statement},
    },
    id::{Id, Kind},
    key::{PublicKey, RawKey, SecretKey, Signature},
    limits::PIECE_SHOWN_BYTES_MAX,
    page::{
        Page, bundle,
        entry::{Entry, Rdata, RecordSet},
        genesis::{Genesis, Parameters},
        rdata::{self, Style},
        trie::Path,
    },
    store::{Cursor, Record, Tray},
    sync::{
        message::{Named, Notice, Part, Parts, PetitionAnswer, Request},
        outbox::Sent,
        pack::Common,
        parts,
    },
};
use sha2::{Digest, Sha256};

use super::make;

/// Appends a line: a word, and what it stands for.
fn line(out: &mut String, word: &str, value: impl std::fmt::Display) {
    writeln!(out, "{word} {value}").unwrap();
}

pub fn key(seed: &[u8]) -> String {
    let key = SecretKey::from_seed(seed.try_into().unwrap()).public();
    assert_eq!(PublicKey::parse(&key.to_string()), Ok(key));
    let hex = data_encoding::HEXLOWER.encode(key.as_bytes());
    format!("public {hex}\nlong {key}\nshort {}\n", key.short_form())
}

pub fn genesis(bytes: &[u8]) -> String {
    let genesis = Genesis::decode(bytes).unwrap();
    assert_eq!(genesis.encode(), bytes);
    assert_eq!(genesis.id(), id_by_hand("genesis", bytes));
    let raw = genesis.raw();
    let mut out = String::new();
    line(&mut out, "page", genesis.id());
    line(&mut out, "format", raw.format);
    line(&mut out, "demonstration", raw.demonstration);
    line(&mut out, "name", &raw.name);
    genesis.roster().iter().for_each(|(key, power)| line(&mut out, &power.to_string(), key));
    parameters(&mut out, &raw.parameters);
    line(&mut out, "created", raw.created);
    line(&mut out, "salt", raw.salt);
    line(&mut out, "state-root", raw.state_root);
    out
}

pub fn entry(bytes: &[u8]) -> String {
    let entry = Entry::decode(bytes, &make::name()).unwrap();
    assert_eq!(entry.encode(), bytes);
    let mut out = String::new();
    line(&mut out, "owner", &entry.owner);
    line(&mut out, "version", entry.version);
    records(&mut out, entry.sets.iter());
    out
}

/// What the bytes are read as: by their first octets a notice, a request or an answer could be the
/// same, so that each is named that reads them.
pub fn message(bytes: &[u8]) -> String {
    let mut out = String::new();
    if let Ok(notice) = Notice::decode(bytes) {
        line(&mut out, "notice", format!("{notice:?}"));
    }
    if let Ok(request) = Request::decode(bytes) {
        line(&mut out, "request", format!("{request:?}"));
        line(&mut out, "answer-bytes-max", request.answer_bytes_max());
    }
    let two = vec![Id::ZERO, Id::hash(&[b"other"])];
    if let Ok(standings) = Request::Standings(two.clone()).read_standings(bytes) {
        line(&mut out, "standings", format!("{standings:?}"));
    }
    let named = Request::Statements(Named { page: Id::ZERO, ids: two });
    if let Ok(items) = Request::Forks(Id::ZERO).read_items(bytes) {
        line(&mut out, "items", format!("{items:?}"));
    }
    let common = Common::page(&make::page().0.id());
    match named.read_packed(bytes, |_| Some(common)) {
        Ok(items) if !items.is_empty() => line(&mut out, "packed", format!("{items:?}")),
        _ => {}
    }
    let path = |len| Path::of(&Id::ZERO, len);
    let part = |len| Part { path: path(len), hash: Id::ZERO, bytes_max: 0 };
    let parts = [1, 2].map(part).to_vec();
    if let Ok(open) = Request::Open(Parts { page: Id::ZERO, parts }).read_open(bytes) {
        line(&mut out, "open", format!("{open:?}"));
    }
    if let Ok(answer) = Request::Genesis(Id::ZERO).read_petition(bytes) {
        line(&mut out, "petition", format!("{answer:?}"));
    }
    out
}

pub fn statement(bytes: &[u8]) -> String {
    let statement = Statement::admit(bytes).unwrap();
    let by = (1..=9).map(make::key).find(|key| key.public() == statement.author()).unwrap();
    let again = Statement::sign(&statement.page(), statement.body().clone(), &by).unwrap();
    assert_eq!(again.bytes(), bytes);
    check_envelope(bytes, statement.page(), statement.id(), statement.author());
    let mut out = String::new();
    line(&mut out, "kind", statement.kind().word());
    line(&mut out, "id", statement.id());
    line(&mut out, "page", statement.page());
    line(&mut out, "author", statement.author());
    match statement.body() {
        Body::Operation(body) => operation(&mut out, body),
        Body::Ballot(ballot) => {
            line(&mut out, "sequence", ballot.sequence);
            for (id, choice) in &ballot.rows {
                let word = match choice {
                    Choice::Approve => "approve",
                    Choice::Reject => "reject",
                    Choice::Withdraw => "withdraw",
                };
                line(&mut out, word, id);
            }
            line(&mut out, "reason", &ballot.reason);
        }
        Body::Batch(batch) => {
            line(&mut out, "slot", batch.slot);
            line(&mut out, "base", batch.base);
            batch.operations.iter().for_each(|id| line(&mut out, "names", id));
        }
        Body::Presence(presence) => {
            line(&mut out, "sequence", presence.sequence);
            let text = |key: &RawKey| PublicKey::admit(*key).unwrap().to_string();
            presence.node.iter().for_each(|node| line(&mut out, "node", text(node)));
            presence.beacons.iter().for_each(|beacon| line(&mut out, "beacon", beacon));
            for (delegate, share) in &presence.away {
                line(&mut out, &share.to_string(), text(delegate));
            }
            line(&mut out, "until", presence.until);
        }
    }
    out
}

pub fn seal(bytes: &[u8]) -> String {
    let record = SealRecord::decode(bytes).unwrap();
    assert_eq!(record.encode(), bytes);
    let SealRecord { seal, contents, certificate } = &record;
    let body = rmp_serde::to_vec(seal).unwrap();
    assert_eq!(seal.id(), id_by_hand("seal", &body));
    let listed = [&b"djdns/1/contents/"[..], &rmp_serde::to_vec(contents).unwrap()].concat();
    assert_eq!(seal.contents, Id::from_bytes(Sha256::digest(&listed).into()));
    let mut out = String::new();
    line(&mut out, "seal", seal.id());
    line(&mut out, "page", seal.page);
    line(&mut out, "height", seal.height);
    line(&mut out, "previous", seal.previous);
    line(&mut out, "time", seal.time);
    line(&mut out, "state-root", seal.state_root);
    line(&mut out, "contents", seal.contents);
    contents.presences.iter().for_each(|id| line(&mut out, "presence", id));
    contents.operations.iter().for_each(|id| line(&mut out, "operation", id));
    contents.batches.iter().for_each(|id| line(&mut out, "batch", id));
    contents.ballots.iter().for_each(|id| line(&mut out, "ballot", id));
    line(&mut out, "round", certificate.round);
    for commit in &certificate.commits {
        check_vote(&record, commit);
        let text = |key: &RawKey| PublicKey::admit(*key).unwrap().to_string();
        line(&mut out, "node", text(&commit.node));
        commit.seats.iter().for_each(|seat| line(&mut out, "seat", text(seat)));
    }
    for presence in &certificate.presences {
        line(&mut out, "enclosed", Statement::admit(&presence.0).unwrap().id());
    }
    out
}

/// Checks a commit by hand: `[height, round, 2, seal id]`, signed as a vote.
fn check_vote(record: &SealRecord, commit: &Commit) {
    let vote = (record.seal.height, record.certificate.round, 2u8, record.seal.id());
    let digest = Sha256::digest(rmp_serde::to_vec(&vote).unwrap());
    let page = record.seal.page;
    let signed = [b"djdns/1/sig/vote", &[0][..], page.as_bytes(), &digest[..]].concat();
    let key = ed25519_dalek::VerifyingKey::from_bytes(&commit.node.0).unwrap();
    let signature = ed25519_dalek::Signature::from_bytes(&commit.signature.0);
    key.verify_strict(&signed, &signature).unwrap();
}

/// Reads the envelope by hand: P1's array of four, P3's id and signature.
fn check_envelope(bytes: &[u8], of: Id, id: Id, author: PublicKey) {
    let (kind, page, body, signature): (u8, Id, Rdata, Signature) =
        rmp_serde::from_slice(bytes).unwrap();
    let word = Kind::from_tag(kind).unwrap().word();
    // Of a presence the state holds the signature too.
    let signed = if word == "presence" { &signature.0[..] } else { &[] };
    assert_eq!((of, id), (page, id_by_hand(word, &[&body.0, signed].concat())));
    let digest = Sha256::digest(&body.0);
    let signed = [b"djdns/1/sig/", word.as_bytes(), &[0], page.as_bytes(), &digest[..]].concat();
    let key = ed25519_dalek::VerifyingKey::from_bytes(author.as_bytes()).unwrap();
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    key.verify_strict(&signed, &signature).unwrap();
}

fn id_by_hand(word: &str, body: &[u8]) -> Id {
    let bytes = [b"djdns/1/id/", word.as_bytes(), &[0], body].concat();
    Id::from_bytes(Sha256::digest(bytes).into())
}

pub fn attestation(bytes: &[u8]) -> String {
    let said = Attestation::admit(bytes).unwrap();
    check_envelope(bytes, said.page(), said.id(), said.node());
    let mut out = String::new();
    line(&mut out, "id", said.id());
    line(&mut out, "page", said.page());
    line(&mut out, "node", said.node());
    line(&mut out, "height", said.height());
    line(&mut out, "seal", said.seal());
    line(&mut out, "time", said.time());
    out
}

pub fn petition(bytes: &[u8]) -> String {
    let petition = Petition::admit(bytes).unwrap();
    let asking = petition.asking();
    let again = Petition::sign(&petition.page(), asking, &make::key(9)).unwrap();
    assert_eq!(again.bytes(), bytes);
    check_envelope(bytes, petition.page(), petition.id(), petition.author());
    petition.judge(&make::page().0).unwrap();
    let mut out = String::new();
    line(&mut out, "id", petition.id());
    line(&mut out, "page", petition.page());
    line(&mut out, "author", petition.author());
    line(&mut out, "asks-for", &asking.owner);
    records(&mut out, asking.sets.iter());
    line(&mut out, "created", asking.created);
    line(&mut out, "words", &asking.words);
    out
}

pub fn refusal(bytes: &[u8]) -> String {
    let refusal = Refusal::admit(bytes).unwrap();
    let (participant, words) = (make::key(2).public().raw(), refusal.words().to_owned());
    let said = Refusing { participant, petition: refusal.petition(), words };
    let again = Refusal::sign(&refusal.page(), &said, &make::key(2)).unwrap();
    assert_eq!(again.bytes(), bytes);
    check_envelope(bytes, refusal.page(), refusal.id(), refusal.author());
    refusal.judge(&make::page().0).unwrap();
    let mut out = String::new();
    line(&mut out, "id", refusal.id());
    line(&mut out, "page", refusal.page());
    line(&mut out, "participant", refusal.author());
    line(&mut out, "refuses", refusal.petition());
    line(&mut out, "words", refusal.words());
    out
}

/// A letter in an inbox: put where it was found, it is read.
pub fn beacon(bytes: &[u8]) -> String {
    let beacon = Beacon::admit(bytes).unwrap();
    let again = Beacon::sign(&make::key(8), beacon.addresses(), beacon.expires()).unwrap();
    assert_eq!(again.bytes(), bytes);
    let mut out = String::new();
    line(&mut out, "node", beacon.key());
    beacon.addresses().iter().for_each(|address| line(&mut out, "address", address));
    line(&mut out, "expires", beacon.expires());
    line(&mut out, "short", beacon.short());
    line(&mut out, "long", &beacon);
    assert_eq!(beacon.to_string().parse(), Ok(Code::Long(beacon)));
    out
}

pub fn sent(bytes: &[u8]) -> String {
    let row = Sent::decode(bytes).unwrap();
    assert_eq!(row.encode(), bytes);
    let mut out = String::new();
    line(&mut out, "petition", row.petition.id());
    line(&mut out, "kept", row.kept);
    for (host, word) in row.words() {
        line(&mut out, "host", host);
        line(&mut out, "at", word.at);
        match &word.answer {
            PetitionAnswer::Refused(bytes) => {
                line(&mut out, "refused", Refusal::admit(&bytes.0).unwrap().id());
            }
            answer => line(&mut out, "answer", format!("{answer:?}")),
        }
    }
    out
}

pub fn letter(bytes: &[u8]) -> String {
    let (disk, path) = make::inbox();
    disk.set_bytes(&path, bytes);
    let (store, _) = make::open(&disk);
    let letters = store.letters(Tray::Inbox, &make::page().0.id()).unwrap();
    let row = Row::decode(&letters.sound[0].1).unwrap();
    assert_eq!(make::letter_file(&row), bytes);
    let mut out = String::new();
    line(&mut out, "petition", row.petition.id());
    line(&mut out, "source", row.source);
    line(&mut out, "received", row.received);
    match row.verdict {
        Some(Verdict::TakenUp(operation)) => line(&mut out, "taken-up", operation),
        Some(Verdict::Refused(refusal)) => line(&mut out, "refused", refusal.id()),
        None => out.push_str("waiting\n"),
    }
    out
}

fn operation(out: &mut String, operation: &Operation) {
    line(out, "slot", operation.slot);
    line(out, "base", operation.base);
    line(out, "parent", operation.change.parent());
    line(out, "track", operation.change.track() as u8);
    match &operation.change {
        Change::SetEntry(set) => {
            line(out, "sets", &set.owner);
            records(out, set.sets.iter());
        }
        Change::SetLink(link) => {
            line(out, "links", &link.owner);
            link.page.iter().for_each(|page| line(out, "to", page));
        }
        Change::SetRoster(set) => match &set.change {
            RosterChange::Add(new) => {
                line(out, "adds", shown(new.key));
                line(out, "power", new.power);
                line(out, "acceptance", hex(&new.acceptance.0));
            }
            RosterChange::Remove(key) => line(out, "removes", shown(*key)),
            RosterChange::SetPower(power) => {
                line(out, "of", shown(power.key));
                line(out, "power", power.power);
            }
            RosterChange::Replace(replacement) => {
                line(out, "replaces", shown(replacement.old));
                line(out, "by", shown(replacement.new));
                line(out, "acceptance", hex(&replacement.acceptance.0));
            }
            RosterChange::SetParameters(new) => parameters(out, new),
        },
    }
}

fn parameters(out: &mut String, parameters: &Parameters) {
    parameters.rows().iter().for_each(|(name, value)| line(out, name, value));
}

fn records<'a>(out: &mut String, sets: impl Iterator<Item = &'a RecordSet>) {
    for set in sets {
        for rdata in &set.rdata {
            let mut text = String::new();
            rdata::write_text(set.rtype, &rdata.0, Style::Mnemonic, &mut text);
            writeln!(out, "record {} {} {text}", set.ttl, set.rtype).unwrap();
        }
    }
}

fn shown(key: RawKey) -> PublicKey {
    PublicKey::admit(key).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

pub fn acceptance(bytes: &[u8]) -> String {
    let (page, key) = (make::page().0.id(), make::key(6));
    let acceptance = Signature(bytes.try_into().unwrap());
    assert_eq!(accept(&page, &key), acceptance);
    let new = NewParticipant { key: key.public().raw(), power: 1, acceptance };
    assert_eq!(RosterChange::Add(new).check_acceptance(&page), Ok(()));
    format!("page {page}\nkey {}\n", key.public())
}

pub fn bundle(bytes: &[u8]) -> String {
    let records = bundle::read(bytes).unwrap();
    assert_eq!(bundle::write(records.clone()).unwrap(), bytes);
    let mut whole = WholePage::default();
    for (kind, bytes) in &records {
        whole.take(*kind, bytes.to_vec()).unwrap();
    }
    let mut out = String::new();
    records.iter().for_each(|(kind, bytes)| line(&mut out, &format!("kind {kind}"), bytes.len()));
    let page = Page::admit(&whole.raw, &mut |_| {}).unwrap();
    line(&mut out, "page", page.id());
    line(&mut out, "name", page.name());
    line(&mut out, "state-root", page.state_root());
    line(&mut out, "roster-version", page.roster_version());
    let mut governance = Governance::new(page.clone());
    for (_, bytes) in &whole.said {
        let statement = Statement::admit(bytes).unwrap();
        line(&mut out, statement.kind().word(), statement.id());
        governance.admit(&statement).unwrap();
    }
    for (owner, sets) in governance.contents() {
        writeln!(out, "owner {owner} version {}", page.version(&owner)).unwrap();
        records_of(&mut out, &sets);
    }
    out
}

pub fn jump(bytes: &[u8]) -> String {
    let records = bundle::read(bytes).unwrap();
    assert_eq!(bundle::write(records.clone()).unwrap(), bytes);
    let (mut whole, mut out) = (WholePage::default(), String::new());
    for (kind, bytes) in &records {
        line(&mut out, &format!("kind {kind:#04x}"), bytes.len());
        whole.take(*kind, bytes.to_vec()).unwrap();
    }
    line(&mut out, "held-from", whole.held_from());
    let start = whole.start(Check::Full, &mut |_, _, _| {}).unwrap();
    let snapshot = start.snapshot.unwrap();
    line(&mut out, "passage", Id::hash(&[&snapshot.passage()]));
    line(&mut out, "leaves", snapshot.state.len());
    line(&mut out, "proofs", snapshot.proofs.len());
    line(&mut out, "window", snapshot.window.seals.len());
    let page = start.page.page();
    line(&mut out, "page", page.id());
    line(&mut out, "seal", page.seal());
    line(&mut out, "state-root", page.state_root());
    for (owner, sets) in start.page.contents() {
        writeln!(out, "owner {owner} version {}", page.version(&owner)).unwrap();
        records_of(&mut out, &sets);
    }
    out
}

pub fn piece(bytes: &[u8]) -> String {
    let piece = parts::read(bytes, PIECE_SHOWN_BYTES_MAX).unwrap();
    assert_eq!(parts::write(&piece), bytes);
    let state = make::page().0.state().clone();
    let read = piece.read(&Path::ROOT, &state.root()).unwrap();
    let mut out = String::new();
    line(&mut out, "root", state.root());
    read.leaves
        .iter()
        .for_each(|(key, value)| line(&mut out, "leaf", format!("{key} {}", value.len())));
    read.hidden.iter().for_each(|(path, hash)| line(&mut out, "hidden", format!("{path} {hash}")));
    out
}

fn records_of(out: &mut String, sets: &djdns::page::entry::RecordSets) {
    records(out, sets.iter());
}

pub fn log(bytes: &[u8]) -> String {
    let (disk, _) = make::log(&[vec![]]);
    disk.set_bytes(&make::log_path(), bytes);
    let (store, _) = make::open(&disk);
    let page = make::page().0.id();
    let mut records: Vec<Record> = Vec::new();
    store.read(&page, Cursor::START, &mut |record| records.push(record)).unwrap();
    let changes = store.verify(&page).unwrap().changes;
    assert_eq!(changes, 2);
    let (founded, said) = records.split_at(records.len() - 1);
    let (_, again) = make::log(&[founded.to_vec(), said.to_vec()]);
    assert_eq!(again, bytes);
    let mut out = String::new();
    line(&mut out, "page", page);
    for record in records {
        let word = Kind::from_tag(record.kind).map_or("entries", Kind::word);
        let hash = Id::hash(&[&record.bytes]);
        let Record { id, bytes, .. } = record;
        writeln!(out, "record {word} id {id} bytes {} hash {hash}", bytes.len()).unwrap();
    }
    out
}
