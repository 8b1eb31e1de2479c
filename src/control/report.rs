//! What commands print: plain data with stable field names, the same for tables and `--json`.
//!
//! Ids are hexadecimal, keys are `did:key:…`, times are seconds since 1970 (UTC).

use serde::{Deserialize, Serialize, Serializer};

use super::{
    history::Decided,
    peers::{Alongside, Neighbourhood},
    running::{EncryptedDoors, Forwarding, Mirror},
};
use crate::limits::POWER_UNITS;

/// Power in units of a millionth; as JSON a number of whole powers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Power(pub u128);

/// `djdns status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// One sentence.
    pub health: String,
    pub version: String,
    /// The process that answers: a running daemon, or none.
    pub daemon: Option<u32>,
    pub data_dir: String,
    /// Addresses on which DNS is answered.
    pub dns: Vec<String>,
    /// Where DNS is answered by TLS, HTTPS and QUIC; none: nowhere.
    pub encrypted: Option<Box<EncryptedDoors>>,
    /// Address on which HTTP is answered.
    pub http: Option<String>,
    /// What was not to be had when the daemon started, and what is done instead.
    pub doors: Vec<String>,
    /// Name servers that are told of new seals; none where nobody may mirror pages.
    #[serde(default)]
    pub mirrors: Option<Vec<Mirror>>,
    /// How names outside the pages are resolved; none without a daemon.
    pub forwarding: Option<Forwarding>,
    /// Other nodes; none without a daemon, and where nothing is listened on for them.
    pub peers: Option<Neighbourhood>,
    /// Whether every question is logged.
    pub query_log: bool,
    /// Whether names of pages resolve: there is a root, and every page that is trusted.
    pub resolves: bool,
    pub pages: usize,
    pub entries: usize,
    pub open_operations: usize,
    /// The root page that names are resolved from.
    pub root: Option<String>,
    pub anchors: Vec<Anchor>,
    /// Whether the root is the public demonstration.
    pub demonstration: bool,
    /// Operations that wait for ballots, some of each page but the demonstration.
    pub waiting: Vec<Waiting>,
    /// How many more wait on a page.
    pub waiting_more: Vec<Counted>,
    /// How many petitions wait on a page.
    pub petitions: Vec<Counted>,
    /// Pages that nobody can seal though something waits for it, or this node was named for too few
    /// seats.
    pub unsealed: Vec<String>,
    /// Pages of which too few say that what is held here is the newest, and why (T6).
    pub stale: Vec<String>,
    /// What happened when the data directory was opened, and what needs attention.
    pub notices: Vec<String>,
    /// Operations by this user's keys that others took the place of; only `djdns status` knows of them.
    #[serde(default)]
    pub superseded: Vec<Superseded>,
}

/// An operation that waits for ballots.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Waiting {
    pub page: String,
    pub id: String,
    pub change: String,
    pub reason: String,
    pub awaited: Vec<String>,
    pub awaited_more: usize,
    pub awaited_away: Vec<Away>,
}

/// How many of something there are on a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    pub page: String,
    pub count: usize,
}

/// A participant who is away, and whom the ballot power is lent to, in basis points of it (G6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Away {
    pub participant: String,
    pub to: Vec<(String, u16)>,
}

/// A page that is trusted from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    pub name: String,
    pub page_id: String,
}

/// A row of `djdns page list`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PageSummary {
    pub name: String,
    pub page_id: String,
    pub height: u64,
    /// Sealed entries.
    pub entries: usize,
    pub participants: usize,
    pub open_operations: usize,
    pub soft_entries: usize,
    /// Whether resolving its name leads to it, from the anchors on.
    pub linked: bool,
    /// The lowest height at which two seals contradict each other, if there is one (T4).
    pub forked: Option<u64>,
    /// What is wrong with its log, and where; then nothing of it is answered, and the numbers say
    /// nothing.
    pub damaged: Option<String>,
    pub demonstration: bool,
    /// Whether what it says may be old (T6).
    pub stale: bool,
    /// The seal that a person decided for and that is not here yet, in a few words (T4).
    #[serde(default)]
    pub awaited: Option<String>,
    /// How it stands beside the page as other nodes have it, if a daemon runs and any follow it.
    pub alongside: Option<Alongside>,
    /// Why it is here; none: it is damaged.
    #[serde(default)]
    pub kept: Option<Kept>,
}

