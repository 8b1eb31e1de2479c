//! DNS over TCP (RFC 1035 section 4.2.2, RFC 7766), with TLS around it or without: messages with a length before each, as many at a
//! time as the client likes, answered as they are ready.
//!
//! What the pages say is written at once, past whatever is being forwarded. A connection is one task,
//! and each of its forwarded questions another; all of it is bounded, and every wait has an end: a
//! client that is silent, slow to write or slow to read is let go. What is answered is not known here.

use std::{io, net::SocketAddr, ops::ControlFlow, pin::Pin, sync::Arc, time::Duration};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{self as tokio_io, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinSet, yield_now},
    time::{Sleep, sleep, timeout},
};

use super::{
    Reply, Service,
    crowd::Crowd,
    encrypted::{Guard, Speaks, Visit, doh},
    farewell::Farewell,
    options::Client,
    transfer::Transfer,
};
use crate::limits::{
    DNS_FAREWELL, DNS_FAREWELL_SENDING, DNS_TCP_ACCEPT_PAUSE, DNS_TCP_IDLE, DNS_TCP_IN_FLIGHT_MAX,
    DNS_TCP_MESSAGE, DNS_TCP_UNREAD_BYTES,
};

/// Bytes read at a time: a few dozen questions, in one call of the system (choice).
const READ_BYTES: usize = 4096;
/// Bytes of the length before each message.
const LENGTH: usize = 2;

/// A TCP socket that is answered on.
pub(super) struct StreamDoor {
    pub(super) listener: TcpListener,
    pub(super) speaks: Speaks,
    pub(super) service: Service,
    pub(super) crowd: Crowd,
    /// Room for questions that are forwarded.
    pub(super) waiting: Arc<Semaphore>,
}

impl StreamDoor {
    /// Accepts until told to stop; then ends what is in flight.
    pub(super) async fn answer(self, mut farewell: Farewell) {
        let mut connections = JoinSet::new();
        let mut refusals = 0;
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
                () = farewell.told() => break,
            };
            match accepted {
                Ok((stream, from)) => {
                    self.welcome(&mut connections, stream, from, &farewell);
                }
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    refusals += 1;
                    self.after_refusal(&error, refusals).await;
                }
            }
        }
        drop(self.listener);
        let ended = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(DNS_FAREWELL + DNS_FAREWELL_SENDING, ended).await;
        // What is left is closed where it stands.
        connections.shutdown().await;
    }

    fn welcome(
        &self,
        connections: &mut JoinSet<()>,
        stream: TcpStream,
        from: SocketAddr,
        farewell: &Farewell,
    ) {
        // An answer is written whole, so that nothing is gained by waiting for more.
        let _ = stream.set_nodelay(true);
        let visit = Visit {
            service: self.service.clone(),
            client: Client { address: from.ip(), transport: self.speaks.transport() },
            seat: self.crowd.enter(),
            waiting: self.waiting.clone(),
            farewell: farewell.clone(),
        };
        match &self.speaks {
            Speaks::Dns => connections.spawn(serve(visit, stream)),
            Speaks::Tls(guard) => connections.spawn(serve_by_tls(visit, stream, guard.clone())),
            Speaks::Https(guard) => connections.spawn(doh::serve(visit, stream, guard.clone())),
        };
    }

    /// Without files or memory one connection is given up, and the next try waits: the listener stays
    /// ready, and would be tried for ever. Said again whenever it has happened twice as often.
    async fn after_refusal(&self, error: &io::Error, refusals: u64) {
        if refusals.is_power_of_two() {
            tracing::warn!(%error, refusals, "a TCP connection could not be accepted");
        }
        self.crowd.dismiss();
        sleep(DNS_TCP_ACCEPT_PAUSE).await;
    }
}

/// Whether an accept failed because a client had left already.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// An answer that was resolved elsewhere, and its place among those that wait.
type Resolved = (Vec<u8>, OwnedSemaphorePermit);

/// Answers one client.
async fn serve(visit: Visit, mut stream: TcpStream) {
    let (read, write) = stream.split();
    Connection::new(visit, false).serve(read, write).await;
}

/// Meets one client, and answers it.
async fn serve_by_tls(visit: Visit, stream: TcpStream, guard: Guard) {
    if let Some(stream) = guard.meet(stream, guard.tls.dot(), &visit).await {
        let (read, write) = tokio_io::split(stream);
        Connection::new(visit, true).serve(read, write).await;
    }
}

