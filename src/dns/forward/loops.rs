//! Whether an upstream asks djdns itself: a name that nobody else can have asked for comes back.
//!
//! For each upstream a name is made of 128 random bits below [`ZONE`], and asked once. Who hears it
//! again at the own door knows which upstream it went to, whoever is in between. Nothing in the name
//! tells of the machine or of who uses it. Nothing is sent from here.
//!
//! `example.` is nobody's, and resolvers should not treat it as special (RFC 6761 section 6.5):
//! forwarders pass such a name on. Below `test.`, which dnsmasq takes for the same end, many answer by
//! themselves, djdns among them, and a loop through two would not be seen. No page has a say about
//! these names, so that another djdns in the loop passes them on too.

use crate::dns::path::Path;

/// Below which probes are, in wire form.
pub const ZONE: &[u8] = b"\x0adjdns-loop\x07example\0";
/// Hexadecimal digits of 128 bits.
const DIGITS: usize = 32;

/// The names that the upstreams are asked, each in its upstream's place.
#[derive(Debug)]
pub struct Probes(Vec<Box<[u8]>>);

impl Probes {
    /// Names for so many upstreams, of bits that nobody can foresee.
    pub fn new(upstreams: usize, random: impl Fn() -> [u64; 5]) -> Probes {
        let name = |_| {
            let [high, low, ..] = random();
            let digits = format!("{high:016x}{low:016x}");
            [&[DIGITS as u8][..], digits.as_bytes(), ZONE].concat().into()
        };
        Probes((0..upstreams).map(name).collect())
    }

    /// The names, in wire form.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|name| &**name)
    }

    /// Which upstream was asked this name, if it is one of these.
    pub fn asked_of(&self, name: &Path) -> Option<usize> {
        if !is_probe(name) {
            return None;
        }
        self.0.iter().position(|probe| **probe == *name.wire())
    }
}

/// Whether a name is a probe, of this djdns or of another.
pub fn is_probe(name: &Path) -> bool {
    name.labels() == 3 && name.suffix(1) == ZONE && usize::from(name.wire()[0]) == DIGITS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::name::Name;

    fn path(name: &str) -> Path {
        Path::from(&Name::parse(name).unwrap())
    }

    #[test]
    fn a_probe_is_known_by_whom_it_was_asked_of_and_no_other_is() {
        let drawn = std::cell::Cell::new(0);
        let probes = Probes::new(3, || {
            drawn.set(drawn.get() + 1);
            [0xab << 56, drawn.get(), 0, 0, 0]
        });
        let name = |n: u64| format!("ab{n:030x}.djdns-loop.example");
        let check = |name: &str, expect: Option<usize>| {
            assert_eq!(probes.asked_of(&path(name)), expect, "{name}");
        };
        check(&name(1), Some(0));
        check(&name(3).to_uppercase(), Some(2));
        check(&name(4), None);
        check("djdns-loop.example", None);
        assert!(is_probe(&path(&name(4))));
        assert!(!is_probe(&path("www.djdns-loop.example")));
        assert!(!is_probe(&path(&format!("x.{}", name(1)))));
        assert_eq!(probes.names().count(), 3);
    }
}
