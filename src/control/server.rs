//! The node's side of the control socket: one thread for each client, at most
//! [`CONTROL_CLIENTS_MAX`] of them.

use std::{
    fs, io,
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use super::{
    Reply, read_message,
    request::{Answer, Failure, Request},
    socket_path, write_message,
};
use crate::limits::{CONTROL_ALIVE, CONTROL_CLIENTS_MAX, CONTROL_IDLE, NICE_OF_IMPORTS};

/// Carries out requests. A client's own session keeps what it staged.
pub trait Session: Send {
    /// Carries one request out, telling how far it is.
    ///
    /// # Errors
    /// A [`Failure`], in a sentence.
    fn handle(
        &mut self,
        request: Request,
        progress: &mut dyn FnMut(&str, u64, u64),
    ) -> Result<Answer, Failure>;
}

/// Binds the control socket. Its mode admits the same user and group only: the kernel asks for the
/// right to write when somebody connects (unix(7)). A socket left by a process that died is replaced: the caller holds the directory's lock.
///
/// # Errors
/// When the socket cannot be made, for example because the path is longer than 107 bytes.
pub fn bind(data_dir: &Path) -> io::Result<UnixListener> {
    let path = socket_path(data_dir);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Serves clients until the process ends; every client gets a session of its own.
pub fn serve(listener: &UnixListener, session: &mut dyn FnMut() -> Box<dyn Session>) {
    let clients = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "a client of the control socket was not taken");
                pause();
                continue;
            }
        };
        let (mut stream, seat) = match admit(stream, &clients) {
            Ok(admitted) => admitted,
            Err(error) => {
                tracing::debug!(%error, "a client of the control socket was turned away");
                continue;
            }
        };
        let mut session = session();
        thread::spawn(move || {
            if let Err(error) = converse(&mut stream, &mut *session, CONTROL_ALIVE) {
                tracing::debug!(%error, "a client of the control socket left");
            }
            drop(seat);
        });
    }
}

/// How long a client that is turned away may take to hear so (choice): it fits its buffer, and takes none.
const TURN_AWAY: Duration = Duration::from_millis(100);
/// How long none is accepted after that failed (choice): a process without a free file descriptor would
/// otherwise spin, and fill its log.
const RETRY: Duration = Duration::from_millis(100);

#[expect(
    clippy::disallowed_methods,
    reason = "no event tells when a file descriptor is free again"
)]
fn pause() {
    thread::sleep(RETRY);
}

/// A client's place among [`CONTROL_CLIENTS_MAX`].
struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn admit(stream: UnixStream, clients: &Arc<AtomicUsize>) -> io::Result<(UnixStream, Seat)> {
    let seat = Seat(clients.clone());
    if clients.fetch_add(1, Ordering::Relaxed) >= CONTROL_CLIENTS_MAX {
        let busy = format!("{CONTROL_CLIENTS_MAX} commands are at work already: try again");
        let mut stream = stream;
        stream.set_write_timeout(Some(TURN_AWAY))?;
        answer_with(&mut stream, Err(Failure::refused(&busy)))?;
        return Err(io::Error::other(busy));
    }
    stream.set_read_timeout(Some(CONTROL_IDLE))?;
    stream.set_write_timeout(Some(CONTROL_IDLE))?;
    Ok((stream, seat))
}

/// Sends the answer, or that it is too large to be sent.
fn answer_with(out: &mut UnixStream, answer: Result<Answer, Failure>) -> io::Result<()> {
    match write_message(out, &Reply::Done(Box::new(answer))) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            let failure =
                Failure::refused(format!("the answer is {error}: ask for less at a time"));
            write_message(out, &Reply::Done(Box::new(Err(failure))))
        }
        sent => sent,
    }
}

fn converse(stream: &mut UnixStream, session: &mut dyn Session, alive: Duration) -> io::Result<()> {
    let out = Mutex::new(stream.try_clone()?);
    while let Some(request) = read_message(stream)? {
        if matches!(request, Request::Stage { genesis: Some(_), .. }) {
            step_back();
        }
        let answer = while_alive(&out, alive, || {
            session.handle(request, &mut |label, done, total| {
                say(&out, &Reply::Progress { label: label.to_owned(), done, total });
            })
        });
        answer_with(&mut lock(&out), answer)?;
    }
    Ok(())
}

/// Works, and says every now and then that it does: much of what takes long has no steps to count, and
/// a client must tell a long wait from a process that is stopped.
fn while_alive<T>(out: &Mutex<UnixStream>, alive: Duration, work: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (done, ended) = mpsc::channel::<()>();
        scope.spawn(move || {
            while ended.recv_timeout(alive) == Err(RecvTimeoutError::Timeout) {
                say(out, &Reply::Alive);
            }
        });
        let answer = work();
        drop(done);
        answer
    })
}

/// Tells a client something beside its answer. One that left is noticed when that is written.
fn say(out: &Mutex<UnixStream>, reply: &Reply) {
    let _ = write_message(&mut *lock(out), reply);
}

fn lock(out: &Mutex<UnixStream>) -> MutexGuard<'_, UnixStream> {
    out.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets everything else go first, above all the thread that answers DNS, from now on and on the
/// calling thread only, with those that it starts: whole pages take seconds of work. It cannot be taken back
/// (setpriority(2)), so it is for clients who bring pages; those that vote come on connections of their own.
pub fn step_back() {
    // On Linux this means the calling thread, not its process. A refusal costs only the courtesy.
    if let Err(error) = rustix::process::setpriority_process(None, NICE_OF_IMPORTS) {
        tracing::debug!(%error, "an import keeps its usual priority");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Works until it is told that the client heard of it.
    struct Slow(mpsc::Receiver<()>);

    impl Session for Slow {
        fn handle(
            &mut self,
            _: Request,
            _: &mut dyn FnMut(&str, u64, u64),
        ) -> Result<Answer, Failure> {
            self.0.recv().map(|()| Answer::Joined).map_err(Failure::refused)
        }
    }

    #[test]
    fn whoever_comes_too_many_hears_so_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let listener = bind(dir.path()).unwrap();
        thread::spawn(move || {
            serve(&listener, &mut || Box::new(Slow(mpsc::channel().1)) as Box<dyn Session>);
        });
        let connect = |_| UnixStream::connect(socket_path(dir.path())).unwrap();
        let _idle: Vec<UnixStream> = (0..CONTROL_CLIENTS_MAX).map(connect).collect();
        let mut turned_away: Vec<UnixStream> = (0..40).map(connect).collect();
        let last = turned_away.last_mut().unwrap();
        // A pause for each of those before it would take twice as long.
        last.set_read_timeout(Some(RETRY * 20)).unwrap();
        let heard = read_message::<Reply>(last).expect("it is told in time");
        assert!(matches!(heard, Some(Reply::Done(answer)) if answer.is_err()));
    }

    #[test]
    fn work_without_steps_gives_signs_of_life() {
        let (mut client, mut served) = UnixStream::pair().unwrap();
        let (heard, told) = mpsc::channel();
        let alive = Duration::from_millis(1);
        let node = thread::spawn(move || converse(&mut served, &mut Slow(told), alive));
        write_message(&mut client, &Request::Status).unwrap();
        let mut next = || read_message::<Reply>(&mut client).unwrap().unwrap();
        assert!(matches!(next(), Reply::Alive));
        heard.send(()).unwrap();
        let end = std::iter::repeat_with(next).find(|reply| !matches!(reply, Reply::Alive));
        assert!(matches!(end, Some(Reply::Done(answer)) if answer.is_ok()));
        drop(client);
        node.join().unwrap().unwrap();
    }
}
