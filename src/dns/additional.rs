//! Addresses that are worth sending along unasked: glue, and the targets of services.
//!
//! They come from the pages, are never followed through aliases, and are the first to go when
//! there is no room.

use super::{
    answer::{Answer, Part, target_at},
    node::Prebuilt,
    path::Path,
    view::{Found, PageView, Place, View},
};
use crate::{limits::ADDITIONAL_SETS_MAX, page::record::RecordType};

const ADDRESSES: [RecordType; 2] = [RecordType::A, RecordType::AAAA];

/// An address that a delegation is sent with.
pub struct Glue<'v> {
    /// The server.
    pub name: Path,
    pub set: Prebuilt<'v>,
    /// It is below the cut: it cannot be asked for (RFC 9471).
    pub needed: bool,
}

/// The addresses of a delegation's servers, as far as they lie in the page that delegates; those that are
/// needed first. Two of a name are told twice.
pub fn glue<'v>(
    page: &'v PageView,
    servers: Prebuilt<'v>,
    cut: &[u8],
) -> impl Iterator<Item = Glue<'v>> {
    let targets = move || servers.iter().filter_map(|server| Path::read(server.rdata));
    let of = move |needed| {
        let targets = targets().filter(move |target| target.cut_at(cut).is_some() == needed);
        targets.flat_map(move |name| {
            let label = name.cut_at(page.meta().name.wire());
            // What a PAGE link occludes is the subpage's to say, and that may be another thing.
            let label = label.filter(|label| *label > 0 && !is_linked(page, &name, *label));
            let node = label.and_then(|label| page.node(name.owner(0, label)));
            let sets = ADDRESSES.into_iter().filter_map(move |rtype| node?.get(rtype));
            sets.map(move |set| Glue { name, set, needed })
        })
    };
    [true, false].into_iter().flat_map(of)
}

/// Sends along what [`glue`] finds.
pub fn for_servers<'v>(
    answer: &mut Answer<'v>,
    page: &'v PageView,
    ttl_max: u32,
    servers: Prebuilt<'v>,
    cut: &[u8],
) {
    for Glue { name, set, needed } in glue(page, servers, cut) {
        push(answer, &name, set, ttl_max);
        if needed {
            answer.needed = answer.additional.len();
        }
    }
}

/// The addresses of what an NS, MX, SRV, SVCB or HTTPS points to (RFC 1035 section 3.3.9,
/// RFC 2782, RFC 9460 section 4.1).
pub fn for_targets<'v>(view: &'v View, answer: &mut Answer<'v>, set: Prebuilt<'v>, owner: &Path) {
    if [RecordType::CNAME, RecordType::DNAME, RecordType::PTR].contains(&set.rtype) {
        return;
    }
    for record in set.iter() {
        let Some(at) = target_at(set.rtype, record.rdata) else { return };
        let Some(mut target) = Path::read(&record.rdata[at..]) else { return };
        let is_service = [RecordType::SVCB, RecordType::HTTPS].contains(&set.rtype);
        if target.labels() == 0 && is_service && record.rdata[..2] != [0, 0] {
            target = *owner; // RFC 9460 section 2.5.2: "." means this very name.
        }
        let Place::Page(found) = view.place(&target, RecordType::A) else { continue };
        let Found { page, cut, ttl_max, .. } = found;
        let occluded = |label| {
            let node = page.node(target.owner(label, cut));
            node.is_some_and(|node| node.is_delegation() || node.is_subtree_alias())
        };
        if !(0..cut).any(occluded) {
            let node = page.node(target.owner(0, cut));
            for set in ADDRESSES.into_iter().filter_map(|rtype| node?.get(rtype)) {
                push(answer, &target, set, ttl_max);
            }
        }
    }
}

/// Unless there are enough already, or this one.
fn push<'v>(answer: &mut Answer<'v>, name: &Path, set: Prebuilt<'v>, ttl_max: u32) {
    let same =
        |part: &Part<'_>| part.rtype == set.rtype && part.owner.as_deref() == Some(name.wire());
    if answer.additional.len() < ADDITIONAL_SETS_MAX && !answer.additional.iter().any(same) {
        answer.additional.push(Part::held(Some(name.wire()), set, ttl_max));
    }
}

fn is_linked(page: &PageView, target: &Path, label: usize) -> bool {
    page.node(target.owner(label - 1, label)).is_some_and(|node| node.link().is_some())
}
