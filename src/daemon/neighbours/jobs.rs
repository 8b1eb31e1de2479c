//! What waits for the thread of the machine: what happened, in order, and questions about its state.
//!
//! Whatever must not be lost is taken in always: there is one for each connection and each request
//! that is under way, which have limits of their own. Notices of peers are dropped where too many
//! wait: their peers are asked where they stand as soon as there is room again.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    dns::Lacking,
    id::Id,
    key::PublicKey,
    limits::{JOBS_LOOKS_MAX, JOBS_NOTICES_BYTES_MAX},
    sync::{Input, Sync, Want},
};

/// Something for the machine.
pub enum Job {
    Input(Input),
    /// Something of a page was changed on this node.
    Changed(Id),
    /// A page is wanted that is not here.
    Want(Lacking, Want),
    /// To be done with the machine itself.
    Look(Box<dyn FnOnce(&mut Sync) + Send>),
    /// No more follows.
    Stop,
}

/// All that waits.
#[derive(Default)]
pub struct Jobs {
    queue: Mutex<Queue>,
    told: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Bytes of notices among them, and how many look at the machine.
    notices: usize,
    looks: usize,
    dropped: u64,
    /// Whose were dropped since they were asked.
    unheard: BTreeSet<PublicKey>,
}

impl Queue {
    /// So many bytes of notices are taken in. With half of the room free, those who were not heard are
    /// asked.
    fn took(&mut self, bytes: usize) {
        self.notices -= bytes.min(self.notices);
        if self.notices <= JOBS_NOTICES_BYTES_MAX / 2 {
            let unheard = std::mem::take(&mut self.unheard);
            let unheard = unheard.into_iter().map(|peer| Job::Input(Input::Unheard { peer }));
            self.jobs.extend(unheard);
        }
    }
}

impl Jobs {
    /// Something happened. A notice may be dropped.
    pub fn happened(&self, input: Input) {
        let bytes = notice_bytes(&input);
        let mut queue = self.queue();
        if bytes > 0 && queue.notices + bytes > JOBS_NOTICES_BYTES_MAX {
            queue.dropped += 1;
            if let Input::Told { peer, .. } = &input {
                queue.unheard.insert(*peer);
            }
            if queue.dropped.is_power_of_two() {
                tracing::warn!(dropped = queue.dropped, "peers tell more than is taken in");
            }
            return;
        }
        queue.notices += bytes;
        self.put(queue, Job::Input(input));
    }

    /// A page changed. What is said already and not taken in yet is not said twice.
    pub fn changed(&self, page: Id) {
        let queue = self.queue();
        let is_said = queue
            .jobs
            .iter()
            .rev()
            .take(CHANGES_LOOKED_AT)
            .any(|job| matches!(job, Job::Changed(said) if *said == page));
        if !is_said {
            self.put(queue, Job::Changed(page));
        }
    }

    /// A page is wanted.
    pub fn want(&self, lacking: Lacking, why: Want) {
        self.put(self.queue(), Job::Want(lacking, why));
    }

    /// Has something done with the machine; false when too many ask for that.
    pub fn look(&self, look: impl FnOnce(&mut Sync) + Send + 'static) -> bool {
        let mut queue = self.queue();
        if queue.looks >= JOBS_LOOKS_MAX {
            return false;
        }
        queue.looks += 1;
        self.put(queue, Job::Look(Box::new(look)));
        true
    }

    /// Ends the thread, before anything else that waits.
    pub fn stop(&self) {
        let mut queue = self.queue();
        queue.jobs.clear();
        self.put(queue, Job::Stop);
    }

    /// What comes next; `None` when nothing comes in this time.
    pub fn next(&self, patience: Duration) -> Option<Job> {
        let queue = self.queue();
        let waited = self.told.wait_timeout_while(queue, patience, |queue| queue.jobs.is_empty());
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let job = queue.jobs.pop_front()?;
        match &job {
            Job::Input(input) => queue.took(notice_bytes(input)),
            Job::Look(_) => queue.looks = queue.looks.saturating_sub(1),
            _ => {}
        }
        Some(job)
    }

    fn put(&self, mut queue: MutexGuard<'_, Queue>, job: Job) {
        queue.jobs.push_back(job);
        drop(queue);
        self.told.notify_one();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many of what waits are looked at for a page that changed (choice): more than change at once.
const CHANGES_LOOKED_AT: usize = 64;

fn notice_bytes(input: &Input) -> usize {
    match input {
        Input::Told { notice, .. } => notice.len().max(1),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn notices_have_a_limit_and_nothing_else_is_lost() {
        let jobs = Jobs::default();
        let peer = SecretKey::from_seed(&[1; 32]).public();
        let told = || Input::Told { peer, notice: vec![0; JOBS_NOTICES_BYTES_MAX / 4] };
        for _ in 0..8 {
            jobs.happened(told());
            jobs.happened(Input::Left { peer });
        }
        let waiting: Vec<Job> = std::iter::from_fn(|| jobs.next(NOW)).collect();
        let notices = waiting.iter().filter(|job| matches!(job, Job::Input(Input::Told { .. })));
        let unheard = waiting.iter().filter(|job| matches!(job, Job::Input(Input::Unheard { .. })));
        // The peer that was not heard is asked once.
        assert_eq!((notices.count(), unheard.count(), waiting.len()), (4, 1, 13));
        jobs.happened(told());
        assert!(jobs.next(NOW).is_some(), "there is room again");
    }

    #[test]
    fn a_page_that_changes_often_is_told_of_once_at_a_time() {
        let jobs = Jobs::default();
        let [one, other] = [1u8, 2].map(|n| Id::hash(&[&[n]]));
        [one, one, other, one].into_iter().for_each(|page| jobs.changed(page));
        assert_eq!(std::iter::from_fn(|| jobs.next(NOW)).count(), 2);
        jobs.changed(one);
        assert!(jobs.next(NOW).is_some());
    }

    #[test]
    fn the_end_comes_before_what_waits() {
        let jobs = Jobs::default();
        (0..3).for_each(|_| jobs.happened(Input::Wake));
        jobs.stop();
        assert!(matches!(jobs.next(NOW), Some(Job::Stop)));
        assert!(jobs.next(NOW).is_none());
    }
}
