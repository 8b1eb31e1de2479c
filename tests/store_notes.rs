//! The small files that nothing rests on: old or new whenever the machine stops, and a damaged one is
//! told of and begins anew.

use djdns::store::fake::{FakeDisk, Operation, Survival};
use djdns::store::{Note, Store, StoreError};

mod support {
    pub mod store;
}
use support::store::{DIR, open, open_real, try_open};

const ALL: [Note; 3] = [Note::Peers, Note::Wishes, Note::Asked];

#[test]
fn a_note_is_empty_at_first_and_then_what_was_noted_last() {
    let disk = FakeDisk::new();
    let (store, _) = open(&disk);
    for note in ALL {
        assert_eq!(store.note(note).unwrap(), b"");
        store.set_note(note, b"first").unwrap();
        store.set_note(note, b"second").unwrap();
    }
    drop(store);
    let (store, notices) = open(&disk);
    assert_eq!(notices, []);
    assert_eq!(ALL.map(|note| store.note(note).unwrap()), [b"second"; 3]);
    store.set_note(Note::Peers, b"").unwrap();
    assert_eq!(ALL.map(|note| store.note(note).unwrap()), [&b""[..], b"second", b"second"]);
}

/// Notes one thing after the other until the disk crashes. Returns what was acknowledged last, and what
/// was under way.
fn live(disk: &FakeDisk) -> (&'static [u8], &'static [u8]) {
    let (mut last, notes) = (&b""[..], [&b"old"[..], b"new, and longer", b"short"]);
    let Ok((store, _)) = try_open(disk) else { return (last, last) };
    for note in notes {
        if store.set_note(Note::Peers, note).is_err() {
            return (last, note);
        }
        last = note;
    }
    (last, last)
}

#[test]
fn a_note_is_old_or_new_wherever_the_machine_stops() {
    let disk = FakeDisk::new();
    live(&disk);
    let mut stops = 0;
    for (at, operation) in disk.operations().into_iter().enumerate() {
        let bytes = match operation {
            Operation::Write(length) => (0..=length).collect(),
            _ => vec![0],
        };
        for bytes in bytes {
            let disk = FakeDisk::new();
            disk.crash_at(at, bytes);
            let (acknowledged, under_way) = live(&disk);
            for survival in Survival::all() {
                let story = format!("{at}, {operation:?} after {bytes} bytes, {survival:?}");
                let (store, _) = open(&disk.reboot(survival));
                let found = store.note(Note::Peers).expect(&story);
                assert!(found == acknowledged || found == under_way, "{story}: {found:?}");
                store.set_note(Note::Peers, b"it goes on").expect(&story);
                stops += 1;
            }
        }
    }
    assert!(stops > 500, "{stops} crashes were tried");
}

#[test]
fn a_damaged_note_is_named_and_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("peers");
    let (store, _) = open_real(dir.path());
    store.set_note(Note::Peers, b"some nodes").unwrap();
    let sound = std::fs::read(&path).unwrap();
    let check = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let error = store.note(Note::Peers).unwrap_err();
        assert!(matches!(error, StoreError::NoteDamaged { .. }), "{error}");
        assert!(error.to_string().contains("peers is damaged"), "{error}");
    };
    for at in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        check(&bytes);
        check(&sound[..at]);
    }
    check(&[&sound[..], b"more"].concat());
    let huge = std::fs::File::create(&path).unwrap();
    huge.set_len(1 << 40).unwrap();
    assert!(matches!(store.note(Note::Peers), Err(StoreError::NoteDamaged { .. })));
    store.set_note(Note::Peers, b"new nodes").unwrap();
    assert_eq!(store.note(Note::Peers).unwrap(), b"new nodes");
}

#[test]
fn a_note_has_a_limit_and_can_be_read_beside_its_owner() {
    let disk = FakeDisk::new();
    let (store, _) = open(&disk);
    let most = djdns::limits::NOTE_BYTES_MAX - 40;
    for len in [most - 1, most] {
        store.set_note(Note::Wishes, &vec![7; len]).unwrap();
        assert_eq!(store.note(Note::Wishes).unwrap().len(), len);
    }
    let error = store.set_note(Note::Wishes, &vec![7; most + 1]).unwrap_err();
    assert!(matches!(error, StoreError::NoteTooLarge(_)), "{error}");
    let disk = std::sync::Arc::new(disk.clone());
    let reader = Store::open_read_only(disk, std::path::Path::new(DIR)).unwrap();
    assert_eq!(reader.note(Note::Wishes).unwrap().len(), most);
    assert!(matches!(reader.set_note(Note::Wishes, b""), Err(StoreError::ReadOnly)));
}
