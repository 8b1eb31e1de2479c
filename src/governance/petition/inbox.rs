//! The inbox of one page: which petitions wait, what became of them, and how many may be there
//! (G13).
//!
//! Pure: the time is an argument, and it is the node's own clock, because petitions are no part of
//! the page's state and no two nodes need agree on them. Where an inbox is kept is not known here.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

use super::{Petition, PetitionRefusal, Refusal};
use crate::{
    governance::{operation::Change, statement::Statement},
    id::Id,
    limits::*,
    page::{
        codec::{self, CodecRefusal, tagged},
        entry::Rdata,
    },
};

/// The petitions to one page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inbox {
    rows: BTreeMap<Id, Row>,
}

/// One petition and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub petition: Petition,
    pub source: Source,
    /// When it came, in seconds since 1970 by this node's clock.
    pub received: u64,
    pub verdict: Option<Verdict>,
}

/// Where a petition came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// This machine's control socket. It has no address to count by, and who may write to it could
    /// as well remove the inbox: only the quota of the key, and the inbox's size, bound it.
    Local,
    /// A peer's address.
    Address(IpAddr),
}

/// What was decided about a petition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A participant proposed it, as this operation.
    TakenUp(Id),
    Refused(Refusal),
}

/// What became of a petition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Waiting,
    TakenUp(Id),
    Refused(Refusal),
    /// Nobody decided in time.
    Expired,
}

/// Why an inbox stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InboxRefusal {
    #[error("this petition is known already, and {0}: see `djdns request status`")]
    Known(&'static str),
    #[error(
        "{PETITIONS_PER_KEY_MAX} petitions of this key wait on this page already: wait until one is decided"
    )]
    KeyQuota,
    #[error(
        "{PETITIONS_PER_ADDRESS_MAX} petitions from this address wait on this page already: wait until one is decided"
    )]
    AddressQuota,
    #[error(
        "{PETITIONS_MAX} petitions wait on this page already: its moderators have to decide some first"
    )]
    Full,
    #[error("it was made {0} s ago, and a petition is good for 14 days: make it anew")]
    TooOld(u64),
    #[error("it is dated {0} s ahead of this node's clock: one of the two clocks is wrong")]
    FromTheFuture(u64),
    #[error("there is no petition {0} here")]
    Unknown(Id),
    #[error("the petition is {0} already")]
    Decided(&'static str),
    #[error("the operation does not propose exactly what the petition asks for")]
    OtherThanAsked,
}

/// Why bytes are no row of an inbox.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowRefusal {
    #[error("its encoding: {0}")]
    Codec(#[from] CodecRefusal),
    #[error("its petition, or the refusal of it: {0}")]
    Petition(#[from] PetitionRefusal),
    #[error("{0} bytes are no address")]
    Source(usize),
    #[error("{0} verdicts on one petition")]
    ManyVerdicts(usize),
}

impl Fate {
    /// The word for it, in tables and JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Fate::Waiting => "waiting",
            Fate::TakenUp(_) => "taken up",
            Fate::Refused(_) => "refused",
            Fate::Expired => "expired",
        }
    }
}

impl Inbox {
    /// Takes in a petition that [`Petition::judge`] found fit for the page, at `now`. Where there is
    /// no room it drops the oldest expired ones, then the oldest decided ones, and returns which;
    /// what waits is never dropped.
    ///
    /// # Errors
    /// [`InboxRefusal`]; nothing has changed then.
    pub fn admit(
        &mut self,
        petition: Petition,
        source: Source,
        now: u64,
    ) -> Result<Vec<Id>, InboxRefusal> {
        if let Some(row) = self.rows.get(&petition.id()) {
            return Err(InboxRefusal::Known(row.fate(now).word()));
        }
        check_date(petition.asking().created, now)?;
        self.check_quotas(&petition, source, now)?;
        let dropped = self.room(now).ok_or(InboxRefusal::Full)?;
        for id in &dropped {
            self.rows.remove(id);
        }
        let row = Row { petition, source, received: now, verdict: None };
        self.rows.insert(row.petition.id(), row);
        Ok(dropped)
    }

