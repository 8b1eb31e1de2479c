//! The fuzz targets without libFuzzer: every target over its seeds, and over what a fixed row of
//! small changes makes of them. It keeps the targets working; the searching is libFuzzer's.

mod fuzz {
    pub mod bodies;
    pub mod seeds;
}

use std::{env, fs, panic, path::Path};

use fuzz::{
    bodies::TARGETS,
    seeds::{Chance, seeds},
};

/// Changed inputs for each target (choice: a second or two in all).
const ROUNDS: usize = 20_000;
/// Changes of one input, at most.
const CHANGES_MAX: u64 = 4;

#[test]
fn no_target_panics_on_its_seeds_or_on_what_becomes_of_them() {
    for (n, (name, body)) in TARGETS.iter().enumerate() {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        seeds.iter().for_each(|seed| run(name, *body, seed));
        let mut chance = Chance::new(n as u64);
        for _ in 0..ROUNDS {
            let mut input = chance.pick(&seeds).clone();
            for _ in 0..=chance.below(CHANGES_MAX) {
                chance.change(&mut input, &seeds);
            }
            run(name, *body, &input);
        }
    }
}

/// Runs one input, and says which it was if it panics.
fn run(name: &str, body: fn(&[u8]), input: &[u8]) {
    if panic::catch_unwind(|| body(input)).is_err() {
        panic!("{name} fails on {}", data_encoding::HEXLOWER.encode(input));
    }
}

/// With `DJDNS_FUZZ_SEEDS=DIR` in the environment the seeds are written there, for libFuzzer.
#[test]
fn the_seeds_can_be_handed_to_libfuzzer() {
    let Some(folder) = env::var_os("DJDNS_FUZZ_SEEDS") else { return };
    for (name, _) in TARGETS {
        let folder = Path::new(&folder).join(name);
        fs::create_dir_all(&folder).unwrap();
        for (n, seed) in seeds(name).iter().enumerate() {
            fs::write(folder.join(n.to_string()), seed).unwrap();
        }
    }
}
