//! Answers over UDP: one thread per processor, each with a socket of its own on every address.
//!
//! The kernel spreads clients over the sockets of one address (SO_REUSEPORT). A worker takes what is
//! there in one call, answers it in place, and sends all answers in one call; what it cannot answer at
//! once waits as a task of the tokio runtime, of which there are so many. So no overload makes this
//! process larger: what is in flight is what the kernel's buffers hold.
//!
//! What is answered is [`Service`]'s business.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::{AsFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, JoinHandle},
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, eventfd, poll},
    io::{retry_on_intr, write},
};
use tokio::{runtime::Handle, sync::Semaphore};

use super::{
    Service, Transport, batch::Batch, farewell::Farewell, options::Client, processor,
    replies::Replies, service::NotNow,
};
use crate::limits::{DNS_UDP_BATCH, DNS_WORKERS_MAX};

/// How many threads answer: one for each processor that this process may use.
pub(super) fn count() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(DNS_WORKERS_MAX)
}

/// What a worker has for questions that it cannot answer at once.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) service: Service,
    pub(super) runtime: Handle,
    /// Room for questions that are forwarded.
    pub(super) waiting: Arc<Semaphore>,
    pub(super) farewell: Farewell,
}

/// Threads that answer. Dropping this ends them.
pub(super) struct Workers {
    /// Readable when they are to end.
    end: Arc<OwnedFd>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Answers on sockets, of which each thread has those of one list.
    ///
    /// # Errors
    /// When the system has no thread or file for this.
    pub(super) fn start(sockets: Vec<Vec<UdpSocket>>, desk: &Desk) -> io::Result<Workers> {
        let end = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let mut workers = Workers { end: end.clone(), threads: Vec::new() };
        for (n, sockets) in sockets.into_iter().enumerate() {
            let (end, desk) = (end.clone(), desk.clone());
            let worker = Worker { sockets: sockets.into_iter().map(Arc::new).collect(), end, desk };
            let thread = thread::Builder::new().name(format!("dns-udp-{n}"));
            workers.threads.push(thread.spawn(move || {
                processor::claim(n);
                worker.answer();
            })?);
        }
        Ok(workers)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // The counter of an event descriptor has room for one.
        let _ = write(&*self.end, &1u64.to_ne_bytes());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

struct Worker {
    sockets: Vec<Arc<UdpSocket>>,
    end: Arc<OwnedFd>,
    desk: Desk,
}

impl Worker {
    /// Answers until told to end.
    fn answer(&self) {
        // Some answers leave a task behind, as what is soon to be asked anew.
        let _runtime = self.desk.runtime.enter();
        let (mut batch, mut replies) = (Batch::new(), Replies::new());
        let sockets = self.sockets.iter().map(|socket| socket.as_fd());
        let all = sockets.chain([self.end.as_fd()]);
        let mut polled: Vec<PollFd<'_>> =
            all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        loop {
            if let Err(error) = retry_on_intr(|| poll(&mut polled, None)) {
                tracing::error!(%error, "nobody answers over UDP on this processor any more");
                return;
            }
            let is_ready = |n: usize| !polled[n].revents().is_empty();
            if is_ready(self.sockets.len()) {
                return;
            }
            for socket in (0..self.sockets.len()).filter(|n| is_ready(*n)) {
                let socket = &self.sockets[socket];
                // A question that makes this panic must not end the answers to all others.
                let serve = AssertUnwindSafe(|| self.serve(socket, &mut batch, &mut replies));
                let served = catch_unwind(serve);
                if served.is_err() {
                    tracing::error!("answering over UDP failed: this is a fault of the program");
                }
            }
        }
    }

    /// Answers what is there, and what comes meanwhile, for a while.
    fn serve(&self, socket: &Arc<UdpSocket>, batch: &mut Batch, replies: &mut Replies) {
        for _ in 0..ROUNDS {
            match batch.receive(socket.as_fd()) {
                Ok(received) => {
                    self.answer_all(socket, batch, received, replies);
                    if received < DNS_UDP_BATCH {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An ICMP error of an earlier answer: the next call has the datagrams.
                Err(error) => tracing::debug!(%error, "a datagram was lost"),
            }
        }
    }

    fn answer_all(
        &self,
        socket: &Arc<UdpSocket>,
        batch: &mut Batch,
        received: usize,
        replies: &mut Replies,
    ) {
        let mut sitting = self.desk.service.sit(replies);
        for n in 0..received {
            let (query, room, from) = batch.slot(n);
            let Some(from) = from else { continue };
            let len = match sitting.answer(query, from.ip(), room) {
                Ok(len) => len,
                Err(NotNow::Never) => 0,
                Err(NotNow::Later) => match self.desk.answer_later(query, from, socket) {
                    None => 0,
                    Some(refusal) => {
                        room[..refusal.len()].copy_from_slice(&refusal);
                        refusal.len()
                    }
                },
            };
            batch.answer(n, len);
        }
        sitting.rise();
        let lost = batch.send(socket.as_fd());
        if lost > 0 {
            tracing::debug!(lost, "answers were lost");
        }
    }
}

/// Full batches of one socket before the others are looked at (choice: a millisecond or two).
const ROUNDS: usize = 8;

impl Desk {
    /// Answers from elsewhere, as a task of the runtime; or at once, that there is no room for one more.
    fn answer_later(
        &self,
        query: &[u8],
        from: SocketAddr,
        socket: &Arc<UdpSocket>,
    ) -> Option<Vec<u8>> {
        let client = Client { address: from.ip(), transport: Transport::Udp };
        let Ok(room) = self.waiting.clone().try_acquire_owned() else {
            return Some(self.service.overloaded(query, client));
        };
        let (desk, query, socket) = (self.clone(), query.to_vec(), socket.clone());
        self.runtime.spawn(async move {
            let answer = desk.farewell.outside(&desk.service, &query, client).await;
            let _ = socket.send_to(&answer, from);
            drop(room);
        });
        None
    }
}