    /// Notes that `operation` proposes what the petition asks for.
    ///
    /// # Errors
    /// [`InboxRefusal`]; nothing has changed then.
    pub fn take_up(
        &mut self,
        petition: &Id,
        operation: &Statement,
        now: u64,
    ) -> Result<(), InboxRefusal> {
        let row = self.waiting(petition, now)?;
        let asking = row.petition.asking();
        let is_asked = match operation.as_operation().map(|operation| &operation.change) {
            Some(Change::SetEntry(set)) => set.owner == asking.owner && set.sets == asking.sets,
            _ => false,
        };
        if !is_asked {
            return Err(InboxRefusal::OtherThanAsked);
        }
        row.verdict = Some(Verdict::TakenUp(operation.id()));
        Ok(())
    }

    /// Notes that a participant refused; [`Refusal::judge`] found it fit for the page.
    ///
    /// # Errors
    /// [`InboxRefusal`]; nothing has changed then.
    pub fn refuse(&mut self, refusal: Refusal, now: u64) -> Result<(), InboxRefusal> {
        let row = self.waiting(&refusal.petition(), now)?;
        row.verdict = Some(Verdict::Refused(refusal));
        Ok(())
    }

    /// Takes a row back in that was kept before: quotas were checked when it came.
    pub fn restore(&mut self, row: Row) {
        self.rows.insert(row.petition.id(), row);
    }

    /// Drops a row.
    pub fn remove(&mut self, petition: &Id) {
        self.rows.remove(petition);
    }

    /// The row of a petition.
    pub fn row(&self, petition: &Id) -> Option<&Row> {
        self.rows.get(petition)
    }

    /// All rows, in the order in which they came.
    pub fn rows(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.values().collect();
        rows.sort_by_key(|row| (row.received, row.petition.id()));
        rows
    }

    fn waiting(&mut self, petition: &Id, now: u64) -> Result<&mut Row, InboxRefusal> {
        let row = self.rows.get_mut(petition).ok_or(InboxRefusal::Unknown(*petition))?;
        match row.fate(now) {
            Fate::Waiting => Ok(row),
            other => Err(InboxRefusal::Decided(other.word())),
        }
    }

    fn check_quotas(
        &self,
        petition: &Petition,
        source: Source,
        now: u64,
    ) -> Result<(), InboxRefusal> {
        let (author, group) = (petition.author(), source.group());
        let waiting = || self.rows.values().filter(|row| row.fate(now) == Fate::Waiting);
        let of_key = waiting().filter(|row| row.petition.author() == author).count();
        if of_key >= PETITIONS_PER_KEY_MAX {
            return Err(InboxRefusal::KeyQuota);
        }
        let from_there = waiting().filter(|row| row.source.group() == group).count();
        if group.is_some() && from_there >= PETITIONS_PER_ADDRESS_MAX {
            return Err(InboxRefusal::AddressQuota);
        }
        Ok(())
    }

    /// What is to be dropped so that one more fits; `None` when all that is here waits.
    fn room(&self, now: u64) -> Option<Vec<Id>> {
        let missing = (self.rows.len() + 1).saturating_sub(PETITIONS_MAX);
        if missing == 0 {
            return Some(Vec::new());
        }
        let mut over: Vec<(bool, u64, Id)> = self
            .rows
            .iter()
            .filter(|(_, row)| row.fate(now) != Fate::Waiting)
            .map(|(id, row)| (!row.is_past(now), row.received, *id))
            .collect();
        over.sort_unstable();
        let dropped = over.get(..missing)?;
        Some(dropped.iter().map(|(.., id)| *id).collect())
    }
}

impl Row {
    /// What became of the petition until `now`.
    pub fn fate(&self, now: u64) -> Fate {
        match &self.verdict {
            Some(Verdict::TakenUp(operation)) => Fate::TakenUp(*operation),
            Some(Verdict::Refused(refusal)) => Fate::Refused(refusal.clone()),
            None if self.is_past(now) => Fate::Expired,
            None => Fate::Waiting,
        }
    }

