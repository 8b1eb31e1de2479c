//! One connection with a peer, from the time both sides took it on (N1, N6): requests each way,
//! notices each way, and what is done about a peer that overdoes it.
//!
//! Which of two connections with one peer stays is decided in [`super::table`].

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{sleep, timeout},
};

use super::{
    Peer, PeerLook, Shared,
    allowance::Allowance,
    bounds::ASKS,
    canonical,
    fault::{self, AskError, CANCELLED, Code, Misbehaviour, close, why_ended},
    places::Place,
    table::News,
    unread::Reading,
    wire::{AnswerHead, Fault, Head, Intake, NoticeHead, RequestHead, Status},
};
use crate::limits::{
    NETWORK_ANSWER_BYTES_MAX, NETWORK_ANSWER_BYTES_USUAL, NETWORK_ANSWERS_BYTES_PER_PEER,
    NETWORK_BUFFER_BYTES, NETWORK_CROSSING, NETWORK_HEARD_EVERY, NETWORK_NOT_UNDERSTOOD_MAX,
    NETWORK_NOTICE_BYTES_MAX, NETWORK_NOTICES_QUEUED_BYTES, NETWORK_NOTICES_QUEUED_MAX,
    NETWORK_NOTICES_TAKEN_BYTES, NETWORK_REQUEST_BYTES_MAX, NETWORK_REQUESTS_OVERDRAWN_MAX,
    NETWORK_WORKED_ON_PER_PEER_MAX,
};

/// Why a connection ended that the other side replaced, though nothing replaced it here: told to the owner.
pub const PUSHED_OFF: &str = "there another connection with this node's key took its place";

/// A connection that both sides took on.
pub(super) struct Live {
    pub peer: Peer,
    pub connection: Connection,
    /// Milliseconds of the network's clock.
    pub since: u64,
    /// When anything was heard on it, in the same.
    heard: AtomicU64,
    place: Mutex<Option<Place>>,
    /// Why this node closed it.
    reason: Mutex<Option<String>>,
    notices: mpsc::Sender<Queued>,
    notices_bytes: Arc<Semaphore>,
    taken_bytes: Arc<Semaphore>,
    asks: Mutex<Allowance>,
    requests: Mutex<Allowance>,
    worked_on: Arc<Semaphore>,
    answers: Arc<Semaphore>,
    pub(super) reading: Reading,
    not_understood: AtomicU32,
    accused: AtomicBool,
}

/// A notice that waits to be sent, with its share of the queue.
pub(super) struct Queued(Vec<u8>, OwnedSemaphorePermit);

/// The streams of notices, opened.
pub(super) struct Notices {
    pub send: SendStream,
    pub receive: RecvStream,
}

/// Why nothing more comes on a stream.
enum Broken {
    /// It was given up, or the connection ended.
    Gone,
    Fault(Fault),
}

impl Live {
    /// The connection, and what it has yet to send.
    pub(super) fn new(
        peer: Peer,
        connection: Connection,
        place: Place,
        shared: &Shared,
    ) -> (Arc<Live>, mpsc::Receiver<Queued>) {
        let ticks = (shared.ticks)();
        let (notices, queue) = mpsc::channel(NETWORK_NOTICES_QUEUED_MAX);
        let bytes = |bytes: usize| Arc::new(Semaphore::new(bytes));
        let live = Live {
            peer,
            connection,
            since: ticks,
            heard: AtomicU64::new(ticks),
            place: Mutex::new(Some(place)),
            reason: Mutex::default(),
            notices,
            notices_bytes: bytes(NETWORK_NOTICES_QUEUED_BYTES),
            taken_bytes: bytes(NETWORK_NOTICES_TAKEN_BYTES),
            asks: Mutex::new(Allowance::new(ASKS, ticks)),
            requests: Mutex::new(Allowance::new(shared.bounds.requests(), ticks)),
            worked_on: Arc::new(Semaphore::new(NETWORK_WORKED_ON_PER_PEER_MAX)),
            answers: bytes(NETWORK_ANSWERS_BYTES_PER_PEER),
            reading: Reading::default(),
            not_understood: AtomicU32::new(0),
            accused: AtomicBool::new(false),
        };
        (Arc::new(live), queue)
    }

