//! A second opinion: RFC 1034 section 4.3.2 with RFC 4592 and RFC 6672, written for clarity over
//! plain sorted maps. It knows nothing of nodes, counts or wire; it scans.

use std::collections::BTreeMap;

/// A name as its labels, the top-level one first.
pub type Labels = Vec<String>;
/// Type and data, the data as text.
pub type Sets = BTreeMap<&'static str, Vec<String>>;

/// Pages by name; in each, absolute owner names.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub pages: BTreeMap<Labels, BTreeMap<Labels, Sets>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Outcome {
    pub rcode: u16,
    pub authoritative: bool,
    /// Owner and type of each set in the answer, in order, with its sorted data.
    pub answer: Vec<(Labels, &'static str, Vec<String>)>,
    /// Owner and type of each set in the authority section.
    pub authority: Vec<(Labels, &'static str)>,
}

pub fn labels(text: &str) -> Labels {
    text.split('.').filter(|label| !label.is_empty()).rev().map(str::to_owned).collect()
}

pub fn text(labels: &[String]) -> String {
    if labels.is_empty() {
        return ".".to_owned();
    }
    labels.iter().rev().map(|label| format!("{label}.")).collect()
}

enum End {
    Done,
    Alias(Labels),
}

impl World {
    pub fn ask(&self, name: &Labels, qtype: &'static str, chain_max: usize) -> Outcome {
        let mut outcome = Outcome::default();
        let mut names = vec![name.clone()];
        loop {
            let current = names.last().unwrap().clone();
            match self.one(&current, qtype, names.len() == 1, &mut outcome) {
                End::Done => return outcome,
                End::Alias(target) if names.contains(&target) => return outcome,
                End::Alias(_) if names.len() > chain_max => return outcome,
                End::Alias(target) => names.push(target),
            }
        }
    }

    fn one(&self, name: &Labels, qtype: &'static str, first: bool, out: &mut Outcome) -> End {
        // The walk: from the root page along links, one label at a time.
        let mut zone: Labels = Vec::new();
        loop {
            let page = &self.pages[&zone];
            let Some(next) = name.get(..zone.len() + 1).map(<[String]>::to_vec) else { break };
            if !page.get(&next).is_some_and(|sets| sets.contains_key("PAGE")) {
                break;
            }
            if next == *name && qtype == "PAGE" {
                break;
            }
            if !self.pages.contains_key(&next) {
                *out = Outcome { rcode: 2, ..Outcome::default() };
                return End::Done;
            }
            zone = next;
        }
        let page = &self.pages[&zone];
        let outside = zone.is_empty() && !name.is_empty() && {
            let top = &name[..1];
            !page.keys().any(|owner| owner.starts_with(top)) && !page.contains_key(&labels("*"))
        };
        if outside {
            if first {
                out.rcode = 5;
            }
            return End::Done;
        }
        if first {
            out.authoritative = true;
        }
        self.in_page(&zone, name, qtype, first, out)
    }

    fn in_page(
        &self,
        zone: &Labels,
        name: &Labels,
        qtype: &'static str,
        first: bool,
        out: &mut Outcome,
    ) -> End {
        let page = &self.pages[zone];
        let exists = |n: &[String]| n == &zone[..] || page.keys().any(|owner| owner.starts_with(n));
        for depth in zone.len() + 1..=name.len() {
            let Some(sets) = page.get(&name[..depth]) else {
                if exists(&name[..depth]) {
                    continue;
                }
                break;
            };
            if sets.contains_key("NS") {
                if first {
                    out.authoritative = false;
                }
                out.authority.push((name[..depth].to_vec(), "NS"));
                return End::Done;
            }
            if depth < name.len()
                && let Some(dname) = sets.get("DNAME")
            {
                out.answer.push((name[..depth].to_vec(), "DNAME", dname.clone()));
                let target = [labels(&dname[0]), name[depth..].to_vec()].concat();
                out.answer.push((name.clone(), "CNAME", vec![text(&target)]));
                return if qtype == "CNAME" { End::Done } else { End::Alias(target) };
            }
        }
        let source = if exists(name) {
            page.get(name).cloned().unwrap_or_default()
        } else {
            let encloser = (0..name.len()).rev().find(|depth| exists(&name[..*depth])).unwrap();
            let star = [&name[..encloser], &["*".to_owned()]].concat();
            match page.get(&star) {
                Some(sets) => sets.clone(),
                None => {
                    out.rcode = 3;
                    out.authority.push((zone.clone(), "SOA"));
                    return End::Done;
                }
            }
        };
        if let (Some(alias), true) = (source.get("CNAME"), qtype != "CNAME") {
            out.answer.push((name.clone(), "CNAME", alias.clone()));
            return End::Alias(labels(&alias[0]));
        }
        match source.get(qtype) {
            Some(data) => out.answer.push((name.clone(), qtype, data.clone())),
            None if name == zone && ["SOA", "NS"].contains(&qtype) => {
                out.answer.push((name.clone(), qtype, Vec::new()));
            }
            None => out.authority.push((zone.clone(), "SOA")),
        }
        End::Done
    }
}
