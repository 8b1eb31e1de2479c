//! Which two statements are kept of a key that contradicted itself, whatever came first (G11).

use super::{sealing::presence, *};

/// Every order of so many.
fn orders(of: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![vec![]];
    for n in 0..of {
        let longer = |order: &Vec<usize>| {
            (0..=order.len()).map(|at| [&order[..at], &[n], &order[at..]].concat()).collect()
        };
        orders = orders.iter().flat_map(|order| -> Vec<Vec<usize>> { longer(order) }).collect();
    }
    orders
}

fn pair(page: &Governance) -> [Id; 2] {
    let mut evidence = page.evidence().map(|(_, (one, other))| [one.id(), other.id()]);
    evidence.next().expect("there is evidence")
}

fn open_ids(page: &Governance) -> std::collections::BTreeSet<Id> {
    page.open_set().into_iter().map(Statement::id).collect()
}

/// G11 accepts: of four statements any two of which contradict each other the two with the smallest ids,
/// in every order in which they come; N3: the open sets are the same then.
/// G11 refuses: two that do not contradict each other.
#[test]
fn the_two_smallest_of_many_contradictions_are_the_evidence_in_any_order() {
    let start = page(5);
    let op = set(&start, 0, 0, "brick", brick(&start), a(9));
    let mut start = start;
    start.admit(&op).unwrap();
    let check = |make: &dyn Fn(u8) -> Statement| {
        let mut said: Vec<Statement> = (0..4).map(make).collect();
        said.sort_by_key(Statement::id);
        let mut open = None;
        for order in orders(4) {
            let mut page = start.clone();
            order.iter().for_each(|n| drop(page.admit(&said[*n])));
            assert_eq!(pair(&page), [said[0].id(), said[1].id()], "{order:?}");
            assert_eq!(*open.get_or_insert_with(|| open_ids(&page)), open_ids(&page));
            assert!(said[..2].iter().all(|said| page.admit(said) == Err(Refusal::Known)));
            invariant_tallies_and_walks(&page);
        }
    };
    let choices = [Approve, Reject, Withdraw];
    check(&|n| {
        let unknown = Id::hash(&[&[n]]);
        ballot(&start, 1, 1, &[(op.id(), choices[usize::from(n) % 3]), (unknown, Approve)])
    });
    check(&|n| set(&start, 2, 5, "brick", brick(&start), a(n)));
    check(&|n| batch(&start, 2, 5, &[Id::hash(&[&[n]])]));
    check(&|n| {
        let node = key(n + 10).public().raw();
        presence(&start, 3, |presence| presence.node = vec![node])
    });
    let mut page = start.clone();
    let honest =
        [ballot(&start, 1, 1, &[(op.id(), Approve)]), ballot(&start, 1, 2, &[(op.id(), Reject)])];
    honest.iter().for_each(|said| drop(page.admit(said)));
    assert_eq!(page.evidence().count(), 0);
}

/// G11 accepts: two that contradict each other after their author said something newer, which neither
/// counts beside: they come as a pair, and both are to be stored.
/// G11 refuses: one of them alone.
#[test]
fn evidence_comes_as_a_pair_also_when_neither_counts_any_more() {
    let mut page = page(5);
    let op = set(&page, 0, 0, "brick", brick(&page), a(9));
    page.admit(&op).unwrap();
    let two = [Approve, Reject].map(|choice| ballot(&page, 1, 1, &[(op.id(), choice)]));
    page.admit(&ballot(&page, 1, 2, &[(op.id(), Approve)])).unwrap();
    for [first, second] in [[0, 1], [1, 0]] {
        let mut page = page.clone();
        let tally = page.proposal(&op.id()).unwrap().tally();
        assert_eq!(page.admit(&two[first]), Err(Refusal::Outranked));
        assert_eq!(page.admit(&two[first]), Err(Refusal::Outranked));
        assert_eq!(page.evidence().count(), 0);
        assert_eq!(page.admit(&two[second]), Ok(vec![]));
        assert_eq!(page.take_joined(), Some(two[first].clone()));
        assert_eq!(page.take_joined(), None);
        assert_eq!(page.evidence().count(), 1);
        assert_eq!(page.proposal(&op.id()).unwrap().tally(), tally);
        assert!(two.iter().all(|said| page.admit(said) == Err(Refusal::Known)));
    }
}

/// G11 accepts: an older ballot that still counts elsewhere stands against one of its sequence.
#[test]
fn what_still_counts_elsewhere_stands_against_a_contradiction() {
    let mut page = page(5);
    let ops = ["one", "two"].map(|at| {
        set(
            &page,
            0,
            at.len() as u32 + u32::from(at.as_bytes()[0]) % 7,
            at,
            origin(&page, at),
            a(9),
        )
    });
    ops.iter().for_each(|op| drop(page.admit(op).unwrap()));
    let counts = ballot(&page, 1, 1, &[(ops[0].id(), Approve)]);
    page.admit(&counts).unwrap();
    page.admit(&ballot(&page, 1, 2, &[(ops[1].id(), Approve)])).unwrap();
    let against = ballot(&page, 1, 1, &[(ops[1].id(), Reject)]);
    assert_eq!(page.admit(&against), Ok(vec![]));
    assert_eq!(page.evidence().count(), 1);
}