/// Why a page is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    /// It comes with the program.
    Demonstration,
    /// A person trusts it for a name (T2).
    Trusted,
    /// Participants named this node for their seats: it goes after all that were only asked for.
    Hosted,
    /// Somebody of this machine said something of it, or sent a petition.
    Used,
    /// Somebody of this machine said how it is to be followed (N8).
    Wished,
    /// It was founded or brought here by hand.
    Brought,
    /// A page that is here for another reason is reached through it.
    Way,
    /// Nobody but questions wants it: it goes when it is not asked for any more, or others need the room (N2).
    Asked,
}

/// What stands for the name of a page that is too damaged to say it.
pub const UNKNOWN_NAME: &str = "?";

/// `djdns page show` and `djdns page participants`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PageReport {
    #[serde(flatten)]
    pub summary: PageSummary,
    pub seal: String,
    /// When it was sealed, seconds since 1970 (UTC).
    pub sealed: u64,
    pub strength_bp: u16,
    pub coherence_bp: u16,
    /// Whether it is answered as fresh, and why (T6).
    pub fresh: bool,
    pub freshness: String,
    pub state_root: String,
    pub created: u64,
    pub total_power: u64,
    /// The power of the seats that this node seals for, and what a seal takes.
    pub own_seats: u64,
    pub quorum: u64,
    /// The power of the seats that the node named by most seals for: below the quorum nobody seals
    /// the page, and its seal time stands still.
    pub hosted: u64,
    pub parameters: Vec<(String, u32)>,
    /// How closely this copy follows the others (N8).
    pub following: Following,
    /// What a person decided here between two seals of a height, from the lowest on (T4).
    #[serde(default)]
    pub decided: Vec<Decided>,
    /// Who decides. `participants`, in the summary beside it, is how many they are.
    pub roster: Vec<Participant>,
}

/// How closely a page is followed (N8).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Following {
    /// None of a page that is not here yet.
    pub name: Option<String>,
    pub page_id: String,
    /// `live`, `every` or `paused`.
    pub pace: String,
    pub every_seconds: Option<u64>,
    /// Bytes that the page may take, and that may be fetched in a second; none: no limit.
    pub bytes_max: Option<u64>,
    pub bytes_per_second_max: Option<u64>,
}

/// Somebody with power on a page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Participant {
    pub key: String,
    pub power: u32,
    /// The share of the total, in basis points.
    pub share_bp: u32,
    /// The node that seals for this seat.
    pub node: Option<String>,
    /// Whom the ballot power is lent to now, in basis points of it.
    pub away: Vec<(String, u16)>,
    /// When that ends by itself, in seal time.
    pub until: Option<u64>,
    /// The ids of two statements that it signed and that contradict each other (G11); none: no such are
    /// known.
    pub contradiction: Option<[String; 2]>,
}

/// `djdns page carry`: what a bundle brought by hand came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Carried {
    #[serde(flatten)]
    pub page: PageSummary,
    /// `new`: the page was not held; `newer`: it goes on; `nothing`: all is here already, or past;
    /// `fork`: the bundle contradicts what is held, and nothing of it is followed.
    pub outcome: String,
    /// Statements and seals that are new here.
    pub statements: usize,
    pub seals: usize,
    /// The height of the bundle's newest seal.
    pub brought: u64,
}

/// As [`OperationReport::owner`] names participants and parameters.
pub const ROSTER: &str = "(roster)";

/// `djdns page choose`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Chosen {
    #[serde(flatten)]
    pub page: PageSummary,
    /// Of the seal that is the page's from now on.
    pub at: Decided,
    /// Seals that were held here and are let go of; 0: the one that was chosen was held.
    pub gone: u64,
}

/// `djdns page forget`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Forgotten {
    /// A page of the demonstration, which no bundle brings back (P6).
    pub demonstration: bool,
    pub page_id: String,
    /// Its name, unless it was too damaged to say.
    pub name: Option<String>,
    /// The name for which it is still trusted: nothing below that resolves until a page is there.
    pub trusted: Option<String>,
    /// Whether the pages above still led to it.
    pub linked: bool,
    /// Only a part of it was here: it was being fetched.
    #[serde(default)]
    pub unfinished: bool,
}

