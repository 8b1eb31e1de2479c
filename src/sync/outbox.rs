//! Petitions that were made here for a page that other nodes host: what to say to which of them, and
//! what they said (G13).
//!
//! Pure: time is an argument, and it is this node's own clock. Each host of a page has an inbox of its
//! own, so each is handed the petition, and each is asked what became of it until it knows. A host's
//! word is what it says; only a refusal is proved, by its participant's signature. Where an outbox is
//! kept, and how a host is reached, is not known here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::message::{Fate, PetitionAnswer, Request};
use crate::{
    governance::petition::{Petition, PetitionRefusal, Refusal},
    id::Id,
    key::{PublicKey, RawKey},
    limits::*,
    page::{
        Page,
        codec::{self, CodecRefusal},
        entry::Rdata,
    },
};

/// The petitions that were sent to one page.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    rows: BTreeMap<Id, Sent>,
}

/// A petition, and what its page's hosts said of it.
#[derive(Clone, Debug)]
pub struct Sent {
    pub petition: Petition,
    /// When it was given to this node, in seconds since 1970.
    pub kept: u64,
    words: BTreeMap<PublicKey, Word>,
    /// When each host is asked next. Forgotten at the end of the process: then all are asked anew.
    tries: BTreeMap<PublicKey, Try>,
}

/// The newest word of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// When it was said, in seconds since 1970 by this node's clock.
    pub at: u64,
    pub answer: PetitionAnswer,
}

#[derive(Clone, Copy, Debug)]
struct Try {
    next: u64,
    pause: u64,
}

/// A question for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errand {
    pub page: Id,
    pub petition: Id,
    pub host: PublicKey,
    pub request: Request,
}

/// What became of a petition that was sent, by what its hosts say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SentFate {
    /// No host has answered yet.
    OnItsWay,
    /// Nobody takes it in; in the words of one.
    NotTaken(String),
    Waiting,
    TakenUp(Id),
    Refused(Refusal),
    Expired,
}

/// Why an outbox stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboxRefusal {
    #[error("this petition is known already, and {0}: see `djdns request status`")]
    Known(&'static str),
    #[error(
        "{PETITIONS_SENT_MAX} petitions to this page are under way from here already: wait until some are decided"
    )]
    Full,
}

