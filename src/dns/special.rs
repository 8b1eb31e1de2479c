//! Names that are never looked up in the public DNS, and what is said of them at once (RFC 6761).
//!
//! `localhost.` is not among them, since no page can take it away: [`super::View`] answers it. All
//! others are asked for here only when no page knows the name. Somebody who has such a zone, as a
//! company its own `local.`, excepts it, and it is then a name as any other. Who it is asked of then is
//! not known here.

use std::{collections::HashMap, sync::LazyLock};

use super::{answer::Rcode, path::Path};
use crate::page::{
    apex,
    name::{Name, parse_labels},
    record::RecordType,
};

/// The special names, except some.
#[derive(Clone, Debug, Default)]
pub struct Special {
    excepted: Vec<Name>,
}

/// What is said of a special name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// The label of the name at which its special zone begins.
    pub zone: usize,
    pub rcode: Rcode,
    /// A record, where there is one.
    pub record: Option<(RecordType, Vec<u8>)>,
    /// Why it is not looked up.
    pub why: &'static str,
}

/// What is below a special zone, and at its top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Nothing, the zone's own name included.
    Absent,
    /// Nothing but the zone's SOA and NS (RFC 6303 section 3).
    Empty,
    /// As [`Rule::Empty`], and whether it is signed is asked of the zone above.
    Unsigned,
    /// Every name, and none has data.
    Bare,
}

impl Special {
    /// The special names but those at and below `names`.
    pub fn except(names: impl IntoIterator<Item = Name>) -> Special {
        Special { excepted: names.into_iter().collect() }
    }

    /// What is said of this name and type. `None` when it is nothing special.
    pub fn look_up(&self, name: &Path, qtype: RecordType) -> Option<Local> {
        if self.excepted.iter().any(|excepted| name.cut_at(excepted.wire()).is_some()) {
            return None;
        }
        let find = |label| Some((label, ZONES.get(name.suffix(label))?));
        let (zone, (rule, why)) = (0..name.labels()).find_map(find)?;
        // RFC 8375 section 4: whether home.arpa. is signed is for arpa. to prove.
        if *rule == Rule::Unsigned && zone == 0 && qtype == RecordType::DS {
            return None;
        }
        let record = at(name, zone == 0 && *rule != Rule::Absent, qtype);
        let exists = match rule {
            Rule::Absent => false,
            Rule::Empty | Rule::Unsigned => zone == 0 || is_loopback(name),
            Rule::Bare => true,
        };
        let rcode = if exists { Rcode::NOERROR } else { Rcode::NXDOMAIN };
        Some(Local { zone, rcode, record, why })
    }
}

/// The data of the SOA that goes with a denial (RFC 2308 section 3). A special zone never changes.
pub fn soa() -> Vec<u8> {
    apex::soa_rdata(1).to_vec()
}

/// The record at a name, of the few that there are.
fn at(name: &Path, is_apex: bool, qtype: RecordType) -> Option<(RecordType, Vec<u8>)> {
    let is = |wanted: RecordType| qtype == wanted || qtype == RecordType::ANY;
    if LOOPBACK.iter().any(|loopback| **loopback == *name.wire()) && is(RecordType::PTR) {
        Some((RecordType::PTR, apex::SERVER.to_vec()))
    } else if is_apex && is(RecordType::SOA) {
        Some((RecordType::SOA, soa()))
    } else if is_apex && is(RecordType::NS) {
        Some((RecordType::NS, apex::ns_rdata()))
    } else {
        None
    }
}

/// Whether this is the name of a loopback address or one above it, which exists with it (RFC 8020).
fn is_loopback(name: &Path) -> bool {
    LOOPBACK.iter().any(|loopback| loopback.ends_with(name.wire()))
}

/// The names of 127.0.0.1 and ::1 (RFC 1912 section 4.1, RFC 6303 section 4.4).
static LOOPBACK: LazyLock<[Box<[u8]>; 2]> =
    LazyLock::new(|| ["1.0.0.127.in-addr.arpa", IP6_LOOPBACK].map(wire));

const IP6_LOOPBACK: &str =
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa";
const IP6_UNSPECIFIED: &str =
    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa";

