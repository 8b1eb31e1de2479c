//! A page as its log or a bundle holds it: what it was founded with, and all that was said since,
//! in order, seals among it.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{
    landing::{Download, Jump, LandingRefusal},
    many::admit_all,
    node::{Progress, checking},
};
use crate::{
    governance::{
        Governance, Refusal,
        chain::ChainRefusal,
        chain::ladder::Ladder,
        field::Field,
        forks::{Decision, Forks},
        jump::{JumpRefusal, Snapshot, Trust, Window},
        seal::SealRecord,
        sealing::SealRefusal,
        statement::{Statement, StatementRefusal},
    },
    id::{Id, Kind},
    key::KnownKeys,
    limits::LOG_ENTRIES_CHUNK_BYTES,
    page::{
        Page, PageRefusal, RawPage, bundle,
        codec::{self, CodecRefusal},
        entry::Rdata,
        trie::Trie,
    },
    store::Record,
};

/// The kind of a record that says when this node wrote what follows, and why: for the audit trail.
/// It stays on this machine.
pub const NOTE: u8 = 0x40;
/// The kind of a record with a seal that contradicts one in this log: evidence of a fork (T4). It
/// stays on this machine too.
pub const FORK: u8 = 0x41;

/// The kind of a record with what a person decided between two seals of a height (T4). It stays here as well.
pub const DECISION: u8 = 0x42;

/// Whether records of this kind stay on this machine: no bundle has them.
pub fn is_local(kind: u8) -> bool {
    [NOTE, FORK, DECISION].contains(&kind)
}

/// What notes say of a page that came from other nodes, of one that a person brought though it was here, and of
/// what was said on this machine.
pub const FETCHED: &str = "fetched";
pub const CARRIED: &str = "carried";
pub const SUBMITTED: &str = "submitted";

/// Everything that a page consists of: what is in a bundle, and in a log.
#[derive(Default)]
pub struct WholePage {
    pub raw: RawPage,
    /// Statements and seals with their kinds, in the order in which they were taken in.
    pub said: Vec<(Kind, Vec<u8>)>,
    /// Seals that contradict seals of this page, and what was decided.
    pub forks: Forks,
    /// Where the page was taken over at a seal, in order (N5).
    pub jumps: Vec<Jump>,
    /// What was fetched of a state that is not whole yet.
    pub download: Download,
    pub origin: Origin,
}

/// How a page came into a log, and who added to it, by the notes there.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The first note: the page was founded, brought or fetched.
    first: Option<String>,
    /// A person brought it by hand later, be there anything new in it or not.
    is_carried: bool,
    /// Something was said of it on this machine.
    pub is_used: bool,
}

impl Origin {
    fn take(&mut self, bytes: &[u8]) {
        let Some(note) = Note::read(bytes) else { return };
        self.is_used |= note.what == SUBMITTED;
        self.is_carried |= note.what == CARRIED;
        self.first.get_or_insert(note.what);
    }

    /// Whether other nodes gave it, and nobody brought it by hand.
    pub fn is_fetched(&self) -> bool {
        self.first.as_deref() == Some(FETCHED) && !self.is_carried
    }
}

/// How a page begins.
pub struct Start {
    pub page: Governance,
    /// What it was founded by, if not by its initial entries.
    pub snapshot: Option<Snapshot>,
}

/// What a page that is replayed does, one after the other.
pub enum Step<'a> {
    /// The page below, the seal, the page under it.
    Sealed(&'a Governance, &'a SealRecord, &'a Governance),
    /// The page before, what it jumped to, the page there.
    Jumped(&'a Governance, &'a Snapshot, &'a Governance),
}

/// Why this node wrote a change, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Seconds since 1970 (UTC), by this machine's clock.
    pub time: u64,
    pub what: String,
}

