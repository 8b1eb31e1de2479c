//! Makes every golden sample from fixed seeds and values.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use djdns::{
    beacon::Beacon,
    governance::{
        Governance,
        attest::Attestation,
        ballot::{Ballot, Batch, Choice},
        chain::ChainProof,
        jump::{Snapshot, Window},
        operation::{
            Change, NewParticipant, Operation, Power, Replacement, RosterChange, SetEntry, SetLink,
            SetRoster, accept,
        },
        petition::{
            Asking, Petition, Refusal, Refusing,
            inbox::{Row, Source, Verdict},
        },
        presence::Presence,
        seal::SealRecord,
        statement::{Body, Statement},
    },
    id::{Id, Kind},
    key::SecretKey,
    page::{
        Page, RawPage,
        bundle::{self, Landing},
        codec,
        entry::{Entry, Rdata, RecordSets},
        genesis::{Parameters, RawGenesis},
        name::{Name, Owner},
        rdata,
        record::RecordType,
        roster_rows, trie, zonefile,
    },
    store::{Record, Store, Tray, fake::FakeDisk},
    sync::{
        message::{
            Above, Address, At, Fate, Follow, Hello, Named, News, Next, Notice, OpenAnswer, Part,
            Parts, PetitionAnswer, Request, Standing, VERSION, write_items,
        },
        outbox::Outbox,
        pack, parts,
    },
};

/// Frozen bytes, and a line that says what they are.
pub struct Sample {
    pub name: &'static str,
    pub what: &'static str,
    pub bytes: Vec<u8>,
}

/// The contents of the golden page, djdns' own types among them.
const ZONE: &str = r#"$TTL 3600
@      TXT    "golden"
brick  300 A  192.0.2.1
       300 A  192.0.2.2
       60 MX  10 mail.brick
mail.brick AAAA 2001:db8::1
www    CNAME  brick
*.wild TXT    "anything"
deleg  NS     ns.example.org.
music  PAGE   000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f "DMCT:0.5428:31415:a3f2c8b9"
       BEACON "DMCT:0.5428:31415:a3f2c8b9"
song   TRACK  "Title" "Artist" "" 215 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 5000000 "audio/ogg" 1700000000 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
robot  AGENT  did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK "DMCT:0.5428:31415:a3f2c8b9" translate
"#;

/// The nonce of the golden log.
pub const NONCE: [u8; 8] = *b"noncense";
/// The data directory of the golden log, on a disk in memory.
pub const DIR: &str = "/data";

/// A participant's key: the seed is 32 times its number. 1 to 5 are on the roster.
pub fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

/// The name of the golden page.
pub fn name() -> Name {
    Name::parse("ff.ct").unwrap()
}

/// An owner in the golden page.
pub fn owner(text: &str) -> Owner {
    Owner::parse(text, &name()).unwrap()
}

/// The golden page.
pub fn page() -> (Page, RawPage) {
    let contents = zonefile::read(ZONE.as_bytes(), &name(), &mut |_| {}).unwrap();
    Page::found(genesis(), contents.entries).unwrap()
}

fn genesis() -> RawGenesis {
    let roster = roster_rows((1..=5).map(|n| (key(n).public(), u32::from(n))));
    let salt = Id::hash(&[b"golden salt"]);
    RawGenesis::new(name(), roster, Parameters::default(), 1_700_000_000, salt)
}

pub fn keys() -> Vec<Sample> {
    let sample = |name, what, seed: [u8; 32]| Sample { name, what, bytes: seed.to_vec() };
    vec![
        sample("ones", "the seed of participant 1", [1; 32]),
        sample("zeroes", "a seed of zeroes", [0; 32]),
        sample("counting", "a seed that counts", std::array::from_fn(|n| n as u8)),
    ]
}

pub fn geneses() -> Vec<Sample> {
    let demonstration = RawGenesis { demonstration: true, name: Name::root(), ..genesis() };
    let (_, empty) = Page::found(demonstration, []).unwrap();
    vec![
        Sample { name: "five", what: "a page of five participants", bytes: page().1.genesis },
        Sample { name: "root", what: "an empty demonstration root", bytes: empty.genesis },
    ]
}

