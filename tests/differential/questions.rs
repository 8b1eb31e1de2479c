//! Random questions about a zone: names that are there, that nearly are, and that lie below or above
//! what is there; types that are there and that are not.
//!
//! What the answers should be is not known here.

use djdns::page::{name::Name, zonefile};

use crate::support::random::Random;

/// A question.
#[derive(Clone, Debug)]
pub struct Question {
    /// In wire form, as it is spelled.
    pub name: Vec<u8>,
    pub qtype: u16,
    /// Octets of a datagram that the client takes, and DO.
    pub edns: Option<(u16, bool)>,
    /// RD.
    pub recursive: bool,
    /// CD.
    pub unchecked: bool,
    /// AD: it wants to be told whether that was validated.
    pub wants_ad: bool,
}

impl Question {
    /// Whether its type is never data (RFC 6895 section 3.1), and not ANY.
    pub fn is_meta(&self) -> bool {
        (128..255).contains(&self.qtype) || [0, 41].contains(&self.qtype)
    }

    /// The message with this id.
    pub fn message(&self, id: u16) -> Vec<u8> {
        let [high, low] = id.to_be_bytes();
        let flags = [
            u8::from(self.recursive),
            u8::from(self.unchecked) << 4 | u8::from(self.wants_ad) << 5,
        ];
        let counts = [0, 1, 0, 0, 0, 0, 0, u8::from(self.edns.is_some())];
        let mut message = [&[high, low][..], &flags, &counts, &self.name].concat();
        message.extend_from_slice(&self.qtype.to_be_bytes());
        message.extend_from_slice(&[0, 1]);
        if let Some((octets, dnssec_ok)) = self.edns {
            message.extend_from_slice(&[0, 0, 41]);
            message.extend_from_slice(&octets.to_be_bytes());
            message.extend_from_slice(&[0, 0, u8::from(dnssec_ok) << 7, 0, 0, 0]);
        }
        message
    }
}

type Labels = Vec<Vec<u8>>;

/// What questions are made of.
pub struct Questions {
    zone: Labels,
    /// Names of the zone's records and in their data, and those above them.
    names: Vec<Labels>,
    types: Vec<u16>,
}

/// A, NS, CNAME, SOA, MX, TXT, AAAA, SRV, DNAME, DS, ANY.
const OFTEN: [u16; 11] = [1, 2, 5, 6, 15, 16, 28, 33, 39, 43, 255];
/// RRSIG, NSEC, DNSKEY, NSEC3, CDS, and some that nobody assigned.
const ABSENT: [u16; 8] = [46, 47, 48, 50, 59, 731, 4711, 65534];
/// NXNAME, TSIG, IXFR, AXFR, MAILB.
const META: [u16; 5] = [128, 250, 251, 252, 253];
/// Sizes of datagrams around every limit.
const SIZES: [u16; 9] = [0, 511, 512, 513, 700, 1231, 1232, 4096, 65535];

impl Questions {
    /// Questions about this zone, a file in RFC 1035 form.
    pub fn about(zone: &Name, text: &str) -> Questions {
        let contents = zonefile::read(text.as_bytes(), zone, &mut |_| {}).expect("a zone file");
        let zone = labels(zone.wire());
        let (mut names, mut types) = (vec![zone.clone()], Vec::new());
        for (owner, sets) in &contents.entries {
            let mut name = [labels(owner.wire()), zone.clone()].concat();
            while name.len() > zone.len() {
                names.push(name.clone());
                name.remove(0);
            }
            types.extend(sets.iter().map(|set| set.rtype.0));
            let targets = sets.iter().filter(|set| [2, 5, 39].contains(&set.rtype.0));
            let data = targets.flat_map(|set| set.rdata.iter());
            names.extend(data.map(|data| labels(&data.0)));
        }
        names.sort();
        names.dedup();
        types.sort_unstable();
        types.dedup();
        Questions { zone, names, types }
    }

    /// A question for an authoritative server.
    pub fn draw(&self, random: &mut Random) -> Question {
        let name = loop {
            let name = wire(&self.name(random));
            // The root is another page of a node, and no zone of the other servers.
            if (2..=255).contains(&name.len()) {
                break name;
            }
        };
        let edns = random.percent(60).then(|| (*random.pick(&SIZES), random.percent(40)));
        let name = if random.percent(50) { spell(&name, random) } else { name };
        let qtype = self.qtype(random);
        Question { name, qtype, edns, recursive: false, unchecked: false, wants_ad: false }
    }

    /// A question for a resolver. None with a type that is never data: Unbound asks for those again and
    /// again where an authoritative server refuses them, and is silent for a quarter of a minute.
    pub fn draw_recursive(&self, random: &mut Random) -> Question {
        let mut drawn = std::iter::repeat_with(|| self.draw(random));
        let question = drawn.find(|question| !question.is_meta()).expect("it draws without end");
        let (unchecked, wants_ad) = (random.percent(15), random.percent(50));
        Question { recursive: true, unchecked, wants_ad, ..question }
    }

    fn name(&self, random: &mut Random) -> Labels {
        let mut name = random.pick(&self.names).clone();
        match random.below(100) {
            0..35 => {}
            35..60 => (0..=random.below(3)).for_each(|_| name.insert(0, label(random))),
            60..68 => drop(name.drain(..random.below(name.len() + 1))),
            68..78 if !name.is_empty() => {
                let at = random.below(name.len());
                let octet = random.below(name[at].len());
                name[at][octet] = random.bits() as u8;
            }
            78..85 if !name.is_empty() => name[0] = label(random),
            // Below another name of the zone: an alias of a whole tree may lead to something.
            85..98 => {
                let other = random.pick(&self.names);
                let below = other.len().saturating_sub(self.zone.len());
                name = [&other[..below], &name].concat();
            }
            _ => (0..random.below(60)).for_each(|_| name.insert(0, b"x".to_vec())),
        }
        name
    }

    fn qtype(&self, random: &mut Random) -> u16 {
        match random.below(100) {
            0..30 => 1,
            30..60 => *random.pick(&OFTEN),
            60..92 => *random.pick(&self.types),
            92..96 => *random.pick(&ABSENT),
            96 => *random.pick(&META),
            97 => 128 + random.below(128) as u16,
            _ => random.bits() as u16,
        }
    }
}

fn label(random: &mut Random) -> Vec<u8> {
    let known = ["*", "www", "mail", "ns", "a", "sub", "ent", "below", "\0", "x.y"];
    match random.below(4) {
        0 => (0..=random.below(63)).map(|_| b'a' + random.below(26) as u8).collect(),
        1 => (0..=random.below(4)).map(|_| random.bits() as u8).collect(),
        _ => random.pick(&known).as_bytes().to_vec(),
    }
}

/// The name in random case.
fn spell(name: &[u8], random: &mut Random) -> Vec<u8> {
    let spelled = |byte: &u8| match byte {
        // Lengths are at most 63, and so no letters.
        b'a'..=b'z' if random.percent(50) => byte.to_ascii_uppercase(),
        _ => *byte,
    };
    name.iter().map(spelled).collect()
}

fn labels(wire: &[u8]) -> Labels {
    let (mut labels, mut at) = (Vec::new(), 0);
    while let Some(len @ 1..) = wire.get(at).map(|len| usize::from(*len)) {
        labels.push(wire[at + 1..at + 1 + len].to_vec());
        at += 1 + len;
    }
    labels
}

fn wire(labels: &[Vec<u8>]) -> Vec<u8> {
    let label = |label: &Vec<u8>| [&[label.len() as u8][..], label].concat();
    labels.iter().flat_map(label).chain([0]).collect()
}
