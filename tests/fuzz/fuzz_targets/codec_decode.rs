//! Any bytes: they are refused, or they are the one encoding of the entry that they decode to (P1).
#![no_main]

use djdns::page::{entry::Entry, name::Name};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entry) = Entry::decode(bytes, &Name::root()) {
        assert_eq!(entry.encode(), bytes, "a second spelling of an entry was accepted");
    }
});
