//! A plain machine that keeps pages in step: it tells all ids that are open, and asks for what it lacks.
//!
//! It is what the simulated world is tried with apart from the machine of [`crate::sync`], by the same
//! messages and through the same ledger: what fails with both is no fault of either.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use crate::{
    beacon::{Beacon, beacons_of},
    governance::seal::SealRecord,
    id::Id,
    key::PublicKey,
    limits::{NEWS_IDS_MAX, STATEMENTS_IDS_MAX},
    page::entry::Rdata,
    sync::{
        AskId, Event, Held, Input, Ledger, Moment, Output, Refused, Sealed, Verdict,
        message::{self, Above, Named, News, Notice, Request, Standing},
    },
};

/// How often everything is told again, ms (choice).
const AGAIN: u64 = 5_000;
/// How long an answer is waited for (choice).
const PATIENCE: Duration = Duration::from_secs(4);
/// Seals that are read back to find the one above a height (choice).
const SEALS_BACK: usize = 4096;
/// Seals in one answer (choice).
const SEALS_AT_ONCE: usize = 16;
/// Statements that are remembered as refused (choice).
const REFUSED_MAX: usize = 20_000;

/// What decides what a node does about others.
pub trait Machine {
    fn handle(&mut self, now: Moment, input: Input, ledger: &dyn Ledger) -> Vec<Output>;
    fn wake_at(&self) -> Option<u64>;
}

pub struct Plain {
    me: PublicKey,
    peers: BTreeMap<PublicKey, Known>,
    asks: BTreeMap<AskId, (PublicKey, Asked)>,
    next: AskId,
    wake: u64,
    /// What was refused, as the page was at a height.
    refused: BTreeSet<(u64, Id)>,
    /// The pages as they were when addresses were looked for in them.
    looked: BTreeMap<Id, (Id, Id)>,
    out: Vec<Output>,
}

#[derive(Default)]
struct Known {
    addresses: Vec<SocketAddr>,
    is_connected: bool,
    is_liar: bool,
}

enum Asked {
    Seals(Id),
    Listed(Id, Box<SealRecord>),
    Open(Id),
}

impl Plain {
    pub fn new(me: PublicKey) -> Plain {
        let (peers, asks, refused, looked) = Default::default();
        Plain { me, peers, asks, next: 0, wake: 0, refused, looked, out: Vec::new() }
    }

    fn tell(&mut self, to: Option<&PublicKey>, page: &Id, ledger: &dyn Ledger) {
        let Some(held) = ledger.held(page) else { return };
        let ids: Vec<Id> = held.open.iter().map(|(id, _)| *id).collect();
        let standing = standing(&held);
        let mut parts: Vec<Vec<Id>> = ids.chunks(NEWS_IDS_MAX).map(<[Id]>::to_vec).collect();
        if parts.is_empty() {
            parts.push(Vec::new());
        }
        let connected = self.peers.iter().filter(|(_, known)| known.is_connected);
        let peers: Vec<PublicKey> = match to {
            Some(peer) => vec![*peer],
            None => connected.map(|(peer, _)| *peer).collect(),
        };
        for peer in peers {
            for ids in &parts {
                let notice = Notice::News(News { standing, ids: ids.clone() }).encode();
                self.out.push(Output::Tell { peer, notice });
            }
        }
    }

    fn ask(&mut self, peer: PublicKey, request: &Request, asked: Asked) {
        let ask = self.next;
        self.next += 1;
        self.asks.insert(ask, (peer, asked));
        let answer_bytes_max = request.answer_bytes_max();
        let request = request.encode();
        self.out.push(Output::Ask { ask, peer, request, answer_bytes_max, patience: PATIENCE });
    }

    fn shut_out(&mut self, peer: PublicKey, why: String) {
        self.peers.entry(peer).or_default().is_liar = true;
        self.out.push(Output::Event(Event::Lied { peer, what: why.clone() }));
        self.out.push(Output::Close { peer, why });
    }

    fn told(&mut self, peer: PublicKey, notice: &[u8], ledger: &dyn Ledger) {
        match Notice::decode(notice) {
            Ok(Notice::News(news)) => self.news(peer, &news, ledger),
            Ok(_) => {}
            Err(refusal) => self.shut_out(peer, refusal.to_string()),
        }
    }

