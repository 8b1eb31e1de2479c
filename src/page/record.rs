//! Record types: their numbers and mnemonics, and the private ones of djdns (P7).
//!
//! What the data of each type looks like is [`super::rdata`]'s business.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{id::Id, limits::PAGE_BEACONS_MAX};

/// A DNS record type (RFC 1035 section 3.2.2, IANA "Resource Record (RR) TYPEs").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordType(pub u16);

/// Declares the types that have a mnemonic, once, as constants and as a table.
macro_rules! record_types {
    ($($name:ident = $number:literal $(as $text:literal)?;)+) => {
        impl RecordType {
            $(pub const $name: RecordType = RecordType($number);)+
        }
        const MNEMONICS: &[(RecordType, &str)] =
            &[$((RecordType::$name, record_types!(@text $name $($text)?)),)+];
    };
    (@text $name:ident $text:literal) => { $text };
    (@text $name:ident) => { stringify!($name) };
}

record_types! {
    A = 1; NS = 2; CNAME = 5; SOA = 6; PTR = 12; HINFO = 13; MX = 15; TXT = 16; RP = 17;
    AFSDB = 18; SIG = 24; KEY = 25; AAAA = 28; LOC = 29; NXT = 30; SRV = 33; NAPTR = 35; KX = 36;
    CERT = 37; DNAME = 39; OPT = 41; APL = 42; DS = 43; SSHFP = 44; IPSECKEY = 45; RRSIG = 46;
    NSEC = 47; DNSKEY = 48; DHCID = 49; NSEC3 = 50; NSEC3PARAM = 51; TLSA = 52; SMIMEA = 53;
    HIP = 55; CDS = 59; CDNSKEY = 60; OPENPGPKEY = 61; CSYNC = 62; ZONEMD = 63; SVCB = 64;
    HTTPS = 65; SPF = 99; EUI48 = 108; EUI64 = 109; TKEY = 249; TSIG = 250; IXFR = 251;
    AXFR = 252; ANY = 255; URI = 256; CAA = 257; PAGE = 65280; TRACK = 65281; BEACON = 65282;
    AGENT = 65283;
}

impl RecordType {
    /// Whether the type can hold data: not OPT, not a query-only or meta type (RFC 6895 3.1).
    pub fn is_data(self) -> bool {
        self.0 != 0 && self != Self::OPT && !(128..=255).contains(&self.0)
    }

    /// Whether the type has a name here, and is not written as TYPE and a number.
    pub fn has_mnemonic(self) -> bool {
        MNEMONICS.iter().any(|(number, _)| *number == self)
    }

    /// Whether this is one of djdns' own private-use types (P7).
    pub fn is_private(self) -> bool {
        (Self::PAGE.0..=Self::AGENT.0).contains(&self.0)
    }

    /// Whether the record belongs to DNSSEC's signing of a zone: pages are proved by their seals.
    pub fn is_dnssec_made(self) -> bool {
        let made = [
            Self::RRSIG,
            Self::NSEC,
            Self::NSEC3,
            Self::NSEC3PARAM,
            Self::DNSKEY,
            Self::CDS,
            Self::CDNSKEY,
            Self::ZONEMD,
        ];
        made.contains(&self)
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match MNEMONICS.iter().find(|(number, _)| number == self) {
            Some((_, text)) => f.pad(text),
            None => f.pad(&format!("TYPE{}", self.0)),
        }
    }
}

impl fmt::Debug for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text names no record type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no record type: expected a mnemonic like A or MX, or TYPE and a number")]
pub struct UnknownType(pub String);

impl FromStr for RecordType {
    type Err = UnknownType;

    fn from_str(text: &str) -> Result<RecordType, UnknownType> {
        let known = MNEMONICS.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
        if let Some((number, _)) = known {
            return Ok(*number);
        }
        let generic = text.get(..4).filter(|head| head.eq_ignore_ascii_case("TYPE"));
        let digits = generic.map(|_| &text[4..]);
        digits
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .map(RecordType)
            .ok_or_else(|| UnknownType(text.to_owned()))
    }
}

/// The data of a PAGE record: the page that governs this label, and where its hosts may be.
/// Wire form: 32 octets of page id, then character-strings (RFC 1035 section 3.3), each one
/// beacon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageLink {
    /// The page's id, which proves its genesis (T2).
    pub page: Id,
    /// Beacons of hosts (D1), as text. They help to find, and prove nothing.
    pub beacons: Vec<String>,
}

impl PageLink {
    /// Reads the data of a PAGE record. `None` unless every octet belongs to it.
    pub fn from_rdata(rdata: &[u8]) -> Option<PageLink> {
        let (id, mut rest) = rdata.split_first_chunk::<32>()?;
        let mut beacons = Vec::new();
        while let Some((&len, after)) = rest.split_first() {
            let (text, after) = after.split_at_checked(usize::from(len))?;
            beacons.push(str::from_utf8(text).ok()?.to_owned());
            rest = after;
        }
        (beacons.len() <= PAGE_BEACONS_MAX)
            .then_some(PageLink { page: Id::from_bytes(*id), beacons })
    }

    /// The record's data. `None` when a beacon is longer than 255 octets or there are too many.
    pub fn to_rdata(&self) -> Option<Vec<u8>> {
        let mut rdata = self.page.as_bytes().to_vec();
        for beacon in &self.beacons {
            rdata.push(u8::try_from(beacon.len()).ok()?);
            rdata.extend_from_slice(beacon.as_bytes());
        }
        (self.beacons.len() <= PAGE_BEACONS_MAX).then_some(rdata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mnemonic_is_read_back_and_unknown_types_have_their_number() {
        for (number, text) in MNEMONICS {
            assert_eq!(text.parse(), Ok(*number));
            assert_eq!(number.to_string().parse(), Ok(*number));
            assert_eq!(format!("type{}", number.0).parse(), Ok(*number));
        }
        assert_eq!(RecordType(4711).to_string(), "TYPE4711");
        assert_eq!(format!("{:?} {:?}", RecordType::MX, RecordType(4711)), "MX TYPE4711");
        for wrong in ["", "AX", "TYPE", "TYPE65536", "TYPE-1", "TYPE+1"] {
            assert_eq!(wrong.parse::<RecordType>(), Err(UnknownType(wrong.into())));
        }
    }

    /// P7 accepts: PAGE data in the form that DNS carries.
    /// P7 refuses: PAGE data with an octet too many or too few.
    #[test]
    fn a_page_link_is_read_back_and_nothing_may_be_left_over() {
        let link = PageLink { page: Id::hash(&[b"p"]), beacons: vec!["DMCT:0.5:1:00".into()] };
        let mut rdata = link.to_rdata().unwrap();
        assert_eq!(PageLink::from_rdata(&rdata), Some(link));
        rdata.push(9);
        assert_eq!(PageLink::from_rdata(&rdata), None);
        assert_eq!(PageLink::from_rdata(&rdata[..31]), None);
    }
}
