//! djdns: a naming system of signed pages, governed by their participants, served as DNS on
//! localhost.
//!
//! What is true stands in [`protocol`]. Where it lives is the house below: a file imports from its
//! own floor or from a lower one, never upward, and siblings on floors 2 and 3 do not know each
//! other. `tests/tidy.rs` holds the code to this, and to the rule index.
//!
//! ```text
//! floor 4  main, cli, config, daemon, demo  wiring; the only real clock and randomness
//! floor 3  dns, http, control               faces: read an immutable view, submit statements
//! floor 2  network, discovery, transfer     drivers: execute what the pure machines decide
//! floor 1  store, content                   disk
//! floor 0  limits, id, key, beacon, page,   pure: no clock, no randomness, no runtime, no files,
//!          governance, sync                 no sockets
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
//! | P1 | [`page::codec`] | built |
//! | P2 | [`id`] | built |
//! | P3 | [`id`], [`key`] | partly |
//! | P4 | [`key`] | partly |
//! | P5 |  | later |
//! | P6 |  | later |
//! | P7 | [`page::record`] | partly |
//! | P8 |  | later |
//! | P9 |  | later |
//! | G1 |  | later |
//! | G2 |  | later |
//! | G3 |  | later |
//! | G4 |  | later |
//! | G5 |  | later |
//! | G5b |  | later |
//! | G6 |  | later |
//! | G7 |  | later |
//! | G8 |  | later |
//! | G9 |  | later |
//! | G10 |  | later |
//! | G11 |  | later |
//! | G12 |  | later |
//! | G13 |  | later |
//! | S1 |  | later |
//! | S2 |  | later |
//! | S3 |  | later |
//! | S4 |  | later |
//! | S5 |  | later |
//! | S6 |  | later |
//! | S7 |  | later |
//! | S8 |  | later |
//! | T1 |  | later |
//! | T2 |  | later |
//! | T3 |  | later |
//! | T4 |  | later |
//! | T5 |  | later |
//! | T6 |  | later |
//! | T7 |  | later |
//! | N1 |  | later |
//! | N2 |  | later |
//! | N3 |  | later |
//! | N4 |  | later |
//! | N5 |  | later |
//! | N6 |  | later |
//! | N7 |  | later |
//! | N8 |  | later |
//! | D1 |  | later |
//! | D2 |  | later |
//! | D3 |  | later |
//! | D4 |  | later |
//! | D5 |  | later |
//! | D6 |  | later |
//! | C1 |  | later |
//! | C2 |  | later |
//! | C3 |  | later |

// Here and not in Cargo.toml: the helpers of integration tests may unwrap.
#![warn(clippy::unwrap_used)]

pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod demo;
pub mod dns;
pub mod governance;
pub mod id;
pub mod key;
pub mod limits;
pub mod page;
pub mod store;
#[doc = include_str!("protocol.md")]
pub mod protocol {}