    /// When it expires, if nobody decides, in seconds since 1970.
    pub fn expires(&self) -> u64 {
        self.received.saturating_add(PETITION_LIFE.as_secs())
    }

    /// Whether its days are over, decided or not.
    fn is_past(&self, now: u64) -> bool {
        now >= self.expires()
    }

    /// The row as it is kept.
    pub fn encode(&self) -> Vec<u8> {
        let verdict = self.verdict.iter().map(|verdict| match verdict {
            Verdict::TakenUp(operation) => RawVerdict::TakenUp(*operation),
            Verdict::Refused(refusal) => RawVerdict::Refused(Rdata(refusal.bytes().into())),
        });
        let source = match self.source {
            Source::Local => Vec::new(),
            Source::Address(IpAddr::V4(address)) => address.octets().to_vec(),
            Source::Address(IpAddr::V6(address)) => address.octets().to_vec(),
        };
        codec::encode(&RawRow {
            received: self.received,
            source: Rdata(source.into()),
            petition: Rdata(self.petition.bytes().into()),
            verdict: verdict.collect(),
        })
    }

    /// Reads a row that was kept: from a file whose checksum proves it unchanged.
    ///
    /// # Errors
    /// [`RowRefusal`].
    pub fn decode(bytes: &[u8]) -> Result<Row, RowRefusal> {
        let RawRow { received, source, petition, verdict } = codec::decode(bytes, ROW_BYTES_MAX)?;
        let petition = Petition::reopen(&petition.0)?;
        let verdict = match &verdict[..] {
            [] => None,
            [RawVerdict::TakenUp(operation)] => Some(Verdict::TakenUp(*operation)),
            [RawVerdict::Refused(refusal)] => Some(Verdict::Refused(Refusal::reopen(&refusal.0)?)),
            several => return Err(RowRefusal::ManyVerdicts(several.len())),
        };
        Ok(Row { petition, source: Source::read(&source.0)?, received, verdict })
    }
}

impl Source {
    /// What counts as one address: an IPv4 address, or the /64 that an IPv6 customer gets.
    fn group(self) -> Option<IpAddr> {
        match self {
            Source::Local => None,
            Source::Address(address) => Some(match address.to_canonical() {
                IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
                address => address,
            }),
        }
    }

    fn read(bytes: &[u8]) -> Result<Source, RowRefusal> {
        let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
        let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
        match address {
            _ if bytes.is_empty() => Ok(Source::Local),
            Ok(address) => Ok(Source::Address(address)),
            Err(_) => Err(RowRefusal::Source(bytes.len())),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Local => f.write_str("local"),
            Source::Address(address) => address.fmt(f),
        }
    }
}

/// Bytes of a row: a petition and a refusal in their envelopes, and a little more.
const ROW_BYTES_MAX: usize = PETITION_BYTES_MAX + REFUSAL_BYTES_MAX + 2 * ENVELOPE_BYTES + 128;

/// A row as it is kept.
#[derive(Serialize, Deserialize)]
struct RawRow {
    received: u64,
    /// The octets of an address; none: the control socket.
    source: Rdata,
    petition: Rdata,
    /// One or none.
    verdict: Vec<RawVerdict>,
}

tagged! {
    /// A verdict as it is kept.
    pub enum RawVerdict {
        1 => TakenUp(Id),
        2 => Refused(Rdata),
    }
}

/// The author's clock need not be right, but an old petition must not come back after its fate was
/// forgotten.
fn check_date(created: u64, now: u64) -> Result<(), InboxRefusal> {
    let (age, ahead) = (now.saturating_sub(created), created.saturating_sub(now));
    if age >= PETITION_LIFE.as_secs() {
        return Err(InboxRefusal::TooOld(age));
    }
    if ahead > PETITION_AHEAD_MAX.as_secs() {
        return Err(InboxRefusal::FromTheFuture(ahead));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
