//! Writes a page as a zone file that other DNS software reads.

use std::{borrow::Borrow, fmt::Write};

use super::order;
use crate::page::{
    apex,
    entry::RecordSets,
    name::{Name, Owner},
    rdata::{self, Style},
    record::RecordType,
};

/// Appends a whole zone file: the made SOA and NS, then the entries in canonical order. Types of
/// djdns' own are written as octets (RFC 3597). The same page gives the same text.
pub fn write<S: Borrow<RecordSets>>(
    page: &Name,
    serial: u32,
    entries: impl Iterator<Item = (Owner, S)>,
    out: &mut String,
) {
    let mut entries: Vec<(Owner, S)> = entries.collect();
    entries.sort_by_cached_key(|(owner, _)| {
        let mut key = Vec::with_capacity(owner.wire().len() + 1);
        order::push_key(owner.wire(), &mut key);
        key
    });
    // Writing into a String cannot fail.
    let _ = write!(
        out,
        "; The page {page} as djdns wrote it. SOA and NS are made: every copy has its own.\n\
         $ORIGIN {page}\n$TTL {}\n",
        apex::MADE_TTL
    );
    record("@", apex::MADE_TTL, RecordType::SOA, &apex::soa_rdata(serial), out);
    record("@", apex::MADE_TTL, RecordType::NS, &apex::ns_rdata(), out);
    if page.is_root() {
        write_server_addresses(&entries, out);
    }
    for (owner, sets) in &entries {
        let owner = owner.to_string();
        for set in sets.borrow().iter() {
            for data in &set.rdata {
                record(&owner, set.ttl, set.rtype, &data.0, out);
            }
        }
    }
}

/// In the root page the made NS lies within the zone, so it needs addresses there. If an entry
/// has such addresses too, their set keeps one TTL.
fn write_server_addresses<S: Borrow<RecordSets>>(entries: &[(Owner, S)], out: &mut String) {
    let server = apex::SERVER.strip_suffix(&[0]).unwrap_or_default();
    let entry = entries.iter().find(|(owner, _)| owner.wire() == server);
    for (rtype, data) in apex::server_addresses() {
        let set = entry.and_then(|(_, sets)| sets.borrow().get(rtype));
        record("localhost", set.map_or(apex::MADE_TTL, |set| set.ttl), rtype, &data, out);
    }
}

fn record(owner: &str, ttl: u32, rtype: RecordType, data: &[u8], out: &mut String) {
    // A zone file that every server reads writes unknown types as TYPE and a number.
    let _ = match rtype.is_private() {
        true => write!(out, "{owner}\t{ttl}\tIN\tTYPE{}\t", rtype.0),
        false => write!(out, "{owner}\t{ttl}\tIN\t{rtype}\t"),
    };
    rdata::write_text(rtype, data, Style::GenericPrivate, out);
    out.push('\n');
}
