//! The thread of the machine: hands it what happened, and does what it says.
//!
//! A fault in the machine ends no daemon: it is logged, all connections are closed, and another
//! machine begins anew with what is stored.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{Shared, book::remembered, jobs::Job, moment};
use crate::{
    ambient,
    dns::Lacking,
    id::Id,
    limits::{BOOK_SAVED_EVERY, MACHINE_REST},
    network::AskError,
    sync::{AskFailed, Book, Input, Output, Sync, Want},
};

/// Starts the thread; what it returns tells when it has ended.
pub fn start(
    shared: &Arc<Shared>,
    known: Book,
) -> io::Result<(JoinHandle<()>, mpsc::Receiver<()>)> {
    let (ending, ended) = mpsc::channel::<()>();
    let mut driver = Driver::new(shared, known);
    let thread = thread::Builder::new().name("sync".to_owned()).spawn(move || {
        driver.run();
        drop(ending);
    })?;
    Ok((thread, ended))
}

struct Driver {
    shared: Arc<Shared>,
    machine: Sync,
    /// When whom this node knows was written last, in ticks.
    saved: u64,
    /// What was written.
    written: Option<Id>,
}

impl Driver {
    fn new(shared: &Arc<Shared>, known: Book) -> Driver {
        let machine = shared.machine(known);
        shared.handed.store(Arc::new(machine.handed()));
        Driver { machine, shared: shared.clone(), saved: ambient::ticks(), written: None }
    }

    fn run(&mut self) {
        self.wish_all();
        loop {
            let patience = self.patience();
            let job = self.shared.jobs.next(patience);
            if matches!(job, Some(Job::Stop)) {
                self.save();
                return;
            }
            let done = catch_unwind(AssertUnwindSafe(|| self.work(job)));
            if let Err(panic) = done {
                tracing::error!("the machine failed and begins anew: {}", words(&*panic));
                self.begin_anew();
            }
        }
    }

    /// How long nothing is due.
    fn patience(&self) -> Duration {
        let now = ambient::ticks();
        let misses = self.shared.misses().next();
        let due = [self.machine.wake_at(), misses].into_iter().flatten().min();
        let until_due =
            due.map_or(MACHINE_REST, |due| Duration::from_millis(due.saturating_sub(now)));
        until_due.min(MACHINE_REST)
    }

    fn work(&mut self, job: Option<Job>) {
        match job {
            Some(Job::Input(input)) => self.handle(input),
            Some(Job::Changed(page)) => {
                if self.shared.node.page(&page).is_some() {
                    self.shared.misses().came(&page);
                }
                self.handle(Input::Changed { page });
            }
            Some(Job::Want(lacking, why)) => self.want(lacking, why),
            Some(Job::Look(look)) => {
                self.machine.set_now(moment());
                look(&mut self.machine);
            }
            Some(Job::Stop) | None => {}
        }
        let now = ambient::ticks();
        if self.machine.wake_at().is_some_and(|at| at <= now) {
            self.handle(Input::Wake);
        }
        // What was sought long enough is wanted no longer, unless somebody named it.
        let overdue = self.shared.misses().overdue(now);
        for page in overdue {
            if !self.shared.node.anchors().values().any(|anchor| *anchor == page) {
                self.handle(Input::Unwant { page });
            }
        }
        self.note_heard();
        if now.saturating_sub(self.saved) >= BOOK_SAVED_EVERY.as_millis() as u64 {
            self.save();
        }
    }

    fn handle(&mut self, input: Input) {
        let outputs = self.machine.handle(moment(), input, &*self.shared.node);
        for output in outputs {
            self.shared.clone().execute(output);
        }
    }

    /// Pages that another node is in step with may be sealed.
    fn note_heard(&self) {
        let node = &self.shared.node;
        let is_heard = |page: &Id| {
            let progress = self.machine.progress(page);
            progress.is_some_and(|progress| !progress.peers.is_empty() && progress.is_in_step)
        };
        node.unheard().iter().filter(|page| is_heard(page)).for_each(|page| node.note_heard(page));
    }

    fn want(&mut self, lacking: Lacking, why: Want) {
        let beacons = self.shared.node.beacons_towards(&lacking.name, &lacking.page);
        let Lacking { page, name } = lacking;
        self.handle(Input::Want { page, name, beacons, why });
    }

    fn save(&mut self) {
        self.saved = ambient::ticks();
        self.written = self.shared.save_book(&self.machine, self.written);
    }

    /// Says how each page is to be followed (N8).
    fn wish_all(&mut self) {
        for (page, wish) in self.shared.node.wishes.all() {
            self.shared.jobs.happened(Input::Wish { page, wish });
        }
    }

    fn begin_anew(&mut self) {
        *self = Driver::new(&self.shared, remembered(&self.shared.node));
        self.wish_all();
        if let Some(network) = self.shared.network() {
            network
                .peers()
                .iter()
                .for_each(|peer| network.close(&peer.key, "this node begins anew"));
        }
        self.shared.want_anchors();
    }
}

impl Shared {
    /// Does what the machine says.
    fn execute(self: Arc<Self>, output: Output) {
        let Some(network) = self.network().cloned() else { return };
        match output {
            Output::Tell { peer, notice } => {
                if !network.tell(&peer, notice) {
                    tracing::debug!(%peer, "a notice found no room");
                    self.jobs.happened(Input::Untold { peer });
                }
            }
            Output::Ask { ask, peer, request, answer_bytes_max, patience } => {
                self.runtime.clone().spawn(async move {
                    let answer = network.ask(&peer, request, answer_bytes_max, patience).await;
                    let answer = answer.map_err(failed);
                    self.jobs.happened(Input::Answered { ask, answer });
                });
            }
            Output::Connect { addresses, key } => {
                self.runtime.clone().spawn(async move {
                    if let Err(error) = network.connect(&addresses, key).await {
                        let why = error.to_string();
                        tracing::debug!(why, "a node was not reached");
                        self.jobs.happened(Input::ConnectFailed { key, addresses, why });
                    }
                });
            }
            Output::Close { peer, why } => network.close(&peer, &why),
            Output::Event(event) => self.note(event),
        }
    }
}

fn failed(error: AskError) -> AskFailed {
    match error {
        AskError::TimedOut(_) => AskFailed::TimedOut,
        AskError::Oversize(_) => AskFailed::Oversize,
        _ => AskFailed::Unreachable,
    }
}

/// What somebody panicked with.
fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}
