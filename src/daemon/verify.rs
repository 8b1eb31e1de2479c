//! Checking a page from its log: whether every byte of it is sound, and who committed to it (T1).

use super::{
    landing::Jump,
    node::{Node, Progress, Reopening, sentence},
    whole::{Check, Step, WholeRefusal},
};
use crate::{
    control::{report::Verified, request::Failure},
    governance::{
        Governance,
        chain::{ChainProof, ChainRefusal, Known, verify_chain},
        jump::Snapshot,
        seal::SealRecord,
        sealing::SealRefusal,
    },
    key::PublicKey,
    limits::{CHAIN_WINDOW_SEALS, VERIFY_TRIES},
    page::Page,
    store::Cursor,
};

fn unsound(page: &Governance, error: &Reopening) -> Failure {
    Failure::refused(format!("the log of {} is not sound: {error}", page.page().name()))
}

/// Checks a page from its log: every checksum, that the contents give the state root of the genesis
/// whose id is the page id, that every seal gives the state root that it names, and as many
/// certificates as it takes to come from the genesis to the newest seal (T1). `full` also checks every
/// entry, every signature, every ballot and every certificate anew, and that all of it leads to the
/// state that is served.
///
/// # Errors
/// [`Failure`], naming the first fault.
pub fn verify(
    node: &Node,
    page: &Governance,
    full: bool,
    progress: Progress,
) -> Result<Verified, Failure> {
    let id = page.page().id();
    let log_bytes = || node.store.verify(&id).map(|log| log.bytes).map_err(sentence);
    in_one_state(log_bytes, |bytes| verify_once(node, page, full, bytes, progress))
}

/// Tries again, a few times, where it failed while the log changed: a page that is taken over meanwhile is
/// read in two parts, of which neither need make sense.
fn in_one_state<T>(
    mut state: impl FnMut() -> Result<u64, Failure>,
    mut attempt: impl FnMut(u64) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut before = state()?;
    for _ in 1..VERIFY_TRIES {
        let failure = match attempt(before) {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        let now = state()?;
        if std::mem::replace(&mut before, now) == now {
            return Err(failure);
        }
    }
    attempt(before)
}

fn verify_once(
    node: &Node,
    page: &Governance,
    full: bool,
    log_bytes: u64,
    progress: Progress,
) -> Result<Verified, Failure> {
    let id = page.page().id();
    let (mut whole, end) =
        node.read_from(&id, Cursor::START).map_err(|error| unsound(page, &error))?;
    let entries = whole.raw.entries.len();
    let check = if full { Check::Full } else { Check::Chained };
    let fault = |refusal: &dyn std::fmt::Display| {
        Failure::refused(format!("{} does not verify: {refusal}", page.page().name()))
    };
    let start = whole.start(check, progress).map_err(|refusal| fault(&refusal))?;
    let founded = start.page.page().clone();
    if founded.id() != id {
        return Err(fault(&format!("its log holds another page: {}", founded.id())));
    }
    // What was admitted meanwhile, with the state that it led to.
    let rest = node.read_rest(&id, end).map_err(|error| unsound(page, &error))?;
    let (rest, served) = rest.ok_or_else(|| fault(&"it is gone"))?;
    let rest_said = rest.said.len();
    whole.said.extend(rest.said);
    rest.forks.records().iter().for_each(|fork| whole.forks.restore(fork.clone()));
    rest.forks.decisions().for_each(|decision| whole.forks.decide(decision));
    let at = whole.said.len() - rest_said;
    let jumps = rest.jumps.into_iter().map(|jump| Jump { at: at + jump.at, ..jump });
    whole.jumps.extend(jumps);
    let mut certificates = Certificates::of(&founded, full);
    // Those on the way to a state that was taken over were checked with it.
    certificates.checked = start.snapshot.map_or(0, |snapshot| snapshot.proofs.len());
    let evidence: Vec<SealRecord> = whole.forks.evidence().cloned().collect();
    let replayed = whole.replay_watched(start.page, check, progress, &mut |step| {
        match step {
            Step::Sealed(below, record, page) => {
                check_forks(&evidence, below, record)?;
                certificates.seal(record, page.page()).map_err(Box::new)?;
            }
            Step::Jumped(_, snapshot, page) => {
                certificates.jump(snapshot, page.page()).map_err(Box::new)?;
            }
        }
        Ok(())
    });
    let replayed = replayed.map_err(|refusal| fault(&refusal))?;
    let certificates = certificates.end().map_err(|refusal| fault(&refusal))?;
    let height = replayed.page().height();
    let mut forks = evidence.iter().map(|fork| fork.seal.height);
    // The seal that a person decided for may not be here yet.
    let is_out = |at: &u64| !(1..=height).contains(at) && whole.forks.decided(*at).is_none();
    let out = forks.find(is_out);
    if let Some(at) = out {
        return Err(fault(&WholeRefusal::NoFork(at)));
    }
    compare(&replayed, &served).map_err(|what| fault(&what))?;
    let seals = whole.seals();
    let statements = whole.said.len() - seals;
    Ok(Verified {
        cut: node.cut(&id),
        page_id: id.to_string(),
        name: page.page().name().to_string(),
        full,
        entries,
        statements,
        signatures: if full { whole.said.len() } else { 0 },
        seals,
        held_from: whole.held_from(),
        certificates,
        height,
        state_root: replayed.page().state_root().to_string(),
        log_bytes,
        forked: node.forked_words(&id),
    })
}

/// Whether what was said leads to what is served.
fn compare(replayed: &Governance, served: &Governance) -> Result<(), &'static str> {
    if replayed.page().head() != served.page().head()
        || replayed.page().state_root() != served.page().state_root()
    {
        return Err("its seals lead to another state than the one served");
    }
    let same = replayed.soft_owners().eq(served.soft_owners())
        && served.soft_owners().all(|owner| replayed.ratified(owner) == served.ratified(owner));
    if same { Ok(()) } else { Err("the statements lead to another state than the one served") }
}

