//! The store keeps what it is given, names what is damaged, and rebuilds its index by itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use djdns::id::Id;
use djdns::key::RawKey;
use djdns::limits::{JOURNAL_KEYS_MAX, LOG_FRAME_BYTES_MAX};
use djdns::store::disk::RealDisk;
use djdns::store::fake::FakeDisk;
use djdns::store::{
    Cursor, FaultKind, LogFault, Notice, Record, Store, StoreError, Verified, Vote,
};
use proptest::prelude::*;

mod support {
    pub mod store;
}
use support::store::try_read;
use support::store::{DIR, NONCE, content, id_of, log_path, named, open, open_real, page, read};

/// Three changes of a page, on a disk in memory; the bytes of its log, and where each ends.
fn a_small_log() -> (FakeDisk, Vec<Vec<Record>>, Vec<usize>) {
    let disk = FakeDisk::new();
    let (store, _) = open(&disk);
    let (ct, path) = (page("ct."), log_path(Path::new(DIR), &page("ct.")));
    let changes = vec![
        vec![named("genesis"), content("a")],
        vec![named("one"), named("two")],
        vec![named("three")],
    ];
    store.found(&ct, NONCE, changes[0].clone()).expect("it is founded");
    let mut ends = vec![disk.bytes(&path).len()];
    for change in &changes[1..] {
        store.append(&ct, change).expect("there is room");
        ends.push(disk.bytes(&path).len());
    }
    (disk, changes, ends)
}

fn damage(notices: &[Notice]) -> Option<&LogFault> {
    notices.iter().find_map(|notice| match notice {
        Notice::Damaged { fault, .. } => Some(fault),
        _ => None,
    })
}

#[test]
fn what_is_stored_is_read_back_in_order_and_found_by_its_id() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, notices) = open_real(dir.path());
    assert_eq!(notices, []);
    let (ct, ff) = (page("ct."), page("ff."));
    store.found(&ct, NONCE, [named("genesis"), content("a")]).expect("it is founded");
    store.found(&ff, NONCE, []).expect("an empty page is founded");
    store.append(&ct, &[named("one"), content("b"), named("two")]).expect("there is room");
    let all = [named("genesis"), content("a"), named("one"), content("b"), named("two")];
    drop(store);
    for _ in 0..2 {
        let (store, _) = open_real(dir.path());
        assert_eq!(read(&store, &ct), all);
        assert_eq!(read(&store, &ff), []);
        assert_eq!(store.find(&id_of("two")).expect("it looks"), Some(named("two")));
        assert_eq!(store.find(&id_of("three")).expect("it looks"), None);
        let prefix = &id_of("one").to_string()[..7];
        assert_eq!(store.ids_with_prefix(prefix).expect("it looks"), [id_of("one")]);
        assert_eq!(store.ids_with_prefix("not hex").expect("it looks"), []);
        let verified = store.verify(&ct).expect("it is sound");
        let length = fs::metadata(log_path(dir.path(), &ct)).expect("the log is there").len();
        assert_eq!(verified, Verified { changes: 2, records: 5, bytes: length });
    }
}

#[test]
fn reading_goes_on_where_it_stopped() {
    let (disk, changes, _) = a_small_log();
    let (store, _) = open(&disk);
    let ct = page("ct.");
    let end = store.read(&ct, Cursor::START, &mut drop).expect("it reads");
    store.append(&ct, &[named("four")]).expect("there is room");
    let mut more = Vec::new();
    let new_end = store.read(&ct, end, &mut |record| more.push(record)).expect("it reads");
    assert_eq!(more, [named("four")]);
    assert_eq!(store.read(&ct, new_end, &mut drop).expect("it reads"), new_end);
    assert_eq!(read(&store, &ct).len(), changes.concat().len() + 1);
}

