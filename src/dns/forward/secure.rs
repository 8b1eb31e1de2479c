//! Upstreams by TLS (RFC 7858) and HTTPS (RFC 8484): one living connection to each, that all
//! questions share.
//!
//! It is made when somebody asks and kept until it is idle. A question that a dying connection did
//! not answer is asked once more on a new one; on a connection on which nothing is heard nobody else asks.
//! Whoever is written `tls://` or `https://` is never asked in any other way. A certificate proves
//! who answers, so that ids and letters need not be hard to guess here.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::{Ambient, exchange::Question, lock, reply::Fault, reply::Kept};
use crate::{
    dns::upstream::{Transport, Upstream},
    limits::*,
};

mod doh;
pub mod dot;
mod tls;

pub use tls::Roots;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// A sentence about the server.
    #[error("{0}")]
    Connect(String),
    /// This machine is the trouble.
    #[error("this machine cannot connect: {0}")]
    Machine(String),
    #[error("it did not answer in time")]
    Silence,
    #[error("it closed the connection without an answer")]
    Closed,
    #[error("it closed the connection in the middle of an answer")]
    Cut,
    #[error("it sends answers that nobody asked for")]
    Unasked,
    #[error("what it sent: {0}")]
    Fault(Fault),
    #[error("too many questions wait for it")]
    Busy,
    #[error("it answers with HTTP status {0}, not 200: is the path of its URL right?")]
    Status(u16),
    #[error("it answers with `{0}`, not application/dns-message: is the path of its URL right?")]
    ContentType(String),
    #[error("its answer is longer than a DNS message")]
    TooLong,
    #[error("its HTTP/2 fails: {0}")]
    Http(String),
}

impl Trouble {
    /// Whether the connection is to blame, and a new one may do better.
    fn is_lost(&self) -> bool {
        matches!(self, Trouble::Closed | Trouble::Cut | Trouble::Http(_))
    }
}

/// The way to one upstream.
pub struct Line {
    way: Arc<Way>,
    /// The connection, or that it is being made, or why there is none.
    living: Mutex<Option<watch::Receiver<Making>>>,
}

/// What is known of an upstream before it is met.
struct Way {
    upstream: Upstream,
    meeting: tls::Meeting,
    ambient: Ambient,
}

/// `None` while a connection is being made; then that, or why not and when.
type Making = Option<Result<Arc<Connection>, (Trouble, u64)>>;

impl Line {
    /// The way to an upstream that is not plain; nothing is connected yet. `None` for a plain one.
    pub fn new(upstream: &Upstream, roots: &Roots, ambient: Ambient) -> Option<Line> {
        let meeting = match &upstream.transport {
            Transport::Plain => return None,
            Transport::Tls { name } => tls::Meeting::new(name, b"dot", roots),
            Transport::Https { host, .. } => tls::Meeting::new(host, b"h2", roots),
        };
        let way = Way { upstream: upstream.clone(), meeting, ambient };
        Some(Line { way: Arc::new(way), living: Mutex::default() })
    }

    /// Asks; at most `patience` long.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn ask(&self, question: &Question, patience: Duration) -> Result<Kept, Trouble> {
        let asking = async {
            match self.ask_once(question).await {
                Err(trouble) if trouble.is_lost() => self.ask_once(question).await,
                result => result,
            }
        };
        timeout(patience, asking).await.unwrap_or(Err(Trouble::Silence))
    }

    /// Asks on the living connection. When nothing is heard on it within [`FORWARD_ATTEMPT`], the
    /// other end may be gone, or slow: it is asked on a new one as well, and whichever answers first
    /// counts. Nobody else is put on the old one.
    async fn ask_once(&self, question: &Question) -> Result<Kept, Trouble> {
        let connection = self.connection().await?;
        let begun = (self.way.ambient.now)();
        let mut asking = std::pin::pin!(connection.ask(question));
        if let Ok(result) = timeout(FORWARD_ATTEMPT, &mut asking).await {
            return result;
        }
        if connection.activity.heard.load(Ordering::Relaxed) >= begun {
            return asking.await;
        }
        connection.lost.store(true, Ordering::Relaxed);
        let mut again = std::pin::pin!(async { self.connection().await?.ask(question).await });
        tokio::select! {
            result = &mut asking => if result.is_ok() { result } else { again.await },
            result = &mut again => if result.is_ok() { result } else { asking.await },
        }
    }

    async fn connection(&self) -> Result<Arc<Connection>, Trouble> {
        let mut making = self.making();
        let made = making.wait_for(Option::is_some).await.map_err(|_| Trouble::Closed)?.clone();
        match made {
            Some(Ok(connection)) => Ok(connection),
            Some(Err((trouble, _))) => Err(trouble),
            None => Err(Trouble::Closed),
        }
    }

    /// The living connection, or a new one: made in a task of its own, since whoever asks may not
    /// wait for as long as that takes.
    fn making(&self) -> watch::Receiver<Making> {
        let mut living = lock(&self.living);
        let now = (self.way.ambient.now)();
        if let Some(making) = living.as_ref().filter(|making| is_of_use(making, now)) {
            return making.clone();
        }
        let (made, making) = watch::channel(None);
        *living = Some(making.clone());
        let way = self.way.clone();
        tokio::spawn(async move {
            let result = tokio::select! {
                result = timeout(SECURE_CONNECT, connect(&way)) => result,
                // The upstreams are others now.
                () = made.closed() => return,
            };
            let result = result.unwrap_or_else(|_| Err(Trouble::Connect(UNCONNECTED.to_owned())));
            let failed = |trouble| (trouble, (way.ambient.now)());
            let _ = made.send(Some(result.map(Arc::new).map_err(failed)));
        });
        making
    }
}

