//! A start from images: a large page is answered at once from what its log came to when the daemon ended,
//! and the log is read and checked behind it, as at any start.
//!
//! Until its log is read, a page is answered and nothing else: who asks for more waits. What is read then
//! replaces the image, or is the same. Images are written when a page was read that had none, and when
//! the daemon ends, and not in between: one that lacks a change is of no use, and costs nothing but a slow start.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use super::{
    node::{Node, Progress},
    shown::{built, shows},
};
use crate::{
    dns::PageView,
    governance::{Governance, field::Field},
    id::Id,
    limits::IMAGE_NAMES_MIN,
    store::StoreError,
};

/// Pages whose logs are not read yet, and whoever waits for that.
#[derive(Default)]
pub struct Loading {
    left: Mutex<BTreeSet<Id>>,
    read: Condvar,
}

impl Loading {
    /// These are to be read.
    pub fn of(pages: impl Iterator<Item = Id>) -> Loading {
        Loading { left: Mutex::new(pages.collect()), read: Condvar::new() }
    }

    /// Whether the log of this page is not read yet.
    pub fn has(&self, page: &Id) -> bool {
        self.left().contains(page)
    }

    fn left(&self) -> MutexGuard<'_, BTreeSet<Id>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) {
        let mut left = self.left();
        while !left.is_empty() {
            left = self.read.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn end(&self, page: &Id) {
        self.left().remove(page);
        self.read.notify_all();
    }
}

/// Takes the image of a page, if there is sense in it.
pub fn take(images: &mut BTreeMap<Id, PageView>, page: &Id, octets: &Bytes) -> bool {
    match PageView::of_image(octets) {
        Ok(image) if image.meta().id == *page => {
            images.insert(*page, image);
            true
        }
        Ok(_) => false,
        Err(fault) => {
            tracing::info!(%page, "the image is not used: {fault}");
            false
        }
    }
}

impl Node {
    /// Whether there are pages whose logs are not read yet.
    pub fn is_loading(&self) -> bool {
        !self.loading.left().is_empty()
    }

    /// Returns when every log is read.
    pub fn wait_until_loaded(&self) {
        self.loading.wait();
    }

    /// Reads the logs that were left for later. To be called once, by one thread.
    pub fn finish_loading(&self, progress: Progress) {
        let pages = self.loading.left().clone();
        for page in &pages {
            self.load_later(page, progress);
            self.loading.end(page);
        }
    }

    fn load_later(&self, page: &Id, progress: Progress) {
        let before = self.notices().len();
        let checked = self.store.check(page, &mut |at| {
            progress("checking logs", at.done_bytes, at.total_bytes);
        });
        match checked {
            Ok(notices) => {
                notices.iter().for_each(|notice| self.notice(notice.to_string()));
                self.load_page(page, progress);
            }
            Err(error) => self.keep_damage(page, &error.into()),
        }
        let notices = self.notices();
        notices.iter().skip(before).for_each(|notice| tracing::warn!("{notice}"));
    }

    /// What is to be shown of a page in place of what is; none where its image shows the same.
    pub(super) fn to_show(&self, page: &Governance) -> Option<PageView> {
        let id = page.page().id();
        let view = self.view.load();
        let image = view.page(&id).filter(|_| self.loading.has(&id));
        match image.is_some_and(|image| shows(image, page)) {
            true => None,
            false => Some(built(page)),
        }
    }

    /// Writes the images of pages that are large enough and whose images are not of the newest state.
    pub fn keep_images(&self) {
        for page in self.pages() {
            let id = page.page().id();
            match self.keep_image(&id) {
                Ok(()) | Err(StoreError::NoSuchPage(_)) => {}
                Err(error) => {
                    let error = anyhow::Error::from(error);
                    tracing::info!(page = %id, "no image is kept, the next start takes longer: {error:#}");
                }
            }
        }
    }

    fn keep_image(&self, id: &Id) -> Result<(), StoreError> {
        let (view, mark, fresh) = {
            // What is shown, and the state of the log that it follows from.
            let state = self.state();
            let Some(page) = state.pages.get(id).filter(|_| state.is_shown) else { return Ok(()) };
            // Whether it is fresh for whoever has heard nothing of it (T6).
            let fresh = Field::default().picture(page, self.now()).is_fresh();
            (self.view.load_full(), self.store.mark(id)?, fresh)
        };
        // Of a page with two histories nothing is answered at once.
        let large = view.page(id).filter(|page| page.names() >= IMAGE_NAMES_MIN);
        let image = large.filter(|_| view.trouble(id).is_none()).and_then(|page| page.image(fresh));
        match image {
            Some(image) => self.store.set_image(id, &mark, image.parts()),
            None if self.store.image_mark(id).is_some() => self.store.remove_image(id),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
