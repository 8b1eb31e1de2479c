//! Any bytes for `upstream_response`; see the body.
#![no_main]

#[path = "../bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::upstream_response(bytes));
