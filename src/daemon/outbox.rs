//! Petitions to pages that other nodes host: kept until a host has them, and what the hosts said
//! (G13).
//!
//! An outbox is read when it is first needed; from then on every change of it is on disk before it is
//! in memory. What is asked of whom is [`crate::sync::outbox`]'s business, and who carries it asks
//! [`due`] and tells [`told`].

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use tokio::sync::Notify;

use super::{
    inbox::{self, Told},
    node::{Node, sentence},
};
use crate::{
    beacon::{Beacon, beacons_of},
    control::{
        report::{HostWord, PetitionReport},
        request::{Answer, Failure},
    },
    governance::{Governance, petition::Petition},
    id::Id,
    key::PublicKey,
    page::entry::Rdata,
    store::Tray,
    sync::{
        message::PetitionAnswer,
        outbox::{Errand, Outbox, Sent, SentFate},
    },
};

/// The outboxes that were needed so far, by page.
#[derive(Default)]
pub struct Outboxes {
    known: Mutex<BTreeMap<Id, Outbox>>,
    /// Something is due earlier than was said.
    news: Notify,
}

impl Outboxes {
    /// Waits until something may be due earlier than [`next`] said.
    pub async fn woken(&self) {
        self.news.notified().await;
    }

    /// Drops what is in memory of a page that is here no longer.
    pub fn forget(&self, page: &Id) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(page);
    }
}

/// Something to ask a host, and where it may be: none but its key may be known.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub errand: Errand,
    pub beacon: Option<Beacon>,
}

/// Whether petitions to a page are handed to other nodes: some host it, and this one does not. The
/// demonstration never leaves a machine.
pub fn is_elsewhere(node: &Node, page: &Governance) -> bool {
    let hosts = hosts(page);
    !page.page().is_demonstration() && !hosts.is_empty() && !hosts.contains(&node.key())
}

/// The nodes that participants of a page named for their seats, those with the most power first (G6).
pub fn hosts(page: &Governance) -> Vec<PublicKey> {
    let mut power: BTreeMap<PublicKey, u64> = BTreeMap::new();
    for (participant, node) in page.hosted() {
        let of_seat = page.page().roster().power(&participant).unwrap_or_default();
        *power.entry(node).or_default() += u64::from(of_seat);
    }
    let mut hosts: Vec<(PublicKey, u64)> = power.into_iter().collect();
    hosts.sort_by_key(|(host, power)| (std::cmp::Reverse(*power), *host));
    hosts.into_iter().map(|(host, _)| host).collect()
}

/// Keeps a petition that the page's door let in, to be handed to its hosts.
///
/// # Errors
/// [`Failure`], with nothing kept.
pub fn keep(
    node: &Node,
    page: &Governance,
    petition: &Petition,
    now: u64,
) -> Result<Answer, Failure> {
    let id = petition.page();
    let kept = with_outbox(node, &id, |outbox| {
        let mut after = outbox.clone();
        let dropped = after
            .keep(petition.clone(), now)
            .map_err(|refusal| Failure::refused(format!("the petition is refused: {refusal}")))?;
        if let Some(dropped) = dropped {
            node.store.remove_letter(Tray::Outbox, &id, &dropped).map_err(sentence)?;
            outbox.remove(&dropped);
        }
        write(node, &after, &petition.id())?;
        *outbox = after;
        match outbox.row(&petition.id()) {
            Some(row) => Ok(answer(page, row, now)),
            None => Err(Failure::not_found("the petition is gone")),
        }
    });
    node.outboxes.news.notify_one();
    kept
}