#[test]
fn a_reader_beside_the_daemon_sees_what_is_acknowledged_and_changes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let none = Store::open_read_only(Arc::new(RealDisk), dir.path());
    assert!(matches!(none, Err(StoreError::NoStore(_))));
    let (store, _) = open_real(dir.path());
    let ct = page("ct.");
    store.found(&ct, NONCE, [named("genesis")]).expect("it is founded");
    let reader = Store::open_read_only(Arc::new(RealDisk), dir.path()).expect("it opens");
    store.append(&ct, &[named("one")]).expect("there is room");
    store.set_anchors(b"anchors").expect("there is room");
    assert_eq!(reader.pages().expect("pages are listed"), [ct]);
    assert_eq!(read(&reader, &ct), [named("genesis"), named("one")]);
    assert_eq!(reader.find(&id_of("one")).expect("it looks"), Some(named("one")));
    let prefix = &id_of("one").to_string()[..6];
    assert_eq!(reader.ids_with_prefix(prefix).expect("it looks"), [id_of("one")]);
    assert_eq!(reader.anchors().expect("they read"), b"anchors");
    assert!(matches!(reader.append(&ct, &[named("x")]), Err(StoreError::ReadOnly)));
    // A change that the daemon is writing just now.
    let path = log_path(dir.path(), &ct);
    let mut bytes = fs::read(&path).expect("the log is there");
    bytes.extend(b"DjFr half a frame");
    fs::write(&path, &bytes).expect("there is room");
    assert_eq!(read(&reader, &ct), [named("genesis"), named("one")]);
    assert_eq!(fs::read(&path).expect("the log is there"), bytes);
}

#[test]
fn a_log_cut_at_any_byte_keeps_every_whole_change() {
    let (disk, changes, ends) = a_small_log();
    let path = log_path(Path::new(DIR), &page("ct."));
    let whole = disk.bytes(&path);
    // The header of the file is written with the first change, and synced with it.
    for length in 60..whole.len() {
        disk.set_bytes(&path, &whole[..length]);
        let (store, notices) = open(&disk);
        let kept = ends.iter().filter(|end| **end <= length).count();
        assert_eq!(read(&store, &page("ct.")), changes[..kept].concat(), "{length} bytes");
        let end = ends[..kept].last().copied().unwrap_or(60);
        let torn = Notice::TornTail {
            page: page("ct."),
            offset: end as u64,
            bytes: (length - end) as u64,
        };
        let expected = if length == end { vec![] } else { vec![torn] };
        assert_eq!(notices, expected, "{length} bytes");
    }
    for length in 0..60 {
        disk.set_bytes(&path, &whole[..length]);
        let (store, notices) = open(&disk);
        assert_eq!(damage(&notices).map(|fault| fault.offset), Some(0), "{length} bytes");
        assert!(matches!(try_read(&store, &page("ct.")), Err(StoreError::Damaged(_))));
    }
}

#[test]
fn every_flipped_bit_is_named_or_was_in_the_last_change() {
    let (disk, changes, ends) = a_small_log();
    let (ct, path) = (page("ct."), log_path(Path::new(DIR), &page("ct.")));
    let whole = disk.bytes(&path);
    let starts = [60, ends[0], ends[1]];
    for bit in 0..whole.len() * 8 {
        let mut bad = whole.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        disk.set_bytes(&path, &bad);
        let (store, notices) = open(&disk);
        let Some(change) = starts.iter().rposition(|start| *start <= bit / 8) else {
            assert_eq!(damage(&notices).map(|fault| fault.offset), Some(0), "bit {bit}");
            continue;
        };
        if change == 2 {
            assert!(matches!(notices[..], [Notice::TornTail { .. }]), "bit {bit}: {notices:?}");
            assert_eq!(read(&store, &ct), changes[..2].concat(), "bit {bit}");
            continue;
        }
        let fault = damage(&notices).unwrap_or_else(|| panic!("bit {bit}: {notices:?}"));
        assert_eq!((fault.offset, fault.sequence), (starts[change] as u64, change as u64));
        assert_eq!(disk.bytes(&path), bad, "bit {bit}: damage is left as it is");
        assert!(matches!(store.append(&ct, &[named("x")]), Err(StoreError::Damaged(_))));
    }
}

