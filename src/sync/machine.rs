//! The machine itself: what is told to it goes to the page or the peer that it is about, and everything
//! that changed by that is looked at anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem::replace,
    net::SocketAddr,
};

use super::{
    AskFailed, AskId, Event, How, Input, Ledger, Moment, Output, Pace, PeerReport, Progress, Want,
    Wish,
    book::{Book, Source},
    message::{Follow, Hello, News, Notice, Request, Standing},
    pack::Common,
    page::{NEVER, Page},
    serve::Handed,
    session::{Asked, Charge, Shared},
    sought::Sought,
};
use crate::{
    beacon::Beacon, id::Id, key::PublicKey, limits::*, page::entry::Rdata, page::name::Name,
};

/// Keeps pages in step with other nodes. See the [module](super).
pub struct Sync {
    pub(super) shared: Shared,
    pub(super) beacon: Option<Beacon>,
    pub(super) pages: BTreeMap<Id, Page>,
    /// Pages that are to be looked at.
    pub(super) dirty: BTreeSet<Id>,
    pub(super) handed: Handed,
    /// Connections that are being tried, until when: by their first address.
    pub(super) connecting: BTreeMap<SocketAddr, (Option<PublicKey>, u64)>,
    pub(super) connect_at: u64,
    /// How many nodes that were never reached may be tried now, and since when that holds, in ticks.
    pub(super) trials: (u64, u64),
    /// Whether anybody was called since the start.
    pub(super) has_called: bool,
    /// By how much most peers' clocks differ from this machine's, and those of most that are known, as it
    /// was said last; none: they do not.
    pub(super) clock_off: [Option<i64>; 2],
    /// This machine's clock, when it was compared last.
    pub(super) clock: i64,
    /// When this machine's clock is looked at next, in ticks.
    pub(super) clock_at: u64,
    has_begun: bool,
}

impl Sync {
    /// A machine of this node, which has told nobody anything. What is left to chance comes from the
    /// seed.
    pub fn new(me: PublicKey, seed: u64, beacon: Option<Beacon>) -> Sync {
        Sync::with_book(me, seed, beacon, Book::new(me, seed))
    }

    /// [`Sync::new`] with an address book from before.
    pub fn with_book(me: PublicKey, seed: u64, beacon: Option<Beacon>, book: Book) -> Sync {
        Sync {
            shared: Shared::new(me, seed, book),
            beacon,
            pages: BTreeMap::new(),
            dirty: BTreeSet::new(),
            handed: Handed::default(),
            connecting: BTreeMap::new(),
            connect_at: 0,
            trials: (TRIALS_AT_ONCE, 0),
            has_called: false,
            clock_off: [None; 2],
            clock: 0,
            clock_at: 0,
            has_begun: false,
        }
    }

    /// Takes in what happened. Returns what is to be done, in order.
    pub fn handle(&mut self, now: Moment, input: Input, ledger: &dyn Ledger) -> Vec<Output> {
        self.set_now(now);
        if !self.has_begun {
            self.has_begun = true;
            self.count_pages(ledger);
        }
        self.take(input, ledger);
        self.run_due(ledger);
        self.settle(ledger);
        self.shared.take_outputs()
    }

    /// What is told of peers and pages is as of now, though nothing happened.
    pub fn set_now(&mut self, now: Moment) {
        let ticks = now.ticks.max(self.shared.now.ticks);
        self.shared.now = Moment { unix: now.unix, ticks };
    }

    /// When [`Input::Wake`] is due, in ticks.
    pub fn wake_at(&self) -> Option<u64> {
        let pages = self.pages.values().map(|page| page.look_at.min(page.meet_at));
        let peers = self.shared.peers.values().map(|peer| peer.tell_again.min(peer.greet_again));
        let clock = (!self.shared.peers.is_empty()).then_some(self.clock_at);
        let next = pages.chain(peers).chain(clock).chain([self.connect_at]);
        let next = next.chain(self.shared.next_deadline());
        next.min().filter(|at| *at != NEVER)
    }

