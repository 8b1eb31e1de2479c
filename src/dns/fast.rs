//! The short way: usual questions answered from the view by copying, with nothing allocated.
//!
//! Usual is one question of class IN without an OPT, or with one that has no options or a cookie alone,
//! and whose answer lies in one page: records that lead to no other name, with or without a wildcard,
//! that there are none, or a referral. For everything else this says nothing, and
//! [`Answer`](super::Answer) decides. What is said here is in every octet what it says: a property test
//! and a fuzz target hold the two together.

mod opt;

use std::ptr;

pub(super) use opt::{CookieOption, OPT, Opt, begins_with_cookie};

use super::{
    Rcode, Source,
    additional::{Glue, glue},
    answer::{CLASS_IN, EDE_STALE, EDE_STALE_NXDOMAIN, STALE},
    batch::Room,
    forward::loops,
    names::Names,
    node::{Node, Prebuilt, RECORD_HEAD},
    path::Path,
    suffix,
    view::{Found, PageView, Place, View},
};
use crate::{
    id::Id,
    limits::{
        ADDITIONAL_SETS_MAX, NAME_BYTES_MAX, NEGATIVE_TTL, UDP_ANSWER_BYTES_MAX,
        UDP_ANSWER_BYTES_PLAIN,
    },
    page::{apex, record::RecordType},
};

/// An answer that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Octets of it.
    pub len: usize,
    pub rcode: Rcode,
    pub source: Source,
}

pub(super) const HEADER: usize = 12;
const RD: u8 = 0x01;
const CD: u8 = 0x10;
const QR: u8 = 0x80;
/// Labels whose names a later one can point to, as elsewhere; more are unusual.
const LABELS_MAX: usize = 60;

/// A usual question.
pub(super) struct Usual<'q> {
    pub(super) header: &'q [u8; HEADER],
    pub(super) path: &'q Path,
    /// Name, type and class as they were sent.
    pub(super) raw: &'q [u8],
    pub(super) qtype: RecordType,
    pub(super) opt: Option<Opt>,
}

/// What the short way has to say.
pub(super) enum Short {
    Written(Written),
    /// No page says anything of the name.
    Outside,
    Unusual,
}

/// What a page says of a name.
enum Said<'v> {
    Records(Prebuilt<'v>),
    /// No such data, or no such name.
    Nothing(Rcode),
    /// It is delegated at this label to these servers.
    Elsewhere(usize, Prebuilt<'v>, Option<Prebuilt<'v>>),
    /// The root page has no such top-level name, and the public DNS may.
    Outside,
    Unusual,
}

/// Where it says that.
#[derive(Clone, Copy)]
struct At<'v> {
    page: &'v PageView,
    /// The label at which the page's name begins.
    cut: usize,
    /// Seconds that anything may be cached at most.
    ttl_max: u32,
    recursive: bool,
}

/// Writes the answer to a usual question that is asked over UDP. `recursive`: somebody here resolves what
/// is in no page (RA). Nobody makes cookies. What is in `path` and in `room` before is of no account.
pub fn answer(
    view: &View,
    message: &[u8],
    recursive: bool,
    path: &mut Path,
    room: &mut Room,
) -> Option<Written> {
    let usual = Usual::read(message, path)?;
    match look(view, &usual, recursive, room) {
        Short::Written(written) => Some(written),
        Short::Outside | Short::Unusual => None,
    }
}

