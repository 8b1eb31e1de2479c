//! What a page with many seats costs: reading it back, one picture of who says which seal is the newest
//! (T6), and one more node that says so, taken in as from a peer.
//!
//! ```sh
//! cargo bench --bench seats                             # 20,000 seats
//! SEATS=1000 cargo bench --bench seats
//! ```
//! Each seat names a node of its own, and all of them attest: those before the last 200 in answers of a
//! thousand, and those one by one, each time with a look at what is to be handed on.

#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::{
    env,
    time::{Duration, Instant},
};

use djdns::{
    daemon::{
        node::Node,
        whole::{self, WholePage},
    },
    governance::{
        attest::Attestation,
        presence::Presence,
        statement::{Body, Statement},
    },
    id::{Id, Kind},
    key::SecretKey,
    page::{
        Page,
        genesis::{Parameters, RawGenesis},
        name::Name,
        roster_rows,
    },
    sync::{Ledger, Verdict},
};

const ONE_BY_ONE: usize = 200;

fn main() {
    let seats = env::var("SEATS").map_or(20_000, |text| text.parse().expect("a number"));
    let keys: Vec<SecretKey> = (0..seats).map(key).collect();
    let whole = page(&keys);
    let dir = tempfile::tempdir().expect("a directory");
    let node = Node::open(dir.path(), "a benchmark", &mut |_, _, _| {}).expect("it opens");
    let held = node.admit_page(page(&keys), &mut |_, _, _| {}).expect("it is in order");
    let (id, head) = (held.page().id(), held.page().head());
    node.view();
    let attest = |key: &SecretKey| Attestation::sign(key, &id, &head, node.now()).bytes().to_vec();
    let said: Vec<Vec<u8>> = keys.iter().map(attest).collect();
    let (many, few) = said.split_at(seats.saturating_sub(ONE_BY_ONE));
    let peer = keys[0].public();

    let begun = Instant::now();
    whole::reopen(&whole, &mut |_, _, _| {}).expect("it is in order");
    show("read back", begun.elapsed());
    let begun = Instant::now();
    for answer in many.chunks(1000) {
        node.admit(&id, &peer, answer.to_vec());
    }
    show("attested, each of many", begun.elapsed() / many.len().max(1) as u32);
    let begun = Instant::now();
    for one in few {
        assert_eq!(node.admit(&id, &peer, vec![one.clone()]), [Verdict::New]);
        Ledger::held(&*node, &id).expect("it is here");
    }
    show("attested, one by one", begun.elapsed() / few.len() as u32);
    let begun = Instant::now();
    let picture = node.picture(&held);
    show("one picture", begun.elapsed());
    assert_eq!(picture.attested, seats as u64);
}

fn show(what: &str, took: Duration) {
    println!("{what:24} {:10.3} ms", took.as_secs_f64() * 1000.0);
}

fn key(n: usize) -> SecretKey {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&n.to_be_bytes());
    SecretKey::from_seed(&seed)
}

/// A page on which each names itself as its node.
fn page(keys: &[SecretKey]) -> WholePage {
    let rows = roster_rows(keys.iter().map(|key| (key.public(), 1)));
    let name = Name::parse("bench.").expect("a name");
    let genesis = RawGenesis::new(name, rows, Parameters::default(), 1, Id::ZERO);
    let (page, raw) = Page::found(genesis, []).expect("a page");
    let presence = |key: &SecretKey| {
        let node = vec![key.public().raw()];
        let presence = Presence { node, ..Presence::new(key.public().raw(), 1) };
        let said = Statement::sign(&page.id(), Body::Presence(presence), key).expect("a presence");
        (Kind::Presence, said.bytes().to_vec())
    };
    WholePage { raw, said: keys.iter().map(presence).collect(), ..WholePage::default() }
}