    /// Who this node says it is, from the next connection on.
    pub fn set_beacon(&mut self, beacon: Beacon) {
        self.beacon = Some(beacon);
    }

    /// What answers to requests need of the machine.
    pub fn handed(&self) -> Handed {
        self.handed.clone()
    }

    /// The address book.
    pub fn book(&self) -> &Book {
        &self.shared.book
    }

    /// Why a node is not let in; none: it is.
    pub fn refuses(&self, key: &PublicKey) -> Option<String> {
        self.shared.refuses(key)
    }

    /// Notes which pages are held.
    fn count_pages(&mut self, ledger: &dyn Ledger) {
        for id in ledger.pages() {
            self.pages.entry(id).or_insert_with(|| Page::new(id));
            self.dirty.insert(id);
        }
    }

    fn take(&mut self, input: Input, ledger: &dyn Ledger) {
        match input {
            Input::Joined { peer, address, outbound } => self.joined(peer, address, outbound),
            Input::Left { peer } => self.parted(&peer),
            Input::Told { peer, notice } => self.told(&peer, &notice, ledger),
            Input::Untold { peer } => self.shared.tell_soon(&peer),
            Input::Unheard { peer } => self.unheard(&peer),
            Input::Answered { ask, answer } => self.answered(ask, answer, ledger),
            Input::Misbehaved { peer, .. } => self.shared.charge(&peer, Charge::Misbehaved),
            Input::Changed { page } => self.changed(page, ledger),
            Input::Want { page, name, beacons, why } => {
                self.want(page, name, beacons, why, ledger);
            }
            Input::Unwant { page } => {
                if self.pages.get(&page).is_some_and(|page| page.own.is_none()) {
                    self.pages.remove(&page);
                    self.dirty.remove(&page);
                }
            }
            Input::Wish { page, wish } => self.wish(page, wish, ledger),
            Input::Found { beacon, how } => self.found(&beacon, how),
            Input::HeardAt { key, addresses } => {
                addresses.iter().for_each(|address| self.shared.book.hint(&key, *address));
            }
            Input::FoundAt { address, how } => self.found_at(address, how),
            Input::ConnectFailed { key, addresses, .. } => {
                self.connecting.retain(|address, _| !addresses.contains(address));
                let now = self.shared.now;
                self.shared.book.failed(key.as_ref(), &addresses, now);
                self.connect_at = self.connect_at.min(now.ticks + 1);
            }
            Input::Wake => {}
        }
    }

    fn joined(&mut self, key: PublicKey, address: SocketAddr, outbound: bool) {
        self.connecting.retain(|at, (other, _)| *other != Some(key) && *at != address);
        if !self.shared.joined(key, address, outbound) {
            let now = self.shared.now;
            self.shared.book.failed(Some(&key), &[], now);
            return self.shared.book.failed(None, &[address], now);
        }
        self.greet(&key, address, true);
        self.tell_standings(&key);
        let sought = self.pages.values().filter(|page| page.own.is_none()).map(|page| page.id);
        let sought: Vec<Id> = sought.take(FOLLOW_ROWS_MAX).collect();
        if !sought.is_empty() {
            let request = Request::Standings(sought);
            let bytes_max = request.answer_bytes_max();
            self.shared.ask(&key, request, bytes_max);
        }
    }

    /// A connection ended.
    fn parted(&mut self, key: &PublicKey) {
        let now = self.shared.now;
        if let Some(peer) = self.shared.peers.get(key).filter(|peer| peer.outbound) {
            let lasted = now.ticks.saturating_sub(peer.since.ticks);
            self.shared.book.parted(key, lasted, now);
        }
        self.shared.left(key);
    }

