//! Liars: nodes whose ledger says what is not so. The machine that speaks for them is the honest one,
//! so that they lie as well as anybody can.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use super::{chance::Chance, people, scenario::Lie};
use crate::{
    beacon::Beacon,
    governance::{
        ballot::Choice,
        jump::{Snapshot, Window},
        seal::SealRecord,
    },
    id::{Id, Kind},
    key::PublicKey,
    page::{codec, entry::Rdata, trie::Trie},
    sync::{
        Held, Ledger, Refused, Sealed, Stashed, Verdict,
        message::{Notice, PetitionAnswer, Request},
        pack::{self, Common},
    },
};

/// Of ten thousand pieces whoever withholds keeps so many (choice).
const PIECES_KEPT: u64 = 7_500;

/// What a node says besides, and in place of, what it holds.
#[derive(Clone, Default)]
pub struct Tale {
    pub lies: Vec<Lie>,
    /// Statements by page and id that its own page would not take.
    pub more: BTreeMap<Id, BTreeMap<Id, Vec<u8>>>,
    /// Whom it keeps ballots from, if it does.
    pub kept: Option<KeptFrom>,
    /// Where its pages stood when it spoke of them first.
    first: RefCell<BTreeMap<Id, Held>>,
    /// The open sets that were told last, with the roots of those that are so.
    told: RefCell<BTreeMap<(Id, bool), Open>>,
}

/// Who is not told of ballots.
#[derive(Clone)]
pub enum KeptFrom {
    All,
    These(BTreeSet<PublicKey>),
}

/// An open set with more in it, or less: the root of the one that is so, and how many more.
type Open = (Id, usize, Arc<Trie>);

/// The ledger of a node as its tale has it.
pub struct Told<'a> {
    pub node: &'a dyn Ledger,
    pub tale: &'a Tale,
    /// Whom it is told to; none: to all.
    pub to: Option<&'a PublicKey>,
}

impl Tale {
    /// An open set with more in it, and without ballots where these are kept.
    fn open(&self, page: &Id, open: &Arc<Trie>, kept: Option<&dyn Ledger>) -> Arc<Trie> {
        let more = self.more.get(page);
        let (root, count) = (open.root(), more.map_or(0, BTreeMap::len));
        let mut told = self.told.borrow_mut();
        let at = (*page, kept.is_some());
        if let Some((of, with, open)) = told.get(&at)
            && (*of, *with) == (root, count)
        {
            return open.clone();
        }
        let mut all = Trie::clone(open);
        more.into_iter().flat_map(BTreeMap::keys).for_each(|id| all.insert(*id, Vec::new()));
        if let Some(ledger) = kept {
            let is_ballot =
                |id: &Id| ledger.stored(page, id).is_some_and(|bytes| is_ballot(&bytes));
            let rest = all.iter().map(|(id, _)| *id).filter(|id| !is_ballot(id));
            all = Trie::from_pairs(rest.map(|id| (id, Box::default())));
        }
        let all = Arc::new(all);
        told.insert(at, (root, count, all.clone()));
        all
    }

    /// Whether ballots are kept from this one; none: from all.
    fn keeps_ballots(&self, from: Option<&PublicKey>) -> bool {
        match (&self.kept, from) {
            (None, _) | (Some(KeptFrom::These(_)), None) => false,
            (Some(KeptFrom::All), _) => true,
            (Some(KeptFrom::These(these)), Some(key)) => these.contains(key),
        }
    }

    /// Whether a notice is not sent to this one.
    pub fn keeps(&self, notice: &[u8], to: &PublicKey) -> bool {
        let is_of_some = matches!(self.kept, Some(KeptFrom::These(_)));
        is_of_some
            && self.keeps_ballots(Some(to))
            && matches!(Notice::decode(notice), Ok(Notice::News(_)))
    }

    fn tells(&self, lie: Lie) -> bool {
        self.lies.contains(&lie)
    }

    /// Changes an answer on its way. Returns whether everybody sees now that it is false.
    pub fn change(&self, request: &[u8], answer: &mut Vec<u8>, chance: &mut Chance) -> bool {
        let is_false = self.change_items(request, answer, chance).unwrap_or(false);
        if self.tells(Lie::Garbled) && !answer.is_empty() {
            garble(answer, chance);
            return false;
        }
        is_false
    }

