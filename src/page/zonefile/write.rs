//! Writes a page as a zone file that other DNS software reads.

use std::{borrow::Borrow, fmt::Write};

use super::{
    foreign::{MARK, Neighbours, server},
    order,
};
use crate::page::{
    apex,
    entry::RecordSets,
    name::{Name, Owner},
    rdata::{self, Style},
    record::RecordType,
};

/// Appends a whole zone file: the made SOA and NS, then the entries in canonical order. Types of
/// djdns' own are written as octets (RFC 3597), and what would make other software refuse the
/// zone as comments that [`super::read`] understands. The same page gives the same text.
pub fn write<S: Borrow<RecordSets>>(
    page: &Name,
    serial: u32,
    entries: impl Iterator<Item = (Owner, S)>,
    out: &mut String,
) {
    let entries: Vec<(Owner, S)> = entries.collect();
    let borrowed = entries.iter().map(|(owner, sets)| (owner.clone(), sets.borrow()));
    let entries = Neighbours::new(page, borrowed);
    let mut origin = String::new();
    rdata::write_name(page.wire(), &mut origin);
    // Writing into a String cannot fail.
    let _ = write!(
        out,
        "; The page {origin} as djdns wrote it. SOA and NS are made: every copy has its own.\n\
         ; Lines that start with `{MARK}` are records that other software would refuse.\n\
         $ORIGIN {origin}\n$TTL {}\n",
        apex::MADE_TTL
    );
    record("@", apex::MADE_TTL, RecordType::SOA, &apex::soa_rdata(serial), out);
    record("@", apex::MADE_TTL, RecordType::NS, &apex::ns_rdata(), out);
    if page.is_root() {
        write_server_addresses(&entries, out);
    }
    for (index, entry) in entries.iter() {
        let mut owner = String::new();
        rdata::write_owner(&entry.owner, &mut owner);
        for set in entry.sets.iter() {
            for (nth, data) in set.rdata.iter().enumerate() {
                if entries.refused(index, set.rtype, nth, data) {
                    out.push_str(MARK);
                }
                record(&owner, set.ttl, set.rtype, &data.0, out);
            }
        }
    }
}

/// In the root page the made NS lies within the zone, so it needs addresses there. If an entry
/// has such addresses too, their set keeps one TTL.
fn write_server_addresses(entries: &Neighbours<'_>, out: &mut String) {
    let mut key = Vec::new();
    order::push_key(server(), &mut key);
    let sets = entries.get(&key);
    for (rtype, data) in apex::server_addresses() {
        let set = sets.and_then(|sets| sets.get(rtype));
        record("localhost", set.map_or(apex::MADE_TTL, |set| set.ttl), rtype, &data, out);
    }
}

fn record(owner: &str, ttl: u32, rtype: RecordType, data: &[u8], out: &mut String) {
    // Writing into a String cannot fail.
    let _ = match rdata::is_widely_known(rtype) {
        true => write!(out, "{owner}\t{ttl}\tIN\t{rtype}\t"),
        false => write!(out, "{owner}\t{ttl}\tIN\tTYPE{}\t", rtype.0),
    };
    rdata::write_text(rtype, data, Style::GenericPrivate, out);
    out.push('\n');
}