    /// Asks a peer where it stands on all pages that it follows.
    fn unheard(&mut self, key: &PublicKey) {
        let followed = self.pages.values().filter(|page| page.seen.contains_key(key));
        let followed: Vec<Id> = followed.map(|page| page.id).take(PAGES_TOLD_MAX).collect();
        for pages in followed.chunks(FOLLOW_ROWS_MAX) {
            let request = Request::Standings(pages.to_vec());
            let bytes_max = request.answer_bytes_max();
            self.shared.ask(key, request, bytes_max);
        }
    }

    /// Tells a peer where this node stands on all its pages.
    fn tell_standings(&mut self, key: &PublicKey) {
        for live in [true, false] {
            let rows = self.pages.values().filter(|page| (page.wish.pace == Pace::Live) == live);
            let rows = rows.filter_map(|page| Some(page.own.as_ref()?.standing));
            let rows: Vec<Standing> = rows.take(PAGES_TOLD_MAX).collect();
            for standings in rows.chunks(FOLLOW_ROWS_MAX) {
                let follow = Follow { live, standings: standings.to_vec() };
                self.shared.tell(key, &Notice::Follow(follow));
            }
        }
    }

    fn told(&mut self, peer: &PublicKey, bytes: &[u8], ledger: &dyn Ledger) {
        if !self.shared.listens(peer, bytes.len()) {
            return;
        }
        match Notice::decode(bytes) {
            Ok(Notice::Hello(hello)) => self.greeted(peer, &hello, ledger),
            Ok(Notice::Follow(follow)) => self.follows(peer, &follow),
            Ok(Notice::Leave(pages)) => {
                for id in pages {
                    if let Some(page) = self.pages.get_mut(&id) {
                        page.left(peer);
                        self.dirty.insert(id);
                    }
                }
            }
            Ok(Notice::News(news)) => self.news(peer, &news, ledger),
            Err(why) => self.shared.lied(peer, format!("a notice: {why}")),
        }
    }

    fn follows(&mut self, peer: &PublicKey, follow: &Follow) {
        // Whoever follows a page from now on may not have held it when it was told where this node
        // stands.
        let mut answers: BTreeMap<bool, Vec<Standing>> = BTreeMap::new();
        for standing in &follow.standings {
            let Some(page) = self.pages.get_mut(&standing.page) else { continue };
            page.stands(peer, *standing, follow.live, &mut self.shared);
            self.dirty.insert(page.id);
            let is_new =
                page.seen.get_mut(peer).is_some_and(|seen| !replace(&mut seen.follows, true));
            if let Some(own) = page.own.as_ref().filter(|_| is_new) {
                answers.entry(page.wish.pace == Pace::Live).or_default().push(own.standing);
            }
        }
        for (live, standings) in answers {
            self.shared.tell(peer, &Notice::Follow(Follow { live, standings }));
        }
    }

    fn news(&mut self, peer: &PublicKey, news: &News, ledger: &dyn Ledger) {
        let Some(page) = self.pages.get_mut(&news.standing.page) else { return };
        let live = page.seen.get(peer).is_some_and(|seen| seen.live);
        page.stands(peer, news.standing, live, &mut self.shared);
        // Under another seal they may count for nothing; that seal is fetched first, if it is due (N3).
        let passes = page.seen.get(peer).is_some_and(|seen| page.exchanges(seen, self.shared.now));
        if passes && page.wish.pace == Pace::Live {
            page.on_news(peer, &news.ids, ledger);
        }
        self.dirty.insert(page.id);
    }

    fn answered(&mut self, ask: AskId, answer: Result<Vec<u8>, AskFailed>, ledger: &dyn Ledger) {
        let Some(asked) = self.shared.answered(ask) else { return };
        match answer {
            Ok(bytes) => {
                self.shared.spoke(&asked.peer);
                self.dispatch(&asked, Some(&bytes), ledger);
            }
            Err(failed) => {
                let is_whole = asked.bytes_max >= asked.request.answer_bytes_max();
                match failed {
                    AskFailed::Oversize if is_whole => {
                        let what = "its answer was longer than any answer to this";
                        self.shared.lied(&asked.peer, what);
                    }
                    failed => self.shared.failed(&asked, failed),
                }
                self.dispatch(&asked, None, ledger);
            }
        }
    }

