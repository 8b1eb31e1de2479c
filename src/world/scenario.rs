//! Scenarios: who is there, and what happens when. They are data, in TOML.

use std::{collections::BTreeMap, net::Ipv4Addr};

use serde::Deserialize;

/// The scenarios that come with the program: their names and texts.
pub const EMBEDDED: [(&str, &str); 17] = [
    ("in-step", include_str!("../../tests/world/in-step.toml")),
    ("lossy", include_str!("../../tests/world/lossy.toml")),
    ("partition", include_str!("../../tests/world/partition.toml")),
    ("crashes", include_str!("../../tests/world/crashes.toml")),
    ("clocks", include_str!("../../tests/world/clocks.toml")),
    ("hundred", include_str!("../../tests/world/hundred.toml")),
    ("byzantine", include_str!("../../tests/world/byzantine.toml")),
    ("uncounted", include_str!("../../tests/world/uncounted.toml")),
    ("two-liars", include_str!("../../tests/world/two-liars.toml")),
    ("colluding", include_str!("../../tests/world/colluding.toml")),
    ("one-way", include_str!("../../tests/world/one-way.toml")),
    ("ahead", include_str!("../../tests/world/ahead.toml")),
    ("jumps", include_str!("../../tests/world/jumps.toml")),
    ("withheld", include_str!("../../tests/world/withheld.toml")),
    ("stubborn", include_str!("../../tests/world/stubborn.toml")),
    ("fetching", include_str!("../../tests/world/fetching.toml")),
    ("aged", include_str!("../../tests/world/aged.toml")),
];

/// A scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One line: what it shows.
    pub about: String,
    /// Seconds of virtual time that pass.
    pub seconds: u64,
    #[serde(default)]
    pub network: Weather,
    pub pages: BTreeMap<String, PagePlan>,
    pub nodes: BTreeMap<String, NodePlan>,
    #[serde(default)]
    pub events: Vec<Event>,
    /// After each crash the disk is found as the one of this number, of those that can be found then
    /// (from 0); without it chance decides.
    pub survival: Option<usize>,
    /// What must be so at the end, besides everything that always must.
    #[serde(default)]
    pub expect: Vec<Expectation>,
}

/// What the network is like.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Weather {
    /// The least and the most milliseconds that a message takes.
    pub latency: (u64, u64),
    /// Of ten thousand messages so many are lost.
    pub lost: u64,
}

impl Default for Weather {
    fn default() -> Weather {
        Weather { latency: (5, 60), lost: 0 }
    }
}

/// A page, founded before the scenario begins or in it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagePlan {
    pub name: String,
    /// Who takes part, with which power.
    pub power: BTreeMap<String, u32>,
    /// So many keys of this person take part as well, each with power 1.
    #[serde(default)]
    pub keys_of: BTreeMap<String, u32>,
    /// The node that all seats name, and that seals the page then.
    pub sealed_by: Option<String>,
    /// So many names stand in it from the beginning.
    #[serde(default)]
    pub names: u32,
    /// It is founded in the course of the scenario.
    #[serde(default)]
    pub later: bool,
    /// The page that is to link to it; none: people trust it by its id.
    pub above: Option<String>,
}

/// A node, or several that are alike.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodePlan {
    /// So many of them, numbered from 1; with none it is one, without a number.
    pub count: Option<u32>,
    /// Whose node it is: what these people say is said here.
    pub people: Vec<String>,
    /// Seconds that its clock is ahead in the beginning (or, below 0, behind).
    pub skew: i64,
    /// The pages that it has from the beginning; all of them if this is left out.
    pub holds: Option<Vec<String>>,
    /// The nodes whose addresses it knows; all of them if this is left out.
    pub knows: Option<Vec<String>>,
    /// Nobody can connect to it.
    pub unreachable: bool,
    /// When it starts again it knows no addresses but those in its pages.
    pub forgets: bool,
    /// How it lies; a node that does is not honest, and nothing is expected of it.
    pub lies: Vec<Lie>,
}

/// A way to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lie {
    /// A bit of each statement, and of each piece of a state, is another.
    Corrupt,
    /// Statements are said to be somebody else's.
    Forged,
    /// Statements of another page are handed out.
    OtherPage,
    /// Answers are cut or changed on their way.
    Garbled,
    /// It stands where it stood in the beginning, whatever happens.
    Old,
    /// It asks for what it has, and says everything twice.
    Repeats,
    /// It says what it has, and hands most of it to nobody: neither statements nor pieces of states.
    Withholds,
}

/// Something that happens.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    /// When, in seconds; of two numbers some time between them.
    pub at: When,
    /// So many times.
    #[serde(default = "once")]
    pub times: u32,
    /// So many seconds from one time to the next.
    #[serde(default)]
    pub every: u64,
    #[serde(flatten)]
    pub deed: Deed,
}

