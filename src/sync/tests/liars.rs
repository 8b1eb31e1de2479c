//! Peers that lie (T5): each lie is named with its reason, the same thing is asked of another at once, and
//! nobody keeps a proven liar.

use super::{people::*, stories::seal_often, town::*};
use crate::{
    governance::seal::SealRecord,
    id::Id,
    page::{codec, entry::Rdata},
    sync::{
        Input, Ledger, Want,
        message::{Request, write_items},
        pack::{self, Common},
    },
};

/// Whether its items travel packed; no batch is open here.
fn common(request: &Request) -> Option<Common> {
    matches!(request, Request::Statements(_) | Request::Seals(_))
        .then(|| Common::page(&request.page().unwrap()))
}

pub fn items(request: &Request, answer: &[u8]) -> Vec<Vec<u8>> {
    let items = match common(request) {
        Some(common) => request.read_packed(answer, |_| Some(common)),
        None => request.read_items(answer),
    };
    items.unwrap_or_default().into_iter().map(|item| item.0.to_vec()).collect()
}

fn answer_of(request: &Request, items: Vec<Vec<u8>>) -> Vec<u8> {
    let Some(common) = common(request) else { return write_items(items, usize::MAX) };
    let packed = pack::pack(items.iter().map(Vec::as_slice), common);
    match request {
        Request::Seals(_) => [vec![0], packed].concat(),
        _ => packed,
    }
}

/// Changes each item that is answered to requests of one kind.
fn changing(
    is_meant: impl Fn(&Request) -> bool + 'static,
    change: impl Fn(&mut Vec<u8>) + 'static,
) -> Lie {
    Box::new(move |request, answer| {
        if !is_meant(request) {
            return Some(answer);
        }
        let mut items = items(request, &answer);
        items.iter_mut().for_each(&change);
        Some(answer_of(request, items))
    })
}

fn flip_last(bytes: &mut [u8]) {
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
}

fn is_same(town: &Town, a: usize, b: usize, id: &Id) -> bool {
    let root = |n: usize| {
        town.houses[n].shelf.held(id).map(|held| (held.governance.page().seal(), held.open.root()))
    };
    root(a).is_some() && root(a) == root(b)
}

/// House 1 lies, house 2 is honest, and house 3 lacks what both have. It ends as house 2, with house 1
/// named and gone.
#[track_caller]
fn check(seals: u64, is_new: bool, lie: Lie, word: &str) {
    let page = page(300);
    let id = page.page().id();
    let mut town = Town::new(4, 31);
    town.houses[0].shelf.put(&page);
    seal_often(&mut town, &page, seals);
    let now = town.houses[0].shelf.page(&id);
    town.houses[0].shelf.say(&proposal(&now, 3, 5, "talk", 1));
    town.houses[0].shelf.say(&proposal(&now, 4, 5, "talk", 2));
    for n in 1..3 {
        let (first, others) = town.houses.split_at_mut(n);
        others[0].shelf.copy(&first[0].shelf, &id);
    }
    town.houses[1].lie = Some(lie);
    if !is_new {
        town.houses[3].shelf.put(&page);
    }
    town.join(3, 1);
    if is_new {
        let name = name();
        town.input(3, Input::Want { page: id, name, beacons: vec![], why: Want::Link });
    }
    town.run(1500);
    town.join(3, 2);
    town.until(120_000, |town| is_same(town, 2, 3, &id));
    town.run(60_000);
    let named = town.named(3);
    assert_eq!(named.len(), 1, "{named:?}");
    assert!(named[0].0 == 1 && named[0].1.contains(word), "{named:?} should say {word:?}");
    assert!(!town.is_linked(1, 3));
    assert!(town.houses[3].sync.refuses(&node_key(1).public()).is_some());
    assert!([0, 1, 2].iter().all(|n| town.named(*n).is_empty()));
}

/// T5 accepts: the same from another peer.
/// T5 refuses: a statement whose signature is wrong.
#[test]
fn a_bad_signature() {
    // Of a presence the id has the signature in it: it would be another statement.
    let change = |bytes: &mut Vec<u8>| {
        if bytes.get(1) == Some(&(crate::id::Kind::Operation as u8)) {
            flip_last(bytes);
        }
    };
    let lie = changing(|request| matches!(request, Request::Statements(_)), change);
    check(0, false, lie, "signature");
    // With a seal that lists it.
    let lie = changing(|request| matches!(request, Request::Seals(_)), change);
    check(1, false, lie, "signature");
}

/// T5 refuses: bytes that are no statement, and one that nobody asked for.
#[test]
fn bytes_that_are_no_statement_or_another() {
    let is_meant = |request: &Request| matches!(request, Request::Statements(_));
    check(0, false, changing(is_meant, |bytes| bytes.truncate(7)), "is none");
    let other = proposal(&page(7), 0, 0, "x", 1).bytes().to_vec();
    check(0, false, changing(is_meant, move |bytes| *bytes = other.clone()), "not asked for");
}

/// T5 refuses: a seal that nobody committed to, and one that lists something else.
#[test]
fn a_forged_seal() {
    let change = |change: fn(&mut SealRecord)| {
        changing(
            |request| matches!(request, Request::Seals(_)),
            move |bytes| {
                if let Ok(mut record) = SealRecord::decode(bytes) {
                    change(&mut record);
                    *bytes = record.encode();
                }
            },
        )
    };
    check(1, false, change(|record| record.seal.time += 1), "commit");
    check(1, false, change(|record| record.contents.operations.clear()), "list of statements");
    check(1, false, change(|record| record.certificate.commits.clear()), "power");
    check(1, false, change(|record| record.seal.height += 1), "follow each other");
}