    /// Hands an answer to whom it is for; none: there is no answer.
    fn dispatch(&mut self, asked: &Asked, answer: Option<&[u8]>, ledger: &dyn Ledger) {
        let Asked { peer, request, .. } = asked;
        if let Request::Standings(pages) = request {
            return self.on_standings(peer, request, pages, answer);
        }
        if let Request::Peers(_) = request {
            return self.on_peers(peer, request, answer);
        }
        let Some(id) = request.page() else { return };
        let Some(page) = self.pages.get_mut(&id) else { return };
        let shared = &mut self.shared;
        self.dirty.insert(id);
        if answer.is_some() {
            page.spoke(peer);
        }
        page.spent(asked, answer.map(<[u8]>::len));
        if let Request::Open(parts) = request {
            let open = answer.and_then(|answer| {
                let read = request.read_open(answer);
                read.inspect_err(|why| shared.lied(peer, format!("an answer: {why}"))).ok()
            });
            return page.on_open(peer, parts, open, shared, ledger);
        }
        let items: Option<Vec<Rdata>> = answer.and_then(|answer| {
            let read = match request {
                Request::Statements(_) => request.read_packed(answer, |_| Some(Common::page(&id))),
                Request::Seals(next) => request.read_packed(answer, |bits| {
                    let (common, here) = next.common(ledger, bits);
                    (here == bits).then_some(common)
                }),
                _ => request.read_items(answer),
            };
            read.inspect_err(|why| shared.lied(peer, format!("an answer: {why}"))).ok()
        });
        match request {
            Request::Genesis(_) => page.on_genesis(peer, items, shared, ledger),
            Request::Chain(above) => page.on_chain(peer, *above, items, shared, ledger),
            Request::Subtrees(parts) => page.on_parts(peer, parts, items, shared, ledger),
            Request::Window(at) => page.on_window(peer, *at, items, shared),
            Request::Seals(next) => page.on_seals(peer, next.above(), items, shared, ledger),
            Request::Statements(named) => page.on_statements(peer, named, items, shared, ledger),
            _ => {}
        }
    }

    fn on_standings(
        &mut self,
        peer: &PublicKey,
        request: &Request,
        pages: &[Id],
        answer: Option<&[u8]>,
    ) {
        let Some(answer) = answer else { return };
        let standings = match request.read_standings(answer) {
            Ok(standings) => standings,
            Err(why) => return self.shared.lied(peer, format!("an answer: {why}")),
        };
        for id in pages {
            let Some(page) = self.pages.get_mut(id) else { continue };
            match standings.iter().find(|standing| standing.page == *id) {
                Some(standing) => {
                    let live = page.seen.get(peer).is_some_and(|seen| seen.live);
                    page.stands(peer, *standing, live, &mut self.shared);
                }
                None => page.left(peer),
            }
            self.dirty.insert(*id);
        }
    }

    fn changed(&mut self, id: Id, ledger: &dyn Ledger) {
        if ledger.held(&id).is_some() && !self.pages.contains_key(&id) {
            let mut page = Page::new(id);
            page.ask_standings(&mut self.shared);
            self.pages.insert(id, page);
        }
        self.dirty.insert(id);
    }

    fn want(&mut self, id: Id, name: Name, beacons: Vec<Beacon>, why: Want, ledger: &dyn Ledger) {
        for beacon in &beacons {
            self.hear(beacon, How::Page, None);
        }
        if ledger.held(&id).is_some() {
            self.changed(id, ledger);
            return self.shared.event(Event::Ready { page: id });
        }
        if let Some(sought) = self.pages.get_mut(&id).and_then(|page| page.sought.as_mut()) {
            sought.why = sought.why.max(why);
            if why != Want::Resolve {
                sought.until = None;
            }
            if why == Want::Anchor {
                sought.rest_no_more();
            }
        } else {
            let wanted = self.pages.values().filter(|page| page.sought.is_some()).count();
            if wanted >= WANTS_MAX {
                let why = format!("{WANTS_MAX} pages are wanted already");
                return self.shared.event(Event::GaveUp { page: id, why });
            }
            let sought = Sought::new(name, why, beacons, &mut self.shared);
            self.pages.entry(id).or_insert_with(|| Page::new(id)).sought = Some(sought);
        }
        self.dirty.insert(id);
    }

