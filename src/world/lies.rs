//! Liars: nodes whose ledger says what is not so. The machine that speaks for them is the honest one,
//! so that they lie as well as anybody can.

use std::{cell::RefCell, collections::BTreeMap, net::SocketAddr, sync::Arc};

use super::{chance::Chance, people, scenario::Lie};
use crate::{
    governance::{
        ballot::Choice,
        jump::{Snapshot, Window},
        seal::SealRecord,
    },
    id::Id,
    key::PublicKey,
    page::trie::Trie,
    sync::{Held, Ledger, Refused, Sealed, Stashed, Verdict, message::PetitionAnswer},
};

/// What a node says besides, and in place of, what it holds.
#[derive(Clone, Default)]
pub struct Tale {
    pub lies: Vec<Lie>,
    /// Statements by page and id that its own page would not take.
    pub more: BTreeMap<Id, BTreeMap<Id, Vec<u8>>>,
    /// Where its pages stood in the beginning.
    pub first: BTreeMap<Id, Held>,
    /// The open sets that were told last, with the roots of those that are so.
    told: RefCell<BTreeMap<Id, Open>>,
}

/// An open set with more in it: the root of the one that is so, and how many more.
type Open = (Id, usize, Arc<Trie>);

/// The ledger of a node as its tale has it.
pub struct Told<'a> {
    pub node: &'a dyn Ledger,
    pub tale: &'a Tale,
}

impl Tale {
    /// An open set with more in it.
    fn open(&self, page: &Id, open: &Arc<Trie>, more: &BTreeMap<Id, Vec<u8>>) -> Arc<Trie> {
        let (root, count) = (open.root(), more.len());
        let mut told = self.told.borrow_mut();
        if let Some((of, with, open)) = told.get(page)
            && (*of, *with) == (root, count)
        {
            return open.clone();
        }
        let mut all = Trie::clone(open);
        more.keys().for_each(|id| all.insert(*id, Vec::new()));
        let all = Arc::new(all);
        told.insert(*page, (root, count, all.clone()));
        all
    }

    fn tells(&self, lie: Lie) -> bool {
        self.lies.contains(&lie)
    }

    /// Changes an answer on its way.
    pub fn garble(&self, answer: &mut Vec<u8>, chance: &mut Chance) {
        if !self.tells(Lie::Garbled) || answer.is_empty() {
            return;
        }
        let at = chance.below(answer.len() as u64) as usize;
        match chance.below(3) {
            0 => answer.truncate(at),
            1 => answer[at] ^= 1 << chance.below(8),
            _ => answer.extend_from_within(at..),
        }
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
        let first = self.tale.first.get(page).filter(|_| self.tale.tells(Lie::Old));
        let mut held = first.cloned().or_else(|| self.node.held(page))?;
        if let Some(more) = self.tale.more.get(page) {
            held.open = self.tale.open(page, &held.open, more);
        }
        Some(held)
    }

    fn stored(&self, page: &Id, id: &Id) -> Option<Vec<u8>> {
        if let Some(bytes) = self.tale.more.get(page).and_then(|more| more.get(id)) {
            return Some(bytes.clone());
        }
        Some(self.tale.spoil(page, self.node.stored(page, id)?))
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

    fn stash(&self, page: &Id, genesis: Option<&[u8]>, leaves: &[(Id, Vec<u8>)]) {
        Ledger::stash(self.node, page, genesis, leaves);
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
