//! Decides what a question's answer is (RFC 1034 section 4.3.2), from a view and nothing else.
//!
//! An answer names record sets of the view without copying them. It does not know bytes,
//! sizes or sockets: [`super::wire`] writes it, and [`super::face`] hands it to hickory.

use std::{borrow::Cow, fmt};

use super::{
    additional,
    fetch::Lacking,
    forward::loops,
    node::{Node, Prebuilt, Record, push_record, records},
    path::{Path, name_len},
    query::{Fault, Query},
    source::{Source, Told},
    special::{self, Local},
    suffix,
    view::{Found, PageView, Place, Trouble, View},
};
use crate::{
    id::Id,
    limits::{CNAME_CHAIN_MAX, EDE_TEXT_BYTES_MAX, NEGATIVE_TTL},
    page::{apex, name::Name, record::RecordType},
};

/// What is said to a question.
#[derive(Clone, Debug, Default)]
pub struct Answer<'v> {
    pub rcode: Rcode,
    /// AA: the first name's answer comes from a page, not from above a delegation.
    pub authoritative: bool,
    /// AD: it comes from elsewhere, where it was validated.
    pub authentic: bool,
    /// RA: somebody here resolves what is in no page.
    pub recursive: bool,
    pub answer: Vec<Part<'v>>,
    pub authority: Vec<Part<'v>>,
    pub additional: Vec<Part<'v>>,
    /// How many parts at the head of `additional` a referral is of no use without: glue below
    /// the cut. If they do not fit, TC is set (RFC 9471 section 3).
    pub needed: usize,
    /// Extended errors (RFC 8914), for clients that speak EDNS.
    pub errors: Vec<ExtendedError>,
    /// The name that nobody here knows and somebody else may: that of the question, or one that an
    /// alias led to.
    pub outside: Option<Path>,
    /// The page that has the say about a name on the way, and that is not here.
    pub lacking: Option<Lacking>,
    pub source: Source,
    /// The upstream that it comes from, if one said it.
    pub told: Option<Told>,
}

/// One record set of an answer.
#[derive(Clone, Debug)]
pub struct Part<'v> {
    /// The owner in lower-case wire form; `None` is the name in the question.
    pub owner: Option<Box<[u8]>>,
    pub rtype: RecordType,
    pub count: u16,
    /// The records in prebuilt form.
    pub records: Cow<'v, [u8]>,
    /// Seconds that none of the TTLs may exceed.
    pub ttl_max: u32,
}

/// A response code, extended ones included (RFC 6895 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
pub struct Rcode(pub u16);

impl Rcode {
    pub const NOERROR: Rcode = Rcode(0);
    pub const FORMERR: Rcode = Rcode(1);
    pub const SERVFAIL: Rcode = Rcode(2);
    pub const NXDOMAIN: Rcode = Rcode(3);
    pub const NOTIMP: Rcode = Rcode(4);
    pub const REFUSED: Rcode = Rcode(5);
    /// A DNAME makes a name that is too long (RFC 6672 section 2.2).
    pub const YXDOMAIN: Rcode = Rcode(6);
    /// No page of the name is here, or a signature is not right (RFC 8945 section 5.2).
    pub const NOTAUTH: Rcode = Rcode(9);
    pub const BADVERS: Rcode = Rcode(16);
    /// The server's part of a cookie is not good (RFC 7873 section 8).
    pub const BADCOOKIE: Rcode = Rcode(23);
}

/// As people write it (RFC 6895 section 2.3).
impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Rcode::NOERROR => "NOERROR",
            Rcode::FORMERR => "FORMERR",
            Rcode::SERVFAIL => "SERVFAIL",
            Rcode::NXDOMAIN => "NXDOMAIN",
            Rcode::NOTIMP => "NOTIMP",
            Rcode::REFUSED => "REFUSED",
            Rcode::YXDOMAIN => "YXDOMAIN",
            Rcode::NOTAUTH => "NOTAUTH",
            Rcode::BADVERS => "BADVERS",
            Rcode::BADCOOKIE => "BADCOOKIE",
            Rcode(other) => return write!(f, "RCODE{other}"),
        })
    }
}

