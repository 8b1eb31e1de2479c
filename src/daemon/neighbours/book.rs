//! The address book between two runs: whom this node knows, and who lied (N7).

use super::Shared;
use crate::{
    ambient,
    daemon::node::Node,
    id::Id,
    store::Note,
    sync::{Book, Sync},
};

/// Whom this node knew when it wrote that down last; nobody, where that cannot be read.
pub fn remembered(node: &Node) -> Book {
    let ([seed, ..], me) = (ambient::random_words(), node.key());
    let read = node.store.note(Note::Peers).map_err(anyhow::Error::from);
    let book = read.and_then(|bytes| match bytes.is_empty() {
        true => Ok(Book::new(me, seed)),
        false => Ok(Book::read(&bytes, me, seed)?),
    });
    book.unwrap_or_else(|error| {
        tracing::warn!("nodes that were known before are forgotten: {error:#}");
        Book::new(me, seed)
    })
}

impl Shared {
    /// A machine that knows these nodes.
    pub(super) fn machine(&self, known: Book) -> Sync {
        let [seed, ..] = ambient::random_words();
        Sync::with_book(self.node.key(), seed, self.own_beacon(), known)
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
