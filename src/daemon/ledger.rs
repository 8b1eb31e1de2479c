//! A node as the machine that keeps pages in step sees it: what it holds, and the doors for what peers
//! hand on (N3 to N6).
//!
//! What a peer hands on is judged by the same doors as what a person hands in. A fault is only what no
//! honest node passes on: bytes that are none, and signatures that are wrong. What a page refuses may
//! be a matter of order.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::SocketAddr,
    sync::Arc,
};

use super::{
    adopt::AdoptRefusal,
    carry::not_due,
    following::Following,
    forks::keep,
    inbox,
    many::{Admitted, admit_each},
    node::{Node, State, sentence},
    report::short,
    verify::check_forks,
    whole::{self, Check, Note, Step, WholeRefusal},
};
use crate::{
    beacon::{Beacon, beacons_of},
    governance::{
        Governance, Refusal,
        attest::{Attestation, AttestationRefusal},
        chain::ladder::Ladder,
        field::Field,
        jump::{Snapshot, Window},
        seal::SealRecord,
        sealing::SealRefusal,
        statement::{Statement, StatementRefusal},
    },
    id::{Id, Kind},
    key::PublicKey,
    page::{genesis::Genesis, trie::Trie},
    store::Record,
    sync::{
        Held, Ledger, Refused, Sealed, Stashed, Verdict, message::PetitionAnswer,
        open_set as ids_of, open_set_with,
    },
};

impl Ledger for Node {
    fn me(&self) -> PublicKey {
        self.key()
    }

    fn pages(&self) -> Vec<Id> {
        let state = self.state();
        let synced = state.pages.iter().filter(|(_, page)| !page.page().is_demonstration());
        synced.map(|(id, _)| *id).collect()
    }

    fn held(&self, page: &Id) -> Option<Held> {
        let mut state = self.state();
        let governance = synced(&state, page)?.clone();
        let forks = state.forks_of(page);
        let ladder = ladder(&state, &governance);
        let open = self.open_set(&mut state, &governance);
        Some(Held { open, governance, ladder, forks })
    }

    fn beacons(&self, page: &Id) -> Vec<Beacon> {
        let page = synced(&self.state(), page).cloned();
        page.map_or_else(Vec::new, |page| beacons_of(&page, &mut self.verified()))
    }

    fn stored(&self, page: &Id, id: &Id) -> Option<Vec<u8>> {
        {
            let state = self.state();
            synced(&state, page)?;
            let field = state.fields.get(page);
            let said = field.and_then(|field| field.statements().get(id).cloned());
            if let Some(said) = said {
                return Some(said.bytes().to_vec());
            }
            let forks = state.forks_of(page);
            if let Some(fork) = forks.record(id) {
                return Some(fork.encode());
            }
        }
        // Everything else that is open is in the log, where it was before it counted.
        let record = self.store.find_in(page, id).ok()??;
        Kind::from_tag(record.kind).is_some_and(whole::is_said).then_some(record.bytes)
    }

    fn window(&self, page: &Id) -> Option<Window> {
        synced(&self.state(), page)?;
        Node::window(self, page)
    }

    /// N6 refuses here: of a page that is not followed, and of who takes no part.
    fn admit(&self, page: &Id, from: &PublicKey, statements: Vec<Vec<u8>>) -> Vec<Verdict> {
        let Some(present) = self.page(page).filter(|page| !page.page().is_demonstration()) else {
            return vec![not_held(page); statements.len()];
        };
        let read = self.read_statements(&present, &statements);
        let mut state = self.state();
        let now = self.now();
        let verdicts = self.take_statements(&mut state, page, from, read, now);
        tracing::debug!(page = %page.short(), %from, ?verdicts, "statements of a peer");
        self.seal_in(&mut state, page, now);
        verdicts
    }

    fn follow(&self, page: &Id, from: &PublicKey, seals: Vec<Sealed>) -> Result<usize, Refused> {
        let mut taken = 0;
        for sealed in &seals {
            match self.follow_one(page, from, sealed) {
                Ok(()) => taken += 1,
                Err(refused) if taken == 0 => return Err(refused),
                Err(_) => break,
            }
        }
        self.seal_in(&mut self.state(), page, self.now());
        Ok(taken)
    }