pub fn entries() -> Vec<Sample> {
    let (page, _) = page();
    let sample = |name, what, entry: Entry| Sample { name, what, bytes: entry.encode() };
    let at = |text: &str| page.entry(&owner(text)).unwrap();
    let version = Id::hash(&[b"an operation"]);
    vec![
        sample("apex", "an entry at the page's own name", at("@")),
        sample("brick", "two record sets, as founded", at("brick")),
        sample("written", "the same, written by an operation", Entry { version, ..at("brick") }),
        sample("wildcard", "a wildcard", at("*.wild")),
        sample("page", "a PAGE link with a BEACON", at("music")),
        sample("track", "a TRACK", at("song")),
        sample("agent", "an AGENT", at("robot")),
    ]
}

/// One signed operation by participant 1.
fn operation(slot: u32, change: Change) -> Vec<u8> {
    let (page, _) = page();
    let body = Operation { author: key(1).public().raw(), slot, base: page.seal(), change };
    sign(Body::Operation(body), 1)
}

fn sign(body: Body, by: u8) -> Vec<u8> {
    Statement::sign(&page().0.id(), body, &key(by)).unwrap().bytes().to_vec()
}

fn set_entry(slot: u32, at: &str, parent: Id, record: Option<(RecordType, &str)>) -> Vec<u8> {
    let data = |(rtype, text)| (rtype, 300, rdata::parse_text(rtype, text, &name()).unwrap());
    let sets = RecordSets::gather(record.map(data), &owner(at), &name()).unwrap();
    let change = SetEntry { owner: owner(at), parent, sets: sets.into_vec() };
    operation(slot, Change::SetEntry(change))
}

fn roster(slot: u32, change: RosterChange) -> Vec<u8> {
    let parent = page().0.roster_version();
    operation(slot, Change::SetRoster(SetRoster { parent, change }))
}

fn link(slot: u32, page_id: Vec<Id>) -> Vec<u8> {
    let (owner, parent) = (owner("music"), page().0.version(&owner("music")));
    operation(slot, Change::SetLink(SetLink { owner, parent, page: page_id }))
}

pub fn statements() -> Vec<Sample> {
    let (page, _) = page();
    let id = page.id();
    let change =
        set_entry(0, "brick", page.version(&owner("brick")), Some((RecordType::A, "192.0.2.9")));
    let op = Statement::admit(&change).unwrap().id();
    let linked = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f";
    let create = set_entry(2, "new", page.version(&owner("new")), Some((RecordType::PAGE, linked)));
    let newcomer =
        NewParticipant { key: key(6).public().raw(), power: 6, acceptance: accept(&id, &key(6)) };
    let replacement = Replacement {
        old: key(2).public().raw(),
        new: key(7).public().raw(),
        acceptance: accept(&id, &key(7)),
    };
    let power = Power { key: key(3).public().raw(), power: 70_000 };
    let parameters = Parameters { track1_bp: 4000, ..Parameters::default() };
    let mut rows = vec![
        (op, Choice::Approve),
        (Id::hash(&[b"another"]), Choice::Reject),
        (Id::hash(&[b"a third"]), Choice::Withdraw),
    ];
    rows.sort();
    let reason = "Ziegel statt Glas \u{2713}".to_owned();
    let ballot = Ballot { voter: key(2).public().raw(), sequence: 70_000, rows, reason };
    let silent = Ballot {
        voter: key(3).public().raw(),
        sequence: 1,
        rows: vec![(op, Choice::Approve)],
        reason: String::new(),
    };
    let mut operations = vec![op, Id::hash(&[b"another"])];
    operations.sort();
    let batch = Batch { author: key(1).public().raw(), slot: 3, base: page.seal(), operations };
    let back = Presence::new(key(2).public().raw(), 301);
    let sample = |name, what, bytes| Sample { name, what, bytes };
    vec![
        sample("set-entry", "SetEntry: a new address", change),
        sample(
            "delete-entry",
            "SetEntry without record sets, on an operation",
            set_entry(1, "brick", op, None),
        ),
        sample("create-link", "SetEntry with a PAGE", create),
        sample("roster-add", "SetRoster: Add", roster(3, RosterChange::Add(newcomer))),
        sample(
            "roster-remove",
            "SetRoster: Remove",
            roster(4, RosterChange::Remove(key(5).public().raw())),
        ),
        sample("roster-power", "SetRoster: SetPower", roster(5, RosterChange::SetPower(power))),
        sample(
            "roster-replace",
            "SetRoster: Replace",
            roster(6, RosterChange::Replace(replacement)),
        ),
        sample(
            "roster-parameters",
            "SetRoster: SetParameters",
            roster(255, RosterChange::SetParameters(parameters)),
        ),
        sample("relink", "SetLink to another page", link(7, vec![Id::hash(&[b"a page"])])),
        sample("unlink", "SetLink to none", link(8, vec![])),
        sample("ballot", "a ballot with every choice and a reason", sign(Body::Ballot(ballot), 2)),
        sample("ballot-small", "a ballot of one row", sign(Body::Ballot(silent), 3)),
        sample("batch", "a batch of two operations", sign(Body::Batch(batch), 1)),
        sample("presence", "a node, beacons, and power lent until then", away()),
        sample("presence-back", "a presence that says nothing", sign(Body::Presence(back), 2)),
    ]
}