#[test]
fn a_change_missing_from_the_middle_is_named() {
    let (disk, _, ends) = a_small_log();
    let path = log_path(Path::new(DIR), &page("ct."));
    let whole = disk.bytes(&path);
    disk.set_bytes(&path, &[&whole[..ends[0]], &whole[ends[1]..]].concat());
    let (_, notices) = open(&disk);
    let fault = damage(&notices).expect("it is noticed");
    assert_eq!((fault.offset, &fault.what), (ends[0] as u64, &FaultKind::Sequence(2)));
}

#[test]
fn a_damaged_page_keeps_only_itself_from_working_and_can_be_forgotten() {
    let (disk, _, ends) = a_small_log();
    let (ct, ff) = (page("ct."), page("ff."));
    let (store, _) = open(&disk);
    store.found(&ff, NONCE, [named("genesis of ff.")]).expect("it is founded");
    let path = log_path(Path::new(DIR), &ct);
    let mut bad = disk.bytes(&path);
    bad[ends[0] + 30] ^= 1;
    disk.set_bytes(&path, &bad);
    let running = store.verify(&ct).expect_err("it is damaged").to_string();
    assert!(running.contains("damaged at byte") && running.contains("(change 1)"), "{running}");
    let (store, notices) = open(&disk);
    assert!(damage(&notices).is_some());
    assert_eq!(store.pages().expect("pages are listed").len(), 2);
    store.append(&ff, &[named("one of ff.")]).expect("there is room");
    assert!(store.find(&id_of("one of ff.")).expect("it looks").is_some());
    assert!(matches!(store.verify(&ct), Err(StoreError::Damaged(_))));
    store.forget(&ct).expect("it is forgotten");
    store.found(&ct, NONCE, [named("again")]).expect("it is founded anew");
    let (store, notices) = open(&disk);
    assert_eq!((notices, read(&store, &ct)), (vec![], vec![named("again")]));
}

#[test]
fn the_last_change_is_damage_and_not_torn_when_the_index_knows_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let ct = page("ct.");
    let (store, _) = open_real(dir.path());
    store.found(&ct, NONCE, [named("genesis")]).expect("it is founded");
    store.append(&ct, &[named("one")]).expect("there is room");
    drop(store);
    let path = log_path(dir.path(), &ct);
    let mut bytes = fs::read(&path).expect("the log is there");
    *bytes.last_mut().expect("it is long") ^= 1;
    fs::write(&path, &bytes).expect("there is room");
    let (_, notices) = open_real(dir.path());
    let fault = damage(&notices).expect("it is noticed");
    assert_eq!((fault.sequence, &fault.what), (1, &FaultKind::AcknowledgedLost));
}

/// Breaks the index of a store with 300 statements; the store must find all of them again, and
/// say why it rebuilt the index.
fn check_rebuilt(breakage: impl Fn(&Path)) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    let ct = page("ct.");
    let all: Vec<Record> = (0..300).map(|number| named(&format!("record {number}"))).collect();
    let (store, _) = open_real(dir.path());
    store.found(&ct, NONCE, [named("genesis")]).expect("it is founded");
    store.append(&ct, &all).expect("there is room");
    drop(store);
    // sled writes its snapshot when it opens what was there before.
    assert_eq!(open_real(dir.path()).1, []);
    breakage(dir.path());
    let (store, notices) = open_real(dir.path());
    let [Notice::IndexRebuilt { reason }] = &notices[..] else {
        panic!("{notices:?}");
    };
    for record in &all {
        assert_eq!(store.find(&record.id).expect("it looks").as_ref(), Some(record));
    }
    drop(store);
    assert_eq!(open_real(dir.path()).1, [], "once is enough");
    reason.clone()
}

/// The files of the index whose names begin so.
fn index_files(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(dir.join("index")).expect("there is an index");
    let paths = files.map(|file| file.expect("it is listed").path());
    let is_meant = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    };
    let found: Vec<PathBuf> = paths.filter(is_meant).collect();
    assert!(!found.is_empty(), "sled has no file {prefix}");
    found
}

