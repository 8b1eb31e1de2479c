//! The short way: usual questions answered from the view by copying, with nothing allocated.
//!
//! Usual is one question of class IN with an OPT without options or none, for a type whose records lead
//! to no other name, and whose answer lies in one page: its records, with or without a wildcard, or that
//! there are none. For everything else this says nothing, and [`Answer`](super::Answer) decides. What
//! is said here is in every octet what it says: a property test and a fuzz target hold the two together.

use super::{
    Rcode, Source,
    answer::CLASS_IN,
    batch::Room,
    forward::loops,
    node::{Node, Prebuilt},
    path::Path,
    suffix,
    view::{Found, PageView, Place, View},
};
use crate::{
    id::Id,
    limits::{NAME_BYTES_MAX, NEGATIVE_TTL, UDP_ANSWER_BYTES_MAX, UDP_ANSWER_BYTES_PLAIN},
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
const OPT: usize = 11;
const RD: u8 = 0x01;
const CD: u8 = 0x10;
const QR_AA: u8 = 0x84;
const RA: u8 = 0x80;
const DO: u8 = 0x80;
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

/// What its OPT says.
#[derive(Clone, Copy)]
pub(super) struct Opt {
    payload: u16,
    pub(super) dnssec_ok: bool,
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
    /// The root page has no such top-level name, and the public DNS may.
    Outside,
    Unusual,
}

/// Writes the answer to a usual question that is asked over UDP. `recursive`: somebody here resolves what
/// is in no page (RA). What is in `path` and in `room` before is of no account.
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
    let Found { page, cut, ttl_max } = found;
    if ttl_max != u32::MAX || !page.meta().fresh {
        return Short::Unusual;
    }
    let written = match say(page, usual, cut) {
        Said::Records(set) => write_records(usual, set, recursive, room),
        Said::Nothing(rcode) => write_denial(usual, rcode, page, cut, recursive, room),
        Said::Outside => return Short::Outside,
        Said::Unusual => None,
    };
    let Some((len, rcode)) = written else { return Short::Unusual };
    // Only `localhost.`, which nobody founded, has no id.
    let is_made = page.meta().id == Id::ZERO;
    let source = if is_made { Source::Special } else { Source::Page };
    Short::Written(Written { len, rcode, source })
}

fn write_records(
    usual: &Usual<'_>,
    set: Prebuilt<'_>,
    recursive: bool,
    room: &mut Room,
) -> Option<(usize, Rcode)> {
    let len = HEADER + usual.raw.len() + set.records.len() + usual.opt_len();
    if len > usual.limit() {
        return None;
    }
    let mut writer = Writer { room, at: 0 };
    writer.begin(usual, recursive, Rcode::NOERROR, [set.count, 0]);
    writer.push(set.records);
    writer.end(usual);
    Some((len, Rcode::NOERROR))
}

fn write_denial(
    usual: &Usual<'_>,
    rcode: Rcode,
    page: &PageView,
    cut: usize,
    recursive: bool,
    room: &mut Room,
) -> Option<(usize, Rcode)> {
    let mut writer = Writer { room, at: 0 };
    writer.begin(usual, recursive, rcode, [0, 1]);
    writer.soa(usual.path, cut, page);
    writer.end(usual);
    (writer.at <= usual.limit()).then_some((writer.at, rcode))
}

/// What the page says at this name.
fn say<'v>(page: &'v PageView, usual: &Usual<'_>, cut: usize) -> Said<'v> {
    let path = usual.path;
    if cut == 0 {
        // SOA and NS are made there, and what the root has no keys of is asked elsewhere.
        return match usual.qtype {
            RecordType::SOA | RecordType::NS | RecordType::DNSKEY => Said::Unusual,
            qtype => exact(page.node(b""), qtype),
        };
    }
    for label in (0..cut).rev() {
        let Some(node) = page.node(path.owner(label, cut)) else {
            return absent(page, usual, label + 1, cut);
        };
        if node.is_delegation() || node.is_subtree_alias() {
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

fn matched(node: &Node, qtype: RecordType) -> Said<'_> {
    let follows = node.is_alias() && qtype != RecordType::CNAME;
    match follows || node.is_delegation() {
        true => Said::Unusual,
        false => exact(Some(node), qtype),
    }
}

fn exact(node: Option<&Node>, qtype: RecordType) -> Said<'_> {
    match node.and_then(|node| node.get(qtype)) {
        Some(set) => Said::Records(set),
        None => Said::Nothing(Rcode::NOERROR),
    }
}

/// Types whose records lead to names that may be sent along, or that are no data.
fn is_usual(qtype: RecordType) -> bool {
    let leads = matches!(
        qtype,
        RecordType::NS | RecordType::MX | RecordType::SRV | RecordType::SVCB | RecordType::HTTPS
    );
    qtype.is_data() && !leads
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
        if raw[name + 2..] != CLASS_IN.to_be_bytes() || !is_usual(qtype) {
            return None;
        }
        let opt = match (counts[7], rest) {
            (0, []) => None,
            // Version 0 (RFC 6891 section 6.1.3), and no options.
            (1, [0, 0, 41, high, low, _, 0, flags, _, 0, 0]) => {
                Some(Opt { payload: u16::from_be_bytes([*high, *low]), dnssec_ok: flags & DO != 0 })
            }
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

    fn opt_len(&self) -> usize {
        if self.opt.is_some() { OPT } else { 0 }
    }
}

/// An answer that is being written. What a question and one SOA take always has room.
struct Writer<'r> {
    room: &'r mut Room,
    at: usize,
}

impl Writer<'_> {
    fn push(&mut self, bytes: &[u8]) {
        self.room[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn begin(&mut self, usual: &Usual<'_>, recursive: bool, rcode: Rcode, counts: [u16; 2]) {
        let [id_high, id_low, asked, flags, ..] = *usual.header;
        let recursive = if recursive { RA } else { 0 };
        let [[answers_high, answers], [_, denials]] = counts.map(u16::to_be_bytes);
        let extra = u8::from(usual.opt.is_some());
        self.push(&[
            id_high,
            id_low,
            QR_AA | asked & RD,
            recursive | flags & CD | rcode.0 as u8,
            0,
            1,
            answers_high,
            answers,
            0,
            denials,
            0,
            extra,
        ]);
        self.push(usual.raw);
    }

    /// The page's SOA, which says for how long the absence may be cached (RFC 2308).
    fn soa(&mut self, path: &Path, cut: usize, page: &PageView) {
        let name = path.wire().len() - path.suffix(cut).len();
        match cut > 0 && cut == path.labels() {
            true => self.push(&[0]),
            false => self.push(&(0xc000 | (HEADER + name) as u16).to_be_bytes()),
        }
        let ttl = (NEGATIVE_TTL.as_secs() as u32).min(apex::MADE_TTL).min(page.meta().absence_ttl);
        self.push(&[0, RecordType::SOA.0 as u8, 0, 1]);
        self.push(&ttl.to_be_bytes());
        let rdata = apex::soa_rdata(page.meta().serial);
        self.push(&(rdata.len() as u16).to_be_bytes());
        self.push(&rdata);
    }

    fn end(&mut self, usual: &Usual<'_>) {
        let Some(opt) = usual.opt else { return };
        let [high, low] = UDP_ANSWER_BYTES_MAX.to_be_bytes();
        self.push(&[0, 0, 41, high, low, 0, 0, u8::from(opt.dnssec_ok) << 7, 0, 0, 0]);
    }
}