/// Why, in one number and a sentence (RFC 8914).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendedError {
    pub code: u16,
    pub text: Cow<'static, str>,
}

impl ExtendedError {
    /// Whether it says that the answer may be old (T6).
    pub fn is_stale(&self) -> bool {
        [EDE_STALE, EDE_STALE_NXDOMAIN].contains(&self.code)
    }
}

pub(super) const EDE_OTHER: u16 = 0;
pub(super) const EDE_STALE: u16 = 3;
pub(super) const EDE_CACHED_ERROR: u16 = 13;
pub(super) const EDE_NOT_READY: u16 = 14;
pub(super) const EDE_PROHIBITED: u16 = 18;
pub(super) const EDE_STALE_NXDOMAIN: u16 = 19;
pub(super) const EDE_NO_REACHABLE_AUTHORITY: u16 = 22;
const EDE_NOT_AUTHORITATIVE: u16 = 20;
pub(super) const EDE_NOT_SUPPORTED: u16 = 21;
/// The answer was made here and not found anywhere (IANA's registry of extended errors).
const EDE_SYNTHESIZED: u16 = 29;
const EDE_INVALID_TYPE: u16 = 30;

pub(super) const CLASS_IN: u16 = 1;
/// Why an answer may be old (T6).
pub(super) const STALE: &str = "too few attest that this is newest";
/// RFC 9824 section 3.5: no record, and no question, has this type.
const NXNAME: RecordType = RecordType(128);

