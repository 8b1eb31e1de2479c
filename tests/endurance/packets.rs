//! Random packets for a DNS server: well formed queries, such with damage behind the header, such with
//! damage anywhere, and noise.
//!
//! What a server makes of them is not known here.

use crate::support::random::Random;

/// The packets that a seed gives.
pub struct Packets {
    random: Random,
}

/// Names that questions begin with, in wire form: of the demonstration's pages, special ones, and one
/// in no page.
const NAMES: [&[u8]; 8] = [
    b"\x0cbrickwindows\x02ff\x02ct\0",
    b"\x02ff\x02ct\0",
    b"\x02ct\0",
    b"\x04www\x2a\x05music\x02ct\0",
    b"\0",
    b"\x09localhost\0",
    b"\x0cbrickwindows\x02ff\x02ct\x05djdns\x03alt\0",
    b"\x03www\x07example\x03net\0",
];
/// A, NS, CNAME, SOA, MX, TXT, AAAA, DNAME, DS, ANY, AXFR, PAGE.
const TYPES: [u16; 12] = [1, 2, 5, 6, 15, 16, 28, 39, 43, 255, 252, 65280];
/// NSID, client subnet, cookie, keepalive, padding, extended error, and one that nobody assigned.
const OPTIONS: [u16; 7] = [3, 8, 10, 11, 12, 15, 4711];

impl Packets {
    pub fn new(seed: u64) -> Packets {
        Packets { random: Random::new(seed) }
    }

    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// The next one.
    pub fn draw(&mut self) -> Vec<u8> {
        let mut packet = self.query();
        match self.random.below(100) {
            // As it is.
            0..20 => {}
            // Damaged behind the header, cut, or with something at its end.
            20..75 => self.damage(&mut packet, 12),
            75..95 => self.damage(&mut packet, 0),
            _ => packet = self.noise(64),
        }
        packet
    }

    fn noise(&mut self, len: usize) -> Vec<u8> {
        (0..self.random.below(len)).map(|_| self.random.bits() as u8).collect()
    }

    fn damage(&mut self, packet: &mut Vec<u8>, from: usize) {
        for _ in 0..=self.random.below(4) {
            let at = from + self.random.below(packet.len().max(from + 1) - from);
            match (self.random.below(5), packet.get_mut(at)) {
                (0, Some(byte)) => *byte = self.random.bits() as u8,
                (1, Some(byte)) => *byte ^= 1 << self.random.below(8),
                // Pointers, longest labels, ends of names.
                (2, Some(byte)) => *byte = *self.random.pick(&[0xc0, 0x3f, 0x40, 0, 0xff]),
                (3, Some(_)) => packet.truncate(at),
                _ => {
                    let more = self.noise(40);
                    packet.splice(at.min(packet.len())..at.min(packet.len()), more);
                }
            }
        }
    }

    /// A query with one question: mostly about pages, seldom to be forwarded.
    fn query(&mut self) -> Vec<u8> {
        let random = &mut self.random;
        let mut name = random.pick(&NAMES).to_vec();
        for _ in 0..random.below(4) {
            let label: Vec<u8> = (0..=random.below(12)).map(|_| random.bits() as u8).collect();
            name = [&[label.len() as u8][..], &label, &name].concat();
        }
        let [high, low] = (random.bits() as u16).to_be_bytes();
        let recursive = u8::from(random.percent(10));
        let edns = random.percent(70);
        let qtype = if random.percent(80) { *random.pick(&TYPES) } else { random.bits() as u16 };
        let flags = random.bits() as u8 & 0x30;
        let mut packet = vec![high, low, recursive, flags, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)];
        packet.extend_from_slice(&name);
        packet.extend_from_slice(&qtype.to_be_bytes());
        packet.extend_from_slice(&[0, 1]);
        if edns {
            let options = self.options();
            let version = u8::from(self.random.percent(3));
            let dnssec_ok = self.random.bits() as u8 & 0x80;
            packet.extend_from_slice(&[0, 0, 41]);
            packet.extend_from_slice(&(self.random.below(2000) as u16).to_be_bytes());
            packet.extend_from_slice(&[0, version, dnssec_ok, 0]);
            packet.extend_from_slice(&(options.len() as u16).to_be_bytes());
            packet.extend_from_slice(&options);
        }
        packet
    }

    fn options(&mut self) -> Vec<u8> {
        let mut options = Vec::new();
        for _ in 0..self.random.below(3) {
            let code = *self.random.pick(&OPTIONS);
            // A cookie of the right length now and then.
            let data = if self.random.percent(30) { vec![7; 8] } else { self.noise(48) };
            options.extend_from_slice(&code.to_be_bytes());
            options.extend_from_slice(&(data.len() as u16).to_be_bytes());
            options.extend_from_slice(&data);
        }
        options
    }
}

/// Whether a packet's header is that of a query with one question, so that what follows is read.
pub fn is_past_header(packet: &[u8]) -> bool {
    packet.len() > 12 && packet[2] & 0xf8 == 0 && packet[4..6] == [0, 1]
}