    fn adopt(&self, snapshot: Snapshot) -> Result<(), Refused> {
        Node::adopt(self, &snapshot).map_err(|refusal| match refusal {
            _ if refusal.is_fault() => Refused::Fault(refusal.to_string()),
            AdoptRefusal::Here(failure) => {
                let page = Genesis::decode(&snapshot.genesis).map(|genesis| genesis.id());
                Refused::Here(self.give_back(page.ok().as_ref(), failure))
            }
            _ => Refused::NotNow(refusal.to_string()),
        })
    }

    fn stash(
        &self,
        page: &Id,
        genesis: Option<&[u8]>,
        leaves: &[(Id, Vec<u8>)],
    ) -> Result<(), String> {
        let stashed = Node::stash(self, page, genesis, leaves);
        stashed.map_err(|failure| self.give_back(Some(page), failure))
    }

    fn stashed(&self, page: &Id) -> Stashed {
        Node::stashed(self, page)
    }

    fn forks(&self, page: &Id, _from: &PublicKey, evidence: Vec<SealRecord>) -> Vec<Verdict> {
        evidence.iter().map(|record| self.take_fork(page, record)).collect()
    }

    fn petition(&self, from: SocketAddr, bytes: &[u8]) -> PetitionAnswer {
        inbox::hand_in(self, from.ip(), bytes, self.now())
    }

    fn fate(&self, page: &Id, petition: &Id) -> PetitionAnswer {
        inbox::fate(self, page, petition, self.now())
    }
}

/// The certificates that lead to a page's newest seal (T1).
fn ladder(state: &State, page: &Governance) -> Ladder {
    let ladder = state.ladders.get(&page.page().id());
    ladder.cloned().unwrap_or_else(|| Ladder::new(page.page()))
}

/// A page that is kept in step.
fn synced<'s>(state: &'s State, page: &Id) -> Option<&'s Governance> {
    state.pages.get(page).filter(|page| !page.page().is_demonstration())
}

fn not_held(page: &Id) -> Verdict {
    Verdict::NotNow(format!("the page {page} is not here"))
}

/// What a peer handed on, read: with its signature checked, or why it is not looked at further.
enum Read {
    Statement(Statement),
    Attestation(Attestation),
    Not(Verdict),
}

impl Node {
    /// The ids of everything open on a page (N3), computed once for each version of it.
    fn open_set(&self, state: &mut State, page: &Governance) -> Arc<Trie> {
        let id = page.page().id();
        if let Some(open) = state.open.get(&id) {
            return open.clone();
        }
        let field = state.fields.get(&id).cloned().unwrap_or_default();
        let forks = state.forks_of(&id);
        // Evidence is two seals: whoever has the one that is the other here lacks this one.
        let heights: HashSet<u64> = forks.open().map(|fork| fork.seal.height).collect();
        // Of a page without a fork nothing is looked through: thirty days of seals may be remembered.
        let is_forked = !heights.is_empty();
        let remembered = is_forked.then(|| page.known_seals()).into_iter().flatten();
        let held = remembered.filter(|head| heights.contains(&head.height));
        let is_shown = |seal: &Id| self.store.find_in(&id, seal).is_ok_and(|found| found.is_some());
        let held = held.map(|head| head.seal).filter(is_shown);
        let open = Arc::new(ids_of(page, &field, &forks, held));
        state.open.insert(id, open.clone());
        open
    }

    /// Reads statements and checks their signatures, on all cores. Whoever takes no part in the page is
    /// not worth a signature: anybody can make keys.
    fn read_statements(&self, page: &Governance, all: &[Vec<u8>]) -> Vec<Read> {
        let mut read: Vec<Read> = all.iter().map(|bytes| looked_at(page, bytes)).collect();
        let is_wanted = |read: &Read| matches!(read, Read::Statement(_));
        let places: Vec<usize> = (0..all.len()).filter(|n| is_wanted(&read[*n])).collect();
        let bytes: Vec<&[u8]> = places.iter().map(|n| all[*n].as_slice()).collect();
        let admitted: Vec<Admitted> = admit_each(&self.known_keys(), &bytes, |each| each.collect());
        for (n, admitted) in places.into_iter().zip(admitted) {
            read[n] = match admitted {
                Ok(statement) => Read::Statement(statement),
                Err((_, refusal)) => Read::Not(Verdict::Fault(refusal.to_string())),
            };
        }
        read
    }