/// Why a page cannot be read back from its log, or taken from a bundle.
#[derive(Debug, thiserror::Error)]
pub enum WholeRefusal {
    #[error("a record of the unknown kind {0}: a newer version may have written it")]
    UnknownKind(u8),
    #[error("a record of kind {0}: {1}")]
    Record(u8, CodecRefusal),
    #[error(transparent)]
    Page(#[from] PageRefusal),
    #[error("statement {0}: {1}")]
    Statement(usize, StatementRefusal),
    #[error("the statement {0}: {1}")]
    NotAdmitted(Id, Refusal),
    #[error("statement {0} is kept as a {1}, and is a {2}")]
    OtherKind(usize, &'static str, &'static str),
    #[error("the seal at height {0}: {1}")]
    Seal(u64, Box<SealRefusal>),
    #[error("the chain of certificates: {0}")]
    Chain(#[from] Box<ChainRefusal>),
    #[error("the evidence of a fork at height {0}: {1}")]
    Fork(u64, Box<SealRefusal>),
    #[error("the evidence of a fork at height {0} contradicts no seal of this page")]
    NoFork(u64),
    #[error("the state that was taken over: {0}")]
    Landing(#[from] LandingRefusal),
    #[error("the seal at height {0} that the page was taken over at: {1}")]
    Jump(u64, Box<JumpRefusal>),
    #[error(
        "its initial entries are not there, and no state in their place: it is still being fetched"
    )]
    Unfinished,
}

/// Sees every step of a page that is replayed.
pub type Watch<'a> = &'a mut dyn FnMut(Step) -> Result<(), WholeRefusal>;

/// How much is checked when a page is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// It was checked before, and checksums prove it unchanged: state roots are compared, and
    /// nothing else. A statement that counts no longer is passed over.
    Trusted,
    /// The same, but for states that were taken over, of which every leaf and certificate is checked.
    Chained,
    /// Every signature, every ballot, every certificate.
    Full,
}

impl WholePage {
    /// Takes one record of a log or bundle in.
    ///
    /// # Errors
    /// [`WholeRefusal::UnknownKind`] or [`WholeRefusal::Record`].
    pub fn take(&mut self, kind: u8, bytes: Vec<u8>) -> Result<(), WholeRefusal> {
        let broken = |refusal| WholeRefusal::Record(kind, refusal);
        match (kind, Kind::from_tag(kind)) {
            (bundle::ENTRIES, _) => {
                let entries = bundle::read_entries(&bytes).map_err(broken)?;
                self.raw.entries.extend(entries.into_iter().map(|entry| entry.0));
            }
            (NOTE, _) => self.origin.take(&bytes),
            (bundle::LEAVES, _) => self.download.take_leaves(&bytes)?,
            (bundle::PASSAGE, _) => self.download.take_passage(&bytes)?,
            (bundle::JUMP, _) => {
                let jump = self.download.land(self.said.len(), &bytes)?;
                // It led to what the page was founded with: as if that stood here.
                match jump.landing.height {
                    0 => self.raw.entries = jump.entries(),
                    _ => self.jumps.push(jump),
                }
            }
            (FORK, _) => self.forks.restore(SealRecord::decode(&bytes).map_err(broken)?),
            (DECISION, _) => self.forks.decide(Decision::decode(&bytes).map_err(broken)?),
            (_, Some(Kind::Genesis)) => self.raw.genesis = bytes,
            (_, Some(kind)) if is_said(kind) => self.said.push((kind, bytes)),
            _ => return Err(WholeRefusal::UnknownKind(kind)),
        }
        Ok(())
    }

    /// The page as it begins, before anything was said.
    ///
    /// # Errors
    /// The first [`WholeRefusal`].
    pub fn start(&self, check: Check, progress: Progress) -> Result<Start, WholeRefusal> {
        if let Some(jump) = self.founding()? {
            let snapshot = jump.snapshot(&self.raw.genesis, &Trie::default())?;
            let page = Governance::founded_by(&snapshot, check.trust());
            let height = jump.landing.height;
            let page = page.map_err(|why| WholeRefusal::Jump(height, Box::new(why)))?;
            return Ok(Start { page, snapshot: Some(snapshot) });
        }
        let total = self.raw.entries.len();
        let page = match check {
            Check::Full => Page::admit(&self.raw, &mut checking(total, progress))?,
            Check::Trusted | Check::Chained => Page::reopen(&self.raw)?,
        };
        Ok(Start { page: Governance::new(page), snapshot: None })
    }