    /// Starts everything that goes on while the connection lasts.
    pub(super) fn run(
        self: &Arc<Live>,
        shared: &Arc<Shared>,
        streams: Notices,
        queue: mpsc::Receiver<Queued>,
    ) {
        let Notices { send, receive } = streams;
        tokio::spawn(self.clone().send_notices(shared.clone(), send, queue));
        tokio::spawn(self.clone().take_notices(shared.clone(), receive));
        tokio::spawn(self.clone().refuse_streams(shared.clone()));
        tokio::spawn(self.clone().take_requests(shared.clone()));
        tokio::spawn(self.clone().watch(shared.clone()));
    }

    /// Whether both are the same connection.
    pub(super) fn is(&self, other: &Live) -> bool {
        self.connection.stable_id() == other.connection.stable_id()
            && self.peer.address == other.peer.address
            && self.since == other.since
    }

    /// Closes it for a reason that [`Door::left`](super::Door::left) is told too.
    pub(super) fn close(&self, code: Code, why: &str) {
        lock(&self.reason).get_or_insert_with(|| why.to_owned());
        close(&self.connection, code, why);
    }

    pub(super) fn take_place(&self) -> Option<Place> {
        lock(&self.place).take()
    }

    pub(super) fn look(&self, ticks: u64) -> PeerLook {
        let stats = self.connection.stats();
        PeerLook {
            key: self.peer.key,
            address: canonical(self.connection.remote_address()),
            outbound: self.peer.outbound,
            round_trip: self.connection.rtt(),
            bytes_in: stats.udp_rx.bytes,
            bytes_out: stats.udp_tx.bytes,
            lost_packets: stats.path.lost_packets,
            connected: Duration::from_millis(ticks.saturating_sub(self.since)),
            silent: Duration::from_millis(ticks.saturating_sub(self.heard.load(Ordering::Relaxed))),
        }
    }

    /// Puts a notice into the queue. False: there is no room, or the connection ends.
    pub(super) fn tell(&self, notice: Vec<u8>) -> bool {
        if notice.is_empty() || notice.len() > NETWORK_NOTICE_BYTES_MAX {
            return false;
        }
        let room = self.notices_bytes.clone().try_acquire_many_owned(notice.len() as u32);
        room.is_ok_and(|room| self.notices.try_send(Queued(notice, room)).is_ok())
    }

    /// Asks the peer. To be dropped when nobody waits any more: the peer is told so.
    pub(super) async fn ask(
        &self,
        shared: &Shared,
        request: &[u8],
        answer_bytes_max: usize,
    ) -> Result<Vec<u8>, AskError> {
        if request.is_empty() || request.len() > NETWORK_REQUEST_BYTES_MAX {
            return Err(AskError::Request);
        }
        self.wait_to_ask(shared).await;
        let answer_bytes_max = answer_bytes_max.min(NETWORK_ANSWER_BYTES_MAX);
        let left = || AskError::Left(self.why_ended());
        let (send, recv) = self.connection.open_bi().await.map_err(|_| left())?;
        let mut exchange = Exchange { send, recv, over: false };
        let head =
            RequestHead { answer_bytes_max: answer_bytes_max as u32, bytes: request.len() as u32 };
        // Whoever is told "busy" is told to send no more; the answer counts.
        let _ = exchange.send.write_all(&head.write()).await;
        let _ = exchange.send.write_all(request).await;
        let _ = exchange.send.finish();
        let answer = receive::<AnswerHead>(&mut exchange.recv, answer_bytes_max).await;
        let (head, answer) = answer.map_err(|broken| match broken {
            Broken::Gone => left(),
            Broken::Fault(fault) => {
                self.accuse(shared, Misbehaviour::Answer(fault));
                match fault {
                    Fault::Oversize { .. } => AskError::Oversize(answer_bytes_max),
                    fault => AskError::Garbage(fault),
                }
            }
        })?;
        exchange.over = true;
        match head.status {
            Status::Answer => Ok(answer),
            Status::NotUnderstood => Err(AskError::NotUnderstood),
            Status::Busy => Err(AskError::Busy),
            Status::TooLong => Err(AskError::Oversize(answer_bytes_max)),
        }
    }