/// The petitions that were sent, to any page, whose id starts with these digits. Their hosts are asked
/// again soon: somebody wants to know.
///
/// # Errors
/// [`Failure`] when an outbox cannot be read.
pub fn with_prefix(
    node: &Node,
    page: &Governance,
    prefix: &str,
    now: u64,
) -> Result<Vec<Answer>, Failure> {
    let found = with_outbox(node, &page.page().id(), |outbox| {
        let rows = outbox.rows().filter(|row| row.petition.id().has_hex_prefix(prefix));
        let ids: Vec<Id> = rows.map(|row| row.petition.id()).collect();
        ids.iter().for_each(|id| outbox.hurry(id));
        Ok(ids.iter().filter_map(|id| outbox.row(id)).map(|row| answer(page, row, now)).collect())
    });
    if found.as_ref().is_ok_and(|found: &Vec<Answer>| !found.is_empty()) {
        node.outboxes.news.notify_one();
    }
    found
}

/// The petitions to a page that were sent from here and are not decided; `all`: every one of them.
///
/// # Errors
/// [`Failure`] when an outbox cannot be read.
pub fn sent(
    node: &Node,
    page: &Governance,
    all: bool,
    now: u64,
) -> Result<Vec<PetitionReport>, Failure> {
    let is_decided = |row: &Sent| {
        matches!(row.fate(now), SentFate::TakenUp(_) | SentFate::Refused(_) | SentFate::Expired)
    };
    with_outbox(node, &page.page().id(), |outbox| {
        let rows = outbox.rows().filter(|row| all || !is_decided(row));
        Ok(rows.map(|row| report(page, row, now)).collect())
    })
}

/// A node is there that may not have been before: what it was to be asked without success is due.
pub fn met(node: &Node, host: &PublicKey) {
    let mut outboxes = node.outboxes.known.lock().unwrap_or_else(PoisonError::into_inner);
    let due: Vec<bool> = outboxes.values_mut().map(|outbox| outbox.met(host)).collect();
    if due.contains(&true) {
        node.outboxes.news.notify_one();
    }
}

/// What is to be asked of hosts now, but of those that are `busy` with an earlier question; it counts as
/// asked.
pub fn due(node: &Node, busy: &[PublicKey], now: u64) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for page in node.pages().into_iter().filter(|page| is_elsewhere(node, page)) {
        let hosts = hosts(&page);
        let errands =
            with_outbox(node, &page.page().id(), |outbox| Ok(outbox.due(&hosts, busy, now)));
        let errands = noted(node, errands);
        if errands.is_empty() {
            continue;
        }
        let beacons = beacons_of(&page, &mut node.verified());
        deliveries.extend(errands.into_iter().map(|errand| {
            let beacon = beacons.iter().find(|beacon| beacon.key() == errand.host).cloned();
            Delivery { errand, beacon }
        }));
    }
    deliveries
}

/// When something is to be asked next, in seconds since 1970; what is kept meanwhile may be due
/// earlier.
pub fn next(node: &Node, now: u64) -> Option<u64> {
    let pages = node.pages().into_iter().filter(|page| is_elsewhere(node, page));
    let next = |page: Governance| {
        let hosts = hosts(&page);
        let next = with_outbox(node, &page.page().id(), |outbox| Ok(outbox.next(&hosts, now)));
        noted(node, next)
    };
    pages.filter_map(next).min()
}

/// Takes in what a host answered; `None` when it was not reached, or gave none. Bytes that are no
/// answer are named: they are the host's fault.
///
/// # Errors
/// What is wrong with the answer.
pub fn told(node: &Node, errand: &Errand, answer: Option<&[u8]>, now: u64) -> Result<(), String> {
    let answer = answer.map(|bytes| errand.request.read_petition(bytes)).transpose();
    let answer = answer.map_err(|refusal| refusal.to_string())?;
    let Some(page) = node.page(&errand.page) else { return Ok(()) };
    let kept = with_outbox(node, &errand.page, |outbox| {
        let mut after = outbox.clone();
        if after.told(errand, answer, page.page(), now) {
            write(node, &after, &errand.petition)?;
        }
        *outbox = after;
        Ok(())
    });
    noted(node, kept);
    Ok(())
}

