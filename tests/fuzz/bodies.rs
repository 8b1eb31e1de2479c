//! What each fuzz target does with any bytes: never panic, and keep its promise where it accepts.
//!
//! Shared by the targets in `fuzz_targets/`, which libFuzzer drives, and by `tests/fuzz.rs`, which
//! drives them a little in every `cargo test`.
#![allow(dead_code, reason = "each target uses one of these")]

use std::sync::OnceLock;

use djdns::{
    beacon::{Beacon, Code, texts_of_record},
    config::{Config, hosts::Hosts, resolv_conf::ResolvConf},
    control::request::Request,
    daemon::whole::WholePage,
    discovery::Packet,
    dns::{
        Client, Cookies, PageMeta, PageView, Service, Transport, Upstream, View,
        forward::{
            exchange::Question,
            reply::{self, Asked, Response},
            secure::dot::Pipeline,
        },
        path::Path,
        respond, respond_at_once,
        transfer::{Algorithm, Key, Rules, Sealed, Transfers, tsig},
    },
    governance::{
        Governance,
        attest::Attestation,
        field::Field,
        jump::{Snapshot, Window},
        petition::{
            Petition, Refusal,
            inbox::{Inbox, Row, Source},
        },
        statement::Statement,
    },
    id::Id,
    key::SecretKey,
    limits::{PIECE_SHOWN_BYTES_MAX, UDP_ANSWER_BYTES_MAX},
    network::wire::{AnswerHead, Head, Intake, NoticeHead, RequestHead},
    page::{
        Page, RawPage, bundle,
        entry::{Entry, RecordSets},
        genesis::{Genesis, Parameters, RawGenesis},
        name::{Name, Owner},
        rdata::{self, Style},
        record::{PageLink, RecordType},
        roster_rows,
        trie::{self, Fetch, Trie},
        zonefile,
    },
    sync::{
        Book,
        message::{self as peer, Above, Fate, Named, Notice, Part, Parts},
        outbox::Sent,
        pack::{self, Common},
        parts,
    },
};

/// A target: its name, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 24] = [
    ("codec_decode", codec_decode),
    ("statement_admit", statement_admit),
    ("attestation_admit", attestation_admit),
    ("petition_admit", petition_admit),
    ("beacon_read", beacon_read),
    ("sync_message", sync_message),
    ("lan_packet", lan_packet),
    ("address_book", address_book),
    ("page_admit", page_admit),
    ("page_image", page_image),
    ("snapshot_read", snapshot_read),
    ("bundle_read", bundle_read),
    ("zonefile_read", zonefile_read),
    ("rdata_text", rdata_text),
    ("dns_respond", dns_respond),
    ("signed_request", signed_request),
    ("control_request", control_request),
    ("upstream_response", upstream_response),
    ("dot_stream", dot_stream),
    ("network_frames", network_frames),
    ("upstream_text", upstream_text),
    ("resolv_conf", resolv_conf),
    ("hosts_file", hosts_file),
    ("config_file", config_file),
];

/// They are refused, or they are the one encoding of the entry that they decode to (P1).
pub fn codec_decode(bytes: &[u8]) {
    if let Ok(entry) = Entry::decode(bytes, &Name::root()) {
        assert_eq!(entry.encode(), bytes, "a second spelling of an entry was accepted");
    }
}

/// They are refused, or they are a statement that a page judges without a panic. No fuzzer forges
/// a signature, so those of what is well formed are left out as for a log.
pub fn statement_admit(bytes: &[u8]) {
    let Ok(statement) = Statement::reopen(bytes) else {
        assert!(Statement::admit(bytes).is_err(), "what is not well formed was admitted");
        return;
    };
    assert_eq!(statement.bytes(), bytes);
    if let Ok(admitted) = Statement::admit(bytes) {
        assert_eq!(admitted, statement);
    }
    let mut page = Governance::new(golden_page().0.clone());
    if page.admit(&statement).is_ok() {
        let states = page.proposals().map(|proposal| page.state(proposal));
        assert!(states.count() <= 1, "one statement makes one proposal at most");
        page.contents();
    }
}

/// They are refused, or they are an attestation that a field judges without a panic.
pub fn attestation_admit(bytes: &[u8]) {
    let Ok(said) = Attestation::admit(bytes) else { return };
    assert_eq!(said.bytes(), bytes);
    let page = Governance::new(golden_page().0.clone());
    let mut field = Field::default();
    assert!(field.take(&page, &said, said.time()).is_err(), "no seat names a node");
    assert!(field.picture(&page, said.time()).is_fresh());
}

