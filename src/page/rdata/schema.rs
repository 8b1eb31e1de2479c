//! The table: which fields the data of each record type has, in order.

use crate::{limits::PAGE_BEACONS_MAX, page::record::RecordType};

/// One field of a record's data.
pub(super) struct Field {
    /// What people call it; it starts the sentence of a refusal.
    pub name: &'static str,
    pub kind: Kind,
}

/// What a field looks like. "To the end" kinds take all octets and all text that are left.
pub(super) enum Kind {
    U8,
    U16,
    U32,
    /// u32 that text may give with units, `1h30m`.
    Span,
    /// u32 of seconds, `YYYYMMDDHHmmSS` in text (RFC 4034 section 3.2).
    Time,
    /// A number (octets wide: 1 or 2) that text may give by one of these mnemonics.
    Word(usize, &'static [(&'static str, u16)]),
    /// u16, a record type in text.
    Type,
    Ipv4,
    Ipv6,
    /// That many octets as `xx-xx-…` (RFC 7043).
    Eui(usize),
    /// That many octets as hexadecimal digits in one word.
    Fixed(usize),
    Name,
    /// Domain names to the end, any number.
    Names,
    /// One character-string (RFC 1035 section 3.3).
    Text,
    /// Character-strings to the end, from this many to that many.
    Texts(usize, usize),
    /// As [`Kind::Texts`], each UTF-8.
    Utf8Texts(usize, usize),
    /// A character-string that is a did:key.
    DidKey,
    /// A character-string that is empty or a substitution expression (RFC 3402 section 3.2).
    Substitution,
    /// Octets to the end as one quoted string without a limit of 255 (RFC 8659, RFC 7553).
    LongText,
    /// CAA's tag.
    Tag,
    /// Hexadecimal to the end, at least one octet.
    Hex,
    /// Octets to the end that have no text but `\#`.
    Opaque,
    /// Hexadecimal to the end, at least that many octets: the octet before it says which digest,
    /// and these have a fixed length.
    Digest(usize, &'static [(u8, usize)]),
    /// Base64 to the end, at least this many octets.
    Base64(usize),
    /// Octets behind a length octet, as hexadecimal, `-` for none (RFC 5155 section 3.3).
    Salt,
    /// Octets behind a length octet, as base32hex (RFC 5155 section 3.3).
    Base32,
    /// Type bitmap to the end (RFC 4034 section 4.1.2).
    Types,
    Location,
    Prefixes,
    /// Service parameters to the end (RFC 9460).
    Params,
    /// Type, algorithm, gateway, and key of IPSECKEY after its precedence (RFC 4025).
    Gateway,
    /// Type and address or name of AMTRELAY after its precedence (RFC 8777 section 4.2).
    Relay,
    /// HIP up to its rendezvous servers (RFC 8005).
    Hip,
    Track,
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind }
}

/// Lists one type's fields as a static slice.
macro_rules! fields {
    ($($name:literal: $kind:expr),* $(,)?) => {{
        const FIELDS: &[Field] = &[$(field($name, $kind)),*];
        Some(FIELDS)
    }};
}

/// The fields of a type's data; `None` when any octets are.
pub(super) fn fields(rtype: RecordType) -> Option<&'static [Field]> {
    use Kind::*;
    match rtype {
        RecordType::A => fields!["the address": Ipv4],
        RecordType::AAAA => fields!["the address": Ipv6],
        RecordType::NS => fields!["the name server": Name],
        RecordType::CNAME | RecordType::DNAME | RecordType::PTR => fields!["the target": Name],
        RecordType::SOA => fields![
            "the primary": Name, "the mailbox": Name, "the serial": U32, "refresh": Span,
            "retry": Span, "expire": Span, "minimum": Span,
        ],
        RecordType::HINFO => fields!["the cpu": Text, "the system": Text],
        RecordType::MX => fields!["the preference": U16, "the mail server": Name],
        RecordType::TXT | RecordType::SPF => fields!["the text": Texts(1, usize::MAX)],
        RecordType::RP => fields!["the mailbox": Name, "the text's name": Name],
        RecordType::AFSDB => fields!["the subtype": U16, "the host": Name],
        RecordType::KX => fields!["the preference": U16, "the exchanger": Name],
        RecordType::LOC => fields!["the location": Location],
        RecordType::SRV => fields![
            "the priority": U16, "the weight": U16, "the port": U16, "the target": Name,
        ],
        RecordType::NAPTR => fields![
            "the order": U16, "the preference": U16, "the flags": Text, "the services": Text,
            "the expression": Substitution, "the replacement": Name,
        ],
        RecordType::CERT => fields![
            "the type": Word(2, CERTIFICATES), "the key tag": U16,
            "the algorithm": Word(1, ALGORITHMS), "the certificate": Base64(1),
        ],
        RecordType::APL => fields!["the prefixes": Prefixes],
        RecordType::DS | RecordType::CDS => fields![
            "the key tag": U16, "the algorithm": Word(1, ALGORITHMS), "the digest type": U8,
            "the digest": Digest(1, DS_DIGESTS),
        ],
        RecordType::SSHFP => fields![
            "the algorithm": U8, "the fingerprint type": U8,
            "the fingerprint": Digest(1, SSH_DIGESTS),
        ],
        RecordType::IPSECKEY => fields!["the precedence": U8, "the gateway": Gateway],
        RecordType::RRSIG | RecordType::SIG => fields![
            "the type covered": Type, "the algorithm": Word(1, ALGORITHMS), "the labels": U8,
            "the original TTL": Span, "the expiration": Time, "the inception": Time,
            "the key tag": U16, "the signer": Name, "the signature": Base64(1),
        ],
        RecordType::NSEC => fields!["the next name": Name, "the types": Types],
        RecordType::DNSKEY | RecordType::CDNSKEY | RecordType::KEY => fields![
            "the flags": U16, "the protocol": U8, "the algorithm": Word(1, ALGORITHMS),
            "the key": Base64(1),
        ],
        RecordType::DHCID => fields!["the digest": Base64(1)],
        RecordType::NSEC3 => fields![
            "the hash algorithm": U8, "the flags": U8, "the iterations": U16, "the salt": Salt,
            "the next hash": Base32, "the types": Types,
        ],
        RecordType::NSEC3PARAM => fields![
            "the hash algorithm": U8, "the flags": U8, "the iterations": U16, "the salt": Salt,
        ],
        RecordType::TLSA | RecordType::SMIMEA => fields![
            "the usage": U8, "the selector": U8, "the matching type": U8, "the certificate": Hex,
        ],
        RecordType::HIP => fields!["the host identity": Hip, "the rendezvous servers": Names],
        RecordType::OPENPGPKEY => fields!["the key": Base64(1)],
        RecordType::CSYNC => fields!["the serial": U32, "the flags": U16, "the types": Types],
        RecordType::ZONEMD => fields![
            "the serial": U32, "the scheme": U8, "the hash algorithm": U8,
            "the digest": Digest(12, ZONE_DIGESTS),
        ],
        RecordType::SVCB | RecordType::HTTPS => fields![
            "the priority": U16, "the target": Name, "the parameters": Params,
        ],
        RecordType::EUI48 => fields!["the address": Eui(6)],
        RecordType::EUI64 => fields!["the address": Eui(8)],
        RecordType::URI => fields!["the priority": U16, "the weight": U16, "the target": LongText],
        RecordType::CAA => fields!["the flags": U8, "the tag": Tag, "the value": LongText],
        RecordType::PAGE => fields![
            "the page id": Fixed(32), "the beacons": Utf8Texts(0, PAGE_BEACONS_MAX),
        ],
        RecordType::TRACK => fields!["the track": Track],
        RecordType::BEACON => fields!["the beacons": Texts(1, usize::MAX)],
        RecordType::AGENT => fields![
            "the identity": DidKey, "the beacon and the capabilities": Texts(2, usize::MAX),
        ],
        _ => rare(rtype.0),
    }
}