    fn wish(&mut self, id: Id, wish: Wish, ledger: &dyn Ledger) {
        self.changed(id, ledger);
        let page = self.pages.entry(id).or_insert_with(|| Page::new(id));
        let was_live = page.wish.pace == Pace::Live;
        page.wish = wish;
        let live = wish.pace == Pace::Live;
        if let Some(own) = page.own.as_ref().filter(|_| live != was_live) {
            let follow = Notice::Follow(Follow { live, standings: vec![own.standing] });
            let peers: Vec<PublicKey> = self.shared.peers.keys().copied().collect();
            peers.iter().for_each(|peer| self.shared.tell(peer, &follow));
        }
    }

    fn run_due(&mut self, ledger: &dyn Ledger) {
        let now = self.shared.now.ticks;
        for ask in self.shared.overdue() {
            self.answered(ask, Err(AskFailed::TimedOut), ledger);
        }
        let due = self.pages.values().filter(|page| page.look_at <= now).map(|page| page.id);
        self.dirty.extend(due);
        let again = self.shared.peers.iter().filter(|(_, peer)| peer.tell_again <= now);
        let again: Vec<PublicKey> = again.map(|(key, _)| *key).collect();
        for key in again {
            let at = self.shared.after(TELL_AGAIN);
            if let Some(peer) = self.shared.peers.get_mut(&key) {
                peer.tell_again = at;
            }
            self.tell_standings(&key);
        }
        self.greet_again();
        self.check_clock();
        self.meet(ledger);
        if self.connect_at <= now {
            self.connect();
        }
    }

    /// Looks at all that changed, until nothing does.
    fn settle(&mut self, ledger: &dyn Ledger) {
        for _ in 0..SETTLE_ROUNDS_MAX {
            for gone in std::mem::take(&mut self.shared.gone) {
                for page in self.pages.values_mut().filter(|page| page.seen.contains_key(&gone)) {
                    page.left(&gone);
                    self.dirty.insert(page.id);
                }
                self.connect_at = self.connect_at.min(self.shared.now.ticks + 1);
                self.compare_clocks();
            }
            for asked in std::mem::take(&mut self.shared.orphaned) {
                self.dispatch(&asked, None, ledger);
            }
            let dirty = std::mem::take(&mut self.dirty);
            if dirty.is_empty() && self.shared.gone.is_empty() {
                return;
            }
            for id in dirty {
                self.look(&id, ledger);
            }
        }
        let now = self.shared.now.ticks;
        for id in std::mem::take(&mut self.dirty) {
            self.pages.get_mut(&id).into_iter().for_each(|page| page.look_at = now + 1);
        }
    }

    fn look(&mut self, id: &Id, ledger: &dyn Ledger) {
        let Some(page) = self.pages.get_mut(id) else { return };
        page.look(&mut self.shared, ledger);
        let peers = page.seen.keys().filter_map(|key| self.shared.peers.get(key));
        let unix = self.shared.now.unix;
        let beacons = peers.filter_map(|peer| peer.beacon.clone());
        let beacons = beacons.filter(|beacon| !beacon.is_expired(unix)).collect();
        self.handed.set(*id, beacons);
        if page.look_at <= self.shared.now.ticks {
            self.dirty.insert(*id);
        }
        if page.own.is_none() && page.sought.is_none() && !page.has_wish() {
            self.pages.remove(id);
            self.handed.set(*id, Vec::new());
        }
    }