/// They are refused, or they are a petition, a refusal or a kept row that a page and an inbox judge
/// without a panic. Signatures are left out, as for statements.
pub fn petition_admit(bytes: &[u8]) {
    let page = &golden_page().0;
    if let Ok(row) = Row::decode(bytes) {
        assert_eq!(row.encode(), bytes, "a second spelling of a row was accepted");
        row.fate(u64::MAX);
    }
    if let Ok(refusal) = Refusal::reopen(bytes) {
        assert_eq!(refusal.bytes(), bytes);
        let _ = refusal.judge(page);
        assert!(Inbox::default().refuse(refusal, 0).is_err(), "nothing is there to refuse");
    }
    let Ok(petition) = Petition::reopen(bytes) else {
        assert!(Petition::admit(bytes).is_err(), "what is not well formed was admitted");
        return;
    };
    assert_eq!(petition.bytes(), bytes);
    let _ = petition.judge(page);
    let (mut inbox, created) = (Inbox::default(), petition.asking().created);
    let id = petition.id();
    assert_eq!(inbox.admit(petition, Source::Local, created), Ok(vec![]));
    assert!(inbox.row(&id).is_some_and(|row| row.fate(created).word() == "waiting"));
}

/// A notice, a request, or an answer to a request of its kind: refused, or its one encoding, within
/// the limits.
pub fn sync_message(bytes: &[u8]) {
    if let Ok(notice) = Notice::decode(bytes) {
        assert_eq!(notice.encode(), bytes, "a second spelling of a notice was accepted");
    }
    if let Ok(request) = peer::Request::decode(bytes) {
        assert_eq!(request.encode(), bytes, "a second spelling of a request was accepted");
        assert!(request.answer_items_max() > 0);
    }
    let page = Id::ZERO;
    let named = Named { page, ids: vec![page] };
    let asked = [
        peer::Request::Statements(named),
        peer::Request::Seals(Above { page, height: 0 }.into()),
        peer::Request::Open(Parts {
            page,
            parts: vec![Part { path: trie::Path::ROOT, hash: page, bytes_max: 0 }],
        }),
        peer::Request::Standings(vec![page]),
        peer::Request::Fate(Fate { page, petition: page }),
    ];
    for request in asked {
        let items = request.read_items(bytes).map_or(0, |items| items.len());
        let standings = request.read_standings(bytes).map_or(0, |standings| standings.len());
        let parts = request.read_open(bytes).map_or(0, |open| open.parts.len());
        assert!(items.max(standings).max(parts) <= request.answer_items_max());
        let packed = request.read_packed(bytes, |_| Some(Common::page(&page)));
        if let Ok(packed) = packed {
            assert!(packed.len() <= request.answer_items_max());
            let items: Vec<&[u8]> = packed.iter().map(|item| &item.0[..]).collect();
            let again = pack::pack(items.iter().copied(), Common::page(&page));
            let restored = pack::unpack(&again, Common::page(&page), usize::MAX, items.len());
            assert!(restored.is_ok_and(|restored| restored == items), "packing lost something");
        }
        let _ = request.read_petition(bytes);
    }
}

/// A piece of a state, a window, leaves, the end of a jump, a way to a seal: refused, or their one
/// encoding, and of no page that they do not show.
pub fn snapshot_read(bytes: &[u8]) {
    let state = golden_page().0.state();
    if let Ok(piece) = parts::read(bytes, PIECE_SHOWN_BYTES_MAX) {
        assert_eq!(parts::write(&piece), bytes, "a second spelling of a piece was accepted");
        let mut fetch = Fetch::new(state.root(), Trie::default());
        if let Ok(leaves) = fetch.take(&trie::Path::ROOT, piece) {
            assert!(leaves.iter().all(|(key, value)| state.get(key) == Some(value)));
        }
    }
    if let Ok(window) = Window::decode(bytes) {
        assert_eq!(window.encode(), bytes, "a second spelling of a window was accepted");
    }
    if let Ok(leaves) = bundle::read_leaves(bytes) {
        let genesis = golden_page().0.genesis();
        for (key, value) in &leaves {
            let _ = Page::check_leaf(genesis, key, &value.0);
        }
    }
    let _ = bundle::read_landing(bytes);
    let genesis = golden_page().0.genesis().encode();
    if let Ok(snapshot) = Snapshot::from_passage(genesis, bytes, state.clone()) {
        assert_eq!(snapshot.passage(), bytes, "a second spelling of a passage was accepted");
        assert!(Governance::from_snapshot(&snapshot).is_err(), "this page was never sealed");
    }
}