/// [`answer`] for a question that was read.
pub(super) fn look(view: &View, usual: &Usual<'_>, recursive: bool, room: &mut Room) -> Short {
    if loops::is_probe(usual.path) {
        return Short::Unusual;
    }
    let found = match view.place(usual.path, usual.qtype) {
        Place::Page(found) => found,
        Place::Nowhere => return Short::Outside,
        Place::Missing(..) => return Short::Unusual,
    };
    let Found { page, cut, ttl_max, first } = found;
    if !page.meta().fresh && view.trouble(&page.meta().id).is_some() {
        return Short::Unusual;
    }
    let at = At { page, cut, ttl_max, recursive };
    let said = say(page, usual, cut, first);
    let rcode = match said {
        Said::Records(_) | Said::Elsewhere(..) => Rcode::NOERROR,
        Said::Nothing(rcode) => rcode,
        Said::Outside => return Short::Outside,
        Said::Unusual => return Short::Unusual,
    };
    let Some(len) = write(usual, at, said, rcode, room) else { return Short::Unusual };
    // Only `localhost.`, which nobody founded, has no id.
    let is_made = page.meta().id == Id::ZERO;
    let source = if is_made { Source::Special } else { Source::Page };
    Short::Written(Written { len, rcode, source })
}

/// Writes it, if it fits.
fn write(
    usual: &Usual<'_>,
    at: At<'_>,
    said: Said<'_>,
    rcode: Rcode,
    room: &mut Room,
) -> Option<usize> {
    let stale = opt::stale_code(at.page.meta().fresh, rcode);
    let opt_len = usual.opt.as_ref().map_or(0, |opt| opt.answer_len(stale));
    let limit = usual.limit().checked_sub(opt_len)?;
    let mut writer = Writer { room, at: HEADER, limit };
    writer.push(usual.raw)?;
    let (answers, authority, additional) = match said {
        Said::Records(set) => {
            writer.records(set, None, at.ttl_max)?;
            (set.count, 0, 0)
        }
        Said::Nothing(_) => {
            writer.soa(usual.path, at)?;
            (0, 1, 0)
        }
        Said::Elsewhere(label, servers, signer) => {
            let pointer = (label > 0).then(|| pointer(usual.path, label));
            let signer = signer.filter(|_| usual.opt.is_some_and(|opt| opt.dnssec_ok));
            let start = writer.at;
            writer.records(servers, pointer, at.ttl_max)?;
            if let Some(signer) = signer {
                writer.records(signer, pointer, at.ttl_max)?;
            }
            let addresses = writer.glue(usual, at, label, servers, start)?;
            (0, servers.count + signer.map_or(0, |signer| signer.count), addresses)
        }
        Said::Outside | Said::Unusual => return None,
    };
    writer.limit += opt_len;
    if let Some(opt) = &usual.opt {
        writer.opt(opt, stale)?;
    }
    let is_authoritative = !matches!(said, Said::Elsewhere(..));
    let [_, _, asked, flags, ..] = *usual.header;
    let additional = additional + u16::from(usual.opt.is_some());
    let [answers, authority, additional] = [answers, authority, additional].map(u16::to_be_bytes);
    let header = [
        usual.header[0],
        usual.header[1],
        QR | u8::from(is_authoritative) << 2 | asked & RD,
        u8::from(at.recursive) << 7 | flags & CD | rcode.0 as u8,
        0,
        1,
        answers[0],
        answers[1],
        authority[0],
        authority[1],
        additional[0],
        additional[1],
    ];
    writer.room[..HEADER].copy_from_slice(&header);
    Some(writer.at)
}

/// What the page says at this name.
fn say<'v>(
    page: &'v PageView,
    usual: &Usual<'_>,
    cut: usize,
    mut first: Option<Option<Node<'v>>>,
) -> Said<'v> {
    let path = usual.path;
    if cut == 0 {
        // SOA and NS are made there, and what the root has no keys of is asked elsewhere.
        return match usual.qtype {
            RecordType::SOA | RecordType::NS | RecordType::DNSKEY => Said::Unusual,
            qtype => exact(page.node(b""), qtype),
        };
    }
    for label in (0..cut).rev() {
        let node = first.take().unwrap_or_else(|| page.node(path.owner(label, cut)));
        let Some(node) = node else {
            return absent(page, usual, label + 1, cut);
        };
        if node.is_delegation() && !(label == 0 && usual.qtype == RecordType::DS) {
            let servers = node.get(RecordType::NS);
            return servers.map_or(Said::Unusual, |servers| {
                Said::Elsewhere(label, servers, node.get(RecordType::DS))
            });
        }
        if label > 0 && node.is_subtree_alias() {
            return Said::Unusual;
        }
        if label == 0 {
            return matched(node, usual.qtype);
        }
    }
    Said::Unusual
}

