//! The DNS face: questions in, answers out, from an immutable view of the pages.
//!
//! [`View`] holds prebuilt answers; [`Answer`] decides; [`respond`] turns the bytes of a query
//! into the bytes of a response, with no clock, no lock and no socket. [`Service`] adds what is
//! resolved elsewhere, and [`Listeners`] connects it to the network, over UDP and TCP. Usual questions
//! over UDP are answered by copying ([`fast`]): in every octet the same, and nothing is allocated. Nothing here
//! knows governance, storage or verification: whoever holds a new truth makes a new view and swaps
//! it in, and no answer ever waits for that.
//!
//! [`Face`] gives the same answers to hickory-server. No door uses it: hickory-server's loops have no
//! limits, for TLS, HTTPS and QUIC as for TCP. It is a second writer of every answer, by another hand,
//! to which tests hold the first.
//!
//! A name that is special ([`Special`]) is answered at once, one below [`suffix::SUFFIX`] from the
//! pages, and one that the public DNS has too is outside of them ([`View::collides`]). Names outside
//! the pages go to [`Forward`], which asks others: RA says whether there is one, and is 0 in what
//! [`respond`] says. A name that leads to a page which is not here waits a while for [`Fetch`].

pub mod access;
mod additional;
pub mod answer;
pub mod batch;
pub mod cookie;
pub mod counters;
mod crowd;
pub mod encrypted;
pub mod face;
mod farewell;
pub mod fast;
pub mod fetch;
mod follow;
pub mod forward;
pub mod holder;
pub mod icann;
pub mod listeners;

mod names;
pub mod node;
pub mod options;
pub mod path;
mod processor;
pub mod query;
mod replies;
pub mod service;
pub mod source;
pub mod special;
mod stream;
pub mod suffix;
mod table;
pub mod transfer;
pub mod upstream;
pub mod view;
pub mod wire;
pub mod witness;
mod workers;

pub use access::Access;
pub use answer::{Answer, Rcode};
pub use cookie::Cookies;

pub use counters::Counters;
pub use encrypted::{Encrypted, Places, Tls};
pub use face::Face;
pub use fetch::{Fetch, Lacking};
pub use forward::Forward;
pub use holder::Holder;
pub use listeners::{ListenError, Listeners, Serving};
pub use options::Client;
pub use query::Query;
pub use service::{Outside, Reply, Seeking, Service, Wanted};
pub use source::{Source, Told};
pub use special::Special;
pub use transfer::Transfers;
pub use upstream::{Overrides, Upstream, Upstreams};
pub use view::{ImageFault, PageMeta, PageView, Trouble, View};
pub use wire::Transport;
pub use witness::Witness;

use crate::limits::UDP_ANSWER_BYTES_MAX;

/// Seconds that the addresses of `localhost.` may be cached (choice: they never change).
const LOCALHOST_TTL: u32 = 86_400;

/// Answers the bytes of one message completely.
///
/// `None` means silence: the message is shorter than a header or is itself a response. Anything
/// else gets an answer, if only FORMERR. No bytes make this panic.
pub fn respond(view: &View, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
    let query = Query::read(query)?;
    let answer = Answer::of(view, &query);
    Some(wire::write(&query, &answer, transport))
}

/// Answers the bytes of one message over UDP as [`respond`] does, if it is a usual question: see [`fast`].
pub fn respond_at_once(view: &View, query: &[u8]) -> Option<Vec<u8>> {
    let (mut path, mut room) = (path::Path::ROOT, [0; UDP_ANSWER_BYTES_MAX as usize]);
    let written = fast::answer(view, query, false, &mut path, &mut room)?;
    Some(room[..written.len].to_vec())
}