    /// The jump that stands in the place of initial entries.
    ///
    /// # Errors
    /// [`WholeRefusal::Unfinished`] when neither is there.
    fn founding(&self) -> Result<Option<&Jump>, WholeRefusal> {
        if !self.raw.entries.is_empty() {
            return Ok(None);
        }
        // A page may have been founded without entries.
        if !matches!(Page::reopen(&self.raw), Err(PageRefusal::OtherStateRoot { .. })) {
            return Ok(None);
        }
        match self.jumps.first().filter(|jump| jump.at == 0) {
            None if self.said.is_empty() => Err(WholeRefusal::Unfinished),
            founding => Ok(founding),
        }
    }

    /// The seal from which on all that was said is here: 0, unless the page was taken over since.
    pub fn held_from(&self) -> u64 {
        self.jumps.last().map_or(0, |jump| jump.landing.height)
    }

    /// Replays all that was said on a page.
    ///
    /// # Errors
    /// The first [`WholeRefusal`].
    pub fn replay(
        &self,
        page: Governance,
        check: Check,
        progress: Progress,
    ) -> Result<Governance, WholeRefusal> {
        self.replay_watched(page, check, progress, &mut |_| Ok(()))
    }

    /// [`WholePage::replay`] with a look at every step.
    ///
    /// # Errors
    /// The first [`WholeRefusal`], of the page or of who watches.
    pub fn replay_watched(
        &self,
        page: Governance,
        check: Check,
        progress: Progress,
        watch: Watch,
    ) -> Result<Governance, WholeRefusal> {
        let (known, seen, uncounted) = (KnownKeys::default(), HashMap::new(), Vec::new());
        let mut replay = Replay { page, known, check, seen, uncounted };
        let total = self.said.len() as u64;
        let mut from = 0;
        // A page that was founded by a jump is there already.
        let founded = usize::from(replay.page.page().height() > 0);
        let jumps = self.jumps.iter().skip(founded).map(|jump| (jump.at, Some(jump)));
        for (to, jump) in jumps.chain([(self.said.len(), None)]) {
            for part in self.said[from..to].chunks(REPLAY_PART) {
                replay.part(from, part, watch)?;
                from += part.len();
                progress("replaying", from as u64, total);
            }
            if let Some(jump) = jump {
                replay.jump(jump, &self.raw.genesis, watch)?;
            }
        }
        match replay.uncounted.into_iter().next() {
            Some((id, refusal)) => Err(WholeRefusal::NotAdmitted(id, refusal)),
            None => Ok(replay.page),
        }
    }

    /// How many seals there are.
    pub fn seals(&self) -> usize {
        self.said.iter().filter(|(kind, _)| *kind == Kind::Seal).count()
    }

    /// The records of a new log: the genesis, the entries in parts, what was said.
    pub fn records(self, note: Note) -> impl Iterator<Item = Record> {
        let genesis = Record::unnamed(Kind::Genesis as u8, self.raw.genesis);
        let mut entries = self.raw.entries.into_iter().peekable();
        let parts = std::iter::from_fn(move || {
            entries.peek()?;
            let mut part = Vec::new();
            let mut bytes = 0;
            while bytes < LOG_ENTRIES_CHUNK_BYTES
                && let Some(entry) = entries.next()
            {
                bytes += entry.len();
                part.push(Rdata(entry));
            }
            Some(Record::unnamed(bundle::ENTRIES, bundle::write_entries(&part)))
        });
        let mut jumps = self.jumps.into_iter().peekable();
        let mut said = self.said.into_iter();
        let mut number = 0;
        let since = std::iter::from_fn(move || {
            if let Some(jump) = jumps.next_if(|jump| jump.at == number) {
                return Some(jump.records().collect::<Vec<Record>>());
            }
            number += 1;
            said.next().map(|(kind, bytes)| vec![record(kind, bytes)])
        });
        [genesis, note.record()].into_iter().chain(parts).chain(since.flatten())
    }
}

struct Replay {
    page: Governance,
    known: KnownKeys,
    check: Check,
    /// What the next seals may list.
    seen: HashMap<Id, Statement>,
    /// What did not count when it came: a seal that was made elsewhere may rest on it all the same,
    /// as on a ballot that its voter took back later. Anything else has no place in a page.
    uncounted: Vec<(Id, Refusal)>,
}

/// Statements whose signatures are checked at a time, on all cores (choice).
const REPLAY_PART: usize = 4096;

