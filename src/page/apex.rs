//! The records that every page has without anybody writing them: its SOA and NS (P8).
//!
//! They are made, not stored, so that no ballot can break them. Nothing here knows who serves
//! them.

use crate::limits::NEGATIVE_TTL;

/// Seconds that the made SOA and NS may be cached (choice). Negative answers use the smaller of
/// this and the SOA's MINIMUM (RFC 2308 section 3).
pub const APEX_TTL: u32 = 3600;

/// The data of a page's SOA in wire form: mname `localhost.`, rname `nobody.invalid.`, the
/// serial, refresh 3600 s, retry 600 s, expire 604800 s, minimum [`NEGATIVE_TTL`].
pub fn soa_rdata(serial: u32) -> Vec<u8> {
    let mut rdata = ns_rdata();
    rdata.extend_from_slice(b"\x06nobody\x07invalid\x00");
    for field in [serial, 3600, 600, 604_800, NEGATIVE_TTL.as_secs() as u32] {
        rdata.extend_from_slice(&field.to_be_bytes());
    }
    rdata
}

/// The data of a page's NS in wire form: `localhost.`, because every node serves its own pages.
pub fn ns_rdata() -> Vec<u8> {
    b"\x09localhost\x00".to_vec()
}
