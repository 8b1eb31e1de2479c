//! Any bytes for `resolv_conf`; see the body.
#![no_main]

#[path = "../bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::resolv_conf(bytes));
