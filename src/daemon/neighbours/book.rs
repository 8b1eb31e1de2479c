//! The address book between two runs: whom this node knows, and who lied (N7).

use super::Shared;
use crate::{
    ambient,
    store::Note,
    sync::{Book, Sync},
};

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

    /// Writes down whom the machine knows.
    pub(super) fn save_book(&self, machine: &Sync) {
        if let Err(error) = self.node.store.set_note(Note::Peers, &machine.book().write()) {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::warn!("the nodes that are known are not written down: {error}");
        }
    }
}
