//! The index in memory, for a store whose disk is: built anew from the logs at each opening.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use crate::id::Id;
use crate::store::frame::Place;
use crate::store::{lock, log::Spot};

#[derive(Default)]
pub struct InMemory(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    /// By record and page: one statement may be in two.
    spots: BTreeMap<(Id, Id), Spot>,
    /// Up to which place each page is indexed.
    places: BTreeMap<Id, Place>,
}

impl InMemory {
    pub fn places(&self) -> BTreeMap<Id, Place> {
        self.tables().places.clone()
    }

    pub fn add(&self, page: &Id, spots: &[(Id, Spot)], end: &Place) {
        let mut tables = self.tables();
        tables.spots.extend(spots.iter().map(|(id, spot)| ((*id, *page), *spot)));
        tables.places.insert(*page, *end);
    }

    pub fn find(&self, id: &Id) -> Vec<(Id, Spot)> {
        let tables = self.tables();
        let from_here = tables.spots.range((*id, Id::ZERO)..);
        let rows = from_here.take_while(|((found, _), _)| found == id);
        rows.map(|((_, page), spot)| (*page, *spot)).collect()
    }

    pub fn ids_with_prefix(&self, prefix: &str) -> Vec<Id> {
        let tables = self.tables();
        let ids = tables.spots.keys().map(|(id, _)| *id);
        let mut ids: Vec<Id> = ids.filter(|id| id.has_hex_prefix(prefix)).collect();
        ids.dedup();
        ids
    }

    pub fn forget(&self, page: &Id) {
        let mut tables = self.tables();
        tables.spots.retain(|(_, of), _| of != page);
        tables.places.remove(page);
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        lock(&self.0)
    }
}
