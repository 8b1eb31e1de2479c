//! Tells mirrors of new seals, by a task of the runtime that answers DNS, and knows how they stand.
//!
//! Whom to tell of what, and what of it people are told, is decided by [`Told`].

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{net::UdpSocket, sync::Notify, time::sleep};

use crate::{
    ambient,
    control::running::{Mirror, MirrorStats},
    dns::transfer::{Moment, Rules, Told, Transfers, told::MirrorState},
    page::name::Name,
};

/// The mirrors that are told of new seals.
pub struct Telling {
    pub transfers: Transfers,
    told: Mutex<Told>,
    /// There may be something to do.
    woken: Notify,
}

/// This moment.
fn moment() -> Moment {
    Moment { ticks: ambient::ticks(), seconds: ambient::now() }
}

impl Telling {
    /// Nobody is told of anything yet.
    pub fn new() -> Arc<Telling> {
        let transfers = Transfers::new(ambient::now);
        let telling = Arc::new(Telling { transfers, told: Mutex::default(), woken: Notify::new() });
        let weak = Arc::downgrade(&telling);
        telling.transfers.seen().tell(Box::new(move |from, page, outcome| {
            weak.upgrade().inspect(|telling| telling.heard_of(from, page, outcome));
        }));
        telling
    }

    /// These may have pages from now on, and these are told of the newest seal of each and of new ones.
    pub fn go_by(&self, rules: Option<Rules>, mirrors: Vec<SocketAddr>) {
        self.transfers.set_rules(rules);
        {
            // Held all the while, or a seal that comes meanwhile is told to nobody.
            let mut told = self.told();
            *told = Told::new(mirrors);
            let now = ambient::ticks();
            let newest = self.transfers.newest();
            newest.iter().for_each(|(page, serial)| told.begin(page, *serial, now));
        }
        self.woken.notify_one();
    }

    /// A page has a new seal.
    pub fn begin(&self, page: &Name, serial: u32) {
        self.told().begin(page, serial, ambient::ticks());
        self.woken.notify_one();
    }

    /// These pages are here no more.
    pub fn forget(&self, pages: &[Name]) {
        let mut told = self.told();
        pages.iter().for_each(|page| told.forget(page));
    }

    /// Somebody asked for a page; its serial, or why they do not get it.
    fn heard_of(&self, from: IpAddr, page: &Name, outcome: Result<u32, (usize, String)>) {
        match outcome {
            Ok(serial) => self.told().asked(from, page, serial, ambient::ticks()),
            Err((reason, why)) => {
                self.told().refused(from, page, (reason, &why), ambient::ticks());
            }
        }
        self.woken.notify_one();
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the mirrors stand; none where nobody may mirror.
    pub fn mirrors(&self) -> Option<Vec<Mirror>> {
        let rules = self.transfers.rules()?;
        let states = self.told().states(moment(), rules.key());
        let mirror = |state: MirrorState| Mirror {
            address: state.mirror.to_string(),
            pages: state.pages as u64,
            troubles: state.troubles,
        };
        Some(states.into_iter().map(mirror).collect())
    }

    /// The same in numbers, with what was transferred and refused.
    pub fn numbers(&self) -> Option<MirrorStats> {
        let (mirrors, counted) = (self.mirrors()?, self.transfers.seen().counted());
        let named = |list: Vec<(&'static str, u64)>| {
            list.into_iter().map(|(word, count)| (word.to_owned(), count)).collect()
        };
        Some(MirrorStats {
            mirrors,
            transfers: named(counted.ends),
            refused: named(counted.refusals),
            sent_bytes: counted.bytes,
        })
    }

    /// Goes on for as long as the runtime does.
    pub async fn run(self: Arc<Self>) {
        let (v4, v6) =
            match (bind(Ipv4Addr::UNSPECIFIED.into()), bind(Ipv6Addr::UNSPECIFIED.into())) {
                (Ok(v4), v6) => (v4, v6.ok()),
                (Err(error), _) => {
                    return tracing::warn!(%error, "mirrors are not told of new seals");
                }
            };
        loop {
            let wait = self.told().next().map(|due| due.saturating_sub(ambient::ticks()));
            let (mut one, mut other) = ([0; NOTIFY_ANSWER], [0; NOTIFY_ANSWER]);
            tokio::select! {
                () = self.woken.notified() => {}
                heard = v4.recv_from(&mut one) => self.hear(heard, &one),
                heard = receive(v6.as_ref(), &mut other) => self.hear(heard, &other),
                () = sleep(Duration::from_millis(wait.unwrap_or_default())), if wait.is_some() => {}
            }
            self.go_on(&v4, v6.as_ref()).await;
        }
    }

    /// Sends and says what is due.
    async fn go_on(&self, v4: &UdpSocket, v6: Option<&UdpSocket>) {
        let Some(rules) = self.transfers.rules() else { return self.told().clear() };
        let id = || u16::from_be_bytes(ambient::random());
        let (messages, lines) = {
            let (now, mut told) = (moment(), self.told());
            (told.due(now, rules.key(), id), told.lines(now, rules.key()))
        };
        for (mirror, message) in messages {
            let socket = if mirror.is_ipv4() { Some(v4) } else { v6 };
            if let Some(socket) = socket {
                // Nobody there: it is tried again.
                let _ = socket.send_to(&message, mirror).await;
            }
        }
        for line in lines {
            match line.is_trouble {
                true => tracing::warn!("{}", line.sentence),
                false => tracing::info!("{}", line.sentence),
            }
        }
    }

    fn hear(&self, heard: io::Result<(usize, SocketAddr)>, buffer: &[u8]) {
        let (Ok((len, from)), Some(rules)) = (heard, self.transfers.rules()) else { return };
        let message = buffer.get(..len).unwrap_or_default();
        self.told().heard(from, message, moment(), rules.key());
    }
}

/// Bytes of an answer to a NOTIFY that are read (choice: twice the longest of two names and a signature).
const NOTIFY_ANSWER: usize = 2048;

fn bind(ip: IpAddr) -> io::Result<UdpSocket> {
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
