//! The house has five floors: a file imports from its own floor or from below, never upward.
//!
//! Siblings on floors 2 and 3 do not import each other, and the modules of floor 0 have an
//! order. What a floor may *do* is [`super::purity`]'s business.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Module, Source, named, private, test_modules};

/// The rooms of each floor. A new top-level module is written here first.
pub const FLOORS: [&[&str]; 5] = [
    &["limits", "time", "id", "key", "page", "governance", "beacon", "sync"],
    &["store", "content"],
    &["network", "discovery", "transfer"],
    &["dns", "http", "control"],
    &["main", "cli", "config", "daemon", "demo", "ambient", "world"],
];

/// Floors whose rooms do not know each other.
const APART: [usize; 2] = [2, 3];

/// The floor of a top-level module.
pub fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Refuses every arrow that runs upward or between siblings, and rooms without a floor.
pub fn check_arrows(sources: &[Source]) -> Vec<String> {
    let modules = modules(sources);
    let mut refusals = BTreeSet::new();
    for source in sources {
        let here = source.module();
        // lib.rs is the map of the house, and stands on no floor.
        let Some(from) = here.first() else { continue };
        if floor_of(from).is_none() {
            refusals.insert(format!("{}: `{from}` is on no floor: give it one", source.path));
            continue;
        }
        for named in named(&source.tokens(), &here, &modules) {
            if let [krate, to, ..] = &named.segments[..]
                && krate == "crate"
                && let Some(refusal) = arrow(from, to)
            {
                refusals.insert(format!("{}:{}: {refusal}", source.path, named.line));
            }
        }
    }
    refusals.into_iter().collect()
}

/// Why `from` may not import `to`; `from` has a floor.
fn arrow(from: &str, to: &str) -> Option<String> {
    let floor = floor_of(from)?;
    match floor_of(to) {
        None => Some(format!("`{from}` imports `{to}`, which is on no floor: give it one")),
        Some(above) if above > floor => Some(format!(
            "{from} (floor {floor}) -> {to} (floor {above}) runs upward: \
             this arrow belongs on floor {above}, or what it wants on floor {floor}"
        )),
        Some(same) if same == floor && from != to && APART.contains(&floor) => Some(format!(
            "{from} -> {to} joins siblings on floor {floor}: \
             what both want belongs on floor {}, who wires them on floor 4",
            floor - 1
        )),
        Some(_) => None,
    }
}

/// Refuses a map in the crate's documentation that shows another house than [`FLOORS`].
pub fn check_map(lib: &str) -> Vec<String> {
    let mut drawn: [BTreeSet<&str>; 5] = Default::default();
    let mut floor = None;
    let map = lib.lines().skip_while(|line| !line.starts_with("//! floor "));
    for line in map.take_while(|line| !line.starts_with("//! ```")) {
        let mut columns = line[3..].split("  ").map(str::trim).filter(|column| !column.is_empty());
        let mut rooms = columns.next().unwrap_or_default();
        if let Some(number) = rooms.strip_prefix("floor ") {
            floor = number.parse::<usize>().ok();
            rooms = columns.next().unwrap_or_default();
        }
        if let Some(floor) = floor.and_then(|floor| drawn.get_mut(floor)) {
            floor.extend(rooms.split(',').map(str::trim).filter(|room| !room.is_empty()));
        }
    }
    let both = drawn.iter().zip(FLOORS).enumerate();
    both.filter(|(_, (drawn, rooms))| **drawn != BTreeSet::from_iter(rooms.iter().copied()))
        .map(|(floor, (drawn, rooms))| {
            format!("src/lib.rs: the map draws {drawn:?} on floor {floor}, which holds {rooms:?}")
        })
        .collect()
}

/// Refuses circles of imports among the modules of floor 0. A private module is a part of the one
/// that declares it, in a file of its own: parts know their whole, and only wholes have an order.
pub fn check_cycles(sources: &[Source]) -> Vec<String> {
    let modules = modules(sources);
    let tests = test_modules(sources);
    let pure = |module: &Module| {
        module.first().and_then(|room| floor_of(room)) == Some(0) && !tests.contains(module)
    };
    let parts = parts(sources);
    let mut arrows: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for source in sources.iter().filter(|source| pure(&source.module())) {
        let here = source.module();
        let targets = named(&source.tokens_outside_tests(), &here, &modules);
        let targets = targets.iter().filter_map(|named| file_of(&named.segments, &modules));
        let here = whole(here, &parts);
        let targets = targets.map(|module| whole(module, &parts));
        let targets = targets.filter(|module| *module != here && pure(module));
        arrows.entry(here.clone()).or_default().extend(targets);
    }
    circle(&arrows)
        .map(|circle| format!("{circle}: one of these must not know the next"))
        .into_iter()
        .collect()
}

/// The modules that only the one declaring them can name.
fn parts(sources: &[Source]) -> BTreeSet<Module> {
    let below = |source: &Source| {
        let parent = source.module();
        private(&source.tokens()).into_iter().map(move |child| [parent.clone(), child].concat())
    };
    sources.iter().flat_map(below).collect()
}

/// The module that this is a part of: itself, unless it is private.
fn whole(mut module: Module, parts: &BTreeSet<Module>) -> Module {
    while parts.contains(&module) {
        module.pop();
    }
    module
}

/// The file that a path leads to: its longest beginning that is a module.
fn file_of(segments: &[String], modules: &BTreeSet<Module>) -> Option<Module> {
    let ("crate", path) = segments.split_first().map(|(first, rest)| (first.as_str(), rest))?
    else {
        return None;
    };
    let prefixes = (1..=path.len()).rev().map(|len| path[..len].to_vec());
    prefixes.into_iter().find(|prefix| modules.contains(prefix))
}

