//! Rust source as the rules see it: code, comments and literals apart, and the code as tokens.
//!
//! Knows the lexical grammar (nested comments, raw strings, lifetimes) and no syntax above
//! `use` trees, paths and `mod`.

use std::{collections::BTreeSet, fs, path::Path};

/// One file of the tree.
pub struct Source {
    /// Relative to the repository, with `/`.
    pub path: String,
    pub text: String,
    /// The text with comments and literals blanked; lines stay where they are.
    pub code: String,
    /// Only the comments.
    pub comments: String,
    /// Only what stands in string literals.
    pub literals: String,
}

/// A word, `::`, or one other character, and its line (from 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub text: &'a str,
    pub line: usize,
}

/// A path that the code names; it begins with `crate` when it leads into this crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub segments: Vec<String>,
    pub line: usize,
}

/// A module as the segments of its path; the crate itself is empty.
pub type Module = Vec<String>;

/// All Rust files below these directories. Fails when there is none, so that no rule passes
/// because it looked in the wrong place.
pub fn tree(directories: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    for directory in directories {
        collect(&root().join(directory), &mut paths);
    }
    paths.sort();
    assert!(!paths.is_empty(), "no Rust file below {directories:?}");
    paths.iter().map(|path| Source::new(path, &read(path))).collect()
}

/// The text of one file of the repository.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(directory: &Path, paths: &mut Vec<String>) {
    // `benches` may not exist yet; `tree` sees to it that something does.
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("a directory that opened can be listed").path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(root()).expect("it was found below the root");
            paths.push(relative.to_string_lossy().replace('\\', "/"));
        }
    }
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        let [code, comments, literals] = separate(text);
        Source { path: path.to_owned(), text: text.to_owned(), code, comments, literals }
    }

    /// The module that the file is: `src/page/entry.rs` is `page::entry`.
    pub fn module(&self) -> Module {
        let path = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let path = path.strip_suffix(".rs").unwrap_or(path);
        if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
    }

    pub fn tokens(&self) -> Vec<Token<'_>> {
        tokens(&self.code)
    }

    /// The tokens without what stands behind `#[cfg(test)]`.
    pub fn tokens_outside_tests(&self) -> Vec<Token<'_>> {
        let tokens = self.tokens();
        let mut kept = Vec::with_capacity(tokens.len());
        let mut at = 0;
        while at < tokens.len() {
            if is_at(&tokens, at, &["#", "[", "cfg", "(", "test", ")", "]"]) {
                at = item_end(&tokens, at + 7);
            } else {
                kept.push(tokens[at]);
                at += 1;
            }
        }
        kept
    }
}

/// The modules that only tests have: files that a `#[cfg(test)] mod name;` leads to,
/// and those below them.
pub fn test_modules(sources: &[Source]) -> BTreeSet<Module> {
    let mut found = BTreeSet::new();
    for source in sources {
        let outside = declared(&source.tokens_outside_tests());
        let inside = declared(&source.tokens()).into_iter().filter(|name| !outside.contains(name));
        found.extend(inside.map(|name| [source.module(), name].concat()));
    }
    let below = |module: &Module| (1..module.len()).any(|n| found.contains(&module[..n]));
    let all: Vec<Module> = sources.iter().map(Source::module).filter(below).collect();
    found.extend(all);
    found
}

