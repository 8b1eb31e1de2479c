//! Answering other nodes: what they ask for, from what is held (N3, N5, D5, G13).
//!
//! Nothing is remembered of who asked what. An answer has a limit of bytes whatever is held, and a page
//! that is not handed on is answered as one that is not there.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
};

use super::{
    Held, Ledger,
    message::{Above, At, Named, Next, OpenAnswer, Parts, Request, Standing, write_items},
    pack::{self, Common},
    parts,
};
use crate::{
    beacon::Beacon,
    governance::{
        chain::ChainProof,
        jump::Window,
        seal::{Contents, SealRecord},
        statement::Statement,
    },
    id::{Id, Kind},
    key::PublicKey,
    limits::*,
    page::{codec, entry::Rdata, trie::Trie},
};

/// Beacons of connected peers, by the pages that they follow: what the machine knows and answers need.
/// A clone is the same.
#[derive(Clone, Default)]
pub struct Handed(Arc<RwLock<BTreeMap<Id, Vec<Beacon>>>>);

impl Handed {
    /// From now on these follow a page; at most [`PEERS_ANSWER_MAX`] are kept.
    pub(super) fn set(&self, page: Id, mut beacons: Vec<Beacon>) {
        beacons.truncate(PEERS_ANSWER_MAX);
        let mut rows = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match beacons.is_empty() {
            true => drop(rows.remove(&page)),
            false => drop(rows.insert(page, beacons)),
        }
    }

    fn of(&self, page: &Id) -> Vec<Beacon> {
        let rows = self.0.read().unwrap_or_else(PoisonError::into_inner);
        rows.get(page).cloned().unwrap_or_default()
    }
}

/// What `peer`, who is at this address, is answered. `None`: it asked for nothing that there is. Callable
/// from many threads at once.
pub fn answer(
    peer: &PublicKey,
    address: SocketAddr,
    request: &[u8],
    ledger: &dyn Ledger,
    handed: &Handed,
) -> Option<Vec<u8>> {
    let request = Request::decode(request).ok()?;
    let held = request.page().and_then(|page| ledger.held(&page));
    Some(match &request {
        Request::Standings(pages) => standings(pages, ledger),
        Request::Genesis(_) => {
            items(held.map(|held| held.governance.page().genesis().encode()), GENESIS_BYTES_MAX)
        }
        Request::Chain(above) => chain(held, above),
        Request::Subtrees(parts) => subtrees(held, parts),
        Request::Window(at) => items(held.and_then(|_| window(at, ledger)), 0),
        Request::Seals(next) => seals(held, next, ledger),
        Request::Statements(named) => statements(held.is_some(), named, ledger),
        Request::Open(parts) => open(held, parts),
        Request::Peers(page) => {
            let others = handed.of(page).into_iter().filter(|beacon| beacon.key() != *peer);
            let beacons = others.map(|beacon| beacon.bytes().to_vec());
            write_items(beacons.filter(|_| held.is_some()), usize::MAX)
        }
        Request::Forks(_) => {
            let forks = held.map(|held| held.forks).unwrap_or_default();
            write_items(forks.open().map(SealRecord::encode), SEAL_BYTES_MAX)
        }
        Request::Petition(petition) => codec::encode(&ledger.petition(address, &petition.0)),
        Request::Fate(fate) => codec::encode(&ledger.fate(&fate.page, &fate.petition)),
    })
}

/// None, or one.
fn items(item: Option<Vec<u8>>, bytes_max: usize) -> Vec<u8> {
    write_items(item, bytes_max)
}

fn standings(pages: &[Id], ledger: &dyn Ledger) -> Vec<u8> {
    let held = pages.iter().filter_map(|page| ledger.held(page));
    codec::encode(&held.map(|held| Standing::of(&held)).collect::<Vec<_>>())
}

fn chain(held: Option<Held>, above: &Above) -> Vec<u8> {
    let proofs = held.map(|held| held.ladder.above(above.height)).unwrap_or_default();
    write_items(proofs.iter().map(ChainProof::encode), CHAIN_PROOF_BYTES_MAX)
}

fn subtrees(held: Option<Held>, parts: &Parts) -> Vec<u8> {
    let Some(held) = held else { return write_items([], 0) };
    let shown = shown(held.governance.page().state(), parts, PIECE_BYTES_MAX);
    write_items(shown, ANSWER_BYTES_MAX - 64)
}

/// For each row the part that hangs there, if it is the one that is asked for.
fn shown<'a>(
    trie: &'a Trie,
    asked: &'a Parts,
    bytes_max: u32,
) -> impl Iterator<Item = Vec<u8>> + use<'a> {
    asked.parts.iter().map(move |part| {
        let is_there = trie.hash_at(&part.path) == Some(part.hash);
        let bytes_max = part.bytes_max.min(bytes_max) as usize;
        let piece = is_there.then(|| trie.piece(&part.path, bytes_max)).flatten();
        piece.map(|piece| parts::write(&piece)).unwrap_or_default()
    })
}

/// Parts of the open set as it is now: of one that has changed what is still the same.
fn open(held: Option<Held>, parts: &Parts) -> Vec<u8> {
    let Some(held) = held else {
        return codec::encode(&OpenAnswer { root: Id::ZERO, parts: Vec::new() });
    };
    let shown = shown(&held.open, parts, OPEN_PIECE_BYTES as u32);
    let parts = shown.map(|part| Rdata(part.into())).collect();
    codec::encode(&OpenAnswer { root: held.open.root(), parts })
}

/// A seal of the page, if it is the newest or one of those right below.
fn record(held: &Held, ledger: &dyn Ledger, id: &Id) -> Option<SealRecord> {
    let page = held.governance.page().id();
    SealRecord::decode(&ledger.stored(&page, id)?).ok()
}