    async fn wait_to_ask(&self, shared: &Shared) {
        loop {
            let ticks = (shared.ticks)();
            let wait_ms = {
                let mut asks = lock(&self.asks);
                if asks.take(ticks) {
                    return;
                }
                asks.wait_ms(ticks)
            };
            sleep(Duration::from_millis(wait_ms.max(1))).await;
        }
    }

    /// The first misbehaviour is told to the owner, and ends the connection.
    pub(super) fn accuse(&self, shared: &Shared, what: Misbehaviour) {
        // What arrives on a connection that ended is nobody's fault.
        if self.connection.close_reason().is_some() || self.accused.swap(true, Ordering::Relaxed) {
            return;
        }
        let why = what.to_string();
        shared.table.news(News::Misbehaved(self.peer.key, what));
        self.close(Code::Misbehaved, &why);
    }

    fn why_ended(&self) -> String {
        let reason = lock(&self.reason).clone();
        let ended = || self.connection.close_reason().as_ref().map(why_ended);
        reason.or_else(ended).unwrap_or_else(|| "it was given up".to_owned())
    }

    async fn watch(self: Arc<Live>, shared: Arc<Shared>) {
        let ended = tokio::select! {
            ended = self.connection.closed() => ended,
            never = self.listen(&shared) => match never {},
        };
        if let Some(what) = fault::broken(&ended)
            && !self.accused.swap(true, Ordering::Relaxed)
        {
            shared.table.news(News::Misbehaved(self.peer.key, what));
        }
        let lasted = (shared.ticks)().saturating_sub(self.since);
        let is_pushed_off = fault::is_closed_for(&ended, Code::Duplicate)
            && lasted > NETWORK_CROSSING.as_millis() as u64;
        let why = if is_pushed_off { PUSHED_OFF.to_owned() } else { self.why_ended() };
        shared.table.forget(&self, &why);
    }

    /// Notes when anything is heard on it.
    async fn listen(&self, shared: &Shared) -> std::convert::Infallible {
        let mut heard = 0;
        loop {
            let datagrams = self.connection.stats().udp_rx.datagrams;
            if std::mem::replace(&mut heard, datagrams) != datagrams {
                self.heard.store((shared.ticks)(), Ordering::Relaxed);
            }
            sleep(NETWORK_HEARD_EVERY).await;
        }
    }