/// T5 refuses: an answer that is none.
#[test]
fn rubbish() {
    let lie: Lie = Box::new(|request, answer| match request {
        Request::Seals(_) => Some(vec![0xc1; 100]),
        _ => Some(answer),
    });
    check(1, false, lie, "an answer");
}

/// T5 refuses: a genesis that is not the id.
#[test]
fn a_genesis_of_another_page() {
    let other = page(7).page().genesis().encode();
    let lie = changing(
        |request| matches!(request, Request::Genesis(_)),
        move |bytes| *bytes = other.clone(),
    );
    check(0, true, lie, "genesis");
}

/// T5 refuses: a part of the state that is another, certificates that show nothing, and a past that is
/// not the seal's.
#[test]
fn a_forged_snapshot() {
    let wrong = crate::sync::parts::write(
        &crate::page::trie::Trie::from_pairs([(Id::hash(&[b"x"]), Box::from(*b"x"))])
            .piece(&crate::page::trie::Path::ROOT, 1000)
            .unwrap(),
    );
    let part = changing(
        |request| matches!(request, Request::Subtrees(_)),
        move |bytes| *bytes = wrong.clone(),
    );
    check(70, true, part, "part of the state");
    let chain = changing(
        |request| matches!(request, Request::Chain(_)),
        |bytes| {
            let mut proof = crate::governance::chain::ChainProof::decode(bytes).unwrap();
            proof.seal.time += 1;
            *bytes = proof.encode();
        },
    );
    check(70, true, chain, "certificates");
    let window = changing(
        |request| matches!(request, Request::Window(_)),
        |bytes| {
            let mut window = crate::governance::jump::Window::decode(bytes).unwrap();
            window.seals.truncate(3);
            *bytes = window.encode();
        },
    );
    check(70, true, window, "");
}

/// T5 refuses: an open set that is not what it says.
#[test]
fn an_open_set_that_is_another() {
    let lie: Lie = Box::new(|request, answer| match request {
        Request::Open(_) => {
            let mut open = request.read_open(&answer).unwrap();
            for part in &mut open.parts {
                let mut bytes = part.0.to_vec();
                let at = bytes.len() / 2;
                bytes[at] ^= 1;
                *part = Rdata(bytes.into());
            }
            Some(codec::encode(&open))
        }
        _ => Some(answer),
    });
    check(0, false, lie, "open set");
}

/// T5 accepts: who only says nothing, or gives nothing, is asked after the others, and is no liar.
#[test]
fn who_stalls_or_withholds_loses_credit_slowly() {
    let check = |lie: Lie| {
        let page = page(30);
        let id = page.page().id();
        let mut town = Town::new(3, 32);
        town.houses.iter().for_each(|house| house.shelf.put(&page));
        for statement in talk(&page, 5) {
            town.houses[1].shelf.say(&statement);
            town.houses[2].shelf.say(&statement);
        }
        town.houses[1].lie = Some(lie);
        town.join(0, 1);
        town.run(1000);
        town.join(0, 2);
        town.until(60_000, |town| is_same(town, 0, 2, &id));
        assert_eq!(town.named(0), []);
        let credit = |n: usize| {
            let reports = town.houses[0].sync.peers();
            reports.iter().find(|row| row.key == node_key(n).public()).map_or(0, |row| row.credit)
        };
        assert!(credit(1) < credit(2), "{} and {}", credit(1), credit(2));
    };
    check(Box::new(|_, _| None));
    check(Box::new(|request, answer| match request {
        Request::Statements(_) => Some(Vec::new()),
        _ => Some(answer),
    }));
}

/// T5 accepts: with several liars, colluding or not, the honest end equal, and nobody keeps a proven one.
#[test]
fn no_honest_node_keeps_a_proven_liar() {
    let page = page(30);
    let id = page.page().id();
    let mut town = Town::new(8, 33);
    town.houses.iter().for_each(|house| house.shelf.put(&page));
    let said = talk(&page, 24);
    for (n, statement) in said.iter().enumerate() {
        town.houses[n % 8].shelf.say(statement);
        town.houses[(n + 3) % 8].shelf.say(statement);
    }
    let statements = |request: &Request| matches!(request, Request::Statements(_));
    town.houses[5].lie = Some(changing(statements, |bytes| flip_last(bytes)));
    // Two that tell the same lie.
    let forged = proposal(&self::page(7), 0, 0, "x", 1).bytes().to_vec();
    for n in [6, 7] {
        let forged = forged.clone();
        town.houses[n].lie = Some(changing(statements, move |bytes| *bytes = forged.clone()));
    }
    town.mesh();
    town.run(60_000);
    for round in 0..100u32 {
        let author = (round % 5) as usize;
        let op = proposal(&page, author as u8, 10 + round / 5, &format!("r{round}"), 1);
        town.houses[author].shelf.say(&op);
        town.input(author, Input::Changed { page: id });
        // A liar's own word reaches them as well.
        let liar = 5 + (round % 3) as usize;
        let op = proposal(&page, author as u8, 40 + round / 5, &format!("l{round}"), 1);
        town.houses[liar].shelf.say(&op);
        town.input(liar, Input::Changed { page: id });
        town.run(1000);
    }
    town.run(60_000);
    assert!((1..5).all(|n| is_same(&town, 0, n, &id)));
    for honest in 0..5 {
        assert!((5..8).all(|liar| !town.is_linked(honest, liar)), "{honest}");
        assert!(town.named(honest).iter().all(|(who, _)| *who >= 5), "{:?}", town.named(honest));
    }
}