impl Replay {
    /// Replays a part, of which the first statement has the number `from`.
    fn part(
        &mut self,
        from: usize,
        part: &[(Kind, Vec<u8>)],
        watch: Watch,
    ) -> Result<(), WholeRefusal> {
        let statements = part.iter().filter(|(kind, _)| *kind != Kind::Seal);
        let statements: Vec<&[u8]> = statements.map(|(_, bytes)| bytes.as_slice()).collect();
        let read = match self.check {
            Check::Full => admit_all(&self.known, &statements),
            Check::Trusted | Check::Chained => {
                let reopen = |(n, bytes): (usize, &&[u8])| {
                    Statement::reopen(bytes).map_err(|refusal| (n, refusal))
                };
                statements.iter().enumerate().map(reopen).collect()
            }
        };
        let read = read.map_err(|(n, refusal)| WholeRefusal::Statement(from + n, refusal))?;
        read.iter().for_each(|statement| self.known.learn(statement.author()));
        let mut read = read.into_iter();
        for (n, (kind, bytes)) in (from..).zip(part) {
            if *kind == Kind::Seal {
                self.seal(bytes, watch)?;
            } else if let Some(statement) = read.next() {
                if statement.kind() != *kind {
                    return Err(WholeRefusal::OtherKind(n, kind.word(), statement.kind().word()));
                }
                self.statement(statement);
            }
        }
        Ok(())
    }

    fn statement(&mut self, statement: Statement) {
        let is_full = self.check == Check::Full;
        let id = statement.id();
        match self.page.admit(&statement) {
            Err(refusal) if is_full => self.uncounted.push((id, refusal)),
            Err(refusal) => tracing::warn!("the statement {id} counts no longer: {refusal}"),
            Ok(_) => {}
        }
        if let Some(joined) = self.page.take_joined() {
            self.uncounted.retain(|(id, _)| *id != joined.id());
        }
        let is_applied = matches!(statement.kind(), Kind::Operation | Kind::Presence);
        if is_full || is_applied {
            self.seen.insert(id, statement);
        }
    }

    fn seal(&mut self, bytes: &[u8], watch: Watch) -> Result<(), WholeRefusal> {
        let record = SealRecord::decode(bytes)
            .map_err(|refusal| WholeRefusal::Record(Kind::Seal as u8, refusal))?;
        let find = |id: &Id| self.seen.get(id).cloned();
        let sealed = match self.check {
            Check::Trusted | Check::Chained => self.page.reopen_seal(&record, &find),
            Check::Full => self.page.admit_seal(&record, &find),
        };
        let (page, _) =
            sealed.map_err(|refusal| WholeRefusal::Seal(record.seal.height, refusal.into()))?;
        watch(Step::Sealed(&self.page, &record, &page))?;
        self.page = page;
        if !self.uncounted.is_empty() {
            let listed: HashSet<&Id> = record.contents.ids().collect();
            self.uncounted.retain(|(id, _)| !listed.contains(id));
        }
        for id in record.contents.presences.iter().chain(&record.contents.operations) {
            self.seen.remove(id);
        }
        Ok(())
    }
}

impl Replay {
    /// Takes the page over at a seal, over everything that lies between.
    fn jump(&mut self, jump: &Jump, genesis: &[u8], watch: Watch) -> Result<(), WholeRefusal> {
        let snapshot = jump.snapshot(genesis, self.page.page().state())?;
        let page = self.page.jumped_by(&snapshot, self.check.trust());
        let height = jump.landing.height;
        let (page, _) = page.map_err(|why| WholeRefusal::Jump(height, Box::new(why)))?;
        watch(Step::Jumped(&self.page, &snapshot, &page))?;
        self.page = page;
        // What a seal rested on that lies between is known from nothing else any more.
        self.uncounted.clear();
        Ok(())
    }
}

impl Check {
    fn trust(self) -> Trust {
        match self {
            Check::Trusted => Trust::Checked,
            Check::Chained | Check::Full => Trust::Nothing,
        }
    }
}

/// A page from its log: reopened, and everything said on it.
pub struct Reopened {
    pub page: Governance,
    /// The certificates that lead to it.
    pub ladder: Ladder,
    /// The seals before the last jump that operations may name.
    pub window: Option<Window>,
}