/// `djdns page verify`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verified {
    /// What of the log's end was cut off when it was opened, as never acknowledged; in words.
    pub cut: Option<String>,
    pub page_id: String,
    pub name: String,
    pub full: bool,
    pub entries: usize,
    pub statements: usize,
    /// Of statements and seals, checked anew.
    pub signatures: usize,
    pub seals: usize,
    /// The height from which on everything that was said is held; 0: from the founding. Below it the state
    /// was taken over (N5).
    pub held_from: u64,
    /// Certificates of seals that were checked: as many as it takes to come from the founding to the
    /// newest seal (T1), or all.
    pub certificates: usize,
    pub height: u64,
    pub state_root: String,
    pub log_bytes: u64,
    /// Of a forked page, what is to be said of it: all of it is as it was signed, twice (T4).
    pub forked: Option<String>,
}

/// An operation and its tally; `proposals --json` and `vote --json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OperationReport {
    pub id: String,
    pub track: u8,
    pub author: String,
    /// The owner name it changes, or [`ROSTER`].
    pub owner: String,
    /// One line.
    pub change: String,
    /// Records before and after: lines that begin with `-` or `+`, and with two blanks what stays.
    pub diff: Vec<String>,
    /// Others, some of them, of which either this one or that one is sealed, never both.
    pub excludes: Vec<Rival>,
    pub approve: Power,
    pub reject: Power,
    pub abstain: Power,
    pub total: Power,
    /// The approving power that the track's threshold takes.
    pub needed: Power,
    /// Distinct keys that approved, and how many it takes.
    pub voters: u32,
    pub voters_needed: usize,
    pub state: String,
    /// One sentence: what is missing, or why it does not count.
    pub reason: String,
    /// The seal at which it ended.
    pub height: Option<u64>,
    /// When it expires, in the page's seal time (G10); of what has ended nothing.
    pub expires: Option<u64>,
    /// Seconds until then, from the page's newest seal: while nothing is sealed they stand still.
    pub seconds_left: Option<u64>,
    /// Participants who have said nothing of it, the strongest first; of many only some.
    pub awaited: Vec<String>,
    /// How many more those are.
    pub awaited_more: usize,
    /// Which of those are away.
    pub awaited_away: Vec<Away>,
    /// When the next seal is due, of what waits for it on a page that somebody can seal.
    pub seal_due: Option<u64>,
    /// Why this node makes no such seal though it could, in a sentence; none: that is not so, or not known.
    #[serde(default)]
    pub unsealed: Option<String>,
    /// What its participants should know before it takes effect; empty: nothing in particular.
    pub warning: String,
    pub ballots: Vec<BallotReport>,
}

/// An operation that excludes another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rival {
    pub id: String,
    pub author: String,
    /// One line.
    pub change: String,
}

/// A batch and how its operations stand; in `proposals --json`, `inbox --json` and `vote --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchReport {
    pub id: String,
    pub author: String,
    /// How many there are.
    pub operations: usize,
    /// How many of them are in which state.
    pub states: Vec<(String, usize)>,
    /// The approving and the rejecting power of the operation that has the least and the most.
    pub approve_least: Power,
    pub approve_most: Power,
    pub reject_least: Power,
    pub reject_most: Power,
    /// The approving power that the one takes that needs most.
    pub needed: Power,
    /// When the first of them expires, in the page's seal time; if none is open, nothing.
    pub expires: Option<u64>,
    /// Seconds until then, from the page's newest seal.
    pub seconds_left: Option<u64>,
    /// The first few of them.
    pub first: Vec<BatchChange>,
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchChange {
    pub id: String,
    /// One line.
    pub change: String,
    /// Records before and after: lines that begin with `-` or `+`.
    pub diff: Vec<String>,
}

/// A ballot that counts on an operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BallotReport {
    pub voter: String,
    pub choice: String,
    /// The voter's own power.
    pub power: Power,
    /// What others lent and what reached it (G7).
    pub lent: Power,
    pub reason: String,
}

/// A petition and what became of it; `request status --json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PetitionReport {
    pub id: String,
    /// The page's name.
    pub page: String,
    pub page_id: String,
    pub author: String,
    pub owner: String,
    /// One line.
    pub change: String,
    /// Records as they are now and as they are asked for: lines that begin with `-` or `+`.
    pub diff: Vec<String>,
    pub words: String,
    /// When it was made, by its author's clock.
    pub created: u64,
    /// When it came here.
    pub received: u64,
    /// `local`, the address it came from, or `sent` where other nodes host the page.
    pub source: String,
    /// `waiting`, `taken up`, `refused` or `expired`; of one that was sent also `on its way` or `not
    /// taken`.
    pub state: String,
    /// The operation that it was taken up as.
    pub operation: Option<String>,
    /// How that operation stands; none: it is not known here any more.
    pub operation_state: Option<String>,
    pub refused_by: Option<String>,
    /// Why it was refused.
    pub reason: String,
    /// When it expires, if nobody decides.
    pub expires: u64,
    /// Seconds until then, by this node's clock.
    pub seconds_left: u64,
    /// What the hosts of the page said, where it was sent to them.
    pub hosts: Vec<HostWord>,
}