#[test]
fn a_deleted_index_is_rebuilt() {
    let delete = |dir: &Path| fs::remove_dir_all(dir.join("index")).expect("it is removed");
    assert_eq!(check_rebuilt(delete), "there was none");
}

#[test]
fn an_index_with_a_snapshot_torn_to_zero_length_is_rebuilt() {
    check_rebuilt(|dir| {
        for snapshot in index_files(dir, "snap.") {
            fs::write(snapshot, b"").expect("it is emptied");
        }
    });
}

#[test]
fn an_index_full_of_garbage_is_rebuilt() {
    for prefix in ["snap.", "db", "conf"] {
        check_rebuilt(|dir| {
            for file in index_files(dir, prefix) {
                let length = fs::metadata(&file).expect("it is there").len() as usize;
                fs::write(file, vec![0xa5; length]).expect("it is overwritten");
            }
        });
    }
}

#[test]
fn an_index_of_another_log_is_rebuilt() {
    let reason = check_rebuilt(|dir| {
        let ct = page("ct.");
        let other = tempfile::tempdir().expect("a directory");
        let (store, _) = open_real(other.path());
        store.found(&ct, *b"another!", [named("genesis")]).expect("it is founded");
        drop(store);
        fs::remove_dir_all(dir.join("index")).expect("it is removed");
        fs::rename(other.path().join("index"), dir.join("index")).expect("it is moved");
    });
    assert!(reason.contains("did not fit the log"), "{reason}");
}

/// A machine that stops after a log was replaced, before the index heard of it.
#[test]
fn an_index_of_a_log_that_was_replaced_is_rebuilt() {
    let dir = tempfile::tempdir().expect("a directory");
    let (index, kept) = (dir.path().join("index"), dir.path().join("kept"));
    let ct = page("ct.");
    let (store, _) = open_real(dir.path());
    store.found(&ct, NONCE, [named("genesis"), named("one")]).expect("it is founded");
    drop(store);
    fs::rename(&index, &kept).expect("it is moved");
    let (store, _) = open_real(dir.path());
    let records = [named("genesis"), content("a"), named("two")];
    store.replace(&ct, *b"another.", records.clone()).expect("there is room");
    let check = |store: &Store| {
        assert_eq!(read(store, &ct), records);
        let is_found = |name: &str| store.find(&id_of(name)).expect("it looks").is_some();
        assert_eq!(["genesis", "one", "two"].map(is_found), [true, false, true]);
    };
    check(&store);
    drop(store);
    check(&open_real(dir.path()).0);
    fs::remove_dir_all(&index).expect("it is removed");
    fs::rename(&kept, &index).expect("it is moved back");
    let (store, notices) = open_real(dir.path());
    check(&store);
    assert!(
        notices.iter().any(|notice| matches!(notice, Notice::IndexRebuilt { .. })),
        "{notices:?}"
    );
}

#[test]
fn a_second_opener_is_told_who_holds_the_directory() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = Arc::new(RealDisk);
    let first = Store::open(disk.clone(), dir.path(), "djdns serve", &mut |_| {});
    let second = Store::open(disk, dir.path(), "djdns page create", &mut |_| {});
    let Err(error @ StoreError::Locked { .. }) = second else {
        panic!("it was opened twice");
    };
    let holder = format!("djdns serve (process {})", std::process::id());
    assert!(error.to_string().contains(&holder), "{error}");
    drop(first);
    open_real(dir.path());
}

#[test]
fn files_and_directories_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("a/b");
    let (store, _) = open_real(&data);
    let ct = page("ct.");
    store.found(&ct, NONCE, [named("genesis")]).expect("it is founded");
    store.set_anchors(b"anchors").expect("there is room");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!([mode(&data), mode(&data.join("pages"))], [0o700; 2]);
    let files = [data.join("lock"), data.join("anchors"), log_path(&data, &ct)];
    assert_eq!(files.map(|path| mode(&path)), [0o600; 3]);
}