    fn take_statements(
        &self,
        state: &mut State,
        id: &Id,
        from: &PublicKey,
        read: Vec<Read>,
        now: u64,
    ) -> Vec<Verdict> {
        let Some(page) = synced(state, id).cloned() else {
            return vec![not_held(id); read.len()];
        };
        let is_forked = state.is_forked(id);
        let ladder = ladder(state, &page);
        let mut field = state.fields.get(id).cloned().unwrap_or_default();
        let mut following = Following::new(page, ladder);
        let mut authors = Vec::new();
        let mut attested: Vec<Attestation> = Vec::new();
        let mut verdicts: Vec<Verdict> = Vec::new();
        let mut is_set_apart = false;
        for read in read {
            verdicts.push(match read {
                Read::Not(verdict) => verdict,
                Read::Statement(_) if is_forked => {
                    Verdict::NotNow("the page is forked (T4)".to_owned())
                }
                Read::Statement(statement) => match following.statement(&statement, false) {
                    Ok(()) => {
                        authors.push(statement);
                        Verdict::New
                    }
                    Err(Refusal::Known) => Verdict::Known,
                    Err(refusal) => {
                        is_set_apart = true;
                        Verdict::NotNow(refusal.to_string())
                    }
                },
                Read::Attestation(said) => {
                    let taken = field.take(&following.page, &said, now);
                    let page = &following.page;
                    // Evidence comes in pairs, also after its node has said something newer (G11).
                    let is_evidence =
                        attested.iter().any(|other| field.take_contradiction(page, other, &said));
                    attested.push(said);
                    match taken {
                        Ok(is_new) if is_new || is_evidence => Verdict::New,
                        Ok(_) => Verdict::Known,
                        Err(refusal) => Verdict::NotNow(refusal.to_string()),
                    }
                }
            });
        }
        if let Err(why) = self.write_synced(id, from, &following, now) {
            let lost = |verdict| match verdict {
                Verdict::New => Verdict::NotNow(why.clone()),
                verdict => verdict,
            };
            return verdicts.into_iter().map(lost).collect();
        }
        self.learn_keys(&authors);
        let is_said = !following.records.is_empty();
        let Following { page, changed, .. } = following;
        match verdicts.contains(&Verdict::New) {
            true if is_said => {
                state.fields.insert(*id, field);
                self.replace(state, page, &changed);
            }
            true => self.attested(state, page, field),
            // What does not count may be half of what is evidence with another (G11), which may come in
            // another answer.
            false if is_set_apart => drop(state.pages.insert(*id, page)),
            false => {}
        }
        verdicts
    }

    /// Somebody said which seal of a page is the newest, and nothing else is new.
    fn attested(&self, state: &mut State, page: Governance, field: Field) {
        let id = page.page().id();
        let before = state.fields.get(&id).cloned().unwrap_or_default();
        if let Some(open) = state.open.get_mut(&id) {
            *open = Arc::new(open_set_with(open, &before, &field));
        }
        state.fields.insert(id, field);
        state.pages.insert(id, page);
        self.keep_fresh(state, &id, self.now());
        self.tell_change(&id);
    }

    /// Appends what was taken in from a peer, durably.
    fn write_synced(
        &self,
        page: &Id,
        from: &PublicKey,
        following: &Following,
        now: u64,
    ) -> Result<(), String> {
        if following.records.is_empty() {
            return Ok(());
        }
        let note = Note { time: now, what: format!("synced from {}", short(from.raw())) };
        let records: Vec<Record> =
            [note.record()].into_iter().chain(following.records.iter().cloned()).collect();
        self.store.append(page, &records).map_err(|error| sentence(error).message)
    }