/// Nothing is at the name; the closest encloser begins at label `encloser` (RFC 4592 section 3.3.1).
fn absent<'v>(page: &'v PageView, usual: &Usual<'_>, encloser: usize, cut: usize) -> Said<'v> {
    let mut wildcard = [0; 2 + NAME_BYTES_MAX];
    let above = usual.path.owner(encloser, cut);
    wildcard[..2].copy_from_slice(b"\x01*");
    wildcard[2..2 + above.len()].copy_from_slice(above);
    if let Some(node) = page.node(&wildcard[..2 + above.len()]) {
        return matched(node, usual.qtype);
    }
    match page.meta().name.is_root() && encloser == cut {
        // Below the suffix nobody else knows anything.
        true if suffix::strip(usual.path).is_some() => Said::Unusual,
        true => Said::Outside,
        false => Said::Nothing(Rcode::NXDOMAIN),
    }
}

fn matched(node: Node<'_>, qtype: RecordType) -> Said<'_> {
    match node.is_alias() && qtype != RecordType::CNAME {
        true => Said::Unusual,
        false => exact(Some(node), qtype),
    }
}

fn exact(node: Option<Node<'_>>, qtype: RecordType) -> Said<'_> {
    match node.and_then(|node| node.get(qtype)) {
        Some(_) if leads(qtype) => Said::Unusual,
        Some(set) => Said::Records(set),
        None => Said::Nothing(Rcode::NOERROR),
    }
}

/// Whether records of this type lead to names whose addresses may be sent along.
fn leads(qtype: RecordType) -> bool {
    matches!(
        qtype,
        RecordType::NS | RecordType::MX | RecordType::SRV | RecordType::SVCB | RecordType::HTTPS
    )
}

impl<'q> Usual<'q> {
    pub(super) fn read(message: &'q [u8], path: &'q mut Path) -> Option<Usual<'q>> {
        let header = message.first_chunk::<HEADER>()?;
        // A question (AA, TC and RD may be anything), one, and nothing besides but one record.
        let counts = &header[4..];
        if header[2] & 0xf8 != 0 || counts[..7] != [0, 1, 0, 0, 0, 0, 0] || counts[7] > 1 {
            return None;
        }
        if !path.read_into(&message[HEADER..]) {
            return None;
        }
        let name = path.wire().len();
        let (raw, rest) = message[HEADER..].split_at_checked(name + 4)?;
        let qtype = RecordType(u16::from_be_bytes([raw[name], raw[name + 1]]));
        if raw[name + 2..] != CLASS_IN.to_be_bytes() || !qtype.is_data() {
            return None;
        }
        let opt = match (counts[7], rest) {
            (0, []) => None,
            (1, record) => Some(Opt::read(record)?),
            _ => return None,
        };
        let usual = Usual { header, path, raw, qtype, opt };
        (usual.path.labels() <= LABELS_MAX).then_some(usual)
    }

    /// Octets that the answer may have.
    pub(super) fn limit(&self) -> usize {
        let plain = UDP_ANSWER_BYTES_PLAIN;
        usize::from(self.opt.map_or(plain, |opt| opt.payload.clamp(plain, UDP_ANSWER_BYTES_MAX)))
    }
}

/// A pointer to the name in the question from this label on (RFC 1035 section 4.1.4).
fn pointer(path: &Path, label: usize) -> [u8; 2] {
    let before = path.wire().len() - path.suffix(label).len();
    (0xc000 | (HEADER + before) as u16).to_be_bytes()
}

/// An answer that is being written.
struct Writer<'r> {
    room: &'r mut Room,
    at: usize,
    limit: usize,
}