/// Participant 2 names a node and lends nine tenths of its power.
fn away() -> Vec<u8> {
    let mut away = vec![(key(3).public().raw(), 6000), (key(4).public().raw(), 3000)];
    away.sort();
    let presence = Presence {
        node: vec![key(8).public().raw()],
        beacons: vec!["DMCT:0.5428:31415:a3f2c8b9".to_owned()],
        away,
        until: 1_800_000_000,
        ..Presence::new(key(2).public().raw(), 300)
    };
    sign(Body::Presence(presence), 2)
}

/// The page's first seal: three participants name one node, two approve a new address.
pub fn seals() -> Vec<Sample> {
    let (record, _) = sealed();
    let what = "the first seal, by one node for three seats";
    vec![Sample { name: "first", what, bytes: record.encode() }]
}

/// The page's first seal, and the page under it.
fn sealed() -> (SealRecord, Governance) {
    let mut page = Governance::new(page().0);
    let change = entries_change(&page);
    page.admit(&change).unwrap();
    for who in 3..=5 {
        let node = vec![key(8).public().raw()];
        let presence = Presence { node, ..Presence::new(key(who).public().raw(), 1) };
        page.admit(&Statement::admit(&sign(Body::Presence(presence), who)).unwrap()).unwrap();
        let rows = vec![(change.id(), Choice::Approve)];
        let (voter, reason) = (key(who).public().raw(), String::new());
        let ballot = Ballot { voter, sequence: 1, rows, reason };
        page.admit(&Statement::admit(&sign(Body::Ballot(ballot), who)).unwrap()).unwrap();
    }
    let (record, proposal) = page.seal_alone(&key(8), 1_700_001_000).unwrap();
    let said = page.said();
    let (page, _) = page.sealed(&proposal, &|id| said.get(id).cloned());
    (record, page)
}

/// The page taken over at its first seal, as a bundle holds it.
pub fn jumps() -> Vec<Sample> {
    let ((below, raw), (record, page)) = (page(), sealed());
    let proof = ChainProof::new(&record, &below, None);
    let seals = vec![(record.seal.clone(), record.contents.clone())];
    let window = Window { seals, orders: Vec::new() };
    let state = page.page().state().clone();
    let leaves: Vec<_> = state.iter().map(|(key, value)| (*key, Rdata(value.into()))).collect();
    let snapshot = Snapshot { genesis: raw.genesis.clone(), proofs: vec![proof], state, window };
    let passage = snapshot.passage();
    let landing = Landing {
        height: 1,
        seal: record.seal.id(),
        passage: Id::hash(&[&passage]),
        gone: Vec::new(),
    };
    let records = [
        (Kind::Genesis as u8, raw.genesis),
        (bundle::LEAVES, bundle::write_leaves(&leaves)),
        (bundle::PASSAGE, [&[0; 8], &passage[..]].concat()),
        (bundle::JUMP, bundle::write_landing(&landing)),
    ];
    let bytes = bundle::write(records.iter().map(|(kind, bytes)| (*kind, &bytes[..]))).unwrap();
    vec![Sample { name: "first", what: "the page `five`, taken over at its first seal", bytes }]
}

/// What shows a part of the golden page's state.
pub fn pieces() -> Vec<Sample> {
    let state = page().0.state().clone();
    let piece = |bytes| parts::write(&state.piece(&trie::Path::ROOT, bytes).unwrap());
    vec![
        Sample { name: "level", what: "the first level of the state of `five`", bytes: piece(0) },
        Sample { name: "part", what: "the first kilobyte of that state", bytes: piece(1024) },
    ]
}

fn entries_change(page: &Governance) -> Statement {
    let parent = page.page().version(&owner("brick"));
    let change = set_entry(0, "brick", parent, Some((RecordType::A, "192.0.2.9")));
    Statement::admit(&change).unwrap()
}

