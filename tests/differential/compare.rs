//! What two servers said to the same question, compared after a normalisation, and the differences
//! that may be: `exceptions.txt`, whose head says how it reads.
//!
//! Not compared, since no two servers need to agree about it:
//! - the order of records, and how names are compressed or, in owners and in the data of types from
//!   RFC 1035, spelled (RFC 4343 section 4.1);
//! - the options of an OPT and the size that it announces; whether there is one, and DO, is;
//! - what a datagram has no room for: where anybody sets TC, or what goes with an answer differs, the
//!   question is asked again over TCP, and that is compared.
//!
//! All else is: the response code with its extension, AA, the question as it was spelled, and the
//! records of each section, with their TTLs, as sets.

use std::collections::BTreeSet;

use crate::support::message::{Said, Section, show, show_name};

use super::questions::Question;

/// What differs, in the words of `exceptions.txt`: `rcode=5/3` (djdns' and the peer's),
/// `answer=less`, …
pub type Differences = BTreeSet<String>;

/// What differs between what djdns and a peer say to a question.
pub fn differences(ours: &Said, theirs: &Said) -> Differences {
    let mut found = Differences::new();
    let mut compare = |field: &str, ours: &dyn ToString, theirs: &dyn ToString| {
        let (ours, theirs) = (ours.to_string(), theirs.to_string());
        if ours != theirs {
            found.insert(format!("{field}={ours}/{theirs}"));
        }
    };
    compare("rcode", &ours.rcode, &theirs.rcode);
    compare("aa", &u8::from(ours.authoritative), &u8::from(theirs.authoritative));
    let opt = |said: &Said| said.opt.map_or("none", |dnssec_ok| if dnssec_ok { "do" } else { "-" });
    compare("opt", &opt(ours), &opt(theirs));
    compare("question", &show_name(&ours.question), &show_name(&theirs.question));
    for (field, ours, theirs) in [
        ("answer", &ours.answer, &theirs.answer),
        ("authority", &ours.authority, &theirs.authority),
        ("additional", &ours.additional, &theirs.additional),
    ] {
        if ours != theirs {
            found.insert(format!("{field}={}", relation(ours, theirs)));
        }
    }
    found
}

/// `none`, `less`, `more` or `other`, with the TTLs.
fn relation(ours: &Section, theirs: &Section) -> &'static str {
    let within =
        |one: &Section, other: &Section| one.iter().all(|(row, ttl)| other.get(row) == Some(ttl));
    match () {
        () if ours.is_empty() => "none",
        () if within(ours, theirs) => "less",
        () if within(theirs, ours) => "more",
        () => "other",
    }
}

/// A row of the file.
pub struct Exception {
    servers: Vec<&'static str>,
    question: Vec<&'static str>,
    differs: Vec<&'static str>,
    why: &'static str,
}

const EXCEPTIONS: &str = include_str!("exceptions.txt");

/// The rows of the file.
pub fn exceptions() -> Vec<Exception> {
    let lines = EXCEPTIONS.lines().filter(|line| !line.is_empty() && !line.starts_with(';'));
    let words = |text: &'static str| text.split_whitespace().collect();
    lines
        .map(|line| {
            let columns: Vec<&str> = line.splitn(4, '|').map(str::trim).collect();
            let [servers, question, differs, why] = columns[..] else {
                panic!("four columns: {line}")
            };
            let (servers, question) = (words(servers), words(question));
            Exception { servers, question, differs: words(differs), why }
        })
        .collect()
}

impl Exception {
    fn covers(&self, peer: &str, question: &Question, differences: &Differences) -> bool {
        let is_asked = |word: &&str| match word.split_once('=') {
            Some(("type", numbers)) => {
                numbers.split(',').any(|number| number == question.qtype.to_string())
            }
            _ => match *word {
                "any" => true,
                // RFC 6895 section 3.1: never data; ANY is one that is known.
                "meta" => (128..255).contains(&question.qtype) || [0, 41].contains(&question.qtype),
                "do" => question.edns.is_some_and(|(_, dnssec_ok)| dnssec_ok),
                _ => panic!("{word} is no word of exceptions.txt"),
            },
        };
        let is_allowed = |difference: &String| {
            let any = |word: &&str| {
                let field = word.strip_suffix('*');
                field.map_or(*word == difference, |field| difference.starts_with(field))
            };
            self.differs.iter().any(any)
        };
        self.servers.contains(&peer)
            && self.question.iter().all(is_asked)
            && differences.iter().all(is_allowed)
    }
}

/// What several servers said, and what of that no exception allows.
#[derive(Default)]
pub struct Verdict {
    compared: usize,
    allowed: usize,
    faults: Vec<String>,
    /// Rows, each the only one that allows something.
    needed: BTreeSet<usize>,
}

/// Faults that are shown; the rest is counted.
const SHOWN: usize = 10;

impl Verdict {
    /// Compares two answers to a question.
    pub fn compare(&mut self, peer: &str, question: &Question, ours: &Said, theirs: &Said) {
        self.compared += 1;
        let differences = differences(ours, theirs);
        if differences.is_empty() {
            return;
        }
        let rows = exceptions();
        let covers = |row: &(usize, &Exception)| row.1.covers(peer, question, &differences);
        let covering: Vec<usize> =
            rows.iter().enumerate().filter(covers).map(|row| row.0).collect();
        match covering[..] {
            [] => self.faults.push(describe(peer, question, ours, theirs)),
            [only] => drop(self.needed.insert(only)),
            _ => {}
        }
        self.allowed += usize::from(!covering.is_empty());
    }

    /// Fails on what no row allows, and on a row about these servers that allows nothing.
    pub fn pass(self, peers: &[&str]) {
        let Verdict { compared, allowed, faults, needed } = self;
        println!("{compared} answers compared, {allowed} differ as they may, {}", faults.len());
        let shown = faults.iter().take(SHOWN).map(String::as_str).collect::<String>();
        assert!(faults.is_empty(), "{} answers differ, such as\n{shown}", faults.len());
        for (at, row) in exceptions().iter().enumerate() {
            let is_ours = row.servers.iter().any(|server| peers.contains(server));
            assert!(!is_ours || needed.contains(&at), "nothing needs the row about: {}", row.why);
        }
    }
}

fn describe(peer: &str, question: &Question, ours: &Said, theirs: &Said) -> String {
    let said = |said: &Said| {
        let sections = [&said.answer, &said.authority, &said.additional].map(show);
        let [answer, authority, additional] = sections;
        format!(
            "    rcode {} aa {} opt {:?} octets {}\n{answer}     --\n{authority}     --\n{additional}",
            said.rcode,
            u8::from(said.authoritative),
            said.opt,
            said.octets,
        )
    };
    format!(
        "{} TYPE{} edns {:?}: {:?}\n  djdns\n{}  {peer}\n{}",
        show_name(&question.name),
        question.qtype,
        question.edns,
        differences(ours, theirs),
        said(ours),
        said(theirs)
    )
}

#[test]
fn there_are_at_most_ten_exceptions_and_each_cites_an_rfc() {
    let rows = exceptions();
    assert!(rows.len() <= 10, "{} rows", rows.len());
    for row in rows {
        let cites = row.why.strip_prefix("RFC ").is_some_and(|why| why.contains(" section "));
        assert!(cites, "no section of an RFC: {}", row.why);
        let known = ["nsd", "knot", "unbound"];
        assert!(row.servers.iter().all(|server| known.contains(server)), "{:?}", row.servers);
    }
}
