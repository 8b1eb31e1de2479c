//! What the store's tests share: pages, records, and a store on a disk in memory.

// Each test crate uses a part of this.
#![allow(dead_code, reason = "several tests share it, and each uses a part")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use djdns::id::Id;
use djdns::store::disk::RealDisk;
use djdns::store::fake::FakeDisk;
use djdns::store::{Cursor, Notice, Record, Store, StoreError};

/// The data directory on a disk in memory.
pub const DIR: &str = "/data";
pub const NONCE: [u8; 8] = *b"a nonce!";

/// The page of this name.
pub fn page(name: &str) -> Id {
    Id::hash(&[b"page", name.as_bytes()])
}

/// A record that is found by the id of its text.
pub fn named(text: &str) -> Record {
    Record { kind: 2, id: id_of(text), bytes: text.as_bytes().to_vec() }
}

pub fn id_of(text: &str) -> Id {
    Id::hash(&[text.as_bytes()])
}

/// A record that is only read in its turn.
pub fn content(text: &str) -> Record {
    Record::unnamed(1, text.as_bytes().to_vec())
}

pub fn log_path(dir: &Path, page: &Id) -> PathBuf {
    dir.join("pages").join(page.to_string()).join("log")
}

pub fn try_open(disk: &FakeDisk) -> Result<(Store, Vec<Notice>), StoreError> {
    Store::open(Arc::new(disk.clone()), Path::new(DIR), "a test", &mut |_| {})
}

/// Opens the store on a disk in memory.
pub fn open(disk: &FakeDisk) -> (Store, Vec<Notice>) {
    try_open(disk).expect("the store opens")
}

/// Opens the store in a real directory.
pub fn open_real(dir: &Path) -> (Store, Vec<Notice>) {
    Store::open(Arc::new(RealDisk), dir, "a test", &mut |_| {}).expect("the store opens")
}

/// Everything that is stored for a page, in order.
pub fn try_read(store: &Store, page: &Id) -> Result<Vec<Record>, StoreError> {
    let mut records = Vec::new();
    store.read(page, Cursor::START, &mut |record| records.push(record))?;
    Ok(records)
}

pub fn read(store: &Store, page: &Id) -> Vec<Record> {
    try_read(store, page).expect("the page reads")
}
