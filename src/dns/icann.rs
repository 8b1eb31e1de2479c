//! The top-level domains that the public DNS has, so that no page takes one of them over unseen.
//!
//! The list is a copy from the day that its head names: of a domain delegated since, nothing is known
//! here, and one taken back since is still held to be delegated. What follows for a name is decided by
//! [`super::View`].

use std::{collections::HashSet, sync::LazyLock};

use foldhash::quality::RandomState;

/// Whether ICANN delegates this label (lower case, as it stands in wire form) from the root.
pub fn is_delegated(label: &[u8]) -> bool {
    DELEGATED.contains(label)
}

static DELEGATED: LazyLock<HashSet<&[u8], RandomState>> =
    LazyLock::new(|| listed().map(str::as_bytes).collect());

fn listed() -> impl Iterator<Item = &'static str> {
    include_str!("icann.txt").lines().filter(|line| !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_has_nothing_but_labels() {
        assert!(listed().is_sorted_by(|a, b| a < b));
        let is_label = |text: &&str| {
            let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            (2..=63).contains(&text.len()) && text.bytes().all(fine)
        };
        assert!(listed().all(|text| is_label(&text)));
        assert!(DELEGATED.len() > 1400, "{}", DELEGATED.len());
    }

    #[test]
    fn what_is_delegated_is_known_and_what_is_reserved_is_not() {
        for label in ["com", "org", "de", "arpa", "ck", "music", "xn--p1ai", "zw", "aaa"] {
            assert!(is_delegated(label.as_bytes()), "{label}");
        }
        for label in ["ct", "onion", "local", "alt", "test", "invalid", "localhost", "", "co.uk"] {
            assert!(!is_delegated(label.as_bytes()), "{label}");
        }
    }
}
