//! The demonstration identities: five moderators whose secret keys are public.
//!
//! Whoever reads this file can sign as any of them; a key made here is worth nothing. What they
//! found and vote on is not known here.

use crate::{id::Id, key::SecretKey};

/// Who they are.
pub const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

/// The key of one of [`NAMES`]: its seed is SHA-256 of `djdns/demo/` and the name.
pub fn key(name: &str) -> Option<SecretKey> {
    let seed = |name: &&str| *Id::hash(&[b"djdns/demo/", name.as_bytes()]).as_bytes();
    NAMES.iter().find(|known| **known == name).map(seed).map(|seed| SecretKey::from_seed(&seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_can_make_the_five_keys_and_no_others() {
        // printf %s djdns/demo/alice | sha256sum
        let seed = "6d73b575795c981624e0cff47186b79b4099b9e3da64c07ae6d324cb6fa3ce23";
        assert_eq!(
            key("alice").map(|key| Id::from_bytes(key.seed()).to_string()).as_deref(),
            Some(seed)
        );
        assert!(NAMES.iter().all(|name| key(name).is_some()));
        assert!(key("mallory").is_none());
    }
}
