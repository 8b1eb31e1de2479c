//! The golden image of a page: how it was made, and what it says.
//!
//! Each table hashes names in its own way, so it is not made anew: what is read of it is written again.

use std::fmt::Write;

use djdns::{
    dns::{PageMeta, PageView, View},
    id::Id,
    page::{
        entry::RecordSets,
        name::{Name, Owner},
        record::RecordType,
    },
};

/// Nodes of every kind, some below others, some soft.
pub fn make() -> Vec<u8> {
    let name = Name::parse("ct").unwrap();
    let id = Id::from_bytes([7; 32]);
    let meta = PageMeta { name: name.clone(), id, serial: 9, fresh: true, absence_ttl: 300 };
    let rows = [
        ("@", RecordType::A, vec![192, 0, 2, 1], None),
        ("www", RecordType::CNAME, b"\x01x\x02ct\0".to_vec(), None),
        ("*.any", RecordType::AAAA, [1; 16].to_vec(), Some(60)),
        ("deep.below.nothing", RecordType::A, vec![192, 0, 2, 2], None),
        ("sub", RecordType::PAGE, [8; 32].to_vec(), Some(300)),
        ("old", RecordType::DNAME, b"\x01y\x02ct\0".to_vec(), None),
        ("cut", RecordType::NS, b"\x02ns\x02ct\0".to_vec(), None),
    ];
    let view =
        rows.iter().fold(View::new().with_page(meta, []), |view, (owner, rtype, data, cap)| {
            let owner = Owner::parse(owner, &name).unwrap();
            let sets = RecordSets::gather([(*rtype, 3600, data.clone())], &owner, &name).unwrap();
            view.with_entry(&id, &owner, &sets, *cap)
        });
    write(view.page(&id).unwrap())
}

pub fn write(page: &PageView) -> Vec<u8> {
    page.image(page.meta().fresh).unwrap().parts().flatten().copied().collect()
}

pub fn describe(bytes: &[u8]) -> String {
    let page = PageView::of_image(&bytes.to_vec().into()).unwrap();
    assert!(write(&page) == bytes, "it is written as it was read");
    let PageMeta { name, id, serial, fresh, absence_ttl } = page.meta();
    let mut out = format!("{name} {id}\nserial {serial} fresh {fresh} absence {absence_ttl} s\n");
    let mut nodes: Vec<_> = page.nodes().collect();
    nodes.sort_by_key(|node| node.owner());
    for node in nodes {
        let owner = Owner::from_wire(node.owner()).unwrap();
        writeln!(out, "{owner}: children {}, link {:?}", node.children(), node.link()).unwrap();
        for record in node.sets().flat_map(|set| set.iter()) {
            let data = data_encoding::HEXLOWER.encode(record.rdata);
            writeln!(out, "  {} {} s {data}", record.rtype, record.ttl).unwrap();
        }
    }
    out
}
