//! The page that somebody means, and whether a name leads to it.

use super::{Node, State};
use crate::{
    control::request::{Failure, PageSelector},
    daemon::damage::is_prefix,
    governance::Governance,
    id::Id,
    page::{
        Page,
        name::{Name, Owner},
    },
};

impl Node {
    /// The page that somebody means: by its name, or by the first digits of its id. Of several
    /// with one name it is the one that resolving the name leads to.
    ///
    /// # Errors
    /// [`Failure`] when there is none, or more than one, or what is wrong with a damaged one.
    pub fn select(&self, selector: &PageSelector) -> Result<Governance, Failure> {
        let is_prefix = is_prefix(selector);
        let name = Name::parse(selector).ok();
        let mut found: Vec<Governance> = self.pages();
        found.retain(|page| {
            Some(page.page().name()) == name.as_ref()
                || is_prefix && page.page().id().has_hex_prefix(selector)
        });
        if found.len() > 1
            && let Some(linked) = found.iter().position(|page| self.is_linked(page.page()))
        {
            found = vec![found.swap_remove(linked)];
        }
        match found.as_slice() {
            [] => Err(match self.damaged_meant(selector) {
                Some(damage) => Failure::refused(damage.sentence),
                None => Failure::not_found(format!(
                    "there is no page `{selector}` here: `djdns page list` shows those there are, and \
                     `djdns page join NAME PAGE-ID` gets one that others hold"
                )),
            }),
            [page] => Ok(page.clone()),
            several => {
                let ids: Vec<String> =
                    several.iter().map(|page| page.page().id().short()).collect();
                Err(Failure::refused(format!(
                    "`{selector}` may be any of the pages {}: name one by its id",
                    ids.join(", ")
                )))
            }
        }
    }

    /// Whether resolving the page's name leads to this page: from the deepest anchor at or above it
    /// down through the links (T2).
    pub fn is_linked(&self, page: &Page) -> bool {
        way(&self.state(), page.name()).last() == Some(&page.id())
    }
}

/// The pages that are passed on the way to a name: from the deepest anchor at or above it down through the
/// links (T2), as far as they are here.
pub(in crate::daemon) fn way(state: &State, name: &Name) -> Vec<Id> {
    let mut way = Vec::new();
    let above = state.anchors.iter().filter(|(anchor, _)| name.is_at_or_below(anchor));
    let deepest = above.max_by_key(|(anchor, _)| anchor.wire().len());
    let mut next = deepest.map(|(_, anchor)| *anchor);
    while let Some(held) = next.and_then(|id| state.pages.get(&id)) {
        way.push(held.page().id());
        next = (held.page().name() != name).then(|| link_towards(held, name)).flatten();
    }
    way
}

/// The page that the next label on the way from `page` down to `name` links to.
fn link_towards(page: &Governance, name: &Name) -> Option<Id> {
    let owner = name.relative_to(page.page().name()).ok()?;
    let one_label = std::iter::successors(Some(owner), Owner::parent);
    let label = one_label.filter(|owner| !owner.is_apex()).last()?;
    Some(page.ratified(&label).0.page_link()?.page)
}
