//! What the pages held here say of other nodes (D6).

use std::net::IpAddr;

use crate::{
    beacon::{Beacon, beacons_at, beacons_of, beacons_of_link},
    daemon::{node::Node, resolve},
    dns::{Answer, answer::Part, path::Path},
    id::Id,
    page::{
        name::{Name, Owner},
        record::RecordType,
    },
};

impl Node {
    /// Whether a page is here, and its log is damaged.
    pub(in crate::daemon) fn is_damaged(&self, page: &Id) -> bool {
        self.damaged().iter().any(|damage| damage.page == *page)
    }

    /// The nodes that may have a page of this name which is not here: those that the link to it names,
    /// then those that the page above names.
    pub(super) fn beacons_towards(&self, name: &Name, page: &Id) -> Vec<Beacon> {
        let view = self.view().load_full();
        let above = view.walk(name).last().and_then(|above| self.page(&above.meta().id));
        let Some(above) = above else { return Vec::new() };
        let owner = name.relative_to(above.page().name()).ok();
        let labels = std::iter::successors(owner, Owner::parent);
        let links = labels.filter_map(|owner| above.ratified(&owner).0.page_link());
        let link = links.into_iter().find(|link| link.page == *page);
        let verified = &mut self.verified();
        let mut beacons = link.map_or_else(Vec::new, |link| beacons_of_link(&link, verified));
        beacons.extend(beacons_of(&above, verified));
        beacons
    }

    /// The addresses that the pages here have at a name, IPv6 first; or the name that others must be asked for,
    /// which is another one where a page has an alias there.
    pub(super) fn addresses_at_name(&self, name: &Name) -> Result<Vec<IpAddr>, Name> {
        let view = self.view().load_full();
        let Some(path) = Path::read(name.wire()) else { return Err(name.clone()) };
        let mut addresses = Vec::new();
        for rtype in [RecordType::AAAA, RecordType::A] {
            let answer = Answer::look_up(&view, &path, rtype);
            if let Some(outside) = answer.outside {
                return Err(outside.to_name());
            }
            let parts = answer.answer.iter().filter(|part| part.rtype == rtype);
            addresses.extend(parts.flat_map(Part::iter).filter_map(|record| ip(record.rdata)));
        }
        Ok(addresses)
    }

    /// The nodes that stand at a name in BEACON records.
    pub(super) fn beacons_at_name(&self, name: &Name) -> Vec<Beacon> {
        let view = self.view().load_full();
        let found = resolve::locate(self, &view, name);
        let verified = &mut self.verified();
        found.map_or_else(Vec::new, |(page, owner)| beacons_at(&page, &owner, verified))
    }
}

/// The address in the data of an A or AAAA record.
fn ip(data: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(data).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(data).map(IpAddr::from)).ok()
}
