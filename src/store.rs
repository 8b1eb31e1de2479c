//! Pages on disk: for each an append-only log that is the truth, and one index beside them.
//!
//! ```text
//! lock                  who has the data directory open
//! pages/<page id>/log   every change of a page, checksummed and synced before it counts
//! pages/<page id>/inbox what the page is asked for, a small file each; no part of the page
//! pages/<page id>/image what the page's log comes to, as the caller wrote it down; no loss
//! anchors               a few bytes of the caller's, replaced as a whole
//! peers, wishes         the same, of what is no loss (see [`Note`])
//! index/                where each named record is; rebuilt from the logs whenever it does not fit
//! ```
//! What [`Store::append`], [`Store::found`], [`Store::put_letter`] and [`Store::set_anchors`] have
//! acknowledged is there after any crash; what they have not is there wholly or not at all. A damaged log is named and
//! keeps only its own page from working. The store does not know what its records mean.

mod anchors;
mod aside;
pub mod disk;
pub mod fake;
mod frame;
mod image;
mod inbox;
mod index;
mod journal;
mod lock;
mod log;
mod notes;
mod opening;
mod report;
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;

use disk::Disk;
use frame::{FileHead, Place, Records};
use index::{Index, IndexFault};
use lock::Lock;
use log::{Log, Spot};
use scan::{CHUNK_POINT, CHUNK_STREAM, Scan, Step};

pub use frame::FileHeadFault;
pub use image::Mark;
pub use inbox::{Letters, Tray};
pub use journal::Vote;
pub use notes::Note;
use report::failed;
pub use report::{FaultKind, LogFault, Notice, StoreError};

use crate::id::Id;

/// Something that is stored: opaque bytes with the caller's kind and, if it is to be found, an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The caller's own tag.
    pub kind: u8,
    /// The name it is found by, or [`Id::ZERO`] for a record that is only ever read in its turn:
    /// such cost no index entry, a page may be founded with millions.
    pub id: Id,
    pub bytes: Vec<u8>,
}

impl Record {
    /// A record that is not found by an id.
    pub fn unnamed(kind: u8, bytes: Vec<u8>) -> Record {
        Record { kind, id: Id::ZERO, bytes }
    }

    /// Whether it is found by its id.
    pub fn is_named(&self) -> bool {
        self.id != Id::ZERO
    }
}

/// A place between two changes of a page, to go on reading from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cursor(u64);

impl Cursor {
    /// Before the first record.
    pub const START: Cursor = Cursor(0);
}

/// How far the opening has read a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub page: Id,
    pub done_bytes: u64,
    pub total_bytes: u64,
}

/// What [`Store::verify`] has read and found sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Verified {
    pub changes: u64,
    pub records: u64,
    pub bytes: u64,
}

/// An open data directory. Shared between threads: pages are written independently, and reading
/// does not wait for writing.
pub struct Store {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// `None` when open for reading only.
    owner: Option<Owner>,
}

/// What only the one that holds the lock has.
struct Owner {
    _lock: Option<Lock>,
    pages: RwLock<BTreeMap<Id, Arc<Page>>>,
    /// `None` when it failed: then lookups read the logs.
    index: RwLock<Option<Index>>,
    /// Held while a page is founded or forgotten or the anchors are replaced.
    structure: Mutex<()>,
    /// Held while an image is written.
    images: Mutex<()>,
    /// Whether the last change found no room.
    is_full: AtomicBool,
}

enum Page {
    /// Not read yet, but it ends here: see [`Store::check`].
    Later(Place),
    Sound {
        log: Mutex<Log>,
        /// Bytes of the log that are acknowledged; readers go so far.
        acknowledged: AtomicU64,
    },
    Damaged(LogFault),
}

