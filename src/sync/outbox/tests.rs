//! Outboxes in virtual time: whom they ask when, and what they believe.

use super::*;
use crate::{
    governance::petition::{Asking, Refusing},
    key::SecretKey,
    page::{
        genesis::{Parameters, RawGenesis},
        name::{Name, Owner},
        roster_rows,
    },
};

const NOW: u64 = 1_800_000_000;
const LIFE: u64 = PETITION_LIFE.as_secs();
const RETRY: u64 = PETITION_RETRY.as_secs();

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

fn host(n: u8) -> PublicKey {
    key(n).public()
}

/// A page of three, 1 to 3; others are strangers.
fn page() -> Page {
    let roster = roster_rows((1..=3).map(|n| (key(n).public(), 1)));
    let name = Name::parse("ff.ct").unwrap();
    let raw = RawGenesis::new(name, roster, Parameters::default(), 1, Id::ZERO);
    Page::found(raw, []).unwrap().0
}

/// The petition of that number.
fn petition(number: u64) -> Petition {
    let asking = Asking {
        author: host(9).raw(),
        owner: Owner::parse("friend", &Name::parse("ff.ct").unwrap()).unwrap(),
        sets: Vec::new(),
        created: NOW,
        words: number.to_string(),
    };
    Petition::sign(&page().id(), &asking, &key(9)).unwrap()
}

/// An outbox with one petition.
fn outbox() -> Outbox {
    let mut outbox = Outbox::default();
    assert_eq!(outbox.keep(petition(1), NOW), Ok(None));
    outbox
}

fn refusal(by: u8) -> PetitionAnswer {
    let said =
        Refusing { participant: host(by).raw(), petition: petition(1).id(), words: "no".into() };
    let refusal = Refusal::sign(&page().id(), &said, &key(by)).unwrap();
    PetitionAnswer::Refused(Rdata(refusal.bytes().into()))
}

fn fate(outbox: &Outbox, now: u64) -> &'static str {
    outbox.row(&petition(1).id()).unwrap().fate(now).word()
}

/// Whom something is asked of now, and whether it is the petition itself.
fn asked(errands: &[Errand]) -> Vec<(PublicKey, bool)> {
    errands
        .iter()
        .map(|errand| (errand.host, matches!(errand.request, Request::Petition(_))))
        .collect()
}

/// G13 accepts: a petition is handed to every host, and each is asked until it knows the end.
#[test]
fn each_host_is_handed_the_petition_and_asked_what_became_of_it() {
    let (mut outbox, hosts, page) = (outbox(), [host(7), host(8)], page());
    let errands = outbox.due(&hosts, &[], NOW);
    assert_eq!(asked(&errands), [(host(7), true), (host(8), true)]);
    assert_eq!(fate(&outbox, NOW), "on its way");
    assert!(outbox.told(&errands[0], Some(PetitionAnswer::Waiting(NOW)), &page, NOW));
    assert!(!outbox.told(&errands[1], None, &page, NOW));
    assert_eq!(fate(&outbox, NOW), "waiting");
    // Host 8 did not answer, and is handed it again; host 7 has it, and is asked later.
    assert_eq!(outbox.next(&hosts, NOW), Some(NOW + RETRY));
    assert_eq!(asked(&outbox.due(&hosts, &[], NOW + RETRY)), [(host(8), true)]);
    let later = NOW + PETITION_FATE_INTERVAL.as_secs();
    let errands = outbox.due(&hosts, &[], later);
    assert_eq!(asked(&errands), [(host(7), false), (host(8), true)]);
    let taken = PetitionAnswer::TakenUp(Id::hash(&[b"operation"]));
    assert!(outbox.told(&errands[0], Some(taken), &page, later));
    assert_eq!(fate(&outbox, later), "taken up");
    assert_eq!(outbox.next(&hosts, later), None, "the end is known");
    assert_eq!(outbox.due(&hosts, &[], later + LIFE), []);
}

/// What is made while a host is being asked is not taken for asked.
#[test]
fn what_is_due_of_a_host_that_is_busy_stays_due() {
    let (mut outbox, hosts) = (outbox(), [host(7), host(8)]);
    assert_eq!(asked(&outbox.due(&hosts, &[host(7)], NOW)), [(host(8), true)]);
    assert_eq!(outbox.next(&hosts, NOW), Some(NOW));
    assert_eq!(asked(&outbox.due(&hosts, &[], NOW)), [(host(7), true)]);
    assert_eq!(outbox.due(&hosts, &[], NOW), []);
}

