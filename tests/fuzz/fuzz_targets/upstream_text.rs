//! Any bytes for `upstream_text`; see the body.
#![no_main]

#[path = "../bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::upstream_text(bytes));