/// What a host of a page said of a petition that was handed to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostWord {
    pub host: String,
    /// `waiting`, `taken up`, `refused`, `expired`, `not taken` or `unknown`.
    pub said: String,
    /// When it said so, by this node's clock.
    pub at: u64,
    /// In its words, why it does not take the petition in.
    pub words: String,
}

/// `beacon --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeaconReport {
    pub key: String,
    pub short: String,
    /// None where no address is known.
    pub long: Option<String>,
    pub addresses: Vec<String>,
    /// Until when the long form holds.
    pub expires: Option<u64>,
    /// Whether a daemon says so.
    pub daemon: bool,
}

/// `inbox --json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InboxReport {
    pub key: String,
    /// Pages on which something awaits the key.
    pub pages: Vec<InboxPage>,
}

/// What awaits a participant on one page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InboxPage {
    pub page: String,
    pub page_id: String,
    /// Batches with operations on which the key has not cast a ballot.
    pub batches: Vec<BatchReport>,
    /// Other open operations on which the key has not cast a ballot.
    pub operations: Vec<OperationReport>,
    /// How many more of them there are than are listed.
    pub more_operations: usize,
    /// Petitions that wait.
    pub petitions: Vec<PetitionReport>,
    /// The key's own operations that others took the place of within some days, or are about to.
    #[serde(default)]
    pub superseded: Vec<Superseded>,
}

/// An operation that another one took the place of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Superseded {
    pub page: String,
    pub id: String,
    pub change: String,
    /// The other one; what is not known of it is empty.
    pub by: Rival,
    /// The height at which that was sealed, and when, in seconds since 1970 (UTC); none: it is about to be.
    pub height: Option<u64>,
    pub time: Option<u64>,
}

/// `resolve --json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Resolution {
    pub name: String,
    #[serde(rename = "type")]
    pub rtype: String,
    pub rcode: String,
    pub answers: Vec<AnswerRow>,
    /// `sealed`, `soft`, `forwarded` or `none`.
    pub status: String,
    /// Who else was asked, if the name is in no page.
    pub forwarded: Option<ForwardedStep>,
    pub fresh: bool,
    pub pages: Vec<PageStep>,
    /// The servers that the name is delegated to, if it is.
    pub referral: Vec<String>,
    /// The extended DNS errors, in words (RFC 8914).
    pub notes: Vec<String>,
}

/// How a name in no page was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardedStep {
    /// `override`, `cache`, `forwarded`, `stale` or `failed`.
    pub source: String,
    /// Who said it.
    pub upstream: Option<String>,
    /// Seconds ago.
    pub age: Option<u32>,
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerRow {
    pub name: String,
    #[serde(rename = "type")]
    pub rtype: String,
    pub ttl: u32,
    pub data: String,
}

/// A page on the way to a name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PageStep {
    pub name: String,
    pub page_id: String,
    pub height: u64,
    pub seal: String,
    pub strength_bp: u16,
    pub coherence_bp: u16,
    /// Why it is stale; none: it is fresh (T6).
    pub stale: Option<String>,
    /// The lowest height at which two of its seals contradict each other, if there is one (T4).
    pub forked: Option<u64>,
    /// What was checked on the way: how the page above, or the anchor, proves this one.
    pub proof: String,
    /// The operation that set the entry leading on, or answering; none: it is as founded.
    pub operation: Option<String>,
}

/// `djdns field`: what the nodes of a page's seats say is its newest seal (T6).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FieldReport {
    pub page: String,
    pub page_id: String,
    /// The newest seal held here.
    pub height: u64,
    pub seal: String,
    pub total_power: u64,
    /// The power of the seats whose nodes say anything.
    pub attested: u64,
    pub strength_bp: u16,
    pub coherence_bp: u16,
    pub fresh: bool,
    /// Why it is fresh, or why not.
    pub freshness: String,
    /// The best first.
    pub candidates: Vec<CandidateReport>,
    /// Nodes that said two things at one time.
    pub contradictions: Vec<Contradiction>,
}