impl<'v> Answer<'v> {
    /// Answers a query, well formed or not.
    pub fn of(view: &'v View, query: &Query<'_>) -> Answer<'v> {
        let question = match (query.fault, &query.question) {
            (None, Some(question)) => question,
            (fault, _) => return Answer::faulty(fault.unwrap_or(Fault::Questions)),
        };
        if question.class != CLASS_IN {
            let text = "only class IN is served";
            return Answer::failed(Rcode::REFUSED, EDE_NOT_AUTHORITATIVE, text);
        }
        match question.qtype {
            NXNAME => Answer::failed(Rcode::FORMERR, EDE_INVALID_TYPE, "NXNAME is no question"),
            RecordType::AXFR | RecordType::IXFR => {
                Answer::failed(Rcode::REFUSED, EDE_NOT_SUPPORTED, "pages are not transferred here")
            }
            qtype if !qtype.is_data() && qtype != RecordType::ANY => {
                Answer::failed(Rcode::NOTIMP, EDE_INVALID_TYPE, "a type that is never an answer")
            }
            qtype => {
                let mut answer = Answer::look_up(view, &question.path, qtype);
                if !query.edns.is_some_and(|edns| edns.dnssec_ok) {
                    // The DS of a referral is for those who validate (RFC 4035 section 3.1).
                    answer.authority.retain(|part| part.rtype != RecordType::DS);
                }
                answer
            }
        }
    }

    fn faulty(fault: Fault) -> Answer<'v> {
        let code = match fault {
            Fault::Opcode | Fault::Version => EDE_NOT_SUPPORTED,
            Fault::Form | Fault::Questions | Fault::Option => EDE_OTHER,
        };
        Answer::failed(fault.rcode(), code, fault.text())
    }

    /// What the pages say about a name: RFC 1034 section 4.3.2 from its first step, again for
    /// each alias.
    pub fn look_up(view: &'v View, name: &Path, qtype: RecordType) -> Answer<'v> {
        let mut search =
            Search { view, qtype, answer: Answer::default(), passed: Vec::new(), stale: None };
        let mut next = search.step(name);
        while let Some(target) = next {
            if search.passed.iter().any(|passed| passed.wire() == target.wire())
                || target.wire() == name.wire()
            {
                search.answer.add_error(EDE_OTHER, "the aliases go in a circle");
                break;
            }
            if search.passed.len() >= CNAME_CHAIN_MAX {
                search.answer.add_error(EDE_OTHER, "the chain of aliases is too long");
                break;
            }
            search.passed.push(target);
            next = search.step(&target);
        }
        search.finish()
    }

    /// Aliases, followed by what was found for `name`, to which they lead. If one of them was not
    /// validated, the whole was not.
    #[must_use]
    pub fn followed_by(mut self, found: Answer<'v>, name: &Path) -> Answer<'v> {
        let named =
            |part: Part<'v>| Part { owner: part.owner.or(Some(name.wire().into())), ..part };
        (self.rcode, self.source, self.told) = (found.rcode, found.source, found.told);
        self.lacking = found.lacking;
        self.authentic &= found.authentic;
        self.needed += if self.additional.is_empty() { found.needed } else { 0 };
        self.additional.extend(found.additional.into_iter().map(named));
        self.answer.extend(found.answer.into_iter().map(named));
        self.authority.extend(found.authority.into_iter().map(named));
        self.errors.extend(found.errors);
        self
    }

    /// Nothing but an rcode and the extended error that says why (RFC 8914).
    pub fn failed(rcode: Rcode, code: u16, text: impl Into<Cow<'static, str>>) -> Answer<'v> {
        let mut answer = Answer { rcode, ..Answer::default() };
        answer.add_error(code, text);
        answer
    }

    /// Tells who was not helped elsewhere where the pages say something of a name that others have too.
    pub(super) fn add_hidden(&mut self, view: &View, name: &Path) {
        if ![Rcode::SERVFAIL, Rcode::NXDOMAIN].contains(&self.rcode) {
            return;
        }
        if let Some(words) = hidden_words(view, name) {
            self.add_error(EDE_NOT_AUTHORITATIVE, words);
        }
    }

    pub(super) fn add_error(&mut self, code: u16, text: impl Into<Cow<'static, str>>) {
        let mut text = text.into();
        if text.len() > EDE_TEXT_BYTES_MAX {
            // Only names make a text long, and they are shown in ASCII.
            text.to_mut().truncate(EDE_TEXT_BYTES_MAX);
        }
        self.errors.push(ExtendedError { code, text });
    }
}

impl<'v> Part<'v> {
    /// A record set of a page.
    pub fn held(owner: Option<&[u8]>, set: Prebuilt<'v>, ttl_max: u32) -> Part<'v> {
        let owner = owner.map(Box::from);
        let records = Cow::Borrowed(set.records);
        Part { owner, rtype: set.rtype, count: set.count, records, ttl_max }
    }

    /// A record that is in no page.
    pub fn made(owner: Option<&[u8]>, rtype: RecordType, ttl: u32, rdata: &[u8]) -> Part<'v> {
        let mut records = Vec::with_capacity(rdata.len() + super::node::RECORD_HEAD);
        push_record(&mut records, rtype, ttl, rdata);
        let owner = owner.map(Box::from);
        Part { owner, rtype, count: 1, records: Cow::Owned(records), ttl_max: u32::MAX }
    }

    /// The records with the TTLs that are served.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        let cap = |record: Record<'_>| record.ttl.min(self.ttl_max);
        records(&self.records).map(move |record| Record { ttl: cap(record), ..record })
    }
}

/// Of a name that the public DNS has too, and that the pages would know something about.
fn hidden_words(view: &View, name: &Path) -> Option<String> {
    view.hides(name).then(|| {
        let name = name.to_name();
        format!(
            "{name} is outside the pages: ICANN has this name too; {name}djdns.alt. is what the pages say"
        )
    })
}

/// A lookup in progress.
struct Search<'v> {
    view: &'v View,
    qtype: RecordType,
    answer: Answer<'v>,
    /// Targets of aliases followed so far.
    passed: Vec<Path>,
    /// The first page that had a say and is not fresh.
    stale: Option<&'v PageView>,
}

/// Where in a page a name is looked up.
struct At<'v, 'n> {
    page: &'v PageView,
    name: &'n Path,
    /// The label at which the page's name begins.
    cut: usize,
    /// Seconds that what is found may be cached at most.
    ttl_max: u32,
}