    fn news(&mut self, peer: PublicKey, news: &News, ledger: &dyn Ledger) {
        let page = news.standing.page;
        let Some(held) = ledger.held(&page) else { return };
        let height = held.governance.page().height();
        if news.standing.height > height {
            self.ask_seals(peer, page, height);
        } else if news.standing.seal == held.governance.page().seal() {
            let is_refused = |id: &Id| self.refused.contains(&(height, *id));
            let lacks = |id: &&Id| held.open.get(id).is_none() && !is_refused(id);
            let ids: Vec<Id> = news.ids.iter().filter(lacks).copied().collect();
            if !ids.is_empty() {
                self.ask(peer, &Request::Statements(Named { page, ids }), Asked::Open(page));
            }
        }
    }

    fn ask_seals(&mut self, peer: PublicKey, page: Id, height: u64) {
        let is_same = |(_, asked): &(PublicKey, Asked)| match asked {
            Asked::Seals(of) | Asked::Listed(of, _) => *of == page,
            Asked::Open(_) => false,
        };
        if !self.asks.values().any(is_same) {
            self.ask(peer, &Request::Seals(Above { page, height }), Asked::Seals(page));
        }
    }

    fn answered(&mut self, peer: PublicKey, asked: Asked, answer: &[u8], ledger: &dyn Ledger) {
        let page = match &asked {
            Asked::Seals(page) | Asked::Listed(page, _) | Asked::Open(page) => *page,
        };
        // Any request of the same kind reads the same.
        let items = match asked {
            Asked::Seals(_) => Request::Seals(Above { page, height: 0 }).read_items(answer),
            _ => Request::Statements(Named { page, ids: vec![Id::ZERO; STATEMENTS_IDS_MAX] })
                .read_items(answer),
        };
        let items: Vec<Vec<u8>> = match items {
            Ok(items) => items.into_iter().map(|item| item.0.into_vec()).collect(),
            Err(refusal) => return self.shut_out(peer, refusal.to_string()),
        };
        match asked {
            Asked::Seals(_) => self.seals(peer, page, items, ledger),
            Asked::Listed(_, record) => self.follow(peer, page, &record, items, ledger),
            Asked::Open(_) => self.admit(peer, page, items, ledger),
        }
    }

    fn admit(&mut self, peer: PublicKey, page: Id, items: Vec<Vec<u8>>, ledger: &dyn Ledger) {
        let Some(held) = ledger.held(&page) else { return };
        let height = held.governance.page().height();
        let id_of = |bytes: &Vec<u8>| {
            crate::governance::statement::Statement::reopen(bytes).map(|said| said.id()).ok()
        };
        let ids: Vec<Option<Id>> = items.iter().map(id_of).collect();
        for (verdict, id) in ledger.admit(&page, &peer, items).into_iter().zip(ids) {
            match (verdict, id) {
                (Verdict::Fault(why), _) => return self.shut_out(peer, why),
                (Verdict::NotNow(_), Some(id)) if self.refused.len() < REFUSED_MAX => {
                    self.refused.insert((height, id));
                }
                _ => {}
            }
        }
    }

    fn seals(&mut self, peer: PublicKey, page: Id, items: Vec<Vec<u8>>, ledger: &dyn Ledger) {
        for item in items {
            let record = match SealRecord::decode(&item) {
                Ok(record) => record,
                Err(refusal) => return self.shut_out(peer, refusal.to_string()),
            };
            let listed = record.contents.ids();
            let mut ids: Vec<Id> =
                listed.filter(|id| ledger.stored(&page, id).is_none()).copied().collect();
            ids.sort_unstable();
            ids.truncate(STATEMENTS_IDS_MAX);
            if !ids.is_empty() {
                let request = Request::Statements(Named { page, ids });
                return self.ask(peer, &request, Asked::Listed(page, Box::new(record)));
            }
            self.follow(peer, page, &record, Vec::new(), ledger);
        }
    }

    fn follow(
        &mut self,
        peer: PublicKey,
        page: Id,
        record: &SealRecord,
        statements: Vec<Vec<u8>>,
        ledger: &dyn Ledger,
    ) {
        let sealed = Sealed { record: record.encode(), statements };
        match ledger.follow(&page, &peer, vec![sealed]) {
            Ok(_) => self.tell(None, &page, ledger),
            Err(Refused::Fault(why)) => self.shut_out(peer, why),
            Err(_) => {}
        }
    }

