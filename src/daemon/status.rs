//! Health in words, and the pages as tables show them.

use super::{
    adopt::NO_ROOM,
    beacon, choosing,
    damage::Damage,
    field, forks, inbox,
    neighbours::{Neighbours, fetched_words},
    node::Node,
    report,
    running::Running,
    seats::Seats,
    wishes,
};
use crate::{
    control::{
        report::{Anchor, Counted, Kept, PageReport, PageSummary, Participant, Status, Waiting},
        running::{EncryptedDoors, Forwarding},
    },
    governance::{
        Governance, Proposal, State, presence::Presence, seal::quorum, statement::Statement,
    },
    id::Id,
    key::{PublicKey, RawKey},
    page::name::Name,
    time::date,
};

/// `djdns status`.
pub fn status(node: &Node) -> Status {
    let pages = node.pages();
    let anchors = node.anchors();
    let root = anchors.get(&Name::root());
    let notices = [node.notices(), node.hidden(), beacon::reminders(node)].concat();
    let demonstration = root
        .and_then(|id| pages.iter().find(|page| page.page().id() == *id))
        .is_some_and(|page| page.page().is_demonstration());
    let running = node.running();
    let doors = running.map(Running::doors).unwrap_or_default();
    let query_log = running.is_some_and(|running| running.witness.is_logging());
    let dns: Vec<String> = running.map_or_else(Vec::new, |running| texts(&running.dns));
    let forwarding = running.map(Running::forwarding);
    let peers = running.and_then(Running::neighbours).map(Neighbours::neighbourhood);
    let is_held =
        |id: &Id| pages.iter().any(|page| page.page().id() == *id) || node.loading.has(id);
    let missing = anchors.iter().find(|(_, id)| !is_held(id));
    let forked = node.forked();
    let is_damaged = |id: &Id| node.damaged().iter().any(|damage| damage.page == *id);
    let waiting = waiting(node, &pages);
    let held = node.held().into_iter().map(|(_, why)| why);
    let awaited =
        pages.iter().filter_map(|page| forks::awaited(page, &node.decisions(&page.page().id())));
    let unsealed: Vec<String> = pages
        .iter()
        .filter_map(|page| unsealed_page(node, page))
        .chain(held)
        .chain(awaited)
        .collect();
    let dated: Vec<String> = pages.iter().filter_map(|page| dated_ahead(node, page)).collect();
    let stale: Vec<String> = pages.iter().filter_map(|page| stale_page(node, page)).collect();
    let neighbours = running.and_then(Running::neighbours);
    let held_up = |id: &Id| neighbours.and_then(|others| others.held_up(id));
    let is_too_large = |id: &Id| held_up(id).is_some_and(|why| why.contains(NO_ROOM));
    let health = match (root, missing, notices.is_empty()) {
        _ if node.store.is_full() => {
            "the disk is full, so nothing new is taken in: make room where the data directory is"
        }
        (None, ..) => {
            "no root page is trusted, so names of pages are asked of others, as all others are: `djdns page join . \
             PAGE-ID`"
        }
        (_, Some((_, id)), _) if is_damaged(id) => {
            "a trusted page is damaged, so no name below it resolves, see the notices"
        }
        (_, Some((_, id)), _) if is_too_large(id) => {
            "the disk is full: a trusted page does not fit, so no name below it resolves, see the notices"
        }
        (_, Some(_), _) => {
            "a trusted page is not here, so no name below it resolves, see the notices: bring it with \
             `djdns page import`"
        }
        _ if !node.damaged().is_empty() => {
            "a page is damaged, so no name below it resolves, see the notices"
        }
        _ if !forked.is_empty() => {
            "a page has two histories, see the notices: it stays as it was until you decide"
        }
        _ if forwarding.as_ref().is_some_and(|forwarding| !forwarding.works) => {
            "names of pages resolve; other names do not, see below"
        }
        (_, _, false) => "names resolve; something happened that you should know, see the notices",
        _ if !unsealed.is_empty() => {
            "names resolve; a page is not sealed, so what is decided there does not become final"
        }
        _ if !stale.is_empty() => {
            "names resolve; a page is stale, so what it says may be old, see below"
        }
        _ if !waiting.is_nothing() => "names resolve; something waits for people, see below",
        _ if !doors.is_empty()
            || query_log
            || !dated.is_empty()
            || has_troubles(forwarding.as_ref())
            || peers.as_ref().is_some_and(|peers| !peers.troubles.is_empty()) =>
        {
            "names resolve; something needs attention, see below"
        }
        _ => ALL_IS_WELL,
    };
    let health = match running {
        Some(_) => health.to_owned(),
        None if health == ALL_IS_WELL => NO_DAEMON.to_owned(),
        None => format!("{NO_DAEMON}; {}", health.trim_start_matches("names resolve; ")),
    };
    let resolves = root.is_some() && missing.is_none();
    let missing = missing.filter(|(_, id)| !is_damaged(id));
    let missing = missing.map(|(name, id)| missing_words(node, name, id));
    let notices: Vec<String> = notices
        .into_iter()
        .chain(missing)
        .chain(dated)
        .chain(forked.into_iter().map(|(_, words)| words))
        .collect();
    Status {
        health,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        daemon: running.map(|_| std::process::id()),
        data_dir: node.data_dir().display().to_string(),
        dns,
        encrypted: running.and_then(Running::encrypted).map(Box::new),
        http: running.and_then(Running::http).map(|address| address.to_string()),
        doors,
        mirrors: running.and_then(Running::mirrors),
        forwarding,
        peers,
        query_log,
        resolves,
        pages: pages.len(),
        entries: pages.iter().map(|page| page.page().entry_count()).sum(),
        open_operations: pages.iter().map(open_operations).sum(),
        root: root.map(ToString::to_string),
        anchors: anchors
            .iter()
            .map(|(name, id)| Anchor { name: name.to_string(), page_id: id.to_string() })
            .collect(),
        demonstration,
        waiting: waiting.operations,
        waiting_more: waiting.more,
        petitions: waiting.petitions,
        unsealed,
        stale,
        notices,
        superseded: Vec::new(),
    }
}

