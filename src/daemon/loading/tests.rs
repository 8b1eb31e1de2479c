//! Stories of a start from images, on a disk in memory: nothing here waits, since what is read behind the
//! answers is read when the test says so.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::*;
use crate::{
    daemon::{node::Opening, surroundings::Surroundings, whole::WholePage},
    dns::{Transport, Trouble, respond},
    governance::{
        ballot::{Ballot, Choice},
        operation::{Change, Operation, Register, SetEntry},
        statement::{Body, Statement},
    },
    key::SecretKey,
    page::{
        Page,
        entry::{Rdata, RecordSet, RecordSets},
        genesis::{Parameters, RawGenesis},
        name::{Name, Owner},
        record::RecordType,
        roster_rows,
    },
    store::{
        disk::Disk,
        fake::{FakeDisk, Survival},
    },
};

const BEGIN: u64 = 1_795_132_800;
const LARGE: usize = IMAGE_NAMES_MIN;

fn person() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

fn ct() -> Name {
    Name::parse("ct").unwrap()
}

fn owner(text: &str) -> Owner {
    Owner::parse(text, &ct()).unwrap()
}

fn open(disk: &FakeDisk, opening: Opening) -> Arc<Node> {
    let surroundings = Surroundings {
        disk: Arc::new(disk.clone()),
        milliseconds: Arc::new(|| BEGIN * 1000),
        ticks: Arc::new(|| 0),
        random: Arc::new(|| [9; 32]),
        demonstration: false,
        ends_with_process: false,
    };
    let node = Node::begin(surroundings, Path::new("/data"), "a test", opening, &mut |_, _, _| {})
        .unwrap();
    node.view();
    node
}

/// A node with a page of one person with so many names, trusted, and the page.
fn home(names: usize) -> (FakeDisk, Arc<Node>, Id) {
    let disk = FakeDisk::new();
    let node = open(&disk, Opening::Whole);
    let genesis = RawGenesis::new(
        ct(),
        roster_rows([(person().public(), 1)]),
        Parameters::default(),
        BEGIN,
        Id::ZERO,
    );
    let entries = (0..names).map(|n| {
        // Every third is below another name, and a few below one that exists by them alone.
        let owner = owner(&match n % 3 {
            0 => format!("n{n}"),
            1 => format!("a.n{}", n - 1),
            _ => format!("x.n{n}.of{}.e", n % 50),
        });
        let data = (RecordType::A, 3600, (n as u32).to_be_bytes().to_vec());
        let sets = RecordSets::gather([data], &owner, &ct()).unwrap();
        (owner, sets)
    });
    let (_, raw) = Page::found(genesis, entries).unwrap();
    let whole = WholePage { raw, ..WholePage::default() };
    let page = node.admit_page(whole, &mut |_, _, _| {}).unwrap().page().id();
    node.join(&ct(), &page).unwrap();
    (disk, node, page)
}

/// Makes that the ratified address of a name, by the `n`th thing that the person says.
fn ratify(node: &Node, page: &Id, n: u32, text: &str, address: [u8; 4]) {
    let present = node.page(page).unwrap();
    let parent = present.version(&Register::Entry(owner(text)));
    let rdata = vec![Rdata(address.into())];
    let sets = vec![RecordSet { rtype: RecordType::A, ttl: 3600, rdata }];
    let change = Change::SetEntry(SetEntry { owner: owner(text), parent, sets });
    let author = person().public().raw();
    let operation = Operation { author, slot: n, base: present.page().seal(), change };
    let operation = Statement::sign(page, Body::Operation(operation), &person()).unwrap();
    let rows = vec![(operation.id(), Choice::Approve)];
    let ballot = Ballot { voter: author, sequence: n.into(), rows, reason: String::new() };
    let ballot = Statement::sign(page, Body::Ballot(ballot), &person()).unwrap();
    node.submit(&[operation, ballot]).unwrap();
}

