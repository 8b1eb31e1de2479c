//! Why somebody gets no page, in words, and which of these words are due.
//!
//! Pure: the time, in seconds since 1970, is handed in. Who asked, and for what, was decided elsewhere.

use std::net::IpAddr;

use super::tsig::{Fault, Key, Signed};
use crate::limits::{REFUSAL_SAID_EVERY, REFUSALS_SAID_MAX, TRANSFERS_MAX};

/// Why a request for a page, or for its newest seal, is refused; with what to do, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("its address is not in `allow` of [transfer]")]
    NotAllowed,
    #[error("its request is not signed; the key is {key} ({algorithm})")]
    Unsigned { key: String, algorithm: String },
    #[error(
        "it has another secret for the key {0} (BADSIG): what is in `secret-file` is to stand there, too"
    )]
    OtherSecret(String),
    #[error(
        "it signs with the key {came}, which is not known here (BADKEY): the key of [transfer] is {key}"
    )]
    UnknownKey { came: String, key: String },
    #[error(
        "it signs by {came}, and here the key {key} is one of {algorithm} (BADKEY): `algorithm` in [transfer] \
             and there are to be the same"
    )]
    OtherAlgorithm { came: String, key: String, algorithm: String },
    #[error("its clock is {} s {} this one (BADTIME): one of the two is wrong", .0.unsigned_abs(), 
            if *.0 < 0 { "behind" } else { "ahead of" })]
    OtherTime(i64),
    #[error("its signature is cut shorter than is taken here (BADTRUNC)")]
    Shortened,
    #[error("its request, or its signature, is malformed (FORMERR)")]
    Malformed,
    #[error("no page of that name is here, see `djdns page list`")]
    NoPage,
    #[error("{TRANSFERS_MAX} transfers are under way, as many as there may be: it is to try again")]
    Busy,
}

impl Refusal {
    /// How each is counted.
    pub const WORDS: [&str; 10] = [
        "not-allowed",
        "unsigned",
        "other-secret",
        "unknown-key",
        "other-algorithm",
        "other-time",
        "shortened",
        "malformed",
        "no-page",
        "busy",
    ];

    /// Its place among [`Refusal::WORDS`].
    pub fn index(&self) -> usize {
        match self {
            Refusal::NotAllowed => 0,
            Refusal::Unsigned { .. } => 1,
            Refusal::OtherSecret(_) => 2,
            Refusal::UnknownKey { .. } => 3,
            Refusal::OtherAlgorithm { .. } => 4,
            Refusal::OtherTime(_) => 5,
            Refusal::Shortened => 6,
            Refusal::Malformed => 7,
            Refusal::NoPage => 8,
            Refusal::Busy => 9,
        }
    }

    /// What was not signed is not answered with a page; this key would do.
    pub fn unsigned(key: &Key) -> Refusal {
        Refusal::Unsigned { key: key.called(), algorithm: key.algorithm().to_string() }
    }

    /// What is wrong with a signature that should be by this key.
    pub fn of(fault: Fault, signed: &Signed, key: &Key, now: u64) -> Refusal {
        let called = key.called();
        match fault {
            Fault::Form => Refusal::Malformed,
            Fault::BadSignature => Refusal::OtherSecret(called),
            Fault::BadKey if signed.names(key) => Refusal::OtherAlgorithm {
                came: signed.algorithm(),
                key: called,
                algorithm: key.algorithm().to_string(),
            },
            Fault::BadKey => Refusal::UnknownKey { came: signed.key(), key: called },
            Fault::BadTime => Refusal::OtherTime(signed.ahead(now)),
            Fault::BadTruncation => Refusal::Shortened,
        }
    }
}

/// What was said lately, so that nobody fills a log by asking again.
#[derive(Debug, Default)]
pub struct Said(Vec<(IpAddr, usize, u64)>);

impl Said {
    /// Whether this is to be said now: not if it was within [`REFUSAL_SAID_EVERY`], whatever page it was
    /// about, nor if [`REFUSALS_SAID_MAX`] others were.
    pub fn is_due(&mut self, who: IpAddr, refusal: &Refusal, now: u64) -> bool {
        // A clock that was set back makes nothing silent for longer.
        self.0.retain(|(.., at)| now.abs_diff(*at) < REFUSAL_SAID_EVERY.as_secs());
        let is_it =
            |(one, reason, _): &(IpAddr, usize, u64)| *one == who && *reason == refusal.index();
        if self.0.len() >= REFUSALS_SAID_MAX || self.0.iter().any(is_it) {
            return false;
        }
        self.0.push((who, refusal.index(), now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_is_said_once_a_minute_to_each_and_not_without_end() {
        let mut said = Said::default();
        let address = |n: u32| IpAddr::from((0x7f00_0001 + n).to_be_bytes());
        let every = REFUSAL_SAID_EVERY.as_secs();
        let mut check = |n: u32, refusal: &Refusal, now: u64, expect: bool| {
            assert_eq!(said.is_due(address(n), refusal, now), expect, "{n} {refusal} {now}");
        };
        check(0, &Refusal::NoPage, 1000, true);
        check(0, &Refusal::NoPage, 1000 + every - 1, false);
        check(0, &Refusal::OtherTime(7), 1000, true);
        check(0, &Refusal::OtherTime(8), 1001, false);
        check(1, &Refusal::NoPage, 1000, true);
        check(0, &Refusal::NoPage, 1000 + every, true);
        // The clock was set back.
        check(0, &Refusal::NoPage, 10, true);
        for n in 1..REFUSALS_SAID_MAX as u32 {
            check(n, &Refusal::Busy, 10, true);
        }
        check(1000, &Refusal::Busy, 10, false);
        check(1000, &Refusal::Busy, 10 + every, true);
        assert!(said.0.len() <= REFUSALS_SAID_MAX);
    }
}