/// Whether these words stand at `at`.
pub fn is_at(tokens: &[Token<'_>], at: usize, words: &[&str]) -> bool {
    words.iter().enumerate().all(|(i, word)| tokens.get(at + i).is_some_and(|t| t.text == *word))
}

/// Where the item that starts at `at` ends: behind its `;` or its last closing brace.
fn item_end(tokens: &[Token<'_>], at: usize) -> usize {
    let mut depth = 0usize;
    let mut in_use = false;
    for (i, token) in tokens.iter().enumerate().skip(at) {
        match token.text {
            "use" if depth == 0 => in_use = true,
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && (token.text == ";" || token.text == "}" && !in_use) {
            return i + 1;
        }
    }
    tokens.len()
}

pub fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            let len = match word {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                word => word,
            };
            tokens.push(Token { text: &rest[..len], line: number + 1 });
            rest = rest[len..].trim_start();
        }
    }
    tokens
}

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Everything that the code names by a path: leaves of `use` trees, and `a::b` in the middle of
/// code. `modules` are the crate's, `here` is the one that the tokens stand in.
pub fn named(tokens: &[Token<'_>], here: &Module, modules: &BTreeSet<Module>) -> Vec<Named> {
    let mut found = Vec::new();
    walk(tokens, |inside, at| {
        let token = tokens[at];
        let word = token.text.starts_with(is_word);
        let before = at.checked_sub(1).map_or("", |i| tokens[i].text);
        let visibility = before == "in" && at >= 2 && tokens[at - 2].text == "(";
        let mut leaves = Vec::new();
        let next = if token.text == "use" && !is_at(tokens, at + 1, &["<"]) {
            use_tree(tokens, at + 1, &[], &mut leaves)
        } else if word
            && !["::", "."].contains(&before)
            && is_at(tokens, at + 1, &["::"])
            && !visibility
        {
            path(tokens, at, &mut leaves)
        } else {
            at + 1
        };
        let here: Module = here.iter().chain(inside).cloned().collect();
        let resolved = leaves.into_iter().map(|leaf| resolve(&leaf, &here, modules));
        found.extend(resolved.map(|segments| Named { segments, line: token.line }));
        next
    });
    found
}

/// The modules that a file declares with `mod name;`, below the inline ones they stand in.
pub fn declared(tokens: &[Token<'_>]) -> Vec<Module> {
    let mut found = Vec::new();
    walk(tokens, |inside, at| {
        if tokens[at].text == "mod" && is_at(tokens, at + 2, &[";"]) {
            let name = tokens[at + 1].text.to_owned();
            found.push(inside.iter().cloned().chain([name]).collect());
        }
        at + 1
    });
    found
}

/// Those of [`declared`] that only the declaring file can name: `mod` without `pub`.
pub fn private(tokens: &[Token<'_>]) -> Vec<Module> {
    let mut found = Vec::new();
    walk(tokens, |inside, at| {
        let before = at.checked_sub(1).map_or("", |i| tokens[i].text);
        let public = ["pub", ")"].contains(&before);
        if tokens[at].text == "mod" && is_at(tokens, at + 2, &[";"]) && !public {
            let name = tokens[at + 1].text.to_owned();
            found.push(inside.iter().cloned().chain([name]).collect());
        }
        at + 1
    });
    found
}

/// Visits token after token with the inline modules that it stands in; `visit` returns the next.
fn walk(tokens: &[Token<'_>], mut visit: impl FnMut(&[String], usize) -> usize) {
    let mut inline: Vec<String> = Vec::new();
    let mut opened_at: Vec<usize> = Vec::new();
    let mut depth = 0usize;
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].text {
            "mod" if is_at(tokens, at + 2, &["{"]) => {
                inline.push(tokens[at + 1].text.to_owned());
                opened_at.push(depth);
            }
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if opened_at.last() == Some(&depth) {
                    opened_at.pop();
                    inline.pop();
                }
            }
            _ => {}
        }
        at = visit(&inline, at);
    }
}

/// Reads `a::b::c`; returns where it ends.
fn path(tokens: &[Token<'_>], start: usize, leaves: &mut Vec<Module>) -> usize {
    let mut segments = vec![tokens[start].text.to_owned()];
    let mut at = start + 1;
    while is_at(tokens, at, &["::"])
        && tokens.get(at + 1).is_some_and(|token| token.text.starts_with(is_word))
    {
        segments.push(tokens[at + 1].text.to_owned());
        at += 2;
    }
    leaves.push(segments);
    at
}

/// Reads one `use` tree up to the `;`, `,` or `}` behind it; returns where that stands.
fn use_tree(
    tokens: &[Token<'_>],
    start: usize,
    prefix: &[String],
    leaves: &mut Vec<Module>,
) -> usize {
    let mut segments = prefix.to_vec();
    let mut at = start;
    while let Some(token) = tokens.get(at) {
        match token.text {
            ";" | "," | "}" => break,
            "::" => at += 1,
            "as" => at += 2,
            "{" => {
                at += 1;
                while at < tokens.len() && tokens[at].text != "}" {
                    at = use_tree(tokens, at, &segments, leaves);
                    at += usize::from(is_at(tokens, at, &[","]));
                }
                return at + 1;
            }
            word => {
                segments.push(word.to_owned());
                at += 1;
            }
        }
    }
    leaves.push(segments);
    at
}

/// Turns `self`, `super` and the names of child modules into paths from the crate's root.
fn resolve(segments: &[String], here: &Module, modules: &BTreeSet<Module>) -> Vec<String> {
    let supers = segments.iter().take_while(|segment| *segment == "super").count();
    let child: Module = here.iter().chain(segments.first()).cloned().collect();
    let (base, rest) = match segments.first().map(String::as_str) {
        Some("crate" | "djdns") => (&here[..0], &segments[1..]),
        Some("self") => (&here[..], &segments[1..]),
        Some("super") => (&here[..here.len().saturating_sub(supers)], &segments[supers..]),
        _ if modules.contains(&child) => (&here[..], segments),
        _ => return segments.to_vec(),
    };
    std::iter::once("crate".to_owned()).chain(base.iter().chain(rest).cloned()).collect()
}

/// Code, comments and string literals of a text, each with everything else blanked.
fn separate(text: &str) -> [String; 3] {
    let chars: Vec<char> = text.chars().collect();
    let mut kinds = vec![Kind::Code; chars.len()];
    let mut at = 0;
    while at < chars.len() {
        let (len, kind) = lexeme(&chars[at..]);
        kinds[at..at + len].fill(kind);
        at += len;
    }
    [Kind::Code, Kind::Comment, Kind::Literal].map(|wanted| {
        let keep = |(c, kind): (&char, &Kind)| match *c {
            '\n' => '\n',
            c if *kind == wanted => c,
            _ => ' ',
        };
        chars.iter().zip(&kinds).map(keep).collect()
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// The length and kind of what stands first. `chars` is not empty.
fn lexeme(chars: &[char]) -> (usize, Kind) {
    let word = chars.iter().take_while(|c| is_word(**c)).count();
    if word > 0 {
        let raw = matches!(chars[..word], ['r'] | ['b' | 'c', 'r']);
        let raw = raw.then(|| raw_string_len(&chars[word..])).flatten();
        return raw.map_or((word, Kind::Code), |len| (word + len, Kind::Literal));
    }
    match chars {
        ['/', '/', ..] => (chars.iter().take_while(|c| **c != '\n').count(), Kind::Comment),
        ['/', '*', ..] => (block_comment_len(chars), Kind::Comment),
        ['"', ..] => (quoted_len(chars), Kind::Literal),
        ['\'', '\\', ..] => (quoted_len(chars), Kind::Literal),
        ['\'', _, '\'', ..] => (3, Kind::Literal),
        _ => (1, Kind::Code),
    }
}

fn quoted_len(chars: &[char]) -> usize {
    let mut at = 1;
    while at < chars.len() && chars[at] != chars[0] {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// `"…"`, `#"…"#` and so on, or `None` when what follows `r` is no string.
fn raw_string_len(chars: &[char]) -> Option<usize> {
    let hashes = chars.iter().take_while(|c| **c == '#').count();
    if chars.get(hashes) != Some(&'"') {
        return None;
    }
    let closing: Vec<char> = std::iter::once('"').chain(vec!['#'; hashes]).collect();
    let body = &chars[hashes + 1..];
    let end = body.windows(closing.len()).position(|window| window == closing);
    Some(end.map_or(chars.len(), |end| hashes + 1 + end + closing.len()))
}

fn block_comment_len(chars: &[char]) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < chars.len() {
        match chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(code: &str) -> Vec<&str> {
        tokens(code).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let check = |text: &str, code: &[&str]| {
            assert_eq!(words(&Source::new("x.rs", text).code), code, "{text}");
        };
        check("a // b \"c\n d", &["a", "d"]);
        check("a /* b /* c */ d */ e", &["a", "e"]);
        check(r#"a "b \" c" d"#, &["a", "d"]);
        check(r###"a r#"b " c"# d br"e\" f"###, &["a", "d", "f"]);
        check(
            r"fn f<'a>('b', '\'', b'\\') g",
            &["fn", "f", "<", "'", "a", ">", "(", ",", ",", "b", ")", "g"],
        );
        check("r#type bare \"// no comment\" x", &["r", "#", "type", "bare", "x"]);
        check("\"never closed", &[]);
    }

    #[test]
    fn comments_and_literals_are_found_where_they_stand() {
        let source = Source::new("x.rs", "a \"two\nlines\" // three\nb");
        assert_eq!(source.literals, "  \"two\nlines\"         \n ");
        assert_eq!(source.comments.trim(), "// three");
        assert_eq!(source.tokens()[1], Token { text: "b", line: 3 });
    }

    #[test]
    fn tests_are_left_out_and_nothing_behind_them() {
        let check = |text: &str, expect: &[&str]| {
            let source = Source::new("x.rs", text);
            let kept: Vec<&str> =
                source.tokens_outside_tests().into_iter().map(|token| token.text).collect();
            assert_eq!(kept, expect, "{text}");
        };
        check("a #[cfg(test)] mod tests { fn b() { c } } d", &["a", "d"]);
        check("a #[cfg(test)] use b::{c, d}; e", &["a", "e"]);
        check("a #[cfg(test)] #[allow(x)] const B: [u8; 3] = c; d", &["a", "d"]);
        check("#[cfg(any(test, x))] a", &words("#[cfg(any(test, x))] a"));
    }

    #[test]
    fn a_module_that_only_tests_declare_is_a_test_module() {
        let source = Source::new("src/a.rs", "mod b; #[cfg(test)] mod c; #[cfg(test)] mod d {}");
        let expect = vec!["a".to_owned(), "c".to_owned()];
        assert_eq!(test_modules(&[source]), BTreeSet::from([expect]));
    }

    #[test]
    fn every_way_to_name_a_module_is_seen() {
        let modules: BTreeSet<Module> =
            ["a", "a::b", "c"].map(|m| m.split("::").map(str::to_owned).collect()).into();
        let check = |code: &str, expect: &[&str]| {
            let here = vec!["a".to_owned()];
            let paths = named(&tokens(code), &here, &modules);
            let paths: Vec<String> = paths.iter().map(|named| named.segments.join("::")).collect();
            assert_eq!(paths, expect, "{code}");
        };
        check("use crate::c::X;", &["crate::c::X"]);
        check(
            "pub use crate::{c::{self, X as Y}, d::*};",
            &["crate::c::self", "crate::c::X", "crate::d::*"],
        );
        check("use super::c; use self::b::Z;", &["crate::c", "crate::a::b::Z"]);
        check(
            "pub use b::Z; fn f() { b::g(c::h()) }",
            &["crate::a::b::Z", "crate::a::b::g", "c::h"],
        );
        check(
            "mod m { use super::b; mod n { super::super::x::y() } } super::c::z",
            &["crate::a::b", "crate::a::x::y", "crate::c::z"],
        );
        check("fn f(x: &crate::c::X) -> Vec<std::fs::File>", &["crate::c::X", "std::fs::File"]);
        check("pub(crate) fn f() pub(in crate::a) fn g() -> impl X + use<'a>", &[]);
        check("for x in crate::c::ALL", &["crate::c::ALL"]);
        check("use djdns::c;", &["crate::c"]);
        check("x.iter().sum::<u8>()", &[]);
    }

    #[test]
    fn declared_modules_are_found_below_inline_ones() {
        let declared = declared(&tokens("pub mod a; mod b { pub mod c; mod d {} } mod e;"));
        assert_eq!(declared, [vec!["a"], vec!["b", "c"], vec!["e"]]);
        let private = private(&tokens("pub mod a; mod b; pub(crate) mod c; #[cfg(x)] mod d;"));
        assert_eq!(private, [vec!["b"], vec!["d"]]);
    }
}
