//! The protocol's rule ids: defined in `protocol.md`, listed in the rule index, cited in code,
//! and tested both ways once they are built.
//!
//! A test says which rule it shows in its documentation: `/// P6 accepts: a genesis …` or
//! `/// P6 refuses: …`, one line for each rule and side that it shows.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, is_word};

/// One row of the rule index: `| P1 | page::codec | built |`.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    rule: String,
    /// The modules that hold the rule.
    modules: Vec<String>,
    status: String,
}

/// Compares the protocol, the rule index in `lib.rs` and the sources.
pub fn check(protocol: &str, lib: &str, sources: &[Source]) -> Vec<String> {
    let defined = defined(protocol);
    let index = index(lib);
    let mut refusals = Vec::new();
    refusals.extend(check_index(&defined, &index, sources));
    refusals.extend(check_cited(&defined, sources));
    refusals.extend(check_shown(&index, sources));
    refusals
}

/// The ids that the protocol defines: `- **P1 Encoding.** …`.
fn defined(protocol: &str) -> Vec<String> {
    let heads = protocol.lines().filter_map(|line| line.strip_prefix("- **"));
    heads
        .filter_map(|head| ids(head).into_iter().next().filter(|id| head.starts_with(id)))
        .collect()
}

/// The rows of the index: table rows of the crate's documentation that begin with an id.
fn index(lib: &str) -> Vec<Row> {
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! |"));
    rows.filter_map(|row| {
        let cells: Vec<&str> = row.trim_end_matches('|').split('|').map(str::trim).collect();
        let [rule, modules, status] = cells[..] else { return None };
        let words = modules.split([',', ' ', '`', '[', ']']).filter(|word| !word.is_empty());
        is_id(rule).then(|| Row {
            rule: rule.to_owned(),
            modules: words.map(str::to_owned).collect(),
            status: status.to_owned(),
        })
    })
    .collect()
}

fn check_index(defined: &[String], index: &[Row], sources: &[Source]) -> Vec<String> {
    let mut refusals = Vec::new();
    let mut refuse = |text: String| refusals.push(format!("src/lib.rs: {text}"));
    for rule in defined {
        match index.iter().filter(|row| row.rule == *rule).count() {
            0 => refuse(format!("{rule} is missing from the rule index (`later` if not built)")),
            1 => {}
            _ => refuse(format!("{rule} is in the rule index more than once")),
        }
    }
    for row in index {
        if !defined.contains(&row.rule) {
            refuse(format!("{} is in the rule index, but the protocol has no such rule", row.rule));
        }
        match row.status.as_str() {
            "built" | "partly" if row.modules.is_empty() => {
                refuse(format!("{} is {}: in which module?", row.rule, row.status));
            }
            "built" | "partly" | "later" => {}
            other => refuse(format!("{}: `{other}` is none of built, partly, later", row.rule)),
        }
        for module in &row.modules {
            match sources.iter().find(|source| source.module().join("::") == *module) {
                None => refuse(format!("{}: there is no module `{module}`", row.rule)),
                Some(source) if !ids(&source.comments).contains(&row.rule) => {
                    refuse(format!("{}: `{module}` does not mention it", row.rule));
                }
                Some(_) => {}
            }
        }
    }
    refusals
}

/// Refuses ids that the protocol does not define: anywhere in comments, and `(P8)` in texts.
fn check_cited(defined: &[String], sources: &[Source]) -> Vec<String> {
    let mut refusals = Vec::new();
    for source in sources {
        let lines = source.comments.lines().zip(source.literals.lines());
        for (number, (comment, literal)) in lines.enumerate() {
            let in_brackets = |id: &String| literal.contains(&format!("({id})"));
            let cited = ids(literal).into_iter().filter(in_brackets).chain(ids(comment));
            for id in cited.filter(|id| !defined.contains(id)) {
                refusals.push(format!("{}:{}: no rule {id}", source.path, number + 1));
            }
        }
    }
    refusals
}

/// Refuses rules said to be built that no test shows accepting, or refusing.
fn check_shown(index: &[Row], sources: &[Source]) -> Vec<String> {
    let mut shown: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut refusals = Vec::new();
    for source in sources {
        for (line, claim) in claims(&source.text) {
            match claim {
                Some((rule, side)) => _ = shown.entry(rule).or_default().insert(side),
                None => refusals.push(format!(
                    "{}:{line}: says which rule it shows, but no test follows",
                    source.path
                )),
            }
        }
    }
    for row in index.iter().filter(|row| ["built", "partly"].contains(&row.status.as_str())) {
        for side in ["accepts", "refuses"] {
            if !shown.get(&row.rule).is_some_and(|sides| sides.contains(side)) {
                refusals.push(format!("no test says `/// {} {side}: …`", row.rule));
            }
        }
    }
    for rule in shown.keys().filter(|rule| !index.iter().any(|row| row.rule == **rule)) {
        refusals.push(format!("a test shows {rule}, which is not in the rule index"));
    }
    refusals
}

