//! The inbox and the outbox of a page: one small file for each petition, in directories beside the
//! page's log.
//!
//! Not in the log, because it is no part of the page: it is never in a bundle, files come and go, and
//! all of them go with the page. How many there may be, and what they mean, is the caller's business.

use std::path::PathBuf;
use std::sync::{Arc, MutexGuard};

use super::aside::{self, Magic};
use super::log::Log;
use super::report::{StoreError, failed};
use super::{Owner, Page, Store};
use crate::id::Id;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tray {
    /// What the page is asked for.
    Inbox,
    /// What is to be handed to its hosts.
    Outbox,
}

impl Tray {
    fn name(self) -> &'static str {
        match self {
            Tray::Inbox => "inbox",
            Tray::Outbox => "outbox",
        }
    }

    fn magic(self) -> Magic {
        match self {
            Tray::Inbox => *b"djdnspe1",
            Tray::Outbox => *b"djdnspo1",
        }
    }
}

/// What is in a tray.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Letters {
    /// The files that are sound, in the order of their names.
    pub sound: Vec<(Id, Vec<u8>)>,
    /// Files that are not as they were written. They are left alone.
    pub damaged: Vec<PathBuf>,
}

impl Store {
    /// Reads a tray of a page, and removes what an interrupted change left in it.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPage`], [`StoreError::Damaged`] for a page that is not available, or the
    /// disk's.
    pub fn letters(&self, tray: Tray, page: &Id) -> Result<Letters, StoreError> {
        let owner = self.owner()?;
        let found = owner.page(page)?;
        let _alone = writing(owner, page, &found)?;
        let dir = self.tray_dir(tray, page);
        let mut letters = Letters::default();
        if !self.disk.exists(&dir).map_err(failed("look for", &dir))? {
            return Ok(letters);
        }
        for name in self.disk.list(&dir).map_err(failed("list", &dir))? {
            let path = dir.join(&name);
            match super::page_of(&name) {
                Some(id) => match aside::read(&*self.disk, &path, &tray.magic())? {
                    Some(letter) => letters.sound.push((id, letter)),
                    None => letters.damaged.push(path),
                },
                None if name.ends_with(aside::NEW_SUFFIX) => {
                    self.disk.remove(&path).map_err(failed("remove", &path))?;
                }
                None => letters.damaged.push(path),
            }
        }
        Ok(letters)
    }

    /// Puts a letter into a tray of a page, or replaces the one of this name: durable when this
    /// returns.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPage`], [`StoreError::DiskFull`] and others of the disk: what was there is
    /// still there. [`StoreError::Damaged`].
    pub fn put_letter(
        &self,
        tray: Tray,
        page: &Id,
        name: &Id,
        letter: &[u8],
    ) -> Result<(), StoreError> {
        let owner = self.owner()?;
        let found = owner.page(page)?;
        let _alone = writing(owner, page, &found)?;
        let (page_dir, dir) = (self.page_dir(page), self.tray_dir(tray, page));
        if !self.disk.exists(&dir).map_err(failed("look for", &dir))? {
            self.disk.create_dir(&dir).map_err(failed("create", &dir))?;
        }
        // Not only when it was made just now: the sync may have failed then.
        self.disk.sync_dir(&page_dir).map_err(failed("sync", &page_dir))?;
        aside::write(&*self.disk, &dir, &name.to_string(), &tray.magic(), letter)
    }

    /// Removes a letter from a tray of a page, durably when this returns.
    ///
    /// # Errors
    /// [`StoreError::NoSuchPage`], [`StoreError::Damaged`], or the disk's, also when there is no such
    /// letter.
    pub fn remove_letter(&self, tray: Tray, page: &Id, name: &Id) -> Result<(), StoreError> {
        let owner = self.owner()?;
        let found = owner.page(page)?;
        let _alone = writing(owner, page, &found)?;
        let dir = self.tray_dir(tray, page);
        let path = dir.join(name.to_string());
        self.disk.remove(&path).map_err(failed("remove", &path))?;
        self.disk.sync_dir(&dir).map_err(failed("sync", &dir))
    }

    fn tray_dir(&self, tray: Tray, page: &Id) -> PathBuf {
        self.page_dir(page).join(tray.name())
    }
}

/// Keeps others from changing or forgetting the page meanwhile.
fn writing<'a>(
    owner: &Owner,
    page: &Id,
    found: &'a Arc<Page>,
) -> Result<MutexGuard<'a, Log>, StoreError> {
    let alone = found.log()?;
    // It was forgotten while this waited, and may have been founded anew.
    match Arc::ptr_eq(&owner.page(page)?, found) {
        true => Ok(alone),
        false => Err(StoreError::NoSuchPage(*page)),
    }
}