/// A seal that nodes name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CandidateReport {
    pub height: u64,
    pub seal: String,
    /// Power of the seats whose nodes name it, or a seal known to follow it.
    pub support: u64,
    pub share_bp: u16,
    /// Whether it is the newest seal held here, or one that led to it.
    pub held: bool,
    /// Who names it, the most power first.
    pub voices: Vec<VoiceReport>,
}

/// A node that names a seal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VoiceReport {
    pub node: String,
    pub power: u64,
    /// Some of the participants for whose seats it speaks, and of how many.
    pub seats: Vec<String>,
    pub seats_count: usize,
    /// When it said so, by its clock.
    pub time: u64,
    /// Whether it committed to the seal, and has said nothing since.
    pub commit: bool,
}

/// A node that attested two seals at one time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Contradiction {
    pub node: String,
    pub time: u64,
    /// Height and id of each.
    pub seals: Vec<(u64, String)>,
}

/// `djdns explain`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explanation {
    pub name: String,
    /// The page that answers for it.
    pub page: Option<PageStep>,
    pub owner: Option<String>,
    /// `sealed`, `soft`, `contested` or `none`; `outside`: others are asked for it.
    pub status: String,
    /// How DNS answers for it, as in [`Resolution::rcode`]; empty where others are asked.
    pub rcode: String,
    /// Sentences.
    pub why: Vec<String>,
    /// Operations on the entry, and those that change who decides about its page.
    pub operations: Vec<OperationReport>,
}

impl Serialize for Power {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        match u64::try_from(self.0 / POWER_UNITS) {
            Ok(whole) if self.0.is_multiple_of(POWER_UNITS) => serializer.serialize_u64(whole),
            _ => serializer.serialize_f64(self.0 as f64 / POWER_UNITS as f64),
        }
    }
}

impl<'de> Deserialize<'de> for Power {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u128::deserialize(deserializer).map(Power)
    }
}

impl std::fmt::Display for Power {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_multiple_of(POWER_UNITS) {
            return f.pad(&(self.0 / POWER_UNITS).to_string());
        }
        f.pad(&format!("{:.2}", self.0 as f64 / POWER_UNITS as f64))
    }
}

#[cfg(test)]
impl PageSummary {
    /// A page without anything that is worth a word.
    pub fn example(name: &str) -> PageSummary {
        PageSummary {
            name: name.to_owned(),
            page_id: "5f0c".to_owned(),
            height: 0,
            entries: 0,
            participants: 1,
            open_operations: 0,
            soft_entries: 0,
            linked: true,
            forked: None,
            damaged: None,
            demonstration: false,
            stale: false,
            awaited: None,
            alongside: None,
            kept: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is flattened into it must not have a field of the same name.
    #[test]
    fn a_page_report_is_read_back() {
        let summary = PageSummary {
            name: "ct.".to_owned(),
            page_id: "00".to_owned(),
            height: 0,
            entries: 1,
            participants: 2,
            open_operations: 3,
            soft_entries: 4,
            linked: true,
            forked: None,
            damaged: None,
            demonstration: false,
            stale: false,
            awaited: None,
            alongside: None,
            kept: Some(Kept::Way),
        };
        let participant = Participant {
            key: "did:key:z".to_owned(),
            power: 1,
            share_bp: 10_000,
            node: None,
            away: vec![],
            until: None,
            contradiction: None,
        };
        let report = PageReport {
            summary,
            seal: "00".to_owned(),
            sealed: 0,
            own_seats: 0,
            quorum: 1,
            hosted: 0,
            strength_bp: 0,
            coherence_bp: 0,
            fresh: true,
            freshness: String::new(),
            state_root: "00".to_owned(),
            created: 0,
            total_power: 1,
            parameters: vec![("track1_bp".to_owned(), 3001)],
            following: Following {
                name: None,
                page_id: String::new(),
                pace: "live".to_owned(),
                every_seconds: None,
                bytes_max: None,
                bytes_per_second_max: None,
            },
            decided: Vec::new(),
            roster: vec![participant],
        };
        let bytes = rmp_serde::to_vec_named(&report).unwrap();
        let found: PageReport = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!((found.summary.participants, found.roster.len()), (2, 1));
    }
}
