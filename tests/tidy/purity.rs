//! What code may not reach for: clocks, randomness, files and sockets below their floors, and
//! nowhere what leaves work undone.
//!
//! Tests inside `src` are free to use a clock; the code they test is not.

use super::{
    floors,
    source::{Source, is_at, named, test_modules},
};

/// Crates and words of ambient randomness. A seed comes from floor 4.
const RANDOMNESS: [&str; 6] = ["rand", "rand_core", "getrandom", "thread_rng", "OsRng", "fastrand"];

/// What floor 0 does not have: files, sockets, threads, processes, an async runtime.
const OUTSIDE_WORLD: [&[&str]; 11] = [
    &["std", "fs"],
    &["std", "env"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "os"],
    &["std", "net", "UdpSocket"],
    &["std", "net", "TcpStream"],
    &["std", "net", "TcpListener"],
    &["tokio"],
    &["rustix"],
    &["socket2"],
];

/// Macros that leave work undone or were left behind while looking for a fault.
const UNDONE: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// Refuses clocks and randomness below floor 4, and the outside world on floor 0.
pub fn check(sources: &[Source]) -> Vec<String> {
    let modules = floors::modules(sources);
    let tests = test_modules(sources);
    let mut refusals = Vec::new();
    for source in sources.iter().filter(|source| !tests.contains(&source.module())) {
        let here = source.module();
        let Some(floor) = here.first().and_then(|room| floors::floor_of(room)) else { continue };
        let tokens = source.tokens_outside_tests();
        let mut refuse = |line: usize, what: &str| {
            refusals.push(format!("{}:{line}: floor {floor} has no {what}", source.path));
        };
        for named in named(&tokens, &here, &modules) {
            let path: Vec<&str> = named.segments.iter().map(String::as_str).collect();
            if floor < 4 && path.len() > 1 && path.last() == Some(&"now") {
                refuse(named.line, &format!("clock: `{}`; pass the time in", path.join("::")));
            }
            if floor == 0 && OUTSIDE_WORLD.iter().any(|begin| path.starts_with(begin)) {
                refuse(named.line, &format!("`{}`: it decides, a driver acts", path.join("::")));
            }
        }
        for (at, token) in tokens.iter().enumerate() {
            if floor < 4 && is_at(&tokens, at, &[".", "elapsed", "("]) {
                refuse(token.line, "clock: `elapsed`; pass the time in");
            }
            if floor < 4 && RANDOMNESS.contains(&token.text) {
                refuse(token.line, &format!("randomness: `{}`; pass a seed in", token.text));
            }
        }
    }
    refusals
}

/// Refuses what leaves work undone and tests that are skipped.
pub fn check_left_undone(sources: &[Source]) -> Vec<String> {
    let mut refusals = Vec::new();
    for source in sources {
        let tokens = source.tokens();
        let mut attribute_depth = 0usize;
        for (at, token) in tokens.iter().enumerate() {
            let open = is_at(&tokens, at, &["#", "["]) || is_at(&tokens, at, &["#", "!", "["]);
            match token.text {
                "#" if open && attribute_depth == 0 => attribute_depth = 1,
                "[" if attribute_depth > 0 => attribute_depth += 1,
                // The first bracket counted twice, so an attribute ends at depth 1.
                "]" if attribute_depth > 0 => {
                    attribute_depth -= if attribute_depth == 2 { 2 } else { 1 };
                }
                "ignore" if attribute_depth > 0 => {
                    refusals.push(format!(
                        "{}:{}: a skipped test: a test that cannot run fails",
                        source.path, token.line
                    ));
                }
                word if UNDONE.contains(&word) && is_at(&tokens, at + 1, &["!"]) => {
                    refusals.push(format!("{}:{}: `{word}!`", source.path, token.line));
                }
                _ => {}
            }
        }
    }
    refusals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_pure(path: &str, text: &str, expect: usize) {
        let refusals = check(&[Source::new(path, text)]);
        assert_eq!(refusals.len(), expect, "{path}: {text}: {refusals:?}");
    }

    #[test]
    fn a_clock_is_refused_below_floor_4() {
        check_pure("src/page/x.rs", "fn f() { std::time::Instant::now() }", 1);
        check_pure("src/store.rs", "use std::time::SystemTime; fn f() { SystemTime::now() }", 1);
        check_pure("src/dns.rs", "fn f() { tokio::time::Instant::now().elapsed() }", 2);
        check_pure("src/dns.rs", "let clock = Instant::now;", 1);
        check_pure("src/daemon.rs", "let clock = Instant::now;", 0);
        check_pure("src/page/x.rs", "fn f(now: Instant) { g(now, self.now) }", 0);
        check_pure("src/page/x.rs", "#[cfg(test)] mod tests { fn f() { Instant::now() } }", 0);
    }

    #[test]
    fn a_file_of_tests_may_use_a_clock() {
        let check = |store: &str, expect: usize| {
            let tests = Source::new("src/store/tests.rs", "fn f() { Instant::now() }");
            assert_eq!(
                check(&[Source::new("src/store.rs", store), tests]).len(),
                expect,
                "{store}"
            );
        };
        check("#[cfg(test)] mod tests;", 0);
        check("mod tests;", 1);
    }

    #[test]
    fn randomness_is_refused_below_floor_4() {
        check_pure("src/key.rs", "use rand::Rng;", 1);
        check_pure("src/key.rs", "getrandom::fill(&mut seed)", 1);
        check_pure("src/network.rs", "thread_rng()", 1);
        check_pure("src/cli/key.rs", "getrandom::fill(&mut seed)", 0);
        check_pure("src/key.rs", "let random = operand;", 0);
    }

    #[test]
    fn the_outside_world_is_refused_on_floor_0() {
        check_pure("src/page/x.rs", "use std::fs;", 1);
        check_pure("src/page/x.rs", "use std::{fmt, fs::File, io::Read};", 1);
        check_pure("src/sync.rs", "tokio::spawn(x)", 1);
        check_pure("src/sync.rs", "use std::net::{IpAddr, UdpSocket};", 1);
        check_pure("src/store.rs", "use std::fs; use tokio::sync;", 0);
        check_pure("src/page/x.rs", "// std::fs::read\nlet x = \"tokio::spawn\";", 0);
    }

    #[test]
    fn undone_work_and_skipped_tests_are_refused() {
        let check = |text: &str, expect: usize| {
            let refusals = check_left_undone(&[Source::new("src/x.rs", text)]);
            assert_eq!(refusals.len(), expect, "{text}: {refusals:?}");
        };
        check("fn f() { todo !() }", 1);
        check("fn f() { unimplemented !(\"x\") }", 1);
        check("fn f() { dbg !(x) }", 1);
        check("#[test] # [ignore] fn f() {}", 1);
        check("#[test] # [ignore = \"slow\"] fn f() {}", 1);
        check("#[cfg_attr(slow, ignore)] fn f() {}", 1);
        check("#[derive(A)] struct X { ignore: [u8; 2] } fn f(todo: u8) { ignore }", 0);
        check("#[x = y[0]] fn ignore() {} // todo !()", 0);
    }
}