const LOCAL: &str = "names below local. belong to multicast DNS (RFC 6762 section 22.1)";
const ONION: &str = "names below onion. are for Tor alone (RFC 7686 section 2)";
const INVALID: &str = "nothing is ever below invalid. (RFC 6761 section 6.4)";
const TEST: &str = "nothing public is below test. (RFC 6761 section 6.2)";
const ALT: &str = "names below alt. are not in the DNS (RFC 9476 section 2)";
const HOME: &str = "names below home.arpa. are this home's own (RFC 8375)";
const RESOLVER: &str = "this resolver names no other (RFC 9462 section 4)";
const CANARY: &str = "names resolve on this machine: browsers should ask it";
const PRIVATE: &str = "the reverse of an address with no public meaning (RFC 6303)";
const SHARED: &str = "the reverse of an address with no public meaning (RFC 7793)";

/// Zones that a name is for itself.
const NAMED: [(&str, Rule, &str); 8] = [
    ("local", Rule::Absent, LOCAL),
    ("onion", Rule::Absent, ONION),
    ("invalid", Rule::Absent, INVALID),
    ("test", Rule::Absent, TEST),
    ("alt", Rule::Absent, ALT),
    ("home.arpa", Rule::Unsigned, HOME),
    ("resolver.arpa", Rule::Bare, RESOLVER),
    // Mozilla's canary: a browser that gets an address for it asks a resolver of its own instead.
    ("use-application-dns.net", Rule::Absent, CANARY),
];

/// RFC 6303 sections 4.1 to 4.6, less the ranges that [`ZONES`] counts out.
const REVERSE: [&str; 17] = [
    "10.in-addr.arpa",
    "168.192.in-addr.arpa",
    "0.in-addr.arpa",
    "127.in-addr.arpa",
    "254.169.in-addr.arpa",
    "2.0.192.in-addr.arpa",
    "100.51.198.in-addr.arpa",
    "113.0.203.in-addr.arpa",
    "255.255.255.255.in-addr.arpa",
    IP6_UNSPECIFIED,
    IP6_LOOPBACK,
    "d.f.ip6.arpa",
    "8.e.f.ip6.arpa",
    "9.e.f.ip6.arpa",
    "a.e.f.ip6.arpa",
    "b.e.f.ip6.arpa",
    "8.b.d.0.1.0.0.2.ip6.arpa",
];

/// What holds below a zone, and why.
type Said = (Rule, &'static str);

/// All special zones by their names in wire form.
static ZONES: LazyLock<HashMap<Box<[u8]>, Said>> = LazyLock::new(|| {
    let named = NAMED.into_iter().map(|(zone, rule, why)| (wire(zone), (rule, why)));
    let reverse = REVERSE.into_iter().map(|zone| (wire(zone), (Rule::Empty, PRIVATE)));
    let counted = |range: std::ops::RangeInclusive<u8>, above: &'static str, why| {
        range.map(move |n| (wire(&format!("{n}.{above}.in-addr.arpa")), (Rule::Empty, why)))
    };
    let rfc1918 = counted(16..=31, "172", PRIVATE);
    let shared = counted(64..=127, "100", SHARED);
    named.chain(reverse).chain(rfc1918).chain(shared).collect()
});

fn wire(name: &str) -> Box<[u8]> {
    let labels = parse_labels(name).expect("the names of this file are names");
    [&labels[..], &[0]].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_up(special: &Special, name: &str, qtype: RecordType) -> Option<Local> {
        special.look_up(&Path::from(&Name::parse(name).unwrap()), qtype)
    }

    /// What is said of every name, and by which RFC, is told by `tests/dns/special.replay`.
    #[test]
    fn an_excepted_zone_is_nothing_special_and_its_neighbours_are() {
        let special =
            Special::except(["local", "10.in-addr.arpa"].map(|name| Name::parse(name).unwrap()));
        let is_special = |name| look_up(&special, name, RecordType::A).is_some();
        assert!(!is_special("printer.local."));
        assert!(!is_special("local."));
        assert!(!is_special("1.2.3.10.in-addr.arpa."));
        assert!(is_special("20.172.in-addr.arpa."));
        assert!(is_special("x.onion."));
    }

    #[test]
    fn the_ranges_end_where_they_should() {
        let check = |name, expect| {
            let said = look_up(&Special::default(), name, RecordType::PTR);
            assert_eq!(said.is_some(), expect, "{name}");
        };
        check("1.15.172.in-addr.arpa.", false);
        check("1.16.172.in-addr.arpa.", true);
        check("1.31.172.in-addr.arpa.", true);
        check("1.32.172.in-addr.arpa.", false);
        check("1.63.100.in-addr.arpa.", false);
        check("1.64.100.in-addr.arpa.", true);
        check("1.127.100.in-addr.arpa.", true);
        check("1.128.100.in-addr.arpa.", false);
        check("c.e.f.ip6.arpa.", false);
        check("arpa.", false);
        check(".", false);
    }
}