struct Connection {
    visit: Visit,
    /// What is written to it is not sent before it is told to.
    holds_back: bool,
    /// It holds something back.
    unsent: bool,
    /// Bytes of messages that were not looked at yet.
    received: BytesMut,
    /// Answers that the client did not take yet.
    unread: BytesMut,
    /// How many bytes of them it has to take by its deadline; none: it has no deadline.
    due: usize,
    in_flight: JoinSet<Resolved>,
    /// The answer of many messages that is being sent: nothing more is read before its end.
    transfer: Option<Box<Transfer>>,
    /// The client says no more, or is not asked to.
    last: bool,
    state: State,
}

/// How a connection stands, as far as others and its deadlines depend on it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    patience: Patience,
    /// The client is owed an answer.
    owed: bool,
}

/// What a client is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// Nothing: it is owed an answer, or not listened to.
    Endless,
    /// The rest of a message.
    Message,
    /// Whatever it says next.
    Idle,
}

impl Patience {
    fn span(self) -> Duration {
        match self {
            Patience::Message => DNS_TCP_MESSAGE,
            Patience::Endless | Patience::Idle => DNS_TCP_IDLE,
        }
    }
}

/// What happened on a connection.
enum Event {
    Taken(io::Result<usize>),
    /// Nothing is held back any more.
    Sent(io::Result<()>),
    Resolved(Option<Resolved>),
    Received(io::Result<usize>),
    Stopping,
    /// A deadline passed, or somebody else needs the place.
    Leave,
}

impl Connection {
    fn new(visit: Visit, holds_back: bool) -> Connection {
        Connection {
            visit,
            holds_back,
            unsent: false,
            received: BytesMut::new(),
            unread: BytesMut::new(),
            due: 0,
            in_flight: JoinSet::new(),
            transfer: None,
            last: false,
            state: State { patience: Patience::Idle, owed: false },
        }
    }

    /// Answers until the client leaves, or has to.
    async fn serve(mut self, mut read: impl AsyncRead + Unpin, mut write: impl AsyncWrite + Unpin) {
        let (listening, reading) = (sleep(DNS_TCP_IDLE), sleep(DNS_TCP_MESSAGE));
        let mut farewell = self.visit.farewell.clone();
        let stop = farewell.told();
        tokio::pin!(listening, reading, stop);
        loop {
            let heard = self.take_messages();
            let is_sending = self.go_on();
            self.set_deadlines(heard, listening.as_mut(), reading.as_mut());
            if self.last && !self.state.owed {
                break;
            }
            if heard || is_sending {
                // Who asks much at a time takes turns with all others, datagrams among them.
                yield_now().await;
            }
            if is_sending && self.transfer.is_none() {
                // What was asked behind the transfer is here, perhaps, and nobody says it again.
                continue;
            }
            let open = !self.last && self.may_write();
            let is_untaken = self.is_untaken();
            let event = tokio::select! {
                event = hand_over(&mut write, &self.unread), if is_untaken => event,
                Some(resolved) = self.in_flight.join_next(), if self.may_write() => {
                    Event::Resolved(resolved.ok())
                }
                received = receive(&mut read, &mut self.received), if open => {
                    Event::Received(received)
                }
                () = &mut listening, if self.state.patience != Patience::Endless => Event::Leave,
                () = &mut reading, if self.due > 0 => Event::Leave,
                () = self.visit.seat.dismissed() => Event::Leave,
                () = &mut stop, if !self.last => Event::Stopping,
            };
            if self.handle(event).is_break() {
                return;
            }
        }
        // TLS says goodbye, for which there may be no room.
        let _ = timeout(DNS_TCP_MESSAGE, write.shutdown()).await;
    }

    /// Deadlines begin anew when a message came, when something else is waited for, and when all that
    /// was due was taken.
    fn set_deadlines(
        &mut self,
        heard: bool,
        mut listening: Pin<&mut Sleep>,
        mut reading: Pin<&mut Sleep>,
    ) {
        let is_untaken = self.is_untaken();
        let owed = is_untaken || !self.in_flight.is_empty();
        let open = !self.last && self.may_write();
        let patience = match (open, self.received.is_empty(), owed) {
            (true, false, _) => Patience::Message,
            (true, true, false) => Patience::Idle,
            _ => Patience::Endless,
        };
        let state = State { patience, owed };
        if heard || state.patience != self.state.patience {
            listening.set(sleep(patience.span()));
        }
        if heard || state != self.state {
            self.visit.seat.active(owed);
        }
        if patience == Patience::Idle {
            // Most connections are idle most of the time, and hold nothing then.
            (self.received, self.unread) = (BytesMut::new(), BytesMut::new());
        }
        if self.due == 0 && is_untaken {
            self.due = self.unread.len().max(1);
            reading.set(sleep(DNS_TCP_MESSAGE));
        }
        self.state = state;
    }

