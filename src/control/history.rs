//! What commands print of a page's past: what happened, row by row, and what a person decided between two seals.
//! Plain data as in [`report`](super::report).

use serde::{Deserialize, Serialize};

use crate::id::Id;

/// Something that happened to a page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// `founded`, `operation`, `ballot`, `batch`, `presence`, `seal`, `fork`, `decision`.
    pub kind: String,
    pub id: String,
    pub author: Option<String>,
    pub what: String,
    /// When this node wrote it, where that is known.
    pub time: Option<u64>,
    /// What a seal did.
    pub seal: Option<SealEvent>,
}

/// A row of `djdns audit`. Its chain is SHA-256 over the chain of the row before it (64 zeroes
/// before the first) and the other fields, each followed by a zero octet; keys have a blank between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// Counted from 1.
    pub number: u64,
    /// When this node wrote it, seconds since 1970 (UTC).
    pub time: Option<u64>,
    /// Why: `founded`, `submitted`, `sealed`, `imported`, …
    pub cause: String,
    pub kind: String,
    pub id: String,
    /// Who signed it; of a seal all whose seats did.
    pub by: Vec<String>,
    pub what: String,
    pub chain: String,
}

/// What a seal did to a page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SealEvent {
    pub height: u64,
    /// The seal's own time.
    pub time: u64,
    /// The participants whose seats signed.
    pub signers: Vec<String>,
    /// The nodes that signed for them.
    pub nodes: Vec<String>,
    /// The operations and presences that it applied: id and one line.
    pub applied: Vec<(String, String)>,
    /// Of a fork: the seal that is served here.
    pub contradicts: Option<Contradicted>,
}

/// The seal held here that another one of the same height contradicts (T4).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Contradicted {
    pub seal: String,
    /// The participants whose seats signed it.
    pub signers: Vec<String>,
    /// The nodes that signed for them.
    pub nodes: Vec<String>,
}

/// The seal that a person decided for at a height (T4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    pub height: u64,
    pub seal: String,
}

impl AuditRow {
    /// The chain that this row must have after `before`.
    pub fn chained_to(&self, before: Option<&AuditRow>) -> String {
        let before = before.map_or("0".repeat(64), |row| row.chain.clone());
        let number = self.number.to_string();
        let time = self.time.map_or(String::new(), |time| time.to_string());
        let by = self.by.join(" ");
        let fields = [&before, &number, &time, &self.cause, &self.kind, &self.id, &by, &self.what];
        let parts: Vec<&[u8]> =
            fields.iter().flat_map(|field| [field.as_bytes(), &[0][..]]).collect();
        Id::hash(&parts).to_string()
    }
}
