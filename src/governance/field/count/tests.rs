//! What is kept added up is what is there, whatever happened since; and it costs what happened.

use proptest::prelude::*;

use super::{
    super::{
        picture::{Candidate, Picture, Stale, Voice},
        tests::{HOUR, SEALED, foreign, host, hosted, node, page, say, sealed},
    },
    *,
};
use crate::{
    governance::{
        presence::Presence,
        statement::{Body, Statement},
    },
    page::{
        Page,
        genesis::{Parameters, RawGenesis},
        name::Name,
        roster_rows,
    },
};

/// The picture seat by seat: the model of what is added up.
fn seat_by_seat(field: &Field, page: &Governance, now: u64) -> Picture {
    let (roster, parameters) = (page.page().roster(), page.page().parameters());
    let head = page.page().head();
    let mut rows: BTreeMap<(u64, Id), BTreeMap<PublicKey, Voice>> = BTreeMap::new();
    rows.entry((head.height, head.seal)).or_default();
    let (mut naming, mut attested) = (0, 0);
    for (key, power) in roster.iter().map(|(key, power)| (key, u64::from(power))) {
        let nodes = page.nodes_of(key);
        naming += if nodes == [None, None] { 0 } else { power };
        let words = nodes.iter().flatten();
        let words = words.filter_map(|node| Some((field.word(node, now)?, *node)));
        let newest = words.max_by_key(|(word, node)| (word.rank(), Reverse(*node)));
        let Some((Word { height, seal, time, is_commit }, node)) = newest else { continue };
        let silent = Voice { node, seats: 0, power: 0, time, is_commit };
        let voice = rows.entry((height, seal)).or_default().entry(node).or_insert(silent);
        (voice.seats, voice.power) = (voice.seats + 1, voice.power + power);
        attested += power;
    }
    let mut carried = 0;
    let mut candidates = Vec::new();
    for ((height, seal), voices) in rows.into_iter().rev() {
        let is_held = page.known_seals().any(|known| (known.height, known.seal) == (height, seal));
        let mut voices: Vec<Voice> = voices.into_values().collect();
        voices.sort_by_key(|voice| (Reverse(voice.power), voice.node));
        let own: u64 = voices.iter().map(|voice| voice.power).sum();
        carried += if is_held { own } else { 0 };
        let support = if is_held { carried } else { own };
        candidates.push(Candidate { height, seal, support, is_held, voices });
    }
    candidates.sort_by_key(|c| (Reverse(c.support), Reverse(c.height), c.seal));
    let (best, total) = (&candidates[0], roster.total());
    let share = |whole: u64| (best.support * u64::from(BASIS_POINTS) / whole.max(1)) as u16;
    let is_enough = |bp: u16| best.support * u64::from(BASIS_POINTS) >= u64::from(bp) * total;
    let freshness = if naming < quorum(parameters.track2_bp, total) {
        Freshness::Unsealable
    } else if best.support == 0 {
        Freshness::Stale(Stale::Unheard)
    } else if !is_enough(parameters.track1_bp) {
        let needed = quorum(parameters.track1_bp, total);
        Freshness::Stale(Stale::Weak { support: best.support, needed, total })
    } else if best.is_held {
        Freshness::Confirmed
    } else {
        Freshness::Stale(Stale::Behind(best.height))
    };
    let (strength_bp, coherence_bp) = (share(total), share(attested));
    Picture { total, attested, candidates, strength_bp, coherence_bp, freshness }
}

/// What happens to a page and its field; numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Deed {
    /// A participant names a node.
    Host(u8, u8),
    /// A node says which seal is the newest, so many minutes before or after now.
    Say(u8, u8, i64),
    Seal(u8),
    /// The page is taken over at its newest seal, and nothing that was said since.
    Jump,
    /// So many hours pass; below 0: the clock is set back.
    Wait(i64),
    Expire,
}

const PEOPLE: u8 = 5;

fn deeds() -> impl Strategy<Value = Vec<(Deed, bool)>> {
    let deed = prop_oneof![
        4 => (0..PEOPLE, 0..PEOPLE).prop_map(|(who, of)| Deed::Host(who, of)),
        8 => (0..PEOPLE, 0..4u8, -60..60i64).prop_map(|(of, seal, at)| Deed::Say(of, seal, at)),
        2 => (0..PEOPLE).prop_map(Deed::Seal),
        1 => Just(Deed::Jump),
        2 => (-2..13i64).prop_map(Deed::Wait),
        1 => Just(Deed::Expire),
    ];
    prop::collection::vec((deed, any::<bool>()), 1..40)
}

/// A page under way, with what was counted of it.
struct Story {
    page: Governance,
    field: Field,
    now: u64,
    count: Count,
}

impl Story {
    fn new(powers: &[u32]) -> Story {
        let (page, field) = (page(powers), Field::default());
        Story { page, field, now: SEALED, count: Count::default() }
    }