/// Types without a mnemonic here that other software parses: a zone file that holds octets of
/// another shape would be refused as a whole (IANA "Resource Record (RR) TYPEs").
fn rare(number: u16) -> Option<&'static [Field]> {
    use Kind::*;
    match number {
        // MD, MF, MB, MG, MR, NSAP-PTR
        3 | 4 | 7 | 8 | 9 | 23 => fields!["the name": Name],
        // WKS
        11 => fields!["the address": Ipv4, "the protocol": U8, "the services": Opaque],
        // MINFO, TALINK
        14 | 58 => fields!["the first name": Name, "the second name": Name],
        // X25
        19 => fields!["the address": Text],
        // ISDN
        20 => fields!["the address": Texts(1, 2)],
        // RT, LP
        21 | 107 => fields!["the preference": U16, "the host": Name],
        // PX
        26 => fields!["the preference": U16, "the map": Name, "the X.400 map": Name],
        // NSAP, EID, NIMLOC, ATMA
        22 | 31 | 32 | 34 => fields!["the data": Hex],
        // GPOS
        27 => fields!["the longitude": Text, "the latitude": Text, "the altitude": Text],
        // SINK
        40 => fields!["the coding": U8, "the subcoding": U8, "the data": Opaque],
        // NINFO, AVC, RESINFO, WALLET
        56 | 258 | 261 | 262 => fields!["the text": Texts(1, usize::MAX)],
        // RKEY
        57 => fields![
            "the flags": U16, "the protocol": U8, "the algorithm": U8, "the key": Base64(1),
        ],
        // DSYNC
        66 => fields!["the type": Type, "the scheme": U8, "the port": U16, "the target": Name],
        // HHIT, BRID
        67 | 68 => fields!["the data": Base64(1)],
        // NID, L64
        104 | 106 => fields!["the preference": U16, "the locator": Fixed(8)],
        // L32
        105 => fields!["the preference": U16, "the locator": Ipv4],
        // DOA
        259 => fields![
            "the enterprise": U32, "the type": U32, "the location": U8, "the media type": Text,
            "the data": Opaque,
        ],
        // AMTRELAY
        260 => fields!["the precedence": U8, "the relay": Relay],
        // TA, DLV
        32768 | 32769 => fields![
            "the key tag": U16, "the algorithm": U8, "the digest type": U8,
            "the digest": Digest(1, DS_DIGESTS),
        ],
        _ => None,
    }
}

/// DNSSEC algorithm mnemonics (IANA "DNS Security Algorithm Numbers").
const ALGORITHMS: &[(&str, u16)] = &[
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("INDIRECT", 252),
    ("PRIVATEDNS", 253),
    ("PRIVATEOID", 254),
];

/// Certificate types (RFC 4398 section 2.1).
const CERTIFICATES: &[(&str, u16)] = &[
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];

/// Octets of SHA-1, SHA-256, GOST and SHA-384 (IANA "DS RR Type Digest Algorithms").
const DS_DIGESTS: &[(u8, usize)] = &[(1, 20), (2, 32), (3, 32), (4, 48)];
/// Octets of SHA-1 and SHA-256 (RFC 4255 section 3.1.2, RFC 6594).
const SSH_DIGESTS: &[(u8, usize)] = &[(1, 20), (2, 32)];
/// Octets of SHA-384 and SHA-512 (RFC 8976 section 2.2.3).
const ZONE_DIGESTS: &[(u8, usize)] = &[(1, 48), (2, 64)];
