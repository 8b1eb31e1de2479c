//! DNS over TCP (RFC 1035 section 4.2.2, RFC 7766): messages with a length before each, as many at a
//! time as the client likes, answered as they are ready.
//!
//! What the pages say is written at once, past whatever is being forwarded. A connection is one task,
//! and each of its forwarded questions another; all of it is bounded, and every wait has an end: a
//! client that is silent, slow to write or slow to read is let go. What is answered is not known here.

use std::{
    future::pending,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    Reply, Service, Transport,
    access::Access,
    crowd::{Crowd, Seat},
    options::Client,
};
use crate::limits::{
    DNS_TCP_ACCEPT_PAUSE, DNS_TCP_FAREWELL, DNS_TCP_IDLE, DNS_TCP_IN_FLIGHT_MAX, DNS_TCP_MESSAGE,
    DNS_TCP_UNREAD_BYTES,
};

/// Bytes read at a time: a few dozen questions, in one call of the system (choice).
const READ_BYTES: usize = 4096;
/// Bytes of the length before each message.
const LENGTH: usize = 2;

/// A TCP socket that is answered on.
pub(super) struct StreamDoor {
    pub(super) listener: TcpListener,
    pub(super) service: Service,
    pub(super) access: Arc<Access>,
    pub(super) crowd: Crowd,
    /// Room for questions that are forwarded.
    pub(super) waiting: Arc<Semaphore>,
}

impl StreamDoor {
    /// Accepts until told to stop; then ends what is in flight.
    pub(super) async fn answer(self, mut stopped: watch::Receiver<()>) {
        let stop = stopped.clone();
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
                _ = stopped.changed() => break,
            };
            match accepted {
                Ok((stream, from)) => {
                    if let Some(connection) = self.connection(&stream, from) {
                        connections.spawn(connection.serve(stream, stop.clone()));
                    }
                }
                Err(error) => self.after_refusal(&error).await,
            }
        }
        drop(self.listener);
        let ended = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(DNS_TCP_FAREWELL, ended).await;
        // What is left is closed where it stands.
        connections.shutdown().await;
    }

    fn connection(&self, stream: &TcpStream, from: SocketAddr) -> Option<Connection> {
        if !self.access.allows(from.ip()) {
            tracing::debug!(%from, "not on the access list");
            return None;
        }
        // An answer is written whole, so that nothing is gained by waiting for more.
        let _ = stream.set_nodelay(true);
        Some(Connection {
            service: self.service.clone(),
            from: from.ip(),
            seat: self.crowd.enter(),
            waiting: self.waiting.clone(),
            received: Vec::new(),
            unread: Vec::new(),
            in_flight: JoinSet::new(),
        })
    }

    /// A client that left before it was accepted is nothing; without files or memory, one connection
    /// is given up, and the next try waits: the listener stays ready, and would be tried for ever.
    async fn after_refusal(&self, error: &io::Error) {
        if !matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted
        ) {
            tracing::warn!(%error, "a TCP connection could not be accepted");
            self.crowd.dismiss();
            sleep(DNS_TCP_ACCEPT_PAUSE).await;
        }
    }
}

/// An answer that was resolved elsewhere, and its place among those that wait.
type Resolved = (Vec<u8>, OwnedSemaphorePermit);