    fn follow(&mut self, deed: &Deed) {
        let page = &self.page;
        match *deed {
            Deed::Host(who, of) => {
                let who = who % page.page().roster().len() as u8;
                host(&mut self.page, who, of);
            }
            Deed::Say(of, which, minutes) => {
                let head = match which {
                    0 => page.page().head(),
                    1 => page.known_seals().next().unwrap(),
                    which => foreign(u64::from(which), which),
                };
                let said = say(page, of, &head, self.now.saturating_add_signed(minutes * 60));
                let _ = self.field.take(page, &said, self.now);
            }
            Deed::Seal(by) if page.seal_alone(&node(by), self.now).is_ok() => {
                self.page = sealed(page, by, self.now, &mut self.field);
            }
            Deed::Seal(_) => {}
            Deed::Jump => self.page = Governance::with_past(page.page.clone(), page.past.clone()),
            Deed::Wait(hours) => self.now = self.now.saturating_add_signed(hours * HOUR as i64),
            Deed::Expire => drop(self.field.expire(self.now)),
        }
    }

    fn check(&mut self) {
        let model = seat_by_seat(&self.field, &self.page, self.now);
        assert_eq!(self.field.picture(&self.page, self.now), model);
        let freshness = self.count.freshness(&self.field, &self.page, self.now);
        assert_eq!(freshness, model.freshness);
        let own = |c: &Candidate| c.voices.iter().map(|voice| voice.power).sum::<u64>();
        let named = model.candidates.iter().map(|c| ((c.height, c.seal), own(c)));
        let named: BTreeMap<(u64, Id), u64> = named.filter(|(_, power)| *power > 0).collect();
        assert_eq!(self.count.named, named);
        let held = self.field.attestations().chain(self.field.evidence().flat_map(both));
        let held: OrdMap<Id, Attestation> = held.map(|said| (said.id(), said.clone())).collect();
        assert_eq!(*self.field.statements(), held);
    }
}

fn both((one, other): &(Attestation, Attestation)) -> [&Attestation; 2] {
    [one, other]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_added_up_is_what_all_seats_give_one_by_one(
        powers in prop::collection::vec(1..=50u32, 1..=PEOPLE as usize),
        deeds in deeds(),
    ) {
        let mut story = Story::new(&powers);
        for (deed, is_looked_at) in &deeds {
            story.follow(deed);
            if *is_looked_at {
                story.check();
            }
        }
        story.check();
    }
}

#[test]
fn a_clock_that_is_set_back_is_counted_by_anew() {
    let mut story = Story { page: hosted(&[1, 2]), ..Story::new(&[1]) };
    for deed in [Deed::Say(0, 0, 30), Deed::Wait(1), Deed::Wait(-1), Deed::Wait(24), Deed::Wait(1)]
    {
        story.follow(&deed);
        story.check();
    }
}

fn key(n: u16) -> SecretKey {
    let mut seed = [7; 32];
    seed[..2].copy_from_slice(&n.to_be_bytes());
    SecretKey::from_seed(&seed)
}

/// Of so many seats with a node each, what was counted while each was named, and said something.
fn work_of(seats: u16) -> u64 {
    let keys: Vec<SecretKey> = (0..seats).map(key).collect();
    let rows = roster_rows(keys.iter().map(|key| (key.public(), 1)));
    let raw = RawGenesis::new(Name::root(), rows, Parameters::default(), 1, Id::ZERO);
    let mut page = Governance::new(Page::found(raw, []).unwrap().0);
    let (mut field, mut count) = (Field::default(), Count::default());
    let (id, head) = (page.page().id(), page.page().head());
    for key in &keys {
        let node = vec![key.public().raw()];
        let presence = Presence { node, ..Presence::new(key.public().raw(), 1) };
        page.admit(&Statement::sign(&id, Body::Presence(presence), key).unwrap()).unwrap();
        count.freshness(&field, &page, SEALED);
    }
    for (n, key) in (0..).zip(&keys) {
        let said = Attestation::sign(key, &id, &head, SEALED + n);
        assert_eq!(field.take(&page, &said, SEALED + n), Ok(true));
        count.freshness(&field, &page, SEALED + n);
    }
    assert_eq!(count.freshness(&field, &page, SEALED + HOUR), Freshness::Confirmed);
    assert_eq!(field.picture(&page, SEALED + HOUR).attested, u64::from(seats));
    let over = count.freshness(&field, &page, SEALED + 26 * HOUR);
    assert_eq!(over, Freshness::Stale(Stale::Unheard));
    count.work()
}

/// T6: what comes one by one costs one by one, however many seats there are.
#[test]
fn many_attestations_one_by_one_cost_as_many_counts() {
    for seats in [10, 100, 600] {
        let work = work_of(seats);
        assert!(work <= 5 * u64::from(seats), "{work} counts for {seats} seats");
    }
}