/// The window down from this seal, while it is the newest.
fn window(at: &At, ledger: &dyn Ledger) -> Option<Vec<u8>> {
    if ledger.held(&at.page)?.governance.page().seal() != at.seal {
        return None;
    }
    let window = ledger.window(&at.page)?;
    let newest = window.seals.first().map(|(seal, _)| seal.id());
    (newest == Some(at.seal)).then(|| Window::encode(&window))
}

/// The statements of these ids, and with each batch its operations, all in the order in which they rest on
/// each other.
fn statements(is_held: bool, named: &Named, ledger: &dyn Ledger) -> Vec<u8> {
    let mut room = ANSWER_BYTES_MAX - 64;
    let mut fits = |bytes: &Vec<u8>| {
        let left = room.checked_sub(bytes.len() + 64);
        left.map(|left| room = left).is_some()
    };
    let stored = |id: &Id| ledger.stored(&named.page, id).filter(|_| is_held);
    let asked: Vec<Vec<u8>> = named.ids.iter().filter_map(stored).take_while(&mut fits).collect();
    let (mut operations, mut others) = (Vec::new(), Vec::new());
    for bytes in asked {
        let listed = operations_of(&bytes).unwrap_or_default();
        let listed = listed.iter().filter(|id| named.ids.binary_search(id).is_err());
        // All of them or none: the others are found by comparing.
        let listed: Option<Vec<Vec<u8>>> = listed.map(|id| stored(id).filter(&mut fits)).collect();
        operations.extend(listed.unwrap_or_default());
        match kind_of(&bytes) == Some(Kind::Operation) {
            true => operations.push(bytes),
            false => others.push(bytes),
        }
    }
    let items = operations.iter().chain(&others).map(Vec::as_slice);
    pack::pack(items, Common::page(&named.page))
}

pub(super) fn kind_of(bytes: &[u8]) -> Option<Kind> {
    // An array of four that begins with its kind, as a seal's record does not.
    let kind = bytes.strip_prefix(&[0x94])?.first()?;
    Kind::from_tag(*kind)
}

/// What a batch lists; none of anything else.
pub(super) fn operations_of(bytes: &[u8]) -> Option<Vec<Id>> {
    kind_of(bytes).filter(|kind| *kind == Kind::Batch)?;
    let batch = Statement::reopen(bytes).ok()?;
    batch.as_batch().map(|batch| batch.operations.clone())
}

/// The records of the next seals, if they are few and all there, with what they list, if that is asked for;
/// before them an octet with a bit for each
/// of the named batches that is here.
fn seals(held: Option<Held>, next: &Next, ledger: &dyn Ledger) -> Vec<u8> {
    let Some(held) = held else { return Vec::new() };
    let newest = held.governance.page().head();
    let top = newest.height.min(next.height.saturating_add(SEALS_REPLAYED_MAX as u64));
    let behind = top.saturating_sub(next.height);
    // Whoever is further behind asks for the state; for evidence (T4) those are wanted that follow.
    let mut heads = held.governance.known_seals();
    let head =
        if top == newest.height { Some(newest) } else { heads.find(|head| head.height == top) };
    let Some(mut id) = head.filter(|_| behind > 0).map(|head| head.seal) else { return Vec::new() };
    let mut records = Vec::new();
    while (records.len() as u64) < behind {
        let Some(record) = record(&held, ledger, &id) else { return Vec::new() };
        id = record.seal.previous;
        records.push(record);
    }
    let (mut items, mut room) = (Vec::new(), ANSWER_BYTES_MAX - 64);
    for record in records.iter().rev().take(SEALS_REPLAYED_MAX) {
        let bytes = record.encode();
        let left = room.checked_sub(bytes.len() + 64);
        if left.is_none() && !items.is_empty() {
            break;
        }
        room = left.unwrap_or(0);
        if next.whole {
            items.extend(listed(record, ledger, &mut room));
        }
        items.push(bytes);
    }
    let (common, here) = next.common(ledger, u8::MAX);
    [vec![here], pack::pack(items.iter().map(Vec::as_slice), common)].concat()
}

/// What a seal lists, operations first, if all of it is here and has room; else nothing.
fn listed(record: &SealRecord, ledger: &dyn Ledger, room: &mut usize) -> Vec<Vec<u8>> {
    let Contents { presences, operations, batches, ballots } = &record.contents;
    let ids = operations.iter().chain(presences).chain(batches).chain(ballots);
    let mut left = Some(*room);
    let found = ids.map(|id| {
        let bytes = ledger.stored(&record.seal.page, id)?;
        left = left?.checked_sub(bytes.len() + 64);
        left.map(|_| bytes)
    });
    let found: Option<Vec<Vec<u8>>> = found.collect();
    *room = left.filter(|_| found.is_some()).unwrap_or(*room);
    found.unwrap_or_default()
}

impl Next {
    /// What both sides have: of the named batches those that are here and have their bit set. Also which
    /// those are.
    pub(super) fn common(&self, ledger: &dyn Ledger, bits: u8) -> (Common, u8) {
        let mut here = 0;
        let mut batches = Vec::new();
        for (n, id) in self.batches.iter().enumerate().take(SEALS_BATCHES_MAX) {
            let bytes = ledger.stored(&self.page, id).filter(|_| bits & 1 << n != 0);
            if let Some(operations) = bytes.and_then(|bytes| operations_of(&bytes)) {
                here |= 1 << n;
                batches.push((*id, operations));
            }
        }
        let rows = batches.iter().map(|(id, operations)| (id, &operations[..]));
        (Common::page(&self.page).with_batches(rows), here)
    }
}
