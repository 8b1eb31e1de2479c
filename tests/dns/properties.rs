//! What holds for all bytes, all pages and all histories of a view.

use std::{collections::BTreeMap, sync::LazyLock};

use djdns::{
    dns::{PageMeta, Transport, View, respond},
    page::{entry::RecordSets, name::Owner, record::RecordType},
};
use hickory_proto::op::Message;
use proptest::prelude::*;

use super::{
    naive::{self, Labels, Outcome, World, labels},
    replay, short,
    support::{self, Loose},
};

static VIEWS: LazyLock<Vec<View>> = LazyLock::new(|| {
    let files = [crate::ANSWERS, crate::CUTS, crate::ANCHORS, crate::SPECIAL, crate::COLLISIONS];
    files.map(|text| replay::read(text).view).into()
});

static QUERIES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let files = [crate::ANSWERS, crate::CUTS, crate::SPECIAL, crate::COLLISIONS].map(replay::read);
    files.into_iter().flat_map(|file| file.asks).map(|ask| ask.bytes).collect()
});

fn transport() -> impl Strategy<Value = Transport> {
    prop::sample::select(Transport::ALL.to_vec())
}

/// Whatever came in, what goes out is a response that fits and that can be read.
fn invariant_of_answers(view: &View, query: &[u8], transport: Transport) {
    let answer = match transport {
        Transport::Udp => short::udp(view, query),
        _ => respond(view, query, transport),
    };
    let Some(answer) = answer else {
        assert!(query.len() < 12 || query[2] & 0x80 != 0, "silence without reason");
        return;
    };
    let max = if transport == Transport::Udp { 1232 } else { 65535 };
    assert!(answer.len() <= max.max(query.len()), "{} octets", answer.len());
    assert_eq!(answer[..2], query[..2]);
    assert_eq!(answer[2] & 0x80, 0x80);
    Message::from_vec(&answer).unwrap_or_else(|error| panic!("{error}: {answer:02x?}"));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), t in transport()) {
        for view in VIEWS.iter() {
            invariant_of_answers(view, &bytes, t);
        }
    }

    #[test]
    fn no_damage_to_a_query_makes_it_panic(
        pick in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
        t in transport(),
    ) {
        let mut query = pick.get(&QUERIES[..]).clone();
        for (at, byte) in damage {
            let at = at.index(query.len());
            query[at] = byte;
        }
        if cuts {
            query.truncate(cut.index(query.len() + 1));
        }
        for view in VIEWS.iter() {
            invariant_of_answers(view, &query, t);
        }
    }
}

fn owner() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::collection::vec("[abc]", 1..4).prop_map(|labels| labels.join(".")),
        1 => prop::collection::vec("[abc]", 0..3).prop_map(|labels| {
            std::iter::once("*".to_owned()).chain(labels).collect::<Vec<_>>().join(".")
        }),
    ]
}

proptest! {
    #[test]
    fn a_view_after_any_history_is_the_view_built_from_what_is_left(
        history in prop::collection::vec((owner(), prop::option::of(0u8..3)), 1..60),
    ) {
        let page = support::name("ct.");
        let meta = PageMeta { name: page.clone(), id: support::page_id("ct."), serial: 1, fresh: true, absence_ttl: u32::MAX };
        let mut view = View::new().with_page(meta.clone(), []);
        let mut left: BTreeMap<Owner, RecordSets> = BTreeMap::new();
        for (owner, value) in history {
            let owner = Owner::parse(&owner, &page).unwrap();
            let record = value.map(|value| (RecordType::A, 60, vec![10, 0, 0, value]));
            let sets = RecordSets::gather(record, &owner, &page).unwrap();
            let before = view.clone();
            let kept: Vec<(Vec<u8>, u32)> = before
                .page(&meta.id)
                .unwrap()
                .nodes()
                .map(|node| (node.owner().to_vec(), node.children()))
                .collect();
            view = view.with_entry(&meta.id, &owner, &sets, None);
            let old = before.page(&meta.id).unwrap();
            let children = |owner: &Vec<u8>| old.node(owner).map(djdns::dns::node::Node::children);
            prop_assert!(kept.iter().all(|(owner, count)| children(owner) == Some(*count)));
            if sets.is_empty() { left.remove(&owner); } else { left.insert(owner, sets); }
        }
        let rebuilt = View::new().with_page(meta.clone(), left);
        let (a, b) = (view.page(&meta.id).unwrap(), rebuilt.page(&meta.id).unwrap());
        prop_assert_eq!(a.nodes().count(), b.nodes().count());
        for node in a.nodes() {
            prop_assert!(b.node(node.owner()).is_some_and(|other| other.same(node)));
        }
    }
}