/// What this node's disk has against it is told to people; the rest goes on.
fn noted<T: Default>(node: &Node, done: Result<T, Failure>) -> T {
    done.unwrap_or_else(|failure| {
        node.notice(format!("petitions that were sent: {failure}"));
        T::default()
    })
}

/// Runs a call on the outbox of a page that is here.
fn with_outbox<T>(
    node: &Node,
    page: &Id,
    call: impl FnOnce(&mut Outbox) -> Result<T, Failure>,
) -> Result<T, Failure> {
    // A panic elsewhere leaves whole values behind: they are replaced, never edited.
    let mut outboxes = node.outboxes.known.lock().unwrap_or_else(PoisonError::into_inner);
    if !outboxes.contains_key(page) {
        outboxes.insert(*page, read(node, page)?);
    }
    call(outboxes.entry(*page).or_default())
}

fn read(node: &Node, page: &Id) -> Result<Outbox, Failure> {
    let letters = node.store.letters(Tray::Outbox, page).map_err(sentence)?;
    let mut outbox = Outbox::default();
    for (id, letter) in letters.sound {
        match Sent::decode(&letter) {
            Ok(row) if (row.petition.id(), row.petition.page()) == (id, *page) => {
                outbox.restore(row);
            }
            Ok(_) => node.notice(format!("page {page}: the petition {id} is another one")),
            Err(refusal) => node.notice(format!("page {page}: the petition {id}: {refusal}")),
        }
    }
    for path in letters.damaged {
        let path = path.display();
        node.notice(format!("page {page}: {path} is no petition as it was kept; remove it"));
    }
    Ok(outbox)
}

/// Writes one row of an outbox to disk.
fn write(node: &Node, outbox: &Outbox, petition: &Id) -> Result<(), Failure> {
    let Some(row) = outbox.row(petition) else { return Ok(()) };
    let letter = row.encode();
    node.store.put_letter(Tray::Outbox, &row.petition.page(), petition, &letter).map_err(sentence)
}

fn answer(page: &Governance, row: &Sent, now: u64) -> Answer {
    let signed = Rdata(row.petition.bytes().into());
    Answer::Petition { petition: report(page, row, now), signed }
}

fn report(page: &Governance, row: &Sent, now: u64) -> PetitionReport {
    let fate = row.fate(now);
    let (operation, refusal) = match &fate {
        SentFate::TakenUp(operation) => (Some(*operation), None),
        SentFate::Refused(refusal) => (None, Some(refusal)),
        _ => (None, None),
    };
    let told = Told {
        source: "sent".to_owned(),
        state: fate.word(),
        received: row.kept,
        operation,
        refusal,
        expires: row.expires(),
        hosts: row.words().map(|(host, word)| said(host, word.at, &word.answer)).collect(),
    };
    inbox::petition_report(page, &row.petition, told, now)
}

