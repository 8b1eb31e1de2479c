//! The records of a zone file in the order of the file, and their way into entries.
//!
//! A file may have millions: owners and data lie in one buffer each, and names are sorted by a
//! key that compares bytewise instead of being hashed.

use super::{Located, WARNINGS_MAX, ZoneContents, ZoneFault, order, position};
use crate::page::{
    entry::{Rdata, RecordSet, RecordSets},
    name::{Name, Owner},
    record::RecordType,
};

/// Records as they come, in runs of one owner.
#[derive(Default)]
pub(super) struct Records {
    /// Labels of the runs' owners, lower-case.
    owners: Vec<u8>,
    /// Sort keys of the runs' owners, see [`order::push_key`].
    keys: Vec<u8>,
    /// Record data, one after the other.
    pub rdata: Vec<u8>,
    runs: Vec<Run>,
    records: Vec<Record>,
}

/// Consecutive records of one owner.
struct Run {
    owner_end: usize,
    key_end: usize,
    /// Index of the first record; the run ends where the next one starts.
    first: usize,
}

/// A run in canonical order, with the first octets of its key, which mostly decide.
struct Sorted {
    prefix: u128,
    run: u32,
}

struct Record {
    rtype: RecordType,
    ttl: u32,
    rdata_end: usize,
    /// Offset in the text.
    at: usize,
}

impl Records {
    /// Reserves for a text of this size, so that buffers are not moved while it is read.
    pub fn for_text(bytes: usize) -> Records {
        // Guesses: a line has 40 bytes, of which owner and data are a third each.
        Records {
            owners: Vec::with_capacity(bytes / 3),
            keys: Vec::with_capacity(bytes / 3),
            rdata: Vec::with_capacity(bytes / 3),
            runs: Vec::with_capacity(bytes / 40),
            records: Vec::with_capacity(bytes / 40),
        }
    }

    /// Starts a run of records at this owner, given as labels in lower-case wire form.
    pub fn start_run(&mut self, owner: &[u8]) {
        self.drop_empty_run();
        self.owners.extend_from_slice(owner);
        order::push_key(owner, &mut self.keys);
        let first = self.records.len();
        self.runs.push(Run { owner_end: self.owners.len(), key_end: self.keys.len(), first });
    }

    /// The owner of the current run.
    pub fn owner(&self) -> Option<&[u8]> {
        self.runs.len().checked_sub(1).map(|run| self.owner_of(run))
    }

    /// Adds a record whose data was appended to `rdata` already.
    pub fn push(&mut self, rtype: RecordType, ttl: u32, at: usize) {
        self.records.push(Record { rtype, ttl, rdata_end: self.rdata.len(), at });
    }

    /// Takes back data that was appended and is not wanted.
    pub fn drop_data(&mut self) {
        self.rdata.truncate(self.records.last().map_or(0, |record| record.rdata_end));
    }

    fn drop_empty_run(&mut self) {
        if self.runs.last().is_some_and(|run| run.first == self.records.len()) {
            self.runs.pop();
            let (owner, key) = self.runs.last().map_or((0, 0), |run| (run.owner_end, run.key_end));
            self.owners.truncate(owner);
            self.keys.truncate(key);
        }
    }

    /// Sorts the runs and admits each owner's records together, in canonical order, so that
    /// entries lie in memory as they will be walked.
    ///
    /// # Errors
    /// Of all owners' faults the one that comes first in the file.
    pub fn gather(
        mut self,
        page: &Name,
        text: &[u8],
        contents: &mut ZoneContents,
    ) -> Result<(), Located> {
        self.drop_empty_run();
        let runs = self.sorted_runs();
        let same = |a: &Sorted, b: &Sorted| {
            a.prefix == b.prefix && self.key_of(a.run as usize) == self.key_of(b.run as usize)
        };
        contents.entries.reserve_exact(runs.len());
        let mut first_fault: Option<Located> = None;
        let mut records: Vec<usize> = Vec::new();
        for group in runs.chunk_by(same) {
            records.clear();
            records.extend(group.iter().flat_map(|sorted| self.records_of(sorted.run as usize)));
            match self.entry(group[0].run, &mut records, page, text, contents) {
                Ok(entry) => contents.entries.push(entry),
                Err(fault) if first_fault.as_ref().is_none_or(|first| fault.0 < first.0) => {
                    first_fault = Some(fault);
                }
                Err(_) => {}
            }
        }
        first_fault.map_or(Ok(()), Err)
    }