fn petition(at: &str, record: Option<(RecordType, &str)>, words: &str) -> Petition {
    let data = |(rtype, text)| (rtype, 300, rdata::parse_text(rtype, text, &name()).unwrap());
    let sets = RecordSets::gather(record.map(data), &owner(at), &name()).unwrap().into_vec();
    let (author, words) = (key(9).public().raw(), words.to_owned());
    let asking = Asking { author, owner: owner(at), sets, created: 1_700_000_123, words };
    Petition::sign(&page().0.id(), &asking, &key(9)).unwrap()
}

fn refusal(words: &str) -> Refusal {
    let asked = petition("friend", Some((RecordType::A, "192.0.2.7")), "Bitte \u{2713}");
    let participant = key(2).public().raw();
    let said = Refusing { participant, petition: asked.id(), words: words.to_owned() };
    Refusal::sign(&page().0.id(), &said, &key(2)).unwrap()
}

pub fn attestations() -> Vec<Sample> {
    let page = page().0;
    let said = Attestation::sign(&key(9), &page.id(), &page.head(), 1_700_000_456);
    let what = "a node says that nothing was sealed yet";
    vec![Sample { name: "founded", what, bytes: said.bytes().to_vec() }]
}

pub fn petitions() -> Vec<Sample> {
    let linked = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f";
    let sample = |name, what, asked: Petition| Sample { name, what, bytes: asked.bytes().to_vec() };
    let address = petition("friend", Some((RecordType::A, "192.0.2.7")), "Bitte \u{2713}");
    vec![
        sample("address", "somebody asks for an address, with words", address),
        sample("link", "for a subpage", petition("new", Some((RecordType::PAGE, linked)), "")),
        sample("delete", "that an entry be deleted", petition("brick", None, "")),
    ]
}

pub fn refusals() -> Vec<Sample> {
    let sample = |name, what, said: Refusal| Sample { name, what, bytes: said.bytes().to_vec() };
    vec![
        sample("reason", "participant 2 refuses, with a reason", refusal("Ziegel statt Glas")),
        sample("silent", "without one", refusal("")),
    ]
}

/// Every notice, request and answer, about no page in particular.
pub fn messages() -> Vec<Sample> {
    let id = |word: &str| Id::hash(&[word.as_bytes()]);
    let page = id("page");
    let standing = Standing { page, height: 70_000, seal: id("seal"), open: id("open") };
    let mut ids = vec![id("one"), id("two")];
    ids.sort_unstable();
    let seen_as = Address::of("192.0.2.1:31415".parse().unwrap());
    let hello = Hello {
        version: VERSION,
        program: "djdns/0.1.0".to_owned(),
        time: 1_800_000_000,
        beacon: vec![Rdata(b"a beacon".as_slice().into())],
        seen_as,
    };
    let above = Above { page, height: 69_999 };
    let part = |path, word, bytes_max| Part { path, hash: id(word), bytes_max };
    let below = trie::Path::of(&id("key"), 3);
    let parts = vec![part(trie::Path::ROOT, "root", 0), part(below, "part", 65_536)];
    let parts = Parts { page, parts };
    let named = Named { page, ids: ids.clone() };
    let shown = Rdata(b"a part".as_slice().into());
    let open = OpenAnswer { root: id("open"), parts: vec![shown, Rdata([].into())] };
    let fate = Fate { page, petition: id("petition") };
    let notice = |name, what, notice: Notice| Sample { name, what, bytes: notice.encode() };
    let request = |name, what, request: Request| Sample { name, what, bytes: request.encode() };
    let answer =
        |name, what, answer: PetitionAnswer| Sample { name, what, bytes: codec::encode(&answer) };
    let standings = vec![standing];
    let follow = Follow { live: true, standings: standings.clone() };
    let news = News { standing, ids: ids.clone() };
    let petition = Rdata(b"a petition".as_slice().into());
    let refusal = Rdata(b"a refusal".as_slice().into());
    let next = Next { page, height: 7, whole: true, batches: vec![page] };
    let golden = self::page().0;
    let said = [(); 2].map(|()| entries_change(&Governance::new(golden.clone())));
    let common = pack::Common::page(&golden.id());
    let packed = pack::pack(said.iter().map(Statement::bytes), common);
    vec![
        notice("notice-hello", "who is there", Notice::Hello(hello)),
        notice("notice-follow", "which pages it follows", Notice::Follow(follow)),
        notice("notice-leave", "which it does not hold any more", Notice::Leave(ids.clone())),
        notice("notice-news", "what is new on one", Notice::News(news)),
        request("request-standings", "where it stands", Request::Standings(ids)),
        request("request-genesis", "a genesis", Request::Genesis(page)),
        request("request-chain", "certificates", Request::Chain(above)),
        request("request-subtrees", "parts of the state", Request::Subtrees(parts.clone())),
        request(
            "request-window",
            "what goes with a seal",
            Request::Window(At { page, seal: page }),
        ),
        request("request-seals", "the next seals", Request::Seals(next)),
        request("request-statements", "statements by their ids", Request::Statements(named)),
        request("request-open", "parts of the open set", Request::Open(parts)),
        request("request-peers", "beacons of who follows it", Request::Peers(page)),
        request("request-forks", "other histories", Request::Forks(page)),
        request("request-petition", "a petition is handed in", Request::Petition(petition)),
        request("request-fate", "what became of one", Request::Fate(fate)),
        Sample { name: "answer-standings", what: "one page", bytes: codec::encode(&standings) },
        Sample {
            name: "answer-items",
            what: "two of anything",
            bytes: write_items([b"one".to_vec(), b"two".to_vec()], 1000),
        },
        Sample { name: "answer-packed", what: "a statement twice, packed", bytes: packed },
        Sample { name: "answer-open", what: "a part, and none", bytes: codec::encode(&open) },
        answer("answer-waiting", "the petition waits", PetitionAnswer::Waiting(1_800_000_000)),
        answer("answer-taken", "it was taken up", PetitionAnswer::TakenUp(page)),
        answer("answer-refused", "it was refused", PetitionAnswer::Refused(refusal)),
        answer("answer-expired", "nobody decided", PetitionAnswer::Expired(1_800_000_000)),
        answer("answer-unknown", "there is none such", PetitionAnswer::Unknown(page)),
        answer("answer-not-taken", "no room", PetitionAnswer::NotTaken("no room".to_owned())),
    ]
}

