//! Where each named record is: a database that can be thrown away at any time.
//!
//! The logs are the truth. The index remembers for every page up to which place of its log it
//! goes, so that a lag is caught up and a disagreement is seen. It promises nothing itself: what
//! it finds is checked against the log by the caller. On a disk that the operating system does not
//! reach it is kept in memory.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use in_memory::InMemory;
use on_disk::OnDisk;

use super::frame::Place;
use super::log::Spot;
use super::report::LogFault;
use crate::id::Id;

mod in_memory;
mod on_disk;

/// An open index.
pub enum Index {
    OnDisk(OnDisk),
    InMemory(InMemory),
}

/// The database said no, or panicked; the words are for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IndexFault(String);

impl From<io::Error> for IndexFault {
    fn from(error: io::Error) -> IndexFault {
        IndexFault(error.to_string())
    }
}

impl From<LogFault> for IndexFault {
    fn from(fault: LogFault) -> IndexFault {
        IndexFault(fault.to_string())
    }
}

/// Whether an index was found or begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    Old,
    New,
}

impl Index {
    /// Opens the index in `dir`, or begins one; without a directory one in memory.
    ///
    /// # Errors
    /// [`IndexFault`] if it cannot be used: [`Index::delete`] it and open again.
    pub fn open(dir: Option<&Path>) -> Result<(Index, Age), IndexFault> {
        match dir {
            Some(dir) => OnDisk::open(dir).map(|(index, age)| (Index::OnDisk(index), age)),
            None => Ok((Index::InMemory(InMemory::default()), Age::New)),
        }
    }

    /// Removes an index that no longer serves, if there is one.
    ///
    /// # Errors
    /// The disk's.
    pub fn delete(dir: Option<&Path>) -> io::Result<()> {
        dir.map_or(Ok(()), OnDisk::delete)
    }

    /// Up to which place each page is indexed.
    ///
    /// # Errors
    /// [`IndexFault`]: it is of no use any more. So are those of the other calls.
    pub fn places(&self) -> Result<BTreeMap<Id, Place>, IndexFault> {
        match self {
            Index::OnDisk(index) => index.places(),
            Index::InMemory(index) => Ok(index.places()),
        }
    }

    /// Adds spots of `page`, whose log is indexed up to `end` with them.
    pub fn add(&self, page: &Id, spots: &[(Id, Spot)], end: &Place) -> Result<(), IndexFault> {
        match self {
            Index::OnDisk(index) => index.add(page, spots, end),
            Index::InMemory(index) => {
                index.add(page, spots, end);
                Ok(())
            }
        }
    }

    /// Where a record might be, in the order of page ids.
    pub fn find(&self, id: &Id) -> Result<Vec<(Id, Spot)>, IndexFault> {
        match self {
            Index::OnDisk(index) => index.find(id),
            Index::InMemory(index) => Ok(index.find(id)),
        }
    }

    /// The ids that begin with these hexadecimal digits, in order, each once.
    pub fn ids_with_prefix(&self, prefix: &str) -> Result<Vec<Id>, IndexFault> {
        match self {
            Index::OnDisk(index) => index.ids_with_prefix(prefix),
            Index::InMemory(index) => Ok(index.ids_with_prefix(prefix)),
        }
    }

    /// Removes a page. This reads the whole index: pages are rarely forgotten.
    pub fn forget(&self, page: &Id) -> Result<(), IndexFault> {
        match self {
            Index::OnDisk(index) => index.forget(page),
            Index::InMemory(index) => {
                index.forget(page);
                Ok(())
            }
        }
    }
}