/// The first circle, as `a -> b -> a`.
fn circle(arrows: &BTreeMap<Module, BTreeSet<Module>>) -> Option<String> {
    let mut finished = BTreeSet::new();
    arrows.keys().find_map(|start| descend(start, arrows, &mut Vec::new(), &mut finished))
}

fn descend(
    module: &Module,
    arrows: &BTreeMap<Module, BTreeSet<Module>>,
    trail: &mut Vec<Module>,
    finished: &mut BTreeSet<Module>,
) -> Option<String> {
    if let Some(first) = trail.iter().position(|passed| passed == module) {
        let circle = trail[first..].iter().chain([module]);
        return Some(circle.map(|module| module.join("::")).collect::<Vec<_>>().join(" -> "));
    }
    if finished.contains(module) {
        return None;
    }
    trail.push(module.clone());
    let next = arrows.get(module).into_iter().flatten();
    let found = next.into_iter().find_map(|next| descend(next, arrows, trail, finished));
    trail.pop();
    finished.insert(module.clone());
    found
}

pub fn modules(sources: &[Source]) -> BTreeSet<Module> {
    sources.iter().map(Source::module).filter(|module| !module.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(files: &[(&str, &str)]) -> Vec<Source> {
        files.iter().map(|(path, text)| Source::new(path, text)).collect()
    }

    #[track_caller]
    fn check_arrow(path: &str, text: &str, expect: Option<&str>) {
        let refusals = check_arrows(&house(&[(path, text), ("src/page.rs", "")]));
        match expect {
            None => assert_eq!(refusals, [""; 0], "{text}"),
            Some(part) => assert!(
                refusals.len() == 1 && refusals[0].contains(part),
                "{refusals:?} should hold one refusal with {part:?}"
            ),
        }
    }

    #[test]
    fn downward_and_own_floor_arrows_pass() {
        check_arrow("src/dns/answer.rs", "use crate::{page::Entry, store};", None);
        check_arrow("src/page/entry.rs", "use super::name; use crate::key;", None);
        check_arrow("src/dns/answer.rs", "use crate::dns::fast;", None);
        check_arrow("src/main.rs", "use djdns::{cli, daemon};", None);
        check_arrow("src/lib.rs", "pub mod x; pub use crate::x::Y;", None);
    }

    #[test]
    fn upward_arrows_are_refused_and_named() {
        let upward = "src/page/entry.rs:2: page (floor 0) -> store (floor 1) runs upward";
        check_arrow("src/page/entry.rs", "\nuse crate::store::Log;", Some(upward));
        check_arrow("src/page/entry.rs", "\nuse crate::{key, store::{Log, Index}};", Some(upward));
        check_arrow("src/page/entry.rs", "\nfn f() { super::super::store::open() }", Some(upward));
        check_arrow(
            "src/page/entry.rs",
            "\nmod tests { use super::super::super::store; }",
            Some(upward),
        );
        check_arrow("src/store.rs", "use crate::daemon;", Some("belongs on floor 4"));
    }

    #[test]
    fn sideways_arrows_on_floors_2_and_3_are_refused() {
        check_arrow("src/dns.rs", "use crate::control;", Some("joins siblings on floor 3"));
        check_arrow("src/network.rs", "use crate::transfer;", Some("belongs on floor 1"));
        check_arrow("src/content.rs", "use crate::store;", None);
    }

    #[test]
    fn a_room_without_a_floor_is_refused() {
        check_arrow("src/utils.rs", "", Some("`utils` is on no floor: give it one"));
        check_arrow("src/dns.rs", "use crate::utils;", Some("`utils`, which is on no floor"));
    }

    #[test]
    fn a_map_of_another_house_is_refused() {
        let map = "//! Text.\n//! floor 4  main, cli, config, daemon, demo, ambient, world   wiring\n\
            //! floor 3  dns, http, control  faces\n//! floor 2  network, discovery, transfer\n\
            //! floor 1  store, content  disk\n//! floor 0  limits, time, id, key, beacon,   pure\n\
            //!          page, governance, sync  more\n//! ```\n//! floor 1  attic\n";
        assert_eq!(check_map(map), [""; 0]);
        assert_eq!(check_map(&map.replace("cli, ", "")).len(), 1);
        assert_eq!(check_map(&map.replace("governance", "government")).len(), 1);
        assert_eq!(check_map("//! No map.").len(), 5);
    }

    #[test]
    fn circles_on_the_pure_floor_are_refused_with_their_way() {
        let check = |name: &str, entry: &str, page: &str, expect: &[&str]| {
            let house = house(&[
                ("src/page/name.rs", name),
                ("src/page/entry.rs", entry),
                ("src/page.rs", page),
            ]);
            let refusals = check_cycles(&house);
            let expect: Vec<String> = expect
                .iter()
                .map(|circle| format!("{circle}: one of these must not know the next"))
                .collect();
            assert_eq!(refusals, expect);
        };
        check("", "use super::name::Name;", "pub use name::Name; use entry::Entry;", &[]);
        check(
            "use crate::page::entry::Entry;",
            "use super::name::Name;",
            "",
            &["page::entry -> page::name -> page::entry"],
        );
        check("use crate::page::Page;", "", "use name::Name;", &["page -> page::name -> page"]);
        check("#[cfg(test)] mod tests { use crate::page::entry; }", "use super::name;", "", &[]);
        check("use crate::page::Page;", "", "mod name; use name::Name;", &[]);
        check(
            "use crate::page::entry::Entry;",
            "use super::Page;",
            "mod name; pub mod entry; use name::Name;",
            &["page -> page::entry -> page"],
        );
    }
}