/// Beacons of node 8.
pub fn beacons() -> Vec<Sample> {
    let sample = |name, what, addresses: &[&str]| {
        let addresses: Vec<SocketAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        let beacon = Beacon::sign(&key(8), &addresses, 1_800_000_000).unwrap();
        Sample { name, what, bytes: beacon.bytes().to_vec() }
    };
    let many = ["192.0.2.1:31415", "192.0.2.2:31415", "192.0.2.3:31415", "198.51.100.9:40000"];
    vec![
        sample("one", "where node 8 is, one address", &["192.0.2.1:31415"]),
        sample("both", "of both families", &["[2001:db8::1]:31415", "192.0.2.1:31415"]),
        sample("many", "as many as a character-string holds", &many),
    ]
}

/// Rows of the outbox of the golden page.
pub fn sent() -> Vec<Sample> {
    let petition = petition("friend", Some((RecordType::A, "192.0.2.7")), "Bitte \u{2713}");
    let (page, now) = (page().0, 1_700_000_456);
    let row = |name, what, answers: &[PetitionAnswer]| {
        let mut outbox = Outbox::default();
        outbox.keep(petition.clone(), now).unwrap();
        let hosts = [key(7).public(), key(8).public()];
        for (errand, answer) in outbox.due(&hosts, &[], now).iter().zip(answers) {
            assert!(outbox.told(errand, Some(answer.clone()), &page, now + 9));
        }
        let bytes = outbox.row(&petition.id()).unwrap().encode();
        Sample { name, what, bytes }
    };
    let refused = Rdata(refusal("Ziegel statt Glas").bytes().into());
    let answers = [PetitionAnswer::Waiting(now + 5), PetitionAnswer::Refused(refused)];
    vec![
        row("kept", "a petition that no host has answered for", &[]),
        row("told", "one for which two have", &answers),
    ]
}

/// Letters in the inbox of the golden page, as they are on disk.
pub fn letters() -> Vec<Sample> {
    let petition = petition("friend", Some((RecordType::A, "192.0.2.7")), "Bitte \u{2713}");
    let refused = Verdict::Refused(refusal("Ziegel statt Glas"));
    let letter = |name, what, source: Option<&str>, verdict: Option<Verdict>| {
        let source = source.map_or(Source::Local, |text| Source::Address(text.parse().unwrap()));
        let row = Row { petition: petition.clone(), source, received: 1_700_000_456, verdict };
        Sample { name, what, bytes: letter_file(&row) }
    };
    let taken = Verdict::TakenUp(Id::hash(&[b"an operation"]));
    vec![
        letter("waiting", "a petition from this machine that waits", None, None),
        letter("taken", "one that was taken up", Some("192.0.2.77"), Some(taken)),
        letter("refused", "one that was refused", Some("2001:db8::77"), Some(refused)),
    ]
}