/// As bytes and as text: refused, or a beacon that is written and read as it was.
pub fn beacon_read(bytes: &[u8]) {
    if let Ok(beacon) = Beacon::admit(bytes) {
        assert_eq!(beacon.bytes(), bytes);
        assert_eq!(beacon.to_string().parse(), Ok(Code::Long(beacon)));
    }
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(code) = text.parse::<Code>() {
        assert!(code.to_string().eq_ignore_ascii_case(text.trim()), "a second spelling");
    }
    texts_of_record(bytes);
    if let Ok(row) = Sent::decode(bytes) {
        assert_eq!(row.encode(), bytes, "a second spelling of a row was accepted");
    }
}

/// A genesis and entries, each after its length in two bytes: refused, or a page that opens again.
pub fn page_admit(bytes: &[u8]) {
    let mut parts = parts(bytes);
    let genesis = parts.next().unwrap_or_default();
    if let Ok(read) = Genesis::decode(genesis) {
        assert_eq!(read.encode(), genesis, "a second spelling of a genesis was accepted");
    }
    let entries: Vec<Box<[u8]>> = parts.map(Into::into).collect();
    for genesis in [genesis, &golden_page().1.genesis] {
        let raw = RawPage { genesis: genesis.to_vec(), entries: entries.clone() };
        let reopened = Page::reopen(&raw);
        if let Ok(page) = Page::admit(&raw, &mut |_| {}) {
            assert_eq!(reopened.map(|page| page.id()), Ok(page.id()));
            assert_eq!(page.entries().count(), raw.entries.len());
        }
    }
}

/// Cuts bytes into parts, each after its length in two bytes.
fn parts(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (len, rest) = bytes.split_first_chunk::<2>()?;
        let (part, rest) = rest.split_at(usize::from(u16::from_be_bytes(*len)).min(rest.len()));
        bytes = rest;
        Some(part)
    })
}

/// Refused, or records that make the same bundle. The hash at the end is put right first, so that
/// what is inside is looked at.
pub fn bundle_read(bytes: &[u8]) {
    let mut sealed = bytes.to_vec();
    if let Some(at) = bytes.len().checked_sub(32) {
        let hash = Id::hash(&[&bytes[..at]]);
        sealed[at..].copy_from_slice(hash.as_bytes());
    }
    for bytes in [bytes, &sealed] {
        let Ok(records) = bundle::read(bytes) else { continue };
        assert_eq!(bundle::write(records.clone()).as_deref(), Ok(bytes));
        let mut whole = WholePage::default();
        if records.iter().all(|(kind, bytes)| whole.take(*kind, bytes.to_vec()).is_ok()) {
            let _ = Page::reopen(&whole.raw);
            let _ = Page::admit(&whole.raw, &mut |_| {});
            whole.said.iter().for_each(|(_, bytes)| statement_admit(bytes));
        }
    }
}

/// Refused, or contents that are read back from the zone file that they make.
pub fn zonefile_read(bytes: &[u8]) {
    for page in ["ct.", "."].map(|name| Name::parse(name).expect("a name")) {
        let Ok(read) = zonefile::read(bytes, &page, &mut |_| {}) else { continue };
        let mut text = String::new();
        let entries = read.entries.iter().map(|(owner, sets)| (owner.clone(), sets));
        zonefile::write(&page, 7, entries, &mut text);
        let again = zonefile::read(text.as_bytes(), &page, &mut |_| {});
        let again = again.unwrap_or_else(|error| panic!("{error}, in:\n{text}"));
        assert_eq!(again.entries, read.entries, "read back from:\n{text}");
    }
}

/// A type in two bytes, then text or octets: whatever is accepted is read back from its own text.
pub fn rdata_text(bytes: &[u8]) {
    let Some((rtype, rest)) = bytes.split_first_chunk::<2>() else { return };
    let rtype = RecordType(u16::from_be_bytes(*rtype));
    if let Some(text) = str::from_utf8(rest).ok()
        && let Ok(data) = rdata::parse_text(rtype, text, &Name::root())
    {
        read_back(rtype, &data);
    }
    if rdata::check(rtype, rest).is_ok() {
        read_back(rtype, rest);
    }
}

