//! What takes many packets or many connections, on a real daemon: a small version always, the whole
//! of it by hand.
//!
//! ```text
//! DJDNS_FULL=1 cargo test --release --test full -- --nocapture --test-threads 1
//!     10,000,000 fuzzed packets over UDP and TCP, memory within 5 % of that at 1,000,000;
//!     10,000 silent TCP connections, 200 slow writers and 200 that never read
//! DJDNS_FULL=1 cargo test --release --test crash kills
//!     500 kills under load in ten directories (tests/process/kills.rs)
//! benches/load_1m.sh and benches/answers_during.sh
//!     a page of 1,000,000 names: founded, started, imported while others are answered
//! DJDNS_SEED=7 cargo test --test peers
//!     other random questions to djdns, NSD, Knot and Unbound
//! ```
//!
//! `--test-threads 1` because the two here would measure each other.

mod endurance {
    pub mod crowd;
    pub mod fuzz;
    pub mod packets;
    pub mod process;
}
mod support {
    pub mod daemon;
    pub mod message;
    pub mod random;
}
