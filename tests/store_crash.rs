//! The store loses nothing that it acknowledged, whenever and however the machine stops.
//!
//! A disk in memory crashes at every operation and at every byte of every write, and comes back
//! in every way that [`Survival`] knows. A real process is killed while it writes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use djdns::id::Id;
use djdns::limits::IMAGE_SPARES;
use djdns::store::fake::{FakeDisk, Operation, Survival};
use djdns::store::{Notice, Record, Store, StoreError};

mod support {
    pub mod store;
}
use support::store::{DIR, NONCE, content, id_of, log_path, named, open, open_real, page, read};
use support::store::{try_open, try_read};

/// Of a log that takes the place of another.
const OTHER_NONCE: [u8; 8] = *b"another.";

/// Something a person does to the store.
#[derive(Clone, Debug)]
enum Deed {
    Found(&'static str, Vec<Record>),
    Append(&'static str, Vec<Record>),
    Replace(&'static str, Vec<Record>),
    Forget(&'static str),
    Anchors(&'static str),
}

/// What must be in the store: pages with their records, and the anchors.
#[derive(Clone, Debug, Default, PartialEq)]
struct World {
    pages: BTreeMap<Id, Vec<Record>>,
    anchors: Vec<u8>,
}

impl World {
    fn after(&self, deed: &Deed) -> World {
        let mut world = self.clone();
        match deed {
            Deed::Found(name, records) | Deed::Replace(name, records) => {
                drop(world.pages.insert(page(name), records.clone()));
            }
            Deed::Append(name, records) => {
                world.pages.entry(page(name)).or_default().extend(records.clone());
            }
            Deed::Forget(name) => drop(world.pages.remove(&page(name))),
            Deed::Anchors(text) => world.anchors = text.as_bytes().to_vec(),
        }
        world
    }

    fn of(store: &Store) -> World {
        let pages = store.pages().expect("pages are listed");
        World {
            pages: pages.into_iter().map(|page| (page, read(store, &page))).collect(),
            anchors: store.anchors().expect("the anchors read"),
        }
    }
}

fn carry_out(store: &Store, deed: &Deed) -> Result<(), StoreError> {
    match deed {
        Deed::Found(name, records) => store.found(&page(name), NONCE, records.clone()),
        Deed::Append(name, records) => store.append(&page(name), records),
        Deed::Replace(name, records) => store.replace(&page(name), OTHER_NONCE, records.clone()),
        Deed::Forget(name) => store.forget(&page(name)),
        Deed::Anchors(text) => store.set_anchors(text.as_bytes()),
    }
}

/// A short life with everything in it.
fn a_life() -> Vec<Deed> {
    vec![
        Deed::Found("ct.", vec![named("genesis of ct."), content("a"), content("b")]),
        Deed::Append("ct.", vec![named("one"), named("two")]),
        Deed::Anchors("the first anchors"),
        Deed::Append("ct.", vec![named("three")]),
        Deed::Found("ff.", vec![named("genesis of ff."), content("c")]),
        Deed::Anchors("the second"),
        Deed::Append("ff.", vec![named("four")]),
        Deed::Forget("ff."),
        Deed::Append("ct.", vec![named("five"), content("six")]),
    ]
}

/// A life in which a log is replaced, by a shorter one and by a longer one.
fn a_life_with_replacements() -> Vec<Deed> {
    vec![
        Deed::Found("ct.", vec![named("genesis of ct."), content("a"), content("b")]),
        Deed::Append("ct.", vec![named("one"), named("two")]),
        Deed::Replace("ct.", vec![named("genesis of ct."), named("two")]),
        Deed::Append("ct.", vec![named("three")]),
        Deed::Found("ff.", vec![named("genesis of ff.")]),
        Deed::Replace("ff.", vec![named("genesis of ff."), content("c"), named("four")]),
        Deed::Append("ff.", vec![named("five")]),
    ]
}

/// A page large enough to be founded in several frames.
fn a_large_founding() -> Vec<Deed> {
    let large = |byte| Record::unnamed(1, vec![byte; 1_100_000]);
    vec![Deed::Found("ff.", vec![named("genesis of ff."), large(1), large(2), content("c")])]
}

/// Lives until the disk crashes. Returns what was acknowledged, and what it would be with the
/// deed that was under way.
fn live(disk: &FakeDisk, life: &[Deed]) -> (World, World) {
    let mut world = World::default();
    let Ok((store, _)) = try_open(disk) else {
        return (world.clone(), world);
    };
    for deed in life {
        let next = world.after(deed);
        if carry_out(&store, deed).is_err() {
            return (world, next);
        }
        world = next;
    }
    (world.clone(), world)
}

/// The bytes of a write that are worth crashing at: all of a small one, two of a large one.
fn crash_bytes(operation: &Operation) -> Vec<usize> {
    match operation {
        Operation::Write(length) if *length <= 1000 => (0..=*length).collect(),
        Operation::Write(length) => vec![4096, *length],
        _ => vec![0],
    }
}

fn invariant_acknowledged_is_there_and_nothing_by_halves(
    store: &Store,
    acknowledged: &World,
    under_way: &World,
    story: &str,
) {
    let found = World::of(store);
    assert!(found == *acknowledged || found == *under_way, "{story}: found {found:?}");
    for (page, records) in &found.pages {
        assert_eq!(store.verify(page).expect(story).records, records.len() as u64, "{story}");
    }
}

/// Every crash of a life, as the operation's number, the bytes of it that happen, and its name.
fn crashes(life: &[Deed]) -> Vec<(usize, usize, Operation)> {
    let disk = FakeDisk::new();
    live(&disk, life);
    let operations = disk.operations().into_iter().enumerate();
    operations
        .flat_map(|(at, operation)| {
            crash_bytes(&operation).into_iter().map(move |bytes| (at, bytes, operation.clone()))
        })
        .collect()
}

#[test]
fn whenever_the_machine_stops_what_was_acknowledged_is_there_and_nothing_is_half_done() {
    crash_everywhere(&a_life());
}

#[test]
fn a_log_is_replaced_wholly_or_not_at_all() {
    crash_everywhere(&a_life_with_replacements());
}

#[test]
fn a_large_page_is_founded_wholly_or_not_at_all() {
    crash_everywhere(&a_large_founding());
}

fn crash_everywhere(life: &[Deed]) {
    for (at, bytes, operation) in crashes(life) {
        let disk = FakeDisk::new();
        disk.crash_at(at, bytes);
        let (acknowledged, under_way) = live(&disk, life);
        for survival in Survival::all() {
            let story = format!("crash at {at}, {operation:?} after {bytes} bytes, {survival:?}");
            let disk = disk.reboot(survival);
            let (store, notices) = open(&disk);
            invariant_acknowledged_is_there_and_nothing_by_halves(
                &store,
                &acknowledged,
                &under_way,
                &story,
            );
            let damaged = |notice: &Notice| matches!(notice, Notice::Damaged { .. });
            assert!(!notices.iter().any(damaged), "{story}: {notices:?}");
            // What the opening repaired stays repaired, and the pages take changes.
            let world = World::of(&store);
            for page in world.pages.keys() {
                store.append(page, &[named("after the crash")]).expect(&story);
            }
            drop(store);
            let (store, notices) =
                open(&disk.reboot(Survival::all().next().expect("there is one")));
            assert_eq!(notices, [], "{story}");
            for (page, mut records) in world.pages {
                records.push(named("after the crash"));
                assert_eq!(read(&store, &page), records, "{story}");
            }
        }
    }
}

/// A store with two changes of a page and an image of the first, which is of no use any more.
fn with_an_old_image(disk: &FakeDisk) -> Store {
    let (store, _) = open(disk);
    let ct = page("ct.");
    store.found(&ct, NONCE, [named("genesis of ct."), content("a")]).expect("it is founded");
    let mark = store.mark(&ct).expect("it is sound");
    store.set_image(&ct, &mark, [&b"an old image"[..]].into_iter()).expect("there is room");
    store.append(&ct, &[named("one")]).expect("there is room");
    store
}

/// The image by which a store would show a page, once it is opened, and the store.
fn by_images(disk: &FakeDisk) -> (Option<Vec<u8>>, Store) {
    let mut image = None;
    let mut takes = |_: &Id, content: bytes::Bytes| {
        image = Some(content.to_vec());
        true
    };
    let disk = Arc::new(disk.clone());
    let opened = Store::open_by_images(disk, Path::new(DIR), "a test", &mut takes, &mut |_| {});
    let (store, _) = opened.expect("the store opens");
    (image, store)
}

#[test]
fn whenever_the_machine_stops_while_an_image_is_written_there_is_all_of_it_or_none() {
    let ct = page("ct.");
    let image = b"the new image, in two parts";
    let write = |disk: &FakeDisk| {
        let store = with_an_old_image(disk);
        let before = disk.operations().len();
        let mark = store.mark(&ct).expect("it is sound");
        let parts = [&image[..7], &image[7..]];
        let written = store.set_image(&ct, &mark, parts.into_iter());
        (before, written.is_ok())
    };
    let (operations, before) = {
        let disk = FakeDisk::new();
        let (before, _) = write(&disk);
        (disk.operations(), before)
    };
    let (mut seen, mut stories) = ([false; 2], 0);
    for (at, operation) in operations.into_iter().enumerate().skip(before) {
        for bytes in crash_bytes(&operation) {
            let disk = FakeDisk::new();
            disk.crash_at(at, bytes);
            let (_, acknowledged) = write(&disk);
            for survival in Survival::all() {
                let story = format!("{operation:?} after {bytes} bytes, {survival:?}");
                let (found, store) = by_images(&disk.reboot(survival));
                assert!(found.is_none() || found.as_deref() == Some(image), "{story}: {found:?}");
                assert!(found.is_some() || !acknowledged, "{story}");
                seen[usize::from(found.is_some())] = true;
                // Until its log is read, a page can neither be read nor changed.
                assert_eq!(try_read(&store, &ct).is_err(), found.is_some(), "{story}");
                assert_eq!(store.append(&ct, &[named("x")]).is_err(), found.is_some(), "{story}");
                assert_eq!(store.check(&ct, &mut |_| {}).expect(&story), [], "{story}");
                store.append(&ct, &[named("two")]).expect(&story);
                assert_eq!(store.find(&id_of("one")).expect(&story), Some(named("one")), "{story}");
                assert_eq!(store.find(&id_of("two")).expect(&story), Some(named("two")), "{story}");
                stories += 1;
            }
        }
    }
    assert!(seen == [true; 2] && stories > 50, "{seen:?} in {stories} stories");
}

#[test]
fn an_image_leaves_room_for_changes() {
    let (disk, ct) = (FakeDisk::new(), page("ct."));
    let store = with_an_old_image(&disk);
    let mark = store.mark(&ct).expect("it is sound");
    let image = [&b"a new image"[..]];
    let used = disk.used();
    let needed = used + 200 + IMAGE_SPARES as usize;
    disk.set_space(Some(needed - 200));
    let refused = store.set_image(&ct, &mark, image.into_iter());
    assert!(matches!(refused, Err(StoreError::LittleSpace)), "{refused:?}");
    assert_eq!(disk.used(), used);
    disk.set_space(Some(needed));
    store.set_image(&ct, &mark, image.into_iter()).expect("there is room");
    assert_eq!(by_images(&disk).0.as_deref(), Some(image[0]));
}

#[test]
fn a_machine_that_stops_again_while_the_store_recovers_loses_nothing_either() {
    let life = a_life();
    let stops = crashes(&life).into_iter().filter(|(_, bytes, _)| bytes % 50 == 0);
    for (at, bytes, operation) in stops {
        let disk = FakeDisk::new();
        disk.crash_at(at, bytes);
        let (acknowledged, under_way) = live(&disk, &life);
        for survival in Survival::all() {
            let count = {
                let disk = disk.reboot(survival);
                open(&disk);
                disk.operations().len()
            };
            for (second, again) in (0..count).flat_map(|at| Survival::all().map(move |s| (at, s))) {
                let disk = disk.reboot(survival);
                disk.crash_at(second, 0);
                assert!(try_open(&disk).is_err());
                let (store, _) = open(&disk.reboot(again));
                let story = format!("{at} {operation:?} {survival:?}, then {second} {again:?}");
                invariant_acknowledged_is_there_and_nothing_by_halves(
                    &store,
                    &acknowledged,
                    &under_way,
                    &story,
                );
            }
        }
    }
}

#[test]
fn a_full_disk_is_a_clear_refusal_at_every_byte_and_changes_nothing() {
    let sizes = {
        let disk = FakeDisk::new();
        live(&disk, &a_life());
        let writes = disk.operations().into_iter().filter_map(|operation| match operation {
            Operation::Write(length) => Some(length),
            _ => None,
        });
        writes.sum::<usize>()
    };
    for space in 0..=sizes {
        let disk = FakeDisk::new();
        let (store, _) = open(&disk);
        let mut world = World::default();
        disk.set_space(Some(space));
        for deed in a_life() {
            match carry_out(&store, &deed) {
                Ok(()) => world = world.after(&deed),
                Err(StoreError::NoSuchPage(_)) => {}
                Err(error) => {
                    assert!(matches!(error, StoreError::DiskFull { .. }), "{space}: {error}");
                    assert!(error.to_string().starts_with("the disk is full: nothing was changed"));
                }
            }
            assert_eq!(World::of(&store), world, "{space} bytes, after {deed:?}");
        }
        disk.set_space(None);
        for page in world.pages.keys() {
            store.append(page, &[named("there is room again")]).expect("there is room again");
        }
        for survival in Survival::all() {
            let (found, notices) = open(&disk.reboot(survival));
            assert_eq!(World::of(&found), World::of(&store), "{space} bytes, {survival:?}");
            assert_eq!(notices, [], "{space} bytes, {survival:?}");
        }
    }
}

#[test]
fn a_failed_write_that_cannot_be_undone_stops_the_page_until_the_next_start() {
    let disk = FakeDisk::new();
    let (store, _) = open(&disk);
    let ct = page("ct.");
    store.found(&ct, NONCE, [named("genesis")]).expect("there is room");
    let used = disk.bytes(&log_path(Path::new(DIR), &ct)).len();
    disk.set_space(Some(used + 50));
    disk.fail_truncation(true);
    let refused = store.append(&ct, &[named("one")]);
    assert!(matches!(refused, Err(StoreError::DiskFull { .. })));
    disk.set_space(None);
    let refused = store.append(&ct, &[named("two")]);
    assert!(matches!(refused, Err(StoreError::Poisoned { .. })));
    assert_eq!(read(&store, &ct), [named("genesis")]);
    disk.fail_truncation(false);
    drop(store);
    let (store, notices) = open(&disk);
    assert!(matches!(notices[..], [Notice::TornTail { .. }]), "{notices:?}");
    store.append(&ct, &[named("two")]).expect("the page takes changes again");
    assert_eq!(read(&store, &ct), [named("genesis"), named("two")]);
}

/// The environment variable by which the killed process knows its directory.
const VICTIM: &str = "DJDNS_TEST_STORE_VICTIM";
const KILLS: u64 = 12;

#[test]
fn a_process_killed_while_it_writes_has_lost_nothing_that_it_acknowledged() {
    if let Some(dir) = std::env::var_os(VICTIM) {
        append_until_killed(Path::new(&dir));
    }
    let dir = tempfile::tempdir().expect("a directory");
    let ct = page("ct.");
    open_real(dir.path()).0.found(&ct, NONCE, [named("genesis")]).expect("it is founded");
    let mut acknowledged = 0;
    for kill in 1..=KILLS {
        acknowledged = acknowledged.max(kill_after(dir.path(), kill * 7));
        let (store, notices) = open_real(dir.path());
        let torn = |notice: &Notice| matches!(notice, Notice::TornTail { .. });
        assert!(notices.iter().all(torn), "{notices:?}");
        let records = read(&store, &ct);
        let numbers = records[1..].iter().map(|record| record.bytes.clone());
        let expected = (0..records.len() as u64 - 1).map(|number| text(number).into_bytes());
        assert!(numbers.eq(expected));
        assert!(records.len() as u64 > acknowledged, "{acknowledged} are acknowledged");
        let last = id_of(&text(records.len() as u64 - 2));
        assert_eq!(store.find(&last).expect("it is looked up").as_ref(), records.last());
    }
}

fn text(number: u64) -> String {
    format!("record {number}")
}

/// The killed process: appends numbered records, three to a change, and says what is durable.
fn append_until_killed(dir: &Path) -> ! {
    let (store, _) = open_real(dir);
    let ct = page("ct.");
    let mut next = try_read(&store, &ct).expect("the page reads").len() as u64 - 1;
    loop {
        let records = [next, next + 1, next + 2].map(|number| named(&text(number)));
        store.append(&ct, &records).expect("there is room");
        next += 3;
        println!("\nacknowledged {next}");
    }
}

/// Lets a process write until it has said so many things, kills it, and returns how many records
/// it acknowledged.
fn kill_after(dir: &Path, lines: u64) -> u64 {
    let this = std::env::current_exe().expect("a test knows its program");
    let mut child = Command::new(this)
        .args(["a_process_killed_while_it_writes", "--nocapture"])
        .env(VICTIM, dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test starts again");
    let mut said = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut acknowledged = 0;
    let mut heard = 0;
    while let Some(Ok(line)) = said.next() {
        if let Some(count) = line.strip_prefix("acknowledged ") {
            acknowledged = count.parse().expect("a number");
            heard += 1;
        }
        // What it says after the signal was sent counts as well.
        if heard == lines {
            child.kill().expect("it runs");
        }
    }
    child.wait().expect("it has ended");
    assert!(heard >= lines, "the process ended by itself");
    acknowledged
}
