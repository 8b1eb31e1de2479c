//! Opening the store: lock, tidy up, check every log, and make the index agree with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock, atomic::AtomicBool};

use bytes::Bytes;

use super::disk::Disk;
use super::frame::Place;
use super::index::{Age, Index, IndexFault};
use super::lock::{Lock, LockError};
use super::log::{self, Log, Spot};
use super::report::{FaultKind, LogFault, Notice, StoreError, failed};
use super::scan::{CHUNK_STREAM, Scan, Step};
use super::{INDEX, LOCK, LOG, NEW_PREFIX, OLD_PREFIX, Owner, PAGES, Page, Progress, Store};
use super::{anchors, image, notes, page_of};
use crate::id::Id;

/// Spots that are added to the index at once while it is rebuilt (choice: a few hundred KiB).
const REBUILD_SPOTS: usize = 10_000;

/// Says whether there is a use for the image of a page.
type Takes<'a> = &'a mut dyn FnMut(&Id, Bytes) -> bool;

/// See [`Store::open`].
pub(super) fn open(
    disk: Arc<dyn Disk>,
    dir: &Path,
    holder: &str,
    mut takes: Option<Takes>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Store, Vec<Notice>), StoreError> {
    make_dirs(&*disk, dir)?;
    let lock = take_lock(&*disk, dir, holder)?;
    let pages = dir.join(PAGES);
    make_dirs(&*disk, &pages)?;
    let index_dir = disk.on_host(&dir.join(INDEX));
    let mut opening = Opening { disk: &*disk, pages, notices: Vec::new(), reason: None };
    anchors::tidy(&*disk, dir)?;
    notes::tidy(&*disk, dir)?;
    let names = opening.tidy()?;
    let (index, known) = opening.known(Index::open(index_dir.as_deref()));
    let mut found = BTreeMap::new();
    for page in names {
        let known = known.get(&page).copied();
        let dir = opening.pages.join(page.to_string());
        log::tidy(&*disk, &dir)?;
        image::tidy(&*disk, &dir)?;
        let taken = takes.as_deref_mut().and_then(|takes| {
            let (end, content) = image::of_log(&*disk, &dir, &page, known)?;
            if takes(&page, content) {
                return Some(Page::Later(end));
            }
            // Written by another version, perhaps: one that is of use can take its place.
            let _ = image::remove(&*disk, &dir);
            None
        });
        let here = match taken {
            Some(later) => later,
            None => opening.page(&page, known, progress)?,
        };
        found.insert(page, here);
    }
    let index = opening.agree(index, index_dir.as_deref(), known, &found);
    let notices = opening.notices;
    let pages = found.into_iter().map(|(id, page)| (id, Arc::new(page))).collect();
    let owner = Owner {
        _lock: lock,
        pages: RwLock::new(pages),
        index: RwLock::new(index),
        structure: Mutex::new(()),
        images: Mutex::new(()),
        is_full: AtomicBool::new(false),
    };
    Ok((Store { disk, dir: dir.to_owned(), owner: Some(owner) }, notices))
}

struct Opening<'a> {
    disk: &'a dyn Disk,
    pages: PathBuf,
    notices: Vec<Notice>,
    /// Why the index must be rebuilt.
    reason: Option<String>,
}

impl Opening<'_> {
    /// Removes what interrupted changes left; returns the pages.
    fn tidy(&mut self) -> Result<Vec<Id>, StoreError> {
        let names = self.disk.list(&self.pages).map_err(failed("list", &self.pages))?;
        let mut found = Vec::new();
        for name in names {
            let path = self.pages.join(&name);
            if let Some(page) = page_of(&name) {
                found.push(page);
            } else if name.starts_with(NEW_PREFIX) || name.starts_with(OLD_PREFIX) {
                self.disk.remove(&path).map_err(failed("remove", &path))?;
                self.notices.push(Notice::Leftover(path));
            } else {
                self.notices.push(Notice::Stray(path));
            }
        }
        // So that what was removed is not found, and told of, again.
        self.disk.sync_dir(&self.pages).map_err(failed("sync", &self.pages))?;
        Ok(found)
    }

    /// What an index that was opened knows, if it is of use.
    fn known(
        &mut self,
        opened: Result<(Index, Age), IndexFault>,
    ) -> (Option<Index>, BTreeMap<Id, Place>) {
        match opened.and_then(|(index, age)| Ok((index.places()?, index, age))) {
            Ok((_, _, Age::New)) => self.reason = Some("there was none".to_owned()),
            Ok((known, index, Age::Old)) => return (Some(index), known),
            Err(fault) => self.reason = Some(fault.to_string()),
        }
        (None, BTreeMap::new())
    }

    /// Checks a page's log and removes an unfinished last write.
    fn page(
        &mut self,
        page: &Id,
        known: Option<Place>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Page, StoreError> {
        let dir = self.pages.join(page.to_string());
        let (found, passes) =
            check_log(self.disk, &dir, page, (known, known), &mut self.notices, progress)?;
        if !passes {
            self.reason = Some(format!("it did not fit the log of page {page}"));
        }
        Ok(found)
    }

    /// Brings the index up to the logs, from nothing if it does not fit them.
    fn agree(
        &mut self,
        index: Option<Index>,
        index_dir: Option<&Path>,
        known: BTreeMap<Id, Place>,
        found: &BTreeMap<Id, Page>,
    ) -> Option<Index> {
        if let (Some(index), None) = (index, &self.reason) {
            match self.catch_up(&index, &known, found) {
                Ok(()) => return Some(index),
                Err(fault) => self.reason = Some(fault.to_string()),
            }
        }
        let reason = self.reason.take().unwrap_or_default();
        match self.rebuild(index_dir, found) {
            Ok(index) => {
                // Nobody needs to hear that a new store has a new index, or of one that is always new.
                if !found.is_empty() && index_dir.is_some() {
                    self.notices.push(Notice::IndexRebuilt { reason });
                }
                Some(index)
            }
            Err(fault) => {
                self.notices.push(Notice::NoIndex { reason: fault.to_string() });
                None
            }
        }
    }

    fn rebuild(
        &mut self,
        dir: Option<&Path>,
        found: &BTreeMap<Id, Page>,
    ) -> Result<Index, IndexFault> {
        Index::delete(dir)?;
        let (index, _) = Index::open(dir)?;
        self.catch_up(&index, &BTreeMap::new(), found)?;
        Ok(index)
    }

    /// Adds to the index what the logs have more, and removes pages that are gone.
    fn catch_up(
        &mut self,
        index: &Index,
        known: &BTreeMap<Id, Place>,
        found: &BTreeMap<Id, Page>,
    ) -> Result<(), IndexFault> {
        for page in known.keys().filter(|page| !found.contains_key(page)) {
            index.forget(page)?;
            self.notices.push(Notice::PageGone(*page));
        }
        for (id, page) in found {
            let Some(end) = page.log().ok().map(|log| log.end()) else {
                continue;
            };
            let from = known.get(id).map_or(0, |place| place.offset);
            if from < end.offset {
                let path = self.pages.join(id.to_string()).join(LOG);
                index_page(self.disk, &path, index, id, from, end)?;
            }
        }
        Ok(())
    }
}