/// Why bytes are no row of an outbox.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SentRefusal {
    #[error("its encoding: {0}")]
    Codec(#[from] CodecRefusal),
    #[error("its petition: {0}")]
    Petition(#[from] PetitionRefusal),
    #[error("a host's key: {0}")]
    Host(#[from] crate::key::KeyRefusal),
    #[error("words of {0} hosts are more than {PETITION_HOSTS_MAX}")]
    ManyHosts(usize),
}

impl SentFate {
    /// The word for it, in tables and JSON.
    pub fn word(&self) -> &'static str {
        match self {
            SentFate::OnItsWay => "on its way",
            SentFate::NotTaken(_) => "not taken",
            SentFate::Waiting => "waiting",
            SentFate::TakenUp(_) => "taken up",
            SentFate::Refused(_) => "refused",
            SentFate::Expired => "expired",
        }
    }
}

impl Outbox {
    /// Keeps a petition, to be handed to the hosts of its page. Where there is no room the oldest that
    /// is decided or expired goes; returns which.
    ///
    /// # Errors
    /// [`OutboxRefusal`]; nothing has changed then.
    pub fn keep(&mut self, petition: Petition, now: u64) -> Result<Option<Id>, OutboxRefusal> {
        if let Some(row) = self.rows.get(&petition.id()) {
            return Err(OutboxRefusal::Known(row.fate(now).word()));
        }
        let mut dropped = None;
        if self.rows.len() >= PETITIONS_SENT_MAX {
            let over = self.rows.iter().filter(|(_, row)| row.is_over(now));
            let oldest = over.min_by_key(|(id, row)| (row.kept, **id)).map(|(id, _)| *id);
            dropped = Some(oldest.ok_or(OutboxRefusal::Full)?);
        }
        dropped.iter().for_each(|id| _ = self.rows.remove(id));
        let (words, tries) = Default::default();
        self.restore(Sent { petition, kept: now, words, tries });
        Ok(dropped)
    }

    /// Drops a row.
    pub fn remove(&mut self, petition: &Id) {
        self.rows.remove(petition);
    }

    /// Takes a row back in that was kept before.
    pub fn restore(&mut self, row: Sent) {
        self.rows.insert(row.petition.id(), row);
    }

    /// The row of a petition.
    pub fn row(&self, petition: &Id) -> Option<&Sent> {
        self.rows.get(petition)
    }

    /// All rows, in the order of their ids.
    pub fn rows(&self) -> impl Iterator<Item = &Sent> {
        self.rows.values()
    }

    /// What is to be asked of these hosts now, those with the most seats first; it counts as asked. Who
    /// does not answer is asked again later, and later each time. What is due of a host that is `busy` with
    /// an earlier question stays due.
    pub fn due(&mut self, hosts: &[PublicKey], busy: &[PublicKey], now: u64) -> Vec<Errand> {
        let mut errands = Vec::new();
        for row in self.rows.values_mut().filter(|row| !row.is_over(now)) {
            let asked = hosts.iter().take(PETITION_HOSTS_MAX);
            for host in asked.filter(|host| !busy.contains(host)) {
                let first = Try { next: now, pause: PETITION_RETRY.as_secs() / 2 };
                let before = row.tries.get(host).copied().unwrap_or(first);
                let Some(request) = row.question(host).filter(|_| before.next <= now) else {
                    continue;
                };
                let pause = (before.pause * 2).min(PETITION_RETRY_MAX.as_secs());
                row.tries.insert(*host, Try { next: now + pause, pause });
                let (page, petition) = (row.petition.page(), row.petition.id());
                errands.push(Errand { page, petition, host: *host, request });
            }
            row.tries.retain(|host, _| hosts.contains(host));
        }
        errands
    }

    /// When something is to be asked of these hosts next.
    pub fn next(&self, hosts: &[PublicKey], now: u64) -> Option<u64> {
        let rows = self.rows.values().filter(|row| !row.is_over(now));
        let open = |row: &Sent| {
            let hosts = hosts.iter().take(PETITION_HOSTS_MAX);
            let hosts = hosts.filter(|host| row.question(host).is_some());
            hosts.map(|host| row.tries.get(host).map_or(now, |tried| tried.next)).min()
        };
        rows.filter_map(open).min()
    }

    /// Asks every host again at once: somebody wants to know.
    pub fn hurry(&mut self, petition: &Id) {
        self.rows.get_mut(petition).into_iter().for_each(|row| row.tries.clear());
    }

    /// A host is there: what it has not answered yet is asked at once. Returns whether there is any.
    pub fn met(&mut self, host: &PublicKey) -> bool {
        let unheard = self.rows.values_mut().filter(|row| !row.words.contains_key(host));
        unheard.filter_map(|row| row.tries.remove(host)).count() > 0
    }

    /// Takes in what a host answered to an errand, `None` if nothing that can be read. Returns whether
    /// the row is to be kept anew.
    pub fn told(
        &mut self,
        errand: &Errand,
        answer: Option<PetitionAnswer>,
        page: &Page,
        now: u64,
    ) -> bool {
        let Some(row) = self.rows.get_mut(&errand.petition) else { return false };
        let is_proved = |answer: &PetitionAnswer| match answer {
            PetitionAnswer::Refused(bytes) => Refusal::admit(&bytes.0).is_ok_and(|refusal| {
                refusal.petition() == errand.petition && refusal.judge(page).is_ok()
            }),
            _ => true,
        };
        let Some(answer) = answer.filter(is_proved) else { return false };
        let is_room = row.words.len() < PETITION_HOSTS_MAX || row.words.contains_key(&errand.host);
        if !is_room {
            return false;
        }
        let pause = match answer {
            // It lost the petition: it is handed in again, after a while.
            PetitionAnswer::Unknown(_) => PETITION_RETRY,
            PetitionAnswer::NotTaken(_) => PETITION_RETRY_MAX,
            _ => PETITION_FATE_INTERVAL,
        };
        let next = now + pause.as_secs();
        row.tries.insert(errand.host, Try { next, pause: PETITION_RETRY.as_secs() / 2 });
        row.words.insert(errand.host, Word { at: now, answer });
        true
    }
}

impl Sent {
    /// What became of it, by what its hosts say: one that says more outweighs one that says less.
    pub fn fate(&self, now: u64) -> SentFate {
        let answers = || self.words.values().map(|word| &word.answer);
        let refusal = |answer: &PetitionAnswer| match answer {
            PetitionAnswer::Refused(bytes) => Refusal::reopen(&bytes.0).ok(),
            _ => None,
        };
        let taken = answers().find_map(|answer| match answer {
            PetitionAnswer::TakenUp(operation) => Some(SentFate::TakenUp(*operation)),
            _ => None,
        });
        let waits = |answer: &PetitionAnswer| match answer {
            PetitionAnswer::Waiting(received) => !is_past(*received, now),
            _ => false,
        };
        let refused = || answers().find_map(refusal).map(SentFate::Refused);
        let waiting = || answers().any(waits).then_some(SentFate::Waiting);
        let expired = || {
            let by_host = answers().any(|answer| {
                matches!(answer, PetitionAnswer::Expired(_) | PetitionAnswer::Waiting(_))
            });
            (by_host || is_past(self.kept, now)).then_some(SentFate::Expired)
        };
        let not_taken = || {
            answers().find_map(|answer| match answer {
                PetitionAnswer::NotTaken(why) => Some(SentFate::NotTaken(why.clone())),
                _ => None,
            })
        };
        let known = taken.or_else(refused).or_else(waiting).or_else(expired).or_else(not_taken);
        known.unwrap_or(SentFate::OnItsWay)
    }

    /// What each host said last.
    pub fn words(&self) -> impl Iterator<Item = (&PublicKey, &Word)> {
        self.words.iter()
    }

    /// When it expires, if nobody decides, in seconds since 1970: by the host that received it last.
    pub fn expires(&self) -> u64 {
        let received = self.words.values().filter_map(|word| match word.answer {
            PetitionAnswer::Waiting(received) | PetitionAnswer::Expired(received) => Some(received),
            _ => None,
        });
        received.max().unwrap_or(self.kept).saturating_add(PETITION_LIFE.as_secs())
    }

    /// Whether nothing is to be asked any more.
    fn is_over(&self, now: u64) -> bool {
        let fate = self.fate(now);
        matches!(fate, SentFate::TakenUp(_) | SentFate::Refused(_) | SentFate::Expired)
    }

    /// What there is to ask of a host; none once it knows the end.
    fn question(&self, host: &PublicKey) -> Option<Request> {
        let (page, petition) = (self.petition.page(), self.petition.id());
        match self.words.get(host).map(|word| &word.answer) {
            None | Some(PetitionAnswer::Unknown(_) | PetitionAnswer::NotTaken(_)) => {
                Some(Request::Petition(Rdata(self.petition.bytes().into())))
            }
            Some(PetitionAnswer::Waiting(_)) => Some(Request::Fate(Fate { page, petition })),
            Some(_) => None,
        }
    }

    /// The row as it is kept.
    pub fn encode(&self) -> Vec<u8> {
        let words = self.words.iter().map(|(host, word)| RawWord {
            host: host.raw(),
            at: word.at,
            answer: word.answer.clone(),
        });
        let (kept, words) = (self.kept, words.collect());
        codec::encode(&RawSent { kept, petition: Rdata(self.petition.bytes().into()), words })
    }

    /// Reads a row that was kept: from a file whose checksum proves it unchanged.
    ///
    /// # Errors
    /// [`SentRefusal`].
    pub fn decode(bytes: &[u8]) -> Result<Sent, SentRefusal> {
        let RawSent { kept, petition, words } = codec::decode(bytes, SENT_BYTES_MAX)?;
        if words.len() > PETITION_HOSTS_MAX {
            return Err(SentRefusal::ManyHosts(words.len()));
        }
        let word = |raw: RawWord| {
            Ok((PublicKey::admit(raw.host)?, Word { at: raw.at, answer: raw.answer }))
        };
        let words = words.into_iter().map(word).collect::<Result<_, SentRefusal>>()?;
        let petition = Petition::reopen(&petition.0)?;
        Ok(Sent { petition, kept, words, tries: BTreeMap::new() })
    }
}

/// Whether a petition that was received then has expired.
fn is_past(received: u64, now: u64) -> bool {
    now >= received.saturating_add(PETITION_LIFE.as_secs())
}

/// Bytes of a row: a petition in its envelope, and the words of all hosts.
const SENT_BYTES_MAX: usize = PETITION_BYTES_MAX
    + ENVELOPE_BYTES
    + PETITION_HOSTS_MAX * (PETITION_ANSWER_BYTES_MAX + 64)
    + 128;

/// A row as it is kept.
#[derive(Serialize, Deserialize)]
struct RawSent {
    kept: u64,
    petition: Rdata,
    /// Sorted by host.
    words: Vec<RawWord>,
}

#[derive(Serialize, Deserialize)]
struct RawWord {
    host: RawKey,
    at: u64,
    answer: PetitionAnswer,
}

#[cfg(test)]
mod tests;