/// That a trusted page is not here, and what is done about it.
fn missing_words(node: &Node, name: &Name, id: &Id) -> String {
    let words = format!("the page {id}, trusted for {name}, is not here");
    let Some(neighbours) = node.running().and_then(Running::neighbours) else { return words };
    match (neighbours.given_up(id), neighbours.progress(id)) {
        (Some(why), _) => format!("{words}: {why}"),
        (None, Some(progress)) if progress.fetched_bytes > 0 => {
            format!("{words} yet: {}", fetched_words(&progress))
        }
        _ => format!("{words}: it is fetched when a node that is connected has it"),
    }
}

/// Nothing wants anybody's attention.
const ALL_IS_WELL: &str = "all is well";

/// What a command says first that reads the data directory itself.
const NO_DAEMON: &str =
    "no daemon runs, so nothing answers DNS: `sudo systemctl start djdns` or `djdns serve`";

/// Whether something is wrong with whom names outside the pages are asked of.
fn has_troubles(forwarding: Option<&Forwarding>) -> bool {
    forwarding.is_some_and(|forwarding| !forwarding.troubles.is_empty())
}

fn texts(list: &[impl ToString]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

/// The health, and every sentence that a person of this machine should act on.
pub fn in_words(status: &Status) -> Vec<String> {
    let troubles = status.forwarding.iter().flat_map(|forwarding| &forwarding.troubles);
    let logged = status.query_log.then(|| QUERY_LOG_IS_ON.to_owned());
    let of_peers = status.peers.iter().flat_map(|peers| &peers.troubles);
    let all = [&status.health].into_iter().chain(troubles).chain(of_peers).chain(&status.doors);
    let all = all.chain(&status.unsealed).chain(&status.stale);
    all.chain(&status.notices).cloned().chain(logged).collect()
}

/// Where DNS is answered by TLS, HTTPS and QUIC, and what to trust there.
pub fn encrypted_words(doors: &EncryptedDoors) -> Vec<String> {
    let ways = [("DoT", &doors.dot), ("DoH", &doors.doh), ("DoQ", &doors.doq)];
    let ways = ways.into_iter().filter(|(_, places)| !places.is_empty());
    let ways: Vec<String> =
        ways.map(|(way, places)| format!("{way} on {}", places.join(", "))).collect();
    let EncryptedDoors { certificate, pin, own, .. } = doors;
    let trust = match own {
        true => "clients have to trust",
        false => "with",
    };
    vec![format!("also {}", ways.join("; ")), format!("{trust} {certificate} (pin sha256 {pin})")]
}

/// What is said while every question is logged.
pub const QUERY_LOG_IS_ON: &str = "the query log is on: every question is written to the log, with who asked; `query-log = false` \
     in the configuration ends that";

/// `djdns page list`: all pages, by their names from the root down.
pub fn pages(node: &Node) -> Vec<PageSummary> {
    let sound = in_order(node);
    let beside = node.running().and_then(Running::neighbours).map(Neighbours::alongside);
    let mut beside = beside.unwrap_or_default();
    let kept = node.all_kept();
    let sound = sound.iter().map(|page| {
        let id = page.page().id();
        let (alongside, kept) = (beside.remove(&id), kept.get(&id).copied());
        (page.page().name().clone(), PageSummary { alongside, ..outline(node, page, kept) })
    });
    let damaged = node.damaged();
    // One whose name is not to be read any more stands first, with the root's.
    let name = |damage: &Damage| damage.name.clone().unwrap_or(Name::root());
    let damaged = damaged.iter().map(|damage| (name(damage), damage.summary()));
    let mut rows: Vec<(Name, PageSummary)> = sound.chain(damaged).collect();
    rows.sort_by_cached_key(|(name, row)| (labels(name), row.page_id.clone()));
    rows.into_iter().map(|(_, row)| row).collect()
}

/// A name's labels from the root down.
fn labels(name: &Name) -> Vec<Vec<u8>> {
    name.labels().rev().map(<[u8]>::to_vec).collect()
}

/// All pages, by their names from the root down.
pub fn in_order(node: &Node) -> Vec<Governance> {
    let mut pages = node.pages();
    pages.sort_by_cached_key(|page| (labels(page.page().name()), page.page().id()));
    pages
}

/// One row of the list.
pub fn summary(node: &Node, governance: &Governance) -> PageSummary {
    outline(node, governance, node.kept(&governance.page().id()))
}

fn outline(node: &Node, governance: &Governance, kept: Option<Kept>) -> PageSummary {
    let page = governance.page();
    PageSummary {
        name: page.name().to_string(),
        page_id: page.id().to_string(),
        height: page.height(),
        entries: page.entry_count(),
        participants: page.roster().len(),
        open_operations: open_operations(governance),
        soft_entries: governance.soft_owners().count(),
        linked: node.is_linked(page),
        forked: node.forked_at(&page.id()),
        damaged: None,
        demonstration: page.is_demonstration(),
        stale: field::stale(node, governance, &node.picture(governance)).is_some(),
        awaited: node.awaited_words(governance),
        alongside: None,
        kept,
    }
}

/// That a page is stale, and why. Of a forked one more is said elsewhere.
fn stale_page(node: &Node, page: &Governance) -> Option<String> {
    let id = page.page().id();
    let picture = node.picture(page);
    let why = field::stale(node, page, &picture).filter(|_| node.forked_at(&id).is_none())?;
    let name = page.page().name();
    Some(match field::is_ahead(node, page) {
        true => format!("{name} is served as stale: {why}; see `djdns field {name}`"),
        false => format!("{name} is stale, and may be old: {why}; see `djdns field {name}`"),
    })
}

/// `djdns page show`.
pub fn page(node: &Node, governance: &Governance) -> PageReport {
    let page = governance.page();
    let total = page.roster().total();
    let picture = node.picture(governance);
    let participant = |(key, power): (&PublicKey, u32)| {
        let presence = governance.presence(key).and_then(Statement::as_presence);
        let lending = presence.filter(|_| governance.is_away(key));
        let away = lending.map(|presence| presence.away.as_slice()).unwrap_or_default();
        let to = |key: &RawKey| PublicKey::admit(*key).map(|k| k.to_string()).unwrap_or_default();
        Participant {
            key: key.to_string(),
            power,
            share_bp: (u64::from(power) * 10_000 / total) as u32,
            node: presence.and_then(Presence::node).map(|node| node.to_string()),
            away: away.iter().map(|(key, share)| (to(key), *share)).collect(),
            until: lending.map(|presence| presence.until).filter(|until| *until > 0),
            contradiction: governance
                .contradiction_of(key)
                .map(|(one, other)| [one.id().to_string(), other.id().to_string()]),
        }
    };
    let beside = node.running().and_then(Running::neighbours).map(Neighbours::alongside);
    let alongside = beside.and_then(|mut beside| beside.remove(&page.id()));
    PageReport {
        summary: PageSummary { alongside, ..summary(node, governance) },
        seal: page.seal().to_string(),
        sealed: page.head().time,
        following: wishes::following(
            Some(page.name().to_string()),
            &page.id(),
            node.wishes.of(&page.id()),
        ),
        own_seats: Seats::of_node(governance, node.key()).held,
        quorum: quorum(page.parameters().track2_bp, total),
        hosted: Seats::of(governance).held,
        strength_bp: picture.strength_bp,
        coherence_bp: picture.coherence_bp,
        fresh: field::stale(node, governance, &picture).is_none(),
        freshness: field::in_words(node, governance, &picture),
        state_root: page.state_root().to_string(),
        created: page.genesis().raw().created,
        total_power: total,
        parameters: page.parameters().rows().map(|(name, n)| (name.to_owned(), n)).to_vec(),
        decided: node.decisions(&page.id()).iter().map(choosing::decided).collect(),
        roster: page.roster().iter().map(participant).collect(),
    }
}

/// Operations of one page that are named as waiting (choice: a few lines, so that one batch does not
/// hide what waits elsewhere).
const WAITING_MAX: usize = 5;

/// What waits for people.
#[derive(Default)]
struct WaitingOnes {
    operations: Vec<Waiting>,
    more: Vec<Counted>,
    petitions: Vec<Counted>,
}

impl WaitingOnes {
    fn is_nothing(&self) -> bool {
        self.operations.is_empty() && self.petitions.is_empty()
    }
}

/// What waits for ballots, or to be taken up. On demonstration pages nobody is waited for.
fn waiting(node: &Node, pages: &[Governance]) -> WaitingOnes {
    let mut waiting = WaitingOnes::default();
    for page in pages.iter().filter(|page| !page.page().is_demonstration()) {
        let seats = Seats::of(page);
        let open = page.proposals().filter(|proposal| page.state(proposal) == State::Open);
        let open: Vec<&Proposal> = open.collect();
        let counted = |count| Counted { page: page.page().name().to_string(), count };
        let shown = open.iter().take(WAITING_MAX);
        waiting.operations.extend(shown.map(|proposal| waiting_one(page, &seats, proposal)));
        waiting.more.extend(open.len().checked_sub(WAITING_MAX).filter(|n| *n > 0).map(counted));
        // An inbox that cannot be read is told of when it is opened.
        let petitions = inbox::waiting(node, page, node.now()).unwrap_or(0);
        waiting.petitions.extend(Some(petitions).filter(|n| *n > 0).map(counted));
    }
    waiting
}

fn waiting_one(page: &Governance, seats: &Seats, proposal: &Proposal) -> Waiting {
    let report = report::operation(page, seats, proposal);
    Waiting {
        page: page.page().name().to_string(),
        id: report.id,
        change: report.change,
        reason: report.reason,
        awaited: report.awaited,
        awaited_more: report.awaited_more,
        awaited_away: report.awaited_away,
    }
}

/// That the newest seal of a page that this node seals is dated ahead, where no other node is there that
/// holds it: whether this machine's clock or that date is wrong is not known then.
fn dated_ahead(node: &Node, page: &Governance) -> Option<String> {
    let id = page.page().id();
    let neighbours = node.running().and_then(Running::neighbours);
    let is_told = neighbours.is_some_and(|others| others.postponed(&id).is_some());
    let is_ours = !is_told && Seats::of_node(page, node.key()).are_enough();
    page.check_clock(node.now()).err().filter(|_| is_ours)?;
    Some(format!(
        "the newest seal of {} is dated {}, and this machine's clock says {}: one of the two is wrong. It is \
         sealed further, a second later each time, and other nodes hold that until then",
        page.page().name(),
        date(page.page().head().time),
        date(node.now())
    ))
}

/// Why a page is not sealed, in a sentence: this node was named for too few seats, or something waits
/// for a seal that no node can make (S8).
pub fn unsealed_page(node: &Node, page: &Governance) -> Option<String> {
    let own = Seats::of_node(page, node.key());
    if own.are_enough() {
        return None;
    }
    let most = Seats::of(page);
    let is_wanted = own.held > 0 || !page.page().is_demonstration() && waits_for_a_seal(page);
    if most.are_enough() || !is_wanted {
        return None;
    }
    // Every node that says so names the same one: else each would be named at home, and none by enough.
    Some(most.missing(page, &node.key()))
}

fn waits_for_a_seal(page: &Governance) -> bool {
    let has_passed = |proposal| page.state(proposal) == State::Passed;
    page.soft_owners().next().is_some() || page.proposals().any(has_passed)
}

/// What has not ended (G10): as many as `djdns proposals` lists.
fn open_operations(page: &Governance) -> usize {
    page.proposals().count()
}