impl Store {
    /// Opens a data directory, making it if there is none, and checks all that is in it. `holder`
    /// is what a second opener is told ("djdns serve"). The notices are for a person to read.
    ///
    /// # Errors
    /// [`StoreError::Locked`], or an error of the disk. A damaged page or index is no error.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        holder: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Store, Vec<Notice>), StoreError> {
        opening::open(disk, dir, holder, None, progress)
    }

    /// [`Store::open`], but for pages with an image of exactly the log that is there, of which `takes`
    /// is told the image and says whether it has a use for it. Their logs are not read yet: until
    /// [`Store::check`] nothing of them can be read or changed.
    ///
    /// # Errors
    /// As there.
    pub fn open_by_images(
        disk: Arc<dyn Disk>,
        dir: &Path,
        holder: &str,
        takes: &mut dyn FnMut(&Id, Bytes) -> bool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Store, Vec<Notice>), StoreError> {
        opening::open(disk, dir, holder, Some(takes), progress)
    }

    /// Reads the log of a page that [`Store::open_by_images`] did not, and checks it as an opening does.
    /// Of any other page nothing is done.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPage`]; [`StoreError::Damaged`] with the first fault, or an error of the disk.
    pub fn check(
        &self,
        page: &Id,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Notice>, StoreError> {
        let owner = self.owner()?;
        let _one_at_a_time = lock(&owner.structure);
        match &*owner.page(page)? {
            Page::Later(end) => {
                opening::check_later(&*self.disk, &self.dir, owner, page, *end, progress)
            }
            Page::Sound { .. } => Ok(Vec::new()),
            Page::Damaged(fault) => Err(fault.clone().into()),
        }
    }

    /// Opens a data directory to look at it, beside a running daemon or without one: nothing is
    /// locked, repaired or indexed.
    ///
    /// # Errors
    /// [`StoreError::NoStore`], or an error of the disk.
    pub fn open_read_only(disk: Arc<dyn Disk>, dir: &Path) -> Result<Store, StoreError> {
        let pages = dir.join(PAGES);
        if !disk.exists(&pages).map_err(failed("look for", &pages))? {
            return Err(StoreError::NoStore(dir.to_owned()));
        }
        Ok(Store { disk, dir: dir.to_owned(), owner: None })
    }

    /// The pages that are stored, damaged ones included, in order.
    ///
    /// # Errors
    /// The disk's, when open for reading only.
    pub fn pages(&self) -> Result<Vec<Id>, StoreError> {
        match &self.owner {
            Some(owner) => Ok(owner.pages().keys().copied().collect()),
            None => Ok(list_pages(&*self.disk, &self.dir)?.into_iter().flatten().collect()),
        }
    }

    /// Whether a page is stored, damaged ones included; not known when open for reading only.
    pub fn has(&self, page: &Id) -> bool {
        self.owner.as_ref().is_none_or(|owner| owner.pages().contains_key(page))
    }

    /// Stores a new page with its first records, all or nothing, durable when this returns. The
    /// `nonce` is random; it keeps records from passing for parts of the log.
    ///
    /// # Errors
    /// [`StoreError::PageExists`], [`StoreError::TooLarge`], [`StoreError::DiskFull`] and others
    /// of the disk: nothing was stored.
    pub fn found(
        &self,
        page: &Id,
        nonce: [u8; 8],
        records: impl IntoIterator<Item = Record>,
    ) -> Result<(), StoreError> {
        let founded = self.try_found(page, nonce, records);
        self.note_room(founded)
    }

    fn try_found(
        &self,
        page: &Id,
        nonce: [u8; 8],
        records: impl IntoIterator<Item = Record>,
    ) -> Result<(), StoreError> {
        let owner = self.owner()?;
        let _one_at_a_time = lock(&owner.structure);
        if owner.pages().contains_key(page) {
            return Err(StoreError::PageExists(*page));
        }
        let pages = self.dir.join(PAGES);
        let new = pages.join(format!("{NEW_PREFIX}{page}"));
        let founded = self.found_aside(&new, FileHead { page: *page, nonce }, records);
        let founded = founded.and_then(|founded| {
            self.disk.rename(&new, &self.page_dir(page)).map_err(failed("rename", &new))?;
            Ok(founded)
        });
        if founded.is_err() {
            // Gives a full disk its room back; what stays is removed at the next opening.
            let _ = self.disk.remove(&new);
        }
        let (log, named) = founded?;
        if let Err(error) = self.disk.sync_dir(&pages) {
            // Nobody is told that it is there, so it must not come back.
            let _ = self.disk.remove(&self.page_dir(page));
            return Err(failed("sync", &pages)(error));
        }
        let log = log.moved_to(self.log_path(page));
        let end = log.end();
        owner.insert(*page, Page::sound(log));
        owner.with_index(|index| index.add(page, &named, &end));
        Ok(())
    }

    /// Replaces all records of a page by others, all or nothing, durable when this returns. The `nonce` is
    /// random, and not the one before. Its image goes. Whoever reads meanwhile may find the log damaged.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPage`], [`StoreError::TooLarge`], [`StoreError::DiskFull`] and others of the disk:
    /// the page is what it was; but where the last step is not certain, it takes no change until it is opened
    /// anew.
    pub fn replace(
        &self,
        page: &Id,
        nonce: [u8; 8],
        records: impl IntoIterator<Item = Record>,
    ) -> Result<(), StoreError> {
        let replaced = self.try_replace(page, nonce, records);
        self.note_room(replaced)
    }

    fn try_replace(
        &self,
        page: &Id,
        nonce: [u8; 8],
        records: impl IntoIterator<Item = Record>,
    ) -> Result<(), StoreError> {
        let owner = self.owner()?;
        let _one_at_a_time = lock(&owner.structure);
        let _no_image = lock(&owner.images);
        let found = owner.page(page)?;
        let mut old = found.log()?;
        let (dir, path) = (self.page_dir(page), self.log_path(page));
        let new = log::new_path(&dir);
        let written = Log::found(&*self.disk, &new, FileHead { page: *page, nonce }, records);
        let replaced = written.and_then(|written| {
            image::remove(&*self.disk, &dir)?;
            self.disk.rename(&new, &path).map_err(failed("replace", &path))?;
            Ok(written)
        });
        if replaced.is_err() {
            // Gives a full disk its room back; what stays is removed at the next opening.
            let _ = self.disk.remove(&new);
        }
        let (log, named) = replaced?;
        if let Err(error) = self.disk.sync_dir(&dir) {
            old.poison();
            return Err(failed("sync", &dir)(error));
        }
        let log = log.moved_to(path);
        let end = log.end();
        owner.insert(*page, Page::sound(log));
        owner.with_index(|index| {
            index.forget(page)?;
            index.add(page, &named, &end)
        });
        Ok(())
    }

    /// Appends records to a page as one change: all of them are durable when this returns, or
    /// none is stored. No records, no change.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPage`], [`StoreError::TooLarge`], [`StoreError::DiskFull`] and others
    /// of the disk: nothing was changed. [`StoreError::Poisoned`] and [`StoreError::Damaged`].
    pub fn append(&self, page: &Id, records: &[Record]) -> Result<(), StoreError> {
        let owner = self.owner()?;
        let found = owner.page(page)?;
        let mut log = found.log()?;
        if records.is_empty() {
            return Ok(());
        }
        // It was forgotten while this waited, and may have been founded anew.
        if !Arc::ptr_eq(&owner.page(page)?, &found) {
            return Err(StoreError::NoSuchPage(*page));
        }
        let offset = log.end().offset;
        self.note_room(log.append(&*self.disk, records))?;
        let end = log.end();
        found.acknowledged()?.store(end.offset, Ordering::Release);
        let named = (0u32..).zip(records).filter(|(_, record)| record.is_named());
        let spots: Vec<(Id, Spot)> =
            named.map(|(position, record)| (record.id, Spot { offset, position })).collect();
        // Under the log's mutex: the index must not skip a change.
        owner.with_index(|index| index.add(page, &spots, &end));
        Ok(())
    }

    /// Reads a page's records in the order they were stored, every one checked, and returns where
    /// it stopped. What is appended meanwhile is not read.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPage`]; [`StoreError::Damaged`] after the records before the fault.
    pub fn read(
        &self,
        page: &Id,
        from: Cursor,
        visit: &mut dyn FnMut(Record),
    ) -> Result<Cursor, StoreError> {
        let mut scan = self.scan(page, CHUNK_STREAM)?;
        scan.seek(from.0)?;
        read_records(&mut scan, |_, record| visit(record))?;
        Ok(Cursor(scan.place().offset))
    }

    /// The first record of a page's log, sound or not: what the page was founded with, for who can
    /// tell by itself that it is that.
    pub fn first_unchecked(&self, page: &Id) -> Option<Record> {
        let path = self.log_path(page);
        Scan::open(&*self.disk, &path, page, CHUNK_STREAM).ok()?.first_unchecked()
    }

    /// Re-reads a page and checks every byte of it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with the first fault, or [`StoreError::NoSuchPage`].
    pub fn verify(&self, page: &Id) -> Result<Verified, StoreError> {
        let mut scan = self.scan(page, CHUNK_STREAM)?;
        let mut records = 0;
        read_records(&mut scan, |_, _| records += 1)?;
        let place = scan.place();
        Ok(Verified { changes: place.sequence, records, bytes: place.offset })
    }

    /// The record of this id, checked against its log; of several one. Damaged pages are not
    /// looked into.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if it is found in a log that cannot be read any more.
    pub fn find(&self, id: &Id) -> Result<Option<Record>, StoreError> {
        if *id == Id::ZERO {
            return Ok(None);
        }
        let Some(spots) = self.indexed(|index| index.find(id)) else {
            return self.find_in_logs(id);
        };
        for (page, spot) in &spots {
            if let Some(record) = self.record_at(page, *spot).filter(|record| record.id == *id) {
                return Ok(Some(record));
            }
        }
        if spots.is_empty() { Ok(None) } else { self.find_in_logs(id) }
    }

    /// The record of this id in the log of one page, checked against it.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPage`], or [`StoreError::Damaged`].
    pub fn find_in(&self, page: &Id, id: &Id) -> Result<Option<Record>, StoreError> {
        let spots = self.indexed(|index| index.find(id));
        let found = spots.as_ref().map(|spots| {
            let mut here = spots.iter().filter(|(of, _)| of == page);
            here.find_map(|(_, spot)| self.record_at(page, *spot)).filter(|found| found.id == *id)
        });
        match (found, spots.is_some_and(|spots| spots.iter().any(|(of, _)| of == page))) {
            (Some(Some(record)), _) => Ok(Some(record)),
            (Some(None), false) => Ok(None),
            // The index is gone, or does not fit the log.
            _ => {
                let mut found = None;
                self.read(page, Cursor::START, &mut |record| {
                    if record.id == *id && record.is_named() {
                        found = Some(record);
                    }
                })?;
                Ok(found)
            }
        }
    }

    /// The ids of named records that begin with these hexadecimal digits, in order, each once.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the logs have to be read and one cannot be.
    pub fn ids_with_prefix(&self, prefix: &str) -> Result<Vec<Id>, StoreError> {
        if let Some(ids) = self.indexed(|index| index.ids_with_prefix(prefix)) {
            return Ok(ids);
        }
        let mut ids = BTreeSet::new();
        self.read_all(|record| {
            if record.is_named() && record.id.has_hex_prefix(prefix) {
                ids.insert(record.id);
            }
        })?;
        Ok(ids.into_iter().collect())
    }

    /// Bytes of a page's log. None: there is no such page, or it is damaged.
    pub fn bytes(&self, page: &Id) -> Option<u64> {
        let found = self.owner.as_ref()?.page(page).ok()?;
        let bytes = found.acknowledged().ok()?.load(Ordering::Acquire);
        Some(bytes)
    }

    /// Removes a page, damaged or not. It does not come back.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPage`], or the disk's.
    pub fn forget(&self, page: &Id) -> Result<(), StoreError> {
        let owner = self.owner()?;
        let _one_at_a_time = lock(&owner.structure);
        let found = owner.page(page)?;
        // An append that is under way ends first; later ones see that the page is gone.
        let _writing = found.log().ok();
        let (pages, path) = (self.dir.join(PAGES), self.page_dir(page));
        let old = pages.join(format!("{OLD_PREFIX}{page}"));
        self.disk.rename(&path, &old).map_err(failed("rename", &path))?;
        owner.remove(page);
        owner.with_index(|index| index.forget(page));
        self.disk.sync_dir(&pages).map_err(failed("sync", &pages))?;
        self.disk.remove(&old).map_err(failed("remove", &old))?;
        owner.is_full.store(false, Ordering::Relaxed);
        self.disk.sync_dir(&pages).map_err(failed("sync", &pages))
    }

    /// The bytes of [`Store::set_anchors`]; empty if it was never called.
    ///
    /// # Errors
    /// [`StoreError::AnchorsDamaged`], or the disk's.
    pub fn anchors(&self) -> Result<Vec<u8>, StoreError> {
        anchors::read(&*self.disk, &self.dir)
    }

    /// Replaces the anchors, durably when this returns.
    ///
    /// # Errors
    /// [`StoreError`]: the old ones are still there.
    pub fn set_anchors(&self, anchors: &[u8]) -> Result<(), StoreError> {
        let _one_at_a_time = lock(&self.owner()?.structure);
        self.note_room(anchors::write(&*self.disk, &self.dir, anchors))
    }

    /// Whether the last change of a page or of the anchors found the disk full.
    pub fn is_full(&self) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.is_full.load(Ordering::Relaxed))
    }

    fn note_room<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Some(owner) = &self.owner {
            match &done {
                Ok(_) => owner.is_full.store(false, Ordering::Relaxed),
                Err(StoreError::DiskFull { .. }) => owner.is_full.store(true, Ordering::Relaxed),
                Err(_) => {}
            }
        }
        done
    }

    fn owner(&self) -> Result<&Owner, StoreError> {
        self.owner.as_ref().ok_or(StoreError::ReadOnly)
    }

    fn found_aside(
        &self,
        new: &Path,
        head: FileHead,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<(Log, Vec<(Id, Spot)>), StoreError> {
        if self.disk.exists(new).map_err(failed("look for", new))? {
            self.disk.remove(new).map_err(failed("remove", new))?;
        }
        self.disk.create_dir(new).map_err(failed("create", new))?;
        let founded = Log::found(&*self.disk, &new.join(LOG), head, records)?;
        self.disk.sync_dir(new).map_err(failed("sync", new))?;
        Ok(founded)
    }

    /// The log of a page, opened at its start; for the owner, up to what is acknowledged.
    fn scan(&self, page: &Id, chunk: usize) -> Result<Scan, StoreError> {
        let path = self.log_path(page);
        let Some(owner) = &self.owner else {
            if !self.disk.exists(&path).map_err(failed("look for", &path))? {
                return Err(StoreError::NoSuchPage(*page));
            }
            return Ok(Scan::open(&*self.disk, &path, page, chunk)?);
        };
        let found = owner.page(page)?;
        let end = found.acknowledged()?.load(Ordering::Acquire);
        let mut scan = Scan::open(&*self.disk, &path, page, chunk)?;
        scan.limit(end)?;
        Ok(scan)
    }

    /// Runs a lookup in the index; `None` if there is none that works.
    fn indexed<T>(&self, call: impl FnOnce(&Index) -> Result<T, IndexFault>) -> Option<T> {
        self.owner.as_ref()?.with_index(call)
    }

    /// The record that the index means, if there is one.
    fn record_at(&self, page: &Id, spot: Spot) -> Option<Record> {
        let mut scan = self.scan(page, CHUNK_POINT).ok()?;
        scan.seek(spot.offset).ok()?;
        match scan.step().ok()? {
            Step::Frame { frame, .. } => Records::of(frame).nth(spot.position as usize)?.ok(),
            Step::End | Step::Torn => None,
        }
    }

    fn find_in_logs(&self, id: &Id) -> Result<Option<Record>, StoreError> {
        let mut found = None;
        self.read_all(|record| {
            if record.id == *id {
                found = Some(record);
            }
        })?;
        Ok(found)
    }

    /// Reads all pages that are not known to be damaged.
    fn read_all(&self, mut visit: impl FnMut(Record)) -> Result<(), StoreError> {
        for page in self.pages()? {
            let damaged = |found: Arc<Page>| matches!(*found, Page::Damaged(_));
            if self.owner.as_ref().is_some_and(|owner| owner.page(&page).is_ok_and(damaged)) {
                continue;
            }
            match self.read(&page, Cursor::START, &mut visit) {
                // It was forgotten meanwhile.
                Err(StoreError::NoSuchPage(_)) => {}
                result => drop(result?),
            }
        }
        Ok(())
    }

    fn page_dir(&self, page: &Id) -> PathBuf {
        self.dir.join(PAGES).join(page.to_string())
    }

    fn log_path(&self, page: &Id) -> PathBuf {
        self.page_dir(page).join(LOG)
    }
}