    /// The entry made of these records, whose owner is that of `run`.
    fn entry(
        &self,
        run: u32,
        records: &mut [usize],
        page: &Name,
        text: &[u8],
        contents: &mut ZoneContents,
    ) -> Result<(Owner, RecordSets), Located> {
        let at = self.records[records[0]].at;
        // The owner was read within its page, so it fits.
        let owner = Owner::from_wire(self.owner_of(run as usize))
            .map_err(|refusal| (at, ZoneFault::Owner(refusal)))?;
        let sets = self.sets(records, &owner, text, contents);
        match RecordSets::admit(sets, &owner, page) {
            Ok(sets) => Ok((owner, sets)),
            Err(refusal) => Err((at, ZoneFault::Entry { owner: owner.to_string(), refusal })),
        }
    }

    /// The records of one owner as sorted sets, each record once, with the smallest TTL of its set
    /// (RFC 2181 section 5.2). What [`RecordSets::gather`] does, in exactly sized memory.
    fn sets(
        &self,
        records: &mut [usize],
        owner: &Owner,
        text: &[u8],
        contents: &mut ZoneContents,
    ) -> Vec<RecordSet> {
        if records.len() > 1 {
            let order = |i: &usize| (self.records[*i].rtype, self.data_of(*i));
            records.sort_by(|a, b| order(a).cmp(&order(b)));
        }
        let same_set = |a: &usize, b: &usize| self.records[*a].rtype == self.records[*b].rtype;
        let mut sets = Vec::with_capacity(records.chunk_by(same_set).count());
        for set in records.chunk_by(same_set) {
            let ttl = self.least_ttl(set, owner, text, contents);
            let mut rdata: Vec<Rdata> = Vec::with_capacity(set.len());
            rdata.extend(set.iter().map(|i| Rdata(self.data_of(*i).into())));
            rdata.dedup();
            sets.push(RecordSet { rtype: self.records[set[0]].rtype, ttl, rdata });
        }
        sets
    }

    /// The runs in canonical order of their owners, runs of one owner in the order of the file.
    fn sorted_runs(&self) -> Vec<Sorted> {
        let mut runs: Vec<Sorted> = (0..self.runs.len())
            .map(|run| {
                let mut prefix = [0; 16];
                let key = self.key_of(run);
                let len = key.len().min(16);
                prefix[..len].copy_from_slice(&key[..len]);
                // A run has a byte of text at least, and texts of 4 GiB are refused before.
                Sorted { prefix: u128::from_be_bytes(prefix), run: run as u32 }
            })
            .collect();
        // A stable sort is linear on a file that is sorted already, as most are.
        runs.sort_by(|a, b| {
            let rest = || self.key_of(a.run as usize).cmp(self.key_of(b.run as usize));
            a.prefix.cmp(&b.prefix).then_with(rest)
        });
        runs
    }

    fn owner_of(&self, run: usize) -> &[u8] {
        let start = run.checked_sub(1).map_or(0, |before| self.runs[before].owner_end);
        &self.owners[start..self.runs[run].owner_end]
    }

    fn key_of(&self, run: usize) -> &[u8] {
        let start = run.checked_sub(1).map_or(0, |before| self.runs[before].key_end);
        &self.keys[start..self.runs[run].key_end]
    }

    fn records_of(&self, run: usize) -> std::ops::Range<usize> {
        let end = self.runs.get(run + 1).map_or(self.records.len(), |next| next.first);
        self.runs[run].first..end
    }

    fn data_of(&self, record: usize) -> &[u8] {
        let start = record.checked_sub(1).map_or(0, |before| self.records[before].rdata_end);
        &self.rdata[start..self.records[record].rdata_end]
    }

    /// The smallest TTL of a set, with a warning when there are others.
    fn least_ttl(
        &self,
        set: &[usize],
        owner: &Owner,
        text: &[u8],
        contents: &mut ZoneContents,
    ) -> u32 {
        let (mut least, mut most) = (&self.records[set[0]], &self.records[set[0]]);
        for i in &set[1..] {
            let record = &self.records[*i];
            least = if record.ttl < least.ttl { record } else { least };
            most = if record.ttl > most.ttl { record } else { most };
        }
        if least.ttl == most.ttl {
            return least.ttl;
        }
        if contents.warnings.len() == WARNINGS_MAX {
            contents.more_warnings += 1;
            return least.ttl;
        }
        let (line, _) = position(text, most.at);
        contents.warnings.push(format!(
            "line {line}: {} at `{owner}` has TTLs from {} to {} s and gets the smallest",
            most.rtype, least.ttl, most.ttl,
        ));
        least.ttl
    }
}
