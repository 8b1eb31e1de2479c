//! Questions of a simulated world: what a node answers, and what it fetches because it was asked.

use super::{
    World,
    invariants::{invariant_answer_was_signed, invariants, query},
    people,
};
use crate::{
    beacon::{Verified, beacons_of, beacons_of_link},
    dns::{Answer, Query, View},
    page::name::Name,
    sync::{Input, Want},
};

impl World<'_> {
    /// Everybody who is honest is asked for an address: what is answered follows from what was signed,
    /// and a page that is not there is wanted from then on for a while, as it is by whoever asks.
    pub(super) fn asks(&mut self, page: &str, owner: &str) -> Result<(), String> {
        for n in 0..self.members.len() {
            if self.members[n].is_honest && self.members[n].node.is_some() {
                self.question(n, page, owner)?;
            }
        }
        Ok(())
    }

    fn question(&mut self, n: usize, page: &str, owner: &str) -> Result<(), String> {
        let plan = &self.scenario.pages[page];
        let name = Name::parse(&format!("{owner}.{}", plan.name));
        let name = name.map_err(|refusal| refusal.to_string())?;
        let view = self.trusting(n);
        let question = query(name.wire());
        let Some(asked) = Query::read(&question) else { return Ok(()) };
        let answer = Answer::of(&view, &asked);
        let has_records = !answer.answer.is_empty();
        self.questions += 1;
        self.answered += u64::from(has_records);
        let lacking = answer.lacking.map(|lacking| lacking.page);
        let known = self.pages.get(page).copied();
        if let Some(id) = known.filter(|id| self.has(n, id)) {
            invariants(&mut self.members[n], &id, &mut self.seals)?;
            invariant_answer_was_signed(&self.members[n], &id, &view, &question)?;
        } else if has_records {
            let node = &self.members[n].name;
            return Err(format!("{node} answers {name} from a page that it does not have"));
        }
        let named = self.pages.iter().find(|(_, id)| Some(**id) == lacking);
        if let Some(page) = named.map(|(page, _)| page.clone()) {
            self.want(n, &page, Want::Resolve);
        }
        Ok(())
    }

    /// What a node answers from, where people trust the pages that no other page is to link to.
    fn trusting(&self, n: usize) -> View {
        let view = self.members[n].node.as_ref().map(|node| View::clone(&node.view().load()));
        let trusted = self.pages.iter().filter(|(name, _)| {
            self.scenario.pages.get(*name).is_some_and(|plan| plan.above.is_none())
        });
        trusted.fold(view.unwrap_or_default(), |view, (name, id)| {
            match Name::parse(&self.scenario.pages[name].name) {
                Ok(name) => view.with_anchor(&name, *id),
                Err(_) => view,
            }
        })
    }

    fn has(&self, n: usize, id: &crate::id::Id) -> bool {
        self.members[n].node.as_ref().is_some_and(|node| node.page(id).is_some())
    }

    /// A node wants a page, and is told who may have it, by the page above.
    pub(super) fn want(&mut self, n: usize, page: &str, why: Want) {
        let plan = &self.scenario.pages[page];
        let (Some(id), Ok(name)) = (self.pages.get(page).copied(), Name::parse(&plan.name)) else {
            return;
        };
        let above = plan.above.as_ref().and_then(|above| self.page_at(n, above));
        let label = plan.name.split('.').next().unwrap_or_default();
        let beacons = above.map_or_else(Vec::new, |above| {
            let link = people::owner(&above, label).ok();
            let link = link.and_then(|owner| above.ratified(&owner).0.page_link());
            let verified = &mut Verified::default();
            let mut beacons = link.map_or_else(Vec::new, |link| beacons_of_link(&link, verified));
            beacons.extend(beacons_of(&above, verified));
            beacons
        });
        self.input_now(n, Input::Want { page: id, name, beacons, why });
    }

    /// What a node that starts again is to have.
    pub(super) fn want_again(&mut self, n: usize) {
        let wanted = self.wanted.iter().filter(|(node, _)| *node == n);
        for page in wanted.map(|(_, page)| page.clone()).collect::<Vec<_>>() {
            self.want(n, &page, Want::Anchor);
        }
    }
}
