//! The field of a page as people read it: who says which seal is the newest (T6).

use std::collections::BTreeMap;

use super::{node::Node, running::Running};
use crate::{
    control::report::{CandidateReport, Contradiction, FieldReport, VoiceReport},
    governance::{
        Governance,
        attest::Attestation,
        field::{Candidate, Freshness, Picture, Stale, Voice},
    },
    key::PublicKey,
    limits::{BASIS_POINTS, FIELD_ROWS_MAX, FIELD_SEATS_NAMED_MAX, SEAL_AHEAD},
    page::Head,
    time::{date, lasted},
};

/// `djdns field`.
pub fn report(node: &Node, governance: &Governance) -> FieldReport {
    let page = governance.page();
    let field = node.field(&page.id());
    let picture = field.picture(governance, node.now());
    let seats = seats_of(governance);
    let candidates = picture.candidates.iter().take(FIELD_ROWS_MAX);
    FieldReport {
        page: page.name().to_string(),
        page_id: page.id().to_string(),
        height: page.height(),
        seal: page.seal().to_string(),
        total_power: picture.total,
        attested: picture.attested,
        strength_bp: picture.strength_bp,
        coherence_bp: picture.coherence_bp,
        fresh: stale(node, governance, &picture).is_none(),
        freshness: in_words(node, governance, &picture),
        candidates: candidates.map(|one| candidate(one, picture.total, &seats)).collect(),
        contradictions: field.evidence().take(FIELD_ROWS_MAX).map(contradiction).collect(),
    }
}

/// Why the page is served as stale, if it is.
pub fn stale(node: &Node, page: &Governance, picture: &Picture) -> Option<String> {
    let forked = node.forked_at(&page.page().id());
    let forked = forked.map(|height| format!("two seals of height {height} contradict each other"));
    let awaited = || Some(format!("it {}, which you decided for", node.awaited_words(page)?));
    forked.or_else(awaited).or_else(|| match picture.freshness {
        Freshness::Stale(_) if is_ahead(node, page) => Some(ahead_words(page)),
        Freshness::Stale(why @ Stale::Behind(_)) => {
            Some(format!("{why}{}", last_heard(node, picture).unwrap_or_default()))
        }
        Freshness::Stale(why) => Some(why.to_string()),
        _ => None,
    })
}

/// Whether the newest seal here is dated so far ahead that nobody else takes it yet (T7).
pub fn is_ahead(node: &Node, page: &Governance) -> bool {
    page.page().head().time > node.now().saturating_add(SEAL_AHEAD.as_secs())
}

fn ahead_words(page: &Governance) -> String {
    let Head { height, time, .. } = page.page().head();
    format!(
        "its newest seal, at height {height}, is dated {}, and held until then: no other node can name it \
         before",
        date(time)
    )
}

/// Of a seal that is not here: when somebody named it last, and who, where none of them is connected.
fn last_heard(node: &Node, picture: &Picture) -> Option<String> {
    let voices = &picture.candidates.first()?.voices;
    let newest = voices.iter().max_by_key(|voice| voice.time)?;
    let neighbours = node.running().and_then(Running::neighbours);
    if neighbours.is_some_and(|others| voices.iter().any(|one| others.is_connected(&one.node))) {
        return None;
    }
    let seen = neighbours.and_then(|others| others.met(&newest.node)).unwrap_or(0);
    Some(last_heard_words(&newest.node, newest.time.max(seen), node.now()))
}

fn last_heard_words(node: &PublicKey, time: u64, now: u64) -> String {
    let ago = lasted(now.saturating_sub(time));
    format!("; who has it is not connected: {node} was heard last {ago} ago")
}

/// Why the page is fresh, or why not.
pub fn in_words(node: &Node, page: &Governance, picture: &Picture) -> String {
    let neighbours = node.running().and_then(Running::neighbours);
    let postponed = neighbours.and_then(|others| others.postponed(&page.page().id()));
    let postponed = postponed.map(|seal| format!("; {}", seal.words())).unwrap_or_default();
    // Of one's own that is said already.
    let postponed = if is_ahead(node, page) { String::new() } else { postponed };
    let words = stale(node, page, picture).unwrap_or_else(|| {
        match picture.freshness {
            Freshness::Demonstration => "it is a demonstration, which no other node has a say in",
            Freshness::Unsealable => {
                "too few seats name a node to seal it, so nobody can know of a newer seal"
            }
            _ => "enough power says that what is held here is the newest",
        }
        .to_owned()
    });
    words + &postponed
}

/// The participants for whom each node may speak.
fn seats_of(page: &Governance) -> BTreeMap<PublicKey, Vec<PublicKey>> {
    let mut seats: BTreeMap<PublicKey, Vec<PublicKey>> = BTreeMap::new();
    for (participant, node) in page.seats() {
        let named = seats.entry(node).or_default();
        if named.len() < FIELD_SEATS_NAMED_MAX && !named.contains(&participant) {
            named.push(participant);
        }
    }
    seats
}

fn candidate(
    candidate: &Candidate,
    total: u64,
    seats: &BTreeMap<PublicKey, Vec<PublicKey>>,
) -> CandidateReport {
    let voice = |voice: &Voice| VoiceReport {
        node: voice.node.to_string(),
        power: voice.power,
        seats: seats.get(&voice.node).into_iter().flatten().map(ToString::to_string).collect(),
        seats_count: voice.seats,
        time: voice.time,
        commit: voice.is_commit,
    };
    let share = candidate.support * u64::from(BASIS_POINTS) / total.max(1);
    CandidateReport {
        height: candidate.height,
        seal: candidate.seal.to_string(),
        support: candidate.support,
        share_bp: share as u16,
        held: candidate.is_held,
        voices: candidate.voices.iter().take(FIELD_ROWS_MAX).map(voice).collect(),
    }
}

fn contradiction((one, other): &(Attestation, Attestation)) -> Contradiction {
    let seal = |said: &Attestation| (said.height(), said.seal().to_string());
    let seals = [one, other].map(seal).to_vec();
    Contradiction { node: one.node().to_string(), time: one.time(), seals }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    #[test]
    fn who_is_gone_is_told_of_with_the_time_at_which_it_was_heard_last() {
        let gone = SecretKey::from_seed(&[7; 32]).public();
        let said = last_heard_words(&gone, 1000, 1000 + 3 * 24 * 3600);
        assert!(said.ends_with(&format!("{gone} was heard last 3 days ago")), "{said}");
    }
}
