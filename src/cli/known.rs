//! A key that somebody named by its beginning, as tables and sentences show it.
//!
//! Only keys that are known here can be meant: own ones, those of the demonstration, and what the node
//! knows. Whoever means another gives all of it.

use super::{
    context::{Context, ask},
    fault::{Fault, Outcome},
    key::ring::{Keyring, StoredKey},
};
use crate::{
    control::request::{Answer, Request},
    demo,
    key::{PublicKey, STUB_CHARS},
};

/// Keys that are named where several could be meant (choice: a line).
const NAMED_MAX: usize = 5;

/// The beginning of a key's short form in what was typed, if it is one and not all of it: at least as much
/// as is shown anywhere, since whoever makes a key can choose what a few letters of it are.
pub fn beginning(text: &str) -> Option<&str> {
    let text = text.strip_prefix("did:key:").unwrap_or(text);
    let text = text.strip_suffix('…').unwrap_or(text);
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_word && text.starts_with("z6Mk") && text.len() >= STUB_CHARS).then_some(text)
}

/// That what was typed is the beginning of a key, and fewer letters of it than name one.
pub fn too_short(text: &str) -> Option<Fault> {
    let letters = text.strip_prefix("did:key:").unwrap_or(text);
    let letters = letters.strip_suffix('…').unwrap_or(letters);
    let is_word = letters.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_short = is_word && letters.starts_with("z6Mk") && letters.len() < STUB_CHARS;
    is_short.then(|| {
        Fault::usage(format!(
            "`{text}` is too short for the beginning of a key: give {STUB_CHARS} letters of it, as tables show \
             them, or more; {} are here",
            letters.len()
        ))
    })
}

/// The only key known here that begins as what was typed. `None` when that is no beginning of a key.
///
/// # Errors
/// When none does, or several do.
pub fn meant(context: &mut Context, text: &str) -> Outcome<Option<PublicKey>> {
    let Some(prefix) = beginning(text) else { return Ok(None) };
    let request = Request::Keys { prefix: prefix.to_owned() };
    let node = ask!(context, request, Answer::Keys(keys) => keys);
    let own = Keyring::open(context)?.all()?.0.into_iter().map(|stored| stored.file.public());
    let demo = demo::NAMES.iter().filter_map(|name| Some(demo::key(name)?.public()));
    let known = node.iter().filter_map(|key| PublicKey::parse(key).ok()).chain(own).chain(demo);
    let mut known: Vec<PublicKey> =
        known.filter(|key| key.short_form().starts_with(prefix)).collect();
    known.sort_unstable();
    known.dedup();
    match &known[..] {
        [] => Err(Fault::not_found(format!(
            "no key that is known here begins with `{prefix}`: give all of it, as `djdns key show` prints \
             it where it was made, and `djdns peers` that of a node"
        ))),
        [one] => {
            context.note(format!("`{prefix}` is {one}"));
            Ok(Some(*one))
        }
        several => {
            let named: Vec<String> =
                several.iter().take(NAMED_MAX).map(PublicKey::to_string).collect();
            Err(Fault::refused(format!(
                "`{prefix}` may be any of {} keys, among them {}: give more letters",
                several.len(),
                named.join(", ")
            )))
        }
    }
}

/// The only own key that begins so.
///
/// # Errors
/// As [`Keyring::all`].
pub fn own(ring: &Keyring, text: &str) -> Outcome<Option<StoredKey>> {
    let Some(prefix) = beginning(text) else { return Ok(None) };
    let mut keys = ring.all()?.0;
    keys.retain(|stored| stored.file.public().short_form().starts_with(prefix));
    Ok(keys.pop().filter(|_| keys.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tables_show_of_a_key_is_its_beginning_and_less_is_not() {
        let key = crate::key::SecretKey::from_seed(&[9; 32]).public();
        let whole = key.short_form();
        let check = |text: &str, expect: Option<usize>| {
            assert_eq!(beginning(text), expect.map(|chars| &whole[..chars]), "{text}");
        };
        check(&key.stub(), Some(STUB_CHARS));
        check(&format!("did:key:{}", key.stub()), Some(STUB_CHARS));
        check(&whole[..STUB_CHARS - 1], None);
        check(&whole[..STUB_CHARS], Some(STUB_CHARS));
        check(&whole[..20], Some(20));
        check("alice", None);
        check("z6Mk.ff.ct.page", None);
        check("", None);
    }

    #[test]
    fn a_few_letters_of_a_key_are_told_that_they_are_too_few() {
        let check = |text: &str, expect: bool| {
            let said = too_short(text).map(|fault| fault.to_string());
            assert_eq!(said.is_some(), expect, "{text}");
            assert!(said.is_none_or(|said| said.contains("give 12 letters")), "{text}");
        };
        check("z6MkpmkP", true);
        check("z6MkpmkP…", true);
        check("did:key:z6MkpmkP", true);
        check("z6MkpmkPabcd", false);
        check("z6Mk.ff.ct", false);
        check("alice", false);
    }
}
