//! The records at the top of every page that are made and never stored (P8): SOA and NS.
//!
//! Whoever answers, transfers or writes a zone file takes them from here, so that all say the
//! same. They name this machine: every copy of a page is its own primary. Which serial belongs to
//! which seal is the caller's business.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::record::RecordType;
use crate::limits::NEGATIVE_TTL;

/// Seconds that the made records may be cached (choice: an hour, nothing in them moves).
pub const MADE_TTL: u32 = 3600;

/// The name of the server in SOA and NS, in wire form (RFC 6761 section 6.3).
pub const SERVER: &[u8] = b"\x09localhost\x00";
/// Where mail about a page goes: to nobody (RFC 2606 section 2), in wire form.
const MAILBOX: &[u8] = b"\x06nobody\x07invalid\x00";
/// SOA REFRESH, RETRY and EXPIRE, seconds (choice: within RIPE-203's ranges for small zones).
const TIMERS: [u32; 3] = [3600, 600, 604_800];

/// Octets of a page's SOA data.
pub const SOA_BYTES: usize = SERVER.len() + MAILBOX.len() + 20;

/// The data of a page's SOA (RFC 1035 section 3.3.13); MINIMUM is [`NEGATIVE_TTL`].
pub fn soa_rdata(serial: u32) -> [u8; SOA_BYTES] {
    let mut rdata = [0; SOA_BYTES];
    let (names, numbers) = rdata.split_at_mut(SERVER.len() + MAILBOX.len());
    names[..SERVER.len()].copy_from_slice(SERVER);
    names[SERVER.len()..].copy_from_slice(MAILBOX);
    let minimum = NEGATIVE_TTL.as_secs() as u32;
    let [refresh, retry, expire] = TIMERS;
    let all = [serial, refresh, retry, expire, minimum];
    for (place, number) in numbers.chunks_exact_mut(4).zip(all) {
        place.copy_from_slice(&number.to_be_bytes());
    }
    rdata
}

/// The data of a page's one NS.
pub fn ns_rdata() -> Vec<u8> {
    SERVER.to_vec()
}

/// The addresses of [`SERVER`]. In the root page they are records of its own, since there the
/// server's name lies within the zone and other software asks for its addresses.
pub fn server_addresses() -> [(RecordType, Vec<u8>); 2] {
    [
        (RecordType::A, Ipv4Addr::LOCALHOST.octets().to_vec()),
        (RecordType::AAAA, Ipv6Addr::LOCALHOST.octets().to_vec()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::rdata;

    #[test]
    fn what_is_made_is_valid_and_says_what_it_should() {
        let mut text = String::new();
        rdata::write_text(RecordType::SOA, &soa_rdata(7), rdata::Style::Mnemonic, &mut text);
        assert_eq!(text, "localhost. nobody.invalid. 7 3600 600 604800 60");
        assert_eq!(rdata::check(RecordType::NS, &ns_rdata()), Ok(()));
        assert_eq!(ns_rdata(), SERVER);
        for (rtype, data) in server_addresses() {
            assert_eq!(rdata::check(rtype, &data), Ok(()));
        }
    }
}
