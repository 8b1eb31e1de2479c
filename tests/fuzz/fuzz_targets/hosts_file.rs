//! Any bytes for `hosts_file`; see the body.
#![no_main]

#[path = "../bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::hosts_file(bytes));