const UNCONNECTED: &str = "no connection comes about in time";

fn is_of_use(making: &watch::Receiver<Making>, now: u64) -> bool {
    match &*making.borrow() {
        None => making.has_changed().is_ok(),
        Some(Ok(connection)) => connection.is_living(),
        Some(Err((_, failed))) => now < failed.saturating_add(SECURE_REST.as_millis() as u64),
    }
}

/// When a connection was of use, in milliseconds, and what the connection has from outside itself.
pub struct Activity {
    now: fn() -> u64,
    random: fn() -> [u64; 5],
    asked: AtomicU64,
    heard: AtomicU64,
}

impl Activity {
    fn new(ambient: Ambient) -> Activity {
        let now = (ambient.now)();
        let Ambient { now: clock, random } = ambient;
        Activity { now: clock, random, asked: AtomicU64::new(now), heard: AtomicU64::new(now) }
    }

    fn asked(&self) {
        self.asked.store((self.now)(), Ordering::Relaxed);
    }

    fn heard(&self) {
        self.heard.store((self.now)(), Ordering::Relaxed);
    }

    /// Returns when nobody has asked anything for [`SECURE_IDLE`].
    async fn idle(&self) {
        loop {
            let since = (self.now)().saturating_sub(self.asked.load(Ordering::Relaxed));
            match SECURE_IDLE.checked_sub(Duration::from_millis(since)) {
                Some(left) if !left.is_zero() => sleep(left).await,
                _ => return,
            }
        }
    }
}

/// A connection that was made. It ends with the last who has it.
struct Connection {
    speech: Speech,
    activity: Arc<Activity>,
    task: AbortHandle,
    /// A question was lost on it, or nothing is heard: nobody else is to ask there. Its end may be
    /// known before its task ends.
    lost: AtomicBool,
    /// For so many more questions.
    room: Semaphore,
}

/// What is spoken on it.
enum Speech {
    Dot(mpsc::Sender<dot::Job>),
    Doh(h2::client::SendRequest<bytes::Bytes>, http::Uri),
}

async fn connect(way: &Way) -> Result<Connection, Trouble> {
    let address = way.upstream.address;
    let stream = way.meeting.connect(address).await?;
    let activity = Arc::new(Activity::new(way.ambient));
    let living = activity.clone();
    let (speech, task) = match &way.upstream.transport {
        Transport::Https { host, path } => {
            if !way.meeting.agreed(&stream) {
                return Err(Trouble::Connect("it does not speak HTTP/2".to_owned()));
            }
            let url = doh::url(host, address.port(), path).map_err(Trouble::Connect)?;
            let (send, connection) = doh::begin(stream).await?;
            let task = tokio::spawn(async move {
                tokio::select! {
                    ended = connection => drop(ended),
                    () = living.idle() => {}
                }
            });
            (Speech::Doh(send, url), task)
        }
        Transport::Tls { .. } | Transport::Plain => {
            let (jobs, taken) = mpsc::channel(SECURE_WAITING_MAX);
            let task = tokio::spawn(async move { dot::run(stream, taken, &living).await });
            (Speech::Dot(jobs), task)
        }
    };
    let room = Semaphore::new(SECURE_WAITING_MAX);
    let (task, lost) = (task.abort_handle(), AtomicBool::new(false));
    Ok(Connection { speech, activity, task, lost, room })
}

impl Connection {
    fn is_living(&self) -> bool {
        !self.task.is_finished() && !self.lost.load(Ordering::Relaxed)
    }

    async fn ask(&self, question: &Question) -> Result<Kept, Trouble> {
        let result = self.exchange(question).await;
        if result.as_ref().is_err_and(Trouble::is_lost) {
            self.lost.store(true, Ordering::Relaxed);
        }
        result
    }

    async fn exchange(&self, question: &Question) -> Result<Kept, Trouble> {
        let _room = self.room.try_acquire().map_err(|_| Trouble::Busy)?;
        self.activity.asked();
        match &self.speech {
            Speech::Doh(send, url) => doh::ask(send.clone(), url, question, &self.activity).await,
            Speech::Dot(jobs) => {
                let (answered, answer) = oneshot::channel();
                let job = dot::Job { question: question.clone(), answered };
                jobs.send(job).await.map_err(|_| Trouble::Closed)?;
                answer.await.unwrap_or(Err(Trouble::Closed))
            }
        }
    }
}
