//! What DNS answers from, made of pages: the view follows every change of a page.

use crate::{
    dns::{PageMeta, PageView, View},
    governance::Governance,
    page::{entry::RecordSets, name::Owner},
};

/// What the DNS face holds of a page as it is sealed.
pub fn built(page: &Governance) -> PageView {
    let meta = PageMeta {
        name: page.page().name().clone(),
        id: page.page().id(),
        serial: page.page().height() as u32,
        // Until nodes exchange attestations nothing can be known to be stale (T6).
        fresh: true,
        absence_ttl: page.page().parameters().soft_ttl_max,
    };
    PageView::build(meta, page.page().entries().map(|entry| (entry.owner, entry.sets)))
}

/// The view with a page, as it is ratified.
pub fn with_page(view: &View, built: PageView, page: &Governance) -> View {
    let soft: Vec<Owner> = page.soft_owners().cloned().collect();
    with_entries(&view.with_built(built), page, &soft)
}

/// The view with the ratified values of these owners.
pub fn with_entries(view: &View, page: &Governance, owners: &[Owner]) -> View {
    let values: Vec<_> = owners.iter().map(|owner| served(page, owner)).collect();
    let rows = owners.iter().zip(&values).map(|(owner, (sets, cap))| (owner, sets, *cap));
    view.with_entries(&page.page().id(), rows)
}

/// What is served at `owner`, and for how many seconds at most.
fn served(page: &Governance, owner: &Owner) -> (RecordSets, Option<u32>) {
    let (sets, is_soft) = page.ratified(owner);
    (sets, is_soft.then(|| page.page().parameters().soft_ttl_max))
}
