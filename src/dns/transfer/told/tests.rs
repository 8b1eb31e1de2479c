//! Mirrors that take pages, do not have them, fail, and are silent.

use std::sync::atomic::{AtomicU16, Ordering};

use super::{
    super::tsig::{self, Algorithm},
    *,
};
use crate::limits::NOTIFY_SILENCE;

const MIRROR: &str = "127.0.0.1:5301";

fn key() -> Arc<Key> {
    let name = Name::parse("mirror").unwrap();
    Arc::new(Key::new(name, Algorithm::Sha256, &[7; 32]).unwrap())
}

/// 2027-01-15T08:00:00Z, and so long after.
fn at(ticks: u64) -> Moment {
    Moment { ticks, seconds: 1_800_000_000 + ticks / 1000 }
}

fn page(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// One mirror, and what it is told and says.
struct Story {
    told: Told,
    mirror: SocketAddr,
}

impl Story {
    fn new(pages: &[&str]) -> Story {
        let mirror = MIRROR.parse().unwrap();
        let mut story = Story { told: Told::new([mirror]), mirror };
        pages.iter().for_each(|name| story.told.begin(&page(name), 1, 0));
        story
    }

    /// Messages that are due, each with the name of its page.
    fn sent(&mut self, now: u64) -> Vec<(String, Vec<u8>)> {
        static ID: AtomicU16 = AtomicU16::new(0);
        let messages = self.told.due(at(now), &key(), || ID.fetch_add(1, Ordering::Relaxed));
        let name = |message: &[u8]| {
            let len = 1 + message[12..].iter().position(|octet| *octet == 0).unwrap();
            Name::from_wire(&message[12..12 + len]).unwrap().to_string()
        };
        messages.into_iter().map(|(_, message)| (name(&message), message)).collect()
    }

    /// It answers all that is due, each page as is said of it.
    fn answers(&mut self, now: u64, says: impl Fn(&str) -> u8) -> Vec<String> {
        let mut names = Vec::new();
        for (name, message) in self.sent(now) {
            let asked = tsig::take(&message).unwrap().unwrap();
            let mut answer = asked.message.clone();
            (answer[2], answer[3]) = (answer[2] | 0x80, says(&name));
            asked.signer(key()).sign(&mut answer, at(now).seconds);
            self.told.heard(self.mirror, &answer, at(now), &key());
            names.push(name);
        }
        names
    }

    fn said(&mut self, now: u64) -> Vec<String> {
        let lines = self.told.lines(at(now), &key());
        lines.into_iter().map(|line| format!("{} {}", line.is_trouble, line.sentence)).collect()
    }

    fn troubles(&self, now: u64) -> Vec<String> {
        self.told.states(at(now), &key()).remove(0).troubles
    }
}

const CALM: u64 = NOTIFY_CALM.as_millis() as u64;
const SILENCE: u64 = NOTIFY_SILENCE.as_millis() as u64;

#[test]
fn a_mirror_of_one_page_is_told_of_the_others_once_and_nobody_is_warned() {
    let mut story = Story::new(&["ff.ct"]);
    let only = |name: &str| if name == "ff.ct." { 0 } else { 9 };
    story.answers(0, only);
    for name in [".", "ct", "music.ct"] {
        story.told.begin(&page(name), 1, 10);
        assert_eq!(story.answers(10, only).len(), 1);
    }
    assert_eq!(story.said(CALM), [""; 0]);
    assert_eq!(story.told.next(), Some(10 + CALM));
    let line = "false the mirror 127.0.0.1:5301 takes 1 of 4 pages; of the others, which it does not \
                have, it is not told any more";
    assert_eq!(story.said(10 + CALM), [line]);
    assert_eq!((story.told.next(), story.troubles(10 + CALM)), (None, vec![]));
    // The next seals.
    for name in [".", "ct", "music.ct", "ff.ct"] {
        story.told.begin(&page(name), 2, 60_000);
    }
    assert_eq!(story.answers(60_000, only), ["ff.ct."]);
    assert_eq!(story.said(100_000), [""; 0]);
    // Who asks for one wants it, and nobody else does.
    story.told.asked([127, 0, 0, 2].into(), &page("ct"), 2, 100_000);
    story.told.asked([127, 0, 0, 1].into(), &page("music.ct"), 2, 100_000);
    for name in ["ct", "music.ct"] {
        story.told.begin(&page(name), 3, 100_000);
    }
    assert_eq!(story.answers(100_000, |_| 0), ["music.ct."]);
    assert!(story.said(200_000)[0].contains("takes 2 of 4 pages"));
    story.told.forget(&page("."));
    story.told.forget(&page("ct"));
    assert!(story.said(300_000)[0].ends_with("takes all 2 pages that it was told of"));
}

#[test]
fn what_is_wrong_with_a_mirror_is_said_in_one_line_for_all_pages() {
    let check = |says: fn(&str) -> u8, expect: &str| {
        let mut story = Story::new(&["ct"]);
        story.answers(0, says);
        story.told.begin(&page("ff.ct"), 1, 1);
        story.answers(1, says);
        let line = format!("true the mirror 127.0.0.1:5301 {expect}");
        let found = story.said(CALM + 1);
        assert!(found.len() == 1 && found[0].starts_with(&line), "{line} {found:?}");
        assert!(story.troubles(120_000)[0].ends_with(" (since 08:00 UTC, 1 minute ago)"));
        // It is said once.
        assert_eq!(story.said(200_000), [""; 0]);
    };
    check(|_| 9, "takes none of the pages that it was told of, 2 of them (NOTAUTH): ");
    check(|_| 5, "takes none of the pages that it was told of, 2 of them (REFUSED): ");
    check(|name| if name == "ct." { 2 } else { 9 }, "fails when it is told of ct. (SERVFAIL): ");
    check(|_| 4, "fails when it is told of ct. and 1 more (NOTIMP): ");
}

#[test]
fn a_silent_mirror_is_told_of_once_until_it_answers() {
    let mut story = Story::new(&["ct", "ff.ct"]);
    let mut now = 0;
    // However often there is a new seal.
    while now < SILENCE {
        assert_eq!((story.said(now), story.troubles(now)), (vec![], vec![]));
        story.sent(now);
        story.told.begin(&page("ct"), now as u32, now);
        now += 500;
    }
    let words = "the mirror 127.0.0.1:5301 does not answer since 08:00 UTC, ";
    let line = story.said(SILENCE).remove(0);
    assert!(line.starts_with(&format!("true {words}")) && line.contains("`notify`"), "{line}");
    assert!(story.troubles(120_000)[0].starts_with(&format!("{words}2 minutes ago")));
    while story.told.next().is_some_and(|next| next < 120_000) {
        story.sent(story.told.next().unwrap());
        assert_eq!(story.said(120_000), [""; 0]);
    }
    // It is there again, and asks: then it is told of what it asks for, once.
    let asks = |story: &mut Story| {
        story.told.asked([127, 0, 0, 1].into(), &page("ct"), 9, 120_000);
    };
    asks(&mut story);
    asks(&mut story);
    assert_eq!(story.answers(120_000, |_| 0), ["ct."]);
    assert_eq!(
        story.said(120_000 + CALM),
        ["false the mirror 127.0.0.1:5301 takes the page that it was told of"]
    );
    assert_eq!((story.troubles(130_000), story.told.next()), (vec![], None));
    asks(&mut story);
    assert!(story.sent(130_000).is_empty());
}

/// Answers a message without a signature, or with what is wrong with that of the question.
fn unsigned(message: &[u8], rcode: u8, fault: Option<Fault>) -> Vec<u8> {
    let asked = tsig::take(message).unwrap().unwrap();
    let mut answer = asked.message.clone();
    (answer[2], answer[3]) = (answer[2] | 0x80, rcode);
    fault.inspect(|fault| asked.refuse(*fault, &key(), at(0).seconds, &mut answer));
    answer
}

#[test]
fn what_is_answered_without_a_signature_is_a_hint_and_no_answer() {
    let check = |rcode: u8, fault: Option<Fault>, expect: &str| {
        let mut story = Story::new(&["ct"]);
        for now in [0, 1000, 3000, 7000] {
            let (_, message) = story.sent(now).remove(0);
            let answer = unsigned(&message, rcode, fault);
            story.told.heard(story.mirror, &answer, at(now), &key());
        }
        assert_eq!(story.sent(SILENCE).len(), 1, "it is told again");
        let line = story.said(SILENCE).remove(0);
        let words = format!("answers {} since 08:00 UTC", Rcode(rcode.into()));
        assert!(line.contains(&words) && line.contains(expect), "{line}");
    };
    check(0, None, "does it have the key mirror with the same secret?");
    check(9, Some(Fault::BadSignature), "it has another secret for the key mirror (BADSIG)");
    check(9, Some(Fault::BadKey), "it has no key mirror of hmac-sha256 (BADKEY)");
}

/// As NSD and Knot do.
#[test]
fn a_mirror_that_signs_only_for_what_it_has_says_that_twice() {
    for rcode in [Rcode::NXDOMAIN, Rcode::NOTAUTH] {
        let mut story = Story::new(&["ct", "ff.ct", "new"]);
        for now in [0, 1000] {
            for (name, message) in story.sent(now) {
                let answer = match &*name {
                    "ff.ct." => {
                        let asked = tsig::take(&message).unwrap().unwrap();
                        let mut answer = asked.message.clone();
                        answer[2] |= 0x80;
                        asked.signer(key()).sign(&mut answer, at(now).seconds);
                        answer
                    }
                    _ => unsigned(&message, rcode.0 as u8, None),
                };
                // Once more changes nothing.
                for _ in 0..2 {
                    story.told.heard(story.mirror, &answer, at(now), &key());
                }
            }
        }
        assert_eq!(story.told.next(), Some(1000 + CALM));
        let line = story.said(1000 + CALM).remove(0);
        assert!(line.starts_with("false") && line.contains("takes 1 of 3 pages"), "{line}");
        assert_eq!((story.troubles(30_000), story.told.next()), (vec![], None));
    }
}

#[test]
fn what_a_mirror_was_refused_is_told_for_an_hour_or_until_it_gets_that_page() {
    let mut story = Story::new(&[]);
    let told = MIRROR_REFUSED_TOLD.as_millis() as u64;
    let home = [127, 0, 0, 1].into();
    story.told.refused([127, 0, 0, 2].into(), &page("ct"), (1, "why"), 0);
    assert_eq!(story.troubles(0), [""; 0]);
    story.told.refused(home, &page("ct"), (1, "why"), 0);
    story.told.refused(home, &page("ct"), (1, "why"), 60_000);
    assert_eq!(story.troubles(120_000), ["why (since 08:00 UTC, 2 minutes ago)"]);
    assert_eq!(story.troubles(60_000 + told), [""; 0]);
    story.told.asked(home, &page("ff.ct"), 1, 120_000);
    assert_eq!(story.troubles(120_000).len(), 1);
    story.told.asked(home, &page("ct"), 1, 120_000);
    assert_eq!(story.troubles(120_000), [""; 0]);
}

/// RFC 8945 section 5.2.3: what is wrong with the time is signed, and says nothing of the page.
#[test]
fn a_mirror_whose_clock_is_wrong_is_told_again_and_that_is_said() {
    let mut story = Story::new(&["ct"]);
    for now in [0, 1000, 3000, 7000] {
        for (_, message) in story.sent(now) {
            let asked = tsig::take(&message).unwrap().unwrap();
            let mut answer = asked.message.clone();
            (answer[2], answer[3]) = (answer[2] | 0x80, 9);
            asked.refuse(Fault::BadTime, &key(), at(now).seconds + 1000, &mut answer);
            story.told.heard(story.mirror, &answer, at(now), &key());
        }
    }
    let line = story.said(SILENCE).remove(0);
    assert!(line.starts_with("true") && line.contains("clocks is wrong (BADTIME)"), "{line}");
}

#[test]
fn a_page_that_goes_before_its_mirror_answered_makes_nobody_silent() {
    let mut story = Story::new(&["ct"]);
    story.sent(0);
    story.told.forget(&page("ct"));
    assert_eq!((story.said(SILENCE), story.told.next()), (vec![], None));
    assert_eq!(story.troubles(SILENCE), [""; 0]);
}