    async fn send_notices(
        self: Arc<Live>,
        shared: Arc<Shared>,
        mut send: SendStream,
        mut queue: mpsc::Receiver<Queued>,
    ) {
        loop {
            // The queue never ends by itself: its other end is part of this connection.
            let Queued(notice, room) = tokio::select! {
                queued = queue.recv() => match queued {
                    Some(queued) => queued,
                    None => return,
                },
                _ = self.connection.closed() => return,
            };
            let head = Bytes::copy_from_slice(&NoticeHead(notice.len() as u32).write());
            for part in [head, notice.into()] {
                match timeout(shared.bounds.unread_time, send.write_chunk(part)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(quinn::WriteError::ConnectionLost(_))) => return,
                    Ok(Err(_)) => return self.accuse(&shared, Misbehaviour::Notices),
                    Err(_) => return self.accuse(&shared, Misbehaviour::Unread),
                }
            }
            drop(room);
        }
    }

    async fn take_notices(self: Arc<Live>, shared: Arc<Shared>, mut recv: RecvStream) {
        let mut intake = Intake::<NoticeHead>::new(NETWORK_NOTICE_BYTES_MAX);
        loop {
            let chunk = match recv.read_chunk(NETWORK_BUFFER_BYTES, true).await {
                Ok(Some(chunk)) => chunk.bytes,
                Err(quinn::ReadError::ConnectionLost(_)) => return,
                Ok(None) | Err(_) => return self.accuse(&shared, Misbehaviour::Notices),
            };
            let mut arrived = &chunk[..];
            while !arrived.is_empty() {
                match intake.take(&mut arrived) {
                    Ok(None) => {}
                    Ok(Some((_, notice))) => {
                        let room = self.taken_bytes.clone();
                        let room = room.acquire_many_owned(notice.len() as u32).await;
                        let Ok(room) = room else { return };
                        shared.table.told(&self, notice, room);
                    }
                    Err(fault) => return self.accuse(&shared, Misbehaviour::Notice(fault)),
                }
            }
        }
    }

    /// There is one stream of notices.
    async fn refuse_streams(self: Arc<Live>, shared: Arc<Shared>) {
        if self.connection.accept_uni().await.is_ok() {
            self.accuse(&shared, Misbehaviour::Notices);
        }
    }

    async fn take_requests(self: Arc<Live>, shared: Arc<Shared>) {
        while let Ok((send, recv)) = self.connection.accept_bi().await {
            let overdrawn = lock(&self.requests).overdraw((shared.ticks)());
            if overdrawn > NETWORK_REQUESTS_OVERDRAWN_MAX {
                return self.accuse(&shared, Misbehaviour::TooManyRequests(overdrawn));
            }
            let exchange = Exchange { send, recv, over: false };
            let live = self.clone();
            let shared = shared.clone();
            tokio::spawn(async move {
                match overdrawn {
                    0 => live.serve(&shared, exchange).await,
                    _ => exchange.say(Status::Busy).await,
                }
            });
        }
    }

    /// One request, from its first byte to the last of its answer.
    async fn serve(self: &Arc<Live>, shared: &Arc<Shared>, mut exchange: Exchange) {
        let request = receive::<RequestHead>(&mut exchange.recv, NETWORK_REQUEST_BYTES_MAX);
        let (head, request) = match timeout(shared.bounds.request_time, request).await {
            Err(_) => return self.accuse(shared, Misbehaviour::Silence),
            Ok(Err(Broken::Gone)) => return,
            Ok(Err(Broken::Fault(fault))) => {
                return self.accuse(shared, Misbehaviour::Request(fault));
            }
            Ok(Ok(request)) => request,
        };
        let given_up = exchange.send.stopped();
        let work = self.work(shared, head.answer_bytes_max as usize, request);
        let (status, answer) = tokio::select! {
            done = work => done,
            _ = given_up => return,
        };
        match (status, answer) {
            (Status::Answer, Some((answer, _room))) => {
                if !exchange.answer(answer, shared, &self.reading).await {
                    self.accuse(shared, Misbehaviour::Unread);
                }
            }
            (status, _) => exchange.say(status).await,
        }
    }

    /// Has the owner work on a request, when its turn comes. An answer comes with the room that it
    /// takes until it is sent.
    async fn work(
        self: &Arc<Live>,
        shared: &Arc<Shared>,
        answer_bytes_max: usize,
        request: Vec<u8>,
    ) -> (Status, Option<(Vec<u8>, Room)>) {
        let answer_bytes_max = answer_bytes_max.min(NETWORK_ANSWER_BYTES_MAX);
        let turn = timeout(shared.bounds.turn_time, self.turn(shared, answer_bytes_max)).await;
        let Ok(Some((turn, mut room))) = turn else { return (Status::Busy, None) };
        let (door, peer) = (shared.door.clone(), self.peer.clone());
        let work = move || {
            let answer = door.asked(&peer, request);
            drop(turn);
            answer
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Some(answer)) if answer.len() <= answer_bytes_max => {
                if !room.fit(shared, answer.len()).await {
                    return (Status::Busy, None);
                }
                (Status::Answer, Some((answer, room)))
            }
            Ok(Some(_)) => (Status::TooLong, None),
            Ok(None) => {
                let count = self.not_understood.fetch_add(1, Ordering::Relaxed) + 1;
                if count > NETWORK_NOT_UNDERSTOOD_MAX {
                    self.accuse(shared, Misbehaviour::NotUnderstood(count));
                }
                (Status::NotUnderstood, None)
            }
            // The owner's own fault.
            Err(_) => (Status::Busy, None),
        }
    }

    /// Waits for a turn, and for room for the longest usual answer there may be. A peer waits for
    /// itself first, so that one with many requests takes no turn of others.
    async fn turn(&self, shared: &Shared, answer_bytes_max: usize) -> Option<(Turn, Room)> {
        let bytes = answer_bytes_max.min(NETWORK_ANSWER_BYTES_USUAL);
        let one = |of: &Arc<Semaphore>| of.clone().acquire_owned();
        let many = |of: &Arc<Semaphore>| of.clone().acquire_many_owned(bytes as u32);
        let of_peer = many(&self.answers).await.ok()?;
        let turn_of_peer = one(&self.worked_on).await.ok()?;
        let of_all = shared.room(&shared.answers, bytes as u32).await?;
        let room = Room { usual: [of_peer, of_all], long: None };
        Some((Turn(turn_of_peer, one(&shared.worked_on).await.ok()?), room))
    }
}