    /// Changes what an answer lists.
    fn change_items(
        &self,
        request: &[u8],
        answer: &mut Vec<u8>,
        chance: &mut Chance,
    ) -> Option<bool> {
        let asked = Request::decode(request).ok()?;
        let packed = match &asked {
            Request::Statements(named) => Some(named.page),
            _ => None,
        };
        let mut items = match &packed {
            Some(page) => asked.read_packed(answer, |_| Some(Common::page(page))).ok()?,
            None => asked.read_items(answer).ok()?,
        };
        let is_piece = matches!(asked, Request::Subtrees(_));
        let is_spoiled = [Lie::Corrupt, Lie::Forged, Lie::OtherPage].iter().any(|l| self.tells(*l));
        if self.tells(Lie::Withholds) {
            match asked {
                Request::Subtrees(_) => {
                    let kept = items.iter_mut().filter(|_| chance.happens(PIECES_KEPT));
                    kept.for_each(|item| *item = Rdata(Box::default()));
                }
                Request::Statements(_) | Request::Window(_) | Request::Chain(_) => {
                    items.retain(|_| !chance.happens(PIECES_KEPT));
                }
                _ => {}
            }
        }
        if is_piece && self.tells(Lie::Corrupt) {
            for last in items.iter_mut().filter_map(|item| item.0.last_mut()) {
                *last ^= 1;
            }
        }
        *answer = match &packed {
            Some(page) => pack::pack(items.iter().map(|item| &item.0[..]), Common::page(page)),
            None => codec::encode(&items),
        };
        let is_shown = items.iter().any(|item| !item.0.is_empty());
        let is_read = match asked {
            Request::Subtrees(_) => self.tells(Lie::Corrupt),
            Request::Statements(_) => is_spoiled,
            _ => false,
        };
        Some(is_shown && is_read)
    }

    /// Whether everything is said twice.
    pub fn repeats(&self) -> bool {
        self.tells(Lie::Repeats)
    }

    fn spoil(&self, page: &Id, mut bytes: Vec<u8>) -> Vec<u8> {
        let middle = bytes.len() / 2;
        if self.tells(Lie::Corrupt)
            && let Some(last) = bytes.last_mut()
        {
            *last ^= 1;
        }
        if self.tells(Lie::Forged)
            && let Some(byte) = bytes.get_mut(middle)
        {
            *byte ^= 0x10;
        }
        if self.tells(Lie::OtherPage) {
            let key = people::key("nobody");
            let other = Id::hash(&[b"another page than", page.as_bytes()]);
            let ballot = people::ballot(&key, 1, vec![(*page, Choice::Approve)]);
            bytes = people::sign_unchecked(&other, &ballot, &key).1;
        }
        bytes
    }
}

impl Ledger for Told<'_> {
    fn me(&self) -> PublicKey {
        self.node.me()
    }

    fn pages(&self) -> Vec<Id> {
        self.node.pages()
    }

    fn held(&self, page: &Id) -> Option<Held> {
        let mut held = self.node.held(page)?;
        if self.tale.tells(Lie::Old) {
            let mut first = self.tale.first.borrow_mut();
            held = first.entry(*page).or_insert(held).clone();
        }
        let is_kept = self.tale.keeps_ballots(self.to);
        if is_kept || self.tale.more.contains_key(page) {
            held.open = self.tale.open(page, &held.open, is_kept.then_some(self.node));
        }
        Some(held)
    }

    fn beacons(&self, page: &Id) -> Vec<Beacon> {
        self.node.beacons(page)
    }

    fn stored(&self, page: &Id, id: &Id) -> Option<Vec<u8>> {
        if let Some(bytes) = self.tale.more.get(page).and_then(|more| more.get(id)) {
            return Some(bytes.clone());
        }
        let bytes = self.node.stored(page, id)?;
        if self.to.is_some() && self.tale.keeps_ballots(self.to) && is_ballot(&bytes) {
            return None;
        }
        Some(self.tale.spoil(page, bytes))
    }

    fn window(&self, page: &Id) -> Option<Window> {
        Ledger::window(self.node, page)
    }

    fn admit(&self, page: &Id, from: &PublicKey, statements: Vec<Vec<u8>>) -> Vec<Verdict> {
        self.node.admit(page, from, statements)
    }

    fn follow(&self, page: &Id, from: &PublicKey, seals: Vec<Sealed>) -> Result<usize, Refused> {
        self.node.follow(page, from, seals)
    }

    fn adopt(&self, snapshot: Snapshot) -> Result<(), Refused> {
        Ledger::adopt(self.node, snapshot)
    }

    fn stash(
        &self,
        page: &Id,
        genesis: Option<&[u8]>,
        leaves: &[(Id, Vec<u8>)],
    ) -> Result<(), String> {
        Ledger::stash(self.node, page, genesis, leaves)
    }

    fn stashed(&self, page: &Id) -> Stashed {
        Ledger::stashed(self.node, page)
    }

    fn forks(&self, page: &Id, from: &PublicKey, evidence: Vec<SealRecord>) -> Vec<Verdict> {
        self.node.forks(page, from, evidence)
    }

    fn petition(&self, from: SocketAddr, bytes: &[u8]) -> PetitionAnswer {
        self.node.petition(from, bytes)
    }

    fn fate(&self, page: &Id, petition: &Id) -> PetitionAnswer {
        self.node.fate(page, petition)
    }
}

/// Whether a statement is a ballot, by the tag of its envelope.
fn is_ballot(bytes: &[u8]) -> bool {
    bytes.get(1) == Some(&(Kind::Ballot as u8))
}

/// Cuts an answer, changes a bit of it, or says a part of it twice.
fn garble(answer: &mut Vec<u8>, chance: &mut Chance) {
    let at = chance.below(answer.len() as u64) as usize;
    match chance.below(3) {
        0 => answer.truncate(at),
        1 => answer[at] ^= 1 << chance.below(8),
        _ => answer.extend_from_within(at..),
    }
}