    /// Takes the next seal in, with the statements that it lists.
    fn follow_one(&self, id: &Id, from: &PublicKey, sealed: &Sealed) -> Result<(), Refused> {
        let now = self.now();
        let record = SealRecord::decode(&sealed.record)
            .map_err(|refusal| Refused::Fault(format!("the seal: {refusal}")))?;
        if let Some(why) = not_due(&record.seal, now) {
            return Err(Refused::NotNow(why));
        }
        let brought = self.brought(id, &sealed.statements)?;
        let mut state = self.state();
        let Some(page) = synced(&state, id).cloned() else {
            return Err(Refused::NotNow(format!("the page {id} is not here")));
        };
        if state.is_forked(id) {
            return Err(Refused::NotNow("the page is forked (T4)".to_owned()));
        }
        let (height, seal) = (record.seal.height, record.seal.id());
        if !state.forks_of(id).allow(height, &seal) {
            let why = format!("a person decided for another seal at height {height} (T4)");
            return Err(Refused::NotNow(why));
        }
        let ladder = ladder(&state, &page);
        let following = self.followed(page, ladder, &record, brought)?;
        self.write_synced(id, from, &following, now).map_err(Refused::Here)?;
        state.ladders.insert(*id, following.ladder);
        let certified = (&record.seal, &record.certificate);
        self.show_seal(&mut state, following.page, certified, &following.changed);
        Ok(())
    }

    /// The statements that came with a seal: each through its door.
    fn brought(&self, page: &Id, statements: &[Vec<u8>]) -> Result<Vec<Statement>, Refused> {
        let bytes: Vec<&[u8]> = statements.iter().map(Vec::as_slice).collect();
        let admitted: Result<Vec<Statement>, _> =
            admit_each(&self.known_keys(), &bytes, |each| each.collect());
        let admitted = admitted
            .map_err(|(_, refusal)| Refused::Fault(format!("a statement of a seal: {refusal}")))?;
        match admitted.iter().find(|statement| statement.page() != *page) {
            Some(other) => Err(Refused::Fault(format!(
                "a statement of a seal is about the page {}",
                other.page()
            ))),
            None => Ok(admitted),
        }
    }

    /// The page under the next seal. What that lists and is not in the log comes before it.
    fn followed(
        &self,
        page: Governance,
        ladder: Ladder,
        record: &SealRecord,
        brought: Vec<Statement>,
    ) -> Result<Following, Refused> {
        let id = page.page().id();
        let listed: HashSet<Id> = record.contents.ids().copied().collect();
        let mut said: HashMap<Id, Statement> = HashMap::new();
        for known in &listed {
            if let Ok(Some(found)) = self.store.find_in(&id, known)
                && let Ok(statement) = Statement::reopen(&found.bytes)
            {
                said.insert(*known, statement);
            }
        }
        let mut following = Following::new(page, ladder);
        for statement in brought {
            if listed.contains(&statement.id()) && !said.contains_key(&statement.id()) {
                // Whether it counts here or not: the seal says that it did where it was made.
                let _ = following.statement(&statement, true);
                said.insert(statement.id(), statement);
            }
        }
        following.seal(record, &|id| said.get(id).cloned()).map_err(|refusal| refused(&refusal))?;
        Ok(following)
    }

    /// Checks evidence of another history against this one, and keeps it (T4).
    fn take_fork(&self, id: &Id, record: &SealRecord) -> Verdict {
        let Some(page) = self.page(id).filter(|page| !page.page().is_demonstration()) else {
            return not_held(id);
        };
        let (height, seal) = (record.seal.height, record.seal.id());
        if record.seal.page != *id || height == 0 {
            return Verdict::Fault("it is evidence about another page, or of no seal".to_owned());
        }
        if self.knows_seal(id, &seal) {
            return Verdict::Known;
        }
        if height > page.page().height() {
            return Verdict::NotNow(format!("the page is at height {} here", page.page().height()));
        }
        match self.contradicts(id, record) {
            Ok(()) => match keep(self, &mut self.state(), id, record) {
                Ok(true) => Verdict::New,
                Ok(false) => Verdict::Known,
                Err(failure) => Verdict::NotNow(failure.message),
            },
            Err(verdict) => verdict,
        }
    }

