//! The index as a sled database. sled 0.34.7 panics on some damage; a panic in it is an
//! [`IndexFault`] here, not the end of the program.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use super::{Age, IndexFault};
use crate::id::Id;
use crate::store::frame::Place;
use crate::store::log::Spot;

/// An open database.
pub struct OnDisk {
    /// Held so that all of the database closes together.
    _db: sled::Db,
    /// `record id | page id` -> spot. The page belongs to the key: one statement may be in two.
    spots: sled::Tree,
    /// `page id` -> the place up to which the page's log is indexed.
    places: sled::Tree,
}

/// The value of [`FORMAT_KEY`]. An index of another format is thrown away.
const FORMAT: &[u8] = b"djdns index 1";
const FORMAT_KEY: &[u8] = b"format";
/// Memory for sled's pages, bytes. Its own default is 1 GiB; lookups here are rare.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// How often sled hands its writes to the operating system, ms. What is lost is caught up.
const FLUSH_MS: u64 = 2000;
/// How often, and how long each time, an instance of sled that is being dropped is waited for.
const LOCK_TRIES: usize = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Opens sled, waiting a little while another instance still has it: this process holds the data
/// directory, so that can only be one that is being dropped, whose threads let go last.
fn open_unlocked(config: &sled::Config) -> sled::Result<sled::Db> {
    for _ in 0..LOCK_TRIES {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("acquire lock") => {
                std::thread::park_timeout(LOCK_PAUSE);
            }
            opened => return opened,
        }
    }
    config.open()
}

impl OnDisk {
    /// Opens the index in `dir`, or begins one.
    ///
    /// # Errors
    /// [`IndexFault`] if it cannot be used: [`OnDisk::delete`] it and open again.
    pub fn open(dir: &Path) -> Result<(OnDisk, Age), IndexFault> {
        guarded(|| {
            let config = sled::Config::default()
                .path(dir)
                .cache_capacity(CACHE_BYTES)
                .flush_every_ms(Some(FLUSH_MS));
            let db = open_unlocked(&config)?;
            let (spots, places) = (db.open_tree("spots")?, db.open_tree("places")?);
            let age = match db.get(FORMAT_KEY)? {
                Some(format) if format == FORMAT => Age::Old,
                Some(_) => return Err(unsupported("it has another format")),
                None if !spots.is_empty() || !places.is_empty() => {
                    return Err(unsupported("it has no format"));
                }
                None => {
                    db.insert(FORMAT_KEY, FORMAT)?;
                    Age::New
                }
            };
            Ok((OnDisk { _db: db, spots, places }, age))
        })
    }

    /// Removes an index that no longer serves, if there is one.
    pub fn delete(dir: &Path) -> io::Result<()> {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Up to which place each page is indexed.
    pub fn places(&self) -> Result<BTreeMap<Id, Place>, IndexFault> {
        guarded(|| {
            let rows = self.places.iter().map(|row| {
                let (page, place) = row?;
                page_key(&page).zip(decode_place(&place)).ok_or_else(|| unsupported("a bad place"))
            });
            rows.collect()
        })
    }

    /// Adds spots of `page`, whose log is indexed up to `end` with them.
    pub fn add(&self, page: &Id, spots: &[(Id, Spot)], end: &Place) -> Result<(), IndexFault> {
        guarded(|| {
            let mut batch = sled::Batch::default();
            for (id, spot) in spots {
                batch.insert(&spot_key(id, page)[..], &encode_spot(spot)[..]);
            }
            self.spots.apply_batch(batch)?;
            // Last: after a crash in between, the same spots are added again.
            self.places.insert(page.as_bytes(), &encode_place(end)[..])?;
            Ok(())
        })
    }

    /// Where a record might be, in the order of page ids.
    pub fn find(&self, id: &Id) -> Result<Vec<(Id, Spot)>, IndexFault> {
        guarded(|| {
            let rows = self.spots.scan_prefix(id.as_bytes()).map(|row| {
                let (key, spot) = row?;
                let page = key.get(32..).and_then(page_key);
                page.zip(decode_spot(&spot)).ok_or_else(|| unsupported("a bad spot"))
            });
            rows.collect()
        })
    }

    /// The ids that begin with these hexadecimal digits, in order, each once.
    pub fn ids_with_prefix(&self, prefix: &str) -> Result<Vec<Id>, IndexFault> {
        let whole_bytes = prefix.to_ascii_lowercase();
        let whole_bytes = whole_bytes.get(..prefix.len() / 2 * 2).unwrap_or_default();
        let Ok(bytes) = data_encoding::HEXLOWER.decode(whole_bytes.as_bytes()) else {
            return Ok(Vec::new());
        };
        guarded(|| {
            let mut ids = Vec::new();
            for row in self.spots.scan_prefix(&bytes) {
                let id = row?.0.get(..32).and_then(page_key);
                let id = id.ok_or_else(|| unsupported("a bad key"))?;
                if id.has_hex_prefix(prefix) && ids.last() != Some(&id) {
                    ids.push(id);
                }
            }
            Ok(ids)
        })
    }

    /// Removes a page. This reads the whole index: pages are rarely forgotten.
    pub fn forget(&self, page: &Id) -> Result<(), IndexFault> {
        guarded(|| {
            // First: after a crash in between, the page is unknown and is indexed from its start.
            self.places.remove(page.as_bytes())?;
            for row in &self.spots {
                let (key, _) = row?;
                if key.get(32..) == Some(page.as_bytes()) {
                    self.spots.remove(key)?;
                }
            }
            Ok(())
        })
    }
}

/// Runs a call into sled; its panics become faults.
fn guarded<T>(call: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, IndexFault> {
    // Nothing of a database that panicked is used again: every fault makes its owner drop it.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| IndexFault(error.to_string())),
        Err(panic) => Err(IndexFault(format!("sled panicked: {}", panic_words(&*panic)))),
    }
}

fn panic_words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words")
}

fn unsupported(what: &str) -> sled::Error {
    sled::Error::Unsupported(what.to_owned())
}

fn page_key(bytes: &[u8]) -> Option<Id> {
    bytes.try_into().ok().map(Id::from_bytes)
}

fn spot_key(id: &Id, page: &Id) -> [u8; 64] {
    let mut key = [0; 64];
    key[..32].copy_from_slice(id.as_bytes());
    key[32..].copy_from_slice(page.as_bytes());
    key
}

fn encode_spot(spot: &Spot) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&spot.offset.to_be_bytes());
    bytes[8..].copy_from_slice(&spot.position.to_be_bytes());
    bytes
}

fn decode_spot(bytes: &[u8]) -> Option<Spot> {
    let (offset, position) = bytes.split_first_chunk()?;
    let position = u32::from_be_bytes(position.try_into().ok()?);
    Some(Spot { offset: u64::from_be_bytes(*offset), position })
}

fn encode_place(place: &Place) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[..8].copy_from_slice(&place.offset.to_be_bytes());
    bytes[8..16].copy_from_slice(&place.sequence.to_be_bytes());
    bytes[16..].copy_from_slice(&place.digest);
    bytes
}

fn decode_place(bytes: &[u8]) -> Option<Place> {
    let (offset, rest) = bytes.split_first_chunk()?;
    let (sequence, digest) = rest.split_first_chunk()?;
    let digest = digest.try_into().ok()?;
    Some(Place {
        offset: u64::from_be_bytes(*offset),
        sequence: u64::from_be_bytes(*sequence),
        digest,
    })
}