impl Writer<'_> {
    /// Appends octets; `None` when they do not fit.
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.at + bytes.len();
        if end > self.limit {
            return None;
        }
        self.room.get_mut(self.at..end)?.copy_from_slice(bytes);
        self.at = end;
        Some(())
    }

    /// Appends prebuilt records, owned by the name in the question or by what the pointer leads to.
    fn records(&mut self, set: Prebuilt<'_>, owner: Option<[u8; 2]>, ttl_max: u32) -> Option<()> {
        let mut start = self.at;
        self.push(set.records)?;
        if owner.is_none() && ttl_max == u32::MAX {
            return Some(());
        }
        while let Some(record) = self.room[start..self.at].first_chunk_mut::<RECORD_HEAD>() {
            if let Some(owner) = owner {
                record[..2].copy_from_slice(&owner);
            }
            let ttl = u32::from_be_bytes([record[6], record[7], record[8], record[9]]);
            record[6..10].copy_from_slice(&ttl.min(ttl_max).to_be_bytes());
            start += RECORD_HEAD + usize::from(u16::from_be_bytes([record[10], record[11]]));
        }
        Some(())
    }

    /// The addresses that a delegation is sent with, whose servers were written at `start`; how many.
    fn glue(
        &mut self,
        usual: &Usual<'_>,
        at: At<'_>,
        label: usize,
        servers: Prebuilt<'_>,
        start: usize,
    ) -> Option<u16> {
        let real = suffix::strip(usual.path);
        let cut = real.as_ref().unwrap_or(usual.path).suffix(label);
        let mut found = glue(at.page, servers, cut).peekable();
        if found.peek().is_none() {
            return Some(0);
        }
        let mut names = Names::new();
        names.remember(&self.room[..self.at], HEADER);
        names.remember(&self.room[..self.at], start + RECORD_HEAD);
        let (mut told, mut sets, mut records) = ([&[][..]; ADDITIONAL_SETS_MAX], 0, 0);
        for Glue { name, set, .. } in found {
            let is_told = told[..sets].iter().any(|told| ptr::eq(*told, set.records));
            if is_told || sets == told.len() {
                continue;
            }
            (told[sets], sets, records) = (set.records, sets + 1, records + set.count);
            self.named(&mut names, &name, set, at.ttl_max)?;
        }
        Some(records)
    }

    /// Appends prebuilt records of a name.
    fn named(
        &mut self,
        names: &mut Names,
        name: &Path,
        set: Prebuilt<'_>,
        ttl_max: u32,
    ) -> Option<()> {
        let start = self.at;
        let owner = names.compress(&self.room[..start], name.wire());
        for (n, record) in set.iter().enumerate() {
            match owner.again(start).filter(|_| n > 0) {
                Some(pointer) => self.push(&pointer)?,
                None => {
                    self.push(owner.own)?;
                    self.push(owner.pointer())?;
                }
            }
            self.push(&set.rtype.0.to_be_bytes())?;
            self.push(&CLASS_IN.to_be_bytes())?;
            self.push(&record.ttl.min(ttl_max).to_be_bytes())?;
            self.push(&(record.rdata.len() as u16).to_be_bytes())?;
            self.push(record.rdata)?;
        }
        names.remember(&self.room[..self.at], start);
        Some(())
    }

    /// The page's SOA, which says for how long the absence may be cached (RFC 2308).
    fn soa(&mut self, path: &Path, at: At<'_>) -> Option<()> {
        // The root's name is shorter than a pointer to it.
        match at.cut > 0 && at.cut == path.labels() {
            true => self.push(&[0])?,
            false => self.push(&pointer(path, at.cut))?,
        }
        let minimum = (NEGATIVE_TTL.as_secs() as u32).min(apex::MADE_TTL);
        let ttl = minimum.min(at.page.meta().absence_ttl).min(at.ttl_max);
        let rdata = apex::soa_rdata(at.page.meta().serial);
        self.push(&[0, RecordType::SOA.0 as u8, 0, CLASS_IN as u8])?;
        self.push(&ttl.to_be_bytes())?;
        self.push(&(rdata.len() as u16).to_be_bytes())?;
        self.push(&rdata)
    }
}
