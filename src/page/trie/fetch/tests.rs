//! Any trie fetched from any other, in any order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    super::{Part, Read},
    *,
};
use crate::page::codec;

type Map = BTreeMap<Id, Vec<u8>>;

/// Keys of which some share long prefixes.
fn key() -> impl Strategy<Value = Id> {
    (0u8..6, 0u8..4, 0u8..3, any::<bool>()).prop_map(|(a, b, c, deep)| {
        let mut bytes = [a << 4; 32];
        bytes[if deep { 31 } else { 1 }] ^= b;
        bytes[2] ^= c;
        Id::from_bytes(bytes)
    })
}

fn map() -> impl Strategy<Value = Map> {
    prop::collection::btree_map(key(), prop::collection::vec(any::<u8>(), 0..40), 0..60)
}

fn trie(map: &Map) -> Trie {
    Trie::from_pairs(map.iter().map(|(key, value)| (*key, value.clone().into())))
}

fn many(n: u32) -> Trie {
    let pair = |n: u32| (Id::hash(&[&n.to_be_bytes()]), Box::from(n.to_be_bytes()));
    Trie::from_pairs((0..n).map(pair))
}

/// Draws that a seed decides.
struct Draws(u64);

impl Draws {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

/// About how many bytes a piece shows.
fn bytes_of(piece: &Piece) -> usize {
    let bytes = |part: &Part| match part {
        Part::Hidden(_) => 36,
        Part::Branch(_) => 5,
        Part::Leaf((_, value)) => 44 + value.0.len(),
    };
    piece.parts().iter().map(bytes).sum()
}

/// What travelled until a fetch was complete.
#[derive(Default)]
struct Travelled {
    bytes: usize,
    pieces: usize,
    leaves: Vec<(Id, Vec<u8>)>,
}

/// Fetches from peers of which some lose what they are asked, in any order, with pieces of at most
/// `budget` bytes; `most` pieces.
fn run(
    fetch: &mut Fetch,
    peers: &Trie,
    budget: usize,
    most: usize,
    draws: &mut Draws,
) -> Travelled {
    let (mut asked, mut travelled) = (Vec::new(), Travelled::default());
    while !fetch.is_complete() && travelled.pieces < most {
        asked.extend(fetch.next(1 + draws.below(4)));
        let want: Want = asked.swap_remove(draws.below(asked.len()));
        if draws.below(4) == 0 {
            fetch.failed(&want.path);
            continue;
        }
        let piece = peers.piece(&want.path, budget.min(want.bytes_max as usize)).unwrap();
        travelled.bytes += bytes_of(&piece);
        travelled.pieces += 1;
        travelled.leaves.extend(fetch.take(&want.path, piece.clone()).unwrap());
        // Nobody's second answer changes anything.
        assert_eq!(fetch.take(&want.path, piece), Ok(vec![]));
    }
    asked.iter().for_each(|want| fetch.failed(&want.path));
    travelled
}

proptest! {
    /// N5 accepts: pieces in any order, from several peers, some of which never answer.
    #[test]
    fn any_trie_is_fetched_whatever_is_there_already(
        mine in map(),
        stashed in map(),
        theirs in map(),
        budget in 0usize..900,
        seed in 1u64..,
    ) {
        let peers = trie(&theirs);
        let mut fetch = Fetch::resumed(peers.root(), trie(&mine), trie(&stashed));
        let share = fetch.share();
        run(&mut fetch, &peers, budget, usize::MAX, &mut Draws(seed));
        prop_assert!(share <= fetch.share() && fetch.share() == WHOLE);
        let fetched = fetch.finish().map_err(|_| ()).unwrap();
        prop_assert_eq!(fetched.root(), peers.root());
        prop_assert_eq!(fetched.len(), peers.len());
        prop_assert!(fetched.iter().eq(peers.iter()));
    }

    /// N5 accepts: going on to a newer root with all that was fetched, also after a restart.
    #[test]
    fn a_fetch_goes_on_to_another_root_and_after_a_restart(
        mine in map(),
        theirs in map(),
        newer in map(),
        most in 0usize..9,
        seed in 1u64..,
    ) {
        let (peers, draws) = (trie(&theirs), &mut Draws(seed));
        let mut fetch = Fetch::new(peers.root(), trie(&mine));
        let kept = run(&mut fetch, &peers, 200, most, draws).leaves;
        let mut newer = newer;
        newer.extend(theirs);
        let peers = trie(&newer);
        let mut restarted = Fetch::resumed(peers.root(), trie(&mine), trie(&kept.into_iter().collect()));
        let mut fetch = fetch.retarget(peers.root());
        for fetch in [&mut fetch, &mut restarted] {
            run(fetch, &peers, 200, usize::MAX, draws);
        }
        for fetch in [fetch, restarted] {
            let fetched = fetch.finish().map_err(|_| ()).unwrap();
            prop_assert!(fetched.iter().eq(peers.iter()));
        }
    }
}

/// N5: between two states only what differs travels, and few bytes for few changes.
#[test]
fn k_changes_of_n_leaves_move_k_times_log_n_bytes() {
    let mine = many(20_000);
    for changes in [0u32, 1, 10, 100] {
        let mut theirs = mine.clone();
        for n in 0..changes {
            theirs.insert(Id::hash(&[&(n * 17).to_be_bytes()]), n.to_le_bytes());
        }
        let mut fetch = Fetch::new(theirs.root(), mine.clone());
        let travelled =
            run(&mut fetch, &theirs, PIECE_BYTES_MAX as usize, usize::MAX, &mut Draws(9));
        // Four levels hold 20,000 leaves, here and there five: sixteen hashes each, and the leaf.
        let bound = changes as usize * (5 * 16 * 36 + 64);
        assert!(travelled.bytes <= bound, "{changes}: {} of {bound}", travelled.bytes);
        assert_eq!(fetch.finish().map_err(|_| ()).unwrap().root(), theirs.root());
    }
}

/// Whoever has nothing asks for a few large pieces, and gets each byte once.
#[test]
fn a_new_copy_comes_in_few_pieces() {
    let theirs = many(20_000);
    let mut fetch = Fetch::new(theirs.root(), Trie::default());
    let travelled = run(&mut fetch, &theirs, PIECE_BYTES_MAX as usize, usize::MAX, &mut Draws(3));
    let values: usize = 20_000 * (32 + 4);
    assert!(travelled.bytes < 2 * values, "{}", travelled.bytes);
    assert!(travelled.pieces < 6_000, "{}", travelled.pieces);
    assert_eq!(travelled.leaves.len(), 20_000);
    assert!(fetch.finish().is_ok());
}

#[test]
fn what_is_no_piece_of_this_path_is_refused_by_its_name() {
    let theirs = many(100);
    let path = Path::of(theirs.iter().next().unwrap().0, 1);
    let hash = theirs.hash_at(&path).unwrap();
    let piece = theirs.piece(&path, 0).unwrap();
    assert_eq!(piece.read(&path, &Id::ZERO), Err(ProofRefusal::OtherRoot));
    let elsewhere = Path::ROOT.child(path.nibbles().next().unwrap() ^ 1);
    let whole = theirs.piece(&path, 100_000).unwrap();
    assert_eq!(whole.read(&elsewhere, &hash), Err(ProofRefusal::ForeignLeaf));
    assert_eq!(Piece::default().read(&path, &hash), Err(ProofRefusal::Nothing));
    assert_eq!(Piece::default().read(&Path::ROOT, &Trie::default().root()), Ok(Read::default()));
    assert!(theirs.piece(&Path::of(&Id::ZERO, 64), 9).is_none());
    assert_eq!(theirs.leaves_below(&path).count(), whole.read(&path, &hash).unwrap().leaves.len());
}

#[test]
fn a_path_has_at_most_64_nibbles() {
    let check = |nibbles: Vec<u8>, expect: bool| {
        let bytes = codec::encode(&crate::page::entry::Rdata(nibbles.clone().into()));
        let read = codec::decode::<Path>(&bytes, bytes.len());
        assert_eq!(read.is_ok(), expect, "{nibbles:?}");
    };
    check(vec![], true);
    check(vec![15; 63], true);
    check(vec![15; 64], true);
    check(vec![15; 65], false);
    check(vec![16], false);
    assert_eq!(Path::ROOT.child(3).child(12).to_string(), "/3c");
}
