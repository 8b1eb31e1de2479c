//! What must hold of a page after every statement and every seal.

use super::{super::flow::Lending, *};

/// All of them.
pub(super) fn invariants(page: &Governance) {
    invariant_tallies_and_walks(page);
    invariant_operations_are_indexed(page);
    invariant_batches_and_rows_are_indexed(page);
    invariant_nothing_is_open_and_past(page);
    invariant_presences_are_newer_than_sealed(page);
    invariant_seats_are_added_up(page);
    invariant_the_page_can_be_governed(page);
}

/// Power is conserved, every tally is a count from scratch, and every register is its own walk.
pub(super) fn invariant_tallies_and_walks(page: &Governance) {
    for proposal in page.proposals() {
        let casts = proposal.cast();
        let casts = casts.map(|(voter, cast)| (page.position(voter).unwrap(), cast.choice));
        let flow = Flow::count(&page.lending, casts);
        assert_eq!(flow, proposal.flow);
        let tally = flow.tally();
        assert_eq!(tally.approve + tally.reject + tally.abstain(), tally.total);
        assert_eq!(tally.total, u128::from(page.page.roster().total()) * POWER_UNITS);
    }
    for (register, standing) in &page.registers {
        assert_eq!(standing.chain, page.walk(register), "{register:?}");
    }
    let rows = page.rows.iter().filter(|(target, _)| !page.knows(target));
    let waiting: usize = rows.map(|(_, rows)| rows.len()).sum();
    assert_eq!(waiting, page.waiting.values().sum::<usize>());
}

/// Every operation is found under its base, its slot and its register, and nothing else is.
fn invariant_operations_are_indexed(page: &Governance) {
    let base_time = |batch: &Statement| page.past.time(&batch.as_batch().unwrap().base).unwrap();
    let of_batches = page.batches.iter().map(|(id, batch)| (base_time(batch), *id));
    let by_base = page.operations.iter().map(|(id, proposal)| (proposal.base_time, *id));
    assert_eq!(by_base.chain(of_batches).collect::<OrdSet<_>>(), page.by_base);
    let mut registers: OrdMap<Register, OrdSet<Id>> = OrdMap::new();
    let mut slots: OrdMap<Slot, OrdSet<Rank>> = OrdMap::new();
    for (id, proposal) in &page.operations {
        registers.entry(proposal.register()).or_default().insert(*id);
        let slot = (proposal.statement.author(), Kind::Operation, proposal.operation().slot);
        slots.entry(slot).or_default().insert((Reverse(proposal.base_time), *id));
    }
    for (id, batch) in &page.batches {
        let slot = (batch.author(), Kind::Batch, batch.as_batch().unwrap().slot);
        slots.entry(slot).or_default().insert((Reverse(base_time(batch)), *id));
    }
    assert_eq!(slots, page.slots);
    assert!(slots.values().all(|contenders| contenders.len() <= 2));
    let of = |standing: &Standing| standing.operations.clone();
    let found: OrdMap<_, _> = page.registers.iter().map(|(r, s)| (r.clone(), of(s))).collect();
    assert_eq!(found, registers);
}

fn invariant_batches_and_rows_are_indexed(page: &Governance) {
    let mut batches_of: OrdMap<Id, OrdSet<Id>> = OrdMap::new();
    for (id, batch) in &page.batches {
        for operation in &batch.as_batch().unwrap().operations {
            batches_of.entry(*operation).or_default().insert(*id);
        }
    }
    assert_eq!(batches_of, page.batches_of);
    for (target, rows) in &page.rows {
        let names = |ballot: &Statement| ballot.as_ballot().unwrap().choice(target).is_some();
        assert!(rows.iter().all(|(voter, b)| b.author() == *voter && names(b)));
    }
}

/// G10: what ended is in no table of what is open, and nothing open leads back to what is past.
fn invariant_nothing_is_open_and_past(page: &Governance) {
    for (id, _) in page.past.closed() {
        let is_open = page.knows(id) || page.rows.contains_key(id);
        assert!(!is_open, "{id} ended and is open: {:?}", page.outcome(id));
    }
    for proposal in page.proposals() {
        let parent = proposal.operation().change.parent();
        assert!(!page.is_past(&proposal.register(), &parent), "{:?}", proposal.statement.id());
        assert!(!past::has_expired(proposal.base_time, page.page.head().time));
    }
    for batch in page.batches.values() {
        assert_eq!(page.batch_outcome(batch.as_batch().unwrap()), None);
    }
}

/// G6, S6: what counts of a participant's presences, and which windows are still to close.
fn invariant_presences_are_newer_than_sealed(page: &Governance) {
    let sequence = |presence: &Statement| presence.as_presence().unwrap().sequence;
    for (key, presence) in &page.presences {
        let sealed = page.sealed_presences.get(key).map(sequence);
        assert!(sealed < Some(sequence(presence)));
    }
    let sealed: OrdMap<PublicKey, Statement> = page
        .page
        .roster()
        .iter()
        .filter_map(|(key, _)| Some((*key, Statement::reopen(&page.page.presence(key)?).ok()?)))
        .collect();
    assert_eq!(sealed, page.sealed_presences);
    let now = page.page.head().time;
    let newest = page.page.roster().iter().filter_map(|(key, _)| page.presence(key));
    let until = |presence: &Statement| presence.as_presence().unwrap().until;
    let ends = newest.map(|presence| (until(presence), presence.author()));
    assert_eq!(ends.filter(|(until, _)| *until > now).collect::<OrdSet<_>>(), page.ends);
    assert_eq!(lending_at_once(page), page.lending);
}

/// S2: which nodes speak for whom is what presences say, however they came.
pub(super) fn invariant_seats_are_added_up(page: &Governance) {
    assert_eq!(page.seating, Seating::of(page.seat_nodes()));
    let named: OrdSet<PublicKey> = page.seats().map(|(_, node)| node).collect();
    assert!(named.iter().all(|node| page.is_named(node)));
}

/// The lending when all presences come at once.
fn lending_at_once(page: &Governance) -> Lending {
    let mut fresh = Governance::with_past(page.page.clone(), page.past.clone());
    page.presences.values().for_each(|presence| drop(fresh.admit(presence).unwrap()));
    fresh.lending
}

/// G1: nobody can lock a page: there is power, and a quorum that all together reach.
fn invariant_the_page_can_be_governed(page: &Governance) {
    let (parameters, roster) = (page.page.parameters(), page.page.roster());
    assert!(u32::from(parameters.track1_bp) + u32::from(parameters.track2_bp) > 10_000);
    assert!(parameters.track1_bp <= parameters.track2_bp && parameters.track2_bp >= 6666);
    assert!(roster.total() > 0 && roster.iter().all(|(_, power)| power > 0));
    let quorum = seal::quorum(parameters.track2_bp, roster.total());
    assert!((1..=roster.total()).contains(&quorum));
    let everybody = roster.iter().map(|(key, _)| (page.position(key).unwrap(), Approve));
    let tally = Flow::count(&page.lending, everybody).tally();
    assert!(tally.is_eligible(Track::Two, parameters, roster.len()));
}
