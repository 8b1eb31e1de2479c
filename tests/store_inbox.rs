//! The inbox of a page: what was acknowledged is there whenever the machine stops, and nothing is
//! read by halves.
//!
//! As for the rest of the store, a disk in memory crashes at every operation and every byte, and
//! comes back in every way that [`Survival`] knows.

use std::collections::BTreeMap;

use djdns::id::Id;
use djdns::store::fake::{FakeDisk, Operation, Survival};
use djdns::store::{Store, StoreError, Tray};

mod support {
    pub mod store;
}
use support::store::{DIR, NONCE, id_of, named, open, page, read, try_open};

/// Something that happens to an inbox.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Found(&'static str),
    Put(&'static str, &'static str, &'static str),
    Remove(&'static str, &'static str),
    Forget(&'static str),
}

/// The letters of each page.
type World = BTreeMap<Id, BTreeMap<Id, Vec<u8>>>;

fn after(world: &World, deed: Deed) -> World {
    let mut world = world.clone();
    match deed {
        Deed::Found(name) => _ = world.insert(page(name), BTreeMap::new()),
        Deed::Put(name, letter, text) => {
            let inbox = world.entry(page(name)).or_default();
            inbox.insert(id_of(letter), text.as_bytes().to_vec());
        }
        Deed::Remove(name, letter) => {
            _ = world.entry(page(name)).or_default().remove(&id_of(letter));
        }
        Deed::Forget(name) => _ = world.remove(&page(name)),
    }
    world
}

fn carry_out(store: &Store, deed: Deed) -> Result<(), StoreError> {
    match deed {
        Deed::Found(name) => store.found(&page(name), NONCE, [named("genesis")]),
        Deed::Put(name, letter, text) => {
            store.put_letter(Tray::Inbox, &page(name), &id_of(letter), text.as_bytes())
        }
        Deed::Remove(name, letter) => store.remove_letter(Tray::Inbox, &page(name), &id_of(letter)),
        Deed::Forget(name) => store.forget(&page(name)),
    }
}

fn a_life() -> [Deed; 9] {
    [
        Deed::Found("ct."),
        Deed::Put("ct.", "one", "please"),
        Deed::Put("ct.", "two", "me too"),
        Deed::Put("ct.", "one", "please, and it is refused"),
        Deed::Found("ff."),
        Deed::Put("ff.", "one", "the same there"),
        Deed::Remove("ct.", "two"),
        Deed::Forget("ff."),
        Deed::Put("ct.", "three", "again"),
    ]
}

fn world(store: &Store) -> World {
    let inbox = |page: Id| {
        let letters = store.letters(Tray::Inbox, &page).expect("the inbox reads");
        assert_eq!(letters.damaged, Vec::<std::path::PathBuf>::new());
        (page, letters.sound.into_iter().collect())
    };
    store.pages().expect("pages are listed").into_iter().map(inbox).collect()
}

/// Lives until the disk crashes. Returns what was acknowledged, and what it would be with the deed
/// that was under way.
fn live(disk: &FakeDisk) -> (World, World) {
    let mut world = World::new();
    let Ok((store, _)) = try_open(disk) else { return (world.clone(), world) };
    for deed in a_life() {
        let next = after(&world, deed);
        if carry_out(&store, deed).is_err() {
            return (world, next);
        }
        world = next;
    }
    (world.clone(), world)
}

#[test]
fn whenever_the_machine_stops_every_acknowledged_letter_is_there_and_none_is_torn() {
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
                let found = world(&store);
                assert!(found == acknowledged || found == under_way, "{story}: {found:?}");
                for page in found.keys() {
                    store
                        .put_letter(Tray::Inbox, page, &id_of("after"), b"it goes on")
                        .expect(&story);
                }
                stops += 1;
            }
        }
    }
    assert!(stops > 1000, "{stops} crashes were tried");
}

#[test]
fn a_full_disk_is_a_refusal_and_the_letters_are_as_they_were() {
    let disk = FakeDisk::new();
    let (store, _) = open(&disk);
    carry_out(&store, Deed::Found("ct.")).expect("there is room");
    carry_out(&store, Deed::Put("ct.", "one", "please")).expect("there is room");
    let before = world(&store);
    disk.set_space(Some(0));
    for deed in [Deed::Put("ct.", "one", "please, refused"), Deed::Put("ct.", "two", "me too")] {
        let refused = carry_out(&store, deed);
        assert!(matches!(refused, Err(StoreError::DiskFull { .. })), "{refused:?}");
        assert_eq!(world(&store), before);
    }
    disk.set_space(None);
    carry_out(&store, Deed::Remove("ct.", "one")).expect("it is removed");
    assert!(world(&store)[&page("ct.")].is_empty());
    assert!(carry_out(&store, Deed::Remove("ct.", "one")).is_err(), "there is none");
}

#[test]
fn a_damaged_letter_is_named_and_the_others_are_read() {
    let disk = FakeDisk::new();
    let (store, _) = open(&disk);
    carry_out(&store, Deed::Found("ct.")).expect("there is room");
    for letter in ["one", "two"] {
        carry_out(&store, Deed::Put("ct.", letter, "please")).expect("there is room");
    }
    let dir = std::path::Path::new(DIR).join("pages").join(page("ct.").to_string()).join("inbox");
    let path = dir.join(id_of("one").to_string());
    let sound = disk.bytes(&path);
    for (at, _) in sound.iter().enumerate() {
        let mut damaged = sound.clone();
        damaged[at] ^= 1;
        disk.set_bytes(&path, &damaged);
        let letters = store.letters(Tray::Inbox, &page("ct.")).expect("the inbox reads");
        assert_eq!(letters.damaged, std::slice::from_ref(&path), "byte {at}");
        assert_eq!(letters.sound, [(id_of("two"), b"please".to_vec())]);
    }
}

#[test]
fn an_inbox_is_no_part_of_the_page_and_goes_with_it() {
    let (store, _) = open(&FakeDisk::new());
    carry_out(&store, Deed::Found("ct.")).expect("there is room");
    carry_out(&store, Deed::Put("ct.", "one", "please")).expect("there is room");
    assert_eq!(read(&store, &page("ct.")), [named("genesis")]);
    assert_eq!(store.find(&id_of("one")).expect("it is looked for"), None);
    carry_out(&store, Deed::Forget("ct.")).expect("it is forgotten");
    let gone = carry_out(&store, Deed::Put("ct.", "one", "please"));
    assert!(matches!(gone, Err(StoreError::NoSuchPage(_))));
    carry_out(&store, Deed::Found("ct.")).expect("it is founded anew");
    assert_eq!(world(&store)[&page("ct.")], BTreeMap::new());
}