/// A turn to be worked for: the peer's own, and one of all.
struct Turn(
    #[expect(dead_code, reason = "held until it is dropped")] OwnedSemaphorePermit,
    #[expect(dead_code, reason = "held until it is dropped")] OwnedSemaphorePermit,
);

/// Room for an answer.
struct Room {
    /// Among the bytes of the peer and of all.
    usual: [OwnedSemaphorePermit; 2],
    /// Among the long ones.
    long: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Gives back what an answer of so many bytes does not need, or takes what it needs more. False:
    /// there is none.
    async fn fit(&mut self, shared: &Shared, bytes: usize) -> bool {
        for room in &mut self.usual {
            drop(room.split(room.num_permits().saturating_sub(bytes)));
        }
        if bytes > NETWORK_ANSWER_BYTES_USUAL {
            let long = timeout(shared.bounds.turn_time, shared.room(&shared.long_answers, 1));
            self.long = long.await.ok().flatten();
        }
        bytes <= NETWORK_ANSWER_BYTES_USUAL || self.long.is_some()
    }
}

/// A request and its answer, each on its half of a stream. Dropped before it is over, it is given up.
struct Exchange {
    send: SendStream,
    recv: RecvStream,
    over: bool,
}

impl Exchange {
    /// Sends an answer; false when the peer does not take it.
    async fn answer(mut self, answer: Vec<u8>, shared: &Shared, reading: &Reading) -> bool {
        let _sent = reading.begin((shared.ticks)());
        let head = AnswerHead { status: Status::Answer, bytes: answer.len() as u32 };
        let mut rest = Bytes::from(answer);
        let mut part = Bytes::copy_from_slice(&head.write());
        while !part.is_empty() {
            match timeout(shared.bounds.unread_time, self.send.write_chunk(part)).await {
                Ok(Ok(())) => reading.read((shared.ticks)()),
                Ok(Err(_)) => return true,
                Err(_) => return false,
            }
            part = rest.split_to(rest.len().min(NETWORK_BUFFER_BYTES));
        }
        self.end();
        true
    }

    /// Says that there is no answer. Nothing more is read: the request may still be under way.
    async fn say(mut self, status: Status) {
        let head = AnswerHead { status, bytes: 0 };
        if self.send.write_all(&head.write()).await.is_ok() {
            self.end();
        }
    }

    fn end(&mut self) {
        self.over = self.send.finish().is_ok();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // What already ended cannot be given up, which is as well.
        let _ = self.recv.stop(if self.over { VarInt::from_u32(0) } else { CANCELLED });
        if !self.over {
            let _ = self.send.reset(CANCELLED);
        }
    }
}

/// The one frame of a stream, and its end.
async fn receive<H: Head>(
    recv: &mut RecvStream,
    body_bytes_max: usize,
) -> Result<(H, Vec<u8>), Broken> {
    let mut intake = Intake::new(body_bytes_max);
    let mut frame = None;
    while let Some(chunk) =
        recv.read_chunk(NETWORK_BUFFER_BYTES, true).await.map_err(|_| Broken::Gone)?
    {
        let mut arrived = &chunk.bytes[..];
        if frame.is_none() {
            frame = intake.take(&mut arrived).map_err(Broken::Fault)?;
        }
        if frame.is_some() && !arrived.is_empty() {
            return Err(Broken::Fault(Fault::Trailing));
        }
    }
    frame.ok_or(Broken::Fault(Fault::Short))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
