//! djdns: a naming system of signed pages, governed by their participants, served as DNS on
//! localhost.
//!
//! What is true stands in [`protocol`]. Where it lives is the house below: a file imports from its
//! own floor or from a lower one, never upward, and siblings on floors 2 and 3 do not know each
//! other. `tests/tidy.rs` holds the code to this, and to the rule index.
//!
//! ```text
//! floor 4  main, cli, config, daemon,       wiring; the only real clock and randomness
//!          demo, ambient, world
//! floor 3  dns, http, control               faces: read an immutable view, submit statements
//! floor 2  network, discovery, transfer     drivers: execute what the pure machines decide
//! floor 1  store, content                   disk
//! floor 0  limits, time, id, key, page,      pure: no clock, no randomness, no runtime, no files,
//!          governance, beacon, sync          no sockets
//! ```
//!
//! # Rule index
//!
//! Every rule of the protocol, the modules that hold it, and whether it is `built`, `partly` built
//! or comes `later`. What is built, even partly, has a test that says `/// P1 accepts: …` and one
//! that says `/// P1 refuses: …`; the modules named here mention the rule's id.
//!
//! | rule | held by | status |
//! |------|---------|--------|
//! | P1 | [`page::codec`], [`governance::envelope`], [`governance::statement`] | built |
//! | P2 | [`id`] | built |
//! | P3 | [`id`], [`key`], [`governance::envelope`] | partly |
//! | P4 | [`key`] | partly |
//! | P5 | [`limits`], [`governance`], [`governance::statement`] | built |
//! | P6 | [`page`], [`page::genesis`], [`dns::view`], `daemon::node::admission` | built |
//! | P7 | [`page::record`], [`page::rdata`], [`page::entry`] | built |
//! | P8 | [`page::entry`], [`page::rdata`], [`page::apex`], [`page::zonefile`] | built |
//! | P9 | [`page`], [`page::trie`] | built |
//! | G1 | [`page::genesis`], [`governance::tally`] | built |
//! | G2 | [`page::genesis`] | built |
//! | G3 | [`governance::operation`], `governance::soft`, [`page`] | built |
//! | G4 | [`governance::operation`], `governance::roster`, [`governance::sealing`] | built |
//! | G5 | `governance::admission`, [`governance::ballot`] | built |
//! | G5b | [`governance`], [`governance::ballot`] | built |
//! | G6 | [`governance::presence`], `governance::lend` | built |
//! | G7 | [`governance::flow`], `governance::lend` | built |
//! | G8 | [`governance::tally`], `governance::soft` | built |
//! | G9 | [`governance`], `governance::soft` | built |
//! | G10 | [`governance::past`], `governance::closing`, `governance::soft` | built |
//! | G11 | `governance::evidence`, `governance::admission`, `governance::lend` | built |
//! | G12 | `cli::page::survival` | built |
//! | G13 | [`governance::petition`], [`governance::petition::inbox`], [`sync::outbox`], `daemon::outbox`, `daemon::inbox` | built |
//! | S1 | [`governance::seal`], `governance::closing` | built |
//! | S2 | [`governance::seal`] | built |
//! | S3 | [`governance::seal`] | partly |
//! | S4 | [`governance::sealing`] | built |
//! | S5 | `store::journal`, `daemon::sealing`, `daemon::hearing` | partly |
//! | S6 | [`governance::sealing`], `daemon::sealing` | built |
//! | S7 | [`governance::solo`], `daemon::sealing` | built |
//! | S8 | [`governance::solo`], `daemon::status` | built |
//! | T1 | [`governance::chain`], [`governance::chain::ladder`], `daemon::verify` | built |
//! | T2 | `daemon::anchors`, `daemon::node::admission`, [`dns::view`] | built |
//! | T3 | [`governance::jump`], `daemon::carry`, `daemon::choosing` | built |
//! | T4 | [`governance::forks`], `daemon::forks`, `daemon::choosing`, `daemon::carry`, `daemon::ledger`, `daemon::sealing`, [`daemon::whole`], [`sync`] | built |
//! | T5 | [`sync`], `sync::session` | built |
//! | T6 | [`governance::attest`], [`governance::field`], `governance::field::picture`, [`daemon::freshness`] | built |
//! | T7 | [`governance::field`], `daemon::carry`, `daemon::adopt` | built |
//! | N1 | [`network`], [`network::tls`] | built |
//! | N2 | [`sync`], `sync::sought`, `sync::page`, [`dns::fetch`], `daemon::neighbours::misses`, `daemon::eviction` | built |
//! | N3 | [`sync`], `sync::compare`, `sync::chase` | built |
//! | N4 | [`sync`], `sync::due` | built |
//! | N5 | [`page::trie`], [`governance::jump`], `sync::snapshot`, `daemon::adopt` | built |
//! | N6 | [`network`], [`network::wire`], [`sync`], [`sync::message`], `sync::session` | built |
//! | N7 | `sync::book`, `sync::book::group` | built |
//! | N8 | `daemon::wishes`, `daemon::carry`, `cli::page::carry`, `cli::page::follow`, [`sync`] | built |
//! | D1 | [`beacon`], `beacon::code` | built |
//! | D2 | [`discovery`], `discovery::broadcast`, `discovery::lan` | built |
//! | D3 |  | later |
//! | D4 |  | later |
//! | D5 | [`sync`], `sync::meet` | built |
//! | D6 | `beacon::pages` | built |
//! | C1 |  | later |
//! | C2 |  | later |
//! | C3 |  | later |

// Here and not in Cargo.toml: the helpers of integration tests may unwrap.
#![warn(clippy::unwrap_used)]

pub mod ambient;
pub mod beacon;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod demo;
pub mod discovery;
pub mod dns;
pub mod governance;
pub mod http;
pub mod id;
pub mod key;
pub mod limits;
pub mod network;
pub mod page;
pub mod store;
pub mod sync;
pub mod time;
pub mod world;
#[doc = include_str!("protocol.md")]
pub mod protocol {}
