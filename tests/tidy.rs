//! The rules of the house, as tests: floors, headers, sizes, dead files, clocks, rule ids.
//!
//! Each rule is a function from text to a list of refusals and lives, with the bad examples that
//! it must refuse, in a file beside this one. Here they meet the real tree. Nothing here compiles
//! or parses Rust in full: words and paths are enough, and a rule that needs more is too clever.

mod tidy {
    pub mod floors;
    pub mod purity;
    pub mod rules;
    pub mod shape;
    pub mod source;
}

use tidy::{floors, purity, rules, shape, source};

/// Fails with every refusal on a line of its own.
fn expect_none(refusals: Vec<String>) {
    assert!(refusals.is_empty(), "\n{}\n", refusals.join("\n"));
}

#[test]
fn every_import_goes_down_the_house() {
    expect_none(floors::check_arrows(&source::tree(&["src"])));
    expect_none(floors::check_map(&source::read("src/lib.rs")));
}

#[test]
fn no_modules_of_the_pure_floor_import_each_other_in_a_circle() {
    expect_none(floors::check_cycles(&source::tree(&["src"])));
}

#[test]
fn the_pure_floor_has_no_clock_no_randomness_and_no_files() {
    expect_none(purity::check(&source::tree(&["src"])));
}

#[test]
fn every_file_says_what_it_is_and_stays_small() {
    let src = source::tree(&["src"]);
    expect_none(shape::check_headers(&src));
    expect_none(shape::check_no_mod_rs(&src));
    expect_none(shape::check_sizes(&source::tree(&["src", "tests", "benches"])));
}

#[test]
fn no_file_is_dead() {
    expect_none(shape::check_reachable(&source::tree(&["src", "tests", "benches"])));
}

#[test]
fn nothing_is_left_undone_or_skipped() {
    expect_none(purity::check_left_undone(&source::tree(&["src", "tests", "benches"])));
}

#[test]
fn every_rule_is_in_the_index_and_every_built_one_is_tested_both_ways() {
    let sources = source::tree(&["src", "tests", "benches"]);
    let protocol = source::read("src/protocol.md");
    let index = source::read("src/lib.rs");
    expect_none(rules::check(&protocol, &index, &sources));
}