fn once() -> u32 {
    1
}

/// A time, or some time between two.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub enum When {
    At(u64),
    Between([u64; 2]),
}

/// What happens.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Deed {
    /// Somebody proposes an address, and approves it.
    Propose { by: String, page: String, owner: String, address: Ipv4Addr },
    /// Somebody approves, or rejects, what is proposed for an owner: what others do not know yet is
    /// waited for.
    Vote {
        by: String,
        page: String,
        owner: String,
        address: Ipv4Addr,
        #[serde(default)]
        reject: bool,
    },
    /// Somebody has a node seal for them.
    Host { by: String, page: String, node: String },
    /// Somebody lends all of their power.
    Lend { by: String, page: String, to: String },
    /// Somebody signs what contradicts itself, and has a node hand it out: for each owner the address,
    /// approved and rejected in one breath, by themselves and by so many keys of theirs.
    Contradict {
        by: String,
        page: String,
        owner: String,
        address: Ipv4Addr,
        node: String,
        #[serde(default)]
        keys: u32,
    },
    /// Seals pass, one after the other, each with a change.
    Age { by: String, page: String, seals: u64 },
    /// One change after the other, each of which has to pass between the nodes: proposed by one of these
    /// people, in turn, and approved by the others when it has come to them.
    Rounds { by: Vec<String>, page: String, owner: String, count: u32, seconds: u64 },
    /// Somebody founds a page that is not there yet, at their node.
    Found { by: String, page: String },
    /// Somebody proposes to link a page from the one above it, and approves that.
    Link { by: String, page: String, to: String },
    /// A person at a node wants a page, until it is there.
    Fetch { node: String, page: String },
    /// Nodes reach only those of their own group; who is in none is in the last.
    Part { groups: Vec<Vec<String>> },
    /// What these nodes say does not reach those; what those say reaches these.
    Mute { nodes: Vec<String>, towards: Vec<String> },
    /// Those cannot open connections to these, as to nodes behind a router; these can to those.
    Shield { nodes: Vec<String>, from: Vec<String> },
    /// All reach all.
    Heal {},
    /// The clock of a node jumps by so many seconds, ahead or (below 0) back.
    Clock { node: String, seconds: i64 },
    /// A node keeps ballots that it was handed: it tells nobody of them, or not these nodes.
    Withhold {
        node: String,
        #[serde(default)]
        from: Vec<String>,
    },
    /// It hands them out.
    Reveal { node: String },
    /// The disk of a node stops at one of its next writes, and the node with it; it starts again
    /// after some seconds, from what is found then.
    Crash { node: String, again: u64 },
    /// A node is stopped in order, and starts again after some seconds.
    Stop { node: String, again: u64 },
    /// Somebody asks every node for the address of a name in a page, whether it has that or not: what is
    /// answered must follow from what was signed, and a page that is not there is fetched.
    Ask { page: String, owner: String },
}

/// What must be so at the end, or at some time before it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    pub page: String,
    /// When, in seconds since the beginning; none: at the end.
    pub at: Option<u64>,
    /// This owner has this address on every honest node; none: no address.
    pub owner: Option<String>,
    pub address: Option<Ipv4Addr>,
    /// Every honest node stands at this height at least.
    pub height: Option<u64>,
    /// And no higher than this.
    pub height_max: Option<u64>,
    /// These nodes alone are meant; without this, all.
    pub nodes: Option<Vec<String>>,
    /// No honest node has among its peers whom another honest node found to lie.
    #[serde(default)]
    pub alone: bool,
}

/// Why a text is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioRefusal {
    #[error("the scenario {name}: {error}")]
    Toml { name: String, error: Box<toml::de::Error> },
    #[error("the scenario {name}: `{word}` is named as a {what}, and there is none of that name")]
    Unknown { name: String, what: &'static str, word: String },
    #[error("there is no scenario `{0}`: `djdns simulate --list` shows those there are")]
    NoSuch(String),
}

impl Scenario {
    /// The scenario of this name that comes with the program.
    ///
    /// # Errors
    /// [`ScenarioRefusal`].
    pub fn embedded(name: &str) -> Result<Scenario, ScenarioRefusal> {
        let found = EMBEDDED.iter().find(|(known, _)| *known == name);
        let (name, text) = found.ok_or_else(|| ScenarioRefusal::NoSuch(name.to_owned()))?;
        Scenario::read(name, text)
    }