/// Whether the seals that contradict this one are committed to, as it is: then they are evidence.
pub(super) fn check_forks(
    forks: &[SealRecord],
    below: &Governance,
    record: &SealRecord,
) -> Result<(), WholeRefusal> {
    let sealed = |key: &PublicKey| below.sealed_presence(key).cloned();
    for fork in forks.iter().filter(|fork| fork.seal.height == record.seal.height) {
        let SealRecord { seal, contents, certificate } = fork;
        let fault = |refusal| WholeRefusal::Fork(seal.height, Box::new(refusal));
        if seal.contents != contents.root() {
            return Err(fault(SealRefusal::Contents));
        }
        if seal.previous != record.seal.previous {
            let newest = record.seal.previous;
            return Err(fault(SealRefusal::Previous { found: seal.previous, newest }));
        }
        if seal.id() == record.seal.id() {
            return Err(WholeRefusal::NoFork(seal.height));
        }
        let checked = certificate.check(seal, below.page(), &sealed);
        checked.map_err(|refusal| fault(SealRefusal::Certificate(refusal)))?;
    }
    Ok(())
}

/// The certificates of a page that is being replayed. They are checked by skipping, from the pages as
/// replayed, some hundred seals at a time: those pages share all that did not change.
struct Certificates {
    /// Every certificate is checked by the replay itself.
    all: bool,
    known: Known,
    /// The page under the known seal, and those under the seals since, with these.
    page: Page,
    since: Vec<(SealRecord, Page)>,
    seals: usize,
    checked: usize,
}

impl Certificates {
    fn of(page: &Page, all: bool) -> Certificates {
        let (head, state_root) = (page.head(), page.state_root());
        let known = Known { page: page.id(), head, state_root };
        Certificates { all, known, page: page.clone(), since: Vec::new(), seals: 0, checked: 0 }
    }

    fn seal(&mut self, record: &SealRecord, page: &Page) -> Result<(), ChainRefusal> {
        self.seals += 1;
        if self.all {
            return Ok(());
        }
        self.since.push((record.clone(), page.clone()));
        if self.since.len() >= CHAIN_WINDOW_SEALS { self.check() } else { Ok(()) }
    }

    /// Goes on from a seal that was taken over, whose certificates were checked on the way.
    fn jump(&mut self, snapshot: &Snapshot, page: &Page) -> Result<(), ChainRefusal> {
        if !self.all {
            self.check()?;
        }
        let seals = self.seals;
        let checked = self.checked + snapshot.proofs.len();
        *self = Certificates { seals, checked, ..Certificates::of(page, self.all) };
        Ok(())
    }

    /// How many certificates hold.
    fn end(mut self) -> Result<usize, ChainRefusal> {
        if self.all {
            return Ok(self.seals + self.checked);
        }
        self.check()?;
        Ok(self.checked)
    }

    fn check(&mut self) -> Result<(), ChainRefusal> {
        let (start, page, since) = (self.known.head.height, &self.page, &self.since);
        let Some((newest, last)) = since.last() else { return Ok(()) };
        // The place among those since the known one; height `start` is the known one itself.
        let place = |height: u64| usize::try_from(height.checked_sub(start + 1)?).ok();
        let at = |height: u64| since.get(place(height)?);
        let mut source = |known: &Known, height: u64| {
            let record = &at(height)?.0;
            let from = if known.head.height == start { page } else { &at(known.head.height)?.1 };
            let below = match height - 1 == known.head.height {
                true => None,
                false => at(height - 1).map(|(below, page)| (&below.seal, page)),
            };
            Some(ChainProof::new(record, from, below))
        };
        let chain = verify_chain(self.known, newest.seal.height, &mut source)?;
        self.checked += chain.certificates;
        let last = last.clone();
        (self.known, self.page) = (chain.newest, last);
        self.since.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_while_the_log_changes_is_tried_again_a_few_times() {
        let check = |states: &[u64], sound_at: u64, expect: Result<u64, usize>| {
            let mut left = states.iter().copied();
            let mut tries = 0;
            let done = in_one_state(
                || Ok(left.next().expect("it is not looked at so often")),
                |state| {
                    tries += 1;
                    let sound = state == sound_at;
                    sound.then_some(state).ok_or_else(|| Failure::refused("not sound"))
                },
            );
            assert_eq!(done.map_err(|_| tries), expect, "{states:?}");
        };
        check(&[7], 7, Ok(7));
        check(&[7, 7], 8, Err(1));
        check(&[7, 8], 8, Ok(8));
        check(&[7, 8, 9], 9, Ok(9));
        check(&[7, 8, 9], 99, Err(VERIFY_TRIES));
    }
}
