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
    message::{Above, At, OpenAnswer, Parts, Request, Standing, write_items},
};
use crate::{
    beacon::Beacon,
    governance::{chain::ChainProof, jump::Window, seal::SealRecord},
    id::Id,
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
        Request::Seals(above) => seals(held, above, ledger),
        Request::Statements(named) => {
            let found = named.ids.iter().filter_map(|id| ledger.stored(&named.page, id));
            let fits = found.filter(|bytes| bytes.len() + 64 <= ANSWER_BYTES_MAX);
            write_items(fits.filter(|_| held.is_some()), ANSWER_BYTES_MAX - 64)
        }
        Request::Open(parts) => open(held, parts),
        Request::Peers(page) => {
            let others = handed.of(page).into_iter().filter(|beacon| beacon.key() != *peer);
            let beacons = others.map(|beacon| beacon.bytes().to_vec());
            write_items(beacons.filter(|_| held.is_some()), usize::MAX)
        }
        Request::Forks(_) => {
            let forks = held.map(|held| held.forks).unwrap_or_default();
            write_items(forks.iter().map(SealRecord::encode), SEAL_BYTES_MAX)
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
    parts: &'a Parts,
    bytes_max: u32,
) -> impl Iterator<Item = Vec<u8>> + use<'a> {
    parts.parts.iter().map(move |part| {
        let is_there = trie.hash_at(&part.path) == Some(part.hash);
        let bytes_max = part.bytes_max.min(bytes_max) as usize;
        let piece = is_there.then(|| trie.piece(&part.path, bytes_max)).flatten();
        piece.map(|piece| codec::encode(&piece)).unwrap_or_default()
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

/// The records of the next seals, if they are few and all there.
fn seals(held: Option<Held>, above: &Above, ledger: &dyn Ledger) -> Vec<u8> {
    let Some(held) = held else { return write_items([], 0) };
    let newest = held.governance.page().height();
    let behind = newest.saturating_sub(above.height);
    if behind == 0 || behind > SEALS_REPLAYED_MAX as u64 + 1 {
        return write_items([], 0);
    }
    let mut records = Vec::new();
    let mut next = held.governance.page().seal();
    while (records.len() as u64) < behind {
        let Some(record) = record(&held, ledger, &next) else { return write_items([], 0) };
        next = record.seal.previous;
        records.push(record);
    }
    let few = records.iter().rev().take(SEALS_REPLAYED_MAX);
    write_items(few.map(SealRecord::encode), ANSWER_BYTES_MAX)
}
