//! The datagram of the broadcast (D2): eight octets that say what it is, and a signed beacon.
//!
//! Whether the beacon is worth anything is [`super::super::intake`]'s business.

use crate::limits::BEACON_BYTES_MAX;

/// What stands at the beginning of every datagram; the octet after it tells what is wanted.
const MAGIC: [u8; 7] = *b"djdns/1";

/// A datagram as it comes and goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Whether who sent it wants to hear from everybody now: it has just come, or heard of somebody new.
    pub asks: bool,
    /// The bytes of a beacon, of any worth.
    pub beacon: &'a [u8],
}

/// Why a datagram is not one of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketRefusal {
    #[error("it does not begin as a beacon of djdns does")]
    Foreign,
    #[error("{0} neither asks nor tells")]
    Purpose(u8),
    #[error("{0} bytes are no beacon")]
    Length(usize),
}

impl<'a> Packet<'a> {
    /// Reads a datagram.
    ///
    /// # Errors
    /// [`PacketRefusal`].
    pub fn read(bytes: &'a [u8]) -> Result<Packet<'a>, PacketRefusal> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(PacketRefusal::Foreign)?;
        let (purpose, beacon) = rest.split_first().ok_or(PacketRefusal::Foreign)?;
        let asks = match purpose {
            0 => false,
            1 => true,
            other => return Err(PacketRefusal::Purpose(*other)),
        };
        if beacon.is_empty() || beacon.len() > BEACON_BYTES_MAX {
            return Err(PacketRefusal::Length(beacon.len()));
        }
        Ok(Packet { asks, beacon })
    }

    /// Writes it.
    pub fn write(&self) -> Vec<u8> {
        [&MAGIC[..], &[u8::from(self.asks)], self.beacon].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expect: Result<Packet, PacketRefusal>) {
        assert_eq!(Packet::read(bytes), expect, "{bytes:?}");
    }

    #[test]
    fn a_datagram_is_read_as_it_was_written_or_refused_by_name() {
        for asks in [false, true] {
            let packet = Packet { asks, beacon: b"beacon" };
            check(&packet.write(), Ok(packet.clone()));
        }
        check(b"djdns/1\x01beacon", Ok(Packet { asks: true, beacon: b"beacon" }));
        check(b"", Err(PacketRefusal::Foreign));
        check(b"djdns/1", Err(PacketRefusal::Foreign));
        check(b"djdns/2\x00beacon", Err(PacketRefusal::Foreign));
        check(b"djdns/1\x02beacon", Err(PacketRefusal::Purpose(2)));
        check(b"djdns/1\x01", Err(PacketRefusal::Length(0)));
    }

    #[test]
    fn a_datagram_holds_no_more_than_a_beacon() {
        let most = BEACON_BYTES_MAX;
        let read = |len: usize| {
            let written = Packet { asks: false, beacon: &vec![7; len] }.write();
            Packet::read(&written).map(|packet| packet.beacon.len())
        };
        assert_eq!(read(most - 1), Ok(most - 1));
        assert_eq!(read(most), Ok(most));
        assert_eq!(read(most + 1), Err(PacketRefusal::Length(most + 1)));
    }
}