impl<'v> Search<'v> {
    /// One round of the algorithm for one name. Returns the next name, if this one is an alias.
    fn step(&mut self, name: &Path) -> Option<Path> {
        let first = self.passed.is_empty();
        if loops::is_probe(name) {
            self.unknown(name);
            return None;
        }
        match self.view.place(name, self.qtype) {
            Place::Page(Found { page, cut, ttl_max, .. }) => {
                let at = At { page, name, cut, ttl_max };
                if first {
                    self.answer.authoritative = true;
                    // Only `localhost.`, which nobody founded, has no id.
                    let made = page.meta().id == Id::ZERO;
                    self.answer.source = if made { Source::Special } else { Source::Page };
                }
                if !page.meta().fresh {
                    self.stale = self.stale.or(Some(page));
                }
                self.descend(&at)
            }
            Place::Missing(label, id, trouble) => {
                let real = suffix::strip(name).unwrap_or(*name);
                let page = Path::read(real.suffix(label)).map(|path| path.to_name());
                self.missing(page, id, trouble);
                None
            }
            Place::Nowhere => {
                self.outside(name);
                None
            }
        }
    }

    /// The page that has the say is not here.
    fn missing(&mut self, name: Option<Name>, id: Id, trouble: Option<Trouble>) {
        let words = name.as_ref().map_or_else(String::new, Name::to_string);
        let (code, text) = match trouble {
            Some(Trouble::Damaged) => (EDE_OTHER, format!("the page {words} is damaged here")),
            _ => (EDE_NOT_READY, format!("the page {words} is not here yet")),
        };
        self.answer = Answer::failed(Rcode::SERVFAIL, code, text);
        self.answer.source = Source::Page;
        let is_damaged = trouble == Some(Trouble::Damaged);
        self.answer.lacking = name.filter(|_| !is_damaged).map(|name| Lacking { page: id, name });
        self.stale = None;
    }

    /// No page knows the name. An alias that leads out is still an answer.
    fn outside(&mut self, name: &Path) {
        if let Some(real) = suffix::strip(name) {
            // Nobody else knows anything below the suffix, and nobody is asked.
            let zone = name.suffix(real.labels());
            self.answer.add_error(EDE_SYNTHESIZED, "only pages have names here, and none has this");
            self.local(name, zone, Rcode::NXDOMAIN, None);
        } else if let Some(local) = self.view.special().look_up(name, self.qtype) {
            let Local { zone, rcode, record, why } = local;
            if record.is_none() {
                self.answer.add_error(EDE_SYNTHESIZED, why);
            }
            self.local(name, name.suffix(zone), rcode, record);
        } else {
            self.unknown(name);
        }
    }

    /// Nothing here says anything about a name; somebody else may.
    fn unknown(&mut self, name: &Path) {
        if self.passed.is_empty() {
            let text = match hidden_words(self.view, name) {
                Some(words) => words.into(),
                None => Cow::Borrowed("outside the pages, and nobody else is asked"),
            };
            self.answer = Answer::failed(Rcode::REFUSED, EDE_NOT_AUTHORITATIVE, text);
            self.stale = None;
        }
        self.answer.outside = Some(*name);
    }

    /// What is known of a name without any page. The zone's SOA says how long its absence may be
    /// cached (RFC 2308).
    fn local(
        &mut self,
        name: &Path,
        zone: &[u8],
        rcode: Rcode,
        record: Option<(RecordType, Vec<u8>)>,
    ) {
        if self.passed.is_empty() {
            self.answer.authoritative = true;
            self.answer.source = Source::Special;
            self.stale = None;
        }
        self.answer.rcode = rcode;
        let ttl = NEGATIVE_TTL.as_secs() as u32;
        if let Some((rtype, rdata)) = record {
            self.answer.answer.push(Part::made(self.owner(name), rtype, ttl, &rdata));
            return;
        }
        let owner = if zone == name.wire() { self.owner(name) } else { Some(zone) };
        self.answer.authority.push(Part::made(owner, RecordType::SOA, ttl, &special::soa()));
    }