/// See [`Store::check`].
pub(super) fn check_later(
    disk: &dyn Disk,
    dir: &Path,
    owner: &Owner,
    page: &Id,
    end: Place,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Notice>, StoreError> {
    let dir = dir.join(PAGES).join(page.to_string());
    let known = owner.with_index(|index| Ok(index.places()?.get(page).copied())).flatten();
    let mut notices = Vec::new();
    let places = (known, Some(end));
    let (found, passes) = check_log(disk, &dir, page, places, &mut notices, progress)?;
    let end = found.log().map(|log| log.end());
    owner.insert(*page, found);
    let end = end?;
    let from = known.filter(|_| passes).map_or(0, |place| place.offset);
    if from < end.offset {
        owner.with_index(|index| {
            if !passes {
                index.forget(page)?;
            }
            index_page(disk, &dir.join(LOG), index, page, from, end)
        });
    }
    Ok(notices)
}

/// Checks the log in the directory of a page, and removes an unfinished last write. Of the places one is
/// what the index knows, of which is said whether it is a place of the log (a damaged one has none); all
/// up to the other was acknowledged.
fn check_log(
    disk: &dyn Disk,
    dir: &Path,
    page: &Id,
    (known, acknowledged): (Option<Place>, Option<Place>),
    notices: &mut Vec<Notice>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Page, bool), StoreError> {
    let path = dir.join(LOG);
    let mut damaged = |fault: LogFault| {
        notices.push(Notice::Damaged { page: *page, fault: fault.clone() });
        // Nothing is answered of it any more. Where this fails, the next opening finds the same.
        let _ = image::remove(disk, dir);
        Ok((Page::Damaged(fault), true))
    };
    let (log, opened) = match Log::open(disk, &path, page, known, progress) {
        Ok(found) => found,
        Err(fault) => return damaged(fault),
    };
    let Place { offset, sequence, .. } = log.end();
    if opened.torn_bytes > 0 {
        // The index is told of a change only after it was acknowledged, and an image is of no other.
        if acknowledged.is_some_and(|known| known.offset > offset) {
            let what = FaultKind::AcknowledgedLost;
            return damaged(LogFault { path, offset, sequence, what });
        }
        log.cut(disk)?;
        notices.push(Notice::TornTail { page: *page, offset, bytes: opened.torn_bytes });
    }
    Ok((Page::sound(log), opened.passes))
}

/// Adds to the index what a log has from here to its end.
fn index_page(
    disk: &dyn Disk,
    path: &Path,
    index: &Index,
    page: &Id,
    from: u64,
    end: Place,
) -> Result<(), IndexFault> {
    let mut scan = Scan::open(disk, path, page, CHUNK_STREAM)?;
    scan.limit(end.offset)?;
    scan.seek(from)?;
    let mut spots: Vec<(Id, Spot)> = Vec::new();
    while let Step::Frame { offset, frame } = scan.step()? {
        spots.extend(log::named(offset, frame));
        if spots.len() >= REBUILD_SPOTS {
            index.add(page, &spots, &scan.place())?;
            spots.clear();
        }
    }
    index.add(page, &spots, &scan.place())
}

fn take_lock(disk: &dyn Disk, dir: &Path, holder: &str) -> Result<Option<Lock>, StoreError> {
    let Some(path) = disk.on_host(&dir.join(LOCK)) else {
        return Ok(None);
    };
    match Lock::take(&path, holder) {
        Ok(lock) => Ok(Some(lock)),
        Err(LockError::Held(holder)) => Err(StoreError::Locked { dir: dir.to_owned(), holder }),
        Err(LockError::Io(error)) => Err(failed("lock", &path)(error)),
    }
}

/// Makes a directory and those above it that are missing, durably.
fn make_dirs(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    if disk.exists(dir).map_err(failed("look for", dir))? {
        return Ok(());
    }
    // The directory that a bare name is in has an empty path.
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    make_dirs(disk, parent)?;
    disk.create_dir(dir).map_err(failed("create", dir))?;
    disk.sync_dir(parent).map_err(failed("sync", parent))
}