    /// Reads a scenario.
    ///
    /// # Errors
    /// [`ScenarioRefusal`], which names the line, or the word that means nothing.
    pub fn read(name: &str, text: &str) -> Result<Scenario, ScenarioRefusal> {
        let scenario: Scenario = toml::from_str(text).map_err(|error| ScenarioRefusal::Toml {
            name: name.to_owned(),
            error: Box::new(error),
        })?;
        match scenario.unknown() {
            Some((what, word)) => {
                Err(ScenarioRefusal::Unknown { name: name.to_owned(), what, word })
            }
            None => Ok(scenario),
        }
    }

    /// A word that names nothing, and what it should have named.
    fn unknown(&self) -> Option<(&'static str, String)> {
        let pages = self.events.iter().flat_map(|event| event.deed.pages());
        let pages = pages.chain(self.expect.iter().map(|expect| &expect.page));
        let pages = pages.chain(self.pages.values().filter_map(|plan| plan.above.as_ref()));
        let held = self.nodes.values().filter_map(|node| node.holds.as_ref()).flatten();
        let mut pages = pages.chain(held);
        let nodes = self.events.iter().flat_map(|event| event.deed.nodes());
        let meant = self.expect.iter().filter_map(|expect| expect.nodes.as_ref()).flatten();
        let mut nodes = nodes.chain(meant);
        let people: Vec<&String> = self.nodes.values().flat_map(|node| &node.people).collect();
        let mut speakers = self.events.iter().flat_map(|event| event.deed.people());
        let page = pages.find(|page| !self.pages.contains_key(*page));
        let node = nodes.find(|node| !self.nodes.contains_key(*node));
        let person = speakers.find(|person| !people.contains(person));
        let named = |what, word: Option<&String>| word.map(|word| (what, word.clone()));
        named("page", page).or(named("node", node)).or(named("person with a node", person))
    }
}

impl Deed {
    fn pages(&self) -> Vec<&String> {
        match self {
            Deed::Propose { page, .. }
            | Deed::Vote { page, .. }
            | Deed::Host { page, .. }
            | Deed::Lend { page, .. }
            | Deed::Contradict { page, .. }
            | Deed::Age { page, .. }
            | Deed::Rounds { page, .. }
            | Deed::Found { page, .. }
            | Deed::Fetch { page, .. }
            | Deed::Ask { page, .. } => vec![page],
            Deed::Link { page, to, .. } => vec![page, to],
            _ => Vec::new(),
        }
    }

    fn nodes(&self) -> Vec<&String> {
        match self {
            Deed::Host { node, .. }
            | Deed::Contradict { node, .. }
            | Deed::Fetch { node, .. }
            | Deed::Clock { node, .. }
            | Deed::Reveal { node }
            | Deed::Crash { node, .. }
            | Deed::Stop { node, .. } => vec![node],
            Deed::Withhold { node, from } => [node].into_iter().chain(from).collect(),
            Deed::Mute { nodes, towards: others } | Deed::Shield { nodes, from: others } => {
                nodes.iter().chain(others).collect()
            }
            Deed::Part { groups } => groups.iter().flatten().collect(),
            _ => Vec::new(),
        }
    }

    fn people(&self) -> Vec<&String> {
        match self {
            Deed::Propose { by, .. }
            | Deed::Vote { by, .. }
            | Deed::Host { by, .. }
            | Deed::Lend { by, .. }
            | Deed::Found { by, .. }
            | Deed::Link { by, .. }
            | Deed::Age { by, .. } => vec![by],
            Deed::Rounds { by, .. } => by.iter().collect(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_scenario_reads() {
        for (name, text) in EMBEDDED {
            if let Err(refusal) = Scenario::read(name, text) {
                panic!("{refusal}");
            }
        }
        let missing = Scenario::embedded("x").unwrap_err().to_string();
        assert!(missing.contains("--list"), "{missing}");
    }

    #[test]
    fn a_fault_of_a_scenario_is_named_with_its_place() {
        let good = "about = \"a\"\nseconds = 1\n[pages.p]\nname = \"p.ct\"\npower = { a = 1 }\n\
            [nodes.n]\npeople = [\"a\"]\n";
        let check = |more: &str, expect: &str| {
            let found = match Scenario::read("s", &format!("{good}{more}")) {
                Ok(_) => String::new(),
                Err(refusal) => refusal.to_string(),
            };
            assert!(found.contains(expect) && found.is_empty() == expect.is_empty(), "{found}");
        };
        check("", "");
        check("colour = 1\n", "line 8");
        check("[[events]]\nat = 1\ndo = \"dance\"\n", "dance");
        check("[[events]]\nat = [1, 2]\ndo = \"stop\"\nnode = \"m\"\nagain = 1\n", "`m` is named");
        check("[[expect]]\npage = \"q\"\n", "`q` is named as a page");
        let by = "[[events]]\nat = 1\ndo = \"age\"\nby = \"b\"\npage = \"p\"\nseals = 1\n";
        check(by, "`b` is named as a person");
    }
}
