//! Golden files: frozen bytes of every format, with what they mean written beside them.
//!
//! `tests/golden/<format>-v1/*.hex` are never edited: what these bytes mean, and what they are
//! named, is what other nodes and old data directories hold djdns to. Each is decoded, described,
//! compared with the `.expect` beside it, and made anew from its keys and values. A test that
//! fails here says that a format or the derivation of an id has changed.
//!
//! With `DJDNS_BLESS=1` in the environment the files are written anew: for new files only.

mod golden {
    pub mod book;
    pub mod describe;
    pub mod files;
    pub mod image;
    pub mod limits;
    pub mod make;
    pub mod refused;
}

use golden::{book, describe, files, image, make};

/// Compares what a format's samples are, decode to, and are made of with the frozen files.
fn check(format: &str, made: Vec<make::Sample>, describe: impl Fn(&[u8]) -> String) {
    let folder = format!("{format}-v1");
    for sample in &made {
        let path = format!("{folder}/{}", sample.name);
        files::bless(&path, "hex", &files::write_hex(sample.what, &sample.bytes));
        files::bless(&path, "expect", &describe(&sample.bytes));
        let frozen = files::read_hex(&path);
        assert_eq!(describe(&frozen), files::read(&path, "expect"), "{path} means something else");
        assert_eq!(
            files::write_hex(sample.what, &sample.bytes),
            files::read(&path, "hex"),
            "{path} is encoded otherwise"
        );
    }
    let mut names: Vec<String> = made.iter().map(|sample| sample.name.to_owned()).collect();
    names.sort();
    assert_eq!(names, files::names(&folder), "the samples of {folder}");
}

#[test]
fn keys_are_shown_as_ever() {
    check("key", make::keys(), describe::key);
}

#[test]
fn a_genesis_gives_the_page_id_that_it_ever_gave() {
    check("genesis", make::geneses(), describe::genesis);
}

#[test]
fn entries_are_encoded_as_ever() {
    check("entry", make::entries(), describe::entry);
}

#[test]
fn statements_of_every_kind_are_encoded_named_and_signed_as_ever() {
    check("statement", make::statements(), describe::statement);
}

#[test]
fn a_seal_and_its_certificate_are_encoded_named_and_signed_as_ever() {
    check("seal", make::seals(), describe::seal);
}

#[test]
fn a_page_taken_over_is_the_page_it_ever_was_and_pieces_show_what_they_did() {
    check("jump", make::jumps(), describe::jump);
    check("piece", make::pieces(), describe::piece);
}

#[test]
fn an_attestation_is_encoded_named_and_signed_as_ever() {
    check("attestation", make::attestations(), describe::attestation);
}

#[test]
fn petitions_and_refusals_are_encoded_named_and_signed_as_ever() {
    check("petition", make::petitions(), describe::petition);
    check("refusal", make::refusals(), describe::refusal);
}

#[test]
fn beacons_are_encoded_signed_and_written_as_ever() {
    check("beacon", make::beacons(), describe::beacon);
}

#[test]
fn a_petition_in_an_outbox_is_read_as_ever() {
    check("outbox", make::sent(), describe::sent);
}

#[test]
fn a_letter_in_an_inbox_is_read_as_ever() {
    check("inbox", make::letters(), describe::letter);
}

#[test]
fn what_nodes_say_to_each_other_is_encoded_as_ever() {
    check("message", make::messages(), describe::message);
}

#[test]
fn an_address_book_is_kept_as_ever() {
    check("book", book::books(), book::describe);
}

#[test]
fn an_acceptance_is_the_signature_it_ever_was() {
    check("acceptance", make::acceptances(), describe::acceptance);
}

#[test]
fn a_bundle_is_the_page_with_the_state_root_it_ever_was() {
    check("bundle", make::bundles(), describe::bundle);
}

#[test]
fn the_log_of_a_page_is_read_as_ever() {
    check("log", make::logs(), describe::log);
}

/// One that reads otherwise has another version, and is not used.
#[test]
fn the_image_of_a_page_is_read_as_ever() {
    let path = "image-v1/page";
    let made = image::make();
    files::bless(path, "hex", &files::write_hex("a page with nodes of every kind", &made));
    files::bless(path, "expect", &image::describe(&made));
    assert_eq!(image::describe(&files::read_hex(path)), files::read(path, "expect"));
    assert_eq!(image::describe(&made), files::read(path, "expect"));
}