#[test]
fn refusals_name_what_is_wrong() {
    let (disk, _, _) = a_small_log();
    let (store, _) = open(&disk);
    let check = |result: Result<(), StoreError>, expect: &str| {
        let error = result.expect_err(expect).to_string();
        assert!(error.contains(expect), "{error}");
    };
    let large = Record::unnamed(1, vec![0; 65 * 1024 * 1024]);
    check(store.found(&page("ct."), NONCE, []), "is stored here already");
    check(store.append(&page("ff."), &[]), "is not stored here");
    check(store.forget(&page("ff.")), "is not stored here");
    check(store.append(&page("ct."), std::slice::from_ref(&large)), "is larger than");
    check(store.found(&page("ff."), NONCE, [large]), "is larger than");
    assert_eq!(store.pages().expect("pages are listed"), [page("ct.")]);
}

#[test]
fn the_vote_journal_outlives_its_page_and_is_refused_when_damaged() {
    let disk = FakeDisk::new();
    let (store, _) = open(&disk);
    let (ct, key) = (page("ct."), RawKey([1; 32]));
    assert_eq!(store.vote(&ct, &key).expect("there is none"), None);
    for height in [1, 2] {
        let vote = Vote { height, seal: id_of("a seal") };
        store.note_vote(&ct, &key, vote).expect("there is room");
        assert_eq!(store.vote(&ct, &key).expect("it reads"), Some(vote));
    }
    store.found(&ct, NONCE, [named("genesis")]).expect("it is founded");
    store.forget(&ct).expect("it is there");
    drop(store);
    let (store, _) = open(&disk);
    assert_eq!(store.vote(&ct, &key).expect("it reads").map(|vote| vote.height), Some(2));
    let path = journal_of(&ct);
    let bytes = disk.bytes(&path);
    disk.set_bytes(&path, &bytes[..bytes.len() - 1]);
    assert!(matches!(store.vote(&ct, &key), Err(StoreError::JournalDamaged(_))));
    let vote = Vote { height: 3, seal: id_of("a seal") };
    let noted = store.note_vote(&ct, &key, vote);
    assert!(matches!(noted, Err(StoreError::JournalDamaged(_))), "what it was is not written over");
}

fn journal_of(page: &Id) -> PathBuf {
    Path::new(DIR).join("votes").join(page.to_string())
}

/// What a small file of the store holds, with its hash.
fn checked(magic: &[u8; 8], content: &[u8]) -> Vec<u8> {
    [&magic[..], Id::hash(&[content]).as_bytes(), content].concat()
}

#[test]
fn a_vote_binds_the_key_that_gave_it_also_after_others_came() {
    let disk = FakeDisk::new();
    let (store, _) = open(&disk);
    let ct = page("ct.");
    let key = |n: usize| RawKey([n as u8; 32]);
    let vote = |n: usize| Vote { height: n as u64, seal: id_of("a seal") };
    for n in 0..JOURNAL_KEYS_MAX {
        assert_eq!(store.vote(&ct, &key(n)).expect("it reads"), None, "{n}");
        store.note_vote(&ct, &key(n), vote(n)).expect("there is room");
    }
    store.note_vote(&ct, &key(0), vote(99)).expect("it signs again");
    assert_eq!(store.vote(&ct, &key(1)).expect("it reads"), Some(vote(1)));
    store.note_vote(&ct, &key(200), vote(7)).expect("there is room");
    drop(store);
    let (store, _) = open(&disk);
    for (n, expect) in [(0, Some(vote(99))), (1, None), (2, Some(vote(2))), (200, Some(vote(7)))] {
        assert_eq!(store.vote(&ct, &key(n)).expect("it reads"), expect, "{n}");
    }
}