fn read_back(rtype: RecordType, data: &[u8]) {
    assert_eq!(rdata::check(rtype, data), Ok(()));
    for style in [Style::Mnemonic, Style::GenericPrivate] {
        let mut text = String::new();
        rdata::write_text(rtype, data, style, &mut text);
        let again = rdata::parse_text(rtype, &text, &Name::root());
        assert_eq!(again.as_deref(), Ok(data), "{rtype} {text}");
    }
}

/// Silence, or a response with the query's id that other software reads and that fits. The short way
/// says the same or nothing, with cookies as without.
pub fn dns_respond(bytes: &[u8]) {
    if let Some(short) = respond_at_once(view(), bytes) {
        assert_eq!(Some(short), respond(view(), bytes, Transport::Udp));
    }
    let address = std::net::Ipv4Addr::LOCALHOST.into();
    if let Some(short) = baker().reply_at_once(bytes, address) {
        let long = baker().reply(bytes, Client { address, transport: Transport::Udp });
        assert_eq!(djdns::dns::Reply::Now(short), long);
    }
    for transport in Transport::ALL {
        let Some(response) = respond(view(), bytes, transport) else { continue };
        let message = hickory_proto::op::Message::from_vec(&response);
        let message = message.unwrap_or_else(|error| panic!("{error}: {response:02x?}"));
        assert_eq!(message.metadata.id.to_be_bytes(), bytes[..2]);
        let fits = response.len() <= usize::from(UDP_ANSWER_BYTES_MAX);
        assert!(fits || transport != Transport::Udp, "{} bytes", response.len());
    }
}

/// A signature is taken off and put on again as the same, and whatever is asked with one gets answers
/// that are well formed.
pub fn signed_request(bytes: &[u8]) {
    let name = Name::parse("mirror").unwrap();
    let key = Key::new(name, Algorithm::Sha256, &[5; 32]).unwrap();
    let taken = tsig::take(bytes);
    if let Ok(Some(read)) = &taken {
        let _ = read.check(&key, &[], 1_700_000_000);
    }
    if bytes.len() < 12 || bytes[10..12] == [0xff, 0xff] {
        return;
    }
    let mut signed = bytes.to_vec();
    tsig::Signer::of_request(key.clone().into()).sign(&mut signed, 1_700_000_000);
    if let Ok(None) = taken {
        let read = tsig::take(&signed).unwrap().unwrap();
        assert_eq!(read.message, bytes);
        assert_eq!(read.check(&key, &[], 1_700_000_000), Ok(()));
    }
    let transfers = Transfers::new(|| 1_700_000_000);
    transfers.set_rules(Some(Rules::new(key, Vec::new())));
    let page = Name::parse("ct").unwrap();
    for serial in 1..=2 {
        transfers.put(Id::ZERO, &page, Sealed { serial, state: Trie::default() }, None);
    }
    let views = std::sync::Arc::new(std::sync::Arc::new(View::new()).into());
    let service = Service::new(views, None).with_transfers(transfers);
    for (bytes, transport) in
        [(bytes, Transport::Stream), (&signed, Transport::Udp), (&signed, Transport::Stream)]
    {
        let client = Client { address: std::net::Ipv4Addr::LOCALHOST.into(), transport };
        let messages = match service.reply_or_transfer(bytes, client) {
            Ok(djdns::dns::Reply::Now(message)) => vec![message],
            Ok(_) => Vec::new(),
            Err(mut transfer) => std::iter::from_fn(|| service.next_of(&mut transfer)).collect(),
        };
        for message in messages {
            let fits = message.len() <= usize::from(UDP_ANSWER_BYTES_MAX);
            assert!(fits || transport == Transport::Stream, "{} bytes", message.len());
            assert!(tsig::take(&message).is_ok(), "{message:02x?}");
        }
    }
}

/// Refused, or a request that travels on as the same.
pub fn control_request(bytes: &[u8]) {
    let Ok(request) = rmp_serde::from_slice::<Request>(bytes) else { return };
    let again = rmp_serde::to_vec_named(&request).expect("a request encodes");
    let again: Request = rmp_serde::from_slice(&again).expect("what was encoded decodes");
    assert_eq!(format!("{again:?}"), format!("{request:?}"));
}

