//! Mirrors: other name servers that take pages from here. Says to [`Transfers`] what is sealed, and to the
//! mirrors that it is.
//!
//! A thread of its own looks at the pages, so that no answer waits for them; what is said of a seal goes
//! over sockets of the runtime that answers DNS.

use std::{
    collections::BTreeSet,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{net::UdpSocket, sync::mpsc, time::sleep};

use super::node::Node;
use crate::{
    ambient,
    dns::transfer::{Heard, Notifier, Rules, Sealed, Transfers},
    governance::Governance,
    id::Id,
    limits::NOTIFY_PENDING_MAX,
    page::name::Name,
};

/// The mirrors of this node's pages.
pub struct Mirrors {
    node: Arc<Node>,
    pub transfers: Transfers,
    changed: Mutex<Changed>,
    woken: Condvar,
    /// Who is told of new seals.
    told: Mutex<Vec<SocketAddr>>,
}

/// Pages to look at.
#[derive(Default)]
struct Changed {
    pages: BTreeSet<Id>,
    all: bool,
}

/// A page has a new seal.
type News = (Name, u32);

impl Mirrors {
    /// Nobody may have anything yet, and nothing is looked at.
    pub fn new(node: &Arc<Node>) -> Arc<Mirrors> {
        Arc::new(Mirrors {
            node: node.clone(),
            transfers: Transfers::new(ambient::now),
            changed: Mutex::default(),
            woken: Condvar::new(),
            told: Mutex::default(),
        })
    }

    /// These may have pages from now on, and these are told of new seals.
    pub fn go_by(&self, rules: Option<Rules>, told: Vec<SocketAddr>) {
        self.transfers.set_rules(rules);
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = told;
        self.changed().all = true;
        self.woken.notify_one();
    }

    /// Follows the pages in a thread of its own, and tells mirrors by a task of the current runtime.
    pub fn follow(self: Arc<Self>) {
        let told = self.clone();
        let listener = move |page: &Id| {
            told.changed().pages.insert(*page);
            told.woken.notify_one();
        };
        self.node.on_change_for_mirrors(Box::new(listener));
        let (sender, news) = mpsc::channel(NOTIFY_PENDING_MAX);
        tokio::spawn(self.clone().tell(news));
        std::thread::spawn(move || self.look(&sender));
    }

    fn changed(&self) -> MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, news: &mpsc::Sender<News>) {
        loop {
            let changed = self.wait();
            if self.transfers.rules().is_none() {
                // A state that nobody can have is not held.
                self.transfers.keep(|_| false);
                continue;
            }
            let pages = match changed.all {
                true => self.node.pages(),
                false => changed.pages.iter().filter_map(|id| self.node.page(id)).collect(),
            };
            for page in pages.iter().map(Governance::page) {
                // A zone's serial has 32 bits and is compared around (RFC 1982).
                let sealed = Sealed { serial: page.height() as u32, state: page.state().clone() };
                let serial = sealed.serial;
                let stood = self.node.decisions(&page.id()).into_iter().map(|one| one.stood);
                let other = stood.max().filter(|stood| *stood > 0).map(|stood| stood as u32);
                if self.transfers.put(page.id(), page.name(), sealed, other) {
                    // With so many that wait, who is not told asks by itself.
                    let _ = news.try_send((page.name().clone(), serial));
                }
            }
            self.transfers.keep(|id| {
                let is_looked_at = changed.all || changed.pages.contains(id);
                !is_looked_at || pages.iter().any(|page| page.page().id() == *id)
            });
        }
    }

    fn wait(&self) -> Changed {
        let mut changed = self.changed();
        while changed.pages.is_empty() && !changed.all {
            changed = self.woken.wait(changed).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::take(&mut changed)
    }

    async fn tell(self: Arc<Self>, mut news: mpsc::Receiver<News>) {
        let (v4, v6) =
            match (bind(Ipv4Addr::UNSPECIFIED.into()), bind(Ipv6Addr::UNSPECIFIED.into())) {
                (Ok(v4), v6) => (v4, v6.ok()),
                (Err(error), _) => {
                    return tracing::warn!(%error, "mirrors are not told of new seals");
                }
            };
        let mut notifier = Notifier::default();
        loop {
            let wait = notifier.next().map(|due| due.saturating_sub(ambient::ticks()));
            let (mut one, mut other) = ([0; NOTIFY_ANSWER], [0; NOTIFY_ANSWER]);
            tokio::select! {
                new = news.recv() => match new {
                    Some((page, serial)) => self.begin(&mut notifier, &page, serial),
                    None => return,
                },
                heard = v4.recv_from(&mut one) => self.hear(&mut notifier, heard, &one),
                heard = receive(v6.as_ref(), &mut other) => self.hear(&mut notifier, heard, &other),
                () = sleep(Duration::from_millis(wait.unwrap_or_default())), if wait.is_some() => {}
            }
            self.send(&mut notifier, &v4, v6.as_ref()).await;
        }
    }

    fn begin(&self, notifier: &mut Notifier, page: &Name, serial: u32) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = ambient::ticks();
        told.iter().for_each(|mirror| notifier.begin(*mirror, page, serial, now));
    }

    async fn send(&self, notifier: &mut Notifier, v4: &UdpSocket, v6: Option<&UdpSocket>) {
        let Some(rules) = self.transfers.rules() else { return notifier.clear() };
        let id = || u16::from_be_bytes(ambient::random());
        let (messages, silent) = notifier.due(ambient::ticks(), ambient::now(), rules.key(), id);
        for (mirror, message) in messages {
            let socket = if mirror.is_ipv4() { Some(v4) } else { v6 };
            if let Some(socket) = socket {
                // Nobody there: it is tried again.
                let _ = socket.send_to(&message, mirror).await;
            }
        }
        for (mirror, page) in silent {
            tracing::warn!(
                "the mirror {mirror} does not answer when it is told of {page}: is it there, does it have \
                 the zone, and the key {} with the same secret?",
                rules.key().name()
            );
        }
    }

    fn hear(&self, notifier: &mut Notifier, heard: io::Result<(usize, SocketAddr)>, buffer: &[u8]) {
        let (Ok((len, from)), Some(rules)) = (heard, self.transfers.rules()) else { return };
        let message = buffer.get(..len).unwrap_or_default();
        if let Heard::Answered(page, rcode @ 1..) =
            notifier.heard(from, message, ambient::now(), rules.key())
        {
            tracing::warn!(
                "the mirror {from} was told of {page}, and refuses that (rcode {rcode})"
            );
        }
    }
}

/// Bytes of an answer to a NOTIFY that are read (choice: twice the longest of two names and a signature).
const NOTIFY_ANSWER: usize = 2048;

fn bind(ip: std::net::IpAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(SocketAddr::new(ip, 0))?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// What comes over a socket, if there is one.
async fn receive(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(buffer).await,
        None => std::future::pending().await,
    }
}
