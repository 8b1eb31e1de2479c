//! Where an answer comes from: for counters, the query log, and whoever asks why.
//!
//! Nothing here decides anything.

use std::sync::Arc;

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// From nowhere: it is refused, or was no question.
    #[default]
    Nowhere,
    /// A page held here.
    Page,
    /// What is said of special names (RFC 6761), `localhost.` among them.
    Special,
    /// This machine's own files: overrides and the hosts file.
    Override,
    /// What an upstream said before.
    Cache,
    /// An upstream, just now.
    Forwarded,
    /// What an upstream said before, past its time (RFC 8767).
    Stale,
    /// An upstream should have said it, and none did.
    Failed,
}

impl Source {
    /// All of them; the place of each is its number.
    pub const ALL: [Source; 8] = [
        Source::Nowhere,
        Source::Page,
        Source::Special,
        Source::Override,
        Source::Cache,
        Source::Forwarded,
        Source::Stale,
        Source::Failed,
    ];

    /// In a word, as `--json` and metrics have it.
    pub fn word(self) -> &'static str {
        match self {
            Source::Nowhere => "none",
            Source::Page => "page",
            Source::Special => "special",
            Source::Override => "override",
            Source::Cache => "cache",
            Source::Forwarded => "forwarded",
            Source::Stale => "stale",
            Source::Failed => "failed",
        }
    }
}

/// Which upstream said something, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// As a configuration has it.
    pub by: Arc<str>,
    /// Seconds ago.
    pub age: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_has_its_number_and_a_word_of_its_own() {
        for (n, source) in Source::ALL.into_iter().enumerate() {
            assert_eq!(source as usize, n);
            let same = Source::ALL.iter().filter(|other| other.word() == source.word());
            assert_eq!(same.count(), 1);
        }
    }
}