    fn connect(&mut self, ledger: &dyn Ledger) {
        for page in ledger.pages() {
            let Some(held) = ledger.held(&page) else { continue };
            // Their signatures take long, and pages rarely change.
            let now = (held.governance.page().seal(), held.open.root());
            if self.looked.insert(page, now) == Some(now) {
                continue;
            }
            for beacon in beacons_of(&held.governance) {
                self.found(&beacon);
            }
        }
        for (peer, known) in &self.peers {
            if !known.is_connected && !known.is_liar && !known.addresses.is_empty() {
                let addresses = known.addresses.clone();
                self.out.push(Output::Connect { addresses, key: Some(*peer) });
            }
        }
    }

    fn found(&mut self, beacon: &Beacon) {
        if beacon.key() != self.me {
            let known = self.peers.entry(beacon.key()).or_default();
            known.addresses = beacon.addresses().to_vec();
        }
    }
}

impl Machine for Plain {
    fn handle(&mut self, now: Moment, input: Input, ledger: &dyn Ledger) -> Vec<Output> {
        match input {
            Input::Joined { peer, .. } => {
                let known = self.peers.entry(peer).or_default();
                known.is_connected = true;
                if known.is_liar {
                    let why = "it lied before".to_owned();
                    self.out.push(Output::Close { peer, why });
                } else {
                    ledger.pages().iter().for_each(|page| self.tell(Some(&peer), page, ledger));
                }
            }
            Input::Left { peer } => {
                self.peers.entry(peer).or_default().is_connected = false;
                self.asks.retain(|_, (of, _)| *of != peer);
            }
            Input::Told { peer, notice } => self.told(peer, &notice, ledger),
            Input::Answered { ask, answer } => {
                if let (Some((peer, asked)), Ok(answer)) = (self.asks.remove(&ask), answer) {
                    self.answered(peer, asked, &answer, ledger);
                }
            }
            Input::Misbehaved { peer, what } => self.shut_out(peer, what),
            Input::Changed { page } => self.tell(None, &page, ledger),
            Input::Found { beacon, .. } => {
                self.found(&beacon);
                self.wake = 0;
            }
            Input::Wake => {
                self.wake = now.ticks + AGAIN;
                self.connect(ledger);
                ledger.pages().iter().for_each(|page| self.tell(None, page, ledger));
            }
            _ => {}
        }
        std::mem::take(&mut self.out)
    }

    fn wake_at(&self) -> Option<u64> {
        Some(self.wake)
    }
}

fn standing(held: &Held) -> Standing {
    let page = held.governance.page();
    let (id, height, seal) = (page.id(), page.height(), page.seal());
    Standing { page: id, height, seal, open: held.open.root() }
}

/// Answers what a plain machine asks.
pub fn answer(request: &[u8], ledger: &dyn Ledger) -> Option<Vec<u8>> {
    let request = Request::decode(request).ok()?;
    let items = match &request {
        Request::Seals(above) => seals_above(above, ledger),
        Request::Statements(named) => {
            named.ids.iter().filter_map(|id| ledger.stored(&named.page, id)).collect()
        }
        _ => Vec::<Vec<u8>>::new(),
    };
    Some(message::write_items(items, request.answer_bytes_max()))
}

/// The next seals above a height, oldest first.
fn seals_above(above: &Above, ledger: &dyn Ledger) -> Vec<Vec<u8>> {
    let Some(held) = ledger.held(&above.page) else { return Vec::new() };
    let mut next = held.governance.page().seal();
    let mut records: Vec<Rdata> = Vec::new();
    for _ in 0..SEALS_BACK {
        let Some(bytes) = ledger.stored(&above.page, &next) else { break };
        let Ok(record) = SealRecord::decode(&bytes) else { break };
        if record.seal.height <= above.height {
            break;
        }
        next = record.seal.previous;
        records.push(Rdata(bytes.into()));
    }
    records.into_iter().rev().take(SEALS_AT_ONCE).map(|record| record.0.into_vec()).collect()
}