fn said(host: &PublicKey, at: u64, answer: &PetitionAnswer) -> HostWord {
    let (said, words) = match answer {
        PetitionAnswer::Waiting(_) => ("waiting", ""),
        PetitionAnswer::TakenUp(_) => ("taken up", ""),
        PetitionAnswer::Refused(_) => ("refused", ""),
        PetitionAnswer::Expired(_) => ("expired", ""),
        PetitionAnswer::Unknown(_) => ("unknown", ""),
        PetitionAnswer::NotTaken(why) => ("not taken", why.as_str()),
    };
    HostWord { host: host.to_string(), said: said.to_owned(), at, words: words.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, path::Path, sync::Arc};

    use super::*;
    use crate::{
        daemon::{surroundings::Surroundings, whole::WholePage},
        governance::{
            petition::{Asking, Refusing},
            presence::Presence,
            statement::{Body, Statement},
        },
        key::SecretKey,
        limits::{PETITION_FATE_INTERVAL, PETITIONS_PER_ADDRESS_MAX, PETITIONS_PER_KEY_MAX},
        page::{
            Page,
            genesis::{Parameters, RawGenesis},
            name::{Name, Owner},
            roster_rows,
        },
        store::fake::{FakeDisk, Survival},
    };

    const NOW: u64 = 1_800_000_000;

    fn key(n: u8) -> SecretKey {
        SecretKey::from_seed(&[n; 32])
    }

    /// The node whose key is of that number, on this disk.
    fn node(n: u8, disk: &FakeDisk) -> Arc<Node> {
        let surroundings = Surroundings {
            disk: Arc::new(disk.clone()),
            milliseconds: Arc::new(|| NOW * 1000),
            ticks: Arc::new(|| 0),
            random: Arc::new(move || [n; 32]),
            demonstration: false,
            ends_with_process: false,
        };
        Node::open_in(surroundings, Path::new("/data"), "a test", &mut |_, _, _| {}).unwrap()
    }

    /// A page of participant 1, who named node 7, as it is on this node.
    fn hold(node: &Node) -> Id {
        let roster = roster_rows([(key(1).public(), 1)]);
        let name = Name::parse("ff.ct").unwrap();
        let raw = RawGenesis::new(name, roster, Parameters::default(), NOW - 9, Id::ZERO);
        let (page, raw) = Page::found(raw, []).unwrap();
        node.admit_page(WholePage { raw, ..WholePage::default() }, &mut |_, _, _| {}).unwrap();
        let said = Presence {
            node: vec![key(7).public().raw()],
            ..Presence::new(key(1).public().raw(), 1)
        };
        let said = Statement::sign(&page.id(), Body::Presence(said), &key(1)).unwrap();
        node.submit(&[said]).unwrap();
        page.id()
    }

    fn petition(page: &Id, by: u8, words: usize) -> Petition {
        let asking = Asking {
            author: key(by).public().raw(),
            owner: Owner::parse("friend", &Name::parse("ff.ct").unwrap()).unwrap(),
            sets: Vec::new(),
            created: NOW,
            words: words.to_string(),
        };
        Petition::sign(page, &asking, &key(by)).unwrap()
    }

    fn state(answer: Result<Answer, Failure>) -> (String, String, usize) {
        match answer.unwrap() {
            Answer::Petition { petition, .. } => {
                (petition.source, petition.state, petition.hosts.len())
            }
            other => panic!("{other:?}"),
        }
    }

    /// Carries what is due from one node to the other, as the network would.
    fn carry(from: &Node, to: &Node, now: u64) -> usize {
        let deliveries = due(from, &[], now);
        for Delivery { errand, .. } in &deliveries {
            let address: IpAddr = [192, 0, 2, 1].into();
            let answer = match &errand.request {
                crate::sync::message::Request::Petition(bytes) => {
                    inbox::hand_in(to, address, &bytes.0, now)
                }
                _ => inbox::fate(to, &errand.page, &errand.petition, now),
            };
            let bytes = crate::page::codec::encode(&answer);
            assert_eq!(told(from, errand, Some(&bytes), now), Ok(()));
        }
        deliveries.len()
    }

    /// G13 accepts: a petition made on a node that is no host reaches one, and its fate comes back.
    #[test]
    fn a_petition_reaches_the_host_of_its_page_and_its_fate_comes_back() {
        let disks = [FakeDisk::new(), FakeDisk::new()];
        let (host, mine) = (node(7, &disks[0]), node(8, &disks[1]));
        let page = hold(&host);
        assert_eq!(hold(&mine), page);
        let asked = petition(&page, 9, 1);
        let bytes = Rdata(asked.bytes().into());
        let sent = |state: &str, hosts| ("sent".to_owned(), state.to_owned(), hosts);
        assert_eq!(state(inbox::ask(&mine, &bytes, NOW)), sent("on its way", 0));
        drop(mine);
        // Whatever the machine does, it is kept.
        let mine = node(8, &disks[1].reboot(Survival::all().next().unwrap()));
        let listed = |node: &Node, all: bool| {
            let page = node.page(&page).unwrap();
            let of = |answer| match answer {
                Answer::Petitions { petitions, .. } => {
                    petitions.into_iter().map(|one| one.source).collect::<Vec<String>>()
                }
                other => panic!("{other:?}"),
            };
            (of(inbox::of(node, &page, all, NOW).unwrap()), of(inbox::own(node, NOW).unwrap()))
        };
        let sent_from_here = vec!["sent".to_owned()];
        assert_eq!(listed(&mine, false), (sent_from_here.clone(), sent_from_here.clone()));
        let prefix = asked.id().to_string();
        let status = |now| state(inbox::one(&mine, &prefix, now));
        assert_eq!(status(NOW), sent("on its way", 0));
        assert_eq!(carry(&mine, &host, NOW), 1);
        assert_eq!(status(NOW), sent("waiting", 1));
        let of_host = state(inbox::one(&host, &prefix, NOW));
        assert_eq!(of_host, ("192.0.2.1".to_owned(), "waiting".to_owned(), 0));
        let said = Refusing {
            participant: key(1).public().raw(),
            petition: asked.id(),
            words: "ours".to_owned(),
        };
        let refusal = crate::governance::petition::Refusal::sign(&page, &said, &key(1)).unwrap();
        inbox::refuse(&host, &Rdata(refusal.bytes().into()), NOW).unwrap();
        let later = NOW + PETITION_FATE_INTERVAL.as_secs();
        assert_eq!(carry(&mine, &host, later), 1);
        assert_eq!(status(later), sent("refused", 1));
        assert_eq!(listed(&mine, false), (vec![], sent_from_here.clone()), "it is decided");
        assert_eq!(listed(&mine, true).0, sent_from_here);
        assert_eq!(listed(&host, true), (vec!["192.0.2.1".to_owned()], vec![]));
        assert_eq!((carry(&mine, &host, later + 9999), next(&mine, later)), (0, None));
    }

    /// G13 refuses: what comes from a peer's address is counted by key and by address, and only a host
    /// takes it in.
    #[test]
    fn a_peers_petitions_are_counted_by_key_and_by_address() {
        let (host, mine) = (node(7, &FakeDisk::new()), node(8, &FakeDisk::new()));
        let page = hold(&host);
        hold(&mine);
        let hand = |by: u8, words: usize, last: u8| {
            let bytes = petition(&page, by, words).bytes().to_vec();
            inbox::hand_in(&host, [192, 0, 2, last].into(), &bytes, NOW)
        };
        let is_full = |answer: PetitionAnswer, expect: &str| match answer {
            PetitionAnswer::NotTaken(why) => assert!(why.contains(expect), "{why}"),
            other => panic!("{other:?}"),
        };
        for n in 0..PETITIONS_PER_ADDRESS_MAX {
            let by = 20 + (n / PETITIONS_PER_KEY_MAX) as u8;
            assert_eq!(hand(by, n, 1), PetitionAnswer::Waiting(NOW), "{n}");
        }
        assert_eq!(hand(20, 0, 1), PetitionAnswer::Waiting(NOW), "the same again is known");
        is_full(hand(20, 99, 2), "of this key wait");
        is_full(hand(99, 99, 1), "from this address wait");
        assert_eq!(hand(99, 99, 2), PetitionAnswer::Waiting(NOW));
        is_full(hand(1, 0, 2), "takes part in this page");
        let bytes = petition(&page, 9, 0).bytes().to_vec();
        is_full(inbox::hand_in(&mine, [192, 0, 2, 1].into(), &bytes, NOW), "no host of that page");
        is_full(inbox::hand_in(&host, [192, 0, 2, 1].into(), b"rubbish", NOW), "refused");
        let unknown = inbox::fate(&host, &page, &Id::ZERO, NOW);
        assert_eq!(unknown, PetitionAnswer::Unknown(Id::ZERO));
    }
}