    /// Step 3: label by label down the page, until the name, a cut, or nothing.
    fn descend(&mut self, at: &At<'v, '_>) -> Option<Path> {
        let At { page, name, cut, .. } = *at;
        if cut == 0 {
            self.exact(at, page.node(b""));
            return None;
        }
        for label in (0..cut).rev() {
            let Some(node) = page.node(name.owner(label, cut)) else {
                return self.wildcard(at, label + 1);
            };
            // The parent answers for a DS at the cut (RFC 4035 section 3.1.4.1).
            if node.is_delegation() && !(label == 0 && self.qtype == RecordType::DS) {
                self.refer(at, label, node);
                return None;
            }
            if label > 0 && node.is_subtree_alias() {
                return self.redirect(at, label, node);
            }
            if label == 0 {
                return self.matched(at, node);
            }
        }
        None
    }

    /// Step 3a: the name exists, or a wildcard stands for it.
    fn matched(&mut self, at: &At<'v, '_>, node: Node<'v>) -> Option<Path> {
        let follows = ![RecordType::CNAME, RecordType::ANY].contains(&self.qtype);
        if !(node.is_alias() && follows) {
            self.exact(at, Some(node));
            return None;
        }
        let alias = node.get(RecordType::CNAME)?;
        let target = Path::read(alias.iter().next()?.rdata)?;
        self.push_answer(at, alias);
        Some(target)
    }

    /// The records of the wanted type at a name that exists, or NODATA.
    fn exact(&mut self, at: &At<'v, '_>, node: Option<Node<'v>>) {
        let found = match self.qtype {
            RecordType::ANY => self.any(at, node),
            qtype => node.and_then(|node| node.get(qtype)).is_some_and(|set| {
                self.push_answer(at, set);
                additional::for_targets(self.view, &mut self.answer, set, at.name);
                true
            }),
        };
        let made = !found && at.cut == 0 && self.made(at);
        if !found && !made {
            self.deny(at, Rcode::NOERROR);
            self.keys_of_the_root(at);
        }
    }

    /// The root's keys are those of the public root: a local validator that has them as its trust anchor
    /// asks for them before anything else (RFC 8109 section 3), and would believe nobody without.
    fn keys_of_the_root(&mut self, at: &At<'v, '_>) {
        let is_root = at.name.labels() == 0 && at.page.meta().name.is_root();
        if is_root && self.qtype == RecordType::DNSKEY && self.passed.is_empty() {
            self.answer.outside = Some(*at.name);
        }
    }

    /// RFC 8482 section 4.1: of all that is there, one record set, the smallest. Who needs more
    /// asks for it by type.
    fn any(&mut self, at: &At<'v, '_>, node: Option<Node<'v>>) -> bool {
        let sets = node.into_iter().flat_map(Node::sets);
        let smallest = sets.min_by_key(|set| set.records.len());
        smallest.inspect(|set| self.push_answer(at, *set)).is_some()
    }

    /// The SOA and NS that every page has at its apex.
    fn made(&mut self, at: &At<'v, '_>) -> bool {
        let rdata = match self.qtype {
            RecordType::SOA => apex::soa_rdata(at.page.meta().serial).to_vec(),
            RecordType::NS | RecordType::ANY => apex::ns_rdata(),
            _ => return false,
        };
        let rtype = if self.qtype == RecordType::SOA { RecordType::SOA } else { RecordType::NS };
        let mut part = Part::made(self.owner(at.name), rtype, apex::MADE_TTL, &rdata);
        part.ttl_max = at.ttl_max;
        self.answer.answer.push(part);
        true
    }

    /// Step 3b: a referral, with the addresses that lie in this page (RFC 1034 section 4.3.2).
    fn refer(&mut self, at: &At<'v, '_>, label: usize, node: Node<'v>) {
        if self.passed.is_empty() {
            self.answer.authoritative = false;
        }
        let Some(servers) = node.get(RecordType::NS) else { return };
        let cut = at.name.suffix(label);
        let owner = if label == 0 { self.owner(at.name) } else { Some(cut) };
        self.answer.authority.push(Part::held(owner, servers, at.ttl_max));
        if let Some(signer) = node.get(RecordType::DS) {
            self.answer.authority.push(Part::held(owner, signer, at.ttl_max));
        }
        // The servers' names are real ones, and so is the cut they lie below.
        let real = suffix::strip(at.name).unwrap_or(*at.name);
        additional::for_servers(&mut self.answer, at.page, at.ttl_max, servers, real.suffix(label));
    }