    /// Whoever stays hears now and then what the clock shows here.
    fn greet_again(&mut self) {
        let now = self.shared.now.ticks;
        let due = self.shared.peers.iter().filter(|(_, peer)| peer.greet_again <= now);
        let due: Vec<(PublicKey, SocketAddr)> =
            due.map(|(key, peer)| (*key, peer.address)).collect();
        for (key, address) in due {
            let at = self.shared.after(GREET_AGAIN);
            self.shared.peers.get_mut(&key).into_iter().for_each(|peer| peer.greet_again = at);
            self.greet(&key, address, false);
        }
    }

    fn greet(&mut self, key: &PublicKey, seen_as: SocketAddr, is_first: bool) {
        let beacon = self.beacon.iter().filter(|_| is_first);
        let hello = Hello {
            version: super::message::VERSION,
            program: concat!("djdns/", env!("CARGO_PKG_VERSION")).to_owned(),
            time: self.shared.now.unix,
            beacon: beacon.map(|beacon| Rdata(beacon.bytes().into())).collect(),
            seen_as: super::message::Address::of(seen_as),
        };
        self.shared.tell(key, &Notice::Hello(hello));
    }

    fn found(&mut self, beacon: &Beacon, how: How) {
        self.hear(beacon, how, None);
        let key = beacon.key();
        let is_there = self.shared.peers.contains_key(&key);
        if how == How::Told && !is_there && self.shared.refuses(&key).is_none() {
            self.try_connect(Some(key), beacon.addresses().to_vec());
        }
    }

    fn found_at(&mut self, address: SocketAddr, how: How) {
        self.shared.book.hear_place(address, how);
        self.connect_at = self.connect_at.min(self.shared.now.ticks + 1);
        let is_there = self.shared.peers.values().any(|peer| peer.address == address);
        if how == How::Told && !is_there {
            self.try_connect(None, vec![address]);
        }
    }

    /// Hears of a node, by whom and in whichever way.
    pub(super) fn hear(&mut self, beacon: &Beacon, how: How, teller: Option<PublicKey>) {
        let now = self.shared.now;
        self.shared.book.hear(beacon, Source { how, teller }, now);
        self.connect_at = self.connect_at.min(now.ticks + 1);
    }

    /// Everybody who is connected, by their keys.
    pub fn peers(&self) -> Vec<PeerReport> {
        let late = self.shared.late();
        let owes = |key| late.get(key).map(|at| self.shared.now.ticks.saturating_sub(*at));
        let peers = self.shared.peers.iter();
        peers.map(|(key, peer)| PeerReport { owes: owes(key), ..self.report(key, peer) }).collect()
    }

    fn report(&self, key: &PublicKey, peer: &super::session::Peer) -> PeerReport {
        let seen = self.pages.values().filter(|page| page.seen.contains_key(key));
        PeerReport {
            key: *key,
            address: peer.address,
            outbound: peer.outbound,
            how: self.shared.book.get(key).map_or(How::Inbound, |known| known.source.how),
            since: peer.since.unix,
            program: peer.program.clone(),
            beacon: peer.beacon.clone(),
            seen_as: peer.seen_as,
            pages: seen.map(|page| page.id).collect(),
            credit: peer.credit,
            faults: peer.faults.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect(),
            clock_off: peer.clock.map(|clock| clock - self.shared.clock()),
            asked: peer.in_flight,
            owes: None,
        }
    }

    /// How far a page is.
    pub fn progress(&self, id: &Id) -> Option<Progress> {
        let page = self.pages.get(id)?;
        let (bytes, share) = page.far.as_ref().map_or((0, 0), super::snapshot::Far::done);
        Some(Progress {
            height: page.own.as_ref().map(|own| own.standing.height),
            peers: page.besides(&self.shared),
            is_in_step: page.is_in_step(),
            is_snapshot: page.far.is_some(),
            fetched_bytes: bytes,
            fetched_thousandths: share,
            lacking: page.due.len(),
            postponed: page.postponed(self.shared.now.unix),
        })
    }
}