struct Connection {
    service: Service,
    from: IpAddr,
    seat: Seat,
    waiting: Arc<Semaphore>,
    /// Bytes of messages that were not looked at yet.
    received: Vec<u8>,
    /// Answers that the client did not take yet.
    unread: Vec<u8>,
    in_flight: JoinSet<Resolved>,
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

impl Connection {
    /// Answers until the client leaves, or has to.
    async fn serve(mut self, mut stream: TcpStream, mut stopped: watch::Receiver<()>) {
        let (mut read, mut write) = stream.split();
        // The client says no more, or is not asked to.
        let mut last = false;
        let mut patience = Patience::Idle;
        // Bytes to be taken before the reader's deadline begins anew.
        let mut due = 0;
        let listening = sleep(patience.span());
        let reading = sleep(DNS_TCP_MESSAGE);
        tokio::pin!(listening, reading);
        loop {
            // Not after the end: what is half a message then stays so.
            let heard = !last && self.take_messages();
            let owed = self.owes();
            if last && !owed {
                break;
            }
            let open = !last && self.has_room();
            let wanted = match (open, self.received.is_empty(), owed) {
                (true, false, _) => Patience::Message,
                (true, true, false) => Patience::Idle,
                _ => Patience::Endless,
            };
            if heard || wanted != patience {
                patience = wanted;
                listening.set(sleep(patience.span()));
                self.seat.active(owed);
            }
            if due == 0 && !self.unread.is_empty() {
                due = self.unread.len();
                reading.set(sleep(DNS_TCP_MESSAGE));
            }
            let left = tokio::select! {
                written = write.write(&self.unread), if !self.unread.is_empty() => match written {
                    Ok(len @ 1..) => {
                        self.unread.drain(..len);
                        due = due.saturating_sub(len);
                        false
                    }
                    _ => true,
                },
                Some(resolved) = self.in_flight.join_next(), if self.may_write() => {
                    if let Ok((answer, room)) = resolved {
                        push(&mut self.unread, &answer);
                        drop(room);
                    }
                    false
                }
                received = receive(&mut read, &mut self.received), if open => match received {
                    Ok(0) => { last = true; false }
                    Ok(_) => false,
                    Err(_) => true,
                },
                () = &mut listening, if patience != Patience::Endless => true,
                () = &mut reading, if due > 0 => true,
                () = self.seat.dismissed() => true,
                _ = stop(&mut stopped, last) => { last = true; false }
            };
            if left {
                return;
            }
        }
        let _ = write.shutdown().await;
    }

    /// Answers the whole messages that were received, while there is room. True if there was one.
    fn take_messages(&mut self) -> bool {
        let mut at = 0;
        while self.has_room() {
            let Some((length, rest)) = self.received[at..].split_first_chunk::<LENGTH>() else {
                break;
            };
            let length = usize::from(u16::from_be_bytes(*length));
            let Some(message) = rest.get(..length) else { break };
            at += LENGTH + length;
            let client = Client { address: self.from, transport: Transport::Stream };
            match self.service.reply(message, client) {
                Reply::Silence => {}
                Reply::Now(answer) => push(&mut self.unread, &answer),
                Reply::Later => match self.waiting.clone().try_acquire_owned() {
                    Ok(room) => {
                        let (service, message) = (self.service.clone(), message.to_vec());
                        self.in_flight
                            .spawn(async move { (service.outside(&message, client).await, room) });
                    }
                    Err(_) => push(&mut self.unread, &self.service.overloaded(message, client)),
                },
            }
        }
        self.received.drain(..at);
        at > 0
    }

    /// Whether there is room for the answer to one more question.
    fn has_room(&self) -> bool {
        self.may_write() && self.in_flight.len() < DNS_TCP_IN_FLIGHT_MAX
    }

    fn may_write(&self) -> bool {
        self.unread.len() < DNS_TCP_UNREAD_BYTES
    }

    fn owes(&self) -> bool {
        !self.unread.is_empty() || !self.in_flight.is_empty()
    }
}

/// Appends an answer; none is longer than its length can say.
fn push(unread: &mut Vec<u8>, answer: &[u8]) {
    if let Ok(length @ 1..) = u16::try_from(answer.len()) {
        unread.extend_from_slice(&length.to_be_bytes());
        unread.extend_from_slice(answer);
    }
}

async fn receive(
    read: &mut tokio::net::tcp::ReadHalf<'_>,
    received: &mut Vec<u8>,
) -> io::Result<usize> {
    let mut bytes = [0; READ_BYTES];
    let len = read.read(&mut bytes).await?;
    received.extend_from_slice(&bytes[..len]);
    Ok(len)
}

/// Returns once, when the doors are closed.
async fn stop(stopped: &mut watch::Receiver<()>, known: bool) {
    if known {
        pending::<()>().await;
    }
    let _ = stopped.changed().await;
}