    /// A DNAME above the name: the part below it is kept, what is above is replaced, and a CNAME
    /// says so to those who do not know DNAME (RFC 6672 section 3).
    fn redirect(&mut self, at: &At<'v, '_>, label: usize, node: Node<'v>) -> Option<Path> {
        let set = node.get(RecordType::DNAME)?;
        let record = set.iter().next()?;
        self.answer.answer.push(Part::held(Some(at.name.suffix(label)), set, at.ttl_max));
        let Some(target) = at.name.graft(label, record.rdata) else {
            self.answer.rcode = Rcode::YXDOMAIN;
            self.answer.add_error(EDE_OTHER, "a DNAME makes this name too long");
            return None;
        };
        let owner = self.owner(at.name);
        let ttl = record.ttl.min(at.ttl_max);
        self.answer.answer.push(Part::made(owner, RecordType::CNAME, ttl, target.wire()));
        (self.qtype != RecordType::CNAME).then_some(target)
    }

    /// Step 3c: nothing at the name; the closest encloser begins at label `encloser`
    /// (RFC 4592 section 3.3.1).
    fn wildcard(&mut self, at: &At<'v, '_>, encloser: usize) -> Option<Path> {
        let owner = [b"\x01*", at.name.owner(encloser, at.cut)].concat();
        if let Some(node) = at.page.node(&owner) {
            return self.matched(at, node);
        }
        // An absent top-level name is not denied: the root page says nothing about it, and the
        // world's own root may know it.
        if at.page.meta().name.is_root() && encloser == at.cut && suffix::strip(at.name).is_none() {
            self.outside(at.name);
            return None;
        }
        self.deny(at, Rcode::NXDOMAIN);
        None
    }

    /// No such name or no such data: the SOA goes with it, and says for how long (RFC 2308).
    fn deny(&mut self, at: &At<'v, '_>, rcode: Rcode) {
        self.answer.rcode = rcode;
        let name = at.name.suffix(at.cut);
        let owner = if at.cut == 0 { self.owner(at.name) } else { Some(name) };
        let minimum = NEGATIVE_TTL.as_secs() as u32;
        let ttl = minimum.min(apex::MADE_TTL).min(at.page.meta().absence_ttl).min(at.ttl_max);
        let rdata = apex::soa_rdata(at.page.meta().serial);
        self.answer.authority.push(Part::made(owner, RecordType::SOA, ttl, &rdata));
    }

    fn push_answer(&mut self, at: &At<'v, '_>, set: Prebuilt<'v>) {
        let part = Part::held(self.owner(at.name), set, at.ttl_max);
        self.answer.answer.push(part);
    }

    /// How the name being looked up is written: as the question, until an alias was followed.
    fn owner<'n>(&self, name: &'n Path) -> Option<&'n [u8]> {
        (!self.passed.is_empty()).then(|| name.wire())
    }

    fn finish(mut self) -> Answer<'v> {
        if let Some(page) = self.stale {
            let code = match self.answer.rcode {
                Rcode::NXDOMAIN => EDE_STALE_NXDOMAIN,
                _ => EDE_STALE,
            };
            self.answer.add_error(code, self.staleness(page));
        }
        self.answer
    }

    /// Why a page is not fresh (T4, T6).
    fn staleness(&self, page: &PageView) -> Cow<'static, str> {
        match self.view.trouble(&page.meta().id) {
            Some(Trouble::Forked(height)) => {
                let name = &page.meta().name;
                format!("{name} is forked: two seals of height {height} contradict each other")
                    .into()
            }
            _ => STALE.into(),
        }
    }
}

/// The name that a record's data points to for addresses, and where in the data it begins.
pub fn target_at(rtype: RecordType, rdata: &[u8]) -> Option<usize> {
    let at = match rtype {
        RecordType::NS | RecordType::CNAME | RecordType::DNAME | RecordType::PTR => 0,
        RecordType::MX | RecordType::SVCB | RecordType::HTTPS => 2,
        RecordType::SRV => 6,
        _ => return None,
    };
    name_len(rdata.get(at..)?).map(|_| at)
}