impl Owner {
    fn pages(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<Id, Arc<Page>>> {
        self.pages.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn page(&self, page: &Id) -> Result<Arc<Page>, StoreError> {
        self.pages().get(page).cloned().ok_or(StoreError::NoSuchPage(*page))
    }

    fn insert(&self, id: Id, page: Page) {
        self.pages.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(page));
    }

    fn remove(&self, id: &Id) {
        self.pages.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Runs a call into the index. An index that fails is not used again until the next opening,
    /// which rebuilds it: what is acknowledged does not depend on it.
    fn with_index<T>(&self, call: impl FnOnce(&Index) -> Result<T, IndexFault>) -> Option<T> {
        let result = {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            call(index.as_ref()?)
        };
        match result {
            Ok(value) => Some(value),
            Err(fault) => {
                tracing::warn!("the index failed, finding a statement reads all logs now: {fault}");
                *self.index.write().unwrap_or_else(PoisonError::into_inner) = None;
                None
            }
        }
    }
}

impl Page {
    fn sound(log: Log) -> Page {
        let acknowledged = AtomicU64::new(log.end().offset);
        Page::Sound { log: Mutex::new(log), acknowledged }
    }

    /// The log, for whoever is to change it.
    fn log(&self) -> Result<MutexGuard<'_, Log>, StoreError> {
        match self {
            Page::Sound { log, .. } => Ok(lock(log)),
            Page::Damaged(fault) => Err(fault.clone().into()),
            Page::Later(_) => Err(StoreError::NotRead),
        }
    }

    /// Bytes of the log that are acknowledged.
    fn acknowledged(&self) -> Result<&AtomicU64, StoreError> {
        match self {
            Page::Sound { acknowledged, .. } => Ok(acknowledged),
            Page::Damaged(fault) => Err(fault.clone().into()),
            Page::Later(_) => Err(StoreError::NotRead),
        }
    }
}

/// Takes a mutex; a thread that panicked while it held one left what it guards in order, since
/// every change of it is a single assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The pages below `dir` and, as `None`s, names that are no page's.
fn list_pages(disk: &dyn Disk, dir: &Path) -> Result<Vec<Option<Id>>, StoreError> {
    let pages = dir.join(PAGES);
    let names = disk.list(&pages).map_err(failed("list", &pages))?;
    Ok(names.iter().map(|name| page_of(name)).collect())
}

fn page_of(name: &str) -> Option<Id> {
    Id::from_hex(name).filter(|id| id.to_string() == name)
}

/// Reads records to the end of the scan, with the offset of their frame.
fn read_records(scan: &mut Scan, mut visit: impl FnMut(u64, Record)) -> Result<(), LogFault> {
    loop {
        let before = scan.place();
        let Step::Frame { offset, frame } = scan.step()? else {
            return Ok(());
        };
        for record in Records::of(frame) {
            let Ok(record) = record else {
                let what = FaultKind::Record;
                return Err(LogFault { sequence: before.sequence, offset, ..scan.fault(what) });
            };
            visit(offset, record);
        }
    }
}

const PAGES: &str = "pages";
const LOG: &str = "log";
const IMAGE: &str = "image";
const INDEX: &str = "index";
const LOCK: &str = "lock";
/// A page that is being founded.
const NEW_PREFIX: &str = ".new-";
/// A page that is being forgotten.
const OLD_PREFIX: &str = ".old-";
