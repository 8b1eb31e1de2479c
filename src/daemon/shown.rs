//! What DNS answers from, made of pages: the view follows every change of a page.

use std::collections::BTreeSet;

use super::node::Node;
use crate::{
    config::Config,
    dns::{PageMeta, PageView, Special, View, suffix},
    governance::Governance,
    id::Id,
    page::{
        entry::RecordSets,
        name::{Name, Owner},
    },
};

impl Node {
    /// Serves what the root page says of the names that the configuration allows, though the public DNS
    /// has them too; and leaves special names to whom its rules send them.
    pub fn serve_by(&self, config: &Config) {
        let allowed = || config.allow_tld.iter().map(|allowed| allowed.0.clone());
        let ruled = || config.rules.keys().map(|suffix| suffix.0.clone());
        // The view is replaced by whoever has the state, and by nobody else.
        let _alone = self.state();
        self.view.rcu(|view| view.allowing(allowed()).with_special(Special::except(ruled())));
    }

    /// What is to be said of each page that the root page links and that is not served under its name,
    /// since the public DNS has that name too.
    pub fn hidden(&self) -> Vec<String> {
        let settings = View::clone(&self.view.load());
        let anchors = self.anchors();
        let view =
            anchors.iter().fold(settings, |view, (name, page)| view.with_anchor(name, *page));
        let pages = self.pages();
        let top =
            pages.iter().map(Governance::page).filter(|page| page.name().labels().count() == 1);
        let hidden = top.filter(|page| view.collides(page.name()) && self.is_linked(page));
        hidden.map(|page| hidden_words(page.name(), &page.id())).collect()
    }
}

fn hidden_words(name: &Name, id: &Id) -> String {
    let below = Name::from_wire(suffix::SUFFIX).map(|suffix| suffix.to_string());
    format!(
        "{name} is answered by the public DNS, which has this name too, and not from the page {}: that \
         answers below {name}{}, and under its own name after `djdns page join {name} {id}`",
        id.short(),
        below.unwrap_or_default(),
    )
}

/// What the DNS face holds of a page as it is sealed.
pub fn built(page: &Governance) -> PageView {
    let entries = page.page().entries().map(|entry| (entry.owner, entry.sets));
    PageView::build(meta(page), entries)
}

fn meta(page: &Governance) -> PageMeta {
    PageMeta {
        name: page.page().name().clone(),
        id: page.page().id(),
        serial: page.page().height() as u32,
        // What nodes say of it is looked at as soon as it is shown (T6).
        fresh: true,
        absence_ttl: page.page().parameters().soft_ttl_max,
    }
}

/// Whether this is in every node what is shown of a page as it is ratified.
pub fn shows(shown: &PageView, page: &Governance) -> bool {
    let soft: BTreeSet<&Owner> = page.soft_owners().collect();
    let sealed = page.page().entries().filter(|entry| !soft.contains(&entry.owner));
    let sealed = sealed.map(|entry| (entry.owner, entry.sets, None));
    let ratified = soft.iter().map(|owner| {
        let (sets, cap) = served(page, owner);
        (Owner::clone(owner), sets, cap)
    });
    let fresh = shown.meta().fresh;
    *shown.meta() == PageMeta { fresh, ..meta(page) } && shown.holds(sealed.chain(ratified))
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
