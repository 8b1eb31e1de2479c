//! The records of a zone file in the order of the file, and their way into entries.
//!
//! A file may have millions: owners and data lie in one buffer each, and names are sorted by a
//! key that compares bytewise instead of being hashed.

use super::{Located, WARNINGS_MAX, ZoneContents, ZoneFault, order, position};
use crate::page::{
    entry::{EntryRefusal, RecordSets},
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

    /// Sorts the runs and admits each owner's records together.
    pub fn gather(
        mut self,
        page: &Name,
        text: &[u8],
        contents: &mut ZoneContents,
    ) -> Result<(), Located> {
        self.drop_empty_run();
        let runs = self.sorted_runs();
        let same =
            |a: &(u64, usize), b: &(u64, usize)| a.0 == b.0 && self.key_of(a.1) == self.key_of(b.1);
        contents.entries.reserve(runs.len());
        for group in runs.chunk_by(same) {
            let records = || group.iter().flat_map(|(_, run)| self.records_of(*run));
            let at = self.records[self.runs[group[0].1].first].at;
            // The owner was read within its page, so it fits.
            let owner = Owner::from_wire(self.owner_of(group[0].1))
                .map_err(|refusal| (at, ZoneFault::Owner(refusal)))?;
            if records().nth(1).is_some() {
                self.warn_of_ttls(records(), &owner, text, contents);
            }
            let loose = records().map(|i| {
                let record = &self.records[i];
                (record.rtype, record.ttl, self.data_of(i).to_vec())
            });
            let sets = RecordSets::gather(loose, &owner, page)
                .map_err(|refusal| self.refuse(at, &owner, refusal))?;
            contents.entries.push((owner, sets));
        }
        Ok(())
    }

    fn refuse(&self, at: usize, owner: &Owner, refusal: EntryRefusal) -> Located {
        (at, ZoneFault::Entry { owner: owner.to_string(), refusal })
    }

    /// Indices of the runs in canonical order of their owners, runs of one owner in the order of
    /// the file, each with the first eight octets of its key, which mostly decide.
    fn sorted_runs(&self) -> Vec<(u64, usize)> {
        let mut runs: Vec<(u64, usize)> = (0..self.runs.len())
            .map(|run| {
                let mut prefix = [0; 8];
                let key = self.key_of(run);
                let len = key.len().min(8);
                prefix[..len].copy_from_slice(&key[..len]);
                (u64::from_be_bytes(prefix), run)
            })
            .collect();
        // A stable sort is linear on a file that is sorted already, as most are.
        runs.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| self.key_of(a.1).cmp(self.key_of(b.1))));
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

    /// Says which sets have records with different TTLs: they get the smallest (RFC 2181
    /// section 5.2).
    fn warn_of_ttls(
        &self,
        records: impl Iterator<Item = usize>,
        owner: &Owner,
        text: &[u8],
        contents: &mut ZoneContents,
    ) {
        let mut sorted: Vec<&Record> = records.map(|i| &self.records[i]).collect();
        sorted.sort_by_key(|record| (record.rtype, record.ttl));
        for set in sorted.chunk_by(|a, b| a.rtype == b.rtype) {
            let (least, most) = (set[0], set[set.len() - 1]);
            if least.ttl == most.ttl {
                continue;
            }
            if contents.warnings.len() == WARNINGS_MAX {
                contents.more_warnings += 1;
                continue;
            }
            let (line, _) = position(text, most.at);
            contents.warnings.push(format!(
                "line {line}: {} at `{owner}` has TTLs from {} to {} s and gets the smallest",
                most.rtype, least.ttl, most.ttl,
            ));
        }
    }
}