/// The bytes of the letter that a row is kept as.
pub fn letter_file(row: &Row) -> Vec<u8> {
    let (disk, _) = log(&log_records());
    let (store, _) = open(&disk);
    store.put_letter(Tray::Inbox, &page().0.id(), &row.petition.id(), &row.encode()).unwrap();
    disk.bytes(&letter_path(row))
}

/// A disk with a letter of the golden petition, and where it is.
pub fn inbox() -> (FakeDisk, PathBuf) {
    let (disk, _) = log(&log_records());
    let (store, _) = open(&disk);
    let petition = Petition::admit(&petitions()[0].bytes).unwrap();
    let row = Row { petition, source: Source::Local, received: 0, verdict: None };
    store.put_letter(Tray::Inbox, &page().0.id(), &row.petition.id(), &row.encode()).unwrap();
    let path = letter_path(&row);
    (disk, path)
}

fn letter_path(row: &Row) -> PathBuf {
    log_path().with_file_name("inbox").join(row.petition.id().to_string())
}

pub fn acceptances() -> Vec<Sample> {
    let bytes = accept(&page().0.id(), &key(6)).0.to_vec();
    vec![Sample { name: "six", what: "the acceptance of participant 6 for the page `five`", bytes }]
}

pub fn bundles() -> Vec<Sample> {
    let (_, raw) = page();
    let entries: Vec<Rdata> = raw.entries.into_iter().map(Rdata).collect();
    let entries = bundle::write_entries(&entries);
    let statements = statements();
    let said = ["set-entry", "ballot-small"].map(|name| {
        let bytes = &statements.iter().find(|sample| sample.name == name).unwrap().bytes;
        (Statement::admit(bytes).unwrap().kind() as u8, bytes.as_slice())
    });
    let head = [(Kind::Genesis as u8, raw.genesis.as_slice()), (bundle::ENTRIES, &entries)];
    let bytes = bundle::write(head.into_iter().chain(said)).unwrap();
    vec![Sample { name: "five", what: "the page `five` with a change and a ballot", bytes }]
}

pub fn logs() -> Vec<Sample> {
    let (_, bytes) = log(&log_records());
    vec![Sample {
        name: "five",
        what: "the log of the page `five`: its founding, then a change",
        bytes,
    }]
}

/// The records of the golden log, one list for each change.
fn log_records() -> Vec<Vec<Record>> {
    let (_, raw) = page();
    let entries: Vec<Rdata> = raw.entries.into_iter().map(Rdata).collect();
    let founded = vec![
        Record::unnamed(Kind::Genesis as u8, raw.genesis),
        Record::unnamed(bundle::ENTRIES, bundle::write_entries(&entries)),
    ];
    let statement = Statement::admit(&statements()[0].bytes).unwrap();
    let bytes = statement.bytes().to_vec();
    vec![founded, vec![Record { kind: statement.kind() as u8, id: statement.id(), bytes }]]
}

/// Writes changes to a log with the golden nonce; returns the disk, and the log's bytes.
pub fn log(changes: &[Vec<Record>]) -> (FakeDisk, Vec<u8>) {
    let disk = FakeDisk::new();
    let (store, notices) = open(&disk);
    assert_eq!(notices, Vec::<String>::new());
    let page = page().0.id();
    store.found(&page, NONCE, changes[0].clone()).unwrap();
    changes[1..].iter().for_each(|change| store.append(&page, change).unwrap());
    let bytes = disk.bytes(&log_path());
    (disk, bytes)
}

/// Where the golden log is.
pub fn log_path() -> PathBuf {
    Path::new(DIR).join("pages").join(page().0.id().to_string()).join("log")
}

/// Opens the store, with what it has to say.
pub fn open(disk: &FakeDisk) -> (Store, Vec<String>) {
    let (store, notices) =
        Store::open(Arc::new(disk.clone()), Path::new(DIR), "a test", &mut |_| {}).unwrap();
    (store, notices.iter().map(ToString::to_string).collect())
}