/// The lines `/// P6 accepts: …`, from 1; `None` where no test function follows.
fn claims(text: &str) -> Vec<(usize, Option<(String, &'static str)>)> {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let claim = |(at, line): (usize, &&str)| {
        let (head, _) = line.strip_prefix("/// ")?.split_once(':')?;
        let (rule, side) = head.split_once(' ')?;
        let side = ["accepts", "refuses"].into_iter().find(|known| *known == side)?;
        let mut head_of_test = lines[at..].iter().take_while(|line| line.starts_with(['/', '#']));
        let is_test = head_of_test
            .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
        is_id(rule).then(|| (at + 1, is_test.then(|| (rule.to_owned(), side))))
    };
    lines.iter().enumerate().filter_map(claim).collect()
}

/// The rule ids among the words of a text.
fn ids(text: &str) -> Vec<String> {
    text.split(|c| !is_word(c) && c != '-').filter(|word| is_id(word)).map(str::to_owned).collect()
}

/// `P1`, `G5b`: a letter of the protocol's sections, one or two digits, perhaps a small letter.
fn is_id(word: &str) -> bool {
    let Some(rest) = word.strip_prefix(['P', 'G', 'S', 'T', 'N', 'D', 'C']) else { return false };
    let digits = rest.trim_end_matches('b');
    rest.len() - digits.len() <= 1
        && (1..=2).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTOCOL: &str = "# P9 is no definition\n- **P1 Encoding.** See P7.\n- **G5b Batch** = x\n- **N1** QUIC\n- **Bold** P3\n";
    const INDEX: &str = "//! Map.\n//! | rule | in | status |\n//! |--|--|--|\n//! | P1 | [`page::codec`] | built |\n//! | G5b | | later |\n//! | N1 | | later |\n";
    const CODEC: &str = "//! Strict (P1).\n/// P1 accepts: x\n#[test]\nfn a() {}\n/// P1 refuses: x\n#[test]\nfn b() {}\n";

    #[track_caller]
    fn check_refusal(index: &str, codec: &str, expect: &[&str]) {
        let refusals = check(PROTOCOL, index, &[Source::new("src/page/codec.rs", codec)]);
        assert_eq!(refusals.len(), expect.len(), "{refusals:?}");
        for (refusal, expect) in refusals.iter().zip(expect) {
            assert!(refusal.contains(expect), "{refusal:?} should say {expect:?}");
        }
    }

    #[test]
    fn ids_are_letters_of_the_sections_with_a_number() {
        for id in ["P1", "G5b", "G12", "C3"] {
            assert!(is_id(id), "{id}");
        }
        for word in ["P", "P256", "X1", "p1", "P1x", "P1bb", "Pb", "G"] {
            assert!(!is_id(word), "{word}");
        }
        assert_eq!(ids("(P3, G5b). P-256 and `N1`"), ["P3", "G5b", "N1"]);
        assert_eq!(defined(PROTOCOL), ["P1", "G5b", "N1"]);
    }

    #[test]
    fn a_complete_index_with_both_tests_passes() {
        check_refusal(INDEX, CODEC, &[]);
    }

    #[test]
    fn rules_missing_from_the_index_or_the_protocol_are_refused() {
        check_refusal(&INDEX.replace("N1", "N2"), CODEC, &["N1 is missing", "N2 is in"]);
        check_refusal(&INDEX.replace("N1", "G5b"), CODEC, &["G5b is in", "N1 is missing"]);
        check_refusal(&INDEX.replace("| N1 | | later", "| N1 | | soon"), CODEC, &["`soon`"]);
        check_refusal("", CODEC, &["P1 is m", "G5b is m", "N1 is m", "shows P1, which is not"]);
    }

    #[test]
    fn a_module_of_the_index_exists_and_mentions_the_rule() {
        check_refusal(
            &INDEX.replace("page::codec", "page::gone"),
            CODEC,
            &["no module `page::gone`"],
        );
        check_refusal(&INDEX.replace("[`page::codec`]", ""), CODEC, &["P1 is built: in which"]);
        let more = INDEX.replace("| G5b | |", "| G5b | page::codec |");
        check_refusal(&more, CODEC, &["`page::codec` does not mention it"]);
    }

    #[test]
    fn a_built_rule_without_both_tests_is_refused() {
        check_refusal(INDEX, &CODEC.replace("P1 refuses", "P1 tests"), &["/// P1 refuses"]);
        check_refusal(INDEX, &CODEC.replace("P1 accepts", "N1 accepts"), &["/// P1 accepts"]);
        check_refusal(&INDEX.replace("| built", "| partly"), "//! P1", &["accepts", "refuses"]);
        let no_test = CODEC.replacen("#[test]\n", "", 1);
        check_refusal(INDEX, &no_test, &["codec.rs:2: says which", "/// P1 accepts"]);
    }

    #[test]
    fn ids_that_no_protocol_defines_are_refused() {
        check_refusal(INDEX, &format!("{CODEC}// as G99 says\n"), &["codec.rs:8: no rule G99"]);
        check_refusal(INDEX, &format!("{CODEC}x!(\"too long (P8)\");\n"), &["no rule P8"]);
        check_refusal(INDEX, &format!("{CODEC}type T9 = \"P8 in a text\";\n"), &[]);
    }
}
