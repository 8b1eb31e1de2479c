//! Finds out whether an upstream leads back here: a name that only this process can have asked for.
//!
//! The driver makes one at every start from 16 random bytes, asks every upstream for
//! [`LoopProbe::name`] once, and looks at every query with [`LoopProbe::is_mine`] before anything
//! else answers it, special names (RFC 6761) included. A query that is its own came round a loop,
//! through whatever stood between. Sending, and what follows, is not known here.

use crate::page::name::Name;

/// One start's probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopProbe {
    name: Name,
}

/// Below `test.`, which exists nowhere (RFC 6761 section 6.2), so that a forwarder in between passes
/// it on and the rest of the world says NXDOMAIN; dnsmasq's `--dns-loop-detect` does the same.
/// `invalid.` would not do: systemd-resolved and others answer it themselves, and hide a loop.
const BELOW: &[u8] = b"\x0adjdns-loop\x04test\x00";

impl LoopProbe {
    /// A probe that nobody else has: the bytes must be random.
    ///
    /// # Panics
    /// Never: a label of 32 hexadecimal digits is a label.
    pub fn new(random: [u8; 16]) -> LoopProbe {
        let label = data_encoding::HEXLOWER.encode(&random);
        let mut wire = vec![label.len() as u8];
        wire.extend_from_slice(label.as_bytes());
        wire.extend_from_slice(BELOW);
        let name = Name::from_wire(&wire).expect("two short labels below one make a name");
        LoopProbe { name }
    }

    /// What to ask upstreams for; the type does not matter.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Whether a query for this name, in lower-case wire form, is this probe come back.
    pub fn is_mine(&self, wire_lowercase_name: &[u8]) -> bool {
        self.name.wire() == wire_lowercase_name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_knows_itself_and_no_other() {
        let probe = LoopProbe::new([0xab; 16]);
        assert_eq!(probe.name().to_string(), format!("{}.djdns-loop.test.", "ab".repeat(16)));
        assert!(probe.is_mine(probe.name().wire()));
        assert!(!probe.is_mine(LoopProbe::new([0xac; 16]).name().wire()));
        assert!(!probe.is_mine(BELOW));
        assert!(!probe.is_mine(&[]));
    }
}
