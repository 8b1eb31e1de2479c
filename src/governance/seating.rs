//! Which nodes speak for how much of a page's power (S2, T6): its seats, added up by the nodes that
//! they name, and kept up to date with every presence.
//!
//! What nodes say is not known here.

use imbl::{OrdMap, ordmap::DiffItem};

use crate::key::PublicKey;

/// The nodes that may speak for a seat: one, or the one in its sealed presence and the one in a newer.
pub type Speakers = (PublicKey, Option<PublicKey>);

/// Seats that the same nodes may speak for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bench {
    pub seats: usize,
    pub power: u64,
}

/// The seats of a page that name a node, added up. Cloning it costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seating {
    /// Seats that two nodes may speak for are under both, each time with the other behind.
    benches: OrdMap<Speakers, Bench>,
    power: u64,
}

impl Seating {
    /// Adds up all seats of a page: of each its power, and what its presences name.
    pub fn of(seats: impl IntoIterator<Item = (u64, [Option<PublicKey>; 2])>) -> Seating {
        let mut seating = Seating::default();
        seats.into_iter().for_each(|(power, nodes)| seating.take(nodes, power));
        seating
    }

    /// The power of all seats that name a node.
    pub fn power(&self) -> u64 {
        self.power
    }

    /// Whether any seat names this node.
    pub fn names(&self, node: &PublicKey) -> bool {
        self.of_node(node).next().is_some()
    }

    /// The seats that this node may speak for, together with the other node that may.
    pub fn of_node(
        &self,
        node: &PublicKey,
    ) -> impl Iterator<Item = (Option<PublicKey>, Bench)> + use<'_> {
        let node = *node;
        let from = self.benches.range((node, None)..);
        from.take_while(move |((one, _), _)| *one == node)
            .map(|((_, other), bench)| (*other, *bench))
    }

    /// What differs in another seating: of each pair of nodes once, what it was and what it is.
    pub fn changes(&self, after: &Seating) -> Vec<(Speakers, Bench, Bench)> {
        let all = self.benches.diff(&after.benches).map(|item| match item {
            DiffItem::Add(speakers, bench) => (*speakers, Bench::default(), *bench),
            DiffItem::Update { old, new } => (*old.0, *old.1, *new.1),
            DiffItem::Remove(speakers, bench) => (*speakers, *bench, Bench::default()),
        });
        all.filter(|((one, other), ..)| other.is_none_or(|other| *one < other)).collect()
    }

    /// A seat of this power, whose presences name these nodes.
    pub(super) fn take(&mut self, nodes: [Option<PublicKey>; 2], power: u64) {
        let speakers = speakers(nodes);
        if speakers[0].is_some() {
            self.power += power;
        }
        for key in speakers.into_iter().flatten() {
            let bench = self.benches.entry(key).or_default();
            bench.seats += 1;
            bench.power += power;
        }
    }

    /// The same seat is no more. What was never taken is passed over, as happens between two rosters
    /// (see `Governance::close`), after which all are added up anew.
    pub(super) fn leave(&mut self, nodes: [Option<PublicKey>; 2], power: u64) {
        let speakers = speakers(nodes);
        if speakers[0].is_some() {
            self.power = self.power.saturating_sub(power);
        }
        for key in speakers.into_iter().flatten() {
            let Some(bench) = self.benches.get_mut(&key) else { continue };
            bench.seats -= 1;
            bench.power = bench.power.saturating_sub(power);
            if bench.seats == 0 {
                self.benches.remove(&key);
            }
        }
    }
}

/// Under what a seat stands that names these nodes.
fn speakers([sealed, newer]: [Option<PublicKey>; 2]) -> [Option<Speakers>; 2] {
    match (sealed, newer) {
        (Some(one), Some(other)) if one != other => {
            [Some((one, Some(other))), Some((other, Some(one)))]
        }
        (one, other) => [one.or(other).map(|node| (node, None)), None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    fn node(n: u8) -> Option<PublicKey> {
        Some(SecretKey::from_seed(&[n; 32]).public())
    }

    /// S2: a node that is in no presence any more speaks for nobody.
    #[test]
    fn seats_are_added_up_by_the_nodes_that_may_speak_for_them() {
        let [a, b] = [1, 2].map(node);
        let rows = [(5, [a, None]), (7, [a, a]), (11, [a, b]), (13, [b, a]), (17, [None, None])];
        let mut seating = Seating::of(rows);
        let of = |seating: &Seating, node: Option<PublicKey>| -> Vec<(bool, usize, u64)> {
            let benches = seating.of_node(&node.unwrap());
            benches.map(|(other, bench)| (other.is_some(), bench.seats, bench.power)).collect()
        };
        assert_eq!(seating.power(), 36);
        assert_eq!(of(&seating, a), [(false, 2, 12), (true, 2, 24)]);
        assert_eq!(of(&seating, b), [(true, 2, 24)]);
        let before = seating.clone();
        seating.leave([a, b], 11);
        seating.take([b, b], 11);
        assert_eq!(seating.power(), 36);
        assert_eq!(of(&seating, b), [(false, 1, 11), (true, 1, 13)]);
        assert_eq!(before.changes(&seating).len(), 2, "of the pair, and of one alone");
        for (power, nodes) in [(5, [a, None]), (7, [a, a]), (13, [b, a]), (11, [b, b])] {
            seating.leave(nodes, power);
        }
        assert_eq!(seating, Seating::default());
        seating.leave([a, b], 1);
        assert_eq!(seating, Seating::default());
    }
}
