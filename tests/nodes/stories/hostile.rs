//! Nodes that shake hands honestly and then say what no honest one says: each is let go with a reason
//! that is told, what they said takes no room, and others are served meanwhile.

use std::{
    net::SocketAddr,
    sync::{Arc, mpsc},
};

use djdns::{
    id::Id,
    key::PublicKey,
    limits::{FOLLOW_ROWS_MAX, NEWS_IDS_MAX},
    network::{Door, Misbehaviour, Network, Options, Peer},
    sync::message::{Follow, News, Notice, Standing},
};

use super::*;

/// Answers everything with rubbish, and tells when it was let go.
struct Rubbish(mpsc::Sender<String>);

impl Door for Rubbish {
    fn admits(&self, _: &PublicKey, _: SocketAddr) -> bool {
        true
    }
    fn joined(&self, _: &Peer) {}
    fn left(&self, _: &PublicKey, why: &str) {
        let _ = self.0.send(why.to_owned());
    }
    fn told(&self, _: &PublicKey, _: Vec<u8>) {}
    fn asked(&self, _: &Peer, _: Vec<u8>) -> Option<Vec<u8>> {
        Some(vec![0xc1; 100])
    }
    fn misbehaved(&self, _: &PublicKey, _: Misbehaviour) {}
}

fn ids(from: u32, count: usize) -> Vec<Id> {
    let mut ids: Vec<Id> =
        (from..from + count as u32).map(|n| Id::hash(&[&n.to_be_bytes()])).collect();
    ids.sort_unstable();
    ids
}

/// Connects with the key `n`, and says all this until it is let go.
fn say(n: u8, to: SocketAddr, notices: impl Iterator<Item = Vec<u8>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (told, gone) = mpsc::channel();
    runtime.block_on(async {
        let local = "127.0.0.1:0".parse().unwrap();
        let options = Options::new(SecretKey::from_seed(&[n; 32]), vec![local], ambient::ticks);
        let network = Network::open(options, Arc::new(Rubbish(told))).unwrap();
        let peer = network.connect(&[to], None).await.unwrap();
        for notice in notices {
            while !network.tell(&peer.key, notice.clone()) {
                if network.peers().is_empty() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        tokio::task::spawn_blocking(move || gone.recv_timeout(PATIENCE).unwrap()).await.unwrap();
    });
}

/// Kibibytes that a process has in memory.
fn resident(node: &Node) -> u64 {
    let pid = node.daemon.as_ref().unwrap().pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// N6, T5 refuses: notices that are none, endless ones, and answers that are none.
/// N6 accepts: an honest node, before, meanwhile and afterwards.
#[test]
fn who_is_hostile_takes_no_room_and_nobody_elses_time() {
    let one = Node::start(&[]);
    let two = Node::start(&[&one.reached_at]);
    let page = one.founds("club", ZONE);
    two.types(&["page", "join", "club", &page]);
    two.answers("www.club", "192.0.2.80");
    let to: SocketAddr = one.reached_at.parse().unwrap();
    let id: Id = Id::from_hex(&page).unwrap();
    let before = resident(&one);
    say(201, to, std::iter::once(vec![0xc1; 9]));
    one.home.errors_until("no honest one sends: a notice");
    let standing = |page: Id, n: u32| Standing {
        page,
        height: 5,
        seal: Id::hash(&[b"seal", &n.to_be_bytes()]),
        open: Id::hash(&[&n.to_be_bytes()]),
    };
    // Hundreds of thousands of pages and ids.
    say(
        202,
        to,
        (0..4000u32).map(|n| {
            let pages = ids(n * FOLLOW_ROWS_MAX as u32, FOLLOW_ROWS_MAX);
            let standings = pages.into_iter().map(|page| standing(page, n)).collect();
            Notice::Follow(Follow { live: true, standings }).encode()
        }),
    );
    say(
        203,
        to,
        (0..2000u32).map(|n| {
            let ids = ids(n * NEWS_IDS_MAX as u32, NEWS_IDS_MAX);
            Notice::News(News { standing: standing(id, n), ids }).encode()
        }),
    );
    // It is asked for the seals that it says it has.
    let follow = Follow { live: true, standings: vec![standing(id, 0)] };
    say(204, to, std::iter::once(Notice::Follow(follow).encode()));
    one.home.errors_until("no honest one sends: an answer");
    let operation = one.proposes("club", &["set", "mail", "A", "192.0.2.81"]);
    two.hears_of("club", &operation);
    // Buffers of four connections, and what the allocator keeps of them; all that was said is more.
    let grown = resident(&one).saturating_sub(before);
    assert!(grown < 48 * 1024, "{grown} KiB");
}