    /// Breaks when there is nobody to answer any more.
    fn handle(&mut self, event: Event) -> ControlFlow<()> {
        match event {
            Event::Taken(Ok(len @ 1..)) => {
                self.unread.advance(len);
                self.due = self.due.saturating_sub(len);
                self.unsent = self.holds_back;
            }
            Event::Sent(Ok(())) => (self.unsent, self.due) = (false, 0),
            Event::Resolved(Some((answer, _room))) => push(&mut self.unread, &answer),
            Event::Received(Ok(0)) | Event::Stopping => self.last = true,
            Event::Received(Ok(_)) | Event::Resolved(None) => {}
            Event::Taken(_) | Event::Sent(Err(_)) | Event::Received(Err(_)) | Event::Leave => {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// Answers the whole messages that were received, while there is room. True if there was one.
    fn take_messages(&mut self) -> bool {
        let mut heard = false;
        while self.may_write()
            && self.transfer.is_none()
            && let Some(message) = next_message(&mut self.received)
        {
            heard = true;
            match self.visit.service.reply_or_transfer(&message, self.visit.client) {
                Ok(Reply::Silence) => {}
                Ok(Reply::Now(answer)) => push(&mut self.unread, &answer),
                Ok(Reply::Later) => self.forward(&message),
                Err(transfer) => self.transfer = Some(transfer),
            }
        }
        heard
    }

    /// Makes more messages of the transfer that is being sent, while there is room. True if there is one.
    fn go_on(&mut self) -> bool {
        let Some(mut transfer) = self.transfer.take() else { return false };
        while self.may_write() {
            let Some(message) = self.visit.service.next_of(&mut transfer) else { return true };
            push(&mut self.unread, &message);
        }
        self.transfer = Some(transfer);
        true
    }

    /// Leaves a question to others, if there is room for one more that waits: page names behind it are
    /// read on in either case.
    fn forward(&mut self, message: &[u8]) {
        let may_wait = self.in_flight.len() < DNS_TCP_IN_FLIGHT_MAX;
        let room = may_wait.then(|| self.visit.waiting.clone().try_acquire_owned().ok()).flatten();
        let Some(room) = room else {
            let answer = self.visit.service.overloaded(message, self.visit.client);
            return push(&mut self.unread, &answer);
        };
        let (service, message) = (self.visit.service.clone(), message.to_vec());
        let (client, farewell) = (self.visit.client, self.visit.farewell.clone());
        self.in_flight
            .spawn(async move { (farewell.outside(&service, &message, client).await, room) });
    }

    /// Whether something waits for the client to take it.
    fn is_untaken(&self) -> bool {
        !self.unread.is_empty() || self.unsent
    }

    /// Whether there is room for the answer to one more question.
    fn may_write(&self) -> bool {
        self.unread.len() < DNS_TCP_UNREAD_BYTES
    }
}

/// Takes a whole message off what was received.
fn next_message(received: &mut BytesMut) -> Option<BytesMut> {
    let length = usize::from(u16::from_be_bytes(*received.first_chunk::<LENGTH>()?));
    if received.len() < LENGTH + length {
        return None;
    }
    received.advance(LENGTH);
    Some(received.split_to(length))
}

/// Appends an answer; none is longer than its length can say.
fn push(unread: &mut BytesMut, answer: &[u8]) {
    if let Ok(length @ 1..) = u16::try_from(answer.len()) {
        unread.extend_from_slice(&length.to_be_bytes());
        unread.extend_from_slice(answer);
    }
}

/// Writes something, or when all is written sends what is held back.
async fn hand_over(write: &mut (impl AsyncWrite + Unpin), unread: &[u8]) -> Event {
    match unread {
        [] => Event::Sent(write.flush().await),
        unread => Event::Taken(write.write(unread).await),
    }
}

async fn receive(
    read: &mut (impl AsyncRead + Unpin),
    received: &mut BytesMut,
) -> io::Result<usize> {
    received.reserve(READ_BYTES);
    read.read_buf(received).await
}