/// What DNS answers to a question for the address of a name, as octets.
fn answer(node: &Node, text: &str) -> Vec<u8> {
    let name = Name::parse(text).unwrap();
    let head = [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let query = [&head[..], name.wire(), &[0, 1, 0, 1]].concat();
    respond(&node.view().load(), &query, Transport::Udp).unwrap()
}

fn rcode(answer: &[u8]) -> u8 {
    answer[3] & 15
}

/// That two nodes show the same of a page, in every node.
fn check_same(one: &Node, other: &Node, page: &Id) {
    let (one, other) = (one.view().load_full(), other.view().load_full());
    let [one, other] = [&one, &other].map(|view| view.page(page).unwrap());
    assert_eq!(one.meta(), other.meta());
    assert_eq!(one.names(), other.names());
    assert!(one.nodes().all(|node| other.node(node.owner()).is_some_and(|it| it.same(node))));
}

fn file(page: &Id, name: &str) -> PathBuf {
    Path::new("/data/pages").join(page.to_string()).join(name)
}

fn reboot(disk: &FakeDisk) -> FakeDisk {
    disk.reboot(Survival::all().next().unwrap())
}

fn finish(node: &Node) {
    node.finish_loading(&mut |_, _, _| {});
}

#[test]
fn a_page_is_answered_from_its_image_before_its_log_is_read_and_the_same_after() {
    let (disk, node, page) = home(LARGE);
    ratify(&node, &page, 1, "soft", [192, 0, 2, 7]);
    ratify(&node, &page, 2, "n6", [192, 0, 2, 9]);
    let asked = ["n0.ct", "a.n3.ct", "soft.ct", "n6.ct", "gone.ct", "e.ct", "ct"];
    let before: Vec<Vec<u8>> = asked.map(|name| answer(&node, name)).into();
    node.keep_images();
    drop(node);
    let disk = reboot(&disk);
    let early = open(&disk, Opening::ByImages);
    assert!(early.is_loading() && early.page(&page).is_none(), "its log is not read yet");
    assert!(early.submit(&[]).is_ok());
    assert_eq!(asked.map(|name| answer(&early, name)).to_vec(), before);
    let waiting = {
        let early = early.clone();
        std::thread::spawn(move || early.wait_until_loaded())
    };
    finish(&early);
    waiting.join().unwrap();
    assert!(!early.is_loading());
    let whole = open(&reboot(&disk), Opening::Whole);
    check_same(&early, &whole, &page);
    assert_eq!(asked.map(|name| answer(&early, name)).to_vec(), before);
    // It is a page as any other now.
    ratify(&early, &page, 3, "soft", [192, 0, 2, 8]);
    assert_ne!(answer(&early, "soft.ct"), before[2]);
    assert_eq!(early.notices(), [] as [String; 0]);
}

#[test]
fn an_image_of_another_state_of_the_log_is_not_used_and_neither_is_a_damaged_one() {
    let (disk, node, page) = home(LARGE);
    node.keep_images();
    let image = disk.bytes(&file(&page, "image"));
    let log = disk.bytes(&file(&page, "log"));
    let check = |what: &str, change: &dyn Fn(&FakeDisk), uses: bool| {
        let disk = reboot(&disk);
        change(&disk);
        let node = open(&disk, Opening::ByImages);
        assert_eq!(node.is_loading(), uses, "{what}");
        finish(&node);
        assert!(node.page(&page).is_some(), "{what}");
        assert_eq!(rcode(&answer(&node, "n0.ct")), 0, "{what}");
        node
    };
    check("as it was written", &|_| {}, true);
    for at in [9, 60, 200, image.len() / 2, image.len() - 1] {
        let mut bytes = image.clone();
        bytes[at] ^= 1;
        let change = |disk: &FakeDisk| disk.set_bytes(&file(&page, "image"), &bytes);
        check(&format!("byte {at}"), &change, false);
    }
    {
        // It is written anew, and of use again.
        let disk = reboot(&disk);
        let mut bytes = image.clone();
        bytes[200] ^= 1;
        disk.set_bytes(&file(&page, "image"), &bytes);
        open(&disk, Opening::ByImages).keep_images();
        assert!(open(&disk, Opening::ByImages).is_loading());
    }
    for length in [0, 120, image.len() - 1] {
        let cut = |disk: &FakeDisk| disk.set_bytes(&file(&page, "image"), &image[..length]);
        check(&format!("cut to {length}"), &cut, false);
    }
    // A change came after it, by a command that writes no image.
    let changed = reboot(&disk);
    ratify(&open(&changed, Opening::Whole), &page, 1, "soft", [192, 0, 2, 7]);
    let newer = changed.bytes(&file(&page, "log"));
    let later = |disk: &FakeDisk| disk.set_bytes(&file(&page, "log"), &newer);
    let node = check("a change came after it", &later, false);
    assert_eq!(rcode(&answer(&node, "soft.ct")), 0);
    // The next end writes it anew.
    node.keep_images();
    let image = disk.bytes(&file(&page, "image"));
    // The log lost its end, which the image has.
    let lost = |disk: &FakeDisk| {
        disk.set_bytes(&file(&page, "image"), &image);
        disk.set_bytes(&file(&page, "log"), &newer[..newer.len() - 3]);
    };
    check("the log is shorter than when it was written", &lost, false);
    assert!(newer.len() > log.len());
}

#[test]
fn a_log_that_turns_out_damaged_takes_the_page_from_the_answers_and_its_image_away() {
    let (disk, node, page) = home(LARGE);
    node.keep_images();
    let disk = reboot(&disk);
    let mut log = disk.bytes(&file(&page, "log"));
    let middle = log.len() / 2;
    log[middle] ^= 1;
    disk.set_bytes(&file(&page, "log"), &log);
    let node = open(&disk, Opening::ByImages);
    assert!(node.is_loading());
    assert_eq!(rcode(&answer(&node, "n0.ct")), 0);
    finish(&node);
    assert!(!node.is_loading());
    assert_eq!(rcode(&answer(&node, "n0.ct")), 2, "SERVFAIL, as at any start");
    assert_eq!(node.view().load().trouble(&page), Some(Trouble::Damaged));
    assert!(node.notices().iter().any(|notice| notice.contains("is damaged at byte")));
    assert!(!disk.exists(&file(&page, "image")).unwrap());
    assert!(!open(&reboot(&disk), Opening::ByImages).is_loading());
}

#[test]
fn images_are_of_large_pages_only_are_not_written_twice_and_go_with_their_page() {
    let (disk, node, page) = home(5);
    node.keep_images();
    assert!(!disk.exists(&file(&page, "image")).unwrap(), "the page is small");
    let (disk, node, page) = home(LARGE);
    node.keep_images();
    let done = disk.operations().len();
    node.keep_images();
    assert_eq!(disk.operations().len(), done, "it is of the newest state already");
    ratify(&node, &page, 1, "soft", [192, 0, 2, 7]);
    let done = disk.operations().len();
    assert!(disk.exists(&file(&page, "image")).unwrap(), "a change leaves it as it is");
    node.keep_images();
    assert!(disk.operations().len() > done);
    node.store.forget(&page).unwrap();
    assert!(!disk.exists(&file(&page, "image")).unwrap());
}