/// What may stand at an owner: type and data, as the replay files write them.
type Content = Vec<(&'static str, String)>;

fn content() -> impl Strategy<Value = Content> {
    let target = prop_oneof![
        5 => prop::collection::vec("[abc]", 1..4).prop_map(|labels| format!("{}.", labels.join("."))),
        1 => Just("x.zz.".to_owned()),
    ];
    prop_oneof![
        3 => (0u8..4).prop_map(|n| vec![("A", format!("10.0.0.{n}"))]),
        2 => (0u8..4).prop_map(|n| vec![("A", format!("10.0.0.{n}")), ("TXT", format!("t{n}"))]),
        2 => target.clone().prop_map(|target| vec![("CNAME", target)]),
        1 => target.clone().prop_map(|target| vec![("NS", target)]),
        1 => target.prop_map(|target| vec![("DNAME", target), ("TXT", "d".to_owned())]),
        1 => Just(vec![("PAGE", String::new())]),
    ]
}

/// A root page and some below it, as both sides know them. What no page may hold is left out.
fn world(entries: Vec<(usize, String, Content)>) -> (View, World) {
    let names = [".", "a.", "b.a."];
    let mut world = World::default();
    let mut view = View::new().with_anchor(&support::name("."), support::page_id("."));
    for (i, page) in names.iter().enumerate() {
        let page_name = support::name(page);
        let mut records: Vec<Loose> = Vec::new();
        let mut known = BTreeMap::new();
        let linked = [
            vec![(0, "a".to_owned(), vec![("PAGE", String::new())])],
            vec![(1, "b".to_owned(), vec![("PAGE", String::new())])],
        ]
        .concat();
        for (_, owner, content) in
            linked.into_iter().chain(entries.iter().cloned()).filter(|(at, ..)| *at == i)
        {
            let absolute = [labels(page), labels(&owner)].concat();
            let loose: Vec<Loose> = content
                .iter()
                .map(|(rtype, data)| {
                    let data = if *rtype == "PAGE" { naive::text(&absolute) } else { data.clone() };
                    (owner.clone(), rtype.parse().unwrap(), 60, support::rdata(rtype, &[&data]))
                })
                .collect();
            let at = Owner::parse(&owner, &page_name).unwrap();
            let sets = loose.iter().map(|(_, rtype, ttl, data)| (*rtype, *ttl, data.clone()));
            if known.contains_key(&absolute) || RecordSets::gather(sets, &at, &page_name).is_err() {
                continue;
            }
            let sets = content.into_iter().map(|(rtype, data)| (rtype, vec![data])).collect();
            known.insert(absolute, sets);
            records.extend(loose);
        }
        let meta = PageMeta {
            name: page_name.clone(),
            id: support::page_id(page),
            serial: 1,
            fresh: true,
            absence_ttl: u32::MAX,
        };
        view = view.with_page(meta, support::entries(&records, &page_name));
        world.pages.insert(labels(page), known);
    }
    (view, world)
}

/// What the DNS face says, in the second opinion's terms.
fn outcome(view: &View, name: &Labels, qtype: &'static str) -> Outcome {
    let number = qtype.parse::<RecordType>().unwrap().0;
    let query = support::query(&naive::text(name), number, None);
    let answer = respond(view, &query, Transport::Stream).unwrap();
    let message = Message::from_vec(&answer).unwrap();
    let known = ["A", "TXT", "CNAME", "NS", "DNAME", "PAGE", "SOA"];
    let mut out = Outcome {
        rcode: message.metadata.response_code.low().into(),
        authoritative: message.metadata.authoritative,
        ..Outcome::default()
    };
    let rtype = |record: &hickory_proto::rr::Record| {
        let rtype = RecordType(record.record_type().into()).to_string();
        *known.iter().find(|known| **known == rtype).unwrap()
    };
    for record in &message.answers {
        let shown = record.data.to_string();
        let data = match rtype(record) {
            "SOA" => vec![],
            "NS" if shown == "localhost." => vec![],
            "PAGE" => vec![String::new()],
            "DNAME" => match &record.data {
                hickory_proto::rr::RData::Unknown { rdata, .. } => {
                    vec![djdns::page::name::Name::from_wire(&rdata.anything).unwrap().to_string()]
                }
                _ => vec![shown],
            },
            _ => vec![shown.trim_matches('"').to_owned()],
        };
        out.answer.push((labels(&record.name.to_string()), rtype(record), data));
    }
    let authority =
        |record: &hickory_proto::rr::Record| (labels(&record.name.to_string()), rtype(record));
    out.authority = message.authorities.iter().map(authority).collect();
    out
}

proptest! {
    #[test]
    fn a_second_opinion_agrees_on_every_name_and_type(
        entries in prop::collection::vec((0usize..3, owner(), content()), 0..12),
    ) {
        let (view, world) = world(entries);
        let mut names: Vec<Labels> = vec![vec![]];
        for depth in 0..4 {
            let longer: Vec<Labels> = names.iter().filter(|name| name.len() == depth)
                .flat_map(|name| ["a", "b", "c", "*"].map(|label| [name.clone(), vec![label.to_owned()]].concat()))
                .collect();
            names.extend(longer);
        }
        for name in &names {
            for qtype in ["A", "TXT", "CNAME", "NS", "SOA", "PAGE"] {
                let expect = world.ask(name, qtype, djdns::limits::CNAME_CHAIN_MAX);
                prop_assert_eq!(outcome(&view, name, qtype), expect, "{} {}", naive::text(name), qtype);
                let number = qtype.parse::<RecordType>().unwrap().0;
                for edns in [None, Some(512), Some(1232)] {
                    let query = support::query(&naive::text(name), number, edns);
                    short::without_cookie(&view, &query);
                }
            }
        }
    }
}
