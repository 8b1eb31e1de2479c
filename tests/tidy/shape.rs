//! The shape of files: a header, a size, a place in the tree of modules.

use std::collections::BTreeSet;

use super::source::{Module, Source, declared};

/// Past this, look for a second noun.
const LINES_MAX: usize = 800;

/// Refuses files that do not begin by saying what they are.
pub fn check_headers(sources: &[Source]) -> Vec<String> {
    let headless = sources.iter().filter(|source| !source.text.starts_with("//! "));
    headless
        .map(|source| format!("{}: no `//!` saying what it is and does not know", source.path))
        .collect()
}

/// Refuses `mod.rs`: we write `foo.rs` and `foo/`. Only for `src`: below `tests`, `mod.rs` is what
/// keeps Cargo from taking a shared module for a test of its own.
pub fn check_no_mod_rs(sources: &[Source]) -> Vec<String> {
    let named_mod = sources.iter().filter(|source| source.path.ends_with("/mod.rs"));
    named_mod.map(|source| format!("{}: name it after its module", source.path)).collect()
}

/// Refuses files that are too long.
pub fn check_sizes(sources: &[Source]) -> Vec<String> {
    let lines = |source: &Source| source.text.lines().count();
    let long = sources.iter().filter(|source| lines(source) > LINES_MAX);
    long.map(|source| {
        format!(
            "{}: {} lines, more than {LINES_MAX}: look for a second noun in it",
            source.path,
            lines(source)
        )
    })
    .collect()
}

/// Refuses files that no `mod` leads to. The fuzz targets are a crate of their own.
pub fn check_reachable(sources: &[Source]) -> Vec<String> {
    let ours = || sources.iter().filter(|source| !source.path.starts_with("tests/fuzz/"));
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<&Source> = ours().filter(|source| is_root(&source.path)).collect();
    while let Some(source) = open.pop() {
        if !reached.insert(&source.path) {
            continue;
        }
        for module in declared(&source.tokens()) {
            let paths = places(&source.path, &module);
            open.extend(sources.iter().filter(|source| paths.contains(&source.path)));
        }
    }
    let dead = ours().filter(|source| !reached.contains(source.path.as_str()));
    dead.map(|source| format!("{}: dead, no `mod` leads to it", source.path)).collect()
}

/// Whether Cargo starts compiling at this file: `src/{lib,main}.rs`, `tests/*.rs`, `benches/*.rs`
/// and `main.rs` in a directory of those.
fn is_root(path: &str) -> bool {
    match path.split('/').collect::<Vec<_>>()[..] {
        ["src", file] => ["lib.rs", "main.rs"].contains(&file),
        ["tests" | "benches", _] => true,
        ["tests" | "benches", _, file] => file == "main.rs",
        _ => false,
    }
}

/// Where the module that `path` declares may stand.
fn places(path: &str, module: &Module) -> [String; 2] {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let own_directory = is_root(path) || stem.ends_with("/mod");
    let parent = stem.rsplit_once('/').map_or("", |(parent, _)| parent);
    let directory = if own_directory { parent } else { stem };
    let base = format!("{directory}/{}", module.join("/"));
    [format!("{base}.rs"), format!("{base}/mod.rs")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_header_is_refused() {
        let check = |text: &str, expect: usize| {
            assert_eq!(check_headers(&[Source::new("src/x.rs", text)]).len(), expect, "{text}");
        };
        check("//! What it is.\nfn f() {}", 0);
        check("// What it is.", 1);
        check("use x;\n//! Too late.", 1);
        check("", 1);
    }

    #[test]
    fn a_file_has_at_most_800_lines() {
        let check = |lines: usize, expect: usize| {
            let source = Source::new("src/x.rs", &"x\n".repeat(lines));
            assert_eq!(check_sizes(&[source]).len(), expect, "{lines}");
        };
        check(LINES_MAX - 1, 0);
        check(LINES_MAX, 0);
        check(LINES_MAX + 1, 1);
    }

    #[test]
    fn mod_rs_is_refused() {
        let check = |path: &str, expect: usize| {
            assert_eq!(check_no_mod_rs(&[Source::new(path, "")]).len(), expect, "{path}");
        };
        check("src/page/mod.rs", 1);
        check("src/page.rs", 0);
    }

    #[test]
    fn a_file_that_no_mod_leads_to_is_dead() {
        let check = |files: &[(&str, &str)], expect: &[&str]| {
            let sources: Vec<Source> =
                files.iter().map(|(path, text)| Source::new(path, text)).collect();
            let expect: Vec<String> =
                expect.iter().map(|path| format!("{path}: dead, no `mod` leads to it")).collect();
            assert_eq!(check_reachable(&sources), expect);
        };
        check(&[("src/lib.rs", "mod a;"), ("src/a.rs", "mod b;"), ("src/a/b.rs", "")], &[]);
        check(&[("src/lib.rs", "// mod a;"), ("src/a.rs", "")], &["src/a.rs"]);
        check(&[("src/lib.rs", "mod a;"), ("src/a.rs", ""), ("src/a/b.rs", "")], &["src/a/b.rs"]);
        // A file that only a dead one declares is dead as well.
        let both = ["src/a.rs", "src/a/b.rs"];
        check(&[("src/lib.rs", ""), ("src/a.rs", "mod b;"), ("src/a/b.rs", "")], &both);
        check(
            &[
                ("tests/x.rs", "mod x { mod y; } mod s;"),
                ("tests/x/y.rs", ""),
                ("tests/s/mod.rs", "mod t;"),
                ("tests/s/t.rs", ""),
            ],
            &[],
        );
        check(
            &[("tests/x.rs", ""), ("tests/x/y.rs", ""), ("tests/fuzz/z/z.rs", "")],
            &["tests/x/y.rs"],
        );
    }
}