    /// Whether a seal is held, or kept as evidence, or was shown when the page was taken over.
    fn knows_seal(&self, id: &Id, seal: &Id) -> bool {
        let state = self.state();
        let is_kept = state.forks_of(id).record(seal).is_some();
        let mut shown = state.windows.get(id).into_iter().flat_map(|window| &window.seals);
        is_kept
            || shown.any(|(shown, _)| shown.id() == *seal)
            || self.store.find_in(id, seal).is_ok_and(|found| found.is_some())
    }

    /// Whether this seal was committed to, above the same seal as the one held at its height. The page
    /// is replayed up to there, which is slow: whoever sends what is none is not listened to again. Of
    /// heights that were jumped over nothing can be said, nor of a seal above another history.
    fn contradicts(&self, id: &Id, record: &SealRecord) -> Result<(), Verdict> {
        let whole = self.read_whole(id).map_err(|why| Verdict::NotNow(why.to_string()))?;
        let fork = std::slice::from_ref(record);
        let height = record.seal.height;
        let mut found = Err(Verdict::NotNow(format!(
            "what was sealed at height {height} is not here, so that nothing can be said of another seal"
        )));
        let reopened =
            whole::reopen_watched(&whole, Check::Trusted, &mut |_, _, _| {}, &mut |step| {
                if let Step::Sealed(below, held, _) = step
                    && held.seal.height == height
                {
                    found = check_forks(fork, below, held).map_err(|refusal| contested(&refusal));
                }
                Ok(())
            });
        reopened.map_err(|why| Verdict::NotNow(why.to_string()))?;
        found
    }
}

/// What is to be said of a seal that is no evidence.
fn contested(refusal: &WholeRefusal) -> Verdict {
    match refusal {
        WholeRefusal::Fork(_, why) if matches!(**why, SealRefusal::Previous { .. }) => {
            Verdict::NotNow(format!("the two histories parted further below: {refusal}"))
        }
        _ => Verdict::Fault(refusal.to_string()),
    }
}

/// What is to be said of bytes without a look at their signature: a statement may still be forged.
fn looked_at(page: &Governance, bytes: &[u8]) -> Read {
    let fault = |why: &dyn std::fmt::Display| Read::Not(Verdict::Fault(why.to_string()));
    match Statement::reopen(bytes) {
        Ok(statement) if statement.page() != page.page().id() => {
            fault(&Refusal::OtherPage(statement.page()))
        }
        Ok(statement) if page.page().roster().power(&statement.author()).is_none() => {
            let refusal = Refusal::NotParticipant(statement.author());
            Read::Not(Verdict::NotNow(refusal.to_string()))
        }
        Ok(statement) => Read::Statement(statement),
        Err(StatementRefusal::UnknownKind(kind)) if kind == Kind::Attestation as u8 => {
            attested(page, bytes).unwrap_or_else(|refusal| fault(&refusal))
        }
        Err(refusal) => fault(&refusal),
    }
}

fn attested(page: &Governance, bytes: &[u8]) -> Result<Read, AttestationRefusal> {
    let said = Attestation::admit(bytes)?;
    Ok(match said.page() == page.page().id() {
        true => Read::Attestation(said),
        false => Read::Not(Verdict::Fault(Refusal::OtherPage(said.page()).to_string())),
    })
}

/// Whose fault it is that a seal is not taken in.
fn refused(refusal: &SealRefusal) -> Refused {
    let words = format!("the seal does not fit the page as it is here: {refusal}");
    match refusal {
        SealRefusal::Height { .. }
        | SealRefusal::Previous { .. }
        | SealRefusal::Missing(_)
        | SealRefusal::Ahead { .. }
        | SealRefusal::Register(_) => Refused::NotNow(words),
        _ => Refused::Fault(words),
    }
}

/// The open sets of pages that were asked for since they changed last.
pub type OpenSets = BTreeMap<Id, Arc<Trie>>;

#[cfg(test)]
mod tests;