/// A message as the response to its own question: refused, or records that can be answered, all of
/// them about that question.
pub fn upstream_response(bytes: &[u8]) {
    let mut message = bytes.to_vec();
    let Some(name) = bytes.get(12..).and_then(Path::read) else { return };
    let Some(question) = bytes.get(12..16 + name.wire().len()) else { return };
    message[2] |= 0x80;
    let asked = Asked { id: u16::from_be_bytes([bytes[0], bytes[1]]), question: question.to_vec() };
    let Ok(Response::Whole(mut kept)) = reply::read(&mut message, &asked) else { return };
    for record in kept.answer.iter().chain(&kept.authority) {
        let owner = Path::read(&record.owner).expect("an owner is a name");
        assert_eq!(owner.wire().len(), record.owner.len());
    }
    kept.age(kept.ttl() / 2);
    let count = kept.answer.len();
    let answer = kept.answer(&name, 1);
    assert_eq!(answer.answer.iter().map(|part| part.iter().count()).sum::<usize>(), count);
}

/// What a server says on a connection with two questions: each is answered once at most, and what is
/// not whole is no longer than a message.
pub fn dot_stream(bytes: &[u8]) {
    let mut pipeline = Pipeline::default();
    for who in 0..2 {
        let raw = [&b"\x01a\x07example\0\0"[..], &[who + 1, 0, 1]].concat().into();
        let question = Question { raw, dnssec_ok: false, checking_disabled: false };
        assert!(pipeline.ask(&question, who, || [0; 5]).is_ok());
    }
    let mut answered = Vec::new();
    for part in bytes.chunks(7) {
        let received = pipeline.receive(part, &mut |who, _| answered.push(who));
        if received.is_err() {
            break;
        }
    }
    let before = answered.len();
    pipeline.end(None, |who, _| answered.push(who));
    assert!(before <= 2);
    answered.sort_unstable();
    assert_eq!(answered, [0, 1]);
}

/// A stream of frames of each kind: whatever the pieces it comes in, the same frames come out of it,
/// none is longer than may be, and the same fault ends it.
pub fn network_frames(bytes: &[u8]) {
    const BODY_BYTES_MAX: usize = 100;
    fn frames<H: Head + std::fmt::Debug + PartialEq>(bytes: &[u8]) {
        let read = |at_once: usize| {
            let mut intake = Intake::<H>::new(BODY_BYTES_MAX);
            let mut frames = Vec::new();
            for mut piece in bytes.chunks(at_once) {
                while !piece.is_empty() {
                    match intake.take(&mut piece) {
                        Ok(frame) => frames.extend(frame),
                        Err(fault) => return (frames, Err(fault)),
                    }
                }
            }
            (frames, intake.end())
        };
        let whole = read(usize::MAX);
        for (head, body) in &whole.0 {
            assert!(body.len() == head.body_bytes() && body.len() <= BODY_BYTES_MAX);
        }
        assert_eq!(read(1), whole);
        assert_eq!(read(7), whole);
    }
    frames::<RequestHead>(bytes);
    frames::<AnswerHead>(bytes);
    frames::<NoticeHead>(bytes);
}

/// Refused, or an upstream that is read back from how it is shown.
pub fn upstream_text(bytes: &[u8]) {
    let Some(upstream) = text(bytes).and_then(|text| text.parse::<Upstream>().ok()) else { return };
    let shown = upstream.to_string();
    let again: Upstream = shown.parse().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again.to_string(), shown);
}

/// Every line is understood, or named.
pub fn resolv_conf(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let lines = text.lines().count();
    let read = ResolvConf::parse(text);
    assert!(read.nameservers.len() <= lines);
    assert!(read.faults.iter().all(|(line, _)| (1..=lines).contains(line)));
}

/// Every line is understood, or named.
pub fn hosts_file(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let lines = text.lines().count();
    assert!(Hosts::parse(text).faults.iter().all(|(line, _)| (1..=lines).contains(line)));
}