impl Reopened {
    /// What those say of the newest seal who committed to it (T6). What nodes attested is asked for anew.
    pub fn certified(&self, whole: &WholePage) -> Field {
        let mut field = Field::default();
        let newest = whole.said.iter().rev().find(|(kind, _)| *kind == Kind::Seal);
        let newest = newest.and_then(|(_, bytes)| SealRecord::decode(bytes).ok());
        let height = self.page.page().height();
        let shown = self.ladder.newest().filter(|proof| proof.seal.height == height);
        match (newest.filter(|record| record.seal.height == height), shown) {
            (Some(record), _) => field.sealed(&self.page, &record.seal, &record.certificate),
            // The page was taken over at that seal.
            (None, Some(proof)) => field.sealed(&self.page, &proof.seal, &proof.certificate),
            (None, None) => {}
        }
        field
    }
}

/// A page from its log.
///
/// # Errors
/// The first [`WholeRefusal`].
pub fn reopen(whole: &WholePage, progress: Progress) -> Result<Reopened, WholeRefusal> {
    reopen_watched(whole, Check::Trusted, progress, &mut |_| Ok(()))
}

/// [`reopen`] with this much checked, and a look at every step.
///
/// # Errors
/// The first [`WholeRefusal`].
pub fn reopen_watched(
    whole: &WholePage,
    check: Check,
    progress: Progress,
    watch: Watch,
) -> Result<Reopened, WholeRefusal> {
    reopened(whole, whole.start(check, progress)?, check, progress, watch)
}

/// [`reopen`] that lets go of the initial entries: a large page is not in memory twice.
///
/// # Errors
/// As there.
pub fn reopen_taking(whole: &mut WholePage, progress: Progress) -> Result<Reopened, WholeRefusal> {
    let entries = std::mem::take(&mut whole.raw.entries);
    if entries.is_empty() {
        return reopen(whole, progress);
    }
    let page = Governance::new(Page::reopen_taking(&whole.raw.genesis, entries)?);
    let start = Start { page, snapshot: None };
    reopened(whole, start, Check::Trusted, progress, &mut |_| Ok(()))
}

/// A page that begins so, and all that was said on it since.
fn reopened(
    whole: &WholePage,
    Start { page, snapshot }: Start,
    check: Check,
    progress: Progress,
    watch: Watch,
) -> Result<Reopened, WholeRefusal> {
    let genesis = page.page().genesis();
    let mut ladder = match &snapshot {
        Some(snapshot) => Ladder::of_snapshot(genesis, &snapshot.proofs, page.page()),
        None => Ladder::new(page.page()),
    };
    let mut window = snapshot.map(|snapshot| snapshot.window);
    let page = whole.replay_watched(page, check, progress, &mut |step| {
        match &step {
            Step::Sealed(below, record, page) => {
                ladder = ladder.climbed(record, below.page(), page.page());
            }
            Step::Jumped(own, snapshot, page) => {
                let jumped = ladder.jumped(own.page(), &snapshot.proofs, page.page());
                ladder = jumped.map_err(Box::new)?;
                window = Some(snapshot.window.clone());
            }
        }
        watch(step)
    })?;
    Ok(Reopened { page, ladder, window })
}

impl Note {
    /// The record that begins a change.
    pub fn record(&self) -> Record {
        Record::unnamed(NOTE, codec::encode(self))
    }

    /// Reads a note.
    pub fn read(bytes: &[u8]) -> Option<Note> {
        codec::decode(bytes, 4096).ok()
    }
}

/// The record of what a person decided.
pub fn decision(decision: &Decision) -> Record {
    Record::unnamed(DECISION, decision.encode())
}

/// The record of a statement or seal, which are found by their ids.
pub fn record(kind: Kind, bytes: Vec<u8>) -> Record {
    let id = match kind {
        Kind::Seal => SealRecord::decode(&bytes).map(|record| record.seal.id()).ok(),
        _ => Statement::reopen(&bytes).map(|statement| statement.id()).ok(),
    };
    // They were admitted before they are written.
    Record { kind: kind as u8, id: id.unwrap_or(Id::ZERO), bytes }
}

/// Whether records of this kind are said on a page, after it was founded.
pub fn is_said(kind: Kind) -> bool {
    matches!(kind, Kind::Operation | Kind::Ballot | Kind::Batch | Kind::Presence | Kind::Seal)
}