#[test]
fn who_does_not_answer_is_asked_later_each_time() {
    let (mut outbox, hosts) = (outbox(), [host(7)]);
    let mut pauses = Vec::new();
    let mut now = NOW;
    for _ in 0..9 {
        assert_eq!(outbox.due(&hosts, &[], now).len(), 1);
        assert_eq!(outbox.due(&hosts, &[], now), [], "it is asked once");
        let next = outbox.next(&hosts, now).unwrap();
        pauses.push((next - now) / RETRY);
        now = next;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    outbox.hurry(&petition(1).id());
    assert_eq!(outbox.next(&hosts, now), Some(now), "somebody wants to know");
}

/// G13 refuses: a refusal that no participant signed, or of another petition, is no answer.
#[test]
fn a_refusal_is_believed_by_its_signature_only() {
    let check = |answer: PetitionAnswer, expect: &str| {
        let (mut outbox, page) = (outbox(), page());
        let errand = outbox.due(&[host(7)], &[], NOW).remove(0);
        let kept = outbox.told(&errand, Some(answer), &page, NOW);
        assert_eq!((fate(&outbox, NOW), kept), (expect, expect != "on its way"));
    };
    check(refusal(2), "refused");
    check(refusal(9), "on its way");
    check(PetitionAnswer::Refused(Rdata((*b"no").into())), "on its way");
    let said = Refusing { participant: host(2).raw(), petition: Id::ZERO, words: "".into() };
    let other = Refusal::sign(&page().id(), &said, &key(2)).unwrap();
    check(PetitionAnswer::Refused(Rdata(other.bytes().into())), "on its way");
    check(PetitionAnswer::NotTaken("full".into()), "not taken");
}

#[test]
fn of_several_hosts_words_the_one_that_says_most_counts() {
    let taken = PetitionAnswer::TakenUp(Id::ZERO);
    let (waiting, not_taken) =
        (PetitionAnswer::Waiting(NOW), PetitionAnswer::NotTaken("no".into()));
    let check = |answers: &[&PetitionAnswer], now: u64, expect: &str| {
        let (mut outbox, page) = (outbox(), page());
        let hosts: Vec<PublicKey> = (10..).take(answers.len()).map(host).collect();
        let errands = outbox.due(&hosts, &[], NOW);
        for (errand, answer) in errands.iter().zip(answers) {
            outbox.told(errand, Some((*answer).clone()), &page, NOW);
        }
        assert_eq!(fate(&outbox, now), expect, "{answers:?}");
    };
    check(&[&waiting, &refusal(1), &taken], NOW, "taken up");
    check(&[&waiting, &refusal(1), &not_taken], NOW, "refused");
    check(&[&not_taken, &waiting], NOW, "waiting");
    check(&[&not_taken], NOW, "not taken");
    check(&[&waiting], NOW + LIFE - 1, "waiting");
    check(&[&waiting], NOW + LIFE, "expired");
    check(&[&PetitionAnswer::Expired(NOW)], NOW, "expired");
    check(&[], NOW + LIFE - 1, "on its way");
    check(&[], NOW + LIFE, "expired");
}

#[test]
fn a_host_that_lost_the_petition_is_handed_it_again() {
    let (mut outbox, page, hosts) = (outbox(), page(), [host(7)]);
    let errand = outbox.due(&hosts, &[], NOW).remove(0);
    outbox.told(&errand, Some(PetitionAnswer::Waiting(NOW)), &page, NOW);
    let later = NOW + PETITION_FATE_INTERVAL.as_secs();
    let errand = outbox.due(&hosts, &[], later).remove(0);
    outbox.told(&errand, Some(PetitionAnswer::Unknown(errand.petition)), &page, later);
    assert_eq!(asked(&outbox.due(&hosts, &[], later + RETRY)), [(host(7), true)]);
}

/// P5 accepts: so many petitions on their way, handed to so many hosts.
/// P5 refuses: one more, unless one that is over makes room.
#[test]
fn an_outbox_and_the_hosts_that_it_asks_are_limited() {
    let mut outbox = Outbox::default();
    let most = PETITIONS_SENT_MAX as u64;
    for number in 0..most {
        assert_eq!(outbox.keep(petition(number), NOW + number), Ok(None), "{number}");
    }
    assert_eq!(outbox.keep(petition(most), NOW), Err(OutboxRefusal::Full));
    assert_eq!(outbox.keep(petition(0), NOW), Err(OutboxRefusal::Known("on its way")));
    let first = petition(0).id();
    assert_eq!(outbox.keep(petition(most), NOW + LIFE), Ok(Some(first)));
    assert!(outbox.row(&first).is_none());

    let mut outbox = self::outbox();
    let many: Vec<PublicKey> = (10..).take(PETITION_HOSTS_MAX + 1).map(host).collect();
    assert_eq!(outbox.due(&many, &[], NOW).len(), PETITION_HOSTS_MAX);
}

#[test]
fn a_row_is_read_back_as_it_was_kept() {
    let (mut outbox, page) = (outbox(), page());
    let errands = outbox.due(&[host(7), host(8)], &[], NOW);
    outbox.told(&errands[0], Some(PetitionAnswer::Waiting(NOW)), &page, NOW + 5);
    outbox.told(&errands[1], Some(refusal(1)), &page, NOW + 6);
    let bytes = outbox.row(&petition(1).id()).unwrap().encode();
    let row = Sent::decode(&bytes).unwrap();
    assert_eq!(row.encode(), bytes);
    assert_eq!((row.fate(NOW).word(), row.kept), ("refused", NOW));
    assert_eq!(row.words().map(|(_, word)| word.at).sum::<u64>(), 2 * NOW + 11);
    assert!(matches!(Sent::decode(&bytes[..9]), Err(SentRefusal::Codec(_))));
}
