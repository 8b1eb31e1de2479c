//! `kill -9` at any moment: under load, while starting, and while starting for the first time.

#![expect(clippy::disallowed_methods, reason = "a kill comes at a moment, not at an event")]

use std::{sync::mpsc, thread, time::Duration};

use djdns::{
    control::request::{Answer, Request},
    id::Id,
    page::name::Name,
};

use super::load::{Founder, Moderator, Worker};
use crate::support::daemon::{Daemon, Home};

/// Kills of one directory; the moderators' slots last for more.
const KILLS: u64 = 50;
/// Directories with `DJDNS_FULL=1` in the environment.
const FULL_WORLDS: u64 = 10;

#[test]
fn nothing_that_was_acknowledged_is_missing_after_fifty_kills_under_load() {
    let is_full = std::env::var_os("DJDNS_FULL").is_some();
    for world in 0..if is_full { FULL_WORLDS } else { 1 } {
        fifty_kills(world);
    }
}

fn fifty_kills(world: u64) {
    let home = Home::new();
    let pages = pages(&home.start());
    let mut workers: Vec<Box<dyn Worker>> = vec![
        Box::new(Moderator::new(pages.clone(), ["alice", "bob"])),
        Box::new(Moderator::new(pages, ["carol", "dave"])),
        Box::new(Founder::new()),
    ];
    let mut acknowledged = 0;
    for kill in 0..KILLS {
        let chance = chance(world, kill);
        if kill % 4 == 3 {
            start_and_kill(&home, Duration::from_micros(chance % 20_000));
        }
        let daemon = home.start();
        workers.iter_mut().for_each(|worker| worker.check(&daemon));
        let (count, delay) = (1 + chance % 24, Duration::from_micros(chance >> 8 & 0x7ff));
        acknowledged += kill_under_load(daemon, &mut workers, count as usize, delay);
    }
    let daemon = home.start();
    workers.iter_mut().for_each(|worker| worker.check(&daemon));
    println!("{KILLS} kills, {acknowledged} acknowledgements, nothing missing");
    assert!(acknowledged as u64 > KILLS);
}

/// Lets everybody work until so much is acknowledged, waits, kills, and says how much was.
fn kill_under_load(
    daemon: Daemon,
    workers: &mut [Box<dyn Worker>],
    count: usize,
    delay: Duration,
) -> usize {
    let (done, acknowledgements) = mpsc::channel();
    thread::scope(|scope| {
        for worker in workers {
            let (mut client, done) = (daemon.client(), done.clone());
            scope.spawn(move || {
                while let Ok(count @ 1..) = worker.work(&mut client) {
                    let _ = done.send(count);
                }
            });
        }
        drop(done);
        let mut heard = 0;
        while heard < count {
            heard += acknowledgements.recv().expect("somebody is at work");
        }
        // Not to wait for anything: to hit other moments than right after an acknowledgement.
        thread::sleep(delay);
        daemon.kill();
        heard + acknowledgements.iter().sum::<usize>()
    })
}

fn start_and_kill(home: &Home, delay: Duration) {
    let mut child = home.serve().spawn().expect("the program starts");
    thread::sleep(delay);
    child.kill().expect("it is not waited for yet");
    child.wait().expect("it has ended");
}

#[test]
fn a_first_start_that_is_killed_at_any_moment_is_finished_by_the_next() {
    for moment in 0..24u64 {
        let home = Home::new();
        start_and_kill(&home, Duration::from_micros(moment * 1000));
        let daemon = home.start();
        let found = daemon.resolver().addresses("brickwindows.ff.ct.");
        assert_eq!(found.len(), 2, "killed after {moment} ms: {found:?} {:?}", daemon.said);
        assert_eq!(pages(&daemon).len(), 4, "killed after {moment} ms");
    }
}

/// The pages that are linked from the demonstration's root, and it.
fn pages(daemon: &Daemon) -> Vec<(Name, Id)> {
    let Ok(Answer::Pages(pages)) = daemon.ask(&Request::Pages) else { panic!("no pages") };
    let page = |name: &str, id: &str| Some((Name::parse(name).ok()?, Id::from_hex(id)?));
    let linked = pages.iter().filter(|page| page.linked);
    linked.map(|found| page(&found.name, &found.page_id).expect("a page")).collect()
}

/// A number that looks random and is the same on every run (splitmix64).
fn chance(world: u64, n: u64) -> u64 {
    let mut x = (world << 32 | n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}