/// A configuration, or the line of the first fault.
pub fn config_file(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Err((line, fault)) = Config::parse(text) {
        assert!(line <= 1 + text.bytes().filter(|byte| *byte == b'\n').count());
        assert!(!fault.is_empty());
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok()
}

/// A datagram of the local network is refused, or is the one spelling of what it says (D2).
pub fn lan_packet(bytes: &[u8]) {
    if let Ok(packet) = Packet::read(bytes) {
        assert_eq!(packet.write(), bytes, "a second spelling of a datagram was accepted");
        // No fuzzer forges a signature: what is refused here is refused for it, or before.
        let _ = Beacon::admit(packet.beacon);
    }
}

/// An address book is refused, or what it is read as can be kept and read again (N7).
pub fn address_book(bytes: &[u8]) {
    let me = SecretKey::from_seed(&[0; 32]).public();
    if let Ok(book) = Book::read(bytes, me, 1) {
        let kept = book.write();
        let again = Book::read(&kept, me, 1).expect("what was written is read");
        assert_eq!(again.write(), kept, "an address book changed while it was kept");
    }
}

/// An image of a page is refused, or it is the one spelling of a page that answers any question.
pub fn page_image(bytes: &[u8]) {
    let Ok(page) = PageView::of_image(&bytes.to_vec().into()) else { return };
    let image = page.image(page.meta().fresh).expect("it is no larger than what was read");
    assert!(image.parts().flatten().eq(bytes), "a second spelling of an image was accepted");
    let meta = page.meta().clone();
    let owners: Vec<Vec<u8>> = page.nodes().take(9).map(|node| node.owner().to_vec()).collect();
    let view = View::new().with_anchor(&meta.name, meta.id).with_built(page);
    for owner in owners.iter().map(Vec::as_slice).chain([&b"\x01a"[..]]) {
        for qtype in [1, 2, 5, 28, 255] {
            let head = [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            let query = [&head[..], owner, meta.name.wire(), &[0, qtype, 0, 1]].concat();
            let _ = (respond(&view, &query, Transport::Udp), respond_at_once(&view, &query));
        }
    }
}

/// A small page of two, its contents those of [`ZONE`].
pub fn golden_page() -> &'static (Page, RawPage) {
    static PAGE: OnceLock<(Page, RawPage)> = OnceLock::new();
    PAGE.get_or_init(|| {
        let roster = roster_rows([1, 2].map(|n| (SecretKey::from_seed(&[n; 32]).public(), 1)));
        let raw = RawGenesis::new(ct(), roster, Parameters::default(), 1, Id::ZERO);
        Page::found(raw, contents()).expect("the page is valid")
    })
}

fn ct() -> Name {
    Name::parse("ct").expect("a name")
}

fn contents() -> Vec<(Owner, RecordSets)> {
    zonefile::read(ZONE.as_bytes(), &ct(), &mut |_| {}).expect("the zone is valid").entries
}

/// Something of everything that an answer depends on.
const ZONE: &str = "\
$TTL 3600
@      TXT   \"the page\"
a      A     192.0.2.1
a      MX    10 mail
mail   AAAA  2001:db8::1
alias  CNAME a
loop   CNAME loop
out    CNAME www.example.org.
*.w    TXT   \"wild\"
cut    NS    ns.cut
ns.cut A     192.0.2.2
dn     DNAME a.ct.
many   TXT   \"1111111111111111111111111111111111111111111111111111111111111111111111111111\"
many   TYPE65400 \\# 4 01020304
web    HTTPS 1 . alpn=h2
gone   PAGE  000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
";

/// A service that makes cookies.
fn baker() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| {
        let views = std::sync::Arc::new(std::sync::Arc::new(view().clone()).into());
        Service::new(views, None).with_cookies(Cookies::new([7; 16], || 1_700_000_000))
    })
}

fn view() -> &'static View {
    static VIEW: OnceLock<View> = OnceLock::new();
    VIEW.get_or_init(|| {
        let id = golden_page().0.id();
        let owner = Owner::parse("ct", &Name::root()).expect("an owner");
        let link = PageLink { page: id, beacons: vec![] }.to_rdata().expect("it fits");
        let sets = RecordSets::gather([(RecordType::PAGE, 60, link)], &owner, &Name::root());
        let root = PageMeta {
            name: Name::root(),
            id: Id::hash(&[b"."]),
            serial: 1,
            fresh: true,
            absence_ttl: u32::MAX,
        };
        let below = PageMeta { name: ct(), id, serial: 2, fresh: false, absence_ttl: u32::MAX };
        let anchored = View::new().with_anchor(&root.name, root.id);
        anchored.with_page(root, [(owner, sets.expect("a link"))]).with_page(below, contents())
    })
}
