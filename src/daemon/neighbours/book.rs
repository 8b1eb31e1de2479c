//! The address book between two runs: whom this node knows, and who lied (N7).

use super::Shared;
use crate::{
    ambient,
    daemon::node::Node,
    id::Id,
    store::Note,
    sync::{Book, Sync},
};

/// Whether this node remembers others.
pub fn are_remembered(node: &Node) -> bool {
    let written = node.store.note(Note::Peers).unwrap_or_default();
    let book = Book::read(&written, node.key(), 0);
    book.is_ok_and(|book| !book.is_empty())
}

impl Shared {
    /// A machine that knows whom this node knew.
    pub(super) fn machine(&self) -> Sync {
        let [seed, book_seed, ..] = ambient::random_words();
        let me = self.node.key();
        match self.read_book(book_seed) {
            Some(book) => Sync::with_book(me, seed, self.own_beacon(), book),
            None => Sync::new(me, seed, self.own_beacon()),
        }
    }

    fn read_book(&self, seed: u64) -> Option<Book> {
        let me = self.node.key();
        let read = self.node.store.note(Note::Peers).map_err(anyhow::Error::from);
        let book = read.and_then(|bytes| match bytes.is_empty() {
            true => Ok(None),
            false => Ok(Some(Book::read(&bytes, me, seed)?)),
        });
        book.unwrap_or_else(|error| {
            tracing::warn!("nodes that were known before are forgotten: {error:#}");
            None
        })
    }

    /// Writes down whom the machine knows, unless that is what was written before. Returns what is.
    pub(super) fn save_book(&self, machine: &Sync, before: Option<Id>) -> Option<Id> {
        let book = machine.book().write();
        let digest = Some(Id::hash(&[&book]));
        if digest == before {
            return before;
        }
        match self.node.store.set_note(Note::Peers, &book) {
            Ok(()) => digest,
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::warn!("the nodes that are known are not written down: {error}");
                None
            }
        }
    }
}