#[test]
fn a_journal_is_stored_in_these_bytes_and_one_without_keys_is_read_as_of_the_key_that_asks() {
    let disk = FakeDisk::new();
    let (store, _) = open(&disk);
    let (ct, keys) = (page("ct."), [1, 2].map(|n| RawKey([n; 32])));
    let seal = id_of("a seal");
    let row = |height: u64| [&height.to_be_bytes()[..], seal.as_bytes()].concat();
    store.note_vote(&ct, &keys[0], Vote { height: 1, seal }).expect("there is room");
    let old = checked(b"djdnsvo1", &row(7));
    disk.set_bytes(&journal_of(&ct), &old);
    for key in &keys {
        assert_eq!(store.vote(&ct, key).expect("it reads"), Some(Vote { height: 7, seal }));
    }
    store.note_vote(&ct, &keys[0], Vote { height: 8, seal }).expect("there is room");
    assert_eq!(store.vote(&ct, &keys[1]).expect("it reads"), None);
    store.note_vote(&ct, &keys[1], Vote { height: 9, seal }).expect("there is room");
    let content = [&keys[1].0[..], &row(9), &keys[0].0, &row(8)].concat();
    assert_eq!(disk.bytes(&journal_of(&ct)), checked(b"djdnsvo2", &content));
    disk.set_bytes(&journal_of(&ct), &checked(b"djdnsvo1", &row(7)[1..]));
    assert!(matches!(store.vote(&ct, &keys[0]), Err(StoreError::JournalDamaged(_))));
}

#[test]
fn damaged_anchors_are_refused_at_every_bit() {
    let disk = FakeDisk::new();
    let (store, _) = open(&disk);
    assert_eq!(store.anchors().expect("there are none"), b"");
    store.set_anchors(b"some anchors").expect("there is room");
    let path = Path::new(DIR).join("anchors");
    let whole = disk.bytes(&path);
    for bit in 0..whole.len() * 8 {
        let mut bad = whole.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        disk.set_bytes(&path, &bad);
        assert!(matches!(store.anchors(), Err(StoreError::AnchorsDamaged(_))), "bit {bit}");
    }
}

fn any_record() -> impl Strategy<Value = Record> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..200);
    (any::<u8>(), proptest::option::of(0u8..20), bytes).prop_map(|(kind, name, bytes)| {
        let id = name.map_or(Id::ZERO, |name| id_of(&name.to_string()));
        Record { kind, id, bytes }
    })
}

proptest! {
    #[test]
    fn a_store_is_a_vector_that_survives(
        changes in proptest::collection::vec(
            (proptest::collection::vec(any_record(), 0..5), any::<bool>()), 0..12
        )
    ) {
        let disk = FakeDisk::new();
        let (mut store, _) = open(&disk);
        let ct = page("ct.");
        store.found(&ct, NONCE, []).expect("it is founded");
        let mut model: Vec<Record> = Vec::new();
        for (records, restart) in changes {
            store.append(&ct, &records).expect("there is room");
            model.extend(records);
            if restart {
                drop(store);
                store = open(&disk).0;
            }
            prop_assert_eq!(&read(&store, &ct), &model);
        }
        for record in model.iter().filter(|record| record.is_named()) {
            let found = store.find(&record.id).expect("it looks").expect("it is there");
            prop_assert!(model.contains(&found) && found.id == record.id);
        }
    }
}

/// P5 refuses: a change larger than one frame of the log may be; nothing of it is stored.
#[test]
fn a_change_may_be_as_large_as_a_frame() {
    let record = |bytes: usize| Record::unnamed(1, vec![7; bytes - 6]);
    let check = |bytes: usize, fits: bool| {
        let disk = FakeDisk::new();
        let (store, _) = open(&disk);
        store.found(&page("ct."), NONCE, []).expect("it is founded");
        let appended = store.append(&page("ct."), &[record(bytes)]);
        assert_eq!(appended.is_ok(), fits, "{bytes}");
        assert_eq!(read(&store, &page("ct.")).len(), usize::from(fits), "{bytes}");
        assert_eq!(store.found(&page("ff."), NONCE, [record(bytes)]).is_ok(), fits, "{bytes}");
    };
    check(LOG_FRAME_BYTES_MAX - 1, true);
    check(LOG_FRAME_BYTES_MAX, true);
    check(LOG_FRAME_BYTES_MAX + 1, false);
}
